//! What is written by the program and kept in the tree: the schemas of files, for editors.

use std::path::Path;

use ostler::commands::CommandId;
use ostler::model::spec::schema::FILES;
use serde_json::Value;

use crate::tree::root;

fn schemas() -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = FILES.iter().map(|(name, make)| ((*name).to_owned(), make())).collect();
    all.push(("config.json".to_owned(), ostler::config::schema::schema()));
    all.push(("theme.json".to_owned(), ostler::tui::theme::schema()));
    all
}

#[test]
fn generated_schemas_are_current() {
    let folder = root().join("assets/schema");
    for (name, schema) in schemas() {
        let path = folder.join(&name);
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "assets/schema/{name} is old: UPDATE=1 cargo test --test rules generated");
    }
}

/// The commands that a newcomer looks for, in the order of a visit.
const FIRST: &[CommandId] = &[
    CommandId::NextPane,
    CommandId::Palette,
    CommandId::Filter,
    CommandId::ScaleUp,
    CommandId::ScaleDown,
    CommandId::ScaleIdle,
    CommandId::AutoScale,
    CommandId::NewJob,
    CommandId::Plan,
    CommandId::Rerun,
    CommandId::RerunWith,
    CommandId::Stop,
    CommandId::Undo,
    CommandId::Why,
    CommandId::Failures,
    CommandId::Mark,
    CommandId::Shell,
    CommandId::LogSearch,
    CommandId::LogOnly,
    CommandId::LogMerge,
    CommandId::Bookmark,
    CommandId::Bookmarks,
    CommandId::Menu,
    CommandId::Help,
    CommandId::Quit,
];

/// The README's table of keys, between its marks.
#[test]
fn generated_keys_of_the_readme_are_current() {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once("<!-- keys:").expect("the first mark");
    let (mark, rest) = rest.split_once('\n').expect("its line");
    let (_, after) = rest.split_once("<!-- /keys -->").expect("the second mark");
    let row = |id: &CommandId| {
        let row = id.row();
        let keys: Vec<String> = row.keys.iter().take(2).map(|key| format!("`{key}`")).collect();
        // A bar would end the cell, and the first part of a sentence is enough.
        let sentence = row.sentence.split(';').next().unwrap_or_default().replace('|', "\\|");
        format!("| {} | {sentence} |\n", keys.join(" "))
    };
    let table: String = FIRST.iter().map(row).collect();
    let text = format!("{before}<!-- keys:{mark}\n\n| key | what it does |\n|---|---|\n{table}\n<!-- /keys -->{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == text, "the README's keys are old: UPDATE=1 cargo test --test rules generated");
}

/// The manual has a page for every command, and that of the whole has every key and every sentence of the table.
#[test]
fn generated_manual_is_in_step() {
    fn walk(command: &clap::Command, name: &str, found: &mut Vec<String>) {
        found.push(format!("{name}.1"));
        for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            walk(below, &format!("{name}-{}", below.get_name()), found);
        }
    }
    let pages = ostler::cli::man::pages();
    let mut names = Vec::new();
    walk(&ostler::cli::args::whole(), "ostler", &mut names);
    assert_eq!(pages.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    // As troff shows it.
    let plain = |text: &str| text.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\&", "").replace("\\\\", "\\");
    let first = plain(&pages[0].1);
    for command in ostler::commands::ALL {
        assert!(first.contains(command.sentence), "{} has no entry", command.name);
        let head = match command.keys {
            [] => format!("\\fB:{}", command.name),
            keys => format!("\\fB{}\\fR", keys.join(", ")),
        };
        assert!(first.contains(&head), "{head} is not on the page");
    }
    for (name, text) in &pages {
        for section in [".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n"] {
            assert!(text.contains(section), "{name} has no {section}");
        }
        // Only what troff knows begins with a dot.
        let odd =
            text.lines().find(|line| line.starts_with('.') && !line[1..].starts_with(|c: char| c.is_ascii_alphabetic()));
        assert_eq!(odd, None, "{name}");
    }
}

/// The pictures of the README: the file, its recording, after how many seconds of it, and words that have to be seen.
const PICTURES: [(&str, &str, u64, [&str; 2]); 5] = [
    ("main.svg", "demo.jsonl", 9, ["following", "epoch"]),
    ("history.svg", "demo.jsonl", 25, ["History", "nodes at work"]),
    ("scaling.svg", "scaling.jsonl", 6, ["proposed", "budget lasts"]),
    ("table.svg", "study.jsonl", 33, ["best loss", "goes with loss"]),
    ("curves.svg", "study.jsonl", 25, ["loss over steps", "LR=1"]),
];

/// The moving one, up to so many seconds.
const MOVING: (&str, &str, u64) = ("moving.svg", "study.jsonl", 45);
/// What a page can hold without a wait.
const MOVING_BYTES_MAX: usize = 1 << 20;

fn drawn_as() -> ostler::tui::TuiOptions {
    ostler::tui::TuiOptions {
        theme: Some("ostler-dark".to_owned()),
        depth: Some(ostler::tui::theme::Depth::True),
        demo: true,
        ..Default::default()
    }
}

/// Keeps a picture when that is asked for, and checks that it is there and shown.
fn kept(name: &str, picture: &str) {
    let path = root().join("assets/screens").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, picture).unwrap();
    }
    // How it looks in detail may be of an earlier day; that it is there may not.
    assert!(path.is_file(), "{name}: UPDATE=1 cargo test --test rules generated");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("assets/screens/{name}")), "the README does not show {name}");
}

