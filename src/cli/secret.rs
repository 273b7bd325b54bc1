//! `--secret`: names where a value comes from, and asks for it where nobody else knows. A value itself is never taken from
//! the command line, which every user of the machine can read.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::failure::Failure;
use crate::model::fault::Fault;
use crate::model::spec::doc::{Doc, Entry, Place, Value};
use crate::model::spec::secret::{SECRET_BYTES_MAX, SecretSource, SecretText};

/// The word that a person gives up with in raw mode: Ctrl-C and Ctrl-D.
const GIVE_UP: [u8; 2] = [3, 4];

/// Puts the options over the secrets of a file; one of the same name is replaced.
///
/// # Errors
/// An option that is no reference, without what it says.
pub fn overlay(doc: &mut Doc, options: &[String]) -> Result<(), Fault> {
    if options.is_empty() {
        return Ok(());
    }
    let inner = doc.get("properties").unwrap_or(doc);
    let mut items = match inner.get("secrets").map(|list| &list.value) {
        Some(Value::List(items)) => items.clone(),
        Some(Value::Null) | None => Vec::new(),
        // What is no list stays: its reader says so.
        Some(Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_)) => return Ok(()),
    };
    for option in options {
        let (name, key, value) = parse(option)?;
        let name = Value::Text(name.to_owned());
        items.retain(|item| item.get("name").is_none_or(|doc| doc.value != name));
        let flag = |value: Value| Doc { place: Place::FLAG, value };
        let entry = |key: &str, value: Value| Entry { key: key.to_owned(), place: Place::FLAG, value: flag(value) };
        items.push(flag(Value::Map(vec![entry("name", name), entry(key, value)])));
    }
    doc.put_property(&["secrets"], Value::List(items));
    Ok(())
}

/// `NAME`, `NAME=env:VAR`, `NAME=file:PATH` or `NAME=cmd:COMMAND`.
fn parse(option: &str) -> Result<(&str, &'static str, Value), Fault> {
    let Some((name, source)) = option.split_once('=') else {
        return Ok((option, "prompt", Value::Bool(true, "true".to_owned())));
    };
    let forms = [("env:", "fromEnv"), ("file:", "fromFile"), ("cmd:", "fromCommand")];
    let found = forms.iter().find_map(|(word, key)| source.strip_prefix(word).map(|rest| (*key, rest)));
    match found {
        Some((key, rest)) => Ok((name, key, Value::Text(rest.to_owned()))),
        // What stands there may be the value, so it is not repeated.
        None => Err(Fault::config(format!(
            "--secret {}=…: wants env:VAR, file:PATH or cmd:COMMAND; a value on a command line could be read by everybody on this machine",
            name.escape_debug()
        ))
        .hint(format!("--secret {} alone asks for the value", name.escape_debug()))),
    }
}

/// Where a prompt's answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// From a person, or line by line from standard input.
    Input,
    /// Standard input is the file that was read.
    Taken,
    /// Nothing is sent, so nobody is asked.
    Unasked,
}

/// Asks for what is to be asked for, and makes paths mean the same to the core.
///
/// # Errors
/// That nobody can be asked.
pub fn settle(sources: Vec<(String, &mut SecretSource)>, answers: Answers) -> Result<(), Failure> {
    for (field, source) in sources {
        match source {
            SecretSource::Prompt if answers == Answers::Unasked => {}
            SecretSource::Prompt => *source = SecretSource::Given(ask(&field, answers)?),
            SecretSource::File(path) => *path = absolute(path)?,
            SecretSource::Given(_)
            | SecretSource::Kept(_)
            | SecretSource::Environment(_)
            | SecretSource::Command(_)
            | SecretSource::Vault { .. } => {}
        }
    }
    Ok(())
}

fn absolute(path: &str) -> Result<String, Fault> {
    let full = match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        (_, _) => {
            let here = std::env::current_dir();
            here.map_err(|e| Fault::user("the working directory is gone").because(&e))?.join(path)
        }
    };
    let text = |path: PathBuf| path.into_os_string().into_string().ok();
    text(full).ok_or_else(|| Fault::user(format!("the path `{}` is not UTF-8", path.escape_debug())))
}

