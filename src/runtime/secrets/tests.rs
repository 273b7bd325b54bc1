//! The key, the values under it, and where values are found.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::model::ids::EffectId;
use crate::model::launch::{Launch, NodePlace};
use crate::model::spec::Secret;
use crate::model::state::BootId;
use crate::model::units::Millis;
use crate::transport::Order;

fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(dir.path());
    (dir, vault)
}

#[test]
fn a_value_opens_again_and_only_as_itself() {
    let (dir, vault) = vault();
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let value = SecretText::new("canary\n'é");
    let sealed = vault.seal(one, &value).unwrap();
    assert!(!sealed.windows(6).any(|part| part == b"canary"));
    assert_ne!(sealed, vault.seal(one, &value).unwrap(), "never the same twice");
    let about = fs::metadata(dir.path().join(KEY_FILE)).unwrap();
    assert_eq!((about.mode() & 0o7777, about.len()), (0o600, 32));
    assert_eq!(Vault::new(dir.path()).open(one, &sealed).unwrap(), value);
    assert!(matches!(vault.open(two, &sealed), Err(VaultError::Other { .. })), "another's value");
    let mut bent = sealed.clone();
    *bent.last_mut().unwrap() ^= 1;
    assert!(matches!(vault.open(one, &bent), Err(VaultError::Other { .. })));
    for cut in [0, 1, NONCE_LEN, sealed.len() - 1] {
        assert!(matches!(vault.open(one, &sealed[..cut]), Err(VaultError::Other { .. })), "{cut}");
    }
}

#[test]
fn a_key_that_is_unfit_is_named() {
    let (dir, vault) = vault();
    let path = dir.path().join(KEY_FILE);
    let value = SecretText::new("canary");
    let sealed = vault.seal(Uuid::nil(), &value).unwrap();
    let why = |vault: &Vault| chain(&vault.open(Uuid::nil(), &sealed).unwrap_err()).replace(path.to_str().unwrap(), "KEY");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(why(&vault).starts_with("the key of kept secrets KEY can be read by others (mode 640)"), "{}", why(&vault));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "short").unwrap();
    assert_eq!(why(&vault), "the key of kept secrets KEY has 5 bytes instead of 32");
    assert!(vault.seal(Uuid::nil(), &value).is_err(), "it is not replaced: it may open what is kept");
    fs::remove_file(&path).unwrap();
    assert_eq!(why(&vault), "the key of kept secrets KEY is gone");
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert_eq!(why(&vault), "the key of kept secrets KEY is no regular file");
    fs::remove_file(&path).unwrap();
    vault.seal(Uuid::nil(), &value).unwrap();
    assert!(why(&vault).contains("one of the two was replaced"));
}

fn start(source: SecretSource) -> Order {
    let place = NodePlace::default();
    let launch = Launch {
        node_index: 0,
        shell: place.shell,
        command: "true".into(),
        workdir: "/".into(),
        env: Vec::new(),
        secrets: vec![Secret { name: "TOKEN".into(), source }],
        wipe: Vec::new(),
        dirs: Vec::new(),
        files: Vec::new(),
        stdout: "/o".into(),
        stderr: "/e".into(),
        keep_former: None,
        execution_log: None,
        batch: None,
    };
    let key = "1.1.m0".parse().unwrap();
    let (limit, grace, boot) = (Millis(1), Millis(1), BootId("b".into()));
    Order::Start { effect: EffectId(1), key, boot, limit, grace, launch: Box::new(launch), after: None }
}

async fn found(source: SecretSource, look: Duration) -> Result<String, String> {
    match source::settle(start(source), &Semaphore::new(1), look).await {
        Order::Start { launch, .. } => match &launch.secrets[0].source {
            SecretSource::Given(text) => Ok(text.reveal().to_owned()),
            other => panic!("{other:?}"),
        },
        Order::Refuse { code, why, .. } => {
            assert_eq!(code, UNAVAILABLE);
            Err(why)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn values_are_found_where_they_are_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let path = file.to_str().unwrap().to_owned();
    // No answer takes as long, on the busiest machine.
    let long = Duration::from_secs(60);
    fs::write(&file, "two\nlines\n\n").unwrap();
    assert_eq!(found(SecretSource::File(path.clone()), long).await.unwrap(), "two\nlines\n");
    let command = |text: &str| SecretSource::Command(text.to_owned());
    assert_eq!(found(command("printf 'a b'; echo noise >&2"), long).await.unwrap(), "a b");
    assert_eq!(
        found(SecretSource::Environment("PATH".into()), long).await,
        std::env::var("PATH").map_err(|_| String::new())
    );

    let cases: [(SecretSource, &str); 9] = [
        (SecretSource::File("/nowhere/token".into()), "cannot read `/nowhere/token`: No such file"),
        (SecretSource::Environment("OSTLER_NO_SUCH".into()), "the variable OSTLER_NO_SUCH is not set in the core"),
        (command("echo 'pass: not there' >&2; exit 3"), "failed (exit status: 3): pass: not there"),
        (command("kill -KILL $$"), "signal: 9"),
        (command("true"), "is empty"),
        (command("printf '\\377'"), "is not UTF-8 text"),
        (command("printf 'a\\000b'"), "has a NUL byte"),
        (command("yes"), "the limit is 65536"),
        (SecretSource::Prompt, "did not come with the start"),
    ];
    for (source, expected) in cases {
        let why = found(source.clone(), long).await.unwrap_err();
        assert!(why.starts_with("the secret TOKEN: ") && why.contains(expected), "{source:?}: {why}");
    }
    fs::write(&file, "x".repeat(secret::SECRET_BYTES_MAX + 1)).unwrap();
    assert!(found(SecretSource::File(path), long).await.unwrap_err().contains("the limit is"));
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let (pids, short) = (dir.path().join("pids"), Duration::from_millis(700));
    let hang = format!("echo $$ >{0}; sleep 1000 & echo $! >>{0}; wait", pids.display());
    let why = found(SecretSource::Command(hang), short).await.unwrap_err();
    assert!(why.contains("did not end within 0.7 s"), "{why}");
    let text = fs::read_to_string(&pids).unwrap_or_default();
    let gone = |pid: &str| match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !text.lines().all(gone) {
        assert!(std::time::Instant::now() < deadline, "{text}");
        tokio::task::yield_now().await;
    }
}
