//! `--where`: which members of a sweep are meant, by their values and states.

use std::str::FromStr;

use super::select;
use crate::model::condition::Condition;
use crate::model::state::ExecutionState;
use crate::model::study::Entry;

/// Conditions that have to hold together.
#[derive(Clone, Debug, PartialEq)]
pub struct Where {
    conditions: Vec<Condition>,
    states: Vec<ExecutionState>,
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut conditions, mut states) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            match word.strip_prefix("state:") {
                Some(words) => states.extend(select::parse_states(words).map_err(|fault| fault.message)?),
                None => conditions.push(word.parse()?),
            }
        }
        if conditions.is_empty() && states.is_empty() {
            return Err("says nothing; the form is 'lr<0.01 batch=64 state:failed'".to_owned());
        }
        Ok(Self { conditions, states })
    }
}

impl Where {
    /// Says whether a job of a study is meant.
    pub fn fits_entry(&self, entry: &Entry) -> bool {
        let state = self.states.is_empty() || self.states.iter().any(|state| state.word() == entry.state);
        state && self.conditions.iter().all(|condition| entry.fits(condition))
    }
}
