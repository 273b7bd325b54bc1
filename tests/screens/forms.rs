//! The form of a new job.

use std::sync::Arc;

use ostler::model::fault::Fault;
use ostler::model::request::{Reply, Request, Submit};
use ostler::model::spec::{Priority, Toolkit};
use ostler::model::units::{Millis, NodeCount};
use ostler::tui::msg::{Msg, Ticket};
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world;

/// The form over the experiment at work, from the keys of the tree.
fn open(width: u16, height: u16) -> Screen {
    let mut screen = Screen::at_work(width, height, |_| {});
    screen.keys("1 6 j n");
    screen.asked.clear();
    screen
}

/// Returns the form's window, without what is behind it.
fn window(screen: &Screen) -> String {
    let text = screen.text();
    let top = text.lines().position(|line| line.contains("╭ New job")).unwrap_or_else(|| panic!("no form in\n{text}"));
    let line = text.lines().nth(top).unwrap_or_default();
    let from = line.find("╭ New job").map_or(0, |at| line[..at].chars().count());
    let width = line.chars().skip(from).position(|c| c == '╮').unwrap_or(0) + 1;
    let cut = |line: &str| line.chars().skip(from).take(width).collect::<String>();
    let mut rows: Vec<String> = text.lines().skip(top).map(cut).collect();
    let last = rows.iter().position(|row| row.starts_with('╰')).map_or(rows.len(), |at| at + 1);
    rows.truncate(last);
    rows.join("\n")
}

/// The row of the form that begins with a label.
fn row(screen: &Screen, label: &str) -> String {
    let window = window(screen);
    let row = window.lines().find(|line| line.starts_with(&format!("│ {label} ")));
    row.unwrap_or_else(|| panic!("no row `{label}` in\n{window}")).to_owned()
}

fn asked(screen: &mut Screen) -> Vec<(Ticket, Request)> {
    let effects = std::mem::take(&mut screen.asked).into_iter();
    // What it would come to is asked with each change; here only what changes something counts.
    let looks = |request: &Request| matches!(request, Request::PlanJob { .. } | Request::PlanSweep(_));
    effects
        .filter_map(|effect| if let UiEffect::Ask(ticket, request) = effect { Some((ticket, request)) } else { None })
        .filter(|(_, request)| !looks(request))
        .collect()
}

fn submitted(screen: &mut Screen) -> (Ticket, Submit) {
    match asked(screen).pop() {
        Some((ticket, Request::Submit(submit))) => (ticket, *submit),
        other => panic!("{other:?}\n{}", screen.text()),
    }
}

fn answer(screen: &mut Screen, ticket: Ticket, reply: Result<Reply, Fault>) {
    screen.tell(Msg::Reply(ticket, Box::new(reply)));
}

#[test]
fn it_is_filled_from_the_last_job() {
    for (width, height) in [(80, 24), (120, 40)] {
        insta::assert_snapshot!(format!("form_{width}x{height}"), window(&open(width, height)));
    }
}

#[test]
fn what_is_wrong_is_said_as_it_is_typed() {
    let mut screen = open(80, 24);
    screen.keys("shift-tab shift-tab");
    screen.keys("shift-tab backspace \"x\" tab tab tab tab tab tab tab backspace backspace");
    let text = screen.text();
    assert!(text.contains("`x` is no number of nodes") && text.contains("`` is no duration"), "{text}");
    screen.keys("ctrl-s");
    assert!(asked(&mut screen).is_empty(), "a faulty form is not sent");
    insta::assert_snapshot!("form_with_faults_80x24", window(&screen));
}

#[test]
fn a_directory_of_code_is_typed_and_goes_along() {
    let mut screen = open(120, 40);
    screen.keys("tab tab tab \"/home/ada/proj\"");
    let text = screen.text();
    assert!(text.contains("code         /home/ada/proj") && text.contains("$OSTLER_CODE_DIR"), "{text}");
    screen.keys("ctrl-s");
    let (_, submit) = submitted(&mut screen);
    assert_eq!(submit.spec.code.map(|code| (code.directory, code.snapshot)), Some(("/home/ada/proj".to_owned(), None)));
}

#[test]
fn a_job_is_submitted_and_gone_to() {
    let mut screen = open(120, 40);
    screen
        .keys("end \"_--depth_50\" shift-tab right shift-tab shift-tab backspace \"3\" shift-tab shift-tab \"deep\" ctrl-s");
    let (ticket, submit) = submitted(&mut screen);
    assert_eq!(submit.name.as_deref(), Some("deep"));
    assert_eq!((submit.experiment.name.as_deref(), submit.cluster.name.as_deref()), (Some("mnist-lr"), Some("gpu-a100")));
    assert_eq!(submit.spec.node_count, NodeCount(3));
    let Toolkit::Mpi { command_line, process_count: None } = &submit.spec.toolkit else {
        panic!("{:?}", submit.spec.toolkit)
    };
    assert!(command_line.ends_with("--data /data/digits --depth 50"), "{command_line}");
    assert!(screen.text().contains("submitting …"));
    screen.keys("ctrl-s");
    assert!(asked(&mut screen).is_empty(), "it is sent once");
    let job = Arc::new(world::job(21, 1, 1, "deep"));
    screen.tell(world::update(2, false, vec![ostler::model::snapshot::Change::Job(job.clone())]));
    answer(&mut screen, ticket, Ok(Reply::Submitted(vec![job])));
    let text = screen.text();
    assert!(text.contains("deep submitted") && !text.contains("New job") && text.contains("mnist-lr ▸ deep"), "{text}");
}

