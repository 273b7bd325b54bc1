//! Shell text that is ours, read without a shell: commands whose words stand in single quotes (`transport/order.rs`
//! writes them), and the launch text in the `start` order. Nothing else is understood, and so nothing is expanded.

use std::collections::VecDeque;

use crate::transport::order::FOLDERS_ONLY;

/// One order: a command's name and its words, the last of which is `.`.
pub type Command = Vec<String>;

/// Cuts bytes into commands. One that was cut off never comes out.
#[derive(Debug, Default)]
pub struct Commands {
    buffer: Vec<u8>,
}

/// Text that no controller of ours sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came is no text of ours")]
pub struct NotOurs;

impl Commands {
    /// Takes bytes and returns the commands that they complete.
    ///
    /// # Errors
    /// Text that is not of the one form.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Command>, NotOurs> {
        self.buffer.extend_from_slice(bytes);
        let (mut commands, mut from) = (Vec::new(), 0);
        while let Some(length) = whole(&self.buffer[from..]) {
            let text = std::str::from_utf8(&self.buffer[from..from + length - 1]).map_err(|_| NotOurs)?;
            commands.push(words(text)?);
            from += length;
        }
        self.buffer.drain(..from);
        Ok(commands)
    }
}

/// Returns the length of the first command with its line feed.
fn whole(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'\'', b'\n', &bytes[at..])?;
        if bytes[at] == b'\n' {
            return Some(at + 1);
        }
        // `\'` stands between two quoted parts.
        if at > 0 && bytes[at - 1] == b'\\' {
            at += 1;
            continue;
        }
        at += 1 + memchr::memchr(b'\'', &bytes[at + 1..])? + 1;
    }
}

fn words(text: &str) -> Result<Command, NotOurs> {
    let (mut left, mut words) = (text, Vec::new());
    loop {
        let (word, rest) = word(left)?;
        words.push(word);
        match rest.strip_prefix(' ') {
            Some(rest) => left = rest,
            None if rest.is_empty() => return Ok(words),
            None => return Err(NotOurs),
        }
    }
}

/// Reads one word: plain characters, or quoted parts with `\'` between them.
fn word(text: &str) -> Result<(String, &str), NotOurs> {
    if !text.starts_with('\'') {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._/".contains(c);
        let end = text.find(|c| !plain(c)).unwrap_or(text.len());
        return if end == 0 { Err(NotOurs) } else { Ok((text[..end].to_owned(), &text[end..])) };
    }
    let (mut word, mut left) = (String::new(), text);
    loop {
        if let Some(rest) = left.strip_prefix('\'') {
            let (part, rest) = rest.split_once('\'').ok_or(NotOurs)?;
            word.push_str(part);
            left = rest;
        } else if let Some(rest) = left.strip_prefix("\\'") {
            word.push('\'');
            left = rest;
        } else {
            return Ok((word, left));
        }
    }
}

/// What a launch text holds, and the secrets that came beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchText {
    pub key: String,
    pub shell: String,
    pub command: String,
    pub workdir: String,
    pub out: String,
    pub err: String,
    /// Empty for none.
    pub log: String,
    /// The directory of the logs and the number of the attempt whose logs they are; empty for none.
    pub former: (String, String),
    pub wipe: Vec<String>,
    pub dirs: Vec<String>,
    /// Path, whether executable, content.
    pub files: Vec<(String, bool, String)>,
    /// In the order in which they are set; a later one counts.
    pub env: Vec<(String, String)>,
    /// Variables that shells guard; they count over what is ours.
    pub guarded: Vec<(String, String)>,
}

impl LaunchText {
    /// Reads a launch text and the text of its secrets, which is empty for none.
    ///
    /// # Errors
    /// Text that `order.rs` does not write.
    pub fn parse(launch: &str, secrets: &str) -> Result<Self, NotOurs> {
        let mut text = Text(launch);
        let mut values = VecDeque::new();
        for name in ["key", "shell", "command", "workdir", "out", "err", "log", "former", "former_n", "secret"] {
            text.expect(&format!("l_{name}="))?;
            values.push_back(text.word()?);
            text.expect("\n")?;
        }
        let mut next = || values.pop_front().ok_or(NotOurs);
        let mut read = Self {
            key: next()?,
            shell: next()?,
            command: next()?,
            workdir: next()?,
            out: next()?,
            err: next()?,
            log: next()?,
            former: (next()?, next()?),
            ..Self::default()
        };
        let secret = !next()?.is_empty();
        read.wipe = text.list("l_wipe() { wipe")?;
        read.dirs = text.list("l_dirs() { make_dirs")?;
        text.expect(FOLDERS_ONLY)?;
        text.expect("l_files() {\n")?;
        while text.take("put_file ") {
            let path = text.word()?;
            let executable = text.take(" 1 ");
            if !executable {
                text.expect(" 0 ")?;
            }
            read.files.push((path, executable, text.word()?));
            text.expect(" || return 1\n")?;
        }
        text.expect("true\n}\nl_env() {\n")?;
        if secret {
            text.expect("l_secrets\n")?;
            let mut secrets = Text(secrets);
            secrets.expect("l_secrets() {\n")?;
            read.env = secrets.exports()?;
            secrets.expect("}\n")?;
        }
        read.env.extend(text.exports()?);
        text.expect("go ")?;
        if text.take("/usr/bin/env ") {
            while !text.0.starts_with('"') {
                let both = text.word()?;
                let (name, value) = both.split_once('=').ok_or(NotOurs)?;
                read.guarded.push((name.to_owned(), value.to_owned()));
                text.expect(" ")?;
            }
        }
        text.expect("\"$@\"\n}\n")?;
        Ok(read)
    }
}

