//! What is mounted on nodes: the published object, the same for a cluster and for a job (reference §5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{AccountKeyForm, RefForm};
use super::secret::SecretSource;
use crate::model::rare::Nothing;

/// The options of blobfuse when the file names none (reference §5.2).
pub const BLOB_OPTIONS_DEFAULT: &str = "--use-https=true -o big_writes -o max_read=131072 -o max_write=131072 \
    -o attr_timeout=240 -o fsname=blobfuse -o kernel_cache -o entry_timeout=240 -o negative_timeout=120 -o allow_other";
/// The longest path below a mount root, in bytes: with the longest root it stays far below what Linux takes (4096).
pub const RELATIVE_PATH_BYTES_MAX: usize = 512;

/// The mode of files and of directories on a file share when the file names none (published default).
pub const MODE_DEFAULT: &str = "0777";

/// What is mounted, below `$AZ_BATCHAI_MOUNT_ROOT` for a cluster and `$AZ_BATCHAI_JOB_MOUNT_ROOT` for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Nothing is mounted.
pub static NO_MOUNTS: MountVolumes = MountVolumes {
    azure_file_shares: Vec::new(),
    azure_blob_file_systems: Vec::new(),
    file_servers: Vec::new(),
    unmanaged_file_systems: Vec::new(),
};

impl Nothing for MountVolumes {
    fn nothing() -> &'static Self {
        &NO_MOUNTS
    }
}

impl MountVolumes {
    /// Says whether there is nothing to mount.
    pub fn is_empty(&self) -> bool {
        self.azure_file_shares.is_empty()
            && self.azure_blob_file_systems.is_empty()
            && self.file_servers.is_empty()
            && self.unmanaged_file_systems.is_empty()
    }

    /// Returns every path below the mount root, with the field that names it.
    pub fn places<'a>(&'a self) -> Vec<(String, &'a str)> {
        let shares = self.azure_file_shares.iter().map(|mount| &mount.relative_mount_path);
        let blobs = self.azure_blob_file_systems.iter().map(|mount| &mount.relative_mount_path);
        let servers = self.file_servers.iter().map(|mount| &mount.relative_mount_path);
        let others = self.unmanaged_file_systems.iter().map(|mount| &mount.relative_mount_path);
        let named = |list: &'static str| move |(at, path): (usize, &'a String)| (format!("{list}[{at}]"), path.as_str());
        let mut found: Vec<_> = shares.enumerate().map(named("azureFileShares")).collect();
        found.extend(blobs.enumerate().map(named("azureBlobFileSystems")));
        found.extend(servers.enumerate().map(named("fileServers")));
        found.extend(others.enumerate().map(named("unmanagedFileSystems")));
        found
    }

    /// Returns what is wrong with the paths: those that leave the mount root, and those that are the same or lie inside one
    /// another. With each the field that it is about.
    pub fn check_places(&self) -> Vec<(String, String)> {
        let places = self.places();
        let mut faults = Vec::new();
        for (at, (field, path)) in places.iter().enumerate() {
            if let Err(why) = check_relative(path) {
                faults.push((format!("{field}.relativeMountPath"), why));
                continue;
            }
            let inside = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
            let earlier = places[..at].iter().find(|(_, other)| inside(path, other) || inside(other, path));
            if let Some((other, there)) = earlier {
                let how = if there == path { "is also that of" } else { "overlaps with that of" };
                faults.push((format!("{field}.relativeMountPath"), format!("`{path}` {how} {other}")));
            }
        }
        faults
    }

    /// Says whether a path below the mount root (it begins with `/`) is on one of these mounts.
    pub fn covers(&self, below_root: &str) -> bool {
        let path = below_root.trim_start_matches('/');
        let on = |mount: &str| path == mount || path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'));
        self.places().iter().any(|(_, mount)| on(mount))
    }
}

/// A file share. What stands in for it on our nodes is set for its account in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureFileShare {
    /// The storage account.
    #[schemars(with = "Option<String>")]
    pub account_name: String,
    /// `https://{account}.file.core.windows.net/{share}`.
    pub azure_file_url: String,
    /// The account's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AccountKeyForm>")]
    pub credentials: Option<SecretSource>,
    /// Below the mount root; never absolute, never with `..`.
    pub relative_mount_path: String,
    /// The mode of files, octal.
    #[schemars(with = "Option<String>")]
    pub file_mode: String,
    /// The mode of directories, octal.
    #[schemars(with = "Option<String>")]
    pub directory_mode: String,
}

