//! `ostler doctor`: what of this machine ostler needs, and what is so.

use std::path::Path;
use std::process::Stdio;

use clap::Args;

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::session::{Environment, Session};
use crate::model::fault::FaultKind;
use crate::model::request::{Reply, Request};

/// The oldest OpenSSH that has all we ask of it (`StrictHostKeyChecking=accept-new` came with 7.6).
const SSH_OLDEST: (u32, u32) = (7, 6);

/// Options of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct Doctor {
    /// Try whether hosts can be signed in to instead: `node[1-4]`, or all that the ssh configuration names
    #[arg(long, value_name = "HOSTS", num_args = 0..=1, default_missing_value = "")]
    hosts: Option<String>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Note,
    Bad,
}

struct Check {
    name: &'static str,
    verdict: Verdict,
    words: String,
}

fn check(name: &'static str, verdict: Verdict, words: impl Into<String>) -> Check {
    Check { name, verdict, words: words.into() }
}

const COLUMNS: &[Column] = &[
    Column { title: "CHECK", look: Look::Text },
    Column { title: "RESULT", look: Look::State },
    Column { title: "WORDS", look: Look::Text },
];

/// Does it: 0 when nothing is bad.
///
/// # Errors
/// That the output is closed.
pub async fn run(session: &Session, doctor: &Doctor, environment: &Environment) -> Result<i32, Failure> {
    if let Some(hosts) = &doctor.hosts {
        let live = session.globals.output == Some(super::output::Format::Jsonl);
        return super::doctor_hosts::run(session, hosts, live).await;
    }
    let checks = [
        ssh().await,
        state_dir(&session.state_dir),
        core(session).await,
        terminal(environment),
        locale(environment),
        lingering(environment),
    ];
    let row = |check: &Check| {
        let result = match check.verdict {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Bad => "failed",
        };
        Row {
            cells: vec![check.name.to_owned(), result.to_owned(), check.words.clone()],
            value: serde_json::json!({"name": check.name, "result": result, "words": check.words}),
            name: check.name.to_owned(),
        }
    };
    let mut list = session.out.list(COLUMNS);
    list.page(checks.iter().map(row).collect())?;
    list.end()?;
    Ok(i32::from(checks.iter().any(|check| check.verdict == Verdict::Bad)))
}

async fn ssh() -> Check {
    let output = tokio::process::Command::new("ssh").arg("-V").stdin(Stdio::null()).output().await;
    let words = match output {
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return check("ssh", Verdict::Bad, "not found in PATH; install openssh-client");
        }
        Err(e) => return check("ssh", Verdict::Bad, format!("cannot be run: {e}")),
    };
    match ssh_version(&words) {
        Some(version) if version < SSH_OLDEST => {
            check("ssh", Verdict::Bad, format!("{words} is too old; 7.6 or newer is needed"))
        }
        Some(_) => check("ssh", Verdict::Good, words),
        None => check("ssh", Verdict::Note, format!("not known as OpenSSH: {words}")),
    }
}

/// Reads `OpenSSH_9.2p1 Debian-2, OpenSSL …`.
fn ssh_version(words: &str) -> Option<(u32, u32)> {
    let rest = words.split("OpenSSH_").nth(1)?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.rsplit('_').next()?.parse().ok()?, minor.parse().ok()?))
}

fn state_dir(path: &Path) -> Check {
    use std::os::unix::fs::MetadataExt;
    let shown = path.display();
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return check("state directory", Verdict::Good, format!("{shown} (made on first use)"));
        }
        Err(e) => return check("state directory", Verdict::Bad, format!("{shown}: {e}")),
    };
    if !about.is_dir() {
        return check("state directory", Verdict::Bad, format!("{shown} is no directory"));
    }
    if about.uid() != rustix::process::getuid().as_raw() {
        return check("state directory", Verdict::Bad, format!("{shown} belongs to uid {}", about.uid()));
    }
    if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        return check("state directory", Verdict::Bad, format!("{shown} cannot be written"));
    }
    match rustix::fs::statvfs(path) {
        Ok(room) => {
            let free = crate::model::units::Bytes(room.f_bavail.saturating_mul(room.f_frsize));
            check("state directory", Verdict::Good, format!("{shown}, {free} free"))
        }
        Err(e) => check("state directory", Verdict::Note, format!("{shown}: {e}")),
    }
}

