//! The only place that changes rows, issues effects and closes them. Each change tells the step and keeps the indices,
//! which are therefore always what [`super::Sched::restore`] would derive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cost::payers;
use super::depend::{Became, Waiter, waited_for};
use super::effect::{Act, Effect};
use super::gate::on_nodes;
use super::pool::{JobKeys, NodeKeys, Standing};
use super::sweep::waits_of;
use super::timers::{Timer, node_deadline};
use super::{Sched, Step};
use crate::model::cost::{Use, share_out};
use crate::model::guard::guard;
use crate::model::ids::{ClusterId, EffectId, ExperimentId, FileServerId, GroupId, JobId, NodeId, SweepId, WorkspaceId};
use crate::model::snapshot::RowKey;
use crate::model::state::{
    Cap, Cluster, ExecutionState, Experiment, FileServer, Job, Node, NodeState, Provisioning, ResourceGroup, Tally,
    Unusable, Workspace,
};
use crate::model::units::UnixMillis;

/// What the running step has done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// The step's time.
    pub(super) now: UnixMillis,
    /// What it gives.
    pub(super) step: Step,
    /// Clusters whose nodes or queue changed, to be settled before the step ends.
    pub(super) dirty: BTreeSet<ClusterId>,
    /// Clusters whose queue changed.
    pub(super) fresh: BTreeSet<ClusterId>,
    /// Jobs that began on their nodes, behind which others may be sent ahead.
    pub(super) fronts: BTreeSet<(ClusterId, JobId)>,
    /// Sweeps that may need their next members.
    pub(super) sweeps: BTreeSet<SweepId>,
    /// What became of jobs that others wait for, and are still to be told.
    pub(super) became: BTreeMap<JobId, Became>,
}

impl Sched {
    fn key_job(&mut self, id: JobId, caps: &[(Cap, u32)], before: Option<JobKeys>, after: Option<JobKeys>) {
        if before == after {
            return;
        }
        let ends = |keys: &Option<JobKeys>| keys.and_then(|keys| Some((keys.cluster, keys.ends?)));
        if ends(&before) != ends(&after) {
            if let Some((cluster, end)) = ends(&before).filter(|_| guard("pool.ends-once")) {
                self.pools.entry(cluster).or_default().ends.remove(&(end, id));
            }
            if let Some((cluster, end)) = ends(&after) {
                self.pools.entry(cluster).or_default().ends.insert((end, id));
            }
            // That its first process began moves its end by the time that took, and nothing else.
            if before.map(|keys| JobKeys { ends: None, ..keys }) == after.map(|keys| JobKeys { ends: None, ..keys }) {
                return;
            }
        }
        let stays = before.and_then(|keys| keys.place) == after.and_then(|keys| keys.place);
        let moves = !caps.is_empty() || !stays;
        if let Some(keys) = before {
            if let Some(pool) = self.pools.get_mut(&keys.cluster) {
                pool.waiting -= u64::from(keys.queued && guard("pool.waits-no-more"));
                pool.live -= u64::from(!keys.state.ended());
                pool.placed.remove(&id);
                if let Some(before) = keys.behind {
                    pool.behind.remove(&before);
                }
            }
            if let Some(place) = keys.place.filter(|_| moves) {
                self.leave(caps, keys.cluster, place);
            }
            if guard("job.lives-again") {
                self.over.remove(&id);
            }
            self.turn.dirty.insert(keys.cluster);
        }
        let running = |keys: &Option<JobKeys>| keys.as_ref().is_some_and(|keys| on_nodes(keys.state));
        self.count_running(caps, running(&before), running(&after));
        if let Some(keys) = after {
            if keys.state.ended() {
                self.over.insert(id);
            } else {
                let pool = self.pools.entry(keys.cluster).or_default();
                pool.waiting += u64::from(keys.queued);
                pool.live += 1;
                if on_nodes(keys.state) {
                    pool.placed.insert(id);
                }
                if let Some(before) = keys.behind {
                    pool.behind.insert(before, id);
                }
            }
            if let Some(place) = keys.place.filter(|_| moves) {
                self.enter(keys.cluster, place);
            }
            self.turn.dirty.insert(keys.cluster);
        }
        self.time_job(id);
    }

    fn key_node(&mut self, id: NodeId, before: Option<NodeKeys>, after: Option<NodeKeys>) {
        if before == after {
            return;
        }
        if let Some(keys) = &before {
            self.pools.entry(keys.cluster).or_default().leave(id, keys);
        }
        if let Some(keys) = &after {
            self.pools.entry(keys.cluster).or_default().enter(id, keys);
        }
        self.timers.set(Timer::Node(id), after.as_ref().and_then(|keys| keys.deadline));
        let lost = [&before, &after].into_iter().flatten().any(|keys| keys.lost_since.is_some());
        for keys in [&before, &after].into_iter().flatten() {
            self.disturb(keys.cluster);
            for (job, _) in keys.holders.iter().filter(|_| lost && guard("job.minds-its-nodes")) {
                self.time_job(*job);
            }
        }
        let unusable = |keys: &NodeKeys| keys.standing == Standing::Unusable;
        if let Some(keys) = before.as_ref().filter(|keys| unusable(keys) && !after.as_ref().is_some_and(unusable)) {
            self.forgive(keys.cluster, id);
        }
    }

