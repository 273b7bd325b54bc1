//! The rules of scaling and money, checked after every commit against an account of the world's own: since when each machine
//! is paid for, which nodes are new, which jobs have begun. The core's own sums are not read, only what it decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostler::model::cost::{AHEAD, Brake, Budget, Period};
use ostler::model::ids::{Attempt, JobId, NodeId};
use ostler::model::spec::{Deallocation, ScaleSettings};
use ostler::model::state::{Cluster, ExecutionState, Node, NodeState};
use ostler::model::units::{Money, UnixMillis};
use ostler::sched::Sched;

/// By how much the core's sum and the world's may differ for each node there ever was: the core rounds each of three spans down.
const ROUNDED: i64 = 3;

/// What the world knows of nodes and money.
#[derive(Debug, Default)]
pub struct Account {
    nodes: BTreeMap<NodeId, Arc<Node>>,
    /// Machines that are paid for: since when, and how much in an hour.
    paid: BTreeMap<NodeId, (UnixMillis, Money)>,
    /// What machines have cost that are given back.
    gone: Money,
    /// How many machines there ever were.
    machines: i64,
    begun: BTreeMap<JobId, Attempt>,
    /// The budgets of cluster and workspace as they were last seen, with what had been paid before.
    budgets: [Option<(Budget, Money)>; 2],
}

