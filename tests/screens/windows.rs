//! Windows of acts: bounds of auto-scale, the plan of a job, the logs of a set-up task.

use std::sync::Arc;

use ostler::model::cost::{Brake, Budget, Period};
use ostler::model::fault::Fault;
use ostler::model::launch::Launch;
use ostler::model::plan::{JobPlan, PlanNode, PlanProcess};
use ostler::model::request::{FileEntry, GpuRule, Listing, Reply, Request, Window};
use ostler::model::snapshot::Change;
use ostler::model::spec::{AutoScale, GpuIdle, GpuIdleThen, NodeSetup, ScaleSettings};
use ostler::model::state::{ClusterError, NodeState};
use ostler::model::units::{Millis, Money, NodeCount, UnixMillis};
use ostler::tui::msg::{Msg, Ticket};
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world;

/// The last question to the core.
fn asked(screen: &Screen) -> (Ticket, Request) {
    let ask = |effect: &UiEffect| match effect {
        UiEffect::Ask(ticket, request) => Some((*ticket, request.clone())),
        _ => None,
    };
    screen.asked.iter().rev().find_map(ask).unwrap_or_else(|| panic!("nothing was asked\n{}", screen.text()))
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

/// A cluster with a set-up task and two nodes, one of which failed it.
fn with_set_up() -> Screen {
    let mut cluster = world::cluster(1, "gpu", 2);
    let setup = serde_json::json!({"setupTask": {"commandLine": "x", "stdOutErrPathPrefix": "/logs"}});
    cluster.spec.node_setup = Some(serde_json::from_value::<NodeSetup>(setup).expect("a set-up"));
    let why =
        serde_json::json!({"state": "unusable", "why": {"code": "SetupTaskFailed", "step": "set up", "message": "exit 3"}});
    let bad: NodeState = serde_json::from_value(why).expect("a state");
    let mut screen = Screen::new(120, 40);
    screen.tell(world::update(
        1,
        true,
        vec![
            Change::Workspace(Arc::new(world::workspace(1, "lab"))),
            Change::Cluster(Arc::new(cluster)),
            Change::Node(Arc::new(world::node(1, 1, "gpu-1", NodeState::Idle))),
            Change::Node(Arc::new(world::node(2, 1, "gpu-2", bad))),
        ],
    ));
    screen.keys("/ \"gpu\" enter");
    screen.asked.clear();
    screen
}

#[test]
fn bounds_are_typed_in_a_window() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("j j j a");
    shows(
        &screen,
        &["gpu-a100 · auto-scale", "maximum   4", "idle minutes   10", "0 to 4 nodes as the work needs", "the target of 4"],
    );
    // A digit takes the place of what stands there; what is wrong is said, and Enter does nothing then.
    screen.keys("shift-tab \"9\" enter");
    shows(&screen, &["the minimum 9 is above the maximum 4"]);
    assert!(!screen.asked.iter().any(|effect| matches!(effect, UiEffect::Ask(_, Request::AutoScale { .. }))));
    screen.keys("backspace \"1\" tab \"16\" tab backspace backspace \"25\" +");
    shows(&screen, &["1 to 16 nodes as the work needs; one goes after 26m00s unused"]);
    // The rule about GPUs: minutes, and what happens then; space chooses.
    screen.keys("tab \"1\"");
    shows(&screen, &["minded after 2m00s at least; 0 minds none"]);
    screen.keys("\"5\"");
    shows(&screen, &["GPU idle minutes   15", "then   say", "a job that has not used its GPUs for 15m00s is reported"]);
    screen.keys("tab space");
    shows(&screen, &["then   stop", "ends when nobody is attached"]);
    screen.keys("enter");
    let (ticket, request) = asked(&screen);
    let Request::AutoScale { cluster, minimum, maximum, idle, gpu_idle } = request else { panic!("{request:?}") };
    assert_eq!((cluster.name.as_deref(), cluster.workspace.as_deref()), (Some("gpu-a100"), Some("prod")));
    let rule = GpuIdle { after: Millis::from_mins(15), then: GpuIdleThen::Stop };
    assert_eq!(gpu_idle, Some(GpuRule::On(rule)));
    assert_eq!((minimum, maximum, idle), (NodeCount(1), NodeCount(16), Some(Millis::from_mins(26))));
    let note = "1 to 16 nodes as the work needs".to_owned();
    answer(&mut screen, ticket, Ok(Reply::Accepted { note: Some(note) }));
    assert!(!screen.text().contains("auto-scale ─") && screen.text().contains("1 to 16 nodes as the work needs"));
    // What a cluster has already is where one begins; Esc changes nothing.
    let mut auto = world::cluster(1, "gpu-a100", 4);
    let bounds = AutoScale::new(NodeCount(2), NodeCount(8), NodeCount(3));
    auto.spec.scale_settings = ScaleSettings::AutoScale(AutoScale { gpu_idle: Some(rule), ..bounds });
    screen.tell(world::update(2, false, vec![Change::Cluster(Arc::new(auto))]));
    screen.asked.clear();
    screen.keys("a");
    shows(&screen, &["minimum   2", "maximum   8", "GPU idle minutes   15", "the next target set by hand ends it"]);
    screen.keys("esc");
    assert!(screen.asked.iter().all(|effect| !matches!(effect, UiEffect::Ask(_, Request::AutoScale { .. }))));
    // What it may spend is in the same place, and is sent only when it is another one.
    screen.asked.clear();
    screen.keys("a shift-tab shift-tab shift-tab shift-tab \"40.5\" tab + tab -");
    shows(&screen, &["budget   40.5", "per   total", "when used up   warn", "of 40.50 in all, then warn"]);
    screen.keys("enter");
    let budgets = |screen: &Screen| -> Vec<Option<Budget>> {
        let all = screen.asked.iter().filter_map(|effect| match effect {
            UiEffect::Ask(_, Request::SetBudget { cluster: Some(place), workspace: None, budget }) => {
                assert_eq!(place.name.as_deref(), Some("gpu-a100"));
                Some(*budget)
            }
            _ => None,
        });
        all.collect()
    };
    let wanted = Budget::new(Money(40_500_000), Period::Total, Brake::Warn);
    assert_eq!(budgets(&screen), [Some(wanted)]);
    screen.asked.clear();
    screen.keys("a enter");
    assert_eq!(budgets(&screen), []);
    // By its name, with the numbers behind it.
    screen.keys(": \"auto-scale_0_3_5\" enter");
    let (_, request) = asked(&screen);
    let expected = (NodeCount(0), NodeCount(3), Some(Millis::from_mins(5)));
    assert!(
        matches!(request, Request::AutoScale { minimum, maximum, idle, .. } if (minimum, maximum, idle) == expected),
        "{request:?}"
    );
}

