//! Brings an agent up on a fresh channel: finds the magic line behind whatever the login shell prints, has the node
//! looked over, puts the scripts into the spool once for each version, and starts the agent. The channel's shell reads
//! all of it from its standard input, so nothing of it is ever on a command line.
//!
//! Decisions about the node's side (2026-11; what would change them: a shell in which a test of `tests/agent` fails):
//! - *Orders are shell text*, not lines for a `read` loop: dash takes 2 KiB in 19 µs so, and in 630 µs with `read`.
//! - *Lock and exit record run no program*: the lock is the shell's exclusive create, the exit one appended line with an
//!   end mark, instead of `mkdir` and `mv`; a program costs 0.6 CPU-ms, and the same race and kill tests pass.
//! - *Workers stay*, one a slot, each leading its own session; every job leads a session of its own again, so that a
//!   group kill never meets a supervisor. One watch for each node holds the time limits, instead of a `sleep` for each.
//! - *A fifo for each agent* takes what supervisors have to say; nothing polls but a safety net at each ping.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt};
use uuid::Uuid;

use crate::model::launch::{NOT_PROGRAMS, START_UP};
use crate::transport::frame::{FRAME_BYTES_MAX, Line, Lines, quote_into, words};
use crate::transport::link::LinkError;
use crate::transport::{NodeLink, order, program};

const SPOOL: &str = include_str!("../../assets/agent/spool.sh");
const AGENT: &str = include_str!("../../assets/agent/agent.sh");
const MOUNTS: &str = include_str!("../../assets/agent/mounts.sh");
const SUPERVISOR: &str = include_str!("../../assets/agent/supervisor.sh");
const LAUNCH: &str = include_str!("../../assets/agent/launch.sh");
const METRIC: &str = include_str!("../../assets/agent/metric.sh");
const BOOTSTRAP: &str = include_str!("../../assets/agent/bootstrap.sh");

/// The agent's file as a node has it.
static AGENT_FILE: LazyLock<String> = LazyLock::new(|| bare(&[SPOOL, AGENT].concat()));
/// The supervisor's.
static SUPERVISOR_FILE: LazyLock<String> = LazyLock::new(|| bare(&[SPOOL, MOUNTS, &constants(), SUPERVISOR].concat()));
/// What a node's shell reads first.
static OPENING: LazyLock<String> = LazyLock::new(|| bare(BOOTSTRAP));
/// Names all that is put into a spool, so that another version of any of it is another word.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = [AGENT_FILE.as_str(), SUPERVISOR_FILE.as_str(), LAUNCH, METRIC].concat();
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, all.as_bytes()).simple().to_string();
    hash[..16].to_owned()
});

/// The most that a login shell may print before our first line: a long message of the day has a tenth of it.
pub const NOISE_BYTES_MAX: usize = 64 << 10;
/// How much of noise is shown in a fault, in characters: enough to recognise it.
const NOISE_SHOWN_CHARS: usize = 300;

/// The two sides of a session while it is brought up.
pub struct Bootstrap {
    nonce: String,
    /// The node's shell has said its first line.
    answered: AtomicBool,
}

/// What the node said to the bootstrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This version of the scripts is there.
    Have,
    /// It has to be put there.
    Need,
    /// The program can lead the node.
    Able,
    /// The program is not at this path.
    Missing(String),
    /// The program cannot lead the node: why.
    Unable(String),
}

/// What the supervisor has to know of command lines.
fn constants() -> String {
    let mut text = String::from("START_UP=");
    quote_into(&mut text, &START_UP.concat());
    text.push_str("\nNOT_PROGRAMS=");
    quote_into(&mut text, NOT_PROGRAMS);
    text.push('\n');
    text
}

/// Returns a script without the lines that are comments, a third of it: bash reads what comes through a pipe a byte at a time, and comes
/// up in 39 CPU-ms instead of 50 (2026-11-30). Lines of texts in quotes must not begin so.
fn bare(script: &str) -> String {
    let comment = |line: &&str| line.trim_start().strip_prefix('#').is_some_and(|rest| rest.starts_with([' ', '\n']));
    script.split_inclusive('\n').filter(|line| !comment(line)).collect()
}

impl Bootstrap {
    /// Returns a bootstrap with a word of its own, by which its lines are known among anything else.
    pub fn new() -> Self {
        Self { nonce: format!("ostler-{}", Uuid::new_v4().simple()), answered: AtomicBool::new(false) }
    }

