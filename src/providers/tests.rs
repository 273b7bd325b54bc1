//! What every provider has to do, run on each of them; and what hooks and interfaces do wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::spec::{Hooks, SecretText};
use crate::model::units::{Millis, UnixMillis};

const POOL: Uuid = Uuid::from_u128(7);
const SOON: Duration = Duration::from_secs(30);

fn wanted(node: u64) -> Wanted {
    let tag = Tag { pool: POOL, node: NodeId(node) };
    Wanted { tag, cluster: "gpu".to_owned(), class: Some("large".to_owned()), low_priority: true }
}

/// A program that keeps machines as files of a folder, and whose machines need a second look before they have an address.
const HOOK: &str = r#"
cd "$1" || exit 1
case $2 in
acquire)
    cat > "asked-$OSTLER_TAG"
    [ "$OSTLER_CLASS $OSTLER_LOW_PRIORITY" = "large 1" ] || { echo "told: $OSTLER_CLASS" >&2; exit 1; }
    n=$(ls -d m-* 2>/dev/null | wc -l); id=m-$((n + 1))
    echo "$OSTLER_TAG" > "$id"; echo acquire >> ledger
    echo "{\"machine\": {\"id\": \"$id\", \"pricePerHour\": 0.5}}" ;;
release) rm -f "$OSTLER_MACHINE"; echo release >> ledger ;;
list)
    sep=; printf '{"machines": ['
    for m in m-*; do
        [ -e "$m" ] || continue
        printf '%s{"id": "%s", "tag": "%s", "host": "h-%s", "pricePerHour": 0.5}' "$sep" "$m" "$(cat "$m")" "$m"; sep=,
    done
    printf ', {"id": "other", "tag": "of somebody else"}]}' | if [ -z "$sep" ]; then sed 's/^, //'; else cat; fi ;;
esac
"#;

fn programs(dir: &tempfile::TempDir) -> command::Programs {
    let script = dir.path().join("hook.sh");
    std::fs::write(&script, HOOK).unwrap();
    let state = dir.path().join("cloud");
    std::fs::create_dir_all(&state).unwrap();
    let hooks = Hooks::of_program(&format!("sh {} {}", script.display(), state.display()));
    command::Programs { hooks, cluster: "gpu".to_owned(), folder: dir.path().join("providers") }
}

fn hooked(dir: &tempfile::TempDir, acquire: &str, list: &str) -> command::Programs {
    let hooks =
        Hooks { acquire: acquire.to_owned(), release: "exit 3".to_owned(), list: list.to_owned(), limit: Millis(2_000) };
    command::Programs { hooks, cluster: "gpu".to_owned(), folder: dir.path().join("providers") }
}

