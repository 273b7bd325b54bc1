//! Where copies of logs lie whose nodes were given back: `<state-dir>/logs/<job>/attempt-K/<node>/`, as they lay on the
//! node, with `<node>.json` beside it. The folders are the truth: whoever removes one has removed the copy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::ids::{Attempt, JobId};
use crate::model::kept::Manifest;
use crate::model::state::Job;

/// The folder of all copies below the state directory.
const FOLDER: &str = "logs";
/// The end of the name of a copy that is being made.
const PART: &str = ".part";

/// The place of all copies.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: PathBuf,
}

impl Shelf {
    /// Returns the one of a state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self { root: state_dir.join(FOLDER) }
    }

    /// Returns the folder of all copies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of all copies of a job's logs.
    pub fn of_job(&self, job: JobId) -> PathBuf {
        self.root.join(job.to_string())
    }

    /// Returns where the copy of one attempt's logs on one node is, or would be.
    pub fn place(&self, job: JobId, attempt: Attempt, node: &str) -> PathBuf {
        self.of_attempt(job, attempt).join(word(node))
    }

    /// Returns where that copy lies while it is made.
    pub fn part(&self, job: JobId, attempt: Attempt, node: &str) -> PathBuf {
        self.of_attempt(job, attempt).join(format!("{}{PART}", word(node)))
    }

    fn of_attempt(&self, job: JobId, attempt: Attempt) -> PathBuf {
        self.of_job(job).join(format!("attempt-{}", attempt.0))
    }

    /// Returns the copy of the logs of a job's last attempt on one of its nodes, when there is one.
    pub fn copy(&self, job: &Job, index: u32) -> Option<PathBuf> {
        let node = job.last.node_names.get(index as usize)?;
        Some(self.place(job.id, job.attempt, node)).filter(|path| path.is_dir())
    }

    /// Returns the copies of the logs of a job's earlier attempts: the attempt, and one folder for each node.
    pub fn former(&self, job: &Job) -> Vec<(Attempt, Vec<PathBuf>)> {
        let attempts = (1..job.attempt.0).map(Attempt);
        let copies = attempts.map(|attempt| (attempt, folders(&self.of_attempt(job.id, attempt))));
        copies.filter(|(_, folders)| !folders.is_empty()).collect()
    }

    /// Returns what is known of one copy.
    pub fn manifest(&self, job: JobId, attempt: Attempt, node: &str) -> Option<Manifest> {
        let text = fs::read(manifest_of(&self.place(job, attempt, node))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Says what a person should know of a job's logs: what stayed behind on nodes that were given back. `gone` says
    /// whether the node with this index of the last attempt was.
    pub fn note(&self, job: &Job, gone: impl Fn(usize) -> bool) -> Option<String> {
        if job.attempt == Attempt(0) || job.spec.std_out_err_path_prefix.is_some() {
            return None;
        }
        let said =
            job.last.node_names.iter().enumerate().filter(|(index, _)| gone(*index)).filter_map(|(_, node)| {
                match self.manifest(job.id, job.attempt, node) {
                    Some(manifest) if manifest.left.is_empty() => None,
                    Some(manifest) => Some(format!("{node} was given back; left behind there: {}", manifest.left)),
                    None => Some(format!("{node} is no longer a node of ours, and there is no copy of its logs")),
                }
            });
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// Returns where the manifest of a copy is.
pub fn manifest_of(copy: &Path) -> PathBuf {
    let mut name = copy.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// Returns the folders in a folder, by name, without those that are being made.
pub fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.extension().is_none_or(|end| end != &PART[1..])).collect();
    folders.sort();
    folders
}

/// Returns a node's name as the name of a folder.
fn word(node: &str) -> String {
    let safe = node.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect::<String>();
    if safe.starts_with('.') || safe.is_empty() { format!("_{safe}") } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_lies_below_its_job_whatever_the_node_is_called() {
        let shelf = Shelf::of(Path::new("/state"));
        let place = |node| shelf.place(JobId(7), Attempt(2), node).to_str().map(str::to_owned);
        assert_eq!(place("h1").as_deref(), Some("/state/logs/job-7/attempt-2/h1"));
        assert_eq!(place("../../x").as_deref(), Some("/state/logs/job-7/attempt-2/_.._.._x"));
        assert_eq!(place("a/b").as_deref(), Some("/state/logs/job-7/attempt-2/a_b"));
        assert_eq!(manifest_of(Path::new("/a/h1.x")).to_str(), Some("/a/h1.x.json"));
    }
}
