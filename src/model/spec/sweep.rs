//! Sweeps: one job body, many values. What is asked for, how many members that makes, and the values of each of them.
//!
//! Called by whoever reads a sweep (`sweep_file`), by the runtime, which makes members as they come up, and by front ends
//! that show a count before anything is sent. Pure: the same sweep gives the same member for the same index, always, so a
//! member needs no room before it comes up.
//!
//! Decisions (2026-11):
//! - A random draw is a function of seed, parameter and index, not of the draws before it: member 70,000 costs as much as
//!   the first, and a sweep that goes on after a restart goes on as it was.
//! - Values are rounded to [`DIGITS`] significant digits, so that a step of 0.1 gives 0.3 and not 0.30000000000000004.
//! - Whole numbers that rounding makes equal are one value of a grid.
//! - Suggestions (`suggest`) are members like others: a table of values that extends the sweep. So the values of all members
//!   follow from the sweep alone, whatever was reported later, and nothing that decides about a member has to be kept.

mod suggest;

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::doc::Doc;
use super::fields::{Faults, quoted};
use super::job::{EnvironmentVariable, JobSpec};
use super::job_file::JobFile;
use super::secret::{SecretSource, sources_of_job};
use super::token;
use crate::model::stopping::Stopping;

/// The most members of one sweep: as many jobs as may be live at once.
pub const SWEEP_MEMBERS_MAX: u64 = 1_000_000;
/// The most parameters of one sweep: what a table can show.
pub const PARAMETERS_MAX: usize = 100;
/// The most values that are listed one by one: a table of a megabyte has fewer rows.
pub const VALUES_MAX: usize = 100_000;
/// To how many significant digits values are rounded: far finer than anybody's learning rate, far coarser than a double.
const DIGITS: usize = 12;
/// The published slack at the end of a range with a step; never more than a thousandth of the step.
const STEP_SLACK: f64 = 0.001;

/// The values of one member: the name of each parameter as it was typed, `set.key` for one key of a dictionary.
pub type Point = Vec<(String, Value)>;

/// What a sweep is asked to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepSpec {
    /// The body of the job with tokens in it; values of secrets are not in it.
    pub template: Value,
    /// Where the secrets of the body come from, in the order in which it names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SecretSource>,
    /// What the members are made of; each extension adds one part.
    pub parts: Vec<Part>,
    /// How members are called.
    #[serde(default)]
    pub naming: Naming,
    /// As many of its members may run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_max: Option<u32>,
    /// How its members are stopped early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
    /// More failures of members than this end the sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_max: Option<u32>,
    /// The whole body of every member, when it is not a sweep but an array: nothing else is said then, and all members have
    /// the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array_of: Option<Arc<JobSpec>>,
    #[serde(skip)]
    made: Made,
}

/// How the members of a sweep are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Naming {
    /// By the sweep's name and their number.
    #[default]
    Number,
    /// As published: by the sweep's name and a hash of their body, so that the same body has the same name.
    Hash,
}

/// One way of making members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The parameters, in the order of the file.
    pub parameters: Vec<Parameter>,
    /// How their values are chosen.
    pub search: Search,
    /// Members that have all these values are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Map<String, Value>>,
}

/// How values are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Search {
    /// Every combination; the last parameter changes fastest.
    #[default]
    Grid,
    /// Independent draws.
    #[serde(rename_all = "camelCase")]
    Random {
        /// How many.
        jobs: u32,
        /// Where they begin.
        seed: u64,
    },
    /// Draws that cover each parameter's range evenly (Latin hypercube).
    #[serde(rename_all = "camelCase")]
    Latin {
        /// How many.
        jobs: u32,
        /// Where they begin.
        seed: u64,
    },
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Its name; empty for a table, whose columns are parameters themselves.
    pub name: String,
    /// What it may be.
    pub values: Values,
}

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Values {
    /// One of these.
    List(Vec<Value>),
    /// One of these sets, whose keys vary together.
    Together(Vec<Map<String, Value>>),
    /// A number of a range.
    Range(Range),
    /// One value for each file of a directory; to be looked at before the sweep is submitted.
    Files(FileSet),
}

/// A range of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// The first.
    pub start: Number,
    /// The last.
    pub end: Number,
    /// Whether numbers or their logarithms are evenly spread.
    pub scale: Scale,
    /// Whether only whole numbers are meant.
    pub whole: bool,
    /// Which of them a grid takes.
    pub pace: Pace,
}

/// How numbers are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// Their logarithms evenly.
    Log,
}

