//! How many instructions the hot paths take, counted by callgrind: the same on a quiet machine and on a busy one. `tests/run counts`
//! compares them with `counts.txt` beside this file and fails when one has grown; see `../README.md`.

#[path = "../../answering.rs"]
#[expect(dead_code, reason = "the benchmarks use more of it")]
mod answering;
#[path = "../core.rs"]
#[expect(dead_code, reason = "the benchmarks use more of it")]
mod core;
#[path = "../figures.rs"]
#[expect(dead_code, reason = "the benchmarks use more of it")]
mod figures;
#[path = "../picture.rs"]
#[expect(dead_code, reason = "the benchmarks use more of it")]
mod picture;

use std::sync::Arc;

use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use ostler::api::wire;
use ostler::commands::{Cmd, CommandId};
use ostler::model::ids::{Epoch, Seq};
use ostler::model::shown::{Cleaner, ShownLine};
use ostler::model::snapshot::{Change, Snapshot, Update};
use ostler::model::spec::JobSpec;
use ostler::model::state::Job;
use ostler::model::units::{Millis, UnixMillis};
use ostler::store::{Batch, DATABASE_FILE, Db, JobPage, Reader, Store};
use ostler::transport::frame::{self, Line, Lines, Said};
use ostler::tui::msg::Msg;
use tempfile::TempDir;

use crate::core::World;
use crate::picture::{Screen, whole};

// How many jobs there are where many are.
const JOBS: u32 = 10_000;
// How many nodes.
const NODES: u32 = 1_000;
// How many jobs end, or change, or are sent at a time: what a busy turn of the core comes to.
const SOME: usize = 100;

fn crowded() -> World {
    let mut world = World::with(NODES);
    world.submit(JOBS + NODES);
    world
}

fn picture() -> Update {
    whole(crowded().sched())
}

fn jobs() -> Vec<Change> {
    picture().changes.into_iter().filter(|change| matches!(change, Change::Job(_))).collect()
}

// The core alone: a job ends, the next one of 10,000 is placed and starts; 100 times.
#[library_benchmark]
#[bench::of(crowded())]
fn core_event(mut world: World) -> World {
    world.end(SOME);
    world
}

fn crowded_with_parts() -> (answering::World, TempDir) {
    let dir = tempfile::tempdir().expect("a directory for the store");
    let mut world = answering::World::open(&dir.path().join(DATABASE_FILE), answering::Spools::new(), 20);
    world.set_up(SOME as u32);
    world.submit(3_000);
    (world, dir)
}

// Core, store and snapshot: as many jobs end, of which 20 share a node each.
#[library_benchmark]
#[bench::of(crowded_with_parts())]
fn turn_of_parts((mut world, dir): (answering::World, TempDir)) -> (answering::World, TempDir) {
    world.pass(Millis(1), SOME);
    (world, dir)
}

// The core alone: 1,000 jobs are accepted behind 10,000.
#[library_benchmark]
#[bench::of(crowded())]
fn core_submit(mut world: World) -> World {
    world.submit(1_000);
    world
}

struct Whole {
    world: answering::World,
    _dir: TempDir,
}

fn with_store() -> Whole {
    let dir = tempfile::tempdir().expect("a directory for the store");
    let mut world = answering::World::open(&dir.path().join(DATABASE_FILE), answering::Spools::new(), 1);
    world.set_up(SOME as u32);
    world.submit(2_000);
    Whole { world, _dir: dir }
}

// Core, store and snapshot: 1,000 jobs are submitted, in one turn.
#[library_benchmark]
#[bench::of(with_store())]
fn turn_of_submits(mut whole: Whole) -> Whole {
    whole.world.submit(1_000);
    whole
}

// Core, store and snapshot: 100 jobs end at a time, and the next ones start.
#[library_benchmark]
#[bench::of(with_store())]
fn turn_of_ends(mut whole: Whole) -> Whole {
    whole.world.pass(Millis(1), SOME);
    whole
}

fn killed() -> (TempDir, answering::Spools) {
    let dir = tempfile::tempdir().expect("a directory for the store");
    let mut world = answering::World::open(&dir.path().join(DATABASE_FILE), answering::Spools::new(), 20);
    world.set_up(SOME as u32);
    world.submit(2_000);
    (dir, world.killed())
}

