//! Hosts of one's own ssh configuration, probed while they are listed, to make a cluster of. ostler's own `doctor --hosts`
//! does the probing beside the screen; each line it writes is a host and how it answered.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::pick::Pick;
use super::{panel, panel_inside};
use crate::commands::{Cmd, CommandId, Key, Scope};
use crate::model::request::Request;
use crate::model::spec::{ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
use crate::model::units::NodeCount;
use crate::tui::acts;
use crate::tui::cx::Cx;
use crate::tui::msg::{Called, Mouse, MouseAct};
use crate::tui::pane::{News, Pane, Toast, ToastKind, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::cut;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::input::Input;

/// The widest it gets.
const WIDTH_MAX: u16 = 92;
/// Before the name that is typed.
const LABEL: &str = "cluster name: ";
/// What stands for a workspace and an experiment where there is none yet.
const WORKSPACE: &str = "lab";
const EXPERIMENT: &str = "first";

/// How a host answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Waiting,
    Good,
    Bad,
}

#[derive(Clone, Debug)]
struct Host {
    name: String,
    answer: Answer,
    words: String,
    chosen: bool,
}

/// One line of `ostler doctor --hosts -o jsonl`.
#[derive(serde::Deserialize)]
struct Told {
    name: String,
    result: String,
    words: String,
}

/// The window.
#[derive(Debug)]
pub struct Hosts {
    number: u64,
    name: Input,
    hosts: Vec<Host>,
    pick: Pick,
    over: bool,
    /// What the command said that is no host: why there are none.
    words: String,
    screen: Rect,
}

impl Hosts {
    /// Returns the window and the order to probe.
    pub fn new(number: u64) -> (Self, Vec<UiEffect>) {
        let call = ["-o", "jsonl", "doctor", "--hosts"].map(str::to_owned).to_vec();
        let view = Self {
            number,
            name: Input::new("hosts"),
            hosts: Vec::new(),
            pick: Pick::default(),
            over: false,
            words: String::new(),
            screen: Rect::default(),
        };
        (view, vec![UiEffect::Call(number, call)])
    }

    fn told(&mut self, line: &str) {
        let Ok(told) = serde_json::from_str::<Told>(line) else {
            self.words = shown(line);
            return;
        };
        let answer = match told.result.as_str() {
            "good" => Answer::Good,
            "waiting" => Answer::Waiting,
            _ => Answer::Bad,
        };
        match self.hosts.iter_mut().find(|host| host.name == told.name) {
            Some(host) => (host.answer, host.words) = (answer, told.words),
            None => self.hosts.push(Host { name: told.name, answer, words: told.words, chosen: false }),
        }
    }

    /// The chosen hosts; all that answer when none is chosen.
    fn chosen(&self) -> Vec<String> {
        let some = self.hosts.iter().any(|host| host.chosen);
        let counts = |host: &&Host| if some { host.chosen } else { host.answer == Answer::Good };
        self.hosts.iter().filter(counts).map(|host| host.name.clone()).collect()
    }

    fn make(&self, cx: &Cx) -> Vec<UiEffect> {
        let hosts = self.chosen();
        let name = self.name.text().trim().to_owned();
        if hosts.is_empty() || name.is_empty() {
            let text =
                if name.is_empty() { "the cluster needs a name" } else { "no host answers; space chooses one all the same" };
            return vec![UiEffect::Toast(Toast { kind: ToastKind::Bad, text: text.to_owned() })];
        }
        let mut effects = vec![UiEffect::EndCall(self.number), UiEffect::Close];
        let known = acts::workspace_of(cx.shown, cx).or_else(|| cx.world.snapshot.workspaces.keys().next().copied());
        let workspace = known.and_then(|id| acts::workspace_name(id, cx)).unwrap_or_else(|| WORKSPACE.to_owned());
        let send = UiEffect::Send;
        if known.is_none() {
            effects.push(send(Request::CreateWorkspace {
                name: workspace.clone(),
                location: None,
                tags: Default::default(),
            }));
            effects
                .push(send(Request::CreateExperiment { workspace: Some(workspace.clone()), name: EXPERIMENT.to_owned() }));
        }
        let target = NodeCount(u32::try_from(hosts.len()).unwrap_or(u32::MAX));
        let scale_settings =
            ScaleSettings::Manual { target_node_count: target, node_deallocation_option: Deallocation::default() };
        let spec = ClusterSpec {
            provider: ProviderSpec::Hosts { hosts },
            scale_settings,
            vm_size: None,
            node_setup: None,
            machines: Default::default(),
            pool: Default::default(),
            slurm: None,
            rest: None,
            kept: Default::default(),
        };
        effects.push(send(Request::CreateCluster { workspace: Some(workspace), name, spec: Box::new(spec) }));
        effects
    }

    fn size(&self, screen: Rect) -> (u16, u16) {
        let rows = self.hosts.len().max(2) as u16 + 3;
        (WIDTH_MAX.min(screen.width.saturating_sub(6)), rows.min(screen.height.saturating_sub(6)))
    }

    fn draw_host(&self, at: usize, cx: &Cx, line: Rect, buf: &mut Buffer) {
        let host = &self.hosts[at];
        if at == self.pick.at {
            buf.set_style(line, cx.style(Role::Choice));
        }
        let plain = |role| ratatui::style::Style { bg: None, ..cx.style(role) };
        let (glyph, role) = match host.answer {
            Answer::Waiting => (cx.spinner(), Role::Preparing),
            Answer::Good => (cx.glyph(Glyph::Succeeded), Role::Good),
            Answer::Bad => (cx.glyph(Glyph::Failed), Role::Bad),
        };
        let mark = if host.chosen { "[x] " } else { "[ ] " };
        let room = usize::from(line.width).saturating_sub(30);
        let spans = vec![
            Span::styled(mark, plain(Role::Marked)),
            Span::styled(format!("{glyph} "), plain(role)),
            Span::styled(format!("{:<22} ", cut(&shown(&host.name), 22, cx.look.ascii)), plain(Role::Text)),
            Span::styled(cut(&shown(&host.words), room, cx.look.ascii), plain(Role::Muted)),
        ];
        buf.set_line(line.x, line.y, &Line::from(spans), line.width);
    }
}

impl Pane for Hosts {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => vec![UiEffect::EndCall(self.number), UiEffect::Close],
            CommandId::Accept => self.make(cx),
            _ => {
                self.pick.on(cmd);
                Vec::new()
            }
        }
    }

    fn key(&mut self, key: Key, _cx: &Cx) -> Option<Vec<UiEffect>> {
        if key.types() == Some(' ') {
            if let Some(host) = self.hosts.get_mut(self.pick.at) {
                host.chosen = !host.chosen;
            }
            self.pick.on(&Cmd::new(CommandId::Down));
            return Some(Vec::new());
        }
        self.name.key(key).then(Vec::new)
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        if let News::Called(number, called) = news
            && *number == self.number
        {
            match called {
                Called::Line(line) => self.told(line),
                Called::Ended(_) => self.over = true,
            }
            self.arrange(self.screen, cx);
        }
        Vec::new()
    }

    fn mouse(&mut self, mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::WheelDown => drop(self.pick.on(&Cmd::new(CommandId::Down))),
            MouseAct::WheelUp => drop(self.pick.on(&Cmd::new(CommandId::Up))),
            MouseAct::Press => {
                let inside = panel_inside(self.size(self.screen), self.screen);
                let row = mouse.y.checked_sub(inside.y + 2).map(usize::from);
                if row.is_some_and(|row| self.pick.choose(row)) {
                    let host = &mut self.hosts[self.pick.at];
                    host.chosen = !host.chosen;
                }
            }
            MouseAct::Drag | MouseAct::Lift | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, screen: Rect, _cx: &Cx) {
        self.screen = screen;
        let (_, height) = self.size(screen);
        self.pick.fit(self.hosts.len(), usize::from(height.saturating_sub(3)));
    }

    fn draw(&self, cx: &Cx, screen: Rect, buf: &mut Buffer) {
        let inside = panel(Line::from(" A cluster of hosts you can ssh to "), self.size(screen), screen, cx, buf);
        let muted = cx.style(Role::Muted);
        buf.set_string(inside.x, inside.y, LABEL, muted);
        let label = LABEL.len() as u16;
        self.name.draw(
            cx,
            Rect { x: inside.x + label, width: inside.width.saturating_sub(label).min(24), height: 1, ..inside },
            buf,
        );
        let rows = Rect { y: inside.y + 2, height: inside.height.saturating_sub(3), ..inside };
        if self.hosts.is_empty() {
            let text = match (self.over, self.words.is_empty()) {
                (false, _) => "looking for hosts in your ssh configuration",
                (true, true) => "your ssh configuration names no hosts; `:new-cluster gpu node[1-4] 2` names them here",
                (true, false) => self.words.as_str(),
            };
            buf.set_stringn(rows.x, rows.y, text, rows.width.into(), muted);
        }
        for (y, at) in (rows.y..rows.bottom()).zip(self.pick.shown()) {
            self.draw_host(at, cx, Rect { y, height: 1, ..rows }, buf);
        }
        let count = self.chosen().len();
        let nodes = match count {
            0 => "those chosen".to_owned(),
            1 => "one node".to_owned(),
            count => format!("{count} nodes"),
        };
        let hint = format!("space chooses   {} makes a cluster of {nodes}", cx.key_of(CommandId::Accept));
        buf.set_stringn(inside.x, inside.bottom().saturating_sub(1), hint, inside.width.into(), muted);
    }

    fn caret(&self, _cx: &Cx, screen: Rect) -> Option<Position> {
        let inside = panel_inside(self.size(screen), screen);
        let label = LABEL.len() as u16;
        Some(self.name.caret(Rect {
            x: inside.x + label,
            width: inside.width.saturating_sub(label).min(24),
            height: 1,
            ..inside
        }))
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Accept, CommandId::LineDown, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Line
    }
}
