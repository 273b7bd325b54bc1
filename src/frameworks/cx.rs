//! What a framework has to know of one attempt, and what all of them make of it: addresses, ports, Python lines.

use crate::model::fault::Fault;
use crate::model::ids::{Attempt, JobId};
use crate::model::launch::NodePlace;
use crate::model::spec::JobSpec;

/// The first of the ports that jobs meet at: that of `torch.distributed`, below the range that kernels give away.
const MEETING_PORT_FIRST: u32 = 29_500;
/// How many jobs in a row meet at ports of their own, and how many ports each has.
const MEETING_PORTS: (u32, u32) = (800, 4);
/// The first port of TensorFlow's processes on each host (published).
pub(super) const TENSORFLOW_PORT_FIRST: u32 = 2222;
/// How many ports of a host a job has for TensorFlow's processes when it may share the host with other jobs.
const TENSORFLOW_PORTS: u32 = 32;

/// One attempt of a job, as its framework sees it.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    /// What is to be run.
    pub spec: &'a JobSpec,
    /// On which nodes, in order.
    pub nodes: &'a [NodePlace],
    /// The job.
    pub job: JobId,
    /// Which of its attempts.
    pub attempt: Attempt,
    /// The directory that all nodes of the job share, when there is one.
    pub shared: Option<&'a str>,
}

impl Cx<'_> {
    /// Returns the address of the first node, where the others meet.
    pub(super) fn master(&self) -> &str {
        self.nodes.first().map_or("", |first| first.address.as_str())
    }

    /// Returns the port on the first node at which the processes of the attempt meet. Jobs that run side by side on one
    /// machine get different ones.
    pub(super) fn port(&self) -> u32 {
        let (jobs, each) = MEETING_PORTS;
        MEETING_PORT_FIRST + number_among(self.job, jobs) * each
    }

    /// Returns the first port of TensorFlow's processes on a host: the published one where the job has the host for itself.
    pub(super) fn tensorflow_port(&self) -> u32 {
        let alone = self.spec.demand.part().is_none() && !self.master().starts_with("127.");
        let shift = if alone { 0 } else { number_among(self.job, MEETING_PORTS.0) * TENSORFLOW_PORTS };
        TENSORFLOW_PORT_FIRST + shift
    }

    /// Returns a name for the attempt that no other attempt has.
    pub(super) fn label(&self) -> String {
        format!("ostler-{}-{}", self.job.0, self.attempt.0)
    }

    /// Returns the node with this index.
    pub(super) fn node(&self, index: u32) -> Result<&NodePlace, Fault> {
        let node = self.nodes.get(index as usize);
        node.ok_or_else(|| Fault::internal(format!("the attempt has no node {index}")))
    }

    /// Returns how many processes a node gets: as many as asked for, else one for each GPU, at least one.
    pub(super) fn per_node(&self, asked: Option<u32>, node: &NodePlace) -> u32 {
        asked.unwrap_or(node.gpus.max(1))
    }
}

fn number_among(job: JobId, count: u32) -> u32 {
    u32::try_from(job.0 % u64::from(count)).unwrap_or(0)
}

/// Returns how many nodes a job has.
pub(super) fn node_count(spec: &JobSpec) -> u32 {
    spec.node_count.0.max(1)
}

/// Returns the word that stands for the interpreter: what the user said, unquoted, or the `python` of the node, or its
/// `python3` where there is no `python`.
pub(super) fn interpreter(said: Option<&str>) -> &str {
    const FOUND: &str = r#""$(command -v python || command -v python3 || echo python)""#;
    said.filter(|said| !said.trim().is_empty()).unwrap_or(FOUND)
}

/// Puts words of a shell line together; empty ones leave nothing. Nothing is quoted: what the user wrote is read by the
/// shell of each process (reference §6.3).
pub(super) fn line(words: &[&str]) -> String {
    let words = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
