//! Everything a front end may ask, and what it may be told. Screen, command line and socket use these same types.
//!
//! Things are named by what people type ([`Place`]); the core resolves names, so that a command needs no picture of the whole.
//! Wherever a workspace is named, `GROUP/WORKSPACE` names one of a resource group, and `GROUP/` the only one of it (for
//! lists: all of it). A name alone means the workspace of that name in any group, when there is only one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::cost::{AtWork, Budget};
use crate::model::fault::Fault;
use crate::model::ids::{Epoch, ExperimentId, JobId, NodeId, SweepId};
use crate::model::job_column::{JobColumn, JobTable};
use crate::model::metric::JobMetrics;
use crate::model::plan::JobPlan;
use crate::model::sample::Sample;
use crate::model::site::{Site, SiteAct};
use crate::model::site_ask::{SiteAsk, SiteSaid};
use crate::model::spec::{ClusterSpec, Deallocation, FileServerSpec, GpuIdle, JobSpec, Point, Priority, SweepSpec};
use crate::model::state::{Cluster, ExecutionState, Experiment, FileServer, Job, Node, ResourceGroup, Sweep, Workspace};
use crate::model::units::{Millis, Money, NodeCount, UnixMillis};

/// The most entries one page of a list holds (published limit of `maxresults`).
pub const PAGE_MAX: u32 = 1000;

/// A named thing inside a workspace; the workspace may be left out when there is exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Place {
    /// The workspace.
    pub workspace: Option<String>,
    /// The cluster or experiment; may be left out when the workspace has exactly one.
    pub name: Option<String>,
}

/// A job, by name or identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobRef {
    /// By our identity (`job-12`).
    Id(JobId),
    /// By name within an experiment.
    #[serde(rename_all = "camelCase")]
    Named {
        /// The experiment it is in; when its name is left out, all experiments of the workspace are searched.
        experiment: Place,
        /// Its name.
        job: String,
    },
}

/// What becomes of a rule about GPUs that are held and not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GpuRule {
    /// There is none.
    Off,
    /// It is this.
    On(GpuIdle),
}

