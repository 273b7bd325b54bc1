//! Owns the way from one typed line to settings, for forms and command lines that have no field for each part.

use super::*;

impl Toolkit {
    /// Returns the settings that a line and a number of processes come to. What the line does not say is kept from
    /// `base`, when that is of the same kind.
    pub fn of_line(kind: ToolKind, line: &str, processes: Option<u32>, base: Option<&Self>) -> Self {
        let base = base.filter(|base| base.kind() == kind);
        if let Some(base) = base
            && base.typed_line() == line
            && base.processes() == processes
        {
            return base.clone();
        }
        let mut made = base.cloned().unwrap_or_else(|| Self::empty(kind));
        made.put_processes(processes);
        if base.is_none_or(|base| base.typed_line() != line) {
            made.put_line(line);
        }
        made
    }

    fn empty(kind: ToolKind) -> Self {
        match kind {
            ToolKind::Custom => Self::Custom { command_line: String::new() },
            ToolKind::Mpi => Self::Mpi { command_line: String::new(), process_count: None },
            ToolKind::TensorFlow => Self::TensorFlow(TensorFlow::default()),
            ToolKind::Horovod => Self::Horovod(Ranks::default()),
            ToolKind::Cntk => Self::Cntk(FileOrScript::default()),
            ToolKind::Caffe => Self::Caffe(FileOrScript::default()),
            ToolKind::Caffe2 => Self::Caffe2(Program::default()),
            // Without one, more than one rank is refused; this one runs everywhere.
            ToolKind::PyTorch => Self::PyTorch(PyTorch { communication_backend: Some(Backend::Gloo), ..PyTorch::default() }),
            ToolKind::Chainer => Self::Chainer(Ranks::default()),
            ToolKind::Torchrun => Self::Torchrun(Launched::default()),
            ToolKind::DeepSpeed => Self::DeepSpeed(Launched::default()),
            ToolKind::Accelerate => Self::Accelerate(Launched::default()),
            ToolKind::Jax => Self::Jax(Launched::default()),
            ToolKind::Ray => Self::Ray(Served::default()),
            ToolKind::Dask => Self::Dask(Served::default()),
        }
    }

    fn put_processes(&mut self, processes: Option<u32>) {
        match self {
            Self::Mpi { process_count, .. }
            | Self::Horovod(Ranks { process_count, .. })
            | Self::Chainer(Ranks { process_count, .. })
            | Self::Cntk(FileOrScript { process_count, .. })
            | Self::Caffe(FileOrScript { process_count, .. })
            | Self::PyTorch(PyTorch { process_count, .. }) => *process_count = processes,
            Self::Torchrun(Launched { processes_per_node, .. })
            | Self::DeepSpeed(Launched { processes_per_node, .. })
            | Self::Accelerate(Launched { processes_per_node, .. })
            | Self::Jax(Launched { processes_per_node, .. })
            | Self::Dask(Served { processes_per_node, .. }) => *processes_per_node = processes,
            Self::Custom { .. } | Self::TensorFlow(_) | Self::Caffe2(_) | Self::Ray(_) => {}
        }
    }

    fn put_line(&mut self, line: &str) {
        let (file, args) = parted(line);
        let file = file.to_owned();
        let args = (!args.is_empty()).then(|| args.to_owned());
        match self {
            Self::Custom { command_line } | Self::Mpi { command_line, .. } => line.clone_into(command_line),
            Self::Ray(served) | Self::Dask(served) => line.clone_into(&mut served.command_line),
            Self::TensorFlow(tf) => {
                tf.python_script_file_path = file;
                tf.worker_command_line_args.clone_from(&args);
                tf.parameter_server_command_line_args.clone_from(&args);
                tf.master_command_line_args = args;
            }
            Self::Cntk(either) | Self::Caffe(either) => {
                let script = file.ends_with(".py");
                either.language_type = None;
                either.python_script_file_path = script.then(|| file.clone());
                either.config_file_path = (!script).then_some(file);
                either.command_line_args = args;
            }
            Self::Caffe2(program)
            | Self::Horovod(Ranks { program, .. })
            | Self::Chainer(Ranks { program, .. })
            | Self::PyTorch(PyTorch { program, .. })
            | Self::Torchrun(Launched { program, .. })
            | Self::DeepSpeed(Launched { program, .. })
            | Self::Accelerate(Launched { program, .. })
            | Self::Jax(Launched { program, .. }) => {
                program.python_script_file_path = file;
                program.command_line_args = args;
            }
        }
    }
}

/// Cuts a line behind its first word, as a shell would part it; in doubt nothing is cut, which comes to the same line.
fn parted(line: &str) -> (&str, &str) {
    let line = line.trim();
    match line.find(char::is_whitespace) {
        Some(end) if !line[..end].contains(['\'', '"', '\\', '`', '(', '{']) => (&line[..end], line[end..].trim_start()),
        Some(_) | None => (line, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_same_line_afterwards() {
        for line in ["train.py", "train.py  --lr 0.1 'a b'", "$A/wrapper.py \"python x\"", "'a b.py' c", "solver.txt -gpu 0"]
        {
            for kind in ToolKind::ALL {
                let made = Toolkit::of_line(kind, line, Some(2), None);
                assert_eq!(made.kind(), kind);
                let same = line.split_whitespace().eq(made.typed_line().split_whitespace());
                assert!(same, "{kind:?}: {line} became {}", made.typed_line());
                assert_eq!(made.processes().is_some(), kind.counting() != Counting::Fixed);
                assert_eq!(made.faults(2), Vec::new(), "{kind:?}");
                assert_eq!(Toolkit::of_line(kind, &made.typed_line(), made.processes(), Some(&made)), made);
            }
        }
    }

    #[test]
    fn what_the_line_does_not_say_is_kept() {
        let json = r#"{"torchrunSettings":{"pythonScriptFilePath":"a","commandLineArgs":"b","launcherArgs":"-r 1"}}"#;
        let base: Toolkit = serde_json::from_str(json).unwrap();
        let Toolkit::Torchrun(made) = Toolkit::of_line(ToolKind::Torchrun, "c", Some(3), Some(&base)) else { panic!() };
        assert_eq!((made.launcher_args.as_deref(), made.processes_per_node), (Some("-r 1"), Some(3)));
        assert_eq!((made.program.python_script_file_path.as_str(), &made.program.command_line_args), ("c", &None));
        let Toolkit::Cntk(cntk) = Toolkit::of_line(ToolKind::Cntk, "x.py 1", None, Some(&base)) else { panic!() };
        assert_eq!((cntk.python_script_file_path.as_deref(), cntk.config_file_path), (Some("x.py"), None));
    }
}
