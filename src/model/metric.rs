//! Metrics: which of a job's lines hold some, and what has come of them. The reader is pure: lines in, readings out; it is fed
//! by the runtime with what nodes send, and by tests.
//!
//! Decision (2026-11): a value that is not a number (NaN) or infinite is a reading like another one and is shown as such; it
//! never is the best, and does not count into the mean. A step that goes back (a restart, a second attempt) is kept in the
//! order of arrival; what is drawn over steps takes the last reading of a step.

use std::sync::LazyLock;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rule::Rule;
use super::units::UnixMillis;

/// The most metrics of one job: what a table can show; further names are passed over.
pub const METRICS_MAX: usize = 64;
/// The longest line that is looked at, in bytes: a line of metrics is far shorter.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// The longest name of a metric.
const NAME_BYTES_MAX: usize = 64;
/// How deep objects in a JSON line are looked into.
const DEPTH_MAX: u32 = 3;

/// Where the metrics of a job are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// How its log is read; the usual forms when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Form>,
    /// Regular expressions for lines of the log: the groups `name`, `value` and `step`, or one group that is the value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<Pattern>,
    /// Files in its directories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<MetricFile>,
    /// Whether smaller or larger is better, by the metric that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// What is done when a metric or a line of the log says something: `loss is nan -> stop`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub rules: Vec<Rule>,
    /// Whether those of all processes are read, and not of the first alone; others than the first have `@` and their number
    /// behind the names of their metrics.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all_processes: bool,
}

/// A regular expression, and what the metric is called when it does not say so itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pattern {
    /// The name of the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The regular expression.
    pub regex: String,
}

/// A file that holds metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricFile {
    /// The id of its directory.
    pub directory: String,
    /// Its path in the directory; of event files a pattern, as `logs/*/events.out.tfevents.*`.
    pub file: String,
    /// How it is read; by its name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// A regular expression for its lines, in the place of a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
}

/// How lines are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// Any of those below that fits a line.
    #[default]
    Usual,
    /// `loss=0.21 step=100`.
    NameValue,
    /// `loss: 0.21`.
    NameColon,
    /// One JSON object a line.
    Json,
    /// Keras: ` 10/10 - 1s - loss: 0.21 - val_loss: 0.3` after `Epoch 3/10`.
    Keras,
    /// PyTorch Lightning: `Epoch 3: 100%|…| 10/10 [00:01<00:00, v_num=0, train_loss=0.21]`.
    Lightning,
    /// fastai: a table under `epoch  train_loss  valid_loss  time`.
    Fastai,
    /// Hugging Face: `{'loss': 0.21, 'learning_rate': 1e-05, 'epoch': 1.0}`.
    HuggingFace,
    /// A table with commas whose first line names the columns.
    Csv,
    /// TensorBoard's event files.
    TensorBoard,
    /// None.
    Off,
}

/// What decides which job is best.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Goal {
    /// The metric.
    pub metric: String,
    /// Whether larger is better.
    #[serde(default)]
    pub maximize: bool,
}

/// One reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The metric.
    pub name: String,
    /// At which step, when the line or one before it says so.
    pub step: Option<f64>,
    /// The value.
    pub value: f64,
}

/// One point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// When it was picked out.
    pub at: UnixMillis,
    /// Its step: its number when the job says none.
    pub step: f64,
    /// The value; a text in JSON when it is no finite number.
    #[serde(with = "number")]
    pub value: f64,
}

/// What all readings of one metric of a job come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stat {
    /// The metric.
    pub name: String,
    /// How many readings there were.
    pub count: u64,
    /// How many of them were finite.
    pub finite: u64,
    /// The last one.
    #[serde(with = "number")]
    pub last: f64,
    /// At which step.
    pub step: f64,
    /// The smallest finite one; infinity when there is none.
    #[serde(with = "number")]
    pub min: f64,
    /// The largest finite one; minus infinity when there is none.
    #[serde(with = "number")]
    pub max: f64,
    /// The sum of the finite ones.
    #[serde(with = "number")]
    pub sum: f64,
}

