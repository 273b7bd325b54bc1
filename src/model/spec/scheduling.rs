//! When a job may run and how often: what it comes after, when it begins, arrays, retries. All of it is ours; the
//! published model has none of it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{BeginForm, SpanForm};
use crate::model::rare::Nothing;
use crate::model::units::{Millis, UnixMillis};

/// The most members of one array.
pub const ARRAY_MEMBERS_MAX: usize = 10_000;
/// The largest index of an array: eight digits are enough for any name.
pub const ARRAY_INDEX_MAX: u32 = 99_999_999;
/// The most jobs that one job may come after: each is looked at whenever one of them ends.
pub const DEPENDENCIES_MAX: usize = 1_000;
/// The most attempts that a job may ask for.
pub const ATTEMPTS_MAX: u32 = 1_000;
/// The longest pause between attempts: the doubling stops here, so that somebody sees the next one on the same day.
pub const RETRY_DELAY_MAX: Millis = Millis::from_mins(60);

/// When a job may run and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Scheduling {
    /// Jobs that have to have started: names in the experiment, `EXPERIMENT/JOB` in the workspace, or ids; ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Jobs that have to have succeeded; when one fails, so does this one. Ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_ok: Vec<String>,
    /// Jobs that have to have ended, however; ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_any: Vec<String>,
    /// Not before: a time with its zone (`2026-12-24T18:00:00Z`), or a span from submission on (`2h`); ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BeginForm>")]
    pub begin_time: Option<Begin>,
    /// One job for each of these indexes, as `0-99`, `1,4,10-90:10`, and how many may run at once: `0-99%8`; ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub array: Option<Indexes>,
    /// Whether it is tried again after a failure; ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

static ANY_TIME: Scheduling = Scheduling {
    after: Vec::new(),
    after_ok: Vec::new(),
    after_any: Vec::new(),
    begin_time: None,
    array: None,
    retry: None,
};

impl Nothing for Scheduling {
    fn nothing() -> &'static Self {
        &ANY_TIME
    }
}

/// When a job may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Begin {
    /// Then.
    At(UnixMillis),
    /// So long after it was submitted.
    In(Millis),
}

/// The indexes of an array, and how many of its members may run at once. Every member's row has it, so it is kept as it is
/// written; what is looked up in are ranges, not the indexes in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Indexes {
    /// As many may run at once; all when absent.
    pub running_max: Option<u32>,
    /// In order, each before the next.
    ranges: Vec<Range>,
    count: usize,
    text: String,
}

/// The indexes from the first to the last, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    last: u32,
    step: u32,
}

impl Range {
    fn indexes(self) -> impl DoubleEndedIterator<Item = u32> {
        let Self { first, step, .. } = self;
        (0..u32::try_from(self.count()).unwrap_or(u32::MAX)).map(move |at| first + at * step)
    }

    fn count(self) -> usize {
        ((self.last - self.first) / self.step) as usize + 1
    }
}

impl Indexes {
    /// Returns the indexes, each once, in order; from the back they can be taken too.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|range| range.indexes())
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the index at a place, from 0; `None` beyond the last.
    pub fn at(&self, place: u32) -> Option<u32> {
        let mut left = place;
        for range in &self.ranges {
            let count = u32::try_from(range.count()).unwrap_or(u32::MAX);
            if left < count {
                return Some(range.first + left * range.step);
            }
            left -= count;
        }
        None
    }

    /// Returns the place of an index; `None` when it is not among them.
    pub fn place_of(&self, index: u32) -> Option<u32> {
        let mut before = 0;
        for range in &self.ranges {
            if (range.first..=range.last).contains(&index) {
                let over = index - range.first;
                return over.is_multiple_of(range.step).then_some(before + over / range.step);
            }
            before += u32::try_from(range.count()).unwrap_or(u32::MAX);
        }
        None
    }
}

/// Makes ranges of the same indexes that stand in order and apart from one another.
fn in_order(ranges: Vec<Range>) -> Vec<Range> {
    let apart = |pair: &[Range]| pair[0].last < pair[1].first;
    if ranges.windows(2).all(apart) {
        return ranges;
    }
    let all: std::collections::BTreeSet<u32> = ranges.iter().flat_map(|range| range.indexes()).collect();
    let mut runs: Vec<Range> = Vec::new();
    for index in all {
        match runs.last_mut().filter(|run| run.last + 1 == index) {
            Some(run) => run.last = index,
            None => runs.push(Range { first: index, last: index, step: 1 }),
        }
    }
    runs
}

