//! What ssh's words mean. Its exit status is 255 for everything, so they are all there is (OpenSSH 7.6 to 10, in the C
//! locale; each case below was seen from a real ssh).

use crate::model::shown::Shown;
use crate::transport::link::LinkError;

/// The most lines of ssh's words that are kept: its longest message, the changed host key, has fifteen.
const LINES_MAX: usize = 16;

struct Meaning {
    /// One of these stands in what ssh said, in lower case.
    words: &'static [&'static str],
    code: &'static str,
    step: &'static str,
    hard: bool,
}

/// In order: the first that fits counts, so that a banner or a jump host's words before the last ones do not win.
const MEANINGS: &[Meaning] = &[
    Meaning {
        words: &["remote host identification has changed", "has changed and you have requested strict checking", "revoked"],
        code: "host-key-changed",
        step: "sign in",
        hard: true,
    },
    Meaning {
        words: &["host key is known for", "host key verification failed"],
        code: "host-key-unknown",
        step: "sign in",
        hard: true,
    },
    Meaning {
        words: &["permission denied", "too many authentication failures", "no more authentication methods"],
        code: "auth-refused",
        step: "sign in",
        hard: true,
    },
    Meaning {
        words: &[
            "bad configuration option",
            "can't open user config file",
            "bad owner or permissions",
            "terminating, ",
            "missing argument",
            "unsupported option",
        ],
        code: "ssh-config",
        step: "connect",
        hard: true,
    },
    Meaning { words: &["unable to negotiate", "no matching "], code: "no-common-algorithm", step: "connect", hard: true },
    Meaning {
        words: &[
            "could not resolve hostname",
            "connection refused",
            "timed out",
            "no route to host",
            "network is unreachable",
            "unknown port 65535",
        ],
        code: "unreachable",
        step: "connect",
        hard: false,
    },
    Meaning {
        words: &[
            "exceeded maxstartups",
            "not allowed at this time",
            "kex_exchange_identification",
            "ssh_exchange_identification",
        ],
        code: "busy",
        step: "connect",
        hard: false,
    },
];

/// Returns what ssh's words come to for a host.
pub(super) fn meaning(host: &str, said: &[u8]) -> LinkError {
    let lines = Shown::last_lines(said, LINES_MAX);
    let lower = lines.iter().map(|line| line.as_str().to_lowercase()).collect::<Vec<_>>();
    let fits = |meaning: &&Meaning| meaning.words.iter().any(|words| lower.iter().any(|line| line.contains(words)));
    let Some(found) = MEANINGS.iter().find(fits) else {
        return LinkError::soft("unreachable", "connect", joined(host, &lines));
    };
    let message = match found.code {
        "host-key-changed" => changed(host, &lines, offending_key(said)),
        "host-key-unknown" => format!("{}; trust it by `ssh {host}` once, from here", joined(host, &lines)),
        "auth-refused" if ASKS.iter().any(|word| String::from_utf8_lossy(said).contains(word)) => {
            format!(
                "{}; `ostler cluster node sign-in` lets you answer what it asks, or s on the screen",
                joined(host, &lines)
            )
        }
        "busy" => format!("{}; it may have too many connections that are signing in", joined(host, &lines)),
        _ => joined(host, &lines),
    };
    LinkError { hard: found.hard, ..LinkError::soft(found.code, found.step, message) }
}

/// Ways to sign in for which a person has to answer, as ssh lists them.
const ASKS: [&str; 2] = ["keyboard-interactive", "password"];

/// Returns the file and line number of the key that the host used to have.
pub(super) fn offending_key(said: &[u8]) -> Option<(String, usize)> {
    let text = String::from_utf8_lossy(said);
    let place =
        text.lines().find_map(|line| line.strip_prefix("Offending ")?.split_once(" key in ").map(|(_, place)| place))?;
    let (file, line) = place.trim_end().rsplit_once(':')?;
    Some((file.to_owned(), line.parse().ok()?))
}

