//! The framework of a job: exactly one settings object. Nine are published (API 2018-05-01); the others are ours, made
//! alike for what is used today. What an object may say is checked by [`Toolkit::faults`], wherever it came from.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::BackendForm;

mod rules;
mod typed;

pub use rules::Wrong;

/// The most parameter servers of a node (published).
pub const SERVERS_PER_NODE_MAX: u32 = 1;
/// The most TensorFlow workers of a node: the GPUs of the largest machines that are sold. What the nodes really have
/// decides at the start.
pub const WORKERS_PER_NODE_MAX: u32 = 16;
/// The most processes that one node may be asked to run, as for `processCount`.
pub const PROCESSES_PER_NODE_MAX: u32 = 64;
/// The most restarts that torchrun may be told to do by itself; beyond, a person should look.
pub const RESTARTS_MAX: u32 = 1000;

/// Which framework, without its settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToolKind {
    /// A command line on the first node.
    #[default]
    Custom,
    /// A command line under `mpirun`.
    Mpi,
    /// TensorFlow with workers and parameter servers.
    TensorFlow,
    /// Horovod under `mpirun`.
    Horovod,
    /// CNTK, in Python or BrainScript.
    Cntk,
    /// Caffe.
    Caffe,
    /// Caffe2, one process per node.
    Caffe2,
    /// PyTorch, one process per rank.
    PyTorch,
    /// Chainer under `mpirun`.
    Chainer,
    /// PyTorch's own launcher.
    Torchrun,
    /// DeepSpeed's launcher.
    DeepSpeed,
    /// Hugging Face's launcher.
    Accelerate,
    /// JAX, one process per host or device.
    Jax,
    /// A Ray cluster for the time of a job.
    Ray,
    /// A Dask cluster for the time of a job.
    Dask,
}

/// What the number of processes of a framework counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Nothing: the framework or the nodes decide.
    Fixed,
    /// All processes of the job: `processCount`.
    Total,
    /// Those of each node: `processesPerNode`.
    PerNode,
}

impl Counting {
    /// Returns the key of the number in a settings object.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::Fixed => None,
            Self::Total => Some("processCount"),
            Self::PerNode => Some("processesPerNode"),
        }
    }
}