#[test]
fn what_may_be_spent_is_said_in_a_window_or_in_a_line() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    let budget = |screen: &mut Screen| {
        let (_, request) = asked(screen);
        let Request::SetBudget { cluster, workspace, budget } = request else { panic!("{request:?}") };
        screen.asked.clear();
        (cluster.and_then(|place| place.name), workspace, budget)
    };
    // Of the workspace that is selected first.
    screen.keys("$");
    shows(&screen, &["prod · budget", "per   month", "when used up   hold", "no limit on what is spent"]);
    screen.keys("\"250\" tab space space tab + enter");
    let expected = Budget::new(Money(250_000_000), Period::Day, Brake::Zero);
    assert_eq!(budget(&mut screen), (None, Some("prod".to_owned()), Some(expected)));
    // Of a cluster, in a line; a word that is none is refused with the form.
    screen.keys("j j j : \"budget_9.75_week_warn\" enter");
    let expected = Budget::new(Money(9_750_000), Period::Week, Brake::Warn);
    assert_eq!(budget(&mut screen), (Some("gpu-a100".to_owned()), None, Some(expected)));
    screen.keys(": \"budget_9_year\" enter");
    shows(&screen, &["the form is `budget AMOUNT [day|week|month|total"]);
    screen.keys(": \"budget_much\" enter : \"budget_none\" enter");
    assert_eq!(budget(&mut screen), (Some("gpu-a100".to_owned()), None, None));
    // What is there is where one begins; an empty amount takes it away.
    let mut limited = world::cluster(1, "gpu-a100", 4);
    // Shown with two digits, and not changed by that.
    limited.budget = Some(Budget::new(Money(30_001_000), Period::Month, Brake::Hold));
    screen.tell(world::update(2, false, vec![Change::Cluster(Arc::new(limited))]));
    screen.keys("$");
    shows(&screen, &["budget   30.00", "0.00 of 30.00 a month, then hold"]);
    screen.keys("enter $");
    assert!(screen.asked.iter().all(|effect| !matches!(effect, UiEffect::Ask(_, Request::SetBudget { .. }))));
    screen.keys("backspace backspace backspace backspace backspace enter");
    assert_eq!(budget(&mut screen), (Some("gpu-a100".to_owned()), None, None));
}