/// A blob container. What stands in for it on our nodes is set for its account in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureBlobFileSystem {
    /// The storage account.
    pub account_name: String,
    /// The container.
    pub container_name: String,
    /// The account's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AccountKeyForm>")]
    pub credentials: Option<SecretSource>,
    /// Below the mount root; never absolute, never with `..`.
    pub relative_mount_path: String,
    /// Options of blobfuse; the documented ones when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_options: Option<String>,
}

/// A file server, or a directory of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileServerMount {
    /// Its name, or its full id when it is in another workspace.
    #[schemars(with = "RefForm")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnmanagedFileSystem {
    /// The command; the mount path is put behind it.
    pub mount_command: String,
    /// Below the mount root; never absolute, never with `..`.
    pub relative_mount_path: String,
}

/// Checks a path below a mount root.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn check_relative(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("is empty; it names a folder below the mount root".to_owned());
    }
    if path.starts_with('/') {
        return Err("must not be absolute; it is a path below the mount root".to_owned());
    }
    if path.len() > RELATIVE_PATH_BYTES_MAX {
        return Err(format!("has {} bytes, the limit is {RELATIVE_PATH_BYTES_MAX}", path.len()));
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("must not have `..`, `.` or an empty part".to_owned());
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err("must not have control characters or backslashes".to_owned());
    }
    Ok(())
}

/// Returns the share that a published address names: `https://{account}.file.core.windows.net/{share}`.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn share_of(url: &str) -> Result<(&str, &str), String> {
    let bad = || "is no address of a share; the form is https://ACCOUNT.file.core.windows.net/SHARE".to_owned();
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or_else(bad)?;
    let (host, share) = rest.split_once('/').ok_or_else(bad)?;
    let account = host.split('.').next().filter(|account| !account.is_empty()).ok_or_else(bad)?;
    let share = share.trim_matches('/');
    check_relative(share).map_err(|_| bad())?;
    Ok((account, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmanaged(paths: &[&str]) -> MountVolumes {
        let mount =
            |path: &&str| UnmanagedFileSystem { mount_command: "mount".into(), relative_mount_path: (*path).to_owned() };
        MountVolumes { unmanaged_file_systems: paths.iter().map(mount).collect(), ..MountVolumes::default() }
    }

    #[test]
    fn paths_stay_below_the_root_and_apart() {
        for path in ["a", "a/b", "a b", "ä"] {
            assert_eq!(check_relative(path), Ok(()), "{path}");
        }
        for path in ["", "/a", "..", "a/../b", "a//b", "./a", "a/", "a\nb", "a\\b"] {
            assert!(check_relative(path).is_err(), "{path}");
        }
        assert!(unmanaged(&["a", "ab", "b/a"]).check_places().is_empty());
        for (paths, other) in [(["a", "a"], "is also"), (["a", "a/b"], "overlaps with"), (["a/b", "a"], "overlaps with")] {
            let faults = unmanaged(&paths).check_places();
            assert_eq!(faults.len(), 1, "{paths:?}");
            assert_eq!(faults[0].0, "unmanagedFileSystems[1].relativeMountPath");
            assert!(faults[0].1.contains(other), "{faults:?}");
        }
    }

    #[test]
    fn a_path_is_on_a_mount_or_not() {
        let mounts = unmanaged(&["nfs", "a/b"]);
        for (path, on) in [("/nfs", true), ("/nfs/x", true), ("/nfsx", false), ("/a", false), ("/a/b/c", true), ("", false)]
        {
            assert_eq!(mounts.covers(path), on, "{path}");
        }
    }

    #[test]
    fn shares_are_read_from_their_address() {
        assert_eq!(share_of("https://acc.file.core.windows.net/share"), Ok(("acc", "share")));
        assert_eq!(share_of("https://acc.file.core.windows.net/share/"), Ok(("acc", "share")));
        for url in ["", "share", "https://acc", "https:///share", "https://acc.x/", "https://acc.x/../s"] {
            assert!(share_of(url).is_err(), "{url}");
        }
    }
}
