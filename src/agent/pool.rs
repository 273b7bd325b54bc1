//! The workers of one agent. Each holds the one end of a pipe whose other end only the agent has, so it ends when the
//! agent does, after what it runs and what it was handed.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::agent::process::stat_of;
use crate::agent::worker::Place;

/// This very program, also when its file was replaced or removed meanwhile.
const SELF: &str = "/proc/self/exe";
/// How many workers without work stay for what comes next; each has some 2 MiB.
const IDLE_MAX: usize = 16;
/// How many orders a worker is handed beside what it runs, and how many bytes of them: they lie in its pipe, which takes 64 KiB,
/// and an agent never waits for room in one. A few are enough, since each end makes room for the next.
const HANDED_MAX: (usize, usize) = (4, 32 << 10);

/// A worker by its number and its start.
pub type Who = (String, String);

/// A key that a worker is to run, or runs.
#[derive(Debug)]
struct Item {
    key: String,
    /// The order, until it is handed over; and its bytes.
    order: Option<String>,
    bytes: usize,
}

#[derive(Debug)]
struct Worker {
    who: Who,
    child: Child,
    orders: ChildStdin,
    /// What it runs, and then what it is to run.
    line: VecDeque<Item>,
}

impl Worker {
    fn take(&mut self, key: &str, order: String) {
        self.line.push_back(Item { key: key.to_owned(), bytes: order.len(), order: Some(order) });
    }

    /// Hands over as much of the line as it may hold.
    fn feed(&mut self) -> io::Result<()> {
        let (mut count, mut bytes) = (0, 0);
        for (at, item) in self.line.iter_mut().enumerate() {
            if at > 0 {
                (count, bytes) = (count + 1, bytes + item.bytes);
                if count > HANDED_MAX.0 || bytes > HANDED_MAX.1 {
                    break;
                }
            }
            if let Some(order) = item.order.take() {
                self.orders.write_all(order.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// All workers.
#[derive(Debug)]
pub struct Pool {
    place: Place,
    workers: Vec<Worker>,
    /// They are ending, and nobody has taken note of that.
    leaving: Vec<Child>,
    /// What those were to run that were killed.
    lost: Vec<String>,
}

impl Pool {
    pub fn new(place: Place) -> Self {
        Self { place, workers: Vec::new(), leaving: Vec::new(), lost: Vec::new() }
    }

    /// Returns a worker that has nothing to do, and makes one where there is none.
    ///
    /// # Errors
    /// None could be started.
    pub fn pick(&mut self) -> io::Result<Who> {
        self.look();
        if let Some(idle) = self.workers.iter().find(|worker| worker.line.is_empty()) {
            return Ok(idle.who.clone());
        }
        let Place { spool, shell, supervisor, umask, setsid } = &self.place;
        let mut command = Command::new(SELF);
        command.arg0("ostler").args(["agent", "worker", &spool.root, &spool.boot, shell, supervisor, umask, setsid]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let orders = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let pid = child.id().to_string();
        let start = stat_of(&pid).map_or_else(|| "0".to_owned(), |stat| stat.start);
        let who = (pid, start);
        self.workers.push(Worker { who: who.clone(), child, orders, line: VecDeque::new() });
        Ok(who)
    }

    fn look(&mut self) {
        self.leaving.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        for at in (0..self.workers.len()).rev() {
            if !matches!(self.workers[at].child.try_wait(), Ok(None)) {
                let worker = self.workers.swap_remove(at);
                self.lost.extend(worker.line.into_iter().map(|item| item.key));
            }
        }
    }

    /// Returns what was to be run by workers that have ended; each key once.
    pub fn lost(&mut self) -> Vec<String> {
        self.look();
        std::mem::take(&mut self.lost)
    }

    /// Gives a worker that has nothing to do a key to run, by this order.
    ///
    /// # Errors
    /// It has ended.
    pub fn give(&mut self, who: &Who, key: &str, order: String) -> io::Result<()> {
        let worker = self.workers.iter_mut().find(|worker| worker.who == *who).ok_or(io::ErrorKind::NotFound)?;
        worker.take(key, order);
        worker.feed()
    }

    /// Puts a key into the line of the worker that has another one, to be run after all that it has; says whether there is one.
    pub fn follow(&mut self, after: &str, key: &str, order: String) -> bool {
        let has = |worker: &&mut Worker| worker.line.iter().any(|item| item.key == after);
        let Some(worker) = self.workers.iter_mut().find(has) else { return false };
        worker.take(key, order);
        // One that was killed a moment ago is found so at the next look.
        let _ = worker.feed();
        true
    }

    /// A worker is through with a key. Of those without work, some stay.
    pub fn free(&mut self, pid: &str, key: &str) {
        let Some(at) = self.workers.iter().position(|worker| worker.who.0 == pid) else { return };
        let worker = &mut self.workers[at];
        if worker.line.front().is_none_or(|item| item.key != key) {
            return;
        }
        worker.line.pop_front();
        let _ = worker.feed();
        let idle = |worker: &Worker| worker.line.is_empty();
        if idle(worker) && self.workers.iter().filter(|worker| idle(worker)).count() > IDLE_MAX {
            let Worker { child, orders, .. } = self.workers.swap_remove(at);
            drop(orders);
            self.leaving.push(child);
        }
    }
}
