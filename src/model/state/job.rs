//! A job as it is.

mod flat;
mod last;
mod shared;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::ids::{Attempt, ClusterId, EffectId, ExperimentId, JobId, NodeId, Rank, SweepId, WorkspaceId};
use crate::model::launch::NodePlace;
use crate::model::rare::Rare;
use crate::model::spec::job::{EnvironmentVariable, LaunchShape};
use crate::model::spec::{JobSpec, Priority, Scheduling};
use crate::model::state::cluster::{Cap, Cluster, QueueHead};
use crate::model::state::node::BootId;
use crate::model::state::sweep::SweepMember;
use crate::model::units::{Money, UnixMillis};
pub use last::Happened;
pub use shared::{Folder, shared_shape};

/// The published execution states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionState {
    /// Able to run and waiting; also after it was put back.
    Queued,
    /// On nodes, preparation included.
    Running,
    /// Asked to stop, not yet proven dead.
    Terminating,
    /// Exit code 0.
    Succeeded,
    /// Anything else, a termination included.
    Failed,
}

impl ExecutionState {
    /// Returns the published word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Terminating => "terminating",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Says whether the job has ended.
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// One entry of the published `errors` list of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobError {
    /// Stable: `JobFailed`, `JobTerminated`, `WallClockTimeExceeded`, `LaunchFailed`, `PreparationFailed`, `AttemptLost`, …
    pub code: String,
    /// For people.
    pub message: String,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

/// What proves that a process of ours no longer lives and can never start late. Recorded before anything that needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "proof")]
pub enum Proof {
    /// Its exit record.
    #[serde(rename_all = "camelCase")]
    Exit {
        /// The exit code; 128 + n for signal n.
        code: i32,
        /// Why it ended, when the supervisor knows: `limit`, `stop`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<StopWhy>,
    },
    /// Its exit record with its own last words: of what sets a node up or cleans it up, or what the node knows of its cause.
    Told {
        /// The exit code; never 0.
        code: i32,
        /// What it said, made fit to be shown.
        words: String,
    },
    /// We took its start lock on the node: it never started and never will.
    Fenced,
    /// The node refused to start it; the lock is held.
    Refused {
        /// The node's words.
        why: String,
        /// The code of the job's error, when no second try could do better.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// The node runs under another boot than the one it was started under.
    Rebooted {
        /// The boot now.
        boot: BootId,
    },
    /// No process and no exit record, said by the node after the start was acknowledged; `why` as far as is known.
    Lost {
        /// `supervisor killed`, `spool gone`, …
        why: String,
    },
    /// Those who placed it say that it is over, and how, where no exit record of its own does.
    #[serde(rename_all = "camelCase")]
    Judged {
        /// The code of the job's error.
        code: String,
        /// For people.
        why: String,
        /// Whether it was none of the job's doing, so that it may be put back.
        again: bool,
    },
    /// The provider says that the machine is gone.
    MachineGone,
    /// A person said so.
    #[serde(rename_all = "camelCase")]
    DeclaredDead {
        /// Who.
        by: String,
    },
}

/// Why a process of ours is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopWhy {
    /// A person terminated or deleted the job.
    Terminate,
    /// Over `maxWallClockTime`.
    Limit,
    /// Its node is taken away and the job is put back or ended, as the cluster's option says.
    Scale,
    /// Another rank of the attempt failed, or its start did.
    Sibling,
    /// A node of the gang is out of sight for too long.
    GangLost,
    /// A job of a higher priority takes its nodes.
    Preempted,
    /// The provider of a node takes the machine away.
    Reclaimed,
    /// The deciding ranks have ended; what is left goes.
    Finished,
}

/// How far one process of an attempt is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum RankState {
    /// Its start is asked for and not answered: nobody knows whether it runs.
    Starting {
        /// The start's effect.
        effect: EffectId,
    },
    /// Acknowledged by the node.
    Running,
    /// Its end is asked for.
    #[serde(rename_all = "camelCase")]
    Stopping {
        /// The stop's effect.
        effect: EffectId,
        /// Why.
        why: StopWhy,
    },
    /// Proven gone.
    Gone(Proof),
}