/// What a job is tried again after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RetryOn {
    /// It ended with an exit code that is not 0.
    ExitCode,
    /// It ran over its time limit.
    TimeLimit,
    /// Its nodes were lost more often than a job is put back by itself.
    NodeLost,
}

impl RetryOn {
    /// All, with their words.
    pub const WORDS: [(&str, Self); 3] =
        [("exitCode", Self::ExitCode), ("timeLimit", Self::TimeLimit), ("nodeLost", Self::NodeLost)];
}

/// Whether and when a job is tried again after a failure of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How often it is tried altogether.
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: u32,
    /// After what; an exit code when absent.
    #[serde(default = "Retry::on_default")]
    pub on: Vec<RetryOn>,
    /// After which exit codes; any but 0 when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_codes: Vec<i32>,
    /// How long it waits before the second attempt; twice as long before each one after that, an hour at most.
    #[serde(default, skip_serializing_if = "is_zero", with = "span_text")]
    #[schemars(with = "Option<SpanForm>")]
    pub delay: Millis,
}

/// A span as files write it.
mod span_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Millis;
    use crate::model::spec::body::iso_span;

    pub fn serialize<S: Serializer>(span: &Millis, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&iso_span(*span))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Millis, D::Error> {
        let text = String::deserialize(d)?;
        Millis::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn is_zero(span: &Millis) -> bool {
    *span == Millis(0)
}

impl Retry {
    /// Returns attempts after any exit code but 0, without a pause.
    pub fn attempts(max_attempts: u32) -> Self {
        Self { max_attempts, on: Self::on_default(), exit_codes: Vec::new(), delay: Millis(0) }
    }

    fn on_default() -> Vec<RetryOn> {
        vec![RetryOn::ExitCode]
    }

    /// Says whether a failure of this kind, with this exit code when it has one, is worth another attempt.
    pub fn covers(&self, on: RetryOn, code: Option<i32>) -> bool {
        let code_counts = on != RetryOn::ExitCode || self.exit_codes.is_empty();
        self.on.contains(&on) && (code_counts || code.is_some_and(|code| self.exit_codes.contains(&code)))
    }

    /// Returns how long to wait after so many failed attempts.
    pub fn pause(&self, failed: u32) -> Millis {
        let doubled = self.delay.0.checked_shl(failed.saturating_sub(1).min(32)).unwrap_or(u64::MAX);
        Millis(doubled.min(RETRY_DELAY_MAX.0.max(self.delay.0)))
    }
}

impl Begin {
    /// Returns the time, for a job that is submitted now.
    pub fn of(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::At(at) => at,
            Self::In(span) => now + span,
        }
    }
}

impl FromStr for Begin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(UnixMillis(at.as_millisecond())));
        }
        Millis::parse(text).map(Self::In).map_err(|_| {
            format!("`{text}` is neither a time with its zone (2026-12-24T18:00:00Z) nor a span of time (2h30m)")
        })
    }
}

impl TryFrom<String> for Begin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Begin> for String {
    fn from(begin: Begin) -> Self {
        match begin {
            Begin::At(at) => at.rfc3339(),
            Begin::In(span) => super::body::iso_span(span),
        }
    }
}

impl FromStr for Indexes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |what: &str| format!("`{text}`: {what}; the form is 0-99, 1,4,10-90:10 or 0-99%8");
        let number = |text: &str| {
            let number = text.trim().parse::<u32>().ok().filter(|number| *number <= ARRAY_INDEX_MAX);
            number.ok_or_else(|| bad(&format!("`{}` is no index from 0 to {ARRAY_INDEX_MAX}", text.trim())))
        };
        let (list, running_max) = match text.split_once('%') {
            None => (text, None),
            Some((list, most)) => match number(most)? {
                0 => return Err(bad("0 may run at once")),
                most => (list, Some(most)),
            },
        };
        let mut ranges = Vec::new();
        for part in list.split(',') {
            let (range, step) = match part.split_once(':') {
                None => (part, 1),
                Some((range, step)) => (range, number(step)?),
            };
            let (first, last) = match range.split_once('-') {
                None => (number(range)?, number(range)?),
                Some((first, last)) => (number(first)?, number(last)?),
            };
            if step == 0 {
                return Err(bad(&format!("the step of `{}` is 0", part.trim())));
            }
            if last < first {
                return Err(bad(&format!("`{}` goes down", part.trim())));
            }
            let range = Range { first, last, step };
            if range.count() > ARRAY_MEMBERS_MAX {
                return Err(bad(&format!("an array has at most {ARRAY_MEMBERS_MAX} members")));
            }
            ranges.push(range);
        }
        let ranges = in_order(ranges);
        let count = ranges.iter().map(|range| range.count()).sum();
        if count > ARRAY_MEMBERS_MAX {
            return Err(bad(&format!("an array has at most {ARRAY_MEMBERS_MAX} members")));
        }
        Ok(Self { running_max, ranges, count, text: text.trim().to_owned() })
    }
}

