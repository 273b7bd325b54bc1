//! The record of a process and what can be made of it: `fold`, `status` and `lock` of `spool.sh` and `agent.sh`, whose
//! heads say what the lines are. Both agents read and settle the same files, so whatever changes here changes there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::agent::process::{alive, mark_of, stat_of, with_cookie, with_mark};

/// A node's spool under this boot.
#[derive(Clone, Debug)]
pub struct Spool {
    pub root: String,
    pub boot: String,
}

/// What a record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub boot: String,
    pub supervisor: (String, String),
    /// From before a native worker starts the process: it may be there from then on, with this limit on file locks.
    pub mark: Option<String>,
    pub process: Option<(String, String)>,
    /// `exit CODE WHY [WORDS]`, `fenced`, `refused WORDS` or `lost WORDS`.
    pub end: Option<String>,
}

/// What has become of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Alive,
    /// As in [`Record::end`].
    Ended(String),
    /// It was started under another boot.
    Reboot,
}

impl Status {
    /// Returns the words of the inventory.
    pub fn words(&self) -> &str {
        match self {
            Self::Alive => "alive",
            Self::Ended(end) => end,
            Self::Reboot => "reboot",
        }
    }

    /// Returns the frame that tells it; none while alive.
    pub fn notice(&self, key: &str) -> Option<String> {
        let Self::Ended(end) = self else {
            return (*self == Self::Reboot).then(|| format!("B {key}"));
        };
        let (word, rest) = end.split_once(' ').unwrap_or((end, ""));
        let letter = match word {
            "exit" => "X",
            "refused" => "R",
            "lost" => "L",
            _ => return Some(format!("F {key}")),
        };
        Some(format!("{letter} {key} {rest}"))
    }
}

/// A kill request that is not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Killing {
    pub why: String,
    pub grace: String,
    pub killer: (String, String),
}

/// Reads a record's lines. One without its last word `end` is as if it were not there.
pub fn fold(text: &str) -> Record {
    let mut record = Record::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(("end", words)) = words.split_last().map(|(last, rest)| (*last, rest)) else { continue };
        let pair = |at: usize| (words[at].to_owned(), words[at + 1].to_owned());
        match (words.first().copied().unwrap_or_default(), words.len()) {
            ("own", 5) => record.boot = words[2].to_owned(),
            ("sup", 3) => record.supervisor = pair(1),
            ("try", 2) => record.mark = Some(words[1].to_owned()),
            ("pid", 3) => record.process = Some(pair(1)),
            ("fence", 2) if words[1] == "self" => drop(record.end.get_or_insert_with(|| "fenced".to_owned())),
            ("fence", _) if record.process.is_none() && record.mark.is_none() => {
                record.end.get_or_insert_with(|| "fenced".to_owned());
            }
            ("exit" | "refused" | "lost", _) => drop(record.end.get_or_insert_with(|| words.join(" "))),
            _ => {}
        }
    }
    record
}

/// Appends one line with one write.
pub fn put_line(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(format!("{line}\n").as_bytes())
}

