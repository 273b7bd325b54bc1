//! The fields that make a sweep of a job: its parameters with their values, how values are chosen, how many run at once. The
//! grammar is that of `ostler sweep create -p`; what it comes to is counted here, while one types.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::kind::{Complaint, Id, Row, Shape, TextFault, Values, read_text, typed};
use super::text::number;
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::job_file::JobFile;
use crate::model::spec::sweep::{Pace, Parameter, SWEEP_MEMBERS_MAX, Scale, Search, Values as Choices};
use crate::model::spec::{SweepFile, SweepSpec, sweep_file, token};

/// What is swept over.
pub const PARAMETERS: Id = "parameters";
const METHOD: Id = "method";
const DRAWS: Id = "draws";
const SEED: Id = "seed";
const AT_ONCE: Id = "at once";
const STOP: Id = "stop early";
const METRIC: Id = "metric";
const FAILURES: Id = "failures";

const METHODS: [&str; 3] = ["every combination", "random", "latin hypercube"];
const RULES: [&str; 4] = ["never", "asha", "median", "notANumber"];

/// A sweep that was read from its fields.
#[derive(Debug)]
pub struct Sweeping {
    /// What is submitted.
    pub spec: SweepSpec,
}

impl Sweeping {
    /// Returns the fields as the first member has them.
    pub fn first(&self, values: &Values) -> Values {
        let mut doc = Doc::from(&json!(values));
        token::substitute(&mut doc, &self.spec.point(0).unwrap_or_default());
        let json = doc.to_json();
        let text = |id: Id| match json.get(id) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        values.keys().map(|id| (*id, text(id))).collect()
    }

    /// Returns what it comes to, as far as that is known here.
    pub fn says(&self) -> String {
        match self.spec.count() {
            1 => "1 job".to_owned(),
            count => format!("{count} jobs"),
        }
    }
}

/// Returns the fields.
pub fn rows(values: &Values) -> Vec<Row> {
    let lines = "one a line: lr=log:1e-4..1e-1:8 · batch=32,64 · seed=1..10 · opt=[{\"name\": \"sgd\"}, …]";
    let mut rows = vec![
        Row { id: PARAMETERS, shape: Shape::Lines, hint: lines.to_owned(), paths: None },
        Row::choice(METHOD, &METHODS, "how values are chosen · ←→"),
    ];
    if typed(values, METHOD) != METHODS[0] {
        rows.push(Row::line(DRAWS, "how many jobs are drawn"));
        rows.push(Row::line(SEED, "where draws begin; the same seed gives the same draws"));
    }
    rows.push(Row::line(AT_ONCE, "as many jobs may run at once; empty: as many as there is room for"));
    rows.push(Row::choice(STOP, &RULES, "which members are not worth their nodes · ←→"));
    if typed(values, STOP) != RULES[0] {
        rows.push(Row::line(METRIC, "decides who is stopped; empty: the first one reported"));
    }
    rows.push(Row::line(FAILURES, "more failures of members than this end the sweep; empty: never"));
    rows
}

/// Returns what they hold in the beginning, with these parameters.
pub fn defaults(parameters: &[String]) -> Values {
    Values::from([
        (PARAMETERS, parameters.join("\n")),
        (METHOD, METHODS[0].to_owned()),
        (DRAWS, "20".to_owned()),
        (SEED, "0".to_owned()),
        (STOP, RULES[0].to_owned()),
    ])
}

fn whole(values: &Values, id: Id, least: u64, most: u64) -> Result<Option<u32>, Complaint> {
    let text = typed(values, id);
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse::<u64>().map_err(|_| (id, format!("`{}` is no number", text.escape_debug())))?;
    match u32::try_from(number).ok().filter(|_| (least..=most).contains(&number)) {
        Some(number) => Ok(Some(number)),
        None => Err((id, format!("{number}: from {least} to {most}"))),
    }
}

