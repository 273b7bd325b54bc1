//! The link to a node that a pilot holds in an allocation of Slurm (`slurm/pilots.rs`). It is one ssh connection to the login node: what
//! has to run on the node goes through a step of the allocation to the pilot, which starts it; what is about files alone runs on the
//! login node, whose homes are the same.

use std::sync::Arc;

use crate::transport::frame::quote_into;
use crate::transport::link::{Channel, LinkError, Traffic};
use crate::transport::ssh::SshLink;

/// What the step runs.
const BRIDGE: &str = include_str!("../../assets/slurm/bridge.sh");

/// A link to such a node. Cheap to clone; all clones are one connection.
#[derive(Clone, Debug)]
pub struct AllocationLink {
    login: SshLink,
    job: Arc<str>,
    folder: Arc<str>,
}

impl AllocationLink {
    /// Returns a link by an open connection to the login node. `job` is the number of the allocation, `folder` that of its pilot below
    /// `ostler-node/`.
    pub fn new(login: SshLink, job: &str, folder: &str) -> Self {
        Self { login, job: job.into(), folder: folder.into() }
    }

    /// Starts a program on the node.
    ///
    /// # Errors
    /// As [`SshLink::open`].
    pub async fn open(&self, program: &str) -> Result<Channel, LinkError> {
        self.login.open(&self.step(program)).await
    }

    /// As [`AllocationLink::open`]; what is about files alone runs on the login node.
    ///
    /// # Errors
    /// As [`SshLink::open`].
    pub async fn open_data(&self, traffic: Traffic, program: &str) -> Result<Channel, LinkError> {
        match traffic {
            Traffic::Follow | Traffic::Look | Traffic::Copy => self.login.open_data(traffic, program).await,
            Traffic::Node | Traffic::Run => self.login.open_data(traffic, &self.step(program)).await,
        }
    }

    /// As [`SshLink::lives`].
    pub async fn lives(&self) -> bool {
        self.login.lives().await
    }

    /// As [`SshLink::close`].
    pub async fn close(&self) {
        self.login.close().await;
    }

    /// The step takes nothing from the allocation: `--overlap` says so since 20.11; before that it asks for no memory and no GPU (srun(1)).
    fn step(&self, program: &str) -> String {
        let mut text = String::from(
            "if srun --help 2>/dev/null | grep -q -e --overlap; then o=--overlap; else o='--mem=0 --gres=none'; fi\nexec srun --jobid=",
        );
        quote_into(&mut text, &self.job);
        text.push_str(" $o --nodes=1 --ntasks=1 --quiet /bin/sh -c ");
        for (before, word) in [("", BRIDGE), (" bridge ", &*self.folder), (" ", program)] {
            text.push_str(before);
            quote_into(&mut text, word);
        }
        text
    }
}