/// Writes a file that nobody else may read.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Reads a file of a spool; nothing where there is none.
pub fn read(path: &Path) -> String {
    fs::read(path).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

impl Spool {
    /// Returns the path of something below it.
    pub fn path(&self, below: &str) -> PathBuf {
        Path::new(&self.root).join(below)
    }

    pub fn job(&self, key: &str) -> PathBuf {
        self.path("jobs").join(key)
    }

    pub fn done(&self, key: &str) -> PathBuf {
        self.path("done").join(key)
    }

    /// Takes the start lock with the record's first lines; says whether it did. Where there is no room for them the file
    /// goes again: it is ours alone, and an empty lock would keep its start unanswered.
    pub fn lock(&self, key: &str, lines: &str) -> bool {
        let path = self.job(key);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let Ok(mut file) = made else { return false };
        // A key that was done with and moved away a moment ago must not be taken anew.
        if file.write_all(format!("{lines}\n").as_bytes()).is_err() || self.done(key).exists() {
            let _ = fs::remove_file(&path);
            return false;
        }
        true
    }

    /// Why a lock that nobody has could not be taken.
    pub fn no_lock(&self) -> String {
        format!("the lock could not be taken: no room or no right to write in {}/jobs", self.root)
    }

    /// Opens a record for more lines; it is never made anew.
    pub fn open(&self, key: &str) -> io::Result<File> {
        OpenOptions::new().append(true).open(self.job(key))
    }

    pub fn fold(&self, key: &str) -> Record {
        fold(&read(&self.job(key)))
    }

    /// Returns the kill request of a key as far as it was written.
    pub fn being_killed(&self, key: &str) -> Option<Killing> {
        let text = fs::read(self.path("kill").join(key)).ok()?;
        let text = String::from_utf8_lossy(&text);
        let mut words = text.lines().next().unwrap_or_default().split_ascii_whitespace().map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        let killing = Killing { why: next(), grace: next(), killer: (next(), next()) };
        (killing.why != "done").then_some(killing)
    }

    /// Returns the processes that carry the cookie of a key, or else its mark; its supervisor has that for a moment.
    pub fn cookie_pids(&self, key: &str, record: &Record) -> Vec<i32> {
        let found = with_cookie([key], &self.root);
        if !found.is_empty() {
            return found;
        }
        let Some(mark) = record.known_mark() else { return found };
        let supervisor = record.supervisor.0.as_str();
        let mut found = with_mark([mark.as_str()]);
        found.retain(|pid| {
            let pid = pid.to_string();
            pid != supervisor && stat_of(&pid).is_some_and(|stat| stat.lives())
        });
        found
    }

    /// Returns what has become of a key, and its record. Settles what can be settled: whoever died before its process was
    /// there is fenced; whoever died without a word is lost.
    pub fn status(&self, key: &str) -> (Status, Record) {
        let record = self.fold(key);
        if let Some(end) = &record.end {
            // It has ended, but until its killer has seen the last of it, it counts as alive.
            let killed = end.starts_with("exit") && record.boot == self.boot && self.being_killed(key).is_some();
            let status = if killed { Status::Alive } else { Status::Ended(end.clone()) };
            return (status, record);
        }
        if !record.boot.is_empty() && record.boot != self.boot {
            return (Status::Reboot, record);
        }
        let there = |(pid, start): &(String, String)| alive(pid, start);
        if record.process.as_ref().is_some_and(there) || there(&record.supervisor) {
            return (Status::Alive, record);
        }
        let record = if record.process.is_none() && record.mark.is_none() { self.fence(key) } else { self.lose(key) };
        let status = record.end.clone().map_or(Status::Alive, Status::Ended);
        (status, record)
    }

    /// No process yet and nobody to start one. Should a child of the dead supervisor be on its way: we make the mark and
    /// then look for its line, it writes its line and then looks for the mark, so one of us sees the other.
    fn fence(&self, key: &str) -> Record {
        let _ = fs::remove_file(self.path("run").join(format!("secret.{key}")));
        let _ = put_line(&self.path("kill").join(key), "done fence - - end");
        let record = self.fold(key);
        if record.end.is_some() || record.process.is_some() || record.mark.is_some() {
            return record;
        }
        let _ = put_line(&self.job(key), "fence - end");
        self.fold(key)
    }

    fn lose(&self, key: &str) -> Record {
        // The exit line may have come while we looked.
        let record = self.fold(key);
        if record.end.is_some() || !self.cookie_pids(key, &record).is_empty() {
            return record;
        }
        let _ = put_line(&self.job(key), "lost its supervisor was killed, so its exit code is not known end");
        self.fold(key)
    }

    /// Lets go of the room that is kept for exit records.
    pub fn give_up_reserve(&self) {
        let _ = fs::remove_file(self.path("reserve"));
    }
}

impl Record {
    /// Returns the mark that its process has.
    pub fn known_mark(&self) -> Option<String> {
        let mark = self.mark.clone().filter(|mark| mark != NO_MARK);
        mark.or_else(|| self.process.as_ref().and_then(|(pid, start)| mark_of(pid, start)))
    }
}

/// What stands for the mark of a process that has none.
pub const NO_MARK: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_fold_as_shells_fold_them() {
        let own = "own 1 b 5 2 end\nsup 10 20 end\n";
        for (lines, end) in [
            ("pid 11 21 end\nexit 3 - end\n", Some("exit 3 -")),
            ("pid 11 21 end\nexit 1 - no  such file end\n", Some("exit 1 - no such file")),
            ("pid 11 21 end\nexit 3 -", None),
            ("fence - end\n", Some("fenced")),
            ("pid 11 21 end\nfence - end\n", None),
            ("try 5 end\nfence - end\n", None),
            ("try 5 end\nfence self end\n", Some("fenced")),
            ("refused no room end\nexit 0 - end\n", Some("refused no room")),
            ("exit 0", None),
        ] {
            let record = fold(&format!("{own}{lines}"));
            assert_eq!(record.end.as_deref(), end, "{lines}");
            assert_eq!(record.supervisor, ("10".to_owned(), "20".to_owned()));
        }
        assert_eq!(fold("own 1 b 5 2 end\npid 11 21 end\n").known_mark().as_deref(), Some("210000011"));
        assert_eq!(fold("try 77 end\npid 11 21 end\n").known_mark().as_deref(), Some("77"));
    }

    #[test]
    fn a_lock_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        for below in ["jobs", "done"] {
            fs::create_dir(dir.path().join(below)).unwrap();
        }
        let spool = Spool { root: dir.path().to_str().unwrap().to_owned(), boot: "b".into() };
        assert!(spool.lock("1.1.m0", "own 1 b 5 2 end"));
        assert!(!spool.lock("1.1.m0", "own 1 b 5 2 end"));
        fs::rename(spool.job("1.1.m0"), spool.done("1.1.m0")).unwrap();
        assert!(!spool.lock("1.1.m0", "own 1 b 5 2 end"), "a key that is done with stays so");
        assert!(!spool.job("1.1.m0").exists());
    }
}
