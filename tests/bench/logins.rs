//! Many real sshd hosts at once: from the order to the last agent that answers, beside plain logins to the same hosts, all at once.

use std::process::{Command, Stdio};
use std::time::Instant;

use ostler::model::request::{Place, Request, Scale};
use ostler::model::spec::ProviderSpec;
use ostler::model::units::NodeCount;

use crate::figures::{Board, millis};
use crate::pool::Core;

/// A round with 64 hosts is some ten seconds of both processors.
const ROUNDS: usize = 5;

/// Prints the rows of logins.
pub fn bench(board: &mut Board) {
    let name = "logins";
    if !board.wants(name) {
        return;
    }
    let Ok(config) = std::env::var("OSTLER_BENCH_SSH_CONFIG") else {
        return board.skip(name, "no test hosts; OSTLER_BENCH_SSH_CONFIG=$(tests/lab/nslab up -n 64) cargo bench");
    };
    let text = std::fs::read_to_string(&config).expect("ssh's configuration");
    let there = text.lines().filter(|line| line.starts_with("Host h")).count();
    let tokio = tokio::runtime::Runtime::new().expect("a tokio runtime");
    for count in [32, 64] {
        let row = format!("{name}: {count} sshd hosts");
        if there < count {
            board.skip(&row, "fewer test hosts");
            continue;
        }
        let hosts: Vec<String> = (1..=count).map(|n| format!("h{n}")).collect();
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            plain.push(logins(&config, &hosts));
            ours.push(tokio.block_on(scaled(&config, &hosts)));
        }
        board.row(&format!("{row}, order to all idle"), "ms", ours);
        board.row(&format!("{row}: limit, plain logins at once"), "ms", plain);
    }
}

/// Signs in to all hosts at once with nothing but ssh.
fn logins(config: &str, hosts: &[String]) -> f64 {
    let start = Instant::now();
    let login = |host: &String| {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", config, "-o", "ControlPath=none", host, "true"]);
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("ssh")
    };
    let all: Vec<_> = hosts.iter().map(login).collect();
    for mut login in all {
        assert!(login.wait().expect("it ends").success(), "a host turned us away");
    }
    millis(start.elapsed())
}

/// Scales a pool of these hosts from nothing to all of them.
async fn scaled(config: &str, hosts: &[String]) -> f64 {
    let provider = ProviderSpec::Hosts { hosts: hosts.to_vec() };
    let core = Core::start(provider, 0, Some(config.to_owned())).await;
    let count = u32::try_from(hosts.len()).expect("few hosts");
    let scale = Scale { cluster: Place::default(), target: NodeCount(count), deallocation: None, seen: None };
    let start = Instant::now();
    core.ask(Request::Scale(scale)).await;
    core.until_idle(count, None).await;
    let took = millis(start.elapsed());
    core.stop().await;
    took
}
