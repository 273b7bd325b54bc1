//! What makes a node fit for an attempt before anything else of it runs there, and what undoes that: a list of steps, each a
//! call of a shell function, in one supervised process a node.
//!
//! Decisions (2026-11):
//! - *One process for all steps of a node*, with the functions of `assets/agent/setup.sh` before the calls: what needs a
//!   kill, a time limit and a take-over has them as any process has.
//! - *Its output stays in the spool* (`<root>/setup/<key>`), because the job's logs may lie on what is mounted only here.
//!   `execution.log` gets a line for each step; when it lies on a mount of the job, the lines wait in the spool for the
//!   first process that follows.
//! - *The clean-up does not undo step by step*: it looks at what is mounted below the job's mount root, so it also undoes
//!   the half-done work of a set-up that was killed. Steps that make something else say how to undo that.
//! - *Secrets are variables* of the process, never words of a command line.

use crate::frameworks::among::{AMONG_SH, SPOOL_SH, has_among_key};
use crate::frameworks::container::CONTAINER_SH;
use crate::frameworks::expand::quoted;
use crate::frameworks::mounts;
use crate::frameworks::plan::{Paths, Plan};
use crate::model::fault::Fault;
use crate::model::ids::{Rank, RankKey, RankRole};
use crate::model::launch::{Launch, NodePlace};
use crate::model::spec::{JobSpec, Secret};

/// The functions that mount and unmount.
pub const MOUNTS_SH: &str = include_str!("../../assets/agent/mounts.sh");
const SETUP_SH: &str = include_str!("../../assets/agent/setup.sh");

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What it does, for the log.
    pub(super) what: String,
    /// A command and its words, each of which stands for itself.
    pub(super) call: Vec<String>,
    /// What undoes it beside unmounting, also when it was done by halves or not at all.
    pub(super) undo: Option<Vec<String>>,
    /// The code of the job's error when it fails.
    pub(super) code: &'static str,
    /// The beginning of that error's message; the tool's own words follow.
    pub(super) headline: String,
    /// A detail of that error.
    pub(super) detail: (&'static str, String),
    /// Variables whose values are never shown.
    pub(super) secrets: Vec<Secret>,
}

/// Says whether a job's nodes have to be set up.
pub(super) fn needed(spec: &JobSpec) -> bool {
    !spec.mount_volumes.is_empty() || spec.container_settings.is_some() || has_among_key(spec)
}

