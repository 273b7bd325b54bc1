//! The master connection: found alive by its control socket, or started. It is `ssh` itself in the background, with what
//! the user's configuration says but for the options below.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::model::names::check_host;
use crate::model::shown::Shown;
use crate::model::state::Login;
use crate::transport::link::LinkError;
use crate::transport::ssh::{Destination, attach, jumps, place, words};

/// How long a master without any channel stays, in seconds: longer than any back-off or restart of ours.
pub(crate) const IDLE_SECONDS: u32 = 600;
/// How long a sign-in may take in all: ten seconds to connect, twice with a jump host, and the server's own pace.
const SIGN_IN_MAX: Duration = Duration::from_secs(40);
/// How long a living master may take to answer on its socket; it does so in a tenth of a millisecond.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How much of ssh's words is kept, in bytes; a banner may be endless.
const WORDS_BYTES_MAX: usize = 16 * 1024;
/// How long words may still come once ssh has ended: something that it started may hold its standard error open.
const LAST_WORDS_MAX: Duration = Duration::from_millis(200);
/// The oldest OpenSSH that knows all options below (7.6: `StrictHostKeyChecking=accept-new`, `RemoteCommand`).
const OLDEST: (u32, u32) = (7, 6);

/// Nobody is there who could answer.
const ASKS_NOBODY: &str = "BatchMode=yes";
/// What the user's configuration cannot change. First come, first served: ssh takes the command line before any file.
const OPTIONS: &[&str] = &[
    ASKS_NOBODY,
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ConnectTimeout=10",
    "ConnectionAttempts=1",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "LogLevel=ERROR",
];

/// Returns the control socket of a living master for a destination; starts the master when there is none, and returns then also
/// where ssh says that it goes.
pub(super) async fn ensure(to: &Destination) -> Result<(PathBuf, Option<Login>), LinkError> {
    check_host(&to.host).map_err(|why| LinkError::hard("bad-host", "connect", why))?;
    let socket = place::socket(to)
        .map_err(|error| LinkError::hard("control-socket", "connect", "no place for the sockets of ssh").because(error))?;
    let ssh = program().await?;
    if answers(&socket).await {
        return Ok((socket, None));
    }
    // Nobody answers: what a master that was killed has left behind.
    remove(&socket);
    let login = jumps::check(ssh, to).await?;
    start(ssh, to, &socket).await?;
    Ok((socket, login))
}

/// Returns where ssh goes for a destination; `None` when it does not say so.
pub(super) async fn login(to: &Destination) -> Option<Login> {
    jumps::login(program().await.ok()?, to).await
}

/// Returns what starts a destination's master at a terminal, where ssh may ask; nothing when there is one.
pub(super) async fn by_hand(to: &Destination) -> Result<Vec<String>, LinkError> {
    check_host(&to.host).map_err(|why| LinkError::hard("bad-host", "connect", why))?;
    let socket = place::socket(to)
        .map_err(|error| LinkError::hard("control-socket", "connect", "no place for the sockets of ssh").because(error))?;
    if answers(&socket).await {
        return Ok(Vec::new());
    }
    remove(&socket);
    let words = arguments(to, &socket).into_iter().map(|word| word.to_string_lossy().into_owned());
    // The host comes behind it, by who runs it.
    let words = words.take_while(|word| word != "--");
    Ok(words.map(|word| if word == ASKS_NOBODY { ASKS_NOBODY.replace("yes", "no") } else { word }).collect())
}

/// Ends a master, if there is one.
pub(super) async fn end(socket: &Path) {
    let Ok(ssh) = program().await else { return };
    // The name is not looked at, the socket says it all; so no configuration either.
    let mut command = quiet(ssh);
    command.args(["-F", "/dev/null", "-S"]).arg(socket).args(["-O", "exit", "--", "ostler"]);
    // Its answer does not matter: whoever does not answer in time is left to its own time limit.
    let _ = timeout(ANSWER_MAX, command.output()).await;
}

pub(super) async fn answers(socket: &Path) -> bool {
    socket.exists() && matches!(timeout(ANSWER_MAX, attach(socket).check()).await, Ok(Ok(())))
}

pub(super) fn remove(socket: &Path) {
    if let Err(error) = std::fs::remove_file(socket)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(socket = %socket.display(), %error, "cannot remove a dead control socket");
    }
}

