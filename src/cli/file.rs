//! `ostler job file`: what lies in the directories of a job.
//!
//! The published `downloadUrl` of a file is replaced by `downloadCommand`, stated in the help: files come straight from the
//! node over ssh, there is no storage service that could give out links.

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::Failure;
use super::logs::{self, Printer};
use super::output::{Column, Look, Row};
use super::session::{Core, Session, unexpected};
use super::{copy, job_create::by_id, names, select};
use crate::model::fault::Fault;
use crate::model::request::{
    FileEntry, FileKind, FileRef, FilesOf, FolderRef, From, JobView, Listing, Reply, Request, STDOUTERR,
};

/// The published bounds of `--expiry`, in minutes (reference §6.8.4).
pub const EXPIRY_MINUTES: std::ops::RangeInclusive<i64> = 5..=600;

/// What can be done with the files of a job.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// List what lies in a directory of a job, one level
    ///
    /// Works while the job runs and after it. With several nodes all of them are listed together; --node names one.
    #[command(visible_alias = "ls")]
    List(List),
    /// Print a file of a job as it grows, until the job has ended
    ///
    /// Waits for a file that is not there yet.
    Stream(Stream),
    /// Get a file or a directory of a job, with all that is in it
    ///
    /// What an interrupted one has left is gone on with. Links are not followed, and nothing is written outside the target.
    #[command(visible_alias = "download")]
    Get(copy::Get),
    /// Put files and directories into a directory of a job
    #[command(visible_alias = "upload")]
    Put(copy::Put),
}

/// Which job is meant, however it was said.
#[derive(Args, Clone, Debug)]
pub struct OneJob {
    /// The job: its name, job-12 or last
    #[arg(value_name = "JOB", required_unless_present = "of", conflicts_with = "of", add = names::jobs())]
    named: Option<String>,
    /// The same, as `az batchai` has it
    #[arg(short = 'j', long = "job", id = "of", value_name = "JOB", add = names::jobs())]
    of: Option<String>,
}

impl OneJob {
    /// Returns the word for it.
    pub fn word(&self) -> &str {
        self.named.as_deref().or(self.of.as_deref()).unwrap_or_default()
    }
}

/// Which directory of a job is meant.
#[derive(Args, Clone, Debug)]
pub struct Directory {
    /// stdouterr, temp, or the id of an output or input directory
    #[arg(short = 'd', long, value_name = "ID", default_value = STDOUTERR)]
    pub output_directory_id: String,
    /// The node, by its index in the job or its name
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
}

/// Options of `list`.
#[derive(Args, Clone, Debug)]
pub struct List {
    #[command(flatten)]
    job: OneJob,
    #[command(flatten)]
    directory: Directory,
    /// A path below the directory
    #[arg(short, long, default_value = ".")]
    path: String,
    /// Accepted for scripts written for `az batchai`: files come straight from their node, so nothing expires
    #[arg(long, value_name = "MINUTES", hide = true, value_parser = clap::value_parser!(i64).range(EXPIRY_MINUTES))]
    expiry: Option<i64>,
}

/// Options of `stream`.
#[derive(Args, Clone, Debug)]
pub struct Stream {
    #[command(flatten)]
    job: OneJob,
    #[command(flatten)]
    directory: Directory,
    /// The file's name, or its path below the directory
    #[arg(short, long, value_name = "NAME")]
    file_name: String,
    /// The path below the directory that the file is in
    #[arg(short, long, default_value = ".")]
    path: String,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::List(list) => self::list(session, list).await,
        Verb::Stream(stream) => self::stream(session, stream).await,
        Verb::Get(get) => copy::get(session, get).await,
        Verb::Put(put) => copy::put(session, put).await,
    }
}

/// Finds the one job that a word means.
///
/// # Errors
/// There is none, or there are several.
pub async fn one_job(session: &Session, core: &Core, word: &str) -> Result<std::sync::Arc<JobView>, Failure> {
    let picks = select::picks(std::slice::from_ref(&word.to_owned()), false)?;
    let mut jobs = select::many(session, core, picks).await?;
    match (jobs.pop(), jobs.len()) {
        (Some(view), 0) => Ok(view),
        (_, more) => {
            let count = more + 1;
            Err(Fault::config(format!("`{}` means {count} jobs; this is about one", word.escape_debug())).into())
        }
    }
}

/// Returns the index of a node of a job that a word names: its index, or its name.
///
/// # Errors
/// The job has no such node.
pub fn node_index(view: &JobView, word: Option<&String>) -> Result<Option<u32>, Fault> {
    let Some(word) = word else { return Ok(None) };
    let names = &view.job.last.node_names;
    let by_name = names.iter().position(|name| name == word);
    let by_index = word.parse::<usize>().ok().filter(|index| *index < names.len());
    match by_name.or(by_index).and_then(|at| u32::try_from(at).ok()) {
        Some(index) => Ok(Some(index)),
        None if names.is_empty() => Err(Fault::user(format!("job `{}` has not run on any node", view.job.name))),
        None => {
            let fault = Fault::user(format!("job `{}` has no node `{}`", view.job.name, word.escape_debug()));
            Err(fault.hint(format!("it has {}, counted from 0", names.join(", "))))
        }
    }
}

