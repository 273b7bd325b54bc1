//! Lists of jobs by page. Live jobs and those that ended last are in the picture that every turn leaves behind; the store is
//! asked only for those that ended before, so that a list of what waits and runs costs the loop no reading of rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::model::cells::Cells;
use crate::model::ids::{ClusterId, ExperimentId, JobId, SweepId};
use crate::model::job_column::{JobColumn, JobLine, JobTable, Listed};
use crate::model::request::{JobQuery, JobView, PAGE_MAX, Place, Reply, SweepRef};
use crate::model::snapshot::Snapshot;
use crate::model::state::{ExecutionState, Job, Sweep};
use crate::model::units::UnixMillis;
use crate::runtime::engine::Engine;
use crate::runtime::validate::{Checked, Refusal};
use crate::runtime::{resolve, sweeps, views};
use crate::store::{Have, JobPage, Store, StoreError};

/// An experiment with less than this part of all jobs of the picture is found faster by the store's index than by a walk
/// through the picture.
const SMALL_PART: usize = 8;

/// Lists whole jobs.
///
/// # Errors
/// A name that is unknown, or that the store cannot be read.
pub fn jobs<S: Store>(engine: &Engine<S>, now: UnixMillis, query: &JobQuery) -> Result<Checked, Refusal> {
    let (jobs, more) = listed::<S, Arc<Job>>(engine, query)?;
    let forecasts = forecasts(engine, now, &jobs);
    let view = |job: Arc<Job>| {
        let starts = starts(&forecasts, &job);
        Arc::new(JobView { starts, ..views::job(&engine.sched, job) })
    };
    Ok(Checked::Reply(Reply::Jobs { jobs: jobs.into_iter().map(view).collect(), more }))
}

/// Lists what some columns say of jobs.
///
/// # Errors
/// As [`jobs`].
pub fn table<S: Store>(
    engine: &Engine<S>,
    now: UnixMillis,
    query: &JobQuery,
    columns: &[JobColumn],
) -> Result<Checked, Refusal> {
    let (jobs, more) = listed::<S, Listed>(engine, query)?;
    let sched = &engine.sched;
    let forecasts = match columns.contains(&JobColumn::Starts) {
        true => forecasts(engine, now, jobs.iter().filter_map(Listed::whole)),
        false => Forecasts::new(),
    };
    // No list shows a column twice.
    let columns = &columns[..columns.len().min(JobColumn::ALL.len())];
    let mut cells: Vec<Cells> = columns.iter().map(|_| Cells::default()).collect();
    let mut text = String::new();
    for job in &jobs {
        let cluster = sched.clusters().get(&job.cluster());
        let reason = job.reason(cluster.map(|cluster| &**cluster));
        let experiment = sched.experiments().get(&job.experiment());
        let line = JobLine {
            experiment: resolve::experiment_name(sched, job.experiment()),
            workspace: experiment.map_or("", |experiment| resolve::workspace_name(sched, experiment.workspace)),
            cluster: cluster.map_or("", |cluster| cluster.name.as_str()),
            cluster_group: cluster.map_or("", |cluster| resolve::group_name_of(sched, cluster.workspace)),
            cluster_workspace: cluster.map_or("", |cluster| resolve::workspace_name(sched, cluster.workspace)),
            starts: job.whole().and_then(|job| starts(&forecasts, job)),
            reason: &reason,
            ..job.line()
        };
        for (column, cells) in columns.iter().zip(&mut cells) {
            text.clear();
            column.write(&line, &mut text);
            cells.push(&text);
        }
    }
    cells.iter_mut().for_each(Cells::close);
    let (count, last) = (jobs.len(), jobs.last().map(Listed::id));
    Ok(Checked::Reply(Reply::JobTable(JobTable { count, columns: cells, last, more })))
}

/// When the jobs of each cluster start at the latest.
type Forecasts = BTreeMap<ClusterId, BTreeMap<JobId, UnixMillis>>;

fn forecasts<'a, S: Store>(engine: &Engine<S>, now: UnixMillis, jobs: impl IntoIterator<Item = &'a Arc<Job>>) -> Forecasts {
    let waiting = jobs.into_iter().filter(|job| job.state == ExecutionState::Queued).map(|job| job.cluster);
    let clusters: BTreeSet<_> = waiting.collect();
    clusters.into_iter().map(|cluster| (cluster, engine.sched.forecast(now, cluster))).collect()
}

