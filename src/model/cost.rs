//! What nodes cost: node-time times price, added up from the rows that the core commits. No clock is read here.
//!
//! A node is paid for from the moment its machine is got to the moment it is given back, whatever it does; its price per hour
//! is fixed when it is got. A clock that jumps forwards is believed, as a machine that slept was paid for; one that jumps
//! backwards adds nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::ids::{ExperimentId, JobId};
use crate::model::state::{Cluster, Node, NodeState, Reach};
use crate::model::units::{Millis, Money, NodeCount, UnixMillis};

/// How the numbers come about, for people.
pub const FORMULA: &str = "spent: for each node the time from when it was got to when it was given back, times its price per hour; \
rate: the prices of all nodes there are now; forecast: spent in the period, and the rate for one hour more";

/// How far a forecast looks ahead: the step in which most machines are sold, and longer than most take to come and go.
pub const AHEAD: Millis = Millis::from_mins(60);

/// What a node does for its money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is not paid for: its machine is not there yet.
    None,
    /// A job has it.
    Busy,
    /// It is ready, or is being made ready or given back.
    Idle,
    /// It cannot be used.
    Unusable,
}

impl Use {
    /// Returns what a node does.
    pub fn of(node: &Node) -> Self {
        if node.host.is_empty() {
            return Self::None;
        }
        match (&node.state, &node.reach) {
            _ if node.is_held() => Self::Busy,
            (NodeState::Unusable(_), _) | (NodeState::Idle, Reach::Lost { .. }) => Self::Unusable,
            (
                NodeState::Allocating | NodeState::Preparing | NodeState::Idle | NodeState::Running | NodeState::Leaving,
                _,
            ) => Self::Idle,
        }
    }
}

/// How long a node was used in which way, up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meter {
    /// The moment.
    pub at: UnixMillis,
    /// When its machine was got.
    pub since: UnixMillis,
    /// Jobs had it.
    pub busy: Millis,
    /// Nothing had it.
    pub idle: Millis,
    /// It could not be used.
    pub unusable: Millis,
    /// Since when the same jobs have it.
    pub held_since: UnixMillis,
    /// What each job that had it all the time has paid until then. Those that share it share its price.
    pub shared: Money,
}

impl Meter {
    /// Says whether nothing was measured.
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the time since the moment to what the node did.
    pub fn advance(&mut self, what: Use, now: UnixMillis) {
        let span = now.since(self.at).0;
        self.at = now;
        match what {
            Use::None => {}
            Use::Busy => self.busy.0 += span,
            Use::Idle => self.idle.0 += span,
            Use::Unusable => self.unusable.0 += span,
        }
    }
}

/// What was paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spent {
    /// While jobs had nodes.
    pub busy: Money,
    /// While nothing had them.
    pub idle: Money,
    /// While they could not be used.
    pub unusable: Money,
}

impl Spent {
    /// Says whether nothing was paid.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Returns all of it.
    pub fn total(&self) -> Money {
        self.busy + self.idle + self.unusable
    }

    /// Returns what a node has cost up to now.
    pub fn of_node(node: &Node, now: UnixMillis) -> Self {
        let mut meter = node.meter;
        meter.advance(Use::of(node), now);
        let [busy, idle, unusable] = [meter.busy, meter.idle, meter.unusable].map(|span| node.price.over(span));
        Self { busy, idle, unusable }
    }

    /// Returns both.
    pub fn and(self, other: Self) -> Self {
        let Self { busy, idle, unusable } = other;
        Self { busy: self.busy + busy, idle: self.idle + idle, unusable: self.unusable + unusable }
    }
}

/// What the jobs of an experiment have of nodes now, and is not charged to it yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AtWork {
    /// What that has cost since it was charged last.
    pub cost: Money,
    /// What it costs in an hour.
    pub rate: Money,
}

impl AtWork {
    /// Adds up nodes by the experiments of the jobs that hold them; those that share a node share its price.
    pub fn by_experiment<'a>(
        nodes: impl Iterator<Item = &'a Node>,
        experiment_of: impl Fn(JobId) -> Option<ExperimentId>,
        now: UnixMillis,
    ) -> BTreeMap<ExperimentId, Self> {
        let mut all: BTreeMap<ExperimentId, Self> = BTreeMap::new();
        for node in nodes.filter(|node| !node.shares.is_empty()) {
            let (shared, rate) = (node.meter.shared + share_since(node, now), Money(node.price.0 / count(node)));
            for (job, from) in &node.shares {
                let Some(experiment) = experiment_of(*job) else { continue };
                let one = all.entry(experiment).or_default();
                one.cost = one.cost + (shared - *from);
                one.rate = one.rate + rate;
            }
        }
        all
    }
}

