//! Addresses in the web that ostler talks to: files to fetch, and the hook that is told when a job ends.

use std::net::IpAddr;

use reqwest::Url;

/// Checks an address: `https`, or `http` on this machine alone; no password in it, since addresses are shown and logged.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn check_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("`{}` is no address: {e}", text.escape_debug()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address has a user or password in it, which would be shown and logged; leave it out".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(format!("`{url}` is not encrypted; use https (http is for this machine alone)")),
        other => Err(format!("`{other}` addresses are not supported; use https")),
    }
}

/// Says whether the address is on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["https://a.example/x.json", "http://127.0.0.1:8080/x", "http://[::1]/x", "http://localhost/x"] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://a.example/x", "is not encrypted"),
            ("http://127.0.0.1.a.example/x", "is not encrypted"),
            ("file:///etc/passwd", "`file` addresses are not supported"),
            ("https://u:p@a.example/", "user or password"),
            ("nonsense", "is no address"),
        ] {
            assert!(check_address(bad).unwrap_err().contains(why), "{bad}");
        }
    }
}
