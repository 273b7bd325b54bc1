//! The form of a cluster: a new one, or what may change of one that is there (its nodes and its hosts). What is typed becomes
//! the published body, which the reader of files checks: a form is wrong where the same file would be.

use serde_json::{Map, Value, json};

use super::kind::{Complaint, Id, Kind, Known, Row, Shape, Template, TextFault, Values, read_text, typed};
use super::text::number;
use crate::model::ids::{ClusterId, WorkspaceId};
use crate::model::names::{expand_hosts, same_name};
use crate::model::request::{GpuRule, Place, Request, Scale};
use crate::model::spec::cluster::GPU_IDLE_THEN;
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::Faults;
use crate::model::spec::scale_file::DEALLOCATIONS;
use crate::model::spec::{ClusterFile, ClusterSpec, ProviderSpec, ScaleSettings, body, budget_file};
use crate::model::units::NodeCount;
use crate::tui::acts;
use crate::tui::cx::Cx;

const NAME: Id = "name";
const FROM: Id = "nodes from";
const HOSTS: Id = "hosts";
const CLASS: Id = "node class";
const LOGIN: Id = "login node";
const PARTITION: Id = "partition";
const ACCOUNT: Id = "account";
const QOS: Id = "QOS";
const LASTS: Id = "each lasts";
const SCALE: Id = "size";
const TARGET: Id = "target";
const LEAST: Id = "minimum";
const MOST: Id = "maximum";
const IDLE: Id = "idle time";
const GPU_IDLE: Id = "GPU idle";
const GOING: Id = "scale down";
const MOUNTS: Id = "mounts";
const SET_UP: Id = "set-up";
const PRICE: Id = "price";

/// Where nodes come from; what has more to say (`command`, `http`) is kept from the text.
const SOURCES: [&str; 6] = ["hosts", "local", "class", "slurm", "allocations", "as text"];

/// What is asked of Slurm, by the keys of the object `slurm`.
const ASKED: [(&str, Id); 3] = [("partition", PARTITION), ("account", ACCOUNT), ("qos", QOS)];

/// The keys of the body that have a field.
const SHOWN: [&str; 10] = [
    "name",
    "workspace",
    "provider",
    "hosts",
    "vmSize",
    "login",
    "backend",
    "scaleSettings",
    "pricePerNodeHour",
    "allocationTime",
];

/// Forms to begin with that come along: name and text.
const RECIPES: [(&str, &str); 3] = [
    ("recipe: hosts", include_str!("../../../../assets/examples/cluster.yaml")),
    ("recipe: bought by a program", include_str!("../../../../assets/examples/cluster-cloud.yaml")),
    ("recipe: this machine", "provider: local\nscaleSettings:\n  manual:\n    targetNodeCount: 2\n"),
];

/// The form.
#[derive(Debug)]
pub struct ClusterKind {
    workspace: Option<WorkspaceId>,
    edited: Option<ClusterId>,
    /// What the body says that has no field.
    base: Map<String, Value>,
}

impl ClusterKind {
    /// Returns the form of a new one, or of one that is there.
    pub fn new(workspace: Option<WorkspaceId>, edited: Option<ClusterId>) -> Self {
        Self { workspace, edited, base: Map::new() }
    }

