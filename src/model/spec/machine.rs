//! What the published cluster says of its machines (reference §3.1, §3.5). The nodes here are machines that exist, so these
//! are labels: kept, shown and exported, and without effect on the machines. Only `vmSize` may choose a node class.
//!
//! Decision 2026-11: an image that the file does not name is not filled in (the service filled in Ubuntu 16.04): it would
//! be a statement about machines that nobody looked at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::AccountForm;

/// The published `vmPriority`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VmPriority {
    /// Nodes stay until they are released.
    #[default]
    Dedicated,
    /// Spare capacity that may be taken away at any moment.
    LowPriority,
}

/// The words for [`VmPriority`], as published.
pub const VM_PRIORITIES: [(&str, VmPriority); 2] =
    [("dedicated", VmPriority::Dedicated), ("lowpriority", VmPriority::LowPriority)];

/// The published properties of a cluster that describe its machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Machines {
    /// Whether nodes may be taken away; a label.
    pub vm_priority: VmPriority,
    /// The image that nodes would have; a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_machine_configuration: Option<VirtualMachineConfiguration>,
    /// The account for people on the nodes; sign-in itself is ssh's matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AccountForm>")]
    pub user_account_settings: Option<UserAccountSettings>,
    /// The network of the nodes; a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<IdRef>,
    /// What each machine has beside CPUs, memory and GPUs, by name: jobs ask for it in `resources`; ours.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_resources: BTreeMap<String, u64>,
    /// Whether a waiting job may take the machines of running ones of a lower priority, which are put back; ours.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preemption: bool,
}

/// Something that is named by its full id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdRef {
    /// The id as it was given.
    pub id: String,
}

/// The published `virtualMachineConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineConfiguration {
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_reference: Option<ImageReference>,
}

/// The published `imageReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageReference {
    /// `Canonical`.
    pub publisher: String,
    /// `UbuntuServer`.
    pub offer: String,
    /// `16.04-LTS`.
    pub sku: String,
    /// `latest` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The id of a custom image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_machine_image_id: Option<String>,
}

/// The published `userAccountSettings`. A password is accepted and never kept: nothing here signs in with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAccountSettings {
    /// The name of the account.
    pub admin_user_name: String,
    /// Its public key, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_user_ssh_public_key: Option<String>,
}
