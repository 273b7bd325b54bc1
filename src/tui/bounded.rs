//! The terminal's cells within bounds: what a terminal says of its size is believed up to a thousand columns and rows, so that no
//! size can ask for more memory than there is (65535 × 65535 cells would be 171 GB). And nothing is written to it while nothing changes.

use std::io;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// The most columns and the most rows that are drawn: four times the widest screens there are.
pub const SIDE_MAX: u16 = 1000;

/// A backend that is never larger than [`SIDE_MAX`] on a side.
#[derive(Debug)]
pub struct Bounded<B> {
    inside: B,
    /// The cursor is hidden, as far as we have done it and nobody has had the terminal since.
    hidden: bool,
}

impl<B> Bounded<B> {
    /// Returns the terminal behind bounds.
    pub fn new(inside: B) -> Self {
        Self { inside, hidden: false }
    }
}

/// Returns a size within bounds.
pub fn bounded(size: Size) -> Size {
    Size { width: size.width.min(SIDE_MAX), height: size.height.min(SIDE_MAX) }
}

impl<B: Backend<Error = io::Error>> Backend for Bounded<B> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut content = content.peekable();
        // A backend sets colours back even when it has drawn nothing: so a picture that stays would be written all the time.
        if content.peek().is_none() {
            return Ok(());
        }
        self.inside.draw(content)
    }

    fn append_lines(&mut self, count: u16) -> io::Result<()> {
        self.inside.append_lines(count)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if !self.hidden {
            self.inside.hide_cursor()?;
            self.hidden = true;
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.hidden = false;
        self.inside.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inside.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inside.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        // After a resize, and when another program had the terminal, which may have shown the cursor.
        self.hidden = false;
        self.inside.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.hidden = false;
        self.inside.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.inside.size().map(bounded)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let size = self.inside.window_size()?;
        Ok(WindowSize { columns_rows: bounded(size.columns_rows), ..size })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inside.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ratatui::backend::CrosstermBackend;

    use super::*;

    /// Counts what is written.
    struct Count<'a>(&'a AtomicUsize);

    impl io::Write for Count<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_picture_that_stays_writes_nothing() {
        let count = AtomicUsize::new(0);
        let mut terminal = Bounded::new(CrosstermBackend::new(Count(&count)));
        let cell = Cell::new("x");
        let mut written = |cells: &[(u16, u16, &Cell)], shows: bool| {
            terminal.draw(cells.iter().copied()).unwrap();
            if shows { terminal.show_cursor() } else { terminal.hide_cursor() }.unwrap();
            count.swap(0, Ordering::Relaxed)
        };
        assert!(written(&[(0, 0, &cell)], false) > 0);
        assert_eq!(written(&[], false), 0);
        assert!(written(&[], true) > 0, "a text field shows its cursor");
        assert!(written(&[], false) > 0);
        assert_eq!(written(&[], false), 0);
    }
}
