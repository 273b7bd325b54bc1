//! Daemons that a launcher (mpirun and its kin) asks for on other nodes of its attempt: a rank like any other, and an
//! answer to the launcher at each change.

use super::Sched;
use super::effect::{Act, DaemonAnswer};
use crate::model::ids::{NodeId, Rank, RankKey, RankRole};
use crate::model::state::{Daemon, ExecutionState, Proof, RankRun, RankState};

/// The most daemons of one attempt: a launcher asks once a node, and again for each of its runs; more is a loop.
pub const DAEMONS_MAX: usize = 10_000;
/// What ssh would say when it could not start the command.
const NOT_STARTED: i32 = 255;

impl Sched {
    pub(super) fn on_daemon_asked(&mut self, by: RankKey, request: u32, node_index: u32, command: String) {
        if self.live_rank(by).is_none() {
            return self.ignore();
        }
        let Some(job) = self.jobs.get(&by.job) else { return };
        let daemons = || job.last.ranks.iter().filter(|(rank, _)| rank.role == RankRole::Daemon);
        let asked = |daemon: &Daemon| daemon.asked_by == by.rank && daemon.request == request;
        if let Some((rank, run)) = daemons().find(|(_, run)| run.daemon.as_ref().is_some_and(asked)) {
            let (rank, state) = (*rank, run.state.clone());
            return self.answer_again(by, request, rank, &state);
        }
        let going = job.state == ExecutionState::Running && job.last.after_stop.is_none();
        let count = daemons().count();
        let node = job.last.nodes.get(node_index as usize).filter(|node| self.nodes.contains_key(node));
        if !going || node.is_none() || count >= DAEMONS_MAX {
            return self.answer(by, request, DaemonAnswer::Ended { code: NOT_STARTED });
        }
        let rank = Rank { role: RankRole::Daemon, index: count as u32 };
        self.start_rank(by.job, rank, node_index, Some(Daemon { asked_by: by.rank, request, command }));
    }

    fn answer_again(&mut self, by: RankKey, request: u32, rank: Rank, state: &RankState) {
        match state {
            RankState::Starting { .. } => {}
            RankState::Running | RankState::Stopping { .. } => {
                self.answer(by, request, DaemonAnswer::Started { rank });
            }
            RankState::Gone(proof) => self.answer(by, request, DaemonAnswer::Ended { code: code_of(proof) }),
        }
    }

    /// Answers the launcher while it lives, unless this very answer is on its way.
    fn answer(&mut self, by: RankKey, request: u32, answer: DaemonAnswer) {
        let Some(node) = self.live_rank(by).map(|run| run.node) else { return };
        let act = Act::AnswerDaemon { node, by, request, answer };
        let on_its_way = self.outbox.of_node(node).into_iter().any(|id| self.outbox.get(id) == Some(&act));
        if !on_its_way {
            self.issue(act);
        }
    }

    fn asked_by(&self, key: RankKey) -> Option<(RankKey, u32)> {
        let run: &RankRun = self.jobs.get(&key.job)?.last.ranks.get(&key.rank)?;
        let daemon = run.daemon.as_ref()?;
        Some((RankKey { rank: daemon.asked_by, ..key }, daemon.request))
    }

    /// Tells the launcher that its daemon runs, when this process is one.
    pub(super) fn daemon_started(&mut self, key: RankKey) {
        if let Some((by, request)) = self.asked_by(key) {
            self.answer(by, request, DaemonAnswer::Started { rank: key.rank });
        }
    }

    /// Forgets what was still to be told to a launcher that is gone.
    pub(super) fn launcher_gone(&mut self, key: RankKey, node: NodeId) {
        for id in self.outbox.of_node(node) {
            if matches!(self.outbox.get(id), Some(Act::AnswerDaemon { by, .. }) if *by == key) {
                self.close(id);
            }
        }
    }

    /// Tells the launcher that its daemon has ended, when this process was one.
    pub(super) fn daemon_ended(&mut self, key: RankKey, proof: &Proof) {
        if let Some((by, request)) = self.asked_by(key) {
            self.answer(by, request, DaemonAnswer::Ended { code: code_of(proof) });
        }
    }
}

fn code_of(proof: &Proof) -> i32 {
    match proof {
        Proof::Exit { code, .. } | Proof::Told { code, .. } => *code,
        Proof::Fenced
        | Proof::Refused { .. }
        | Proof::Rebooted { .. }
        | Proof::Lost { .. }
        | Proof::Judged { .. }
        | Proof::MachineGone
        | Proof::DeclaredDead { .. } => NOT_STARTED,
    }
}
