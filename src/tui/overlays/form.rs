//! Forms: of a job, a sweep, a cluster, a file server, a workspace. What is wrong is said at its field while it is typed; the
//! same thing can be seen and changed as text, here or in `$EDITOR`; a refusal of the core is shown in place. Nothing typed is
//! lost but by a person's word.
//!
//! What a form is of is a [`Kind`] (`form/kind.rs`); `form/paths.rs` completes, `form/template.rs` has what it can begin with.

mod cluster;
mod draft;
mod draw;
mod edit;
mod file_server;
mod job;
mod kind;
mod more;
mod paths;
mod sweeping;
mod template;
mod text;
mod workspace;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::FormOf;
use crate::commands::{Cmd, Code, CommandId, Key, Scope};
use crate::model::fault::Fault;
use crate::model::request::{Reply, Request};
use crate::model::units::UnixMillis;
use crate::tui::cx::Cx;
use crate::tui::here::{Found, Wanted};
use crate::tui::msg::{Asker, Mouse, MouseAct, Ticket};
use crate::tui::pane::{News, Pane, Toast, ToastKind, UiEffect};
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use edit::{Edit, Lines, PASTE_CHARS_MAX};
use kind::{Complaint, Id, Kind, Known, Row, Shape, TextFault, Values, kind_of};
use paths::Paths;
use template::Choosing;

/// Marks the tickets of questions that only look, beside the form's own number.
const LOOK: u64 = 1 << 62;
/// Marks the tickets of questions for names on a node.
const NAMES: u64 = 1 << 61;

/// Where the keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Field(Id),
    Submit,
}

/// The whole as text.
#[derive(Debug)]
struct AsText {
    edit: Edit,
    faults: Vec<TextFault>,
}

/// What the core says it would come to.
#[derive(Debug, Default)]
struct Looked {
    /// A question is under way.
    asked: bool,
    /// What is typed has changed since it was asked.
    stale: bool,
    /// What was asked last, so that the same is not asked again.
    last: Option<Request>,
    /// What was said, and whether it is good news.
    said: Option<(String, bool)>,
}

/// The form.
#[derive(Debug)]
pub struct Form {
    number: u64,
    opened: UnixMillis,
    kind: Box<dyn Kind>,
    edits: BTreeMap<Id, Edit>,
    choices: Values,
    stop: Stop,
    /// Fields that were changed: only these say what is wrong before the first submit.
    touched: BTreeSet<Id>,
    tried: bool,
    text: Option<AsText>,
    complaints: Vec<Complaint>,
    /// What it was filled with, to know whether anything was typed.
    first: Values,
    /// What is still to be asked of the core, while it is being made.
    asked: Option<VecDeque<Request>>,
    looked: Looked,
    known: Known,
    paths: Paths,
    choosing: Option<Choosing>,
    fault: Option<Fault>,
    note: Option<String>,
    leaving: bool,
    /// Counts changes, so that each content has a token of its own.
    revision: u64,
    screen: Rect,
}

impl Form {
    /// Returns the form of something, and what it wants done.
    pub fn new(of: FormOf, number: u64, cx: &Cx) -> (Self, Vec<UiEffect>) {
        let mut kind = kind_of(of);
        let (values, first) = kind.first(cx);
        kind.begin(cx);
        let mut form = Self {
            number,
            opened: cx.now,
            kind,
            edits: BTreeMap::new(),
            choices: Values::new(),
            stop: Stop::Field(first),
            touched: BTreeSet::new(),
            tried: false,
            text: None,
            complaints: Vec::new(),
            first: Values::new(),
            asked: None,
            looked: Looked::default(),
            known: Known::default(),
            paths: Paths::default(),
            choosing: None,
            fault: None,
            note: None,
            leaving: false,
            revision: 0,
            screen: Rect::default(),
        };
        form.fill(values);
        form.first = form.values();
        form.check(cx);
        let mut effects = vec![UiEffect::Here(form.ticket(0), Wanted::Hosts)];
        effects.extend(form.look(cx));
        (form, effects)
    }

