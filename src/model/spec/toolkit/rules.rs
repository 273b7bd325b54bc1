//! Owns what settings may say together (reference §6.2, §6.5), what is filled in (§1.7), and how log files are called (§6.5).

use super::*;

/// What is wrong with settings: the key it is about, empty for the object as a whole, and a sentence without a full stop.
pub type Wrong = (&'static str, String);

const SCRIPT: &str = "pythonScriptFilePath";
const CONFIG: &str = "configFilePath";
const INTERPRETER: &str = "pythonInterpreterPath";

impl Toolkit {
    /// Returns everything that settings say wrongly for a job of so many nodes.
    pub fn faults(&self, nodes: u32) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        match self {
            Self::Custom { command_line } | Self::Mpi { command_line, .. } => needs("commandLine", command_line, &mut wrong),
            Self::Ray(served) | Self::Dask(served) => needs("commandLine", &served.command_line, &mut wrong),
            Self::TensorFlow(tf) => {
                needs(SCRIPT, &tf.python_script_file_path, &mut wrong);
                tensorflow(tf, nodes, &mut wrong);
            }
            Self::Cntk(cntk) => cntk_rules(cntk, &mut wrong),
            Self::Caffe(caffe) => caffe_rules(caffe, &mut wrong),
            Self::PyTorch(torch) => {
                needs(SCRIPT, &torch.program.python_script_file_path, &mut wrong);
                let ranks = torch.process_count.unwrap_or(nodes);
                if ranks > 1 && torch.communication_backend.is_none() {
                    let words: Vec<&str> = Backend::ALL.iter().map(|(word, _)| *word).collect();
                    let what = format!("is missing: a job of {ranks} processes needs one of {}", words.join(", "));
                    wrong.push(("communicationBackend", what));
                }
            }
            Self::Caffe2(program)
            | Self::Horovod(Ranks { program, .. })
            | Self::Chainer(Ranks { program, .. })
            | Self::Torchrun(Launched { program, .. })
            | Self::DeepSpeed(Launched { program, .. })
            | Self::Accelerate(Launched { program, .. })
            | Self::Jax(Launched { program, .. }) => needs(SCRIPT, &program.python_script_file_path, &mut wrong),
        }
        wrong
    }

    /// Fills in what the service fills in on what it returns, so that it is stored: numbers of processes and the language.
    pub fn resolve(&mut self, nodes: u32) {
        match self {
            Self::Mpi { process_count, .. }
            | Self::Horovod(Ranks { process_count, .. })
            | Self::Chainer(Ranks { process_count, .. })
            | Self::Caffe(FileOrScript { process_count, .. })
            | Self::PyTorch(PyTorch { process_count, .. }) => {
                process_count.get_or_insert(nodes);
            }
            Self::Cntk(cntk) => {
                cntk.process_count.get_or_insert(nodes);
                cntk.language_type.get_or_insert(match cntk.config_file_path {
                    Some(_) => Language::BrainScript,
                    None => Language::Python,
                });
            }
            Self::TensorFlow(tf) if nodes > 1 => {
                tf.worker_count.get_or_insert(nodes);
                tf.parameter_server_count.get_or_insert(1);
            }
            Self::TensorFlow(_) | Self::Custom { .. } | Self::Caffe2(_) | Self::Ray(_) => {}
            Self::Torchrun(_) | Self::DeepSpeed(_) | Self::Accelerate(_) | Self::Jax(_) | Self::Dask(_) => {}
        }
    }

    /// Returns what is between `stdout` and `.txt` in the names of a main rank's log files. The ranks from `deciding` on
    /// only serve the others.
    pub fn log_suffix(&self, rank: u32, deciding: u32) -> String {
        let serving = rank.checked_sub(deciding);
        match (self, serving) {
            (Self::TensorFlow(_), None) => format!("-wk-{rank}"),
            (Self::TensorFlow(_), Some(server)) => format!("-ps-{server}"),
            (Self::Ray(_), Some(0)) => "-head".to_owned(),
            (Self::Dask(_), Some(0)) => "-scheduler".to_owned(),
            (Self::Ray(_) | Self::Dask(_), Some(worker)) => format!("-worker-{}", worker - 1),
            (Self::PyTorch(PyTorch { communication_backend: Some(Backend::Mpi), .. }), _) => String::new(),
            (Self::Caffe2(_) | Self::PyTorch(_), _) => format!("-{rank}"),
            (Self::Torchrun(_) | Self::DeepSpeed(_) | Self::Accelerate(_) | Self::Jax(_), _) => format!("-{rank}"),
            (Self::Custom { .. } | Self::Mpi { .. } | Self::Horovod(_) | Self::Chainer(_), _) => String::new(),
            (Self::Cntk(_) | Self::Caffe(_) | Self::Ray(_) | Self::Dask(_), _) => String::new(),
        }
    }
}

fn needs(key: &'static str, text: &str, wrong: &mut Vec<Wrong>) {
    if text.trim().is_empty() {
        wrong.push((key, "is empty; there is nothing to run".to_owned()));
    }
}

fn tensorflow(tf: &TensorFlow, nodes: u32, wrong: &mut Vec<Wrong>) {
    let counts = [
        ("workerCount", tf.worker_count, WORKERS_PER_NODE_MAX, "workers"),
        ("parameterServerCount", tf.parameter_server_count, SERVERS_PER_NODE_MAX, "parameter server"),
    ];
    for (key, count, each, what) in counts {
        let Some(count) = count else { continue };
        if nodes == 1 {
            wrong.push((key, "goes only with more than one node; leave it out".to_owned()));
        } else if count > nodes.saturating_mul(each) {
            let most = nodes.saturating_mul(each);
            wrong.push((key, format!("is {count}, but {nodes} nodes take {most} at most, {each} {what} each")));
        }
    }
}

