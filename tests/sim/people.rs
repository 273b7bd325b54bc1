//! What people do, at bad moments.

use std::sync::Arc;

use ostler::model::cost::{BRAKES, Budget, PERIODS};
use ostler::model::ids::{JobId, NodeId, RankKey};
use ostler::model::request::{
    GpuRule, JobAct, JobRef, NodeAct, NodeRef, Place, Request, Scale, Submit, SubmitSweep, SweepAct, SweepRef,
};
use ostler::model::spec::code::{Code, Digest, Taken};
use ostler::model::spec::job::{Constraints, JobPreparation};
use ostler::model::spec::sweep::{Part, Search};
use ostler::model::spec::{
    Begin, ClusterSpec, Deallocation, Demand, GpuIdle, GpuIdleThen, Hooks, JobSpec, Machines, PoolSpec, Priority,
    ProviderSpec, Resources, Retry, ScaleSettings, Scheduling, SweepSpec, sweep_file,
};
use ostler::model::state::{Job, Reach};
use ostler::model::units::{Bytes, Millis, Money, NodeCount};

use crate::world::{Happening, World};

/// How many machines the pool has.
pub const HOSTS: u32 = 6;

/// What a node costs in an hour: one in a minute, so that minutes matter.
const PRICE: Money = Money(60_000_000);

/// Makes the workspace, the pool and the experiment.
pub fn settle(world: &mut World) {
    let tags = std::collections::BTreeMap::new();
    world.ask(Request::CreateWorkspace { name: "lab".into(), location: None, tags }, None);
    world.ask(Request::CreateExperiment { workspace: None, name: "first".into() }, None);
    let hosts = (1..=HOSTS).map(|n| format!("host{n}")).collect();
    let scale_settings =
        ScaleSettings::Manual { target_node_count: NodeCount(3), node_deallocation_option: Deallocation::Requeue };
    let spec = ClusterSpec {
        provider: match world.cloudy {
            true => ProviderSpec::Command { hooks: Hooks::of_program("cloud") },
            false => ProviderSpec::Hosts { hosts },
        },
        scale_settings,
        vm_size: None,
        node_setup: None,
        machines: Box::new(Machines { preemption: true, ..Machines::default() }),
        pool: Box::new(PoolSpec { price_per_node_hour: Some(PRICE), ..PoolSpec::default() }),
        slurm: None,
        rest: None,
        kept: Default::default(),
    };
    world.ask(Request::CreateCluster { workspace: None, name: "pool".into(), spec: Box::new(spec) }, None);
}

/// Says whether everything that [`settle`] makes is there.
pub fn settled(world: &World) -> bool {
    world.engine.as_ref().is_some_and(|e| !e.sched().clusters().is_empty() && !e.sched().experiments().is_empty())
}

/// Returns how long a process runs and how it ends, from its command line: `run MILLISECONDS CODE`.
pub fn what_runs(key: RankKey, command: &str) -> (Millis, i32) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let at = words.iter().rposition(|word| *word == "run");
    let number = |n: usize| at.and_then(|at| words.get(at + n)).and_then(|w| w.trim_matches('\'').parse::<u64>().ok());
    match (number(1), number(2)) {
        (Some(duration), Some(code)) => (Millis(duration), code as i32),
        _ => panic!("{key} runs something that nobody asked for: {command}"),
    }
}

/// Somebody does something.
pub fn act(world: &mut World) {
    if !settled(world) {
        if world.engine.is_some() {
            settle(world);
        }
    } else {
        match world.rng.range(0, 23) {
            0..=7 => submit(world),
            8 => scale(world),
            9 => auto_scale(world),
            10..=11 => on_job(world, JobAct::Terminate { hold: Millis(0) }),
            12 => on_job(world, JobAct::Terminate { hold: Millis(5_000) }),
            13 => on_job(world, JobAct::TakeBack),
            14 => delete(world),
            15 => retry(world),
            16 => on_job(world, JobAct::Hold),
            17 => on_job(world, JobAct::Release),
            18 => drain(world),
            19 => sweep(world),
            20 => on_sweep(world),
            21 => limit(world),
            _ => declare_dead(world),
        }
    }
    let next = world.rng.range(100, 8_000);
    world.at(next, Happening::Person);
}

