//! The command line that does the same as an act on the screen, to be read once and copied.

use crate::model::ids::{JobId, NodeId, SweepId};
use crate::model::request::{FilesOf, GpuRule, JobAct, JobRef, NodeAct, NodeRef, Place, Request, Scale, SweepAct, SweepRef};
use crate::model::site::{SiteAct, SiteJobAct, SiteNodeAct};
use crate::model::spec::cluster::GPU_IDLE_THEN;
use crate::model::spec::{Deallocation, Priority, ProviderSpec, ScaleSettings, SlurmSpec};
use crate::model::task::Task;
use crate::tui::subject::Subject;
use crate::tui::world::World;

/// Returns the command line; `None` when the request only looks, or holds more than a line can.
pub fn line(request: &Request, world: &World) -> Option<String> {
    let words = match request {
        Request::Scale(scale) => scale_words(scale),
        Request::AutoScale { cluster, minimum, maximum, idle, gpu_idle } => {
            let (minimum, maximum) = (minimum.to_string(), maximum.to_string());
            let mut words = named(words(&["cluster", "auto-scale"]), cluster, &["--min", &minimum, "--max", &maximum]);
            if let Some(idle) = idle {
                words.extend(["--idle".to_owned(), format!("{}ms", idle.0)]);
            }
            match gpu_idle {
                None => {}
                Some(GpuRule::Off) => words.extend(["--gpu-idle".to_owned(), "0s".to_owned()]),
                Some(GpuRule::On(rule)) => {
                    words.extend(["--gpu-idle".to_owned(), format!("{}ms", rule.after.0)]);
                    let then = GPU_IDLE_THEN.iter().find(|(_, then)| *then == rule.then);
                    words.extend(then.iter().flat_map(|(word, _)| ["--gpu-idle-then".to_owned(), (*word).to_owned()]));
                }
            }
            words
        }
        Request::KeepAwake { cluster, span } => {
            named(words(&["cluster", "keep-awake"]), cluster, &["--for", &format!("{}ms", span.0)])
        }
        Request::TakeScaleBack { cluster } => named(words(&["cluster", "scale"]), cluster, &["--undo"]),
        Request::ResumeScaling { cluster } => named(words(&["cluster", "resume"]), cluster, &[]),
        Request::SetBudget { cluster, workspace, budget } => {
            let mut words = match budget {
                None => words(&["budget", "clear"]),
                Some(budget) => {
                    let (limit, per, then) = (budget.limit.exact(), budget.period.word(), budget.then.word());
                    words(&["budget", "set", &limit, "--per", per, "--then", then])
                }
            };
            if let Some(place) = cluster {
                words.extend(place.name.iter().flat_map(|name| ["-c".to_owned(), name.clone()]));
            }
            in_workspace(words, cluster.as_ref().map_or(workspace, |place| &place.workspace))
        }
        Request::ChangeHosts { cluster, add, remove } => {
            let (verb, hosts) = if add.is_empty() { ("remove", remove) } else { ("add", add) };
            let list = hosts.join(",");
            let mut words = words(&["cluster", "host", verb, &list]);
            words.extend(cluster.name.iter().flat_map(|name| ["-c".to_owned(), name.clone()]));
            words
        }
        Request::Node { node, act } => node_words(node, act, world)?,
        Request::Job { job, act } => job_words(job, act, world)?,
        Request::CreateGroup { name } => words(&["resource-group", "create", name]),
        Request::DeleteGroup { group, force } => forced(words(&["resource-group", "delete", group, "-y"]), *force),
        Request::CreateWorkspace { name, .. } => in_group(&["workspace", "create"], name, &[]),
        Request::DeleteWorkspace { workspace, force } => {
            forced(in_group(&["workspace", "delete"], workspace, &["-y"]), *force)
        }
        Request::CreateFileServer { workspace, name, spec } => {
            let mut words = words(&["file-server", "create", name, "--path", spec.export.path()]);
            words.extend(["--export".to_owned(), spec.export.word().to_owned()]);
            if let Some(host) = spec.export.host() {
                words.extend(["--host".to_owned(), host.to_owned()]);
                if spec.managed.is_none() {
                    words.push("--existing".to_owned());
                }
            }
            in_workspace(words, workspace)
        }
        Request::DeleteFileServer { file_server, force } => {
            forced(named(words(&["file-server", "delete"]), file_server, &["-y"]), *force)
        }
        Request::CreateExperiment { workspace, name } => in_workspace(words(&["experiment", "create", name]), workspace),
        Request::CapExperiment { experiment, running_max } => {
            let most = running_max.map(|most| most.to_string());
            let words_of = |most: &Option<String>| match most {
                Some(most) => words(&["experiment", "limit", "--running", most]),
                None => words(&["experiment", "limit", "--none"]),
            };
            named(words_of(&most), experiment, &[])
        }
        Request::DeleteExperiment(place) => named(words(&["experiment", "delete"]), place, &["-y"]),
        Request::CreateCluster { workspace, name, spec } => {
            let mut words = words(&["cluster", "create", name]);
            match &spec.provider {
                ProviderSpec::Hosts { hosts } if spec.slurm.is_some() => {
                    words.extend(["--backend", "slurm", "--login"].map(str::to_owned));
                    words.extend(hosts.first().cloned());
                    words.extend(spec.slurm.iter().flat_map(|asked| slurm_words(asked)));
                    return Some(spoken(&in_workspace(words, workspace)));
                }
                ProviderSpec::Slurm { allocation } => {
                    words.extend(["--login".to_owned(), allocation.login.clone()]);
                    words.extend(slurm_words(&allocation.slurm));
                    words.extend(
                        allocation.time.iter().flat_map(|time| ["--allocation-time".to_owned(), format!("{}ms", time.0)]),
                    );
                }
                ProviderSpec::Hosts { hosts } => words.extend(["--hosts".to_owned(), hosts.join(",")]),
                ProviderSpec::Local => words.extend(["--provider".to_owned(), "local".to_owned()]),
                ProviderSpec::Class => {
                    words.extend(spec.vm_size.iter().flat_map(|size| ["--vm-size".to_owned(), size.clone()]));
                }
                // The screen makes none of these.
                ProviderSpec::Command { .. } | ProviderSpec::Http { .. } => {
                    words.extend(["--provider".to_owned(), spec.provider.word().to_owned()]);
                }
            }
            match &spec.scale_settings {
                ScaleSettings::Manual { target_node_count, .. } => {
                    words.extend(["--target".to_owned(), target_node_count.to_string()]);
                }
                ScaleSettings::AutoScale(auto) => {
                    let (least, most) = (auto.minimum_node_count.to_string(), auto.maximum_node_count.to_string());
                    words.extend(["--min".to_owned(), least, "--max".to_owned(), most]);
                }
            }
            in_workspace(words, workspace)
        }
        Request::ActAtSite { cluster, act } => act_at_site_words(cluster, act),
        Request::Sweep { sweep: SweepRef::Id(id), act } => sweep_words(*id, act, world)?,
        Request::Sweep { .. } => return None,
        Request::DeleteCluster { cluster, .. } => named(words(&["cluster", "delete"]), cluster, &["-y"]),
        Request::TagWorkspace { .. }
        | Request::Submit(_)
        | Request::SubmitAll(_)
        | Request::CreateSweep(_)
        | Request::Replace { .. }
        | Request::Stop => return None,
        Request::Status
        | Request::PreviewScale(_)
        | Request::PlanJob { .. }
        | Request::PlanSweep(_)
        | Request::ShowSweep(_)
        | Request::ShowJob(_)
        | Request::ShowFileServer(_)
        | Request::FileServerSpace(_)
        | Request::ShowSite(_)
        | Request::AskSite { .. }
        | Request::Usage
        | Request::WhyJob(_)
        | Request::AwaitJob { .. }
        | Request::ListJobs(_)
        | Request::TabulateJobs { .. }
        | Request::ListAll { .. }
        | Request::ReadFile(_)
        | Request::SearchFile(_)
        | Request::ListLogs(_)
        | Request::ListFiles(_)
        | Request::NodeHistory { .. }
        | Request::NodeLoads(_)
        | Request::Metrics { .. }
        | Request::NodeWay { .. }
        | Request::Exec { .. } => return None,
    };
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    Some(format!("ostler {}", quoted.join(" ")))
}

