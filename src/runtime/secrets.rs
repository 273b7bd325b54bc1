//! Values that are never shown, on the host: kept encrypted with their job or cluster, and put into a process's launch
//! just before it is sent.
//!
//! Decisions (2026-11):
//! - A value is sealed (ChaCha20-Poly1305, a fresh nonce, its own identity as associated data) under a key in a file of
//!   mode 600 beside the database. Whoever has a copy of the database alone has nothing. Whoever can read files of this
//!   user can read both: that is the limit, and the manual says so.
//! - Sealed values are rows of the store, committed and removed with the row that they belong to, so a crash leaves none
//!   behind. The cipher is that of `ring`, which TLS brings anyway.
//! - Values are found when a process starts, and again when its order has to be sent again. A source that fails takes the
//!   start lock on the node before the job fails: an order that was sent before may have started it.

pub mod source;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use crate::model::fault::Fault;
use crate::model::settings::Settings;
use crate::model::snapshot::{Change, RowKey};
use crate::model::spec::secret::{self, SecretSource, SecretText};
use crate::model::spec::secret_file::check_value;
use crate::model::spec::{JobSpec, Secret};
use crate::runtime::engine::Engine;
use crate::store::{Sealed, Store};

/// The name of the key file in a state directory.
pub const KEY_FILE: &str = "secret.key";
/// The code of a job whose secret could not be found.
pub const UNAVAILABLE: &str = "SecretUnavailable";
/// ChaCha20-Poly1305 takes 32 bytes.
const KEY_BYTES: usize = 32;
/// The first byte of a sealed value: which way it is sealed.
const FORM_1: u8 = 1;

