//! One chapter of the table as a text: a heading for each row, then what was typed and what came of it.

use crate::rig::{Ran, User};

/// A chapter that is being written.
pub struct Sheet {
    pub user: User,
    text: String,
    rows: Vec<&'static str>,
    before: Option<String>,
}

/// Nothing that was said acts on a terminal.
pub fn clean(ran: &Ran) {
    let acts = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}'];
    assert!(!ran.stdout.contains(acts) && !ran.stderr.contains(acts), "it acts on the terminal: {:?}", ran.shown());
}

impl Sheet {
    pub fn new(user: User) -> Self {
        Self { user, text: String::new(), rows: Vec::new(), before: None }
    }

    /// From now on, nothing that is refused may change what there is.
    pub fn guarded(mut self) -> Self {
        self.before = Some(self.everything());
        self
    }

    /// What follows may change something.
    pub fn unguard(&mut self) {
        self.unchanged();
        self.before = None;
    }

    /// Returns the names of all that the core holds.
    fn everything(&self) -> String {
        let lists = ["workspace list -o name", "cluster list -o name", "experiment list -o name", "job list -o name"];
        lists.map(|line| self.user.run(line).stdout).join("--\n")
    }

    /// Begins a row.
    pub fn row(&mut self, id: &'static str, what: &str) {
        self.unchanged();
        self.rows.push(id);
        self.text.push_str(&format!("# {id} {what}\n"));
    }

    /// Types a line.
    pub fn run(&mut self, line: &str) {
        let ran = self.user.run(line);
        clean(&ran);
        let typed: String = line.escape_debug().collect();
        let told: String = ran.stderr.lines().map(|line| format!("! {line}\n")).collect();
        self.say(&format!("$ ostler {typed:.100}\n{}{told}= {}", ran.stdout, ran.code));
    }

    /// Adds what something else came to.
    pub fn say(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Gives a configuration and asks for its values.
    pub fn config(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let path = self.user.file("c.toml", bytes);
        let ran = self.user.run("--config c.toml config show");
        assert!(ran.code == 0 || ran.stdout.is_empty(), "half taken: {}", ran.shown());
        assert_eq!(std::fs::read(path).expect("the file"), bytes, "the file was changed");
        assert!(!self.user.hosted(), "a host was started");
        self.say(&if ran.code == 0 { "accepted\n= 0\n".to_owned() } else { ran.shown() });
    }

    /// Gives a job file and submits it.
    pub fn job(&mut self, body: &str) {
        self.user.file("j.json", body);
        self.run("job create -e first -c gpu -f j.json");
    }

    fn unchanged(&self) {
        let Some(before) = &self.before else { return };
        assert_eq!(&self.everything(), before, "{:?} changed what there is", self.rows.last());
    }

    /// Ends the chapter: all its rows were there, in order.
    pub fn end(self, ids: &[&str]) -> (User, String) {
        self.unchanged();
        assert_eq!(self.rows, ids);
        (self.user, self.text)
    }
}
