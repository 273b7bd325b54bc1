//! Reads a file server from a file: the published body, with or without the `properties` level, and our own additions
//! (`name`, `workspace`, `host`, `path`, `export`, `setUp`, `login`, `clients`, `devices`, `mountOptions`, `publicAddress`). What a published answer says of
//! its address and mount point is taken for `host` and `path` when those are absent.

use crate::model::names::{check_host, check_name};
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::{Faults, Field, Fields};
use crate::model::spec::file_server::{AdminAccount, CLIENTS_DEFAULT, Caching, DataDisks, Export, FileServerSpec, Managed};

/// The most entries of `publicIPsToAllow` (published).
pub const ALLOWED_MAX: usize = 400;
/// The largest disk that a body may name, in GB: a bound against slips of the keyboard, far above any disk.
const DISK_GB_MAX: u32 = 1_000_000;
/// The most disks that a body may name.
const DISKS_MAX: u32 = 1_000;
/// The longest path (PATH_MAX of Linux, with its NUL).
const PATH_BYTES_MAX: usize = 4095;

/// What published answers hold beside what was asked for.
const READ_ONLY: &[&str] = &[
    "$schema",
    "comment",
    "id",
    "type",
    "apiVersion",
    "resourceId",
    "location",
    "resourceGroup",
    "creationTime",
    "provisioningState",
    "provisioningStateTransitionTime",
    "errors",
    "mountedBy",
];

/// A file server as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileServerFile {
    /// Its name, when the file gives one; ours.
    pub name: Option<String>,
    /// Its workspace, when the file gives one; ours.
    pub workspace: Option<String>,
    /// What it is to be.
    pub spec: FileServerSpec,
}

#[derive(Clone, Copy)]
enum Kind {
    Nfs,
    Sshfs,
    Dir,
}

impl FileServerFile {
    /// Reads a file server; `None` when a fault was noted.
    pub fn read(doc: &Doc, faults: &mut Faults) -> Option<Self> {
        let before = faults.errors.len();
        let mut top = Field::root(doc).map(faults)?;
        top.ignore(READ_ONLY);
        let mut name = name_of(&mut top, "name", faults);
        let mut workspace = name_of(&mut top, "workspace", faults);
        let spec = match top.take("properties") {
            Some(properties) => {
                let mut inner = properties.map(faults)?.at_top();
                inner.ignore(READ_ONLY);
                name = name_of(&mut inner, "name", faults).or(name);
                workspace = name_of(&mut inner, "workspace", faults).or(workspace);
                top.finish(faults);
                read_properties(inner, faults)
            }
            None => read_properties(top, faults),
        };
        faults.sort();
        let kept = std::mem::take(&mut faults.kept);
        let spec = FileServerSpec { kept, ..spec? };
        (faults.errors.len() == before).then_some(Self { name, workspace, spec })
    }
}

fn name_of(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    fields.take(key).and_then(|field| field.checked(faults, check_name))
}

fn read_properties(mut fields: Fields<'_>, faults: &mut Faults) -> Option<FileServerSpec> {
    let (seen_host, seen_path, seen_public) = mount_settings(&mut fields, faults);
    let export = export(&mut fields, seen_host, seen_path, faults);
    let managed = managed(&mut fields, faults);
    let mount_options = fields.take("mountOptions").and_then(|field| field.checked(faults, check_options));
    let public_address = fields.take("publicAddress").and_then(|field| field.checked(faults, check_host)).or(seen_public);
    let vm_size = fields.take("vmSize").and_then(|field| field.text(faults));
    let data_disks = fields.take("dataDisks").and_then(|field| disks(&field, faults));
    let (admin, public_ips_to_allow) = match fields.take("sshConfiguration") {
        Some(field) => ssh_configuration(&field, faults),
        None => (None, Vec::new()),
    };
    if let Some(field) = fields.clone().take("subnet") {
        field.warn(faults, "is not used: the server is a machine that exists");
    }
    fields.keep(&["subnet"], faults);
    fields.finish(faults);
    Some(FileServerSpec {
        managed,
        mount_options,
        public_address,
        vm_size,
        data_disks,
        admin,
        public_ips_to_allow,
        ..FileServerSpec::new(export?)
    })
}

