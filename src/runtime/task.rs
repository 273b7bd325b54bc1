//! Tasks that front ends have begun: copies of files and commands. They use channels of their own and never pass through
//! the engine; they end when whoever asked goes away.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::files::copy::{Order, copy};
use crate::files::{FileError, LinkSource};
use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::task::{Stream, TaskNews};
use crate::runtime::engine::TaskWork;
use crate::runtime::look::{left_behind, path_of};
use crate::runtime::way::{Brief, Way};
use crate::transport::agent::AgentHandle;
use crate::transport::link::{Channel, Traffic};

/// How much of a command's output is told at once.
const OUTPUT_BYTES: usize = 32 * 1024;
/// How long output may still come once the command has ended.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// Runs a command.
const RUN: &str = include_str!("../../assets/agent/run.sh");

/// Returns what does a task.
pub fn run(
    work: TaskWork,
    agents: &BTreeMap<NodeId, AgentHandle>,
    news: mpsc::Sender<TaskNews>,
) -> impl Future<Output = ()> + Send + 'static {
    let way = match &work {
        TaskWork::Copy { located, .. } => Way::to(&located.link, agents),
        TaskWork::Run { link, .. } => Way::to(link, agents),
    };
    async move {
        match work {
            TaskWork::Copy { located, copy: asked } => match path_of(&located) {
                Err(fault) => drop(news.send(TaskNews::Failed(left_behind(&located, fault))).await),
                Ok(remote) => {
                    let (way_of_copy, existing) = (asked.way, asked.existing);
                    let whole = located.directory.clone();
                    let order = Order { way: way_of_copy, remote, whole, local: asked.local, existing };
                    copy(Brief(way), order, news).await;
                }
            },
            TaskWork::Run { command, .. } => {
                let listener = news.clone();
                tokio::select! {
                    () = command_on(way, command, news) => {}
                    () = listener.closed() => {}
                }
            }
        }
    }
}

async fn command_on(way: Way, command: String, news: mpsc::Sender<TaskNews>) {
    let last = match begin(way, &command).await {
        Err(fault) => TaskNews::Failed(fault),
        Ok((channel, word)) => match tell(channel, &word, &news).await {
            Some(code) => TaskNews::Exited { code },
            None => TaskNews::Failed(
                Fault::remote("the link was lost before the command had ended").hint("whether it goes on is not known"),
            ),
        },
    };
    // Who asked may have left.
    let _ = news.send(last).await;
}

async fn begin(way: Way, command: &str) -> Result<(Channel, String), Fault> {
    let link = Brief(way).link().await.ok_or_else(|| FileError::NoLink.fault())?;
    let mut channel = link.open_data(Traffic::Run, RUN).await.map_err(|error| FileError::Link(error).fault())?;
    let word = format!("ostler-{}", Uuid::new_v4().simple());
    let order = format!("{word}\n{}\n{command}\n", command.split('\n').count());
    let sent = async {
        channel.stdin.write_all(order.as_bytes()).await?;
        channel.stdin.flush().await
    };
    sent.await.map_err(|error| Fault::remote("the node stopped answering").because(&error))?;
    Ok((channel, word))
}

/// Tells what the command writes; returns its code, or nothing when that never came. Standard input stays open: its end is
/// the order to stop.
async fn tell(channel: Channel, word: &str, news: &mpsc::Sender<TaskNews>) -> Option<i32> {
    let Channel { stdin, mut stdout, mut stderr, guard } = channel;
    let (mut out, mut err) = (Vec::with_capacity(OUTPUT_BYTES), Vec::with_capacity(OUTPUT_BYTES));
    let (mut out_open, mut err_open) = (true, true);
    let mut code = None;
    while out_open || err_open {
        tokio::select! {
            read = stdout.read_buf(&mut out), if out_open => {
                out_open = read.is_ok_and(|count| count > 0);
                say(news, Stream::Out, out.split_off(0)).await;
            }
            read = stderr.read_buf(&mut err), if err_open => {
                err_open = read.is_ok_and(|count| count > 0);
                let (free, found) = free_of(&err, word);
                code = code.or(found);
                let kept = err.split_off(free);
                say(news, Stream::Err, std::mem::replace(&mut err, kept)).await;
            }
            // Something that the command left in the background may hold its streams open.
            () = tokio::time::sleep(LAST_WORDS_MAX), if code.is_some() => break,
        }
        out.reserve(OUTPUT_BYTES);
        err.reserve(OUTPUT_BYTES);
    }
    drop((stdin, guard));
    code
}

async fn say(news: &mpsc::Sender<TaskNews>, stream: Stream, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        let _ = news.send(TaskNews::Output { stream, bytes }).await;
    }
}

/// Returns how many bytes are surely the command's, and the exit code if the word has come.
fn free_of(bytes: &[u8], word: &str) -> (usize, Option<i32>) {
    let word = word.as_bytes();
    if let Some(at) = memchr::memmem::rfind(bytes, word) {
        let rest = String::from_utf8_lossy(&bytes[at + word.len()..]);
        let code = rest.strip_suffix('\n').and_then(|rest| rest.trim().parse().ok());
        return (at, code);
    }
    let begun = (1..word.len().min(bytes.len() + 1)).rev().find(|length| bytes.ends_with(&word[..*length]));
    (bytes.len() - begun.unwrap_or(0), None)
}

#[cfg(test)]
mod tests {
    use super::free_of;

    #[test]
    fn the_word_is_found_in_pieces() {
        let word = "ostler-abc";
        for (bytes, free, code) in [
            (&b""[..], 0, None),
            (b"hello\n", 6, None),
            (b"hello\nostl", 6, None),
            (b"photo", 4, None),
            (b"xostler-abc", 1, None),
            (b"xostler-abc 1", 1, None),
            (b"xostler-abc 137\n", 1, Some(137)),
        ] {
            assert_eq!(free_of(bytes, word), (free, code), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
