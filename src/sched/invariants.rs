//! Named rules over the whole state. [`Sched::check`] looks at all of it; a debug build looks after each step at what
//! the step touched, which costs no more than the step, and at the whole as often as that costs a step no more than a
//! small state would: after every step of a small one, after some of a large one.
//!
//! The numbers are those of the project's list of invariants; rules without one are the core's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cluster::{gave_up, wanted};
use super::cost::payers;
use super::effect::Act;
use super::node_setup::NO_JOB;
use super::place::need_of;
use super::pool::Standing;
use super::queue::JobSet;
use super::verdict::NEVER_LAUNCHED;
use super::{Sched, Step};
use crate::model::cost;
use crate::model::ids::{ClusterId, EffectId, JobId, Rank, RankKey, RankRole};
use crate::model::snapshot::Change;
use crate::model::spec::{Deallocation, ScaleSettings};
use crate::model::state::{
    AllocationState, Cluster, ExecutionState, FileServer, Job, Node, NodeState, Proof, QueueHead, RankRun, RankState, Reach,
    Sweep,
};
use crate::model::units::Money;

/// Asserts a rule by its name.
macro_rules! rule {
    ($holds:expr, $name:literal, $what:expr) => {
        assert!($holds, concat!("broken rule: ", $name, ": {:?}"), $what)
    };
}

/// Up to so many jobs and nodes a state is checked as a whole after every step; one of ten times as many after every tenth.
const SMALL: usize = 40;

impl Sched {
    /// Counts a step, and checks every rule on the whole state when it is time for it.
    pub(super) fn check_in_turn(&mut self) {
        self.unchecked += 1;
        if self.unchecked * SMALL >= self.jobs.len() + self.nodes.len() {
            self.check();
            self.unchecked = 0;
        }
    }

    /// Checks every rule on the whole state.
    ///
    /// # Panics
    /// With the name of a broken rule.
    pub fn check(&self) {
        for job in self.jobs.values() {
            self.check_job(job);
        }
        for node in self.nodes.values() {
            self.check_node(node);
        }
        for (id, act) in self.outbox.iter() {
            self.check_effect(id, act);
        }
        for id in self.clusters.keys() {
            self.check_cluster(*id);
        }
        for server in self.file_servers.values() {
            self.check_file_server(server);
        }
        for sweep in self.sweeps.values() {
            self.check_sweep(sweep);
        }
        self.check_tallies();
        self.check_derived();
        rule!(self.stale.is_empty(), "a step leaves nothing unsettled", &self.stale);
    }

    /// Checks what a step did.
    pub(super) fn check_step(&self, step: &Step) {
        let mut last = EffectId(0);
        for effect in &step.effects {
            rule!(effect.id > last && effect.id <= self.counters.effect, "I10 effects are numbered in order", effect);
            rule!(self.outbox.get(effect.id) == Some(&effect.act), "I10 what is to be done stands in the outbox", effect);
            self.check_effect(effect.id, &effect.act);
            last = effect.id;
        }
        for id in &step.closed {
            rule!(self.outbox.get(*id).is_none(), "a closed effect is out of the outbox", id);
        }
        for key in &step.touched {
            match self.row(*key) {
                Some(Change::Job(job)) => self.check_job(&job),
                Some(Change::Node(node)) => self.check_node(&node),
                Some(Change::Cluster(cluster)) => self.check_cluster(cluster.id),
                Some(Change::FileServer(server)) => self.check_file_server(&server),
                Some(Change::Sweep(sweep)) => self.check_sweep(&sweep),
                Some(
                    Change::Group(_) | Change::Workspace(_) | Change::Experiment(_) | Change::Site(_) | Change::Gone(_),
                )
                | None => {}
            }
        }
    }

    fn check_sweep(&self, sweep: &Sweep) {
        rule!(sweep.id <= self.counters.sweep, "ids come from the counters", sweep);
        rule!(self.experiments.contains_key(&sweep.experiment), "a sweep is in an experiment", sweep);
        let up = |index: u32| sweep.job_of(index).is_none_or(|job| self.jobs.contains_key(&job) || job > self.counters.job);
        // Of a large sweep the first few: those come up next.
        let twice = sweep.left.iter().take(super::AHEAD as usize).find(|index| up(*index));
        rule!(twice.is_none(), "a member is a job or has not come up", (sweep, twice));
        let asked = sweep.expanding.map(|effect| self.outbox.get(effect));
        rule!(asked.is_none_or(|act| act.is_some()), "what brings members up is outstanding", sweep);
        let waiting = self.sweep_queues.get(&sweep.id).copied().unwrap_or_default();
        let starved = waiting == 0 && !sweep.held && !sweep.left.is_empty() && sweep.expanding.is_none();
        rule!(!starved, "members come up while there are some", sweep);
        rule!(!sweep.is_array() || !sweep.left.is_empty(), "an array goes when all its members have come up", sweep);
    }

