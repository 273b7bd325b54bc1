//! Nodes on a host of the loopback.

use ostler::model::ids::{ClusterId, Epoch, NodeId};
use ostler::model::spec::AgentKind;
use ostler::transport::{Address, NodeLink};
use uuid::Uuid;

use crate::sshd::Host;

impl Host {
    /// Returns a node on this host by a client's configuration; each one has a connection of its own.
    pub fn node(&self, config: &str) -> NodeLink {
        node("lab", Some(self.path(config).display().to_string()))
    }
}

/// Returns a node with a connection of its own.
pub fn node(host: &str, config: Option<String>) -> NodeLink {
    NodeLink {
        node: NodeId(1),
        cluster: ClusterId(1),
        address: Address::Ssh { host: host.to_owned(), config },
        spool: (Uuid::new_v4().to_string(), Uuid::new_v4().to_string()),
        local_root: None,
        epoch: Epoch(1),
        agent: AgentKind::Shell,
    }
}
