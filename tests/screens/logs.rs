//! The log pane in front of a node that answers, or does not.

use ostler::model::fault::Fault;
use ostler::model::ids::Attempt;
use ostler::model::request::{LogDelta, Request};
use ostler::model::snapshot::Change;
use ostler::model::units::Millis;
use ostler::tui::msg::{Mouse, MouseAct, Msg};
use ostler::tui::pane::UiEffect;

use crate::filehost::{File, FileHost};
use crate::screen::Screen;
use crate::world;

/// Some output of a training run.
fn steps(from: u64, to: u64) -> String {
    (from..to).map(|n| format!("step {:>5} loss={:.4} lr=0.003\n", n * 100, 2.3 / (1.0 + n as f64 / 9.0))).collect()
}

/// A screen with `run-011` selected and its log focused; its standard output is what `host` has.
fn open(width: u16, height: u16, host: &mut FileHost) -> Screen {
    let mut screen = Screen::at_work(width, height, |_| {});
    select(&mut screen, host, "1 6 j");
    screen.keys("tab tab");
    screen
}

/// Moves the tree's cursor and waits until the screen takes it as a choice.
fn select(screen: &mut Screen, host: &mut FileHost, keys: &str) {
    screen.keys(keys);
    screen.now = screen.now + Millis(500);
    screen.tell(Msg::Tick);
    host.serve(screen);
}

fn press(screen: &mut Screen, host: &mut FileHost, keys: &str) {
    screen.keys(keys);
    host.serve(screen);
}

fn with_text(text: &str) -> FileHost {
    FileHost::with(File::Bytes(text.as_bytes().to_vec()))
}

/// The rows of the log pane, without its frame.
fn rows(screen: &Screen) -> Vec<String> {
    let text = screen.text();
    let below = text.lines().skip_while(|line| !line.contains("Log ·")).skip(1).take_while(|line| !line.contains("──╯"));
    let inside = |line: &str| {
        let line = line.trim_end_matches('│');
        line.rsplit_once('│').map_or(line, |(_, row)| row).trim_end().to_owned()
    };
    below.map(inside).collect()
}

/// Returns the pane's title and rows.
fn pane(screen: &Screen) -> String {
    let title = title(screen);
    let title = title.find("╭ Log").map_or(title.as_str(), |at| &title[at..]);
    format!("{title}\n{}", rows(screen).join("\n"))
}

fn title(screen: &Screen) -> String {
    screen.text().lines().find(|line| line.contains("Log ·")).unwrap_or_default().to_owned()
}

#[test]
fn a_log_is_followed() {
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        let mut host = with_text(&steps(0, 300));
        let mut screen = open(width, height, &mut host);
        host.write(&mut screen, "\x1b[32mepoch 3 done\x1b[0m accuracy=0.9712\n");
        host.write(&mut screen, "checkpoint  10 %\rcheckpoint  60 %");
        insta::assert_snapshot!(format!("log_followed_{width}x{height}"), pane(&screen));
    }
}

#[test]
fn scrolling_up_pauses_and_the_end_follows_again() {
    let mut host = with_text(&steps(0, 300));
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "k k ctrl-u");
    let before = rows(&screen);
    host.write(&mut screen, &steps(300, 514));
    assert_eq!(rows(&screen), before, "what is looked at stays");
    assert!(title(&screen).contains("paused · 214 new ↓"), "{}", title(&screen));
    insta::assert_snapshot!("log_paused_120x40", pane(&screen));
    press(&mut screen, &mut host, "G");
    assert!(title(&screen).contains("following · 514 lines"), "{}", title(&screen));
    assert!(rows(&screen).iter().any(|row| row.contains("step 51300")));
    press(&mut screen, &mut host, "k");
    assert!(title(&screen).contains("paused"));
    press(&mut screen, &mut host, "j");
    assert!(title(&screen).contains("following"), "going down to the end follows too");
}

