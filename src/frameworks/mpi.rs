//! The custom MPI toolkit: one command line under Open MPI's `mpirun`, which runs on the first node (reference §6.5.3).
//!
//! `mpirun` starts its daemons (`orted`) on the other nodes through our launcher shim instead of ssh, so that each
//! daemon has a supervisor of ours and nodes need no keys for one another. All that this needs is in the environment
//! ([`launcher_environment`]), so a custom job that calls `mpirun` itself has it too. Seen with Open MPI 4.1.4:
//!
//! - the shim is called as `shim HOST "orted" ARGS…`, where ARGS carry shell quotes of their own;
//! - without `orte_leave_session_attached` the daemon leaves its session;
//! - with a tree, daemons call shims on their own nodes;
//! - parameters of the command line, and by default those of the environment, are handed to the daemons, which end with a
//!   segmentation fault when the shim's path is not there on their node, and every node has its own.

use crate::frameworks::expand::quoted;
use crate::frameworks::plan::launcher;
use crate::frameworks::{Framework, MainProcess};
use crate::model::launch::NodePlace;
use crate::model::spec::{JobSpec, Toolkit};

/// How many daemons `mpirun` starts at once when nobody says otherwise (Open MPI 4.1.4, `plm_rsh_num_concurrent`). A
/// start lasts as long as its daemon here, so a job with more nodes than that would never be complete.
const CONCURRENT_STARTS_DEFAULT: usize = 128;

/// What each rank runs: every node has its own directories, and its own shell.
const RANK: &str = r#"cd "$AZ_BATCHAI_JOB_TEMP" && exec "$OSTLER_SHELL" -c "$1""#;

pub(super) struct Mpi;

impl Framework for Mpi {
    fn tool_type(&self) -> &'static str {
        "mpi"
    }

    fn main_nodes(&self, _spec: &JobSpec) -> Vec<u32> {
        vec![0]
    }

    /// The processes spread evenly, the first nodes taking what is left over. A node without a process keeps one
    /// slot, because Open MPI's hostfile knows no node without.
    fn slots(&self, spec: &JobSpec, nodes: &[NodePlace]) -> Vec<u32> {
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX).max(1);
        let processes = process_count(spec, nodes);
        (0..count).map(|index| (processes / count + u32::from(index < processes % count)).max(1)).collect()
    }

    fn main(&self, spec: &JobSpec, nodes: &[NodePlace], _index: u32) -> MainProcess {
        MainProcess { command: command(spec, nodes), env: environment(), log_suffix: String::new() }
    }
}

fn process_count(spec: &JobSpec, nodes: &[NodePlace]) -> u32 {
    let asked = match &spec.toolkit {
        Toolkit::Mpi { process_count, .. } => *process_count,
        Toolkit::Custom { .. } => None,
    };
    asked.unwrap_or_else(|| u32::try_from(nodes.len()).unwrap_or(u32::MAX))
}

/// Open MPI refuses to run as root unless told twice; a login that is root means it. No other user is touched by these.
fn environment() -> Vec<(String, String)> {
    ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"].map(|name| (name.to_owned(), "1".to_owned())).into()
}

/// Returns the variables by which an `mpirun` on `node` reaches the other nodes of the attempt through our shim.
pub(super) fn launcher_environment(nodes: &[NodePlace], node: &NodePlace) -> Vec<(String, String)> {
    if !spans_hosts(nodes) {
        return Vec::new();
    }
    let parameters = [
        ("plm", "rsh".to_owned()),
        ("plm_rsh_agent", launcher(node)),
        ("plm_rsh_no_tree_spawn", "1".to_owned()),
        ("plm_rsh_num_concurrent", nodes.len().max(CONCURRENT_STARTS_DEFAULT).to_string()),
        ("plm_rsh_pass_environ_mca_params", "0".to_owned()),
        ("orte_leave_session_attached", "1".to_owned()),
        ("orte_keep_fqdn_hostnames", "1".to_owned()),
        // Docker's bridge has the same address on every node.
        ("oob_tcp_if_exclude", "docker0,lo".to_owned()),
        ("btl_tcp_if_exclude", "docker0,lo".to_owned()),
    ];
    parameters.map(|(name, value)| (format!("OMPI_MCA_{name}"), value)).into()
}

fn command(spec: &JobSpec, nodes: &[NodePlace]) -> String {
    let processes = process_count(spec, nodes);
    let rank = format!("sh -c {} mpi-rank {}", quoted(RANK), quoted(spec.toolkit.command_line()));
    format!("{CHECK}exec mpirun --hostfile \"$AZ_BATCHAI_MPI_HOST_FILE\" -n {processes} --map-by slot --bind-to none {rank}")
}

/// Nodes that are one machine are one host to `mpirun`, which then needs no network and no daemon.
fn spans_hosts(nodes: &[NodePlace]) -> bool {
    nodes.iter().any(|node| nodes.first().is_some_and(|first| first.address != node.address))
}

/// Says on standard error what is missing, with the shell's own code for it.
const CHECK: &str = r#"if ! command -v mpirun >/dev/null 2>&1; then
  echo "ostler: mpirun: not found on $(uname -n); install Open MPI there (Debian: openmpi-bin), or do it in jobPreparation" >&2
  exit 127
fi
case "$(mpirun --version 2>&1)" in
*"Open MPI"*) ;;
*) echo "ostler: mpirun on $(uname -n) is not Open MPI's; a job of customMpiSettings needs that one" >&2; exit 126 ;;
esac
"#;
