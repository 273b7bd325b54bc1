//! Target against actual. `plan_of` is the one planner: the step carries out what it says, the preview shows it.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use uuid::Uuid;

use super::Sched;
use super::cost::held;
use super::effect::Act;
use super::pool::Standing;
use crate::model::cost::Brake;
use crate::model::ids::{ClusterId, JobId, NodeId, WorkspaceId};
use crate::model::request::Preview;
use crate::model::spec::{AutoScale, ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
use crate::model::state::{
    AfterStop, AllocationState, AutoState, Cluster, ClusterError, Node, NodeState, Reach, StopWhy, Unusable,
};
use crate::model::units::{Money, NodeCount, UnixMillis};

/// The most nodes of one cluster: ten times what the core's step is measured with; a larger target is a typing error
/// that would fill the memory.
pub const TARGET_MAX: NodeCount = NodeCount(10_000);

/// The detail of a cluster's error that names its node; entries without it are about the whole cluster.
const NODE_DETAIL: &str = "nodeId";

/// What has to happen for a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Leaving nodes that stay after all.
    pub(super) come_back: Vec<NodeId>,
    /// How many nodes to ask for.
    pub(super) acquire: u32,
    /// Nodes that nothing holds, to go at once.
    pub(super) release_now: Vec<NodeId>,
    /// Nodes to go when their job is off them.
    pub(super) release_busy: Vec<(NodeId, JobId)>,
}

/// Plans the way up: which of the nodes that leave come back, and how many more are asked for.
fn plan_more<'a>(leaving: impl Iterator<Item = &'a Node>, missing: usize) -> Plan {
    let can_stay = leaving.filter(|node| (node.is_held() || node.host.is_empty()) && node.notice.is_none());
    let come_back: Vec<NodeId> = can_stay.map(|node| node.id).take(missing).collect();
    Plan { acquire: (missing - come_back.len()) as u32, come_back, ..Plan::default() }
}

/// Plans the way down: which of the nodes that stay go. Those go first that hurt least: without work (allocating, unusable,
/// preparing, idle), then with work (unusable, then the attempt that started last), within each the newest node.
fn plan_less<'a>(
    staying: impl Iterator<Item = &'a Node>,
    started: impl Fn(JobId) -> Option<UnixMillis>,
    surplus: usize,
) -> Plan {
    let mut plan = Plan::default();
    let mut staying: Vec<&Node> = staying.collect();
    staying.sort_by_key(|node| {
        // Of a shared node the attempt counts that has the most to lose.
        let oldest = node.holders.iter().map(|(job, _)| (started(*job), *job)).min();
        let started = oldest.map(Reverse);
        (node.is_held(), worth(node), started, Reverse(node.id))
    });
    for node in staying.into_iter().take(surplus) {
        match node.is_held() {
            false => plan.release_now.push(node.id),
            true => plan.release_busy.extend(node.holders.iter().map(|(job, _)| (node.id, *job))),
        }
    }
    plan
}

/// Returns how much a node is worth to keep.
fn worth(node: &Node) -> u8 {
    match (&node.state, &node.reach) {
        (NodeState::Allocating | NodeState::Leaving, _) => 0,
        (NodeState::Unusable(_), _) => 1,
        (NodeState::Preparing, _) => 2,
        (NodeState::Idle | NodeState::Running, Reach::Lost { .. }) => 3,
        (NodeState::Idle, _) if node.is_closed() || node.has_strangers() => 4,
        (NodeState::Idle | NodeState::Running, Reach::Never | Reach::Seen) => 5,
    }
}

/// Returns what the cluster is to be now: how many nodes, and what becomes of jobs on those that go.
pub(super) fn wanted(cluster: &Cluster) -> (u32, Deallocation) {
    if cluster.deleting {
        return (0, Deallocation::Terminate);
    }
    if cluster.brake >= Brake::Zero {
        return (0, own_option(cluster));
    }
    match &cluster.spec.scale_settings {
        ScaleSettings::Manual { target_node_count, node_deallocation_option } => {
            (target_node_count.0, *node_deallocation_option)
        }
        // Only lower bounds can take a node with work away, and it may finish.
        ScaleSettings::AutoScale(auto) => (auto.current.0, Deallocation::WaitForJobCompletion),
    }
}

/// What becomes of jobs on nodes that go, as the cluster says.
fn own_option(cluster: &Cluster) -> Deallocation {
    match &cluster.spec.scale_settings {
        ScaleSettings::Manual { node_deallocation_option, .. } => *node_deallocation_option,
        ScaleSettings::AutoScale(_) => Deallocation::default(),
    }
}

