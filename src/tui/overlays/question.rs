//! A question with the consequence in words. The first answer is the harmless one and stands chosen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::panel;
use crate::commands::{Cmd, CommandId, Key, Scope};
use crate::tui::cx::Cx;
use crate::tui::msg::{Mouse, MouseAct};
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::theme::Role;
use crate::tui::widgets::input::Input;

/// The widest a question is drawn; longer lines of prose are hard to read.
const WIDTH_MAX: u16 = 68;

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// What it says.
    pub label: String,
    /// What is done then.
    pub effects: Vec<UiEffect>,
}

/// Something to decide.
#[derive(Debug)]
pub struct Question {
    title: String,
    text: Vec<String>,
    answers: Vec<Answer>,
    chosen: usize,
    /// The name that has to be typed before any answer but the first is taken.
    name: Option<(String, Input)>,
    spots: Vec<Rect>,
    area: Rect,
}

impl Question {
    /// Returns a question. The first answer is chosen, so it must be the harmless one.
    pub fn new(title: impl Into<String>, text: Vec<String>, answers: Vec<Answer>) -> Self {
        let (title, spots, area) = (title.into(), Vec::new(), Rect::default());
        Self { title, text, answers, chosen: 0, name: None, spots, area }
    }

    /// Asks for a name to be typed before anything is done.
    pub fn type_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some((name.into(), Input::default()));
        self
    }

    fn unlocked(&self) -> bool {
        self.name.as_ref().is_none_or(|(name, typed)| typed.text() == name)
    }

    fn take(&mut self) -> Vec<UiEffect> {
        if self.chosen > 0 && !self.unlocked() {
            return Vec::new();
        }
        let mut effects = vec![UiEffect::Close];
        if let Some(answer) = self.answers.get_mut(self.chosen) {
            effects.append(&mut answer.effects);
        }
        effects
    }

    fn step(&mut self, by: isize) {
        let count = self.answers.len().max(1) as isize;
        self.chosen = (self.chosen as isize + by).rem_euclid(count) as usize;
    }

    fn size(&self, screen: Rect) -> (u16, u16) {
        let width = WIDTH_MAX.min(screen.width.saturating_sub(6));
        let rows: usize = self.text.iter().map(|line| wrapped(line, width)).sum();
        (width, rows as u16 + 2 + if self.name.is_some() { 2 } else { 0 })
    }

    fn body(&self) -> Text<'_> {
        self.text.iter().map(|line| Line::from(line.as_str())).collect()
    }
}

/// Returns how many rows a line takes when wrapped at words; at least what ratatui's own wrapping takes.
fn wrapped(line: &str, width: u16) -> usize {
    let (mut rows, mut used) = (1, 0);
    for word in line.split(' ') {
        let len = unicode_width::UnicodeWidthStr::width(word);
        if used > 0 && used + 1 + len > usize::from(width) {
            rows += 1;
            used = 0;
        }
        used += len + usize::from(used > 0);
        rows += used.saturating_sub(1) / usize::from(width.max(1));
    }
    rows
}

impl Pane for Question {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => return vec![UiEffect::Close],
            CommandId::Accept => return self.take(),
            CommandId::QuestionNext => self.step(1),
            CommandId::QuestionPrev => self.step(-1),
            _ => {}
        }
        Vec::new()
    }

    fn key(&mut self, key: Key, _cx: &Cx) -> Option<Vec<UiEffect>> {
        let (_, typed) = self.name.as_mut()?;
        typed.key(key).then(Vec::new)
    }

    fn mouse(&mut self, mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        let at = Position { x: mouse.x, y: mouse.y };
        match self.spots.iter().position(|spot| spot.contains(at)) {
            Some(answer) if mouse.act == MouseAct::Lift => {
                self.chosen = answer;
                self.take()
            }
            _ => Vec::new(),
        }
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        let (width, height) = self.size(area);
        let (w, h) = ((width + 4).min(area.width), (height + 2).min(area.height));
        self.area = Rect { x: area.x + (area.width - w) / 2, y: area.y + (area.height - h) * 2 / 5, width: w, height: h };
        let y = self.area.bottom().saturating_sub(2);
        let mut x = self.area.x + 2;
        self.spots.clear();
        for answer in &self.answers {
            let width = unicode_width::UnicodeWidthStr::width(answer.label.as_str()) as u16 + 4;
            self.spots.push(Rect { x, y, width, height: 1 });
            x += width + 2;
        }
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let inside = panel(Line::from(format!(" {} ", self.title)), self.size(area), area, cx, buf);
        Paragraph::new(self.body()).wrap(Wrap { trim: false }).render(inside, buf);
        let mut y = inside.bottom().saturating_sub(1);
        let mut x = inside.x;
        for (at, answer) in self.answers.iter().enumerate() {
            let style = if at == self.chosen { cx.style(Role::Choice) } else { cx.style(Role::Muted) };
            let text = format!("[ {} ]", answer.label);
            let style = if at > 0 && !self.unlocked() { cx.style(Role::Stale) } else { style };
            let (next, _) = buf.set_stringn(x, y, &text, usize::from(inside.right().saturating_sub(x)), style);
            x = next + 2;
        }
        if let Some((name, typed)) = &self.name {
            y = y.saturating_sub(2);
            let label = format!("type {name} to go on: ");
            let line = Line::from(vec![Span::styled(label, cx.style(Role::Muted))]);
            let (x, _) = buf.set_line(inside.x, y, &line, inside.width);
            typed.draw(cx, Rect { x, y, width: inside.right().saturating_sub(x), height: 1 }, buf);
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::QuestionNext, CommandId::Accept, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Question
    }
}