/// Sessions with the demo, recorded by `ostler --record FILE demo`, are drawn as `--replay FILE --still PICTURE` does it.
#[test]
fn generated_pictures_come_from_a_recording() {
    for (name, recording, secs, words) in PICTURES {
        let after = ostler::model::units::Millis::from_secs(secs);
        let file = root().join("assets/screens").join(recording);
        let picture = ostler::tui::still::still(&file, &drawn_as(), (120, 36), after).unwrap();
        for word in words {
            assert!(picture.contains(&word.replace(' ', "\u{a0}")), "{name} has no `{word}`");
        }
        kept(name, &picture);
    }
}

/// The moving picture comes from one too, as `--replay FILE --moving PICTURE` does it.
#[test]
fn generated_moving_picture_comes_from_a_recording() {
    let (name, recording, secs) = MOVING;
    let until = ostler::model::units::Millis::from_secs(secs);
    let picture =
        ostler::tui::moving::moving(&root().join("assets/screens").join(recording), &drawn_as(), (120, 36), until).unwrap();
    assert!(picture.len() < MOVING_BYTES_MAX, "{} KiB", picture.len() / 1024);
    // What is not there in the beginning comes.
    for word in ["proposed", "Help:", "goes"] {
        assert!(picture.contains(&word.replace(' ', "\u{a0}")), "no `{word}`");
    }
    assert!(picture.matches("<animate ").count() > 100 && !picture.contains("<script"));
    kept(name, &picture);
}