fn submit(world: &mut World) {
    if world.rng.chance(100) {
        return say_again(world);
    }
    if world.rng.chance(60) {
        return submit_short(world);
    }
    let nodes = if world.rng.chance(700) { 1 } else { world.rng.range(2, 4) as u32 };
    // Some are long enough to be minded when they use nothing.
    let duration = if world.rng.chance(900) { world.rng.range(1, 40_000) } else { world.rng.range(120_000, 300_000) };
    let code = if world.rng.chance(800) { 0 } else { world.rng.range(1, 128) };
    let limit = if world.rng.chance(900) { Millis::from_days(1) } else { Millis(world.rng.range(1_000, 30_000)) };
    let preparation = world.rng.chance(200).then(|| {
        let code = u64::from(world.rng.chance(100));
        JobPreparation { command_line: format!("run {} {code}", world.rng.range(1, 3_000)) }
    });
    let priority = [Priority::Low, Priority::Normal, Priority::High][world.rng.range(0, 3) as usize];
    let token = format!("token-{}", world.rng.next());
    let demand = if world.rng.chance(400) {
        let cpus_milli = world.rng.range(1, 9) * 500;
        Demand::Part(Resources { cpus_milli, gpus_milli: world.rng.range(0, 4) * 250, ..Resources::default() })
    } else {
        Demand::WholeNode
    };
    let scheduling = scheduling(world).into();
    let snapshot = |byte: u64| Taken { digest: Digest::of(&[byte as u8; 32]), files: 1, bytes: Bytes(1), git: None };
    let code_of = world.rng.chance(250).then(|| snapshot(world.rng.range(1, 4)));
    let spec = JobSpec {
        code: code_of.map(|taken| Box::new(Code { snapshot: Some(taken), ..Code::of("/code") })),
        scheduling_priority: priority,
        demand,
        scheduling,
        node_count: NodeCount(nodes),
        job_preparation: preparation,
        constraints: Constraints { max_wall_clock_time: limit },
        ..JobSpec::command(format!("run {duration} {code}"))
    };
    let submit =
        Submit { experiment: Place::default(), cluster: Place::default(), name: None, spec, token: Some(token.clone()) };
    world.said.insert(token.clone(), submit.clone());
    world.ask(Request::Submit(Box::new(submit)), Some(token));
}

/// Many alike that take next to no time, so that some are sent ahead; now and then one among them is long.
fn submit_short(world: &mut World) {
    let demand = match world.rng.chance(500) {
        true => Demand::Part(Resources { cpus_milli: 1_000, ..Resources::default() }),
        false => Demand::WholeNode,
    };
    for _ in 0..world.rng.range(5, 25) {
        let duration = if world.rng.chance(950) { world.rng.range(1, 60) } else { world.rng.range(1_000, 20_000) };
        let code = u64::from(world.rng.chance(50));
        let token = format!("token-{}", world.rng.next());
        let spec = JobSpec { demand: demand.clone(), ..JobSpec::command(format!("run {duration} {code}")) };
        let submit =
            Submit { experiment: Place::default(), cluster: Place::default(), name: None, spec, token: Some(token.clone()) };
        world.said.insert(token.clone(), submit.clone());
        world.ask(Request::Submit(Box::new(submit)), Some(token));
        if world.engine.is_none() {
            return;
        }
    }
}

/// Somebody whose answer did not come says the same again; whoever got one may do so too.
fn say_again(world: &mut World) {
    let there = |token: &&String| world.accepted.get(*token).is_none_or(|job| world.disk.row(*job).is_some());
    let tokens: Vec<String> = world.said.keys().filter(there).cloned().collect();
    let Some(token) = world.rng.pick(&tokens).cloned() else { return };
    let Some(submit) = world.said.get(&token).cloned() else { return };
    world.reach("a token was said again");
    world.ask(Request::Submit(Box::new(submit)), Some(token));
}

fn sweep(world: &mut World) {
    let option = |text: &str| sweep_file::option(text).expect("a parameter");
    let members = world.rng.range(1, 12);
    let long = world.rng.range(1, 20_000);
    let parameters = vec![option(&format!("n=0..{members}/1")), option("code=0,7")];
    let part = Part { parameters, search: Search::Grid, exclude: Vec::new() };
    let template =
        serde_json::json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": format!("run {long} PARAM_CODE")}});
    let mut spec = SweepSpec::new(template, vec![part]);
    spec.running_max = world.rng.chance(300).then_some(2);
    let ask = SubmitSweep {
        experiment: Place::default(),
        cluster: Place::default(),
        name: None,
        spec,
        held: world.rng.chance(100),
        token: Some(format!("token-{}", world.rng.next())),
    };
    world.reach("a sweep was submitted");
    world.ask(Request::CreateSweep(Box::new(ask)), None);
}

