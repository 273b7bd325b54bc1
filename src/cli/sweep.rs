//! `ostler sweep`: one body with many values, made, looked at and managed together.

use std::collections::BTreeMap;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use clap::{Args, Subcommand};
use futures_util::stream::{StreamExt, TryStreamExt};
use uuid::Uuid;

use super::failure::Failure;
use super::fetch::Source;
use super::job_create::{self, What};
use super::lists::Lists;
use super::node::partly;
use super::objects::sweep as object;
use super::secret::{self, Answers};
use super::session::{Core, Session, unexpected};
use super::study;
use super::sweep_where::Where;
use crate::model::fault::Fault;
use crate::model::request::{
    JobAct, JobQuery, JobRef, JobView, Place, Reply, Request, SubmitSweep, SweepAct, SweepPlan, SweepRef, SweepView,
};
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::patch::Whose;
use crate::model::spec::secret::{SecretText, sources_of_job};
use crate::model::spec::sweep::{Naming, Parameter, Part, SWEEP_MEMBERS_MAX, Search, SweepSpec, Values};
use crate::model::spec::{JobFile, SweepFile, sweep_file, token};
use crate::model::state::{ExecutionState, Sweep};
use crate::model::stopping::{Rule, Stopping};
use crate::model::units::Millis;

/// What can be done with sweeps.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make a sweep: a job for every combination of values, or for draws of them
    ///
    /// PARAM_LR in any text of the body becomes the value of the parameter lr, and every job has it as a variable.
    #[command(visible_alias = "submit")]
    Create(Box<Create>),
    /// Successive halving: many configurations with few epochs, the best again with more, as the published recipe does
    Halving(Box<super::halving::Halving>),
    /// Say what a sweep would come to: how many jobs, their names and values, what they cost at most
    Plan(Box<Shape>),
    /// Show one sweep
    Show(Named),
    /// List the sweeps of the workspace
    #[command(visible_alias = "ls")]
    List,
    /// Stop all members that have not ended; no other comes up
    Stop(Members),
    /// Let no member start; those that run go on
    Pause(Members),
    /// Let members start again
    Resume(Members),
    /// Run failed members again: the same jobs, a new attempt
    Retry(Members),
    /// Give a sweep members more: other values, or more draws
    Extend(Extend),
    /// Take members away that have not come up
    Trim {
        #[command(flatten)]
        named: Named,
        /// Keep the first so many members
        #[arg(long, value_name = "N")]
        to: u32,
    },
    /// Change the priority of waiting members
    Priority {
        /// The new priority
        #[arg(value_parser = ["low", "normal", "high"])]
        priority: String,
        #[command(flatten)]
        members: Members,
    },
    /// Delete a sweep with the records of all its members, stopping those that live; their files stay
    #[command(visible_alias = "rm")]
    Delete(Members),
}

/// A sweep.
#[derive(Args, Clone, Debug)]
pub struct Named {
    /// Its name, or sweep-3; may be left out when there is only one
    #[arg(value_name = "SWEEP")]
    pub(super) sweep: Option<String>,
}

/// A sweep, or some of its members.
#[derive(Args, Clone, Debug)]
pub struct Members {
    #[command(flatten)]
    named: Named,
    /// Only members that fit: 'lr<0.01 batch=64 state:failed'
    #[arg(long = "where", value_name = "CONDITIONS")]
    conditions: Option<Where>,
}

