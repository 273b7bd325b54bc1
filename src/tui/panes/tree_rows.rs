//! Which rows the tree has. Rows are never listed: a run of jobs or nodes is one segment with a length, and a row is looked
//! up by its number, so that a hundred thousand jobs cost a frame nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{ClusterId, ExperimentId, FileServerId, GroupId, JobId, NodeId, WorkspaceId};
use crate::tui::cx::Cx;
use crate::tui::filter::Filter;
use crate::tui::subject::Subject;
use crate::tui::world::{Applied, World};

/// So many experiments of a workspace are open from the start; more would bury the rest.
const OPEN_AT_FIRST: usize = 3;

/// What is open.
#[derive(Debug, Default)]
pub struct Openings {
    open: BTreeMap<Subject, bool>,
    met: BTreeSet<ExperimentId>,
}

impl Openings {
    /// Opens the first experiments when they are met for the first time.
    pub fn meet(&mut self, world: &World) {
        for id in world.snapshot.experiments.keys() {
            if self.met.insert(*id) {
                let few = self.met.len() <= OPEN_AT_FIRST;
                self.open.entry(Subject::Experiment(*id)).or_insert(few);
            }
        }
    }

    /// Opens or closes a thing.
    pub fn set(&mut self, subject: Subject, open: bool) {
        self.open.insert(subject, open);
    }

    /// Says whether a thing is open.
    pub fn is_open(&self, subject: Subject) -> bool {
        let default = match subject {
            Subject::Group(_)
            | Subject::Workspace(_)
            | Subject::Clusters(_)
            | Subject::FileServers(_)
            | Subject::Experiments(_) => true,
            Subject::Cluster(_) | Subject::Experiment(_) => false,
            Subject::Node(_) | Subject::FileServer(_) | Subject::Job(_) | Subject::Older(_) => false,
        };
        self.open.get(&subject).copied().unwrap_or(default)
    }
}

/// A run of rows.
#[derive(Clone, Copy, Debug)]
enum Run {
    One(Subject),
    Nodes(ClusterId),
    Jobs(ExperimentId),
}

/// The rows, by number.
#[derive(Debug, Default)]
pub struct Rows {
    /// Each run with the number of its first row.
    runs: Vec<(usize, Run)>,
    len: usize,
    /// What the filter leaves of jobs and nodes; unused without one.
    jobs: BTreeMap<ExperimentId, Vec<JobId>>,
    nodes: BTreeMap<ClusterId, Vec<NodeId>>,
    filtered: bool,
}

impl Rows {
    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    fn jobs_of<'a>(&'a self, id: ExperimentId, world: &'a World) -> &'a [JobId] {
        if self.filtered { self.jobs.get(&id).map_or(&[], Vec::as_slice) } else { world.jobs_of(id) }
    }

    fn nodes_of<'a>(&'a self, id: ClusterId, world: &'a World) -> &'a [NodeId] {
        if self.filtered { self.nodes.get(&id).map_or(&[], Vec::as_slice) } else { world.nodes_of(id) }
    }

    /// Applies a new filter to everything.
    pub fn refilter(&mut self, filter: &Filter, world: &World) {
        self.filtered = !filter.is_empty();
        self.jobs.clear();
        self.nodes.clear();
        if !self.filtered {
            return;
        }
        for experiment in world.snapshot.experiments.values() {
            // A filter that the experiment's own name passes leaves all its jobs.
            let all = !filter.has_fields() && filter.name(&experiment.name);
            let passes = |id: &&JobId| all || world.job(**id).is_some_and(|job| filter.job(job, world));
            let left: Vec<JobId> = world.jobs_of(experiment.id).iter().filter(passes).copied().collect();
            self.jobs.insert(experiment.id, left);
        }
        self.refilter_nodes(filter, world);
    }

    fn refilter_nodes(&mut self, filter: &Filter, world: &World) {
        for cluster in world.snapshot.clusters.keys() {
            let passes = |id: &&NodeId| world.node(**id).is_some_and(|node| filter.node(node, world));
            let left = world.nodes_of(*cluster).iter().filter(passes).copied().collect();
            self.nodes.insert(*cluster, left);
        }
    }

