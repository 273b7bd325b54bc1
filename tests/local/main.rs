//! The whole core in this process, on a real store, with nodes of this machine: what a front end asks and is told.

mod autoscale;
mod kept;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ostler::api::Client;
use ostler::model::request::{
    FileRef, FileWindow, FollowMode, From, JobAct, JobRef, JobView, LogDelta, Place, Reply, Request, Submit,
};
use ostler::model::settings::Settings;
use ostler::model::spec::job::JobPreparation;
use ostler::model::spec::{ClusterSpec, JobSpec, ProviderSpec};
use ostler::model::state::ExecutionState;
use ostler::model::units::{Millis, NodeCount};
use ostler::runtime::call::Call;
use ostler::runtime::{Handle, Options, start};
use ostler::store::Db;
use tokio::sync::mpsc;

/// No wait in these tests is longer: a first agent on a busy machine takes a few seconds.
const DEADLINE: Duration = Duration::from_secs(60);

struct Core {
    client: Client,
    calls: mpsc::Sender<Call>,
    handle: Handle,
    dir: tempfile::TempDir,
}

impl Core {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary directory"))
    }

    fn start_in(dir: tempfile::TempDir) -> Self {
        let (calls, receiver) = mpsc::channel(64);
        let settings = settings();
        let options = Options { state_dir: dir.path().to_owned(), settings, ssh_config: None, socket: String::new() };
        let store = Db::open(&dir.path().join(ostler::store::DATABASE_FILE)).expect("a new store");
        let handle = start(options, Box::new(store), receiver).expect("a core");
        Self { client: Client::embedded(calls.clone()), calls, handle, dir }
    }

    async fn ask(&self, request: Request) -> Reply {
        let what = format!("{request:?}");
        let answer = tokio::time::timeout(DEADLINE, self.client.request(request)).await;
        answer.unwrap_or_else(|_| panic!("no answer to {what}")).unwrap_or_else(|fault| panic!("{what}: {fault:?}"))
    }

    async fn settle(&self, nodes: u32) {
        self.ask(Request::CreateWorkspace { name: "lab".into(), location: None, tags: BTreeMap::new() }).await;
        self.ask(Request::CreateExperiment { workspace: None, name: "first".into() }).await;
        let spec = ClusterSpec::new(ProviderSpec::Local, NodeCount(nodes));
        self.ask(Request::CreateCluster { workspace: None, name: "here".into(), spec: Box::new(spec) }).await;
    }

    async fn submit(&self, spec: JobSpec) -> JobRef {
        let submit = Submit { experiment: Place::default(), cluster: Place::default(), name: None, spec, token: None };
        match self.ask(Request::Submit(Box::new(submit))).await {
            Reply::Submitted(jobs) => JobRef::Id(jobs[0].id),
            other => panic!("{other:?}"),
        }
    }

    async fn ended(&self, job: &JobRef) -> Arc<JobView> {
        match self.ask(Request::AwaitJob { job: job.clone(), timeout: None }).await {
            Reply::Job(view) => view,
            other => panic!("{other:?}"),
        }
    }

    async fn log(&self, job: &JobRef, file: &str) -> String {
        let file = FileRef::log(job.clone(), file, 0);
        match self.ask(Request::ReadFile(FileWindow { file, from: From::Start(0), bytes: 65536 })).await {
            Reply::Window(window) => String::from_utf8(window.bytes).expect("text"),
            other => panic!("{other:?}"),
        }
    }

    /// Stops in order and gives the directory back.
    async fn stop(self) -> tempfile::TempDir {
        self.handle.stop();
        tokio::time::timeout(DEADLINE, self.handle.stopped()).await.expect("it stops").expect("in order");
        self.dir
    }
}

fn settings() -> Settings {
    Settings { kill_grace: Millis::from_secs(2), ..Settings::default() }
}