#[test]
fn ten_gigabytes_open_as_fast_as_nothing() {
    let mut host = FileHost::with(File::Numbered(100_000_000));
    let mut screen = open(120, 40, &mut host);
    assert!(rows(&screen).iter().any(|row| row.starts_with("000099999999 ")), "{:?}", rows(&screen));
    assert!(title(&screen).contains("9.3 GiB"), "{}", title(&screen));
    press(&mut screen, &mut host, "5 0 %");
    assert_eq!(rows(&screen)[0].get(..12), Some("000050000000"));
    assert!(title(&screen).contains("paused · 50 %"), "{}", title(&screen));
    press(&mut screen, &mut host, "pgup pgdn pgdn");
    let seen = rows(&screen);
    assert_eq!(seen[0].get(..12), Some(format!("{:012}", 50_000_000 + seen.len()).as_str()), "{seen:?}");
    press(&mut screen, &mut host, "g");
    assert_eq!(rows(&screen)[0].get(..12), Some("000000000000"));
    press(&mut screen, &mut host, "G");
    assert!(rows(&screen).iter().any(|row| row.starts_with("000099999999 ")));
    assert!(host.bytes_read < 2 << 20, "{} bytes were read", host.bytes_read);
}

#[test]
fn paging_through_a_file_misses_no_line_and_doubles_none() {
    let mut host = FileHost::with(File::Numbered(1_400));
    let mut screen = open(80, 24, &mut host);
    let number = |row: &String| row.get(..12).and_then(|n| n.parse::<u64>().ok());
    for (begin, step, backwards) in [("G", "k", true), ("g", "j", false)] {
        press(&mut screen, &mut host, begin);
        let mut seen: Vec<u64> = rows(&screen).iter().filter_map(number).collect();
        for _ in 0..1_399 {
            press(&mut screen, &mut host, step);
            let now: Vec<u64> = rows(&screen).iter().filter_map(number).collect();
            let next = if backwards { now.first() } else { now.last() };
            if let Some(next) = next.filter(|n| !seen.contains(n)) {
                seen.push(*next);
                assert!(now.windows(2).all(|w| w[1] == w[0] + 1), "{now:?}");
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..1_400).collect::<Vec<_>>());
    }
}

#[test]
fn a_search_goes_on_where_what_is_held_ends() {
    let mut host = FileHost::with(File::Numbered(1_000_000));
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "/ \"000000123456\"");
    insta::assert_snapshot!("log_typing_a_search", pane(&screen));
    press(&mut screen, &mut host, "enter");
    assert!(rows(&screen).iter().any(|row| row.starts_with("000000123456")), "{:?}", rows(&screen));
    assert_eq!(host.searches.len(), 1);
    assert!(host.searches[0].2, "while the end is followed it searches upwards");
    press(&mut screen, &mut host, "n");
    assert!(rows(&screen).last().is_some_and(|row| row.contains("is not below; N searches above")), "{:?}", rows(&screen));
    press(&mut screen, &mut host, "esc");
    assert!(!rows(&screen).iter().any(|row| row.contains("is not below")));
}

#[test]
fn a_search_under_way_says_so_and_can_be_stopped() {
    let mut host = FileHost::with(File::Numbered(1_000_000));
    let mut screen = open(120, 40, &mut host);
    host.slow = true;
    press(&mut screen, &mut host, "/ \"000000000007\" enter");
    let before = rows(&screen);
    assert!(before.last().is_some_and(|row| row.contains("searching the file on its node for `000000000007`  Esc stops")));
    press(&mut screen, &mut host, "esc");
    assert!(rows(&screen).last().is_some_and(|row| row.contains("search stopped")));
    host.slow = false;
    host.serve(&mut screen);
    assert!(title(&screen).contains("following"), "the late answer moves nothing");
}

#[test]
fn a_filter_keeps_the_place() {
    let text: String = (0..400).map(|n| format!("{} {n}\n", if n % 10 == 0 { "loss" } else { "other" })).collect();
    let mut host = with_text(&text);
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "1 0 0 k");
    let before = rows(&screen);
    press(&mut screen, &mut host, "& \"loss\" enter");
    insta::assert_snapshot!("log_filtered", pane(&screen));
    assert!(rows(&screen)[0].starts_with("loss 2"));
    press(&mut screen, &mut host, "esc");
    assert_eq!(rows(&screen), before);
}

#[test]
fn long_lines_are_cut_or_wrapped() {
    let long = "x".repeat(100) + "END";
    let mut host = with_text(&format!("short\n{long}\n"));
    let mut screen = open(120, 40, &mut host);
    assert!(rows(&screen)[1].ends_with('›'));
    press(&mut screen, &mut host, "l l l l");
    assert!(rows(&screen)[1].starts_with('‹') && rows(&screen)[1].contains("END"), "{:?}", rows(&screen));
    press(&mut screen, &mut host, "Z");
    assert!(rows(&screen)[2].ends_with("xEND"), "{:?}", rows(&screen));
}

