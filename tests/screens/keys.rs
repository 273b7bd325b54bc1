//! Keys in, requests and selections out: a table of visits.

use std::sync::Arc;

use ostler::model::request::{JobAct, Request};
use ostler::model::snapshot::Change;
use ostler::tui::msg::Msg;
use ostler::tui::pane::UiEffect;
use proptest::prelude::*;

use crate::screen::Screen;
use crate::world::{at_work, job, update};

/// What was asked of the core or the loop, in short.
fn asked(screen: &Screen) -> Vec<String> {
    let name = |effect: &UiEffect| match effect {
        UiEffect::Ask(_, Request::PreviewScale(scale)) => {
            Some(format!("preview {} seen {:?}", scale.target, scale.seen.map(|s| s.0)))
        }
        UiEffect::Ask(_, Request::Scale(scale)) => {
            Some(format!("scale {} seen {:?}", scale.target, scale.seen.map(|s| s.0)))
        }
        UiEffect::Ask(_, Request::Job { job, act }) => Some(format!("{job:?} {act:?}")),
        UiEffect::Ask(_, Request::Submit(submit)) => Some(format!("submit to {:?}", submit.experiment.name)),
        UiEffect::Ask(_, Request::SubmitAll(all)) => Some(format!("submit {}", all.len())),
        UiEffect::Ask(_, Request::WhyJob(job)) => Some(format!("why {job:?}")),
        UiEffect::Ask(_, Request::Status) => Some("status".to_owned()),
        UiEffect::Ask(_, Request::Node { node, act }) => Some(format!("{node:?} {act:?}")),
        UiEffect::Ask(_, Request::CreateWorkspace { name, .. }) => Some(format!("workspace {name}")),
        UiEffect::Ask(_, Request::CreateCluster { name, spec, .. }) => {
            let class = spec.vm_size.iter().map(|class| format!(" {class}")).collect::<String>();
            Some(format!("cluster {name} {:?}{class}", spec.provider))
        }
        UiEffect::Ask(_, Request::DeleteExperiment(place)) => Some(format!("delete {:?}", place.name)),
        UiEffect::Copy(text) => Some(format!("copy {text}")),
        UiEffect::Quit(leave) => Some(format!("{leave:?}")),
        _ => None,
    };
    screen.asked.iter().filter_map(name).collect()
}