/// The most clients and disks that a body may name: what a line of `exports` is read for.
const WORDS_MAX: usize = 100;

/// What is done on the host: `setUp`, and with it `login`, `clients` and `devices`.
fn managed(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Managed> {
    let wanted = fields.take("setUp").and_then(|field| field.truth(faults)).unwrap_or(false);
    let login = fields.take("login").and_then(|field| field.checked(faults, check_host));
    let mut words = |key: &'static str, check: fn(&str) -> Result<(), String>| {
        let Some(field) = fields.take(key) else { return Vec::new() };
        let list = field.list(faults);
        if list.len() > WORDS_MAX {
            field.fault(faults, format!("has {} entries, the limit is {WORDS_MAX}", list.len()));
        }
        list.iter().filter_map(|item| item.checked(faults, check)).collect::<Vec<_>>()
    };
    let (mut clients, devices) = (words("clients", check_client), words("devices", check_device));
    if clients.is_empty() {
        clients = CLIENTS_DEFAULT.map(str::to_owned).to_vec();
    }
    wanted.then_some(Managed { login, clients, devices })
}

/// Checks who may mount an export: a host, an address, a network, or `*`.
///
/// # Errors
/// What does not fit.
pub fn check_client(client: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '-' | '_' | '*');
    match client.is_empty() || client.starts_with('-') || !client.chars().all(fits) {
        true => Err(format!("`{}` is no host, address or network", client.escape_debug())),
        false => Ok(()),
    }
}

/// Checks the name of a disk: a path below `/dev`.
///
/// # Errors
/// What does not fit.
pub fn check_device(device: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | ':' | '-' | '_' | '+' | '=');
    let below =
        device.strip_prefix("/dev/").is_some_and(|rest| !rest.is_empty() && !rest.split('/').any(|part| part == ".."));
    match below && device.chars().all(fits) {
        true => Ok(()),
        false => Err(format!("`{}` is no path of a disk below /dev", device.escape_debug())),
    }
}

type Seen = (Option<String>, Option<String>, Option<String>);

/// What a published answer says of a server that was there: internal address, mount point, public address.
fn mount_settings(fields: &mut Fields<'_>, faults: &mut Faults) -> Seen {
    let Some(mut inner) = fields.take("mountSettings").and_then(|field| field.map(faults)) else {
        return (None, None, None);
    };
    let host = inner.take("fileServerInternalIP").and_then(|field| field.checked(faults, check_host));
    let path = inner.take("mountPoint").and_then(|field| field.checked(faults, check_export_path));
    let public = inner.take("fileServerPublicIP").and_then(|field| field.checked(faults, check_host));
    inner.finish(faults);
    (host, path, public)
}

fn export(
    fields: &mut Fields<'_>,
    seen_host: Option<String>,
    seen_path: Option<String>,
    faults: &mut Faults,
) -> Option<Export> {
    let before = faults.errors.len();
    let kind = match fields.take("export") {
        Some(field) => field.word(faults, &[("nfs", Kind::Nfs), ("sshfs", Kind::Sshfs), ("dir", Kind::Dir)])?,
        None => Kind::Nfs,
    };
    let host_field = fields.take("host");
    if let (Kind::Dir, Some(field)) = (kind, &host_field) {
        field.fault(faults, "has no meaning with the export `dir`, a directory that every node has");
    }
    let host = host_field.and_then(|field| field.checked(faults, check_host)).or(seen_host);
    let path = fields.take("path").and_then(|field| field.checked(faults, check_export_path)).or(seen_path);
    if faults.errors.len() > before {
        return None;
    }
    match (kind, host, path) {
        (Kind::Nfs, Some(host), Some(path)) => Some(Export::Nfs { host, path }),
        (Kind::Sshfs, Some(host), Some(path)) => Some(Export::Sshfs { host, path }),
        (Kind::Dir, _, Some(path)) => Some(Export::Dir { path }),
        (Kind::Nfs | Kind::Sshfs | Kind::Dir, _, _) => {
            fields.whole().fault(
                faults,
                "has no export: give `host` and `path` (with `setUp: true` ostler exports it there), or `export: dir` and `path`",
            );
            None
        }
    }
}

