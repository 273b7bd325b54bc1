//! Checks of requests about what holds other things, and of file servers: resource groups and workspaces.

use std::collections::BTreeMap;

use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::GroupId;
use crate::model::names::{check_host, same_name};
use crate::model::request::Place;
use crate::model::spec::file_server_file::{check_client, check_device};
use crate::model::spec::file_server_file::{check_export_path, check_options};
use crate::model::spec::{Export, FileServerSpec};
use crate::model::state::DEFAULT_GROUP;
use crate::model::state::Provisioning;
use crate::runtime::engine::Engine;
use crate::runtime::validate::{After, Checked, Refusal, accepted, done, named, refuse_deleting};
use crate::runtime::{resolve, usage};
use crate::sched::Event;
use crate::store::Store;

/// How many names of clusters and jobs a refusal lists.
const NAMES_LISTED_MAX: usize = 5;

pub(super) fn create_group<S: Store>(engine: &Engine<S>, name: String) -> Result<Checked, Refusal> {
    named(&name, "resource-group", resolve::group(&engine.sched, &name).is_ok())?;
    done(Event::GroupCreated { name }, After::NewGroup)
}

pub(super) fn delete_group<S: Store>(engine: &Engine<S>, name: &str, force: bool) -> Result<Checked, Refusal> {
    let group = resolve::group(&engine.sched, name)?;
    if group == GroupId::DEFAULT {
        return Err(Fault::user(format!("the resource group `{DEFAULT_GROUP}` is always there"))
            .code(FaultCode::PropertyChangeNotAllowed)
            .target(DEFAULT_GROUP)
            .hint("delete its workspaces one by one")
            .into());
    }
    let inside = engine.sched.workspaces().values().filter(|w| w.group == group).count();
    if inside > 0 && !force {
        let hint = format!("ostler resource-group delete {name} --force deletes them with everything in them");
        let what = if inside == 1 { "1 workspace".to_owned() } else { format!("{inside} workspaces") };
        return Err(Fault::user(format!("resource group `{name}` holds {what}"))
            .code(FaultCode::ResourceNotEmpty)
            .target(name)
            .hint(hint)
            .into());
    }
    accepted(Event::GroupDeleteAsked { group })
}

pub(super) fn create_workspace<S: Store>(
    engine: &Engine<S>,
    text: &str,
    location: Option<String>,
    tags: BTreeMap<String, String>,
) -> Result<Checked, Refusal> {
    let (group, name) = match resolve::parts(text) {
        (Some(group), name) => (resolve::group(&engine.sched, group)?, name.unwrap_or_default()),
        (None, name) => (GroupId::DEFAULT, name.unwrap_or_default()),
    };
    let taken = engine.sched.workspaces().values().any(|w| w.group == group && same_name(&w.name, name));
    named(name, "workspace", taken)?;
    usage::check_workspaces(engine, group)?;
    let leaving = engine.sched.groups().get(&group).is_some_and(|g| g.deleting_since.is_some());
    refuse_deleting("resource group", engine.sched.group_name(group), leaving)?;
    done(Event::WorkspaceCreated { group, name: name.to_owned(), location, tags }, After::NewWorkspace)
}

pub(super) fn delete_workspace<S: Store>(engine: &Engine<S>, name: &str, force: bool) -> Result<Checked, Refusal> {
    let workspace = resolve::workspace(&engine.sched, Some(name))?;
    let clusters = resolve::clusters_in(&engine.sched, workspace.id).count();
    let experiments = resolve::experiments_in(&engine.sched, workspace.id).count();
    let servers = engine.sched.file_servers().values().filter(|s| s.workspace == workspace.id).count();
    if clusters + experiments + servers > 0 && !force {
        let more = if servers > 0 { format!(", {servers} file servers") } else { String::new() };
        let what = format!("workspace `{}` holds {clusters} clusters{more} and {experiments} experiments", workspace.name);
        let hint = format!("ostler workspace delete {} --force deletes them with all their jobs", workspace.name);
        return Err(Fault::user(what).code(FaultCode::ResourceNotEmpty).target(&workspace.name).hint(hint).into());
    }
    accepted(Event::WorkspaceDeleteAsked { workspace: workspace.id })
}

pub(super) fn create_file_server<S: Store>(
    engine: &Engine<S>,
    workspace: Option<String>,
    name: String,
    spec: FileServerSpec,
) -> Result<Checked, Refusal> {
    let workspace = resolve::workspace(&engine.sched, workspace.as_deref())?;
    let taken = engine.sched.file_servers().values().any(|s| s.workspace == workspace.id && same_name(&s.name, &name));
    named(&name, "file-server", taken)?;
    refuse_deleting("workspace", &workspace.name, workspace.deleting)?;
    check_spec(&spec).map_err(Fault::user)?;
    done(Event::FileServerCreated { workspace: workspace.id, name, spec }, After::NewFileServer)
}

/// Whoever speaks to the core may be no reader of files of ours, so what reaches a command line is checked again.
fn check_spec(spec: &FileServerSpec) -> Result<(), String> {
    match &spec.export {
        Export::Nfs { host, path } | Export::Sshfs { host, path } => {
            check_host(host)?;
            check_export_path(path)?;
        }
        Export::Dir { path } => check_export_path(path)?,
    }
    if let Some(managed) = &spec.managed {
        if spec.export.host().is_none() {
            return Err("a directory that all nodes have needs no setting up".to_owned());
        }
        if spec.export.path().contains(['"', '\\', '\'']) {
            return Err("a path with quotes or backslashes cannot be exported".to_owned());
        }
        managed.login.as_deref().map_or(Ok(()), check_host)?;
        managed.clients.iter().try_for_each(|client| check_client(client))?;
        managed.devices.iter().try_for_each(|device| check_device(device))?;
    }
    spec.mount_options.as_deref().map_or(Ok(()), check_options)
}

pub(super) fn delete_file_server<S: Store>(engine: &Engine<S>, place: &Place, force: bool) -> Result<Checked, Refusal> {
    let server = resolve::file_server(&engine.sched, place)?;
    let mounters = engine.sched.mounters(server);
    if !mounters.is_empty() && !force {
        let clusters = mounters.clusters.iter().map(|id| format!("cluster `{}`", resolve::cluster_name(&engine.sched, *id)));
        let jobs = mounters.jobs.iter().filter_map(|id| Some(format!("job `{}`", engine.sched.jobs().get(id)?.name)));
        let all: Vec<String> = clusters.chain(jobs).collect();
        let more = match all.len().saturating_sub(NAMES_LISTED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let who = all.into_iter().take(NAMES_LISTED_MAX).collect::<Vec<_>>().join(", ");
        return Err(Fault::user(format!("file server `{}` is mounted by {who}{more}", server.name))
            .code(FaultCode::ResourceInUse)
            .target(&server.name)
            .hint("delete those first, or delete it all the same with --force: what is mounted stays so until it ends")
            .into());
    }
    if server.provisioning == Provisioning::Deleting {
        return Err(Fault::user(format!("file server `{}` is being deleted", server.name)).into());
    }
    accepted(Event::FileServerDeleteAsked { file_server: server.id, force })
}

#[cfg(test)]
mod tests;
