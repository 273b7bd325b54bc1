//! This program as the agent of a host that does not have it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ostler::model::ids::{EffectId, RankKey};
use ostler::model::launch::Launch;
use ostler::model::spec::AgentKind;
use ostler::model::state::{BootId, Facts, Proof};
use ostler::model::units::Millis;
use ostler::transport::agent::{AgentHandle, Tuning, spawn_tuned};
use ostler::transport::{NodeLink, Order, Report};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::sshd::Host;

/// The longest any single step here may take on a busy machine; the program without optimisation is large.
const PATIENCE: Duration = Duration::from_secs(60);

struct Session {
    agent: AgentHandle,
    reports: Receiver<(ostler::model::ids::NodeId, Report)>,
    boot: BootId,
    facts: Facts,
}

impl Session {
    async fn up(link: &NodeLink, program: &Path) -> Self {
        let (told, mut reports) = tokio::sync::mpsc::channel(64);
        let tuning = Tuning { program: Some(program.to_owned()), ..Tuning::default() };
        let agent = spawn_tuned(link.clone(), told, tuning);
        let (_, report) = timeout(PATIENCE, reports.recv()).await.expect("a report").expect("it runs");
        let Report::Up { boot, facts, .. } = report else { panic!("{report:?}") };
        Self { agent, reports, boot, facts: *facts }
    }

    async fn run(&mut self, key: &str, dir: &Path) -> Proof {
        let key: RankKey = key.parse().unwrap();
        let path = |name: &str| dir.join(name).display().to_string();
        let launch = Launch {
            node_index: 0,
            shell: "/bin/sh".into(),
            command: "exit 3".into(),
            workdir: path("work"),
            env: vec![],
            secrets: vec![],
            wipe: vec![],
            dirs: vec![],
            files: vec![],
            stdout: path("out"),
            stderr: path("err"),
            keep_former: None,
            execution_log: None,
            batch: None,
        };
        let (limit, grace, boot) = (Millis::from_secs(60), Millis::from_secs(1), self.boot.clone());
        self.agent.send(Order::Start {
            effect: EffectId(1),
            key,
            boot,
            limit,
            grace,
            launch: Box::new(launch),
            after: None,
        });
        let end = async {
            loop {
                match self.reports.recv().await.expect("it runs") {
                    (_, Report::Gone { key: of, proof, .. }) if of == key => return proof,
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, end).await.expect("an end")
    }

    async fn close(self) {
        self.agent.close(true);
        timeout(PATIENCE, self.agent.ended()).await.expect("the session ends");
    }
}

fn programs(shared: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(shared).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("ostler-")).collect()
}

#[tokio::test]
async fn the_program_comes_once_and_leads_and_where_it_cannot_the_shell_does() {
    let state = TempDir::new().unwrap();
    let Some(host) = Host::start(&format!("SetEnv XDG_STATE_HOME={}", state.path().display())) else { return };
    let link = NodeLink { agent: AgentKind::Native, ..host.node("ssh_config") };
    let shared = state.path().join("ostler-node").join(&link.spool.0).join("shared");
    let program = Path::new(env!("CARGO_BIN_EXE_ostler"));
    let mut first = Session::up(&link, program).await;
    assert_eq!(first.facts.agent, "native");
    assert_eq!(first.run("1.1.m0", state.path()).await, Proof::Exit { code: 3, why: None });
    first.close().await;
    let copied = programs(&shared);
    assert_eq!(copied.len(), 1, "{copied:?}");
    let before = std::fs::metadata(&copied[0]).unwrap();
    assert_eq!(before.permissions().mode() & 0o777, 0o700);
    // Another node of the same cluster in the same home finds it there.
    let second = NodeLink { spool: (link.spool.0.clone(), "another".to_owned()), ..link.clone() };
    let session = Session::up(&second, program).await;
    assert_eq!(session.facts.agent, "native");
    session.close().await;
    assert_eq!(programs(&shared), copied);
    let after = std::fs::metadata(&copied[0]).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()), "it was not copied again");
    // One that does not run there.
    let other = state.path().join("other");
    std::fs::write(&other, "#!/bin/sh\necho 'libfoo.so.1: no such file' >&2\nexit 127\n").unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut shell = Session::up(&link, &other).await;
    assert_eq!(shell.facts.agent, "shell: the program does not run here: libfoo.so.1: no such file");
    assert_eq!(shell.run("2.1.m0", state.path()).await, Proof::Exit { code: 3, why: None });
    shell.close().await;
}
