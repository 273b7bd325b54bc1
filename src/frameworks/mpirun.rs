//! Owns how `mpirun` is run: Open MPI's, or that of a Hydra (MPICH, MVAPICH, Intel MPI), whichever the node has. Its own
//! `--version` tells which, at run time: one job file runs on both (the service's way of choosing is not known).
//!
//! `mpirun` starts its daemons on the other nodes through our launcher shim instead of ssh, so that each daemon has a
//! supervisor of ours and nodes need no keys for one another. All that this needs is in the environment
//! ([`launcher_environment`]), so a custom job that calls `mpirun` itself has it too. Seen with Open MPI 4.1.4:
//!
//! - the shim is called as `shim HOST "orted" ARGS…`, where ARGS carry shell quotes of their own;
//! - without `orte_leave_session_attached` the daemon leaves its session;
//! - with a tree, daemons call shims on their own nodes;
//! - parameters of the command line, and by default those of the environment, are handed to the daemons, which end with a
//!   segmentation fault when the shim's path is not there on their node, and every node has its own.
//!
//! A Hydra hands the whole environment of `mpirun` to all ranks, with the paths of the first node; told to hand on none
//! (`-genvnone`), its ranks have that of their own daemon, which is that of their node. It also takes them to the directory
//! that `mpirun` ran in, which other nodes do not have, so it is sent to `/` (seen with MPICH 4.0.2).

use crate::frameworks::cx::node_count;
use crate::frameworks::expand::quoted;
use crate::frameworks::plan::launcher;
use crate::frameworks::ranks::Spread;
use crate::frameworks::{Cx, MainProcess};
use crate::model::launch::NodePlace;

/// How many daemons `mpirun` starts at once when nobody says otherwise (Open MPI 4.1.4, `plm_rsh_num_concurrent`). A
/// start lasts as long as its daemon here, so a job with more nodes than that would never be complete.
const CONCURRENT_STARTS_DEFAULT: usize = 128;

/// What each rank runs: every node has its own directories and its own shell. A rank knows its place by the variables of
/// today's launchers and by those of Open MPI, whichever `mpirun` started it.
const RANK: &str = r#"cd "$AZ_BATCHAI_JOB_TEMP" || exit 1
export RANK="${OMPI_COMM_WORLD_RANK-${PMI_RANK-0}}" WORLD_SIZE="${OMPI_COMM_WORLD_SIZE-${PMI_SIZE-1}}"
export LOCAL_RANK="${OMPI_COMM_WORLD_LOCAL_RANK-${MPI_LOCALRANKID-0}}"
export LOCAL_WORLD_SIZE="${OMPI_COMM_WORLD_LOCAL_SIZE-${MPI_LOCALNRANKS-1}}"
export OMPI_COMM_WORLD_RANK="$RANK" OMPI_COMM_WORLD_SIZE="$WORLD_SIZE" OMPI_COMM_WORLD_LOCAL_RANK="$LOCAL_RANK"
export AZ_BATCHAI_TASK_INDEX="$RANK"
exec "$OSTLER_SHELL" -c "$1""#;

/// Returns how many processes each node gets: as many as asked for, or one on each, spread evenly.
pub(super) fn spread(cx: &Cx<'_>, process_count: Option<u32>) -> Spread {
    let nodes = node_count(cx.spec);
    Spread::even(process_count.unwrap_or(nodes), nodes)
}

/// Returns the process that runs `run` under `mpirun`.
pub(super) fn main(cx: &Cx<'_>, process_count: Option<u32>, run: &str, env: Vec<(String, String)>) -> MainProcess {
    MainProcess { command: command(cx, &spread(cx, process_count), run), env: with_root(env) }
}

/// Returns the process that runs `run` itself when it is one, or under `mpirun`.
pub(super) fn one_or_many(
    cx: &Cx<'_>,
    process_count: Option<u32>,
    run: &str,
    mut env: Vec<(String, String)>,
) -> MainProcess {
    let spread = spread(cx, process_count);
    if spread.world() > 1 {
        return main(cx, process_count, run, env);
    }
    env.extend(spread.seat(0).variables());
    MainProcess { command: run.to_owned(), env }
}