impl Account {
    /// Checks what was committed; returns what was reached.
    pub fn check(&mut self, sched: &Sched, now: UnixMillis) -> Vec<&'static str> {
        let Some(cluster) = sched.clusters().values().next() else { return Vec::new() };
        let before = std::mem::replace(&mut self.nodes, sched.nodes().clone());
        self.pay(&before, now);
        let own = [cluster.budget, sched.workspaces().get(&cluster.workspace).and_then(|workspace| workspace.budget)];
        for (at, budget) in own.into_iter().enumerate() {
            self.begin(at, budget, now);
        }
        let asked = self.asked(&before);
        let mut reached = Vec::new();
        reached.extend(self.money(cluster, &asked, now));
        reached.extend(self.starts(sched, now));
        self.returns(&before, now);
        reached.extend(self.bounds(cluster, &before, &asked));
        reached.extend(self.work(cluster, &before));
        reached
    }

    /// Keeps the account: machines come and go.
    fn pay(&mut self, before: &BTreeMap<NodeId, Arc<Node>>, now: UnixMillis) {
        for (id, node) in &self.nodes {
            if !node.host.is_empty() && !self.paid.contains_key(id) {
                self.paid.insert(*id, (now, node.price));
                self.machines += 1;
            }
        }
        for id in before.keys().filter(|id| !self.nodes.contains_key(id)) {
            if let Some((since, price)) = self.paid.remove(id) {
                self.gone = self.gone + price.over(now.since(since));
            }
        }
    }

    fn total(&self, now: UnixMillis) -> Money {
        self.gone + self.paid.values().map(|(since, price)| price.over(now.since(*since))).sum()
    }

    fn slack(&self) -> Money {
        Money(ROUNDED * self.machines)
    }

    /// A person has set a budget, or its next period has begun.
    fn begin(&mut self, at: usize, budget: Option<Budget>, now: UnixMillis) {
        let key = |budget: &Budget| (budget.limit, budget.period, budget.then, budget.began, budget.before);
        self.budgets[at] = match (self.budgets[at].take(), budget) {
            (_, None) => None,
            (Some((old, paid)), Some(new)) if key(&old) == key(&new) => Some((new, paid)),
            (_, Some(new)) => {
                let paid = if new.period == Period::Total { Money(0) } else { self.total(now) };
                let off = (new.before - paid).0.abs();
                assert!(off <= self.slack().0, "what was spent is what was paid for: {new:?} counts from {paid}");
                Some((new, paid))
            }
        };
    }

    /// Returns the nodes that have been asked for since the last commit. One that was to go before it came, and may stay now, was
    /// asked for before, and is in the forecast since.
    fn asked(&self, before: &BTreeMap<NodeId, Arc<Node>>) -> Vec<NodeId> {
        let new = |(id, node): &(&NodeId, &Arc<Node>)| {
            let asked_before = before.get(id).and_then(|old| old.effect);
            node.state == NodeState::Allocating && node.effect.is_some() && asked_before != node.effect
        };
        self.nodes.iter().filter(new).map(|(id, _)| *id).collect()
    }

    fn money(&self, cluster: &Cluster, asked: &[NodeId], now: UnixMillis) -> Option<&'static str> {
        let price = cluster.spec.pool.price_per_node_hour.unwrap_or_default();
        let coming = self.nodes.values().filter(|node| node.host.is_empty()).map(|_| price);
        let rate: Money = self.paid.values().map(|(_, price)| *price).chain(coming).sum();
        for (budget, before) in self.budgets.iter().flatten().filter(|(budget, _)| budget.then >= Brake::Hold) {
            let used = self.total(now) - *before;
            let forecast = used + rate.over(AHEAD);
            let within = forecast <= budget.limit + self.slack() && used <= budget.limit + self.slack();
            assert!(
                asked.is_empty() || within,
                "never acquires what would take the forecast above the budget: {asked:?} were asked for, {used} is spent, \
                 {forecast} is forecast: {budget:?}"
            );
        }
        cluster.short_of_money.then_some("a budget kept nodes from being asked for")
    }

    fn starts(&mut self, sched: &Sched, now: UnixMillis) -> Option<&'static str> {
        let runs = sched.jobs().values().filter(|job| job.course() == ExecutionState::Running);
        let begun: BTreeMap<JobId, Attempt> = runs.map(|job| (job.id, job.attempt)).collect();
        let new = begun.iter().find(|(id, attempt)| self.begun.get(id) != Some(attempt)).map(|(id, _)| *id);
        self.begun = begun;
        let full = self.used_up(now);
        assert!(new.is_none() || full.is_none(), "never starts when the budget is used up: {new:?} began, {full:?}");
        full.map(|_| "a budget was used up")
    }

    /// Nodes that were to go stay again only while there is money for them.
    fn returns(&self, before: &BTreeMap<NodeId, Arc<Node>>, now: UnixMillis) {
        let went = |node: &Node| before.get(&node.id).is_some_and(|old| old.state == NodeState::Leaving);
        let back = self.nodes.values().find(|node| went(node) && node.state != NodeState::Leaving);
        let full = self.used_up(now);
        assert!(back.is_none() || full.is_none(), "never keeps what goes when the budget is used up: {back:#?}, {full:?}");
    }

    /// Returns a budget that is used up, by the world's account.
    fn used_up(&self, now: UnixMillis) -> Option<&(Budget, Money)> {
        self.budgets
            .iter()
            .flatten()
            .find(|(budget, before)| budget.then >= Brake::Hold && self.total(now) - *before > budget.limit + self.slack())
    }

    fn bounds(&self, cluster: &Cluster, before: &BTreeMap<NodeId, Arc<Node>>, asked: &[NodeId]) -> Option<&'static str> {
        let staying = self.nodes.values().filter(|node| node.state != NodeState::Leaving).count() as u32;
        let (least, most) = match &cluster.spec.scale_settings {
            ScaleSettings::Manual { target_node_count, .. } => (None, target_node_count.0),
            ScaleSettings::AutoScale(auto) => {
                let (least, most) = (auto.minimum_node_count, auto.maximum_node_count);
                let inside = (least..=most).contains(&auto.current);
                assert!(inside, "never outside min..max: {} nodes are wanted, {least} to {most} may be", auto.current);
                (Some(least.0), most.0)
            }
        };
        assert!(
            asked.is_empty() || staying <= most,
            "never outside min..max: {asked:?} were asked for and there are {staying}, {most} may be"
        );
        // What its provider takes away, what a budget gives back and what a person declares dead (its boot is over with that)
        // goes all the same.
        let chosen = |node: &&Arc<Node>| {
            let was_idle = before.get(&node.id).is_some_and(|old| old.state == NodeState::Idle);
            let taken = node.notice.is_some() || node.expires.is_some() || node.boot.is_none();
            node.state == NodeState::Leaving && was_idle && !taken
        };
        let went = self.nodes.values().find(chosen)?;
        let least = least.filter(|_| cluster.brake < Brake::Zero)?;
        assert!(staying >= least, "never outside min..max: {} was sent away and {staying} stay, {least} are to be", went.id);
        Some("auto-scale sent an idle node away")
    }

    fn work(&self, cluster: &Cluster, before: &BTreeMap<NodeId, Arc<Node>>) -> Option<&'static str> {
        let waits = match &cluster.spec.scale_settings {
            ScaleSettings::Manual { node_deallocation_option: option, .. } => *option == Deallocation::WaitForJobCompletion,
            ScaleSettings::AutoScale(_) => cluster.brake < Brake::Zero,
        };
        if !waits {
            return None;
        }
        let taken = |node: &&Arc<Node>| {
            let stayed = before.get(&node.id).is_some_and(|old| old.state != NodeState::Leaving);
            node.is_held() && node.state == NodeState::Leaving && stayed && node.notice.is_none()
        };
        let taken = self.nodes.values().find(taken);
        assert!(taken.is_none(), "never takes a node with work under waitforjobcompletion: {taken:#?}");
        let (staying, wish) = (self.nodes.values().filter(|node| node.is_held()), cluster.spec.scale_settings.target());
        (staying.count() as u32 > wish.0).then_some("nodes with work stayed although fewer were wanted")
    }
}
