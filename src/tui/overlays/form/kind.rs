//! What a form is of. [`super::Form`] has the keys, the texts and the picture; a kind knows its fields, what is wrong with
//! what is typed, the text of the whole, and what the core is asked for. Kinds are pure: they look at [`Cx`] and answer.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::job::JobKind;
use super::{cluster::ClusterKind, file_server::FileServerKind, workspace::WorkspaceKind};
use crate::model::fault::Fault;
use crate::model::request::{Reply, Request};
use crate::tui::cx::Cx;
use crate::tui::overlays::{FormOf, Overlay};

/// The word before a field, which is also what it is known by.
pub type Id = &'static str;
/// What is typed or chosen, by field.
pub type Values = BTreeMap<Id, String>;
/// What is wrong with a field.
pub type Complaint = (Id, String);
/// What is wrong with a text, and in which line, from 1.
pub type TextFault = (u32, String);

/// How a field is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By a line of text.
    Line,
    /// By many.
    Lines,
    /// By one of these words.
    Choice(Vec<&'static str>),
}

/// Where the paths of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// On this machine.
    Here,
    /// On the nodes of the cluster that is named in the form.
    Node,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its word.
    pub id: Id,
    /// How it is filled.
    pub shape: Shape,
    /// What may be typed, shown below while it has the keys.
    pub hint: String,
    /// Where paths that are typed there are completed.
    pub paths: Option<Side>,
}

impl Row {
    /// Returns a field of one line.
    pub fn line(id: Id, hint: impl Into<String>) -> Self {
        Self { id, shape: Shape::Line, hint: hint.into(), paths: None }
    }

    /// Returns a field of one of some words.
    pub fn choice(id: Id, words: &[&'static str], hint: impl Into<String>) -> Self {
        Self { id, shape: Shape::Choice(words.to_vec()), hint: hint.into(), paths: None }
    }

    /// Returns the field with its paths on this side.
    pub fn with_paths(self, side: Side) -> Self {
        Self { paths: Some(side), ..self }
    }
}

/// What this machine was asked for while the form is open.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Hosts of the user's ssh configuration.
    pub hosts: Vec<String>,
    /// Node classes of the configuration.
    pub classes: Vec<String>,
}

/// A filled form to begin with.
#[derive(Clone, Debug)]
pub struct Template {
    /// What it is called: `like gpu`, `recipe: two GPUs`.
    pub name: String,
    /// Its text, as [`Kind::read`] takes it.
    pub text: String,
}

/// What a form is of.
pub trait Kind: Debug + Send {
    /// Returns what stands above it: `New job`.
    fn title(&self) -> &'static str;

    /// Returns the word of its button.
    fn button(&self) -> &'static str {
        "[ Create ]"
    }

    /// Returns its fields, in order, as the values so far have them.
    fn rows(&self, values: &Values) -> Vec<Row>;

    /// Returns what it begins with, and the field that has the keys first.
    fn first(&self, cx: &Cx) -> (Values, Id);

    /// Takes over what its beginning holds beside the fields.
    fn begin(&mut self, _cx: &Cx) {}

    /// Returns everything that is wrong, in the order of the fields.
    fn check(&self, values: &Values, cx: &Cx) -> Vec<Complaint>;

    /// Returns what the core is asked for, one after the other; the last one makes it.
    ///
    /// # Errors
    /// As [`Kind::check`].
    fn orders(&self, values: &Values, token: &str, cx: &Cx) -> Result<Vec<Request>, Vec<Complaint>>;

    /// Returns the names that a word of a field can be completed to.
    fn names(&self, id: Id, values: &Values, known: &Known, cx: &Cx) -> Vec<String>;

    /// Returns what a person should know of a field that is not wrong.
    fn note(&self, _id: Id, _values: &Values, _cx: &Cx) -> Option<String> {
        None
    }

    /// Returns the whole as text, what is wrong included.
    fn text(&self, values: &Values) -> String;

    /// Takes a text up.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text.
    fn read(&mut self, text: &str) -> Result<Values, Vec<TextFault>>;

    /// Returns what is wrong with a text, without taking it up.
    fn faults(&self, text: &str) -> Vec<TextFault>;

    /// Returns what the text is, for the line below it.
    fn text_is(&self) -> &'static str;

    /// Returns the names of what is kept and has no field.
    fn kept(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Returns what the core is asked while one types: what it would come to.
    fn look(&self, _values: &Values, _cx: &Cx) -> Option<Request> {
        None
    }

    /// Returns what the answer to [`Kind::look`] says, and whether it is good news.
    fn looked(&self, _reply: &Result<Reply, Fault>, _cx: &Cx) -> Option<(String, bool)> {
        None
    }

    /// Returns a window that shows all that it would come to.
    fn plan(&self, _values: &Values, _cx: &Cx) -> Option<Overlay> {
        None
    }

    /// Returns forms to begin with instead.
    fn templates(&self, cx: &Cx) -> Vec<Template>;

    /// Returns the cluster on whose nodes paths are looked for.
    fn cluster(&self, _values: &Values, _cx: &Cx) -> Option<crate::model::ids::ClusterId> {
        None
    }
}

/// Makes the kind that is asked for.
pub fn kind_of(of: FormOf) -> Box<dyn Kind> {
    match of {
        FormOf::Job(seed) => Box::new(JobKind::new(seed)),
        FormOf::Sweep(seed) => Box::new(JobKind::sweep(seed)),
        FormOf::Cluster { workspace, edited } => Box::new(ClusterKind::new(workspace, edited)),
        FormOf::FileServer { workspace, like } => Box::new(FileServerKind::new(workspace, like)),
        FormOf::Workspace { group, edited } => Box::new(WorkspaceKind::new(group, edited)),
    }
}

/// Returns a field's text without the blanks around it.
pub fn typed(values: &Values, id: Id) -> &str {
    values.get(id).map_or("", |text| text.trim())
}

/// Reads a text of one document, in the language that it looks like: the faults of all its fields, or what `read` makes of it.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn read_text<T>(
    text: &str,
    read: impl FnOnce(&crate::model::spec::doc::Doc, &mut crate::model::spec::fields::Faults) -> Option<T>,
) -> Result<T, Vec<TextFault>> {
    let doc = crate::model::spec::doc::Doc::parse("form", text.as_bytes())
        .map_err(|faults| faults.into_iter().map(|fault| (fault.place.line, fault.to_string())).collect::<Vec<_>>())?;
    let mut faults = crate::model::spec::fields::Faults::default();
    let found = read(&doc, &mut faults);
    let said = || faults.errors.iter().map(|fault| (fault.place.line, fault.to_string())).collect::<Vec<_>>();
    match found.filter(|_| faults.errors.is_empty()) {
        Some(found) => Ok(found),
        None => Err(said()),
    }
}
