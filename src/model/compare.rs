//! What jobs have in common and in what they differ: parameters, body, code, image, nodes, metrics, result. Pure; the command line
//! and the screen draw what comes out of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::metric::Stat;
use super::spec::code::CodeKept;
use super::spec::{body, token};
use super::state::Job;
use super::study::short;
use super::units::Bytes;

/// Of what something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A parameter.
    Parameter,
    /// What was asked for beside parameters, code and image.
    Body,
    /// What it was at submission that ran.
    Code,
    /// What it ran in.
    Image,
    /// The nodes of its last attempt.
    Node,
    /// A metric's last and best readings.
    Metric,
    /// What came of it.
    Result,
}

impl Part {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Parameter => "parameter",
            Self::Body => "body",
            Self::Code => "code",
            Self::Image => "image",
            Self::Node => "node",
            Self::Metric => "metric",
            Self::Result => "result",
        }
    }
}

/// One thing that is said of jobs: its value for each of them, in their order; `None` where it is not said of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of what.
    pub part: Part,
    /// Its name in that part: `lr`, `constraints.maxWallClockTime`.
    pub name: String,
    /// The values.
    pub values: Vec<Option<String>>,
}

impl Row {
    /// Says whether two of the jobs differ in it.
    pub fn differs(&self) -> bool {
        self.values.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// Returns everything that is said of some jobs, part by part, in the order in which the first one says it.
pub fn rows(jobs: &[(&Job, &[Stat])]) -> Vec<Row> {
    let mut found: Vec<Row> = Vec::new();
    let mut places: BTreeMap<(Part, String), usize> = BTreeMap::new();
    for (at, (job, stats)) in jobs.iter().enumerate() {
        for (part, name, value) in said(job, stats) {
            let place = *places.entry((part, name.clone())).or_insert_with(|| {
                found.push(Row { part, name, values: vec![None; jobs.len()] });
                found.len() - 1
            });
            found[place].values[at] = Some(value);
        }
    }
    found.sort_by_key(|row| row.part);
    found
}

/// Returns that in which jobs differ.
pub fn differences(jobs: &[(&Job, &[Stat])]) -> Vec<Row> {
    rows(jobs).into_iter().filter(Row::differs).collect()
}

/// Returns the files in which kept code differs, at most so many; then how many more, and a line for each side of what differs
/// in the differences from their commits.
pub fn files(kept: &[CodeKept], most: usize) -> Vec<Row> {
    let mut paths: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for (at, code) in kept.iter().enumerate() {
        for file in &code.files {
            let values = paths.entry(&file.path).or_insert_with(|| vec![None; kept.len()]);
            values[at] = Some(format!("{} {} {}", file.digest.short(), file.mode, Bytes(file.bytes)));
        }
    }
    let row = |name: String, values| Row { part: Part::Code, name, values };
    let mut found: Vec<Row> = paths.into_iter().map(|(path, values)| row(format!("file {path}"), values)).collect();
    found.retain(Row::differs);
    if found.len() > most {
        let more = found.len() - most;
        found.truncate(most);
        found.push(row("files".to_owned(), kept.iter().map(|_| Some(format!("{more} more differ"))).collect()));
    }
    let patches: Vec<BTreeSet<&str>> = kept.iter().map(|code| changed_lines(&code.diff).collect()).collect();
    let own = |at: usize| {
        let others = patches.iter().enumerate().filter(|(other, _)| *other != at);
        let lines = patches[at].iter().filter(|line| others.clone().any(|(_, other)| !other.contains(*line)));
        lines.count()
    };
    let counts: Vec<Option<String>> = (0..kept.len())
        .map(|at| Some(own(at)).filter(|n| *n > 0).map(|n| format!("{n} changed lines of its own")))
        .collect();
    found.extend(Some(row("git diff".to_owned(), counts)).filter(|row| row.values.iter().any(Option::is_some)));
    found
}

/// The lines of a unified difference that are taken away or come.
fn changed_lines(diff: &str) -> impl Iterator<Item = &str> {
    let heads = ["+++ ", "--- "];
    diff.lines().filter(move |line| line.starts_with(['+', '-']) && !heads.iter().any(|head| line.starts_with(head)))
}

fn said(job: &Job, stats: &[Stat]) -> Vec<(Part, String, String)> {
    let mut all = Vec::new();
    let mut say = |part: Part, name: &str, value: String| all.push((part, name.to_owned(), value));
    let parameters = job.parameters();
    for (name, value) in &parameters {
        say(Part::Parameter, name, token::text(value));
    }
    let mut map = body::job(&job.spec);
    let variables = map.get_mut("environmentVariables").and_then(Value::as_array_mut);
    if let Some(variables) = variables {
        // They stand among the parameters already.
        let own = |name: &str| parameters.iter().any(|(of, _)| name == format!("PARAM_{}", token::word(of)));
        variables.retain(|variable| !variable["name"].as_str().is_some_and(own));
    }
    for (key, part) in [("code", Part::Code), ("containerSettings", Part::Image)] {
        if let Some(value) = map.remove(key) {
            flatten("", &value, &mut |name, value| say(part, name, value));
        }
    }
    flatten("", &Value::Object(map), &mut |name, value| say(Part::Body, name, value));
    for (at, place) in job.last.places.iter().enumerate() {
        let own = |what: &str| if job.last.places.len() == 1 { what.to_owned() } else { format!("{}.{what}", at + 1) };
        say(Part::Node, &own("name"), place.name.clone());
        say(Part::Node, &own("cpus"), place.cpus.to_string());
        say(Part::Node, &own("gpus"), place.gpus.to_string());
        if place.memory.0 > 0 {
            say(Part::Node, &own("memory"), place.memory.to_string());
        }
        if !place.os.is_empty() {
            say(Part::Node, &own("system"), place.os.clone());
        }
    }
    for stat in stats {
        say(Part::Metric, &stat.name, short(stat.last));
        say(Part::Metric, &format!("{} (least)", stat.name), short(stat.min));
        say(Part::Metric, &format!("{} (most)", stat.name), short(stat.max));
    }
    say(Part::Result, "state", job.state.word().to_owned());
    if let Some(code) = job.last.exit_code {
        say(Part::Result, "exit code", code.to_string());
    }
    if let Some(error) = job.last.errors.first() {
        say(Part::Result, "error", format!("{}: {}", error.code, error.message.replace(&*job.name, "NAME")));
    }
    if let (Some(started), Some(ended)) = (job.last.started, job.last.ended) {
        say(Part::Result, "took", format!("{} s", ended.0.saturating_sub(started.0) / 1000));
    }
    say(Part::Result, "attempts", job.attempt.0.to_string());
    all
}

/// Names every leaf by the way to it; what a list's entries call themselves stands for their number.
fn flatten(before: &str, value: &Value, say: &mut impl FnMut(&str, String)) {
    let below = |key: &str| if before.is_empty() { key.to_owned() } else { format!("{before}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&below(key), value, say)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let called = ["name", "id"].iter().find_map(|key| item.get(key)?.as_str());
                match (called, item.get("value")) {
                    (Some(called), Some(value)) => flatten(&below(called), value, say),
                    (Some(called), None) => flatten(&below(called), item, say),
                    (None, _) => flatten(&below(&(at + 1).to_string()), item, say),
                }
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => say(before, token::text(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::JobSpec;
    use crate::model::spec::job::EnvironmentVariable;

    fn job(spec: JobSpec) -> Job {
        serde_json::from_value(serde_json::json!({
            "id": 7, "workspace": 1, "experiment": 1, "name": "train", "uuid": uuid::Uuid::nil(), "segment": "x", "cluster": 1,
            "spec": spec, "shape": {"prepares": false, "mainNodes": [0]}, "state": "failed", "since": 0, "priority": "normal", "attempt": 1,
            "created": 0,
        }))
        .expect("a job")
    }

    #[test]
    fn code_differs_file_by_file_and_in_what_was_not_committed() {
        use crate::model::spec::code::{CodeFile, Digest};
        let file = |path: &str, byte: u8| CodeFile {
            path: path.into(),
            bytes: 3,
            mode: "644".into(),
            digest: Digest::of(&[byte; 32]),
        };
        let diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";
        let one = CodeKept { files: vec![file("a", 1), file("b", 1), file("c", 1)], diff: diff.into() };
        let other = CodeKept { files: vec![file("a", 1), file("b", 2)], diff: diff.replace("+b", "+c\n+d") };
        let words = |rows: Vec<Row>| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
            let line = |row: Row| format!("{}: {} | {}", row.name, value(&row.values[0]), value(&row.values[1]));
            rows.into_iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(
            words(files(&[one.clone(), other.clone()], 9)),
            [
                "file b: 010101010101 644 3 B | 020202020202 644 3 B",
                "file c: 010101010101 644 3 B | -",
                "git diff: 1 changed lines of its own | 2 changed lines of its own",
            ]
        );
        assert_eq!(words(files(&[one.clone(), other], 1))[1], "files: 1 more differ | 1 more differ");
        assert_eq!(files(&[one.clone(), one], 9), []);
    }

    #[test]
    fn jobs_differ_in_what_they_differ_and_in_nothing_else() {
        let with = |lr: &str, line: &str| {
            let mut spec = JobSpec::command(line);
            let variable = |name: &str, value: &str| EnvironmentVariable { name: name.into(), value: value.into() };
            spec.environment_variables = vec![variable("PARAM_LR", lr), variable("SAME", "1")];
            job(spec)
        };
        let (mut one, other) = (with("0.1", "train 0.1"), with("0.2", "train 0.2"));
        one.last.exit_code = Some(3);
        let mut stat = Stat::new("loss");
        stat.add(Some(1.0), 0.5);
        let found = differences(&[(&one, &[stat]), (&other, &[])]);
        let words: Vec<String> = found
            .iter()
            .map(|row| {
                let value = |at: usize| row.values[at].as_deref().unwrap_or("-");
                format!("{} {} {} {}", row.part.word(), row.name, value(0), value(1))
            })
            .collect();
        assert_eq!(
            words,
            [
                "parameter lr 0.1 0.2",
                "body customToolkitSettings.commandLine train 0.1 train 0.2",
                "metric loss 0.5 -",
                "metric loss (least) 0.5 -",
                "metric loss (most) 0.5 -",
                "result exit code 3 -"
            ]
        );
        assert!(rows(&[(&one, &[]), (&other, &[])]).iter().any(|row| row.name == "environmentVariables.SAME"));
        assert_eq!(differences(&[(&other, &[]), (&other, &[])]), []);
    }
}
