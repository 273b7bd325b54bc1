//! Start, end, and what is kept of them.

use ostler::model::state::{BootId, Proof};
use ostler::model::units::Millis;
use ostler::transport::{Order, Report, Seen};

use crate::node::{Node, Shell, key};

crate::in_every_shell!(
    start_and_end,
    exit_codes,
    the_same_key_starts_once,
    a_key_that_is_done_with_never_starts_again,
    more_at_once_than_slots,
    odd_characters,
    plain_programs_run_as_by_a_shell,
    closed_streams,
    what_cannot_start_is_refused,
    a_wipe_stays_in_the_spool,
    what_a_job_makes_is_for_whom_its_user_says,
    files_dirs_and_former_logs,
    another_boot_is_refused,
);
crate::in_every_shell!(@shell yash, &["/bin/yash"], [], start_and_end exit_codes the_same_key_starts_once odd_characters);

fn exit(code: i32) -> Proof {
    Proof::Exit { code, why: None }
}

async fn start_and_end(shell: Shell) {
    let mut node = Node::up(shell).await;
    assert!(node.inventory.is_empty());
    assert!(node.facts.capacity.cpus_milli >= 1000 && node.facts.capacity.memory.0 > 0, "{:?}", node.facts);
    assert_eq!(node.facts.root, node.root().to_str().unwrap());
    assert_eq!(node.facts.address, "127.0.0.1");
    let effect = node.start(key("1.1.m0"), "echo out; echo err >&2; exit 3");
    assert_eq!(node.started(key("1.1.m0")).await, effect);
    assert_eq!(node.gone(key("1.1.m0")).await, exit(3));
    assert_eq!(node.stdout(key("1.1.m0")), "out\n");
    assert_eq!(node.stderr(key("1.1.m0")), "err\n");
    crate::node::until("the execution log", || {
        let log = std::fs::read_to_string(node.path("logs/1.1.m0/execution.log")).unwrap_or_default();
        log.contains("starts") && log.contains("ended: code 3")
    })
    .await;
}

async fn exit_codes(shell: Shell) {
    let mut node = Node::up(shell).await;
    for (at, (command, code)) in
        [("true", 0), ("exit 255", 255), ("kill -s KILL $$", 137), ("kill -s TERM $$", 143), ("no-such-program", 127)]
            .into_iter()
            .enumerate()
    {
        let key = key(&format!("{}.1.m0", at + 1));
        assert_eq!(node.run(key, command).await, exit(code), "{command}");
    }
}

async fn the_same_key_starts_once(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let first = node.start(one, "echo ran; sleep 0.3; exit 4");
    let second = node.start(one, "echo ran; exit 5");
    // Both orders are answered; whether by the start or by the end is a matter of moments.
    for effect in [first, second] {
        if let Report::Gone { proof, .. } = node.answered(effect).await {
            assert_eq!(proof, exit(4));
        }
    }
    crate::node::until("the end", || node.record(one).iter().any(|line| line[0] == "exit")).await;
    let third = node.start(one, "echo ran");
    assert!(matches!(node.answered(third).await, Report::Gone { proof, .. } if proof == exit(4)));
    assert_eq!(node.stdout(one), "ran\n");
}

async fn a_key_that_is_done_with_never_starts_again(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    assert_eq!(node.run(one, "echo ran; exit 2").await, exit(2));
    node.ack(one).await;
    let late = node.start(one, "echo ran again");
    assert!(matches!(node.answered(late).await, Report::Gone { proof, .. } if proof == exit(2)));
    assert_eq!(node.stdout(one), "ran\n");
    let node = node.again(2).await;
    assert!(node.inventory.is_empty(), "what is acknowledged is not listed: {:?}", node.inventory);
}

async fn more_at_once_than_slots(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys: Vec<_> = (1..=7).map(|n| key(&format!("{n}.1.m0"))).collect();
    for (n, key) in keys.iter().enumerate() {
        // Each waits for all the others, so all have to run at the same time.
        let all = node.path("all");
        node.start(*key, &format!("mkdir -p {all}; : >{all}/{n}; until [ -e {all}/go ]; do sleep 0.05; done; exit {n}"));
    }
    crate::node::until("all seven run", || std::fs::read_dir(node.path("all")).is_ok_and(|dir| dir.count() == keys.len()))
        .await;
    std::fs::write(node.path("all/go"), "").unwrap();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(node.gone(*key).await, exit(i32::try_from(n).unwrap()));
    }
}

