//! What is asked of Slurm for the jobs that it places: for all of a cluster, or for one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretSource;

/// What every job of a cluster is submitted with, and what one says otherwise or beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SlurmSpec {
    /// The partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The account that is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The quality of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// More options of `sbatch`, each a word that begins with `--`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl SlurmSpec {
    /// Returns what is asked for as words of `sbatch`.
    pub fn words(&self) -> Vec<String> {
        let named = [("partition", &self.partition), ("account", &self.account), ("qos", &self.qos)];
        let named = named.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)));
        named.chain(self.options.iter().cloned()).collect()
    }
}

/// Slurm's REST service, asked in place of its programs on the login node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest {
    /// Where it is: `https://HOST[:PORT]` from here; `http://HOST[:PORT]` or `unix:/PATH` as the login node reaches it, through the
    /// connection to that.
    pub url: String,
    /// The name that the token is for; the login node's user when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the token (JWT) comes from; a socket of one's own service needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// A file with certificates in PEM that are trusted beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// Checks the address of a REST service.
///
/// # Errors
/// What is wrong with it, as a sentence part.
pub fn check_rest_url(text: &str) -> Result<(), String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path.starts_with('/') && path.len() <= SOCKET_PATH_BYTES_MAX && !path.chars().any(char::is_control) {
            true => Ok(()),
            false => Err(format!("unix: wants an absolute path of at most {SOCKET_PATH_BYTES_MAX} bytes")),
        };
    }
    let forms = || format!("`{}` is not https://HOST[:PORT], http://HOST[:PORT] or unix:/PATH", text.escape_debug());
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(forms)?;
    let authority = rest.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).unwrap_or((authority, "6820"));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    match !host.is_empty() && host.bytes().all(fits) && port.parse::<u16>().is_ok() {
        true => Ok(()),
        false => Err(forms()),
    }
}

/// The longest path of a socket on Linux, without its end (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The longest option, in bytes: longer than any list of nodes that a person writes.
const OPTION_BYTES_MAX: usize = 1024;
/// What we say ourselves, so that a job is found again and its output is where it is looked for.
const OURS: [&str; 7] = ["--comment", "--output", "--error", "--array", "--parsable", "--wrap", "--wait"];

/// Checks an option of `sbatch`.
///
/// # Errors
/// What is wrong with it, as a sentence part.
pub fn check_option(option: &str) -> Result<(), String> {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    let word = name.strip_prefix("--").filter(|word| !word.is_empty());
    if word.is_none_or(|word| !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')) {
        return Err(format!("`{}` is no option of sbatch: write --NAME or --NAME=VALUE", option.escape_debug()));
    }
    if option.len() > OPTION_BYTES_MAX || option.chars().any(char::is_control) {
        return Err(format!("is no option of at most {OPTION_BYTES_MAX} bytes"));
    }
    if OURS.contains(&name) {
        return Err(format!("{name} is set by ostler, which finds its jobs by it"));
    }
    Ok(())
}

/// Checks the name of a partition, an account or a quality of service.
///
/// # Errors
/// What is wrong with it, as a sentence part.
pub fn check_word(word: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,+@".contains(&byte);
    match !word.is_empty() && word.len() <= OPTION_BYTES_MAX && word.bytes().all(fits) && !word.starts_with('-') {
        true => Ok(()),
        false => Err(format!("`{}` is no name that Slurm has", word.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_service_is_reached_in_three_ways() {
        for good in [
            "https://rest.site.edu",
            "https://rest:6820/",
            "http://127.0.0.1:6820",
            "http://[::1]:80",
            "unix:/run/rest.sock",
        ] {
            assert_eq!(check_rest_url(good), Ok(()), "{good}");
        }
        for bad in
            ["", "rest:6820", "ftp://x", "https://", "https://u@x", "https://x/slurm", "http://x:99999", "unix:rest.sock"]
        {
            assert!(check_rest_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_are_of_one_form_and_not_ours() {
        for good in ["--exclusive", "--constraint=a100&nvlink", "--mail-type=END"] {
            assert_eq!(check_option(good), Ok(()), "{good}");
        }
        for bad in ["", "-p", "--", "p", "--a b", "--x=\n", "--comment=x", "--array=1-2"] {
            assert!(check_option(bad).is_err(), "{bad}");
        }
        assert_eq!(check_word("gpu-long,short"), Ok(()));
        for bad in ["", "-p", "a b", "a;b", "$(x)"] {
            assert!(check_word(bad).is_err(), "{bad}");
        }
    }
}
