//! Money: what nodes cost is metered where rows change (`rows.rs`), and held against budgets whenever a cluster settles. No node
//! is asked for that would take the forecast of a binding budget above its limit, and what a budget does when its limit is
//! reached holds until its period ends or a person changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sched;
use super::ledger::Account;
use super::timers::Timer;
use crate::model::cost::{AHEAD, Brake, Budget, Period, Standing};
use crate::model::ids::{ClusterId, JobId, NodeId, WorkspaceId};
use crate::model::node_class;
use crate::model::state::{Cluster, Job, Node};
use crate::model::units::{Millis, Money, UnixMillis};

/// What one budget has to count: spent since ever, the rate now, and the rate with all that is asked for.
#[derive(Clone, Copy)]
struct Sum {
    total: Money,
    rate: Money,
    committed: Money,
}

impl Sched {
    pub(super) fn on_budget(&mut self, cluster: Option<ClusterId>, workspace: Option<WorkspaceId>, budget: Option<Budget>) {
        match (cluster, workspace) {
            (Some(id), _) if self.clusters.contains_key(&id) => {
                let begun = budget.map(|budget| begin(budget, self.sum_of_cluster(id).total, self.turn.now));
                self.edit_cluster(id, |cluster| cluster.budget = begun);
                self.disturb(id);
            }
            (None, Some(id)) if self.workspaces.contains_key(&id) => {
                let begun = budget.map(|budget| begin(budget, self.sum_of_workspace(id).total, self.turn.now));
                self.edit_workspace(id, |workspace| workspace.budget = begun);
                self.review_workspace(id);
                self.disturb_workspace(id);
            }
            (_, _) => self.ignore(),
        }
    }

    /// Returns how a cluster stands now.
    pub fn standing(&self, id: ClusterId, now: UnixMillis) -> Standing {
        let Some(cluster) = self.clusters.get(&id) else { return Standing::default() };
        self.pools.get(&id).map_or_else(Standing::default, |pool| pool.ledger.standing(cluster.spent, now))
    }

    /// Returns what a node costs that is got now.
    pub fn price(&self, cluster: &Cluster) -> Money {
        let size = cluster.spec.vm_size.as_deref();
        let class = size.and_then(|size| node_class::find(&self.settings.node_classes, size));
        let said = cluster.spec.pool.price_per_node_hour.or(class.and_then(|(_, class)| class.price));
        // A provider that says its prices itself says them with a machine: the dearest of those that are there.
        let dearest = || self.pools.get(&cluster.id)?.ledger.dearest();
        said.or_else(dearest).unwrap_or_default()
    }

    fn sum_of_cluster(&self, id: ClusterId) -> Sum {
        let Some(cluster) = self.clusters.get(&id) else {
            return Sum { total: Money(0), rate: Money(0), committed: Money(0) };
        };
        let standing = self.standing(id, self.turn.now);
        let asked = self.pools.get(&id).map_or(0, |pool| pool.ledger.unpaid());
        let more = self.price(cluster).times(asked);
        Sum { total: standing.spent.total(), rate: standing.rate, committed: standing.rate + more }
    }

    /// Returns what a cluster costs in an hour with all that is asked for.
    pub(super) fn committed(&self, id: ClusterId) -> Money {
        self.sum_of_cluster(id).committed
    }

    fn sum_of_workspace(&self, id: WorkspaceId) -> Sum {
        let gone = self.workspaces.get(&id).map(|workspace| workspace.spent.total()).unwrap_or_default();
        let start = Sum { total: gone, rate: Money(0), committed: Money(0) };
        self.clusters.values().filter(|cluster| cluster.workspace == id).fold(start, |all, cluster| {
            let one = self.sum_of_cluster(cluster.id);
            let (rate, committed) = (all.rate + one.rate, all.committed + one.committed);
            Sum { total: all.total + one.total, rate, committed }
        })
    }

