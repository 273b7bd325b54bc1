//! Windows above the panes; one file each. The one on top has all keys.

pub mod auto_scale;
pub mod budget;
pub mod compare;
pub mod doctor;
pub mod failures;
mod fields;
pub mod form;
pub mod help;
pub mod hosts;
pub mod menu;
pub mod palette;
mod pick;
pub mod plan;
pub mod ports;
pub mod question;
mod reader;
pub mod set_up_logs;
pub mod site;
pub mod tour;
pub mod why;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Padding, Widget};

use crate::commands::{CommandId, Scope};
use crate::model::ids::{ClusterId, FileServerId, JobId, NodeId, WorkspaceId};
use crate::model::request::{Place, Submit};
use crate::model::spec::JobSpec;
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use question::Question;

/// What can be put on top.
#[derive(Debug)]
pub enum Overlay {
    /// The keys that work here, now.
    Help(Scope),
    /// Every command and resource by name, with this text typed already.
    Palette(String),
    /// Something to decide.
    Question(Question),
    /// Why a job waits.
    Why(JobId),
    /// The bounds between which a cluster follows the work; the place names it for the core.
    AutoScale(ClusterId, Place),
    /// What a cluster or a workspace may spend; the place or the name is for the core.
    Budget(Subject, Option<Place>, Option<String>),
    /// What a job would run where.
    Plan(Box<Submit>),
    /// The logs of a node's set-up task.
    SetUpLogs(NodeId),
    /// Something to make, or to change.
    Form(Box<FormOf>),
    /// Failed jobs of what is selected, by cause.
    Failures(Option<Subject>),
    /// What can be done here, at the mouse when it asked.
    Menu(Option<(u16, u16)>, Vec<CommandId>),
    /// Jobs side by side.
    Compare(Vec<JobId>),
    /// The ports that are forwarded.
    Ports,
    /// What this machine lacks.
    Doctor,
    /// Hosts to make a cluster of.
    Hosts,
    /// What Slurm knows of something.
    Site(ClusterId, site::SiteOf),
    /// The tour.
    Tour,
}

/// What a form is of.
#[derive(Clone, Debug, PartialEq)]
pub enum FormOf {
    /// A job to submit.
    Job(FormSeed),
    /// A sweep over the parameters of a job.
    Sweep(FormSeed),
    /// A cluster to make, or the one that is to be changed.
    Cluster {
        /// Where it is made.
        workspace: Option<WorkspaceId>,
        /// The one that is there.
        edited: Option<ClusterId>,
    },
    /// A file server to make.
    FileServer {
        /// Where it is made.
        workspace: Option<WorkspaceId>,
        /// One that it is to be like.
        like: Option<FileServerId>,
    },
    /// A workspace to make, or the one whose tags are to be changed.
    Workspace {
        /// The group it is made in, when there are several.
        group: Option<String>,
        /// The one that is there.
        edited: Option<WorkspaceId>,
    },
}

/// What the form of a new job is filled with.
#[derive(Clone, Debug, PartialEq)]
pub struct FormSeed {
    /// The experiment it is for.
    pub experiment: Place,
    /// The cluster, when one is known.
    pub cluster: Place,
    /// The job whose parameters these are; `None` for an empty form.
    pub spec: Option<Arc<JobSpec>>,
}

/// Makes an overlay. `number` is new for each: an overlay that asks the core uses it in its `Ticket`, so that answers to a
/// closed one reach nobody.
pub fn open(overlay: Overlay, number: u64, cx: &Cx) -> (Box<dyn Pane>, Vec<UiEffect>) {
    match overlay {
        Overlay::Help(scope) => (Box::new(help::Help::new(scope)), Vec::new()),
        Overlay::Palette(text) => (Box::new(palette::Palette::new(text, cx)), Vec::new()),
        Overlay::Question(question) => (Box::new(question), Vec::new()),
        Overlay::Why(job) => {
            let (why, effects) = why::WhyView::new(job, number, cx);
            (Box::new(why), effects)
        }
        Overlay::AutoScale(cluster, place) => (Box::new(auto_scale::window(cluster, place, cx)), Vec::new()),
        Overlay::Budget(subject, cluster, workspace) => {
            (Box::new(budget::window(subject, cluster, workspace, cx)), Vec::new())
        }
        Overlay::Plan(submit) => {
            let (plan, effects) = plan::PlanView::new(*submit, number);
            (Box::new(plan), effects)
        }
        Overlay::SetUpLogs(node) => {
            let (logs, effects) = set_up_logs::SetUpLogs::new(node, number, cx);
            (Box::new(logs), effects)
        }
        Overlay::Form(of) => {
            let (form, effects) = form::Form::new(*of, number, cx);
            (Box::new(form), effects)
        }
        Overlay::Failures(subject) => {
            let (failures, effects) = failures::Failures::new(subject, number, cx);
            (Box::new(failures), effects)
        }
        Overlay::Menu(at, commands) => (Box::new(menu::Menu::new(at, &commands, cx)), Vec::new()),
        Overlay::Compare(jobs) => {
            let (compare, effects) = compare::Compare::new(jobs, number, cx);
            (Box::new(compare), effects)
        }
        Overlay::Ports => (Box::<ports::PortsView>::default(), Vec::new()),
        Overlay::Doctor => {
            let (doctor, effects) = doctor::Doctor::calling("This machine", &["doctor"], number);
            (Box::new(doctor), effects)
        }
        Overlay::Hosts => {
            let (hosts, effects) = hosts::Hosts::new(number);
            (Box::new(hosts), effects)
        }
        Overlay::Site(cluster, of) => {
            let (window, effects) = site::SiteWindow::new(cluster, of, number, cx);
            (Box::new(window), effects)
        }
        Overlay::Tour => (Box::<tour::Tour>::default(), Vec::new()),
    }
}

/// Returns the outside of a window of at most this inner size in the middle of `screen`.
fn panel_area(inner: (u16, u16), screen: Rect) -> Rect {
    let width = inner.0.saturating_add(4).min(screen.width);
    let height = inner.1.saturating_add(2).min(screen.height);
    Rect {
        x: screen.x + (screen.width - width) / 2,
        // A little above the middle, where the eye is.
        y: screen.y + (screen.height - height) * 2 / 5,
        width,
        height,
    }
}

/// Returns the inside of the window that [`panel`] would draw.
pub fn panel_inside(inner: (u16, u16), screen: Rect) -> Rect {
    Block::bordered().padding(Padding::horizontal(1)).inner(panel_area(inner, screen))
}

/// Draws an empty window of at most this inner size in the middle of `screen` and returns its inside.
pub fn panel(title: Line<'_>, inner: (u16, u16), screen: Rect, cx: &Cx, buf: &mut Buffer) -> Rect {
    frame(title, panel_area(inner, screen), cx, buf)
}

/// Draws an empty window in this place and returns its inside.
pub fn frame(title: Line<'_>, area: Rect, cx: &Cx, buf: &mut Buffer) -> Rect {
    let area = area.intersection(buf.area);
    Clear.render(area, buf);
    let block = Block::bordered()
        .border_set(crate::tui::widgets::border_set(cx.look.ascii))
        .padding(Padding::horizontal(1))
        .style(cx.style(Role::Panel))
        .border_style(cx.style(Role::PanelFrame))
        .title_style(cx.style(Role::TitleFocus))
        .title(title);
    let inside = block.inner(area);
    block.render(area, buf);
    inside
}
