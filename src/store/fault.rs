//! From what SQLite says to what a person can do about it.

use std::path::Path;

use rusqlite::ErrorCode;

use super::StoreError;
use crate::model::fault::{Fault, FaultKind};

/// A failure inside a transaction, before it is known which file and act it belongs to.
#[derive(Debug)]
pub(super) enum Trouble {
    Sql(rusqlite::Error),
    Row { table: &'static str, key: String, why: String },
    Refused { why: String, hint: String },
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Trouble {
    /// Returns the error for people, told which file it was about and what was being done.
    pub(super) fn at(self, doing: &'static str, path: &Path) -> StoreError {
        match self {
            Self::Sql(source) => sql(doing, path, source),
            Self::Row { table, key, why } => StoreError::Row { path: path.to_owned(), table, key, why },
            Self::Refused { why, hint } => refused(path, why, hint),
        }
    }
}

/// Returns a refusal of `path`.
pub(super) fn refused(path: &Path, why: impl Into<String>, hint: impl Into<String>) -> StoreError {
    StoreError::Refused { path: path.to_owned(), why: why.into(), hint: hint.into() }
}

/// What to do about a file that is damaged or not ours.
pub(super) const KEPT_HINT: &str = "the file is untouched; move it away to start with an empty state";
/// What to do about a file that is damaged.
pub(super) const CARE_HINT: &str =
    "the file is untouched; `ostler db check` says what is wrong, `ostler db recover` saves what can be read into a new one";

/// Turns the codes that a person can do something about into sentences.
pub(super) fn sql(doing: &'static str, path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => refused(path, "is not an ostler database", KEPT_HINT),
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, &source.to_string()),
        // The number of the form of its tables, in its head, is none that SQLite knows; it has no code of its own.
        Some(ErrorCode::Unknown) if source.to_string().contains("unsupported file format") => {
            damaged(path, &source.to_string())
        }
        Some(ErrorCode::DiskFull) => {
            refused(path, "there is no space left on its disk", "make room; jobs on nodes go on meanwhile")
        }
        Some(ErrorCode::SystemIoFailure) => refused(
            path,
            format!("the disk gave an error ({source})"),
            "see what the system says of the disk (dmesg), mend it, and start ostler again; jobs on nodes go on meanwhile",
        ),
        Some(ErrorCode::ReadOnly) => {
            refused(path, "cannot be written: it is read-only", "check the directory's permissions")
        }
        Some(ErrorCode::DatabaseBusy) => {
            refused(path, "another program has held its lock for 5 s", format!("see who: fuser -v '{}'", path.display()))
        }
        _ => StoreError::Sql { doing, path: path.to_owned(), source },
    }
}

/// Returns the refusal of a file in which SQLite found damage.
pub(super) fn damaged(path: &Path, finding: &str) -> StoreError {
    refused(path, format!("is damaged: {finding}"), CARE_HINT)
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let fault = Fault::new(FaultKind::Store, error.to_string());
        match error {
            StoreError::Sql { source, .. } => fault.because(&source),
            StoreError::Row { .. } => fault.hint(KEPT_HINT),
            StoreError::Refused { hint, .. } => fault.hint(hint),
        }
    }
}