#[test]
fn nothing_a_log_prints_reaches_the_terminal() {
    let hostile = b"\x1b]0;owned\x07title\x1b]52;c;aGk=\x07 clip\n\x1b[2J\x1b[10;10Hmoved\n\x9b2Jc1\nbell\x07\n\xe2\x80\xaeedoc\n\x1b[5nreport\n";
    let mut host = FileHost::with(File::Bytes(hostile.to_vec()));
    let screen = open(120, 40, &mut host);
    let picture = screen.buffer();
    assert!(picture.content().iter().all(|cell| cell.symbol().chars().all(|c| !c.is_control() && c != '\u{202e}')));
    let rows = rows(&screen);
    assert_eq!(rows[..2], ["title clip", "moved"], "sequences are dropped, the words stay");
    assert!(rows[4].starts_with("<202E>edoc"), "{rows:?}");
}

#[test]
fn a_cut_link_a_restart_and_a_gap_are_said() {
    let mut host = with_text("one\ntwo\n");
    let mut screen = open(120, 40, &mut host);
    host.tell(&mut screen, LogDelta::Interrupted { why: "no answer from gpu-1 for 20s".to_owned() });
    assert!(
        rows(&screen)[2].contains("link lost: no answer from gpu-1 for 20s; goes on where it was"),
        "{:?}",
        rows(&screen)
    );
    host.write(&mut screen, "three\n");
    assert_eq!(rows(&screen)[..4], ["one", "two", "three", ""], "nothing twice, nothing missing, the note is gone");
    host.tell(&mut screen, LogDelta::Skipped { from: 14, to: 14 + (3 << 20) });
    assert!(rows(&screen)[3].contains("3 MiB not sent"), "{:?}", rows(&screen));
    host.tell(&mut screen, LogDelta::Restarted { truncated: true });
    assert!(rows(&screen)[4].contains("cut short"), "{:?}", rows(&screen));
    host.tell(&mut screen, LogDelta::Failed(Fault::remote("`gpu-1` has no more room").hint("free some")));
    assert!(rows(&screen)[5].contains("`gpu-1` has no more room; free some"), "{:?}", rows(&screen));
}

#[test]
fn a_gap_is_read_when_it_comes_into_sight() {
    let text: String = (0..3000).map(|n| format!("line {n:04}\n")).collect();
    let mut host = with_text("");
    let mut screen = open(120, 40, &mut host);
    let Some(File::Bytes(bytes)) = host.files.get_mut(&(0, "stdout.txt".to_owned())) else { panic!("bytes") };
    bytes.extend_from_slice(&text.as_bytes()[..29_950]);
    host.tell(&mut screen, LogDelta::Skipped { from: 0, to: 29_950 });
    host.write(&mut screen, &text[29_950..]);
    assert!(rows(&screen).iter().any(|row| row.contains("29.2 KiB not sent")), "{:?}", rows(&screen));
    press(&mut screen, &mut host, "k");
    for _ in 0..3 {
        press(&mut screen, &mut host, "pgup");
    }
    assert!(rows(&screen).iter().all(|row| row.starts_with("line ")), "{:?}", rows(&screen));
    press(&mut screen, &mut host, "G");
    assert!(rows(&screen).iter().any(|row| row == "line 2999"));
}

#[test]
fn a_waiting_job_says_why_and_its_log_opens_when_it_starts() {
    let mut host = with_text("started\n");
    let mut screen = Screen::at_work(120, 40, |_| {});
    select(&mut screen, &mut host, "1 8 j");
    assert_eq!(host.watches(), 0, "there is no file to watch");
    press(&mut screen, &mut host, "tab tab / \"rerun_x\"");
    assert!(rows(&screen).last().is_some_and(|row| row.contains("/rerun x")), "what is typed is no command");
    press(&mut screen, &mut host, "enter");
    assert!(rows(&screen).last().is_some_and(|row| row.contains("there is no log yet")) && host.rest.is_empty());
    press(&mut screen, &mut host, "esc tab");
    insta::assert_snapshot!("log_of_a_waiting_job", pane(&screen));
    let job = world::running(world::job(13, 1, 1, "run-013"), 3, "gpu-3", 1);
    screen.tell(world::update(2, false, vec![Change::Job(job.into())]));
    host.serve(&mut screen);
    assert_eq!((host.watches(), rows(&screen)[0].as_str()), (1, "started"));
    assert!(title(&screen).contains("Log · run-013 · gpu-3 · stdout"));
}