/// What to ask the core for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Who hosts, and what is undone: [`Reply::Status`].
    Status,
    /// Makes a resource group.
    #[serde(rename_all = "camelCase")]
    CreateGroup { name: String },
    /// Deletes a resource group. Refused while it holds anything unless `force`.
    #[serde(rename_all = "camelCase")]
    DeleteGroup { group: String, force: bool },
    /// Makes a workspace, in the group that stands before its name.
    #[serde(rename_all = "camelCase")]
    CreateWorkspace { name: String, location: Option<String>, tags: BTreeMap<String, String> },
    /// Changes a workspace's tags: set or, with `None`, removed.
    #[serde(rename_all = "camelCase")]
    TagWorkspace { workspace: Option<String>, tags: BTreeMap<String, Option<String>> },
    /// Deletes a workspace. Refused while it holds anything unless `force`.
    #[serde(rename_all = "camelCase")]
    DeleteWorkspace { workspace: String, force: bool },
    /// Makes an experiment.
    #[serde(rename_all = "camelCase")]
    CreateExperiment { workspace: Option<String>, name: String },
    /// Lets as many jobs of an experiment run at once; any number for `None`.
    #[serde(rename_all = "camelCase")]
    CapExperiment { experiment: Place, running_max: Option<u32> },
    /// Deletes an experiment; its jobs are stopped and deleted first.
    DeleteExperiment(Place),
    /// Makes a cluster.
    #[serde(rename_all = "camelCase")]
    CreateCluster { workspace: Option<String>, name: String, spec: Box<ClusterSpec> },
    /// Deletes a cluster. Refused while jobs wait or run there unless `force`, which ends them.
    #[serde(rename_all = "camelCase")]
    DeleteCluster { cluster: Place, force: bool },
    /// Makes a file server.
    #[serde(rename_all = "camelCase")]
    CreateFileServer { workspace: Option<String>, name: String, spec: Box<FileServerSpec> },
    /// Deletes a file server. Refused while a cluster or a live job mounts it unless `force`.
    #[serde(rename_all = "camelCase")]
    DeleteFileServer { file_server: Place, force: bool },
    /// How much room a file server has now, as its host says: `Reply::Ran` with a line of `df -kP`.
    FileServerSpace(Place),
    /// One file server and who mounts it: [`Reply::FileServer`].
    ShowFileServer(Place),
    /// Changes the target of a cluster. `seen` is the target that the person saw; another one now is a fault.
    Scale(Scale),
    /// Lets the number of a cluster's nodes follow its work, from now on.
    #[serde(rename_all = "camelCase")]
    AutoScale {
        cluster: Place,
        minimum: NodeCount,
        maximum: NodeCount,
        idle: Option<Millis>,
        /// The rule about GPUs that are held and not used; as it was when absent.
        #[serde(default)]
        gpu_idle: Option<GpuRule>,
    },
    /// Lets auto-scale keep all nodes for this long, or from now on none when it is nothing.
    #[serde(rename_all = "camelCase")]
    KeepAwake { cluster: Place, span: Millis },
    /// Lets auto-scale that paused after failures try again.
    #[serde(rename_all = "camelCase")]
    ResumeScaling { cluster: Place },
    /// Scales a cluster as before the last change, while nodes still come or go for that.
    TakeScaleBack { cluster: Place },
    /// Sets what a cluster may spend, or with no cluster what all clusters of a workspace may; `None` takes the limit away.
    #[serde(rename_all = "camelCase")]
    SetBudget { cluster: Option<Place>, workspace: Option<String>, budget: Option<Budget> },
    /// Adds hosts to a pool that has a list of them, and takes others from it.
    #[serde(rename_all = "camelCase")]
    ChangeHosts { cluster: Place, add: Vec<String>, remove: Vec<String> },
    /// What [`Request::Scale`] would do: [`Reply::Preview`].
    PreviewScale(Scale),
    /// Acts on one node.
    #[serde(rename_all = "camelCase")]
    Node { node: NodeRef, act: NodeAct },
    /// Submits one job: [`Reply::Submitted`], or [`Reply::SubmittedArray`] where its body asks for an array.
    Submit(Box<Submit>),
    /// Submits many at once; all are accepted or none: [`Reply::Submitted`].
    SubmitAll(Vec<Submit>),
    /// Submits a job in the place of one that has ended, whose record goes; both or neither: [`Reply::Submitted`].
    #[serde(rename_all = "camelCase")]
    Replace { job: JobRef, submit: Box<Submit> },
    /// What a job would come to: [`Reply::Plan`]. Nothing is submitted. What a submission would refuse is refused, unless
    /// `stand_ins`: then it is a note, and what is not there is stood in for.
    #[serde(rename_all = "camelCase")]
    PlanJob { submit: Box<Submit>, stand_ins: bool },
    /// Makes a sweep: [`Reply::Sweep`].
    CreateSweep(Box<SubmitSweep>),
    /// What a sweep would come to: [`Reply::SweepPlan`]. Nothing is made; what a creation would refuse is refused.
    PlanSweep(Box<SubmitSweep>),
    /// One sweep with what was asked for: [`Reply::Sweep`].
    ShowSweep(SweepRef),
    /// Acts on all members of a sweep.
    #[serde(rename_all = "camelCase")]
    Sweep { sweep: SweepRef, act: SweepAct },
    /// Acts on one job.
    #[serde(rename_all = "camelCase")]
    Job { job: JobRef, act: JobAct },
    /// One job with what belongs to it: [`Reply::Job`].
    ShowJob(JobRef),
    /// Why a job is where it is: [`Reply::Why`].
    WhyJob(JobRef),
    /// Answers once the job has ended, or after `timeout` with its state then: [`Reply::Job`].
    #[serde(rename_all = "camelCase")]
    AwaitJob { job: JobRef, timeout: Option<Millis> },
    /// Lists jobs by page, oldest first: [`Reply::Jobs`].
    ListJobs(JobQuery),
    /// The same of these columns alone, for lists that show no more: [`Reply::JobTable`].
    #[serde(rename_all = "camelCase")]
    TabulateJobs { query: JobQuery, columns: Vec<JobColumn> },
    /// What those who place the jobs of a cluster say of their partitions, nodes and queue now: [`Reply::Site`].
    ShowSite(Place),
    /// What they know besides, of jobs and accounts: [`Reply::SiteSaid`].
    #[serde(rename_all = "camelCase")]
    AskSite { cluster: Place, ask: SiteAsk },
    /// Asks something of those who place the jobs of a cluster: accepted once all of it is done there, refused with their words for
    /// each part that is not.
    #[serde(rename_all = "camelCase")]
    ActAtSite { cluster: Place, act: SiteAct },
    /// Lists everything but jobs: [`Reply::Lists`] holds all of them, filtered by workspace.
    #[serde(rename_all = "camelCase")]
    ListAll { workspace: Option<String> },
    /// Part of a file of a job: [`Reply::Window`].
    ReadFile(FileWindow),
    /// Searches a file of a job on its node: [`Reply::Found`].
    SearchFile(FileSearch),
    /// The log files of a job: [`Reply::Files`].
    ListLogs(JobRef),
    /// What lies in a directory, one level: [`Reply::Listing`].
    ListFiles(FolderRef),
    /// Runs a command on a node; answered when it has ended: [`Reply::Ran`].
    #[serde(rename_all = "camelCase")]
    Exec { node: NodeRef, command: String },
    /// How this machine's ssh reaches a node: [`Reply::Way`]. With `sign_in` how a person opens the connection that the core then
    /// uses: without options when it is open.
    #[serde(rename_all = "camelCase")]
    NodeWay {
        node: NodeRef,
        #[serde(default)]
        sign_in: bool,
    },
    /// What a node did in the last time, at most a day: [`Reply::History`].
    #[serde(rename_all = "camelCase")]
    NodeHistory { node: NodeRef, span: Millis },
    /// The newest measurement of each node of a cluster: [`Reply::Loads`].
    NodeLoads(Place),
    /// The metrics of some jobs, at most a page of them; with the points of these metrics: [`Reply::Metrics`].
    #[serde(rename_all = "camelCase")]
    Metrics { jobs: Vec<JobId>, curves: Vec<String> },
    /// How much there is of each kind and how much there may be: [`Reply::Usages`].
    Usage,
    /// Ends the host process in order; jobs on nodes go on.
    Stop,
}

