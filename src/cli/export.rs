//! `ostler export`: a workspace and all in it as one tree, which `apply` takes. Values of secrets are not in it: they are
//! asked for when it is applied somewhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::lists::Lists;
use super::names;
use super::objects::{cluster, job};
use super::output::{Format, Out};
use super::select;
use super::session::{Core, Session};
use crate::model::request::{JobQuery, JobView};
use crate::model::spec::budget_file;
use crate::model::spec::secret::{sources_of_cluster, sources_of_job};
use crate::model::spec::{ClusterSpec, JobSpec, MountVolumes, Secret, SecretSource, body};
use crate::model::state::Workspace;

/// Options of `export`.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// The workspace; that of the context when absent
    #[arg(value_name = "WORKSPACE", add = names::workspaces())]
    of: Option<String>,
    /// Leave the jobs out
    #[arg(long)]
    without_jobs: bool,
}

/// Does it: YAML, or JSON where that is asked for.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, export: &Export) -> Result<i32, Failure> {
    let core = session.core().await?;
    let lists = Lists::read(&core, None).await?;
    let named = export.of.clone().or_else(|| session.context.workspace.clone());
    let workspace = lists.workspace(session.within_group(named).as_ref())?;
    let tree = tree(&core, &lists, workspace, !export.without_jobs).await?;
    let out = if session.out.for_people() { Out { format: Format::Yaml, ..session.out } } else { session.out };
    out.one(&workspace.name, &[("name", workspace.name.clone())], &json!({ "workspace": tree }))?;
    Ok(0)
}

/// Returns a workspace and all in it but its jobs as YAML: what can be edited and applied again.
///
/// # Errors
/// As for every command.
pub async fn text(session: &Session, named: Option<String>) -> Result<String, Failure> {
    let core = session.core().await?;
    let lists = Lists::read(&core, None).await?;
    let named = named.or_else(|| session.context.workspace.clone());
    let workspace = lists.workspace(session.within_group(named).as_ref())?;
    let tree = tree(&core, &lists, workspace, false).await?;
    Ok(super::output::yaml_text(&json!({ "workspace": tree }))?)
}

async fn tree(core: &Core, lists: &Lists, workspace: &Workspace, with_jobs: bool) -> Result<Value, Failure> {
    let mut map = Map::new();
    map.insert("name".to_owned(), json!(workspace.name));
    let group = lists.group_name(workspace.group);
    if !lists.groups.is_empty() {
        map.insert("resourceGroup".to_owned(), json!(group));
    }
    if let Some(location) = &workspace.location {
        map.insert("location".to_owned(), json!(location));
    }
    if let Some(budget) = &workspace.budget {
        map.insert("budget".to_owned(), budget_file::value(budget));
    }
    if !workspace.tags.is_empty() {
        map.insert("tags".to_owned(), json!(workspace.tags));
    }
    let id = workspace.id;
    let servers = lists.file_servers.iter().filter(|s| s.workspace == id);
    let servers = servers.map(|s| named(&s.name, body::file_server(&s.spec), &["mountSettings"]));
    map.insert("fileServers".to_owned(), servers.collect());
    let clusters = lists.clusters.iter().filter(|c| c.workspace == id && !c.deleting);
    let clusters = clusters.map(|c| {
        let mut body = cluster_body(&c.spec);
        body.extend(c.budget.as_ref().map(|budget| ("budget".to_owned(), budget_file::value(budget))));
        named(&c.name, body, &[])
    });
    map.insert("clusters".to_owned(), clusters.collect());
    let mut experiments = Vec::new();
    for experiment in lists.experiments.iter().filter(|e| e.workspace == id && !e.deleting) {
        let (mut jobs, mut arrays) = (Vec::new(), BTreeSet::new());
        if with_jobs {
            let query = JobQuery {
                workspace: Some(format!("{group}/{}", workspace.name)),
                experiment: Some(experiment.name.clone()),
                ..JobQuery::default()
            };
            select::pages(core, query, |page| {
                // One member of an array stands for all.
                let first = |view: &&Arc<JobView>| view.job.member.as_ref().is_none_or(|member| arrays.insert(member.of));
                jobs.extend(page.iter().filter(first).map(|view| {
                    let far = view.cluster_workspace != view.workspace || view.cluster_group != view.group;
                    let cluster = match far {
                        true => format!(
                            "resourceGroups/{}/workspaces/{}/clusters/{}",
                            view.cluster_group, view.cluster_workspace, view.cluster
                        ),
                        false => view.cluster.clone(),
                    };
                    let name = view.job.member.as_ref().map_or(&*view.job.name, |member| &member.name);
                    named(name, job_body(&view.job.spec, &cluster), &[])
                }));
                Ok(true)
            })
            .await?;
        }
        experiments.push(json!({"name": experiment.name, "jobs": jobs}));
    }
    map.insert("experiments".to_owned(), Value::Array(experiments));
    Ok(Value::Object(map))
}

fn named(name: &str, body: Map<String, Value>, without: &[&str]) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), json!(name));
    map.extend(body.into_iter().filter(|(key, _)| !without.contains(&key.as_str())));
    Value::Object(map)
}

/// Returns a job's body as a file would have it.
fn job_body(spec: &JobSpec, cluster: &str) -> Map<String, Value> {
    let mut spec = spec.clone();
    sources_of_job(&mut spec).into_iter().for_each(|(_, source)| forget(source));
    let mut map = job::spec(&spec, spec.scheduling_priority);
    map.remove("kept");
    spec.kept.put_into(&mut map);
    map.insert("cluster".to_owned(), json!(cluster));
    map.insert("nodeCount".to_owned(), json!(spec.node_count));
    map
}

/// Returns a cluster's body as a file would have it.
pub fn cluster_body(spec: &ClusterSpec) -> Map<String, Value> {
    let mut spec = spec.clone();
    sources_of_cluster(&mut spec).into_iter().for_each(|(_, source)| forget(source));
    let mut map = match serde_json::to_value(&spec) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    };
    map.remove("kept");
    map.insert("scaleSettings".to_owned(), cluster::scaling(&spec.scale_settings));
    map.remove("pool");
    map.extend(body::nodes(&spec));
    if let Some(setup) = &spec.node_setup {
        let secrets = setup.setup_task.as_ref().map(|task| &task.secrets).filter(|secrets| !secrets.is_empty());
        if let Some(secrets) = secrets {
            map["nodeSetup"]["setupTask"]["secrets"] = secrets.iter().map(Secret::shown).collect();
        }
        publish_mounts(&setup.mount_volumes, &mut map["nodeSetup"]);
    }
    spec.kept.put_into(&mut map);
    map
}

fn publish_mounts(mounts: &MountVolumes, into: &mut Value) {
    let shares = mounts.azure_file_shares.iter().map(|share| share.credentials.as_ref());
    let blobs = mounts.azure_blob_file_systems.iter().map(|blob| blob.credentials.as_ref());
    let lists: [(&str, Vec<_>); 2] = [("azureFileShares", shares.collect()), ("azureBlobFileSystems", blobs.collect())];
    for (list, sources) in lists {
        for (at, source) in sources.into_iter().enumerate() {
            if let Some(source) = source {
                let shown = source.shown("accountKey", "accountKeySecretReference");
                into["mountVolumes"][list][at]["credentials"] = Value::Object(shown);
            }
        }
    }
}

/// What is kept here is not known elsewhere: it is asked for there.
pub fn forget(source: &mut SecretSource) {
    if matches!(source, SecretSource::Given(_) | SecretSource::Kept(_)) {
        *source = SecretSource::Prompt;
    }
}
