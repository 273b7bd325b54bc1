//! Ports of jobs' nodes that are forwarded to this machine. The forwarding itself is done by ostler's own command beside the
//! screen; here is what is known of each, and how what is typed is read.

use crate::model::ids::{Attempt, JobId};
use crate::tui::shown::shown;

/// How many ports may be forwarded at once: each is a process.
pub const PORTS_MAX: usize = 16;

/// One forwarded port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number of the call that does it.
    pub number: u64,
    /// Whose.
    pub job: JobId,
    /// The attempt whose node it leads to.
    pub attempt: Attempt,
    /// `LOCAL:HOST:PORT`.
    pub spec: String,
    /// How it is.
    pub state: PortState,
}

/// How a forwarded port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// It is being opened.
    Opening,
    /// It is open; where, in words.
    Open(String),
    /// It has ended; its last words. It opens again when the job starts again.
    Ended(String),
}

/// Reads what is typed: `6006`, or `LOCAL:HOST:PORT`. The command line checks the rest.
pub fn spec(typed: &str) -> Option<String> {
    match typed.parse::<u16>() {
        Ok(port) if port > 0 => Some(format!("{port}:localhost:{port}")),
        Ok(_) => None,
        Err(_) => (typed.split(':').count() >= 3 && !typed.starts_with('-')).then(|| typed.to_owned()),
    }
}

impl Port {
    /// Returns the words that forward it.
    pub fn words(&self) -> Vec<String> {
        ["job", "node", "forward", "-j", &self.job.to_string(), &self.spec].map(str::to_owned).to_vec()
    }

    /// Takes a line that the forwarding says.
    pub fn hear(&mut self, line: &str) {
        let line = shown(line);
        self.state = match line.contains(" of the node") {
            true => PortState::Open(line),
            false => PortState::Ended(line),
        };
    }

    /// Returns its state in words.
    pub fn words_of_state(&self) -> String {
        match &self.state {
            PortState::Opening => "being opened".to_owned(),
            PortState::Open(where_) => where_.clone(),
            PortState::Ended(why) => format!("closed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::spec;

    #[test]
    fn ports_are_read() {
        assert_eq!(spec("6006").as_deref(), Some("6006:localhost:6006"));
        assert_eq!(spec("0:db:5432").as_deref(), Some("0:db:5432"));
        for wrong in ["", "0", "x", "80:80", "-L:a:b"] {
            assert_eq!(spec(wrong), None, "{wrong}");
        }
    }
}
