//! What takes part in a process's life, killed at each of its 28 moments (`runtime::points`): the program, the node's agent, the
//! process's supervisor, the link, or the whole node. No job is lost, none runs twice, exit codes are true, and nothing is left
//! alive of what was stopped.
//!
//! In the core the program ends itself (`OSTLER_CRASH_AT`, SIGABRT), or stands still while the test strikes
//! (`OSTLER_CRASH_HOLD`). On a node and in a job it is they who stand still: the node's own scripts get one more line at the
//! place in question, in the node's spool, when they have been put there.

mod node;
mod ostler;
#[path = "../links/sshd.rs"]
mod sshd;
mod strike;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ::ostler::runtime::points::{Life, POINTS, Point, Side};
use serde_json::Value;

use self::node::Job;
use self::ostler::{Moment, Ostler, until};
use self::strike::Struck;

/// What the jobs that end by themselves end with.
const CODE: i64 = 7;
/// Set in the process that runs inside the namespaces.
const CONTAINED: &str = "OSTLER_TEST_CONTAINED";

#[test]
fn killed_at_each_of_its_moments_it_loses_and_repeats_nothing() {
    contained("killed_at_each_of_its_moments_it_loses_and_repeats_nothing", Struck::Core, "shell");
}

/// At those of its own: where a node stands still, its scripts do.
#[test]
fn killed_at_its_own_moments_beside_native_agents() {
    contained("killed_at_its_own_moments_beside_native_agents", Struck::Core, "native");
}

#[test]
fn its_agent_is_killed_at_each_of_its_moments() {
    contained("its_agent_is_killed_at_each_of_its_moments", Struck::Agent, "shell");
}

#[test]
fn its_supervisor_is_killed_at_each_of_its_moments() {
    contained("its_supervisor_is_killed_at_each_of_its_moments", Struck::Supervisor, "shell");
}

#[test]
fn its_link_is_cut_at_each_of_its_moments() {
    contained("its_link_is_cut_at_each_of_its_moments", Struck::Link, "shell");
}

#[test]
fn its_node_is_booted_at_each_of_its_moments() {
    contained("its_node_is_booted_at_each_of_its_moments", Struck::Node, "shell");
}

