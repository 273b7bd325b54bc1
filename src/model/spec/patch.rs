//! What is put into a file before it is read: the storage account and its key in the place of the published placeholders,
//! names that follow from addresses, and the mounts of quick options (reference §5.3). The published recipes leave these
//! out, so this comes before validation. Called by whoever reads a file for a person, with what the options, the
//! environment and the configuration say.

use crate::model::names::shown_char;
use crate::model::spec::doc::{Doc, Place, Value};
use crate::model::spec::fields::{Faults, FileFault, quoted};
use crate::model::spec::secret::SecretText;

/// The published placeholder of the account.
pub const ACCOUNT_PLACEHOLDER: &str = "<AZURE_BATCHAI_STORAGE_ACCOUNT>";
/// The published placeholder of its key.
pub const KEY_PLACEHOLDER: &str = "<AZURE_BATCHAI_STORAGE_KEY>";
/// The environment variable of the account; the same as for the published tools.
pub const ACCOUNT_VARIABLE: &str = "AZURE_BATCHAI_STORAGE_ACCOUNT";
/// The environment variable of its key.
pub const KEY_VARIABLE: &str = "AZURE_BATCHAI_STORAGE_KEY";

/// The storage account that is meant where a file names none.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Its name.
    pub account: Option<String>,
    /// Its key.
    pub key: Option<StorageKey>,
}

/// Where the key of the account comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageKey {
    /// The value, from the environment.
    Value(SecretText),
    /// One of our own forms in a file (`fromEnv`, `fromFile`, `fromCommand`) and what it is set to.
    From(&'static str, String),
}

/// Mounts that options ask for, one of each kind.
#[derive(Clone, Debug, Default)]
pub struct QuickMounts {
    /// The name of a file share and where it is mounted.
    pub share: Option<(String, String)>,
    /// The name of a blob container and where it is mounted.
    pub container: Option<(String, String)>,
    /// A file server and where it is mounted.
    pub server: Option<(String, String)>,
    /// The share and the container of auto storage.
    pub auto: bool,
}

/// Whose file it is: decides where its mounts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// `mountVolumes`.
    Job,
    /// `nodeSetup.mountVolumes`.
    Cluster,
}

impl Whose {
    fn path(self) -> &'static [&'static str] {
        match self {
            Self::Job => &["mountVolumes"],
            Self::Cluster => &["nodeSetup", "mountVolumes"],
        }
    }
}

/// What auto storage mounts (reference §5.3): a share and a container by their published names, of an account that has the
/// name of the published resource group.
const AUTO_ACCOUNT: &str = "batchaiautostorage";
const AUTO_SHARE: &str = "batchaishare";
const AUTO_CONTAINER: &str = "batchaicontainer";

/// Puts account, key, names and quick mounts into a file's tree.
pub fn patch(doc: &mut Doc, whose: Whose, storage: &Storage, quick: &QuickMounts, faults: &mut Faults) {
    add_quick(doc, whose, storage, quick, faults);
    let mut at = match doc.get("properties").is_some() {
        true => doc.get_mut("properties"),
        false => Some(doc),
    };
    for key in whose.path() {
        at = at.and_then(|doc| doc.get_mut(key));
    }
    let Some(volumes) = at else { return };
    let path = whose.path().join(".");
    for list in ["azureFileShares", "azureBlobFileSystems"] {
        let Some(Value::List(items)) = volumes.get_mut(list).map(|doc| &mut doc.value) else { continue };
        for (index, item) in items.iter_mut().enumerate() {
            let mut entry = Entry { item, path: format!("{path}.{list}[{index}]"), storage, faults };
            entry.account();
            entry.address();
            entry.name_from_address();
            entry.key();
        }
    }
}

/// One entry of the two lists that name an account.
struct Entry<'a> {
    item: &'a mut Doc,
    path: String,
    storage: &'a Storage,
    faults: &'a mut Faults,
}