/// Why a value cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file of the key.
    #[error("cannot {doing} the key of kept secrets {}", path.display())]
    File {
        /// `read`, `make`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// It is not one that we may use.
    #[error("the key of kept secrets {} {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The value was sealed under another key, or changed since.
    #[error("the kept value does not open with the key {}: one of the two was replaced", path.display())]
    Other {
        /// The file of the key.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("the system gives no random numbers")]
    Random,
}

/// The values that a host keeps.
#[derive(Debug, Default)]
pub struct Vault {
    key_file: PathBuf,
    /// Sealed in this turn; they enter the store with the row that refers to them.
    fresh: BTreeMap<Uuid, Vec<u8>>,
}

impl Vault {
    /// Returns the vault of a state directory. Nothing is touched before the first value.
    pub fn new(state_dir: &Path) -> Self {
        Self { key_file: state_dir.join(KEY_FILE), fresh: BTreeMap::new() }
    }

    /// Seals a value under an identity that was never used.
    ///
    /// # Errors
    /// The key cannot be made or used.
    pub fn seal(&self, id: Uuid, value: &SecretText) -> Result<Vec<u8>, VaultError> {
        let key = match self.key()? {
            Some(key) => key,
            None => self.make_key()?,
        };
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| VaultError::Random)?;
        let mut body = value.reveal().as_bytes().to_vec();
        let sealed = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id.as_bytes()), &mut body);
        sealed.map_err(|_| VaultError::Random)?;
        let mut whole = vec![FORM_1];
        whole.extend_from_slice(&nonce);
        whole.append(&mut body);
        Ok(whole)
    }

    /// Returns a secret that follows from the key and these words alone, so that it has to be kept nowhere.
    ///
    /// # Errors
    /// The key cannot be made or used.
    pub fn derive(&self, words: &str) -> Result<[u8; 32], VaultError> {
        if self.key()?.is_none() {
            self.make_key()?;
        }
        let failed = |source| VaultError::File { doing: "read", path: self.key_file.clone(), source };
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &fs::read(&self.key_file).map_err(failed)?);
        let tag = ring::hmac::sign(&key, words.as_bytes());
        tag.as_ref().try_into().map_err(|_| VaultError::Random)
    }

    /// Opens a value.
    ///
    /// # Errors
    /// The key is gone, unfit or another one.
    pub fn open(&self, id: Uuid, sealed: &[u8]) -> Result<SecretText, VaultError> {
        let other = || VaultError::Other { path: self.key_file.clone() };
        let missing = || VaultError::Key { path: self.key_file.clone(), why: "is gone".to_owned() };
        let key = self.key()?.ok_or_else(missing)?;
        let rest = sealed.strip_prefix(&[FORM_1]).ok_or_else(other)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or_else(other)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| other())?;
        let mut body = body.to_vec();
        let clear = key.open_in_place(nonce, Aad::from(id.as_bytes()), &mut body).map_err(|_| other())?;
        let text = std::str::from_utf8(clear).map_err(|_| other())?;
        Ok(SecretText::new(text))
    }

    /// Reads the key; `None` when there is none yet.
    fn key(&self) -> Result<Option<LessSafeKey>, VaultError> {
        let path = || self.key_file.clone();
        let failed = |source| VaultError::File { doing: "read", path: path(), source };
        let unfit = |why: String| VaultError::Key { path: path(), why };
        let about = match fs::symlink_metadata(&self.key_file) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            about => about.map_err(failed)?,
        };
        if !about.is_file() {
            return Err(unfit("is no regular file".to_owned()));
        }
        if about.uid() != rustix::process::geteuid().as_raw() {
            return Err(unfit(format!("belongs to uid {}", about.uid())));
        }
        if about.mode() & 0o077 != 0 {
            let mode = about.mode() & 0o777;
            return Err(unfit(format!("can be read by others (mode {mode:o}); change what it protects, then chmod 600")));
        }
        let mut bytes = Vec::new();
        File::open(&self.key_file)
            .and_then(|file| file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes);
        let key = key.map_err(|_| unfit(format!("has {} bytes instead of {KEY_BYTES}", about.len())))?;
        Ok(Some(LessSafeKey::new(key)))
    }

    /// Makes the key: whole under its name or not at all. The caller holds the lock of the state directory.
    fn make_key(&self) -> Result<LessSafeKey, VaultError> {
        let failed = |source| VaultError::File { doing: "make", path: self.key_file.clone(), source };
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| VaultError::Random)?;
        let part = self.key_file.with_extension("key.part");
        match fs::remove_file(&part) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            Ok(()) | Err(_) => {}
        }
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&part, &self.key_file)?;
            File::open(self.key_file.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(failed)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| VaultError::Random)?;
        Ok(LessSafeKey::new(key))
    }

    /// Takes the values that were sealed in this turn, each with the row that refers to it. What no row refers to belongs
    /// to a request that was refused after all.
    pub fn take(&mut self, rows: &BTreeMap<RowKey, Change>) -> Vec<Sealed> {
        let mut fresh = std::mem::take(&mut self.fresh);
        if fresh.is_empty() {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for (owner, change) in rows {
            let kept = match change {
                Change::Job(job) => secret::kept_of_job(&job.spec),
                Change::Cluster(cluster) => secret::kept_of_cluster(&cluster.spec),
                Change::Sweep(sweep) => match &sweep.spec.array_of {
                    Some(member) => secret::kept_of_job(member),
                    None => secret::kept_of(&sweep.spec.sources),
                },
                Change::Group(_)
                | Change::FileServer(_)
                | Change::Workspace(_)
                | Change::Node(_)
                | Change::Experiment(_)
                | Change::Site(_)
                | Change::Gone(_) => Vec::new(),
            };
            let found = kept.into_iter().filter_map(|id| fresh.remove(&id).map(|bytes| Sealed { id, owner: *owner, bytes }));
            taken.extend(found);
        }
        taken
    }
}

