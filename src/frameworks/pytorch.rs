//! PyTorch (reference §6.5.7): one process per rank, started by us for TCP, Gloo and NCCL, by `mpirun` for MPI.
//!
//! AZ_BATCHAI_PYTORCH_INIT_METHOD is a file in the directory that all nodes share where there is one and the backend is
//! not TCP (published), else an address on the first node. A script of today needs neither: MASTER_ADDR, MASTER_PORT,
//! RANK, WORLD_SIZE and LOCAL_RANK are there, so `init_process_group()` finds everything by itself.

use crate::frameworks::cx::node_count;
use crate::frameworks::python::program_line;
use crate::frameworks::ranks::Spread;
use crate::frameworks::{Cx, Framework, MainProcess, Mains, mpirun};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::{Backend, PyTorch as Settings};

pub(super) struct PyTorch<'a>(pub(super) &'a Settings);

impl PyTorch<'_> {
    fn spread(&self, spec: &JobSpec) -> Spread {
        let nodes = node_count(spec);
        Spread::even(self.0.process_count.unwrap_or(nodes), nodes)
    }

    fn variables(&self, cx: &Cx<'_>) -> Vec<(String, String)> {
        let Some(backend) = self.0.communication_backend else { return Vec::new() };
        let method = match (backend, cx.shared) {
            (Backend::Mpi, _) => "env://".to_owned(),
            (Backend::Gloo | Backend::Nccl, Some(shared)) => format!("file://{shared}/pytorch-{}", cx.label()),
            (Backend::Tcp, _) | (Backend::Gloo | Backend::Nccl, None) => format!("tcp://{}:{}", cx.master(), cx.port()),
        };
        let set = [("AZ_BATCHAI_PYTORCH_INIT_METHOD", method), ("AZ_BATCHAI_PYTORCH_BACKEND", backend.torch_name().into())];
        set.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

impl Framework for PyTorch<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        match self.0.communication_backend {
            Some(Backend::Mpi) => Mains::first(),
            Some(Backend::Tcp | Backend::Gloo | Backend::Nccl) | None => Mains::on(self.spread(spec).nodes()),
        }
    }

    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        self.spread(cx.spec).slots()
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        let (run, variables) = (program_line(&self.0.program), self.variables(cx));
        match self.0.communication_backend {
            Some(Backend::Mpi) => Ok(mpirun::main(cx, self.0.process_count, &run, variables)),
            Some(Backend::Tcp | Backend::Gloo | Backend::Nccl) | None => {
                let mut env = self.spread(cx.spec).seat(index).variables();
                env.extend(variables);
                Ok(MainProcess { command: run, env })
            }
        }
    }
}