    /// Says whether the node's shell has said its first line.
    pub fn answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Returns what the shell is sent first.
    pub fn opening(&self, link: &NodeLink) -> String {
        let root = link.local_root.as_deref().unwrap_or("");
        let mut text = OPENING.clone();
        text.push_str(&order::command("begin", &[&self.nonce, root, &link.spool.0, &link.spool.1, &VERSION]));
        text
    }

    /// Returns what puts the scripts there.
    pub fn scripts(&self) -> String {
        let mut text = order::command("put", &[&self.agent_file(), &AGENT_FILE]);
        text.push_str(&order::command("put", &[&self.supervisor_file(), &SUPERVISOR_FILE]));
        text.push_str(&order::command("put", &["ostler", METRIC]));
        // The last: it is a program once all is there, and `begin` looks at that.
        text.push_str(&order::command("put", &["ostler-launch", LAUNCH]));
        text.push_str("all_put .\n");
        text
    }

    /// Returns what starts the agent, in a shell that the node knows by these words.
    pub fn hello(&self, epoch: u64, shell: &str) -> String {
        let mut text = format!(". \"$ROOT/bin/{}\"\n", self.agent_file());
        text.push_str(&order::command("hello", &[&epoch.to_string(), shell, &self.supervisor_file()]));
        text
    }

    /// Returns what asks whether the program at this path, absolute or below the spool, can lead the node.
    pub fn native(&self, path: &str) -> String {
        let (system, machine) = program::made_for();
        order::command("native", &[path, system, machine])
    }

    /// Returns what hands the channel over to the program that was asked about last; as [`Bootstrap::hello`].
    pub fn lead(&self, epoch: u64, shell: &str) -> String {
        order::command("lead", &[&epoch.to_string(), shell, &self.agent_file(), &self.supervisor_file()])
    }

    fn agent_file(&self) -> String {
        format!("agent-{}.sh", *VERSION)
    }

    fn supervisor_file(&self) -> String {
        format!("supervisor-{}.sh", *VERSION)
    }

    /// Reads until the node has answered; everything else before is noise.
    ///
    /// # Errors
    /// The node's fault with its step and words; that it said something else, with what it said.
    pub async fn listen(
        &self,
        stdout: &mut (impl AsyncRead + Unpin + ?Sized),
        lines: &mut Lines,
        waiting: &mut Vec<Line>,
    ) -> Result<Answer, LinkError> {
        let mut noise = Noise::default();
        let mut buffer = vec![0; 16 << 10];
        loop {
            let mut answer = None;
            for line in std::mem::take(waiting) {
                match (&answer, line) {
                    (None, Line::Whole(line)) => answer = self.hear(&line, &mut noise)?,
                    (None, Line::TooLong) => noise.add(&[b'?'; FRAME_BYTES_MAX]),
                    (Some(_), line) => waiting.push(line),
                }
            }
            if let Some(answer) = answer {
                return Ok(answer);
            }
            if noise.bytes + lines.rest().len() > NOISE_BYTES_MAX {
                return Err(noise.fault("the login shell prints without end before the agent's first line"));
            }
            let got = stdout.read(&mut buffer).await;
            let got = got.map_err(|error| LinkError::soft("unreachable", "start agent", "the link broke").because(error))?;
            if got == 0 {
                noise.add(lines.rest());
                return Err(noise.fault("the node's shell ended before it had said anything of ours"));
            }
            waiting.extend(lines.feed(&buffer[..got]));
        }
    }

