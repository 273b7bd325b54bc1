//! Auto-scale: how many nodes a cluster is to have for its work. It grows at once for jobs that run or could run, and
//! shrinks only by nodes that nothing has used for the cluster's idle time; so whatever comes and goes faster than that
//! moves no node. Held jobs, stops that wait, and jobs that can never fit count for nothing.
//!
//! What comes next is kept in the row as a deadline, so that a restart finds the same and a person sees it.

use super::Sched;
use super::cluster::gave_up;
use super::cost::held;
use super::timers::{Timer, doubled};
use crate::model::ids::{ClusterId, NodeId};
use crate::model::spec::{AutoScale, ScaleSettings};
use crate::model::state::{Cluster, NextStep};
use crate::model::units::{Millis, NodeCount, UnixMillis};

/// The first pause after nodes could not be got: a provider's passing trouble has its own, shorter tries before.
const PAUSE_FIRST: Millis = Millis::from_mins(1);
/// The longest: within half an hour returning capacity is noticed, and a provider in trouble is not pressed.
const PAUSE_MAX: Millis = Millis::from_mins(30);

/// After so many in a row a person has to look: with the pauses between them that is half an hour of trouble.
const FAILURES_MAX: u32 = 5;

/// What a cluster's work comes to, in nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Demand {
    /// Nodes at work, and nodes for jobs that could run; within the bounds.
    need: u32,
    /// The same, and as many more as there are nodes that can take no job.
    want: u32,
}

impl Sched {
    pub(super) fn on_auto_scale(&mut self, id: ClusterId, asked: AutoScale) {
        let Some(cluster) = self.clusters.get(&id).filter(|cluster| !cluster.deleting) else { return self.ignore() };
        let before = cluster.spec.scale_settings.clone();
        let current = asked.clamp(before.target());
        self.edit_cluster(id, |cluster| {
            cluster.spec.scale_settings = ScaleSettings::AutoScale(AutoScale { current, ..asked });
            cluster.auto.failures = 0;
            cluster.auto.paused = false;
            cluster.auto.retry_at = None;
        });
        self.remember_scaling(id, before);
        self.try_cluster_again(id);
    }

    /// Decides the number of nodes of an auto-scaled cluster, and sends nodes away that were idle for long enough.
    pub(super) fn auto_scale(&mut self, id: ClusterId) {
        let Some((auto, demand)) = self.auto_of(id).map(|auto| (auto, self.demand(id, auto))) else { return };
        let now = self.turn.now;
        let mut current = auto.current.0;
        if demand.want > current {
            current = demand.want;
        } else if current > demand.need {
            // Nodes that were never got are not missed, but for those that are wanted still: they would be asked for again at once.
            let staying = self.pools.get(&id).map_or(0, |pool| pool.staying());
            let missed = |cluster: &Cluster| gave_up(cluster).is_some() || cluster.short_of_money || held(cluster);
            if self.clusters.get(&id).is_some_and(|cluster| missed(cluster)) {
                current = current.min(staying.max(demand.want));
            }
            let awake = self.awake_until(id).is_some_and(|until| until > now);
            let surplus = if awake { 0 } else { current.min(staying).saturating_sub(demand.need) as usize };
            let gone: Vec<_> = self.unused(id).filter(|(since, _)| *since + auto.idle <= now).take(surplus).collect();
            current -= gone.len() as u32;
            for (_, node) in gone {
                self.send_away(node);
            }
        }
        if current != auto.current.0 {
            // What the first of the queue waits for may name the target.
            self.stale.insert(id);
            self.edit_cluster(id, |cluster| {
                if let ScaleSettings::AutoScale(auto) = &mut cluster.spec.scale_settings {
                    auto.current = NodeCount(current);
                }
            });
        }
    }

    pub(super) fn auto_of(&self, id: ClusterId) -> Option<AutoScale> {
        let cluster = self.clusters.get(&id).filter(|cluster| !cluster.deleting)?;
        match cluster.spec.scale_settings {
            ScaleSettings::AutoScale(auto) => Some(auto),
            ScaleSettings::Manual { .. } => None,
        }
    }

    fn demand(&self, id: ClusterId, auto: AutoScale) -> Demand {
        let Some(pool) = self.pools.get(&id) else { return Demand::default() };
        let most = auto.maximum_node_count.0;
        // What nothing uses is loose; the rest, but for what leaves, is at work.
        let mut work = pool.staying().saturating_sub(pool.loose.len() as u32);
        let useless = pool.loose.iter().take_while(|(worth, ..)| !worth).count() as u32;
        // Thousandths of nodes: of those that take a part, several go on one.
        let (mut whole, mut parts): (u64, u64) = (0, 0);
        let holds = self.clusters.get(&id).is_some_and(|cluster| held(cluster));
        for ((need, asked), count) in pool.asks.iter().filter(|_| !holds) {
            let need = *need as u64;
            // One that never fits is passed by those behind it.
            if need > u64::from(most) {
                continue;
            }
            match self.part_of_node(id, asked.as_ref()) {
                1000 => whole = whole.saturating_add(count.saturating_mul(need)),
                part => parts = parts.saturating_add(count.saturating_mul(part * need)),
            }
        }
        let waiting = whole.saturating_add(parts.div_ceil(1000));
        work = work.saturating_add(u32::try_from(waiting).unwrap_or(u32::MAX));
        let bounded = |count: u32| auto.clamp(NodeCount(count)).0;
        Demand { need: bounded(work), want: bounded(work.saturating_add(useless)) }
    }

