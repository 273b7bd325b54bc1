//! The three languages against one another, and texts that are none.

use proptest::prelude::*;

use super::*;
use crate::model::spec::fields::Faults;
use crate::model::spec::{ClusterFile, JobFile};

fn text(doc: &Doc, key: &str) -> Option<String> {
    match doc.get(key).map(|doc| &doc.value) {
        Some(Value::Text(text) | Value::Number(text) | Value::Bool(_, text)) => Some(text.clone()),
        Some(Value::Null | Value::List(_) | Value::Map(_)) | None => None,
    }
}

fn parse(name: &str, text: &str) -> Doc {
    Doc::parse(name, text.as_bytes()).unwrap_or_else(|faults| panic!("{name}: {faults:?}"))
}

fn refused(name: &str, text: &[u8]) -> String {
    match Doc::parse(name, text) {
        Ok(doc) => panic!("{name} loads: {doc:?}"),
        Err(faults) => faults.iter().map(|f| format!("{}: {f}", f.place)).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn places_count_characters() {
    let doc = parse("a.json", "{\n  // é\n  \"é\": 1, \"b\": 2\n}");
    let Value::Map(entries) = &doc.value else { panic!("{doc:?}") };
    assert_eq!((entries[1].place, entries[1].value.place), (Place { line: 3, column: 11 }, Place { line: 3, column: 16 }));
    let doc = parse("a.yaml", "é: 1\nb:\n  - x\n");
    assert_eq!(doc.get("é").map(|d| d.place), Some(Place { line: 1, column: 4 }));
    let doc = parse("a.toml", "a = 1\n[t]\nb = 'x'\n");
    assert_eq!(doc.get("t").and_then(|t| t.get("b")).map(|d| d.place), Some(Place { line: 3, column: 5 }));
}

#[test]
fn what_a_plain_word_of_yaml_means() {
    let doc = parse("a.yml", "a: 1.10\nb: True\nc: no\nd: ~\ne: '1'\nf: 7.00:00:00\ng: inf\nh: !!str 5\ni: 0x1F\nj: .5\n");
    let kinds: Vec<(&str, &str)> = ["a", "b", "c", "d", "e", "f", "g", "h", "j"]
        .iter()
        .map(|key| (*key, doc.get(key).map_or("missing", |doc| doc.value.kind())))
        .collect();
    assert_eq!(
        kinds,
        [
            ("a", "a number"),
            ("b", "a truth value"),
            ("c", "a text"),
            ("d", "nothing"),
            ("e", "a text"),
            ("f", "a text"),
            ("g", "a text"),
            ("h", "a text"),
            ("j", "a number"),
        ]
    );
    assert_eq!((text(&doc, "a").as_deref(), text(&doc, "b").as_deref()), (Some("1.10"), Some("True")));
}

#[test]
fn aliases_and_merges_of_yaml() {
    let doc = parse("a.yaml", "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist: [*b, *b]\n");
    let used = doc.get("use").unwrap();
    assert_eq!((text(used, "x").as_deref(), text(used, "y").as_deref()), (Some("1"), Some("3")));
    let bomb: String = std::iter::once("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned())
        .chain((1..12).map(|i| {
            let of = format!("*a{}", i - 1);
            format!("a{i}: &a{i} [{}]\n", vec![of; 10].join(","))
        }))
        .collect();
    assert!(refused("bomb.yaml", bomb.as_bytes()).contains("more than 100000 values"));
    assert!(refused("self.yaml", b"a: &a [*a]\n").contains("inside what it refers to"));
}

/// Found by fuzzing: each of many values on one line was counted from the line's start, and 64 KiB took seconds.
#[test]
fn places_on_a_line_without_end_are_right_and_cheap() {
    for text in ["é".repeat(3000), "aé漢\n".repeat(700), "x".repeat(2048), String::new()] {
        let lines = super::Lines::new(&text);
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert_eq!(lines.place(at), super::Place::of(&text, at), "{at} of {}", text.len());
        }
    }
    let many = format!("[{}1]", "1,".repeat(45_000));
    let begun = std::time::Instant::now();
    parse("a.json", &many);
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn texts_that_are_refused() {
    let deep = |open: &str, n: usize| open.repeat(n);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("twice.json", b"{\"a\": 1,\n \"a\": 2}".to_vec(), "2:2: the key `a` is set twice, first on line 1"),
        ("twice.yaml", b"a: 1\nb: 2\na: 3\n".to_vec(), "3:1: the key `a` is set twice, first on line 1"),
        ("twice.toml", b"a = 1\na = 2\n".to_vec(), "2:1: the key `a` is set twice"),
        ("json5.json", b"{a: 1}".to_vec(), "1:2: "),
        ("open.json", b"{\"a\": [1,\n2".to_vec(), "unterminated array"),
        ("two.json", b"{} {}".to_vec(), "more than one JSON value"),
        ("two.yaml", b"a: 1\n---\nb: 2\n".to_vec(), "2:1: a second document begins"),
        ("tab.yaml", b"a:\n\t- 1\n".to_vec(), "2:"),
        ("map-key.yaml", b"? {a: 1}\n: 2\n".to_vec(), "a key must be a text"),
        ("no-value.toml", b"a = \n".to_vec(), "1:"),
        ("utf16.json", b"\xFF\xFE{\0}\0".to_vec(), "the file is UTF-16; save it as UTF-8"),
        ("utf16-no-mark.json", b"{\0\"\0a\0\"\0:\x001\0}\0".to_vec(), "UTF-16"),
        ("latin1.yaml", b"a: b\nc: \xE9\n".to_vec(), "2:4: the byte 0xE9 (number 8) is not UTF-8"),
        ("large.json", vec![b' '; FILE_BYTES_MAX + 1], "the limit is 1048576"),
        ("deep.json", deep("[", 10_000).into_bytes(), "nesting depth exceeded"),
        (
            "deep33.json",
            format!("{}{}", deep("[", 33), deep("]", 33)).into_bytes(),
            "1:33: lists and maps are nested deeper than 32",
        ),
        (
            "deep.yaml",
            format!("{}{}", deep("[", 40), deep("]", 40)).into_bytes(),
            "1:33: lists and maps are nested deeper than 32",
        ),
        ("deeper.yaml", deep("[", 10_000).into_bytes(), "recursion limit exceeded"),
        ("deep-block.yaml", deep("- ", 10_000).into_bytes(), "nested deeper than 32"),
        ("deep.toml", format!("a = {}", deep("[", 10_000)).into_bytes(), "nested deeper than 32"),
        ("deep-key.toml", format!("{}a = 1", deep("a.", 100_000)).into_bytes(), "nested deeper than 32"),
        ("deep-quoted-key.toml", format!("{}a = 1", deep("'a'.", 100_000)).into_bytes(), "nested deeper than 32"),
        ("deep-head.toml", format!("[{}a]", deep("a . ", 100_000)).into_bytes(), "nested deeper than 32"),
        ("deep-inline.toml", format!("x = {{ {}a = 1 }}", deep("a.", 100_000)).into_bytes(), "nested deeper than 32"),
    ];
    for (name, bytes, expected) in cases {
        let got = refused(name, &bytes);
        assert!(got.contains(expected), "{name}: {got}");
    }
}

#[test]
fn the_language_is_told_by_name_or_content() {
    for (name, text, format) in [
        ("job.json", "", Format::Json),
        ("job.YML", "", Format::Yaml),
        ("config.toml", "{", Format::Toml),
        ("-", " \n{\"a\": 1}", Format::Json),
        ("-", "// note\n{}", Format::Json),
        ("-", "# note\na: b = c\n", Format::Yaml),
        ("-", "# note\na = 'b: c'\n", Format::Toml),
        ("-", "[properties]\nnodeCount = 1", Format::Toml),
        ("job", "- a", Format::Yaml),
    ] {
        assert_eq!(Format::of(name, text), format, "{name} {text:?}");
    }
    assert_eq!(parse("bom.json", "\u{feff}{\"a\": 1}").get("a").map(|d| d.place), Some(Place { line: 1, column: 7 }));
}

/// Pieces that files are made of, so that random texts get past the first character.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("\"nodeCount\"".to_owned()),
        Just("properties".to_owned()),
        Just(": ".to_owned()),
        Just(" = ".to_owned()),
        Just(",".to_owned()),
        Just("\n".to_owned()),
        Just("\n  ".to_owned()),
        Just("- ".to_owned()),
        Just("&a ".to_owned()),
        Just("*a ".to_owned()),
        Just("<<".to_owned()),
        Just("| ".to_owned()),
        Just("? ".to_owned()),
        Just("environmentVariables".to_owned()),
        Just("customToolkitSettings".to_owned()),
        Just("hosts".to_owned()),
        Just("--- ".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("1e999".to_owned()),
        any::<char>().prop_map(String::from),
        "[ -~]{0,6}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(pieces in prop::collection::vec(piece(), 0..40), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let text = pieces.concat();
        for name in ["x.json", "x.yaml", "x.toml", "x"] {
            for input in [text.as_bytes(), &bytes] {
                if let Ok(doc) = Doc::parse(name, input) {
                    let mut faults = Faults::default();
                    let job = JobFile::read(&doc, &mut faults);
                    prop_assert_eq!(job.is_some(), faults.errors.is_empty());
                    let mut faults = Faults::default();
                    let cluster = ClusterFile::read(&doc, &mut faults);
                    prop_assert_eq!(cluster.is_some(), faults.errors.is_empty());
                }
            }
        }
    }
}
