//! The log of the program itself: a file a day below the state directory, kept for a week; never the terminal.

use std::os::unix::fs::DirBuilderExt;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use super::args::Noun;
use super::session::{Environment, Session};

/// How many days are kept.
const DAYS: usize = 7;
/// How many lines may wait for the disk; what is more is left out. The room for all of them is taken at the start, 32 bytes each,
/// and the crate's own 128,000 were half of the memory that an empty core had for itself.
const LINES_WAITING_MAX: usize = 8_192;

/// Opens the log when this process may host a core, or when it is asked for by `OSTLER_LOG` or `-vv`. What is written last
/// reaches the file when the guard is dropped. Without a log the program works all the same.
pub fn open(session: &Session, noun: Option<&Noun>, environment: &Environment) -> Option<WorkerGuard> {
    let asked = environment.get("OSTLER_LOG").filter(|filter| !filter.is_empty());
    let hosts = match noun {
        None => true,
        Some(Noun::Serve(serve)) => !serve.status && !serve.stop,
        Some(_) => session.globals.embedded,
    };
    if asked.is_none() && session.globals.verbose < 2 && !hosts {
        return None;
    }
    let filter = match (asked, session.globals.verbose) {
        (Some(filter), _) => filter.as_str(),
        (None, 0 | 1) => "info",
        (None, _) => "debug",
    };
    let Ok(filter) = filter.parse::<EnvFilter>() else {
        session.out.warn(&format!("OSTLER_LOG: `{filter}` is no filter; forms: debug, ostler=trace"));
        return None;
    };
    let folder = session.state_dir.join("log");
    let unwritten =
        |e: &dyn std::fmt::Display| session.out.warn(&format!("no log: cannot write to `{}`: {e}", folder.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|e| unwritten(&e)).ok()?;
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("ostler")
        .filename_suffix("log")
        .max_log_files(DAYS)
        .build(&folder)
        .map_err(|e| unwritten(&e))
        .ok()?;
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING_MAX).finish(file);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).finish();
    tracing::subscriber::set_global_default(subscriber).ok()?;
    Some(guard)
}
