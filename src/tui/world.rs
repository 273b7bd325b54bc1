//! The core's picture as the screen keeps it: the snapshot, and indices that each update changes by what changed, so that
//! a frame costs the same with ten jobs and with a hundred thousand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::cost::Use;
use crate::model::ids::{ClusterId, ExperimentId, FileServerId, GroupId, JobId, NodeId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::rule::Fired;
use crate::model::site_index::SiteIndex;
use crate::model::snapshot::{Change, RowKey, Snapshot, Update};
use crate::model::spec::Priority;
use crate::model::state::{Cluster, DEFAULT_GROUP, ExecutionState, Experiment, FileServer, Job, Node, NodeState, Workspace};
use crate::model::units::{Money, UnixMillis};
use crate::tui::metrics::Metrics;

/// Whether what is shown is so now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CoreLink {
    /// No picture yet.
    #[default]
    Never,
    /// It is being come to; what is shown was committed last, and may be less than there is.
    Opening,
    /// The core answers.
    Here,
    /// It does not; what is shown is from then.
    Lost {
        /// Since when.
        since: UnixMillis,
        /// In words.
        why: String,
    },
}

/// How many nodes of a cluster are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Asked for.
    pub allocating: u32,
    /// Being made ready.
    pub preparing: u32,
    /// Ready.
    pub idle: u32,
    /// At work.
    pub running: u32,
    /// Not to be used.
    pub unusable: u32,
    /// On their way out.
    pub leaving: u32,
}

impl NodeCounts {
    fn of(&mut self, state: &NodeState) -> &mut u32 {
        match state {
            NodeState::Allocating => &mut self.allocating,
            NodeState::Preparing => &mut self.preparing,
            NodeState::Idle => &mut self.idle,
            NodeState::Running => &mut self.running,
            NodeState::Unusable(_) => &mut self.unusable,
            NodeState::Leaving => &mut self.leaving,
        }
    }

    /// Returns the published currentNodeCount: all but those only asked for.
    pub fn current(&self) -> u32 {
        self.preparing + self.idle + self.running + self.unusable + self.leaving
    }

    /// Returns how many come or go.
    pub fn on_the_way(&self) -> u32 {
        self.allocating + self.preparing + self.leaving
    }

    /// Returns how many can work.
    pub fn ready(&self) -> u32 {
        self.idle + self.running
    }
}

/// What is known of an experiment's jobs beyond the snapshot.
#[derive(Clone, Debug, Default)]
pub struct Older {
    /// The last job of the last page.
    pub after: Option<JobId>,
    /// A page is asked for.
    pub asked: bool,
    /// There is nothing more.
    pub done: bool,
}

/// The picture with its indices.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The picture.
    pub snapshot: Snapshot,
    /// Whether it is so now.
    pub link: CoreLink,
    /// When the newest update was made, by the core's clock.
    pub at: UnixMillis,
    /// The metrics of jobs that somebody has looked at.
    pub metrics: Metrics,
    extra: BTreeMap<JobId, Arc<Job>>,
    older: BTreeMap<ExperimentId, Older>,
    clusters: BTreeMap<WorkspaceId, BTreeSet<(String, ClusterId)>>,
    experiments: BTreeMap<WorkspaceId, BTreeSet<(String, ExperimentId)>>,
    file_servers: BTreeMap<WorkspaceId, BTreeSet<(String, FileServerId)>>,
    nodes: BTreeMap<ClusterId, Vec<NodeId>>,
    counts: BTreeMap<ClusterId, NodeCounts>,
    jobs: BTreeMap<ExperimentId, Vec<JobId>>,
    queues: BTreeMap<ClusterId, BTreeSet<(Reverse<Priority>, JobId)>>,
    live: BTreeSet<JobId>,
    stopping: BTreeSet<JobId>,
    sites: BTreeMap<ClusterId, Arc<SiteIndex>>,
}

/// What an update changed, for whoever keeps something of their own.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Everything may be different.
    pub whole: bool,
    /// Jobs that are new, different or gone.
    pub jobs: Vec<JobId>,
    /// Jobs that ended with this update.
    pub ended: Vec<Arc<Job>>,
    /// Rules of jobs that came true with it: the name of the job, and what was seen.
    pub fired: Vec<(String, Fired)>,
}

fn insert<T: Ord + Copy>(list: &mut Vec<T>, id: T) {
    // Identities only grow, so nearly always this is a push.
    if let Err(at) = list.binary_search(&id) {
        list.insert(at, id);
    }
}

