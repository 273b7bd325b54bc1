//! How what is being typed may go on: names that a kind knows, and paths, which are looked up on this side or on a node of the
//! form's cluster while one types. One question at a time; the form never waits for an answer.

use std::collections::BTreeMap;

use super::kind::{Id, Row, Side};
use super::{Form, NAMES};
use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::names::same_name;
use crate::model::request::{NodeRef, Reply, Request};
use crate::model::state::{NodeState, Reach};
use crate::tui::cx::Cx;
use crate::tui::here::Wanted;
use crate::tui::pane::UiEffect;

/// As many directories are kept as a person looks into while filling a form.
const FOLDERS_MAX: usize = 64;
/// As many names are taken of a directory on a node.
const NAMES_MAX: usize = 1000;
/// As many ways to go on are listed in the line below the fields.
pub const LISTED_MAX: usize = 12;

/// What was found in directories.
#[derive(Debug, Default)]
pub struct Paths {
    found: BTreeMap<(Side, String), Vec<String>>,
    /// The directory that is being looked into.
    asked: Option<(Side, String)>,
}

impl Paths {
    /// Learns the names in a directory.
    pub fn heard(&mut self, side: Side, of: &str, names: Vec<String>) {
        if self.found.len() >= FOLDERS_MAX {
            self.found.pop_first();
        }
        self.found.insert((side, of.to_owned()), names);
        self.asked = None;
    }

    /// The directory that was asked for cannot be looked into: nothing is in it, as far as one knows.
    pub fn nothing(&mut self) {
        if let Some((side, of)) = self.asked.take() {
            self.heard(side, &of, Vec::new());
        }
    }

    fn names(&self, side: Side, of: &str) -> Option<&Vec<String>> {
        self.found.get(&(side, of.to_owned()))
    }
}

/// Returns the word that is being typed: what stands behind the last blank, comma or `=`.
fn word(text: &str) -> &str {
    let at = text.rfind([' ', ',', '\n', '=', '\t', '"', '\'']).map_or(0, |at| at + 1);
    &text[at..]
}

/// Returns the directory and the beginning of the name of a path that is being typed; `None` when it is none.
fn parted(word: &str) -> Option<(&str, &str)> {
    let begins = word.starts_with('/') || word.starts_with("~/") || word.starts_with("./") || word.starts_with("../");
    let at = word.rfind('/').filter(|_| begins)? + 1;
    Some((&word[..at], &word[at..]))
}

/// Returns the command that lists a directory: `~` is that of the node's user, nothing else is the shell's.
fn listing(folder: &str) -> Option<String> {
    let folder = match folder.strip_prefix("~/") {
        Some(rest) => format!("\"$HOME\"/{}", shlex::try_quote(if rest.is_empty() { "." } else { rest }).ok()?),
        None => shlex::try_quote(folder).ok()?.into_owned(),
    };
    Some(format!("ls -1ApL -- {folder} | head -n {NAMES_MAX}"))
}

impl Form {
    /// Returns the ways to go on with the word that is being typed in a field, the rest of each.
    pub(super) fn candidates(&self, row: &Row, cx: &Cx) -> Vec<String> {
        let Some(text) = self.edits.get(&row.id).map(super::Edit::text) else { return Vec::new() };
        let word = word(&text);
        if let (Some(side), Some((folder, begun))) = (row.paths, parted(word)) {
            let names = self.paths.names(side, folder).map(Vec::as_slice).unwrap_or_default();
            return going_on(names.iter().map(String::as_str), begun, |name, begun| name == begun);
        }
        if word.is_empty() {
            return Vec::new();
        }
        let names = self.kind.names(row.id, &self.values(), &self.known, cx);
        going_on(names.iter().map(String::as_str), word, same_name)
    }

    /// Returns how the word that is being typed may go on.
    pub(super) fn completion(&self, row: &Row, cx: &Cx) -> Option<String> {
        self.candidates(row, cx).into_iter().next()
    }

