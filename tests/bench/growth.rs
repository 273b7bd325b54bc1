//! How costs grow: with 100 to 1,000,000 jobs, and with 1 to 1,000 nodes. For each curve its points and the power of the size that
//! it grows by: 0 is flat, 1 is in proportion, n log n is 1.1 to 1.2 over these sizes. Links and nodes take no time here.

use std::sync::Arc;
use std::time::Instant;

use ostler::api::wire;
use ostler::commands::{Cmd, CommandId, Key};
use ostler::model::ids::{Epoch, Seq};
use ostler::model::snapshot::{Change, Snapshot, Update};
use ostler::model::units::{Millis, UnixMillis};
use ostler::store::{DATABASE_FILE, Db, JobPage, Store};
use ostler::tui::msg::Msg;

use crate::answering::{self, Spools};
use crate::core::World;
use crate::figures::{Board, micros, millis};
use crate::picture::{Screen, whole};

/// How many jobs there are.
const SIZES: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// How many nodes there are.
const NODES: [u32; 4] = [1, 10, 100, 1_000];
/// How many nodes and jobs there are where the other grows.
const FIXED: (u32, u32) = (100, 10_000);
/// Sizes below this say more of what an operation costs in any case than of how it grows.
const FITTED_FROM: u32 = 1_000;
/// How often what is quick is done for one figure.
const TIMES: usize = 200;
/// In the environment of this program: only make so many jobs, and say how much memory they take.
pub const MEMORY_OF: &str = "OSTLER_BENCH_MEMORY_OF";

/// Costs by size.
struct Curve {
    name: &'static str,
    unit: &'static str,
    points: Vec<(u32, f64)>,
}

/// Curves in the order in which they are first met.
#[derive(Default)]
struct Curves(Vec<Curve>);

impl Curves {
    fn add(&mut self, name: &'static str, unit: &'static str, size: u32, cost: f64) {
        match self.0.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push((size, cost)),
            None => self.0.push(Curve { name, unit, points: vec![(size, cost)] }),
        }
    }

    fn print(&self, sizes: &[u32], of: &str) {
        let heads: String = sizes.iter().map(|size| format!("{size:>12}")).collect();
        println!("{:<54}{heads}{:>8}", format!("growth with the number of {of}"), "power");
        for curve in &self.0 {
            let at = |size: &u32| curve.points.iter().find(|(of, _)| of == size).map(|(_, cost)| *cost);
            let shown = |size| at(size).map_or_else(|| format!("{:>12}", "-"), |cost| format!("{:>12}", short(cost)));
            let points: String = sizes.iter().map(shown).collect();
            let power = curve.power().map_or_else(|| "-".to_owned(), |power| format!("{power:.2}"));
            println!("{:<54}{points}{power:>8}", format!("{}, {}", curve.name, curve.unit));
        }
    }
}

impl Curve {
    /// Returns the slope of the straight line that lies nearest to the points on paper with both scales logarithmic.
    fn power(&self) -> Option<f64> {
        let large = self.points.iter().filter(|(size, _)| *size >= FITTED_FROM).count() > 1;
        let fitted = self.points.iter().filter(|(size, cost)| (!large || *size >= FITTED_FROM) && *cost > 0.0);
        let logs: Vec<(f64, f64)> = fitted.map(|(size, cost)| (f64::from(*size).ln(), cost.ln())).collect();
        if logs.len() < 2 {
            return None;
        }
        let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / logs.len() as f64;
        let (mean_x, mean_y) = (mean(|at| at.0), mean(|at| at.1));
        let over: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let under: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        Some(over / under)
    }
}

fn short(cost: f64) -> String {
    match cost {
        cost if cost >= 100.0 => format!("{cost:.0}"),
        cost if cost >= 1.0 => format!("{cost:.1}"),
        cost => format!("{cost:.3}"),
    }
}

/// Prints the curves.
pub fn bench(board: &mut Board) {
    if !board.wants("growth") {
        return;
    }
    let mut curves = Curves::default();
    for size in SIZES {
        in_memory(&mut curves, size, FIXED.0, size);
        memory(&mut curves, size);
        // A million rows are a gigabyte.
        stored(&mut curves, size, FIXED.0, size);
    }
    curves.print(&SIZES, "jobs, 100 nodes");
    let mut curves = Curves::default();
    for nodes in NODES {
        let start = Instant::now();
        World::with(nodes);
        curves.add("core: all nodes asked for and ready", "ms", nodes, millis(start.elapsed()));
        in_memory(&mut curves, nodes, nodes, FIXED.1);
        stored(&mut curves, nodes, nodes, FIXED.1);
    }
    curves.print(&NODES, "nodes, 10,000 jobs");
}

