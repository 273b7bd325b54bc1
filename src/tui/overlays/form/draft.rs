//! What is typed into the form of a job, as texts, and what the texts come to. Pure; all faults at once, each with its
//! field, so that the form can say what is wrong in place while it is typed.

use super::more::More;
use crate::model::metric::Metrics;
use crate::model::names::{check_name, check_variable, same_name};
use crate::model::rare::Rare;
use crate::model::spec::job::{Constraints, EnvironmentVariable, JobPreparation, WALL_CLOCK_DEFAULT};
use crate::model::spec::job_file::{COMMAND_BYTES_MAX, JOB_NODES_MAX, PROCESSES_MAX};
use crate::model::spec::toolkit::{Counting, PROCESSES_PER_NODE_MAX};
use crate::model::spec::{
    Code, ContainerSettings, JobSpec, Kept, MountVolumes, Priority, Scheduling, Secret, SlurmSpec, ToolKind, Toolkit,
};
use crate::model::units::{Millis, NodeCount};

/// A field of the form, in the order in which it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The experiment's name.
    Experiment,
    /// The job's name.
    Name,
    /// The cluster's name.
    Cluster,
    /// How many nodes.
    Nodes,
    /// Which framework.
    Kind,
    /// How many processes, of the job or of each node.
    Processes,
    /// The command line.
    Command,
    /// The command line that runs before, on every node.
    Preparation,
    /// Variables, one a line.
    Environment,
    /// The longest time of an attempt.
    Limit,
    /// The priority.
    Priority,
    /// What each node has to give.
    Resources,
    /// File servers.
    Mounts,
    /// The image of its container.
    Image,
    /// The directory of this machine that goes along.
    Code,
    /// Directories to read from.
    Inputs,
    /// Directories to write to.
    Outputs,
    /// Where logs go.
    Logs,
    /// The jobs it comes after.
    After,
    /// Not before.
    Begin,
    /// How often it is tried.
    Attempts,
}

impl Field {
    /// All fields, in order.
    pub const ALL: [Field; 21] = [
        Self::Experiment,
        Self::Name,
        Self::Cluster,
        Self::Nodes,
        Self::Resources,
        Self::Kind,
        Self::Processes,
        Self::Command,
        Self::Preparation,
        Self::Environment,
        Self::Code,
        Self::Limit,
        Self::Priority,
        Self::Mounts,
        Self::Image,
        Self::Inputs,
        Self::Outputs,
        Self::Logs,
        Self::After,
        Self::Begin,
        Self::Attempts,
    ];

    /// Returns the word before the field.
    pub fn label(self) -> &'static str {
        match self {
            Self::Experiment => "experiment",
            Self::Name => "name",
            Self::Cluster => "cluster",
            Self::Nodes => "nodes",
            Self::Kind => "kind",
            Self::Processes => "processes",
            Self::Command => "command",
            Self::Preparation => "preparation",
            Self::Environment => "environment",
            Self::Limit => "time limit",
            Self::Priority => "priority",
            Self::Resources => "resources",
            Self::Mounts => "mounts",
            Self::Image => "image",
            Self::Code => "code",
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
            Self::Logs => "logs to",
            Self::After => "after",
            Self::Begin => "not before",
            Self::Attempts => "attempts",
        }
    }

    /// Returns what may be typed, shown below the field while it has the keys.
    pub fn hint(self, kind: ToolKind) -> &'static str {
        match self {
            Self::Experiment => "the group it belongs to; a new name makes a new one",
            Self::Name => "letters, digits, - or _; empty: made from the experiment's count",
            Self::Cluster => "where it runs",
            Self::Nodes => "all are given at once or none",
            Self::Kind => kind.what(),
            Self::Processes if kind.counting() == Counting::PerNode => "on each node; empty: as many as its devices",
            Self::Processes => "of the whole job; empty: as many as nodes",
            Self::Command if kind.takes_command() => "run by a shell; Enter makes a new line",
            Self::Command => "the script and its arguments; the interpreter is put before it",
            Self::Preparation => "runs on every node before; may be empty",
            Self::Environment => "one NAME=value a line; a value may use $NAME",
            Self::Limit => "90s, 1h30m, 7d; one attempt, preparation included",
            Self::Priority => "of waiting jobs the higher ones start first · ←→",
            Self::Resources => "of each node: gpus=1 cpus=4 memory=16G; empty: the whole node",
            Self::Mounts => "one FILE-SERVER [PATH] a line, below $AZ_BATCHAI_JOB_MOUNT_ROOT",
            Self::Image => "of a container; empty: the node itself",
            Self::Code => "a directory here, sent as it is now; on the node it is $OSTLER_CODE_DIR",
            Self::Inputs => "one ID=path a line; the job has it as $AZ_BATCHAI_INPUT_ID",
            Self::Outputs => "one ID=path a line; the job has it as $AZ_BATCHAI_OUTPUT_ID",
            Self::Logs => "a directory, absolute or with a variable; empty: on its node, where ostler finds them",
            Self::After => "ok:JOB when it has succeeded, any:JOB ended, start:JOB started",
            Self::Begin => "2h from now on, or 2026-12-24T18:00:00Z",
            Self::Attempts => "how often it is tried when it fails; empty: once",
        }
    }

    /// Says whether the field takes more than one line.
    pub fn many_lines(self) -> bool {
        matches!(self, Self::Command | Self::Preparation | Self::Environment | Self::Mounts | Self::Inputs | Self::Outputs)
    }
}

