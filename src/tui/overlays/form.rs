//! The form of a new job. What is wrong is said at its field while it is typed; the same job can be seen and changed as text,
//! here or in `$EDITOR`; a refusal of the core is shown in place. Nothing typed is lost but by a person's word.
//!
//! What the texts come to is `form/draft.rs`, the text of the whole is `form/text.rs`.

mod draft;
mod draw;
mod edit;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{FormSeed, Overlay};
use crate::commands::{Cmd, Code, CommandId, Key, Scope};
use crate::model::fault::Fault;
use crate::model::ids::ExperimentId;
use crate::model::names::same_name;
use crate::model::request::{Place, Reply, Request, Submit};
use crate::model::spec::ToolKind;
use crate::model::spec::toolkit::Counting;
use crate::model::units::UnixMillis;
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Mouse, MouseAct, Ticket};
use crate::tui::pane::{News, Pane, Toast, ToastKind, UiEffect};
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use draft::{Complaint, Draft, Field, Filled, PRIORITIES, Rest, Surroundings};
use edit::{Edit, Lines, PASTE_CHARS_MAX};
use text::TextFault;

/// Where the keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Field(Field),
    Submit,
}

/// The job as text.
#[derive(Debug)]
struct AsText {
    edit: Edit,
    faults: Vec<TextFault>,
}

/// What was asked of the core.
#[derive(Debug)]
enum Asked {
    /// To make the experiment; the job follows.
    Experiment(Box<Submit>),
    /// To take the job.
    Job,
}

/// The form.
#[derive(Debug)]
pub struct Form {
    number: u64,
    opened: UnixMillis,
    workspace: Option<String>,
    edits: BTreeMap<Field, Edit>,
    kind: ToolKind,
    priority: crate::model::spec::Priority,
    rest: Rest,
    stop: Stop,
    /// Fields that were changed: only these say what is wrong before the first submit.
    touched: BTreeSet<Field>,
    tried: bool,
    text: Option<AsText>,
    complaints: Vec<Complaint>,
    /// What it was filled with, to know whether anything was typed.
    first: Draft,
    asked: Option<Asked>,
    fault: Option<Fault>,
    note: Option<String>,
    leaving: bool,
    /// Counts changes, so that each content has a token of its own.
    revision: u64,
    screen: Rect,
}

impl Form {
    /// Returns a form filled from `seed`, and what it wants done.
    pub fn new(seed: FormSeed, number: u64, cx: &Cx) -> (Self, Vec<UiEffect>) {
        let mut draft = match &seed.spec {
            Some(spec) => Draft::of(spec),
            None => Draft::first(String::new()),
        };
        draft.cluster = seed.cluster.name.unwrap_or(draft.cluster);
        draft.experiment = seed.experiment.name.unwrap_or_default();
        let stop = if draft.experiment.is_empty() { Field::Experiment } else { Field::Command };
        let mut form = Self {
            number,
            opened: cx.now,
            workspace: seed.experiment.workspace.or(seed.cluster.workspace),
            edits: BTreeMap::new(),
            kind: draft.kind,
            priority: draft.priority,
            rest: draft.rest.clone(),
            stop: Stop::Field(stop),
            touched: BTreeSet::new(),
            tried: false,
            text: None,
            complaints: Vec::new(),
            first: draft.clone(),
            asked: None,
            fault: None,
            note: None,
            leaving: false,
            revision: 0,
            screen: Rect::default(),
        };
        form.fill(&draft);
        form.check(cx);
        (form, Vec::new())
    }

    fn fill(&mut self, draft: &Draft) {
        let texts = [
            (Field::Experiment, &draft.experiment),
            (Field::Name, &draft.name),
            (Field::Cluster, &draft.cluster),
            (Field::Nodes, &draft.nodes),
            (Field::Processes, &draft.processes),
            (Field::Command, &draft.command),
            (Field::Preparation, &draft.preparation),
            (Field::Environment, &draft.environment),
            (Field::Limit, &draft.limit),
        ];
        for (field, text) in texts {
            let lines = if field.many_lines() { Lines::Many } else { Lines::One };
            self.edits.insert(field, Edit::new(text, lines));
        }
        self.kind = draft.kind;
        self.priority = draft.priority;
        self.rest = draft.rest.clone();
        self.styles();
    }

