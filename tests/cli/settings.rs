//! Configuration, context, themes.

use std::os::unix::fs::PermissionsExt;

use crate::rig::User;

#[test]
fn the_context_is_set_explicitly() {
    let user = User::new();
    insta::assert_snapshot!(user.tour(&[
        "context show",
        "context set",
        "context set -w lab -e first",
        "context set -c gpu",
        "context show -w other",
        "context show -o json",
        "context clear cluster",
        "context clear",
        "context set -w 'a b'",
    ]), @r##"
$ ostler context show
workspace   -
experiment  -
cluster     -
= 0

$ ostler context set
! error: nothing to set
!   hint: ostler context set -w WORKSPACE -e EXPERIMENT -c CLUSTER
= 2

$ ostler context set -w lab -e first
workspace   lab
experiment  first
cluster     -
= 0

$ ostler context set -c gpu
workspace   lab
experiment  first
cluster     gpu
= 0

$ ostler context show -w other
workspace   other (now, over the context)
experiment  first
cluster     gpu
= 0

$ ostler context show -o json
{
  "resourceGroup": null,
  "workspace": "lab",
  "experiment": "first",
  "cluster": "gpu"
}
= 0

$ ostler context clear cluster
workspace   lab
experiment  first
cluster     -
= 0

$ ostler context clear
workspace   -
experiment  -
cluster     -
= 0

$ ostler context set -w 'a b'
! error: the name has the character U+0020 at position 2; names have 1 to 64 letters, digits, - or _
= 2
"##);
}

#[test]
fn a_broken_context_can_be_cleared() {
    let user = User::new();
    user.run("context set -w lab");
    std::fs::write(user.home().join(".local/state/ostler/context.json"), "{").unwrap();
    insta::assert_snapshot!(user.tour(&["context show", "context clear"]), @r##"
$ ostler context show
! error: cannot read the context in `~/.local/state/ostler/context.json`
!   cause: EOF while parsing an object at line 1 column 1
!   hint: `ostler context clear` starts over
= 2

$ ostler context clear
workspace   -
experiment  -
cluster     -
= 0
"##);
}

#[test]
fn every_value_and_where_it_came_from() {
    let user = User::new().with("OSTLER_SERVE_IDLE", "90s");
    insta::assert_snapshot!(user.tour(&["config path", "config init", "config init"]), @r##"
$ ostler config path
file  ~/.config/ostler/config.toml
= 0

$ ostler config init
! wrote ~/.config/ostler/config.toml
= 0

$ ostler config init
! error: `~/.config/ostler/config.toml` is there already
!   hint: --force replaces it
= 1
"##);
    user.file(".config/ostler/config.toml", "kill_grace = '5s'\n[keys]\nquit = 'Q'\n");
    insta::assert_snapshot!("config-show", user.run("config show").shown());
}

#[test]
fn faults_of_the_configuration() {
    let user = User::new();
    user.file("a.toml", "kill_grce = '1s'\nserve_idle = 10\nwebhook = 'http://example.com'\nascii = 'no'\n");
    user.file("syntax.toml", "kill_grace = \n");
    let open = user.file("open.toml", "");
    std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o666)).unwrap();
    insta::assert_snapshot!(user.tour(&[
        "--config a.toml config show",
        "--config syntax.toml config show",
        "--config open.toml config show",
        "--config missing.toml config show",
    ]), @r##"
$ ostler --config a.toml config show
! error: `a.toml` has 4 faults
! a.toml:1:1: unknown key `kill_grce`; did you mean `kill_grace`?
! a.toml:2:14: serve_idle: `10` has no unit; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00
! a.toml:3:11: webhook: `http://example.com/` is not encrypted; use https (http is for this machine alone)
! a.toml:4:9: ascii: wants true or false, got the text `no`
= 2

$ ostler --config syntax.toml config show
! error: `syntax.toml` has a fault
! syntax.toml:1:14: string values must be quoted, expected literal string
= 2

$ ostler --config open.toml config show
! error: refused: others can write `open.toml` (mode 666), and it decides what is run
!   hint: chmod go-w open.toml
= 2

$ ostler --config missing.toml config show
! error: no such file `missing.toml`
!   hint: `ostler config init` writes one
= 2
"##);
    let wrong = User::new().with("OSTLER_KILL_GRACE", "soon").with("OSTLER_REQUEUES_MAX", "-1");
    insta::assert_snapshot!(wrong.run("config show").shown(), @r##"
$ ostler config show
! error: the environment has 2 faults
! OSTLER_KILL_GRACE: `soon` is no duration; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00
! OSTLER_REQUEUES_MAX: must be 0 to 1000, got -1
= 2
"##);
}

#[test]
fn places_that_are_not_there() {
    let user = User::new().with("XDG_STATE_HOME", "x").with("XDG_CONFIG_HOME", "y");
    insta::assert_snapshot!(user.run("context show").shown(), @r##"
$ ostler context show
workspace   -
experiment  -
cluster     -
! warning: ignored: XDG_STATE_HOME must be absolute, got "x"
! warning: ignored: XDG_CONFIG_HOME must be absolute, got "y"
= 0
"##);
    let user = User::new().with("OSTLER_STATE_DIR", "/dev/null/x");
    insta::assert_snapshot!(user.run("context set -w lab").shown(), @r##"
$ ostler context set -w lab
! error: cannot read the context in `/dev/null/x/context.json`
!   cause: Not a directory (os error 20)
!   hint: `ostler context clear` starts over
= 2
"##);
}

#[test]
fn every_format_of_a_list() {
    let user = User::new();
    user.file("c.toml", "");
    for format in ["table", "wide", "json", "jsonl", "yaml", "tsv", "name"] {
        let ran = user.run(&format!("--config c.toml config show -o {format}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.shown());
        let first: String = ran.stdout.lines().take(8).map(|line| format!("{line}\n")).collect();
        insta::assert_snapshot!(format!("format-{format}"), first);
    }
    let json = user.run("config show -o json").stdout;
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok_and(|value| value.is_array()));
}

#[test]
fn a_question_picks_out_of_the_data() {
    let user = User::new();
    user.lab();
    let ran = |line: &str| {
        let ran = user.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
        ran.stdout
    };
    for name in ["a", "b"] {
        ran(&format!("job create -n {name} -e first -c gpu -- true"));
    }
    assert_eq!(ran("cluster show gpu --query scaleSettings.manual.targetNodeCount"), "0\n");
    assert_eq!(ran("job list --query \"[?name=='b'].{state: executionState, job: name}\" -o tsv"), "queued\tb\n");
    assert_eq!(ran("job list --query '[].name' -o json"), "[\n  \"a\",\n  \"b\"\n]\n");
    assert_eq!(ran("job list --query 'length(@)'"), "2\n");
    // Also of what was just made, of a plan, of an export and of the usage.
    assert_eq!(ran("workspace create w2 --query name"), "w2\n");
    let line = ran("job plan -w lab -e first -c gpu --query 'processes[0].commandLine' -- echo hi");
    assert!(line.ends_with("echo hi\n"), "behind what reads ~/.bashrc: {line}");
    assert_eq!(ran("export lab --query 'workspace.clusters[].name' -o tsv"), "gpu\n");
    assert_eq!(ran("usage --query \"[?contains(name.value, 'orkspace')].currentValue | [0]\""), "2\n");
    let wrong = user.run("job list --query \"[?name=b]\"");
    assert_eq!(wrong.code, 2, "{}", wrong.shown());
    assert!(wrong.stderr.starts_with("error: --query: column 7: "), "{}", wrong.shown());
    assert!(wrong.stderr.contains("single quotes"), "{}", wrong.shown());
}

#[test]
fn colours_only_where_they_are_wanted() {
    let user = User::new();
    assert!(!user.run("config show").stdout.contains('\u{1b}'));
    assert!(user.run("config show --color always").stdout.contains('\u{1b}'));
    assert!(!user.run("config show --color never").stdout.contains('\u{1b}'));
}

#[test]
fn a_workspace_is_edited_as_text() {
    let user = User::new();
    user.lab();
    let script = user.file("edit.sh", "sed -i 's/^  name: lab/&\\n  tags:\\n    team: vision/' \"$1\"\n");
    let editor = format!("sh {}", script.display());
    let user = user.with("EDITOR", &editor).with("VISUAL", "");
    let edited = user.run("edit lab -y").shown();
    assert!(edited.contains("1 changed") && edited.ends_with("= 0\n"), "{edited}");
    assert!(user.run("workspace show lab -o json").shown().contains("vision"));
    let same = user.with("EDITOR", "true").run("edit lab").shown();
    assert!(same.contains("no change"), "{same}");
}
