//! What the user has set: files < environment < flags, and of each value where it came from.
//!
//! Called by `main.rs` and the front ends. A wrong value is a fault with its line and never half taken: on a second reading the
//! former values stay. The file may name commands and hosts, so one that others can write is refused (reliability B04).
//!
//! Decision (2026-11): one flat TOML file whose keys are the fields of [`Settings`] and a few of the screen. Environment variables are
//! `OSTLER_` and the key in capitals. No includes: one file is one place to look.

pub mod address;
mod classes;
pub mod context;
pub mod keys;
pub mod person;
pub mod places;
pub mod schema;
pub mod ssh_hosts;
mod storage;

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::model::fault::{Fault, FaultKind};
use crate::model::settings::Settings;
use crate::model::spec::FileReport;
use crate::model::spec::doc::{Doc, FILE_BYTES_MAX, Place, Value};
use crate::model::spec::fields::{Faults, Field, FileFault};
use crate::model::units::{Bytes, Millis};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file, and the place in it.
    File(PathBuf, Place),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, place) => write!(f, "{}:{}", path.display(), place.line),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// What concerns the screen alone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ui {
    /// The name of the theme; the screen's own choice when absent.
    pub theme: Option<String>,
    /// Draw with ASCII alone.
    pub ascii: bool,
    /// A user's own keys: command → keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Whether the mouse is the screen's.
    pub mouse: bool,
    /// Whether the end of a job rings while the window is not in front.
    pub bell: bool,
    /// The columns of tables by their titles: table → titles.
    pub columns: BTreeMap<String, Vec<String>>,
    /// How often things are drawn and asked for.
    #[serde(default)]
    pub pace: Pace,
    /// How sizes are written.
    #[serde(default)]
    pub sizes: Sizes,
}

/// How often the screen is drawn, and asks for what changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pace {
    /// News redraw it at most so often in a second; keys do at once.
    pub frames: u32,
    /// While something on it moves, it is drawn so often.
    pub moving: Millis,
    /// While nothing does: ages are never wrong by more.
    pub resting: Millis,
    /// How often nodes that are looked at are asked how busy they are.
    pub nodes: Millis,
}

impl Default for Pace {
    fn default() -> Self {
        let (moving, resting) = (Millis::from_secs(1), Millis::from_secs(10));
        Self { frames: 30, moving, resting, nodes: Millis::from_secs(10) }
    }
}

/// How sizes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizes {
    /// `1.5 GiB`.
    #[default]
    Binary,
    /// `1.6 GB`.
    Decimal,
}

impl Sizes {
    /// All, with their words.
    pub const WORDS: [(&str, Self); 2] = [("binary", Self::Binary), ("decimal", Self::Decimal)];

    /// Writes a size.
    pub fn write(self, bytes: Bytes) -> String {
        match self {
            Self::Binary => bytes.to_string(),
            Self::Decimal => bytes.decimal(),
        }
    }
}

impl Default for Ui {
    fn default() -> Self {
        let (keys, columns) = (BTreeMap::new(), BTreeMap::new());
        let (pace, sizes) = (Pace::default(), Sizes::default());
        Self { theme: None, ascii: false, keys, mouse: true, bell: true, columns, pace, sizes }
    }
}

/// Where to look for values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The file of `--config` or `OSTLER_CONFIG`; it must be there.
    pub named_file: Option<PathBuf>,
    /// The file that is read when it is there and none is named.
    pub usual_file: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The file of `-F`.
    pub ssh_config: Option<PathBuf>,
}

