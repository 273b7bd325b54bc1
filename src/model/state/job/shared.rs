//! What is the same for many jobs, in memory once. Jobs are made one after another, when a start reads them or an array comes
//! up, and mostly have what the one before had: that one's is taken when it is equal. What is found so is never more than a
//! saving: nothing asks whether it is the same place in memory.

use std::cell::RefCell;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::JobSpec;
use crate::model::spec::job::LaunchShape;

thread_local! {
    /// What this thread has read last as what was asked for, and its text.
    static SPEC: RefCell<Option<(Box<RawValue>, Arc<JobSpec>)>> = const { RefCell::new(None) };
    static SHAPE: RefCell<Option<Arc<LaunchShape>>> = const { RefCell::new(None) };
    static FOLDER: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Reads what was asked for. It is most of what a waiting job is in memory, and of the time that it takes to read one.
pub(super) fn spec<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<JobSpec>, D::Error> {
    let text = Box::<RawValue>::deserialize(d)?;
    SPEC.with_borrow_mut(|last| match last {
        Some((before, spec)) if before.get() == text.get() => Ok(spec.clone()),
        _ => {
            let spec: Arc<JobSpec> = Arc::new(serde_json::from_str(text.get()).map_err(D::Error::custom)?);
            *last = Some((text, spec.clone()));
            Ok(spec)
        }
    })
}

/// Returns the shape of a job's launch plan as jobs hold it.
pub fn shared_shape(shape: LaunchShape) -> Arc<LaunchShape> {
    SHAPE.with_borrow_mut(|last| match last {
        Some(before) if **before == shape => before.clone(),
        _ => last.insert(Arc::new(shape)).clone(),
    })
}

/// The output segment of a job without what its name and uuid say, which is one text for all jobs of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(
    /// Up to the name, and so with `/` at its end. One that is no such path is here as it is.
    Arc<str>,
);

impl Folder {
    /// Returns the folder in which a segment lies that ends in this name and uuid.
    pub fn of(segment: &str, name: &str, uuid: Uuid) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let above = segment.strip_suffix(&*uuid.hyphenated().encode_lower(&mut buffer));
        let above = above.and_then(|above| above.strip_suffix('/')?.strip_suffix(name)).filter(|above| above.ends_with('/'));
        let text = above.unwrap_or(segment);
        FOLDER.with_borrow_mut(|last| match last {
            Some(before) if **before == *text => Self(before.clone()),
            _ => Self(last.insert(text.into()).clone()),
        })
    }

    /// Returns the segment of the job of this name and uuid.
    pub fn segment(&self, name: &str, uuid: Uuid) -> String {
        match self.0.ends_with('/') {
            true => format!("{}{name}/{uuid}", self.0),
            false => self.0.to_string(),
        }
    }
}
