//! Layer 2: where nodes come from, one file each. The core asks for one machine at a time and names the node it is for;
//! a provider answers the same for the same node, so that nothing is taken twice.

pub mod hosts;
pub mod local;

use std::collections::BTreeSet;

use crate::model::ids::NodeId;
use crate::model::spec::ProviderSpec;
use crate::model::units::NodeCount;

/// A machine for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its name on screens.
    pub name: String,
    /// What the transport is given to reach it.
    pub host: String,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMachine {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// Returns a machine for `node`; `taken` holds the hosts of all other nodes, of any cluster.
///
/// # Errors
/// Why there is none now; another node's release can change that.
pub fn acquire(spec: &ProviderSpec, node: NodeId, taken: &BTreeSet<String>) -> Result<Machine, NoMachine> {
    match spec {
        ProviderSpec::Hosts { hosts } => hosts::acquire(hosts, taken),
        ProviderSpec::Local => Ok(local::acquire(node, taken)),
        ProviderSpec::Class => {
            Err(NoMachine { code: "NoNodeClass", message: "the node class gives no machines".to_owned() })
        }
    }
}

/// Returns how many machines could still be had; `None` when there is no bound.
pub fn free(spec: &ProviderSpec, taken: &BTreeSet<String>) -> Option<NodeCount> {
    match spec {
        ProviderSpec::Hosts { hosts } => Some(hosts::free(hosts, taken)),
        ProviderSpec::Local => None,
        ProviderSpec::Class => Some(NodeCount(0)),
    }
}
