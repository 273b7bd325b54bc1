//! A cluster whose jobs Slurm places: its queue, partitions and nodes, acts on them, and the windows of what Slurm knows besides.

use std::sync::Arc;
use std::time::Instant;

use ostler::model::fault::Fault;
use ostler::model::ids::{ClusterId, JobId};
use ostler::model::request::{JobAct, JobRef, Reply, Request, Why};
use ostler::model::site::{Partition, Site, SiteAct, SiteJob, SiteJobAct, SiteNode, SiteNodeAct};
use ostler::model::site_ask::{AccountShare, QosShare, SiteAsk, SiteLimit, SitePriority, SiteSaid, SiteShares};
use ostler::model::site_use::SiteUse;
use ostler::model::snapshot::Change;
use ostler::model::spec::pool::Allocation;
use ostler::model::spec::{ClusterSpec, ProviderSpec, SlurmSpec};
use ostler::model::state::job::Away;
use ostler::model::state::{Job, Node, NodeState};
use ostler::model::units::{Bytes, Millis, UnixMillis};
use ostler::tui::msg::{Msg, Ticket};
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world::{self, NOW, ago};

fn queued(id: &str, user: &str, name: &str, why: (&str, &str), gpus: u32) -> SiteJob {
    SiteJob {
        id: id.into(),
        name: name.into(),
        user: user.into(),
        partition: "gpu".into(),
        account: "phys".into(),
        qos: "normal".into(),
        state: "PENDING".into(),
        reason: why.0.into(),
        why: why.1.into(),
        nodes: 1,
        cpus: 8,
        memory: "32G".into(),
        gres: if gpus > 0 { format!("gres:gpu:{gpus}") } else { String::new() },
        limit: "4:00:00".into(),
        used: "0:00".into(),
        priority: 10_543,
        mine: user == "ci",
        ..SiteJob::default()
    }
}

fn runs(id: &str, user: &str, name: &str, on: (&str, u32), gpus: u32, used: &str) -> SiteJob {
    SiteJob {
        state: "RUNNING".into(),
        reason: "None".into(),
        why: String::new(),
        nodes: on.1,
        on: on.0.into(),
        used: used.into(),
        starts: Some(ago(600)),
        ..queued(id, user, name, ("None", ""), gpus)
    }
}

fn node(name: &str, state: &str, cpus: [u32; 4], gres: &str, why: (&str, &str)) -> SiteNode {
    SiteNode {
        name: name.into(),
        partitions: vec![if gres.is_empty() { "cpu".into() } else { "gpu".into() }],
        state: state.into(),
        cpus,
        memory_mib: 257_000,
        gres: gres.into(),
        features: "epyc".into(),
        reason: why.0.into(),
        reason_by: why.1.into(),
    }
}

/// What Slurm says: some jobs, some nodes.
fn site() -> Site {
    let resources = ("Resources", "nothing free fits what it asks for; it is first in line");
    let priority = ("Priority", "jobs with a higher priority come first");
    let mut first = queued("4714", "bo", "big-llm", resources, 8);
    first.starts = Some(NOW + Millis::from_mins(95));
    let mut held = queued("4716", "ci", "sweep-late", ("JobHeldUser", "it is held; release it to let it run"), 1);
    held.priority = 0;
    let none = ("", "");
    Site {
        cluster: ClusterId(7),
        at: ago(4),
        every: Millis::from_secs(10),
        version: "slurm 22.05.8".into(),
        partitions: vec![
            Partition {
                name: "gpu".into(),
                default: true,
                state: "up".into(),
                time_limit: "2-00:00:00".into(),
                nodes: [2, 1, 1, 4],
                cpus: [72, 120, 64, 256],
            },
            Partition {
                name: "cpu".into(),
                default: false,
                state: "drain".into(),
                time_limit: "infinite".into(),
                nodes: [0, 1, 0, 1],
                cpus: [0, 128, 0, 128],
            },
        ],
        nodes: vec![
            node("gpu01", "mixed", [40, 24, 0, 64], "gpu:a100:4(S:0-1)", none),
            node("gpu02", "allocated", [64, 0, 0, 64], "gpu:a100:4(S:0-1)", none),
            node("gpu03", "idle", [0, 64, 0, 64], "gpu:a100:4(S:0-1)", none),
            node("gpu04", "drained", [0, 0, 64, 64], "gpu:a100:4(S:0-1)", ("fan 3 is dead", "root")),
            node("cpu01", "idle~", [0, 128, 0, 128], "", none),
        ],
        jobs: vec![
            runs("4711", "ana", "train-vit", ("gpu[01-02]", 2), 3, "1:30:00"),
            runs("4712", "ci", "run-001", ("gpu02", 1), 1, "12:04"),
            runs("4713", "ci", "jupyter", ("gpu01", 1), 0, "3:00:00"),
            first,
            queued("4715", "ci", "run-002", priority, 2),
            held,
            queued("4720_[1-50]", "mallory\u{1b}[31m", "arr\u{202e}ay", priority, 0),
        ],
        more_jobs: 0,
        notes: Vec::new(),
    }
}

