//! Reading typed values out of a [`Doc`], with every fault kept and none ending the reading.
//!
//! A reader takes the keys it knows from [`Fields`]; what is left when it is done is unknown to it and becomes a
//! warning with the nearest known key. `null` counts as absent, as in what the published tools print.

use crate::model::nearest::nearest;
use crate::model::spec::doc::{Doc, Entry, Place, Value};
use crate::model::spec::kept::{KEPT_BYTES_MAX, Kept};
use crate::model::spec::secret::SecretText;
use crate::model::units::{Bytes, Millis};

/// The most letters of a foreign text that a message repeats.
const QUOTED_CHARS_MAX: usize = 60;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileFault {
    /// Where.
    pub place: Place,
    /// Which field, as a path (`environmentVariables[2].name`); empty when it is about the text as such.
    pub field: String,
    /// What is wrong: a sentence without a full stop.
    pub what: String,
}

impl std::fmt::Display for FileFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.what)
    }
}

/// Everything that was found while a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What makes the file unfit.
    pub errors: Vec<FileFault>,
    /// What a person should know, although the file loads.
    pub warnings: Vec<FileFault>,
    /// What the file says and nobody reads, for `show` and `export`.
    pub kept: Kept,
    /// Values of the file that no report may show.
    pub values: Vec<SecretText>,
}

impl Faults {
    /// Puts both lists into the order of the file.
    pub fn sort(&mut self) {
        self.errors.sort();
        self.warnings.sort();
    }
}

/// Returns a foreign text in backticks as a message may show it: escaped, and cut when long.
pub fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    // Control and bidirectional characters are escaped; quotes are not, so that the text stays as it was typed.
    let shown: String = short
        .chars()
        .flat_map(|c| {
            let escape = if c == '"' || c == '\'' || c == '\\' { None } else { Some(c.escape_debug()) };
            let plain = if escape.is_none() { Some(c) } else { None };
            escape.into_iter().flatten().chain(plain)
        })
        .collect();
    format!("`{shown}{more}`")
}

/// A value that is being read, with its path in the file.
#[derive(Clone, Debug)]
pub struct Field<'d> {
    doc: &'d Doc,
    path: String,
}

impl<'d> Field<'d> {
    /// Returns the root of a file.
    pub fn root(doc: &'d Doc) -> Self {
        Self { doc, path: String::new() }
    }

    /// Returns a value inside this one, with its path.
    pub fn child(&self, key: &str, doc: &'d Doc) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { doc, path }
    }

