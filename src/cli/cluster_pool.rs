//! The options of `cluster create` that say where nodes come from, put over what its file says.

use super::cluster::Pool;
use super::failure::Failure;
use super::session::Session;
use crate::model::fault::Fault;
use crate::model::names::ssh_config_hosts;
use crate::model::spec::doc::{Doc, Value};

/// Puts the options over what the file says.
///
/// # Errors
/// A file that they name cannot be read, or names nothing.
pub(super) fn overlay(session: &Session, doc: &mut Doc, pool: &Pool) -> Result<(), Failure> {
    let mut put = |path: &[&str], text: &Option<String>| {
        if let Some(text) = text {
            doc.put_property(path, Value::Text(text.clone()));
        }
    };
    let provider = pool.provider.clone();
    let implied = || match (&pool.hooks, &pool.api) {
        (Some(_), _) => Some("command".to_owned()),
        (None, Some(_)) => Some("http".to_owned()),
        (None, None) => None,
    };
    put(&["provider"], &provider.or_else(implied));
    put(&["hooks"], &pool.hooks);
    put(&["api", "url"], &pool.api);
    put(&["api", "token", "fromCommand"], &pool.api_token_command);
    put(&["powerOn"], &pool.power_on);
    put(&["powerOff"], &pool.power_off);
    put(&["pricePerNodeHour"], &pool.price);
    put(&["maxNodeLifetime"], &pool.max_node_lifetime);
    put(&["agent"], &pool.agent);
    if let Some(file) = &pool.hosts_file {
        let shown = file.display().to_string();
        let whole = std::path::absolute(file).map_err(|e| Fault::config(format!("cannot use `{shown}`")).because(&e))?;
        put(&["hostsFile"], &Some(whole.display().to_string()));
    }
    if let Some(pattern) = &pool.hosts_of_ssh_config {
        let home = std::env::home_dir().unwrap_or_default();
        let path = session.config.ssh_config.clone().unwrap_or_else(|| home.join(".ssh/config"));
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|e| Fault::user(format!("cannot read `{shown}`")).because(&e))?;
        let hosts: Vec<String> = ssh_config_hosts(&text).into_iter().filter(|host| fits(pattern, host)).collect();
        if hosts.is_empty() {
            return Err(Fault::user(format!("`{shown}` names no host that fits `{}`", pattern.escape_debug())).into());
        }
        put(&["hosts"], &Some(hosts.join(",")));
    }
    Ok(())
}

/// Says whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("gpu*", "gpu1", true),
            ("gpu*", "cpu1", false),
            ("*1", "gpu1", true),
            ("g*u*", "gpu", true),
            ("a", "b", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
