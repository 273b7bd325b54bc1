//! What a node did at a moment: CPU, memory, disk, network and GPUs. Facts for people and charts; what is decided by them is
//! first made into `state::Observed`.

use serde::{Deserialize, Serialize};

use crate::model::units::{Bytes, UnixMillis};

/// A GPU at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GpuSample {
    /// Its index on the node.
    pub index: u32,
    /// Its name; empty when it does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How busy it is, in thousandths; `None` when it does not say.
    pub busy_milli: Option<u32>,
    /// How much of its memory is used.
    pub memory_used: Option<Bytes>,
    /// How much it has.
    pub memory: Option<Bytes>,
    /// What it draws, in thousandths of a watt.
    pub power_milliwatt: Option<u32>,
    /// Its id that no other card has; empty when it does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// Processes on it that no job of its cluster has begun, each as `python (pid 123)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<String>,
}

/// A node at a moment. Rates are means since the measurement before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sample {
    /// When it was taken, by the clock of the core's machine.
    pub at: UnixMillis,
    /// How busy all CPUs are together, in thousandths; `None` for the first one.
    pub cpu_milli: Option<u32>,
    /// Main memory that is not available.
    pub memory_used: Bytes,
    /// Main memory.
    pub memory: Bytes,
    /// What is used of the file system of `/`.
    pub disk_used: Bytes,
    /// Its size.
    pub disk: Bytes,
    /// Read from disks, a second.
    pub disk_read: Option<Bytes>,
    /// Written to disks, a second.
    pub disk_written: Option<Bytes>,
    /// Received from the network, a second.
    pub net_received: Option<Bytes>,
    /// Sent, a second.
    pub net_sent: Option<Bytes>,
    /// How many terminals were used there within the last five minutes; `None` when that cannot be said.
    pub terminals: Option<u32>,
    /// Its GPUs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuSample>,
    /// How far the node's clock is ahead of the core's, in milliseconds; to a second or so.
    pub clock_ahead: i64,
}
