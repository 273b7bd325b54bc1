//! Reads the config file again when it changes, for a core that is hosted here. A file with faults changes nothing; they
//! are in the log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::Watcher as _;
use tokio::sync::{mpsc, watch};

use crate::config::{Config, Ui};
use crate::model::fault::Fault;
use crate::model::settings::Settings;

/// Editors write a file in several steps; it is read when it has been left alone for so long.
const SETTLED: Duration = Duration::from_millis(100);

/// Returns the settings as they change with the file that they were read from; `None` when there is none, or it cannot be
/// watched. Must be called inside a tokio runtime.
pub fn settings(config: &Config) -> Option<watch::Receiver<Settings>> {
    let (changed, changes) = watch::channel(config.settings.clone());
    follow(config, move |read| {
        match read {
            Ok(config) => drop(changed.send_if_modified(|settings| {
                let other = *settings != config.settings;
                settings.clone_from(&config.settings);
                other
            })),
            Err(fault) => tracing::warn!(causes = ?fault.causes, "{fault}; the values stay as they were"),
        }
        !changed.is_closed()
    })?;
    Some(changes)
}

/// Returns what concerns the screen as it changes with the file, or what is wrong with that; `None` as for [`settings`].
pub fn screen(config: &Config) -> Option<watch::Receiver<Result<Ui, Fault>>> {
    let (changed, changes) = watch::channel(Ok(config.ui.clone()));
    follow(config, move |read| {
        let read = read.map(|config| config.ui.clone());
        changed.send_if_modified(|kept| {
            let other = *kept != read;
            *kept = read;
            other
        });
        !changed.is_closed()
    })?;
    Some(changes)
}

/// Reads the file again whenever it has changed, until `hear` answers that nobody listens.
fn follow(config: &Config, hear: impl FnMut(Result<&Config, Fault>) -> bool + Send + 'static) -> Option<()> {
    let file = std::path::absolute(config.file.as_ref()?).ok()?;
    let (folder, name): (PathBuf, OsString) = (file.parent()?.to_owned(), file.file_name()?.to_owned());
    let (touch, touched) = mpsc::channel(1);
    let told = move |event: notify::Result<notify::Event>| {
        let ours = |path: &PathBuf| path.file_name() == Some(&name);
        // Being read, by us above all, is no change.
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(ours)) {
            // One word that waits is as good as many.
            let _ = touch.try_send(());
        }
    };
    let watcher =
        watch_folder(&folder, told).inspect_err(|error| tracing::warn!(%error, "the config file is not watched")).ok()?;
    tokio::spawn(reread(config.clone(), watcher, touched, hear));
    Some(())
}

/// The folder, because editors put a new file in the place of the old one.
fn watch_folder(folder: &Path, told: impl notify::EventHandler) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(told)?;
    watcher.watch(folder, notify::RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

async fn reread(
    mut config: Config,
    _watcher: notify::RecommendedWatcher,
    mut touched: mpsc::Receiver<()>,
    mut hear: impl FnMut(Result<&Config, Fault>) -> bool,
) {
    while touched.recv().await.is_some() {
        while tokio::time::timeout(SETTLED, touched.recv()).await.is_ok_and(|word| word.is_some()) {}
        let listens = match config.reread() {
            Ok(()) => hear(Ok(&config)),
            Err(fault) => hear(Err(fault)),
        };
        if !listens {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::model::units::Millis;

    /// No wait is longer.
    const DEADLINE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_wrong_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, "kill_grace = '1s'\n").unwrap();
        let sources = Sources { named_file: Some(file.clone()), ..Sources::default() };
        let config = Config::load(sources).unwrap();
        let mut changes = settings(&config).expect("a file that can be watched");
        std::fs::write(&file, "kill_grace = 'soon'\n").unwrap();
        std::fs::write(dir.path().join("new"), "kill_grace = '7s'\n").unwrap();
        std::fs::rename(dir.path().join("new"), &file).unwrap();
        tokio::time::timeout(DEADLINE, changes.changed()).await.expect("a change in time").unwrap();
        assert_eq!(changes.borrow_and_update().kill_grace, Millis::from_secs(7));
    }

    #[tokio::test]
    async fn the_screen_hears_of_changes_and_of_faults() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, "theme = 'warm'\n").unwrap();
        let config = Config::load(Sources { named_file: Some(file.clone()), ..Sources::default() }).unwrap();
        let mut changes = screen(&config).expect("a file that can be watched");
        let put = |text: &str| {
            std::fs::write(dir.path().join("new"), text).unwrap();
            std::fs::rename(dir.path().join("new"), &file).unwrap();
        };
        put("theme = 'warm'\n[keys]\nquit = 'meta-x'\nnonsense = 'a'\n");
        tokio::time::timeout(DEADLINE, changes.changed()).await.expect("a change in time").unwrap();
        let fault = changes.borrow_and_update().clone().expect_err("two faults");
        assert_eq!(fault.causes.len(), 2, "{fault:?}");
        assert!(fault.causes[0].contains("3:") && fault.causes[1].contains("4:"), "lines are named: {fault:?}");
        put("theme = 'ansi16'\n");
        tokio::time::timeout(DEADLINE, changes.changed()).await.expect("a change in time").unwrap();
        let theme = changes.borrow_and_update().clone().map(|ui| ui.theme);
        assert_eq!(theme, Ok(Some("ansi16".to_owned())));
    }
}
