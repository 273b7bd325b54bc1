//! `ostler cluster file`: the logs of the set-up task, which lie on the nodes as the task has written them.

use std::sync::Arc;

use clap::{Args, Subcommand};
use futures_util::future::join_all;

use super::failure::Failure;
use super::file::{EXPIRY_MINUTES, join, listing, print, row};
use super::lists::Lists;
use super::logs::{self, Printer};
use super::names;
use super::node::pick;
use super::session::{Core, Session};
use crate::model::fault::Fault;
use crate::model::request::{FileEntry, FileRef, FilesOf, FolderRef, From, Listing, NodeRef};
use crate::model::state::{Cluster, Node};

/// What can be done with the logs of the set-up task.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// List the logs of the set-up task on the nodes of a cluster
    ///
    /// Nothing is listed for a cluster without a set-up task.
    #[command(visible_alias = "ls")]
    List(List),
    /// Print a log of the set-up task as it grows, until the task has ended
    ///
    /// Waits for a file that is not there yet.
    Stream(Stream),
}

/// Options of `list`.
#[derive(Args, Clone, Debug)]
pub struct List {
    /// One node: its name, or node-7; all of them when absent
    #[arg(short, long, value_name = "NODE", add = names::nodes())]
    node: Option<String>,
    /// A path below the directory of the logs
    #[arg(short, long, default_value = ".")]
    path: String,
    /// Accepted for scripts written for `az batchai`: files come straight from their node, so nothing expires
    #[arg(long, value_name = "MINUTES", hide = true, value_parser = clap::value_parser!(i64).range(EXPIRY_MINUTES))]
    expiry: Option<i64>,
}

/// Options of `stream`.
#[derive(Args, Clone, Debug)]
pub struct Stream {
    /// The node: its name, or node-7; the one that the file is named after when absent
    #[arg(short, long, value_name = "NODE", add = names::nodes())]
    node: Option<String>,
    /// The file: stdout-NODE.txt or stderr-NODE.txt
    #[arg(short, long, value_name = "NAME")]
    file_name: String,
    /// The path below the directory of the logs that the file is in
    #[arg(short, long, default_value = ".")]
    path: String,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::List(list) => self::list(session, list).await,
        Verb::Stream(stream) => self::stream(session, stream).await,
    }
}

fn has_task(cluster: &Cluster) -> bool {
    cluster.spec.node_setup.as_ref().is_some_and(|setup| setup.setup_task.is_some())
}

async fn list(session: &Session, list: List) -> Result<i32, Failure> {
    let core = session.core().await?;
    let lists = Lists::read(&core, session.workspace_for(&session.context.cluster).as_ref()).await?;
    let cluster = lists.cluster(session.context.cluster.as_ref())?;
    let all = lists.nodes_of(cluster);
    let nodes = match &list.node {
        Some(word) => vec![pick(cluster, &all, Some(word))?],
        None => all,
    };
    let mut found = Listing::default();
    if !has_task(cluster) {
        found.notes.push(format!("cluster `{}` has no set-up task, so there are no logs of one", cluster.name));
        print(session, false, Vec::new(), &found)?;
        return Ok(0);
    }
    let path = join(&list.path, "");
    let asked = join_all(nodes.iter().map(|node| of_node(&core, node, &path))).await;
    let all_failed = !asked.is_empty() && asked.iter().all(Result::is_err);
    let mut entries: Vec<(&Arc<Node>, FileEntry)> = Vec::new();
    for (node, answer) in nodes.iter().zip(asked) {
        match answer {
            Ok(listing) => {
                found.notes.extend(listing.notes);
                let fresh = listing.entries.into_iter().filter(|entry| !entries.iter().any(|(_, known)| same(known, entry)));
                let fresh: Vec<_> = fresh.map(|entry| (node, entry)).collect();
                entries.extend(fresh);
            }
            Err(Failure::Fault(fault)) if !all_failed => found.notes.push(format!("`{}`: {}", node.name, fault.message)),
            Err(failure) => return Err(failure),
        }
    }
    entries.sort_by(|(a, one), (b, other)| (&one.name, a.id).cmp(&(&other.name, b.id)));
    let rows = entries.iter().map(|(node, entry)| row(entry, node.name.clone(), command(cluster, node, &path, entry)));
    print(session, nodes.len() > 1, rows.collect(), &found)?;
    Ok(0)
}

async fn of_node(core: &Core, node: &Node, path: &str) -> Result<Listing, Failure> {
    let of = FilesOf::Node(NodeRef::Id(node.id));
    listing(core, FolderRef { of, directory: None, path: path.to_owned(), node: None }).await
}

/// Nodes that write to one file system all tell the same file, down to its inode.
fn same(a: &FileEntry, b: &FileEntry) -> bool {
    let told = |entry: &FileEntry| (entry.size, entry.modified, entry.kind, entry.inode);
    a.name == b.name && a.inode != 0 && told(a) == told(b)
}

/// The command that prints a file, in the place of the published link to it.
fn command(cluster: &Cluster, node: &Node, path: &str, entry: &FileEntry) -> Option<String> {
    let name = join(path, &entry.name);
    let words = ["ostler", "cluster", "file", "stream", "-c", &cluster.name, "-n", &node.name, "-f", &name];
    shlex::try_join(words).ok()
}

async fn stream(session: &Session, stream: Stream) -> Result<i32, Failure> {
    let core = session.core().await?;
    let lists = Lists::read(&core, session.workspace_for(&session.context.cluster).as_ref()).await?;
    let cluster = lists.cluster(session.context.cluster.as_ref())?;
    let nodes = lists.nodes_of(cluster);
    let node = match stream.node.as_ref().or_else(|| named_after(&nodes, &stream.file_name)) {
        Some(word) => pick(cluster, &nodes, Some(word))?,
        None => {
            let name = stream.file_name.escape_debug();
            let fault = Fault::config(format!("`{name}` is named after no node of cluster `{}`", cluster.name));
            return Err(fault.hint("say which node with --node").into());
        }
    };
    let of = FilesOf::Node(NodeRef::Id(node.id));
    let file = FileRef { of, directory: None, file: join(&stream.path, &stream.file_name), node: 0 };
    let mut printer = Printer::new(session.out);
    logs::follow(session, &core, file.clone(), 0, &mut printer).await?;
    if !printer.began() {
        // It may be there and empty.
        logs::window(&core, &file, From::End, 0).await?;
    }
    Ok(0)
}

/// The node whose name a log ends in; the longest, as one node's name may end in another's.
fn named_after<'a>(nodes: &'a [Arc<Node>], file: &str) -> Option<&'a String> {
    let name = file.strip_suffix(".txt")?;
    let fits = nodes.iter().filter(|node| !node.name.is_empty());
    let fits = fits.filter(|node| name.strip_suffix(node.name.as_str()).is_some_and(|rest| rest.ends_with('-')));
    fits.map(|node| &node.name).max_by_key(|name| name.len())
}
