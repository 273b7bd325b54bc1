//! A screen without a terminal, and the picture that it is told first.

use std::collections::BTreeMap;
use std::time::Instant;

use ostler::model::ids::{Epoch, Seq};
use ostler::model::snapshot::{Change, Update};
use ostler::model::units::{Millis, UnixMillis};
use ostler::sched::Sched;
use ostler::tui::app::{App, Start};
use ostler::tui::cx::Look;
use ostler::tui::keymap::Keymap;
use ostler::tui::layout::Sizes;
use ostler::tui::msg::Msg;
use ostler::tui::theme::{Depth, Themes};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::figures::millis;

/// The size of the terminal.
const SIZE: (u16, u16) = (120, 40);

/// Returns everything that a core has, as a new front end is told it.
pub fn whole(sched: &Sched) -> Update {
    let mut changes = Vec::new();
    changes.extend(sched.workspaces().values().cloned().map(Change::Workspace));
    changes.extend(sched.clusters().values().cloned().map(Change::Cluster));
    changes.extend(sched.nodes().values().cloned().map(Change::Node));
    changes.extend(sched.experiments().values().cloned().map(Change::Experiment));
    changes.extend(sched.jobs().values().cloned().map(Change::Job));
    Update { seq: Seq(1), epoch: Epoch(1), at: UnixMillis(1), whole: true, changes }
}

/// A screen that is drawn into memory.
pub struct Screen {
    app: App,
    buffer: Buffer,
}

impl Screen {
    /// Returns one that knows nothing yet.
    pub fn new() -> Self {
        let themes = Themes::default();
        let look =
            Look { readonly: false, ascii: false, blocks: false, stop_hold: Millis::from_secs(5), bell: false, demo: false };
        let keymap = Keymap::new(&BTreeMap::new()).expect("the table has no conflict");
        let theme = themes.load("ostler-dark").expect("the built-in theme loads");
        let app = App::new(Start { look, keymap, themes, theme, depth: Depth::True, sizes: Sizes::default() });
        let area = Rect::new(0, 0, SIZE.0, SIZE.1);
        let mut screen = Self { app, buffer: Buffer::empty(area) };
        screen.tell(Msg::Resize(SIZE.0, SIZE.1));
        screen
    }

    /// Tells it something.
    pub fn tell(&mut self, msg: Msg) {
        self.app.update(UnixMillis(2), msg);
    }

    /// Draws it.
    pub fn draw(&mut self) {
        self.buffer.reset();
        self.app.draw(self.buffer.area, &mut self.buffer);
    }

    /// Tells it something and draws it; returns the milliseconds that both took.
    pub fn timed(&mut self, msg: Msg) -> f64 {
        let start = Instant::now();
        self.tell(msg);
        self.draw();
        millis(start.elapsed())
    }
}