fn starts(forecasts: &Forecasts, job: &Job) -> Option<UnixMillis> {
    forecasts.get(&job.cluster).and_then(|times| times.get(&job.id)).copied()
}

/// As what a job is listed.
trait Row: From<Arc<Job>> {
    fn id(&self) -> JobId;

    /// Reads a page of the store.
    fn read<S: Store>(store: &S, page: &JobPage, have: Have<'_>) -> Result<(Vec<Self>, bool), StoreError>;
}

impl Row for Arc<Job> {
    fn id(&self) -> JobId {
        self.id
    }

    fn read<S: Store>(store: &S, page: &JobPage, have: Have<'_>) -> Result<(Vec<Self>, bool), StoreError> {
        store.jobs(page, have)
    }
}

impl Row for Listed {
    fn id(&self) -> JobId {
        Listed::id(self)
    }

    fn read<S: Store>(store: &S, page: &JobPage, have: Have<'_>) -> Result<(Vec<Self>, bool), StoreError> {
        store.listed(page, have)
    }
}

/// Finds the jobs of a query: one page, and whether there are more.
fn listed<S: Store, R: Row>(engine: &Engine<S>, query: &JobQuery) -> Result<(Vec<R>, bool), Refusal> {
    let experiments = match (&query.workspace, &query.experiment) {
        (None, None) => None,
        (workspace, Some(name)) => {
            let place = Place { workspace: workspace.clone(), name: Some(name.clone()) };
            Some(vec![resolve::experiment(&engine.sched, &place)?.id])
        }
        (Some(workspace), None) => {
            let workspaces = resolve::workspaces(&engine.sched, Some(workspace))?;
            let of = |workspace| resolve::experiments_in(&engine.sched, workspace).map(|e| e.id);
            Some(workspaces.into_iter().flat_map(of).collect())
        }
    };
    let cluster = match &query.cluster {
        None => None,
        Some(name) => {
            let place = Place { workspace: query.workspace.clone(), name: Some(name.clone()) };
            Some(resolve::cluster(&engine.sched, &place)?.id)
        }
    };
    let limit = match query.limit {
        0 => PAGE_MAX,
        limit => limit.min(PAGE_MAX),
    };
    let (after, newest_first) = (query.after, query.newest_first);
    let page = JobPage { experiments, cluster, states: query.states.clone(), after, limit, newest_first };
    let of = match &query.sweep {
        None => None,
        Some(name) => Some(sweep(engine, query, name)?),
    };
    page_of(engine, page, of.as_deref())
}

fn sweep<S: Store>(engine: &Engine<S>, query: &JobQuery, name: &str) -> Result<Arc<Sweep>, Refusal> {
    let place = Place { workspace: query.workspace.clone(), name: query.experiment.clone() };
    let by_id = name.strip_prefix("sweep-").and_then(|number| number.parse().ok()).map(SweepId);
    let sweep = match by_id.filter(|id| engine.sched.sweeps().contains_key(id)) {
        Some(id) => SweepRef::Id(id),
        None => SweepRef::Named { experiment: place, sweep: name.to_owned() },
    };
    sweeps::resolve_sweep(engine, &sweep)
}

/// Reads one page of jobs, with members of sweeps that have not come up among them.
fn page_of<S: Store, R: Row>(engine: &Engine<S>, mut page: JobPage, of: Option<&Sweep>) -> Result<(Vec<R>, bool), Refusal> {
    let (first, limit) = (page.after, page.limit as usize);
    let experiments = of.map(|sweep| vec![sweep.experiment]);
    page.experiments = experiments.or(page.experiments);
    let ours = |job: JobId| of.is_none_or(|sweep| sweep.index_of(job).is_some());
    let mut found: Vec<R> = Vec::new();
    let mut beyond = None;
    loop {
        let (jobs, more) = known::<S, R>(engine, &page)?;
        page.after = jobs.last().map(R::id).or(page.after);
        found.extend(jobs.into_iter().filter(|job| ours(job.id())));
        if more {
            beyond = page.after;
        }
        if !more || found.len() > limit || of.is_none() {
            // What comes after the last row that was read belongs to the next page.
            beyond = beyond.filter(|_| more);
            break;
        }
    }
    let wanted = sweeps::Wanted {
        experiments: page.experiments.as_deref(),
        cluster: page.cluster,
        after: first,
        limit: limit + 1,
        newest_first: page.newest_first,
        states: &page.states,
    };
    let to_come = sweeps::waiting(engine, &wanted).into_iter().filter(|job| ours(job.id)).map(R::from);
    let mut jobs = in_order(found, to_come, page.newest_first);
    let within = |job: &R| beyond.is_none_or(|last| if page.newest_first { job.id() >= last } else { job.id() <= last });
    let all = jobs.len();
    jobs.retain(within);
    let more = beyond.is_some() || jobs.len() < all || jobs.len() > limit;
    jobs.truncate(limit);
    Ok((jobs, more))
}

/// Returns one page of the jobs that the picture or the store has, and whether there are more.
fn known<S: Store, R: Row>(engine: &Engine<S>, page: &JobPage) -> Result<(Vec<R>, bool), StoreError> {
    let picture = engine.snapshot();
    let have: Have = &|id| picture.jobs.get(&id).cloned();
    let meant = |state: ExecutionState| page.states.is_empty() || page.states.contains(&state);
    let ended: Vec<ExecutionState> =
        [ExecutionState::Succeeded, ExecutionState::Failed].into_iter().filter(|state| meant(*state)).collect();
    let elsewhere = !ended.is_empty() && !engine.shows_all_ended();
    let live = [ExecutionState::Queued, ExecutionState::Running, ExecutionState::Terminating].into_iter().any(meant);
    let few = page.experiments.as_ref().is_some_and(|of| are_few(picture, of));
    if few || (elsewhere && !live) {
        return R::read(&engine.store, page, have);
    }
    let limit = page.limit as usize;
    let (old, older) = match elsewhere {
        true => R::read(&engine.store, &JobPage { states: ended, ..page.clone() }, have)?,
        false => (Vec::new(), false),
    };
    let end = |jobs: &[R], more: bool| jobs.last().map(R::id).filter(|_| more);
    let mut jobs: Vec<R> = shown(picture, page, limit + 1, end(&old, older)).into_iter().map(R::from).collect();
    let mut more = jobs.len() > limit;
    jobs.truncate(limit);
    if elsewhere {
        // What a side has beyond its last row cannot be told; its end is the page's where the other side goes further.
        let ends = [end(&jobs, more), end(&old, older)].into_iter().flatten();
        let end = if page.newest_first { ends.max() } else { ends.min() };
        jobs = in_order(jobs, old, page.newest_first);
        jobs.retain(|job| end.is_none_or(|end| if page.newest_first { job.id() >= end } else { job.id() <= end }));
        more = end.is_some() || jobs.len() > limit;
        jobs.truncate(limit);
    }
    Ok((jobs, more))
}

/// Returns both in order; of a job that is in both, what the first has.
fn in_order<R: Row>(mut jobs: Vec<R>, others: impl IntoIterator<Item = R>, newest_first: bool) -> Vec<R> {
    jobs.extend(others);
    jobs.sort_by_key(R::id);
    jobs.dedup_by_key(|job| job.id());
    if newest_first {
        jobs.reverse();
    }
    jobs
}

/// Returns the first `limit` jobs of a page that are in the picture, none of them beyond `end`.
fn shown(picture: &Snapshot, page: &JobPage, limit: usize, end: Option<JobId>) -> Vec<Arc<Job>> {
    let fits = |job: &&Arc<Job>| {
        (page.states.is_empty() || page.states.contains(&job.state))
            && page.cluster.is_none_or(|cluster| cluster == job.cluster)
            && page.experiments.as_ref().is_none_or(|of| of.contains(&job.experiment))
    };
    let after = page.after.map_or(Bound::Unbounded, Bound::Excluded);
    let end = end.map_or(Bound::Unbounded, Bound::Included);
    if page.newest_first {
        let range = picture.jobs.range::<_, JobId>((end, after)).rev();
        return range.map(|(_, job)| job).filter(fits).take(limit).cloned().collect();
    }
    let range = picture.jobs.range::<_, JobId>((after, end));
    range.map(|(_, job)| job).filter(fits).take(limit).cloned().collect()
}

fn are_few(picture: &Snapshot, experiments: &[ExperimentId]) -> bool {
    let of = |id: &ExperimentId| {
        let tally = picture.experiments.get(id).map(|experiment| &experiment.tally);
        tally.map_or(0, |t| t.queued + t.running + t.terminating + t.succeeded + t.failed)
    };
    let all = u64::try_from(picture.jobs.len() / SMALL_PART).unwrap_or(u64::MAX);
    experiments.iter().map(of).sum::<u64>() < all
}

#[cfg(test)]
mod tests;
