//! A cluster's nodes are to be alike: one class and one image, as its properties say. What a node is, it says itself, so a node
//! that differs from most others of its cluster is found by comparing what they said.

use std::collections::BTreeMap;

use crate::model::ids::NodeId;
use crate::model::state::{Facts, Node};

/// Two machines of one kind differ by less than this part of their memory: what firmware and kernel keep for themselves.
const MEMORY_TOLERANCE: u64 = 10;

/// Returns which nodes differ from most of the others, and how, as a sentence part.
pub fn strangers<'a>(nodes: impl Iterator<Item = &'a Node>) -> BTreeMap<NodeId, String> {
    let known: Vec<(NodeId, &Facts)> = nodes.filter_map(|node| Some((node.id, node.facts.as_ref()?))).collect();
    let gpus = usual(known.iter().map(|(_, facts)| facts.capacity.gpus_milli));
    let cpus = usual(known.iter().map(|(_, facts)| facts.capacity.cpus_milli));
    let os = usual(known.iter().map(|(_, facts)| facts.os.as_str()).filter(|os| !os.is_empty()));
    let mut memory: Vec<u64> = known.iter().map(|(_, facts)| facts.capacity.memory.0).collect();
    memory.sort_unstable();
    let median = memory.get(memory.len() / 2).copied();
    let mut strange = BTreeMap::new();
    for (id, facts) in &known {
        let has = &facts.capacity;
        let mut how = Vec::new();
        let count = |milli: u64| milli / 1000;
        if let Some(gpus) = gpus.filter(|gpus| *gpus != has.gpus_milli) {
            how.push(format!("{} GPUs where others have {}", count(has.gpus_milli), count(gpus)));
        }
        if let Some(cpus) = cpus.filter(|cpus| *cpus != has.cpus_milli) {
            how.push(format!("{} CPUs where others have {}", count(has.cpus_milli), count(cpus)));
        }
        if let Some(median) = median.filter(|median| median.abs_diff(has.memory.0) > median / MEMORY_TOLERANCE) {
            let most = crate::model::units::Bytes(median);
            how.push(format!("{} of memory where others have {most}", has.memory));
        }
        if let Some(os) = os.filter(|os| *os != facts.os && !facts.os.is_empty()) {
            how.push(format!("{} where others have {os}", facts.os));
        }
        if !how.is_empty() {
            strange.insert(*id, how.join(", "));
        }
    }
    strange
}

/// Returns what more than half of all have; `None` when nothing is, and when there are not two.
fn usual<T: Ord + Copy>(all: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    let sum: usize = counts.values().sum();
    let most = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (most.1 * 2 > sum && sum > 1).then_some(most.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Resources;
    use crate::model::units::Bytes;

    fn node(id: u64, gpus: u64, gib: u64, os: &str) -> Node {
        let capacity =
            Resources { cpus_milli: 8_000, memory: Bytes(gib << 30), gpus_milli: gpus * 1_000, ..Resources::default() };
        let facts = Facts { capacity, os: os.to_owned(), ..Facts::default() };
        serde_json::from_value(serde_json::json!({
            "id": id, "cluster": 1, "name": "n", "host": "n", "state": {"state": "idle"}, "since": 0, "facts": facts,
        }))
        .unwrap()
    }

    #[test]
    fn who_differs_from_most_is_named_with_how() {
        let alike = [node(1, 4, 64, "Debian 12"), node(2, 4, 66, "Debian 12"), node(3, 4, 64, "Debian 12")];
        assert_eq!(strangers(alike.iter()), BTreeMap::new());
        let all: Vec<Node> = alike.into_iter().chain([node(4, 2, 32, "Debian 11")]).collect();
        let strange = strangers(all.iter());
        let how =
            "2 GPUs where others have 4, 32 GiB of memory where others have 64 GiB, Debian 11 where others have Debian 12";
        assert_eq!(strange, BTreeMap::from([(NodeId(4), how.to_owned())]));
        // Of two nobody knows which one is strange, but for their memory the larger counts.
        let two = [node(1, 4, 64, "a"), node(2, 2, 64, "b")];
        assert_eq!(strangers(two.iter()), BTreeMap::new());
    }
}
