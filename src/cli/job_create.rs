//! `ostler job create`: from a file, from a command line, or both: options count over the file.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use super::code::{self, CodeOptions};
use super::failure::Failure;
use super::fetch::Source;
use super::logs;
use super::node::command_line;
use super::objects::job as object;
use super::quick::Quick;
use super::resources::Resources;
use super::secret::{self, Answers};
use super::session::{Core, Session, unexpected};
use super::when::When;
use super::workspace::pair;
use super::{job_plan, job_wait, select};
use crate::model::fault::Fault;
use crate::model::names::check_name;
use crate::model::request::{JobRef, Place, Reply, Request, Submit};
use crate::model::spec::Begin;
use crate::model::spec::doc::{self, Doc, Entry, Value};
use crate::model::spec::fields::Faults;
use crate::model::spec::patch::Whose;
use crate::model::spec::secret::sources_of_job;
use crate::model::spec::{JobFile, ToolKind, Toolkit};

/// Options of `create`.
#[derive(Args, Clone, Debug)]
pub struct Create {
    #[command(flatten)]
    what: What,
    /// Submit under this token: a repeat with the same token and content gives the same job
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
    /// Wait until it has ended, and end with its exit code
    #[arg(long)]
    wait: bool,
    /// Follow its log until it has ended, and end with its exit code
    #[arg(long)]
    follow: bool,
    /// With --wait: give up after this long, with exit code 124; the job goes on
    #[arg(long, value_name = "SPAN", requires = "wait", value_parser = job_wait::span)]
    timeout: Option<crate::model::units::Millis>,
}

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be submitted: what nobody knows is asked for.
    Submit,
    /// To be looked at.
    Look,
}

/// What a job is: for `create` and `plan` alike.
#[derive(Args, Clone, Debug)]
pub struct What {
    /// A file in JSON, YAML or TOML, or a script with #SBATCH lines: a path, - for standard input, or an https address
    #[arg(short, long, visible_alias = "config-file", value_name = "FILE")]
    file: Option<String>,
    /// Its name; made from the experiment's count when absent
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,
    /// The number of nodes; 1 for a command line
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// The longest time of one attempt: 90s, 2h30m, P7D
    #[arg(long, value_name = "SPAN")]
    time: Option<String>,
    /// A variable, as NAME=VALUE, or NAME to take it from here; may be repeated
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// A variable whose value is never shown, as NAME=env:VAR, NAME=file:PATH or NAME=cmd:COMMAND, where the core looks at
    /// each start, or NAME to be asked for it; may be repeated
    #[arg(long = "secret", value_name = "NAME[=SOURCE]")]
    secrets: Vec<String>,
    /// Its place among waiting jobs
    #[arg(long, value_name = "PRIORITY", value_parser = ["low", "normal", "high"])]
    priority: Option<String>,
    /// What runs the command: custom on the first node alone, mpi under mpirun over all; pytorch and its like take a script
    /// with its arguments, and settings beyond that from a file
    #[arg(long, visible_alias = "kind", value_name = "KIND", requires = "command", value_parser = framework())]
    framework: Option<ToolKind>,
    /// The same as --framework mpi
    #[arg(long, requires = "command", conflicts_with = "framework")]
    mpi: bool,
    /// The number of processes: of the job (mpi, pytorch, horovod …), or of each node (torchrun, deepspeed, jax …)
    #[arg(long, value_name = "N")]
    processes: Option<u32>,
    /// By what the processes of a pytorch job talk
    #[arg(long, value_name = "BACKEND", value_parser = ["tcp", "gloo", "mpi", "nccl"])]
    backend: Option<String>,
    #[command(flatten)]
    resources: Resources,
    /// Let its nodes come to one another by ssh without a password, with a key that is made for it and gone after it
    #[arg(long)]
    ssh_among_nodes: bool,
    #[command(flatten)]
    code: CodeOptions,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    quick: Quick,
    /// The command: one word is run by the node's shell as it is, several are quoted first
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

fn framework() -> impl TypedValueParser<Value = ToolKind> {
    let named = |name: String| ToolKind::ALL.into_iter().find(|kind| kind.tool_type() == name);
    PossibleValuesParser::new(ToolKind::ALL.map(ToolKind::tool_type)).try_map(move |name| named(name).ok_or("no such kind"))
}

fn variable(text: &str) -> Result<(String, String), String> {
    if text.contains('=') {
        return pair(text);
    }
    match std::env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(_) => Err("it is not set here; the form is NAME=VALUE".to_owned()),
    }
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, create: Create) -> Result<i32, Failure> {
    if has_sweep(&create.what).await? {
        return super::sweep::of_job_file(session, &create.what, create.token).await;
    }
    let submit = read(session, &create.what, Purpose::Submit).await?;
    let submit = Submit { token: create.token.clone().or(submit.token), ..submit };
    if session.globals.dry_run {
        return dry_run(session, submit).await;
    }
    let core = session.core().await?;
    let jobs = send(&core, submit).await?;
    let Some(job) = jobs.first() else { return Ok(0) };
    let view = select::one(session, &core, &job.to_string()).await?;
    let of = match &view.job.member {
        None => format!("{} ({})", view.job.name, view.job.id),
        Some(member) => format!("{} jobs {}-… (the first is {})", member.count, member.name, view.job.id),
    };
    let said = format!("{of} submitted to cluster {}, experiment {}", view.cluster, view.experiment);
    if !create.wait {
        session.out.done(&said, &view.job.name, &object::value(&view))?;
    } else {
        session.out.note(&said);
    }
    if create.follow {
        return logs::follow_to_end(session, &core, &view).await;
    }
    if create.wait {
        let mut views = vec![view];
        for job in &jobs[1..] {
            views.push(select::one(session, &core, &job.to_string()).await?);
        }
        return job_wait::until_ended(session, &core, views, create.timeout).await;
    }
    Ok(0)
}

