//! Layer 5: the command line; one file per noun. Arguments become requests, replies become output; nothing is decided here that the
//! core or a specification decides.
//!
//! Called by `main.rs`, which hands in what belongs to the screen: this module never draws one.

pub mod args;
mod cluster;
mod completions;
mod config;
mod context;
pub mod demo;
mod doctor;
mod experiment;
pub mod failure;
mod fetch;
mod host;
mod job;
mod job_acts;
mod job_create;
mod job_wait;
mod lists;
mod logs;
mod node;
mod objects;
pub mod output;
mod select;
mod serve;
pub mod session;
mod theme;
mod workspace;

use clap::{CommandFactory, Parser};

use args::{Cli, Noun};
use failure::{Failure, INTERRUPTED};
use output::Out;
use session::{Environment, Session};

/// What the command line needs of the screen.
pub struct Screen {
    /// Opens the screen; the number is the exit code.
    pub open: fn(&Session) -> Result<i32, Failure>,
    /// Names all themes, the user's own first.
    pub themes: fn(&Session) -> Vec<String>,
}

/// How many threads run the program's tasks: more than two for the links of a large fleet, few beside the jobs of this machine.
const WORKERS: std::ops::RangeInclusive<usize> = 2..=4;

/// Runs one command line and returns the exit code.
pub fn run(screen: &Screen) -> i32 {
    clap_complete::CompleteEnv::with_factory(Cli::command).var(completions::VARIABLE).complete();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and a closed output is none either.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let out = Out::new(cli.globals.output, cli.globals.color, cli.globals.quiet);
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match dispatch(cli, &environment, out, screen) {
        Ok(code) => code,
        Err(failure) => failure.tell(out.paint_err),
    }
}

fn dispatch(cli: Cli, environment: &Environment, out: Out, screen: &Screen) -> Result<i32, Failure> {
    if let Some(Noun::Completions(completions)) = &cli.noun {
        return completions::run(completions);
    }
    if let Some(Noun::Context(context::Verb::Clear(_))) = &cli.noun {
        // The way out when the context cannot be read, so it is not read first.
        let (state_dir, _) = crate::config::places::state_dir(cli.globals.state_dir.as_deref(), environment)?;
        if crate::config::context::Context::read(&state_dir).is_err() {
            crate::config::context::Context::default().write(&state_dir)?;
        }
    }
    let session = Session::new(cli.globals, environment, out)?;
    let Some(noun) = cli.noun else { return (screen.open)(&session) };
    match noun {
        Noun::Context(verb) => context::run(&session, verb),
        Noun::Config(verb) => config::run(&session, verb),
        Noun::Theme(verb) => theme::run(&session, verb, &(screen.themes)(&session)),
        Noun::Completions(completions) => completions::run(&completions),
        Noun::Attach => (screen.open)(&session),
        Noun::Workspace(_)
        | Noun::Cluster(_)
        | Noun::Experiment(_)
        | Noun::Job(_)
        | Noun::Doctor(_)
        | Noun::Serve(_)
        | Noun::Demo(_) => in_runtime(&session, noun, environment),
    }
}

fn in_runtime(session: &Session, noun: Noun, environment: &Environment) -> Result<i32, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(*WORKERS.start(), *WORKERS.end()))
        .enable_all()
        .build()
        .map_err(|e| crate::model::fault::Fault::internal("cannot start threads").because(&e))?;
    runtime.block_on(async {
        tokio::select! {
            result = act(session, noun, environment) => result,
            signal = tokio::signal::ctrl_c() => {
                if signal.is_ok() {
                    session.out.note("interrupted; what was submitted goes on");
                }
                Ok(INTERRUPTED)
            }
        }
    })
}

async fn act(session: &Session, noun: Noun, environment: &Environment) -> Result<i32, Failure> {
    match noun {
        Noun::Workspace(verb) => workspace::run(session, verb).await,
        Noun::Cluster(verb) => cluster::run(session, verb).await,
        Noun::Experiment(verb) => experiment::run(session, verb).await,
        Noun::Job(verb) => job::run(session, verb).await,
        Noun::Doctor(_) => doctor::run(session, environment).await,
        Noun::Serve(serve) => serve::run(session, &serve).await,
        Noun::Demo(_) | Noun::Context(_) | Noun::Config(_) | Noun::Theme(_) | Noun::Completions(_) | Noun::Attach => Ok(0),
    }
}