impl TryFrom<String> for Indexes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Indexes> for String {
    fn from(indexes: Indexes) -> Self {
        indexes.text
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_in_every_form() {
        let cases: [(&str, &[u32], Option<u32>); 8] = [
            ("3", &[3], None),
            ("0-4", &[0, 1, 2, 3, 4], None),
            ("0-4%2", &[0, 1, 2, 3, 4], Some(2)),
            ("1,4,10-30:10", &[1, 4, 10, 20, 30], None),
            ("5,1-3,2", &[1, 2, 3, 5], None),
            ("1-9:4,3-8:2", &[1, 3, 5, 7, 9], None),
            ("0-10:3,20-21", &[0, 3, 6, 9, 20, 21], None),
            (" 0 - 2 % 1 ", &[0, 1, 2], Some(1)),
        ];
        for (text, indexes, running_max) in cases {
            let read: Indexes = text.parse().expect(text);
            assert_eq!((read.iter().collect::<Vec<_>>().as_slice(), read.running_max), (indexes, running_max), "{text}");
            assert_eq!(read.count(), indexes.len(), "{text}");
            for (place, index) in (0..).zip(indexes) {
                assert_eq!((read.at(place), read.place_of(*index)), (Some(*index), Some(place)), "{text}");
            }
            assert_eq!(read.at(indexes.len() as u32), None, "{text}");
            let other = |index: &u32| !indexes.contains(index);
            assert!((0..40).filter(other).all(|index| read.place_of(index).is_none()), "{text}");
            let again: Indexes = String::from(read.clone()).parse().expect(text);
            assert_eq!(again, read, "{text}");
        }
        for text in ["", "a", "3-1", "0-9:0", "0-9%0", "1-", "-1", "0-10000", "0-9999,20000", "999999999"] {
            assert!(text.parse::<Indexes>().is_err(), "{text}");
        }
        let most: Indexes = "0-9999".parse().expect("as many as there may be");
        assert_eq!((most.count(), most.iter().count()), (10_000, 10_000));
        assert_eq!(most.ranges.len(), 1, "ten thousand rows have it, so none has the indexes themselves");
    }

    #[test]
    fn a_begin_is_a_time_or_a_span() {
        for (text, expected) in [
            ("1970-01-01T00:00:05Z", UnixMillis(5_000)),
            ("1970-01-01T01:00:05+01:00", UnixMillis(5_000)),
            ("90s", UnixMillis(91_000)),
        ] {
            let begin: Begin = text.parse().expect(text);
            assert_eq!(begin.of(UnixMillis(1_000)), expected, "{text}");
            assert_eq!(String::from(begin).parse::<Begin>(), Ok(begin), "{text}");
        }
        assert!("tomorrow".parse::<Begin>().is_err());
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let retry = Retry { delay: Millis::from_mins(10), ..Retry::attempts(9) };
        let minutes: Vec<_> = (1..=5).map(|failed| retry.pause(failed).0 / 60_000).collect();
        assert_eq!(minutes, [10, 20, 40, 60, 60]);
        assert_eq!(Retry::attempts(3).pause(7), Millis(0));
        let codes = Retry { exit_codes: vec![75], ..Retry::attempts(3) };
        assert!(codes.covers(RetryOn::ExitCode, Some(75)) && !codes.covers(RetryOn::ExitCode, Some(1)));
        assert!(!codes.covers(RetryOn::TimeLimit, None));
    }
}
