//! What people ask of Slurm, in the words of its own programs. Pure.

use crate::model::site::{SiteAct, SiteJobAct, SiteNodeAct};

/// One minute, the unit of `TimeLimit`, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// Returns the jobs or nodes, each with the command that does it.
pub(super) fn commands(act: &SiteAct) -> Vec<(&String, Vec<String>)> {
    match act {
        SiteAct::Jobs { ids, act } => ids.iter().map(|id| (id, of_job(id, *act))).collect(),
        SiteAct::Nodes { names, act } => names.iter().map(|name| (name, of_node(name, act))).collect(),
    }
}

fn of_job(id: &str, act: SiteJobAct) -> Vec<String> {
    let update = |change: String| vec!["scontrol".into(), "update".into(), format!("JobId={id}"), change];
    let control = |verb: &str| vec!["scontrol".into(), verb.into(), id.into()];
    match act {
        SiteJobAct::Cancel => vec!["scancel".into(), id.into()],
        SiteJobAct::Hold => control("hold"),
        SiteJobAct::Release => control("release"),
        SiteJobAct::Requeue => control("requeue"),
        SiteJobAct::Nice(nice) => update(format!("Nice={nice}")),
        SiteJobAct::TimeLimit(limit) => update(format!("TimeLimit={}", limit.0.div_ceil(MINUTE_MS).max(1))),
    }
}

fn of_node(name: &str, act: &SiteNodeAct) -> Vec<String> {
    let mut words = vec!["scontrol".into(), "update".into(), format!("NodeName={name}")];
    match act {
        SiteNodeAct::Drain { why } => words.extend(["State=DRAIN".into(), format!("Reason={why}")]),
        SiteNodeAct::Resume => words.push("State=RESUME".into()),
        SiteNodeAct::PowerUp => words.push("State=POWER_UP".into()),
        SiteNodeAct::PowerDown => words.push("State=POWER_DOWN".into()),
    }
    words
}
