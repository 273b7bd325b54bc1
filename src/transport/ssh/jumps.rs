//! What ssh's configuration makes of a destination, found out before anything is dialled: where it goes, and whether its jump hosts
//! are a circle. ssh itself looks for none: each jump starts the next one, without
//! end, until the first gives up (OpenSSH 9.2 with `a` by way of `b` and `b` by way of `a`: 113 processes in 4 s).

use std::path::Path;
use std::process::Stdio;

use tokio::time::timeout;

use super::master::{ANSWER_MAX, quiet};
use crate::model::state::Login;
use crate::transport::link::LinkError;
use crate::transport::ssh::Destination;

/// The most hosts on the way to a node; more is a mistake, and each is a connection of its own.
const JUMPS_MAX: usize = 16;

/// Follows the way to a destination as the configuration has it; returns where ssh goes in the end, `None` where it does not say so.
///
/// # Errors
/// That it comes back to a host that is on it already, or does not end.
pub(super) async fn check(ssh: &Path, to: &Destination) -> Result<Option<Login>, LinkError> {
    let said = meant(ssh, to, &to.host).await;
    let login = said.as_deref().and_then(said_login);
    let mut way = vec![host_of(&to.host).to_owned()];
    let mut jumps = said.as_deref().and_then(said_jumps);
    while let Some(by) = jumps {
        // The last one is next to the host; how the first is reached is again a matter of the configuration.
        for jump in by.split(',').rev().map(host_of) {
            let again = way.iter().any(|host| host == jump);
            way.push(jump.to_owned());
            if again || way.len() > JUMPS_MAX {
                let message = format!("jump loop: {}; see ProxyJump in the ssh configuration", way.join(" -> "));
                return Err(LinkError::hard("ssh-config", "connect", message));
            }
        }
        jumps = meant(ssh, to, &way[way.len() - 1]).await.as_deref().and_then(said_jumps);
    }
    Ok(login)
}

/// Asks ssh where it goes for a destination; nothing is dialled.
pub(super) async fn login(ssh: &Path, to: &Destination) -> Option<Login> {
    said_login(&meant(ssh, to, &to.host).await?)
}

/// Returns what ssh makes of a host by the configuration of a destination; `None` where it cannot say, which it then does when it
/// connects.
async fn meant(ssh: &Path, to: &Destination, host: &str) -> Option<String> {
    let mut command = quiet(ssh);
    if let Some(config) = &to.config {
        command.args(["-F", config]);
    }
    command.args(["-G", "--", host]).stdout(Stdio::piped());
    let output = timeout(ANSWER_MAX, command.output()).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn said_login(said: &str) -> Option<Login> {
    let value = |key: &str| said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::trim);
    Some(Login { host: value("hostname")?.to_owned(), port: value("port")?.parse().ok()?, user: value("user")?.to_owned() })
}

fn said_jumps(said: &str) -> Option<String> {
    let jumps = said.lines().find_map(|line| line.strip_prefix("proxyjump "))?.trim();
    (!jumps.is_empty() && jumps != "none").then(|| jumps.to_owned())
}

/// Returns the host of `[ssh://][user@]host[:port]`.
fn host_of(jump: &str) -> &str {
    let jump = jump.trim();
    let jump = jump.strip_prefix("ssh://").unwrap_or(jump);
    let host = jump.rsplit_once('@').map_or(jump, |(_, host)| host);
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        // Several colons are an address without a port.
        None => host.split_once(':').filter(|(_, port)| !port.contains(':')).map_or(host, |(host, _)| host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_jumps() {
        for (jump, host) in [
            ("b", "b"),
            ("ci@b", "b"),
            ("ci@b:2222", "b"),
            ("ssh://ci@b:2222", "b"),
            ("[::1]:22", "::1"),
            ("fe80::1", "fe80::1"),
        ] {
            assert_eq!(host_of(jump), host, "{jump}");
        }
        assert_eq!(said_jumps("user x\nproxyjump ci@b:22,c\n").as_deref(), Some("ci@b:22,c"));
        assert_eq!(said_jumps("proxyjump none\n"), None);
    }

    #[test]
    fn where_ssh_goes_is_read_from_its_own_words() {
        let said = "user ada\nhostname 10.0.0.4\nport 50001\naddressfamily any\n";
        assert_eq!(said_login(said), Some(Login { host: "10.0.0.4".into(), port: 50001, user: "ada".into() }));
        for less in ["", "user ada\nhostname a\n", "user ada\nhostname a\nport x\n"] {
            assert_eq!(said_login(less), None, "{less:?}");
        }
    }

    /// A host that is its own jump host is none to ssh, which lets a pattern of hosts name one of them.
    #[tokio::test]
    async fn a_circle_is_named_and_nothing_is_started() {
        let Some(ssh) = super::super::master::find("ssh", std::env::var_os("PATH").as_deref()) else {
            eprintln!("skipped: no ssh here");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        let text = "Host a\n ProxyJump b\nHost b\n ProxyJump ci@a:2222\nHost c\n ProxyJump d,e\nHost self\n ProxyJump self\nHost f\n ProxyJump c,a\n";
        std::fs::write(&config, text).unwrap();
        let to =
            |host: &str| Destination { host: host.into(), config: Some(config.display().to_string()), owner: "x".into() };
        for (host, way) in [("ci@a", Some("a -> b -> a")), ("self", None), ("c", None), ("gpu1", None), ("f", None)] {
            let found = check(&ssh, &to(host)).await.err().map(|error| (error.hard, error.message));
            let want = way.map(|way| (true, format!("jump loop: {way}; see ProxyJump in the ssh configuration")));
            assert_eq!(found, want, "{host}");
        }
        let login = check(&ssh, &to("c")).await.unwrap().unwrap();
        assert_eq!((login.host.as_str(), login.port), ("c", 22), "where it goes is known by that");
        assert_eq!(super::login(&ssh, &to("c")).await, Some(login));
    }
}
