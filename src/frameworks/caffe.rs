//! Caffe (reference §6.5.5): a solver file for the `caffe` program, or a Python script. More than one process run under
//! `mpirun` (the sources do not say what the service did). Solver files know no variables; recipes expand a template in
//! the preparation.

use crate::frameworks::python::script_line;
use crate::frameworks::{Cx, Framework, MainProcess, Mains, line, mpirun};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::FileOrScript;

pub(super) struct Caffe<'a>(pub(super) &'a FileOrScript);

impl Framework for Caffe<'_> {
    fn mains(&self, _spec: &JobSpec) -> Mains {
        Mains::first()
    }

    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        mpirun::spread(cx, self.0.process_count).slots()
    }

    fn main(&self, cx: &Cx<'_>, _index: u32) -> Result<MainProcess, Fault> {
        let args = self.0.command_line_args.as_deref().unwrap_or_default();
        let run = match (&self.0.config_file_path, &self.0.python_script_file_path) {
            (Some(config), _) => line(&["caffe train", &format!("--solver={}", config.trim()), args]),
            (None, script) => script_line(script, &self.0.python_interpreter_path, args),
        };
        Ok(mpirun::one_or_many(cx, self.0.process_count, &run, Vec::new()))
    }
}
