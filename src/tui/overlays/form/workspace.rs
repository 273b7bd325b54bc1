//! The form of a workspace: a new one, or the tags of one that is there.

use std::collections::BTreeMap;

use serde_json::json;

use super::kind::{Complaint, Id, Kind, Known, Row, Shape, Template, TextFault, Values, read_text, typed};
use crate::model::ids::WorkspaceId;
use crate::model::names::{check_name, same_name};
use crate::model::request::Request;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::Field;
use crate::tui::acts;
use crate::tui::cx::Cx;

const NAME: Id = "name";
const GROUP: Id = "group";
const LOCATION: Id = "location";
const TAGS: Id = "tags";

/// The form.
#[derive(Debug)]
pub struct WorkspaceKind {
    /// The group that a new one is made in, when there are several.
    group: Option<String>,
    edited: Option<WorkspaceId>,
}

impl WorkspaceKind {
    /// Returns the form of a new one, or of one that is there.
    pub fn new(group: Option<String>, edited: Option<WorkspaceId>) -> Self {
        Self { group, edited }
    }

    fn tags(values: &Values) -> Result<BTreeMap<String, String>, String> {
        let mut tags = BTreeMap::new();
        for line in typed(values, TAGS).lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=').ok_or_else(|| format!("`{line}` has no `=`; the form is KEY=value"))?;
            if key.trim().is_empty() {
                return Err(format!("`{line}` has no key; the form is KEY=value"));
            }
            if tags.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
                return Err(format!("`{}` is there twice", key.trim()));
            }
        }
        Ok(tags)
    }

    fn parse(&self, text: &str) -> Result<Values, Vec<TextFault>> {
        let edited = self.edited.is_some();
        read_text(text, |doc, faults| {
            let mut fields = Field::root(doc).map(faults)?;
            let mut values = Values::new();
            for (key, id) in [("name", NAME), ("group", GROUP), ("location", LOCATION)] {
                if let Some(text) = fields.take(key).filter(|_| !edited).and_then(|field| field.text(faults)) {
                    values.insert(id, text);
                }
            }
            if let Some(field) = fields.take("tags") {
                let said = field.entries(faults);
                let tags = said.iter().map(|(key, value)| match value.value() {
                    Value::Text(text) | Value::Number(text) => (key.clone(), text.clone()),
                    Value::Null | Value::Bool(..) | Value::List(_) | Value::Map(_) => (key.clone(), String::new()),
                });
                values.insert(TAGS, lines(&tags.collect()));
            }
            fields.finish_strictly(faults);
            Some(values)
        })
    }
}

fn lines(tags: &BTreeMap<String, String>) -> String {
    tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n")
}

impl Kind for WorkspaceKind {
    fn title(&self) -> &'static str {
        if self.edited.is_some() { "Workspace" } else { "New workspace" }
    }

    fn button(&self) -> &'static str {
        if self.edited.is_some() { "[ Apply ]" } else { "[ Create ]" }
    }

    fn rows(&self, _values: &Values) -> Vec<Row> {
        let tags = Row { id: TAGS, shape: Shape::Lines, hint: "one KEY=value a line; may be empty".to_owned(), paths: None };
        if self.edited.is_some() {
            return vec![tags];
        }
        vec![
            Row::line(NAME, "letters, digits, - or _"),
            Row::line(GROUP, "the resource group it is in; empty: the one that is always there"),
            Row::line(LOCATION, "a free label; may be empty"),
            tags,
        ]
    }

    fn first(&self, cx: &Cx) -> (Values, Id) {
        let Some(workspace) = self.edited.and_then(|id| cx.world.workspace(id)) else {
            return (Values::from([(GROUP, self.group.clone().unwrap_or_default())]), NAME);
        };
        (Values::from([(TAGS, lines(&workspace.tags))]), TAGS)
    }

    fn check(&self, values: &Values, cx: &Cx) -> Vec<Complaint> {
        let mut wrong = Vec::new();
        if self.edited.is_none() {
            let (name, group) = (typed(values, NAME), typed(values, GROUP));
            let taken = |w: &std::sync::Arc<crate::model::state::Workspace>| {
                let of = cx.world.group_name(w.group).unwrap_or_default();
                same_name(&w.name, name) && (group.is_empty() || same_name(of, group))
            };
            if let Err(what) = check_name(name) {
                wrong.push((NAME, what));
            } else if cx.world.snapshot.workspaces.values().any(taken) {
                wrong.push((NAME, format!("there is a workspace `{name}` already")));
            }
            let known = |g: &std::sync::Arc<crate::model::state::ResourceGroup>| same_name(&g.name, group);
            if !group.is_empty() && !cx.world.snapshot.groups.values().any(known) && cx.world.is_grouped() {
                wrong.push((GROUP, format!("there is no resource group `{group}`; `:new-group` makes one")));
            }
        }
        wrong.extend(Self::tags(values).err().map(|what| (TAGS, what)));
        wrong
    }

    fn orders(&self, values: &Values, _token: &str, cx: &Cx) -> Result<Vec<Request>, Vec<Complaint>> {
        let wrong = self.check(values, cx);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let tags = Self::tags(values).unwrap_or_default();
        if let Some(workspace) = self.edited.and_then(|id| cx.world.workspace(id)) {
            let gone = workspace.tags.keys().filter(|key| !tags.contains_key(*key)).map(|key| (key.clone(), None));
            let tags = gone.chain(tags.iter().map(|(key, value)| (key.clone(), Some(value.clone())))).collect();
            return Ok(vec![Request::TagWorkspace { workspace: acts::workspace_name(workspace.id, cx), tags }]);
        }
        let (name, group) = (typed(values, NAME), typed(values, GROUP));
        let name = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
        let location = Some(typed(values, LOCATION).to_owned()).filter(|text| !text.is_empty());
        Ok(vec![Request::CreateWorkspace { name, location, tags }])
    }

    fn names(&self, id: Id, _values: &Values, _known: &Known, cx: &Cx) -> Vec<String> {
        match id {
            GROUP => cx.world.snapshot.groups.values().map(|group| group.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    fn text(&self, values: &Values) -> String {
        let tags = match Self::tags(values) {
            Ok(tags) => json!(tags),
            Err(_) => json!(typed(values, TAGS)),
        };
        let whole = match self.edited {
            Some(_) => json!({"tags": tags}),
            None => json!({
                "name": typed(values, NAME), "group": typed(values, GROUP), "location": typed(values, LOCATION), "tags": tags,
            }),
        };
        // A tree of texts always prints.
        serde_json::to_string_pretty(&whole).unwrap_or_default()
    }

    fn read(&mut self, text: &str) -> Result<Values, Vec<TextFault>> {
        self.parse(text)
    }

    fn faults(&self, text: &str) -> Vec<TextFault> {
        self.parse(text).err().unwrap_or_default()
    }

    fn text_is(&self) -> &'static str {
        "a workspace; JSON, YAML or TOML"
    }

    fn templates(&self, cx: &Cx) -> Vec<Template> {
        let like = |w: &std::sync::Arc<crate::model::state::Workspace>| {
            let whole = json!({"location": w.location.clone().unwrap_or_default(), "tags": w.tags});
            Template { name: format!("like {}", w.name), text: serde_json::to_string_pretty(&whole).unwrap_or_default() }
        };
        let mut found: Vec<_> = cx.world.snapshot.workspaces.values().map(like).collect();
        found.reverse();
        found
    }
}
