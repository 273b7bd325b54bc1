//! A file with all its faults: drawn with lines and carets where someone looks, one line each where no one does.

use crate::model::fault::{Fault, FaultCode, FaultKind};
use crate::model::spec::doc::Place;
use crate::model::spec::fields::FileFault;

/// What is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The file as the user named it.
    pub name: String,
    /// Its text, as far as it is text; empty when the faults are not about a text.
    pub text: String,
    /// The faults, in the order of the file.
    pub faults: Vec<FileFault>,
    /// Whose matter it is.
    pub kind: FaultKind,
    /// What to type or do next, when that can be said.
    pub hints: Vec<String>,
}

impl FileReport {
    /// Returns one line for each fault: `file:line:column: field: what`, without a place for what came from the command line.
    pub fn lines(&self) -> Vec<String> {
        let line = |fault: &FileFault| match fault.place {
            Place::FLAG => fault.to_string(),
            place => format!("{}:{place}: {fault}", self.name),
        };
        self.faults.iter().map(line).collect()
    }
}

impl From<FileReport> for Fault {
    fn from(report: FileReport) -> Self {
        let kind = report.kind;
        // What concerns the file as a whole, and not its text, names the file itself.
        if let [only] = report.faults.as_slice()
            && only.place == Place::FLAG
            && only.field.is_empty()
        {
            return Self { hints: report.hints, ..Self::new(kind, only.what.clone()) };
        }
        let name = if report.text.is_empty() { report.name.clone() } else { format!("`{}`", report.name) };
        let lines = report.lines();
        let message = match lines.len() {
            1 => format!("{name} has a fault"),
            n => format!("{name} has {n} faults"),
        };
        Self { causes: lines, hints: report.hints, ..Self::new(kind, message).code(FaultCode::InvalidFile) }
    }
}
