//! Reads the container of a job: the published `containerSettings`. Called by the reader of jobs alone.

use crate::model::spec::container::{ContainerSettings, ImageSourceRegistry, RegistryCredentials};
use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field, quoted};
use crate::model::spec::secret_file;
use crate::model::units::Bytes;

/// The longest name of an image: a registry, a path of at most 255 characters, and a digest.
const IMAGE_CHARS_MAX: usize = 512;
/// The least shared memory: below a page no runtime starts.
const SHM_MIN: Bytes = Bytes(4096);

/// Reads `containerSettings`; `None` when a fault was noted, or when it holds nothing.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<ContainerSettings> {
    if let Value::Map(entries) = field.value()
        && entries.iter().all(|entry| entry.value.value == Value::Null)
    {
        return None;
    }
    let mut inner = field.map(faults)?;
    let registry = inner.need(faults, "imageSourceRegistry").and_then(|field| registry(&field, faults));
    let shm_size = inner.take("shmSize").and_then(|field| {
        let size = field.bytes(faults)?;
        if size < SHM_MIN {
            field.fault(faults, format!("must be at least {SHM_MIN}, got {size}"));
        }
        Some(size)
    });
    inner.finish(faults);
    Some(ContainerSettings { image_source_registry: registry?, shm_size })
}

fn registry(field: &Field<'_>, faults: &mut Faults) -> Option<ImageSourceRegistry> {
    let mut inner = field.map(faults)?;
    let image = inner.need(faults, "image").and_then(|field| field.checked(faults, |text| check_word("image", text)));
    let server = inner.take("serverUrl");
    let server_url = server.as_ref().and_then(|field| field.checked(faults, |text| check_word("registry", text)));
    let credentials = inner.take("credentials").and_then(|field| credentials(&field, faults));
    inner.finish(faults);
    if let (Some(server), Some(url), Some(image)) = (&server, &server_url, &image) {
        let host = url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        if !image.starts_with(&format!("{host}/")) && !is_hub(host) {
            server.warn(
                faults,
                format!("the image {} is not one of {}: its name begins with the registry", quoted(image), quoted(host)),
            );
        }
    }
    Some(ImageSourceRegistry { image: image?, server_url, credentials })
}

/// The registry whose images need no name before them.
fn is_hub(host: &str) -> bool {
    ["docker.io", "index.docker.io", "index.docker.io/v1", "registry-1.docker.io", "hub.docker.com"].contains(&host)
}

fn credentials(field: &Field<'_>, faults: &mut Faults) -> Option<RegistryCredentials> {
    let mut inner = field.map(faults)?;
    let username =
        inner.need(faults, "username").and_then(|field| field.checked(faults, |text| check_word("user name", text)));
    let password = secret_file::source(&mut inner, "password", "passwordSecretReference", faults);
    inner.finish_strictly(faults);
    Some(RegistryCredentials { username: username?, password: password? })
}

/// What becomes a word of a runtime's command line: it must not look like an option.
fn check_word(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > IMAGE_CHARS_MAX {
        return Err(format!("the {what} has {} characters; 1 to {IMAGE_CHARS_MAX} are allowed", text.len()));
    }
    if text.starts_with('-') || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("{} is no name of this kind: no blanks, and no `-` before it", quoted(text)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::doc::Doc;
    use crate::model::spec::secret::{SecretSource, SecretText};

    fn read_text(json: &str) -> (Option<ContainerSettings>, Vec<String>, Vec<String>) {
        let doc = Doc::parse("job.json", json.as_bytes()).unwrap();
        let mut faults = Faults::default();
        let found = read(&Field::root(&doc), &mut faults);
        let texts = |list: &[crate::model::spec::fields::FileFault]| list.iter().map(ToString::to_string).collect();
        (found, texts(&faults.errors), texts(&faults.warnings))
    }

    #[test]
    fn the_published_forms_are_read() {
        let (found, errors, warnings) = read_text(
            r#"{"imageSourceRegistry": {"image": "demo.azurecr.io/a:1", "serverUrl": "demo.azurecr.io",
                "credentials": {"username": "$oauthtoken", "password": "hush"}}, "shmSize": "16gb"}"#,
        );
        assert_eq!((errors, warnings), (vec![], vec![]));
        let found = found.unwrap();
        assert_eq!(found.shm_size, Some(Bytes(16 << 30)));
        let registry = found.image_source_registry;
        assert_eq!(
            (registry.image.as_str(), registry.server_url.as_deref()),
            ("demo.azurecr.io/a:1", Some("demo.azurecr.io"))
        );
        assert_eq!(registry.credentials.unwrap().password, SecretSource::Given(SecretText::new("hush")));
        assert_eq!(read_text(r#"{"imageSourceRegistry": null}"#), (None, vec![], vec![]));
        let (found, ..) = read_text(r#"{"imageSourceRegistry": {"image": "a"}}"#);
        assert_eq!(found.unwrap().shm_size, None);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (json, expected) in [
            (r#"{"shmSize": "1g"}"#, "imageSourceRegistry: is missing"),
            (r#"{"imageSourceRegistry": {}}"#, "imageSourceRegistry.image: is missing"),
            (r#"{"imageSourceRegistry": {"image": "--privileged"}}"#, "no `-` before it"),
            (r#"{"imageSourceRegistry": {"image": "a b"}}"#, "no blanks"),
            (r#"{"imageSourceRegistry": {"image": "a", "serverUrl": "-x"}}"#, "no `-` before it"),
            (
                r#"{"imageSourceRegistry": {"image": "a", "credentials": {"password": "hush"}}}"#,
                "credentials.username: is missing",
            ),
            (
                r#"{"imageSourceRegistry": {"image": "a", "credentials": {"username": "u"}}}"#,
                "credentials: has no value: give `password`, `passwordSecretReference`",
            ),
            (
                r#"{"imageSourceRegistry": {"image": "a", "credentials": {"username": "u", "pasword": "hush"}}}"#,
                "unknown key `pasword`; did you mean `password`?",
            ),
            (r#"{"imageSourceRegistry": {"image": "a"}, "shmSize": "1"}"#, "must be at least"),
        ] {
            let (_, errors, _) = read_text(json);
            let text = errors.join("\n");
            assert!(text.contains(expected) && !text.contains("hush"), "{json}: {text}");
        }
        let (_, _, warnings) = read_text(r#"{"imageSourceRegistry": {"image": "a", "serverUrl": "https://r.example/"}}"#);
        assert!(warnings[0].contains("its name begins with the registry"), "{warnings:?}");
    }
}