/// A job of ostler's that Slurm has.
fn handed(id: u64, name: &str, away: Away) -> Job {
    let mut job = world::job(id, 1, 7, name);
    if !away.waits {
        job = world::running(job, 70, "login", 700);
    }
    job.last.away = Some(Arc::new(away));
    job
}

fn changes(site: Site) -> Vec<Change> {
    let mut cluster = world::cluster(7, "big", 1);
    cluster.spec.provider = ProviderSpec::Hosts { hosts: vec!["you@login.site".into()] };
    cluster.spec.slurm = Some(Box::new(SlurmSpec { partition: Some("gpu".into()), ..SlurmSpec::default() }));
    let away = Away { theirs: "4712".into(), word: "RUNNING".into(), nodes: vec!["gpu02".into()], ..Away::default() };
    let running = handed(61, "run-001", Away { waits: false, place: "gpu".into(), ..away });
    let why = "jobs with a higher priority come first".into();
    let away = Away { theirs: "4715".into(), waits: true, word: "PENDING".into(), why, ..Away::default() };
    let waiting = handed(62, "run-002", Away { place: "gpu".into(), starts: Some(NOW + Millis::from_mins(200)), ..away });
    vec![
        Change::Workspace(Arc::new(world::workspace(1, "prod"))),
        Change::Cluster(Arc::new(cluster)),
        Change::Node(Arc::new(world::node(70, 7, "login", NodeState::Running))),
        Change::Experiment(Arc::new(world::experiment(1, "mnist-lr"))),
        Change::Job(Arc::new(running)),
        Change::Job(Arc::new(waiting)),
        Change::Site(Arc::new(site)),
    ]
}

/// A screen on the detail pane of the cluster, on a tab.
fn on_tab(width: u16, height: u16, tab: u32) -> Screen {
    let mut screen = Screen::new(width, height);
    screen.tell(world::update(1, true, changes(site())));
    screen.keys(&format!("/ \"big\" enter tab alt-{tab}"));
    screen.asked.clear();
    screen
}

