//! How busy the nodes of a cluster really are, beside who holds them: one symbol for each GPU, or the CPUs of a node that has
//! none.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::asked::Asked;
use crate::model::fault::Fault;
use crate::model::ids::{ClusterId, NodeId};
use crate::model::request::{Place, Reply, Request};
use crate::model::sample::Sample;
use crate::model::state::Node;
use crate::model::units::Millis;
use crate::tui::cx::Cx;
use crate::tui::pane::UiEffect;

/// A sample that is older says nothing of now.
const FRESH: Millis = Millis::from_mins(2);
/// Below so many thousandths a GPU does nothing: drivers and displays take that much.
const NOTHING_MILLI: u32 = 50;
/// Below that share of its memory nobody has a GPU: a driver takes some of it.
const MEMORY_MILLI: u64 = 100;

/// The newest samples of a cluster's nodes.
pub type Samples = BTreeMap<NodeId, Sample>;

/// What is known: the samples, and what the marks mean that some node had when they came.
#[derive(Debug, Default)]
pub struct Known {
    samples: Arc<Samples>,
    legend: Option<String>,
}

/// The state.
#[derive(Debug)]
pub struct Loads(pub Asked<ClusterId, Known>);

impl Loads {
    /// Asks the core, when what is known is old.
    pub fn look(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let place = |id| {
            let cluster = cx.world.cluster(id)?;
            let workspace = cx.world.workspace(cluster.workspace)?;
            let place = Place { workspace: cx.world.named(workspace), name: Some(cluster.name.clone()) };
            Some(Request::NodeLoads(place))
        };
        self.0.look(cx.pace.nodes, place, cx)
    }

    /// Takes an answer.
    pub fn answered(&mut self, number: u64, reply: &Result<Reply, Fault>, cx: &Cx) {
        let nodes = self.0.about().map_or(&[][..], |cluster| cx.world.nodes_of(cluster));
        self.0.answered(number, reply, |reply| match reply {
            Reply::Loads(loads) => {
                let samples = Arc::new(loads.iter().cloned().collect());
                Some(Known { legend: legend(nodes, &samples, cx), samples })
            }
            _ => None,
        });
    }

    /// Returns what is known of the nodes.
    pub fn samples(&self) -> Arc<Samples> {
        self.0.answer().and_then(Result::ok).map(|known| known.samples.clone()).unwrap_or_default()
    }

    /// Returns what the marks mean that some node has; a pass over all nodes, so it is made once for each answer.
    pub fn legend(&self) -> Option<&str> {
        self.0.answer()?.ok()?.legend.as_deref()
    }
}

/// How a GPU stands: who has it and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nobody has it.
    Free,
    /// A job has it, and it is busy to this many thousandths.
    Busy(u32),
    /// A job has it, and nobody knows what it does.
    Held,
    /// A job has it, and it does nothing.
    Wasted,
    /// No job has it, and it is used all the same.
    Stranger,
}

impl Stand {
    /// Returns its symbol.
    pub fn symbol(self, ascii: bool) -> char {
        const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let level = |milli: u32, levels: usize| (milli as usize * levels / 1001).min(levels - 1);
        match (self, ascii) {
            (Self::Free, false) => '·',
            (Self::Free, true) => '.',
            (Self::Busy(milli), false) => LEVELS[level(milli, LEVELS.len())],
            (Self::Busy(milli), true) => char::from_digit(level(milli, 10) as u32, 10).unwrap_or('9'),
            (Self::Held, false) => '▪',
            (Self::Held, true) => '#',
            (Self::Wasted, false) => '○',
            (Self::Wasted, true) => 'o',
            (Self::Stranger, _) => '!',
        }
    }
}

/// Returns the sample that says what a node does now.
fn fresh<'a>(node: &Node, samples: &'a Samples, cx: &Cx) -> Option<&'a Sample> {
    samples.get(&node.id).filter(|sample| cx.now.since(sample.at) < FRESH)
}

