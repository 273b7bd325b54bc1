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
    pages.iter().map(|page| table.page(page)).collect()
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

fn out(format: Format, query: &str) -> Out {
    let plain =
        Out { format, paint: Painter::plain(), paint_err: Painter::plain(), columns: None, quiet: false, query: None };
    plain.asking(Some(query)).unwrap()
}

fn asked(format: Format, query: &str, value: &Value) -> String {
    let out = out(format, query);
    let mut text = Vec::new();
    out.query.unwrap().write(&mut text, &out, value).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_question_is_answered_in_every_format() {
    let jobs = json!([
        {"name": "a", "nodeCount": 1, "executionState": "failed", "reason": "exit\u{1b}[2J", "nodes": ["n1"]},
        {"name": "b", "nodeCount": 12, "executionState": "running", "reason": null, "nodes": []},
    ]);
    let pick = "[].{who: name, nodes: nodeCount, executionState: executionState}";
    assert_eq!(
        asked(Format::Table, pick, &jobs),
        "WHO  NODES  EXECUTIONSTATE\na        1  failed\nb       12  running\n",
        "in the order of the expression"
    );
    assert_eq!(asked(Format::Tsv, pick, &jobs), "a\t1\tfailed\nb\t12\trunning\n");
    let lines = "{\"who\":\"a\",\"nodes\":1,\"executionState\":\"failed\"}\n{\"who\":\"b\",\"nodes\":12,\"executionState\":\"running\"}\n";
    assert_eq!(asked(Format::Jsonl, pick, &jobs), lines);
    assert_eq!(asked(Format::Yaml, "[0].{who: name}", &jobs), "who: a\n");
    assert_eq!(asked(Format::Table, "[?executionState=='failed'].name", &jobs), "a\n");
    assert_eq!(asked(Format::Json, "length(@)", &jobs), "2\n");
    assert_eq!(asked(Format::Tsv, "[].[name, nodes[0]]", &jobs), "a\tn1\nb\t\n");
    assert_eq!(asked(Format::Table, "[0].nope", &jobs), "", "nothing is there");
    assert_eq!(asked(Format::Json, "[0].nope", &jobs), "null\n");
    let whole = asked(Format::Jsonl, "[?nodeCount > `1`]", &jobs);
    assert_eq!(whole, format!("{}\n", jobs[1]), "the order of the data");
    let facts = asked(Format::Table, "[0]", &jobs);
    assert!(facts.contains("nodeCount") && !facts.contains('\u{1b}'), "{facts}");
    assert_eq!(asked(Format::Table, "sort_by(@, &nodeCount)[-1].name", &jobs), "b\n");
}

#[test]
fn a_wrong_question_says_where() {
    for (query, place) in [
        ("[?executionState=failed]", "--query: column 17: "),
        ("[].{name name}", "--query: column 10: "),
        ("name |\n [", "--query: line 2, column 3: "),
        ("nope(@)", "--query: column 5: "),
    ] {
        let fault = match Query::parse(query) {
            Err(fault) => fault,
            Ok(parsed) => parsed.pick(&json!([])).unwrap_err(),
        };
        assert!(fault.message.starts_with(place), "{query}: {}", fault.message);
        assert_eq!(fault.exit_code(), 2);
    }
}
