//! Reads what is mounted: the published `mountVolumes`, the same for a cluster and for a job. Called by their readers.

use crate::model::spec::doc::Place;
use crate::model::spec::fields::{Faults, Field, Fields};
use crate::model::spec::mounts::{
    AzureBlobFileSystem, AzureFileShare, FileServerMount, MODE_DEFAULT, MountVolumes, UnmanagedFileSystem, share_of,
};
use crate::model::spec::secret::SecretSource;
use crate::model::spec::secret_file;

/// The longest mount command, in bytes: a line of a person, not a script.
const MOUNT_COMMAND_BYTES_MAX: usize = 8 << 10;

/// Reads `mountVolumes`.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> MountVolumes {
    let before = faults.errors.len();
    let Some(mut inner) = field.map(faults) else { return MountVolumes::default() };
    let volumes = MountVolumes {
        azure_file_shares: each(&mut inner, "azureFileShares", faults, share),
        azure_blob_file_systems: each(&mut inner, "azureBlobFileSystems", faults, blob),
        file_servers: each(&mut inner, "fileServers", faults, file_server),
        unmanaged_file_systems: each(&mut inner, "unmanagedFileSystems", faults, unmanaged),
    };
    inner.finish(faults);
    // With a fault in one of them the places of the others may have moved.
    if faults.errors.len() == before {
        for (name, what) in volumes.check_places() {
            field.fault_of(faults, &name, what);
        }
    }
    volumes
}

fn each<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    faults: &mut Faults,
    read: impl Fn(&mut Fields<'_>, &mut Faults) -> Option<T>,
) -> Vec<T> {
    let Some(list) = fields.take(key) else { return Vec::new() };
    let mut found = Vec::new();
    for item in list.list(faults) {
        let Some(mut inner) = item.map(faults) else { continue };
        found.extend(read(&mut inner, faults));
        inner.finish(faults);
    }
    found
}

fn text(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    fields.take(key).and_then(|field| field.text(faults))
}

