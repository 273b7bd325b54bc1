//! Starting `ostler serve` as a process of its own, and talking to one that takes over.
//!
//! What is started: `PROGRAM --state-dir DIR [--config FILE] [--ssh-config FILE] serve --background [--take-over]`. It
//! makes a session of its own (`setsid`), so that the end of this terminal is not its end. With `--take-over` it says
//! `ready` on its standard output once it has checked what it can without the lock, waits for `go`, and says `serving`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

use super::Client;
use super::host::{HostOptions, LOOK_PAUSE};
use super::hosting::attach;
use super::socket::Unconnected;
use crate::model::fault::Fault;

/// Where a background host's standard error goes, in the state directory.
pub const LOG_FILE: &str = "serve.log";
/// From this size on the log is set aside as `serve.log.1` at the next start.
const LOG_BYTES_MAX: u64 = 1 << 20;
/// How much of the log's end is looked at for the reason of a failed start.
const LOG_TAIL_BYTES: u64 = 2048;
/// Stands before what each host says.
const START_MARK: &str = "-- a background host is started\n";
/// How many of its last lines are shown.
const LOG_TAIL_LINES: usize = 3;
/// How long a new background host may take until it listens: a million rows are read in 5 s.
const START_WAIT: Duration = Duration::from_secs(15);
/// How long a successor may take for each of its two steps; then the old host goes on.
const STEP_WAIT: Duration = Duration::from_secs(5);

/// Said by a successor that has checked all it can without the lock.
pub(super) const READY: &str = "ready";
/// Said to a successor once the lock is free.
pub(super) const GO: &str = "go";
/// Said by a successor that listens.
pub(super) const SERVING: &str = "serving";

/// Starts a background host and attaches to it.
pub(super) async fn start(options: &HostOptions) -> Result<Client, Fault> {
    let mut child = spawn(options, Talk::No)?;
    let deadline = Instant::now() + START_WAIT;
    let mut ended = false;
    loop {
        match attach(options).await {
            Ok(client) => return Ok(client),
            Err(Unconnected::Fault(fault)) => return Err(fault),
            // Looked at once more after its end: another one may have been first.
            Err(Unconnected::Nobody) if ended => return Err(failed(options, "ended before it listened")),
            Err(Unconnected::Nobody) => {}
        }
        ended = child.try_wait().map_err(|e| failed(options, "cannot be watched").because(&e))?.is_some();
        if Instant::now() >= deadline {
            return Err(failed(options, "does not listen after 15 s"));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn failed(options: &HostOptions, what: &str) -> Fault {
    let log = options.state_dir.join(LOG_FILE);
    let fault = Fault::remote(format!("the background host of {} {what}", options.state_dir.display()));
    let fault = log_tail(&log).into_iter().fold(fault, Fault::cause);
    fault.hint(format!("see {}; or host it here with --embedded", log.display()))
}

/// Returns the last lines of the log from the last start on, fit to be shown: what an earlier host said is no reason.
fn log_tail(path: &Path) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let clean = |line: &str| line.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned();
    let text = text.rsplit_once(START_MARK).map_or(text.as_str(), |(_, since)| since);
    let lines: Vec<String> = text.lines().map(clean).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].to_vec()
}

/// Whether standard input and output are for us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Talk {
    No,
    Pipes,
}

fn spawn(options: &HostOptions, talk: Talk) -> Result<Child, Fault> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(|e| Fault::internal("cannot find this program's own file").because(&e))?,
    };
    let mut log = open_log(&options.state_dir)?;
    // Without it the last words of an earlier one would be taken for its own.
    let _ = std::io::Write::write_all(&mut log, START_MARK.as_bytes());
    let mut command = Command::new(&program);
    command.arg("--state-dir").arg(&options.state_dir);
    if let Some(config) = &options.config {
        command.arg("--config").arg(config);
    }
    if let Some(ssh_config) = &options.ssh_config {
        command.arg("--ssh-config").arg(ssh_config);
    }
    command.args(["serve", "--background"]).stderr(log);
    match talk {
        Talk::No => command.stdin(Stdio::null()).stdout(Stdio::null()),
        Talk::Pipes => command.arg("--take-over").stdin(Stdio::piped()).stdout(Stdio::piped()),
    };
    command.spawn().map_err(|e| Fault::internal(format!("cannot start `{}`", program.display())).because(&e))
}

fn open_log(state_dir: &Path) -> Result<fs::File, Fault> {
    crate::store::lock::prepare_state_dir(state_dir)?;
    let path = state_dir.join(LOG_FILE);
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
        let mut aside = path.clone().into_os_string();
        aside.push(".1");
        // A log that cannot be set aside only grows on.
        let _ = fs::rename(&path, PathBuf::from(aside));
    }
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    opened.map_err(|e| Fault::config(format!("cannot write `{}`", path.display())).because(&e))
}

/// A background host that waits to take over.
pub(super) struct Successor {
    options: HostOptions,
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
}

impl Successor {
    /// Starts one and waits until it has checked what it can.
    pub(super) async fn start(options: &HostOptions) -> Result<Self, Fault> {
        let mut child = spawn(options, Talk::Pipes)?;
        let (Some(says), Some(hears)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(Fault::internal("a started process has no pipes"));
        };
        let says = BufReader::new(says).lines();
        let mut successor = Self { options: options.clone(), child, says, hears };
        match successor.wait_for(READY).await {
            Ok(()) => Ok(successor),
            Err(fault) => {
                successor.end().await;
                Err(fault)
            }
        }
    }

    /// Says that the lock is free, and waits until it serves.
    pub(super) async fn take_over(&mut self) -> Result<(), Fault> {
        let said = self.hears.write_all(format!("{GO}\n").as_bytes()).await;
        said.map_err(|e| failed(&self.options, "does not listen to us").because(&e))?;
        self.wait_for(SERVING).await
    }

    async fn wait_for(&mut self, word: &str) -> Result<(), Fault> {
        let wait = async {
            while let Ok(Some(line)) = self.says.next_line().await {
                if line == word {
                    return true;
                }
            }
            false
        };
        match tokio::time::timeout(STEP_WAIT, wait).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed(&self.options, "ended instead of taking over")),
            Err(_) => Err(failed(&self.options, "did not take over within 5 s")),
        }
    }

    /// Ends it, so that it holds no lock when this returns.
    pub(super) async fn end(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "a background host that was not to be could not be ended");
        }
    }
}
