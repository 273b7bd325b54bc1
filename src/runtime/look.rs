//! Looks at nodes that front ends ask for: windows, searches and lists of files, commands. They use data channels of the
//! node's link and never pass through the engine. A node that is no longer ours is reached by a link of its own.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::files::{Direction, FileError, FilePath, LIST_FILES_MAX, LinkSource, follow as follow_file};
use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::request::{FileEntry, FollowMode, From, Listing, LogDelta, NodeWay, Reply, SETUP, STDOUTERR, TEMP};
use crate::model::shown::Shown;
use crate::runtime::engine::{FileWork, Located};
use crate::runtime::way::{Brief, Desks, NodeDesk, Way};
use crate::transport::NodeLink;
use crate::transport::agent::AgentHandle;
use crate::transport::link::{Link, Traffic};

/// How much of a command's output is kept, for each of its two streams.
const OUTPUT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Names that are left out of a list are named up to this many; then they are counted.
const ODD_NAMED_MAX: usize = 5;
/// Runs the command that comes on its standard input, and says its code after a word that also comes from there.
const EXEC: &str = r#"read -r word; command=$(cat); sh -c "$command" </dev/null; printf '\n%s %d\n' "$word" "$?" >&2"#;

/// A look with the ways that it needs.
pub enum Look {
    /// A part of a file.
    Read(Located, NodeDesk, From, u32),
    /// A search: the text, from where, and whether backwards.
    Search(Located, NodeDesk, String, u64, Direction),
    /// The log files of a job's nodes.
    List(Vec<(Located, NodeDesk)>),
    /// One level of a directory on each of a job's nodes.
    Entries(Vec<(Located, NodeDesk)>),
    /// A command.
    Exec(Way, String),
    /// How ssh reaches a node.
    Way(Box<NodeLink>, bool),
}

impl Look {
    /// Returns a look with its ways.
    pub fn new(work: FileWork, agents: &BTreeMap<NodeId, AgentHandle>, desks: &mut Desks) -> Self {
        let mut with = |located: Located| {
            let desk = desks.at(&located.link, agents);
            (located, desk)
        };
        match work {
            FileWork::Read { located, from, bytes } => {
                let (located, desk) = with(located);
                Self::Read(located, desk, from, bytes)
            }
            FileWork::Search { located, text, from, backwards } => {
                let (located, desk) = with(located);
                let direction = if backwards { Direction::Backwards } else { Direction::Forwards };
                Self::Search(located, desk, text, from, direction)
            }
            FileWork::List { folders } => Self::List(folders.into_iter().map(with).collect()),
            FileWork::Entries { folders } => Self::Entries(folders.into_iter().map(with).collect()),
            FileWork::Way { link, sign_in } => Self::Way(link, sign_in),
            FileWork::Exec { link, command } => Self::Exec(Way::to(&link, agents), command),
        }
    }

    /// Looks, and answers.
    pub async fn answer(self) -> Reply {
        let done = match self {
            Self::Read(located, desk, from, bytes) => read(&located, desk, from, bytes).await,
            Self::Search(located, desk, text, from, direction) => search(&located, desk, &text, from, direction).await,
            Self::List(folders) => list(folders).await,
            Self::Entries(folders) => entries(folders).await,
            Self::Exec(way, command) => exec(Brief(way), &command).await,
            Self::Way(link, sign_in) => way_words(&link, sign_in).await,
        };
        done.unwrap_or_else(Reply::Refused)
    }
}

/// Returns the path of a file that was located.
///
/// # Errors
/// It leads elsewhere, or cannot be a line.
pub fn path_of(located: &Located) -> Result<FilePath, Fault> {
    let name = located.path.strip_prefix(&located.folder).unwrap_or(&located.path).trim_start_matches('/');
    FilePath::below(&located.folder, name).map_err(|error| error.fault())
}

