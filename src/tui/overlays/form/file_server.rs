//! The form of a file server. What is typed becomes the published body, which the reader of files checks; one that is there
//! is immutable, so another one is made like it.

use serde_json::{Map, Value, json};

use super::kind::{Complaint, Id, Kind, Known, Row, Side, Template, TextFault, Values, read_text, typed};
use crate::model::ids::{FileServerId, WorkspaceId};
use crate::model::names::{check_name, same_name};
use crate::model::request::Request;
use crate::model::spec::FileServerSpec;
use crate::model::spec::body;
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::Faults;
use crate::model::spec::file_server_file::FileServerFile;
use crate::tui::acts;
use crate::tui::cx::Cx;

const NAME: Id = "name";
const EXPORT: Id = "export";
const HOST: Id = "host";
const PATH: Id = "path";
const SET_UP: Id = "set up";
const CLIENTS: Id = "clients";
const OPTIONS: Id = "options";

const EXPORTS: [&str; 3] = ["nfs", "sshfs", "dir"];
const BY: [&str; 2] = ["exported already", "by ostler"];
/// The keys of the body that have a field.
const SHOWN: [&str; 9] =
    ["name", "workspace", "export", "host", "path", "setUp", "clients", "mountOptions", "mountSettings"];

/// The form.
#[derive(Debug)]
pub struct FileServerKind {
    workspace: Option<WorkspaceId>,
    like: Option<FileServerId>,
    /// What the body says that has no field.
    base: Map<String, Value>,
}

impl FileServerKind {
    /// Returns the form, empty or filled from one that is there.
    pub fn new(workspace: Option<WorkspaceId>, like: Option<FileServerId>) -> Self {
        Self { workspace, like, base: Map::new() }
    }

    fn body(&self, values: &Values) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("name".to_owned(), json!(typed(values, NAME)));
        let export = typed(values, EXPORT);
        map.insert("export".to_owned(), json!(export));
        if export != "dir" {
            map.insert("host".to_owned(), json!(typed(values, HOST)));
        }
        map.insert("path".to_owned(), json!(typed(values, PATH)));
        if export == "nfs" && typed(values, SET_UP) == BY[1] {
            map.insert("setUp".to_owned(), json!(true));
            let words = typed(values, CLIENTS).split([',', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty());
            let clients: Vec<&str> = words.collect();
            if !clients.is_empty() {
                map.insert("clients".to_owned(), json!(clients));
            }
        }
        if !typed(values, OPTIONS).is_empty() {
            map.insert("mountOptions".to_owned(), json!(typed(values, OPTIONS)));
        }
        map.extend(self.base.clone());
        map
    }

    fn file(&self, values: &Values) -> Result<FileServerFile, Vec<Complaint>> {
        let doc = Doc::from(&Value::Object(self.body(values)));
        let mut faults = Faults::default();
        let read = FileServerFile::read(&doc, &mut faults);
        let wrong: Vec<Complaint> = faults.errors.iter().map(|fault| (field_of(&fault.field), fault.what.clone())).collect();
        read.filter(|_| wrong.is_empty()).ok_or(wrong)
    }
}

fn field_of(key: &str) -> Id {
    let fields =
        [("host", HOST), ("path", PATH), ("clients", CLIENTS), ("mountOptions", OPTIONS), ("setUp", SET_UP), ("name", NAME)];
    fields.iter().find(|(word, _)| key.contains(word)).map_or(EXPORT, |(_, id)| *id)
}

fn values_of(spec: &FileServerSpec) -> (Values, Map<String, Value>) {
    let mut base = body::file_server(spec);
    SHOWN.iter().for_each(|key| drop(base.remove(*key)));
    let clients = spec.managed.as_ref().map(|managed| managed.clients.join(", ")).unwrap_or_default();
    let values = Values::from([
        (EXPORT, spec.export.word().to_owned()),
        (HOST, spec.export.host().unwrap_or_default().to_owned()),
        (PATH, spec.export.path().to_owned()),
        (SET_UP, BY[usize::from(spec.managed.is_some())].to_owned()),
        (CLIENTS, clients),
        (OPTIONS, spec.mount_options.clone().unwrap_or_default()),
    ]);
    (values, base)
}

