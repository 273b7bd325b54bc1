//! The bounds between which a cluster's number of nodes follows the work: minimum, maximum, minutes without use. What Enter
//! would do stands below while it is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::panel;
use crate::commands::{Cmd, Code, CommandId, Key, Scope};
use crate::model::ids::ClusterId;
use crate::model::request::{Place, Request};
use crate::model::spec::{AutoScale, ScaleSettings};
use crate::model::units::{Millis, NodeCount};
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// Digits of a number; more nodes or minutes than that are a slip.
const DIGITS_MAX: usize = 5;
/// The inside of the window.
const SIZE: (u16, u16) = (62, 6);
/// What is typed, in order.
const LABELS: [&str; 3] = ["minimum", "maximum", "idle minutes"];

/// The window.
#[derive(Debug)]
pub struct AutoScaleForm {
    name: String,
    place: Place,
    /// The target that a person has set, which this ends.
    by_hand: Option<NodeCount>,
    texts: [String; 3],
    at: usize,
    /// The next digit takes the place of what stands there.
    fresh: bool,
}

impl AutoScaleForm {
    /// Returns the window, filled from what the cluster is.
    pub fn new(cluster: ClusterId, place: Place, cx: &Cx) -> Self {
        let cluster = cx.world.cluster(cluster);
        let (by_hand, auto) = match cluster.map(|cluster| &cluster.spec.scale_settings) {
            Some(ScaleSettings::AutoScale(auto)) => (None, *auto),
            Some(ScaleSettings::Manual { target_node_count, .. }) => {
                let most = (*target_node_count).max(NodeCount(1));
                (Some(*target_node_count), AutoScale::new(NodeCount(0), most, *target_node_count))
            }
            None => (None, AutoScale::new(NodeCount(0), NodeCount(1), NodeCount(0))),
        };
        let minutes = auto.idle.0.div_ceil(60_000);
        let texts = [auto.minimum_node_count.to_string(), auto.maximum_node_count.to_string(), minutes.to_string()];
        let name = cluster.map(|cluster| shown(&cluster.name)).unwrap_or_default();
        Self { name, place, by_hand, texts, at: 1, fresh: true }
    }

    /// Returns the bounds and the idle time, or what is wrong with them.
    fn read(&self) -> Result<(NodeCount, NodeCount, Millis), String> {
        let number = |at: usize| self.texts[at].parse::<u32>().map_err(|_| format!("{} wants a number", LABELS[at]));
        let (minimum, maximum, minutes) = (number(0)?, number(1)?, number(2)?);
        match () {
            () if maximum == 0 => Err("the maximum is at least 1".to_owned()),
            () if minimum > maximum => Err(format!("the minimum {minimum} is above the maximum {maximum}")),
            () => Ok((NodeCount(minimum), NodeCount(maximum), Millis::from_mins(u64::from(minutes)))),
        }
    }

    fn apply(&self) -> Vec<UiEffect> {
        match self.read() {
            Ok((minimum, maximum, idle)) => {
                let request =
                    Request::AutoScale { cluster: self.place.clone(), minimum, maximum, idle: Some(idle), gpu_idle: None };
                vec![UiEffect::Close, UiEffect::Send(request)]
            }
            Err(_) => Vec::new(),
        }
    }

    fn step(&mut self, by: isize) {
        self.at = (self.at as isize + by).rem_euclid(LABELS.len() as isize) as usize;
        self.fresh = true;
    }

    fn typed(&mut self, digit: char) {
        let text = &mut self.texts[self.at];
        if std::mem::take(&mut self.fresh) || text == "0" {
            text.clear();
        }
        if text.len() < DIGITS_MAX {
            text.push(digit);
        }
    }

    fn nudge(&mut self, by: i64) {
        let text = &mut self.texts[self.at];
        let number = text.parse::<i64>().unwrap_or_default().saturating_add(by).max(0);
        *text = number.to_string();
        text.truncate(DIGITS_MAX);
        self.fresh = true;
    }

    fn outcome(&self, cx: &Cx) -> Vec<Line<'static>> {
        let line = |role, text: String| Line::from(Span::styled(text, cx.style(role)));
        match self.read() {
            Err(why) => vec![line(Role::Bad, why)],
            Ok((minimum, maximum, idle)) => {
                let nodes = format!("{minimum} to {maximum} nodes as the work needs; one goes after {idle} unused");
                let ends = match self.by_hand {
                    Some(target) => format!("the target of {target} that was set by hand ends"),
                    None => "the next target set by hand ends it".to_owned(),
                };
                vec![line(Role::Text, nodes), line(Role::Muted, ends)]
            }
        }
    }
}

impl Pane for AutoScaleForm {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => return vec![UiEffect::Close],
            CommandId::FormNext => self.step(1),
            CommandId::FormPrev => self.step(-1),
            CommandId::FormSubmit => return self.apply(),
            _ => {}
        }
        Vec::new()
    }

    fn key(&mut self, key: Key, _cx: &Cx) -> Option<Vec<UiEffect>> {
        match (key.code, key.types()) {
            (Code::Enter, _) => return Some(self.apply()),
            (Code::Backspace, _) => {
                self.fresh = false;
                self.texts[self.at].pop();
            }
            (_, Some('+' | '=')) => self.nudge(1),
            (_, Some('-')) => self.nudge(-1),
            (_, Some(digit)) if digit.is_ascii_digit() => self.typed(digit),
            (_, Some(_)) => {}
            (_, None) => return None,
        }
        Some(Vec::new())
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let width = SIZE.0.min(area.width.saturating_sub(6));
        let title = Line::from(format!(" {} · auto-scale ", self.name));
        let inside = panel(title, (width, SIZE.1), area, cx, buf);
        let label_width = LABELS.iter().map(|label| label.len()).max().unwrap_or(0);
        let fields = LABELS.iter().zip(&self.texts).enumerate().map(|(at, (label, text))| {
            let style = if at == self.at { cx.style(Role::Choice) } else { cx.style(Role::Text) };
            let label = Span::styled(format!("{label:>label_width$}  "), cx.style(Role::Muted));
            Line::from(vec![label, Span::styled(format!(" {text} "), style)])
        });
        let lines = fields.chain([Line::default()]).chain(self.outcome(cx));
        for (y, line) in (inside.y..inside.bottom()).zip(lines) {
            buf.set_line(inside.x, y, &line, inside.width);
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::FormNext, CommandId::FormSubmit, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Form
    }
}
