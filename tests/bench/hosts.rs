//! The same over real sshd: test hosts that `tests/lab/nslab up -n 4` has made, named by `OSTLER_BENCH_SSH_CONFIG`. Each has the two
//! CPUs of this machine.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ostler::model::request::Submit;
use ostler::model::spec::{Demand, ProviderSpec, Resources};

use crate::figures::Board;
use crate::pool::{self, Pool};

/// Set where this program is the wire to a host: how many milliseconds a byte takes, each way.
pub const WIRE: &str = "OSTLER_BENCH_WIRE";
/// How long a byte is on a slow wire, each way: a round trip of 20 ms.
const SLOW: u32 = 10;
/// How many jobs a round has on four hosts with a slot each, as the table of aims says.
const JOBS: usize = 1_000;

/// Prints the rows of the ssh pools.
pub fn bench(board: &mut Board) {
    // The wire without a delay says what the wire itself costs: it has the same two cores.
    let rows = [
        ("1 sshd, 2 slots", None),
        ("4 sshd, 1 slot each", None),
        ("4 sshd, 1 slot each, at 0 ms", Some(0)),
        ("4 sshd, 1 slot each, at 20 ms", Some(SLOW)),
    ];
    let wanted: Vec<_> = rows.into_iter().filter(|(name, _)| board.wants(name)).collect();
    if wanted.is_empty() {
        return;
    }
    let Ok(config) = std::env::var("OSTLER_BENCH_SSH_CONFIG") else {
        return board.skip("sshd", "no test hosts; OSTLER_BENCH_SSH_CONFIG=$(tests/lab/nslab up -n 4) cargo bench");
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let program = std::env::current_exe().expect("this program");
    let through_wire = |delay: u32| {
        let path = dir.path().join(format!("ssh_config.{delay}"));
        let text = format!("Host *\n  ProxyCommand env {WIRE}={delay} {} %h %p\nInclude {config}\n", program.display());
        std::fs::write(&path, text).expect("a configuration");
        path.display().to_string()
    };
    let hosts = |count: u32| ProviderSpec::Hosts { hosts: (1..=count).map(|n| format!("h{n}")).collect() };
    let pool = |(name, delay): (&'static str, Option<u32>)| {
        let (nodes, jobs, submit): (u32, usize, fn() -> Submit) =
            if name == rows[0].0 { (1, pool::JOBS, pool::submit) } else { (4, JOBS, both_cpus) };
        let ssh_config = delay.map_or_else(|| config.clone(), through_wire);
        Pool { name, provider: hosts(nodes), nodes, ssh_config: Some(ssh_config), jobs, submit }
    };
    let (one, four): (Vec<_>, Vec<_>) = wanted.into_iter().map(pool).partition(|pool| pool.nodes == 1);
    for pools in [one, four] {
        pool::run(board, &pools, &mut []);
    }
}

/// Asks for both CPUs of a host, so that it is one slot.
fn both_cpus() -> Submit {
    let mut submit = pool::submit();
    submit.spec.demand = Demand::Part(Resources { cpus_milli: 2_000, ..Resources::default() });
    submit
}

/// Is the wire between `ssh` and the host and port that the arguments name.
pub fn wire(delay: u32) {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [host, port] = &args[..] else { panic!("HOST PORT") };
    let there = TcpStream::connect((host.as_str(), port.parse().expect("a port"))).expect("the host answers");
    there.set_nodelay(true).expect("small pieces go at once");
    let back = there.try_clone().expect("its other direction");
    let delay = Duration::from_millis(delay.into());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            carry(delay, std::io::stdin(), &there);
            let _ = there.shutdown(Shutdown::Write);
        });
        carry(delay, back, std::io::stdout());
    });
}

/// Carries what comes, each piece so much later.
fn carry(delay: Duration, mut from: impl Read + Send, mut to: impl Write) {
    let (pieces, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut piece = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                if pieces.send((Instant::now() + delay, piece[..count].to_vec())).is_err() {
                    break;
                }
            }
        });
        for (at, piece) in due {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).and_then(|()| to.flush()).is_err() {
                break;
            }
        }
    });
}
