//! What is mounted on nodes: the published object, the same for a cluster and for a job (reference §5).

use serde::{Deserialize, Serialize};

use super::secret::SecretSource;

/// The mode of files and of directories on a file share when the file names none (published default).
pub const MODE_DEFAULT: &str = "0777";

/// What is mounted, below `$AZ_BATCHAI_MOUNT_ROOT` for a cluster and `$AZ_BATCHAI_JOB_MOUNT_ROOT` for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MountVolumes {
    /// File shares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub azure_file_shares: Vec<AzureFileShare>,
    /// Blob containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub azure_blob_file_systems: Vec<AzureBlobFileSystem>,
    /// File servers of a workspace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_servers: Vec<FileServerMount>,
    /// Anything that a command mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmanaged_file_systems: Vec<UnmanagedFileSystem>,
}

impl MountVolumes {
    /// Says whether there is nothing to mount.
    pub fn is_empty(&self) -> bool {
        self.azure_file_shares.is_empty()
            && self.azure_blob_file_systems.is_empty()
            && self.file_servers.is_empty()
            && self.unmanaged_file_systems.is_empty()
    }
}

/// A file share. What stands in for it on our nodes is set for its account in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureFileShare {
    /// The storage account.
    pub account_name: String,
    /// `https://{account}.file.core.windows.net/{share}`.
    pub azure_file_url: String,
    /// The account's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretSource>,
    /// Below the mount root; never absolute, never with `..`.
    pub relative_mount_path: String,
    /// The mode of files, octal.
    pub file_mode: String,
    /// The mode of directories, octal.
    pub directory_mode: String,
}

/// A blob container. What stands in for it on our nodes is set for its account in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureBlobFileSystem {
    /// The storage account.
    pub account_name: String,
    /// The container.
    pub container_name: String,
    /// The account's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretSource>,
    /// Below the mount root; never absolute, never with `..`.
    pub relative_mount_path: String,
    /// Options of blobfuse; the documented ones when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_options: Option<String>,
}

/// A file server, or a directory of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileServerMount {
    /// Its name, or its full id when it is in another workspace.
    pub file_server: String,
    /// Below the mount root; never absolute, never with `..`.
    pub relative_mount_path: String,
    /// A directory of the server; all of it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_directory: Option<String>,
    /// Passed to `mount -o`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_options: Option<String>,
}

/// A file system that a command of the user mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnmanagedFileSystem {
    /// The command; the mount path is put behind it.
    pub mount_command: String,
    /// Below the mount root; never absolute, never with `..`.
    pub relative_mount_path: String,
}
