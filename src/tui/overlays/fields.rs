//! A small window of a few values, a line each (numbers, amounts of money, words to choose from), with what Enter would do below
//! them. What the values are of is an [`Of`].

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::panel;
use crate::commands::{Cmd, Code, CommandId, Key, Scope};
use crate::model::request::Request;
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::theme::Role;

/// Digits of a number; more nodes or minutes than that are a slip.
const DIGITS_MAX: usize = 5;
/// Characters of an amount of money.
const AMOUNT_MAX: usize = 12;
/// The most that the window is wide inside.
const WIDTH: u16 = 72;

/// One value.
#[derive(Clone, Debug)]
pub struct Field {
    label: &'static str,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Number(String),
    Amount(String),
    Word { words: Vec<&'static str>, at: usize },
}

impl Field {
    /// A whole number.
    pub fn number(label: &'static str, value: impl ToString) -> Self {
        Self { label, kind: Kind::Number(value.to_string()) }
    }

    /// An amount of money, which may be empty.
    pub fn amount(label: &'static str, value: String) -> Self {
        Self { label, kind: Kind::Amount(value) }
    }

    /// One of some words; `at` is the one that it is now.
    pub fn word(label: &'static str, words: Vec<&'static str>, at: usize) -> Self {
        Self { label, kind: Kind::Word { words, at } }
    }

    fn text(&self) -> &str {
        match &self.kind {
            Kind::Number(text) | Kind::Amount(text) => text,
            Kind::Word { words, at } => words.get(*at).copied().unwrap_or_default(),
        }
    }
}

/// What the values of a window are of.
pub trait Of: std::fmt::Debug + Send {
    /// The most lines that [`Of::outcome`] has.
    const OUTCOME_LINES: u16;

    /// What stands above them.
    fn title(&self) -> String;

    /// What is asked for by what stands there; nothing while something is wrong with it.
    fn requests(&self, fields: &Fields) -> Option<Vec<Request>>;

    /// What that would do, or what is wrong with it.
    fn outcome(&self, fields: &Fields, cx: &Cx) -> Vec<Line<'static>>;
}

/// The window.
#[derive(Debug)]
pub struct FieldsWindow<K> {
    of: K,
    fields: Fields,
}

impl<K: Of> FieldsWindow<K> {
    /// Returns the window of these values.
    pub fn new(of: K, fields: Fields) -> Self {
        Self { of, fields }
    }

    fn submit(&self) -> Vec<UiEffect> {
        let requests = self.of.requests(&self.fields);
        let close = requests.is_some().then_some(UiEffect::Close);
        close.into_iter().chain(requests.unwrap_or_default().into_iter().map(UiEffect::Send)).collect()
    }
}

impl<K: Of> Pane for FieldsWindow<K> {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => return vec![UiEffect::Close],
            CommandId::FormSubmit => return self.submit(),
            CommandId::FormNext => self.fields.step(1),
            CommandId::FormPrev => self.fields.step(-1),
            _ => {}
        }
        Vec::new()
    }

    fn key(&mut self, key: Key, _cx: &Cx) -> Option<Vec<UiEffect>> {
        match key.code {
            Code::Enter => Some(self.submit()),
            _ => self.fields.key(key).then(Vec::new),
        }
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let outcome = self.of.outcome(&self.fields, cx);
        self.fields.draw(self.of.title(), outcome, K::OUTCOME_LINES, cx, area, buf);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::FormNext, CommandId::FormSubmit, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Form
    }
}

/// The values of a window, and which one is being typed.
#[derive(Clone, Debug)]
pub struct Fields {
    all: Vec<Field>,
    at: usize,
    /// The next digit takes the place of what stands there.
    fresh: bool,
}

impl Fields {
    /// Returns these values, beginning with one of them.
    pub fn new(all: Vec<Field>, at: usize) -> Self {
        Self { all, at, fresh: true }
    }

