//! A user with a cluster of this machine, on which real jobs run.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::rig::{Ran, User};

/// How long a state may take to come; generous, since the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// A user with a workspace, an experiment and a cluster of two ready nodes; the host is ended with it.
pub struct Lab(pub User);

impl Lab {
    pub fn new() -> Self {
        Self::of(User::new())
    }

    /// The same with a configuration.
    pub fn configured(text: &str) -> Self {
        let user = User::new();
        let file = user.file("config.toml", text).display().to_string();
        Self::of(user.with("OSTLER_CONFIG", &file))
    }

    /// A user with a workspace and an experiment.
    pub fn without_nodes(user: User) -> Self {
        let lab = Self(user);
        for line in ["workspace create lab", "experiment create first"] {
            lab.ok(line);
        }
        lab
    }

    fn of(user: User) -> Self {
        let lab = Self::without_nodes(user);
        lab.ok("cluster create pool --provider local --target 2");
        lab.until("cluster show -o json", |ran| json(ran)["nodeStateCounts"]["idleNodeCount"] == 2);
        lab
    }

    pub fn run(&self, line: &str) -> Ran {
        self.0.run(line)
    }

    /// Returns the home, which is also where commands run.
    pub fn home(&self) -> &Path {
        self.0.home()
    }

    /// Writes a file into the home.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        self.0.file(name, content);
    }

    /// Runs a line that has to end well, and returns what it printed.
    pub fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
        ran.stdout
    }

    /// Runs a line until what it says is so.
    pub fn until(&self, line: &str, fits: impl Fn(&Ran) -> bool) -> Ran {
        let begin = Instant::now();
        loop {
            let ran = self.run(line);
            if fits(&ran) {
                return ran;
            }
            assert!(begin.elapsed() < DEADLINE, "it never came to that: {}", ran.shown());
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.0.run("job terminate --all -y");
        self.0.run("job wait --all --timeout 40s");
        self.0.run("serve --stop");
    }
}

/// Reads what a command printed.
pub fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.shown()))
}