impl ToolKind {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 15] = [
        Self::Custom,
        Self::Mpi,
        Self::PyTorch,
        Self::Torchrun,
        Self::TensorFlow,
        Self::Horovod,
        Self::DeepSpeed,
        Self::Accelerate,
        Self::Jax,
        Self::Ray,
        Self::Dask,
        Self::Cntk,
        Self::Caffe,
        Self::Caffe2,
        Self::Chainer,
    ];

    /// Returns the published `toolType`, or ours made alike.
    pub fn tool_type(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Mpi => "mpi",
            Self::TensorFlow => "tensorflow",
            Self::Horovod => "horovod",
            Self::Cntk => "cntk",
            Self::Caffe => "caffe",
            Self::Caffe2 => "caffe2",
            Self::PyTorch => "pytorch",
            Self::Chainer => "chainer",
            Self::Torchrun => "torchrun",
            Self::DeepSpeed => "deepspeed",
            Self::Accelerate => "accelerate",
            Self::Jax => "jax",
            Self::Ray => "ray",
            Self::Dask => "dask",
        }
    }

    /// Returns the key of its settings object in a job.
    pub fn key(self) -> &'static str {
        match self {
            Self::Custom => "customToolkitSettings",
            Self::Mpi => "customMpiSettings",
            Self::TensorFlow => "tensorFlowSettings",
            Self::Horovod => "horovodSettings",
            Self::Cntk => "cntkSettings",
            Self::Caffe => "caffeSettings",
            Self::Caffe2 => "caffe2Settings",
            Self::PyTorch => "pyTorchSettings",
            Self::Chainer => "chainerSettings",
            Self::Torchrun => "torchrunSettings",
            Self::DeepSpeed => "deepSpeedSettings",
            Self::Accelerate => "accelerateSettings",
            Self::Jax => "jaxSettings",
            Self::Ray => "raySettings",
            Self::Dask => "daskSettings",
        }
    }

    /// Returns one sentence that says what it runs.
    pub fn what(self) -> &'static str {
        match self {
            Self::Custom => "the command on the first node alone",
            Self::Mpi => "the command under mpirun over all nodes",
            Self::TensorFlow => "the script as TensorFlow workers and parameter servers",
            Self::Horovod => "the script under mpirun, for Horovod",
            Self::Cntk => "the script or BrainScript file with CNTK",
            Self::Caffe => "the script or solver file with Caffe",
            Self::Caffe2 => "the script once per node, for Caffe2",
            Self::PyTorch => "the script once per rank, for torch.distributed",
            Self::Chainer => "the script under mpirun, for ChainerMN",
            Self::Torchrun => "the script under torchrun on every node",
            Self::DeepSpeed => "the script under DeepSpeed's launcher on every node",
            Self::Accelerate => "the script under accelerate on every node",
            Self::Jax => "the script once per node, for jax.distributed",
            Self::Ray => "the command on the first node of a Ray cluster made for it",
            Self::Dask => "the command on the first node of a Dask cluster made for it",
        }
    }

    /// Returns what its number of processes counts.
    pub fn counting(self) -> Counting {
        match self {
            Self::Custom | Self::TensorFlow | Self::Caffe2 | Self::Ray => Counting::Fixed,
            Self::Mpi | Self::Horovod | Self::Cntk | Self::Caffe | Self::PyTorch | Self::Chainer => Counting::Total,
            Self::Torchrun | Self::DeepSpeed | Self::Accelerate | Self::Jax | Self::Dask => Counting::PerNode,
        }
    }

    /// Says whether it runs a command line rather than a program of one language.
    pub fn takes_command(self) -> bool {
        matches!(self, Self::Custom | Self::Mpi | Self::Ray | Self::Dask)
    }
}

/// A Python program: the line is `{interpreter} {script} {arguments}`, pasted together without quotes and read by the
/// shell of each process, so that every process expands the variables for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// The script; arguments may ride behind it.
    pub python_script_file_path: String,
    /// The interpreter; `python` as found on the path when absent, else `python3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_interpreter_path: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line_args: Option<String>,
}

/// A program of which `mpirun` starts every process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ranks {
    /// What each runs.
    #[serde(flatten)]
    pub program: Program,
    /// The number of processes; the number of nodes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_count: Option<u32>,
}

/// `tensorFlowSettings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TensorFlow {
    /// The script that all processes run.
    pub python_script_file_path: String,
    /// See [`Program::python_interpreter_path`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_interpreter_path: Option<String>,
    /// The arguments of worker 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_command_line_args: Option<String>,
    /// The arguments of the other workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_command_line_args: Option<String>,
    /// The arguments of the parameter servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_server_command_line_args: Option<String>,
    /// The number of workers, the master among them; absent on one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_count: Option<u32>,
    /// The number of parameter servers; absent on one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_server_count: Option<u32>,
}

/// The language of a CNTK program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Language {
    /// A configuration file for the `cntk` program.
    BrainScript,
    /// A Python script.
    Python,
}

/// `cntkSettings` and `caffeSettings`: a configuration file for the framework's program, or a Python script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileOrScript {
    /// CNTK's alone; deduced from which of the two files is given when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_type: Option<Language>,
    /// The configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file_path: Option<String>,
    /// The script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_script_file_path: Option<String>,
    /// See [`Program::python_interpreter_path`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_interpreter_path: Option<String>,
    /// The arguments of either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line_args: Option<String>,
    /// The number of processes; the number of nodes when absent. More than one run under `mpirun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_count: Option<u32>,
}

/// By what the processes of a PyTorch job talk; stored in the published spelling, read in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Backend {
    /// Published; PyTorch itself dropped it after 0.4.
    #[serde(rename = "TCP")]
    Tcp,
    /// Over TCP, also without GPUs.
    Gloo,
    /// By MPI: the processes are started by `mpirun`.
    #[serde(rename = "MPI")]
    Mpi,
    /// Between GPUs; ours.
    #[serde(rename = "NCCL")]
    Nccl,
}

