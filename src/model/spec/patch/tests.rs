//! Each rule of what is put into a file before it is read.

use serde_json::{Value as Json, json};

use super::*;

fn storage(account: Option<&str>, key: Option<&str>) -> Storage {
    Storage { account: account.map(str::to_owned), key: key.map(|key| StorageKey::Value(SecretText::new(key))) }
}

fn patched(whose: Whose, text: &Json, storage: &Storage, quick: &QuickMounts) -> (Json, Vec<String>, Vec<String>) {
    let mut doc = Doc::parse("x.json", text.to_string().as_bytes()).unwrap();
    let mut faults = Faults::default();
    patch(&mut doc, whose, storage, quick, &mut faults);
    let lines = |list: &[FileFault]| list.iter().map(FileFault::to_string).collect();
    (doc.to_json(), lines(&faults.errors), lines(&faults.warnings))
}

#[test]
fn the_published_placeholders_are_filled_in() {
    let file = json!({"properties": {"mountVolumes": {
        "azureFileShares": [
            {"azureFileUrl": "https://<AZURE_BATCHAI_STORAGE_ACCOUNT>.file.core.windows.net/logs", "relativeMountPath": "logs"},
            {"accountName": "<AZURE_BATCHAI_STORAGE_ACCOUNT>", "credentials": {"accountKey": "<AZURE_BATCHAI_STORAGE_KEY>"},
             "azureFileUrl": "https://<AZURE_BATCHAI_STORAGE_ACCOUNT>.file.core.windows.net/x", "relativeMountPath": "x"},
            {"azureFileUrl": "https://other.file.core.windows.net/y", "relativeMountPath": "y"},
            {"accountName": "other", "credentials": {"accountKey": "own"}, "azureFileUrl": "https://other.file.core.windows.net/z"},
        ],
        "azureBlobFileSystems": [{"accountName": "<AZURE_BATCHAI_STORAGE_ACCOUNT>", "containerName": "data",
            "credentials": {"accountKey": null, "accountKeySecretReference": null}}],
    }}});
    let (out, errors, warnings) =
        patched(Whose::Job, &file, &storage(Some("acct"), Some("c2VjcmV0")), &QuickMounts::default());
    assert_eq!((errors.len(), warnings.len()), (0, 0), "{errors:?} {warnings:?}");
    let key = json!({"accountKey": "c2VjcmV0"});
    assert_eq!(
        out["properties"]["mountVolumes"],
        json!({
            "azureFileShares": [
                {"azureFileUrl": "https://acct.file.core.windows.net/logs", "relativeMountPath": "logs", "accountName": "acct", "credentials": key},
                {"accountName": "acct", "credentials": key, "azureFileUrl": "https://acct.file.core.windows.net/x", "relativeMountPath": "x"},
                {"azureFileUrl": "https://other.file.core.windows.net/y", "relativeMountPath": "y", "accountName": "other", "credentials": null},
                {"accountName": "other", "credentials": {"accountKey": "own"}, "azureFileUrl": "https://other.file.core.windows.net/z"},
            ],
            "azureBlobFileSystems": [{"accountName": "acct", "containerName": "data", "credentials": key}],
        })
    );
}

#[test]
fn a_placeholder_without_an_account_says_what_to_set() {
    let file = json!({"nodeSetup": {"mountVolumes": {
        "azureFileShares": [{"azureFileUrl": "https://<AZURE_BATCHAI_STORAGE_ACCOUNT>.file.core.windows.net/logs"}],
        "azureBlobFileSystems": [{"accountName": "a", "credentials": {"accountKey": "<AZURE_BATCHAI_STORAGE_KEY>"}}],
    }}});
    let (_, errors, warnings) = patched(Whose::Cluster, &file, &Storage::default(), &QuickMounts::default());
    assert_eq!(
        errors,
        [
            "nodeSetup.mountVolumes.azureFileShares[0].azureFileUrl: has the placeholder `<AZURE_BATCHAI_STORAGE_ACCOUNT>`, and no account is set: give --storage-account-name, set AZURE_BATCHAI_STORAGE_ACCOUNT, or have exactly one account in the configuration"
        ]
    );
    assert_eq!(
        warnings,
        [
            "nodeSetup.mountVolumes.azureBlobFileSystems[0].credentials: has the placeholder `<AZURE_BATCHAI_STORAGE_KEY>`, and no key is set (AZURE_BATCHAI_STORAGE_KEY); the account's own of the configuration is used, when it needs one"
        ]
    );
}