/// A change of a cluster's target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// Which cluster.
    pub cluster: Place,
    /// The new target.
    pub target: NodeCount,
    /// What becomes of jobs on nodes that go; the cluster's own option when absent.
    #[serde(default)]
    pub deallocation: Option<Deallocation>,
    /// The target the person saw.
    #[serde(default)]
    pub seen: Option<NodeCount>,
}

/// What would happen on a change of target, by the planner that then does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Target before.
    pub from: NodeCount,
    /// Target after.
    pub to: NodeCount,
    /// Nodes that would be asked for.
    pub acquire: NodeCount,
    /// Hosts the provider could still give; `None` when it has no bound.
    pub free_hosts: Option<NodeCount>,
    /// Nodes without work that would go at once.
    pub release_now: Vec<NodeId>,
    /// Nodes that would go after or by stopping a job: the node and the name of the job.
    pub release_busy: Vec<(NodeId, String)>,
    /// What becomes of those jobs.
    pub deallocation: Deallocation,
    /// What the cluster costs in an hour, with all that is asked for already.
    #[serde(default)]
    pub rate_before: Money,
    /// What it would cost.
    #[serde(default)]
    pub rate_after: Money,
    /// How long the tightest budget would last.
    #[serde(default)]
    pub budget_lasts: Option<Millis>,
    /// How many nodes a budget allows, when that is fewer than would be asked for.
    #[serde(default)]
    pub affordable: Option<NodeCount>,
    /// The whole as one line for a person: `2 → 4: 2 hosts free`.
    pub line: String,
}

/// One node, by identity or by name within a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeRef {
    /// By identity.
    Id(NodeId),
    /// By name.
    #[serde(rename_all = "camelCase")]
    Named {
        /// The cluster it is in.
        cluster: Place,
        /// Its name, or `node-7`.
        node: String,
    },
}