/// Reads the fields.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(values: &Values, template: Value) -> Result<Sweeping, Vec<Complaint>> {
    let mut wrong = Vec::new();
    let mut parameters: Vec<Parameter> = Vec::new();
    for line in typed(values, PARAMETERS).lines().map(str::trim).filter(|line| !line.is_empty()) {
        match sweep_file::option(line) {
            Ok(parameter) if matches!(parameter.values, Choices::Files(_)) => {
                wrong
                    .push((PARAMETERS, "files are looked at by `ostler sweep create -p`; list their names here".to_owned()));
            }
            Ok(parameter) if parameters.iter().any(|other| other.name == parameter.name) => {
                wrong.push((PARAMETERS, format!("`{}` is there twice", parameter.name)));
            }
            Ok(parameter) => parameters.push(parameter),
            Err(what) => wrong.push((PARAMETERS, what)),
        }
    }
    if parameters.is_empty() && wrong.is_empty() {
        wrong.push((PARAMETERS, "which values? one NAME=VALUES a line, as in lr=0.1,0.01".to_owned()));
    }
    let mut take = |id, least, most| match whole(values, id, least, most) {
        Ok(number) => number,
        Err(what) => {
            wrong.push(what);
            None
        }
    };
    let method = typed(values, METHOD);
    let draws = take(DRAWS, 1, SWEEP_MEMBERS_MAX).filter(|_| method != METHODS[0]);
    let seed = take(SEED, 0, u64::from(u32::MAX)).unwrap_or(0);
    let running_max = take(AT_ONCE, 1, SWEEP_MEMBERS_MAX);
    let failures_max = take(FAILURES, 0, SWEEP_MEMBERS_MAX);
    let search = match draws {
        Some(jobs) if method == METHODS[1] => Some(Search::Random { jobs, seed: seed.into() }),
        Some(jobs) => Some(Search::Latin { jobs, seed: seed.into() }),
        None if method == METHODS[0] => None,
        None => {
            if !wrong.iter().any(|(id, _)| *id == DRAWS) {
                wrong.push((DRAWS, "how many?".to_owned()));
            }
            None
        }
    };
    if !wrong.is_empty() {
        wrong.dedup_by_key(|(id, _)| *id);
        return Err(wrong);
    }
    let mut file = SweepFile { parameters, search, running_max, failures_max, ..SweepFile::default() };
    let mut faults = Faults::default();
    if let Some(stop) = stop_json(values) {
        let doc = Doc::from(&json!({"stop": stop}));
        file.stopping = SweepFile::read(&Field::root(&doc), &mut faults).stopping;
    }
    let spec = file.sweep(template);
    match spec.faults().into_iter().next() {
        Some(what) => Err(vec![(PARAMETERS, what)]),
        None => Ok(Sweeping { spec }),
    }
}

fn stop_json(values: &Values) -> Option<Value> {
    let rule = typed(values, STOP);
    if rule == RULES[0] || rule.is_empty() {
        return None;
    }
    Some(match typed(values, METRIC) {
        "" => json!({"rule": rule}),
        metric => json!({"rule": rule, "metric": metric}),
    })
}

/// Returns the fields as `sweep` of a job's file.
pub fn to_json(values: &Values) -> Value {
    let mut map = Map::new();
    let mut parameters = Map::new();
    let mut odd = Vec::new();
    for line in typed(values, PARAMETERS).lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once('=') {
            Some((name, values)) => drop(parameters.insert(name.trim().to_owned(), json!(values.trim()))),
            None => odd.push(line),
        }
    }
    odd.into_iter().for_each(|line| drop(parameters.insert(line.to_owned(), Value::Null)));
    map.insert("parameters".to_owned(), Value::Object(parameters));
    let words = [("random", METHODS[1]), ("latinHypercube", METHODS[2])];
    if let Some((word, _)) = words.iter().find(|(_, method)| *method == typed(values, METHOD)) {
        map.insert("search".to_owned(), json!(word));
        map.insert("jobs".to_owned(), number(typed(values, DRAWS)));
        map.insert("seed".to_owned(), number(typed(values, SEED)));
    }
    for (key, id) in [("runningMax", AT_ONCE), ("maxFailures", FAILURES)] {
        if !typed(values, id).is_empty() {
            map.insert(key.to_owned(), number(typed(values, id)));
        }
    }
    if let Some(stop) = stop_json(values) {
        map.insert("stop".to_owned(), stop);
    }
    Value::Object(map)
}

