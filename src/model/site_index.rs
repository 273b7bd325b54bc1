//! A picture of a site with what it comes to: who is on which node, how many GPUs each job has and each node lends, how long a job may
//! still run. Made once for each picture, so that tables of thousands cost no more than the part of them that is seen. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::names::expand_hosts;
use crate::model::site::{Site, SiteCounts, SiteJob, SiteNode};
use crate::model::units::Millis;

/// A picture, indexed.
#[derive(Clone, Debug)]
pub struct SiteIndex {
    /// The picture.
    pub site: Arc<Site>,
    /// How its nodes are.
    pub counts: SiteCounts,
    /// How many jobs run and how many wait: everybody's, and the person's own.
    pub running_and_waiting: [(u32, u32); 2],
    /// What a job comes to, in the order of the queue.
    pub jobs: Vec<JobSums>,
    /// What a node comes to, in the order of the nodes.
    pub nodes: Vec<NodeSums>,
    /// What a partition comes to, in the order of the partitions.
    pub partitions: Vec<PartitionSums>,
}

/// What a job comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobSums {
    /// GPUs on all its nodes together.
    pub gpus: u32,
    /// How long it had run when the picture was taken.
    pub used: Option<Millis>,
    /// How long it may run; `None` when there is no limit, or it is not known.
    pub limit: Option<Millis>,
}

/// What a node comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSums {
    /// The jobs that are on it, by their places in the queue.
    pub jobs: Vec<u32>,
    /// The GPUs that they have of it, as far as their requests say.
    pub gpus_used: u32,
    /// The GPUs that it has.
    pub gpus: u32,
}

/// What a partition comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionSums {
    /// GPUs of its nodes that a job has.
    pub gpus_used: u32,
    /// GPUs of its nodes.
    pub gpus: u32,
    /// GPUs that a job could have now: nobody has them, and their node takes work.
    pub gpus_free: u32,
    /// Its jobs that wait.
    pub waiting: u32,
    /// Its jobs that run.
    pub running: u32,
}

impl SiteIndex {
    /// Indexes a picture.
    pub fn new(site: Arc<Site>) -> Self {
        let counts = SiteCounts::of(&site.nodes);
        let mut nodes: Vec<NodeSums> =
            site.nodes.iter().map(|node| NodeSums { gpus: gpus(&node.gres), ..NodeSums::default() }).collect();
        let by_name: BTreeMap<&str, usize> =
            site.nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
        let mut jobs = Vec::with_capacity(site.jobs.len());
        for (at, job) in site.jobs.iter().enumerate() {
            let each = gpus(&job.gres);
            jobs.push(JobSums { gpus: each * job.nodes.max(1), used: span(&job.used), limit: span(&job.limit) });
            let names = job.has_nodes().then(|| expand_hosts(&job.on).ok()).flatten().unwrap_or_default();
            for name in names {
                if let Some(sums) = by_name.get(name.as_str()).and_then(|at| nodes.get_mut(*at)) {
                    sums.jobs.push(u32::try_from(at).unwrap_or(u32::MAX));
                    sums.gpus_used = (sums.gpus_used + each).min(sums.gpus);
                }
            }
        }
        let partitions = partitions(&site, &nodes);
        drop(by_name);
        Self { counts, running_and_waiting: running_and_waiting(&site), jobs, nodes, partitions, site }
    }

    /// Returns the jobs on a node, by its place.
    pub fn on_node(&self, at: usize) -> impl Iterator<Item = &SiteJob> {
        let jobs = self.nodes.get(at).map(|sums| sums.jobs.as_slice()).unwrap_or_default();
        jobs.iter().filter_map(|at| self.site.jobs.get(*at as usize))
    }

    /// Returns a job by its number, with what it comes to.
    pub fn job(&self, id: &str) -> Option<(&SiteJob, JobSums)> {
        let at = self.site.jobs.iter().position(|job| job.id == id)?;
        Some((self.site.jobs.get(at)?, self.jobs.get(at).copied().unwrap_or_default()))
    }

    /// Returns a node by its name.
    pub fn node(&self, name: &str) -> Option<(&SiteNode, &NodeSums)> {
        let at = self.site.nodes.iter().position(|node| node.name == name)?;
        Some((self.site.nodes.get(at)?, self.nodes.get(at)?))
    }
}

/// Counts jobs that run and that wait: everybody's, and the person's own.
fn running_and_waiting(site: &Site) -> [(u32, u32); 2] {
    let [mut all, mut own] = [(0, 0); 2];
    for job in &site.jobs {
        let (runs, waits) = (u32::from(job.has_nodes()), u32::from(job.waits()));
        all = (all.0 + runs, all.1 + waits);
        if job.mine {
            own = (own.0 + runs, own.1 + waits);
        }
    }
    [all, own]
}

fn partitions(site: &Site, nodes: &[NodeSums]) -> Vec<PartitionSums> {
    let mut sums = vec![PartitionSums::default(); site.partitions.len()];
    let at: BTreeMap<&str, usize> =
        site.partitions.iter().enumerate().map(|(at, partition)| (partition.name.as_str(), at)).collect();
    for (node, of) in site.nodes.iter().zip(nodes) {
        let takes = SiteCounts::of([node]);
        // Without a CPU nobody gets a GPU.
        let free = if takes.idle + takes.running > 0 && node.cpus[1] > 0 { of.gpus - of.gpus_used } else { 0 };
        for sum in node.partitions.iter().filter_map(|name| at.get(name.as_str())) {
            if let Some(sum) = sums.get_mut(*sum) {
                sum.gpus += of.gpus;
                sum.gpus_used += of.gpus_used;
                sum.gpus_free += free;
            }
        }
    }
    for job in &site.jobs {
        // A job that waits may name several.
        for sum in job.partition.split(',').filter_map(|name| at.get(name)) {
            if let Some(sum) = sums.get_mut(*sum) {
                sum.waiting += u32::from(job.waits());
                sum.running += u32::from(job.has_nodes());
            }
        }
    }
    sums
}

