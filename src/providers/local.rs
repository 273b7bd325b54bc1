//! Nodes that are this machine: the same agent over a pipe instead of ssh, each with a spool of its own below the state
//! directory. There is no bound but the machine's own patience.

use std::collections::BTreeSet;

use crate::model::ids::NodeId;
use crate::providers::Machine;

/// What the host of a local node begins with; no host name may hold a slash, so none can be taken for one.
pub const LOCAL_PREFIX: &str = "local/";

/// Returns a local machine with the lowest free number.
pub fn acquire(node: NodeId, taken: &BTreeSet<String>) -> Machine {
    let number = (1..=node.0).find(|n| !taken.contains(&format!("{LOCAL_PREFIX}{n}"))).unwrap_or(node.0);
    Machine { name: format!("local-{number}"), host: format!("{LOCAL_PREFIX}{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_reused_from_the_lowest() {
        let taken = BTreeSet::from(["local/1".to_owned(), "local/3".to_owned()]);
        assert_eq!(acquire(NodeId(9), &taken).name, "local-2");
        assert_eq!(acquire(NodeId(1), &BTreeSet::new()).host, "local/1");
    }
}