    /// Returns the body that is typed, what is wrong with it included.
    fn body(&self, values: &Values) -> Map<String, Value> {
        let mut map = Map::new();
        if self.edited.is_none() {
            map.insert("name".to_owned(), json!(typed(values, NAME)));
        }
        let from = typed(values, FROM);
        match from {
            "hosts" => drop(map.insert("hosts".to_owned(), json!(typed(values, HOSTS)))),
            "local" => drop(map.insert("provider".to_owned(), json!("local"))),
            "slurm" => {
                map.insert("backend".to_owned(), json!("slurm"));
                map.insert("login".to_owned(), json!(typed(values, LOGIN)));
            }
            "allocations" => {
                map.insert("provider".to_owned(), json!("slurm"));
                map.insert("login".to_owned(), json!(typed(values, LOGIN)));
                if !typed(values, LASTS).is_empty() {
                    map.insert("allocationTime".to_owned(), json!(typed(values, LASTS)));
                }
            }
            _ => {}
        }
        let class = typed(values, CLASS);
        if from == "class" || !class.is_empty() {
            map.insert("vmSize".to_owned(), json!(class));
        }
        if from != "slurm" {
            map.insert("scaleSettings".to_owned(), scale(values));
        }
        if !typed(values, PRICE).is_empty() {
            map.insert("pricePerNodeHour".to_owned(), json!(typed(values, PRICE)));
        }
        let mut base = self.base.clone();
        let mut setup = base.remove("nodeSetup").and_then(|v| v.as_object().cloned()).unwrap_or_default();
        put_set_up(&mut setup, typed(values, SET_UP));
        put_mounts(&mut setup, "mountVolumes", typed(values, MOUNTS));
        if is_slurm(from) {
            let mut asked = base.remove("slurm").and_then(|v| v.as_object().cloned()).unwrap_or_default();
            let typed_in = ASKED.iter().filter(|(_, id)| !typed(values, id).is_empty());
            asked.extend(typed_in.map(|(key, id)| ((*key).to_owned(), json!(typed(values, id)))));
            if !asked.is_empty() {
                map.insert("slurm".to_owned(), Value::Object(asked));
            }
        }
        if !setup.is_empty() {
            map.insert("nodeSetup".to_owned(), Value::Object(setup));
        }
        map.extend(base);
        map
    }

    fn file(&self, values: &Values) -> Result<ClusterFile, Vec<Complaint>> {
        let doc = Doc::from(&Value::Object(self.body(values)));
        let mut faults = Faults::default();
        let read = ClusterFile::read(&doc, &mut faults);
        let wrong: Vec<Complaint> = faults.errors.iter().map(|fault| (field_of(&fault.field), fault.what.clone())).collect();
        read.filter(|_| wrong.is_empty()).ok_or(wrong)
    }

    fn place(&self, cx: &Cx) -> Place {
        let cluster = self.edited.and_then(|id| cx.world.cluster(id));
        let workspace = cluster.map(|cluster| cluster.workspace).or(self.workspace);
        Place {
            workspace: workspace.and_then(|id| acts::workspace_name(id, cx)),
            name: cluster.map(|cluster| cluster.name.clone()),
        }
    }

    /// Returns what is to be asked so that a cluster that is there becomes as it is typed.
    fn changes(&self, id: ClusterId, file: &ClusterFile, cx: &Cx) -> Vec<Request> {
        let Some(cluster) = cx.world.cluster(id) else { return Vec::new() };
        let place = self.place(cx);
        let mut requests = Vec::new();
        if let (Some(now), Some(hosts)) = (cluster.spec.provider.hosts(), file.spec.provider.hosts())
            && cluster.spec.slurm.is_none()
        {
            let missing = |these: &[String], those: &[String]| -> Vec<String> {
                these.iter().filter(|host| !those.contains(host)).cloned().collect()
            };
            let (add, remove) = (missing(hosts, now), missing(now, hosts));
            if !add.is_empty() || !remove.is_empty() {
                requests.push(Request::ChangeHosts { cluster: place.clone(), add, remove });
            }
        }
        if cluster.spec.scale_settings != file.spec.scale_settings && cluster.spec.slurm.is_none() {
            requests.push(match &file.spec.scale_settings {
                ScaleSettings::Manual { target_node_count, node_deallocation_option } => Request::Scale(Scale {
                    cluster: place,
                    target: *target_node_count,
                    deallocation: Some(*node_deallocation_option),
                    seen: None,
                }),
                ScaleSettings::AutoScale(auto) => Request::AutoScale {
                    cluster: place,
                    minimum: auto.minimum_node_count,
                    maximum: auto.maximum_node_count,
                    idle: Some(auto.idle),
                    gpu_idle: Some(auto.gpu_idle.map_or(GpuRule::Off, GpuRule::On)),
                },
            });
        }
        requests
    }
}

