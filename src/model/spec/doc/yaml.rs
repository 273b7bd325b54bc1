//! YAML 1.2 from parser events, so that each value keeps its place and aliases stay within a budget.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::{DEPTH_MAX, Doc, Entry, Lines, NODES_MAX, Place, Value, syntax, too_deep, twice};
use crate::model::spec::fields::FileFault;

pub(super) fn parse(text: &str) -> Result<Doc, Vec<FileFault>> {
    let lines = Lines::new(text);
    let mut build = Build::new(&lines);
    for next in Parser::new_from_str_with_options(text, options! { emit_comments: false }) {
        let step = match next {
            Ok((event, span)) => build.event(event, &span),
            Err(error) => Err(syntax(&lines, mark(error.marker()), error.info())),
        };
        // The text after a fault of syntax has no sure meaning.
        if let Err(fault) = step {
            build.faults.push(fault);
            break;
        }
    }
    if !build.faults.is_empty() {
        return Err(build.faults);
    }
    Ok(build.root.unwrap_or(Doc { place: Place { line: 1, column: 1 }, value: Value::Null }))
}

fn mark(marker: &granit_parser::Marker) -> usize {
    marker.byte_offset().unwrap_or(0)
}

/// A list or map that is not complete yet.
enum Open {
    List {
        items: Vec<Doc>,
        place: Place,
        anchor: usize,
    },
    Map {
        entries: Vec<Entry>,
        seen: BTreeMap<String, Place>,
        merges: Vec<Doc>,
        key: Option<Key>,
        place: Place,
        anchor: usize,
    },
}

enum Key {
    Name(String, Place),
    /// `<<`: what follows is merged into the map.
    Merge,
}

struct Build<'a> {
    lines: &'a Lines<'a>,
    open: Vec<Open>,
    root: Option<Doc>,
    anchors: BTreeMap<usize, (Doc, usize)>,
    nodes: usize,
    faults: Vec<FileFault>,
}