#[test]
fn visits() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "plus proposes from the target, not from a text",
            "j j j + enter",
            &["preview 5 seen Some(4)", "scale 5 seen Some(4)"],
        ),
        ("minus twice, then left as it is", "j j j - - esc enter", &["preview 3 seen Some(4)", "preview 2 seen Some(4)"]),
        (
            "a number is a target on a cluster",
            "j j j 1 2 enter",
            &["preview 1 seen Some(4)", "preview 12 seen Some(4)", "scale 12 seen Some(4)"],
        ),
        ("a target as it is asks for nothing", "j j j + - enter", &["preview 5 seen Some(4)", "preview 4 seen Some(4)"]),
        ("going away drops a proposal", "j j j + j k enter", &["preview 5 seen Some(4)"]),
        ("scale by name", ": \"scale_gpu-a100_6\" enter", &["preview 6 seen Some(4)"]),
        ("one stop is held", "/ \"run-011\" enter x", &["Id(JobId(11)) Terminate { hold: Millis(5000) }"]),
        (
            "a stop is taken back before the picture shows it",
            "/ \"run-011\" enter x u",
            &["Id(JobId(11)) Terminate { hold: Millis(5000) }", "Id(JobId(11)) TakeBack"],
        ),
        ("nothing to take back", "u", &[]),
        ("an ended job is not stopped", "/ \"run-001\" enter x", &[]),
        ("many stops ask, and the answer is no", "/ \"state:run\" enter * x enter", &[]),
        (
            "many stops, answered",
            "/ \"state:run\" enter * x tab enter",
            &["Id(JobId(11)) Terminate { hold: Millis(0) }", "Id(JobId(12)) Terminate { hold: Millis(0) }"],
        ),
        ("rerun", "/ \"run-009\" enter r", &["submit to Some(\"mnist-lr\")"]),
        (
            "rerun of marked ones asks once",
            "/ \"state:fail\" enter j k space v j j r tab enter",
            &["submit to Some(\"mnist-lr\")"],
        ),
        ("why", "/ \"run-013\" enter W", &["why Id(JobId(13))"]),
        ("ctrl-d never deletes", "/ \"run-011\" enter ctrl-d ctrl-k delete", &[]),
        ("an experiment at work is deleted by its name only", "j j j j j D tab enter", &[]),
        (
            "an experiment at work is deleted by its name",
            "j j j j j D \"mnist-lr\" tab enter",
            &["delete Some(\"mnist-lr\")"],
        ),
        ("prepare again", "j j j l j j j j p", &["Id(NodeId(4)) Prepare"]),
        ("copy a name", "/ \"run-009\" enter y", &["copy run-009"]),
        (
            "copy the command of the last act",
            "/ \"run-011\" enter x Y",
            &["Id(JobId(11)) Terminate { hold: Millis(5000) }", "copy ostler job terminate run-011 -y -e mnist-lr -w prod"],
        ),
        ("quit asks what is undone", "q", &["status"]),
        ("ctrl-c twice leaves", "ctrl-c ctrl-c", &["status", "Background"]),
        ("a workspace from the palette", ": \"new-workspace_lab\" enter", &["workspace lab"]),
        ("a cluster of hosts", ": \"new-cluster_g_n[1-2]\" enter", &["cluster g Hosts { hosts: [\"n1\", \"n2\"] }"]),
        ("a cluster of a class", ": \"new-cluster_g_class=NC6_2\" enter", &["cluster g Class NC6"]),
        ("priority of a running job is refused", "/ \"run-011\" enter : \"priority_high\" enter", &[]),
        ("q closes help and does not leave", "? q", &[]),
    ];
    for (name, keys, expected) in cases {
        let mut screen = Screen::at_work(120, 40, |_| {});
        screen.keys(keys);
        assert_eq!(asked(&screen), *expected, "{name}: {keys}\n{}", screen.text());
    }
}

#[test]
fn readonly_switches_acts_off() {
    for keys in ["j j j + enter", "/ \"run-011\" enter x", "/ \"run-009\" enter r", "/ \"run-009\" enter D"] {
        let mut screen = Screen::at_work(120, 40, |look| look.readonly = true);
        screen.keys(keys);
        assert_eq!(asked(&screen), Vec::<String>::new(), "{keys}");
    }
}

fn selected(keys: &str) -> String {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys(keys);
    screen.text().lines().next().unwrap_or_default().split("  ").nth(1).unwrap_or_default().trim().to_owned()
}

#[test]
fn moving_about() {
    for (keys, path) in [
        ("j j j", "prod ▸ clusters ▸ gpu-a100"),
        ("3 j", "prod ▸ clusters ▸ gpu-a100"),
        ("G", "prod ▸ experiments ▸ resnet-depth"),
        ("G g", "prod"),
        ("j j j l l", "prod ▸ clusters ▸ gpu-a100 ▸ gpu-1"),
        ("j j j l l h", "prod ▸ clusters ▸ gpu-a100"),
        (": \"run-014\" enter", "prod ▸ experiments ▸ mnist-lr ▸ run-014"),
        (": \"run-014\" enter : \"gpu-2\" enter ctrl-o", "prod ▸ experiments ▸ mnist-lr ▸ run-014"),
        (": \"run-014\" enter : \"gpu-2\" enter ctrl-o alt-right", "prod ▸ clusters ▸ gpu-a100 ▸ gpu-2"),
        (": \"run-014\" enter ]", "prod ▸ experiments ▸ mnist-lr ▸ run-015"),
        (": \"run-014\" enter 2 [", "prod ▸ experiments ▸ mnist-lr ▸ run-012"),
        (": \"run-014\" enter esc", "prod ▸ experiments ▸ mnist-lr ▸ run-014"),
        ("/ \"state:fail\" enter", "prod ▸ experiments ▸ mnist-lr ▸ run-009"),
        ("/ \"node:gpu-2\" enter", "prod ▸ clusters ▸ gpu-a100 ▸ gpu-2"),
    ] {
        assert_eq!(selected(keys), path, "{keys}");
    }
}