fn shows(screen: &Screen, parts: &[&str]) {
    let text = screen.text();
    for part in parts {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

fn questions(screen: &Screen) -> Vec<(Ticket, Request)> {
    let ask = |effect: &UiEffect| match effect {
        UiEffect::Ask(ticket, request) => Some((*ticket, request.clone())),
        _ => None,
    };
    screen.asked.iter().filter_map(ask).collect()
}

fn answer(screen: &mut Screen, ticket: Ticket, reply: Result<Reply, Fault>) {
    screen.tell(Msg::Reply(ticket, Box::new(reply)));
}

fn said(screen: &mut Screen, said: SiteSaid) {
    let ask = questions(screen).into_iter().rev().find(|(_, request)| matches!(request, Request::AskSite { .. }));
    let (ticket, _) = ask.unwrap_or_else(|| panic!("nothing was asked of Slurm\n{}", screen.text()));
    answer(screen, ticket, Ok(Reply::SiteSaid(Box::new(said))));
}

/// What was last asked to be made, and the command line that does the same.
fn made(screen: &mut Screen) -> (ClusterSpec, String) {
    let made = questions(screen).into_iter().rev().find_map(|(ticket, request)| match request {
        Request::CreateCluster { spec, .. } => Some((ticket, *spec)),
        _ => None,
    });
    let (ticket, spec) = made.unwrap_or_else(|| panic!("nothing was made\n{}", screen.text()));
    answer(screen, ticket, Ok(Reply::Cluster(Arc::new(world::cluster(9, "made", 0)))));
    screen.keys("Y");
    let copied =
        screen.asked.iter().rev().find_map(|e| if let UiEffect::Copy(text) = e { Some(text.clone()) } else { None });
    (spec, copied.expect("a command line"))
}

#[test]
fn a_cluster_of_slurm_and_a_pool_of_allocations_are_made_in_the_form() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut screen = Screen::at_work(width, height, |_| {});
        screen.keys("j n \"big\" tab right right right tab \"you@login.site\" tab \"gpu\" tab tab \"high\"");
        insta::assert_snapshot!(format!("slurm_form_{width}x{height}"), screen.text());
        screen.keys("ctrl-s");
        let (spec, line) = made(&mut screen);
        let asked = spec.slurm.expect("a cluster of Slurm");
        assert_eq!((asked.partition.as_deref(), asked.account, asked.qos.as_deref()), (Some("gpu"), None, Some("high")));
        assert_eq!(spec.provider.hosts().cloned(), Some(vec!["you@login.site".to_owned()]));
        assert_eq!(
            line,
            "ostler cluster create big --backend slurm --login you@login.site --partition gpu --qos high -w prod"
        );
        let mut screen = Screen::at_work(width, height, |_| {});
        screen.keys("j n \"pool\" tab right right right right tab \"login.site\" tab tab \"phys\" tab tab \"4h\"");
        screen.keys("tab right tab tab backspace \"8\"");
        insta::assert_snapshot!(format!("slurm_form_pool_{width}x{height}"), screen.text());
        screen.keys("ctrl-s");
        let (spec, line) = made(&mut screen);
        let ProviderSpec::Slurm { allocation } = &spec.provider else { panic!("{spec:?}") };
        assert_eq!((allocation.login.as_str(), allocation.time), ("login.site", Some(Millis::from_mins(240))));
        assert_eq!(allocation.slurm.account.as_deref(), Some("phys"));
        let pool = "--login login.site --account phys --allocation-time 14400000ms --min 0 --max 8 -w prod";
        assert_eq!(line, format!("ostler cluster create pool {pool}"));
    }
    // What is wrong is said at its field.
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("j n \"pool\" tab right right right right tab \"login.site\" tab tab tab tab \"2m\" ctrl-s");
    shows(&screen, &["must be 5m00s or more"]);
    // The same as text, with what has no field kept.
    screen.keys("ctrl-u \"4h\" ctrl-e");
    shows(&screen, &["\"provider\": \"slurm\"", "\"allocationTime\": \"4h\"", "\"login\": \"login.site\""]);
}

/// What was last asked for at the site.
fn acted(screen: &Screen) -> Option<SiteAct> {
    questions(screen).into_iter().rev().find_map(|(_, request)| match request {
        Request::ActAtSite { cluster, act } => {
            assert_eq!((cluster.name.as_deref(), cluster.workspace.as_deref()), (Some("big"), Some("prod")));
            Some(act)
        }
        _ => None,
    })
}

