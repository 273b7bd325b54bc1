//! The screen with 100,000 jobs and 1,000 nodes: the first frame from a whole picture, a key's effect, an update's.

use std::sync::Arc;
use std::time::Instant;

use ostler::commands::Key;
use ostler::model::snapshot::{Change, Update};
use ostler::tui::msg::Msg;

use crate::core::World;
use crate::figures::{Board, ROUNDS, millis};
use crate::picture::{Screen, whole};

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
