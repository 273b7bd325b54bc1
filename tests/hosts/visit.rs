//! A person's way through the screen on hosts that are reached by ssh, with nothing but what the screen says: from an empty state
//! directory to a running job, its log, more nodes, a sweep, a shell on a node, a cut link, a stop taken back, failures, leaving
//! and coming back.

use std::path::Path;

use crate::lab::Lab;
use crate::tmux::{self, Tmux};

/// Short times, so that a cut link is seen while a test waits.
const CONFIG: &str = "unreachable_after = \"2s\"\nkill_grace = \"1s\"\n";

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn from_nothing_to_a_study_by_the_screen_alone() {
    if !tmux::is_here() {
        return;
    }
    let lab = Lab::up(3);
    let dir = lab.dir().join("home");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config.toml"), CONFIG).unwrap();
    let tmux = screen(&lab, &dir);
    begin(&tmux);
    first_job(&tmux);
    log(&tmux);
    more_nodes(&tmux);
    shell(&tmux);
    cut(&lab, &tmux);
    stop_and_take_back(&tmux);
    sweep_that_fails(&tmux);
    leave(&tmux);
    drop(tmux);
    // What ran goes on without a screen, and the next one shows it.
    let tmux = screen(&lab, &dir);
    tmux.wait(&["first", "run-001", "running", "step="]);
    tmux.keys("x x");
    tmux.wait(&["✗ run-001"]);
    leave(&tmux);
    let program = env!("CARGO_BIN_EXE_ostler");
    let mut stop = std::process::Command::new(program);
    stop.arg("--state-dir").arg(dir.join("state")).args(["serve", "--stop"]).env("XDG_RUNTIME_DIR", &dir);
    assert!(stop.output().expect("the program runs").status.success());
}

