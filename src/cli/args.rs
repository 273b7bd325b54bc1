//! What can be typed: options that hold everywhere, and one noun per file. The doc comments are the help.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::output::Format;
use super::{
    apply, budget, cluster, completions, config, context, db, doctor, edit, experiment, export, file_server, job, man,
    metric, names, resource_group, serve, sweep, theme, usage, workspace,
};
use crate::model::fault::Fault;

/// Launches jobs over ssh on pools of nodes, and lets you watch and scale them
///
/// Without a noun, the screen opens. Jobs run on when the screen, this command or the link to a node goes away.
#[derive(Parser, Clone, Debug)]
#[command(name = "ostler", version, max_term_width = 100, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(flatten)]
    pub recording: Recording,
    #[command(subcommand)]
    pub noun: Option<Noun>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused or not found; 2 wrong call or configuration; 3 node or server out of reach; 4 partly done; \
70 a mistake of ostler; 74 the state cannot be read or written; 124 --timeout passed; 130 interrupted. Commands that wait for one job end with the \
job's own code, 128+n for signal n.";

/// What becomes of the messages of the screen; without a noun, or with `demo`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Screen options")]
pub struct Recording {
    /// Keep the messages of the screen in a file, for a bug report or to be shown again
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Show the screen of such a file, at its own pace; nothing is asked of any core
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub replay: Option<PathBuf>,
    /// Draw the screen of `--replay` into this file (SVG) instead
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub still: Option<PathBuf>,
    /// Draw the screen of `--replay` as it moves into this file (SVG, plays by itself) instead
    #[arg(long, value_name = "FILE", requires = "replay", conflicts_with = "still")]
    pub moving: Option<PathBuf>,
    /// After, or up to, so much of the recording's time
    #[arg(long, value_name = "SPAN", requires = "replay", default_value = "1d", value_parser = crate::model::units::Millis::parse)]
    pub after: crate::model::units::Millis,
    /// In so many columns and rows
    #[arg(long, value_name = "COLUMNSxROWS", requires = "replay", default_value = "120x36", value_parser = size)]
    pub size: (u16, u16),
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{}` is no size; as in 120x36", text.escape_debug());
    let (columns, rows) = text.split_once('x').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|n| (1..=500).contains(n)).ok_or_else(wrong);
    Ok((number(columns)?, number(rows)?))
}

/// Options that hold for every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Where the state is kept [env: OSTLER_STATE_DIR] [default: the desktop's state directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The configuration file [env: OSTLER_CONFIG]
    #[arg(long, global = true, value_name = "FILE", env = "OSTLER_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// The ssh configuration file, as `ssh -F FILE` takes it [env: OSTLER_SSH_CONFIG] [default: your own]
    #[arg(short = 'F', long, global = true, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// The resource group; only needed when there is a second beside `default` [env: OSTLER_RESOURCE_GROUP]
    #[arg(short = 'g', long, global = true, value_name = "NAME", env = "OSTLER_RESOURCE_GROUP", hide_env = true)]
    pub resource_group: Option<String>,
    /// The workspace; with exactly one it may be left out [env: OSTLER_WORKSPACE]
    #[arg(short, long, global = true, value_name = "NAME", env = "OSTLER_WORKSPACE", hide_env = true, add = names::workspaces())]
    pub workspace: Option<String>,
    /// The experiment; with exactly one it may be left out [env: OSTLER_EXPERIMENT]
    #[arg(short, long, global = true, value_name = "NAME", env = "OSTLER_EXPERIMENT", hide_env = true, add = names::experiments())]
    pub experiment: Option<String>,
    /// The cluster; with exactly one it may be left out [env: OSTLER_CLUSTER]
    #[arg(short, long, global = true, value_name = "NAME", env = "OSTLER_CLUSTER", hide_env = true, add = names::clusters())]
    pub cluster: Option<String>,
    /// How data is written: table, wide, json, jsonl, yaml, tsv or name [default: table]
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// Pick out of the data with JMESPath, in the words of -o json: "[?executionState=='failed'].{name: name, why: reason}"
    #[arg(long, global = true, value_name = "EXPRESSION")]
    pub query: Option<String>,
    /// Do not ask
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Say what would be done, and do nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Refuse everything that changes something
    #[arg(long, global = true)]
    pub readonly: bool,
    /// Host the core in this process; refused while another process hosts it
    #[arg(long, global = true)]
    pub embedded: bool,
    /// Start no background server: use one that runs, or none
    #[arg(long, global = true, conflicts_with = "embedded")]
    pub no_server: bool,
    /// When to use colours: auto, always or never; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Color,
    /// Only data and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// More words; twice for the log's debug level
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Even into a pipe
    Always,
    /// Not at all
    Never,
}

/// Returns the whole command line, as deep as it goes, so that each command knows its own whole name and the options that hold
/// everywhere. To run a command only what it comes to is made: all of it takes longer than what most commands do.
pub fn whole() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}

/// Verbs that are made only when their noun is meant.
#[derive(Clone, Debug)]
pub struct Later<T>(pub T);

impl<T: Subcommand> Subcommand for Later<T> {
    fn augment_subcommands(noun: Command) -> Command {
        noun.defer(|noun| named_as_before(noun, T::augment_subcommands))
    }

    fn augment_subcommands_for_update(noun: Command) -> Command {
        noun.defer(|noun| named_as_before(noun, T::augment_subcommands_for_update))
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

/// Adds verbs to a noun, whose own words stay.
fn named_as_before(noun: Command, add: fn(Command) -> Command) -> Command {
    let about = noun.get_about().cloned().unwrap_or_default();
    add(noun).about(about)
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// The nouns.
#[derive(Subcommand, Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "made once in a process")]
pub enum Noun {
    /// Resource groups: a level above workspaces, for those who need one
    #[command(subcommand, visible_alias = "group")]
    ResourceGroup(Later<resource_group::Verb>),
    /// Workspaces: clusters and experiments under one name
    #[command(subcommand)]
    Workspace(Later<workspace::Verb>),
    /// Clusters: pools of alike nodes, and the nodes themselves
    #[command(subcommand)]
    Cluster(Later<cluster::Verb>),
    /// File servers: exports that clusters and jobs mount
    #[command(subcommand)]
    FileServer(Later<file_server::Verb>),
    /// Experiments: named groups of jobs
    #[command(subcommand)]
    Experiment(Later<experiment::Verb>),
    /// Jobs: submit, watch, wait, stop
    #[command(subcommand)]
    Job(Later<job::Verb>),
    /// Sweeps: one body, many values; a job for each combination or draw
    #[command(subcommand)]
    Sweep(Later<sweep::Verb>),
    /// Report values of a metric; for scripts of jobs
    Metric(metric::Metric),
    /// Make a workspace and all in it as files say; shows what that changes and asks first
    Apply(apply::Apply),
    /// Change a workspace and its clusters as text in your editor; shows what that changes and asks first
    Edit(edit::Edit),
    /// Write a workspace and all in it as a file that `apply` takes
    Export(export::Export),
    /// Budgets: what clusters and workspaces may spend, and what they have spent
    #[command(subcommand)]
    Budget(Later<budget::Verb>),
    /// How much there is of each kind, and how much there may be
    #[command(visible_alias = "list-usages")]
    Usage(usage::Usage),
    /// What is meant when no workspace, experiment or cluster is named
    #[command(subcommand)]
    Context(context::Verb),
    /// The configuration: every value and where it came from
    #[command(subcommand)]
    Config(config::Verb),
    /// The themes of the screen
    #[command(subcommand)]
    Theme(theme::Verb),
    /// Print a script that teaches your shell to complete ostler's commands
    Completions(completions::Completions),
    /// Print a page of the manual, or write all of them into a directory
    Man(man::Man),
    /// Check this machine: ssh, the state directory, the terminal, what ends at logout
    Doctor(doctor::Doctor),
    /// Care for the database: check it, copy it, save what can be read of a damaged one
    #[command(subcommand)]
    Db(db::Verb),
    /// Host the core in this process, without a screen
    Serve(serve::Serve),
    /// Open the screen on the core that runs; start none
    Attach,
    /// Show ostler at work on a throw-away directory: real training runs on nodes that are this machine
    Demo(Demo),
}

/// The name of a thing as `az batchai` takes it; ours stands without an option.
#[derive(Args, Clone, Debug, Default)]
pub struct Named {
    /// The same as NAME, or a full resource id, as `az batchai` has it
    #[arg(short = 'n', long = "name", value_name = "NAME|ID")]
    named: Option<String>,
    /// One or several full resource ids, or names
    #[arg(long, num_args = 1.., value_name = "ID")]
    ids: Vec<String>,
}

impl Named {
    /// Returns the name, however it was given.
    ///
    /// # Errors
    /// When both were given.
    pub fn or(self, plain: Option<String>) -> Result<Option<String>, Fault> {
        let mut all = self.all(plain)?;
        match all.len() {
            0 | 1 => Ok(all.pop()),
            _ => Err(Fault::config(format!("two names are given: `{}` and `{}`", all[0], all[1]))),
        }
    }

    /// Returns all that are named, in that order, each once.
    ///
    /// # Errors
    /// When NAME and -n say two different things.
    pub fn all(self, plain: Option<String>) -> Result<Vec<String>, Fault> {
        let first = match (plain, self.named) {
            (Some(plain), Some(named)) if plain != named => {
                return Err(Fault::config(format!("two names are given: `{plain}` and `{named}`")));
            }
            (plain, named) => plain.or(named),
        };
        let mut all: Vec<String> = Vec::new();
        for name in first.into_iter().chain(self.ids) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        Ok(all)
    }

    /// Returns all that are named, of which there must be one.
    ///
    /// # Errors
    /// As [`Named::all`], and when none is named.
    pub fn some(self, plain: Option<String>) -> Result<Vec<String>, Fault> {
        let all = self.all(plain)?;
        if all.is_empty() { Err(Self::none()) } else { Ok(all) }
    }

    fn none() -> Fault {
        Fault::config("no name is given").hint("NAME, or -n NAME")
    }

    /// Returns the name, which must be there.
    ///
    /// # Errors
    /// When none or both were given.
    pub fn need(self, plain: Option<String>) -> Result<String, Fault> {
        self.or(plain)?.ok_or_else(Self::none)
    }
}

/// Names things of a kind in a sentence: `cluster `a``, ``clusters `a`, `b```.
pub fn spelled(kind: &str, names: &[String]) -> String {
    let many = if names.len() == 1 { "" } else { "s" };
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    format!("{kind}{many} {}", names.join(", "))
}

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// No screen: print each change of state, and end with 0 when all jobs have succeeded
    #[arg(long)]
    pub headless: bool,
}
