//! The same over real sshd: four test hosts that `tests/lab/nslab up -n 4` has made, named by `OSTLER_BENCH_SSH_CONFIG`.

use ostler::model::spec::{AgentKind, ProviderSpec};

use crate::figures::Board;
use crate::pool;

/// Prints the rows of the ssh pool.
pub fn bench(board: &mut Board) {
    let name = "4 sshd";
    if !board.wants(name) {
        return;
    }
    match std::env::var("OSTLER_BENCH_SSH_CONFIG") {
        Ok(config) => {
            let hosts: Vec<String> = (1..=4).map(|n| format!("h{n}")).collect();
            for agent in [AgentKind::Shell, AgentKind::Native] {
                let hosts = ProviderSpec::Hosts { hosts: hosts.clone() };
                pool::run(board, name, (hosts, agent), 4, Some(config.clone()));
            }
        }
        Err(_) => board.skip(name, "no test hosts; OSTLER_BENCH_SSH_CONFIG=$(tests/lab/nslab up -n 4) cargo bench"),
    }
}
