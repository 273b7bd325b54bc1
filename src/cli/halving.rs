//! `ostler sweep halving`: successive halving with reruns, as the published recipe has it: many configurations with little to
//! spend, the best of them again with more. Each round is a sweep of its own, so what runs is seen and managed like any other.
//!
//! Decision (2026-11): a round's token is made of what it is, so the same command goes on where one before it was cut off: a round that
//! is there is waited for and not made again. Rounds of another body or other values are refused by their names, which are taken.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::failure::Failure;
use super::select;
use super::session::{Core, Session, unexpected};
use super::sweep::{self, Shape};
use crate::model::fault::Fault;
use crate::model::request::{JobQuery, JobRef, Reply, Request, SubmitSweep, SweepView};
use crate::model::spec::sweep::{Parameter, Part, Search, Values};
use crate::model::stopping::{Round, bracket};
use crate::model::study::{self, Entry, Take};

/// How long is waited for the last metrics of jobs that have ended: some looks at their nodes.
const METRICS_WAIT: Duration = Duration::from_secs(60);
const METRICS_POLL: Duration = Duration::from_millis(500);

/// Options of `halving`.
#[derive(Args, Clone, Debug)]
pub struct Halving {
    #[command(flatten)]
    shape: Shape,
    /// The most epochs that a job gets; it has them as PARAM_EPOCHS
    #[arg(long, value_name = "N")]
    epochs: u32,
    /// One of so many goes on, with so many times the epochs
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=64))]
    factor: u32,
    /// The metric that decides; as for `experiment best` when absent
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// Larger is better
    #[arg(long)]
    maximize: bool,
}

/// Does it: round after round, until one is left.
///
/// # Errors
/// As for `sweep create`, and that a round has no metric to decide by.
pub async fn run(session: &Session, halving: Halving) -> Result<i32, Failure> {
    let rounds = bracket(halving.epochs, halving.factor);
    let all: u32 = rounds.iter().map(|round| round.jobs).sum();
    let words: Vec<String> = rounds.iter().map(|round| format!("{} x {} epochs", round.jobs, round.epochs)).collect();
    session.out.note(&format!("{} rounds: {}; {all} jobs", rounds.len(), words.join(", ")));
    let ask = sweep::read(session, &halving.shape, super::job_create::Purpose::Submit).await?;
    let seed = match ask.spec.parts.first().map(|part| part.search) {
        Some(Search::Random { seed, .. } | Search::Latin { seed, .. }) => seed,
        Some(Search::Grid) | None => halving.shape.seed().unwrap_or_default(),
    };
    let name = ask.name.clone().unwrap_or_else(|| "halving".to_owned());
    let mut points = first_points(&ask, rounds[0].jobs, seed)?;
    if session.globals.dry_run {
        return Ok(0);
    }
    let core = session.core().await?;
    let mut winner = None;
    for (number, round) in rounds.iter().enumerate() {
        let name = format!("{name}-r{}", number + 1);
        let view = submit(&core, &ask, &name, &points, *round).await?;
        let mut entries = ended(session, &core, &view, halving.metric.as_deref()).await?;
        let (_, metrics) = study::columns(&entries);
        let metric = study::deciding(halving.metric.as_deref(), None, &metrics).map_err(|there| {
            Fault::user(format!("round {} has no metric to decide by", number + 1))
                .hint(format!("--metric; there are: {}", there.join(", ")))
        })?;
        study::sort(&mut entries, &metric, Take::Last, halving.maximize);
        let keep = round.keep.max(1) as usize;
        let value =
            |entry: &Entry| entry.metric(&metric, Take::Last, halving.maximize).map(study::short).unwrap_or_default();
        if let Some(best) = entries.first() {
            session.out.note(&format!(
                "round {}: {} of {} go on; the best is {}, {metric} {}",
                number + 1,
                round.keep,
                entries.len(),
                best.name,
                value(best)
            ));
        }
        entries.truncate(keep);
        points = entries.iter().map(point_of).collect();
        winner = entries.into_iter().next().map(|entry| (entry, metric));
    }
    let Some((best, metric)) = winner else { return Err(Fault::user("no job came to an end").into()) };
    let parameters: Map<String, Value> = best.parameters.iter().cloned().collect();
    let last = best.metric(&metric, Take::Last, halving.maximize);
    let value = json!({"name": best.name, "metric": metric, "value": last, "parameters": parameters});
    session.out.one(
        &best.name,
        &[("best", best.name.clone()), (Box::leak(metric.into_boxed_str()), last.map(study::short).unwrap_or_default())],
        &value,
    )?;
    Ok(0)
}

