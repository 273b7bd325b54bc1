//! The picture of the form: labels, fields, what is wrong below each, and the foot with hint, fault and button.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::kind::{Id, Row, Shape};
use super::paths::LISTED_MAX;
use super::{AsText, Form, Stop};
use crate::commands::CommandId;
use crate::tui::cx::Cx;
use crate::tui::overlays::help::wrap;
use crate::tui::overlays::panel;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::text::width_of;

/// The widest the form is drawn: command lines want room, labels and messages do not.
const WIDTH_MAX: u16 = 100;
/// Columns of the labels.
const LABEL_WIDTH: u16 = 13;
/// The foot: a blank row, the hint, the button.
const FOOT_ROWS: u16 = 3;
/// The most rows that a refusal of the core takes.
const FAULT_ROWS_MAX: usize = 4;
/// The fewest rows of the form as text, where the screen has them.
const TEXT_ROWS_MIN: u16 = 16;
/// From this width on the text of the whole stands beside the fields.
const BESIDE_FROM: u16 = 150;

/// Where a field stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldRow {
    pub id: Id,
    /// Its text, without the label.
    pub area: Rect,
    /// The row of what is wrong with it, when it says so.
    pub message: Option<u16>,
}

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Plan {
    pub inside: Rect,
    pub rows: Vec<FieldRow>,
    pub button: Rect,
    height: u16,
}

fn inner_width(screen: Rect) -> u16 {
    WIDTH_MAX.min(fields_of(screen).width.saturating_sub(6))
}

/// Returns the part of the screen that the fields have: the left half where the text stands beside them.
fn fields_of(screen: Rect) -> Rect {
    if screen.width < BESIDE_FROM { screen } else { Rect { width: screen.width / 2, ..screen } }
}

/// A row more for what the core says it would come to.
fn foot_rows(form: &Form) -> u16 {
    FOOT_ROWS + u16::from(form.looked.said.is_some())
}

/// Returns where everything stands on a screen of this size; the field that has the keys is always in sight.
pub(super) fn plan(form: &Form, screen: Rect) -> Plan {
    let width = inner_width(screen);
    let room = screen.height.saturating_sub(2);
    let foot = foot_rows(form) + fault_lines(form, usize::from(width)).len() as u16;
    let field_width = width.saturating_sub(LABEL_WIDTH);
    let wanted: Vec<(Id, u16, bool)> = form
        .rows()
        .into_iter()
        .map(|row| {
            let rows = form.edits.get(row.id).filter(|_| !matches!(row.shape, Shape::Choice(_)));
            let rows = rows.map_or(1, |edit| edit.rows(usize::from(field_width))) as u16;
            (row.id, rows, form.complaint(row.id).is_some())
        })
        .collect();
    let total: u16 = wanted.iter().map(|(_, rows, says)| rows + u16::from(*says)).sum();
    // A row more than the text has, so that there is one to go on in.
    let lines = |text: &AsText| (text.edit.text().lines().count() as u16).saturating_add(1);
    let rows = form.text.as_ref().map_or(total, |text| lines(text).max(TEXT_ROWS_MIN));
    let height = rows.saturating_add(foot).min(room);
    let inside = super::super::panel_inside((width, height), fields_of(screen));
    let body = height.saturating_sub(foot);
    let top = scroll(&wanted, form.field(), body);
    let mut rows = Vec::new();
    let mut at: i32 = -i32::from(top);
    for (id, height, says) in wanted {
        let whole = at >= 0 && at + i32::from(height) <= i32::from(body);
        if whole {
            let y = inside.y + at as u16;
            let message = (says && at + i32::from(height) < i32::from(body)).then(|| y + height);
            rows.push(FieldRow { id, area: Rect { x: inside.x + LABEL_WIDTH, y, width: field_width, height }, message });
        }
        at += i32::from(height) + i32::from(says);
    }
    let button = form.kind.button().len() as u16;
    let button = Rect { x: inside.x, y: inside.bottom().saturating_sub(1), width: button, height: 1 };
    Plan { inside, rows, button: button.intersection(inside), height }
}

/// Returns how many rows above are out of sight, so that the field with the keys and its message are in.
fn scroll(wanted: &[(Id, u16, bool)], focus: Option<Id>, body: u16) -> u16 {
    let rows = |(_, rows, says): &(Id, u16, bool)| rows + u16::from(*says);
    let total: u16 = wanted.iter().map(rows).sum();
    let upto = match focus.and_then(|field| wanted.iter().position(|(of, ..)| *of == field)) {
        Some(at) => wanted[..=at].iter().map(rows).sum(),
        None => total,
    };
    upto.saturating_sub(body).min(total.saturating_sub(body))
}

