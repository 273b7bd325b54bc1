//! From the names that people use for files to places on nodes: which node, the way there, and the folder that a path may
//! not leave. Pure but for what it reads of the engine; whether anything lies there is for `look` to see.

use std::path::Path;
use std::sync::Arc;

use crate::frameworks;
use crate::model::fault::Fault;
use crate::model::ids::Attempt;
use crate::model::launch::NodePlace;
use crate::model::nearest::nearest;
use crate::model::request::{FileRef, FilesOf, FolderRef, JobRef, NodeRef, Place, SETUP, STDOUTERR};
use crate::model::state::{Job, Node, NodeState};
use crate::model::task::{CopyWay, Task};
use crate::runtime::engine::{Engine, Located, TaskWork};
use crate::runtime::shelf::Shelf;
use crate::runtime::validate::{Refusal, find_job};
use crate::runtime::{export, perform, resolve};
use crate::store::Store;

/// Finds a file: its node, the way there, its path and the folder that it may not leave.
///
/// # Errors
/// The job or node is unknown, has not started, has no such directory, or the file's name would leave it.
pub fn file<S: Store>(engine: &Engine<S>, file: &FileRef) -> Result<Located, Refusal> {
    if file.file.is_empty() {
        return Err(Fault::user("a file needs a name").into());
    }
    check_path(&file.file)?;
    if let Some(copy) = former_copy(engine, file)? {
        return Ok(copy);
    }
    let mut located = match &file.of {
        FilesOf::Job(job) => of_job(engine, &find_job(engine, job)?, file.directory.as_deref(), file.node)?,
        FilesOf::Node(node) => of_node(engine, node, file.directory.as_deref())?,
        FilesOf::FileServer(place) => of_file_server(engine, place)?,
    };
    located.path = format!("{}/{}", located.folder, file.file);
    Ok(located)
}

/// Finds a directory on the node that is asked for, or on all nodes of the job.
///
/// # Errors
/// As [`file`].
pub fn folders<S: Store>(engine: &Engine<S>, folder: &FolderRef) -> Result<Vec<Located>, Refusal> {
    check_path(&folder.path)?;
    let directory = folder.directory.as_deref();
    let mut found = match &folder.of {
        FilesOf::Job(job) => {
            let job = find_job(engine, job)?;
            let nodes = match folder.node {
                Some(node) => node..node.saturating_add(1),
                None => 0..job.last.places.len().max(1) as u32,
            };
            nodes.map(|node| of_job(engine, &job, directory, node)).collect::<Result<Vec<_>, _>>()?
        }
        FilesOf::Node(node) => vec![of_node(engine, node, directory)?],
        FilesOf::FileServer(place) => vec![of_file_server(engine, place)?],
    };
    if !folder.path.is_empty() {
        found.iter_mut().for_each(|located| located.path = format!("{}/{}", located.folder, folder.path));
    }
    Ok(found)
}

/// Finds the folders with the logs of a job, one for each node.
///
/// # Errors
/// As [`file`].
pub fn logs<S: Store>(engine: &Engine<S>, job: &JobRef) -> Result<Vec<Located>, Refusal> {
    let job = find_job(engine, job)?;
    let folders = (0..job.last.places.len().max(1) as u32).map(|node| of_job(engine, &job, None, node));
    let mut folders = folders.collect::<Result<Vec<_>, _>>()?;
    folders.extend(former_copies(engine, &job));
    Ok(folders)
}

/// Says what a person should know of a job's logs: what stayed behind on nodes that were given back.
pub fn note<S: Store>(engine: &Engine<S>, job: &Job) -> Option<String> {
    shelf(engine).note(job, |index| gone(engine, job, index))
}

fn shelf<S: Store>(engine: &Engine<S>) -> Shelf {
    Shelf::of(Path::new(&engine.around.state_dir))
}

/// Says whether a node of a job's last attempt was given back.
fn gone<S: Store>(engine: &Engine<S>, job: &Job, index: usize) -> bool {
    job.last.nodes.get(index).is_some_and(|node| !engine.sched.nodes().contains_key(node))
}

/// A copy of logs on this machine, read as if it were on the node.
fn located_copy<S: Store>(engine: &Engine<S>, job: &Job, index: u32, copy: &Path, prefix: String) -> Option<Located> {
    let folder = copy.to_str()?.to_owned();
    let link = Box::new(perform::link_here(engine, job.cluster));
    Some(Located {
        job: Some(job.id),
        directory: STDOUTERR.to_owned(),
        node: link.node,
        node_name: copy.file_name()?.to_string_lossy().into_owned(),
        ours: true,
        index,
        link,
        path: folder.clone(),
        folder,
        prefix,
        live: !job.state.ended(),
    })
}

