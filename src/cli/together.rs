//! Acts on an experiment as a whole, or on those of its jobs that fit: stop, pause, resume, retry, priority, delete; and what
//! passes to its sweep, extend and trim. A sweep is acted on as such, so that members that have not come up are meant too.

use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use super::lists::Lists;
use super::session::{Core, Session};
use super::sweep::{self, Named, concerned, each_of};
use super::sweep_where::Where;
use super::{names, study};
use crate::model::fault::Fault;
use crate::model::request::{JobAct, JobQuery, JobView, Request, SweepAct, SweepRef};
use crate::model::state::Sweep;

/// An experiment, or some of its jobs.
#[derive(Args, Clone, Debug)]
pub struct Those {
    /// The experiment; that of the context when absent
    #[arg(add = names::experiments())]
    pub(super) name: Option<String>,
    /// Only members of this sweep
    #[arg(long, value_name = "SWEEP")]
    pub(super) sweep: Option<String>,
    /// Only jobs that fit: 'lr<0.01 loss>2 state:running'
    #[arg(long = "where", value_name = "CONDITIONS")]
    pub(super) conditions: Option<Where>,
}

/// A sweep of an experiment.
#[derive(Args, Clone, Debug)]
pub struct ItsSweep {
    /// The experiment; that of the context when absent
    #[arg(add = names::experiments())]
    name: Option<String>,
    /// Which of its sweeps; may be left out when there is only one
    #[arg(long, value_name = "SWEEP")]
    sweep: Option<String>,
}

/// Does the same to all jobs that are meant.
///
/// # Errors
/// The core's refusal; of several jobs, all refusals.
pub async fn act(session: &Session, those: Those, verb: &str, whole: SweepAct, each: JobAct) -> Result<i32, Failure> {
    let core = session.core().await?;
    let sweeps = match those.conditions {
        None => sweeps(session, &core, &those.name, those.sweep.as_deref()).await?,
        Some(_) => Vec::new(),
    };
    let jobs = found(session, &core, &those, &each).await?;
    // Members go with their sweep.
    let alone: Vec<Arc<JobView>> = jobs.into_iter().filter(|view| sweeps.is_empty() || view.job.sweep.is_none()).collect();
    let ends = matches!(each, JobAct::Terminate { .. } | JobAct::Delete);
    if ends && !sweeps.is_empty() {
        let names: Vec<&str> = sweeps.iter().map(|sweep| sweep.name.as_str()).collect();
        session.confirm(&format!("{verb} all members of {} and {} other jobs", names.join(", "), alone.len()))?;
    }
    for sweep in &sweeps {
        let request = Request::Sweep { sweep: SweepRef::Id(sweep.id), act: whole.clone() };
        if core.act(&format!("{verb} sweep {}", sweep.name), request).await?.is_some() {
            session.out.note(&format!("sweep {}: {verb}: accepted", sweep.name));
        }
    }
    if alone.is_empty() && !sweeps.is_empty() {
        return Ok(0);
    }
    each_of(session, &core, &alone, verb, &each).await
}

/// Lets failed jobs run again: the same jobs, a new attempt each.
///
/// # Errors
/// As for [`act`].
pub async fn each(session: &Session, those: Those, verb: &str, act: JobAct) -> Result<i32, Failure> {
    let core = session.core().await?;
    let jobs = found(session, &core, &those, &act).await?;
    each_of(session, &core, &jobs, verb, &act).await
}

async fn found(session: &Session, core: &Core, those: &Those, act: &JobAct) -> Result<Vec<Arc<JobView>>, Failure> {
    let place = session.experiment(those.name.as_ref());
    let query = JobQuery {
        workspace: place.workspace,
        experiment: place.name,
        sweep: those.sweep.clone(),
        states: concerned(act),
        ..JobQuery::default()
    };
    study::fitting(core, study::jobs(core, query).await?, those.conditions.as_ref()).await
}

async fn sweeps(
    session: &Session,
    core: &Core,
    experiment: &Option<String>,
    sweep: Option<&str>,
) -> Result<Vec<Arc<Sweep>>, Failure> {
    let name = experiment.as_ref().or(session.context.experiment.as_ref());
    let lists = Lists::read(core, session.workspace_for(name).as_ref()).await?;
    let of = lists.experiment(name)?.id;
    let named =
        |one: &&Arc<Sweep>| sweep.is_none_or(|word| one.name.eq_ignore_ascii_case(word) || one.id.to_string() == word);
    Ok(lists.sweeps.iter().filter(|one| one.experiment == of).filter(named).cloned().collect())
}

impl ItsSweep {
    /// Returns the one sweep that is meant.
    ///
    /// # Errors
    /// There is none, or there are several.
    async fn one(&self, session: &Session) -> Result<Named, Failure> {
        let core = session.core().await?;
        let found = sweeps(session, &core, &self.name, self.sweep.as_deref()).await?;
        match found.as_slice() {
            [only] => Ok(Named { sweep: Some(only.id.to_string()) }),
            [] => Err(Fault::user("the experiment has no such sweep").hint("ostler sweep list shows what there is").into()),
            many => {
                let names: Vec<&str> = many.iter().map(|sweep| sweep.name.as_str()).collect();
                Err(Fault::config(format!("the experiment has {} sweeps", many.len()))
                    .hint(format!("--sweep {}", names.join(" | ")))
                    .into())
            }
        }
    }
}

/// Gives the sweep of an experiment members more.
///
/// # Errors
/// As for `sweep extend`.
pub async fn extend(
    session: &Session,
    its: ItsSweep,
    values: sweep::NewValues,
    suggest: sweep::Suggest,
) -> Result<i32, Failure> {
    let named = its.one(session).await?;
    sweep::extend(session, sweep::Extend { named, values, suggest }).await
}

/// Takes members of the sweep of an experiment away that have not come up.
///
/// # Errors
/// As for `sweep trim`.
pub async fn trim(session: &Session, its: ItsSweep, to: u32) -> Result<i32, Failure> {
    let named = its.one(session).await?;
    sweep::trim(session, &named, to).await
}
