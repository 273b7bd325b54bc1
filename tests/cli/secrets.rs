//! Secrets from one end to the other: given in every way, found in the job, and nowhere else.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ostler::api::host::{HostOptions, Mode};
use ostler::model::settings::Settings;

use crate::rig::{Ran, User};

const DEADLINE: Duration = Duration::from_secs(90);
/// Part of every value, to look for.
const CANARY: &str = "c4n4ry-b1rd";
const CLUSTER: [&str; 3] =
    ["workspace create lab", "experiment create first", "cluster create pool --provider local --target 1"];

fn job_file(places: &Path) -> String {
    let at = |name: &str| places.join(name).display().to_string();
    let write = "for v in \"$VALUE\" \"$FILE\" \"$ENVIRONMENT\" \"$COMMAND\" \"$VAULT\" \"$PROMPT\" \"$TYPED\"; do printf '%s\\n' \"$v\"; done";
    serde_json::json!({
        "nodeCount": 1,
        "jobPreparation": {"commandLine": format!("[ -n \"$VALUE\" ] && {write} >{}", at("prepared"))},
        "customToolkitSettings": {
            "commandLine": format!("{write} >>{0}; echo \"$OSTLER_RANK\" >>{0}; until [ -e {1} ]; do sleep 0.1; done", at("values"), at("go")),
        },
        "environmentVariables": [{"name": "SHOWN", "value": "shown"}],
        "secrets": [
            {"name": "VALUE", "value": format!("{CANARY}-value it's $HOME \"q\" \\ é")},
            {"name": "FILE", "fromFile": "sources/token"},
            {"name": "ENVIRONMENT", "fromEnv": "SOURCE"},
            {"name": "COMMAND", "fromCommand": format!("sed s/token/command/ {}", at("token"))},
            {"name": "PROMPT", "prompt": true},
            {
                "name": "VAULT",
                "value": null,
                "valueSecretReference": {
                    "sourceVault": {"id": "/subscriptions/s/providers/Microsoft.KeyVault/vaults/keys"},
                    "secretUrl": "https://keys.vault.azure.net/secrets/token",
                },
            },
        ],
    })
    .to_string()
}

fn values() -> String {
    let each = ["value it's $HOME \"q\" \\ é", "token", "environment", "command", "vault", "prompt", "typed"];
    each.map(|end| format!("{CANARY}-{end}\n")).concat()
}

fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = so() {
            return found;
        }
        assert!(begin.elapsed() < DEADLINE, "it never came to that: {what}");
        std::thread::yield_now();
    }
}

/// Returns the files below a directory that hold the canary.
fn holders(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
            found.extend(holders(&path));
        } else if kind.is_ok_and(|kind| kind.is_file()) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Returns the command lines of this machine that hold the canary.
fn command_lines() -> Vec<String> {
    let each = std::fs::read_dir("/proc").expect("/proc").flatten();
    let texts = each
        .map(|entry| String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default()).into_owned());
    texts.filter(|text| text.contains(CANARY)).collect()
}

/// Runs a line whose prompts are answered on standard input.
fn answered(user: &User, line: &[&str], input: &str) -> Ran {
    let mut child =
        user.command(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("it reads");
    user.ran(&line.join(" "), child.wait_with_output().expect("an end"))
}

/// All that another client is told: the snapshot as it travels and as it is printed for us.
fn another_client(user: &User) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut options = HostOptions::new(user.home().join(".local/state/ostler"), Settings::default(), Mode::AttachOnly);
        options.runtime_dir = Some(user.home().join("ostler"));
        let session = ostler::api::host::open(options).await.expect("a host");
        let mut updates = session.client().subscribe().await.expect("updates");
        let update = tokio::time::timeout(DEADLINE, updates.recv()).await.expect("in time").expect("an update");
        format!("{}\n{update:?}", serde_json::to_string(&*update).expect("an update"))
    })
}

