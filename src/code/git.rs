//! What git says of a directory: commit, branch, which files are its, and how they differ from the commit. By the program
//! `git`, because only it knows all of its own rules.
//!
//! No file system monitor, pager or external diff that a repository's configuration names is run; filters of its attributes are,
//! since without them a difference is not what git means.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::secret;
use super::tree::no_text;
use crate::model::fault::Fault;
use crate::model::shown::Shown;

/// How long git may take: a cold disk and a large work tree take seconds.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How many bytes of an answer are taken: a hundred times what the most files have as names.
const OUT_BYTES_MAX: u64 = 256 << 20;
/// How many changed files are compared: more make a command line that not every system takes.
const COMPARED_MAX: usize = 500;
/// How many untracked files are named beside a difference.
const UNTRACKED_NAMED_MAX: usize = 1000;

/// Where a directory stands in git.
#[derive(Debug)]
pub(super) struct Stand {
    pub commit: Option<String>,
    pub branch: Option<String>,
    /// Paths below the directory.
    pub tracked: Vec<String>,
    pub untracked: Vec<String>,
    pub changed: Vec<String>,
}

/// Asks git about a directory; `None` when no work tree is above it.
///
/// # Errors
/// There is one, and git does not say what is in it.
pub(super) fn stand(directory: &Path) -> Result<Option<Stand>, Fault> {
    let real = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    if !real.ancestors().any(|above| above.join(".git").exists()) {
        return Ok(None);
    }
    let tracked = names(ask(directory, &["ls-files", "-z", "--cached", "--", "."])?)?;
    let untracked = names(ask(directory, &["ls-files", "-z", "--others", "--exclude-standard", "--", "."])?)?;
    let line = |answer: Answer| String::from_utf8_lossy(&answer.out).trim().to_owned();
    let maybe = |args: &[&str]| Ok::<_, Fault>(run(directory, args)?.filter(|a| a.good).map(line).filter(|l| !l.is_empty()));
    let commit = maybe(&["rev-parse", "--quiet", "--verify", "HEAD"])?;
    let branch = maybe(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    let changed = match &commit {
        Some(_) => names(ask(directory, &["diff", "--name-only", "-z", "--relative", "--no-renames", "HEAD", "--", "."])?)?,
        None => Vec::new(),
    };
    Ok(Some(Stand { commit, branch, tracked, untracked, changed }))
}

/// Returns how files differ from the commit, with the names of untracked ones before it; empty when neither is. What is longer
/// than `most` bytes is cut, and what looks like a secret is not shown.
///
/// # Errors
/// Git does not answer.
pub(super) fn difference(
    directory: &Path,
    changed: &[&String],
    untracked: &[&String],
    most: usize,
) -> Result<String, Fault> {
    let mut text: String = untracked.iter().take(UNTRACKED_NAMED_MAX).map(|path| format!("# untracked: {path}\n")).collect();
    if untracked.len() > UNTRACKED_NAMED_MAX {
        text.push_str(&format!("# and {} untracked files more\n", untracked.len() - UNTRACKED_NAMED_MAX));
    }
    if changed.is_empty() {
        return Ok(text);
    }
    if changed.len() > COMPARED_MAX {
        changed.iter().for_each(|path| text.push_str(&format!("# changed: {path}\n")));
        return Ok(text);
    }
    let mut args = vec!["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--relative", "HEAD", "--"];
    args.extend(changed.iter().map(|path| path.as_str()));
    let diff = ask(directory, &args)?;
    if let Some(why) = secret::by_content(&diff) {
        text.push_str(&format!("# the difference is not kept: it {why}\n"));
        return Ok(text);
    }
    let diff = String::from_utf8_lossy(&diff);
    if diff.len() <= most {
        return Ok(text + &diff);
    }
    let end = diff.as_bytes()[..most].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    text.push_str(&diff[..end]);
    text.push_str(&format!("# {} bytes more are not kept\n", diff.len() - end));
    Ok(text)
}

/// Reads names that end in NUL.
fn names(answer: Vec<u8>) -> Result<Vec<String>, Fault> {
    let names = answer.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8(name.to_vec()).map_err(|_| no_text(&String::from_utf8_lossy(name)))).collect()
}

struct Answer {
    good: bool,
    out: Vec<u8>,
    words: String,
}

/// As [`run`], for what has to be answered.
fn ask(directory: &Path, args: &[&str]) -> Result<Vec<u8>, Fault> {
    let shown = Shown::new(&directory.to_string_lossy()).to_string();
    match run(directory, args)? {
        None => Err(Fault::user(format!("`{shown}` lies in a work tree of git, and there is no program `git` here"))
            .hint("install git, or name a directory that is in no work tree")),
        Some(Answer { good: true, out, .. }) => Ok(out),
        Some(Answer { words, .. }) => {
            Err(Fault::user(format!("git does not say what is in `{shown}`")).cause(Shown::new(&words).to_string()))
        }
    }
}

/// Runs git in a directory; `None` when there is no such program.
fn run(directory: &Path, args: &[&str]) -> Result<Option<Answer>, Fault> {
    let failed = |error: &std::io::Error| Fault::user("git cannot be run").because(error);
    let spawned = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "--no-pager", "--literal-pathspecs"])
        .args(args)
        .current_dir(directory)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let (said, heard) = mpsc::channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        let words = std::thread::spawn(move || {
            let mut words = Vec::new();
            stderr.map(|from| from.take(4096).read_to_end(&mut words));
            String::from_utf8_lossy(&words).trim().to_owned()
        });
        let mut out = Vec::new();
        let read = stdout.map(|from| from.take(OUT_BYTES_MAX).read_to_end(&mut out));
        // Who waited may have given up.
        let _ = said.send((read.is_some_and(|read| read.is_ok()), out, words.join().unwrap_or_default()));
    });
    let Ok((whole, out, words)) = heard.recv_timeout(ANSWER_MAX) else {
        // It may have ended just now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(Fault::user(format!("git did not answer within {} s", ANSWER_MAX.as_secs())));
    };
    let status = child.wait().map_err(|error| failed(&error))?;
    Ok(Some(Answer { good: whole && status.success(), out, words }))
}
