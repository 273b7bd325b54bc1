//! What ostler's own commands do for the screen: a shell, forwarded ports, hosts that are probed; bookmarks, failures by cause,
//! menus, the configuration as it changes. The loop is played by the tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostler::config::Ui;
use ostler::model::fault::Fault;
use ostler::model::ids::*;
use ostler::model::request::{JobAct, NodeAct, Reply, Request, Window};
use ostler::model::snapshot::Change;
use ostler::model::state::{Away, ExecutionState};
use ostler::model::units::Millis;
use ostler::tui::layout::Sizes;
use ostler::tui::msg::{Called, Mouse, MouseAct, Msg, Ticket};
use ostler::tui::pane::{After, UiEffect};
use ostler::tui::subject::Subject;

use crate::screen::Screen;
use crate::world::{self, ended, job, running, update};

fn working() -> Screen {
    Screen::at_work(120, 40, |_| {})
}

/// The words of the last call or program in the screen's place.
fn called(screen: &Screen) -> Option<(u64, Vec<String>)> {
    screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Call(number, words) => Some((*number, words.clone())),
        UiEffect::Aside(words, _) => Some((0, words.clone())),
        _ => None,
    })
}

#[test]
fn a_shell_opens_on_the_node_of_what_is_selected() {
    for (keys, node) in [
        ("/ \"run-011\" enter s", Some("gpu-1")),
        ("/ \"gpu-2\" enter s", Some("gpu-2")),
        ("j j j s", Some("gpu-1")),
        ("g s", None),
    ] {
        let mut screen = working();
        screen.keys(keys);
        let words = called(&screen).map(|(_, words)| words.join(" "));
        assert_eq!(words, node.map(|node| format!("cluster node shell {node} -c gpu-a100 -w prod")), "{keys}");
    }
    let mut screen = Screen::at_work(120, 40, |look| look.readonly = true);
    screen.keys("/ \"run-011\" enter s");
    assert!(called(&screen).is_none() && screen.text().contains("is off"), "{}", screen.text());
}

#[test]
fn a_shell_in_a_job_of_slurm_is_a_step_of_it() {
    let away = |state, waits| {
        let mut job = running(job(11, 1, 1, "run-011"), 1, "gpu-1", 1);
        job.state = state;
        job.last.away = Some(Arc::new(Away { theirs: "4711".into(), waits, nodes: vec!["n7".into()], ..Away::default() }));
        job
    };
    for (state, waits, opened, said) in [
        (ExecutionState::Running, false, Some("job node shell job-11"), ""),
        (ExecutionState::Queued, true, None, "given the job no node yet"),
        (ExecutionState::Failed, false, None, "the job has ended"),
    ] {
        let mut screen = working();
        screen.tell(update(2, false, vec![Change::Job(Arc::new(away(state, waits)))]));
        screen.keys("/ \"run-011\" enter s");
        let words = called(&screen).map(|(_, words)| words.join(" "));
        assert_eq!(words.as_deref(), opened, "{state:?}");
        assert!(screen.text().contains(said), "{state:?}: {}", screen.text());
    }
}

#[test]
fn what_is_selected_is_edited() {
    let mut screen = working();
    screen.keys("j e");
    let aside = screen.asked.iter().any(|e| matches!(e, UiEffect::Aside(words, After::Key) if words == &["edit", "prod"]));
    assert!(aside, "{:?}", screen.asked);
    // What may change of a cluster has a form.
    screen.keys("j j e");
    assert!(screen.text().contains("╭ Cluster ") && screen.text().contains("scale down"), "{}", screen.text());
    screen.keys("esc / \"run-009\" enter e");
    assert!(screen.text().contains("New job"), "{}", screen.text());
}

