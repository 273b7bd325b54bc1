//! A cluster of Slurm by its REST service, Debian's slurmrestd: over https, through the connection to the login node, and by a socket of
//! one's own there. What the service says is what the programs would, and a submission happens once though its answer is lost.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

/// The port of slurmrestd on h1.
const PORT: u16 = 6820;

fn certificate(name: &str) -> String {
    format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What sites put before slurmrestd, which has no TLS itself: it passes on one request for each connection.
struct Front {
    url: String,
    /// How many submissions have passed.
    submissions: Arc<AtomicUsize>,
    /// The answer to the next submission is lost.
    loses: Arc<AtomicBool>,
}

impl Front {
    fn up(lab: &Lab) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = CertificateDer::pem_file_iter(certificate("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let (config, behind) = (Arc::new(config), format!("{}:{PORT}", lab.address(1)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = Self {
            url: format!("https://{}", listener.local_addr().unwrap()),
            submissions: Arc::default(),
            loses: Arc::default(),
        };
        let (submissions, loses) = (front.submissions.clone(), front.loses.clone());
        // They end with the process: there is nothing to wait for.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, behind) = (config.clone(), behind.clone());
                let (submissions, loses) = (submissions.clone(), loses.clone());
                std::thread::spawn(move || {
                    let Ok(session) = rustls::ServerConnection::new(config) else { return };
                    let mut client = rustls::StreamOwned::new(session, stream);
                    let Some((request, submits)) = request(&mut client) else { return };
                    let Ok(mut server) = TcpStream::connect(behind) else { return };
                    let mut answer = Vec::new();
                    if server.write_all(&request).is_err() || server.read_to_end(&mut answer).is_err() {
                        return;
                    }
                    if submits {
                        submissions.fetch_add(1, Ordering::SeqCst);
                        if loses.swap(false, Ordering::SeqCst) {
                            return;
                        }
                    }
                    let _ = client.write_all(&answer);
                    client.conn.send_close_notify();
                    let _ = client.flush();
                });
            }
        });
        front
    }
}

/// Reads one request, and says whether it is a submission; what is passed on asks for the end of the connection.
fn request(client: &mut impl Read) -> Option<(Vec<u8>, bool)> {
    let (mut read, mut part) = (Vec::new(), [0; 16_384]);
    loop {
        let n = client.read(&mut part).ok().filter(|n| *n > 0)?;
        read.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if read.len() < head.len() + 4 + length.unwrap_or(0) {
            continue;
        }
        let submits = head.starts_with("POST") && head.contains("/job/submit");
        let at = head.find("\r\n")? + 2;
        let asked = [&read[..at], b"Connection: close\r\n", &read[at..]].concat();
        return Some((asked, submits));
    }
}

