//! `ostler job file get` and `put`: files of a job from and to this machine.

use std::path::PathBuf;

use clap::Args;
use tokio::time::Instant;

use super::failure::Failure;
use super::file::{Directory, OneJob, join, node_index, one_job};
use super::job_create::by_id;
use super::names;
use super::output::status::StatusLine;
use super::output::{Out, clean};
use super::session::{Core, Session};
use crate::model::fault::{Fault, FaultKind};
use crate::model::request::{FilesOf, FolderRef, JobView};
use crate::model::task::{Copy, CopyWay, Existing, Progress, Task, TaskNews};
use crate::model::units::Bytes;

/// Options of `get`.
#[derive(Args, Clone, Debug)]
pub struct Get {
    #[command(flatten)]
    job: OneJob,
    #[command(flatten)]
    directory: Directory,
    /// A file or directory below it; all of it when absent
    #[arg(short, long, default_value = ".")]
    path: String,
    /// The directory here to put it into; made if it is missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    /// Replace files that are there and differ
    #[arg(long)]
    force: bool,
}

/// Options of `put`.
#[derive(Args, Clone, Debug)]
pub struct Put {
    /// The job: its name, job-12 or last
    #[arg(short, long, value_name = "JOB", add = names::jobs())]
    job: String,
    #[command(flatten)]
    directory: Directory,
    /// A directory below it to put them into; made if it is missing
    #[arg(short, long, default_value = ".")]
    path: String,
    /// Files and directories of this machine
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Replace files that are there and differ
    #[arg(long)]
    force: bool,
}

/// Gets a file or a directory.
///
/// # Errors
/// As for every command; with the code for partly done when something was left out.
pub async fn get(session: &Session, get: Get) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one_job(session, &core, get.job.word()).await?;
    let remote = remote(session, &view, &get.directory, &get.path)?;
    get_from(session, &core, remote, &get.to, get.force).await
}

/// Gets what lies at a place into a directory here.
///
/// # Errors
/// As [`get`].
pub async fn get_from(
    session: &Session,
    core: &Core,
    remote: FolderRef,
    to: &std::path::Path,
    force: bool,
) -> Result<i32, Failure> {
    let local = absolute(to)?;
    if session.globals.dry_run {
        session.out.note(&format!("would get {} into {}", clean(&join(&remote_words(&remote), "")), clean(&local)));
        return Ok(0);
    }
    std::fs::create_dir_all(&local)
        .map_err(|e| Failure::from(Fault::user(format!("cannot make the directory `{}`", clean(&local))).because(&e)))?;
    let copy = Copy { way: CopyWay::Get, remote, local, existing: existing(force) };
    let done = run(session, core, copy).await?;
    Ok(ended(session.out, &[done]))
}

/// Puts files and directories.
///
/// # Errors
/// As [`get`].
pub async fn put(session: &Session, put: Put) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one_job(session, &core, &put.job).await?;
    let remote = remote(session, &view, &put.directory, &put.path)?;
    put_to(session, &core, remote, &put.files, put.force).await
}

/// Puts files and directories of this machine to a place.
///
/// # Errors
/// As [`get`].
pub async fn put_to(
    session: &Session,
    core: &Core,
    remote: FolderRef,
    files: &[PathBuf],
    force: bool,
) -> Result<i32, Failure> {
    let files: Vec<String> = files.iter().map(|file| absolute(file)).collect::<Result<_, _>>()?;
    let mut all = Vec::new();
    for local in files {
        if !core.may(&format!("put {} into {}", clean(&local), clean(&remote_words(&remote))))? {
            continue;
        }
        let copy = Copy { way: CopyWay::Put, remote: remote.clone(), local, existing: existing(force) };
        all.push(run(session, core, copy).await?);
    }
    Ok(ended(session.out, &all))
}

fn existing(force: bool) -> Existing {
    if force { Existing::Replace } else { Existing::Keep }
}

fn absolute(path: &std::path::Path) -> Result<String, Fault> {
    let shown = path.display().to_string();
    let absolute =
        std::path::absolute(path).map_err(|e| Fault::user(format!("cannot use `{}`", clean(&shown))).because(&e))?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|_| Fault::user(format!("the path `{}` is no text (UTF-8)", clean(&shown))))
}

