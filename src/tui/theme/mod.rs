//! Themes: a palette and a style for each [`Role`], from TOML files. `load.rs` reads them, `depth.rs` brings colours down
//! to what the terminal has.

pub mod contrast;
pub mod depth;
pub mod load;
pub mod role;

use ratatui::style::{Color, Modifier, Style};

pub use depth::Depth;
pub use load::{BUILT_IN, Themes, schema};
pub use role::Role;

/// A style for each role, ready to draw with.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// Its name, which is that of its file.
    pub name: String,
    /// `true` when its ground is dark.
    pub dark: bool,
    /// How many colours it was fitted to.
    pub depth: Depth,
    styles: Vec<Style>,
}

impl Theme {
    pub(super) fn new(name: String, dark: bool, style: impl Fn(Role) -> Style) -> Self {
        Self { name, dark, depth: Depth::True, styles: Role::ALL.iter().map(|role| style(*role)).collect() }
    }

    /// Returns the style of a role.
    pub fn style(&self, role: Role) -> Style {
        // One entry per role, in the order of the roles.
        self.styles[role as usize]
    }

    /// Returns this theme for a terminal of fewer colours. Without any, what is chosen is reversed.
    pub fn at_depth(&self, depth: Depth) -> Self {
        let fit = |role: Role| {
            let style = self.style(role);
            let mut out = Style { fg: style.fg.map(|c| depth.fit(c)), bg: style.bg.map(|c| depth.fit(c)), ..style };
            if depth == Depth::None {
                out.fg = Some(Color::Reset);
                out.bg = Some(Color::Reset);
                match role {
                    Role::Cursor | Role::Choice | Role::LogHit => out = out.add_modifier(Modifier::REVERSED),
                    Role::Marked | Role::Match | Role::CursorIdle => out = out.add_modifier(Modifier::UNDERLINED),
                    _ => {}
                }
            }
            out
        };
        Self { depth, ..Self::new(self.name.clone(), self.dark, fit) }
    }
}
