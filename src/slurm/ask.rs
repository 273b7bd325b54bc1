//! Asking the login node: the functions of `assets/slurm/slurm.sh` and calls of them go to a shell's standard input, and what it
//! prints is read whole. Every word is in single quotes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::slurm::parse::{Heard, read};
use crate::transport::frame::quote_into;
use crate::transport::link::{Channel, Link, LinkError, Traffic};

/// The functions.
const FUNCTIONS: &str = include_str!("../../assets/slurm/slurm.sh");
/// The program of the channel.
const SHELL: &str = "exec /bin/sh -s";
/// The most of an answer that is read: a queue of 200,000 jobs.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long an answer may take: `squeue` gives up on a controller that does not answer after some ten seconds, for each call.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// Calls, one a line.
#[derive(Debug, Default)]
pub(super) struct Calls(String);

impl Calls {
    /// Returns calls of these functions as well.
    pub(super) fn behind(functions: &str) -> Self {
        Self(functions.to_owned())
    }

    /// Adds a call.
    pub(super) fn call(&mut self, name: &str, words: &[&str]) {
        self.0.push_str(name);
        for word in words {
            self.0.push(' ');
            quote_into(&mut self.0, word);
        }
        self.0.push_str(" .\n");
    }

    /// Says whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Makes the calls; returns what was said, which is whole.
///
/// # Errors
/// The link broke, or the shell did not answer to the end: whatever was asked for may have been done.
pub(super) async fn ask(link: &Link, calls: &Calls) -> Result<Heard, LinkError> {
    let broke = |error| LinkError::soft("unreachable", "ask slurm", "the link broke").because(error);
    let Channel { mut stdin, stdout, stderr, guard } = link.open_data(Traffic::Look, SHELL).await?;
    let _guard = guard;
    let tell = async {
        stdin.write_all(FUNCTIONS.as_bytes()).await?;
        stdin.write_all(calls.0.as_bytes()).await?;
        stdin.write_all(b"over .\n").await?;
        stdin.shutdown().await?;
        drop(stdin);
        Ok::<_, std::io::Error>(())
    };
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(ANSWER_BYTES_MAX), stderr.take(ANSWER_BYTES_MAX));
    let all = async { tokio::try_join!(tell, stdout.read_to_end(&mut out), stderr.read_to_end(&mut complaints)) };
    match tokio::time::timeout(ANSWER_TIME_MAX, all).await {
        Ok(done) => drop(done.map_err(broke)?),
        Err(_) => {
            let message = format!("the login node did not answer within {ANSWER_TIME_MAX:?}");
            return Err(LinkError::soft("unreachable", "ask slurm", message));
        }
    }
    let heard = read(&String::from_utf8_lossy(&out));
    if !heard.whole {
        let said = crate::transport::frame::words(&String::from_utf8_lossy(&complaints));
        return Err(LinkError::soft("unreachable", "ask slurm", format!("the login node's answer was cut; {said}")));
    }
    Ok(heard)
}