fn remove<T: Ord + Copy>(list: &mut Vec<T>, id: T) {
    if let Ok(at) = list.binary_search(&id) {
        list.remove(at);
    }
}

impl World {
    /// Changes the picture and its indices by one update.
    pub fn apply(&mut self, update: &Update) -> Applied {
        let mut applied = Applied { whole: update.whole, ..Applied::default() };
        if update.whole {
            *self = Self { metrics: std::mem::take(&mut self.metrics), ..Self::default() };
        }
        self.link = CoreLink::Here;
        self.at = update.at;
        if update.whole {
            self.index_whole(&update.changes);
            applied.jobs.extend(self.jobs.values().flatten());
            self.snapshot.apply(update);
            return applied;
        }
        for change in &update.changes {
            self.unindex(key_of(change));
            if let Change::Job(job) = change {
                let was_live = self.snapshot.jobs.get(&job.id).is_some_and(|old| !old.state.ended());
                if was_live && job.state.ended() {
                    applied.ended.push(job.clone());
                }
                if let Some(old) = self.snapshot.jobs.get(&job.id) {
                    let new = job.last.fired.iter().filter(|fired| !old.last.fired.contains(fired));
                    applied.fired.extend(new.map(|fired| (job.name.to_string(), fired.clone())));
                }
                applied.jobs.push(job.id);
            }
            if let Change::Gone(RowKey::Job(id)) = change {
                applied.jobs.push(*id);
                self.metrics.forget(*id);
            }
            self.index(change);
        }
        self.snapshot.apply(update);
        applied
    }

    /// Indexes a whole picture: jobs all together, which is several times faster than one by one.
    fn index_whole(&mut self, changes: &[Change]) {
        let mut queues: BTreeMap<ClusterId, Vec<(Reverse<Priority>, JobId)>> = BTreeMap::new();
        let (mut live, mut stopping) = (Vec::new(), Vec::new());
        // Jobs of one experiment mostly stand together.
        let mut group: (Option<ExperimentId>, Vec<JobId>) = (None, Vec::new());
        for change in changes {
            let Change::Job(job) = change else {
                self.index(change);
                continue;
            };
            if group.0 != Some(job.experiment)
                && let Some(experiment) = group.0.replace(job.experiment)
            {
                self.jobs.entry(experiment).or_default().append(&mut group.1);
            }
            group.1.push(job.id);
            if job.state == ExecutionState::Queued {
                queues.entry(job.cluster).or_default().push((Reverse(job.priority), job.id));
            }
            if !job.state.ended() {
                live.push(job.id);
                stopping.extend(job.last.stop_at.map(|_| job.id));
            }
        }
        if let Some(experiment) = group.0 {
            self.jobs.entry(experiment).or_default().append(&mut group.1);
        }
        // They come in order, so that sorting is one look at each.
        self.jobs.values_mut().for_each(|jobs| jobs.sort_unstable());
        (self.live, self.stopping) = (live.into_iter().collect(), stopping.into_iter().collect());
        self.queues = queues.into_iter().map(|(cluster, jobs)| (cluster, jobs.into_iter().collect())).collect();
    }

    fn unindex(&mut self, key: RowKey) {
        match key {
            RowKey::Group(_) | RowKey::Workspace(_) | RowKey::Sweep(_) | RowKey::Site(_) => {}
            RowKey::FileServer(id) => {
                if let Some(old) = self.snapshot.file_servers.get(&id) {
                    self.file_servers.entry(old.workspace).or_default().remove(&(old.name.clone(), id));
                }
            }
            RowKey::Cluster(id) => {
                if let Some(old) = self.snapshot.clusters.get(&id) {
                    self.clusters.entry(old.workspace).or_default().remove(&(old.name.clone(), id));
                }
            }
            RowKey::Experiment(id) => {
                if let Some(old) = self.snapshot.experiments.get(&id) {
                    self.experiments.entry(old.workspace).or_default().remove(&(old.name.clone(), id));
                }
            }
            RowKey::Node(id) => {
                if let Some(old) = self.snapshot.nodes.get(&id) {
                    *self.counts.entry(old.cluster).or_default().of(&old.state) -= 1;
                }
            }
            RowKey::Job(id) => {
                if let Some(old) = self.snapshot.jobs.get(&id).filter(|j| j.state == ExecutionState::Queued) {
                    self.queues.entry(old.cluster).or_default().remove(&(Reverse(old.priority), id));
                }
            }
        }
    }

