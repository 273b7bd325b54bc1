//! Slurm's words for states and reasons, and what they say. From the pages `squeue` (JOB STATE CODES) and `job_reason_codes` of
//! its documentation (21.08 to 25.05); a word that is not here is shown as it is.

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for resources, or to be let go.
    Waits,
    /// It has nodes.
    Runs,
    /// Its processes are gone or going, and nodes are tidied up.
    Completes,
    /// It is over; how.
    Over(Over),
}

/// How a job ended, as Slurm sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// By itself, with exit code 0.
    Well,
    /// By itself, with another code.
    Failed,
    /// Over its time limit.
    TimeLimit,
    /// Somebody ended it.
    Cancelled,
    /// One of its nodes went, or did not come up.
    NodeFail,
    /// For a job of a higher priority.
    Preempted,
    /// Of memory.
    OutOfMemory,
    /// It could not have ended before its deadline.
    Deadline,
}

/// Reads a state; `None` for one that is not known. Slurm writes `CANCELLED by 1000`, and `+` after a word that is cut.
pub fn state(word: &str) -> Option<State> {
    let word = word.split([' ', '+']).next().unwrap_or_default();
    Some(match word {
        "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "RESV_DEL_HOLD" | "SPECIAL_EXIT" => State::Waits,
        "RUNNING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "RESIZING" | "SIGNALING" | "STAGE_OUT" => State::Runs,
        "POWER_UP_NODE" | "EXPEDITING" => State::Runs,
        "COMPLETING" => State::Completes,
        "COMPLETED" => State::Over(Over::Well),
        "FAILED" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => State::Over(Over::Failed),
        "TIMEOUT" => State::Over(Over::TimeLimit),
        "CANCELLED" | "REVOKED" => State::Over(Over::Cancelled),
        "NODE_FAIL" | "BOOT_FAIL" => State::Over(Over::NodeFail),
        "PREEMPTED" => State::Over(Over::Preempted),
        "OUT_OF_MEMORY" => State::Over(Over::OutOfMemory),
        "DEADLINE" => State::Over(Over::Deadline),
        _ => return None,
    })
}

/// What is said of each reason, in the order of the alphabet.
const REASONS: &[(&str, &str)] = &[
    ("AccountNotAllowed", "its account may not use this partition"),
    ("AssocGrpCPUMinutesLimit", "its account has used up its CPU time"),
    ("AssocGrpCpuLimit", "its account has as many CPUs in use as it may"),
    ("AssocGrpGRES", "its account has as many GPUs in use as it may"),
    ("AssocGrpGRESMinutes", "its account has used up its GPU time"),
    ("AssocGrpJobsLimit", "its account has as many jobs running as it may"),
    ("AssocGrpMemLimit", "its account has as much memory in use as it may"),
    ("AssocGrpNodeLimit", "its account has as many nodes in use as it may"),
    ("AssocGrpSubmitJobsLimit", "its account has as many jobs submitted as it may"),
    ("AssocMaxCpuPerJobLimit", "it asks for more CPUs than its account may have in one job"),
    ("AssocMaxJobsLimit", "you have as many jobs running as your account may"),
    ("AssocMaxNodePerJobLimit", "it asks for more nodes than its account may have in one job"),
    ("AssocMaxWallDurationPerJobLimit", "its time limit is longer than its account may have"),
    ("AssociationJobLimit", "its account has as many jobs running as it may"),
    ("AssociationResourceLimit", "its account has as much in use as it may"),
    ("AssociationTimeLimit", "its account has used up its time"),
    ("BadConstraints", "no node fits what it asks for, and none will"),
    ("BeginTime", "its time to begin has not come"),
    ("BurstBufferResources", "it waits for room in the burst buffer"),
    ("BurstBufferStageIn", "its data is being copied to the burst buffer"),
    ("Cleaning", "it was put back, and its nodes are being tidied up"),
    ("DeadLine", "it cannot end before its deadline"),
    ("Dependency", "it waits for another job"),
    ("DependencyNeverSatisfied", "what it waits for will never be; it stays here until it is cancelled"),
    ("FrontEndDown", "no front end of the cluster is up"),
    ("InactiveLimit", "it was inactive for too long"),
    ("InvalidAccount", "its account is not valid"),
    ("InvalidQOS", "its quality of service is not valid"),
    ("JobArrayTaskLimit", "as many members of its array run as may"),
    ("JobHeldAdmin", "an administrator holds it"),
    ("JobHeldUser", "it is held; release it to let it run"),
    ("JobHoldMaxRequeue", "it was put back too often and is held now"),
    ("JobLaunchFailure", "it could not be launched"),
    ("Licenses", "it waits for a licence"),
    ("MaxMemPerLimit", "it asks for more memory than is allowed"),
    ("MaxRequeue", "it was put back as often as is allowed"),
    ("NodeDown", "a node that it needs is down"),
    ("NonZeroExitCode", "it ended with an exit code other than 0"),
    ("PartitionConfig", "it asks for what its partition does not have or allow"),
    ("PartitionDown", "its partition is down"),
    ("PartitionInactive", "its partition takes no jobs now"),
    ("PartitionNodeLimit", "it asks for more nodes than its partition has or allows"),
    ("PartitionTimeLimit", "its time limit is longer than its partition allows"),
    ("Priority", "jobs with a higher priority come first"),
    ("Prolog", "its nodes are being made ready"),
    ("QOSGrpCpuLimit", "its quality of service has as many CPUs in use as it may"),
    ("QOSGrpGRES", "its quality of service has as many GPUs in use as it may"),
    ("QOSGrpMemLimit", "its quality of service has as much memory in use as it may"),
    ("QOSGrpNodeLimit", "its quality of service has as many nodes in use as it may"),
    ("QOSJobLimit", "its quality of service has as many jobs running as it may"),
    ("QOSMaxCpuPerUserLimit", "you have as many CPUs in use as its quality of service allows"),
    ("QOSMaxGRESPerUser", "you have as many GPUs in use as its quality of service allows"),
    ("QOSMaxJobsPerUserLimit", "you have as many jobs running as its quality of service allows"),
    ("QOSMaxMemoryPerUser", "you have as much memory in use as its quality of service allows"),
    ("QOSMaxNodePerUserLimit", "you have as many nodes in use as its quality of service allows"),
    ("QOSMaxSubmitJobPerUserLimit", "you have as many jobs submitted as its quality of service allows"),
    ("QOSMaxWallDurationPerJobLimit", "its time limit is longer than its quality of service allows"),
    ("QOSNotAllowed", "its quality of service may not use this partition"),
    ("QOSResourceLimit", "its quality of service has as much in use as it may"),
    ("QOSTimeLimit", "its quality of service has used up its time"),
    ("QOSUsageThreshold", "its account has used more than its quality of service allows"),
    ("ReqNodeNotAvail", "a node that it asks for is down, drained or reserved"),
    ("Reservation", "it waits for its reservation to begin"),
    ("ReservationDeleted", "its reservation was deleted"),
    ("Resources", "nothing free fits what it asks for; it is first in line"),
    ("SchedDefer", "Slurm looks at it in its next round"),
    ("SystemFailure", "Slurm itself, a file system or the network failed"),
    ("TimeLimit", "it ran over its time limit"),
];

