//! A home and a state directory, and the program on them.

use std::process::Command;

use crate::tmux::Tmux;

/// Nodes of this machine that a person's screen works on.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// Makes a workspace `lab` with an experiment `first` and a cluster `here` of one node that is this machine.
    pub fn new() -> Self {
        let place = Self { dir: tempfile::Builder::new().prefix("ost").tempdir().expect("a temporary directory") };
        place.ok(&["workspace", "create", "lab"]);
        place.ok(&["experiment", "create", "first"]);
        place.ok(&["cluster", "create", "here", "--provider", "local", "--target", "1"]);
        place
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command.args(args).env("HOME", self.dir.path()).env("OSTLER_STATE_DIR", self.state());
        command.env("XDG_RUNTIME_DIR", self.dir.path()).env("LC_ALL", "C.UTF-8");
        for name in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "OSTLER_CONFIG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
    }

    /// Returns the state directory.
    pub fn state(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }

    /// Runs a command that has to end well, and returns what it prints.
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.command(args).output().expect("the program runs");
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "ostler {args:?}: {:?} {err}", out.status);
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Opens the screen in a terminal.
    pub fn screen(&self, width: u16, height: u16) -> Tmux {
        self.screen_with(width, height, &[], &[])
    }

    /// Opens the screen with variables and arguments of its own.
    pub fn screen_with(&self, width: u16, height: u16, variables: &[&str], args: &[&str]) -> Tmux {
        self.open(width, height, variables, &[env!("CARGO_BIN_EXE_ostler")], args)
    }

    /// Opens a shell that controls jobs; `$OSTLER` is the program.
    pub fn shell(&self, width: u16, height: u16) -> Tmux {
        let program = concat!("OSTLER=", env!("CARGO_BIN_EXE_ostler"));
        self.open(width, height, &["PS1=sh> ", program], &["bash", "--norc", "--noprofile", "-i"], &[])
    }

    /// Returns the line that opens the screen, for a shell that knows nothing of this place.
    pub fn line(&self, variables: &[&str]) -> String {
        let words = self.words(variables, &[env!("CARGO_BIN_EXE_ostler")], &[]);
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    }

    fn open(&self, width: u16, height: u16, variables: &[&str], program: &[&str], args: &[&str]) -> Tmux {
        let words = self.words(variables, program, args);
        Tmux::start(self.dir.path(), width, height, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn words(&self, variables: &[&str], program: &[&str], args: &[&str]) -> Vec<String> {
        let (home, state) = (self.dir.path().display().to_string(), self.state().display().to_string());
        let mut words = vec![
            "env".to_owned(),
            "-u".to_owned(),
            "NO_COLOR".to_owned(),
            format!("HOME={home}"),
            format!("XDG_RUNTIME_DIR={home}"),
            format!("OSTLER_STATE_DIR={state}"),
            "LC_ALL=C.UTF-8".to_owned(),
            "TERM=tmux-256color".to_owned(),
        ];
        words.extend(variables.iter().map(|word| (*word).to_owned()));
        words.extend(program.iter().map(|word| (*word).to_owned()));
        words.extend(args.iter().map(|word| (*word).to_owned()));
        words
    }
}

impl Drop for Place {
    /// Ends what jobs run and the core behind the screen; the test has said already what it thinks of them.
    fn drop(&mut self) {
        for args in [&["cluster", "delete", "here", "--yes"][..], &["serve", "--stop"]] {
            let _ = self.command(args).output();
        }
    }
}
