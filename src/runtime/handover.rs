//! What a job comes to that Slurm places: the words of `sbatch`, and the launch plan of its framework on nodes that are not known yet.
//! Pure.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::frameworks;
use crate::model::fault::Fault;
use crate::model::ids::Rank;
use crate::model::launch::{Batch, BatchArray, Launch, NodePlace, node_word};
use crate::model::spec::job::WALL_CLOCK_DEFAULT;
use crate::model::spec::{JobSpec, Priority, Rest, Secret, SlurmSpec, Toolkit};
use crate::model::state::{Cluster, Job, NodeState, Reach};
use crate::runtime::engine::Engine;
use crate::runtime::secrets::{self, source};
use crate::sched::Sched;
use crate::slurm::Service;
use crate::store::Store;

/// How much later than their turn jobs of low priority come: Slurm's unit of priority, of which a site's factors give thousands.
pub(super) const NICE_LOW: u32 = 1000;
/// One MiB, the unit of `--mem`.
const MIB: u64 = 1 << 20;

/// Returns what is wrong with a job for a cluster of Slurm.
pub fn check(spec: &JobSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !spec.mount_volumes.is_empty() {
        faults.push(
            Fault::user(
                "mountVolumes: on a cluster of Slurm the file systems are the site's, and nothing is mounted for a job",
            )
            .hint("leave mountVolumes out, and name directories that the cluster's nodes have"),
        );
    }
    let alone = frameworks::shape(spec).main_nodes.len() == 1 && !matches!(spec.toolkit, Toolkit::Custom { .. });
    if spec.container_settings.is_some() && spec.node_count.0 > 1 && alone {
        faults.push(
            Fault::user("containerSettings: a launcher in a container cannot start its processes on other nodes of Slurm")
                .hint("let Slurm start them: a custom command line `srun --mpi=pmix apptainer exec IMAGE …` without containerSettings"),
        );
    }
    faults
}

/// Returns the launch of a job that is handed over: its first process, with all of them and what is asked for in its batch.
///
/// # Errors
/// A path that cannot be resolved.
pub fn launch(job: &Job, cluster: &Cluster, door: &NodePlace, names: &frameworks::JobNames<'_>) -> Result<Launch, Fault> {
    let spec = &job.spec;
    let nodes = spec.node_count.0.max(1);
    let asked = spec.demand.part();
    let whole = |milli: u64| u32::try_from(milli.div_ceil(1000)).unwrap_or(u32::MAX);
    let place = |index| NodePlace {
        name: node_word(index),
        address: node_word(index),
        cpus: asked.map_or(1, |asked| whole(asked.cpus_milli)).max(1),
        gpus: asked.map_or(0, |asked| whole(asked.gpus_milli)),
        gpu_shares: None,
        ..door.clone()
    };
    let places: Vec<NodePlace> = (0..nodes).map(place).collect();
    let mains = u32::try_from(job.shape.main_nodes.len()).unwrap_or(u32::MAX).max(1);
    let processes = (0..mains).map(|index| frameworks::launch(job, &places, Rank::main(index), None, names));
    let processes = processes.collect::<Result<Vec<_>, _>>()?;
    let none = SlurmSpec::default();
    let options = options(job, cluster.spec.slurm.as_deref().unwrap_or(&none));
    let Some(mut first) = processes.first().cloned() else { return Err(Fault::internal("a job without processes")) };
    let log = first.execution_log.clone().unwrap_or_else(|| format!("{}/execution.log", first.workdir));
    let log = log.replace(&node_word(0), "").replace("-.log", ".log");
    let prepare = spec.job_preparation.as_ref().map(|prepare| prepare.command_line.clone());
    let (name, array, serving) = (job.name.to_string(), array_of(job), job.shape.serving);
    let (container, password) = frameworks::handed_container(job, &places, names)?.unzip();
    first.secrets.extend(password.flatten());
    first.batch = Some(Box::new(Batch { name, options, log, array, nodes, prepare, processes, serving, container }));
    Ok(first)
}

/// Returns what a job is a member of.
fn array_of(job: &Job) -> Option<BatchArray> {
    let of = |of: String, name: &str, running_max| BatchArray { of, name: name.to_owned(), running_max };
    let array = job.member.as_ref().map(|member| of(format!("a{}", member.of.0), &member.name, member.running_max));
    let sweep = job.sweep.as_ref().map(|member| of(format!("s{}", member.of.0), &member.name, member.running_max));
    array.or(sweep)
}