async fn odd_characters(shell: Shell) {
    let mut node = Node::up(shell).await;
    let odd = "'\"$HOME`id`\\ \t*?[a]{b}~!#%&|;<>()\u{7f}\u{1}é\u{1f600}\n\nend .\n' .\n";
    let mut launch = node.launch(key("1.1.m0"), &format!("printf '%s' \"$ODD\"; : '{}'", odd.replace('\'', "")));
    launch.env = vec![("ODD".into(), odd.into()), ("UID".into(), "literal".into()), ("IFS".into(), "x".into())];
    launch.workdir = node.path("w 'o'rk\ndir");
    node.start_launch(key("1.1.m0"), launch, Millis::from_secs(60));
    assert_eq!(node.gone(key("1.1.m0")).await, exit(0), "{}", node.stderr(key("1.1.m0")));
    assert_eq!(node.stdout(key("1.1.m0")), odd);
    let mut launch = node.launch(key("2.1.m0"), "env");
    launch.env = vec![("UID".into(), "literal".into()), ("LINENO".into(), "77".into()), ("A".into(), "x'y".into())];
    node.start_launch(key("2.1.m0"), launch, Millis::from_secs(60));
    assert_eq!(node.gone(key("2.1.m0")).await, exit(0));
    let said = node.stdout(key("2.1.m0"));
    for line in ["UID=literal\n", "A=x'y\n", "OSTLER_RANK=2.1.m0:"] {
        assert!(said.contains(line), "{line:?} in {said}");
    }
}