    fn draft(&self) -> Draft {
        let text = |field: Field| self.edits.get(&field).map(Edit::text).unwrap_or_default();
        Draft {
            experiment: text(Field::Experiment),
            name: text(Field::Name),
            cluster: text(Field::Cluster),
            nodes: text(Field::Nodes),
            kind: self.kind,
            processes: text(Field::Processes),
            command: text(Field::Command),
            preparation: text(Field::Preparation),
            environment: text(Field::Environment),
            limit: text(Field::Limit),
            priority: self.priority,
            rest: self.rest.clone(),
        }
    }

    fn with_surroundings<T>(&self, cx: &Cx, act: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let world = &cx.world;
        let named = |name: &str| world.snapshot.workspaces.values().find(|w| same_name(&w.name, name)).map(|w| w.id);
        let only = || world.snapshot.workspaces.keys().next().copied();
        let workspace = self.workspace.as_deref().map_or_else(only, named);
        let clusters = workspace.into_iter().flat_map(|id| world.clusters_of(id)).filter_map(|id| world.cluster(id));
        let clusters = clusters.map(|c| (c.name.clone(), c.spec.scale_settings.target())).collect();
        let ids: Vec<ExperimentId> = workspace.into_iter().flat_map(|id| world.experiments_of(id)).collect();
        let experiments = ids.iter().filter_map(|id| world.experiment(*id)).map(|e| e.name.clone()).collect();
        let taken = |experiment: &str, name: &str| {
            let id = ids.iter().find(|id| world.experiment(**id).is_some_and(|e| same_name(&e.name, experiment)))?;
            let mut jobs = world.jobs_of(*id).iter().rev().filter_map(|id| world.job(*id));
            jobs.find(|job| same_name(&job.name, name)).map(|job| job.name.clone())
        };
        act(&Surroundings { clusters, experiments, taken: &taken })
    }

    fn check(&mut self, cx: &Cx) {
        let draft = self.draft();
        self.complaints = self.with_surroundings(cx, |around| draft.check(around)).err().unwrap_or_default();
    }

    /// Something was changed: says at once what is wrong with it.
    fn changed(&mut self, field: Field, cx: &Cx) {
        self.touched.insert(field);
        self.revision += 1;
        self.fault = None;
        self.note = None;
        self.check(cx);
    }

    fn complaint(&self, field: Field) -> Option<&str> {
        let shown = self.tried || self.touched.contains(&field);
        let complaint = self.complaints.iter().find(|(of, _)| *of == field);
        complaint.filter(|_| shown).map(|(_, what)| what.as_str())
    }

    fn is_changed(&self) -> bool {
        self.draft() != self.first || self.text.as_ref().is_some_and(|text| text.edit.text() != text::to_text(&self.draft()))
    }

    /// Returns the stops in order; the number of processes is one of kinds that count them.
    fn stops(&self) -> Vec<Stop> {
        let fields =
            Field::ALL.into_iter().filter(|field| *field != Field::Processes || self.kind.counting() != Counting::Fixed);
        fields.map(Stop::Field).chain([Stop::Submit]).collect()
    }

    fn step(&mut self, by: isize) {
        let stops = self.stops();
        let at = stops.iter().position(|stop| *stop == self.stop).unwrap_or(0);
        self.stop = stops[(at as isize + by).rem_euclid(stops.len() as isize) as usize];
        self.styles();
    }

    fn field(&self) -> Option<Field> {
        match self.stop {
            Stop::Field(field) => Some(field),
            Stop::Submit => None,
        }
    }

