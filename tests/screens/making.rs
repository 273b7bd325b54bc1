//! Forms of clusters, file servers, workspaces and sweeps; what forms complete, begin with, and say beforehand.

use std::sync::Arc;

use ostler::model::cost::{Brake, Budget, Period};
use ostler::model::fault::Fault;
use ostler::model::plan::{Estimate, JobPlan};
use ostler::model::request::{Reply, Request, Scale, SweepPlan};
use ostler::model::snapshot::Change;
use ostler::model::spec::sweep::Search;
use ostler::model::spec::{Deallocation, Export, GpuIdle, GpuIdleThen, ProviderSpec, ScaleSettings};
use ostler::model::state::NodeState;
use ostler::model::units::{Millis, Money, NodeCount};
use ostler::tui::here::{Found, Wanted};
use ostler::tui::msg::{Msg, Ticket};
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world;

/// Takes what was asked of the core.
fn asked(screen: &mut Screen) -> Vec<(Ticket, Request)> {
    let effects = std::mem::take(&mut screen.asked).into_iter();
    let asks = effects.filter_map(|effect| match effect {
        UiEffect::Ask(ticket, request) => Some((ticket, request)),
        _ => None,
    });
    asks.collect()
}

/// Takes the last question that fits.
fn last(screen: &mut Screen, fits: impl Fn(&Request) -> bool) -> (Ticket, Request) {
    let all = asked(screen);
    let found = all.iter().rev().find(|(_, request)| fits(request)).cloned();
    found.unwrap_or_else(|| panic!("nothing like it was asked: {all:?}\n{}", screen.text()))
}

fn answer(screen: &mut Screen, ticket: Ticket, reply: Result<Reply, Fault>) {
    screen.tell(Msg::Reply(ticket, Box::new(reply)));
}