impl Backend {
    /// All of them, with their words.
    pub const ALL: [(&'static str, Self); 4] =
        [("TCP", Self::Tcp), ("Gloo", Self::Gloo), ("MPI", Self::Mpi), ("NCCL", Self::Nccl)];

    /// Returns the name that `torch.distributed` knows it by.
    pub fn torch_name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Gloo => "gloo",
            Self::Mpi => "mpi",
            Self::Nccl => "nccl",
        }
    }
}

/// `pyTorchSettings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PyTorch {
    /// What each rank runs.
    #[serde(flatten)]
    pub program: Program,
    /// The number of ranks; the number of nodes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_count: Option<u32>,
    /// Required with more than one rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BackendForm>")]
    pub communication_backend: Option<Backend>,
}

/// A program that is started on every node by a launcher of its own there (`torchrunSettings`, `deepSpeedSettings`,
/// `accelerateSettings`), or without one (`jaxSettings`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Launched {
    /// What is started.
    #[serde(flatten)]
    pub program: Program,
    /// The number of processes on each node. When absent: one for each GPU of the node, at least one; for JAX one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes_per_node: Option<u32>,
    /// More arguments of the launcher itself, before the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launcher_args: Option<String>,
    /// torchrun's alone: how often it starts failed processes again by itself; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<u32>,
}

/// A command that runs in a cluster of its framework, made for it on the job's nodes (`raySettings`, `daskSettings`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    /// The command, on the first node.
    pub command_line: String,
    /// The interpreter that has the framework; see [`Program::python_interpreter_path`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_interpreter_path: Option<String>,
    /// More arguments of the head (`ray start --head`, `dask scheduler`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_args: Option<String>,
    /// More arguments of each worker (`ray start`, `dask worker`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_args: Option<String>,
    /// Dask's alone: the number of worker processes on each node; one for each CPU, with one thread each, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes_per_node: Option<u32>,
}

/// The framework of a job with its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Toolkit {
    /// A command line on the first node only.
    #[serde(rename = "customToolkitSettings", rename_all = "camelCase")]
    Custom {
        /// The command line, run by a shell.
        command_line: String,
    },
    /// A command line under `mpirun` over all nodes.
    #[serde(rename = "customMpiSettings", rename_all = "camelCase")]
    Mpi {
        /// The command line that every MPI process runs.
        command_line: String,
        /// The number of MPI processes; the number of nodes when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process_count: Option<u32>,
    },
    /// See [`ToolKind::TensorFlow`].
    #[serde(rename = "tensorFlowSettings")]
    TensorFlow(TensorFlow),
    /// See [`ToolKind::Horovod`].
    #[serde(rename = "horovodSettings")]
    Horovod(Ranks),
    /// See [`ToolKind::Cntk`].
    #[serde(rename = "cntkSettings")]
    Cntk(FileOrScript),
    /// See [`ToolKind::Caffe`].
    #[serde(rename = "caffeSettings")]
    Caffe(FileOrScript),
    /// See [`ToolKind::Caffe2`].
    #[serde(rename = "caffe2Settings")]
    Caffe2(Program),
    /// See [`ToolKind::PyTorch`].
    #[serde(rename = "pyTorchSettings")]
    PyTorch(PyTorch),
    /// See [`ToolKind::Chainer`].
    #[serde(rename = "chainerSettings")]
    Chainer(Ranks),
    /// See [`ToolKind::Torchrun`].
    #[serde(rename = "torchrunSettings")]
    Torchrun(Launched),
    /// See [`ToolKind::DeepSpeed`].
    #[serde(rename = "deepSpeedSettings")]
    DeepSpeed(Launched),
    /// See [`ToolKind::Accelerate`].
    #[serde(rename = "accelerateSettings")]
    Accelerate(Launched),
    /// See [`ToolKind::Jax`].
    #[serde(rename = "jaxSettings")]
    Jax(Launched),
    /// See [`ToolKind::Ray`].
    #[serde(rename = "raySettings")]
    Ray(Served),
    /// See [`ToolKind::Dask`].
    #[serde(rename = "daskSettings")]
    Dask(Served),
}