/// Returns the words of `sbatch`, those of the cluster first, so that the job's own count.
fn options(job: &Job, slurm: &SlurmSpec) -> Vec<String> {
    let spec = &job.spec;
    let none = SlurmSpec::default();
    let own = spec.slurm.as_deref().unwrap_or(&none);
    let says = |name: &str| {
        let of = |option: &String| option.split('=').next().and_then(|word| word.strip_prefix("--")).map(str::to_owned);
        own.options.iter().filter_map(of).any(|said| said == name)
    };
    // Who says how many processes there are says on how many nodes, too, when no number of nodes is asked for.
    let processes = ["ntasks", "ntasks-per-node", "ntasks-per-gpu"].into_iter().any(says);
    let mut words = Vec::new();
    let mut put = |name: &str, value: Option<String>| {
        words.extend(value.filter(|_| !says(name)).map(|value| format!("--{name}={value}")));
    };
    put("partition", own.partition.clone().or_else(|| slurm.partition.clone()));
    put("account", own.account.clone().or_else(|| slurm.account.clone()));
    put("qos", own.qos.clone().or_else(|| slurm.qos.clone()));
    let nodes = spec.node_count.0.max(1);
    put("nodes", (nodes > 1 || !processes).then(|| nodes.to_string()));
    let limit = spec.constraints.max_wall_clock_time;
    // The published default is longer than most partitions allow; theirs is meant then.
    put("time", (limit != WALL_CLOCK_DEFAULT).then(|| limit.0.div_ceil(60_000).max(1).to_string()));
    if let Some(asked) = spec.demand.part() {
        put("gres", (asked.gpus_milli > 0).then(|| format!("gpu:{}", asked.gpus_milli.div_ceil(1000))));
        put("mem", (asked.memory.0 > 0).then(|| format!("{}M", asked.memory.0.div_ceil(MIB))));
        put("cpus-per-task", (asked.cpus_milli > 0).then(|| asked.cpus_milli.div_ceil(1000).to_string()));
    }
    match spec.toolkit.processes() {
        Some(count) if count > 1 => {
            put("ntasks", Some(count.to_string()));
            put("ntasks-per-node", (nodes > 1).then(|| count.div_ceil(nodes).to_string()));
        }
        _ => put("ntasks-per-node", (!processes).then(|| "1".to_owned())),
    }
    put("nice", (job.priority == Priority::Low).then(|| NICE_LOW.to_string()));
    words.extend(slurm.options.iter().chain(&own.options).cloned());
    words
}

/// Returns the REST service of a cluster; its token is looked for whenever it is needed.
pub fn service<S: Store>(engine: &Engine<S>, rest: &Rest) -> Service {
    let mut token = rest.token.clone().map(|source| Secret { name: "token".to_owned(), source });
    // One that cannot be found is said when the service is asked.
    let _ = secrets::fill(engine, token.as_mut_slice());
    let look = move || {
        let token = token.clone();
        async move {
            match token {
                Some(secret) => source::look_up(&secret.source).await.map(Some),
                None => Ok(None),
            }
        }
        .boxed()
    };
    Service::new(rest.clone(), Arc::new(look))
}

/// Says that the login node of a cluster is out of sight, and why.
pub fn out_of_sight(sched: &Sched, cluster: &Cluster) -> Fault {
    let fault = Fault::remote(format!("the login node of cluster `{}` does not answer", cluster.name));
    let why = sched.nodes_of(cluster.id).find_map(|node| match (&node.state, &node.reach) {
        (NodeState::Unusable(why), _) => Some(why.message.clone()),
        (_, Reach::Lost { why, .. }) => Some(why.clone()),
        (_, Reach::Never | Reach::Seen) => None,
    });
    match why {
        Some(why) => fault.cause(why),
        None => fault.hint("it is being prepared; try again in a moment"),
    }
}

/// Refuses to change how many nodes there are where they are not ours.
///
/// # Errors
/// When Slurm places the cluster's jobs.
pub fn check_ours(cluster: &Cluster) -> Result<(), Fault> {
    match cluster.spec.slurm {
        None => Ok(()),
        Some(_) => {
            Err(Fault::user(format!("cluster `{}` is Slurm's: how many nodes it has is not ours to say", cluster.name))
                .hint("a job's own size is its nodeCount and resources"))
        }
    }
}