fn ask(field: &str, answers: Answers) -> Result<SecretText, Failure> {
    let stdin = std::io::stdin();
    let nobody = || Fault::config(format!("{field} is to be asked for, and there is nobody to ask"));
    let hint = "give it by one line of standard input, or name a source: --secret NAME=env:VAR";
    let text = match (answers, stdin.is_terminal()) {
        (Answers::Input, true) => typed(field)?,
        (Answers::Input, false) => {
            let mut line = String::new();
            let mut limited = stdin.lock().take(SECRET_BYTES_MAX as u64 + 2);
            limited.read_line(&mut line).map_err(|e| nobody().because(&e))?;
            line.strip_suffix('\n').map(str::to_owned).unwrap_or(line)
        }
        (Answers::Taken | Answers::Unasked, _) => return Err(nobody().hint(hint).into()),
    };
    if text.is_empty() {
        return Err(nobody().hint(hint).into());
    }
    Ok(SecretText::new(text))
}

/// Puts the terminal back, however reading ends.
struct Raw;

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nothing left to do with a terminal that cannot be put back.
        let _ = disable_raw_mode();
    }
}

/// Reads a line from the terminal without showing it. In raw mode, so that Ctrl-C does not leave a terminal that shows
/// nothing any more.
fn typed(field: &str) -> Result<String, Fault> {
    let failed = |e: std::io::Error| Fault::user(format!("cannot ask for {field}")).because(&e);
    let mut err = std::io::stderr();
    write!(err, "{field}: ").and_then(|()| err.flush()).map_err(failed)?;
    enable_raw_mode().map_err(failed)?;
    let raw = Raw;
    let mut bytes = Vec::new();
    let ended = read_hidden(&mut std::io::stdin().lock(), &mut bytes);
    drop(raw);
    let _ = writeln!(err);
    if !ended.map_err(failed)? {
        return Err(Fault::user(format!("not done: {field} was not given")));
    }
    String::from_utf8(bytes).map_err(|_| Fault::user(format!("{field}: is not UTF-8 text")))
}

/// Reads until Enter; false when the person gives up. Backspace takes back one character, Ctrl-U all of them.
fn read_hidden(from: &mut impl Read, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut one = [0];
    while from.read(&mut one)? == 1 && bytes.len() <= SECRET_BYTES_MAX {
        match one[0] {
            b'\r' | b'\n' => return Ok(true),
            byte if GIVE_UP.contains(&byte) => return Ok(false),
            0x15 => bytes.clear(),
            8 | 0x7f => {
                let kept = String::from_utf8_lossy(bytes).chars().next_back().map_or(0, char::len_utf8);
                bytes.truncate(bytes.len().saturating_sub(kept));
            }
            byte => bytes.push(byte),
        }
    }
    Ok(!bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_typed_unseen() {
        for (typed, expected) in [
            ("hush\r", Some("hush")),
            ("husé\x7fh\n", Some("hush")),
            ("wrong\x15hush\r", Some("hush")),
            ("\x7fhush\r", Some("hush")),
            ("hu\x03sh\r", None),
            ("", None),
        ] {
            let mut bytes = Vec::new();
            let ended = read_hidden(&mut typed.as_bytes(), &mut bytes).unwrap();
            assert_eq!(ended.then(|| String::from_utf8(bytes).unwrap()).as_deref(), expected, "{typed:?}");
        }
    }

    #[test]
    fn an_option_names_a_source_and_never_a_value() {
        assert_eq!(parse("A=env:B").unwrap().1, "fromEnv");
        assert_eq!(parse("A=cmd:pass show a=b").unwrap().2, Value::Text("pass show a=b".to_owned()));
        let fault = parse("A=hush").unwrap_err();
        assert!(!format!("{fault:?}").contains("hush") && fault.message.starts_with("--secret A=…"), "{fault:?}");
    }
}