async fn core(session: &Session) -> Check {
    let client = match super::host::running(session).await {
        Ok(client) => client,
        Err(fault) if fault.kind == FaultKind::Remote => {
            return check("core", Verdict::Good, "none runs; one is started when needed");
        }
        Err(fault) => {
            let words: Vec<String> = std::iter::once(fault.message).chain(fault.causes).collect();
            return check("core", Verdict::Bad, words.join(": "));
        }
    };
    match client.request(Request::Status).await {
        Ok(Reply::Status(status)) => {
            let undone = if status.undone.is_empty() { "nothing undone".to_owned() } else { status.undone.join("; ") };
            check("core", Verdict::Good, format!("pid {}, version {}, {undone}", status.pid, status.version))
        }
        Ok(_) => check("core", Verdict::Bad, "answers with what was not asked for"),
        Err(fault) => check("core", Verdict::Bad, fault.to_string()),
    }
}

fn terminal(environment: &Environment) -> Check {
    use std::io::IsTerminal;
    let term = environment.get("TERM").cloned().unwrap_or_default();
    let stdout = std::io::stdout();
    // Called by the screen, or into a pipe, the terminal is still there.
    let tty = std::fs::File::open("/dev/tty").ok().filter(|_| !stdout.is_terminal());
    if !stdout.is_terminal() && tty.is_none() {
        return check("terminal", Verdict::Note, "standard output is none; the screen needs one");
    }
    if term.is_empty() || term == "dumb" {
        return check("terminal", Verdict::Note, format!("TERM is `{term}`: no screen, but all commands work"));
    }
    let size = match &tty {
        Some(tty) => rustix::termios::tcgetwinsize(tty),
        None => rustix::termios::tcgetwinsize(&stdout),
    };
    match size {
        Ok(size) if size.ws_col < 40 || size.ws_row < 10 => {
            check("terminal", Verdict::Note, format!("{term}, {}x{}: the screen needs 40x10", size.ws_col, size.ws_row))
        }
        Ok(size) => check("terminal", Verdict::Good, format!("{term}, {}x{}", size.ws_col, size.ws_row)),
        Err(e) => check("terminal", Verdict::Note, format!("{term}: {e}")),
    }
}

fn locale(environment: &Environment) -> Check {
    match super::screen::charset(environment) {
        Some(text) if super::screen::is_utf8(&text) => check("locale", Verdict::Good, text),
        Some(text) => check("locale", Verdict::Note, format!("{text} is not UTF-8; the screen is drawn with ASCII")),
        None => {
            check("locale", Verdict::Note, "not set; taken for UTF-8 (`ascii = true` in the configuration if it is not)")
        }
    }
}

/// Whether a background core outlives the logout: systemd may end all processes of a user then.
fn lingering(environment: &Environment) -> Check {
    if !Path::new("/run/systemd/system").exists() {
        return check("logout", Verdict::Good, "no systemd: background processes stay");
    }
    let user = environment.get("USER").cloned().unwrap_or_default();
    if !user.is_empty() && !user.contains('/') && Path::new("/var/lib/systemd/linger").join(&user).exists() {
        return check("logout", Verdict::Good, "lingering is on: a background core stays after logout");
    }
    let conf = std::fs::read_to_string("/etc/systemd/logind.conf").unwrap_or_default();
    let kills = conf.lines().map(str::trim).any(|line| line.eq_ignore_ascii_case("KillUserProcesses=yes"));
    match kills {
        true => check("logout", Verdict::Bad, "systemd ends a background core at logout; type: loginctl enable-linger"),
        false => check(
            "logout",
            Verdict::Note,
            "lingering is off; if a background core ends at logout, type: loginctl enable-linger",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_ssh() {
        assert_eq!(ssh_version("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15"), Some((9, 2)));
        assert_eq!(ssh_version("OpenSSH_for_Windows_8.1p1, LibreSSL 3.0.2"), Some((8, 1)));
        assert_eq!(ssh_version("OpenSSH_10.0p2"), Some((10, 0)));
        assert_eq!(ssh_version("dropbear 2022"), None);
    }
}
