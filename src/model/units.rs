//! One newtype per unit. Parsing and printing stand beside each.

use std::fmt;
use std::ops::{Add, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 UTC, by the clock of the machine that hosts the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// A span of time in milliseconds; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// A count of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// An amount of money in millionths of the unit in which prices are given, whatever that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub i64);

/// A number of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct NodeCount(pub u32);

/// How many millionths one is.
const MICROS: i64 = 1_000_000;

impl Money {
    /// Returns it with as many decimals as it has, to be read again: `4.31`, `0.000001`.
    pub fn exact(self) -> String {
        let (sign, micros) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let whole = MICROS.unsigned_abs();
        let text = format!("{sign}{}.{:06}", micros / whole, micros % whole);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Returns what this price for an hour comes to in a time.
    pub fn over(self, span: Millis) -> Self {
        let micros = i128::from(self.0) * i128::from(span.0) / 3_600_000;
        Self(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// Returns how long this amount lasts at a price for an hour; `None` when it lasts for ever.
    pub fn lasts(self, rate: Money) -> Option<Millis> {
        (rate.0 > 0).then(|| {
            let millis = i128::from(self.0.max(0)) * 3_600_000 / i128::from(rate.0);
            Millis(u64::try_from(millis).unwrap_or(u64::MAX))
        })
    }

    /// Returns this amount so many times.
    pub fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }

    /// Parses `2`, `0.526` or `1250.50`; at most six decimals, never negative.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is no price; forms: 2, 0.526", text.escape_debug());
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 6 {
            return Err(bad());
        }
        let whole: i64 = whole.parse().map_err(|_| bad())?;
        let part: i64 = format!("{part:0<6}").parse().map_err(|_| bad())?;
        let micros = whole.checked_mul(MICROS).and_then(|micros| micros.checked_add(part));
        // A trillion is more than any pool costs, and sums of such amounts stay exact.
        micros.filter(|micros| *micros <= 1_000_000_000_000 * MICROS).map(Self).ok_or_else(bad)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Money>>(all: I) -> Money {
        all.fold(Money(0), Add::add)
    }
}

impl fmt::Display for Money {
    /// Prints two decimals, or three where a price of less than one needs them: `12.50`, `0.526`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0 as f64 / MICROS as f64;
        let small = value.abs() < 1.0 && self.0 % 10_000 != 0;
        if small { write!(f, "{value:.3}") } else { write!(f, "{value:.2}") }
    }
}

impl UnixMillis {
    /// Returns the time passed since `earlier`, zero if the clock went backwards.
    pub fn since(self, earlier: UnixMillis) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns RFC 3339 in UTC with milliseconds, as every time on the command line is written.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => format!("{t:.3}"),
            Err(_) => format!("{} ms", self.0),
        }
    }
}

impl Add<Millis> for UnixMillis {
    type Output = UnixMillis;
    fn add(self, span: Millis) -> UnixMillis {
        UnixMillis(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

impl Sub<Millis> for UnixMillis {
    type Output = UnixMillis;
    fn sub(self, span: Millis) -> UnixMillis {
        UnixMillis(self.0.saturating_sub(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

impl Millis {
    /// Returns a span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// Returns a span of whole minutes.
    pub const fn from_mins(mins: u64) -> Self {
        Self::from_secs(mins * 60)
    }

    /// Returns a span of whole days of 24 hours.
    pub const fn from_days(days: u64) -> Self {
        Self::from_mins(days * 24 * 60)
    }

    /// Returns this span as the standard library's type.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// Parses the three published forms of a duration (`P7D`, `7.00:00:00`, `7 days, 0:00:00`) and
    /// the friendly ones (`90s`, `1h 30m`, `7d`).
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text: no unit, negative, months or years (they have no fixed
    /// length), over ten years.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let span = match dotnet_span(text) {
            Some(span) => span,
            None => jiff_span(text)?,
        };
        if span > Self::from_days(3650) {
            return Err(format!("`{text}` is longer than ten years"));
        }
        Ok(span)
    }
}

/// Reads `[D.]HH:MM:SS[.fff]` and `D day[s], H:MM:SS`; `None` when the text has another form.
fn dotnet_span(text: &str) -> Option<Millis> {
    let (days, clock) = if let Some((days, clock)) = text.split_once("days,").or_else(|| text.split_once("day,")) {
        (days.trim(), clock.trim())
    } else {
        let colon = text.find(':')?;
        match text[..colon].split_once('.') {
            Some((days, _)) => (days, &text[days.len() + 1..]),
            None => ("0", text),
        }
    };
    let days: u64 = days.parse().ok()?;
    let mut parts = clock.split(':');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    if parts.next().is_some() || minutes > 59 || !(0.0..60.0).contains(&seconds) {
        return None;
    }
    let whole = days.checked_mul(24)?.checked_add(hours)?.checked_mul(3600)?.checked_add(minutes * 60)?;
    Some(Millis(whole.checked_mul(1000)?.checked_add((seconds * 1000.0) as u64)?))
}

impl Bytes {
    /// Parses a size: `512`, `512M`, `1.5GiB`, `16 gb`. All units are binary, as docker's `shmSize` has them.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = (&text[..digits], text[digits..].trim().to_ascii_lowercase());
        let bad = || format!("`{}` is no size; forms: 512M, 1.5G, 64KiB, 4096", text.escape_debug());
        let shift = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            "p" => 50,
            _ => return Err(bad()),
        };
        let value: f64 = number.parse().map_err(|_| bad())?;
        let bytes = value * f64::from(1u32 << (shift % 30)) * f64::from(1u32 << (shift - shift % 30).min(30));
        // Beyond 2^53 a number in JSON is no longer exact (RFC 8259, 6).
        if bytes > 9_007_199_254_740_992.0 {
            return Err(format!("`{text}` is too large; the limit is 8 PiB"));
        }
        Ok(Self(bytes.round() as u64))
    }
}

fn jiff_span(text: &str) -> Result<Millis, String> {
    let forms = "forms: 90s, 1h30m, 7d, P7D, 7.00:00:00";
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("`{text}` has no unit; {forms}"));
    }
    let span: jiff::Span = text.parse().map_err(|_| format!("`{text}` is no duration; {forms}"))?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(format!("`{text}` uses months or years, which have no fixed length; {forms}"));
    }
    let relative = jiff::SpanRelativeTo::days_are_24_hours();
    let total = span.total((jiff::Unit::Millisecond, relative)).map_err(|e| format!("`{text}`: {e}"))?;
    if total < 0.0 {
        return Err(format!("`{text}` is negative"));
    }
    Ok(Millis(total as u64))
}

impl fmt::Display for Millis {
    /// Prints as people say it: `850ms`, `42s`, `12m04s`, `3h07m`, `7d00h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0 / 1000;
        match secs {
            0 => write!(f, "{}ms", self.0),
            1..60 => write!(f, "{secs}s"),
            60..3600 => write!(f, "{}m{:02}s", secs / 60, secs % 60),
            3600..86400 => write!(f, "{}h{:02}m", secs / 3600, secs / 60 % 60),
            _ => write!(f, "{}d{:02}h", secs / 86400, secs / 3600 % 24),
        }
    }
}

