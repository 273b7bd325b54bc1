//! A file with all its faults: drawn with lines and carets where someone looks, one line each where no one does.

use crate::model::fault::{Fault, FaultKind};
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
        let lines = report.lines();
        let message = match lines.len() {
            1 => format!("`{}` has a fault", report.name),
            n => format!("`{}` has {n} faults", report.name),
        };
        Self { kind: report.kind, message, causes: lines, hints: Vec::new() }
    }
}