#[test]
fn files_that_are_read_fit_their_schema() {
    let mut registry = jsonschema::Registry::new();
    for (name, schema) in schemas() {
        registry = registry.add(format!("json-schema:///{name}"), schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let build = |(name, schema): (String, Value)| {
        let base = format!("json-schema:///{name}");
        (name, jsonschema::options().with_registry(&registry).with_base_uri(base).build(&schema).unwrap())
    };
    let validators: Vec<(String, jsonschema::Validator)> = schemas().into_iter().map(build).collect();
    let fits = |kind: &str, name: &str, file: &Value| {
        let (_, validator) = validators.iter().find(|(known, _)| known == kind).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(file).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name} against {kind}: {errors:#?}");
    };
    let mut seen = 0;
    for folder in ["tests/fixtures/published", "assets/examples", "assets/examples/frameworks"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if !["json", "yaml", "toml"].iter().any(|known| path.extension().is_some_and(|found| found == *known)) {
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let kinds = [("job", "job.json"), ("cluster", "cluster.json"), ("file-server", "file-server.json")];
            // Published answers set what is not there to null; readers take that, and nobody writes it.
            if name.contains("as-shown") {
                continue;
            }
            let (_, kind) = kinds.iter().find(|(start, _)| name.starts_with(start)).unwrap_or(&kinds[0]);
            fits(kind, &name, &tree_of(&path));
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} files");
    for entry in std::fs::read_dir(root().join("themes")).unwrap() {
        let path = entry.unwrap().path();
        fits("theme.json", &path.display().to_string(), &tree_of(&path));
    }
    let job = serde_json::json!({"name": "j", "nodeCount": 1, "customToolkitSettings": {"commandLine": "x"}});
    let cluster = serde_json::json!({"name": "c", "hosts": "a", "scaleSettings": {"manual": {"targetNodeCount": 1}}});
    let kind = |kind: &str, body: &Value| {
        let mut body = body.clone();
        body["kind"] = kind.into();
        body
    };
    let tree = |cluster: &Value, job: &Value| {
        serde_json::json!({"workspace": {"name": "lab", "tags": {"a": "b"}, "clusters": [cluster],
            "experiments": [{"name": "e", "jobs": [job]}]}})
    };
    fits("apply.json", "a tree", &tree(&cluster, &job));
    fits("apply.json", "a job", &kind("job", &job));
    fits("apply.json", "a cluster", &kind("cluster", &cluster));
    fits("apply.json", "an experiment", &serde_json::json!({"kind": "experiment", "name": "e", "workspace": "lab"}));
    let (_, validator) = validators.iter().find(|(name, _)| name == "apply.json").unwrap();
    let bad_job = serde_json::json!({"name": "j", "nodeCount": "two", "customToolkitSettings": {"commandLine": "x"}});
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({"kind": "robot", "name": "r"}),
        serde_json::json!({"workspace": {"clusters": []}}),
        tree(&cluster, &bad_job),
        tree(&serde_json::json!({"name": "c"}), &job),
        kind("job", &bad_job),
        kind("cluster", &job),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
    let published = serde_json::json!({"params": [
        {"parameterName": "LR", "dataType": "REAL", "start": 0.001, "end": 10, "scale": "LOG"},
        {"parameterName": "BATCH", "values": [100, 200, 300]}], "kinds": ["NumericParameter", "DiscreteParameter"]});
    let own = serde_json::json!({"parameters": {"lr": "log:1e-4..1e-1:8", "opt": [{"a": 1}, {"a": 2}], "x": {"start": 1, "end": 3}},
        "search": "random", "jobs": 16, "stop": {"rule": "asha", "metric": "loss"}, "naming": "hash", "runningMax": 4});
    fits("sweep.json", "as published", &published);
    fits("sweep.json", "our own", &own);
    let swept = |sweep: &Value| {
        let mut job = job.clone();
        job["sweep"] = sweep.clone();
        job
    };
    fits("job.json", "a job with a sweep", &swept(&own));
    let (_, validator) = validators.iter().find(|(name, _)| name == "sweep.json").unwrap();
    let wrong_sweeps = [
        serde_json::json!({}),
        serde_json::json!({"parameters": {"lr": "1,2"}, "search": "guess"}),
        serde_json::json!({"params": [{"values": [1]}]}),
        serde_json::json!({"parameters": {"lr": "1,2"}, "stop": {"rule": "asha", "factor": 1}}),
        serde_json::json!({"parameters": {"lr": "1,2"}, "runingMax": 4}),
    ];
    for wrong in &wrong_sweeps {
        assert!(!validator.is_valid(wrong), "{wrong}");
    }
    let (_, validator) = validators.iter().find(|(name, _)| name == "job.json").unwrap();
    assert!(!validator.is_valid(&swept(&wrong_sweeps[1])), "the sweep of a job is looked at too");
    for wrong in [
        serde_json::json!({"nodeCount": "two", "customToolkitSettings": {"commandLine": "x"}}),
        serde_json::json!({"properties": {"nodeCount": 1, "schedulingPriority": "urgent", "customToolkitSettings": {"commandLine": "x"}}}),
        serde_json::json!({"properties": {"nodeCount": 1}}),
        serde_json::json!({"nodeCount": 1, "customToolkitSettings": {}}),
        serde_json::json!({"customToolkitSettings": {"commandLine": "x"}}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

/// Reads JSON, YAML or TOML as the program does.
fn tree_of(path: &Path) -> Value {
    let name = path.file_name().unwrap().to_str().unwrap();
    ostler::model::spec::doc::Doc::parse(name, &std::fs::read(path).unwrap())
        .unwrap_or_else(|faults| panic!("{name}: {faults:?}"))
        .to_json()
}
