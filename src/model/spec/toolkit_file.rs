//! Reads the framework of a job: exactly one of the published settings objects. Called by the reader of jobs alone.

use crate::model::spec::fields::{Faults, Fields};
use crate::model::spec::job::Toolkit;
use crate::model::spec::job_file::{PROCESSES_MAX, command_line};

/// Published toolkits that this version does not run.
pub(super) const OTHER_TOOLKITS: &[&str] = &[
    "cntkSettings",
    "pyTorchSettings",
    "tensorFlowSettings",
    "caffeSettings",
    "caffe2Settings",
    "chainerSettings",
    "horovodSettings",
];
const RUNS: &str = "this version runs `customToolkitSettings` and `customMpiSettings`";

/// Reads the one toolkit of a job. It takes every toolkit's key, so that no other reader meets one.
pub(super) fn read(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Toolkit> {
    for &key in OTHER_TOOLKITS {
        if let Some(field) = fields.take(key) {
            field.fault(faults, format!("is not supported; {RUNS}"));
        }
    }
    let other = OTHER_TOOLKITS.iter().any(|key| fields.had(key));
    let custom = fields.take("customToolkitSettings");
    let mpi = fields.take("customMpiSettings");
    match (custom, mpi) {
        (Some(field), None) => {
            let mut inner = field.map(faults)?;
            let command_line = command_line(&mut inner, faults);
            inner.finish(faults);
            Some(Toolkit::Custom { command_line: command_line? })
        }
        (None, Some(field)) => {
            let mut inner = field.map(faults)?;
            let command_line = command_line(&mut inner, faults);
            let process_count = inner.take("processCount").map(|field| field.count(faults, 1, PROCESSES_MAX));
            inner.finish(faults);
            Some(Toolkit::Mpi { command_line: command_line?, process_count: process_count.flatten() })
        }
        (Some(_), Some(mpi)) => {
            mpi.fault(faults, "stands beside `customToolkitSettings`; a job has exactly one toolkit");
            None
        }
        // The fault that names the other toolkit is enough.
        (None, None) if other => None,
        (None, None) => {
            fields.whole().fault(faults, format!("has no toolkit, so there is nothing to run; {RUNS}"));
            None
        }
    }
}