async fn start(ssh: &Path, to: &Destination, socket: &Path) -> Result<(), LinkError> {
    let mut child = quiet(ssh)
        .args(arguments(to, socket))
        .spawn()
        .map_err(|error| LinkError::hard("no-ssh", "connect", format!("cannot start `{}`", ssh.display())).because(error))?;
    let (status, said) = match timeout(SIGN_IN_MAX, heard(&mut child)).await {
        Ok(heard) => heard,
        Err(_) => {
            let message = format!("`ssh {}` did not end its sign-in within {} s", to.host, SIGN_IN_MAX.as_secs());
            return Err(LinkError::soft("unreachable", "sign in", message));
        }
    };
    let status = status.map_err(|error| LinkError::soft("no-ssh", "connect", "lost sight of ssh").because(error))?;
    if status.success() && answers(socket).await {
        return Ok(());
    }
    let mut error = words::meaning(&to.host, &said);
    if error.code == "host-key-changed"
        && let Some(was) = former_key(ssh, &said).await
    {
        error.message = format!("{} (was {was})", error.message);
    }
    if error.code == "host-key-changed" {
        error.message.push_str("; compare them on the host's console, then remove the old one by `ssh-keygen -R`");
    }
    Err(error)
}

/// Waits for ssh's end and reads what it says meanwhile.
async fn heard(child: &mut Child) -> (std::io::Result<ExitStatus>, Vec<u8>) {
    let mut said = Vec::new();
    let Some(mut stderr) = child.stderr.take() else { return (child.wait().await, said) };
    let status = {
        let reading = read_bounded(&mut stderr, &mut said);
        tokio::pin!(reading);
        tokio::select! {
            () = &mut reading => child.wait().await,
            status = child.wait() => {
                let _ = timeout(LAST_WORDS_MAX, reading).await;
                status
            }
        }
    };
    (status, said)
}

/// Reads to the end and keeps the first [`WORDS_BYTES_MAX`] bytes.
async fn read_bounded(from: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let room = WORDS_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..count.min(room)]);
    }
}

/// Returns the fingerprint of the key that a host used to have.
async fn former_key(ssh: &Path, said: &[u8]) -> Option<String> {
    let (file, number) = words::offending_key(said)?;
    let text = tokio::fs::read_to_string(file).await.ok()?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    let mut command = quiet(&ssh.with_file_name("ssh-keygen"));
    let mut child = command.args(["-l", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    stdin.write_all(format!("{line}\n").as_bytes()).await.ok()?;
    drop(stdin);
    let output = timeout(ANSWER_MAX, child.wait_with_output()).await.ok()?.ok()?;
    let shown = Shown::from_bytes(&output.stdout);
    shown.as_str().split_whitespace().find(|word| word.starts_with("SHA256:")).map(str::to_owned)
}

fn arguments(to: &Destination, socket: &Path) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<std::ffi::OsString> = Vec::new();
    if let Some(config) = &to.config {
        arguments.extend(["-F".into(), config.into()]);
    }
    // `%` begins a token in a control path.
    arguments.extend(["-S".into(), socket.display().to_string().replace('%', "%%").into()]);
    arguments.extend(["-M", "-N", "-f", "-T", "-a", "-x"].map(Into::into));
    let persist = format!("ControlPersist={IDLE_SECONDS}");
    for option in OPTIONS.iter().copied().chain([persist.as_str()]) {
        arguments.extend(["-o".into(), option.into()]);
    }
    arguments.extend(["--".into(), to.host.as_str().into()]);
    arguments
}

/// Returns a program of OpenSSH, yet to be started: away from our terminal, its words in English and for us alone. The
/// path is absolute and nothing runs between fork and exec, so that a large process of ours does not slow it down.
pub(super) fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").env("SSH_ASKPASS_REQUIRE", "never").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Returns the path of `ssh`, looked up and checked once.
async fn program() -> Result<&'static Path, LinkError> {
    static SSH: OnceCell<PathBuf> = OnceCell::const_new();
    SSH.get_or_try_init(|| async {
        let ssh = find("ssh", std::env::var_os("PATH").as_deref())
            .ok_or_else(|| LinkError::hard("no-ssh", "connect", "ssh not found in PATH; install openssh-client"))?;
        let said = match timeout(ANSWER_MAX, quiet(&ssh).arg("-V").output()).await {
            Ok(Ok(output)) => output.stderr,
            Ok(Err(error)) => {
                let message = format!("cannot start `{}`", ssh.display());
                return Err(LinkError::hard("no-ssh", "connect", message).because(error));
            }
            Err(_) => return Err(LinkError::soft("no-ssh", "connect", format!("`{} -V` does not end", ssh.display()))),
        };
        match version(&String::from_utf8_lossy(&said)) {
            Some(version) if version < OLDEST => {
                let message = format!("OpenSSH {}.{} is too old, it needs {}.{}", version.0, version.1, OLDEST.0, OLDEST.1);
                Err(LinkError::hard("no-ssh", "connect", message))
            }
            Some(_) => Ok(ssh),
            None => {
                let message = format!("`{}` is not OpenSSH; it says {}", ssh.display(), Shown::from_bytes(&said));
                Err(LinkError::hard("no-ssh", "connect", message))
            }
        }
    })
    .await
    .map(PathBuf::as_path)
}