/// Says whether a file describes a sweep.
async fn has_sweep(what: &What) -> Result<bool, Failure> {
    // What comes by standard input can be read once.
    if what.file().is_none_or(|file| file == "-") {
        return Ok(false);
    }
    let (_, doc) = what.doc().await?;
    let swept = |doc: &Doc| doc.get("sweep").is_some_and(|sweep| matches!(sweep.value, Value::Map(_)));
    Ok(swept(&doc) || doc.get("properties").is_some_and(swept))
}

/// What options give, by the field that misses it.
pub const HINTS: &[(&str, &str)] = &[
    ("nodeCount", "--nodes N sets the number of nodes"),
    ("pyTorchSettings.communicationBackend", "--backend gloo talks over TCP, with GPUs or without"),
];

/// Says what would be submitted, after all that a submission checks; programs get it as a file that could be.
async fn dry_run(session: &Session, submit: Submit) -> Result<i32, Failure> {
    let plan = job_plan::ask(session, submit.clone(), false).await?;
    plan.notes.iter().for_each(|note| session.out.note(note));
    if let Some(estimate) = &plan.estimate {
        session.out.note(&estimate.words(super::objects::cost::now()));
    }
    let mut value = object::spec(&submit.spec, submit.spec.scheduling_priority);
    value.insert("nodeCount".to_owned(), serde_json::json!(plan.node_count));
    let named = [
        ("name", submit.name.as_ref()),
        ("cluster", plan.cluster.as_ref()),
        ("experiment", Some(&plan.experiment)),
        ("workspace", Some(&plan.workspace)),
    ];
    for (key, name) in named {
        if let Some(name) = name {
            value.insert(key.to_owned(), serde_json::json!(name));
        }
    }
    let nodes = match plan.node_count {
        1 => "1 node".to_owned(),
        n => format!("{n} nodes"),
    };
    let on = plan.cluster.as_ref().map(|cluster| format!(" to cluster `{cluster}`")).unwrap_or_default();
    let said = format!("would submit a job of {nodes}{on}: {}", submit.spec.toolkit.command_line());
    session.out.done(&said, submit.name.as_deref().unwrap_or_default(), &serde_json::Value::Object(value))?;
    Ok(0)
}

