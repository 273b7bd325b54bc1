//! TensorFlow (reference §6.5.1). Worker 0 is the master: it takes the master's arguments and is counted as a worker.
//!
//! Worker i is on node i, beginning again at node 0; server k is on node k. On each host the processes take the ports
//! from 2222 on, servers first. Servers never end by themselves, so they only serve: the job ends with its workers.
//! TF_CONFIG is set for jobs of more than one process; a single one that finds it would wait for others.

use std::collections::BTreeMap;

use crate::frameworks::cx::node_count;
use crate::frameworks::{Cx, Framework, MainProcess, Mains, interpreter, line};
use crate::model::fault::Fault;
use crate::model::spec::JobSpec;
use crate::model::spec::toolkit::TensorFlow as Settings;

pub(super) struct TensorFlow<'a>(pub(super) &'a Settings);

impl TensorFlow<'_> {
    /// The numbers of workers and servers.
    fn counts(&self, spec: &JobSpec) -> (u32, u32) {
        let nodes = node_count(spec);
        if nodes == 1 {
            return (1, 0);
        }
        (self.0.worker_count.unwrap_or(nodes), self.0.parameter_server_count.unwrap_or(1))
    }

    /// The addresses of servers and workers, each `host:port`.
    fn hosts(&self, cx: &Cx<'_>) -> Result<(Vec<String>, Vec<String>), Fault> {
        let Mains { nodes, serving } = self.mains(cx.spec);
        let workers = nodes.len() - serving as usize;
        let mut next: BTreeMap<&str, u32> = BTreeMap::new();
        let mut take = |index: &u32| {
            let address = cx.node(*index)?.address.as_str();
            let port = next.entry(address).or_insert(cx.tensorflow_port());
            *port += 1;
            Ok(format!("{address}:{}", *port - 1))
        };
        let servers: Vec<String> = nodes[workers..].iter().map(&mut take).collect::<Result<_, Fault>>()?;
        let workers = nodes[..workers].iter().map(&mut take).collect::<Result<_, Fault>>()?;
        Ok((servers, workers))
    }

    /// The service refuses more workers than GPUs; without GPUs there is nothing to count.
    fn check_gpus(&self, cx: &Cx<'_>) -> Result<(), Fault> {
        let gpus: u32 = cx.nodes.iter().map(|node| node.gpus).sum();
        let (workers, _) = self.counts(cx.spec);
        if cx.nodes.iter().all(|node| node.gpus > 0) && workers > gpus {
            let what = format!("tensorFlowSettings.workerCount: {workers} workers, but the nodes have {gpus} GPUs");
            return Err(Fault::user(what).hint("at most one worker for each GPU"));
        }
        Ok(())
    }
}

impl Framework for TensorFlow<'_> {
    fn mains(&self, spec: &JobSpec) -> Mains {
        let (workers, servers) = self.counts(spec);
        let nodes = node_count(spec);
        Mains { nodes: (0..workers).map(|worker| worker % nodes).chain(0..servers).collect(), serving: servers }
    }

    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault> {
        self.check_gpus(cx)?;
        let (workers, servers) = self.counts(cx.spec);
        let (server_hosts, worker_hosts) = self.hosts(cx)?;
        let (role, task, args) = match index.checked_sub(workers) {
            Some(server) => ("ps", server, &self.0.parameter_server_command_line_args),
            None if index == 0 => ("worker", 0, &self.0.master_command_line_args),
            None => ("worker", index, &self.0.worker_command_line_args),
        };
        let mut env = vec![
            ("AZ_BATCHAI_TASK_INDEX", task.to_string()),
            ("AZ_BATCHAI_PS_HOSTS", server_hosts.join(",")),
            ("AZ_BATCHAI_WORKER_HOSTS", worker_hosts.join(",")),
            ("KERAS_BACKEND", "tensorflow".to_owned()),
        ];
        if workers + servers > 1 {
            env.push(("TF_CONFIG", config(&server_hosts, &worker_hosts, role, task)));
        }
        let python = interpreter(self.0.python_interpreter_path.as_deref());
        let command = line(&[python, &self.0.python_script_file_path, args.as_deref().unwrap_or_default()]);
        Ok(MainProcess { command, env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() })
    }
}

/// In the order of the recorded one. Without servers there is no `ps`: TensorFlow refuses an empty list.
fn config(servers: &[String], workers: &[String], role: &str, task: u32) -> String {
    let list = |hosts: &[String]| serde_json::json!(hosts).to_string();
    let ps = if servers.is_empty() { String::new() } else { format!("\"ps\":{},", list(servers)) };
    let workers = list(workers);
    format!(r#"{{"cluster":{{{ps}"worker":{workers}}},"task":{{"type":"{role}","index":{task}}},"environment":"cloud"}}"#)
}
