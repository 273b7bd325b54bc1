//! The screen with 100,000 jobs and 1,000 nodes: the first frame from a whole picture, a key's effect, an update's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ostler::commands::Key;
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

use crate::core::World;
use crate::figures::{Board, ROUNDS, millis};

/// The size of the terminal.
const SIZE: (u16, u16) = (120, 40);
/// What a person does: moves about, opens and closes, turns pages.
const KEYS: &[&str] =
    &["down", "down", "right", "down", "end", "up", "pgup", "home", "down", "right", "down", "tab", "down"];

/// Prints the rows of the screen.
pub fn bench(board: &mut Board) {
    if !board.wants("screen") {
        return;
    }
    let mut world = World::new();
    world.fill();
    let whole = Arc::new(whole(world.sched()));
    let (mut first, mut keys, mut ticks, mut updates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut screen = Screen::new();
        screen.tell(Msg::Update(whole.clone()));
        screen.draw();
        first.push(millis(start.elapsed()));
        for key in KEYS.iter().cycle().take(KEYS.len() * 20) {
            let key: Key = key.parse().expect("a key");
            keys.push(screen.timed(Msg::Key(key)));
        }
        for _ in 0..KEYS.len() {
            ticks.push(screen.timed(Msg::Tick));
        }
        for change in whole.changes.iter().filter(|change| matches!(change, Change::Job(_))).take(500) {
            let update = Update { whole: false, changes: vec![change.clone()], ..(*whole).clone_head() };
            updates.push(screen.timed(Msg::Update(Arc::new(update))));
        }
    }
    board.row("screen: picture of 100,000 jobs to first frame", "ms", first);
    board.percentiles("screen: key to frame, 120x40", "ms", keys);
    board.percentiles("screen: nothing but time to frame, 120x40", "ms", ticks);
    board.percentiles("screen: update to frame, 120x40", "ms", updates);
}

trait CloneHead {
    /// Returns the update without what it says.
    fn clone_head(&self) -> Update;
}

impl CloneHead for Update {
    fn clone_head(&self) -> Update {
        Update { seq: self.seq, epoch: self.epoch, at: self.at, whole: self.whole, changes: Vec::new() }
    }
}

fn whole(sched: &Sched) -> Update {
    let mut changes = Vec::new();
    changes.extend(sched.workspaces().values().cloned().map(Change::Workspace));
    changes.extend(sched.clusters().values().cloned().map(Change::Cluster));
    changes.extend(sched.nodes().values().cloned().map(Change::Node));
    changes.extend(sched.experiments().values().cloned().map(Change::Experiment));
    changes.extend(sched.jobs().values().cloned().map(Change::Job));
    Update { seq: Seq(1), epoch: Epoch(1), at: UnixMillis(1), whole: true, changes }
}

struct Screen {
    app: App,
    buffer: Buffer,
}

impl Screen {
    fn new() -> Self {
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

    fn tell(&mut self, msg: Msg) {
        self.app.update(UnixMillis(2), msg);
    }

    fn draw(&mut self) {
        self.buffer.reset();
        self.app.draw(self.buffer.area, &mut self.buffer);
    }

    fn timed(&mut self, msg: Msg) -> f64 {
        let start = Instant::now();
        self.tell(msg);
        self.draw();
        millis(start.elapsed())
    }
}