#[test]
fn the_log_of_an_ended_job_ends_with_its_outcome() {
    let mut host = with_text(&steps(0, 5));
    let mut screen = Screen::at_work(120, 40, |_| {});
    select(&mut screen, &mut host, "1 4 j");
    host.tell(&mut screen, LogDelta::Ended);
    assert!(rows(&screen)[5].contains("failed, exit code 137 after 1m53s"), "{:?}", rows(&screen));
    let mut job = world::running(world::job(9, 1, 1, "run-009"), 1, "gpu-1", 1);
    job.attempt = Attempt(2);
    screen.tell(world::update(2, false, vec![Change::Job(job.into())]));
    host.serve(&mut screen);
    assert_eq!(host.watches(), 1, "a new attempt is followed again");
    assert!(title(&screen).contains("following"), "{}", title(&screen));
}

#[test]
fn one_comes_back_to_where_one_was() {
    let mut host = FileHost::with(File::Numbered(100_000));
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "2 5 % & \"7\" enter l l");
    let before = rows(&screen);
    press(&mut screen, &mut host, "tab");
    select(&mut screen, &mut host, "j");
    assert!(title(&screen).contains("run-012") && title(&screen).contains("following"));
    select(&mut screen, &mut host, "k");
    assert_eq!(rows(&screen)[..10], before[..10]);
    assert_eq!(host.watches(), 1, "the log that was left is not followed any more");
}

#[test]
fn files_and_nodes_are_switched() {
    let mut host = with_text("out\n");
    host.files.insert((0, "stderr.txt".to_owned()), File::Bytes(b"err\n".to_vec()));
    host.files.insert((1, "stdout-job_prep-node-2.txt".to_owned()), File::Bytes(b"prep\n".to_vec()));
    let mut screen = open(120, 40, &mut host);
    for (key, row, name) in [("o", "err", "stderr"), ("O", "prep", "stdout-job_prep-node-2"), ("O", "out", "stdout")] {
        press(&mut screen, &mut host, key);
        assert_eq!((rows(&screen)[0].as_str(), title(&screen).contains(name)), (row, true), "{}", screen.text());
    }
    host.files.clear();
    press(&mut screen, &mut host, "o");
    assert!(rows(&screen).last().is_some_and(|row| row.contains("no log files yet")));
    assert_eq!(host.watches(), 1);
}

#[test]
fn the_first_error_is_found() {
    let text = steps(0, 3000)
        + "ValueError: bad shape\n"
        + &steps(3000, 6000)
        + "Traceback (most recent call last)\n"
        + &steps(0, 99);
    let mut host = with_text(&text);
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "L");
    assert!(rows(&screen).iter().any(|row| row.contains("ValueError: bad shape")), "{:?}", rows(&screen));
}

#[test]
fn lines_are_copied_and_the_file_saved() {
    let mut host = with_text("one\n\x1b[31mtwo\x1b[0m\nthree\n");
    let mut screen = open(120, 40, &mut host);
    let first = screen.text().lines().position(|line| line.contains("one")).expect("the log") as u16;
    for (act, y) in
        [(MouseAct::Press, first), (MouseAct::Drag, first), (MouseAct::Drag, first + 1), (MouseAct::Lift, first + 1)]
    {
        screen.tell(Msg::Mouse(Mouse { act, x: 60, y }));
    }
    press(&mut screen, &mut host, "y");
    assert!(
        host.rest.iter().any(|effect| matches!(effect, UiEffect::Copy(text) if text == "one\ntwo\n")),
        "{:?}",
        host.rest
    );
    press(&mut screen, &mut host, "S ctrl-u \"out.txt\" enter |");
    assert!(
        host.rest
            .iter()
            .any(|effect| matches!(effect, UiEffect::Save(file, to) if file.file == "stdout.txt" && to == "out.txt"))
    );
    assert!(host.rest.iter().any(|effect| matches!(effect, UiEffect::Page(_))));
}

#[test]
fn a_node_that_does_not_answer_is_asked_once() {
    let mut host = FileHost::with(File::Numbered(100_000));
    let mut screen = open(120, 40, &mut host);
    host.slow = true;
    press(&mut screen, &mut host, "pgup");
    let asked: Vec<u64> = screen.asked.iter().filter_map(ticket).collect();
    assert!(asked.len() <= 1, "{:?}", screen.asked);
    for _ in 0..50 {
        screen.tell(Msg::Tick);
        screen.keys("k");
    }
    let more = screen.asked.iter().filter(|effect| ticket(effect).is_some()).count();
    assert!(more <= 1, "a question under way is not asked again: {more}");
}

