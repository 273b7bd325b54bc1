//! Key → command, from the table of commands and a user's own bindings. The same map handles keys and prints help.

use std::collections::BTreeMap;

use crate::commands::{self, Cmd, CommandId, Key, Scope};
use crate::model::fault::Fault;

/// Which key means what where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    bound: BTreeMap<(Scope, Key), CommandId>,
    keys: BTreeMap<CommandId, Vec<Key>>,
}

impl Keymap {
    /// Builds the map. `own` replaces all keys of the commands it names.
    ///
    /// # Errors
    /// An unknown command, an unreadable key, or one key for two commands in one place.
    pub fn new(own: &BTreeMap<String, Vec<String>>) -> Result<Self, Fault> {
        for name in own.keys() {
            if commands::by_name(name).is_none() {
                return Err(Fault::config(format!("keys: there is no command `{name}`")).hint("`?` lists all commands"));
            }
        }
        let mut map = Self::default();
        for command in commands::ALL {
            let texts: Vec<&str> = match own.get(command.name) {
                Some(texts) => texts.iter().map(String::as_str).collect(),
                None => command.keys.to_vec(),
            };
            for text in texts {
                let key: Key = text.parse().map_err(|e| Fault::config(format!("keys: `{}`: {e}", command.name)))?;
                map.bind(command, key)?;
            }
        }
        Ok(map)
    }

    fn bind(&mut self, command: &commands::Command, key: Key) -> Result<(), Fault> {
        // A command without places of its own gets a user's key everywhere.
        let scopes = if command.scopes.is_empty() { &[Scope::Everywhere] } else { command.scopes };
        for scope in scopes {
            let around = match scope.falls_through() {
                true => vec![*scope, Scope::Everywhere],
                false if *scope == Scope::Everywhere => Scope::ALL.into_iter().filter(|s| s.falls_through()).collect(),
                false => vec![*scope],
            };
            let taken = around.iter().chain([scope]).find_map(|s| self.bound.get(&(*s, key)));
            if let Some(other) = taken.filter(|id| **id != command.id) {
                let other = other.row().name;
                return Err(Fault::config(format!("keys: `{key}` means both `{other}` and `{}`", command.name)));
            }
            self.bound.insert((*scope, key), command.id);
        }
        self.keys.entry(command.id).or_default().push(key);
        Ok(())
    }

    /// Returns the command of a key in a place.
    pub fn lookup(&self, scope: Scope, key: Key) -> Option<Cmd> {
        let own = self.bound.get(&(scope, key));
        let everywhere = || self.bound.get(&(Scope::Everywhere, key)).filter(|_| scope.falls_through());
        let id = *own.or_else(everywhere)?;
        let count = if key.alt { key.digit() } else { None };
        Some(Cmd { id, count, args: Vec::new() })
    }

    /// Returns the keys of a command, the first one first.
    pub fn keys(&self, command: CommandId) -> &[Key] {
        self.keys.get(&command).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(name: &str, keys: &[&str]) -> BTreeMap<String, Vec<String>> {
        BTreeMap::from([(name.to_owned(), keys.iter().map(|k| (*k).to_owned()).collect())])
    }

    #[test]
    fn the_table_has_no_conflict() {
        let map = Keymap::new(&BTreeMap::new()).unwrap();
        let lookup = |scope, key: &str| map.lookup(scope, key.parse().unwrap()).map(|c| (c.id, c.count));
        assert_eq!(lookup(Scope::Log, "n"), Some((CommandId::LogNext, None)));
        assert_eq!(lookup(Scope::Tree, "n"), Some((CommandId::NewJob, None)));
        assert_eq!(lookup(Scope::Log, "alt-3"), Some((CommandId::GoTab, Some(3))));
        assert_eq!(lookup(Scope::Line, "q"), None, "a line of text takes letters as text");
    }

    #[test]
    fn own_keys_replace_and_conflicts_are_faults() {
        let map = Keymap::new(&own("stop", &["X"])).unwrap();
        assert_eq!(map.keys(CommandId::Stop), ["X".parse::<Key>().unwrap()]);
        assert_eq!(map.lookup(Scope::Tree, "x".parse().unwrap()), None);
        for (name, keys) in [("stop", &["q"]), ("help", &["x"]), ("nonsense", &["a"]), ("stop", &["meta-x"])] {
            assert!(Keymap::new(&own(name, keys)).is_err(), "{name} {keys:?}");
        }
    }
}