#[test]
fn a_forwarded_port_shows_its_address_and_follows_its_job() {
    let mut screen = working();
    screen.keys("/ \"run-011\" enter : \"forward_6006\" enter");
    let (number, words) = called(&screen).expect("a call");
    assert_eq!(words.join(" "), "job node forward -j job-11 6006:localhost:6006");
    screen.tell(Msg::Called(number, Called::Line("127.0.0.1:6006 is localhost:6006 of the node".to_owned())));
    assert!(screen.text().contains("127.0.0.1:6006 is localhost:6006"), "{}", screen.text());
    // The job starts again elsewhere: the port leads to its new node.
    let mut again = running(job(11, 1, 1, "run-011"), 2, "gpu-2", 1);
    again.attempt = Attempt(2);
    screen.asked.clear();
    screen.tell(update(2, false, vec![Change::Job(Arc::new(again))]));
    assert!(screen.asked.iter().any(|effect| matches!(effect, UiEffect::EndCall(n) if *n == number)), "{:?}", screen.asked);
    let (again, words) = called(&screen).expect("a new call");
    assert!(again != number && words.contains(&"6006:localhost:6006".to_owned()));
    screen.keys(": \"forward\" enter");
    assert!(screen.text().contains("Forwarded ports") && screen.text().contains("being opened"), "{}", screen.text());
    screen.keys("x");
    assert!(screen.text().contains("none; `:forward 6006`"), "{}", screen.text());
}

#[test]
fn bookmarks_are_set_kept_and_jumped_to() {
    let mut screen = working();
    screen.keys("'");
    assert!(screen.text().contains("no bookmark is set; B sets one"), "{}", screen.text());
    screen.keys("/ \"run-014\" enter esc B : \"gpu-2\" enter B");
    let kept = screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Remember(kept) => Some(kept.bookmarks.clone()),
        _ => None,
    });
    assert_eq!(kept, Some(vec![Subject::Job(JobId(14)), Subject::Node(NodeId(2))]));
    screen.keys("g '");
    let text = screen.text();
    assert!(text.contains("run-014") && text.contains("in mnist-lr") && text.contains("in gpu-a100"), "{text}");
    screen.keys("\"run\" enter");
    assert!(screen.text().lines().next().is_some_and(|line| line.contains("run-014")), "{}", screen.text());
    screen.keys("B '");
    assert!(!screen.text().contains("in mnist-lr"), "taken away again: {}", screen.text());
    // They come back with the next start.
    let mut next = working();
    next.tell(Msg::Bookmarks(vec![Subject::Job(JobId(14)), Subject::Job(JobId(999))]));
    next.keys("' enter");
    assert!(next.text().lines().next().is_some_and(|line| line.contains("run-014")), "{}", next.text());
}

/// Four failed jobs of two causes, which only their logs tell apart.
fn with_failures() -> Screen {
    let mut screen = working();
    let failed = (31..=34).map(|id| Change::Job(Arc::new(ended(job(id, 1, 1, &format!("bad-{id}")), 1, 30))));
    screen.tell(update(2, false, failed.collect()));
    screen.keys("j j j j j j !");
    for _ in 0..20 {
        for effect in std::mem::take(&mut screen.asked) {
            let UiEffect::Ask(ticket, Request::ReadFile(want)) = effect else { continue };
            let ostler::model::request::FilesOf::Job(ostler::model::request::JobRef::Id(JobId(id))) = want.file.of else {
                continue;
            };
            let text = match (id, want.file.file.as_str()) {
                (31 | 32, "stderr.txt") => format!("Traceback\nRuntimeError: CUDA out of memory at 0x{id}\n"),
                (33, "stderr.txt") => "FileNotFoundError: no such file: train.csv\n".to_owned(),
                // The last one wrote to its output alone.
                (34, "stdout.txt") => "step 3\nFileNotFoundError: no such file: train.csv\n".to_owned(),
                _ => String::new(),
            };
            let window = Window { offset: 0, size: text.len() as u64, bytes: text.into_bytes(), inode: 1 };
            screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::Window(window)))));
        }
    }
    screen
}