#[test]
fn older_jobs_are_asked_for_at_the_end_of_an_experiment() {
    use ostler::model::request::{JobView, Reply};
    use ostler::model::snapshot::Change;
    use std::sync::Arc;
    let mut lr = crate::world::experiment(1, "mnist-lr");
    lr.tally.succeeded = 22;
    lr.tally.queued = 8;
    let mut screen = Screen::at_work(120, 60, |_| {});
    screen.tell(update(2, false, vec![Change::Experiment(Arc::new(lr))]));
    assert!(screen.text().contains("10 older"), "{}", screen.text());
    screen.keys("2 6 j");
    let asked = screen.asked.iter().find_map(|effect| match effect {
        UiEffect::Ask(ticket, Request::ListJobs(query)) => Some((*ticket, query.clone())),
        _ => None,
    });
    let (ticket, query) = asked.expect("a page is asked for");
    assert_eq!((query.experiment.as_deref(), query.newest_first, query.after), (Some("mnist-lr"), true, None));
    let view = |id: u64| {
        let job = crate::world::ended(crate::world::job(id, 1, 1, &format!("old-{id}")), 0, 30);
        let text = || String::new();
        Arc::new(JobView {
            job: Arc::new(job),
            group: text(),
            workspace: text(),
            experiment: text(),
            cluster: text(),
            cluster_workspace: text(),
            cluster_group: text(),
            reason: text(),
            starts: None,
            logs: None,
        })
    };
    let page = Reply::Jobs { jobs: (41..=50).rev().map(view).collect(), more: false };
    screen.tell(Msg::Reply(ticket, Box::new(Ok(page))));
    let text = screen.text();
    assert!(text.contains("old-41") && text.contains("old-50") && !text.contains("older"), "{text}");
}

#[test]
fn a_core_out_of_reach_is_said_and_what_is_shown_is_marked_old() {
    use ostler::tui::theme::Role;
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.tell(Msg::CoreLost("the socket is closed".to_owned()));
    screen.now = screen.now + ostler::model::units::Millis::from_secs(7);
    screen.tell(Msg::Tick);
    let text = screen.text();
    assert!(text.lines().next().is_some_and(|line| line.contains("core out of reach for 7s")), "{text}");
    let row = text.lines().position(|line| line.contains("run-001")).expect("the job's row") as u16;
    let column =
        text.lines().nth(row.into()).and_then(|l| l.split("run-001").next()).map_or(0, |l| l.chars().count()) as u16;
    let stale = ostler::tui::theme::Themes::default().load("ostler-dark").expect("it loads").style(Role::Stale);
    assert_eq!(screen.buffer()[(column, row)].fg, stale.fg.expect("a colour"));
    screen.tell(update(9, true, at_work()));
    assert!(!screen.text().contains("out of reach"));
}

#[test]
fn what_is_stored_is_shown_while_the_core_is_opened() {
    let mut screen = Screen::new(120, 40);
    let Msg::Update(stored) = update(3, true, at_work()) else { unreachable!() };
    screen.tell(Msg::Glance(stored));
    let text = screen.text();
    assert!(text.lines().next().is_some_and(|line| line.contains("opening the state")), "{text}");
    assert!(text.contains("run-001"), "{text}");
    screen.keys("down down");
    screen.tell(update(4, true, at_work()));
    assert!(!screen.text().contains("opening the state"));
}

#[test]
fn a_filter_that_hides_everything_is_no_first_start() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    screen.keys("/ \"nothing-is-called-so\" enter");
    let text = screen.text();
    assert!(text.contains("Nothing selected") && !text.contains("Welcome"), "{text}");
}

