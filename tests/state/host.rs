//! Who hosts, with real processes: this test program started again stands for `ostler serve`.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ostler::api::Client;
use ostler::api::host::{self, HostOptions, Mode, Session};
use ostler::api::serve::{Serve, serve};
use ostler::model::ids::Epoch;
use ostler::model::request::{Reply, Request, Status};
use ostler::model::settings::Settings;
use ostler::model::units::Millis;
use ostler::store::lock::{Holder, Lock, is_free, last_holder};

use super::fake::until;

/// How a started program learns its arguments.
const ARGUMENTS: &str = "OSTLER_TEST_ARGUMENTS";

/// A state directory, a directory of sockets and a program to start; ends what was started when dropped.
struct Ground {
    top: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let ground = Self { top: tempfile::tempdir().unwrap() };
        let this = std::env::current_exe().unwrap();
        let again = format!(
            "{ARGUMENTS}=\"$*\" exec {} --exact host::child_serves --ignored --nocapture --test-threads=2",
            this.display()
        );
        ground.program("serve", &again);
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes a shell script that can be started as the background host.
    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn options(&self, mode: Mode) -> HostOptions {
        HostOptions {
            program: Some(self.path("serve")),
            runtime_dir: Some(self.path("run")),
            config: Some(PathBuf::from("/etc/ostler.toml")),
            ssh_config: Some("/etc/ssh_config".to_owned()),
            ..HostOptions::new(self.state(), Settings::default(), mode)
        }
    }

