//! Reading a file that the user names: a path, `-` for standard input, or an address in the web.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::failure::{Failure, warnings_text};
use super::output::Out;
use crate::config::address::check_address;
use crate::model::fault::{Fault, FaultKind};
use crate::model::spec::doc::{Doc, FILE_BYTES_MAX, Place};
use crate::model::spec::fields::{Faults, FileFault};
use crate::model::spec::{FileReport, SecretText, sbatch};

/// How long an address may take to answer in full: a person waits.
const FETCH_LIMIT: Duration = Duration::from_secs(30);
/// How often an address may point elsewhere (as curl's `--max-redirs` is usually set).
const REDIRECTS_MAX: usize = 5;

/// A file as it was read.
pub struct Source {
    /// As the user named it.
    pub name: String,
    bytes: Vec<u8>,
}

impl Source {
    /// Reads what the user named.
    ///
    /// # Errors
    /// That it is not there, too large or not to be reached.
    pub async fn read(named: &str) -> Result<Self, Failure> {
        if named.contains("://") {
            return Ok(Self { name: named.to_owned(), bytes: fetch(named).await? });
        }
        let (name, result) = match named {
            "-" => ("standard input", read_limited(std::io::stdin().lock())),
            path => (path, read_path(Path::new(path))),
        };
        let bytes = result.map_err(|e| Fault::user(format!("cannot read `{}`", name.escape_debug())).because(&e))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(
                Fault::user(format!("`{}` is too large: the limit is {FILE_BYTES_MAX} bytes", name.escape_debug())).into()
            );
        }
        Ok(Self { name: name.to_owned(), bytes })
    }

    /// Returns a file that is nothing but what the command line says.
    pub fn none() -> Self {
        Self { name: "the command line".to_owned(), bytes: Vec::new() }
    }

    /// Returns the text; what is no UTF-8 in it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Reads the text as a tree.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn doc(&self) -> Result<Doc, Failure> {
        // The query of an address is not part of the file's name.
        let name =
            if self.name.contains("://") { self.name.split(['?', '#']).next().unwrap_or_default() } else { &self.name };
        let doc = Doc::parse(name, &self.bytes).map_err(|faults| {
            let report = self.report(faults);
            FileReport { text: without_likely(&report.text), ..report }
        })?;
        Ok(doc)
    }

    /// Reads the text as a job's tree: a script for `sbatch` is one too.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn job_doc(&self) -> Result<Doc, Failure> {
        let text = self.text();
        match sbatch::is_script(&text) {
            true => Ok(sbatch::read(&text).map_err(|faults| self.report(faults))?),
            false => self.doc(),
        }
    }

    /// Reads the text as one tree or several.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn docs(&self) -> Result<Vec<Doc>, Failure> {
        let name = self.name.split(['?', '#']).next().unwrap_or_default();
        let name = if self.name.contains("://") { name } else { &self.name };
        Ok(Doc::parse_all(name, &self.bytes).map_err(|faults| self.report(faults))?)
    }

    /// Says the warnings, and fails with the errors if there are any. `options` names for a field the option that sets it.
    ///
    /// # Errors
    /// All faults at once.
    pub fn judge(&self, out: Out, faults: Faults, options: &[(&str, &str)]) -> Result<(), Failure> {
        eprint_text(&warnings_text(&self.name, &faults.warnings, out.paint_err));
        if faults.errors.is_empty() {
            return Ok(());
        }
        let concerned =
            |field: &str| faults.errors.iter().any(|fault| fault.field == field && fault.what.starts_with("is missing"));
        let hints = options.iter().filter(|(field, _)| concerned(field)).map(|(_, option)| (*option).to_owned()).collect();
        let report = self.report(faults.errors);
        Err(FileReport { hints, text: without(&report.text, &faults.values), ..report }.into())
    }

    fn report(&self, faults: Vec<FileFault>) -> FileReport {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        // What came from the command line alone is a wrong call.
        let kind = if faults.iter().all(|fault| fault.place == Place::FLAG) { FaultKind::Config } else { FaultKind::User };
        FileReport { name: self.name.clone(), text, faults, kind, hints: Vec::new() }
    }
}

