//! What nodes, logs, providers and people can make the screen draw: five thousand sequences through every place that shows text of
//! others, and only bytes of ours come out at the terminal's side.

use std::sync::Arc;

use ostler::model::fault::Fault;
use ostler::model::snapshot::Change;
use ostler::model::state::{JobError, NodeState, Unusable};
use ostler::tui::msg::Msg;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::screen::Screen;
use crate::world::{cluster, ended, job, node, update};

/// How many sequences one picture has to draw.
const IN_A_PICTURE: usize = 64;

/// Every introducer with parameters and every final byte, strings with every end, and single controls.
fn corpus() -> Vec<String> {
    let mut all = Vec::new();
    for parameter in [
        "",
        "0",
        "?1049",
        "5;999",
        "38:2:1:2:3",
        "99999999999",
        ">4;2",
        "!",
        "$",
        "1;31",
        "?25",
        " ",
        "6",
        "8;1;1",
        "21",
        "3;4",
        "0;0",
        "1049",
        "2",
        "?2004",
        "=1",
        "1:2",
    ] {
        for end in 0x30..0x7f_u8 {
            for intro in ["\u{1b}[", "\u{9b}", "\u{1b}"] {
                all.push(format!("{intro}{parameter}{}", end as char));
            }
        }
    }
    for intro in ["\u{1b}]", "\u{1b}P", "\u{1b}X", "\u{1b}^", "\u{1b}_", "\u{9d}", "\u{90}"] {
        for content in ["", "0;title", "52;c;QQ==", "8;;file:///etc/passwd", "4;1;?", "$q\"p", "1337;File=:AA"] {
            for end in ["\u{7}", "\u{1b}\\", "\u{9c}", "\u{18}", ""] {
                all.push(format!("{intro}{content}{end}"));
            }
        }
    }
    all.extend((0..0xa0_u32).filter_map(char::from_u32).filter(|c| c.is_control()).map(|c| format!("a{c}b")));
    all.extend(["\u{202e}", "\u{2066}", "\u{2028}", "\u{feff}", "\u{e0041}", "\u{200b}"].map(|c| format!("a{c}b")));
    all.push(format!("e{}", "\u{301}".repeat(1000)));
    all
}

/// Takes apart what goes to the terminal, and notes what it should not hold.
#[derive(Default)]
struct Watch {
    wrong: Vec<String>,
}

impl vte::Perform for Watch {
    fn print(&mut self, c: char) {
        let invisible = matches!(c as u32, 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe0fff);
        if c.is_control() || invisible {
            self.wrong.push(format!("{c:?}"));
        }
    }

    fn execute(&mut self, byte: u8) {
        self.wrong.push(format!("control {byte:#x}"));
    }

    fn csi_dispatch(&mut self, _: &vte::Params, intermediates: &[u8], _: bool, action: char) {
        // Moving about, colours, and the cursor shown or hidden: all that the backend writes.
        let ours = matches!((action, intermediates), ('H' | 'm' | 'J' | 'K', []) | ('h' | 'l', [b'?']));
        if !ours {
            self.wrong.push(format!("CSI {intermediates:?} {action}"));
        }
    }

    fn osc_dispatch(&mut self, words: &[&[u8]], _: bool) {
        self.wrong.push(format!("OSC {words:?}"));
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        self.wrong.push(format!("ESC {byte:#x}"));
    }

    fn hook(&mut self, _: &vte::Params, _: &[u8], _: bool, action: char) {
        self.wrong.push(format!("DCS {action}"));
    }
}

/// Draws a screen through the backend of a real terminal and returns what is wrong with the bytes.
fn drawn(screen: &Screen) -> Vec<String> {
    let area = Rect::new(0, 0, 120, 40);
    let mut bytes = Vec::new();
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut bytes), options).expect("a terminal of bytes");
    terminal.draw(|frame| screen.app.draw(area, frame.buffer_mut())).expect("it is drawn");
    drop(terminal);
    let mut watch = Watch::default();
    let mut parser = vte::Parser::new();
    parser.advance(&mut watch, &bytes);
    watch.wrong
}

#[test]
fn five_thousand_sequences_come_out_of_no_pane() {
    let corpus = corpus();
    assert!(corpus.len() >= 5_000, "{}", corpus.len());
    let mut wrong = Vec::new();
    let mut pictures = 0;
    for piece in corpus.chunks(IN_A_PICTURE) {
        let text = piece.join(" x ");
        let mut screen = Screen::at_work(120, 40, |_| {});
        // The words of ssh on a node, the reason of a job, the name that a provider gives, what a cluster reports, a notice.
        let why = Unusable { code: "auth-refused".into(), step: "sign in".into(), message: text.clone() };
        let mut bad = node(4, 1, &text, NodeState::Unusable(why));
        if let Some(facts) = &mut bad.facts {
            facts.os = text.clone();
        }
        let mut failed = ended(job(9, 1, 1, "run-009"), 137, 5);
        failed.last.errors =
            vec![JobError { code: text.clone(), message: text.clone(), details: vec![("words".into(), text.clone())] }];
        failed.last.node_names = vec![text.clone()];
        let mut gpu = cluster(1, "gpu-a100", 4);
        gpu.errors = vec![ostler::model::state::ClusterError {
            code: text.clone(),
            message: text.clone(),
            details: vec![("words".into(), text.clone())],
        }];
        screen.tell(update(
            2,
            false,
            vec![Change::Node(Arc::new(bad)), Change::Job(Arc::new(failed)), Change::Cluster(Arc::new(gpu))],
        ));
        screen.tell(Msg::Note(Err(Fault::remote(text.clone()).hint(text.clone()).cause(text.clone()))));
        screen.tell(Msg::CoreLost(text.clone()));
        // Tree, the node's page, the failed job's page, the cluster's pages, a form, the palette.
        for keys in [
            "g",
            "j j j l j j j j",
            "/ \"run-009\" enter",
            "tab alt-1",
            "tab alt-2",
            "g j j j tab alt-2",
            "esc esc n",
            "esc esc :",
        ] {
            screen.keys(keys);
            let found = drawn(&screen);
            pictures += 1;
            if !found.is_empty() && wrong.len() < 5 {
                wrong.push(format!("{keys}: {found:?} of {text:?}"));
            }
        }
    }
    crate::tables::table(&format!("escapes: {} sequences in {pictures} pictures", corpus.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_paste_answers_no_question() {
    let mut screen = Screen::at_work(80, 24, |_| {});
    screen.keys("/ \"state:run\" enter * x");
    let before = screen.text();
    assert!(before.contains("Stop 2 jobs"), "a question is open:\n{before}");
    screen.asked.clear();
    for paste in ["y", "yes\n", "\r", "y\ny\ny\n"] {
        screen.tell(Msg::Paste(paste.to_owned()));
    }
    assert!(!screen.asked.iter().any(|effect| matches!(effect, ostler::tui::pane::UiEffect::Ask(..))), "{:?}", screen.asked);
    assert_eq!(screen.text(), before, "the question is as it was");
}
