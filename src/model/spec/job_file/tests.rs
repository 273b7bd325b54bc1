//! Each accepted and each refused key, with the words of its fault.

use super::*;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::FileFault;

fn lines(faults: &[FileFault]) -> Vec<String> {
    faults.iter().map(|fault| format!("{}: {fault}", fault.place)).collect()
}

fn read(name: &str, text: &str) -> (Option<JobFile>, Vec<String>, Vec<String>) {
    let doc = Doc::parse(name, text.as_bytes()).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
    let mut faults = Faults::default();
    let job = JobFile::read(&doc, &mut faults);
    (job, lines(&faults.errors), lines(&faults.warnings))
}

fn good(name: &str, text: &str) -> JobFile {
    match read(name, text) {
        (Some(job), _, warnings) if warnings.is_empty() => job,
        other => panic!("{name}: {other:#?}"),
    }
}

const FULL_JSON: &str = r#"{
    "$schema": "https://example.com/job.json",
    "comment": "all there is",
    "name": "train-1", // ours
    "experiment": "first",
    "properties": {
        "schedulingPriority": "high",
        "cluster": {"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.BatchAI/workspaces/w/clusters/gpu"},
        "nodeCount": 2,
        "customMpiSettings": {"commandLine": "python train.py --lr $LR", "processCount": 8},
        "jobPreparation": {"commandLine": "pip install --user numpy"},
        "stdOutErrPathPrefix": "$AZ_BATCHAI_JOB_TEMP_DIR",
        "inputDirectories": [{"id": "DATA", "path": "/data/mnist"}],
        "outputDirectories": [{"id": "MODEL", "pathPrefix": "/models", "pathSuffix": "best/run"}, {"id": "OTHER", "pathPrefix": "$AZ_BATCHAI_JOB_TEMP/o"}],
        "environmentVariables": [{"name": "LR", "value": "0.10"}, {"name": "PATH2", "value": "$HOME/bin"}],
        "constraints": {"maxWallClockTime": "P1DT30M"},
        "resources": {"cpus": 1.5, "memory": "4GiB", "gpus": 1},
        "mountVolumes": null,
        "secrets": [],
    },
}"#;

const FULL_YAML: &str = "
name: train-1
experiment: first
schedulingPriority: high
cluster: /subscriptions/s/resourceGroups/g/providers/Microsoft.BatchAI/workspaces/w/clusters/gpu
nodeCount: 2
customMpiSettings:
  commandLine: python train.py --lr $LR
  processCount: 8
jobPreparation: {commandLine: pip install --user numpy}
stdOutErrPathPrefix: $AZ_BATCHAI_JOB_TEMP_DIR
inputDirectories:
- {id: DATA, path: /data/mnist}
outputDirectories:
- {id: MODEL, pathPrefix: /models, pathSuffix: best/run}
- id: OTHER
  pathPrefix: $AZ_BATCHAI_JOB_TEMP/o
environmentVariables:
- {name: LR, value: 0.10}
- {name: PATH2, value: $HOME/bin}
constraints:
  maxWallClockTime: 1.00:30:00
resources: {cpus: 1.5, memory: 4GiB, gpus: 1}
";

const FULL_TOML: &str = r#"
name = "train-1"
experiment = "first"
[properties]
schedulingPriority = "high"
cluster.id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.BatchAI/workspaces/w/clusters/gpu"
nodeCount = 2
stdOutErrPathPrefix = "$AZ_BATCHAI_JOB_TEMP_DIR"
environmentVariables = [{name = "LR", value = "0.10"}, {name = "PATH2", value = "$HOME/bin"}]
[properties.customMpiSettings]
commandLine = "python train.py --lr $LR"
processCount = 8
[properties.jobPreparation]
commandLine = "pip install --user numpy"
[[properties.inputDirectories]]
id = "DATA"
path = "/data/mnist"
[[properties.outputDirectories]]
id = "MODEL"
pathPrefix = "/models"
pathSuffix = "best/run"
[[properties.outputDirectories]]
id = "OTHER"
pathPrefix = "$AZ_BATCHAI_JOB_TEMP/o"
[properties.constraints]
maxWallClockTime = "1 day, 0:30:00"
[properties.resources]
cpus = 1.5
memory = "4GiB"
gpus = 1
"#;