#[test]
fn failures_are_grouped_by_what_they_said_last() {
    let mut screen = with_failures();
    insta::assert_snapshot!("failures_120x40", screen.text());
    let text = screen.text();
    assert!(text.contains("2 ✗ exit 1") && text.contains("RuntimeError: CUDA out of memory"), "{text}");
    assert!(text.contains("FileNotFoundError: no such file: train.csv") && text.contains("1 ✗ exit 137"), "{text}");
    // Retried without the node: it is drained first, and all is asked once.
    screen.asked.clear();
    screen.keys("d");
    assert!(screen.text().contains("get no new work") && screen.asked.is_empty(), "{}", screen.text());
    screen.keys("tab enter");
    let acts: Vec<String> = screen
        .asked
        .iter()
        .filter_map(|effect| match effect {
            UiEffect::Ask(_, Request::Node { act: NodeAct::Drain, .. }) => Some("drain".to_owned()),
            UiEffect::Ask(_, Request::Job { job, act: JobAct::Retry }) => Some(format!("retry {job:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(acts, ["drain", "retry Id(JobId(31))", "retry Id(JobId(32))"]);
}

#[test]
fn what_fails_while_the_window_is_open_joins() {
    let mut screen = with_failures();
    let read = |screen: &Screen| screen.asked.iter().filter(|e| matches!(e, UiEffect::Ask(_, Request::ReadFile(_)))).count();
    screen.now = screen.now + Millis::from_secs(2);
    screen.tell(update(3, false, vec![Change::Job(Arc::new(ended(job(35, 1, 1, "bad-35"), 7, 30)))]));
    assert!(screen.text().contains(", 6 jobs") && screen.text().contains("exit 7"), "{}", screen.text());
    assert_eq!(read(&screen), 1, "only the new one's log is read");
    // Another at once waits for the next second.
    screen.tell(update(4, false, vec![Change::Job(Arc::new(ended(job(36, 1, 1, "bad-36"), 7, 30)))]));
    assert!(screen.text().contains(", 6 jobs"), "{}", screen.text());
    screen.now = screen.now + Millis::from_secs(1);
    screen.tell(Msg::Tick);
    assert!(screen.text().contains(", 7 jobs"), "{}", screen.text());
}

#[test]
fn a_cause_is_marked_or_gone_to() {
    let mut screen = with_failures();
    screen.keys("space");
    assert!(screen.text().contains("2 marked"), "{}", screen.text());
    let mut screen = with_failures();
    screen.keys("enter");
    assert!(screen.text().lines().next().is_some_and(|line| line.contains("bad-31")), "{}", screen.text());
    let mut screen = with_failures();
    screen.keys("R");
    assert!(screen.text().contains("New job"), "{}", screen.text());
    let mut screen = Screen::at_work(120, 40, |look| look.readonly = true);
    screen.keys("j j j j j j ! r");
    assert!(screen.text().contains("is off"), "{}", screen.text());
}

#[test]
fn the_right_button_lists_what_can_be_done() {
    let mut screen = working();
    let y = screen.text().lines().position(|line| line.contains("gpu-a100")).expect("the cluster") as u16;
    screen.tell(Msg::Mouse(Mouse { act: MouseAct::Menu, x: 8, y }));
    let text = screen.text();
    assert!(text.contains("What can be done here") && text.contains("proposes one node more"), "{text}");
    screen.keys("esc .");
    assert!(screen.text().contains("What can be done here"), "{}", screen.text());
    insta::assert_snapshot!("menu_120x40", screen.text());
    screen.keys("enter");
    assert!(!screen.text().contains("What can be done here"), "it runs and closes: {}", screen.text());
}

#[test]
fn hosts_are_probed_while_they_are_listed() {
    let mut screen = Screen::new(80, 24).all([update(1, true, Vec::new())]);
    screen.keys("2");
    let (number, words) = called(&screen).expect("a call");
    assert_eq!(words.join(" "), "-o jsonl doctor --hosts");
    let line = |name: &str, result: &str, words: &str| {
        Msg::Called(number, Called::Line(serde_json::json!({"name": name, "result": result, "words": words}).to_string()))
    };
    for name in ["gpu-1", "gpu-2", "old"] {
        screen.tell(line(name, "waiting", ""));
    }
    screen.tell(line("gpu-2", "good", "Linux 6.1, 8 CPUs, 2 GPUs"));
    screen.tell(line("old", "failed", "ssh: connect to host old port 22: Connection refused"));
    insta::assert_snapshot!("hosts_80x24", screen.text());
    screen.tell(line("gpu-1", "good", "Linux 6.1, 8 CPUs"));
    screen.keys("ctrl-u \"gpu\" enter");
    let made: Vec<String> = screen
        .asked
        .iter()
        .filter_map(|effect| match effect {
            UiEffect::Ask(_, Request::CreateWorkspace { name, .. }) => Some(format!("workspace {name}")),
            UiEffect::Ask(_, Request::CreateExperiment { name, .. }) => Some(format!("experiment {name}")),
            UiEffect::Ask(_, Request::CreateCluster { name, spec, .. }) => {
                Some(format!("cluster {name} {:?} {}", spec.provider, spec.scale_settings.target()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(made, ["workspace lab", "experiment first", "cluster gpu Hosts { hosts: [\"gpu-1\", \"gpu-2\"] } 2"]);
}

/// Each answer is waited for on its own, so they come in any order, before or after the picture they are about.
#[test]
fn what_was_made_last_is_selected_whatever_the_order_of_answers() {
    let replies = || {
        let workspace = Arc::new(world::workspace(1, "lab"));
        let (experiment, cluster) = (Arc::new(world::experiment(1, "first")), Arc::new(world::cluster(1, "hosts", 1)));
        [Reply::Workspace(workspace), Reply::Experiment(experiment), Reply::Cluster(cluster)]
    };
    let change = |reply: &Reply| match reply {
        Reply::Workspace(row) => Change::Workspace(row.clone()),
        Reply::Experiment(row) => Change::Experiment(row.clone()),
        Reply::Cluster(row) => Change::Cluster(row.clone()),
        _ => unreachable!(),
    };
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for picture_first in [false, true] {
            let mut screen = Screen::new(80, 24).all([update(1, true, Vec::new())]);
            screen.keys("2");
            let (number, _) = called(&screen).expect("a call");
            let told = serde_json::json!({"name": "gpu-1", "result": "good", "words": ""}).to_string();
            screen.tell(Msg::Called(number, Called::Line(told)));
            screen.keys("enter");
            let made = |effect: &UiEffect| match effect {
                UiEffect::Ask(
                    ticket,
                    Request::CreateWorkspace { .. } | Request::CreateExperiment { .. } | Request::CreateCluster { .. },
                ) => Some(*ticket),
                _ => None,
            };
            let tickets: Vec<Ticket> = screen.asked.iter().filter_map(made).collect();
            let picture = update(2, false, replies().iter().map(change).collect());
            let answers = order.map(|at| Msg::Reply(tickets[at], Box::new(Ok(replies()[at].clone()))));
            let mut messages: Vec<Msg> = answers.into();
            messages.insert(if picture_first { 0 } else { 3 }, picture);
            let screen = screen.all(messages);
            assert!(screen.text().contains("lab ▸ clusters ▸ hosts"), "{order:?} {picture_first}\n{}", screen.text());
        }
    }
}

#[test]
fn an_empty_place_offers_ways_to_begin() {
    let empty = || Screen::new(80, 24).all([update(1, true, Vec::new())]);
    let mut screen = empty();
    screen.keys("1");
    assert!(screen.asked.iter().any(|e| matches!(e, UiEffect::Aside(words, After::Back) if words == &["demo"])));
    let mut screen = empty();
    screen.keys("3 \"lab.yaml\" enter");
    assert!(
        screen
            .asked
            .iter()
            .any(|e| matches!(e, UiEffect::Aside(words, After::Key) if words == &["apply", "-f", "lab.yaml"]))
    );
    let mut screen = empty();
    screen.keys("4");
    assert!(screen.text().contains("1 of 8: Three places"), "{}", screen.text());
    // With a workspace, digits are counts again.
    let mut screen = working();
    screen.keys("1");
    assert!(called(&screen).is_none());
}

#[test]
fn the_tour_turns_its_pages_and_ends() {
    let mut screen = Screen::at_work(80, 24, |_| {});
    screen.keys(": \"tour\" enter");
    insta::assert_snapshot!("tour_80x24", screen.text());
    for page in 2..=8 {
        screen.keys("enter");
        assert!(screen.text().contains(&format!("{page} of 8:")), "{}", screen.text());
    }
    screen.keys("h");
    assert!(screen.text().contains("7 of 8:"));
    screen.keys("enter enter");
    assert!(!screen.text().contains("of 8:"), "{}", screen.text());
}

#[test]
fn the_doctor_says_what_to_do() {
    let mut screen = Screen::at_work(80, 24, |_| {});
    screen.keys(": \"doctor\" enter");
    let (number, words) = called(&screen).expect("a call");
    assert_eq!(words, ["doctor"]);
    screen.tell(Msg::Called(number, Called::Line("CHECK   RESULT  WORDS".to_owned())));
    screen.tell(Msg::Called(number, Called::Line("ssh     failed  not found in PATH; install openssh-client".to_owned())));
    assert!(screen.text().contains("install openssh-client") && screen.text().contains("looking"), "{}", screen.text());
    screen.tell(Msg::Called(number, Called::Ended(1)));
    assert!(!screen.text().contains("looking"), "{}", screen.text());
    screen.keys("esc");
    assert!(!screen.text().contains("This machine"), "{}", screen.text());
}

#[test]
fn the_configuration_counts_as_it_changes() {
    let mut screen = working();
    let keys = BTreeMap::from([("stop".to_owned(), vec!["ctrl-x s".to_owned()])]);
    let columns = BTreeMap::from([("jobs".to_owned(), vec!["lr".to_owned(), "job".to_owned()])]);
    let ui = Ui { keys, columns, theme: Some("warm".to_owned()), ..Ui::default() };
    screen.tell(Msg::Configured(Ok(ui.clone())));
    screen.keys("j j j j j tab");
    let text = screen.text();
    let head = text.lines().find(|line| line.contains(" lr ") && line.contains("job")).expect("the head of the table");
    assert!(head.find(" lr ") < head.rfind("job") && !head.contains("exit"), "{head}");
    screen.keys("shift-tab / \"run-011\" enter x");
    assert!(!screen.asked.iter().any(|e| matches!(e, UiEffect::Ask(_, Request::Job { .. }))), "the old key is gone");
    screen.keys("ctrl-x");
    assert!(screen.text().contains("^x and another key"), "{}", screen.text());
    screen.keys("s");
    assert!(screen.asked.iter().any(|e| matches!(e, UiEffect::Ask(_, Request::Job { .. }))), "{:?}", screen.asked);
    // What is wrong is told, and the old values stay.
    let causes = vec!["config.toml:3:8: `meta-x` is no key".to_owned()];
    let fault = Fault { causes, ..Fault::config("`config.toml` has a fault") };
    screen.tell(Msg::Configured(Err(fault)));
    assert!(screen.text().contains("config.toml:3:8"), "{}", screen.text());
    let twice = BTreeMap::from([("stop".to_owned(), vec!["q".to_owned()])]);
    screen.tell(Msg::Configured(Ok(Ui { keys: twice, ..Ui::default() })));
    assert!(screen.text().contains("`q` means both"), "{}", screen.text());
}

#[test]
fn parameters_and_times_filter() {
    for (filter, seen, not) in [
        ("lr>0.01", "run-001", "run-002"),
        ("lr<=0.01", "run-002", "run-001"),
        ("lr=0.03", "run-001", "run-005"),
        ("!lr>0.01", "run-002", "run-001"),
        ("since:2m", "run-001", "run-013"),
        ("since:1h", "run-013", "nothing"),
        ("state:run_since:5m", "run-012", "run-011"),
    ] {
        let mut screen = Screen::at_work(120, 60, |_| {});
        screen.keys(&format!("/ \"{filter}\" enter"));
        let tree: String = screen.text().lines().map(|line| line.chars().take(38).collect::<String>() + "\n").collect();
        assert!(tree.contains(seen) && !tree.contains(not), "{filter}:\n{tree}");
    }
    assert_eq!(ExecutionState::Failed.word(), "failed");
}

/// The sizes that are to be remembered, the last ones.
fn remembered(screen: &Screen) -> Option<Sizes> {
    screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Remember(kept) => Some(kept.sizes),
        _ => None,
    })
}

#[test]
fn sizes_are_dragged_stepped_and_remembered() {
    let mut screen = working();
    let width = |screen: &Screen| screen.text().lines().nth(1).and_then(|line| line.find('╮')).expect("the tree's corner");
    let before = width(&screen);
    screen.keys("> >");
    assert!(width(&screen) > before, "{}", screen.text());
    assert_eq!(remembered(&screen), Some(Sizes { tree: 40, detail: 43 }));
    screen.keys("tab >");
    assert_eq!(remembered(&screen), Some(Sizes { tree: 40, detail: 47 }));
    let border =
        screen.text().lines().nth(1).map(|line| line.chars().take_while(|c| *c != '╮').count()).expect("a border") as u16;
    for (act, x) in [(MouseAct::Press, border), (MouseAct::Drag, 59), (MouseAct::Lift, 59)] {
        screen.tell(Msg::Mouse(Mouse { act, x, y: 10 }));
    }
    assert_eq!(remembered(&screen), Some(Sizes { tree: 50, detail: 47 }));
    let kept: ostler::tui::layout::Kept = serde_json::from_str("{\"tree\":40,\"detail\":47}").expect("files of before");
    assert_eq!((kept.sizes, kept.bookmarks.len()), (Sizes { tree: 40, detail: 47 }, 0));
}

#[test]
fn an_end_rings_only_when_nobody_looks() {
    let end = |id: u64| update(2, false, vec![Change::Job(Arc::new(ended(job(id, 1, 1, &format!("run-0{id}")), 0, 30)))]);
    let rings = |screen: &Screen| screen.asked.iter().filter(|effect| matches!(effect, UiEffect::Bell(_))).count();
    let mut screen = working();
    screen.tell(end(11));
    assert_eq!(rings(&screen), 0);
    assert!(screen.text().contains("run-011 succeeded"), "{}", screen.text());
    screen.tell(Msg::Front(false));
    screen.tell(end(12));
    assert_eq!(rings(&screen), 1);
    let mut screen = working();
    screen.tell(Msg::Configured(Ok(Ui { bell: false, ..Ui::default() })));
    screen.tell(Msg::Front(false));
    screen.tell(end(11));
    assert_eq!(rings(&screen), 0, "the configuration switches it off");
}

#[test]
fn curves_show_what_a_cluster_did() {
    use ostler::model::units::Millis;
    let mut screen = working();
    screen.keys("j j j tab alt-4");
    for step in 0..40_u64 {
        screen.now = screen.now + Millis::from_secs(3);
        let mut gpu = crate::world::cluster(1, "gpu-a100", 4);
        gpu.waiting = if step < 20 { step * 3 } else { 60 - step };
        screen.tell(update(3 + step, false, vec![Change::Cluster(Arc::new(gpu))]));
    }
    insta::assert_snapshot!("history_120x40", screen.text());
    screen.keys("1 0 k");
    assert!(screen.text().contains("waiting, 2 of 2 nodes at work, target 4"), "{}", screen.text());
    let (whole, closer) = (screen.text(), {
        screen.keys("ctrl-d");
        screen.text()
    });
    assert!(whole.contains("2m00s ago") && closer.contains("1m00s ago"), "{whole}{closer}");
    let mut screen = Screen::at_work(80, 24, |look| look.ascii = true);
    screen.keys("j j j tab alt-4 k");
    assert!(screen.text().is_ascii(), "{}", screen.text());
}

#[test]
fn the_table_of_jobs_is_sorted() {
    let mut screen = working();
    let first = |screen: &Screen| {
        let text = screen.text();
        let mut lines = text.lines().skip_while(|line| !line.contains(" state "));
        let head = lines.next().unwrap_or_default().to_owned();
        let row = lines.next().unwrap_or_default();
        (head, row.split('│').nth(3).unwrap_or_default().trim().to_owned())
    };
    screen.keys("j j j j j tab");
    assert!(first(&screen).1.starts_with("run-001"), "{:?}", first(&screen));
    screen.keys(": \"sort_lr\" enter");
    let (head, row) = first(&screen);
    assert!(head.contains("lr+") && row.starts_with("run-004"), "0.001 is the least: {head} {row}");
    screen.keys("O");
    let (head, row) = first(&screen);
    assert!(head.contains("lr-") && row.starts_with("run-005"), "0.1 is the most: {head} {row}");
    // What is selected is what is seen.
    screen.keys("enter");
    assert!(screen.text().lines().next().is_some_and(|line| line.contains("run-005")), "{}", screen.text());
    let mut screen = working();
    screen.keys("j j j j j tab o");
    assert!(first(&screen).0.contains("job+"), "{:?}", first(&screen));
    screen.keys("shift-tab g tab o");
    assert!(screen.text().contains("the tables of an experiment"), "{}", screen.text());
}
