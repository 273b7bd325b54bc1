//! `ostler db`: care for the database of the state directory. These commands work on the file, never through a core.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::Failure;
use super::host;
use super::output::{Column, Look, Row};
use super::session::Session;
use crate::api::care::{self, Finding, Saved};
use crate::api::host::Mode;
use crate::model::fault::{Fault, FaultCode, FaultKind};

/// What can be done with the database.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Check the whole database, beside a core or without one: its form, its age, and each row
    Check,
    /// Write a copy of the database as of one moment, beside a core or without one
    Backup(Backup),
    /// Save what can be read of a damaged database into a new one; the damaged one is kept
    Recover(Recover),
    /// Take on a database that is older than its nodes, as one from a copy is: what waits is held
    Adopt,
}

/// Options of `backup`.
#[derive(Args, Clone, Debug)]
pub struct Backup {
    /// The file to write
    to: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// Options of `recover`.
#[derive(Args, Clone, Debug)]
pub struct Recover {
    /// Write the new database into this file, and leave the damaged one in its place
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Does it: 74 when the check finds something, 4 when something is lost.
///
/// # Errors
/// As the verb says.
pub fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let options = host::options(session, Mode::AttachOnly);
    match verb {
        Verb::Check => check(session, care::check(&options)?),
        Verb::Backup(backup) => {
            if !may(session, &format!("write a copy of the database to {}", backup.to.display()))? {
                return Ok(0);
            }
            let size = care::backup(&options, &backup.to, backup.force)?;
            let to = backup.to.display().to_string();
            session.out.done(&format!("Wrote {to} ({size})"), &to, &json!({"file": to, "bytes": size.0}))?;
            session.out.note(
                "not in it: the key of kept secrets (secret.key), copies of logs, kept code, and metrics; they are files of their own",
            );
            Ok(0)
        }
        Verb::Recover(recover) => {
            let into = recover.to.as_ref().map_or_else(|| "its place".to_owned(), |to| to.display().to_string());
            if !may(session, &format!("save what can be read of the database into {into}"))? {
                return Ok(0);
            }
            recovered(session, &care::recover(&options, recover.to.as_deref())?)
        }
        Verb::Adopt => {
            if !may(session, "take on the database as it is, with its waiting jobs held")? {
                return Ok(0);
            }
            match care::adopt(&options)? {
                None => session.out.note("the database is not older than its nodes; nothing is changed"),
                Some(held) => {
                    session.out.done("Took the database on as it is", "db", &json!({"held": held}))?;
                    session.out.note(&held_words(held));
                }
            }
            Ok(0)
        }
    }
}

/// Says whether a change may be made; `sentence` is in the infinitive.
fn may(session: &Session, sentence: &str) -> Result<bool, Failure> {
    if session.globals.readonly {
        return Err(Fault::user(format!("`--readonly`: will not {sentence}")).code(FaultCode::Refused).into());
    }
    if session.globals.dry_run {
        session.out.note(&format!("would {sentence}"));
    }
    Ok(!session.globals.dry_run)
}

fn held_words(held: u64) -> String {
    format!(
        "{held} jobs and all sweeps are held, since they may have run meanwhile; look at them, then: ostler job release NAME, \
         ostler sweep resume NAME"
    )
}

const CHECKS: &[Column] = &[
    Column { title: "CHECK", look: Look::Text },
    Column { title: "RESULT", look: Look::State },
    Column { title: "WORDS", look: Look::Text },
];

fn check(session: &Session, findings: Vec<Finding>) -> Result<i32, Failure> {
    let bad = findings.iter().any(|finding| !finding.good);
    let age = findings.iter().any(|finding| !finding.good && finding.name == "age");
    let row = |finding: &Finding| {
        let result = if finding.good { "good" } else { "failed" };
        Row {
            cells: vec![finding.name.to_owned(), result.to_owned(), finding.words.join("; ")],
            value: json!({"name": finding.name, "result": result, "words": finding.words}),
            name: finding.name.to_owned(),
        }
    };
    let mut list = session.out.list(CHECKS);
    list.page(findings.iter().map(row).collect())?;
    list.end()?;
    if !bad {
        return Ok(0);
    }
    let broken = findings.iter().any(|finding| !finding.good && !matches!(finding.name, "age" | "place"));
    let mut fault = Fault::new(FaultKind::Store, "the database is not as it should be");
    if broken {
        fault = fault.hint("nothing was changed; save what can be read into a new one: ostler db recover");
    } else if age {
        fault = fault.hint("put the newer one back, or take this one on with its waiting jobs held: ostler db adopt");
    }
    Err(fault.into())
}

const CLASSES: &[Column] = &[
    Column { title: "CLASS", look: Look::Text },
    Column { title: "SAVED", look: Look::Number },
    Column { title: "LOST", look: Look::Number },
    Column { title: "WORDS", look: Look::Text },
];

fn recovered(session: &Session, recovered: &care::Recovered) -> Result<i32, Failure> {
    let row = |saved: &Saved| {
        let more = saved.lost - saved.words.len() as u64;
        let more = (more > 0).then(|| format!("and {more} more"));
        let words: Vec<String> = saved.words.iter().cloned().chain(more).collect();
        Row {
            cells: vec![saved.class.to_owned(), saved.saved.to_string(), saved.lost.to_string(), words.join("; ")],
            value: json!({"class": saved.class, "saved": saved.saved, "lost": saved.lost, "words": words}),
            name: saved.class.to_owned(),
        }
    };
    let mut list = session.out.list(CLASSES);
    list.page(recovered.classes.iter().map(row).collect())?;
    list.end()?;
    for note in &recovered.notes {
        session.out.note(note);
    }
    session.out.note(&format!("the new database: {}", recovered.to.display()));
    session.out.note(&format!("the damaged one is kept: {}", recovered.kept.display()));
    session.out.note(&held_words(recovered.held));
    let lost: u64 = recovered.classes.iter().map(|saved| saved.lost).sum();
    Ok(if lost > 0 { Fault::new(FaultKind::Partly, "").exit_code() } else { 0 })
}
