//! The JSON Schema of every file that people write about resources, from the types that read it. `assets/schema/` holds
//! them for editors; a test keeps them current. Where a file says something otherwise than the stored type does, a form
//! here stands for it.
//!
//! Decision 2026-11: unknown properties are allowed, because readers keep them with a warning; a schema that refused
//! published files would be wrong.

// The forms are only described, never made.
#![expect(dead_code, reason = "fields of forms are read by the derive alone")]

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::sweep_form::SweepForm;
use super::{ClusterSpec, FileServerSpec, JobSpec};

/// Makes the schema of one form.
pub type Make = fn() -> Value;

/// The files in `assets/schema/`, each with what it describes.
pub const FILES: &[(&str, Make)] = &[
    ("job.json", job),
    ("cluster.json", cluster),
    ("file-server.json", file_server),
    ("sweep.json", sweep),
    ("apply.json", apply),
];

/// Something that is named by `{id: …}` or by its plain name or id.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum RefForm {
    /// A name, or a full id.
    Name(String),
    /// As published.
    Id {
        /// A name, or a full id: `/subscriptions/…/workspaces/lab/clusters/gpu`.
        id: String,
    },
}

/// A directory by itself, or with what is said of it.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum CodeForm {
    /// A directory of this machine, as seen from the file.
    Directory(String),
    /// With what is said of it.
    Said(super::code::Code),
}

/// A span of time: `7.00:00:00`, `P7D`, `2h30m`, `7 days, 0:00:00`.
#[derive(JsonSchema)]
#[serde(transparent)]
pub(super) struct SpanForm(String);

/// A time with its zone, or a span of time from submission on.
#[derive(JsonSchema)]
#[serde(transparent)]
pub(super) struct BeginForm(String);

/// An amount of bytes: a number, or a text with a unit (`16gb`, `4GiB`).
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum BytesForm {
    /// Bytes.
    Count(u64),
    /// With a unit.
    Text(String),
}

/// By what the processes of a job talk; in any case of letters.
#[derive(JsonSchema)]
#[serde(untagged)]
pub(super) enum BackendForm {
    /// As published.
    Known(super::toolkit::Backend),
    /// The same in another case of letters: `gloo`.
    Other(String),
}

/// What each node has to give; the whole node when nothing of the kind is said.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourcesForm {
    /// CPUs.
    cpus: Option<f64>,
    /// Main memory.
    memory: Option<BytesForm>,
    /// GPUs; a fraction shares one.
    gpus: Option<f64>,
    /// Any other count, as the cluster's `nodeResources` name them.
    #[serde(flatten)]
    other: std::collections::BTreeMap<String, u64>,
}

/// The published reference to a secret of a key vault.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct VaultForm {
    /// The vault.
    source_vault: RefForm,
    /// The secret.
    secret_url: String,
}

/// Where a value comes from, beside the published ways.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LocalForm {
    /// A file that the core reads at each start.
    from_file: Option<String>,
    /// An environment variable of the core.
    from_env: Option<String>,
    /// What a command prints, run by the core at each start.
    from_command: Option<String>,
    /// Ask for it when the file is used.
    prompt: Option<bool>,
}

/// A variable whose value is never shown.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretForm {
    /// Its name.
    name: String,
    /// The value itself.
    value: Option<String>,
    /// A secret of a key vault.
    value_secret_reference: Option<VaultForm>,
    #[serde(flatten)]
    local: LocalForm,
}

/// The key of a storage account.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountKeyForm {
    /// The key itself.
    account_key: Option<String>,
    /// A secret of a key vault.
    account_key_secret_reference: Option<VaultForm>,
    #[serde(flatten)]
    local: LocalForm,
}

/// A sign-in at a registry.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegistryForm {
    /// Shown.
    username: String,
    /// The password itself.
    password: Option<String>,
    /// A secret of a key vault.
    password_secret_reference: Option<VaultForm>,
    #[serde(flatten)]
    local: LocalForm,
}

/// The account for people on the nodes.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountForm {
    /// The name of the account.
    admin_user_name: String,
    /// Its public key, as one line.
    admin_user_ssh_public_key: Option<String>,
    /// Accepted and never kept.
    admin_user_password: Option<String>,
}

/// Returns the schema of job files.
pub fn job() -> Value {
    let older = json!({
        "experimentName": {"type": "string", "description": "Of an older API: the experiment."},
        "priority": {"type": "integer", "minimum": -1000, "maximum": 1000, "description": "Of an older API: below 0 is low, above 0 is high."},
    });
    let own = json!({
        "name": {"type": "string", "description": "The job's name; made from the experiment's count when absent."},
        "workspace": {"type": "string", "description": "The workspace, when it is not that of the context."},
        "experiment": {"type": "string", "description": "The experiment, when it is not that of the context."},
        "sweep": {"$ref": "sweep.json", "description": "A job for each combination of values, or for draws of them."},
    });
    file::<JobSpec>("job", "What `ostler job create -f` and `ostler job plan -f` read.", &[own, older])
}

