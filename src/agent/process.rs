//! Processes by identity: a number counts only with the time at which its process began. The rules are those of
//! `spool.sh`, function by function.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Bound;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What the kernel says of a process.
#[derive(Clone, Debug)]
pub struct Stat {
    pub state: char,
    pub group: i32,
    /// Ticks since the machine came up, as the kernel writes them.
    pub start: String,
}

impl Stat {
    /// Says whether it has not ended.
    pub fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Reads a number that may be killed: more than 1, no sign, no leading zero, at most nine digits.
pub fn pid_of(word: &str) -> Option<i32> {
    let digits = !word.is_empty() && word.len() <= 9 && word.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || word.starts_with('0') || word == "1" { None } else { word.parse().ok() }
}

/// Returns what there is under a number, `self` included.
pub fn stat_of(pid: &str) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The name in brackets may hold anything, so fields count from the last bracket.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        start: (*fields.get(19)?).to_owned(),
    })
}

/// Says whether that very process is there and has not ended.
pub fn alive(pid: &str, start: &str) -> bool {
    pid_of(pid).is_some() && stat_of(pid).is_some_and(|stat| stat.start == start && stat.lives())
}

/// Signals the group that this process leads, else the process alone; nothing at all when it is not that very process.
pub fn safekill(signal: Signal, pid: &str, start: &str) {
    let Some(number) = pid_of(pid).filter(|number| u32::try_from(*number) != Ok(std::process::id())) else { return };
    let Some(stat) = stat_of(pid).filter(|stat| stat.start == start) else { return };
    let Some(target) = Pid::from_raw(number) else { return };
    // What has ended meanwhile is what was wanted.
    let _ = if stat.group == number { kill_process_group(target, signal) } else { kill_process(target, signal) };
}

/// Signals one process that [`pid_of`] has read; says whether there was one that it may signal.
pub fn signal(pid: i32, signal: Signal) -> bool {
    Pid::from_raw(pid).filter(|_| pid > 1).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// How the words in `/proc/PID/environ` begin that name a process of ours, and those in `/proc/PID/limits`.
const COOKIE: &str = "OSTLER_RANK=";
const MARK: &str = "Max file locks            ";

/// Returns the words in `/proc/PID/environ` of a process of this key.
fn cookie(key: &str, root: &str) -> Vec<u8> {
    format!("{COOKIE}{key}:{root}:").into_bytes()
}

/// Returns the words in `/proc/PID/limits` of a process with this mark.
fn marked(mark: &str) -> Vec<u8> {
    format!("{MARK}{mark} ").into_bytes()
}

/// Returns the processes that carry the cookie of one of these keys of a spool, ourselves left out.
pub fn with_cookie<'a>(keys: impl IntoIterator<Item = &'a str>, root: &str) -> Vec<i32> {
    holding("environ", COOKIE, keys.into_iter().map(|key| cookie(key, root)).collect())
}

/// Returns the processes that have one of these marks, ourselves left out.
pub fn with_mark<'a>(marks: impl IntoIterator<Item = &'a str>) -> Vec<i32> {
    holding("limits", MARK, marks.into_iter().map(marked).collect())
}

/// Returns the processes whose file below `/proc/PID` holds one of these texts, which all begin alike and of which none begins
/// another: each file is searched once, however many they are.
fn holding(file: &str, begin: &str, texts: BTreeSet<Vec<u8>>) -> Vec<i32> {
    if texts.is_empty() {
        return Vec::new();
    }
    let begin = memchr::memmem::Finder::new(begin.as_bytes());
    let is_text = |bytes: &[u8]| {
        let before = texts.range::<[u8], _>((Bound::Unbounded, Bound::Included(bytes))).next_back();
        before.is_some_and(|text| bytes.starts_with(text))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(pid_of) else { continue };
        if u32::try_from(pid) == Ok(std::process::id()) {
            continue;
        }
        let Ok(bytes) = fs::read(format!("/proc/{pid}/{file}")) else { continue };
        if begin.find_iter(&bytes).any(|at| is_text(&bytes[at..])) {
            found.push(pid);
        }
    }
    found
}

/// Returns the mark of a process that a shell started: `mark_of` in `spool.sh`.
pub fn mark_of(pid: &str, start: &str) -> Option<String> {
    pid_of(pid)?;
    (start.len() <= 11).then(|| format!("{start}{pid:0>7}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_may_be_killed() {
        for word in ["", "0", "1", "-1", "007", "1x", "9999999999", " 5", "+5"] {
            assert_eq!(pid_of(word), None, "{word:?}");
        }
        assert_eq!(pid_of("4194304"), Some(4_194_304));
    }

    #[test]
    fn whose_cookie_it_is() {
        let mut child =
            std::process::Command::new("sleep").arg("100").env("OSTLER_RANK", "12.1.m0:/spool:").spawn().unwrap();
        let me = i32::try_from(child.id()).unwrap();
        let found = |keys: &[&str], root: &str| with_cookie(keys.iter().copied(), root).contains(&me);
        // Once it is the program, and no more ourselves.
        while !found(&["12.1.m0"], "/spool") {
            std::thread::yield_now();
        }
        let said = [
            found(&["1.1.m0", "12.1.m0", "13.1.m0"], "/spool"),
            found(&["12.1.m0"], "/spoo"),
            found(&["2.1.m0", "12.1.m", "12.1.m00", "12.1.m1"], "/spool"),
            found(&[], "/spool"),
        ];
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(said, [true, false, false, false]);
    }

    #[test]
    fn a_process_is_itself_only_with_its_start() {
        let me = stat_of("self").unwrap();
        let pid = std::process::id().to_string();
        assert!(alive(&pid, &me.start));
        assert!(!alive(&pid, "1"));
        assert!(!alive("1x", &me.start));
    }

    #[test]
    fn marks_have_the_form_that_shells_give_them() {
        assert_eq!(mark_of("4711", "123456"), Some("1234560004711".to_owned()));
        assert_eq!(mark_of("4711", "123456789012"), None);
    }
}