fn remote(session: &Session, view: &JobView, directory: &Directory, path: &str) -> Result<FolderRef, Fault> {
    let node = node_index(view, directory.node.as_ref())?;
    let names = &view.job.last.node_names;
    if node.is_none() && names.len() > 1 {
        session.out.note(&format!("on node {}; --node names another of {}", names[0], names.join(", ")));
    }
    let directory = Some(directory.output_directory_id.clone());
    Ok(FolderRef { of: FilesOf::Job(by_id(view)), directory, path: join(path, ""), node: Some(node.unwrap_or(0)) })
}

fn remote_words(remote: &FolderRef) -> String {
    join(remote.directory.as_deref().unwrap_or_default(), &remote.path)
}

/// Copies, and shows how far it is.
async fn run(session: &Session, core: &Core, copy: Copy) -> Result<Progress, Failure> {
    let mut news = core.client().begin_task(Task::Copy(copy)).await?;
    let mut line = ProgressLine::new(session.out);
    while let Some(news) = news.recv().await {
        match news {
            TaskNews::Progress(progress) => line.show(&progress),
            TaskNews::LeftOut { name, why } => {
                line.clear();
                session.out.warn(&format!("left out `{name}`: {why}"));
            }
            TaskNews::Interrupted { why } => {
                line.clear();
                session.out.note(&format!("interrupted ({why}); it goes on by itself"));
            }
            TaskNews::Copied(progress) => {
                line.clear();
                return Ok(progress);
            }
            TaskNews::Failed(fault) => {
                line.clear();
                return Err(fault.into());
            }
            TaskNews::Output { .. } | TaskNews::Exited { .. } => {}
        }
    }
    line.clear();
    Err(Fault::remote("the core went away").hint("do it again; it goes on where it was").into())
}

/// Says what was done, and returns the exit code.
fn ended(out: Out, all: &[Progress]) -> i32 {
    let sum = |part: fn(&Progress) -> u64| all.iter().map(part).sum::<u64>();
    let (files, bytes, kept, left_out) = (sum(|p| p.files.0), sum(|p| p.bytes.0), sum(|p| p.kept), sum(|p| p.left_out));
    if all.is_empty() {
        return 0;
    }
    let plural = if files == 1 { "" } else { "s" };
    let mut text = format!("{files} file{plural}, {}", Bytes(bytes));
    if kept > 0 {
        text.push_str(&format!(", {} of it there before", Bytes(kept)));
    }
    if left_out > 0 {
        text.push_str(&format!("; {left_out} left out"));
    }
    out.note(&text);
    if left_out > 0 { Fault::new(FaultKind::Partly, "").exit_code() } else { 0 }
}

/// One line on a terminal that says how far a copy is.
struct ProgressLine {
    line: StatusLine,
    begun: Option<(Instant, u64)>,
}

impl ProgressLine {
    fn new(out: Out) -> Self {
        Self { line: StatusLine::new(out), begun: None }
    }

    fn show(&mut self, progress: &Progress) {
        if !self.line.wanted() {
            return;
        }
        let (begun, before) = *self.begun.get_or_insert((Instant::now(), progress.bytes.0));
        let seconds = begun.elapsed().as_secs_f64();
        let rate = if seconds > 0.5 { ((progress.bytes.0.saturating_sub(before)) as f64 / seconds) as u64 } else { 0 };
        self.line.show(&progress_text(progress, rate));
    }

    fn clear(&mut self) {
        self.line.clear();
    }
}

fn progress_text(progress: &Progress, rate: u64) -> String {
    let percent = match progress.bytes {
        (_, 0) => 100,
        (done, all) => (done.min(all) as u128 * 100 / u128::from(all)) as u64,
    };
    let mut text = format!("{percent:>3} %  {} of {}", Bytes(progress.bytes.0), Bytes(progress.bytes.1));
    if rate > 0 {
        text.push_str(&format!("  {}/s", Bytes(rate)));
    }
    if progress.files.1 > 1 {
        text.push_str(&format!("  file {} of {}", (progress.files.0 + 1).min(progress.files.1), progress.files.1));
    }
    format!("{text}  {}", progress.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_says_how_far() {
        let progress = Progress { file: "m.bin".into(), files: (1, 3), bytes: (5 << 20, 20 << 20), kept: 0, left_out: 0 };
        assert_eq!(progress_text(&progress, 3 << 20), " 25 %  5 MiB of 20 MiB  3 MiB/s  file 2 of 3  m.bin");
        let empty = Progress { files: (0, 1), ..Progress::default() };
        assert!(progress_text(&empty, 0).starts_with("100 %"));
    }
}