    async fn open(&self, mode: Mode) -> Session {
        host::open(self.options(mode)).await.unwrap()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let holder = last_holder(&self.state()).filter(|holder| holder.lives() && holder.pid != std::process::id());
        if let Some(pid) = holder.and_then(|holder| rustix::process::Pid::from_raw(holder.pid.cast_signed())) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

async fn status(client: &Client) -> Status {
    match client.request(Request::Status).await.unwrap() {
        Reply::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

async fn create(client: &Client, name: &str) {
    let request = Request::CreateWorkspace { name: name.to_owned(), location: None, tags: Default::default() };
    client.request(request).await.unwrap();
}

async fn names(client: &Client) -> Vec<String> {
    match client.request(Request::ListAll { workspace: None }).await.unwrap() {
        Reply::Lists { workspaces, .. } => workspaces.iter().map(|row| row.name.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

/// Stands for `ostler ... serve ...`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the program that other tests start"]
async fn child_serves() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let words: Vec<&str> = arguments.split(' ').collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).map(|at| words[at + 1]);
    assert_eq!((after("--config"), after("--ssh-config")), (Some("/etc/ostler.toml"), Some("/etc/ssh_config")));
    assert!(words.contains(&"serve"), "{arguments}");
    let state = PathBuf::from(after("--state-dir").unwrap());
    let settings =
        Settings { serve_idle: Millis(if state.join("leave-soon").exists() { 0 } else { 600_000 }), ..Settings::default() };
    let mut options = HostOptions::new(state.clone(), settings, Mode::Embed);
    options.runtime_dir = Some(state.parent().unwrap().join("run"));
    let how = Serve { background: words.contains(&"--background"), take_over: words.contains(&"--take-over") };
    if let Err(fault) = serve(options, how).await {
        eprintln!("error: {fault}\n{:?}", fault.causes);
        std::process::exit(fault.exit_code());
    }
    std::process::exit(0);
}

#[tokio::test]
async fn the_second_on_a_state_directory_attaches() {
    let ground = Ground::new();
    let first = ground.open(Mode::Embed).await;
    let second = ground.open(Mode::Embed).await;
    assert!(first.hosts() && !second.hosts());
    create(&second.client(), "lab").await;
    assert_eq!(names(&first.client()).await, ["lab"]);
    let us = status(&second.client()).await;
    assert_eq!((us.pid, us.epoch), (std::process::id(), Epoch(1)));
    assert_eq!(PathBuf::from(us.socket), last_holder(&ground.state()).unwrap().socket);
    assert!(!ground.open(Mode::NeedServer).await.hosts());
    assert!(!ground.open(Mode::AttachOnly).await.hosts());

    let fault = host::open(ground.options(Mode::ForceEmbedded)).await.err().unwrap();
    assert_eq!(fault.exit_code(), 1);
    assert!(fault.message.contains(&format!("in use by ostler pid {} since ", std::process::id())), "{}", fault.message);
    first.close().await.unwrap();
    assert!(is_free(&ground.state()));
    let fault = second.client().request(Request::Status).await.unwrap_err();
    assert_eq!(fault.exit_code(), 3);

    let alone = ground.open(Mode::ForceEmbedded).await;
    assert_eq!(status(&alone.client()).await.epoch, Epoch(2));
    assert_eq!(names(&alone.client()).await, ["lab"]);
    alone.close().await.unwrap();
}

#[tokio::test]
async fn attaching_to_nobody_fails_at_once() {
    let ground = Ground::new();
    let begin = Instant::now();
    let fault = host::open(ground.options(Mode::AttachOnly)).await.err().unwrap();
    assert_eq!(fault.exit_code(), 3);
    assert!(fault.message.starts_with("nobody hosts the core of "), "{}", fault.message);
    assert_eq!(host::stop(&ground.options(Mode::AttachOnly)).await.unwrap_err().exit_code(), 3);
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert!(!ground.state().exists(), "asking makes nothing");
}

#[tokio::test]
async fn a_command_starts_a_host_that_stays() {
    let ground = Ground::new();
    let (one, two) = tokio::join!(ground.open(Mode::NeedServer), ground.open(Mode::NeedServer));
    create(&one.client(), "lab").await;
    let host = status(&one.client()).await;
    assert_ne!(host.pid, std::process::id());
    assert_eq!(status(&two.client()).await.pid, host.pid);
    // It leads a session of its own: neither our terminal's end nor its Ctrl-C reach it.
    let pid = rustix::process::Pid::from_raw(host.pid.cast_signed()).unwrap();
    assert_eq!(rustix::process::getsid(Some(pid)).unwrap(), pid);
    assert_eq!(std::fs::metadata(ground.state().join("serve.log")).unwrap().mode() & 0o7777, 0o600);
    drop((one, two));
    assert_eq!(names(&ground.open(Mode::AttachOnly).await.client()).await, ["lab"]);
    assert_eq!(host::stop(&ground.options(Mode::AttachOnly)).await.unwrap(), host.pid);
    assert!(is_free(&ground.state()));
    assert_eq!(host::open(ground.options(Mode::AttachOnly)).await.err().unwrap().exit_code(), 3);
}

#[tokio::test]
async fn after_kill_9_of_the_host_another_one_goes_on() {
    let ground = Ground::new();
    let first = ground.open(Mode::NeedServer).await;
    create(&first.client(), "lab").await;
    let host = status(&first.client()).await;
    let pid = rustix::process::Pid::from_raw(host.pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("the lock is free", || is_free(&ground.state())).await;
    assert!(Path::new(&host.socket).exists(), "its socket is left");
    let second = ground.open(Mode::NeedServer).await;
    let now = status(&second.client()).await;
    assert_ne!(now.pid, host.pid);
    assert_eq!(now.epoch, Epoch(2));
    assert_eq!(names(&second.client()).await, ["lab"]);
    // The client of the dead one finds its way too.
    assert_eq!(status(&first.client()).await.pid, now.pid);
    host::stop(&ground.options(Mode::AttachOnly)).await.unwrap();
}

#[tokio::test]
async fn the_core_is_handed_over_and_clients_go_on() {
    let ground = Ground::new();
    let mut session = ground.open(Mode::Embed).await;
    create(&session.client(), "lab").await;
    let other = ground.open(Mode::AttachOnly).await.client();
    let mut updates = other.subscribe().await.unwrap();
    let begin = Instant::now();
    session.hand_over().await.unwrap();
    eprintln!("handed over in {:?}", begin.elapsed());
    assert!(!session.hosts());
    let host = status(&session.client()).await;
    assert_ne!(host.pid, std::process::id());
    assert_eq!(host.epoch, Epoch(2));
    assert_eq!(names(&session.client()).await, ["lab"]);
    assert_eq!(status(&other).await.pid, host.pid);
    drop(session);
    create(&other, "second").await;
    let seen = async {
        while let Some(update) = updates.recv().await {
            if update.epoch == Epoch(2) {
                return update.whole;
            }
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), seen).await.unwrap(), "a whole picture of the new core");
    host::stop(&ground.options(Mode::AttachOnly)).await.unwrap();
}

#[tokio::test]
async fn a_hand_over_that_fails_leaves_the_core_here() {
    let ground = Ground::new();
    let never_ready = ground.program("never-ready", "echo 'error: schema 14 is too new' >&2; exit 74");
    let gone_after = ground.program("gone-after", "echo ready; read go; echo \"got $go\" >&2; exit 1");
    for (program, epoch, cause) in [(never_ready, 1, "error: schema 14 is too new"), (gone_after, 2, "got go")] {
        let mut options = ground.options(Mode::Embed);
        options.program = Some(program);
        let mut session = host::open(options).await.unwrap();
        let before = status(&session.client()).await.epoch;
        let fault = session.hand_over().await.unwrap_err();
        assert!(fault.causes.iter().any(|line| line == cause), "{fault:?}");
        assert!(session.hosts());
        let now = status(&session.client()).await;
        assert_eq!((now.pid, now.epoch.0 - before.0 + 1), (std::process::id(), epoch));
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_background_host_that_does_not_come_up_is_explained() {
    let ground = Ground::new();
    let mut options = ground.options(Mode::NeedServer);
    options.program = Some(ground.program("broken", "printf 'error: no \\033[31mway\\n' >&2; exit 70"));
    let fault = host::open(options.clone()).await.err().unwrap();
    assert!(fault.message.ends_with("ended before it listened"), "{}", fault.message);
    assert_eq!(fault.causes, ["error: no [31mway"]);
    options.program = Some(ground.path("absent"));
    let fault = host::open(options).await.err().unwrap();
    assert!(fault.message.starts_with("cannot start `"), "{}", fault.message);
}

#[tokio::test]
async fn a_background_host_leaves_when_nothing_is_left_to_do() {
    let ground = Ground::new();
    std::fs::create_dir(ground.state()).unwrap();
    std::fs::write(ground.state().join("leave-soon"), "").unwrap();
    let session = ground.open(Mode::NeedServer).await;
    assert!(!is_free(&ground.state()));
    drop(session);
    let begin = Instant::now();
    until("it has left", || is_free(&ground.state())).await;
    assert!(begin.elapsed() > Duration::from_secs(2));
    assert!(!last_holder(&ground.state()).unwrap().socket.exists());
}

#[tokio::test]
async fn a_lock_whose_holder_does_not_listen_is_waited_for() {
    let ground = Ground::new();
    let lock = Lock::take(&ground.state(), &Holder::this_process(ostler::model::units::UnixMillis(1), &ground.path("none")))
        .unwrap();
    let opening = tokio::spawn({
        let options = ground.options(Mode::Embed);
        async move { host::open(options).await }
    });
    tokio::task::yield_now().await;
    drop(lock);
    let session = opening.await.unwrap().unwrap();
    assert!(session.hosts());
    session.close().await.unwrap();
}
