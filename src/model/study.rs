//! What an experiment answers: its jobs with their parameters and metrics, ranked, filtered, and which parameter matters.
//! Pure; the command line and the screen draw what comes out of it.
//!
//! A metric that a job does not have, or that never was a finite number, ranks behind all that have one (as published, a
//! missing file counts as infinitely bad).

use std::collections::BTreeSet;

use serde_json::Value;

use super::chart::Axis;
use super::condition::Condition;
use super::ids::JobId;
use super::metric::{self, Stat};
use super::spec::token;

/// One job of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// The word of its state.
    pub state: &'static str,
    /// Its parameters.
    pub parameters: Vec<(String, Value)>,
    /// Its metrics.
    pub stats: Vec<Stat>,
}

/// Numbers that lie this far apart are drawn by their logarithm.
const LOG_FROM: f64 = 50.0;

/// The values of a parameter as places on an axis: numbers by their size, words side by side.
#[derive(Clone, Debug, PartialEq)]
pub enum Places {
    /// Numbers.
    Numbers(Axis),
    /// Words, in order.
    Words(Vec<String>),
}

impl Places {
    /// Returns the places of a parameter's values among entries.
    pub fn of(entries: &[Entry], name: &str, log: bool) -> Option<Self> {
        let values = || entries.iter().filter_map(|entry| entry.parameter(name));
        if values().all(|value| value.as_f64().is_some()) {
            return Axis::of(values().filter_map(Value::as_f64), log).map(Self::Numbers);
        }
        let words: BTreeSet<String> = values().map(token::text).collect();
        (!words.is_empty()).then(|| Self::Words(words.into_iter().collect()))
    }

    /// Returns where an entry stands, from 0 to 1.
    pub fn share(&self, entry: &Entry, name: &str) -> Option<f64> {
        let value = entry.parameter(name)?;
        match self {
            Self::Numbers(axis) => axis.share(value.as_f64()?),
            Self::Words(words) => {
                let at = words.binary_search(&token::text(value)).ok()?;
                Some((at as f64 + 0.5) / words.len() as f64)
            }
        }
    }

    /// Returns what stands at its ends, as it was typed.
    pub fn ends(&self) -> (String, String) {
        match self {
            Self::Numbers(axis) => (short(axis.at(0.0)), short(axis.at(1.0))),
            Self::Words(words) => {
                let word = |word: Option<&String>| word.cloned().unwrap_or_default();
                (word(words.first()), word(words.last()))
            }
        }
    }
}

/// Says whether the numbers of a parameter are better drawn by their logarithm.
pub fn spreads(entries: &[Entry], name: &str) -> bool {
    let values = || entries.iter().filter_map(|entry| entry.parameter(name)?.as_f64());
    let low = values().fold(f64::INFINITY, f64::min);
    low > 0.0 && values().fold(0.0, f64::max) / low >= LOG_FROM
}

