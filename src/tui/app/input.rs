//! Keys, commands and the mouse: who gets them, and what the app itself does with them.

use super::*;

impl App {
    pub(super) fn on_key(&mut self, key: Key) -> Vec<UiEffect> {
        if let Some(top) = self.overlays.last_mut() {
            if let Some(effects) = top.key(key, &self.cx) {
                return effects;
            }
            let cmd = self.cx.keymap.lookup(top.scope(), key);
            return cmd.map(|cmd| self.on_overlay_command(cmd)).unwrap_or_default();
        }
        let cx = &self.cx;
        let taken = match cx.focus {
            PaneId::Tree => self.tree.key(key, cx),
            PaneId::Detail => self.detail.key(key, cx),
            PaneId::Log => self.log.key(key, cx),
        };
        if let Some(effects) = taken {
            return effects;
        }
        let scope = self.pane(self.cx.focus).scope();
        if scope.falls_through()
            && self.cx.pending.is_none()
            && let Some(effects) = self.on_digit(key)
        {
            return effects;
        }
        let first = self.cx.pending.take();
        if first.is_none() && self.cx.keymap.begins(scope, key) {
            self.cx.pending = Some(key);
            return Vec::new();
        }
        let found = match first {
            Some(first) => self.cx.keymap.lookup_chord(scope, first, key),
            None => self.cx.keymap.lookup(scope, key),
        };
        let Some(mut cmd) = found else { return Vec::new() };
        cmd.count = self.cx.count.take().or(cmd.count);
        self.on_command(cmd)
    }

    /// A digit adds to the number typed; on a cluster the number is a proposed target at once.
    pub(super) fn on_digit(&mut self, key: Key) -> Option<Vec<UiEffect>> {
        let digit = key.types().and_then(|_| key.digit())?;
        // Where nothing is yet, a digit is one of the ways to begin that the welcome names.
        let begins = self.cx.world.snapshot.workspaces.is_empty() && self.cx.world.link == crate::tui::world::CoreLink::Here;
        let way = match digit {
            1 => Some(CommandId::Demo),
            2 => Some(CommandId::ImportHosts),
            3 if begins => return Some(vec![UiEffect::Open(Overlay::Palette("apply ".to_owned()))]),
            4 => Some(CommandId::Tour),
            _ => None,
        };
        if let Some(id) = way.filter(|_| begins) {
            return Some(self.on_command(Cmd::new(id)));
        }
        let count = self.cx.count.unwrap_or(0).saturating_mul(10).saturating_add(digit).min(COUNT_MAX);
        self.cx.count = Some(count);
        let Some(Subject::Cluster(cluster)) = self.subject().filter(|_| !self.cx.look.readonly) else {
            return Some(Vec::new());
        };
        Some(self.propose(cluster, count))
    }

    pub(super) fn propose(&mut self, cluster: crate::model::ids::ClusterId, target: u32) -> Vec<UiEffect> {
        let target = crate::model::units::NodeCount(target);
        let seen = self.cx.proposal.as_ref().filter(|p| p.cluster == cluster).map(|p| p.seen);
        let Some(mut proposal) = Proposal::new(&self.cx.world, cluster, target, self.number + 1) else { return Vec::new() };
        proposal.seen = seen.unwrap_or(proposal.seen);
        let Some(request) = proposal.ask(&self.cx.world) else { return Vec::new() };
        self.cx.proposal = Some(proposal);
        vec![self.ask(Purpose::Preview, request)]
    }

    pub(super) fn on_overlay_command(&mut self, cmd: Cmd) -> Vec<UiEffect> {
        if let Some(refused) = self.refused(&cmd) {
            return refused;
        }
        match (cmd.id, self.overlays.last_mut()) {
            (CommandId::Interrupt, _) => self.interrupt(),
            (_, Some(top)) => top.on(&cmd, &self.cx),
            // A pane that is typing a line.
            (_, None) => self.on_focused(&cmd),
        }
    }

    /// Says that acts are off, when they are and this is one.
    fn refused(&self, cmd: &Cmd) -> Option<Vec<UiEffect>> {
        let acts = self.cx.look.readonly && cmd.id.row().danger != Danger::None;
        let text = || format!("`{}` is off: started with --readonly", cmd.id.row().name);
        acts.then(|| vec![UiEffect::Toast(Toast { kind: ToastKind::Bad, text: text() })])
    }

