//! The terminal, what is drawn on it, and what reads from us.

use std::process::Stdio;

use ostler::tui::bounded::{SIDE_MAX, bounded};
use ratatui::layout::Size;

use super::sheet::Sheet;
use crate::rig::User;

pub const IDS: &[&str] = &["B64", "B84", "B86", "B87", "B89"];

#[test]
fn terminal() {
    let user = User::new();
    user.lab();
    let mut sheet = Sheet::new(user).guarded();
    sheet.row("B64", "expressions that are none, or too large");
    for expression in ["loss (", "(a{1000}){1000}{1000}", "a"] {
        let body = serde_json::json!({
            "nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}, "metrics": {"patterns": [expression]},
        });
        sheet.job(&body.to_string());
    }
    sheet.row("B84", "no terminal, or one that cannot be drawn on");
    sheet.run("");
    on_a_terminal(&mut sheet, "dumb");
    on_a_terminal(&mut sheet, "");
    sheet.row("B86", "sizes that no memory is enough for");
    for (width, height) in [(0, 0), (80, 24), (1001, 24), (65535, 65535)] {
        let size = bounded(Size { width, height });
        assert!(size.width <= SIDE_MAX && size.height <= SIDE_MAX);
        sheet.say(&format!("{width}x{height} is drawn at {}x{}", size.width, size.height));
    }
    sheet.row("B87", "letters that are not UTF-8 are said by the doctor, and ASCII is drawn");
    let output = sheet.user.command(&["doctor"]).env("LC_ALL", "de_DE.ISO-8859-1").output().expect("the program starts");
    let ran = sheet.user.ran("doctor", output);
    sheet.say(ran.stdout.lines().find(|line| line.starts_with("locale")).expect("a line about it"));
    sheet.row("B89", "a reader that goes away");
    let mut child = sheet.user.command(&["config", "show"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let ran = sheet.user.ran("config show | head -0", child.wait_with_output().expect("it ends"));
    sheet.say(&ran.shown());
    insta::assert_snapshot!("bad-terminal", sheet.end(IDS).1);
}

/// `script` of util-linux gives a terminal that nobody draws.
fn on_a_terminal(sheet: &mut Sheet, term: &str) {
    let command = sheet.user.command(&[]);
    let line = command.get_program().to_string_lossy().into_owned();
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env_clear().envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
    script
        .env("TERM", term)
        .env("SHELL", "/bin/sh")
        .env("NO_COLOR", "1")
        .current_dir(sheet.user.home())
        .stdin(Stdio::null());
    let Ok(output) = script.output() else { panic!("script of util-linux is missing") };
    let ran = sheet.user.ran(&format!("(TERM={term})"), output);
    sheet.say(&ran.shown().replace('\r', ""));
}