    /// Sets the deadline of a job as its row and its nodes say now.
    pub(super) fn time_job(&mut self, id: JobId) {
        let at = self.jobs.get(&id).and_then(|job| self.job_deadline(job));
        self.timers.set(Timer::Job(id), at);
    }

    /// Sets all deadlines anew, for changed settings.
    pub(super) fn time_all(&mut self) {
        let nodes: Vec<_> = self.nodes.values().map(|node| (node.id, node_deadline(node, &self.settings))).collect();
        for (id, at) in nodes {
            self.timers.set(Timer::Node(id), at);
        }
        let jobs: BTreeSet<_> = self.nodes.values().flat_map(|node| &node.holders).map(|(job, _)| *job).collect();
        for job in jobs {
            self.time_job(job);
        }
    }

    /// Has the cluster settled before the step ends, with a fresh look at its queue.
    pub(super) fn disturb(&mut self, cluster: ClusterId) {
        self.stale.insert(cluster);
        self.turn.dirty.insert(cluster);
    }

    pub(super) fn touch(&mut self, key: RowKey) {
        self.turn.step.touched.insert(key);
    }

    /// Adds an effect to the outbox and the step.
    pub(super) fn issue(&mut self, act: Act) -> EffectId {
        self.counters.effect = self.counters.effect.next();
        let effect = Effect { id: self.counters.effect, act };
        self.outbox.insert(&effect);
        self.turn.step.effects.push(effect);
        self.counters.effect
    }

    /// Takes an effect out of the outbox. One issued in this very step was never performed and is just forgotten.
    pub(super) fn close(&mut self, id: EffectId) -> Option<Act> {
        let act = self.outbox.remove(id)?;
        let issued = &mut self.turn.step.effects;
        match issued.iter().rposition(|effect| effect.id == id) {
            Some(at) if guard("effect.undone-is-forgotten") => drop(issued.remove(at)),
            Some(_) => {}
            None => self.turn.step.closed.push(id),
        }
        Some(act)
    }

    /// Changes a workspace.
    pub(super) fn edit_workspace(&mut self, id: WorkspaceId, change: impl FnOnce(&mut Workspace)) {
        let Some(row) = self.workspaces.get_mut(&id) else { return };
        change(Arc::make_mut(row));
        self.touch(RowKey::Workspace(id));
        self.time_workspace(id);
    }

    /// Changes an experiment.
    pub(super) fn edit_experiment(&mut self, id: ExperimentId, change: impl FnOnce(&mut Experiment)) {
        let Some(row) = self.experiments.get_mut(&id) else { return };
        change(Arc::make_mut(row));
        self.touch(RowKey::Experiment(id));
    }

    /// Changes a cluster. The caller disturbs it when that matters to its nodes or queue.
    pub(super) fn edit_cluster(&mut self, id: ClusterId, change: impl FnOnce(&mut Cluster)) {
        let Some(row) = self.clusters.get_mut(&id) else { return };
        change(Arc::make_mut(row));
        self.touch(RowKey::Cluster(id));
        self.time_cluster(id);
    }

    /// Changes a node; its `since` follows its state.
    pub(super) fn edit_node(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        let Some(row) = self.nodes.get_mut(&id) else { return };
        let before = NodeKeys::of(row, &self.settings);
        let (word, used) = (row.state.word(), Use::of(row));
        let now = self.turn.now;
        let node = Arc::make_mut(row);
        change(node);
        if node.state.word() != word {
            node.since = now;
        }
        if used != Use::of(node) {
            node.meter.advance(used, now);
        }
        let mut bill = Vec::new();
        if !payers(node, &self.jobs).eq(node.shares.keys().copied()) {
            let payers = payers(node, &self.jobs).collect();
            bill = share_out(node, payers, now);
        }
        let after = NodeKeys::of(node, &self.settings);
        self.touch(RowKey::Node(id));
        self.respace(id);
        self.key_node(id, Some(before), Some(after));
        for (job, cost) in bill {
            self.charge(job, cost);
        }
    }

