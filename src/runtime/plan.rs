//! What a job would come to, without running or keeping anything: the checks of a submission and the launch plan of a
//! start, on the nodes that are there, or on stand-ins.

use std::sync::Arc;

use uuid::Uuid;

use crate::frameworks;
use crate::model::fault::Fault;
use crate::model::ids::{Attempt, ClusterId, ExperimentId, JobId, Rank, RankKey, RankRole, WorkspaceId};
use crate::model::launch::NodePlace;
use crate::model::plan::{Estimate, JobPlan, PLAN_PROCESSES_MAX, PlanMount, PlanNode, PlanProcess};
use crate::model::request::{Place, Reply, Submit};
use crate::model::resource_id::ResourceId;
use crate::model::spec::mounts::NO_MOUNTS;
use crate::model::spec::{JobSpec, MountVolumes, ProviderSpec, SecretSource};
use crate::model::state::{Cluster, DEFAULT_GROUP, ExecutionState, Job, Node, NodeState};
use crate::model::units::{Money, UnixMillis};
use crate::model::volume::Volume;
use crate::runtime::engine::Engine;
use crate::runtime::validate::{Checked, Refusal};
use crate::runtime::{handover, resolve, submit, volumes};
use crate::sched::NewJob;
use crate::slurm;
use crate::store::Store;

/// The name of a workspace or experiment in a plan when there is none yet.
const UNNAMED: &str = "default";

/// What a plan says where no node shows that it shares a directory with another.
const NOT_SHARED: &str = "AZ_BATCHAI_SHARED_JOB_TEMP is not set: the nodes are not known to share a directory; mount a file server, \
                          or let their homes be on one file system";

/// Plans a job. What a submission would refuse is refused, unless `stand_ins`: then it is a note, and what is missing is
/// stood in for.
///
/// # Errors
/// What a submission would be refused for; with `stand_ins`, that a cluster was named that is not there, or that paths
/// cannot be resolved.
pub fn check<S: Store>(
    engine: &mut Engine<S>,
    now: UnixMillis,
    submit: Submit,
    stand_ins: bool,
) -> Result<Checked, Refusal> {
    let mut notes = Vec::new();
    let cluster = cluster_of(engine, &submit, stand_ins, &mut notes)?;
    match submit::check(engine, vec![submit.clone()]) {
        Ok(_) => {}
        Err(Refusal::Fault(fault)) if stand_ins => {
            notes.push(format!("as it is, it would be refused: {}", fault.message));
            notes.extend(fault.causes);
        }
        Err(refusal) => return Err(refusal),
    }
    if let Some(code) = &submit.spec.code {
        notes.push(format!("its code: {}", code.words()));
    }
    let names = names_of(engine, &submit, &mut notes);
    let job = job_of(&submit, &names, cluster.as_deref(), now);
    if let Some(cluster) = cluster.as_ref().filter(|cluster| cluster.spec.slurm.is_some()) {
        return handed(engine, cluster, &job, &names, notes);
    }
    let (nodes, places) = nodes_of(engine, cluster.as_deref(), &job.spec, stand_ins, &mut notes);
    if let Some(cluster) = &cluster {
        notes.extend(capacity_note(cluster, &job.spec));
    }
    let volumes = volumes_of(engine, &job, &mut notes);
    let cluster_mounts = cluster.as_ref().map_or(&NO_MOUNTS, |cluster| cluster.spec.mounts());
    if !frameworks::is_shared(&job.spec, cluster_mounts, places.iter().map(|place| place.share.as_str())) {
        notes.push(NOT_SHARED.to_owned());
    }
    let (processes, process_count) =
        processes(&job, &places, &names, cluster_mounts, &volumes, &engine.settings.container_runtimes)?;
    let mounts = mounts(&job.spec, cluster.as_deref(), &processes);
    notes.extend(later_processes(&job));
    let estimate = cluster.as_ref().map(|cluster| estimate(engine, now, cluster, &job));
    Ok(Checked::Reply(Reply::Plan(Box::new(JobPlan {
        name: job.name.to_string(),
        workspace: names.workspace,
        experiment: names.experiment,
        cluster: cluster.map(|cluster| cluster.name.clone()),
        tool_type: job.spec.toolkit.tool_type().to_owned(),
        node_count: job.spec.node_count.0,
        nodes,
        mounts,
        processes,
        process_count,
        script: None,
        estimate,
        notes,
    }))))
}