/// The words of priorities, from low to high.
pub const PRIORITIES: [(&str, Priority); 3] =
    [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];

/// All that is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// See [`Field::Experiment`].
    pub experiment: String,
    /// See [`Field::Name`].
    pub name: String,
    /// See [`Field::Cluster`].
    pub cluster: String,
    /// See [`Field::Nodes`].
    pub nodes: String,
    /// See [`Field::Kind`].
    pub kind: ToolKind,
    /// See [`Field::Processes`].
    pub processes: String,
    /// See [`Field::Command`].
    pub command: String,
    /// See [`Field::Preparation`].
    pub preparation: String,
    /// See [`Field::Environment`].
    pub environment: String,
    /// See [`Field::Limit`].
    pub limit: String,
    /// See [`Field::Priority`].
    pub priority: Priority,
    /// What the form has no field for, kept as it came: directories, log prefix, resources.
    pub rest: Rest,
    /// The other fields.
    pub more: More,
}

/// The parts of a job that the form does not show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// The settings of the framework, when they say more than the line and the number of processes.
    pub toolkit: Option<Toolkit>,
    /// See [`JobSpec::code`]; what the field names is put over it.
    pub code: Option<Box<Code>>,
    /// See [`JobSpec::mount_volumes`].
    pub mount_volumes: Rare<MountVolumes>,
    /// See [`JobSpec::container_settings`].
    pub container_settings: Option<Box<ContainerSettings>>,
    /// See [`JobSpec::secrets`].
    pub secrets: Vec<Secret>,
    /// See [`JobSpec::ssh_among_nodes`].
    pub ssh_among_nodes: bool,
    /// See [`JobSpec::slurm`].
    pub slurm: Option<Box<SlurmSpec>>,
    /// See [`JobSpec::scheduling`].
    pub scheduling: Rare<Scheduling>,
    /// See [`JobSpec::metrics`].
    pub metrics: Option<Box<Metrics>>,
    /// What its file said beside all that.
    pub kept: Kept,
}

impl Rest {
    /// Returns the names of what is set, for the line that says that it is kept.
    pub fn names(&self) -> Vec<&'static str> {
        let set = [
            (self.toolkit.is_some(), self.toolkit.as_ref().map_or("", |toolkit| toolkit.kind().key())),
            (!self.mount_volumes.is_empty(), "mountVolumes"),
            (!self.secrets.is_empty(), "secrets"),
            (self.scheduling.array.is_some(), "array"),
            (self.ssh_among_nodes, "sshAmongNodes"),
            (self.slurm.is_some(), "slurm"),
            (self.metrics.is_some(), "metrics"),
        ];
        set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
    }
}

/// What is known around the job: what the form checks names against.
pub struct Surroundings<'a> {
    /// The clusters of the workspace, with their targets.
    pub clusters: Vec<(String, NodeCount)>,
    /// The experiments of the workspace.
    pub experiments: Vec<String>,
    /// Its file servers.
    pub file_servers: Vec<String>,
    /// Jobs that another one may come after, as it names them.
    pub jobs: Vec<String>,
    /// Returns the job of an experiment that has a name already, as it is written there.
    pub taken: &'a dyn Fn(&str, &str) -> Option<String>,
}