#[test]
fn each_tab_fits_both_sizes() {
    for (tab, name) in [(1, "overview"), (2, "queue"), (3, "partitions"), (4, "nodes")] {
        for (width, height) in [(80, 24), (120, 40)] {
            let screen = on_tab(width, height, tab);
            insta::assert_snapshot!(format!("slurm_{name}_{width}x{height}"), screen.text());
        }
    }
    let mut wide = on_tab(200, 30, 2);
    wide.keys("z");
    insta::assert_snapshot!("slurm_queue_zoomed_200x30", wide.text());
}

#[test]
fn a_fresh_picture_is_asked_for_while_one_looks_and_an_old_one_says_its_age() {
    let mut screen = on_tab(120, 40, 2);
    let asks =
        |screen: &Screen| questions(screen).into_iter().filter(|(_, ask)| matches!(ask, Request::ShowSite(_))).count();
    // The first was asked for when the cluster was selected, and nothing is asked twice.
    screen.keys("j k");
    assert_eq!(asks(&screen), 0);
    screen.now = screen.now + Millis::from_secs(11);
    screen.tell(Msg::Tick);
    assert_eq!(asks(&screen), 0, "the first is not answered yet");
    let mut fresh = Screen::new(120, 40);
    fresh.tell(world::update(1, true, changes(site())));
    fresh.keys("/ \"big\" enter");
    let (ticket, request) =
        questions(&fresh).into_iter().find(|(_, ask)| matches!(ask, Request::ShowSite(_))).expect("asked");
    assert!(matches!(request, Request::ShowSite(place) if place.name.as_deref() == Some("big")));
    fresh.keys("tab alt-2");
    answer(&mut fresh, ticket, Err(Fault::remote("the login node does not answer")));
    shows(&fresh, &["from 4s ago; the login node does not answer", "train-vit"]);
    fresh.now = fresh.now + Millis::from_secs(60);
    fresh.asked.clear();
    fresh.tell(Msg::Tick);
    assert_eq!(asks(&fresh), 1);
    let (ticket, _) = questions(&fresh).remove(0);
    answer(&mut fresh, ticket, Ok(Reply::Site(Arc::new(site()))));
    shows(&fresh, &["from 1m04s ago"]);
    // Nothing is known yet.
    let mut first = Screen::new(80, 24);
    let mut without = changes(site());
    without.pop();
    first.tell(world::update(1, true, without));
    first.keys("/ \"big\" enter tab alt-2");
    shows(&first, &["asking Slurm"]);
    first.tell(world::update(2, false, vec![Change::Site(Arc::new(site()))]));
    shows(&first, &["4711", "4 wait"]);
}

#[test]
fn the_queue_is_sorted_and_filtered_and_keeps_its_place() {
    let mut screen = on_tab(120, 40, 2);
    // Down to the held job; another picture puts a new one before it.
    screen.keys("j j j j j");
    let mut more = site();
    more.jobs.insert(0, queued("4700", "ana", "early", ("Priority", "jobs with a higher priority come first"), 0));
    screen.tell(world::update(2, false, vec![Change::Site(Arc::new(more))]));
    screen.keys("enter");
    shows(&screen, &["big · job 4716", "it is held; release it to let it run"]);
    screen.keys("esc");
    let order = |screen: &Screen| -> Vec<String> {
        let text = screen.text();
        // The line of the row under the cursor stands below the table.
        let rows = text.lines().filter(|line| line.contains(['◌', '▶', '‖']));
        let ids = rows.flat_map(str::split_whitespace).filter(|word| word.trim_start_matches("││").starts_with("47"));
        ids.map(|id| id.trim_start_matches("││").to_owned()).collect()
    };
    screen.keys(": \"sort_GPUs\" enter O");
    assert_eq!(order(&screen)[..3], ["4714", "4711", "4715"], "{}", screen.text());
    screen.keys("/ \"user:you_state:queued\" enter");
    assert_eq!(order(&screen), ["4715", "4716"], "{}", screen.text());
    screen.keys("esc");
    screen.keys("/ \"node:gpu02\" enter");
    assert_eq!(order(&screen), ["4711", "4712"], "{}", screen.text());
    screen.keys("esc / \"vit\" enter");
    assert_eq!(order(&screen), ["4711"], "{}", screen.text());
    screen.keys("esc alt-4 / \"user:ana\" enter");
    shows(&screen, &["gpu01", "gpu02"]);
    assert!(!screen.text().contains("gpu03"), "{}", screen.text());
}

