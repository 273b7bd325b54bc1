//! The Files tab: directories, what lies in them, and copies that can be stopped and gone on with.

use std::sync::Arc;

use ostler::model::fault::Fault;
use ostler::model::request::{FileEntry, FileKind, Listing, Reply, Request};
use ostler::model::snapshot::Change;
use ostler::model::spec::job::{InputDirectory, OutputDirectory};
use ostler::model::task::{Progress, Task, TaskNews};
use ostler::tui::msg::Msg;
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world::{ago, cluster, experiment, job, running, update, workspace};

/// A running job with directories, the keys in its Files tab.
fn open(width: u16, height: u16, nodes: &[&str]) -> Screen {
    let mut train = running(job(11, 1, 1, "train-a-longer-name"), 1, "gpu-1", 724);
    train.last.node_names = nodes.iter().map(|node| (*node).to_owned()).collect();
    let output = |id: &str| OutputDirectory { id: id.to_owned(), path_prefix: "/data/out".to_owned(), path_suffix: None };
    let spec = Arc::make_mut(&mut train.spec);
    spec.output_directories = vec![output("MODEL"), output("CHECKPOINTS")];
    spec.input_directories = vec![InputDirectory { id: "DIGITS".to_owned(), path: "/data/digits".to_owned() }];
    let changes = vec![
        Change::Workspace(Arc::new(workspace(1, "prod"))),
        Change::Cluster(Arc::new(cluster(1, "gpu-a100", 4))),
        Change::Experiment(Arc::new(experiment(1, "mnist-lr"))),
        Change::Job(Arc::new(train)),
    ];
    let mut screen = Screen::new(width, height).all([update(1, true, changes)]);
    screen.keys("tab alt-5");
    screen.asked.clear();
    screen
}

fn entry(name: &str, kind: FileKind, size: u64, node: u32) -> FileEntry {
    FileEntry { kind, ..FileEntry::file(name, node, size, ago(90)) }
}

/// Answers the last question about a directory, and returns what was asked for.
fn answer(screen: &mut Screen, reply: Result<Listing, Fault>) -> (String, String) {
    let asked = screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Ask(ticket, Request::ListFiles(folder)) => Some((*ticket, folder.clone())),
        _ => None,
    });
    let (ticket, folder) = asked.expect("a directory was asked for");
    screen.tell(Msg::Reply(ticket, Box::new(reply.map(Reply::Listing))));
    (folder.directory.unwrap_or_default(), folder.path)
}

fn model() -> Listing {
    let entries = vec![
        entry("events", FileKind::Directory, 0, 0),
        entry("latest", FileKind::Link, 0, 0),
        entry("model-epoch-1.bin", FileKind::File, 125 << 20, 0),
        entry("model\u{1b}[2J.bin", FileKind::File, 3, 0),
    ];
    Listing { entries, notes: vec!["left out, as their names cannot be asked for: `two?lines`".to_owned()] }
}

#[test]
fn every_tab_of_a_job_can_be_read() {
    for (width, height) in [(80, 24), (120, 40)] {
        let text = open(width, height, &["gpu-1"]).text();
        let title = text.lines().find(|line| line.contains("Params")).unwrap_or_else(|| panic!("no tabs in\n{text}"));
        for tab in ["Overview", "Params", "Nodes", "Files", "Events"] {
            assert!(title.contains(tab), "{width}: {title}");
        }
    }
}

#[test]
fn directories_of_a_job() {
    insta::assert_snapshot!("directories-80", open(80, 24, &["gpu-1"]).text());
}

#[test]
fn a_directory_and_a_copy_on_a_large_screen() {
    let mut screen = open(120, 40, &["gpu-1"]);
    screen.keys("j enter");
    assert_eq!(answer(&mut screen, Ok(model())), ("MODEL".to_owned(), String::new()));
    screen.keys("j j d");
    let begun = screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Begin(number, Task::Copy(copy)) => Some((*number, copy.clone())),
        _ => None,
    });
    let (number, copy) = begun.expect("a copy");
    assert_eq!((copy.remote.path.as_str(), copy.local.as_str()), ("model-epoch-1.bin", "train-a-longer-name"));
    let bytes = (30 << 20, 125 << 20);
    screen.tell(Msg::Task(number, TaskNews::Progress(Progress { files: (0, 1), bytes, ..Progress::default() })));
    insta::assert_snapshot!("copy-120", screen.text());
    // The same key stops it, and goes on.
    screen.keys("d");
    assert!(screen.asked.iter().any(|effect| matches!(effect, UiEffect::End(ended) if *ended == number)));
    assert!(screen.text().contains("d goes on · model-epoch-1.bin stopped at 24 %"), "{}", screen.text());
    screen.keys("d");
    let again = screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Begin(number, Task::Copy(again)) if *again == copy => Some(*number),
        _ => None,
    });
    let again = again.expect("the same copy again");
    assert_ne!(again, number);
    screen.tell(Msg::Task(number, TaskNews::Failed(Fault::user("of the one that was stopped"))));
    screen.tell(Msg::Task(again, TaskNews::Interrupted { why: "the link was lost".to_owned() }));
    assert!(screen.text().contains("the link was lost; it goes on by itself"), "{}", screen.text());
    screen.tell(Msg::Task(again, TaskNews::Copied(Progress { files: (1, 1), bytes: (5, 5), ..Progress::default() })));
    let text = screen.text();
    assert!(text.contains("got model-epoch-1.bin (5 B) into train-a-longer-name") && !text.contains("goes on"), "{text}");
}

#[test]
fn a_directory_on_a_small_screen() {
    let mut screen = open(80, 24, &["gpu-1", "gpu-2"]);
    screen.keys("j enter");
    let mut listing = model();
    listing.entries.push(entry("own.txt", FileKind::File, 12, 1));
    answer(&mut screen, Ok(listing));
    insta::assert_snapshot!("directory-80", screen.text());
}

#[test]
fn down_and_up_and_into_the_log() {
    let mut screen = open(120, 40, &["gpu-1"]);
    screen.keys("j enter");
    answer(&mut screen, Ok(model()));
    screen.keys("enter");
    assert_eq!(answer(&mut screen, Ok(Listing::default())), ("MODEL".to_owned(), "events".to_owned()));
    assert!(screen.text().contains("MODEL/events") && screen.text().contains("nothing is in it"), "{}", screen.text());
    screen.keys("esc");
    assert_eq!(answer(&mut screen, Ok(model())), ("MODEL".to_owned(), String::new()));
    screen.keys("j j enter");
    let watched = screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Watch(_, file, _) => Some(file.clone()),
        _ => None,
    });
    let file = watched.expect("a file in the log pane");
    assert_eq!((file.directory.as_deref(), file.file.as_str()), (Some("MODEL"), "model-epoch-1.bin"));
    assert!(screen.text().contains("MODEL/model-epoch-1.bin"), "{}", screen.text());
    // A link is not opened, and the way back leads out of the tab in the end.
    screen.keys("shift-tab k enter");
    assert!(screen.text().contains("latest is no regular file"), "{}", screen.text());
    screen.keys("esc");
    assert!(screen.text().contains("CHECKPOINTS/"), "{}", screen.text());
}

#[test]
fn what_is_not_there_is_said_in_words() {
    let mut screen = open(80, 24, &["gpu-1"]);
    screen.keys("j enter");
    let fault = Fault::user("there is no directory /data/out on node `gpu-1`").hint("it may not be mounted there now");
    answer(&mut screen, Err(fault));
    let text = screen.text();
    assert!(text.contains("there is no directory /data/out on node") && text.contains("not be mounted"), "{text}");
}
