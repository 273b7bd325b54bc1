//! Whether the nodes of a job have a directory in common, and which: what AZ_BATCHAI_SHARED_JOB_TEMP names.
//!
//! Decisions (2026-11):
//! - *A node proves it by a word* in a file beside its spool (`Facts::share`): homes on one file system give all nodes the
//!   same word. Each attempt gets a new folder there, so that nothing of a former one is found.
//! - *Else a mount counts* that is the same on all nodes: a file server or a file share of the job, and one of its cluster
//!   when a text of the job names the variable. That folder is made by the processes themselves, because it may be there
//!   to be read only; where it cannot be made the variable is unset. A job that never asked touches no mount of its
//!   cluster, whose server may hang.

use crate::frameworks::expand::{Piece, pieces};
use crate::frameworks::plan::{Paths, Plan, texts};
use crate::model::fault::Fault;
use crate::model::launch::NodePlace;
use crate::model::spec::{JobSpec, MountVolumes};

pub(super) const SHARED_JOB_TEMP: &str = "AZ_BATCHAI_SHARED_JOB_TEMP";

/// The lines before the command line that make a shared directory on a mount.
const MAKE_SH: &str = "mkdir -p \"$AZ_BATCHAI_SHARED_JOB_TEMP\" 2>/dev/null || unset AZ_BATCHAI_SHARED_JOB_TEMP\n";

/// A directory that all nodes of a job see.
pub(super) struct Shared {
    /// Where it is on this node; absolute.
    pub(super) path: String,
    /// It lies on something mounted: whether it can be made is seen only there.
    pub(super) on_mount: bool,
}

impl Shared {
    /// Returns the lines before a command line that it needs.
    pub(super) fn lines(&self) -> &'static str {
        if self.on_mount { MAKE_SH } else { "" }
    }
}

/// Says whether a job of this cluster has such a directory. `words`: what the nodes of its cluster said, as `Facts::share`.
pub fn is_shared<'a>(spec: &JobSpec, cluster: &MountVolumes, words: impl IntoIterator<Item = &'a str>) -> bool {
    spec.node_count.0 <= 1 || mount(spec, cluster).is_some() || one_word(words)
}

/// Says whether at least two nodes said one and the same word.
fn one_word<'a>(words: impl IntoIterator<Item = &'a str>) -> bool {
    let mut words = words.into_iter();
    let Some(first) = words.next().filter(|word| !word.is_empty()) else { return false };
    let mut count = 1;
    words.all(|word| {
        count += 1;
        word == first
    }) && count > 1
}

