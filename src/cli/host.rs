//! The one place where the command line finds, starts, hosts or ends a core.

use super::session::Session;
use crate::api::host::{self, HostOptions, Mode};
use crate::api::{Client, serve};
use crate::model::fault::Fault;

/// Returns the options of a host for this call.
pub fn options(session: &Session, mode: Mode) -> HostOptions {
    let mut options = HostOptions::new(session.state_dir.clone(), session.config.settings.clone(), mode);
    options.config = session.globals.config.as_ref().and_then(|path| std::path::absolute(path).ok());
    let ssh_config = session.config.ssh_config.as_ref().and_then(|path| std::path::absolute(path).ok());
    if mode != Mode::AttachOnly {
        options.changes = super::watch::settings(&session.config);
    }
    options.ssh_config = ssh_config.map(|path| path.to_string_lossy().into_owned());
    options
}

/// Opens the way to a core as the options say: one that runs, else one that is started.
///
/// # Errors
/// That none can be reached or started.
pub async fn open(session: &Session) -> Result<host::Session, Fault> {
    let mode = match (session.globals.embedded, session.globals.no_server) {
        (true, _) => Mode::ForceEmbedded,
        (false, true) => Mode::AttachOnly,
        (false, false) => Mode::NeedServer,
    };
    host::open(options(session, mode)).await
}

/// Returns the way to the core that runs.
///
/// # Errors
/// Of `Remote` when none runs, or that it cannot be reached.
pub async fn running(session: &Session) -> Result<Client, Fault> {
    Ok(host::open(options(session, Mode::AttachOnly)).await?.client())
}

/// Hosts the core until it is told to stop or has nothing to do.
///
/// # Errors
/// That another process hosts it, or that it cannot start.
pub async fn serve(session: &Session, background: bool, take_over: bool) -> Result<(), Fault> {
    let options = options(session, Mode::ForceEmbedded);
    // A person's take-over ends the host that runs; that of another ostler is agreed on with it.
    if take_over && !background {
        session.out.note(&format!("ended the former host (pid {})", host::stop(&options).await?));
    }
    serve::serve(options, serve::Serve { background, take_over: take_over && background }).await
}

/// Ends the process that hosts the core, and returns its number.
///
/// # Errors
/// That nobody hosts it, or that it does not end.
pub async fn stop(session: &Session) -> Result<u32, Fault> {
    host::stop(&options(session, Mode::AttachOnly)).await
}
