//! What Slurm knows besides its queue, from a Slurm that keeps accounts and from one that does not; and a way into the
//! nodes of a job.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};
use crate::tmux;

fn slurm<'a>(lab: &'a Lab) -> Ostler<'a> {
    let ostler = Ostler::new(lab);
    ostler.ok(&["cluster", "create", "c", "--backend", "slurm", "--login", "ci@h1", "--partition", "all"]);
    ostler
}

/// A program that is busy for some seconds with so much memory.
fn busy(seconds: u32, mib: u32) -> String {
    format!("python3 -c 'import time; x = bytearray({mib} << 20); t = time.time()\nwhile time.time() - t < {seconds}: pass'")
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_says_what_jobs_used_and_what_accounts_may() {
    let lab = Lab::up_slurm(2, &["-d"]);
    let ostler = slurm(&lab);
    let submit = |name: &str, more: &[&str], command: &[&str]| {
        ostler.ok(&[&["job", "create", "-c", "c", "--name", name], more, &["--"], command].concat());
    };
    let line = busy(4, 100);
    submit("busy", &["--memory", "800MiB", "--time", "10m"], &["sh", "-c", &line]);
    submit("idle", &["--memory", "200MiB", "--time", "10m"], &["sleep", "5"]);
    ostler.await_end("busy");
    ostler.await_end("idle");

    // The account of it is there some seconds after the end.
    let used = until("Slurm has written down what it used", SOON, || {
        let used = ostler.job("busy")["efficiency"].clone();
        Some(used).filter(|used| used["memoryUsed"].is_number() && used["state"] == "COMPLETED")
    });
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap_or_else(|| panic!("{name}: {of:#}"));
    assert_eq!((&used["cpuCount"], &used["memoryAsked"]), (&1.into(), &(800_u64 << 20).into()), "{used:#}");
    // How much of a CPU it got is the machine's to say; what is told of it is what Slurm has.
    let share = 100.0 * number(&used, "cpuSeconds") / number(&used, "elapsedSeconds");
    assert!((share - number(&used, "cpuPercent")).abs() <= 1.0 && (20.0..=140.0).contains(&share), "{used:#}");
    assert!((12.0..=25.0).contains(&number(&used, "memoryPercent")), "{used:#}");
    assert_eq!(used["timeLimitSeconds"], 600.0, "{used:#}");
    let shown = ostler.ok(&["job", "show", "busy"]);
    assert!(shown.contains("efficiency") && shown.contains("MiB of 800 MiB ("), "{shown}");
    let both = ostler.json(&["job", "efficiency", "busy", "idle"]);
    let idle = both.as_array().unwrap().iter().find(|used| used["name"] == "idle").expect("one line for each");
    assert!(number(idle, "cpuPercent") < 20.0 && both[0]["name"] == "busy", "{both:#}");
    let asked = ostler.run(&["job", "efficiency", "busy", "idle"]);
    assert!(asked.out.contains("BUSY") && asked.err.is_empty(), "{asked:?}");

    // One that runs is measured by its node.
    let line = busy(30, 150);
    submit("runs", &["--memory", "600MiB"], &["sh", "-c", &line]);
    until("it runs", SOON, || (ostler.job("runs")["executionState"] == "running").then_some(()));
    until("it is measured while it runs", SOON, || {
        let used = ostler.json(&["job", "efficiency", "runs"])[0].clone();
        let measured = used["memoryUsed"].as_u64().is_some_and(|bytes| bytes > 140 << 20);
        (used["state"] == "RUNNING" && measured && used["cpuSeconds"].as_f64().is_some_and(|s| s >= 1.0)).then_some(())
    });
    assert!(ostler.job("runs")["efficiency"].is_null(), "a look at a job that runs asks nobody");

    // Of what the priority of one that waits is made.
    submit("fills", &["--nodes", "2"], &["sleep", "1000"]);
    submit("waits", &["--nodes", "2", "--priority", "low"], &["true"]);
    let why = until("its priority is there", SOON, || {
        Some(ostler.json(&["job", "why", "waits"])).filter(|why| why["priority"]["total"].is_number())
    });
    let parts = why["priority"]["parts"].as_object().unwrap();
    let sum: i64 = parts.values().map(|part| part.as_i64().unwrap()).sum();
    assert!((sum - why["priority"]["total"].as_i64().unwrap()).abs() <= 2, "the parts are the whole: {why:#}");
    assert_eq!(parts["nice"], -1000, "{why:#}");
    assert!(parts["partition"] == 200 && parts["fair share"].as_i64().unwrap() > 0, "{why:#}");
    let text = ostler.ok(&["job", "why", "waits"]);
    assert!(text.contains(": ") && text.contains("fair share ") && text.contains("nice -1000"), "{text}");
    let id = ostler.job("waits")["slurm"]["jobId"].as_str().unwrap().to_owned();
    let theirs = ostler.json(&["cluster", "job", "why", &id, "-c", "c"]);
    assert_eq!((&theirs[0]["id"], &theirs[0]["priorityParts"]["nice"]), (&id.as_str().into(), &(-1000).into()));
    assert_eq!(ostler.run(&["cluster", "job", "why", "9999999", "-c", "c"]).code, 1);

    // What one's accounts may.
    let shares = ostler.json(&["cluster", "share", "c"]);
    let of = |what: &dyn Fn(&Value) -> bool| shares.as_array().unwrap().iter().find(|share| what(share)).cloned();
    let mine = of(&|share| share["account"] == "phys" && share["user"] == "ci").expect("one's own part");
    assert!(number(&mine, "fairShare") > 0.0 && mine["shares"] == 1.0, "{mine:#}");
    assert_eq!((&mine["limits"]["MaxSubmit"], &mine["limits"]["MaxJobs"]), (&"500".into(), &"40".into()), "{mine:#}");
    let all = of(&|share| share["account"] == "phys" && share["user"].is_null()).expect("the account as a whole");
    assert_eq!(all["limits"]["GrpTRES"], "cpu=64", "{all:#}");
    let qos = of(&|share| share["qos"] == "normal").expect("the quality of service");
    assert_eq!(qos["limits"]["MaxJobsPU"], "50", "{qos:#}");
    let text = ostler.run(&["cluster", "share", "c"]);
    assert!(text.out.contains("500 of your jobs waiting or running") && text.err.is_empty(), "{text:?}");
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_without_accounts_says_so() {
    let lab = Lab::up_slurm(1, &[]);
    let ostler = slurm(&lab);
    ostler.await_ready(1);
    let refused = ostler.run(&["cluster", "share", "c"]);
    assert!(refused.code == 1 && refused.err.contains("the site keeps no accounts"), "{refused:?}");
    ostler.ok(&["job", "create", "-c", "c", "--name", "ends", "--time", "10m", "--", "sleep", "2"]);
    ostler.await_end("ends");
    // The controller still knows what was asked for, and for how long it ran.
    let used = ostler.json(&["job", "efficiency", "ends"]);
    assert_eq!((&used[0]["timeLimitSeconds"], &used[0]["memoryUsed"]), (&600.0.into(), &Value::Null), "{used:#}");
    assert!(used[0]["elapsedSeconds"].as_f64().is_some_and(|seconds| seconds >= 1.0), "{used:#}");
    ostler.ok(&["job", "create", "-c", "c", "--name", "fills", "--cpus", "2", "--", "sleep", "1000"]);
    ostler.ok(&["job", "create", "-c", "c", "--name", "waits", "--cpus", "2", "--", "true"]);
    until("it says that priorities have no parts", SOON, || {
        ostler.ok(&["job", "why", "waits"]).contains("priorities are by order of submission").then_some(())
    });
    assert_eq!(exit_code(&ostler.job("ends")), Some(0));
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_lets_one_into_the_nodes_of_a_job() {
    let lab = Lab::up_slurm(2, &["-g", "1"]);
    let ostler = slurm(&lab);
    let serve = "cd /tmp; hostname > who; exec python3 -m http.server 8099";
    let wide = ["job", "create", "-c", "c", "--name", "wide", "--nodes", "2", "--gpus", "1", "--framework", "mpi", "--"];
    // Both nodes and all that was asked for on them are taken by the job's own steps.
    ostler.ok(&[&wide[..], &["sh", "-c", serve]].concat());
    let early = ostler.run(&["job", "node", "exec", "wide", "--", "true"]);
    let refused = early.err.contains("does not run") || early.err.contains("has not run on any node");
    assert!(early.code == 0 || refused, "{early:?}");
    until("it runs", SOON, || (ostler.job("wide")["executionState"] == "running").then_some(()));
    let nodes = ostler.json(&["job", "node", "list", "wide"]);
    let names: Vec<&str> = nodes.as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["h2", "h3"], "the nodes are Slurm's, not the login node");

    // A command, with its words, its code and the job's surroundings.
    let exec = |node: &str, line: &str| ostler.run(&["job", "node", "exec", "wide", "--node", node, "--", line]);
    let first = exec("0", "hostname; echo 'a  b' >&2; exit 3");
    assert_eq!((first.code, first.out.as_str()), (3, "h2\n"), "{first:?}");
    assert!(first.err.contains("a  b\n"), "{first:?}");
    let id = ostler.job("wide")["slurm"]["jobId"].as_str().unwrap().to_owned();
    let second = exec("h3", "echo $(hostname) $SLURM_JOB_ID $CUDA_VISIBLE_DEVICES");
    assert_eq!((second.code, second.out.trim()), (0, format!("h3 {id} 0").as_str()), "{second:?}");
    let none = exec("h9", "true");
    assert!(none.code == 1 && none.err.contains("no node `h9`") && none.err.contains("h2, h3"), "{none:?}");

    // A port of the node at this machine, by the login node.
    let mut forward = ostler.command(&["job", "node", "forward", "-j", "wide", "--node", "h3", "0:localhost:8099"]);
    let mut forward = forward.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(forward.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let at = said.split(' ').next().unwrap_or_default().to_owned();
    let page = until("the node's server answers", SOON, || {
        let mut stream = TcpStream::connect(&at).ok()?;
        stream.write_all(b"GET /who HTTP/1.0\r\n\r\n").ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        page.contains("200 OK").then_some(page)
    });
    forward.kill().unwrap();
    forward.wait().unwrap();
    assert!(page.ends_with("h3\n"), "{said}: {page}");

    // A shell at a terminal, which ends with its own code.
    if tmux::is_here() {
        let tmux = ostler.at_terminal(&["job", "node", "shell", "wide", "--node", "1"]);
        tmux.until("a prompt", |screen| screen.contains('$'));
        tmux.text("echo on-$(hostname)-$SLURM_JOB_ID; tty");
        tmux.keys("Enter");
        tmux.wait(&[&format!("on-h3-{id}"), "/dev/pts/"]);
        tmux.text("exit 7");
        tmux.keys("Enter");
        assert_eq!(tmux.ended(), 7);
    }
    assert_eq!(ostler.job("wide")["executionState"], "running", "nothing was taken from the job");
    ostler.ok(&["job", "terminate", "wide", "-y"]);
    ostler.await_end("wide");
    let late = ostler.run(&["job", "node", "exec", "wide", "--", "true"]);
    assert!(late.code == 1 && late.err.contains("has ended"), "{late:?}");
}
