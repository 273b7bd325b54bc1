//! What people want to know of Slurm beyond its queue. It is asked for only when they do, beside the dispatcher's rounds, and one
//! call is for as many jobs as are named.

use crate::model::site_ask::{SiteAsk, SiteSaid};
use crate::model::state::Unusable;
use crate::slurm::ask::{Calls, ask};
use crate::transport::agent::AgentHandle;

/// The functions that answer it.
const FUNCTIONS: &str = include_str!("../../assets/slurm/look.sh");

/// Asks it of the login node that this agent is on.
///
/// # Errors
/// The login node is out of sight, or did not answer to the end.
pub async fn inquire(agent: &AgentHandle, what: &SiteAsk) -> Result<SiteSaid, Unusable> {
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
    let heard = ask(&link, &calls).await.map_err(|error| silent(&error.chain()))?;
    Ok(match what {
        SiteAsk::Uses { .. } => heard.told.uses(&heard.notes),
        SiteAsk::Priorities { .. } => heard.told.priorities(&heard.notes),
        SiteAsk::Shares => heard.told.shares(&heard.notes),
    })
}

fn words(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}
