//! What people want to know of Slurm beyond its queue. It is asked for only when they do, beside the dispatcher's rounds, and one
//! call is for as many jobs as are named.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::ids::NodeId;
use crate::model::site_ask::{SiteAsk, SiteSaid};
use crate::model::site_use::SiteUse;
use crate::model::state::Unusable;
use crate::slurm::ask::{Calls, ask};
use crate::transport::agent::AgentHandle;

/// The functions that answer it.
const FUNCTIONS: &str = include_str!("../../assets/slurm/look.sh");

/// How many jobs that are over are remembered, some 200 bytes each.
const KEPT_MAX: usize = 10_000;

/// Asks, and remembers what does not change any more: what a job used that is over is asked for once.
#[derive(Clone, Debug, Default)]
pub struct Inquirer {
    kept: Arc<Mutex<BTreeMap<(NodeId, String), SiteUse>>>,
}

impl Inquirer {
    /// Asks it of a login node, by the agent that is on it.
    ///
    /// # Errors
    /// The login node is out of sight, or did not answer to the end.
    pub async fn inquire(&self, door: NodeId, agent: &AgentHandle, what: &SiteAsk) -> Result<SiteSaid, Unusable> {
        let SiteAsk::Uses { ids } = what else { return inquire(agent, what).await };
        let (known, unknown) = self.known(door, ids);
        if unknown.is_empty() {
            return Ok(SiteSaid::Uses { jobs: known, notes: Vec::new() });
        }
        match inquire(agent, &SiteAsk::Uses { ids: unknown }).await? {
            SiteSaid::Uses { mut jobs, notes } => {
                self.keep(door, &jobs);
                jobs.extend(known);
                Ok(SiteSaid::Uses { jobs, notes })
            }
            other => Ok(other),
        }
    }

    /// Returns what is remembered of these jobs, and the numbers of the others.
    fn known(&self, door: NodeId, ids: &[String]) -> (Vec<SiteUse>, Vec<String>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for id in ids {
            match kept.get(&(door, id.clone())) {
                Some(used) => known.push(used.clone()),
                None => unknown.push(id.clone()),
            }
        }
        (known, unknown)
    }

    /// Remembers those of which everything is there; what was measured comes some seconds after the end.
    fn keep(&self, door: NodeId, jobs: &[SiteUse]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for job in jobs.iter().filter(|job| job.over && job.memory_used.is_some() && job.cpu_time.is_some()) {
            kept.insert((door, job.id.clone()), job.clone());
            if kept.len() > KEPT_MAX {
                kept.pop_first();
            }
        }
    }
}

async fn inquire(agent: &AgentHandle, what: &SiteAsk) -> Result<SiteSaid, Unusable> {
    let silent = |why: &str| Unusable {
        code: "slurm-silent".to_owned(),
        step: "ask slurm".to_owned(),
        message: crate::transport::frame::words(why),
    };
    let link = agent.link().ok_or_else(|| silent("the login node is out of sight"))?;
    let mut calls = Calls::behind(FUNCTIONS);
    match what {
        SiteAsk::Uses { ids } => calls.call("uses", &words(ids)),
        SiteAsk::Priorities { ids } => calls.call("priorities", &words(ids)),
        SiteAsk::Shares => calls.call("shares", &[]),
    }
    let heard = ask(&link, &calls, None).await.map_err(|error| silent(&error.chain()))?;
    Ok(match what {
        SiteAsk::Uses { .. } => heard.told.uses(&heard.notes),
        SiteAsk::Priorities { .. } => heard.told.priorities(&heard.notes),
        SiteAsk::Shares => heard.told.shares(&heard.notes),
    })
}

fn words(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::{Bytes, Millis};

    #[test]
    fn only_what_is_over_and_measured_is_remembered() {
        let measured = |id: &str| SiteUse {
            id: id.into(),
            over: true,
            cpu_time: Some(Millis(1)),
            memory_used: Some(Bytes(1)),
            ..SiteUse::default()
        };
        let asks = Inquirer::default();
        let runs = SiteUse { over: false, ..measured("2") };
        let dark = SiteUse { memory_used: None, ..measured("3") };
        asks.keep(NodeId(1), &[measured("1"), runs, dark]);
        let ids = ["1", "2", "3"].map(str::to_owned);
        let (known, unknown) = asks.known(NodeId(1), &ids);
        assert_eq!((known, unknown), (vec![measured("1")], vec!["2".to_owned(), "3".to_owned()]));
        assert!(asks.known(NodeId(2), &ids).0.is_empty(), "another site has other jobs by these numbers");
        let many: Vec<SiteUse> = (0..=KEPT_MAX).map(|n| measured(&n.to_string())).collect();
        asks.keep(NodeId(1), &many);
        assert_eq!(asks.kept.lock().unwrap().len(), KEPT_MAX);
    }
}
