//! Removes the logs of ended jobs that are too old or too many: copies here, logs in the spools of nodes, and spools of
//! nodes of this machine that are no longer ours. Never a live job's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::files::{Desk, FileError, FilePath, LinkSource, TreeFile};
use crate::model::ids::JobId;
use crate::model::settings::Settings;
use crate::model::state::Job;
use crate::model::units::UnixMillis;
use crate::runtime::keep::{Keeper, Spool, remove, size_of};
use crate::runtime::shelf::folders;

/// The longest time between two looks.
const EVERY_MAX: Duration = Duration::from_secs(3600);
/// The folder beside the spools in which nodes find out that they share it.
const SHARED: &str = "shared";
/// The shortest.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// Returns how long to wait for the next look: a tenth of the time that logs are kept, so that none stays much longer.
pub fn every(settings: &Settings) -> Duration {
    (settings.log_retention.to_std() / 10).clamp(EVERY_MIN, EVERY_MAX)
}

/// Logs of one job that can be removed as a whole.
struct Lot<T> {
    what: T,
    /// When its job ended; `None` while it lives.
    ended: Option<UnixMillis>,
    bytes: u64,
}

impl<T> Lot<T> {
    /// Says which are to go: those that are too old, and then, while there are too many, those that ended first.
    fn expired(mut lots: Vec<Self>, settings: &Settings, now: UnixMillis) -> Vec<T> {
        let mut sum: u64 = lots.iter().map(|lot| lot.bytes).sum();
        lots.retain(|lot| lot.ended.is_some());
        lots.sort_by_key(|lot| lot.ended);
        let mut gone = Vec::new();
        for lot in lots {
            let old = lot.ended.is_some_and(|ended| now.since(ended) > settings.log_retention);
            if old || sum > settings.log_max_bytes.0 {
                sum -= lot.bytes;
                gone.push(lot.what);
            }
        }
        gone
    }
}

fn end_of(job: &Job) -> Option<UnixMillis> {
    if job.state.ended() { job.last.ended } else { None }
}

/// Looks at the copies: those of jobs that are gone go, then those that are too old or too many. Returns how many jobs'.
pub async fn sweep_copies(keeper: &Keeper, now: UnixMillis) -> usize {
    let all = folders(keeper.shelf.root()).into_iter();
    let all: Vec<_> = all.filter_map(|path| Some((path.file_name()?.to_str()?.parse::<JobId>().ok()?, path))).collect();
    if all.is_empty() || keeper.reader.is_none() {
        return 0;
    }
    let jobs = match keeper.jobs(all.iter().map(|(id, _)| *id).collect()).await {
        Ok(jobs) => jobs,
        // Without knowing whose they are none is removed.
        Err(_) => return 0,
    };
    let (mut gone, mut lots) = (Vec::new(), Vec::new());
    for (id, path) in all {
        match jobs.get(&id) {
            None => gone.push(path),
            Some(job) => lots.push(Lot { ended: end_of(job), bytes: size_of(&path), what: path }),
        }
    }
    gone.extend(Lot::expired(lots, &keeper.settings, now));
    gone.iter().filter(|path| remove(path).is_ok()).count()
}

/// Looks at the logs in a node's spool. Logs of jobs that are gone count as ended when they last changed. Returns how many
/// jobs' went.
///
/// # Errors
/// The node does not answer.
pub async fn sweep_node<L: LinkSource>(
    desk: &Desk<L>,
    root: &str,
    keeper: &Keeper,
    now: UnixMillis,
) -> Result<usize, FileError> {
    let spool = Spool::read(desk, root).await?;
    let Ok(jobs) = keeper.jobs(spool.jobs.keys().copied().collect()).await else { return Ok(0) };
    let jobs: BTreeMap<String, &Job> = jobs.values().map(|job| (job.segment(), &**job)).collect();
    let mut lots = Vec::new();
    for (segment, files) in spool.logs {
        let ended = match jobs.get(&segment) {
            Some(job) => end_of(job),
            None => files.iter().map(|file| file.modified).max(),
        };
        lots.push(Lot { ended, bytes: files.iter().map(|file: &TreeFile| file.size).sum(), what: segment });
    }
    let mut count = 0;
    for segment in Lot::expired(lots, &keeper.settings, now) {
        let folder: FilePath = Spool::folder(root, &segment)?;
        desk.drop_folder(&folder).await?;
        count += 1;
    }
    Ok(count)
}