/// Returns the error with which the acquisition of nodes was given up.
pub(super) fn gave_up(cluster: &Cluster) -> Option<&ClusterError> {
    cluster.errors.iter().find(|error| !about_a_node(error))
}

fn about_a_node(error: &ClusterError) -> bool {
    error.details.iter().any(|(name, _)| name == NODE_DETAIL)
}

fn about(error: &ClusterError, node: &str) -> bool {
    error.details.iter().any(|(name, value)| name == NODE_DETAIL && value == node)
}

impl Sched {
    pub(super) fn on_cluster_created(&mut self, workspace: WorkspaceId, name: String, uuid: Uuid, spec: ClusterSpec) {
        if self.workspaces.get(&workspace).is_none_or(|workspace| workspace.deleting) {
            return self.ignore();
        }
        self.counters.cluster = self.counters.cluster.next();
        let (id, now) = (self.counters.cluster, self.turn.now);
        let scaling = spec.scale_settings.clone();
        self.put_cluster(Arc::new(Cluster {
            id,
            workspace,
            name,
            uuid,
            spec,
            allocation: AllocationState::Steady,
            allocation_since: now,
            errors: Vec::new(),
            head: None,
            kept_for: None,
            full: Vec::new(),
            waiting: 0,
            auto: AutoState::default(),
            spent: Default::default(),
            budget: None,
            brake: Default::default(),
            short_of_money: false,
            before: None,
            lost: 0,
            noticed: 0,
            created: now,
            deleting: false,
            deleting_since: None,
        }));
        match scaling {
            ScaleSettings::Manual { target_node_count, node_deallocation_option } => {
                self.set_target(id, target_node_count, Some(node_deallocation_option));
            }
            ScaleSettings::AutoScale(auto) => {
                let current = auto.clamp(auto.initial_node_count);
                self.edit_cluster(id, |cluster| {
                    cluster.spec.scale_settings = ScaleSettings::AutoScale(AutoScale { current, ..auto });
                });
                self.disturb(id);
            }
        }
    }

    pub(super) fn on_scale(&mut self, id: ClusterId, target: NodeCount, option: Option<Deallocation>) {
        let Some(cluster) = self.clusters.get(&id).filter(|cluster| !cluster.deleting) else { return self.ignore() };
        let before = cluster.spec.scale_settings.clone();
        self.set_target(id, target, option);
        self.remember_scaling(id, before);
    }

    /// Keeps how a cluster was scaled, so that a change can be taken back; [`Self::show_allocation`] forgets it.
    pub(super) fn remember_scaling(&mut self, id: ClusterId, before: ScaleSettings) {
        if self.clusters.get(&id).is_some_and(|cluster| cluster.spec.scale_settings != before) {
            self.edit_cluster(id, |cluster| cluster.before = Some(Box::new(before)));
        }
    }

    /// Scales as before; doing so again goes forth.
    pub(super) fn on_scale_taken_back(&mut self, id: ClusterId) {
        let Some(before) = self.clusters.get(&id).filter(|cluster| !cluster.deleting).and_then(|c| c.before.clone()) else {
            return self.ignore();
        };
        self.edit_cluster(id, |cluster| {
            let now = std::mem::replace(&mut cluster.spec.scale_settings, *before);
            cluster.before = Some(Box::new(now));
            cluster.auto = AutoState::default();
        });
        self.try_cluster_again(id);
    }

    /// Hosts came or went. A node on a host that went goes when nothing is on it; until then it takes no new work.
    pub(super) fn on_hosts(&mut self, id: ClusterId, hosts: Vec<String>) {
        let listed = self.clusters.get(&id).is_some_and(|cluster| cluster.spec.provider.hosts().is_some());
        if !listed {
            return self.ignore();
        }
        let gone: Vec<NodeId> = self
            .nodes_of(id)
            .filter(|node| !node.host.is_empty() && !hosts.contains(&node.host) && node.state != NodeState::Leaving)
            .map(|node| node.id)
            .collect();
        self.edit_cluster(id, |cluster| cluster.spec.provider = ProviderSpec::Hosts { hosts });
        for node in gone {
            match self.nodes.get(&node).is_some_and(|node| node.is_held()) {
                false => self.send_away(node),
                true => self.edit_node(node, |node| node.drained = true),
            }
        }
        self.try_cluster_again(id);
    }

