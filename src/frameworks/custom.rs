//! The custom toolkit: one command line, on the first node only. With several nodes the command distributes its work
//! itself, by the hostfile or the host list (reference §6.5.8).

use crate::frameworks::{Framework, MainProcess};
use crate::model::launch::NodePlace;
use crate::model::spec::JobSpec;

pub(super) struct Custom;

impl Framework for Custom {
    fn tool_type(&self) -> &'static str {
        "custom"
    }

    fn main_nodes(&self, _spec: &JobSpec) -> Vec<u32> {
        vec![0]
    }

    /// One process per GPU is what those who call `mpirun` themselves want; without GPUs one per node.
    fn slots(&self, _spec: &JobSpec, nodes: &[NodePlace]) -> Vec<u32> {
        nodes.iter().map(|node| node.gpus.max(1)).collect()
    }

    fn main(&self, spec: &JobSpec, _nodes: &[NodePlace], index: u32) -> MainProcess {
        MainProcess {
            command: spec.toolkit.command_line().to_owned(),
            env: vec![("AZ_BATCHAI_TASK_INDEX".to_owned(), index.to_string())],
            log_suffix: String::new(),
        }
    }
}