/// Everything that kills runs in a PID namespace, which ends with all that is in it, and boots in a mount namespace.
fn contained(name: &str, struck: Struck, agent: &str) {
    if std::env::var_os(CONTAINED).is_some() {
        return all_points(struck, agent);
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
        .args(["--exact", &format!("moments::{name}"), "--nocapture"])
        .env(CONTAINED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    for line in said.lines().filter(|line| line.starts_with("point ") || line.starts_with("did not run")) {
        println!("{line}");
    }
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{}\n{said}\n{errors}", ran.status);
    if let Some(line) = said.lines().find_map(|line| line.strip_prefix("point -- ")) {
        crate::tables::table(&format!("moments of a process's life: {line}"));
    }
}

fn all_points(struck: Struck, agent: &str) {
    let numbers: std::collections::BTreeSet<u8> = POINTS.iter().map(|point| point.number).collect();
    assert_eq!(numbers, (1..=28).collect(), "each of the 28 has a name");
    let dir = tempfile::tempdir().unwrap();
    let ostler = match struck {
        Struck::Core => Some(Ostler::with_local_nodes(dir.path(), agent)),
        Struck::Agent | Struck::Supervisor | Struck::Link | Struck::Node => Ostler::with_sshd(dir.path()),
    };
    let Some(mut ostler) = ostler else { return };
    if struck == Struck::Node {
        strike::own_boot_id(dir.path());
    }
    node::put_hooks(dir.path(), ostler.nodes());
    let began = Instant::now();
    let only = std::env::var("OSTLER_TEST_POINT").ok();
    let wanted = POINTS.iter().filter(|point| only.as_ref().is_none_or(|only| point.name == only));
    let wanted = wanted.filter(|point| agent == "shell" || point.side == Side::Core);
    let mut jobs = 0;
    for point in wanted {
        let start = Instant::now();
        let outcome = one_point(&mut ostler, point, struck);
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
    if agent == "shell" {
        println!("point -- {} {} at each of {} in {jobs} places: passed", struck.who(), struck.what(), numbers.len());
    }
    println!("point    in {} ms", began.elapsed().as_millis());
}

/// A job's life with one death in it; returns what came of it.
fn one_point(ostler: &mut Ostler, point: &Point, struck: Struck) -> String {
    let job = Job::new(ostler.dir(), point);
    node::disarm(ostler.dir());
    match (point.side, struck) {
        (Side::Core, Struck::Core) => ostler.start(Some(Moment::DieAt(point.name))),
        (Side::Core, _) => ostler.start(Some(Moment::HoldAt(point.name))),
        (Side::Node | Side::Job, _) => {
            // Another core has no links that broke so often that it waits before it tries again.
            if struck != Struck::Core {
                ostler.kill_if_any();
            }
            ostler.start(None);
            node::arm(ostler.dir(), point.name);
        }
    }
    // A job that is to end before the death need not wait for it; others outlive the program and are taken up again.
    if point.number >= 12 {
        job.let_go();
    }
    let (submitted, stopped) = match struck {
        Struck::Core => core_dies(ostler, point, &job),
        Struck::Agent | Struck::Supervisor | Struck::Link | Struck::Node => {
            other_dies(ostler, point, &job, struck);
            (true, true)
        }
    };
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
    let starts = check(point, &job, &ended, struck);
    await_nothing_left(ostler, point, &ended, starts);
    format!(
        "{} {}; submit {}, then {} with {}, starts {starts} of {}",
        struck.who(),
        struck.what(),
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
        ended["attempt"],
    )
}

/// The program dies at the moment and is started again; says whether submit and stop were answered before.
fn core_dies(ostler: &mut Ostler, point: &Point, job: &Job) -> (bool, bool) {
    let dir = ostler.dir().to_owned();
    let (submitted, stopped) = std::thread::scope(|scope| {
        // Commands may wait for an answer that comes when the moment is over.
        let asked = scope.spawn(|| asks(ostler, point, job));
        if point.side != Side::Core {
            until("the moment comes", || node::passed(&dir).then_some(()));
            let pid = rustix::process::Pid::from_raw(i32::try_from(ostler.pid()).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        asked.join().expect("its commands end")
    });
    let status = ostler.await_death();
    let signal = if point.side == Side::Core { rustix::process::Signal::ABORT } else { rustix::process::Signal::KILL };
    assert_eq!(status.signal(), Some(signal.as_raw()), "{}: {status}", point.name);
    node::struck(&dir);
    ostler.start(None);
    (submitted, stopped)
}

/// Submits the job, and stops it where its life is such; says whether each was answered.
fn asks(ostler: &Ostler, point: &Point, job: &Job) -> (bool, bool) {
    let submitted = job.submit(ostler);
    let stopped = point.life == Life::Stopped && {
        until("the job is ready to be stopped", || job.is_ready().then_some(()));
        ostler.run(&["job", "terminate", job.name(), "-y"]).code == 0
    };
    (submitted, stopped)
}

/// Something else dies at the moment, under a core that goes on: whatever was asked of it is answered.
fn other_dies(ostler: &Ostler, point: &Point, job: &Job, struck: Struck) {
    let answered = std::thread::scope(|scope| {
        let asked = scope.spawn(|| asks(ostler, point, job));
        until(&format!("{}: the moment comes", point.name), || node::passed(ostler.dir()).then_some(()));
        strike::strike(ostler, struck);
        node::struck(ostler.dir());
        asked.join().expect("its commands end")
    });
    assert_eq!(answered, (true, point.life == Life::Stopped), "{}: answered", point.name);
}

/// The job's end is true, and it was started at most once for each attempt, never while another copy lived. Returns how often it
/// was started.
fn check(point: &Point, job: &Job, ended: &Value, struck: Struck) -> usize {
    let name = point.name;
    assert_eq!(job.copies(), "", "{name}: two live copies");
    let starts = job.starts();
    let id = ended["id"].as_str().unwrap().trim_start_matches("job-").to_owned();
    let attempts: Vec<String> = (1..=ended["attempt"].as_u64().unwrap()).map(|n| format!("{id}.{n}.m0")).collect();
    match struck {
        // Nothing that the process needs is gone.
        Struck::Core | Struck::Link => {
            assert_eq!(attempts.len(), 1, "{name}: a job that was not lost was put back: {ended:#}");
            assert_eq!(starts, attempts, "{name}: started once: {ended:#}");
        }
        // A lock of which no supervisor knows is proof that nothing was started, and nothing else. On a slow machine an order that is
        // on its way may have come as far as that when the agent dies.
        Struck::Agent => {
            let locked = ended["requeuedBecause"].as_str().is_some_and(|why| why.ends_with("its start lock was taken"));
            assert!(attempts.len() <= if locked { 2 } else { 1 }, "{name}: put back: {ended:#}");
            assert_eq!(starts, attempts[attempts.len() - 1..], "{name}: started once: {ended:#}");
        }
        Struck::Supervisor | Struck::Node => {
            assert!(attempts.len() <= 2, "{name}: put back more than once: {ended:#}");
            let mut rest = attempts.iter();
            let in_order = starts.iter().all(|start| rest.any(|attempt| attempt == start));
            assert!(in_order, "{name}: {starts:?} of {attempts:?}: at most once for each attempt: {ended:#}");
            // A process that is told to stop may be stopped before its second start.
            assert!(point.life == Life::Stopped || starts.last() == attempts.last(), "{name}: {starts:?} of {attempts:?}");
        }
    }
    assert_eq!(ended["executionState"], "failed", "{name}: {ended:#}");
    let (code, error) = (ended["executionInfo"]["exitCode"].as_i64(), &ended["executionInfo"]["errors"][0]["code"]);
    match point.life {
        Life::Ends => assert!(code == Some(CODE) && error == "JobFailed", "{name}: {ended:#}"),
        Life::Stopped => assert_eq!(error, "JobTerminated", "{name}: {ended:#}"),
    }
    starts.len()
}

/// Nothing carries the job's cookie any more, and the nodes have the records of its starts among those done with.
fn await_nothing_left(ostler: &Ostler, point: &Point, ended: &Value, starts: usize) {
    let id = ended["id"].as_str().unwrap().trim_start_matches("job-").to_owned();
    let alive = node::alive(&id);
    assert!(alive.is_empty(), "{}: it has ended, and these live: {alive:?}", point.name);
    let attempts = usize::try_from(ended["attempt"].as_u64().unwrap()).unwrap();
    until(&format!("{}: the node has the acknowledgement", point.name), || {
        let (live, done) = node::records(ostler.nodes(), &id);
        assert!(live + done <= attempts, "{}: {live} records and {done} done with, of {attempts}", point.name);
        // A start that was meant for another boot leaves none.
        (live == 0 && (starts..=attempts).contains(&done)).then_some(())
    });
    ostler.await_nothing_owed();
}

/// How long a state may take to come: far above what it takes, for a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

/// Returns the lines of a file, none when it is not there.
pub fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