/// Which values.
#[derive(Args, Clone, Debug, Default)]
pub struct NewValues {
    /// A parameter: lr=log:1e-4..1e-1:8, batch=32,64,128, seed=1..10, x=0.0..1.0:5, y=0..1/0.25, data=files:DIR::REGEX,
    /// opt=[{"name": "sgd", "lr": 0.1}, …]; @FILE for a table in CSV or JSON; may be repeated
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUES")]
    parameters: Vec<String>,
    /// A file of parameters, as published ({"params": [...]}) or as `sweep` in a job's file
    #[arg(long = "params", value_name = "FILE")]
    params_file: Option<String>,
    /// So many independent draws instead of every combination
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=SWEEP_MEMBERS_MAX as i64))]
    random: Option<u32>,
    /// So many draws that cover each range evenly (Latin hypercube)
    #[arg(long, value_name = "N", conflicts_with = "random", value_parser = clap::value_parser!(u32).range(1..=SWEEP_MEMBERS_MAX as i64))]
    latin: Option<u32>,
    /// Where draws begin; the same seed gives the same draws
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One member more, with these values: lr=0.1,batch=64; may be repeated
    #[arg(long, value_name = "NAME=VALUE,…", value_parser = sweep_file::set)]
    include: Vec<serde_json::Map<String, serde_json::Value>>,
    /// No member with all these values; may be repeated
    #[arg(long, value_name = "NAME=VALUE,…", value_parser = sweep_file::set)]
    exclude: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Where the files of a published file parameter are to be looked for here: NAME=DIR; may be repeated
    #[arg(long = "files", value_name = "NAME=DIR", value_parser = super::workspace::pair)]
    files: Vec<(String, String)>,
}

/// What a sweep is: for `create` and `plan` alike.
#[derive(Args, Clone, Debug)]
pub struct Shape {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    values: NewValues,
    /// As many members may run at once
    #[arg(long, value_name = "N")]
    running: Option<u32>,
    /// Name members by a hash of their bodies, as the published tools do; the same body is not run twice
    #[arg(long)]
    hash_names: bool,
}

impl Shape {
    /// Returns the seed that was typed.
    pub(super) fn seed(&self) -> Option<u64> {
        self.values.seed
    }
}

/// Options of `create`.
#[derive(Args, Clone, Debug)]
pub struct Create {
    #[command(flatten)]
    shape: Shape,
    /// Stop members early: asha (at steps 1, 4, 16 … one of four goes on), median (worse than the others' median), notANumber
    #[arg(long, value_name = "RULE", value_parser = ["asha", "median", "notANumber"])]
    stop: Option<String>,
    /// The metric that decides who is stopped; the first one reported when absent
    #[arg(long, value_name = "METRIC", requires = "stop")]
    metric: Option<String>,
    /// Larger is better
    #[arg(long, requires = "stop")]
    maximize: bool,
    /// The first step at which members are stopped
    #[arg(long, value_name = "N", requires = "stop", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    first_step: u32,
    /// Of so many one goes on
    #[arg(long, value_name = "N", requires = "stop", default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=64))]
    factor: u32,
    /// More failures than this end the sweep
    #[arg(long, value_name = "N")]
    max_failures: Option<u32>,
    /// Let nothing of it run until `sweep resume`
    #[arg(long)]
    paused: bool,
    /// Submit under this token: a repeat with the same token gives the same sweep
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
}

/// Options of `extend`.
#[derive(Args, Clone, Debug)]
pub struct Extend {
    #[command(flatten)]
    pub(super) named: Named,
    #[command(flatten)]
    pub(super) values: NewValues,
    #[command(flatten)]
    pub(super) suggest: Suggest,
}

/// Values that follow from what members reported.
#[derive(Args, Clone, Debug)]
pub struct Suggest {
    /// So many members more with values that are likely to be better, by what members have reported (tree-structured
    /// Parzen estimator)
    #[arg(long = "suggest", value_name = "N", conflicts_with_all = ["parameters", "params_file", "random", "latin", "include", "exclude", "files"], value_parser = clap::value_parser!(u32).range(1..=SUGGESTED_MAX))]
    jobs: Option<u32>,
    /// The metric that decides; that of --stop, the goal of the jobs, their only metric or their loss when absent
    #[arg(long, value_name = "METRIC", requires = "jobs")]
    metric: Option<String>,
    /// Larger is better
    #[arg(long, requires = "jobs")]
    maximize: bool,
}