// Core, store and snapshot: a core that was killed is opened again, and takes 2,000 running jobs on 100 nodes over.
#[library_benchmark]
#[bench::of(killed())]
fn recovery((dir, spools): (TempDir, answering::Spools)) -> Whole {
    let mut world = answering::World::open(&dir.path().join(DATABASE_FILE), spools, 20);
    world.run();
    Whole { world, _dir: dir }
}

struct Stored {
    store: Db,
    batch: Batch,
    reader: Reader,
    _dir: TempDir,
}

fn stored() -> Stored {
    let dir = tempfile::tempdir().expect("a directory for the store");
    let mut store = Db::open(&dir.path().join(DATABASE_FILE)).expect("a new store");
    let epoch = store.next_epoch(UnixMillis(1)).expect("an epoch");
    let mut batch = Batch { seq: Seq(1), at: UnixMillis(1), epoch, rows: picture().changes, ..Batch::default() };
    store.commit(&batch).expect("a commit");
    let jobs = batch.rows.iter().filter(|row| matches!(row, Change::Job(_)));
    batch = Batch { seq: Seq(2), rows: jobs.take(2 * SOME).cloned().collect(), ..batch.clone() };
    let reader = store.reader().expect("a reader");
    Stored { store, batch, reader, _dir: dir }
}

// The store: a commit of 200 rows of jobs.
#[library_benchmark]
#[bench::of(stored())]
fn store_commit(mut stored: Stored) -> Stored {
    stored.store.commit(&stored.batch).expect("a commit");
    stored
}

// The store: a page of 1,000 of 10,000 jobs.
#[library_benchmark]
#[bench::of(stored())]
fn store_page(stored: Stored) -> (Stored, Vec<Arc<Job>>) {
    let (jobs, more) = stored.reader.jobs(&JobPage { limit: 1_000, ..JobPage::default() }, &|_| None).expect("a page");
    assert!(more && jobs.len() == 1_000, "a whole page");
    (stored, jobs)
}

// The store: all that a start reads, of 10,000 waiting and 1,000 running jobs.
#[library_benchmark]
#[bench::of(stored())]
fn store_load(mut stored: Stored) -> (Stored, usize) {
    let rows = stored.store.load().expect("what is stored").rows.len();
    (stored, rows)
}

fn snapshot() -> (Snapshot, Update) {
    let whole = picture();
    let mut snapshot = Snapshot::default();
    snapshot.apply(&whole);
    let jobs = whole.changes.into_iter().filter(|change| matches!(change, Change::Job(_)));
    (
        snapshot,
        Update { whole: false, changes: jobs.take(2 * SOME).collect(), seq: Seq(2), epoch: Epoch(1), at: UnixMillis(2) },
    )
}

// The picture: 200 of 10,000 jobs have changed; the one before is still held by somebody.
#[library_benchmark]
#[bench::of(snapshot())]
fn snapshot_update((before, update): (Snapshot, Update)) -> (Snapshot, Snapshot) {
    let mut after = before.clone();
    after.apply(&update);
    (before, after)
}

// The socket: 1,000 jobs written and read as frames of an update.
#[library_benchmark]
#[bench::of(jobs())]
fn socket_update(mut jobs: Vec<Change>) -> usize {
    jobs.truncate(1_000);
    let update = Update { whole: false, changes: jobs, seq: Seq(2), epoch: Epoch(1), at: UnixMillis(2) };
    let mut read = 0;
    for part in wire::update_parts(1, update) {
        let frame = wire::encode("update", &part, wire::ANSWER_BYTES_MAX).expect("a frame");
        let part: wire::ToClient = wire::decode(&frame).expect("the same");
        read += matches!(part, wire::ToClient::Update { .. }) as usize;
    }
    read
}

fn shown() -> Screen {
    let mut screen = Screen::new();
    screen.tell(Msg::Update(Arc::new(picture())));
    screen.draw();
    screen
}

