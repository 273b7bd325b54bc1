//! Chainer with ChainerMN: a Python script of which `mpirun` starts every process (reference §6.5.3), the number of
//! nodes when nobody says how many.

use crate::frameworks::python::program_line;
use crate::frameworks::{Cx, Framework, MainProcess, Mains, mpirun};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Ranks;

pub(super) struct Chainer<'a>(pub(super) &'a Ranks);

impl Framework for Chainer<'_> {
    fn mains(&self, _spec: &JobSpec) -> Mains {
        Mains::first()
    }

    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        mpirun::spread(cx, self.0.process_count).slots()
    }

    fn main(&self, cx: &Cx<'_>, _index: u32) -> Result<MainProcess, Fault> {
        Ok(mpirun::main(cx, self.0.process_count, &program_line(&self.0.program), Vec::new()))
    }
}