#[test]
fn a_theme_is_tried_while_it_is_chosen_and_left_by_esc() {
    let ground = |screen: &Screen| screen.buffer()[(0, 0)].bg;
    let mut screen = Screen::at_work(120, 40, |_| {});
    let before = ground(&screen);
    screen.keys(": \"theme_ostler-li\"");
    assert_ne!(ground(&screen), before, "it is tried");
    screen.keys("esc");
    assert_eq!(ground(&screen), before, "and left");
    screen.keys(": \"theme_ostler-li\" enter");
    assert_ne!(ground(&screen), before, "it is taken");
}

#[test]
fn a_screen_on_which_nothing_moves_is_seldom_drawn() {
    let mut idle = Screen::new(120, 40).all([update(1, true, Vec::new())]);
    idle.keys("j k");
    let wake = idle.app.wake_at();
    assert!(wake > idle.now && wake.0 % 10_000 == 0, "ages go on: {wake:?}");
    let busy = Screen::at_work(120, 40, |_| {});
    let wake = busy.app.wake_at();
    assert!(wake > busy.now && wake.since(busy.now).0 <= 1000, "a running job's clock moves: {wake:?}");
}

/// What a whole picture is indexed to is what it would be if it had come row by row.
#[test]
fn a_whole_picture_is_indexed_as_row_by_row() {
    use ostler::model::ids::{ClusterId, ExperimentId, JobId};
    use ostler::model::snapshot::Change;
    use ostler::model::spec::job::Priority;
    use ostler::tui::world::World;
    use std::sync::Arc;
    let mut changes = at_work();
    // Jobs of two experiments in turn, not in order, of each priority and state.
    for id in (100..160).rev() {
        let mut job = crate::world::job(id, 1 + id % 2, 1, &format!("deep-{id}"));
        job.priority = [Priority::Low, Priority::Normal, Priority::High][id as usize % 3];
        if id % 4 == 0 {
            job = crate::world::running(job, 1, "gpu-1", id);
            job.last.stop_at = (id % 8 == 0).then(|| crate::world::ago(0));
        }
        if id % 5 == 0 {
            job = crate::world::ended(job, (id % 2) as i32, 60);
        }
        changes.push(Change::Job(Arc::new(job)));
    }
    let (mut whole, mut rows) = (World::default(), World::default());
    let Msg::Update(update) = update(1, true, changes) else { unreachable!("it is an update") };
    let applied = whole.apply(&update);
    for (at, change) in update.changes.iter().enumerate() {
        let one = ostler::model::snapshot::Update { whole: at == 0, changes: vec![change.clone()], ..(*update).clone() };
        rows.apply(&one);
    }
    let seen = |world: &World| {
        let jobs: Vec<JobId> = [1, 2].iter().flat_map(|id| world.jobs_of(ExperimentId(*id))).copied().collect();
        let queue: Vec<JobId> = world.queue_of(ClusterId(1)).collect();
        let live: Vec<JobId> = world.live_jobs().map(|job| job.id).collect();
        let stopping: Vec<JobId> = world.stopping().map(|job| job.id).collect();
        (jobs, queue, live, stopping, world.nodes_of(ClusterId(1)).to_vec())
    };
    assert_eq!(seen(&whole), seen(&rows));
    assert!(seen(&whole).1.len() > 20 && !seen(&whole).3.is_empty());
    let mut told = applied.jobs;
    told.sort();
    assert_eq!(told.len(), seen(&whole).0.len());
}

