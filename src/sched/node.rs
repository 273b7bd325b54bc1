//! The life of a node: got, prepared, seen, lost, drained, declared dead, released.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sched;
use super::attempt::Source;
use super::effect::Act;
use super::event::Sighting;
use super::timers::release_failed;
use crate::model::cost::Meter;
use crate::model::guard::guard;
use crate::model::ids::{ClusterId, EffectId, NodeId, RankKey};
use crate::model::node_class;
use crate::model::state::{BootId, Facts, Node, NodeState, Proof, RankState, Reach, StopWhy, Unusable};
use crate::model::units::{Millis, Money, UnixMillis};

/// The code of a machine that the provider gave although it is another node's already.
const HOST_IN_USE: &str = "HostInUse";

impl Sched {
    pub(super) fn on_acquired(&mut self, effect: EffectId, got: Got) {
        let Some(Act::AcquireNode { node: id, .. }) = self.outbox.get(effect) else { return self.ignore() };
        let id = *id;
        let hands_over = |node: &Node| self.clusters.get(&node.cluster).is_some_and(|cluster| cluster.spec.hands_over());
        let door = self.nodes.get(&id).is_some_and(|node| hands_over(node));
        let taken = |node: &&Arc<Node>| node.id != id && !(door && hands_over(node));
        let mut same_host = self.hosts.get(&got.host).into_iter().flatten().filter_map(|id| self.nodes.get(id));
        if let Some(other) = same_host.find(taken).filter(|_| guard("node.host-not-taken")) {
            let message = format!("the provider gave {}, which node {} of ours is", got.host, other.id);
            let same = !got.machine.is_empty() && other.machine == got.machine;
            return match same {
                true => self.on_tag_taken(effect, id, message),
                false => self.on_acquire_failed(effect, HOST_IN_USE.to_owned(), message),
            };
        }
        self.close(effect);
        let now = self.turn.now;
        let cluster = self.nodes.get(&id).and_then(|node| self.clusters.get(&node.cluster));
        let price = got.price.unwrap_or_else(|| cluster.map(|cluster| self.price(cluster)).unwrap_or_default());
        let lifetime = cluster.and_then(|cluster| cluster.spec.pool.max_node_lifetime);
        self.key_host(id, Some(&got.host));
        self.edit_node(id, |node| {
            node.name = got.name;
            node.host = got.host;
            node.machine = got.machine;
            node.awaited = None;
            node.price = price;
            node.meter = Meter { at: now, since: now, ..Meter::default() };
            node.expires = lifetime.map(|lifetime| now + lifetime);
            node.effect = None;
            node.tries = 0;
        });
        if self.nodes.get(&id).is_some_and(|node| node.state == NodeState::Allocating) {
            let effect = self.issue(Act::PrepareNode { node: id });
            self.edit_node(id, |node| {
                node.state = NodeState::Preparing;
                node.effect = Some(effect);
            });
        } else {
            self.release_if_free(id);
        }
    }

    /// The provider's machine for this node's tag is another node's, and so it would be each time: it is asked under another tag.
    fn on_tag_taken(&mut self, effect: EffectId, id: NodeId, message: String) {
        let again =
            |node: &&Arc<Node>| node.state == NodeState::Allocating && node.tries < self.settings.prepare_retries_max;
        let Some(node) = self.nodes.get(&id).filter(again) else {
            return self.on_acquire_failed(effect, HOST_IN_USE.to_owned(), message);
        };
        let (cluster, tries) = (node.cluster, node.tries + 1);
        self.close(effect);
        self.drop_node(id);
        self.new_node(cluster, tries);
    }

    pub(super) fn on_acquire_failed(&mut self, effect: EffectId, code: String, message: String) {
        let Some(Act::AcquireNode { node: id, .. }) = self.outbox.get(effect) else { return self.ignore() };
        let id = *id;
        self.close(effect);
        let Some(node) = self.nodes.get(&id) else { return };
        let (cluster, tries, now) = (node.cluster, node.tries + 1, self.turn.now);
        if node.state == NodeState::Leaving && guard("node.leaves-when-not-got") {
            self.drop_node(id);
        } else if tries > self.settings.prepare_retries_max {
            self.drop_node(id);
            self.give_up(cluster, code, message);
        } else {
            self.edit_node(id, |node| {
                node.effect = None;
                node.tries = tries;
                node.since = now;
            });
        }
    }