async fn read(located: &Located, desk: NodeDesk, from: From, bytes: u32) -> Result<Reply, Fault> {
    let path = path_of(located)?;
    let window = desk.window(&path, from, bytes).await.map_err(|error| error.fault())?;
    Ok(Reply::Window(window))
}

async fn search(located: &Located, desk: NodeDesk, text: &str, from: u64, direction: Direction) -> Result<Reply, Fault> {
    let path = path_of(located)?;
    let offset = desk.search(&path, text, from, direction).await.map_err(|error| error.fault())?;
    Ok(Reply::Found { offset })
}

/// Lists what can be listed: a node out of sight does not hide the files of the others.
async fn list(folders: Vec<(Located, NodeDesk)>) -> Result<Reply, Fault> {
    let mut files = Vec::new();
    let mut failed = None;
    let mut any = false;
    for (folder, desk) in folders {
        let path = FilePath::below(&folder.folder, "").map_err(|error| error.fault())?;
        match desk.list(&path, folder.index).await {
            Ok(found) => {
                any = true;
                files.extend(
                    found.into_iter().map(|file| FileEntry { name: format!("{}{}", folder.prefix, file.name), ..file }),
                );
            }
            Err(error) => failed = Some(error.fault()),
        }
    }
    match failed {
        Some(fault) if !any => Err(fault),
        _ => Ok(Reply::Files(files)),
    }
}

/// Lists one level of a directory on all its nodes together.
async fn entries(folders: Vec<(Located, NodeDesk)>) -> Result<Reply, Fault> {
    let several = folders.len() > 1;
    let mut listing = Listing::default();
    let mut missing = Vec::new();
    let mut failed: Vec<(Located, Fault)> = Vec::new();
    for (folder, desk) in &folders {
        let path = path_of(folder)?;
        let node = &folder.node_name;
        match desk.entries(&path, folder.index).await {
            Ok(Some(found)) => {
                listing.notes.extend(odd_note(&found.odd, several.then_some(node)));
                if found.more {
                    listing.notes.push(format!("there are more; the first {LIST_FILES_MAX} that `{node}` told are listed"));
                }
                merge(&mut listing.entries, found.entries, folder);
            }
            Ok(None) => missing.push(folder),
            Err(error) => failed.push((folder.clone(), error.fault())),
        }
    }
    if missing.len() + failed.len() == folders.len() {
        return Err(match (failed.into_iter().next(), missing.first()) {
            (Some((folder, fault)), _) => left_behind(&folder, fault),
            (None, Some(folder)) => absent(folder),
            (None, None) => FileError::NoLink.fault(),
        });
    }
    listing.notes.extend(missing.iter().map(|folder| format!("`{}` has no {}", folder.node_name, folder.path)));
    listing.notes.extend(failed.iter().map(|(folder, fault)| format!("`{}`: {}", folder.node_name, fault.message)));
    listing.entries.sort_by(|a, b| (&a.name, a.node).cmp(&(&b.name, b.node)));
    Ok(Reply::Listing(listing))
}

/// Adds what one node has. What lies outside a node's spool may be on a file system that several nodes share; then all of
/// them tell the same entry, down to its inode.
fn merge(all: &mut Vec<FileEntry>, more: Vec<FileEntry>, folder: &Located) {
    let own = folder.path.contains(&format!("/{}/", folder.link.spool.1));
    let same = |a: &FileEntry, b: &FileEntry| {
        (&a.name, a.size, a.modified, a.kind, a.inode) == (&b.name, b.size, b.modified, b.kind, b.inode) && a.inode != 0
    };
    let fresh: Vec<FileEntry> =
        more.into_iter().filter(|entry| own || !all.iter().any(|known| same(known, entry))).collect();
    all.extend(fresh);
}

