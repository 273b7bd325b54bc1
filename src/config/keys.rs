//! The one table of what can be configured: name, reason, how it is read, how it is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::address::check_address;
use super::{Config, Sizes};
use crate::model::settings::{CONTAINER_RUNTIMES, WebhookShape};
use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::{SecretSource, secret_file};
use crate::model::units::{Bytes, Millis};

/// One key of the configuration.
pub struct Key {
    /// As in the file.
    pub name: &'static str,
    /// What it decides, and why its default is what it is.
    pub about: &'static str,
    /// Whether it can be set by a variable.
    pub by_environment: bool,
    /// Takes a value, or notes why not.
    pub read: fn(&Field<'_>, &mut Config, &mut Faults),
    /// Returns the value as the file would have it.
    pub show: fn(&Config) -> String,
}

impl Key {
    /// Returns the name of the environment variable for this key.
    pub fn variable(&self) -> String {
        format!("OSTLER_{}", self.name.to_ascii_uppercase())
    }
}

const DAY: Millis = Millis::from_days(1);
const YEAR: Millis = Millis::from_days(366);
const TEN_YEARS: Millis = Millis::from_days(3660);

/// All keys, in the order in which they are shown.
pub const ALL: &[Key] = &[
    Key {
        name: "unreachable_after",
        about: "After this long out of sight a node counts as unusable: longer than a reconnect with back-off, shorter than a person's patience.",
        by_environment: true,
        read: |field, config, faults| span(field, faults, Millis::from_secs(1), DAY, &mut config.settings.unreachable_after),
        show: |config| quoted_span(config.settings.unreachable_after),
    },
    Key {
        name: "gang_lost_after",
        about: "After this long with a node of a job out of sight, the job's attempt is stopped on its other nodes: MPI would hang for good.",
        by_environment: true,
        read: |field, config, faults| span(field, faults, Millis::from_secs(1), DAY, &mut config.settings.gang_lost_after),
        show: |config| quoted_span(config.settings.gang_lost_after),
    },
    Key {
        name: "kill_grace",
        about: "Between TERM and KILL when a job is stopped (as long as Slurm's KillWait).",
        by_environment: true,
        read: |field, config, faults| span(field, faults, Millis(0), DAY, &mut config.settings.kill_grace),
        show: |config| quoted_span(config.settings.kill_grace),
    },
    Key {
        name: "stop_hold",
        about: "How long a stop from the screen can be taken back.",
        by_environment: true,
        read: |field, config, faults| span(field, faults, Millis(0), Millis::from_mins(10), &mut config.settings.stop_hold),
        show: |config| quoted_span(config.settings.stop_hold),
    },
    Key {
        name: "requeues_max",
        about: "How often a job is put back after a failure that was not its own (as often as Slurm's MaxBatchRequeue).",
        by_environment: true,
        read: |field, config, faults| count(field, faults, &mut config.settings.requeues_max),
        show: |config| config.settings.requeues_max.to_string(),
    },
    Key {
        name: "prepare_retries_max",
        about: "How often a node's acquisition or preparation is tried again by itself before the cluster lists the error.",
        by_environment: true,
        read: |field, config, faults| count(field, faults, &mut config.settings.prepare_retries_max),
        show: |config| config.settings.prepare_retries_max.to_string(),
    },
    Key {
        name: "serve_idle",
        about: "How long a background core with nothing undone and nobody attached stays.",
        by_environment: true,
        read: |field, config, faults| span(field, faults, Millis(100), YEAR, &mut config.settings.serve_idle),
        show: |config| quoted_span(config.settings.serve_idle),
    },
    Key {
        name: "log_retention",
        about: "How long the logs of ended jobs are kept, on nodes and as copies.",
        by_environment: true,
        read: |field, config, faults| {
            span(field, faults, Millis::from_secs(1), TEN_YEARS, &mut config.settings.log_retention)
        },
        show: |config| quoted_span(config.settings.log_retention),
    },
    Key {
        name: "log_max_bytes",
        about: "How much room the logs of ended jobs may take, on each node and as copies; above it those that ended first go.",
        by_environment: true,
        read: |field, config, faults| size(field, faults, &mut config.settings.log_max_bytes),
        show: |config| quoted_size(config.settings.log_max_bytes),
    },
    Key {
        name: "log_keep_bytes",
        about: "How much of a job's logs is copied to this machine before its node is given back; what is left behind is named.",
        by_environment: true,
        read: |field, config, faults| size(field, faults, &mut config.settings.log_keep_bytes),
        show: |config| quoted_size(config.settings.log_keep_bytes),
    },
    Key {
        name: "code_file_max_bytes",
        about: "The largest file that goes along with a job's code: a script or a small checkpoint; data belong on a mount.",
        by_environment: true,
        read: |field, config, faults| size(field, faults, &mut config.settings.code_file_max_bytes),
        show: |config| quoted_size(config.settings.code_file_max_bytes),
    },
    Key {
        name: "code_max_bytes",
        about: "How much the code of a job may be together: it goes once to each node over ssh.",
        by_environment: true,
        read: |field, config, faults| size(field, faults, &mut config.settings.code_max_bytes),
        show: |config| quoted_size(config.settings.code_max_bytes),
    },
    Key {
        name: "clusters_max",
        about: "How many clusters there may be: a bound against slips, as many as the published service gave at most.",
        by_environment: true,
        read: |field, config, faults| limit(field, faults, &mut config.settings.clusters_max),
        show: |config| config.settings.clusters_max.to_string(),
    },
    Key {
        name: "nodes_per_cluster_max",
        about: "How many nodes a cluster may be asked to have: the published limit; ten times that is measured.",
        by_environment: true,
        read: |field, config, faults| limit(field, faults, &mut config.settings.nodes_per_cluster_max),
        show: |config| config.settings.nodes_per_cluster_max.to_string(),
    },
    Key {
        name: "workspaces_per_group_max",
        about: "How many workspaces a resource group may hold: the published limit.",
        by_environment: true,
        read: |field, config, faults| limit(field, faults, &mut config.settings.workspaces_per_group_max),
        show: |config| config.settings.workspaces_per_group_max.to_string(),
    },
    Key {
        name: "webhook",
        about: "Told when a job ends: an address that takes a body by POST; see webhook_shape.",
        by_environment: true,
        read: |field, config, faults| {
            if let Some(text) = field.checked(faults, |text| check_address(text).map(|_| ())) {
                config.settings.webhook = Some(text);
            }
        },
        show: |config| optional(config.settings.webhook.as_deref()),
    },
    Key {
        name: "webhook_shape",
        about: "What the webhook is told in: `json` (an object with everything), `slack` (an incoming webhook of Slack, Mattermost, Rocket.Chat), `ntfy` (the address of a topic of ntfy).",
        by_environment: true,
        read: |field, config, faults| {
            if let Some(shape) = field.word(faults, &WebhookShape::WORDS) {
                config.settings.webhook_shape = shape;
            }
        },
        show: |config| toml_text(config.settings.webhook_shape.word()),
    },
    Key {
        name: "gpu_command",
        about: "Looks at a node's GPUs in the place of nvidia-smi and rocm-smi: prints a line for each, as index, busy %, MiB used, MiB there, W, name.",
        by_environment: false,
        read: |field, config, faults| {
            if let Some(text) = field.text(faults) {
                config.settings.gpu_command = Some(text);
            }
        },
        show: |config| optional(config.settings.gpu_command.as_deref()),
    },
    Key {
        name: "container_runtimes",
        about: "The container runtimes to look for on a node; the first that works there counts.",
        by_environment: false,
        read: container_runtimes,
        show: |config| {
            let names = config.settings.container_runtimes.iter().map(|name| toml_text(name));
            format!("[{}]", names.collect::<Vec<_>>().join(", "))
        },
    },
    Key {
        name: "secrets",
        about: "Where the value of a key vault's secret comes from, as a table for each vault: `[secrets.VAULT]` with `NAME = { fromCommand = \"pass show x\" }`, `{ fromFile = \"/path\" }` or `{ fromEnv = \"X\" }`.",
        by_environment: false,
        read: local_secrets,
        show: |config| {
            let vaults = config.settings.secrets.iter();
            let vaults = vaults.map(|(vault, secrets)| format!("{} = {{ {} }}", toml_key(vault), shown_secrets(secrets)));
            let text = vaults.collect::<Vec<_>>().join(", ");
            if text.is_empty() { "{}".to_owned() } else { format!("{{ {text} }}") }
        },
    },
    Key {
        name: "storage_accounts",
        about: "What stands in for storage accounts of mountVolumes, as a table for each: `[storage_accounts.NAME]` with `kind` = nfs (host, path, options), smb (host, user, options), folder (path) or command (command, with {account}, {name} and {options}); `files` and `blobs` may have tables of their own, and `key` says where the account's key comes from.",
        by_environment: false,
        read: super::storage::read,
        show: super::storage::show,
    },
    Key {
        name: "node_classes",
        about: "What the published `vmSize` of a cluster may name, as a table for each: `[node_classes.STANDARD_NC6]` with `hosts` (`gpu[1-4]`) or `provider = \"local\"` for clusters that name no hosts, and what a node of it has at least: `cpus`, `memory`, `gpus`, `os` (a part of its name). With `admin_user = true` hosts without `user@` are signed into as the file's adminUserName.",
        by_environment: false,
        read: super::classes::read,
        show: super::classes::show,
    },
    Key {
        name: "ssh_config",
        about: "The ssh configuration file to use instead of your own, as `ssh -F FILE` takes it.",
        by_environment: true,
        read: |field, config, faults| ssh_config(field, config, faults),
        show: |config| optional(config.ssh_config.as_ref().and_then(|path| path.to_str())),
    },
    Key {
        name: "theme",
        about: "The theme of the screen; `ostler theme list` names them.",
        by_environment: true,
        read: |field, config, faults| {
            config.ui.theme = field
                .checked(faults, |text| {
                    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
                    if fits { Ok(()) } else { Err("theme names have letters, digits, - and _".to_owned()) }
                })
                .or_else(|| config.ui.theme.take());
        },
        show: |config| optional(config.ui.theme.as_deref()),
    },
    Key {
        name: "ascii",
        about: "Draw the screen with ASCII alone; on the console of the kernel (TERM=linux) curves are half blocks besides.",
        by_environment: true,
        read: |field, config, faults| config.ui.ascii = field.truth(faults).unwrap_or(config.ui.ascii),
        show: |config| config.ui.ascii.to_string(),
    },
    Key {
        name: "mouse",
        about: "Whether clicks and the wheel are the screen's; false leaves them to the terminal, for its own selection.",
        by_environment: true,
        read: |field, config, faults| config.ui.mouse = field.truth(faults).unwrap_or(config.ui.mouse),
        show: |config| config.ui.mouse.to_string(),
    },
    Key {
        name: "bell",
        about: "Whether a job that ends rings and sends a desktop notification while the window is not in front.",
        by_environment: true,
        read: |field, config, faults| config.ui.bell = field.truth(faults).unwrap_or(config.ui.bell),
        show: |config| config.ui.bell.to_string(),
    },
    Key {
        name: "frames_per_second",
        about: "News redraw the screen at most so often in a second, 1 to 60; keys do at once. Fewer for slow lines.",
        by_environment: true,
        read: |field, config, faults| {
            config.ui.pace.frames = field.count(faults, 1, 60).unwrap_or(config.ui.pace.frames);
        },
        show: |config| config.ui.pace.frames.to_string(),
    },
    Key {
        name: "refresh_moving",
        about: "How often the screen is drawn while something on it moves: clocks, spinners.",
        by_environment: true,
        read: |field, config, faults| span(field, faults, Millis(100), Millis::from_mins(1), &mut config.ui.pace.moving),
        show: |config| quoted_span(config.ui.pace.moving),
    },
    Key {
        name: "refresh_resting",
        about: "How often the screen is drawn while nothing on it moves: ages are never wrong by more.",
        by_environment: true,
        read: |field, config, faults| {
            span(field, faults, Millis::from_secs(1), Millis::from_mins(10), &mut config.ui.pace.resting);
        },
        show: |config| quoted_span(config.ui.pace.resting),
    },
    Key {
        name: "refresh_nodes",
        about: "How often the grid of nodes asks how busy they are, while it is looked at.",
        by_environment: true,
        read: |field, config, faults| {
            span(field, faults, Millis::from_secs(1), Millis::from_mins(10), &mut config.ui.pace.nodes);
        },
        show: |config| quoted_span(config.ui.pace.nodes),
    },
    Key {
        name: "sizes",
        about: "How the screen writes sizes of files and logs: `binary` (1.5 GiB) or `decimal` (1.6 GB).",
        by_environment: true,
        read: |field, config, faults| {
            config.ui.sizes = field.word(faults, &Sizes::WORDS).unwrap_or(config.ui.sizes);
        },
        show: |config| {
            let word = Sizes::WORDS.iter().find(|(_, sizes)| *sizes == config.ui.sizes).map_or("binary", |(word, _)| *word);
            toml_text(word)
        },
    },
    Key {
        name: "columns",
        about: "The columns of the screen's tables by their titles, as a table: `jobs = [\"job\", \"state\", \"lr\"]`; also nodes, queue, processes, clusters, experiments, file-servers, slurm-queue, slurm-partitions, slurm-nodes.",
        by_environment: false,
        read: columns,
        show: |config| {
            let entries = config.ui.columns.iter().map(|(view, titles)| format!("{} = {titles:?}", toml_text(view)));
            let text = entries.collect::<Vec<_>>().join(", ");
            if text.is_empty() { "{}".to_owned() } else { format!("{{ {text} }}") }
        },
    },
    Key {
        name: "keys",
        about: "Your own keys of the screen, as a table: `command-name = [\"x\", \"ctrl-x y\"]`, where the second is two keys in a row; `?` on the screen names the commands.",
        by_environment: false,
        read: own_keys,
        show: |config| {
            let entries = config.ui.keys.iter().map(|(command, keys)| format!("{} = {keys:?}", toml_text(command)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        },
    },
];

/// Returns the text of a file that sets nothing and shows everything with its default.
pub fn starter_file() -> String {
    let mut text = String::from(
        "# ostler's configuration. Lines that begin with # are the defaults; environment variables\n# (OSTLER_ and the key in capitals) count over this file, flags over both.\n",
    );
    let defaults = Config::default();
    for key in ALL {
        let shown = (key.show)(&defaults);
        let value = if shown.is_empty() { "\"\"".to_owned() } else { shown };
        let _ = write!(text, "\n# {}\n# {} = {value}\n", key.about, key.name);
    }
    text
}

fn span(field: &Field<'_>, faults: &mut Faults, least: Millis, most: Millis, into: &mut Millis) {
    match field.span(faults) {
        Some(span) if (least..=most).contains(&span) => *into = span,
        Some(span) => field.fault(faults, format!("must be {least} to {most}, got {span}")),
        None => {}
    }
}

fn size(field: &Field<'_>, faults: &mut Faults, into: &mut Bytes) {
    if let Some(size) = field.bytes(faults) {
        *into = size;
    }
}

/// The most tries that can be configured; more is the same as for ever.
const TRIES_MAX: u32 = 1000;

fn count(field: &Field<'_>, faults: &mut Faults, into: &mut u32) {
    if let Some(count) = field.count(faults, 0, TRIES_MAX) {
        *into = count;
    }
}

/// The largest limit of a number of things: as many hosts as one list may name.
const LIMIT_MAX: u32 = 10_000;

fn limit(field: &Field<'_>, faults: &mut Faults, into: &mut u32) {
    if let Some(count) = field.count(faults, 0, LIMIT_MAX) {
        *into = count;
    }
}

fn ssh_config(field: &Field<'_>, config: &mut Config, faults: &mut Faults) {
    let Some(text) = field.text(faults) else { return };
    let path = match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        (_, _) => PathBuf::from(&text),
    };
    if path.is_file() {
        config.ssh_config = Some(path);
    } else {
        field.fault(faults, format!("no such file `{}`", path.display()));
    }
}

fn own_keys(field: &Field<'_>, config: &mut Config, faults: &mut Faults) {
    use crate::model::spec::doc::Value;
    let Value::Map(entries) = field.value() else {
        return field.fault(faults, "wants a table: `command-name = [\"x\"]`");
    };
    for entry in entries {
        let item = field.child(&entry.key, &entry.value);
        let keys: Vec<String> = match item.value() {
            Value::List(_) => item.list(faults).iter().filter_map(|key| key.text(faults)).collect(),
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
                item.text(faults).into_iter().collect()
            }
        };
        if crate::commands::by_name(&entry.key).is_none() {
            item.fault(faults, "there is no such command; `?` on the screen names them");
        }
        for fault in keys.iter().filter_map(|key| chord(key).err()) {
            item.fault(faults, fault);
        }
        config.ui.keys.insert(entry.key.clone(), keys);
    }
}

/// Checks keys that are pressed one after another: `ctrl-x s`.
fn chord(text: &str) -> Result<(), String> {
    let keys: Vec<&str> = text.split_whitespace().collect();
    if keys.is_empty() || keys.len() > crate::commands::CHORD_KEYS_MAX {
        return Err(format!("`{}` is neither a key nor two in a row", text.escape_debug()));
    }
    keys.into_iter().try_for_each(|key| key.parse::<crate::commands::Key>().map(|_| ()))
}

/// The tables of the screen whose columns can be chosen.
pub const VIEWS: [&str; 10] = [
    "jobs",
    "nodes",
    "queue",
    "processes",
    "clusters",
    "experiments",
    "file-servers",
    "slurm-queue",
    "slurm-partitions",
    "slurm-nodes",
];

fn columns(field: &Field<'_>, config: &mut Config, faults: &mut Faults) {
    use crate::model::spec::doc::Value;
    let Value::Map(entries) = field.value() else {
        return field.fault(faults, "wants a table: `jobs = [\"job\", \"state\", \"lr\"]`");
    };
    for entry in entries {
        let item = field.child(&entry.key, &entry.value);
        if !VIEWS.contains(&entry.key.as_str()) {
            item.fault(faults, format!("there is no such table; known are {}", VIEWS.join(", ")));
        }
        let titles = item.list(faults).iter().filter_map(|title| title.text(faults)).collect();
        config.ui.columns.insert(entry.key.clone(), titles);
    }
}

fn container_runtimes(field: &Field<'_>, config: &mut Config, faults: &mut Faults) {
    let known = CONTAINER_RUNTIMES.map(|name| (name, name));
    let found: Vec<&str> = field.list(faults).iter().filter_map(|item| item.word(faults, &known)).collect();
    if found.is_empty() {
        return field.fault(faults, "names no runtime; leave it out for docker, podman, apptainer");
    }
    config.settings.container_runtimes = found.into_iter().map(str::to_owned).collect();
}

fn local_secrets(field: &Field<'_>, config: &mut Config, faults: &mut Faults) {
    let mut found = BTreeMap::new();
    for (vault, field) in field.entries(faults) {
        let mut secrets = BTreeMap::new();
        for (name, field) in field.entries(faults) {
            if let Some(source) = secret_file::configured(&field, faults) {
                secrets.insert(name, source);
            }
        }
        found.insert(vault, secrets);
    }
    config.settings.secrets = found;
}

fn shown_secrets(secrets: &BTreeMap<String, SecretSource>) -> String {
    let each = secrets.iter().map(|(name, source)| {
        let (key, text) = match source {
            SecretSource::Environment(text) => ("fromEnv", text.as_str()),
            SecretSource::File(text) => ("fromFile", text.as_str()),
            SecretSource::Command(text) => ("fromCommand", text.as_str()),
            SecretSource::Given(_) | SecretSource::Kept(_) | SecretSource::Prompt | SecretSource::Vault { .. } => ("", ""),
        };
        format!("{} = {{ {key} = {} }}", toml_key(name), toml_text(text))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// A key of a table: bare where TOML allows it.
fn toml_key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { name.to_owned() } else { toml_text(name) }
}

/// A span in units that read back as itself.
fn quoted_span(span: Millis) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let unit = units.iter().find(|(_, ms)| span.0 > 0 && span.0.is_multiple_of(*ms)).unwrap_or(&("s", 1000));
    format!("\"{}{}\"", span.0 / unit.1, unit.0)
}

/// A size in units that read back as itself.
fn quoted_size(size: Bytes) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, bytes)| size.0 > 0 && size.0.is_multiple_of(*bytes)) {
        Some((unit, bytes)) => format!("\"{}{unit}\"", size.0 / bytes),
        None => format!("\"{}\"", size.0),
    }
}

fn optional(text: Option<&str>) -> String {
    text.map(toml_text).unwrap_or_default()
}

pub(super) fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