fn slurm_words(asked: &SlurmSpec) -> Vec<String> {
    let said = [("--partition", &asked.partition), ("--account", &asked.account), ("--qos", &asked.qos)];
    let named = said.into_iter().filter_map(|(word, said)| Some([word.to_owned(), said.clone()?])).flatten();
    named.chain(asked.options.iter().map(|option| format!("--sbatch-option={option}"))).collect()
}

fn act_at_site_words(cluster: &Place, act: &SiteAct) -> Vec<String> {
    let (verb, more, things) = match act {
        SiteAct::Jobs { ids, act } => match act {
            SiteJobAct::Cancel => (["job", "cancel"], vec!["-y".to_owned()], ids),
            SiteJobAct::Hold => (["job", "hold"], Vec::new(), ids),
            SiteJobAct::Release => (["job", "release"], Vec::new(), ids),
            SiteJobAct::Requeue => (["job", "requeue"], vec!["-y".to_owned()], ids),
            SiteJobAct::Nice(amount) => (["job", "nice"], vec![amount.to_string()], ids),
            SiteJobAct::TimeLimit(limit) => (["job", "time"], vec![format!("{}m", limit.0.div_ceil(60_000))], ids),
        },
        SiteAct::Nodes { names, act } => match act {
            SiteNodeAct::Drain { why } => (["node", "drain"], vec!["--reason".to_owned(), why.clone()], names),
            SiteNodeAct::Resume => (["node", "undrain"], Vec::new(), names),
            SiteNodeAct::PowerUp => (["node", "power-up"], Vec::new(), names),
            SiteNodeAct::PowerDown => (["node", "power-down"], Vec::new(), names),
        },
    };
    let things: Vec<String> = more.into_iter().chain(things.iter().cloned()).collect();
    site_words(&[&["cluster"], verb.as_slice()].concat(), &things, cluster)
}

