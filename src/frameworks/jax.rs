//! JAX (`jax.distributed`): one process per node, or as many as asked for. Each finds the coordinator, the number of
//! processes and its own number in the variables that JAX knows.

use crate::frameworks::cx::node_count;
use crate::frameworks::python::program_line;
use crate::frameworks::ranks::Spread;
use crate::frameworks::{Cx, Framework, MainProcess, Mains};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Launched;

pub(super) struct Jax<'a>(pub(super) &'a Launched);

impl Jax<'_> {
    fn spread(&self, spec: &JobSpec) -> Spread {
        let each = self.0.processes_per_node.unwrap_or(1);
        Spread::each((0..node_count(spec)).map(|_| each))
    }
}

impl Framework for Jax<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        Mains::on(self.spread(spec).nodes())
    }

    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        self.spread(cx.spec).slots()
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        let spread = self.spread(cx.spec);
        let mut env = spread.seat(index).variables();
        let coordinator = format!("{}:{}", cx.master(), cx.port());
        let own = [
            ("JAX_COORDINATOR_ADDRESS", coordinator),
            ("JAX_NUM_PROCESSES", spread.world().to_string()),
            ("JAX_PROCESS_ID", index.to_string()),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Ok(MainProcess { command: program_line(&self.0.program), env })
    }
}