#[test]
fn a_hundred_thousand_jobs_cost_a_frame_nothing() {
    use ostler::model::snapshot::Change;
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    let jobs = (100..100_100).map(|id| Change::Job(Arc::new(crate::world::job(id, 2, 1, &format!("deep-{id}")))));
    let mut screen = Screen::new(200, 50).all([update(1, true, at_work().into_iter().chain(jobs).collect())]);
    screen.keys("G k k k");
    let started = Instant::now();
    for _ in 0..20 {
        screen.keys("k");
        screen.buffer();
    }
    let each = started.elapsed() / 20;
    // A frame that looked at all jobs takes longer than this even when optimised; unoptimised ones of us take 2 ms.
    assert!(each < Duration::from_millis(40), "{each:?} for a key and its frame");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_size_and_no_key_breaks_it(
        sizes in proptest::collection::vec((1u16..300, 1u16..100), 1..4),
        keys in proptest::collection::vec(0usize..KEYS.len(), 0..40),
    ) {
        let mut screen = Screen::at_work(80, 24, |_| {});
        for (width, height) in sizes {
            screen.resize(width, height);
            for key in &keys {
                screen.keys(KEYS[*key]);
            }
            let buffer = screen.buffer();
            let controls = buffer.content.iter().filter(|cell| cell.symbol().chars().any(char::is_control)).count();
            prop_assert_eq!(controls, 0);
        }
    }

    #[test]
    fn no_view_and_no_name_breaks_at_any_size(
        sizes in proptest::collection::vec((1u16..300, 1u16..100), 1..3),
        keys in proptest::collection::vec(0usize..STUDY_KEYS.len(), 0..24),
        ascii: bool,
    ) {
        let mut screen = crate::study::odd_study(80, 24, ascii);
        for (width, height) in sizes {
            screen.resize(width, height);
            for key in &keys {
                screen.keys(STUDY_KEYS[*key]);
                crate::study::answer(&mut screen);
                screen.buffer();
            }
            let buffer = screen.buffer();
            let controls = buffer.content.iter().filter(|cell| cell.symbol().chars().any(char::is_control)).count();
            prop_assert_eq!(controls, 0);
        }
    }

    #[test]
    fn a_storm_of_sizes_leaves_one_picture(
        sizes in proptest::collection::vec((1u16..300, 1u16..100), 1..60),
        last in (96u16..200, 24u16..60),
    ) {
        let mut stormed = Screen::at_work(80, 24, |_| {});
        for (width, height) in sizes {
            stormed.resize(width, height);
            stormed.buffer();
        }
        stormed.resize(last.0, last.1);
        let calm = Screen::at_work(last.0, last.1, |_| {});
        prop_assert_eq!(stormed.text(), calm.text());
    }

    #[test]
    fn any_mouse_is_fine(acts in proptest::collection::vec((0u8..5, 0u16..140, 0u16..50), 0..60)) {
        use ostler::tui::msg::{Mouse, MouseAct};
        let mut screen = Screen::at_work(120, 40, |_| {});
        for (act, x, y) in acts {
            let act = [MouseAct::Press, MouseAct::Drag, MouseAct::Lift, MouseAct::WheelDown, MouseAct::WheelUp][usize::from(act)];
            screen.tell(Msg::Mouse(Mouse { act, x, y }));
            screen.buffer();
        }
    }
}

/// Keys that do something in views of an experiment and its jobs, and windows that are opened from there.
const STUDY_KEYS: &[&str] = &[
    "alt-1",
    "alt-2",
    "alt-3",
    "alt-4",
    "alt-5",
    "j",
    "k",
    "G",
    "g",
    "ctrl-d",
    "ctrl-u",
    "m",
    "T",
    "t",
    "L",
    "X",
    "w",
    "f",
    "o",
    "O",
    "space",
    "*",
    "c",
    "esc",
    "enter",
    "tab",
    "/",
    "\"lr<0.1\"",
    "h",
    "l",
    "right",
    "left",
    "?",
    "!",
    "W",
    "P",
    "n",
    "R",
    "E",
    ".",
    "ctrl-e",
    ":",
    "\"hide_lr\"",
    "\"tour\"",
    "\"doctor\"",
    "\"import\"",
    "z",
    "pgdn",
    "pgup",
    "q",
    "a",
    "i",
];

/// Keys that do something somewhere.
const KEYS: &[&str] = &[
    "j",
    "k",
    "h",
    "l",
    "g",
    "G",
    "tab",
    "shift-tab",
    "enter",
    "esc",
    "/",
    ":",
    "?",
    "a",
    "x",
    "r",
    "D",
    "W",
    "z",
    "<",
    ">",
    "+",
    "-",
    "7",
    "space",
    "v",
    "*",
    "u",
    "ctrl-d",
    "ctrl-u",
    "alt-2",
    "alt-4",
    "[",
    "]",
    "ctrl-o",
    "alt-right",
    "n",
    "R",
    "backspace",
    "up",
    "down",
    "left",
    "right",
    "pgdn",
    "pgup",
    "home",
    "end",
    "y",
    "Y",
    "p",
    "\"state:f\"",
    "\"theme_w\"",
    "\"run\"",
];

