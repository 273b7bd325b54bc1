//! The logs of a node that is given back: copied first, read as if they were on the node, and gone when they are old.

use ostler::model::request::{FileEntry, FileSearch, FollowMode, Scale};
use ostler::model::units::Bytes;

use super::*;

impl Core {
    async fn scale(&self, nodes: u32) {
        let scale = Scale { cluster: Place::default(), target: NodeCount(nodes), deallocation: None, seen: None };
        self.ask(Request::Scale(scale)).await;
    }

    async fn until_nodes(&self, nodes: usize) {
        let there = async {
            loop {
                match self.ask(Request::ListAll { workspace: None }).await {
                    Reply::Lists { nodes: now, .. } if now.len() == nodes => return,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(DEADLINE, there).await.expect("as many nodes");
    }

    async fn change(&self, settings: Settings) {
        self.calls.send(Call::Settings(settings)).await.expect("the core runs");
    }

    async fn note(&self, job: &JobRef) -> Option<String> {
        match self.ask(Request::ShowJob(job.clone())).await {
            Reply::Job(view) => view.logs.clone(),
            other => panic!("{other:?}"),
        }
    }

    async fn files(&self, job: &JobRef) -> Vec<FileEntry> {
        match self.ask(Request::ListLogs(job.clone())).await {
            Reply::Files(files) => files,
            other => panic!("{other:?}"),
        }
    }

    /// Follows the standard output of a job that has ended.
    async fn followed(&self, job: &JobRef) -> String {
        let file = FileRef::log(job.clone(), "stdout.txt", 0);
        let mut deltas = self.client.open_log(file, From::Start(0), FollowMode::Newest).await.expect("a follower");
        let mut text = String::new();
        loop {
            match tokio::time::timeout(DEADLINE, deltas.recv()).await.expect("a delta in time") {
                Some(LogDelta::Appended(window)) => text.push_str(&String::from_utf8_lossy(&window.bytes)),
                Some(LogDelta::Ended) | None => return text,
                Some(other) => panic!("{other:?}"),
            }
        }
    }
}

fn numbers(to: u32) -> String {
    (1..=to).map(|n| format!("{n}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_outlive_their_node_and_what_was_left_is_named() {
    let core = Core::start();
    core.change(Settings { log_keep_bytes: Bytes(50_000), ..settings() }).await;
    core.settle(1).await;
    let small = core.submit(command("i=0; while [ $i -lt 500 ]; do i=$((i + 1)); echo $i; done; echo x >&2")).await;
    let big = core.submit(command("seq 1 30000; echo done >&2")).await;
    core.ended(&small).await;
    core.ended(&big).await;
    assert_eq!(core.log(&big, "stdout.txt").await.len(), 65536, "all of it is on the node");
    core.scale(0).await;
    core.until_nodes(0).await;
    // As with a machine that is gone.
    // What ends there still may write a last line meanwhile.
    let spool = core.dir.path().join("nodes");
    let removed = async {
        while std::fs::remove_dir_all(&spool).is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, removed).await.expect("a spool that nobody writes into");

    assert_eq!(core.log(&small, "stdout.txt").await, numbers(500));
    assert_eq!(core.log(&small, "stderr.txt").await, "x\n");
    assert_eq!(core.followed(&small).await, numbers(500));
    assert_eq!(core.note(&small).await, None);
    let names: Vec<String> = core.files(&small).await.into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["execution.log", "stderr.txt", "stdout.txt"]);
    let file = FileRef::log(small.clone(), "stdout.txt", 0);
    let search = FileSearch { file, text: "499".into(), from: 0, backwards: false };
    let at = numbers(498).len() as u64;
    assert_eq!(core.ask(Request::SearchFile(search)).await, Reply::Found { offset: Some(at) });

    let kept = core.log(&big, "stdout.txt").await;
    assert!(numbers(30_000).ends_with(&format!("\n{kept}")) && kept.len() <= 50_000 && kept.len() > 45_000, "whole lines");
    assert_eq!(core.log(&big, "stderr.txt").await, "done\n", "small files are whole");
    let note = core.note(&big).await.expect("a note");
    assert!(note.contains("local-1") && note.contains("the first") && note.contains("of stdout.txt"), "{note}");
    assert!(note.contains("log_keep_bytes is 48.8 KiB"), "{note}");

    let place = Place { workspace: None, name: Some("here".into()) };
    core.ask(Request::DeleteCluster { cluster: place, force: true }).await;
    assert_eq!(core.log(&small, "stdout.txt").await, numbers(500), "also without its cluster");
    // And after a restart.
    let dir = core.stop().await;
    let core = Core::start_in(dir);
    assert_eq!(core.log(&small, "stdout.txt").await, numbers(500));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_was_put_back_leaves_its_logs() {
    let core = Core::start();
    core.settle(1).await;
    let job = core.submit(command("echo run; while [ ! -e go ]; do sleep 0.1; done")).await;
    until_running(&core, &job).await;
    // It runs before its shell has said anything.
    let said = async {
        while core.log(&job, "stdout.txt").await != "run\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, said).await.expect("its first line");
    core.scale(0).await;
    core.until_nodes(0).await;
    std::fs::remove_dir_all(core.dir.path().join("nodes")).expect("a spool");
    assert_eq!(core.log(&job, "stdout.txt").await, "run\n", "while it waits for another node");
    core.scale(1).await;
    until_running(&core, &job).await;
    release(&core.dir.path().join("nodes"));
    let view = core.ended(&job).await;
    assert_eq!((view.job.state, view.job.attempt.0), (ExecutionState::Succeeded, 2));
    assert_eq!(core.log(&job, "attempt-1/stdout.txt").await, "run\n");
    let files = core.files(&job).await;
    assert!(files.iter().any(|file| file.name == "attempt-1/execution.log" && file.size > 0), "{files:?}");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_logs_go_on_both_sides_and_those_of_live_jobs_stay() {
    let core = Core::start();
    core.settle(2).await;
    let live = core.submit(command("echo live; while [ ! -e go ]; do sleep 0.1; done")).await;
    until_running(&core, &live).await;
    let old = core.submit(command("echo old")).await;
    core.ended(&old).await;
    // The node without work goes, with a copy.
    core.scale(1).await;
    core.until_nodes(1).await;
    let copy = core.dir.path().join("logs/job-2");
    assert!(copy.join("attempt-1").is_dir());
    core.change(Settings { log_retention: Millis::from_secs(1), ..settings() }).await;
    let gone = async {
        while copy.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("the copy goes");
    assert!(core.note(&old).await.expect("a note").contains("no copy of its logs"));
    assert_eq!(core.log(&live, "stdout.txt").await, "live\n");
    release(&core.dir.path().join("nodes"));
    core.ended(&live).await;
    let on_node = async {
        while find(&core.dir.path().join("nodes"), "stdout.txt").is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, on_node).await.expect("the logs on the node go");
    core.stop().await;
}
