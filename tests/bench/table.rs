//! The table of an experiment with 100,000 jobs and 20 metrics: how long it takes from a key to the sorted frame.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ostler::commands::{Cmd, CommandId};
use ostler::model::ids::*;
use ostler::model::metric::{JobMetrics, Stat};
use ostler::model::request::{Reply, Request};
use ostler::model::snapshot::{Change, Update};
use ostler::model::spec::JobSpec;
use ostler::model::state::{Experiment, Job, SweepMember, Workspace};
use ostler::model::units::{Millis, UnixMillis};
use ostler::tui::app::{App, Start};
use ostler::tui::cx::Look;
use ostler::tui::keymap::Keymap;
use ostler::tui::layout::Sizes;
use ostler::tui::msg::Msg;
use ostler::tui::pane::UiEffect;
use ostler::tui::theme::{Depth, Themes};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::json;

use crate::figures::{Board, millis};

const JOBS: u64 = 100_000;
const METRICS: u64 = 20;
/// Orders that are asked for.
const SORTS: usize = 60;

/// Prints the rows of the table.
pub fn bench(board: &mut Board) {
    if !board.wants("table") {
        return;
    }
    let mut table = Table::new();
    let learned = table.learn();
    let mut by_metric = Vec::new();
    let mut turned = Vec::new();
    for sort in 0..SORTS {
        by_metric.push(table.timed(CommandId::Sort, &[&format!("m{}", sort as u64 % METRICS)]));
        turned.push(table.timed(CommandId::SortTurn, &[]));
    }
    let by_parameter = (0..SORTS).map(|sort| table.timed(CommandId::Sort, &[["lr", "seed"][sort % 2]])).collect();
    let filters = (0..10).map(|n| table.timed(CommandId::Filter, &[&format!("lr<0.0{}", n + 1), "m3<0.5"])).collect();
    board.row("table: 100,000 jobs with 20 metrics learned", "ms", vec![learned]);
    board.percentiles("table: 100,000 rows by another of 20 metrics", "ms", by_metric);
    board.percentiles("table: the order turned round", "ms", turned);
    board.percentiles("table: by a parameter", "ms", by_parameter);
    board.percentiles("table: by `lr<0.01 m3<0.5`", "ms", filters);
}

struct Table {
    app: App,
    buffer: Buffer,
    now: UnixMillis,
    asked: Vec<UiEffect>,
}

impl Table {
    fn new() -> Self {
        let themes = Themes::default();
        let look =
            Look { readonly: false, ascii: false, blocks: false, stop_hold: Millis::from_secs(5), bell: false, demo: false };
        let keymap = Keymap::new(&BTreeMap::new()).expect("the table has no conflict");
        let theme = themes.load("ostler-dark").expect("the built-in theme loads");
        let app = App::new(Start { look, keymap, themes, theme, depth: Depth::True, sizes: Sizes::default() });
        let mut table = Self { app, buffer: Buffer::empty(Rect::new(0, 0, 200, 50)), now: UnixMillis(1), asked: Vec::new() };
        table.tell(Msg::Resize(200, 50));
        table.tell(Msg::Update(Arc::new(whole())));
        for key in [":", "s", "t", "u", "d", "y", "enter", "tab"] {
            table.tell(Msg::Key(key.parse().expect("a key")));
        }
        table
    }

    fn tell(&mut self, msg: Msg) {
        self.asked.extend(self.app.update(self.now, msg));
    }

    /// Answers all questions for metrics; returns how long the screen took over them.
    fn learn(&mut self) -> f64 {
        let mut took = 0.0;
        loop {
            let asked = std::mem::take(&mut self.asked);
            let questions = asked.into_iter().filter_map(|effect| match effect {
                UiEffect::Ask(ticket, Request::Metrics { jobs, curves }) => Some((ticket, jobs, curves)),
                _ => None,
            });
            let questions: Vec<_> = questions.collect();
            if questions.is_empty() {
                return took;
            }
            for (ticket, jobs, curves) in questions {
                let found = jobs.iter().map(|id| (*id, metrics(*id, &curves))).collect();
                let started = Instant::now();
                self.tell(Msg::Reply(ticket, Box::new(Ok(Reply::Metrics(found)))));
                took += millis(started.elapsed());
            }
        }
    }

    fn timed(&mut self, id: CommandId, args: &[&str]) -> f64 {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.now = self.now + Millis(40);
        let started = Instant::now();
        self.tell(Msg::Cmd(Cmd { args, ..Cmd::new(id) }));
        self.buffer.reset();
        self.app.draw(self.buffer.area, &mut self.buffer);
        let took = millis(started.elapsed());
        self.learn();
        took
    }
}

/// A value that looks like any other.
fn mixed(job: u64, metric: u64) -> f64 {
    let bits = (job.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ metric.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_mul(0x2545_F491_4F6C_DD1D);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn metrics(id: JobId, curves: &[String]) -> JobMetrics {
    let names = (0..METRICS).map(|n| (n, format!("m{n}"))).filter(|(_, name)| curves.is_empty() || curves.contains(name));
    let stat = |(n, name): (u64, String)| {
        let mut stat = Stat::new(&name);
        stat.add(Some(1.0), mixed(id.0, n));
        stat
    };
    let stats: Vec<Stat> = names.map(stat).collect();
    let points = stats.iter().map(|_| Vec::new()).collect();
    JobMetrics { curves: if curves.is_empty() { Vec::new() } else { points }, stats, complete: true }
}

fn whole() -> Update {
    let at = UnixMillis(1);
    let workspace: Workspace = serde_json::from_value(json!({"id": 1, "name": "lab", "created": at})).expect("a workspace");
    let mut experiment: Experiment =
        serde_json::from_value(json!({"id": 1, "workspace": 1, "name": "study", "created": at, "tally": {"queued": 0, "running": 0, "terminating": 0, "succeeded": JOBS, "failed": 0}})).expect("an experiment");
    experiment.tally.succeeded = JOBS;
    let spec = JobSpec::command("python3 train.py".to_owned());
    let first: Job = serde_json::from_value(json!({
        "id": 1, "workspace": 1, "experiment": 1, "name": "run", "uuid": uuid::Uuid::nil(), "cluster": 1, "segment": "x",
        "spec": spec, "shape": {"prepares": false, "mainNodes": [0]}, "state": "succeeded", "since": at,
        "priority": "normal", "attempt": 1, "created": at, "started": at, "ended": at, "exitCode": 0,
    }))
    .expect("a job");
    let mut changes = vec![Change::Workspace(Arc::new(workspace)), Change::Experiment(Arc::new(experiment))];
    changes.extend((1..=JOBS).map(|id| {
        let parameters = vec![("lr".to_owned(), json!(mixed(id, 99))), ("seed".to_owned(), json!(id % 977))];
        let sweep = SweepMember { of: SweepId(1), name: "s".to_owned(), index: id as u32, parameters, running_max: None };
        let name = format!("run-{id}");
        Change::Job(Arc::new(Job { id: JobId(id), name: name.into(), sweep: Some(Box::new(sweep)), ..first.clone() }))
    }));
    Update { seq: Seq(1), epoch: Epoch(1), at, whole: true, changes }
}