fn shows(screen: &Screen, parts: &[&str]) {
    let text = screen.text();
    for part in parts {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

/// What this machine was asked for.
fn here(screen: &mut Screen) -> Vec<(Ticket, Wanted)> {
    let effects = std::mem::take(&mut screen.asked).into_iter();
    effects.filter_map(|e| if let UiEffect::Here(ticket, wanted) = e { Some((ticket, wanted)) } else { None }).collect()
}

fn hosts(screen: &mut Screen) {
    let (ticket, wanted) = here(screen).pop().unwrap_or_else(|| panic!("nothing was asked\n{}", screen.text()));
    assert_eq!(wanted, Wanted::Hosts);
    let found = Found::Hosts { hosts: vec!["gpu-7".into(), "gpu-8".into(), "nas".into()], classes: vec!["BIG".into()] };
    screen.tell(Msg::Here(ticket, Box::new(Ok(found))));
}

/// The form of a cluster over its place in the tree.
fn new_cluster(width: u16, height: u16) -> Screen {
    let mut screen = Screen::at_work(width, height, |_| {});
    screen.keys("j n");
    shows(&screen, &["New cluster"]);
    screen
}

#[test]
fn a_cluster_is_made_in_a_form() {
    for (width, height) in [(80, 24), (120, 40)] {
        insta::assert_snapshot!(format!("form_cluster_{width}x{height}"), new_cluster(width, height).text());
    }
    let mut screen = new_cluster(120, 40);
    hosts(&mut screen);
    // Hosts complete from the ssh configuration, also the second of a list.
    screen.keys("\"gpu-a100\" tab tab \"gpu-[1-3],na\"");
    shows(&screen, &["gpu-[1-3],nas", "there is a cluster `gpu-a100` in this workspace already"]);
    screen.keys("right shift-tab shift-tab ctrl-u \"spare\" tab tab");
    shows(&screen, &["4 hosts"]);
    // A target that cannot be reached is said; a word is no number.
    screen.keys("tab tab tab backspace \"9\"");
    shows(&screen, &["there are 4 hosts: 9 cannot be reached"]);
    screen.keys("backspace \"x\"");
    shows(&screen, &["wants a whole number"]);
    screen.keys("backspace \"4\" tab right ctrl-s");
    let (ticket, request) = last(&mut screen, |r| matches!(r, Request::CreateCluster { .. }));
    let Request::CreateCluster { workspace, name, spec } = request else { panic!("{request:?}") };
    assert_eq!((workspace.as_deref(), name.as_str()), (Some("prod"), "spare"));
    let ProviderSpec::Hosts { hosts } = &spec.provider else { panic!("{spec:?}") };
    assert_eq!(hosts, &["gpu-1", "gpu-2", "gpu-3", "nas"]);
    let (target_node_count, option) = (NodeCount(4), Deallocation::Terminate);
    assert_eq!(spec.scale_settings, ScaleSettings::Manual { target_node_count, node_deallocation_option: option });
    let made = Arc::new(world::cluster(9, "spare", 4));
    screen.tell(world::update(2, false, vec![Change::Cluster(made.clone())]));
    answer(&mut screen, ticket, Ok(Reply::Cluster(made)));
    shows(&screen, &["clusters ▸ spare"]);
    // What did the same on the command line is kept for the events tab.
    screen.keys("Y");
    let copied = screen.asked.iter().find_map(|e| if let UiEffect::Copy(text) = e { Some(text.clone()) } else { None });
    assert_eq!(copied.as_deref(), Some("ostler cluster create spare --hosts gpu-1,gpu-2,gpu-3,nas --target 4 -w prod"));
}

#[test]
fn the_size_of_a_cluster_follows_the_work_when_that_is_chosen() {
    let mut screen = new_cluster(120, 40);
    screen.keys("\"c\" tab right tab tab right tab \"2\" tab backspace \"8\" tab ctrl-u \"25m\" ctrl-s");
    let (_, request) = last(&mut screen, |r| matches!(r, Request::CreateCluster { .. }));
    let Request::CreateCluster { spec, .. } = request else { panic!("{request:?}") };
    assert_eq!(spec.provider, ProviderSpec::Local);
    let ScaleSettings::AutoScale(auto) = spec.scale_settings else { panic!("{spec:?}") };
    assert_eq!((auto.minimum_node_count, auto.maximum_node_count), (NodeCount(2), NodeCount(8)));
    // And as text.
    screen.keys("ctrl-e");
    shows(&screen, &["New cluster, as text", "\"maximumNodeCount\": 8", "\"provider\": \"local\""]);
}

#[test]
fn a_cluster_that_is_there_is_changed_in_a_form() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("j j j e");
    insta::assert_snapshot!("form_cluster_edited_120x40", screen.text());
    screen.keys("ctrl-s");
    shows(&screen, &["nothing is changed"]);
    screen.keys("\",gpu-9\" tab tab backspace \"6\" ctrl-s");
    let (ticket, first) = last(&mut screen, |r| matches!(r, Request::ChangeHosts { .. }));
    let Request::ChangeHosts { cluster, add, remove } = first else { panic!("{first:?}") };
    assert_eq!((cluster.name.as_deref(), add, remove), (Some("gpu-a100"), vec!["gpu-9".to_owned()], Vec::new()));
    answer(&mut screen, ticket, Ok(Reply::Accepted { note: None }));
    let (ticket, second) = last(&mut screen, |r| matches!(r, Request::Scale(_)));
    let Request::Scale(Scale { target, .. }) = second else { panic!("{second:?}") };
    assert_eq!(target, NodeCount(6));
    answer(&mut screen, ticket, Ok(Reply::Accepted { note: Some("4 → 6".into()) }));
    let text = screen.text();
    assert!(text.contains("4 → 6") && !text.contains("╭ Cluster"), "{text}");
}

#[test]
fn a_file_server_and_a_workspace_are_made_in_forms() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys(": \"new-file-server\" enter");
    insta::assert_snapshot!("form_file_server_120x40", screen.text());
    screen.keys("ctrl-s");
    shows(&screen, &["which host?", "which directory?"]);
    screen.keys("\"data\" tab tab \"nas\" tab \"srv\"");
    shows(&screen, &["absolute"]);
    screen.keys("ctrl-u \"/srv\" tab right ctrl-s");
    let (_, request) = last(&mut screen, |r| matches!(r, Request::CreateFileServer { .. }));
    let Request::CreateFileServer { name, spec, .. } = request else { panic!("{request:?}") };
    assert_eq!(name, "data");
    assert_eq!(spec.export, Export::Nfs { host: "nas".into(), path: "/srv".into() });
    assert!(spec.managed.is_some(), "it is exported by ostler");
    let mut screen = Screen::new(80, 24);
    screen.tell(world::update(1, true, Vec::new()));
    screen.keys("n");
    shows(&screen, &["New workspace"]);
    screen.keys("\"lab\" tab tab \"cellar\" tab \"team=vision\" ctrl-s");
    let (_, request) = last(&mut screen, |r| matches!(r, Request::CreateWorkspace { .. }));
    let tags = [("team".to_owned(), "vision".to_owned())].into();
    assert_eq!(request, Request::CreateWorkspace { name: "lab".into(), location: Some("cellar".into()), tags });
}

