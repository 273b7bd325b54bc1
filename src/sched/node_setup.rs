//! What is done on a node before it takes jobs: what a former job left mounted is undone, the cluster's mounts are made, its
//! set-up task is run. It is one process of the node, under a supervisor like any other, with a key of its own: job 0,
//! the number of the run as attempt, the node as index. It runs when a node joins, after each of its reboots, and when a
//! person asks for it. When it fails the node is unusable, and stays so until it is asked for again or rebooted; when it is
//! lost it is begun again by itself, some times. A node that is given back gets a process of the same kind that undoes
//! its mounts, while it is in sight: what cannot be undone is found by the next set-up of that machine.

use super::Sched;
use super::attempt::Source;
use super::cleanup::CLEANUP_LIMIT;
use super::effect::Act;
use super::verdict::told;
use crate::model::ids::{Attempt, EffectId, JobId, NodeId, Rank, RankKey, RankRole};
use crate::model::state::{Node, NodeState, Proof, RankRun, RankState, Reach, StopWhy, Unusable};
use crate::model::units::Millis;

/// The job of the keys of nodes' own processes; no job has this number.
pub const NO_JOB: JobId = JobId(0);
/// The longest that the set-up of a node may take: drivers and packages take minutes; what takes longer hangs.
const SETUP_LIMIT: Millis = Millis::from_mins(60);

/// How often in a row the set-up of a node is begun again after its process was lost (somebody killed it, the spool was
/// full): as often as the service started a task again.
const LOST_MAX: u32 = 3;

fn key_of(node: NodeId, run: Attempt) -> RankKey {
    RankKey { job: NO_JOB, attempt: run, rank: Rank { role: RankRole::Setup, index: node.0 as u32 } }
}

impl Sched {
    /// Returns the process that sets a node up, by its key, while it is not proven gone.
    pub(super) fn live_setup(&self, key: RankKey) -> Option<&RankRun> {
        let node = self.nodes.get(&NodeId(u64::from(key.rank.index)))?;
        if key.rank.role != RankRole::Setup || node.setup.runs != key.attempt {
            return None;
        }
        node.setup.process.as_ref().filter(|run| !matches!(run.state, RankState::Gone(_)))
    }

    /// Returns the key of the process that sets this node up, while it is not proven gone.
    pub(super) fn setup_on(&self, id: NodeId) -> Option<RankKey> {
        let key = key_of(id, self.nodes.get(&id)?.setup.runs);
        self.live_setup(key).map(|_| key)
    }

    fn needs_set_up(&self, node: &Node) -> bool {
        let has = self.clusters.get(&node.cluster).is_some_and(|cluster| cluster.spec.node_setup.is_some());
        let due = node.setup.wanted || (has && node.setup.done != node.boot);
        due && node.setup.fault.is_none() && node.boot.is_some() && node.reach == Reach::Seen
    }

    /// Starts the set-up of a node that nothing holds, when it is due, and says in its state how far it is.
    pub(super) fn set_up_if_due(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let free = match node.state {
            NodeState::Idle | NodeState::Preparing | NodeState::Unusable(_) => !node.is_held(),
            NodeState::Allocating | NodeState::Running | NodeState::Leaving => false,
        };
        if !free || node.effect.is_some() || !matches!(node.reach, Reach::Seen) {
            return;
        }
        if let Some(why) = node.setup.fault.clone() {
            return self.make_unusable(id, why);
        }
        if self.setup_on(id).is_none() && self.needs_set_up(node) {
            return self.start_set_up(id);
        }
        let state = if self.setup_on(id).is_some() { NodeState::Preparing } else { NodeState::Idle };
        if self.nodes.get(&id).is_some_and(|node| node.state != state) {
            self.edit_node(id, |node| node.state = state);
        }
    }

    fn start_set_up(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (run, boot) = (node.setup.runs.next(), node.boot.clone().unwrap_or_default());
        let key = key_of(id, run);
        let effect = self.issue(Act::StartRank { node: id, boot: boot.clone(), key, limit: SETUP_LIMIT, after: None });
        self.edit_node(id, |node| {
            node.state = NodeState::Preparing;
            node.setup.undoing = false;
            node.setup.runs = run;
            node.setup.process =
                Some(RankRun { node: id, boot, state: RankState::Starting { effect }, daemon: None, stuck: None });
        });
    }

    /// Says whether the set-up of a node that is given back has left mounts there that can be undone now.
    pub(super) fn has_to_undo(&self, node: &Node) -> bool {
        let mounts = self.clusters.get(&node.cluster).is_some_and(|cluster| !cluster.spec.mounts().is_empty());
        let begun = node.setup.process.as_ref().is_some_and(|run| node.boot.as_ref() == Some(&run.boot));
        mounts && begun && !node.setup.undoing && node.reach == Reach::Seen
    }

    /// Undoes the mounts of a node that is given back.
    pub(super) fn undo_set_up(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (run, boot) = (node.setup.runs.next(), node.boot.clone().unwrap_or_default());
        let start = Act::StartRank { node: id, boot: boot.clone(), key: key_of(id, run), limit: CLEANUP_LIMIT, after: None };
        let effect = self.issue(start);
        self.edit_node(id, |node| {
            node.setup.undoing = true;
            node.setup.done = None;
            node.setup.runs = run;
            node.setup.process =
                Some(RankRun { node: id, boot, state: RankState::Starting { effect }, daemon: None, stuck: None });
        });
    }

