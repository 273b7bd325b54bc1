//! What a job would run where: what `job plan` prints, before it is submitted or of one that there is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::reader::{Reader, Text};
use crate::commands::{Cmd, CommandId, Scope};
use crate::model::fault::Fault;
use crate::model::plan_text;
use crate::model::request::{Reply, Request, Submit};
use crate::model::units::UnixMillis;
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::{News, Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// Columns of one step of a plan's indentation.
const STEP: usize = 2;

/// The window.
#[derive(Debug)]
pub struct PlanView {
    number: u64,
    reader: Reader,
}

impl PlanView {
    /// Returns the window and the question to the core. What a submission would refuse is a note of the plan.
    pub fn new(submit: Submit, number: u64) -> (Self, Vec<UiEffect>) {
        let mut reader = Reader::default();
        reader.set(vec![Text { indent: 0, role: Role::Muted, words: "asking …".to_owned() }], false);
        let ticket = Ticket { from: Asker::Overlay, number };
        let request = Request::PlanJob { submit: Box::new(submit), stand_ins: true };
        (Self { number, reader }, vec![UiEffect::Ask(ticket, request)])
    }
}

fn texts(reply: &Result<Reply, Fault>, now: UnixMillis) -> Vec<Text> {
    let one = |role, words: &str| vec![Text { indent: 0, role, words: shown(words) }];
    let plan = match reply {
        Ok(Reply::Plan(plan)) => plan,
        Ok(_) => return one(Role::Bad, "the core answered something else"),
        Err(fault) => {
            let causes = fault.causes.iter().map(|cause| (Role::Text, format!("cause: {cause}")));
            let hints = fault.hints.iter().map(|hint| (Role::Muted, hint.clone()));
            let all = std::iter::once((Role::Bad, fault.message.clone())).chain(causes).chain(hints);
            return all.map(|(role, words)| Text { indent: 0, role, words: shown(&words) }).collect();
        }
    };
    let mut texts = Vec::new();
    for line in plan_text::lines(plan, now) {
        if line.heading {
            texts.push(Text { indent: 0, role: Role::Text, words: String::new() });
        }
        let note = line.level == 0 && line.text.starts_with("note: ");
        let role = match (line.heading, note) {
            (true, _) => Role::Strong,
            (false, true) => Role::Warning,
            (false, false) => Role::Text,
        };
        texts.push(Text { indent: line.level * STEP, role, words: shown(&line.text) });
    }
    texts
}

impl Pane for PlanView {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        if cmd.id == CommandId::Cancel {
            return vec![UiEffect::Close];
        }
        self.reader.on(cmd);
        Vec::new()
    }

    fn key(&mut self, key: crate::commands::Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let in_tree = cx.keymap.lookup(Scope::Tree, key).map(|cmd| cmd.id);
        let in_form = cx.keymap.lookup(Scope::Form, key).map(|cmd| cmd.id);
        let closes = matches!(in_tree, Some(CommandId::Plan | CommandId::Quit)) || in_form == Some(CommandId::FormPlan);
        closes.then(|| vec![UiEffect::Close])
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        if let News::Reply(number, reply) = news
            && *number == self.number
        {
            self.reader.set(texts(reply, cx.now), false);
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        self.reader.arrange(area);
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        self.reader.draw(" What it would run where ".to_owned(), cx, area, buf);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Reader
    }
}