#[test]
fn tags_of_a_workspace_are_changed() {
    let mut screen = Screen::new(100, 30);
    let mut lab = world::workspace(1, "lab");
    lab.tags = [("team".to_owned(), "vision".to_owned()), ("old".to_owned(), "1".to_owned())].into();
    screen.tell(world::update(1, true, vec![Change::Workspace(Arc::new(lab))]));
    screen.keys("g e");
    shows(&screen, &["old=1", "team=vision"]);
    screen.keys("ctrl-e ctrl-e ctrl-u backspace ctrl-u \"team=speech\" ctrl-s");
    let (_, request) = last(&mut screen, |r| matches!(r, Request::TagWorkspace { .. }));
    let Request::TagWorkspace { tags, .. } = request else { panic!("{request:?}") };
    assert_eq!(tags.get("old"), Some(&None), "{tags:?}");
    assert_eq!(tags.get("team"), Some(&Some("speech".to_owned())));
}

#[test]
fn a_form_begins_with_one_that_is_there_a_recipe_or_a_file() {
    let mut screen = new_cluster(120, 40);
    hosts(&mut screen);
    screen.keys("\"again\" ctrl-t");
    insta::assert_snapshot!("form_templates_120x40", screen.text());
    screen.keys("\"like_gpu\" enter");
    shows(&screen, &["gpu-1,gpu-2", "again"]);
    screen.keys("ctrl-t \"bought\" enter");
    shows(&screen, &["0.526", "follows the work", "‹ as text ›"]);
    screen.keys("ctrl-e");
    shows(&screen, &["./aws-asg.sh my-group acquire"]);
    screen.keys("ctrl-e");
    // A path completes on this side, and the file is read there.
    screen.keys("ctrl-t \"./cl\"");
    let (ticket, wanted) = here(&mut screen).pop().expect("asked");
    assert_eq!(wanted, Wanted::Folder("./".into()));
    let names = vec!["cluster.toml".to_owned()];
    screen.tell(Msg::Here(ticket, Box::new(Ok(Found::Folder { of: "./".into(), names }))));
    screen.keys("tab enter");
    let (ticket, wanted) = here(&mut screen).pop().expect("asked");
    assert_eq!(wanted, Wanted::File("./cluster.toml".into()));
    let text = "name = \"two\"\nhosts = \"node[1-2]\"\n[scaleSettings.manual]\ntargetNodeCount = 2\n".to_owned();
    screen.tell(Msg::Here(ticket, Box::new(Ok(Found::File { path: "./cluster.toml".into(), text }))));
    shows(&screen, &["node1,node2", "two"]);
    // What has no field of its own, a budget, comes along, and what has one is in it: the rule about GPUs.
    screen.keys("ctrl-t \"./cluster.yaml\" enter");
    let (ticket, _) = here(&mut screen).pop().expect("asked");
    let text = "name: three\nhosts: [node1, node2]\npricePerNodeHour: 2\nbudget: {limit: 250, per: week, then: zero}\n\
                scaleSettings: {autoScale: {minimumNodeCount: 0, maximumNodeCount: 2, gpuIdle: {after: PT30M, then: stop}}}\n";
    screen.tell(Msg::Here(ticket, Box::new(Ok(Found::File { path: "./cluster.yaml".into(), text: text.to_owned() }))));
    shows(&screen, &["three", "30m stop"]);
    screen.asked.clear();
    screen.keys("ctrl-s");
    let (ticket, request) = last(&mut screen, |r| matches!(r, Request::CreateCluster { .. }));
    let Request::CreateCluster { spec, .. } = request else { panic!("{request:?}") };
    let ScaleSettings::AutoScale(auto) = &spec.scale_settings else { panic!("{spec:?}") };
    assert_eq!(auto.gpu_idle, Some(GpuIdle { after: Millis::from_mins(30), then: GpuIdleThen::Stop }));
    answer(&mut screen, ticket, Ok(Reply::Cluster(Arc::new(world::cluster(9, "three", 0)))));
    let (_, request) = last(&mut screen, |r| matches!(r, Request::SetBudget { .. }));
    let Request::SetBudget { cluster: Some(place), budget: Some(budget), .. } = request else { panic!("{request:?}") };
    let expected = Budget::new(Money(250_000_000), Period::Week, Brake::Zero);
    assert_eq!((place.name.as_deref(), budget), (Some("three"), expected));
    // A job begins with recipes too; its experiment and cluster stay.
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("1 6 j n ctrl-t \"recipe_pytorch\" enter");
    shows(&screen, &["mnist-lr", "gpu-a100", "‹ pytorch ›"]);
}