/// Returns the schema of what a file says of a sweep: the key `sweep` of a job's file, or a file of parameters of its own.
pub fn sweep() -> Value {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut schema = generator.into_root_schema_for::<SweepForm>().to_value();
    let about = json!({
        "title": "ostler sweep",
        "description": "`sweep` in a job's file, and what `ostler sweep create --params` reads.",
        "$comment": "Generated from the types that read it: UPDATE=1 cargo test --test rules generated",
        "anyOf": [{"required": ["params"]}, {"required": ["parameters"]}, {"required": ["include"]}],
    });
    if let (Value::Object(schema), Value::Object(about)) = (&mut schema, about) {
        schema.extend(about);
    }
    schema
}

/// Returns the schema of cluster files.
pub fn cluster() -> Value {
    let own = json!({
        "name": {"type": "string", "description": "The cluster's name."},
        "workspace": {"type": "string", "description": "The workspace, when it is not that of the context."},
        "provider": {
            "enum": ["hosts", "local", "command", "http", "slurm"],
            "description": "Where nodes come from: `hosts` over ssh, `local` for this machine, `command` for programs of yours, `http` for an interface, `slurm` for allocations of Slurm.",
        },
        "backend": {"enum": ["ssh", "slurm"], "description": "Who places the jobs: ostler, or Slurm."},
        "login": {"type": "string", "description": "With `backend: slurm` or `provider: slurm`: the host on which sbatch is."},
        "slurm": {"type": "object", "description": "What is asked of Slurm: `partition`, `account`, `qos`, and `options` of sbatch."},
        "rest": {
            "description": "With `backend: slurm`: Slurm's REST service, asked in place of the programs on the login node.",
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "description": "`https://HOST[:PORT]`; or `http://HOST[:PORT]` or `unix:/PATH`, as the login node reaches it."},
                "user": {"type": "string", "description": "Whose the token is; the login node's user when absent."},
                "token": {"type": "object", "description": "Where the JWT comes from."},
                "caFile": {"type": "string", "description": "A file with certificates in PEM that are trusted beside those of the system."},
            },
        },
        "allocationTime": {"type": "string", "description": "Of the provider `slurm`: the time limit of an allocation."},
        "hostsFile": {"type": "string", "description": "A file with the hosts; it is watched."},
        "hooks": {
            "description": "Of the provider `command`: a program that takes acquire, release or list, or a command line for each.",
            "anyOf": [{"type": "string"}, {
                "type": "object",
                "required": ["acquire", "release", "list"],
                "properties": {
                    "acquire": {"type": "string"},
                    "release": {"type": "string"},
                    "list": {"type": "string"},
                    "limit": {"type": "string", "description": "How long each may take."},
                },
            }],
        },
        "api": {
            "description": "Of the provider `http`: the address of the interface, and where its token comes from.",
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": {"type": "string"},
                "token": {"type": "object"},
                "caFile": {"type": "string", "description": "A file with certificates in PEM that are trusted beside those of the system."},
            },
        },
        "powerOn": {"type": "string", "description": "A command line that wakes $OSTLER_HOST."},
        "powerOff": {"type": "string", "description": "A command line that puts $OSTLER_HOST to sleep."},
        "pricePerNodeHour": {"anyOf": [{"type": "number"}, {"type": "string"}], "description": "What a node costs in an hour."},
        "budget": budget("What the cluster may spend."),
        "maxNodeLifetime": {"type": "string", "description": "After this long an idle node goes."},
        "agent": {
            "enum": ["shell", "native"],
            "description": "What leads the nodes: scripts in their shell, or the program itself, copied there; `native` on `local` and `shell` \
                            elsewhere when absent.",
        },
        "hosts": {
            "description": "Hosts that `ssh HOST` reaches, in the order in which they are taken: `node[01-16],ci@big`, or a list of such.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
    });
    file::<ClusterSpec>("cluster", "What `ostler cluster create -f` reads.", &[own])
}

/// Returns the schema of file server files.
pub fn file_server() -> Value {
    let own = json!({
        "name": {"type": "string", "description": "The file server's name."},
        "workspace": {"type": "string", "description": "The workspace, when it is not that of the context."},
        "host": {"type": "string", "description": "The address that nodes reach it by."},
        "path": {"type": "string", "description": "The exported directory."},
        "export": {"enum": ["nfs", "sshfs", "dir"], "description": "How nodes come to it."},
        "setUp": {"type": "boolean", "description": "Set it up on the host, and undo that when it is deleted."},
        "login": {"type": "string", "description": "The destination of ssh by which ostler comes to the host, when it is not `host`."},
        "clients": {"type": "array", "items": {"type": "string"}, "maxItems": 100, "description": "Who may mount it: hosts, addresses, networks."},
        "devices": {"type": "array", "items": {"type": "string"}, "maxItems": 100, "description": "Blank disks that are joined as one volume, mounted at `path`."},
        "sshConfiguration": {
            "description": "As published: who administers it, and from where.",
            "type": "object",
            "properties": {
                "userAccountSettings": schemars::schema_for!(AccountForm).to_value(),
                "publicIPsToAllow": {"type": "array", "items": {"type": "string"}, "maxItems": 400},
            },
        },
        "subnet": {"description": "As published; a label."},
        "mountSettings": {"description": "As published answers have it: where the files are."},
    });
    file::<FileServerSpec>("file server", "What `ostler file-server create -f` reads.", &[own])
}

