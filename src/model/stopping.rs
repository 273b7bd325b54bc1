//! Early stopping: when a member of a sweep is not worth its nodes any more, by what it and the others have reported. Pure:
//! values in, a verdict out.
//!
//! Decision (2026-11): plain scripts are stopped as a person would stop them, by signal with the usual grace, and end as failed
//! with the error `StoppedEarly`. What others reported at the same step is what counts, never what a clock says, so that the
//! speed of a node decides nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::study::short;

/// How members of a sweep are stopped early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stopping {
    /// By which rule.
    pub rule: Rule,
    /// The metric that decides; the first one that a job reports when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Whether larger is better.
    #[serde(default)]
    pub maximize: bool,
    /// The first step at which a member may be stopped; for the median, also how far apart such steps are.
    #[serde(default = "first_default")]
    pub first_step: u32,
    /// For successive halving: one of so many goes on, to a step so many times as far.
    #[serde(default = "factor_default")]
    pub factor: u32,
}

/// A rule for stopping early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// Asynchronous successive halving (Li et al. 2018): at steps `first`, `first * factor`, … only the best one of `factor`
    /// goes on.
    Asha,
    /// A member goes on while its best is no worse than the median of the others' means (Golovin et al. 2017).
    Median,
    /// Only values that are no numbers stop a member.
    NotANumber,
}

fn first_default() -> u32 {
    1
}

fn factor_default() -> u32 {
    4
}

/// How many others a median is taken of at least.
const MEDIAN_OTHERS: usize = 3;

impl Stopping {
    /// Returns the rung that a step has reached, from 0; `None` before the first.
    pub fn rung(&self, step: f64) -> Option<u32> {
        let first = f64::from(self.first_step.max(1));
        if step.is_nan() || step < first {
            return None;
        }
        match self.rule {
            Rule::Asha => {
                let (mut rung, mut at) = (0, first);
                while at * f64::from(self.factor.max(2)) <= step && rung < 64 {
                    at *= f64::from(self.factor.max(2));
                    rung += 1;
                }
                Some(rung)
            }
            Rule::Median => Some((step / first).floor().min(1e6) as u32 - 1),
            Rule::NotANumber => None,
        }
    }

    /// Returns why a member stops that has just reached a rung: `own` is what it brings there, `best` the best it ever had,
    /// `others` what the others brought to the same rung.
    pub fn verdict(&self, rung: u32, own: f64, best: f64, others: &[f64]) -> Option<String> {
        let better = |one: f64, other: f64| if self.maximize { one > other } else { one < other };
        match self.rule {
            Rule::Asha => {
                let all = others.len() + 1;
                let stays = all / self.factor.max(2) as usize;
                if stays == 0 {
                    // Too few have come as far; the first to come are not held up.
                    return None;
                }
                let before = others.iter().filter(|other| better(**other, own)).count();
                (before >= stays).then(|| {
                    format!("{} is {} of {all} at rung {}; {stays} go on", short(own), ordinal(before + 1), rung + 1)
                })
            }
            Rule::Median => {
                let mut others: Vec<f64> = others.iter().copied().filter(|other| other.is_finite()).collect();
                if others.len() < MEDIAN_OTHERS {
                    return None;
                }
                others.sort_by(f64::total_cmp);
                let median = (others[(others.len() - 1) / 2] + others[others.len() / 2]) / 2.0;
                better(median, best)
                    .then(|| format!("its best, {}, is worse than the median of the others, {}", short(best), short(median)))
            }
            Rule::NotANumber => None,
        }
    }
}

