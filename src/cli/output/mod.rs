//! Writing: data to standard output in the chosen format, messages to standard error. One writer per format; nothing is printed elsewhere.
//!
//! What is meant for people is cleaned at this edge, so that no name, message or file can move the cursor of a terminal;
//! data for programs (JSON, YAML) is escaped by its format.

mod json;
mod lines;
mod query;
pub mod status;
mod table;
mod yaml;

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

use super::failure::Failure;
use crate::model::cells::Cells;
use crate::model::fault::Fault;
pub use query::Query;

/// A format of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    #[default]
    Table,
    /// More columns
    Wide,
    /// One array, or one object
    #[value(alias = "jsonc")]
    Json,
    /// One object a line, as they come
    Jsonl,
    /// YAML
    Yaml,
    /// The columns of `wide`, parted by tabs, without titles
    Tsv,
    /// Names alone, one a line
    Name,
}

/// A column of a list.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// How it is shown.
    pub look: Look,
}

/// How a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// To the left.
    Text,
    /// To the right.
    Number,
    /// A state, coloured by its word.
    State,
    /// Only in `wide`, to the left.
    Wide,
    /// In `wide`, and wherever a row of the first page says something else than this, to the left.
    Unless(&'static str),
}

/// One thing of a list, in every form that a format may want.
#[derive(Clone, Debug)]
pub struct Row {
    /// One text for each column.
    pub cells: Vec<String>,
    /// The whole, for programs.
    pub value: Value,
    /// Its name.
    pub name: String,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Painter {
    color: bool,
}

/// What a text is, to be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A title.
    Title,
    /// Something failed.
    Error,
    /// Something to know.
    Warn,
    /// Something well.
    Good,
    /// Something at work.
    Busy,
    /// Beside the point.
    Dim,
}

impl Painter {
    /// Returns one that uses no colour.
    pub fn plain() -> Self {
        Self { color: false }
    }

    /// Returns one that uses colours if `color`.
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    /// Says whether colours are used.
    pub fn colored(self) -> bool {
        self.color
    }

    /// Returns the text in its colour.
    pub fn style(self, style: Style, text: &str) -> String {
        let (before, after) = self.around(Some(style));
        format!("{before}{text}{after}")
    }

    /// Returns a state's word in its colour.
    pub fn state(self, word: &str, padded: &str) -> String {
        let (before, after) = self.around(Style::of_state(word));
        format!("{before}{padded}{after}")
    }

    /// Returns what stands before and after a text to colour it.
    pub fn around(self, style: Option<Style>) -> (&'static str, &'static str) {
        let before = match style.filter(|_| self.color) {
            None => return ("", ""),
            Some(Style::Title) => "\u{1b}[1m",
            Some(Style::Error) => "\u{1b}[1;31m",
            Some(Style::Warn) => "\u{1b}[33m",
            Some(Style::Good) => "\u{1b}[32m",
            Some(Style::Busy) => "\u{1b}[36m",
            Some(Style::Dim) => "\u{1b}[2m",
        };
        (before, "\u{1b}[0m")
    }
}

impl Style {
    /// Returns what a state's word is, if anything.
    pub fn of_state(word: &str) -> Option<Self> {
        match word {
            "succeeded" | "idle" | "steady" => Some(Self::Good),
            "failed" | "unusable" => Some(Self::Error),
            "running" | "resizing" | "preparing" => Some(Self::Busy),
            "terminating" | "leaving" | "deleting" | "allocating" => Some(Self::Warn),
            _ => None,
        }
    }
}

/// The column of names, the first of every list.
const NAME: usize = 0;

/// Returns a text as a terminal may get it: on one line, and nothing in it acts.
pub fn clean(text: &str) -> Cow<'_, str> {
    match crate::model::shown::is_plain(text) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(crate::model::shown::Shown::new(text).into()),
    }
}

/// Returns a value as YAML.
///
/// # Errors
/// That it cannot be written so.
pub fn yaml_text(value: &serde_json::Value) -> std::io::Result<String> {
    let mut text = Vec::new();
    yaml::document(&mut text, value)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Where and how a command writes.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// The format of data.
    pub format: Format,
    /// For standard output.
    pub paint: Painter,
    /// For standard error.
    pub paint_err: Painter,
    /// How many columns the terminal has; no limit when data goes elsewhere.
    pub columns: Option<usize>,
    /// No messages.
    pub quiet: bool,
    /// What is to be picked out of the data.
    pub query: Option<&'static Query>,
}

impl Out {
    /// Looks at the terminal and at what was asked for.
    pub fn new(format: Option<Format>, color: super::args::Color, quiet: bool) -> Self {
        let wanted = |tty: bool| match color {
            super::args::Color::Always => true,
            super::args::Color::Never => false,
            super::args::Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                tty && !refused && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        let stdout = std::io::stdout();
        let tty = stdout.is_terminal();
        let size = if tty { rustix::termios::tcgetwinsize(&stdout).ok() } else { None };
        Self {
            format: format.unwrap_or_default(),
            paint: Painter::new(wanted(tty)),
            paint_err: Painter::new(wanted(std::io::stderr().is_terminal())),
            columns: size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0),
            quiet,
            query: None,
        }
    }

    /// Returns the same with a question to the data, in JMESPath.
    ///
    /// # Errors
    /// That the expression is none.
    pub fn asking(self, query: Option<&str>) -> Result<Self, Fault> {
        // One of a process, which ends with what it asks for.
        let query = query.map(Query::parse).transpose()?.map(|query| &*Box::leak(Box::new(query)));
        Ok(Self { query, ..self })
    }

