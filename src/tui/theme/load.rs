//! Reads themes from TOML: `inherits`, a `[palette]` of names, and `[roles]`, each a colour or `{ fg, bg, bold, … }`.
//!
//! A theme may leave roles out if one of its ancestors has them; a role that nobody has is a fault, and so is a name
//! that is no role: a theme is right as a whole or it is not used.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Role, Theme};
use crate::model::fault::Fault;
use crate::model::nearest::nearest;

/// The themes inside the binary: name and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("ostler-dark", include_str!("../../../themes/ostler-dark.toml")),
    ("ostler-light", include_str!("../../../themes/ostler-light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("ansi16", include_str!("../../../themes/ansi16.toml")),
    ("colour-blind", include_str!("../../../themes/colour-blind.toml")),
    ("warm", include_str!("../../../themes/warm.toml")),
];

/// The theme when none is named.
pub const DEFAULT: &str = "ostler-dark";
/// The theme for a terminal with a light ground, when none is named.
pub const LIGHT: &str = "ostler-light";
/// Longest chain of `inherits`; a longer one is a circle or a mistake.
const INHERITS_MAX: usize = 8;

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    inherits: Option<String>,
    #[serde(default)]
    dark: Option<bool>,
    #[serde(default)]
    palette: BTreeMap<String, String>,
    #[serde(default)]
    roles: BTreeMap<Role, Look>,
}

/// Returns the JSON Schema of theme files.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(File);
    schema.insert("title".to_owned(), "ostler theme".into());
    schema.insert("description".to_owned(), "A theme of the screen, as a TOML file.".into());
    schema.to_value()
}

/// How a role looks: a colour of its text, or all of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Look {
    Fg(String),
    Whole(Whole),
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Whole {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
}

/// All themes that can be chosen: the built-in ones and a user's own, which come first.
#[derive(Clone, Debug, Default)]
pub struct Themes {
    own: BTreeMap<String, String>,
}

impl Themes {
    /// Returns the built-in themes and those of `own`: name and text of each file.
    pub fn new(own: BTreeMap<String, String>) -> Self {
        Self { own }
    }

    /// Returns all names, a user's own first.
    pub fn names(&self) -> Vec<String> {
        let built_in = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).filter(|n| !self.own.contains_key(n));
        self.own.keys().cloned().chain(built_in).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.own.get(name).map(String::as_str).or_else(|| built_in(name))
    }

    /// Reads a theme with all it inherits.
    ///
    /// # Errors
    /// What is wrong with which file: unknown name, TOML fault with its line, unknown role or colour, missing role.
    pub fn load(&self, name: &str) -> Result<Theme, Fault> {
        let mut files: Vec<File> = Vec::new();
        let mut next = Some((name.to_owned(), self.text(name)));
        while let Some((name, text)) = next {
            if files.len() == INHERITS_MAX {
                return Err(Fault::config(format!("theme `{name}`: `inherits` goes round in a circle or is too long")));
            }
            let file = parse(&name, text.ok_or_else(|| self.unknown(&name))?)?;
            // A user's file may refine the built-in one of its own name.
            next = file.inherits.clone().map(|outer| match outer == name {
                true => (outer.clone(), built_in(&outer)),
                false => (outer.clone(), self.text(&outer)),
            });
            files.push(file);
        }
        resolve(name, &files)
    }

    fn unknown(&self, name: &str) -> Fault {
        Fault::config(format!("there is no theme `{name}`")).hint(format!("themes: {}", self.names().join(", ")))
    }
}

/// Returns the text of a theme inside the binary.
fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

fn parse(name: &str, text: &str) -> Result<File, Fault> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Fault::config(format!("theme `{name}`, line {line}: {}", slip(e.message())))
    })
}

/// Names the role that was meant, in the place of all there are.
fn slip(message: &str) -> String {
    let unknown = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')).map(|(word, _)| word);
    let Some(word) = unknown else { return message.to_owned() };
    let known: Vec<String> = Role::ALL.iter().map(|role| role_word(*role)).collect();
    let meant = nearest(word, known.iter().map(String::as_str)).map(|meant| format!("; did you mean `{meant}`?"));
    format!("there is no role `{}`{}", word.escape_debug(), meant.unwrap_or_default())
}

/// Returns the name of a role as files have it.
pub(super) fn role_word(role: Role) -> String {
    serde_json::to_string(&role).unwrap_or_default().replace('"', "")
}

/// `files`: the theme first, then what it inherits.
fn resolve(name: &str, files: &[File]) -> Result<Theme, Fault> {
    let mut palette = BTreeMap::new();
    for file in files.iter().rev() {
        palette.extend(file.palette.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    }
    let mut styles = BTreeMap::new();
    for role in Role::ALL {
        let word = || role_word(*role);
        let look = files.iter().find_map(|f| f.roles.get(role));
        let look = look.ok_or_else(|| Fault::config(format!("theme `{name}` has no style for `{}`", word())))?;
        let style = style(look, &palette).map_err(|e| Fault::config(format!("theme `{name}`, role `{}`: {e}", word())))?;
        styles.insert(*role, style);
    }
    let dark = files.iter().find_map(|f| f.dark).unwrap_or(true);
    Ok(Theme::new(name.to_owned(), dark, |role| styles.get(&role).copied().unwrap_or_default()))
}

fn style(look: &Look, palette: &BTreeMap<&str, &str>) -> Result<Style, String> {
    let whole = match look {
        Look::Fg(fg) => Whole { fg: Some(fg.clone()), ..Whole::default() },
        Look::Whole(whole) => whole.clone(),
    };
    let mut style = Style::new();
    if let Some(fg) = &whole.fg {
        style = style.fg(color(fg, palette)?);
    }
    if let Some(bg) = &whole.bg {
        style = style.bg(color(bg, palette)?);
    }
    let modifiers = [
        (whole.bold, Modifier::BOLD),
        (whole.dim, Modifier::DIM),
        (whole.italic, Modifier::ITALIC),
        (whole.underline, Modifier::UNDERLINED),
        (whole.reverse, Modifier::REVERSED),
    ];
    for (_, modifier) in modifiers.iter().filter(|(on, _)| *on) {
        style = style.add_modifier(*modifier);
    }
    Ok(style)
}

/// A name of the palette, `#rrggbb`, a number of the 256, or one of the sixteen by name.
fn color(text: &str, palette: &BTreeMap<&str, &str>) -> Result<Color, String> {
    let value = palette.get(text).copied().unwrap_or(text);
    let forms = "forms: #rrggbb, 0 to 255, or one of the sixteen by name";
    value.parse().map_err(|_| match palette.contains_key(text) {
        true => format!("`{text}` of the palette is `{value}`, which is no colour; {forms}"),
        false => format!("`{text}` is neither in the palette nor a colour; {forms}"),
    })
}
