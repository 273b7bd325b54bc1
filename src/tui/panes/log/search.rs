//! Finding a text: first in what is held, then in the whole file on its node.

use super::buffer::{LineBuffer, LineId, View};
use super::filter::Needle;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Towards the end.
    Down,
    /// Towards the beginning.
    Up,
}

/// A search under way or done.
#[derive(Clone, Debug)]
pub struct Search {
    /// What is looked for.
    pub needle: Needle,
    /// The offset of the line that was found last.
    pub hit: Option<u64>,
    /// The question that the node has not answered, and its way.
    pub asked: Option<(u64, Way)>,
}

/// What looking through the held lines gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// This line has it.
    Found(LineId),
    /// None does; the file goes on from this offset, which the node has to search.
    Beyond(u64),
    /// None does, and there is no more of the file that way.
    Nowhere,
}

impl Search {
    /// Returns a search that has found nothing yet.
    pub fn new(needle: Needle) -> Self {
        Self { needle, hit: None, asked: None }
    }

    /// Looks through the held lines from `from` on, that one included.
    pub fn look(&self, buffer: &LineBuffer, from: LineId, way: Way) -> Looked {
        let mut id = from;
        loop {
            match (buffer.get(id), way) {
                (Some(View::Line { offset, bytes, .. }), _) => {
                    if self.needle.is_in(offset, bytes) {
                        return Looked::Found(id);
                    }
                }
                (Some(View::Gap { from, .. }), Way::Down) => return Looked::Beyond(from),
                (Some(View::Gap { to, .. }), Way::Up) => return Looked::Beyond(to),
                (Some(View::Restart { .. }), _) => {}
                (None, Way::Down) => return self.beyond_end(buffer),
                (None, Way::Up) => return self.beyond_front(buffer),
            }
            id = id.plus(match way {
                Way::Down => 1,
                Way::Up => -1,
            });
        }
    }

    fn beyond_end(&self, buffer: &LineBuffer) -> Looked {
        match buffer.closed_end_offset() {
            Some(end) if !buffer.attached() => Looked::Beyond(end),
            Some(_) | None => Looked::Nowhere,
        }
    }

    fn beyond_front(&self, buffer: &LineBuffer) -> Looked {
        match buffer.front_offset() {
            Some(front) if buffer.can_grow_front() => Looked::Beyond(front),
            Some(_) | None => Looked::Nowhere,
        }
    }

    /// Returns where the next step begins: beside the last hit when that is held, else at `here`.
    pub fn start(&self, buffer: &LineBuffer, here: LineId, way: Way) -> LineId {
        let hit = self.hit.and_then(|offset| buffer.id_at_offset(offset));
        match (hit, way) {
            (Some(hit), Way::Down) => hit.plus(1),
            (Some(hit), Way::Up) => hit.plus(-1),
            (None, _) => here,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::LetGo;
    use super::*;

    #[test]
    fn held_lines_first_then_the_node() {
        let mut buffer = LineBuffer::default();
        buffer.append(50, b"alpha\nbeta\n\x1b[1mga\x1b[0mmma\nopen al", 90, LetGo::Front);
        let first = buffer.first_id();
        let search = |text| Search::new(Needle::new(text).expect("a text"));
        assert_eq!(search("gamma").look(&buffer, first, Way::Down), Looked::Found(first.plus(2)));
        assert_eq!(search("al").look(&buffer, first.plus(1), Way::Down), Looked::Found(first.plus(3)));
        assert_eq!(search("al").look(&buffer, first.plus(2), Way::Up), Looked::Found(first));
        assert_eq!(search("x").look(&buffer, first, Way::Down), Looked::Nowhere, "attached: the end is held");
        assert_eq!(search("x").look(&buffer, first.plus(3), Way::Up), Looked::Beyond(50));
        buffer.skipped(90, 200);
        buffer.append(200, b"x\n", 202, LetGo::Front);
        assert_eq!(search("y").look(&buffer, first, Way::Down), Looked::Beyond(90), "a gap is asked for");
        assert_eq!(search("y").look(&buffer, buffer.end_id().plus(-1), Way::Up), Looked::Beyond(200));
        let mut found = search("al");
        found.hit = Some(50);
        assert_eq!(
            (found.start(&buffer, LineId(99), Way::Down), found.start(&buffer, LineId(99), Way::Up)),
            (first.plus(1), first.plus(-1))
        );
    }
}
