//! Files, environment and flags against one another, and files that are refused.

use std::fs;

use super::*;
use crate::model::units::Millis;

fn sources(dir: &Path, text: &str) -> Sources {
    let path = dir.join("config.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Sources { named_file: Some(path), ..Sources::default() }
}

fn lines(dir: &Path, report: &FileReport) -> Vec<String> {
    let prefix = format!("{}/", dir.display());
    report.lines().iter().map(|line| line.replace(&prefix, "")).collect()
}

#[test]
fn flags_count_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let ssh = dir.path().join("ssh_config");
    fs::write(&ssh, "").unwrap();
    let text = format!(
        "kill_grace = '7s'\nserve_idle = '90s'\ntheme = 'warm'\nssh_config = '{}'\n[keys]\nquit = ['q', 'ctrl-c']\nhelp = '?'\n",
        ssh.display()
    );
    let mut sources = sources(dir.path(), &text);
    sources.environment.insert("OSTLER_SERVE_IDLE".to_owned(), "2m".to_owned());
    sources.environment.insert("OSTLER_REQUEUES_MAX".to_owned(), "9".to_owned());
    sources.environment.insert("OSTLER_ASCII".to_owned(), "true".to_owned());
    sources.ssh_config = Some(PathBuf::from("/dev/null/elsewhere"));
    assert_eq!(Config::load(sources.clone()).unwrap_err().lines(), ["-F: no such file `/dev/null/elsewhere`"]);
    let other = dir.path().join("elsewhere");
    fs::write(&other, "").unwrap();
    sources.ssh_config = Some(other.clone());
    let config = Config::load(sources.clone()).unwrap();
    assert_eq!(config.settings.kill_grace, Millis::from_secs(7));
    assert_eq!(config.settings.serve_idle, Millis::from_mins(2));
    assert_eq!(config.settings.requeues_max, 9);
    assert!(config.ui.ascii);
    assert_eq!(config.ui.theme.as_deref(), Some("warm"));
    assert_eq!(config.ui.keys["quit"], ["q", "ctrl-c"]);
    assert_eq!(config.ui.keys["help"], ["?"]);
    assert_eq!(config.ssh_config, Some(other));
    let place = Place { line: 1, column: 14 };
    assert_eq!(*config.origin("kill_grace"), Origin::File(sources.named_file.unwrap(), place));
    assert_eq!(*config.origin("serve_idle"), Origin::Environment("OSTLER_SERVE_IDLE".to_owned()));
    assert_eq!(*config.origin("ssh_config"), Origin::Flag("-F"));
    assert_eq!(*config.origin("webhook"), Origin::Default);
}

#[test]
fn all_faults_at_once_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let text = "kill_grce = '1s'\nserve_idle = 10\nrequeues_max = 'four'\nwebhook = 'http://example.com'\nunreachable_after = '-5m'\nstop_hold = '1h'\nascii = 1\ntheme = '../x'\n[pool]\nx = 1\n";
    let report = Config::load(sources(dir.path(), text)).unwrap_err();
    assert_eq!(
        lines(dir.path(), &report),
        [
            "config.toml:1:1: unknown key `kill_grce`; did you mean `kill_grace`?",
            "config.toml:2:14: serve_idle: `10` has no unit; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00",
            "config.toml:3:16: requeues_max: wants a whole number, got the text `four`",
            "config.toml:4:11: webhook: `http://example.com/` is not encrypted; use https (http is for this machine alone)",
            "config.toml:5:21: unreachable_after: `-5m` is negative",
            "config.toml:6:13: stop_hold: must be 0ms to 10m00s, got 1h00m",
            "config.toml:7:9: ascii: wants true or false, got 1",
            "config.toml:8:9: theme: theme names have letters, digits, - and _",
            "config.toml:9:2: unknown key `pool`",
        ]
    );
    let fault = Fault::from(report);
    assert_eq!((fault.exit_code(), fault.causes.len()), (2, 9));
}

#[test]
fn a_wrong_variable_is_named() {
    let mut sources = Sources::default();
    sources.environment.insert("OSTLER_KILL_GRACE".to_owned(), "soon".to_owned());
    let report = Config::load(sources).unwrap_err();
    assert_eq!(report.lines(), ["OSTLER_KILL_GRACE: `soon` is no duration; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00"]);
}

#[test]
fn a_bad_file_leaves_the_former_values() {
    let dir = tempfile::tempdir().unwrap();
    let sources = sources(dir.path(), "kill_grace = '7s'\n");
    let path = sources.named_file.clone().unwrap();
    let mut config = Config::load(sources).unwrap();
    fs::write(&path, "kill_grace = '8s'\nstop_hold = 'x'\n").unwrap();
    let before = config.clone();
    assert!(config.reread().is_err());
    assert_eq!(config, before);
    fs::write(&path, "kill_grace = '8s'\n").unwrap();
    config.reread().unwrap();
    assert_eq!(config.settings.kill_grace, Millis::from_secs(8));
}

