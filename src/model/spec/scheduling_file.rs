//! Reads when a job may run and how often: `after`, `afterOk`, `afterAny`, `beginTime`, `array`, `retry`; all ours.

use super::fields::{Faults, Field, Fields, quoted};
use super::scheduling::{ATTEMPTS_MAX, DEPENDENCIES_MAX, Retry, RetryOn, Scheduling};

/// The largest exit code.
const EXIT_CODE_MAX: i64 = 255;

pub(super) fn read(fields: &mut Fields<'_>, faults: &mut Faults) -> Scheduling {
    let mut names = |key, faults: &mut Faults| fields.take(key).map(|field| names(&field, faults)).unwrap_or_default();
    let after = names("after", faults);
    let after_ok = names("afterOk", faults);
    let after_any = names("afterAny", faults);
    Scheduling {
        after,
        after_ok,
        after_any,
        begin_time: fields.take("beginTime").and_then(|field| parsed(&field, faults)),
        array: fields.take("array").and_then(|field| parsed(&field, faults)),
        retry: fields.take("retry").and_then(|field| retry(&field, faults)),
    }
}

fn parsed<T: std::str::FromStr<Err = String>>(field: &Field<'_>, faults: &mut Faults) -> Option<T> {
    let text = field.scalar(faults)?;
    text.parse().map_err(|what: String| field.fault(faults, what)).ok()
}

/// One name, or a list of them.
fn names(field: &Field<'_>, faults: &mut Faults) -> Vec<String> {
    let items = match field.value() {
        super::doc::Value::List(_) => field.list(faults),
        _ => vec![field.clone()],
    };
    if items.len() > DEPENDENCIES_MAX {
        field.fault(faults, format!("names {} jobs, at most {DEPENDENCIES_MAX} can be waited for", items.len()));
        return Vec::new();
    }
    let mut found: Vec<String> = Vec::new();
    for item in items {
        let name = item.checked(faults, |text| match text.trim().is_empty() {
            true => Err("is empty; it names a job".to_owned()),
            false => Ok(()),
        });
        found.extend(name.filter(|name| !found.contains(name)));
    }
    found
}

fn retry(field: &Field<'_>, faults: &mut Faults) -> Option<Retry> {
    let mut inner = field.map(faults)?;
    let max_attempts = inner.need(faults, "maxAttempts").and_then(|field| field.count(faults, 1, ATTEMPTS_MAX));
    let on = inner.take("on").map(|field| {
        let items = match field.value() {
            super::doc::Value::List(_) => field.list(faults),
            _ => vec![field],
        };
        items.iter().filter_map(|item| item.word(faults, &RetryOn::WORDS)).collect::<Vec<_>>()
    });
    let exit_codes = inner.take("exitCodes").map(|field| {
        let items = field.list(faults);
        items.iter().filter_map(|item| item.signed(faults, 1, EXIT_CODE_MAX)).map(|code| code as i32).collect::<Vec<_>>()
    });
    let delay = inner.take("delay").and_then(|field| field.span(faults)).unwrap_or_default();
    inner.finish(faults);
    let retry = Retry { delay, exit_codes: exit_codes.unwrap_or_default(), ..Retry::attempts(max_attempts?) };
    let retry = Retry { on: on.unwrap_or(retry.on), ..retry };
    if !retry.exit_codes.is_empty() && !retry.on.contains(&RetryOn::ExitCode) {
        field.fault(faults, format!("has exitCodes, but {} is not in its list `on`", quoted("exitCode")));
        return None;
    }
    Some(retry)
}
