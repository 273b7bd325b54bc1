//! Coming up, going, and what a node may be like.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use ostler::model::state::Proof;
use ostler::model::units::Millis;
use ostler::transport::agent::Tuning;
use ostler::transport::{Order, Report};

use crate::node::{Node, Shell, key, link, lives, number_of, soon, tuning, until};

crate::in_every_shell!(
    noise_before_the_hello,
    a_lower_epoch_is_refused,
    two_agents_of_one_node,
    what_a_node_lacks_is_named,
    a_launcher_gets_its_daemon,
    safekill_hits_only_what_is_meant,
    quotes_hold_in_real_shells,
    every_race_has_one_winner,
);

async fn noise_before_the_hello(shell: Shell) {
    let dir = tempfile::tempdir().unwrap();
    let noisy = dir.path().join("noisy");
    let say = |text: &str| {
        let script = format!("#!/bin/sh\n{text}\nexec {} \"$@\"\n", shell.words.join(" "));
        // By rename: one that is just being executed cannot be opened for writing.
        let new = noisy.with_extension("new");
        std::fs::write(&new, script).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &noisy).unwrap();
    };
    say(
        "i=0; while [ $i -lt 500 ]; do echo 'Welcome to this machine; it is noisy.'; i=$((i + 1)); done; printf 'no line feed'",
    );
    let tuned = Tuning { shell: noisy.to_str().unwrap().to_owned(), ..tuning(shell) };
    let link = link(&dir.path().join("spool"), 1);
    let mut node = Node::start_task(dir, shell, link.clone(), tuned.clone()).await;
    assert_eq!(node.run(key("1.1.m0"), "exit 3").await, Proof::Exit { code: 3, why: None });
    node.agent.close(true);
    node.agent.ended().await;
    say("while :; do echo 'Buy now, buy often, buy ever more.'; done");
    let (reports_in, mut reports) = tokio::sync::mpsc::channel(16);
    let task = ostler::transport::agent::spawn_tuned(link, reports_in, tuned);
    let report = soon("a fault", reports.recv()).await.unwrap().1;
    let Report::Down { why, retry_in } = report else { panic!("{report:?}") };
    assert!(why.code == "no-shell" && why.message.contains("Buy now") && retry_in.is_none(), "{why:?}");
    task.close(false);
    soon("the task's end", task.ended()).await;
}

async fn a_lower_epoch_is_refused(shell: Shell) {
    let node = Node::up(shell).await.again(7).await;
    node.agent.close(false);
    node.agent.ended().await;
    let why = down(&node, 6).await;
    assert!(why.code == "epoch" && why.message.contains("epoch 7"), "{why:?}");
    let mut node = node.again(7).await;
    assert_eq!(node.run(key("1.1.m0"), "true").await, Proof::Exit { code: 0, why: None });
}