#[test]
fn a_canary_is_in_the_job_and_nowhere_else() {
    let sources = tempfile::tempdir().expect("a directory");
    let user = User::new().with("SOURCE", &format!("{CANARY}-environment")).with("OSTLER_LOG", "trace");
    std::os::unix::fs::symlink(sources.path(), user.home().join("sources")).expect("a link");
    std::fs::write(sources.path().join("token"), format!("{CANARY}-token\n")).expect("a source");
    std::fs::write(sources.path().join("vault"), format!("{CANARY}-vault\n")).expect("a source");
    let file = sources.path().join("job.json");
    std::fs::write(&file, job_file(sources.path())).expect("a file");
    let vault = sources.path().join("vault").display().to_string();
    user.file("config.toml", format!("kill_grace = '1s'\n[secrets.keys]\ntoken = {{ fromFile = '{vault}' }}\n"));
    let user = user.with("OSTLER_CONFIG", "config.toml");
    let mut said = user.tour(&CLUSTER);

    // Every way of giving one, and what is said of it.
    let file = file.display().to_string();
    let create = ["job", "create", "-f", &file, "--name", "bird", "--secret", "TYPED", "-o", "json"];
    let dry: Vec<&str> = create.iter().copied().chain(["--dry-run"]).collect();
    said += &answered(&user, &dry, "").shown();
    let input = format!("{CANARY}-prompt\n{CANARY}-typed\n");
    let ran = answered(&user, &create, &input);
    assert_eq!(ran.code, 0, "{}", ran.shown());
    said += &ran.shown();
    let find = |name: &str| std::fs::read_to_string(sources.path().join(name)).unwrap_or_default();
    until("the job has its values", || find("values").contains("m0:").then_some(()));
    assert_eq!(find("prepared"), values());
    assert_eq!(find("values").lines().take(7).map(|line| format!("{line}\n")).collect::<String>(), values());

    // While it runs.
    assert_eq!(command_lines(), Vec::<String>::new());
    said += &another_client(&user);
    assert_eq!(holders(user.home()), Vec::<String>::new(), "while it runs");

    // A new host goes on with what was kept, for a new job as well.
    for line in ["serve --stop", "job show bird", "job rerun bird -o json"] {
        let ran = user.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
        said += &ran.shown();
    }
    std::fs::write(sources.path().join("go"), "").expect("a file");
    said += &user.run("job wait --all --timeout 80s").shown();
    until("the second job has its values", || (find("values").matches("m0:").count() == 2).then_some(()));
    let second: Vec<String> = find("values").lines().skip(8).take(7).map(|line| format!("{line}\n")).collect();
    assert_eq!(second.concat(), values());
    let shown = [
        "job show bird",
        "job show bird -o json",
        "job show bird -o yaml",
        "job list -o json",
        "job list -o wide",
        "job why bird",
        "job logs bird",
        "cluster show -o json",
        "cluster list -o yaml",
        "config show -o json",
        "workspace show -o json",
        "experiment show -o json",
    ];
    said += &user.tour(&shown);
    let bird: serde_json::Value = serde_json::from_str(&user.run("job show bird -o json").stdout).expect("JSON");
    assert_eq!(bird["executionState"], "succeeded", "{bird:#}");
    let first = serde_json::json!({"name": "VALUE", "value": null});
    assert_eq!((&bird["secrets"][0], &bird["secrets"][2]["fromEnv"]), (&first, &serde_json::json!("SOURCE")));
    assert!(!said.contains(CANARY), "{said}");
    assert_eq!(holders(user.home()), Vec::<String>::new());
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(user.home().join(".local/state/ostler").join(name)).expect(name).permissions().mode() & 0o777
    };
    assert_eq!((mode("secret.key"), mode("ostler.sqlite")), (0o600, 0o600));

    // What was kept goes with its job: one value and two answers for each of the two.
    let database = user.home().join(".local/state/ostler/ostler.sqlite");
    let kept = || -> i64 {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let store = rusqlite::Connection::open_with_flags(&database, flags).expect("the store");
        store.query_row("SELECT count(*) FROM sealed", [], |row| row.get(0)).expect("a count")
    };
    assert_eq!(kept(), 6);
    assert_eq!(user.run("job delete bird -y").code, 0);
    until("the job's values are gone", || (kept() == 3).then_some(()));
    assert_eq!(user.run("experiment delete first -y").code, 0);
    until("the experiment's values are gone", || (kept() == 0).then_some(()));
}

#[test]
fn a_source_that_fails_fails_its_job() {
    let user = User::new();
    user.tour(&CLUSTER);
    for (secret, expected) in [
        ("TOKEN=env:NO_SUCH", "the secret TOKEN: the variable NO_SUCH is not set in the core"),
        ("TOKEN=file:nowhere/token", "cannot read `~/nowhere/token`: No such file"),
        ("TOKEN=cmd:echo 'pass: no such entry' >&2; exit 3", "failed (exit status: 3): pass: no such entry"),
    ] {
        let line =
            format!("job create --wait --timeout 80s -o json --secret {} -- true", shlex::try_quote(secret).expect("text"));
        let ran = user.run(&line);
        assert_eq!(ran.code, 1, "{}", ran.shown());
        let job: serde_json::Value = serde_json::from_str(&user.run("job show last -o json").stdout).expect("JSON");
        let error = &job["executionInfo"]["errors"][0];
        assert_eq!((error["code"].as_str(), job["attempt"].as_u64()), (Some("SecretUnavailable"), Some(1)), "{job:#}");
        let message = error["message"].as_str().expect("a message").replace(&user.home().display().to_string(), "~");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_is_no_source_is_refused_without_repeating_it() {
    let user = User::new();
    user.file(
        "job.json",
        r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}, "secrets": [
  {"name": "A", "value": "hush", "fromEnv": "X"},
  {"name": "UID", "value": "hush"},
  {"name": "B", "valueSecretReference": {"secretUrl": "https://keys/secrets/x"}}]}"#,
    );
    user.file("vault.json", r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}, "secrets": [
  {"name": "B", "valueSecretReference": {"sourceVault": {"id": "/vaults/keys"}, "secretUrl": "https://keys/secrets/token"}}]}"#);
    user.file(
        "ask.json",
        r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}, "secrets": [{"name": "B", "prompt": true}]}"#,
    );
    user.tour(&["workspace create lab", "experiment create first", "cluster create pool --provider local --target 0"]);
    insta::assert_snapshot!(user.tour(&[
        "job create -f job.json",
        "job create -f vault.json",
        "job create -f ask.json",
        "job create --secret TOKEN=hush -- true",
        "job create --secret TOKEN=env: -- true",
        "job create --env TOKEN=x --secret TOKEN=env:X -- true",
    ]));
}
