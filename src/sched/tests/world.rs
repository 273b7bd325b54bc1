//! A model of everything outside the core: nodes with spools, boots and links, a provider, and a store that sees only what
//! a step says. After every step the rules are checked, the core's and the world's; `acts.rs` is what happens in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::*;
use super::rig::{WS, cluster_spec};
use crate::model::ids::{Attempt, RankKey, RankRole};
use crate::model::spec::Deallocation;
use crate::model::state::{Proof, RankState};

/// One random choice: what to do, and with which of the things at hand.
pub(super) type Op = (u8, u16);

/// What is in a spool under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Alive,
    Over(Proof),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    pub(super) boot: u32,
    pub(super) linked: bool,
    pub(super) spool: BTreeMap<RankKey, Record>,
    /// Over, and the core has it on disk. Apart, since the rest is looked through after every step.
    pub(super) acked: BTreeSet<RankKey>,
}

/// The CPUs of every machine, in thousandths.
const CPUS_MILLI: u64 = 8000;

/// The name of a variant.
fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn meet_job(met: &mut BTreeSet<String>, job: &Job) {
    met.extend(job.last.errors.iter().map(|error| error.code.clone()));
    for run in job.last.ranks.values() {
        if let RankState::Gone(proof) = &run.state {
            met.insert(word(proof));
        }
    }
}

/// The world and the core in it.
pub(super) struct World {
    pub(super) sched: Sched,
    /// Rebuilt from the store at some point; has to do the same ever since.
    pub(super) twin: Option<Sched>,
    pub(super) settings: Settings,
    pub(super) now: UnixMillis,
    /// The store: rows and outbox as steps told them, and ended jobs.
    pub(super) rows: BTreeMap<RowKey, Change>,
    pub(super) outbox: BTreeMap<EffectId, Act>,
    pub(super) ended: BTreeMap<JobId, Arc<Job>>,
    pub(super) machines: BTreeMap<NodeId, Machine>,
    pub(super) hosts_free: u32,
    /// Every process ever started, with the node.
    pub(super) begun: BTreeMap<RankKey, NodeId>,
    /// Exit codes that processes wrote.
    pub(super) wrote: BTreeSet<(RankKey, i32)>,
    pub(super) attempts: BTreeMap<JobId, Attempt>,
    pub(super) submitted: u64,
    pub(super) last: Option<Event>,
    pub(super) trace: Vec<Step>,
    /// What has happened at least once, by name.
    pub(super) met: BTreeSet<String>,
}

pub(super) fn pick<T: Copy>(from: &[T], at: u16) -> Option<T> {
    (!from.is_empty()).then(|| from[at as usize % from.len()])
}

impl World {
    /// Returns an empty one; `sets_up`: whether its cluster has a set-up for its nodes.
    pub(super) fn new(sets_up: bool) -> Self {
        let settings = Settings {
            requeues_max: 2,
            prepare_retries_max: 1,
            webhook: Some("http://localhost".into()),
            ..Settings::default()
        };
        let mut world = Self {
            sched: Sched::new(settings.clone()),
            twin: None,
            settings,
            now: UnixMillis(1_000_000),
            rows: BTreeMap::new(),
            outbox: BTreeMap::new(),
            ended: BTreeMap::new(),
            machines: BTreeMap::new(),
            hosts_free: 5,
            begun: BTreeMap::new(),
            wrote: BTreeSet::new(),
            attempts: BTreeMap::new(),
            submitted: 0,
            last: None,
            trace: Vec::new(),
            met: BTreeSet::new(),
        };
        world.tell(Event::WorkspaceCreated {
            group: Default::default(),
            name: "lab".into(),
            location: None,
            tags: BTreeMap::new(),
        });
        world.tell(Event::ExperimentCreated { workspace: WS, name: "first".into() });
        let mut spec = cluster_spec(3, Deallocation::Requeue);
        spec.node_setup = sets_up.then(Default::default);
        spec.machines.preemption = !sets_up;
        world.tell(Event::ClusterCreated { workspace: WS, name: "gpu".into(), uuid: uuid::Uuid::nil(), spec });
        world
    }

    /// One step, one commit, all rules.
    pub(super) fn tell(&mut self, event: Event) {
        let step = self.sched.step(self.now, event.clone());
        if let Some(twin) = &mut self.twin {
            assert_eq!(twin.step(self.now, event.clone()), step, "a rebuilt core does the same on {event:?}");
            twin.retire();
        }
        for key in &step.touched {
            match self.sched.row(*key) {
                Some(Change::Job(job)) if job.state.ended() => {
                    self.rows.remove(key);
                    self.see_end(&job);
                }
                Some(row) => drop(self.rows.insert(*key, row)),
                None => {
                    self.rows.remove(key);
                    if let RowKey::Job(job) = key {
                        self.ended.remove(job);
                    }
                    if let RowKey::Experiment(experiment) = key {
                        self.ended.retain(|_, job| job.experiment != *experiment);
                    }
                }
            }
        }
        for id in &step.closed {
            let Some(act) = self.outbox.remove(id) else { panic!("{id} was closed but not in the store's outbox") };
            if let (Act::StartRank { .. }, Event::NodeUp { .. }) = (&act, &event) {
                self.met.insert("a start was settled by an inventory".into());
            }
        }
        self.outbox.extend(step.effects.iter().map(|effect| (effect.id, effect.act.clone())));
        self.sched.retire();
        self.see_sharing();
        self.see_store();
        self.see_attempts();
        self.meet(&event, &step);
        self.last = Some(event);
        self.trace.push(step);
    }