    fn ticket(&self, mark: u64) -> Ticket {
        Ticket { from: Asker::Overlay, number: self.number | mark }
    }

    /// Puts values into the fields; those that are not named keep what they hold.
    fn fill(&mut self, values: Values) {
        let mut all = self.values();
        all.extend(values);
        // Fields that another choice brings up are filled too.
        let rows = self.kind.rows(&all);
        self.choices = all.clone();
        for row in &rows {
            self.put(row, all.get(row.id).map_or("", String::as_str));
        }
        let gone: Vec<Id> = self.edits.keys().filter(|id| !rows.iter().any(|row| row.id == **id)).copied().collect();
        for id in gone {
            if let Some(edit) = self.edits.get_mut(id) {
                edit.set(all.get(id).map_or("", String::as_str));
            }
        }
        self.styles();
    }

    fn put(&mut self, row: &Row, text: &str) {
        match &row.shape {
            Shape::Choice(words) => {
                let word = words.iter().find(|word| **word == text).or(words.first());
                self.choices.insert(row.id, word.copied().unwrap_or_default().to_owned());
            }
            Shape::Line => drop(self.edits.insert(row.id, Edit::new(text, Lines::One))),
            Shape::Lines => drop(self.edits.insert(row.id, Edit::new(text, Lines::Many))),
        }
    }

    /// Returns what is typed and chosen.
    fn values(&self) -> Values {
        let mut values = self.choices.clone();
        values.extend(self.edits.iter().map(|(id, edit)| (*id, edit.text())));
        values
    }

    fn rows(&self) -> Vec<Row> {
        self.kind.rows(&self.values())
    }

    fn row(&self, id: Id) -> Option<Row> {
        self.rows().into_iter().find(|row| row.id == id)
    }

    fn check(&mut self, cx: &Cx) {
        self.complaints = self.kind.check(&self.values(), cx);
    }

    /// Something was changed: says at once what is wrong with it.
    fn changed(&mut self, id: Id, cx: &Cx) -> Vec<UiEffect> {
        self.touched.insert(id);
        self.revision += 1;
        self.fault = None;
        self.note = None;
        self.check(cx);
        let mut effects = self.look(cx);
        effects.extend(self.ask_names(cx));
        effects
    }

    /// Asks the core what it would come to; one question at a time, the newest content next.
    fn look(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if self.looked.asked {
            self.looked.stale = true;
            return Vec::new();
        }
        let request = if self.complaints.is_empty() { self.kind.look(&self.values(), cx) } else { None };
        let Some(request) = request else {
            (self.looked.said, self.looked.last) = (None, None);
            return Vec::new();
        };
        if self.looked.last.as_ref() == Some(&request) {
            return Vec::new();
        }
        self.looked = Looked { asked: true, stale: false, last: Some(request.clone()), said: self.looked.said.take() };
        vec![UiEffect::Ask(self.ticket(LOOK), request)]
    }

    fn heard_look(&mut self, reply: &Result<Reply, Fault>, cx: &Cx) -> Vec<UiEffect> {
        self.looked.asked = false;
        self.looked.said = self.kind.looked(reply, cx);
        if std::mem::take(&mut self.looked.stale) { self.look(cx) } else { Vec::new() }
    }

    fn complaint(&self, id: Id) -> Option<&str> {
        let shown = self.tried || self.touched.contains(id);
        let complaint = self.complaints.iter().find(|(of, _)| *of == id);
        complaint.filter(|_| shown).map(|(_, what)| what.as_str())
    }

    fn is_changed(&self) -> bool {
        self.values() != self.first
            || self.text.as_ref().is_some_and(|text| text.edit.text() != self.kind.text(&self.values()))
    }

    /// Returns the stops in order.
    fn stops(&self) -> Vec<Stop> {
        self.rows().into_iter().map(|row| Stop::Field(row.id)).chain([Stop::Submit]).collect()
    }

    fn step(&mut self, by: isize) {
        let stops = self.stops();
        let at = stops.iter().position(|stop| *stop == self.stop).unwrap_or(0);
        self.stop = stops[(at as isize + by).rem_euclid(stops.len() as isize) as usize];
        self.styles();
    }