/// What can be done to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeAct {
    /// Prepares it again.
    Prepare,
    /// Gives it back, so that another one comes in its place. Refused while a job has it.
    Replace,
    /// No new work.
    Drain,
    /// New work again.
    Undrain,
    /// A person's word, recorded with the name, that nothing runs there any more.
    DeclareDead { by: String },
}

/// A job to submit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submit {
    /// The experiment.
    pub experiment: Place,
    /// The cluster; the spec's own when its name is absent.
    pub cluster: Place,
    /// The name; made from the experiment's count when absent.
    pub name: Option<String>,
    /// What to run.
    pub spec: JobSpec,
    /// The client's token: a repeat with the same token and content gives the same job; with other content it is refused.
    #[serde(default)]
    pub token: Option<String>,
}

/// A sweep, by name or identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SweepRef {
    /// By our identity (`sweep-3`).
    Id(SweepId),
    /// By name within an experiment; when that is left out, all experiments of the workspace are searched.
    #[serde(rename_all = "camelCase")]
    Named {
        /// The experiment it is in.
        experiment: Place,
        /// Its name.
        sweep: String,
    },
}

/// A sweep to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitSweep {
    /// The experiment.
    pub experiment: Place,
    /// The cluster; that of the body when its name is absent.
    pub cluster: Place,
    /// The name; made from its number when absent.
    pub name: Option<String>,
    /// What to run with which values.
    pub spec: SweepSpec,
    /// Whether nothing of it runs until it is resumed.
    #[serde(default)]
    pub held: bool,
    /// The client's token: a repeat with the same token gives the same sweep.
    #[serde(default)]
    pub token: Option<String>,
}

/// What can be done to all members of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SweepAct {
    /// Members end, and no other comes up.
    Stop,
    /// No member starts until it is resumed; those that run go on.
    Pause,
    /// Members start again.
    Resume,
    /// Waiting members get another place in the queue, also those that have not come up.
    Priority { priority: Priority },
    /// It gets members more.
    Extend { part: crate::model::spec::sweep::Part },
    /// Members that have not come up go, so that at most so many there ever were are left.
    Trim { keep: u32 },
    /// It goes with all its members; those that have ended have to be deleted before.
    Delete,
}

/// A sweep with the names of what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepView {
    /// The sweep.
    pub sweep: Arc<Sweep>,
    /// What was asked for.
    pub spec: Arc<SweepSpec>,
    /// The name of its workspace.
    pub workspace: String,
    /// The name of its experiment.
    pub experiment: String,
    /// The name of its cluster.
    pub cluster: String,
}

/// What a sweep would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepPlan {
    /// Its name.
    pub name: String,
    /// Its experiment.
    pub experiment: String,
    /// Its cluster.
    pub cluster: String,
    /// How many members it has.
    pub count: u32,
    /// How many of them there are already under the name of their body; they are left out.
    pub known: u32,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// The names and values of the first members, and of the last.
    pub members: Vec<(String, Point)>,
    /// How many nodes each member has.
    pub node_count: u32,
    /// What all members cost at most: each on its nodes for as long as it may run; nothing when nodes have no price.
    pub cost_most: Option<Money>,
}

impl SweepPlan {
    /// Returns what a sweep comes to, in one sentence: how many jobs, their names, what they cost at most.
    pub fn sentence(&self) -> String {
        let count = self.count - self.known;
        let names = match (self.members.first(), self.members.last()) {
            (Some((first, _)), Some((last, _))) if first != last => format!("{first} … {last}"),
            (Some((only, _)), _) => only.clone(),
            (None, _) => String::new(),
        };
        let cost = match &self.cost_most {
            Some(cost) => format!("; at most {cost}, if each ran to its time limit"),
            None => String::new(),
        };
        let known = match self.known {
            0 => String::new(),
            known => format!(", {known} with the same body left out"),
        };
        let jobs = if count == 1 { "job" } else { "jobs" };
        format!("{count} {jobs} {names}{known}: {}{cost}", self.parameters.join(", "))
    }
}

