//! File servers: named exports that clusters and jobs mount. They are found by whoever resolves a mount, and know who
//! mounts them.

use std::sync::Arc;

use super::Sched;
use crate::model::ids::{ClusterId, FileServerId, GroupId, JobId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::spec::FileServerSpec;
use crate::model::state::{DEFAULT_GROUP, FileServer, Provisioning};

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
        self.put_file_server(Arc::new(FileServer {
            id,
            workspace,
            name,
            spec,
            // The export exists, so there is nothing to wait for.
            provisioning: Provisioning::Succeeded,
            provisioning_since: now,
            errors: Vec::new(),
            created: now,
        }));
    }

    pub(super) fn on_file_server_delete(&mut self, id: FileServerId) {
        if !self.file_servers.contains_key(&id) {
            return self.ignore();
        }
        self.drop_file_server(id);
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