/// The form of a sweep over the first job.
fn sweep(width: u16, height: u16) -> Screen {
    let mut screen = Screen::at_work(width, height, |_| {});
    screen.keys("/ \"run-009\" enter S");
    shows(&screen, &["New sweep"]);
    screen
}

#[test]
fn parameters_become_a_sweep() {
    insta::assert_snapshot!("form_sweep_120x40", sweep(120, 40).text());
    let mut screen = sweep(120, 40);
    shows(&screen, &["--lr PARAM_LR --batch PARAM_BATCH", "lr=0.001", "epochs=20", "seed=2"]);
    // One value becomes many; the number of jobs is there at once, the cost when the core has told it.
    screen.keys("ctrl-home ctrl-end enter \"x=1..10\"");
    shows(&screen, &["10 jobs"]);
    let (ticket, request) = last(&mut screen, |r| matches!(r, Request::PlanSweep(_)));
    let Request::PlanSweep(ask) = request else { panic!("{request:?}") };
    assert!(ask.spec.count() >= 1);
    let plan = SweepPlan {
        name: "s".into(),
        experiment: "mnist-lr".into(),
        cluster: "gpu-a100".into(),
        count: 10,
        known: 0,
        parameters: vec!["lr".into(), "x".into()],
        members: vec![("s-1".into(), Vec::new()), ("s-10".into(), Vec::new())],
        node_count: 1,
        cost_most: Some(Money::parse("24.50").expect("money")),
    };
    answer(&mut screen, ticket, Ok(Reply::SweepPlan(Box::new(plan))));
    shows(&screen, &["10 jobs s-1 … s-10: lr, x; at most 24.50, if each ran to its time limit"]);
    // A distribution wants draws.
    screen.keys("enter \"y=log:1e-4..1e-1\"");
    shows(&screen, &["y"]);
    screen.keys("tab right");
    shows(&screen, &["random", "draws"]);
    screen.keys("tab ctrl-u \"7\" ctrl-s");
    let (_, request) = last(&mut screen, |r| matches!(r, Request::CreateSweep(_)));
    let Request::CreateSweep(ask) = request else { panic!("{request:?}") };
    assert_eq!((ask.spec.count(), ask.spec.parts[0].search), (7, Search::Random { jobs: 7, seed: 0 }));
    assert_eq!((ask.experiment.name.as_deref(), ask.cluster.name.as_deref()), (Some("mnist-lr"), Some("gpu-a100")));
    let (first, point) = ask.spec.body(0).expect("a member");
    assert!(first.toolkit.command_line().contains("--lr 0.001 --batch 64"), "{first:?}");
    assert!(point.iter().any(|(name, value)| name == "x" && value.is_number()), "{point:?}");
}

#[test]
fn a_faulty_sweep_says_what_is_wrong_and_has_a_text() {
    let mut screen = sweep(120, 40);
    screen.keys("enter \"lr\" ctrl-s");
    shows(&screen, &["no `=`"]);
    assert!(asked(&mut screen).iter().all(|(_, request)| !matches!(request, Request::CreateSweep(_))));
    screen.keys("backspace backspace \"depth=18,34,50\" ctrl-e");
    shows(&screen, &["New sweep, as text", "\"depth\": \"18,34,50\"", "\"parameters\""]);
    screen.keys("ctrl-e");
    shows(&screen, &["depth=18,34,50", "PARAM_LR"]);
}

fn estimated(starts_now: bool, waits: &str) -> Reply {
    let estimate = Estimate {
        starts_now,
        starts: Some(world::NOW + ostler::model::units::Millis::from_mins(12)),
        waits_for: waits.to_owned(),
        cost_most: Some(Money::parse("2.40").expect("money")),
    };
    Reply::Plan(Box::new(JobPlan {
        name: "x".into(),
        workspace: "prod".into(),
        experiment: "mnist-lr".into(),
        cluster: Some("gpu-a100".into()),
        tool_type: "custom".into(),
        node_count: 1,
        nodes: Vec::new(),
        mounts: Vec::new(),
        processes: Vec::new(),
        process_count: 1,
        script: None,
        estimate: Some(estimate),
        notes: Vec::new(),
    }))
}

