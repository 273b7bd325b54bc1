//! From `mountVolumes` to what is mounted: accounts are looked up in the configuration, file servers among the resources.
//! What has no stand-in is refused at submission with the key of the configuration that is missing; nothing is ever left
//! out in silence.

use crate::model::fault::Fault;
use crate::model::ids::WorkspaceId;
use crate::model::settings::Settings;
use crate::model::spec::SecretSource;
use crate::model::spec::file_server::Export;
use crate::model::spec::mounts::{
    AzureBlobFileSystem, AzureFileShare, BLOB_OPTIONS_DEFAULT, FileServerMount, MountVolumes, share_of,
};
use crate::model::state::Provisioning;
use crate::model::storage::{StandIn, StorageAccount};
use crate::model::volume::{Source, Volume, VolumeKind};
use crate::sched::Sched;
use crate::transport::frame::quote;

/// Returns what these mounts come to.
///
/// # Errors
/// Everything that cannot be resolved, each with its field.
pub fn resolve(
    sched: &Sched,
    settings: &Settings,
    home: WorkspaceId,
    mounts: &MountVolumes,
) -> Result<Vec<Volume>, Vec<Fault>> {
    let cx = Cx { sched, settings, home };
    let mut faults: Vec<Fault> =
        mounts.check_places().into_iter().map(|(field, why)| Fault::user(format!("mountVolumes.{field}: {why}"))).collect();
    let mut found = Vec::new();
    let mut take = |list: &str, at: usize, kind: VolumeKind, path: &str, source: Result<Source, Fault>| match source {
        Ok(source) => found.push(Volume { kind, at: path.to_owned(), source }),
        Err(mut fault) => {
            fault.message = format!("mountVolumes.{list}[{at}]: {}", fault.message);
            faults.push(fault);
        }
    };
    for (at, mount) in mounts.file_servers.iter().enumerate() {
        take("fileServers", at, VolumeKind::FileServer, &mount.relative_mount_path, cx.file_server(mount));
    }
    for (at, mount) in mounts.azure_file_shares.iter().enumerate() {
        take("azureFileShares", at, VolumeKind::FileShare, &mount.relative_mount_path, cx.share(mount));
    }
    for (at, mount) in mounts.azure_blob_file_systems.iter().enumerate() {
        take("azureBlobFileSystems", at, VolumeKind::Blob, &mount.relative_mount_path, cx.blob(mount));
    }
    for (at, mount) in mounts.unmanaged_file_systems.iter().enumerate() {
        let source = Source::Command { command: mount.mount_command.clone(), key: None };
        take("unmanagedFileSystems", at, VolumeKind::Unmanaged, &mount.relative_mount_path, Ok(source));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

struct Cx<'a> {
    sched: &'a Sched,
    settings: &'a Settings,
    home: WorkspaceId,
}

impl Cx<'_> {
    fn file_server(&self, mount: &FileServerMount) -> Result<Source, Fault> {
        let server = self.sched.file_server(self.home, &mount.file_server).ok_or_else(|| {
            Fault::user(format!("there is no file server `{}`", mount.file_server.escape_debug())).hint(
                "`ostler file-server list` names those that there are; one of another workspace is named by its full id",
            )
        })?;
        match server.provisioning {
            Provisioning::Succeeded | Provisioning::Updating => {}
            state @ (Provisioning::Creating | Provisioning::Failed | Provisioning::Deleting) => {
                return Err(Fault::user(format!("the file server `{}` is {}", server.name, state.word()))
                    .hint(format!("ostler file-server show {}", server.name)));
            }
        }
        let path = match mount.source_directory.as_deref().map(|dir| dir.trim_matches('/')).filter(|dir| !dir.is_empty()) {
            None => server.spec.export.path().to_owned(),
            Some(below) if below.split('/').any(|part| part == "..") => {
                return Err(Fault::user(format!("sourceDirectory: `{}` has `..` in it", below.escape_debug())));
            }
            Some(below) => format!("{}/{below}", server.spec.export.path().trim_end_matches('/')),
        };
        let both = [&server.spec.mount_options, &mount.mount_options];
        let both: Vec<&str> = both.into_iter().flatten().map(String::as_str).filter(|words| !words.is_empty()).collect();
        let options = (!both.is_empty()).then(|| both.join(","));
        Ok(match &server.spec.export {
            Export::Nfs { host, .. } => Source::Nfs { host: host.clone(), path, options },
            Export::Sshfs { host, .. } => Source::Sshfs { from: format!("{host}:{path}"), options },
            Export::Dir { .. } => Source::Folder { base: path, below: String::new() },
        })
    }

    fn share(&self, mount: &AzureFileShare) -> Result<Source, Fault> {
        let (_, share) = share_of(&mount.azure_file_url).map_err(|why| Fault::user(format!("azureFileUrl: {why}")))?;
        let account = self.account(&mount.account_name)?;
        let stand_in = account.files.as_ref().ok_or_else(|| missing(&mount.account_name, "file shares"))?;
        let key = mount.credentials.as_ref().or(account.key.as_ref());
        let modes = format!("file_mode={},dir_mode={}", mount.file_mode, mount.directory_mode);
        of(stand_in, &mount.account_name, share, key, &modes, "")
    }

    fn blob(&self, mount: &AzureBlobFileSystem) -> Result<Source, Fault> {
        let account = self.account(&mount.account_name)?;
        let stand_in = account.blobs.as_ref().ok_or_else(|| missing(&mount.account_name, "blob containers"))?;
        let key = mount.credentials.as_ref().or(account.key.as_ref());
        let options = mount.mount_options.as_deref().unwrap_or(BLOB_OPTIONS_DEFAULT);
        of(stand_in, &mount.account_name, &mount.container_name, key, "", options)
    }

    fn account(&self, name: &str) -> Result<&StorageAccount, Fault> {
        self.settings.storage_accounts.get(&name.to_ascii_lowercase()).ok_or_else(|| missing(name, "anything"))
    }
}

