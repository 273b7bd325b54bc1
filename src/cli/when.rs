//! Options of `job create` about when a job may run and how often.

use clap::Args;
use jiff::Zoned;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;

use crate::model::fault::Fault;
use crate::model::spec::doc::{Doc, Place, Value};
use crate::model::spec::scheduling::Begin;

/// When it may run and how often.
#[derive(Args, Clone, Debug)]
pub struct When {
    /// Start after this job has started: its name, EXPERIMENT/JOB, or its id; may be repeated
    #[arg(long, value_name = "JOB", value_delimiter = ',')]
    after: Vec<String>,
    /// Start after this job has succeeded; when it fails, so does this one; may be repeated
    #[arg(long, value_name = "JOB", value_delimiter = ',')]
    after_ok: Vec<String>,
    /// Start after this job has ended, however; may be repeated
    #[arg(long, value_name = "JOB", value_delimiter = ',')]
    after_any: Vec<String>,
    /// Do not start before: 18:30, 2026-12-24T18:00, a time with its zone, or a span from now on (2h)
    #[arg(long, value_name = "TIME")]
    begin: Option<String>,
    /// Make one job for each index, in OSTLER_ARRAY_INDEX, and let at most so many run at once: 0-99%8, or 1,4,10-90:10
    #[arg(long, value_name = "INDEXES")]
    array: Option<String>,
    /// Try it so often altogether when it fails
    #[arg(long, value_name = "N")]
    attempts: Option<u32>,
    /// After what it is tried again; after an exit code when absent; may be repeated
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = ["exitCode", "timeLimit", "nodeLost"], requires = "attempts")]
    retry_on: Vec<String>,
    /// After which exit codes it is tried again; any but 0 when absent; may be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',', requires = "attempts")]
    retry_codes: Vec<u8>,
    /// How long it waits before the second attempt; twice as long before each one after that
    #[arg(long, value_name = "SPAN", requires = "attempts")]
    retry_delay: Option<String>,
}

impl When {
    /// Puts the options over what the file says.
    ///
    /// # Errors
    /// A time that is none.
    pub fn overlay(&self, doc: &mut Doc) -> Result<(), Fault> {
        let text = |text: &String| Value::Text(text.clone());
        let list = |texts: &[String]| list(texts.iter().map(text));
        for (key, jobs) in [("after", &self.after), ("afterOk", &self.after_ok), ("afterAny", &self.after_any)] {
            if !jobs.is_empty() {
                doc.put_property(&[key], list(jobs));
            }
        }
        if let Some(begin) = &self.begin {
            let begin = begin_of(begin, &Zoned::now()).map_err(|what| Fault::config(format!("--begin: {what}")))?;
            doc.put_property(&["beginTime"], Value::Text(begin.into()));
        }
        if let Some(array) = &self.array {
            doc.put_property(&["array"], text(array));
        }
        if let Some(attempts) = self.attempts {
            doc.put_property(&["retry", "maxAttempts"], Value::Number(attempts.to_string()));
        }
        if !self.retry_on.is_empty() {
            doc.put_property(&["retry", "on"], list(&self.retry_on));
        }
        if !self.retry_codes.is_empty() {
            let codes = self.retry_codes.iter().map(|code| Value::Number(code.to_string()));
            doc.put_property(&["retry", "exitCodes"], self::list(codes));
        }
        if let Some(delay) = &self.retry_delay {
            doc.put_property(&["retry", "delay"], text(delay));
        }
        Ok(())
    }
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::List(values.map(|value| Doc { place: Place::FLAG, value }).collect())
}

/// Reads a time as people type it: of the day (the next one), of a date, both by the clock here; or as in a file.
fn begin_of(text: &str, now: &Zoned) -> Result<Begin, String> {
    let at = |at: DateTime| in_zone(text, at, now.time_zone().clone());
    let of_day = Some(text).filter(|text| text.len() <= 8 && text.contains(':')).and_then(|text| text.parse::<Time>().ok());
    if let Some(time) = of_day {
        let today = now.date().to_datetime(time);
        let next = if today > now.datetime() { Ok(today) } else { today.tomorrow() };
        return at(next.map_err(|error| format!("`{text}`: {error}"))?);
    }
    match text.parse::<Begin>() {
        Ok(begin) => Ok(begin),
        // A zone in brackets counts; as a date alone it would be passed over in silence.
        Err(_) if text.contains('[') => {
            let pieces = Pieces::parse(text).map_err(|error| format!("`{text}`: {error}"))?;
            let zone =
                pieces.to_time_zone().ok().flatten().ok_or_else(|| format!("`{text}` names no time zone that is known"))?;
            in_zone(text, pieces.date().to_datetime(pieces.time().unwrap_or_default()), zone)
        }
        Err(what) => match text.parse::<DateTime>() {
            Ok(date) => at(date),
            Err(error) if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('-') => {
                Err(format!("`{text}` is no date: {error}"))
            }
            Err(_) => Err(what),
        },
    }
}

/// Where clocks are put forward, some times of a day are not there.
fn in_zone(text: &str, at: DateTime, zone: TimeZone) -> Result<Begin, String> {
    let found = zone.to_ambiguous_zoned(at);
    let zoned = found.compatible().map_err(|error| format!("`{text}`: {error}"))?;
    if zoned.datetime() != at {
        let name = zone.iana_name().unwrap_or("this time zone").to_owned();
        let forward = zoned.time();
        return Err(format!("`{text}` does not exist in {name}, where clocks are put forward then; {forward} does"));
    }
    Ok(Begin::At(crate::model::units::UnixMillis(zoned.timestamp().as_millisecond())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_is_the_next_one() {
        let now: Zoned = "2026-11-27T12:00:00+01:00[Europe/Berlin]".parse().expect("a time");
        for (text, expected) in [
            ("18:30", "2026-11-27T17:30:00.000Z"),
            ("09:05:30", "2026-11-28T08:05:30.000Z"),
            ("2026-12-24T18:00", "2026-12-24T17:00:00.000Z"),
            ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00.000Z"),
            ("2026-12-24T18:00[America/New_York]", "2026-12-24T23:00:00.000Z"),
            ("2h", "PT2H"),
        ] {
            assert_eq!(begin_of(text, &now).map(String::from), Ok(expected.to_owned()), "{text}");
        }
        for (text, said) in [
            ("", "neither a time"),
            ("soon", "neither a time"),
            ("25:00", "neither a time"),
            ("2026-13-01T00:00", "is no date"),
            ("2026-02-30", "`2026-02-30` is no date"),
            ("2027-03-28T02:30", "does not exist in Europe/Berlin, where clocks are put forward then; 03:30:00 does"),
            ("2027-03-28T02:30[Europe/Berlin]", "does not exist in Europe/Berlin"),
            ("2027-03-28T02:30[Nowhere/None]", "names no time zone that is known"),
        ] {
            let error = begin_of(text, &now).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