/// The native agent starts these without a shell, or sees that it cannot.
async fn plain_programs_run_as_by_a_shell(shell: Shell) {
    let mut node = Node::up(shell).await;
    let folder = node.path("programs");
    std::fs::create_dir(&folder).unwrap();
    for (name, text, mode) in [
        ("odd", "echo \"$1 $NAME\"; exit 6\n", 0o755),
        ("closed", "#!/bin/sh\n", 0o644),
        ("lost", "#!/no/such/shell\n", 0o755),
    ] {
        std::fs::write(format!("{folder}/{name}"), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(format!("{folder}/{name}"), mode).unwrap();
    }
    for (at, (command, code, said)) in [
        ("printenv NAME", 0, "value\n"),
        ("exec  printenv   NAME ", 0, "value\n"),
        ("false", 1, ""),
        ("odd word", 6, "word value\n"),
        ("../programs/odd --word=1", 6, "--word=1 value\n"),
        ("closed", 126, ""),
        ("no-such-program", 127, ""),
        ("../programs/lost", 127, ""),
        ("NAME=other printenv NAME", 0, "other\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = key(&format!("{}.1.m0", at + 1));
        let mut launch = node.launch(key, command);
        launch.env = vec![("NAME".into(), "value".into()), ("PATH".into(), format!("{folder}:/usr/bin:/bin"))];
        node.start_launch(key, launch, Millis::from_secs(60));
        let proof = node.gone(key).await;
        // Where it is not allowed to be executed, a shell may look on and find nothing.
        assert!(proof == exit(code) || code == 126 && proof == exit(127), "{command}: {proof:?} {}", node.stderr(key));
        assert_eq!(node.stdout(key), said, "{command}");
    }
    let long = key("99.1.m0");
    node.start(long, "sleep 1000");
    node.started(long).await;
    node.stop(long, Millis::from_secs(2));
    assert_eq!(node.gone(long).await, Proof::Exit { code: 143, why: Some(ostler::model::state::StopWhy::Terminate) });
}

async fn closed_streams(shell: Shell) {
    let mut node = Node::up(shell).await;
    assert_eq!(node.run(key("1.1.m0"), "exec <&- >&- 2>&-; sleep 0.1; exit 6").await, exit(6));
    assert_eq!(node.run(key("2.1.m0"), "cat; read x; exit 7").await, exit(7), "standard input is empty");
}

async fn what_cannot_start_is_refused(shell: Shell) {
    let mut node = Node::up(shell).await;
    std::fs::write(node.path("file"), "").unwrap();
    for (at, (word, change)) in [
        ("file", (|l, dir| l.workdir = format!("{dir}/file/below")) as fn(&mut ostler::model::launch::Launch, &str)),
        ("no shell", |l, _| l.shell = "/no/such/shell".into()),
        ("variable", |l, _| l.env.push(("A-B".into(), "x".into()))),
    ]
    .into_iter()
    .enumerate()
    {
        let key = key(&format!("{}.1.m0", at + 1));
        let mut launch = node.launch(key, "echo ran");
        change(&mut launch, node.dir.path().to_str().unwrap());
        let effect = node.start_launch(key, launch, Millis::from_secs(60));
        let answer = node.answered(effect).await;
        let Report::Gone { proof: Proof::Refused { why, .. }, .. } = answer else { panic!("{word}: {answer:?}") };
        assert!(why.contains(word), "{word}: {why}");
        assert_eq!(node.stdout(key), "");
    }
}

async fn what_a_job_makes_is_for_whom_its_user_says(shell: Shell) {
    // This process runs this one test alone. What is ours stays ours.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o026));
    let mut node = Node::up(shell).await;
    assert_eq!(node.run(key("1.1.m0"), ": >made && ls -l made && umask").await, exit(0));
    let said = node.stdout(key("1.1.m0"));
    assert!(said.starts_with("-rw-r-----") && said.trim_end().ends_with("026"), "{said}");
    let record = std::fs::metadata(node.root().join("jobs/1.1.m0")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&record) & 0o777, 0o600);
}

async fn a_wipe_stays_in_the_spool(shell: Shell) {
    let mut node = Node::up(shell).await;
    let root = node.root();
    let outside = node.path("precious");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(format!("{outside}/file"), "").unwrap();
    std::fs::create_dir_all(root.join("tmp/job/below")).unwrap();
    std::fs::write(root.join("tmp/job/.hidden"), "").unwrap();
    std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
    let below = root.join("tmp/job").to_str().unwrap().to_owned();
    let mut launch = node.launch(key("1.1.m0"), "true");
    launch.wipe = vec![below.clone()];
    node.start_launch(key("1.1.m0"), launch, Millis::from_secs(60));
    assert_eq!(node.gone(key("1.1.m0")).await, exit(0));
    assert_eq!(std::fs::read_dir(&below).unwrap().count(), 0);
    let root = root.to_str().unwrap();
    for (at, path) in [
        outside.clone(),
        format!("{root}/../precious"),
        format!("{root}/link"),
        format!("{root}/link/below"),
        format!("{root}/jobs/x"),
        root.to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let key = key(&format!("{}.1.m0", at + 2));
        let mut launch = node.launch(key, "true");
        launch.wipe = vec![path.clone()];
        node.start_launch(key, launch, Millis::from_secs(60));
        let proof = node.gone(key).await;
        assert!(matches!(&proof, Proof::Refused { why, .. } if why.contains("not below the spool")), "{path}: {proof:?}");
        assert!(std::fs::exists(format!("{outside}/file")).unwrap(), "{path}");
    }
}

async fn files_dirs_and_former_logs(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (one, two) = (key("1.1.m0"), key("1.2.m0"));
    let logs = node.path("stdouterr");
    for (key, former) in [(one, None), (two, Some((logs.clone(), 1)))] {
        let mut launch = node.launch(key, "./script; echo \"$0\" >&2");
        launch.stdout = format!("{logs}/stdout.txt");
        launch.stderr = format!("{logs}/stderr.txt");
        launch.execution_log = None;
        launch.dirs = vec![node.path("new/deep"), node.path("work")];
        let text = format!("#!/bin/sh\necho 'of {key}'\n");
        launch.files = vec![(node.path("work/script"), text, true), (node.path("work/plain"), "p".into(), false)];
        launch.keep_former = former;
        node.start_launch(key, launch, Millis::from_secs(60));
        assert_eq!(node.gone(key).await, exit(0), "{}", node.spool());
    }
    let read = |name: &str| std::fs::read_to_string(format!("{logs}/{name}")).unwrap();
    assert_eq!(read("stdout.txt"), "of 1.2.m0\n");
    assert_eq!(read("attempt-1/stdout.txt"), "of 1.1.m0\n");
    assert!(std::fs::exists(node.path("new/deep")).unwrap());
}

async fn another_boot_is_refused(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (one, effect) = (key("1.1.m0"), node.effect());
    let launch = Box::new(node.launch(one, "echo ran"));
    let (limit, grace) = (Millis::from_secs(60), Millis::from_secs(2));
    node.agent.send(Order::Start { effect, key: one, boot: BootId("another".into()), limit, grace, launch, after: None });
    let answer = node.answered(effect).await;
    assert!(
        matches!(&answer, Report::Gone { proof: Proof::Refused { why, .. }, .. } if why.contains("another")),
        "{answer:?}"
    );
    assert_eq!(node.stdout(one), "");
    let node = node.again(2).await;
    assert!(matches!(node.inventory.get(&one), Some(Seen::Gone(Proof::Refused { .. }))), "{:?}", node.inventory);
}