/// Takes the values out of what was asked for and leaves references in their place; refuses what could never be found.
///
/// # Errors
/// Names the field, and never a value.
pub fn keep<S: Store>(engine: &mut Engine<S>, sources: Vec<(String, &mut SecretSource)>) -> Result<(), Fault> {
    for (field, source) in sources {
        let fault = |why: String| Fault::user(format!("{field}: {why}"));
        let value = match &*source {
            SecretSource::Given(value) => value.clone(),
            SecretSource::Kept(id) => kept(engine, *id).map_err(|why| fault(why).hint("give the value again"))?,
            SecretSource::Prompt => {
                return Err(fault("is to be asked for, and nobody was asked".to_owned())
                    .hint("ostler job create asks; elsewhere name a file, a variable or a command"));
            }
            SecretSource::File(path) if !path.starts_with('/') => {
                return Err(fault(format!("`{}` is no absolute path", path.escape_debug())));
            }
            SecretSource::Vault { .. } => {
                of_vault(&engine.settings, source).map_err(|why| fault(why).hint(VAULT_HINT))?;
                continue;
            }
            SecretSource::File(_) | SecretSource::Environment(_) | SecretSource::Command(_) => continue,
        };
        check_value(value.reveal()).map_err(fault)?;
        let id = (engine.draw)();
        let sealed = engine.vault.seal(id, &value);
        let sealed = sealed.map_err(|e| Fault::user(format!("{field}: cannot be kept")).because(&e))?;
        engine.vault.fresh.insert(id, sealed);
        *source = SecretSource::Kept(id);
    }
    Ok(())
}

const VAULT_HINT: &str = "name its source in the configuration: [secrets.VAULT] NAME = { fromCommand = \"pass show NAME\" }, or fromFile, fromEnv";

fn kept<S: Store>(engine: &Engine<S>, id: Uuid) -> Result<SecretText, String> {
    let sealed = engine.store.sealed(id).map_err(|e| chain(&e))?;
    let sealed = sealed.ok_or("its value is no longer kept")?;
    engine.vault.open(id, &sealed).map_err(|e| chain(&e))
}

/// Returns the configured source that a key vault reference stands for.
fn of_vault<'s>(settings: &'s Settings, source: &SecretSource) -> Result<&'s SecretSource, String> {
    let Some((vault, name)) = source.vault_names() else { return Err("is no reference to a secret of a vault".to_owned()) };
    let found = settings.secrets.get(vault).and_then(|secrets| secrets.get(name));
    let key = format!("secrets.{vault}.{name}");
    found.ok_or_else(|| format!("the configuration has no `{}`", key.escape_debug()))
}

/// Says whether two specs ask for the same, although the values of one are kept by now.
pub fn same_but_for_keeping<S: Store>(engine: &Engine<S>, stored: &JobSpec, asked: &JobSpec) -> bool {
    let (mut stored_too, mut asked) = (stored.clone(), asked.clone());
    let pairs = secret::sources_of_job(&mut stored_too).into_iter().zip(secret::sources_of_job(&mut asked));
    for ((_, stored), (_, asked)) in pairs {
        if *stored == *asked {
            continue;
        }
        let SecretSource::Kept(id) = stored else { continue };
        let Ok(value) = kept(engine, *id) else { continue };
        let same = match &*asked {
            SecretSource::Given(text) => *text == value,
            SecretSource::Kept(other) => kept(engine, *other).is_ok_and(|other| other == value),
            SecretSource::Prompt
            | SecretSource::Environment(_)
            | SecretSource::File(_)
            | SecretSource::Command(_)
            | SecretSource::Vault { .. } => false,
        };
        if same {
            *asked = SecretSource::Kept(*id);
        }
    }
    *stored == asked
}

/// Puts into a launch what the host itself keeps or has configured; what has to be looked for outside stays a reference.
///
/// # Errors
/// Which secret cannot be found, and why.
pub fn fill<S: Store>(engine: &Engine<S>, secrets: &mut [Secret]) -> Result<(), String> {
    for secret in secrets {
        let found = match &secret.source {
            SecretSource::Kept(id) => kept(engine, *id).map(SecretSource::Given),
            SecretSource::Vault { .. } => of_vault(&engine.settings, &secret.source).cloned(),
            SecretSource::Given(_)
            | SecretSource::Prompt
            | SecretSource::Environment(_)
            | SecretSource::File(_)
            | SecretSource::Command(_) => continue,
        };
        secret.source = found.map_err(|why| unavailable(&secret.name, &why))?;
    }
    Ok(())
}

fn unavailable(name: &str, why: &str) -> String {
    format!("the secret {name}: {why}")
}

/// An error with its causes as one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
