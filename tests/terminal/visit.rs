//! A whole visit: look, scale up, submit by the form, follow the log, stop and take it back, filter, help, palette, leave.

use crate::place::Place;
use crate::tmux::{self, Tmux};

#[test]
fn a_visit_on_a_small_screen() {
    visit(80, 24);
}

#[test]
fn a_visit_on_a_large_screen() {
    visit(120, 40);
}

fn visit(width: u16, height: u16) {
    if !tmux::is_here() {
        return;
    }
    let place = Place::new();
    let tmux = place.screen(width, height);
    tmux.wait(&["ostler", "lab", "here", "first"]);
    scale_up(&tmux);
    submit(&tmux);
    follow(&tmux);
    stop_and_take_back(&tmux);
    filter_help_palette(&tmux);
    stop(&tmux);
    leave(&tmux);
    let jobs = place.ok(&["job", "list", "-o", "jsonl"]);
    assert!(jobs.contains("\"counted\"") && jobs.lines().count() == 1, "{jobs}");
}

fn scale_up(tmux: &Tmux) {
    tmux.go_to("here");
    tmux.keys("+");
    tmux.wait(&["1 → 2"]);
    tmux.keys("Enter");
    tmux.until("two nodes", |screen| screen.lines().any(|line| line.contains("here") && line.contains("2/2")));
}

fn submit(tmux: &Tmux) {
    tmux.go_to("first");
    tmux.keys("n");
    tmux.wait(&["New job", "[ Submit ]"]);
    tmux.text("for i in $(seq 900); do echo count $i; sleep 0.2; done");
    tmux.keys("BTab BTab BTab BTab BTab");
    tmux.text("counted");
    tmux.wait(&["name         counted"]);
    tmux.keys("C-s");
    tmux.wait(&["counted submitted"]);
    tmux.wait_gone(&["New job"]);
}

fn follow(tmux: &Tmux) {
    // On a small screen the log is on the page behind the tree.
    if !tmux.screen().contains("Log ·") {
        tmux.keys("Tab");
    }
    tmux.wait(&["Log · counted", "stdout", "following", "count 3"]);
}

fn stop_and_take_back(tmux: &Tmux) {
    tmux.keys("x");
    tmux.wait(&["counted stops in", "u takes it back"]);
    tmux.keys("u");
    let seen = last_count(&tmux.wait_gone(&["stops in"]));
    // Five seconds of the hold are twenty-five numbers.
    tmux.until("the job goes on", |screen| last_count(screen) > seen + 30);
}

/// Returns the last number that the job has printed, as far as the screen shows it.
fn last_count(screen: &str) -> u32 {
    let numbers = screen.lines().filter_map(|line| line.split("count ").nth(1)?.split_whitespace().next()?.parse().ok());
    numbers.max().unwrap_or(0)
}

fn filter_help_palette(tmux: &Tmux) {
    tmux.go_to("counted");
    tmux.keys("/");
    tmux.text("nothing-like-this");
    let in_tree = |line: &str| line.chars().take(24).collect::<String>().contains("counted");
    tmux.until("an empty tree", |screen| !screen.lines().any(in_tree));
    tmux.keys("Escape");
    tmux.until("the tree again", |screen| screen.lines().any(in_tree));
    tmux.keys("?");
    tmux.wait(&["Help", "Everywhere"]);
    tmux.keys("Escape");
    tmux.wait_gone(&["Help:"]);
    tmux.keys(":");
    tmux.wait(&["╭ Palette ─"]);
    tmux.text("scale");
    tmux.wait(&["changes a cluster's target"]);
    tmux.keys("Escape");
    tmux.wait_gone(&["╭ Palette ─"]);
}

fn stop(tmux: &Tmux) {
    tmux.go_to("counted");
    tmux.keys("x");
    tmux.wait(&["counted stops in", "x does it now"]);
    tmux.keys("x");
    tmux.wait(&["✗ counted", "── failed"]);
}

fn leave(tmux: &Tmux) {
    tmux.keys("q");
    tmux.until("the end or a question", |screen| screen.contains("Leave") || !screen.contains("lab"));
    if tmux.screen().contains("Leave") {
        tmux.keys("Enter");
    }
    assert_eq!(tmux.ended(), 0, "{}", tmux.screen());
}
