//! Owns what all frameworks share: where things are on a node, the variables of the reference (§7), and the log names (§6.8.3).

use crate::frameworks::expand::{Scope, quoted};
use crate::frameworks::mpirun::launcher_environment;
use crate::frameworks::sharing::{self, SHARED_JOB_TEMP};
use crate::frameworks::{Cx, JobNames, MainProcess, container, metrics_file, shell};
use crate::model::fault::Fault;
use crate::model::ids::{Rank, RankRole};
use crate::model::launch::{Launch, NodePlace};
use crate::model::request::{STDOUTERR, TEMP};
use crate::model::spec::JobSpec;
use crate::model::spec::code::{CODE_DIR, Digest};
use crate::model::spec::job::{InputDirectory, OutputDirectory};
use crate::model::state::Job;
use crate::model::state::job::{ARRAY_INDEX, Daemon};

/// The roots of what is mounted: of the cluster, of the job.
pub(super) const MOUNT_ROOTS: [&str; 2] = ["AZ_BATCHAI_MOUNT_ROOT", "AZ_BATCHAI_JOB_MOUNT_ROOT"];

/// Returns where a node has the program that launchers of frameworks call instead of ssh.
pub(super) fn launcher(node: &NodePlace) -> String {
    format!("{}/bin/ostler-launch", node.root)
}

/// Returns where a node has a snapshot of code.
fn code_dir(node: &NodePlace, digest: &Digest) -> String {
    format!("{}/code/{digest}", node.root)
}

/// One attempt of a job as one of its nodes sees it.
pub(super) struct Plan<'a> {
    pub(super) job: &'a Job,
    pub(super) nodes: &'a [NodePlace],
    pub(super) names: &'a JobNames<'a>,
    pub(super) node_index: u32,
}

/// A process before it is placed in directories.
struct Process {
    rank: Rank,
    command: String,
    env: Vec<(String, String)>,
    stdout: String,
    stderr: String,
}

