//! An answer of the core that a pane keeps and asks for again now and then: for what no update brings.

use crate::model::fault::Fault;
use crate::model::request::{Reply, Request};
use crate::model::units::{Millis, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::UiEffect;

/// An answer about a thing `K`, read from a reply as `T`.
#[derive(Debug)]
pub struct Asked<K, T> {
    /// The first number of its questions, so that the answers of several find their way.
    numbers: u64,
    about: Option<K>,
    number: u64,
    asked_at: Option<UnixMillis>,
    waiting: bool,
    answer: Option<Result<T, String>>,
}

/// How many questions each may ask before it comes upon the numbers of the next.
const NUMBERS_EACH: u64 = 1 << 32;

impl<K: Copy + PartialEq, T> Asked<K, T> {
    /// Returns one that has asked nothing; `lane` tells it from others of the same pane, and is not 0.
    pub fn new(lane: u64) -> Self {
        let numbers = lane * NUMBERS_EACH;
        Self { numbers, about: None, number: numbers, asked_at: None, waiting: false, answer: None }
    }

    /// Turns to another thing, or to none.
    pub fn select(&mut self, about: Option<K>) {
        if self.about != about {
            let (number, numbers) = (self.number, self.numbers);
            *self = Self { numbers, about, number, asked_at: None, waiting: false, answer: None };
        }
    }

    /// Returns what it is about.
    pub fn about(&self) -> Option<K> {
        self.about
    }

    /// Asks, when what is known is as old as `every`.
    pub fn look(&mut self, every: Millis, request: impl FnOnce(K) -> Option<Request>, cx: &Cx) -> Vec<UiEffect> {
        let Some(about) = self.about else { return Vec::new() };
        if self.waiting || self.asked_at.is_some_and(|at| cx.now.since(at) < every) {
            return Vec::new();
        }
        let Some(request) = request(about) else { return Vec::new() };
        (self.asked_at, self.waiting) = (Some(cx.now), true);
        self.number += 1;
        vec![UiEffect::Ask(Ticket { from: Asker::Detail, number: self.number }, request)]
    }

    /// Says whether a reply is to a question of this one.
    pub fn owns(&self, number: u64) -> bool {
        (self.numbers + 1..self.numbers + NUMBERS_EACH).contains(&number)
    }

    /// Takes a reply that it owns; one to an older question is let go.
    pub fn answered(&mut self, number: u64, reply: &Result<Reply, Fault>, read: impl FnOnce(&Reply) -> Option<T>) {
        if number != self.number || !self.waiting {
            return;
        }
        self.waiting = false;
        self.answer = Some(match reply {
            Ok(reply) => read(reply).ok_or_else(|| "the core answered something else".to_owned()),
            Err(fault) => Err(fault.message.clone()),
        });
    }

    /// Returns the last answer, or why there is none; `None` while the first is on its way.
    pub fn answer(&self) -> Option<Result<&T, &str>> {
        self.answer.as_ref().map(|answer| answer.as_ref().map_err(String::as_str))
    }
}