    /// Runs a command as the panes see it: overlays have had their chance.
    pub(super) fn on_command(&mut self, cmd: Cmd) -> Vec<UiEffect> {
        if let Some(refused) = self.refused(&cmd) {
            return refused;
        }
        match handler(cmd.id) {
            Handler::App => self.on_app_command(&cmd),
            Handler::Acts => self.on_act(&cmd),
            Handler::Focused => self.on_focused(&cmd),
            Handler::Tree if cmd.id == CommandId::Filter && self.cx.focus == PaneId::Detail && self.detail.filters() => {
                self.detail.on(&cmd, &self.cx)
            }
            Handler::Tree => {
                let mut effects = self.tree.on(&cmd, &self.cx);
                if cmd.id == CommandId::Filter {
                    effects.push(UiEffect::Focus(PaneId::Tree));
                }
                effects
            }
            Handler::Log => self.log.on(&cmd, &self.cx),
            Handler::Detail => self.detail.on(&cmd, &self.cx),
            Handler::Overlay => self.on_overlay_command(cmd),
        }
    }

    pub(super) fn on_focused(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let cx = &self.cx;
        match cx.focus {
            PaneId::Tree => self.tree.on(cmd, cx),
            PaneId::Detail => self.detail.on(cmd, cx),
            PaneId::Log => self.log.on(cmd, cx),
        }
    }

    pub(super) fn on_act(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        // Rows of a site's tables are not things of ours.
        let picked = (self.cx.focus == PaneId::Detail).then(|| self.detail.picked()).flatten();
        if let Some(effects) = picked.and_then(|picked| acts::site::act(cmd, &picked, &self.cx)) {
            return effects;
        }
        let subject = self.subject();
        match acts::act(cmd, subject, &self.cx) {
            acts::Acted::Propose(cluster, target) => self.propose(cluster, target),
            acts::Acted::Effects(effects) => effects,
        }
    }

