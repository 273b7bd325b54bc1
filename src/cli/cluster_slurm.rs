//! What Slurm says of its own: `ostler cluster queue`, `ostler cluster partitions`, and the nodes of a cluster of Slurm.

use std::sync::Arc;

use super::failure::Failure;
use super::objects::site as object;
use super::session::{Core, Session, unexpected};
use crate::model::request::{Place, Reply, Request};
use crate::model::site::{Site, SiteJob};

/// Whose jobs are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    All,
    /// One's own.
    Mine,
}

/// Asks Slurm for a fresh picture. What could not be read is said aloud.
///
/// # Errors
/// The core's refusal; that Slurm does not answer.
pub async fn look(session: &Session, core: &Core, cluster: Place) -> Result<Arc<Site>, Failure> {
    match core.ask(Request::ShowSite(cluster)).await? {
        Reply::Site(site) => {
            for note in &site.notes {
                session.out.warn(&format!("Slurm's answer: {note}"));
            }
            Ok(site)
        }
        other => Err(unexpected(&other)),
    }
}

/// Lists the queue; with `ended` also what Slurm keeps there for some minutes after its end.
///
/// # Errors
/// As for every command.
pub async fn queue(session: &Session, name: Option<&String>, whose: Whose, ended: bool) -> Result<i32, Failure> {
    let core = session.core().await?;
    let site = look(session, &core, session.cluster(name)).await?;
    let mut list = session.out.list(object::QUEUE);
    let fits = |job: &&SiteJob| (whose == Whose::All || job.mine) && (ended || !job.over);
    list.page(site.jobs.iter().filter(fits).map(object::queued).collect())?;
    list.end()?;
    if site.more_jobs > 0 && whose == Whose::All {
        session.out.note(&format!("and {} jobs more", site.more_jobs));
    }
    Ok(0)
}

/// Lists the partitions.
///
/// # Errors
/// As for every command.
pub async fn partitions(session: &Session, name: Option<&String>) -> Result<i32, Failure> {
    let core = session.core().await?;
    let site = look(session, &core, session.cluster(name)).await?;
    let mut list = session.out.list(object::PARTITIONS);
    list.page(site.partitions.iter().map(object::partition).collect())?;
    list.end()?;
    Ok(0)
}

/// Lists the nodes.
///
/// # Errors
/// As for every command.
pub async fn nodes(session: &Session, core: &Core, cluster: Place) -> Result<i32, Failure> {
    let site = look(session, core, cluster).await?;
    let mut list = session.out.list(object::NODES);
    let holders = object::holders(&site);
    list.page(site.nodes.iter().map(|node| object::node(&holders, node)).collect())?;
    list.end()?;
    Ok(0)
}
