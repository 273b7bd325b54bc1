//! Layer 5: the command line; one file per noun. Arguments become requests, replies become output; nothing is decided here that the
//! core or a specification decides.
//!
//! Called by `main.rs`, which hands in what belongs to the screen: this module never draws one.

mod account;
mod apply;
pub mod args;
mod budget;
mod changes;
mod chart;
mod cluster;
mod cluster_create;
mod cluster_file;
mod cluster_host;
mod cluster_pool;
mod cluster_slurm;
mod code;
mod completions;
mod config;
mod context;
mod copy;
mod db;
pub mod demo;
mod diary;
mod doctor;
mod doctor_hosts;
mod edit;
mod exec;
mod experiment;
mod export;
pub mod failure;
mod failures;
mod fetch;
mod file;
mod file_server;
mod forward;
mod halving;
mod host;
mod job;
mod job_acts;
mod job_create;
mod job_diff;
mod job_node;
mod job_plan;
mod job_step;
mod job_wait;
mod leave;
mod lists;
mod logs;
pub mod man;
mod metric;
mod names;
mod node;
mod node_history;
mod objects;
pub mod output;
mod quick;
mod report;
mod resource_group;
mod resources;
pub mod screen;
mod secret;
mod select;
mod serve;
mod session;
mod site_job;
mod site_look;
mod site_step;
mod study;
mod sweep;
mod sweep_where;
mod theme;
mod together;
mod usage;
mod watch;
mod when;
mod workspace;

use clap::{CommandFactory, Parser};
use tokio::signal::unix::{SignalKind, signal};

use args::{Cli, Later, Noun};
use failure::{Failure, INTERRUPTED};
use output::Out;
use screen::Screen;
use session::{Environment, Session};

use crate::api::host::Mode;
use crate::config::places;
use crate::model::fault::Fault;
use crate::model::nearest::nearest;

/// How many threads run the program's tasks: more than two for the links of a large fleet, few beside the jobs of this machine.
const WORKERS: std::ops::RangeInclusive<usize> = 2..=4;

/// Runs one command line and returns the exit code.
pub fn run(screen: &Screen) -> i32 {
    clap_complete::CompleteEnv::with_factory(Cli::command).var(completions::VARIABLE).complete();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mut error) => {
            suggest(&mut error);
            // Help and version are no errors, and a closed output is none either.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let out = Out::new(cli.globals.output, cli.globals.color, cli.globals.quiet);
    let environment = environment();
    let out = match out.asking(cli.globals.query.as_deref()) {
        Ok(out) => out,
        Err(fault) => return Failure::from(fault).tell(out),
    };
    match dispatch(cli, &environment, out, screen) {
        Ok(code) => code,
        Err(failure) => failure.tell(out),
    }
}

/// The variables that are text; others concern nothing of ours.
fn environment() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

fn dispatch(cli: Cli, environment: &Environment, out: Out, screen: &Screen) -> Result<i32, Failure> {
    if let Some(Noun::Completions(completions)) = &cli.noun {
        return completions::run(completions);
    }
    if let Some(Noun::Man(man)) = &cli.noun {
        return man::run(man);
    }
    if let Some(Noun::Metric(metric)) = &cli.noun {
        return metric::run(metric);
    }
    if let Some(Noun::Context(context::Verb::Clear(_))) = &cli.noun {
        // The way out when the context cannot be read, so it is not read first.
        let (state_dir, _) = places::state_dir(cli.globals.state_dir.as_deref(), environment)?;
        if crate::config::context::Context::read(&state_dir).is_err() {
            crate::config::context::Context::default().write(&state_dir)?;
        }
    }
    let session = Session::new(cli.globals, environment, out)?;
    let _diary = diary::open(&session, cli.noun.as_ref(), environment);
    match cli.noun {
        Some(Noun::Context(verb)) => context::run(&session, verb),
        Some(Noun::Config(verb)) => config::run(&session, verb),
        Some(Noun::Theme(verb)) => theme::run(&session, verb, &(screen.themes)()),
        Some(Noun::Completions(completions)) => completions::run(&completions),
        Some(Noun::Man(man)) => man::run(&man),
        Some(Noun::Db(verb)) => db::run(&session, verb),
        noun => runtime()?.block_on(async {
            let result = act(&session, noun, environment, screen, &cli.recording).await;
            let closed = session.close().await;
            result.and_then(|code| closed.map(|()| code))
        }),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(*WORKERS.start(), *WORKERS.end()))
        .enable_all()
        .build()
        .map_err(|e| Fault::internal("cannot start threads").because(&e))
}