fn missing(account: &str, what: &str) -> Fault {
    let shown = account.escape_debug();
    Fault::user(format!("nothing stands in for {what} of the storage account `{shown}`"))
        .hint(format!("say what does in the configuration, as `storage_accounts.{shown} = {{ kind = \"folder\", path = \"/shared/{shown}\" }}`; kinds: nfs, smb, folder, command"))
}

fn of(
    stand_in: &StandIn,
    account: &str,
    name: &str,
    key: Option<&SecretSource>,
    modes: &str,
    options: &str,
) -> Result<Source, Fault> {
    let escapes = name.is_empty() || name.starts_with('/') || name.split('/').any(|part| part == "..");
    if escapes || name.chars().any(char::is_control) {
        return Err(Fault::user(format!("`{}` is no name of a share or container", name.escape_debug())));
    }
    Ok(match stand_in {
        StandIn::Nfs { host, path, options } => Source::Nfs {
            host: host.clone(),
            path: format!("{}/{name}", path.trim_end_matches('/')),
            options: options.clone(),
        },
        StandIn::Smb { host, user, options } => {
            let password = key.cloned().ok_or_else(|| {
                Fault::user(format!("no key of the storage account `{}`", account.escape_debug()))
                    .hint("give credentials.accountKey in the file, or `key` in the account's entry of the configuration")
            })?;
            let all: Vec<&str> = [Some(modes), options.as_deref()].into_iter().flatten().filter(|o| !o.is_empty()).collect();
            Source::Smb {
                host: host.clone(),
                share: name.to_owned(),
                user: user.clone().unwrap_or_else(|| account.to_owned()),
                password,
                options: all.join(","),
            }
        }
        StandIn::Folder { path } => Source::Folder { base: path.clone(), below: name.to_owned() },
        StandIn::Command { command } => {
            let text = command.replace("{account}", &quote(account)).replace("{name}", &quote(name));
            Source::Command { command: text.replace("{options}", options), key: key.cloned() }
        }
    })
}