fn on_sweep(world: &mut World) {
    let all: Vec<_> = world.engine.as_ref().map(|e| e.sched().sweeps().keys().copied().collect()).unwrap_or_default();
    let Some(id) = world.rng.pick(&all).copied() else { return };
    let act = match world.rng.range(0, 6) {
        0 => SweepAct::Stop,
        1 => SweepAct::Pause,
        2 => SweepAct::Resume,
        3 => SweepAct::Priority { priority: Priority::Low },
        4 => SweepAct::Trim { keep: world.rng.range(0, 9) as u32 },
        _ => {
            let parameters =
                vec![sweep_file::option("n=50,51").expect("a parameter"), sweep_file::option("code=0").expect("one")];
            SweepAct::Extend { part: Part { parameters, search: Search::Grid, exclude: Vec::new() } }
        }
    };
    world.reach("something was done to a whole sweep");
    world.ask(Request::Sweep { sweep: SweepRef::Id(id), act }, None);
}

/// What a job comes after, its time, an array, retries: each sometimes.
fn scheduling(world: &mut World) -> Scheduling {
    let mut scheduling = Scheduling::default();
    let jobs = live_jobs(world);
    if world.rng.chance(150)
        && let Some(job) = world.rng.pick(&jobs).cloned()
    {
        // Of an array any member, also one that has yet to come up.
        let id = match &job.member {
            Some(member) => JobId(member.of.0 + world.rng.range(0, u64::from(member.count))),
            None => job.id,
        };
        let id = vec![id.to_string()];
        match world.rng.range(0, 3) {
            0 => scheduling.after = id,
            1 => scheduling.after_ok = id,
            _ => scheduling.after_any = id,
        }
        world.reach("a job was to come after another");
    }
    if world.rng.chance(50) {
        scheduling.begin_time = Some(Begin::In(Millis(world.rng.range(1, 60_000))));
    }
    if world.rng.chance(60) {
        scheduling.array = "0-3%2".parse().ok();
        world.reach("an array was submitted");
    }
    if world.rng.chance(100) {
        let delay = Millis(world.rng.range(0, 5_000));
        scheduling.retry = Some(Retry { delay, ..Retry::attempts(world.rng.range(2, 4) as u32) });
    }
    scheduling
}

fn scale(world: &mut World) {
    let options = [Deallocation::Requeue, Deallocation::Terminate, Deallocation::WaitForJobCompletion];
    let deallocation = Some(options[world.rng.range(0, 3) as usize]);
    let target = NodeCount(world.rng.range(0, u64::from(HOSTS) + 2) as u32);
    world.ask(Request::Scale(Scale { cluster: Place::default(), target, deallocation, seen: None }), None);
}

fn auto_scale(world: &mut World) {
    if world.rng.chance(150) {
        world.reach("somebody took a scaling back");
        return world.ask(Request::TakeScaleBack { cluster: Place::default() }, None);
    }
    let minimum = world.rng.range(0, 3) as u32;
    let maximum = minimum.max(1) + world.rng.range(0, u64::from(HOSTS)) as u32;
    let idle = Some(Millis(world.rng.range(1_000, 60_000)));
    let (minimum, maximum) = (NodeCount(minimum), NodeCount(maximum));
    world.reach("a cluster was to follow its work");
    let rule = GpuIdle { after: Millis::from_mins(2), then: GpuIdleThen::Stop };
    let gpu_idle = match world.rng.range(0, 6) {
        0 => None,
        1 => Some(GpuRule::Off),
        _ => Some(GpuRule::On(rule)),
    };
    world.ask(Request::AutoScale { cluster: Place::default(), minimum, maximum, idle, gpu_idle }, None);
}