/// What an interface has heard, and what it answers next in the place of its own answer.
#[derive(Default)]
struct Behind {
    machines: Vec<(String, String)>,
    heard: Vec<(String, String, String)>,
    /// When each call came.
    at: Vec<Instant>,
    instead: Vec<(u16, &'static str)>,
    /// What was answered to a key: a repeat gets the same.
    done: BTreeMap<String, String>,
}

/// In the place of an answer: it is done, and the connection ends without a word.
const LOST: u16 = 0;
/// How long an interface wants to be left alone that answers 429, in seconds.
const LEFT_ALONE: u64 = 1;

/// An interface over a real connection.
async fn interface() -> (http::Interface, Arc<Mutex<Behind>>) {
    interface_over(None).await
}

/// A file of the authority and the server that tests have.
fn certificates(name: &str) -> String {
    format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The server's side of TLS, with a certificate that only our own authority vouches for.
fn guarded() -> TlsAcceptor {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = CertificateDer::pem_file_iter(certificates("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates("server.key")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn interface_over(tls: Option<TlsAcceptor>) -> (http::Interface, Arc<Mutex<Behind>>) {
    // The program does this in `main`; twice is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let behind = Arc::new(Mutex::new(Behind::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    let shared = behind.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &tls {
                None => serve(stream, &shared).await,
                // Who does not believe the certificate goes before anything is said.
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, &shared).await,
                    Err(_) => continue,
                },
            }
        }
    });
    let token = Some(SecretText::new("t0ken"));
    (http::Interface { pause: Duration::from_millis(1), ..http::Interface::new(url, token, "gpu".to_owned()) }, behind)
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, behind: &Mutex<Behind>) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut head) = (String::new(), Vec::new());
    while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) && line.trim() != "" {
        head.push(std::mem::take(&mut line).trim().to_owned());
    }
    if head.is_empty() {
        return;
    }
    let header = |name: &str| {
        let found = head.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        found.unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let path = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, answer) = {
        let mut behind = behind.lock().unwrap();
        let key = header("idempotency-key");
        behind.heard.push((path.clone(), key.clone(), header("authorization")));
        behind.at.push(Instant::now());
        match behind.instead.pop() {
            Some((LOST, _)) => {
                behind.answer_once(&path, &key, &body);
                return;
            }
            Some((status, text)) => (status, text.to_owned()),
            None => (200, behind.answer_once(&path, &key, &body)),
        }
    };
    let after = if status == 429 { format!("retry-after: {LEFT_ALONE}\r\n") } else { String::new() };
    let text =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{after}connection: close\r\n\r\n{answer}", answer.len());
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

impl Behind {
    fn answer_once(&mut self, path: &str, key: &str, body: &serde_json::Value) -> String {
        if let Some(before) = self.done.get(key) {
            return before.clone();
        }
        let answer = self.answer(path, body);
        self.done.insert(key.to_owned(), answer.clone());
        answer
    }

    fn answer(&mut self, path: &str, body: &serde_json::Value) -> String {
        let tag = body["tag"].as_str().unwrap_or_default().to_owned();
        let machine = |(id, tag): &(String, String)| serde_json::json!({"id": id, "host": format!("h-{id}"), "tag": tag});
        match path {
            "/acquire" => {
                self.machines.push((format!("m{}", self.machines.len() + 1), tag));
                serde_json::json!({"machine": machine(self.machines.last().unwrap())}).to_string()
            }
            "/release" => {
                self.machines.retain(|(id, _)| *id != body["machine"]["id"]);
                String::new()
            }
            _ => serde_json::json!({"machines": self.machines.iter().map(machine).collect::<Vec<_>>()}).to_string(),
        }
    }
}

/// Gets a machine. What is this machine's own is not told by anybody, so it is not looked at like an answer.
async fn take(provider: &dyn Provider, wanted: &Wanted, name: &str) -> Machine {
    match name {
        "local" => provider.acquire(wanted).await.unwrap().unwrap(),
        _ => get(provider, wanted, SOON).await.unwrap(),
    }
}

/// What holds for every provider.
async fn suite(provider: &dyn Provider, name: &str) {
    let (one, two) = (wanted(1), wanted(2));
    assert_eq!(provider.list(POOL).await.unwrap(), [], "{name}: nothing is ours at first");
    let first = take(provider, &one, name).await;
    assert!(!first.host.is_empty() && !first.id.is_empty(), "{name}: {first:?}");
    assert_eq!(take(provider, &one, name).await, first, "{name}: one tag has one machine");
    let second = take(provider, &two, name).await;
    assert!(second.host != first.host && second.id != first.id, "{name}: two tags have two: {second:?}");
    let mut found: Vec<_> = provider.list(POOL).await.unwrap().into_iter().map(|f| (f.tag.node.0, f.machine.host)).collect();
    found.sort();
    assert_eq!(found, [(1, first.host.clone()), (2, second.host)], "{name}");
    assert_eq!(provider.list(Uuid::max()).await.unwrap(), [], "{name}: another pool has none of them");
    provider.release(one.tag, &first).await.unwrap();
    provider.release(one.tag, &first).await.unwrap();
    let left: Vec<_> = provider.list(POOL).await.unwrap().into_iter().map(|f| f.tag).collect();
    assert_eq!(left, [two.tag], "{name}: released is gone, and twice is as well");
}