    fn edit(&mut self) -> Option<&mut Edit> {
        match &mut self.text {
            Some(text) => Some(&mut text.edit),
            None => match self.stop {
                Stop::Field(field) => self.edits.get_mut(&field),
                Stop::Submit => None,
            },
        }
    }

    /// Shows the caret in the field that has the keys only.
    fn styles(&mut self) {
        let focus = self.field();
        for (field, edit) in &mut self.edits {
            edit.show_caret(focus == Some(*field));
        }
    }

    fn choose(&mut self, field: Field, by: isize, cx: &Cx) {
        match field {
            Field::Kind => {
                let at = ToolKind::ALL.iter().position(|kind| *kind == self.kind).unwrap_or(0) as isize;
                self.kind = ToolKind::ALL[(at + by).rem_euclid(ToolKind::ALL.len() as isize) as usize];
            }
            Field::Priority => {
                let at = PRIORITIES.iter().position(|(_, p)| *p == self.priority).unwrap_or(1) as isize;
                self.priority = PRIORITIES[(at + by).rem_euclid(PRIORITIES.len() as isize) as usize].1;
            }
            Field::Experiment | Field::Name | Field::Cluster | Field::Nodes | Field::Processes => return,
            Field::Command | Field::Preparation | Field::Environment | Field::Limit => return,
        }
        self.changed(field, cx);
    }

    /// Returns how the name that is being typed may go on, when exactly that is known.
    fn completion(&self, field: Field, cx: &Cx) -> Option<String> {
        let typed = self.edits.get(&field)?.text();
        self.with_surroundings(cx, |around| {
            let names = around.names(field);
            let begins =
                |name: &&str| name.len() > typed.len() && name.get(..typed.len()).is_some_and(|n| same_name(n, &typed));
            let name = names.into_iter().find(begins).filter(|_| !typed.is_empty())?;
            Some(name[typed.len()..].to_owned())
        })
    }

    fn key_in_form(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let Some(field) = self.field() else {
            return (key == Key::plain(Code::Enter)).then(|| self.submit(cx));
        };
        if matches!(field, Field::Kind | Field::Priority) {
            match key.code {
                Code::Left => self.choose(field, -1, cx),
                Code::Right | Code::Char(' ') => self.choose(field, 1, cx),
                _ => return (key.types().is_some()).then(Vec::new),
            }
            return Some(Vec::new());
        }
        let ghost = if key == Key::plain(Code::Right) { self.completion(field, cx) } else { None };
        let edit = self.edits.get_mut(&field)?;
        if let Some(ghost) = ghost.filter(|_| edit.at_end()) {
            edit.paste(&ghost);
        } else if edit.at_edge(key.code) || !edit.key(key) {
            return None;
        }
        if edit.take_changed() {
            self.changed(field, cx);
        }
        Some(Vec::new())
    }

    fn key_in_text(&mut self, key: Key) -> Option<Vec<UiEffect>> {
        let text = self.text.as_mut()?;
        let taken = if key.code == Code::Tab {
            text.edit.paste("  ");
            true
        } else {
            text.edit.key(key)
        };
        if taken {
            self.text_changed();
        }
        taken.then(Vec::new)
    }

    fn text_changed(&mut self) {
        if let Some(text) = &mut self.text
            && text.edit.take_changed()
        {
            text.faults = text::from_text(&text.edit.text()).err().unwrap_or_default();
            self.revision += 1;
            self.fault = None;
            self.note = None;
        }
    }

    /// Shows the job as text, or takes the text back into the fields when it can be read.
    fn toggle_text(&mut self, cx: &Cx) {
        if self.text.is_some() {
            if self.take_text(cx).is_some() {
                self.text = None;
            }
            return;
        }
        self.show_text(&text::to_text(&self.draft()));
    }

    fn show_text(&mut self, text: &str) {
        let mut edit = Edit::new(text, Lines::Many);
        edit.go_to_top();
        edit.show_caret(true);
        self.text = Some(AsText { edit, faults: text::from_text(text).err().unwrap_or_default() });
        self.note = None;
    }

