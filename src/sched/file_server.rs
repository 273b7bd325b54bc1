//! File servers: named exports that clusters and jobs mount. They are found by whoever resolves a mount, and know who
//! mounts them.

use std::sync::Arc;

use super::Sched;
use super::effect::Act;
use crate::model::ids::{ClusterId, EffectId, FileServerId, GroupId, JobId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::spec::FileServerSpec;
use crate::model::state::file_server::{Exported, ServerOutcome};
use crate::model::state::{ClusterError, DEFAULT_GROUP, FileServer, Provisioning};

/// Who mounts a file server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounters {
    /// Clusters whose set-up mounts it.
    pub clusters: Vec<ClusterId>,
    /// Jobs that have not ended and mount it themselves.
    pub jobs: Vec<JobId>,
}

impl Mounters {
    /// Says whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty() && self.jobs.is_empty()
    }
}

impl Sched {
    pub(super) fn on_file_server_created(&mut self, workspace: WorkspaceId, name: String, spec: FileServerSpec) {
        if self.workspaces.get(&workspace).is_none_or(|workspace| workspace.deleting) {
            return self.ignore();
        }
        self.counters.file_server = self.counters.file_server.next();
        let (id, now) = (self.counters.file_server, self.turn.now);
        let effect = spec.managed.is_some().then(|| self.issue(Act::SetUpServer { file_server: id }));
        self.put_file_server(Arc::new(FileServer {
            id,
            workspace,
            name,
            spec,
            // An export that exists is not waited for.
            provisioning: if effect.is_some() { Provisioning::Creating } else { Provisioning::Succeeded },
            exported: None,
            space: None,
            effect,
            provisioning_since: now,
            errors: Vec::new(),
            created: now,
        }));
    }

    pub(super) fn on_file_server_delete(&mut self, id: FileServerId, force: bool) {
        let Some(row) = self.file_servers.get(&id) else { return self.ignore() };
        let given_up = force && row.provisioning == Provisioning::Failed && row.effect.is_none();
        if given_up {
            return self.drop_file_server(id);
        }
        self.leave_file_server(id);
        self.undo_server(id);
    }

    /// Undoes what was set up for a file server that is leaving, and removes it; what is under way is waited for.
    pub(super) fn undo_server(&mut self, id: FileServerId) {
        let Some(row) = self.file_servers.get(&id) else { return };
        if row.effect.is_some() {
            return;
        }
        let ours = match row.exported {
            Some(Exported::Kernel | Exported::Ganesha) => true,
            Some(Exported::Folder | Exported::Found) => false,
            // What failed may be half done.
            None => row.spec.managed.is_some(),
        };
        if !ours {
            return self.drop_file_server(id);
        }
        let effect = self.issue(Act::UndoServer { file_server: id });
        self.edit_file_server(id, |row| row.effect = Some(effect));
    }

    /// Takes in what became of an export.
    pub(super) fn on_file_server_answered(&mut self, effect: EffectId, outcome: ServerOutcome) {
        let (id, undoes) = match self.outbox.get(effect) {
            Some(Act::SetUpServer { file_server }) => (*file_server, false),
            Some(Act::UndoServer { file_server }) => (*file_server, true),
            Some(_) | None => return self.ignore(),
        };
        self.close(effect);
        let Some(row) = self.file_servers.get(&id) else { return };
        let (home, leaving, now) = (row.workspace, row.provisioning == Provisioning::Deleting, self.turn.now);
        self.edit_file_server(id, |row| row.effect = None);
        let going = self.workspaces.get(&home).is_none_or(|workspace| workspace.deleting);
        match outcome {
            ServerOutcome::Gone => self.drop_file_server(id),
            // Nobody would be left to see it.
            ServerOutcome::Failed { .. } if undoes && going => self.drop_file_server(id),
            ServerOutcome::Failed { message } => self.edit_file_server(id, |row| {
                let code = if undoes { "UndoExportFailed" } else { "ExportFailed" };
                row.errors = vec![ClusterError { code: code.to_owned(), message, details: Vec::new() }];
                (row.provisioning, row.provisioning_since) = (Provisioning::Failed, now);
            }),
            ServerOutcome::Up { by, space } => self.edit_file_server(id, |row| {
                (row.exported, row.space) = (Some(by), space);
                row.errors.clear();
                if !leaving {
                    (row.provisioning, row.provisioning_since) = (Provisioning::Succeeded, now);
                }
            }),
        }
        if leaving && !undoes {
            self.undo_server(id);
        }
        self.end_workspace(home);
    }

    fn edit_file_server(&mut self, id: FileServerId, edit: impl FnOnce(&mut FileServer)) {
        let Some(row) = self.file_servers.get(&id) else { return };
        let mut row = FileServer::clone(row);
        edit(&mut row);
        self.put_file_server(Arc::new(row));
    }

    /// Returns the file server that `text` means for a cluster or job of the workspace `home`: a name there, or one of
    /// the longer forms of `FileServerRef`.
    pub fn file_server(&self, home: WorkspaceId, text: &str) -> Option<&Arc<FileServer>> {
        let group = self.workspaces.get(&home)?.group;
        let named = |wanted: Option<&str>, name: &str| self.workspace_named(wanted, group, name);
        self.file_servers.values().find(|server| server.is_meant(text, home, named))
    }

    /// Returns the workspace of a name in the group that is named, else in `home`.
    fn workspace_named(&self, group: Option<&str>, home: GroupId, name: &str) -> Option<WorkspaceId> {
        let group = match group {
            None => home,
            Some(text) if same_name(text, DEFAULT_GROUP) => GroupId::DEFAULT,
            Some(text) => self.groups.values().find(|g| same_name(&g.name, text))?.id,
        };
        self.workspaces.values().find(|w| w.group == group && same_name(&w.name, name)).map(|w| w.id)
    }

    /// Returns who mounts a file server.
    pub fn mounters(&self, server: &FileServer) -> Mounters {
        let among = |mounts: &crate::model::spec::MountVolumes, home: WorkspaceId| {
            let group = self.workspaces.get(&home).map_or(GroupId::DEFAULT, |w| w.group);
            server.is_among(mounts, home, |wanted, name| self.workspace_named(wanted, group, name))
        };
        let clusters = self.clusters.values().filter(|cluster| {
            cluster.spec.node_setup.as_ref().is_some_and(|setup| among(&setup.mount_volumes, cluster.workspace))
        });
        let jobs = self.jobs.values().filter(|job| !job.state.ended() && among(&job.spec.mount_volumes, job.workspace));
        Mounters { clusters: clusters.map(|c| c.id).collect(), jobs: jobs.map(|j| j.id).collect() }
    }
}
