//! A pool that follows its work, with real agents and processes.

use ostler::model::state::{Cluster, Node};

use super::*;

impl Core {
    async fn pool(&self) -> (Arc<Cluster>, Vec<Arc<Node>>) {
        match self.ask(Request::ListAll { workspace: None }).await {
            Reply::Lists { clusters, nodes, .. } => (clusters[0].clone(), nodes),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_for_jobs_and_go_when_nothing_uses_them() {
    let core = Core::start();
    core.settle(0).await;
    let (cluster, minimum, maximum) = (Place::default(), NodeCount(0), NodeCount(2));
    let refused =
        Request::AutoScale { cluster: cluster.clone(), minimum: NodeCount(3), maximum, idle: None, gpu_idle: None };
    let fault = core.client.request(refused).await.expect_err("no range");
    assert!(fault.message.contains("3 to 2"), "{fault:?}");
    let idle = Some(Millis::from_secs(1));
    core.ask(Request::AutoScale { cluster, minimum, maximum, idle, gpu_idle: None }).await;
    assert_eq!(core.pool().await.1.len(), 0);
    let jobs =
        [core.submit(command("echo a")).await, core.submit(command("echo b")).await, core.submit(command("true")).await];
    for job in &jobs {
        assert_eq!(core.ended(job).await.job.state, ExecutionState::Succeeded);
    }
    let gone = async {
        while !core.pool().await.1.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("unused nodes go");
    let (cluster, _) = core.pool().await;
    assert_eq!((cluster.auto.next.clone(), cluster.spec.scale_settings.target()), (None, NodeCount(0)));
    assert_eq!(core.log(&jobs[0], "stdout.txt").await, "a\n", "their logs stay");
    // A restart goes on as it was.
    let dir = core.stop().await;
    let core = Core::start_in(dir);
    let job = core.submit(command("echo again")).await;
    assert_eq!(core.ended(&job).await.job.state, ExecutionState::Succeeded);
    core.stop().await;
}
