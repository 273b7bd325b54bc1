//! One tree for JSON, YAML and TOML, in which every value knows its place.
//!
//! Called by whoever reads a file that a person wrote: job and cluster files, the configuration. Pure: text in, tree or
//! faults out. It never panics and never uses more than a small multiple of the text's size, whatever the text.
//!
//! Numbers and truth values keep their source text beside their kind, so that a reader that wants a text (the value of
//! an environment variable) gets what was typed: `1.10` stays `1.10` and `True` stays `True`.

mod json;
mod toml;
mod yaml;

use std::fmt;

use crate::model::spec::fields::{FileFault, quoted};

/// The largest file that is read, in bytes (reliability: a file that a person writes by hand, a hundred times over).
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The deepest nesting of lists and maps: three times what the published bodies need.
pub const DEPTH_MAX: usize = 32;
/// The most values a file may hold once YAML's aliases are written out; stops files that double themselves.
pub const NODES_MAX: usize = 100_000;

/// A place in a text, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line; 0 when the value did not come from a text but from the command line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Place {
    /// The place of what was given on the command line.
    pub const FLAG: Self = Self { line: 0, column: 0 };

    /// Returns the place of byte `at` of `text`.
    pub fn of(text: &str, at: usize) -> Self {
        let before = &text.as_bytes()[..at.min(text.len())];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = characters(&before[start..]) + 1;
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The starts of a text's lines and how many characters stand before each block, so that many places are found without counting
/// from the top each time, nor from the start of a line: a minified file is one line.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    counts: Vec<usize>,
}

/// How many bytes are counted at most for a place.
const BLOCK: usize = 1024;

/// Returns how many characters begin in these bytes: all but continuation bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b & 0xC0 != 0x80).count()
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        let before = text.as_bytes().chunks(BLOCK).scan(0, |sum, block| {
            *sum += characters(block);
            Some(*sum)
        });
        Self { text, starts: starts.collect(), counts: std::iter::once(0).chain(before).collect() }
    }

    /// Returns how many characters begin before a byte.
    fn before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        self.counts[block] + characters(&self.text.as_bytes()[block * BLOCK..at])
    }

    fn place(&self, at: usize) -> Place {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts[line - 1];
        let column = self.before(at) - self.before(start) + 1;
        Place { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }
}

/// The language of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON with comments and trailing commas.
    Json,
    /// YAML 1.2, core schema.
    Yaml,
    /// TOML 1.
    Toml,
}

impl Format {
    /// Returns the language that the file's name says, else what the text looks like.
    pub fn of(name: &str, text: &str) -> Self {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        match extension.as_deref() {
            Some("json" | "jsonc") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            Some("toml") => Self::Toml,
            Some(_) | None => Self::by_content(text),
        }
    }

    fn by_content(text: &str) -> Self {
        let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if text.starts_with(['{', '/']) {
            return Self::Json;
        }
        let telling = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        match telling {
            Some(line) if line.starts_with('[') && line.ends_with(']') => Self::Toml,
            Some(line) => match (line.find('='), line.find(':')) {
                (Some(equals), colon) if colon.is_none_or(|colon| equals < colon) => Self::Toml,
                (_, _) => Self::Yaml,
            },
            None => Self::Yaml,
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Doc {
    /// Where it begins.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// A value of any of the three languages.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing; the same as if the key were not there.
    Null,
    /// A truth value, and how it was written.
    Bool(bool, String),
    /// A number as it was written; TOML's underscores are gone.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Doc>),
    /// A map; no key twice, in the order of the file (TOML: of the alphabet).
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// What it is set to.
    pub value: Doc,
}

impl Value {
    /// Returns what kind of value this is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(..) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl From<&serde_json::Value> for Doc {
    /// Makes a tree that came from no file.
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth, truth.to_string()),
            Json::Number(number) => Value::Number(number.to_string()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Self::from).collect()),
            Json::Object(map) => {
                let entry =
                    |(key, value): (&String, &Json)| Entry { key: key.clone(), place: Place::FLAG, value: value.into() };
                Value::Map(map.iter().map(entry).collect())
            }
        };
        Self { place: Place::FLAG, value }
    }
}

impl Doc {
    /// Returns an empty map that came from no file.
    pub fn empty() -> Self {
        Self { place: Place::FLAG, value: Value::Map(Vec::new()) }
    }