impl<'a> Build<'a> {
    fn new(lines: &'a Lines<'a>) -> Self {
        Self { lines, open: Vec::new(), root: None, anchors: BTreeMap::new(), nodes: 0, faults: Vec::new() }
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), FileFault> {
        let at = span.byte_range().map_or(0, |range| range.start);
        let place = self.lines.place(at);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(syntax(self.lines, at, "a second document begins; one file is one document"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let value = if is_text { Value::Text(text.into_owned()) } else { plain(&text) };
                let merge = !is_text && matches!(&value, Value::Text(text) if text == "<<");
                self.done(Doc { place, value }, anchor, 1, merge, at)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Open::List { items: Vec::new(), place, anchor }, at),
            Event::MappingStart(_, anchor, _) => self.begin(
                Open::Map { entries: Vec::new(), seen: BTreeMap::new(), merges: Vec::new(), key: None, place, anchor },
                at,
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some((doc, size)) => {
                    let (doc, size) = (Doc { place, value: doc.value.clone() }, *size);
                    self.check_depth(&doc, at)?;
                    self.done(doc, 0, size, false, at)
                }
                None => Err(syntax(self.lines, at, "the alias stands inside what it refers to")),
            },
            Event::UnresolvedAlias(name) => Err(syntax(self.lines, at, format!("no anchor `{}`", name.escape_debug()))),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..) => Ok(()),
            // The parser's enum may grow; an event nobody knows must not be taken for nothing.
            _ => Err(syntax(self.lines, at, "this part of YAML is not supported")),
        }
    }

    fn begin(&mut self, open: Open, at: usize) -> Result<(), FileFault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(self.lines, at));
        }
        self.open.push(open);
        Ok(())
    }

    fn check_depth(&self, doc: &Doc, at: usize) -> Result<(), FileFault> {
        if self.open.len() + depth(doc) > DEPTH_MAX { Err(too_deep(self.lines, at)) } else { Ok(()) }
    }

    fn end(&mut self, at: usize) -> Result<(), FileFault> {
        let (doc, anchor) = match self.open.pop() {
            Some(Open::List { items, place, anchor }) => (Doc { place, value: Value::List(items) }, anchor),
            Some(Open::Map { mut entries, seen, merges, place, anchor, .. }) => {
                for merge in merges {
                    self.merge(&mut entries, &seen, merge, at)?;
                }
                (Doc { place, value: Value::Map(entries) }, anchor)
            }
            None => return Err(syntax(self.lines, at, "a list or map ends that did not begin")),
        };
        let size = if anchor == 0 { 0 } else { count(&doc) };
        // Its parts were counted when they came.
        let new = 1;
        self.add(doc, anchor, size, new, false, at)
    }

    /// Adds what `<<` brings; keys of the map itself count.
    fn merge(
        &mut self,
        entries: &mut Vec<Entry>,
        seen: &BTreeMap<String, Place>,
        merge: Doc,
        at: usize,
    ) -> Result<(), FileFault> {
        let maps = match merge.value {
            Value::Map(map) => vec![map],
            Value::List(items) => items
                .into_iter()
                .filter_map(|item| if let Value::Map(map) = item.value { Some(map) } else { None })
                .collect(),
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) => {
                return Err(syntax(self.lines, at, "`<<` wants a map or a list of maps"));
            }
        };
        let mut known: std::collections::BTreeSet<String> = seen.keys().cloned().collect();
        for entry in maps.into_iter().flatten() {
            if known.insert(entry.key.clone()) {
                entries.push(entry);
            }
        }
        Ok(())
    }

    fn done(&mut self, doc: Doc, anchor: usize, size: usize, merge: bool, at: usize) -> Result<(), FileFault> {
        self.add(doc, anchor, size, size, merge, at)
    }

    fn add(&mut self, doc: Doc, anchor: usize, size: usize, new: usize, merge: bool, at: usize) -> Result<(), FileFault> {
        self.nodes += new;
        if self.nodes > NODES_MAX {
            return Err(syntax(
                self.lines,
                at,
                format!("with its aliases written out the file has more than {NODES_MAX} values"),
            ));
        }
        if anchor != 0 {
            // The copy that is kept counts as well.
            self.nodes += size;
            self.anchors.insert(anchor, (doc.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(doc),
            Some(Open::List { items, .. }) => items.push(doc),
            Some(Open::Map { entries, seen, merges, key, .. }) => match key.take() {
                None => {
                    let place = doc.place;
                    let name = match doc.value {
                        Value::Text(_) if merge => {
                            *key = Some(Key::Merge);
                            return Ok(());
                        }
                        Value::Text(text) | Value::Number(text) | Value::Bool(_, text) => text,
                        Value::Null => "null".to_owned(),
                        Value::List(_) | Value::Map(_) => return Err(syntax(self.lines, at, "a key must be a text")),
                    };
                    *key = Some(Key::Name(name, place));
                }
                Some(Key::Merge) => merges.push(doc),
                Some(Key::Name(name, place)) => match seen.get(&name) {
                    Some(first) => self.faults.push(twice(&name, *first, place)),
                    None => {
                        seen.insert(name.clone(), place);
                        entries.push(Entry { key: name, place, value: doc });
                    }
                },
            },
        }
        Ok(())
    }
}

fn depth(doc: &Doc) -> usize {
    match &doc.value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) => 0,
    }
}

fn count(doc: &Doc) -> usize {
    1 + match &doc.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Map(entries) => entries.iter().map(|entry| count(&entry.value)).sum::<usize>(),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) => 0,
    }
}

/// What a plain scalar means in the core schema of YAML 1.2 (chapter 10.3.2).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true, text.to_owned()),
        "false" | "False" | "FALSE" => Value::Bool(false, text.to_owned()),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // What Rust reads as a number but YAML does not: `inf`, `nan`, `infinity`.
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && text.parse::<f64>().is_ok()
}
