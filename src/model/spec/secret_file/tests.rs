//! Every form of a source, and every refusal; a value is repeated by none.

use super::*;
use crate::model::spec::doc::Doc;

const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/keys";

fn read(json: &str) -> (Vec<Secret>, Vec<String>) {
    let doc = Doc::parse("job.json", json.as_bytes()).unwrap();
    let mut faults = Faults::default();
    let shown = [EnvironmentVariable { name: "SHOWN".into(), value: "x".into() }];
    let found = super::read(&Field::root(&doc), &shown, &mut faults);
    (found, faults.errors.iter().map(|fault| fault.to_string()).collect())
}

#[test]
fn every_form_is_read() {
    let url = "https://keys.vault.azure.net/secrets/token/0a1b";
    let json = format!(
        r#"[{{"name": "A", "value": "v"}}, {{"name": "B", "fromEnv": "X"}}, {{"name": "C", "fromFile": "/f"}},
            {{"name": "D", "fromCommand": "pass show x"}}, {{"name": "E", "prompt": true}}, {{"name": "N", "value": 12}},
            {{"name": "F", "value": null, "valueSecretReference": {{"sourceVault": {{"id": "{VAULT}"}}, "secretUrl": "{url}"}}}}]"#
    );
    let (found, faults) = read(&json);
    assert_eq!(faults, Vec::<String>::new());
    let vault = SecretSource::Vault { source_vault: VAULT.into(), secret_url: url.into() };
    assert_eq!(vault.vault_names(), Some(("keys", "token")));
    let sources: Vec<SecretSource> = found.into_iter().map(|secret| secret.source).collect();
    let expected = vec![
        SecretSource::Given(SecretText::new("v")),
        SecretSource::Environment("X".into()),
        SecretSource::File("/f".into()),
        SecretSource::Command("pass show x".into()),
        SecretSource::Prompt,
        SecretSource::Given(SecretText::new("12")),
        vault,
    ];
    assert_eq!(sources, expected);
}

#[test]
fn what_does_not_fit_is_refused_without_the_value() {
    let long = "hush".repeat(SECRET_BYTES_MAX / 4 + 1);
    let cases = [
        (r#"[{"name": "A"}]"#.to_owned(), "has no value: give `value`, `valueSecretReference`, `fromFile`, `fromEnv`"),
        (r#"[{"name": "A", "value": null}]"#.to_owned(), "has no value"),
        (r#"[{"name": "A", "value": "hush", "fromEnv": "B"}]"#.to_owned(), "fromEnv: stands beside another source"),
        (r#"[{"name": "A", "value": ["hush"]}]"#.to_owned(), "value: wants a text, got a list"),
        (r#"[{"name": "A", "value": "hush\u0000"}]"#.to_owned(), "value: has a NUL byte"),
        (format!(r#"[{{"name": "A", "value": "{long}"}}]"#), "the limit is 65536"),
        (r#"[{"name": "A B", "value": "hush"}]"#.to_owned(), "is not a variable name"),
        (r#"[{"name": "OSTLER_X", "value": "hush"}]"#.to_owned(), "are set by ostler"),
        (r#"[{"name": "UID", "value": "hush"}]"#.to_owned(), "the shell's own variable"),
        (r#"[{"name": "SHOWN", "value": "hush"}]"#.to_owned(), "`SHOWN` is set twice"),
        (r#"[{"name": "A", "value": "hush"}, {"name": "A", "value": "hush"}]"#.to_owned(), "[1].name: `A` is set twice"),
        (r#"[{"name": "A", "prompt": "hush"}]"#.to_owned(), "wants true or false"),
        (r#"[{"name": "A", "fromCommand": "  "}]"#.to_owned(), "fromCommand: is empty"),
        (r#"[{"name": "A", "fromFile": ""}]"#.to_owned(), "fromFile: is empty"),
        (r#"[{"name": "A", "fromEnv": "B=hush"}]"#.to_owned(), "is no name of a variable"),
        (
            r#"[{"name": "A", "valueSecretReference": {"secretUrl": "https://k/secrets/x"}}]"#.to_owned(),
            "sourceVault: is missing",
        ),
        (
            r#"[{"name": "A", "valueSecretReference": {"sourceVault": {"id": "v"}, "secretUrl": "https://k/x"}}]"#
                .to_owned(),
            "ends as `/secrets/NAME`",
        ),
    ];
    for (json, expected) in cases {
        let (_, faults) = read(&json);
        let text = faults.join("\n");
        assert!(text.contains(expected), "{json}: {text}");
        // What is quoted is a name or a source that was typed as such.
        assert!(!text.contains("hush") || expected.contains("variable") || expected.contains("true or false"), "{text}");
    }
}
