//! Runtimes that are not to be had for tests: a stand-in that notes every call with its words, and refuses those that the
//! real program would refuse.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::rig::User;

/// Part of every value that nobody may see.
const CANARY: &str = "c4n4ry-b1rd";

/// Stands in for `docker` and `apptainer`; what is run "inside" runs here. `$PLACE` is the folder of its notes.
const STAND_IN: &str = r#"#!/bin/sh
me=${0##*/} place=PLACE
printf '%s' "$me" >>"$place/calls"
for word; do printf ' <%s>' "$word" >>"$place/calls"; done
echo >>"$place/calls"
bad() { echo "$me: $1" >&2; exit 125; }
# One command line, but for how GPUs are given.
[ "$me" != podman ] || me=docker
case "$me $1" in
"docker version") [ ! -e "$place/no-service" ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; } ;;
"docker image") [ -e "$place/pulled" ] ;;
"docker login")
    [ "$*" = "login --username ada --password-stdin reg.example" ] || bad "words"
    [ -d "$DOCKER_CONFIG" ] || bad "no folder for the sign-in"
    echo "$DOCKER_CONFIG" >"$place/config"
    cat >"$DOCKER_CONFIG/config.json"
    [ "$(wc -c <"$DOCKER_CONFIG/config.json")" = 20 ] || { echo "unauthorized: incorrect password" >&2; exit 1; }
    ;;
"docker pull") [ -e "$DOCKER_CONFIG/config.json" ] || bad "pull access denied"; touch "$place/pulled" ;;
"docker ps") cat "$place/running" 2>/dev/null ;;
"docker run") echo 0123abcd >"$place/running" ;;
"docker rm") [ "$*" = "rm --force 0123abcd" ] || bad "words"; rm "$place/running" ;;
"docker exec")
    shift
    while [ "$1" = --env ]; do case $2 in *=*) bad "a value on the command line" ;; esac; shift 2; done
    shift
    INSIDE=docker exec "$@"
    ;;
"apptainer version") echo 1.3 ;;
"apptainer instance")
    case $2 in
    list) echo "INSTANCE NAME PID IP IMAGE"; cat "$place/instances" 2>/dev/null ;;
    start)
        [ "$APPTAINER_DOCKER_USERNAME" = ada ] && [ "${#APPTAINER_DOCKER_PASSWORD}" = 20 ] || { echo "FATAL: unauthorized" >&2; exit 255; }
        for last; do :; done
        echo "$last 42 - image" >"$place/instances"
        ;;
    stop) rm "$place/instances" ;;
    esac
    ;;
"apptainer exec") shift 2; INSIDE=apptainer exec "$@" ;;
*) bad "unknown command $1" ;;
esac
"#;

fn lab(place: &Path, runtimes: &str) -> User {
    for name in ["docker", "podman", "apptainer"] {
        let path = place.join(name);
        std::fs::write(&path, STAND_IN.replace("PLACE", &place.display().to_string())).expect("a stand-in");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    let path = format!("{}:{}", place.display(), std::env::var("PATH").unwrap_or_default());
    let user =
        User::new().with("PATH", &path).with("PASSWORD", &format!("{CANARY}-password")).with("OSTLER_CONFIG", "config.toml");
    user.file("config.toml", format!("kill_grace = '1s'\ncontainer_runtimes = {runtimes}\n"));
    let lines = ["workspace create lab", "experiment create first", "cluster create pool --provider local --target 1"];
    for line in lines {
        let ran = user.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
    }
    user
}

fn job(user: &User, place: &Path, name: &str) -> serde_json::Value {
    let job = serde_json::json!({
        "nodeCount": 1,
        "jobPreparation": {"commandLine": "echo prepared in $INSIDE"},
        "customToolkitSettings": {"commandLine": "echo $INSIDE $GREETING ${#TOKEN}; pwd; exit 3"},
        "environmentVariables": [{"name": "GREETING", "value": "hello"}],
        "secrets": [{"name": "TOKEN", "value": CANARY}],
        "outputDirectories": [{"id": "M", "pathPrefix": place.join("models")}],
        "containerSettings": {
            "imageSourceRegistry": {
                "image": "reg.example/a:1", "serverUrl": "reg.example",
                "credentials": {"username": "ada", "fromEnv": "PASSWORD"},
            },
            "shmSize": "16gb",
        },
    });
    user.file("job.json", job.to_string());
    let ran = user.run(&format!("job create -f job.json --name {name} --wait --timeout 80s -o json"));
    assert!(!ran.stderr.contains(CANARY) && !ran.stdout.contains(CANARY), "{}", ran.shown());
    let shown = user.run(&format!("job show {name} -o json"));
    serde_json::from_str(&shown.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ran.shown(), shown.shown()))
}

