//! How an attempt leaves its nodes: what their set-up made is undone once everything else of the attempt is proven gone.
//! A node is held until then. One that was rebooted or is gone has nothing to undo; one whose clean-up fails is unusable.

use super::Sched;
use super::verdict::told;
use crate::model::ids::{JobId, NodeId, Rank, RankRole};
use crate::model::state::{Job, NodeState, Proof, RankRun, RankState, Unusable};
use crate::model::units::Millis;

/// The longest that a clean-up may take: unmounting a busy file system is tried for some seconds and then done lazily;
/// more is a dead file server, of which a person has to know.
pub(super) const CLEANUP_LIMIT: Millis = Millis::from_mins(3);

impl Sched {
    /// Says whether an attempt without any other process is cleaning up; begins with it when that was not done yet.
    pub(super) fn cleans_up(&mut self, id: JobId) -> bool {
        let Some(job) = self.jobs.get(&id) else { return false };
        if !job.last.ranks.keys().any(|rank| rank.role == RankRole::Cleanup) {
            let left: Vec<u32> = (0..job.last.nodes.len() as u32).filter(|index| self.left_behind(job, *index)).collect();
            for index in left {
                self.start_rank(id, Rank { role: RankRole::Cleanup, index }, index, None);
            }
        }
        self.jobs.get(&id).is_some_and(|job| job.live_ranks().next().is_some())
    }

    /// Says whether the set-up of a node may have left something there that still is.
    fn left_behind(&self, job: &Job, index: u32) -> bool {
        let Some(run) = job.last.ranks.get(&Rank { role: RankRole::Setup, index }) else { return false };
        let held = self.nodes.get(&run.node).filter(|node| node.holders.contains(&(job.id, job.attempt)));
        let gone = |other: &RankRun| {
            let on_it = other.node == run.node;
            on_it && matches!(&other.state, RankState::Gone(proof) if with_the_machine(proof))
        };
        held.is_some_and(|node| node.boot.as_ref() == Some(&run.boot))
            && matches!(&run.state, RankState::Gone(proof) if has_run(proof))
            && !job.last.ranks.values().any(gone)
    }

    /// Takes in how a clean-up ended: a node that could not be cleaned up is unusable.
    pub(super) fn cleaned_up(&mut self, node: NodeId, proof: &Proof) {
        let message = match proof {
            Proof::Exit { code: 0, .. } | Proof::Rebooted { .. } | Proof::MachineGone | Proof::DeclaredDead { .. } => return,
            Proof::Told { words, .. } => told(words).2,
            Proof::Exit { code, why: None } => format!("the clean-up after a job ended with exit code {code}"),
            Proof::Exit { why: Some(_), .. } => format!("the clean-up after a job did not end within {CLEANUP_LIMIT}"),
            Proof::Fenced => "the clean-up after a job could not be started".to_owned(),
            Proof::Refused { why, .. } => format!("the clean-up after a job could not be started: {why}"),
            Proof::Lost { why } | Proof::Judged { why, .. } => format!("the clean-up after a job was lost: {why}"),
        };
        let leaving = self.nodes.get(&node).is_none_or(|node| node.state == NodeState::Leaving);
        if leaving {
            return;
        }
        if matches!(proof, Proof::Fenced | Proof::Lost { .. }) {
            // Not its own failure: the set-up of the node looks for what is left before it takes another job.
            return self.edit_node(node, |node| node.setup.wanted = true);
        }
        let why = Unusable { code: "CleanupFailed".into(), step: "clean up".into(), message };
        self.edit_node(node, |node| node.setup.fault = Some(why.clone()));
        self.make_unusable(node, why);
    }
}

/// Says whether a process with this proof may have done anything.
fn has_run(proof: &Proof) -> bool {
    match proof {
        Proof::Exit { .. } | Proof::Told { .. } | Proof::Lost { .. } | Proof::Judged { .. } => true,
        Proof::Fenced | Proof::Refused { .. } | Proof::Rebooted { .. } | Proof::MachineGone | Proof::DeclaredDead { .. } => {
            false
        }
    }
}

/// Says whether the machine went with the process.
fn with_the_machine(proof: &Proof) -> bool {
    match proof {
        Proof::Rebooted { .. } | Proof::MachineGone | Proof::DeclaredDead { .. } => true,
        Proof::Exit { .. }
        | Proof::Told { .. }
        | Proof::Lost { .. }
        | Proof::Judged { .. }
        | Proof::Fenced
        | Proof::Refused { .. } => false,
    }
}
