//! Resource groups and file servers: made, found, mounted and deleted.

use super::*;
use crate::model::spec::file_server::Managed;
use crate::model::spec::mounts::FileServerMount;
use crate::model::spec::{ClusterSpec, Export, FileServerSpec, MountVolumes, NodeSetup, ProviderSpec};
use crate::model::state::Provisioning;
use crate::model::state::file_server::{Exported, ServerOutcome};
use crate::model::units::NodeCount;

fn export() -> FileServerSpec {
    FileServerSpec::new(Export::Nfs { host: "nas".into(), path: "/srv".into() })
}

fn mounts(text: &str) -> MountVolumes {
    let mount = FileServerMount {
        file_server: text.into(),
        relative_mount_path: "nfs".into(),
        source_directory: None,
        mount_options: None,
    };
    MountVolumes { file_servers: vec![mount], ..MountVolumes::default() }
}

/// The workspace of the rig in the group that is always there, and another of the same name in the group `far`.
fn two_groups() -> (Rig, WorkspaceId) {
    let mut rig = Rig::up(1);
    rig.on(Event::GroupCreated { name: "far".into() });
    let group = rig.sched.counters().group;
    let name = rig.sched.workspaces()[&WS].name.clone();
    rig.on(Event::WorkspaceCreated { group, name, location: None, tags: BTreeMap::new() });
    let other = rig.sched.counters().workspace;
    for workspace in [WS, other] {
        rig.on(Event::FileServerCreated { workspace, name: "data".into(), spec: export() });
    }
    (rig, other)
}

#[test]
fn a_file_server_is_found_by_all_its_names() {
    let (rig, other) = two_groups();
    let ws = rig.sched.workspaces()[&WS].name.clone();
    let found = |home, text: &str| rig.sched.file_server(home, text).map(|server| server.id.0);
    for (home, text, expected) in [
        (WS, "data".to_owned(), Some(1)),
        (WS, "DATA".to_owned(), Some(1)),
        (WS, "fs-1".to_owned(), Some(1)),
        (other, "data".to_owned(), Some(2)),
        (WS, format!("far/{ws}/data"), Some(2)),
        (other, format!("default/{ws}/data"), Some(1)),
        (WS, format!("/subscriptions/0/resourceGroups/FAR/providers/x/workspaces/{ws}/fileservers/data"), Some(2)),
        (WS, format!("{ws}/data"), Some(1)),
        (WS, "fs-2".to_owned(), None),
        (WS, "nope".to_owned(), None),
        (WS, "nope/data".to_owned(), None),
    ] {
        assert_eq!(found(home, &text), expected, "{text} from {home}");
    }
    let server = rig.sched.file_server(WS, "data").expect("found above");
    assert_eq!((server.provisioning, server.spec.export.path()), (Provisioning::Succeeded, "/srv"));
}

#[test]
fn a_file_server_knows_who_mounts_it() {
    let (mut rig, other) = two_groups();
    let mut spec = ClusterSpec::new(ProviderSpec::Hosts { hosts: vec!["h9".into()] }, NodeCount(0));
    spec.node_setup = Some(NodeSetup { mount_volumes: mounts("data"), ..NodeSetup::default() });
    for (workspace, name) in [(WS, "a"), (other, "b")] {
        let (name, spec, uuid) = (name.into(), spec.clone(), uuid::Uuid::nil());
        rig.on(Event::ClusterCreated { workspace, name, uuid, spec });
    }
    let mut job_spec = spec_of_job();
    job_spec.mount_volumes = mounts("data").into();
    let job = new_job("m", job_spec, every_node(1));
    rig.on(Event::JobsSubmitted { jobs: vec![job] });
    let of = |rig: &Rig, id: u64| rig.sched.mounters(&rig.sched.file_servers()[&FileServerId(id)]);
    let near = of(&rig, 1);
    assert_eq!((near.clusters, near.jobs), (vec![ClusterId(2)], vec![JobId(1)]));
    let far = of(&rig, 2);
    assert_eq!((far.clusters, far.jobs.is_empty()), (vec![ClusterId(3)], true));
    // A job that has ended mounts nothing any more.
    rig.started(main_of(1, 1, 0));
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(of(&rig, 1).jobs, []);
    rig.on(Event::FileServerDeleteAsked { file_server: FileServerId(1), force: false });
    assert!(rig.sched.file_server(WS, "data").is_none() && rig.last.touched.contains(&RowKey::FileServer(FileServerId(1))));
}

fn spec_of_job() -> crate::model::spec::JobSpec {
    spec(1)
}