/// Returns a reading as JSON; one that JSON has no word for (a NaN, an infinity) is a text there.
pub fn number(value: f64) -> serde_json::Value {
    serde_json::Number::from_f64(value)
        .map_or_else(|| serde_json::Value::String(value.to_string()), serde_json::Value::Number)
}

impl Stat {
    /// Returns all that is known of it, as JSON.
    pub fn value(&self) -> serde_json::Value {
        serde_json::json!({
            "last": number(self.last), "step": number(self.step), "min": number(self.min), "max": number(self.max),
            "mean": number(self.mean()), "count": self.count,
        })
    }

    /// Returns what there is before the first reading.
    pub fn new(name: &str) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { name: name.to_owned(), count: 0, finite: 0, last: f64::NAN, step: 0.0, min, max, sum: 0.0 }
    }

    /// Adds a reading; returns its step.
    pub fn add(&mut self, step: Option<f64>, value: f64) -> f64 {
        let step = step.unwrap_or(self.count as f64);
        self.count += 1;
        (self.last, self.step) = (value, step);
        if value.is_finite() {
            self.finite += 1;
            (self.min, self.max, self.sum) = (self.min.min(value), self.max.max(value), self.sum + value);
        }
        step
    }

    /// Returns the mean of the finite readings; infinity when there is none.
    pub fn mean(&self) -> f64 {
        if self.finite == 0 { f64::INFINITY } else { self.sum / self.finite as f64 }
    }

    /// Returns the best reading.
    pub fn best(&self, maximize: bool) -> f64 {
        if maximize { self.max } else { self.min }
    }
}

/// The metrics of one job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobMetrics {
    /// What all readings come to, by name.
    pub stats: Vec<Stat>,
    /// Points of the curves that were asked for, in the order of `stats`; empty when none were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Vec<Point>>,
    /// Whether nothing more is looked for: the job has ended, and its files were read to their ends.
    #[serde(default)]
    pub complete: bool,
}

// A value that is not a number is not the same as itself; nobody who compares answers relies on more than that.
impl Eq for Stat {}
impl Eq for Point {}
impl Eq for JobMetrics {}

/// What a line is read with, and what lines before it have said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// The epoch or step that a line of its own has named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// The names of columns of a table.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// Reads lines of one source.
#[derive(Clone, Debug)]
pub struct LineReader {
    form: Form,
    patterns: Vec<(Option<String>, Regex)>,
}

static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    let number = r"[-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|(?i:nan|inf(?:inity)?))";
    Regex::new(&format!(r#"['"]?([A-Za-z_][A-Za-z0-9_./-]*)['"]?[ \t]*([=:])[ \t]*({number})"#)).expect("a pattern of ours")
});
static EPOCH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(epoch|step|iter(?:ation)?)[ \t]*[:=#\[]?[ \t]*([0-9]+)(?:[ \t]*/[ \t]*[0-9]+)?")
        .expect("a pattern of ours")
});
/// Words that name a metric even where its value looks like any count.
static METRIC_WORDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)loss|acc|err|score|reward|auc|f1|bleu|ppl|perplexity|mae|mse|rmse|lr|grad").expect("one of ours")
});

/// What names a step, the best first.
const STEPS: [&str; 7] = ["step", "global_step", "iteration", "iter", "it", "batch_idx", "epoch"];

impl LineReader {
    /// Returns a reader; a regular expression that is wrong reads nothing, since the file's reader has refused it.
    pub fn new(form: Form, patterns: &[Pattern]) -> Self {
        let compile = |pattern: &Pattern| Some((pattern.name.clone(), Regex::new(&pattern.regex).ok()?));
        Self { form, patterns: patterns.iter().filter_map(compile).collect() }
    }