/// When it would start, by the same forecast that waiting jobs are told.
fn estimate<S: Store>(engine: &Engine<S>, now: UnixMillis, cluster: &Cluster, job: &Job) -> Estimate {
    let (starts, mut waits_for) = engine.sched.what_if(now, cluster.id, job);
    let scheduling = &job.spec.scheduling;
    let later = scheduling.begin_time.map(|begin| begin.of(now)).filter(|begin| *begin > now);
    let waited = [&scheduling.after, &scheduling.after_ok, &scheduling.after_any];
    let dependencies: usize = waited.iter().map(|jobs| jobs.len()).sum();
    let starts = match dependencies {
        0 => starts.map(|starts| later.map_or(starts, |later| later.max(starts))),
        _ => None,
    };
    if dependencies > 0 {
        let jobs = if dependencies == 1 {
            "the job it comes after".to_owned()
        } else {
            format!("{dependencies} jobs it comes after")
        };
        waits_for = format!("{jobs}; then {waits_for}");
    }
    let each = engine.sched.price(cluster).over(job.spec.constraints.max_wall_clock_time).0;
    let cost = Money(each.saturating_mul(i64::from(job.spec.node_count.0)));
    Estimate {
        starts_now: dependencies == 0 && starts.is_some_and(|starts| starts <= now),
        starts,
        waits_for,
        cost_most: Some(cost).filter(|cost| cost.0 > 0),
    }
}

/// The plan of a job that Slurm places: the script that `sbatch` gets.
fn handed<S: Store>(
    engine: &Engine<S>,
    cluster: &Cluster,
    job: &Job,
    names: &Names,
    mut notes: Vec<String>,
) -> Result<Checked, Refusal> {
    let known = engine.sched.nodes_of(cluster.id).find_map(|node| Some(NodePlace::of(&node.name, node.facts.as_ref()?)));
    if known.is_none() {
        notes.push(format!("the login node of `{}` has not answered yet; its paths are examples", cluster.name));
    }
    let door = known.unwrap_or_else(|| stand_in(0, None));
    let runtimes = &engine.settings.container_runtimes;
    let (workspace, experiment) = (names.workspace.as_str(), names.experiment.as_str());
    let of = frameworks::JobNames { workspace, experiment, cluster_mounts: &NO_MOUNTS, volumes: &[], runtimes, among: None };
    let launch = handover::launch(job, cluster, &door, &of)?;
    let key = RankKey { job: job.id, attempt: job.attempt, rank: Rank::main(0) };
    let script = slurm::text(&door.root, key, &launch).map_err(Fault::user)?;
    if job.spec.demand.part().is_none() {
        notes.push("it says nothing of its resources: each node gives it what the partition gives by default".to_owned());
    }
    Ok(Checked::Reply(Reply::Plan(Box::new(JobPlan {
        name: job.name.to_string(),
        workspace: names.workspace.clone(),
        experiment: names.experiment.clone(),
        cluster: Some(cluster.name.clone()),
        tool_type: job.spec.toolkit.tool_type().to_owned(),
        node_count: job.spec.node_count.0,
        nodes: vec![PlanNode {
            name: door.name.clone(),
            address: door.address.clone(),
            stand_in: false,
            gives: String::new(),
        }],
        mounts: Vec::new(),
        processes: Vec::new(),
        process_count: 1,
        script: Some(script),
        estimate: None,
        notes,
    }))))
}

/// The names that a plan's paths are made of.
struct Names {
    home: WorkspaceId,
    group: String,
    workspace: String,
    experiment: String,
}

