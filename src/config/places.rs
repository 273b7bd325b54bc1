//! Where ostler keeps things on this machine, by the rules of the desktop (XDG) with fallbacks for machines without one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use super::Origin;
use crate::model::fault::Fault;

/// The variable that names the state directory.
pub const STATE_DIR_VARIABLE: &str = "OSTLER_STATE_DIR";

/// Returns the state directory and who chose it.
///
/// # Errors
/// That there is no home directory to put it under.
pub fn state_dir(flag: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<(PathBuf, Origin), Fault> {
    if let Some(path) = flag {
        return Ok((absolute(path)?, Origin::Flag("--state-dir")));
    }
    if let Some(text) = environment.get(STATE_DIR_VARIABLE).filter(|text| !text.is_empty()) {
        return Ok((absolute(Path::new(text))?, Origin::Environment(STATE_DIR_VARIABLE.to_owned())));
    }
    let dirs = BaseDirs::new().filter(|dirs| dirs.home_dir().is_absolute()).ok_or_else(no_home)?;
    // No state directory in the rules of macOS: the data directory stands in.
    let base = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
    Ok((base.join("ostler"), Origin::Default))
}

fn no_home() -> Fault {
    Fault::config("cannot find a home directory").hint("set HOME, or name a directory with --state-dir DIR")
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    std::path::absolute(path)
        .map_err(|e| Fault::config(format!("cannot use the state directory `{}`", path.display())).because(&e))
}

/// Returns what a person should know of variables that were not used.
pub fn notes(environment: &BTreeMap<String, String>) -> Vec<String> {
    ["XDG_STATE_HOME", "XDG_CONFIG_HOME"]
        .iter()
        .filter_map(|name| {
            let text = environment.get(*name).filter(|text| !text.is_empty() && !Path::new(text).is_absolute())?;
            Some(format!("ignored: {name} must be absolute, got {text:?}"))
        })
        .collect()
}

/// Returns the configuration file that is read when none is named; `None` without a home directory.
pub fn usual_config_file() -> Option<PathBuf> {
    config_dir().map(|dir| dir.join("config.toml"))
}

/// Returns the directory of the user's own themes; `None` without a home directory.
pub fn themes_dir() -> Option<PathBuf> {
    config_dir().map(|dir| dir.join("themes"))
}

fn config_dir() -> Option<PathBuf> {
    BaseDirs::new().filter(|dirs| dirs.home_dir().is_absolute()).map(|dirs| dirs.config_dir().join("ostler"))
}