/// What can be done to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobAct {
    /// Stops it for good, after `hold`, during which it can be taken back.
    #[serde(rename_all = "camelCase")]
    Terminate { hold: Millis },
    /// Takes a held stop back.
    TakeBack,
    /// The same job, a new attempt; failed jobs only.
    Retry,
    /// Stops it if it lives, then removes its record. Its files stay.
    Delete,
    /// Keeps a waiting job from starting.
    Hold,
    /// Lets it start again.
    Release,
    /// Changes the priority of a waiting job.
    Priority { priority: Priority },
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobQuery {
    /// Only of this workspace.
    pub workspace: Option<String>,
    /// Only of this experiment.
    pub experiment: Option<String>,
    /// Only members of this sweep.
    pub sweep: Option<String>,
    /// Only on this cluster.
    pub cluster: Option<String>,
    /// Only in one of these states; any when empty.
    pub states: Vec<ExecutionState>,
    /// Only after this job: the last one of the page before.
    pub after: Option<JobId>,
    /// At most so many, at most [`PAGE_MAX`]; that when 0.
    pub limit: u32,
    /// Newest first instead of oldest first; `after` then counts downwards.
    pub newest_first: bool,
}

/// Whose files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FilesOf {
    /// A job's, on the nodes of its current or last attempt.
    Job(JobRef),
    /// A node's own: the logs of its set-up task.
    Node(NodeRef),
    /// Those that a file server gives out.
    FileServer(Place),
}

impl std::convert::From<JobRef> for FilesOf {
    fn from(job: JobRef) -> Self {
        Self::Job(job)
    }
}

/// The directory id of a job's logs, which the published model reserves.
pub const STDOUTERR: &str = "stdouterr";
/// The directory id of a job's temporary directory; ours.
pub const TEMP: &str = "temp";
/// The directory id of the logs of a node's set-up task; ours.
pub const SETUP: &str = "setup";

/// A file on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRef {
    /// Whose it is.
    pub of: FilesOf,
    /// The id of its directory: [`STDOUTERR`], [`TEMP`], or one of the job's output or input directories (those first). The
    /// logs of the job, or of the node's set-up task, when absent.
    #[serde(default)]
    pub directory: Option<String>,
    /// Its path in the directory; among the logs of a job `attempt-K/NAME` is of an earlier attempt.
    pub file: String,
    /// The index of the node in the attempt; 0 is the first.
    #[serde(default)]
    pub node: u32,
}

impl FileRef {
    /// Returns a log file of a job.
    pub fn log(job: JobRef, file: impl Into<String>, node: u32) -> Self {
        Self { of: FilesOf::Job(job), directory: None, file: file.into(), node }
    }
}

/// A directory on one node, or on all nodes of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FolderRef {
    /// Whose it is.
    pub of: FilesOf,
    /// As [`FileRef::directory`].
    #[serde(default)]
    pub directory: Option<String>,
    /// A path below it; empty for itself.
    #[serde(default)]
    pub path: String,
    /// The index of the node in the attempt; all of them when absent.
    #[serde(default)]
    pub node: Option<u32>,
}

/// Where to begin to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// This byte and what follows.
    Start(u64),
    /// What comes before this byte, so that the window ends there.
    Before(u64),
    /// The window that ends at the end of the file.
    End,
}

/// Who waits for whom where a file is followed and its reader is slower than what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FollowMode {
    /// Nobody: the reader goes on near the end, and is told what it skipped. For a screen.
    #[default]
    Newest,
    /// The node's sender waits, so that every byte comes; whoever writes the file does not wait. For a pipe.
    Every,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileWindow {
    /// Which file.
    pub file: FileRef,
    /// From where.
    pub from: From,
    /// At most so many bytes; cut to `files::window::WINDOW_BYTES_MAX`.
    pub bytes: u32,
}

/// A search over a whole file, on its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSearch {
    /// Which file.
    pub file: FileRef,
    /// A fixed text.
    pub text: String,
    /// From this byte on.
    pub from: u64,
    /// Backwards from there instead of forwards.
    pub backwards: bool,
}

/// A piece of a file as it is on the node: raw bytes, not yet fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The offset of the first byte.
    pub offset: u64,
    /// The bytes.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
    /// The size of the file when it was read.
    pub size: u64,
    /// The file's inode: another one means that it was rotated.
    pub inode: u64,
}