    /// Sends nodes away that were drained because their host went from the pool, once nothing is on them.
    fn leave_strangers(&mut self, id: ClusterId) {
        let Some(hosts) = self.clusters.get(&id).and_then(|cluster| cluster.spec.provider.hosts()) else { return };
        let Some(pool) = self.pools.get(&id) else { return };
        let drained = pool.these(Standing::Drained).iter().filter_map(|node| self.nodes.get(node));
        let strange = drained.filter(|node| !node.is_held() && !hosts.contains(&node.host));
        let strange: Vec<NodeId> = strange.map(|node| node.id).collect();
        for node in strange {
            self.send_away(node);
        }
    }

    fn set_target(&mut self, id: ClusterId, target: NodeCount, option: Option<Deallocation>) {
        self.edit_cluster(id, |cluster| {
            let own = match &cluster.spec.scale_settings {
                ScaleSettings::Manual { node_deallocation_option, .. } => *node_deallocation_option,
                ScaleSettings::AutoScale(_) => Deallocation::default(),
            };
            cluster.auto = AutoState::default();
            cluster.spec.scale_settings = ScaleSettings::Manual {
                target_node_count: target.min(TARGET_MAX),
                node_deallocation_option: option.unwrap_or(own),
            };
            cluster.errors.retain(about_a_node);
        });
        self.disturb(id);
    }

    pub(super) fn on_cluster_delete(&mut self, id: ClusterId) {
        if self.clusters.get(&id).is_none_or(|cluster| cluster.deleting) {
            return self.ignore();
        }
        self.delete_cluster(id);
    }

    /// Ends a cluster's jobs and releases its nodes; it goes when the last is gone.
    pub(super) fn delete_cluster(&mut self, id: ClusterId) {
        let Some(cluster) = self.clusters.get(&id) else { return };
        let message = format!("Cluster {} was deleted", cluster.name);
        let now = self.turn.now;
        self.edit_cluster(id, |cluster| (cluster.deleting, cluster.deleting_since) = (true, Some(now)));
        self.trim_all(|sweep| sweep.cluster == id);
        let live = self.jobs.values().filter(|job| job.cluster == id && !job.state.ended());
        for job in live.map(|job| job.id).collect::<Vec<_>>() {
            self.terminate_now(job, &message);
        }
        self.disturb(id);
    }

    /// Lists that nodes could not be got, after which none is asked for until something says that there may be some.
    pub(super) fn give_up(&mut self, id: ClusterId, code: String, message: String) {
        self.edit_cluster(id, |cluster| {
            cluster.errors.retain(about_a_node);
            cluster.errors.insert(0, ClusterError { code, message, details: Vec::new() });
        });
        self.back_off(id);
        self.disturb(id);
    }

    /// Lets clusters that gave up ask for nodes again: capacity may have come back.
    pub(super) fn try_capacity_again(&mut self) {
        let given_up = self.clusters.values().filter(|cluster| gave_up(cluster).is_some() && !cluster.auto.paused);
        for id in given_up.map(|cluster| cluster.id).collect::<Vec<_>>() {
            self.try_cluster_again(id);
        }
    }

    /// Lets one cluster ask for nodes again.
    pub(super) fn try_cluster_again(&mut self, id: ClusterId) {
        self.edit_cluster(id, |cluster| {
            cluster.errors.retain(about_a_node);
            cluster.auto.retry_at = None;
        });
        self.disturb(id);
    }

    /// Lists what a node met.
    pub(super) fn blame(&mut self, cluster: ClusterId, node: NodeId, why: &Unusable) {
        let (id, name) = (node.to_string(), self.node_name(node));
        let details = vec![(NODE_DETAIL.to_owned(), id.clone()), ("node".into(), name), ("step".into(), why.step.clone())];
        let error = ClusterError { code: why.code.clone(), message: why.message.clone(), details };
        self.edit_cluster(cluster, |cluster| {
            cluster.errors.retain(|error| !about(error, &id));
            cluster.errors.push(error);
        });
    }

    /// Takes a node's entry from the list: it is usable again, or gone.
    pub(super) fn forgive(&mut self, cluster: ClusterId, node: NodeId) {
        let id = node.to_string();
        self.edit_cluster(cluster, |cluster| cluster.errors.retain(|error| !about(error, &id)));
    }

