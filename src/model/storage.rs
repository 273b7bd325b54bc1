//! What stands in for storage accounts on our nodes, as the configuration says: `[storage_accounts.NAME]`.

use serde::{Deserialize, Serialize};

use super::spec::SecretSource;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageAccount {
    /// For its file shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<StandIn>,
    /// For its blob containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blobs: Option<StandIn>,
    /// The account's key, for jobs that give none. Never a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretSource>,
}

/// What stands in for the shares or containers of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum StandIn {
    /// An NFS export with a folder for each share or container.
    Nfs {
        /// The server.
        host: String,
        /// The export; absolute.
        path: String,
        /// For `mount -o`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<String>,
    },
    /// An SMB server; a share or container is a share of it.
    Smb {
        /// The server.
        host: String,
        /// Who signs in; the account's name when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// For `mount -o`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<String>,
    },
    /// A folder that every node has (local, or shared by other means) with a folder for each share or container.
    Folder {
        /// The folder; absolute.
        path: String,
    },
    /// A command that mounts one (blobfuse, rclone); the path of the mount point is put behind it. `{account}`, `{name}` and
    /// `{options}` stand for the account, the share or container and the mount options; the key is in its environment as
    /// `OSTLER_STORAGE_KEY`.
    Command {
        /// For `/bin/sh`.
        command: String,
    },
}