fn joined(host: &str, lines: &[Shown]) -> String {
    if lines.is_empty() {
        return format!("`ssh {host}` failed and said nothing");
    }
    lines.iter().map(|line| line.as_str().trim()).collect::<Vec<_>>().join(" · ")
}

/// The same without the shouting: what the key is now and where the old one stands.
fn changed(host: &str, lines: &[Shown], place: Option<(String, usize)>) -> String {
    let now = lines.iter().map(|line| line.as_str().trim_end_matches('.')).find(|line| line.starts_with("SHA256:"));
    let last = lines.last().map(Shown::as_str).unwrap_or_default();
    match (now, place) {
        (Some(now), Some((file, line))) => {
            format!("host key of `{host}` has changed: it is {now} now, another is in {}:{line}", Shown::new(&file))
        }
        _ => format!("host key of `{host}` has changed: {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGED: &str = "@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@@@@\r\n\
        IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\nThe fingerprint for the ED25519 key sent by the remote host is\n\
        SHA256:ZlajhxB1DvOQCgyjcBVKz7CXAuBy+Ci9IluhWUVPy3I.\r\nPlease contact your system administrator.\r\n\
        Add correct host key in /home/a b/known_hosts to get rid of this message.\r\nOffending ED25519 key in /home/a b/known_hosts:12\r\n\
        Host key for gpu1 has changed and you have requested strict checking.\r\nHost key verification failed.\r\n";

    #[test]
    fn words_are_told_apart() {
        let cases = [
            (
                "No ED25519 host key is known for gpu1 and you have requested strict checking.\r\nHost key verification failed.\r\n",
                "host-key-unknown",
                true,
            ),
            (CHANGED, "host-key-changed", true),
            ("ci@gpu1: Permission denied (publickey,password).\r\n", "auth-refused", true),
            ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", "auth-refused", true),
            ("ssh: connect to host gpu1 port 22: Connection refused\r\n", "unreachable", false),
            ("ssh: connect to host gpu1 port 22: No route to host", "unreachable", false),
            ("ssh: connect to host gpu1 port 22: Connection timed out", "unreachable", false),
            ("Connection timed out during banner exchange", "unreachable", false),
            ("ssh: Could not resolve hostname gpu1: Name or service not known", "unreachable", false),
            (
                "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535",
                "unreachable",
                false,
            ),
            (
                "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.1 port 22",
                "busy",
                false,
            ),
            (
                "/home/u/.ssh/config: line 1: Bad configuration option: bogus\r\nterminating, 1 bad configuration options",
                "ssh-config",
                true,
            ),
            ("Can't open user config file /none: No such file or directory", "ssh-config", true),
            (
                "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
                "no-common-algorithm",
                true,
            ),
            ("something else", "unreachable", false),
            ("", "unreachable", false),
        ];
        for (said, code, hard) in cases {
            let error = meaning("gpu1", said.as_bytes());
            assert_eq!((error.code, error.hard), (code, hard), "{said}: {}", error.message);
            assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn messages_say_what_to_do_and_are_clean() {
        let unknown = meaning("gpu1", b"No ED25519 host key is known for gpu1 and you have requested strict checking.\r\nHost key verification failed.\r\n");
        assert!(unknown.message.ends_with("trust it by `ssh gpu1` once, from here"), "{}", unknown.message);
        let changed = meaning("gpu1", CHANGED.as_bytes());
        assert_eq!(
            changed.message,
            "host key of `gpu1` has changed: it is SHA256:ZlajhxB1DvOQCgyjcBVKz7CXAuBy+Ci9IluhWUVPy3I now, another is in /home/a b/known_hosts:12"
        );
        assert_eq!(offending_key(CHANGED.as_bytes()), Some(("/home/a b/known_hosts".into(), 12)));
        assert_eq!(offending_key(b"Offending x"), None);
        let hostile = meaning("gpu1", b"\x1b]52;c;QQ==\x07\x1b[2Jgone\xff\x9b31m");
        assert_eq!(hostile.message, "gone\u{fffd}\u{fffd}31m");
    }
}
