//! Owns how processes are spread over nodes, and the variables by which each knows its place: those of today's launchers,
//! which are set for every kind of job whose processes we start.

/// How many processes each node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spread(Vec<u32>);

/// Where one process stands among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    rank: u32,
    world: u32,
    node: u32,
    local: u32,
    local_world: u32,
}

impl Spread {
    /// Spreads processes evenly, the first nodes taking what is left over.
    pub(super) fn even(processes: u32, nodes: u32) -> Self {
        let nodes = nodes.max(1);
        Self((0..nodes).map(|index| processes / nodes + u32::from(index < processes % nodes)).collect())
    }

    /// Puts so many processes on each node.
    pub(super) fn each(counts: impl IntoIterator<Item = u32>) -> Self {
        Self(counts.into_iter().collect())
    }

    /// Returns the number of processes.
    pub(super) fn world(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the node of each process, in order of rank: the first node's come first.
    pub(super) fn nodes(&self) -> Vec<u32> {
        (0u32..).zip(&self.0).flat_map(|(node, count)| (0..*count).map(move |_| node)).collect()
    }

    /// Returns the number of processes of each node for a hostfile, which knows no node without one.
    pub(super) fn slots(&self) -> Vec<u32> {
        self.0.iter().map(|count| (*count).max(1)).collect()
    }

    /// Returns the place of a process.
    pub(super) fn seat(&self, rank: u32) -> Seat {
        let mut before = 0;
        for (node, count) in (0u32..).zip(&self.0) {
            if rank - before < *count {
                return Seat { rank, world: self.world(), node, local: rank - before, local_world: *count };
            }
            before += count;
        }
        Seat { rank, world: self.world(), node: 0, local: 0, local_world: 1 }
    }
}

impl Seat {
    /// Returns the variables that say so.
    pub(super) fn variables(self) -> Vec<(String, String)> {
        let set = [
            ("AZ_BATCHAI_TASK_INDEX", self.rank),
            ("RANK", self.rank),
            ("WORLD_SIZE", self.world),
            ("LOCAL_RANK", self.local),
            ("LOCAL_WORLD_SIZE", self.local_world),
            ("NODE_RANK", self.node),
            ("GROUP_RANK", self.node),
        ];
        set.map(|(name, value)| (name.to_owned(), value.to_string())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_has_one_place() {
        for (processes, nodes) in [(1, 1), (4, 4), (8, 2), (7, 3), (2, 3), (5, 1)] {
            let spread = Spread::even(processes, nodes);
            assert_eq!((spread.world(), spread.nodes().len()), (processes, processes as usize));
            assert_eq!(spread.slots().len(), nodes as usize);
            for (rank, node) in (0u32..).zip(spread.nodes()) {
                let seat = spread.seat(rank);
                assert_eq!((seat.rank, seat.node, seat.world), (rank, node, processes));
                let before = spread.nodes()[..rank as usize].iter().filter(|other| **other == node).count();
                assert_eq!(seat.local as usize, before);
                assert!(seat.local < seat.local_world);
            }
        }
        assert_eq!(Spread::even(7, 3).nodes(), [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(Spread::each([2, 0, 1]).slots(), [2, 1, 1]);
    }
}
