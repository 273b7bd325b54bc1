//! Which job in memory has a name, or a token. The texts are those of the rows themselves.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::model::ids::{ExperimentId, JobId};
use crate::model::state::Job;

/// Jobs by what people and clients call them. One that has ended stays until the store has it as ended.
#[derive(Default)]
pub(super) struct JobNames {
    /// Of each experiment, by name in lower case.
    names: BTreeMap<ExperimentId, BTreeMap<Arc<str>, JobId>>,
    tokens: BTreeMap<Arc<str>, JobId>,
}

impl JobNames {
    /// Returns what finds these jobs; made of all at once it takes half the room.
    pub(super) fn of<'a>(jobs: impl Iterator<Item = &'a Arc<Job>>) -> Self {
        let (mut names, mut tokens) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
        for job in jobs {
            names.entry(job.experiment).or_default().push((lower(&job.name), job.id));
            tokens.extend(job.token.clone().map(|token| (token, job.id)));
        }
        let names = names.into_iter().map(|(experiment, names)| (experiment, names.into_iter().collect())).collect();
        Self { names, tokens: tokens.into_iter().collect() }
    }

    /// Makes a job findable.
    pub(super) fn add(&mut self, job: &Job) {
        self.names.entry(job.experiment).or_default().insert(lower(&job.name), job.id);
        if let Some(token) = &job.token {
            self.tokens.insert(token.clone(), job.id);
        }
    }

    /// Forgets a job.
    pub(super) fn forget(&mut self, job: &Job) {
        if let Some(names) = self.names.get_mut(&job.experiment) {
            names.remove(&lower(&job.name));
            if names.is_empty() {
                self.names.remove(&job.experiment);
            }
        }
        if let Some(token) = &job.token {
            self.tokens.remove(token);
        }
    }

    /// Returns the job of an experiment with this name, in whatever case.
    pub(super) fn named(&self, experiment: ExperimentId, name: &str) -> Option<JobId> {
        self.names.get(&experiment)?.get(name.to_ascii_lowercase().as_str()).copied()
    }

    /// Returns the job with this token.
    pub(super) fn with_token(&self, token: &str) -> Option<JobId> {
        self.tokens.get(token).copied()
    }

    /// Returns the name of a job of an experiment that is called as a member of a sweep of that name would be.
    pub(super) fn numbered(&self, experiment: ExperimentId, sweep: &str) -> Option<&str> {
        let prefix = format!("{}-", sweep.to_ascii_lowercase());
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let names = self.names.get(&experiment)?.range::<str, _>(from).map(|(name, _)| &**name);
        let mut numbers = names.map_while(|name| Some((name, name.strip_prefix(&prefix)?)));
        let found = numbers.find(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        found.map(|(name, _)| name)
    }
}

/// Returns a name as it is looked up; mostly it is that already.
fn lower(name: &Arc<str>) -> Arc<str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.clone(),
    }
}