impl Surroundings<'_> {
    /// Returns the names that a field can be completed to.
    pub fn names(&self, field: Field) -> Vec<&str> {
        match field {
            Field::Cluster => self.clusters.iter().map(|(name, _)| name.as_str()).collect(),
            Field::Experiment => self.experiments.iter().map(String::as_str).collect(),
            Field::Mounts => self.file_servers.iter().map(String::as_str).collect(),
            Field::After => self.jobs.iter().map(String::as_str).collect(),
            Field::Resources => vec!["gpus=", "cpus=", "memory="],
            Field::Name | Field::Nodes | Field::Kind | Field::Processes | Field::Command => Vec::new(),
            Field::Preparation | Field::Environment | Field::Limit | Field::Priority => Vec::new(),
            Field::Image | Field::Code | Field::Inputs | Field::Outputs | Field::Logs => Vec::new(),
            Field::Begin | Field::Attempts => Vec::new(),
        }
    }

    fn has_experiment(&self, name: &str) -> bool {
        self.experiments.iter().any(|known| same_name(known, name))
    }
}

/// What a complete draft comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The experiment.
    pub experiment: String,
    /// The experiment is not there yet.
    pub new_experiment: bool,
    /// The name, when one was typed.
    pub name: Option<String>,
    /// What to run; its cluster is the one typed.
    pub spec: JobSpec,
}

/// What is wrong with a field.
pub type Complaint = (Field, String);

impl Draft {
    /// Returns the draft of a job like `spec`, without a name.
    pub fn of(spec: &JobSpec) -> Self {
        let kind = spec.toolkit.kind();
        // As many as nodes is what is meant by nothing, and follows the number of nodes when that is changed.
        let said = |count: &u32| kind.counting() != Counting::Total || *count != spec.node_count.0;
        let processes = spec.toolkit.processes().filter(said);
        let typed = Toolkit::of_line(kind, &spec.toolkit.typed_line(), spec.toolkit.processes(), None);
        let more = More::of(spec);
        let environment: Vec<String> =
            spec.environment_variables.iter().map(|v| format!("{}={}", v.name, v.value)).collect();
        Self {
            experiment: String::new(),
            name: String::new(),
            cluster: spec.cluster.clone().unwrap_or_default(),
            nodes: spec.node_count.to_string(),
            kind,
            processes: processes.map(|count| count.to_string()).unwrap_or_default(),
            command: spec.toolkit.typed_line(),
            preparation: spec.job_preparation.as_ref().map(|p| p.command_line.clone()).unwrap_or_default(),
            environment: environment.join("\n"),
            limit: exact(spec.constraints.max_wall_clock_time),
            priority: spec.scheduling_priority,
            rest: Rest {
                toolkit: (typed != spec.toolkit).then(|| spec.toolkit.clone()),
                code: spec.code.clone(),
                mount_volumes: MountVolumes {
                    file_servers: if more.mounts.is_empty() { spec.mount_volumes.file_servers.clone() } else { Vec::new() },
                    ..(*spec.mount_volumes).clone()
                }
                .into(),
                container_settings: spec.container_settings.clone(),
                secrets: spec.secrets.clone(),
                ssh_among_nodes: spec.ssh_among_nodes,
                slurm: spec.slurm.clone(),
                scheduling: Scheduling {
                    after: Vec::new(),
                    after_ok: Vec::new(),
                    after_any: Vec::new(),
                    begin_time: None,
                    ..(*spec.scheduling).clone()
                }
                .into(),
                metrics: spec.metrics.clone(),
                kept: spec.kept.clone(),
            },
            more,
        }
    }

    /// Returns the draft of a first job.
    pub fn first(cluster: String) -> Self {
        Self { cluster, nodes: "1".to_owned(), limit: exact(WALL_CLOCK_DEFAULT), ..Self::default() }
    }