fn cntk_rules(cntk: &FileOrScript, wrong: &mut Vec<Wrong>) {
    let (config, script) = (cntk.config_file_path.is_some(), cntk.python_script_file_path.is_some());
    match (cntk.language_type, config, script) {
        (None, true, true) => wrong.push((SCRIPT, format!("stands beside `{CONFIG}`; give one of the two"))),
        (None, false, false) => wrong.push(("", format!("needs `{SCRIPT}` for Python or `{CONFIG}` for BrainScript"))),
        (Some(Language::BrainScript), false, _) => {
            wrong.push((CONFIG, "is missing; languageType BrainScript needs it".to_owned()));
        }
        (Some(Language::Python), _, false) => wrong.push((SCRIPT, "is missing; languageType Python needs it".to_owned())),
        (Some(Language::BrainScript), true, true) => {
            wrong.push((SCRIPT, "goes only with languageType Python, and this is BrainScript".to_owned()));
        }
        (Some(Language::Python), true, true) => {
            wrong.push((CONFIG, "goes only with languageType BrainScript, and this is Python".to_owned()));
        }
        (None, _, _) | (Some(Language::BrainScript), true, false) | (Some(Language::Python), false, true) => {}
    }
    only_with_script(cntk, wrong);
}

fn caffe_rules(caffe: &FileOrScript, wrong: &mut Vec<Wrong>) {
    match (&caffe.config_file_path, &caffe.python_script_file_path) {
        (Some(_), Some(_)) => wrong.push((SCRIPT, format!("stands beside `{CONFIG}`; give exactly one of the two"))),
        (None, None) => wrong.push(("", format!("needs `{CONFIG}` or `{SCRIPT}`, exactly one of the two"))),
        (Some(_), None) | (None, Some(_)) => {}
    }
    if caffe.language_type.is_some() {
        wrong.push(("languageType", "is one of cntkSettings; leave it out".to_owned()));
    }
    only_with_script(caffe, wrong);
}

fn only_with_script(either: &FileOrScript, wrong: &mut Vec<Wrong>) {
    if either.python_interpreter_path.is_some() && either.python_script_file_path.is_none() {
        wrong.push((INTERPRETER, format!("goes only with `{SCRIPT}`")));
    }
    for (key, file) in [(CONFIG, &either.config_file_path), (SCRIPT, &either.python_script_file_path)] {
        if let Some(file) = file {
            needs(key, file, wrong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolkit(json: &str) -> Toolkit {
        serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
    }

    #[test]
    fn settings_come_back_as_they_were() {
        for json in [
            r#"{"customToolkitSettings":{"commandLine":"x"}}"#,
            r#"{"tensorFlowSettings":{"pythonScriptFilePath":"a","masterCommandLineArgs":"m","workerCount":2}}"#,
            r#"{"horovodSettings":{"pythonScriptFilePath":"a","pythonInterpreterPath":"p","commandLineArgs":"c","processCount":8}}"#,
            r#"{"cntkSettings":{"languageType":"BrainScript","configFilePath":"a"}}"#,
            r#"{"pyTorchSettings":{"pythonScriptFilePath":"a","processCount":2,"communicationBackend":"Gloo"}}"#,
            r#"{"caffe2Settings":{"pythonScriptFilePath":"a"}}"#,
            r#"{"torchrunSettings":{"pythonScriptFilePath":"a","processesPerNode":2,"launcherArgs":"-r 1","maxRestarts":3}}"#,
            r#"{"daskSettings":{"commandLine":"x","workerArgs":"w"}}"#,
        ] {
            let toolkit = toolkit(json);
            assert_eq!(serde_json::to_string(&toolkit).unwrap(), json);
            assert_eq!(ToolKind::ALL.iter().filter(|kind| **kind == toolkit.kind()).count(), 1);
        }
    }

    #[test]
    fn defaults_are_those_of_the_service() {
        let resolved = |json: &str, nodes| {
            let mut toolkit = toolkit(json);
            toolkit.resolve(nodes);
            serde_json::to_value(&toolkit).unwrap()
        };
        let torch = resolved(r#"{"pyTorchSettings":{"pythonScriptFilePath":"a"}}"#, 2);
        assert_eq!(torch["pyTorchSettings"]["processCount"], 2);
        for (file, language) in [("configFilePath", "BrainScript"), ("pythonScriptFilePath", "Python")] {
            let cntk = resolved(&format!(r#"{{"cntkSettings":{{"{file}":"a"}}}}"#), 1);
            assert_eq!(cntk["cntkSettings"]["languageType"], language);
            assert_eq!(cntk["cntkSettings"]["processCount"], 1);
        }
        let tf = r#"{"tensorFlowSettings":{"pythonScriptFilePath":"a"}}"#;
        assert_eq!(resolved(tf, 1)["tensorFlowSettings"]["workerCount"], serde_json::Value::Null);
        assert_eq!(resolved(tf, 3)["tensorFlowSettings"]["workerCount"], 3);
        assert_eq!(resolved(tf, 3)["tensorFlowSettings"]["parameterServerCount"], 1);
        let given = resolved(r#"{"chainerSettings":{"pythonScriptFilePath":"a","processCount":8}}"#, 2);
        assert_eq!(given["chainerSettings"]["processCount"], 8);
    }
}
