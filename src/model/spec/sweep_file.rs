//! Reads a sweep: the key `sweep` of a job's file, the published parameter file (`{"params": [...]}`), and the short form
//! of the command line (`lr=log:1e-4..1e-1:8`).

use serde_json::{Map, Number, Value as Json};

use super::doc::{Doc, Value};
use super::fields::{Faults, Field, Fields, quoted};
use super::sweep::{FileSet, Naming, Pace, Parameter, Part, Range, SWEEP_MEMBERS_MAX, Scale, Search, SweepSpec, Values};
use crate::model::stopping::{Rule, Stopping};

/// What a file says of a sweep; the body is another part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepFile {
    /// What is swept over.
    pub parameters: Vec<Parameter>,
    /// How values are chosen; a grid when nothing is said.
    pub search: Option<Search>,
    /// Members of their own beside those of the search.
    pub include: Vec<Map<String, Json>>,
    /// Members that are left out.
    pub exclude: Vec<Map<String, Json>>,
    /// How members are called.
    pub naming: Naming,
    /// As many run at once.
    pub running_max: Option<u32>,
    /// How members are stopped early.
    pub stopping: Option<Stopping>,
    /// More failures than this end it.
    pub failures_max: Option<u32>,
}

const FORMS: &str = "forms: 32,64,128 · 1..10 · 0.1..0.5/0.1 · 0.0..1.0:5 · log:1e-4..1e-1:8 · files:DIR · [{\"a\": 1}, …]";

impl SweepFile {
    /// Reads the value of `sweep`, or a whole published parameter file.
    pub fn read(field: &Field<'_>, faults: &mut Faults) -> Self {
        let Some(mut fields) = field.map(faults) else { return Self::default() };
        let mut parameters = fields.take("params").map(|list| published_list(&list, faults)).unwrap_or_default();
        if let Some(own) = fields.take("parameters") {
            parameters.extend(own_map(&own, faults));
        }
        // Which kind each entry is, as the published tools write beside it; the entries say so themselves. And what editors need.
        fields.ignore(&["kinds", "$schema"]);
        let jobs = fields.take("jobs").and_then(|field| field.count(faults, 1, SWEEP_MEMBERS_MAX as u32));
        let seed = fields.take("seed").and_then(|field| field.count(faults, 0, u32::MAX)).unwrap_or_default();
        let search = fields.take("search").and_then(|field| {
            let word = field.word(faults, &[("grid", 'g'), ("random", 'r'), ("latinHypercube", 'l'), ("latin", 'l')])?;
            if word != 'g' && jobs.is_none() {
                field.fault(faults, "draws need `jobs`: how many");
            }
            Some(chosen(word, jobs.unwrap_or(1), seed.into()))
        });
        let search = search.or(jobs.map(|jobs| Search::Random { jobs, seed: seed.into() }));
        let include = fields.take("include").map(|field| sets(&field, faults)).unwrap_or_default();
        let exclude = fields.take("exclude").map(|field| sets(&field, faults)).unwrap_or_default();
        let running_max = fields.take("runningMax").and_then(|field| field.count(faults, 1, SWEEP_MEMBERS_MAX as u32));
        let naming = [("number", Naming::Number), ("hash", Naming::Hash)];
        let naming = fields.take("naming").and_then(|field| field.word(faults, &naming)).unwrap_or_default();
        let stopping = fields.take("stop").and_then(|field| stopping(&field, faults));
        let failures_max = fields.take("maxFailures").and_then(|field| field.count(faults, 0, SWEEP_MEMBERS_MAX as u32));
        fields.finish_strictly(faults);
        Self { parameters, search, include, exclude, naming, running_max, stopping, failures_max }
    }

    /// Returns the sweep that it makes of a body.
    pub fn sweep(self, template: Json) -> SweepSpec {
        let mut parts = Vec::new();
        if !self.parameters.is_empty() || self.include.is_empty() {
            let (parameters, search) = (self.parameters, self.search.unwrap_or_default());
            parts.push(Part { parameters, search, exclude: self.exclude });
        }
        if !self.include.is_empty() {
            let table = Parameter { name: String::new(), values: Values::Together(self.include) };
            parts.push(Part { parameters: vec![table], search: Search::Grid, exclude: Vec::new() });
        }
        let mut spec = SweepSpec::new(template, parts);
        (spec.naming, spec.running_max) = (self.naming, self.running_max);
        (spec.stopping, spec.failures_max) = (self.stopping, self.failures_max);
        spec
    }
}