    /// Returns the budgets that hold for a cluster, each with what it counts.
    fn budgets(&self, id: ClusterId) -> Vec<(Budget, Sum)> {
        let Some(cluster) = self.clusters.get(&id) else { return Vec::new() };
        let own = cluster.budget.map(|budget| (budget, self.sum_of_cluster(id)));
        let of_workspace = self.workspaces.get(&cluster.workspace).and_then(|workspace| workspace.budget);
        let of_workspace = of_workspace.map(|budget| (budget, self.sum_of_workspace(cluster.workspace)));
        own.into_iter().chain(of_workspace).collect()
    }

    /// Returns how many more nodes the budgets of a cluster allow; all when none binds.
    pub(super) fn affordable(&self, id: ClusterId) -> u32 {
        let Some(cluster) = self.clusters.get(&id) else { return 0 };
        let price = self.price(cluster).over(AHEAD);
        let binding = self.budgets(id).into_iter().filter(|(budget, _)| budget.binds());
        let each = binding.map(|(budget, sum)| {
            let room = budget.limit - budget.forecast(sum.total, sum.committed);
            match (budget.reached, price > Money(0)) {
                (true, _) => 0,
                (false, true) => u32::try_from(room.0.max(0) / price.0).unwrap_or(u32::MAX),
                (false, false) => u32::MAX,
            }
        });
        each.min().unwrap_or(u32::MAX)
    }

    /// Says whether what is asked for already still fits the budgets.
    pub(super) fn fits_budgets(&self, id: ClusterId) -> bool {
        let mut binding = self.budgets(id).into_iter().filter(|(budget, _)| budget.binds());
        binding.all(|(budget, sum)| !budget.reached && budget.forecast(sum.total, sum.committed) <= budget.limit)
    }

    /// Returns how long the tightest budget of a cluster lasts if `more` is added to its rate.
    pub(super) fn lasts(&self, id: ClusterId, more: Money) -> Option<Millis> {
        let each = self.budgets(id).into_iter();
        each.filter_map(|(budget, sum)| budget.left(sum.total).lasts(sum.committed + more)).min()
    }

    /// Brings the budgets of a cluster, and what they do to it, up to date.
    pub(super) fn watch_budgets(&mut self, id: ClusterId) {
        let Some(cluster) = self.clusters.get(&id) else { return };
        let workspace = cluster.workspace;
        if let Some(budget) = cluster.budget {
            let reviewed = review(budget, self.sum_of_cluster(id), self.turn.now);
            if reviewed != budget {
                self.edit_cluster(id, |cluster| cluster.budget = Some(reviewed));
            }
        }
        if self.review_workspace(workspace) {
            self.disturb_workspace(workspace);
        }
        let brake = self.budgets(id).into_iter().map(|(budget, _)| budget.brake()).max().unwrap_or_default();
        if self.clusters.get(&id).is_some_and(|cluster| cluster.brake != brake) {
            self.edit_cluster(id, |cluster| cluster.brake = brake);
            self.disturb(id);
        }
    }

    /// Brings a workspace's budget up to date; says whether that matters to its clusters.
    fn review_workspace(&mut self, id: WorkspaceId) -> bool {
        let Some(budget) = self.workspaces.get(&id).and_then(|workspace| workspace.budget) else { return false };
        let reviewed = review(budget, self.sum_of_workspace(id), self.turn.now);
        if reviewed != budget {
            self.edit_workspace(id, |workspace| workspace.budget = Some(reviewed));
        }
        reviewed.reached != budget.reached || reviewed.began != budget.began
    }

    fn disturb_workspace(&mut self, id: WorkspaceId) {
        let of = self.clusters.values().filter(|cluster| cluster.workspace == id).map(|cluster| cluster.id);
        for cluster in of.collect::<Vec<_>>() {
            self.disturb(cluster);
        }
    }

    /// A workspace's budget is to be looked at again.
    pub(super) fn workspace_due(&mut self, id: WorkspaceId) {
        self.edit_workspace(id, |workspace| {
            if let Some(budget) = &mut workspace.budget {
                budget.next = None;
            }
        });
        self.review_workspace(id);
        self.disturb_workspace(id);
    }

