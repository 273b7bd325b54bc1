//! The time at the beginning of a line, as loggers write it; lines of several processes are put in order by it.

/// A line's time is within so many bytes of its beginning.
const WITHIN_BYTES: usize = 48;

/// Returns the time of a line in milliseconds, on a scale of its own: enough to put lines of one job in order. Known are
/// `2026-11-27T21:13:55.123`, with a blank or with `/` and `,` too, and `21:13:55` alone; a bracket or a word may stand before.
pub fn of(line: &[u8]) -> Option<i64> {
    let head = &line[..line.len().min(WITHIN_BYTES)];
    let colon = head.windows(8).position(is_clock)?;
    let number = |at: usize| i64::from(head[at] - b'0') * 10 + i64::from(head[at + 1] - b'0');
    let (hours, minutes, seconds) = (number(colon), number(colon + 3), number(colon + 6));
    let rest = &head[colon + 8..];
    let fraction = match rest.first() {
        Some(b'.' | b',') => rest[1..].iter().take_while(|b| b.is_ascii_digit()).take(3).collect::<Vec<_>>(),
        Some(_) | None => Vec::new(),
    };
    let millis = (0..3).fold(0, |sum, at| sum * 10 + fraction.get(at).map_or(0, |b| i64::from(**b - b'0')));
    let day = colon.checked_sub(11).and_then(|at| date(&head[at..at + 10])).unwrap_or(0);
    Some((((day * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

fn is_clock(window: &[u8]) -> bool {
    let digit = |at: usize| window[at].is_ascii_digit();
    window[2] == b':'
        && window[5] == b':'
        && [0, 1, 3, 4, 6, 7].into_iter().all(digit)
        && window[0] < b'3'
        && window[3] < b'6'
}

/// Reads `2026-11-27`, also with `/`, as a number of days that grows with the date.
fn date(text: &[u8]) -> Option<i64> {
    let part = |from: usize, upto: usize| std::str::from_utf8(&text[from..upto]).ok()?.parse::<i64>().ok();
    let line = |at: usize| matches!(text[at], b'-' | b'/');
    if !(line(4) && line(7)) {
        return None;
    }
    // Months of 32 days keep the order, which is all that is asked.
    Some((part(0, 4)? * 12 + part(5, 7)?) * 32 + part(8, 10)?)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn times_are_found_and_ordered() {
        let lines = [
            "2026-11-26 23:59:59,900 INFO a",
            "[2026-11-27T00:00:00.100Z] b",
            "I 2026/11/27 00:00:00.2 c",
            "2026-11-27 00:00:01 d",
        ];
        let times: Vec<i64> = lines.iter().map(|line| of(line.as_bytes()).expect("a time")).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        assert_eq!(of(b"21:13:55 x").zip(of(b"[21:13:55.250] y")).map(|(a, b)| b - a), Some(250));
        for none in ["", "step 4100 loss=0.2", "a:b:c", "99:99:99", "ratio 1:2:3"] {
            assert_eq!(of(none.as_bytes()), None, "{none}");
        }
    }
}