impl Kind for FileServerKind {
    fn title(&self) -> &'static str {
        "New file server"
    }

    fn rows(&self, values: &Values) -> Vec<Row> {
        let export = typed(values, EXPORT);
        let what = match export {
            "nfs" => "an NFS export of a host",
            "sshfs" => "a directory of a host, mounted by sshfs",
            _ => "a directory that every node has at the same place",
        };
        let mut rows =
            vec![Row::line(NAME, "letters, digits, - or _"), Row::choice(EXPORT, &EXPORTS, format!("{what} · ←→"))];
        if export != "dir" {
            rows.push(Row::line(HOST, "the address by which nodes reach it"));
        }
        rows.push(Row::line(PATH, "the directory, absolute").with_paths(Side::Here));
        if export == "nfs" {
            rows.push(Row::choice(SET_UP, &BY, "whether ostler exports it there, through ssh and sudo · ←→"));
            if typed(values, SET_UP) == BY[1] {
                rows.push(Row::line(CLIENTS, "who may mount it: addresses or networks; empty: private networks"));
            }
        }
        rows.push(Row::line(OPTIONS, "given to every mount of it; may be empty"));
        rows
    }

    fn first(&self, cx: &Cx) -> (Values, Id) {
        let mut values = Values::from([(EXPORT, "nfs".to_owned()), (SET_UP, BY[0].to_owned())]);
        if let Some(server) = self.like.and_then(|id| cx.world.file_server(id)) {
            values.extend(values_of(&server.spec).0);
        }
        (values, NAME)
    }

    fn check(&self, values: &Values, cx: &Cx) -> Vec<Complaint> {
        let name = typed(values, NAME);
        let mut wrong = Vec::new();
        let of = |id| cx.world.file_servers_of(id).filter_map(|id| cx.world.file_server(id)).collect::<Vec<_>>();
        let there = self.workspace.map(of).unwrap_or_default();
        if let Err(what) = check_name(name) {
            wrong.push((NAME, what));
        } else if there.iter().any(|server| same_name(&server.name, name)) {
            wrong.push((NAME, format!("there is a file server `{name}` in this workspace already")));
        }
        if typed(values, EXPORT) != "dir" && typed(values, HOST).is_empty() {
            wrong.push((HOST, "which host?".to_owned()));
        }
        if typed(values, PATH).is_empty() {
            wrong.push((PATH, "which directory?".to_owned()));
        }
        if let Err(more) = self.file(values) {
            wrong.extend(more);
        }
        let rows = self.rows(values);
        wrong.retain(|(id, _)| rows.iter().any(|row| row.id == *id));
        wrong.sort_by_key(|(id, _)| rows.iter().position(|row| row.id == *id));
        wrong.dedup_by_key(|(id, _)| *id);
        let missing = wrong.iter().any(|(id, _)| [HOST, PATH].contains(id));
        // That there is no export is said by what is missing of it.
        wrong.retain(|(id, _)| *id != EXPORT || !missing);
        wrong
    }

    fn orders(&self, values: &Values, _token: &str, cx: &Cx) -> Result<Vec<Request>, Vec<Complaint>> {
        let wrong = self.check(values, cx);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let file = self.file(values)?;
        let workspace = self.workspace.and_then(|id| acts::workspace_name(id, cx));
        let (name, spec) = (typed(values, NAME).to_owned(), Box::new(file.spec));
        Ok(vec![Request::CreateFileServer { workspace, name, spec }])
    }

    fn names(&self, id: Id, _values: &Values, known: &Known, _cx: &Cx) -> Vec<String> {
        if id == HOST { known.hosts.clone() } else { Vec::new() }
    }

    fn note(&self, id: Id, values: &Values, _cx: &Cx) -> Option<String> {
        let file = self.file(values).ok().filter(|_| id == SET_UP)?;
        file.spec.acts().into_iter().next()
    }

    fn text(&self, values: &Values) -> String {
        serde_json::to_string_pretty(&Value::Object(self.body(values))).unwrap_or_default()
    }

    fn read(&mut self, text: &str) -> Result<Values, Vec<TextFault>> {
        let file = read_text(text, FileServerFile::read)?;
        let (mut values, base) = values_of(&file.spec);
        values.extend(file.name.map(|name| (NAME, name)));
        self.base = base;
        Ok(values)
    }

    fn faults(&self, text: &str) -> Vec<TextFault> {
        read_text(text, FileServerFile::read).err().unwrap_or_default()
    }

    fn text_is(&self) -> &'static str {
        "the published body of a file server; JSON, YAML or TOML"
    }

    fn kept(&self) -> Vec<&'static str> {
        let words = ["login", "devices", "vmSize", "dataDisks", "sshConfiguration", "publicAddress"];
        words.into_iter().filter(|key| self.base.contains_key(*key)).collect()
    }

    fn templates(&self, cx: &Cx) -> Vec<Template> {
        let mut servers: Vec<_> = cx.world.snapshot.file_servers.values().collect();
        servers.sort_by_key(|server| std::cmp::Reverse(server.created));
        let like = |server: &&std::sync::Arc<crate::model::state::FileServer>| Template {
            name: format!("like {}", server.name),
            text: serde_json::to_string_pretty(&Value::Object(body::file_server(&server.spec))).unwrap_or_default(),
        };
        let recipes = [
            ("recipe: a directory all nodes have", "export: dir\npath: /home/shared\n"),
            ("recipe: an export made by ostler", "export: nfs\nhost: storage\npath: /srv/data\nsetUp: true\n"),
        ];
        let recipe = |(name, text): (&str, &str)| Template { name: name.to_owned(), text: text.to_owned() };
        servers.iter().map(like).chain(recipes.into_iter().map(recipe)).collect()
    }
}