/// What is left of a text.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn take(&mut self, what: &str) -> bool {
        let rest = self.0.strip_prefix(what);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, what: &str) -> Result<(), NotOurs> {
        if self.take(what) { Ok(()) } else { Err(NotOurs) }
    }

    fn word(&mut self) -> Result<String, NotOurs> {
        let (word, rest) = word(self.0)?;
        self.0 = rest;
        Ok(word)
    }

    fn list(&mut self, begins: &str) -> Result<Vec<String>, NotOurs> {
        self.expect(begins)?;
        let mut list = Vec::new();
        while self.take(" ") {
            list.push(self.word()?);
        }
        self.expect("; }\n")?;
        Ok(list)
    }

    fn exports(&mut self) -> Result<Vec<(String, String)>, NotOurs> {
        let mut list = Vec::new();
        while self.take("export ") {
            let (name, rest) = self.0.split_once('=').ok_or(NotOurs)?;
            self.0 = rest;
            list.push((name.to_owned(), self.word()?));
            self.expect("\n")?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ids::{EffectId, RankKey};
    use crate::model::launch::Launch;
    use crate::model::spec::{Secret, SecretSource, SecretText};
    use crate::model::state::BootId;
    use crate::model::units::Millis;
    use crate::transport::{Order, order};

    fn start(launch: Launch) -> String {
        let key: RankKey = "1.1.m0".parse().unwrap();
        let (limit, grace) = (Millis(1000), Millis(30_000));
        order::text(
            3,
            &Order::Start {
                effect: EffectId(1),
                key,
                boot: BootId("b".into()),
                limit,
                grace,
                launch: Box::new(launch),
                after: None,
            },
        )
    }

    fn launch(odd: &str) -> Launch {
        Launch {
            node_index: 0,
            shell: "/bin/sh".into(),
            command: odd.into(),
            workdir: format!("/w{odd}"),
            env: vec![("A".into(), odd.into()), ("UID".into(), odd.into())],
            secrets: vec![Secret { name: "S".into(), source: SecretSource::Given(SecretText::new(odd)) }],
            wipe: vec![format!("/wipe{odd}")],
            dirs: vec!["/d".into()],
            files: vec![("/f".into(), odd.into(), true), ("/g".into(), String::new(), false)],
            stdout: "/l/out".into(),
            stderr: "/l/err".into(),
            keep_former: Some(("/l".into(), 2)),
            execution_log: None,
            batch: None,
        }
    }

    proptest! {
        #[test]
        fn what_the_controller_writes_is_read(odd in "[ -~\n\té]{0,40}", cut in 0usize..4000) {
            let text = start(launch(&odd)) + &order::command("ping", &["4"]);
            let mut commands = Commands::default();
            let cut = cut.min(text.len());
            let mut all = commands.feed(&text.as_bytes()[..cut]).unwrap();
            all.extend(commands.feed(&text.as_bytes()[cut..]).unwrap());
            prop_assert_eq!(all.len(), 2);
            prop_assert_eq!(&all[1], &["ping", "4", "."]);
            let start = &all[0];
            prop_assert_eq!(&start[..6], &["start", "3", "1.1.m0", "b", "1", "30"]);
            let read = LaunchText::parse(&start[6], &start[7]).unwrap();
            let value = || odd.clone();
            prop_assert_eq!(read, LaunchText {
                key: "1.1.m0".into(),
                shell: "/bin/sh".into(),
                command: value(),
                workdir: format!("/w{odd}"),
                out: "/l/out".into(),
                err: "/l/err".into(),
                log: String::new(),
                former: ("/l".into(), "2".into()),
                wipe: vec![format!("/wipe{odd}")],
                dirs: vec!["/d".into(), "/l".into(), format!("/w{odd}")],
                files: vec![("/f".into(), true, value()), ("/g".into(), false, String::new())],
                env: vec![("S".into(), value()), ("A".into(), value())],
                guarded: vec![("UID".into(), value())],
            });
        }

        #[test]
        fn random_text_never_panics(text in "[ '\\\\\n.a=\"{}]{0,60}") {
            let _ = Commands::default().feed(text.as_bytes());
            let _ = LaunchText::parse(&text, &text);
        }
    }

    #[test]
    fn what_is_not_whole_waits() {
        let mut commands = Commands::default();
        for part in ["pi", "ng '1", "\n' ."] {
            assert_eq!(commands.feed(part.as_bytes()), Ok(Vec::new()), "{part}");
        }
        assert_eq!(commands.feed(b"\nx"), Ok(vec![vec!["ping".to_owned(), "1\n".to_owned(), ".".to_owned()]]));
        assert_eq!(Commands::default().feed(b"ping $(id) .\n"), Err(NotOurs));
    }
}