    fn index(&mut self, change: &Change) {
        match change {
            Change::Group(_) | Change::Workspace(_) | Change::Sweep(_) => {}
            Change::Gone(RowKey::Group(_) | RowKey::Workspace(_) | RowKey::FileServer(_) | RowKey::Sweep(_)) => {}
            Change::Site(site) => drop(self.sites.insert(site.cluster, Arc::new(SiteIndex::new(site.clone())))),
            Change::Gone(RowKey::Site(id)) => drop(self.sites.remove(id)),
            Change::FileServer(row) => {
                self.file_servers.entry(row.workspace).or_default().insert((row.name.clone(), row.id));
            }
            Change::Cluster(row) => {
                self.clusters.entry(row.workspace).or_default().insert((row.name.clone(), row.id));
            }
            Change::Experiment(row) => {
                self.experiments.entry(row.workspace).or_default().insert((row.name.clone(), row.id));
            }
            Change::Node(row) => {
                insert(self.nodes.entry(row.cluster).or_default(), row.id);
                *self.counts.entry(row.cluster).or_default().of(&row.state) += 1;
            }
            Change::Job(row) => self.index_job(row),
            Change::Gone(RowKey::Cluster(id)) => {
                self.nodes.remove(id);
                self.counts.remove(id);
                self.queues.remove(id);
                self.sites.remove(id);
            }
            Change::Gone(RowKey::Experiment(id)) => {
                self.jobs.remove(id);
                self.older.remove(id);
                self.extra.retain(|_, job| job.experiment != *id);
            }
            Change::Gone(RowKey::Node(id)) => {
                if let Some(list) = self.snapshot.nodes.get(id).and_then(|n| self.nodes.get_mut(&n.cluster)) {
                    remove(list, *id);
                }
            }
            Change::Gone(RowKey::Job(id)) => {
                self.live.remove(id);
                self.stopping.remove(id);
                let old = self.snapshot.jobs.get(id).or_else(|| self.extra.get(id)).cloned();
                if let Some(list) = old.and_then(|j| self.jobs.get_mut(&j.experiment)) {
                    remove(list, *id);
                }
                self.extra.remove(id);
            }
        }
    }

    fn index_job(&mut self, job: &Arc<Job>) {
        insert(self.jobs.entry(job.experiment).or_default(), job.id);
        if job.state == ExecutionState::Queued {
            self.queues.entry(job.cluster).or_default().insert((Reverse(job.priority), job.id));
        }
        if job.state.ended() {
            self.live.remove(&job.id);
        } else {
            self.live.insert(job.id);
        }
        if job.last.stop_at.is_some() && !job.state.ended() {
            self.stopping.insert(job.id);
        } else {
            self.stopping.remove(&job.id);
        }
    }

    /// Takes a page of older jobs.
    pub fn add_older(&mut self, experiment: ExperimentId, jobs: impl Iterator<Item = Arc<Job>>, more: bool) {
        for job in jobs {
            let older = self.older.entry(experiment).or_default();
            older.after = Some(job.id);
            insert(self.jobs.entry(experiment).or_default(), job.id);
            if !self.snapshot.jobs.contains_key(&job.id) {
                self.extra.insert(job.id, job);
            }
        }
        let older = self.older.entry(experiment).or_default();
        older.asked = false;
        older.done = !more;
    }

    /// Notes that a page of older jobs is asked for, or that the question failed.
    pub fn ask_older(&mut self, experiment: ExperimentId, asked: bool) {
        self.older.entry(experiment).or_default().asked = asked;
    }

    /// Returns how far the older jobs of an experiment are listed.
    pub fn older(&self, experiment: ExperimentId) -> Older {
        self.older.get(&experiment).cloned().unwrap_or_default()
    }

    /// Returns how many jobs of an experiment are not in the picture.
    pub fn older_count(&self, experiment: ExperimentId) -> u64 {
        let known = self.jobs_of(experiment).len() as u64;
        let total = self.experiment(experiment).map_or(0, |e| e.tally.total());
        if self.older(experiment).done { 0 } else { total.saturating_sub(known) }
    }

    /// Returns a workspace.
    pub fn workspace(&self, id: WorkspaceId) -> Option<&Arc<Workspace>> {
        self.snapshot.workspaces.get(&id)
    }

    /// Returns a file server.
    pub fn file_server(&self, id: FileServerId) -> Option<&Arc<FileServer>> {
        self.snapshot.file_servers.get(&id)
    }

    /// Returns the file servers of a workspace by name.
    pub fn file_servers_of(&self, id: WorkspaceId) -> impl DoubleEndedIterator<Item = FileServerId> {
        self.file_servers.get(&id).into_iter().flatten().map(|(_, id)| *id)
    }

