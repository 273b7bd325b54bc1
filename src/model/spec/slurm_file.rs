//! Reads who places the jobs of a cluster, and what is asked of Slurm. Called by the readers of clusters and of jobs.

use crate::model::names::check_host;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field, Fields};
use crate::model::spec::slurm::{SlurmSpec, check_option, check_word};

/// Who places the jobs of a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// We, on nodes that ssh reaches.
    Ssh,
    /// Slurm.
    Slurm,
}

const BACKENDS: [(&str, Backend); 2] = [("ssh", Backend::Ssh), ("slurm", Backend::Slurm)];

/// Reads `backend` and what belongs to it: the login node and what is asked of Slurm; `None` when we place the jobs.
pub(super) fn read(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<(String, SlurmSpec)> {
    let backend = fields.take("backend").and_then(|field| field.word(faults, &BACKENDS));
    let (login, slurm) = (fields.take("login"), fields.take("slurm"));
    if backend != Some(Backend::Slurm) {
        for field in [login, slurm].iter().flatten() {
            field.fault(faults, "has a meaning only with `backend: slurm`");
        }
        return None;
    }
    for key in ["hosts", "provider", "hooks", "api", "hostsFile", "powerOn", "powerOff", "nodeSetup"] {
        if let Some(field) = fields.take(key) {
            field.fault(faults, "has no meaning with `backend: slurm`: the nodes are Slurm's");
        }
    }
    let Some(login) = login else {
        fields.whole().fault(faults, "has no `login`: the host on which `sbatch` is, as `ssh HOST` reaches it");
        return None;
    };
    let login = login.checked(faults, check_host);
    let spec = slurm.map_or_else(|| Some(SlurmSpec::default()), |field| asked(&field, faults));
    Some((login?, spec?))
}

/// Reads what is asked of Slurm, for all jobs of a cluster or for one.
pub(super) fn asked(field: &Field<'_>, faults: &mut Faults) -> Option<SlurmSpec> {
    let mut inner = field.map(faults)?;
    let mut word = |key, faults: &mut Faults| inner.take(key).and_then(|field| field.checked(faults, check_word));
    let (partition, account, qos) = (word("partition", faults), word("account", faults), word("qos", faults));
    // One text with an option on each line, or a list.
    let options = inner.take("options").map(|field| match field.value() {
        Value::Text(text) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let checked =
                |line: &str| check_option(line).map_err(|why| field.fault(faults, why)).ok().map(|()| line.to_owned());
            lines.filter_map(checked).collect()
        }
        _ => field.list(faults).iter().filter_map(|item| item.checked(faults, check_option)).collect(),
    });
    // What became of a job, in the object that `job show` prints.
    for key in ["jobId", "state", "reason"] {
        drop(inner.take(key));
    }
    inner.finish_strictly(faults);
    Some(SlurmSpec { partition, account, qos, options: options.unwrap_or_default() })
}