/// Which numbers of a range a grid takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pace {
    /// So many, both ends among them.
    Count(u32),
    /// From the start on, so far apart.
    Step(Number),
    /// Nothing is said: every whole number; of others only draws can be taken.
    Unsaid,
}

/// The files of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSet {
    /// The directory to look in, here; the published form has none.
    pub directory: Option<String>,
    /// What stands before a file's path in a value: where jobs see the directory.
    pub prefix: String,
    /// A regular expression that fits from the start of a file's path in the directory.
    pub filter: Option<String>,
}

/// Says whether a sweep could have been made before; never part of what it is.
#[derive(Clone, Debug, Default)]
struct Made(OnceLock<Vec<Field>>);

impl PartialEq for Made {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Made {}

/// A part with everything worked out that its members need.
#[derive(Clone, Debug)]
struct Field {
    /// What each parameter may be, each choice with its names.
    choices: Vec<Vec<Point>>,
    /// For a Latin hypercube: which slice of each parameter's range a member has.
    orders: Vec<Vec<u32>>,
    /// The members that are not left out, when some are.
    kept: Option<Vec<u32>>,
    count: u32,
}

impl SweepSpec {
    /// Returns a sweep of this body.
    pub fn new(template: Value, parts: Vec<Part>) -> Self {
        Self { template, parts, ..Self::default() }
    }

    /// Returns an array of this body.
    pub fn array(body: Arc<JobSpec>) -> Self {
        Self { array_of: Some(body), ..Self::default() }
    }

    /// Returns the sweep with one part more.
    pub fn extended(&self, part: Part) -> Self {
        let mut parts = self.parts.clone();
        parts.push(part);
        Self { parts, made: Made::default(), ..self.clone() }
    }

    /// Puts other parts in the place of all.
    pub fn replace_parts(&mut self, parts: Vec<Part>) {
        self.parts = parts;
        self.made = Made::default();
    }

    fn fields(&self) -> &[Field] {
        self.made.0.get_or_init(|| self.parts.iter().map(Part::work_out).collect())
    }

    /// Returns how many members there are.
    pub fn count(&self) -> u32 {
        self.fields().iter().map(|field| field.count).sum()
    }

    /// Returns the values of a member; `None` beyond the last.
    pub fn point(&self, index: u32) -> Option<Point> {
        let mut at = index;
        for (part, field) in self.parts.iter().zip(self.fields()) {
            if at < field.count {
                return Some(part.point(field, field.kept.as_ref().map_or(at, |kept| kept[at as usize])));
            }
            at -= field.count;
        }
        None
    }

    /// Returns the names of all parameters, in order, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.parts.iter().flat_map(|part| &part.parameters).flat_map(Parameter::names) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Returns everything that is wrong with it.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.parts.iter().flat_map(Part::faults).collect();
        if faults.is_empty() {
            let all: u64 = self.parts.iter().map(Part::raw_count).sum();
            if all > SWEEP_MEMBERS_MAX {
                faults.push(format!("makes {all} members, the limit is {SWEEP_MEMBERS_MAX}"));
            } else if self.count() == 0 {
                faults.push("makes no member".to_owned());
            }
        }
        faults
    }

    /// Makes the body of a member.
    ///
    /// # Errors
    /// What its body is wrong in, in sentences.
    pub fn body(&self, index: u32) -> Result<(JobSpec, Point), String> {
        let point = self.point(index).ok_or_else(|| format!("there is no member {index}"))?;
        let mut doc = Doc::from(&self.template);
        token::substitute(&mut doc, &point);
        let mut faults = Faults::default();
        let read = JobFile::read(&doc, &mut faults);
        let said: Vec<String> = faults.errors.iter().map(|fault| format!("{}: {}", fault.field, fault.what)).collect();
        let mut spec = read.ok_or(said.join("; "))?.spec;
        for ((_, source), known) in sources_of_job(&mut spec).into_iter().zip(&self.sources) {
            *source = known.clone();
        }
        add_variables(&mut spec, &point);
        Ok((spec, point))
    }