#[test]
fn jobs_of_others_are_touched_only_after_a_question_that_says_whose_they_are() {
    let mut screen = on_tab(120, 40, 2);
    screen.keys("x");
    shows(&screen, &["Cancel 4711", "4711 (train-vit), of ana", "Not yours: ana"]);
    insta::assert_snapshot!("slurm_cancel_of_another_120x40", screen.text());
    // The first answer is the harmless one.
    screen.keys("enter");
    assert_eq!(acted(&screen), None);
    screen.keys("x tab enter");
    let cancel = SiteAct::Jobs { ids: vec!["4711".into()], act: SiteJobAct::Cancel };
    assert_eq!(acted(&screen), Some(cancel));
    let (ticket, _) = questions(&screen).pop().expect("asked");
    answer(&mut screen, ticket, Err(Fault::user("Slurm refuses it for `4711`").cause("Access/permission denied")));
    shows(&screen, &["Slurm refuses it for"]);
    // Marks: several at once, and only those for which it makes sense.
    screen.keys("space space space space H");
    shows(&screen, &["Hold 4714", "of bo"]);
    screen.keys("tab enter");
    assert_eq!(acted(&screen), Some(SiteAct::Jobs { ids: vec!["4714".into()], act: SiteJobAct::Hold }));
    // Esc takes the marks away; the act and its command line are told on the tab of events.
    screen.keys("esc");
    screen.keys("alt-5");
    shows(&screen, &["ostler cluster job cancel -y 4711 -c big -w prod", "ostler cluster job hold 4714 -c big -w prod"]);
}

#[test]
fn each_act_on_jobs_and_nodes_has_its_words() {
    let mut screen = on_tab(120, 40, 2);
    // Jupyter is one's own, and none of ostler's.
    screen.keys("j j");
    for (keys, part, act) in [
        (": \"requeue\" enter", "put back into the queue", SiteJobAct::Requeue),
        (": \"time-limit_2h\" enter", "It may run 2h00m in all", SiteJobAct::TimeLimit(Millis::from_mins(120))),
    ] {
        screen.keys(keys);
        shows(&screen, &[part, "4713 (jupyter), yours"]);
        screen.keys("tab enter");
        assert_eq!(acted(&screen), Some(SiteAct::Jobs { ids: vec!["4713".into()], act }));
    }
    screen.keys("j : \"nice_500\" enter");
    shows(&screen, &["by 500 of its priority"]);
    screen.keys("tab enter");
    assert_eq!(acted(&screen), Some(SiteAct::Jobs { ids: vec!["4714".into()], act: SiteJobAct::Nice(500) }));
    screen.keys("j j U tab enter");
    assert_eq!(acted(&screen), Some(SiteAct::Jobs { ids: vec!["4716".into()], act: SiteJobAct::Release }));
    // A job of ostler's is ostler's to stop.
    screen.asked.clear();
    screen.keys("k x");
    let stop = |(_, request): (Ticket, Request)| {
        matches!(request, Request::Job { job: JobRef::Id(JobId(62)), act: JobAct::Terminate { .. } })
    };
    assert!(questions(&screen).into_iter().any(stop), "{:?}", screen.asked);
    screen.keys("alt-4 : \"drain_new_fan\" enter");
    shows(&screen, &["Drain gpu01", "Jobs of ana, ci run there", "new fan"]);
    screen.keys("tab enter");
    let drain = SiteNodeAct::Drain { why: "new fan".into() };
    assert_eq!(acted(&screen), Some(SiteAct::Nodes { names: vec!["gpu01".into()], act: drain }));
    screen.keys("G : \"power-up\" enter tab enter");
    assert_eq!(acted(&screen), Some(SiteAct::Nodes { names: vec!["cpu01".into()], act: SiteNodeAct::PowerUp }));
    screen.keys("alt-5");
    shows(
        &screen,
        &["cluster node drain --reason 'new fan' gpu01 -c big", "cluster job nice 500 4714", "cluster job time 120m 4713"],
    );
}