impl Toolkit {
    /// Returns which one it is.
    pub fn kind(&self) -> ToolKind {
        match self {
            Self::Custom { .. } => ToolKind::Custom,
            Self::Mpi { .. } => ToolKind::Mpi,
            Self::TensorFlow(_) => ToolKind::TensorFlow,
            Self::Horovod(_) => ToolKind::Horovod,
            Self::Cntk(_) => ToolKind::Cntk,
            Self::Caffe(_) => ToolKind::Caffe,
            Self::Caffe2(_) => ToolKind::Caffe2,
            Self::PyTorch(_) => ToolKind::PyTorch,
            Self::Chainer(_) => ToolKind::Chainer,
            Self::Torchrun(_) => ToolKind::Torchrun,
            Self::DeepSpeed(_) => ToolKind::DeepSpeed,
            Self::Accelerate(_) => ToolKind::Accelerate,
            Self::Jax(_) => ToolKind::Jax,
            Self::Ray(_) => ToolKind::Ray,
            Self::Dask(_) => ToolKind::Dask,
        }
    }

    /// Returns the published `toolType`.
    pub fn tool_type(&self) -> &'static str {
        self.kind().tool_type()
    }

    /// Returns the line that stands for the job where it is shown: what its first process runs, without the launcher.
    pub fn command_line(&self) -> Cow<'_, str> {
        let python = |interpreter: &Option<String>| interpreter.as_deref().unwrap_or("python").to_owned();
        match self {
            Self::Custom { command_line } | Self::Mpi { command_line, .. } => Cow::Borrowed(command_line),
            Self::Ray(served) | Self::Dask(served) => Cow::Borrowed(&served.command_line),
            Self::Cntk(cntk) if cntk.config_file_path.is_some() => {
                Cow::Owned(format!("cntk configFile={}", self.typed_line()))
            }
            Self::Caffe(caffe) if caffe.config_file_path.is_some() => {
                Cow::Owned(format!("caffe train --solver={}", self.typed_line()))
            }
            Self::TensorFlow(TensorFlow { python_interpreter_path: interpreter, .. })
            | Self::Cntk(FileOrScript { python_interpreter_path: interpreter, .. })
            | Self::Caffe(FileOrScript { python_interpreter_path: interpreter, .. }) => {
                Cow::Owned(format!("{} {}", python(interpreter), self.typed_line()))
            }
            Self::Horovod(Ranks { program, .. })
            | Self::Chainer(Ranks { program, .. })
            | Self::Caffe2(program)
            | Self::PyTorch(PyTorch { program, .. })
            | Self::Torchrun(Launched { program, .. })
            | Self::DeepSpeed(Launched { program, .. })
            | Self::Accelerate(Launched { program, .. })
            | Self::Jax(Launched { program, .. }) => {
                Cow::Owned(format!("{} {}", python(&program.python_interpreter_path), self.typed_line()))
            }
        }
    }

    /// Returns what a person typed as one line: the command, or the script or file with its arguments.
    pub fn typed_line(&self) -> String {
        let with = |file: &str, args: &Option<String>| match args.as_deref().map(str::trim).filter(|args| !args.is_empty()) {
            Some(args) => format!("{file} {args}"),
            None => file.to_owned(),
        };
        match self {
            Self::Custom { command_line } | Self::Mpi { command_line, .. } => command_line.clone(),
            Self::Ray(served) | Self::Dask(served) => served.command_line.clone(),
            Self::TensorFlow(tf) => with(&tf.python_script_file_path, &tf.master_command_line_args),
            Self::Cntk(either) | Self::Caffe(either) => {
                let file = either.config_file_path.as_ref().or(either.python_script_file_path.as_ref());
                with(file.map_or("", String::as_str), &either.command_line_args)
            }
            Self::Horovod(Ranks { program, .. })
            | Self::Chainer(Ranks { program, .. })
            | Self::Caffe2(program)
            | Self::PyTorch(PyTorch { program, .. })
            | Self::Torchrun(Launched { program, .. })
            | Self::DeepSpeed(Launched { program, .. })
            | Self::Accelerate(Launched { program, .. })
            | Self::Jax(Launched { program, .. }) => with(&program.python_script_file_path, &program.command_line_args),
        }
    }

    /// Returns the number of processes, counted as its [`ToolKind::counting`] says, where it is given.
    pub fn processes(&self) -> Option<u32> {
        match self {
            Self::Mpi { process_count, .. }
            | Self::Horovod(Ranks { process_count, .. })
            | Self::Chainer(Ranks { process_count, .. })
            | Self::Cntk(FileOrScript { process_count, .. })
            | Self::Caffe(FileOrScript { process_count, .. })
            | Self::PyTorch(PyTorch { process_count, .. }) => *process_count,
            Self::Torchrun(Launched { processes_per_node, .. })
            | Self::DeepSpeed(Launched { processes_per_node, .. })
            | Self::Accelerate(Launched { processes_per_node, .. })
            | Self::Jax(Launched { processes_per_node, .. })
            | Self::Dask(Served { processes_per_node, .. }) => *processes_per_node,
            Self::Custom { .. } | Self::TensorFlow(_) | Self::Caffe2(_) | Self::Ray(_) => None,
        }
    }

    /// Returns every text that may refer to variables, with its key.
    pub fn texts(&self) -> Vec<(&'static str, &str)> {
        const SCRIPT: &str = "pythonScriptFilePath";
        const PYTHON: &str = "pythonInterpreterPath";
        const ARGS: &str = "commandLineArgs";
        fn of_program(program: &Program) -> Vec<(&'static str, Option<&String>)> {
            let Program { python_script_file_path: script, python_interpreter_path: python, command_line_args: args } =
                program;
            vec![(SCRIPT, Some(script)), (PYTHON, python.as_ref()), (ARGS, args.as_ref())]
        }
        let all = match self {
            Self::Custom { command_line } | Self::Mpi { command_line, .. } => vec![("commandLine", Some(command_line))],
            Self::Ray(served) | Self::Dask(served) => vec![
                ("commandLine", Some(&served.command_line)),
                (PYTHON, served.python_interpreter_path.as_ref()),
                ("headArgs", served.head_args.as_ref()),
                ("workerArgs", served.worker_args.as_ref()),
            ],
            Self::TensorFlow(tf) => vec![
                (SCRIPT, Some(&tf.python_script_file_path)),
                (PYTHON, tf.python_interpreter_path.as_ref()),
                ("masterCommandLineArgs", tf.master_command_line_args.as_ref()),
                ("workerCommandLineArgs", tf.worker_command_line_args.as_ref()),
                ("parameterServerCommandLineArgs", tf.parameter_server_command_line_args.as_ref()),
            ],
            Self::Cntk(either) | Self::Caffe(either) => vec![
                ("configFilePath", either.config_file_path.as_ref()),
                (SCRIPT, either.python_script_file_path.as_ref()),
                (PYTHON, either.python_interpreter_path.as_ref()),
                (ARGS, either.command_line_args.as_ref()),
            ],
            Self::Caffe2(program)
            | Self::Horovod(Ranks { program, .. })
            | Self::Chainer(Ranks { program, .. })
            | Self::PyTorch(PyTorch { program, .. }) => of_program(program),
            Self::Torchrun(launched) | Self::DeepSpeed(launched) | Self::Accelerate(launched) | Self::Jax(launched) => {
                let mut texts = of_program(&launched.program);
                texts.push(("launcherArgs", launched.launcher_args.as_ref()));
                texts
            }
        };
        all.into_iter().filter_map(|(key, text)| text.map(|text| (key, text.as_str()))).collect()
    }
}
