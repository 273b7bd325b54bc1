//! What runs in the screen's place or beside it: editor, pager, ostler's own commands; and files saved on this side.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::*;
use crate::tui::msg::Called;
use crate::tui::pane::After;

/// A longer line of a command's output is cut: none of ostler's own has so many bytes.
const LINE_BYTES_MAX: usize = 16 << 10;

impl Live {
    pub(super) fn save(&self, client: Client, file: FileRef, path: String) {
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let note = fetch(&client, file, Path::new(&path)).await.map(|bytes| format!("saved {bytes} to {path}"));
            let _ = messages.send(Msg::Note(note)).await;
        });
    }

    /// Looks at this machine in a thread of its own.
    pub(super) fn here(&self, ticket: Ticket, wanted: crate::tui::here::Wanted) {
        let (messages, machine) = (self.messages.clone(), self.options.machine.clone());
        tokio::spawn(async move {
            let found = tokio::task::spawn_blocking(move || crate::tui::here::look(wanted, &machine)).await;
            let found = found.unwrap_or_else(|e| Err(Fault::internal("this machine cannot be looked at").because(&e)));
            let _ = messages.send(Msg::Here(ticket, Box::new(found))).await;
        });
    }

    /// Steps aside, runs a program on the terminal, and comes back.
    async fn aside(&mut self, variable: &str, fallback: &str, file: &Path) -> io::Result<Result<(), Fault>> {
        let command = std::env::var(variable).ok().filter(|c| !c.trim().is_empty()).unwrap_or_else(|| fallback.to_owned());
        let words = shlex::split(&command).unwrap_or_default();
        let Some((program, args)) = words.split_first() else {
            return Ok(Err(Fault::config(format!("${variable} is no command"))));
        };
        let mut command = tokio::process::Command::new(program);
        command.args(args).arg(file);
        let ended = self.run_aside(&mut command, After::Back).await?;
        Ok(match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Fault::user(format!("`{program}` ended with {status}"))),
            Err(e) => Err(Fault::config(format!("`{program}` cannot be started")).because(&e)),
        })
    }

    /// Gives the terminal to a program until it ends.
    async fn run_aside(
        &mut self,
        command: &mut tokio::process::Command,
        after: After,
    ) -> io::Result<io::Result<std::process::ExitStatus>> {
        // Two readers of one terminal would each get half of the keys.
        self.keys = None;
        self.guard.step_aside();
        let ended = command.status().await;
        if after == After::Key {
            println!("\n-- Enter goes back to the screen --");
            // The line is read where waiting disturbs nothing that runs beside the screen.
            let read = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new()));
            let _ = read.await;
        }
        self.guard.enter()?;
        self.keys = Some(EventStream::new());
        self.fresh()?;
        Ok(ended)
    }

    /// Returns ostler itself, on the state of this screen.
    fn ostler(&self, words: &[String]) -> io::Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args(&self.options.again).args(words);
        Ok(command)
    }

    /// Runs ostler in the screen's place.
    pub(super) async fn aside_ostler(&mut self, words: &[String], after: After) -> io::Result<()> {
        let mut command = self.ostler(words)?;
        if let Err(e) = self.run_aside(&mut command, after).await? {
            self.note(Err(Fault::config("ostler's own command cannot be started").because(&e)));
        }
        Ok(())
    }

    /// Runs ostler beside the screen and tells what it says, line by line.
    pub(super) fn call(&mut self, number: u64, words: Vec<String>) {
        let messages = self.messages.clone();
        let command = self.ostler(&words);
        let call = tokio::spawn(async move {
            let code = match command {
                Ok(command) => tell_lines(command, number, &messages).await,
                Err(e) => Err(e),
            };
            let code = match code {
                Ok(code) => code,
                Err(e) => {
                    let line = format!("it cannot be started: {e}");
                    let _ = messages.send(Msg::Called(number, Called::Line(line))).await;
                    1
                }
            };
            let _ = messages.send(Msg::Called(number, Called::Ended(code))).await;
        });
        self.calls.retain(|_, call| !call.is_finished());
        self.calls.insert(number, call);
    }

    /// Writes a text into a file on this side.
    pub(super) fn write(&self, path: String, content: Vec<u8>) {
        let bytes = content.len() as u64;
        let note = match std::fs::write(&path, content) {
            Ok(()) => Ok(format!("saved {} to {path}", crate::model::units::Bytes(bytes))),
            Err(e) => Err(Fault::user(format!("`{path}` cannot be written")).because(&e)),
        };
        self.note(note);
    }

    /// Opens `$PAGER` on a text.
    pub(super) async fn page_text(&mut self, text: &str) -> io::Result<()> {
        let path = private_file(".log")?;
        std::fs::write(&path, text)?;
        let shown = self.aside("PAGER", "less", &path).await?;
        let _ = std::fs::remove_file(&path);
        if let Err(fault) = shown {
            self.note(Err(fault));
        }
        Ok(())
    }

    pub(super) async fn edit(&mut self, ticket: Ticket, text: String, suffix: &str) -> io::Result<()> {
        let path = private_file(suffix)?;
        std::fs::write(&path, &text)?;
        let ended = self.aside("EDITOR", "vi", &path).await?;
        let edited = std::fs::read_to_string(&path);
        let _ = std::fs::remove_file(&path);
        match (ended, edited) {
            (Ok(()), Ok(text)) => drop(self.messages.try_send(Msg::Edited(ticket, text))),
            (Err(fault), _) => self.note(Err(fault)),
            (Ok(()), Err(e)) => self.note(Err(Fault::user("the edited text cannot be read").because(&e))),
        }
        Ok(())
    }

    pub(super) async fn page(&mut self, client: Client, file: FileRef) -> io::Result<()> {
        let path = private_file(".log")?;
        let shown = match fetch(&client, file, &path).await {
            Ok(_) => self.aside("PAGER", "less", &path).await?,
            Err(fault) => Err(fault),
        };
        let _ = std::fs::remove_file(&path);
        if let Err(fault) = shown {
            self.note(Err(fault));
        }
        Ok(())
    }

    pub(super) fn suspend(&mut self) -> io::Result<()> {
        self.keys = None;
        self.guard.step_aside();
        // The default action of TSTP stops this process here, until the shell continues it.
        let stopped = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP);
        self.guard.enter()?;
        self.keys = Some(EventStream::new());
        self.fresh()?;
        stopped.map_err(io::Error::from)
    }
}

