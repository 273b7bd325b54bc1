//! What the nodes of a cluster have cost and cost now, as sums that each change of a node moves on, so that no event looks at all
//! nodes. What is reckoned of a moment is reckoned of the sums: a price times all the time that was paid at it. That is more than
//! the nodes one by one come to by less than a millionth for each and each use, which they round down.

use std::collections::BTreeMap;

use crate::model::cost::{Spent, Standing, Use};
use crate::model::guard::guard;
use crate::model::state::Node;
use crate::model::units::{Millis, Money, UnixMillis};

/// What the ledger knows of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    price: Money,
    does: Use,
    /// Since when it does that.
    at: UnixMillis,
    /// How long it was busy, idle and unusable before.
    spans: [Millis; 3],
}

impl Account {
    pub(super) fn of(node: &Node) -> Self {
        let meter = &node.meter;
        Self { price: node.price, does: Use::of(node), at: meter.at, spans: [meter.busy, meter.idle, meter.unusable] }
    }
}

/// The nodes of one price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    nodes: u32,
    /// How long they were busy, idle and unusable, up to what they do now.
    spans: [u64; 3],
    /// How many do which of these now, and the sum of the moments since when.
    doing: [(u32, i64); 3],
}

impl Sum {
    fn enter(&mut self, node: &Account) {
        self.nodes += 1;
        for (all, one) in self.spans.iter_mut().zip(node.spans) {
            *all += one.0;
        }
        if let Some(at) = place(node.does) {
            let (count, since) = &mut self.doing[at];
            (*count, *since) = (*count + 1, *since + node.at.0);
        }
    }

    fn leave(&mut self, node: &Account) {
        self.nodes -= 1;
        for (all, one) in self.spans.iter_mut().zip(node.spans) {
            *all -= one.0;
        }
        if let Some(at) = place(node.does).filter(|_| guard("ledger.paid-no-more")) {
            let (count, since) = &mut self.doing[at];
            (*count, *since) = (*count - 1, *since - node.at.0);
        }
    }

    /// Returns what these nodes have cost up to now.
    fn spent(&self, price: Money, now: UnixMillis) -> Spent {
        let cost = |at: usize| {
            let (count, since) = self.doing[at];
            // A clock that jumped backwards takes nothing away.
            let open = (i128::from(count) * i128::from(now.0) - i128::from(since)).max(0);
            price.over(Millis(self.spans[at].saturating_add(u64::try_from(open).unwrap_or(u64::MAX))))
        };
        Spent { busy: cost(BUSY), idle: cost(IDLE), unusable: cost(UNUSABLE) }
    }
}

/// The sums, by price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger(BTreeMap<Money, Sum>);

impl Ledger {
    /// Takes a node up.
    pub(super) fn enter(&mut self, node: &Account) {
        self.0.entry(node.price).or_default().enter(node);
    }

    /// Forgets a node, which was taken up as this.
    pub(super) fn leave(&mut self, node: &Account) {
        let Some(sum) = self.0.get_mut(&node.price) else { return };
        sum.leave(node);
        if sum.nodes == 0 {
            self.0.remove(&node.price);
        }
    }

    /// Returns what the sums lose when a node goes, so that all that was spent is the same before and after: a limit that was
    /// reached stays so.
    pub(super) fn parting(&self, node: &Account, now: UnixMillis) -> Spent {
        let Some(with) = self.0.get(&node.price) else { return Spent::default() };
        let mut without = *with;
        without.leave(node);
        let (with, without) = (with.spent(node.price, now), without.spent(node.price, now));
        let loses = |with: Money, without: Money| (with - without).max(Money(0));
        Spent {
            busy: loses(with.busy, without.busy),
            idle: loses(with.idle, without.idle),
            unusable: loses(with.unusable, without.unusable),
        }
    }

    /// Returns how many nodes are not paid for, because their machines are only asked for.
    pub(super) fn unpaid(&self) -> u32 {
        self.0.values().map(|sum| sum.nodes - sum.doing.iter().map(|(count, _)| count).sum::<u32>()).sum()
    }

    /// Returns the highest price.
    pub(super) fn dearest(&self) -> Option<Money> {
        self.0.keys().next_back().copied()
    }

    /// Returns how the cluster stands, of which this was spent on nodes that are gone.
    pub(super) fn standing(&self, gone: Spent, now: UnixMillis) -> Standing {
        let mut all = Standing { spent: gone, ..Standing::default() };
        for (price, sum) in &self.0 {
            all.spent = all.spent.and(sum.spent(*price, now));
            let [busy, idle, unusable] = sum.doing.map(|(count, _)| count);
            all.rate = all.rate + price.times(busy + idle + unusable);
            (all.idle_nodes, all.idle_rate) = (all.idle_nodes + idle, all.idle_rate + price.times(idle));
            all.unusable_nodes += unusable;
            all.unusable_rate = all.unusable_rate + price.times(unusable);
        }
        all
    }
}

const BUSY: usize = 0;
const IDLE: usize = 1;
const UNUSABLE: usize = 2;

fn place(does: Use) -> Option<usize> {
    match does {
        Use::None => None,
        Use::Busy => Some(BUSY),
        Use::Idle => Some(IDLE),
        Use::Unusable => Some(UNUSABLE),
    }
}