/// Somebody limits what may be spent, or lifts a limit.
fn limit(world: &mut World) {
    let limit = match world.rng.chance(500) {
        // Used up in minutes by what is there.
        true => Money(world.rng.range(0, 8) as i64 * 1_000_000),
        // Some nodes for an hour.
        false => Money(world.rng.range(0, 500) as i64 * 1_000_000),
    };
    let (_, period) = PERIODS[world.rng.range(0, PERIODS.len() as u64) as usize];
    let (_, then) = BRAKES[world.rng.range(0, BRAKES.len() as u64) as usize];
    let budget = world.rng.chance(700).then(|| Budget::new(limit, period, then));
    let cluster = world.rng.chance(500).then(Place::default);
    world.reach("somebody set or lifted a budget");
    world.ask(Request::SetBudget { cluster, workspace: None, budget }, None);
}

fn live_jobs(world: &World) -> Vec<Arc<Job>> {
    world.engine.as_ref().map(|e| e.sched().jobs().values().cloned().collect()).unwrap_or_default()
}

fn on_job(world: &mut World, act: JobAct) {
    let jobs = live_jobs(world);
    if let Some(job) = world.rng.pick(&jobs).cloned() {
        world.ask(Request::Job { job: JobRef::Id(job.id), act }, None);
    }
}

fn any_job(world: &mut World) -> Option<JobId> {
    let all: Vec<JobId> = world.accepted.values().copied().filter(|id| world.disk.row(*id).is_some()).collect();
    world.rng.pick(&all).copied()
}

fn delete(world: &mut World) {
    if let Some(id) = any_job(world) {
        world.faults.deleted.insert(id);
        world.ask(Request::Job { job: JobRef::Id(id), act: JobAct::Delete }, None);
    }
}

fn retry(world: &mut World) {
    if let Some(id) = any_job(world)
        && world.disk.row(id).is_some_and(|job| job.state == ostler::model::state::ExecutionState::Failed)
    {
        world.reopened.insert(id);
        world.reach("a failed job was retried");
        world.ask(Request::Job { job: JobRef::Id(id), act: JobAct::Retry }, None);
    }
}

fn nodes(world: &World) -> Vec<(NodeId, String, bool)> {
    let all = world.engine.as_ref().map(|e| e.sched().nodes().values().cloned().collect::<Vec<_>>()).unwrap_or_default();
    all.iter().map(|n| (n.id, n.host.clone(), matches!(n.reach, Reach::Lost { .. }))).collect()
}

fn drain(world: &mut World) {
    let all = nodes(world);
    if let Some((id, _, _)) = world.rng.pick(&all).cloned() {
        let act = if world.rng.chance(500) { NodeAct::Drain } else { NodeAct::Undrain };
        world.ask(Request::Node { node: NodeRef::Id(id), act }, None);
    }
}

/// A person who says that a machine is dead has looked: it is off, and comes back only with another boot.
fn declare_dead(world: &mut World) {
    let off = |host: &str| world.hosts.get(host).is_some_and(|h| !h.on);
    let dead: Vec<_> = nodes(world).into_iter().filter(|(_, host, lost)| *lost && off(host)).collect();
    if let Some((id, _, _)) = world.rng.pick(&dead).cloned() {
        world.reach("a machine was declared dead");
        let act = NodeAct::DeclareDead { by: "a person".into() };
        world.ask(Request::Node { node: NodeRef::Id(id), act }, None);
    }
}

/// Undoes what keeps jobs from ever running: budgets, a pause, holds, drains, a pool that is too small.
pub fn relent(world: &mut World) {
    let target = NodeCount(HOSTS);
    for cluster in [Some(Place::default()), None] {
        world.ask(Request::SetBudget { cluster, workspace: None, budget: None }, None);
    }
    world.ask(Request::ResumeScaling { cluster: Place::default() }, None);
    world.ask(Request::Scale(Scale { cluster: Place::default(), target, deallocation: None, seen: None }), None);
    for (id, _, _) in nodes(world) {
        world.ask(Request::Node { node: NodeRef::Id(id), act: NodeAct::Undrain }, None);
    }
    let paused: Vec<_> = world
        .engine
        .as_ref()
        .map(|e| e.sched().sweeps().values().filter(|sweep| sweep.held).map(|sweep| sweep.id).collect())
        .unwrap_or_default();
    for id in paused {
        world.ask(Request::Sweep { sweep: SweepRef::Id(id), act: SweepAct::Resume }, None);
    }
    for job in live_jobs(world).iter().filter(|job| job.held) {
        world.ask(Request::Job { job: JobRef::Id(job.id), act: JobAct::Release }, None);
    }
}
