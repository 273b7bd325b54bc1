//! Rules of a job: what is done when a line of its log or a metric says something. `loss is nan -> stop`,
//! `CUDA error -> exclude node and retry`, `loss < 0.1 -> notify`. Pure: readings and lines in, what has come true out.
//!
//! Decision (2026-11): a rule comes true once in an attempt, when a look at the node brings the reading or the line, and not at
//! the moment at which it is written: a rule is for hours that would be lost, not for milliseconds.

use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::condition::{Compare, Condition};
use super::metric::Reading;
use super::study::short;
use super::units::UnixMillis;

/// The most rules of one job: each is looked at on every line.
pub const RULES_MAX: usize = 16;
/// The last attempt that a rule makes: a cause that comes again and again is no accident of a node.
pub const RULE_ATTEMPTS_MAX: u32 = 5;
/// How many of the rules that came true are kept with a job.
pub const FIRED_MAX: usize = 32;
/// How much of a line is kept with a job.
const WORDS_MAX: usize = 200;

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// When.
    pub when: When,
    /// What then.
    pub act: Act,
    text: String,
}

/// When a rule comes true.
#[derive(Clone, Debug)]
pub enum When {
    /// A reading of a metric compares so.
    Metric(Condition),
    /// A reading of a metric is no number.
    NotANumber(String),
    /// A reading of a metric is infinite.
    Infinite(String),
    /// A line of the log fits.
    Line(Regex),
}

impl PartialEq for When {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Metric(one), Self::Metric(other)) => one == other,
            (Self::NotANumber(one), Self::NotANumber(other)) | (Self::Infinite(one), Self::Infinite(other)) => one == other,
            (Self::Line(one), Self::Line(other)) => one.as_str() == other.as_str(),
            (Self::Metric(_) | Self::NotANumber(_) | Self::Infinite(_) | Self::Line(_), _) => false,
        }
    }
}

// A condition compares with numbers that were typed, which are the same as themselves.
impl Eq for When {}
impl Eq for Rule {}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// The job ends, as one that was stopped early.
    Stop,
    /// A new attempt.
    Retry,
    /// A new attempt, and no new work for the nodes of this one until a person gives them back.
    ExcludeNode,
    /// A person is told.
    Notify,
}

impl Act {
    /// Returns its words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Retry => "retry",
            Self::ExcludeNode => "exclude node and retry",
            Self::Notify => "notify",
        }
    }
}

/// A rule that has come true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// When that was seen.
    pub at: UnixMillis,
    /// The rule as it was written.
    pub rule: String,
    /// The reading, or the line.
    pub why: String,
    /// What it does.
    pub act: Act,
    /// In which attempt.
    pub attempt: u32,
}

const ACTS: [(&str, Act); 5] = [
    ("stop", Act::Stop),
    ("retry", Act::Retry),
    ("exclude node and retry", Act::ExcludeNode),
    ("exclude node", Act::ExcludeNode),
    ("notify", Act::Notify),
];

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug();
        let (when, then) = text
            .rsplit_once("->")
            .ok_or_else(|| format!("`{shown}` is no rule: the form is WHEN -> stop, as `loss is nan -> stop`"))?;
        let then = then.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let act = ACTS.iter().find(|(word, _)| *word == then).map(|(_, act)| *act).ok_or_else(|| {
            let known: Vec<&str> = ACTS.iter().map(|(word, _)| *word).collect();
            format!("`{}` is nothing a rule does: {}", then.escape_debug(), known.join(", "))
        })?;
        let when = when.trim();
        if when.is_empty() {
            return Err(format!("`{shown}` does not say when"));
        }
        Ok(Self { when: When::read(when)?, act, text: text.trim().to_owned() })
    }
}

impl When {
    fn read(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let name = |word: &str| word.chars().all(|c| c.is_alphanumeric() || "_./-".contains(c));
        if let [metric, "is", what] = words.as_slice()
            && name(metric)
        {
            match what.to_lowercase().as_str() {
                "nan" | "notanumber" => return Ok(Self::NotANumber((*metric).to_owned())),
                "inf" | "infinite" | "infinity" => return Ok(Self::Infinite((*metric).to_owned())),
                _ => {}
            }
        }
        // Spaces around the sign are how people write it; a metric compares with a number and with nothing else.
        let joined: String = text.split_whitespace().collect();
        if let Ok(condition) = joined.parse::<Condition>()
            && name(&condition.name)
            && condition.value.is_number()
            && condition.compare != Compare::Is
            && words.len() <= 3
        {
            return Ok(Self::Metric(condition));
        }
        let pattern = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let regex = match pattern {
            Some(pattern) => Regex::new(pattern).map_err(|error| {
                let last = error.to_string();
                format!("`{}` is no regular expression: {}", pattern.escape_debug(), last.lines().last().unwrap_or_default())
            })?,
            None => Regex::new(&regex::escape(text)).map_err(|error| error.to_string())?,
        };
        Ok(Self::Line(regex))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Rule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.text
    }
}