/// One process of the current attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankRun {
    /// Where.
    pub node: NodeId,
    /// Under which boot it was meant to start.
    pub boot: BootId,
    /// How far.
    pub state: RankState,
    /// What the launcher asked for; daemons only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<Daemon>,
    /// What keeps it from ending although it was killed, as its node last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
}

/// A launcher's request for a daemon on another node of its attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Daemon {
    /// The main rank whose launcher asked.
    pub asked_by: Rank,
    /// The number of the request within that rank, from 0.
    pub request: u32,
    /// The command line, as the launcher would have given it to ssh.
    pub command: String,
}

/// A job. A hundred thousand of them wait in memory, so what few of these have is not part of the row but beside it, and what is
/// the same for many stands there once. As JSON all of it is one flat object: see [`flat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Our identity; the order of submission.
    pub id: JobId,
    /// The workspace it is in.
    pub workspace: WorkspaceId,
    /// The experiment it is in.
    pub experiment: ExperimentId,
    /// As typed; unique in the experiment.
    pub name: Arc<str>,
    /// The end of its output segment.
    pub uuid: Uuid,
    /// Its output segment, without what its name and uuid say.
    pub folder: Folder,
    /// The one cluster it runs on.
    pub cluster: ClusterId,
    /// What was asked for.
    pub spec: Arc<JobSpec>,
    /// The processes of its launch plan.
    pub shape: Arc<LaunchShape>,
    /// The client's token: a repeated submit with the same one gives this job.
    pub token: Option<Arc<str>>,
    /// Where it stands.
    pub state: ExecutionState,
    /// Since when.
    pub since: UnixMillis,
    /// Priority now.
    pub priority: Priority,
    /// Kept from starting by a person.
    pub held: bool,
    /// Set once deletion was asked for; the job goes when its processes are proven dead.
    pub deleting: bool,
    /// The jobs that it comes after.
    pub dependencies: Vec<Dependency>,
    /// A time before which it does not start; gone once that has come.
    pub pause: Option<Box<Pause>>,
    /// Which member of an array it is.
    pub member: Option<Box<ArrayMember>>,
    /// Which member of a sweep it is.
    pub sweep: Option<Box<SweepMember>>,
    /// How often it was put back after a failure of its own.
    pub retries: u32,
    /// The current or last attempt.
    pub attempt: Attempt,
    /// How often it was put back without a planned stop.
    pub requeues: u32,
    /// When it was submitted.
    pub created: UnixMillis,
    /// What the nodes cost while its attempts had them, up to when the last one was given back.
    pub spent: Money,
    /// What became of it last.
    pub last: Rare<Happened>,
}

/// What those who place an attempt say of it. Their words are data: they are shown, and nothing else is made of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Away {
    /// What they call it; empty until they have said so.
    #[serde(default)]
    pub theirs: String,
    /// Whether it waits with them; then the job is queued.
    pub waits: bool,
    /// Their word for its state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub word: String,
    /// Why it is where it is, as a sentence part.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// When they expect it to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<UnixMillis>,
    /// The nodes that it has of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Where among theirs it waits or runs: a partition.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// How often they have started it anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u32,
    /// Whether it is held there, by whomever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

impl Default for Away {
    fn default() -> Self {
        Self {
            theirs: String::new(),
            waits: true,
            word: String::new(),
            why: String::new(),
            starts: None,
            nodes: Vec::new(),
            place: String::new(),
            restarts: 0,
            held: false,
        }
    }
}

/// What becomes of a job whose attempt is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AfterStop {
    /// Back to the queue; counted among `requeues`.
    Requeue,
    /// Back to the queue; a planned stop, not counted.
    RequeuePlanned,
    /// Back to the queue after a failure of its own, as its retries say.
    Retry,
    /// Ended, succeeded or failed by its exit code and errors.
    End,
}