/// The most suggestions at once: the later ones of a batch know little more than the first.
const SUGGESTED_MAX: i64 = 1_000;
/// How many suggestions are shown line by line.
const SUGGESTED_SHOWN: usize = 20;

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Create(create) => self::create(session, *create).await,
        Verb::Halving(halving) => super::halving::run(session, *halving).await,
        Verb::Plan(shape) => {
            let ask = read(session, &shape, job_create::Purpose::Look).await?;
            let core = session.core().await?;
            let plan = ask_plan(&core, &ask).await?;
            session.out.one(&plan.name, &object::plan_facts(&plan), &object::plan_value(&plan))?;
            Ok(0)
        }
        Verb::Show(named) => {
            let core = session.core().await?;
            let view = one(session, &core, &named).await?;
            session.out.one(&view.sweep.name, &object::facts(&view), &object::value(&view))?;
            Ok(0)
        }
        Verb::List => list(session).await,
        Verb::Stop(members) => act(session, members, "stop", SweepAct::Stop, JobAct::Terminate { hold: Millis(0) }).await,
        Verb::Pause(members) => act(session, members, "pause", SweepAct::Pause, JobAct::Hold).await,
        Verb::Resume(members) => act(session, members, "resume", SweepAct::Resume, JobAct::Release).await,
        Verb::Priority { priority, members } => {
            let priority = super::job::priority(&priority);
            let of_job = JobAct::Priority { priority };
            act(session, members, "change the priority of", SweepAct::Priority { priority }, of_job).await
        }
        Verb::Retry(members) => retry(session, members).await,
        Verb::Extend(extend) => self::extend(session, extend).await,
        Verb::Trim { named, to } => trim(session, &named, to).await,
        Verb::Delete(members) => delete(session, members).await,
    }
}

/// Takes members away that have not come up.
///
/// # Errors
/// As for every command.
pub(super) async fn trim(session: &Session, named: &Named, to: u32) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one(session, &core, named).await?;
    let request = Request::Sweep { sweep: SweepRef::Id(view.sweep.id), act: SweepAct::Trim { keep: to } };
    core.act(&format!("trim sweep {} to {to} members", view.sweep.name), request).await?;
    Ok(0)
}

async fn create(session: &Session, create: Create) -> Result<i32, Failure> {
    let ask = read(session, &create.shape, job_create::Purpose::Submit).await?;
    let mut ask = ask;
    let rule = create.stop.as_deref().map(|word| match word {
        "asha" => Rule::Asha,
        "median" => Rule::Median,
        _ => Rule::NotANumber,
    });
    if let Some(rule) = rule {
        let (metric, maximize) = (create.metric.clone(), create.maximize);
        ask.spec.stopping = Some(Stopping { rule, metric, maximize, first_step: create.first_step, factor: create.factor });
    }
    ask.spec.failures_max = create.max_failures.or(ask.spec.failures_max);
    let token = create.token.clone().or(Some(Uuid::now_v7().to_string()));
    submit(session, SubmitSweep { token, held: create.paused, ..ask }).await
}

/// Says what a sweep comes to, and makes it.
async fn submit(session: &Session, ask: SubmitSweep) -> Result<i32, Failure> {
    let core = session.core().await?;
    let plan = ask_plan(&core, &ask).await?;
    session.out.note(&plan.sentence());
    let sentence = format!("make sweep {} of {} jobs", plan.name, plan.count - plan.known);
    match core.act(&sentence, Request::CreateSweep(Box::new(ask))).await? {
        None => {
            let value = object::plan_value(&plan);
            session.out.done(&format!("would {sentence}"), &plan.name, &value)?;
        }
        Some(Reply::Sweep(view)) => {
            let said = format!(
                "sweep {} ({}) submitted to cluster {}, experiment {}: {} jobs",
                view.sweep.name,
                view.sweep.id,
                view.cluster,
                view.experiment,
                view.sweep.count() - view.sweep.trimmed
            );
            session.out.done(&said, &view.sweep.name, &object::value(&view))?;
        }
        Some(other) => return Err(unexpected(&other)),
    }
    Ok(0)
}

/// Makes the sweep that a job's file describes.
///
/// # Errors
/// As for `sweep create`.
pub async fn of_job_file(session: &Session, what: &What, token: Option<String>) -> Result<i32, Failure> {
    let shape = Shape { what: what.clone(), values: NewValues::default(), running: None, hash_names: false };
    let ask = read(session, &shape, job_create::Purpose::Submit).await?;
    submit(session, SubmitSweep { token: token.or(Some(Uuid::now_v7().to_string())), ..ask }).await
}