impl Rule {
    /// Says whether it is about lines of the log.
    pub fn is_of_lines(&self) -> bool {
        matches!(self.when, When::Line(_))
    }

    /// Returns why it comes true by a line; `None` when it does not.
    pub fn by_line(&self, line: &str) -> Option<String> {
        match &self.when {
            When::Line(regex) if regex.is_match(line) => Some(line.trim().chars().take(WORDS_MAX).collect()),
            When::Line(_) | When::Metric(_) | When::NotANumber(_) | When::Infinite(_) => None,
        }
    }

    /// Returns why it comes true by a reading; `None` when it does not.
    pub fn by_reading(&self, reading: &Reading) -> Option<String> {
        let own = |name: &str| name == reading.name;
        let holds = match &self.when {
            When::NotANumber(name) => own(name) && reading.value.is_nan(),
            When::Infinite(name) => own(name) && reading.value.is_infinite(),
            When::Metric(condition) => {
                let value = serde_json::Number::from_f64(reading.value).map(serde_json::Value::Number);
                own(&condition.name) && value.is_some_and(|value| condition.fits(&value))
            }
            When::Line(_) => false,
        };
        let at = reading.step.map(|step| format!(" at step {}", short(step))).unwrap_or_default();
        holds.then(|| format!("{} is {}{at}", reading.name, short(reading.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, value: f64) -> Reading {
        Reading { name: name.into(), step: Some(3.0), value }
    }

    #[test]
    fn rules_as_people_write_them() {
        for (text, act, line) in [
            ("loss is nan -> stop", Act::Stop, false),
            ("loss is inf->retry", Act::Retry, false),
            ("loss < 0.1 -> notify", Act::Notify, false),
            ("val/acc>=0.9 -> Notify", Act::Notify, false),
            ("CUDA error -> exclude node and  retry", Act::ExcludeNode, true),
            ("/ECC|NVLink/ -> exclude node", Act::ExcludeNode, true),
            ("a -> b -> stop", Act::Stop, true),
            ("x=1 -> stop", Act::Stop, true),
        ] {
            let rule: Rule = text.parse().unwrap_or_else(|what| panic!("{text}: {what}"));
            assert_eq!((rule.act, rule.is_of_lines()), (act, line), "{text}");
            let stored = serde_json::to_string(&rule).expect("a text");
            assert_eq!(serde_json::from_str::<Rule>(&stored).expect("a rule"), rule, "{stored}");
        }
        for (text, words) in [
            ("loss is nan", "is no rule"),
            ("loss is nan -> explode", "is nothing a rule does"),
            (" -> stop", "does not say when"),
            ("/(/ -> stop", "is no regular expression"),
        ] {
            let what = text.parse::<Rule>().expect_err(text);
            assert!(what.contains(words), "{text}: {what}");
        }
    }

    #[test]
    fn a_rule_comes_true_by_what_it_names_and_by_nothing_else() {
        let rule = |text: &str| text.parse::<Rule>().expect(text);
        assert_eq!(rule("loss is nan -> stop").by_reading(&reading("loss", f64::NAN)).unwrap(), "loss is nan at step 3");
        assert_eq!(rule("loss is nan -> stop").by_reading(&reading("loss", 1.0)), None);
        assert_eq!(rule("loss is nan -> stop").by_reading(&reading("acc", f64::NAN)), None);
        assert!(rule("loss is inf -> stop").by_reading(&reading("loss", f64::NEG_INFINITY)).is_some());
        assert!(rule("loss < 0.1 -> notify").by_reading(&reading("loss", 0.05)).is_some());
        assert_eq!(rule("loss < 0.1 -> notify").by_reading(&reading("loss", 0.1)), None);
        assert_eq!(rule("loss < 0.1 -> notify").by_reading(&reading("loss", f64::NAN)), None);
        let cuda = rule("CUDA error -> retry");
        assert_eq!(
            cuda.by_line("  RuntimeError: CUDA error: out of memory").unwrap(),
            "RuntimeError: CUDA error: out of memory"
        );
        assert_eq!(cuda.by_line("cuda is fine"), None);
        assert!(rule("/E[0-9]+/ -> stop").by_line("got E17").is_some());
    }
}