#[test]
fn nothing_is_done_where_acts_are_off() {
    let mut screen = Screen::with(120, 40, |look| look.readonly = true);
    screen.tell(world::update(1, true, changes(site())));
    screen.keys("/ \"big\" enter tab alt-2 x");
    shows(&screen, &["`stop` is off: started with --readonly"]);
    assert_eq!(acted(&screen), None);
}

#[test]
fn the_window_of_a_job_says_why_it_waits_and_of_what_its_priority_is_made() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut screen = on_tab(width, height, 2);
        screen.keys("j j j W");
        shows(&screen, &["asking Slurm of what it is made"]);
        let parts =
            vec![("age".to_owned(), 293), ("fair share".to_owned(), 10_000), ("nice".to_owned(), -7), ("QOS".to_owned(), 0)];
        let priority = SitePriority { id: "4714".into(), user: "bo".into(), total: 10_286, parts };
        said(&mut screen, SiteSaid::Priorities { in_order: false, jobs: vec![priority], notes: Vec::new() });
        shows(&screen, &["nothing free fits what it asks for", "in 1h34m, as Slurm expects now", "10000  fair share"]);
        insta::assert_snapshot!(format!("slurm_job_{width}x{height}"), screen.text());
        screen.keys("esc alt-4 enter");
        shows(&screen, &["big · node gpu01", "3 of 4 asked for by jobs", "4711 train-vit, of ana"]);
        insta::assert_snapshot!(format!("slurm_node_{width}x{height}"), screen.text());
    }
}

#[test]
fn why_a_job_of_ours_waits_in_slurm() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut screen = on_tab(width, height, 2);
        screen.keys("j j j j W");
        let (ticket, request) = questions(&screen).pop().expect("asked");
        assert!(matches!(request, Request::WhyJob(JobRef::Id(JobId(62)))), "{request:?}");
        let reason = "jobs with a higher priority come first".to_owned();
        let why = Why { reason, place: 0, nodes: Vec::new(), change: None, starts: Some(NOW + Millis::from_mins(200)) };
        answer(&mut screen, ticket, Ok(Reply::Why(why)));
        shows(&screen, &["asking Slurm of what it is made"]);
        let (_, request) = questions(&screen).pop().expect("asked");
        let Request::AskSite { ask, .. } = request else { panic!("{request:?}") };
        assert_eq!(ask, SiteAsk::Priorities { ids: vec!["4715".into()] });
        let priority = SitePriority {
            total: 9993,
            parts: vec![("fair share".into(), 10_000), ("nice".into(), -7)],
            ..Default::default()
        };
        said(&mut screen, SiteSaid::Priorities { in_order: false, jobs: vec![priority], notes: Vec::new() });
        insta::assert_snapshot!(format!("slurm_why_{width}x{height}"), screen.text());
        // What cannot be known is said.
        screen.keys("esc W");
        let (ticket, _) = questions(&screen).pop().expect("asked");
        answer(
            &mut screen,
            ticket,
            Ok(Reply::Why(Why { reason: "it waits".into(), place: 0, nodes: Vec::new(), change: None, starts: None })),
        );
        let (ticket, _) = questions(&screen).pop().expect("asked");
        answer(&mut screen, ticket, Err(Fault::remote("sprio does not answer")));
        shows(&screen, &["not known: sprio does not answer"]);
    }
}

