//! How a command ends otherwise than well, and how that is told: `error:`, `  cause:`, `  hint:` on standard error, one line for
//! each fault of a file, drawn with the file's lines where someone looks.

use std::io::{IsTerminal, Write};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};

use super::output::{Format, Out, Painter, Style, clean};
use crate::model::fault::Fault;
use crate::model::spec::FileReport;
use crate::model::spec::doc::Place;
use crate::model::spec::fields::FileFault;

/// The exit code of an interrupted command: 128 and the number of SIGINT.
pub const INTERRUPTED: i32 = 130;
/// The exit code when `--timeout` passed, as that of timeout(1).
pub const TIMED_OUT: i32 = 124;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// A fault.
    Fault(Fault),
    /// A file is wrong.
    File(FileReport),
    /// Nobody reads the output any more; nothing is said and the code is 0 (reliability B89).
    Closed,
    /// The output cannot be written.
    Output(std::io::Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<FileReport> for Failure {
    fn from(report: FileReport) -> Self {
        Self::File(report)
    }
}

impl From<std::io::Error> for Failure {
    /// Only writing to standard output comes here; everything else names its object.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(error) }
    }
}

impl Failure {
    /// Says it on standard error, as JSON where data is JSON, and returns the exit code.
    pub fn tell(&self, out: Out) -> i32 {
        match out.format {
            Format::Json | Format::Jsonl => self.tell_json(),
            Format::Table | Format::Wide | Format::Yaml | Format::Tsv | Format::Name => self.tell_text(out.paint_err),
        }
    }

    fn tell_json(&self) -> i32 {
        let (fault, details) = match self {
            Self::Fault(fault) => (fault.clone(), cause_details(fault)),
            Self::File(report) => (Fault::from(report.clone()), file_details(report)),
            Self::Closed => return 0,
            Self::Output(error) => {
                let fault = Fault::user("cannot write to standard output").because(error);
                (fault.clone(), cause_details(&fault))
            }
        };
        // Nobody can be told that standard error is closed.
        let _ = writeln!(std::io::stderr().lock(), "{}", fault_json(&fault, details));
        fault.exit_code()
    }

    fn tell_text(&self, paint: Painter) -> i32 {
        let mut err = std::io::stderr().lock();
        // Nobody can be told that standard error is closed.
        match self {
            Self::Fault(fault) => {
                let _ = err.write_all(fault_text(fault, paint).as_bytes());
                fault.exit_code()
            }
            Self::File(report) => {
                let fault = Fault::from(report.clone());
                let drawn = std::io::stderr().is_terminal() && !report.text.is_empty();
                let text = if drawn { drawn_text(report, paint) } else { lines_text(report, paint) };
                let _ = err.write_all(text.as_bytes());
                fault.exit_code()
            }
            Self::Closed => 0,
            Self::Output(error) => {
                let fault = Fault::user("cannot write to standard output").because(error);
                let _ = err.write_all(fault_text(&fault, paint).as_bytes());
                fault.exit_code()
            }
        }
    }
}

/// Returns a fault as programs get it: the published error object, with hints beside.
fn fault_json(fault: &Fault, details: Vec<serde_json::Value>) -> serde_json::Value {
    serde_json::json!({
        "error": {
            "code": fault.code_word(),
            "message": fault.message,
            "target": fault.target,
            "details": details,
            "hints": fault.hints,
        }
    })
}

fn cause_details(fault: &Fault) -> Vec<serde_json::Value> {
    fault.causes.iter().map(|cause| serde_json::json!({"message": cause})).collect()
}

/// One for each fault of the file, with its field and place.
fn file_details(report: &FileReport) -> Vec<serde_json::Value> {
    let detail = |fault: &FileFault| {
        let place = (fault.place != Place::FLAG).then_some(fault.place);
        serde_json::json!({
            "code": "InvalidProperty",
            "message": fault.what,
            "target": fault.field,
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
        })
    };
    report.faults.iter().map(detail).collect()
}

/// Returns a fault as it is told.
pub fn fault_text(fault: &Fault, paint: Painter) -> String {
    let mut text = format!("{} {}\n", paint.style(Style::Error, "error:"), clean(&fault.message));
    for cause in &fault.causes {
        text.push_str(&format!("  {} {}\n", paint.style(Style::Dim, "cause:"), clean(cause)));
    }
    for hint in &fault.hints {
        text.push_str(&hint_line(hint, paint));
    }
    text
}

