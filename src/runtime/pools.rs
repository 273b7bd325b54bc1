//! Hosts that come to a live pool and go from it: by a command, or by a file that is watched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::model::cost::Budget;
use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::ClusterId;
use crate::model::names::{HOSTS_MAX, check_host};
use crate::model::request::Place;
use crate::model::snapshot::Change;
use crate::model::spec::{ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
use crate::model::state::Cluster;
use crate::model::units::{Millis, UnixMillis};
use crate::providers::watch;
use crate::runtime::engine::{Engine, Input};
use crate::runtime::validate::{After, Checked, Refusal, done, refuse_deleting};
use crate::runtime::{handover, resolve};
use crate::sched::Event;
use crate::store::Store;

/// Puts the hosts that a file names into a new cluster.
///
/// # Errors
/// The file is not to be read.
pub(super) fn fill_hosts(spec: &mut ClusterSpec) -> Result<(), Fault> {
    let Some(file) = &spec.pool.hosts_file else { return Ok(()) };
    let path = Path::new(file);
    if !path.is_absolute() {
        return Err(Fault::user(format!("hostsFile: `{}` does not begin with /", file.escape_debug()))
            .hint("the core reads it, which may have another working directory"));
    }
    match &mut spec.provider {
        ProviderSpec::Hosts { hosts } => *hosts = watch::read(path).map_err(Fault::user)?,
        ProviderSpec::Local
        | ProviderSpec::Class
        | ProviderSpec::Command { .. }
        | ProviderSpec::Http { .. }
        | ProviderSpec::Slurm { .. } => {
            return Err(Fault::user("hostsFile belongs to the provider `hosts`"));
        }
    }
    Ok(())
}

/// Adds hosts to a pool, or takes some from it.
pub(super) fn change<S: Store>(
    engine: &Engine<S>,
    place: &Place,
    add: &[String],
    remove: &[String],
) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, place)?;
    refuse_deleting("cluster", &cluster.name, cluster.deleting)?;
    handover::check_ours(cluster)?;
    let Some(before) = cluster.spec.provider.hosts() else {
        let word = cluster.spec.provider.word();
        return Err(Fault::user(format!("cluster `{}` has no list of hosts: its provider is {word}", cluster.name)).into());
    };
    if let Some(file) = &cluster.spec.pool.hosts_file {
        return Err(Fault::user(format!("the hosts of `{}` are those of a file", cluster.name))
            .hint(format!("change `{}`; it is watched", file.escape_debug()))
            .into());
    }
    let mut hosts = before.clone();
    for host in remove {
        let Some(at) = hosts.iter().position(|have| have.eq_ignore_ascii_case(host)) else {
            let none = format!("no host `{}` in cluster `{}`", host.escape_debug(), cluster.name);
            return Err(Fault::user(none).code(FaultCode::ResourceNotFound).target(host).into());
        };
        hosts.remove(at);
    }
    for host in add {
        check_host(host).map_err(Fault::user)?;
        if hosts.iter().any(|have| have.eq_ignore_ascii_case(host)) {
            let twice = format!("host `{}` is in cluster `{}` already", host.escape_debug(), cluster.name);
            return Err(Fault::user(twice).code(FaultCode::ResourceAlreadyExists).target(host).into());
        }
        hosts.push(host.clone());
    }
    if hosts.len() > HOSTS_MAX {
        return Err(Fault::user(format!("a pool has at most {HOSTS_MAX} hosts")).into());
    }
    let nodes = engine.sched.nodes_of(cluster.id).filter(|node| remove.contains(&node.host));
    let (busy, idle): (Vec<_>, Vec<_>) = nodes.partition(|node| node.is_held());
    let mut note = format!("{} hosts now", hosts.len());
    if !idle.is_empty() {
        note.push_str(&format!("; {} nodes go", idle.len()));
    }
    if !busy.is_empty() {
        note.push_str(&format!("; {} go when their jobs have ended", busy.len()));
    }
    done(Event::HostsChanged { cluster: cluster.id, hosts }, After::Accepted(Some(note)))
}

/// Keeps all nodes of an auto-scaled cluster for a while.
pub(super) fn keep_awake<S: Store>(
    engine: &Engine<S>,
    now: UnixMillis,
    place: &Place,
    span: Millis,
) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, place)?;
    refuse_deleting("cluster", &cluster.name, cluster.deleting)?;
    if let ScaleSettings::Manual { .. } = cluster.spec.scale_settings {
        return Err(Fault::user(format!("cluster `{}` is scaled by hand: its nodes stay", cluster.name)).into());
    }
    let note = match span {
        Millis(0) => "nodes go again when nothing uses them".to_owned(),
        span => format!("no node goes for {span}"),
    };
    done(Event::KeptAwake { cluster: cluster.id, until: now + span }, After::Accepted(Some(note)))
}

/// Lets a cluster ask for nodes again.
pub(super) fn resume<S: Store>(engine: &Engine<S>, place: &Place) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, place)?;
    if cluster.errors.is_empty() && !cluster.auto.paused {
        return Err(Fault::user(format!("cluster `{}` is not paused", cluster.name)).into());
    }
    done(Event::ResumeAsked { cluster: cluster.id }, After::Accepted(Some("nodes are asked for again".to_owned())))
}

