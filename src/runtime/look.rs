//! Looks at nodes that front ends ask for: windows, searches and lists of files, commands. They use data channels of the
//! node's link and never pass through the engine. A node that is no longer ours is reached by a link of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::files::{Desk, Direction, FileError, FilePath, LinkSource, follow as follow_file};
use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::request::{From, LogDelta, Reply};
use crate::runtime::engine::{FileWork, Located};
use crate::transport::NodeLink;
use crate::transport::agent::AgentHandle;
use crate::transport::link::{Link, Traffic};

/// How long a look waits for a link that is down: a reconnect takes less, and a person does not wait longer.
const LINK_WAIT: Duration = Duration::from_secs(5);
/// How often a link that is down is looked for.
const LINK_POLL: Duration = Duration::from_millis(100);
/// How much of a command's output is kept, for each of its two streams.
const OUTPUT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Runs the command that comes on its standard input, and says its code after a word that also comes from there.
const EXEC: &str = r#"read -r word; command=$(cat); sh -c "$command" </dev/null; printf '\n%s %d\n' "$word" "$?" >&2"#;

/// The way to one node.
#[derive(Clone)]
pub enum Way {
    /// By the link that its agent uses.
    Agent(AgentHandle),
    /// By one of its own.
    Own(Box<NodeLink>),
}

impl Way {
    /// Returns the way to a node.
    pub fn to(link: &NodeLink, agents: &BTreeMap<NodeId, AgentHandle>) -> Self {
        match agents.get(&link.node) {
            Some(agent) => Self::Agent(agent.clone()),
            None => Self::Own(Box::new(link.clone())),
        }
    }
}

/// A way that gives up: for looks that somebody waits for.
#[derive(Clone)]
struct Brief(Way);

impl LinkSource for Brief {
    async fn link(&self) -> Option<Link> {
        tokio::time::timeout(LINK_WAIT, self.0.link()).await.ok().flatten()
    }
}

impl LinkSource for Way {
    async fn link(&self) -> Option<Link> {
        match self {
            Self::Own(link) => Link::connect(link).await.ok(),
            Self::Agent(agent) => loop {
                if let Some(link) = agent.link() {
                    return Some(link);
                }
                if tokio::time::timeout(LINK_POLL, agent.ended()).await.is_ok() {
                    return None;
                }
            },
        }
    }
}

/// The ways that a look needs, in its order.
pub struct Ways(Vec<Way>);

impl Ways {
    /// Returns the ways of a look.
    pub fn of(work: &FileWork, agents: &BTreeMap<NodeId, AgentHandle>) -> Self {
        Self(match work {
            FileWork::Read { located, .. } | FileWork::Search { located, .. } => vec![Way::to(&located.link, agents)],
            FileWork::List { folders } => folders.iter().map(|folder| Way::to(&folder.link, agents)).collect(),
            FileWork::Exec { link, .. } => vec![Way::to(link, agents)],
        })
    }
}

/// Looks, and answers.
pub async fn look(work: FileWork, ways: Ways) -> Reply {
    let mut ways = ways.0.into_iter();
    let mut way = || ways.next().map(Brief);
    let done = match work {
        FileWork::Read { located, from, bytes } => match way() {
            Some(way) => read(&located, way, from, bytes).await,
            None => Err(FileError::NoLink.fault()),
        },
        FileWork::Search { located, text, from, backwards } => match way() {
            Some(way) => search(&located, way, &text, from, backwards).await,
            None => Err(FileError::NoLink.fault()),
        },
        FileWork::List { folders } => {
            let each = folders.into_iter().filter_map(|folder| way().map(|way| (folder, way)));
            list(each.collect()).await
        }
        FileWork::Exec { command, .. } => match way() {
            Some(way) => exec(way, &command).await,
            None => Err(FileError::NoLink.fault()),
        },
    };
    done.unwrap_or_else(Reply::Refused)
}

fn path_of(located: &Located) -> Result<FilePath, Fault> {
    let name = located.path.strip_prefix(&located.folder).unwrap_or(&located.path).trim_start_matches('/');
    FilePath::below(&located.folder, name).map_err(|error| error.fault())
}

async fn read(located: &Located, way: Brief, from: From, bytes: u32) -> Result<Reply, Fault> {
    let path = path_of(located)?;
    let window = Desk::new(way).window(&path, from, bytes).await.map_err(|error| error.fault())?;
    Ok(Reply::Window(window))
}

async fn search(located: &Located, way: Brief, text: &str, from: u64, backwards: bool) -> Result<Reply, Fault> {
    let path = path_of(located)?;
    let direction = if backwards { Direction::Backwards } else { Direction::Forwards };
    let offset = Desk::new(way).search(&path, text, from, direction).await.map_err(|error| error.fault())?;
    Ok(Reply::Found { offset })
}

/// Lists what can be listed: a node out of sight does not hide the files of the others.
async fn list(folders: Vec<(Located, Brief)>) -> Result<Reply, Fault> {
    let mut files = Vec::new();
    let mut failed = None;
    let mut any = false;
    for (folder, way) in folders {
        let path = FilePath::below(&folder.folder, "").map_err(|error| error.fault())?;
        match Desk::new(way).list(&path, folder.index).await {
            Ok(found) => {
                any = true;
                files.extend(found);
            }
            Err(error) => failed = Some(error.fault()),
        }
    }
    match failed {
        Some(fault) if !any => Err(fault),
        _ => Ok(Reply::Files(files)),
    }
}

async fn exec(way: Brief, command: &str) -> Result<Reply, Fault> {
    let link = way.link().await.ok_or_else(|| FileError::NoLink.fault())?;
    let channel = link.open_data(Traffic::Look, EXEC).await.map_err(|error| FileError::Link(error).fault())?;
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

/// Follows a file until its reader leaves.
pub async fn follow(located: Located, way: Way, from: From, deltas: mpsc::Sender<LogDelta>, ended: watch::Receiver<bool>) {
    match path_of(&located) {
        Ok(path) => follow_file(way, path, from, deltas, ended).await,
        Err(fault) => {
            // The reader may have left.
            let _ = deltas.send(LogDelta::Failed(fault)).await;
        }
    }
}
