//! Every fact that can change a decision. Written to the store as it is, so a variant or field is never renamed or
//! removed, only added with a default.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::cost::Budget;
use crate::model::ids::{
    ClusterId, EffectId, ExperimentId, FileServerId, GroupId, JobId, NodeId, Rank, RankKey, SweepId, WorkspaceId,
};
use crate::model::kept::Kept;
use crate::model::rule::Fired;
use crate::model::settings::Settings;
use crate::model::spec::job::LaunchShape;
use crate::model::spec::{AutoScale, ClusterSpec, Deallocation, FileServerSpec, Indexes, JobSpec, Priority, SweepSpec};
use crate::model::state::file_server::ServerOutcome;
use crate::model::state::{
    ArrayMember, Away, BootId, Dependency, Facts, Job, Notice, Observed, Proof, SweepMember, Unusable,
};
use crate::model::units::{Millis, Money, NodeCount, UnixMillis};

/// A job as `runtime/validate.rs` accepted it: names resolved, uuid drawn, launch shape computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewJob {
    pub experiment: ExperimentId,
    pub cluster: ClusterId,
    pub name: String,
    pub uuid: Uuid,
    pub segment: String,
    pub spec: Arc<JobSpec>,
    pub shape: LaunchShape,
    pub token: Option<String>,
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    #[serde(default)]
    pub member: Option<ArrayMember>,
    #[serde(default)]
    pub sweep: Option<SweepMember>,
}

/// A sweep or an array as the runtime accepted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSweep {
    pub experiment: ExperimentId,
    pub cluster: ClusterId,
    pub name: String,
    pub uuid: Uuid,
    pub spec: Arc<SweepSpec>,
    /// How many members it has.
    pub count: u32,
    pub priority: Priority,
    pub held: bool,
    pub token: Option<String>,
    pub dependencies: Vec<Dependency>,
    /// Those of the members of an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Box<Indexes>>,
}

/// A member of a sweep that comes up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMember {
    pub index: u32,
    pub job: NewJob,
    /// Why it cannot be a job: it ends at once, and says so.
    pub refused: Option<String>,
}