#[test]
fn every_size_draws() {
    for (width, height) in [1, 2, 5, 24, 39, 40, 41, 47, 48, 49, 65, 66, 80, 95, 96, 120, 200, 300]
        .into_iter()
        .flat_map(|w| [1, 2, 3, 10, 11, 12, 13, 17, 19, 20, 24, 40, 100].into_iter().map(move |h| (w, h)))
    {
        let mut screen = Screen::at_work(width, height, |_| {});
        screen.buffer();
        screen.keys("tab");
        screen.buffer();
        screen.keys("tab :");
        screen.buffer();
    }
}

/// What opens each window, from a place where it has something to show; windows that ask the core show that they wait.
const WINDOWS: &[(&str, &str)] = &[
    ("Help", "?"),
    ("Palette", ":"),
    ("Question", "/ \"run-0\" enter * x"),
    ("Why", "/ \"run-012\" enter W"),
    ("AutoScale", "j j j a"),
    ("Plan", "/ \"run-009\" enter P"),
    ("SetUpLogs", ": \"set-up-logs\" enter"),
    ("Job", "/ \"run-009\" enter n"),
    ("Job as text", "/ \"run-009\" enter n ctrl-e"),
    ("Templates", "/ \"run-009\" enter n ctrl-t"),
    ("Sweep", "/ \"run-009\" enter S"),
    ("Sweep templates", "/ \"run-009\" enter S ctrl-t"),
    ("Cluster", "j n"),
    ("Cluster edited", "j j j e"),
    ("FileServer", ": \"new-file-server\" enter"),
    ("Workspace", ": \"new-workspace\" enter"),
    ("Failures", "!"),
    ("Menu", "."),
    ("Compare", "/ \"run-00\" enter * c"),
    ("Ports", ": \"forward\" enter"),
    ("Doctor", ": \"doctor\" enter"),
    ("Hosts", ": \"import-hosts\" enter"),
    ("Tour", ": \"tour\" enter"),
    ("Theme", ": \"theme_\""),
    ("Bookmarks", "B '"),
];

/// Every window at the edges of every size, opened there and brought there.
#[test]
fn every_window_draws_at_every_size() {
    let widths = [1, 2, 7, 13, 20, 33, 39, 40, 47, 48, 66, 79, 80, 96, 120, 300];
    let heights = [1, 2, 3, 5, 8, 11, 12, 13, 18, 24, 31, 32, 100];
    for (name, keys) in WINDOWS {
        let mut brought = Screen::at_work(80, 24, |_| {});
        let before = brought.text();
        brought.keys(keys);
        assert_ne!(brought.text(), before, "`{keys}` opens no {name}");
        for (at, width) in widths.into_iter().enumerate() {
            for height in heights {
                brought.resize(width, height);
                brought.keys("down up");
                brought.buffer();
                if at % 3 == usize::from(height) % 3 {
                    let mut opened = Screen::at_work(width, height, |look| look.ascii = true);
                    opened.keys(keys);
                    let buffer = opened.buffer();
                    // Nothing but ASCII is drawn where a person said so.
                    let odd = buffer.content.iter().find(|cell| !cell.symbol().is_ascii());
                    assert!(odd.is_none(), "{name} at {width}x{height}: {odd:?}");
                }
            }
        }
    }
}

#[test]
fn an_act_on_a_thousand_marked_jobs_is_asked_for_each() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    let many = (1_000..2_000).map(|id| Change::Job(Arc::new(job(id, 1, 1, &format!("many-{id}")))));
    screen.tell(update(2, false, many.collect()));
    screen.keys("/ \"many\" enter * : \"hold\" enter tab enter");
    let held = |effect: &&UiEffect| matches!(effect, UiEffect::Ask(_, Request::Job { act: JobAct::Hold, .. }));
    assert_eq!(screen.asked.iter().filter(held).count(), 1_000, "{}", screen.text());
}
