//! Each settings object as published files write it, and each rule that refuses one, with its words.

use crate::model::spec::doc::Doc;
use crate::model::spec::fields::Faults;
use crate::model::spec::toolkit::{Backend, ToolKind, Toolkit};
use crate::model::spec::{JobFile, JobSpec};

fn read(nodes: &str, settings: &str) -> Result<(JobSpec, Vec<String>), Vec<String>> {
    let text = format!("{{{nodes} {settings}}}");
    let doc = Doc::parse("job.json", text.as_bytes()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let mut faults = Faults::default();
    let file = JobFile::read(&doc, &mut faults);
    let lines = |list: Vec<crate::model::spec::fields::FileFault>| list.iter().map(ToString::to_string).collect();
    match file {
        Some(file) if faults.errors.is_empty() => Ok((file.spec, lines(faults.warnings))),
        Some(_) | None => Err(lines(faults.errors)),
    }
}

fn good(nodes: u32, settings: &str) -> Toolkit {
    match read(&format!(r#""nodeCount": {nodes},"#), settings) {
        Ok((spec, warnings)) if warnings.is_empty() => spec.toolkit,
        other => panic!("{settings}: {other:?}"),
    }
}

#[test]
fn every_published_property_is_read() {
    for (nodes, kind, settings) in [
        (1, ToolKind::Custom, r#"{"commandLine": "c"}"#),
        (2, ToolKind::Mpi, r#"{"commandLine": "c", "processCount": 8}"#),
        (
            2,
            ToolKind::TensorFlow,
            r#"{"pythonScriptFilePath": "s", "pythonInterpreterPath": "p", "masterCommandLineArgs": "m",
                "workerCommandLineArgs": "w", "parameterServerCommandLineArgs": "s", "workerCount": 4, "parameterServerCount": 2}"#,
        ),
        (
            2,
            ToolKind::Horovod,
            r#"{"pythonScriptFilePath": "s", "pythonInterpreterPath": "p", "commandLineArgs": "a", "processCount": 8}"#,
        ),
        (
            1,
            ToolKind::Cntk,
            r#"{"languageType": "BrainScript", "configFilePath": "c", "commandLineArgs": "a", "processCount": 1}"#,
        ),
        (1, ToolKind::Cntk, r#"{"languageType": "Python", "pythonScriptFilePath": "c", "pythonInterpreterPath": "p"}"#),
        (1, ToolKind::Caffe, r#"{"configFilePath": "c", "commandLineArgs": "a", "processCount": 1}"#),
        (1, ToolKind::Caffe, r#"{"pythonScriptFilePath": "c", "pythonInterpreterPath": "p"}"#),
        (2, ToolKind::Caffe2, r#"{"pythonScriptFilePath": "s", "pythonInterpreterPath": "p", "commandLineArgs": "a"}"#),
        (
            2,
            ToolKind::PyTorch,
            r#"{"pythonScriptFilePath": "s", "commandLineArgs": "a", "processCount": 2, "communicationBackend": "MPI"}"#,
        ),
        (2, ToolKind::Chainer, r#"{"pythonScriptFilePath": "s", "commandLineArgs": "a", "processCount": 2}"#),
        (
            2,
            ToolKind::Torchrun,
            r#"{"pythonScriptFilePath": "s", "processesPerNode": 2, "launcherArgs": "-r 1", "maxRestarts": 3}"#,
        ),
        (2, ToolKind::DeepSpeed, r#"{"pythonScriptFilePath": "s", "processesPerNode": 2, "launcherArgs": "x"}"#),
        (2, ToolKind::Accelerate, r#"{"pythonScriptFilePath": "s", "processesPerNode": 2, "launcherArgs": "x"}"#),
        (2, ToolKind::Jax, r#"{"pythonScriptFilePath": "s", "processesPerNode": 2}"#),
        (2, ToolKind::Ray, r#"{"commandLine": "c", "pythonInterpreterPath": "p", "headArgs": "h", "workerArgs": "w"}"#),
        (2, ToolKind::Dask, r#"{"commandLine": "c", "headArgs": "h", "workerArgs": "w", "processesPerNode": 4}"#),
    ] {
        let toolkit = good(nodes, &format!("\"{}\": {settings}", kind.key()));
        assert_eq!(toolkit.kind(), kind);
        // Nothing of it is lost on the way into the store.
        let given: serde_json::Value = serde_json::from_str(settings).unwrap();
        assert_eq!(serde_json::to_value(&toolkit).unwrap()[kind.key()], given);
    }
}

#[test]
fn backends_are_read_in_any_case() {
    for (word, backend) in [("gloo", Backend::Gloo), ("GLOO", Backend::Gloo), ("Tcp", Backend::Tcp), ("mpi", Backend::Mpi)] {
        let settings = format!(r#""pyTorchSettings": {{"pythonScriptFilePath": "s", "communicationBackend": "{word}"}}"#);
        let Toolkit::PyTorch(torch) = good(2, &settings) else { panic!() };
        assert_eq!(torch.communication_backend, Some(backend));
    }
    // One process needs none.
    good(1, r#""pyTorchSettings": {"pythonScriptFilePath": "s"}"#);
    good(2, r#""pyTorchSettings": {"pythonScriptFilePath": "s", "processCount": 1}"#);
}

#[test]
fn what_settings_may_not_say_together_is_refused_at_the_field() {
    let mut seen = String::new();
    for (nodes, settings) in [
        (2, r#""pyTorchSettings": {"pythonScriptFilePath": "s"}"#),
        (2, r#""pyTorchSettings": {"pythonScriptFilePath": "s", "communicationBackend": "ib"}"#),
        (1, r#""pyTorchSettings": {}"#),
        (1, r#""pyTorchSettings": {"pythonScriptFilePath": " "}"#),
        (1, r#""tensorFlowSettings": {"pythonScriptFilePath": "s", "workerCount": 1, "parameterServerCount": 1}"#),
        (2, r#""tensorFlowSettings": {"pythonScriptFilePath": "s", "workerCount": 33, "parameterServerCount": 3}"#),
        (2, r#""tensorFlowSettings": {"pythonScriptFilePath": "s", "workerCount": 0}"#),
        (1, r#""cntkSettings": {}"#),
        (1, r#""cntkSettings": {"configFilePath": "a", "pythonScriptFilePath": "b"}"#),
        (1, r#""cntkSettings": {"languageType": "BrainScript", "pythonScriptFilePath": "b"}"#),
        (1, r#""cntkSettings": {"languageType": "BrainScript", "configFilePath": "a", "pythonScriptFilePath": "b"}"#),
        (1, r#""cntkSettings": {"languageType": "Python", "configFilePath": "a", "pythonScriptFilePath": "b"}"#),
        (1, r#""cntkSettings": {"languageType": "Python"}"#),
        (1, r#""cntkSettings": {"languageType": "R", "configFilePath": "a"}"#),
        (1, r#""cntkSettings": {"configFilePath": "a", "pythonInterpreterPath": "p"}"#),
        (1, r#""caffeSettings": {"commandLineArgs": "x"}"#),
        (1, r#""caffeSettings": {"configFilePath": "a", "pythonScriptFilePath": "b"}"#),
        (1, r#""caffeSettings": {"configFilePath": "a", "pythonInterpreterPath": "p"}"#),
        (1, r#""horovodSettings": {"pythonScriptFilePath": "s", "processCount": 0}"#),
        (1, r#""torchrunSettings": {"pythonScriptFilePath": "s", "processesPerNode": 65, "maxRestarts": 1001}"#),
        (1, r#""raySettings": {}"#),
        (1, r#""customToolkitSettings": {"commandLine": "a"}, "chainerSettings": {"pythonScriptFilePath": "s"}"#),
    ] {
        let faults = read(&format!(r#""nodeCount": {nodes},"#), settings).expect_err(settings);
        seen.push_str(&format!("{nodes} {settings}\n"));
        faults.iter().for_each(|fault| seen.push_str(&format!("    {fault}\n")));
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn without_a_number_of_nodes_only_that_is_said() {
    let settings = r#""tensorFlowSettings": {"pythonScriptFilePath": "s", "workerCount": 2}"#;
    assert_eq!(read("", settings).expect_err("no nodeCount"), ["nodeCount: is missing"]);
}

#[test]
fn a_property_of_another_kind_is_named() {
    let (_, warnings) =
        read(r#""nodeCount": 1,"#, r#""caffe2Settings": {"pythonScriptFilePath": "s", "processCount": 2}"#).unwrap();
    assert_eq!(warnings, ["caffe2Settings: unknown key `processCount`; it is not used"]);
}