/// Returns how many pay for a node.
fn count(node: &Node) -> i64 {
    i64::try_from(node.shares.len().max(1)).unwrap_or(i64::MAX)
}

/// Returns what each of those who pay for a node has to pay for the time since they are the same.
fn share_since(node: &Node, now: UnixMillis) -> Money {
    Money(node.price.over(now.since(node.meter.held_since)).0 / count(node))
}

/// Has these jobs pay for a node from now on; returns what those have to pay that do so no more.
pub fn share_out(node: &mut Node, payers: BTreeSet<JobId>, now: UnixMillis) -> Vec<(JobId, Money)> {
    node.meter.shared = node.meter.shared + share_since(node, now);
    node.meter.held_since = now;
    let shared = node.meter.shared;
    let gone = node.shares.extract_if(.., |job, _| !payers.contains(job));
    let bill = gone.map(|(job, from)| (job, shared - from)).collect();
    for job in payers {
        node.shares.entry(job).or_insert(shared);
    }
    bill
}

/// How a cluster stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it has cost since it was made.
    pub spent: Spent,
    /// What it costs in an hour.
    pub rate: Money,
    /// What of that nothing uses.
    pub idle_rate: Money,
    /// What of that cannot be used.
    pub unusable_rate: Money,
    /// How many nodes nothing uses.
    pub idle_nodes: u32,
    /// How many cannot be used.
    pub unusable_nodes: u32,
}

impl Standing {
    /// Adds up a cluster with its nodes.
    pub fn of<'a>(cluster: &Cluster, nodes: impl Iterator<Item = &'a Node>, now: UnixMillis) -> Self {
        let mut all = Self { spent: cluster.spent, ..Self::default() };
        for node in nodes {
            all.spent = all.spent.and(Spent::of_node(node, now));
            match Use::of(node) {
                Use::None => continue,
                Use::Busy => {}
                Use::Idle => (all.idle_nodes, all.idle_rate) = (all.idle_nodes + 1, all.idle_rate + node.price),
                Use::Unusable => {
                    (all.unusable_nodes, all.unusable_rate) = (all.unusable_nodes + 1, all.unusable_rate + node.price);
                }
            }
            all.rate = all.rate + node.price;
        }
        all
    }

    /// Returns what would spare money, when nodes cost some that do nothing.
    pub fn hint(&self, cluster: &Cluster) -> Option<String> {
        let wasted = self.idle_rate + self.unusable_rate;
        if wasted <= Money(0) {
            return None;
        }
        let mut what = Vec::new();
        for (count, word) in [(self.idle_nodes, "idle"), (self.unusable_nodes, "unusable")] {
            if count > 0 {
                what.push(format!("{count} {word}"));
            }
        }
        let (name, target) = (&cluster.name, self.without_waste(cluster));
        let what = what.join(" and ");
        Some(format!("{what} of its nodes cost {wasted}/h for nothing: `ostler cluster scale {name} {target}` lets them go"))
    }

    /// Returns the target at which all that costs and does nothing goes.
    pub fn without_waste(&self, cluster: &Cluster) -> NodeCount {
        let useless = self.idle_nodes + self.unusable_nodes;
        NodeCount(cluster.spec.scale_settings.target().0.saturating_sub(useless))
    }
}

/// The time for which a limit holds; in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A day.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A month of the calendar.
    #[default]
    Month,
    /// For good.
    Total,
}

/// The words for [`Period`].
pub const PERIODS: [(&str, Period); 4] =
    [("day", Period::Day), ("week", Period::Week), ("month", Period::Month), ("total", Period::Total)];

const DAY: i64 = 86_400_000;

impl Period {
    /// Returns when the period that holds this moment began, and when the next one begins.
    pub fn around(self, now: UnixMillis) -> (UnixMillis, Option<UnixMillis>) {
        let days = now.0.div_euclid(DAY);
        match self {
            Self::Total => (UnixMillis(0), None),
            Self::Day => (UnixMillis(days * DAY), Some(UnixMillis((days + 1) * DAY))),
            Self::Week => {
                // The first of January 1970 was a Thursday.
                let monday = days - (days + 3).rem_euclid(7);
                (UnixMillis(monday * DAY), Some(UnixMillis((monday + 7) * DAY)))
            }
            Self::Month => {
                let (first, length) = month_of(days);
                (UnixMillis(first * DAY), Some(UnixMillis((first + length) * DAY)))
            }
        }
    }

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        PERIODS.iter().find(|(_, period)| *period == self).map_or("", |(word, _)| word)
    }
}