/// Returns how each GPU of a node stands; empty when it has none.
pub fn gpus(node: &Node, samples: &Samples, cx: &Cx) -> Vec<Stand> {
    let said = node.facts.as_ref().map_or(0, |facts| facts.capacity.gpus_milli / 1000);
    let sample = fresh(node, samples, cx);
    let count = (said as usize).max(sample.map_or(0, |sample| sample.gpus.len()));
    let mut held = vec![false; count];
    for (id, _) in &node.holders {
        let place = cx.world.job(*id).and_then(|job| {
            let at = job.last.nodes.iter().position(|id| *id == node.id)?;
            job.last.places.get(at)
        });
        match place.map(|place| &place.gpu_shares) {
            Some(Some(shares)) => {
                for share in shares {
                    if let Some(one) = held.get_mut(share.index as usize) {
                        *one = true;
                    }
                }
            }
            // It has the whole node.
            Some(None) | None => held.fill(true),
        }
    }
    let stand = |(index, held): (usize, bool)| {
        let gpu = sample.and_then(|sample| sample.gpus.iter().find(|gpu| gpu.index as usize == index));
        let busy = gpu.and_then(|gpu| gpu.busy_milli);
        let memory = gpu.and_then(|gpu| Some(gpu.memory_used?.0.saturating_mul(1000) / gpu.memory?.0.max(1)));
        let works = busy.is_some_and(|milli| milli >= NOTHING_MILLI);
        match (held, busy) {
            (true, None) => Stand::Held,
            (true, Some(milli)) if works => Stand::Busy(milli),
            (true, Some(_)) => Stand::Wasted,
            (false, _) if works || memory.is_some_and(|milli| milli >= MEMORY_MILLI) => Stand::Stranger,
            (false, _) => Stand::Free,
        }
    };
    held.into_iter().enumerate().map(stand).collect()
}

/// Returns the cell of a node: its GPUs, else how busy its CPUs are.
pub fn cell(node: &Node, samples: &Samples, cx: &Cx) -> String {
    let gpus = gpus(node, samples, cx);
    if !gpus.is_empty() {
        return gpus.into_iter().map(|stand| stand.symbol(cx.look.ascii)).collect();
    }
    match fresh(node, samples, cx).and_then(|sample| sample.cpu_milli) {
        Some(milli) => format!("{} {} %", Stand::Busy(milli).symbol(cx.look.ascii), milli / 10),
        None => String::new(),
    }
}

/// Returns how full the main memory of a node is, and what its GPUs draw.
pub fn memory_and_power(node: &Node, samples: &Samples, cx: &Cx) -> (String, String) {
    let Some(sample) = fresh(node, samples, cx) else { return Default::default() };
    let memory = (sample.memory_used.0.saturating_mul(100)).checked_div(sample.memory.0);
    let watts = sample.gpus.iter().filter_map(|gpu| gpu.power_milliwatt).map(u64::from).reduce(|a, b| a + b);
    (
        memory.map(|percent| format!("{percent} %")).unwrap_or_default(),
        watts.map(|milli| format!("{} W", milli / 1000)).unwrap_or_default(),
    )
}

/// Returns what the marks mean that some node has.
fn legend(nodes: &[NodeId], samples: &Samples, cx: &Cx) -> Option<String> {
    let all = nodes.iter().filter_map(|id| cx.world.node(*id)).map(|node| (node, gpus(node, samples, cx)));
    let (mut wasted, mut strangers) = (Vec::new(), Vec::new());
    for (node, stands) in all {
        for (stand, names) in [(Stand::Wasted, &mut wasted), (Stand::Stranger, &mut strangers)] {
            if stands.contains(&stand) {
                names.push(crate::tui::shown::shown(&node.name));
            }
        }
    }
    let mut parts = Vec::new();
    for (stand, names, what) in
        [(Stand::Wasted, wasted, "held but idle"), (Stand::Stranger, strangers, "taken by something that is no job of ours")]
    {
        if let Some(first) = names.first() {
            let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
            parts.push(format!("{} {what}: {first}{more}", stand.symbol(cx.look.ascii)));
        }
    }
    (!parts.is_empty()).then(|| parts.join("   "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_symbols() {
        let of = |milli, ascii| Stand::Busy(milli).symbol(ascii);
        assert_eq!([of(0, false), of(500, false), of(1000, false)], ['▁', '▄', '█']);
        assert_eq!([of(50, true), of(500, true), of(1000, true), of(4000, true)], ['0', '4', '9', '9']);
    }
}