#[test]
fn what_if_is_answered_while_one_types() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("1 6 j n");
    let (ticket, request) = last(&mut screen, |r| matches!(r, Request::PlanJob { .. }));
    let Request::PlanJob { submit, stand_ins: true } = request else { panic!("{request:?}") };
    assert_eq!(submit.spec.node_count, NodeCount(1));
    // One question at a time: what is typed meanwhile is asked when the answer is there.
    screen.keys("shift-tab shift-tab shift-tab backspace \"3\"");
    assert!(asked(&mut screen).iter().all(|(_, r)| !matches!(r, Request::PlanJob { .. })));
    answer(&mut screen, ticket, Ok(estimated(true, "")));
    shows(&screen, &["starts at once · costs 2.40 at most"]);
    let (ticket, request) = last(&mut screen, |r| matches!(r, Request::PlanJob { .. }));
    let Request::PlanJob { submit, .. } = request else { panic!("{request:?}") };
    assert_eq!(submit.spec.node_count, NodeCount(3));
    answer(&mut screen, ticket, Ok(estimated(false, "needs 3 nodes, 0 idle")));
    let text = screen.text();
    assert!(text.contains("starts in 11m59s at the latest") && text.contains("needs 3 nodes, 0 idle"), "{text}");
}

#[test]
fn paths_complete_on_a_node_of_the_cluster() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.tell(world::update(2, false, vec![Change::Node(Arc::new(world::node(3, 1, "gpu-3", NodeState::Idle)))]));
    screen.keys("1 6 j n");
    screen.asked.clear();
    screen.keys("\"_/da\"");
    let (ticket, request) = last(&mut screen, |r| matches!(r, Request::Exec { .. }));
    let Request::Exec { node, command } = request else { panic!("{request:?}") };
    assert_eq!(node, ostler::model::request::NodeRef::Id(ostler::model::ids::NodeId(3)), "the idle one is asked");
    assert_eq!(command, "ls -1ApL -- / | head -n 1000");
    // What is typed meanwhile is not held up, and nothing else is asked.
    screen.keys("\"t\"");
    let ran = Reply::Ran { code: 0, stdout: b"bin/\ndata/\ndatabase\nroot/\n".to_vec(), stderr: Vec::new() };
    answer(&mut screen, ticket, Ok(ran));
    shows(&screen, &["→ a/  abase"]);
    screen.keys("right");
    let (ticket, request) = last(&mut screen, |r| matches!(r, Request::Exec { .. }));
    assert!(matches!(&request, Request::Exec { command, .. } if command.contains("-- /data/ ")), "{request:?}");
    answer(&mut screen, ticket, Err(Fault::user("the node went away")));
    shows(&screen, &["/data/"]);
}

#[test]
fn a_wide_screen_has_the_text_beside_the_fields() {
    let mut screen = Screen::at_work(160, 45, |_| {});
    screen.keys("1 6 j n \"_--more\"");
    shows(&screen, &["╭ New job", "╭ As text", "\"commandLine\": \"python3 train.py"]);
    insta::assert_snapshot!("form_beside_160x45", screen.text());
}

#[test]
fn a_lost_link_counts_down_to_its_next_try() {
    use ostler::model::state::Reach;
    let mut screen = Screen::at_work(120, 40, |_| {});
    let mut lost = world::node(3, 1, "gpu-3", NodeState::Idle);
    let next_try = Some(world::NOW + ostler::model::units::Millis::from_secs(9));
    lost.reach = Reach::Lost { since: world::ago(30), why: "Connection timed out".to_owned(), next_try };
    screen.tell(world::update(2, false, vec![Change::Node(Arc::new(lost))]));
    screen.keys("/ \"gpu-3\" enter");
    shows(&screen, &["not seen for 30s; what is shown is from then", "next try in 8s; p tries now", "Connection timed out"]);
    // Also where one need not look for it, and each second.
    shows(&screen, &[" next try in 8s · not seen for 30s "]);
    assert!(screen.app.wake_at() <= screen.now + ostler::model::units::Millis::from_secs(1));
    screen.now = world::NOW + ostler::model::units::Millis::from_secs(4);
    screen.tell(Msg::Tick);
    shows(&screen, &["next try in 5s"]);
    screen.now = world::NOW + ostler::model::units::Millis::from_secs(12);
    screen.tell(Msg::Tick);
    shows(&screen, &["being tried now"]);
    screen.keys("p");
    let (_, request) = last(&mut screen, |r| matches!(r, Request::Node { .. }));
    assert!(matches!(request, Request::Node { act: ostler::model::request::NodeAct::Prepare, .. }), "{request:?}");
}