/// Returns the first day of the month that holds a day, and how many it has; days since 1970.
fn month_of(day: i64) -> (i64, i64) {
    let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day));
    match date {
        Ok(date) => (day - i64::from(date.day()) + 1, i64::from(date.days_in_month())),
        // Beyond the year 9999.
        Err(_) => (day, 30),
    }
}

/// What happens when a limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Brake {
    /// Nothing: the limit is not reached, or there is none.
    #[default]
    None,
    /// It is said.
    Warn,
    /// No job starts and no node comes.
    Hold,
    /// The nodes go as well.
    Zero,
}

/// The words for what a budget may do.
pub const BRAKES: [(&str, Brake); 3] = [("warn", Brake::Warn), ("hold", Brake::Hold), ("zero", Brake::Zero)];

impl Brake {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        BRAKES.iter().find(|(_, brake)| *brake == self).map_or("none", |(word, _)| word)
    }
}

/// A limit on what may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// How much.
    pub limit: Money,
    /// In which time.
    pub period: Period,
    /// What happens then.
    pub then: Brake,
    /// When the period began that is counted.
    #[serde(default)]
    pub began: UnixMillis,
    /// What had been spent before it; all that is counted is above this.
    #[serde(default)]
    pub before: Money,
    /// Whether the limit is reached.
    #[serde(default)]
    pub reached: bool,
    /// The rate at which that was found out.
    #[serde(default)]
    pub rate: Money,
    /// When it is looked at again: the end of the period, or when the limit is reached at the present rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UnixMillis>,
}

impl Budget {
    /// Returns a limit of which nothing is used.
    pub fn new(limit: Money, period: Period, then: Brake) -> Self {
        Self { limit, period, then, began: UnixMillis(0), before: Money(0), reached: false, rate: Money(0), next: None }
    }

    /// Returns what was spent in its period.
    pub fn used(&self, total: Money) -> Money {
        total - self.before
    }

    /// Returns what is spent in the period an hour from now.
    pub fn forecast(&self, total: Money, rate: Money) -> Money {
        self.used(total) + rate.over(AHEAD)
    }

    /// Returns what is left.
    pub fn left(&self, total: Money) -> Money {
        Money((self.limit - self.used(total)).0.max(0))
    }

    /// Returns what it does now.
    pub fn brake(&self) -> Brake {
        if self.reached { self.then } else { Brake::None }
    }

    /// Says whether nothing may be got that takes the forecast above it.
    pub fn binds(&self) -> bool {
        self.then >= Brake::Hold
    }

    /// Returns it in words: `40.12 of 100.00 a month, then hold`.
    pub fn words(&self, total: Money) -> String {
        let period = match self.period {
            Period::Total => "in all".to_owned(),
            Period::Day | Period::Week | Period::Month => format!("a {}", self.period.word()),
        };
        let reached = if self.reached { "; the limit is reached" } else { "" };
        format!("{} of {} {period}, then {}{reached}", self.used(total), self.limit, self.then.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let at = |text: &str| UnixMillis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        for (now, period, from, to) in [
            ("2026-11-27T21:00:00Z", Period::Day, "2026-11-27T00:00:00Z", Some("2026-11-28T00:00:00Z")),
            ("2026-11-27T21:00:00Z", Period::Week, "2026-11-23T00:00:00Z", Some("2026-11-30T00:00:00Z")),
            ("2026-11-27T21:00:00Z", Period::Month, "2026-11-01T00:00:00Z", Some("2026-12-01T00:00:00Z")),
            ("2024-02-29T23:59:59Z", Period::Month, "2024-02-01T00:00:00Z", Some("2024-03-01T00:00:00Z")),
            ("2026-12-01T00:00:00Z", Period::Month, "2026-12-01T00:00:00Z", Some("2027-01-01T00:00:00Z")),
            ("2026-11-23T00:00:00Z", Period::Week, "2026-11-23T00:00:00Z", Some("2026-11-30T00:00:00Z")),
            ("2026-11-27T21:00:00Z", Period::Total, "1970-01-01T00:00:00Z", None),
        ] {
            assert_eq!(period.around(at(now)), (at(from), to.map(at)), "{now} {period:?}");
        }
    }

    #[test]
    fn a_budget_counts_its_period_only() {
        let budget = Budget { before: Money(7_000_000), ..Budget::new(Money(10_000_000), Period::Month, Brake::Hold) };
        let total = Money(9_000_000);
        assert_eq!((budget.used(total), budget.left(total)), (Money(2_000_000), Money(8_000_000)));
        assert_eq!(budget.forecast(total, Money(1_500_000)), Money(3_500_000));
        assert_eq!(budget.words(total), "2.00 of 10.00 a month, then hold");
        assert_eq!((budget.brake(), Budget { reached: true, ..budget }.brake()), (Brake::None, Brake::Hold));
    }
}