// The screen: from the picture of 10,000 jobs to the first frame.
#[library_benchmark]
#[bench::of(picture())]
fn screen_first_frame(whole: Update) -> Screen {
    let mut screen = Screen::new();
    screen.tell(Msg::Update(Arc::new(whole)));
    screen.draw();
    screen
}

// The screen: one key and its frame, ten times.
#[library_benchmark]
#[bench::of(shown())]
fn screen_keys(mut screen: Screen) -> Screen {
    for key in ["down", "right", "down", "end", "up", "pgup", "home", "down", "tab", "down"] {
        screen.tell(Msg::Key(key.parse().expect("a key")));
        screen.draw();
    }
    screen
}

// The screen: a filter typed over 10,000 jobs, and its frame.
#[library_benchmark]
#[bench::of(shown())]
fn screen_filter(mut screen: Screen) -> Screen {
    screen.tell(Msg::Cmd(Cmd { args: vec!["run-77".to_owned()], ..Cmd::new(CommandId::Filter) }));
    screen.draw();
    screen
}

fn said() -> Vec<u8> {
    let line = |n: usize| match n % 3 {
        0 => format!("S {n}.1.m0\n"),
        1 => format!("X {n}.1.m0 0 -\n"),
        _ => format!("k {n}\n"),
    };
    (0..3_000).map(line).collect::<String>().into_bytes()
}

// The link: 3,000 lines of an agent read (started, gone, done).
#[library_benchmark]
#[bench::of(said())]
fn link_said(bytes: Vec<u8>) -> usize {
    let mut lines = Lines::default();
    let mut known = 0;
    for piece in bytes.chunks(8 << 10) {
        for line in lines.feed(piece) {
            if let Line::Whole(line) = line {
                known += Said::parse(&line).is_ok() as usize;
            }
        }
    }
    assert_eq!(known, 3_000, "all of it is understood");
    known
}

fn words() -> Vec<String> {
    (0..3_000).map(|n| format!("VARIABLE_{n}=/some/place/it's {n}, and python train.py --lr 3e-4 behind it")).collect()
}

// The link: 3,000 words quoted for a node's shell, as the launches of 100 jobs have them.
#[library_benchmark]
#[bench::of(words())]
fn link_quoted(words: Vec<String>) -> String {
    let mut text = String::new();
    words.iter().for_each(|word| frame::quote_into(&mut text, word));
    text
}

fn log() -> Vec<u8> {
    let mut log = Vec::with_capacity(1 << 20);
    for step in 0_u64.. {
        let line = match step % 10 {
            9 => format!("\u{1b}[32mINFO\u{1b}[0m step {step}: saved to /data/checkpoints/{step}\n"),
            _ => format!("step {step} loss=0.{:05} lr=3e-4 tokens/s=12345 elapsed {} s\n", step * 7919 % 100_000, step / 3),
        };
        if log.len() + line.len() > 1 << 20 {
            break;
        }
        log.extend_from_slice(line.as_bytes());
    }
    log
}

// The log: 1 MiB of lines, one in ten with colours, made fit for a terminal.
#[library_benchmark]
#[bench::of(log())]
fn log_lines(log: Vec<u8>) -> Vec<ShownLine> {
    let mut cleaner = Cleaner::default();
    let mut lines = Vec::new();
    for piece in log.chunks(32 << 10) {
        cleaner.feed(piece, |line| lines.push(line));
    }
    lines
}

// A specification read from JSON, as each job of the store and of a submission is, 100 times.
#[library_benchmark]
#[bench::of(spec())]
fn spec_read(text: String) -> Vec<JobSpec> {
    (0..SOME).map(|_| serde_json::from_str(&text).expect("a specification")).collect()
}

fn spec() -> String {
    serde_json::to_string(&JobSpec::command("train --lr 0.1")).expect("text")
}

library_benchmark_group!(
    name = hot,
    benchmarks = [
        core_event,
        core_submit,
        turn_of_submits,
        turn_of_ends,
        turn_of_parts,
        recovery,
        store_commit,
        store_page,
        store_load,
        snapshot_update,
        socket_update,
        screen_first_frame,
        screen_keys,
        screen_filter,
        link_said,
        link_quoted,
        log_lines,
        spec_read
    ]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = hot
);
