//! Ssh among the nodes of a job without a password: what the set-up opens, the clean-up closes and the processes see.
//!
//! Decisions (2026-11):
//! - *Only for jobs that ask for it* (`sshAmongNodes`): the launchers of frameworks come to other nodes through
//!   [`super::plan::launcher`], under a supervisor there, and need no keys.
//! - *A key of the attempt*, made by the host from the key of its vault, so that nothing has to be kept of it and each
//!   node's set-up gets the same, also after a restart. It is let in while the attempt has its nodes and no longer.
//! - *Programs, not settings of the user*: `ssh`, `scp` and `sftp` of the attempt come first in `PATH` (rsync, pdsh and their like
//!   call those); nothing in `~/.ssh` changes but the one line of `authorized_keys`.
//! - *Nodes are reached at their address, port 22, as the user that ostler signs in as.*

use crate::frameworks::plan::Plan;
use crate::frameworks::setup::Step;
use crate::model::spec::{JobSpec, Secret, SecretSource};

/// The functions of the steps; those that end processes need [`SPOOL_SH`] before them.
pub(super) const AMONG_SH: &str = include_str!("../../assets/agent/among.sh");
/// Killing by identity.
pub(super) const SPOOL_SH: &str = include_str!("../../assets/agent/spool.sh");
/// What the set-up has the private key in.
const KEY: &str = "OSTLER_AMONG_KEY";

/// The key of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmongKey {
    /// In OpenSSH's own form.
    pub private: SecretSource,
    /// `ssh-ed25519 …`, without a comment.
    pub public: String,
}

/// Says whether a job gets one. A single node has nobody to come to.
pub fn has_among_key(spec: &JobSpec) -> bool {
    spec.ssh_among_nodes && spec.node_count.0 > 1
}

impl Plan<'_> {
    /// Returns the step that lets the nodes of the attempt in, when the job wants that.
    pub(super) fn among(&self) -> Option<Step> {
        let key = self.names.among.filter(|_| has_among_key(&self.job.spec))?;
        let alone = if self.job.spec.demand.part().is_none() { "alone" } else { "" };
        let attempt = self.attempt_word();
        let mut call: Vec<String> = ["among_open", &attempt, alone, &key.public].map(str::to_owned).to_vec();
        for node in self.nodes {
            // A name that is none for ssh is reached by its address.
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
            let name = if !node.name.is_empty() && node.name.chars().all(plain) { &node.name } else { &node.address };
            call.extend([name.clone(), node.address.clone(), node.user.clone()]);
        }
        Some(Step {
            what: "let the nodes of the job come to one another by ssh".to_owned(),
            call,
            undo: Some(vec!["among_close".to_owned(), attempt]),
            code: "SshAmongNodesFailed",
            headline: "Unable to let the nodes come to one another by ssh".to_owned(),
            detail: ("step", "ssh".to_owned()),
            secrets: vec![Secret { name: KEY.to_owned(), source: key.private.clone() }],
        })
    }

    /// Returns the lines before a command line that put the attempt's own `ssh` first.
    pub(super) fn among_lines(&self) -> String {
        if !has_among_key(&self.job.spec) {
            return String::new();
        }
        let dir = format!("{}/ssh/{}", self.node().root, self.attempt_word());
        let dir = crate::frameworks::expand::quoted(&dir);
        format!("export OSTLER_SSH_CONFIG={dir}/config PATH={dir}/bin:\"$PATH\"\n")
    }

    fn attempt_word(&self) -> String {
        format!("{}.{}", self.job.id.0, self.job.attempt.0)
    }
}
