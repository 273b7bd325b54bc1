//! What a form can begin with instead: like one that is there, from a file, from a recipe. A list over the form; what is typed
//! narrows it, and a path (`./job.yaml`) names a file of this side.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::Form;
use super::kind::{Template, Values};
use crate::commands::{Cmd, CommandId, Key};
use crate::tui::cx::Cx;
use crate::tui::here::Wanted;
use crate::tui::overlays::pick::Pick;
use crate::tui::overlays::{panel, panel_inside};
use crate::tui::pane::UiEffect;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::input::Input;

/// As many of those that are there are offered: the newest ones.
pub const LIKE_MAX: usize = 30;
/// As many sweeps: each is read out of all its members.
pub const SWEEPS_MAX: usize = 5;
/// The inside of the list.
const SIZE: (u16, u16) = (60, 14);
/// Before what is typed.
const LABEL: &str = "begin with ";

/// The list.
#[derive(Debug)]
pub struct Choosing {
    all: Vec<Template>,
    shown: Vec<usize>,
    typed: Input,
    pick: Pick,
    /// Why a file cannot be read.
    pub wrong: Option<String>,
}

impl Choosing {
    fn new(all: Vec<Template>) -> Self {
        let mut choosing = Self { all, shown: Vec::new(), typed: Input::default(), pick: Pick::default(), wrong: None };
        choosing.narrow();
        choosing
    }

    fn narrow(&mut self) {
        let typed = self.typed.text().to_lowercase();
        let fits = |template: &Template| typed.split_whitespace().all(|word| template.name.to_lowercase().contains(word));
        self.shown = (0..self.all.len()).filter(|at| fits(&self.all[*at])).collect();
        self.pick.at = 0;
        self.pick.fit(self.shown.len(), usize::from(SIZE.1) - 3);
        self.wrong = None;
    }

    /// Returns what is typed.
    pub fn typed(&self) -> &str {
        self.typed.text()
    }

    /// Puts pasted text in.
    pub fn paste(&mut self, text: &str) {
        self.typed.set(format!("{}{}", self.typed.text(), text.lines().next().unwrap_or_default()));
        self.narrow();
    }

    /// Learns how much room there is.
    pub fn fit(&mut self, screen: Rect) {
        let inside = panel_inside(SIZE, screen);
        self.pick.fit(self.shown.len(), usize::from(inside.height.saturating_sub(3)));
    }

    /// Returns where the terminal's cursor belongs.
    pub fn caret(&self, screen: Rect) -> Position {
        let inside = panel_inside(SIZE, screen);
        let label = LABEL.len() as u16;
        self.typed.caret(Rect { x: inside.x + label, width: inside.width.saturating_sub(label), height: 1, ..inside })
    }

    /// Draws the list.
    pub fn draw(&self, cx: &Cx, screen: Rect, buf: &mut Buffer) {
        let inside = panel(Line::from(" Begin with "), SIZE, screen, cx, buf);
        let width = usize::from(inside.width);
        buf.set_stringn(inside.x, inside.y, LABEL, width, cx.style(Role::Muted));
        let label = LABEL.len() as u16;
        let field = Rect { x: inside.x + label, width: inside.width.saturating_sub(label), height: 1, ..inside };
        self.typed.draw(cx, field, buf);
        let rows = Rect { y: inside.y + 2, height: inside.height.saturating_sub(3), ..inside };
        for (y, at) in (rows.y..rows.bottom()).zip(self.pick.shown()) {
            let style = if at == self.pick.at { cx.style(Role::Choice) } else { cx.style(Role::Text) };
            let name = &self.all[self.shown[at]].name;
            buf.set_stringn(rows.x, y, format!("{:<width$}", shown(name)), width, style);
        }
        let last = inside.bottom().saturating_sub(1);
        let (text, role) = match &self.wrong {
            Some(wrong) => (shown(wrong), Role::Bad),
            None if self.shown.is_empty() => ("Enter reads the file of that path".to_owned(), Role::Muted),
            None => ("a path, as ./job.yaml, reads a file; Tab completes it".to_owned(), Role::Muted),
        };
        buf.set_stringn(inside.x, last, text, width, cx.style(role));
    }
}

impl Form {
    pub(super) fn choose_template(&mut self, cx: &Cx) {
        let mut choosing = Choosing::new(self.kind.templates(cx));
        choosing.fit(self.screen);
        self.choosing = Some(choosing);
    }

    pub(super) fn on_choosing(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        let Some(choosing) = &mut self.choosing else { return Vec::new() };
        match cmd.id {
            CommandId::Cancel => self.choosing = None,
            CommandId::Accept => return self.take_template(cx),
            CommandId::LineComplete => {
                let typed = choosing.typed().to_owned();
                let rest = self.files_here(&typed).into_iter().next();
                if let (Some(rest), Some(choosing)) = (rest, &mut self.choosing) {
                    choosing.typed.set(format!("{typed}{rest}"));
                    choosing.narrow();
                }
                return self.ask_names(cx);
            }
            _ => drop(choosing.pick.on(cmd)),
        }
        self.ask_names(cx)
    }

    pub(super) fn key_in_choosing(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let choosing = self.choosing.as_mut()?;
        let before = choosing.typed().to_owned();
        let taken = choosing.typed.key(key);
        if choosing.typed() != before {
            choosing.narrow();
        }
        taken.then(|| self.ask_names(cx))
    }

    fn take_template(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let Some(choosing) = &self.choosing else { return Vec::new() };
        match choosing.shown.get(choosing.pick.at) {
            Some(at) => {
                let text = choosing.all[*at].text.clone();
                self.begin_with(&text, cx)
            }
            None if choosing.typed().trim().is_empty() => Vec::new(),
            None => vec![UiEffect::Here(self.ticket(0), Wanted::File(choosing.typed().trim().to_owned()))],
        }
    }

    /// Fills the form from a text; one that cannot be read is shown as it is, with what is wrong.
    pub(super) fn begin_with(&mut self, text: &str, cx: &Cx) -> Vec<UiEffect> {
        self.choosing = None;
        let before = self.values();
        self.revision += 1;
        match self.kind.read(text) {
            Ok(values) => {
                // What it does not name stays as it is: a recipe knows no experiment and no cluster.
                let unnamed = |(id, text): &(super::Id, String)| {
                    text.trim().is_empty() && ["name", "experiment", "cluster"].contains(id) && before.contains_key(id)
                };
                let values: Values = values.into_iter().filter(|entry| !unnamed(entry)).collect();
                self.text = None;
                self.fill(values);
                self.check(cx);
                self.look(cx)
            }
            Err(_) => {
                self.show_text(text);
                Vec::new()
            }
        }
    }
}