    /// Returns the value as it stands in the file.
    pub fn value(&self) -> &'d Value {
        &self.doc.value
    }

    /// Returns where the value stands.
    pub fn place(&self) -> Place {
        self.doc.place
    }

    /// Notes what is wrong with this value.
    pub fn fault(&self, faults: &mut Faults, what: impl Into<String>) {
        faults.errors.push(FileFault { place: self.doc.place, field: self.path.clone(), what: what.into() });
    }

    /// Notes what is wrong with a key that this map lacks.
    pub fn fault_of(&self, faults: &mut Faults, key: &str, what: impl Into<String>) {
        self.child(key, self.doc).fault(faults, what);
    }

    /// Notes what a person should know of this value.
    pub fn warn(&self, faults: &mut Faults, what: impl Into<String>) {
        faults.warnings.push(FileFault { place: self.doc.place, field: self.path.clone(), what: what.into() });
    }

    fn wants(&self, faults: &mut Faults, wanted: &str) {
        let got = match &self.doc.value {
            Value::Text(text) => format!("the text {}", quoted(text)),
            Value::Number(text) | Value::Bool(_, text) => text.clone(),
            other @ (Value::Null | Value::List(_) | Value::Map(_)) => other.kind().to_owned(),
        };
        self.fault(faults, format!("wants {wanted}, got {got}"));
    }

    /// Returns a text without NUL bytes.
    pub fn text(&self, faults: &mut Faults) -> Option<String> {
        match &self.doc.value {
            Value::Text(text) => self.without_nul(text, faults),
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                self.wants(faults, "a text");
                None
            }
        }
    }

    /// Returns a text, or a number or truth value as it was typed.
    pub fn scalar(&self, faults: &mut Faults) -> Option<String> {
        match &self.doc.value {
            Value::Text(text) | Value::Number(text) | Value::Bool(_, text) => self.without_nul(text, faults),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.wants(faults, "a text");
                None
            }
        }
    }

    fn without_nul(&self, text: &str, faults: &mut Faults) -> Option<String> {
        match text.bytes().position(|b| b == 0) {
            Some(at) => {
                self.fault(faults, format!("has a NUL byte at {at}; no program can receive it"));
                None
            }
            None => Some(text.to_owned()),
        }
    }

    /// Returns a text that a rule accepts; the rule's sentence becomes the fault.
    pub fn checked(&self, faults: &mut Faults, rule: impl Fn(&str) -> Result<(), String>) -> Option<String> {
        let text = self.text(faults)?;
        match rule(&text) {
            Ok(()) => Some(text),
            Err(why) => {
                self.fault(faults, why);
                None
            }
        }
    }

    /// Returns a whole number between two bounds, both allowed.
    pub fn count(&self, faults: &mut Faults, least: u32, most: u32) -> Option<u32> {
        let number = match &self.doc.value {
            Value::Number(text) => whole(text),
            Value::Null | Value::Bool(..) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        let Some(number) = number else {
            self.wants(faults, "a whole number");
            return None;
        };
        match u32::try_from(number) {
            Ok(count) if (least..=most).contains(&count) => Some(count),
            Ok(_) | Err(_) => {
                self.fault(faults, format!("must be {least} to {most}, got {number}"));
                None
            }
        }
    }

    /// Returns a whole number between two bounds, both allowed, that may be negative.
    pub fn signed(&self, faults: &mut Faults, least: i64, most: i64) -> Option<i64> {
        let number = match &self.doc.value {
            Value::Number(text) => whole(text),
            Value::Null | Value::Bool(..) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        let Some(number) = number else {
            self.wants(faults, "a whole number");
            return None;
        };
        match i64::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                self.fault(faults, format!("must be {least} to {most}, got {number}"));
                None
            }
        }
    }

    /// Returns what is named by `{id: …}`, as the published bodies do, or by a plain text.
    pub fn id(&self, faults: &mut Faults) -> Option<Field<'d>> {
        match &self.doc.value {
            Value::Map(_) => {
                let mut inner = self.map(faults)?;
                let id = inner.need(faults, "id");
                // The published tools add it to every object they print.
                inner.ignore(&["resourceGroup"]);
                inner.finish(faults);
                id
            }
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => Some(self.clone()),
        }
    }

    /// Returns thousandths of a number that may have a fraction.
    pub fn thousandths(&self, faults: &mut Faults) -> Option<u64> {
        let number = match &self.doc.value {
            Value::Number(text) => text.parse::<f64>().ok(),
            Value::Null | Value::Bool(..) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        match number {
            Some(number) if (0.0..=1e9).contains(&number) => Some((number * 1000.0).round() as u64),
            Some(number) => {
                self.fault(faults, format!("must be 0 to 1000000000, got {number}"));
                None
            }
            None => {
                self.wants(faults, "a number");
                None
            }
        }
    }

    /// Returns a truth value.
    pub fn truth(&self, faults: &mut Faults) -> Option<bool> {
        match &self.doc.value {
            Value::Bool(truth, _) => Some(*truth),
            Value::Null | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                self.wants(faults, "true or false");
                None
            }
        }
    }

    /// Returns one of several words.
    pub fn word<T: Copy>(&self, faults: &mut Faults, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(faults)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)) {
            return Some(*value);
        }
        let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.fault(faults, format!("{} is none of {}", quoted(&text), list.join(", ")));
        None
    }

    /// Returns a span of time in any of the published forms.
    pub fn span(&self, faults: &mut Faults) -> Option<Millis> {
        let text = self.scalar(faults)?;
        match Millis::parse(&text) {
            Ok(span) => Some(span),
            Err(why) => {
                self.fault(faults, why);
                None
            }
        }
    }

    /// Returns an amount of bytes: a number of bytes, or a text with a unit.
    pub fn bytes(&self, faults: &mut Faults) -> Option<Bytes> {
        let text = self.scalar(faults)?;
        match Bytes::parse(&text) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                self.fault(faults, why);
                None
            }
        }
    }

    /// Returns the items of a list.
    pub fn list(&self, faults: &mut Faults) -> Vec<Field<'d>> {
        match &self.doc.value {
            Value::List(items) => {
                items.iter().enumerate().map(|(i, doc)| Field { doc, path: format!("{}[{i}]", self.path) }).collect()
            }
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
                self.wants(faults, "a list");
                Vec::new()
            }
        }
    }

    /// Returns every key of a map whose keys are the user's own, with its value.
    pub fn entries(&self, faults: &mut Faults) -> Vec<(String, Field<'d>)> {
        match &self.doc.value {
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), self.child(&entry.key, &entry.value))).collect()
            }
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                self.wants(faults, "a table");
                Vec::new()
            }
        }
    }

    /// Returns the keys of a map.
    pub fn map(&self, faults: &mut Faults) -> Option<Fields<'d>> {
        match &self.doc.value {
            Value::Map(entries) => {
                Some(Fields { whole: self.clone(), entries: entries.iter().collect(), known: Vec::new() })
            }
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                self.wants(faults, "a map");
                None
            }
        }
    }
}

