//! `ostler experiment`: named groups of jobs.

use clap::Subcommand;

use super::args::{Named, spelled};
use super::failure::Failure;
use super::leave::{self, NoWait};
use super::lists::Lists;
use super::names;
use super::node::{partly, refusal};
use super::objects::experiment as object;
use super::session::{Core, Session, unexpected};
use super::sweep_where::Where;
use super::together::{self, Those};
use super::{failures, study};
use crate::model::request::{JobAct, Reply, Request, SweepAct};
use crate::model::units::Millis;

/// What can be done with experiments.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make an experiment
    Create {
        /// Its name: letters, digits, - and _
        name: Option<String>,
        #[command(flatten)]
        named: Named,
    },
    /// Show one experiment
    Show {
        /// Its name; that of the context when absent
        #[arg(add = names::experiments())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
    },
    /// List the experiments
    #[command(visible_alias = "ls")]
    List,
    /// Let only so many jobs of an experiment run at once
    Limit {
        /// Its name; that of the context when absent
        #[arg(add = names::experiments())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        /// As many may run at once; running ones are not stopped
        #[arg(long, value_name = "N", required_unless_present = "none", conflicts_with = "none")]
        running: Option<u32>,
        /// Any number may
        #[arg(long)]
        none: bool,
    },
    /// Print its jobs with a column for each parameter and metric
    Table(study::Table),
    /// Print the best jobs by a metric, and which parameters go with it
    Best(study::Best),
    /// Draw a metric: its curves, a parameter against it, or all parameters beside it
    Plot(study::Plot),
    /// Write a report: one page with table, curves and parameters
    Report(study::Report),
    /// Write its jobs with parameters and metrics into a file for other programs: .csv, .json, .yaml or .parquet
    Export(study::Export),
    /// Print why jobs failed: by exit code and error, with the last line of the first of each; and run those of a cause again
    Failures(failures::Failures),
    /// Stop all jobs of an experiment that have not ended, or those that fit; of its sweeps no other comes up
    Stop(Those),
    /// Let no job of an experiment start; those that run go on
    Pause(Those),
    /// Let them start again
    Resume(Those),
    /// Run failed jobs again: the same jobs, a new attempt
    Retry(Those),
    /// Change the priority of waiting jobs
    Priority {
        /// The new priority
        #[arg(value_parser = ["low", "normal", "high"])]
        priority: String,
        #[command(flatten)]
        those: Those,
    },
    /// Give its sweep members more: other values, or more draws
    Extend {
        #[command(flatten)]
        its: together::ItsSweep,
        #[command(flatten)]
        values: Box<super::sweep::NewValues>,
        #[command(flatten)]
        suggest: Box<super::sweep::Suggest>,
    },
    /// Take members of its sweep away that have not come up
    Trim {
        #[command(flatten)]
        its: together::ItsSweep,
        /// Keep the first so many members
        #[arg(long, value_name = "N")]
        to: u32,
    },
    /// Delete an experiment; its jobs are stopped and deleted first
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        #[arg(add = names::experiments())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        leave: NoWait,
        /// Only jobs that fit, not the experiment: 'loss>2 state:failed'
        #[arg(long = "where", value_name = "CONDITIONS")]
        conditions: Option<Where>,
    },
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let verb = match verb {
        Verb::Table(table) => return study::table(session, table).await,
        Verb::Best(best) => return study::best(session, best).await,
        Verb::Plot(plot) => return study::plot(session, plot).await,
        Verb::Report(report) => return study::report(session, report).await,
        Verb::Export(export) => return study::export(session, export).await,
        Verb::Failures(failures) => return failures::run(session, failures).await,
        Verb::Stop(those) => {
            let each = JobAct::Terminate { hold: Millis(0) };
            return together::act(session, those, "stop", SweepAct::Stop, each).await;
        }
        Verb::Pause(those) => return together::act(session, those, "pause", SweepAct::Pause, JobAct::Hold).await,
        Verb::Resume(those) => return together::act(session, those, "resume", SweepAct::Resume, JobAct::Release).await,
        Verb::Retry(those) => return together::each(session, those, "retry", JobAct::Retry).await,
        Verb::Priority { priority, those } => {
            let priority = super::job::priority(&priority);
            let (whole, each) = (SweepAct::Priority { priority }, JobAct::Priority { priority });
            return together::act(session, those, "change the priority of", whole, each).await;
        }
        Verb::Extend { its, values, suggest } => return together::extend(session, its, *values, *suggest).await,
        Verb::Trim { its, to } => return together::trim(session, its, to).await,
        Verb::Delete { name, named, leave: _, conditions: Some(conditions) } => {
            let those = Those { name: named.or(name)?, sweep: None, conditions: Some(conditions) };
            return together::each(session, those, "delete", JobAct::Delete).await;
        }
        other => other,
    };
    let core = session.core().await?;
    let workspace = session.workspace();
    let workspace = workspace.as_ref();
    match verb {
        Verb::Create { name, named } => {
            let name = named.need(name)?;
            let sentence = format!("create experiment `{name}`");
            let request = Request::CreateExperiment { workspace: workspace.cloned(), name };
            match core.act(&sentence, request).await? {
                None => {}
                Some(Reply::Experiment(experiment)) => {
                    let lists = Lists::read(&core, None).await?;
                    let value = object::value(&experiment, lists.home(experiment.workspace));
                    session.out.done(&format!("experiment `{}` created", experiment.name), &experiment.name, &value)?;
                }
                Some(other) => return Err(unexpected(&other)),
            }
        }
        Verb::Show { name, named } => {
            let names = named.all(name)?;
            let meant = names.iter().chain(&session.context.experiment);
            let lists = Lists::read(&core, session.workspace_for(meant).as_ref()).await?;
            if names.len() > 1 {
                let mut list = session.out.list(object::COLUMNS);
                for name in &names {
                    let experiment = lists.experiment(Some(name))?;
                    list.page(vec![object::row(experiment, lists.home(experiment.workspace))])?;
                }
                list.end()?;
                return Ok(0);
            }
            let experiment = lists.experiment(names.first().or(session.context.experiment.as_ref()))?;
            let workspace = lists.home(experiment.workspace);
            session.out.one(
                &experiment.name,
                &object::facts(experiment, workspace),
                &object::value(experiment, workspace),
            )?;
        }
        Verb::List => {
            let lists = Lists::read(&core, workspace).await?;
            let mut list = session.out.list(object::COLUMNS);
            list.page(lists.experiments.iter().map(|e| object::row(e, lists.home(e.workspace))).collect())?;
            list.end()?;
        }
        Verb::Limit { name, named, running, none: _ } => {
            let name = named.or(name)?;
            let experiment = session.experiment(name.as_ref());
            let sentence = match running {
                Some(most) => format!("let {most} jobs of the experiment run at once"),
                None => "let any number of jobs of the experiment run at once".to_owned(),
            };
            let request = Request::CapExperiment { experiment, running_max: running };
            match core.act(&sentence, request).await? {
                None => {}
                Some(Reply::Accepted { note }) => session.out.note(&note.unwrap_or(sentence)),
                Some(other) => return Err(unexpected(&other)),
            }
        }
        // Done before this.
        Verb::Table(_) | Verb::Best(_) | Verb::Plot(_) | Verb::Report(_) | Verb::Export(_) | Verb::Failures(_) => {}
        Verb::Stop(_) | Verb::Pause(_) | Verb::Resume(_) | Verb::Retry(_) | Verb::Priority { .. } => {}
        Verb::Extend { .. } | Verb::Trim { .. } => {}
        Verb::Delete { name, named, leave, conditions: _ } => {
            let names = named.some(name)?;
            let whose = if names.len() == 1 { "its" } else { "their" };
            session.confirm(&format!("delete {} with all {whose} jobs", spelled("experiment", &names)))?;
            let mut failed = Vec::new();
            for name in &names {
                failed.extend(refusal(delete(session, &core, name, leave).await)?);
            }
            return partly(failed, names.len());
        }
    }
    Ok(0)
}

async fn delete(session: &Session, core: &Core, name: &String, leave: NoWait) -> Result<(), Failure> {
    let request = Request::DeleteExperiment(session.experiment(Some(name)));
    let lists = Lists::read(core, session.workspace_for([name]).as_ref()).await?;
    let id = lists.experiment(Some(name)).ok().map(|experiment| experiment.id);
    if core.act(&format!("delete experiment `{name}`"), request).await?.is_some() {
        let still = |lists: &Lists| id.is_some_and(|id| lists.experiments.iter().any(|e| e.id == id));
        leave::until_gone(session, core, &format!("experiment `{name}`"), leave, still).await?;
        session.out.note("files of its jobs stay");
    }
    Ok(())
}