/// Draws the configurations of the first round.
fn first_points(ask: &SubmitSweep, jobs: u32, seed: u64) -> Result<Vec<Map<String, Value>>, Failure> {
    let parts: Vec<Part> = ask
        .spec
        .parts
        .iter()
        .map(|part| Part {
            search: Search::Random { jobs, seed },
            parameters: part.parameters.clone(),
            exclude: part.exclude.clone(),
        })
        .take(1)
        .collect();
    let draws = crate::model::spec::SweepSpec::new(Value::Null, parts);
    if draws.names().iter().any(|name| name.eq_ignore_ascii_case("epochs")) {
        return Err(Fault::config("epochs: the rounds say how many there are; it is no parameter here").into());
    }
    if draws.names().iter().any(|name| name.contains('.')) {
        return Err(
            Fault::config("halving takes no values that vary together under one name; give a table: -p @FILE").into()
        );
    }
    Ok((0..draws.count()).filter_map(|index| draws.point(index)).map(|point| point.into_iter().collect()).collect())
}

fn point_of(entry: &Entry) -> Map<String, Value> {
    entry.parameters.iter().filter(|(name, _)| name != "epochs").cloned().collect()
}

async fn submit(
    core: &Core,
    ask: &SubmitSweep,
    name: &str,
    points: &[Map<String, Value>],
    round: Round,
) -> Result<SweepView, Failure> {
    let table = Parameter { name: String::new(), values: Values::Together(points.to_vec()) };
    let epochs = Parameter { name: "epochs".to_owned(), values: Values::List(vec![round.epochs.into()]) };
    let part = Part { parameters: vec![table, epochs], search: Search::Grid, exclude: Vec::new() };
    let mut spec = ask.spec.clone();
    spec.replace_parts(vec![part]);
    let whole = serde_json::to_string(&(name, &ask.experiment, &ask.cluster, &spec));
    let whole = whole.map_err(|error| Fault::internal("a round cannot be written down").because(&error))?;
    let token = Some(format!("halving-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, whole.as_bytes())));
    let ask = SubmitSweep { name: Some(name.to_owned()), spec, token, ..ask.clone() };
    match core.act(&format!("make sweep {name}"), Request::CreateSweep(Box::new(ask))).await? {
        Some(Reply::Sweep(view)) => Ok((*view).clone()),
        Some(other) => Err(unexpected(&other)),
        None => Err(Fault::internal("a dry run came too far").into()),
    }
}

/// Waits for all members of a round, and for their metrics.
async fn ended(session: &Session, core: &Core, view: &SweepView, metric: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let query = JobQuery {
        workspace: Some(view.workspace.clone()),
        experiment: Some(view.experiment.clone()),
        sweep: Some(view.sweep.id.to_string()),
        ..JobQuery::default()
    };
    let mut jobs = Vec::new();
    select::pages(core, query, |page| {
        jobs.extend(page);
        Ok(true)
    })
    .await?;
    let mut ended = Vec::new();
    for (count, job) in jobs.iter().enumerate() {
        match core.ask(Request::AwaitJob { job: JobRef::Id(job.job.id), timeout: None }).await? {
            Reply::Job(job) => ended.push(job),
            other => return Err(unexpected(&other)),
        }
        session.out.note(&format!("{}: {} of {} have ended", view.sweep.name, count + 1, jobs.len()));
    }
    let begin = tokio::time::Instant::now();
    loop {
        let ids = ended.iter().map(|view| view.job.id).collect();
        let found = match core.ask(Request::Metrics { jobs: ids, curves: Vec::new() }).await? {
            Reply::Metrics(found) => found,
            other => return Err(unexpected(&other)),
        };
        let has = |stats: &[crate::model::metric::Stat]| match metric {
            Some(metric) => stats.iter().any(|stat| stat.name == metric),
            None => !stats.is_empty(),
        };
        let well = |view: &crate::model::request::JobView| view.job.last.exit_code == Some(0);
        let missing =
            ended.iter().zip(&found).any(|(view, (_, metrics))| well(view) && (!metrics.complete || !has(&metrics.stats)));
        if !missing || begin.elapsed() > METRICS_WAIT {
            let entry = |(view, (_, metrics)): (
                &std::sync::Arc<crate::model::request::JobView>,
                (_, crate::model::metric::JobMetrics),
            )| Entry {
                job: view.job.id,
                name: view.job.name.to_string(),
                state: view.job.state.word(),
                parameters: view.job.sweep.as_ref().map(|member| member.parameters.clone()).unwrap_or_default(),
                // A job that failed is no candidate, whatever it reported before.
                stats: if well(view) { metrics.stats } else { Vec::new() },
            };
            return Ok(ended.iter().zip(found).map(entry).collect());
        }
        tokio::time::sleep(METRICS_POLL).await;
    }
}