    /// Says whether there is a second resource group, so that groups are shown.
    pub fn is_grouped(&self) -> bool {
        !self.snapshot.groups.is_empty()
    }

    /// Returns the resource groups by name, the one that is always there first.
    pub fn groups(&self) -> Vec<GroupId> {
        let mut named: Vec<_> = self.snapshot.groups.values().collect();
        named.sort_by(|a, b| a.name.cmp(&b.name));
        std::iter::once(GroupId::DEFAULT).chain(named.into_iter().map(|group| group.id)).collect()
    }

    /// Returns the name of a resource group.
    pub fn group_name(&self, id: GroupId) -> Option<&str> {
        match id {
            GroupId::DEFAULT => Some(DEFAULT_GROUP),
            id => self.snapshot.groups.get(&id).map(|group| group.name.as_str()),
        }
    }

    /// Returns what names a workspace in a request: with its group in front, when there is more than one.
    pub fn named(&self, workspace: &Workspace) -> Option<String> {
        match self.is_grouped() {
            true => Some(format!("{}/{}", self.group_name(workspace.group)?, workspace.name)),
            false => Some(workspace.name.clone()),
        }
    }

    /// Returns who mounts a file server: clusters, and live jobs of their own.
    pub fn mounters(&self, server: &FileServer) -> (Vec<ClusterId>, Vec<JobId>) {
        let named = |home: WorkspaceId| {
            move |group: Option<&str>, name: &str| {
                let group = match group {
                    Some(text) => {
                        self.groups().into_iter().find(|id| self.group_name(*id).is_some_and(|n| same_name(n, text)))?
                    }
                    None => self.workspace(home)?.group,
                };
                let fits = |w: &&Arc<Workspace>| w.group == group && same_name(&w.name, name);
                self.snapshot.workspaces.values().find(fits).map(|w| w.id)
            }
        };
        let clusters = self.snapshot.clusters.values().filter(|cluster| {
            let setup = cluster.spec.node_setup.as_ref();
            setup.is_some_and(|setup| server.is_among(&setup.mount_volumes, cluster.workspace, named(cluster.workspace)))
        });
        let jobs =
            self.live_jobs().filter(|job| server.is_among(&job.spec.mount_volumes, job.workspace, named(job.workspace)));
        (clusters.map(|cluster| cluster.id).collect(), jobs.map(|job| job.id).collect())
    }

    /// Returns a cluster.
    pub fn cluster(&self, id: ClusterId) -> Option<&Arc<Cluster>> {
        self.snapshot.clusters.get(&id)
    }

    /// Returns what those say who place the jobs of a cluster, indexed.
    pub fn site(&self, id: ClusterId) -> Option<&Arc<SiteIndex>> {
        self.sites.get(&id)
    }

    /// Returns how many nodes of a cluster can work, and how many there are to be: of one of Slurm's, how many of Slurm's take work, and
    /// how many it has.
    pub fn ready_of(&self, id: ClusterId) -> (u32, u32) {
        match (self.site(id), self.cluster(id)) {
            (Some(index), _) => (index.counts.idle + index.counts.running, index.counts.total()),
            (None, Some(cluster)) => (self.counts_of(id).ready(), cluster.spec.scale_settings.target().0),
            (None, None) => (0, 0),
        }
    }

    /// Says whether Slurm places the jobs of a cluster.
    pub fn is_site(&self, id: ClusterId) -> bool {
        self.cluster(id).is_some_and(|cluster| cluster.spec.slurm.is_some())
    }

