//! A target that a person proposes for a cluster: `+`, `-` or a number change it, a line shows what it would do, Enter
//! applies it with the target that was seen, Esc leaves it.

use crate::model::ids::ClusterId;
use crate::model::request::{Place, Preview, Request, Scale};
use crate::model::units::NodeCount;
use crate::tui::world::World;

/// A proposed target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The cluster.
    pub cluster: ClusterId,
    /// The target that the person saw when it was first proposed.
    pub seen: NodeCount,
    /// The proposed target.
    pub target: NodeCount,
    /// The number of the question for its preview; an answer to an older one is ignored.
    pub number: u64,
    /// What it would do, once the core said so; a refusal in words.
    pub preview: Option<Result<Preview, String>>,
}

impl Proposal {
    /// Returns a proposal of `target` for a cluster, from the picture's own numbers.
    pub fn new(world: &World, cluster: ClusterId, target: NodeCount, number: u64) -> Option<Self> {
        let seen = world.cluster(cluster)?.spec.scale_settings.target();
        Some(Self { cluster, seen, target, number, preview: None })
    }

    /// Returns the change of target that it asks for; `None` when the cluster is gone.
    fn scale(&self, world: &World) -> Option<Scale> {
        let cluster = world.cluster(self.cluster)?;
        let workspace = world.workspace(cluster.workspace)?;
        let place = Place { workspace: world.named(workspace), name: Some(cluster.name.clone()) };
        Some(Scale { cluster: place, target: self.target, deallocation: None, seen: Some(self.seen) })
    }

    /// Returns the question what it would do.
    pub fn ask(&self, world: &World) -> Option<Request> {
        self.scale(world).map(Request::PreviewScale)
    }

    /// Returns the order to do it.
    pub fn apply(&self, world: &World) -> Option<Request> {
        self.scale(world).map(Request::Scale)
    }
}