/// Returns the words of a verb about things that Slurm has, by the cluster in which they are.
pub fn site_words(verb: &[&str], things: &[String], cluster: &Place) -> Vec<String> {
    let mut all = words(verb);
    all.extend(things.iter().cloned());
    all.extend(cluster.name.iter().flat_map(|name| ["-c".to_owned(), name.clone()]));
    in_workspace(all, &cluster.workspace)
}

fn sweep_words(id: SweepId, act: &SweepAct, world: &World) -> Option<Vec<String>> {
    // What is done to a whole array has no words: its members are jobs like others.
    let sweep = world.snapshot.sweeps.get(&id).filter(|sweep| !sweep.is_array())?;
    let experiment = world.experiment(sweep.experiment)?;
    let mut all = match act {
        SweepAct::Stop => words(&["sweep", "stop", &sweep.name, "-y"]),
        SweepAct::Pause => words(&["sweep", "pause", &sweep.name]),
        SweepAct::Resume => words(&["sweep", "resume", &sweep.name]),
        SweepAct::Priority { priority } => words(&["sweep", "priority", priority_word(*priority), &sweep.name]),
        SweepAct::Trim { keep } => words(&["sweep", "trim", &sweep.name, "--to", &keep.to_string()]),
        SweepAct::Extend { .. } | SweepAct::Delete => return None,
    };
    all.extend(words(&["-e", &experiment.name]));
    Some(in_workspace(all, &world.named(world.workspace(experiment.workspace)?)))
}

/// Returns what an order is about, as far as the screen knows it.
pub fn about(request: &Request, world: &World) -> Option<Subject> {
    match request {
        Request::Job { job: JobRef::Id(id), .. } => world.job(*id).map(|job| Subject::Job(job.id)),
        Request::Node { node: NodeRef::Id(id), .. } => Some(Subject::Node(*id)),
        _ => None,
    }
}

/// Returns the command line that submits a job again.
pub fn rerun_line(job: JobId, world: &World) -> Option<String> {
    let words = job_place(&["job", "rerun"], job, world, &[])?;
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    Some(format!("ostler {}", quoted.join(" ")))
}

