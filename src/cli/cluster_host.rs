//! `ostler cluster host`: hosts that come to a live pool and go from it.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::session::{Session, unexpected};
use crate::model::fault::Fault;
use crate::model::names::expand_hosts;
use crate::model::request::{Reply, Request};

/// What can be done with hosts.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Add hosts to the pool; nodes that were missing come at once
    Add(Hosts),
    /// Take hosts from the pool; a node goes when its job is off it
    #[command(visible_alias = "rm")]
    Remove(Hosts),
}

/// Which.
#[derive(Args, Clone, Debug)]
pub struct Hosts {
    /// Hosts and ranges: 'gpu[17-20],ci@big'
    #[arg(required = true, value_name = "HOSTS")]
    hosts: Vec<String>,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let core = session.core().await?;
    let (word, list) = match &verb {
        Verb::Add(list) => ("add", list),
        Verb::Remove(list) => ("remove", list),
    };
    let mut hosts = Vec::new();
    for text in &list.hosts {
        hosts.extend(expand_hosts(text).map_err(Fault::config)?);
    }
    let sentence = format!("{word} {} hosts", hosts.len());
    let cluster = session.cluster(None);
    let (add, remove) = match verb {
        Verb::Add(_) => (hosts, Vec::new()),
        Verb::Remove(_) => (Vec::new(), hosts),
    };
    match core.act(&sentence, Request::ChangeHosts { cluster, add, remove }).await? {
        None | Some(Reply::Accepted { .. }) => Ok(0),
        Some(other) => Err(unexpected(&other)),
    }
}