fn scale(values: &Values) -> Value {
    if typed(values, SCALE) == "follows the work" {
        let mut auto = Map::new();
        auto.insert("minimumNodeCount".to_owned(), number(typed(values, LEAST)));
        auto.insert("maximumNodeCount".to_owned(), number(typed(values, MOST)));
        auto.insert("idleTime".to_owned(), json!(typed(values, IDLE)));
        let mut rule = typed(values, GPU_IDLE).split_whitespace();
        if let Some(after) = rule.next() {
            let then: Vec<&str> = rule.collect();
            let then = if then.is_empty() { "say".to_owned() } else { then.join(" ") };
            auto.insert("gpuIdle".to_owned(), json!({"after": after, "then": then}));
        }
        return json!({"autoScale": auto});
    }
    json!({"manual": {"targetNodeCount": number(typed(values, TARGET)), "nodeDeallocationOption": typed(values, GOING)}})
}

/// Says whether something is asked of Slurm.
fn is_slurm(from: &str) -> bool {
    matches!(from, "slurm" | "allocations")
}

/// Puts the command line of the set-up task into `nodeSetup`, or takes the task away.
fn put_set_up(setup: &mut Map<String, Value>, line: &str) {
    if line.is_empty() {
        setup.remove("setupTask");
        return;
    }
    let task = setup.entry("setupTask").or_insert_with(|| json!({}));
    if let Some(task) = task.as_object_mut() {
        task.insert("commandLine".to_owned(), json!(line));
    }
}

/// Puts mounts of file servers, `SERVER PATH` a line, into a body; other mounts stay.
pub(super) fn put_mounts(body: &mut Map<String, Value>, key: &str, lines: &str) {
    let mut volumes = body.remove(key).and_then(|v| v.as_object().cloned()).unwrap_or_default();
    volumes.remove("fileServers");
    let mounts: Vec<Value> = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (server, path) = line.split_once(char::is_whitespace).unwrap_or((line, line));
            json!({"fileServer": server, "relativeMountPath": path.trim()})
        })
        .collect();
    if !mounts.is_empty() {
        volumes.insert("fileServers".to_owned(), Value::Array(mounts));
    }
    if !volumes.is_empty() {
        body.insert(key.to_owned(), Value::Object(volumes));
    }
}

/// Returns the mounts that fit into a line each, and takes them out of the list.
pub(super) fn take_mounts(volumes: &mut Map<String, Value>) -> String {
    let Some(list) = volumes.get("fileServers").and_then(Value::as_array) else { return String::new() };
    let line = |mount: &Value| {
        let server = mount.get("fileServer")?;
        let name = server.as_str().or_else(|| server.get("id")?.as_str())?;
        let path = mount.get("relativeMountPath")?.as_str()?;
        let plain = mount.as_object()?.len() == 2;
        plain.then(|| if name == path { name.to_owned() } else { format!("{name} {path}") })
    };
    let Some(lines) = list.iter().map(line).collect::<Option<Vec<_>>>() else { return String::new() };
    volumes.remove("fileServers");
    lines.join("\n")
}

/// Returns the field that a key of the body is typed in.
fn field_of(key: &str) -> Id {
    let fields = [
        ("gpuIdle", GPU_IDLE),
        ("hosts", HOSTS),
        ("login", LOGIN),
        ("partition", PARTITION),
        ("account", ACCOUNT),
        ("qos", QOS),
        ("allocationTime", LASTS),
        ("vmSize", CLASS),
        ("targetNodeCount", TARGET),
        ("nodeDeallocationOption", GOING),
        ("minimumNodeCount", LEAST),
        ("autoScale", MOST),
        ("maximumNodeCount", MOST),
        ("idleTime", IDLE),
        ("pricePerNodeHour", PRICE),
        ("setupTask", SET_UP),
        ("mountVolumes", MOUNTS),
        ("scaleSettings", TARGET),
        ("name", NAME),
    ];
    let exact = fields.iter().find(|(word, _)| key.split(['.', '[']).next_back() == Some(word));
    exact.or_else(|| fields.iter().find(|(word, _)| key.contains(word))).map_or(FROM, |(_, id)| *id)
}

