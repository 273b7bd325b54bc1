//! A screen without a terminal.

use std::collections::BTreeMap;

use ostler::commands::Key;
use ostler::model::units::{Millis, UnixMillis};
use ostler::tui::app::{App, Start};
use ostler::tui::cx::Look;
use ostler::tui::keymap::Keymap;
use ostler::tui::layout::Sizes;
use ostler::tui::msg::Msg;
use ostler::tui::pane::UiEffect;
use ostler::tui::theme::{Depth, Themes};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use crate::world::{NOW, at_work, update};

/// A screen and what it asked for.
pub struct Screen {
    pub app: App,
    pub asked: Vec<UiEffect>,
    pub now: UnixMillis,
    /// Files that it wrote, as far as a test has looked.
    pub written: Vec<(String, String)>,
    size: (u16, u16),
}

impl Screen {
    /// Returns an empty screen of that size.
    pub fn new(width: u16, height: u16) -> Self {
        Self::with(width, height, |_| {})
    }

    /// Returns an empty screen that something was decided for.
    pub fn with(width: u16, height: u16, decide: impl Fn(&mut Look)) -> Self {
        let themes = Themes::default();
        let mut look =
            Look { readonly: false, ascii: false, blocks: false, stop_hold: Millis::from_secs(5), bell: true, demo: false };
        decide(&mut look);
        let keymap = Keymap::new(&BTreeMap::new()).expect("the table has no conflict");
        let theme = themes.load("ostler-dark").expect("the built-in theme loads");
        let app = App::new(Start { look, keymap, themes, theme, depth: Depth::True, sizes: Sizes::default() });
        let mut screen = Self { app, asked: Vec::new(), now: NOW, written: Vec::new(), size: (width, height) };
        screen.tell(Msg::Resize(width, height));
        screen
    }

    /// Returns a screen of that size on a core at work, with the cursor on the first row.
    pub fn at_work(width: u16, height: u16, decide: impl Fn(&mut Look)) -> Self {
        let mut screen = Self::with(width, height, decide);
        screen.tell(update(1, true, at_work()));
        screen.keys("g");
        screen.asked.clear();
        screen
    }

    /// Gives it another size.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.size = (width, height);
        self.tell(Msg::Resize(width, height));
    }

    /// Gives it a message.
    pub fn tell(&mut self, msg: Msg) {
        self.asked.extend(self.app.update(self.now, msg));
    }

    /// Returns what it wrote into a file.
    pub fn wrote(&self, file: &str) -> Option<String> {
        self.written.iter().rev().find(|(name, _)| name == file).map(|(_, text)| text.clone())
    }

    /// Gives it messages.
    pub fn all(mut self, messages: impl IntoIterator<Item = Msg>) -> Self {
        for msg in messages {
            self.tell(msg);
        }
        self
    }

    /// Presses keys, written with spaces between them; `"text"` types the letters.
    pub fn keys(&mut self, keys: &str) {
        for word in keys.split_whitespace() {
            match word.strip_prefix('"').and_then(|w| w.strip_suffix('"')) {
                Some(text) => {
                    for c in text.chars() {
                        let text = if c == '_' { "space".to_owned() } else { c.to_string() };
                        self.tell(Msg::Key(text.parse().expect("a key")));
                    }
                }
                None => self.tell(Msg::Key(word.parse::<Key>().expect("a key"))),
            }
        }
        // The log opens once the cursor rests.
        self.now = self.now + Millis(200);
        self.tell(Msg::Tick);
    }

    /// Returns the picture.
    pub fn buffer(&self) -> Buffer {
        let area = Rect::new(0, 0, self.size.0, self.size.1);
        let mut buffer = Buffer::empty(area);
        self.app.draw(area, &mut buffer);
        buffer
    }

    /// Returns the picture's text, without the spaces at the ends of lines.
    pub fn text(&self) -> String {
        let buffer = self.buffer();
        let mut text = String::new();
        for y in 0..self.size.1 {
            let mut line = String::new();
            let mut skip = 0;
            for x in 0..self.size.0 {
                let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
                if skip == 0 {
                    line.push_str(symbol);
                    skip = symbol.width().max(1);
                }
                skip -= 1;
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
