//! Runs one hook: with a time limit for it and all that it started, bounded output, and its own words when it fails.
//!
//! A hook that is left behind by a crash of ours may still be buying. So everything that a hook complains about goes to a
//! file that carries a lock, which the hook inherits with the file: as long as anything of it lives, the next one for the
//! same tag waits.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout_at};

use super::NoMachine;
use super::contract::words;

/// The most that a hook may answer, in bytes: a list of ten thousand machines.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// How much of the end of its complaints is read, in bytes.
const COMPLAINT_BYTES: u64 = 4096;
/// How often a lock that another hook holds is tried.
const LOCK_EVERY: Duration = Duration::from_millis(200);

/// Ends a hook with all that it started, when it is not waited for any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// What is run.
pub(super) struct Hook<'a> {
    /// The command line for `sh -c`.
    pub(super) line: &'a str,
    /// What it is, for messages: `acquire`.
    pub(super) what: &'a str,
    /// What it reads.
    pub(super) input: Vec<u8>,
    /// What it is told by variables.
    pub(super) variables: Vec<(&'static str, String)>,
    /// How long it may take.
    pub(super) limit: Duration,
}

/// The file for a hook's complaints, locked.
pub(super) struct Complaints {
    file: File,
    /// Another hook had it, and has ended now: what is known from before may be old.
    pub(super) waited: bool,
}

/// Runs a hook and returns what it wrote.
///
/// # Errors
/// It could not be started, did not end in time, wrote too much, or ended with a code that is not 0; with its own words.
pub(super) async fn run(hook: Hook<'_>, complaints: Complaints) -> Result<Vec<u8>, NoMachine> {
    let until = Instant::now() + hook.limit;
    let what = hook.what;
    let mut file = complaints.file;
    let complaints = file.try_clone().map_err(|error| cannot(what, &error))?;
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(hook.line)
        .envs(hook.variables.iter().map(|(name, value)| (*name, value.as_str())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(complaints))
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| cannot(what, &error))?;
    let group = Group(child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw));
    let (mut input, output) = (child.stdin.take(), child.stdout.take());
    let mut answer = Vec::new();
    let talk = async {
        if let Some(input) = &mut input {
            // One that does not read what it is told need not.
            let _ = input.write_all(&hook.input).await;
        }
        drop(input);
        if let Some(output) = output {
            output.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await?;
        }
        if answer.len() as u64 > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        child.wait().await.map(Some)
    };
    let ended = timeout_at(until, talk).await;
    drop(group);
    let said = |file: &mut File| {
        let said = tail(file);
        if said.is_empty() { String::new() } else { format!(": {said}") }
    };
    match ended {
        Err(_) => {
            let message = format!("the hook {what} did not end within {:?} and was stopped{}", hook.limit, said(&mut file));
            Err(NoMachine::new("HookTimeout", message))
        }
        Ok(Err(error)) => Err(cannot(what, &error)),
        Ok(Ok(None)) => {
            Err(NoMachine::new("BadAnswer", format!("the hook {what} wrote more than {ANSWER_BYTES_MAX} bytes")))
        }
        Ok(Ok(Some(status))) if !status.success() => {
            let own = super::contract::released(&answer).err().filter(|own| own.code == "ProviderRefused");
            let own = own.map(|own| format!(": {}", own.message)).unwrap_or_else(|| said(&mut file));
            Err(NoMachine::new("HookFailed", format!("the hook {what} ended with {status}{own}")))
        }
        Ok(Ok(Some(_))) => Ok(answer),
    }
}

/// Opens the file for complaints and takes its lock, which a hook from before may have still.
///
/// # Errors
/// It cannot be opened, or that one does not end within the limit.
pub(super) async fn lock(what: &str, path: &Path, limit: Duration) -> Result<Complaints, NoMachine> {
    let until = Instant::now() + limit;
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(|error| cannot(what, &error))?;
    }
    let open = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    let file = open.map_err(|error| cannot(what, &error))?;
    let mut waited = false;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() + LOCK_EVERY > until {
            let message = format!("an earlier hook for the same machine has not ended within {limit:?}");
            return Err(NoMachine::new("HookBusy", message));
        }
        waited = true;
        sleep(LOCK_EVERY).await;
    }
    file.set_len(0).map_err(|error| cannot(what, &error))?;
    Ok(Complaints { file, waited })
}

fn cannot(what: &str, error: &std::io::Error) -> NoMachine {
    NoMachine::new("HookFailed", format!("the hook {what} cannot be run: {error}"))
}

/// Returns the end of what a hook complained about.
fn tail(file: &mut File) -> String {
    let mut text = Vec::new();
    let read = file.metadata().and_then(|meta| {
        file.seek(SeekFrom::Start(meta.len().saturating_sub(COMPLAINT_BYTES)))?;
        file.take(COMPLAINT_BYTES).read_to_end(&mut text)
    });
    match read {
        Ok(_) => words(&text),
        Err(_) => String::new(),
    }
}
