//! A scheduler with hands: makes things, answers effects, moves time. `check()` runs after every step.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::super::*;
use crate::model::ids::{Attempt, Rank, RankKey, RankRole};
use crate::model::kept::Kept;
use crate::model::spec::job::{Constraints, LaunchShape};
use crate::model::spec::{
    ClusterSpec, Deallocation, Indexes, JobSpec, Priority, ProviderSpec, Resources, ScaleSettings, SweepSpec,
};
use crate::model::state::{ArrayMember, BootId, ExecutionState, Facts, Proof, RankState, StopWhy, Unusable};
use crate::model::units::{Millis, NodeCount};

/// One workspace, one experiment, and clusters as a test makes them.
pub(super) struct Rig {
    pub(super) sched: Sched,
    pub(super) now: UnixMillis,
    /// Effects issued and neither answered nor closed, in order.
    pub(super) open: Vec<Effect>,
    pub(super) last: Step,
}

pub(super) const WS: WorkspaceId = WorkspaceId(1);
pub(super) const EXP: ExperimentId = ExperimentId(1);
pub(super) const GPU: ClusterId = ClusterId(1);

pub(super) fn job(n: u64) -> JobId {
    JobId(n)
}

pub(super) fn node(n: u64) -> NodeId {
    NodeId(n)
}

pub(super) fn main_of(job: u64, attempt: u32, index: u32) -> RankKey {
    RankKey { job: JobId(job), attempt: Attempt(attempt), rank: Rank::main(index) }
}

pub(super) fn rank_of(job: u64, attempt: u32, role: RankRole, index: u32) -> RankKey {
    RankKey { job: JobId(job), attempt: Attempt(attempt), rank: Rank { role, index } }
}

pub(super) fn exit(code: i32) -> Proof {
    Proof::Exit { code, why: None }
}

pub(super) fn stopped(why: StopWhy) -> Proof {
    Proof::Exit { code: 143, why: Some(why) }
}

pub(super) fn refused() -> Unusable {
    Unusable { code: "unreachable".into(), step: "connect".into(), message: "Connection refused".into() }
}

pub(super) fn spec(nodes: u32) -> JobSpec {
    JobSpec {
        node_count: NodeCount(nodes),
        constraints: Constraints { max_wall_clock_time: Millis::from_mins(60) },
        ..JobSpec::command("true")
    }
}

pub(super) fn new_job(name: &str, spec: JobSpec, shape: LaunchShape) -> NewJob {
    NewJob {
        experiment: EXP,
        cluster: GPU,
        name: name.into(),
        uuid: Uuid::nil(),
        segment: name.into(),
        spec: Arc::new(spec),
        shape,
        token: None,
        dependencies: Vec::new(),
        member: None,
        sweep: None,
    }
}

/// An array of jobs of one node.
pub(super) fn new_array(indexes: &str) -> NewSweep {
    let indexes: Indexes = indexes.parse().expect("indexes");
    NewSweep {
        experiment: EXP,
        cluster: GPU,
        name: "many".into(),
        uuid: Uuid::nil(),
        count: indexes.count() as u32,
        priority: Priority::Normal,
        held: false,
        token: None,
        dependencies: Vec::new(),
        spec: Arc::new(SweepSpec::array(Arc::new(spec(1)))),
        indexes: Some(Box::new(indexes)),
    }
}

/// Makes jobs of members of an array, as the runtime does.
pub(super) fn members_of(array: &Sweep, places: impl Iterator<Item = u32>) -> Vec<NewMember> {
    let indexes = array.indexes.as_ref().expect("an array");
    let spec = array.spec.array_of.as_ref().expect("an array has its body");
    let of = array.job_of(0).expect("it has a member");
    let member = |place: u32| {
        let (name, index) = (array.name.clone(), indexes.at(place).expect("a member's place"));
        let (count, running_max, row) = (array.count(), indexes.running_max, Some(array.id));
        let member = ArrayMember { of, name, index, count, running_max, row };
        let dependencies = array.dependencies.clone();
        let shape = every_node(spec.node_count.0);
        let job = new_job(&array.member_name(place), (**spec).clone(), shape);
        NewMember { index: place, job: NewJob { member: Some(member), dependencies, ..job }, refused: None }
    };
    places.map(member).collect()
}