    /// Reads one line.
    pub fn read(&self, line: &str, memory: &mut Memory) -> Vec<Reading> {
        if line.len() > LINE_BYTES_MAX {
            return Vec::new();
        }
        // Of a progress bar that is drawn over and over the last state counts.
        let line = line.trim_end_matches(['\r', '\n']);
        let line = line.rsplit('\r').next().unwrap_or_default();
        let clean;
        let line = if line.contains('\x1b') || line.contains('\x08') {
            clean = without_escapes(line);
            clean.as_str()
        } else {
            line
        };
        let mut readings = self.by_patterns(line, memory);
        readings.extend(self.by_form(line, memory));
        readings.retain(|reading| !reading.name.is_empty() && reading.name.len() <= NAME_BYTES_MAX);
        readings
    }

    fn by_patterns(&self, line: &str, memory: &Memory) -> Vec<Reading> {
        let mut readings = Vec::new();
        for (name, regex) in &self.patterns {
            for found in regex.captures_iter(line) {
                let value = found.name("value").or_else(|| found.get(1)).and_then(|text| number_of(text.as_str()));
                let own = found.name("name").map(|text| text.as_str().to_owned());
                let step = found.name("step").and_then(|text| number_of(text.as_str())).or(memory.step);
                if let Some(value) = value {
                    readings.push(Reading {
                        name: own.or(name.clone()).unwrap_or_else(|| "metric".to_owned()),
                        step,
                        value,
                    });
                }
            }
        }
        readings
    }

    fn by_form(&self, line: &str, memory: &mut Memory) -> Vec<Reading> {
        match self.form {
            // Event files have no lines.
            Form::Off | Form::TensorBoard => Vec::new(),
            Form::Csv => table(line, memory, |line| line.split(',').map(|cell| cell.trim().trim_matches('"')).collect()),
            Form::Fastai => fastai(line, memory).unwrap_or_default(),
            Form::Json | Form::HuggingFace => object(line).map(|value| of_object(&value, memory)).unwrap_or_default(),
            Form::NameValue | Form::Lightning => pairs(line, memory, |_, sign, _| sign == "="),
            Form::NameColon | Form::Keras => pairs(line, memory, |_, sign, _| sign == ":"),
            Form::Usual => {
                if let Some(value) = object(line) {
                    return of_object(&value, memory);
                }
                if let Some(readings) = fastai(line, memory) {
                    return readings;
                }
                // `port: 8080` is no metric; `loss: 2` and `speed: 1.5` are.
                pairs(line, memory, |name, sign, value| {
                    sign == "=" || METRIC_WORDS.is_match(name) || value.contains(['.', 'e', 'E', 'n', 'N'])
                })
            }
        }
    }
}

/// Reads a number as logs write them, NaN and infinities too.
fn number_of(text: &str) -> Option<f64> {
    text.trim().trim_end_matches('%').parse().ok()
}

fn without_escapes(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                chars.next();
            }
            '\x1b' => {}
            // Keras draws its bar over itself by going back.
            '\x08' => out.clear(),
            c => out.push(c),
        }
    }
    out
}

