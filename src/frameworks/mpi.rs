//! The custom MPI toolkit: one command line under `mpirun`, which runs on the first node (reference §6.5.3).

use crate::frameworks::{Cx, Framework, MainProcess, Mains, mpirun};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;

pub(super) struct Mpi<'a> {
    pub(super) command_line: &'a str,
    pub(super) process_count: Option<u32>,
}

impl Framework for Mpi<'_> {
    fn mains(&self, _spec: &JobSpec) -> Mains {
        Mains::first()
    }

    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        mpirun::spread(cx, self.process_count).slots()
    }

    fn main(&self, cx: &Cx<'_>, _index: u32) -> Result<MainProcess, Fault> {
        Ok(mpirun::main(cx, self.process_count, self.command_line, Vec::new()))
    }
}