/// Takes the last change of how a cluster is scaled back, unless that stopped jobs: then it is a change to be looked at.
pub(super) fn take_scale_back<S: Store>(engine: &Engine<S>, place: &Place) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, place)?;
    refuse_deleting("cluster", &cluster.name, cluster.deleting)?;
    let name = &cluster.name;
    let Some(before) = &cluster.before else {
        return Err(Fault::user(format!("no scaling of `{name}` is under way that could be taken back"))
            .hint(format!("`ostler cluster scale {name} N` scales it"))
            .into());
    };
    let (target, deallocation) = match &**before {
        ScaleSettings::Manual { target_node_count, node_deallocation_option } => {
            (*target_node_count, *node_deallocation_option)
        }
        ScaleSettings::AutoScale(auto) => (auto.current, Deallocation::WaitForJobCompletion),
    };
    let preview = engine.sched.preview_scale(cluster.id, target, Some(deallocation), None);
    if !preview.release_busy.is_empty() && deallocation != Deallocation::WaitForJobCompletion {
        return Err(Fault::user(format!("jobs run by now on nodes that would go: {}", preview.line))
            .code(FaultCode::Conflict)
            .target(name)
            .hint(format!("`ostler cluster scale {name} {target}` asks what becomes of them"))
            .into());
    }
    let note = match &**before {
        ScaleSettings::Manual { .. } => format!("taken back: {}", preview.line),
        ScaleSettings::AutoScale(_) => "taken back: the number of nodes follows the work again".to_owned(),
    };
    done(Event::ScaleTakenBack { cluster: cluster.id }, After::Accepted(Some(note)))
}

/// Sets or clears a budget.
pub(super) fn set_budget<S: Store>(
    engine: &Engine<S>,
    cluster: Option<Place>,
    workspace: Option<String>,
    budget: Option<Budget>,
) -> Result<Checked, Refusal> {
    let (cluster, workspace, of) = match &cluster {
        Some(place) => {
            let cluster = resolve::cluster(&engine.sched, place)?;
            (Some(cluster.id), None, format!("cluster `{}`", cluster.name))
        }
        None => {
            let workspace = resolve::workspace(&engine.sched, workspace.as_deref())?;
            (None, Some(workspace.id), format!("all clusters of workspace `{}`", workspace.name))
        }
    };
    let note = match &budget {
        None => format!("{of}: no limit"),
        Some(budget) => format!("{of}: {}", budget.words(budget.before)),
    };
    done(Event::BudgetSet { cluster, workspace, budget }, After::Accepted(Some(note)))
}

/// Reads a cluster's file of hosts again; `None` when nothing is different, or the file cannot be read: then the hosts stay.
pub(super) fn reread<S>(engine: &Engine<S>, id: ClusterId) -> Option<Event> {
    let cluster = engine.sched.clusters().get(&id).filter(|cluster| !cluster.deleting)?;
    let file = cluster.spec.pool.hosts_file.as_ref()?;
    match watch::read(Path::new(file)) {
        Ok(hosts) => (Some(&hosts) != cluster.spec.provider.hosts()).then_some(Event::HostsChanged { cluster: id, hosts }),
        Err(why) => {
            tracing::warn!(cluster = %cluster.name, why, "its hosts stay as they are");
            None
        }
    }
}

/// Watches the files of all pools that have one.
pub(super) struct HostFiles {
    inputs: mpsc::Sender<Input>,
    watched: BTreeMap<ClusterId, (PathBuf, Option<RecommendedWatcher>)>,
}

impl HostFiles {
    pub(super) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs, watched: BTreeMap::new() }
    }

    /// Takes notice of clusters that came, and of those that are gone.
    pub(super) fn follow<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            match change {
                Change::Cluster(cluster) => self.add(cluster),
                Change::Gone(crate::model::snapshot::RowKey::Cluster(id)) => drop(self.watched.remove(id)),
                _ => {}
            }
        }
    }

    pub(super) fn add(&mut self, cluster: &Cluster) {
        let Some(file) = &cluster.spec.pool.hosts_file else { return };
        if self.watched.contains_key(&cluster.id) {
            return;
        }
        let (path, id, inputs) = (PathBuf::from(file), cluster.id, self.inputs.clone());
        let wanted = path.clone();
        // The folder, because editors put a new file in the place of the old one.
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let meant = event.is_ok_and(|event| {
                !event.kind.is_access() && event.paths.iter().any(|path| path.file_name() == wanted.file_name())
            });
            if meant {
                // A core that is closing wants to know nothing.
                let _ = inputs.blocking_send(Input::HostsFile(id));
            }
        });
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let watcher = watcher.and_then(|mut watcher| watcher.watch(&folder, RecursiveMode::NonRecursive).map(|()| watcher));
        let watcher = watcher.inspect_err(|error| tracing::warn!(file = %path.display(), %error, "cannot be watched")).ok();
        self.watched.insert(cluster.id, (path, watcher));
        // It may have changed while nobody watched.
        let _ = self.inputs.try_send(Input::HostsFile(cluster.id));
    }
}
