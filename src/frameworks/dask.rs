//! Dask: a cluster for the time of a job. The scheduler is on the first node, workers on every node; they only serve. The
//! command runs on the first node with DASK_SCHEDULER_ADDRESS set, so `Client()` finds the cluster, and ends the job.

use crate::frameworks::cx::node_count;
use crate::frameworks::{Cx, Framework, MainProcess, Mains, interpreter, line};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Served;

pub(super) struct Dask<'a>(pub(super) &'a Served);

impl Framework for Dask<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        let nodes = node_count(spec);
        Mains { nodes: [0, 0].into_iter().chain(0..nodes).collect(), serving: nodes + 1 }
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        let address = format!("tcp://{}:{}", cx.master(), cx.port());
        let python = interpreter(self.0.python_interpreter_path.as_deref());
        let env = vec![("DASK_SCHEDULER_ADDRESS".to_owned(), address.clone())];
        let command = match index {
            0 => self.0.command_line.clone(),
            1 => {
                let own = format!("--host {} --port {} --no-dashboard --no-show", cx.master(), cx.port());
                let more = self.0.head_args.as_deref().unwrap_or_default();
                line(&[python, "-m distributed.cli.dask_scheduler", &own, more])
            }
            _ => {
                let node = cx.node(index - 2)?;
                let own = format!(
                    "{address} --host {} --nworkers {} --nthreads 1 --no-dashboard --local-directory \"$AZ_BATCHAI_JOB_TEMP/dask\"",
                    node.address,
                    self.0.processes_per_node.unwrap_or(node.cpus.max(1)),
                );
                let more = self.0.worker_args.as_deref().unwrap_or_default();
                line(&[python, "-m distributed.cli.dask_worker", &own, more])
            }
        };
        Ok(MainProcess { command, env })
    }
}