#[test]
fn what_accounts_may_and_what_jobs_used_are_asked_for() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut screen = on_tab(width, height, 1);
        screen.keys(": \"share\" enter");
        shows(&screen, &["asking Slurm what your accounts have used and may"]);
        let limit = |words: &str| SiteLimit { name: "MaxJobs".into(), value: "8".into(), words: words.into() };
        let account = AccountShare {
            account: "phys".into(),
            user: "ci".into(),
            qos: vec!["normal".into(), "high".into()],
            shares: "10".into(),
            usage: "720000".into(),
            usage_part: "0.123".into(),
            factor: "0.71".into(),
            limits: vec![limit("8 of your jobs running"), limit("64 CPUs in use")],
            ..AccountShare::default()
        };
        let all = AccountShare { user: String::new(), limits: Vec::new(), ..account.clone() };
        let qos = QosShare { name: "high".into(), priority: "100".into(), limits: vec![limit("2 of your jobs running")] };
        let shares = SiteShares { user: "ci".into(), accounts: vec![account, all], qos: vec![qos], ..SiteShares::default() };
        said(&mut screen, SiteSaid::Shares(shares));
        shows(&screen, &["200.0 CPU hours, 12.3 % of all", "8 of your jobs running"]);
        insta::assert_snapshot!(format!("slurm_share_{width}x{height}"), screen.text());
        screen.keys("esc : \"share\" enter");
        let (ticket, _) = questions(&screen).pop().expect("asked");
        answer(&mut screen, ticket, Err(Fault::remote("slurmdbd does not answer").cause("connection refused")));
        shows(&screen, &["not known: slurmdbd does not answer", "connection refused"]);
        screen.keys("esc alt-2 j : \"efficiency\" enter");
        let used = SiteUse {
            id: "4712".into(),
            state: "RUNNING".into(),
            over: false,
            elapsed: Some(Millis::from_mins(120)),
            limit: Some(Millis::from_mins(240)),
            nodes: 1,
            cpus: 8,
            cpu_time: Some(Millis::from_mins(240)),
            memory_asked: Some(Bytes(32 << 30)),
            memory_used: Some(Bytes(3 << 30)),
        };
        said(&mut screen, SiteSaid::Uses { jobs: vec![used], notes: Vec::new() });
        shows(
            &screen,
            &["8 CPUs asked for, busy for 4h00m (25 %)", "32 GiB asked for, 3 GiB used (9 %)", "--cpus 2 would do"],
        );
        insta::assert_snapshot!(format!("slurm_efficiency_{width}x{height}"), screen.text());
    }
}

#[test]
fn ways_into_jobs_are_ostlers_own_commands() {
    let mut screen = on_tab(120, 40, 2);
    let aside = |screen: &Screen| -> Option<Vec<String>> {
        screen.asked.iter().rev().find_map(|effect| match effect {
            UiEffect::Aside(words, _) => Some(words.clone()),
            _ => None,
        })
    };
    // Somebody else's.
    screen.keys("s");
    shows(&screen, &["4711 is ana's: Slurm lets only its owner in"]);
    assert_eq!(aside(&screen), None);
    // One of ostler's, and one's own that ostler did not submit.
    screen.keys("j s");
    assert_eq!(aside(&screen).expect("a shell"), ["job", "node", "shell", "job-61"]);
    screen.keys("j s");
    assert_eq!(aside(&screen).expect("a shell"), ["cluster", "job", "shell", "4713", "-c", "big", "-w", "prod"]);
    screen.keys(": \"follow-output\" enter");
    assert_eq!(aside(&screen).expect("its output"), ["cluster", "job", "logs", "4713", "-c", "big", "-w", "prod"]);
    // Enter goes to the one of ostler's, whose log the log pane follows then.
    screen.asked.clear();
    screen.keys("k enter");
    shows(&screen, &["run-001", "job 4712", "partition gpu"]);
    assert!(screen.asked.iter().any(|effect| matches!(effect, UiEffect::Watch(..))), "{:?}", screen.asked);
}

