//! File servers as people write them.

use super::*;

fn read(text: &str) -> (Option<FileServerFile>, Faults) {
    let doc = Doc::parse("x.yaml", text.as_bytes()).expect("a text of its language");
    let mut faults = Faults::default();
    (FileServerFile::read(&doc, &mut faults), faults)
}

fn errors(text: &str) -> Vec<String> {
    read(text).1.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn the_published_body_is_kept_and_shown() {
    let body = r#"{"name": "data", "properties": {
        "vmSize": "STANDARD_NC6", "host": "nas", "path": "/mnt/data",
        "sshConfiguration": {"publicIPsToAllow": ["10.0.0.0/8"], "userAccountSettings": {
            "adminUserName": "admin_user_name", "adminUserSshPublicKey": "ssh-rsa AAAAB3N...", "adminUserPassword": "hidden"}},
        "dataDisks": {"diskSizeInGB": 10, "cachingType": "none", "diskCount": 2, "storageAccountType": "Standard_LRS"},
        "subnet": {"id": "x"}}}"#;
    let (file, faults) = read(body);
    let file = file.expect("it loads");
    assert_eq!(file.name.as_deref(), Some("data"));
    assert_eq!(file.spec.export, Export::Nfs { host: "nas".to_owned(), path: "/mnt/data".to_owned() });
    let disks = file.spec.data_disks.clone().expect("disks");
    assert_eq!((disks.disk_count, disks.disk_size_in_gb), (2, 10));
    assert_eq!(file.spec.admin.clone().map(|a| a.admin_user_name).as_deref(), Some("admin_user_name"));
    let kept = serde_json::to_string(&file.spec).expect("it is plain data");
    assert!(!kept.contains("hidden") && !format!("{file:?}{faults:?}").contains("hidden"));
    let warnings: Vec<String> = faults.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "sshConfiguration.userAccountSettings.adminUserPassword: is not kept: ostler signs in to no server with a password",
            "subnet: is not used: the server is a machine that exists",
        ]
    );
}

#[test]
fn a_published_answer_says_where_it_is() {
    let (file, _) = read(
        "mountSettings: {mountPoint: /mnt/data, fileServerPublicIP: 1.2.3.4, fileServerInternalIP: 10.0.0.4}\nprovisioningState: succeeded\n",
    );
    let spec = file.expect("it loads").spec;
    assert_eq!((spec.public(), spec.internal(), spec.export.path()), (Some("1.2.3.4"), Some("10.0.0.4"), "/mnt/data"));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, expected) in [
        ("host: nas", "has no export"),
        ("{host: nas, path: srv}", "path: `srv` is not absolute"),
        ("{host: nas, path: /a/../b}", "path: `/a/../b` goes up with `..`"),
        ("{host: -oProxyCommand=x, path: /a}", "host: host `-oProxyCommand=x` refused"),
        ("{host: nas, path: /a, export: smb}", "export: `smb` is none of `nfs`, `sshfs`, `dir`"),
        ("{host: nas, path: /a, export: dir}", "host: has no meaning with the export `dir`"),
        ("{host: nas, path: /a, mountOptions: 'ro -o x'}", "mountOptions: the options have the character U+0020"),
        (
            "{host: nas, path: /a, dataDisks: {diskSizeInGB: 0, diskCount: 1, storageAccountType: x}}",
            "dataDisks.diskSizeInGB: must be 1 to 1000000, got 0",
        ),
        (
            "{host: nas, path: /a, dataDisks: {diskSizeInGB: 1, diskCount: 1, storageAccountType: x}}",
            "dataDisks.storageAccountType: `x` is none of `Standard_LRS`, `Premium_LRS`",
        ),
    ] {
        let errors = errors(text);
        assert!(errors.iter().any(|e| e.contains(expected)), "{text}: {errors:?}");
    }
    let many: Vec<String> = (0..=ALLOWED_MAX).map(|n| format!("10.0.0.{n}")).collect();
    let text = format!("{{host: a, path: /a, sshConfiguration: {{publicIPsToAllow: [{}]}}}}", many.join(","));
    assert_eq!(errors(&text), ["sshConfiguration.publicIPsToAllow: has 401 addresses, the limit is 400"]);
}

#[test]
fn a_slip_of_a_key_is_named() {
    let (file, faults) = read("{host: nas, path: /a, mountOption: ro}");
    assert!(file.is_some());
    let warnings: Vec<String> = faults.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["unknown key `mountOption`; it is not used; did you mean `mountOptions`?"]);
}