/// Returns the parameters in which entries differ, in their order.
pub fn varying(entries: &[Entry]) -> Vec<String> {
    let differs = |name: &String| {
        let mut values = entries.iter().filter_map(|entry| entry.parameter(name));
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    columns(entries).0.into_iter().filter(differs).collect()
}

/// What is taken of all readings of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Take {
    /// The last.
    #[default]
    Last,
    /// The best, by the goal.
    Best,
    /// The mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

impl Take {
    /// Returns what it takes.
    pub fn of(self, stat: &Stat, maximize: bool) -> f64 {
        match self {
            Self::Last => stat.last,
            Self::Best => stat.best(maximize),
            Self::Mean => stat.mean(),
            Self::Min => stat.min,
            Self::Max => stat.max,
        }
    }
}

impl Entry {
    /// Returns a metric.
    pub fn metric(&self, name: &str, take: Take, maximize: bool) -> Option<f64> {
        let stat = self.stats.iter().find(|stat| stat.name == name)?;
        Some(take.of(stat, maximize))
    }

    /// Returns a parameter.
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Says whether a condition holds: on a parameter, or on the last reading of a metric.
    pub fn fits(&self, condition: &Condition) -> bool {
        if let Some(value) = self.parameter(&condition.name) {
            return condition.fits(value);
        }
        let metric = self.metric(&condition.name, Take::Last, false);
        metric.is_some_and(|value| condition.fits(&metric::number(value)))
    }
}

/// Returns the names of all parameters and of all metrics, in the order of their appearance.
pub fn columns(entries: &[Entry]) -> (Vec<String>, Vec<String>) {
    let (mut parameters, mut metrics): (Vec<String>, Vec<String>) = Default::default();
    let (mut seen_parameters, mut seen_metrics) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for entry in entries {
        for (name, _) in &entry.parameters {
            if seen_parameters.insert(name.clone()) {
                parameters.push(name.clone());
            }
        }
        for stat in &entry.stats {
            if seen_metrics.insert(stat.name.clone()) {
                metrics.push(stat.name.clone());
            }
        }
    }
    (parameters, metrics)
}

/// Sorts entries by a parameter, a metric, or `name`; what has none of it comes last.
pub fn sort(entries: &mut [Entry], by: &str, take: Take, descending: bool) {
    if by.eq_ignore_ascii_case("name") {
        entries.sort_by(|one, other| if descending { other.name.cmp(&one.name) } else { one.name.cmp(&other.name) });
        return;
    }
    let number = |entry: &Entry| match entry.parameter(by) {
        Some(value) => value.as_f64(),
        None => entry.metric(by, take, descending).filter(|value| value.is_finite()),
    };
    let text = |entry: &Entry| entry.parameter(by).map(token::text);
    entries.sort_by_cached_key(|entry| {
        let number = number(entry).map(|value| ordered(if descending { -value } else { value }));
        (number.is_none(), number, text(entry), entry.job)
    });
}

/// Returns a number that is ordered as the finite numbers are.
fn ordered(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// Returns how strongly a metric goes with each parameter: from -1 to 1 by ranks (Spearman) where values are numbers, from 0 to
/// 1 by the share of the spread between groups where they are words; and of how many jobs. The strongest first; parameters
/// that do not vary have none.
pub fn importance(entries: &[Entry], metric: &str, take: Take, maximize: bool) -> Vec<(String, f64, usize)> {
    let (parameters, _) = columns(entries);
    let mut found = Vec::new();
    for name in parameters {
        let pairs: Vec<(&Value, f64)> = entries
            .iter()
            .filter_map(|entry| {
                let value = entry.metric(metric, take, maximize).filter(|value| value.is_finite())?;
                Some((entry.parameter(&name)?, value))
            })
            .collect();
        let numbers: Option<Vec<f64>> = pairs.iter().map(|(value, _)| value.as_f64()).collect();
        let metrics: Vec<f64> = pairs.iter().map(|(_, value)| *value).collect();
        let strength = match numbers {
            Some(numbers) => correlation(&ranks(&numbers), &ranks(&metrics)),
            None => between_groups(&pairs.iter().map(|(value, _)| token::text(value)).collect::<Vec<_>>(), &ranks(&metrics)),
        };
        found.extend(strength.map(|strength| (name, strength, pairs.len())));
    }
    found.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()));
    found
}

/// Returns the rank of each number, the mean of their ranks for those that are equal.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut at = 0;
    while at < order.len() {
        let end = order[at..].iter().take_while(|index| values[**index] == values[order[at]]).count() + at;
        for index in &order[at..end] {
            ranks[*index] = (at + end - 1) as f64 / 2.0;
        }
        at = end;
    }
    ranks
}

fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() < 3 {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (a, b) = (mean(one), mean(other));
    let sum = |f: fn(f64, f64) -> f64| one.iter().zip(other).map(|(x, y)| f(x - a, y - b)).sum::<f64>();
    let (xy, xx, yy) = (sum(|x, y| x * y), sum(|x, _| x * x), sum(|_, y| y * y));
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

fn between_groups(groups: &[String], values: &[f64]) -> Option<f64> {
    if values.len() < 3 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let all: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let names: std::collections::BTreeSet<&String> = groups.iter().collect();
    let between: f64 = names
        .iter()
        .map(|name| {
            let own: Vec<f64> =
                groups.iter().zip(values).filter(|(of, _)| of.as_str() == name.as_str()).map(|(_, value)| *value).collect();
            own.len() as f64 * (own.iter().sum::<f64>() / own.len() as f64 - mean).powi(2)
        })
        .sum();
    (names.len() > 1 && all > 0.0).then(|| between / all)
}

/// Returns the metric that decides: the one that is named, the goal of the jobs, the only one, or the loss.
///
/// # Errors
/// The metrics that there are, when none decides.
pub fn deciding(named: Option<&str>, goal: Option<&str>, metrics: &[String]) -> Result<String, Vec<String>> {
    let there = |name: &&str| metrics.iter().any(|metric| metric == name);
    if let Some(named) = named {
        return if there(&named) { Ok(named.to_owned()) } else { Err(metrics.to_vec()) };
    }
    let usual = ["val_loss", "valid_loss", "eval_loss", "loss"];
    let only = if let [only] = metrics { Some(only.as_str()) } else { None };
    let found = goal.filter(there).or(only).or_else(|| usual.into_iter().find(there));
    found.map(str::to_owned).ok_or_else(|| metrics.to_vec())
}

/// Says whether larger is better, by what a metric is called: nothing but its name says so where nobody has set a goal.
pub fn larger_is_better(metric: &str) -> bool {
    let words = [
        "acc",
        "accuracy",
        "auc",
        "f1",
        "score",
        "reward",
        "return",
        "bleu",
        "iou",
        "map",
        "precision",
        "recall",
        "top1",
        "top5",
    ];
    let mut parts = metric.split(|c: char| !c.is_alphanumeric());
    parts.any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

/// Returns a number short enough for a column.
pub fn short(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let size = value.abs();
    if value == 0.0 || (value.fract() == 0.0 && size < 1e7) {
        return format!("{value}");
    }
    if (1e-3..1e6).contains(&size) {
        let digits = 4 - (size.log10().floor() as i32).clamp(-4, 4);
        let text = format!("{value:.*}", usize::try_from(digits.max(0)).unwrap_or_default());
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    format!("{value:.3e}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(job: u64, lr: f64, opt: &str, losses: &[f64]) -> Entry {
        let mut stat = Stat::new("loss");
        for loss in losses {
            stat.add(None, *loss);
        }
        let stats = if losses.is_empty() { Vec::new() } else { vec![stat] };
        let parameters = vec![("lr".to_owned(), json!(lr)), ("opt".to_owned(), json!(opt))];
        Entry { job: JobId(job), name: format!("run-{job}"), state: "succeeded", parameters, stats }
    }

    fn order(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.job.0).collect()
    }

    #[test]
    fn jobs_are_ranked_and_what_has_no_number_is_last() {
        let mut all = vec![
            entry(1, 0.1, "sgd", &[0.9, 0.5]),
            entry(2, 0.2, "adam", &[f64::NAN]),
            entry(3, 0.3, "sgd", &[]),
            entry(4, 0.4, "adam", &[0.2, 0.8]),
            entry(5, 0.5, "sgd", &[-1.0, 0.1]),
        ];
        for (by, take, descending, expected) in [
            ("loss", Take::Last, false, [5, 1, 4, 2, 3]),
            ("loss", Take::Last, true, [4, 1, 5, 2, 3]),
            ("loss", Take::Min, false, [5, 4, 1, 2, 3]),
            ("loss", Take::Mean, false, [5, 4, 1, 2, 3]),
            ("lr", Take::Last, true, [5, 4, 3, 2, 1]),
            ("opt", Take::Last, false, [2, 4, 1, 3, 5]),
            ("name", Take::Last, true, [5, 4, 3, 2, 1]),
        ] {
            sort(&mut all, by, take, descending);
            assert_eq!(order(&all), expected, "{by} {take:?} {descending}");
        }
        let fits = |text: &str| {
            let condition: Condition = text.parse().unwrap();
            let mut found: Vec<u64> = all.iter().filter(|entry| entry.fits(&condition)).map(|entry| entry.job.0).collect();
            found.sort_unstable();
            found
        };
        assert_eq!(
            (fits("lr<0.3"), fits("loss<0.3"), fits("loss>0.3"), fits("opt=adam")),
            (vec![1, 2], vec![5], vec![1, 4], vec![2, 4])
        );
    }

    #[test]
    fn what_matters_is_told() {
        let all: Vec<Entry> =
            (1..=8).map(|n| entry(n, n as f64, if n % 2 == 0 { "even" } else { "odd" }, &[-(n as f64).powi(3)])).collect();
        let found = importance(&all, "loss", Take::Last, false);
        assert_eq!((found[0].0.as_str(), found[0].1, found[0].2), ("lr", -1.0, 8), "{found:?}");
        assert!(found[1].0 == "opt" && (found[1].1 - 1.0 / 21.0).abs() < 1e-9, "{found:?}");
        assert_eq!(importance(&all[..2], "loss", Take::Last, false), [], "two jobs tell nothing");
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    }

    #[test]
    fn the_deciding_metric() {
        let there = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(deciding(None, None, &there(&["acc"])).unwrap(), "acc");
        assert_eq!(deciding(None, None, &there(&["acc", "loss", "val_loss"])).unwrap(), "val_loss");
        assert_eq!(deciding(None, Some("acc"), &there(&["acc", "loss"])).unwrap(), "acc");
        assert!(deciding(Some("x"), None, &there(&["acc"])).is_err() && deciding(None, None, &there(&["a", "b"])).is_err());
    }

    #[test]
    fn names_say_which_way_is_better() {
        let larger: Vec<bool> = ["acc", "val_accuracy", "eval/F1", "loss", "val_loss", "perplexity", "mapping_error"]
            .map(larger_is_better)
            .to_vec();
        assert_eq!(larger, [true, true, true, false, false, false, false]);
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (0.123456, "0.12346"),
            (12.3456, "12.346"),
            (1e-7, "1.000e-7"),
            (123_456.7, "123457"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.5, "-0.5"),
            (1e9, "1.000e9"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
