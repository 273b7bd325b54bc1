//! The 28 moments of a process's life at which this program may be killed: each has a name here, and a test kills the
//! program at every one. Moments of the core are passed by [`deciding`], [`committed`], [`due`] and [`handed`], and
//! `OSTLER_CRASH_AT` names one (feature `crash-points`); those on the node and in the job are the test's to bring about,
//! while the node is there. Every name that the code passes is in [`POINTS`], and the test must die at every one of them.

use crate::model::state::Proof;
use crate::sched::{Act, Event};
use crate::store::{Batch, crash_point};
use crate::transport::Order;

/// Where a moment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In this program.
    Core,
    /// In the node's scripts.
    Node,
    /// In the job itself.
    Job,
}

/// What a process's life has to be for the moment to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs and ends by itself.
    Ends,
    /// It is terminated while it runs.
    Stopped,
}

/// A moment with a name.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Which of the 28: 1 to 11 start, 12 to 20 end, 21 to 28 stop. One that has two sides stands here twice.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub side: Side,
    /// When it comes.
    pub life: Life,
    /// What has and what has not happened then.
    pub what: &'static str,
}

const fn ends(number: u8, side: Side, name: &'static str, what: &'static str) -> Point {
    Point { number, name, side, life: Life::Ends, what }
}

const fn stopped(number: u8, side: Side, name: &'static str, what: &'static str) -> Point {
    Point { number, name, side, life: Life::Stopped, what }
}

/// All of them, in the order of their numbers.
pub const POINTS: &[Point] = &[
    ends(1, Side::Core, "intent.deciding", "the start is decided and not committed; the submit is"),
    ends(1, Side::Core, "intent.committed", "the start is committed and nothing is sent"),
    ends(2, Side::Core, "start.due", "the start is about to be handed to the link"),
    ends(2, Side::Core, "start.handed", "the start is handed to the link and perhaps not sent"),
    ends(3, Side::Node, "node.heard", "the agent has the order and has looked at nothing"),
    ends(4, Side::Node, "node.locking", "the agent is about to take the start lock"),
    // Lock and owner are one write of the agent, so there is no moment between 4 and 5 but before and after it.
    ends(5, Side::Node, "node.locked", "the lock with its owner is there and no supervisor knows"),
    // Here the supervisor is told first and the time limit armed then: the limit stands in the record from the lock on.
    ends(6, Side::Node, "node.armed", "the watch of the time limit is armed"),
    ends(7, Side::Node, "node.told", "the supervisor is told and the watch of the time limit is not armed"),
    ends(8, Side::Node, "node.named", "the process has written down who it is, and is not yet the job"),
    ends(9, Side::Job, "job.runs", "the job runs its first command"),
    ends(10, Side::Core, "started.heard", "the start is heard and not committed"),
    ends(11, Side::Core, "started.committed", "the start is committed and not published"),
    ends(12, Side::Job, "job.ends", "the job runs its last command"),
    // The exit record is one appended line, so 13 is before and 14 after that one write.
    ends(13, Side::Node, "node.ended", "the supervisor has the exit code and has not written it"),
    ends(14, Side::Node, "node.kept", "the exit record is there and nobody is told"),
    ends(15, Side::Node, "node.noticed", "the agent is told of the end and has not said it"),
    ends(16, Side::Core, "gone.heard", "the end is heard and not committed"),
    ends(17, Side::Core, "gone.committed", "the end is committed and not published"),
    ends(18, Side::Core, "ack.due", "the acknowledgement is about to be handed to the link"),
    ends(18, Side::Core, "ack.handed", "the acknowledgement is handed to the link and waits there for others"),
    ends(19, Side::Node, "node.acked", "the agent has the acknowledgement and has moved nothing"),
    ends(19, Side::Core, "acked.heard", "the node's word that it has the acknowledgement is heard and not committed"),
    ends(19, Side::Core, "acked.committed", "the same is committed"),
    // The agent cleans up at the acknowledgement, when the record has moved.
    ends(20, Side::Node, "node.cleaning", "the record has moved to the ones done with, and the node has not said so"),
    stopped(21, Side::Core, "stop.deciding", "the stop is decided and not committed, and nobody is answered"),
    stopped(21, Side::Core, "stop.committed", "the stop is committed and nothing is sent"),
    stopped(22, Side::Core, "stop.due", "the stop is about to be handed to the link"),
    stopped(22, Side::Core, "stop.handed", "the stop is handed to the link and perhaps not sent"),
    stopped(23, Side::Node, "node.term", "TERM is sent to all of it"),
    stopped(24, Side::Node, "node.grace", "its killer waits, because it ignores TERM"),
    stopped(25, Side::Node, "node.kill", "the wait is over and KILL is not sent"),
    stopped(26, Side::Node, "node.scan", "the group is killed and what left the group is not"),
    stopped(27, Side::Node, "node.proven", "nothing of it is left and nobody is told"),
    stopped(27, Side::Core, "proof.heard", "the proof is heard and not committed"),
    stopped(28, Side::Core, "proof.committed", "the end as terminated is committed and not published"),
];