async fn act(
    session: &Session,
    noun: Option<Noun>,
    environment: &Environment,
    screen: &Screen,
    recording: &args::Recording,
) -> Result<i32, Failure> {
    // What owns the terminal or ends in order by itself sees to its own signals.
    match noun {
        None if recording.replay.is_some() => return screen::replay(session, environment, screen, recording).await,
        None => {
            let mode = if session.globals.embedded { Mode::ForceEmbedded } else { Mode::Embed };
            return screen::open(session, environment, screen, mode, recording).await;
        }
        Some(Noun::Attach) => return screen::open(session, environment, screen, Mode::AttachOnly, recording).await,
        Some(Noun::Serve(serve)) => return serve::run(session, &serve).await,
        Some(Noun::Demo(demo)) => return screen::demo(session, environment, screen, demo.headless, recording).await,
        Some(noun) => {
            // Listened to before anything is said: whoever reads our first line may interrupt us.
            let mut interrupts =
                signal(SignalKind::interrupt()).map_err(|e| Fault::internal("cannot listen to signals").because(&e))?;
            tokio::select! {
                result = ask(session, noun, environment) => result,
                _ = interrupts.recv() => {
                    session.out.note("interrupted; what was submitted goes on");
                    Ok(INTERRUPTED)
                }
            }
        }
    }
}

async fn ask(session: &Session, noun: Noun, environment: &Environment) -> Result<i32, Failure> {
    match noun {
        Noun::ResourceGroup(Later(verb)) => resource_group::run(session, verb).await,
        Noun::Workspace(Later(verb)) => workspace::run(session, verb).await,
        Noun::FileServer(Later(verb)) => file_server::run(session, verb).await,
        Noun::Cluster(Later(verb)) => cluster::run(session, verb).await,
        Noun::Experiment(Later(verb)) => experiment::run(session, verb).await,
        Noun::Job(Later(verb)) => job::run(session, verb).await,
        Noun::Sweep(Later(verb)) => sweep::run(session, verb).await,
        Noun::Apply(apply) => apply::run(session, &apply).await,
        Noun::Edit(edit) => edit::run(session, &edit).await,
        Noun::Export(export) => export::run(session, &export).await,
        Noun::Budget(Later(verb)) => budget::run(session, verb).await,
        Noun::Usage(_) => usage::run(session).await,
        Noun::Doctor(doctor) => doctor::run(session, &doctor, environment).await,
        // Done before this.
        Noun::Context(_)
        | Noun::Config(_)
        | Noun::Theme(_)
        | Noun::Completions(_)
        | Noun::Man(_)
        | Noun::Db(_)
        | Noun::Metric(_)
        | Noun::Attach
        | Noun::Serve(_)
        | Noun::Demo(_) => Ok(0),
    }
}

/// Adds what was probably meant to the fault of a wrong noun or verb, where the parser's own measure finds nothing.
fn suggest(error: &mut clap::Error) {
    use clap::error::{ContextKind, ContextValue};
    let (Some(ContextValue::String(word)), None) =
        (error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::SuggestedSubcommand))
    else {
        return;
    };
    let mut level = args::whole();
    for argument in std::env::args().skip(1).take_while(|argument| argument != word) {
        if let Some(below) = level.find_subcommand(&argument).cloned() {
            level = below;
        }
    }
    let names: Vec<&str> = level.get_subcommands().map(clap::Command::get_name).collect();
    if let Some(meant) = nearest(word, names) {
        let meant = ContextValue::Strings(vec![meant.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, meant);
    }
}