const RULES: [(&str, Rule); 3] = [("asha", Rule::Asha), ("median", Rule::Median), ("notANumber", Rule::NotANumber)];

/// The word of a rule, or a map with one.
fn stopping(field: &Field<'_>, faults: &mut Faults) -> Option<Stopping> {
    let plain = |rule| Stopping { rule, metric: None, maximize: false, first_step: 1, factor: 4 };
    if matches!(field.value(), Value::Text(_)) {
        return field.word(faults, &RULES).map(plain);
    }
    let mut fields = field.map(faults)?;
    let rule = fields.need(faults, "rule").and_then(|field| field.word(faults, &RULES));
    let metric = fields.take("metric").and_then(|field| field.text(faults));
    let maximize = fields.take("maximize").and_then(|field| field.truth(faults)).unwrap_or_default();
    let first_step = fields.take("firstStep").and_then(|field| field.count(faults, 1, u32::MAX)).unwrap_or(1);
    let factor = fields.take("factor").and_then(|field| field.count(faults, 2, 64)).unwrap_or(4);
    fields.finish_strictly(faults);
    Some(Stopping { metric, maximize, first_step, factor, ..plain(rule?) })
}

/// Returns the search that a letter stands for.
fn chosen(word: char, jobs: u32, seed: u64) -> Search {
    match word {
        'r' => Search::Random { jobs, seed },
        'l' => Search::Latin { jobs, seed },
        _ => Search::Grid,
    }
}

fn published_list(field: &Field<'_>, faults: &mut Faults) -> Vec<Parameter> {
    let mut found = Vec::new();
    for item in field.list(faults) {
        let Some(mut fields) = item.map(faults) else { continue };
        let name = fields.need(faults, "parameterName").and_then(|field| field.text(faults));
        fields.ignore(&["paramType"]);
        let values = values_of(&mut fields, faults);
        fields.finish_strictly(faults);
        if let (Some(name), Some(values)) = (name, values) {
            found.push(Parameter { name, values });
        }
    }
    found
}

/// `{"lr": "log:1e-4..1e-1:8", "batch": [32, 64], "opt": [{…}, {…}], "x": {"start": 1, "end": 3, …}}`.
fn own_map(field: &Field<'_>, faults: &mut Faults) -> Vec<Parameter> {
    let mut found = Vec::new();
    for (name, value) in field.entries(faults) {
        let values = match value.value() {
            Value::Text(text) => short(text).map_err(|what| value.fault(faults, what)).ok(),
            Value::List(_) => listed(&value, faults),
            Value::Map(_) => value.map(faults).and_then(|mut fields| {
                let values = values_of(&mut fields, faults);
                fields.finish_strictly(faults);
                values
            }),
            Value::Number(_) | Value::Bool(..) | Value::Null => Some(Values::List(vec![json_of(&value)])),
        };
        found.extend(values.map(|values| Parameter { name, values }));
    }
    found
}