/// Returns the jobs that were made: several of an array, none in a dry run.
async fn send(core: &Core, submit: Submit) -> Result<Vec<crate::model::ids::JobId>, Failure> {
    match core.act("submit a job", Request::Submit(Box::new(submit))).await? {
        None => Ok(Vec::new()),
        Some(Reply::Submitted(jobs)) if jobs.is_empty() => {
            Err(Fault::internal("the core accepted the job and names none").into())
        }
        Some(Reply::Submitted(jobs)) => Ok(jobs.iter().map(|job| job.id).collect()),
        Some(Reply::SubmittedArray { jobs, .. }) => Ok(jobs),
        Some(other) => Err(unexpected(&other)),
    }
}

/// Reads file and options into one submission.
///
/// # Errors
/// Every fault of the file, and of options.
pub async fn read(session: &Session, create: &What, purpose: Purpose) -> Result<Submit, Failure> {
    let (source, mut doc) = create.doc().await?;
    overlay(&mut doc, create)?;
    let mut faults = Faults::default();
    create.quick.patch(session, &mut doc, Whose::Job, &mut faults)?;
    let read = JobFile::read(&doc, &mut faults);
    source.judge(session.out, faults, HINTS)?;
    let Some(mut file) = read else { return Err(Fault::internal("a job without faults was not read").into()) };
    if let Some(Begin::At(at)) = file.spec.scheduling.begin_time
        && at.0 < jiff::Timestamp::now().as_millisecond()
    {
        session.out.warn(&format!("beginTime {} is past; the job may start at once", at.rfc3339()));
    }
    let answers = match create.file.as_deref() {
        _ if session.globals.dry_run || purpose == Purpose::Look => Answers::Unasked,
        Some("-") => Answers::Taken,
        Some(_) | None => Answers::Input,
    };
    secret::settle(sources_of_job(&mut file.spec), answers)?;
    let name = create.name.clone().or(file.name.take());
    if let Some(name) = &name {
        check_name(name).map_err(Fault::config)?;
    }
    let (experiment, cluster) = places(session, &file);
    Ok(Submit { experiment, cluster, name, spec: file.spec, token: Some(Uuid::now_v7().to_string()) })
}

/// Returns the experiment and the cluster of a file that was read: what is typed counts over the file, and the file over
/// the context.
pub fn places(session: &Session, file: &JobFile) -> (Place, Place) {
    let over = |typed: &Option<String>, of_file: &Option<String>, of_context: &Option<String>| {
        typed.as_ref().or(of_file.as_ref()).or(of_context.as_ref()).cloned()
    };
    let (globals, context) = (&session.globals, &session.context);
    let workspace = session.within_group(over(&globals.workspace, &file.workspace, &context.workspace));
    let experiment = over(&globals.experiment, &file.experiment, &context.experiment);
    let cluster = over(&globals.cluster, &file.spec.cluster, &context.cluster);
    let of = |name| Place { workspace: workspace.clone(), name };
    (of(experiment), of(cluster))
}

impl What {
    /// Reads the file, or begins with nothing but one node.
    ///
    /// # Errors
    /// That it cannot be read, or everything that is wrong with it as a text.
    pub async fn doc(&self) -> Result<(Source, Doc), Failure> {
        Ok(match &self.file {
            Some(file) => {
                let source = Source::read(file).await?;
                let doc = source.job_doc()?;
                (source, doc)
            }
            None if self.command.is_empty() => {
                let hint = "ostler job create -- CMD ..., or -f FILE";
                return Err(Fault::config("there is nothing to run").hint(hint).into());
            }
            None => {
                let mut doc = Doc::empty();
                doc.put("nodeCount", Value::Number("1".to_owned()));
                (Source::none(), doc)
            }
        })
    }

    /// Returns the file as it was named.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Returns the name that was typed.
    pub fn name(&self) -> Option<String> {
        self.name.clone()
    }

    /// Puts the short forms of mounts into a body.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn patch(&self, session: &Session, doc: &mut Doc, whose: Whose, faults: &mut Faults) -> Result<(), Failure> {
        Ok(self.quick.patch(session, doc, whose, faults)?)
    }
}

