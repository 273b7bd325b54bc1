//! What a person asks of Slurm: from our words to its own, and from its answer to ours. Pure. Nothing of it is stored: what Slurm says of
//! its jobs afterwards is what counts.

use std::collections::BTreeSet;

use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::request::{JobAct, NodeAct, Reply};
use crate::model::site::{SiteAct, SiteJobAct, SiteNodeAct};
use crate::model::site_ask::SiteAsk;
use crate::model::spec::Priority;
use crate::model::state::{Cluster, Job};
use crate::runtime::handover::{NICE_LOW, out_of_sight};
use crate::sched::Sched;

/// How many jobs or nodes one request may name: each is a call of `scontrol`, some 10 ms of the controller's time.
const NAMES_MAX: usize = 1000;
/// How many refusals an answer quotes.
const REFUSALS_SHOWN_MAX: usize = 10;

/// Returns the login node of a cluster of Slurm.
///
/// # Errors
/// It is none of Slurm's, or its login node is out of sight.
pub fn door(sched: &Sched, cluster: &Cluster, up: &BTreeSet<NodeId>) -> Result<NodeId, Fault> {
    if cluster.spec.slurm.is_none() {
        return Err(Fault::user(format!("cluster `{}` is not one of Slurm's", cluster.name)));
    }
    let door = sched.nodes_of(cluster.id).find(|node| up.contains(&node.id));
    door.map(|node| node.id).ok_or_else(|| out_of_sight(sched, cluster))
}

/// Refuses words that Slurm's programs would take for something else: a list, a range, an option.
///
/// # Errors
/// The first such word; more names than one request may have; none.
pub fn check(act: &SiteAct) -> Result<(), Fault> {
    match act {
        SiteAct::Jobs { ids, .. } => numbers(ids),
        SiteAct::Nodes { names, act } => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if let Some(name) = odd(names, fits)? {
                return Err(Fault::user(format!("`{}` is no name of a node of Slurm's", name.escape_debug()))
                    .hint("`ostler cluster node list` lists them"));
            }
            match act {
                SiteNodeAct::Drain { why } if why.chars().any(char::is_control) => {
                    Err(Fault::user("the reason holds a control character"))
                }
                SiteNodeAct::Drain { .. } | SiteNodeAct::Resume | SiteNodeAct::PowerUp | SiteNodeAct::PowerDown => Ok(()),
            }
        }
    }
}

/// As [`check`], for what is only asked.
///
/// # Errors
/// As there.
pub fn check_ask(ask: &SiteAsk) -> Result<(), Fault> {
    match ask {
        SiteAsk::Uses { ids } | SiteAsk::Priorities { ids } => numbers(ids),
        SiteAsk::Shares => Ok(()),
    }
}

fn numbers(ids: &[String]) -> Result<(), Fault> {
    match odd(ids, |c| c.is_ascii_digit() || c == '_')? {
        None => Ok(()),
        Some(name) => Err(Fault::user(format!("`{}` is no number of a job of Slurm's", name.escape_debug()))
            .hint("`ostler cluster queue` lists them: 4711, or 4711_3 for a member of an array")),
    }
}

fn odd(names: &[String], fits: fn(char) -> bool) -> Result<Option<&String>, Fault> {
    if names.is_empty() || names.len() > NAMES_MAX {
        return Err(Fault::user(format!("1 to {NAMES_MAX} jobs or nodes may be named, and {} are", names.len())));
    }
    let odd = |name: &&String| {
        !name.chars().all(fits) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.len() > 255
    };
    Ok(names.iter().find(odd))
}