/// Reads the published fields of one parameter, whatever its kind.
fn values_of(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Values> {
    if let Some(values) = fields.take("values") {
        return listed(&values, faults);
    }
    let stored = ["storageAccountName", "fileshare", "container", "directory"].iter().any(|key| fields.had(key));
    if fields.had("mountPath") || stored {
        return files(fields, faults);
    }
    let integer = [("INTEGER", true), ("REAL", false)];
    let whole = fields.take("dataType").and_then(|field| field.word(faults, &integer));
    let start = fields.need(faults, "start").and_then(|field| number(&field, faults));
    let end = fields.need(faults, "end").and_then(|field| number(&field, faults));
    let scale = fields
        .take("scale")
        .and_then(|field| field.word(faults, &[("LINEAR", Scale::Linear), ("LOG", Scale::Log)]))
        .unwrap_or_default();
    let step = fields.take("step").and_then(|field| number(&field, faults));
    let count = fields.take("numValues").and_then(|field| field.count(faults, 1, u32::MAX));
    if step.is_some() && count.is_some() {
        fields.whole().fault(faults, "has both step and numValues; one of them says how many there are");
        return None;
    }
    let pace = match (step, count) {
        (Some(step), _) => Pace::Step(step),
        (None, Some(count)) => Pace::Count(count),
        (None, None) => Pace::Unsaid,
    };
    let (start, end) = (start?, end?);
    let whole = whole.unwrap_or(!start.is_f64() && !end.is_f64());
    Some(Values::Range(Range { start, end, scale, whole, pace }))
}

/// The published file parameter. What storage it names is the mounts' matter: what is looked at is a directory here.
fn files(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Values> {
    fields.ignore(&["storageAccountName", "storageAccountKey", "storageType", "container", "fileshare"]);
    let cluster = fields
        .take("mountMethod")
        .and_then(|field| field.word(faults, &[("JOB", false), ("CLUSTER", true)]))
        .unwrap_or(false);
    let mount = fields.take("mountPath").and_then(|field| field.text(faults));
    let below = fields.take("directory").and_then(|field| field.text(faults));
    let filter = fields.take("filterStr").and_then(|field| field.checked(faults, check_filter));
    let root = if cluster { "$AZ_BATCHAI_MOUNT_ROOT" } else { "$AZ_BATCHAI_JOB_MOUNT_ROOT" };
    let below = below.unwrap_or_default();
    let parts = [Some(root), mount.as_deref(), Some(below.trim_matches('/'))];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    Some(Values::Files(FileSet { directory: None, prefix: parts.join("/"), filter }))
}

fn check_filter(text: &str) -> Result<(), String> {
    regex::Regex::new(text).map(drop).map_err(|error| {
        let last = error.to_string();
        format!("{} is no regular expression: {}", quoted(text), last.lines().last().unwrap_or_default())
    })
}

fn number(field: &Field<'_>, faults: &mut Faults) -> Option<Number> {
    let read = match field.value() {
        Value::Number(text) => parse_number(text),
        Value::Null | Value::Bool(..) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    };
    if read.is_none() {
        field.fault(faults, "wants a number");
    }
    read
}

fn json_of(field: &Field<'_>) -> Json {
    Doc { place: field.place(), value: field.value().clone() }.to_json()
}

/// A list of values, or of sets whose keys vary together.
fn listed(field: &Field<'_>, faults: &mut Faults) -> Option<Values> {
    let items = field.list(faults);
    if items.first().is_some_and(|item| matches!(item.value(), Value::Map(_))) {
        return Some(Values::Together(sets(field, faults)));
    }
    Some(Values::List(items.iter().map(json_of).collect()))
}

fn sets(field: &Field<'_>, faults: &mut Faults) -> Vec<Map<String, Json>> {
    let mut found = Vec::new();
    for item in field.list(faults) {
        match json_of(&item) {
            Json::Object(map) => found.push(map),
            _ => item.fault(faults, "wants a map of names and values"),
        }
    }
    found
}

/// Reads `NAME=VALUES`.
///
/// # Errors
/// What is wrong with it, with the forms there are.
pub fn option(text: &str) -> Result<Parameter, String> {
    let (name, values) =
        text.split_once('=').ok_or_else(|| format!("{} has no `=`; the form is NAME=VALUES", quoted(text)))?;
    Ok(Parameter { name: name.trim().to_owned(), values: short(values)? })
}

/// Reads the short form of a parameter's values.
///
/// # Errors
/// As [`option`].
pub fn short(text: &str) -> Result<Values, String> {
    let text = text.trim();
    let bad = |what: &str| format!("{}: {what}; {FORMS}", quoted(text));
    if text.is_empty() {
        return Err(bad("has no values"));
    }
    if let Some(directory) = text.strip_prefix("files:") {
        let (directory, filter) = match directory.split_once("::") {
            Some((directory, filter)) => (directory, Some(filter.to_owned())),
            None => (directory, None),
        };
        if let Some(filter) = &filter {
            check_filter(filter)?;
        }
        let directory = directory.trim_end_matches('/').to_owned();
        return Ok(Values::Files(FileSet { prefix: directory.clone(), directory: Some(directory), filter }));
    }
    if text.starts_with('[') {
        let items: Vec<Json> = serde_json::from_str(text).map_err(|error| bad(&format!("is no JSON list ({error})")))?;
        let all: Option<Vec<Map<String, Json>>> = items.iter().map(|item| item.as_object().cloned()).collect();
        return Ok(match all {
            Some(sets) if !sets.is_empty() => Values::Together(sets),
            Some(_) | None => Values::List(items),
        });
    }
    if let Some(range) = range(text) {
        return range.map_err(|what| bad(&what)).map(Values::Range);
    }
    Ok(Values::List(text.split(',').map(scalar).collect()))
}

/// `[int:][log:]START..END[:COUNT|/STEP]`; `None` when it is no range.
fn range(text: &str) -> Option<Result<Range, String>> {
    let (mut rest, mut scale, mut whole) = (text, Scale::Linear, false);
    loop {
        if let Some(after) = rest.strip_prefix("log:") {
            (rest, scale) = (after, Scale::Log);
        } else if let Some(after) = rest.strip_prefix("int:") {
            (rest, whole) = (after, true);
        } else {
            break;
        }
    }
    let marked = rest.len() < text.len();
    let Some((start, more)) = rest.split_once("..") else {
        return marked.then(|| Err("has no `..` between start and end".to_owned()));
    };
    let (end, pace) = match (more.split_once(':'), more.split_once('/')) {
        (Some((end, count)), _) => {
            (end, count.trim().parse().map(Pace::Count).map_err(|_| format!("`{count}` is no count")))
        }
        (None, Some((end, step))) => {
            (end, parse_number(step.trim()).map(Pace::Step).ok_or_else(|| format!("`{step}` is no step")))
        }
        (None, None) => (more, Ok(Pace::Unsaid)),
    };
    let (Some(start), Some(end)) = (parse_number(start.trim()), parse_number(end.trim())) else {
        return marked.then(|| Err("start and end are numbers".to_owned()));
    };
    let fraction = matches!(&pace, Ok(Pace::Step(step)) if step.is_f64());
    let whole = whole || !(start.is_f64() || end.is_f64() || fraction);
    Some(pace.map(|pace| Range { start, end, scale, whole, pace }))
}

fn parse_number(text: &str) -> Option<Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

/// Reads one value as a person types it: a number, `true`, `false`, or a text; one in quotes is a text whatever it holds.
pub fn scalar(text: &str) -> Json {
    let text = text.trim();
    let inner = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    match (inner, parse_number(text), text) {
        (Some(inner), ..) => Json::String(inner.to_owned()),
        (None, Some(number), _) => Json::Number(number),
        (None, None, "true") => Json::Bool(true),
        (None, None, "false") => Json::Bool(false),
        (None, None, text) => Json::String(text.to_owned()),
    }
}

/// Reads `lr=0.1,batch=64`: the values of some parameters.
///
/// # Errors
/// A part without `=`.
pub fn set(text: &str) -> Result<Map<String, Json>, String> {
    let pair = |part: &str| {
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("{}: the form is NAME=VALUE,NAME=VALUE", quoted(part)))?;
        Ok((name.trim().to_owned(), scalar(value)))
    };
    text.split(',').map(pair).collect()
}

/// Reads a table whose first line names its columns, one member a line.
///
/// # Errors
/// The line that does not fit.
pub fn table(text: &str) -> Result<Values, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        rows.push(names.iter().map(str::to_owned).zip(record.iter().map(scalar)).collect());
    }
    Ok(Values::Together(rows))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (SweepFile, Vec<String>) {
        let doc = Doc::parse("sweep.json", text.as_bytes()).expect("a file");
        let mut faults = Faults::default();
        let file = SweepFile::read(&Field::root(&doc), &mut faults);
        (file, faults.errors.iter().map(|fault| format!("{}: {}", fault.field, fault.what)).collect())
    }

    #[test]
    fn the_published_parameter_file_loads() {
        let (file, faults) = read(
            r#"{"params": [
              {"parameterName": "FEEDFORWARD_CONSTANT", "dataType": "REAL", "start": 0.001, "end": 10, "scale": "LOG"},
              {"parameterName": "HIDDEN_LAYERS_DIMENSION", "values": [100, 200, 300]},
              {"parameterName": "EPOCHS", "dataType": "INTEGER", "start": 1, "end": 10, "scale": "LINEAR", "step": 3},
              {"parameterName": "OPT", "values": [{"NAME": "sgd", "LR": 0.1}, {"NAME": "adam", "LR": 0.01}]},
              {"parameterName": "DATA", "storageAccountName": "a", "storageAccountKey": "k", "storageType": "BLOB",
               "mountMethod": "JOB", "mountPath": "bfs", "container": "c", "filterStr": "train.*"}],
              "kinds": ["NumericParameter", "DiscreteParameter", "NumericParameter", "DictParameter", "FileParameter"]}"#,
        );
        assert_eq!(faults, Vec::<String>::new());
        let Values::Range(first) = &file.parameters[0].values else { panic!("{file:?}") };
        assert_eq!((first.scale, first.whole, &first.pace), (Scale::Log, false, &Pace::Unsaid));
        let files =
            FileSet { directory: None, prefix: "$AZ_BATCHAI_JOB_MOUNT_ROOT/bfs".into(), filter: Some("train.*".into()) };
        assert_eq!(file.parameters[4].values, Values::Files(files));
        let Values::Together(sets) = &file.parameters[3].values else { panic!("{file:?}") };
        assert_eq!(sets[1]["NAME"], "adam");
    }

    #[test]
    fn our_own_form() {
        let (file, faults) = read(
            r#"{"parameters": {"lr": "log:1e-4..1e-1:8", "batch": [32, 64], "x": {"start": 1, "end": 3, "numValues": 2}},
              "search": "latin", "jobs": 12, "seed": 5, "include": [{"lr": 1}], "exclude": [{"batch": 64}], "runningMax": 4,
              "stop": {"rule": "asha", "metric": "loss", "firstStep": 10, "factor": 3}, "maxFailures": 5}"#,
        );
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!((file.search, file.running_max), (Some(Search::Latin { jobs: 12, seed: 5 }), Some(4)));
        let stopping =
            Stopping { rule: Rule::Asha, metric: Some("loss".into()), maximize: false, first_step: 10, factor: 3 };
        assert_eq!((&file.stopping, file.failures_max), (&Some(stopping), Some(5)));
        let sweep = file.sweep(json!({}));
        assert_eq!(sweep.parts.len(), 2);
        for (text, words) in [
            (r#"{"parameters": {"lr": "log:1..:3"}}"#, "sweep.parameters"),
            (r#"{"search": "random"}"#, "draws need `jobs`"),
            (r#"{"params": [{"parameterName": "A"}]}"#, "start"),
            (r#"{"params": [{"parameterName": "A", "start": 1, "end": 2, "step": 1, "numValues": 3}]}"#, "both step and"),
            (r#"{"params": [{"parameterName": "A", "start": 1, "end": 2, "scale": "RANDOM_UNIFORM"}]}"#, "is none of"),
            (r#"{"paramaters": {}}"#, "paramaters"),
            (r#"{"stop": "never"}"#, "is none of"),
            (r#"{"stop": {"factor": 1}}"#, "must be 2 to 64"),
        ] {
            let (_, faults) = read(text);
            assert!(!faults.is_empty(), "{text}");
            assert!(words == "sweep.parameters" || faults.join("; ").contains(words), "{text}: {faults:?}");
        }
    }

    #[test]
    fn a_table_gives_one_member_a_line() {
        let Ok(Values::Together(rows)) = table("lr, name\n0.1, a b\n2,\"x,y\"\n") else { panic!("no table") };
        assert_eq!(json!(rows), json!([{"lr": 0.1, "name": "a b"}, {"lr": 2, "name": "x,y"}]));
        assert!(table("a,b\n1\n").is_err());
        assert_eq!(json!(set("lr=0.1,b=x").unwrap()), json!({"lr": 0.1, "b": "x"}));
    }
}