    /// Returns the tree as JSON, without places. A number that JSON has no form for becomes the text it was written as.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(truth, _) => Json::Bool(*truth),
            Value::Number(text) => serde_json::from_str::<serde_json::Number>(text.trim_start_matches('+'))
                .map_or_else(|_| Json::String(text.clone()), Json::Number),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }

    /// Reads a file's bytes. `name` decides the language by its extension.
    ///
    /// # Errors
    /// Everything that is wrong with the text as a text of its language.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Vec<FileFault>> {
        let text = text_of(bytes).map_err(|fault| vec![fault])?;
        let doc = match Format::of(name, text) {
            Format::Json => json::parse(text)?,
            Format::Yaml => yaml::parse(text)?,
            Format::Toml => toml::parse(text)?,
        };
        Ok(doc)
    }

    /// Reads a file of several documents: in YAML parted by lines of `---`, in JSON the items of a list. Places count from
    /// the beginning of the file.
    ///
    /// # Errors
    /// As [`Doc::parse`]; of each document.
    pub fn parse_all(name: &str, bytes: &[u8]) -> Result<Vec<Self>, Vec<FileFault>> {
        let text = text_of(bytes).map_err(|fault| vec![fault])?;
        let docs = match Format::of(name, text) {
            Format::Yaml => {
                let (mut docs, mut faults) = (Vec::new(), Vec::new());
                for part in yaml_parts(text) {
                    match yaml::parse(&part) {
                        Ok(doc) => docs.push(doc),
                        Err(more) => faults.extend(more),
                    }
                }
                if !faults.is_empty() {
                    return Err(faults);
                }
                docs
            }
            Format::Json | Format::Toml => vec![Self::parse(name, bytes)?],
        };
        let items = docs.into_iter().flat_map(|doc| match doc.value {
            Value::List(items) => items,
            value @ (Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_)) => {
                vec![Self { place: doc.place, value }]
            }
        });
        Ok(items.filter(|doc| doc.value != Value::Null).collect())
    }

    /// Returns the value of `key`, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Doc> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// Returns the value of a key of a map, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value),
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// Sets `key` from the command line, over what the file says. Anything but a map is left as it is: its reader says
    /// what is wrong with it.
    pub fn put(&mut self, key: &str, value: Value) {
        let doc = Doc { place: Place::FLAG, value };
        if let Value::Map(entries) = &mut self.value {
            match entries.iter_mut().find(|entry| entry.key == key) {
                Some(entry) => entry.value = doc,
                None => entries.push(Entry { key: key.to_owned(), place: Place::FLAG, value: doc }),
            }
        }
    }

    /// Sets a key below other keys (`["constraints", "maxWallClockTime"]`) like [`Doc::put`]; maps on the way are made
    /// where there is nothing. A body with the `properties` level gets it below that.
    pub fn put_property(&mut self, path: &[&str], value: Value) {
        let level = self.get("properties").is_some_and(|inner| matches!(inner.value, Value::Map(_)));
        let path = if level { [&["properties"], path].concat() } else { path.to_vec() };
        self.put_below(&path, value);
    }

    /// Like [`Doc::put_property`], from this value on.
    pub fn put_below(&mut self, path: &[&str], value: Value) {
        match path {
            [] => {}
            [key] => self.put(key, value),
            [key, rest @ ..] => {
                if self.get(key).is_none_or(|doc| doc.value == Value::Null) {
                    self.put(key, Value::Map(Vec::new()));
                }
                if let Value::Map(entries) = &mut self.value
                    && let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key)
                {
                    entry.value.put_below(rest, value);
                }
            }
        }
    }
}

/// The documents of a YAML file, each with as many empty lines before it as the file has lines there.
fn yaml_parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.trim_end();
        if marker == "---" || marker == "..." {
            parts.push("\n".repeat(number + 1));
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn text_of(bytes: &[u8]) -> Result<&str, FileFault> {
    let whole = |what: String| FileFault { place: Place { line: 1, column: 1 }, field: String::new(), what };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(whole(format!("the file has {} bytes, the limit is {FILE_BYTES_MAX}", bytes.len())));
    }
    let zeros = bytes.iter().take(64).filter(|b| **b == 0).count();
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || zeros * 3 > bytes.len().min(64) {
        return Err(whole("the file is UTF-16; save it as UTF-8".to_owned()));
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let good = std::str::from_utf8(&bytes[..at]).unwrap_or_default();
        let what = format!("the byte 0x{:02X} (number {at}) is not UTF-8", bytes[at]);
        FileFault { place: Place::of(good, at), field: String::new(), what }
    })
}

/// A fault of the text as such, at a byte of it.
fn syntax(lines: &Lines<'_>, at: usize, what: impl Into<String>) -> FileFault {
    FileFault { place: lines.place(at), field: String::new(), what: what.into() }
}

fn too_deep(lines: &Lines<'_>, at: usize) -> FileFault {
    syntax(lines, at, format!("lists and maps are nested deeper than {DEPTH_MAX}"))
}

fn twice(key: &str, first: Place, again: Place) -> FileFault {
    let what = format!("the key {} is set twice, first on line {}", quoted(key), first.line);
    FileFault { place: again, field: String::new(), what }
}

#[cfg(test)]
mod tests;