#[test]
fn a_group_goes_with_all_that_is_inside() {
    let (mut rig, other) = two_groups();
    let group = rig.sched.counters().group;
    let spec = ClusterSpec::new(ProviderSpec::Hosts { hosts: vec!["h9".into()] }, NodeCount(1));
    rig.on(Event::ClusterCreated { workspace: other, name: "b".into(), uuid: uuid::Uuid::nil(), spec });
    rig.bring_up();
    rig.on(Event::GroupDeleteAsked { group });
    // A node is still to be given back: the group waits for it, and its file server with it.
    let server = rig.sched.file_servers().get(&FileServerId(2)).cloned();
    assert_eq!(server.map(|server| server.provisioning), Some(Provisioning::Deleting));
    assert!(rig.sched.groups()[&group].deleting_since.is_some());
    rig.on(Event::WorkspaceCreated { group, name: "late".into(), location: None, tags: BTreeMap::new() });
    assert_eq!(rig.sched.workspaces().len(), 2, "nothing new in a group that goes");
    rig.release_all();
    assert!(rig.sched.groups().is_empty(), "{:?} {:?}", rig.sched.groups(), rig.sched.clusters());
    assert_eq!(rig.sched.workspaces().keys().copied().collect::<Vec<_>>(), [WS]);
    assert_eq!(rig.sched.file_servers().keys().copied().collect::<Vec<_>>(), [FileServerId(1)]);
    // The one that is always there has no row and cannot go.
    rig.on(Event::GroupDeleteAsked { group: GroupId::DEFAULT });
    assert_eq!(rig.sched.workspaces().len(), 1);
}

/// A workspace with a file server that is to be set up, and the effect that does it.
fn to_be_set_up() -> (Rig, EffectId) {
    let mut rig = Rig::asked(0);
    let export = Export::Nfs { host: "nas".into(), path: "/srv".into() };
    let managed = Some(Managed { login: None, clients: vec!["*".into()], devices: Vec::new() });
    let spec = FileServerSpec { managed, ..FileServerSpec::new(export) };
    rig.on(Event::FileServerCreated { workspace: WS, name: "data".into(), spec });
    let effect = rig.find(|act| matches!(act, Act::SetUpServer { .. })).unwrap().id;
    (rig, effect)
}

fn server_state(rig: &Rig) -> Option<Provisioning> {
    rig.sched.file_servers().get(&FileServerId(1)).map(|row| row.provisioning)
}

fn undo_of(rig: &Rig) -> Option<EffectId> {
    rig.find(|act| matches!(act, Act::UndoServer { .. })).map(|effect| effect.id)
}

#[test]
fn an_export_is_set_up_and_undone_with_its_file_server() {
    let up = |by| ServerOutcome::Up { by, space: None };
    let failed = || ServerOutcome::Failed { message: "no root".into() };
    let delete = |force| Event::FileServerDeleteAsked { file_server: FileServerId(1), force };
    for by in [Exported::Kernel, Exported::Ganesha, Exported::Folder, Exported::Found] {
        let (mut rig, effect) = to_be_set_up();
        assert_eq!(server_state(&rig), Some(Provisioning::Creating));
        rig.on(Event::FileServerAnswered { effect, outcome: up(by) });
        assert_eq!(server_state(&rig), Some(Provisioning::Succeeded));
        rig.on(delete(false));
        let ours = matches!(by, Exported::Kernel | Exported::Ganesha);
        assert_eq!(undo_of(&rig).is_some(), ours, "{by:?}");
        if let Some(effect) = undo_of(&rig) {
            assert_eq!(server_state(&rig), Some(Provisioning::Deleting));
            rig.on(Event::FileServerAnswered { effect, outcome: failed() });
            assert_eq!(server_state(&rig), Some(Provisioning::Failed), "it is still there");
            rig.on(delete(false));
            let effect = undo_of(&rig).unwrap();
            rig.on(Event::FileServerAnswered { effect, outcome: ServerOutcome::Gone });
        }
        assert_eq!(server_state(&rig), None, "{by:?}");
    }
    // Deleted while it is being set up: first the one, then the other.
    let (mut rig, effect) = to_be_set_up();
    rig.on(delete(false));
    assert_eq!(undo_of(&rig), None);
    rig.on(Event::FileServerAnswered { effect, outcome: up(Exported::Kernel) });
    assert_eq!(server_state(&rig), Some(Provisioning::Deleting));
    rig.on(Event::FileServerAnswered { effect: undo_of(&rig).unwrap(), outcome: ServerOutcome::Gone });
    assert_eq!(server_state(&rig), None);
    // What failed can be forgotten.
    let (mut rig, effect) = to_be_set_up();
    rig.on(Event::FileServerAnswered { effect, outcome: failed() });
    assert_eq!(server_state(&rig), Some(Provisioning::Failed));
    rig.on(delete(true));
    assert_eq!((server_state(&rig), undo_of(&rig)), (None, None));
    // A workspace waits for the exports of its file servers.
    let (mut rig, effect) = to_be_set_up();
    rig.on(Event::FileServerAnswered { effect, outcome: up(Exported::Kernel) });
    rig.on(Event::WorkspaceDeleteAsked { workspace: WS });
    rig.release_all();
    assert!(!rig.sched.workspaces().is_empty());
    rig.on(Event::FileServerAnswered { effect: undo_of(&rig).unwrap(), outcome: failed() });
    assert!(rig.sched.workspaces().is_empty() && rig.sched.file_servers().is_empty(), "nobody would be left to see it");
}
