//! Finding values outside: in a variable of the host process, in a file, or in what a command says. Each look has a time
//! limit, because a file may lie on a dead server and a command may wait for somebody.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{UNAVAILABLE, unavailable};
use crate::model::shown::Shown;
use crate::model::spec::secret::{SECRET_BYTES_MAX, SecretSource, SecretText};
use crate::model::spec::secret_file::check_value;
use crate::transport::Order;

/// How long a look may take: `pass` with an agent answers at once, a person at a pinentry needs some seconds.
const LOOK: Duration = Duration::from_secs(30);
/// How many looks may be under way at once: all processes of a job that starts want the same one.
pub const LOOKS_AT_ONCE: usize = 8;
/// How much of a command's complaint is read.
const COMPLAINT_BYTES_MAX: u64 = 4096;

/// Says whether an order needs a value that has to be looked for.
pub fn is_wanted(order: &Order) -> bool {
    match order {
        Order::Start { launch, .. } => launch.secrets.iter().any(|secret| !matches!(secret.source, SecretSource::Given(_))),
        Order::Refuse { .. }
        | Order::Recall { .. }
        | Order::Stop { .. }
        | Order::Ack { .. }
        | Order::AnswerDaemon { .. } => false,
    }
}

/// Finds the values that a start needs. One that cannot be found makes it a refusal.
pub async fn settle(mut order: Order, gate: &Semaphore, look: Duration) -> Order {
    let Order::Start { effect, key, launch, .. } = &mut order else { return order };
    for secret in &mut launch.secrets {
        // The gate is never closed; without it there would only be more at once.
        let _turn = gate.acquire().await;
        match value_of(&secret.source, look).await {
            Ok(value) => secret.source = SecretSource::Given(value),
            Err(why) => {
                let why = unavailable(&secret.name, &why);
                return Order::Refuse { effect: *effect, key: *key, code: UNAVAILABLE.to_owned(), why };
            }
        }
    }
    order
}

/// Finds the values that a start needs, within the usual time.
pub async fn settled(order: Order, gate: &Semaphore) -> Order {
    settle(order, gate, LOOK).await
}

/// Finds one value, within the usual time.
///
/// # Errors
/// Why it cannot be found; never a value.
pub async fn look_up(source: &SecretSource) -> Result<SecretText, String> {
    value_of(source, LOOK).await
}

async fn value_of(source: &SecretSource, look: Duration) -> Result<SecretText, String> {
    match source {
        SecretSource::Given(value) => Ok(value.clone()),
        SecretSource::Environment(name) => of_environment(name),
        SecretSource::File(path) => match timeout(look, of_file(path)).await {
            Ok(found) => found,
            Err(_) => Err(format!("reading `{}` took longer than {} s", path.escape_debug(), look.as_secs_f32())),
        },
        SecretSource::Command(command) => of_command(command, look).await,
        SecretSource::Prompt | SecretSource::Kept(_) | SecretSource::Vault { .. } => {
            Err("its value did not come with the start".to_owned())
        }
    }
}

fn of_environment(name: &str) -> Result<SecretText, String> {
    let shown = name.escape_debug();
    match std::env::var(name) {
        Ok(value) => fit(value),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("the variable {shown} is not set in the core (pid {}), which runs it", std::process::id()))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(not_text(&format!("the variable {shown}"))),
    }
}

async fn of_file(path: &str) -> Result<SecretText, String> {
    let shown = path.escape_debug();
    let failed = |e: std::io::Error| format!("cannot read `{shown}`: {e}");
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let bytes = read_value(&mut file).await.map_err(failed)?;
    text(bytes, &format!("the content of `{shown}`"))
}

/// Ends a command with all that it started, when it is not waited for any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

async fn of_command(command: &str, look: Duration) -> Result<SecretText, String> {
    let shown = Shown::new(command).to_string();
    let spawned = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|e| format!("cannot run `{shown}`: {e}"))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let (Some(mut out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(format!("cannot read what `{shown}` says"));
    };
    // Each end is closed once enough was read: what a command says beyond that would block it for good.
    let value = async move { read_value(&mut out).await };
    let complaint = async move {
        let mut bytes = Vec::new();
        // What cannot be read of a complaint is left out of the message.
        let _ = err.take(COMPLAINT_BYTES_MAX).read_to_end(&mut bytes).await;
        bytes
    };
    let all = async {
        let (value, complaint) = tokio::join!(value, complaint);
        (value, complaint, child.wait().await)
    };
    let (value, complaint, status) = match timeout(look, all).await {
        Ok(ended) => ended,
        Err(_) => return Err(format!("`{shown}` did not end within {} s", look.as_secs_f32())),
    };
    group.0 = None;
    let status = status.map_err(|e| format!("cannot wait for `{shown}`: {e}"))?;
    let value = value.map_err(|e| format!("cannot read what `{shown}` says: {e}"))?;
    if value.len() > SECRET_BYTES_MAX + 1 {
        return Err(format!("what `{shown}` says is too long, the limit is {SECRET_BYTES_MAX} bytes"));
    }
    if !status.success() {
        let said = Shown::last_lines(&complaint, 1).pop().map(|line| format!(": {line}")).unwrap_or_default();
        return Err(format!("`{shown}` failed ({status}){said}"));
    }
    text(value, &format!("what `{shown}` says"))
}

async fn read_value(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(SECRET_BYTES_MAX as u64 + 2).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// One line feed at the end does not count: editors and `echo` put it there.
fn text(mut bytes: Vec<u8>, what: &str) -> Result<SecretText, String> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(format!("{what} is empty"));
    }
    fit(String::from_utf8(bytes).map_err(|_| not_text(what))?)
}

fn not_text(what: &str) -> String {
    format!("{what} is not UTF-8 text; encode it, as by base64, and let the job decode it")
}

fn fit(value: String) -> Result<SecretText, String> {
    check_value(&value).map_err(|why| format!("the value {why}"))?;
    Ok(SecretText::new(value))
}