    fn hear(&self, line: &[u8], noise: &mut Noise) -> Result<Option<Answer>, LinkError> {
        let text = String::from_utf8_lossy(line);
        // Noise without a line feed may stand before our word.
        let Some(at) = text.find(&self.nonce) else {
            noise.add(line);
            return Ok(None);
        };
        let said = text[at + self.nonce.len()..].trim();
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        match word {
            "hello" if rest == "1" => {
                self.answered.store(true, Ordering::Relaxed);
                Ok(None)
            }
            "have" => Ok(Some(Answer::Have)),
            "need" => Ok(Some(Answer::Need)),
            "able" => Ok(Some(Answer::Able)),
            "missing" => Ok(Some(Answer::Missing(rest.to_owned()))),
            "unable" => Ok(Some(Answer::Unable(words(rest)))),
            "fault" => Err(node_fault(rest)),
            _ => Err(LinkError::soft("protocol", "start agent", format!("the node said `{}`", words(said)))),
        }
    }
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a fault that a node reports as `CODE STEP WORDS`; a code that we do not know is a protocol error.
fn node_fault(text: &str) -> LinkError {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (step, said) = rest.split_once(' ').unwrap_or((rest, ""));
    let step = if step == "prepare" { "prepare" } else { "start agent" };
    fault_of(code, step, said)
}

/// Returns the error for a code and words of the node.
pub fn fault_of(code: &str, step: &'static str, said: &str) -> LinkError {
    for hard in ["missing-tools", "no-proc", "noexec", "spool", "epoch"] {
        if code == hard {
            return LinkError::hard(hard, step, words(said));
        }
    }
    for soft in ["superseded", "protocol"] {
        if code == soft {
            return LinkError::soft(soft, step, words(said));
        }
    }
    LinkError::soft("protocol", step, words(&format!("{code} {said}")))
}

/// The code of a login that runs no commands of ours.
pub const NO_SHELL: &str = "no-shell";

/// What came before our first line: its size and its end.
#[derive(Default)]
struct Noise {
    bytes: usize,
    tail: Vec<u8>,
}

impl Noise {
    fn add(&mut self, line: &[u8]) {
        self.bytes += line.len() + 1;
        self.tail.extend_from_slice(line);
        self.tail.push(b'\n');
        let over = self.tail.len().saturating_sub(4 * NOISE_SHOWN_CHARS);
        self.tail.drain(..over);
    }

    fn fault(&self, what: &str) -> LinkError {
        let text = words(&String::from_utf8_lossy(&self.tail));
        let skip = text.chars().count().saturating_sub(NOISE_SHOWN_CHARS);
        let end: String = text.chars().skip(skip).collect();
        let message = if end.is_empty() { what.to_owned() } else { format!("{what}; it printed `{end}`") };
        LinkError::hard(NO_SHELL, "start agent", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn listen(boot: &Bootstrap, said: &str) -> Result<Answer, LinkError> {
        boot.listen(&mut said.as_bytes(), &mut Lines::default(), &mut Vec::new()).await
    }

    #[tokio::test]
    async fn noise_is_passed_over_and_too_much_is_named() {
        let boot = Bootstrap::new();
        let said = format!("Welcome to gpu1\nno line feed{0} hello 1\n{0} need\n", boot.nonce);
        assert_eq!(listen(&boot, &said).await.unwrap(), Answer::Need);
        let error = listen(&boot, &"Buy now!\n".repeat(10_000)).await.unwrap_err();
        assert!(error.hard && error.message.contains("Buy now!"), "{error}");
        let error = listen(&boot, "This account is currently not available.\n").await.unwrap_err();
        assert!(error.message.contains("not available"), "{error}");
        let error = listen(&boot, &"x".repeat(200_000)).await.unwrap_err();
        assert_eq!(error.code, "no-shell");
    }

    #[test]
    fn scripts_go_without_their_comments() {
        let text = "#!/bin/sh\n# a comment\n#\n    # another\na=${b#x} # behind\nc='\n#d'\n";
        assert_eq!(bare(text), "#!/bin/sh\na=${b#x} # behind\nc='\n#d'\n");
        // A text in quotes with such a line would lose it, and bash shows functions with all that is in quotes.
        let functions = |text: &str| {
            let mut bash = std::process::Command::new("bash");
            let said = bash.args(["-c", "eval \"$1\" >/dev/null 2>&1; declare -f", "bash", text]).output().unwrap();
            String::from_utf8(said.stdout).unwrap()
        };
        for script in [BOOTSTRAP, &[SPOOL, AGENT].concat(), &[SPOOL, MOUNTS, SUPERVISOR].concat()] {
            let whole = functions(script);
            assert!(whole.matches("() \n").count() > 5, "{whole}");
            assert_eq!(functions(&bare(script)), whole);
        }
    }

    #[tokio::test]
    async fn a_fault_of_the_node_keeps_its_words() {
        let boot = Bootstrap::new();
        let said = format!("{} fault spool prepare mkdir: Read-only file system\n", boot.nonce);
        let error = listen(&boot, &said).await.unwrap_err();
        assert_eq!((error.code, error.step, error.message.as_str()), ("spool", "prepare", "mkdir: Read-only file system"));
        assert!(error.hard);
    }
}