    /// Changes a job; its `since` and its experiment's tally follow its state.
    pub(super) fn edit_job(&mut self, id: JobId, change: impl FnOnce(&mut Job)) {
        let now = self.turn.now;
        let Some(row) = self.jobs.get_mut(&id) else { return };
        let (before, waited, filled, was) = (JobKeys::of(row), waited_for(row), waits_of(row), row.state);
        let job = Arc::make_mut(row);
        change(job);
        job.last.tidy();
        if job.state != was {
            job.since = now;
        }
        let (after, waits, fills, is) = (JobKeys::of(job), waited_for(job), waits_of(job), job.state);
        let experiment = job.experiment;
        self.touch(RowKey::Job(id));
        self.key_sweep(filled, fills);
        self.key_dependencies(Waiter::Job(id), &waited, &waits);
        let caps = self.caps_of(id);
        self.key_job(id, &caps, Some(before), Some(after));
        if after.behind.is_some() {
            self.time_line(id);
        }
        if was != is {
            self.count(experiment, Some(was), Some(is));
            if let Some(became) = Became::of(is) {
                self.note_became(id, became);
            }
        }
    }

    /// Counts a job into, out of, or from state to state in its experiment.
    pub(super) fn count(&mut self, id: ExperimentId, from: Option<ExecutionState>, to: Option<ExecutionState>) {
        let one = |tally: &mut Tally| {
            if let Some(from) = from.filter(|_| guard("tally.leaves-its-state")) {
                let counter = tally.of(from);
                *counter = counter.saturating_sub(1);
            }
            if let Some(to) = to {
                *tally.of(to) += 1;
            }
        };
        self.edit_experiment(id, |experiment| one(&mut experiment.tally));
    }

    /// Adds a resource group, or puts a loaded one back.
    pub(super) fn put_group(&mut self, row: Arc<ResourceGroup>) {
        self.touch(RowKey::Group(row.id));
        self.groups.insert(row.id, row);
    }

    /// Marks a resource group as on its way out.
    pub(super) fn leave_group(&mut self, id: GroupId) {
        let now = self.turn.now;
        if let Some(row) = self.groups.get_mut(&id) {
            Arc::make_mut(row).deleting_since = Some(now);
            self.touch(RowKey::Group(id));
        }
    }

    /// Removes a resource group, which has to be empty.
    pub(super) fn drop_group(&mut self, id: GroupId) {
        self.groups.remove(&id);
        self.touch(RowKey::Group(id));
    }

    /// Adds a file server, or puts a loaded one back.
    pub(super) fn put_file_server(&mut self, row: Arc<FileServer>) {
        self.touch(RowKey::FileServer(row.id));
        self.file_servers.insert(row.id, row);
    }

    /// Marks a file server as on its way out.
    pub(super) fn leave_file_server(&mut self, id: FileServerId) {
        let now = self.turn.now;
        if let Some(row) = self.file_servers.get_mut(&id) {
            let row = Arc::make_mut(row);
            (row.provisioning, row.provisioning_since) = (Provisioning::Deleting, now);
            self.touch(RowKey::FileServer(id));
        }
    }

    /// Removes a file server.
    pub(super) fn drop_file_server(&mut self, id: FileServerId) {
        self.file_servers.remove(&id);
        self.touch(RowKey::FileServer(id));
    }

    /// Adds a workspace, or puts a loaded one back.
    pub(super) fn put_workspace(&mut self, row: Arc<Workspace>) {
        self.touch(RowKey::Workspace(row.id));
        let id = row.id;
        self.workspaces.insert(id, row);
        self.time_workspace(id);
    }

    /// Adds an experiment, or puts a loaded one back.
    pub(super) fn put_experiment(&mut self, row: Arc<Experiment>) {
        self.touch(RowKey::Experiment(row.id));
        // What was loaded before it did not know its cap.
        let id = row.id;
        self.recap(id, |sched| drop(sched.experiments.insert(id, row)));
    }

    /// Adds a cluster, or puts a loaded one back.
    pub(super) fn put_cluster(&mut self, row: Arc<Cluster>) {
        self.touch(RowKey::Cluster(row.id));
        self.disturb(row.id);
        self.pools.entry(row.id).or_default();
        let id = row.id;
        self.clusters.insert(id, row);
        self.time_cluster(id);
    }

    /// Adds a node, or puts a loaded one back.
    pub(super) fn put_node(&mut self, row: Arc<Node>) {
        let (id, keys) = (row.id, NodeKeys::of(&row, &self.settings));
        self.touch(RowKey::Node(id));
        self.key_host(id, Some(&row.host));
        self.nodes.insert(id, row);
        self.respace(id);
        self.key_node(id, None, Some(keys));
    }

