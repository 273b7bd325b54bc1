//! What is shown of untrusted text, case by case, and what must hold for every text.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::*;

fn lines(bytes: &[u8]) -> Vec<ShownLine> {
    fed(std::iter::once(bytes))
}

/// All lines, an unfinished last one too.
fn fed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<ShownLine> {
    let (mut cleaner, mut lines) = (Cleaner::at(0), Vec::new());
    pieces.into_iter().for_each(|piece| cleaner.feed(piece, |line| lines.push(line)));
    lines.extend(cleaner.unfinished());
    lines
}

fn texts(bytes: &[u8]) -> Vec<String> {
    lines(bytes).iter().map(|line| line.text().to_owned()).collect()
}

/// Says what makes a text unfit to be drawn.
fn unfit(text: &str) -> Option<String> {
    let bad = |c: &char| {
        c.is_control()
            || matches!(*c as u32, 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe0fff)
    };
    if let Some(c) = text.chars().find(bad) {
        return Some(format!("U+{:04X}", c as u32));
    }
    text.graphemes(true).find(|cell| cell.len() > CELL_BYTES_MAX).map(|cell| format!("a cell of {} bytes", cell.len()))
}

#[test]
fn what_becomes_of_bytes() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("plain", b"epoch 1 loss 0.5", "epoch 1 loss 0.5"),
        ("colour", b"\x1b[1;31merror\x1b[0m: x", "error: x"),
        ("title", b"a\x1b]0;owned\x07b", "ab"),
        ("clipboard", b"a\x1b]52;c;cm0gLXJm\x1b\\b", "ab"),
        ("hyperlink", b"\x1b]8;;http://x\x1b\\name\x1b]8;;\x1b\\", "name"),
        ("device control", b"a\x1bP$qm\x1b\\b", "ab"),
        ("application", b"a\x1b_Gf=100;AAAA\x1b\\b\x1b^private\x1b\\c\x1bXsos\x1b\\d", "abcd"),
        ("cursor", b"a\x1b[2J\x1b[H\x1b[10;10Hb\x1bcc\x1b7d", "abcd"),
        ("charset", b"\x1b(Bx\x0f", "x"),
        ("c1 in utf-8", "a\u{9b}31mb\u{9d}0;t".as_bytes(), "a\u{fffd}31mb\u{fffd}0;t"),
        ("c1 as a byte", b"a\x9b31mb", "a\u{fffd}31mb"),
        ("bell, delete, nul", b"a\x07b\x7fc\0", "a␇b␡c␀"),
        ("tab", b"ab\tc\t\td", "ab      c               d"),
        ("tab behind wide letters", "漢\tx".as_bytes(), "漢      x"),
        ("progress bar", b"10%\r50%\r100%", "100%"),
        ("progress bar at rest", b"10%\r50%\r", "50%"),
        ("carriage return, line feed", b"x\r", "x"),
        ("column one", b"old\x1b[2K\x1b[1Gnew\x1b[5Gx", "newx"),
        ("spinner", b"|\x08/\x08-", "-"),
        ("overstrike", b"N\x08NA\x08A", "NA"),
        ("back too far", b"a\x08\x08\x08\x08bc", "bc"),
        ("back at rest", b"abc\x08", "abc"),
        ("right to left", "a\u{202e}b\u{2066}c\u{200b}".as_bytes(), "a<202E>b<2066>c<200B>"),
        ("tags, separators", "a\u{e0041}\u{2028}b".as_bytes(), "a<E0041><2028>b"),
        ("marks", "e\u{301}".as_bytes(), "e\u{301}"),
        ("mark alone", "\u{301}".as_bytes(), "\u{25cc}\u{301}"),
        ("emoji", "⚠\u{fe0f} ok".as_bytes(), "⚠ ok"),
        ("not utf-8", b"a\xff\xc3(\xe2\x82", "a\u{fffd}\u{fffd}("),
        ("unfinished", b"a\x1b[31", "a"),
        ("modify keys is no colour", b"\x1b[>4;2mx", "x"),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(texts(bytes), [*want], "{name}");
    }
}

