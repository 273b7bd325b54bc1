//! Reads the framework of a job: exactly one settings object. Called by the reader of jobs alone.

use crate::model::spec::fields::{Faults, Field, Fields};
use crate::model::spec::job_file::{COMMAND_BYTES_MAX, PROCESSES_MAX, warn_of_returns};
use crate::model::spec::toolkit::{
    Backend, FileOrScript, Language, Launched, PROCESSES_PER_NODE_MAX, Program, PyTorch, RESTARTS_MAX, Ranks, Served,
    TensorFlow, ToolKind, Toolkit,
};

/// Reads the one toolkit of a job of so many nodes, when their number could be read. It takes every toolkit's key, so
/// that no other reader meets one.
pub(super) fn read(fields: &mut Fields<'_>, nodes: Option<u32>, faults: &mut Faults) -> Option<Toolkit> {
    let mut found = Vec::new();
    for kind in ToolKind::ALL {
        found.extend(fields.take(kind.key()).map(|field| (kind, field)));
    }
    found.sort_by_key(|(_, field)| field.place());
    if let Some(((first, _), others)) = found.split_first()
        && !others.is_empty()
    {
        for (_, other) in others {
            other.fault(faults, format!("stands beside `{}`; a job has exactly one toolkit", first.key()));
        }
        return None;
    }
    let Some((kind, field)) = found.into_iter().next() else {
        let keys: Vec<String> = ToolKind::ALL.iter().map(|kind| format!("`{}`", kind.key())).collect();
        let what = format!("has no toolkit, so there is nothing to run; it is one of {}", keys.join(", "));
        fields.whole().fault(faults, what);
        return None;
    };
    let before = faults.errors.len();
    let mut settings = Settings { fields: field.map(faults)?, read: Vec::new(), faults };
    let toolkit = settings.toolkit(kind);
    let Settings { fields, read, faults } = settings;
    let whole = fields.whole().clone();
    fields.finish(faults);
    // What could not be read has its fault; what it would have meant for the rest is not guessed.
    if faults.errors.len() > before {
        return None;
    }
    for (key, what) in toolkit.faults(nodes.unwrap_or(1)) {
        match read.iter().find(|(known, _)| *known == key) {
            // Without a number of nodes nothing can be said of what depends on it.
            Some(_) | None if nodes.is_none() && COUNTED.contains(&key) => {}
            Some((_, field)) => field.fault(faults, what),
            None if key.is_empty() => whole.fault(faults, what),
            None => whole.fault_of(faults, key, what),
        }
    }
    (faults.errors.len() == before).then_some(toolkit)
}

/// Keys whose rules depend on the number of nodes.
const COUNTED: &[&str] = &["workerCount", "parameterServerCount", "communicationBackend"];

/// One settings object while it is read, with the values that were there.
struct Settings<'d, 'f> {
    fields: Fields<'d>,
    read: Vec<(&'static str, Field<'d>)>,
    faults: &'f mut Faults,
}

impl Settings<'_, '_> {
    fn toolkit(&mut self, kind: ToolKind) -> Toolkit {
        match kind {
            ToolKind::Custom => Toolkit::Custom { command_line: self.needed("commandLine") },
            ToolKind::Mpi => Toolkit::Mpi { command_line: self.needed("commandLine"), process_count: self.process_count() },
            ToolKind::TensorFlow => Toolkit::TensorFlow(self.tensorflow()),
            ToolKind::Horovod => Toolkit::Horovod(self.ranks()),
            ToolKind::Chainer => Toolkit::Chainer(self.ranks()),
            ToolKind::Cntk => {
                let words = [("BrainScript", Language::BrainScript), ("Python", Language::Python)];
                let language_type = self.word("languageType", &words);
                Toolkit::Cntk(FileOrScript { language_type, ..self.file_or_script() })
            }
            ToolKind::Caffe => Toolkit::Caffe(self.file_or_script()),
            ToolKind::Caffe2 => Toolkit::Caffe2(self.program()),
            ToolKind::PyTorch => Toolkit::PyTorch(PyTorch {
                program: self.program(),
                process_count: self.process_count(),
                communication_backend: self.word("communicationBackend", &Backend::ALL),
            }),
            ToolKind::Torchrun => {
                let max_restarts = self.count("maxRestarts", 0, RESTARTS_MAX);
                Toolkit::Torchrun(Launched { max_restarts, ..self.launched() })
            }
            ToolKind::DeepSpeed => Toolkit::DeepSpeed(self.launched()),
            ToolKind::Accelerate => Toolkit::Accelerate(self.launched()),
            ToolKind::Jax => Toolkit::Jax(Launched {
                program: self.program(),
                processes_per_node: self.per_node(),
                launcher_args: None,
                max_restarts: None,
            }),
            ToolKind::Ray => Toolkit::Ray(self.served()),
            ToolKind::Dask => {
                let processes_per_node = self.per_node();
                Toolkit::Dask(Served { processes_per_node, ..self.served() })
            }
        }
    }

