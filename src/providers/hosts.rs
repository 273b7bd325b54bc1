//! A list of hosts that `ssh HOST` reaches, taken in their order. A host serves one node at a time, whatever the cluster.

use std::collections::BTreeSet;

use crate::model::units::NodeCount;
use crate::providers::{Machine, NoMachine};

/// Returns the first host of the list that no node has.
///
/// # Errors
/// All are taken.
pub fn acquire(hosts: &[String], taken: &BTreeSet<String>) -> Result<Machine, NoMachine> {
    match hosts.iter().find(|host| !taken.contains(*host)) {
        Some(host) => Ok(Machine { name: host.clone(), host: host.clone() }),
        None => Err(NoMachine {
            code: "NoHostFree",
            message: format!("all {} hosts of the pool are taken; add hosts or lower the target", hosts.len()),
        }),
    }
}

/// Returns how many hosts of the list no node has.
pub fn free(hosts: &[String], taken: &BTreeSet<String>) -> NodeCount {
    NodeCount(hosts.iter().filter(|host| !taken.contains(*host)).count().try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_in_order_and_once() {
        let hosts: Vec<String> = ["a", "b"].map(String::from).into();
        let mut taken = BTreeSet::new();
        assert_eq!(acquire(&hosts, &taken).unwrap().host, "a");
        taken.insert("a".to_owned());
        assert_eq!(acquire(&hosts, &taken).unwrap().host, "b");
        assert_eq!(free(&hosts, &taken), NodeCount(1));
        taken.insert("b".to_owned());
        assert_eq!(acquire(&hosts, &taken).unwrap_err().code, "NoHostFree");
    }
}
