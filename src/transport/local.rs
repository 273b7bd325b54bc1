//! A link to this machine: a channel is a child process on three pipes. The agent on it is the same as anywhere.

use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;

use crate::transport::link::{Channel, LinkError};

/// The shell that runs a channel's program; every POSIX system has it here.
const SHELL: &str = "/bin/sh";

/// A link to this machine.
#[derive(Clone, Debug)]
pub struct LocalLink {
    shell: Arc<[String]>,
}

impl LocalLink {
    /// Returns a link whose programs run in `/bin/sh`.
    pub fn new() -> Self {
        Self::with_shell(&[SHELL])
    }

    /// Returns a link whose programs run in another shell: its absolute path and what comes before `-c`
    /// (`/bin/busybox`, `ash`). Tests run the agent in every shell that they find.
    pub fn with_shell(words: &[&str]) -> Self {
        Self { shell: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    /// Starts a program in a process group of its own, so that a Ctrl-C at our terminal does not reach it.
    ///
    /// # Errors
    /// The shell cannot be started.
    pub fn open(&self, program: &str) -> Result<Channel, LinkError> {
        let (shell, words) =
            self.shell.split_first().ok_or_else(|| LinkError::hard("no-shell", "start agent", "no shell"))?;
        // Absolute path and no PATH of our own: so this is a posix_spawn, which a large parent does not slow down.
        let spawned = Command::new(shell)
            .args(words)
            .args(["-c", program])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let failed = || LinkError::soft("no-shell", "start agent", format!("cannot start `{shell}`"));
        let mut child = spawned.map_err(|error| failed().because(error))?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Channel {
                stdin: Box::pin(stdin),
                stdout: Box::pin(stdout),
                stderr: Box::pin(stderr),
                guard: Box::new(child),
            }),
            _ => Err(failed()),
        }
    }
}

impl Default for LocalLink {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_channel_carries_three_streams() {
        let mut channel = LocalLink::new().open("echo to-err >&2; cat").unwrap();
        channel.stdin.write_all(b"through\n").await.unwrap();
        channel.stdin.shutdown().await.unwrap();
        drop(std::mem::replace(&mut channel.stdin, Box::pin(tokio::io::sink())));
        let (mut out, mut err) = (String::new(), String::new());
        channel.stdout.read_to_string(&mut out).await.unwrap();
        channel.stderr.read_to_string(&mut err).await.unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("through\n", "to-err\n"));
    }

    #[tokio::test]
    async fn a_missing_shell_is_an_error_with_its_name() {
        let error = LocalLink::with_shell(&["/nonexistent/sh"]).open("true").unwrap_err();
        assert!(error.chain().contains("/nonexistent/sh"), "{}", error.chain());
    }
}