    fn field(&self) -> Option<Id> {
        match self.stop {
            Stop::Field(id) => Some(id),
            Stop::Submit => None,
        }
    }

    fn edit(&mut self) -> Option<&mut Edit> {
        match &mut self.text {
            Some(text) => Some(&mut text.edit),
            None => match self.stop {
                Stop::Field(id) => self.edits.get_mut(&id),
                Stop::Submit => None,
            },
        }
    }

    /// Shows the caret in the field that has the keys only.
    fn styles(&mut self) {
        let focus = self.field();
        for (id, edit) in &mut self.edits {
            edit.show_caret(focus == Some(*id));
        }
    }

    fn choose(&mut self, id: Id, words: &[&'static str], by: isize, cx: &Cx) -> Vec<UiEffect> {
        let now = self.choices.get(id).map_or("", String::as_str);
        let at = words.iter().position(|word| *word == now).unwrap_or(0) as isize;
        let word = words[(at + by).rem_euclid(words.len() as isize) as usize];
        let values = Values::from([(id, word.to_owned())]);
        self.fill(values);
        self.changed(id, cx)
    }

    fn key_in_form(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let Some(row) = self.field().and_then(|id| self.row(id)) else {
            return (key == Key::plain(Code::Enter)).then(|| self.submit(cx));
        };
        if let Shape::Choice(words) = &row.shape {
            return match key.code {
                Code::Left => Some(self.choose(row.id, words, -1, cx)),
                Code::Right | Code::Char(' ') => Some(self.choose(row.id, words, 1, cx)),
                _ => (key.types().is_some()).then(Vec::new),
            };
        }
        let ghost = if key == Key::plain(Code::Right) { self.completion(&row, cx) } else { None };
        let edit = self.edits.get_mut(&row.id)?;
        if let Some(ghost) = ghost.filter(|_| edit.at_end()) {
            edit.paste(&ghost);
        } else if edit.at_edge(key.code) || !edit.key(key) {
            return None;
        }
        if edit.take_changed() {
            return Some(self.changed(row.id, cx));
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
            text.faults = self.kind.faults(&text.edit.text());
            self.revision += 1;
            self.fault = None;
            self.note = None;
        }
    }

    /// Shows the whole as text, or takes the text back into the fields when it can be read.
    fn toggle_text(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if self.text.is_some() {
            let taken = self.take_text(cx);
            if taken.is_some() {
                self.text = None;
            }
            return taken.unwrap_or_default();
        }
        let text = self.kind.text(&self.values());
        self.show_text(&text);
        Vec::new()
    }

    fn show_text(&mut self, text: &str) {
        let mut edit = Edit::new(text, Lines::Many);
        edit.go_to_top();
        edit.show_caret(true);
        self.text = Some(AsText { edit, faults: self.kind.faults(text) });
        self.note = None;
    }

    /// Brings what the text says into the fields; `None` when it cannot be read, and then the text stays.
    fn take_text(&mut self, cx: &Cx) -> Option<Vec<UiEffect>> {
        let shown_text = self.text.as_mut()?;
        match self.kind.read(&shown_text.edit.text()) {
            Ok(values) => {
                self.fill(values);
                self.touched.extend(self.rows().iter().map(|row| row.id));
                self.check(cx);
                Some(self.look(cx))
            }
            Err(faults) => {
                self.note = faults.first().map(|(line, what)| format!("line {line}: {what}"));
                shown_text.faults = faults;
                None
            }
        }
    }

    fn submit(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if self.asked.is_some() || (self.text.is_some() && self.take_text(cx).is_none()) {
            return Vec::new();
        }
        self.tried = true;
        self.fault = None;
        let token = format!("form-{}-{}-{}", self.opened.0, self.number, self.revision);
        match self.kind.orders(&self.values(), &token, cx) {
            Ok(orders) if orders.is_empty() => {
                self.note = Some("nothing is changed".to_owned());
                Vec::new()
            }
            Ok(orders) => {
                self.asked = Some(orders.into());
                self.next_order()
            }
            Err(_) => {
                self.point_at_fault(cx);
                Vec::new()
            }
        }
    }

    /// Goes to the first field that is wrong.
    fn point_at_fault(&mut self, cx: &Cx) {
        self.tried = true;
        // The text has no place for these: they are shown at their fields.
        self.text = None;
        self.check(cx);
        if let Some((id, _)) = self.complaints.first() {
            self.stop = Stop::Field(id);
        }
        self.styles();
    }

    fn next_order(&mut self) -> Vec<UiEffect> {
        let request = self.asked.as_ref().and_then(VecDeque::front).cloned();
        request.map(|request| UiEffect::Ask(self.ticket(0), request)).into_iter().collect()
    }

    fn answered(&mut self, reply: &Result<Reply, Fault>, cx: &Cx) -> Vec<UiEffect> {
        let Some(mut left) = self.asked.take() else { return Vec::new() };
        let done = left.pop_front();
        let fault = match reply {
            Err(fault) | Ok(Reply::Refused(fault)) => fault,
            Ok(_) if !left.is_empty() => {
                self.asked = Some(left);
                return self.next_order();
            }
            Ok(reply) => {
                let line = done.and_then(|request| crate::tui::equivalent::line(&request, &cx.world));
                let mut effects = vec![UiEffect::Close];
                effects.extend(line.map(UiEffect::Speak));
                effects.extend(made(reply));
                return effects;
            }
        };
        self.fault = Some(fault.clone());
        Vec::new()
    }

    fn show_plan(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if self.text.is_some() && self.take_text(cx).is_none() {
            return Vec::new();
        }
        match self.kind.plan(&self.values(), cx) {
            Some(plan) => vec![UiEffect::Open(plan)],
            None => {
                self.point_at_fault(cx);
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
            self.stop = Stop::Field(row.id);
            self.styles();
        }
        Vec::new()
    }

    fn heard_here(&mut self, found: &Result<Found, Fault>, cx: &Cx) -> Vec<UiEffect> {
        match found {
            Ok(Found::Hosts { hosts, classes }) => {
                self.known = Known { hosts: hosts.clone(), classes: classes.clone() };
            }
            Ok(Found::Folder { of, names }) => {
                self.paths.heard(kind::Side::Here, of, names.clone());
                return self.ask_names(cx);
            }
            Ok(Found::File { text, .. }) => return self.begin_with(text, cx),
            Err(fault) => {
                self.paths.nothing();
                if let Some(choosing) = &mut self.choosing {
                    choosing.wrong = Some(fault.message.clone());
                }
            }
        }
        Vec::new()
    }
}

/// Returns what is done with what was made.
fn made(reply: &Reply) -> Vec<UiEffect> {
    let say = |text: String| UiEffect::Toast(Toast { kind: ToastKind::Info, text });
    match reply {
        Reply::Submitted(jobs) => {
            let of = |job: &std::sync::Arc<crate::model::state::Job>| {
                [say(format!("{} submitted", shown(&job.name))), UiEffect::Go(Subject::Job(job.id))]
            };
            jobs.iter().flat_map(of).collect()
        }
        Reply::SubmittedArray { first, jobs } => {
            vec![say(format!("{} jobs submitted", jobs.len())), UiEffect::Go(Subject::Job(first.id))]
        }
        Reply::Sweep(view) => {
            let text = format!("sweep {} of {} jobs", shown(&view.sweep.name), view.sweep.count());
            vec![say(text), UiEffect::Go(Subject::Experiment(view.sweep.experiment))]
        }
        Reply::Accepted { note } => note.iter().map(|note| say(shown(note))).collect(),
        other => crate::tui::acts::answered(Ok(other.clone())),
    }
}

impl Pane for Form {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        if self.choosing.is_some() {
            return self.on_choosing(cmd, cx);
        }
        match cmd.id {
            CommandId::Cancel => return self.leave(),
            CommandId::FormNext => self.step(1),
            CommandId::FormPrev => self.step(-1),
            CommandId::FormSubmit => return self.submit(cx),
            CommandId::FormText => return self.toggle_text(cx),
            CommandId::FormPlan => return self.show_plan(cx),
            CommandId::FormTemplate => self.choose_template(cx),
            CommandId::FormEditor => {
                let values = self.values();
                let text = self.text.as_ref().map_or_else(|| self.kind.text(&values), |text| text.edit.text());
                return vec![UiEffect::Edit { ticket: self.ticket(0), text, suffix: ".json" }];
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
        if self.choosing.is_some() {
            return self.key_in_choosing(key, cx);
        }
        let bound = cx.keymap.lookup(Scope::Form, key).map(|cmd| cmd.id);
        let form_only = matches!(bound, Some(CommandId::FormNext | CommandId::FormPrev));
        if bound.is_some() && (!form_only || key.code == Code::Tab && self.text.is_none()) {
            return None;
        }
        if self.text.is_some() { self.key_in_text(key) } else { self.key_in_form(key, cx) }
    }

    fn paste(&mut self, text: &str, cx: &Cx) -> Option<Vec<UiEffect>> {
        if let Some(choosing) = &mut self.choosing {
            choosing.paste(text);
            return Some(Vec::new());
        }
        let left_out = self.edit()?.paste(text);
        let effects = match (self.text.is_some(), self.field()) {
            (true, _) => {
                self.text_changed();
                Vec::new()
            }
            (false, Some(id)) => self.changed(id, cx),
            (false, None) => Vec::new(),
        };
        if left_out > 0 {
            self.note = Some(format!("a paste may have {PASTE_CHARS_MAX} characters; {left_out} were left out"));
        }
        Some(effects)
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        match news {
            News::Reply(number, reply) if *number == self.number => self.answered(reply, cx),
            News::Reply(number, reply) if *number == self.number | LOOK => self.heard_look(reply, cx),
            News::Reply(number, reply) if *number == self.number | NAMES => self.heard_names(reply, cx),
            News::Here(number, found) if *number == self.number => self.heard_here(found, cx),
            News::Edited(number, text) if *number == self.number => {
                self.show_text(text);
                self.revision += 1;
                let taken = self.take_text(cx);
                if taken.is_some() {
                    self.text = None;
                }
                taken.unwrap_or_default()
            }
            News::Changed => {
                self.check(cx);
                Vec::new()
            }
            News::Reply(..)
            | News::Here(..)
            | News::Edited(..)
            | News::Selected(_)
            | News::Delta(..)
            | News::Task(..)
            | News::Called(..)
            | News::Tick => Vec::new(),
        }
    }

    fn mouse(&mut self, mouse: Mouse, cx: &Cx) -> Vec<UiEffect> {
        let moves = self.text.is_none() && self.choosing.is_none();
        match mouse.act {
            MouseAct::Lift if self.choosing.is_none() => return self.press(Position { x: mouse.x, y: mouse.y }, cx),
            MouseAct::WheelDown if moves => self.step(1),
            MouseAct::WheelUp if moves => self.step(-1),
            MouseAct::WheelDown | MouseAct::WheelUp | MouseAct::Press => {}
            MouseAct::Lift | MouseAct::Drag | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        self.screen = area;
        if let Some(choosing) = &mut self.choosing {
            choosing.fit(area);
        }
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        draw::draw(self, cx, area, buf);
        if let Some(choosing) = &self.choosing {
            choosing.draw(cx, area, buf);
        }
    }

    fn caret(&self, _cx: &Cx, area: Rect) -> Option<Position> {
        self.choosing.as_ref().map(|choosing| choosing.caret(area))
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        use CommandId as C;
        if self.choosing.is_some() {
            return vec![C::Accept, C::LineDown, C::LineComplete, C::Cancel];
        }
        match &self.text {
            Some(_) => vec![C::FormSubmit, C::FormText, C::FormEditor, C::Cancel, C::FormPlan],
            None => vec![C::FormNext, C::FormSubmit, C::FormText, C::FormTemplate, C::FormEditor, C::Cancel, C::FormPlan],
        }
    }

    fn scope(&self) -> Scope {
        if self.choosing.is_some() { Scope::Line } else { Scope::Form }
    }
}