fn keep(path: &str, doc: &Doc, place: Place, faults: &mut Faults) {
    if doc.value != Value::Null && !faults.kept.put(path, doc.to_json()) {
        let what = format!("is too large to be kept; {KEPT_BYTES_MAX} bytes of unknown properties are kept of one file");
        faults.warnings.push(FileFault { place, field: path.to_owned(), what });
    }
}

fn whole(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.parse().ok().or_else(|| {
        // `2.0` and `1e3` are whole numbers to JSON.
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i128)
    })
}

/// The keys of a map that nobody has asked for yet.
#[derive(Clone, Debug)]
pub struct Fields<'d> {
    whole: Field<'d>,
    entries: Vec<&'d Entry>,
    known: Vec<&'static str>,
}

impl<'d> Fields<'d> {
    /// Returns the value of `key`, unless it is absent or null.
    pub fn take(&mut self, key: &'static str) -> Option<Field<'d>> {
        self.known.push(key);
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        let entry = self.entries.remove(at);
        let field = Field { doc: &entry.value, path: self.path_of(key) };
        (entry.value.value != Value::Null).then_some(field)
    }

    /// Returns the value of `key`; its absence is a fault.
    pub fn need(&mut self, faults: &mut Faults, key: &'static str) -> Option<Field<'d>> {
        let field = self.take(key);
        if field.is_none() {
            let fault = FileFault { place: self.whole.place(), field: self.path_of(key), what: "is missing".to_owned() };
            faults.errors.push(fault);
        }
        field
    }

    /// Says that these keys are known and mean nothing here.
    pub fn ignore(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
        self.entries.retain(|entry| !keys.contains(&entry.key.as_str()));
    }

    /// Says whether `key` was taken and there.
    pub fn had(&self, key: &str) -> bool {
        match &self.whole.doc.value {
            Value::Map(entries) => entries.iter().any(|entry| entry.key == key && entry.value.value != Value::Null),
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => false,
        }
    }

    /// Returns the same keys with paths that begin here, as if no level stood above.
    pub fn at_top(mut self) -> Self {
        self.whole.path.clear();
        self
    }

    /// Returns the map itself, for faults that concern it as a whole.
    pub fn whole(&self) -> &Field<'d> {
        &self.whole
    }

    /// Warns of every key that nobody asked for, with the known key that was probably meant.
    /// Its value is kept.
    pub fn finish(self, faults: &mut Faults) {
        faults.warnings.extend(self.unknown("; it is not used"));
        for entry in &self.entries {
            let path = self.path_of(&entry.key);
            keep(&path, &entry.value, entry.place, faults);
        }
    }

    /// Says that these keys are known and mean nothing here; what they are set to is kept without a word.
    pub fn keep(&mut self, keys: &[&'static str], faults: &mut Faults) {
        for entry in self.entries.iter().filter(|entry| keys.contains(&entry.key.as_str())) {
            keep(&self.path_of(&entry.key), &entry.value, entry.place, faults);
        }
        self.ignore(keys);
    }

    /// Like [`Fields::finish`], but an unknown key is a fault.
    pub fn finish_strictly(self, faults: &mut Faults) {
        faults.errors.extend(self.unknown(""));
    }

    fn unknown(&self, consequence: &str) -> Vec<FileFault> {
        let fault = |entry: &&Entry| {
            let hint = match nearest(&entry.key, self.known.iter().copied()) {
                Some(meant) => format!("; did you mean `{meant}`?"),
                None => String::new(),
            };
            let what = format!("unknown key {}{consequence}{hint}", quoted(&entry.key));
            FileFault { place: entry.place, field: self.whole.path.clone(), what }
        };
        self.entries.iter().map(fault).collect()
    }

    fn path_of(&self, key: &str) -> String {
        if self.whole.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.whole.path) }
    }
}
