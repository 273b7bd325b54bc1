//! The key by which the nodes of an attempt come to one another ([`crate::frameworks::AmongKey`]).

use ring::signature::{Ed25519KeyPair, KeyPair};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::Ed25519PublicKey;
use ssh_key::{LineEnding, PrivateKey};

use crate::frameworks::{AmongKey, has_among_key};
use crate::model::spec::{SecretSource, SecretText};
use crate::model::state::Job;
use crate::runtime::engine::Engine;
use crate::store::Store;

/// Returns the key of a job's attempt, when it wants one: the same whenever it is asked for.
///
/// # Errors
/// The vault has no key to make it from.
pub fn key_of<S: Store>(engine: &Engine<S>, job: &Job) -> Result<Option<AmongKey>, String> {
    if !has_among_key(&job.spec) {
        return Ok(None);
    }
    let seed = engine.vault.derive(&format!("ssh among nodes {} {}", job.uuid, job.attempt.0));
    let seed = seed.map_err(|error| format!("no key for ssh among nodes: {error}"))?;
    made_from(seed).map(Some)
}

fn made_from(seed: [u8; 32]) -> Result<AmongKey, String> {
    let failed = |error: &dyn std::fmt::Display| format!("no key for ssh among nodes: {error}");
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| failed(&error))?;
    let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|error| failed(&error))?;
    let pair = Ed25519Keypair { public: Ed25519PublicKey(public), private: Ed25519PrivateKey::from_bytes(&seed) };
    let key = PrivateKey::new(KeypairData::Ed25519(pair), "").map_err(|error| failed(&error))?;
    let private = key.to_openssh(LineEnding::LF).map_err(|error| failed(&error))?;
    let public = key.public_key().to_openssh().map_err(|error| failed(&error))?;
    Ok(AmongKey { private: SecretSource::Given(SecretText::new(private.as_str())), public: public.trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn ssh_reads_the_key_that_is_made() {
        let key = made_from([7; 32]).unwrap();
        assert_eq!(made_from([7; 32]).unwrap(), key);
        assert_ne!(made_from([8; 32]).unwrap().public, key.public);
        let SecretSource::Given(text) = &key.private else { panic!("{key:?}") };
        assert!(!format!("{key:?}").contains("PRIVATE"));
        // `ssh-keygen -y` computes the public half of a private key anew.
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.reveal().as_bytes()).unwrap();
        let out = Command::new("ssh-keygen").arg("-yf").arg(file.path()).stdin(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), key.public, "{out:?}");
    }
}