#[tokio::test]
async fn every_provider_keeps_the_contract() {
    suite(&hosts::Hosts::new(["a", "b", "c"].map(String::from).into(), hosts::Book::new()), "hosts").await;
    suite(&local::Local::new(hosts::Book::new()), "local").await;
    let dir = tempfile::tempdir().unwrap();
    suite(&programs(&dir), "command").await;
    let ledger = std::fs::read_to_string(dir.path().join("cloud/ledger")).unwrap();
    assert_eq!(ledger.lines().filter(|line| *line == "acquire").count(), 2, "bought twice and not more");
    let (interface, behind) = interface().await;
    suite(&interface, "http").await;
    let heard = behind.lock().unwrap().heard.clone();
    let keys: Vec<_> = heard.iter().filter(|(path, ..)| path == "/acquire").map(|(_, key, _)| key.clone()).collect();
    assert_eq!(keys, [format!("acquire-{}", wanted(1).tag), format!("acquire-{}", wanted(2).tag)]);
    assert!(heard.iter().all(|(_, _, token)| token == "Bearer t0ken"), "{heard:?}");
}

#[test]
fn a_list_says_when_machines_are_taken_away() {
    let list = |more: &str| {
        let text = format!(r#"{{"machines": [{{"id": "m", "tag": "{}"{more}}}]}}"#, wanted(1).tag);
        contract::listed(text.as_bytes(), POOL)
    };
    let at = UnixMillis(1_795_813_200_000);
    for (more, expected) in [
        ("", None),
        (r#", "leavesAt": null"#, None),
        (r#", "leavesAt": "2026-11-27T21:00:00Z""#, Some(Notice { at, why: String::new() })),
        (
            r#", "leavesAt": "2026-11-27T22:00:00+01:00", "leavesWhy": "capacity\nis needed""#,
            Some(Notice { at, why: "capacity; is needed".to_owned() }),
        ),
    ] {
        let found = list(more).unwrap();
        assert_eq!((found.len(), &found[0].leaves), (1, &expected), "{more}");
    }
    for wrong in [r#", "leavesAt": "soon""#, r#", "leavesAt": """#, r#", "leavesAt": "2026-11-27""#] {
        let bad = list(wrong).unwrap_err();
        assert!(bad.code == "BadAnswer" && bad.message.contains("leavesAt"), "{wrong}: {bad:?}");
    }
}

#[test]
fn tags_read_back() {
    let tag = Tag { pool: POOL, node: NodeId(u64::MAX) };
    assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
    for text in ["", "ostler-", "ostler-7", "ostler-x-1", "Name", &format!("ostler-{POOL}-x"), &format!("x{tag}")] {
        assert_eq!(Tag::parse(text), None, "{text}");
    }
    let longest = Tag { pool: Uuid::max(), node: NodeId(10_u64.pow(15)) }.to_string();
    assert!(longest.len() <= 63 && longest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
}

#[tokio::test]
async fn hooks_that_fail_hang_or_lie_are_told_in_their_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let none = r#"echo '{"machines": []}'"#;
    let machine = |host: &str| format!(r#"echo '{{"machine": {{"id": "m", "host": "{host}"}}}}'"#);
    let twice = format!(
        r#"echo '{{"machines": [{{"id": "a", "host": "a", "tag": "{0}"}}, {{"id": "b", "host": "b", "tag": "{0}"}}]}}'"#,
        wanted(1).tag
    );
    let cases = [
        ("fails", "echo quota exceeded >&2; exit 4".to_owned(), none.to_owned(), "HookFailed", "quota exceeded"),
        ("says why", r#"echo '{"error": "no capacity"}'; exit 1"#.to_owned(), none.to_owned(), "HookFailed", "no capacity"),
        ("refuses", r#"echo '{"error": "no capacity"}'"#.to_owned(), none.to_owned(), "ProviderRefused", "no capacity"),
        ("hangs", "echo waiting for a lock >&2; sleep 600".to_owned(), none.to_owned(), "HookTimeout", "waiting for a lock"),
        ("talks", "echo hello".to_owned(), none.to_owned(), "BadAnswer", "hello"),
        ("floods", "head -c 5000000 /dev/zero".to_owned(), none.to_owned(), "BadAnswer", "more than"),
        ("claims to be here", machine("local/1"), none.to_owned(), "BadAnswer", "character `/`"),
        ("lies", machine("-oProxyCommand=evil"), none.to_owned(), "BadAnswer", "may not begin with"),
        ("has two", machine("x"), twice, "TwoMachines", "both carry the tag"),
        ("cannot list", machine("x"), "echo denied >&2; exit 1".to_owned(), "HookFailed", "denied"),
        ("lists nothing", machine("x"), "true".to_owned(), "BadAnswer", "no `machines`"),
    ];
    for (name, acquire, list, code, words) in cases {
        let started = std::time::Instant::now();
        let none = get(&hooked(&dir, &acquire, &list), &wanted(1), SOON).await.unwrap_err();
        assert!(none.code == code && none.message.contains(words), "{name}: {none:?}");
        assert!(started.elapsed() < SOON, "{name}");
    }
    let machine = Machine { id: "m".to_owned(), ..Machine::default() };
    let kept = hooked(&dir, "true", none).release(wanted(1).tag, &machine).await.unwrap_err();
    assert!(kept.message.contains("exit status: 3"), "{kept:?}");
    let late = get(&hooked(&dir, r#"echo '{"machine": {"id": "m"}}'"#, none), &wanted(1), Duration::from_millis(10)).await;
    assert_eq!(late.unwrap_err().code, "MachineNotReady");
}

/// A hook that a crash of ours left behind may still be buying: nobody buys beside it.
#[tokio::test]
async fn a_hook_that_was_left_behind_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let programs = Arc::new(programs(&dir));
    let slow = format!("touch {0}/begun; sleep 1; {1}", dir.path().display(), programs.hooks.acquire);
    // What a crash leaves: the same lock, held by a program that nobody waits for.
    let folder: PathBuf = programs.folder.clone();
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::options().create(true).append(true).open(folder.join(wanted(1).tag.to_string())).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut left = std::process::Command::new("sh")
        .args(["-c", &slow])
        .env("OSTLER_TAG", wanted(1).tag.to_string())
        .envs([("OSTLER_CLASS", "large"), ("OSTLER_LOW_PRIORITY", "1")])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(lock.try_clone().unwrap())
        .spawn()
        .unwrap();
    drop(lock);
    let one = wanted(1);
    let machine = programs.acquire(&one).await.unwrap();
    // It waited; that it then bought a second is what looking at the list after the wait prevents.
    assert!(left.wait().unwrap().success() && dir.path().join("begun").exists());
    assert!(machine.is_some());
    let ledger = std::fs::read_to_string(dir.path().join("cloud/ledger")).unwrap();
    assert_eq!(ledger.lines().count(), 1, "{ledger}");
}

#[tokio::test]
async fn an_interface_is_asked_again_only_when_that_can_help() {
    for (instead, tries, words) in [
        (vec![(503, "busy"), (502, "gone for a moment")], 4, None),
        (vec![(403, r#"{"error": "no such project"}"#)], 1, Some("403 Forbidden: no such project")),
        (vec![(500, "x"); 5], 5, Some("500 Internal Server Error: x")),
        (vec![(302, "")], 1, Some("302 Found")),
    ] {
        let (interface, behind) = interface().await;
        behind.lock().unwrap().instead = instead.clone();
        let got = get(&interface, &wanted(1), SOON).await;
        match words {
            None => assert_eq!(got.unwrap().host, "h-m1"),
            Some(words) => assert!(got.as_ref().unwrap_err().message.contains(words), "{got:?}"),
        }
        assert_eq!(behind.lock().unwrap().heard.len(), tries, "{instead:?}");
    }
}

/// The key of a call is drawn once and not for each try, so that what was done before an answer was lost is not done again.
#[tokio::test]
async fn an_answer_that_is_lost_buys_nothing_twice() {
    let (interface, behind) = interface().await;
    behind.lock().unwrap().instead = vec![(LOST, ""), (LOST, "")];
    let got = interface.acquire(&wanted(1)).await.unwrap().unwrap();
    assert_eq!(got.id, "m1");
    {
        let behind = behind.lock().unwrap();
        assert_eq!(behind.machines.len(), 1, "bought once");
        let key = format!("acquire-{}", wanted(1).tag);
        let same =
            |(path, of, token): &(String, String, String)| path == "/acquire" && *of == key && token == "Bearer t0ken";
        assert!(behind.heard.len() == 3 && behind.heard.iter().all(same), "{:?}", behind.heard);
    }
    // Two looks are two questions: the answer to the first is no answer to the second.
    behind.lock().unwrap().heard.clear();
    for _ in 0..2 {
        assert_eq!(interface.list(POOL).await.unwrap().len(), 1);
    }
    let heard = behind.lock().unwrap().heard.clone();
    assert_ne!(heard[0].1, heard[1].1, "{heard:?}");
}

#[tokio::test]
async fn pauses_grow_and_are_as_long_as_the_interface_wants() {
    let gaps = |behind: &Mutex<Behind>| -> Vec<Duration> {
        behind.lock().unwrap().at.windows(2).map(|pair| pair[1] - pair[0]).collect()
    };
    let (mut interface, behind) = interface().await;
    interface.pause = Duration::from_millis(40);
    behind.lock().unwrap().instead = vec![(503, "busy"); 4];
    interface.acquire(&wanted(1)).await.unwrap();
    let gaps_seen = gaps(&behind);
    assert_eq!(gaps_seen.len(), 4, "{gaps_seen:?}");
    for (gap, least) in gaps_seen.iter().zip([40, 80, 160, 320]) {
        assert!(*gap >= Duration::from_millis(least), "{gaps_seen:?}");
    }
    let (interface, behind) = interface_over(None).await;
    behind.lock().unwrap().instead = vec![(429, "slow down")];
    interface.acquire(&wanted(1)).await.unwrap();
    assert!(gaps(&behind)[0] >= Duration::from_secs(LEFT_ALONE), "{:?}", gaps(&behind));
}

#[tokio::test]
async fn a_server_is_believed_by_an_authority_of_ones_own() {
    let (mut interface, behind) = interface_over(Some(guarded())).await;
    let nobody = interface.acquire(&wanted(1)).await.unwrap_err();
    assert!(nobody.code == "InterfaceFailed" && nobody.message.contains("certificate"), "{nobody:?}");
    assert!(behind.lock().unwrap().heard.is_empty(), "no token goes to who is not believed");
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.pem");
    std::fs::write(&junk, "nothing of the kind").unwrap();
    for (file, words) in [
        (folder.path().join("nowhere.pem").display().to_string(), "No such file"),
        (junk.display().to_string(), "holds no certificate"),
    ] {
        interface.ca_file = Some(file.clone());
        let unread = interface.acquire(&wanted(1)).await.unwrap_err();
        assert!(unread.message.contains(&file) && unread.message.contains(words), "{unread:?}");
    }
    interface.ca_file = Some(certificates("authority.pem"));
    suite(&interface, "https").await;
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_said() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gone = http::Interface {
        pause: Duration::from_millis(1),
        ..http::Interface::new("http://127.0.0.1:9".into(), None, String::new())
    };
    assert!(gone.list(POOL).await.unwrap_err().message.contains("did not do list"));
}