#[test]
fn a_line_feed_ends_whatever_is_open() {
    let open: &[&[u8]] = &[b"\x1b]0;title", b"\x1bPq", b"\x1b[12;", b"\x1b", b"\x1b_x", b"\xf0\x9f", b"a\r", b"a\x08"];
    for start in open {
        let bytes = [*start, b"\nnext\n".as_slice()].concat();
        let lines = lines(&bytes);
        assert_eq!(lines.len(), 2, "{start:?}");
        assert_eq!(lines[1].text(), "next", "{start:?}");
        assert_eq!((lines[1].offset, lines[1].bytes, lines[1].ended), (start.len() as u64 + 1, 5, true), "{start:?}");
    }
}

#[test]
fn colours_are_data_and_go_on_over_lines() {
    let red = Style { foreground: Some(Colour::Indexed(1)), ..Style::default() };
    let all = lines(b"a\x1b[31mb\nc\n\x1b[0;1;2;3;4;7;38;5;200;48;2;1;2;3md\x1b[22;23;24;27;39;49me\x1b[38:2::9:8:7;101;58;5;1mf\x1b[8;5mg");
    let spans = |line: usize| all[line].spans().map(|(style, text)| (style, text.to_owned())).collect::<Vec<_>>();
    assert_eq!(spans(0), [(Style::default(), "a".into()), (red, "b".into())]);
    assert_eq!(spans(1), [(red, "c".into())]);
    let much = Style {
        foreground: Some(Colour::Indexed(200)),
        background: Some(Colour::Rgb(1, 2, 3)),
        bold: true,
        dim: true,
        italic: true,
        underline: true,
        reverse: true,
    };
    let last = Style { foreground: Some(Colour::Rgb(9, 8, 7)), background: Some(Colour::Indexed(9)), ..Style::default() };
    assert_eq!(spans(2), [(much, "d".into()), (Style::default(), "e".into()), (last, "fg".into())]);
    let mut ansi = String::new();
    all[2].write_ansi(&mut ansi);
    assert_eq!(ansi, "\x1b[0;1;2;3;4;7;38;5;200;48;2;1;2;3md\x1b[0me\x1b[0;38;2;9;8;7;101mfg\x1b[0m");
    assert_eq!(lines(ansi.as_bytes())[0].spans().collect::<Vec<_>>(), all[2].spans().collect::<Vec<_>>());
}

#[test]
fn long_lines_and_full_cells_are_cut_and_said() {
    let long = lines(&[&[b'x'; LINE_BYTES_MAX + 10], b"\ny\n".as_slice()].concat());
    assert_eq!((long[0].text().len(), long[0].cut, long[0].bytes), (LINE_BYTES_MAX, 10, LINE_BYTES_MAX as u64 + 11));
    assert_eq!((long[1].text(), long[1].cut), ("y", 0));
    let marks = lines(format!("e{}f", "\u{301}".repeat(100_000)).as_bytes());
    assert_eq!(marks[0].text(), format!("e{}f", "\u{301}".repeat(CELL_MARKS_MAX)));
    let joined = "\u{915}\u{94d}".repeat(200);
    assert_eq!(unfit(lines(joined.as_bytes())[0].text()), None);
}