#[test]
fn nothing_that_slurm_says_reaches_the_terminal_as_it_is() {
    let screen = on_tab(120, 40, 2);
    let text = screen.text();
    assert!(text.contains("4720_[1-") && !text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn ten_thousand_jobs_are_as_quick_as_ten() {
    let mut large = site();
    let why = ("Priority", "jobs with a higher priority come first");
    large.jobs =
        (0..10_000).map(|at| queued(&format!("{at}"), if at % 7 == 0 { "ci" } else { "ana" }, "sweep", why, 1)).collect();
    // The quickest of several says least of what else the machine does.
    let time = |screen: &mut Screen, work: &dyn Fn(&mut Screen)| {
        let one = |_| {
            let began = Instant::now();
            work(screen);
            began.elapsed()
        };
        (0..5).map(one).min().unwrap_or_default()
    };
    let keys = |screen: &mut Screen| {
        for _ in 0..20 {
            screen.keys("j pgdn pgup");
            screen.buffer();
        }
    };
    let mut small = on_tab(120, 40, 2);
    keys(&mut small);
    let few = time(&mut small, &keys);
    let mut screen = on_tab(120, 40, 2);
    screen.tell(world::update(2, false, vec![Change::Site(Arc::new(large))]));
    let many = time(&mut screen, &keys);
    // Ten milliseconds are the noise of a busy machine.
    assert!(many < few * 3 + std::time::Duration::from_millis(10), "{many:?} for ten thousand, {few:?} for seven");
    screen.keys("G");
    shows(&screen, &["9999"]);
    screen.keys(": \"sort_job\" enter O g");
    shows(&screen, &["9999"]);
}

#[test]
fn a_pool_of_allocations_says_what_each_node_is() {
    let mut pool = world::cluster(8, "pool", 2);
    let allocation =
        Allocation { login: "you@login.site".into(), slurm: SlurmSpec::default(), time: Some(Millis::from_mins(240)) };
    pool.spec.provider = ProviderSpec::Slurm { allocation: Box::new(allocation) };
    let held = |id, name: &str, state| {
        let node = world::node(id, 8, name, state);
        Node { host: format!("allocation/{}", 4800 + id), machine: (4800 + id).to_string(), ..node }
    };
    let mut there = held(81, "gpu03", NodeState::Running);
    there.ends = Some(UnixMillis(NOW.0 + 90 * 60_000));
    let mut waits = world::node(82, 8, "", NodeState::Allocating);
    waits.facts = None;
    waits.awaited = Some("jobs with a higher priority come first".into());
    for (width, height) in [(80, 24), (120, 40)] {
        let mut screen = Screen::new(width, height);
        let all = vec![
            Change::Workspace(Arc::new(world::workspace(1, "prod"))),
            Change::Cluster(Arc::new(pool.clone())),
            Change::Node(Arc::new(there.clone())),
            Change::Node(Arc::new(waits.clone())),
        ];
        screen.tell(world::update(1, true, all));
        screen.keys("/ \"pool\" enter tab alt-2");
        shows(&screen, &["4881", "1h29m", "node-82 waits: jobs with a higher priority come first"]);
        insta::assert_snapshot!(format!("slurm_pool_{width}x{height}"), screen.text());
        screen.keys("enter");
        shows(&screen, &["allocation 4881, 1h29m left"]);
    }
}

#[test]
fn every_size_and_plain_terminals_draw_it() {
    for ascii in [false, true] {
        let mut screen = Screen::with(80, 24, |look| look.ascii = ascii);
        screen.tell(world::update(1, true, changes(site())));
        screen.keys("/ \"big\" enter tab");
        for tab in 1..=5 {
            screen.keys(&format!("alt-{tab}"));
            for (width, height) in [(1, 1), (20, 5), (40, 12), (48, 13), (66, 18), (96, 30), (300, 100)] {
                screen.resize(width, height);
                let text = screen.text();
                assert!(!ascii || text.is_ascii(), "{tab} {width}x{height}\n{text}");
            }
            screen.resize(40, 12);
            screen.keys("j enter");
            assert!(!ascii || screen.text().is_ascii(), "{}", screen.text());
            screen.keys("esc tab");
        }
    }
}
