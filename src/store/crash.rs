//! Named points at which a test can end the process as a crash would: `OSTLER_CRASH_AT=name`, or `name:3` for the third
//! pass. With `OSTLER_CRASH_HOLD=DIR` it stands still there instead, while the test does something to others: it makes the
//! file `passed` in DIR and goes on when there is one named `struck`. Only with the feature `crash-points`; without it a
//! point is nothing.

/// Aborts the process here, or stands still, when `OSTLER_CRASH_AT` names this point and its pass has come.
#[cfg(feature = "crash-points")]
pub fn crash_point(name: &'static str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);
    /// Two threads that pass at once must not both count as the same pass.
    static TURN: Mutex<()> = Mutex::new(());

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("OSTLER_CRASH_AT").ok()?;
        Some(match text.rsplit_once(':') {
            Some((point, pass)) => match pass.parse() {
                Ok(pass) => (point.to_owned(), pass),
                Err(_) => (text, 1),
            },
            None => (text, 1),
        })
    });
    if let Some((point, pass)) = wanted
        && point == name
    {
        let _turn = TURN.lock();
        if PASSES.fetch_add(1, Ordering::SeqCst) + 1 == *pass {
            match std::env::var_os("OSTLER_CRASH_HOLD") {
                Some(dir) => hold(std::path::Path::new(&dir)),
                None => std::process::abort(),
            }
        }
    }
}

#[cfg(feature = "crash-points")]
fn hold(dir: &std::path::Path) {
    let _ = std::fs::write(dir.join("passed"), "");
    while !dir.join("struck").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Nothing: crash points are compiled in for tests only.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn crash_point(_name: &'static str) {}