impl Plan<'_> {
    /// Returns the preparation of this node.
    pub(super) fn prepare(&self, slots: &[u32], rank: Rank) -> Result<Launch, Fault> {
        let command = self.job.spec.job_preparation.as_ref().map(|prep| prep.command_line.clone()).unwrap_or_default();
        let suffix = format!("-job_prep{}", self.node_suffix());
        self.launch(slots, Process::new(rank, command, Vec::new(), &suffix))
    }

    /// Returns a main rank.
    pub(super) fn main(&self, slots: &[u32], rank: Rank, main: MainProcess) -> Result<Launch, Fault> {
        let shape = &self.job.shape;
        let mains = u32::try_from(shape.main_nodes.len()).unwrap_or(u32::MAX);
        let suffix = self.job.spec.toolkit.log_suffix(rank.index, mains.saturating_sub(shape.serving));
        self.launch(slots, Process::new(rank, main.command, main.env, &suffix))
    }

    /// Returns a daemon that a launcher asked for. What it says itself goes to `stdout-launch-{node}.txt`; what the job's
    /// processes under it say goes through the launcher to the job's own files.
    pub(super) fn daemon(&self, slots: &[u32], rank: Rank, daemon: &Daemon, asker: MainProcess) -> Result<Launch, Fault> {
        let suffix = format!("-launch-{}", file_word(&self.node().name));
        self.launch(slots, Process::new(rank, daemon.command.clone(), asker.env, &suffix))
    }

    pub(super) fn node(&self) -> &NodePlace {
        &self.nodes[self.node_index as usize]
    }

    /// `-{node}` for log files of which every node of a job has one; nothing with one node.
    pub(super) fn node_suffix(&self) -> String {
        if self.nodes.len() > 1 { format!("-{}", file_word(&self.node().name)) } else { String::new() }
    }

    fn launch(&self, slots: &[u32], process: Process) -> Result<Launch, Fault> {
        let paths = self.paths();
        let directories = self.directories(&paths)?;
        let mut scope = self.base(&paths);
        scope.put("AZ_BATCHAI_STDOUTERR_DIR", &directories.logs);
        for (name, path) in directories.inputs.iter().chain(&directories.outputs) {
            scope.put(name, path);
        }
        for (name, value) in &process.env {
            scope.put(name, value);
        }
        for variable in &self.job.spec.environment_variables {
            scope.put_expanded(&variable.name, &variable.value);
        }
        let measured = self.job.is_measured();
        if measured {
            scope.put("OSTLER_METRICS", format!("{}/{}", directories.logs, metrics_file(self.node_index)));
        }
        let first = self.is_first_on_node(process.rank);
        let sets_up = self.job.shape.sets_up;
        // Where the logs lie on a mount of the job, its set-up could not move them yet.
        let moves = first && (!sets_up || self.on_job_mount(&paths, &directories.logs));
        let wipes = first && !sets_up;
        let mut dirs =
            vec![paths.job_temp.clone(), paths.mounts.clone(), paths.job_mounts.clone(), directories.logs.clone()];
        let shared = self.shared(&paths);
        self.check_shared(shared.as_ref())?;
        let before = format!("{}{}", shared.as_ref().map_or("", |shared| shared.lines()), self.among_lines());
        dirs.extend(shared.filter(|shared| !shared.on_mount).map(|shared| shared.path));
        dirs.extend(directories.outputs.into_iter().map(|(_, path)| path));
        // Where a script finds `ostler metric`.
        let path = match measured {
            true => format!("export PATH={}:\"$PATH\"\n", quoted(&format!("{}/bin", self.node().root))),
            false => String::new(),
        };
        let prepared = self.job.shape.prepares && process.rank.role != RankRole::Prepare;
        Ok(self.inside(Launch {
            node_index: self.node_index,
            shell: self.node().shell.clone(),
            command: format!("{}{}{before}{path}{}", shell::start_up(prepared), scope.exports(), process.command),
            workdir: paths.job_temp.clone(),
            env: scope.literals(),
            secrets: self.job.spec.secrets.clone(),
            wipe: if wipes { vec![self.wiped(&paths)] } else { Vec::new() },
            dirs,
            files: hostfiles(&paths.hostfile, self.nodes, slots, process.command.contains(HYDRA)),
            stdout: format!("{}/{}", directories.logs, process.stdout),
            stderr: format!("{}/{}", directories.logs, process.stderr),
            execution_log: Some(format!("{}/execution{}.log", directories.logs, self.node_suffix())),
            batch: None,
            keep_former: if moves { self.former(&paths, &directories.logs) } else { None },
        }))
    }

    /// Where things of the job are on this node.
    pub(super) fn paths(&self) -> Paths {
        Paths::new(self.node(), &self.job.name, self.names)
    }

    /// Says whether a path is on something that is mounted for the job only.
    pub(super) fn on_job_mount(&self, paths: &Paths, path: &str) -> bool {
        path.starts_with(&format!("{}/", paths.job_mounts))
    }

    /// What the first process on a node that finds the logs has to move. A directory that the user named may be shared by
    /// all nodes; then one of them moves what all wrote.
    pub(super) fn former(&self, paths: &Paths, logs: &str) -> Option<(String, u32)> {
        let own = logs.starts_with(&format!("{}/", self.node().root)) && !self.on_job_mount(paths, logs);
        let moves = self.job.attempt.0 > 1 && (self.node_index == 0 || own);
        moves.then(|| (logs.to_owned(), self.job.attempt.0 - 1))
    }

    /// Returns the folder of the job's logs on this node.
    pub(super) fn log_folder(&self) -> Result<String, Fault> {
        Ok(self.directories(&self.paths())?.logs)
    }

    /// Returns the job's directories on this node by the ids that people name them by.
    pub(super) fn by_id(&self) -> Result<Vec<(String, String)>, Fault> {
        let paths = Paths::new(self.node(), &self.job.name, self.names);
        let directories = self.directories(&paths)?;
        let id = |(variable, path): (String, String)| {
            let id = ["AZ_BATCHAI_INPUT_", "AZ_BATCHAI_OUTPUT_"].iter().find_map(|before| variable.strip_prefix(before));
            (id.unwrap_or(&variable).to_owned(), path)
        };
        let mut found = vec![(STDOUTERR.to_owned(), directories.logs)];
        found.extend(directories.outputs.into_iter().map(id));
        found.extend(directories.inputs.into_iter().map(id));
        found.push((TEMP.to_owned(), paths.job_temp));
        Ok(found)
    }

    /// The variables that every process of a job has on this node and that depend on nothing the user wrote.
    fn base(&self, paths: &Paths) -> Scope {
        let node = self.node();
        let mut scope = Scope::default();
        scope.put("AZ_BATCHAI_MOUNT_ROOT", &paths.mounts);
        scope.put("AZ_BATCHAI_JOB_MOUNT_ROOT", &paths.job_mounts);
        scope.put("AZ_BATCHAI_JOB_TEMP_DIR", &paths.temp_root);
        scope.put("AZ_BATCHAI_JOB_TEMP", &paths.job_temp);
        if let Some(shared) = self.shared(paths) {
            scope.put(SHARED_JOB_TEMP, shared.path);
        }
        scope.put("AZ_BATCHAI_MPI_HOST_FILE", &paths.hostfile);
        if self.nodes.len() > 1 {
            let hosts: Vec<&str> = self.nodes.iter().map(|node| node.address.as_str()).collect();
            scope.put("AZ_BATCH_HOST_LIST", hosts.join(","));
        }
        for (name, value) in launcher_environment(self.nodes, node) {
            scope.put(&name, value);
        }
        scope.put("AZ_BATCHAI_NUM_GPUS", node.gpus.to_string());
        scope.put("AZ_BATCHAI_NUM_GPUS_PER_NODE", node.gpus.to_string());
        if let Some(member) = &self.job.member {
            scope.put(ARRAY_INDEX, member.index.to_string());
            scope.put("OSTLER_ARRAY_COUNT", member.count.to_string());
            scope.put("OSTLER_ARRAY_NAME", &member.name);
        }
        if let Some(digest) = self.job.spec.code.as_ref().and_then(|code| code.digest()) {
            scope.put(CODE_DIR, code_dir(node, digest));
            // What Python would write beside the code, which nobody may change.
            scope.put("PYTHONPYCACHEPREFIX", format!("{}/pycache", paths.job_temp));
        }
        for (name, value) in visible_gpus(node) {
            scope.put(name, value);
        }
        scope.put("AZ_BATCHAI_JOB_MASTER_NODE_IP", self.nodes.first().map_or("", |first| first.address.as_str()));
        // Where the processes of today's launchers meet.
        let cx = Cx { spec: &self.job.spec, nodes: self.nodes, job: self.job.id, attempt: self.job.attempt, shared: None };
        scope.put("MASTER_ADDR", cx.master());
        scope.put("MASTER_PORT", cx.port().to_string());
        let contained = self.job.spec.container_settings.is_some();
        scope.put("OSTLER_SHELL", if contained { container::SHELL } else { node.shell.as_str() });
        scope
    }

    /// Resolves all paths of the job. They may refer to the variables of the reference and to the job's own.
    pub(super) fn directories(&self, paths: &Paths) -> Result<Directories, Fault> {
        let spec = &self.job.spec;
        let mut scope = self.base(paths);
        for variable in &spec.environment_variables {
            scope.put_expanded(&variable.name, &variable.value);
        }
        let resolve = |field: &str, path: &str| {
            let full = scope.expand(path).map_err(|name| unknown_name(field, path, name))?;
            if full.starts_with('/') { Ok(trimmed(&full)) } else { Err(not_absolute(field, path)) }
        };
        let segment = &self.job.segment();
        let prefix = match &spec.std_out_err_path_prefix {
            Some(prefix) => resolve("stdOutErrPathPrefix", prefix)?,
            None => format!("{}/logs", self.node().root),
        };
        let mut found = Directories { logs: format!("{prefix}/{segment}/stdouterr"), inputs: vec![], outputs: vec![] };
        for (at, InputDirectory { id, path }) in spec.input_directories.iter().enumerate() {
            let path = resolve(&format!("inputDirectories[{at}].path"), path)?;
            found.inputs.push((format!("AZ_BATCHAI_INPUT_{id}"), path));
        }
        for (at, OutputDirectory { id, path_prefix, path_suffix }) in spec.output_directories.iter().enumerate() {
            let prefix = resolve(&format!("outputDirectories[{at}].pathPrefix"), path_prefix)?;
            let mut path = format!("{prefix}/{segment}/outputs");
            if let Some(suffix) = path_suffix.as_deref().map(|suffix| suffix.trim_matches('/')).filter(|s| !s.is_empty()) {
                path = format!("{path}/{suffix}");
            }
            found.outputs.push((format!("AZ_BATCHAI_OUTPUT_{id}"), path));
        }
        Ok(found)
    }

    /// A job that has the node for itself empties the temp directories of all former jobs; one that shares it, its own.
    pub(super) fn wiped(&self, paths: &Paths) -> String {
        match self.job.spec.demand.part() {
            // One spool for all nodes, with the temp directories of all jobs.
            _ if self.job.shape.handed => paths.job_temp.clone(),
            None => paths.temp_root.clone(),
            Some(_) => paths.job_temp.clone(),
        }
    }

    /// Says whether no other process of the attempt but its set-up runs, or ran, on this node before this rank.
    fn is_first_on_node(&self, rank: Rank) -> bool {
        let prepares = self.job.shape.prepares;
        let mut mains = self.job.shape.main_nodes.iter().enumerate().filter(|(_, node)| **node == self.node_index);
        match rank.role {
            RankRole::Prepare => true,
            RankRole::Setup | RankRole::Cleanup => false,
            RankRole::Main => !prepares && mains.next().is_none_or(|(index, _)| index == rank.index as usize),
            RankRole::Daemon => {
                let here = self.job.last.nodes.get(self.node_index as usize);
                let earlier = self.job.last.ranks.iter().any(|(other, run)| {
                    other.role == RankRole::Daemon && other.index < rank.index && Some(&run.node) == here
                });
                !prepares && mains.next().is_none() && !earlier
            }
        }
    }
}