    /// Returns the job, or everything that is wrong, in the order of the fields.
    ///
    /// # Errors
    /// One complaint for each field that is wrong.
    pub fn check(&self, around: &Surroundings<'_>) -> Result<Filled, Vec<Complaint>> {
        let mut wrong = Vec::new();
        let mut keep = |field, result: Result<(), String>| wrong.extend(result.err().map(|what| (field, what)));
        keep(Field::Experiment, check_experiment(self.experiment.trim()));
        keep(Field::Name, check_new_name(self.name.trim(), self.experiment.trim(), around));
        keep(Field::Cluster, check_cluster(self.cluster.trim(), around));
        let nodes = count(self.nodes.trim(), "nodes", JOB_NODES_MAX);
        keep(Field::Nodes, nodes.clone().map(drop));
        let processes = match (self.kind.counting(), self.processes.trim()) {
            (Counting::Fixed, _) | (Counting::Total | Counting::PerNode, "") => Ok(None),
            (Counting::Total, text) => count(text, "processes", PROCESSES_MAX).map(Some),
            (Counting::PerNode, text) => count(text, "processes", PROCESSES_PER_NODE_MAX).map(Some),
        };
        keep(Field::Processes, processes.clone().map(drop));
        keep(Field::Command, check_command(&self.command));
        keep(Field::Preparation, fit(&self.preparation));
        let variables = read_environment(&self.environment);
        keep(Field::Environment, variables.clone().map(drop));
        let limit = read_limit(self.limit.trim());
        keep(Field::Limit, limit.clone().map(drop));
        wrong.extend(self.more.put(&mut self.blank()));
        match (nodes, processes, variables, limit) {
            (Ok(nodes), Ok(processes), Ok(variables), Ok(limit)) if wrong.is_empty() => {
                let new_experiment = !around.has_experiment(self.experiment.trim());
                let spec = self.spec(nodes, processes, variables, limit);
                let faults: Vec<Complaint> = spec
                    .toolkit
                    .faults(nodes)
                    .into_iter()
                    .map(|(key, what)| (field_of(key), format!("{key} {what}")))
                    .collect();
                if !faults.is_empty() {
                    return Err(faults);
                }
                Ok(Filled {
                    experiment: self.experiment.trim().to_owned(),
                    new_experiment,
                    name: Some(self.name.trim().to_owned()).filter(|name| !name.is_empty()),
                    spec,
                })
            }
            _ => Err(wrong),
        }
    }

    fn spec(
        &self,
        nodes: u32,
        processes: Option<u32>,
        environment_variables: Vec<EnvironmentVariable>,
        max_wall_clock_time: Millis,
    ) -> JobSpec {
        let line = self.command.trim_end();
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let mut spec = JobSpec {
            cluster: some(&self.cluster),
            scheduling_priority: self.priority,
            node_count: NodeCount(nodes),
            toolkit: Toolkit::of_line(self.kind, line, processes, self.rest.toolkit.as_ref()),
            job_preparation: some(&self.preparation).map(|command_line| JobPreparation { command_line }),
            environment_variables,
            constraints: Constraints { max_wall_clock_time },
            ..self.blank()
        };
        // It was looked at before.
        let _ = self.more.put(&mut spec);
        spec
    }

    /// Returns a job of what has no field.
    fn blank(&self) -> JobSpec {
        let rest = &self.rest;
        JobSpec {
            ssh_among_nodes: rest.ssh_among_nodes,
            slurm: rest.slurm.clone(),
            code: rest.code.clone(),
            mount_volumes: rest.mount_volumes.clone(),
            container_settings: rest.container_settings.clone(),
            secrets: rest.secrets.clone(),
            scheduling: rest.scheduling.clone(),
            metrics: rest.metrics.clone(),
            kept: rest.kept.clone(),
            ..JobSpec::command(String::new())
        }
    }

    /// Returns the body of what has no field.
    pub fn kept_body(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut map = crate::model::spec::body::job(&self.blank());
        for key in ["cluster", "schedulingPriority", "nodeCount", "constraints", "customToolkitSettings"] {
            map.remove(key);
        }
        map
    }

    /// Returns what a person should know of a field that is not wrong: that the job will wait, that something is made.
    pub fn note(&self, field: Field, around: &Surroundings<'_>) -> Option<String> {
        let (experiment, cluster) = (self.experiment.trim(), self.cluster.trim());
        match field {
            Field::Experiment if check_name(experiment).is_ok() && !around.has_experiment(experiment) => {
                Some("a new experiment, made when the job is submitted".to_owned())
            }
            Field::Nodes => {
                let nodes: u32 = self.nodes.trim().parse().ok()?;
                let (name, target) = around.clusters.iter().find(|(name, _)| same_name(name, cluster))?;
                (nodes > target.0).then(|| format!("{name} has a target of {target}: the job waits until it is scaled up"))
            }
            Field::Experiment | Field::Name | Field::Cluster | Field::Kind | Field::Processes => None,
            Field::Command | Field::Preparation | Field::Environment | Field::Limit | Field::Priority => None,
            Field::Resources | Field::Mounts | Field::Image | Field::Code | Field::Inputs | Field::Outputs => None,
            Field::Logs | Field::After | Field::Begin | Field::Attempts => None,
        }
    }
}

