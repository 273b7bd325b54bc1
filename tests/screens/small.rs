//! The least screen that is of use: 40 columns and 12 rows.

use crate::screen::Screen;

/// Keys, and what has to be in sight after them.
const VISITS: &[(&str, &str, &[&str])] = &[
    ("tree", "", &["gpu-a100", "8 more columns, 1 more row"]),
    ("jobs", "/ \"run-0\" enter", &["run-0", "mnist-lr"]),
    ("experiment", "/ \"mnist-lr\" enter tab", &["job", "state", "run-0"]),
    ("job", "/ \"run-011\" enter tab", &["status", "running"]),
    ("log", "/ \"run-011\" enter tab tab", &["Log", "run-011"]),
    ("cluster", "j j j tab", &["gpu-a100", "nodes"]),
    ("scaling", "j j j +", &["4", "5"]),
    ("palette", ": \"sca\"", &["scale", ": sca"]),
    ("form", "/ \"run-009\" enter n", &["New job", "command"]),
    ("form_of_a_cluster", "j n", &["New cluster", "name"]),
    ("help", "?", &["Help", "Everywhere"]),
    ("why", "/ \"run-012\" enter W", &["run-012"]),
    ("question", "/ \"run-0\" enter * x", &["Cancel"]),
    ("failures", "!", &["run-"]),
    ("menu", ".", &["What can be done here", "shows the keys"]),
    ("tour", ": \"tour\" enter", &["1 of 8", "goes on"]),
];

#[test]
fn the_least_screen_is_of_use() {
    let mut wrong = Vec::new();
    for (name, keys, seen) in VISITS {
        let mut screen = Screen::at_work(40, 12, |_| {});
        screen.keys(keys);
        let text = screen.text();
        insta::assert_snapshot!(format!("small_{name}"), text);
        wrong.extend(seen.iter().filter(|part| !text.contains(**part)).map(|part| format!("{name}: no `{part}`\n{text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_windows_of_scaling_say_what_they_do_in_any_size() {
    for (keys, window) in [("j j j a", "auto-scale"), ("j j j $", "budget")] {
        let mut screen = Screen::at_work(40, 12, |_| {});
        screen.keys(keys);
        insta::assert_snapshot!(format!("small_{window}"), screen.text());
    }
}
