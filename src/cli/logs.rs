//! `ostler job logs`: what a job has written, as it is on its node. Bytes as they are when piped; cleaned for a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::failure::Failure;
use super::job_create::by_id;
use super::objects::job::Outcome;
use super::output::Out;
use super::session::{Core, Session, unexpected};
use super::{job_wait, names, select};
use crate::model::fault::Fault;
use crate::model::request::{FileEntry, FileRef, FileWindow, FollowMode, From, JobView, LogDelta, Reply, Request, Window};
use crate::model::shown::Cleaner;
use crate::model::units::Millis;

/// How much is asked for at once: large beside a round trip, small beside memory.
const WINDOW_BYTES: u32 = 256 << 10;
/// How much is asked for at once when much is read and the line is fast; the core gives no more.
const WINDOW_BYTES_MAX: u32 = 4 << 20;
/// As long as an answer comes within this, the next one may be longer.
const WINDOW_TIME: Duration = Duration::from_millis(100);

/// How often is looked whether a job has started that somebody wants to follow: published clients look once a second.
const START_LOOK: Millis = Millis(500);

/// Options of `logs`.
#[derive(Args, Clone, Debug)]
pub struct Logs {
    /// Its name, job-12 or last
    #[arg(add = names::jobs())]
    job: String,
    /// Go on until the job has ended, and end with its exit code
    #[arg(short, long)]
    follow: bool,
    /// Begin with the last N lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,
    /// Standard error instead of standard output
    #[arg(long)]
    err: bool,
    /// Another file of the log directory; `--list` names them
    #[arg(long, value_name = "NAME", conflicts_with = "err")]
    file: Option<String>,
    /// The process, by rank; its node is looked at
    #[arg(long, value_name = "N")]
    rank: Option<usize>,
    /// The node, by its index in the job; the first when absent
    #[arg(long, value_name = "N", conflicts_with = "rank")]
    node: Option<u32>,
    /// An earlier attempt
    #[arg(long, value_name = "K")]
    attempt: Option<u32>,
    /// List the files instead
    #[arg(long, conflicts_with_all = ["follow", "lines", "err", "file"])]
    list: bool,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, logs: Logs) -> Result<i32, Failure> {
    let picks = select::picks(std::slice::from_ref(&logs.job), false)?;
    let core = session.core().await?;
    let jobs = select::many(session, &core, picks).await?;
    let [view] = jobs.as_slice() else {
        return Err(Fault::config(format!("`{}` means {} jobs; logs shows one", logs.job.escape_debug(), jobs.len())).into());
    };
    let view = &select::whole(&core, view).await?;
    if let Some(note) = &view.logs {
        session.out.note(note);
    }
    if logs.list {
        return list(session, &core, view).await;
    }
    let started;
    let view = if logs.follow {
        started = await_start(session, &core, view.clone()).await?;
        &started
    } else {
        view
    };
    let file = file_of(&logs, view)?;
    let mut printer = Printer::new(session.out);
    let start = match logs.lines {
        Some(lines) => start_of_last_lines(&core, &file, lines).await?,
        None => 0,
    };
    if logs.follow {
        follow(session, &core, file, start, &mut printer).await?;
        return ended_code(session, &core, view).await;
    }
    print_from(&core, &file, start, None, &mut printer).await?;
    printer.end()?;
    Ok(0)
}

/// Follows the standard output of a job until it has ended, and returns its exit code.
///
/// # Errors
/// As for every command.
pub async fn follow_to_end(session: &Session, core: &Core, view: &JobView) -> Result<i32, Failure> {
    let view = &await_start(session, core, std::sync::Arc::new(view.clone())).await?;
    let file = FileRef::log(by_id(view), view.job.log_name("stdout", 0), 0);
    let mut printer = Printer { just_submitted: true, ..Printer::new(session.out) };
    follow(session, core, file, 0, &mut printer).await?;
    ended_code(session, core, view).await
}

async fn ended_code(session: &Session, core: &Core, view: &JobView) -> Result<i32, Failure> {
    let view = match core.ask(Request::AwaitJob { job: by_id(view), timeout: None }).await? {
        Reply::Job(view) => view,
        other => return Err(unexpected(&other)),
    };
    session.out.note(&job_wait::standing(&view));
    Ok(Outcome::of(&view.job).code())
}