impl Plan<'_> {
    /// Returns the steps of this node, in order.
    fn steps(&self, paths: &Paths) -> Result<Vec<Step>, Fault> {
        let mut steps = mounts::steps(self.names.volumes, &paths.job_mounts);
        // What is mounted has to be there when the container starts.
        steps.extend(self.container(paths)?);
        steps.extend(self.among());
        Ok(steps)
    }

    /// Returns the set-up of this node.
    pub(super) fn set_up(&self, rank: Rank) -> Result<Launch, Fault> {
        let paths = self.paths();
        let steps = self.steps(&paths)?;
        let mut text = format!("forget\n{}", self.sweep(&paths));
        for step in &steps {
            text.push_str(&call_of(step));
        }
        let mut launch = self.process(rank, &paths, &text)?;
        launch.secrets = steps.into_iter().flat_map(|step| step.secrets).collect();
        launch.wipe = vec![self.wiped(&paths)];
        launch.dirs.extend([paths.mounts.clone(), paths.job_mounts.clone()]);
        if launch.execution_log.is_some() && self.job.attempt.0 > 1 {
            launch.keep_former = self.former(&paths, &self.directories(&paths)?.logs);
        }
        Ok(launch)
    }

    /// Returns the clean-up of this node.
    pub(super) fn clean_up(&self, rank: Rank) -> Result<Launch, Fault> {
        let paths = self.paths();
        let mut text = String::new();
        for undo in self.steps(&paths)?.into_iter().rev().filter_map(|step| step.undo) {
            text.push_str(&format!("undo {}\n", words_of(&undo)));
        }
        text.push_str(&format!("undo undo_below {}\nover\n", quoted(&self.held(&paths))));
        self.process(rank, &paths, &text)
    }

    /// Where all that is mounted is of this attempt or a leftover: the mount roots of all jobs where it has the node for
    /// itself, its own where others may be on the node.
    fn held(&self, paths: &Paths) -> String {
        match self.job.spec.demand.part() {
            None => format!("{}/mounts/jobs", self.node().root),
            Some(_) => paths.job_mounts.clone(),
        }
    }

    fn sweep(&self, paths: &Paths) -> String {
        let jobs = self.held(paths);
        let detail = quoted(&format!("targetPath={}", detail_value(&jobs)));
        let headline = quoted("Unable to undo what a former job left mounted");
        format!("step MountError {detail} {headline} 'look for leftovers' sweep {}\n", quoted(&jobs))
    }

    fn process(&self, rank: Rank, paths: &Paths, text: &str) -> Result<Launch, Fault> {
        let key = RankKey { job: self.job.id, attempt: self.job.attempt, rank };
        let of_container = if self.job.spec.container_settings.is_some() { CONTAINER_SH } else { "" };
        let of_ssh = if has_among_key(&self.job.spec) { [SPOOL_SH, AMONG_SH].concat() } else { String::new() };
        let text = &format!("{of_container}{of_ssh}{text}");
        let logs = self.directories(paths)?.logs;
        let on_mount = self.on_job_mount(paths, &logs);
        let log = (!on_mount).then(|| format!("{logs}/execution{}.log", self.node_suffix()));
        let mut launch = process_of(self.node(), self.node_index, key, text, log.clone());
        if on_mount {
            // The last moment at which it can be reached, when this undoes its mount.
            let there = format!("{logs}/execution{}.log", self.node_suffix());
            let last = match rank.role {
                RankRole::Cleanup => format!("last_line {}\n", quoted(&there)),
                RankRole::Setup | RankRole::Prepare | RankRole::Main | RankRole::Daemon => String::new(),
            };
            launch.command = launch.command.replacen(STEPS_BEGIN, &format!("{STEPS_BEGIN}{last}"), 1);
        }
        Ok(launch)
    }
}

/// Stands between the functions and the steps.
const STEPS_BEGIN: &str = "# ---- steps\n";

/// Returns a process of a node that runs these steps; `log` is where it writes its lines, the spool when absent.
pub(super) fn process_of(node: &NodePlace, node_index: u32, key: RankKey, text: &str, log: Option<String>) -> Launch {
    let folder = format!("{}/setup/{key}", node.root);
    // Found by the supervisor of the first process that follows.
    let waiting = format!("{}/setup/{}.{}.log", node.root, key.job.0, key.attempt.0);
    let head = [
        ("SETUP_ROOT", node.root.as_str()),
        ("SETUP_DIR", &folder),
        ("SETUP_LOG", log.as_deref().unwrap_or(&waiting)),
        ("SETUP_KEY", &key.to_string()),
    ];
    let head: String = head.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect();
    Launch {
        node_index,
        shell: node.shell.clone(),
        command: format!("{head}{MOUNTS_SH}{SETUP_SH}{STEPS_BEGIN}{text}"),
        workdir: folder.clone(),
        env: Vec::new(),
        secrets: Vec::new(),
        wipe: Vec::new(),
        dirs: vec![folder.clone()],
        files: Vec::new(),
        stdout: format!("{folder}/stdout.txt"),
        stderr: format!("{folder}/stderr.txt"),
        keep_former: None,
        execution_log: log,
        batch: None,
    }
}

/// Returns the call of one step.
pub(super) fn call_of(step: &Step) -> String {
    let detail = format!("{}={}", step.detail.0, detail_value(&step.detail.1));
    let head = [step.code, &detail, &step.headline, &step.what].map(quoted).join(" ");
    format!("step {head} {}\n", words_of(&step.call))
}

/// The form in which `sched` reads the detail of an error: one word.
fn detail_value(value: &str) -> String {
    value.replace('%', "%25").replace(' ', "%20")
}

fn words_of(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}