    /// Returns members in which every value of every parameter stands at least once, at most so many: what is wrong with a
    /// value is wrong with one of them.
    pub fn samples(&self, most: usize) -> Vec<u32> {
        let (mut found, mut base) = (std::collections::BTreeSet::new(), 0);
        for (part, field) in self.parts.iter().zip(self.fields()) {
            let mut wanted = vec![0, field.count.saturating_sub(1)];
            if matches!(part.search, Search::Grid) && field.kept.is_none() {
                let mut stride = 1_u32;
                for choices in field.choices.iter().rev() {
                    let size = u32::try_from(choices.len()).unwrap_or(u32::MAX);
                    wanted.extend((0..size).take(most).map(|at| at.saturating_mul(stride)));
                    stride = stride.saturating_mul(size);
                }
            } else {
                wanted.extend(0..field.count.min(u32::try_from(most).unwrap_or(u32::MAX)));
            }
            found.extend(wanted.into_iter().filter(|at| *at < field.count).map(|at| base + at));
            base += field.count;
        }
        found.into_iter().take(most).collect()
    }
}

/// Adds the values as `PARAM_…` variables beside the template's own, which count.
fn add_variables(spec: &mut JobSpec, point: &Point) {
    for (name, value) in point {
        let name = format!("PARAM_{}", token::word(name));
        let set = spec.environment_variables.iter().any(|variable| variable.name == name);
        if !set && !spec.secrets.iter().any(|secret| secret.name == name) {
            spec.environment_variables.push(EnvironmentVariable { name, value: token::text(value) });
        }
    }
}

impl Part {
    /// Returns how many members there are before some are left out.
    fn raw_count(&self) -> u64 {
        match self.search {
            Search::Grid => {
                let sizes = self.parameters.iter().map(|parameter| parameter.choices_count());
                sizes.fold(1_u64, u64::saturating_mul)
            }
            Search::Random { jobs, .. } | Search::Latin { jobs, .. } => jobs.into(),
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.parameters.is_empty() {
            faults.push("has no parameter".to_owned());
        }
        if self.parameters.len() > PARAMETERS_MAX {
            faults.push(format!("has {} parameters, the limit is {PARAMETERS_MAX}", self.parameters.len()));
        }
        let mut seen = std::collections::BTreeSet::new();
        for parameter in &self.parameters {
            faults.extend(parameter.fault(self.search).map(|what| match parameter.name.is_empty() {
                true => format!("the table {what}"),
                false => format!("{} {what}", quoted(&parameter.name)),
            }));
            for name in parameter.names() {
                if !seen.insert(token::word(&name)) {
                    faults.push(format!("{} is there twice", quoted(&name)));
                }
            }
        }
        faults
    }

    fn work_out(&self) -> Field {
        let choices: Vec<Vec<Point>> = self.parameters.iter().map(Parameter::choices).collect();
        let orders = match self.search {
            Search::Latin { jobs, seed } => {
                (0..self.parameters.len()).map(|parameter| shuffled(jobs, mix(seed, parameter as u64))).collect()
            }
            Search::Grid | Search::Random { .. } => Vec::new(),
        };
        let all = u32::try_from(self.raw_count().min(SWEEP_MEMBERS_MAX)).unwrap_or(u32::MAX);
        let mut field = Field { choices, orders, kept: None, count: all };
        if !self.exclude.is_empty() {
            let kept: Vec<u32> = (0..all).filter(|at| !self.is_excluded(&self.point(&field, *at))).collect();
            field.count = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            field.kept = Some(kept);
        }
        field
    }

    fn is_excluded(&self, point: &Point) -> bool {
        let fits = |(key, wanted): (&String, &Value)| {
            point.iter().any(|(name, value)| name.eq_ignore_ascii_case(key) && same(value, wanted))
        };
        self.exclude.iter().any(|set| set.iter().all(fits))
    }

    fn point(&self, field: &Field, at: u32) -> Point {
        let mut point = Point::new();
        match self.search {
            Search::Grid => {
                let mut at = at as usize;
                let mut picks = vec![0; field.choices.len()];
                for (pick, choices) in picks.iter_mut().zip(&field.choices).rev() {
                    *pick = at % choices.len().max(1);
                    at /= choices.len().max(1);
                }
                for (pick, choices) in picks.into_iter().zip(&field.choices) {
                    point.extend(choices.get(pick).cloned().unwrap_or_default());
                }
            }
            Search::Random { seed, .. } => {
                for (number, parameter) in self.parameters.iter().enumerate() {
                    let draw = unit(mix(mix(seed, number as u64), at.into()));
                    point.extend(parameter.at(&field.choices[number], draw));
                }
            }
            Search::Latin { jobs, seed } => {
                for (number, parameter) in self.parameters.iter().enumerate() {
                    let within = unit(mix(mix(seed, !(number as u64)), at.into()));
                    let slice = f64::from(field.orders[number][at as usize]);
                    point.extend(parameter.at(&field.choices[number], (slice + within) / f64::from(jobs)));
                }
            }
        }
        point
    }
}

impl Parameter {
    /// Returns what it is called in a table: its name, or the names of its keys.
    fn names(&self) -> Vec<String> {
        match &self.values {
            Values::List(_) | Values::Range(_) | Values::Files(_) => vec![self.name.clone()],
            Values::Together(sets) => {
                sets.first().into_iter().flat_map(|set| set.keys()).map(|key| self.key_name(key)).collect()
            }
        }
    }