/// Returns what was called, with names that differ from run to run replaced.
fn calls(place: &Path) -> String {
    let text = std::fs::read_to_string(place.join("calls")).expect("calls");
    assert!(!text.contains(CANARY), "{text}");
    let text = text.replace(&place.display().to_string(), "PLACE");
    let filters = [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        (r"<[^>]*/nodes/UUID/UUID", "<ROOT"),
        (r":/[^>]*/nodes/UUID/UUID>", ":ROOT>"),
    ];
    let text = filters.iter().fold(text, |text, (pattern, with)| {
        regex::Regex::new(pattern).expect("a pattern").replace_all(&text, *with).into_owned()
    });
    // What is run inside is shown by what it does.
    text.lines()
        .map(|line| line.split(" </bin/sh> <-c>").next().unwrap_or(line))
        .filter(|line| line.starts_with(['d', 'p', 'a']))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn docker_is_called_with_no_secret_on_its_command_line() {
    let place = tempfile::tempdir().expect("a directory");
    let user = lab(place.path(), "['docker']");
    let job = job(&user, place.path(), "j");
    assert_eq!(job["executionInfo"]["exitCode"], 3, "{job:#}");
    let logs = user.run("job logs j");
    assert!(logs.stdout.starts_with(&format!("docker hello {}\n~", CANARY.len())), "{}", logs.shown());
    let config = std::fs::read_to_string(place.path().join("config")).expect("the folder of the sign-in");
    assert!(!Path::new(config.trim()).exists(), "it is removed");
    assert!(!place.path().join("running").exists(), "the container is removed");
    insta::assert_snapshot!(calls(place.path()));
}

#[test]
fn apptainer_is_taken_where_docker_has_no_service() {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("no-service"), "").expect("a file");
    let user = lab(place.path(), "['docker', 'apptainer']");
    let job = job(&user, place.path(), "j");
    assert_eq!(job["executionInfo"]["exitCode"], 3, "{job:#}");
    let logs = user.run("job logs j");
    assert!(logs.stdout.starts_with(&format!("apptainer hello {}\n", CANARY.len())), "{}", logs.shown());
    assert!(!place.path().join("instances").exists(), "the instance is stopped");
    insta::assert_snapshot!(calls(place.path()));
}

/// Says it has so many GPUs, as the driver's program does.
fn gpus(place: &Path, count: usize) {
    let lines: String = (0..count).map(|n| format!("echo 'GPU {n}: Card (UUID: GPU-{n})'\n")).collect();
    let path = place.join("nvidia-smi");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}")).expect("a stand-in");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

#[test]
fn gpus_are_given_as_each_runtime_wants_and_only_where_there_are_some() {
    for (runtime, flag, start) in [
        ("docker", " <--gpus> <all>", "docker <run>"),
        ("podman", " <--device> <nvidia.com/gpu=all>", "podman <run>"),
        ("apptainer", " <--nv>", "apptainer <instance> <start>"),
    ] {
        for count in [0, 2] {
            let place = tempfile::tempdir().expect("a directory");
            gpus(place.path(), count);
            let user = lab(place.path(), &format!("['{runtime}']"));
            let job = job(&user, place.path(), "j");
            assert_eq!(job["executionInfo"]["exitCode"], 3, "{runtime}: {job:#}");
            let calls = calls(place.path());
            let started = calls.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{runtime}: {calls}"));
            assert_eq!(started.contains(flag), count > 0, "{count} GPUs: {started}");
            let shared = started.contains("<--shm-size> <");
            assert_eq!(shared, runtime != "apptainer", "{started}");
        }
    }
}

#[test]
fn a_wrong_password_and_no_runtime_are_told_apart() {
    let place = tempfile::tempdir().expect("a directory");
    let user = lab(place.path(), "['docker']").with("PASSWORD", "wrong");
    // The host has the environment of the command that started it.
    user.run("serve --stop");
    let error =
        |job: &serde_json::Value| job["executionInfo"]["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
    let ended = job(&user, place.path(), "j");
    assert_eq!(ended["executionInfo"]["exitCode"], -1, "{ended:#}");
    assert!(error(&ended).ends_with("cannot sign in to reg.example as ada: unauthorized: incorrect password"), "{ended:#}");
    std::fs::write(place.path().join("no-service"), "").expect("a file");
    let ended = job(&user, place.path(), "k");
    assert_eq!(ended["executionInfo"]["errors"][0]["code"], "FailedStartingContainer");
    let expected = "no container runtime on this node: docker does not work: Cannot connect to the Docker daemon";
    assert!(error(&ended).contains(expected), "{ended:#}");
}