#[test]
fn a_pool_that_paused_says_why_and_which_key_goes_on() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    let mut paused = world::cluster(1, "gpu-a100", 4);
    let auto = AutoScale::new(NodeCount(0), NodeCount(8), NodeCount(4));
    paused.spec.scale_settings = ScaleSettings::AutoScale(auto);
    (paused.auto.failures, paused.auto.paused) = (5, true);
    let message = "hook `acquire`: no quota".to_owned();
    paused.errors = vec![ClusterError { code: "HookFailed".into(), message, details: Vec::new() }];
    screen.tell(world::update(2, false, vec![Change::Cluster(Arc::new(paused))]));
    screen.keys("j j j");
    shows(&screen, &["paused after 5 failures in a row: A asks for nodes again", "HookFailed: hook `acquire`: no quota"]);
    screen.keys("A");
    let (_, request) = asked(&screen);
    assert!(matches!(&request, Request::ResumeScaling { .. }), "{request:?}");
    screen.keys("K");
    let (_, request) = asked(&screen);
    assert!(matches!(&request, Request::KeepAwake { span, .. } if *span == Millis::from_mins(120)), "{request:?}");
}

#[test]
fn a_scaling_is_taken_back_with_the_key_of_stops() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("j j j u");
    shows(&screen, &["no stop waits and no scaling is under way"]);
    let mut scaled = world::cluster(1, "gpu-a100", 1);
    scaled.before = Some(Box::new(world::cluster(1, "gpu-a100", 4).spec.scale_settings));
    screen.tell(world::update(2, false, vec![Change::Cluster(Arc::new(scaled))]));
    shows(&screen, &["u goes back to 4"]);
    // From anywhere, when it is the only one.
    screen.keys("g g u");
    let (_, request) = asked(&screen);
    assert!(
        matches!(&request, Request::TakeScaleBack { cluster } if cluster.name.as_deref() == Some("gpu-a100")),
        "{request:?}"
    );
}

#[test]
fn what_costs_and_does_nothing_goes_with_one_key() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    // Two of its four nodes run jobs; one is made ready and one cannot be used.
    screen.keys("j j j _");
    let (_, request) = asked(&screen);
    assert!(matches!(&request, Request::PreviewScale(scale) if scale.target == NodeCount(2)), "{request:?}");
    screen.keys("enter");
    let (_, request) = asked(&screen);
    let Request::Scale(scale) = &request else { panic!("{request:?}") };
    assert_eq!(
        (scale.cluster.name.as_deref(), scale.target, scale.seen),
        (Some("gpu-a100"), NodeCount(2), Some(NodeCount(4)))
    );
    // Where nothing is idle there is nothing to propose.
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("j j");
    screen.asked.clear();
    screen.keys("_");
    shows(&screen, &["all of its nodes have work"]);
    assert!(!screen.asked.iter().any(|effect| matches!(effect, UiEffect::Ask(_, Request::PreviewScale(_)))));
}

fn plan() -> JobPlan {
    let launch = Launch {
        command: "python3 train.py".to_owned(),
        shell: "/bin/bash".to_owned(),
        workdir: "/spool/temp".to_owned(),
        env: vec![("RANK".to_owned(), "0".to_owned())],
        node_index: 0,
        secrets: Vec::new(),
        wipe: Vec::new(),
        dirs: vec!["/spool/temp".to_owned()],
        files: Vec::new(),
        stdout: "/logs/stdout.txt".to_owned(),
        stderr: "/logs/stderr.txt".to_owned(),
        keep_former: None,
        execution_log: None,
        batch: None,
    };
    JobPlan {
        name: "run-021".to_owned(),
        workspace: "prod".to_owned(),
        experiment: "mnist-lr".to_owned(),
        cluster: Some("gpu-a100".to_owned()),
        tool_type: "custom".to_owned(),
        node_count: 1,
        nodes: vec![PlanNode {
            name: "gpu-1".to_owned(),
            address: "10.7.0.14".to_owned(),
            stand_in: false,
            gives: String::new(),
        }],
        mounts: Vec::new(),
        processes: vec![PlanProcess { rank: "m0".to_owned(), node: 0, secrets: vec!["TOKEN".to_owned()], launch }],
        process_count: 1,
        script: None,
        estimate: None,
        notes: vec!["\u{1b}[31mred\u{1b}[0m words".to_owned()],
    }
}

