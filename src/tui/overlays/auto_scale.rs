//! The bounds between which a cluster's number of nodes follows the work: minimum, maximum, minutes without use; and what
//! becomes of jobs that hold GPUs without using them. What Enter would do stands below while it is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::panel;
use crate::commands::{Cmd, Code, CommandId, Key, Scope};
use crate::model::ids::ClusterId;
use crate::model::request::{GpuRule, Place, Request};
use crate::model::spec::cluster::{GPU_IDLE_MIN, GPU_IDLE_THEN};
use crate::model::spec::{AutoScale, GpuIdle, GpuIdleThen, ScaleSettings};
use crate::model::units::{Millis, NodeCount};
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// Digits of a number; more nodes or minutes than that are a slip.
const DIGITS_MAX: usize = 5;
/// The inside of the window.
const SIZE: (u16, u16) = (72, 9);
/// What is typed, in order.
const LABELS: [&str; 5] = ["minimum", "maximum", "idle minutes", "GPU idle minutes", "then"];
/// The place of the one that is chosen and not typed.
const THEN: usize = 4;

/// The window.
#[derive(Debug)]
pub struct AutoScaleForm {
    name: String,
    place: Place,
    /// The target that a person has set, which this ends.
    by_hand: Option<NodeCount>,
    texts: [String; 4],
    then: GpuIdleThen,
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
        let gpu = auto.gpu_idle.map_or(0, |rule| rule.after.0.div_ceil(60_000));
        let (least, most) = (auto.minimum_node_count.to_string(), auto.maximum_node_count.to_string());
        let texts = [least, most, minutes.to_string(), gpu.to_string()];
        let then = auto.gpu_idle.map(|rule| rule.then).unwrap_or_default();
        let name = cluster.map(|cluster| shown(&cluster.name)).unwrap_or_default();
        Self { name, place, by_hand, texts, then, at: 1, fresh: true }
    }

    /// Returns the bounds, the idle time and the rule about GPUs, or what is wrong with them.
    fn read(&self) -> Result<(NodeCount, NodeCount, Millis, Option<GpuIdle>), String> {
        let number = |at: usize| self.texts[at].parse::<u32>().map_err(|_| format!("{} wants a number", LABELS[at]));
        let (minimum, maximum, minutes, gpu) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let (idle, after) = (Millis::from_mins(u64::from(minutes)), Millis::from_mins(u64::from(gpu)));
        let rule = (gpu > 0).then_some(GpuIdle { after, then: self.then });
        match () {
            () if maximum == 0 => Err("the maximum is at least 1".to_owned()),
            () if minimum > maximum => Err(format!("the minimum {minimum} is above the maximum {maximum}")),
            () if rule.is_some_and(|rule| rule.after < GPU_IDLE_MIN) => {
                Err(format!("unused GPUs are minded after {GPU_IDLE_MIN} at least; 0 minds none"))
            }
            () => Ok((NodeCount(minimum), NodeCount(maximum), idle, rule)),
        }
    }

    fn apply(&self) -> Vec<UiEffect> {
        match self.read() {
            Ok((minimum, maximum, idle, rule)) => {
                let gpu_idle = Some(rule.map_or(GpuRule::Off, GpuRule::On));
                let cluster = self.place.clone();
                let request = Request::AutoScale { cluster, minimum, maximum, idle: Some(idle), gpu_idle };
                vec![UiEffect::Close, UiEffect::Send(request)]
            }
            Err(_) => Vec::new(),
        }
    }

    fn step(&mut self, by: isize) {
        self.at = (self.at as isize + by).rem_euclid(LABELS.len() as isize) as usize;
        self.fresh = true;
    }

    fn other(&mut self) {
        self.then = match self.then {
            GpuIdleThen::Say => GpuIdleThen::Stop,
            GpuIdleThen::Stop => GpuIdleThen::Say,
        };
    }

    fn typed(&mut self, digit: char) {
        let Some(text) = self.texts.get_mut(self.at) else { return };
        if std::mem::take(&mut self.fresh) || text == "0" {
            text.clear();
        }
        if text.len() < DIGITS_MAX {
            text.push(digit);
        }
    }

    fn nudge(&mut self, by: i64) {
        let Some(text) = self.texts.get_mut(self.at) else { return self.other() };
        let number = text.parse::<i64>().unwrap_or_default().saturating_add(by).max(0);
        *text = number.to_string();
        text.truncate(DIGITS_MAX);
        self.fresh = true;
    }

    fn outcome(&self, cx: &Cx) -> Vec<Line<'static>> {
        let line = |role, text: String| Line::from(Span::styled(text, cx.style(role)));
        match self.read() {
            Err(why) => vec![line(Role::Bad, why)],
            Ok((minimum, maximum, idle, rule)) => {
                let nodes = format!("{minimum} to {maximum} nodes as the work needs; one goes after {idle} unused");
                let ends = match self.by_hand {
                    Some(target) => format!("the target of {target} that was set by hand ends"),
                    None => "the next target set by hand ends it".to_owned(),
                };
                let minds = rule.map(|rule| line(Role::Text, rule.words()));
                [line(Role::Text, nodes)].into_iter().chain(minds).chain([line(Role::Muted, ends)]).collect()
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
                if let Some(text) = self.texts.get_mut(self.at) {
                    text.pop();
                }
            }
            (_, Some(' ')) if self.at == THEN => self.other(),
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
        let then = GPU_IDLE_THEN.iter().find(|(_, then)| *then == self.then).map_or("", |(word, _)| *word);
        let texts = self.texts.iter().map(String::as_str).chain([then]);
        let fields = LABELS.iter().zip(texts).enumerate().map(|(at, (label, text))| {
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
