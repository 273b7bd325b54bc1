//! A machine of the simulated world with its agent: the spool outlives everything, processes die with the boot, and
//! what is on a link is lost with it. It does what the shell agent does, as the world's truth to check the core against.

use std::collections::{BTreeMap, VecDeque};

use ostler::model::ids::{EffectId, Epoch, NodeId, RankKey};
use ostler::model::spec::Resources;
use ostler::model::state::{BootId, Facts, Proof, StopWhy};
use ostler::model::units::{Bytes, Millis, UnixMillis};
use ostler::transport::Seen;

/// What a process's folder in the spool says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Its process lives under this boot.
    Alive { boot: u64, ends_at: UnixMillis, code: i32, limit_at: UnixMillis },
    /// It has an exit record.
    Exited { code: i32, why: Option<StopWhy> },
    /// Its lock is taken without a process, for good.
    Fenced,
    /// Its process was lost under this boot without a record.
    Dead { boot: u64 },
}

/// A start that was sent ahead.
#[derive(Clone, Debug)]
pub struct Next {
    pub effect: EffectId,
    pub key: RankKey,
    pub boot: String,
    pub limit: Millis,
    pub command: String,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// Counts its boots.
    pub boot: u64,
    /// Whether it is on.
    pub on: bool,
    /// The highest epoch it has heard of.
    pub epoch: Epoch,
    /// The spools of all nodes that it is or was.
    pub spool: BTreeMap<RankKey, Folder>,
    /// In which node's spool a folder lies: each node has its own, also on one machine.
    pub owner: BTreeMap<RankKey, NodeId>,
    /// Proofs that the controller has on its disk; only then may a record go.
    pub acked: std::collections::BTreeSet<RankKey>,
    /// What is to be started there after each process, in order.
    pub lines: BTreeMap<RankKey, VecDeque<Next>>,
    /// The code that came to it, by the node that it is or was.
    pub code: std::collections::BTreeSet<(NodeId, ostler::model::spec::code::Digest)>,
}

impl Host {
    /// Returns a machine that has just booted for the first time.
    pub fn new() -> Self {
        Self {
            boot: 1,
            on: true,
            epoch: Epoch(0),
            spool: BTreeMap::new(),
            owner: BTreeMap::new(),
            acked: std::collections::BTreeSet::new(),
            lines: BTreeMap::new(),
            code: std::collections::BTreeSet::new(),
        }
    }

    /// Returns the boot as the agent says it.
    pub fn boot_id(&self) -> BootId {
        BootId(format!("boot-{}", self.boot))
    }

    /// Returns what the agent says of the machine.
    pub fn facts(&self, name: &str) -> Facts {
        Facts {
            hostname: name.to_owned(),
            address: name.to_owned(),
            root: format!("/spool/{name}"),
            shell: "/bin/sh".into(),
            user: "user".into(),
            capacity: Resources { cpus_milli: 4000, memory: Bytes(8 << 30), gpus_milli: 2000, ..Resources::default() },
            os: "simulated".into(),
            ..Facts::default()
        }
    }

    /// Puts a start behind a process that lives, at the end of its line; gives it back when there is none to wait for.
    pub fn line_up(&mut self, after: RankKey, next: Next) -> Option<Next> {
        let in_line = |line: &VecDeque<Next>| line.iter().any(|other| other.key == after);
        let front = self.lines.iter().find(|(_, line)| in_line(line)).map(|(front, _)| *front);
        let front = front.or_else(|| self.alive().find(|key| *key == after));
        match front {
            Some(front) => self.lines.entry(front).or_default().push_back(next),
            None => return Some(next),
        }
        None
    }

    /// Returns what a node's agent finds in its spool.
    pub fn inventory(&self, node: NodeId) -> BTreeMap<RankKey, Seen> {
        let mine = |key: &RankKey| self.owner.get(key) == Some(&node) && !self.acked.contains(key);
        let here = self.spool.iter().filter(|(key, _)| mine(key));
        here.map(|(key, folder)| (*key, self.seen(folder))).collect()
    }

    fn seen(&self, folder: &Folder) -> Seen {
        match folder {
            Folder::Alive { boot, .. } if *boot == self.boot => Seen::Alive,
            Folder::Alive { .. } | Folder::Dead { .. } => Seen::Gone(self.proof(folder)),
            Folder::Exited { .. } | Folder::Fenced => Seen::Gone(self.proof(folder)),
        }
    }

    /// Returns the proof that a folder holds, for a process that no longer lives.
    pub fn proof(&self, folder: &Folder) -> Proof {
        match folder {
            Folder::Exited { code, why } => Proof::Exit { code: *code, why: *why },
            Folder::Fenced => Proof::Fenced,
            Folder::Dead { boot } | Folder::Alive { boot, .. } if *boot != self.boot => {
                Proof::Rebooted { boot: self.boot_id() }
            }
            Folder::Dead { .. } | Folder::Alive { .. } => Proof::Lost { why: "supervisor killed".into() },
        }
    }

    /// Returns the processes that live now.
    pub fn alive(&self) -> impl Iterator<Item = RankKey> + '_ {
        let live = self
            .spool
            .iter()
            .filter(|(_, folder)| matches!(folder, Folder::Alive { boot, .. } if *boot == self.boot && self.on));
        live.map(|(key, _)| *key)
    }
}
