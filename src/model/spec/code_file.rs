//! Reads `code` of a job's file: a directory by itself, or a map with it. All of it is ours.

use super::code::{ALLOWED_MAX, Code, Digest, Git, Taken};
use super::doc::Value;
use super::fields::{Faults, Field, Fields};
use crate::model::units::Bytes;

/// The longest name of a commit or a branch: git's own limit of a name is that of a path.
const WORD_BYTES_MAX: usize = 255;

pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Code> {
    if matches!(field.value(), Value::Text(_)) {
        return directory(field, faults).map(Code::of);
    }
    let mut inner = field.map(faults)?;
    let named = inner.need(faults, "directory").and_then(|field| directory(&field, faults));
    let allow = inner.take("allow").map(|field| allowed(&field, faults)).unwrap_or_default();
    let snapshot = inner.take("snapshot").map(|field| taken(&field, faults));
    inner.finish_strictly(faults);
    Some(Code { directory: named?, allow, snapshot: snapshot.flatten() })
}

fn directory(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    field.checked(faults, |text| match text.trim().is_empty() {
        true => Err("is empty; it names the directory whose content goes with the job".to_owned()),
        false => Ok(()),
    })
}

fn allowed(field: &Field<'_>, faults: &mut Faults) -> Vec<String> {
    let items = field.list(faults);
    if items.len() > ALLOWED_MAX {
        field.fault(faults, format!("has {} entries, the limit is {ALLOWED_MAX}", items.len()));
        return Vec::new();
    }
    items.iter().filter_map(|item| item.text(faults)).collect()
}

/// What `export` and `show` wrote.
fn taken(field: &Field<'_>, faults: &mut Faults) -> Option<Taken> {
    let mut inner = field.map(faults)?;
    let digest = inner.need(faults, "digest").and_then(|field| digest(&field, faults));
    let files = inner.take("files").and_then(|field| field.count(faults, 0, u32::MAX)).unwrap_or_default();
    let bytes = inner.take("bytes").and_then(|field| field.bytes(faults)).unwrap_or(Bytes(0));
    let git = inner.take("git").and_then(|field| git(&field, faults));
    inner.finish_strictly(faults);
    Some(Taken { digest: digest?, files, bytes, git })
}

fn git(field: &Field<'_>, faults: &mut Faults) -> Option<Git> {
    let mut inner = field.map(faults)?;
    let word = |inner: &mut Fields<'_>, key: &'static str, faults: &mut Faults| {
        inner.take(key).and_then(|field| {
            field.checked(faults, |text| match text.len() > WORD_BYTES_MAX {
                true => Err(format!("has {} bytes, the limit is {WORD_BYTES_MAX}", text.len())),
                false => Ok(()),
            })
        })
    };
    let commit = word(&mut inner, "commit", faults);
    let branch = word(&mut inner, "branch", faults);
    let mut count = |key| inner.take(key).and_then(|field| field.count(faults, 0, u32::MAX)).unwrap_or_default();
    let (changed, untracked) = (count("changed"), count("untracked"));
    let diff = inner.take("diff").and_then(|field| digest(&field, faults));
    inner.finish_strictly(faults);
    Some(Git { commit, branch, changed, untracked, diff })
}

fn digest(field: &Field<'_>, faults: &mut Faults) -> Option<Digest> {
    field.checked(faults, |text| text.parse::<Digest>().map(drop))?.parse().ok()
}
