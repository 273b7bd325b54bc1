//! The code that goes with a job: where its directory is when a file or an option names it, and `ostler job code`, which shows what
//! was kept of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::select;
use super::session::Session;
use crate::code::Shelf;
use crate::model::compare::{self, Part};
use crate::model::fault::Fault;
use crate::model::shown::Shown;
use crate::model::spec::Code;
use crate::model::spec::code::{CodeKept, Taken};
use crate::model::spec::doc::{Doc, Value};
use crate::model::state::Job;
use crate::model::units::Bytes;

/// The most files that a comparison names; the others are counted.
const FILES_NAMED_MAX: usize = 200;

/// Options that name the code of a job.
#[derive(Args, Clone, Debug, Default)]
pub struct CodeOptions {
    /// Send a directory of this machine along, as it is now: its files (those that git ignores and .ostlerignore names left out)
    /// are kept with the job, and its processes find them read-only at $OSTLER_CODE_DIR
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    code: Option<PathBuf>,
    /// With --code: a file that looks like a secret and is none, as its path below DIR; may be repeated
    #[arg(long, value_name = "PATH", requires = "code")]
    code_allow: Vec<String>,
}

impl CodeOptions {
    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.code.is_none()
    }

    /// Puts them over what the file says.
    ///
    /// # Errors
    /// The name is no text.
    pub fn put(&self, doc: &mut Doc) -> Result<(), Fault> {
        let Some(named) = &self.code else { return Ok(()) };
        let named = named.to_str().ok_or_else(|| Fault::config("--code: the name of the directory is no UTF-8"))?;
        let code = rooted(Code { allow: self.code_allow.clone(), ..Code::of(named) }, &here());
        doc.put_property(&["code"], Doc::from(&json!(code)).value);
        Ok(())
    }
}

/// Makes the directory of a file's code absolute: it is seen from where the file is.
pub fn root_in(doc: &mut Doc, file: Option<&str>) {
    let base = base_of(file);
    let inner = if doc.get("properties").is_some() { doc.get_mut("properties") } else { Some(doc) };
    let Some(code) = inner.and_then(|inner| inner.get_mut("code")) else { return };
    let directory = if matches!(code.value, Value::Map(_)) { code.get_mut("directory") } else { Some(code) };
    if let Some(Doc { value: Value::Text(text), .. }) = directory
        && !text.trim().is_empty()
    {
        *text = rooted(Code::of(text.clone()), &base).directory;
    }
}

/// As [`root_in`], of what was read.
pub fn root(code: &mut Option<Box<Code>>, file: &str) {
    if let Some(code) = code {
        **code = rooted((**code).clone(), &base_of(Some(file)));
    }
}

fn rooted(mut code: Code, base: &Path) -> Code {
    code.root(&base.to_string_lossy(), &std::env::var("HOME").unwrap_or_default());
    // Without asking the disk: what is not there is refused by whoever takes it.
    if let Ok(path) = std::path::absolute(&code.directory) {
        code.directory = path.to_string_lossy().into_owned();
    }
    code
}

fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

/// Returns the directory of a file; the one that we are in for one that is nowhere.
fn base_of(file: Option<&str>) -> PathBuf {
    let named = file.filter(|file| *file != "-" && !file.contains("://"));
    match named.and_then(|file| Path::new(file).parent()).filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => std::path::absolute(parent).unwrap_or_else(|_| here()),
        None => here(),
    }
}

/// Options of `code`.
#[derive(Args, Clone, Debug)]
pub struct ShowCode {
    /// NAME, job-12 or last
    #[arg(value_name = "JOB", add = super::names::jobs())]
    job: String,
    /// Print how it differed from git's commit, in the place of its files
    #[arg(long, conflicts_with = "to")]
    diff: bool,
    /// Unpack it into a directory that is not there yet, in the place of listing it
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    to: Option<PathBuf>,
}

const FILES: &[Column] = &[
    Column { title: "FILE", look: Look::Text },
    Column { title: "SIZE", look: Look::Number },
    Column { title: "MODE", look: Look::Text },
    Column { title: "SHA-256", look: Look::Text },
];

/// Shows the code that a job ran with.
///
/// # Errors
/// As for every command, and that it has none or none is kept any more.
pub async fn show(session: &Session, show: ShowCode) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = select::one(session, &core, &show.job).await?;
    let none = || Fault::user(format!("job `{}` has no code", view.job.name)).hint("--code DIR sends a directory along");
    let code = view.job.spec.code.as_ref().ok_or_else(none)?;
    let taken = code.snapshot.as_ref().ok_or_else(none)?;
    let shelf = Shelf::of(&session.state_dir);
    if let Some(to) = &show.to {
        unpack(&shelf, taken, to)?;
        session.out.note(&format!("{} files of {} are in {}", taken.files, taken.digest.short(), to.display()));
        return Ok(0);
    }
    let kept = shelf.kept(taken)?;
    if show.diff {
        print_difference(&kept.diff);
        return Ok(0);
    }
    session.out.note(&code.words());
    let mut list = session.out.list(FILES);
    let row = |file: &crate::model::spec::code::CodeFile| Row {
        cells: vec![
            Shown::new(&file.path).to_string(),
            Bytes(file.bytes).to_string(),
            file.mode.clone(),
            file.digest.short().to_owned(),
        ],
        value: json!(file),
        name: file.path.clone(),
    };
    list.page(kept.files.iter().map(row).collect())?;
    list.end()?;
    Ok(0)
}

/// A program gets it as it is, to apply it; a terminal never executes what is in it.
fn print_difference(text: &str) {
    use std::io::{IsTerminal as _, Write as _};
    let mut out = std::io::stdout().lock();
    let text = match out.is_terminal() {
        true => text.lines().map(|line| super::output::clean(line) + "\n").collect(),
        false => text.to_owned(),
    };
    // Who reads may have had enough.
    let _ = out.write_all(text.as_bytes());
}

/// Unpacks it by `tar`, as nodes do.
fn unpack(shelf: &Shelf, taken: &Taken, to: &Path) -> Result<(), Fault> {
    let gone =
        |e: &std::io::Error| Fault::user(format!("the code {} is not kept here any more", taken.digest.short())).because(e);
    let archive = std::fs::File::open(shelf.archive(&taken.digest)).map_err(|e| gone(&e))?;
    let failed = |what: String| Fault::user(format!("cannot unpack into `{}`: {what}", to.display()));
    std::fs::create_dir(to).map_err(|e| failed(e.to_string()))?;
    let tar = Command::new("tar").args(["-xof", "-"]).current_dir(to).stdin(archive).stderr(Stdio::piped()).output();
    let tar = tar.map_err(|e| failed(e.to_string()))?;
    match tar.status.success() {
        true => Ok(()),
        false => Err(failed(Shown::new(&String::from_utf8_lossy(&tar.stderr)).to_string())),
    }
}

/// Returns in which files the code of jobs differs, and whether the differences from their commits do.
pub fn differences(session: &Session, jobs: &[&Job]) -> Vec<compare::Row> {
    let shelf = Shelf::of(&session.state_dir);
    let taken = |job: &&Job| job.spec.code.as_ref().and_then(|code| code.snapshot.clone());
    let all: Vec<Option<Taken>> = jobs.iter().map(taken).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        return Vec::new();
    }
    let kept: Vec<CodeKept> = all.iter().map(|t| t.as_ref().and_then(|t| shelf.kept(t).ok()).unwrap_or_default()).collect();
    compare::files(&kept, FILES_NAMED_MAX).into_iter().filter(|row| row.part == Part::Code).collect()
}
