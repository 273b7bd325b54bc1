//! Classes of nodes, as the configuration says: `[node_classes.STANDARD_NC6]`. The published `vmSize` of a cluster names one,
//! so that a file that says nothing of machines finds them, and nodes that are not what the class promises are told.

use serde::{Deserialize, Serialize};

use super::spec::{ProviderSpec, Resources};
use super::state::Facts;
use super::units::{Bytes, Money};

/// How much of the memory that a class promises must be there, in percent: firmware and kernel keep some of what was bought.
const MEMORY_PERCENT: u64 = 90;

/// One class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeClass {
    /// Where its nodes come from; `None` for a class that only says what nodes are like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderSpec>,
    /// Hosts that name no user are signed into as the `adminUserName` of the cluster.
    pub admin_user: bool,
    /// What each node has at least.
    pub least: Resources,
    /// What a node costs in an hour; what a cluster says itself counts over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// A part of the name of its operating system, in any case of letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
}

impl NodeClass {
    /// Returns how a node differs from its class, as a sentence part; `None` when it is as promised.
    pub fn difference(&self, facts: &Facts) -> Option<String> {
        let (has, least) = (&facts.capacity, &self.least);
        let mut parts = Vec::new();
        if has.cpus_milli < least.cpus_milli {
            parts.push(format!("{} CPUs instead of {}", has.cpus_milli / 1000, least.cpus_milli / 1000));
        }
        if has.memory.0 / 100 < least.memory.0 / 10_000 * MEMORY_PERCENT {
            parts.push(format!("{} of memory instead of {}", has.memory, Bytes(least.memory.0)));
        }
        if has.gpus_milli < least.gpus_milli {
            parts.push(format!("{} GPUs instead of {}", has.gpus_milli / 1000, least.gpus_milli / 1000));
        }
        if let Some(os) = &self.os
            && !facts.os.to_lowercase().contains(&os.to_lowercase())
        {
            parts.push(format!("the system `{}` instead of `{os}`", facts.os));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Finds the class that a `vmSize` names, whatever the case of its letters, with its name as it is configured.
pub fn find<'a>(
    classes: &'a std::collections::BTreeMap<String, NodeClass>,
    size: &str,
) -> Option<(&'a String, &'a NodeClass)> {
    classes.iter().find(|(name, _)| name.eq_ignore_ascii_case(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_measured_by_its_class() {
        let least = Resources { cpus_milli: 6000, memory: Bytes(56 << 30), gpus_milli: 1000, ..Resources::default() };
        let class = NodeClass { least, os: Some("ubuntu".into()), ..NodeClass::default() };
        let node = |cpus: u64, gib: u64, gpus: u64, os: &str| Facts {
            capacity: Resources {
                cpus_milli: cpus * 1000,
                memory: Bytes(gib << 30),
                gpus_milli: gpus * 1000,
                ..Resources::default()
            },
            os: os.to_owned(),
            ..Facts::default()
        };
        for (facts, expected) in [
            (node(6, 55, 1, "Ubuntu 22.04"), None),
            (node(64, 512, 8, "Ubuntu 22.04"), None),
            (node(4, 55, 1, "Ubuntu 22.04"), Some("4 CPUs instead of 6")),
            (
                node(6, 28, 0, "Debian 12"),
                Some("28 GiB of memory instead of 56 GiB, 0 GPUs instead of 1, the system `Debian 12` instead of `ubuntu`"),
            ),
        ] {
            assert_eq!(class.difference(&facts).as_deref(), expected, "{facts:?}");
        }
        assert_eq!(NodeClass::default().difference(&node(0, 0, 0, "")), None);
    }
}