#[test]
fn a_piece_of_text_hides_nothing() {
    let cases = [
        ("rm -rf /\rls", "rm -rf /␍ls"),
        ("a\nb", "a␊b"),
        ("ab\u{8}c", "ab␈c"),
        ("gpu\u{1b}[2J1", "gpu1"),
        ("a\u{202e}b", "a<202E>b"),
        ("plain", "plain"),
    ];
    for (text, want) in cases {
        assert_eq!(Shown::new(text).as_str(), want);
        assert_eq!(Shown::new(want).as_str(), want, "cleaning what is clean changes nothing");
    }
    let from_json: Shown = serde_json::from_str(r#""x\u001b[31my\u0007""#).unwrap();
    assert_eq!(from_json.as_str(), "xy␇");
    let last = Shown::last_lines(b"one\r\n\n two\x07\nthree", 2);
    assert_eq!(last, [Shown::new(" two\u{7}"), Shown::new("three")]);
}

/// Every introducer with every kind of content and every way to end, or not: nothing of it may be left.
#[test]
fn a_corpus_of_sequences_leaves_nothing() {
    let strings = ["]", "P", "X", "^", "_"];
    let contents =
        ["", "0;t", "52;c;QQ==", "8;;file:///etc/passwd", "4;1;?", "$q\"p", "1337;File=:AA", "+q544e", "\u{9c}", "é"];
    let ends = ["\u{7}", "\u{1b}\\", "\u{18}", "\u{1a}", "\u{1b}", ""];
    let mut corpus: Vec<String> = Vec::new();
    for intro in strings {
        for content in contents {
            corpus.extend(ends.iter().map(|end| format!("\u{1b}{intro}{content}{end}")));
        }
    }
    let parameters = [
        "",
        "0",
        "2",
        "?25",
        "?1049",
        ">4;2",
        "=1",
        "1;1",
        "5;999",
        ";;;",
        "38:2:1:2:3",
        "99999999999",
        "!",
        " ",
        "$",
        "'",
        "?1h",
        "3;4",
        "1:2",
        "<",
    ];
    for parameter in parameters {
        corpus.extend((0x40..0x7f_u8).map(|end| format!("\u{1b}[{parameter}{}", end as char)));
        corpus.extend((0x40..0x7f_u8).map(|end| format!("\u{9b}{parameter}{}", end as char)));
        corpus.extend((0x30..0x7f_u8).map(|end| format!("\u{1b}{parameter}{}", end as char)));
        corpus.extend((0..0x20_u8).map(|control| format!("\u{1b}[{parameter}{}", control as char)));
    }
    corpus.extend((0x80..0xa0_u32).filter_map(char::from_u32).map(String::from));
    assert!(corpus.len() >= 5_000, "{}", corpus.len());
    for sequence in &corpus {
        for bytes in [sequence.as_bytes().to_vec(), format!("a{sequence}b\nc").into_bytes()] {
            for line in lines(&bytes) {
                assert_eq!(unfit(line.text()), None, "{sequence:?} left {:?}", line.text());
            }
            assert_eq!(unfit(Shown::from_bytes(&bytes).as_str()), None, "{sequence:?}");
        }
    }
}

fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        3 => "[ -~]{0,12}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect::<String>().into_bytes()),
        2 => prop::sample::select(vec!["\n", "\r\n", "\r", "\u{8}", "\t", "\x1b[31m", "\x1b[0m", "\x1b]0;", "\x1b\\", "\x1bP", "e\u{301}\u{301}", "漢", "\u{202e}"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_cut_does_not_matter(bytes in hostile_bytes(), cuts in prop::collection::vec(1..30usize, 1..20)) {
        let whole = lines(&bytes);
        let (mut pieces, mut rest, mut lengths) = (Vec::new(), bytes.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&fed(pieces), &whole);
        prop_assert_eq!(fed(bytes.chunks(1)), whole);
    }

    #[test]
    fn nothing_unfit_comes_out(bytes in hostile_bytes()) {
        let mut at = 0;
        for line in lines(&bytes) {
            prop_assert_eq!(unfit(line.text()), None, "{:?}", line.text());
            prop_assert_eq!(line.spans().map(|(_, piece)| piece).collect::<String>(), line.text());
            prop_assert_eq!(line.offset, at);
            at = line.end();
            prop_assert_eq!(line.ended, bytes[at as usize - 1] == b'\n');
        }
        prop_assert_eq!(at, bytes.len() as u64);
        prop_assert_eq!(unfit(Shown::from_bytes(&bytes).as_str()), None);
    }
}