    /// Only said: how long it may take is its provider's matter.
    pub(super) fn on_awaited(&mut self, id: NodeId, why: Option<String>) {
        let waits = |node: &&Arc<Node>| node.state == NodeState::Allocating && node.awaited != why;
        if self.nodes.get(&id).filter(waits).is_none() {
            return self.ignore();
        }
        self.edit_node(id, |node| node.awaited = why);
    }

    /// Only said: what is done before it ends follows from the notice.
    pub(super) fn on_ends(&mut self, id: NodeId, ends: Option<UnixMillis>) {
        let lent = |node: &&Arc<Node>| !node.host.is_empty() && node.state != NodeState::Leaving && node.ends != ends;
        if self.nodes.get(&id).filter(lent).is_none() {
            return self.ignore();
        }
        self.edit_node(id, |node| node.ends = ends);
    }

    /// Asks for a node again after its back-off.
    pub(super) fn acquire_again(&mut self, id: NodeId) {
        let Some(cluster) = self.nodes.get(&id).map(|node| node.cluster) else { return };
        if !self.fits_budgets(cluster) {
            self.drop_node(id);
            return self.disturb(cluster);
        }
        let effect = self.issue(Act::AcquireNode { cluster, node: id });
        self.edit_node(id, |node| node.effect = Some(effect));
    }

    pub(super) fn on_up(
        &mut self,
        id: NodeId,
        effect: Option<EffectId>,
        boot: BootId,
        facts: Facts,
        inventory: BTreeMap<RankKey, Sighting>,
    ) {
        let Some(node) = self.nodes.get(&id).filter(|node| !node.host.is_empty()) else { return self.ignore() };
        let preparing = node.effect.filter(|effect| matches!(self.outbox.get(*effect), Some(Act::PrepareNode { .. })));
        // An answer that was given before says nothing new while the node is in sight, and its inventory is old.
        if effect.is_some() && effect != preparing && node.reach == Reach::Seen {
            return self.ignore();
        }
        let rebooted = node.boot.as_ref().is_some_and(|before| *before != boot);
        let mismatch = self.difference(node.cluster, &facts);
        let counts = self.clusters.get(&node.cluster).map(|cluster| cluster.spec.machines.node_resources.clone());
        let mut facts = facts;
        facts.capacity.other.extend(counts.into_iter().flatten());
        node.observed.complete(&mut facts);
        if let Some(effect) = preparing {
            self.close(effect);
        }
        self.edit_node(id, |node| {
            node.mismatch = mismatch;
            node.reach = Reach::Seen;
            node.boot = Some(boot.clone());
            node.facts = Some(facts);
            if preparing.is_some() {
                node.effect = None;
            }
            if rebooted {
                // What failed or was left behind went with the boot.
                node.setup.fault = None;
                node.setup.wanted = false;
            }
            if node.state != NodeState::Leaving || !guard("node.leaves-though-seen") {
                node.state = if node.is_held() { NodeState::Running } else { NodeState::Idle };
            }
        });
        if let Some(cluster) = self.nodes.get(&id).map(|node| node.cluster) {
            self.forget_failures(cluster);
        }
        self.disturb_of(id);
        self.take_inventory(id, &boot, rebooted, inventory);
        self.set_up_if_due(id);
    }

    /// Returns how a node differs from the class of its cluster, where that has one.
    fn difference(&self, cluster: ClusterId, facts: &Facts) -> Option<String> {
        let size = self.clusters.get(&cluster)?.spec.vm_size.as_ref()?;
        let (name, class) = node_class::find(&self.settings.node_classes, size)?;
        class.difference(facts).map(|difference| format!("is no `{name}`: {difference}"))
    }

    fn disturb_of(&mut self, id: NodeId) {
        if let Some(cluster) = self.nodes.get(&id).map(|node| node.cluster) {
            self.disturb(cluster);
        }
    }

    pub(super) fn on_down(&mut self, id: NodeId, why: Unusable, retry_in: Option<Millis>) {
        let Some(node) = self.nodes.get(&id).filter(|node| !node.host.is_empty()) else { return self.ignore() };
        let now = self.turn.now;
        let since = match &node.reach {
            Reach::Lost { since, .. } => *since,
            Reach::Never | Reach::Seen => now,
        };
        let next_try = retry_in.map(|wait| now + wait);
        let reach = Reach::Lost { since, why: why.message.clone(), next_try };
        let at_once = match &node.state {
            NodeState::Preparing | NodeState::Unusable(_) => true,
            NodeState::Idle | NodeState::Running => retry_in.is_none(),
            NodeState::Allocating | NodeState::Leaving => false,
        };
        if node.reach != reach {
            self.edit_node(id, |node| node.reach = reach);
        }
        if at_once {
            self.make_unusable(id, why);
        }
    }