/// Returns what stands in the fields of a cluster like this one.
fn values_of(spec: &ClusterSpec) -> (Values, Map<String, Value>) {
    let from = match (&spec.provider, &spec.slurm) {
        (_, Some(_)) => "slurm",
        (ProviderSpec::Hosts { .. }, None) if spec.pool.hosts_file.is_some() => "as text",
        (ProviderSpec::Hosts { .. }, None) => "hosts",
        (ProviderSpec::Local, None) => "local",
        (ProviderSpec::Class, None) => "class",
        (ProviderSpec::Slurm { .. }, None) => "allocations",
        (ProviderSpec::Command { .. } | ProviderSpec::Http { .. }, None) => "as text",
    };
    let mut base = body::cluster(spec);
    // What only the text can say of where nodes come from stays there.
    let shown = |key: &&&str| from != "as text" || !["provider", "hosts"].contains(*key);
    SHOWN.iter().filter(shown).for_each(|key| drop(base.remove(*key)));
    let hosts = spec.provider.hosts().map(|hosts| hosts.join(",")).unwrap_or_default();
    let mut values = Values::from([(FROM, from.to_owned()), (CLASS, spec.vm_size.clone().unwrap_or_default())]);
    values.insert(if from == "slurm" { LOGIN } else { HOSTS }, hosts);
    if let ProviderSpec::Slurm { allocation } = &spec.provider {
        values.insert(LOGIN, allocation.login.clone());
        values.insert(LASTS, allocation.time.map(super::draft::exact).unwrap_or_default());
    }
    if let Some(asked) = base.get_mut("slurm").and_then(Value::as_object_mut) {
        for (key, id) in ASKED {
            let said = asked.remove(key).and_then(|value| value.as_str().map(str::to_owned));
            values.insert(id, said.unwrap_or_default());
        }
        if asked.is_empty() {
            base.remove("slurm");
        }
    }
    let word = |option| DEALLOCATIONS.iter().find(|(_, of)| *of == option).map_or("requeue", |(word, _)| *word);
    match &spec.scale_settings {
        ScaleSettings::Manual { target_node_count, node_deallocation_option } => {
            values.insert(SCALE, "as set".to_owned());
            values.insert(TARGET, target_node_count.to_string());
            values.insert(GOING, word(*node_deallocation_option).to_owned());
        }
        ScaleSettings::AutoScale(auto) => {
            values.insert(SCALE, "follows the work".to_owned());
            values.insert(LEAST, auto.minimum_node_count.to_string());
            values.insert(MOST, auto.maximum_node_count.to_string());
            values.insert(IDLE, super::draft::exact(auto.idle));
            let rule = auto.gpu_idle.map(|rule| {
                let then = GPU_IDLE_THEN.iter().find(|(_, then)| *then == rule.then).map_or("say", |(word, _)| *word);
                format!("{} {then}", super::draft::exact(rule.after))
            });
            values.insert(GPU_IDLE, rule.unwrap_or_default());
        }
    }
    values.insert(PRICE, spec.pool.price_per_node_hour.map(|price| price.to_string()).unwrap_or_default());
    if let Some(setup) = base.get_mut("nodeSetup").and_then(Value::as_object_mut) {
        let line = setup.get("setupTask").and_then(|task| task.get("commandLine")).and_then(Value::as_str);
        values.insert(SET_UP, line.unwrap_or_default().to_owned());
        if let Some(volumes) = setup.get_mut("mountVolumes").and_then(Value::as_object_mut) {
            values.insert(MOUNTS, take_mounts(volumes));
        }
    }
    (values, base)
}

/// What a field holds that nothing was said of.
fn defaults() -> Values {
    Values::from([
        (FROM, "hosts".to_owned()),
        (SCALE, "as set".to_owned()),
        (TARGET, "0".to_owned()),
        (LEAST, "0".to_owned()),
        (MOST, "1".to_owned()),
        (IDLE, "10m".to_owned()),
        (GOING, "requeue".to_owned()),
    ])
}

