//! A made-up core: builds the updates that a real one would send. Times are in seconds before [`NOW`].

use std::collections::BTreeMap;
use std::sync::Arc;

use ostler::model::ids::*;
use ostler::model::snapshot::{Change, Update};
use ostler::model::spec::job::{Constraints, EnvironmentVariable};
use ostler::model::spec::*;
use ostler::model::state::*;
use ostler::model::units::*;
use ostler::tui::msg::Msg;
use uuid::Uuid;

/// The time of all screens: 2026-11-23 12:00 UTC.
pub const NOW: UnixMillis = UnixMillis(1_795_435_200_000);

/// Returns the time so many seconds ago.
pub fn ago(secs: u64) -> UnixMillis {
    NOW - Millis::from_secs(secs)
}

/// Returns an update of these changes.
pub fn update(seq: u64, whole: bool, changes: Vec<Change>) -> Msg {
    Msg::Update(Arc::new(Update { seq: Seq(seq), epoch: Epoch(1), at: NOW, whole, changes }))
}

pub fn workspace(id: u64, name: &str) -> Workspace {
    Workspace {
        id: WorkspaceId(id),
        group: Default::default(),
        name: name.to_owned(),
        location: None,
        tags: BTreeMap::new(),
        spent: Default::default(),
        budget: None,
        created: ago(86_400),
        deleting: false,
        deleting_since: None,
    }
}

pub fn cluster(id: u64, name: &str, target: u32) -> Cluster {
    Cluster {
        id: ClusterId(id),
        workspace: WorkspaceId(1),
        name: name.to_owned(),
        uuid: Uuid::nil(),
        spec: ClusterSpec {
            provider: ProviderSpec::Hosts { hosts: (1..=8).map(|n| format!("gpu-{n}")).collect() },
            scale_settings: ScaleSettings::Manual {
                target_node_count: NodeCount(target),
                node_deallocation_option: Deallocation::Requeue,
            },
            vm_size: None,
            node_setup: None,
            machines: Default::default(),
            pool: Default::default(),
            slurm: None,
            rest: None,
            kept: Default::default(),
        },
        allocation: AllocationState::Steady,
        allocation_since: ago(3600),
        errors: Vec::new(),
        head: None,
        kept_for: None,
        full: Vec::new(),
        waiting: 0,
        auto: Default::default(),
        spent: Default::default(),
        budget: None,
        brake: Default::default(),
        short_of_money: false,
        before: None,
        lost: 0,
        noticed: 0,
        created: ago(80_000),
        deleting: false,
        deleting_since: None,
    }
}

pub fn node(id: u64, cluster: u64, name: &str, state: NodeState) -> Node {
    let facts = Facts {
        hostname: name.to_owned(),
        address: "10.7.0.14".to_owned(),
        root: "/home/ci/.local/state/ostler-node/4f/1".to_owned(),
        shell: "/bin/bash".to_owned(),
        user: "ci".to_owned(),
        capacity: Resources { cpus_milli: 32_000, memory: Bytes(128 << 30), gpus_milli: 4000, other: BTreeMap::new() },
        os: "Linux 6.1, Debian 12".to_owned(),
        ..Facts::default()
    };
    let json = serde_json::json!({
        "id": id, "cluster": cluster, "name": name, "host": name, "state": state, "since": ago(900),
        "reach": Reach::Seen, "boot": "5f3c0c5e-8a51", "facts": facts,
    });
    serde_json::from_value(json).expect("a node as the store keeps it")
}

pub fn experiment(id: u64, name: &str) -> Experiment {
    Experiment {
        id: ExperimentId(id),
        workspace: WorkspaceId(1),
        name: name.to_owned(),
        created: ago(7200),
        tally: Tally::default(),
        running_max: None,
        spent: Default::default(),
        deleting: false,
        deleting_since: None,
    }
}

pub fn job(id: u64, experiment: u64, cluster: u64, name: &str) -> Job {
    let lr = ["0.1", "0.03", "0.01", "0.003", "0.001"][(id % 5) as usize];
    let variable = |name: &str, value: &str| EnvironmentVariable { name: name.to_owned(), value: value.to_owned() };
    let spec = JobSpec {
        environment_variables: vec![variable("SEED", &(id % 7).to_string()), variable("EPOCHS", "20")],
        constraints: Constraints { max_wall_clock_time: Millis::from_mins(60) },
        ..JobSpec::command(format!("python3 train.py --lr {lr} --batch 64 --data /data/digits"))
    };
    let json = serde_json::json!({
        "id": id, "workspace": 1, "experiment": experiment, "name": name, "uuid": Uuid::nil(), "cluster": cluster,
        "segment": format!("ostler/workspaces/prod/experiments/mnist-lr/jobs/{name}/{}", Uuid::nil()),
        "spec": spec, "shape": { "prepares": false, "mainNodes": [0] }, "state": "queued", "since": ago(1800),
        "priority": "normal", "attempt": 0, "created": ago(1800),
    });
    serde_json::from_value(json).expect("a job as the store keeps it")
}