    /// Says whether what is written is for a person to read as it is.
    pub fn for_people(&self) -> bool {
        self.query.is_none() && matches!(self.format, Format::Table | Format::Wide)
    }

    /// Begins a list.
    pub fn list(&self, columns: &'static [Column]) -> Listing {
        if self.query.is_some() {
            return Listing { writer: Writer::Asked(*self, Vec::new()) };
        }
        let writer = match self.format {
            Format::Table => Writer::Table(table::Table::new(columns, false, self.columns, self.paint)),
            Format::Wide => Writer::Table(table::Table::new(columns, true, self.columns, self.paint)),
            Format::Json => Writer::Json(json::Array::default()),
            Format::Jsonl => Writer::Jsonl,
            Format::Yaml => Writer::Yaml(Vec::new()),
            Format::Tsv => Writer::Tsv(columns),
            Format::Name => Writer::Name,
        };
        Listing { writer }
    }

    /// Writes one thing: for people one line for each of `facts`, else its value.
    ///
    /// # Errors
    /// That the output is closed.
    pub fn one(&self, name: &str, facts: &[(&str, String)], value: &Value) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        if let Some(query) = self.query {
            query.write(&mut out, self, value)?;
            return Ok(out.flush()?);
        }
        match self.format {
            Format::Table | Format::Wide => table::facts(&mut out, facts, self.paint)?,
            Format::Json => json::pretty(&mut out, value)?,
            Format::Jsonl => json::line(&mut out, value)?,
            Format::Yaml => yaml::document(&mut out, value)?,
            Format::Tsv => lines::facts(&mut out, facts)?,
            Format::Name => lines::name(&mut out, name)?,
        }
        Ok(out.flush()?)
    }

    /// Writes one thing that was just made or changed: the sentence to standard error for people, the value for programs.
    ///
    /// # Errors
    /// That the output is closed.
    pub fn done(&self, sentence: &str, name: &str, value: &Value) -> Result<(), Failure> {
        if self.query.is_some() {
            return self.one(name, &[], value);
        }
        match self.format {
            Format::Table | Format::Wide => {
                self.note(sentence);
                Ok(())
            }
            Format::Json | Format::Jsonl | Format::Yaml | Format::Tsv | Format::Name => {
                self.one(name, &[("name", name.to_owned())], value)
            }
        }
    }

    /// Says something to a person.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            // Nobody can be told that standard error is closed.
            let _ = writeln!(std::io::stderr().lock(), "{}", clean(text));
        }
    }

    /// Says something that a person should not overlook.
    pub fn warn(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{} {}", self.paint_err.style(Style::Warn, "warning:"), clean(text));
    }
}

enum Writer {
    Table(table::Table),
    Json(json::Array),
    Jsonl,
    Yaml(Vec<Value>),
    Tsv(&'static [Column]),
    Name,
    /// All of it, until it is asked.
    Asked(Out, Vec<Value>),
}

/// A list that is being written; it streams wherever the format can.
pub struct Listing {
    writer: Writer,
}

impl Listing {
    /// Writes a page of rows.
    ///
    /// # Errors
    /// That the output is closed.
    pub fn page(&mut self, rows: Vec<Row>) -> Result<(), Failure> {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        match &mut self.writer {
            Writer::Table(table) => out.write_all(table.page(&rows).as_bytes())?,
            Writer::Json(array) => rows.iter().try_for_each(|row| array.item(&mut out, &row.value))?,
            Writer::Jsonl => rows.iter().try_for_each(|row| json::line(&mut out, &row.value))?,
            Writer::Yaml(values) | Writer::Asked(_, values) => values.extend(rows.into_iter().map(|row| row.value)),
            Writer::Tsv(_) => rows.iter().try_for_each(|row| lines::tsv(&mut out, &row.cells))?,
            Writer::Name => rows.iter().try_for_each(|row| lines::name(&mut out, &row.name))?,
        }
        Ok(out.flush()?)
    }

    /// Says which columns a page of cells has to have for this format; `None` where only whole rows will do.
    pub fn wanted(&self) -> Option<Vec<usize>> {
        match &self.writer {
            Writer::Table(table) => Some(table.wanted()),
            Writer::Tsv(columns) => Some((0..columns.len()).collect()),
            Writer::Name => Some(vec![NAME]),
            Writer::Json(_) | Writer::Jsonl | Writer::Yaml(_) | Writer::Asked(..) => None,
        }
    }

    /// Writes a page of `count` rows that were gathered by the [`wanted`](Self::wanted) columns; nothing where whole rows are.
    ///
    /// # Errors
    /// That the output is closed.
    pub fn cells(&mut self, count: usize, cells: &[Cells]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let mut text = String::new();
        match &mut self.writer {
            Writer::Table(table) => table.cells(&mut text, count, cells),
            Writer::Tsv(_) => lines::cells(&mut text, count, cells),
            Writer::Name => lines::cells(&mut text, count, cells),
            Writer::Json(_) | Writer::Jsonl | Writer::Yaml(_) | Writer::Asked(..) => {}
        }
        // In one piece, past the buffer that standard output has for lines.
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Ends the list.
    ///
    /// # Errors
    /// That the output is closed.
    pub fn end(self) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match self.writer {
            Writer::Json(array) => array.end(&mut out)?,
            Writer::Yaml(values) => yaml::document(&mut out, &Value::Array(values))?,
            Writer::Asked(of, values) => {
                if let Some(query) = of.query {
                    query.write(&mut out, &of, &Value::Array(values))?;
                }
            }
            Writer::Table(_) | Writer::Jsonl | Writer::Tsv(_) | Writer::Name => {}
        }
        Ok(out.flush()?)
    }
}

#[cfg(test)]
mod tests;
