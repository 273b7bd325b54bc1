//! What Slurm knows besides its queue: what jobs used (`ostler job efficiency`, `job show`), of what priorities are made (`job why`,
//! `cluster job why`), and what one's accounts may (`cluster share`). It is asked for when a person does, in one call for all jobs
//! that are named, and never by itself.

use std::time::Duration;

use serde_json::Value;

use super::cluster_slurm::look;
use super::failure::Failure;
use super::job::Which;
use super::objects::site as object_of_site;
use super::objects::site_look as object;
use super::select;
use super::session::{Core, Session, unexpected};
use crate::model::fault::{Fault, FaultKind};
use crate::model::request::{JobView, Place, Reply, Request};
use crate::model::site_ask::{SiteAsk, SitePriority, SiteSaid, SiteShares};
use crate::model::site_use::SiteUse;

/// How long what is shown beside something else is waited for.
const BESIDE_TIME_MAX: Duration = Duration::from_secs(10);

/// Returns the cluster of a job.
fn place(view: &JobView) -> Place {
    let workspace = format!("{}/{}", view.cluster_group, view.cluster_workspace);
    Place { workspace: Some(workspace), name: Some(view.cluster.clone()) }
}

/// Returns the number that Slurm gave a job.
pub fn number(view: &JobView) -> Option<&String> {
    view.job.last.away.as_ref().map(|away| &away.theirs).filter(|theirs| !theirs.is_empty())
}

async fn ask(core: &Core, cluster: Place, ask: SiteAsk) -> Result<SiteSaid, Failure> {
    match core.ask(Request::AskSite { cluster, ask }).await? {
        Reply::SiteSaid(said) => Ok(*said),
        other => Err(unexpected(&other)),
    }
}

/// Asks for something that is shown beside something else: that it is not known is an answer, too.
///
/// # Errors
/// What ends the command at once.
async fn ask_beside(core: &Core, cluster: Place, what: SiteAsk) -> Result<Result<SiteSaid, String>, Failure> {
    match tokio::time::timeout(BESIDE_TIME_MAX, ask(core, cluster, what)).await {
        Ok(Ok(said)) => Ok(Ok(said)),
        Ok(Err(Failure::Fault(fault))) => Ok(Err(fault.message)),
        Ok(Err(other)) => Err(other),
        Err(_) => Ok(Err(format!("Slurm did not answer within {BESIDE_TIME_MAX:?}"))),
    }
}