/// Everything that is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What the core has to know.
    pub settings: Settings,
    /// What the screen has to know.
    pub ui: Ui,
    /// The ssh configuration to use instead of the user's own.
    pub ssh_config: Option<PathBuf>,
    /// The file that was read, if any was.
    pub file: Option<PathBuf>,
    origins: BTreeMap<&'static str, Origin>,
    sources: Sources,
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// All faults of the file or of the environment at once.
    pub fn load(sources: Sources) -> Result<Self, FileReport> {
        let mut config = Self { sources: sources.clone(), ..Self::default() };
        let (path, must) = match (&sources.named_file, &sources.usual_file) {
            (Some(path), _) => (Some(path), true),
            (None, usual) => (usual.as_ref(), false),
        };
        if let Some(path) = path
            && let Some(text) = read_file(path, must)?
        {
            config.take_file(path, &text)?;
            config.file = Some(path.clone());
        }
        config.take_environment(&sources.environment)?;
        if let Some(path) = &sources.ssh_config {
            if !path.is_file() {
                let what = format!("no such file `{}`", path.display());
                let fault = FileFault { place: Place::FLAG, field: "-F".to_owned(), what };
                let name = "the command line".to_owned();
                return Err(FileReport {
                    name,
                    text: String::new(),
                    faults: vec![fault],
                    kind: FaultKind::Config,
                    hints: Vec::new(),
                });
            }
            config.ssh_config = Some(path.clone());
            config.origins.insert("ssh_config", Origin::Flag("-F"));
        }
        Ok(config)
    }

    /// Reads all sources again. When anything is wrong the values stay as they are.
    ///
    /// # Errors
    /// All faults, as one.
    pub fn reread(&mut self) -> Result<(), Fault> {
        *self = Self::load(self.sources.clone())?;
        Ok(())
    }

    /// Returns where the value of a key came from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    fn take_file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), FileReport> {
        let report = |faults: Vec<FileFault>| FileReport {
            name: path.display().to_string(),
            text: String::from_utf8_lossy(bytes).into_owned(),
            faults,
            kind: FaultKind::Config,
            hints: Vec::new(),
        };
        // The name decides the language, and the configuration is TOML whatever its name.
        let doc = Doc::parse("config.toml", bytes).map_err(report)?;
        let mut faults = Faults::default();
        if let Some(mut fields) = Field::root(&doc).map(&mut faults) {
            for key in keys::ALL {
                if let Some(field) = fields.take(key.name) {
                    (key.read)(&field, self, &mut faults);
                    self.origins.insert(key.name, Origin::File(path.to_owned(), field.place()));
                }
            }
            fields.finish_strictly(&mut faults);
        }
        faults.sort();
        if faults.errors.is_empty() { Ok(()) } else { Err(report(faults.errors)) }
    }

    fn take_environment(&mut self, environment: &BTreeMap<String, String>) -> Result<(), FileReport> {
        let mut found = Faults::default();
        for key in keys::ALL.iter().filter(|key| key.by_environment) {
            let name = key.variable();
            let Some(text) = environment.get(&name).filter(|text| !text.is_empty()) else { continue };
            let doc = Doc { place: Place::FLAG, value: guess(text) };
            let mut faults = Faults::default();
            (key.read)(&Field::root(&doc), self, &mut faults);
            let named = |fault: FileFault| FileFault { field: name.clone(), ..fault };
            found.errors.extend(faults.errors.into_iter().map(named));
            self.origins.insert(key.name, Origin::Environment(name.clone()));
        }
        if found.errors.is_empty() {
            return Ok(());
        }
        let name = "the environment".to_owned();
        Err(FileReport { name, text: String::new(), faults: found.errors, kind: FaultKind::Config, hints: Vec::new() })
    }
}

/// What a text of the environment would be in a file.
fn guess(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true, text.to_owned()),
        "false" => Value::Bool(false, text.to_owned()),
        _ if text.parse::<f64>().is_ok() => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

/// Returns the bytes of the file, `None` when it is not there and need not be.
fn read_file(path: &Path, must: bool) -> Result<Option<Vec<u8>>, FileReport> {
    let shown = path.display();
    let hinted = |what: String, hints: Vec<String>| FileReport {
        name: shown.to_string(),
        text: String::new(),
        faults: vec![FileFault { place: Place::FLAG, field: String::new(), what }],
        kind: FaultKind::Config,
        hints,
    };
    let fault = |what: String| hinted(what, Vec::new());
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must => return Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(hinted(format!("no such file `{shown}`"), vec!["`ostler config init` writes one".to_owned()]));
        }
        Err(e) => return Err(fault(format!("cannot look at `{shown}`: {e}"))),
    };
    let kind = about.file_type();
    if !kind.is_file() {
        let what = match () {
            () if kind.is_dir() => "a directory",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        return Err(fault(format!("`{shown}` is not a regular file, it is {what}")));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        let what = format!("refused: others can write `{shown}` (mode {mode:o}), and it decides what is run");
        return Err(hinted(what, vec![format!("chmod go-w {shown}")]));
    }
    if about.len() > FILE_BYTES_MAX as u64 {
        let size = Bytes(about.len());
        return Err(fault(format!("`{shown}` is too large: {size}, the limit is {}", Bytes(FILE_BYTES_MAX as u64))));
    }
    std::fs::read(path).map(Some).map_err(|e| fault(format!("cannot read `{shown}`: {e} (mode {mode:o})")))
}

#[cfg(test)]
mod tests;
