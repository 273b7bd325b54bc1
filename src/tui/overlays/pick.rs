//! The cursor in a list that an overlay shows.

use std::ops::Range;

use crate::commands::{Cmd, CommandId};

/// Which row is chosen, and which are in sight.
#[derive(Debug, Default)]
pub struct Pick {
    /// The chosen row.
    pub at: usize,
    top: usize,
    len: usize,
    height: usize,
}

impl Pick {
    /// Learns how many rows there are, and how many have room.
    pub fn fit(&mut self, len: usize, height: usize) {
        (self.len, self.height) = (len, height.max(1));
        self.at = self.at.min(len.saturating_sub(1));
        self.top = self.top.clamp((self.at + 1).saturating_sub(self.height), self.at);
    }

    /// Moves by a command; `false` when it is not one that moves.
    pub fn on(&mut self, cmd: &Cmd) -> bool {
        let (times, page) = (cmd.times(), self.height.max(2));
        let at = match cmd.id {
            CommandId::Down | CommandId::LineDown => self.at.saturating_add(times),
            CommandId::Up | CommandId::LineUp => self.at.saturating_sub(times),
            CommandId::PageDown => self.at + page,
            CommandId::PageUp => self.at.saturating_sub(page),
            CommandId::HalfDown => self.at + page / 2,
            CommandId::HalfUp => self.at.saturating_sub(page / 2),
            CommandId::Top => 0,
            CommandId::Bottom => usize::MAX,
            _ => return false,
        };
        self.at = at;
        self.fit(self.len, self.height);
        true
    }

    /// Returns the rows in sight.
    pub fn shown(&self) -> Range<usize> {
        self.top..(self.top + self.height).min(self.len)
    }

    /// Chooses the row that stands so many below the first one in sight; `false` when there is none.
    pub fn choose(&mut self, below: usize) -> bool {
        let at = self.top + below;
        let there = below < self.height && at < self.len;
        if there {
            self.at = at;
        }
        there
    }
}