async fn ask_plan(core: &Core, ask: &SubmitSweep) -> Result<SweepPlan, Failure> {
    match core.ask(Request::PlanSweep(Box::new(ask.clone()))).await? {
        Reply::SweepPlan(plan) => Ok(*plan),
        other => Err(unexpected(&other)),
    }
}

/// Reads file and options into one sweep.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) async fn read(session: &Session, shape: &Shape, purpose: job_create::Purpose) -> Result<SubmitSweep, Failure> {
    let (source, mut doc) = shape.what.doc().await?;
    let mut faults = Faults::default();
    let mut file = match doc.get("sweep").or_else(|| doc.get("properties").and_then(|inner| inner.get("sweep"))) {
        Some(sweep) => SweepFile::read(&Field::root(&doc).child("sweep", sweep), &mut faults),
        None => SweepFile::default(),
    };
    source.judge(session.out, std::mem::take(&mut faults), &[])?;
    remove(&mut doc, "sweep");
    add_values(session, &mut file, &shape.values).await?;
    file.running_max = shape.running.or(file.running_max);
    if shape.hash_names {
        file.naming = Naming::Hash;
    }
    job_create::overlay(&mut doc, &shape.what)?;
    shape.what.patch(session, &mut doc, Whose::Job, &mut faults)?;
    // The name is the sweep's; its members have their own.
    let named = doc.get("name").or_else(|| doc.get("properties").and_then(|inner| inner.get("name"))).cloned();
    remove(&mut doc, "name");
    let mut spec = file.sweep(serde_json::Value::Null);
    if let Some(first) = spec.faults().into_iter().next() {
        let fault = Fault::config(format!("sweep: {first}"));
        let fault = match spec.names().is_empty() {
            true => fault.hint("-p lr=log:1e-4..1e-1:8 -p batch=32,64, --params FILE, or `sweep` in the file"),
            false => fault,
        };
        return Err(fault.into());
    }
    for unknown in token::unknown(&doc, &spec.names()) {
        session.out.warn(&format!("{unknown} in the body is no parameter of the sweep; it stays as it is"));
    }
    let mut first = doc.clone();
    token::substitute(&mut first, &spec.point(0).unwrap_or_default());
    let read = JobFile::read(&first, &mut faults);
    let values = faults.values.clone();
    source.judge(session.out, faults, job_create::HINTS)?;
    let Some(mut file) = read else { return Err(Fault::internal("a job without faults was not read").into()) };
    let answers = match shape.what.file() {
        _ if session.globals.dry_run || purpose == job_create::Purpose::Look => Answers::Unasked,
        Some("-") => Answers::Taken,
        Some(_) | None => Answers::Input,
    };
    secret::settle(sources_of_job(&mut file.spec), answers)?;
    spec.sources = sources_of_job(&mut file.spec).into_iter().map(|(_, source)| source.clone()).collect();
    hide(&mut doc, &values, false);
    spec.template = doc.to_json();
    let named = named.and_then(|doc| match doc.value {
        Value::Text(text) => Some(text),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
    });
    let (experiment, cluster) = job_create::places(session, &file);
    let name = shape.what.name().or(named);
    Ok(SubmitSweep { experiment, cluster, name, spec, held: false, token: None })
}

fn remove(doc: &mut Doc, key: &str) {
    for level in [true, false] {
        let map = if level { doc.get_mut("properties") } else { Some(&mut *doc) };
        if let Some(Doc { value: Value::Map(entries), .. }) = map {
            entries.retain(|entry| entry.key != key);
        }
    }
}