#[test]
fn the_three_languages_say_the_same() {
    let json = good("job.json", FULL_JSON);
    assert_eq!(json.spec.kept.get("comment"), Some(&serde_json::json!("all there is")));
    let plain = JobFile { spec: JobSpec { kept: Kept::default(), ..json.spec.clone() }, ..json.clone() };
    assert_eq!(plain, good("job.yaml", FULL_YAML));
    assert_eq!(plain, good("job.toml", FULL_TOML));
    assert_eq!(json.name.as_deref(), Some("train-1"));
    assert_eq!(json.experiment.as_deref(), Some("first"));
    let spec = &json.spec;
    assert_eq!(
        spec.cluster.as_deref(),
        Some("/subscriptions/s/resourceGroups/g/providers/Microsoft.BatchAI/workspaces/w/clusters/gpu")
    );
    assert_eq!(spec.scheduling_priority, Priority::High);
    assert_eq!(spec.node_count, NodeCount(2));
    let command_line = "python train.py --lr $LR".to_owned();
    assert_eq!(spec.toolkit, crate::model::spec::Toolkit::Mpi { command_line, process_count: Some(8) });
    assert_eq!(spec.constraints.max_wall_clock_time, Millis::from_mins(24 * 60 + 30));
    assert_eq!(spec.environment_variables[0].value, "0.10");
    assert_eq!(spec.output_directories[0].path_suffix.as_deref(), Some("best/run"));
    let Demand::Part(part) = &spec.demand else { panic!("{:?}", spec.demand) };
    assert_eq!((part.cpus_milli, part.memory.0, part.gpus_milli), (1500, 4 << 30, 1000));
    // What is stored is what the published form says, so it reads back as itself.
    let stored = serde_json::to_string(spec).unwrap();
    assert_eq!(serde_json::from_str::<JobSpec>(&stored).unwrap(), *spec);
}

#[test]
fn the_least_that_runs() {
    let job = good("job.json", r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "echo hi"}}"#);
    assert_eq!(job.spec.std_out_err_path_prefix, None);
    assert_eq!(job.spec.constraints.max_wall_clock_time, Millis::from_days(7));
    assert_eq!(job.spec.demand, Demand::WholeNode);
}

#[test]
fn what_published_answers_hold_is_accepted() {
    good(
        "show.json",
        r#"{"id": "/x/y", "type": "Microsoft.BatchAI/workspaces/experiments/jobs", "resourceGroup": "g", "name": "j",
            "nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}, "toolType": "custom",
            "jobOutputDirectoryPathSegment": "s/g", "creationTime": "2018-06-13T00:38:15Z", "provisioningState": "succeeded",
            "provisioningStateTransitionTime": null, "executionState": "queued", "executionStateTransitionTime": null,
            "executionInfo": {"exitCode": 0}, "containerSettings": null, "secrets": null, "pyTorchSettings": null}"#,
    );
}

