//! Reads who places the jobs of a cluster, and what is asked of Slurm. Called by the readers of clusters and of jobs.

use crate::model::names::check_host;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field, Fields};
use crate::model::spec::pool::Allocation;
use crate::model::spec::pool_file::check_line;
use crate::model::spec::secret_file;
use crate::model::spec::slurm::{Rest, SlurmSpec, check_option, check_rest_url, check_word};
use crate::model::units::Millis;

/// Who places the jobs of a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// We, on nodes that ssh reaches.
    Ssh,
    /// Slurm.
    Slurm,
}

const BACKENDS: [(&str, Backend); 2] = [("ssh", Backend::Ssh), ("slurm", Backend::Slurm)];

/// What a file says of Slurm.
pub(super) struct Said<'d> {
    backend: Option<Backend>,
    login: Option<Field<'d>>,
    slurm: Option<Field<'d>>,
    time: Option<Field<'d>>,
    rest: Option<Field<'d>>,
}

/// A cluster whose jobs Slurm places.
pub(super) struct Placed {
    /// The login node.
    pub login: String,
    /// What is asked for.
    pub slurm: SlurmSpec,
    /// The service that is asked in place of programs.
    pub rest: Option<Rest>,
}

impl<'d> Said<'d> {
    /// Takes it from the fields of a cluster.
    pub(super) fn take(fields: &mut Fields<'d>, faults: &mut Faults) -> Self {
        Self {
            backend: fields.take("backend").and_then(|field| field.word(faults, &BACKENDS)),
            login: fields.take("login"),
            slurm: fields.take("slurm"),
            time: fields.take("allocationTime"),
            rest: fields.take("rest"),
        }
    }

    /// Says whether it places the jobs.
    pub(super) fn places(&self) -> bool {
        self.backend == Some(Backend::Slurm)
    }

    /// Refuses what has no meaning where Slurm is not asked for anything.
    pub(super) fn refuse(&self, faults: &mut Faults) {
        for field in [&self.login, &self.slurm, &self.time].into_iter().flatten() {
            field.fault(faults, "has a meaning only with `backend: slurm` or `provider: slurm`");
        }
        if let Some(field) = &self.rest {
            field.fault(faults, "has a meaning only with `backend: slurm`");
        }
    }

    /// Reads it as where nodes come from: allocations.
    pub(super) fn allocation(&self, fields: &Fields<'d>, faults: &mut Faults) -> Option<Allocation> {
        let Some(login) = &self.login else {
            fields.whole().fault(faults, NO_LOGIN);
            return None;
        };
        if let Some(field) = &self.rest {
            field.fault(faults, "cannot be with `provider: slurm`: the way into an allocation is srun on the login node");
        }
        let login = login.checked(faults, check_host);
        let slurm = self.slurm.as_ref().map_or_else(|| Some(SlurmSpec::default()), |field| asked(field, faults));
        let time = match &self.time {
            None => None,
            Some(field) => {
                let span = field.span(faults)?;
                if span < ALLOCATION_TIME_MIN {
                    field
                        .fault(faults, format!("must be {ALLOCATION_TIME_MIN} or more: jobs have to end before it is over"));
                }
                Some(span)
            }
        };
        Some(Allocation { login: login?, slurm: slurm?, time })
    }
}

/// The shortest allocation: a minute and the time of a kill go by before its end.
const ALLOCATION_TIME_MIN: Millis = Millis::from_mins(5);
/// What is said when it is missing.
const NO_LOGIN: &str = "has no `login`: the host on which `sbatch` is, as `ssh HOST` reaches it";

/// Reads what belongs to `backend: slurm`: the login node, what is asked of Slurm, and how.
pub(super) fn read(said: Said<'_>, fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Placed> {
    let Said { login, slurm, time, rest, .. } = said;
    if let Some(field) = time {
        field.fault(faults, "has a meaning only with `provider: slurm`");
    }
    for key in ["hosts", "provider", "hooks", "api", "hostsFile", "powerOn", "powerOff", "nodeSetup"] {
        if let Some(field) = fields.take(key) {
            field.fault(faults, "has no meaning with `backend: slurm`: the nodes are Slurm's");
        }
    }
    let Some(login) = login else {
        fields.whole().fault(faults, NO_LOGIN);
        return None;
    };
    let login = login.checked(faults, check_host);
    let spec = slurm.map_or_else(|| Some(SlurmSpec::default()), |field| asked(&field, faults));
    let rest = match rest {
        None => None,
        Some(field) => Some(service(&field, faults)?),
    };
    Some(Placed { login: login?, slurm: spec?, rest })
}

fn service(field: &Field<'_>, faults: &mut Faults) -> Option<Rest> {
    let mut inner = field.map(faults)?;
    let url = inner.need(faults, "url").and_then(|field| field.checked(faults, check_rest_url));
    let user = inner.take("user").and_then(|field| field.checked(faults, check_word));
    let token = match inner.take("token") {
        None => None,
        Some(field) => Some(secret_file::configured(&field, faults)?),
    };
    let ca_file = inner.take("caFile").and_then(|field| field.checked(faults, check_line));
    inner.finish_strictly(faults);
    let rest = Rest { url: url?, user, token, ca_file };
    if rest.token.is_none() && !rest.url.starts_with("unix:") {
        field.fault(faults, "has no `token`: where the service's JWT comes from, as { fromCommand = \"…\" }");
    }
    if rest.ca_file.is_some() && !rest.url.starts_with("https:") {
        field.fault(faults, "has a `caFile`, which only https uses");
    }
    Some(rest)
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