    /// At a start of the core no node is in sight, and each is looked for.
    pub(super) fn lose_sight(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id).filter(|node| !node.host.is_empty()) else { return };
        let now = self.turn.now;
        if node.reach == Reach::Seen {
            let why = "not reached yet since ostler was started".to_owned();
            self.edit_node(id, |node| node.reach = Reach::Lost { since: now, why, next_try: None });
        }
        if self.nodes.get(&id).is_some_and(|node| node.effect.is_none() && !release_failed(node)) {
            let effect = self.issue(Act::PrepareNode { node: id });
            self.edit_node(id, |node| node.effect = Some(effect));
        }
    }

    pub(super) fn on_prepare(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return self.ignore() };
        match node.state {
            NodeState::Allocating | NodeState::Leaving => return self.ignore(),
            NodeState::Preparing | NodeState::Idle | NodeState::Running | NodeState::Unusable(_) => {}
        }
        if let Some(effect) = node.effect {
            self.close(effect);
        }
        self.want_set_up(id);
        let effect = self.issue(Act::PrepareNode { node: id });
        self.edit_node(id, |node| {
            node.effect = Some(effect);
            if node.state != NodeState::Running {
                node.state = NodeState::Preparing;
            }
        });
    }

    /// Gives a node back that nothing has; the target stays, so another one comes.
    pub(super) fn on_replace(&mut self, id: NodeId) {
        let free = self.nodes.get(&id).filter(|node| !node.is_held() && node.state != NodeState::Leaving);
        let Some(cluster) = free.map(|node| node.cluster) else { return self.ignore() };
        self.send_away(id);
        self.try_cluster_again(cluster);
    }

    pub(super) fn on_drain(&mut self, id: NodeId, drained: bool) {
        if self.nodes.get(&id).is_none_or(|node| node.drained == drained) {
            return self.ignore();
        }
        self.edit_node(id, |node| node.drained = drained);
        if drained {
            self.recall_on(id);
        }
        self.disturb_of(id);
    }

    pub(super) fn on_declared_dead(&mut self, id: NodeId, by: String) {
        let Some(node) = self.nodes.get(&id).filter(|node| may_be_dead(node)) else { return self.ignore() };
        if node.state == NodeState::Leaving && !node.is_held() {
            if node.tries > 0 {
                // Its provider does not take it back, and a person says that there is nothing to take.
                self.drop_node(id);
                return self.try_capacity_again();
            }
            return self.ignore();
        }
        self.bury(id, &Proof::DeclaredDead { by });
        for effect in self.outbox.of_node(id).into_iter().filter(|_| guard("node.dead-gets-no-orders")) {
            self.close(effect);
        }
        self.edit_node(id, |node| {
            node.state = NodeState::Leaving;
            node.effect = None;
            node.boot = None;
        });
        self.release_if_free(id);
    }

    pub(super) fn on_gone(&mut self, id: NodeId) {
        if !self.nodes.get(&id).is_some_and(|node| may_be_dead(node)) {
            return self.ignore();
        }
        self.bury(id, &Proof::MachineGone);
        let cluster = self.nodes.get(&id).map(|node| node.cluster);
        self.drop_node(id);
        if let Some(cluster) = cluster {
            self.edit_cluster(cluster, |cluster| cluster.lost = cluster.lost.saturating_add(1));
            self.disturb(cluster);
        }
    }

    /// Gives all processes on a node their proof, and takes the node from its attempt, which cannot go on.
    fn bury(&mut self, id: NodeId, proof: &Proof) {
        if let Some(key) = self.setup_on(id) {
            self.set_up_gone(key, proof, Source::Concluded);
        }
        let holders = self.nodes.get(&id).map(|node| node.holders.clone()).unwrap_or_default();
        let keys = self.ranks_on(id);
        // First, so that nothing more is started on it.
        self.edit_node(id, |node| node.holders.clear());
        for key in keys {
            self.rank_gone(key, proof.clone(), Source::Concluded);
        }
        for (job, _) in holders {
            let message = format!("Node {} is gone", self.node_name(id));
            self.lose_attempt(job, "AttemptLost", message, StopWhy::Sibling);
        }
    }

    /// Returns the processes that are believed on a node.
    pub(super) fn ranks_on(&self, id: NodeId) -> Vec<RankKey> {
        let own = self.setup_on(id);
        own.into_iter().chain(self.job_ranks_on(id)).collect()
    }

    fn job_ranks_on(&self, id: NodeId) -> Vec<RankKey> {
        let holders = self.nodes.get(&id).into_iter().flat_map(|node| &node.holders);
        let rows = holders.filter_map(|(job, attempt)| self.jobs.get(job).filter(|row| row.attempt == *attempt));
        let here = rows.flat_map(|row| {
            let live = row.live_ranks().filter(|(_, run)| run.node == id);
            live.map(|(rank, _)| RankKey { job: row.id, attempt: row.attempt, rank: *rank })
        });
        here.collect()
    }

    /// Orders the release of a leaving node once nothing holds it: first its logs are copied, when it was ever up and is
    /// not declared dead, since then nobody could.
    pub(super) fn release_if_free(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        if node.state != NodeState::Leaving || (node.is_held() && guard("node.held-stays")) || node.host.is_empty() {
            return;
        }
        if self.setup_on(id).is_some() {
            // One that undoes has a time limit of its own.
            if !node.setup.undoing {
                self.stop_set_up(id);
            }
            return;
        }
        if self.has_to_undo(node) {
            return self.undo_set_up(id);
        }
        if node.tries > 0 && node.effect.is_none() {
            // Its release failed, and is tried again at its time.
            return;
        }
        let was_up = node.boot.is_some();
        match node.effect.and_then(|effect| Some((effect, self.outbox.get(effect)?))) {
            Some((_, Act::KeepLogs { .. } | Act::ReleaseNode { .. })) => return,
            Some((effect, _)) => drop(self.close(effect)),
            None => {}
        }
        let act = if was_up { Act::KeepLogs { node: id } } else { Act::ReleaseNode { node: id } };
        let effect = self.issue(act);
        self.edit_node(id, |node| node.effect = Some(effect));
    }

    /// What could be copied of a leaving node's logs is copied: now it is given back.
    pub(super) fn on_logs_kept(&mut self, effect: EffectId) {
        let Some(Act::KeepLogs { node }) = self.outbox.get(effect) else { return self.ignore() };
        let id = *node;
        self.close(effect);
        let effect = self.issue(Act::ReleaseNode { node: id });
        self.edit_node(id, |node| node.effect = Some(effect));
    }

    /// The machine is still there: it is given back again after a pause, and what the provider says is listed.
    pub(super) fn on_release_failed(&mut self, effect: EffectId, code: String, message: String) {
        let Some(Act::ReleaseNode { node }) = self.outbox.get(effect) else { return self.ignore() };
        let (id, now) = (*node, self.turn.now);
        self.close(effect);
        self.edit_node(id, |node| {
            node.effect = None;
            node.tries = node.tries.saturating_add(1);
            node.since = now;
        });
        let Some(cluster) = self.nodes.get(&id).map(|node| node.cluster) else { return };
        self.blame(cluster, id, &Unusable { code, step: "release".to_owned(), message });
    }

    /// Gives a machine back again.
    pub(super) fn release_again(&mut self, id: NodeId) {
        let effect = self.issue(Act::ReleaseNode { node: id });
        self.edit_node(id, |node| node.effect = Some(effect));
    }

    pub(super) fn on_released(&mut self, effect: EffectId) {
        let Some(Act::ReleaseNode { node }) = self.outbox.get(effect) else { return self.ignore() };
        let id = *node;
        self.close(effect);
        self.drop_node(id);
        self.try_capacity_again();
    }

    /// Says whether a process is believed to run, or to be about to.
    pub(super) fn believed(&self, key: RankKey, node: NodeId) -> Option<RankState> {
        self.live_rank(key).filter(|run| run.node == node).map(|run| run.state.clone())
    }
}

/// What a provider gave.
pub(super) struct Got {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) machine: String,
    pub(super) price: Option<Money>,
}

/// A node that was never got cannot be dead.
fn may_be_dead(node: &Node) -> bool {
    !node.host.is_empty()
}