    /// Asks for the set-up of a node once more, by a person's wish.
    pub(super) fn want_set_up(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let has = self.clusters.get(&node.cluster).is_some_and(|cluster| cluster.spec.node_setup.is_some());
        let wanted = has || node.setup.fault.is_some() || node.setup.wanted;
        self.edit_node(id, |node| {
            node.setup.fault = None;
            node.setup.wanted = wanted;
        });
        if wanted {
            self.recall_on(id);
        }
    }

    /// Orders the end of a node's set-up.
    pub(super) fn stop_set_up(&mut self, id: NodeId) {
        let Some(key) = self.setup_on(id) else { return };
        let Some(run) = self.live_setup(key) else { return };
        let state = run.state.clone();
        match state {
            RankState::Stopping { .. } | RankState::Gone(_) => return,
            RankState::Starting { effect } => drop(self.close(effect)),
            RankState::Running => {}
        }
        let (why, grace) = (StopWhy::Scale, self.settings.kill_grace);
        let effect = self.issue(Act::StopRank { node: id, key, why, grace });
        self.edit_setup(id, RankState::Stopping { effect, why });
    }

    fn edit_setup(&mut self, id: NodeId, state: RankState) {
        self.edit_node(id, |node| {
            if let Some(run) = &mut node.setup.process {
                run.state = state;
            }
        });
    }

    /// Records that a node's set-up lives.
    pub(super) fn set_up_runs(&mut self, key: RankKey, effect: EffectId) {
        self.close(effect);
        self.edit_setup(NodeId(u64::from(key.rank.index)), RankState::Running);
    }

    /// Records that a node's set-up is proven gone: the node is ready, or unusable, or is set up anew after its boot.
    pub(super) fn set_up_gone(&mut self, key: RankKey, proof: &Proof, source: Source) {
        let Some(run) = self.live_setup(key) else { return };
        let (id, boot, state) = (run.node, run.boot.clone(), run.state.clone());
        let stopped = matches!(state, RankState::Stopping { .. });
        match state {
            RankState::Starting { effect } | RankState::Stopping { effect, .. } => drop(self.close(effect)),
            RankState::Running | RankState::Gone(_) => {}
        }
        self.edit_setup(id, RankState::Gone(proof.clone()));
        if source == Source::Node {
            self.acknowledge(id, key);
        }
        let undoing = self.nodes.get(&id).is_some_and(|node| node.setup.undoing);
        match set_up_fault(proof) {
            // However it went, the node is given back.
            _ if undoing => {}
            Outcome::Well => self.edit_node(id, |node| {
                node.setup.done = Some(boot);
                node.setup.wanted = false;
                node.setup.lost = 0;
            }),
            Outcome::Lost(_) if self.nodes.get(&id).is_some_and(|node| node.setup.lost < LOST_MAX) => {
                self.edit_node(id, |node| node.setup.lost += 1);
            }
            Outcome::Lost(why) => self.edit_node(id, |node| {
                node.setup.fault = Some(why);
                node.setup.lost = 0;
            }),
            Outcome::Failed(why) if !stopped => self.edit_node(id, |node| node.setup.fault = Some(why)),
            Outcome::Failed(_) | Outcome::GoneWithTheMachine => {}
        }
        self.set_up_if_due(id);
        self.release_if_free(id);
        if let Some(cluster) = self.nodes.get(&id).map(|node| node.cluster) {
            self.disturb(cluster);
        }
    }
}

enum Outcome {
    Well,
    Failed(Unusable),
    Lost(Unusable),
    GoneWithTheMachine,
}

fn set_up_fault(proof: &Proof) -> Outcome {
    let why = |message: String| Unusable { code: "SetupFailed".into(), step: "set up".into(), message };
    let failed = |message: String| Outcome::Failed(why(message));
    match proof {
        Proof::Exit { code: 0, why: None } => Outcome::Well,
        Proof::Told { words, .. } => {
            let (code, _, message) = told(words);
            let step = if code.ends_with("MountError") { "mount" } else { "set up" };
            Outcome::Failed(Unusable { code, step: step.into(), message })
        }
        Proof::Exit { code, why: None } => failed(format!("the set-up of the node ended with exit code {code}")),
        Proof::Exit { why: Some(StopWhy::Limit), .. } => {
            failed(format!("the set-up of the node did not end within {SETUP_LIMIT}"))
        }
        Proof::Exit { why: Some(_), .. } => failed("the set-up of the node was stopped".to_owned()),
        Proof::Fenced => failed("the set-up of the node could not be started".to_owned()),
        Proof::Refused { why, .. } => failed(format!("the set-up of the node could not be started: {why}")),
        Proof::Lost { why: words } | Proof::Judged { why: words, .. } => {
            Outcome::Lost(why(format!("the set-up of the node was lost: {words}")))
        }
        Proof::Rebooted { .. } | Proof::MachineGone | Proof::DeclaredDead { .. } => Outcome::GoneWithTheMachine,
    }
}