/// Core, snapshot and screen.
fn in_memory(curves: &mut Curves, size: u32, nodes: u32, jobs: u32) {
    let mut world = World::with(nodes);
    curves.add("core: submitted in bulk", "ms", size, world.submit(jobs + nodes));
    let each = (0..TIMES).map(|_| world.submit(1) * 1e3).collect();
    curves.add("core: one submit", "us", size, median(each));
    // So that the first look of each at memory is none of it.
    world.end(10);
    curves.add("core: one event, with placement", "us", size, world.timed(TIMES.min(jobs as usize)));

    let whole = Arc::new(whole(world.sched()));
    let start = Instant::now();
    let parts = wire::update_parts(1, (*whole).clone());
    let bytes: usize = parts.map(|part| wire::encode("update", &part, wire::ANSWER_BYTES_MAX).expect("a frame").len()).sum();
    curves.add("snapshot: to a new front end over the socket", "ms", size, millis(start.elapsed()));
    curves.add("snapshot: what goes over the socket", "kB", size, bytes as f64 / 1e3);
    let mut snapshot = Snapshot::default();
    snapshot.apply(&whole);
    let job = whole.changes.iter().rev().find(|change| matches!(change, Change::Job(_))).cloned().expect("a job");
    let update = Update { whole: false, changes: vec![job], seq: Seq(2), epoch: Epoch(1), at: UnixMillis(1) };
    let one = || {
        let start = Instant::now();
        let mut next = snapshot.clone();
        next.apply(&update);
        micros(start.elapsed())
    };
    curves.add("snapshot: one job changes", "us", size, median((0..TIMES).map(|_| one()).collect()));

    let start = Instant::now();
    let mut screen = Screen::new();
    screen.tell(Msg::Update(whole));
    screen.draw();
    curves.add("screen: picture to first frame", "ms", size, millis(start.elapsed()));
    let down: Key = "down".parse().expect("a key");
    let keys = (0..TIMES).map(|_| screen.timed(Msg::Key(down)) * 1e3).collect();
    curves.add("screen: key to frame", "us", size, median(keys));
    let update = Arc::new(update);
    let updates = (0..20).map(|_| screen.timed(Msg::Update(update.clone())) * 1e3).collect();
    curves.add("screen: one job changes", "us", size, median(updates));
    let filter = Cmd { args: vec!["run-77".to_owned()], ..Cmd::new(CommandId::Filter) };
    curves.add("screen: a filter over all jobs", "ms", size, screen.timed(Msg::Cmd(filter)));
}

/// Core, store and snapshot together.
fn stored(curves: &mut Curves, size: u32, nodes: u32, jobs: u32) {
    let dir = tempfile::tempdir().expect("a directory for the store");
    let path = dir.path().join(DATABASE_FILE);
    let mut world = answering::World::open(&path, Spools::new(), 1);
    world.set_up(nodes);
    let start = Instant::now();
    world.submit(jobs + nodes);
    curves.add("store: submitted in bulk, on disk", "ms", size, millis(start.elapsed()));
    let timed = |act: &mut dyn FnMut()| {
        let start = Instant::now();
        act();
        millis(start.elapsed())
    };
    let each = (0..TIMES / 10).map(|_| timed(&mut || world.submit(1))).collect();
    curves.add("store: one submit, on disk", "ms", size, median(each));
    let each = (0..TIMES / 10).map(|_| timed(&mut || world.pass(Millis(1), 1))).collect();
    curves.add("store: a job ends, the next one starts, on disk", "ms", size, median(each));
    let spools = world.killed();
    let start = Instant::now();
    let mut world = answering::World::open(&path, spools, 1);
    curves.add("store: opened, core restored", "ms", size, millis(start.elapsed()));
    world.run();
    curves.add("store: all taken over", "ms", size, millis(start.elapsed()));
    drop(world);
    let reader = Db::open(&path).expect("the store opens").reader().expect("a reader");
    let page = JobPage { limit: 100, newest_first: true, ..JobPage::default() };
    let each = (0..TIMES / 10).map(|_| timed(&mut || drop(reader.jobs(&page, &|_| None).expect("a page")))).collect();
    curves.add("store: a page of the newest 100", "ms", size, median(each));
    let bytes = std::fs::metadata(&path).expect("the file").len();
    curves.add("store: size of the file", "kB", size, bytes as f64 / 1e3);
}

/// Asks another process of this program, in which nothing else has taken memory before.
fn memory(curves: &mut Curves, size: u32) {
    let program = std::env::current_exe().expect("this program");
    let done = std::process::Command::new(program).env(MEMORY_OF, size.to_string()).output().expect("it runs");
    let text = String::from_utf8_lossy(&done.stdout);
    let bytes: f64 = text.trim().parse().expect("a number of bytes");
    curves.add("memory: core and snapshot", "MB", size, bytes / 1e6);
    curves.add("memory: core and snapshot, for each job", "kB", size, bytes / 1e3 / f64::from(size));
}

/// Prints how many bytes so many waiting jobs take in core and snapshot, each with a specification of its own.
pub fn print_memory(jobs: u32) {
    let before = resident();
    let mut world = World::with(1);
    world.submit_unlike(jobs);
    let mut snapshot = Snapshot::default();
    snapshot.apply(&whole(world.sched()));
    println!("{}", resident().saturating_sub(before));
    drop((world, snapshot));
}

/// Returns how much memory of this process is resident, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("how much is resident");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