/// Returns how many GPUs a text of Slurm's names: `gpu:a100:4(S:0-1),nvme:1` of a node, `gres:gpu:2` or `gres/gpu:a100:2` of a job, for
/// each of its nodes (`sinfo %G`, `squeue %b`).
pub fn gpus(gres: &str) -> u32 {
    let mut all: u32 = 0;
    let mut depth = 0_u32;
    // A comma inside brackets parts sockets, not resources.
    let parts = gres.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    for part in parts {
        let part = part.split('(').next().unwrap_or_default();
        let part = part.strip_prefix("gres").map_or(part, |rest| rest.trim_start_matches([':', '/']));
        let mut words = part.split([':', '=']);
        if words.next() == Some("gpu") {
            all = all.saturating_add(words.next_back().map_or(1, |last| last.parse().unwrap_or(1)));
        }
    }
    all
}

/// Reads a time of Slurm's: `30`, `5:00`, `1:30:00`, `2-12`, `2-00:00:00`. `None` for `UNLIMITED` and whatever else is no time.
pub fn span(text: &str) -> Option<Millis> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(days.parse::<u64>().ok()?), rest),
        None => (None, text),
    };
    let parts: Vec<u64> = rest.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    // Behind days the first is hours; else a lone one is minutes.
    let seconds = match (days, parts.as_slice()) {
        (Some(_), [hours]) => hours.checked_mul(3600)?,
        (Some(_), [hours, minutes]) => hours.checked_mul(3600)?.checked_add(minutes * 60)?,
        (_, [hours, minutes, seconds]) => hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?,
        (None, [minutes, seconds]) => minutes.checked_mul(60)?.checked_add(*seconds)?,
        (None, [minutes]) => minutes.checked_mul(60)?,
        _ => return None,
    };
    let all = days.unwrap_or(0).checked_mul(86_400)?.checked_add(seconds)?;
    Some(Millis(all.checked_mul(1000)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::ClusterId;
    use crate::model::site::Partition;
    use crate::model::units::UnixMillis;

    #[test]
    fn gpus_are_counted_in_every_form() {
        for (text, expected) in [
            ("", 0),
            ("gpu:4", 4),
            ("gpu", 1),
            ("gpu:a100:4(S:0-1)", 4),
            ("gpu:a100:4(S:0,1),gpu:t4:2(S:1),nvme:800", 6),
            ("gres:gpu:2", 2),
            ("gres/gpu:h100:8", 8),
            ("gres:gpu", 1),
            ("mps:400", 0),
            ("N/A", 0),
        ] {
            assert_eq!(gpus(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_in_every_form() {
        for (text, expected) in [
            ("30", Some(1800)),
            ("5:07", Some(307)),
            ("1:30:00", Some(5400)),
            ("1:30:05", Some(5405)),
            ("2-12", Some(216_000)),
            ("1-00:30", Some(88_200)),
            ("7-00:00:01", Some(604_801)),
            ("UNLIMITED", None),
            ("", None),
            ("a:b", None),
        ] {
            assert_eq!(span(text), expected.map(Millis::from_secs), "{text}");
        }
    }

    #[test]
    fn a_picture_says_who_has_which_gpus() {
        let node = |name: &str, state: &str| SiteNode {
            name: name.into(),
            state: state.into(),
            partitions: vec!["gpu".into()],
            gres: "gpu:4".into(),
            cpus: [0, if name == "n2" { 0 } else { 8 }, 0, 8],
            ..SiteNode::default()
        };
        let job = |id: &str, state: &str, nodes, on: &str| SiteJob {
            id: id.into(),
            state: state.into(),
            partition: "gpu".into(),
            nodes,
            gres: "gres:gpu:3".into(),
            on: on.into(),
            mine: id == "7",
            ..SiteJob::default()
        };
        let site = Site {
            cluster: ClusterId(1),
            at: UnixMillis(0),
            every: Millis(0),
            version: String::new(),
            partitions: vec![Partition { name: "gpu".into(), ..Partition::default() }],
            nodes: vec![node("n1", "mixed"), node("n2", "mixed"), node("n3", "idle"), node("n4", "drained")],
            jobs: vec![job("7", "RUNNING", 2, "n[1-2]"), job("8", "PENDING", 1, ""), job("9", "COMPLETED", 1, "n3")],
            more_jobs: 0,
            notes: Vec::new(),
        };
        let index = SiteIndex::new(Arc::new(site));
        assert_eq!(index.jobs[0].gpus, 6);
        let used: Vec<(u32, usize)> = index.nodes.iter().map(|node| (node.gpus_used, node.jobs.len())).collect();
        assert_eq!(used, [(3, 1), (3, 1), (0, 0), (0, 0)]);
        let expected = PartitionSums { gpus_used: 6, gpus: 16, gpus_free: 5, waiting: 1, running: 1 };
        assert_eq!(index.partitions[0], expected);
        assert_eq!(index.on_node(1).map(|job| job.id.as_str()).collect::<Vec<_>>(), ["7"]);
        assert_eq!(index.running_and_waiting, [(1, 1), (1, 0)]);
    }
}