/// A job on a node since so many seconds.
pub fn running(mut job: Job, node: u64, name: &str, secs: u64) -> Job {
    job.state = ExecutionState::Running;
    job.since = ago(secs);
    job.last.started = Some(ago(secs));
    job.attempt = Attempt(1);
    job.last.nodes = vec![NodeId(node)];
    job.last.node_names = vec![name.to_owned()];
    let run = RankRun {
        node: NodeId(node),
        boot: BootId("5f3c".to_owned()),
        state: RankState::Running,
        daemon: None,
        stuck: None,
    };
    job.last.ranks.insert(Rank::main(0), run);
    job
}

/// A job that ended with this code after so many seconds.
pub fn ended(job: Job, code: i32, took: u64) -> Job {
    let mut job = running(job, 1, "gpu-1", took + 60);
    job.state = if code == 0 { ExecutionState::Succeeded } else { ExecutionState::Failed };
    job.last.ended = Some(ago(60));
    job.since = ago(60);
    job.last.exit_code = Some(code);
    if code != 0 {
        let message = format!("rank 0 ended with exit code {code}");
        job.last.errors = vec![JobError { code: "JobFailed".to_owned(), message, details: Vec::new() }];
    }
    for run in job.last.ranks.values_mut() {
        run.state = RankState::Gone(Proof::Exit { code, why: None });
    }
    job
}

/// What happens on a cluster at work: four nodes, one of them unusable, and an experiment under way.
pub fn at_work() -> Vec<Change> {
    let mut gpu = cluster(1, "gpu-a100", 4);
    gpu.allocation = AllocationState::Resizing;
    gpu.allocation_since = ago(12);
    let head = "needs 1 node, 0 idle, 1 preparing".to_owned();
    gpu.head = Some(QueueHead {
        job: JobId(13),
        name: "run-013".to_owned(),
        waits_for: head,
        starts: None,
        priority: Priority::Normal,
        kept: true,
    });
    gpu.waiting = 8;
    let mut busy = node(1, 1, "gpu-1", NodeState::Running);
    busy.holders = [(JobId(11), Attempt(1))].into();
    let mut busy2 = node(2, 1, "gpu-2", NodeState::Running);
    busy2.holders = [(JobId(12), Attempt(1))].into();
    let mut fresh = node(3, 1, "gpu-3", NodeState::Preparing);
    fresh.since = ago(9);
    let why = Unusable {
        code: "auth-refused".to_owned(),
        step: "sign in".to_owned(),
        message: "ci@gpu-4: Permission denied (publickey). Offered: ~/.ssh/id_ed25519".to_owned(),
    };
    let bad = node(4, 1, "gpu-4", NodeState::Unusable(why));
    let mut lr = experiment(1, "mnist-lr");
    lr.tally = Tally { queued: 8, running: 2, terminating: 0, succeeded: 9, failed: 1 };
    let mut changes = vec![
        Change::Workspace(Arc::new(workspace(1, "prod"))),
        Change::Cluster(Arc::new(gpu)),
        Change::Cluster(Arc::new(cluster(2, "cpu-spot", 0))),
        Change::Experiment(Arc::new(lr)),
        Change::Experiment(Arc::new(experiment(2, "resnet-depth"))),
    ];
    changes.extend([busy, busy2, fresh, bad].map(|n| Change::Node(Arc::new(n))));
    for id in 1..=10 {
        let code = if id == 9 { 137 } else { 0 };
        changes.push(Change::Job(Arc::new(ended(job(id, 1, 1, &format!("run-{id:03}")), code, 50 + id * 7))));
    }
    changes.push(Change::Job(Arc::new(running(job(11, 1, 1, "run-011"), 1, "gpu-1", 724))));
    changes.push(Change::Job(Arc::new(running(job(12, 1, 1, "run-012"), 2, "gpu-2", 61))));
    for id in 13..=20 {
        changes.push(Change::Job(Arc::new(job(id, 1, 1, &format!("run-{id:03}")))));
    }
    changes
}
