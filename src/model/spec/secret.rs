//! Values that are never shown: what a file says of them, and where they come from.
//!
//! What is stored, shown, exported or logged is always a [`SecretSource`]; a value itself travels only inside
//! [`SecretText`], from the client to the host and from the host to the node.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::cluster::ClusterSpec;
use super::job::JobSpec;
use super::mounts::MountVolumes;

/// The most bytes of one value: half of what Linux takes as one string of an environment (MAX_ARG_STRLEN, 128 KiB).
pub const SECRET_BYTES_MAX: usize = 64 << 10;

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
    /// The value itself. Only on its way: from the client to the host, which keeps the value and stores
    /// [`SecretSource::Kept`] in its place, and from the host to the node that is to run the process.
    Given(SecretText),
    /// Asked for at a prompt by the client before it submits. The host takes none of these.
    Prompt,
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

impl SecretSource {
    /// Returns the properties that say where the value comes from, as a file would have them; the value itself is null,
    /// under the property's own name (`value`, `password`, `accountKey`). `reference` names the published reference
    /// (`valueSecretReference`, …).
    pub fn shown(&self, plain: &str, reference: &str) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert(plain.to_owned(), Value::Null);
        let (key, value) = match self {
            Self::Given(_) | Self::Kept(_) => return map,
            Self::Prompt => ("prompt", json!(true)),
            Self::Environment(name) => ("fromEnv", json!(name)),
            Self::File(path) => ("fromFile", json!(path)),
            Self::Command(command) => ("fromCommand", json!(command)),
            Self::Vault { source_vault, secret_url } => {
                (reference, json!({"sourceVault": {"id": source_vault}, "secretUrl": secret_url}))
            }
        };
        map.insert(key.to_owned(), value);
        map
    }

    /// Returns a few words for people.
    pub fn words(&self) -> String {
        match self {
            Self::Given(_) | Self::Kept(_) => "a kept value".to_owned(),
            Self::Prompt => "asked for".to_owned(),
            Self::Environment(name) => format!("the variable {name}"),
            Self::File(path) => format!("the file {path}"),
            Self::Command(command) => format!("the command `{command}`"),
            Self::Vault { secret_url, .. } => format!("the vault's secret {secret_url}"),
        }
    }

    /// Returns the names of the vault and of the secret in a published reference: the last part of the vault's id, and
    /// what follows `secrets/` in the address. `None` when one of them is not there.
    pub fn vault_names(&self) -> Option<(&str, &str)> {
        let Self::Vault { source_vault, secret_url } = self else { return None };
        let vault = source_vault.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty())?;
        let (_, path) = secret_url.split_once("/secrets/")?;
        let secret = path.split('/').next().filter(|name| !name.is_empty())?;
        Some((vault, secret))
    }
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

impl Secret {
    /// Returns the published object with its value as null.
    pub fn shown(&self) -> Value {
        let mut map = Map::new();
        map.insert("name".to_owned(), json!(self.name));
        map.extend(self.source.shown("value", "valueSecretReference"));
        Value::Object(map)
    }
}

/// Returns every source of a secret in a job, each with the field that holds it.
pub fn sources_of_job(spec: &mut JobSpec) -> Vec<(String, &mut SecretSource)> {
    let mut found = named("", &mut spec.secrets);
    let credentials = spec.container_settings.as_mut().and_then(|c| c.image_source_registry.credentials.as_mut());
    if let Some(credentials) = credentials {
        found.push(("containerSettings.imageSourceRegistry.credentials.password".to_owned(), &mut credentials.password));
    }
    if let Some(volumes) = spec.mount_volumes.get_mut() {
        found.extend(mounted("", volumes));
    }
    found
}

/// Returns every source of a secret in a cluster, each with the field that holds it.
pub fn sources_of_cluster(spec: &mut ClusterSpec) -> Vec<(String, &mut SecretSource)> {
    let Some(setup) = &mut spec.node_setup else { return Vec::new() };
    let mut found =
        setup.setup_task.as_mut().map(|task| named("nodeSetup.setupTask.", &mut task.secrets)).unwrap_or_default();
    found.extend(mounted("nodeSetup.", &mut setup.mount_volumes));
    found
}

fn named<'a>(before: &str, secrets: &'a mut [Secret]) -> Vec<(String, &'a mut SecretSource)> {
    let each = secrets.iter_mut().enumerate();
    each.map(|(at, secret)| (format!("{before}secrets[{at}] ({})", secret.name), &mut secret.source)).collect()
}

fn mounted<'a>(before: &str, volumes: &'a mut MountVolumes) -> Vec<(String, &'a mut SecretSource)> {
    let mut found = Vec::new();
    for (at, share) in volumes.azure_file_shares.iter_mut().enumerate() {
        let field = format!("{before}mountVolumes.azureFileShares[{at}].credentials");
        found.extend(share.credentials.as_mut().map(|source| (field, source)));
    }
    for (at, blob) in volumes.azure_blob_file_systems.iter_mut().enumerate() {
        let field = format!("{before}mountVolumes.azureBlobFileSystems[{at}].credentials");
        found.extend(blob.credentials.as_mut().map(|source| (field, source)));
    }
    found
}

/// Returns the identities of all values that a job's host keeps for it.
pub fn kept_of_job(spec: &JobSpec) -> Vec<Uuid> {
    kept(sources_of_job(&mut spec.clone()))
}

/// Returns the identities of all values that a cluster's host keeps for it.
pub fn kept_of_cluster(spec: &ClusterSpec) -> Vec<Uuid> {
    kept(sources_of_cluster(&mut spec.clone()))
}

fn kept(sources: Vec<(String, &mut SecretSource)>) -> Vec<Uuid> {
    kept_of(sources.into_iter().map(|(_, source)| &*source))
}

/// Returns the identities of the kept values among some sources.
pub fn kept_of<'a>(sources: impl IntoIterator<Item = &'a SecretSource>) -> Vec<Uuid> {
    let ids = sources.into_iter().filter_map(|source| match source {
        SecretSource::Kept(id) => Some(*id),
        SecretSource::Given(_)
        | SecretSource::Prompt
        | SecretSource::Environment(_)
        | SecretSource::File(_)
        | SecretSource::Command(_)
        | SecretSource::Vault { .. } => None,
    });
    ids.collect()
}