fn ordinal(number: usize) -> String {
    let end = match (number % 10, number % 100) {
        (1, n) if n != 11 => "st",
        (2, n) if n != 12 => "nd",
        (3, n) if n != 13 => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

/// One round of successive halving as the published recipe has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// How many configurations run.
    pub jobs: u32,
    /// With how many epochs each.
    pub epochs: u32,
    /// How many of them go on.
    pub keep: u32,
}

/// Returns the rounds of one bracket: R = `epochs_max`, eta = `factor`; s = floor(log_eta R), n = ceil(B / R / (s + 1) * eta^s) with
/// B = (s + 1) R, r = R / eta^s; round i has floor(n / eta^i) configurations of floor(r * eta^i) epochs (batch-ai §8.5).
pub fn bracket(epochs_max: u32, factor: u32) -> Vec<Round> {
    let (most, eta) = (u64::from(epochs_max.max(1)), u64::from(factor.max(2)));
    let mut s = 0_u32;
    while eta.pow(s + 1) <= most {
        s += 1;
    }
    // B / R / (s + 1) is 1, so n is eta^s.
    let n = eta.pow(s);
    let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    (0..=s)
        .map(|round| {
            let jobs = n / eta.pow(round);
            Round { jobs: count(jobs), epochs: count(most * eta.pow(round) / eta.pow(s)).max(1), keep: count(jobs / eta) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(rule: Rule) -> Stopping {
        Stopping { rule, metric: None, maximize: false, first_step: 2, factor: 4 }
    }

    #[test]
    fn the_published_bracket() {
        let rounds: Vec<(u32, u32, u32)> = bracket(16, 4).iter().map(|r| (r.jobs, r.epochs, r.keep)).collect();
        assert_eq!(rounds, [(16, 1, 4), (4, 4, 1), (1, 16, 0)]);
        let rounds: Vec<(u32, u32, u32)> = bracket(81, 3).iter().map(|r| (r.jobs, r.epochs, r.keep)).collect();
        assert_eq!(rounds, [(81, 1, 27), (27, 3, 9), (9, 9, 3), (3, 27, 1), (1, 81, 0)]);
        assert_eq!(bracket(10, 3)[0], Round { jobs: 9, epochs: 1, keep: 3 });
        assert_eq!(bracket(1, 4), [Round { jobs: 1, epochs: 1, keep: 0 }]);
    }

    #[test]
    fn rungs_of_halving_and_of_the_median() {
        let rungs = |of: Rule| [1.0, 2.0, 7.9, 8.0, 31.0, 32.0, f64::NAN].map(|step| rule(of).rung(step));
        assert_eq!(rungs(Rule::Asha), [None, Some(0), Some(0), Some(1), Some(1), Some(2), None]);
        assert_eq!(rungs(Rule::Median), [None, Some(0), Some(2), Some(3), Some(14), Some(15), None]);
    }

    #[test]
    fn of_those_that_came_as_far_the_best_go_on() {
        let asha = rule(Rule::Asha);
        assert_eq!(asha.verdict(0, 9.0, 9.0, &[1.0, 2.0]), None, "too few have come as far");
        assert_eq!(asha.verdict(0, 0.5, 0.5, &[1.0, 2.0, 3.0]), None, "the best goes on");
        assert_eq!(asha.verdict(0, 1.5, 1.5, &[1.0, 2.0, 3.0]).unwrap(), "1.5 is 2nd of 4 at rung 1; 1 go on");
        assert_eq!(asha.verdict(0, 1.5, 1.5, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), None, "two of eight go on");
        let most = Stopping { maximize: true, ..asha };
        assert!(
            most.verdict(0, 1.5, 1.5, &[1.0, 2.0, 1.2]).is_some() && most.verdict(0, 2.5, 2.5, &[1.0, 2.0, 1.2]).is_none()
        );
    }

    #[test]
    fn who_is_worse_than_the_median_stops() {
        let median = rule(Rule::Median);
        assert_eq!(median.verdict(0, 9.0, 9.0, &[1.0, 2.0]), None);
        assert_eq!(median.verdict(0, 9.0, 1.9, &[1.0, 2.0, 3.0]), None, "its best counts, not its last");
        assert!(median.verdict(0, 9.0, 2.1, &[1.0, 2.0, 3.0]).unwrap().contains("median of the others, 2"));
        assert_eq!(median.verdict(0, 9.0, 2.1, &[1.0, f64::NAN, f64::INFINITY, 2.0]), None, "what is no number is no other");
    }
}