    /// Asks for the names in the directory that is being typed, unless they are known or asked for.
    pub(super) fn ask_names(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if self.paths.asked.is_some() {
            return Vec::new();
        }
        let wanted = match &self.choosing {
            Some(choosing) => parted(choosing.typed()).map(|(folder, _)| (Side::Here, folder.to_owned())),
            None => self.field().and_then(|id| self.wanted(id)),
        };
        let Some((side, folder)) = wanted.filter(|(side, folder)| self.paths.names(*side, folder).is_none()) else {
            return Vec::new();
        };
        let effect = match side {
            Side::Here => Some(UiEffect::Here(self.ticket(0), Wanted::Folder(folder.clone()))),
            Side::Node => self.node(cx).zip(listing(&folder)).map(|(node, command)| {
                UiEffect::Ask(self.ticket(NAMES), Request::Exec { node: NodeRef::Id(node), command })
            }),
        };
        if effect.is_some() {
            self.paths.asked = Some((side, folder));
        }
        effect.into_iter().collect()
    }

    fn wanted(&self, id: Id) -> Option<(Side, String)> {
        let row = self.row(id)?;
        let text = self.edits.get(&id)?.text();
        let (folder, _) = parted(word(&text))?;
        Some((row.paths?, folder.to_owned()))
    }

    /// The node that is asked: an idle one of the form's cluster, else one that works.
    fn node(&self, cx: &Cx) -> Option<NodeId> {
        let cluster = self.kind.cluster(&self.values(), cx)?;
        let nodes = cx.world.nodes_of(cluster);
        let seen = |id: &&NodeId, idle: bool| {
            cx.world.node(**id).is_some_and(|node| {
                let fits = if idle { node.state == NodeState::Idle } else { node.state == NodeState::Running };
                fits && node.reach == Reach::Seen
            })
        };
        nodes.iter().find(|id| seen(id, true)).or_else(|| nodes.iter().find(|id| seen(id, false))).copied()
    }

    pub(super) fn heard_names(&mut self, reply: &Result<Reply, Fault>, cx: &Cx) -> Vec<UiEffect> {
        match (reply, self.paths.asked.clone()) {
            (Ok(Reply::Ran { stdout, .. }), Some((side, folder))) => {
                let text = String::from_utf8_lossy(stdout);
                let names = text.lines().filter(|line| !line.chars().any(char::is_control)).take(NAMES_MAX);
                self.paths.heard(side, &folder, names.map(str::to_owned).collect());
            }
            _ => self.paths.nothing(),
        }
        self.ask_names(cx)
    }

    /// Returns the ways to go on with a path on this side.
    pub(super) fn files_here(&self, typed: &str) -> Vec<String> {
        let Some((folder, begun)) = parted(typed) else { return Vec::new() };
        let names = self.paths.names(Side::Here, folder).map(Vec::as_slice).unwrap_or_default();
        going_on(names.iter().map(String::as_str), begun, |name, begun| name == begun)
    }
}

/// Returns the rests of the names that begin so.
fn going_on<'a>(names: impl Iterator<Item = &'a str>, begun: &str, same: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let begins = |name: &&str| {
        // Hidden names are for who types the dot.
        let hidden = begun.is_empty() && name.starts_with('.');
        !hidden && name.len() > begun.len() && name.get(..begun.len()).is_some_and(|head| same(head, begun))
    };
    names.filter(begins).map(|name| name[begun.len()..].to_owned()).take(LISTED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_paths_are_parted() {
        assert_eq!(word("python3 /data/tr"), "/data/tr");
        assert_eq!(word("gpu-1,gp"), "gp");
        assert_eq!(word("A=/x/y"), "/x/y");
        assert_eq!(parted("/data/tr"), Some(("/data/", "tr")));
        assert_eq!(parted("~/"), Some(("~/", "")));
        assert_eq!(parted("a/b"), None);
        assert_eq!(parted("http://x"), None);
    }

    #[test]
    fn what_is_typed_never_reaches_the_shell_as_code() {
        assert_eq!(listing("/data/").as_deref(), Some("ls -1ApL -- /data/ | head -n 1000"));
        assert_eq!(listing("~/a b/").as_deref(), Some("ls -1ApL -- \"$HOME\"/'a b/' | head -n 1000"));
        let hostile = listing("/x;rm -rf $HOME`id`/").expect("quoted");
        assert_eq!(shlex::split(&hostile).expect("words")[3], "/x;rm -rf $HOME`id`/");
    }

    #[test]
    fn hidden_names_are_for_who_types_the_dot() {
        let names = [".git/", "a/", "ab"];
        assert_eq!(going_on(names.into_iter(), "", |a, b| a == b), ["a/", "ab"]);
        assert_eq!(going_on(names.into_iter(), ".", |a, b| a == b), ["git/"]);
        assert_eq!(going_on(names.into_iter(), "a", |a, b| a == b), ["/", "b"]);
    }
}
