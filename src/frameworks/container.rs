//! The container of a job: one for each node and attempt, started by the set-up, in which preparation, main processes and
//! launchers' daemons run by `exec`, and removed by the clean-up.
//!
//! Decisions (2026-11):
//! - *The whole spool is bound at its own path*, and so are the directories that the job names: paths and variables mean
//!   the same inside and outside, and the launcher shim and its fifos work as on the host.
//! - *The host's network*: the job's processes find one another by the addresses of their nodes.
//! - *Variables go in by name* (`--env NAME`), their values through the environment of the client.
//! - *What is run by `exec` is not our child* under docker and podman. Its cookie is in its environment, so a kill finds it
//!   where the login may signal it; everywhere the clean-up removes the container, and with that all that is in it,
//!   before the attempt is over. A container that was left by a kill -9 is found by its labels.

use crate::frameworks::expand::quoted;
use crate::frameworks::plan::{Paths, Plan};
use crate::frameworks::setup::Step;
use crate::model::fault::Fault;
use crate::model::launch::{BatchContainer, Launch};
use crate::model::spec::{ContainerSettings, Secret};

/// The functions of the steps.
pub(super) const CONTAINER_SH: &str = include_str!("../../assets/agent/container.sh");
const INSIDE_SH: &str = include_str!("../../assets/agent/inside.sh");
/// What the set-up has the registry's password in.
const PASSWORD: &str = "OSTLER_REGISTRY_PASSWORD";
/// What each process has from its supervisor.
const OF_SUPERVISOR: [&str; 2] = ["OSTLER_RANK", "OSTLER_RANK_DIR"];
/// The shell that every image has. `NodePlace::shell` is a path on the host.
pub(super) const SHELL: &str = "/bin/sh";

fn password(settings: &ContainerSettings) -> Option<Secret> {
    let credentials = settings.image_source_registry.credentials.as_ref()?;
    Some(Secret { name: PASSWORD.to_owned(), source: credentials.password.clone() })
}

impl Plan<'_> {
    /// Returns the step that starts the container of this node, when the job has one.
    pub(super) fn container(&self, paths: &Paths) -> Result<Option<Step>, Fault> {
        let Some(settings) = &self.job.spec.container_settings else { return Ok(None) };
        let registry = &settings.image_source_registry;
        let (written, read) = self.outside(paths)?;
        let key = self.container_key();
        // One that shares the node must leave the containers of the others alone.
        let leftovers = match self.job.spec.demand.part() {
            None => String::new(),
            Some(_) => key.clone(),
        };
        let server = registry.server_url.clone().unwrap_or_default();
        let user = registry.credentials.as_ref().map(|credentials| credentials.username.clone()).unwrap_or_default();
        let shm = settings.shm_size.map(|size| size.0.to_string()).unwrap_or_default();
        let runtimes = self.names.runtimes.join(" ");
        let mut call = vec!["container_start".to_owned(), runtimes.clone(), self.container_node().to_owned(), key.clone()];
        call.extend([leftovers, registry.image.clone(), shm, self.node().gpus.to_string(), server, user]);
        call.push(written.len().to_string());
        call.extend(written.into_iter().chain(read));
        let secrets = password(settings).into_iter();
        let undo = vec!["container_stop".to_owned(), runtimes, self.container_node().to_owned(), key];
        Ok(Some(Step {
            what: format!("start a container of {}", registry.image),
            call,
            undo: Some(undo),
            code: "FailedStartingContainer",
            headline: "Unable to start container".to_owned(),
            detail: ("imageName", registry.image.clone()),
            secrets: secrets.collect(),
        }))
    }

    /// Returns the directories of the job that are not below the spool: those that are written, and those that are read.
    fn outside(&self, paths: &Paths) -> Result<(Vec<String>, Vec<String>), Fault> {
        let directories = self.directories(paths)?;
        let root = format!("{}/", self.node().root);
        let outside = |path: &String| !path.starts_with(&root);
        let shared = self.shared(paths).filter(|shared| !shared.on_mount).map(|shared| shared.path);
        let written = directories.outputs.into_iter().map(|(_, path)| path).chain([directories.logs]).chain(shared);
        let read = directories.inputs.into_iter().map(|(_, path)| path).filter(outside).collect();
        Ok((written.filter(outside).collect(), read))
    }

    /// Returns the container of a job that is handed over, which its script makes, and the password for its registry.
    pub(super) fn handed_container(&self) -> Result<Option<(BatchContainer, Option<Secret>)>, Fault> {
        let Some(settings) = &self.job.spec.container_settings else { return Ok(None) };
        let registry = &settings.image_source_registry;
        let (mut paths, read) = self.outside(&self.paths())?;
        paths.extend(read);
        paths.sort_unstable();
        paths.dedup();
        let container = BatchContainer {
            image: registry.image.clone(),
            server: registry.server_url.clone().unwrap_or_default(),
            user: registry.credentials.as_ref().map(|credentials| credentials.username.clone()).unwrap_or_default(),
            shm: settings.shm_size,
            paths,
        };
        Ok(Some((container, password(settings))))
    }

    /// Returns a launch that does the same in the container, when the job has one.
    pub(super) fn inside(&self, mut launch: Launch) -> Launch {
        if self.job.spec.container_settings.is_none() {
            return launch;
        }
        // Its script sees to that.
        if self.job.shape.handed {
            launch.shell = SHELL.to_owned();
            return launch;
        }
        let key = self.container_key();
        let file = format!("{}/setup/{key}.container", self.node().root);
        let name = format!("ostler-{}-{key}", self.container_node());
        let variables = launch.env.iter().map(|(name, _)| name.as_str());
        let secrets = launch.secrets.iter().map(|secret| secret.name.as_str());
        let names = variables.chain(secrets).chain(OF_SUPERVISOR).collect::<Vec<_>>().join(" ");
        let head = [
            ("IN_FILE", file.as_str()),
            ("IN_NAME", &name),
            ("IN_DIR", &launch.workdir),
            ("IN_NAMES", &names),
            ("IN_COMMAND", &launch.command),
        ];
        let head: String = head.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect();
        launch.command = format!("{head}{INSIDE_SH}");
        launch
    }

    /// The node's part of names and labels: the name of its spool, which no other node has.
    fn container_node(&self) -> &str {
        let root = &self.node().root;
        root.rsplit('/').next().unwrap_or(root)
    }

    fn container_key(&self) -> String {
        format!("{}.{}", self.job.id.0, self.job.attempt.0)
    }
}
