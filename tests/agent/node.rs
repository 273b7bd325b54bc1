//! A node on this machine with a spool of its own, and what a test wants of it. Everything runs in a PID namespace made
//! for one test, so that code that kills can reach nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ostler::model::ids::{ClusterId, EffectId, Epoch, NodeId, RankKey};
use ostler::model::launch::Launch;
use ostler::model::spec::AgentKind;
use ostler::model::state::{BootId, Facts, Proof, StopWhy, Unusable};
use ostler::model::units::Millis;
use ostler::transport::agent::{AgentHandle, Tuning, spawn_tuned};
use ostler::transport::local::LocalLink;
use ostler::transport::{Address, NodeLink, Order, Report, Seen};
use tokio::sync::mpsc;

/// How long a test waits for a state: far above any delay of a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A shell to run the agent in.
#[derive(Clone, Copy, Debug)]
pub struct Shell {
    /// The words that start it.
    pub words: &'static [&'static str],
    /// Whether it only brings the native agent up.
    pub native: bool,
}

impl Shell {
    /// Returns the one that a module of tests is named after.
    pub fn of(module: &str, words: &'static [&'static str]) -> Self {
        Self { words, native: module.ends_with("::native") }
    }

    pub fn find(self) -> Option<Self> {
        if Path::new(self.words[0]).exists() {
            return Some(self);
        }
        // Without mksh and yash all goes on; the other three are what the program is promised to work in.
        assert!(["/bin/mksh", "/bin/yash"].contains(&self.words[0]) || !root(), "{} is missing", self.words[0]);
        eprintln!("did not run: no {}", self.words[0]);
        None
    }
}

