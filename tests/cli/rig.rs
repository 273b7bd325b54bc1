//! Runs the program with a home, a state directory and an environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// One user: a home with nothing in it.
pub struct User {
    home: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command came to.
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
    line: String,
}

impl User {
    pub fn new() -> Self {
        Self { home: TempDir::new().expect("a temporary directory"), environment: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Says whether a host was ever started for this user.
    pub fn hosted(&self) -> bool {
        self.home().join(".local/state/ostler/lock").exists()
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file below the home, for its owner alone, and returns its path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.home().join(name);
        std::fs::write(&path, text).expect("a file in the home");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_RUNTIME_DIR", self.home())
            .env("USER", "ada")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &str) -> Ran {
        let arguments = shlex::split(line).expect("a command line");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = self.command(&arguments).output().expect("the program starts");
        self.ran(line, output)
    }

    pub fn ran(&self, line: &str, output: Output) -> Ran {
        let home = self.home().display().to_string();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(&home, "~");
        let code = output.status.code().unwrap_or(-1);
        Ran { stdout: text(output.stdout), stderr: text(output.stderr), code, line: line.replace(&home, "~") }
    }

    /// Makes a workspace `lab` with an experiment `first` and a cluster `gpu` without nodes.
    pub fn lab(&self) {
        for line in ["workspace create lab", "experiment create first", "cluster create gpu --provider local --target 0"] {
            let ran = self.run(line);
            assert_eq!(ran.code, 0, "{}", ran.shown());
        }
    }

    /// Runs several lines and returns all of it as one text.
    pub fn tour(&self, lines: &[&str]) -> String {
        lines.iter().map(|line| self.run(line).shown()).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for User {
    /// No test leaves a host behind, however it ends.
    fn drop(&mut self) {
        if self.hosted() {
            // None may be left by now; that is as well.
            let _ = self.command(&["serve", "--stop"]).output();
        }
    }
}

impl Ran {
    /// Returns the command, both outputs and the exit code as one text.
    pub fn shown(&self) -> String {
        let mut text = format!("$ ostler {}\n", self.line);
        text.push_str(&self.stdout);
        for line in self.stderr.lines() {
            text.push_str(&format!("! {line}\n"));
        }
        format!("{text}= {}\n", self.code)
    }
}
