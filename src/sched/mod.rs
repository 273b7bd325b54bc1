//! Layer 1: the scheduler core, a function from (state, time, event) to (state, effects). It does no I/O, knows no
//! clock, no randomness, no hash-map order and no async; it never fails: what could be refused was refused before it
//! became an event.
//!
//! `rows.rs` alone changes rows and keeps what is derived of them; the other files decide. A step handles its event and
//! then settles each cluster that it disturbed: nodes come and go as the target says (`cluster.rs`), jobs are placed
//! (`place.rs`), the head of the queue is told what it waits for (`explain.rs`).
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod ahead;
mod attempt;
mod autoscale;
mod backfill;
mod cleanup;
mod cluster;
mod cost;
mod daemon;
mod depend;
pub mod effect;
pub mod event;
mod explain;
mod file_server;
mod forecast;
mod gate;
mod group;
mod invariants;
mod inventory;
mod job;
mod ledger;
mod node;
mod node_setup;
mod notice;
mod outbox;
mod place;
mod pool;
mod preempt;
mod queue;
mod rows;
mod space;
mod sweep;
#[cfg(test)]
mod tests;
mod timers;
mod unused;
mod verdict;

pub use cluster::TARGET_MAX;
pub use daemon::DAEMONS_MAX;
pub use effect::{Act, DaemonAnswer, Effect};
pub use event::{Event, NewJob, NewMember, NewSweep, Sighting};
pub use file_server::Mounters;
pub use forecast::FORECAST_MAX;
pub use node_setup::NO_JOB;
pub use sweep::AHEAD;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::ids::{
    ClusterId, Counters, EffectId, ExperimentId, FileServerId, GroupId, JobId, NodeId, SweepId, WorkspaceId,
};
use crate::model::settings::Settings;
use crate::model::snapshot::{Change, RowKey};
use crate::model::state::{AfterStop, Cluster, Experiment, FileServer, Job, Node, ResourceGroup, Sweep, Workspace};
use crate::model::units::UnixMillis;
use depend::Waiter;
use gate::Gates;
use node::Got;
use outbox::Outbox;
use pool::Pools;
use queue::JobSet;
use rows::{Record, Turn};
use timers::Timers;

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// To be performed after the commit, in this order.
    pub effects: Vec<Effect>,
    /// Effects that leave the outbox: answered by this event, or overtaken, so that no answer is waited for any more.
    pub closed: Vec<EffectId>,
    /// Rows that changed or are gone.
    pub touched: BTreeSet<RowKey>,
}

/// How often clusters are settled in a step at most, far above what any needs; looked at in debug builds.
const ROUNDS_MAX: u32 = 100_000;

/// The scheduler: all that can still change, and what is derived of it.
#[derive(Clone, Debug)]
pub struct Sched {
    settings: Settings,
    counters: Counters,
    groups: BTreeMap<GroupId, Arc<ResourceGroup>>,
    workspaces: BTreeMap<WorkspaceId, Arc<Workspace>>,
    file_servers: BTreeMap<FileServerId, Arc<FileServer>>,
    clusters: BTreeMap<ClusterId, Arc<Cluster>>,
    nodes: BTreeMap<NodeId, Arc<Node>>,
    experiments: BTreeMap<ExperimentId, Arc<Experiment>>,
    sweeps: BTreeMap<SweepId, Arc<Sweep>>,
    jobs: BTreeMap<JobId, Arc<Job>>,
    outbox: Outbox,
    /// Derived: nodes and queue of each cluster.
    pools: Pools,
    /// Derived: whose each host is.
    hosts: BTreeMap<String, BTreeSet<NodeId>>,
    /// Derived: the jobs in memory of each experiment.
    members: BTreeMap<ExperimentId, JobSet>,
    /// Derived: the caps on running jobs, and what waits behind them.
    gates: Gates,
    /// Derived: how many members of each sweep or array wait.
    sweep_queues: BTreeMap<SweepId, u32>,
    /// Derived: who waits for whom.
    dependents: BTreeMap<JobId, BTreeSet<Waiter>>,
    /// Derived: jobs that have ended.
    over: BTreeSet<JobId>,
    /// Derived: deadlines.
    timers: Timers,
    /// Clusters of which something changed that can matter to the head of the queue.
    stale: BTreeSet<ClusterId>,
    /// The most requeues that any settings of this run have allowed.
    requeues_allowed: u32,
    /// Answers and facts that fit nothing.
    ignored: u64,
    /// How fast the jobs of each cluster go; found out anew by each run.
    paces: BTreeMap<ClusterId, ahead::Pace>,
    /// Steps since all rules were checked on the whole state; debug builds count them.
    unchecked: usize,
    turn: Turn,
}