    /// Brings a disturbed cluster to rest: nodes as its target says, jobs placed, its head told what it waits for.
    pub(super) fn settle(&mut self, id: ClusterId) {
        if !self.clusters.contains_key(&id) {
            return;
        }
        self.watch_budgets(id);
        self.leave_strangers(id);
        self.retire_old(id);
        self.give_up_noticed(id);
        self.watch_gpus(id);
        self.auto_scale(id);
        self.resize(id);
        self.place_all(id);
        self.show_next(id);
        self.show_allocation(id);
        self.show_head(id);
        self.end_cluster(id);
    }

    fn resize(&mut self, id: ClusterId) {
        let (Some(cluster), Some(pool)) = (self.clusters.get(&id), self.pools.get(&id)) else { return };
        let (target, option) = wanted(cluster);
        let have = pool.staying();
        // What jobs have stays until they end: there is nothing to be let go meanwhile.
        let waits = option == Deallocation::WaitForJobCompletion && pool.loose.is_empty();
        let idle = match have.cmp(&target) {
            Ordering::Equal => true,
            Ordering::Less => gave_up(cluster).is_some(),
            Ordering::Greater => waits,
        };
        let plan = if idle { Plan::default() } else { self.plan_of(id, target) };
        let acquire = plan.acquire.min(if plan.acquire > 0 { self.affordable(id) } else { 0 });
        self.show_money(id, acquire < plan.acquire);
        if idle {
            return;
        }
        for node in plan.come_back {
            self.edit_node(node, |node| {
                node.state = if node.is_held() { NodeState::Running } else { NodeState::Allocating };
            });
        }
        for _ in 0..acquire {
            self.ask_for_node(id);
        }
        for node in plan.release_now {
            self.send_away(node);
        }
        for (node, job) in plan.release_busy {
            match option {
                Deallocation::WaitForJobCompletion => {}
                Deallocation::Requeue => {
                    self.edit_node(node, |node| node.state = NodeState::Leaving);
                    self.stop_attempt(job, StopWhy::Scale, AfterStop::RequeuePlanned);
                }
                Deallocation::Terminate => {
                    self.edit_node(node, |node| node.state = NodeState::Leaving);
                    self.terminate_now(job, "Job was terminated because the cluster got smaller");
                }
            }
        }
    }

    fn show_money(&mut self, id: ClusterId, short: bool) {
        if self.clusters.get(&id).is_some_and(|cluster| cluster.short_of_money != short) {
            self.edit_cluster(id, |cluster| cluster.short_of_money = short);
            self.disturb(id);
        }
    }

    /// Sends nodes away that have reached their greatest age and have nothing on them.
    fn retire_old(&mut self, id: ClusterId) {
        let now = self.turn.now;
        let Some(pool) = self.pools.get(&id) else { return };
        let old = pool.aging.iter().take_while(|(at, _)| *at <= now);
        for (_, node) in old.copied().collect::<Vec<_>>() {
            self.send_away(node);
        }
    }

    /// Plans the way to a target. It looks at the nodes that leave, or at all when there are too many.
    fn plan_of(&self, id: ClusterId, target: u32) -> Plan {
        let Some(pool) = self.pools.get(&id) else { return Plan { acquire: target, ..Plan::default() } };
        let (target, have) = (target as usize, pool.staying() as usize);
        if have > target {
            let started = |job| self.jobs.get(&job).and_then(|job| job.last.started);
            let staying = self.nodes_of(id).map(|node| &**node).filter(|node| node.state != NodeState::Leaving);
            return plan_less(staying, started, have - target);
        }
        let leaving = pool.these(Standing::Leaving).iter().filter_map(|node| self.nodes.get(node));
        let mut plan = plan_more(leaving.map(|node| &**node), target - have);
        // What is there or asked for is in the forecast until it is given back, so that keeping it takes nothing above a limit;
        // once one is used up, what goes helps, and what stayed could take no job.
        if self.clusters.get(&id).is_some_and(|cluster| held(cluster)) {
            plan.acquire += std::mem::take(&mut plan.come_back).len() as u32;
        }
        plan
    }

    fn ask_for_node(&mut self, cluster: ClusterId) {
        let node = self.new_node(cluster, 0);
        let effect = self.issue(Act::AcquireNode { cluster, node });
        self.edit_node(node, |node| node.effect = Some(effect));
    }

