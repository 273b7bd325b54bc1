//! What is fuzzed: each reader of what a node, a file, a person or another program wrote.

use std::collections::BTreeMap;

use ostler::api::wire::{self, ClientHello, ServerHello};
use ostler::commands::Key;
use ostler::config::{Config, Sources};
use ostler::model::metric::{Form, LineReader, Memory};
use ostler::model::names;
use ostler::model::shown::{Cleaner, Shown};
use ostler::model::spec::doc::Doc;
use ostler::model::spec::fields::{Faults, FileFault};
use ostler::model::spec::{ClusterFile, JobFile, tree_file::Tree};
use ostler::model::units::{Bytes, Millis, Money};
use ostler::transport::frame::{Lines, Said, quote};
use ostler::tui::filter::Filter;
use ostler::tui::keymap::Keymap;
use ostler::tui::theme::Themes;

/// A reader and what it is fed from.
pub struct Target {
    pub name: &'static str,
    /// Folders that hold good inputs beside its own corpus.
    pub beside: &'static [&'static str],
    /// Words of its language.
    pub words: &'static [&'static str],
    pub read: fn(&[u8]),
}

const JOB_WORDS: &[&str] = &[
    "nodeCount",
    "customToolkitSettings",
    "commandLine",
    "environmentVariables",
    "secrets",
    "mountVolumes",
    "resources",
    "array",
    "0-9%3",
    "beginTime",
    "retry",
    "metrics",
    "patterns",
    "constraints",
    "maxWallClockTime",
    "P7D",
    "inputDirectories",
    "outputDirectories",
    "containerSettings",
    "sweep",
    "null",
    "true",
];

#[rustfmt::skip]
pub const TARGETS: &[Target] = &[
    Target { name: "frames", beside: &[], words: &["f ", "i 1.1.m0 ", "u", "k 1", "X 1.1.m0 rc=", "L ", "R ", "B ", "D 1.1.m0 1 ", "d 1.1.m0 1 t", "end"], read: frames },
    Target { name: "job", beside: &["assets/examples", "assets/examples/frameworks", "tests/fixtures/published"], words: JOB_WORDS, read: job },
    Target { name: "cluster", beside: &["assets/examples", "tests/fixtures/published"], words: &["hosts", "scaleSettings", "manual", "autoScale", "gpu[1-16]", "provider", "nodeSetup", "price"], read: cluster },
    Target { name: "tree", beside: &["assets/examples"], words: &["workspace", "clusters", "experiments", "jobs", "fileServers", "properties", "---\n"], read: tree },
    Target { name: "config", beside: &[], words: &["kill_grace", "keys", "webhook", "secrets", "node_classes", "storage_accounts", "columns", "'5s'"], read: config },
    Target { name: "theme", beside: &["themes"], words: &["inherits", "warm", "[palette]", "[roles]", "ground", "#ff0000", "fg", "bold"], read: theme },
    Target { name: "filter", beside: &[], words: &["state:", "node:", "since:2h", "param:lr>0.1", "!", "exit:137"], read: filter },
    Target { name: "keys", beside: &[], words: &["ctrl-", "alt-", "shift-", "space", "f12", "tab", " "], read: keys },
    Target { name: "shown", beside: &[], words: &["\u{1b}[", "\u{1b}]", "\u{9b}", "31m", "\r", "\u{8}", "\t", "\u{301}", "\u{202e}"], read: shown },
    Target { name: "inventory", beside: &[], words: &["gpu[01-16]", "ci@", "[::1]", "Host ", "[1]", ",", "[1-3]"], read: inventory },
    Target { name: "wire", beside: &[], words: &["protocol", "request", "status", "{\"", "null"], read: wire },
    Target { name: "metrics", beside: &[], words: &["loss=", "accuracy: ", "epoch 3/10", "nan", "{\"loss\":", "step="], read: metrics },
    Target { name: "units", beside: &[], words: &["P7D", "1h30m", "7.00:00:00", "GiB", "1.5", "-"], read: units },
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Nothing that a fault says may act on a terminal.
fn harmless(words: &str) {
    let clean: String = Shown::new(words).into();
    let acts = |c: char| c.is_control() && c != '\n';
    assert!(!clean.contains(acts), "{clean:?}");
}

fn told(faults: &[FileFault]) {
    for fault in faults {
        harmless(&fault.what);
        assert!(!fault.what.is_empty() && fault.what.len() < 20_000, "a fault of {} bytes", fault.what.len());
    }
}

fn frames(bytes: &[u8]) {
    let mut lines = Lines::default();
    // Any cut gives the same; the cuts come from the input itself.
    let cut = bytes.first().map_or(7, |b| usize::from(*b) + 1);
    for piece in bytes.chunks(cut) {
        drop(lines.feed(piece));
        assert!(
            lines.rest().len() <= ostler::transport::frame::FRAME_BYTES_MAX + cut,
            "{} bytes are kept",
            lines.rest().len()
        );
    }
    for line in bytes.split(|b| *b == b'\n') {
        if let Err(unexpected) = Said::parse(line) {
            let words = unexpected.to_string();
            assert!(words.len() < 4000 && !words.contains(char::is_control), "{words:?}");
        }
    }
    let word = text(bytes);
    let quoted = quote(&word);
    assert!(quoted.starts_with('\'') || quoted.is_empty() || !quoted.contains([' ', ';', '$', '`', '\n']), "{quoted:?}");
}

fn documents(bytes: &[u8], mut each: impl FnMut(&Doc, &mut Faults)) {
    for name in ["x.json", "x.yaml", "x.toml", "x"] {
        match Doc::parse(name, bytes) {
            Ok(doc) => {
                let mut faults = Faults::default();
                each(&doc, &mut faults);
                told(&faults.errors);
                told(&faults.warnings);
                drop(doc.to_json());
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                told(&faults);
            }
        }
    }
}

fn job(bytes: &[u8]) {
    documents(bytes, |doc, faults| drop(JobFile::read(doc, faults)));
}

fn cluster(bytes: &[u8]) {
    documents(bytes, |doc, faults| drop(ClusterFile::read(doc, faults)));
}

fn tree(bytes: &[u8]) {
    for name in ["x.json", "x.yaml"] {
        let Ok(docs) = Doc::parse_all(name, bytes) else { continue };
        let (mut tree, mut faults) = (Tree::default(), Faults::default());
        docs.iter().for_each(|doc| tree.add(doc, None, &mut faults));
        told(&faults.errors);
    }
}

/// Through a file, as it is read: modes, size and language are looked at there.
fn config(bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    thread_local! {
        static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new().expect("a file");
    }
    FILE.with(|file| {
        std::fs::write(file.path(), bytes).expect("it is written");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).expect("its mode");
        match Config::load(Sources { named_file: Some(file.path().to_owned()), ..Sources::default() }) {
            Ok(config) => ostler::config::keys::ALL.iter().for_each(|key| drop((key.show)(&config))),
            Err(report) => told(&report.faults),
        }
    });
}