#[test]
fn an_address_names_its_account() {
    assert_eq!(account_of("https://acct.file.core.windows.net/share"), Ok("acct"));
    for (address, expected) in [
        ("acct/share", "is no address of a file share"),
        ("ftp://acct.file.core.windows.net/share", "is no address of a file share"),
        ("https://acct.file.core.windows.net", "is no address of a file share"),
        ("https://acct.file.core.windows.net/", "is no address of a file share"),
        ("https://acct/share", "is no address of a file share"),
        ("https://.x/share", "is no address of a file share"),
        ("https://a b.file.core.windows.net/s", "the account has the character U+0020"),
    ] {
        assert!(account_of(address).unwrap_err().contains(expected), "{address}");
    }
    let file = json!({"mountVolumes": {"azureFileShares": [{"azureFileUrl": "nonsense"}]}});
    let (_, errors, _) = patched(Whose::Job, &file, &Storage::default(), &QuickMounts::default());
    assert_eq!(
        errors,
        [
            "mountVolumes.azureFileShares[0].azureFileUrl: `nonsense` is no address of a file share; the form is https://ACCOUNT.file.core.windows.net/SHARE"
        ]
    );
}

#[test]
fn quick_options_come_behind_what_the_file_mounts() {
    let some = |name: &str, path: &str| Some((name.to_owned(), path.to_owned()));
    let quick =
        QuickMounts { share: some("s", "afs"), container: some("c", "bfs"), server: some("data", "nfs"), auto: false };
    for (whose, file, pointer) in [
        (Whose::Job, json!({"mountVolumes": {"fileServers": [{"fileServer": {"id": "old"}}]}}), "/mountVolumes"),
        (
            Whose::Cluster,
            json!({"properties": {"nodeSetup": {"mountVolumes": {"fileServers": [{"fileServer": {"id": "old"}}]}}}}),
            "/properties/nodeSetup/mountVolumes",
        ),
    ] {
        let (out, errors, _) = patched(whose, &file, &storage(Some("acct"), None), &quick);
        assert_eq!(errors.len(), 0, "{errors:?}");
        assert_eq!(
            out.pointer(pointer),
            Some(&json!({
                "fileServers": [{"fileServer": {"id": "old"}}, {"fileServer": {"id": "data"}, "relativeMountPath": "nfs", "mountOptions": "rw"}],
                "azureFileShares": [{"azureFileUrl": "https://acct.file.core.windows.net/s", "relativeMountPath": "afs", "accountName": "acct", "credentials": null}],
                "azureBlobFileSystems": [{"accountName": "acct", "containerName": "c", "relativeMountPath": "bfs", "credentials": null}],
            })),
        );
    }
    let (_, errors, _) = patched(Whose::Job, &json!({}), &Storage::default(), &quick);
    assert_eq!(
        errors,
        [
            "--afs-name needs an account: give --storage-account-name or set AZURE_BATCHAI_STORAGE_ACCOUNT",
            "--bfs-name needs an account: give --storage-account-name or set AZURE_BATCHAI_STORAGE_ACCOUNT",
        ]
    );
}

#[test]
fn a_key_is_not_in_debug() {
    assert!(!format!("{:?}", storage(Some("a"), Some("hunter2"))).contains("hunter2"));
}

#[test]
fn auto_storage_is_a_share_and_a_container_of_its_own() {
    let quick = QuickMounts { auto: true, ..QuickMounts::default() };
    let (out, errors, _) = patched(Whose::Cluster, &json!({}), &Storage::default(), &quick);
    assert_eq!(errors, Vec::<String>::new());
    let mounts = &out["nodeSetup"]["mountVolumes"];
    let share = &mounts["azureFileShares"][0];
    assert_eq!(share["azureFileUrl"], "https://batchaiautostorage.file.core.windows.net/batchaishare");
    assert_eq!(share["relativeMountPath"], "autoafs");
    let container = &mounts["azureBlobFileSystems"][0];
    assert_eq!(
        (&container["containerName"], &container["relativeMountPath"]),
        (&json!("batchaicontainer"), &json!("autobfs"))
    );
}
