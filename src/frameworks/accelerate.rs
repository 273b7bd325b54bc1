//! Hugging Face Accelerate: its launcher on every node, told the number of machines and which of them it is on.

use crate::frameworks::cx::node_count;
use crate::frameworks::python::module_line;
use crate::frameworks::ranks::Spread;
use crate::frameworks::{Cx, Framework, MainProcess, Mains};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Launched;

pub(super) struct Accelerate<'a>(pub(super) &'a Launched);

impl Accelerate<'_> {
    fn spread(&self, cx: &Cx<'_>) -> Spread {
        Spread::each(cx.nodes.iter().map(|node| cx.per_node(self.0.processes_per_node, node)))
    }
}

impl Framework for Accelerate<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        Mains::on((0..node_count(spec)).collect())
    }

    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        self.spread(cx).slots()
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        let spread = self.spread(cx);
        let (nodes, processes) = (node_count(cx.spec), spread.world());
        // Without GPUs its launcher starts one process, which finds its place by the variables of a rank.
        let gpus = cx.nodes.iter().all(|node| node.gpus > 0);
        let device = match (gpus, processes) {
            (true, 2..) => "--multi_gpu",
            (true, 0..=1) => "",
            (false, _) => "--cpu",
        };
        let (master, port) = (cx.master(), cx.port());
        let more = self.0.launcher_args.as_deref().unwrap_or_default();
        let ours = format!(
            "{device} --num_machines={nodes} --num_processes={processes} --machine_rank={index} \
             --main_process_ip={master} --main_process_port={port} {more}"
        );
        let mut env = vec![("NODE_RANK".to_owned(), index.to_string())];
        if !gpus && processes == nodes {
            env = spread.seat(index).variables();
        }
        Ok(MainProcess { command: module_line("accelerate.commands.launch", ours.trim(), &self.0.program), env })
    }
}
