//! The picture of the form: labels, fields, what is wrong below each, and the foot with hint, fault and button.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::draft::{Field, PRIORITIES};
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
/// The rows of the form as text, where the screen has them: most jobs fit.
const TEXT_ROWS: u16 = 32;
/// The button.
const BUTTON: &str = "[ Submit ]";

/// Where a field stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldRow {
    pub field: Field,
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
    WIDTH_MAX.min(screen.width.saturating_sub(6))
}

/// Returns where everything stands on a screen of this size; the field that has the keys is always in sight.
pub(super) fn plan(form: &Form, screen: Rect) -> Plan {
    let width = inner_width(screen);
    let room = screen.height.saturating_sub(2);
    let foot = FOOT_ROWS + fault_lines(form, usize::from(width)).len() as u16;
    let field_width = width.saturating_sub(LABEL_WIDTH);
    let wanted: Vec<(Field, u16, bool)> = form
        .stops()
        .into_iter()
        .filter_map(|stop| match stop {
            Stop::Field(field) => {
                let rows = form.edits.get(&field).map_or(1, |edit| edit.rows(usize::from(field_width))) as u16;
                Some((field, rows, form.complaint(field).is_some()))
            }
            Stop::Submit => None,
        })
        .collect();
    let total: u16 = wanted.iter().map(|(_, rows, says)| rows + u16::from(*says)).sum();
    let height = if form.text.is_some() { TEXT_ROWS } else { total + foot }.min(room);
    let inside = super::super::panel_inside((width, height), screen);
    let body = height.saturating_sub(foot);
    let top = scroll(&wanted, form.field(), body);
    let mut rows = Vec::new();
    let mut at: i32 = -i32::from(top);
    for (field, height, says) in wanted {
        let whole = at >= 0 && at + i32::from(height) <= i32::from(body);
        if whole {
            let y = inside.y + at as u16;
            let message = (says && at + i32::from(height) < i32::from(body)).then(|| y + height);
            rows.push(FieldRow { field, area: Rect { x: inside.x + LABEL_WIDTH, y, width: field_width, height }, message });
        }
        at += i32::from(height) + i32::from(says);
    }
    let button = Rect { x: inside.x, y: inside.bottom().saturating_sub(1), width: BUTTON.len() as u16, height: 1 };
    Plan { inside, rows, button: button.intersection(inside), height }
}

/// Returns how many rows above are out of sight, so that the field with the keys and its message are in.
fn scroll(wanted: &[(Field, u16, bool)], focus: Option<Field>, body: u16) -> u16 {
    let rows = |(_, rows, says): &(Field, u16, bool)| rows + u16::from(*says);
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
        Some(_) => " New job, as text ",
        None => " New job ",
    };
    let inside = panel(Line::from(title), (inner_width(screen), plan.height), screen, cx, buf);
    let faults = fault_lines(form, usize::from(inside.width));
    let foot = (FOOT_ROWS + faults.len() as u16).min(inside.height);
    let foot_area = Rect { y: inside.bottom() - foot, height: foot, ..inside };
    match &form.text {
        Some(text) => draw_text(text, cx, Rect { height: inside.height - foot, ..inside }, buf),
        None => plan.rows.iter().for_each(|row| draw_field(form, row, cx, inside, buf)),
    }
    draw_foot(form, &faults, cx, foot_area, buf);
}

fn draw_field(form: &Form, row: &FieldRow, cx: &Cx, inside: Rect, buf: &mut Buffer) {
    let FieldRow { field, area, message } = *row;
    let focused = form.stop == Stop::Field(field);
    let wrong = form.complaint(field);
    let label = match (wrong.is_some(), focused) {
        (true, _) => Role::Bad,
        (false, true) => Role::TitleFocus,
        (false, false) => Role::Muted,
    };
    buf.set_stringn(inside.x, area.y, field.label(), usize::from(LABEL_WIDTH - 1), cx.style(label));
    match field {
        Field::Kind => draw_choice(form.kind.tool_type(), focused, cx, area, buf),
        Field::Priority => {
            let word = PRIORITIES.iter().find(|(_, p)| *p == form.priority).map_or("normal", |(word, _)| word);
            draw_choice(word, focused, cx, area, buf);
        }
        Field::Experiment | Field::Name | Field::Cluster | Field::Nodes | Field::Processes => {
            draw_edit(form, field, cx, area, buf);
        }
        Field::Command | Field::Preparation | Field::Environment | Field::Limit => draw_edit(form, field, cx, area, buf),
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

fn draw_edit(form: &Form, field: Field, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let Some(edit) = form.edits.get(&field) else { return };
    buf.set_style(area, cx.style(Role::Input));
    edit.widget().render(area, buf);
    let x = area.x.saturating_add(width_of(&edit.text()) as u16);
    let ghost = form.completion(field, cx).filter(|_| form.stop == Stop::Field(field));
    if let Some(ghost) = ghost.filter(|_| edit.at_end() && x < area.right()) {
        buf.set_stringn(x, area.y, shown(&ghost), usize::from(area.right() - x), cx.style(Role::Muted));
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
    let button = if form.asked.is_some() { "submitting …".to_owned() } else { BUTTON.to_owned() };
    let style =
        if form.stop == Stop::Submit || form.text.is_some() { cx.style(Role::Choice) } else { cx.style(Role::Muted) };
    let (x, _) = buf.set_stringn(area.x, last, button, usize::from(area.width), style);
    let mut spans = Vec::new();
    for command in [CommandId::FormSubmit, CommandId::FormText, CommandId::FormEditor, CommandId::Cancel] {
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
        return ("the published body of a job; JSON, YAML or TOML".to_owned(), Role::Muted);
    }
    let draft = form.draft();
    match form.field() {
        Some(field) => match form.with_surroundings(cx, |around| draft.note(field, around)) {
            Some(note) => (shown(&note), Role::Warning),
            None => (field.hint(form.kind).to_owned(), Role::Muted),
        },
        None => {
            let kept = form.rest.names();
            let kept = if kept.is_empty() { String::new() } else { format!("; kept as they are: {}", kept.join(", ")) };
            (format!("Enter submits{kept}"), Role::Muted)
        }
    }
}