    fn check_file_server(&self, server: &FileServer) {
        rule!(self.workspaces.contains_key(&server.workspace), "a file server is in a workspace", server);
        rule!(server.id <= self.counters.file_server, "ids come from the counters", server);
    }

    fn check_job(&self, job: &Job) {
        let live: Vec<_> = job.live_ranks().collect();
        rule!(job.id <= self.counters.job, "ids come from the counters", job);
        rule!(job.last.away.is_none() || job.shape.handed, "only what is handed over is placed by others", job);
        if let Some(before) = job.last.behind {
            let before = self.jobs.get(&before).filter(|before| before.cluster == job.cluster);
            let there = before.is_some_and(|before| !before.state.ended() && before.last.nodes == job.last.nodes);
            let waits = matches!(job.state, ExecutionState::Queued | ExecutionState::Terminating);
            rule!(there && waits, "who is sent ahead waits behind one that is there", job);
        }
        match job.course() {
            ExecutionState::Queued => {
                rule!(live.is_empty() && job.last.after_stop.is_none(), "I01 a waiting job has no process", job);
                let unmet = job.dependencies.iter().filter(|dependency| !dependency.met);
                let may_come = |other: JobId| match self.jobs.get(&other) {
                    Some(other) => !other.state.ended(),
                    None => self.is_to_come(other),
                };
                rule!(unmet.map(|d| d.job).all(may_come), "what is waited for may still come", job);
            }
            ExecutionState::Running | ExecutionState::Terminating => {
                rule!(job.dependencies.iter().all(|dependency| dependency.met), "a job comes after its dependencies", job);
                rule!(job.pause.is_none(), "a job does not begin before its time", job);
                rule!(!job.held, "a held job does not begin", job);
                let whole = job.shape.handed || job.last.nodes.len() == need_of(job);
                rule!(whole, "I09 a job gets all its nodes or none", job);
                self.check_caps(job);
                rule!(!live.is_empty(), "a job without processes has ended or waits", job);
                let distinct: BTreeSet<_> = job.last.nodes.iter().collect();
                rule!(distinct.len() == job.last.nodes.len(), "an attempt has every node once", job);
                let holder = (job.id, job.attempt);
                let holds = |id| self.nodes.get(id).is_some_and(|node| node.holders.contains(&holder));
                let all = job.last.after_stop.is_some() || job.last.nodes.iter().all(holds);
                rule!(all, "I09 a going attempt holds all its nodes", job);
            }
            ExecutionState::Succeeded | ExecutionState::Failed => {
                rule!(live.is_empty(), "I06 an ended job has no process", job);
                rule!(
                    job.last.ended.is_some() && job.last.stop_at.is_none() && job.last.after_stop.is_none(),
                    "I05 an end is final",
                    job
                );
            }
        }
        let stopping = |run: &RankRun| matches!(run.state, RankState::Stopping { .. });
        let (cleaning, working): (Vec<_>, Vec<_>) = live.iter().partition(|(rank, _)| rank.role == RankRole::Cleanup);
        let stopping = working.iter().all(|(_, run)| stopping(run) == job.last.after_stop.is_some());
        rule!(stopping, "an attempt stops as a whole", job);
        rule!(
            cleaning.is_empty() || (working.is_empty() && job.last.after_stop.is_some()),
            "a node is cleaned up when nothing else of its attempt lives",
            job
        );
        rule!(
            job.state != ExecutionState::Terminating || job.last.after_stop.is_some(),
            "a terminating job is being stopped",
            job
        );
        for (rank, run) in live {
            let key = RankKey { job: job.id, attempt: job.attempt, rank: *rank };
            self.check_live_rank(key, run);
        }
        rule!(job.requeues <= self.requeues_allowed, "I22 put back no more often than allowed", job);
        self.check_exit(job);
    }

    /// A cap that is lowered stops nobody, so that only what starts anew counts.
    fn check_caps(&self, job: &Job) {
        let (Some(member), true) = (&job.member, self.turn.now == job.since) else { return };
        let Some(most) = member.running_max.filter(|_| !job.shape.handed) else { return };
        let of_array = |other: &&Arc<Job>| other.member.as_ref().is_some_and(|one| one.of == member.of);
        let members =
            self.members.get(&job.experiment).into_iter().flat_map(JobSet::iter).filter_map(|id| self.jobs.get(&id));
        let running = members.filter(of_array).filter(|other| super::gate::on_nodes(other.course())).count();
        rule!(running <= most as usize, "no more of an array run than may", job);
    }