    /// Sets the deadline of a workspace as its row says now.
    pub(super) fn time_workspace(&mut self, id: WorkspaceId) {
        let at = self.workspaces.get(&id).and_then(|workspace| workspace.budget?.next);
        self.timers.set(Timer::Workspace(id), at);
    }

    /// Notes what a job has cost.
    pub(super) fn charge(&mut self, id: JobId, cost: Money) {
        if cost <= Money(0) {
            return;
        }
        let Some(experiment) = self.jobs.get(&id).map(|job| job.experiment) else { return };
        self.edit_job(id, |job| job.spent = job.spent + cost);
        self.edit_experiment(experiment, |experiment| experiment.spent = experiment.spent + cost);
    }

    /// A node of before 2026-12 has no word of who pays for it: its holders do, since they are the same.
    pub(super) fn know_payers(&mut self, id: NodeId) {
        let Some(row) = self.nodes.get_mut(&id) else { return };
        let shares: BTreeMap<JobId, Money> = payers(row, &self.jobs).map(|job| (job, row.meter.shared)).collect();
        if row.shares.is_empty() && !shares.is_empty() {
            Arc::make_mut(row).shares = shares;
        }
    }

    /// A node goes: what it cost is its cluster's from now on, and others may have room for one.
    pub(super) fn settle_account(&mut self, node: &Node) {
        let (now, account) = (self.turn.now, Account::of(node));
        let spent = self.pools.get(&node.cluster).map(|pool| pool.ledger.parting(&account, now)).unwrap_or_default();
        if !spent.is_nothing() {
            self.edit_cluster(node.cluster, |cluster| cluster.spent = cluster.spent.and(spent));
        }
        let Some(workspace) = self.clusters.get(&node.cluster).map(|cluster| cluster.workspace) else { return };
        let short = self.clusters.values().filter(|cluster| cluster.workspace == workspace && cluster.short_of_money);
        for cluster in short.map(|cluster| cluster.id).collect::<Vec<_>>() {
            self.disturb(cluster);
        }
    }
}

/// Returns who pays for a node: who holds it, if it has a price; but who was sent ahead has nothing of it yet.
pub(super) fn payers(node: &Node, jobs: &BTreeMap<JobId, Arc<Job>>) -> impl Iterator<Item = JobId> {
    let holders = node.holders.iter().filter(|_| node.price > Money(0)).map(|(job, _)| *job);
    holders.filter(|job| jobs.get(job).is_none_or(|job| job.last.behind.is_none()))
}

/// Begins to count: a limit for a period counts from now, one in all from the beginning.
fn begin(budget: Budget, total: Money, now: UnixMillis) -> Budget {
    let (began, _) = budget.period.around(now);
    let before = if budget.period == Period::Total { Money(0) } else { total };
    Budget { began, before, reached: false, next: None, rate: Money(0), ..budget }
}

/// Looks at a budget: whether another period has begun, whether its limit is reached, and when to look again. A clock that
/// went backwards begins no period.
fn review(budget: Budget, sum: Sum, now: UnixMillis) -> Budget {
    let (began, ends) = budget.period.around(now);
    let mut new = budget;
    if began > budget.began {
        (new.began, new.before, new.next) = (began, sum.total, None);
    }
    new.reached = new.used(sum.total) >= new.limit;
    if new.reached != budget.reached || sum.rate != budget.rate || new.next.is_none_or(|at| at <= now) {
        let left = new.left(sum.total).lasts(sum.rate).filter(|_| !new.reached);
        // One more, because the last millionth may fall just behind.
        let full = left.map(|left| now + Millis(left.0.saturating_add(1)));
        let ends = ends.filter(|at| *at > now);
        new.next = full.into_iter().chain(ends).min();
    }
    new.rate = sum.rate;
    new
}

/// Says whether a cluster may start jobs and get nodes.
pub(super) fn held(cluster: &Cluster) -> bool {
    cluster.brake >= Brake::Hold
}
