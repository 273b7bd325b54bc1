//! Effects issued and not answered: the core's copy of the store's outbox, with the indices that make overtaking one
//! cheap. Only `rows.rs` puts in and takes out, so that every change is told in the step.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{Act, Effect};
use crate::model::guard::guard;
use crate::model::ids::{EffectId, NodeId, RankKey};

/// All outstanding effects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outbox {
    acts: BTreeMap<EffectId, Act>,
    of_node: BTreeSet<(NodeId, EffectId)>,
    stops: BTreeMap<(NodeId, RankKey), EffectId>,
    acks: BTreeMap<(NodeId, RankKey), EffectId>,
    recalls: BTreeMap<(NodeId, RankKey), EffectId>,
}

impl Outbox {
    /// Adds one.
    pub(super) fn insert(&mut self, effect: &Effect) {
        if let Some(node) = effect.act.node() {
            self.of_node.insert((node, effect.id));
        }
        if let Act::StopRank { node, key, .. } = &effect.act {
            self.stops.insert((*node, *key), effect.id);
        }
        if let Act::AckGone { node, key } = &effect.act {
            self.acks.insert((*node, *key), effect.id);
        }
        if let Act::RecallRank { node, key } = &effect.act {
            self.recalls.insert((*node, *key), effect.id);
        }
        self.acts.insert(effect.id, effect.act.clone());
    }

    /// Removes one and returns what it was; `None` when it was unknown or is finished.
    pub(super) fn remove(&mut self, id: EffectId) -> Option<Act> {
        let act = self.acts.remove(&id)?;
        if let Some(node) = act.node()
            && guard("outbox.node-is-done")
        {
            self.of_node.remove(&(node, id));
        }
        if let Act::StopRank { node, key, .. } = &act
            && guard("outbox.stop-is-done")
        {
            self.stops.remove(&(*node, *key));
        }
        if let Act::AckGone { node, key } = &act
            && guard("outbox.ack-is-done")
        {
            self.acks.remove(&(*node, *key));
        }
        if let Act::RecallRank { node, key } = &act {
            self.recalls.remove(&(*node, *key));
        }
        Some(act)
    }

    /// Returns one.
    pub(super) fn get(&self, id: EffectId) -> Option<&Act> {
        self.acts.get(&id)
    }

    /// Returns all, in the order of their issue.
    pub(super) fn iter(&self) -> impl Iterator<Item = (EffectId, &Act)> {
        self.acts.iter().map(|(id, act)| (*id, act))
    }

    /// Returns those that a node has to do.
    pub(super) fn of_node(&self, node: NodeId) -> Vec<EffectId> {
        self.of_node.range((node, EffectId(0))..=(node, EffectId(u64::MAX))).map(|(_, id)| *id).collect()
    }

    /// Says whether a stop of this process on this node is on its way.
    pub(super) fn stops(&self, node: NodeId, key: RankKey) -> bool {
        self.stops.contains_key(&(node, key))
    }

    /// Returns the recall of this process that is on its way to this node.
    pub(super) fn recall(&self, node: NodeId, key: RankKey) -> Option<EffectId> {
        self.recalls.get(&(node, key)).copied()
    }

    /// Says whether an acknowledgement for this process is on its way to this node.
    pub(super) fn acks(&self, node: NodeId, key: RankKey) -> bool {
        self.acks.contains_key(&(node, key))
    }
}
