//! Rows of every kind, with something in every field.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ostler::model::ids::{
    Attempt, ClusterId, EffectId, Epoch, ExperimentId, FileServerId, GroupId, JobId, NodeId, Rank, Seq, SweepId, WorkspaceId,
};
use ostler::model::launch::NodePlace;
use ostler::model::snapshot::{Change, RowKey};
use ostler::model::spec::file_server::{AdminAccount, Caching, DataDisks, Managed};
use ostler::model::spec::job::{Constraints, EnvironmentVariable, LaunchShape};
use ostler::model::spec::sweep::{Part, Search};
use ostler::model::spec::{
    ClusterSpec, Deallocation, Demand, Export, FileServerSpec, JobSpec, Priority, ProviderSpec, Resources, ScaleSettings,
    SweepSpec, Toolkit, sweep_file,
};
use ostler::model::state::file_server::{Exported, Space};
use ostler::model::state::{
    AllocationState, Block, BootId, Cluster, ExecutionState, Experiment, Facts, FileServer, Folder, Happened, Job, JobError,
    Login, Node, NodeState, Notice, Observed, Proof, Provisioning, QueueHead, RankRun, RankState, Reach, ResourceGroup,
    Spans, StopWhy, Sweep, Tally, Unusable, Workspace,
};
use ostler::model::units::{Bytes, Millis, NodeCount, UnixMillis};
use ostler::sched::{Act, Effect, Event, Sighting};
use ostler::store::{Batch, Db};
use uuid::Uuid;

/// A database in a directory of its own, which lives as long as this.
pub struct Place {
    /// The directory.
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join(ostler::store::DATABASE_FILE)
    }

    pub fn open(&self) -> Db {
        Db::open(&self.file()).unwrap()
    }
}

pub fn resources(cpus: u64) -> Resources {
    Resources {
        cpus_milli: cpus * 1000,
        memory: Bytes(64 << 30),
        gpus_milli: 8000,
        other: BTreeMap::from([("licence".to_owned(), 3)]),
    }
}

pub fn workspace(id: u64) -> Arc<Workspace> {
    Arc::new(Workspace {
        id: WorkspaceId(id),
        group: Default::default(),
        name: format!("lab-{id}"),
        location: Some("cellar".to_owned()),
        tags: BTreeMap::from([("team".to_owned(), "vision \"quoted\" \u{1f40e}".to_owned())]),
        spent: Default::default(),
        budget: None,
        created: UnixMillis(1_700_000_000_000),
        deleting: id.is_multiple_of(2),
        deleting_since: None,
    })
}

pub fn group(id: u64) -> Arc<ResourceGroup> {
    let (created, deleting_since) = (UnixMillis(1), Some(UnixMillis(2)));
    Arc::new(ResourceGroup { id: GroupId(id), name: format!("group-{id}"), created, deleting_since })
}

pub fn file_server(id: u64) -> Arc<FileServer> {
    let export = Export::Nfs { host: "nas".to_owned(), path: "/srv/data".to_owned() };
    let disks = DataDisks {
        disk_size_in_gb: 10,
        disk_count: 2,
        storage_account_type: "Premium_LRS".to_owned(),
        caching_type: Caching::ReadOnly,
    };
    let admin =
        AdminAccount { admin_user_name: "ada".to_owned(), admin_user_ssh_public_key: Some("ssh-rsa AAAA".to_owned()) };
    Arc::new(FileServer {
        id: FileServerId(id),
        workspace: WorkspaceId(1),
        name: format!("data-{id}"),
        spec: FileServerSpec {
            kept: Default::default(),
            mount_options: Some("ro,noatime".to_owned()),
            public_address: Some("nas.example".to_owned()),
            vm_size: Some("STANDARD_NC6".to_owned()),
            data_disks: Some(disks),
            admin: Some(admin),
            public_ips_to_allow: vec!["10.0.0.0/8".to_owned()],
            managed: Some(Managed {
                login: Some("ci@nas".to_owned()),
                clients: vec!["10.0.0.0/8".to_owned()],
                devices: vec!["/dev/sdb".to_owned()],
            }),
            export,
        },
        provisioning: Provisioning::Updating,
        provisioning_since: UnixMillis(3),
        exported: Some(Exported::Ganesha),
        space: Some(Space { total: Bytes(9), used: Bytes(4), free: Bytes(5) }),
        effect: Some(EffectId(7)),
        errors: Vec::new(),
        created: UnixMillis(2),
    })
}

