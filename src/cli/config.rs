//! `ostler config`: every value and where it came from.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Subcommand;

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::session::Session;
use crate::config::{keys, places};
use crate::model::fault::Fault;

/// What can be done with the configuration.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Show every value and where it came from
    Show {
        /// Accepted for those who type it: where a value came from is always shown
        #[arg(long, hide = true)]
        origin: bool,
    },
    /// Write a configuration file that shows every key with its default and reason
    Init {
        /// Replace one that is there
        #[arg(long)]
        force: bool,
    },
    /// Print the path of the configuration file
    Path,
}

const COLUMNS: &[Column] = &[
    Column { title: "KEY", look: Look::Text },
    Column { title: "VALUE", look: Look::Text },
    Column { title: "FROM", look: Look::Text },
    Column { title: "ABOUT", look: Look::Wide },
];

/// Does it.
///
/// # Errors
/// That a file is in the way or cannot be written.
pub fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Show { origin: _ } => show(session)?,
        Verb::Init { force } => init(session, force)?,
        Verb::Path => {
            let path = file(session)?.display().to_string();
            session.out.one(&path, &[("file", path.clone())], &serde_json::json!({"file": path}))?;
        }
    }
    Ok(0)
}

fn file(session: &Session) -> Result<PathBuf, Fault> {
    session.globals.config.clone().or_else(places::usual_config_file).ok_or_else(|| {
        Fault::config("cannot find a home directory for the configuration").hint("name a file with --config FILE")
    })
}

fn show(session: &Session) -> Result<(), Failure> {
    let row = |key: &keys::Key| {
        let (value, from) = ((key.show)(&session.config), session.config.origin(key.name).to_string());
        Row {
            value: serde_json::json!({"key": key.name, "value": value, "from": from, "about": key.about}),
            cells: vec![
                key.name.to_owned(),
                if value.is_empty() { "-".to_owned() } else { value },
                from,
                key.about.to_owned(),
            ],
            name: key.name.to_owned(),
        }
    };
    let mut list = session.out.list(COLUMNS);
    list.page(keys::ALL.iter().map(row).collect())?;
    list.end()
}

fn init(session: &Session, force: bool) -> Result<(), Failure> {
    let path = file(session)?;
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Fault::user(format!("`{}` is there already", path.display())).hint("--force replaces it")
        }
        _ => Fault::user(format!("cannot write `{}`", path.display())).because(&e),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).mode(0o600);
    let mut file = match force {
        true => options.create(true).truncate(true).open(&path),
        false => options.create_new(true).open(&path),
    }
    .map_err(failed)?;
    file.write_all(keys::starter_file().as_bytes()).map_err(failed)?;
    session.out.note(&format!("wrote {}", path.display()));
    Ok(())
}