fn budget(about: &str) -> Value {
    json!({
        "type": "object",
        "description": about,
        "required": ["limit"],
        "properties": {
            "limit": {"anyOf": [{"type": "number"}, {"type": "string"}]},
            "per": {"enum": ["total", "day", "week", "month"], "description": "In which time: month when absent."},
            "then": {"enum": ["warn", "hold", "zero"], "description": "What happens then: hold when absent."},
        },
    })
}

/// Returns the schema of one document of the files that `apply` takes: the tree of a workspace, or one thing of a kind. The
/// bodies are those of the schemas beside it.
pub fn apply() -> Value {
    let name = |what: &str| json!({"type": "string", "description": format!("The {what}'s name.")});
    let list = |of: &str, what: &str| json!({"type": "array", "items": {"$ref": of}, "description": what});
    let experiment = json!({
        "type": "object",
        "required": ["name"],
        "properties": {"name": name("experiment"), "jobs": list("job.json", "Its jobs, each with a `name`.")},
    });
    let tree = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": name("workspace"),
            "resourceGroup": {"type": "string", "description": "The resource group; that of the command line when absent."},
            "location": {"type": "string", "description": "A label."},
            "tags": {"type": "object", "description": "Labels; those that are not here go."},
            "budget": budget("What all its clusters may spend together."),
            "fileServers": list("file-server.json", "Its file servers, each with a `name`."),
            "clusters": list("cluster.json", "Its clusters, each with a `name`."),
            "experiments": {"type": "array", "items": {"$ref": "#/$defs/experiment"}, "description": "Its experiments."},
        },
    });
    let kinds = ["workspace", "cluster", "fileServer", "file-server", "experiment", "job"];
    let when = |kind: &str, body: Value| json!({"if": {"required": ["kind"], "properties": {"kind": {"const": kind}}}, "then": body});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ostler apply",
        "description": "One document of the files that `ostler apply -f` reads; `ostler export` writes one.",
        "$comment": "Generated from the types that read it: UPDATE=1 cargo test --test rules generated",
        "type": "object",
        "anyOf": [{"required": ["kind"]}, {"required": ["workspace"]}],
        "properties": {"kind": {"enum": kinds, "description": "What the document is about."}},
        "if": {"not": {"required": ["kind"]}},
        "then": {"properties": {"workspace": {"$ref": "#/$defs/workspace"}}},
        "allOf": [
            when("workspace", json!({"$ref": "#/$defs/workspace"})),
            when("cluster", json!({"$ref": "cluster.json", "required": ["name"]})),
            when("fileServer", json!({"$ref": "file-server.json", "required": ["name"]})),
            when("file-server", json!({"$ref": "file-server.json", "required": ["name"]})),
            when("experiment", json!({
                "required": ["name"],
                "properties": {"name": name("experiment"), "workspace": {"type": "string", "description": "The workspace it is in."}},
            })),
            when("job", json!({"$ref": "job.json", "required": ["name"]})),
        ],
        "$defs": {"workspace": tree, "experiment": experiment},
    })
}

/// Describes a body with or without the `properties` level. Names and notes may stand on either level.
fn file<T: JsonSchema>(what: &str, about: &str, more: &[Value]) -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut body = T::json_schema(&mut generator).to_value();
    let notes = json!({
        "$schema": {"type": "string", "description": "Where editors find this description."},
        "comment": {"description": "For people; kept."},
        "location": {"type": "string", "description": "A label; kept."},
        "tags": {"type": "object", "description": "Labels; kept."},
    });
    let mut beside = Map::new();
    for part in more.iter().chain([&notes]) {
        beside.extend(part.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    }
    if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
        properties.extend(beside.clone());
    }
    let mut definitions = generator.take_definitions(true);
    definitions.insert("body".to_owned(), body);
    let inner = json!({"$ref": "#/$defs/body"});
    beside.insert("properties".to_owned(), inner.clone());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("ostler {what}"),
        "description": about,
        "$comment": "Generated from the types that read it: UPDATE=1 cargo test --test rules generated",
        "type": "object",
        "if": {"required": ["properties"]},
        "then": {"properties": beside},
        "else": inner,
        "$defs": definitions,
    })
}