/// Puts the options over what the file says.
///
/// # Errors
/// Options that contradict each other.
pub fn overlay(doc: &mut Doc, create: &What) -> Result<(), Fault> {
    let number = |n: u32| Value::Number(n.to_string());
    let text = |text: &String| Value::Text(text.clone());
    if let Some(nodes) = create.nodes {
        doc.put_property(&["nodeCount"], number(nodes));
    }
    if let Some(span) = &create.time {
        doc.put_property(&["constraints", "maxWallClockTime"], text(span));
    }
    if let Some(priority) = &create.priority {
        doc.put_property(&["schedulingPriority"], text(priority));
    }
    if create.ssh_among_nodes {
        doc.put_property(&["sshAmongNodes"], Value::Bool(true, "true".to_owned()));
    }
    code::root_in(doc, create.file());
    create.code.put(doc)?;
    put_toolkit(doc, create)?;
    create.resources.put(doc);
    create.when.overlay(doc)?;
    set_variables(doc, &create.variables);
    secret::overlay(doc, &create.secrets)
}

/// Puts the command, and what its framework is told, in the place of every framework of the file.
fn put_toolkit(doc: &mut Doc, create: &What) -> Result<(), Fault> {
    let named = create.framework.or(create.mpi.then_some(ToolKind::Mpi));
    if !create.command.is_empty() {
        let kind = named.unwrap_or_default();
        for other in ToolKind::ALL.into_iter().filter(|other| *other != kind) {
            doc.put_property(&[other.key()], Value::Null);
        }
        let mut toolkit = Toolkit::of_line(kind, &command_line(&create.command)?, None, None);
        if let Toolkit::PyTorch(settings) = &mut toolkit {
            settings.communication_backend = None;
        }
        for (key, text) in toolkit.texts() {
            doc.put_property(&[kind.key(), key], Value::Text(text.to_owned()));
        }
    }
    let has = |kind: &ToolKind| {
        let inner = doc.get("properties").unwrap_or(doc);
        inner.get(kind.key()).is_some_and(|settings| settings.value != Value::Null)
    };
    let kind = ToolKind::ALL.into_iter().find(has).unwrap_or_default();
    if let Some(processes) = create.processes {
        let key = kind.counting().key().ok_or_else(|| {
            Fault::config(format!("--processes: a job of kind {} has no number of processes", kind.tool_type()))
                .hint("--framework mpi runs the command that often under mpirun")
        })?;
        doc.put_property(&[kind.key(), key], Value::Number(processes.to_string()));
    }
    if let Some(backend) = &create.backend {
        if kind != ToolKind::PyTorch {
            return Err(Fault::config("--backend: goes only with --framework pytorch"));
        }
        doc.put_property(&[kind.key(), "communicationBackend"], Value::Text(backend.clone()));
    }
    Ok(())
}

/// Adds variables to those of the file; one of the same name is replaced.
pub fn set_variables(doc: &mut Doc, variables: &[(String, String)]) {
    if variables.is_empty() {
        return;
    }
    let inner = doc.get("properties").unwrap_or(doc);
    let mut items = match inner.get("environmentVariables").map(|list| &list.value) {
        Some(Value::List(items)) => items.clone(),
        Some(Value::Null) | None => Vec::new(),
        // What is no list stays: its reader says so.
        Some(Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_)) => return,
    };
    let flag = |text: &str| Doc { place: doc::Place::FLAG, value: Value::Text(text.to_owned()) };
    for (name, value) in variables {
        items.retain(|item| item.get("name").is_none_or(|doc| doc.value != Value::Text(name.clone())));
        let entry = |key: &str, value: Doc| Entry { key: key.to_owned(), place: doc::Place::FLAG, value };
        let map = Value::Map(vec![entry("name", flag(name)), entry("value", flag(value))]);
        items.push(Doc { place: doc::Place::FLAG, value: map });
    }
    doc.put_property(&["environmentVariables"], Value::List(items));
}

/// Returns the reference to a job that was just looked at.
pub fn by_id(view: &crate::model::request::JobView) -> JobRef {
    JobRef::Id(view.job.id)
}