fn file_of(logs: &Logs, view: &JobView) -> Result<FileRef, Fault> {
    let rank = logs.rank.unwrap_or_else(|| view.job.first_rank_on(logs.node.unwrap_or(0)));
    let name = match (&logs.file, logs.err) {
        (Some(file), _) => file.clone(),
        (None, true) => view.job.log_name("stderr", rank),
        (None, false) => view.job.log_name("stdout", rank),
    };
    let file = match logs.attempt {
        Some(attempt) if attempt != view.job.attempt.0 => format!("attempt-{attempt}/{name}"),
        Some(_) | None => name,
    };
    let node = match (logs.rank, logs.node) {
        (Some(rank), _) => *view.job.shape.main_nodes.get(rank).ok_or_else(|| {
            Fault::user(format!("{} has no rank {rank}", view.job.name))
                .hint(format!("ranks: 0 to {}", view.job.shape.main_nodes.len().saturating_sub(1)))
        })?,
        (None, node) => node.unwrap_or(0),
    };
    Ok(FileRef::log(by_id(view), file, node))
}

async fn list(session: &Session, core: &Core, view: &JobView) -> Result<i32, Failure> {
    use super::output::{Column, Look, Row};
    const COLUMNS: &[Column] = &[
        Column { title: "NAME", look: Look::Text },
        Column { title: "NODE", look: Look::Number },
        Column { title: "SIZE", look: Look::Number },
        Column { title: "MODIFIED", look: Look::Text },
    ];
    let files = match core.ask(Request::ListLogs(by_id(view))).await? {
        Reply::Files(files) => files,
        other => return Err(unexpected(&other)),
    };
    let row = |file: &FileEntry| Row {
        cells: vec![file.name.clone(), file.node.to_string(), file.size.to_string(), file.modified.rfc3339()],
        value: serde_json::json!({
            "name": file.name,
            "fileType": "file",
            "node": file.node,
            "properties": {"contentLength": file.size, "lastModified": file.modified.rfc3339()},
        }),
        name: file.name.clone(),
    };
    let mut writer = session.out.list(COLUMNS);
    writer.page(files.iter().map(row).collect())?;
    writer.end()?;
    Ok(0)
}

/// Waits until a job has been given nodes, so that there is a place for its files; or until it has ended without.
///
/// # Errors
/// As for every command.
pub async fn await_start(session: &Session, core: &Core, view: Arc<JobView>) -> Result<Arc<JobView>, Failure> {
    let mut view = view;
    let mut said = String::new();
    while view.job.attempt.0 == 0 && !view.job.state.ended() {
        if said != view.reason {
            said.clone_from(&view.reason);
            session.out.note(&format!("job {} has not started: {said}", view.job.name));
        }
        view = match core.ask(Request::AwaitJob { job: by_id(&view), timeout: Some(START_LOOK) }).await? {
            Reply::Job(view) => view,
            other => return Err(unexpected(&other)),
        };
    }
    Ok(view)
}

/// Reads a part of a file.
///
/// # Errors
/// As for every command.
pub async fn window(core: &Core, file: &FileRef, from: From, bytes: u32) -> Result<Window, Failure> {
    match core.ask(Request::ReadFile(FileWindow { file: file.clone(), from, bytes })).await? {
        Reply::Window(window) => Ok(window),
        other => Err(unexpected(&other)),
    }
}

/// Finds the offset at which the last lines begin, looking backwards from the end.
async fn start_of_last_lines(core: &Core, file: &FileRef, lines: u64) -> Result<u64, Failure> {
    let mut piece = window(core, file, From::End, WINDOW_BYTES).await?;
    if lines == 0 {
        return Ok(piece.size);
    }
    // The line feed at the very end ends the last line and begins none.
    let mut skip_last = piece.bytes.last() == Some(&b'\n');
    let mut left = lines;
    loop {
        let end = piece.bytes.len() - usize::from(skip_last);
        skip_last = false;
        for at in (0..end).rev().filter(|at| piece.bytes[*at] == b'\n') {
            left -= 1;
            if left == 0 {
                return Ok(piece.offset + at as u64 + 1);
            }
        }
        if piece.offset == 0 || piece.bytes.is_empty() {
            return Ok(piece.offset);
        }
        piece = window(core, file, From::Before(piece.offset), WINDOW_BYTES).await?;
    }
}

