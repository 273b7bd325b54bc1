//! Key → command, from the table of commands and a user's own bindings. The same map handles keys and prints help.

use std::collections::BTreeMap;

use crate::commands::{self, Cmd, CommandId, Key, Scope};
use crate::model::fault::Fault;

/// Which key means what where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    bound: BTreeMap<(Scope, Key), CommandId>,
    /// Two keys in a row.
    chords: BTreeMap<(Scope, Key, Key), CommandId>,
    keys: BTreeMap<CommandId, Vec<Key>>,
    /// Commands whose keys are two in a row, as they are written.
    chord_texts: BTreeMap<CommandId, Vec<(Key, Key)>>,
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
                let read =
                    |text: &str| text.parse::<Key>().map_err(|e| Fault::config(format!("keys: `{}`: {e}", command.name)));
                match text.split_once(' ') {
                    Some((first, second)) => map.bind_chord(command, read(first)?, read(second.trim())?)?,
                    None => map.bind(command, read(text)?)?,
                }
            }
        }
        map.check_chords()?;
        Ok(map)
    }

    fn bind_chord(&mut self, command: &commands::Command, first: Key, second: Key) -> Result<(), Fault> {
        let scopes = if command.scopes.is_empty() { &[Scope::Everywhere] } else { command.scopes };
        for scope in scopes {
            if let Some(other) = self.chords.insert((*scope, first, second), command.id).filter(|id| *id != command.id) {
                let (other, name) = (other.row().name, command.name);
                return Err(Fault::config(format!("keys: `{first} {second}` means both `{other}` and `{name}`")));
            }
        }
        self.chord_texts.entry(command.id).or_default().push((first, second));
        Ok(())
    }

    /// The first of two keys in a row cannot mean something by itself in the same place.
    fn check_chords(&self) -> Result<(), Fault> {
        for ((scope, first, _), id) in &self.chords {
            let places = if *scope == Scope::Everywhere { Scope::ALL.to_vec() } else { vec![*scope, Scope::Everywhere] };
            let counts =
                |place: &&Scope| *scope != Scope::Everywhere || place.falls_through() || **place == Scope::Everywhere;
            if let Some(other) = places.iter().filter(counts).find_map(|place| self.bound.get(&(*place, *first))) {
                let (other, name) = (other.row().name, id.row().name);
                return Err(Fault::config(format!("keys: `{first}` is `{other}` and cannot begin the keys of `{name}`")));
            }
        }
        Ok(())
    }

    /// Says whether a key begins two in a row here.
    pub fn begins(&self, scope: Scope, key: Key) -> bool {
        let begins = |place: Scope| self.chords.keys().any(|(of, first, _)| *of == place && *first == key);
        begins(scope) || scope.falls_through() && begins(Scope::Everywhere)
    }

    /// Returns the command of two keys in a row.
    pub fn lookup_chord(&self, scope: Scope, first: Key, second: Key) -> Option<Cmd> {
        let own = self.chords.get(&(scope, first, second));
        let everywhere = || self.chords.get(&(Scope::Everywhere, first, second)).filter(|_| scope.falls_through());
        own.or_else(everywhere).map(|id| Cmd::new(*id))
    }

    /// Returns all keys of a command as hints write them, the first one first.
    pub fn hints(&self, command: CommandId, ascii: bool) -> Vec<String> {
        let chords = self.chord_texts.get(&command).into_iter().flatten();
        let chords = chords.map(|(first, second)| format!("{} {}", first.hint(ascii), second.hint(ascii)));
        self.keys(command).iter().map(|key| key.hint(ascii)).chain(chords).collect()
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
        let map = Keymap::new(&own("stop", &["f12"])).unwrap();
        assert_eq!(map.keys(CommandId::Stop), ["f12".parse::<Key>().unwrap()]);
        assert_eq!(map.lookup(Scope::Tree, "x".parse().unwrap()), None);
        let map = Keymap::new(&own("stop", &["ctrl-x s"])).unwrap();
        let key = |text: &str| text.parse::<Key>().unwrap();
        assert!(map.begins(Scope::Tree, key("ctrl-x")) && !map.begins(Scope::Line, key("ctrl-x")));
        assert_eq!(map.lookup_chord(Scope::Tree, key("ctrl-x"), key("s")).map(|cmd| cmd.id), Some(CommandId::Stop));
        assert_eq!(map.hints(CommandId::Stop, false), ["^x s"]);
        assert!(Keymap::new(&own("stop", &["q s"])).is_err(), "`q` leaves by itself");
        for (name, keys) in [("stop", &["q"]), ("help", &["x"]), ("nonsense", &["a"]), ("stop", &["meta-x"])] {
            assert!(Keymap::new(&own(name, keys)).is_err(), "{name} {keys:?}");
        }
    }
}