    /// Asks the filter again for what an update changed.
    pub fn applied(&mut self, applied: &Applied, filter: &Filter, world: &World) {
        if !self.filtered {
            return;
        }
        for id in &applied.jobs {
            let Some(job) = world.job(*id) else {
                for list in self.jobs.values_mut() {
                    if let Ok(at) = list.binary_search(id) {
                        list.remove(at);
                    }
                }
                continue;
            };
            let all = !filter.has_fields() && world.experiment(job.experiment).is_some_and(|e| filter.name(&e.name));
            let passes = all || filter.job(job, world);
            let list = self.jobs.entry(job.experiment).or_default();
            match (list.binary_search(id), passes) {
                (Ok(at), false) => drop(list.remove(at)),
                (Err(at), true) => list.insert(at, *id),
                (Ok(_), true) | (Err(_), false) => {}
            }
        }
        self.refilter_nodes(filter, world);
    }

    /// Lays the runs out anew.
    pub fn rebuild(&mut self, openings: &Openings, filter: &Filter, world: &World) {
        self.runs.clear();
        self.len = 0;
        if !world.is_grouped() {
            return self.push_workspaces(None, openings, filter, world);
        }
        for group in world.groups() {
            let at = self.runs.len();
            self.push(Run::One(Subject::Group(group)), 1);
            if openings.is_open(Subject::Group(group)) || self.filtered {
                self.push_workspaces(Some(group), openings, filter, world);
            }
            // A filter leaves no group for its own sake.
            let named = || !filter.has_fields() && world.group_name(group).is_some_and(|name| filter.name(name));
            if self.filtered && self.runs.len() == at + 1 && !named() {
                self.runs.pop();
                self.len -= 1;
            }
        }
    }

    fn push_workspaces(&mut self, group: Option<GroupId>, openings: &Openings, filter: &Filter, world: &World) {
        for workspace in world.snapshot.workspaces.values().filter(|w| group.is_none_or(|group| w.group == group)) {
            let id = workspace.id;
            let servers: Vec<_> = world.file_servers_of(id).filter(|s| self.keeps_server(*s, filter, world)).collect();
            let clusters: Vec<_> = world.clusters_of(id).filter(|c| self.keeps_cluster(*c, filter, world)).collect();
            let experiments: Vec<_> =
                world.experiments_of(id).filter(|e| self.keeps_experiment(*e, filter, world)).collect();
            let empty = clusters.is_empty() && servers.is_empty() && experiments.is_empty();
            if self.filtered && empty && !filter.name(&workspace.name) {
                continue;
            }
            self.push(Run::One(Subject::Workspace(id)), 1);
            if !openings.is_open(Subject::Workspace(id)) && !self.filtered {
                continue;
            }
            self.push_clusters(id, &clusters, openings, world);
            self.push_servers(id, &servers, openings);
            self.push_experiments(id, &experiments, openings, world);
        }
    }

    fn keeps_server(&self, id: FileServerId, filter: &Filter, world: &World) -> bool {
        let named = || !filter.has_fields() && world.file_server(id).is_some_and(|s| filter.name(&s.name));
        !self.filtered || named()
    }

    fn keeps_cluster(&self, id: ClusterId, filter: &Filter, world: &World) -> bool {
        let named = || !filter.has_fields() && world.cluster(id).is_some_and(|c| filter.name(&c.name));
        !self.filtered || !self.nodes_of(id, world).is_empty() || named()
    }

    fn keeps_experiment(&self, id: ExperimentId, filter: &Filter, world: &World) -> bool {
        let named = || !filter.has_fields() && world.experiment(id).is_some_and(|e| filter.name(&e.name));
        !self.filtered || !self.jobs_of(id, world).is_empty() || named()
    }

    fn push(&mut self, run: Run, len: usize) {
        if len > 0 {
            self.runs.push((self.len, run));
            self.len += len;
        }
    }

    fn push_clusters(&mut self, workspace: WorkspaceId, clusters: &[ClusterId], openings: &Openings, world: &World) {
        if clusters.is_empty() {
            return;
        }
        let heading = Subject::Clusters(workspace);
        self.push(Run::One(heading), 1);
        if !openings.is_open(heading) && !self.filtered {
            return;
        }
        for id in clusters {
            self.push(Run::One(Subject::Cluster(*id)), 1);
            if self.filtered || openings.is_open(Subject::Cluster(*id)) {
                self.push(Run::Nodes(*id), self.nodes_of(*id, world).len());
            }
        }
    }