impl Sched {
    /// Returns an empty scheduler.
    pub fn new(settings: Settings) -> Self {
        Self {
            requeues_allowed: settings.requeues_max,
            settings,
            counters: Counters::default(),
            groups: BTreeMap::new(),
            workspaces: BTreeMap::new(),
            file_servers: BTreeMap::new(),
            clusters: BTreeMap::new(),
            nodes: BTreeMap::new(),
            experiments: BTreeMap::new(),
            sweeps: BTreeMap::new(),
            jobs: BTreeMap::new(),
            outbox: Outbox::default(),
            pools: Pools::new(),
            hosts: BTreeMap::new(),
            members: BTreeMap::new(),
            gates: Gates::new(),
            sweep_queues: BTreeMap::new(),
            dependents: BTreeMap::new(),
            over: BTreeSet::new(),
            timers: Timers::default(),
            stale: BTreeSet::new(),
            ignored: 0,
            paces: BTreeMap::new(),
            unchecked: 0,
            turn: Turn::default(),
        }
    }

    /// Returns the scheduler that had committed these rows and effects. [`Event::Started`] has to follow when links are
    /// down, as after a start of the program.
    pub fn restore(settings: Settings, counters: Counters, rows: Vec<Change>, outbox: &[Effect]) -> Self {
        let mut sched = Self::new(settings);
        sched.counters = counters;
        for row in rows {
            match row {
                Change::Group(row) => sched.put_group(row),
                Change::Workspace(row) => sched.put_workspace(row),
                Change::FileServer(row) => sched.put_file_server(row),
                Change::Cluster(row) => sched.put_cluster(row),
                Change::Node(row) => sched.put_node(row),
                Change::Experiment(row) => sched.put_experiment(row),
                Change::Sweep(row) => sched.put_sweep(row),
                Change::Job(row) => {
                    let decided = u32::from(row.last.after_stop == Some(AfterStop::Requeue));
                    sched.requeues_allowed = sched.requeues_allowed.max(row.requeues + decided);
                    sched.put_job(row);
                }
                Change::Site(_) | Change::Gone(_) => {}
            }
        }
        for effect in outbox {
            sched.outbox.insert(effect);
        }
        for id in sched.nodes.keys().copied().collect::<Vec<_>>() {
            // What is held is known once the jobs are.
            sched.respace(id);
            sched.know_payers(id);
            for (job, _) in sched.nodes.get(&id).map(|node| node.holders.clone()).unwrap_or_default() {
                sched.time_job(job);
            }
        }
        // A map that was filled in order has nodes that are half full; made of all at once it has full ones.
        sched.jobs = std::mem::take(&mut sched.jobs).into_iter().collect();
        // What was committed was settled.
        sched.turn = Turn::default();
        sched.stale.clear();
        sched
    }

