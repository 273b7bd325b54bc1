//! Workspaces and experiments: made, tagged, and deleted with all that is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sched;
use crate::model::ids::{ExperimentId, WorkspaceId};
use crate::model::state::{Experiment, Tally, Workspace};

impl Sched {
    pub(super) fn on_workspace_created(&mut self, name: String, location: Option<String>, tags: BTreeMap<String, String>) {
        self.counters.workspace = self.counters.workspace.next();
        let id = self.counters.workspace;
        self.put_workspace(Arc::new(Workspace { id, name, location, tags, created: self.turn.now, deleting: false }));
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
        self.edit_workspace(id, |workspace| workspace.deleting = true);
        let experiments: Vec<_> = self.experiments.values().filter(|e| e.workspace == id).map(|e| e.id).collect();
        for experiment in experiments {
            self.delete_experiment(experiment);
        }
        let clusters: Vec<_> = self.clusters.values().filter(|c| c.workspace == id).map(|c| c.id).collect();
        for cluster in clusters {
            self.delete_cluster(cluster);
        }
        self.end_workspace(id);
    }

    /// Removes a workspace that is being deleted, once it is empty.
    pub(super) fn end_workspace(&mut self, id: WorkspaceId) {
        let deleting = self.workspaces.get(&id).is_some_and(|workspace| workspace.deleting);
        let holds = |workspace: WorkspaceId| workspace == id;
        if deleting
            && !self.experiments.values().any(|e| holds(e.workspace))
            && !self.clusters.values().any(|c| holds(c.workspace))
        {
            self.drop_workspace(id);
        }
    }

    pub(super) fn on_experiment_created(&mut self, workspace: WorkspaceId, name: String) {
        if self.workspaces.get(&workspace).is_none_or(|workspace| workspace.deleting) {
            return self.ignore();
        }
        self.counters.experiment = self.counters.experiment.next();
        let id = self.counters.experiment;
        let (created, tally) = (self.turn.now, Tally::default());
        self.put_experiment(Arc::new(Experiment { id, workspace, name, created, tally, deleting: false }));
    }

    pub(super) fn on_experiment_delete(&mut self, id: ExperimentId) {
        if self.experiments.get(&id).is_none_or(|experiment| experiment.deleting) {
            return self.ignore();
        }
        self.delete_experiment(id);
    }

    fn delete_experiment(&mut self, id: ExperimentId) {
        self.edit_experiment(id, |experiment| experiment.deleting = true);
        for job in self.members.get(&id).cloned().unwrap_or_default() {
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
