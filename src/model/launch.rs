//! What exactly runs: the result of a framework's launch plan, with every path and variable resolved. Nothing of it is
//! expanded again on the node but the command line, which a shell of the node runs.

use serde::{Deserialize, Serialize, Serializer};

use crate::model::spec::{Resources, Secret};
use crate::model::state::Facts;
use crate::model::units::Bytes;

/// What a framework has to know of one node of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePlace {
    /// The node's name on screens.
    pub name: String,
    /// The address at which the attempt's other nodes reach it.
    pub address: String,
    /// The absolute path of the node's spool.
    pub root: String,
    /// The absolute path of the shell that runs command lines.
    pub shell: String,
    /// The login name that jobs run under.
    pub user: String,
    /// CPUs: of the node, or those that the job asked for when it has a part of it.
    pub cpus: u32,
    /// GPUs, likewise; a part of one counts as one.
    pub gpus: u32,
    /// The GPUs that are the job's when it has a part of the node; `None` when it has the node for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_shares: Option<Vec<GpuShare>>,
    /// As in its facts: nodes with the same word share the folder that their spools lie in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub share: String,
    /// Main memory of the node.
    #[serde(default)]
    pub memory: Bytes,
    /// The operating system of the node in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub os: String,
}

/// A GPU, or a part of one, that is given to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuShare {
    /// Its number on the node, as the vendor's tools count.
    pub index: u32,
    /// Thousandths of it.
    pub milli: u64,
}

impl NodePlace {
    /// Returns the same place for a job that has a part of the node: what it asked for, and these GPUs.
    pub fn shared(self, asked: &Resources, gpus: Vec<GpuShare>) -> Self {
        let asked_cpus = u32::try_from(asked.cpus_milli / 1000).unwrap_or(u32::MAX);
        let cpus = if asked.cpus_milli > 0 { asked_cpus.clamp(1, self.cpus) } else { self.cpus };
        let count = u32::try_from(gpus.len()).unwrap_or(u32::MAX);
        Self { cpus, gpus: count, gpu_shares: Some(gpus), ..self }
    }

    /// Returns what a framework has to know of a node that has said its facts.
    pub fn of(name: &str, facts: &Facts) -> Self {
        let whole = |milli: u64| u32::try_from(milli / 1000).unwrap_or(u32::MAX);
        Self {
            name: name.to_owned(),
            address: facts.address.clone(),
            root: facts.root.clone(),
            shell: facts.shell.clone(),
            user: facts.user.clone(),
            cpus: whole(facts.capacity.cpus_milli).max(1),
            gpus: whole(facts.capacity.gpus_milli),
            gpu_shares: None,
            share: facts.share.clone(),
            memory: facts.capacity.memory,
            os: facts.os.clone(),
        }
    }
}

/// The lines before a command line by which a bash reads `~/.bashrc`, in two parts between which more may be read; other shells pass
/// over them, and so does a bash without the file. What such a file may change for a person's comfort must not change how the
/// command line is read.
pub const START_UP: [&str; 2] = [
    r#"if [ -n "${BASH_VERSION-}" ] && [ -r ~/.bashrc ]; then
  . ~/.bashrc </dev/null >/dev/null 2>&1
"#,
    r#"  set +eux
  cd "$AZ_BATCHAI_JOB_TEMP"
fi
"#,
];

/// What shells have themselves, or read as part of their language, so that a command line that begins with one of them is run by a
/// shell. `true` and `false` are left out: the programs of these names do the same.
pub const NOT_PROGRAMS: &str = "\
    . : [ alias bg bind break builtin caller case cd chdir command compgen complete compopt continue coproc \
    declare dirs disown do done echo elif else enable esac eval exec exit export fc fg fi for function \
    getopts hash help history if in jobs kill let local logout mapfile popd printf pushd pwd read readarray \
    readonly return select set shift shopt source suspend test then time times trap type typeset ulimit umask \
    unalias unset until wait while whence print nohup env";

/// One process to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// The index of its node in the attempt.
    pub node_index: u32,
    /// The absolute path of the shell that gets `command` by `-c`.
    pub shell: String,
    /// The command line.
    pub command: String,
    /// Absolute path of the working directory; made when missing.
    pub workdir: String,
    /// All variables, in order; values are literal.
    pub env: Vec<(String, String)>,
    /// Variables whose values are never shown, with where the values come from; the runtime puts the values in their
    /// place on the way to the node. A variable of `env` counts over one of the same name here.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "shown_secrets", skip_deserializing)]
    pub secrets: Vec<Secret>,
    /// Absolute paths whose content is removed first: the temp directories of former jobs. Only on the first process
    /// of an attempt on a node, and only below the node's spool.
    pub wipe: Vec<String>,
    /// Absolute paths of directories to make.
    pub dirs: Vec<String>,
    /// Files to write before the start: absolute path, content, whether it is executable.
    pub files: Vec<(String, String, bool)>,
    /// Absolute path of the file that takes standard output; opened for append, made when missing.
    pub stdout: String,
    /// Absolute path of the file that takes standard error.
    pub stderr: String,
    /// The directory of the logs, when those of a former attempt are to be moved first: `(log directory, number of the
    /// former attempt)`.
    pub keep_former: Option<(String, u32)>,
    /// Absolute path of the file in which the supervisor says what it did and when: the published `execution.log`, or
    /// `execution-{node}.log` with several nodes. `None` for one without a log of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_log: Option<String>,
    /// What is asked of those who place it, when it is handed over; boxed, because most are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Box<Batch>>,
}

/// What is asked of a batch system for one attempt of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Its name there.
    pub name: String,
    /// The words of `sbatch`, each `--NAME` or `--NAME=VALUE`, but for its name, its log, and what we find the job again by.
    pub options: Vec<String>,
    /// Absolute path of the file that takes what the batch system itself says of it.
    pub log: String,
    /// What it is a member of; members that are to be started at once are one array there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<BatchArray>,
    /// How many nodes.
    pub nodes: u32,
    /// What prepares each node, before the processes start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare: Option<String>,
    /// All processes, in order, each with the index of its node. Where a node's address has to stand there is
    /// [`node_word`] of its index: who has which node is known only when it runs.
    pub processes: Vec<Launch>,
    /// How many of the last processes only serve the others.
    #[serde(default)]
    pub serving: u32,
    /// The container that preparation and processes run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<BatchContainer>,
}

/// A container, as a batch system's nodes make it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchContainer {
    /// Its image: of a registry, a file, or the folder of an OCI bundle.
    pub image: String,
    /// The registry; empty for the runtime's own default.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// Who signs in there, with the password among the secrets; empty for nobody.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The size of `/dev/shm`; the runtime's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm: Option<Bytes>,
    /// Absolute paths that are the same inside and outside, beside the spool; those that are not on a node are left out there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// An array or a sweep, as a batch system gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchArray {
    /// Which: `a` and the number of an array, `s` and that of a sweep.
    pub of: String,
    /// Its name.
    pub name: String,
    /// As many of its members may run at once; any number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_max: Option<u32>,
}

/// Returns what stands for the address of a node that is not known yet. No text of a person has it by chance.
pub fn node_word(index: u32) -> String {
    format!("{NODE_WORD_BEGINS}{index}--")
}

/// What [`node_word`] begins with.
pub const NODE_WORD_BEGINS: &str = "ostler-node--";

/// Names and sources, and never a value.
fn shown_secrets<S: Serializer>(secrets: &[Secret], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(Secret::shown))
}