/// Adds to what is shown of a job that Slurm ran what it used. Nothing is asked of one that is not over.
///
/// # Errors
/// As for every command.
pub async fn add_use(
    core: &Core,
    view: &JobView,
    facts: &mut Vec<(&'static str, String)>,
    value: &mut Value,
) -> Result<(), Failure> {
    let Some(number) = number(view).filter(|_| view.job.state.ended() && view.job.last.started.is_some()) else {
        return Ok(());
    };
    let text = match ask_beside(core, place(view), SiteAsk::Uses { ids: vec![number.clone()] }).await? {
        Ok(SiteSaid::Uses { jobs, .. }) => match jobs.iter().find(|job| job.id == *number) {
            Some(used) => {
                value["efficiency"] = object::used_value(used);
                std::iter::once(used.words()).chain(used.advice()).collect::<Vec<_>>().join("\n")
            }
            None => String::new(),
        },
        Ok(other) => return Err(strange(&other)),
        Err(why) => format!("not known: {why}"),
    };
    let at = facts.iter().position(|(name, _)| *name == "slurm job").map_or(facts.len(), |at| at + 1);
    facts.insert(at, ("efficiency", text));
    Ok(())
}

fn strange(said: &SiteSaid) -> Failure {
    let what = match said {
        SiteSaid::Uses { .. } => "what jobs used",
        SiteSaid::Priorities { .. } => "priorities",
        SiteSaid::Shares(_) => "shares",
    };
    Fault::internal(format!("an answer about {what}, which was not asked for")).into()
}

/// Lists what jobs asked for and used, with what would have done.
///
/// # Errors
/// As for every command; that Slurm ran none of them.
pub async fn efficiency(session: &Session, which: &Which) -> Result<i32, Failure> {
    let picks = select::picks(&which.jobs, which.all)?;
    let core = session.core().await?;
    let views = select::many(session, &core, picks).await?;
    let mut of_clusters: Vec<(Place, Vec<(&str, &String)>)> = Vec::new();
    for view in &views {
        let Some(number) = number(view) else { continue };
        let (place, job) = (place(view), (&*view.job.name, number));
        match of_clusters.iter_mut().find(|(other, _)| *other == place) {
            Some((_, jobs)) => jobs.push(job),
            None => of_clusters.push((place, vec![job])),
        }
    }
    if of_clusters.is_empty() {
        return Err(Fault::user("Slurm has run none of these jobs, and only Slurm measures what a job used")
            .hint("`ostler cluster node history` shows what a node of ssh did")
            .into());
    }
    let mut list = session.out.list(object::USES);
    for (place, jobs) in of_clusters {
        let ids = jobs.iter().map(|(_, number)| (*number).clone()).collect();
        let (uses, notes) = match ask(&core, place, SiteAsk::Uses { ids }).await? {
            SiteSaid::Uses { jobs, notes } => (jobs, notes),
            other => return Err(strange(&other)),
        };
        for note in notes {
            session.out.warn(&format!("Slurm's answer: {note}"));
        }
        let of = |number: &String| uses.iter().find(|used| used.id == *number);
        for (name, number) in jobs.iter().filter(|(_, number)| of(number).is_none()) {
            session.out.warn(&format!("Slurm does not know job {number} any more, which was `{name}`"));
        }
        let row = |(name, number): &(&str, &String)| of(number).map(|used: &SiteUse| object::used(name, used));
        list.page(jobs.iter().filter_map(row).collect())?;
    }
    list.end()?;
    Ok(0)
}

/// What is known of a priority.
#[derive(Debug)]
pub enum Found {
    /// Its parts.
    Parts(SitePriority),
    /// There are none.
    InOrder,
    /// It cannot be said.
    NotKnown(String),
}

impl Found {
    /// Says it in one line.
    pub fn words(&self) -> String {
        match self {
            Self::Parts(priority) => priority.words(),
            Self::InOrder => "priorities are by order of submission".to_owned(),
            Self::NotKnown(why) => format!("not known: {why}"),
        }
    }

    /// Returns the object.
    pub fn value(&self) -> Value {
        object::priority_value(match self {
            Self::Parts(priority) => Some(priority),
            Self::InOrder | Self::NotKnown(_) => None,
        })
    }
}

/// Returns of what the priority of a job of ours is made that waits in Slurm; `None` for any other.
///
/// # Errors
/// As for every command.
pub async fn priority_of(session: &Session, core: &Core, job: &str) -> Result<Option<Found>, Failure> {
    let view = select::one(session, core, job).await?;
    let waits = view.job.last.away.as_ref().is_some_and(|away| away.waits);
    let Some(number) = number(&view).filter(|_| waits && !view.job.state.ended()) else { return Ok(None) };
    let found = match ask_beside(core, place(&view), SiteAsk::Priorities { ids: vec![number.clone()] }).await? {
        Err(why) => Some(Found::NotKnown(why)),
        Ok(SiteSaid::Priorities { in_order: true, .. }) => Some(Found::InOrder),
        Ok(SiteSaid::Priorities { jobs, notes, .. }) => {
            let parts = jobs.into_iter().find(|priority| priority.id == *number).map(Found::Parts);
            parts.or_else(|| notes.into_iter().next().map(Found::NotKnown))
        }
        Ok(other) => return Err(strange(&other)),
    };
    Ok(found)
}

/// Says why jobs of the queue wait, whoever submitted them.
///
/// # Errors
/// As for every command; that there is no such job.
pub async fn why(session: &Session, ids: &[String]) -> Result<i32, Failure> {
    let core = session.core().await?;
    // The parts of an array are those of the whole until they start.
    let whole = |id: &String| id.split('_').next().unwrap_or_default().to_owned();
    let numbers: Vec<String> = ids.iter().map(whole).collect();
    let said = ask(&core, session.cluster(None), SiteAsk::Priorities { ids: numbers }).await?;
    let (in_order, priorities) = match said {
        SiteSaid::Priorities { in_order, jobs, notes } => {
            for note in notes {
                session.out.warn(&format!("Slurm's answer: {note}"));
            }
            (in_order, jobs)
        }
        other => return Err(strange(&other)),
    };
    let site = look(session, &core, session.cluster(None)).await?;
    if in_order {
        session.out.note(&Found::InOrder.words());
    }
    let mut list = session.out.list(object::REASONS);
    let mut missing = Vec::new();
    for id in ids {
        let of = |job: &&crate::model::site::SiteJob| job.id == *id || whole(&job.id) == *id;
        let Some(job) = site.jobs.iter().find(of) else {
            missing.push(id.as_str());
            continue;
        };
        let priority = priorities.iter().find(|priority| priority.id == whole(id));
        list.page(vec![object::reason(job, priority)])?;
    }
    list.end()?;
    match missing.as_slice() {
        [] => Ok(0),
        missing => {
            let kind = if missing.len() == ids.len() { FaultKind::User } else { FaultKind::Partly };
            Err(Fault::new(kind, format!("{} not in the queue", missing.join(", "))).into())
        }
    }
}

/// Lists the nodes of Slurm's that a job has or had.
///
/// # Errors
/// As for every command.
pub async fn nodes_of_job(session: &Session, core: &Core, view: &JobView, names: &[String]) -> Result<i32, Failure> {
    let site = look(session, core, place(view)).await?;
    let mut list = session.out.list(object_of_site::NODES);
    let holders = object_of_site::holders(&site);
    let there = names.iter().filter_map(|name| site.nodes.iter().find(|node| node.name == *name));
    list.page(there.map(|node| object_of_site::node(&holders, node)).collect())?;
    list.end()?;
    Ok(0)
}

/// Lists one's shares of accounts and the limits of them.
///
/// # Errors
/// As for every command; that the site keeps no accounts.
pub async fn share(session: &Session, name: Option<&String>) -> Result<i32, Failure> {
    let core = session.core().await?;
    let shares: SiteShares = match ask(&core, session.cluster(name), SiteAsk::Shares).await? {
        SiteSaid::Shares(shares) => shares,
        other => return Err(strange(&other)),
    };
    for note in &shares.notes {
        session.out.warn(&format!("Slurm's answer: {note}"));
    }
    if shares.none_kept {
        return Err(Fault::user("the site keeps no accounts: there is no fair share, and no limit of an account")
            .hint("the limits of partitions are in `ostler cluster partitions`")
            .into());
    }
    if shares.accounts.is_empty() {
        session.out.warn(&format!("`{}` is in no account there", shares.user));
    }
    let mut list = session.out.list(object::SHARES);
    list.page(shares.accounts.iter().map(object::account).chain(shares.qos.iter().map(object::qos)).collect())?;
    list.end()?;
    Ok(0)
}