/// Returns the copies of the logs of a job's earlier attempts whose nodes were given back.
fn former_copies<S: Store>(engine: &Engine<S>, job: &Job) -> Vec<Located> {
    let copies = shelf(engine).former(job).into_iter().flat_map(|(attempt, folders)| {
        let numbered = (0..).zip(folders);
        numbered.filter_map(move |(index, copy)| located_copy(engine, job, index, &copy, format!("attempt-{}/", attempt.0)))
    });
    copies.collect()
}

/// Finds a log of an earlier attempt among the copies.
fn former_copy<S: Store>(engine: &Engine<S>, file: &FileRef) -> Result<Option<Located>, Refusal> {
    let FilesOf::Job(job) = &file.of else { return Ok(None) };
    if !file.file.starts_with("attempt-") || file.directory.as_deref().is_some_and(|directory| directory != STDOUTERR) {
        return Ok(None);
    }
    let copies = former_copies(engine, &*find_job(engine, job)?).into_iter().filter(|copy| copy.index == file.node);
    let mut found = copies.filter_map(|copy| {
        let path = format!("{}/{}", copy.folder, file.file.strip_prefix(&copy.prefix)?);
        Path::new(&path).is_file().then_some(Located { path, ..copy })
    });
    Ok(found.next())
}

/// Finds what a task is about.
///
/// # Errors
/// As [`file`], and what the task may not do.
pub fn task<S: Store>(engine: &Engine<S>, task: Task) -> Result<TaskWork, Refusal> {
    match task {
        Task::Run(run) => {
            let node = resolve::node(&engine.sched, &run.node)?;
            let link = perform::link_of(engine, node)
                .ok_or_else(|| Fault::user(format!("node `{}` has no machine yet", node.name)))?;
            Ok(TaskWork::Run { link: Box::new(link), command: run.command })
        }
        Task::Copy(copy) => {
            if !copy.local.starts_with('/') || copy.local.contains('\0') {
                return Err(Fault::internal("a copy names no absolute path here").into());
            }
            let of_server = matches!(copy.remote.of, FilesOf::FileServer(_));
            if copy.way == CopyWay::Put
                && !of_server
                && copy.remote.directory.as_deref().is_none_or(|id| id == STDOUTERR || id == SETUP)
            {
                let fault = Fault::user("nothing can be put among the logs");
                return Err(fault.hint("name an output or input directory with -d, or temp").into());
            }
            let node = Some(copy.remote.node.unwrap_or(0));
            let mut found = folders(engine, &FolderRef { node, ..copy.remote.clone() })?;
            let located = found.pop().ok_or_else(|| Fault::internal("a copy has no place"))?;
            Ok(TaskWork::Copy { located, copy })
        }
    }
}

/// A path below a directory: nothing that leads out of it, nothing that cannot be a line.
fn check_path(path: &str) -> Result<(), Fault> {
    let shown = path.escape_debug();
    let why = match path {
        "" => return Ok(()),
        _ if path.starts_with('/') => "a path is relative to its directory (`-d`)",
        _ if path.chars().any(char::is_control) => "it has a control character",
        _ if path.split('/').any(|part| part == "..") => "it leads out of the directory",
        _ if path.split('/').any(|part| part.is_empty() || part == ".") => "it has an empty part or a `.`",
        _ => return Ok(()),
    };
    Err(Fault::user(format!("the path `{shown}` is refused: {why}")))
}

fn of_job<S: Store>(engine: &Engine<S>, job: &Arc<Job>, directory: Option<&str>, node: u32) -> Result<Located, Refusal> {
    if job.attempt == Attempt(0) {
        let reason = job.reason(engine.sched.clusters().get(&job.cluster).map(|c| &**c));
        return Err(Fault::user(format!("job `{}` has not started: {reason}", job.name)).into());
    }
    if node as usize >= job.last.places.len() {
        let nodes = job.last.places.len();
        return Err(
            Fault::user(format!("job `{}` has {nodes} nodes, counted from 0; there is no node {node}", job.name)).into()
        );
    }
    if directory.is_none_or(|directory| directory == STDOUTERR)
        && gone(engine, job, node as usize)
        && let Some(copy) = shelf(engine).copy(job, node)
        && let Some(located) = located_copy(engine, job, node, &copy, String::new())
    {
        return Ok(located);
    }
    let link = perform::link_for(engine, job, node as usize).ok_or_else(|| {
        Fault::user(format!("the cluster of job `{}` is gone, and the way to its files with it", job.name))
    })?;
    let names = perform::job_names(&engine.sched, job);
    let directory = directory.unwrap_or(STDOUTERR);
    let folder = match directory {
        STDOUTERR => frameworks::log_folder(job, node, &names).map_err(Refusal::Fault)?,
        named => directory_of(job, node, named, &names)?,
    };
    Ok(Located {
        job: Some(job.id),
        directory: directory.to_owned(),
        node: link.node,
        node_name: job.last.node_names.get(node as usize).cloned().unwrap_or_default(),
        ours: engine.sched.nodes().contains_key(&link.node),
        index: node,
        link: Box::new(link),
        path: folder.clone(),
        folder,
        prefix: String::new(),
        live: !job.state.ended(),
    })
}