pub fn cluster(id: u64) -> Arc<Cluster> {
    Arc::new(Cluster {
        id: ClusterId(id),
        workspace: WorkspaceId(1),
        name: format!("gpu-{id}"),
        uuid: Uuid::from_u128(u128::from(id)),
        spec: ClusterSpec {
            provider: ProviderSpec::Hosts { hosts: vec!["node1".to_owned(), "ci@[::1]".to_owned()] },
            scale_settings: ScaleSettings::Manual {
                target_node_count: NodeCount(4),
                node_deallocation_option: Deallocation::WaitForJobCompletion,
            },
            vm_size: Some("STANDARD_NC6".to_owned()),
            node_setup: None,
            machines: Default::default(),
            pool: Default::default(),
            slurm: None,
            rest: None,
            kept: Default::default(),
        },
        allocation: AllocationState::Resizing,
        allocation_since: UnixMillis(5),
        errors: Vec::new(),
        head: Some(QueueHead {
            job: JobId(1),
            name: "a".to_owned(),
            waits_for: "needs 4 nodes, 2 idle".to_owned(),
            starts: Some(UnixMillis(7)),
            priority: Priority::High,
            kept: true,
        }),
        kept_for: None,
        full: Vec::new(),
        waiting: 3,
        auto: Default::default(),
        spent: Default::default(),
        budget: None,
        brake: Default::default(),
        short_of_money: false,
        before: None,
        lost: 0,
        noticed: 1,
        created: UnixMillis(4),
        deleting: false,
        deleting_since: None,
    })
}

pub fn node(id: u64) -> Arc<Node> {
    Arc::new(Node {
        id: NodeId(id),
        cluster: ClusterId(1),
        name: format!("node{id}"),
        host: format!("ci@node{id}"),
        state: match id % 3 {
            0 => NodeState::Idle,
            1 => NodeState::Running,
            _ => NodeState::Unusable(Unusable {
                code: "unreachable".to_owned(),
                step: "connect".to_owned(),
                message: "ssh: No route to host".to_owned(),
            }),
        },
        since: UnixMillis(9),
        reach: Reach::Lost { since: UnixMillis(8), why: "Broken pipe".to_owned(), next_try: Some(UnixMillis(12)) },
        holders: [(JobId(1), Attempt(2))].into(),
        boot: Some(BootId("b-1".to_owned())),
        facts: Some(Facts {
            hostname: "n".to_owned(),
            address: "10.0.0.1".to_owned(),
            root: "/home/ci/.local/state/ostler-node/x/y".to_owned(),
            shell: "/bin/bash".to_owned(),
            user: "ci".to_owned(),
            capacity: resources(64),
            gpu_names: vec!["A100".to_owned()],
            disk: Bytes(1 << 40),
            os: "Debian 12".to_owned(),
            agent: "native".to_owned(),
            share: "7d7e9a1c".to_owned(),
            login: Some(Box::new(Login { host: "10.0.0.1".to_owned(), port: 2222, user: "ci".to_owned() })),
        }),
        drained: true,
        effect: Some(EffectId(3)),
        tries: 2,
        setup: Default::default(),
        mismatch: Some("is no `NC6`: 0 GPUs instead of 1".to_owned()),
        awaited: Some("its turn has not come".to_owned()),
        machine: "i-0".to_owned(),
        price: Default::default(),
        meter: Default::default(),
        shares: Default::default(),
        expires: Some(UnixMillis(12)),
        observed: Observed {
            gpus: 1,
            gpus_still: [(0, UnixMillis(9))].into(),
            cpus_still: Some(UnixMillis(8)),
            left_alone: Some(UnixMillis(7)),
            strangers: [(0, "python (pid 7)".to_owned())].into(),
            clock_ahead: Some(-6000),
        },
        wasted: Some(UnixMillis(9)),
        ends: Some(UnixMillis(14)),
        notice: Some(Notice { at: UnixMillis(13), why: "capacity".to_owned() }),
    })
}

pub fn experiment(id: u64) -> Arc<Experiment> {
    Arc::new(Experiment {
        id: ExperimentId(id),
        workspace: WorkspaceId(1),
        name: format!("Exp{id}"),
        created: UnixMillis(1),
        tally: Tally { queued: 1, running: 2, terminating: 3, succeeded: 4, failed: 5 },
        running_max: None,
        spent: Default::default(),
        deleting: false,
        deleting_since: None,
    })
}