/// What a follower of a file is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogDelta {
    /// Bytes at the end of what was sent before.
    Appended(Window),
    /// Bytes from `from` to `to` were not sent because the reader is slow; they are in the file.
    #[serde(rename_all = "camelCase")]
    Skipped { from: u64, to: u64 },
    /// The file shrank or was replaced; the next bytes are of offset 0.
    #[serde(rename_all = "camelCase")]
    Restarted { truncated: bool },
    /// The file is not there yet.
    Waiting,
    /// The link is lost; it goes on where it was.
    #[serde(rename_all = "camelCase")]
    Interrupted { why: String },
    /// The job has ended and all of the file was sent.
    Ended,
    /// It cannot go on.
    Failed(Fault),
}

/// Who hosts the core, and what would be left undone without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The host's process.
    pub pid: u32,
    /// The count of starts.
    pub epoch: Epoch,
    /// The socket it serves.
    pub socket: String,
    /// When it started.
    pub started_at: UnixMillis,
    /// Its version.
    pub version: String,
    /// One sentence for each thing undone (semantics, Host process).
    pub undone: Vec<String>,
}

/// How this machine's ssh reaches a node over the connection that the core holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeWay {
    /// What ssh is given before the host.
    pub options: Vec<String>,
    /// The host as ssh takes it; none for a node that is this machine.
    pub host: Option<String>,
}

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileKind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link; never followed.
    Link,
    /// A pipe, a socket or a device; never opened.
    Special,
}

impl FileKind {
    /// Returns the published `fileType`, and words of ours where there is none.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "link",
            Self::Special => "special",
        }
    }
}

/// What lies in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// Its entries by name, those of all nodes together; one that all nodes share is there once.
    pub entries: Vec<FileEntry>,
    /// What a person should know: nodes out of reach, names that are left out, that there are more.
    pub notes: Vec<String>,
}

/// One file in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    /// Its name as [`FileRef::file`] takes it.
    pub name: String,
    /// The index of its node in the attempt.
    pub node: u32,
    /// Its size in bytes.
    pub size: u64,
    /// When it last changed.
    pub modified: UnixMillis,
    /// What it is.
    #[serde(default)]
    pub kind: FileKind,
    /// Its inode; 0 when it was not asked for.
    #[serde(default)]
    pub inode: u64,
}