    pub(super) fn on_app_command(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Help => return vec![UiEffect::Open(Overlay::Help(self.pane(self.cx.focus).scope()))],
            CommandId::Palette => return vec![UiEffect::Open(Overlay::Palette(cmd.args.join(" ")))],
            CommandId::Quit => return self.quit(),
            CommandId::Interrupt => return self.interrupt(),
            CommandId::Suspend => return vec![UiEffect::Suspend],
            CommandId::Redraw => return vec![UiEffect::Redraw],
            CommandId::Theme => {
                let name = cmd.args.first().cloned();
                return match name {
                    Some(name) => vec![UiEffect::Theme(name, true)],
                    None => vec![UiEffect::Open(Overlay::Palette("theme ".to_owned()))],
                };
            }
            CommandId::NextPane => self.step_focus(true),
            CommandId::PrevPane => self.step_focus(false),
            CommandId::GoTab => return self.go_tab(cmd),
            CommandId::Back => self.retrace(true),
            CommandId::Forward => self.retrace(false),
            CommandId::Zoom => self.zoom = !self.zoom,
            CommandId::Narrower | CommandId::Wider => {
                self.sizes = Layout::stepped(self.cx.focus, cmd.id == CommandId::Wider, self.sizes);
                return vec![self.kept()];
            }
            CommandId::Cancel => return self.cancel(cmd),
            CommandId::Open => return self.open_or_apply(cmd),
            CommandId::CopyCommand => return self.copy_command(),
            CommandId::Failures => return vec![UiEffect::Open(Overlay::Failures(self.subject()))],
            CommandId::Edit => return self.edit(),
            CommandId::Shell => return self.shell(),
            CommandId::FollowOutput => return self.follow_output(),
            CommandId::Port => return self.forward(cmd),
            CommandId::Bookmark => return self.bookmark(),
            CommandId::Bookmarks => return self.go_bookmark(cmd),
            CommandId::Compare => return self.compare(),
            CommandId::ExportMarked => return self.export_marked(cmd),
            CommandId::Menu => return self.menu(None),
            CommandId::Doctor => return vec![UiEffect::Open(Overlay::Doctor)],
            CommandId::Tour => return vec![UiEffect::Open(Overlay::Tour)],
            CommandId::ImportHosts => return vec![UiEffect::Open(Overlay::Hosts)],
            CommandId::Apply => return self.apply_file(cmd),
            CommandId::Run => return self.run_own(cmd),
            CommandId::Demo => return self.aside(vec!["demo".to_owned()], After::Back),
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn go_tab(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let typed = cmd.args.first().and_then(|n| n.parse().ok());
        let cmd = Cmd { count: cmd.count.or(typed), ..cmd.clone() };
        self.detail.on(&cmd, &self.cx)
    }

    pub(super) fn cancel(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        if self.cx.count.take().is_some() | self.cx.proposal.take().is_some() {
            return Vec::new();
        }
        if !self.cx.marks.is_empty() {
            self.cx.marks.clear();
            return Vec::new();
        }
        if self.zoom {
            self.zoom = false;
            return Vec::new();
        }
        self.on_focused(cmd)
    }

    pub(super) fn open_or_apply(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        self.cx.count = None;
        match self.cx.proposal.take() {
            Some(proposal) if proposal.target == proposal.seen => Vec::new(),
            Some(proposal) => proposal.apply(&self.cx.world).map(UiEffect::Send).into_iter().collect(),
            None => self.on_focused(cmd),
        }
    }

    pub(super) fn copy_command(&mut self) -> Vec<UiEffect> {
        match self.cx.spoken.last() {
            Some(spoken) => {
                let text = format!("copied: {}", spoken.line);
                vec![UiEffect::Copy(spoken.line.clone()), UiEffect::Toast(Toast { kind: ToastKind::Info, text })]
            }
            None => vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text: "nothing was done yet".to_owned() })],
        }
    }

    pub(super) fn retrace(&mut self, back: bool) {
        let (from, to) = match back {
            true => (&mut self.trail.back, &mut self.trail.forward),
            false => (&mut self.trail.forward, &mut self.trail.back),
        };
        while let Some(subject) = from.pop() {
            if self.tree.knows(subject, &self.cx) && Some(subject) != self.cx.shown {
                to.extend(self.cx.shown);
                self.tree.go(subject, &self.cx);
                return;
            }
        }
    }

    pub(super) fn step_focus(&mut self, forward: bool) {
        const ORDER: [PaneId; 3] = [PaneId::Tree, PaneId::Detail, PaneId::Log];
        let at = ORDER.iter().position(|p| *p == self.cx.focus).unwrap_or(0);
        self.cx.focus = ORDER[(at + if forward { 1 } else { 2 }) % 3];
    }

    pub(super) fn quit(&mut self) -> Vec<UiEffect> {
        if self.cx.world.link != crate::tui::world::CoreLink::Here {
            return vec![UiEffect::Quit(Leave::Quit)];
        }
        vec![self.ask(Purpose::Leaving, Request::Status)]
    }

    pub(super) fn interrupt(&mut self) -> Vec<UiEffect> {
        if self.interrupted.is_some_and(|at| self.cx.now.since(at) < INTERRUPT_TWICE) {
            return vec![UiEffect::Quit(Leave::Background)];
        }
        self.interrupted = Some(self.cx.now);
        let mut effects = self.quit();
        let text = format!("{} again leaves at once; work goes on", self.cx.key_of(CommandId::Interrupt));
        effects.push(UiEffect::Toast(Toast { kind: ToastKind::Info, text }));
        effects
    }

    pub(super) fn on_paste(&mut self, text: &str) -> Vec<UiEffect> {
        let cx = &self.cx;
        let taken = match (self.overlays.last_mut(), cx.focus) {
            (Some(top), _) => top.paste(text, cx),
            (None, PaneId::Tree) => self.tree.paste(text, cx),
            (None, PaneId::Detail) => self.detail.paste(text, cx),
            (None, PaneId::Log) => self.log.paste(text, cx),
        };
        taken.unwrap_or_default()
    }

    pub(super) fn on_mouse(&mut self, mouse: Mouse) -> Vec<UiEffect> {
        if let Some(top) = self.overlays.last_mut() {
            return top.mouse(mouse, &self.cx);
        }
        if let Some(effects) = self.on_drag(mouse) {
            return effects;
        }
        let Some(pane) = self.layout.at(mouse.x, mouse.y) else { return Vec::new() };
        if matches!(mouse.act, MouseAct::Press | MouseAct::Menu) && self.cx.focus != pane {
            self.cx.focus = pane;
            self.arrange();
        }
        if mouse.act == MouseAct::Menu {
            // What is pointed at is what the menu is about.
            let mut effects = match pane {
                PaneId::Tree => self.tree.point(mouse, &self.cx),
                PaneId::Detail | PaneId::Log => Vec::new(),
            };
            effects.extend(self.menu(Some((mouse.x, mouse.y))));
            return effects;
        }
        let cx = &self.cx;
        match pane {
            PaneId::Tree => self.tree.mouse(mouse, cx),
            PaneId::Detail => self.detail.mouse(mouse, cx),
            PaneId::Log => self.log.mouse(mouse, cx),
        }
    }

    /// Drags a border; `None` when the mouse is not about one.
    pub(super) fn on_drag(&mut self, mouse: Mouse) -> Option<Vec<UiEffect>> {
        let (x, y) = (mouse.x, mouse.y);
        match (mouse.act, self.drag) {
            (MouseAct::Press, _) => {
                self.drag = self.layout.border_at(x, y).or_else(|| self.layout.stack_border_at(x, y));
                self.drag.filter(|border| *border == Border::Tree).map(|_| Vec::new())
            }
            (MouseAct::Drag, Some(border)) => {
                self.sizes = self.layout.dragged(border, x, y, self.sizes);
                Some(Vec::new())
            }
            (MouseAct::Lift, Some(_)) => {
                self.drag = None;
                Some(vec![self.kept()])
            }
            (MouseAct::Drag | MouseAct::Lift | MouseAct::WheelDown | MouseAct::WheelUp | MouseAct::Menu, _) => None,
        }
    }
}