/// Reads `name=value` and `name: value`, as far as `counts` says that such a pair is a metric.
fn pairs(line: &str, memory: &mut Memory, counts: impl Fn(&str, &str, &str) -> bool) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    let mut step: Option<(usize, f64)> = None;
    let mut at = 0;
    while let Some(found) = PAIR.captures_at(line, at) {
        let (whole, name, sign, value) = (found.get(0), &found[1], &found[2], &found[3]);
        let end = whole.map_or(line.len(), |whole| whole.end());
        at = end;
        // `12:30:01`, `v1.2.3`, `0x1f`, `8s`: what goes on as a word is no number.
        let next = line[end..].chars().next();
        let goes_on = next.is_some_and(|c| c.is_alphanumeric() || matches!(c, ':' | '_'));
        let dotted = next == Some('.') && line[end + 1..].starts_with(|c: char| c.is_alphanumeric());
        let Some(value_of) = number_of(value).filter(|_| !goes_on && !dotted) else { continue };
        let named = STEPS.iter().position(|step| name.eq_ignore_ascii_case(step));
        if let Some(rank) = named {
            if value_of.is_finite() && step.is_none_or(|(before, _)| rank < before) {
                step = Some((rank, value_of));
            }
        } else if counts(name, sign, value) && !readings.iter().any(|reading| reading.name == name) {
            readings.push(Reading { name: name.to_owned(), step: None, value: value_of });
        }
    }
    let spoken = EPOCH.captures(line).and_then(|found| number_of(&found[2]));
    let step = step.map(|(_, step)| step).or(spoken);
    if step.is_some() {
        memory.step = step;
    }
    let step = memory.step;
    readings.iter_mut().for_each(|reading| reading.step = step);
    readings
}

/// Reads a line that is one object, in JSON or as Python prints a dictionary.
fn object(line: &str) -> Option<Value> {
    let line = line.trim();
    if !line.starts_with('{') || !line.ends_with('}') {
        return None;
    }
    if let Ok(value) = serde_json::from_str(line) {
        return Some(value);
    }
    // Python writes NaN and Infinity into JSON, and prints its own dictionaries with other words and quotes.
    let mut text = String::with_capacity(line.len());
    let mut quote = None;
    let mut word = String::new();
    for c in line.chars().chain(['\n']) {
        if quote.is_none() && (c.is_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "NaN" | "nan" | "Infinity" | "inf" => text.push_str(&format!("\"{word}\"")),
            "True" => text.push_str("true"),
            "False" => text.push_str("false"),
            "None" => text.push_str("null"),
            other => text.push_str(other),
        }
        word.clear();
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                text.push('"');
            }
            (Some(open), c) if c == open => {
                quote = None;
                text.push('"');
            }
            (Some(_), '"') => text.push_str("\\\""),
            (_, c) => text.push(c),
        }
    }
    // A minus before a quoted word.
    serde_json::from_str(&text.replace("-\"Infinity\"", "\"-inf\"").replace("-\"inf\"", "\"-inf\"")).ok()
}

fn of_object(value: &Value, memory: &mut Memory) -> Vec<Reading> {
    let mut flat = Vec::new();
    flatten("", value, 0, &mut flat);
    let rank = |name: &str| STEPS.iter().position(|step| name.eq_ignore_ascii_case(step));
    let step = flat.iter().filter_map(|(name, value)| Some((rank(name)?, *value))).min_by_key(|(rank, _)| *rank);
    if let Some((_, step)) = step {
        memory.step = Some(step);
    }
    let step = memory.step;
    let metrics = flat.into_iter().filter(|(name, _)| rank(name).is_none());
    metrics.map(|(name, value)| Reading { name, step, value }).collect()
}

