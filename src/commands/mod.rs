//! The one table of what a user can do. Keys, hint line, help and palette are made from it, and the keys page is checked
//! against it; a command that is not in the table cannot be reached.
//!
//! A command is added as one row in [`table`] and one arm where it acts (`tui/acts.rs` or a pane). Nothing here acts.

pub mod key;
pub mod table;

use serde::{Deserialize, Serialize};

pub use key::{Code, Key};
pub use table::{ALL, CommandId};

/// How many keys in a row may mean one command.
pub const CHORD_KEYS_MAX: usize = 2;

/// Where a command's keys count. Keys are looked up in the focused scope first, then in [`Scope::Everywhere`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// In every pane, unless an overlay or a line of text has the keys.
    Everywhere,
    /// The tree.
    Tree,
    /// The detail pane.
    Detail,
    /// The log.
    Log,
    /// An overlay that only shows: help, why.
    Reader,
    /// An overlay that lists things to choose from.
    List,
    /// A question.
    Question,
    /// A form.
    Form,
    /// A line of text that is being typed: filter, search, palette. Keys that type are text there.
    Line,
}

impl Scope {
    /// All scopes, in the order in which help lists them.
    pub const ALL: [Scope; 9] = [
        Scope::Everywhere,
        Scope::Tree,
        Scope::Detail,
        Scope::Log,
        Scope::Reader,
        Scope::List,
        Scope::Question,
        Scope::Form,
        Scope::Line,
    ];

    /// Returns its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Tree => "In the tree",
            Self::Detail => "In the detail pane",
            Self::Log => "In the log",
            Self::Reader => "In a window of text",
            Self::List => "In a list",
            Self::Question => "In a question",
            Self::Form => "In a form",
            Self::Line => "While typing a line",
        }
    }

    /// Says whether keys that are not bound here are looked up in [`Scope::Everywhere`].
    pub fn falls_through(self) -> bool {
        matches!(self, Self::Tree | Self::Detail | Self::Log)
    }
}

/// What a command can cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    /// It only looks or moves.
    None,
    /// It changes something that is easily changed back; off with `--readonly`.
    Acts,
    /// It ends or removes something: a question or a held stop comes first; off with `--readonly`.
    Ends,
}

/// One thing a user can do.
#[derive(Debug)]
pub struct Command {
    /// Its identity.
    pub id: CommandId,
    /// What is typed in the palette, and its key in the config file.
    pub name: &'static str,
    /// One sentence part that says what it does.
    pub sentence: &'static str,
    /// The word beside its key in the hint line.
    pub hint: &'static str,
    /// The keys, as [`Key`] parses them. A digit in a key (`alt-3`) becomes the command's count.
    pub keys: &'static [&'static str],
    /// Where the keys count.
    pub scopes: &'static [Scope],
    /// What may follow its name in the palette; empty when nothing does.
    pub args: &'static str,
    /// What it can cost.
    pub danger: Danger,
}

/// A command with what was typed for it. Serialised as part of the recorded messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cmd {
    /// Which.
    pub id: CommandId,
    /// The number typed before the key, or the digit in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What followed its name in the palette.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

impl Cmd {
    /// Returns the command without count and arguments.
    pub fn new(id: CommandId) -> Self {
        Self { id, count: None, args: Vec::new() }
    }

    /// Returns how often to do it: the count, or once.
    pub fn times(&self) -> usize {
        self.count.unwrap_or(1).max(1) as usize
    }
}

impl CommandId {
    /// Returns the command's row.
    pub fn row(self) -> &'static Command {
        // The table's test proves that each id has exactly one row, in the order of the ids.
        &ALL[self as usize]
    }
}

/// Returns the command of that name.
pub fn by_name(name: &str) -> Option<&'static Command> {
    ALL.iter().find(|c| c.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn each_id_has_its_row() {
        for (at, command) in ALL.iter().enumerate() {
            assert_eq!(command.id as usize, at, "`{}` stands in the wrong row", command.name);
            assert!(!command.sentence.ends_with('.') && !command.sentence.is_empty(), "{}", command.name);
            assert!(command.keys.is_empty() == command.scopes.is_empty(), "{}: keys need scopes", command.name);
        }
        let names: BTreeSet<_> = ALL.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), ALL.len(), "two commands of one name");
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for scope in Scope::ALL {
            let mut taken = BTreeMap::new();
            for command in ALL {
                let here =
                    command.scopes.contains(&scope) || scope.falls_through() && command.scopes.contains(&Scope::Everywhere);
                for text in command.keys.iter().filter(|_| here) {
                    let key: Key = text.parse().expect("keys of the table parse");
                    let former = taken.insert(key, command.name);
                    assert!(former.is_none(), "{scope:?}: `{key}` is `{former:?}` and `{}`", command.name);
                }
            }
        }
    }

    #[test]
    fn nothing_ends_work_by_a_slip() {
        for command in ALL.iter().filter(|c| c.danger == Danger::Ends) {
            for key in command.keys {
                assert!(!["ctrl-d", "ctrl-k", "delete"].contains(key), "`{}` on {key}", command.name);
            }
        }
    }
}