/// Returns what an act on a job of ours is that Slurm has.
///
/// # Errors
/// Slurm does not have it yet, or has no such word.
pub fn of_job(job: &Job, act: &JobAct) -> Result<SiteAct, Fault> {
    let theirs = job.last.away.as_ref().map_or("", |away| away.theirs.as_str());
    if theirs.is_empty() {
        return Err(Fault::user(format!("job `{}` is on its way to Slurm", job.name)).hint("try again in a moment"));
    }
    let act = match act {
        JobAct::Hold => SiteJobAct::Hold,
        JobAct::Release => SiteJobAct::Release,
        JobAct::Priority { priority: Priority::Low } => SiteJobAct::Nice(NICE_LOW),
        JobAct::Priority { priority: Priority::Normal } => SiteJobAct::Nice(0),
        JobAct::Priority { priority: Priority::High } => {
            return Err(Fault::user("Slurm lets people put their jobs behind others, not before them")
                .hint("priority normal takes low back; ask your site for a quality of service that comes first"));
        }
        JobAct::Terminate { .. } | JobAct::TakeBack | JobAct::Retry | JobAct::Delete => {
            return Err(Fault::internal("an act on a job that is ours to do"));
        }
    };
    Ok(SiteAct::Jobs { ids: vec![theirs.to_owned()], act })
}

/// Returns what an act on a node of theirs is.
///
/// # Errors
/// What has no meaning for a node that is not ours.
pub fn of_node(name: &str, act: &NodeAct) -> Result<SiteAct, Fault> {
    let act = match act {
        NodeAct::Drain => SiteNodeAct::Drain { why: "drained through ostler".to_owned() },
        NodeAct::Undrain => SiteNodeAct::Resume,
        NodeAct::Prepare | NodeAct::Replace | NodeAct::DeclareDead { .. } => {
            return Err(Fault::user(format!("node `{name}` is Slurm's, which prepares and replaces its nodes by itself"))
                .hint("drain, undrain, power-up and power-down are what can be asked for it"));
        }
    };
    Ok(SiteAct::Nodes { names: vec![name.to_owned()], act })
}

/// Returns the answer to a person, from what was asked for and, of each part that was not done, why.
pub fn answer(asked: usize, refused: &[(String, String)]) -> Reply {
    let Some((first, why)) = refused.first() else { return Reply::Accepted { note: None } };
    let mut fault = match asked {
        1 => Fault::user(format!("Slurm refuses it for `{first}`")).cause(why),
        _ => Fault::user(format!("Slurm refuses it for {} of {asked}", refused.len())),
    };
    if asked > 1 {
        for (name, why) in refused.iter().take(REFUSALS_SHOWN_MAX) {
            fault = fault.cause(format!("{name}: {why}"));
        }
        if refused.len() > REFUSALS_SHOWN_MAX {
            fault = fault.cause(format!("and {} more", refused.len() - REFUSALS_SHOWN_MAX));
        }
    }
    Reply::Refused(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_would_take_for_something_else_is_refused() {
        let jobs = |ids: &[&str]| SiteAct::Jobs { ids: ids.iter().map(|&id| id.into()).collect(), act: SiteJobAct::Cancel };
        let nodes = |name: &str| SiteAct::Nodes { names: vec![name.into()], act: SiteNodeAct::Resume };
        for fine in [jobs(&["4711", "12_3"]), nodes("gpu-3.site")] {
            assert!(check(&fine).is_ok(), "{fine:?}");
        }
        // A whole array, a list, a range of nodes, an option, all there is, nothing.
        for odd in
            [jobs(&["12_[1-9]"]), jobs(&["1,2"]), jobs(&["_1"]), jobs(&[]), nodes("n[1-9]"), nodes("-a"), nodes("ALL\n")]
        {
            assert!(check(&odd).is_err(), "{odd:?}");
        }
        let drain = SiteAct::Nodes { names: vec!["n1".into()], act: SiteNodeAct::Drain { why: "a\nb".into() } };
        assert!(check(&drain).unwrap_err().message.contains("control"));
    }

    #[test]
    fn each_refusal_is_in_the_answer() {
        assert!(matches!(answer(2, &[]), Reply::Accepted { note: None }));
        let Reply::Refused(one) = answer(1, &[("7".into(), "Invalid job id".into())]) else { panic!() };
        assert_eq!((one.message.as_str(), one.causes[0].as_str()), ("Slurm refuses it for `7`", "Invalid job id"));
        let many: Vec<(String, String)> = (0..12).map(|n| (n.to_string(), "no".into())).collect();
        let Reply::Refused(many) = answer(20, &many) else { panic!() };
        assert_eq!((many.message.as_str(), many.causes.len()), ("Slurm refuses it for 12 of 20", 11));
        assert_eq!(many.causes[10], "and 2 more");
    }
}
