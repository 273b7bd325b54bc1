//! Help, wrong calls, completions.

use crate::rig::User;

#[test]
fn help_of_every_noun() {
    let user = User::new();
    insta::assert_snapshot!("help", user.run("--help").shown());
    for noun in [
        "resource-group",
        "workspace",
        "file-server",
        "usage",
        "apply",
        "export",
        "cluster",
        "cluster node",
        "cluster file",
        "experiment",
        "job",
        "job file",
        "job node",
        "context",
        "config",
        "theme",
        "serve",
        "doctor",
        "db",
        "demo",
    ] {
        let help = user.run(&format!("{noun} --help"));
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{noun}");
        // The global options are the same everywhere; the snapshot of the top has them.
        let own = help.stdout.split("Global options:").next().unwrap_or_default().to_owned();
        insta::assert_snapshot!(format!("help-{}", noun.replace(' ', "-")), own);
    }
}

#[test]
fn help_of_the_verbs_with_many_options() {
    let user = User::new();
    for verb in [
        "job create",
        "job plan",
        "job logs",
        "job list",
        "job wait",
        "job file list",
        "job file stream",
        "cluster create",
        "cluster scale",
        "workspace update",
        "file-server create",
    ] {
        let help = user.run(&format!("{verb} --help"));
        assert_eq!(help.code, 0, "{verb}");
        let own = help.stdout.split("Global options:").next().unwrap_or_default().to_owned();
        insta::assert_snapshot!(format!("help-{}", verb.replace(' ', "-")), own);
    }
}

#[test]
fn wrong_calls_end_with_two_and_name_what_was_meant() {
    let user = User::new();
    for (line, expected) in [
        ("jbo list", "'job'"),
        ("job lst", "'list'"),
        ("job list --limt 3", "'--limit'"),
        ("job create", "there is nothing to run"),
        ("cluster scale gpu many", "`many` is no number of nodes"),
        ("job list --state done", "`done` is no state of a job"),
        ("job show", "no job is named"),
        ("job create --wait --timeout 10 -- true", "has no unit"),
        ("-o xml job list", "invalid value"),
        ("--embedded --no-server job list", "cannot be used with"),
    ] {
        let ran = user.run(line);
        assert_eq!(ran.code, 2, "{}", ran.shown());
        assert!(ran.stderr.contains(expected) && ran.stdout.is_empty(), "{}", ran.shown());
        // What is wrong by itself starts no host.
        assert!(!user.hosted(), "{line}");
    }
}

#[test]
fn a_script_for_each_shell() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = user.run(&format!("completions {shell}"));
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("OSTLER_COMPLETE") && ran.stdout.contains("ostler"), "{}", ran.shown());
    }
}

#[test]
fn pages_of_the_manual() {
    let user = User::new();
    let page = user.run("man");
    assert_eq!(page.code, 0, "{}", page.shown());
    assert!(page.stdout.contains(".TH ostler 1 ") && page.stdout.contains(".SH \"KEYS OF THE SCREEN\""), "{}", page.shown());
    let page = user.run("man job create");
    assert!(page.stdout.contains(".TH ostler-job-create 1 ") && page.stdout.contains("\\-\\-gpus"), "{}", page.shown());
    let wrong = user.run("man job make");
    assert_eq!((wrong.code, wrong.stdout.as_str()), (1, ""), "{}", wrong.shown());
    assert!(wrong.stderr.contains("there is no command `job make`"), "{}", wrong.shown());
    let all = user.run("man --dir pages/man1");
    assert!(all.code == 0 && all.stdout.contains(" pages in pages/man1"), "{}", all.shown());
    let kept = std::fs::read_to_string(user.home().join("pages/man1/ostler-job-create.1")).expect("a page");
    assert_eq!(kept, page.stdout);
}

#[test]
fn the_shell_is_told_what_may_follow() {
    let user = User::new().with("OSTLER_COMPLETE", "bash").with("_CLAP_COMPLETE_INDEX", "2").with("_CLAP_IFS", "\n");
    let ran = user.run("-- ostler job re");
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), ["retry", "rerun", "release"], "{}", ran.shown());
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let user = User::new();
    let mut child = user
        .command(&["config", "show"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let ran = user.ran("config show", child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.shown());
}

#[test]
fn nobody_hosts() {
    let user = User::new();
    for line in ["--no-server job list", "serve --status", "serve --stop"] {
        let ran = user.run(line);
        assert_eq!(ran.code, 3, "{}", ran.shown());
        assert!(
            ran.stderr.starts_with("error: nobody hosts the core of ~/.local/state/ostler\n  hint: "),
            "{}",
            ran.shown()
        );
    }
}
