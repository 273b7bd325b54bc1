//! What went wrong, in the user's words, for every front end alike.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose matter a fault is; decides the exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// What was asked cannot be done: a name that does not exist, a file that is wrong. Exit code 1.
    User,
    /// The call or the configuration is wrong. Exit code 2.
    Config,
    /// A node, login host or server is out of reach. Exit code 3.
    Remote,
    /// Some of what was asked was done. Exit code 4.
    Partly,
    /// The store cannot be read or written. Exit code 74.
    Store,
    /// A mistake of ours. Exit code 70.
    Internal,
}

/// What went wrong as a word for programs, stable from the first release; the messages are for people and may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultCode {
    /// What was asked cannot be done, for the reason in the message.
    InvalidRequest,
    /// A name that does not fit the rule for names.
    InvalidName,
    /// The call or the configuration is wrong.
    InvalidArguments,
    /// A file is wrong; `details` has its faults.
    InvalidFile,
    /// Nothing has that name or id.
    ResourceNotFound,
    /// Several things could be meant.
    AmbiguousName,
    /// The name is taken.
    ResourceAlreadyExists,
    /// It holds other things.
    ResourceNotEmpty,
    /// Others use it.
    ResourceInUse,
    /// It is on its way out.
    ResourceBeingDeleted,
    /// It cannot be changed once it is made.
    PropertyChangeNotAllowed,
    /// It changed since it was looked at.
    Conflict,
    /// As many clusters as are allowed are there (published).
    ClusterQuotaReached,
    /// As many of a kind as are allowed are there, or more are asked for.
    QuotaReached,
    /// Nobody could be asked.
    ConfirmationRequired,
    /// Changes are not wanted (`--readonly`), or the answer was no.
    Refused,
    /// A node, login host or server is out of reach.
    Unreachable,
    /// Some of what was asked was done.
    PartlyDone,
    /// The store cannot be read or written.
    StorageFailed,
    /// A mistake of ours.
    InternalError,
}

/// A failure with its cause and the next thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Whose matter it is.
    pub kind: FaultKind,
    /// What failed, for which thing; one sentence without a full stop, literals in backticks.
    pub message: String,
    /// What went wrong, for programs; that of the kind when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FaultCode>,
    /// What it is about: a name, a field, a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The chain of causes, nearest first; none repeats the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to type or do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

impl Fault {
    /// Returns a fault with a message and nothing else.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, target: None, causes: Vec::new(), hints: Vec::new() }
    }

    /// Returns a fault of [`FaultKind::User`].
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(FaultKind::User, message)
    }

    /// Returns a fault of [`FaultKind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Config, message)
    }

    /// Returns a fault of [`FaultKind::Remote`].
    pub fn remote(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Remote, message)
    }

    /// Returns a fault of [`FaultKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Internal, message)
    }

    /// Says for programs what went wrong.
    pub fn code(mut self, code: FaultCode) -> Self {
        self.code = Some(code);
        self
    }

    /// Says for programs what it is about.
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Returns the word for programs.
    pub fn code_word(&self) -> FaultCode {
        self.code.unwrap_or(match self.kind {
            FaultKind::User => FaultCode::InvalidRequest,
            FaultKind::Config => FaultCode::InvalidArguments,
            FaultKind::Remote => FaultCode::Unreachable,
            FaultKind::Partly => FaultCode::PartlyDone,
            FaultKind::Store => FaultCode::StorageFailed,
            FaultKind::Internal => FaultCode::InternalError,
        })
    }

    /// Adds the next command to type.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds one link of the chain of causes.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds an error and all its sources as causes.
    pub fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(e) = next {
            self.causes.push(e.to_string());
            next = e.source();
        }
        self
    }

    /// Returns the message and its causes on one line, parted by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        self.causes.iter().for_each(|cause| {
            text.push_str(": ");
            text.push_str(cause);
        });
        text
    }

    /// Returns the exit code of the command line for this fault.
    pub fn exit_code(&self) -> i32 {
        match self.kind {
            FaultKind::User => 1,
            FaultKind::Config => 2,
            FaultKind::Remote => 3,
            FaultKind::Partly => 4,
            FaultKind::Store => 74,
            FaultKind::Internal => 70,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
