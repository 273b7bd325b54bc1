//! The core alone: one event, with placement, at 100,000 queued jobs and 1,000 nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use ostler::model::cost::{Brake, Budget, Period};
use ostler::model::ids::{ClusterId, EffectId, NodeId, RankKey, WorkspaceId};
use ostler::model::settings::Settings;
use ostler::model::spec::{ClusterSpec, Deallocation, JobSpec, ProviderSpec, ScaleSettings};
use ostler::model::state::{BootId, Facts, Proof};
use ostler::model::units::{Money, NodeCount, UnixMillis};
use ostler::sched::{Act, Effect, Event, Sched};

use crate::answering::new_job;
use crate::figures::{Board, ROUNDS, micros, millis};

/// How many jobs wait.
const JOBS: u32 = 100_000;
/// How many nodes there are.
const NODES: u32 = 1_000;
/// How many jobs end, and so make room for the next, in one round.
const ENDS: usize = 5_000;

/// Prints the rows of the core.
pub fn bench(board: &mut Board) {
    if board.wants("core") {
        let mut full = Vec::new();
        let (mut steps, mut counted) = (Vec::new(), Vec::new());
        let mut passes = Vec::new();
        for _ in 0..ROUNDS {
            passes.push(World::new().full_pass());
            let mut world = World::new();
            full.push(world.fill());
            steps.push(world.timed(ENDS));
            world.limit(Some(Budget::new(Money(1_000_000), Period::Total, Brake::Hold)));
            counted.push(world.timed(ENDS));
        }
        board.row("core: 100,000 jobs accepted by 1,000 nodes", "ms", full);
        board.row("core: a full pass, 1,000 of 100,000 jobs start", "ms", passes);
        board.row("core: one event at 100,000 jobs, 1,000 nodes", "us", steps);
        board.row("core: one event there, with a budget", "us", counted);
    }
}

/// A core with nodes that answer at once.
pub struct World {
    sched: Sched,
    now: UnixMillis,
    running: BTreeSet<RankKey>,
    /// What starts after what.
    lines: BTreeMap<RankKey, (EffectId, RankKey)>,
    waiting: BTreeSet<RankKey>,
    events: u64,
}

impl World {
    /// Returns a core with a pool of idle nodes.
    pub fn new() -> Self {
        Self::with(NODES)
    }

    /// Returns a core with an empty pool.
    pub fn without_nodes() -> Self {
        Self::with(0)
    }

