//! What a file server is asked to be: an export that exists, and the published body beside it (reference §4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kept::Kept;

/// How nodes come to the files of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Export {
    /// An NFS export, mounted by `mount -t nfs HOST:PATH`.
    Nfs {
        /// The address that nodes reach it by; checked by `names::check_host`.
        host: String,
        /// The exported directory; absolute.
        path: String,
    },
    /// A directory that nodes mount by `sshfs HOST:PATH`.
    Sshfs {
        /// The destination of ssh, as the nodes would type it; checked by `names::check_host`.
        host: String,
        /// The directory on it; absolute.
        path: String,
    },
    /// A directory that every node has already at the same place (a shared home, a cluster file system).
    Dir {
        /// The directory; absolute.
        path: String,
    },
}

impl Export {
    /// Returns the word for the kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Nfs { .. } => "nfs",
            Self::Sshfs { .. } => "sshfs",
            Self::Dir { .. } => "dir",
        }
    }

    /// Returns the address that nodes reach it by; a directory of the nodes has none.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Nfs { host, .. } | Self::Sshfs { host, .. } => Some(host),
            Self::Dir { .. } => None,
        }
    }

    /// Returns the directory: the published `mountPoint`.
    pub fn path(&self) -> &str {
        match self {
            Self::Nfs { path, .. } | Self::Sshfs { path, .. } | Self::Dir { path } => path,
        }
    }
}

/// What ostler does on the host of a file server, through ssh and, where root is needed, `sudo -n`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Managed {
    /// The destination of ssh by which this machine comes to the host, when that is another than the nodes'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Addresses and networks that may mount it.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Blank disks of the host that are joined as one volume and mounted at the path; none: the directory is what it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

/// Who may mount an export when nobody is named: addresses of private networks (RFC 1918, RFC 4193).
pub const CLIENTS_DEFAULT: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// How a disk is cached (published words).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Caching {
    /// Not at all.
    #[default]
    None,
    /// Reads.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// The published data disks: blank, joined as one volume when there are several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataDisks {
    /// The size of each.
    #[serde(rename = "diskSizeInGB")]
    pub disk_size_in_gb: u32,
    /// How many.
    pub disk_count: u32,
    /// `Standard_LRS` or `Premium_LRS`.
    pub storage_account_type: String,
    /// Their caching.
    #[serde(default)]
    pub caching_type: Caching,
}

/// The published account of whoever administers the server; a password is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminAccount {
    /// The user's name.
    pub admin_user_name: String,
    /// The public key, which is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_user_ssh_public_key: Option<String>,
}

/// The properties of a file server. Immutable once made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileServerSpec {
    /// Where its files are.
    #[schemars(skip)]
    pub export: Export,
    /// Set up by ostler and undone with the file server; an export that exists is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub managed: Option<Managed>,
    /// Given to every mount of it, before the mount's own options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_options: Option<String>,
    /// The address that people reach it by; that of the export when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// A free label of the machine's size; the published property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// Its disks; the published property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_disks: Option<DataDisks>,
    /// Who administers it; the published property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub admin: Option<AdminAccount>,
    /// Addresses that may sign in; the published property. All when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub public_ips_to_allow: Vec<String>,
    /// What the file said beside all this.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    #[schemars(skip)]
    pub kept: Kept,
}

impl FileServerSpec {
    /// Returns a file server that is this export and nothing else.
    pub fn new(export: Export) -> Self {
        Self {
            export,
            managed: None,
            mount_options: None,
            public_address: None,
            vm_size: None,
            data_disks: None,
            admin: None,
            public_ips_to_allow: Vec::new(),
            kept: Kept::default(),
        }
    }

    /// Returns what setting it up does on its host, a line for each act; nothing for an export that exists.
    pub fn acts(&self) -> Vec<String> {
        let Some(managed) = &self.managed else { return Vec::new() };
        let (host, path) = (managed.login.as_deref().or(self.export.host()).unwrap_or_default(), self.export.path());
        let mut acts = Vec::new();
        if !managed.devices.is_empty() {
            if managed.devices.len() > 1 {
                let all = managed.devices.join(" ");
                acts.push(format!("on {host} as root: join the blank disks {all} as one volume (mdadm, RAID 0)"));
            }
            acts.push(format!(
                "on {host} as root: make a file system (ext4) where there is none, mount it at {path}, and at each boot (/etc/fstab)"
            ));
        }
        acts.push(format!("on {host}: make the directory {path} if it is missing"));
        if let Export::Nfs { .. } = self.export {
            let clients = managed.clients.join(", ");
            acts.push(format!(
                "on {host} as root (sudo -n): export {path} by NFS to {clients}, root of the nodes being root there; one that is exported already is left as it is"
            ));
            acts.push("deleting the file server undoes the export; files and volumes stay".to_owned());
        }
        acts
    }

    /// Returns the published `fileServerPublicIP`.
    pub fn public(&self) -> Option<&str> {
        self.public_address.as_deref().or(self.export.host().map(bare))
    }

    /// Returns the published `fileServerInternalIP`: the one that nodes mount it by.
    pub fn internal(&self) -> Option<&str> {
        self.export.host().map(bare)
    }
}

/// An address without the user that ssh signs in as.
fn bare(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// How a mount names a file server: by its name, with a workspace and a group in front, or by its published id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileServerRef<'a> {
    /// The resource group, when one is named.
    pub group: Option<&'a str>,
    /// The workspace, when one is named; that of the mounting cluster or job otherwise.
    pub workspace: Option<&'a str>,
    /// The name, or `fs-3`.
    pub name: &'a str,
}

impl<'a> FileServerRef<'a> {
    /// Reads `NAME`, `WORKSPACE/NAME`, `GROUP/WORKSPACE/NAME` or
    /// `/subscriptions/…/resourceGroups/GROUP/…/workspaces/WORKSPACE/fileServers/NAME`, words without regard to case;
    /// `None` when it is none of them.
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let after = |word: &str| {
            let at = parts.iter().position(|part| part.eq_ignore_ascii_case(word))?;
            parts.get(at + 1).copied()
        };
        if let (Some(workspace), Some(name)) = (after("workspaces"), after("fileServers")) {
            return Some(Self { group: after("resourceGroups"), workspace: Some(workspace), name });
        }
        match parts.as_slice() {
            [name] => Some(Self { group: None, workspace: None, name }),
            [workspace, name] => Some(Self { group: None, workspace: Some(workspace), name }),
            [group, workspace, name] => Some(Self { group: Some(group), workspace: Some(workspace), name }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_in_several_ways() {
        let of = |text| FileServerRef::parse(text).map(|r| (r.group, r.workspace, r.name));
        assert_eq!(of("data"), Some((None, None, "data")));
        assert_eq!(of("lab/data"), Some((None, Some("lab"), "data")));
        assert_eq!(of("g/lab/data"), Some((Some("g"), Some("lab"), "data")));
        let id = "/subscriptions/0/resourceGroups/g/providers/Microsoft.BatchAI/workspaces/lab/fileservers/data";
        assert_eq!(of(id), Some((Some("g"), Some("lab"), "data")));
        assert_eq!(of(""), None);
        assert_eq!(of("a/b/c/d"), None);
    }

    #[test]
    fn addresses_have_no_user() {
        let export = Export::Sshfs { host: "ci@nas".to_owned(), path: "/srv".to_owned() };
        let spec = FileServerSpec::new(export);
        assert_eq!((spec.public(), spec.internal()), (Some("nas"), Some("nas")));
        assert_eq!(FileServerSpec::new(Export::Dir { path: "/home".to_owned() }).internal(), None);
    }
}