    /// Notes what happened, for the test that everything does.
    fn meet(&mut self, event: &Event, step: &Step) {
        for effect in &step.effects {
            self.met.insert(word(&effect.act));
            if let Act::StopRank { why, .. } = &effect.act {
                self.met.insert(format!("stopped: {why:?}"));
            }
            if let Act::AnswerDaemon { answer, .. } = &effect.act {
                self.met.insert(word(answer));
            }
        }
        if step.effects.is_empty() && step.touched.is_empty() {
            self.met.insert("nothing changed".into());
        }
        for key in &step.touched {
            match self.rows.get(key) {
                Some(Change::Node(node)) => drop(self.met.insert(node.state.word().to_owned())),
                Some(Change::Cluster(cluster)) if super::super::cluster::gave_up(cluster).is_some() => {
                    self.met.insert("nodes were given up".into());
                }
                Some(Change::Job(job)) => meet_job(&mut self.met, job),
                Some(_) | None => {}
            }
            if let RowKey::Job(job) = key {
                self.ended.get(job).into_iter().for_each(|job| meet_job(&mut self.met, job));
            }
        }
        self.met.insert(word(event));
    }

    /// I07, I05: an end is final, and its code was written by a process of that very attempt.
    fn see_end(&mut self, job: &Arc<Job>) {
        if let Some(code) = job.last.exit_code {
            let by_it = |(key, wrote): &(RankKey, i32)| key.job == job.id && key.attempt == job.attempt && *wrote == code;
            let set_up = |(key, wrote): &(RankKey, i32)| {
                (key.job, key.attempt, key.rank.role) == (job.id, job.attempt, RankRole::Setup) && *wrote != 0
            };
            let launched = code != -1 || !self.wrote.iter().any(set_up);
            assert!(!launched || self.wrote.iter().any(by_it), "I07 no process of {job:?} wrote {code}");
        }
        let alive = self.alive();
        assert!(!alive.iter().any(|(_, key)| key.job == job.id), "I06 {} has ended and lives: {alive:?}", job.id);
        self.ended.insert(job.id, job.clone());
    }

    /// I11: the store has what the core has.
    fn see_store(&self) {
        let live = |key: &RowKey| self.sched.row(*key);
        assert!(self.rows.iter().all(|(key, row)| live(key).as_ref() == Some(row)), "I11 the store has other rows");
        let sched = &self.sched;
        let count = sched.workspaces().len()
            + sched.clusters().len()
            + sched.nodes().len()
            + sched.experiments().len()
            + sched.sweeps().len()
            + sched.jobs().len();
        assert_eq!(self.rows.len(), count, "I11 the store has every row");
        let outbox: BTreeMap<_, _> = sched.outbox().map(|effect| (effect.id, effect.act)).collect();
        assert_eq!(outbox, self.outbox, "I11 the store has the outbox");
    }

    /// I09: of no node is more given than it has. A node never says that it has fewer CPUs than before; GPUs come and go
    /// here, so that those are counted by their numbers.
    fn see_sharing(&mut self) {
        for node in self.sched.nodes().values() {
            let holders = node.holders.iter().filter_map(|(job, _)| self.sched.jobs().get(job));
            // Who was sent ahead has nothing of it yet.
            let (jobs, behind): (Vec<_>, Vec<_>) = holders.partition(|job| job.last.behind.is_none());
            if !behind.is_empty() {
                self.met.insert("a job was sent ahead".into());
            }
            let parts: Vec<_> = jobs.iter().filter_map(|job| job.spec.demand.part()).collect();
            assert!(parts.len() == jobs.len() || jobs.len() == 1, "I09 somebody has {node:?} for himself: {jobs:?}");
            let cpus: u64 = parts.iter().map(|asked| asked.cpus_milli).sum();
            assert!(cpus <= CPUS_MILLI, "I09 {cpus} of {node:?} are given to {jobs:?}");
            let mut gpus = BTreeMap::<u32, u64>::new();
            for job in &jobs {
                let at = job.last.nodes.iter().position(|id| *id == node.id);
                let place = at.and_then(|at| job.last.places.get(at));
                for share in place.and_then(|place| place.gpu_shares.as_ref()).into_iter().flatten() {
                    *gpus.entry(share.index).or_default() += share.milli;
                }
            }
            assert!(gpus.values().all(|milli| *milli <= 1000), "I09 a GPU of {node:?} is given twice: {gpus:?}");
            if jobs.len() > 1 {
                self.met.insert("a node was shared".into());
            }
        }
    }

    /// I01, I03: one live attempt a job; attempts only grow.
    fn see_attempts(&mut self) {
        let mut lives: BTreeMap<JobId, Attempt> = BTreeMap::new();
        for (_, key) in self.alive().into_iter().filter(|(_, key)| key.job != NO_JOB) {
            let attempt = *lives.entry(key.job).or_insert(key.attempt);
            assert_eq!(attempt, key.attempt, "I01 {} lives twice", key.job);
        }
        for job in self.sched.jobs().values() {
            let before = self.attempts.insert(job.id, job.attempt).unwrap_or_default();
            assert!(job.attempt >= before, "I03 {} went back to {}", job.id, job.attempt);
        }
    }

    pub(super) fn alive(&self) -> Vec<(NodeId, RankKey)> {
        let all = self.machines.iter().flat_map(|(node, machine)| machine.spool.iter().map(move |(k, r)| (*node, *k, r)));
        all.filter(|(_, _, record)| **record == Record::Alive).map(|(node, key, _)| (node, key)).collect()
    }
}