    /// Returns the nodes that nothing uses with since when, those first that are worth least.
    fn unused(&self, id: ClusterId) -> impl Iterator<Item = (UnixMillis, NodeId)> {
        let loose = self.pools.get(&id).into_iter().flat_map(|pool| &pool.loose);
        loose.map(|(_, since, node)| (*since, node.0))
    }

    /// Notes what comes next by itself, and when.
    pub(super) fn show_next(&mut self, id: ClusterId) {
        let next = self.next_step(id);
        let Some(auto) = self.clusters.get(&id).map(|cluster| &cluster.auto) else { return };
        let (changed, retries) = (auto.next != next, auto.retry_at.is_some());
        if next.as_ref().is_some_and(|next| next.at <= self.turn.now) && !retries {
            // What was decided since `auto_scale` looked leaves one over that was idle for long: it goes in the next round.
            self.disturb(id);
        }
        if changed {
            self.edit_cluster(id, |cluster| cluster.auto.next = next);
        }
    }

    fn next_step(&self, id: ClusterId) -> Option<NextStep> {
        let scaling = self.next_scaling(id);
        let minded = self.next_unused(id);
        scaling.into_iter().chain(minded).min_by_key(|next| next.at)
    }

    fn next_scaling(&self, id: ClusterId) -> Option<NextStep> {
        let auto = self.auto_of(id)?;
        let cluster = self.clusters.get(&id)?;
        if let Some(at) = cluster.auto.retry_at {
            return Some(NextStep { at, what: "nodes are asked for again".to_owned() });
        }
        let need = self.demand(id, auto).need;
        let staying = self.pools.get(&id)?.staying();
        let surplus = auto.current.0.min(staying).saturating_sub(need) as usize;
        if surplus == 0 {
            return None;
        }
        let since = self.unused(id).map(|(since, _)| since).min()?;
        let count = self.unused(id).filter(|(other, _)| *other == since).count().min(surplus);
        let what = match count {
            1 => "a node goes if it is not needed by then".to_owned(),
            _ => format!("{count} nodes go if they are not needed by then"),
        };
        let at = since + auto.idle;
        Some(NextStep { at: self.awake_until(id).map_or(at, |until| until.max(at)), what })
    }

    /// Nodes could not be got: after a pause, longer each time, they are asked for again.
    pub(super) fn back_off(&mut self, id: ClusterId) {
        if self.auto_of(id).is_none() {
            return;
        }
        let now = self.turn.now;
        self.edit_cluster(id, |cluster| {
            cluster.auto.failures = cluster.auto.failures.saturating_add(1);
            cluster.auto.paused = cluster.auto.failures >= FAILURES_MAX;
            let at = now + doubled(PAUSE_FIRST, PAUSE_MAX, cluster.auto.failures);
            cluster.auto.retry_at = (!cluster.auto.paused).then_some(at);
            if cluster.auto.paused
                && let Some(error) = cluster.errors.first_mut()
            {
                let name = &cluster.name;
                error.message.push_str(&format!(
                    "; after {FAILURES_MAX} failures in a row auto-scale has paused: `ostler cluster resume {name}` goes on"
                ));
            }
        });
    }

    /// Keeps all nodes until then.
    pub(super) fn on_kept_awake(&mut self, id: ClusterId, until: UnixMillis) {
        if self.auto_of(id).is_none() {
            return self.ignore();
        }
        let now = self.turn.now;
        self.edit_cluster(id, |cluster| cluster.auto.awake_until = Some(until).filter(|until| *until > now));
        self.disturb(id);
    }

    fn awake_until(&self, id: ClusterId) -> Option<UnixMillis> {
        self.clusters.get(&id)?.auto.awake_until
    }

    /// A person says that nodes are to be asked for again.
    pub(super) fn on_resume(&mut self, id: ClusterId) {
        if self.clusters.get(&id).is_none_or(|cluster| gave_up(cluster).is_none()) {
            return self.ignore();
        }
        self.edit_cluster(id, |cluster| {
            cluster.auto.failures = 0;
            cluster.auto.paused = false;
        });
        self.try_cluster_again(id);
    }

    /// A node came up: whatever the trouble was, it is over.
    pub(super) fn forget_failures(&mut self, id: ClusterId) {
        if self.clusters.get(&id).is_some_and(|cluster| cluster.auto.failures > 0) {
            self.edit_cluster(id, |cluster| cluster.auto.failures = 0);
        }
    }

    /// Does what was to come next; what exactly is decided when the cluster settles.
    pub(super) fn cluster_due(&mut self, id: ClusterId) {
        let now = self.turn.now;
        let retry = self.clusters.get(&id).is_some_and(|cluster| cluster.auto.retry_at.is_some_and(|at| at <= now));
        self.edit_cluster(id, |cluster| {
            cluster.auto.next = None;
            cluster.auto.awake_until = cluster.auto.awake_until.filter(|until| *until > now);
            if let Some(budget) = &mut cluster.budget {
                budget.next = None;
            }
        });
        if retry {
            self.try_cluster_again(id);
        }
        self.disturb(id);
    }

    /// Sets the deadline of a cluster as its row says now.
    pub(super) fn time_cluster(&mut self, id: ClusterId) {
        let cluster = self.clusters.get(&id);
        let next = cluster.and_then(|cluster| cluster.auto.next.as_ref()).map(|next| next.at);
        let budget = cluster.and_then(|cluster| cluster.budget?.next);
        let at = next.into_iter().chain(budget).min();
        self.timers.set(Timer::Cluster(id), at);
    }
}