/// Reads a text with `sweep` in it: the job, and the fields of the sweep.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn from_text(text: &str) -> Result<(Draft, Values), Vec<TextFault>> {
    read_text(text, |doc, faults| {
        let file = match doc.get("sweep").or_else(|| doc.get("properties").and_then(|inner| inner.get("sweep"))) {
            Some(sweep) => SweepFile::read(&Field::root(doc).child("sweep", sweep), faults),
            None => SweepFile::default(),
        };
        let mut body = doc.clone();
        remove(&mut body, "sweep");
        if let Some(inner) = body.get_mut("properties") {
            remove(inner, "sweep");
        }
        let job = JobFile::read(&body, faults)?;
        let draft = Draft {
            name: job.name.unwrap_or_default(),
            experiment: job.experiment.unwrap_or_default(),
            ..Draft::of(&job.spec)
        };
        Some((draft, values_of(&file)))
    })
}

fn remove(doc: &mut Doc, key: &str) {
    if let crate::model::spec::doc::Value::Map(entries) = &mut doc.value {
        entries.retain(|entry| entry.key != key);
    }
}

fn values_of(file: &SweepFile) -> Values {
    let lines: Vec<String> = file.parameters.iter().map(line_of).collect();
    let mut values = defaults(&lines);
    let (method, draws) = match file.search {
        Some(Search::Random { jobs, seed }) => (METHODS[1], Some((jobs, seed))),
        Some(Search::Latin { jobs, seed }) => (METHODS[2], Some((jobs, seed))),
        Some(Search::Grid) | None => (METHODS[0], None),
    };
    values.insert(METHOD, method.to_owned());
    if let Some((jobs, seed)) = draws {
        values.insert(DRAWS, jobs.to_string());
        values.insert(SEED, seed.to_string());
    }
    let text = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    values.insert(AT_ONCE, text(file.running_max));
    values.insert(FAILURES, text(file.failures_max));
    if let Some(stopping) = &file.stopping {
        let word = serde_json::to_value(stopping.rule).ok().and_then(|word| word.as_str().map(str::to_owned));
        values.insert(STOP, word.unwrap_or_default());
        values.insert(METRIC, stopping.metric.clone().unwrap_or_default());
    }
    values
}

/// Returns a parameter of some values as it is typed.
pub fn line_of_values(name: &str, values: Vec<Value>) -> String {
    line_of(&Parameter { name: name.to_owned(), values: Choices::List(values) })
}

/// Returns a parameter as it is typed.
fn line_of(parameter: &Parameter) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) if sweep_file::scalar(text) == *value => text.clone(),
        other => other.to_string(),
    };
    let values = match &parameter.values {
        Choices::List(values) if values.iter().all(|v| !v.is_object() && !v.is_array() && !plain(v).contains(',')) => {
            values.iter().map(plain).collect::<Vec<_>>().join(",")
        }
        Choices::List(values) => Value::Array(values.clone()).to_string(),
        Choices::Together(sets) => json!(sets).to_string(),
        Choices::Range(range) => {
            let ends_whole = !(range.start.is_f64() || range.end.is_f64());
            let int = if range.whole && !ends_whole { "int:" } else { "" };
            let log = if range.scale == Scale::Log { "log:" } else { "" };
            let pace = match &range.pace {
                Pace::Count(count) => format!(":{count}"),
                Pace::Step(step) => format!("/{step}"),
                Pace::Unsaid => String::new(),
            };
            format!("{int}{log}{}..{}{pace}", range.start, range.end)
        }
        Choices::Files(set) => {
            let filter = set.filter.as_ref().map(|filter| format!("::{filter}")).unwrap_or_default();
            format!("files:{}{filter}", set.directory.as_deref().unwrap_or(&set.prefix))
        }
    };
    format!("{}={values}", parameter.name)
}

/// Makes parameters of a job's options (`--lr 0.1`, `--lr=0.1`) and variables: tokens stand in their place, and each has
/// the one value that it had.
pub fn tokens(draft: Draft) -> (Draft, Vec<String>) {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut command = String::new();
    for (at, line) in draft.command.split('\n').enumerate() {
        if at > 0 {
            command.push('\n');
        }
        command.push_str(&options(line, &mut found));
    }
    let variables = draft.environment.lines().map(|line| match line.split_once('=') {
        Some((name, value)) if plain(value) && !taken(&found, name.trim()) => {
            let name = name.trim();
            found.push((name.to_ascii_lowercase(), value.to_owned()));
            format!("{name}=PARAM_{}", token::word(name))
        }
        _ => line.to_owned(),
    });
    let environment = variables.collect::<Vec<_>>().join("\n");
    let lines = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
    (Draft { command, environment, name: String::new(), ..draft }, lines)
}