/// Open MPI refuses to run as root unless told twice; a login that is root means it. No other user is touched by these.
fn with_root(mut env: Vec<(String, String)>) -> Vec<(String, String)> {
    env.extend(["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"].map(|name| (name.to_owned(), "1".to_owned())));
    env
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
    let hydra = [
        ("HYDRA_LAUNCHER", "ssh".to_owned()),
        ("HYDRA_LAUNCHER_EXEC", launcher(node)),
        ("I_MPI_HYDRA_BOOTSTRAP", "ssh".to_owned()),
        ("I_MPI_HYDRA_BOOTSTRAP_EXEC", launcher(node)),
    ];
    let open = parameters.map(|(name, value)| (format!("OMPI_MCA_{name}"), value));
    open.into_iter().chain(hydra.map(|(name, value)| (name.to_owned(), value))).collect()
}

fn command(cx: &Cx<'_>, spread: &Spread, run: &str) -> String {
    let (processes, slots) = (spread.world(), spread.slots());
    let rank = format!("sh -c {} mpi-rank {}", quoted(RANK), quoted(run));
    let even = slots.iter().all(|count| *count == slots[0]) && processes > 0 && cx.nodes.len() > 1 && spans_hosts(cx.nodes);
    let intel = match even {
        true => format!("-ppn {} -hosts \"$AZ_BATCH_HOST_LIST\"", slots[0]),
        false => "-machinefile \"$AZ_BATCHAI_MPI_HOST_FILE.hydra\"".to_owned(),
    };
    format!(
        r#"{MISSING}set -- {rank}
OSTLER_MPI="$(mpirun --version 2>&1)"
case "$OSTLER_MPI" in
*"Open MPI"* | *OpenRTE*)
  exec mpirun --hostfile "$AZ_BATCHAI_MPI_HOST_FILE" -n {processes} --map-by slot --bind-to none "$@" ;;
*Intel*MPI*)
{FABRIC}  exec mpirun -genvlist I_MPI_FABRICS,I_MPI_DAPL_PROVIDER,I_MPI_DYNAMIC_CONNECTION -wdir / -n {processes} {intel} "$@" ;;
*HYDRA* | *MPICH* | *MVAPICH*)
  exec mpirun -genvnone -wdir / -f "$AZ_BATCHAI_MPI_HOST_FILE.hydra" -n {processes} "$@" ;;
esac
echo "ostler: mpirun on $(uname -n) is neither Open MPI's nor a Hydra's (MPICH, Intel MPI): $OSTLER_MPI" >&2
exit 126"#
    )
}

/// Nodes that are one machine are one host to `mpirun`, which then needs no network and no daemon.
fn spans_hosts(nodes: &[NodePlace]) -> bool {
    nodes.iter().any(|node| nodes.first().is_some_and(|first| first.address != node.address))
}

/// Says on standard error what is missing, with the shell's own code for it.
const MISSING: &str = r#"if ! command -v mpirun >/dev/null 2>&1; then
  echo "ostler: mpirun: not found on $(uname -n); install an MPI there (Debian: openmpi-bin), or do it in jobPreparation" >&2
  exit 127
fi
"#;

/// The settings of the published recipes for InfiniBand, which only the Intel MPI of their time understands; later ones
/// choose by themselves.
const FABRIC: &str = r#"  case "$OSTLER_MPI" in
  *"Version 5."* | *"Version 201"[0-8]*)
    if [ -d /sys/class/infiniband ]; then
      export I_MPI_FABRICS="${I_MPI_FABRICS-dapl}" I_MPI_DAPL_PROVIDER="${I_MPI_DAPL_PROVIDER-ofa-v2-ib0}"
      export I_MPI_DYNAMIC_CONNECTION="${I_MPI_DYNAMIC_CONNECTION-0}"
    fi ;;
  esac
"#;
