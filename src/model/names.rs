//! What a user may call things: one checker and one message for each kind of name.

/// The longest name of a workspace, cluster, experiment, job or file server, in characters (batch-ai 2018-05-01).
pub const NAME_CHARS_MAX: usize = 64;
/// The longest host name, in bytes (RFC 1035).
pub const HOST_BYTES_MAX: usize = 253;

/// Checks the name of a workspace, cluster, file server, experiment or job: letters, digits, `-` and `_`, 1 to 64.
///
/// # Errors
/// A sentence that names the first character that does not fit and its place.
pub fn check_name(name: &str) -> Result<(), String> {
    let rule = "names have 1 to 64 letters, digits, - or _";
    if name.is_empty() {
        return Err(format!("the name is empty; {rule}"));
    }
    if let Some((at, c)) = name.chars().enumerate().find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
        return Err(format!("the name has the character {} at position {}; {rule}", shown_char(c), at + 1));
    }
    if name.len() > NAME_CHARS_MAX {
        return Err(format!("the name has {} characters; {rule}", name.len()));
    }
    Ok(())
}

/// Checks what `ssh` is given as its destination: `[user@]host`, where both come from a list, a file or the user.
/// OpenSSH says that its command line is no security boundary, so what it could take for an option or hand to a
/// shell (through `%h`, `%r` in ProxyCommand) never reaches it.
///
/// # Errors
/// A sentence that names what does not fit.
pub fn check_host(text: &str) -> Result<(), String> {
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, text),
    };
    if let Some(user) = user {
        check_part("user", user, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))?;
    }
    check_part("host", host, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '[' | ']' | '%'))?;
    if host.len() > HOST_BYTES_MAX {
        return Err(format!("the host has {} characters, the limit is {HOST_BYTES_MAX}", host.len()));
    }
    check_colons(host)
}

/// A colon is that of an IPv6 address, which ssh takes with brackets or without. A port behind one would be a part of the name
/// to ssh, so that nobody of that name is found.
fn check_colons(host: &str) -> Result<(), String> {
    if !host.contains([':', '[', ']']) {
        return Ok(());
    }
    let bare = host.strip_prefix('[').map_or(Some(host), |rest| rest.strip_suffix(']'));
    let address = bare.map(|bare| bare.split_once('%').map_or(bare, |(address, _)| address));
    if address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()) {
        return Ok(());
    }
    let port = "a port is set in the ssh configuration (`Host`, `Port`)";
    Err(format!("`{}` is neither a name nor an IPv6 address; {port}", host.escape_debug()))
}

fn check_part(what: &str, text: &str, fits: impl Fn(char) -> bool) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if text.starts_with('-') {
        return Err(format!("{what} `{}` refused: a {what} may not begin with `-`", text.escape_debug()));
    }
    match text.chars().enumerate().find(|(_, c)| !fits(*c)) {
        Some((at, c)) => Err(format!("the {what} has the character {} at position {}", shown_char(c), at + 1)),
        None => Ok(()),
    }
}

/// Checks the name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`, and not one of ours.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn check_variable(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{}` is not a variable name; it needs letters, digits and _", name.escape_debug()));
    }
    if name.starts_with("OSTLER_") {
        return Err(format!("`{name}`: variables beginning with OSTLER_ are set by ostler"));
    }
    Ok(())
}

/// Variables that shells set or guard by themselves: `export` in one of them fails or is lost.
const SHELL_OWNED: [&str; 22] = [
    "BASH_ARGV0",
    "BASHPID",
    "COLUMNS",
    "DIRSTACK",
    "EGID",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GID",
    "GROUPS",
    "HISTCMD",
    "IFS",
    "KSHGID",
    "KSHUID",
    "LINENO",
    "LINES",
    "OPTIND",
    "PPID",
    "SECONDS",
    "SRANDOM",
    "UID",
];

/// Says whether shells set or guard a variable by themselves, so that it could only be given on a command line.
pub fn shell_owned(name: &str) -> bool {
    name.starts_with("BASH") || ["RANDOM", "SHELLOPTS"].contains(&name) || SHELL_OWNED.contains(&name)
}

/// Returns a character as a message may show it: printable as itself in backticks, else by its code point.
pub fn shown_char(c: char) -> String {
    if c.is_ascii_graphic() && c != '`' { format!("`{c}`") } else { format!("U+{:04X}", c as u32) }
}

/// Says whether two names are the same to us: compared without case, shown as typed.
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Expands ranges in host lists: `gpu[01-03,7].lan` gives `gpu01.lan gpu02.lan gpu03.lan gpu7.lan`; a comma or white
/// space outside brackets parts two entries. Leading zeros keep the width. IPv6 in brackets (`[::1]`) stays as it is.
///
/// # Errors
/// A sentence that names the entry and what is wrong with it; more than `HOSTS_MAX` hosts are refused.
pub fn expand_hosts(list: &str) -> Result<Vec<String>, String> {
    let mut hosts = Vec::new();
    for entry in split_outside_brackets(list) {
        expand_entry(entry, &mut hosts)?;
        if hosts.len() > HOSTS_MAX {
            return Err(format!("`{}` gives more than {HOSTS_MAX} hosts", list.escape_debug()));
        }
    }
    for host in &hosts {
        check_host(host)?;
    }
    Ok(hosts)
}