/// Returns words as the command line that they are.
pub fn spoken(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    format!("ostler {}", quoted.join(" "))
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn in_workspace(mut words: Vec<String>, workspace: &Option<String>) -> Vec<String> {
    if let Some(workspace) = workspace {
        match workspace.split_once('/') {
            Some((group, workspace)) => {
                words.extend(["-g".to_owned(), group.to_owned(), "-w".to_owned(), workspace.to_owned()]);
            }
            None => words.extend(["-w".to_owned(), workspace.clone()]),
        }
    }
    words
}

/// The words of a verb about a workspace itself, whose group stands before its name.
fn in_group(verb: &[&str], workspace: &str, more: &[&str]) -> Vec<String> {
    let (group, name) = workspace.split_once('/').map_or((None, workspace), |(group, name)| (Some(group), name));
    let mut all = words(verb);
    all.push(name.to_owned());
    all.extend(words(more));
    if let Some(group) = group {
        all.extend(["-g".to_owned(), group.to_owned()]);
    }
    all
}

fn forced(mut words: Vec<String>, force: bool) -> Vec<String> {
    if force {
        words.push("--force".to_owned());
    }
    words
}

fn named(mut words: Vec<String>, place: &Place, more: &[&str]) -> Vec<String> {
    words.extend(place.name.clone());
    words.extend(more.iter().map(|w| (*w).to_owned()));
    in_workspace(words, &place.workspace)
}

fn scale_words(scale: &Scale) -> Vec<String> {
    let target = scale.target.to_string();
    let mut more = vec![target.as_str()];
    match scale.deallocation {
        Some(Deallocation::Requeue) => more.extend(["--deallocate", "requeue"]),
        Some(Deallocation::Terminate) => more.extend(["--deallocate", "terminate"]),
        Some(Deallocation::WaitForJobCompletion) => more.extend(["--deallocate", "waitforjobcompletion"]),
        None => {}
    }
    named(words(&["cluster", "scale"]), &scale.cluster, &more)
}

fn node_words(node: &NodeRef, act: &NodeAct, world: &World) -> Option<Vec<String>> {
    let verb = match act {
        NodeAct::Prepare => "prepare",
        NodeAct::Replace => "replace",
        NodeAct::Drain => "drain",
        NodeAct::Undrain => "undrain",
        NodeAct::DeclareDead { .. } => "declare-dead",
    };
    let id = match node {
        NodeRef::Id(id) => *id,
        NodeRef::Named { .. } => return None,
    };
    node_place(verb, id, world)
}

/// Returns the words of a verb about a node.
pub fn node_place(verb: &str, id: NodeId, world: &World) -> Option<Vec<String>> {
    let node = world.node(id)?;
    let cluster = world.cluster(node.cluster)?;
    let workspace = world.workspace(cluster.workspace)?;
    let all = words(&["cluster", "node", verb, &node.name, "-c", &cluster.name]);
    Some(in_workspace(all, &world.named(workspace)))
}

/// Returns the command line that does the same as a task.
pub fn task_line(task: &Task, world: &World) -> Option<String> {
    let Task::Copy(copy) = task else { return None };
    let FilesOf::Job(JobRef::Id(id)) = &copy.remote.of else { return None };
    let job = world.job(*id)?;
    let mut all = words(&["ostler", "job", "file", "get", "-j", &id.to_string()]);
    all.extend(["-d".to_owned(), copy.remote.directory.clone().unwrap_or_default()]);
    if !copy.remote.path.is_empty() {
        all.extend(["-p".to_owned(), copy.remote.path.clone()]);
    }
    if let Some(node) = copy.remote.node.filter(|_| job.last.node_names.len() > 1) {
        all.extend(["--node".to_owned(), node.to_string()]);
    }
    all.extend(["--to".to_owned(), copy.local.clone()]);
    shlex::try_join(all.iter().map(String::as_str)).ok()
}

fn job_words(job: &JobRef, act: &JobAct, world: &World) -> Option<Vec<String>> {
    let id = match job {
        JobRef::Id(id) => *id,
        JobRef::Named { .. } => return None,
    };
    match act {
        JobAct::Terminate { .. } => job_place(&["job", "terminate"], id, world, &["-y"]),
        // Only a held stop can be taken back, and only the screen holds stops.
        JobAct::TakeBack => None,
        JobAct::Retry => job_place(&["job", "retry"], id, world, &[]),
        JobAct::Delete => job_place(&["job", "delete"], id, world, &["-y"]),
        JobAct::Hold => job_place(&["job", "hold"], id, world, &[]),
        JobAct::Release => job_place(&["job", "release"], id, world, &[]),
        JobAct::Priority { priority } => job_place(&["job", "priority", priority_word(*priority)], id, world, &[]),
    }
}

fn job_place(head: &[&str], id: JobId, world: &World, more: &[&str]) -> Option<Vec<String>> {
    let job = world.job(id)?;
    let experiment = world.experiment(job.experiment)?;
    let workspace = world.workspace(job.workspace)?;
    let mut all = words(head);
    all.push(job.name.to_string());
    all.extend(more.iter().map(|w| (*w).to_owned()));
    all.extend(words(&["-e", &experiment.name, "-w", &workspace.name]));
    Some(all)
}

/// Returns the published word of a priority.
pub fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}