fn theme(bytes: &[u8]) {
    let themes = Themes::new([("mine".to_owned(), text(bytes))].into());
    match themes.load("mine") {
        Ok(theme) => drop(theme.hard_to_read()),
        Err(fault) => harmless(&fault.message),
    }
}

fn filter(bytes: &[u8]) {
    let filter = Filter::new(&text(bytes));
    drop((filter.name("run-001"), filter.marks("mnist-lr"), filter.is_empty(), filter.has_fields()));
    assert_eq!(filter.text(), text(bytes));
}

fn keys(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(key) = text.parse::<Key>() {
        assert_eq!(key.to_string().parse::<Key>().as_ref(), Ok(&key), "{text:?} is written as {key}");
    }
    if let Err(fault) = Keymap::new(&BTreeMap::from([("stop".to_owned(), vec![text.clone()]), (text, vec!["x".to_owned()])]))
    {
        harmless(&fault.message);
    }
}

fn shown(bytes: &[u8]) {
    let clean = Shown::from_bytes(bytes);
    assert!(!clean.as_str().contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{clean:?}");
    assert_eq!(Shown::new(clean.as_str()).as_str().chars().filter(|c| c.is_control()).count(), 0);
    let mut cleaner = Cleaner::at(0);
    let mut end = 0;
    cleaner.feed(bytes, |line| {
        assert!(line.offset == end && line.end() > line.offset);
        end = line.end();
    });
    assert!(end <= bytes.len() as u64);
}

fn inventory(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(hosts) = names::expand_hosts(&text) {
        assert!(hosts.len() <= names::HOSTS_MAX + 1);
        for host in &hosts {
            assert!(!host.starts_with('-') && host.bytes().all(|b| b.is_ascii_graphic()), "{host:?}");
            assert!(
                !host.contains(['\'', '"', '$', '`', ';', '|', '&', '\\', '<', '>', '(', ')', '*', '?', '~', '#', '!']),
                "{host:?}"
            );
        }
    }
    for host in names::ssh_config_hosts(&text) {
        assert_eq!(names::check_host(&host), Ok(()));
    }
    for line in text.lines() {
        drop((names::check_name(line), names::check_variable(line), names::check_host(line)));
    }
}

fn wire(bytes: &[u8]) {
    drop((wire::decode::<ClientHello>(bytes).map_err(|fault| harmless(&fault.message)), wire::decode::<ServerHello>(bytes)));
    drop(serde_json::from_slice::<ostler::model::request::Request>(bytes));
    drop(serde_json::from_slice::<ostler::model::snapshot::Update>(bytes));
}

fn metrics(bytes: &[u8]) {
    for form in [Form::Usual, Form::Keras] {
        let reader = LineReader::new(form, &[]);
        let mut memory = Memory::default();
        for line in text(bytes).lines() {
            drop(reader.read(line, &mut memory));
        }
    }
}

fn units(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(span) = Millis::parse(&text) {
        drop(span.to_string());
    }
    if let Ok(size) = Bytes::parse(&text) {
        drop(size.to_string());
    }
    drop((
        Money::parse(&text),
        ostler::model::resource_id::ResourceId::parse(&text),
        text.parse::<ostler::model::ids::RankKey>(),
    ));
    drop((text.parse::<ostler::model::spec::scheduling::Indexes>(), text.parse::<ostler::model::spec::scheduling::Begin>()));
}
