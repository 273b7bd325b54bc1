//! Clients over the socket: what they ask reaches the core once, in order, and comes back; what is lost is said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ostler::api::Client;
use ostler::api::server::CLIENTS_MAX;
use ostler::api::socket::Socket;
use ostler::api::wire::{ClientHello, PROTOCOL, ServerHello, codec};
use ostler::model::fault::FaultKind;
use ostler::model::ids::{Epoch, JobId};
use ostler::model::request::{FileRef, FollowMode, From, JobRef, LogDelta, Place, Reply, Request, Submit};
use ostler::model::snapshot::Snapshot;
use tokio_util::codec::Framed;

use super::fake::*;
use super::samples;
use super::strangers::{is_root, open_folder};

async fn text(client: &Client, text: &str) -> String {
    match client.request(exec(text)).await.unwrap() {
        Reply::Ran { stdout, .. } => String::from_utf8(stdout).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn file(name: &str) -> FileRef {
    FileRef::log(JobRef::Id(JobId(1)), name, 0)
}

fn submit(name: &str) -> Request {
    let spec = samples::job(1, 1, ostler::model::state::ExecutionState::Queued).spec.as_ref().clone();
    let name = Some(name.to_owned());
    Request::Submit(Box::new(Submit { experiment: Place::default(), cluster: Place::default(), name, spec, token: None }))
}

#[tokio::test]
async fn many_requests_are_under_way_and_each_gets_its_own_answer() {
    let run = Run::new();
    let host = run.host(1).await;
    let client = run.client().await;
    let waits = client.request(Request::AwaitJob { job: JobRef::Id(JobId(1)), timeout: None });
    tokio::pin!(waits);
    let all = (0..200).map(|n| {
        let client = client.clone();
        async move { assert_eq!(text(&client, &n.to_string()).await, n.to_string()) }
    });
    tokio::select! {
        _ = &mut waits => panic!("nobody answered it"),
        _ = futures_util::future::join_all(all) => {}
    }
    until("the wait reached the core", || host.seen().unanswered.len() == 1).await;
    let reply = host.seen().unanswered.pop().unwrap();
    reply.send(Reply::Accepted { note: Some("now".to_owned()) }).unwrap();
    assert_eq!(waits.await.unwrap(), Reply::Accepted { note: Some("now".to_owned()) });
    let fault = client.request(exec("fail")).await.unwrap_err();
    assert_eq!((fault.message.as_str(), &fault.hints[..]), ("it failed", &["try again".to_owned()][..]));
}

#[tokio::test]
async fn requests_of_one_client_keep_their_order() {
    let run = Run::new();
    let host = run.host(1).await;
    let client = run.client().await;
    let asked: Vec<_> = (0..500).map(|n| client.request(exec(&n.to_string()))).collect();
    futures_util::future::join_all(asked).await;
    let seen: Vec<Request> = host.seen().requests.clone();
    assert_eq!(seen, (0..500).map(|n| exec(&n.to_string())).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_asks_for_no_more_at_once_than_a_host_takes() {
    const ALL: usize = 3_000;
    let run = Run::new();
    let host = run.host(1).await;
    let client = run.client().await;
    let asked = (0..ALL).map(|_| {
        let client = client.clone();
        async move { client.request(submit("slow")).await }
    });
    let all = tokio::spawn(futures_util::future::join_all(asked.collect::<Vec<_>>()));
    let mut answered = 0;
    while answered < ALL {
        let at_once = 512.min(ALL - answered);
        until("as many as may be are under way", || host.seen().unanswered.len() >= at_once).await;
        let waiting = std::mem::take(&mut host.seen().unanswered);
        assert_eq!(waiting.len(), at_once, "{answered}");
        answered += waiting.len();
        waiting.into_iter().for_each(|reply| drop(reply.send(Reply::Submitted(Vec::new()))));
    }
    assert!(all.await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_subscription_begins_whole_and_follows() {
    let run = Run::new();
    let host = run.host(3).await;
    for id in 1..=1000 {
        host.change(id, "old");
    }
    let client = run.client().await;
    let mut updates = client.subscribe().await.unwrap();
    // The stream lives on without the client that opened it.
    drop(client);
    let first = updates.recv().await.unwrap();
    assert!(first.whole);
    assert_eq!((first.changes.len(), first.epoch), (1000, Epoch(3)));
    let mut picture = Snapshot::default();
    picture.apply(&first);
    host.change(7, "new");
    picture.apply(&updates.recv().await.unwrap());
    assert_eq!(location(&picture, 7).as_deref(), Some("new"));
    drop(updates);
    // Seen at the next change at the latest.
    until("the core's end is dropped too", || {
        host.change(1, "x");
        host.seen().subscribers.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_slow_subscriber_gets_what_it_missed_in_one() {
    let run = Run::new();
    let host = run.host(1).await;
    let client = run.client().await;
    let mut updates = client.subscribe().await.unwrap();
    let long = "x".repeat(4000);
    for round in 0..5000u64 {
        host.change(1 + round % 50, &format!("{round} {long}"));
        if round % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // Others are not held up by the one that stands still.
    assert_eq!(text(&client, "alive").await, "alive");
    host.change(99, "last");
    let mut picture = Snapshot::default();
    let mut count = 0;
    while location(&picture, 99).as_deref() != Some("last") {
        let update = tokio::time::timeout(Duration::from_secs(10), updates.recv()).await.expect("it comes").unwrap();
        picture.apply(&update);
        count += 1;
        // The publisher tells what it owes at its next turn.
        host.change(98, &count.to_string());
    }
    assert!(count < 500, "{count} updates for 5000 changes");
    let now = host.seen().picture.clone();
    for id in 1..=50 {
        assert_eq!(location(&picture, id), location(&now, id), "{id}");
    }
}

#[tokio::test]
async fn a_log_is_followed_and_ended() {
    let run = Run::new();
    let host = run.host(1).await;
    let client = run.client().await;
    assert_eq!(client.open_log(file("absent"), From::End, FollowMode::Newest).await.unwrap_err().message, "no such file");
    let mut log = client.open_log(file("stdout.txt"), From::Start(0), FollowMode::Newest).await.unwrap();
    let (_, to) = host.seen().logs.pop().unwrap();
    to.send(appended(0, "one\n")).await.unwrap();
    to.send(LogDelta::Ended).await.unwrap();
    drop(to);
    assert_eq!(log.recv().await, Some(appended(0, "one\n")));
    assert_eq!(log.recv().await, Some(LogDelta::Ended));
    assert_eq!(log.recv().await, None);

    let log = client.open_log(file("stdout.txt"), From::End, FollowMode::Newest).await.unwrap();
    let (_, to) = host.seen().logs.pop().unwrap();
    drop(log);
    tokio::time::timeout(Duration::from_secs(10), to.closed()).await.expect("the follower is told");
}

/// A reader that wants every byte holds the follower up, and misses nothing; one that wants the newest is told what it missed.
#[tokio::test]
async fn a_reader_that_wants_every_byte_is_waited_for() {
    const PIECES: u64 = 2_000;
    let run = Run::new();
    let host = run.host(1).await;
    let client = run.client().await;
    for mode in [FollowMode::Every, FollowMode::Newest] {
        let mut log = client.open_log(file("stdout.txt"), From::Start(0), mode).await.unwrap();
        let (_, to) = host.seen().logs.pop().unwrap();
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let sending = tokio::spawn({
            let sent = sent.clone();
            async move {
                for at in 0..PIECES {
                    to.send(appended(at * 10, "ten bytes\n")).await.unwrap();
                    sent.store(at + 1, std::sync::atomic::Ordering::Relaxed);
                }
                to.send(LogDelta::Ended).await.unwrap();
            }
        });
        let now = || sent.load(std::sync::atomic::Ordering::Relaxed);
        if mode == FollowMode::Every {
            // All places on the way are taken, and there are far fewer than pieces.
            let mut before = 0;
            while now() == 0 || now() != before {
                before = now();
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            assert!(now() < PIECES / 4, "{} pieces wait somewhere", now());
        } else {
            until("all were sent", || now() == PIECES).await;
        }
        let (mut at, mut skipped) = (0, 0);
        loop {
            match log.recv().await.unwrap() {
                LogDelta::Appended(window) => {
                    assert_eq!(window.offset, at);
                    at += window.bytes.len() as u64;
                }
                LogDelta::Skipped { from, to } => {
                    assert_eq!(from, at);
                    (at, skipped) = (to, skipped + to - from);
                }
                LogDelta::Ended => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((at, skipped > 0), (PIECES * 10, mode == FollowMode::Newest), "{skipped}");
        sending.await.unwrap();
    }
}

#[tokio::test]
async fn a_hand_over_is_not_noticed() {
    let run = Run::new();
    let old = run.host(1).await;
    old.change(1, "old");
    let client = run.client().await;
    let mut updates = client.subscribe().await.unwrap();
    assert_eq!(updates.recv().await.unwrap().epoch, Epoch(1));
    let mut log = client.open_log(file("stdout.txt"), From::Start(0), FollowMode::Newest).await.unwrap();
    let (_, to) = old.seen().logs.pop().unwrap();
    to.send(appended(0, "one\n")).await.unwrap();
    assert_eq!(log.recv().await, Some(appended(0, "one\n")));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.request(Request::AwaitJob { job: JobRef::Id(JobId(1)), timeout: None }).await }
    });
    until("the wait reached the core", || old.seen().unanswered.len() == 1).await;
    old.leave().await;

    // Asked while nobody hosts.
    let gap = tokio::spawn({
        let client = client.clone();
        async move { text(&client, "in the gap").await }
    });
    tokio::task::yield_now().await;
    assert!(!run.socket().exists());
    let new = run.host(2).await;
    assert_eq!(gap.await.unwrap(), "in the gap");
    let again = updates.recv().await.unwrap();
    assert_eq!((again.epoch, again.whole), (Epoch(2), true));
    until("the log is opened where it was", || new.seen().logs.len() == 1).await;
    let (from, to) = new.seen().logs.pop().unwrap();
    assert_eq!(from, From::Start(4));
    to.send(appended(4, "two\n")).await.unwrap();
    assert_eq!(log.recv().await, Some(appended(4, "two\n")));
    until("the wait is asked again", || new.seen().unanswered.len() == 1).await;
    let reply = new.seen().unanswered.pop().unwrap();
    reply.send(Reply::Accepted { note: None }).unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_the_old_host_did_not_take_is_asked_again() {
    let run = Run::new();
    let old = run.host(1).await;
    let client = run.client().await;
    text(&client, "warm").await;
    // Its core has ended, the server not yet: what comes now is not taken.
    assert!(client.request(Request::Stop).await.is_ok());
    let late = tokio::spawn({
        let client = client.clone();
        async move { client.request(Request::DeleteWorkspace { workspace: "a".to_owned(), force: true }).await }
    });
    tokio::task::yield_now().await;
    // Answered after the request before it was looked at.
    assert!(client.subscribe().await.is_err());
    assert!(!late.is_finished());
    old.leave().await;
    let new = run.host(2).await;
    late.await.unwrap().unwrap();
    assert!(matches!(new.seen().requests[..], [Request::DeleteWorkspace { .. }]));
}

#[tokio::test]
async fn after_a_crash_only_what_is_harmless_is_asked_again() {
    let run = Run::new();
    let old = run.host(1).await;
    let client = run.client().await;
    let ask = |request: Request| {
        let client = client.clone();
        tokio::spawn(async move { client.request(request).await })
    };
    let create = ask(Request::CreateExperiment { workspace: None, name: "e".to_owned() });
    let job = ask(submit("slow"));
    until("both reached the core", || old.seen().unanswered.len() == 2).await;
    let token = |seen: &Seen| {
        seen.requests.iter().find_map(|request| match request {
            Request::Submit(submit) => Some(submit.token.clone().expect("it has a token")),
            _ => None,
        })
    };
    let first = token(&old.seen()).unwrap();
    old.crash().await;
    let new = run.host(2).await;
    let fault = create.await.unwrap().unwrap_err();
    assert!(fault.message.contains("whether this was done is not known"), "{}", fault.message);
    assert_eq!(fault.kind, FaultKind::Remote);
    until("the submit is sent again", || new.seen().unanswered.len() == 1).await;
    assert_eq!(token(&new.seen()).unwrap(), first);
    assert_eq!(new.seen().requests.len(), 1);
    new.seen().unanswered.pop().unwrap().send(Reply::Submitted(Vec::new())).unwrap();
    job.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_host_that_stays_away_is_said_and_found_again_later() {
    let run = Run::new();
    let old = run.host(1).await;
    let client = run.client().await;
    let mut updates = client.subscribe().await.unwrap();
    updates.recv().await.unwrap();
    let mut log = client.open_log(file("stdout.txt"), From::End, FollowMode::Newest).await.unwrap();
    old.crash().await;
    let begin = Instant::now();
    let fault = client.request(exec("x")).await.unwrap_err();
    assert_eq!((fault.exit_code(), fault.hints.len()), (3, 1));
    assert!(updates.recv().await.is_none());
    assert!(matches!(log.recv().await, Some(LogDelta::Failed(_))));
    assert!(log.recv().await.is_none());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let _new = run.host(2).await;
    assert_eq!(text(&client, "again").await, "again");
}

/// A connection of our own, to say what a client never would.
async fn raw(run: &Run, hello: &str) -> Framed<tokio::net::UnixStream, tokio_util::codec::LengthDelimitedCodec> {
    let stream = tokio::net::UnixStream::connect(run.socket()).await.unwrap();
    let mut framed = Framed::new(stream, codec(1 << 30));
    framed.send(Bytes::copy_from_slice(hello.as_bytes())).await.unwrap();
    framed
}

fn hello(protocol: u32, stop: bool) -> String {
    serde_json::to_string(&ClientHello { protocol, version: "9.9".to_owned(), stop, logs: Default::default() }).unwrap()
}

#[tokio::test]
async fn another_protocol_is_refused_in_words_and_can_still_ask_for_the_end() {
    let run = Run::new();
    let host = run.host(5).await;
    let mut other = raw(&run, &hello(PROTOCOL + 1, false)).await;
    let theirs: ServerHello = serde_json::from_slice(&other.next().await.unwrap().unwrap()).unwrap();
    assert_eq!((theirs.protocol, theirs.epoch), (PROTOCOL, Epoch(5)));
    assert!(other.next().await.is_none(), "and nothing more");

    let mut other = raw(&run, &hello(PROTOCOL + 1, true)).await;
    other.next().await.unwrap().unwrap();
    assert!(other.next().await.is_none());
    assert_eq!(host.seen().requests, [Request::Stop]);
    host.leave().await;

    // The other way round: a host of another protocol.
    let listener = ostler::api::address::listen(&run.socket()).await.unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut framed = Framed::new(stream, codec(1 << 20));
        framed.next().await.unwrap().unwrap();
        let hello = format!(r#"{{"protocol":{},"version":"1.7","pid":7,"epoch":1,"new":"field"}}"#, PROTOCOL + 2);
        framed.send(Bytes::from(hello)).await.unwrap();
        framed.next().await
    });
    let fault = run.connect().await.err().unwrap();
    let ours = env!("CARGO_PKG_VERSION");
    assert_eq!(
        fault.message,
        format!("this is ostler {ours}, the host (pid 7) is 1.7: protocol {PROTOCOL} and {}", PROTOCOL + 2)
    );
    assert!(fault.hints[0].contains("ostler serve --stop"));
    assert_eq!(fault.exit_code(), 2);
}

#[tokio::test]
async fn a_client_asks_the_host_to_stop() {
    let run = Run::new();
    let host = run.host(1).await;
    let stopping = tokio::spawn({
        let socket = run.socket();
        async move { Socket::stop_host(&socket).await.unwrap() }
    });
    assert_eq!(stopping.await.unwrap().epoch, Epoch(1));
    assert_eq!(host.seen().requests, [Request::Stop]);
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_nothing_else() {
    let run = Run::new();
    let host = run.host(1).await;
    let client = run.client().await;
    for nonsense in ["", "{}", "\0\0", r#"{"request":{"id":1,"request":"reboot"}}"#] {
        let mut other = raw(&run, &hello(PROTOCOL, false)).await;
        other.next().await.unwrap().unwrap();
        other.send(Bytes::copy_from_slice(nonsense.as_bytes())).await.unwrap();
        assert!(other.next().await.is_none_or(|frame| frame.is_err()), "{nonsense:?}");
    }
    // A frame that claims 4 GiB.
    let mut stream = tokio::net::UnixStream::connect(run.socket()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &[0xff; 64]).await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(rest.is_empty());
    assert_eq!(text(&client, "alive").await, "alive");
    assert_eq!(*host.server.attached().borrow(), 1);
}

#[tokio::test]
async fn limits_are_said_in_words() {
    let run = Run::new();
    let host = run.host(1).await;
    let first = run.client().await;
    let mut clients = Vec::new();
    for _ in 1..CLIENTS_MAX {
        clients.push(run.client().await);
    }
    let fault = run.connect().await.err().unwrap();
    assert!(fault.message.contains("32 clients are attached"), "{}", fault.message);
    assert!(!host.server.close_if_alone());
    clients.clear();
    let mut attached = host.server.attached();
    tokio::time::timeout(Duration::from_secs(10), attached.wait_for(|n| *n == 1)).await.expect("they have left").unwrap();

    let fault = first.request(exec(&"x".repeat(17 << 20))).await.unwrap_err();
    assert!(
        fault.message.contains("the request has 17.0 MiB, the limit is 16 MiB")
            || fault.message.contains("the limit is 16 MiB")
    );
    let fault = first.request(exec("long")).await.unwrap_err();
    assert!(fault.message.contains("the answer has 80 MiB, the limit is 64 MiB"), "{}", fault.message);
    assert_eq!(text(&first, "alive").await, "alive");

    let wait = || first.request(Request::AwaitJob { job: JobRef::Id(JobId(1)), timeout: None });
    let all = futures_util::future::join_all((0..1024).map(|_| wait()));
    tokio::select! {
        _ = all => panic!("nobody answers them"),
        fault = async {
            until("all wait", || host.seen().unanswered.len() == 1024).await;
            wait().await.unwrap_err()
        } => assert!(fault.message.contains("1024 requests are under way"), "{}", fault.message),
    }
}

#[tokio::test]
async fn a_server_that_is_alone_can_close_without_losing_anybody() {
    let run = Run::new();
    let host = run.host(1).await;
    assert!(host.server.close_if_alone());
    assert_eq!(run.connect().await.err().unwrap().message, "nobody", "it leaves: as if it had left before");
    host.leave().await;
    assert!(!run.socket().exists());
}

/// The same in both directions: who connects to us, and to whom we connect.
#[test]
fn another_user_is_refused() {
    if !is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let open = |path: &std::path::Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (top, program) = open_folder();
    let nobody = |test: &str| {
        let mut command = std::process::Command::new(&program);
        command.args(["--exact", test, "--ignored", "--nocapture"]).env("OSTLER_TEST_DIR", top.path()).uid(65534).gid(65534);
        command.current_dir("/").stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = top.path().join("ours");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        open(&socket);
        let host = Host::start(listener, &socket, 1);
        let child = nobody("socket::child_of_another_user_connects");
        let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("answer: 0 bytes"));
        assert_eq!(*host.server.attached().borrow(), 0);
        host.leave().await;

        let mut child = nobody("socket::child_of_another_user_listens");
        until("it listens", || top.path().join("theirs").exists()).await;
        let Err(ostler::api::socket::Unconnected::Fault(fault)) = Socket::connect(&top.path().join("theirs")).await else {
            panic!("attached to another user's host");
        };
        assert!(fault.message.contains("another user listens there"), "{}", fault.message);
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
#[ignore = "the other side of `another_user_is_refused`"]
fn child_of_another_user_connects() {
    use std::io::{Read, Write};
    let Some(dir) = std::env::var_os("OSTLER_TEST_DIR") else { return };
    let mut stream = std::os::unix::net::UnixStream::connect(std::path::Path::new(&dir).join("ours")).unwrap();
    let hello = hello(PROTOCOL, false);
    let sent = stream.write_all(&[&(hello.len() as u32).to_be_bytes(), hello.as_bytes()].concat());
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    println!("answer: {} bytes ({sent:?}, {read:?})", answer.len());
}

#[test]
#[ignore = "the other side of `another_user_is_refused`"]
fn child_of_another_user_listens() {
    let Some(dir) = std::env::var_os("OSTLER_TEST_DIR") else { return };
    let dir = std::path::Path::new(&dir);
    let listener = std::os::unix::net::UnixListener::bind(dir.join("nascent")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir.join("nascent"), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::rename(dir.join("nascent"), dir.join("theirs")).unwrap();
    listener.incoming().for_each(drop);
}

#[tokio::test]
#[ignore = "prints a figure: 20,000 round trips, one after the other"]
async fn round_trips() {
    let run = Run::new();
    let host = run.host(1).await;
    let client = Arc::new(run.client().await);
    let begin = Instant::now();
    for _ in 0..20_000 {
        client.request(Request::Status).await.unwrap();
    }
    let each = begin.elapsed() / 20_000;
    println!("{each:?} a round trip");
    assert_eq!(host.seen().requests.len(), 20_000);
}