impl Process {
    fn new(rank: Rank, command: String, env: Vec<(String, String)>, suffix: &str) -> Self {
        Self { rank, command, env, stdout: format!("stdout{suffix}.txt"), stderr: format!("stderr{suffix}.txt") }
    }
}

/// Where things of one job are on one node; all below the node's spool.
pub(super) struct Paths {
    temp_root: String,
    pub(super) job_temp: String,
    hostfile: String,
    pub(super) mounts: String,
    pub(super) job_mounts: String,
}

pub(super) struct Directories {
    pub(super) logs: String,
    pub(super) inputs: Vec<(String, String)>,
    pub(super) outputs: Vec<(String, String)>,
}

impl Paths {
    fn new(node: &NodePlace, job: &str, names: &JobNames<'_>) -> Self {
        let root = &node.root;
        let place = format!("{}/{}/{job}", names.workspace, names.experiment);
        Self {
            temp_root: format!("{root}/temp"),
            job_temp: format!("{root}/temp/{place}"),
            hostfile: format!("{root}/temp/{place}/hostfile"),
            mounts: format!("{root}/mounts/cluster"),
            job_mounts: format!("{root}/mounts/jobs/{place}"),
        }
    }
}

/// How a command line calls the hostfile in Hydra's form, which is written for those that name it: a file costs a short job a part of
/// what it takes.
const HYDRA: &str = "AZ_BATCHAI_MPI_HOST_FILE.hydra";

