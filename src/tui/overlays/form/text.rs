//! The form as text: the published body of a job with its name and experiment, as JSON, and back. A draft with faults in it
//! has a text too, so that nothing typed is lost on the way.

use serde_json::{Map, Value, json};

use super::draft::{Draft, PRIORITIES};
use super::kind::{TextFault, read_text};
use crate::model::spec::Toolkit;
use crate::model::spec::job_file::JobFile;

/// Returns the draft as JSON.
pub fn to_text(draft: &Draft) -> String {
    let mut properties = draft.kept_body();
    draft.more.write(&mut properties);
    let mut put = |key: &str, value: Value| drop(properties.insert(key.to_owned(), value));
    put("cluster", json!(draft.cluster.trim()));
    let priority = PRIORITIES.iter().find(|(_, priority)| *priority == draft.priority).map_or("normal", |(word, _)| word);
    put("schedulingPriority", json!(priority));
    put("nodeCount", number(&draft.nodes));
    put(draft.kind.key(), settings(draft));
    if !draft.preparation.trim().is_empty() {
        put("jobPreparation", json!({"commandLine": draft.preparation}));
    }
    put("environmentVariables", draft.environment.lines().filter(|line| !line.trim().is_empty()).map(variable).collect());
    put("constraints", json!({"maxWallClockTime": draft.limit.trim()}));
    let mut top = Map::new();
    for (key, text) in [("experiment", &draft.experiment), ("name", &draft.name)] {
        if !text.trim().is_empty() {
            top.insert(key.to_owned(), json!(text.trim()));
        }
    }
    top.insert("properties".to_owned(), Value::Object(properties));
    // A tree of texts and numbers always prints.
    serde_json::to_string_pretty(&Value::Object(top)).unwrap_or_default()
}

/// The settings object of the chosen kind, a number of processes that is none included.
fn settings(draft: &Draft) -> Value {
    let toolkit = Toolkit::of_line(draft.kind, &draft.command, None, draft.rest.toolkit.as_ref());
    // An enum of objects always becomes one.
    let mut whole = serde_json::to_value(&toolkit).unwrap_or_default();
    let mut settings = whole.get_mut(draft.kind.key()).map(Value::take).unwrap_or_default();
    if let (Some(key), Some(object)) = (draft.kind.counting().key(), settings.as_object_mut())
        && !draft.processes.trim().is_empty()
    {
        object.insert(key.to_owned(), number(&draft.processes));
    }
    settings
}

/// A number as one, anything else as the text it is, so that the reader names it as wrong where it stands.
pub(super) fn number(text: &str) -> Value {
    text.trim().parse::<u32>().map_or_else(|_| json!(text.trim()), Value::from)
}

fn variable(line: &str) -> Value {
    match line.split_once('=') {
        Some((name, value)) => json!({"name": name.trim(), "value": value}),
        None => json!({"name": line}),
    }
}

/// Returns the draft that a text comes to: JSON, or YAML or TOML as job files may be.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn from_text(text: &str) -> Result<Draft, Vec<TextFault>> {
    let file = read_text(text, JobFile::read)?;
    Ok(Draft {
        name: file.name.unwrap_or_default(),
        experiment: file.experiment.unwrap_or_default(),
        ..Draft::of(&file.spec)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::toolkit::Counting;
    use crate::model::spec::{Priority, ToolKind};

    fn draft() -> Draft {
        Draft {
            experiment: "first".into(),
            name: "run-2".into(),
            cluster: "gpu".into(),
            nodes: "4".into(),
            kind: ToolKind::Mpi,
            processes: "8".into(),
            command: "./a\n\"quoted\" \u{1b}[0m".into(),
            preparation: "make".into(),
            environment: "LR=0.1 = x\nB=".into(),
            limit: "90m".into(),
            priority: Priority::High,
            ..Draft::default()
        }
    }

    #[test]
    fn text_and_form_are_the_same_job() {
        let text = to_text(&draft());
        assert!(!text.contains('\u{1b}'), "control characters are written out");
        assert_eq!(from_text(&text), Ok(draft()));
        let custom = Draft { kind: ToolKind::Custom, processes: String::new(), name: String::new(), ..draft() };
        assert_eq!(from_text(&to_text(&custom)), Ok(custom));
        for kind in ToolKind::ALL {
            let processes = if kind.counting() == Counting::Fixed { String::new() } else { "3".to_owned() };
            let of_kind = Draft { kind, processes, command: "train.py --lr 0.1".into(), ..draft() };
            assert_eq!(from_text(&to_text(&of_kind)), Ok(of_kind));
        }
    }

    #[test]
    fn faults_say_their_line() {
        let text = to_text(&Draft { nodes: "four".into(), limit: "10".into(), ..draft() });
        let faults = from_text(&text).expect_err("two faults");
        let line_of = |needle: &str| text.lines().position(|l| l.contains(needle)).expect("in the text") as u32 + 1;
        assert_eq!(faults.iter().map(|f| f.0).collect::<Vec<_>>(), [line_of("nodeCount"), line_of("maxWallClockTime")]);
        assert!(faults[0].1.contains("nodeCount"), "{faults:?}");
        assert_eq!(from_text("{\n  \"properties\": {\n").expect_err("cut").len(), 1);
    }
}