fn command(line: &str) -> JobSpec {
    JobSpec::command(line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_and_its_log_holds_what_it_wrote_and_nothing_else() {
    let core = Core::start();
    core.settle(1).await;
    let job = core.submit(command("echo hi; echo oops >&2; exit 3")).await;
    let view = core.ended(&job).await;
    assert_eq!((view.job.state, view.job.last.exit_code), (ExecutionState::Failed, Some(3)));
    assert_eq!(view.job.last.errors[0].code, "JobFailed");
    assert_eq!(core.log(&job, "stdout.txt").await, "hi\n");
    assert_eq!(core.log(&job, "stderr.txt").await, "oops\n");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preparation_runs_first_and_on_every_node() {
    let core = Core::start();
    core.settle(2).await;
    let mut spec = command("cat ready");
    spec.node_count = NodeCount(2);
    spec.job_preparation = Some(JobPreparation { command_line: "echo ready >ready; echo prepared".into() });
    let job = core.submit(spec).await;
    let view = core.ended(&job).await;
    assert_eq!(view.job.state, ExecutionState::Succeeded, "{:?}", view.job.last.errors);
    assert_eq!(core.log(&job, "stdout.txt").await, "ready\n");
    let Reply::Files(files) = core.ask(Request::ListLogs(job)).await else { panic!("no list") };
    let names: Vec<(u32, &str)> = files.iter().map(|file| (file.node, file.name.as_str())).collect();
    assert!(names.contains(&(0, "stdout-job_prep-local-1.txt")), "{names:?}");
    assert!(names.contains(&(1, "stdout-job_prep-local-2.txt")), "{names:?}");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_the_core_and_its_code_is_true() {
    let core = Core::start();
    core.settle(1).await;
    let job = core.submit(command("while [ ! -e go ]; do sleep 0.1; done; exit 7")).await;
    until_running(&core, &job).await;
    let dir = core.stop().await;
    // It ends while no core is there.
    let go = find(dir.path(), "stdout.txt");
    let temp = dir.path().join("nodes");
    assert!(go.is_some(), "the job runs on");
    release(&temp);
    let core = Core::start_in(dir);
    let view = core.ended(&job).await;
    assert_eq!((view.job.last.exit_code, view.job.attempt.0), (Some(7), 1));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_kills_what_left_its_session() {
    let core = Core::start();
    core.settle(1).await;
    let job = core.submit(command("setsid sleep 1000 & echo $! ; sleep 1000")).await;
    until_running(&core, &job).await;
    let act = JobAct::Terminate { hold: Millis(0) };
    core.ask(Request::Job { job: job.clone(), act }).await;
    let view = core.ended(&job).await;
    assert_eq!(view.job.state, ExecutionState::Failed);
    assert_eq!(view.job.last.errors[0].code, "JobTerminated");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_limit_is_kept() {
    let core = Core::start();
    core.settle(1).await;
    let mut spec = command("sleep 1000");
    spec.constraints.max_wall_clock_time = Millis::from_secs(1);
    let job = core.submit(spec).await;
    let view = core.ended(&job).await;
    assert_eq!(view.job.last.errors[0].code, "WallClockTimeExceeded", "{:?}", view.job);
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_followed_to_its_end() {
    let core = Core::start();
    core.settle(1).await;
    let job =
        core.submit(command("i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i + 1)); done; sleep 1; echo last")).await;
    until_running(&core, &job).await;
    let file = FileRef::log(job.clone(), "stdout.txt", 0);
    let mut deltas = core.client.open_log(file, From::Start(0), FollowMode::Newest).await.expect("a follower");
    let mut text = String::new();
    loop {
        match tokio::time::timeout(DEADLINE, deltas.recv()).await.expect("a delta in time") {
            Some(LogDelta::Appended(window)) => {
                assert_eq!(window.offset as usize, text.len());
                text.push_str(&String::from_utf8_lossy(&window.bytes));
            }
            Some(LogDelta::Ended) | None => break,
            Some(LogDelta::Waiting) => {}
            Some(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(text.lines().count(), 201);
    assert!(text.ends_with("line 199\nlast\n"));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_of_a_config_that_was_read_again_is_told_when_a_job_ends() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    // As `main` does; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/ended", listener.local_addr().expect("an address"));
    let core = Core::start();
    core.settle(1).await;
    let changed = Settings { webhook: Some(url), ..settings() };
    core.calls.send(Call::Settings(changed)).await.expect("the core runs");
    let job = core.submit(command("exit 3")).await;
    let told = async {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let mut text = String::new();
        while !text.contains("exitCode") {
            let mut bytes = [0; 4096];
            let got = stream.read(&mut bytes).await.expect("a request");
            assert_ne!(got, 0, "cut off: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..got]));
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").await.expect("an answer");
        text
    };
    let text = tokio::time::timeout(DEADLINE, told).await.expect("told in time");
    assert!(text.starts_with("POST /ended"), "{text}");
    for part in ["\"event\":\"jobEnded\"", "\"name\":\"run-001\"", "\"executionState\":\"failed\"", "\"exitCode\":3"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(core.ended(&job).await.job.last.exit_code, Some(3));
    core.stop().await;
}

/// Answers one request and returns it whole: head and body.
async fn told(listener: &tokio::net::TcpListener) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut stream, _) = listener.accept().await.expect("a caller");
    let mut bytes = Vec::new();
    let whole = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        (body.len() >= length?).then_some(text)
    };
    let text = loop {
        let mut more = [0; 4096];
        let got = stream.read(&mut more).await.expect("a request");
        assert_ne!(got, 0, "cut off: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&more[..got]);
        if let Some(text) = whole(&bytes) {
            break text;
        }
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("an answer");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_are_told_in_the_shapes_of_slack_and_ntfy() {
    use ostler::model::settings::WebhookShape;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let core = Core::start();
    core.settle(1).await;
    let cases: [(WebhookShape, &str, &[&str]); 3] = [
        (
            WebhookShape::Slack,
            "exit 3",
            &["content-type: application/json", "{\"text\":\":x: job run-001 of", "failed (exit 3)"],
        ),
        (
            WebhookShape::Ntfy,
            "exit 4",
            &["title: ", "run-002 failed", "tags: x", "priority: high", "\r\n\r\njob run-002 of"],
        ),
        (WebhookShape::Ntfy, "true", &["run-003 succeeded", "tags: white_check_mark", "priority: default"]),
    ];
    for (at, (shape, line, parts)) in cases.into_iter().enumerate() {
        let url = format!("http://{}/topic", listener.local_addr().expect("an address"));
        let changed = Settings { webhook: Some(url), webhook_shape: shape, ..settings() };
        core.calls.send(Call::Settings(changed)).await.expect("the core runs");
        let job = core.submit(command(line)).await;
        let text = tokio::time::timeout(DEADLINE, told(&listener)).await.expect("told in time");
        assert!(text.starts_with("POST /topic"), "{text}");
        for part in parts {
            assert!(text.to_lowercase().contains(&part.to_lowercase()), "{at}: {part} in {text}");
        }
        core.ended(&job).await;
    }
    core.stop().await;
}

async fn until_running(core: &Core, job: &JobRef) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Reply::Job(view) = core.ask(Request::ShowJob(job.clone())).await
            && view.job.live_ranks().any(|(_, run)| matches!(run.state, ostler::model::state::RankState::Running))
        {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "the job does not start");
        let short = Some(Millis(50));
        core.ask(Request::AwaitJob { job: job.clone(), timeout: short }).await;
    }
}

fn find(dir: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|n| n == name) {
            return Some(path);
        }
    }
    None
}

/// Puts the file that jobs wait for into their working directories: all folders with a hostfile in them. The spool of a
/// node that was just given back may still be there, with one of another job.
fn release(nodes: &std::path::Path) {
    let released = put_beside_hostfiles(nodes);
    assert!(released > 0, "no job's folder below {}", nodes.display());
}

fn put_beside_hostfiles(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .map(|path| match path.is_dir() {
            true => put_beside_hostfiles(&path),
            // A folder that is being removed meanwhile is no live job's.
            false if path.file_name().is_some_and(|name| name == "hostfile") => {
                usize::from(std::fs::write(path.with_file_name("go"), "").is_ok())
            }
            false => 0,
        })
        .sum()
}