#[test]
fn all_faults_of_a_file_at_once() {
    let (job, errors, warnings) = read(
        "bad.json",
        r#"{"properties": {
  "nodecount": 2,
  "schedulingPriority": "urgent",
  "cluster": {"id": "/a/b c"},
  "tensorFlowSettings": {"pythonScriptFile": "x"},
  "stdOutErrPathPrefix": "x",
  "environmentVariables": [{"name": "1X", "value": "a"}, {"name": "A"}, {"name": "B", "value": []}, 7],
  "inputDirectories": [{"id": "D", "path": "/a"}, {"id": "D", "path": "/b"}, {"id": "a-b", "path": "rel"}],
  "outputDirectories": [{"id": "O", "pathPrefix": "/a", "pathSuffix": "../../x"}],
  "constraints": {"maxWallClockTime": 600}
}}"#,
    );
    assert_eq!(job, None);
    let expected = [
        "1:16: nodeCount: is missing",
        "3:25: schedulingPriority: `urgent` is none of `low`, `normal`, `high`",
        "4:21: cluster.id: `a` does not belong there; the form is workspaces/WORKSPACE/clusters/CLUSTER, or all of it from /subscriptions on",
        "5:25: tensorFlowSettings.pythonScriptFilePath: is missing",
        "6:26: stdOutErrPathPrefix: `x` must be an absolute path or begin with a variable",
        "7:37: environmentVariables[0].name: `1X` is not a variable name; it needs letters, digits and _",
        "7:58: environmentVariables[1].value: is missing",
        "7:96: environmentVariables[2].value: wants a text, got a list",
        "7:101: environmentVariables[3]: wants a map, got 7",
        "8:58: inputDirectories[1].id: `D` is used twice; ids of directories are unique in a list",
        "8:85: inputDirectories[2].id: `a-b` must be letters, digits and _, as part of a variable's name",
        "8:100: inputDirectories[2].path: `rel` must be an absolute path or begin with a variable",
        "9:71: outputDirectories[0].pathSuffix: `../../x` must stay inside the output directory",
        "10:39: constraints.maxWallClockTime: `600` has no unit; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00",
    ];
    assert_eq!(errors, expected);
    let expected = [
        "2:3: unknown key `nodecount`; it is not used; did you mean `nodeCount`?",
        "5:26: tensorFlowSettings: unknown key `pythonScriptFile`; it is not used; did you mean `pythonScriptFilePath`?",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn single_faults() {
    let with = |field: &str| format!(r#"{{"nodeCount": 1, "customToolkitSettings": {{"commandLine": "x"}}, {field}}}"#);
    let toolkit = |field: &str| format!(r#"{{"nodeCount": 1, {field}}}"#);
    for (text, expected) in [
        ("[]".to_owned(), "wants a map, got a list"),
        (r#"{"nodeCount": 1}"#.to_owned(), "has no toolkit, so there is nothing to run"),
        (toolkit(r#""customToolkitSettings": {}"#), "customToolkitSettings.commandLine: is missing"),
        (toolkit(r#""customToolkitSettings": {"commandLine": "  "}"#), "is empty; there is nothing to run"),
        (
            toolkit(r#""customToolkitSettings": {"commandLine": "a\u0000b"}"#),
            "has a NUL byte at 1; no program can receive it",
        ),
        (
            toolkit(&format!(r#""customToolkitSettings": {{"commandLine": "{}"}}"#, "x".repeat(COMMAND_BYTES_MAX + 1))),
            "the limit is 122880",
        ),
        (
            toolkit(r#""customToolkitSettings": {"commandLine": "a"}, "customMpiSettings": {"commandLine": "a"}"#),
            "customMpiSettings: stands beside `customToolkitSettings`; a job has exactly one toolkit",
        ),
        (
            toolkit(r#""customMpiSettings": {"commandLine": "a", "processCount": 0}"#),
            "customMpiSettings.processCount: must be 1 to 640000, got 0",
        ),
        (with(r#""name": "a\u001b[2Jb""#), "name: the name has the character U+001B at position 2"),
        (with(r#""experiment": "a/b""#), "experiment: the name has the character `/`"),
        (with(r#""cluster": 5"#), "cluster: wants a text, got 5"),
        (with(r#""cluster": {}"#), "cluster.id: is missing"),
        (with(r#""stdOutErrPathPrefix": "$NOPE/x""#), "stdOutErrPathPrefix: `$NOPE` is not set when logs are opened"),
        (with(r#""stdOutErrPathPrefix": "logs""#), "`logs` must be an absolute path or begin with a variable"),
        (with(r#""stdOutErrPathPrefix": "/a/../b""#), "has `..` in it"),
        (with(r#""constraints": {"maxWallClockTime": "0s"}"#), "0 would end the job at once"),
        (with(r#""constraints": {"maxWallClockTime": "P1M"}"#), "uses months or years"),
        (with(r#""constraints": {"maxWallClockTime": "11 years"}"#), "uses months or years"),
        (
            with(r#""environmentVariables": [{"name": "OSTLER_X", "value": "1"}]"#),
            "variables beginning with OSTLER_ are set by ostler",
        ),
        (with(r#""environmentVariables": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]"#), "`A` is set twice"),
        (
            with(&format!(r#""environmentVariables": [{{"name": "A", "value": "{}"}}]"#, "x".repeat(ENVIRONMENT_BYTES_MAX))),
            "the limit is 262144",
        ),
        (with(r#""resources": {"memory": "10GBs"}"#), "resources.memory: `10GBs` is no size"),
        (with(r#""resources": {"cpus": -1}"#), "resources.cpus: must be 0 to 1000000000, got -1"),
        (
            r#"{"nodeCount": 0, "customToolkitSettings": {"commandLine": "x"}}"#.to_owned(),
            "nodeCount: must be 1 to 10000, got 0",
        ),
        (
            r#"{"nodeCount": "four", "customToolkitSettings": {"commandLine": "x"}}"#.to_owned(),
            "nodeCount: wants a whole number, got the text `four`",
        ),
        (
            r#"{"nodeCount": 1.5, "customToolkitSettings": {"commandLine": "x"}}"#.to_owned(),
            "nodeCount: wants a whole number, got 1.5",
        ),
    ] {
        let (job, errors, _) = read("x.json", &text);
        assert_eq!(job, None, "{text}");
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains(expected), "{text}: {}", errors[0]);
    }
}

#[test]
fn log_places_that_are_known_before_the_job_starts() {
    for prefix in ["/logs", "$AZ_BATCHAI_JOB_TEMP_DIR", "${AZ_BATCHAI_JOB_TEMP}/x", "$ROOT/logs"] {
        let text = format!(
            "nodeCount: 1\ncustomToolkitSettings: {{commandLine: x}}\nstdOutErrPathPrefix: {prefix}\nenvironmentVariables: [{{name: ROOT, value: /srv}}]\n"
        );
        assert_eq!(good("a.yaml", &text).spec.std_out_err_path_prefix.as_deref(), Some(prefix));
    }
}

#[test]
fn the_command_line_counts_over_the_file() {
    for text in ["{}", r#"{"properties": {"nodeCount": "?", "constraints": {"maxWallClockTime": "?"}}}"#] {
        let mut doc = Doc::parse("x.json", text.as_bytes()).unwrap();
        doc.put_property(&["nodeCount"], Value::Number("3".to_owned()));
        doc.put_property(&["constraints", "maxWallClockTime"], Value::Text("2h".to_owned()));
        doc.put_property(&["customToolkitSettings", "commandLine"], Value::Text("true".to_owned()));
        let mut faults = Faults::default();
        let job = JobFile::read(&doc, &mut faults).unwrap_or_else(|| panic!("{faults:?}"));
        assert_eq!((job.spec.node_count, job.spec.constraints.max_wall_clock_time), (NodeCount(3), Millis::from_mins(120)));
    }
}

#[test]
fn what_older_versions_of_the_api_had_is_understood() {
    let old = |fields: &str| {
        let text = format!("nodeCount: 1\ncustomToolkitSettings: {{commandLine: x}}\n{fields}\n");
        let (job, errors, warnings) = read("old.yaml", &text);
        (job.unwrap_or_else(|| panic!("{errors:?}")), warnings)
    };
    for (number, word, priority) in
        [(-1000, "low", Priority::Low), (0, "normal", Priority::Normal), (1000, "high", Priority::High)]
    {
        let (job, warnings) = old(&format!("priority: {number}"));
        assert_eq!(job.spec.scheduling_priority, priority);
        let expected = format!("3:11: priority: is of an older API, in which priorities were numbers; read as `{word}`");
        assert_eq!(warnings, [expected]);
    }
    let (job, warnings) = old("priority: 5\nschedulingPriority: low");
    assert_eq!(job.spec.scheduling_priority, Priority::Low);
    assert!(warnings[0].contains("`schedulingPriority` counts"), "{warnings:?}");
    let (job, warnings) = old("experimentName: mnist\nlocation: eastus\ntags: {a: b}");
    assert_eq!((job.experiment.as_deref(), warnings.len()), (Some("mnist"), 0));
    assert_eq!(job.spec.kept.get("tags"), Some(&serde_json::json!({"a": "b"})));
    let (job, warnings) = old(
        "outputDirectories: [{id: M, pathPrefix: /m, type: 'model, logs', createNew: false}, {id: N, pathPrefix: /n, createNew: true}]",
    );
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("outputDirectories[0].createNew: is of an older API and not used"), "{warnings:?}");
    assert_eq!(job.spec.kept.get("outputDirectories[0].type"), Some(&serde_json::json!("model, logs")));
    let (_, errors, _) = read("x.yaml", "nodeCount: 1\ncustomToolkitSettings: {commandLine: x}\npriority: 1001\n");
    assert_eq!(errors, ["3:11: priority: must be -1000 to 1000, got 1001"]);
}

#[test]
fn references_in_texts() {
    assert_eq!(references("$A/${B_1}x$$C $1 ${} $"), ["A", "B_1", "C", "1"]);
}
