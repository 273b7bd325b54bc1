//! What the config file decides and the core has to know, as plain data with the reason of each default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::node_class::NodeClass;
use crate::model::spec::SecretSource;
use crate::model::storage::StorageAccount;
use crate::model::units::{Bytes, Millis};

/// The container runtimes that are known: those with a service of root's first, because more images run there.
pub const CONTAINER_RUNTIMES: [&str; 3] = ["docker", "podman", "apptainer"];

/// What a webhook is told in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookShape {
    /// A JSON object with everything that is known.
    #[default]
    Json,
    /// What an incoming webhook of Slack takes: `{"text": …}`, and what takes the same (Mattermost, Rocket.Chat, Discord's
    /// `/slack` addresses). Source: docs.slack.dev, "Sending messages using incoming webhooks", read 2026-11.
    Slack,
    /// What an address of a topic of ntfy takes: the text as the body; title, priority and tags in headers. Source:
    /// docs.ntfy.sh/publish, read 2026-11.
    Ntfy,
}

impl WebhookShape {
    /// All, with their words.
    pub const WORDS: [(&str, Self); 3] = [("json", Self::Json), ("slack", Self::Slack), ("ntfy", Self::Ntfy)];

    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Ntfy => "ntfy",
        }
    }
}

/// Values a user would pick differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// After this long out of sight a node counts as unusable: longer than a reconnect with back-off, shorter than a
    /// person's patience.
    pub unreachable_after: Millis,
    /// After this long with a node of a gang out of sight, the attempt is stopped on the nodes that can be reached: MPI
    /// would hang for good.
    pub gang_lost_after: Millis,
    /// Between TERM and KILL (Slurm's KillWait).
    pub kill_grace: Millis,
    /// How long a stop from the screen can be taken back.
    pub stop_hold: Millis,
    /// How often a job is put back after a failure that was not its own (Slurm's MaxBatchRequeue).
    pub requeues_max: u32,
    /// How often the acquisition or preparation of a node is tried again by itself before the cluster lists the error and is steady.
    pub prepare_retries_max: u32,
    /// How long a background core with nothing undone and nobody attached stays.
    pub serve_idle: Millis,
    /// How long the logs of ended jobs are kept, on nodes and as copies: a month, in which somebody looks or never does.
    pub log_retention: Millis,
    /// How much room the logs of ended jobs may take, on each node and as copies; above it those go that ended first. A
    /// fraction of any disk that trains something.
    pub log_max_bytes: Bytes,
    /// How much of a job's logs is copied here before its node is given back: a week of ten lines a second is 60 MB, so
    /// that nearly every log is whole, and the copies of three hundred such jobs fit into `log_max_bytes`.
    pub log_keep_bytes: Bytes,
    /// The largest file that goes along with a job's code: a script or a small checkpoint; data belong on a mount.
    pub code_file_max_bytes: Bytes,
    /// How much the code of a job may be together: it goes once to each node over ssh.
    pub code_max_bytes: Bytes,
    /// How many clusters there may be (what the published service gave at most).
    pub clusters_max: u32,
    /// How many nodes a cluster may be asked to have (published limit; ten times that is measured).
    pub nodes_per_cluster_max: u32,
    /// How many workspaces a resource group may hold (published limit).
    pub workspaces_per_group_max: u32,
    /// Told when a job ends: an address that takes a body by POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// What is posted there.
    #[serde(default)]
    pub webhook_shape: WebhookShape,
    /// Looks at a node's GPUs where neither nvidia-smi nor rocm-smi does: a command line that is run there and prints a line
    /// for each, as `index, busy %, MiB used, MiB there, W, name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_command: Option<String>,
    /// The container runtimes that are looked for on a node, the first that works counts.
    pub container_runtimes: Vec<String>,
    /// What stands for a secret of a key vault: vault → secret → where its value comes from. Never a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, BTreeMap<String, SecretSource>>,
    /// What stands in for storage accounts, by their names in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_accounts: BTreeMap<String, StorageAccount>,
    /// What the published `vmSize` of a cluster may name, as the names are spelled in the configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_classes: BTreeMap<String, NodeClass>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unreachable_after: Millis::from_secs(60),
            gang_lost_after: Millis::from_mins(10),
            kill_grace: Millis::from_secs(30),
            stop_hold: Millis::from_secs(5),
            requeues_max: 5,
            prepare_retries_max: 3,
            serve_idle: Millis::from_mins(10),
            log_retention: Millis::from_days(30),
            log_max_bytes: Bytes(20 << 30),
            log_keep_bytes: Bytes(64 << 20),
            code_file_max_bytes: Bytes(50 << 20),
            code_max_bytes: Bytes(500 << 20),
            clusters_max: 200,
            nodes_per_cluster_max: 100,
            workspaces_per_group_max: 800,
            webhook: None,
            webhook_shape: WebhookShape::default(),
            gpu_command: None,
            container_runtimes: CONTAINER_RUNTIMES.map(str::to_owned).to_vec(),
            secrets: BTreeMap::new(),
            storage_accounts: BTreeMap::new(),
            node_classes: BTreeMap::new(),
        }
    }
}
