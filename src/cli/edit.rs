//! `ostler edit`: a workspace as text in one's own editor. What is changed there is applied as by `apply`: shown, asked about, done.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::session::Session;
use super::{apply, export, names};
use crate::model::fault::Fault;

/// Options of `edit`.
#[derive(Args, Clone, Debug)]
pub struct Edit {
    /// The workspace; that of the context when absent
    #[arg(value_name = "WORKSPACE", add = names::workspaces())]
    of: Option<String>,
}

/// Does it. A text with faults stays where it is, and its place is said, so that nothing typed is lost.
///
/// # Errors
/// As for `export` and `apply`; that the editor cannot be started or ends with a failure.
pub async fn run(session: &Session, edit: &Edit) -> Result<i32, Failure> {
    let named = edit.of.clone().or_else(|| session.globals.workspace.clone());
    let text = export::text(session, named).await?;
    let path = std::env::temp_dir().join(format!("ostler-{}.yaml", uuid::Uuid::new_v4()));
    let failed = |e: std::io::Error| Fault::user(format!("cannot use `{}`", path.display())).because(&e);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    drop(file);
    open(&path)?;
    let edited = std::fs::read_to_string(&path).map_err(failed)?;
    if edited == text {
        let _ = std::fs::remove_file(&path);
        session.out.note("no change");
        return Ok(0);
    }
    let applied = apply::file(session, &path.display().to_string()).await;
    match applied {
        Ok(()) => drop(std::fs::remove_file(&path)),
        Err(failure) => {
            session.out.note(&format!("what you wrote is in {}", path.display()));
            return Err(failure);
        }
    }
    Ok(0)
}

/// Opens a file in the editor of `VISUAL` or `EDITOR`.
fn open(path: &Path) -> Result<(), Fault> {
    let named = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.trim().is_empty()));
    let words = shlex::split(&named.unwrap_or_else(|| "vi".to_owned())).unwrap_or_default();
    let Some((program, args)) = words.split_first() else {
        return Err(Fault::config("$EDITOR is no command"));
    };
    let status = std::process::Command::new(program).args(args).arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Fault::user(format!("`{program}` ended with {status}; nothing was changed"))),
        Err(e) => Err(Fault::config(format!("`{program}` cannot be started")).because(&e).hint("set EDITOR")),
    }
}