    fn check_live_rank(&self, key: RankKey, run: &RankRun) {
        let held = self.nodes.get(&run.node).is_some_and(|node| node.holders.contains(&(key.job, key.attempt)));
        let held = held || key.job == NO_JOB;
        rule!(held, "I01 a process lives only on a node that its attempt holds", (key, run));
        match &run.state {
            RankState::Starting { effect } => {
                let start = self.outbox.get(*effect);
                let asked = matches!(start, Some(Act::StartRank { node, boot, key: of, .. })
                    if *node == run.node && *boot == run.boot && *of == key);
                rule!(asked, "I02 a start goes to its node under its boot", (key, run));
            }
            RankState::Stopping { effect, .. } => {
                let stop = self.outbox.get(*effect);
                let asked = matches!(stop, Some(Act::StopRank { node, key: of, .. }) if *node == run.node && *of == key);
                rule!(asked, "a stop goes to its node", (key, run));
            }
            RankState::Running | RankState::Gone(_) => {}
        }
    }

    fn check_exit(&self, job: &Job) {
        let recorded = |role: RankRole, wanted: i32| {
            let mut ranks = job.last.ranks.iter().filter(|(rank, _)| rank.role == role);
            ranks.any(|(_, run)| match run.state {
                RankState::Gone(Proof::Exit { code, .. } | Proof::Told { code, .. }) => code == wanted,
                RankState::Gone(_) | RankState::Starting { .. } | RankState::Running | RankState::Stopping { .. } => false,
            })
        };
        if let Some(code) = job.last.exit_code {
            let known = recorded(RankRole::Main, code) || recorded(RankRole::Prepare, code);
            let known = known || (code == NEVER_LAUNCHED && set_up_failed(job));
            rule!(known, "I08 no exit code without an exit record", job);
        }
        let decides = |rank: &Rank| rank.role == RankRole::Main && job.shape.decides(rank.index);
        let mains = || job.last.ranks.iter().filter(|(rank, _)| decides(rank));
        match job.state {
            ExecutionState::Succeeded => {
                let zero = |run: &RankRun| matches!(run.state, RankState::Gone(Proof::Exit { code: 0, .. }));
                let all = mains().count() > 0 && mains().all(|(_, run)| zero(run));
                rule!(
                    all && job.last.exit_code == Some(0),
                    "I07 success is exit code 0 of every main process that decides",
                    job
                );
                rule!(job.last.errors.is_empty(), "success has no errors", job);
            }
            ExecutionState::Failed => {
                rule!(!job.last.errors.is_empty(), "a failure says why", job);
                rule!(job.last.exit_code != Some(0), "I07 exit code 0 is no failure", job);
            }
            ExecutionState::Queued | ExecutionState::Running | ExecutionState::Terminating => {}
        }
    }

    fn check_node(&self, node: &Node) {
        rule!(node.id <= self.counters.node, "ids come from the counters", node);
        let payers = payers(node, &self.jobs);
        rule!(payers.eq(node.shares.keys().copied()), "who has a node pays for it", node);
        for (job, attempt) in &node.holders {
            let holds = self.jobs.get(job).is_some_and(|job| {
                let on_nodes = matches!(job.course(), ExecutionState::Running | ExecutionState::Terminating);
                on_nodes && job.attempt == *attempt && job.last.nodes.contains(&node.id)
            });
            rule!(holds, "I09 a node is held by a live attempt that has it", node);
        }
        let slot = self.pools.get(&node.cluster).and_then(|pool| pool.space.slot(node.id));
        rule!(slot.is_some_and(|slot| slot.is_fair()), "I09 no node is given twice", (node, slot));
        let act = node.effect.map(|effect| self.outbox.get(effect));
        rule!(act != Some(None), "a node's effect is outstanding", node);
        let act = act.flatten();
        let right = match &node.state {
            NodeState::Allocating => {
                node.host.is_empty() && !node.is_held() && matches!(act, None | Some(Act::AcquireNode { .. }))
            }
            NodeState::Preparing => matches!(act, Some(Act::PrepareNode { .. })) || self.setup_on(node.id).is_some(),
            NodeState::Idle => !node.is_held() && node.boot.is_some(),
            NodeState::Running => node.is_held() && node.boot.is_some(),
            NodeState::Unusable(_) => !node.host.is_empty(),
            NodeState::Leaving => node.is_held() || act.is_some() || self.setup_on(node.id).is_some() || node.tries > 0,
        };
        if let (Some(key), Some(run)) = (self.setup_on(node.id), &node.setup.process) {
            rule!(!node.is_held(), "a node that is set up has no job", node);
            self.check_live_rank(key, run);
        }
        rule!(right, "a node's state is true", node);
        let released = matches!(act, Some(Act::KeepLogs { .. } | Act::ReleaseNode { .. }));
        rule!(
            !released || (!node.is_held() && node.state == NodeState::Leaving && self.setup_on(node.id).is_none()),
            "I14 no node is released from under a process",
            node
        );
    }