pub(super) fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(path?)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|file| file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0))
}

fn version(said: &str) -> Option<(u32, u32)> {
    let (major, rest) = said.split_once("OpenSSH_")?.1.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.trim_start_matches("for_Windows_").parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_programs() {
        assert_eq!(version("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026"), Some((9, 2)));
        assert_eq!(version("OpenSSH_10.0, LibreSSL"), Some((10, 0)));
        assert!(version("OpenSSH_6.6.1p1 Ubuntu").is_some_and(|version| version < OLDEST));
        assert_eq!(version("Dropbear v2022.83"), None);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ssh"), "").unwrap();
        assert_eq!(find("ssh", Some(dir.path().as_os_str())), None, "not executable");
        assert_eq!(find("sh", Some(OsStr::new("relative:/bin"))), Some("/bin/sh".into()));
        assert_eq!(find("sh", None), None);
    }

    #[test]
    fn the_host_comes_last_and_is_no_option() {
        let to = Destination { host: "u@gpu1".into(), config: Some("/c f".into()), owner: "x".into() };
        let arguments = arguments(&to, Path::new("/run/100%/m-1"));
        let text: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        assert_eq!(&text[..4], ["-F", "/c f", "-S", "/run/100%%/m-1"]);
        assert_eq!(&text[text.len() - 2..], ["--", "u@gpu1"]);
        for option in ["BatchMode=yes", "ForwardAgent=no", "StrictHostKeyChecking=yes", "ControlPersist=600"] {
            assert!(text.iter().any(|word| word == option), "{option}");
        }
    }

    /// What ssh itself makes of our options over the loosest configuration there can be.
    #[test]
    fn the_loosest_configuration_changes_nothing() {
        let Some(ssh) = find("ssh", std::env::var_os("PATH").as_deref()) else {
            eprintln!("skipped: no ssh here");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        let loose = "Host *\n ForwardAgent yes\n ForwardX11 yes\n ForwardX11Trusted yes\n StrictHostKeyChecking no\n UpdateHostKeys yes\n \
                     VerifyHostKeyDNS yes\n PermitLocalCommand yes\n LocalCommand x\n RemoteCommand x\n RequestTTY force\n Tunnel yes\n \
                     BatchMode no\n ServerAliveInterval 0\n ControlPath none\n ControlPersist no\n LocalForward 1 127.0.0.1:1\n DynamicForward 2\n";
        std::fs::write(&config, loose).unwrap();
        let to = Destination { host: "gpu1".into(), config: Some(config.display().to_string()), owner: "x".into() };
        let output = std::process::Command::new(ssh).arg("-G").args(arguments(&to, Path::new("/run/m-1"))).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said: Vec<&str> = text.lines().collect();
        for want in [
            "batchmode yes",
            "stricthostkeychecking true",
            "updatehostkeys false",
            "verifyhostkeydns false",
            "forwardagent no",
            "forwardx11 no",
            "clearallforwardings yes",
            "tunnel false",
            "permitlocalcommand no",
            "requesttty false",
            "serveraliveinterval 5",
            "serveralivecountmax 3",
            "connecttimeout 10",
            "controlmaster true",
            "controlpath /run/m-1",
            "controlpersist 600",
        ] {
            assert!(said.contains(&want), "{want} is not in:\n{text}");
        }
        for never in ["localforward", "dynamicforward", "remotecommand x"] {
            assert!(!text.contains(never), "{never} is in:\n{text}");
        }
    }
}
