//! What each node has to give a job, as options: of a job that is submitted, and of one that is submitted again.

use clap::Args;

use super::workspace::pair;
use crate::model::spec::doc::{Doc, Value};

/// The options.
#[derive(Args, Clone, Debug, Default)]
pub struct Resources {
    /// CPUs that each node has to give; a job that names nothing of the kind gets whole nodes
    #[arg(long, value_name = "N")]
    cpus: Option<String>,
    /// GPUs that each node has to give
    #[arg(long, value_name = "N")]
    gpus: Option<String>,
    /// Memory that each node has to give: 16G
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Any other count that each node has to give, as the cluster's file names it; may be repeated
    #[arg(long = "resource", value_name = "NAME=N", value_parser = pair)]
    others: Vec<(String, String)>,
}

impl Resources {
    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        let Self { cpus, gpus, memory, others } = self;
        [cpus, gpus, memory].into_iter().all(Option::is_none) && others.is_empty()
    }

    /// Puts them into a job's body, over what stands there.
    pub fn put(&self, doc: &mut Doc) {
        for (key, value) in [("cpus", &self.cpus), ("gpus", &self.gpus)] {
            if let Some(value) = value {
                doc.put_property(&["resources", key], Value::Number(value.clone()));
            }
        }
        if let Some(memory) = &self.memory {
            doc.put_property(&["resources", "memory"], Value::Text(memory.clone()));
        }
        for (name, count) in &self.others {
            doc.put_property(&["resources", name], Value::Number(count.clone()));
        }
    }
}

#[cfg(test)]
impl Resources {
    /// Returns so much memory.
    pub fn memory(size: &str) -> Self {
        Self { memory: Some(size.to_owned()), ..Self::default() }
    }
}
