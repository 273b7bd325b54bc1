//! A core on a store of its own, and nodes behind links that take no time and that answer whatever is asked of them. What runs on
//! them outlives the core, so that it can be killed and opened again.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use ostler::model::ids::{ClusterId, EffectId, ExperimentId, NodeId, RankKey, WorkspaceId};
use ostler::model::settings::Settings;
use ostler::model::spec::job::LaunchShape;
use ostler::model::spec::{ClusterSpec, Deallocation, Demand, Hooks, JobSpec, ProviderSpec, Resources, ScaleSettings};
use ostler::model::state::{BootId, ExecutionState, Facts, Proof, Reach};
use ostler::model::units::{Millis, NodeCount, UnixMillis};
use ostler::runtime::INPUTS_PER_TURN_MAX;
use ostler::runtime::engine::{Engine, Input, Out, Surroundings, Turn};
use ostler::runtime::provide::Ask;
use ostler::sched::{Event, NewJob};
use ostler::store::Db;
use ostler::transport::{Order, Report, Seen};

/// What runs on each node.
pub type Spools = BTreeMap<NodeId, Vec<RankKey>>;

/// A core, and nodes that answer.
pub struct World {
    engine: Engine<Db>,
    spools: Spools,
    /// What is to start on each node after what.
    lines: BTreeMap<NodeId, VecDeque<(RankKey, EffectId, RankKey)>>,
    inputs: VecDeque<Input>,
    now: UnixMillis,
    submitted: u32,
    cpus_a_node: u32,
    /// How many processes this core has started.
    pub started: usize,
}

impl World {
    /// Opens the store, and tries the links to all nodes, each of which has so many CPUs.
    pub fn open(path: &Path, spools: Spools, cpus_a_node: u32) -> Self {
        let store = Db::open(path).expect("the store opens");
        let around = Surroundings { state_dir: "/state".into(), ..Surroundings::default() };
        let mut drawn = 0;
        let draw = Box::new(move || {
            drawn += 1;
            uuid::Uuid::from_u128(drawn)
        });
        let now = UnixMillis(1);
        let (engine, turn) = Engine::open(store, Settings::default(), around, now, draw).expect("the core opens");
        let inputs = VecDeque::new();
        let lines = BTreeMap::new();
        let mut world = Self { engine, spools, lines, inputs, now, submitted: 0, cpus_a_node, started: 0 };
        world.carry_out(turn);
        world
    }

    /// As kill -9 does it: nothing is told to anybody, and nothing written. Returns what runs on.
    pub fn killed(self) -> Spools {
        self.spools
    }

    /// Makes a workspace, an experiment and a cluster of so many nodes.
    pub fn set_up(&mut self, nodes: u32) {
        let (group, name) = (Default::default(), "lab".to_owned());
        self.fact(Event::WorkspaceCreated { group, name, location: None, tags: BTreeMap::new() });
        self.fact(Event::ExperimentCreated { workspace: WorkspaceId(1), name: "first".into() });
        let uuid = uuid::Uuid::from_u128(1);
        self.fact(Event::ClusterCreated { workspace: WorkspaceId(1), name: "pool".into(), uuid, spec: cluster(nodes) });
        self.run();
    }

    /// Submits so many jobs of one CPU each.
    pub fn submit(&mut self, count: u32) {
        let demand = Demand::Part(Resources { cpus_milli: 1_000, ..Resources::default() });
        let spec = Arc::new(JobSpec { demand, ..JobSpec::command("true") });
        let jobs = (self.submitted..self.submitted + count).map(|n| new_job(n, &spec)).collect();
        self.submitted += count;
        self.fact(Event::JobsSubmitted { jobs });
        self.run();
    }

    /// Lets time pass, and then so many of the processes end that have run for the longest on their nodes.
    pub fn pass(&mut self, time: Millis, ends: usize) {
        self.now = self.now + time;
        for (node, runs) in self.spools.iter_mut().filter(|(_, runs)| !runs.is_empty()).take(ends) {
            let (key, proof) = (runs.remove(0), Proof::Exit { code: 0, why: None });
            self.inputs.push_back(Input::Report(*node, Report::Gone { key, effect: None, proof }));
            let line = self.lines.entry(*node).or_default();
            if let Some(at) = line.iter().position(|(after, _, _)| *after == key)
                && let Some((_, effect, next)) = line.remove(at)
            {
                self.started += 1;
                runs.push(next);
                self.inputs.push_back(Input::Report(*node, Report::Started { effect, key: next }));
            }
        }
        self.inputs.push_back(Input::Fact(Box::new(Event::Deadline)));
        self.run();
    }

