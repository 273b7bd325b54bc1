//! The ways to nodes that looks and copies take: the link that a node's agent uses, or one of its own for a node that is no
//! longer ours. Of each node that is ours one desk is kept, so that most looks cost a round trip and no channel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::files::{Desk, LinkSource};
use crate::model::ids::NodeId;
use crate::transport::NodeLink;
use crate::transport::agent::AgentHandle;
use crate::transport::link::Link;

/// How long a look waits for a link that is down: a reconnect takes less, and a person does not wait longer.
const LINK_WAIT: Duration = Duration::from_secs(5);
/// How often a link that is down is looked for.
const LINK_POLL: Duration = Duration::from_millis(100);

/// The way to one node.
#[derive(Clone)]
pub enum Way {
    /// By the link that its agent uses.
    Agent(AgentHandle),
    /// By one of its own.
    Own(Box<NodeLink>),
}

impl Way {
    /// Returns the way to a node.
    pub fn to(link: &NodeLink, agents: &BTreeMap<NodeId, AgentHandle>) -> Self {
        match agents.get(&link.node) {
            Some(agent) => Self::Agent(agent.clone()),
            None => Self::Own(Box::new(link.clone())),
        }
    }
}

impl LinkSource for Way {
    async fn link(&self) -> Option<Link> {
        match self {
            Self::Own(link) => Link::connect(link).await.ok(),
            Self::Agent(agent) => loop {
                if let Some(link) = agent.link() {
                    return Some(link);
                }
                if tokio::time::timeout(LINK_POLL, agent.ended()).await.is_ok() {
                    return None;
                }
            },
        }
    }
}

/// A way that gives up: for looks that somebody waits for.
#[derive(Clone)]
pub struct Brief(pub Way);

impl LinkSource for Brief {
    async fn link(&self) -> Option<Link> {
        tokio::time::timeout(LINK_WAIT, self.0.link()).await.ok().flatten()
    }
}

/// As [`Brief`], for so long.
#[derive(Clone)]
pub struct Waiting(pub Way, pub Duration);

impl LinkSource for Waiting {
    async fn link(&self) -> Option<Link> {
        tokio::time::timeout(self.1, self.0.link()).await.ok().flatten()
    }
}

/// A node's desk, shared by the looks at it.
pub type NodeDesk = Arc<Desk<Brief>>;

/// The desks of the nodes that are ours.
#[derive(Default)]
pub struct Desks(BTreeMap<NodeId, NodeDesk>);

impl Desks {
    /// Returns the desk of a node; one of its own for a node without an agent.
    pub fn at(&mut self, link: &NodeLink, agents: &BTreeMap<NodeId, AgentHandle>) -> NodeDesk {
        match Way::to(link, agents) {
            own @ Way::Own(_) => Arc::new(Desk::new(Brief(own))),
            agent @ Way::Agent(_) => {
                let desk = self.0.entry(link.node).or_insert_with(|| Arc::new(Desk::new(Brief(agent))));
                Arc::clone(desk)
            }
        }
    }

    /// Forgets the desk of a node whose agent is no longer the same.
    pub fn forget(&mut self, node: NodeId) {
        self.0.remove(&node);
    }
}