pub fn job(id: u64, experiment: u64, state: ExecutionState) -> Job {
    let gone = |code| RankState::Gone(Proof::Exit { code, why: Some(StopWhy::Limit) });
    let run = |state| RankRun { node: NodeId(1), boot: BootId("b-1".to_owned()), state, daemon: None, stuck: None };
    let happened = Happened {
        stop_at: Some(UnixMillis(77)),
        requeued_because: Some("node n1 was rebooted".to_owned()),
        nodes: vec![NodeId(1), NodeId(2)],
        node_names: vec!["node1".to_owned(), "node2".to_owned()],
        places: vec![NodePlace::default()],
        ranks: BTreeMap::from([
            (Rank::main(0), run(RankState::Starting { effect: EffectId(5) })),
            ("p1".parse().unwrap(), run(gone(-1))),
            ("d0".parse().unwrap(), run(RankState::Stopping { effect: EffectId(6), why: StopWhy::Sibling })),
        ]),
        started: Some(UnixMillis(60)),
        ended: state.ended().then(|| UnixMillis(1000 - id.cast_signed())),
        exit_code: state.ended().then_some(3),
        errors: vec![JobError { code: "JobFailed".to_owned(), message: "exit code 3".to_owned(), details: Vec::new() }],
        ..Happened::default()
    };
    let (name, uuid) = (format!("Run-{id}"), Uuid::from_u128(u128::from(id)));
    Job {
        id: JobId(id),
        workspace: WorkspaceId(1),
        experiment: ExperimentId(experiment),
        folder: Folder::of(&format!("g/workspaces/lab/experiments/e/jobs/Run-{id}/x"), &name, uuid),
        name: name.into(),
        uuid,
        cluster: ClusterId(1 + id % 2),
        spec: Arc::new(spec()),
        shape: LaunchShape { sets_up: false, prepares: true, main_nodes: vec![0, 0, 1], serving: 0, handed: false }.into(),
        token: (!id.is_multiple_of(3)).then(|| format!("token-{id}").into()),
        state,
        since: UnixMillis(100 + id.cast_signed()),
        priority: Priority::High,
        held: false,
        deleting: false,
        dependencies: Vec::new(),
        pause: None,
        member: None,
        sweep: None,
        retries: 0,
        attempt: Attempt(2),
        requeues: 1,
        created: UnixMillis(50),
        spent: Default::default(),
        last: happened.into(),
    }
}

fn spec() -> JobSpec {
    JobSpec {
        cluster: Some("gpu".to_owned()),
        scheduling_priority: Priority::Low,
        node_count: NodeCount(2),
        environment_variables: vec![EnvironmentVariable {
            name: "X".to_owned(),
            value: "line\nline\u{0}\u{1b}[m".to_owned(),
        }],
        constraints: Constraints { max_wall_clock_time: Millis::from_mins(5) },
        demand: Demand::Part(resources(2)),
        ..JobSpec::new(Toolkit::Mpi { command_line: "python3 train.py \"$X\"".to_owned(), process_count: Some(3) })
    }
}

pub fn queued(id: u64, experiment: u64) -> Change {
    Change::Job(Arc::new(job(id, experiment, ExecutionState::Queued)))
}

pub fn effect(id: u64) -> Effect {
    let key = "1.2.m0".parse().unwrap();
    Effect {
        id: EffectId(id),
        act: Act::StartRank {
            node: NodeId(1),
            boot: BootId("b".to_owned()),
            key,
            limit: Millis::from_secs(60),
            after: None,
        },
    }
}

pub fn events() -> Vec<Event> {
    vec![
        Event::Started,
        Event::WorkspaceTagged {
            workspace: WorkspaceId(1),
            tags: BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some("c".to_owned()))]),
        },
        Event::RetryAsked { job: Arc::new(job(9, 1, ExecutionState::Failed)) },
        Event::NodeUp {
            node: NodeId(1),
            effect: Some(EffectId(2)),
            boot: BootId("b".to_owned()),
            facts: Box::default(),
            inventory: BTreeMap::from([
                ("1.2.m0".parse().unwrap(), Sighting::Alive),
                ("1.1.p3".parse().unwrap(), Sighting::Gone(Proof::Lost { why: "spool gone".to_owned() })),
            ]),
        },
        Event::RankGone {
            key: "1.2.m0".parse().unwrap(),
            effect: None,
            proof: Proof::Rebooted { boot: BootId("c".into()) },
        },
    ]
}

/// A turn with nothing in it.
pub fn turn(seq: u64) -> Batch {
    Batch { seq: Seq(seq), at: UnixMillis(1_700_000_000_000 + seq.cast_signed()), epoch: Epoch(0), ..Batch::default() }
}

/// A turn that changes rows.
pub fn rows_turn(seq: u64, rows: Vec<Change>) -> Batch {
    Batch { rows, ..turn(seq) }
}

pub fn gone(id: u64) -> Change {
    Change::Gone(RowKey::Job(JobId(id)))
}

/// A sweep of six members, none of which has come up.
pub fn sweep(id: u64) -> Arc<Sweep> {
    let parameters = vec![sweep_file::option("lr=0.1,0.2,0.3").unwrap(), sweep_file::option("b=1,2").unwrap()];
    let part = Part { parameters, search: Search::Grid, exclude: Vec::new() };
    let spec = Arc::new(SweepSpec::new(serde_json::json!({"nodeCount": 1}), vec![part]));
    Arc::new(Sweep {
        id: SweepId(id),
        workspace: WorkspaceId(1),
        experiment: ExperimentId(1),
        cluster: ClusterId(1),
        name: "lr".into(),
        uuid: uuid::Uuid::from_u128(7),
        parts: 1,
        parameters: spec.names(),
        spec,
        indexes: None,
        blocks: vec![Block { job: JobId(100), first: 0, count: 6 }],
        left: Spans::of(0, 6),
        trimmed: 0,
        failed: 0,
        priority: Priority::Normal,
        held: false,
        token: None,
        dependencies: Vec::new(),
        expanding: None,
        created: UnixMillis(1),
    })
}