fn screen(lab: &Lab, dir: &Path) -> Tmux {
    let at = dir.display();
    let words = [
        "env".to_owned(),
        "-u".to_owned(),
        "NO_COLOR".to_owned(),
        "-u".to_owned(),
        "XDG_STATE_HOME".to_owned(),
        format!("HOME={at}"),
        format!("XDG_RUNTIME_DIR={at}"),
        format!("OSTLER_STATE_DIR={at}/state"),
        format!("OSTLER_CONFIG={at}/config.toml"),
        "LC_ALL=C.UTF-8".to_owned(),
        "TERM=tmux-256color".to_owned(),
        env!("CARGO_BIN_EXE_ostler").to_owned(),
        "-F".to_owned(),
        lab.ssh_config().display().to_string(),
    ];
    let _ = std::fs::remove_file(dir.join("code"));
    Tmux::start(dir, 120, 40, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The welcome offers the hosts of the ssh configuration, tried while one chooses.
fn begin(tmux: &Tmux) {
    tmux.wait(&["How do you want to begin?", "2  :import-hosts"]);
    tmux.keys("2");
    tmux.wait(&["[ ] ✓ h1", "[ ] ✓ h2", "[ ] ✓ h3"]);
    tmux.keys("Space Space");
    tmux.wait(&["[x] ✓ h1", "[x] ✓ h2", "makes a cluster of 2 nodes"]);
    tmux.keys("Enter");
    tmux.wait(&["lab ▸ clusters ▸ hosts", "2 idle"]);
}

fn first_job(tmux: &Tmux) {
    tmux.keys("n");
    tmux.wait(&["New job", "experiment   first", "cluster      hosts", "[ Submit ]"]);
    tmux.text("for i in $(seq 100000); do echo step=$i loss=0.$i; sleep 0.1; done");
    tmux.keys("C-s");
    tmux.wait(&["experiments ▸ first ▸ run-001", "running", "Log · run-001", "following", "step=5 "]);
}

fn log(tmux: &Tmux) {
    // More than the pane holds.
    tmux.wait(&["step=40 "]);
    tmux.keys("Tab Tab");
    tmux.keys("k k");
    tmux.wait(&["paused", "new ↓"]);
    tmux.keys("/");
    tmux.text("step=2 ");
    tmux.keys("Enter");
    tmux.wait(&["is not below; N searches above"]);
    tmux.keys("N");
    tmux.wait(&["step=2 loss=0.2"]);
    tmux.keys("G");
    tmux.wait(&["following"]);
    tmux.keys("Tab");
}

/// A target from anywhere, by its name; and by a key where the cluster is.
fn more_nodes(tmux: &Tmux) {
    tmux.go_to("hosts");
    tmux.keys("-");
    tmux.wait(&["2 → 1"]);
    // Only then the next key: right behind each other the two are one with Alt.
    tmux.keys("Escape");
    tmux.wait_gone(&["2 → 1"]);
    tmux.keys(":");
    tmux.wait(&["╭ Palette ─"]);
    tmux.text("scale hosts 1");
    tmux.keys("Enter");
    tmux.wait(&["2 → 1: 1 node goes at once", "⏎ applies"]);
    tmux.keys("Enter");
    tmux.until("a node went", |screen| screen.lines().any(|line| line.contains("● hosts") && line.contains("1/1")));
    tmux.go_to("hosts");
    tmux.keys("+");
    tmux.wait(&["1 → 2"]);
    tmux.keys("Enter");
    tmux.until("it is back", |screen| screen.lines().any(|line| line.contains("● hosts") && line.contains("2/2")));
}

/// The screen steps aside for a shell on the job's node, and comes back.
fn shell(tmux: &Tmux) {
    tmux.go_to("run-001");
    tmux.keys("s");
    tmux.until("a prompt", |screen| !screen.contains("Workspaces"));
    tmux.text("echo on-$(uname -n)");
    tmux.keys("Enter");
    tmux.until("the node answers", |screen| screen.contains("on-h1") || screen.contains("on-h2"));
    tmux.text("exit");
    tmux.keys("Enter");
    tmux.wait(&["Workspaces", "run-001"]);
}

/// The view stays while the link is away, and goes on where it was.
fn cut(lab: &Lab, tmux: &Tmux) {
    for host in ["h1", "h2"] {
        lab.nslab(&["cut", host]);
    }
    tmux.until("it says that it does not see it", |screen| screen.contains("not seen") || screen.contains("unreachable"));
    assert!(tmux.screen().contains("run-001"));
    for host in ["h1", "h2"] {
        lab.nslab(&["heal", host]);
    }
    tmux.until("it is seen again", |screen| !screen.contains("not seen") && !screen.contains("unreachable"));
    tmux.wait(&["following"]);
}

fn stop_and_take_back(tmux: &Tmux) {
    tmux.keys("x");
    tmux.wait(&["run-001 stops in", "u takes it back"]);
    tmux.keys("u");
    tmux.wait_gone(&["stops in"]);
    tmux.wait(&["running"]);
}

/// A job that fails, and a sweep over it by its form; what failed is shown by its cause.
fn sweep_that_fails(tmux: &Tmux) {
    tmux.go_to("first");
    tmux.keys("n");
    tmux.wait(&["New job"]);
    tmux.keys("C-u");
    tmux.text("echo boom $PARAM_SEED; exit 3");
    tmux.keys("C-s");
    tmux.wait(&["✗ run-002"]);
    tmux.go_to("run-002");
    tmux.keys("S");
    tmux.wait(&["New sweep", "[ Submit ]"]);
    tmux.text("seed=1..6");
    tmux.wait(&["6 jobs"]);
    tmux.keys("C-s");
    tmux.wait_gone(&["New sweep"]);
    tmux.go_to("first");
    tmux.keys(":");
    tmux.wait(&["╭ Palette ─"]);
    tmux.text("failures");
    tmux.keys("Enter");
    tmux.wait(&["Failures: first, 7 jobs", "✗ exit 3"]);
    tmux.keys("Escape");
}

fn leave(tmux: &Tmux) {
    tmux.keys("q");
    tmux.until("the end or a question", |screen| screen.contains("Leave") || !screen.contains("Workspaces"));
    if tmux.screen().contains("Leave") {
        tmux.keys("Enter");
    }
    assert_eq!(tmux.ended(), 0, "{}", tmux.screen());
    let raw = tmux.raw();
    assert!(raw.windows(8).any(|bytes| bytes == b"\x1b[?1049l"), "the terminal is given back");
}