impl FileEntry {
    /// Returns a regular file.
    pub fn file(name: impl Into<String>, node: u32, size: u64, modified: UnixMillis) -> Self {
        Self { name: name.into(), node, size, modified, kind: FileKind::File, inode: 0 }
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// It is committed. `note` says what the person should know, when there is something.
    #[serde(rename_all = "camelCase")]
    Accepted { note: Option<String> },
    /// It cannot be done.
    Refused(Fault),
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::CreateWorkspace`] and other creations: what was made.
    Workspace(Arc<Workspace>),
    /// See above.
    Experiment(Arc<Experiment>),
    /// See above.
    Cluster(Arc<Cluster>),
    /// See above.
    Group(Arc<ResourceGroup>),
    /// See above, and to [`Request::ShowFileServer`].
    FileServer(Arc<FileServerView>),
    /// The jobs, in the order asked.
    Submitted(Vec<Arc<Job>>),
    /// The members of an array, which are alike but for their names: the first, and the numbers of all.
    #[serde(rename_all = "camelCase")]
    SubmittedArray { first: Arc<Job>, jobs: Vec<JobId> },
    /// To [`Request::PlanJob`].
    Plan(Box<JobPlan>),
    /// To [`Request::CreateSweep`] and [`Request::ShowSweep`].
    Sweep(Arc<SweepView>),
    /// To [`Request::PlanSweep`].
    SweepPlan(Box<SweepPlan>),
    /// One job.
    Job(Arc<JobView>),
    /// A page of jobs; `more` when there are others after it.
    #[serde(rename_all = "camelCase")]
    Jobs { jobs: Vec<Arc<JobView>>, more: bool },
    /// A page of jobs, by columns.
    JobTable(JobTable),
    /// Why a job is where it is.
    Why(Why),
    /// Everything but jobs.
    #[serde(rename_all = "camelCase")]
    Lists {
        workspaces: Vec<Arc<Workspace>>,
        clusters: Vec<Arc<Cluster>>,
        nodes: Vec<Arc<Node>>,
        experiments: Vec<Arc<Experiment>>,
        #[serde(default)]
        groups: Vec<Arc<ResourceGroup>>,
        #[serde(default)]
        file_servers: Vec<Arc<FileServer>>,
        #[serde(default)]
        sweeps: Vec<Arc<Sweep>>,
        #[serde(default)]
        at_work: BTreeMap<ExperimentId, AtWork>,
    },
    /// To [`Request::ShowSite`].
    Site(Arc<Site>),
    /// To [`Request::AskSite`].
    SiteSaid(Box<SiteSaid>),
    /// To [`Request::Usage`].
    Usages(Vec<Usage>),
    /// To [`Request::PreviewScale`].
    Preview(Preview),
    /// To [`Request::ReadFile`].
    Window(Window),
    /// To [`Request::SearchFile`]: the byte offset of the line that matches first; `None` when none does.
    #[serde(rename_all = "camelCase")]
    Found { offset: Option<u64> },
    /// To [`Request::ListLogs`].
    Files(Vec<FileEntry>),
    /// To [`Request::ListFiles`].
    Listing(Listing),
    /// To [`Request::NodeHistory`], oldest first.
    History(Vec<Sample>),
    /// To [`Request::NodeLoads`]; nodes that were not measured since the core began are not in it.
    Loads(Vec<(NodeId, Sample)>),
    /// To [`Request::Metrics`], in the order asked.
    Metrics(Vec<(JobId, JobMetrics)>),
    /// To [`Request::NodeWay`].
    Way(NodeWay),
    /// To [`Request::Exec`].
    #[serde(rename_all = "camelCase")]
    Ran {
        code: i32,
        #[serde(with = "base64_bytes")]
        stdout: Vec<u8>,
        #[serde(with = "base64_bytes")]
        stderr: Vec<u8>,
    },
}

/// A job with the names that belong to its ids and its reason: all a list or a script wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// The job.
    pub job: Arc<Job>,
    /// The name of its resource group.
    #[serde(default)]
    pub group: String,
    /// The name of its workspace.
    pub workspace: String,
    /// The name of its experiment.
    pub experiment: String,
    /// The name of its cluster.
    pub cluster: String,
    /// The name of the cluster's workspace, which may be another one.
    #[serde(default)]
    pub cluster_workspace: String,
    /// The name of that workspace's resource group.
    #[serde(default)]
    pub cluster_group: String,
    /// Why it is where it is; empty when there is nothing to say.
    pub reason: String,
    /// When it starts at the latest, while it waits and that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<UnixMillis>,
    /// What is to be known of its logs, when a node they were on was given back. Only in answers about one job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
}

/// How much there is of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// What is counted.
    pub name: String,
    /// How many there are.
    pub value: u64,
    /// How many there may be; `None` when there is no limit.
    pub limit: Option<u64>,
}

/// A file server with the names of what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileServerView {
    /// The file server.
    pub file_server: Arc<FileServer>,
    /// The name of its resource group.
    pub group: String,
    /// The name of its workspace.
    pub workspace: String,
    /// The clusters that mount it on their nodes, as `WORKSPACE/NAME`.
    pub clusters: Vec<String>,
    /// The live jobs that mount it themselves, as `EXPERIMENT/NAME`.
    pub jobs: Vec<String>,
}

/// Why a job waits, and what would let it run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The one reason.
    pub reason: String,
    /// Its place in the queue, 1 for the first; 0 when it does not wait.
    pub place: u64,
    /// For each node of the cluster, why it is not given to this job; empty text when it could be.
    pub nodes: Vec<(String, String)>,
    /// The smallest change that would let it run.
    pub change: Option<String>,
    /// When it starts at the latest, by the time limits of what runs and waits before it; `None` when nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<UnixMillis>,
}

/// Bytes in JSON, as base64.
pub mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}
