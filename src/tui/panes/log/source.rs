//! Which file of which node of a job is shown, and where one was in the logs one has left.

use std::collections::{BTreeMap, VecDeque};

use crate::model::ids::{JobId, RankRole};
use crate::model::request::FileEntry;
use crate::model::state::Job;
use crate::model::state::job::{Proof, RankState};

/// How many logs one has left are remembered: more than a person keeps in mind in a session; each is some hundred bytes.
const KEPT_MAX: usize = 256;
/// How the names of files of output and of errors begin (published names, model §6.8).
const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";

/// Where one was in a log: without what was held of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmark {
    /// The index of the node.
    pub node: u32,
    /// The file.
    pub file: String,
    /// The id of its directory; the logs when absent.
    pub directory: Option<String>,
    /// The offset of the first row; `None` while following.
    pub at: Option<u64>,
    /// Columns left out on the left.
    pub skip: usize,
    /// Only lines with this text.
    pub filter: Option<String>,
    /// The text that was searched.
    pub search: Option<String>,
    /// All ranks in one.
    pub merged: bool,
}

/// The logs one has left, the last one last.
#[derive(Debug, Default)]
pub struct Bookmarks {
    marks: BTreeMap<JobId, Bookmark>,
    order: VecDeque<JobId>,
}

impl Bookmarks {
    /// Remembers where one was.
    pub fn keep(&mut self, job: JobId, mark: Bookmark) {
        self.order.retain(|kept| *kept != job);
        self.order.push_back(job);
        self.marks.insert(job, mark);
        if self.order.len() > KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }

    /// Returns where one was in the log of a job, if one was.
    pub fn of(&self, job: JobId) -> Option<Bookmark> {
        self.marks.get(&job).cloned()
    }
}

/// Returns the short name of a log file: published names without their ending.
pub fn short(file: &str) -> &str {
    file.strip_suffix(".txt").unwrap_or(file)
}

/// Returns a place in the order in which files are offered: output, errors, preparation, the rest, earlier attempts.
fn order(file: &str) -> (u8, &str) {
    let rank = match file {
        _ if file.contains('/') => 4,
        _ if file.contains("job_prep") => 2,
        _ if file.starts_with(STDOUT) => 0,
        _ if file.starts_with(STDERR) => 1,
        _ => 3,
    };
    (rank, file)
}

/// Returns the files of one node in the order in which they are offered.
pub fn files_of(entries: &[FileEntry], node: u32) -> Vec<&str> {
    let mut files: Vec<&str> = entries.iter().filter(|e| e.node == node).map(|e| e.name.as_str()).collect();
    files.sort_by_key(|file| order(file));
    files.dedup();
    files
}

/// Returns the file offered after this one, the first after the last.
pub fn next_file(entries: &[FileEntry], node: u32, file: &str) -> Option<String> {
    let files = files_of(entries, node);
    let at = files.iter().position(|known| *known == file).map_or(0, |at| (at + 1) % files.len());
    files.get(at).map(|file| (*file).to_owned())
}

/// Returns the next node that has files, and its file most like this one.
pub fn next_node(entries: &[FileEntry], node: u32, file: &str) -> Option<(u32, String)> {
    let mut nodes: Vec<u32> = entries.iter().map(|e| e.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let next = nodes.iter().find(|n| **n > node).or(nodes.first()).copied().filter(|n| *n != node)?;
    let files = files_of(entries, next);
    let same = files.iter().find(|known| **known == file).or(files.first())?;
    Some((next, (*same).to_owned()))
}

/// Returns the node on which the job failed first, the file to show, and what to say of it: the first process, by rank, with an exit code
/// other than 0 that was not told to stop.
pub fn failed_rank(job: &Job) -> Option<(u32, String, String)> {
    let failed = job.last.ranks.iter().find_map(|(rank, run)| match &run.state {
        RankState::Gone(Proof::Exit { code, why: None } | Proof::Told { code, .. }) if *code != 0 => {
            Some((rank, run, *code))
        }
        RankState::Gone(_) | RankState::Starting { .. } | RankState::Running | RankState::Stopping { .. } => None,
    });
    let (rank, run, code) = failed?;
    let node = job.last.nodes.iter().position(|id| *id == run.node).unwrap_or(0);
    let main = if rank.role == RankRole::Main { rank.index as usize } else { job.first_rank_on(node as u32) };
    Some((node as u32, job.log_name("stdout", main), format!("{rank} ended with exit code {code}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::UnixMillis;

    fn entries(names: &[(&str, u32)]) -> Vec<FileEntry> {
        let entry = |(name, node): &(&str, u32)| FileEntry::file(*name, *node, 0, UnixMillis(0));
        names.iter().map(entry).collect()
    }

    #[test]
    fn files_and_nodes_come_round() {
        let all = entries(&[
            ("attempt-1/stdout.txt", 0),
            ("stderr.txt", 0),
            ("stdout-job_prep-node-1.txt", 0),
            ("stdout.txt", 0),
            ("stdout-job_prep-node-2.txt", 1),
        ]);
        let mut seen = vec!["stdout.txt".to_owned()];
        for _ in 0..4 {
            let next = next_file(&all, 0, seen.last().expect("one")).expect("a file");
            seen.push(next);
        }
        assert_eq!(seen, ["stdout.txt", "stderr.txt", "stdout-job_prep-node-1.txt", "attempt-1/stdout.txt", "stdout.txt"]);
        assert_eq!(next_file(&all, 7, "stdout.txt"), None);
        assert_eq!(next_node(&all, 0, "stdout.txt"), Some((1, "stdout-job_prep-node-2.txt".to_owned())));
        assert_eq!(next_node(&all, 1, "stdout.txt"), Some((0, "stdout.txt".to_owned())));
        assert_eq!(next_node(&entries(&[("stdout.txt", 0)]), 0, "stdout.txt"), None);
    }

    #[test]
    fn the_oldest_place_is_forgotten_first() {
        let mut marks = Bookmarks::default();
        for job in 0..=KEPT_MAX as u64 {
            marks.keep(JobId(job), Bookmark { at: Some(job), ..Bookmark::default() });
        }
        assert_eq!((marks.of(JobId(0)), marks.of(JobId(1)).and_then(|mark| mark.at)), (None, Some(1)));
    }
}
