//! From the async runtime to the sync store: one thread owns it, and each call is a message and an answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::fault::refused;
use super::{Batch, JobPage, Loaded, Reader, Store, StoreError};
use crate::model::ids::{Epoch, ExperimentId, JobId};
use crate::model::state::Job;
use crate::model::units::UnixMillis;

/// How many calls may wait for the thread. The runtime awaits each commit, so what waits are reads of others.
const WAITING_MAX: usize = 64;

type Work = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// A store behind its own thread, or in place for a simulation that has but one.
pub struct Writer {
    inside: Inside,
    reader: Option<Reader>,
}

enum Inside {
    Thread { work: mpsc::Sender<Work>, thread: JoinHandle<()> },
    Here(Mutex<Box<dyn Store>>),
}

impl Writer {
    /// Moves the store to a thread of its own.
    ///
    /// # Errors
    /// That the system gives no thread.
    pub fn spawn(mut store: Box<dyn Store>) -> Result<Self, StoreError> {
        let reader = store.reader();
        let (work, mut waiting) = mpsc::channel::<Work>(WAITING_MAX);
        let body = move || {
            while let Some(act) = waiting.blocking_recv() {
                act(store.as_mut());
            }
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(body);
        let thread =
            thread.map_err(|e| refused("store".as_ref(), format!("no thread: {e}"), "raise the limit of processes"))?;
        Ok(Self { inside: Inside::Thread { work, thread }, reader })
    }

    /// Keeps the store in place: calls block until they are done, in the order they are made, on no other thread.
    pub fn here(store: Box<dyn Store>) -> Self {
        Self { inside: Inside::Here(Mutex::new(store)), reader: None }
    }

    async fn call<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.inside {
            Inside::Here(store) => act(store.lock().unwrap_or_else(PoisonError::into_inner).as_mut()),
            Inside::Thread { work, .. } => {
                let (answer, done) = oneshot::channel();
                let act: Work = Box::new(move |store| drop(answer.send(act(store))));
                work.send(act).await.map_err(|_| ended())?;
                done.await.map_err(|_| ended())?
            }
        }
    }

    /// Reads beside the writer where that is possible.
    async fn read<T: Send + 'static>(
        &self,
        beside: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
        behind: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.reader.clone() {
            Some(reader) => tokio::task::spawn_blocking(move || beside(&reader)).await.map_err(|_| ended())?,
            None => self.call(behind).await,
        }
    }

    /// Commits a turn; see [`Store::commit`]. The future may be dropped, the commit is made all the same.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.call(move |store| store.commit(&batch)).await
    }

    /// Takes the next epoch; see [`Store::next_epoch`].
    ///
    /// # Errors
    /// As [`Store::next_epoch`].
    pub async fn next_epoch(&self, at: UnixMillis) -> Result<Epoch, StoreError> {
        self.call(move |store| store.next_epoch(at)).await
    }

    /// Reads what a start needs.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub async fn load(&self) -> Result<Loaded, StoreError> {
        self.call(|store| store.load()).await
    }

    /// Reads one job.
    ///
    /// # Errors
    /// As [`Store::job`].
    pub async fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        self.read(move |reader| reader.job(id), move |store| store.job(id)).await
    }

    /// Finds a job by its experiment and name.
    ///
    /// # Errors
    /// As [`Store::job_named`].
    pub async fn job_named(&self, experiment: ExperimentId, name: String) -> Result<Option<Arc<Job>>, StoreError> {
        let again = name.clone();
        self.read(move |r| r.job_named(experiment, &name), move |store| store.job_named(experiment, &again)).await
    }

    /// Finds the job that was submitted with this token.
    ///
    /// # Errors
    /// As [`Store::job_with_token`].
    pub async fn job_with_token(&self, token: String) -> Result<Option<Arc<Job>>, StoreError> {
        let again = token.clone();
        self.read(move |reader| reader.job_with_token(&token), move |store| store.job_with_token(&again)).await
    }

    /// Reads one page of jobs, and says whether there are more.
    ///
    /// # Errors
    /// As [`Store::jobs`].
    pub async fn jobs(&self, page: JobPage) -> Result<(Vec<Arc<Job>>, bool), StoreError> {
        let again = page.clone();
        self.read(move |reader| reader.jobs(&page), move |store| store.jobs(&again)).await
    }

    /// Ends the thread once all that was asked before is done, and closes the store.
    pub async fn close(self) {
        let Self { inside, reader } = self;
        drop(reader);
        match inside {
            Inside::Here(store) => drop(store),
            Inside::Thread { work, thread } => {
                drop(work);
                // A panic of the thread was answered to whom it concerned.
                let _ = tokio::task::spawn_blocking(move || drop(thread.join())).await;
            }
        }
    }
}

fn ended() -> StoreError {
    refused("store".as_ref(), "its thread has ended", "start ostler again; jobs on nodes go on")
}