/// A value that a line can hold as the only one.
fn plain(value: &str) -> bool {
    !value.is_empty() && value.len() <= 64 && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
}

fn taken(found: &[(String, String)], name: &str) -> bool {
    found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
}

/// Puts tokens in the place of the values of a line's long options.
fn options(line: &str, found: &mut Vec<(String, String)>) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut before: Option<String> = None;
    for word in line.split(' ') {
        let option = word.strip_prefix("--").filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
        let known = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        let name_of = |name: &str| name.replace('-', "_");
        match (option.map(|option| option.split_once('=')), before.take()) {
            (Some(Some((name, value))), _) if known(name) && plain(value) && !taken(found, &name_of(name)) => {
                let name_in = name_of(name);
                out.push(format!("--{name}=PARAM_{}", token::word(&name_in)));
                found.push((name_in, value.to_owned()));
            }
            (Some(None), _) => {
                before = option.filter(|name| known(name)).map(name_of);
                out.push(word.to_owned());
            }
            (None, Some(name)) if plain(word) && !word.starts_with('-') && !taken(found, &name) => {
                out.push(format!("PARAM_{}", token::word(&name)));
                found.push((name, word.to_owned()));
            }
            (Some(Some(_)) | None, _) => out.push(word.to_owned()),
        }
    }
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_variables_become_parameters() {
        let draft = Draft {
            command: "python3 train.py --lr 0.01 --batch=64 --amp --data /data/x -v\n--lr 3 end".into(),
            environment: "SEED=3\nPATH=$PATH:/x\nLR=1".into(),
            ..Draft::default()
        };
        let (draft, lines) = tokens(draft);
        assert_eq!(lines, ["lr=0.01", "batch=64", "seed=3"]);
        assert_eq!(draft.command, "python3 train.py --lr PARAM_LR --batch=PARAM_BATCH --amp --data /data/x -v\n--lr 3 end");
        assert_eq!(draft.environment, "SEED=PARAM_SEED\nPATH=$PATH:/x\nLR=1");
    }

    #[test]
    fn lines_come_back_from_their_values() {
        for line in
            ["lr=log:0.0001..0.1:8", "batch=32,64,128", "seed=1..10", "x=0.5..1.0/0.25", "n=int:1.5..9.0", "o=\"1\",a"]
        {
            let parameter = sweep_file::option(line).expect(line);
            let again = sweep_file::option(&line_of(&parameter)).expect(line);
            assert_eq!(again, parameter, "{line} → {}", line_of(&parameter));
        }
        let sets = sweep_file::option(r#"opt=[{"name":"sgd","lr":0.1},{"name":"adam","lr":1}]"#).expect("sets");
        assert_eq!(sweep_file::option(&line_of(&sets)), Ok(sets));
    }

    #[test]
    fn what_is_wrong_stands_at_its_field() {
        let of = |pairs: &[(Id, &str)]| {
            let mut values = defaults(&["lr=0.1,0.2".to_owned()]);
            values.extend(pairs.iter().map(|(id, text)| (*id, (*text).to_owned())));
            read(&values, Value::Null).map(|sweep| sweep.says())
        };
        assert_eq!(of(&[]), Ok("2 jobs".to_owned()));
        assert_eq!(of(&[(PARAMETERS, "lr=0.1,0.2\nseed=1..10")]), Ok("20 jobs".to_owned()));
        assert_eq!(of(&[(METHOD, METHODS[2]), (DRAWS, "7"), (PARAMETERS, "lr=log:1e-4..0.1")]), Ok("7 jobs".to_owned()));
        for (pairs, id, what) in [
            (&[(PARAMETERS, "")][..], PARAMETERS, "which values"),
            (&[(PARAMETERS, "lr")], PARAMETERS, "no `=`"),
            (&[(PARAMETERS, "lr=1\nlr=2")], PARAMETERS, "twice"),
            (&[(PARAMETERS, "lr=0.1..0.5")], PARAMETERS, ""),
            (&[(METHOD, METHODS[1]), (DRAWS, "")], DRAWS, "how many"),
            (&[(AT_ONCE, "0")], AT_ONCE, "from 1"),
            (&[(SEED, "x"), (METHOD, METHODS[1])], SEED, "no number"),
        ] {
            let wrong = of(pairs).expect_err(what);
            assert!(wrong[0].0 == id && wrong[0].1.contains(what), "{pairs:?}: {wrong:?}");
        }
    }
}