/// The variable that holds a member's index.
pub const ARRAY_INDEX: &str = "OSTLER_ARRAY_INDEX";

/// What has to become of another job first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DependsOn {
    /// It has started, or will never.
    Start,
    /// It has succeeded.
    Success,
    /// It has ended, however.
    End,
}

/// Another job that this one comes after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// The other job.
    pub job: JobId,
    /// Its name when this one was submitted.
    pub name: String,
    /// What has to become of it.
    pub on: DependsOn,
    /// Whether that has happened.
    #[serde(default)]
    pub met: bool,
}

/// A time before which a waiting job does not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Until then.
    pub until: UnixMillis,
    /// Why.
    pub why: PauseWhy,
}

/// Why a waiting job does not start before a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PauseWhy {
    /// Its file or its options say so.
    Begin,
    /// It failed and is tried again.
    Retry {
        /// What went wrong.
        failed: String,
    },
}

/// Which member of an array a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrayMember {
    /// The first member, whose number names the array.
    pub of: JobId,
    /// The name that its members' names begin with.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// How many members there are.
    pub count: u32,
    /// As many of them may run at once; any number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_max: Option<u32>,
    /// The row that its members come up from; it is there until all of them have. None had one when all came up at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<SweepId>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl DependsOn {
    /// Returns what is waited for, as a sentence part.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "starts",
            Self::Success => "succeeds",
            Self::End => "ends",
        }
    }
}

impl Job {
    /// Returns the state as far as we schedule it: one that was handed over is no more ours to place, although it is queued as
    /// long as it waits with those who place it; one that was sent ahead has its node.
    pub fn course(&self) -> ExecutionState {
        match self.state {
            ExecutionState::Queued if self.last.away.is_some() || self.last.behind.is_some() => ExecutionState::Running,
            state => state,
        }
    }

    /// Returns `{group}/workspaces/{ws}/experiments/{exp}/jobs/{job}/{uuid}`: the published segment without a subscription.
    pub fn segment(&self) -> String {
        self.folder.segment(&self.name, self.uuid)
    }

    /// Begins an attempt on these nodes: what there was of the last one goes.
    pub fn begin(
        &mut self,
        attempt: Attempt,
        nodes: Vec<NodeId>,
        node_names: Vec<String>,
        places: Vec<NodePlace>,
        now: UnixMillis,
    ) {
        self.attempt = attempt;
        let last = &mut *self.last;
        (last.nodes, last.node_names, last.places) = (nodes, node_names, places);
        last.ranks.clear();
        last.after_stop = None;
        last.started = Some(now);
        last.exit_code = None;
        last.errors.clear();
    }

    /// Says whether it is kept from starting, by us or by those who place it.
    pub fn is_held(&self) -> bool {
        self.held || self.last.away.as_ref().is_some_and(|away| away.held)
    }

    /// Returns the name of the log file that takes a stream (`stdout`, `stderr`) of a main rank.
    pub fn log_name(&self, stream: &str, rank: usize) -> String {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let deciding = count(self.shape.main_nodes.len()).saturating_sub(self.shape.serving);
        format!("{stream}{}.txt", self.spec.toolkit.log_suffix(count(rank), deciding))
    }

    /// Says whether its metrics are picked out.
    pub fn is_measured(&self) -> bool {
        self.spec.metrics.is_some() || self.sweep.is_some()
    }

    /// Returns the first main rank on a node of the attempt; the first of all when there is none.
    pub fn first_rank_on(&self, node: u32) -> usize {
        self.shape.main_nodes.iter().position(|of| *of == node).unwrap_or(0)
    }

