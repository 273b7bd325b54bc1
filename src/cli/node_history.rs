//! `ostler cluster node history`: what a node did, as it was measured.

use serde_json::{Value, json};

use super::failure::Failure;
use super::objects::time;
use super::output::{Column, Look, Row};
use super::session::{Core, Session, unexpected};
use crate::model::request::{NodeRef, Reply, Request};
use crate::model::sample::Sample;
use crate::model::units::{Bytes, Millis};

const COLUMNS: &[Column] = &[
    Column { title: "TIME", look: Look::Text },
    Column { title: "CPU %", look: Look::Number },
    Column { title: "MEMORY", look: Look::Number },
    Column { title: "DISK", look: Look::Wide },
    Column { title: "READ/S", look: Look::Number },
    Column { title: "WRITTEN/S", look: Look::Number },
    Column { title: "RECEIVED/S", look: Look::Number },
    Column { title: "SENT/S", look: Look::Number },
    Column { title: "GPUS %", look: Look::Text },
    Column { title: "GPU MEMORY", look: Look::Text },
    Column { title: "CLOCK", look: Look::Wide },
];

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, core: &Core, node: NodeRef, span: Millis) -> Result<i32, Failure> {
    let samples = match core.ask(Request::NodeHistory { node, span }).await? {
        Reply::History(samples) => samples,
        other => return Err(unexpected(&other)),
    };
    let mut list = session.out.list(COLUMNS);
    list.page(samples.iter().map(row).collect())?;
    list.end()?;
    Ok(0)
}

fn percent(milli: Option<u32>) -> String {
    milli.map_or_else(|| "-".to_owned(), |milli| format!("{}.{}", milli / 10, milli % 10))
}

fn size(bytes: Option<Bytes>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string())
}

fn row(sample: &Sample) -> Row {
    let gpus =
        |text: fn(&crate::model::sample::GpuSample) -> String| sample.gpus.iter().map(text).collect::<Vec<_>>().join(" ");
    Row {
        cells: vec![
            sample.at.rfc3339(),
            percent(sample.cpu_milli),
            format!("{} of {}", sample.memory_used, sample.memory),
            format!("{} of {}", sample.disk_used, sample.disk),
            size(sample.disk_read),
            size(sample.disk_written),
            size(sample.net_received),
            size(sample.net_sent),
            gpus(|gpu| percent(gpu.busy_milli)),
            gpus(|gpu| size(gpu.memory_used)),
            format!("{} ms", sample.clock_ahead),
        ],
        value: value(sample),
        name: sample.at.rfc3339(),
    }
}

fn value(sample: &Sample) -> Value {
    // The stored form has plain numbers with their units in the names; only the time is written as everywhere.
    let mut value = json!(sample);
    value["at"] = time(sample.at);
    value
}