fn fault_lines(form: &Form, width: usize) -> Vec<String> {
    let Some(fault) = &form.fault else { return Vec::new() };
    let causes = fault.causes.iter().map(|cause| format!("cause: {}", shown(cause)));
    let hints = fault.hints.iter().map(|hint| format!("hint: {}", shown(hint)));
    let texts = std::iter::once(shown(&fault.message)).chain(causes).chain(hints);
    texts.flat_map(|text| wrap(&text, width.max(16))).take(FAULT_ROWS_MAX).collect()
}

/// Draws the form.
pub(super) fn draw(form: &Form, cx: &Cx, screen: Rect, buf: &mut Buffer) {
    let plan = plan(form, screen);
    let title = match &form.text {
        Some(_) => format!(" {}, as text ", form.kind.title()),
        None => format!(" {} ", form.kind.title()),
    };
    let inside = panel(Line::from(title), (inner_width(screen), plan.height), fields_of(screen), cx, buf);
    let faults = fault_lines(form, usize::from(inside.width));
    let foot = (foot_rows(form) + faults.len() as u16).min(inside.height);
    let foot_area = Rect { y: inside.bottom() - foot, height: foot, ..inside };
    match &form.text {
        Some(text) => draw_text(text, cx, Rect { height: inside.height - foot, ..inside }, buf),
        None => plan.rows.iter().for_each(|row| draw_field(form, row, cx, inside, buf)),
    }
    draw_foot(form, &faults, cx, foot_area, buf);
    if form.text.is_none() && screen.width >= BESIDE_FROM {
        draw_beside(form, cx, screen, buf);
    }
}

/// Draws the text of what is typed beside the fields.
fn draw_beside(form: &Form, cx: &Cx, screen: Rect, buf: &mut Buffer) {
    let half = screen.width / 2;
    let right = Rect { x: screen.x + half, width: screen.width - half, ..screen };
    let text = form.kind.text(&form.values());
    let rows = (text.lines().count() as u16).min(screen.height.saturating_sub(2));
    let inside = panel(Line::from(" As text "), (right.width.saturating_sub(6), rows), right, cx, buf);
    for (y, line) in (inside.y..inside.bottom()).zip(text.lines()) {
        buf.set_stringn(inside.x, y, shown(line), usize::from(inside.width), cx.style(Role::Muted));
    }
}

fn draw_field(form: &Form, row: &FieldRow, cx: &Cx, inside: Rect, buf: &mut Buffer) {
    let FieldRow { id, area, message } = *row;
    let focused = form.stop == Stop::Field(id);
    let wrong = form.complaint(id);
    let label = match (wrong.is_some(), focused) {
        (true, _) => Role::Bad,
        (false, true) => Role::TitleFocus,
        (false, false) => Role::Muted,
    };
    buf.set_stringn(inside.x, area.y, id, usize::from(LABEL_WIDTH - 1), cx.style(label));
    if let Some(row) = form.row(id) {
        match &row.shape {
            Shape::Choice(_) => draw_choice(form.choices.get(id).map_or("", String::as_str), focused, cx, area, buf),
            Shape::Line | Shape::Lines => draw_edit(form, &row, cx, area, buf),
        }
    }
    if let (Some(y), Some(what)) = (message, wrong) {
        buf.set_stringn(area.x, y, shown(what), usize::from(area.width), cx.style(Role::Bad));
    }
}

fn draw_choice(word: &str, focused: bool, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let (left, right) = if cx.look.ascii { ("<", ">") } else { ("‹", "›") };
    let style = if focused { cx.style(Role::Choice) } else { cx.style(Role::Input) };
    buf.set_stringn(area.x, area.y, format!("{left} {word} {right}"), usize::from(area.width), style);
}

fn draw_edit(form: &Form, row: &Row, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let Some(edit) = form.edits.get(row.id) else { return };
    buf.set_style(area, cx.style(Role::Input));
    edit.widget().render(area, buf);
    let text = edit.text();
    let (line, above) = text.rsplit_once('\n').map_or((text.as_str(), 0), |(above, line)| (line, above.split('\n').count()));
    // Where lines are wrapped nobody knows the caret's row; what goes on is listed below then.
    let wrapped = text.lines().any(|line| width_of(line) >= usize::from(area.width));
    let (x, y) = (area.x.saturating_add(width_of(line) as u16), area.y.saturating_add(above as u16));
    let ghost = form.completion(row, cx).filter(|_| form.stop == Stop::Field(row.id) && !wrapped && y < area.bottom());
    if let Some(ghost) = ghost.filter(|_| edit.at_end() && x < area.right()) {
        buf.set_stringn(x, y, shown(&ghost), usize::from(area.right() - x), cx.style(Role::Muted));
    }
}

