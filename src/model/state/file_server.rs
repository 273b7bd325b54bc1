//! A file server as it is, and who mounts it.

use serde::{Deserialize, Serialize};

use crate::model::ids::{FileServerId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::spec::MountVolumes;
use crate::model::spec::file_server::{FileServerRef, FileServerSpec};
use crate::model::state::cluster::ClusterError;
use crate::model::units::UnixMillis;

/// How far the record of a resource is (published words); `updating` is for file servers alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provisioning {
    /// It is being made.
    Creating,
    /// Something of it is being changed.
    Updating,
    /// It is there.
    #[default]
    Succeeded,
    /// It could not be made; `errors` say why.
    Failed,
    /// It is going away.
    Deleting,
}

impl Provisioning {
    /// Returns the published word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Updating => "updating",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

/// A file server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileServer {
    /// Our identity.
    pub id: FileServerId,
    /// The workspace it is in.
    pub workspace: WorkspaceId,
    /// As typed; unique in the workspace.
    pub name: String,
    /// What was asked for.
    pub spec: FileServerSpec,
    /// How far its record is.
    pub provisioning: Provisioning,
    /// Since when.
    pub provisioning_since: UnixMillis,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ClusterError>,
    /// When it was made.
    pub created: UnixMillis,
}

impl FileServer {
    /// Says whether `text`, as a mount in the workspace `home` names a server, means this one. `workspace_named` finds a
    /// workspace by its group (when one is named) and name.
    pub fn is_meant(
        &self,
        text: &str,
        home: WorkspaceId,
        workspace_named: impl Fn(Option<&str>, &str) -> Option<WorkspaceId>,
    ) -> bool {
        let Some(reference) = FileServerRef::parse(text) else { return false };
        let workspace = match reference.workspace {
            Some(name) => workspace_named(reference.group, name),
            None => Some(home),
        };
        workspace == Some(self.workspace) && (same_name(&self.name, reference.name) || self.id.to_string() == reference.name)
    }

    /// Says whether any of these mounts means this server.
    pub fn is_among(
        &self,
        mounts: &MountVolumes,
        home: WorkspaceId,
        workspace_named: impl Fn(Option<&str>, &str) -> Option<WorkspaceId>,
    ) -> bool {
        mounts.file_servers.iter().any(|mount| self.is_meant(&mount.file_server, home, &workspace_named))
    }
}