    /// A text that a shell line is made of.
    fn text(&mut self, key: &'static str) -> Option<String> {
        let field = self.fields.take(key)?;
        self.read.push((key, field.clone()));
        let line = field.checked(self.faults, |text| {
            if text.len() > COMMAND_BYTES_MAX {
                let len = text.len();
                return Err(format!("has {len} bytes, the limit is {COMMAND_BYTES_MAX}; put it into a script on the nodes"));
            }
            Ok(())
        })?;
        warn_of_returns(&field, &line, self.faults);
        Some(line)
    }

    /// A text that has to be there; that it says something is a rule of the toolkit.
    fn needed(&mut self, key: &'static str) -> String {
        if !self.fields.had(key) {
            self.fields.need(self.faults, key);
        }
        self.text(key).unwrap_or_default()
    }

    fn count(&mut self, key: &'static str, least: u32, most: u32) -> Option<u32> {
        let field = self.fields.take(key)?;
        self.read.push((key, field.clone()));
        field.count(self.faults, least, most)
    }

    fn process_count(&mut self) -> Option<u32> {
        self.count("processCount", 1, PROCESSES_MAX)
    }

    fn per_node(&mut self) -> Option<u32> {
        self.count("processesPerNode", 1, PROCESSES_PER_NODE_MAX)
    }

    fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let field = self.fields.take(key)?;
        self.read.push((key, field.clone()));
        field.word(self.faults, words)
    }

    fn program(&mut self) -> Program {
        Program {
            python_script_file_path: self.needed("pythonScriptFilePath"),
            python_interpreter_path: self.text("pythonInterpreterPath"),
            command_line_args: self.text("commandLineArgs"),
        }
    }

    fn ranks(&mut self) -> Ranks {
        Ranks { program: self.program(), process_count: self.process_count() }
    }

    fn launched(&mut self) -> Launched {
        Launched {
            program: self.program(),
            processes_per_node: self.per_node(),
            launcher_args: self.text("launcherArgs"),
            max_restarts: None,
        }
    }

    fn served(&mut self) -> Served {
        Served {
            command_line: self.needed("commandLine"),
            python_interpreter_path: self.text("pythonInterpreterPath"),
            head_args: self.text("headArgs"),
            worker_args: self.text("workerArgs"),
            processes_per_node: None,
        }
    }

    fn file_or_script(&mut self) -> FileOrScript {
        FileOrScript {
            language_type: None,
            config_file_path: self.text("configFilePath"),
            python_script_file_path: self.text("pythonScriptFilePath"),
            python_interpreter_path: self.text("pythonInterpreterPath"),
            command_line_args: self.text("commandLineArgs"),
            process_count: self.process_count(),
        }
    }

    fn tensorflow(&mut self) -> TensorFlow {
        TensorFlow {
            python_script_file_path: self.needed("pythonScriptFilePath"),
            python_interpreter_path: self.text("pythonInterpreterPath"),
            master_command_line_args: self.text("masterCommandLineArgs"),
            worker_command_line_args: self.text("workerCommandLineArgs"),
            parameter_server_command_line_args: self.text("parameterServerCommandLineArgs"),
            worker_count: self.count("workerCount", 1, PROCESSES_MAX),
            parameter_server_count: self.count("parameterServerCount", 0, PROCESSES_MAX),
        }
    }
}

#[cfg(test)]
mod tests;