/// The hostfile in Open MPI's form, and beside it the same in Hydra's if it is asked for. One line per address: Open MPI refuses a host that is
/// listed twice with slots, and two nodes of a cluster may be one machine.
fn hostfiles(path: &str, nodes: &[NodePlace], slots: &[u32], hydra: bool) -> Vec<(String, String, bool)> {
    let mut lines: Vec<(&str, u32)> = Vec::new();
    for (node, slots) in nodes.iter().zip(slots) {
        match lines.iter_mut().find(|(address, _)| *address == node.address) {
            Some((_, sum)) => *sum = sum.saturating_add(*slots),
            None => lines.push((&node.address, *slots)),
        }
    }
    let open = lines.iter().map(|(address, slots)| format!("{address} slots={slots}\n")).collect();
    let mut files = vec![(path.to_owned(), open, false)];
    if hydra {
        let text = lines.iter().map(|(address, slots)| format!("{address}:{slots}\n")).collect();
        files.push((format!("{path}.hydra"), text, false));
    }
    files
}

/// What keeps a job that shares its node to the GPUs that are its own: CUDA's and ROCm's lists of numbers. An empty list
/// hides all. A job that has the node for itself sees all of them.
fn visible_gpus(node: &NodePlace) -> Vec<(&'static str, String)> {
    let Some(shares) = &node.gpu_shares else { return Vec::new() };
    let list = shares.iter().map(|share| share.index.to_string()).collect::<Vec<_>>().join(",");
    ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"].map(|name| (name, list.clone())).to_vec()
}