#[test]
fn files_that_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("dir")).unwrap();
    fs::write(at("open.toml"), "").unwrap();
    fs::set_permissions(at("open.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(at("large.toml"), vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
    fs::write(at("utf16.toml"), b"\xFF\xFEa\0").unwrap();
    std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for name in ["large.toml", "utf16.toml"] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (name, expected) in [
        ("missing.toml", "no such file"),
        ("dir", "is not a regular file, it is a directory"),
        ("socket", "it is a socket"),
        ("open.toml", "(mode 666), and it decides what is run"),
        ("large.toml", "too large: 1 MiB, the limit is 1 MiB"),
        ("utf16.toml", "the file is UTF-16"),
    ] {
        let report = Config::load(Sources { named_file: Some(at(name)), ..Sources::default() }).unwrap_err();
        assert!(report.lines()[0].contains(expected), "{name}: {:?}", report.lines());
    }
    assert!(Config::load(Sources { usual_file: Some(at("missing.toml")), ..Sources::default() }).is_ok());
}

#[test]
fn refresh_rates_and_units_have_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let text = "frames_per_second = 12\nrefresh_moving = '500ms'\nrefresh_nodes = '1m'\nsizes = 'decimal'\nwebhook_shape = 'ntfy'\n";
    let config = Config::load(sources(dir.path(), text)).unwrap();
    assert_eq!(
        (config.ui.pace.frames, config.ui.pace.moving, config.ui.pace.nodes),
        (12, Millis(500), Millis::from_mins(1))
    );
    assert_eq!((config.ui.sizes, config.settings.webhook_shape.word()), (Sizes::Decimal, "ntfy"));
    for (text, place) in [
        ("frames_per_second = 0", "1:21: frames_per_second"),
        ("\nrefresh_moving = '1ms'", "2:18: refresh_moving"),
        ("sizes = 'inches'", "1:9: sizes"),
        ("webhook_shape = 'carrier-pigeon'", "1:17: webhook_shape"),
    ] {
        let report = Config::load(sources(dir.path(), text)).unwrap_err();
        assert!(report.lines()[0].contains(place), "{text}: {:?}", report.lines());
    }
}

#[test]
fn the_starter_file_sets_nothing_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let text = keys::starter_file();
    let config = Config::load(sources(dir.path(), &text)).unwrap();
    assert_eq!(config.settings, Settings::default());
    // Each line that is shown is right as it stands.
    let shown: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| keys::ALL.iter().any(|key| line.starts_with(&format!("{} = ", key.name)) && !line.ends_with("\"\"")))
        .map(str::to_owned)
        .collect();
    assert_eq!(shown.len(), keys::ALL.len() - 4, "{shown:?}");
    let config = Config::load(sources(dir.path(), &shown.join("\n"))).unwrap();
    assert_eq!((config.settings, config.ui), (Settings::default(), Ui::default()));
}

#[test]
fn the_table_has_every_setting() {
    let toml = toml::to_string(&Settings { webhook: Some(String::new()), ..Settings::default() }).unwrap();
    for field in toml.lines().filter_map(|line| line.split(" = ").next()) {
        assert!(keys::ALL.iter().any(|key| key.name == field), "{field} cannot be configured");
    }
}

#[test]
fn contexts_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/b");
    assert_eq!(context::Context::read(&state).unwrap(), context::Context::default());
    let context = context::Context { workspace: Some("lab".to_owned()), ..Default::default() };
    context.write(&state).unwrap();
    assert_eq!(context::Context::read(&state).unwrap(), context);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    fs::write(state.join("context.json"), "{").unwrap();
    assert_eq!(context::Context::read(&state).unwrap_err().exit_code(), 2);
}

#[test]
fn the_state_directory() {
    let none = BTreeMap::new();
    let by_variable: BTreeMap<String, String> = [("OSTLER_STATE_DIR".to_owned(), "/b".to_owned())].into();
    assert_eq!(places::state_dir(Some(Path::new("/a")), &by_variable).unwrap().0, PathBuf::from("/a"));
    assert_eq!(places::state_dir(None, &by_variable).unwrap().0, PathBuf::from("/b"));
    assert!(places::state_dir(Some(Path::new("x")), &none).unwrap().0.is_absolute());
    let relative: BTreeMap<String, String> = [("XDG_STATE_HOME".to_owned(), "x".to_owned())].into();
    assert_eq!(places::notes(&relative), ["ignored: XDG_STATE_HOME must be absolute, got \"x\""]);
}
