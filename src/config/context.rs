//! The context: which workspace, experiment and cluster are meant when none is named. Set explicitly, never by the last use
//! (semantics, Context); kept as a small file in the state directory.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::fault::{Fault, FaultKind};

/// What is meant when nothing is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Context {
    /// The resource group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// The workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// The cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

impl Context {
    fn file(state_dir: &Path) -> PathBuf {
        state_dir.join("context.json")
    }

    /// Reads the context of a state directory; an empty one when none was set.
    ///
    /// # Errors
    /// That the file cannot be read or is not a context.
    pub fn read(state_dir: &Path) -> Result<Self, Fault> {
        let path = Self::file(state_dir);
        let bad = |e: &dyn std::error::Error| {
            Fault::config(format!("cannot read the context in `{}`", path.display()))
                .because(e)
                .hint("`ostler context clear` starts over")
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| bad(&e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(bad(&e)),
        }
    }

    /// Writes the context of a state directory, which is made when it is not there. A reader sees the old or the new one.
    ///
    /// # Errors
    /// That the file cannot be written.
    pub fn write(&self, state_dir: &Path) -> Result<(), Fault> {
        let path = Self::file(state_dir);
        self.try_write(state_dir, &path).map_err(|e| {
            Fault::new(FaultKind::Store, format!("cannot write the context to `{}`", path.display())).because(&e)
        })
    }

    fn try_write(&self, state_dir: &Path, path: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir)?;
        let new = state_dir.join(format!("context.json.{}", std::process::id()));
        let mut file = std::fs::File::create(&new)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    }
}
