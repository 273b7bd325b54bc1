//! Reads what the published cluster says of its machines. All of it is kept; what has no effect on machines that exist is
//! said. Called by the readers of clusters and file servers.

use std::collections::BTreeMap;

use crate::model::spec::fields::{Faults, Field, Fields, quoted};
use crate::model::spec::job_file::named_count;
use crate::model::spec::machine::{
    IdRef, ImageReference, Machines, UserAccountSettings, VM_PRIORITIES, VirtualMachineConfiguration, VmPriority,
};

/// The beginnings of public keys as OpenSSH writes them.
const KEY_KINDS: &[&str] = &["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
/// The longest account name that useradd takes.
const ACCOUNT_CHARS_MAX: usize = 32;

/// Reads everything about the machines of a cluster.
pub(super) fn read(fields: &mut Fields<'_>, faults: &mut Faults) -> Machines {
    let vm_priority = fields.take("vmPriority").and_then(|field| {
        let priority = field.word(faults, &VM_PRIORITIES)?;
        // Programs and interfaces are told, and may get machines that can be taken away.
        let told = fields.had("hooks") || fields.had("api");
        if priority == VmPriority::LowPriority && !told {
            field.warn(faults, "is kept as a label: the nodes are machines that exist, and nobody takes them away");
        }
        Some(priority)
    });
    let image = fields.take("virtualMachineConfiguration").and_then(|field| image(&field, faults));
    let account = fields.take("userAccountSettings").and_then(|field| account(&field, faults));
    Machines {
        vm_priority: vm_priority.unwrap_or_default(),
        virtual_machine_configuration: image,
        user_account_settings: account,
        subnet: subnet(fields, faults),
        node_resources: fields.take("nodeResources").map(|field| counts(&field, faults)).unwrap_or_default(),
        preemption: fields.take("preemption").and_then(|field| field.truth(faults)).unwrap_or_default(),
    }
}

fn counts(field: &Field<'_>, faults: &mut Faults) -> BTreeMap<String, u64> {
    let entries = field.entries(faults);
    entries.iter().filter_map(|(name, value)| named_count(name, value, faults)).collect()
}

/// Reads `subnet`.
pub(super) fn subnet(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<IdRef> {
    let field = fields.take("subnet")?;
    let id = field.id(faults)?.text(faults)?;
    field.warn(faults, "is kept as a label: the nodes are machines that exist, with the network they have");
    Some(IdRef { id })
}

fn image(field: &Field<'_>, faults: &mut Faults) -> Option<VirtualMachineConfiguration> {
    let mut inner = field.map(faults)?;
    let reference = inner.take("imageReference").and_then(|field| {
        let mut inner = field.map(faults)?;
        let mut need = |key, faults: &mut Faults| inner.need(faults, key).and_then(|field| field.text(faults));
        let (publisher, offer, sku) = (need("publisher", faults), need("offer", faults), need("sku", faults));
        let version = inner.take("version").and_then(|field| field.scalar(faults));
        let virtual_machine_image_id = inner.take("virtualMachineImageId").and_then(|field| field.text(faults));
        inner.finish(faults);
        Some(ImageReference { publisher: publisher?, offer: offer?, sku: sku?, version, virtual_machine_image_id })
    });
    inner.finish(faults);
    field.warn(faults, "is kept as a label: the nodes are machines that exist, with the system they have");
    Some(VirtualMachineConfiguration { image_reference: reference })
}

/// Reads `userAccountSettings`.
pub(super) fn account(field: &Field<'_>, faults: &mut Faults) -> Option<UserAccountSettings> {
    let before = faults.errors.len();
    let mut inner = field.map(faults)?;
    let name = inner.need(faults, "adminUserName").and_then(|field| {
        let name = field.checked(faults, check_account)?;
        if name.eq_ignore_ascii_case("admin") {
            field.warn(faults, "`admin` was refused by the service, whose nodes have a group of that name");
        }
        Some(name)
    });
    let key = inner.take("adminUserSshPublicKey").and_then(|field| {
        let text = field.text(faults)?.trim().to_owned();
        if !KEY_KINDS.iter().any(|kind| text.starts_with(kind)) {
            field.warn(faults, "is no public key as OpenSSH writes it (`ssh-ed25519 AAAA… name`)");
        }
        Some(text)
    });
    let password = inner.take("adminUserPassword").and_then(|field| {
        field.text(faults)?;
        field.warn(faults, "is accepted and not kept: sign-in is ssh's own matter, and nothing here uses a password");
        Some(())
    });
    inner.finish(faults);
    if key.is_none() && password.is_none() && faults.errors.len() == before {
        field.warn(faults, "has neither `adminUserSshPublicKey` nor `adminUserPassword`; the service demanded one of them");
    }
    field.warn(
        faults,
        "is kept as a label: sign-in is ssh's own matter (your ~/.ssh/config, or `user@host` in the list of hosts)",
    );
    Some(UserAccountSettings { admin_user_name: name?, admin_user_ssh_public_key: key })
}

fn check_account(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.chars().all(fits) || name.len() > ACCOUNT_CHARS_MAX {
        return Err(format!(
            "{} is no name of an account: 1 to 32 letters, digits, -, _ and ., the first a letter or _",
            quoted(name)
        ));
    }
    Ok(())
}