/// Checks the directory of an export: absolute, without `..`, in one line.
///
/// # Errors
/// What does not fit.
pub fn check_export_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("`{}` is not absolute", path.escape_debug()));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(format!("`{}` goes up with `..`", path.escape_debug()));
    }
    if let Some(c) = path.chars().find(|c| c.is_control()) {
        return Err(format!("the path has the character U+{:04X}", u32::from(c)));
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(format!("the path has {} bytes, the limit is {PATH_BYTES_MAX}", path.len()));
    }
    Ok(())
}

/// Checks options of `mount -o`: one word that begins with no `-`.
///
/// # Errors
/// What does not fit.
pub fn check_options(options: &str) -> Result<(), String> {
    if options.starts_with('-') {
        return Err(format!("`{}` begins with `-`; give what follows `mount -o`", options.escape_debug()));
    }
    match options.chars().find(|c| c.is_whitespace() || c.is_control()) {
        Some(c) => Err(format!("the options have the character U+{:04X}; give `a,b=c`", u32::from(c))),
        None => Ok(()),
    }
}

fn disks(field: &Field<'_>, faults: &mut Faults) -> Option<DataDisks> {
    let mut inner = field.map(faults)?;
    let size = inner.need(faults, "diskSizeInGB").and_then(|field| field.count(faults, 1, DISK_GB_MAX));
    let count = inner.need(faults, "diskCount").and_then(|field| field.count(faults, 1, DISKS_MAX));
    let kinds = [("Standard_LRS", "Standard_LRS"), ("Premium_LRS", "Premium_LRS")];
    let kind = inner.need(faults, "storageAccountType").and_then(|field| field.word(faults, &kinds));
    let words = [("none", Caching::None), ("readonly", Caching::ReadOnly), ("readwrite", Caching::ReadWrite)];
    let caching = inner.take("cachingType").and_then(|field| field.word(faults, &words));
    inner.finish(faults);
    Some(DataDisks {
        disk_size_in_gb: size?,
        disk_count: count?,
        storage_account_type: kind?.to_owned(),
        caching_type: caching.unwrap_or_default(),
    })
}

fn ssh_configuration(field: &Field<'_>, faults: &mut Faults) -> (Option<AdminAccount>, Vec<String>) {
    let Some(mut inner) = field.map(faults) else { return (None, Vec::new()) };
    let admin = inner.take("userAccountSettings").and_then(|field| account(&field, faults));
    let mut allowed = Vec::new();
    if let Some(list) = inner.take("publicIPsToAllow") {
        allowed.extend(list.list(faults).iter().filter_map(|item| item.text(faults)));
        if allowed.len() > ALLOWED_MAX {
            list.fault(faults, format!("has {} addresses, the limit is {ALLOWED_MAX}", allowed.len()));
        }
    }
    inner.finish(faults);
    (admin, allowed)
}

fn account(field: &Field<'_>, faults: &mut Faults) -> Option<AdminAccount> {
    let mut inner = field.map(faults)?;
    let name = inner.need(faults, "adminUserName").and_then(|field| field.text(faults));
    let key = inner.take("adminUserSshPublicKey").and_then(|field| field.text(faults));
    if let Some(field) = inner.take("adminUserPassword") {
        field.warn(faults, "is not kept: ostler signs in to no server with a password");
    }
    inner.finish(faults);
    Some(AdminAccount { admin_user_name: name?, admin_user_ssh_public_key: key })
}

#[cfg(test)]
mod tests;
