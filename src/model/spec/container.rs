//! The container in which a job's processes run (reference §6.6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{BytesForm, RegistryForm};
use super::secret::SecretSource;
use crate::model::units::Bytes;

/// The published `containerSettings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSettings {
    /// Where its image comes from.
    pub image_source_registry: ImageSourceRegistry,
    /// The size of `/dev/shm`; the runtime's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BytesForm>")]
    pub shm_size: Option<Bytes>,
}

/// The published `imageSourceRegistry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSourceRegistry {
    /// The image, fully qualified when `server_url` is given.
    pub image: String,
    /// The registry; the runtime's own default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    /// How to sign in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<RegistryForm>")]
    pub credentials: Option<RegistryCredentials>,
}

/// A sign-in at a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryCredentials {
    /// Shown.
    pub username: String,
    /// Never shown.
    pub password: SecretSource,
}