impl fmt::Display for Bytes {
    /// Prints with binary units and at most one decimal: `812 B`, `1.5 KiB`, `64 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&scaled(self.0, 1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB"]))
    }
}

impl Bytes {
    /// Returns it with decimal units and at most one decimal: `812 B`, `1.5 kB`, `64 MB`.
    pub fn decimal(self) -> String {
        scaled(self.0, 1000.0, ["kB", "MB", "GB", "TB", "PB"])
    }
}

fn scaled(bytes: u64, step: f64, units: [&'static str; 5]) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < step {
            break;
        }
        value /= step;
        unit = next;
    }
    if unit == "B" || value >= 100.0 || (value * 10.0).round() % 10.0 == 0.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

impl fmt::Display for NodeCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_every_published_form() {
        for (text, secs) in [
            ("P7D", 604_800),
            ("7.00:00:00", 604_800),
            ("7 days, 0:00:00", 604_800),
            ("1 day, 1:00:00", 90_000),
            ("00:10:00", 600),
            ("PT168H", 604_800),
            ("P1W", 604_800),
            ("7d", 604_800),
            ("90s", 90),
            ("1h 30m", 5400),
            ("1h30m", 5400),
        ] {
            assert_eq!(Millis::parse(text), Ok(Millis::from_secs(secs)), "{text}");
        }
        for text in ["10", "", "-5m", "P1M", "P1Y", "soon", "1e30", "10.99:00", "P999999D"] {
            assert!(Millis::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prices_are_read_added_up_and_printed() {
        for (text, micros, shown) in
            [("2", 2_000_000, "2.00"), ("0.526", 526_000, "0.526"), ("1250.5", 1_250_500_000, "1250.50"), ("0", 0, "0.00")]
        {
            let money = Money::parse(text).unwrap();
            assert_eq!((money, money.to_string().as_str()), (Money(micros), shown), "{text}");
        }
        for text in ["", "-1", "1e3", "1.", ".5", "1.2345678", "9999999999999999999", "one"] {
            assert!(Money::parse(text).is_err(), "{text}");
        }
        assert_eq!(Money(600_000).over(Millis::from_mins(90)), Money(900_000));
        assert_eq!(Money(3_000_000).lasts(Money(1_500_000)), Some(Millis::from_mins(120)));
        assert_eq!((Money(-5).lasts(Money(1)), Money(5).lasts(Money(0))), (Some(Millis(0)), None));
    }

    #[test]
    fn spans_and_sizes_print_short() {
        let cases = [(850, "850ms"), (42_000, "42s"), (724_000, "12m04s"), (11_220_000, "3h07m"), (604_800_000, "7d00h")];
        for (ms, text) in cases {
            assert_eq!(Millis(ms).to_string(), text);
        }
        for (n, text) in [(812, "812 B"), (1536, "1.5 KiB"), (64 << 20, "64 MiB"), (500 << 30, "500 GiB")] {
            assert_eq!(Bytes(n).to_string(), text);
        }
        for (text, n) in
            [("512", 512), ("1.5k", 1536), ("64MiB", 64 << 20), ("16 gb", 16 << 30), ("2T", 2 << 40), ("1PiB", 1 << 50)]
        {
            assert_eq!(Bytes::parse(text), Ok(Bytes(n)), "{text}");
        }
        for text in ["10GBs", "1.5.2G", "", "G", "-1", "1e30", "9999999P"] {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
        assert_eq!(UnixMillis(0).rfc3339(), "1970-01-01T00:00:00.000Z");
    }
}