#[test]
fn refresh_rates_and_units_are_those_of_the_configuration() {
    use ostler::config::{Pace, Sizes, Ui};
    use ostler::model::units::{Bytes, Millis};
    let mut screen = Screen::at_work(120, 40, |_| {});
    assert_eq!(screen.app.wake_at().since(screen.now), Millis(800), "clocks move at whole seconds");
    let pace = Pace { moving: Millis::from_secs(5), frames: 12, ..Pace::default() };
    screen.tell(Msg::Configured(Ok(Ui { pace, sizes: Sizes::Decimal, ..Ui::default() })));
    assert_eq!((screen.app.wake_at().since(screen.now), screen.app.frames()), (Millis(4800), 12));
    for (bytes, binary, decimal) in [(812, "812 B", "812 B"), (1500, "1.5 KiB", "1.5 kB"), (3 << 30, "3 GiB", "3.2 GB")] {
        assert_eq!((Sizes::Binary.write(Bytes(bytes)), Sizes::Decimal.write(Bytes(bytes))), (binary.into(), decimal.into()));
    }
}

#[test]
fn a_sweep_is_held_and_stopped_from_one_of_its_jobs() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("/ \"mnist\" enter : \"limit_4\" enter");
    let (_, request) = last(&mut screen, |r| matches!(r, Request::CapExperiment { .. }));
    assert!(matches!(request, Request::CapExperiment { running_max: Some(4), .. }), "{request:?}");
    screen.keys(": \"sweep-pause\" enter");
    shows(&screen, &["select a job of a sweep, or an experiment that has one"]);
    screen.keys(": \"ostler_sweep_list\" enter");
    let words = screen.asked.iter().find_map(|e| if let UiEffect::Aside(words, _) = e { Some(words.clone()) } else { None });
    assert_eq!(words, Some(vec!["sweep".to_owned(), "list".to_owned()]));
}

/// A sweep begins like a job, like a sweep that is there, with what its members have, or with a recipe.
#[test]
fn a_sweep_begins_with_what_is_there() {
    use ostler::model::ids::SweepId;
    use ostler::model::state::SweepMember;
    let mut screen = sweep(120, 40);
    let mut changes = Vec::new();
    for (id, lr) in [(9_u64, 0.001), (11, 0.03)] {
        let mut job = world::job(id, 1, 1, &format!("run-{id:03}"));
        let parameters = vec![("lr".to_owned(), serde_json::json!(lr)), ("depth".to_owned(), serde_json::json!(18))];
        job.sweep = Some(Box::new(SweepMember {
            of: SweepId(3),
            name: "wide".into(),
            index: id as u32,
            parameters,
            running_max: None,
        }));
        changes.push(Change::Job(Arc::new(job)));
    }
    let sweep = serde_json::json!({
        "id": 3, "workspace": 1, "experiment": 1, "cluster": 1, "name": "wide", "uuid": uuid::Uuid::nil(), "parts": 1,
        "parameters": ["lr", "depth"], "blocks": [], "left": [], "priority": "normal", "created": world::NOW,
    });
    changes.push(Change::Sweep(Arc::new(serde_json::from_value(sweep).expect("a sweep as the store keeps it"))));
    screen.tell(world::update(2, false, changes));
    screen.keys("ctrl-t");
    shows(&screen, &["Begin with", "like sweep wide", "like run-"]);
    screen.keys("\"sweep\" enter");
    shows(&screen, &["New sweep", "lr=0.001,0.03", "depth=18", "2 jobs", "--lr PARAM_LR"]);
    screen.keys("ctrl-t \"recipe_pytorch\" enter");
    shows(&screen, &["New sweep", "‹ pytorch ›", "mnist-lr"]);
    screen.keys("ctrl-t \"like_run-004\" enter");
    shows(&screen, &["New sweep", "lr=0.001", "--lr PARAM_LR"]);
}
