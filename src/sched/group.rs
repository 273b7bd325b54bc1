//! Resource groups, workspaces and experiments: made, tagged, and deleted with all that is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sched;
use crate::model::ids::{ExperimentId, GroupId, WorkspaceId};
use crate::model::state::{DEFAULT_GROUP, Experiment, ResourceGroup, Tally, Workspace};

impl Sched {
    pub(super) fn on_group_created(&mut self, name: String) {
        self.counters.group = self.counters.group.next();
        let (id, created) = (self.counters.group, self.turn.now);
        self.put_group(Arc::new(ResourceGroup { id, name, created, deleting_since: None }));
    }

    pub(super) fn on_group_delete(&mut self, id: GroupId) {
        if self.groups.get(&id).is_none_or(|group| group.deleting_since.is_some()) {
            return self.ignore();
        }
        self.leave_group(id);
        let workspaces: Vec<_> = self.workspaces.values().filter(|w| w.group == id && !w.deleting).map(|w| w.id).collect();
        for workspace in workspaces {
            self.on_workspace_delete(workspace);
        }
        self.end_group(id);
    }

    /// Removes a group that is being deleted, once it is empty.
    fn end_group(&mut self, id: GroupId) {
        let deleting = self.groups.get(&id).is_some_and(|group| group.deleting_since.is_some());
        if deleting && !self.workspaces.values().any(|w| w.group == id) {
            self.drop_group(id);
        }
    }

    /// Returns the name of a resource group; empty when it is gone.
    pub fn group_name(&self, id: GroupId) -> &str {
        match id {
            GroupId::DEFAULT => DEFAULT_GROUP,
            id => self.groups.get(&id).map_or("", |group| group.name.as_str()),
        }
    }

    pub(super) fn on_workspace_created(
        &mut self,
        group: GroupId,
        name: String,
        location: Option<String>,
        tags: BTreeMap<String, String>,
    ) {
        let there = group == GroupId::DEFAULT || self.groups.get(&group).is_some_and(|g| g.deleting_since.is_none());
        if !there {
            return self.ignore();
        }
        self.counters.workspace = self.counters.workspace.next();
        let (id, created) = (self.counters.workspace, self.turn.now);
        let (spent, budget) = Default::default();
        let row =
            Workspace { id, name, group, location, tags, spent, budget, created, deleting: false, deleting_since: None };
        self.put_workspace(Arc::new(row));
    }

    pub(super) fn on_workspace_tagged(&mut self, id: WorkspaceId, tags: BTreeMap<String, Option<String>>) {
        if !self.workspaces.contains_key(&id) {
            return self.ignore();
        }
        self.edit_workspace(id, |workspace| {
            for (tag, value) in tags {
                match value {
                    Some(value) => drop(workspace.tags.insert(tag, value)),
                    None => drop(workspace.tags.remove(&tag)),
                }
            }
        });
    }

    pub(super) fn on_workspace_delete(&mut self, id: WorkspaceId) {
        if self.workspaces.get(&id).is_none_or(|workspace| workspace.deleting) {
            return self.ignore();
        }
        let now = self.turn.now;
        self.edit_workspace(id, |workspace| (workspace.deleting, workspace.deleting_since) = (true, Some(now)));
        let experiments: Vec<_> = self.experiments.values().filter(|e| e.workspace == id).map(|e| e.id).collect();
        for experiment in experiments {
            self.delete_experiment(experiment);
        }
        let clusters: Vec<_> = self.clusters.values().filter(|c| c.workspace == id).map(|c| c.id).collect();
        for cluster in clusters {
            self.delete_cluster(cluster);
        }
        let servers: Vec<_> = self.file_servers.values().filter(|s| s.workspace == id).map(|s| s.id).collect();
        for server in servers {
            self.leave_file_server(server);
        }
        self.end_workspace(id);
    }

    /// Removes a workspace that is being deleted, once it is empty; its file servers go last, since its nodes mount them.
    pub(super) fn end_workspace(&mut self, id: WorkspaceId) {
        let deleting = self.workspaces.get(&id).is_some_and(|workspace| workspace.deleting);
        let holds = |workspace: WorkspaceId| workspace == id;
        if deleting
            && !self.experiments.values().any(|e| holds(e.workspace))
            && !self.clusters.values().any(|c| holds(c.workspace))
        {
            let servers: Vec<_> = self.file_servers.values().filter(|s| s.workspace == id).map(|s| s.id).collect();
            for server in servers {
                self.undo_server(server);
            }
            if self.file_servers.values().any(|s| s.workspace == id) {
                return;
            }
            let group = self.workspaces.get(&id).map(|workspace| workspace.group);
            self.drop_workspace(id);
            if let Some(group) = group {
                self.end_group(group);
            }
        }
    }

    pub(super) fn on_experiment_created(&mut self, workspace: WorkspaceId, name: String) {
        if self.workspaces.get(&workspace).is_none_or(|workspace| workspace.deleting) {
            return self.ignore();
        }
        self.counters.experiment = self.counters.experiment.next();
        let id = self.counters.experiment;
        let (created, tally, spent) = (self.turn.now, Tally::default(), Default::default());
        self.put_experiment(Arc::new(Experiment {
            id,
            workspace,
            name,
            created,
            tally,
            running_max: None,
            spent,
            deleting: false,
            deleting_since: None,
        }));
    }

    pub(super) fn on_experiment_delete(&mut self, id: ExperimentId) {
        if self.experiments.get(&id).is_none_or(|experiment| experiment.deleting) {
            return self.ignore();
        }
        self.delete_experiment(id);
    }

    fn delete_experiment(&mut self, id: ExperimentId) {
        let now = self.turn.now;
        self.edit_experiment(id, |experiment| (experiment.deleting, experiment.deleting_since) = (true, Some(now)));
        self.trim_all(|sweep| sweep.experiment == id);
        for job in self.members.get(&id).cloned().unwrap_or_default().iter() {
            self.delete_job(job);
        }
        self.end_experiment(id);
    }

    /// Removes an experiment that is being deleted, once no job of it lives.
    pub(super) fn end_experiment(&mut self, id: ExperimentId) {
        let Some(experiment) = self.experiments.get(&id) else { return };
        if experiment.deleting && experiment.tally.live() == 0 {
            let workspace = experiment.workspace;
            self.drop_experiment(id);
            self.end_workspace(workspace);
        }
    }
}