/// A file with a token for the service, made when a test says so.
fn token(lab: &Lab, good: bool) -> PathBuf {
    let path = lab.dir().join("token");
    let text = if good { lab.slurm(&["token", "ci", "3600"]) } else { "it.has.ended".to_owned() };
    std::fs::write(&path, text.trim()).unwrap();
    path
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_is_asked_by_its_rest_service() {
    let lab = Lab::up_slurm(2, &["-c", "8", "-r"]);
    // There are no programs for jobs on the login node: all is asked of the service.
    lab.on("h1", "for p in sbatch squeue sinfo scancel sacct; do mv /usr/bin/$p /usr/bin/$p.off; done");
    let front = Front::up(&lab);
    let file = token(&lab, true);
    let cat = format!("cat {}", file.display());
    let ostler = Ostler::new(&lab);
    let by = |url: &str| vec!["--rest".to_owned(), url.to_owned(), "--rest-token-command".to_owned(), cat.clone()];
    let create = |name: &str, more: &[String]| {
        let first = ["cluster", "create", name, "--backend", "slurm", "--login", "ci@h1", "--partition", "all"];
        ostler.ok(&first.into_iter().chain(more.iter().map(String::as_str)).collect::<Vec<_>>());
    };
    create("c", &[by(&front.url), vec!["--rest-ca".to_owned(), certificate("authority.pem")]].concat());
    let shown = ostler.ok(&["cluster", "show", "c"]);
    assert!(shown.contains(&format!("REST, {}", front.url)) && !shown.contains("eyJ"), "{shown}");

    // A job with all that a job has.
    let script = "echo $A $SLURM_JOB_NAME ${LC_ALL-own}; cat ~/in; echo $TOKEN | tr a-z A-Z; exit 3";
    lab.on("h1", "echo there > /home/ci/in; chmod 644 /home/ci/in");
    let all =
        ["job", "create", "-c", "c", "-n", "whole", "--env", "A=b c", "--secret", "TOKEN=cmd:echo hush", "--time", "10m"];
    ostler.ok(&[&all[..], &["--", "sh", "-c", script]].concat());
    let whole = ostler.await_end("whole");
    assert_eq!((exit_code(&whole), &whole["attempt"]), (Some(3), &1.into()), "{whole:#}");
    assert_eq!(ostler.ok(&["job", "logs", "whole"]), "b c whole own\nthere\nHUSH\n");
    assert!(!lab.on("h1", "scontrol show job").contains("hush"));

    // What the picture has, and what people do.
    ostler.ok(&["job", "create", "-c", "c", "-n", "wide", "--nodes", "2", "--", "sh", "-c", "hostname; sleep 1000"]);
    let wide = until("wide is running", SOON, || Some(ostler.job("wide")).filter(|job| job["executionState"] == "running"));
    assert_eq!(wide["nodes"], serde_json::json!(["h2", "h3"]), "{wide:#}");
    let id = wide["slurm"]["jobId"].as_str().unwrap().to_owned();
    let nodes = ostler.json(&["cluster", "node", "list", "-c", "c"]);
    assert!(nodes.as_array().unwrap().iter().all(|node| node["jobs"][0] == id.as_str()), "{nodes:#}");
    let queue = ostler.json(&["cluster", "queue", "c"]);
    let there = queue.as_array().unwrap().iter().find(|job| job["id"] == id.as_str()).expect("it is in the queue").clone();
    assert_eq!(
        (&there["state"], &there["nodeCount"], &there["mine"]),
        (&"RUNNING".into(), &2.into(), &true.into()),
        "{there:#}"
    );
    let partitions = ostler.json(&["cluster", "partitions", "c"]);
    assert_eq!(
        (&partitions[0]["name"], &partitions[0]["default"], &partitions[1]["timeLimit"]),
        (&"all".into(), &true.into(), &"5:00".into())
    );
    ostler.ok(&["cluster", "job", "time", "30m", &id, "-c", "c"]);
    assert!(lab.on("h1", &format!("scontrol show job {id}")).contains("TimeLimit=00:30:00"));
    // The service cannot put a job back; scontrol, which is there, can.
    ostler.ok(&["cluster", "job", "requeue", &id, "-c", "c", "-y"]);
    until("it was put back", SOON, || lab.on("h1", &format!("scontrol show job {id}")).contains("Restarts=1").then_some(()));
    ostler.ok(&["cluster", "job", "hold", &id, "-c", "c", "-y"]);
    until("it is held", SOON, || {
        lab.on("h1", &format!("scontrol show job {id}")).contains("Reason=JobHeldUser").then_some(())
    });
    let elsewhere = ostler.run(&["cluster", "job", "cancel", "99999", "-c", "c", "-y"]);
    assert!(elsewhere.code == 1 && elsewhere.err.contains("nvalid job id"), "{elsewhere:?}");
    ostler.ok(&["job", "terminate", "wide", "-y"]);
    assert_eq!(ostler.await_end("wide")["executionInfo"]["errors"][0]["code"], "JobTerminated");

    // The answer to a submission is lost: the job is found by its comment, and there is no second one.
    let ledger = |name: &str| {
        let line = format!("echo $SLURM_JOB_ID >> ~/ledger-{name}; exit 4");
        ostler.ok(&["job", "create", "-c", "c", "-n", name, "--", "sh", "-c", &line]);
    };
    let ran_once = |name: &str| {
        let job = ostler.await_end(name);
        assert_eq!((exit_code(&job), &job["attempt"]), (Some(4), &1.into()), "{name}: {job:#}");
        assert_eq!(lab.on("h1", &format!("wc -l < /home/ci/ledger-{name}")).trim(), "1", "{name} ran once");
    };
    let before = front.submissions.load(Ordering::SeqCst);
    front.loses.store(true, Ordering::SeqCst);
    ledger("lost");
    ran_once("lost");
    assert_eq!(front.submissions.load(Ordering::SeqCst), before + 1, "it was not submitted again");

    // The service goes away and comes back; a token ends and another one is there.
    ostler.ok(&["job", "create", "-c", "c", "-n", "stops", "--", "sleep", "1000"]);
    let stops = until("it runs", SOON, || Some(ostler.job("stops")).filter(|job| job["executionState"] == "running"));
    lab.slurm(&["rest", "stop"]);
    ledger("away");
    ostler.ok(&["job", "terminate", "stops", "-y"]);
    until("it says what is amiss", SOON, || ostler.ok(&["cluster", "show", "c"]).contains("REST service").then_some(()));
    lab.slurm(&["rest", "start"]);
    ran_once("away");
    // What was to be stopped meanwhile is stopped now, and not taken for somebody else's.
    ostler.await_end("stops");
    let id = stops["slurm"]["jobId"].as_str().unwrap();
    assert!(lab.on("h1", &format!("scontrol show job {id}")).contains("JobState=CANCELLED"));
    token(&lab, false);
    lab.slurm(&["rest", "stop"]);
    lab.slurm(&["rest", "start"]);
    ostler.kill_server();
    ledger("ended");
    until("it says so", SOON, || ostler.ok(&["cluster", "show", "c"]).contains("token").then_some(()));
    token(&lab, true);
    ran_once("ended");

    // Through the connection to the login node, and on a socket of one's own there, which needs no token.
    create("tunnel", &by(&format!("http://127.0.0.1:{PORT}")));
    ostler.ok(&["job", "create", "-c", "tunnel", "-n", "far", "--wait", "--", "true"]);
    create("own", &["--rest".to_owned(), format!("unix:{}", lab.dir().join("shared/rest.sock").display())]);
    ostler.ok(&[
        "job",
        "create",
        "-c",
        "own",
        "-n",
        "many",
        "--array",
        "1-5",
        "-q",
        "--",
        "sh",
        "-c",
        "echo $OSTLER_ARRAY_INDEX",
    ]);
    for n in 1..=5 {
        ostler.await_end(&format!("many-{n}"));
        assert_eq!(ostler.ok(&["job", "logs", &format!("many-{n}")]), format!("{n}\n"));
    }
    let arrays = lab.on("h1", "scontrol show job -o | grep JobName=many | grep -o 'ArrayJobId=[0-9]*' | sort -u | wc -l");
    assert_eq!(arrays.trim(), "1", "one array");

    // What the service does not take is said in its words.
    create("odd", &[by(&format!("http://127.0.0.1:{PORT}")), vec!["--sbatch-option=--exclude=h2".to_owned()]].concat());
    ostler.ok(&["job", "create", "-c", "odd", "-n", "odd", "--", "true"]);
    let odd = ostler.await_end("odd");
    let why = odd["executionInfo"]["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(why.contains("cannot be asked for --exclude"), "{odd:#}");
}
