//! The client for interfaces over http: one way to trust certificates, and to say what went wrong.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// Returns a client that follows no redirect. `ca_file` has certificates in PEM that are trusted beside those of the system; with
/// `socket` all goes by that socket of this machine, and by no proxy.
///
/// # Errors
/// In words: the file cannot be read, or holds no certificate.
pub fn client(limit: Duration, ca_file: Option<&str>, socket: Option<PathBuf>) -> Result<reqwest::Client, String> {
    let authorities = ca_file.map(authorities).transpose()?.unwrap_or_default();
    let mut builder =
        reqwest::Client::builder().timeout(limit).redirect(reqwest::redirect::Policy::none()).tls_certs_merge(authorities);
    if let Some(socket) = socket {
        builder = builder.no_proxy().unix_socket(socket);
    }
    builder.build().map_err(|error| chain(&error))
}

fn authorities(file: &str) -> Result<Vec<reqwest::Certificate>, String> {
    let unread = |error: &dyn Error| format!("caFile `{}`: {}", file.escape_debug(), chain(error));
    let pem = std::fs::read(file).map_err(|error| unread(&error))?;
    let all = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unread(&error))?;
    if all.is_empty() {
        return Err(format!("caFile `{}` holds no certificate in PEM", file.escape_debug()));
    }
    Ok(all)
}

/// Returns an error with all that lies below it, parted by `: `.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