/// Returns a text with every value that nobody may see as stars, so that places in it stay where they are.
fn without(text: &str, values: &[SecretText]) -> String {
    let stars = |part: &str| part.chars().map(|c| if c.is_whitespace() { c } else { '*' }).collect::<String>();
    let mut text = text.to_owned();
    // A value of several lines may be indented in the file, so each line counts by itself.
    let mut lines: Vec<&str> = values.iter().flat_map(|value| value.reveal().lines()).map(str::trim).collect();
    lines.sort_unstable_by_key(|line| std::cmp::Reverse(line.len()));
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        // In JSON and quoted YAML some characters stand there as escapes.
        let escaped = serde_json::Value::from(line).to_string();
        for form in [line, escaped.trim_matches('"')] {
            text = text.replace(form, &stars(form));
        }
    }
    text
}

/// The same for a text that could not be read, where nobody knows what is a value: everything behind a key that may hold one.
fn without_likely(text: &str) -> String {
    const KEYS: [&str; 3] = ["value", "password", "accountKey"];
    let values: Vec<SecretText> = text
        .lines()
        .filter_map(|line| {
            let at = KEYS.iter().filter_map(|key| line.find(key).map(|at| at + key.len())).min()?;
            let behind = line[at..].trim_start_matches(['"', '\'']).trim_start().strip_prefix([':', '='])?;
            Some(SecretText::new(behind.trim().trim_end_matches(',')))
        })
        .collect();
    without(text, &values)
}

fn eprint_text(text: &str) {
    use std::io::Write;
    // Nobody can be told that standard error is closed.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn read_path(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    read_limited(std::fs::File::open(path)?)
}

fn read_limited(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn fetch(address: &str) -> Result<Vec<u8>, Fault> {
    let url = check_address(address).map_err(Fault::config)?;
    let far = |e: &dyn std::error::Error| Fault::remote(format!("cannot fetch `{url}`")).because(e);
    let redirects = reqwest::redirect::Policy::custom(|attempt| {
        if attempt.previous().len() > REDIRECTS_MAX {
            return attempt.error("it points elsewhere too often");
        }
        match check_address(attempt.url().as_str()) {
            Ok(_) => attempt.follow(),
            Err(why) => attempt.error(why),
        }
    });
    let client = reqwest::Client::builder()
        .timeout(FETCH_LIMIT)
        .redirect(redirects)
        .user_agent(concat!("ostler/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| far(&e))?;
    let mut answer = client.get(url.clone()).send().await.map_err(|e| far(&e))?;
    if !answer.status().is_success() {
        return Err(Fault::user(format!("cannot fetch `{url}`")).cause(format!("the server says {}", answer.status())));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|e| far(&e))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > FILE_BYTES_MAX {
            return Err(Fault::user(format!("`{url}` is too large: the limit is {FILE_BYTES_MAX} bytes")));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_file_shows_no_values() {
        let text = "secrets:\n- name: A\n  value: |\n    first line\n    it's \"2\"\n- {name: B, value: \"a\\\"b\"}\n";
        let values = ["first line\nit's \"2\"\n".to_owned(), "a\"b".to_owned()].map(SecretText::new);
        let shown = without(text, &values);
        assert!(!shown.contains("first") && !shown.contains("it's") && !shown.contains("a\\\"b"), "{shown}");
        assert_eq!((shown.len(), shown.lines().count()), (text.len(), text.lines().count()));
        let broken = "{\"secrets\": [\n {\"name\": \"A\", \"value\": \"hush\"},\n}";
        let shown = without_likely(broken);
        assert!(!shown.contains("hush") && shown.contains("\"name\": \"A\""), "{shown}");
    }
}