/// Takes values of secrets out of a body: what is stored of it are the places where they stand.
fn hide(doc: &mut Doc, values: &[SecretText], secret: bool) {
    match &mut doc.value {
        Value::Text(text) | Value::Number(text) | Value::Bool(_, text)
            if secret && values.iter().any(|value| value.reveal() == text) =>
        {
            doc.value = Value::Text("kept".to_owned());
        }
        Value::List(items) => items.iter_mut().for_each(|item| hide(item, values, secret)),
        Value::Map(entries) => {
            for entry in entries {
                let within = secret || ["secrets", "credentials"].contains(&entry.key.as_str());
                // The name of a secret is not its value, whatever it is.
                if !(secret && entry.key == "name") {
                    hide(&mut entry.value, values, within);
                }
            }
        }
        Value::Null | Value::Text(_) | Value::Number(_) | Value::Bool(..) => {}
    }
}

/// Puts options over what the file says of values; a parameter of the same name is replaced.
async fn add_values(session: &Session, file: &mut SweepFile, values: &NewValues) -> Result<(), Failure> {
    if let Some(named) = &values.params_file {
        let source = Source::read(named).await?;
        let doc = source.doc()?;
        let mut faults = Faults::default();
        let more = SweepFile::read(&Field::root(&doc), &mut faults);
        source.judge(session.out, faults, &[])?;
        let parameters = std::mem::take(&mut file.parameters);
        *file = SweepFile { parameters: parameters.into_iter().chain(more.parameters.clone()).collect(), ..more };
    }
    for option in &values.parameters {
        let parameter = match option.strip_prefix('@').map(|path| (String::new(), path)).or_else(|| {
            let (name, path) = option.split_once("=@")?;
            Some((name.to_owned(), path))
        }) {
            Some((name, path)) => Parameter { name, values: table(path).await? },
            None => sweep_file::option(option).map_err(|what| Fault::config(format!("--param {what}")))?,
        };
        file.parameters.retain(|other| other.name != parameter.name || parameter.name.is_empty());
        file.parameters.push(parameter);
    }
    let seed = values.seed.unwrap_or(match file.search {
        Some(Search::Random { seed, .. } | Search::Latin { seed, .. }) => seed,
        Some(Search::Grid) | None => 0,
    });
    match (values.random, values.latin, file.search) {
        (Some(jobs), ..) => file.search = Some(Search::Random { jobs, seed }),
        (None, Some(jobs), _) => file.search = Some(Search::Latin { jobs, seed }),
        (None, None, Some(Search::Random { jobs, .. })) => file.search = Some(Search::Random { jobs, seed }),
        (None, None, Some(Search::Latin { jobs, .. })) => file.search = Some(Search::Latin { jobs, seed }),
        (None, None, Some(Search::Grid) | None) => {}
    }
    file.include.extend(values.include.iter().cloned());
    file.exclude.extend(values.exclude.iter().cloned());
    let named: BTreeMap<&str, &str> = values.files.iter().map(|(name, dir)| (name.as_str(), dir.as_str())).collect();
    for parameter in &mut file.parameters {
        if let Values::Files(set) = &parameter.values {
            let found = named.get(parameter.name.as_str()).map(|dir| (*dir).to_owned()).or(set.directory.clone());
            let directory = found.ok_or_else(|| {
                Fault::config(format!("parameter {}: where are its files?", parameter.name))
                    .hint(format!("--files {}=DIR names a directory here that has the same files", parameter.name))
            })?;
            parameter.values = Values::List(files(Path::new(&directory), &set.prefix, set.filter.as_deref())?);
        }
    }
    Ok(())
}

/// Reads a table of values.
async fn table(path: &str) -> Result<Values, Failure> {
    let source = Source::read(path).await?;
    let bad = |what: String| Fault::config(format!("`{}`: {what}", path.escape_debug()));
    if path.ends_with(".csv") || path.ends_with(".tsv") {
        return Ok(sweep_file::table(&source.text()).map_err(bad)?);
    }
    let json = source.doc()?.to_json();
    let items = json.as_array().ok_or_else(|| bad("is neither a table in CSV nor a list in JSON".to_owned()))?;
    let sets: Option<Vec<_>> = items.iter().map(|item| item.as_object().cloned()).collect();
    Ok(sets.map_or_else(|| Values::List(items.clone()), Values::Together))
}

