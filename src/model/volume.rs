//! A mount with everything about it known: what a `mountVolumes` object comes to once accounts and file servers are
//! looked up. It goes to the node with its set-up and is never stored.

use super::spec::SecretSource;

/// One thing to mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Which published list it is of.
    pub kind: VolumeKind,
    /// Where, below the mount root; checked by `spec::mounts::check_relative`.
    pub at: String,
    /// What.
    pub source: Source,
}

/// The published lists, in the order in which they are mounted (reference §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeKind {
    /// `fileServers`.
    FileServer,
    /// `azureFileShares`.
    FileShare,
    /// `azureBlobFileSystems`.
    Blob,
    /// `unmanagedFileSystems`.
    Unmanaged,
}

impl VolumeKind {
    /// Returns the code of the error when it cannot be mounted.
    pub fn error_code(self) -> &'static str {
        match self {
            Self::FileServer => "NFSMountError",
            Self::FileShare => "AZFMountError",
            Self::Blob => "AZBMountError",
            Self::Unmanaged => "UnmanagedMountError",
        }
    }

    /// Returns the beginning of that error's message.
    pub fn error_headline(self) -> &'static str {
        match self {
            Self::FileServer => "Unable to mount file server",
            Self::FileShare => "Unable to mount Azure File",
            Self::Blob => "Unable to mount Azure Blob container",
            Self::Unmanaged => "Unable to mount unmanaged file system",
        }
    }

    /// Says whether what is mounted there is the same on all nodes that mount it.
    pub fn is_shared(self) -> bool {
        match self {
            Self::FileServer | Self::FileShare => true,
            // A file of a blob container is seen by others only when it is closed; of a command we know nothing.
            Self::Blob | Self::Unmanaged => false,
        }
    }
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An NFS export.
    Nfs {
        /// The server.
        host: String,
        /// The absolute path there.
        path: String,
        /// For `mount -o`.
        options: Option<String>,
    },
    /// An SMB share.
    Smb {
        /// The server.
        host: String,
        /// The share.
        share: String,
        /// Who signs in.
        user: String,
        /// With which password.
        password: SecretSource,
        /// For `mount -o`, modes included.
        options: String,
    },
    /// A folder of a host that the node may sign in to.
    Sshfs {
        /// `[user@]host:path`.
        from: String,
        /// For `sshfs -o`.
        options: Option<String>,
    },
    /// A folder that the node has, by whatever means.
    Folder {
        /// Has to be there.
        base: String,
        /// Below it; made when missing.
        below: String,
    },
    /// A command; the path of the mount point is put behind it.
    Command {
        /// For `/bin/sh`.
        command: String,
        /// What it gets in `OSTLER_STORAGE_KEY`.
        key: Option<SecretSource>,
    },
}