/// Returns the hosts of an OpenSSH configuration: the words behind `Host` that name one host and no pattern. Files that it
/// includes are not read.
pub fn ssh_config_hosts(text: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    for line in text.lines() {
        let mut words = line.trim().split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("host")) {
            continue;
        }
        for word in words.map(|word| word.trim_matches('"')) {
            let pattern = word.contains(['*', '?', '!']);
            if !pattern && check_host(word).is_ok() && !hosts.iter().any(|host: &String| host.eq_ignore_ascii_case(word)) {
                hosts.push(word.to_owned());
            }
        }
    }
    hosts
}

/// The most hosts that one list may give: ten times the largest fleet we measure.
pub const HOSTS_MAX: usize = 10_000;

/// The most groups in brackets that one entry may have: racks, shelves and slots need three.
const GROUPS_MAX: usize = 8;

fn split_outside_brackets(list: &str) -> Vec<&str> {
    let mut depth = 0usize;
    list.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (c == ',' || c.is_whitespace())
    })
    .filter(|entry| !entry.is_empty())
    .collect()
}

fn expand_entry(entry: &str, hosts: &mut Vec<String>) -> Result<(), String> {
    let open = match entry.find('[') {
        Some(open) => open,
        None => {
            return {
                hosts.push(entry.to_owned());
                Ok(())
            };
        }
    };
    let bad = |why: &str| format!("`{}`: {why}; the form is node[01-16,20]", entry.escape_debug());
    if entry.bytes().filter(|byte| *byte == b'[').count() > GROUPS_MAX {
        return Err(format!("an entry has more than {GROUPS_MAX} groups in brackets"));
    }
    let close = entry[open..].find(']').map(|at| open + at).ok_or_else(|| bad("`[` without `]`"))?;
    let (head, ranges, tail) = (&entry[..open], &entry[open + 1..close], &entry[close + 1..]);
    if ranges.contains(':') {
        hosts.push(entry.to_owned());
        return Ok(());
    }
    for range in ranges.split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let first: u32 = from.parse().map_err(|_| bad("not a number in brackets"))?;
        let last: u32 = to.parse().map_err(|_| bad("not a number in brackets"))?;
        if last < first {
            return Err(bad("the range goes down"));
        }
        if (last - first) as usize >= HOSTS_MAX {
            return Err(bad("the range is too long"));
        }
        let width = if from.len() == to.len() || from.starts_with('0') { from.len() } else { 0 };
        for number in first..=last {
            expand_entry(&format!("{head}{number:0width$}{tail}"), hosts)?;
            if hosts.len() > HOSTS_MAX {
                return Err(bad("too many hosts"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_things() {
        for good in ["a", "mnist-lr_3", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "a b", "a/b", "a\u{1b}b", "..", "é", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name("run\u{1b}[2J").unwrap_err().contains("U+001B at position 4"));
    }

    #[test]
    fn hosts_that_ssh_must_never_see() {
        for good in ["gpu1", "ci@gpu-1.lan", "10.77.0.1", "[::1]", "fe80::1%eth0", "[fe80::1%eth0]", "::1"] {
            assert_eq!(check_host(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a;b",
            "a$b",
            "a`b",
            "a\nb",
            "x@-h",
            "-u@h",
            "u;x@h",
            "a'b",
            "a|b",
            "gpu1:22",
            "gpu1:0",
            "gpu1:ssh",
            "[::1]:22",
            "[gpu1]",
            "[::1",
            "::1]",
            &"h".repeat(254),
        ] {
            assert!(check_host(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn host_lists() {
        assert_eq!(expand_hosts("node[1-3]").unwrap(), ["node1", "node2", "node3"]);
        assert_eq!(expand_hosts("g[08-10,20]x, h").unwrap(), ["g08x", "g09x", "g10x", "g20x", "h"]);
        assert_eq!(expand_hosts("a[1-2]b[1-2]").unwrap(), ["a1b1", "a1b2", "a2b1", "a2b2"]);
        assert_eq!(expand_hosts("[::1]").unwrap(), ["[::1]"]);
        for bad in ["n[3-1]", "n[a-b]", "n[1", "n[1-999999]", "-x[1-2]"] {
            assert!(expand_hosts(bad).is_err(), "{bad}");
        }
    }

    /// Each group is one call deeper: lists without end would end the program.
    #[test]
    fn groups_without_end_are_refused() {
        assert_eq!(expand_hosts("r[1]s[2]n[3-4]").unwrap(), ["r1s2n3", "r1s2n4"]);
        let error = expand_hosts(&format!("n{}", "[1]".repeat(20_000))).unwrap_err();
        assert!(error.contains("more than 8 groups"), "{error}");
    }

    #[test]
    fn variables() {
        for good in ["A", "_x1", "PARAM_LR"] {
            assert_eq!(check_variable(good), Ok(()));
        }
        for bad in ["", "1X", "A-B", "A B", "x;rm", "OSTLER_X"] {
            assert!(check_variable(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_of_an_ssh_configuration() {
        let text =
            "Host *\n  User ada\nHost gpu1 gpu2 !gpu3 lab-?\nhost=big\n  HostName 10.0.0.7\nMatch host x\nHost gpu1\n";
        assert_eq!(ssh_config_hosts(text), ["gpu1", "gpu2", "big"]);
    }
}