/// What a node's agent says of one process in its inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sighting {
    /// Its lock is taken and its process lives.
    Alive,
    /// It is over; the proof says how.
    Gone(Proof),
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// A core started on this state; links are down until said otherwise.
    Started,
    /// The config was read, now or again.
    SettingsChanged {
        settings: Settings,
    },

    GroupCreated {
        name: String,
    },
    /// Everything in it is deleted first.
    GroupDeleteAsked {
        group: GroupId,
    },
    FileServerCreated {
        workspace: WorkspaceId,
        name: String,
        spec: FileServerSpec,
    },
    /// `force`: also when what is set up on its host could not be undone before.
    FileServerDeleteAsked {
        file_server: FileServerId,
        #[serde(default)]
        force: bool,
    },
    /// Answers `SetUpServer` and `UndoServer`.
    FileServerAnswered {
        effect: EffectId,
        outcome: ServerOutcome,
    },
    WorkspaceCreated {
        #[serde(default)]
        group: GroupId,
        name: String,
        location: Option<String>,
        tags: BTreeMap<String, String>,
    },
    WorkspaceTagged {
        workspace: WorkspaceId,
        tags: BTreeMap<String, Option<String>>,
    },
    /// Everything in it is deleted first.
    WorkspaceDeleteAsked {
        workspace: WorkspaceId,
    },
    ExperimentCreated {
        workspace: WorkspaceId,
        name: String,
    },
    ExperimentDeleteAsked {
        experiment: ExperimentId,
    },
    /// As many of its jobs may run at once; any number for `None`.
    ExperimentCapped {
        experiment: ExperimentId,
        running_max: Option<u32>,
    },
    ClusterCreated {
        workspace: WorkspaceId,
        name: String,
        uuid: Uuid,
        spec: ClusterSpec,
    },
    /// Its live jobs are ended first.
    ClusterDeleteAsked {
        cluster: ClusterId,
    },
    ScaleAsked {
        cluster: ClusterId,
        target: NodeCount,
        deallocation: Option<Deallocation>,
    },
    /// Scaled as before the last change, while that is under way.
    ScaleTakenBack {
        cluster: ClusterId,
    },
    /// From now on the number of nodes follows the work.
    AutoScaleAsked {
        cluster: ClusterId,
        auto: AutoScale,
    },

    JobsSubmitted {
        jobs: Vec<NewJob>,
    },
    SweepCreated {
        sweep: NewSweep,
    },
    /// Answers `ExpandSweep`; without an effect, somebody acts on members before their turn. What is up already is passed over.
    SweepExpanded {
        effect: Option<EffectId>,
        sweep: SweepId,
        members: Vec<NewMember>,
    },
    /// A sweep gets so many members more; `spec` is the whole of it.
    SweepExtended {
        sweep: SweepId,
        spec: Arc<SweepSpec>,
        count: u32,
    },
    /// Members that have not come up are taken away, those from the index `keep` on.
    SweepTrimmed {
        sweep: SweepId,
        keep: u32,
    },
    /// All its members end, and no other comes up.
    SweepStopped {
        sweep: SweepId,
    },
    SweepHeld {
        sweep: SweepId,
        held: bool,
    },
    SweepPriority {
        sweep: SweepId,
        priority: Priority,
    },
    /// A member of a sweep is not worth its nodes any more, by what it and the others have reported.
    StoppedEarly {
        job: JobId,
        why: String,
    },
    /// A rule of a job has come true; the node is the one on which that was seen.
    RuleFired {
        job: JobId,
        node: NodeId,
        fired: Fired,
    },
    /// It goes, with its members in memory; who asks has deleted those that have ended.
    SweepDeleted {
        sweep: SweepId,
    },
    /// `until`: when it can no longer be taken back; the past or now for at once.
    TerminateAsked {
        job: JobId,
        until: UnixMillis,
    },
    TerminateTakenBack {
        job: JobId,
    },
    /// The failed job comes back from the store with its whole record.
    RetryAsked {
        job: Arc<Job>,
    },
    DeleteAsked {
        job: JobId,
    },
    /// An ended job that is no longer in memory is removed; the record is needed to count it out.
    EndedJobDeleted {
        job: Arc<Job>,
    },
    HoldAsked {
        job: JobId,
    },
    ReleaseAsked {
        job: JobId,
    },
    PriorityAsked {
        job: JobId,
        priority: Priority,
    },

    PrepareAsked {
        node: NodeId,
    },
    /// Another one is to come in its place.
    ReplaceAsked {
        node: NodeId,
    },
    DrainAsked {
        node: NodeId,
    },
    UndrainAsked {
        node: NodeId,
    },
    DeclaredDead {
        node: NodeId,
        by: String,
    },

    /// Answers `AcquireNode`.
    NodeAcquired {
        effect: EffectId,
        name: String,
        host: String,
        /// What its provider calls the machine; empty for a host of a list.
        #[serde(default)]
        machine: String,
        /// What it costs in an hour, when its provider says so.
        #[serde(default)]
        price: Option<Money>,
    },
    /// Answers `AcquireNode`: none to be had.
    AcquireFailed {
        effect: EffectId,
        code: String,
        message: String,
    },
    /// Answers `PrepareNode`, or a link that came (back) up by itself. `inventory` is what the agent found in its spool
    /// *after* it took this epoch, so that absence from it means: not on that node, and never will be under this key.
    NodeUp {
        node: NodeId,
        effect: Option<EffectId>,
        boot: BootId,
        facts: Box<Facts>,
        inventory: BTreeMap<RankKey, Sighting>,
    },
    /// The link is down. It tries again by itself after `retry_in`; never, when that is pointless (refused key, changed
    /// host key).
    NodeDown {
        node: NodeId,
        why: Unusable,
        retry_in: Option<Millis>,
    },
    /// Answers `KeepLogs`: what was copied, and what is left behind.
    LogsKept {
        effect: EffectId,
        kept: Kept,
    },
    /// Answers `ReleaseNode`.
    NodeReleased {
        effect: EffectId,
    },
    /// Answers `ReleaseNode`: the machine is still there.
    ReleaseFailed {
        effect: EffectId,
        code: String,
        message: String,
    },
    /// What a cluster, or all clusters of a workspace, may spend from now on.
    BudgetSet {
        cluster: Option<ClusterId>,
        workspace: Option<WorkspaceId>,
        budget: Option<Budget>,
    },
    /// Auto-scale lets no node go before this.
    KeptAwake {
        cluster: ClusterId,
        until: UnixMillis,
    },
    /// Auto-scale that paused after failures tries again.
    ResumeAsked {
        cluster: ClusterId,
    },
    /// The hosts of a pool are these from now on. Nodes on others go, once their job is off them.
    HostsChanged {
        cluster: ClusterId,
        hosts: Vec<String>,
    },
    /// The provider says that the machine is gone.
    NodeGone {
        node: NodeId,
    },
    /// How a node is used has changed, and stayed so for a while.
    NodeMeasured {
        node: NodeId,
        observed: Observed,
    },
    /// The provider says why the machine is not there yet.
    NodeAwaited {
        node: NodeId,
        why: Option<String>,
    },
    /// The provider says until when it lends the machine.
    NodeEnds {
        node: NodeId,
        ends: Option<UnixMillis>,
    },
    /// The provider says when it takes the machine away, or that it does not after all.
    NodeNoticed {
        node: NodeId,
        notice: Option<Notice>,
    },

    /// Answers `StartRank`: its process lives (or lived: an exit may follow at once).
    RankStarted {
        effect: EffectId,
        key: RankKey,
    },
    /// A process of ours is proven gone; `effect` when this answers a `StartRank` (refused) or `StopRank`.
    RankGone {
        key: RankKey,
        effect: Option<EffectId>,
        proof: Proof,
    },
    /// A process was killed and is still there.
    RankStuck {
        key: RankKey,
        why: String,
    },
    /// What those who place an attempt say of it now.
    JobTold {
        key: RankKey,
        away: Arc<Away>,
    },
    /// A launcher asks for a daemon on another node of its attempt.
    DaemonAsked {
        by: RankKey,
        request: u32,
        node_index: u32,
        command: String,
    },
    /// Answers `AckGone`, `AnswerDaemon` and `Notify`, and anything else of which only the end matters.
    EffectDone {
        effect: EffectId,
    },

    /// A deadline has come; `now` says which.
    Deadline,
}

impl Event {
    /// Returns the effect that this event answers.
    pub fn answers(&self) -> Option<EffectId> {
        match self {
            Self::NodeAcquired { effect, .. }
            | Self::AcquireFailed { effect, .. }
            | Self::LogsKept { effect, .. }
            | Self::FileServerAnswered { effect, .. }
            | Self::NodeReleased { effect }
            | Self::ReleaseFailed { effect, .. }
            | Self::RankStarted { effect, .. }
            | Self::EffectDone { effect } => Some(*effect),
            Self::NodeUp { effect, .. } | Self::RankGone { effect, .. } | Self::SweepExpanded { effect, .. } => *effect,
            _ => None,
        }
    }
}

/// What a rank of the current attempt is called in an event's key, kept here so that tests can write it short.
pub fn key(job: JobId, attempt: crate::model::ids::Attempt, rank: Rank) -> RankKey {
    RankKey { job, attempt, rank }
}