/// A node's name as a part of a file name.
pub(super) fn file_word(name: &str) -> String {
    name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect()
}

fn trimmed(path: &str) -> String {
    let path = path.trim_end_matches('/');
    path.to_owned()
}

fn unknown_name(field: &str, path: &str, name: &str) -> Fault {
    Fault::user(format!("{field}: `{path}` refers to `${name}`, whose value is not known before the job runs"))
        .hint("give an absolute path, or use a variable of environmentVariables or one of AZ_BATCHAI_…")
}

fn not_absolute(field: &str, path: &str) -> Fault {
    Fault::user(format!("{field}: `{path}` is not an absolute path on the node"))
}

/// See [`super::check`].
pub(super) fn check(spec: &JobSpec, shared: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, what) in spec.toolkit.faults(spec.node_count.0) {
        let dot = if key.is_empty() { "" } else { "." };
        faults.push(Fault::user(format!("{}{dot}{key}: {what}", spec.toolkit.kind().key())));
    }
    if !shared {
        faults.extend(sharing::check(spec));
    }
    for (field, path) in paths(spec) {
        faults.extend(check_path(spec, shared, &field, path));
    }
    faults
}

fn check_path(spec: &JobSpec, shared: bool, field: &str, path: &str) -> Option<Fault> {
    let mut scope = Scope::default();
    for name in
        MOUNT_ROOTS.iter().chain(&["AZ_BATCHAI_JOB_TEMP_DIR", "AZ_BATCHAI_JOB_TEMP", "AZ_BATCHAI_JOB_MASTER_NODE_IP"])
    {
        scope.put(name, "/x");
    }
    for name in ["AZ_BATCHAI_MPI_HOST_FILE", "AZ_BATCHAI_NUM_GPUS", "AZ_BATCHAI_NUM_GPUS_PER_NODE", "AZ_BATCH_HOST_LIST"] {
        scope.put(name, "x");
    }
    if shared {
        scope.put(SHARED_JOB_TEMP, "/x");
    }
    for variable in &spec.environment_variables {
        scope.put_expanded(&variable.name, &variable.value);
    }
    match scope.expand(path) {
        // What refers to the shared directory has been told so already.
        Err(SHARED_JOB_TEMP) => None,
        Err(name) => Some(unknown_name(field, path, name)),
        Ok(full) if !full.starts_with('/') => Some(not_absolute(field, path)),
        Ok(_) => None,
    }
}

/// Every text of a job that may refer to a variable, with the name of its field.
pub(super) fn texts(spec: &JobSpec) -> Vec<(String, &str)> {
    let key = spec.toolkit.kind().key();
    let mut found: Vec<(String, &str)> =
        spec.toolkit.texts().into_iter().map(|(name, text)| (format!("{key}.{name}"), text)).collect();
    found.extend(spec.job_preparation.iter().map(|p| ("jobPreparation.commandLine".to_owned(), p.command_line.as_str())));
    let variables = spec.environment_variables.iter().enumerate();
    found.extend(variables.map(|(at, v)| (format!("environmentVariables[{at}].value"), v.value.as_str())));
    found.extend(paths(spec));
    found
}

pub(super) fn paths(spec: &JobSpec) -> Vec<(String, &str)> {
    let mut found: Vec<(String, &str)> = Vec::new();
    found.extend(spec.std_out_err_path_prefix.iter().map(|p| ("stdOutErrPathPrefix".to_owned(), p.as_str())));
    let inputs = spec.input_directories.iter().enumerate();
    found.extend(inputs.map(|(at, d)| (format!("inputDirectories[{at}].path"), d.path.as_str())));
    let outputs = spec.output_directories.iter().enumerate();
    found.extend(outputs.map(|(at, d)| (format!("outputDirectories[{at}].pathPrefix"), d.path_prefix.as_str())));
    found
}
