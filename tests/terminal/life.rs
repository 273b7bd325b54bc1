//! What becomes of the screen when it is put to sleep, and on a console of sixteen colours.

use crate::place::Place;
use crate::tmux;

#[test]
fn it_sleeps_and_comes_back() {
    if !tmux::is_here() {
        return;
    }
    let place = Place::new();
    let tmux = place.shell(80, 24);
    tmux.wait(&["sh>"]);
    tmux.text("$OSTLER");
    tmux.keys("Enter");
    tmux.wait(&["Workspaces", "lab", "1/1"]);
    tmux.go_to("here");
    tmux.keys("C-z");
    // The terminal is the shell's: its screen, its echo, its line.
    tmux.wait(&["Stopped", "sh>"]);
    tmux.text("echo awake-$((40 + 2))");
    tmux.keys("Enter");
    let between = tmux.wait(&["awake-42"]);
    assert!(!between.contains("Workspaces"), "{between}");
    tmux.text("fg");
    tmux.keys("Enter");
    tmux.wait(&["Workspaces", "clusters ▸ here"]);
    // Its keys work, also a second time, and what changed meanwhile is there.
    tmux.keys("C-z");
    tmux.until("the shell again", |screen| !screen.contains("Workspaces"));
    place.ok(&["cluster", "scale", "here", "2"]);
    tmux.text("fg");
    tmux.keys("Enter");
    tmux.until("two nodes", |screen| screen.lines().any(|line| line.contains("here") && line.contains("2/2")));
    tmux.keys("?");
    tmux.wait(&["Help"]);
    tmux.keys("Escape");
    tmux.wait_gone(&["Help:"]);
}

#[test]
fn a_console_of_sixteen_colours_gets_no_others() {
    if !tmux::is_here() {
        return;
    }
    let place = Place::new();
    let tmux = place.screen_with(80, 24, &["TERM=linux", "COLORTERM="], &[]);
    tmux.wait(&["Workspaces", "lab", "1/1"]);
    tmux.go_to("here");
    tmux.keys("+");
    tmux.wait(&["1 -> 2"]);
    // Together they would be one key with alt.
    tmux.keys("Escape");
    tmux.wait_gone(&["1 -> 2"]);
    tmux.keys("?");
    tmux.wait(&["Help"]);
    // Nor signs that its font has not.
    let help = tmux.wait(&["Help"]);
    assert!(help.is_ascii(), "{help}");
    let raw = String::from_utf8_lossy(&tmux.raw()).into_owned();
    let looks: Vec<&str> =
        raw.split("\u{1b}[").skip(1).filter_map(|part| part.split_once('m').map(|(look, _)| look)).collect();
    let looks: Vec<&str> = looks.into_iter().filter(|look| look.bytes().all(|b| b.is_ascii_digit() || b == b';')).collect();
    assert!(!looks.is_empty());
    for look in looks {
        let parts: Vec<u16> = look.split(';').filter_map(|part| part.parse().ok()).collect();
        for part in parts.windows(3) {
            assert!(!matches!(part, [38 | 48, 2, _]), "a colour of 16 million: {look}");
            assert!(!matches!(part, [38 | 48, 5, 16..=255]), "a colour of 256: {look}");
        }
    }
}
