//! The workers of one agent. Each holds the one end of a pipe whose other end only the agent has, so it ends when the
//! agent does, after what it runs.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::agent::process::stat_of;
use crate::agent::worker::Place;
use crate::transport::order;

/// This very program, also when its file was replaced or removed meanwhile.
const SELF: &str = "/proc/self/exe";
/// How many workers without work stay for what comes next; each has some 2 MiB.
const IDLE_MAX: usize = 16;

/// A worker by its number and its start.
pub type Who = (String, String);

#[derive(Debug)]
struct Worker {
    who: Who,
    child: Child,
    orders: ChildStdin,
    /// What it runs.
    key: Option<String>,
}

/// All workers.
#[derive(Debug)]
pub struct Pool {
    place: Place,
    workers: Vec<Worker>,
    /// They are ending, and nobody has taken note of that.
    leaving: Vec<Child>,
}

impl Pool {
    pub fn new(place: Place) -> Self {
        Self { place, workers: Vec::new(), leaving: Vec::new() }
    }

    /// Returns a worker that has nothing to do, and makes one where there is none.
    ///
    /// # Errors
    /// None could be started.
    pub fn pick(&mut self) -> io::Result<Who> {
        self.workers.retain_mut(|worker| matches!(worker.child.try_wait(), Ok(None)));
        self.leaving.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if let Some(idle) = self.workers.iter().find(|worker| worker.key.is_none()) {
            return Ok(idle.who.clone());
        }
        let Place { spool, shell, supervisor, umask } = &self.place;
        let mut command = Command::new(SELF);
        command.arg0("ostler").args(["agent", "worker", &spool.root, &spool.boot, shell, supervisor, umask]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let orders = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let pid = child.id().to_string();
        let start = stat_of(&pid).map_or_else(|| "0".to_owned(), |stat| stat.start);
        let who = (pid, start);
        self.workers.push(Worker { who: who.clone(), child, orders, key: None });
        Ok(who)
    }

    /// Gives a worker a key to run.
    ///
    /// # Errors
    /// It has ended.
    pub fn give(&mut self, who: &Who, key: &str, launch: &str, secrets: &str) -> io::Result<()> {
        let worker = self.workers.iter_mut().find(|worker| worker.who == *who).ok_or(io::ErrorKind::NotFound)?;
        worker.key = Some(key.to_owned());
        worker.orders.write_all(order::command("run", &[key, launch, secrets]).as_bytes())
    }

    /// A worker is through with a key. Of those without work, some stay.
    pub fn free(&mut self, pid: &str, key: &str) {
        let through = |worker: &Worker| worker.who.0 == pid && worker.key.as_deref() == Some(key);
        let Some(at) = self.workers.iter().position(through) else { return };
        self.workers[at].key = None;
        if self.workers.iter().filter(|worker| worker.key.is_none()).count() > IDLE_MAX {
            let Worker { child, orders, .. } = self.workers.swap_remove(at);
            drop(orders);
            self.leaving.push(child);
        }
    }
}
