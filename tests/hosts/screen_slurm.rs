//! The screen of a cluster of Slurm, on a Slurm that is there: its queue, a job of somebody else's, ways into one's own, and what is
//! asked for when one wants to know.

use std::path::Path;

use crate::lab::Lab;
use crate::ostler::Ostler;
use crate::tmux::{self, Tmux};

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_is_looked_at_and_acted_on_from_the_screen() {
    if !tmux::is_here() {
        return;
    }
    let lab = Lab::up_slurm(2, &["-g", "2", "-d"]);
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "big", "--backend", "slurm", "--login", "ci@h1", "--partition", "all"]);
    ostler.ok(&["job", "create", "-c", "big", "--name", "ours", "--", "sh", "-c", "echo begun; sleep 600"]);
    lab.on("h1", "cd /tmp; sbatch -J theirs -t 30 --gres=gpu:1 --mem=100 --wrap 'sleep 600'");
    let own = "sbatch -J mine -t 30 --mem=100 --wrap \"while :; do echo tick; sleep 1; done\"";
    lab.on("h1", &format!("runuser -u ci -- sh -c 'cd; {own}'"));

    let tmux = screen(&lab, &lab.dir().join("ostler"));
    tmux.go_to("big");
    tmux.keys("Tab");
    tmux.wait(&["Overview  Queue  Partitions  Nodes  Events", "at work", "1 of 4 in use", "2 running, 0 waiting"]);
    tmux.keys("M-2");
    tmux.wait(&["theirs", "root", "mine", "ours", "▶ running"]);

    // Somebody else's: only after a question that says whose, and then Slurm says no.
    tmux.keys("/");
    tmux.text("user:root");
    tmux.keys("Enter");
    tmux.wait(&["1 pass"]);
    tmux.keys("x");
    tmux.wait(&["(theirs), of root", "Not yours: root", "[ Leave it ]"]);
    tmux.keys("Tab Enter");
    tmux.wait(&["Slurm refuses it for", "denied"]);
    tmux.keys("Escape");

    // One's own that ostler did not submit: a shell in it, what it writes, its end.
    tmux.keys("/");
    tmux.text("mine");
    tmux.keys("Enter");
    tmux.wait(&["1 pass", "mine"]);
    tmux.keys("s");
    tmux.wait(&["ci@h"]);
    tmux.text("echo \"in $SLURM_JOB_ID on $(hostname)\"");
    tmux.keys("Enter");
    tmux.until("a shell in the job", |screen| {
        screen.lines().any(|line| line.starts_with("in ") && !line.contains("in  ") && line.contains(" on h"))
    });
    tmux.text("exit");
    tmux.keys("Enter");
    tmux.wait(&["1 pass"]);
    tmux.keys(":");
    tmux.text("follow-output");
    tmux.keys("Enter");
    tmux.wait(&["ctrl-c ends it", "tick"]);
    tmux.keys("C-c");
    tmux.wait(&["1 pass"]);
    tmux.keys("x");
    tmux.wait(&["(mine), yours"]);
    tmux.keys("Tab Enter");
    tmux.wait(&["✗ cancelled"]);
    tmux.keys("Escape");

    // What it knows besides, and its nodes.
    tmux.keys(":");
    tmux.text("share");
    tmux.keys("Enter");
    tmux.wait(&["account phys · you", "fair share", "of your jobs running"]);
    tmux.keys("Escape");
    tmux.wait_gone(&["account phys"]);
    tmux.keys("M-4");
    tmux.wait(&["h2", "h3", "1/2", "root"]);

    // Enter on ostler's own goes to it, with its log.
    tmux.keys("M-2");
    tmux.wait(&["nodes or why"]);
    tmux.keys("/");
    tmux.text("ours");
    tmux.keys("Enter");
    tmux.wait(&["1 pass"]);
    tmux.keys("Enter");
    tmux.wait(&["Log · ours", "begun", "partition all"]);

    // A pool of allocations: which one a node is, and what is left of it.
    lab.on("h1", "scancel -n theirs");
    let pool = ["--login", "ci@h1", "--partition", "all", "--target", "1", "--allocation-time", "20m"];
    ostler.ok(&[&["cluster", "create", "pool"], &pool[..]].concat());
    tmux.go_to("pool");
    tmux.keys("Tab M-2");
    tmux.wait(&["allocation", "left", "○ idle", "19m"]);
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
        "LC_ALL=C.UTF-8".to_owned(),
        "TERM=tmux-256color".to_owned(),
        env!("CARGO_BIN_EXE_ostler").to_owned(),
        "--state-dir".to_owned(),
        format!("{at}/state"),
        "--config".to_owned(),
        format!("{at}/config.toml"),
        "-F".to_owned(),
        lab.ssh_config().display().to_string(),
    ];
    Tmux::start(dir, 120, 40, &words.iter().map(String::as_str).collect::<Vec<_>>())
}