/// Returns a reason as a sentence part. What Slurm adds in brackets or after a comma stays: `ReqNodeNotAvail,
/// UnavailableNodes:n[1-2]`.
pub fn reason(word: &str) -> String {
    let word = word.trim().trim_start_matches('(').trim_end_matches(')');
    // The one reason that is a sentence (21.08, src/slurmctld/node_scheduler.c).
    if word.starts_with("Nodes required for job are DOWN") {
        return "the nodes that it could have are down, drained or kept for jobs of a higher priority".to_owned();
    }
    let end = word.find([',', ' ', '(', ':']).unwrap_or(word.len());
    let (name, rest) = word.split_at(end);
    let known = REASONS.binary_search_by(|(known, _)| known.cmp(&name)).ok().and_then(|at| REASONS.get(at));
    match (name, known) {
        ("None" | "", _) => String::new(),
        (_, Some((_, sentence))) => {
            let rest = rest.trim_start_matches([',', ' ', ':']).trim();
            if rest.is_empty() { (*sentence).to_owned() } else { format!("{sentence} ({rest})") }
        }
        (_, None) => format!("Slurm says {word}"),
    }
}

/// Returns what Slurm's programs said without what they put before each line.
pub fn complaint(text: &str) -> String {
    // `scontrol hold` and its like say everything twice.
    let mut text = text.split_once(" slurm_suspend error: ").map_or(text, |(once, _)| once).trim().to_owned();
    for before in [
        "sbatch: error: ",
        "scancel: error: ",
        "squeue: error: ",
        "sinfo: error: ",
        "sacct: error: ",
        "sacctmgr: error: ",
        "sprio: error: ",
        "sshare: error: ",
        "sstat: error: ",
        "sbatch: ",
        "slurm_load_jobs error: ",
        "slurm_update error: ",
    ] {
        text = text.replace(before, "");
    }
    text.trim_start_matches("Batch job submission failed: ").replace(" Batch job submission failed: ", ": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_by_their_name() {
        assert!(REASONS.is_sorted_by(|a, b| a.0 < b.0));
        for (word, sentence) in [
            ("Resources", "nothing free fits what it asks for; it is first in line"),
            ("(Priority)", "jobs with a higher priority come first"),
            ("None", ""),
            (
                "ReqNodeNotAvail, UnavailableNodes:n[1-2]",
                "a node that it asks for is down, drained or reserved (UnavailableNodes:n[1-2])",
            ),
            (
                "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
                "the nodes that it could have are down, drained or kept for jobs of a higher priority",
            ),
            ("Dependency:1", "it waits for another job (1)"),
            ("SomethingNew", "Slurm says SomethingNew"),
        ] {
            assert_eq!(reason(word), sentence, "{word}");
        }
    }

    #[test]
    fn states_are_read_and_new_ones_are_not_guessed() {
        for (word, expected) in [
            ("PENDING", Some(State::Waits)),
            ("CANCELLED by 1000", Some(State::Over(Over::Cancelled))),
            ("CANCELLED+", Some(State::Over(Over::Cancelled))),
            ("COMPLETING", Some(State::Completes)),
            ("MELTING", None),
            ("", None),
        ] {
            assert_eq!(state(word), expected, "{word}");
        }
    }

    #[test]
    fn complaints_lose_what_stands_before_them() {
        let said = "sbatch: error: invalid partition specified: nope sbatch: error: Batch job submission failed: Invalid partition name specified";
        assert_eq!(complaint(said), "invalid partition specified: nope: Invalid partition name specified");
    }
}