    fn fact(&mut self, event: Event) {
        self.inputs.push_back(Input::Fact(Box::new(event)));
    }

    /// Takes turns until nothing is left to be said.
    pub fn run(&mut self) {
        while !self.inputs.is_empty() {
            let some = self.inputs.len().min(INPUTS_PER_TURN_MAX);
            let inputs = self.inputs.drain(..some).collect();
            let turn = self.engine.turn(self.now, inputs).expect("room for it");
            self.carry_out(turn);
        }
    }

    fn carry_out(&mut self, turn: Turn) {
        for out in turn.outs {
            match out {
                Out::Provide(work) => {
                    let Ask::Acquire { effect, wanted } = work.ask else { continue };
                    let name = format!("n{}", wanted.tag.node.0);
                    let machine = format!("i-{name}");
                    self.fact(Event::NodeAcquired { effect, host: name.clone(), name, machine, price: None });
                }
                Out::Open(link) => {
                    let inventory = self.spools.entry(link.node).or_default();
                    let inventory = inventory.iter().map(|key| (*key, Seen::Alive)).collect();
                    let report = Report::Up { boot: BootId("boot".into()), facts: Box::new(self.facts()), inventory };
                    self.inputs.push_back(Input::Report(link.node, report));
                }
                Out::Order(node, Order::Start { effect, key, after: Some(after), .. }) if self.is_there(node, after) => {
                    self.lines.entry(node).or_default().push_back((after, effect, key));
                }
                Out::Order(node, Order::Start { effect, key, .. }) => {
                    self.started += 1;
                    self.spools.entry(node).or_default().push(key);
                    self.inputs.push_back(Input::Report(node, Report::Started { effect, key }));
                }
                Out::Order(node, Order::Ack { effect, .. }) => {
                    self.inputs.push_back(Input::Report(node, Report::Done { effect }));
                }
                other => unreachable!("nothing else is asked for: {other:?}"),
            }
        }
    }

    /// Says whether a process runs on a node, or waits there for another.
    fn is_there(&self, node: NodeId, key: RankKey) -> bool {
        let runs = self.spools.get(&node).is_some_and(|runs| runs.contains(&key));
        runs || self.lines.get(&node).is_some_and(|line| line.iter().any(|(_, _, waits)| *waits == key))
    }

    /// Asserts that every node is in sight, that nothing is open but the starts of those that wait on nodes, and that so many jobs
    /// run and wait.
    pub fn assert_all(&self, running: usize, waiting: usize) {
        let sched = self.engine.sched();
        assert!(sched.nodes().values().all(|node| node.reach == Reach::Seen), "every node is in sight");
        let count = |state| sched.jobs().values().filter(|job| job.state == state).count();
        assert_eq!((count(ExecutionState::Running), count(ExecutionState::Queued)), (running, waiting));
        let in_lines: usize = self.lines.values().map(|line| line.len()).sum();
        assert_eq!(self.engine.outbox().len(), in_lines, "nothing else is open");
    }

    fn facts(&self) -> Facts {
        let capacity = Resources { cpus_milli: u64::from(self.cpus_a_node) * 1_000, ..Resources::default() };
        Facts { root: "/spool".into(), shell: "/bin/sh".into(), capacity, ..Facts::default() }
    }
}

fn cluster(nodes: u32) -> ClusterSpec {
    let (target_node_count, node_deallocation_option) = (NodeCount(nodes), Deallocation::Requeue);
    ClusterSpec {
        provider: ProviderSpec::Command { hooks: Hooks::of_program("pool") },
        scale_settings: ScaleSettings::Manual { target_node_count, node_deallocation_option },
        vm_size: None,
        node_setup: None,
        machines: Default::default(),
        pool: Default::default(),
        slurm: None,
        rest: None,
        kept: Default::default(),
    }
}

/// Returns a job with this number.
pub fn new_job(n: u32, spec: &Arc<JobSpec>) -> NewJob {
    NewJob {
        experiment: ExperimentId(1),
        cluster: ClusterId(1),
        name: format!("run-{n}"),
        uuid: uuid::Uuid::from_u128(u128::from(n)),
        segment: String::new(),
        spec: spec.clone(),
        shape: LaunchShape { sets_up: false, prepares: false, main_nodes: vec![0], serving: 0, handed: false },
        token: None,
        dependencies: Vec::new(),
        member: None,
        sweep: None,
    }
}
