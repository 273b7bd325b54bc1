//! What is not to be copied to other machines and kept: files that are secrets by their names or by what they hold.
//!
//! It is a net and no proof: it catches what people leave lying about. What it takes wrongly can be let pass by name.

use std::sync::OnceLock;

use regex::bytes::RegexSet;

/// Names in lower case that are secrets.
const NAMES: &[&str] = &[
    ".env",
    ".envrc",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".pypirc",
    ".git-credentials",
    ".htpasswd",
    ".my.cnf",
    ".vault-token",
    ".dockercfg",
    ".s3cfg",
    ".boto",
    "credentials",
    "credentials.json",
    "client_secret.json",
    "kubeconfig",
    "kaggle.json",
    "application_default_credentials.json",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_ed25519_sk",
    "id_ecdsa_sk",
];
/// Ends of names that are secrets.
const ENDS: &[&str] = &[".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".ovpn"];
/// What comes along for others to fill in.
const SAMPLES: &[&str] = &[".env.example", ".env.sample", ".env.template", ".env.dist"];

/// Says why a file is a secret by its name.
pub(super) fn by_name(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    if SAMPLES.contains(&name.as_str()) {
        return None;
    }
    let secret = NAMES.contains(&name.as_str())
        || name.starts_with(".env.")
        || ENDS.iter().any(|end| name.ends_with(end))
        || (name.starts_with("service-account") && name.ends_with(".json"))
        || (["secrets", "secret"].iter().any(|stem| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.')))
            && [".json", ".yaml", ".yml", ".toml", ".ini", ".txt"].iter().any(|end| name.ends_with(end)));
    secret.then_some("is a secret by its name")
}

/// What secrets look like, and what they are. Sources of the forms: RFC 7468 (keys), PuTTY's and the providers' own
/// documentation of their tokens, read 2026-11.
const LOOKS: &[(&str, &str)] = &[
    (r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----", "holds a private key"),
    (r"PuTTY-User-Key-File-[0-9]", "holds a private key"),
    (r"AGE-SECRET-KEY-1[0-9A-Z]{50}", "holds a private key"),
    (r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", "holds a key of AWS"),
    (r"(?i)aws_secret_access_key\s*[=:]\s*['\x22]?[A-Za-z0-9/+]{40}", "holds a key of AWS"),
    (r"\bgh[pousr]_[A-Za-z0-9]{36}", "holds a token of GitHub"),
    (r"\bgithub_pat_[A-Za-z0-9_]{60}", "holds a token of GitHub"),
    (r"\bglpat-[A-Za-z0-9_-]{20}", "holds a token of GitLab"),
    (r"\bhf_[A-Za-z]{34}\b", "holds a token of Hugging Face"),
    (r"\bxox[abprs]-[0-9]{8,}-[0-9A-Za-z-]{10,}", "holds a token of Slack"),
    (r"\bsk-(ant|proj)-[A-Za-z0-9_-]{32,}", "holds a key of an API"),
    (r"\bAIza[0-9A-Za-z_-]{35}\b", "holds a key of Google"),
];

/// Says why a file is a secret by what it holds.
pub(super) fn by_content(content: &[u8]) -> Option<&'static str> {
    static SET: OnceLock<Option<RegexSet>> = OnceLock::new();
    let set = SET.get_or_init(|| RegexSet::new(LOOKS.iter().map(|(look, _)| look)).ok());
    set.as_ref()?.matches(content).into_iter().next().map(|at| LOOKS[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for secret in [
            ".env",
            "a/.env",
            "a/.env.local",
            ".ENV",
            "server.pem",
            "a/b/tls.key",
            "id_rsa",
            ".ssh/id_ed25519",
            ".aws/credentials",
            "secrets.yaml",
            "secret.prod.json",
            "service-account-7.json",
            ".netrc",
            "x.p12",
        ] {
            assert!(by_name(secret).is_some(), "{secret}");
        }
        for plain in [
            "env",
            "environment.yml",
            ".env.example",
            "id_rsa.pub",
            "keys.py",
            "pem.py",
            "secrets.py",
            "secretary.json",
            "README.md",
            "credentials.py",
        ] {
            assert!(by_name(plain).is_none(), "{plain}");
        }
    }

    #[test]
    fn secrets_are_known_by_what_they_look_like() {
        // Put together here, so that this file is none.
        let key = |kind: &str| format!("x\n-----BEGIN {kind}PRIVATE{}-----\nMIIE\n", " KEY");
        let cases = [
            key(""),
            key("RSA "),
            key("OPENSSH "),
            format!("aws_secret_access_key = {}", "a".repeat(40)),
            format!("url=https://gh{}{}@github.com", "p_", "A1".repeat(18)),
            format!("hf{}{}", "_", "Ab".repeat(17)),
            format!("id = \"AK{}{}\"", "IA", "ABCDEFGH12345678"),
        ];
        for case in &cases {
            assert!(by_content(case.as_bytes()).is_some(), "{case}");
        }
        for plain in
            ["-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "hf_hub_download", "gh_token = $GH", "AKIA"]
        {
            assert!(by_content(plain.as_bytes()).is_none(), "{plain}");
        }
        let mut binary = vec![0xff, 0, 1, 2];
        binary.extend(cases[0].as_bytes());
        assert_eq!(by_content(&binary), Some("holds a private key"));
    }
}