    fn check_effect(&self, id: EffectId, act: &Act) {
        let of_node = |node| self.nodes.get(node).is_some_and(|node| node.effect == Some(id));
        let there = |node| self.nodes.get(node).is_some_and(|node| !node.host.is_empty());
        let rank = |key: &RankKey| self.live_rank(*key);
        let alive = match act {
            Act::AcquireNode { node, .. }
            | Act::PrepareNode { node }
            | Act::KeepLogs { node }
            | Act::ReleaseNode { node } => of_node(node),
            Act::StartRank { key, .. } => rank(key).is_some_and(|run| run.state == RankState::Starting { effect: id }),
            Act::RecallRank { node, key } => rank(key).is_some_and(|run| run.node == *node),
            Act::StopRank { node, key, .. } => match rank(key).filter(|run| run.node == *node) {
                Some(run) => matches!(run.state, RankState::Stopping { effect, .. } if effect == id),
                None => there(node),
            },
            Act::AckGone { node, key } => there(node) && rank(key).is_none_or(|run| run.node != *node),
            Act::AnswerDaemon { node, by, .. } => rank(by).is_some_and(|run| run.node == *node),
            Act::Notify { job } => *job <= self.counters.job,
            Act::SetUpServer { file_server } | Act::UndoServer { file_server } => {
                self.file_servers.get(file_server).is_some_and(|row| row.effect == Some(id))
            }
            Act::ExpandSweep { sweep, .. } => self.sweeps.get(sweep).is_some_and(|sweep| sweep.expanding == Some(id)),
        };
        rule!(alive, "I21 an outstanding effect belongs to something that lives", (id, act));
    }

    fn check_cluster(&self, id: ClusterId) {
        let (Some(cluster), Some(pool)) = (self.clusters.get(&id), self.pools.get(&id)) else { return };
        // Until when is looked at when nodes come or go; a start a moment later does not change what is shown.
        let timeless = |head: Option<QueueHead>| head.map(|head| QueueHead { starts: None, ..head });
        let (head, kept_for) = self.heads_of(id);
        rule!(
            timeless(cluster.head.clone()) == timeless(head.clone()),
            "I16 the head waits for what it says",
            (head, cluster)
        );
        rule!(
            timeless(cluster.kept_for.clone()) == timeless(kept_for.clone()),
            "I16 nodes are kept for who says so",
            (kept_for, cluster)
        );
        let may_be_given = |node: &Node| {
            let ready = node.state == NodeState::Idle && node.reach == Reach::Seen && node.boot.is_some();
            ready && !node.is_closed() && !node.is_held()
        };
        let given = pool.free.iter().filter_map(|id| self.nodes.get(id)).find(|node| !may_be_given(node));
        rule!(given.is_none(), "what is closed, held or out of sight is given to nobody", given);
        rule!(cluster.full.iter().eq(&pool.full), "I16 the caps that are reached are shown", cluster);
        rule!(cluster.waiting == pool.waiting, "I16 as many wait as the cluster says", cluster);
        if let Some(head) = &cluster.head {
            let could = !self.starts_nothing(cluster) && self.room_for(id, head.job).is_some();
            rule!(!could, "I16 no job waits that could run", cluster);
        }
        if let ScaleSettings::AutoScale(auto) = &cluster.spec.scale_settings {
            rule!(auto.current == auto.clamp(auto.current), "auto-scale stays within its bounds", cluster);
            let overdue = cluster.auto.next.as_ref().is_some_and(|next| next.at < self.turn.now);
            rule!(!overdue, "I21 what was to come next has come", cluster);
        } else {
            rule!(cluster.auto.next.is_none(), "nothing comes by itself where a person scales", cluster);
        }
        let (target, option) = wanted(cluster);
        let have = pool.staying();
        let excused = gave_up(cluster).is_some() || cluster.short_of_money;
        rule!(have >= target || excused, "missing nodes are asked for", cluster);
        let busy = || self.nodes_of(id).filter(|node| node.is_held()).count() as u32;
        let may_stay = option == Deallocation::WaitForJobCompletion && have <= target.max(busy());
        rule!(have <= target || may_stay, "surplus nodes go", cluster);
        let moving = pool.count(Standing::Allocating) + pool.count(Standing::Leaving) > 0 || have > target;
        let shown = cluster.allocation == AllocationState::Resizing;
        rule!(shown == moving, "resizing means that nodes come or go", cluster);
        let stays = |node: &Node| node.state == NodeState::Leaving && node.tries > 0 && !node.host.is_empty();
        let listed_one = |node: &&std::sync::Arc<Node>| matches!(node.state, NodeState::Unusable(_)) || stays(node);
        let unusable = self.nodes_of(id).filter(listed_one).count();
        let listed = cluster.errors.len() - usize::from(gave_up(cluster).is_some());
        rule!(unusable == listed, "each unusable node is listed once", cluster);
        self.check_money(cluster);
    }

