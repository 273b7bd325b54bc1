//! Caffe2 (reference §6.5.6): the script once on every node; each process knows its shard by AZ_BATCHAI_TASK_INDEX, and
//! they meet by files in the directory that the nodes share.

use crate::frameworks::cx::node_count;
use crate::frameworks::python::program_line;
use crate::frameworks::ranks::Spread;
use crate::frameworks::{Cx, Framework, MainProcess, Mains};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Program;

pub(super) struct Caffe2<'a>(pub(super) &'a Program);

impl Framework for Caffe2<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        Mains::on((0..node_count(spec)).collect())
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        let nodes = node_count(cx.spec);
        Ok(MainProcess { command: program_line(self.0), env: Spread::even(nodes, nodes).seat(index).variables() })
    }
}
