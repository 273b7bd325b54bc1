//! torchrun: PyTorch's own launcher, one on every node, which starts the processes there and starts them again when one
//! fails. The launchers meet at the first node (rendezvous `c10d`), which is told so: by name it might not know itself.
//! `-m torch.distributed.run` is torchrun wherever the interpreter has PyTorch, also without a program on the path.

use crate::frameworks::cx::node_count;
use crate::frameworks::python::module_line;
use crate::frameworks::{Cx, Framework, MainProcess, Mains};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Launched;

pub(super) struct Torchrun<'a>(pub(super) &'a Launched);

impl Framework for Torchrun<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        Mains::on((0..node_count(spec)).collect())
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        let node = cx.node(index)?;
        let (nodes, processes) = (node_count(cx.spec), cx.per_node(self.0.processes_per_node, node));
        let (master, port, label) = (cx.master(), cx.port(), cx.label());
        let restarts = self.0.max_restarts.unwrap_or(0);
        let more = self.0.launcher_args.as_deref().unwrap_or_default();
        let ours = format!(
            "--nnodes={nodes} --nproc_per_node={processes} --node_rank={index} --max_restarts={restarts} \
             --rdzv_id={label} --rdzv_backend=c10d --rdzv_endpoint={master}:{port} --rdzv_conf=is_host={} {more}",
            u8::from(index == 0)
        );
        let env = vec![("NODE_RANK".to_owned(), index.to_string())];
        Ok(MainProcess { command: module_line("torch.distributed.run", &ours, &self.0.program), env })
    }
}