/// Prints from an offset to another one, or to where the file ends now.
async fn print_from(
    core: &Core,
    file: &FileRef,
    start: u64,
    end: Option<u64>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut at = start;
    let mut end = end;
    let mut bytes_max = WINDOW_BYTES;
    loop {
        let asked = Instant::now();
        let piece = window(core, file, From::Start(at), bytes_max).await?;
        if asked.elapsed() < WINDOW_TIME {
            bytes_max = (bytes_max * 2).min(WINDOW_BYTES_MAX);
        }
        // A file that grows while it is read would never end.
        let stop = *end.get_or_insert(piece.size);
        let room = usize::try_from(stop.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
        let bytes = &piece.bytes[..piece.bytes.len().min(room)];
        printer.print(piece.offset, bytes)?;
        at = piece.offset + bytes.len() as u64;
        if bytes.is_empty() || at >= stop {
            return Ok(());
        }
    }
}

/// Prints a file as it grows, from an offset, until what it belongs to has ended.
///
/// # Errors
/// As for every command.
pub async fn follow(
    session: &Session,
    core: &Core,
    file: FileRef,
    start: u64,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut deltas = core.client().open_log(file.clone(), From::Start(start), FollowMode::Every).await?;
    let mut waited = false;
    while let Some(delta) = deltas.recv().await {
        match delta {
            LogDelta::Appended(piece) => printer.print(piece.offset, &piece.bytes)?,
            // We were slow; the bytes are in the file.
            LogDelta::Skipped { from, to } => print_from(core, &file, from, Some(to), printer).await?,
            LogDelta::Restarted { truncated } => {
                let how = if truncated { "was cut" } else { "was replaced" };
                session.out.note(&format!("{} {how}; it goes on from its begin", file.file));
            }
            LogDelta::Waiting if !waited && !printer.just_submitted => {
                session.out.note(&format!("{} is not there yet; waiting", file.file));
                waited = true;
            }
            LogDelta::Waiting => {}
            LogDelta::Interrupted { why } => session.out.note(&format!("the link is lost ({why}); it goes on by itself")),
            LogDelta::Ended => {
                printer.end()?;
                return Ok(());
            }
            LogDelta::Failed(fault) => return Err(fault.into()),
        }
    }
    printer.end()?;
    Err(Fault::remote("the core went away").hint("try again; the job goes on").into())
}

/// Writes a log: as it is into a file or pipe, cleaned onto a terminal.
pub struct Printer {
    /// Bytes have come, or the file was there.
    began: bool,
    cleaner: Option<Cleaner>,
    color: bool,
    err: bool,
    /// It goes without saying that the log of a new job is not there yet.
    just_submitted: bool,
}

impl Printer {
    /// Returns one that has printed nothing.
    pub fn new(out: Out) -> Self {
        Self::to(out, std::io::stdout().is_terminal(), false)
    }

    /// Returns one that writes to standard error.
    pub fn on_err(out: Out) -> Self {
        Self::to(out, std::io::stderr().is_terminal(), true)
    }

    fn to(out: Out, tty: bool, err: bool) -> Self {
        Self { began: false, cleaner: tty.then(|| Cleaner::at(0)), color: out.paint.colored(), err, just_submitted: false }
    }

    /// Says whether there was anything to print.
    pub fn began(&self) -> bool {
        self.began
    }

    /// Prints bytes that stand at an offset of their file.
    ///
    /// # Errors
    /// Nobody reads them any more.
    pub fn print(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.began = true;
        let mut out = self.target();
        match &mut self.cleaner {
            None => out.write_all(bytes)?,
            Some(cleaner) => {
                if cleaner.offset() != offset {
                    cleaner.jump(offset);
                }
                let mut text = String::new();
                let color = self.color;
                cleaner.feed(bytes, |line| {
                    match color {
                        true => line.write_ansi(&mut text),
                        false => text.push_str(line.text()),
                    }
                    text.push('\n');
                });
                out.write_all(text.as_bytes())?;
            }
        }
        Ok(out.flush()?)
    }

    fn target(&self) -> Box<dyn Write> {
        if self.err { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout().lock()) }
    }

    /// Writes the last line, which no line feed ended.
    ///
    /// # Errors
    /// As [`Printer::print`].
    pub fn end(&mut self) -> Result<(), Failure> {
        if let Some(line) = self.cleaner.as_ref().and_then(Cleaner::unfinished) {
            let mut out = self.target();
            writeln!(out, "{}", line.text())?;
            out.flush()?;
        }
        Ok(())
    }
}
