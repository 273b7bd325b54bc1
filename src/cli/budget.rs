//! `ostler budget`: what may be spent, and what was.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::lists::Lists;
use super::objects::cost as object;
use super::session::{Core, Session, unexpected};
use crate::model::cost::{BRAKES, Budget, FORMULA, PERIODS};
use crate::model::fault::Fault;
use crate::model::request::{Reply, Request};
use crate::model::units::Money;

/// What can be done with budgets.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Show what workspaces, clusters and experiments have cost, and how that comes about
    #[command(visible_alias = "list")]
    Show,
    /// Set a limit: for a cluster with --cluster, else for all clusters of a workspace together
    Set(Limit),
    /// Take the limit away
    Clear,
}

/// A limit.
#[derive(Args, Clone, Debug)]
pub struct Limit {
    /// How much, in the unit of the prices: 250 or 99.50
    #[arg(value_name = "AMOUNT")]
    amount: String,
    /// In which time, in UTC; it counts from now on, and `total` from the beginning
    #[arg(long, value_name = "PERIOD", default_value = "month", value_parser = PERIODS.map(|(word, _)| word))]
    per: String,
    /// What happens then: say it; start no job and get no node; or let all nodes go as well
    #[arg(long, value_name = "WHAT", default_value = "hold", value_parser = BRAKES.map(|(word, _)| word))]
    then: String,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let core = session.core().await?;
    match verb {
        Verb::Show => {
            let lists = Lists::read(&core, session.workspace().as_ref()).await?;
            let mut list = session.out.list(object::COLUMNS);
            list.page(object::rows(&lists))?;
            list.end()?;
            session.out.note(FORMULA);
        }
        Verb::Set(limit) => {
            let amount = Money::parse(&limit.amount).map_err(Fault::config)?;
            let find = |word: &str| BRAKES.iter().find(|(known, _)| *known == word).map(|(_, brake)| *brake);
            let period = PERIODS.iter().find(|(known, _)| *known == limit.per).map(|(_, period)| *period);
            let budget = Budget::new(amount, period.unwrap_or_default(), find(&limit.then).unwrap_or_default());
            change(session, &core, Some(budget), &format!("set a budget of {amount}")).await?;
        }
        Verb::Clear => change(session, &core, None, "take the budget away").await?,
    }
    Ok(0)
}

async fn change(session: &Session, core: &Core, budget: Option<Budget>, what: &str) -> Result<(), Failure> {
    // The cluster of the context is not meant: a limit for all would become one for it.
    let cluster = session.globals.cluster.as_ref().map(|name| session.cluster(Some(name)));
    let workspace = session.workspace();
    match core.act(what, Request::SetBudget { cluster, workspace, budget }).await? {
        None | Some(Reply::Accepted { .. }) => Ok(()),
        Some(other) => Err(unexpected(&other)),
    }
}
