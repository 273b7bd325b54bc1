//! `ostler apply`: makes a workspace and all in it as files say. The plan is shown, then asked about, then done; done again
//! it does nothing. Nothing is deleted without `--prune`.

mod plan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use notify::Watcher as _;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::fetch::Source;
use super::lists::Lists;
use super::output::status::StatusLine;
use super::output::{Column, Look};
use super::select;
use super::session::{Core, Session};
use crate::model::fault::{Fault, FaultCode};
use crate::model::request::{JobQuery, Reply};
use crate::model::spec::fields::Faults;
use crate::model::spec::tree_file::{Tree, WorkspaceTree};
use plan::{Action, Allowed, Now, Step};

/// Editors write a file in several steps; files are read when they have been left alone for so long.
const SETTLED: Duration = Duration::from_millis(200);
/// So long at most is that waited for.
const RESTLESS: Duration = Duration::from_secs(2);
/// The files of a folder that are read.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Options of `apply`.
#[derive(Args, Clone, Debug)]
pub struct Apply {
    /// A file in YAML or JSON, of one or several documents; a folder of such files; or - for standard input. May be repeated
    #[arg(short, long = "file", value_name = "FILE|DIR", required = true)]
    files: Vec<String>,
    /// Also delete what is in the workspace and in no file
    #[arg(long)]
    prune: bool,
    /// Submit a job again whose body has changed since it ended; its old record goes, its files stay
    #[arg(long)]
    rerun: bool,
    /// Apply again whenever a file changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

const COLUMNS: &[Column] = &[
    Column { title: "ACTION", look: Look::Text },
    Column { title: "KIND", look: Look::Text },
    Column { title: "NAME", look: Look::Text },
    Column { title: "CHANGES", look: Look::Text },
];

/// Does it.
///
/// # Errors
/// As for every command; and that something differs in what cannot be changed.
pub async fn run(session: &Session, apply: &Apply) -> Result<i32, Failure> {
    if !apply.watch {
        let wish = read(session, &apply.files).await?;
        once(session, &session.core().await?, &wish, apply).await?;
        return Ok(0);
    }
    if apply.files.iter().any(|file| file == "-" || file.contains("://")) {
        return Err(Fault::config("only files and folders can be watched").hint("--watch -f DIR").into());
    }
    let (_watcher, mut touched) = watch(&apply.files)?;
    let core = session.core().await?;
    loop {
        let round = async {
            let wish = read(session, &apply.files).await?;
            once(session, &core, &wish, apply).await
        };
        // A file that is wrong for now is said; the next change may mend it.
        match round.await {
            Ok(()) => {}
            Err(failure @ (Failure::Fault(_) | Failure::File(_))) => drop(failure.tell(session.out)),
            Err(other) => return Err(other),
        }
        session.out.note("watching for changes; Ctrl-C ends it");
        if touched.recv().await.is_none() {
            return Ok(0);
        }
        // A file that never rests is read all the same.
        let rest = async { while tokio::time::timeout(SETTLED, touched.recv()).await.is_ok_and(|word| word.is_some()) {} };
        let _ = tokio::time::timeout(RESTLESS, rest).await;
    }
}

/// Applies one file: shows what changes, asks, does it.
///
/// # Errors
/// As for `apply`.
pub async fn file(session: &Session, file: &str) -> Result<(), Failure> {
    let apply = Apply { files: vec![file.to_owned()], prune: false, rerun: false, watch: false };
    let wish = read(session, &apply.files).await?;
    once(session, &session.core().await?, &wish, &apply).await
}

fn watch(files: &[String]) -> Result<(notify::RecommendedWatcher, mpsc::Receiver<()>), Fault> {
    let (touch, touched) = mpsc::channel(1);
    let told = move |event: notify::Result<notify::Event>| {
        // Being read, by us above all, is no change; one word that waits is as good as many.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = touch.try_send(());
        }
    };
    let failed = |e: notify::Error| Fault::user("the files cannot be watched").because(&e);
    let mut watcher = notify::recommended_watcher(told).map_err(failed)?;
    for file in files {
        let path = Path::new(file);
        // The folder, because editors put a new file in the place of the old one.
        let folder = match path.is_dir() {
            true => path,
            false => path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        };
        watcher.watch(folder, notify::RecursiveMode::NonRecursive).map_err(failed)?;
    }
    Ok((watcher, touched))
}

/// Reads all files into one wish.
async fn read(session: &Session, named: &[String]) -> Result<Tree, Failure> {
    let mut tree = Tree::default();
    let home = session.globals.workspace.as_deref().or(session.context.workspace.as_deref());
    for file in listed(named)? {
        let source = Source::read(&file).await?;
        let mut faults = Faults::default();
        for doc in source.docs()? {
            tree.add(&doc, home, &mut faults);
        }
        faults.sort();
        source.judge(session.out, faults, &[])?;
        let experiments = tree.workspaces.iter_mut().flat_map(|workspace| &mut workspace.experiments);
        experiments.flat_map(|(_, jobs)| jobs).for_each(|(_, spec)| super::code::root(&mut spec.code, &file));
    }
    if tree.workspaces.is_empty() {
        return Err(Fault::user("the files say nothing").hint("`ostler export WORKSPACE` writes such a file").into());
    }
    Ok(tree)
}