/// Lists the files below a directory by their paths in it, in order.
fn files(directory: &Path, prefix: &str, filter: Option<&str>) -> Result<Vec<serde_json::Value>, Fault> {
    let bad = |what: String| Fault::config(format!("`{}`: {what}", directory.display()));
    let filter = filter.map(|text| regex::Regex::new(&format!("^(?:{text})")));
    let filter = filter.transpose().map_err(|error| bad(error.to_string()))?;
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| bad(error.to_string()))? {
            let entry = entry.map_err(|error| bad(error.to_string()))?;
            let kind = entry.file_type().map_err(|error| bad(error.to_string()))?;
            if kind.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let path = entry.path();
            let inner = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
            if kind.is_file() && filter.as_ref().is_none_or(|filter| filter.is_match(&inner)) {
                found.push(format!("{prefix}/{inner}"));
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(bad("no file fits".to_owned()));
    }
    Ok(found.into_iter().map(serde_json::Value::String).collect())
}

/// Gives a sweep members more.
///
/// # Errors
/// As for every command.
pub(super) async fn extend(session: &Session, extend: Extend) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one(session, &core, &extend.named).await?;
    if let Some(jobs) = extend.suggest.jobs {
        let part = suggested(session, &core, &view, jobs, &extend).await?;
        return give(&core, &view, part).await;
    }
    let mut file = SweepFile::default();
    add_values(session, &mut file, &extend.values).await?;
    let before = view.spec.parts.iter().find(|part| !matches!(part.search, Search::Grid));
    if file.parameters.is_empty() && file.include.is_empty() {
        // More draws of the same.
        let (Some(part), Some(search)) = (before.or(view.spec.parts.first()), file.search) else {
            let fault = Fault::config("nothing is said of what it is to be extended by");
            return Err(fault.hint("-p lr=0.5,0.7 for other values, --random 10 for more draws, --include lr=0.5").into());
        };
        file.parameters = part.parameters.clone();
        // Draws of the same seed would be the same again.
        let fresh = u64::from(view.sweep.count());
        file.search = Some(match search {
            Search::Random { jobs, seed } => {
                Search::Random { jobs, seed: if extend.values.seed.is_some() { seed } else { fresh } }
            }
            Search::Latin { jobs, seed } => {
                Search::Latin { jobs, seed: if extend.values.seed.is_some() { seed } else { fresh } }
            }
            Search::Grid => Search::Grid,
        });
    } else if let Some(first) = view.spec.parts.first().filter(|_| file.search.is_none()) {
        // What is not named keeps all its values.
        let given = std::mem::take(&mut file.parameters);
        let again = |old: &&Parameter| given.iter().any(|new| new.name == old.name);
        let mut all: Vec<Parameter> = first.parameters.iter().filter(|old| !again(old)).cloned().collect();
        all.extend(given);
        file.parameters = all;
        if file.parameters.len() == first.parameters.len() && extend.values.parameters.is_empty() {
            file.parameters.clear();
        }
    }
    for Part { parameters, search, exclude } in file.sweep(serde_json::Value::Null).parts {
        give(&core, &view, Part { parameters, search, exclude }).await?;
    }
    Ok(0)
}

async fn give(core: &Core, view: &SweepView, part: Part) -> Result<i32, Failure> {
    let request = Request::Sweep { sweep: SweepRef::Id(view.sweep.id), act: SweepAct::Extend { part } };
    core.act(&format!("extend sweep {}", view.sweep.name), request).await?;
    Ok(0)
}