/// Puts a path and a name together; `.` is the directory itself.
pub fn join(path: &str, name: &str) -> String {
    match (path.trim_end_matches('/'), name) {
        ("." | "", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}/{name}"),
    }
}

const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "TYPE", look: Look::Text },
    Column { title: "SIZE", look: Look::Number },
    Column { title: "MODIFIED", look: Look::Text },
    Column { title: "NODE", look: Look::Wide },
];
const COLUMNS_OF_MANY: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "TYPE", look: Look::Text },
    Column { title: "SIZE", look: Look::Number },
    Column { title: "MODIFIED", look: Look::Text },
    Column { title: "NODE", look: Look::Text },
];

async fn list(session: &Session, list: List) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one_job(session, &core, list.job.word()).await?;
    let node = node_index(&view, list.directory.node.as_ref())?;
    let path = join(&list.path, "");
    let directory = list.directory.output_directory_id;
    let of = FilesOf::Job(by_id(&view));
    let folder = FolderRef { of, directory: Some(directory.clone()), path: path.clone(), node };
    let listing = listing(&core, folder).await?;
    let several = node.is_none() && view.job.last.node_names.len() > 1;
    let command = |entry: &FileEntry| {
        let mut words = vec!["ostler", "job", "file", "get", "-j"].into_iter().map(str::to_owned).collect::<Vec<_>>();
        words.extend([view.job.id.to_string(), "-d".to_owned(), directory.clone()]);
        if view.job.last.node_names.len() > 1 {
            words.extend(["--node".to_owned(), entry.node.to_string()]);
        }
        words.extend(["-p".to_owned(), join(&path, &entry.name)]);
        shlex::try_join(words.iter().map(String::as_str)).ok()
    };
    let node_name = |entry: &FileEntry| view.job.last.node_names.get(entry.node as usize).cloned().unwrap_or_default();
    let rows = listing.entries.iter().map(|entry| row(entry, node_name(entry), command(entry)));
    print(session, several, rows.collect(), &listing)?;
    Ok(0)
}

/// Asks for what lies in a directory.
///
/// # Errors
/// As for every command.
pub async fn listing(core: &Core, folder: FolderRef) -> Result<Listing, Failure> {
    match core.ask(Request::ListFiles(folder)).await? {
        Reply::Listing(listing) => Ok(listing),
        other => Err(unexpected(&other)),
    }
}

/// Prints a list of files, with the node of each when there are several, and what there is to note.
///
/// # Errors
/// Nobody reads it any more.
pub fn print(session: &Session, several: bool, rows: Vec<Row>, listing: &Listing) -> Result<(), Failure> {
    let mut writer = session.out.list(if several { COLUMNS_OF_MANY } else { COLUMNS });
    writer.page(rows)?;
    writer.end()?;
    for note in &listing.notes {
        session.out.note(note);
    }
    Ok(())
}

/// Returns an entry in the published shape (§6.8.4): directories have no properties.
pub fn row(entry: &FileEntry, node: String, command: Option<String>) -> Row {
    let mut value = json!({"name": entry.name, "fileType": entry.kind.word(), "node": node});
    let file = entry.kind == FileKind::File;
    if file {
        value["downloadCommand"] = json!(command);
        value["properties"] = json!({"lastModified": entry.modified.rfc3339(), "contentLength": entry.size});
    }
    let size = if file { entry.size.to_string() } else { String::new() };
    // What says no time has none to say.
    let modified = if entry.modified.0 > 0 { entry.modified.rfc3339() } else { String::new() };
    // A slash for people, as `ls -p` has it; programs have the type.
    let name = if entry.kind == FileKind::Directory { format!("{}/", entry.name) } else { entry.name.clone() };
    Row { cells: vec![name, entry.kind.word().to_owned(), size, modified, node], value, name: entry.name.clone() }
}

async fn stream(session: &Session, stream: Stream) -> Result<i32, Failure> {
    let core = session.core().await?;
    let view = one_job(session, &core, stream.job.word()).await?;
    let view = logs::await_start(session, &core, view).await?;
    if view.job.attempt.0 == 0 {
        return Err(Fault::user(format!("job `{}` has ended without a start: {}", view.job.name, view.reason)).into());
    }
    let node = node_index(&view, stream.directory.node.as_ref())?.unwrap_or(0);
    let file = FileRef {
        of: FilesOf::Job(by_id(&view)),
        directory: Some(stream.directory.output_directory_id),
        file: join(&stream.path, &stream.file_name),
        node,
    };
    let mut printer = Printer::new(session.out);
    logs::follow(session, &core, file.clone(), 0, &mut printer).await?;
    if !printer.began() {
        // It may be there and empty.
        if let Err(Failure::Fault(fault)) = logs::window(&core, &file, From::End, 0).await {
            return Err(Fault { message: format!("the job has ended, and {}", fault.message), ..fault }.into());
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join() {
        for (path, name, whole) in
            [(".", "", ""), (".", "a", "a"), ("a/", "", "a"), ("a/b", "c", "a/b/c"), ("", "x", "x"), ("./", "x", "x")]
        {
            assert_eq!(join(path, name), whole);
        }
    }
}