fn flatten(before: &str, value: &Value, depth: u32, flat: &mut Vec<(String, f64)>) {
    match value {
        Value::Object(map) if depth < DEPTH_MAX => {
            for (key, value) in map {
                let name = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
                flatten(&name, value, depth + 1, flat);
            }
        }
        Value::Number(number) => flat.extend(number.as_f64().map(|value| (before.to_owned(), value))),
        Value::String(text) if ["nan", "inf", "infinity", "-inf"].contains(&text.to_ascii_lowercase().as_str()) => {
            flat.extend(number_of(text).map(|value| (before.to_owned(), value)));
        }
        Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// Reads a line of fastai's table: `None` when it is neither the head nor a row under one.
fn fastai(line: &str, memory: &mut Memory) -> Option<Vec<Reading>> {
    let cells: Vec<&str> = line.split_whitespace().collect();
    if cells.len() > 2
        && cells[0] == "epoch"
        && cells[1..].iter().all(|cell| number_of(cell).is_none() && !cell.contains(['=', ':']))
    {
        memory.columns = cells.into_iter().map(str::to_owned).collect();
        return Some(Vec::new());
    }
    if memory.columns.is_empty() || cells.len() != memory.columns.len() || number_of(cells[0]).is_none() {
        return None;
    }
    Some(row(&cells, memory))
}

/// Reads a line of a table whose first line names the columns.
fn table<'a>(line: &'a str, memory: &mut Memory, cells: impl Fn(&'a str) -> Vec<&'a str>) -> Vec<Reading> {
    let cells = cells(line);
    if memory.columns.is_empty() {
        memory.columns = cells.into_iter().map(str::to_owned).collect();
        return Vec::new();
    }
    row(&cells, memory)
}

fn row(cells: &[&str], memory: &mut Memory) -> Vec<Reading> {
    let named: Vec<(String, f64)> =
        memory.columns.iter().zip(cells).filter_map(|(name, cell)| Some((name.clone(), number_of(cell)?))).collect();
    let rank = |name: &str| STEPS.iter().position(|step| name.eq_ignore_ascii_case(step));
    let step = named.iter().filter_map(|(name, value)| Some((rank(name)?, *value))).min_by_key(|(rank, _)| *rank);
    if let Some((_, step)) = step {
        memory.step = Some(step);
    }
    let step = memory.step;
    named.into_iter().filter(|(name, _)| rank(name).is_none()).map(|(name, value)| Reading { name, step, value }).collect()
}

/// A number in JSON; one that is not finite is a text there.
pub mod number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        match value.is_finite() {
            true => s.serialize_f64(*value),
            false => s.serialize_str(&value.to_string()),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        match Either::deserialize(d)? {
            Either::Number(value) => Ok(value),
            Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, lines: &str) -> Vec<(String, Option<f64>, f64)> {
        let (reader, mut memory) = (LineReader::new(form, &[]), Memory::default());
        let readings = lines.lines().flat_map(|line| reader.read(line, &mut memory)).collect::<Vec<_>>();
        readings.into_iter().map(|reading| (reading.name, reading.step, reading.value)).collect()
    }

    fn one(name: &str, step: Option<f64>, value: f64) -> (String, Option<f64>, f64) {
        (name.to_owned(), step, value)
    }

    #[test]
    fn every_usual_form() {
        let at = |step: f64| Some(step);
        type Read = (String, Option<f64>, f64);
        let cases: Vec<(Form, &str, Vec<Read>)> = vec![
            (
                Form::NameValue,
                "step 4100 loss=0.2131 lr=0.003",
                vec![one("loss", at(4100.0), 0.2131), one("lr", at(4100.0), 0.003)],
            ),
            (Form::NameValue, "loss=0.5, step=7 acc = 91%", vec![one("loss", at(7.0), 0.5), one("acc", at(7.0), 91.0)]),
            (Form::NameColon, "Epoch: 3  val_loss: 1e-3", vec![one("val_loss", at(3.0), 0.001)]),
            (
                Form::Json,
                r#"{"step": 5, "loss": 0.25, "eval": {"acc": 0.9}, "note": "x"}"#,
                vec![one("loss", at(5.0), 0.25), one("eval.acc", at(5.0), 0.9)],
            ),
            (Form::Json, r#"{"step": 6, "loss": NaN, "b": -Infinity}"#, vec![one("b", at(6.0), f64::NEG_INFINITY)]),
            (
                Form::Keras,
                "Epoch 2/10\n 1/10 - loss: 9.9\r10/10 - 1s 5ms/step - loss: 0.2345 - val_accuracy: 0.91",
                vec![one("loss", at(2.0), 0.2345), one("val_accuracy", at(2.0), 0.91)],
            ),
            (
                Form::Lightning,
                "Epoch 3: 100%|████| 10/10 [00:01<00:00, 9.90it/s, v_num=0, train_loss=0.210]",
                vec![one("v_num", at(3.0), 0.0), one("train_loss", at(3.0), 0.21)],
            ),
            (
                Form::Fastai,
                "epoch     train_loss  valid_loss  time\n0         1.5         1.25        00:12\n1         1.0         0.75        00:11",
                vec![
                    one("train_loss", at(0.0), 1.5),
                    one("valid_loss", at(0.0), 1.25),
                    one("train_loss", at(1.0), 1.0),
                    one("valid_loss", at(1.0), 0.75),
                ],
            ),
            (
                Form::HuggingFace,
                "{'loss': 0.5, 'grad_norm': 1.25, 'learning_rate': 1e-05, 'epoch': 1.5}",
                vec![one("loss", at(1.5), 0.5), one("grad_norm", at(1.5), 1.25), one("learning_rate", at(1.5), 1e-5)],
            ),
            (Form::Csv, "step,loss\n1,0.5\n2,0.25", vec![one("loss", at(1.0), 0.5), one("loss", at(2.0), 0.25)]),
            (Form::Off, "loss=1", vec![]),
        ];
        for (form, lines, expected) in cases {
            let mut got = read(form, lines);
            got.retain(|(_, _, value)| !value.is_nan());
            assert_eq!(got, expected, "{form:?}: {lines}");
            if !matches!(form, Form::Csv | Form::Off) {
                let mut usual = read(Form::Usual, lines);
                usual.retain(|(_, _, value)| !value.is_nan());
                assert_eq!(usual, expected, "as one of the usual forms: {lines}");
            }
        }
    }

    #[test]
    fn what_is_no_metric_is_none() {
        for line in [
            "listening on port: 8080",
            "12:30:01 started",
            "version: 1.2.3",
            "took: 8s",
            "a:b=c",
            "http://x:80/y",
            "[INFO] node: 7",
            "{not json}",
            "",
            "===",
            "x = y",
        ] {
            assert_eq!(read(Form::Usual, line), [], "{line}");
        }
        assert!(read(Form::Usual, &format!("loss={}", "1".repeat(LINE_BYTES_MAX))).is_empty());
    }

    #[test]
    fn what_is_no_finite_number_is_read_and_never_the_best() {
        let got = read(Form::Usual, "step=1 loss=nan\nstep=2 loss=inf\nstep=3 loss=0.5\nstep=1 loss=0.7");
        assert!(got[0].2.is_nan() && got[1].2.is_infinite());
        let mut stat = Stat::new("loss");
        for (_, step, value) in &got {
            stat.add(*step, *value);
        }
        assert_eq!((stat.count, stat.finite, stat.last, stat.step), (4, 2, 0.7, 1.0));
        assert_eq!((stat.best(false), stat.best(true), stat.mean()), (0.5, 0.7, 0.6));
        assert_eq!(Stat::new("x").mean(), f64::INFINITY, "no reading at all is no division by zero");
        let text = serde_json::to_string(&Point { at: UnixMillis(1), step: 2.0, value: f64::NAN }).unwrap();
        assert!(serde_json::from_str::<Point>(&text).unwrap().value.is_nan(), "{text}");
    }

    #[test]
    fn the_published_extractor() {
        let pattern = Pattern { name: Some("error".into()), regex: r"metric =(.*?)\%".into() };
        let (reader, mut memory) = (LineReader::new(Form::Off, &[pattern]), Memory::default());
        let found = reader.read("Finished Epoch[1 of 3]: metric = 12.5% * 100", &mut memory);
        assert_eq!(found, [Reading { name: "error".into(), step: None, value: 12.5 }]);
        let named = Pattern { name: None, regex: r"(?<name>\w+) is (?<value>[\d.]+) at (?<step>\d+)".into() };
        let found = LineReader::new(Form::Off, &[named]).read("loss is 0.5 at 30", &mut memory);
        assert_eq!(found, [Reading { name: "loss".into(), step: Some(30.0), value: 0.5 }]);
    }
}