/// Which mount holds it.
enum Mount<'a> {
    OfJob(&'a str),
    OfCluster(&'a str),
}

fn mount<'a>(spec: &'a JobSpec, cluster: &'a MountVolumes) -> Option<Mount<'a>> {
    let of_job = shared_place(&spec.mount_volumes).map(Mount::OfJob);
    of_job.or_else(|| shared_place(cluster).filter(|_| first_that_refers(spec).is_some()).map(Mount::OfCluster))
}

/// Returns the path below its mount root of the first volume that is the same on all nodes and may be written to.
fn shared_place(mounts: &MountVolumes) -> Option<&str> {
    let read_only = |options: Option<&String>| options.is_some_and(|options| options.split(',').any(|word| word == "ro"));
    let server = mounts.file_servers.iter().find(|mount| !read_only(mount.mount_options.as_ref()));
    let server = server.map(|mount| mount.relative_mount_path.as_str());
    server.or_else(|| mounts.azure_file_shares.first().map(|mount| mount.relative_mount_path.as_str()))
}

/// Returns the field of the first text of a job that names the variable.
fn first_that_refers(spec: &JobSpec) -> Option<String> {
    let mut texts = texts(spec).into_iter();
    texts.find(|(_, text)| pieces(text).contains(&Piece::Name(SHARED_JOB_TEMP))).map(|(field, _)| field)
}

/// Returns a fault for each text of a job that names the variable, although there is no such directory.
pub(super) fn check(spec: &JobSpec) -> Vec<Fault> {
    let refers = |(field, text): (String, &str)| pieces(text).contains(&Piece::Name(SHARED_JOB_TEMP)).then_some(field);
    let fault = |field: String| {
        Fault::user(format!("{field}: refers to `${SHARED_JOB_TEMP}`, which is not set: the nodes share no directory"))
            .hint("mount a file server in mountVolumes of the job or its cluster; homes that all nodes share are found by themselves once two nodes are up")
            .hint("use $AZ_BATCHAI_JOB_TEMP (each node's own), or a directory that you know all nodes to share")
    };
    texts(spec).into_iter().filter_map(refers).map(fault).collect()
}

impl Plan<'_> {
    /// Returns the directory that all nodes of the job share, as this node sees it; that of its only node lies in its temp
    /// directory.
    pub(super) fn shared(&self, paths: &Paths) -> Option<Shared> {
        let own = |path: String| Some(Shared { path, on_mount: false });
        if self.nodes.len() == 1 {
            return own(format!("{}/shared", paths.job_temp));
        }
        if one_word(self.nodes.iter().map(|node| node.share.as_str())) {
            return own(format!("{}/{}.{}", beside(self.node()), self.job.id.0, self.job.attempt.0));
        }
        let (root, at) = match mount(&self.job.spec, self.names.cluster_mounts)? {
            Mount::OfJob(at) => (&paths.job_mounts, at),
            Mount::OfCluster(at) => (&paths.mounts, at),
        };
        let path = format!("{root}/{at}/{}/shared/attempt-{}", self.job.segment(), self.job.attempt.0);
        Some(Shared { path, on_mount: true })
    }

    /// Refuses what was accepted when the nodes shared a directory, or were thought to.
    pub(super) fn check_shared(&self, shared: Option<&Shared>) -> Result<(), Fault> {
        if shared.is_some() {
            return Ok(());
        }
        check(&self.job.spec).into_iter().next().map_or(Ok(()), Err)
    }
}

/// Returns the folder beside the spools of a cluster's nodes in which shared directories lie.
fn beside(node: &NodePlace) -> String {
    let parent = node.root.rsplit_once('/').map_or("", |(parent, _)| parent);
    format!("{parent}/shared")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_with_one_word_share_a_directory() {
        assert!(one_word(["w", "w", "w"]));
        for words in [&[][..], &["w"], &["w", "v"], &["w", "w", "v"], &["", ""], &["w", ""]] {
            assert!(!one_word(words.iter().copied()), "{words:?}");
        }
    }

    #[test]
    fn a_mount_counts_when_it_may_be_written_to() {
        let mounts = |options: &str| -> MountVolumes {
            serde_json::from_value(serde_json::json!({
                "fileServers": [{"fileServer": "s", "relativeMountPath": "nfs", "mountOptions": options}],
            }))
            .unwrap()
        };
        let job = |line: &str, mounts: &MountVolumes| -> JobSpec {
            serde_json::from_value(serde_json::json!({
                "nodeCount": 2, "customToolkitSettings": {"commandLine": line}, "mountVolumes": mounts,
            }))
            .unwrap()
        };
        let none = MountVolumes::default();
        let refers = "ls $AZ_BATCHAI_SHARED_JOB_TEMP";
        for (line, of_job, of_cluster, shared) in [
            ("true", &none, &none, false),
            ("true", &mounts("rw"), &none, true),
            ("true", &mounts("soft,ro"), &none, false),
            ("true", &none, &mounts("rw"), false),
            (refers, &none, &mounts("rw"), true),
            (refers, &none, &mounts("ro"), false),
        ] {
            assert_eq!(is_shared(&job(line, of_job), of_cluster, ["a", "b"]), shared, "{line} {of_job:?} {of_cluster:?}");
        }
        assert!(is_shared(&job(refers, &none), &none, ["a", "a"]));
    }
}