    /// Returns what stands in one of them.
    pub fn text(&self, at: usize) -> &str {
        self.all.get(at).map(Field::text).unwrap_or_default()
    }

    /// Returns a number, or what is wrong with it.
    pub fn number(&self, at: usize) -> Result<u32, String> {
        let label = self.all.get(at).map_or("", |field| field.label);
        self.text(at).parse().map_err(|_| format!("{label} wants a number"))
    }

    /// Returns which word is chosen.
    pub fn chosen(&self, at: usize) -> usize {
        match self.all.get(at).map(|field| &field.kind) {
            Some(Kind::Word { at, .. }) => *at,
            Some(Kind::Number(_) | Kind::Amount(_)) | None => 0,
        }
    }

    fn step(&mut self, by: isize) {
        self.at = (self.at as isize + by).rem_euclid(self.all.len().max(1) as isize) as usize;
        self.fresh = true;
    }

    /// Types; says whether the key was for the values.
    fn key(&mut self, key: Key) -> bool {
        let Some(field) = self.all.get_mut(self.at) else { return false };
        match (key.code, key.types(), &mut field.kind) {
            (Code::Backspace, _, Kind::Number(text) | Kind::Amount(text)) => {
                self.fresh = false;
                text.pop();
            }
            (_, Some(' ' | '+' | '='), Kind::Word { words, at }) => *at = (*at + 1) % words.len().max(1),
            (_, Some('-'), Kind::Word { words, at }) => *at = (*at + words.len().saturating_sub(1)) % words.len().max(1),
            (_, Some(by @ ('+' | '=' | '-')), Kind::Number(text)) => {
                let by = if by == '-' { -1 } else { 1 };
                *text = text.parse::<i64>().unwrap_or_default().saturating_add(by).max(0).to_string();
                text.truncate(DIGITS_MAX);
                self.fresh = true;
            }
            (_, Some(digit), Kind::Number(text)) if digit.is_ascii_digit() => {
                self.fresh = type_into(text, digit, DIGITS_MAX, self.fresh);
            }
            (_, Some(digit), Kind::Amount(text)) if digit.is_ascii_digit() || digit == '.' => {
                self.fresh = type_into(text, digit, AMOUNT_MAX, self.fresh);
            }
            (Code::Backspace, ..) | (_, Some(_), _) => {}
            (_, None, _) => return false,
        }
        true
    }

    /// The values, and below them what Enter would do, which is to be seen in any size.
    fn draw(&self, title: String, outcome: Vec<Line<'static>>, most: u16, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let width = WIDTH.min(area.width.saturating_sub(6));
        let height = self.all.len() as u16 + 1 + most;
        let inside = panel(Line::from(title), (width, height), area, cx, buf);
        let rows = usize::from(inside.height);
        let gap = usize::from(rows > self.all.len() + outcome.len());
        let room = rows.saturating_sub(outcome.len() + gap).clamp(1, self.all.len().max(1));
        let first = (self.at + 1).saturating_sub(room);
        let label_width = self.all.iter().map(|field| field.label.len()).max().unwrap_or(0);
        let fields = self.all.iter().enumerate().skip(first).take(room).map(|(at, field)| {
            let style = if at == self.at { cx.style(Role::Choice) } else { cx.style(Role::Text) };
            let label = Span::styled(format!("{:>label_width$}  ", field.label), cx.style(Role::Muted));
            Line::from(vec![label, Span::styled(format!(" {} ", field.text()), style)])
        });
        let lines = fields.chain(std::iter::repeat_n(Line::default(), gap)).chain(outcome);
        for (y, line) in (inside.y..inside.bottom()).zip(lines) {
            buf.set_line(inside.x, y, &line, inside.width);
        }
    }
}

/// Types into a number; the first digit takes the place of what stands there.
fn type_into(text: &mut String, digit: char, most: usize, fresh: bool) -> bool {
    if fresh || text == "0" && digit != '.' {
        text.clear();
    }
    if text.len() < most {
        text.push(digit);
    }
    false
}