    /// Has it known that a node has this host from now on, or none.
    pub(super) fn key_host(&mut self, id: NodeId, host: Option<&str>) {
        let before = self.nodes.get(&id).map(|node| node.host.as_str());
        if let Some(before) = before
            && let Some(of) = self.hosts.get_mut(before)
        {
            of.remove(&id);
            if of.is_empty() {
                self.hosts.remove(before);
            }
        }
        // A node that is asked for has none yet.
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            self.hosts.entry(host.to_owned()).or_default().insert(id);
        }
    }

    /// Adds a job, or puts a loaded one back. Its experiment's tally is the caller's.
    pub(super) fn put_job(&mut self, row: Arc<Job>) {
        let (id, keys, waits) = (row.id, JobKeys::of(&row), waited_for(&row));
        self.touch(RowKey::Job(id));
        self.members.entry(row.experiment).or_default().insert(id);
        self.key_sweep(None, waits_of(&row));
        self.jobs.insert(id, row);
        self.key_dependencies(Waiter::Job(id), &BTreeSet::new(), &waits);
        let caps = self.caps_of(id);
        self.key_job(id, &caps, None, Some(keys));
    }

    /// Removes a workspace, which has to be empty.
    pub(super) fn drop_workspace(&mut self, id: WorkspaceId) {
        self.workspaces.remove(&id);
        self.time_workspace(id);
        self.touch(RowKey::Workspace(id));
    }

    /// Removes an experiment, which has no live job. The store removes its ended jobs with it.
    pub(super) fn drop_experiment(&mut self, id: ExperimentId) {
        let sweeps: Vec<_> = self.sweeps.values().filter(|sweep| sweep.experiment == id).map(|sweep| sweep.id).collect();
        for sweep in sweeps {
            self.drop_sweep(sweep);
        }
        self.experiments.remove(&id);
        self.members.remove(&id);
        self.touch(RowKey::Experiment(id));
    }

    /// Removes a cluster, which has neither nodes nor live jobs.
    pub(super) fn drop_cluster(&mut self, id: ClusterId) {
        if let Some(gone) = self.clusters.remove(&id).filter(|gone| !gone.spent.is_nothing()) {
            self.edit_workspace(gone.workspace, |workspace| workspace.spent = workspace.spent.and(gone.spent));
        }
        self.time_cluster(id);
        self.pools.remove(&id);
        self.stale.remove(&id);
        self.touch(RowKey::Cluster(id));
    }

    /// Removes a node and all orders to it.
    pub(super) fn drop_node(&mut self, id: NodeId) {
        let Some(row) = self.nodes.get(&id).cloned() else { return };
        let before = NodeKeys::of(&row, &self.settings);
        if row.state == NodeState::Leaving && row.tries > 0 {
            self.forgive(before.cluster, id);
        }
        for effect in self.outbox.of_node(id).into_iter().filter(|_| guard("node.orders-go-with-it")) {
            self.close(effect);
        }
        self.key_host(id, None);
        self.nodes.remove(&id);
        if let Some(pool) = self.pools.get_mut(&before.cluster).filter(|_| guard("pool.gone-has-no-room")) {
            pool.space.remove(id);
        }
        self.settle_account(&row);
        self.touch(RowKey::Node(id));
        self.key_node(id, Some(before), None);
    }

    /// Removes a job from memory; with `record`, its row and its place in the tally too.
    pub(super) fn drop_job(&mut self, id: JobId, record: Record) {
        let caps = self.caps_of(id);
        let Some(row) = self.jobs.get(&id).cloned() else { return };
        self.key_sweep(waits_of(&row), None);
        self.key_dependencies(Waiter::Job(id), &waited_for(&row), &BTreeSet::new());
        if let Some(members) = self.members.get_mut(&row.experiment) {
            if guard("experiment.forgets") {
                members.remove(id);
            }
            if members.is_empty() {
                self.members.remove(&row.experiment);
            }
        }
        // What it asks for is looked up there until it has left its queue.
        self.key_job(id, &caps, Some(JobKeys::of(&row)), None);
        self.jobs.remove(&id);
        self.time_job(id);
        match record {
            Record::Kept => {}
            Record::Removed => {
                self.touch(RowKey::Job(id));
                self.count(row.experiment, Some(row.state), None);
            }
        }
    }

    /// Returns the name of a node for a sentence, also of one without a name yet.
    pub(super) fn node_name(&self, id: NodeId) -> String {
        match self.nodes.get(&id) {
            Some(node) if !node.name.is_empty() => node.name.clone(),
            _ => id.to_string(),
        }
    }

    /// Makes a node unusable, or changes why it is, and lists that at its cluster.
    pub(super) fn make_unusable(&mut self, id: NodeId, why: Unusable) {
        let Some(node) = self.nodes.get(&id) else { return };
        if matches!(&node.state, NodeState::Unusable(now) if *now == why) {
            return;
        }
        let cluster = node.cluster;
        self.edit_node(id, |node| node.state = NodeState::Unusable(why.clone()));
        self.blame(cluster, id, &why);
        self.disturb(cluster);
    }
}

/// Whether the store keeps a job that leaves memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// It does.
    Kept,
    /// It is deleted.
    Removed,
}