    /// Takes one fact in and says what follows. Every event is legal in every state; one that fits nothing (an answer to
    /// an effect that is unknown or finished, a thing that is gone) changes nothing and is counted.
    ///
    /// # Panics
    /// With the name of the rule, when the state breaks one (checked in debug builds).
    pub fn step(&mut self, now: UnixMillis, event: Event) -> Step {
        self.turn = Turn { now, ..Turn::default() };
        self.take_in(event);
        self.settle_all();
        let step = std::mem::take(&mut self.turn.step);
        if cfg!(debug_assertions) {
            self.check_step(&step);
            self.check_in_turn();
        }
        step
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Started => self.on_started(),
            Event::SettingsChanged { settings } => self.on_settings(settings),
            Event::GroupCreated { name } => self.on_group_created(name),
            Event::GroupDeleteAsked { group } => self.on_group_delete(group),
            Event::FileServerCreated { workspace, name, spec } => self.on_file_server_created(workspace, name, spec),
            Event::FileServerDeleteAsked { file_server, force } => self.on_file_server_delete(file_server, force),
            Event::FileServerAnswered { effect, outcome } => self.on_file_server_answered(effect, outcome),
            Event::WorkspaceCreated { group, name, location, tags } => {
                self.on_workspace_created(group, name, location, tags);
            }
            Event::WorkspaceTagged { workspace, tags } => self.on_workspace_tagged(workspace, tags),
            Event::WorkspaceDeleteAsked { workspace } => self.on_workspace_delete(workspace),
            Event::ExperimentCreated { workspace, name } => self.on_experiment_created(workspace, name),
            Event::ExperimentDeleteAsked { experiment } => self.on_experiment_delete(experiment),
            Event::ExperimentCapped { experiment, running_max } => self.on_experiment_capped(experiment, running_max),
            Event::ClusterCreated { workspace, name, uuid, spec } => self.on_cluster_created(workspace, name, uuid, spec),
            Event::ClusterDeleteAsked { cluster } => self.on_cluster_delete(cluster),
            Event::ScaleAsked { cluster, target, deallocation } => self.on_scale(cluster, target, deallocation),
            Event::ScaleTakenBack { cluster } => self.on_scale_taken_back(cluster),
            Event::AutoScaleAsked { cluster, auto } => self.on_auto_scale(cluster, auto),
            Event::JobsSubmitted { jobs } => self.on_submitted(jobs),
            Event::SweepCreated { sweep } => self.on_sweep_created(sweep),
            Event::SweepExpanded { effect, sweep, members } => self.on_sweep_expanded(effect, sweep, members),
            Event::SweepExtended { sweep, spec, count } => self.on_sweep_extended(sweep, spec, count),
            Event::SweepTrimmed { sweep, keep } => self.on_sweep_trimmed(sweep, keep),
            Event::SweepStopped { sweep } => self.on_sweep_stopped(sweep),
            Event::SweepHeld { sweep, held } => self.on_sweep_held(sweep, held),
            Event::SweepPriority { sweep, priority } => self.on_sweep_priority(sweep, priority),
            Event::StoppedEarly { job, why } => self.on_stopped_early(job, &why),
            Event::RuleFired { job, node, fired } => self.on_rule_fired(job, node, fired),
            Event::SweepDeleted { sweep } => self.on_sweep_deleted(sweep),
            Event::TerminateAsked { job, until } => self.on_terminate(job, until),
            Event::TerminateTakenBack { job } => self.on_taken_back(job),
            Event::RetryAsked { job } => self.on_retry(job),
            Event::DeleteAsked { job } => self.on_delete(job),
            Event::EndedJobDeleted { job } => self.on_ended_deleted(&job),
            Event::HoldAsked { job } => self.on_hold(job, true),
            Event::ReleaseAsked { job } => self.on_hold(job, false),
            Event::PriorityAsked { job, priority } => self.on_priority(job, priority),
            Event::PrepareAsked { node } => self.on_prepare(node),
            Event::ReplaceAsked { node } => self.on_replace(node),
            Event::DrainAsked { node } => self.on_drain(node, true),
            Event::UndrainAsked { node } => self.on_drain(node, false),
            Event::DeclaredDead { node, by } => self.on_declared_dead(node, by),
            Event::NodeAcquired { effect, name, host, machine, price } => {
                self.on_acquired(effect, Got { name, host, machine, price });
            }
            Event::AcquireFailed { effect, code, message } => self.on_acquire_failed(effect, code, message),
            Event::NodeUp { node, effect, boot, facts, inventory } => self.on_up(node, effect, boot, *facts, inventory),
            Event::NodeDown { node, why, retry_in } => self.on_down(node, why, retry_in),
            Event::LogsKept { effect, kept: _ } => self.on_logs_kept(effect),
            Event::NodeReleased { effect } => self.on_released(effect),
            Event::ReleaseFailed { effect, code, message } => self.on_release_failed(effect, code, message),
            Event::BudgetSet { cluster, workspace, budget } => self.on_budget(cluster, workspace, budget),
            Event::KeptAwake { cluster, until } => self.on_kept_awake(cluster, until),
            Event::ResumeAsked { cluster } => self.on_resume(cluster),
            Event::HostsChanged { cluster, hosts } => self.on_hosts(cluster, hosts),
            Event::NodeGone { node } => self.on_gone(node),
            Event::NodeMeasured { node, observed } => self.on_measured(node, observed),
            Event::NodeAwaited { node, why } => self.on_awaited(node, why),
            Event::NodeEnds { node, ends } => self.on_ends(node, ends),
            Event::NodeNoticed { node, notice } => self.on_noticed(node, notice),
            Event::RankStarted { effect, key } => self.on_rank_started(effect, key),
            Event::RankGone { key, effect, proof } => self.on_rank_gone(key, effect, proof),
            Event::RankStuck { key, why } => self.on_rank_stuck(key, why),
            Event::JobTold { key, away } => self.on_told(key, away),
            Event::DaemonAsked { by, request, node_index, command } => {
                self.on_daemon_asked(by, request, node_index, command);
            }
            Event::EffectDone { effect } => self.on_done(effect),
            Event::Deadline => self.on_deadline(),
        }
    }

    /// Settles until nothing is disturbed any more. Each round either changes a row for good (a node is asked for,
    /// released or given to a job) or is the last.
    fn settle_all(&mut self) {
        let mut rounds: u32 = 0;
        loop {
            if let Some((job, became)) = self.turn.became.pop_first() {
                self.tell_dependents(job, became);
            } else if let Some(cluster) = self.turn.dirty.pop_first() {
                // One that stirs up again what it settled would never end.
                rounds = rounds.saturating_add(1);
                debug_assert!(rounds < ROUNDS_MAX, "broken rule: a step settles: {cluster}");
                self.settle(cluster);
            } else if let Some(sweep) = self.turn.sweeps.pop_first() {
                self.settle_sweep(sweep);
            } else {
                return;
            }
        }
    }

    fn on_started(&mut self) {
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.lose_sight(id);
        }
        self.close_orphans();
        self.close_lost_gaps();
        self.try_capacity_again();
        for cluster in self.clusters.keys().copied().collect::<Vec<_>>() {
            self.disturb(cluster);
        }
    }

    /// Closes effects to nodes that are gone: a store that was restored may have some.
    fn close_orphans(&mut self) {
        let orphans: Vec<_> = self
            .outbox
            .iter()
            .filter(|(_, act)| act.node().is_some_and(|node| !self.nodes.contains_key(&node)))
            .map(|(id, _)| id)
            .collect();
        for id in orphans {
            self.close(id);
        }
    }

    fn on_settings(&mut self, settings: Settings) {
        self.requeues_allowed = self.requeues_allowed.max(settings.requeues_max);
        self.settings = settings;
        self.time_all();
        self.try_capacity_again();
    }

    fn on_done(&mut self, effect: EffectId) {
        match self.outbox.get(effect) {
            Some(Act::AckGone { .. } | Act::AnswerDaemon { .. } | Act::Notify { .. }) => drop(self.close(effect)),
            Some(Act::RecallRank { key, .. }) => {
                let job = key.job;
                self.close(effect);
                self.time_line(job);
            }
            Some(
                Act::AcquireNode { .. }
                | Act::PrepareNode { .. }
                | Act::KeepLogs { .. }
                | Act::ReleaseNode { .. }
                | Act::StartRank { .. }
                | Act::StopRank { .. }
                | Act::SetUpServer { .. }
                | Act::UndoServer { .. }
                | Act::ExpandSweep { .. },
            )
            | None => self.ignore(),
        }
    }

    /// Counts a fact that fits nothing.
    fn ignore(&mut self) {
        self.ignored += 1;
    }

    /// Returns how many events fitted nothing since the start.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Drops ended jobs from memory, to be called after the commit; returns which.
    pub fn retire(&mut self) -> Vec<JobId> {
        let over: Vec<_> = self.over.iter().copied().collect();
        for id in &over {
            self.drop_job(*id, Record::Kept);
        }
        self.turn.dirty.clear();
        over
    }

    /// Returns a row as it is now; `None` when it is gone.
    pub fn row(&self, key: RowKey) -> Option<Change> {
        match key {
            RowKey::Group(id) => self.groups.get(&id).cloned().map(Change::Group),
            RowKey::FileServer(id) => self.file_servers.get(&id).cloned().map(Change::FileServer),
            RowKey::Workspace(id) => self.workspaces.get(&id).cloned().map(Change::Workspace),
            RowKey::Cluster(id) => self.clusters.get(&id).cloned().map(Change::Cluster),
            RowKey::Node(id) => self.nodes.get(&id).cloned().map(Change::Node),
            RowKey::Experiment(id) => self.experiments.get(&id).cloned().map(Change::Experiment),
            RowKey::Sweep(id) => self.sweeps.get(&id).cloned().map(Change::Sweep),
            RowKey::Job(id) => self.jobs.get(&id).cloned().map(Change::Job),
            RowKey::Site(_) => None,
        }
    }

    /// Returns the settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the last number of each kind.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns all resource groups but the one that is always there.
    pub fn groups(&self) -> &BTreeMap<GroupId, Arc<ResourceGroup>> {
        &self.groups
    }

    /// Returns all sweeps, and the arrays of which not all members have come up.
    pub fn sweeps(&self) -> &BTreeMap<SweepId, Arc<Sweep>> {
        &self.sweeps
    }

    /// Returns all file servers.
    pub fn file_servers(&self) -> &BTreeMap<FileServerId, Arc<FileServer>> {
        &self.file_servers
    }

    /// Returns all workspaces.
    pub fn workspaces(&self) -> &BTreeMap<WorkspaceId, Arc<Workspace>> {
        &self.workspaces
    }

    /// Returns all clusters.
    pub fn clusters(&self) -> &BTreeMap<ClusterId, Arc<Cluster>> {
        &self.clusters
    }

    /// Returns all nodes.
    pub fn nodes(&self) -> &BTreeMap<NodeId, Arc<Node>> {
        &self.nodes
    }

    /// Returns all experiments.
    pub fn experiments(&self) -> &BTreeMap<ExperimentId, Arc<Experiment>> {
        &self.experiments
    }

    /// Returns all jobs in memory: the live ones, and those that ended since [`Sched::retire`].
    pub fn jobs(&self) -> &BTreeMap<JobId, Arc<Job>> {
        &self.jobs
    }

    /// Returns the nodes of one cluster.
    pub fn nodes_of(&self, cluster: ClusterId) -> impl Iterator<Item = &Arc<Node>> {
        self.pools.get(&cluster).into_iter().flat_map(|pool| &pool.nodes).filter_map(|id| self.nodes.get(id))
    }

    /// Returns how many jobs of a cluster have not ended.
    pub fn live_jobs_of(&self, cluster: ClusterId) -> usize {
        self.pools.get(&cluster).map_or(0, |pool| pool.live as usize)
    }

    /// Returns the outstanding effects, in the order of their issue.
    pub fn outbox(&self) -> impl Iterator<Item = Effect> {
        self.outbox.iter().map(|(id, act)| Effect { id, act: act.clone() })
    }
}