/// Returns how often something is tried: what the variable says, which `tests/run --long` sets, else the usual.
pub fn number_of(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

pub fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a test inside a PID namespace of its own, by starting this program once more for that one test.
pub fn contained(name: &str, shell: Shell, test: impl AsyncFnOnce(Shell)) {
    let Some(shell) = shell.find() else { return };
    if std::env::var_os("OSTLER_TEST_CONTAINED").is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test(shell));
        return;
    }
    let name = name.split_once("::").map_or(name, |(_, rest)| rest);
    let mut unshare = Command::new("unshare");
    if !root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    if !root() && !Command::new("unshare").args(["--user", "--map-root-user", "true"]).status().is_ok_and(|s| s.success()) {
        eprintln!("did not run: no user namespaces here");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let output = unshare
        .arg(program)
        .args(["--exact", name, "--nocapture", "--include-ignored", "--test-threads", "1"])
        .env("OSTLER_TEST_CONTAINED", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines().filter(|line| line.contains(" p50 ") || line.contains("jobs/s")) {
        println!("{line}");
    }
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{name}: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes one test for each shell of each function named.
#[macro_export]
macro_rules! in_every_shell {
    ($(#[$attr:meta])? $($test:ident),* $(,)?) => {
        $crate::in_every_shell!(@shell dash, &["/bin/dash"], [$(#[$attr])?], $($test)*);
        $crate::in_every_shell!(@shell bash, &["/bin/bash"], [$(#[$attr])?], $($test)*);
        $crate::in_every_shell!(@shell busybox, &["/bin/busybox", "ash"], [$(#[$attr])?], $($test)*);
        $crate::in_every_shell!(@shell mksh, &["/bin/mksh"], [$(#[$attr])?], $($test)*);
        $crate::in_every_shell!(@shell native, &["/bin/sh"], [$(#[$attr])?], $($test)*);
    };
    (@shell $shell:ident, $words:expr, $attr:tt, $($test:ident)*) => {
        mod $shell {
            $($crate::in_every_shell!(@one $words, $attr, $test);)*
        }
    };
    (@one $words:expr, [$(#[$attr:meta])?], $test:ident) => {
        #[test]
        $(#[$attr])?
        fn $test() {
            let name = concat!(module_path!(), "::", stringify!($test));
            $crate::node::contained(name, $crate::node::Shell::of(module_path!(), $words), super::$test);
        }
    };
}

/// A node with its link task.
pub struct Node {
    pub dir: tempfile::TempDir,
    pub shell: Shell,
    pub link: NodeLink,
    pub agent: AgentHandle,
    pub boot: BootId,
    pub facts: Facts,
    pub inventory: BTreeMap<RankKey, Seen>,
    pub tuning: Tuning,
    reports: mpsc::Receiver<(NodeId, Report)>,
    seen: Vec<Report>,
    effects: u64,
}

pub fn key(text: &str) -> RankKey {
    text.parse().unwrap()
}

pub fn tuning(shell: Shell) -> Tuning {
    Tuning {
        heartbeat: Duration::from_millis(300),
        start: PATIENCE,
        shell: shell.words.join(" "),
        local: Some(LocalLink::with_shell(shell.words)),
        program: shell.native.then(|| PathBuf::from(env!("CARGO_BIN_EXE_ostler"))),
    }
}

pub fn link(root: &Path, epoch: u64) -> NodeLink {
    NodeLink {
        node: NodeId(1),
        cluster: ClusterId(1),
        address: Address::Local,
        spool: ("cluster".into(), "node".into()),
        local_root: Some(root.to_str().unwrap().to_owned()),
        epoch: Epoch(epoch),
        // The shell's leads all the same where no program is given.
        agent: AgentKind::Native,
    }
}

impl Node {
    /// Starts a link task on an empty spool and waits until the agent is up.
    pub async fn up(shell: Shell) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let link = link(&dir.path().join("spool dir"), 1);
        Self::start_task(dir, shell, link, tuning(shell)).await
    }

    pub async fn start_task(dir: tempfile::TempDir, shell: Shell, link: NodeLink, tuning: Tuning) -> Self {
        let mut node = Self::begin(dir, shell, link, tuning);
        node.wait_up().await;
        node
    }

    /// Starts a link task and waits for nothing.
    pub fn begin(dir: tempfile::TempDir, shell: Shell, link: NodeLink, tuning: Tuning) -> Self {
        let (reports_in, reports) = mpsc::channel(4096);
        let agent = spawn_tuned(link.clone(), reports_in, tuning.clone());
        let boot = BootId(String::new());
        let (facts, inventory) = (Facts::default(), BTreeMap::new());
        Self { dir, shell, link, agent, boot, facts, inventory, tuning, reports, seen: vec![], effects: 0 }
    }

    /// Ends the link task and starts another one on the same spool, as a new core would.
    pub async fn again(mut self, epoch: u64) -> Self {
        self.agent.close(false);
        self.agent.ended().await;
        self.link.epoch = Epoch(epoch);
        let Self { dir, shell, link, tuning, effects, .. } = self;
        let mut node = Self::start_task(dir, shell, link, tuning).await;
        node.effects = effects + 1000;
        node
    }

    /// As [`Node::again`], with another tuning.
    pub async fn retuned(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self.again(2).await
    }

    /// Drops reports that nobody waited for.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    pub async fn wait_up(&mut self) {
        let up = self.expect("up", |report| matches!(report, Report::Up { .. })).await;
        if let Report::Up { boot, facts, inventory } = up {
            (self.boot, self.facts, self.inventory) = (boot, *facts, inventory);
            assert_eq!(self.facts.agent, if self.shell.native { "native" } else { "" });
        }
    }

    pub fn root(&self) -> PathBuf {
        PathBuf::from(self.link.local_root.as_ref().unwrap())
    }

    pub fn path(&self, below: &str) -> String {
        self.dir.path().join(below).to_str().unwrap().to_owned()
    }

    pub fn launch(&self, key: RankKey, command: &str) -> Launch {
        Launch {
            node_index: 0,
            shell: "/bin/sh".into(),
            command: command.into(),
            workdir: self.path("work"),
            env: vec![],
            secrets: vec![],
            wipe: vec![],
            dirs: vec![],
            files: vec![],
            stdout: self.path(&format!("logs/{key}/stdout.txt")),
            stderr: self.path(&format!("logs/{key}/stderr.txt")),
            keep_former: None,
            execution_log: Some(self.path(&format!("logs/{key}/execution.log"))),
            batch: None,
        }
    }

    pub fn effect(&mut self) -> EffectId {
        self.effects += 1;
        EffectId(self.effects)
    }

    pub fn start(&mut self, key: RankKey, command: &str) -> EffectId {
        let launch = self.launch(key, command);
        self.start_launch(key, launch, Millis::from_secs(600))
    }

    pub fn start_launch(&mut self, key: RankKey, launch: Launch, limit: Millis) -> EffectId {
        let boot = self.boot.clone();
        let effect = self.effect();
        let (grace, launch) = (Millis::from_secs(2), Box::new(launch));
        self.agent.send(Order::Start { effect, key, boot, limit, grace, launch, after: None });
        effect
    }

    /// Sends a start ahead, behind another process.
    pub fn start_after(&mut self, key: RankKey, command: &str, limit: Millis, after: RankKey) -> EffectId {
        let launch = self.launch(key, command);
        self.send_after(key, launch, limit, after)
    }

    pub fn send_after(&mut self, key: RankKey, launch: Launch, limit: Millis, after: RankKey) -> EffectId {
        let boot = self.boot.clone();
        let effect = self.effect();
        let (grace, launch) = (Millis::from_secs(2), Box::new(launch));
        self.agent.send(Order::Start { effect, key, boot, limit, grace, launch, after: Some(after) });
        effect
    }

    pub fn stop(&mut self, key: RankKey, grace: Millis) -> EffectId {
        let effect = self.effect();
        self.agent.send(Order::Stop { effect, key, why: StopWhy::Terminate, grace });
        effect
    }

    /// Waits for a report, without end.
    async fn reported(&mut self, fits: impl Fn(&Report) -> bool) -> Report {
        if let Some(at) = self.seen.iter().position(&fits) {
            return self.seen.remove(at);
        }
        loop {
            let (_, report) = self.reports.recv().await.expect("the task has ended");
            if fits(&report) {
                return report;
            }
            // A machine that stood still for a second costs a session; what ended meanwhile is in the next one's
            // inventory and is told no second time.
            if let Report::Up { inventory, .. } = &report {
                let ended = inventory.iter().filter_map(|(key, seen)| match seen {
                    Seen::Gone(proof) => Some(Report::Gone { key: *key, effect: None, proof: proof.clone() }),
                    Seen::Alive => None,
                });
                let ended: Vec<_> = ended.collect();
                if let Some(at) = ended.iter().position(&fits) {
                    return ended[at].clone();
                }
                self.seen.extend(ended);
            }
            self.seen.push(report);
        }
    }

    /// Waits for a report; those before it stay for others to wait for.
    pub async fn expect(&mut self, what: &str, fits: impl Fn(&Report) -> bool) -> Report {
        match tokio::time::timeout(PATIENCE, self.reported(fits)).await {
            Ok(report) => report,
            Err(_) => panic!("no {what} within {PATIENCE:?}; there was {:?}\n{}", self.seen, self.spool()),
        }
    }

    pub async fn started(&mut self, wanted: RankKey) -> EffectId {
        let report = self.expect("start", |report| matches!(report, Report::Started { key, .. } if *key == wanted)).await;
        let Report::Started { effect, .. } = report else { unreachable!() };
        effect
    }

    pub async fn gone(&mut self, wanted: RankKey) -> Proof {
        self.gone_by(wanted).await.0
    }

    pub async fn gone_by(&mut self, wanted: RankKey) -> (Proof, Option<EffectId>) {
        let report = self.expect("end", |report| matches!(report, Report::Gone { key, .. } if *key == wanted)).await;
        let Report::Gone { proof, effect, .. } = report else { unreachable!() };
        (proof, effect)
    }

    pub async fn answered(&mut self, wanted: EffectId) -> Report {
        self.expect("answer", |report| match report {
            Report::Started { effect, .. } | Report::Done { effect } => *effect == wanted,
            Report::Gone { effect, .. } => *effect == Some(wanted),
            Report::Up { .. }
            | Report::Down { .. }
            | Report::DaemonAsked { .. }
            | Report::Stuck { .. }
            | Report::Told { .. }
            | Report::Site(_) => false,
        })
        .await
    }

    pub async fn down(&mut self) -> (Unusable, Option<Millis>) {
        let report = self.expect("down", |report| matches!(report, Report::Down { .. })).await;
        let Report::Down { why, retry_in } = report else { unreachable!() };
        (why, retry_in)
    }

    pub async fn run(&mut self, key: RankKey, command: &str) -> Proof {
        // Given again where a session broke off and took the order along.
        for _ in 0..6 {
            self.start(key, command);
            let told = self.reported(|report| matches!(report, Report::Gone { key: of, .. } if *of == key));
            if let Ok(Report::Gone { proof, .. }) = tokio::time::timeout(PATIENCE / 6, told).await {
                return proof;
            }
        }
        panic!("no end of {key} within {PATIENCE:?}; there was {:?}\n{}", self.seen, self.spool());
    }

    pub async fn ack(&mut self, key: RankKey) {
        let effect = self.effect();
        self.agent.send(Order::Ack { effect, key });
        self.answered(effect).await;
    }

    pub fn stdout(&self, key: RankKey) -> String {
        std::fs::read_to_string(self.path(&format!("logs/{key}/stdout.txt"))).unwrap_or_default()
    }

    pub fn stderr(&self, key: RankKey) -> String {
        std::fs::read_to_string(self.path(&format!("logs/{key}/stderr.txt"))).unwrap_or_default()
    }

    /// Returns the lines of a process's record.
    pub fn record(&self, key: RankKey) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.root().join(format!("jobs/{key}"))).unwrap_or_default();
        text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    }

    /// Returns the pid behind a word of a record: `sup` or `pid`.
    pub fn pid(&self, key: RankKey, word: &str) -> i32 {
        let record = self.record(key);
        let line = record.iter().find(|line| line[0] == word);
        line.unwrap_or_else(|| panic!("no {word} in {record:?}"))[1].parse().unwrap()
    }

    pub fn agent_pid(&self) -> i32 {
        let text = std::fs::read_to_string(self.root().join("run/agent")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    pub fn spool(&self) -> String {
        let mut text = String::new();
        for dir in ["jobs", "done", "kill", "run", "ask"] {
            for entry in std::fs::read_dir(self.root().join(dir)).into_iter().flatten().flatten() {
                text.push_str(&format!("{}\n", entry.path().display()));
                if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                    text.push_str(&std::fs::read_to_string(entry.path()).unwrap_or_default());
                }
            }
        }
        text
    }
}

/// Ends a process of this namespace.
pub fn kill(pid: i32, signal: rustix::process::Signal) {
    assert!(kill_if_there(pid, signal), "{pid} is gone");
}

/// Ends a process of this namespace unless it has ended; says whether it was there.
pub fn kill_if_there(pid: i32, signal: rustix::process::Signal) -> bool {
    assert!(std::env::var_os("OSTLER_TEST_CONTAINED").is_some() && pid > 1);
    match rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal) {
        Ok(()) => true,
        Err(rustix::io::Errno::SRCH) => false,
        Err(error) => panic!("{pid}: {error}"),
    }
}

/// Says whether a process is there and no zombie.
pub fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

/// Waits for something to be so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "not within {PATIENCE:?}: {what}");
}

/// Waits for something, at most so long as a test waits.
pub async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}
