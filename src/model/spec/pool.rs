//! What ostler adds to a published cluster about where its nodes come from and what they cost.

use serde::{Deserialize, Serialize};

use super::secret::SecretSource;
use super::slurm::SlurmSpec;
use crate::model::units::{Millis, Money};

/// How long a hook or a call of an interface may take, unless its cluster says otherwise: cloud tools answer in seconds and
/// wait for a machine in minutes.
pub const HOOK_LIMIT_DEFAULT: Millis = Millis::from_mins(10);
/// The longest that may be asked for: an hour in which nothing is heard is a hook that hangs.
pub const HOOK_LIMIT_MAX: Millis = Millis::from_mins(60);

/// The programs of a `command` pool, each a command line for `sh -c` on the machine that hosts the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Gets one machine.
    pub acquire: String,
    /// Gives one back.
    pub release: String,
    /// Says which machines of the pool there are.
    pub list: String,
    /// How long each may take.
    #[serde(default = "limit_default")]
    pub limit: Millis,
}

impl Hooks {
    /// Returns the hooks of one program that takes `acquire`, `release` and `list` as its last word.
    pub fn of_program(program: &str) -> Self {
        let word = |verb: &str| format!("{program} {verb}");
        Self { acquire: word("acquire"), release: word("release"), list: word("list"), limit: HOOK_LIMIT_DEFAULT }
    }
}

fn limit_default() -> Millis {
    HOOK_LIMIT_DEFAULT
}

/// The interface of an `http` pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// Where it is; `/acquire`, `/release` and `/list` are added.
    pub url: String,
    /// Where the bearer token comes from; never the token itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// A file with certificates in PEM that are trusted beside those of the system: of an authority of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// Nodes that are allocations of Slurm: each is a job there that holds a node and runs the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    /// The login node, as `ssh HOST` reaches it.
    pub login: String,
    /// What each is asked for with.
    #[serde(default)]
    pub slurm: SlurmSpec,
    /// Its time limit; what the partition gives when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Millis>,
}

impl Allocation {
    /// Returns the words of `sbatch` for one node: all of it, unless a part of it is asked for.
    pub fn words(&self) -> Vec<String> {
        let of_part = [
            "--exclusive",
            "--oversubscribe",
            "--cpus-per-task",
            "--cpus-per-gpu",
            "--mem",
            "--mem-per-cpu",
            "--gres",
            "--gpus",
        ];
        let says = |word: &String| of_part.contains(&word.split('=').next().unwrap_or_default());
        let whole = !self.slurm.options.iter().any(says);
        let mut words = vec!["--nodes=1".to_owned(), "--ntasks=1".to_owned(), "--no-requeue".to_owned()];
        words.extend(self.time.map(|time| format!("--time={}", time.0.div_ceil(60_000).max(1))));
        words.extend(["--exclusive", "--mem=0"].into_iter().filter(|_| whole).map(str::to_owned));
        words.extend(self.slurm.words());
        words
    }
}

/// What is said of the nodes of a cluster beside the published properties.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolSpec {
    /// A file with hosts, one or several to a line, that is watched: its hosts are those of the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts_file: Option<String>,
    /// A command line that wakes a host before it is used, told which by `$OSTLER_HOST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_on: Option<String>,
    /// The same for a host that is given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_off: Option<String>,
    /// What a node costs in an hour; over what its class says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_node_hour: Option<Money>,
    /// After this long a node goes when it is idle, and another one comes if it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_node_lifetime: Option<Millis>,
    /// Which agent leads the nodes; the native one on `local`, the shell's elsewhere when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentKind>,
}

/// What leads a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentKind {
    /// Scripts in a shell of the node.
    #[default]
    Shell,
    /// This program, copied to the node; the shell where it cannot run.
    Native,
}

impl PoolSpec {
    /// Says whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
