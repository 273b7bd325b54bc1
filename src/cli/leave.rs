//! Waiting until what was told to go is gone, or leaving it to itself (`--no-wait`).

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::failure::Failure;
use super::lists::Lists;
use super::session::{Core, Session};
use crate::model::fault::FaultCode;
use crate::model::ids::JobId;
use crate::model::request::{JobRef, JobView, Reply, Request};
use crate::model::units::Millis;

/// How long a command waits: twice as long as a process has to end by itself (`kill_grace`). A node that is out of
/// sight takes longer, and then a person is told instead of kept.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks: short for a person, nothing for the core.
const PAUSE: Duration = Duration::from_millis(150);

/// The option.
#[derive(Args, Clone, Copy, Debug)]
pub struct NoWait {
    /// Do not wait until it is done
    #[arg(long)]
    pub no_wait: bool,
}

/// Waits until `still` is no longer so, and says it.
///
/// # Errors
/// The core's refusal.
pub async fn until_gone(
    session: &Session,
    core: &Core,
    what: &str,
    leave: NoWait,
    still: impl Fn(&Lists) -> bool,
) -> Result<(), Failure> {
    if leave.no_wait {
        session.out.note(&format!("{what} is being deleted"));
        return Ok(());
    }
    let begin = Instant::now();
    while still(&Lists::read(core, None).await?) {
        if begin.elapsed() > PATIENCE {
            session.out.note(&format!("{what} is still being deleted; that goes on by itself"));
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    session.out.note(&format!("{what} deleted"));
    Ok(())
}

/// Waits until a job has ended or is gone; `None` when it is gone, or still there after some time.
///
/// # Errors
/// The core's refusal.
pub async fn until_ended(session: &Session, core: &Core, id: JobId) -> Result<Option<std::sync::Arc<JobView>>, Failure> {
    let timeout = Some(Millis(u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX)));
    match core.ask(Request::AwaitJob { job: JobRef::Id(id), timeout }).await {
        Ok(Reply::Job(view)) if view.job.state.ended() => Ok(Some(view)),
        Ok(Reply::Job(view)) => {
            session.out.note(&format!("{} is still being stopped; that goes on by itself", view.job.name));
            Ok(None)
        }
        Ok(other) => Err(super::session::unexpected(&other)),
        Err(Failure::Fault(fault)) if fault.code == Some(FaultCode::ResourceNotFound) => Ok(None),
        Err(other) => Err(other),
    }
}