    fn key_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn choices_count(&self) -> u64 {
        match &self.values {
            Values::List(values) => values.len() as u64,
            Values::Together(sets) => sets.len() as u64,
            Values::Range(range) => range.count(),
            Values::Files(_) => 0,
        }
    }

    fn choices(&self) -> Vec<Point> {
        let one = |value: Value| vec![(self.name.clone(), value)];
        match &self.values {
            Values::List(values) => values.iter().cloned().map(one).collect(),
            Values::Together(sets) => {
                let set = |set: &Map<String, Value>| set.iter().map(|(k, v)| (self.key_name(k), v.clone())).collect();
                sets.iter().map(set).collect()
            }
            Values::Range(range) => range.grid().into_iter().map(one).collect(),
            Values::Files(_) => Vec::new(),
        }
    }

    /// Returns the choice at a draw from 0 to 1.
    fn at(&self, choices: &[Point], draw: f64) -> Point {
        match &self.values {
            Values::Range(range) => vec![(self.name.clone(), range.at(draw))],
            Values::List(_) | Values::Together(_) | Values::Files(_) => {
                let at = (draw * choices.len() as f64) as usize;
                choices.get(at.min(choices.len().saturating_sub(1))).cloned().unwrap_or_default()
            }
        }
    }

    fn fault(&self, search: Search) -> Option<String> {
        let fits = |name: &str| {
            let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            word && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let table = self.name.is_empty() && matches!(self.values, Values::Together(_));
        if !table && !fits(&self.name) {
            return Some("is no name of a parameter: letters, digits and _, a letter first".to_owned());
        }
        match &self.values {
            Values::List(values) if values.is_empty() => Some("has no values".to_owned()),
            Values::Together(sets) if sets.is_empty() => Some("has no values".to_owned()),
            Values::Files(_) => Some("takes files of a directory that nobody has looked at".to_owned()),
            Values::List(values) if values.len() > VALUES_MAX => {
                Some(format!("has {} values, the limit is {VALUES_MAX}", values.len()))
            }
            Values::Together(sets) if sets.len() > VALUES_MAX => {
                Some(format!("has {} values, the limit is {VALUES_MAX}", sets.len()))
            }
            Values::List(values) => values
                .iter()
                .find(|value| value.is_array() || value.is_object() || value.is_null())
                .map(|value| format!("has the value {value}; values are texts, numbers and truth values")),
            Values::Together(sets) => {
                let keys: Vec<&String> = sets[0].keys().collect();
                let same =
                    |set: &Map<String, Value>| set.len() == keys.len() && keys.iter().all(|key| set.contains_key(*key));
                if let Some(other) = sets.iter().position(|set| !same(set)) {
                    return Some(format!("has other keys in its set {} than in the first", other + 1));
                }
                // A column of a table may be that of a set's key.
                let known = |key: &str| fits(key) || (table && key.split_once('.').is_some_and(|(a, b)| fits(a) && fits(b)));
                if let Some(key) = keys.iter().find(|key| !known(key)) {
                    return Some(format!("has the key {}, which is no name of a parameter", quoted(key)));
                }
                let deep = sets.iter().flat_map(|set| set.values()).find(|v| v.is_array() || v.is_object() || v.is_null());
                deep.map(|value| format!("has the value {value}; values are texts, numbers and truth values"))
            }
            Values::Range(range) => range.fault(search),
        }
    }
}

impl Range {
    fn ends(&self) -> (f64, f64) {
        (self.start.as_f64().unwrap_or(f64::NAN), self.end.as_f64().unwrap_or(f64::NAN))
    }

