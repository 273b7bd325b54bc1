//! A file server as it is, and who mounts it.

use serde::{Deserialize, Serialize};

use crate::model::ids::{EffectId, FileServerId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::spec::MountVolumes;
use crate::model::spec::file_server::{FileServerRef, FileServerSpec};
use crate::model::state::cluster::ClusterError;
use crate::model::units::{Bytes, UnixMillis};

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

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Space {
    /// In all.
    pub total: Bytes,
    /// Taken.
    pub used: Bytes,
    /// To be had.
    pub free: Bytes,
}

impl Space {
    /// Reads the last line of `df -kP`.
    pub fn of_df(text: &str) -> Option<Self> {
        let mut words = text.lines().next_back()?.split_ascii_whitespace().skip(1);
        let mut next = || words.next()?.parse::<u64>().ok().map(|kib| Bytes(kib.saturating_mul(1024)));
        Some(Self { total: next()?, used: next()?, free: next()? })
    }

    /// Returns it in words.
    pub fn words(self) -> String {
        format!("{} of {} used, {} free", self.used, self.total, self.free)
    }
}

/// What gives the files to the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exported {
    /// The NFS server of the host's kernel, by an export of ours.
    Kernel,
    /// NFS-Ganesha, by an export of ours.
    Ganesha,
    /// The host's sshd; ours is at most the directory.
    Folder,
    /// Somebody exported it before; it is left alone.
    Found,
}

impl Exported {
    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kernel => "by the kernel's NFS server",
            Self::Ganesha => "by NFS-Ganesha",
            Self::Folder => "by sshd",
            Self::Found => "was there already",
        }
    }
}

/// What became of setting up an export, or of undoing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServerOutcome {
    /// It is there.
    Up { by: Exported, space: Option<Space> },
    /// It is undone.
    Gone,
    /// It could not be done.
    Failed { message: String },
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
    /// What gives its files to the nodes, once ostler has set that up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported: Option<Exported>,
    /// How much room there was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// The effect under way for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectId>,
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