    /// Returns the one reason why this job is where it is, as a sentence part. `cluster` is its cluster, when that
    /// still exists.
    pub fn reason(&self, cluster: Option<&Cluster>) -> String {
        if let Some(stuck) = self.stuck() {
            return stuck;
        }
        match self.state {
            ExecutionState::Queued => self.waiting_reason(cluster),
            ExecutionState::Running => match self.last.stop_at {
                Some(_) => "stop asked for; can still be taken back".to_owned(),
                None => match self.last.after_stop {
                    Some(AfterStop::Requeue | AfterStop::RequeuePlanned | AfterStop::Retry) => {
                        "its attempt is being stopped; then it is queued again".to_owned()
                    }
                    Some(AfterStop::End) => "waits for proof that its processes are gone".to_owned(),
                    None => String::new(),
                },
            },
            ExecutionState::Terminating => "waits for proof that its processes are gone".to_owned(),
            ExecutionState::Succeeded => String::new(),
            ExecutionState::Failed => self.last.errors.first().map(|e| e.message.clone()).unwrap_or_default(),
        }
    }

    /// Says which process cannot be ended, and why.
    fn stuck(&self) -> Option<String> {
        let (rank, run, why) = self.live_ranks().find_map(|(rank, run)| Some((rank, run, run.stuck.as_ref()?)))?;
        let at = self.last.nodes.iter().position(|node| *node == run.node);
        let name = at.and_then(|at| self.last.node_names.get(at)).map_or("its node", String::as_str);
        Some(format!("process {rank} on {name} cannot be ended and keeps its place there: {why}"))
    }

    fn waiting_reason(&self, cluster: Option<&Cluster>) -> String {
        if self.last.stop_at.is_some() {
            return "stop asked for; can still be taken back".to_owned();
        }
        if self.held {
            return "held; release it to let it run".to_owned();
        }
        if let Some(away) = &self.last.away {
            return match (away.why.is_empty(), away.theirs.is_empty()) {
                (false, _) => away.why.clone(),
                (true, false) => "waits with those who place it".to_owned(),
                (true, true) => "is being handed over".to_owned(),
            };
        }
        if self.last.behind.is_some() {
            let node = self.last.node_names.first().map_or("its node", String::as_str);
            return format!("next on {node}, as soon as the job that runs there is over");
        }
        if let Some(reason) = self.not_ready() {
            return reason;
        }
        let Some(cluster) = cluster else { return "its cluster is gone".to_owned() };
        if let Some(full) = cluster.full.iter().find(|full| self.is_under(full.cap)) {
            return match (full.cap, &self.member, &self.sweep) {
                (Cap::Array(_), Some(member), _) => format!("{} of array {} run, and no more may", full.most, member.name),
                (Cap::Sweep(_), _, Some(member)) => format!("{} of sweep {} run, and no more may", full.most, member.name),
                (Cap::Array(_) | Cap::Sweep(_) | Cap::Experiment(_), _, _) => {
                    format!("{} jobs of its experiment run, and no more may", full.most)
                }
            };
        }
        match (&cluster.head, cluster.kept_for.as_ref().or(cluster.head.as_ref().filter(|head| head.kept))) {
            (None, _) => "about to be placed".to_owned(),
            (Some(head), _) if head.job == self.id => format!("{}; next in line", head.waits_for),
            (_, Some(first)) if first.job == self.id => format!("{}; next in line", first.waits_for),
            (_, Some(first)) if self.comes_after(first) => {
                format!("waits behind {} of cluster {}, which {}", first.name, cluster.name, first.waits_for)
            }
            _ => format!("needs {}; cluster {} has no room for it now", self.needs(), cluster.name),
        }
    }

    /// Returns what keeps a waiting job that nobody holds out of the queue.
    fn not_ready(&self) -> Option<String> {
        let open: Vec<_> = self.dependencies.iter().filter(|dependency| !dependency.met).collect();
        match (open.first(), self.pause.as_deref()) {
            (Some(first), _) => {
                let more = match open.len() - 1 {
                    0 => String::new(),
                    more => format!(", and for {more} more"),
                };
                Some(format!("waits until {} {}{more}", first.name, first.on.word()))
            }
            (None, Some(Pause { until, why: PauseWhy::Begin })) => Some(format!("begins at {}", until.rfc3339())),
            (None, Some(Pause { until, why: PauseWhy::Retry { failed } })) => {
                Some(format!("is tried again at {}: {failed}", until.rfc3339()))
            }
            (None, None) => None,
        }
    }

