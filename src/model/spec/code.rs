//! The code that a job runs with: a directory of this machine, and what was kept of it when the job was submitted. Ours.
//!
//! The directory is named by who submits; the runtime takes the snapshot on the way in, so that what a job keeps is what was
//! there at that moment, however the directory changes. A job that is run again keeps the snapshot and not the directory.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::units::Bytes;

/// The variable of a job in which the path of its code on the node stands.
pub const CODE_DIR: &str = "OSTLER_CODE_DIR";
/// How many paths a job may let pass that would be refused.
pub const ALLOWED_MAX: usize = 100;
/// Letters of a digest that tell one from another for people, as git shows commits.
const SHORT_CHARS: usize = 12;

/// The SHA-256 of what is kept, in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Digest {
    /// Returns the digest of these 32 bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns its letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns so many of its letters that people tell it from others.
    pub fn short(&self) -> &str {
        &self.0[..SHORT_CHARS]
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err("is no SHA-256 in 64 hexadecimal digits".to_owned()) }
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// The code of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Code {
    /// The directory on the machine that submits.
    pub directory: String,
    /// Files in it that are meant to go along although they look like secrets; paths as they are below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// What was kept of it; to be taken at submission when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Taken>,
}

/// What was kept of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// What it is called by: the digest of all of it as one archive.
    pub digest: Digest,
    /// How many files are in it.
    pub files: u32,
    /// How much they hold together.
    #[schemars(with = "u64")]
    pub bytes: Bytes,
    /// Where it stood in git, if it was in a work tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
}

/// Where a directory stood in git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Git {
    /// The commit that was checked out; absent before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch; absent when a commit was checked out by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How many tracked files differed from that commit.
    #[serde(default)]
    pub changed: u32,
    /// How many files git did not know; they are in the snapshot all the same.
    #[serde(default)]
    pub untracked: u32,
    /// The difference from that commit, with the names of untracked files, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Digest>,
}

impl Git {
    /// Says whether it was more than the commit.
    pub fn is_dirty(&self) -> bool {
        self.changed > 0 || self.untracked > 0
    }

    /// Returns it as people read it: `main 1a2b3c4d5e6f, 2 files changed, 1 untracked`.
    pub fn words(&self) -> String {
        let commit = self.commit.as_deref().map(|commit| commit.chars().take(SHORT_CHARS).collect::<String>());
        let commit = commit.unwrap_or_else(|| "before the first commit".to_owned());
        let mut text = [self.branch.clone().unwrap_or_default(), commit].join(" ").trim().to_owned();
        if self.changed > 0 {
            text.push_str(&format!(", {} {} changed", self.changed, if self.changed == 1 { "file" } else { "files" }));
        }
        if self.untracked > 0 {
            text.push_str(&format!(", {} untracked", self.untracked));
        }
        text
    }
}

impl Code {
    /// Returns a directory of which nothing is kept yet.
    pub fn of(directory: impl Into<String>) -> Self {
        Self { directory: directory.into(), allow: Vec::new(), snapshot: None }
    }

    /// Makes the directory absolute, as seen from another one; `~` is a home.
    pub fn root(&mut self, base: &str, home: &str) {
        let named = self.directory.trim_end_matches('/');
        self.directory = match (named.strip_prefix("~/"), named) {
            (_, "") => "/".to_owned(),
            (_, "~") => home.to_owned(),
            (Some(below), _) => format!("{home}/{below}"),
            (None, named) if named.starts_with('/') => named.to_owned(),
            (None, ".") => base.to_owned(),
            (None, named) => format!("{}/{}", base.trim_end_matches('/'), named.trim_start_matches("./")),
        };
    }

    /// Returns the digest of what is kept.
    pub fn digest(&self) -> Option<&Digest> {
        self.snapshot.as_ref().map(|taken| &taken.digest)
    }

    /// Returns it as people read it: what is kept, of which directory, and where that stood in git.
    pub fn words(&self) -> String {
        let Some(taken) = &self.snapshot else { return self.directory.clone() };
        let files = if taken.files == 1 { "file" } else { "files" };
        let git = taken.git.as_ref().map(|git| format!("; git {}", git.words())).unwrap_or_default();
        format!("{} of {} ({} {files}, {}{git})", taken.digest.short(), self.directory, taken.files, taken.bytes)
    }
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeFile {
    /// Its path below the directory.
    pub path: String,
    /// How much it holds; nothing for a link.
    pub bytes: u64,
    /// Its permissions, or that it is a link.
    pub mode: String,
    /// The digest of what it holds; of where it points for a link.
    pub digest: Digest,
}

/// All that is kept of a job's code but the files themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeKept {
    /// The files, by path.
    pub files: Vec<CodeFile>,
    /// The difference from the commit; empty when there was none.
    pub diff: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_it_is_and_nothing_else() {
        let digest = Digest::of(&[0xab; 32]);
        assert_eq!(digest.as_str(), "ab".repeat(32));
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        for bad in ["", "ab", &"AB".repeat(32), &"zz".repeat(32), &"../".repeat(22)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
            assert!(serde_json::from_value::<Digest>(serde_json::json!(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_is_seen_from_where_its_file_is() {
        for (named, rooted) in [
            (".", "/b"),
            ("./x/", "/b/x"),
            ("x/y", "/b/x/y"),
            ("../x", "/b/../x"),
            ("/a/", "/a"),
            ("/", "/"),
            ("~", "/h"),
            ("~/x", "/h/x"),
        ] {
            let mut code = Code::of(named);
            code.root("/b", "/h");
            assert_eq!(code.directory, rooted, "{named}");
        }
    }

    #[test]
    fn it_is_said_in_a_line() {
        let mut code = Code::of("/home/a/p");
        assert_eq!(code.words(), "/home/a/p");
        let git = Git {
            commit: Some("0123456789abcdef0123".into()),
            branch: Some("main".into()),
            changed: 1,
            untracked: 2,
            diff: None,
        };
        code.snapshot = Some(Taken { digest: Digest::of(&[1; 32]), files: 1, bytes: Bytes(2048), git: Some(git) });
        assert_eq!(
            code.words(),
            "010101010101 of /home/a/p (1 file, 2 KiB; git main 0123456789ab, 1 file changed, 2 untracked)"
        );
    }
}
