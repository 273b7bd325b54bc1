//! The one place where the command line finds, starts or hosts a core.

use super::session::Session;
use crate::api::Client;
use crate::model::fault::Fault;

/// Returns the way to a core: one that runs, else one that is started.
///
/// # Errors
/// That none can be reached or started.
pub async fn client(session: &Session) -> Result<Client, Fault> {
    running(session).await?.ok_or_else(|| Fault::remote("nobody hosts the core"))
}

/// Returns the way to the core that runs, if one does.
///
/// # Errors
/// That one runs and cannot be reached.
pub async fn running(_session: &Session) -> Result<Option<Client>, Fault> {
    Ok(None)
}

/// Hosts the core until it is told to stop or has nothing to do.
///
/// # Errors
/// That another process hosts it, or that it cannot start.
pub async fn serve(_session: &Session, _take_over: bool) -> Result<(), Fault> {
    Err(Fault::internal("no core is linked"))
}
