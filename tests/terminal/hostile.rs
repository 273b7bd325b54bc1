//! A job that prints what moves cursors, sets titles and writes clipboards: none of it reaches the terminal.

use crate::place::Place;
use crate::tmux;

/// What the job prints, as `printf` writes it, and the bytes that must not be seen.
const ATTACKS: [(&str, &[u8]); 8] = [
    (r"\033]52;c;b3duZWQ=\007", b"\x1b]52;"),
    (r"\033]2;owned\007", b"\x1b]2;owned"),
    (r"\033]0;owned\033\\", b"\x1b]0;owned"),
    (r"\033[37;199H", b"\x1b[37;199H"),
    (r"\033[5n", b"\x1b[5n"),
    (r"\033P$qm\033\\", b"\x1bP$q"),
    (r"\033c", b"\x1bc"),
    (r"\302\2335n", b"\xc2\x9b"),
];

#[test]
fn a_hostile_log_is_only_text() {
    if !tmux::is_here() {
        return;
    }
    let place = Place::new();
    let attacks: String = ATTACKS.iter().map(|(text, _)| *text).collect();
    let script = format!(r"printf 'before {attacks} after\n'; printf 'the end\n'; sleep 600");
    place.ok(&["job", "create", "--name", "hostile", "--", "sh", "-c", &script]);
    let tmux = place.screen(120, 40);
    tmux.wait(&["lab", "hostile"]);
    tmux.go_to("hostile");
    let screen = tmux.wait(&["Log · hostile", "following", "│the end"]);
    assert!(screen.lines().any(|line| line.contains("before") && line.contains("after")), "the words stay:\n{screen}");
    tmux.keys("q");
    tmux.until("the end or a question", |screen| screen.contains("Leave") || !screen.contains("hostile"));
    if tmux.screen().contains("Leave") {
        tmux.keys("Enter");
    }
    assert_eq!(tmux.ended(), 0);
    let raw = tmux.raw();
    for (text, bytes) in ATTACKS {
        assert!(!raw.windows(bytes.len()).any(|window| window == bytes), "`{text}` reached the terminal");
    }
    assert!(raw.windows(7).any(|window| window == b"the end"), "the pipe saw what was drawn");
}