/// One main rank on each node.
pub(super) fn every_node(nodes: u32) -> LaunchShape {
    LaunchShape { sets_up: false, prepares: false, main_nodes: (0..nodes).collect(), serving: 0, handed: false }
}

pub(super) fn cluster_spec(target: u32, option: Deallocation) -> ClusterSpec {
    let mut spec = ClusterSpec::new(ProviderSpec::Local, NodeCount(target));
    spec.scale_settings = ScaleSettings::Manual { target_node_count: NodeCount(target), node_deallocation_option: option };
    spec
}

pub(super) fn facts(gpus: u64) -> Facts {
    let capacity = Resources { cpus_milli: 8000, gpus_milli: gpus * 1000, ..Resources::default() };
    Facts { hostname: "h".into(), capacity, ..Facts::default() }
}

impl Rig {
    /// A cluster `gpu` whose target is `target` and whose nodes are all up.
    pub(super) fn up(target: u32) -> Self {
        let mut rig = Self::asked(target);
        rig.bring_up();
        rig
    }

    /// A cluster `gpu` whose nodes are asked for.
    pub(super) fn asked(target: u32) -> Self {
        Self::with(Settings::default(), target, Deallocation::Requeue)
    }

    pub(super) fn with(settings: Settings, target: u32, option: Deallocation) -> Self {
        let sched = Sched::new(settings);
        let mut rig = Self { sched, now: UnixMillis(1_000_000), open: Vec::new(), last: Step::default() };
        rig.on(Event::WorkspaceCreated {
            group: Default::default(),
            name: "lab".into(),
            location: None,
            tags: BTreeMap::new(),
        });
        rig.on(Event::ExperimentCreated { workspace: WS, name: "first".into() });
        let spec = cluster_spec(target, option);
        rig.on(Event::ClusterCreated { workspace: WS, name: "gpu".into(), uuid: Uuid::nil(), spec });
        rig
    }

    /// One step.
    pub(super) fn on(&mut self, event: Event) -> &Step {
        let step = self.sched.step(self.now, event);
        self.sched.check();
        self.open.retain(|effect| !step.closed.contains(&effect.id));
        self.open.extend(step.effects.iter().cloned());
        let outbox: Vec<_> = self.sched.outbox().collect();
        assert_eq!(self.open, outbox, "what a runtime knows of the outbox is the core's");
        self.last = step;
        &self.last
    }