#[test]
fn a_job_and_a_form_show_their_plan() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("/ \"run-009\" enter P");
    let (ticket, request) = asked(&screen);
    let Request::PlanJob { submit, stand_ins: true } = request else { panic!("{request:?}") };
    assert_eq!((submit.name, submit.experiment.name.as_deref()), (None, Some("mnist-lr")));
    shows(&screen, &["What it would run where", "asking …"]);
    answer(&mut screen, ticket, Ok(Reply::Plan(Box::new(plan()))));
    shows(
        &screen,
        &[
            "job run-021, custom, experiment mnist-lr of workspace prod, on gpu-a100",
            "0  gpu-1  10.7.0.14",
            "m0 on node 0 gpu-1: main",
            "set   RANK=0",
            "set   TOKEN=(secret)",
            "python3 train.py",
        ],
    );
    assert!(!screen.text().contains('\u{1b}'));
    screen.keys("P");
    assert!(!screen.text().contains("What it would run where"), "the same key closes it");
    // A refusal is shown in place.
    screen.asked.clear();
    screen.keys("P");
    let (ticket, _) = asked(&screen);
    answer(&mut screen, ticket, Err(Fault::user("no such cluster").hint("make one")));
    shows(&screen, &["no such cluster", "make one"]);
    screen.keys("esc");
    // The form's job, before it is submitted; closing the plan gives the form back.
    screen.asked.clear();
    screen.keys("n f2");
    let (_, request) = asked(&screen);
    let Request::PlanJob { submit, .. } = request else { panic!("{request:?}") };
    assert!(submit.spec.toolkit.command_line().contains("train.py") && submit.token.is_none());
    screen.keys("f2");
    shows(&screen, &["New job"]);
    assert!(!screen.text().contains("What it would run where"));
    // A form that cannot be submitted says why instead.
    screen.asked.clear();
    screen.keys("ctrl-e");
    screen.keys("ctrl-e tab");
    assert!(!screen.asked.iter().any(|effect| matches!(effect, UiEffect::Ask(_, Request::Submit(_)))));
}

fn window(bytes: &str) -> Reply {
    let bytes = bytes.as_bytes().to_vec();
    Reply::Window(Window { offset: 0, size: bytes.len() as u64, bytes, inode: 1 })
}

#[test]
fn the_logs_of_a_set_up_are_read_and_grow() {
    let mut screen = with_set_up();
    screen.keys("i");
    let (ticket, request) = asked(&screen);
    assert!(matches!(request, Request::ListFiles(_)), "{request:?}");
    let names = ["stderr-gpu-1.txt", "stderr-gpu-2.txt", "stdout-gpu-1.txt", "stdout-gpu-2.txt"];
    let entries = names.map(|name| FileEntry::file(name, 0, 3, UnixMillis(0))).to_vec();
    screen.asked.clear();
    answer(&mut screen, ticket, Ok(Reply::Listing(Listing { entries, ..Listing::default() })));
    // Of the node that failed, its output first.
    let (ticket, request) = asked(&screen);
    let Request::ReadFile(read) = request else { panic!("{request:?}") };
    assert_eq!(read.file.file, "stdout-gpu-2.txt");
    answer(&mut screen, ticket, Ok(window("one\ntwo \u{1b}[31mred\n")));
    shows(&screen, &["Set-up of gpu-2 · stdout-gpu-2.txt", "one", "two "]);
    assert!(!screen.text().contains('\u{1b}'));
    // It is read again while it is looked at.
    screen.asked.clear();
    screen.now = screen.now + Millis::from_secs(3);
    screen.tell(Msg::Tick);
    let (ticket, _) = asked(&screen);
    answer(&mut screen, ticket, Ok(window("one\ntwo\nthree\n")));
    shows(&screen, &["three"]);
    screen.asked.clear();
    screen.keys("tab");
    let (ticket, request) = asked(&screen);
    assert!(matches!(&request, Request::ReadFile(read) if read.file.file == "stderr-gpu-2.txt"), "{request:?}");
    answer(&mut screen, ticket, Ok(window("")));
    shows(&screen, &["nothing was written"]);
    screen.keys("i");
    assert!(!screen.text().contains("Set-up of"));
    // Without a task there is nothing to show, and nothing is asked.
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("j j j");
    screen.asked.clear();
    screen.keys("i");
    shows(&screen, &["has no set-up task"]);
    assert!(!screen.asked.iter().any(|effect| matches!(effect, UiEffect::Ask(_, Request::ListFiles(_)))));
}
