//! Care for the database of a state directory by hand: looked at and copied beside a core, mended only while none runs.

use std::path::Path;

use super::host::HostOptions;
use super::hosting::now;
use crate::model::fault::Fault;
use crate::model::units::Bytes;
use crate::store::lock::{Holder, Lock, LockError};
use crate::store::{DATABASE_FILE, care, salvage};

pub use crate::store::care::Finding;
pub use crate::store::salvage::{Recovered, Saved};

/// Looks at the whole database and changes nothing.
///
/// # Errors
/// There is none, it is not ours, or a newer version made it.
pub fn check(options: &HostOptions) -> Result<Vec<Finding>, Fault> {
    Ok(care::examine(&options.state_dir.join(DATABASE_FILE))?)
}

/// Writes a copy of the database as of one moment.
///
/// # Errors
/// `to` is there and may not be replaced, it cannot be written, or the database is damaged.
pub fn backup(options: &HostOptions, to: &Path, replace: bool) -> Result<Bytes, Fault> {
    Ok(care::back_up(&options.state_dir.join(DATABASE_FILE), to, replace)?)
}

/// Saves what can be read of a damaged database: in its place, or into `to`.
///
/// # Errors
/// A core runs, nothing can be read, or the new file cannot be written.
pub fn recover(options: &HostOptions, to: Option<&Path>) -> Result<Recovered, Fault> {
    let _lock = lock(options)?;
    let path = options.state_dir.join(DATABASE_FILE);
    let recovered = salvage::recover(&path, to, now())?;
    if to.is_none() {
        salvage::settle(&path)?;
    }
    Ok(recovered)
}

/// Takes on a database that is older than its nodes may be, and says how many jobs are held now; `None` when it is not.
///
/// # Errors
/// A core runs, or the database cannot be used.
pub fn adopt(options: &HostOptions) -> Result<Option<u64>, Fault> {
    let _lock = lock(options)?;
    Ok(salvage::adopt(&options.state_dir.join(DATABASE_FILE), now())?)
}

/// Sees to it that no core runs and none comes.
fn lock(options: &HostOptions) -> Result<Lock, Fault> {
    let path = options.state_dir.join(DATABASE_FILE);
    // A directory without a database is left as it is.
    care::present(&path)?;
    Lock::take(&options.state_dir, &Holder::this_process(now(), &options.socket()?)).map_err(|error| match error {
        LockError::Held { .. } => {
            Fault::user(error.to_string()).hint("end it first, jobs go on meanwhile: ostler serve --stop")
        }
        LockError::Refused(error) => error.into(),
    })
}