async fn down(node: &Node, epoch: u64) -> ostler::model::state::Unusable {
    let (reports_in, mut reports) = tokio::sync::mpsc::channel(16);
    let mut link = node.link.clone();
    link.epoch = ostler::model::ids::Epoch(epoch);
    let task = ostler::transport::agent::spawn_tuned(link, reports_in, node.tuning.clone());
    let report = soon("a report", reports.recv()).await.unwrap().1;
    task.close(false);
    match report {
        Report::Down { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

async fn two_agents_of_one_node(shell: Shell) {
    let mut first = Node::up(shell).await;
    let former = first.agent_pid();
    let (reports_in, mut reports) = tokio::sync::mpsc::channel(16);
    let second = ostler::transport::agent::spawn_tuned(first.link.clone(), reports_in, first.tuning.clone());
    let report = soon("the second", reports.recv()).await.unwrap().1;
    assert!(matches!(report, Report::Up { .. }), "{report:?}");
    assert!(!lives(former), "the former agent is gone before the next one says what there is");
    let (why, _) = first.down().await;
    assert_eq!(why.code, "unreachable");
    second.close(false);
}

/// A folder of programs with a grep that is not one of ours.
const NO_Z: &str = "no-z";

/// Brings a node up in circumstances where it cannot, and returns why.
async fn refused(shell: Shell, root: &std::path::Path, prelude: &str) -> ostler::model::state::Unusable {
    let (reports_in, mut reports) = tokio::sync::mpsc::channel(16);
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("sh");
    std::fs::write(&program, format!("#!/bin/sh\n{prelude}\nexec {} \"$@\"\n", shell.words.join(" "))).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let tuned = Tuning { shell: program.to_str().unwrap().to_owned(), ..tuning(shell) };
    let task = ostler::transport::agent::spawn_tuned(link(root, 1), reports_in, tuned);
    let mut report = soon("a report", reports.recv()).await.unwrap().1;
    // What only the first process needs is looked at before that.
    if prelude.contains(NO_Z) && matches!(report, Report::Up { .. }) {
        report = soon("a report", reports.recv()).await.unwrap().1;
    }
    task.close(false);
    match report {
        Report::Down { why, retry_in: None } => why,
        other => panic!("{prelude} {}: {other:?}", root.display()),
    }
}

async fn what_a_node_lacks_is_named(shell: Shell) {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let tools = dir.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in ["mkdir", "mv", "rm", "sleep", "cat", "uname", "id", "date", "chmod"] {
        std::os::unix::fs::symlink(format!("/bin/{tool}"), tools.join(tool)).unwrap();
    }
    // Busybox has all of them inside.
    if !shell.words[0].ends_with("busybox") {
        let why = refused(shell, &spool, &format!("PATH={}", tools.display())).await;
        assert_eq!((why.code.as_str(), why.step.as_str()), ("missing-tools", "prepare"));
        assert!(why.message.contains("grep") && why.message.contains("mkfifo"), "{why:?}");
        // The native agent needs none.
        if !shell.native {
            let other = dir.path().join(NO_Z);
            std::fs::create_dir(&other).unwrap();
            std::fs::write(other.join("grep"), "#!/bin/sh\ncase $1 in *z*) exit 2 ;; esac\nexec /bin/grep \"$@\"\n")
                .unwrap();
            std::fs::set_permissions(other.join("grep"), std::fs::Permissions::from_mode(0o755)).unwrap();
            let why = refused(shell, &dir.path().join("without"), &format!("PATH={}:$PATH", other.display())).await;
            assert_eq!((why.code.as_str(), why.message.as_str()), ("missing-tools", "grep does not know -z"));
        }
    }
    std::fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
    let why = refused(shell, &dir.path().join("link"), "").await;
    assert!(why.code == "spool" && why.message.contains("symbolic link"), "{why:?}");
    std::fs::write(dir.path().join("file"), "").unwrap();
    let why = refused(shell, &dir.path().join("file/spool"), "").await;
    assert!(why.code == "spool" && why.message.contains("file"), "{why:?}");
    // Mounts of this test's own namespace.
    for (options, code, words) in
        [("ro", "spool", "Read-only"), ("noexec", "noexec", "cannot be executed"), ("size=8k", "spool", "no room")]
    {
        let at = dir.path().join(options.replace('=', "-"));
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&at).status().unwrap();
        assert!(mounted.success(), "{options}");
        let why = refused(shell, &at.join("spool"), "").await;
        assert!(why.code == code && why.message.contains(words), "{options}: {why:?}");
        // What is still mounted could not be cleaned up.
        assert!(Command::new("umount").arg(&at).status().unwrap().success(), "{options}");
    }
}

async fn a_launcher_gets_its_daemon(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (launcher, odd) = (key("1.1.m0"), "-x 'a  b' \"$X\" \\ end\nsecond  line ");
    let program = node.root().join("bin/ostler-launch");
    let long = "0123456789 ".repeat(300);
    let mut launch = node.launch(
        launcher,
        "\"$LAUNCH\" -x -o A=b node2 orted \"$ODD\" & \"$LAUNCH\" 10.0.0.3 \"$LONG\"; a=$?; wait $!; echo $a $?",
    );
    launch.env =
        vec![("LAUNCH".into(), program.to_str().unwrap().into()), ("ODD".into(), odd.into()), ("LONG".into(), long.clone())];
    node.start_launch(launcher, launch, Millis::from_secs(60));
    let mut asked = std::collections::BTreeMap::new();
    for _ in 0..2 {
        let report = node.expect("request", |report| matches!(report, Report::DaemonAsked { .. })).await;
        let Report::DaemonAsked { by, request, host, command } = report else { unreachable!() };
        assert_eq!(by, launcher);
        asked.insert(host, (request, command));
    }
    assert_eq!(asked["node2"].1, format!("orted {odd}"));
    assert_eq!(asked["10.0.0.3"].1, long);
    // The next agent is told again of what has no answer.
    node = node.again(2).await;
    for _ in 0..2 {
        node.expect("request", |report| matches!(report, Report::DaemonAsked { .. })).await;
    }
    for (host, answer) in [("node2", "started"), ("node2", "ended 7"), ("10.0.0.3", "started"), ("10.0.0.3", "ended 0")] {
        let effect = node.effect();
        let request = asked[host].0;
        node.agent.send(Order::AnswerDaemon { effect, by: launcher, request, answer: answer.into() });
        node.answered(effect).await;
    }
    assert_eq!(node.gone(launcher).await, Proof::Exit { code: 0, why: None });
    assert_eq!(node.stdout(launcher), "0 7\n", "{}", node.stderr(launcher));
    // One that waits ends with its job.
    let waits = key("2.1.m0");
    let file = node.path("launcher");
    node.start(waits, &format!("{} node2 x & echo $! >{file}; wait", program.to_str().unwrap().replace(' ', "\\ ")));
    node.expect("request", |report| matches!(report, Report::DaemonAsked { by, .. } if *by == waits)).await;
    let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    node.stop(waits, Millis::from_secs(2));
    node.gone(waits).await;
    assert!(!lives(pid));
}

/// Runs shell text behind `spool.sh` and returns what it prints.
fn in_spool(shell: Shell, text: &str) -> String {
    let spool = include_str!("../../assets/agent/spool.sh");
    let (program, words) = shell.words.split_first().unwrap();
    let output = Command::new(program).args(words).args(["-c", &format!("{spool}\n{text}")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

async fn safekill_hits_only_what_is_meant(shell: Shell) {
    let mut victim = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = victim.id();
    let start = in_spool(shell, &format!("stat_of {pid}; echo $S_START")).trim().to_owned();
    assert!(start.parse::<u64>().is_ok(), "{start}");
    // Were one of these to hit, it would be everything in this namespace, or this shell itself.
    for (target, began) in [
        ("", "''"),
        ("0", "0"),
        ("1", "$(stat_of 1; echo $S_START)"),
        ("-1", "0"),
        ("-5", "0"),
        ("007", "0"),
        ("1x", "0"),
        ("99999999", "0"),
        ("9999999999999999999", "0"),
        ("$$", "$(stat_of $$; echo $S_START)"),
        (&format!("{pid}"), "12345"),
        (&format!("{pid}"), "''"),
    ] {
        let said = in_spool(shell, &format!("if safekill KILL \"{target}\" {began}; then echo hit; else echo safe; fi"));
        assert_eq!(said, "safe\n", "{target:?} {began}");
        assert!(victim.try_wait().unwrap().is_none(), "{target:?} {began}");
    }
    assert_eq!(in_spool(shell, &format!("safekill KILL {pid} {start} && echo hit")), "hit\n");
    let mut status = None;
    until("its end", || {
        status = victim.try_wait().unwrap();
        status.is_some()
    })
    .await;
}

/// The start lock is the shell's own exclusive create: of six that race for a key, one gets it, each time.
async fn every_race_has_one_winner(shell: Shell) {
    const RACERS: usize = 6;
    const ROUNDS: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    for below in ["jobs", "done"] {
        std::fs::create_dir(dir.path().join(below)).unwrap();
    }
    let spool = include_str!("../../assets/agent/spool.sh");
    let agent = include_str!("../../assets/agent/agent.sh");
    let script = format!(
        "ROOT=.\n{spool}\n{agent}\nuntil [ -e go ]; do :; done\ni=0\n\
         while [ $i -lt {ROUNDS} ]; do if lock $i \"own $$ end\"; then echo $i; fi; i=$((i + 1)); done"
    );
    std::fs::write(dir.path().join("script"), script).unwrap();
    let (program, words) = shell.words.split_first().unwrap();
    let racers: Vec<_> = (0..RACERS)
        .map(|_| {
            let mut racer = Command::new(program);
            racer.args(words).arg("script").current_dir(dir.path()).stdout(std::process::Stdio::piped());
            racer.spawn().unwrap()
        })
        .collect();
    std::fs::write(dir.path().join("go"), "").unwrap();
    let mut won = Vec::new();
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        won.extend(String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse::<usize>().unwrap()));
    }
    won.sort_unstable();
    assert_eq!(won, (0..ROUNDS).collect::<Vec<_>>());
    for round in 0..ROUNDS {
        let text = std::fs::read_to_string(dir.path().join(format!("jobs/{round}"))).unwrap();
        assert!(text.lines().count() == 1 && text.ends_with(" end\n"), "{text}");
    }
}

/// Ten thousand strings through a real shell, made by a generator that always gives the same.
async fn quotes_hold_in_real_shells(shell: Shell) {
    let alphabet: Vec<char> = "'\"\\$`!*?[]{}()<>|&;~#%= \t\n\r\u{1}\u{7f}aZ09-_.é\u{1f600}".chars().collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    let strings: Vec<String> = (0..number_of("QUOTES", 10_000))
        .map(|_| {
            let length = next(24);
            (0..length).map(|_| alphabet[next(alphabet.len())]).collect()
        })
        .collect();
    let mut script = String::from("say() { for word; do printf '%s\\000' \"$word\"; done; }\n");
    for part in strings.chunks(100) {
        script.push_str("say");
        for text in part {
            script.push(' ');
            script.push_str(&ostler::transport::frame::quote(text));
        }
        script.push('\n');
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("script"), script).unwrap();
    let (program, words) = shell.words.split_first().unwrap();
    let output = Command::new(program).args(words).arg(dir.path().join("script")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<&str> = said.split_terminator('\0').collect();
    assert_eq!(said.len(), strings.len());
    for (text, said) in strings.iter().zip(said) {
        assert_eq!(text, said);
    }
}
