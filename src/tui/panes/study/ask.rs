//! Asks for metrics: what readings come to of all jobs that may have some, page by page and one page at a time; points of curves
//! only of jobs that are looked at.

use std::collections::BTreeSet;

use crate::model::ids::{ExperimentId, JobId};
use crate::model::request::{PAGE_MAX, Request};
use crate::model::units::{Millis, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::UiEffect;
use crate::tui::subject::Subject;

/// The core looks at what jobs have written every 5 s.
const LOOK_AGAIN: Millis = Millis::from_secs(5);
/// Small curves in a table change little from one look to the next, and each is read whole.
const SMALL_AGAIN: Millis = Millis::from_secs(15);
/// The first number of its questions, beyond those of the other parts of the pane.
const NUMBERS: u64 = 9 << 32;
/// Curves asked for at once: a screen full of rows.
const CURVES_ONCE: usize = 128;

/// What is asked and what is yet to be.
#[derive(Debug, Default)]
pub struct Ask {
    experiment: Option<ExperimentId>,
    /// Jobs that may have something new to say.
    open: BTreeSet<JobId>,
    /// Those of them that are yet to be asked about in this round.
    round: Vec<JobId>,
    round_at: Option<UnixMillis>,
    /// Jobs of the experiment that have been taken into `open`.
    taken: usize,
    number: u64,
    stats: Option<u64>,
    curves: Option<(u64, String)>,
    curves_at: Option<UnixMillis>,
    /// What the newest curves were asked for.
    looked_at: (String, Vec<JobId>),
}

impl Ask {
    /// Turns to another thing.
    pub fn select(&mut self, about: Option<Subject>) {
        let _ = about;
        *self = Self { number: self.number, ..Self::default() };
    }

    /// Takes jobs up again that have changed.
    pub fn changed(&mut self, jobs: &[JobId], whole: bool, cx: &Cx) {
        if whole {
            self.open.clear();
            self.taken = 0;
        }
        let of_it = |id: &&JobId| cx.world.job(**id).is_some_and(|job| Some(job.experiment) == self.experiment);
        self.open.extend(jobs.iter().filter(of_it));
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        NUMBERS + self.number
    }

    /// Asks what readings come to.
    pub fn stats(&mut self, about: Subject, cx: &Cx) -> Vec<UiEffect> {
        if self.stats.is_some() {
            return Vec::new();
        }
        if self.round.is_empty() {
            if self.round_at.is_some_and(|at| cx.now.since(at) < LOOK_AGAIN) {
                return Vec::new();
            }
            self.begin(about, cx);
        }
        let page = self.round.len().min(PAGE_MAX as usize);
        let jobs: Vec<JobId> = self.round.drain(..page).collect();
        if jobs.is_empty() {
            return Vec::new();
        }
        let number = self.next();
        self.stats = Some(number);
        vec![ask(number, Request::Metrics { jobs, curves: Vec::new() })]
    }

    /// Begins a round with all that have run and are not known to be complete.
    fn begin(&mut self, about: Subject, cx: &Cx) {
        self.round_at = Some(cx.now);
        let world = &cx.world;
        let wanted = |id: &JobId| {
            let ran = world.job(*id).is_some_and(|job| job.last.started.is_some());
            ran && !(world.metrics.is_complete(*id) && world.job(*id).is_some_and(|job| job.state.ended()))
        };
        match about {
            Subject::Job(id) => self.round = Some(id).filter(wanted).into_iter().collect(),
            Subject::Experiment(id) | Subject::Older(id) => {
                self.experiment = Some(id);
                let all = world.jobs_of(id);
                if all.len() < self.taken {
                    self.taken = 0;
                }
                // Identities grow, so what is new stands at the end; a page of older jobs is taken in by going through all.
                let new = if self.open.is_empty() { 0 } else { self.taken.min(all.len()) };
                self.open.extend(&all[new..]);
                self.taken = all.len();
                let done = |id: &JobId| world.job(*id).is_none_or(|job| job.state.ended()) && world.metrics.is_complete(*id);
                self.open.retain(|id| !done(id));
                self.round = self.open.iter().copied().filter(wanted).collect();
            }
            _ => {}
        }
    }

    /// Asks for points of a metric.
    pub fn curves(&mut self, metric: &str, jobs: &[JobId], small: bool, cx: &Cx) -> Vec<UiEffect> {
        if self.curves.is_some() || jobs.is_empty() {
            return Vec::new();
        }
        let old = self.curves_at.is_none_or(|at| cx.now.since(at) >= if small { SMALL_AGAIN } else { LOOK_AGAIN });
        let other = self.looked_at.0 != metric || self.looked_at.1 != jobs;
        if !old && !other {
            return Vec::new();
        }
        let world = &cx.world;
        let wanted = |id: &&JobId| match world.metrics.curve(**id, metric) {
            None => world.metrics.last(**id, metric).is_some(),
            Some(_) => old && !world.metrics.is_complete(**id),
        };
        let wanted: Vec<JobId> = jobs.iter().filter(wanted).take(CURVES_ONCE).copied().collect();
        if old {
            self.curves_at = Some(cx.now);
        }
        if wanted.is_empty() {
            return Vec::new();
        }
        self.looked_at = (metric.to_owned(), jobs.to_vec());
        let number = self.next();
        self.curves = Some((number, metric.to_owned()));
        vec![ask(number, Request::Metrics { jobs: wanted, curves: vec![metric.to_owned()] })]
    }

    /// Returns what was asked with a number: points of a metric, or what readings come to.
    pub fn asked(&self, number: u64) -> Option<Option<&str>> {
        match &self.curves {
            Some((asked, metric)) if *asked == number => Some(Some(metric)),
            _ => (self.stats == Some(number)).then_some(None),
        }
    }

    /// Takes note of an answer; says whether it was the last one of a round.
    pub fn answered(&mut self, number: u64) -> bool {
        if self.stats == Some(number) {
            self.stats = None;
            return self.round.is_empty();
        }
        if self.curves.as_ref().is_some_and(|(asked, _)| *asked == number) {
            self.curves = None;
        }
        false
    }
}

fn ask(number: u64, request: Request) -> UiEffect {
    UiEffect::Ask(Ticket { from: Asker::Detail, number }, request)
}
