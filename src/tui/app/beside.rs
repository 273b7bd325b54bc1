//! What ostler's own commands do for the screen, beside it or in its place: a shell, forwarded ports, a file applied; and
//! what is remembered for the next time.

use super::*;
use crate::model::ids::NodeId;
use crate::model::state::NodeState;
use crate::tui::cx::BOOKMARKS_MAX;
use crate::tui::layout::Kept;
use crate::tui::msg::Called;
use crate::tui::overlays::FormOf;
use crate::tui::ports::{PORTS_MAX, Port, PortState, spec};

fn say(kind: ToastKind, text: impl Into<String>) -> Vec<UiEffect> {
    vec![UiEffect::Toast(Toast { kind, text: text.into() })]
}

impl App {
    /// What is remembered for the next time; of the demo, whose things are gone then, only the sizes.
    pub(super) fn kept(&self) -> UiEffect {
        let bookmarks = if self.cx.look.demo { Vec::new() } else { self.cx.bookmarks.clone() };
        UiEffect::Remember(Kept { sizes: self.sizes, bookmarks })
    }

    /// Takes up what the configuration says now; what does not fit leaves all as it is.
    pub(super) fn on_configured(&mut self, ui: crate::config::Ui) -> Vec<UiEffect> {
        let keymap = match Keymap::new(&ui.keys) {
            Ok(keymap) => keymap,
            Err(fault) => return vec![UiEffect::Toast(fault_toast(&fault))],
        };
        self.cx.keymap = keymap;
        self.cx.columns = ui.columns;
        (self.cx.pace, self.cx.sizes) = (ui.pace, ui.sizes);
        self.cx.look.bell = ui.bell;
        ui.theme.filter(|name| *name != self.theme_kept).map(|name| UiEffect::Theme(name, true)).into_iter().collect()
    }

    pub(super) fn on_bookmarks(&mut self, bookmarks: Vec<Subject>) -> Vec<UiEffect> {
        self.cx.bookmarks = bookmarks;
        self.cx.bookmarks.truncate(BOOKMARKS_MAX);
        Vec::new()
    }

    /// Sets a bookmark on what is selected, or takes it away.
    pub(super) fn bookmark(&mut self) -> Vec<UiEffect> {
        let Some(subject) = self.subject() else { return say(ToastKind::Info, "nothing is selected") };
        let name = crate::tui::panes::name_of(subject, &self.cx).map(|name| shown(&name)).unwrap_or_default();
        let before = self.cx.bookmarks.len();
        self.cx.bookmarks.retain(|kept| *kept != subject);
        let gone = self.cx.bookmarks.len() < before;
        if !gone {
            self.cx.bookmarks.push(subject);
        }
        let over = self.cx.bookmarks.len().saturating_sub(BOOKMARKS_MAX);
        self.cx.bookmarks.drain(..over);
        let key = self.cx.key_of(CommandId::Bookmarks);
        let text =
            if gone { format!("no bookmark on {name} any more") } else { format!("bookmark on {name}; {key} jumps to it") };
        let mut effects = say(ToastKind::Info, text);
        effects.push(self.kept());
        effects
    }

    pub(super) fn go_bookmark(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let known = |subject: &&Subject| self.tree.knows(**subject, &self.cx);
        let there: Vec<Subject> = self.cx.bookmarks.iter().filter(known).copied().collect();
        let named = |subject: &&Subject| {
            let name = crate::tui::panes::name_of(**subject, &self.cx);
            name.is_some_and(|name| cmd.args.first().is_some_and(|arg| crate::model::names::same_name(&name, arg)))
        };
        match (there.as_slice(), there.iter().find(named)) {
            (_, Some(subject)) => vec![UiEffect::Go(*subject)],
            ([], None) => {
                let text = format!("no bookmark is set; {} sets one", self.cx.key_of(CommandId::Bookmark));
                say(ToastKind::Info, text)
            }
            (_, None) => vec![UiEffect::Open(Overlay::Palette("bookmarks ".to_owned()))],
        }
    }

    /// What can be done here: what the hint line shows, and what fits everywhere.
    pub(super) fn menu(&self, at: Option<(u16, u16)>) -> Vec<UiEffect> {
        use CommandId as C;
        let mut commands = self.pane(self.cx.focus).commands(&self.cx);
        let more = [
            C::Failures,
            C::Compare,
            C::ExportMarked,
            C::Shell,
            C::Bookmark,
            C::Bookmarks,
            C::Copy,
            C::CopyCommand,
            C::Back,
            C::Filter,
            C::Doctor,
            C::Tour,
        ];
        commands.extend(more);
        // The menu's own way, and what it is easier to press.
        commands.retain(|id| !matches!(id, C::Cancel | C::NextPane | C::Right | C::Menu));
        let mut seen = std::collections::BTreeSet::new();
        commands.retain(|id| seen.insert(*id));
        vec![UiEffect::Open(Overlay::Menu(at, commands))]
    }

