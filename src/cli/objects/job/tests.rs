//! The fields that scripts rely on, and how waiting ends.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::model::ids::{Attempt, ClusterId, ExperimentId, JobId, WorkspaceId};
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::Faults;
use crate::model::spec::job::LaunchShape;
use crate::model::spec::{JobFile, SlurmSpec};
use crate::model::state::job::{Folder, Happened, JobError};
use crate::model::units::UnixMillis;

fn job(state: ExecutionState) -> Job {
    let text = r#"{"nodeCount": 2, "cluster": "gpu", "customMpiSettings": {"commandLine": "x", "processCount": 4}, "schedulingPriority": "low",
        "environmentVariables": [{"name": "A", "value": "1"}], "constraints": {"maxWallClockTime": "90m"}, "resources": {"cpus": 2, "memory": "1G"}}"#;
    let mut faults = Faults::default();
    let file = JobFile::read(&Doc::parse("x.json", text.as_bytes()).unwrap(), &mut faults).unwrap();
    Job {
        id: JobId(7),
        workspace: WorkspaceId(1),
        experiment: ExperimentId(1),
        name: "run-001".into(),
        uuid: Uuid::nil(),
        folder: Folder::of("s/run-001", "", Uuid::nil()),
        cluster: ClusterId(1),
        spec: Arc::new(file.spec),
        shape: LaunchShape { sets_up: false, prepares: false, main_nodes: vec![0], serving: 0, handed: false }.into(),
        token: None,
        state,
        since: UnixMillis(0),
        priority: Priority::High,
        held: false,
        dependencies: Vec::new(),
        pause: None,
        member: None,
        sweep: None,
        retries: 0,
        attempt: Attempt(1),
        requeues: 0,
        created: UnixMillis(0),
        spent: Default::default(),
        deleting: false,
        last: Happened {
            node_names: vec!["n1".to_owned(), "n2".to_owned()],
            started: Some(UnixMillis(1000)),
            ..Happened::default()
        }
        .into(),
    }
}

fn view(job: Job) -> JobView {
    JobView {
        group: "default".to_owned(),
        cluster_workspace: "lab".to_owned(),
        cluster_group: "default".to_owned(),
        job: Arc::new(job),
        workspace: "lab".to_owned(),
        experiment: "first".to_owned(),
        cluster: "gpu".to_owned(),
        reason: String::new(),
        starts: None,
        logs: None,
    }
}

#[test]
fn the_fields_that_scripts_rely_on() {
    let value = value(&view(job(ExecutionState::Running)));
    for field in "name id workspace experiment cluster executionState executionInfo creationTime nodeCount nodes toolType reason attempt jobOutputDirectoryPathSegment".split(' ') {
        assert!(value.get(field).is_some(), "{field} is missing in {value}");
    }
    for field in ["startTime", "endTime", "exitCode", "errors"] {
        assert!(value["executionInfo"].get(field).is_some(), "executionInfo.{field}");
    }
    assert_eq!(value["executionInfo"]["startTime"], "1970-01-01T00:00:01.000Z");
    assert_eq!(value["constraints"]["maxWallClockTime"], "PT1H30M");
    assert_eq!(value["schedulingPriority"], "high");
}

#[test]
fn the_object_reads_back_as_a_file() {
    let job = job(ExecutionState::Running);
    let text = value(&view(job.clone())).to_string();
    let mut faults = Faults::default();
    let file = JobFile::read(&Doc::parse("x.json", text.as_bytes()).unwrap(), &mut faults);
    assert!(faults.warnings.is_empty(), "{faults:?}");
    let spec = JobSpec { scheduling_priority: Priority::High, ..(*job.spec).clone() };
    assert_eq!(file.map(|file| file.spec), Some(spec), "{faults:?}");
}

#[test]
fn a_job_of_slurm_has_what_was_asked_for_beside_what_became_of_it() {
    let mut job = job(ExecutionState::Running);
    let asked = SlurmSpec { partition: Some("gpu,long".into()), options: vec!["--nice=5".into()], ..SlurmSpec::default() };
    job.spec = Arc::new(JobSpec { slurm: Some(Box::new(asked)), ..(*job.spec).clone() });
    let said = |away: Away| {
        let mut job = job.clone();
        job.last.away = Some(Arc::new(away));
        let value = value(&view(job));
        let mut faults = Faults::default();
        let file = JobFile::read(&Doc::parse("x.json", value.to_string().as_bytes()).unwrap(), &mut faults);
        let read = file.and_then(|file| file.spec.slurm).map(|slurm| (slurm.partition, slurm.options));
        assert!(read.is_some(), "it reads back: {faults:?}");
        (value["slurm"].clone(), read.and_then(|(partition, _)| partition))
    };
    let (runs, read) = said(Away { theirs: "7".into(), word: "RUNNING".into(), place: "gpu".into(), ..Away::default() });
    let (id, place, options) = (&runs["jobId"], &runs["partition"], &runs["options"]);
    assert_eq!((id, place, options), (&"7".into(), &"gpu".into(), &json!(["--nice=5"])), "{runs:#}");
    assert_eq!(read.as_deref(), Some("gpu"));
    let (comes, read) = said(Away { theirs: "7".into(), ..Away::default() });
    assert_eq!((&comes["partition"], read.as_deref()), (&"gpu,long".into(), Some("gpu,long")), "{comes:#}");
}

#[test]
fn how_waiting_ends() {
    let left = |exit_code: Option<i32>, errors, state| {
        let mut job = job(state);
        (job.last.exit_code, job.last.errors) = (exit_code, errors);
        job
    };
    let ended = |code: Option<i32>, error: &str| {
        let error = JobError { code: error.to_owned(), message: String::new(), details: Vec::new() };
        left(code, vec![error], ExecutionState::Failed)
    };
    for (job, word, code) in [
        (left(Some(0), Vec::new(), ExecutionState::Succeeded), "exited", 0),
        (ended(Some(3), "JobFailed"), "exited", 3),
        (ended(Some(137), "JobFailed"), "exited", 137),
        (ended(Some(512), "JobFailed"), "exited", 1),
        (ended(Some(0), "JobFailed"), "failed", 1),
        (ended(Some(2), "PreparationFailed"), "exited", 2),
        (ended(Some(143), "JobTerminated"), "terminated", 1),
        (ended(Some(0), "JobTerminated"), "terminated", 1),
        (ended(None, "WallClockTimeExceeded"), "timeLimit", 1),
        (ended(None, "LaunchFailed"), "neverLaunched", 1),
        (ended(None, "AttemptLost"), "lost", 1),
        (ended(None, "Other"), "failed", 1),
        (job(ExecutionState::Running), "timeout", 124),
    ] {
        let outcome = Outcome::of(&job);
        assert_eq!((outcome.word(), outcome.code()), (word, code), "{:?} {:?}", job.last.exit_code, job.last.errors);
    }
}