    /// Adds a node that is asked for after the back-off of so many tries.
    pub(super) fn new_node(&mut self, cluster: ClusterId, tries: u32) -> NodeId {
        self.counters.node = self.counters.node.next();
        let id = self.counters.node;
        self.put_node(Arc::new(Node {
            id,
            cluster,
            name: String::new(),
            host: String::new(),
            state: NodeState::Allocating,
            since: self.turn.now,
            reach: Reach::Never,
            holders: Default::default(),
            boot: None,
            facts: None,
            drained: false,
            effect: None,
            tries,
            setup: Default::default(),
            mismatch: None,
            awaited: None,
            machine: String::new(),
            price: Default::default(),
            meter: Default::default(),
            shares: Default::default(),
            expires: None,
            observed: Default::default(),
            wasted: None,
            ends: None,
            notice: None,
        }));
        id
    }

    /// Sends a node away that nothing holds. One that was asked for goes when it comes; one that waits to be asked for
    /// again is forgotten.
    pub(super) fn send_away(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        if node.state == NodeState::Allocating && node.effect.is_none() {
            return self.drop_node(id);
        }
        self.edit_node(id, |node| node.state = NodeState::Leaving);
        self.release_if_free(id);
    }

    fn show_allocation(&mut self, id: ClusterId) {
        let (Some(cluster), Some(pool)) = (self.clusters.get(&id), self.pools.get(&id)) else { return };
        let (target, _) = wanted(cluster);
        let moving = pool.count(Standing::Allocating) + pool.count(Standing::Leaving) > 0;
        let short = pool.staying() < target && gave_up(cluster).is_none() && !cluster.short_of_money;
        let state = match moving || short || pool.staying() > target {
            true => AllocationState::Resizing,
            false => AllocationState::Steady,
        };
        if cluster.allocation != state {
            let now = self.turn.now;
            self.edit_cluster(id, |cluster| {
                cluster.allocation = state;
                cluster.allocation_since = now;
            });
        }
        if state == AllocationState::Steady && self.clusters.get(&id).is_some_and(|cluster| cluster.before.is_some()) {
            self.edit_cluster(id, |cluster| cluster.before = None);
        }
    }

    fn end_cluster(&mut self, id: ClusterId) {
        let (Some(cluster), Some(pool)) = (self.clusters.get(&id), self.pools.get(&id)) else { return };
        if cluster.deleting && pool.nodes.is_empty() && pool.live == 0 {
            let workspace = cluster.workspace;
            self.drop_cluster(id);
            self.end_workspace(workspace);
        }
    }

    /// Says what [`super::Event::ScaleAsked`] would do, by the same planner. `free_hosts`: what the provider could still
    /// give. An unknown cluster gives an empty preview.
    pub fn preview_scale(
        &self,
        id: ClusterId,
        target: NodeCount,
        deallocation: Option<Deallocation>,
        free_hosts: Option<NodeCount>,
    ) -> Preview {
        let (from, own) = match self.clusters.get(&id) {
            Some(cluster) => wanted(cluster),
            None => (0, Deallocation::default()),
        };
        let to = target.min(TARGET_MAX);
        let plan = self.plan_of(id, to.0);
        let price = self.clusters.get(&id).map(|cluster| self.price(cluster)).unwrap_or_default();
        let gone = plan.release_now.iter().chain(plan.release_busy.iter().map(|(node, _)| node));
        let spared: Money = gone.filter_map(|node| self.nodes.get(node)).map(|node| node.price).sum();
        let affordable = self.affordable(id);
        let (rate, change) = (self.committed(id), price.times(plan.acquire) - spared);
        let job_name = |job: &JobId| self.jobs.get(job).map_or_else(|| job.to_string(), |job| job.name.to_string());
        let mut preview = Preview {
            from: NodeCount(from),
            to,
            acquire: NodeCount(plan.acquire),
            free_hosts,
            release_now: plan.release_now,
            release_busy: plan.release_busy.iter().map(|(node, job)| (*node, job_name(job))).collect(),
            deallocation: deallocation.unwrap_or(own),
            rate_before: rate,
            rate_after: Money((rate + change).0.max(0)),
            budget_lasts: self.lasts(id, change),
            affordable: (plan.acquire > affordable).then_some(NodeCount(affordable)),
            line: String::new(),
        };
        preview.line = super::explain::preview_line(&preview, plan.come_back.len());
        let scaling = self.clusters.get(&id).map(|cluster| &cluster.spec.scale_settings);
        if matches!(scaling, Some(ScaleSettings::AutoScale(_))) {
            preview.line.push_str("; auto-scale ends");
        }
        preview
    }
}