    /// Returns a node.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.snapshot.nodes.get(&id)
    }

    /// Returns an experiment.
    pub fn experiment(&self, id: ExperimentId) -> Option<&Arc<Experiment>> {
        self.snapshot.experiments.get(&id)
    }

    /// Returns a job, in the picture or listed by page.
    pub fn job(&self, id: JobId) -> Option<&Arc<Job>> {
        self.snapshot.jobs.get(&id).or_else(|| self.extra.get(&id))
    }

    /// Gives each of these jobs, which are in order; faster than one by one when they are a good part of all.
    pub fn each_job<'a>(&'a self, jobs: &[JobId], mut found: impl FnMut(JobId, Option<&'a Arc<Job>>)) {
        let Some((first, last)) = jobs.first().zip(jobs.last()) else { return };
        // Going on to the next row costs about a tenth of finding one.
        if jobs.len() < self.snapshot.jobs.len() / 8 {
            return jobs.iter().for_each(|id| found(*id, self.job(*id)));
        }
        let mut rows = self.snapshot.jobs.range(*first..=*last).peekable();
        for job in jobs {
            while rows.next_if(|(id, _)| *id < job).is_some() {}
            let row = rows.next_if(|(id, _)| *id == job).map(|(_, row)| row);
            found(*job, row.or_else(|| self.extra.get(job)));
        }
    }

    /// Returns the clusters of a workspace by name.
    pub fn clusters_of(&self, id: WorkspaceId) -> impl DoubleEndedIterator<Item = ClusterId> {
        self.clusters.get(&id).into_iter().flatten().map(|(_, id)| *id)
    }

    /// Returns the experiments of a workspace by name.
    pub fn experiments_of(&self, id: WorkspaceId) -> impl DoubleEndedIterator<Item = ExperimentId> {
        self.experiments.get(&id).into_iter().flatten().map(|(_, id)| *id)
    }

    /// Returns the nodes of a cluster, oldest first.
    pub fn nodes_of(&self, id: ClusterId) -> &[NodeId] {
        self.nodes.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Returns how many nodes of a cluster are in each state.
    pub fn counts_of(&self, id: ClusterId) -> NodeCounts {
        self.counts.get(&id).copied().unwrap_or_default()
    }

    /// Returns the known jobs of an experiment, oldest first.
    pub fn jobs_of(&self, id: ExperimentId) -> &[JobId] {
        self.jobs.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Returns the waiting jobs of a cluster in the order in which they would start.
    pub fn queue_of(&self, id: ClusterId) -> impl Iterator<Item = JobId> {
        self.queues.get(&id).into_iter().flatten().map(|(_, id)| *id)
    }

    /// Returns how many jobs of a cluster wait.
    pub fn queue_len(&self, id: ClusterId) -> usize {
        self.queues.get(&id).map_or(0, BTreeSet::len)
    }

    /// Returns the jobs that have not ended.
    pub fn live_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.live.iter().filter_map(|id| self.snapshot.jobs.get(id))
    }

    /// Returns how many jobs have not ended.
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    /// Returns the jobs whose stop can still be taken back.
    pub fn stopping(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.stopping.iter().filter_map(|id| self.snapshot.jobs.get(id))
    }

    /// Says whether anything shown changes with time alone: a running job's clock, a held stop, the age of old data.
    pub fn moves(&self) -> bool {
        let busy = |id: &ClusterId| self.counts_of(*id).on_the_way() > 0;
        self.totals().running > 0
            || !self.stopping.is_empty()
            || matches!(self.link, CoreLink::Lost { .. } | CoreLink::Opening)
            || self.snapshot.clusters.keys().any(busy)
    }

    /// Returns running and queued jobs, and ready and wanted nodes, over everything.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for experiment in self.snapshot.experiments.values() {
            totals.running += experiment.tally.running + experiment.tally.terminating;
            totals.queued += experiment.tally.queued;
        }
        let clusters = &self.snapshot.clusters;
        totals.counts_nodes = clusters.is_empty() || clusters.values().any(|cluster| cluster.spec.slurm.is_none());
        // The nodes of a cluster that Slurm places on are neither ours nor wanted by us.
        for (id, cluster) in self.snapshot.clusters.iter().filter(|(_, cluster)| cluster.spec.slurm.is_none()) {
            totals.ready += self.counts_of(*id).ready();
            totals.wanted += cluster.spec.scale_settings.target().0;
        }
        for node in self.snapshot.nodes.values().filter(|node| Use::of(node) != Use::None) {
            totals.rate = totals.rate + node.price;
        }
        totals
    }
}

/// Numbers over everything, for the title line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Whether there are nodes to count: not where all clusters are Slurm's.
    pub counts_nodes: bool,
    /// Jobs on nodes.
    pub running: u64,
    /// Jobs that wait.
    pub queued: u64,
    /// Nodes that can work.
    pub ready: u32,
    /// Nodes wanted.
    pub wanted: u32,
    /// What all nodes cost in an hour.
    pub rate: Money,
}

fn key_of(change: &Change) -> RowKey {
    match change {
        Change::Group(row) => RowKey::Group(row.id),
        Change::FileServer(row) => RowKey::FileServer(row.id),
        Change::Workspace(row) => RowKey::Workspace(row.id),
        Change::Cluster(row) => RowKey::Cluster(row.id),
        Change::Node(row) => RowKey::Node(row.id),
        Change::Experiment(row) => RowKey::Experiment(row.id),
        Change::Sweep(row) => RowKey::Sweep(row.id),
        Change::Job(row) => RowKey::Job(row.id),
        Change::Site(site) => RowKey::Site(site.cluster),
        Change::Gone(key) => *key,
    }
}
