//! The controller's disk: committed turns survive, nothing else does. A commit can be made to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ostler::model::ids::{Counters, EffectId, Epoch, ExperimentId, JobId, Seq};
use ostler::model::job_column::Listed;
use ostler::model::names::same_name;
use ostler::model::snapshot::{Change, ENDED_JOBS_KEPT, RowKey};
use ostler::model::spec::secret;
use ostler::model::state::Job;
use ostler::model::units::UnixMillis;
use ostler::sched::Effect;
use ostler::store::{Batch, Have, JobPage, Loaded, Store, StoreError};
use uuid::Uuid;

/// What is on the disk.
#[derive(Debug, Default)]
pub struct Content {
    /// The last committed turn.
    pub seq: Seq,
    /// Starts so far.
    pub epoch: Epoch,
    /// The core's counters.
    pub counters: Counters,
    /// All rows, ended jobs too.
    pub rows: BTreeMap<RowKey, Change>,
    /// Effects that are not answered.
    pub outbox: BTreeMap<EffectId, Effect>,
    /// Sealed values with their owners.
    pub sealed: BTreeMap<Uuid, (RowKey, Vec<u8>)>,
    /// The next commit fails.
    pub fail_next: bool,
}

/// A handle to the disk; what a core holds goes away with it, the content stays.
#[derive(Clone, Debug, Default)]
pub struct Disk(pub Arc<Mutex<Content>>);

impl Disk {
    /// Looks at or changes the content.
    pub fn with<T>(&self, f: impl FnOnce(&mut Content) -> T) -> T {
        f(&mut self.0.lock().expect("no panic while the disk is held"))
    }

    /// Returns a job's row.
    pub fn row(&self, id: JobId) -> Option<Arc<Job>> {
        self.with(|c| match c.rows.get(&RowKey::Job(id)) {
            Some(Change::Job(job)) => Some(job.clone()),
            _ => None,
        })
    }

    /// Says whether a job has a row, or is a member of one that has and from which it has yet to come up.
    pub fn holds(&self, id: JobId) -> bool {
        let to_come = |row: &Change| match row {
            Change::Sweep(row) => row.index_of(id).is_some_and(|index| row.left.contains(index)),
            _ => false,
        };
        self.row(id).is_some() || self.with(|c| c.rows.values().any(to_come))
    }

    fn find(&self, fits: impl Fn(&Job) -> bool) -> Option<Arc<Job>> {
        self.with(|c| {
            c.rows.values().find_map(|row| match row {
                Change::Job(job) if fits(job) => Some(job.clone()),
                _ => None,
            })
        })
    }
}

fn key_of(change: &Change) -> RowKey {
    match change {
        Change::Group(row) => RowKey::Group(row.id),
        Change::FileServer(row) => RowKey::FileServer(row.id),
        Change::Workspace(row) => RowKey::Workspace(row.id),
        Change::Cluster(row) => RowKey::Cluster(row.id),
        Change::Node(row) => RowKey::Node(row.id),
        Change::Experiment(row) => RowKey::Experiment(row.id),
        Change::Sweep(row) => RowKey::Sweep(row.id),
        Change::Job(row) => RowKey::Job(row.id),
        Change::Site(site) => RowKey::Site(site.cluster),
        Change::Gone(key) => *key,
    }
}

/// Says whether a row refers to a sealed value.
fn mentions(row: &Change, id: Uuid) -> bool {
    let kept = match row {
        Change::Job(job) => secret::kept_of_job(&job.spec),
        Change::Sweep(sweep) => sweep.spec.array_of.iter().flat_map(|member| secret::kept_of_job(member)).collect(),
        _ => Vec::new(),
    };
    kept.contains(&id)
}

impl Store for Disk {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.with(|c| {
            if std::mem::take(&mut c.fail_next) {
                return Err(StoreError::Refused { path: "simulated".into(), why: "no room".into(), hint: String::new() });
            }
            assert_eq!(batch.seq, c.seq.next(), "turns are committed one after the other");
            assert_eq!(batch.epoch, c.epoch, "I15: only the newest core commits");
            c.seq = batch.seq;
            c.counters = batch.counters;
            for change in &batch.rows {
                let key = key_of(change);
                match change {
                    Change::Gone(RowKey::Experiment(id)) => {
                        c.rows.retain(|_, row| !matches!(row, Change::Job(job) if job.experiment == *id));
                        c.rows.remove(&key);
                    }
                    Change::Gone(_) => drop(c.rows.remove(&key)),
                    row => drop(c.rows.insert(key, row.clone())),
                }
            }
            for value in &batch.sealed {
                c.sealed.insert(value.id, (value.owner, value.bytes.clone()));
            }
            let rows = &c.rows;
            c.sealed.retain(|id, (owner, _)| rows.contains_key(owner) || rows.values().any(|row| mentions(row, *id)));
            for effect in &batch.issued {
                c.outbox.insert(effect.id, effect.clone());
            }
            for id in &batch.answered {
                assert!(c.outbox.remove(id).is_some(), "{id} is answered but was never issued");
            }
            Ok(())
        })
    }

    fn next_epoch(&mut self, _at: UnixMillis) -> Result<Epoch, StoreError> {
        Ok(self.with(|c| {
            c.epoch = c.epoch.next();
            c.epoch
        }))
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(self.with(|c| {
            let (mut rows, mut ended) = (Vec::new(), Vec::new());
            for row in c.rows.values() {
                match row {
                    Change::Job(job) if job.state.ended() => ended.push(job.clone()),
                    row => rows.push(row.clone()),
                }
            }
            let old = ended.len().saturating_sub(ENDED_JOBS_KEPT);
            Loaded {
                seq: c.seq,
                counters: c.counters,
                rows,
                ended: ended.split_off(old),
                outbox: c.outbox.values().cloned().collect(),
            }
        }))
    }

    fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        Ok(self.row(id))
    }

    fn job_named(&self, experiment: ExperimentId, name: &str) -> Result<Option<Arc<Job>>, StoreError> {
        Ok(self.find(|job| job.experiment == experiment && same_name(&job.name, name)))
    }

    fn numbered_job(&self, experiment: ExperimentId, before: &str) -> Result<Option<String>, StoreError> {
        let numbered = |name: &str| {
            let number = name.to_ascii_lowercase();
            let number = number.strip_prefix(&before.to_ascii_lowercase()).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        };
        Ok(self.find(|job| job.experiment == experiment && numbered(&job.name)).map(|job| job.name.to_string()))
    }

    fn job_with_token(&self, token: &str) -> Result<Option<Arc<Job>>, StoreError> {
        Ok(self.find(|job| job.token.as_deref() == Some(token)))
    }

    fn sealed(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.with(|c| c.sealed.get(&id).map(|(_, bytes)| bytes.clone())))
    }

    fn listed(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Listed>, bool), StoreError> {
        self.jobs(page, have).map(|(jobs, more)| (jobs.into_iter().map(Listed::Whole).collect(), more))
    }

    fn jobs(&self, page: &JobPage, _: Have<'_>) -> Result<(Vec<Arc<Job>>, bool), StoreError> {
        let fits = |job: &Job| {
            page.after.is_none_or(|after| job.id > after) && (page.states.is_empty() || page.states.contains(&job.state))
        };
        let mut jobs = self.with(|c| {
            let all = c.rows.values().filter_map(|row| match row {
                Change::Job(job) if fits(job) => Some(job.clone()),
                _ => None,
            });
            all.collect::<Vec<_>>()
        });
        let more = jobs.len() > page.limit as usize;
        jobs.truncate(page.limit as usize);
        Ok((jobs, more))
    }
}