/// Finds the cluster. One that was typed has to be there; the one that a file names may be far away.
fn cluster_of<S: Store>(
    engine: &Engine<S>,
    submit: &Submit,
    stand_ins: bool,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Cluster>>, Fault> {
    let typed = submit.cluster.name.is_some() && submit.cluster.name != submit.spec.cluster;
    let place = Place {
        workspace: submit.cluster.workspace.clone().or_else(|| submit.experiment.workspace.clone()),
        name: submit.cluster.name.clone().or_else(|| submit.spec.cluster.clone()),
    };
    match resolve::cluster(&engine.sched, &place) {
        Ok(cluster) => Ok(Some(cluster.clone())),
        Err(fault) if typed || !stand_ins => Err(fault),
        Err(fault) => {
            notes.push(format!("{}; stand-ins are used for nodes", fault.message));
            Ok(None)
        }
    }
}

fn names_of<S: Store>(engine: &Engine<S>, submit: &Submit, notes: &mut Vec<String>) -> Names {
    let sched = &engine.sched;
    match resolve::experiment(sched, &submit.experiment) {
        Ok(experiment) => Names {
            home: experiment.workspace,
            group: resolve::group_name_of(sched, experiment.workspace).to_owned(),
            workspace: resolve::workspace_name(sched, experiment.workspace).to_owned(),
            experiment: experiment.name.clone(),
        },
        Err(_) => {
            let plain = |name: &Option<String>| {
                name.as_deref().filter(|name| crate::model::names::check_name(name).is_ok()).unwrap_or(UNNAMED).to_owned()
            };
            let names = Names {
                home: WorkspaceId(0),
                group: DEFAULT_GROUP.to_owned(),
                workspace: plain(&submit.experiment.workspace),
                experiment: plain(&submit.experiment.name),
            };
            notes.push(format!("there is no experiment `{}` in `{}` yet", names.experiment, names.workspace));
            names
        }
    }
}

/// Makes the job that a submission would make, in its first attempt.
fn job_of(submit: &Submit, names: &Names, cluster: Option<&Cluster>, now: UnixMillis) -> Job {
    let name = submit.name.clone().unwrap_or_else(|| "run-001".to_owned());
    let uuid = Uuid::nil();
    let new = NewJob {
        experiment: ExperimentId(0),
        cluster: cluster.map_or(ClusterId(0), |cluster| cluster.id),
        segment: ResourceId::segment(&names.group, &names.workspace, &names.experiment, &name, uuid),
        name,
        uuid,
        spec: Arc::new(submit.spec.clone()),
        shape: match cluster.is_some_and(|cluster| cluster.spec.slurm.is_some()) {
            true => frameworks::shape(&submit.spec).handed_over(),
            false => frameworks::shape(&submit.spec),
        },
        token: None,
        dependencies: Vec::new(),
        member: None,
        sweep: None,
    };
    let mut job = new.row(JobId(0), names.home, now);
    (job.state, job.attempt, job.pause) = (ExecutionState::Running, Attempt(1), None);
    job.last.started = Some(now);
    job
}

/// Takes the nodes that would be given first, as far as there are any that said what they are.
fn nodes_of<S: Store>(
    engine: &Engine<S>,
    cluster: Option<&Cluster>,
    spec: &JobSpec,
    stand_ins: bool,
    notes: &mut Vec<String>,
) -> (Vec<PlanNode>, Vec<NodePlace>) {
    let wanted = spec.node_count.0 as usize;
    let mut there: Vec<&Arc<Node>> = engine
        .sched
        .nodes()
        .values()
        .filter(|node| cluster.is_some_and(|cluster| node.cluster == cluster.id) && node.facts.is_some())
        .collect();
    let offers = cluster.map(|cluster| engine.sched.offers(cluster.id, spec)).unwrap_or_default();
    let offered = |node: &Node| offers.iter().position(|(id, _)| *id == node.id);
    there.sort_by_key(|node| (offered(node).unwrap_or(usize::MAX), distance_from_use(&node.state), node.id));
    let place = |node: &&Arc<Node>| {
        let place = NodePlace::of(&node.name, node.facts.as_ref()?);
        // On a node that has no room now the GPUs are those that nobody knows yet.
        let gpus = offered(node).and_then(|at| offers.get(at)?.1.clone());
        Some(match (spec.demand.part(), gpus) {
            (Some(asked), Some(gpus)) => place.shared(asked, gpus),
            (_, _) => place,
        })
    };
    let mut places: Vec<NodePlace> = there.iter().take(wanted).filter_map(place).collect();
    if cluster.is_some() && offers.len() < wanted && places.len() == wanted && spec.demand.part().is_some() {
        notes.push(format!(
            "{} of {wanted} nodes have room for it now; which GPUs it gets is known when it starts",
            offers.len()
        ));
    }
    let known = places.len();
    if known < wanted {
        let (missing, of) = (wanted - known, cluster.map_or("", |cluster| &cluster.name));
        if cluster.is_some() && stand_ins {
            notes.push(format!("of {wanted} nodes of `{of}`, {known} are known; stand-ins: {missing}"));
        }
        let like = places.first().cloned();
        places.extend((known..wanted).map(|at| stand_in(at, like.as_ref())));
    }
    let node = |(at, place): (usize, &NodePlace)| PlanNode {
        name: place.name.clone(),
        address: place.address.clone(),
        stand_in: at >= known,
        gives: gives(spec, place),
    };
    (places.iter().enumerate().map(node).collect(), places)
}

/// Says what a job has of a node that asks for a part of one.
fn gives(spec: &JobSpec, place: &NodePlace) -> String {
    let Some(asked) = spec.demand.part() else { return String::new() };
    let gpus = place.gpu_shares.as_deref().unwrap_or_default();
    let each = gpus.iter().map(|gpu| match gpu.milli {
        1000 => format!("GPU {}", gpu.index),
        milli => format!("{} of GPU {}", crate::model::spec::job::thousandths(milli), gpu.index),
    });
    let each: Vec<_> = each.collect();
    if each.is_empty() { format!("({asked})") } else { format!("({asked}: {})", each.join(", ")) }
}

fn distance_from_use(state: &NodeState) -> u8 {
    match state {
        NodeState::Idle => 0,
        NodeState::Running => 1,
        NodeState::Preparing => 2,
        NodeState::Allocating => 3,
        NodeState::Unusable(_) => 4,
        NodeState::Leaving => 5,
    }
}

/// A node that is not there, alike the first that is; else with a root, shell and address that say what they are
/// (addresses of RFC 2544, which no network has).
fn stand_in(at: usize, like: Option<&NodePlace>) -> NodePlace {
    let name = format!("stand-in-{}", at + 1);
    let plain = NodePlace {
        root: format!("/var/tmp/ostler-node/{name}"),
        shell: "/bin/bash".to_owned(),
        user: "user".to_owned(),
        cpus: 1,
        ..NodePlace::default()
    };
    let address = format!("198.18.{}.{}", (at + 1) / 256, (at + 1) % 256);
    NodePlace { name, address, ..like.cloned().unwrap_or(plain) }
}

/// Says when the cluster, as it is set, can never have as many nodes as the job asks for.
fn capacity_note(cluster: &Cluster, spec: &JobSpec) -> Option<String> {
    let (wanted, name) = (spec.node_count.0, &cluster.name);
    let nodes = if wanted == 1 { "1 node".to_owned() } else { format!("{wanted} nodes") };
    if let ProviderSpec::Hosts { hosts } = &cluster.spec.provider
        && hosts.len() < wanted as usize
    {
        return Some(format!("it asks for {nodes}, and `{name}` has {} hosts: it would wait for good", hosts.len()));
    }
    let target = cluster.spec.scale_settings.target().0;
    (target < wanted)
        .then(|| format!("it asks for {nodes}, and `{name}` has a target of {target}: it waits until that grows"))
}

/// What the job mounts, as accounts and file servers are now; what cannot be found is a note, and its steps are left out.
fn volumes_of<S: Store>(engine: &Engine<S>, job: &Job, notes: &mut Vec<String>) -> Vec<Volume> {
    match volumes::resolve(&engine.sched, &engine.settings, job.workspace, &job.spec.mount_volumes) {
        Ok(found) => found,
        Err(faults) => {
            for fault in faults {
                if !notes.iter().any(|note| note.contains(&fault.message)) {
                    notes.push(format!("{}; the steps that mount are left out", fault.message));
                }
            }
            Vec::new()
        }
    }
}

/// Makes every process that is known beforehand.
fn processes(
    job: &Job,
    places: &[NodePlace],
    names: &Names,
    cluster_mounts: &MountVolumes,
    volumes: &[Volume],
    runtimes: &[String],
) -> Result<(Vec<PlanProcess>, u32), Fault> {
    let of = |role, count: usize| (0..count).map(move |at| Rank { role, index: u32::try_from(at).unwrap_or(u32::MAX) });
    let nodes = places.len();
    let (set_up, prepared) = (if job.shape.sets_up { nodes } else { 0 }, if job.shape.prepares { nodes } else { 0 });
    let ranks: Vec<Rank> = of(RankRole::Setup, set_up)
        .chain(of(RankRole::Prepare, prepared))
        .chain(of(RankRole::Main, job.shape.main_nodes.len()))
        .chain(of(RankRole::Cleanup, set_up))
        .collect();
    let (workspace, experiment) = (names.workspace.as_str(), names.experiment.as_str());
    // The key itself is made for each attempt.
    let among = frameworks::AmongKey { private: SecretSource::Prompt, public: "ssh-ed25519 KEY-OF-THE-ATTEMPT".to_owned() };
    let among = Some(&among);
    let names = frameworks::JobNames { workspace, experiment, cluster_mounts, volumes, runtimes, among };
    let mut found = Vec::new();
    for rank in ranks.iter().take(PLAN_PROCESSES_MAX) {
        let launch = frameworks::launch(job, places, *rank, None, &names)?;
        let secrets = launch.secrets.iter().map(|secret| secret.name.clone()).collect();
        found.push(PlanProcess { rank: rank.to_string(), node: launch.node_index, secrets, launch });
    }
    Ok((found, u32::try_from(ranks.len()).unwrap_or(u32::MAX)))
}

fn mounts(spec: &JobSpec, cluster: Option<&Cluster>, processes: &[PlanProcess]) -> Vec<PlanMount> {
    let variable = |name: &str| {
        let env = processes.iter().find(|p| p.node == 0).map(|process| &process.launch.env);
        let found = env.and_then(|env| env.iter().find(|(known, _)| known == name));
        found.map_or_else(|| format!("${name}"), |(_, value)| value.clone())
    };
    let mut found = Vec::new();
    if let Some(setup) = cluster.and_then(|cluster| cluster.spec.node_setup.as_ref()) {
        level(&setup.mount_volumes, "cluster", &variable("AZ_BATCHAI_MOUNT_ROOT"), &mut found);
    }
    level(&spec.mount_volumes, "job", &variable("AZ_BATCHAI_JOB_MOUNT_ROOT"), &mut found);
    found
}

fn level(volumes: &MountVolumes, level: &str, root: &str, found: &mut Vec<PlanMount>) {
    let mut put = |kind: &str, source: String, at: &str, options: Option<String>| {
        let path = format!("{root}/{at}");
        found.push(PlanMount { level: level.to_owned(), kind: kind.to_owned(), source, path, options });
    };
    for server in &volumes.file_servers {
        let below = server.source_directory.as_ref().map(|below| format!(":{below}")).unwrap_or_default();
        let options = server.mount_options.clone();
        put("fileServers", format!("{}{below}", server.file_server), &server.relative_mount_path, options);
    }
    for share in &volumes.azure_file_shares {
        put("azureFileShares", share.azure_file_url.clone(), &share.relative_mount_path, None);
    }
    for blob in &volumes.azure_blob_file_systems {
        let source = format!("{}/{}", blob.account_name, blob.container_name);
        put("azureBlobFileSystems", source, &blob.relative_mount_path, blob.mount_options.clone());
    }
    for other in &volumes.unmanaged_file_systems {
        put("unmanagedFileSystems", other.mount_command.clone(), &other.relative_mount_path, None);
    }
}

/// Says what starts only while the job runs, so that nobody misses it in the list.
fn later_processes(job: &Job) -> Option<String> {
    let nodes = job.spec.node_count.0 as usize;
    let mut with_main: Vec<u32> = job.shape.main_nodes.clone();
    with_main.sort_unstable();
    with_main.dedup();
    (with_main.len() < nodes && job.spec.toolkit.tool_type() != "custom").then(|| {
        "what runs on the other nodes is started by the launcher (mpirun and its like) through ostler, with the same \
         variables"
            .to_owned()
    })
}