    /// The node that a shell is opened on: of a job its first one, of a cluster one that works.
    fn node_of_subject(&self) -> Option<NodeId> {
        let world = &self.cx.world;
        match self.subject()? {
            Subject::Node(id) => Some(id),
            Subject::Job(id) => world.job(id)?.last.nodes.iter().find(|id| world.node(**id).is_some()).copied(),
            Subject::Cluster(id) => {
                let nodes = world.nodes_of(id);
                let ready = |id: &&NodeId| {
                    world.node(**id).is_some_and(|node| matches!(node.state, NodeState::Idle | NodeState::Running))
                };
                nodes.iter().find(ready).or(nodes.first()).copied()
            }
            Subject::Group(_)
            | Subject::Workspace(_)
            | Subject::Clusters(_)
            | Subject::FileServers(_)
            | Subject::FileServer(_)
            | Subject::Experiments(_)
            | Subject::Experiment(_)
            | Subject::Older(_) => None,
        }
    }

    /// Jobs are what they were submitted as, so they are edited for another run; the rest is text in the editor.
    pub(super) fn edit(&mut self) -> Vec<UiEffect> {
        let subject = self.subject();
        if let Some(Subject::Job(_)) = subject {
            return self.on_act(&Cmd::new(CommandId::RerunWith));
        }
        // What the model lets one change has a form; the rest is text in the editor.
        let of = match subject {
            Some(Subject::Cluster(id)) => Some(FormOf::Cluster { workspace: None, edited: Some(id) }),
            Some(Subject::Workspace(id)) => Some(FormOf::Workspace { group: None, edited: Some(id) }),
            _ => None,
        };
        if let Some(of) = of {
            return vec![UiEffect::Open(Overlay::Form(Box::new(of)))];
        }
        let workspace = acts::workspace_of(subject, &self.cx).and_then(|id| acts::workspace_name(id, &self.cx));
        match workspace {
            Some(name) => {
                let (group, name) = name.split_once('/').map_or((None, name.as_str()), |(group, name)| (Some(group), name));
                let mut words = vec!["edit".to_owned(), name.to_owned()];
                words.extend(group.into_iter().flat_map(|group| ["-g".to_owned(), group.to_owned()]));
                self.aside(words, After::Key)
            }
            None => say(ToastKind::Info, "select a job, or something in a workspace, to edit it"),
        }
    }

    /// What the row under the cursor of a site's table is, when it is nothing of ours.
    fn picked(&self) -> Option<acts::site::Picked> {
        let ours = matches!(self.subject(), Some(Subject::Job(_)));
        (self.cx.focus == PaneId::Detail && !ours).then(|| self.detail.picked()).flatten()
    }

    /// Runs a verb about a row of a site's table in the screen's place.
    fn beside_site(&mut self, verb: &str, picked: &acts::site::Picked) -> Vec<UiEffect> {
        match acts::site::beside(verb, picked, &self.cx) {
            Ok((words, after)) => self.aside(words, after),
            Err(why) => say(ToastKind::Info, why),
        }
    }

    /// Follows what a job of Slurm's queue writes; the log of one of ours is in the log pane.
    pub(super) fn follow_output(&mut self) -> Vec<UiEffect> {
        match self.picked() {
            Some(picked) => self.beside_site("logs", &picked),
            None => {
                say(ToastKind::Info, "the log pane follows the jobs of ostler; this is for others of yours in Slurm's queue")
            }
        }
    }

    pub(super) fn shell(&mut self) -> Vec<UiEffect> {
        if let Some(picked) = self.picked() {
            return self.beside_site("shell", &picked);
        }
        if let Some(Subject::Job(id)) = self.subject()
            && let Some(job) = self.cx.world.job(id)
            && job.last.away.is_some()
        {
            return match job.state {
                ExecutionState::Queued => say(ToastKind::Info, "Slurm has given the job no node yet"),
                ExecutionState::Succeeded | ExecutionState::Failed => {
                    say(ToastKind::Info, "the job has ended, and Slurm lets one in only while it runs")
                }
                ExecutionState::Running | ExecutionState::Terminating => {
                    self.aside(["job", "node", "shell", &id.to_string()].map(str::to_owned).to_vec(), After::Back)
                }
            };
        }
        let node = self.node_of_subject();
        let refused = node.and_then(|id| self.cx.world.node(id)).is_some_and(|node| refused(node));
        let verb = if refused { "sign-in" } else { "shell" };
        match node.and_then(|id| equivalent::node_place(verb, id, &self.cx.world)) {
            // What ssh says when it is not let in has to be read.
            Some(words) => self.aside(words, if refused { After::Key } else { After::Back }),
            None => say(ToastKind::Info, "select a node, or a job that has one, to open a shell there"),
        }
    }

