//! Where the panes are. Three fixed places; below [`SPLIT_WIDTH`] columns the right side takes the whole width while it
//! has the keys, below [`PAGES_WIDTH`] the tree does too, and below [`LEAST`] nothing but a line fits.

use ratatui::layout::{Position, Rect};
use serde::{Deserialize, Serialize};

use crate::tui::cx::PaneId;

/// The least columns and rows in which anything can be shown that is of use.
pub const LEAST: (u16, u16) = (40, 12);
/// With fewer than these the title line says how many are missing: some rows are cut.
pub const WISHED: (u16, u16) = (48, 13);
/// From so many columns on all three panes are always there.
const SPLIT_WIDTH: u16 = 96;
/// From so many columns on the detail stands beside the tree while the tree has the keys.
const PAGES_WIDTH: u16 = 66;
/// From so many rows on detail and log stand above one another.
const STACK_HEIGHT: u16 = 18;
/// The tree is never narrower, frame included, and the right side neither: a name of ten letters and its state fit.
const TREE_MIN: u16 = 31;
const RIGHT_MIN: u16 = 34;
/// Detail and log are never lower, frame included.
const PART_MIN: u16 = 5;
/// A log that has nothing to show leaves its room to the detail pane while that has the keys: frame and one line.
const LOG_EMPTY: u16 = 3;

/// The sizes a person may change; remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sizes {
    /// The tree's part of the width, in percent.
    pub tree: u16,
    /// The detail's part of the height, in percent.
    pub detail: u16,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { tree: 32, detail: 43 }
    }
}

/// What is remembered from one time to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The sizes of the panes.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// Things one wants to come back to, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bookmarks: Vec<crate::tui::subject::Subject>,
}

/// Whether there can be logs at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Yes.
    Some,
    /// Not of what is selected.
    None,
    /// There is no workspace yet: the detail pane says what to do first.
    Never,
}

/// A line between two panes that can be dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// Between the tree and the right side.
    Tree,
    /// Between detail and log.
    Detail,
}

/// The rectangles of one frame; a pane that is not there is `None`. Pane rectangles include their frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// All of it.
    pub screen: Rect,
    /// The title line.
    pub title: Rect,
    /// The tree.
    pub tree: Option<Rect>,
    /// The detail pane.
    pub detail: Option<Rect>,
    /// The log.
    pub log: Option<Rect>,
    /// The hint line.
    pub hints: Rect,
    /// Too small for any of it.
    pub too_small: bool,
}

impl Layout {
    /// Divides the screen. While nothing has a log, the detail pane has the room of both.
    pub fn new(screen: Rect, sizes: Sizes, focus: PaneId, zoom: bool, logs: Logs) -> Self {
        if screen.width < LEAST.0 || screen.height < LEAST.1 {
            return Self { screen, too_small: true, ..Self::default() };
        }
        let title = Rect { height: 1, ..screen };
        let hints = Rect { y: screen.bottom() - 1, height: 1, ..screen };
        let body = Rect { y: screen.y + 1, height: screen.height - 2, ..screen };
        let mut layout = Self { screen, title, hints, ..Self::default() };
        let sizes = if logs == Logs::Never { Sizes { detail: 100, ..sizes } } else { sizes };
        let low = logs == Logs::None && focus == PaneId::Detail;
        let whole = zoom || (body.height < STACK_HEIGHT && body.width < PAGES_WIDTH);
        match focus {
            PaneId::Tree if whole || body.width < PAGES_WIDTH => layout.tree = Some(body),
            PaneId::Detail if whole => layout.detail = Some(body),
            PaneId::Log if whole => layout.log = Some(body),
            PaneId::Detail | PaneId::Log if body.width < SPLIT_WIDTH => layout.stack(body, sizes, focus, low),
            PaneId::Tree | PaneId::Detail | PaneId::Log => {
                let wish = u32::from(body.width) * u32::from(sizes.tree) / 100;
                let width = (wish as u16).clamp(TREE_MIN, body.width - RIGHT_MIN);
                layout.tree = Some(Rect { width, ..body });
                let right = Rect { x: body.x + width, width: body.width - width, ..body };
                layout.stack(right, sizes, focus, low);
            }
        }
        layout
    }

    fn stack(&mut self, area: Rect, sizes: Sizes, focus: PaneId, low: bool) {
        if sizes.detail == 100 && focus != PaneId::Log {
            self.detail = Some(area);
            return;
        }
        if area.height < STACK_HEIGHT {
            match focus {
                PaneId::Log => self.log = Some(area),
                PaneId::Tree | PaneId::Detail => self.detail = Some(area),
            }
            return;
        }
        let wish = u32::from(area.height) * u32::from(sizes.detail) / 100;
        let height = if low { area.height - LOG_EMPTY } else { (wish as u16).clamp(PART_MIN, area.height - PART_MIN) };
        self.detail = Some(Rect { height, ..area });
        self.log = Some(Rect { y: area.y + height, height: area.height - height, ..area });
    }

    /// Returns the rectangle of a pane with its frame.
    pub fn pane(&self, pane: PaneId) -> Option<Rect> {
        match pane {
            PaneId::Tree => self.tree,
            PaneId::Detail => self.detail,
            PaneId::Log => self.log,
        }
    }

    /// Returns the pane at a position.
    pub fn at(&self, x: u16, y: u16) -> Option<PaneId> {
        let here = |pane: &PaneId| self.pane(*pane).is_some_and(|area| area.contains(Position { x, y }));
        [PaneId::Tree, PaneId::Detail, PaneId::Log].into_iter().find(here)
    }

    /// Returns the border at a position.
    pub fn border_at(&self, x: u16, y: u16) -> Option<Border> {
        let tree = self.tree.filter(|t| t.width < self.screen.width)?;
        if (x == tree.right() || x + 1 == tree.right()) && y > tree.y && y < tree.bottom() {
            return Some(Border::Tree);
        }
        None
    }

    /// Returns the border between detail and log at a position.
    pub fn stack_border_at(&self, x: u16, y: u16) -> Option<Border> {
        let (detail, log) = (self.detail?, self.log?);
        let on = (y == log.y || y + 1 == log.y) && x > detail.x && x + 1 < detail.right();
        // The log's title line is also its border: dragging starts there, clicking focuses.
        on.then_some(Border::Detail)
    }

    /// Returns the sizes after a border was dragged to a position.
    pub fn dragged(&self, border: Border, x: u16, y: u16, sizes: Sizes) -> Sizes {
        match border {
            Border::Tree => {
                let tree = u32::from(x.saturating_sub(self.screen.x) + 1) * 100 / u32::from(self.screen.width.max(1));
                Sizes { tree: (tree as u16).clamp(10, 80), ..sizes }
            }
            Border::Detail => {
                let body = self.screen.height.saturating_sub(2).max(1);
                let detail = u32::from(y.saturating_sub(self.screen.y + 1)) * 100 / u32::from(body);
                Sizes { detail: (detail as u16).clamp(10, 90), ..sizes }
            }
        }
    }

    /// Returns the sizes after `<` or `>` in a pane; steps of four percent.
    pub fn stepped(pane: PaneId, wider: bool, sizes: Sizes) -> Sizes {
        let step = |part: u16, grow: bool| if grow { (part + 4).min(80) } else { part.saturating_sub(4).max(10) };
        match pane {
            PaneId::Tree => Sizes { tree: step(sizes.tree, wider), ..sizes },
            PaneId::Detail => Sizes { detail: step(sizes.detail, wider), ..sizes },
            PaneId::Log => Sizes { detail: step(sizes.detail, !wider), ..sizes },
        }
    }
}
