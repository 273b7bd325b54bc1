//! A mistake of ours ends the screen in order: the terminal is given back, and a report says what happened.

use crate::place::Place;
use crate::tmux;

#[test]
#[cfg(feature = "crash-points")]
fn a_panic_gives_the_terminal_back_and_leaves_a_report() {
    if !tmux::is_here() {
        return;
    }
    let place = Place::new();
    let tmux = place.screen_with(80, 24, &["OSTLER_SCREEN_PANIC=1"], &[]);
    tmux.wait(&["ostler", "lab"]);
    tmux.keys("j");
    let screen = tmux.wait(&["a mistake of ours", "The report is in"]);
    assert_ne!(tmux.ended(), 0);
    assert!(!screen.contains("Workspaces"), "the screen is gone:\n{screen}");
    let raw = tmux.raw();
    let left = b"\x1b[?1049l";
    assert!(raw.windows(left.len()).any(|window| window == left), "the other screen was left");
    let reports: Vec<_> = std::fs::read_dir(place.state())
        .expect("the state directory")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("crash-"))
        .collect();
    assert_eq!(reports.len(), 1, "{reports:?}");
    let report = std::fs::read_to_string(reports[0].path()).expect("the report");
    assert!(report.contains("a test asks for it") && report.contains("ostler::tui"), "{report}");
}

#[test]
fn a_shell_has_the_terminal_and_gives_it_back() {
    if !tmux::is_here() {
        return;
    }
    let place = Place::new();
    let tmux = place.screen(80, 24);
    tmux.wait(&["ostler", "lab", "1/1"]);
    tmux.go_to("here");
    tmux.keys("s");
    tmux.wait_gone(&["Workspaces"]);
    tmux.text("echo shell-on-$((40 + 2)); read line; exit");
    tmux.keys("Enter");
    tmux.wait(&["shell-on-42"]);
    tmux.keys("Enter");
    tmux.wait(&["Workspaces", "lab"]);
    // The keys are the screen's again, and all of it can be drawn anew.
    tmux.keys("C-l ?");
    tmux.wait(&["Help"]);
    tmux.keys("Escape");
    tmux.wait_gone(&["Help:"]);
}

#[test]
fn a_session_is_recorded_shown_again_and_drawn() {
    if !tmux::is_here() {
        return;
    }
    let place = Place::new();
    let (file, picture) = (place.state().join("session.jsonl"), place.state().join("picture.svg"));
    let (file, picture) = (file.display().to_string(), picture.display().to_string());
    let tmux = place.screen_with(80, 24, &[], &["--record", &file]);
    tmux.wait(&["ostler", "lab"]);
    tmux.keys("?");
    tmux.wait(&["Help"]);
    tmux.keys("Escape");
    tmux.wait_gone(&["Help:"]);
    tmux.keys("q");
    tmux.until("the end or a question", |screen| screen.contains("Leave") || !screen.contains("lab"));
    if tmux.screen().contains("Leave") {
        tmux.keys("Enter");
    }
    assert_eq!(tmux.ended(), 0);
    place.ok(&["--replay", &file, "--still", &picture, "--size", "100x30"]);
    let drawn = std::fs::read_to_string(&picture).expect("the picture");
    assert!(drawn.starts_with("<svg") && drawn.contains(">lab<"), "{}", &drawn[..drawn.len().min(2000)]);
    let again = place.screen_with(80, 24, &[], &["--replay", &file]);
    again.wait(&["ostler", "lab"]);
}