    /// Brings what the text says into the fields; `None` when it cannot be read, and then the text stays.
    fn take_text(&mut self, cx: &Cx) -> Option<()> {
        let shown_text = self.text.as_mut()?;
        match text::from_text(&shown_text.edit.text()) {
            Ok(draft) => {
                self.fill(&draft);
                self.touched.extend(Field::ALL);
                self.check(cx);
                Some(())
            }
            Err(faults) => {
                self.note = faults.first().map(|(line, what)| format!("line {line}: {what}"));
                shown_text.faults = faults;
                None
            }
        }
    }

    fn submit(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if self.asked.is_some() {
            return Vec::new();
        }
        match self.ready(cx) {
            Some(filled) => self.send(filled),
            None => Vec::new(),
        }
    }

    /// Returns what would be submitted; what keeps it from that is shown at its field.
    fn ready(&mut self, cx: &Cx) -> Option<Filled> {
        if self.text.is_some() && self.take_text(cx).is_none() {
            return None;
        }
        self.tried = true;
        self.fault = None;
        let draft = self.draft();
        match self.with_surroundings(cx, |around| draft.check(around)) {
            Ok(filled) => Some(filled),
            Err(complaints) => {
                // The text has no place for these: they are shown at their fields.
                self.text = None;
                if let Some((field, _)) = complaints.first() {
                    self.stop = Stop::Field(*field);
                }
                self.complaints = complaints;
                self.styles();
                None
            }
        }
    }

    fn show_plan(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let Some(filled) = self.ready(cx) else { return Vec::new() };
        let submit = Submit { token: None, ..self.submission(filled) };
        vec![UiEffect::Open(Overlay::Plan(Box::new(submit)))]
    }

    fn submission(&self, filled: Filled) -> Submit {
        let cluster = Place { workspace: self.workspace.clone(), name: filled.spec.cluster.clone() };
        Submit {
            experiment: Place { workspace: self.workspace.clone(), name: Some(filled.experiment) },
            cluster,
            name: filled.name,
            spec: filled.spec,
            token: Some(format!("form-{}-{}-{}", self.opened.0, self.number, self.revision)),
        }
    }

    fn send(&mut self, filled: Filled) -> Vec<UiEffect> {
        let new_experiment = filled.new_experiment.then(|| filled.experiment.clone());
        let submit = Box::new(self.submission(filled));
        let request = if let Some(name) = new_experiment {
            let workspace = self.workspace.clone();
            self.asked = Some(Asked::Experiment(submit));
            Request::CreateExperiment { workspace, name }
        } else {
            self.asked = Some(Asked::Job);
            Request::Submit(submit)
        };
        vec![self.ask(request)]
    }

    fn ask(&self, request: Request) -> UiEffect {
        UiEffect::Ask(Ticket { from: Asker::Overlay, number: self.number }, request)
    }

    fn answered(&mut self, reply: &Result<Reply, Fault>) -> Vec<UiEffect> {
        match (self.asked.take(), reply) {
            (None, _) => Vec::new(),
            (Some(Asked::Experiment(submit)), Ok(_)) => {
                self.asked = Some(Asked::Job);
                vec![self.ask(Request::Submit(submit))]
            }
            (Some(Asked::Job), Ok(Reply::Submitted(jobs))) => {
                let mut effects = vec![UiEffect::Close];
                for job in jobs {
                    let text = format!("{} submitted", shown(&job.name));
                    effects.push(UiEffect::Toast(Toast { kind: ToastKind::Info, text }));
                    effects.push(UiEffect::Go(Subject::Job(job.id)));
                }
                effects
            }
            (Some(Asked::Job), Ok(_)) => {
                self.fault = Some(Fault::internal("the core answered something else"));
                Vec::new()
            }
            (Some(_), Err(fault)) => {
                self.fault = Some(fault.clone());
                Vec::new()
            }
        }
    }