/// Puts the files of a folder in its place, by name.
fn listed(named: &[String]) -> Result<Vec<String>, Fault> {
    let mut all = Vec::new();
    for name in named {
        let path = Path::new(name);
        if !path.is_dir() {
            all.push(name.clone());
            continue;
        }
        let failed = |e: std::io::Error| Fault::user(format!("cannot read the folder `{}`", path.display())).because(&e);
        let mut found: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            if file.is_file() && EXTENSIONS.contains(&extension.as_str()) {
                found.push(file);
            }
        }
        found.sort();
        all.extend(found.iter().filter_map(|file| file.to_str().map(str::to_owned)));
    }
    Ok(all)
}

/// Plans, shows, asks and does.
async fn once(session: &Session, core: &Core, wish: &Tree, apply: &Apply) -> Result<(), Failure> {
    let steps = planned(session, core, wish, apply).await?;
    let mut list = session.out.list(COLUMNS);
    list.page(steps.iter().map(Step::row).collect())?;
    list.end()?;
    let count = |action: Action| steps.iter().filter(|step| step.action == action).count();
    let (made, changed, deleted) = (count(Action::Create), count(Action::Change), count(Action::Delete));
    let refused: Vec<&Step> = steps.iter().filter(|step| step.action == Action::Refused).collect();
    if let Some(first) = refused.first() {
        let what = format!("{} of {} things cannot be changed as wished; nothing was applied", refused.len(), steps.len());
        let causes = refused.iter().map(|step| format!("{} {}: {}", step.kind, step.name, step.changes.join("; ")));
        let fault = Fault::user(what).code(FaultCode::PropertyChangeNotAllowed).target(&first.name);
        return Err(Fault { causes: causes.collect(), ..fault }.into());
    }
    let summary = format!("{made} to create, {changed} to change, {deleted} to delete");
    if made + changed + deleted == 0 {
        session.out.note("no change");
        return Ok(());
    }
    if session.globals.dry_run {
        session.out.note(&summary);
        return Ok(());
    }
    session.confirm(&format!("{summary}: apply"))?;
    let (mut line, all) = (StatusLine::new(session.out), made + changed + deleted);
    for (done, step) in (1..).zip(steps.iter().filter(|step| !step.requests.is_empty())) {
        for request in &step.requests {
            let sentence = format!("{} {} {}", step.action.word(), step.kind, step.name);
            line.show(&format!("{done} of {all}: {sentence}"));
            if let Some(Reply::FileServer(view)) = core.act(&sentence, request.clone()).await? {
                // What follows may mount it.
                super::file_server::made(core, view).await?;
            }
        }
    }
    line.clear();
    session.out.note(&format!("{made} created, {changed} changed, {deleted} deleted"));
    Ok(())
}

async fn planned(session: &Session, core: &Core, wish: &Tree, apply: &Apply) -> Result<Vec<Step>, Failure> {
    let lists = Lists::read(core, None).await?;
    let mut steps = Vec::new();
    for workspace in &wish.workspaces {
        let full = full_name(session, workspace);
        let mut jobs = BTreeMap::new();
        if lists.workspace(Some(&full)).is_ok() {
            for (name, _) in &workspace.experiments {
                let there =
                    JobQuery { workspace: Some(full.clone()), experiment: Some(name.clone()), ..JobQuery::default() };
                let mut known = Vec::new();
                let home = lists.workspace(Some(&full))?.id;
                let same = |e: &&std::sync::Arc<crate::model::state::Experiment>| {
                    e.workspace == home && crate::model::names::same_name(&e.name, name)
                };
                if lists.experiments.iter().find(same).is_some() {
                    select::pages(core, there, |page| {
                        known.extend(page);
                        Ok(true)
                    })
                    .await?;
                }
                jobs.insert((full.to_ascii_lowercase(), name.to_ascii_lowercase()), known);
            }
        }
        let now = Now { lists: &lists, jobs: &jobs };
        steps.extend(plan::steps(workspace, &full, &now, Allowed { prune: apply.prune, rerun: apply.rerun }));
    }
    Ok(steps)
}

/// A workspace with its group: that of the file, else that of the command line, else the one that is always there.
fn full_name(session: &Session, workspace: &WorkspaceTree) -> String {
    let group = workspace.group.as_ref().or(session.context.resource_group.as_ref());
    let group = group.map_or(crate::model::state::DEFAULT_GROUP, String::as_str);
    format!("{group}/{}", workspace.name)
}
