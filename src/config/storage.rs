//! The key `storage_accounts`: what stands in for storage accounts on our nodes.

use std::collections::BTreeMap;

use super::Config;
use crate::model::names::check_host;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field, Fields};
use crate::model::spec::secret_file;
use crate::model::storage::{StandIn, StorageAccount};

#[derive(Clone, Copy)]
enum Kind {
    Nfs,
    Smb,
    Folder,
    Command,
}

const KINDS: [(&str, Kind); 4] =
    [("nfs", Kind::Nfs), ("smb", Kind::Smb), ("folder", Kind::Folder), ("command", Kind::Command)];

/// Takes the table of accounts.
pub(super) fn read(field: &Field<'_>, config: &mut Config, faults: &mut Faults) {
    let Value::Map(entries) = field.value() else {
        return field.fault(faults, "wants a table for each account: `[storage_accounts.NAME]`");
    };
    let mut accounts = BTreeMap::new();
    for entry in entries {
        let item = field.child(&entry.key, &entry.value);
        if let Some(account) = account(&item, faults) {
            accounts.insert(entry.key.to_ascii_lowercase(), account);
        }
    }
    config.settings.storage_accounts = accounts;
}

fn account(field: &Field<'_>, faults: &mut Faults) -> Option<StorageAccount> {
    let mut fields = field.map(faults)?;
    let files = fields.take("files").and_then(|field| part(&field, faults));
    let blobs = fields.take("blobs").and_then(|field| part(&field, faults));
    let both = fields.take("kind").and_then(|kind| stand_in(&kind, &mut fields, faults));
    if files.is_none() && blobs.is_none() && both.is_none() && faults.errors.is_empty() {
        field.fault(faults, "says nothing: give `kind`, or tables `files` and `blobs` with a `kind` each");
    }
    let key = fields.take("key").and_then(|field| secret_file::configured(&field, faults));
    fields.finish_strictly(faults);
    Some(StorageAccount { files: files.or_else(|| both.clone()), blobs: blobs.or(both), key })
}

fn part(field: &Field<'_>, faults: &mut Faults) -> Option<StandIn> {
    let mut fields = field.map(faults)?;
    let kind = fields.need(faults, "kind")?;
    let found = stand_in(&kind, &mut fields, faults);
    fields.finish_strictly(faults);
    found
}

fn stand_in(kind: &Field<'_>, fields: &mut Fields<'_>, faults: &mut Faults) -> Option<StandIn> {
    let absolute = |text: &str| match text.starts_with('/') {
        true => Ok(()),
        false => Err("must be an absolute path".to_owned()),
    };
    Some(match kind.word(faults, &KINDS)? {
        Kind::Nfs => {
            let host = fields.need(faults, "host").and_then(|field| field.checked(faults, check_host));
            let path = fields.need(faults, "path").and_then(|field| field.checked(faults, absolute));
            let options = fields.take("options").and_then(|field| field.text(faults));
            StandIn::Nfs { host: host?, path: path?, options }
        }
        Kind::Smb => {
            let host = fields.need(faults, "host").and_then(|field| field.checked(faults, check_host));
            let user = fields.take("user").and_then(|field| field.text(faults));
            let options = fields.take("options").and_then(|field| field.text(faults));
            StandIn::Smb { host: host?, user, options }
        }
        Kind::Folder => {
            let path = fields.need(faults, "path").and_then(|field| field.checked(faults, absolute));
            StandIn::Folder { path: path? }
        }
        Kind::Command => {
            let command = fields.need(faults, "command").and_then(|field| field.text(faults));
            StandIn::Command { command: command? }
        }
    })
}

/// Returns the table as the file would have it.
pub(super) fn show(config: &Config) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let shown = |stand_in: &StandIn| {
        let mut parts = Vec::new();
        let mut put = |name: &str, value: Option<&str>| {
            parts.extend(value.map(|value| format!("{name} = {}", text(value))));
        };
        match stand_in {
            StandIn::Nfs { host, path, options } => {
                put("kind", Some("nfs"));
                put("host", Some(host));
                put("path", Some(path));
                put("options", options.as_deref());
            }
            StandIn::Smb { host, user, options } => {
                put("kind", Some("smb"));
                put("host", Some(host));
                put("user", user.as_deref());
                put("options", options.as_deref());
            }
            StandIn::Folder { path } => {
                put("kind", Some("folder"));
                put("path", Some(path));
            }
            StandIn::Command { command } => {
                put("kind", Some("command"));
                put("command", Some(command));
            }
        }
        format!("{{ {} }}", parts.join(", "))
    };
    let accounts = config.settings.storage_accounts.iter().map(|(name, account)| {
        let parts = [("files", &account.files), ("blobs", &account.blobs)];
        let mut parts: Vec<_> =
            parts.iter().filter_map(|(part, of)| of.as_ref().map(|of| format!("{part} = {}", shown(of)))).collect();
        if let Some(key) = &account.key {
            let known = ["fromEnv", "fromFile", "fromCommand"];
            let from = key.shown("", "").into_iter().find(|(name, _)| known.contains(&name.as_str()));
            parts.extend(
                from.map(|(name, value)| format!("key = {{ {name} = {} }}", text(value.as_str().unwrap_or_default()))),
            );
        }
        format!("{} = {{ {} }}", text(name), parts.join(", "))
    });
    let accounts = accounts.collect::<Vec<_>>().join(", ");
    if accounts.is_empty() { "{}".to_owned() } else { format!("{{ {accounts} }}") }
}