    /// Says whether a cap is about this job.
    fn is_under(&self, cap: Cap) -> bool {
        match cap {
            Cap::Array(of) => self.member.as_ref().is_some_and(|member| member.of == of),
            Cap::Sweep(of) => self.sweep.as_ref().is_some_and(|member| member.of == of),
            Cap::Experiment(experiment) => self.experiment == experiment,
        }
    }

    fn comes_after(&self, first: &QueueHead) -> bool {
        (std::cmp::Reverse(self.priority), self.id) > (std::cmp::Reverse(first.priority), first.job)
    }

    /// Returns its parameters: those that it has of its sweep, or what its variables `PARAM_…` say, as those of a job that
    /// was one of a sweep and was submitted again.
    pub fn parameters(&self) -> Vec<(String, serde_json::Value)> {
        if let Some(member) = &self.sweep {
            return member.parameters.clone();
        }
        let of = |variable: &EnvironmentVariable| {
            let name = variable.name.strip_prefix("PARAM_")?.to_ascii_lowercase().replace("__", ".");
            let scalar = serde_json::from_str(&variable.value).ok().filter(|value: &serde_json::Value| !value.is_string());
            Some((name, scalar.unwrap_or_else(|| serde_json::Value::String(variable.value.clone()))))
        };
        self.spec.environment_variables.iter().filter_map(of).collect()
    }

    /// Returns what to ask for to run the same again now: without what it came after and its time, and of an array only
    /// this member. The metrics of what was one of a sweep are still wanted.
    pub fn spec_again(&self) -> JobSpec {
        let mut spec = (*self.spec).clone();
        if self.is_measured() && spec.metrics.is_none() {
            spec.metrics = Some(Box::default());
        }
        spec.scheduling = Scheduling { retry: spec.scheduling.retry.clone(), ..Scheduling::default() }.into();
        if let Some(member) = &self.member {
            let own = |variable: &EnvironmentVariable| variable.name == ARRAY_INDEX;
            if !spec.environment_variables.iter().any(own) {
                let (name, value) = (ARRAY_INDEX.to_owned(), member.index.to_string());
                spec.environment_variables.push(EnvironmentVariable { name, value });
            }
        }
        spec
    }

    /// Returns how many nodes it needs, and what of each, in words.
    pub fn needs(&self) -> String {
        let nodes = match self.spec.node_count.0.max(1) {
            1 => "1 node".to_owned(),
            nodes => format!("{nodes} nodes"),
        };
        match self.spec.demand.part() {
            None => nodes,
            Some(asked) => format!("{nodes} with {asked}"),
        }
    }

    /// Returns when it starts at the latest, when its cluster says so.
    pub fn starts(&self, cluster: &Cluster) -> Option<UnixMillis> {
        let heads = cluster.head.iter().chain(&cluster.kept_for);
        if let Some(away) = self.last.away.as_ref().filter(|_| self.state == ExecutionState::Queued) {
            return away.starts;
        }
        let head = heads.into_iter().find(|head| head.job == self.id && self.state == ExecutionState::Queued)?;
        head.starts
    }

    /// Returns the processes that are not proven gone.
    pub fn live_ranks(&self) -> impl Iterator<Item = (&Rank, &RankRun)> {
        self.last.ranks.iter().filter(|(_, run)| !matches!(run.state, RankState::Gone(_)))
    }
}

/// JSON wants text keys; a rank prints as one.
mod rank_map {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Rank, RankRun};

    pub fn serialize<S: Serializer>(map: &BTreeMap<Rank, RankRun>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(map.iter().map(|(rank, run)| (rank.to_string(), run)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<Rank, RankRun>, D::Error> {
        BTreeMap::deserialize(d)
    }
}