impl Kind for ClusterKind {
    fn title(&self) -> &'static str {
        if self.edited.is_some() { "Cluster" } else { "New cluster" }
    }

    fn button(&self) -> &'static str {
        if self.edited.is_some() { "[ Apply ]" } else { "[ Create ]" }
    }

    fn rows(&self, values: &Values) -> Vec<Row> {
        let (new, from) = (self.edited.is_none(), typed(values, FROM));
        let many = |id, hint: &str| Row { id, shape: Shape::Lines, hint: hint.to_owned(), paths: None };
        let mut rows = Vec::new();
        if new {
            rows.push(Row::line(NAME, "letters, digits, - or _"));
            let what = match from {
                "hosts" => "machines that `ssh HOST` reaches",
                "local" => "nodes are made of this machine",
                "class" => "a node class of the configuration says where they come from",
                "slurm" => "a login node of Slurm; Slurm places each job",
                "allocations" => "Slurm lends nodes, and ostler places jobs on them: for many small ones",
                _ => "what the text says of `provider`, `hooks` or `api`",
            };
            rows.push(Row::choice(FROM, &SOURCES, format!("{what} · ←→")));
        }
        match from {
            "hosts" => rows.push(Row::line(HOSTS, "in the order in which they are taken: gpu[01-16],ci@big")),
            "slurm" | "allocations" if new => {
                rows.push(Row::line(LOGIN, "the host on which sbatch is"));
                rows.push(Row::line(PARTITION, "of all its jobs; Slurm's default when empty"));
                rows.push(Row::line(ACCOUNT, "the one that is charged; may be empty"));
                rows.push(Row::line(QOS, "the quality of service; may be empty"));
                if from == "allocations" {
                    rows.push(Row::line(LASTS, "an allocation ends after so long: 4h; the partition's limit when empty"));
                }
            }
            _ => {}
        }
        if new && !is_slurm(from) {
            let hint = if from == "class" { "a class of [node_classes]" } else { "a free label; may be empty" };
            rows.push(Row::line(CLASS, hint));
        }
        if from != "slurm" {
            rows.push(Row::choice(SCALE, &["as set", "follows the work"], "how many nodes there are to be · ←→"));
            if typed(values, SCALE) == "follows the work" {
                rows.push(Row::line(LEAST, "never fewer nodes"));
                rows.push(Row::line(MOST, "never more nodes"));
                rows.push(Row::line(IDLE, "a node goes after so long without work: 10m, 1h30m"));
                rows.push(Row::line(GPU_IDLE, "jobs that use no GPU of theirs so long: 30m say, 30m stop"));
            } else {
                rows.push(Row::line(TARGET, "how many nodes; hosts beyond them stay free"));
                let words = DEALLOCATIONS.map(|(word, _)| word);
                rows.push(Row::choice(GOING, &words, "what becomes of jobs on nodes that a smaller target takes · ←→"));
            }
        }
        if new && from != "slurm" {
            rows.push(many(SET_UP, "runs on each node before it takes jobs; may be empty"));
            rows.push(many(MOUNTS, "one FILE-SERVER [PATH] a line, below $AZ_BATCHAI_MOUNT_ROOT"));
        }
        if new {
            rows.push(Row::line(PRICE, "what a node costs in an hour, for budgets; may be empty"));
        }
        rows
    }

    fn first(&self, cx: &Cx) -> (Values, Id) {
        let mut values = defaults();
        match self.edited.and_then(|id| cx.world.cluster(id)) {
            Some(cluster) => {
                values.extend(values_of(&cluster.spec).0);
                let first = if cluster.spec.provider.hosts().is_some() { HOSTS } else { TARGET };
                (values, first)
            }
            None => (values, NAME),
        }
    }

    fn check(&self, values: &Values, cx: &Cx) -> Vec<Complaint> {
        let mut wrong = Vec::new();
        let name = typed(values, NAME);
        if self.edited.is_none() {
            let of = |id: WorkspaceId| cx.world.clusters_of(id).filter_map(|id| cx.world.cluster(id)).collect::<Vec<_>>();
            let there = self.workspace.map(of).unwrap_or_default();
            if there.iter().any(|cluster| same_name(&cluster.name, name)) {
                wrong.push((NAME, format!("there is a cluster `{name}` in this workspace already")));
            }
            // Every fault at once, but not two of one field.
            if let Err(more) = self.file(values) {
                wrong.extend(more);
            }
            if typed(values, FROM) == "class" && typed(values, CLASS).is_empty() {
                wrong.push((CLASS, "which class of nodes?".to_owned()));
            }
        } else if let Err(more) = self.file(values) {
            wrong.extend(more);
        }
        let rows = self.rows(values);
        for (id, _) in &mut wrong {
            // What has no field now is wrong with where nodes come from.
            if !rows.iter().any(|row| row.id == *id) {
                *id = rows[0].id;
            }
        }
        let order = |id: Id| rows.iter().position(|row| row.id == id);
        wrong.sort_by_key(|(id, _)| order(id));
        wrong.dedup_by_key(|(id, _)| *id);
        wrong
    }

    fn orders(&self, values: &Values, _token: &str, cx: &Cx) -> Result<Vec<Request>, Vec<Complaint>> {
        let wrong = self.check(values, cx);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let file = self.file(values)?;
        let place = match self.edited {
            Some(_) => self.place(cx),
            None => Place { name: Some(typed(values, NAME).to_owned()), ..self.place(cx) },
        };
        let budget = file.budget;
        let mut requests = match self.edited {
            Some(id) => self.changes(id, &file, cx),
            None => vec![Request::CreateCluster {
                workspace: place.workspace.clone(),
                name: typed(values, NAME).to_owned(),
                spec: Box::new(file.spec),
            }],
        };
        // What it may spend is said in the text alone.
        requests.extend(budget.map(|budget| Request::SetBudget {
            cluster: Some(place),
            workspace: None,
            budget: Some(budget),
        }));
        Ok(requests)
    }

    fn names(&self, id: Id, _values: &Values, known: &Known, cx: &Cx) -> Vec<String> {
        match id {
            HOSTS | LOGIN => known.hosts.clone(),
            CLASS => known.classes.clone(),
            MOUNTS => {
                let of = |id| cx.world.file_servers_of(id).filter_map(|id| cx.world.file_server(id)).collect::<Vec<_>>();
                self.workspace.map(of).unwrap_or_default().iter().map(|server| server.name.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn note(&self, id: Id, values: &Values, _cx: &Cx) -> Option<String> {
        match id {
            HOSTS => {
                let count = expand_hosts(typed(values, HOSTS)).ok()?.len();
                (count > 1).then(|| format!("{count} hosts"))
            }
            TARGET if typed(values, FROM) == "hosts" => {
                let count = expand_hosts(typed(values, HOSTS)).ok()?.len();
                let target = NodeCount(typed(values, TARGET).parse().ok()?);
                (target.0 as usize > count).then(|| format!("there are {count} hosts: {target} cannot be reached"))
            }
            _ => None,
        }
    }

    fn text(&self, values: &Values) -> String {
        serde_json::to_string_pretty(&Value::Object(self.body(values))).unwrap_or_default()
    }

    fn read(&mut self, text: &str) -> Result<Values, Vec<TextFault>> {
        let file = read_text(text, ClusterFile::read)?;
        let (values, mut base) = values_of(&file.spec);
        base.extend(file.budget.map(|budget| ("budget".to_owned(), budget_file::value(&budget))));
        let mut all = defaults();
        all.extend(values);
        if let Some(name) = file.name {
            all.insert(NAME, name);
        }
        self.base = base;
        Ok(all)
    }

    fn faults(&self, text: &str) -> Vec<TextFault> {
        read_text(text, ClusterFile::read).err().unwrap_or_default()
    }

    fn text_is(&self) -> &'static str {
        "the published body of a cluster; JSON, YAML or TOML"
    }

    fn kept(&self) -> Vec<&'static str> {
        let words = [
            "hooks",
            "api",
            "budget",
            "hostsFile",
            "vmPriority",
            "virtualMachineConfiguration",
            "userAccountSettings",
            "slurm",
        ];
        words.into_iter().filter(|key| self.base.contains_key(*key)).collect()
    }

    fn templates(&self, cx: &Cx) -> Vec<Template> {
        if self.edited.is_some() {
            return Vec::new();
        }
        let mut clusters: Vec<_> = cx.world.snapshot.clusters.values().collect();
        clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.created));
        let like = |cluster: &&std::sync::Arc<crate::model::state::Cluster>| Template {
            name: format!("like {}", cluster.name),
            text: serde_json::to_string_pretty(&Value::Object(body::cluster(&cluster.spec))).unwrap_or_default(),
        };
        let recipe = |(name, text): &(&str, &str)| Template { name: (*name).to_owned(), text: (*text).to_owned() };
        clusters.iter().map(like).chain(RECIPES.iter().map(recipe)).collect()
    }
}
