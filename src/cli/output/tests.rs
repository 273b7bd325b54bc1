//! Every writer against the same rows.

use serde_json::json;

use super::*;

const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "NODES", look: Look::Number },
    Column { title: "STATE", look: Look::State },
    Column { title: "MADE", look: Look::Wide },
    Column { title: "REASON", look: Look::Text },
];

fn row(name: &str, nodes: u32, state: &str, reason: &str) -> Row {
    Row {
        cells: vec![name.to_owned(), nodes.to_string(), state.to_owned(), "today".to_owned(), reason.to_owned()],
        value: json!({"name": name, "nodeCount": nodes}),
        name: name.to_owned(),
    }
}

fn table(wide: bool, limit: Option<usize>, paint: Painter, pages: &[Vec<Row>]) -> String {
    let mut table = table::Table::new(COLUMNS, wide, limit, paint);
    let mut out = Vec::new();
    pages.iter().for_each(|page| table.page(&mut out, page).unwrap());
    String::from_utf8(out).unwrap()
}

#[test]
fn tables() {
    let rows = vec![row("a", 1, "running", ""), row("longer", 12, "queued", "needs 4 nodes,\n2 \u{1b}[31midle")];
    let shown = table(false, None, Painter::plain(), std::slice::from_ref(&rows));
    let reason = clean("needs 4 nodes,\n2 \u{1b}[31midle");
    assert_eq!(shown, format!("NAME    NODES  STATE    REASON\na           1  running\nlonger     12  queued   {reason}\n"));
    let cut = table(false, Some(36), Painter::plain(), std::slice::from_ref(&rows));
    assert!(cut.lines().all(|line| line.chars().count() <= 36) && cut.contains('…'), "{cut}");
    let wide = table(true, None, Painter::plain(), std::slice::from_ref(&rows));
    assert!(wide.starts_with("NAME    NODES  STATE    MADE   REASON\n"), "{wide}");
    let painted = table(false, None, Painter::new(true), std::slice::from_ref(&rows));
    assert!(painted.contains("\u{1b}[36mrunning\u{1b}[0m"), "{painted:?}");
    // The second page has no titles, and its rows stand below those of the first.
    let two = table(false, None, Painter::plain(), &[rows, vec![row("b", 3, "failed", "x")]]);
    assert!(two.ends_with("b           3  failed   x\n"), "{two}");
    assert_eq!(table(false, None, Painter::plain(), &[vec![]]), "NAME  NODES  STATE  REASON\n");
}

#[test]
fn a_json_array_is_one_value() {
    for count in [0, 1, 3] {
        let mut out = Vec::new();
        let mut array = json::Array::default();
        let values: Vec<Value> = (0..count).map(|i| json!({"i": i, "text": "a\nb"})).collect();
        values.iter().for_each(|value| array.item(&mut out, value).unwrap());
        array.end(&mut out).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), Value::Array(values));
    }
}

#[test]
fn yaml_reads_back_as_what_it_was() {
    let value = json!([
        {"name": "no", "list": [], "map": {}, "nested": [{"a": 1, "b": ["x", "y: z"]}, ["p", {"q": null}]]},
        {"text": "line\nbreak \u{1b}[2J # no", "number": "1.10", "true": true, "f": 1.5, "-": "- dash", "empty": ""},
    ]);
    let mut out = Vec::new();
    yaml::document(&mut out, &value).unwrap();
    let text = String::from_utf8(out).unwrap();
    let back: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(back, value, "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn lines_stay_lines() {
    let mut out = Vec::new();
    lines::tsv(&mut out, &["a\tb".to_owned(), "c\nd".to_owned()]).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!((text.matches('\t').count(), text.matches('\n').count()), (1, 1), "{text:?}");
}