    /// Lets time pass, with deadlines where they fall.
    pub(super) fn pass(&mut self, span: Millis) {
        let end = self.now + span;
        while let Some(at) = self.sched.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.on(Event::Deadline);
        }
        self.now = end;
    }

    /// Answers acquisitions and preparations until there are none.
    pub(super) fn bring_up(&mut self) {
        while let Some(effect) = self.find(|act| matches!(act, Act::AcquireNode { .. } | Act::PrepareNode { .. })) {
            match effect.act {
                Act::AcquireNode { node, .. } => {
                    let (name, host) = (format!("host{}", node.0), format!("host{}", node.0));
                    self.on(Event::NodeAcquired { effect: effect.id, name, host, machine: String::new(), price: None });
                }
                Act::PrepareNode { node } => self.node_up(node.0, Some(effect.id), "b1", []),
                _ => unreachable!("looked for these two"),
            }
        }
    }

    pub(super) fn node_up<const N: usize>(
        &mut self,
        id: u64,
        effect: Option<EffectId>,
        boot: &str,
        inventory: [(RankKey, Sighting); N],
    ) {
        let event = Event::NodeUp {
            node: node(id),
            effect,
            boot: BootId(boot.into()),
            facts: Box::new(facts(0)),
            inventory: inventory.into_iter().collect(),
        };
        self.on(event);
    }

    pub(super) fn node_down(&mut self, id: u64) {
        self.on(Event::NodeDown { node: node(id), why: refused(), retry_in: Some(crate::model::units::Millis(2000)) });
    }

    pub(super) fn find(&self, wanted: impl Fn(&Act) -> bool) -> Option<Effect> {
        self.open.iter().find(|effect| wanted(&effect.act)).cloned()
    }

    pub(super) fn submit(&mut self, name: &str, nodes: u32) -> JobId {
        self.submit_as(new_job(name, spec(nodes), every_node(nodes)))
    }

    pub(super) fn submit_as(&mut self, new: NewJob) -> JobId {
        self.on(Event::JobsSubmitted { jobs: vec![new] });
        self.sched.counters().job
    }

    /// Takes an array in, with its first member; returns that.
    pub(super) fn accept(&mut self, new: NewSweep) -> JobId {
        let of = self.sched.counters().job.next();
        self.on(Event::SweepCreated { sweep: new });
        let sweep = self.sched.counters().sweep;
        let members = members_of(&self.sched.sweeps()[&sweep], 0..1);
        self.on(Event::SweepExpanded { effect: None, sweep, members });
        of
    }

    /// Brings up the members of an array that are asked for, at most so many; says whether any were.
    pub(super) fn expand(&mut self, most: u32) -> bool {
        let Some(effect) = self.find(|act| matches!(act, Act::ExpandSweep { .. })) else { return false };
        let Act::ExpandSweep { sweep, count } = effect.act else { return false };
        let array = self.sched.sweeps()[&sweep].clone();
        let members = members_of(&array, array.left.iter().take(count.min(most) as usize));
        self.on(Event::SweepExpanded { effect: Some(effect.id), sweep, members });
        true
    }

    /// Answers the start of this process.
    pub(super) fn started(&mut self, key: RankKey) {
        let start = self.find(|act| matches!(act, Act::StartRank { key: of, .. } if *of == key));
        let effect = start.unwrap_or_else(|| panic!("{key} was not to be started; open: {:?}", self.open)).id;
        self.on(Event::RankStarted { effect, key });
    }

    /// Says that this process is gone, as the answer to its stop when there is one.
    pub(super) fn gone(&mut self, key: RankKey, proof: Proof) {
        let stop = self.find(|act| matches!(act, Act::StopRank { key: of, .. } if *of == key));
        self.on(Event::RankGone { key, effect: stop.map(|stop| stop.id), proof });
    }

    /// Answers every copy of logs.
    pub(super) fn keep_all(&mut self) {
        while let Some(effect) = self.find(|act| matches!(act, Act::KeepLogs { .. })) {
            self.on(Event::LogsKept { effect: effect.id, kept: Kept::default() });
        }
    }

    /// Answers every copy of logs and every release.
    pub(super) fn release_all(&mut self) {
        self.keep_all();
        while let Some(effect) = self.find(|act| matches!(act, Act::ReleaseNode { .. })) {
            self.on(Event::NodeReleased { effect: effect.id });
        }
    }

    pub(super) fn stops(&self) -> Vec<(RankKey, StopWhy)> {
        let stops = self.open.iter().filter_map(|effect| match &effect.act {
            Act::StopRank { key, why, .. } => Some((*key, *why)),
            _ => None,
        });
        stops.collect()
    }

    pub(super) fn starts(&self) -> Vec<RankKey> {
        let starts = self.open.iter().filter_map(|effect| match &effect.act {
            Act::StartRank { key, .. } => Some(*key),
            _ => None,
        });
        starts.collect()
    }

    pub(super) fn job(&self, id: JobId) -> &Job {
        self.sched.jobs().get(&id).unwrap_or_else(|| panic!("{id} is not in memory"))
    }

    pub(super) fn state(&self, id: JobId) -> ExecutionState {
        self.job(id).state
    }

    pub(super) fn rank(&self, key: RankKey) -> &RankState {
        &self.job(key.job).last.ranks[&key.rank].state
    }

    /// The states of all nodes in words, in order.
    pub(super) fn nodes(&self) -> String {
        let words: Vec<_> = self.sched.nodes().values().map(|node| node.state.word()).collect();
        words.join(" ")
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.sched.clusters()[&GPU]
    }

    /// What the head of the queue waits for.
    pub(super) fn waits_for(&self) -> &str {
        self.cluster().head.as_ref().map_or("", |head| &head.waits_for)
    }

    /// The first error of a job.
    pub(super) fn error(&self, id: JobId) -> &str {
        self.job(id).last.errors.first().map_or("", |error| &error.code)
    }
}
