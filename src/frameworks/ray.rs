//! Ray: a cluster for the time of a job. The head is on the first node, a worker on each other one; they only serve. The
//! command runs on the first node as soon as all nodes have joined, with RAY_ADDRESS set, and ends the job.

use crate::frameworks::cx::node_count;
use crate::frameworks::{Cx, Framework, MainProcess, Mains, interpreter, line};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::Served;

/// How long nodes may take to join, in seconds: a cold file system takes a minute to read Ray.
const JOIN_SECONDS_MAX: u32 = 300;

pub(super) struct Ray<'a>(pub(super) &'a Served);

impl Framework for Ray<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        let nodes = node_count(spec);
        Mains { nodes: [0].into_iter().chain(0..nodes).collect(), serving: nodes }
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        let (nodes, address) = (node_count(cx.spec), format!("{}:{}", cx.master(), cx.port()));
        let python = interpreter(self.0.python_interpreter_path.as_deref());
        let start = |args: &[&str]| line(&[&[python, "-m ray.scripts.scripts start --block"], args].concat());
        let env = vec![("RAY_ADDRESS".to_owned(), address.clone())];
        let command = match index.checked_sub(1) {
            None => format!("{}{}", joined(python, nodes), self.0.command_line),
            Some(0) => {
                let own = format!("--node-ip-address={} --port={}", cx.master(), cx.port());
                let more = self.0.head_args.as_deref().unwrap_or_default();
                start(&["--head --include-dashboard=false --disable-usage-stats", &own, more])
            }
            Some(worker) => {
                let own = format!("--address={address} --node-ip-address={}", cx.node(worker)?.address);
                let start = start(&[&own, "--disable-usage-stats", self.0.worker_args.as_deref().unwrap_or_default()]);
                // It gives up soon when the head is not there yet.
                format!("n=0\nuntil {start}; do\n  n=$((n + 1))\n  [ $n -lt {JOIN_SECONDS_MAX} ] || exit 1\n  sleep 1\ndone")
            }
        };
        // Those that serve must not think that they are to join a cluster which they make.
        Ok(MainProcess { command, env: if index == 0 { env } else { Vec::new() } })
    }
}

/// A command of the shell that returns when all nodes have joined, and ends the job when they have not in time. What Ray
/// says meanwhile goes to standard error.
fn joined(python: &str, nodes: u32) -> String {
    format!(
        r#"{python} - >&2 <<'ostler-end' || exit 1
import sys, time
import ray
until = time.time() + {JOIN_SECONDS_MAX}
def joined():
    try:
        if not ray.is_initialized():
            ray.init(logging_level="ERROR")
        return sum(node["Alive"] for node in ray.nodes())
    except (ConnectionError, RuntimeError, OSError, ValueError):
        return 0
while joined() < {nodes}:
    if time.time() > until:
        sys.exit("ostler: not all of {nodes} nodes joined the Ray cluster within {JOIN_SECONDS_MAX} s; see stderr-head.txt and stderr-worker-*.txt")
    time.sleep(0.5)
ostler-end
"#
    )
}
