//! Owns the demo's directory: whose it is, what lies in it, and when it may be removed. Its name says which process it
//! belongs to (pid, start time, boot), so there is no moment at which it belongs to nobody.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::model::fault::Fault;

const FILES: [(&str, &str); 3] = [
    ("train.sh", include_str!("../../../assets/demo/train.sh")),
    ("penguins.csv", include_str!("../../../assets/demo/penguins.csv")),
    ("README.md", include_str!("../../../assets/demo/README.md")),
];

/// The directory of one demo.
#[derive(Clone, Debug)]
pub struct Ground {
    dir: PathBuf,
}

impl Ground {
    /// Makes a directory for a demo of this process and puts the data there.
    ///
    /// # Errors
    /// That it cannot be made or written.
    pub fn create() -> Result<Self, Fault> {
        Self::create_in(&base())
    }

    fn create_in(base: &Path) -> Result<Self, Fault> {
        let name = owner_name(std::process::id()).ok_or_else(|| Fault::internal("/proc says nothing of this process"))?;
        let ground = Self { dir: base.join(name) };
        ground.write().map_err(|e| Fault::user(format!("cannot make `{}`", ground.dir.display())).because(&e))?;
        Ok(ground)
    }

    fn write(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.data_dir())?;
        for (name, content) in FILES {
            fs::write(self.data_dir().join(name), content)?;
        }
        Ok(())
    }

    /// Returns the directory for the demo's state.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Returns the directory that the jobs read.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Says whether no core was ever started here.
    pub fn is_empty(&self) -> bool {
        !self.state_dir().exists()
    }

    /// Removes the directory. Only after `finish` has said that nothing runs in it any more.
    ///
    /// # Errors
    /// That something in it cannot be removed.
    pub fn remove(self) -> Result<(), Fault> {
        crate::code::loosen(&self.state_dir().join("nodes"));
        match fs::remove_dir_all(&self.dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Fault::user(format!("cannot remove `{}`", self.dir.display())).because(&e))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Returns the directories of demos whose process is gone.
pub fn abandoned() -> Vec<Ground> {
    abandoned_in(&base())
}

fn abandoned_in(base: &Path) -> Vec<Ground> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<Ground> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| entry.file_name().to_str().and_then(pid_of).is_some_and(|(name, pid)| owner_name(pid) != Some(name)))
        .map(|entry| Ground { dir: entry.path() })
        .collect();
    found.sort_by(|a, b| a.dir.cmp(&b.dir));
    found
}

/// Demos lie together, beside the state of the real thing and never in it.
fn base() -> PathBuf {
    let home = directories::BaseDirs::new().and_then(|dirs| dirs.state_dir().map(Path::to_path_buf));
    home.unwrap_or_else(std::env::temp_dir).join("ostler-demo")
}

/// Returns `PID-STARTED-BOOT` of a process that lives; a number that was given out again has another start time.
fn owner_name(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold anything; the start time is the 22nd.
    let started: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{pid}-{started}-{}", boot.trim()))
}

/// Reads a directory's name; `None` for one that is not ours.
fn pid_of(name: &str) -> Option<(String, u32)> {
    let (pid, rest) = name.split_once('-')?;
    let (started, boot) = rest.split_once('-')?;
    started.parse::<u64>().ok()?;
    uuid::Uuid::try_parse(boot).ok()?;
    Some((name.to_owned(), pid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_demo_left_is_found_and_a_living_one_is_not() {
        let base = tempfile::tempdir().unwrap();
        let mine = Ground::create_in(base.path()).unwrap();
        assert!(mine.data_dir().join("penguins.csv").is_file());
        let name = owner_name(std::process::id()).unwrap();
        let boot = name.splitn(3, '-').nth(2).unwrap();
        let dead = format!("{}-1-{boot}", std::process::id());
        let other_boot = format!("{}-00000000-0000-0000-0000-000000000000", name.split_at(name.len() - boot.len() - 1).0);
        for dir in [dead.as_str(), &other_boot, "notes", "1-2-3"] {
            fs::create_dir(base.path().join(dir)).unwrap();
        }
        let mut expected = vec![base.path().join(dead), base.path().join(other_boot)];
        expected.sort();
        assert_eq!(abandoned_in(base.path()).into_iter().map(|g| g.dir).collect::<Vec<_>>(), expected);
        let dir = mine.dir.clone();
        mine.remove().unwrap();
        assert!(!dir.exists());
        assert!(abandoned_in(&base.path().join("none")).is_empty());
    }

    #[test]
    fn the_training_script_learns() {
        let base = tempfile::tempdir().unwrap();
        let ground = Ground::create_in(base.path()).unwrap();
        let out = std::process::Command::new("sh")
            .arg(ground.data_dir().join("train.sh"))
            .envs([("PACE", "0"), ("EPOCHS", "20"), ("LR", "0.3"), ("SEED", "2")])
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let loss = |line: &str| line.split_whitespace().skip_while(|w| *w != "loss").nth(1).unwrap().parse::<f64>().unwrap();
        let losses: Vec<f64> = text.lines().filter(|line| line.starts_with("epoch")).map(loss).collect();
        assert_eq!(losses.len(), 20, "{text}");
        assert!(losses[19] < losses[0] / 2.0, "{losses:?}");
        let last = text.lines().last().unwrap();
        let accuracy: f64 = last.strip_prefix("test accuracy ").unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(accuracy > 0.9, "{last}");
    }
}