#[test]
fn a_refusal_stands_in_the_form_and_nothing_is_lost() {
    let mut screen = open(80, 24);
    screen.keys("end \"_-v\" ctrl-s");
    let (ticket, first) = submitted(&mut screen);
    let fault = Fault::user("cluster `gpu-a100` is being deleted").hint("submit to another one: `cpu-spot`");
    answer(&mut screen, ticket, Err(fault));
    insta::assert_snapshot!("form_refused_80x24", window(&screen));
    screen.keys("ctrl-s");
    let (ticket, again) = submitted(&mut screen);
    assert_eq!(first, again, "the same content has the same token");
    answer(&mut screen, ticket, Err(Fault::user("no")));
    screen.keys("\"x\" ctrl-s");
    assert_ne!(submitted(&mut screen).1.token, first.token);
}

#[test]
fn a_new_experiment_is_made_on_the_way() {
    let mut screen = open(120, 40);
    screen.keys("shift-tab shift-tab shift-tab shift-tab shift-tab shift-tab");
    screen.keys("ctrl-u \"wide\"");
    assert!(screen.text().contains("a new experiment, made when the job is submitted"), "{}", screen.text());
    screen.keys("ctrl-s");
    let (ticket, request) = asked(&mut screen).pop().expect("a request");
    assert!(matches!(&request, Request::CreateExperiment { name, .. } if name.ends_with("wide")), "{request:?}");
    answer(&mut screen, ticket, Ok(Reply::Accepted { note: None }));
    assert!(submitted(&mut screen).1.experiment.name.is_some_and(|name| name.ends_with("wide")));
}

#[test]
fn names_are_completed() {
    let mut screen = open(120, 40);
    screen.keys("shift-tab shift-tab shift-tab shift-tab");
    for _ in 0.."gpu-a100".len() {
        screen.keys("backspace");
    }
    screen.keys("\"cp\"");
    assert!(row(&screen, "cluster").contains("cpu-spot"), "{}", screen.text());
    screen.keys("right ctrl-s");
    assert_eq!(submitted(&mut screen).1.cluster.name.as_deref(), Some("cpu-spot"));
}

#[test]
fn the_same_job_as_text() {
    let mut screen = open(120, 40);
    screen.keys("ctrl-e");
    insta::assert_snapshot!("form_as_text_120x40", window(&screen));
    screen.keys("ctrl-e");
    assert!(row(&screen, "command").contains("python3 train.py"));
    let text = r#"{"name": "t", "experiment": "mnist-lr", "properties": {"cluster": "gpu-a100", "nodeCount": "two",
        "customToolkitSettings": {"commandLine": "true"}, "constraints": {"maxWallClockTime": "90m"}}}"#;
    screen.keys("ctrl-g");
    let Some(UiEffect::Edit { ticket, .. }) = screen.asked.pop() else { panic!("{:?}", screen.asked) };
    screen.tell(Msg::Edited(ticket, text.to_owned()));
    assert!(
        screen.text().contains("line 1: properties.nodeCount") || screen.text().contains("nodeCount: wants"),
        "{}",
        screen.text()
    );
    screen.tell(Msg::Edited(
        ticket,
        text.replace("\"two\"", "2").replace("\"properties\": {", "\"properties\": {\"schedulingPriority\": \"high\", "),
    ));
    assert!(row(&screen, "nodes").contains('2') && row(&screen, "name").contains('t'), "{}", screen.text());
    screen.keys("ctrl-s");
    let spec = submitted(&mut screen).1.spec;
    assert_eq!((spec.scheduling_priority, spec.constraints.max_wall_clock_time), (Priority::High, Millis::from_mins(90)));
}

#[test]
fn leaving_asks_only_when_something_was_typed() {
    let mut screen = open(80, 24);
    screen.keys("esc");
    assert!(!screen.text().contains("New job"));
    let mut screen = open(80, 24);
    screen.keys("\"x\" esc");
    assert!(screen.text().contains("What you typed would be lost"), "{}", screen.text());
    screen.keys("esc");
    assert!(screen.text().contains("New job") && !screen.text().contains("would be lost"));
    screen.keys("esc y");
    assert!(!screen.text().contains("New job"));
}

#[test]
fn pastes_are_kept_within_bounds() {
    let mut screen = open(120, 40);
    screen.tell(Msg::Paste("y".repeat(5000)));
    assert!(screen.text().contains("a paste may have 4096 characters; 904 were left out"), "{}", screen.text());
    screen.keys("tab tab tab");
    screen.tell(Msg::Paste("\x1b]52;c;x\x07 9h\n".to_owned()));
    assert!(screen.buffer().content().iter().all(|cell| cell.symbol().chars().all(|c| !c.is_control())));
}

#[test]
fn a_small_screen_scrolls_to_the_field() {
    let mut screen = open(60, 16);
    screen.keys("tab tab tab tab tab");
    let text = screen.text();
    assert!(!text.contains("New job") || text.contains("[ Submit ]"), "{text}");
    for _ in 0..11 {
        screen.keys("tab");
        assert!(screen.text().lines().count() == 16);
    }
}