fn odd_note(odd: &[Shown], node: Option<&String>) -> Option<String> {
    let mut names: Vec<String> = odd.iter().take(ODD_NAMED_MAX).map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return None;
    }
    if odd.len() > ODD_NAMED_MAX {
        names.push(format!("{} more", odd.len() - ODD_NAMED_MAX));
    }
    let at = node.map(|node| format!(" on `{node}`")).unwrap_or_default();
    Some(format!("left out{at}, as their names cannot be asked for: {}", names.join(", ")))
}

/// Says of a directory that is not there what that may mean.
pub fn absent(folder: &Located) -> Fault {
    let path = &folder.path;
    let fault = Fault::user(format!("there is no directory {path} on node `{}`", folder.node_name));
    match folder.directory.as_str() {
        _ if folder.path != folder.folder => fault.hint("list it without a path (`-p`) to see what there is"),
        TEMP => fault.hint("the temporary directory is emptied when the next job starts on the node"),
        SETUP if folder.live => fault.hint("it is made when the set-up task starts"),
        SETUP => fault.hint("the set-up task has not run on this node, or what its logs are on is not mounted now"),
        STDOUTERR if folder.live => fault.hint("the job makes it when its first process starts"),
        _ if !folder.ours => fault.hint("the node has left the cluster, and what was on it may be gone"),
        _ => fault.hint("what the job was told to use is not there any more: its file system may not be mounted there now"),
    }
}

/// Adds to a fault what is known when its node has left.
pub fn left_behind(folder: &Located, fault: Fault) -> Fault {
    match folder.ours {
        true => fault,
        false => fault.hint(format!("node `{}` has left the cluster; what was on it may be gone", folder.node_name)),
    }
}

/// Runs a command line on a host.
///
/// # Errors
/// The host is not reached, or the link is lost before the command has ended.
pub async fn exec(way: impl LinkSource, command: &str) -> Result<Reply, Fault> {
    let link = way.link().await.ok_or_else(|| FileError::NoLink.fault())?;
    let channel = link.open_data(Traffic::Node, EXEC).await.map_err(|error| FileError::Link(error).fault())?;
    let word = format!("ostler-{}", Uuid::new_v4().simple());
    let (mut stdin, stdout, stderr) = (channel.stdin, channel.stdout, channel.stderr);
    let ask = async {
        stdin.write_all(format!("{word}\n{command}").as_bytes()).await?;
        stdin.shutdown().await?;
        drop(stdin);
        Ok::<_, std::io::Error>(())
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(OUTPUT_BYTES_MAX), stderr.take(OUTPUT_BYTES_MAX));
    let all = tokio::try_join!(ask, stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
    all.map_err(|error| Fault::remote("the node stopped answering").because(&error))?;
    let text = String::from_utf8_lossy(&err);
    let said = text.rfind(&format!("\n{word} ")).map(|at| (at, text[at + 2 + word.len()..].trim().parse::<i32>()));
    match said {
        Some((at, Ok(code))) => {
            let kept = text[..at].len().min(err.len());
            err.truncate(kept);
            Ok(Reply::Ran { code, stdout: out, stderr: err })
        }
        _ => Err(Fault::remote("the link was lost before the command had ended").hint("whether it goes on is not known")),
    }
}

async fn way_words(link: &NodeLink, sign_in: bool) -> Result<Reply, Fault> {
    let way = if sign_in { Link::sign_in(link).await } else { Link::way(link).await };
    let way = way.map_err(|error| FileError::Link(error).fault())?;
    let (options, host) = way.map_or((Vec::new(), None), |(options, host)| (options, Some(host)));
    Ok(Reply::Way(NodeWay { options, host }))
}

/// Follows a file until its reader leaves.
pub async fn follow(
    located: Located,
    way: Way,
    how: (From, FollowMode),
    deltas: mpsc::Sender<LogDelta>,
    ended: watch::Receiver<bool>,
) {
    match path_of(&located) {
        Ok(path) => follow_file(way, path, how, deltas, ended).await,
        Err(fault) => {
            // The reader may have left.
            let _ = deltas.send(LogDelta::Failed(fault)).await;
        }
    }
}