fn ticket(effect: &UiEffect) -> Option<u64> {
    match effect {
        UiEffect::Ask(ticket, Request::ReadFile(_)) => Some(ticket.number),
        _ => None,
    }
}

#[test]
fn a_filter_shows_lines_around_too() {
    let text: String = (0..200).map(|n| format!("{} {n}\n", if n % 50 == 20 { "loss" } else { "other" })).collect();
    let mut host = with_text(&text);
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "& \"loss_-C_1\" enter g");
    let rows = rows(&screen);
    assert_eq!(rows[..6], ["other 19", "loss 20", "other 21", "other 69", "loss 70", "other 71"], "{rows:?}");
    assert!(rows.last().is_some_and(|row| row.contains("loss -C 1")), "{rows:?}");
}

#[test]
fn json_lines_are_read_in_words() {
    let mut host = with_text("{\"ts\":\"12:00:01\",\"level\":\"warning\",\"msg\":\"slow step\",\"step\":7}\nplain\n");
    let mut screen = open(120, 40, &mut host);
    assert!(rows(&screen)[0].starts_with("{\"ts\""));
    press(&mut screen, &mut host, "J");
    assert_eq!(rows(&screen)[..2], ["12:00:01 WARNING slow step step=7", "plain"]);
    press(&mut screen, &mut host, "J");
    assert!(rows(&screen)[0].starts_with("{\"ts\""), "and as they are again");
}

#[test]
fn times_and_marks_stand_beside_lines() {
    let mut host = with_text("before\n");
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "t");
    assert!(rows(&screen)[0].starts_with("·") && rows(&screen)[0].ends_with("before"), "{:?}", rows(&screen));
    host.write(&mut screen, "after\n");
    press(&mut screen, &mut host, "m");
    host.write(&mut screen, "last\n");
    let rows = rows(&screen);
    assert!(rows[1].starts_with("12:00:0") && rows[1].contains("after"), "{rows:?}");
    assert!(rows[1].trim_end().ends_with(|c: char| c.is_ascii_digit()) && rows[1].contains("▌ 12:00:0"), "{rows:?}");
    assert!(rows[2].ends_with("last"), "{rows:?}");
    press(&mut screen, &mut host, "t");
    assert_eq!(self::rows(&screen)[0], "before");
}

#[test]
fn all_ranks_are_seen_in_one_by_time() {
    let mut host = with_text("12:00:01 out one\n12:00:04 out two\n");
    host.files
        .insert((0, "stderr.txt".to_owned()), File::Bytes(b"12:00:02 err one\n  at line 3\n12:00:05 err two\n".to_vec()));
    let mut screen = open(120, 40, &mut host);
    press(&mut screen, &mut host, "M");
    let text = rows(&screen);
    assert_eq!(host.watches(), 2, "the one file is not watched any more");
    let want = [
        "stdout| 12:00:01 out one",
        "stderr| 12:00:02 err one",
        "stderr|   at line 3",
        "stdout| 12:00:04 out two",
        "stderr| 12:00:05 err two",
    ];
    assert_eq!(text[..5], want, "{text:?}");
    assert!(title(&screen).contains("all ranks, 2 files"), "{}", title(&screen));
    insta::assert_snapshot!("log_of_all_ranks", pane(&screen));
    // What comes now is in the order in which it comes; a line is shown once it is whole.
    host.write(&mut screen, "12:00:03 late\nhal");
    host.write(&mut screen, "f\n");
    assert_eq!(rows(&screen)[5..7], ["stdout| 12:00:03 late", "stdout| half"]);
    press(&mut screen, &mut host, "& \"one\" enter");
    assert_eq!(rows(&screen)[..2], ["stdout| 12:00:01 out one", "stderr| 12:00:02 err one"]);
    press(&mut screen, &mut host, "esc / \"half\" enter");
    assert!(host.searches.is_empty(), "what is merged is searched here");
    press(&mut screen, &mut host, "S ctrl-u \"all.txt\" enter");
    assert!(
        host.rest
            .iter()
            .any(|e| matches!(e, UiEffect::Write(path, text) if path == "all.txt" && String::from_utf8_lossy(text).contains("at line 3")))
    );
    press(&mut screen, &mut host, "M");
    assert!(rows(&screen).iter().any(|row| row == "12:00:03 late"), "one file again: {:?}", rows(&screen));
    assert_eq!(host.watches(), 1);
}
