//! A file server: the published object with its export beside.

use serde_json::{Map, Value, json};

use super::{error, time};
use crate::cli::lists::Home;
use crate::cli::output::{Column, Look, Row};
use crate::model::request::FileServerView;
use crate::model::resource_id::Child;
use crate::model::spec::{FileServerSpec, body};
use crate::model::state::FileServer;
use crate::model::state::file_server::Space;

/// The columns of a list of file servers.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "RESOURCE GROUP", look: Look::Unless("default") },
    Column { title: "WORKSPACE", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "SIZE", look: Look::Text },
    Column { title: "DISKS", look: Look::Text },
    Column { title: "PUBLIC IP", look: Look::Text },
    Column { title: "INTERNAL IP", look: Look::Text },
    Column { title: "MOUNT POINT", look: Look::Text },
    Column { title: "EXPORT", look: Look::Text },
];

/// Returns the object, without who mounts it.
pub fn value(server: &FileServer, group: &str, workspace: &str) -> Value {
    let errors: Vec<Value> = server.errors.iter().map(|e| error(&e.code, &e.message, &e.details)).collect();
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| drop(map.insert(key.to_owned(), value));
    set("name", json!(server.name));
    set("id", json!(server.id.to_string()));
    set("resourceId", Home { group, workspace }.id(Some(Child::FileServer(server.name.clone()))));
    set("resourceGroup", json!(group));
    set("workspace", json!(workspace));
    set("provisioningState", json!(server.provisioning.word()));
    set("provisioningStateTransitionTime", time(server.provisioning_since));
    set("creationTime", time(server.created));
    set("errors", json!(errors));
    for (key, value) in body::file_server(&server.spec) {
        set(&key, value);
    }
    Value::Object(map)
}

/// Returns the object with who mounts it.
pub fn view_value(view: &FileServerView, space: Option<Space>) -> Value {
    let mut value = value(&view.file_server, &view.group, &view.workspace);
    if let Some(map) = value.as_object_mut() {
        if let Some(space) = space {
            map.insert("space".to_owned(), json!({"total": space.total.0, "used": space.used.0, "free": space.free.0}));
        }
        map.insert("mountedBy".to_owned(), json!({"clusters": view.clusters, "jobs": view.jobs}));
    }
    value
}

fn disks(spec: &FileServerSpec) -> String {
    spec.data_disks.as_ref().map(|d| format!("{} x {} Gb", d.disk_count, d.disk_size_in_gb)).unwrap_or_default()
}

/// Returns the line of a list.
pub fn row(server: &FileServer, group: &str, workspace: &str) -> Row {
    let spec = &server.spec;
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Row {
        cells: vec![
            server.name.clone(),
            group.to_owned(),
            workspace.to_owned(),
            server.provisioning.word().to_owned(),
            text(spec.vm_size.as_deref()),
            disks(spec),
            text(spec.public()),
            text(spec.internal()),
            spec.export.path().to_owned(),
            spec.export.word().to_owned(),
        ],
        value: value(server, group, workspace),
        name: server.name.clone(),
    }
}

/// Returns what a person is told.
pub fn facts(view: &FileServerView, space: Option<Space>) -> Vec<(&'static str, String)> {
    let server = &view.file_server;
    let spec = &server.spec;
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let who = |names: &[String]| if names.is_empty() { "nobody".to_owned() } else { names.join(" ") };
    let mounted: Vec<String> = view.clusters.iter().chain(&view.jobs).cloned().collect();
    vec![
        ("name", server.name.clone()),
        ("id", server.id.to_string()),
        ("workspace", view.workspace.clone()),
        ("state", server.provisioning.word().to_owned()),
        ("export", spec.export.word().to_owned()),
        ("set up", server.exported.map(|by| by.words().to_owned()).unwrap_or_default()),
        ("mount point", spec.export.path().to_owned()),
        ("room", space.map(Space::words).unwrap_or_default()),
        ("public address", text(spec.public())),
        ("internal address", text(spec.internal())),
        ("mount options", text(spec.mount_options.as_deref())),
        ("size", text(spec.vm_size.as_deref())),
        ("disks", disks(spec)),
        ("account", spec.admin.as_ref().map(|a| a.admin_user_name.clone()).unwrap_or_default()),
        ("created", server.created.rfc3339()),
        ("errors", server.errors.iter().map(|e| format!("{}: {}", e.code, e.message)).collect::<Vec<_>>().join("\n")),
        ("mounted by", who(&mounted)),
    ]
}