    /// Runs ostler in the screen's place, and keeps the command line for the events tab.
    pub(super) fn aside(&mut self, words: Vec<String>, after: After) -> Vec<UiEffect> {
        self.speak(None, equivalent::spoken(&words));
        vec![UiEffect::Aside(words, after)]
    }

    pub(super) fn apply_file(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        match cmd.args.as_slice() {
            [file] => self.aside(["apply", "-f", file].map(str::to_owned).to_vec(), After::Key),
            _ => say(ToastKind::Bad, "the form is `apply FILE`"),
        }
    }

    /// Any command line of ostler's own, on the state of this screen; what it says can be read before the screen comes back.
    pub(super) fn run_own(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        match cmd.args.as_slice() {
            [] => say(ToastKind::Bad, "the form is `ostler WORDS`, as in `ostler sweep list`"),
            words => self.aside(words.to_vec(), After::Key),
        }
    }

    /// `:forward 6006` on a job; without a port the list of what is forwarded.
    pub(super) fn forward(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let Some(typed) = cmd.args.first() else { return vec![UiEffect::Open(Overlay::Ports)] };
        let Some(spec) = spec(typed) else {
            return say(ToastKind::Bad, "the form is `forward PORT` or `forward LOCAL:HOST:PORT`");
        };
        let job = match self.subject() {
            Some(Subject::Job(id)) => self.cx.world.job(id).filter(|job| !job.last.nodes.is_empty()),
            Some(_) | None => None,
        };
        let Some((job, attempt)) = job.map(|job| (job.id, job.attempt)) else {
            return say(ToastKind::Info, "select a job that has a node to forward a port of it");
        };
        if self.cx.ports.len() >= PORTS_MAX {
            return say(ToastKind::Bad, format!("{PORTS_MAX} ports are forwarded already; `:forward` ends one"));
        }
        self.number += 1;
        let port = Port { number: self.number, job, attempt, spec, state: PortState::Opening };
        let words = port.words();
        self.speak(Some(Subject::Job(job)), equivalent::spoken(&words));
        self.cx.ports.push(port);
        vec![UiEffect::Call(self.number, words)]
    }

    /// What a call beside the screen says: for a port, or for the window that began it.
    pub(super) fn on_called(&mut self, number: u64, called: &Called) -> Vec<UiEffect> {
        let Some(port) = self.cx.ports.iter_mut().find(|port| port.number == number) else {
            let news = News::Called(number, called);
            return self.overlays.iter_mut().flat_map(|overlay| overlay.hear(&news, &self.cx)).collect();
        };
        match called {
            Called::Line(line) => {
                let opening = port.state == PortState::Opening;
                port.hear(line);
                match &port.state {
                    PortState::Open(words) if opening => say(ToastKind::Good, words.clone()),
                    PortState::Ended(words) => say(ToastKind::Bad, words.clone()),
                    PortState::Open(_) | PortState::Opening => Vec::new(),
                }
            }
            Called::Ended(_) => {
                if let PortState::Opening | PortState::Open(_) = port.state {
                    port.state = PortState::Ended("the connection has ended".to_owned());
                }
                Vec::new()
            }
        }
    }

    /// Ports lead to the node of the attempt that runs: they open again when a job has started anew.
    pub(super) fn reopen_ports(&mut self) -> Vec<UiEffect> {
        let (mut effects, mut opened) = (Vec::new(), Vec::new());
        for port in &mut self.cx.ports {
            let Some(job) = self.cx.world.job(port.job) else { continue };
            if job.state != ExecutionState::Running || job.attempt == port.attempt {
                continue;
            }
            effects.push(UiEffect::EndCall(port.number));
            self.number += 1;
            opened.push(Port { number: self.number, attempt: job.attempt, state: PortState::Opening, ..port.clone() });
        }
        effects.extend(opened.iter().map(|port| UiEffect::Call(port.number, port.words())));
        self.cx.ports.extend(opened);
        effects
    }
}

/// Says whether a node let nobody in.
fn refused(node: &crate::model::state::Node) -> bool {
    matches!(&node.state, NodeState::Unusable(why) if why.code == AUTH_REFUSED)
}

/// The code of a sign-in that was refused.
const AUTH_REFUSED: &str = "auth-refused";