/// A heading, and one line for each fault, as editors and scripts read them.
fn lines_text(report: &FileReport, paint: Painter) -> String {
    let fault = Fault::from(report.clone());
    let lines: String = fault.causes.iter().map(|line| format!("{}\n", clean(line))).collect();
    let heading = fault_text(&Fault { causes: Vec::new(), hints: Vec::new(), ..fault.clone() }, paint);
    let hints = fault.hints.iter().map(|hint| hint_line(hint, paint));
    heading + &lines + &hints.collect::<String>()
}

fn hint_line(hint: &str, paint: Painter) -> String {
    format!("  {} {}\n", paint.style(Style::Good, "hint:"), clean(hint))
}

/// Draws each fault below the line it is on.
fn drawn_text(report: &FileReport, paint: Painter) -> String {
    let theme = if paint.colored() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_context_lines(1);
    // The file's own text reaches the terminal here, so it is cleaned line by line; that keeps its lines.
    let source: String =
        report.text.split('\n').map(|line| clean(line.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n");
    let mut text = String::new();
    for fault in &report.faults {
        let diagnostic = MietteDiagnostic::new(clean(&fault.to_string()));
        let drawn = match fault.place {
            Place::FLAG => Report::new(diagnostic),
            place => {
                let label = LabeledSpan::at_offset(offset_of(&source, place), "here");
                let named = NamedSource::new(clean(&report.name), source.clone());
                Report::new(diagnostic.with_label(label)).with_source_code(named)
            }
        };
        if handler.render_report(&mut text, drawn.as_ref()).is_err() {
            text.push_str(&lines_text(&FileReport { faults: vec![fault.clone()], ..report.clone() }, paint));
        }
    }
    report.hints.iter().for_each(|hint| text.push_str(&hint_line(hint, paint)));
    text
}

fn offset_of(text: &str, place: Place) -> usize {
    let before: usize = text.split('\n').take(place.line.saturating_sub(1) as usize).map(|line| line.len() + 1).sum();
    let line = text[before.min(text.len())..].split('\n').next().unwrap_or_default();
    let column = line.char_indices().nth(place.column.saturating_sub(1) as usize).map_or(line.len(), |(at, _)| at);
    (before + column).min(text.len())
}

/// Returns warnings of a file as they are told.
pub fn warnings_text(name: &str, warnings: &[FileFault], paint: Painter) -> String {
    let line = |fault: &FileFault| match fault.place {
        Place::FLAG => format!("{} {}\n", paint.style(Style::Warn, "warning:"), clean(&fault.to_string())),
        place => {
            format!("{} {}\n", paint.style(Style::Warn, "warning:"), clean(&format!("{name}:{place}: {fault}")))
        }
    };
    warnings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::FaultKind;

    #[test]
    fn the_whole_chain_is_told_and_nothing_of_it_moves_the_cursor() {
        let fault = Fault::user("cannot do `a`").cause("b \u{1b}[2Jfailed").cause("c").hint("type d");
        let text = fault_text(&fault, Painter::plain());
        assert_eq!(
            text,
            format!("error: cannot do `a`\n  cause: {}\n  cause: c\n  hint: type d\n", clean("b \u{1b}[2Jfailed"))
        );
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_file_is_drawn_with_its_line() {
        let fault = FileFault { place: Place { line: 2, column: 3 }, field: "b".to_owned(), what: "is wrong".to_owned() };
        let report = FileReport {
            name: "x.yaml".to_owned(),
            text: "a: 1\nb: é\u{1b}[2J\n".to_owned(),
            faults: vec![fault.clone(), FileFault { place: Place::FLAG, ..fault }],
            kind: FaultKind::User,
            hints: Vec::new(),
        };
        assert_eq!(report.lines(), ["x.yaml:2:3: b: is wrong", "b: is wrong"]);
        let text = drawn_text(&report, Painter::plain());
        assert!(text.contains("x.yaml:2:3") && text.contains("b: is wrong") && !text.contains('\u{1b}'), "{text}");
    }
}