/// Removes the directories that jobs shared among nodes with the homes of this one, once their jobs have ended so long ago
/// that logs would go too, or are gone. Returns how many.
///
/// # Errors
/// The node does not answer.
pub async fn sweep_shared<L: LinkSource>(
    desk: &Desk<L>,
    root: &str,
    keeper: &Keeper,
    now: UnixMillis,
) -> Result<usize, FileError> {
    let Some((parent, _)) = root.rsplit_once('/').filter(|_| keeper.reader.is_some()) else { return Ok(0) };
    let Some(found) = desk.entries(&FilePath::below(parent, SHARED)?, 0).await? else { return Ok(0) };
    let job_of = |name: &str| name.split_once('.').and_then(|(job, _)| job.parse::<u64>().ok()).map(JobId);
    let old = |at: UnixMillis| now.since(at) > keeper.settings.log_retention;
    let all: Vec<_> = found.entries.iter().filter_map(|entry| Some((job_of(&entry.name)?, entry))).collect();
    let Ok(jobs) = keeper.jobs(all.iter().map(|(id, _)| *id).collect()).await else { return Ok(0) };
    let mut count = 0;
    for (id, entry) in all {
        let goes = match jobs.get(&id) {
            None => old(entry.modified),
            Some(job) => end_of(job).is_some_and(old),
        };
        if goes {
            desk.drop_folder(&FilePath::below(parent, &format!("{SHARED}/{}", entry.name))?).await?;
            count += 1;
        }
    }
    Ok(count)
}

/// Looks at the spools of nodes of this machine, `<state-dir>/nodes/<cluster>/<node>`: one that is no longer a node's goes
/// when nothing in it is younger than logs are kept. `live`: the names of those that are.
pub fn sweep_spools(state_dir: &Path, live: &BTreeSet<String>, settings: &Settings, now: SystemTime) {
    for cluster in folders(&state_dir.join("nodes")) {
        for spool in folders(&cluster) {
            let name = spool.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let age = now.duration_since(newest(&spool)).unwrap_or_default();
            let used = live.contains(name) || (name == SHARED && folders(&cluster).len() > 1);
            if !used && age > settings.log_retention.to_std() {
                crate::code::loosen(&spool.join("code"));
                // What cannot be removed now is tried again.
                let _ = remove(&spool);
            }
        }
        // Only when it is empty.
        let _ = fs::remove_dir(&cluster);
    }
}

/// Returns when something below a folder last changed.
fn newest(folder: &Path) -> SystemTime {
    let own = fs::symlink_metadata(folder).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => newest(&entry.path()),
        Ok(data) => data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        Err(_) => SystemTime::UNIX_EPOCH,
    });
    below.chain([own]).max().unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::{Bytes, Millis};

    #[test]
    fn the_old_go_and_then_those_that_ended_first_and_never_a_live_one() {
        let settings = Settings { log_retention: Millis(100), log_max_bytes: Bytes(50), ..Settings::default() };
        let lot = |what: &'static str, ended: Option<i64>, bytes| Lot { what, ended: ended.map(UnixMillis), bytes };
        let lots = || {
            vec![
                lot("new", Some(1000), 20),
                lot("live", None, 30),
                lot("old", Some(899), 1),
                lot("older, in time", Some(900), 10),
                lot("newer", Some(990), 10),
            ]
        };
        assert_eq!(Lot::expired(lots(), &settings, UnixMillis(1000)), ["old", "older, in time", "newer"]);
        let roomy = Settings { log_max_bytes: Bytes(1000), ..settings.clone() };
        assert_eq!(Lot::expired(lots(), &roomy, UnixMillis(1000)), ["old"]);
        let tiny = Settings { log_max_bytes: Bytes(0), ..settings };
        assert_eq!(Lot::expired(lots(), &tiny, UnixMillis(0)), ["old", "older, in time", "newer", "new"]);
    }

    #[test]
    fn spools_of_nodes_that_are_gone_go_when_nothing_in_them_is_young() {
        let state = tempfile::tempdir().unwrap();
        let spool = |name: &str| state.path().join("nodes/c").join(name);
        for name in ["live", "gone"] {
            fs::create_dir_all(spool(name).join("logs")).unwrap();
            fs::write(spool(name).join("logs/a"), "x").unwrap();
        }
        let live = BTreeSet::from(["live".to_owned()]);
        let settings = Settings { log_retention: Millis::from_mins(1), ..Settings::default() };
        sweep_spools(state.path(), &live, &settings, SystemTime::now());
        assert!(spool("gone").exists(), "it is young");
        let later = SystemTime::now() + Duration::from_secs(61);
        sweep_spools(state.path(), &live, &settings, later);
        assert!(!spool("gone").exists() && spool("live").exists());
    }
}
