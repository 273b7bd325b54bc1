//! Asking the login node: the functions of `assets/slurm/slurm.sh` and calls of them go to a shell's standard input, and what it
//! prints is read whole. Every word is in single quotes.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::slurm::parse::{Heard, read};
use crate::slurm::rest::Service;
use crate::transport::frame::quote_into;
use crate::transport::link::{Channel, Link, LinkError, Traffic};

/// The functions.
const FUNCTIONS: &str = include_str!("../../assets/slurm/slurm.sh");
/// The functions in place of Slurm's programs, whose questions are answered here.
const REST_FUNCTIONS: &str = include_str!("../../assets/slurm/rest.sh");
/// What a question begins with.
const QUESTION: &str = "Q\u{1f}";
/// What the last line begins with, behind which the shell waits for more.
const END: &str = "E\u{1f}";
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

/// Makes the calls; returns what was said, which is whole. With a service, that is asked in place of Slurm's programs.
///
/// # Errors
/// The link broke, or the shell did not answer to the end: whatever was asked for may have been done.
pub(super) async fn ask(link: &Link, calls: &Calls, service: Option<&mut Service>) -> Result<Heard, LinkError> {
    let broke = |error| LinkError::soft("unreachable", "ask slurm", "the link broke").because(error);
    let Channel { mut stdin, stdout, stderr, guard } = link.open_data(Traffic::Look, SHELL).await?;
    let _guard = guard;
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(ANSWER_BYTES_MAX), stderr.take(ANSWER_BYTES_MAX));
    let talk = async {
        match service {
            Some(service) => converse(stdin, &mut stdout, calls, service, &mut out).await?,
            None => {
                let tell = async {
                    for text in [FUNCTIONS, &calls.0, "over .\n"] {
                        stdin.write_all(text.as_bytes()).await?;
                    }
                    stdin.shutdown().await?;
                    drop(stdin);
                    Ok(())
                };
                tokio::try_join!(tell, stdout.read_to_end(&mut out))?;
            }
        }
        Ok::<_, std::io::Error>(())
    };
    let all = async { tokio::try_join!(talk, stderr.read_to_end(&mut complaints)) };
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

/// Tells the calls, and answers what the shell asks. The calls are one function, so that the shell has read all of them before it asks:
/// what comes then is an answer.
async fn converse(
    mut stdin: impl AsyncWrite + Unpin,
    stdout: &mut (impl AsyncRead + Unpin),
    calls: &Calls,
    service: &mut Service,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let told = [FUNCTIONS, REST_FUNCTIONS, "calls() {\n", &calls.0, "over .\n}\ncalls\n"].concat();
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    stdin.write_all(told.as_bytes()).await?;
    stdin.flush().await?;
    loop {
        line.clear();
        if stdout.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let Some(question) = text.strip_prefix(QUESTION) else {
            out.extend_from_slice(&line);
            if text.starts_with(END) {
                break;
            }
            continue;
        };
        let words: Vec<&str> = question.trim_end_matches('\n').split('\u{1f}').collect();
        let (script, environment) = match words.first() {
            Some(&"sbatch") => carried(&mut stdout).await?,
            _ => Default::default(),
        };
        let answer = service.answer(&words, &script, &environment).await;
        out.extend_from_slice(answer.beside.as_bytes());
        let mut said = format!("{} {}\n", answer.code, answer.lines.len());
        for line in &answer.lines {
            said.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }).chain(['\n']));
        }
        stdin.write_all(said.as_bytes()).await?;
        stdin.flush().await?;
    }
    stdin.shutdown().await?;
    drop(stdin);
    stdout.read_to_end(out).await.map(|_| ())
}

/// Reads what comes with a submission: the length of the script, the script, and a line for each variable, up to a dot.
async fn carried(stdout: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<(String, Vec<String>)> {
    let odd = |what: &str| {
        std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{what} of a submission is not understood"))
    };
    let mut line = String::new();
    stdout.read_line(&mut line).await?;
    let length: u64 = line.trim().parse().map_err(|_| odd("the length"))?;
    let mut script = Vec::new();
    stdout.take(length).read_to_end(&mut script).await?;
    let mut environment = Vec::new();
    loop {
        let mut bytes = Vec::new();
        if stdout.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(odd("the end"));
        }
        match String::from_utf8_lossy(&bytes).trim_end_matches('\n') {
            "." => break,
            variable => environment.push(variable.replace('\u{1e}', "\n")),
        }
    }
    Ok((String::from_utf8(script).map_err(|_| odd("the script"))?, environment))
}
