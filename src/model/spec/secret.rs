//! Values that are never shown: what a file says of them, and where they come from.
//!
//! What is stored, shown, exported or logged is always a [`SecretSource`]; a value itself travels only inside
//! [`SecretText`], from the client to the host and from the host to the node.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A value that never appears in `Debug`. It is serialised, because it has to travel from the client to the host; rows
/// of the store have no field of this type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a value in.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value, for the one place that hands it on.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where the value of a secret comes from, resolved at each start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretSource {
    /// Given as it is in a file or at a prompt. Only on its way from the client to the host, which keeps the value
    /// and stores [`SecretSource::Kept`] in its place.
    Given(SecretText),
    /// Kept encrypted by the host, under this name.
    Kept(Uuid),
    /// An environment variable of the host process.
    Environment(String),
    /// A file that the host can read; one line feed at its end does not count.
    File(String),
    /// What a command says on standard output (`pass show x`), run by the host with `sh -c`; one line feed at its end
    /// does not count.
    Command(String),
    /// The published reference to a key vault: a secret of the configuration with the vault's and the secret's name.
    #[serde(rename_all = "camelCase")]
    Vault {
        /// The published `sourceVault.id`.
        source_vault: String,
        /// The published `secretUrl`.
        secret_url: String,
    },
}

/// A variable of a job, its preparation or a set-up task whose value is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Checked by `names::check_variable`; shown.
    pub name: String,
    /// Where its value comes from.
    pub source: SecretSource,
}