/// Returns the field that a key of the settings is typed in.
fn field_of(key: &str) -> Field {
    match key {
        "commandLine" | "pythonScriptFilePath" | "configFilePath" => Field::Command,
        "processCount" | "processesPerNode" => Field::Processes,
        _ => Field::Kind,
    }
}

/// Returns a duration as a person types it and without loss: in the largest unit that fits.
pub fn exact(span: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.iter().find(|(ms, _)| span.0 >= *ms && span.0.is_multiple_of(*ms)) {
        Some((ms, unit)) => format!("{}{unit}", span.0 / ms),
        None => format!("{}ms", span.0),
    }
}

fn check_experiment(name: &str) -> Result<(), String> {
    check_name(name).map_err(|what| what.replacen("the name", "the experiment's name", 1))
}

fn check_new_name(name: &str, experiment: &str, around: &Surroundings<'_>) -> Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    check_name(name)?;
    match (around.taken)(experiment, name) {
        Some(taken) => Err(format!("there is a job `{taken}` in this experiment already")),
        None => Ok(()),
    }
}

fn check_cluster(name: &str, around: &Surroundings<'_>) -> Result<(), String> {
    if name.is_empty() && around.clusters.len() == 1 {
        return Ok(());
    }
    check_name(name).map_err(|what| what.replacen("the name", "the cluster's name", 1))?;
    if around.clusters.iter().any(|(known, _)| same_name(known, name)) {
        return Ok(());
    }
    let names: Vec<&str> = around.clusters.iter().map(|(name, _)| name.as_str()).take(NAMES_SHOWN_MAX).collect();
    match names.is_empty() {
        true => Err("there is no cluster in this workspace yet".to_owned()),
        false => Err(format!("there is no cluster `{name}`; there are {}", names.join(", "))),
    }
}

/// How many names a message lists: what fits into one line of the form.
const NAMES_SHOWN_MAX: usize = 6;

fn count(text: &str, of: &str, most: u32) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err(format!("a job needs at least 1 of its {of}")),
        Ok(n) if n > most => Err(format!("{n} {of}: the limit is {most}")),
        Ok(n) => Ok(n),
        Err(_) if text.is_empty() => Err(format!("how many {of}?")),
        Err(_) => Err(format!("`{}` is no number of {of}", text.escape_debug())),
    }
}

fn check_command(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("there is nothing to run".to_owned());
    }
    fit(text)
}

fn fit(text: &str) -> Result<(), String> {
    if text.len() > COMMAND_BYTES_MAX {
        return Err(format!("{} bytes; the limit of one command line is {COMMAND_BYTES_MAX}", text.len()));
    }
    no_nul(text)
}

fn no_nul(text: &str) -> Result<(), String> {
    if text.contains('\0') { Err("NUL characters cannot be passed to a shell".to_owned()) } else { Ok(()) }
}

fn read_limit(text: &str) -> Result<Millis, String> {
    match Millis::parse(text)? {
        Millis(0) => Err("a job with no time cannot run".to_owned()),
        limit => Ok(limit),
    }
}

