//! The published `userAccountSettings` by options: the account that people have on nodes. What is missing is filled in as the
//! published tools do: the name of the current user, and the public key of `~/.ssh`.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::config::person::person;
use crate::model::fault::Fault;
use crate::model::spec::ProviderSpec;
use crate::model::spec::doc::{Doc, Value};

/// The public keys that are looked for, the newest kind first.
const USUAL_KEYS: [&str; 4] = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub", "id_dsa.pub"];
/// A public key is a line; a file beyond this many bytes is none.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// The options.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Account")]
pub struct Account {
    /// The account on the machines; it is also who signs in at those of --hosts that name nobody
    #[arg(short, long, value_name = "NAME")]
    user_name: Option<String>,
    /// Its public key, or the path of one [default: that of ~/.ssh, when there is no password]
    #[arg(short = 'k', long, value_name = "KEY|PATH")]
    ssh_key: Option<String>,
    /// Make a pair of keys in ~/.ssh when there is none
    #[arg(long)]
    generate_ssh_keys: bool,
    /// Accepted for scripts written for `az batchai`, and not kept: sign-in is ssh's own matter
    #[arg(short, long, value_name = "PASSWORD", hide = true)]
    password: Option<String>,
}

impl Account {
    /// Puts the account over what the file says at `at`, and fills in what is missing of one that is begun.
    ///
    /// # Errors
    /// The key cannot be read, found or made.
    pub fn overlay(&self, doc: &mut Doc, at: &[&'static str]) -> Result<(), Fault> {
        if self.user_name.is_none() && self.ssh_key.is_none() && !self.generate_ssh_keys && self.password.is_none() {
            return Ok(());
        }
        let has = |doc: &Doc, key: &str| {
            let top = doc.get("properties").unwrap_or(doc);
            let inner = at.iter().try_fold(top, |doc, key| doc.get(key));
            inner.and_then(|doc| doc.get(key)).is_some_and(|doc| doc.value != Value::Null)
        };
        let put = |doc: &mut Doc, key: &'static str, text: String| {
            let path: Vec<&str> = at.iter().copied().chain([key]).collect();
            doc.put_property(&path, Value::Text(text));
        };
        if let Some(name) = self.user_name.clone().or_else(|| (!has(doc, "adminUserName")).then(person)) {
            put(doc, "adminUserName", name);
        }
        if let Some(password) = &self.password {
            put(doc, "adminUserPassword", password.clone());
        }
        let key = match &self.ssh_key {
            Some(key) => Some(given(key)?),
            None if has(doc, "adminUserSshPublicKey") || self.password.is_some() => None,
            None => usual(self.generate_ssh_keys)?,
        };
        if let Some(key) = key {
            put(doc, "adminUserSshPublicKey", key);
        }
        Ok(())
    }

    /// Has hosts that name nobody signed into as the account that was named on the command line.
    pub fn sign_in(&self, provider: &mut ProviderSpec) {
        let (Some(user), ProviderSpec::Hosts { hosts }) = (&self.user_name, provider) else { return };
        for host in hosts.iter_mut().filter(|host| !host.contains('@')) {
            *host = format!("{user}@{host}");
        }
    }
}

/// A key as it is, or what the file of that name holds.
fn given(key: &str) -> Result<String, Fault> {
    let path = match (key.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        (_, _) => PathBuf::from(key),
    };
    if !path.is_file() {
        let looks = key.split_whitespace().count() >= 2;
        return match looks {
            true => Ok(key.trim().to_owned()),
            false => Err(Fault::config(format!("--ssh-key: `{}` is neither a public key nor a file", key.escape_debug()))
                .hint("`ssh-ed25519 AAAA… name`, or the path of such a file")),
        };
    }
    let text = read(&path)?;
    if text.contains("PRIVATE KEY") {
        let hint = format!("--ssh-key {}.pub", path.display());
        return Err(Fault::config(format!("--ssh-key: `{}` is a private key", path.display())).hint(hint));
    }
    Ok(text)
}

fn read(path: &Path) -> Result<String, Fault> {
    let failed = |what: &str| Fault::config(format!("--ssh-key: `{}` {what}", path.display()));
    if path.metadata().is_ok_and(|about| about.len() > KEY_BYTES_MAX) {
        return Err(failed("is too large for a public key"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| failed("cannot be read").because(&e))?;
    Ok(text.trim().to_owned())
}

/// The first key of `~/.ssh`; made when there is none and that is asked for.
fn usual(make: bool) -> Result<Option<String>, Fault> {
    let Some(home) = std::env::var_os("HOME") else { return Ok(None) };
    let folder = Path::new(&home).join(".ssh");
    if let Some(found) = USUAL_KEYS.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return read(&found).map(Some);
    }
    if !make {
        return Ok(None);
    }
    let path = folder.join("id_ed25519");
    let failed = || Fault::config(format!("--generate-ssh-keys: cannot make `{}`", path.display()));
    std::fs::create_dir_all(&folder).map_err(|e| failed().because(&e))?;
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).output();
    let made = made.map_err(|e| failed().because(&e))?;
    if !made.status.success() {
        return Err(failed().cause(String::from_utf8_lossy(&made.stderr).trim()));
    }
    read(&path.with_extension("pub")).map(Some)
}