fn directory_of(job: &Job, node: u32, named: &str, names: &frameworks::JobNames<'_>) -> Result<String, Fault> {
    let all = frameworks::directories(job, node, names)?;
    if let Some((_, path)) = all.iter().find(|(id, _)| id == named) {
        return Ok(path.clone());
    }
    let ids: Vec<&str> = all.iter().map(|(id, _)| id.as_str()).collect();
    let fault = Fault::user(format!("job `{}` has no directory `{}`", job.name, named.escape_debug()));
    let meant = nearest(named, ids.iter().copied()).map(|id| format!("did you mean `{id}`? ")).unwrap_or_default();
    Err(fault.hint(format!("{meant}it has {}", ids.join(", "))))
}

/// The directory that a file server gives out, on its own host; one that all nodes have, on any of them that is there.
///
/// # Errors
/// There is no such file server, or no node that has its directory.
pub fn of_file_server<S: Store>(engine: &Engine<S>, place: &Place) -> Result<Located, Refusal> {
    let server = resolve::file_server(&engine.sched, place)?;
    let login = server.spec.managed.as_ref().and_then(|managed| managed.login.as_deref());
    let link = match login.or(server.spec.export.host()) {
        Some(host) => export::link_to_host(engine, host),
        None => {
            let mut nodes = engine.sched.nodes().values().filter(|node| engine.up.contains(&node.id));
            let link = nodes.find_map(|node| perform::link_of(engine, node));
            link.ok_or_else(|| {
                Fault::user(format!("file server `{}` is a directory of nodes, and no node is there", server.name))
            })?
        }
    };
    let folder = server.spec.export.path().trim_end_matches('/').to_owned();
    Ok(Located {
        job: None,
        directory: String::new(),
        node: link.node,
        node_name: server.name.clone(),
        ours: false,
        index: 0,
        link: Box::new(link),
        path: folder.clone(),
        folder,
        prefix: String::new(),
        live: false,
    })
}

/// The logs of a node's set-up task.
fn of_node<S: Store>(engine: &Engine<S>, node: &NodeRef, directory: Option<&str>) -> Result<Located, Refusal> {
    let node = resolve::node(&engine.sched, node)?;
    if let Some(other) = directory.filter(|id| *id != SETUP) {
        let fault = Fault::user(format!("a node has no directory `{}`", other.escape_debug()));
        return Err(fault.hint(format!("it has {SETUP}")).into());
    }
    let link =
        perform::link_of(engine, node).ok_or_else(|| Fault::user(format!("node `{}` has no machine yet", node.name)))?;
    let folder = setup_folder(engine, node)?;
    Ok(Located {
        job: None,
        directory: SETUP.to_owned(),
        node: node.id,
        node_name: node.name.clone(),
        ours: true,
        index: 0,
        link: Box::new(link),
        path: folder.clone(),
        folder,
        prefix: String::new(),
        live: matches!(node.state, NodeState::Preparing),
    })
}

/// Where the logs of a node's set-up task lie on it.
fn setup_folder<S: Store>(engine: &Engine<S>, node: &Node) -> Result<String, Fault> {
    let cluster = engine.sched.clusters().get(&node.cluster);
    let cluster = cluster.ok_or_else(|| Fault::internal(format!("node `{}` belongs to no cluster", node.name)))?;
    let task = cluster.spec.node_setup.as_ref().and_then(|setup| setup.setup_task.as_ref());
    let task = task
        .ok_or_else(|| Fault::user(format!("cluster `{}` has no set-up task, so there are no logs of one", cluster.name)))?;
    let facts = node.facts.as_ref().filter(|facts| facts.root.starts_with('/'));
    let facts = facts.ok_or_else(|| Fault::user(format!("node `{}` has not been prepared yet", node.name)))?;
    frameworks::task_logs(&NodePlace::of(&node.name, facts), task, &perform::setup_suffix(&engine.sched, cluster))
}

#[cfg(test)]
mod tests {
    use super::check_path;

    #[test]
    fn paths_that_are_refused() {
        for path in ["", "a", "a b/c", "a..b", "...", "-x", "é/ü"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in ["/etc/shadow", "..", "../x", "a/../../x", "a//b", "./a", "a/", "a\nb", "a\0", "a\u{1b}[2J"] {
            let fault = check_path(path).unwrap_err();
            assert!(!fault.message.chars().any(char::is_control), "{}", fault.message);
        }
    }
}