    fn leave(&mut self) -> Vec<UiEffect> {
        if self.leaving || !self.is_changed() {
            return vec![UiEffect::Close];
        }
        self.leaving = true;
        Vec::new()
    }

    fn press(&mut self, at: Position, cx: &Cx) -> Vec<UiEffect> {
        let plan = draw::plan(self, self.screen);
        if self.text.is_some() || !plan.inside.contains(at) {
            return Vec::new();
        }
        if plan.button.contains(at) {
            self.stop = Stop::Submit;
            self.styles();
            return self.submit(cx);
        }
        if let Some(row) = plan.rows.iter().find(|row| row.area.contains(at)) {
            self.stop = Stop::Field(row.field);
            self.styles();
        }
        Vec::new()
    }
}

impl Pane for Form {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => return self.leave(),
            CommandId::FormNext => self.step(1),
            CommandId::FormPrev => self.step(-1),
            CommandId::FormSubmit => return self.submit(cx),
            CommandId::FormText => self.toggle_text(cx),
            CommandId::FormPlan => return self.show_plan(cx),
            CommandId::FormEditor => {
                let text = self.text.as_ref().map_or_else(|| text::to_text(&self.draft()), |text| text.edit.text());
                let ticket = Ticket { from: Asker::Overlay, number: self.number };
                return vec![UiEffect::Edit { ticket, text, suffix: ".json" }];
            }
            _ => {}
        }
        Vec::new()
    }

    fn key(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        if std::mem::take(&mut self.leaving) {
            // Any key but yes stays, and does nothing else.
            return Some(if key.types() == Some('y') { vec![UiEffect::Close] } else { Vec::new() });
        }
        let bound = cx.keymap.lookup(Scope::Form, key).map(|cmd| cmd.id);
        let form_only = matches!(bound, Some(CommandId::FormNext | CommandId::FormPrev));
        if bound.is_some() && (!form_only || key.code == Code::Tab && self.text.is_none()) {
            return None;
        }
        if self.text.is_some() { self.key_in_text(key) } else { self.key_in_form(key, cx) }
    }

    fn paste(&mut self, text: &str, cx: &Cx) -> Option<Vec<UiEffect>> {
        let left_out = self.edit()?.paste(text);
        match (self.text.is_some(), self.field()) {
            (true, _) => self.text_changed(),
            (false, Some(field)) => self.changed(field, cx),
            (false, None) => {}
        }
        if left_out > 0 {
            self.note = Some(format!("a paste may have {PASTE_CHARS_MAX} characters; {left_out} were left out"));
        }
        Some(Vec::new())
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        match news {
            News::Reply(number, reply) if *number == self.number => self.answered(reply),
            News::Edited(number, text) if *number == self.number => {
                self.show_text(text);
                self.revision += 1;
                if self.take_text(cx).is_some() {
                    self.text = None;
                }
                Vec::new()
            }
            News::Changed => {
                self.check(cx);
                Vec::new()
            }
            News::Reply(..)
            | News::Edited(..)
            | News::Selected(_)
            | News::Delta(..)
            | News::Task(..)
            | News::Called(..)
            | News::Tick => Vec::new(),
        }
    }

    fn mouse(&mut self, mouse: Mouse, cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::Lift => return self.press(Position { x: mouse.x, y: mouse.y }, cx),
            MouseAct::WheelDown if self.text.is_none() => self.step(1),
            MouseAct::WheelUp if self.text.is_none() => self.step(-1),
            MouseAct::WheelDown | MouseAct::WheelUp | MouseAct::Press | MouseAct::Drag | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        self.screen = area;
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        draw::draw(self, cx, area, buf);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        use CommandId as C;
        match &self.text {
            Some(_) => vec![C::FormSubmit, C::FormText, C::FormEditor, C::Cancel, C::FormPlan],
            None => vec![C::FormNext, C::FormSubmit, C::FormText, C::FormEditor, C::Cancel, C::FormPlan],
        }
    }

    fn scope(&self) -> Scope {
        Scope::Form
    }
}