    /// The sums are what the nodes one by one come to, but for what these round down.
    fn check_money(&self, cluster: &Cluster) {
        let (now, nodes) = (self.turn.now, || self.nodes_of(cluster.id).map(|node| &**node));
        let (sums, single) = (self.standing(cluster.id, now), cost::Standing::of(cluster, nodes(), now));
        rule!(cost::Standing { spent: sums.spent, ..single } == sums, "rates add up", (sums, single));
        let rounded = sums.spent.total() - single.spent.total();
        let most = Money(3 * nodes().count() as i64);
        // A clock that jumped backwards adds nothing for those alone that it is behind.
        let backwards = nodes().any(|node| node.meter.at > now);
        rule!(backwards || (Money(0)..=most).contains(&rounded), "what was spent adds up", (sums, single));
    }

    fn check_tallies(&self) {
        for experiment in self.experiments.values() {
            let mut tally = experiment.tally;
            let members = self.members.get(&experiment.id);
            for job in members.into_iter().flat_map(JobSet::iter).filter_map(|id| self.jobs.get(&id)) {
                let counter = tally.of(job.state);
                rule!(*counter > 0, "a tally counts every job", experiment);
                *counter -= 1;
            }
            let left = self.sweeps.values().filter(|sweep| sweep.experiment == experiment.id);
            let left: u64 = left.map(|sweep| u64::from(sweep.left.len())).sum();
            rule!(tally.live() == left && tally.queued == left, "a tally counts no job twice", experiment);
        }
    }

    /// What is derived is what would be derived now; so a restart goes on as if there had been none.
    fn check_derived(&self) {
        let rows = self.experiments.values().cloned().map(Change::Experiment);
        let rows = rows.chain(self.workspaces.values().cloned().map(Change::Workspace));
        let rows = rows.chain(self.clusters.values().cloned().map(Change::Cluster));
        let rows = rows.chain(self.nodes.values().cloned().map(Change::Node));
        let rows = rows.chain(self.sweeps.values().cloned().map(Change::Sweep));
        let rows = rows.chain(self.jobs.values().cloned().map(Change::Job)).collect();
        let outbox: Vec<_> = self.outbox().collect();
        let derived = Self::restore(self.settings.clone(), self.counters, rows, &outbox);
        rule!(derived.outbox == self.outbox, "the outbox is indexed", &self.outbox);
        rule!(derived.timers == self.timers, "I21 deadlines are those of the rows", (&self.timers, &derived.timers));
        rule!(derived.over == self.over, "ended jobs are known", &self.over);
        rule!(derived.hosts == self.hosts, "whose a host is is known", &self.hosts);
        rule!(derived.members == self.members, "members of experiments are known", &self.members);
        rule!(derived.gates == self.gates, "caps count what runs", (&self.gates, &derived.gates));
        rule!(derived.sweep_queues == self.sweep_queues, "who waits of each sweep is known", &self.sweep_queues);
        rule!(derived.dependents == self.dependents, "who waits for whom is known", &self.dependents);
        for (id, pool) in &self.pools {
            rule!(derived.pools.get(id) == Some(pool), "I09 node counts and queues add up", (id, pool));
        }
        rule!(derived.pools.len() == self.pools.len(), "no pool without a cluster", &self.pools);
    }
}

/// Says whether the set-up of a node ended with a code of its own that is not 0.
fn set_up_failed(job: &Job) -> bool {
    let mut setups = job.last.ranks.iter().filter(|(rank, _)| rank.role == RankRole::Setup);
    setups.any(|(_, run)| match &run.state {
        RankState::Gone(Proof::Exit { code, why: None } | Proof::Told { code, .. }) => *code != 0,
        RankState::Gone(_) | RankState::Starting { .. } | RankState::Running | RankState::Stopping { .. } => false,
    })
}
