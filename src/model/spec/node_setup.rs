//! What is done on each node of a cluster before it takes jobs (reference §3.4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::job::EnvironmentVariable;
use super::mounts::MountVolumes;
use super::schema::SecretForm;
use super::secret::Secret;

/// The published `nodeSetup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSetup {
    /// A command for each node that joins or reboots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_task: Option<SetupTask>,
    /// What is mounted as long as the node is in the cluster.
    #[serde(skip_serializing_if = "MountVolumes::is_empty")]
    pub mount_volumes: MountVolumes,
}

/// The published `setupTask`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupTask {
    /// Run by bash as root (by `sudo -n` where the login is not root); has to bear being run again.
    pub command_line: String,
    /// Where its logs go; in the node's own spool when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std_out_err_path_prefix: Option<String>,
    /// Variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_variables: Vec<EnvironmentVariable>,
    /// Variables whose values are never shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<SecretForm>")]
    pub secrets: Vec<Secret>,
}