fn draw_text(text: &AsText, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let rows = text.faults.len().min(FAULT_ROWS_MAX).min(usize::from(area.height / 2)) as u16;
    let body = Rect { height: area.height - rows, ..area };
    buf.set_style(body, cx.style(Role::Input));
    text.edit.widget().render(body, buf);
    for (y, (line, what)) in (body.bottom()..area.bottom()).zip(&text.faults) {
        buf.set_stringn(area.x, y, format!("line {line}: {}", shown(what)), usize::from(area.width), cx.style(Role::Bad));
    }
}

fn draw_foot(form: &Form, faults: &[String], cx: &Cx, area: Rect, buf: &mut Buffer) {
    let mut y = area.y + 1;
    for line in faults.iter().take(usize::from(area.height.saturating_sub(2))) {
        buf.set_stringn(area.x, y, line, usize::from(area.width), cx.style(Role::Bad));
        y += 1;
    }
    if let Some((said, good)) = &form.looked.said {
        let role = if *good { Role::Good } else { Role::Warning };
        buf.set_stringn(area.x, y, said, usize::from(area.width), cx.style(role));
        y += 1;
    }
    let (text, role) = advice(form, cx);
    if y < area.bottom() {
        buf.set_stringn(area.x, y, text, usize::from(area.width), cx.style(role));
    }
    let last = area.bottom().saturating_sub(1);
    if form.leaving {
        let question = "What you typed would be lost.  y leaves · any other key stays";
        buf.set_stringn(area.x, last, question, usize::from(area.width), cx.style(Role::Warning));
        return;
    }
    let word = if form.kind.button() == "[ Submit ]" { "submitting …" } else { "asking …" };
    let button = if form.asked.is_some() { word } else { form.kind.button() };
    let style =
        if form.stop == Stop::Submit || form.text.is_some() { cx.style(Role::Choice) } else { cx.style(Role::Muted) };
    let (x, _) = buf.set_stringn(area.x, last, button, usize::from(area.width), style);
    let mut spans = Vec::new();
    for command in
        [CommandId::FormSubmit, CommandId::FormText, CommandId::FormTemplate, CommandId::FormEditor, CommandId::Cancel]
    {
        spans.push(Span::styled(format!("   {}", cx.key_of(command)), cx.style(Role::Key)));
        spans.push(Span::styled(format!(" {}", command.row().hint), cx.style(Role::Hint)));
    }
    buf.set_line(x, last, &Line::from(spans), area.right().saturating_sub(x));
}

/// Returns the line of advice: a note, what a field's value means, or what may be typed.
fn advice(form: &Form, cx: &Cx) -> (String, Role) {
    if let Some(note) = &form.note {
        return (shown(note), Role::Warning);
    }
    if form.text.is_some() {
        return (form.kind.text_is().to_owned(), Role::Muted);
    }
    match form.field().and_then(|id| form.row(id)) {
        Some(row) => {
            let ways = form.candidates(&row, cx);
            let ended = form.edits.get(row.id).is_some_and(super::Edit::at_end);
            if !ways.is_empty() && ended && row.shape != Shape::Line || ways.len() > 1 && ended {
                let arrow = if cx.look.ascii { "right" } else { "→" };
                let more = if ways.len() >= LISTED_MAX { " …" } else { "" };
                let ways: Vec<String> = ways.iter().map(|way| shown(way)).collect();
                return (format!("{arrow} {}{more}", ways.join("  ")), Role::Text);
            }
            match form.kind.note(row.id, &form.values(), cx) {
                Some(note) => (shown(&note), Role::Warning),
                None => (row.hint, Role::Muted),
            }
        }
        None => {
            let kept = form.kind.kept();
            let kept = if kept.is_empty() { String::new() } else { format!("; kept as they are: {}", kept.join(", ")) };
            let verb = form.kind.button().trim_matches(['[', ']', ' ']).to_lowercase();
            (format!("Enter {verb}s{kept}"), Role::Muted)
        }
    }
}