fn relative(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<String> {
    let path = fields.need(faults, "relativeMountPath")?.text(faults)?;
    // One slash at the end is the same folder.
    Some(path.strip_suffix('/').filter(|path| !path.is_empty()).map_or(path.clone(), str::to_owned))
}

fn share(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<AzureFileShare> {
    let account = text(fields, "accountName", faults);
    let url = fields.need(faults, "azureFileUrl").and_then(|field| {
        // What was said when the account was filled in is not said again.
        let told = field.place() != Place::FLAG && faults.errors.iter().any(|fault| fault.place == field.place());
        if told { None } else { field.checked(faults, |url| share_of(url).map(|_| ())) }
    });
    let credentials = credentials(fields, faults);
    let path = relative(fields, faults);
    let mut mode = |key| {
        let checked = fields.take(key).map(|field| octal(&field, faults));
        checked.unwrap_or_else(|| Some(MODE_DEFAULT.to_owned()))
    };
    let (file_mode, directory_mode) = (mode("fileMode"), mode("directoryMode"));
    let url = url?;
    let account = account.or_else(|| share_of(&url).ok().map(|(account, _)| account.to_owned()));
    Some(AzureFileShare {
        account_name: account?,
        azure_file_url: url,
        credentials,
        relative_mount_path: path?,
        file_mode: file_mode?,
        directory_mode: directory_mode?,
    })
}

/// A mode as the published files write it: octal digits, in a text or as a number.
fn octal(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    let mode = field.scalar(faults)?;
    let digits = mode.strip_prefix("0o").unwrap_or(&mode);
    if (3..=5).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return Some(format!("0{}", digits.trim_start_matches('0')));
    }
    field.fault(faults, "wants an octal mode, as `0777`");
    None
}

fn blob(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<AzureBlobFileSystem> {
    let account = fields.need(faults, "accountName").and_then(|field| field.text(faults));
    let container = fields.need(faults, "containerName").and_then(|field| field.text(faults));
    let credentials = credentials(fields, faults);
    let path = relative(fields, faults);
    let mount_options = text(fields, "mountOptions", faults);
    Some(AzureBlobFileSystem {
        account_name: account?,
        container_name: container?,
        credentials,
        relative_mount_path: path?,
        mount_options,
    })
}

fn file_server(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<FileServerMount> {
    let server = fields.need(faults, "fileServer").and_then(|field| field.id(faults)).and_then(|id| id.text(faults));
    let path = relative(fields, faults);
    let source_directory = text(fields, "sourceDirectory", faults);
    let mount_options = text(fields, "mountOptions", faults);
    Some(FileServerMount { file_server: server?, relative_mount_path: path?, source_directory, mount_options })
}

fn unmanaged(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<UnmanagedFileSystem> {
    let command = fields.need(faults, "mountCommand").and_then(|field| {
        field.checked(faults, |command| match command.len() {
            _ if command.trim().is_empty() => Err("is empty; there is nothing to run".to_owned()),
            length if length > MOUNT_COMMAND_BYTES_MAX => {
                Err(format!("has {length} bytes, the limit is {MOUNT_COMMAND_BYTES_MAX}"))
            }
            _ => Ok(()),
        })
    });
    let path = relative(fields, faults);
    Some(UnmanagedFileSystem { mount_command: command?, relative_mount_path: path? })
}

fn credentials(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<SecretSource> {
    let mut inner = fields.take("credentials")?.map(faults)?;
    let source = secret_file::source(&mut inner, "accountKey", "accountKeySecretReference", faults);
    inner.finish(faults);
    source
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::doc::Doc;

    fn read_text(text: &str) -> (MountVolumes, Vec<String>) {
        let doc = Doc::parse("x.json", text.as_bytes()).unwrap();
        let mut faults = Faults::default();
        let volumes = read(&Field::root(&doc), &mut faults);
        (volumes, faults.errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_kind_is_read_with_its_defaults() {
        let (volumes, faults) = read_text(
            r#"{
            "azureFileShares": [{"azureFileUrl": "https://acc.file.core.windows.net/share", "relativeMountPath": "afs/"}],
            "azureBlobFileSystems": [{"accountName": "acc", "containerName": "c", "relativeMountPath": "bfs", "mountOptions": null}],
            "fileServers": [{"fileServer": {"id": "/x/fileServers/nfs1"}, "relativeMountPath": "nfs", "sourceDirectory": "d", "mountOptions": "rw"}],
            "unmanagedFileSystems": [{"mountCommand": "mount -t glusterfs 10.0.0.4:/gv0", "relativeMountPath": "gv"}]
            }"#,
        );
        assert_eq!(faults, Vec::<String>::new());
        let share = &volumes.azure_file_shares[0];
        assert_eq!((share.account_name.as_str(), share.relative_mount_path.as_str()), ("acc", "afs"));
        assert_eq!((share.file_mode.as_str(), share.directory_mode.as_str()), ("0777", "0777"));
        assert_eq!(volumes.azure_blob_file_systems[0].mount_options, None);
        assert_eq!(volumes.file_servers[0].source_directory.as_deref(), Some("d"));
        assert_eq!(volumes.unmanaged_file_systems[0].mount_command, "mount -t glusterfs 10.0.0.4:/gv0");
    }

    #[test]
    fn all_faults_are_said_at_once() {
        let (_, faults) = read_text(
            r#"{"azureFileShares": [{"azureFileUrl": "share", "relativeMountPath": "a", "fileMode": "0999"}],
                "unmanagedFileSystems": [{"relativeMountPath": "b"}, {"mountCommand": " ", "relativeMountPath": "b"}]}"#,
        );
        assert_eq!(faults.len(), 4, "{faults:#?}");
        let (_, faults) = read_text(
            r#"{"fileServers": [{"fileServer": "a", "relativeMountPath": "x"}],
                "unmanagedFileSystems": [{"mountCommand": "m", "relativeMountPath": "x"},
                    {"mountCommand": "m", "relativeMountPath": "../y"}, {"mountCommand": "m", "relativeMountPath": "/z"}]}"#,
        );
        assert_eq!(faults.len(), 3, "{faults:#?}");
        assert!(faults[0].contains("is also that of fileServers[0]"), "{faults:#?}");
    }
}