impl Entry<'_> {
    fn text(&self, key: &str) -> Option<String> {
        match self.item.get(key).map(|doc| &doc.value) {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Null | Value::Bool(..) | Value::Number(_) | Value::List(_) | Value::Map(_)) | None => None,
        }
    }

    fn fault(&mut self, key: &str, what: String) {
        let place = self.item.get(key).map_or(self.item.place, |doc| doc.place);
        self.faults.errors.push(FileFault { place, field: format!("{}.{key}", self.path), what });
    }

    fn account(&mut self) {
        self.replace("accountName");
    }

    fn address(&mut self) {
        self.replace("azureFileUrl");
    }

    /// Puts the account into the place of its placeholder.
    fn replace(&mut self, key: &str) {
        let Some(text) = self.text(key).filter(|text| text.contains(ACCOUNT_PLACEHOLDER)) else { return };
        let Some(account) = self.storage.account.clone() else {
            let what = format!(
                "has the placeholder `{ACCOUNT_PLACEHOLDER}`, and no account is set: give --storage-account-name, set \
                 {ACCOUNT_VARIABLE}, or have exactly one account in the configuration"
            );
            self.fault(key, what);
            // One fault is enough: what is read is a name that fits.
            if let Some(doc) = self.item.get_mut(key) {
                doc.value = Value::Text(text.replace(ACCOUNT_PLACEHOLDER, "account"));
            }
            return;
        };
        if let Some(doc) = self.item.get_mut(key) {
            doc.value = Value::Text(text.replace(ACCOUNT_PLACEHOLDER, &account));
        }
    }

    /// The account of a share is the first label of its address.
    fn name_from_address(&mut self) {
        let (Some(address), None) = (self.text("azureFileUrl"), self.text("accountName")) else { return };
        match account_of(&address) {
            Ok(account) => self.item.put("accountName", Value::Text(account.to_owned())),
            Err(why) => {
                self.fault("azureFileUrl", why);
                self.item.put("accountName", Value::Text("account".to_owned()));
            }
        }
    }

    /// The key that a file leaves out, holds the place of, or got back as nothing from `show`.
    fn key(&mut self) {
        let given = self.item.get("credentials").and_then(|doc| doc.get("accountKey")).map(|doc| doc.value.clone());
        let placeholder = given == Some(Value::Text(KEY_PLACEHOLDER.to_owned()));
        let empty = match self.item.get("credentials").map(|doc| &doc.value) {
            None | Some(Value::Null) => true,
            Some(Value::Map(entries)) => entries.iter().all(|entry| entry.value.value == Value::Null),
            Some(Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_)) => false,
        };
        if !placeholder && !empty {
            return;
        }
        let ours = self.storage.account.is_some() && self.text("accountName") == self.storage.account;
        match (&self.storage.key, ours || placeholder) {
            (Some(StorageKey::Value(key)), true) => {
                self.item.put("credentials", Value::Null);
                self.item.put_below(&["credentials", "accountKey"], Value::Text(key.reveal().to_owned()));
            }
            (Some(StorageKey::From(form, value)), true) => {
                self.item.put("credentials", Value::Null);
                self.item.put_below(&["credentials", form], Value::Text(value.clone()));
            }
            (None, _) | (Some(_), false) => {
                if placeholder {
                    let place = self.item.get("credentials").map_or(Place::FLAG, |doc| doc.place);
                    let what = format!(
                        "has the placeholder `{KEY_PLACEHOLDER}`, and no key is set ({KEY_VARIABLE}); the account's own \
                         of the configuration is used, when it needs one"
                    );
                    self.faults.warnings.push(FileFault { place, field: format!("{}.credentials", self.path), what });
                }
                self.item.put("credentials", Value::Null);
            }
        }
    }
}

/// Returns the account that an address of a file share names: the first label of its host.
///
/// # Errors
/// That it is no such address.
pub fn account_of(address: &str) -> Result<&str, String> {
    let form = "the form is https://ACCOUNT.file.core.windows.net/SHARE";
    let bad = || format!("{} is no address of a file share; {form}", quoted(address));
    let rest = address.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http")).ok_or_else(bad)?.1;
    let (host, share) = rest.split_once('/').ok_or_else(bad)?;
    let (account, zone) = host.split_once('.').ok_or_else(bad)?;
    if account.is_empty() || zone.is_empty() || share.trim_matches('/').is_empty() {
        return Err(bad());
    }
    match account.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-')) {
        Some(c) => Err(format!("the account has the character {}; {form}", shown_char(c))),
        None => Ok(account),
    }
}

/// Adds what options ask for behind what the file mounts.
fn add_quick(doc: &mut Doc, whose: Whose, storage: &Storage, quick: &QuickMounts, faults: &mut Faults) {
    let mut add = |list: &'static str, entries: Vec<(&[&str], String)>| {
        let mut item = Doc::empty();
        for (path, text) in entries {
            item.put_below(path, Value::Text(text));
        }
        let mut at = doc.get("properties").or(Some(doc));
        for key in whose.path().iter().chain([&list]) {
            at = at.and_then(|doc| doc.get(key));
        }
        let mut items = match at.map(|doc| &doc.value) {
            Some(Value::List(items)) => items.clone(),
            Some(Value::Null) | None => Vec::new(),
            // What is no list stays: its reader says so.
            Some(Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_)) => return,
        };
        items.push(item);
        let path: Vec<&str> = whose.path().iter().copied().chain([list]).collect();
        doc.put_property(&path, Value::List(items));
    };
    let account = |option: &str, faults: &mut Faults| {
        if storage.account.is_none() {
            let what = format!("{option} needs an account: give --storage-account-name or set {ACCOUNT_VARIABLE}");
            faults.errors.push(FileFault { place: Place::FLAG, field: String::new(), what });
        }
        storage.account.clone()
    };
    if quick.auto {
        let address = format!("https://{AUTO_ACCOUNT}.file.core.windows.net/{AUTO_SHARE}");
        add("azureFileShares", vec![(&["azureFileUrl"], address), (&["relativeMountPath"], "autoafs".to_owned())]);
        let entries: Vec<(&[&str], String)> = vec![
            (&["accountName"], AUTO_ACCOUNT.to_owned()),
            (&["containerName"], AUTO_CONTAINER.to_owned()),
            (&["relativeMountPath"], "autobfs".to_owned()),
        ];
        add("azureBlobFileSystems", entries);
    }
    if let Some((server, path)) = &quick.server {
        let entries: Vec<(&[&str], String)> = vec![
            (&["fileServer", "id"], server.clone()),
            (&["relativeMountPath"], path.clone()),
            (&["mountOptions"], "rw".to_owned()),
        ];
        add("fileServers", entries);
    }
    if let Some((share, path)) = &quick.share
        && let Some(account) = account("--afs-name", faults)
    {
        let address = format!("https://{account}.file.core.windows.net/{share}");
        add("azureFileShares", vec![(&["azureFileUrl"], address), (&["relativeMountPath"], path.clone())]);
    }
    if let Some((container, path)) = &quick.container
        && let Some(account) = account("--bfs-name", faults)
    {
        let entries: Vec<(&[&str], String)> = vec![
            (&["accountName"], account),
            (&["containerName"], container.clone()),
            (&["relativeMountPath"], path.clone()),
        ];
        add("azureBlobFileSystems", entries);
    }
}

#[cfg(test)]
mod tests;
