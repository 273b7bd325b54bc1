//! The real program in a terminal of ours: what it draws, and when.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// No wait is longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program on a terminal of so many columns and rows.
pub struct Terminal {
    child: Child,
    began: Instant,
    keys: File,
    drawn: Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    answer: Option<String>,
}

impl Terminal {
    /// Starts a program on a terminal that says which colour its ground has (OSC 11) and of which kind it is (DA1); without a ground
    /// it answers nothing.
    pub fn start(program: &mut Command, (columns, rows): (u16, u16), ground: Option<&str>) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal that can be opened");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("text");
        tcsetwinsize(&master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let end = || Stdio::from(File::options().read(true).write(true).open(Path::new(&name)).expect("the other end"));
        program.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        let began = Instant::now();
        let child = program.spawn().expect("the program starts");
        // Ours are closed with this, so that the end of the program is the end of what is read.
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (told, drawn) = channel();
        let mut reader = File::from(OwnedFd::try_clone(&master).expect("a second handle"));
        std::thread::spawn(move || {
            let mut piece = vec![0; 64 << 10];
            while let Ok(count @ 1..) = reader.read(&mut piece) {
                if told.send((Instant::now(), piece[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let size = |cells: u16| std::num::NonZeroU16::new(cells).expect("a size");
        let screen = vt100::Parser::new(size(rows), size(columns), 0);
        let answer = ground.map(|ground| format!("\x1b]11;{ground}\x1b\\\x1b[?62;22c"));
        Self { child, began, keys: File::from(master), drawn, screen, answer }
    }

    /// Waits for a screen; returns when that was drawn.
    pub fn until(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> Instant {
        self.until_cells(what, |screen| fits(&screen.contents()))
    }

    /// The same of a screen with its colours.
    pub fn until_cells(&mut self, what: &str, fits: impl Fn(&vt100::Screen) -> bool) -> Instant {
        let end = Instant::now() + DEADLINE;
        let mut at = Instant::now();
        while !fits(self.screen.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((drawn, piece)) = self.drawn.recv_timeout(left) else { panic!("no {what}:\n{}", self.shown()) };
            at = drawn;
            self.screen.process(&piece);
            if piece.windows(5).any(|window| window == b"\x1b]11;")
                && let Some(answer) = &self.answer
            {
                self.keys.write_all(answer.as_bytes()).expect("the program reads");
            }
        }
        at
    }

    /// Returns what was shown when it was looked at last.
    pub fn shown(&self) -> String {
        self.screen.screen().contents()
    }

    /// Returns how long after the start something was drawn.
    pub fn since_start(&self, at: Instant) -> Duration {
        at.duration_since(self.began)
    }

    /// Presses keys; returns when.
    pub fn press(&mut self, keys: &str) -> Instant {
        let at = Instant::now();
        self.keys.write_all(keys.as_bytes()).expect("the program reads");
        at
    }

    /// Returns the seconds of CPU that the program has used, and how many bytes it has drawn since the last call.
    pub fn used(&mut self) -> (f64, usize) {
        // To the nanosecond; what `stat` has is counted by the tick of the clock, which says little of what seldom runs.
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs").flatten();
        let nanos = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        });
        let nanos: f64 = nanos.sum();
        let mut drawn = 0;
        while let Ok((_, piece)) = self.drawn.try_recv() {
            drawn += piece.len();
            self.screen.process(&piece);
        }
        (nanos / 1e9, drawn)
    }

    /// Ends the program in order.
    pub fn end(mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