/// Tells the lines of both of a program's outputs, and returns its exit code.
async fn tell_lines(mut command: tokio::process::Command, number: u64, messages: &mpsc::Sender<Msg>) -> io::Result<i32> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let tell = async |stream: Option<&mut (dyn tokio::io::AsyncRead + Unpin + Send)>| {
        let Some(stream) = stream else { return };
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(mut line)) = lines.next_line().await {
            line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
            if messages.send(Msg::Called(number, Called::Line(line))).await.is_err() {
                return;
            }
        }
    };
    let (mut out, mut err) = (out, err);
    tokio::join!(
        tell(out.as_mut().map(|out| out as &mut (dyn tokio::io::AsyncRead + Unpin + Send))),
        tell(err.as_mut().map(|err| err as &mut (dyn tokio::io::AsyncRead + Unpin + Send))),
    );
    Ok(child.wait().await?.code().unwrap_or(1))
}

/// Makes an empty file that only we can read, in the directory for temporary files.
fn private_file(suffix: &str) -> io::Result<std::path::PathBuf> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let name = format!("ostler-{}{suffix}", uuid::Uuid::new_v4());
    let path = std::env::temp_dir().join(name);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(path)
}

/// Reads a whole file from its node into one on this side.
async fn fetch(client: &Client, file: FileRef, path: &Path) -> Result<crate::model::units::Bytes, Fault> {
    use tokio::io::AsyncWriteExt as _;
    let fail = |e: &io::Error| Fault::user(format!("`{}` cannot be written", path.display())).because(e);
    let mut out = tokio::fs::File::create(path).await.map_err(|e| fail(&e))?;
    let mut offset = 0;
    loop {
        let window = FileWindow { file: file.clone(), from: From::Start(offset), bytes: SAVE_WINDOW_BYTES };
        let Reply::Window(window) = client.request(Request::ReadFile(window)).await? else {
            return Err(Fault::internal("the core answered something else"));
        };
        if window.bytes.is_empty() {
            break;
        }
        out.write_all(&window.bytes).await.map_err(|e| fail(&e))?;
        offset = window.offset + window.bytes.len() as u64;
    }
    out.flush().await.map_err(|e| fail(&e))?;
    Ok(crate::model::units::Bytes(offset))
}
