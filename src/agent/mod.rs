//! Layer 3: the native agent, `ostler agent`: this program on a node, in the place of `assets/agent/agent.sh` and of the
//! workers of `supervisor.sh`. `main.rs` calls it; nothing else of the program does.
//!
//! Decisions (2026-11; what would change them: a test of `tests/agent` that passes with a shell and not with this):
//! - *The same frames, files and promises as the shell's.* A node is led by one today and by the other tomorrow, so each
//!   takes over what the other started. All of `tests/agent` runs on both.
//! - *Only the hot path is native*: taking orders, start lock, record, workers, exits, acknowledgements, a look at
//!   everything. What is rare is the shell's own function: facts, the watch over time limits, killers, emptying a
//!   folder in which something is mounted. One text for what is intricate, and not two that drift apart.
//! - *Nothing forks.* Every process is started with `posix_spawn` by an absolute path, without `pre_exec` (`perf.md`,
//!   trap 1); what follows from that for the record stands in `worker.rs`.
//! - *Threads and blocking reads*, and no runtime: one thread takes orders, one passes on what workers say.

mod direct;
mod lead;
mod pool;
mod prepare;
mod process;
mod record;
mod wake;
mod watch;
mod words;
mod worker;

use std::path::Path;

use crate::agent::lead::Given;
use crate::agent::record::Spool;
use crate::agent::worker::Place;

/// What `ostler agent check` prints where it can run: the bootstrap asks before it hands the channel over.
pub const CHECKED: &str = "ostler-agent 1";

/// Runs as an agent or one of its workers when the program was called as one (`ostler agent ...`); returns the exit code.
/// Before anything else is set up: it has to be light.
pub fn called() -> Option<u8> {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["agent", "check"] => {
            println!("{CHECKED}");
            0
        }
        ["agent", "lead", root, epoch, shell, functions, supervisor, setsid, umask] => {
            let supervisor = format!("{root}/bin/{supervisor}");
            let place = place(root, boot(), [shell, &supervisor, umask, setsid]);
            let functions = format!("{root}/bin/{functions}");
            let epoch = epoch.parse().ok()?;
            u8::try_from(lead::lead(Given { place, epoch, functions })).unwrap_or(1)
        }
        ["agent", "worker", root, boot, shell, supervisor, umask, setsid] => {
            let place = place(root, (*boot).to_owned(), [shell, supervisor, umask, setsid]);
            u8::from(worker::work(place).is_err())
        }
        _ => return None,
    };
    Some(code)
}

fn place(root: &str, boot: String, words: [&str; 4]) -> Place {
    let [shell, supervisor, umask, setsid] = words.map(str::to_owned);
    Place { spool: Spool { root: root.to_owned(), boot }, shell, supervisor, umask, setsid }
}

/// Returns the word that is another after each boot: the time at which the machine came up where the kernel gives no id.
fn boot() -> String {
    let id = record::read(Path::new("/proc/sys/kernel/random/boot_id"));
    if let Some(id) = id.lines().next().filter(|id| !id.is_empty()) {
        return id.to_owned();
    }
    let stat = record::read(Path::new("/proc/stat"));
    stat.lines().find_map(|line| line.strip_prefix("btime ")).map_or_else(String::new, |at| format!("btime-{at}"))
}
