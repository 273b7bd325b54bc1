//! The custom toolkit: one command line, on the first node only. With several nodes the command distributes its work
//! itself, by the hostfile or the host list (reference §6.5.8). Its standard output is that of the command and nothing else.

use crate::frameworks::{Cx, Framework, MainProcess, Mains};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;

pub(super) struct Custom<'a>(pub(super) &'a str);

impl Framework for Custom<'_> {
    fn mains(&self, _spec: &JobSpec) -> Mains {
        Mains::first()
    }

    fn main(&self, _cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        // No RANK and no WORLD_SIZE: a launcher that the command calls would pass them on to all it starts.
        let env = vec![("AZ_BATCHAI_TASK_INDEX".to_owned(), index.to_string())];
        Ok(MainProcess { command: self.0.to_owned(), env })
    }
}
