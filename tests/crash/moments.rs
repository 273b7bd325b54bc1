//! The program killed at each of the 28 moments of a process's life (`runtime::points`), and started again: no job lost,
//! none run twice, exit codes true, and nothing left alive of what was stopped.
//!
//! In the core the program ends itself (`OSTLER_CRASH_AT`, SIGABRT). On a node and in a job it is killed (SIGKILL) by them:
//! the node's own scripts get one more line at the place in question, in the node's spool, when they have been put there.

mod node;
mod ostler;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ::ostler::runtime::points::{Life, POINTS, Point, Side};
use serde_json::Value;

use self::node::Job;
use self::ostler::{Ostler, until};

/// What the jobs that end by themselves end with.
const CODE: i64 = 7;
/// Set in the process that runs inside the PID namespace.
const CONTAINED: &str = "OSTLER_TEST_CONTAINED";

/// Everything that kills runs in a PID namespace, which ends with all that is in it.
#[test]
fn killed_at_each_of_its_moments_it_loses_and_repeats_nothing() {
    if std::env::var_os(CONTAINED).is_some() {
        return all_points();
    }
    let root = rustix::process::geteuid().is_root();
    let mut unshare = Command::new("unshare");
    if !root {
        unshare.args(["--user", "--map-root-user"]);
        if !Command::new("unshare").args(["--user", "--map-root-user", "true"]).status().is_ok_and(|s| s.success()) {
            eprintln!("did not run: no user namespaces here");
            return;
        }
    }
    let ran = unshare
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "moments::killed_at_each_of_its_moments_it_loses_and_repeats_nothing", "--nocapture"])
        .env(CONTAINED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    for line in said.lines().filter(|line| line.starts_with("point ")) {
        println!("{line}");
    }
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{}\n{said}\n{errors}", ran.status);
}

fn all_points() {
    let numbers: std::collections::BTreeSet<u8> = POINTS.iter().map(|point| point.number).collect();
    assert_eq!(numbers, (1..=28).collect(), "each of the 28 has a name");
    let dir = tempfile::tempdir().unwrap();
    let mut ostler = Ostler::with_nodes(dir.path());
    node::put_hooks(dir.path(), &ostler.state());
    let began = Instant::now();
    let only = std::env::var("OSTLER_TEST_POINT").ok();
    let wanted = POINTS.iter().filter(|point| only.as_ref().is_none_or(|only| point.name == only));
    let mut jobs = 0;
    for point in wanted {
        let start = Instant::now();
        let outcome = one_point(&mut ostler, point);
        println!(
            "point {:2} {:17} {outcome} [{} ms; {}]",
            point.number,
            point.name,
            start.elapsed().as_millis(),
            point.what
        );
        jobs += 1;
    }
    let listed = ostler.json(&["job", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(jobs), "one job for each submit: {listed:#}");
    ostler.await_idle();
    println!("point -- all {jobs} in {} ms", began.elapsed().as_millis());
}

/// A job's life with one death of the program in it; returns what came of it.
fn one_point(ostler: &mut Ostler, point: &Point) -> String {
    let job = Job::new(ostler.dir(), point);
    match point.side {
        Side::Core => ostler.start(Some(point.name)),
        Side::Node | Side::Job => {
            ostler.start(None);
            node::arm(ostler.dir(), point.name, ostler.pid());
        }
    }
    // A job that is to end before the death need not wait for it; others outlive the program and are taken up again.
    if point.number >= 12 {
        job.let_go();
    }
    let submitted = job.submit(ostler);
    let stopped = point.life == Life::Stopped && {
        until("the job is ready to be stopped", || job.is_ready().then_some(()));
        ostler.run(&["job", "terminate", job.name(), "-y"]).code == 0
    };
    let status = ostler.await_death();
    let signal = if point.side == Side::Core { rustix::process::Signal::ABORT } else { rustix::process::Signal::KILL };
    assert_eq!(status.signal(), Some(signal.as_raw()), "{}: {status}", point.name);
    assert!(point.side == Side::Core || node::passed(ostler.dir()), "{}: killed by something else", point.name);

    ostler.start(None);
    let shown = ostler.run(&["job", "show", job.name()]);
    let kept = shown.code == 0;
    assert!(kept || !submitted, "{}: the submit was answered and the job is lost: {shown:?}", point.name);
    if !submitted {
        // What a client does whose answer got lost: the same token gives the same job.
        assert!(job.submit(ostler), "{}: it cannot be submitted again", point.name);
    }
    job.let_go();
    if point.life == Life::Stopped && !stopped {
        // Refused when the first one was committed and the job has ended by it meanwhile.
        ostler.run(&["job", "terminate", job.name(), "-y"]);
    }
    let ended = ostler.await_end(job.name());
    check(point, &job, &ended);
    await_nothing_left(ostler, point, &ended);
    let attempts = ended["attempt"].as_u64().unwrap();
    format!(
        "{} by signal {}; submit {}, then {} with {}, starts {attempts} of {attempts}",
        if point.side == Side::Core { "died" } else { "killed" },
        signal.as_raw(),
        if submitted {
            "answered"
        } else if kept {
            "unanswered and kept"
        } else {
            "unanswered and repeated"
        },
        ended["executionState"].as_str().unwrap(),
        match point.life {
            Life::Ends => format!("code {}", ended["executionInfo"]["exitCode"]),
            Life::Stopped => ended["executionInfo"]["errors"][0]["code"].to_string(),
        },
    )
}

/// The job's end is true, and it was started once for each attempt, never while another copy lived.
fn check(point: &Point, job: &Job, ended: &Value) {
    let name = point.name;
    assert_eq!(job.copies(), "", "{name}: two live copies");
    let starts = job.starts();
    let id = ended["id"].as_str().unwrap().trim_start_matches("job-").to_owned();
    let attempts: Vec<String> = (1..=ended["attempt"].as_u64().unwrap()).map(|n| format!("{id}.{n}.m0")).collect();
    assert_eq!(starts, attempts, "{name}: started once for each attempt: {ended:#}");
    assert_eq!(ended["executionState"], "failed", "{name}: {ended:#}");
    let (code, error) = (ended["executionInfo"]["exitCode"].as_i64(), &ended["executionInfo"]["errors"][0]["code"]);
    match point.life {
        Life::Ends => assert!(code == Some(CODE) && error == "JobFailed", "{name}: {ended:#}"),
        Life::Stopped => assert_eq!(error, "JobTerminated", "{name}: {ended:#}"),
    }
}

/// Nothing carries the job's cookie any more, and its node has the record among those done with.
fn await_nothing_left(ostler: &Ostler, point: &Point, ended: &Value) {
    let id = ended["id"].as_str().unwrap().trim_start_matches("job-").to_owned();
    let alive = node::alive(&id);
    assert!(alive.is_empty(), "{}: it has ended, and these live: {alive:?}", point.name);
    until(&format!("{}: the node has the acknowledgement", point.name), || {
        let (live, done) = node::records(&ostler.state(), &id);
        assert!(live + done <= 1, "{}: {live} records and {done} done with", point.name);
        (live == 0 && done == 1).then_some(())
    });
    ostler.await_nothing_owed();
}

/// How long a state may take to come: far above what it takes, for a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

/// Returns the lines of a file, none when it is not there.
pub fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