/// Chooses values by what the members have reported, and says which.
async fn suggested(session: &Session, core: &Core, view: &SweepView, jobs: u32, extend: &Extend) -> Result<Part, Failure> {
    let stopping = view.spec.stopping.as_ref();
    let metric = extend.suggest.metric.clone().or_else(|| stopping.and_then(|stopping| stopping.metric.clone()));
    let maximize = extend.suggest.maximize || stopping.is_some_and(|stopping| stopping.maximize);
    let reported = study::reported(core, view, metric.as_deref(), maximize).await?;
    // Each time something was reported, other draws.
    let seed = extend.values.seed.unwrap_or(u64::from(view.sweep.count()));
    let part = view.spec.suggest(&reported.members, reported.maximize, jobs, seed).map_err(|why| {
        Fault::user(format!("nothing is suggested for sweep {}: {why}", view.sweep.name))
            .hint("members that have run report their metric; other values come by -p lr=0.5,0.7 or --random 10")
    })?;
    let better = if reported.maximize { "larger" } else { "smaller" };
    let by = reported.members.iter().filter(|(_, value)| value.is_some()).count();
    let picks = SweepSpec::new(serde_json::Value::Null, vec![part.clone()]);
    session.out.note(&format!("{} by {} of {by} members ({better} is better):", picks.count(), reported.metric));
    for point in (0..picks.count()).take(SUGGESTED_SHOWN).filter_map(|index| picks.point(index)) {
        let values: Vec<String> = point.iter().map(|(name, value)| format!("{name}={}", token::text(value))).collect();
        session.out.note(&format!("  {}", values.join(" ")));
    }
    if picks.count() as usize > SUGGESTED_SHOWN {
        session.out.note(&format!("  and {} more", picks.count() as usize - SUGGESTED_SHOWN));
    }
    Ok(part)
}

/// Finds the sweep that is meant.
async fn one(session: &Session, core: &Core, named: &Named) -> Result<SweepView, Failure> {
    let reference = match &named.sweep {
        Some(word) => by_word(session, word),
        None => {
            let lists = Lists::read(core, session.workspace().as_ref()).await?;
            match lists.sweeps.as_slice() {
                [only] => SweepRef::Id(only.id),
                [] => return Err(Fault::user("there is no sweep").hint("ostler sweep create makes one").into()),
                many => {
                    return Err(Fault::config(format!("there are {} sweeps", many.len()))
                        .hint("name one; ostler sweep list shows them")
                        .into());
                }
            }
        }
    };
    match core.ask(Request::ShowSweep(reference)).await? {
        Reply::Sweep(view) => Ok((*view).clone()),
        other => Err(unexpected(&other)),
    }
}

fn by_word(session: &Session, word: &str) -> SweepRef {
    match word.strip_prefix("sweep-").and_then(|number| number.parse().ok()) {
        Some(number) => SweepRef::Id(crate::model::ids::SweepId(number)),
        None => SweepRef::Named { experiment: session.experiment(None), sweep: word.to_owned() },
    }
}

async fn list(session: &Session) -> Result<i32, Failure> {
    let core = session.core().await?;
    let lists = Lists::read(&core, session.workspace().as_ref()).await?;
    let mut list = session.out.list(object::COLUMNS);
    let row = |sweep: &std::sync::Arc<Sweep>| {
        let experiment = lists.experiments.iter().find(|e| e.id == sweep.experiment).map_or("", |e| &e.name);
        let cluster = lists.clusters.iter().find(|c| c.id == sweep.cluster).map_or("", |c| &c.name);
        object::row(sweep, experiment, cluster)
    };
    list.page(lists.sweeps.iter().map(row).collect())?;
    list.end()?;
    Ok(0)
}

/// Returns the members that fit.
async fn members(
    core: &Core,
    view: &SweepView,
    conditions: Option<&Where>,
    states: Vec<ExecutionState>,
) -> Result<Vec<std::sync::Arc<JobView>>, Failure> {
    let place = Place { workspace: Some(view.workspace.clone()), name: Some(view.experiment.clone()) };
    let query = JobQuery {
        workspace: place.workspace,
        experiment: place.name,
        sweep: Some(view.sweep.id.to_string()),
        states,
        ..JobQuery::default()
    };
    study::fitting(core, study::jobs(core, query).await?, conditions).await
}