/// Says to a test that the process is at this moment.
fn pass(name: &'static str) {
    debug_assert!(POINTS.iter().any(|point| point.name == name && point.side == Side::Core), "{name}");
    crash_point(name);
}

/// Passes the moments before the commit of a turn.
pub fn deciding(batch: &Batch) {
    if cfg!(feature = "crash-points") {
        moments(batch).for_each(|(before, _)| pass(before));
    }
}

/// Passes the moments after the commit of a turn, before anything of it is answered, published or sent.
pub fn committed(batch: &Batch) {
    if cfg!(feature = "crash-points") {
        moments(batch).for_each(|(_, after)| pass(after));
    }
}

/// Passes the moment before an order is handed to its link; returns the one after it, for [`handed`].
pub fn due(order: &Order) -> Option<&'static str> {
    let (before, after) = match order {
        Order::Start { .. } => ("start.due", "start.handed"),
        Order::Stop { .. } => ("stop.due", "stop.handed"),
        Order::Ack { .. } => ("ack.due", "ack.handed"),
        Order::Recall { .. } | Order::Refuse { .. } | Order::AnswerDaemon { .. } => return None,
    };
    pass(before);
    Some(after)
}

/// Passes the moment after an order was handed to its link.
pub fn handed(moment: Option<&'static str>) {
    if let Some(moment) = moment {
        pass(moment);
    }
}

/// Returns what a turn decides and hears, each as its moment before and after the commit.
fn moments(batch: &Batch) -> impl Iterator<Item = (&'static str, &'static str)> {
    let issued = batch.issued.iter().filter_map(|effect| match effect.act {
        Act::StartRank { .. } => Some(("intent.deciding", "intent.committed")),
        Act::StopRank { .. } => Some(("stop.deciding", "stop.committed")),
        Act::AcquireNode { .. }
        | Act::PrepareNode { .. }
        | Act::KeepLogs { .. }
        | Act::ReleaseNode { .. }
        | Act::RecallRank { .. }
        | Act::AckGone { .. }
        | Act::AnswerDaemon { .. }
        | Act::SetUpServer { .. }
        | Act::UndoServer { .. }
        | Act::Notify { .. }
        | Act::ExpandSweep { .. } => None,
    });
    // Without a webhook, and without launchers, what is done is an acknowledgement.
    let heard = batch.events.iter().filter_map(|event| {
        if let Event::RankGone { proof, .. } = event {
            return Some(match proof {
                Proof::Exit { why: Some(_), .. } => ("proof.heard", "proof.committed"),
                Proof::Exit { why: None, .. }
                | Proof::Told { .. }
                | Proof::Fenced
                | Proof::Refused { .. }
                | Proof::Rebooted { .. }
                | Proof::Lost { .. }
                | Proof::Judged { .. }
                | Proof::MachineGone
                | Proof::DeclaredDead { .. } => ("gone.heard", "gone.committed"),
            });
        }
        let started = matches!(event, Event::RankStarted { .. }).then_some(("started.heard", "started.committed"));
        started.or(matches!(event, Event::EffectDone { .. }).then_some(("acked.heard", "acked.committed")))
    });
    issued.chain(heard)
}