    fn fault(&self, search: Search) -> Option<String> {
        let (start, end) = self.ends();
        if !(start.is_finite() && end.is_finite() && start < end) {
            return Some(format!("begins at {} and ends at {}; the end has to be larger", self.start, self.end));
        }
        if self.scale == Scale::Log && start <= 0.0 {
            return Some(format!("begins at {}; on a log scale all values are above 0", self.start));
        }
        match &self.pace {
            Pace::Step(_) if self.scale == Scale::Log => Some("has a step on a log scale; give a count".to_owned()),
            Pace::Step(step) if step.as_f64().is_none_or(|step| step <= 0.0) => Some(format!("has the step {step}")),
            Pace::Count(0) => Some("has a count of 0".to_owned()),
            Pace::Unsaid if matches!(search, Search::Grid) && !(self.whole && self.scale == Scale::Linear) => {
                Some("says neither how many values nor how far apart; only draws need neither".to_owned())
            }
            Pace::Count(_) | Pace::Step(_) | Pace::Unsaid => match self.count() {
                count if matches!(search, Search::Grid) && count > VALUES_MAX as u64 => {
                    Some(format!("has {count} values, the limit is {VALUES_MAX}"))
                }
                _ => None,
            },
        }
    }

    /// Returns how many values a grid has at most; exact but for whole numbers that rounding makes equal.
    fn count(&self) -> u64 {
        let (start, end) = self.ends();
        match &self.pace {
            Pace::Unsaid if !self.whole || self.scale == Scale::Log => 0,
            Pace::Count(_) | Pace::Step(_) | Pace::Unsaid if self.raw_count(start, end) > VALUES_MAX as u64 => {
                self.raw_count(start, end)
            }
            Pace::Count(_) | Pace::Step(_) | Pace::Unsaid => self.grid().len() as u64,
        }
    }

    fn raw_count(&self, start: f64, end: f64) -> u64 {
        let step = match &self.pace {
            Pace::Count(count) => return (*count).into(),
            Pace::Step(step) => step.as_f64().unwrap_or(f64::NAN),
            Pace::Unsaid => 1.0,
        };
        ((end - start + STEP_SLACK.min(step / 1000.0)) / step).floor() as u64 + 1
    }

    fn grid(&self) -> Vec<Value> {
        let (start, end) = self.ends();
        let count = self.raw_count(start, end).min(VALUES_MAX as u64);
        let at = |n: u64| match &self.pace {
            Pace::Step(step) => start + n as f64 * step.as_f64().unwrap_or_default(),
            Pace::Unsaid => start + n as f64,
            Pace::Count(_) if n == 0 => start,
            Pace::Count(_) if n == count - 1 => end,
            Pace::Count(_) => self.between(n as f64 / (count - 1) as f64),
        };
        let mut values: Vec<Value> = (0..count).map(|n| self.value(at(n))).collect();
        values.dedup();
        values
    }

    /// Returns the number at a share of the way from start to end.
    fn between(&self, share: f64) -> f64 {
        let (start, end) = self.ends();
        match self.scale {
            Scale::Linear => start + share * (end - start),
            Scale::Log => (start.ln() + share * (end.ln() - start.ln())).exp(),
        }
    }

    /// Returns the value of a draw from 0 to 1. Each whole number of a linear range is as likely as the others.
    fn at(&self, draw: f64) -> Value {
        let (start, end) = self.ends();
        if self.whole && self.scale == Scale::Linear {
            let (first, last) = (start.ceil(), end.floor());
            return self.value((first + (draw * (last - first + 1.0)).floor()).min(last));
        }
        self.value(self.between(draw).clamp(start, end))
    }

    fn value(&self, number: f64) -> Value {
        if self.whole { Value::from(number.round() as i64) } else { rounded(number) }
    }
}

/// Returns a number to [`DIGITS`] significant digits.
fn rounded(number: f64) -> Value {
    let short: f64 = format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number);
    Number::from_f64(short).map_or(Value::Null, Value::Number)
}

/// Says whether two values are the same number or text.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= one.abs().max(other.abs()) * 1e-9,
        (_, _) => token::text(one) == token::text(other),
    }
}

/// Mixes two numbers into one that looks random (splitmix64, Steele et al. 2014).
fn mix(one: u64, other: u64) -> u64 {
    let mut z = one.wrapping_add(other.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns a number from 0 to 1, 1 excluded.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Returns the numbers below `count` in an order of their own (Fisher and Yates).
fn shuffled(count: u32, seed: u64) -> Vec<u32> {
    let mut all: Vec<u32> = (0..count).collect();
    for at in (1..all.len()).rev() {
        let other = (unit(mix(seed, at as u64)) * (at + 1) as f64) as usize;
        all.swap(at, other.min(at));
    }
    all
}

#[cfg(test)]
mod tests;