/// Reads `NAME=value` lines; empty ones are passed over.
fn read_environment(text: &str) -> Result<Vec<EnvironmentVariable>, String> {
    let mut variables: Vec<EnvironmentVariable> = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line_number = at + 1;
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("line {line_number}: no `=`; the form is NAME=value"))?;
        let name = name.trim();
        check_variable(name).map_err(|what| format!("line {line_number}: {what}"))?;
        no_nul(value).map_err(|what| format!("line {line_number}: {what}"))?;
        if variables.iter().any(|v| v.name == name) {
            return Err(format!("line {line_number}: `{name}` is there twice"));
        }
        variables.push(EnvironmentVariable { name: name.to_owned(), value: value.to_owned() });
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings<'static> {
        Surroundings {
            clusters: vec![("gpu".to_owned(), NodeCount(2)), ("cpu".to_owned(), NodeCount(8))],
            experiments: vec!["first".to_owned()],
            file_servers: Vec::new(),
            jobs: Vec::new(),
            taken: &|experiment, name| (experiment == "first" && same_name(name, "run-001")).then(|| "run-001".to_owned()),
        }
    }

    fn good() -> Draft {
        Draft { command: "python3 train.py".to_owned(), experiment: "first".to_owned(), ..Draft::first("gpu".to_owned()) }
    }

    #[test]
    fn each_fault_stands_at_its_field() {
        type Break = fn(&mut Draft);
        let cases: &[(&str, Break, Field, &str)] = &[
            ("control character", |d| d.name = "a\u{1b}b".into(), Field::Name, "U+001B at position 2"),
            ("taken, other case", |d| d.name = "RUN-001".into(), Field::Name, "there is a job `run-001`"),
            ("no experiment", |d| d.experiment.clear(), Field::Experiment, "empty"),
            ("unknown cluster", |d| d.cluster = "tpu".into(), Field::Cluster, "there are gpu, cpu"),
            ("no cluster", |d| d.cluster.clear(), Field::Cluster, "empty"),
            ("no nodes", |d| d.nodes = "0".into(), Field::Nodes, "at least 1"),
            ("words for nodes", |d| d.nodes = "two".into(), Field::Nodes, "`two` is no number"),
            ("more than fits", |d| d.nodes = "99999999999".into(), Field::Nodes, "no number"),
            ("nothing to run", |d| d.command = " \n".into(), Field::Command, "nothing to run"),
            ("NUL", |d| d.preparation = "a\0".into(), Field::Preparation, "NUL"),
            ("no =", |d| d.environment = "A=1\nB".into(), Field::Environment, "line 2: no `=`"),
            ("bad variable", |d| d.environment = "x;rm=1".into(), Field::Environment, "line 1: `x;rm`"),
            ("twice", |d| d.environment = "A=1\n\nA=2".into(), Field::Environment, "line 3: `A` is there twice"),
            ("no unit", |d| d.limit = "10".into(), Field::Limit, "no unit"),
            ("no time", |d| d.limit = "0s".into(), Field::Limit, "no time"),
            ("processes", |d| (d.kind, d.processes) = (ToolKind::Mpi, "x".into()), Field::Processes, "`x` is no number"),
        ];
        for (name, break_it, field, what) in cases {
            let mut draft = good();
            break_it(&mut draft);
            let wrong = draft.check(&around()).expect_err(name);
            assert_eq!(wrong.len(), 1, "{name}: {wrong:?}");
            assert!(wrong[0].0 == *field && wrong[0].1.contains(what), "{name}: {wrong:?}");
        }
    }

    #[test]
    fn all_faults_come_at_once() {
        let draft = Draft { experiment: "e".into(), nodes: "x".into(), limit: "x".into(), ..Draft::default() };
        let fields: Vec<Field> = draft.check(&around()).expect_err("all wrong").into_iter().map(|(f, _)| f).collect();
        assert_eq!(fields, [Field::Cluster, Field::Nodes, Field::Command, Field::Limit]);
    }

    #[test]
    fn a_job_comes_back_as_it_was() {
        let spec: JobSpec = serde_json::from_str(
            r#"{"cluster":"gpu","schedulingPriority":"high","nodeCount":4,
                "customMpiSettings":{"commandLine":"./a\n./b","processCount":8},
                "jobPreparation":{"commandLine":"make"},
                "outputDirectories":[{"id":"O","pathPrefix":"/data"}],
                "environmentVariables":[{"name":"LR","value":"0.1 = x"}],
                "constraints":{"maxWallClockTime":5400000}}"#,
        )
        .expect("a spec");
        let draft = Draft { name: " next ".into(), experiment: "second".into(), ..Draft::of(&spec) };
        assert_eq!(draft.limit, "90m");
        assert_eq!((draft.rest.names().len(), draft.more.outputs.as_str()), (0, "O=/data"));
        let filled = Filled { experiment: "second".into(), new_experiment: true, name: Some("next".into()), spec };
        assert_eq!(draft.check(&around()), Ok(filled));
        assert!(draft.note(Field::Experiment, &around()).is_some());
        assert!(draft.note(Field::Nodes, &around()).is_some_and(|note| note.contains("target of 2")));
    }

    #[test]
    fn durations_are_typed_without_loss() {
        for (ms, text) in [(604_800_000, "7d"), (5_400_000, "90m"), (90_000, "90s"), (1500, "1500ms"), (0, "0ms")] {
            assert_eq!(exact(Millis(ms)), text);
            assert_eq!(Millis::parse(text), Ok(Millis(ms)));
        }
    }
}
