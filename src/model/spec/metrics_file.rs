//! Reads `metrics` of a job's file: where its metrics are. All of it is ours.

use super::fields::{Faults, Field, quoted};
use crate::model::metric::{Form, Goal, MetricFile, Metrics, Pattern};
use crate::model::rule::{RULES_MAX, Rule};

const FORMS: [(&str, Form); 11] = [
    ("usual", Form::Usual),
    ("nameValue", Form::NameValue),
    ("nameColon", Form::NameColon),
    ("json", Form::Json),
    ("keras", Form::Keras),
    ("lightning", Form::Lightning),
    ("fastai", Form::Fastai),
    ("huggingFace", Form::HuggingFace),
    ("csv", Form::Csv),
    ("tensorBoard", Form::TensorBoard),
    ("off", Form::Off),
];

/// The most patterns and files of one job: each is looked at on every line, or on every look.
const EACH_MAX: usize = 16;

/// One word for how the log is read, or a map.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Metrics> {
    if matches!(field.value(), super::doc::Value::Text(_)) {
        return field.word(faults, &FORMS).map(|form| Metrics { log: Some(form), ..Metrics::default() });
    }
    let mut inner = field.map(faults)?;
    let log = inner.take("log").and_then(|field| field.word(faults, &FORMS));
    let patterns = inner.take("patterns").map(|field| {
        let items = limited(&field, faults);
        items.iter().filter_map(|item| pattern(item, faults)).collect()
    });
    let files = inner.take("files").map(|field| {
        let items = limited(&field, faults);
        items.iter().filter_map(|item| file(item, faults)).collect()
    });
    let goal = inner.take("goal").and_then(|field| {
        let mut inner = field.map(faults)?;
        let metric = inner.need(faults, "metric").and_then(|field| field.text(faults));
        let maximize = inner.take("maximize").and_then(|field| field.truth(faults)).unwrap_or_default();
        inner.finish_strictly(faults);
        Some(Goal { metric: metric?, maximize })
    });
    let rules = inner.take("rules").map(|field| rules(&field, faults)).unwrap_or_default();
    let all_processes = inner.take("allProcesses").and_then(|field| field.truth(faults)).unwrap_or_default();
    inner.finish_strictly(faults);
    let (patterns, files) = (patterns.unwrap_or_default(), files.unwrap_or_default());
    Some(Metrics { log, patterns, files, goal, rules, all_processes })
}

fn rules(field: &Field<'_>, faults: &mut Faults) -> Vec<Rule> {
    let items = field.list(faults);
    if items.len() > RULES_MAX {
        field.fault(faults, format!("has {} entries, the limit is {RULES_MAX}", items.len()));
        return Vec::new();
    }
    let rule = |item: &Field<'_>| {
        let text = item.checked(faults, |text| text.parse::<Rule>().map(drop))?;
        text.parse().ok()
    };
    items.iter().filter_map(rule).collect()
}

fn limited<'d>(field: &Field<'d>, faults: &mut Faults) -> Vec<Field<'d>> {
    let items = field.list(faults);
    if items.len() > EACH_MAX {
        field.fault(faults, format!("has {} entries, the limit is {EACH_MAX}", items.len()));
        return Vec::new();
    }
    items
}

/// A regular expression, or a map with a name for its metric.
fn pattern(field: &Field<'_>, faults: &mut Faults) -> Option<Pattern> {
    if matches!(field.value(), super::doc::Value::Text(_)) {
        return Some(Pattern { name: None, regex: regex(field, faults)? });
    }
    let mut inner = field.map(faults)?;
    let name = inner.take("name").and_then(|field| field.text(faults));
    let regex = inner.need(faults, "regex").and_then(|field| regex(&field, faults));
    inner.finish_strictly(faults);
    Some(Pattern { name, regex: regex? })
}

fn regex(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    field.checked(faults, |text| {
        let read = regex::Regex::new(text).map_err(|error| {
            let last = error.to_string();
            format!("{} is no regular expression: {}", quoted(text), last.lines().last().unwrap_or_default())
        })?;
        let named = read.capture_names().flatten().any(|name| name == "value");
        match named || read.captures_len() > 1 {
            true => Ok(()),
            false => Err(format!("{} has no group for the value, as in `loss is ([0-9.]+)`", quoted(text))),
        }
    })
}

fn file(field: &Field<'_>, faults: &mut Faults) -> Option<MetricFile> {
    let mut inner = field.map(faults)?;
    let directory = inner.need(faults, "directory").and_then(|field| field.text(faults));
    let file = inner.need(faults, "file").and_then(|field| {
        field.checked(faults, |text| {
            let inside = !text.starts_with('/') && text.split('/').all(|part| !part.is_empty() && part != "..");
            let plain = !text.contains(['\t', '\n']);
            if inside && plain { Ok(()) } else { Err(format!("{} must stay inside the directory", quoted(text))) }
        })
    });
    let form = inner.take("form").and_then(|field| field.word(faults, &FORMS));
    let pattern = inner.take("pattern").and_then(|field| pattern(&field, faults));
    inner.finish_strictly(faults);
    Some(MetricFile { directory: directory?, file: file?, form, pattern })
}

#[cfg(test)]
mod tests {
    use super::super::doc::Doc;
    use super::*;

    fn read_text(text: &str) -> (Option<Metrics>, String) {
        let doc = Doc::parse("m.json", text.as_bytes()).expect("a file");
        let mut faults = Faults::default();
        let read = read(&Field::root(&doc), &mut faults);
        (read, faults.errors.iter().map(|fault| format!("{}: {}", fault.field, fault.what)).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn every_form_of_metrics() {
        let (read, faults) = read_text(
            r#"{"log": "keras", "patterns": ["loss is ([0-9.]+)", {"name": "x", "regex": "x=(?<value>.*)"}],
              "files": [{"directory": "ALL", "file": "a/progress.log", "pattern": "metric =(.*?)%"}, {"directory": "ALL", "file": "m.csv"}],
              "goal": {"metric": "loss"}, "rules": ["loss is nan -> stop", "CUDA error -> exclude node and retry"], "allProcesses": true}"#,
        );
        assert_eq!(faults, "");
        let read = read.unwrap();
        assert_eq!((read.log, read.patterns.len(), read.files.len()), (Some(Form::Keras), 2, 2));
        assert_eq!((read.rules.len(), read.all_processes), (2, true));
        let again: Metrics = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        assert!(read_text(r#"{"patterns": ["("]}"#).1.contains("is no regular expression"));
        for (text, words) in [
            (r#"{"patterns": ["loss"]}"#, "has no group for the value"),
            (r#"{"log": "kera"}"#, "is none of"),
            (r#"{"files": [{"directory": "ALL", "file": "../x"}]}"#, "must stay inside"),
            (r#"{"fils": []}"#, "fils"),
            (r#"{"goal": {}}"#, "metric"),
            (r#"{"rules": ["loss is nan"]}"#, "is no rule"),
            (r#"{"rules": ["loss is nan -> explode"]}"#, "is nothing a rule does"),
        ] {
            assert!(read_text(text).1.contains(words), "{text}: {}", read_text(text).1);
        }
    }
}
