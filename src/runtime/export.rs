//! Sets up what a file server gives to its nodes, on the server's own host, and undoes that: one script by ssh, which runs
//! as whoever signs in and does as root, by `sudo -n`, what needs it. Doing it again is harmless, so an effect that was
//! not answered is performed once more.

use std::time::Duration;

use crate::frameworks::MOUNTS_SH;
use crate::model::fault::Fault;
use crate::model::ids::{ClusterId, EffectId, NodeId};
use crate::model::request::Reply;
use crate::model::spec::AgentKind;
use crate::model::spec::file_server::{Export, FileServerSpec};
use crate::model::state::file_server::{Exported, ServerOutcome, Space};
use crate::model::units::Bytes;
use crate::runtime::engine::Engine;
use crate::runtime::look;
use crate::runtime::way::{Waiting, Way};
use crate::sched::Event;
use crate::store::Store;
use crate::transport::frame::quote;
use crate::transport::{Address, NodeLink};

const EXPORT_SH: &str = include_str!("../../assets/agent/export.sh");
/// How long signing in to a host may take.
const LINK_TIME: Duration = Duration::from_secs(30);
/// How long setting up may take: a file system on a large volume takes minutes.
const TIME_MAX: Duration = Duration::from_secs(600);

/// What is done on the host of a file server.
#[derive(Clone, Debug)]
pub struct ServerWork {
    /// The way there.
    pub link: Box<NodeLink>,
    /// What its shell runs.
    pub command: String,
}

/// What is asked of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Set it up.
    Up,
    /// Undo it.
    Down,
}

/// Returns the work; `None` for a server that nothing is done for.
pub fn work<S: Store>(engine: &Engine<S>, spec: &FileServerSpec, ask: Ask) -> Option<ServerWork> {
    let managed = spec.managed.as_ref()?;
    let host = managed.login.as_deref().or(spec.export.host())?;
    Some(ServerWork { link: Box::new(link_to_host(engine, host)), command: script(spec, ask) })
}

/// Returns the way to a host that is no node.
pub fn link_to_host<S: Store>(engine: &Engine<S>, host: &str) -> NodeLink {
    NodeLink {
        node: NodeId(0),
        cluster: ClusterId(0),
        address: Address::Ssh { host: host.to_owned(), config: engine.around.ssh_config.clone() },
        local_root: None,
        spool: (String::new(), String::new()),
        epoch: engine.epoch,
        agent: AgentKind::Shell,
    }
}

/// Returns the script.
fn script(spec: &FileServerSpec, ask: Ask) -> String {
    let (clients, devices) = match &spec.managed {
        Some(managed) => (managed.clients.join(" "), managed.devices.join(" ")),
        None => (String::new(), String::new()),
    };
    let head = [("EX_PATH", spec.export.path()), ("EX_CLIENTS", &clients), ("EX_DEVICES", &devices)];
    let head: String = head.iter().map(|(name, value)| format!("{name}={}\n", quote(value))).collect();
    let call = match (ask, &spec.export) {
        (Ask::Up, Export::Nfs { .. }) => "up_nfs",
        (Ask::Up, Export::Sshfs { .. } | Export::Dir { .. }) => "up_folder",
        (Ask::Down, _) => "down",
    };
    format!("{head}{MOUNTS_SH}{EXPORT_SH}{call}\n")
}

/// Does it, and says what became of it.
pub async fn perform(work: ServerWork, effect: EffectId) -> Event {
    let way = Waiting(Way::Own(work.link), LINK_TIME);
    let ran = tokio::time::timeout(TIME_MAX, look::exec(way, &work.command)).await;
    let outcome = match ran {
        Err(_) => failed(format!("it did not end within {} s", TIME_MAX.as_secs())),
        Ok(Err(fault)) => failed(words(&fault)),
        Ok(Ok(Reply::Ran { code, stdout, stderr })) => outcome(code, &stdout, &stderr),
        Ok(Ok(other)) => failed(format!("an answer that was not asked for: {other:?}")),
    };
    Event::FileServerAnswered { effect, outcome }
}

fn words(fault: &Fault) -> String {
    let all: Vec<&str> = [fault.message.as_str()].into_iter().chain(fault.causes.iter().map(String::as_str)).collect();
    all.join(": ")
}

fn failed(message: String) -> ServerOutcome {
    ServerOutcome::Failed { message }
}

/// The longest that the host's own words are kept, in characters.
const WORDS_MAX: usize = 500;

/// Reads what the script said.
fn outcome(code: i32, stdout: &[u8], stderr: &[u8]) -> ServerOutcome {
    let out = String::from_utf8_lossy(stdout);
    let last = out.lines().rev().find_map(|line| line.strip_prefix("export "));
    let by = match last {
        Some("kernel") => Exported::Kernel,
        Some("ganesha") => Exported::Ganesha,
        Some("folder") => Exported::Folder,
        Some("found") => Exported::Found,
        Some("gone") if code == 0 => return ServerOutcome::Gone,
        Some(_) | None => {
            let said = String::from_utf8_lossy(stderr);
            let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let said: String = said.join("; ").chars().take(WORDS_MAX).collect();
            return failed(if said.is_empty() { format!("exit code {code}") } else { said });
        }
    };
    if code != 0 {
        return failed(format!("exit code {code}"));
    }
    ServerOutcome::Up { by, space: out.lines().find_map(space) }
}

/// Reads `space TOTAL USED FREE`, in KiB.
fn space(line: &str) -> Option<Space> {
    let mut words = line.strip_prefix("space ")?.split(' ').map(|word| word.parse::<u64>().ok());
    let mut next = || words.next()?.map(|kib| Bytes(kib.saturating_mul(1024)));
    Some(Space { total: next()?, used: next()?, free: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_words_are_read() {
        let space = Some(Space { total: Bytes(2048), used: Bytes(1024), free: Bytes(0) });
        let up = ServerOutcome::Up { by: Exported::Kernel, space };
        assert_eq!(outcome(0, b"noise\nspace 2 x 0\nspace 2 1 0\nexport kernel\n", b""), up);
        assert_eq!(outcome(0, b"export gone\n", b""), ServerOutcome::Gone);
        assert_ne!(outcome(1, b"export kernel\n", b""), up);
        assert_eq!(outcome(1, b"", b" a \n\nb\n"), failed("a; b".to_owned()));
        assert_eq!(outcome(3, b"", b""), failed("exit code 3".to_owned()));
    }
}
