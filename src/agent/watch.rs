//! The watch over time limits, which is the shell's, as an agent or a worker sees it: `arm_watch` and `glance` of `spool.sh`.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::agent::process::{alive, pid_of, signal};
use crate::agent::record::read;
use crate::agent::worker::{Place, uptime};

/// The longest that a watch sleeps, as `spool.sh` has it.
const LOOK_SECONDS_MAX: u64 = 15;

/// Makes sure that there is a watch.
#[derive(Debug)]
pub struct Watch {
    place: Place,
    /// Those that were started and have not ended.
    started: Vec<Child>,
}

impl Watch {
    /// Returns one for a node.
    pub fn new(place: Place) -> Self {
        Self { place, started: Vec::new() }
    }

    /// Makes sure that somebody looks at time `due` (0: soon). Returns the watch that was there.
    ///
    /// # Errors
    /// None could be started.
    pub fn arm(&mut self, due: u64) -> io::Result<(String, String)> {
        let (pid, start, next) = self.there();
        if !alive(&pid, &start) {
            let Place { spool, shell, supervisor, setsid, .. } = &self.place;
            let words = format!("{setsid} {shell}");
            let mut words = words.split_ascii_whitespace();
            let mut command = Command::new(words.next().unwrap_or("/bin/sh"));
            command.args(words).arg(supervisor).args(["watch", &spool.root, &spool.boot, setsid, shell]);
            self.started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
            let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            self.started.push(silent.spawn()?);
        } else if next.is_none_or(|next| next > due || next == 0)
            && let Some(pid) = pid_of(&pid)
        {
            signal(pid, Signal::USR1);
        }
        Ok((pid, start))
    }

    /// As [`Watch::arm`], without looking whether the watch is the process that it was; a ping does that. A watch that is there
    /// finds by itself what is due after its next look; whoever told it of each would have it look all the time.
    ///
    /// # Errors
    /// None could be started.
    pub fn glance(&mut self, due: u64) -> io::Result<()> {
        let (pid, _, next) = self.there();
        let looks = next.is_some_and(|next| next != 0 && next <= due);
        let later = next.is_some() && due > uptime() + 2 * LOOK_SECONDS_MAX;
        if (looks || later) && pid_of(&pid).is_some() && Path::new(&format!("/proc/{pid}")).exists() {
            return Ok(());
        }
        self.arm(due).map(drop)
    }

    fn there(&self) -> (String, String, Option<u64>) {
        let text = read(&self.place.spool.path("run/watch"));
        let mut words = text.lines().next().unwrap_or_default().split_ascii_whitespace();
        let mut next = || words.next().unwrap_or_default().to_owned();
        (next(), next(), next().parse().ok())
    }
}