    /// Returns a core with a pool of so many idle nodes.
    pub fn with(nodes: u32) -> Self {
        let mut world = Self {
            sched: Sched::new(Settings::default()),
            now: UnixMillis(1),
            running: BTreeSet::new(),
            lines: BTreeMap::new(),
            waiting: BTreeSet::new(),
            events: 0,
        };
        world.step(Event::Started);
        world.step(Event::WorkspaceCreated {
            group: Default::default(),
            name: "lab".into(),
            location: None,
            tags: BTreeMap::new(),
        });
        world.step(Event::ExperimentCreated { workspace: WorkspaceId(1), name: "first".into() });
        let scale_settings =
            ScaleSettings::Manual { target_node_count: NodeCount(nodes), node_deallocation_option: Deallocation::Requeue };
        let spec = ClusterSpec {
            provider: ProviderSpec::Local,
            scale_settings,
            vm_size: None,
            node_setup: None,
            machines: Default::default(),
            pool: Default::default(),
            slurm: None,
            rest: None,
            kept: Default::default(),
        };
        let uuid = uuid::Uuid::from_u128(1);
        world.step(Event::ClusterCreated { workspace: WorkspaceId(1), name: "pool".into(), uuid, spec });
        world
    }

    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.events += 1;
            let step = self.sched.step(self.now, event);
            events.extend(step.effects.iter().filter_map(|effect| self.answer(effect)));
        }
        self.sched.retire();
    }

    fn answer(&mut self, effect: &Effect) -> Option<Event> {
        let id = effect.id;
        match &effect.act {
            Act::AcquireNode { node, .. } => Some(Event::NodeAcquired {
                effect: id,
                name: node.to_string(),
                host: node.to_string(),
                machine: String::new(),
                price: None,
            }),
            Act::PrepareNode { node } => Some(up(*node, id)),
            Act::StartRank { key, after: Some(after), .. } if self.running.contains(after) || self.waits(*after) => {
                self.lines.insert(*after, (id, *key));
                self.waiting.insert(*key);
                None
            }
            Act::StartRank { key, .. } => {
                self.running.insert(*key);
                Some(Event::RankStarted { effect: id, key: *key })
            }
            Act::AckGone { .. } | Act::Notify { .. } => Some(Event::EffectDone { effect: id }),
            Act::KeepLogs { .. }
            | Act::ReleaseNode { .. }
            | Act::RecallRank { .. }
            | Act::StopRank { .. }
            | Act::AnswerDaemon { .. }
            | Act::SetUpServer { .. }
            | Act::UndoServer { .. }
            | Act::ExpandSweep { .. } => None,
        }
    }

    fn waits(&self, key: RankKey) -> bool {
        self.waiting.contains(&key)
    }

    /// Returns the core.
    pub fn sched(&self) -> &Sched {
        &self.sched
    }

    /// Submits all jobs at once; returns the milliseconds that it took.
    pub fn fill(&mut self) -> f64 {
        self.submit(JOBS)
    }

    /// Submits so many jobs at once; returns the milliseconds that it took.
    pub fn submit(&mut self, count: u32) -> f64 {
        let spec = Arc::new(spec());
        let jobs = (0..count).map(|n| new_job(n, &spec)).collect();
        let start = Instant::now();
        self.step(Event::JobsSubmitted { jobs });
        millis(start.elapsed())
    }

    /// Gives the pool a budget, or takes it away.
    fn limit(&mut self, budget: Option<Budget>) {
        self.step(Event::BudgetSet { cluster: Some(ClusterId(1)), workspace: None, budget });
    }

    /// Has nothing start until all jobs wait; returns the milliseconds of the one step in which every node gets a job.
    fn full_pass(&mut self) -> f64 {
        self.limit(Some(Budget::new(Money(0), Period::Total, Brake::Hold)));
        self.submit(JOBS);
        assert!(self.running.is_empty(), "a used up budget holds all of them");
        let start = Instant::now();
        let step =
            self.sched.step(self.now, Event::BudgetSet { cluster: Some(ClusterId(1)), workspace: None, budget: None });
        let took = millis(start.elapsed());
        assert_eq!(step.effects.len(), NODES as usize, "one start for each node");
        took
    }

    /// Submits so many jobs of which each has a specification of its own.
    pub fn submit_unlike(&mut self, count: u32) {
        let jobs = (0..count).map(|n| new_job(n, &Arc::new(spec()))).collect();
        self.step(Event::JobsSubmitted { jobs });
    }

    /// Returns the microseconds that one event takes while so many jobs end and the next ones are placed.
    pub fn timed(&mut self, ends: usize) -> f64 {
        let before = self.events;
        let start = Instant::now();
        self.end(ends);
        micros(start.elapsed()) / (self.events - before).max(1) as f64
    }

    /// Has so many of the running jobs end, one after another; each makes room for the next.
    pub fn end(&mut self, count: usize) {
        for _ in 0..count {
            let Some(key) = self.running.pop_first() else { break };
            self.step(Event::RankGone { key, effect: None, proof: Proof::Exit { code: 0, why: None } });
            if let Some((effect, next)) = self.lines.remove(&key) {
                self.waiting.remove(&next);
                self.running.insert(next);
                self.step(Event::RankStarted { effect, key: next });
            }
        }
    }
}

fn up(node: NodeId, effect: EffectId) -> Event {
    let facts = Facts { root: "/spool".into(), shell: "/bin/sh".into(), ..Facts::default() };
    Event::NodeUp {
        node,
        effect: Some(effect),
        boot: BootId("boot".into()),
        facts: Box::new(facts),
        inventory: BTreeMap::new(),
    }
}

fn spec() -> JobSpec {
    JobSpec::command("true")
}