    fn push_servers(&mut self, workspace: WorkspaceId, servers: &[FileServerId], openings: &Openings) {
        let heading = Subject::FileServers(workspace);
        if servers.is_empty() {
            return;
        }
        self.push(Run::One(heading), 1);
        if openings.is_open(heading) || self.filtered {
            for id in servers {
                self.push(Run::One(Subject::FileServer(*id)), 1);
            }
        }
    }

    fn push_experiments(
        &mut self,
        workspace: WorkspaceId,
        experiments: &[ExperimentId],
        openings: &Openings,
        world: &World,
    ) {
        if experiments.is_empty() {
            return;
        }
        let heading = Subject::Experiments(workspace);
        self.push(Run::One(heading), 1);
        if !openings.is_open(heading) && !self.filtered {
            return;
        }
        for id in experiments {
            self.push(Run::One(Subject::Experiment(*id)), 1);
            if !self.filtered && !openings.is_open(Subject::Experiment(*id)) {
                continue;
            }
            self.push(Run::Jobs(*id), self.jobs_of(*id, world).len());
            if !self.filtered && world.older_count(*id) > 0 {
                self.push(Run::One(Subject::Older(*id)), 1);
            }
        }
    }

    /// Returns what is in a row.
    pub fn get(&self, at: usize, world: &World) -> Option<Subject> {
        if at >= self.len {
            return None;
        }
        let index = self.runs.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
        let (start, run) = self.runs[index];
        match run {
            Run::One(subject) => Some(subject),
            Run::Nodes(id) => self.nodes_of(id, world).get(at - start).map(|id| Subject::Node(*id)),
            Run::Jobs(id) => self.jobs_of(id, world).get(at - start).map(|id| Subject::Job(*id)),
        }
    }

    /// Returns the row that a thing is in.
    pub fn find(&self, subject: Subject, world: &World) -> Option<usize> {
        let in_run = |(start, run): &(usize, Run)| match (run, subject) {
            (Run::One(one), subject) => (*one == subject).then_some(*start),
            (Run::Nodes(cluster), Subject::Node(id)) => {
                self.nodes_of(*cluster, world).binary_search(&id).ok().map(|at| start + at)
            }
            (Run::Jobs(experiment), Subject::Job(id)) => {
                self.jobs_of(*experiment, world).binary_search(&id).ok().map(|at| start + at)
            }
            (Run::Nodes(_) | Run::Jobs(_), _) => None,
        };
        self.runs.iter().find_map(in_run)
    }

    /// Returns all jobs that the filter leaves.
    pub fn matched(&self) -> Vec<JobId> {
        self.jobs.values().flatten().copied().collect()
    }

    /// Says whether a thing itself passes the filter, and is not only shown for what is in it.
    pub fn is_match(&self, subject: Subject, filter: &Filter, cx: &Cx) -> bool {
        let world = &cx.world;
        let named = |name: Option<&str>| !filter.has_fields() && name.is_some_and(|name| filter.name(name));
        match subject {
            Subject::Group(id) => named(world.group_name(id)),
            Subject::FileServer(id) => named(world.file_server(id).map(|s| s.name.as_str())),
            Subject::Workspace(id) => named(world.workspace(id).map(|w| w.name.as_str())),
            Subject::Cluster(id) => named(world.cluster(id).map(|c| c.name.as_str())),
            Subject::Experiment(id) => named(world.experiment(id).map(|e| e.name.as_str())),
            Subject::Node(id) => world.node(id).is_some_and(|node| filter.node(node, world)),
            Subject::Job(id) => world.job(id).is_some_and(|job| filter.job(job, world)),
            Subject::Clusters(_) | Subject::FileServers(_) | Subject::Experiments(_) | Subject::Older(_) => false,
        }
    }

    /// Returns the first row that passes by itself. Runs of jobs and nodes are looked at by their first row only: under a
    /// filter all of theirs pass, unless the whole experiment does, and then that comes first.
    pub fn first_match(&self, filter: &Filter, cx: &Cx) -> Option<usize> {
        let starts = self.runs.iter().map(|(start, _)| *start);
        starts.into_iter().find(|at| self.get(*at, &cx.world).is_some_and(|s| self.is_match(s, filter, cx)))
    }
}
