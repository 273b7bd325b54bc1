//! Hosts that a file names: read when it changes, so that hosts come to a live pool and go from it by an editor or a tool.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::names::{HOSTS_MAX, check_host, expand_hosts};

/// The largest file of hosts, in bytes: the longest list with the longest names is smaller.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads a file of hosts: names and ranges parted by white space or commas, `#` begins a comment. One that is named twice
/// counts once.
///
/// # Errors
/// What is wrong, with its line.
pub fn read(path: &Path) -> Result<Vec<String>, String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("`{shown}` has {size} bytes, the limit is {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    parse(&text).map_err(|why| format!("`{shown}`, {why}"))
}

fn parse(text: &str) -> Result<Vec<String>, String> {
    let mut hosts = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let found =
            if line.is_empty() { Vec::new() } else { expand_hosts(line).map_err(|why| format!("line {number}: {why}"))? };
        for host in found {
            check_host(&host).map_err(|why| format!("line {number}: {why}"))?;
            if seen.insert(host.to_ascii_lowercase()) {
                hosts.push(host);
            }
        }
        if hosts.len() > HOSTS_MAX {
            return Err(format!("line {number}: more than {HOSTS_MAX} hosts"));
        }
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_hosts() {
        assert_eq!(parse("# mine\ngpu[1-2], big # the big one\n\nGPU1\n").unwrap(), ["gpu1", "gpu2", "big"]);
        assert!(parse("ok\n-oProxyCommand=x\n").unwrap_err().starts_with("line 2: "));
        assert_eq!(parse("").unwrap(), Vec::<String>::new());
        assert!(read(Path::new("/nonexistent/hosts")).unwrap_err().contains("cannot read"));
    }
}
