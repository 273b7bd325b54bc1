//! A terminal that a test can look at and type into: one window of a tmux server of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything on the screen may take. Far above what it takes, for a busy machine.
pub const SOON: Duration = Duration::from_secs(60);
/// Between two looks at the screen while waiting: short beside what a person notices, so that a test costs little time.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// Says whether tmux is here; where it is not, that the test did not run.
pub fn is_here() -> bool {
    let here = Command::new("tmux").arg("-V").output().is_ok_and(|out| out.status.success());
    if !here {
        println!("did not run: tmux is not installed");
    }
    here
}

/// A terminal in which a command runs.
pub struct Tmux {
    server: String,
    dir: PathBuf,
}

impl Tmux {
    /// Starts a command in a terminal of this size. All the terminal gets is also written to `raw` in `dir`.
    pub fn start(dir: &Path, width: u16, height: u16, command: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = format!("ostler-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let tmux = Self { server, dir: dir.to_owned() };
        let (width, height) = (width.to_string(), height.to_string());
        // The window waits for a key before the command begins, so that the pipe misses nothing.
        let quoted: Vec<String> = command.iter().map(|word| quote(word)).collect();
        // It tells its end by itself: tmux has been seen not to notice it.
        let code = quote(&tmux.code_file().display().to_string());
        let script = format!("read -r go; {}; echo $? >{code}.new; mv {code}.new {code}", quoted.join(" "));
        tmux.run(&["new-session", "-d", "-x", &width, "-y", &height, "sh", "-c", &script]);
        tmux.run(&["set-option", "-g", "status", "off"]);
        tmux.run(&["set-option", "-g", "remain-on-exit", "on"]);
        tmux.run(&["set-option", "-s", "escape-time", "0"]);
        tmux.run(&["resize-window", "-x", &width, "-y", &height]);
        tmux.run(&["pipe-pane", "-o", &format!("cat > {}", quote(&tmux.raw_file().display().to_string()))]);
        tmux.keys("Enter");
        tmux
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.server, "-f", "/dev/null"]).args(args);
        command.env("TMUX_TMPDIR", &self.dir).env_remove("TMUX").env("LC_ALL", "C.UTF-8").env("HOME", &self.dir);
        command.output().expect("tmux runs")
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.tmux(args);
        assert!(out.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn code_file(&self) -> PathBuf {
        self.dir.join("code")
    }

    fn raw_file(&self) -> PathBuf {
        self.dir.join("raw")
    }

    /// Returns every byte that the terminal got so far.
    pub fn raw(&self) -> Vec<u8> {
        std::fs::read(self.raw_file()).expect("what the pipe wrote")
    }

    /// Presses keys, by tmux's names (`Enter`, `C-s`, `k`), with spaces between them.
    pub fn keys(&self, keys: &str) {
        let mut args = vec!["send-keys"];
        args.extend(keys.split_whitespace());
        self.run(&args);
    }

    /// Types a text.
    pub fn text(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
    }

    /// Goes to a thing by its name, in the palette of the screen.
    pub fn go_to(&self, name: &str) {
        self.keys(":");
        self.wait(&[" Palette "]);
        self.text(name);
        self.wait(&[&format!(": {name} ")]);
        self.keys("Enter");
        self.wait_gone(&[" Palette "]);
    }

    /// Returns what is on the screen.
    pub fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// Waits until the screen has all these texts, and returns it.
    pub fn wait(&self, texts: &[&str]) -> String {
        self.until(&format!("{texts:?}"), |screen| texts.iter().all(|text| screen.contains(text)))
    }

    /// Waits until the screen has none of these texts.
    pub fn wait_gone(&self, texts: &[&str]) -> String {
        self.until(&format!("no {texts:?}"), |screen| !texts.iter().any(|text| screen.contains(text)))
    }

    /// Waits until the screen is so.
    pub fn until(&self, what: &str, so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if so(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < SOON, "waited {} s for {what}; the screen is\n{screen}", SOON.as_secs());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the command has ended, and returns its exit code.
    pub fn ended(&self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Ok(code) = std::fs::read_to_string(self.code_file()) {
                return code.trim().parse().expect("an exit code");
            }
            assert!(begun.elapsed() < SOON, "it does not end; the screen is\n{}", self.screen());
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Returns a word as a shell takes it literally.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
