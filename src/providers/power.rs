//! Waking hosts before they are used and putting them to sleep after, by any command line: `wakeonlan`, `ipmitool`, `virsh`.

use std::path::Path;
use std::time::Duration;

use super::hook::{self, Hook};
use super::{NoMachine, Tag};

/// How long a switch may take: a wake-up packet is sent at once, and a management board answers within a minute.
const SWITCH_LIMIT: Duration = Duration::from_secs(120);

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Before a host is used.
    On,
    /// When it is given back.
    Off,
}

/// Runs the command line for one host, which it is told by `$OSTLER_HOST`.
///
/// # Errors
/// In the command's own words.
pub async fn switch(line: &str, way: Switch, tag: Tag, host: &str, folder: &Path) -> Result<(), NoMachine> {
    let (what, verb) = match way {
        Switch::On => ("power_on", "on"),
        Switch::Off => ("power_off", "off"),
    };
    let variables =
        vec![("OSTLER_HOST", host.to_owned()), ("OSTLER_TAG", tag.to_string()), ("OSTLER_VERB", verb.to_owned())];
    let complaints = folder.join(format!("power-{tag}"));
    let locked = hook::lock(what, &complaints, SWITCH_LIMIT).await?;
    hook::run(Hook { line, what, input: Vec::new(), variables, limit: SWITCH_LIMIT }, locked).await?;
    // What it said is not needed any more; a file that is not there is as well.
    let _ = tokio::fs::remove_file(&complaints).await;
    Ok(())
}