async fn act(session: &Session, which: Members, verb: &str, whole: SweepAct, each: JobAct) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one(session, &core, &which.named).await?;
    let name = &view.sweep.name;
    let Some(conditions) = &which.conditions else {
        if matches!(whole, SweepAct::Stop) {
            session.confirm(&format!("stop all members of sweep {name}"))?;
        }
        let request = Request::Sweep { sweep: SweepRef::Id(view.sweep.id), act: whole };
        if core.act(&format!("{verb} sweep {name}"), request).await?.is_some() {
            session.out.note(&format!("sweep {name}: {verb}: accepted"));
        }
        return Ok(0);
    };
    let jobs = members(&core, &view, Some(conditions), concerned(&each)).await?;
    each_of(session, &core, &jobs, verb, &each).await
}

/// Returns the states of jobs that an act concerns; all when there are none.
pub(super) fn concerned(act: &JobAct) -> Vec<ExecutionState> {
    match act {
        JobAct::Hold | JobAct::Release | JobAct::Priority { .. } => vec![ExecutionState::Queued],
        JobAct::Terminate { .. } => vec![ExecutionState::Queued, ExecutionState::Running],
        JobAct::Retry => vec![ExecutionState::Failed],
        JobAct::TakeBack | JobAct::Delete => Vec::new(),
    }
}

/// Does the same to each of some jobs, after one question where something is lost by it.
pub(super) async fn each_of(
    session: &Session,
    core: &Core,
    jobs: &[Arc<JobView>],
    verb: &str,
    act: &JobAct,
) -> Result<i32, Failure> {
    let jobs: Vec<_> = jobs
        .iter()
        .filter(|view| match act {
            JobAct::Hold => !view.job.is_held(),
            JobAct::Release => view.job.is_held(),
            JobAct::Terminate { .. } | JobAct::TakeBack | JobAct::Retry | JobAct::Delete | JobAct::Priority { .. } => true,
        })
        .collect();
    if jobs.is_empty() {
        session.out.note(&format!("nothing to {verb}"));
        return Ok(0);
    }
    if matches!(act, JobAct::Terminate { .. } | JobAct::Delete) {
        session.confirm(&format!("{verb} {} jobs", jobs.len()))?;
    }
    let mut failed = Vec::new();
    let requests = jobs.iter().map(|view| {
        let request = Request::Job { job: JobRef::Id(view.job.id), act: act.clone() };
        (format!("{verb} {}", view.job.name), request)
    });
    let mut answers = pin!(core.act_on_all(requests));
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(_) => {}
            Err(Failure::Fault(fault)) => failed.push(fault),
            Err(other) => return Err(other),
        }
    }
    session.out.note(&format!("{} jobs: {verb}: accepted", jobs.len() - failed.len()));
    partly(failed, jobs.len())
}

async fn retry(session: &Session, which: Members) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one(session, &core, &which.named).await?;
    let jobs = members(&core, &view, which.conditions.as_ref(), vec![ExecutionState::Failed]).await?;
    each_of(session, &core, &jobs, "retry", &JobAct::Retry).await
}

async fn delete(session: &Session, which: Members) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one(session, &core, &which.named).await?;
    if which.conditions.is_some() {
        let jobs = members(&core, &view, which.conditions.as_ref(), Vec::new()).await?;
        return each_of(session, &core, &jobs, "delete", &JobAct::Delete).await;
    }
    let name = &view.sweep.name;
    session.confirm(&format!("delete sweep {name} with all its members"))?;
    let reference = SweepRef::Id(view.sweep.id);
    let trim = Request::Sweep { sweep: reference.clone(), act: SweepAct::Trim { keep: 0 } };
    let ended = members(&core, &view, None, vec![ExecutionState::Succeeded, ExecutionState::Failed]).await?;
    if core.act(&format!("delete sweep {name}"), trim).await?.is_none() {
        return Ok(0);
    }
    let each = |job: &Arc<JobView>| Request::Job { job: JobRef::Id(job.job.id), act: JobAct::Delete };
    let answers = core.act_on_all(ended.iter().map(|job| ("delete a member".to_owned(), each(job))));
    answers.try_for_each(|_| ready(Ok(()))).await?;
    core.act("delete the sweep", Request::Sweep { sweep: reference, act: SweepAct::Delete }).await?;
    session.out.note(&format!("sweep {name} is deleted; files of its members stay"));
    Ok(0)
}
