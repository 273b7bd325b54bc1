//! Reads and writes what may be spent: `budget: {limit: 250, per: month, then: hold}` of a cluster or a workspace. A file that says
//! nothing of it leaves the limit as it is.

use serde_json::{Value, json};

use crate::model::cost::{BRAKES, Brake, Budget, PERIODS, Period};
use crate::model::spec::fields::{Faults, Field};
use crate::model::units::Money;

/// Reads a budget; `None` when a fault was noted.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Budget> {
    let mut fields = field.map(faults)?;
    let limit = fields.need(faults, "limit").and_then(|field| {
        let text = field.scalar(faults)?;
        Money::parse(&text).map_err(|why| field.fault(faults, why)).ok()
    });
    let period = fields.take("per").and_then(|field| field.word(faults, &PERIODS));
    let then = fields.take("then").and_then(|field| field.word(faults, &BRAKES));
    fields.finish_strictly(faults);
    Some(Budget::new(limit?, period.unwrap_or(Period::Month), then.unwrap_or(Brake::Hold)))
}

/// Returns it as a file has it.
pub fn value(budget: &Budget) -> Value {
    json!({"limit": budget.limit.0 as f64 / 1e6, "per": budget.period.word(), "then": budget.then.word()})
}

/// Says whether two budgets are the same limit, however much of it is used.
pub fn same(one: &Budget, other: &Budget) -> bool {
    (one.limit, one.period, one.then) == (other.limit, other.period, other.then)
}
