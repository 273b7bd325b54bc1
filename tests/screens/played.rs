//! The same messages give the same screen, also by way of a recording.

use ostler::tui::msg::{Msg, Stamped};
use ostler::tui::record;

use crate::screen::Screen;
use crate::world::{NOW, at_work, update};

#[test]
fn a_recording_plays_the_same_screen() {
    let keys = ["j", "j", "j", "+", "enter", "tab", "alt-2", "/", "r", "enter", ":", "w", "a", "r"];
    let mut messages = vec![Msg::Resize(120, 40), update(1, true, at_work())];
    messages.extend(keys.iter().map(|key| Msg::Key(key.parse().expect("a key"))));
    let direct = Screen::new(120, 40).all(messages.clone());

    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("session.jsonl");
    let mut recorder = record::Recorder::create(&path).expect("the file is made");
    for msg in &messages {
        recorder.write(&Stamped { at: NOW, msg: msg.clone() }).expect("it is written");
    }
    let read = record::read(&path).expect("it is read");
    assert_eq!(read.iter().map(|stamped| &stamped.msg).collect::<Vec<_>>(), messages.iter().collect::<Vec<_>>());
    let played = Screen::new(120, 40).all(read.into_iter().map(|stamped| stamped.msg));
    assert_eq!(played.buffer(), direct.buffer());
}

#[test]
fn a_broken_recording_says_which_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("session.jsonl");
    std::fs::write(&path, "{\"at\":1,\"msg\":\"tick\"}\n{\"at\":\n").expect("it is written");
    let fault = record::read(&path).expect_err("line 2 is no message");
    assert!(fault.message.contains("line 2"), "{}", fault.message);
}
