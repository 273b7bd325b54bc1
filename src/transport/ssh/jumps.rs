//! Circles of jump hosts, found before anything is dialled. ssh itself looks for none: each jump starts the next one, without
//! end, until the first gives up (OpenSSH 9.2 with `a` by way of `b` and `b` by way of `a`: 113 processes in 4 s).

use std::path::Path;
use std::process::Stdio;

use tokio::time::timeout;

use super::master::{ANSWER_MAX, quiet};
use crate::transport::link::LinkError;
use crate::transport::ssh::Destination;

/// The most hosts on the way to a node; more is a mistake, and each is a connection of its own.
const JUMPS_MAX: usize = 16;

/// Follows the way to a destination as the configuration has it.
///
/// # Errors
/// That it comes back to a host that is on it already, or does not end.
pub(super) async fn check(ssh: &Path, to: &Destination) -> Result<(), LinkError> {
    let mut way = vec![host_of(&to.host).to_owned()];
    while let Some(jumps) = jumps_of(ssh, to, &way[way.len() - 1]).await {
        // The last one is next to the host; how the first is reached is again a matter of the configuration.
        for jump in jumps.split(',').rev().map(host_of) {
            let again = way.iter().any(|host| host == jump);
            way.push(jump.to_owned());
            if again || way.len() > JUMPS_MAX {
                let message = format!("jump loop: {}; see ProxyJump in the ssh configuration", way.join(" -> "));
                return Err(LinkError::hard("ssh-config", "connect", message));
            }
        }
    }
    Ok(())
}

/// Returns what stands behind `ProxyJump` for a host; `None` also where ssh cannot say, which it then does when it connects.
async fn jumps_of(ssh: &Path, to: &Destination, host: &str) -> Option<String> {
    let mut command = quiet(ssh);
    if let Some(config) = &to.config {
        command.args(["-F", config]);
    }
    command.args(["-G", "--", host]).stdout(Stdio::piped());
    let output = timeout(ANSWER_MAX, command.output()).await.ok()?.ok()?;
    said_jumps(&String::from_utf8_lossy(&output.stdout))
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
    }
}
