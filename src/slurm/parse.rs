//! Reads what `assets/slurm/slurm.sh` prints: lines of fields parted by US, the first of which says what a line is. Every line that
//! does not fit is a note, and never taken for nothing.

use std::collections::BTreeMap;

use crate::model::site::{Partition, SITE_JOBS_MAX, SITE_NODES_MAX, SiteJob, SiteNode};
use crate::model::units::UnixMillis;
use crate::slurm::answers::Told;
use crate::slurm::words;

const US: char = '\u{1f}';
/// How many notes of one look are kept; more of them say nothing new.
const NOTES_MAX: usize = 8;
/// How much of an odd line a note quotes, in characters.
const QUOTED_CHARS_MAX: usize = 120;

/// What became of an order to submit or stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Slurm has it under this number.
    Id(String),
    /// Slurm does not want it; why.
    Refused(String),
    /// Not now; why.
    Later(String),
    /// It will never start.
    Fenced,
}

/// A job as the queue has it, with the comment by which ours are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its comment.
    pub comment: String,
    /// All else.
    pub job: SiteJob,
}

/// What there is of a submission in its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The folder of the array that it is a member of, which is also the end of the array's comment.
    pub array: Option<String>,
    /// The number that Slurm gave it: `103`, or `103_4` for a member of an array.
    pub id: Option<String>,
    /// The copy that runs or ran.
    pub owner: Option<String>,
    /// Its exit code.
    pub exit: Option<i32>,
    /// Whether Slurm had told it to end by then.
    pub told: bool,
    /// It will never start.
    pub fenced: bool,
    /// Slurm did not want it; why.
    pub refused: Option<String>,
}

/// What there is of a pilot in its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PilotRecord {
    /// The number that Slurm gave it.
    pub id: Option<String>,
    /// The node that it holds, once it runs and can be talked to.
    pub at: Option<String>,
    /// Slurm did not want it; why.
    pub refused: Option<String>,
}

/// A pilot as the queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PilotJob {
    /// Its comment.
    pub comment: String,
    /// Its number.
    pub id: String,
    /// Slurm's word for its state.
    pub state: String,
    /// Slurm's word for why it waits.
    pub reason: String,
    /// When it began.
    pub began: Option<UnixMillis>,
    /// When it ends at the latest.
    pub ends: Option<UnixMillis>,
}

/// All that one answer said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Slurm's version.
    pub version: Option<String>,
    /// How many members an array may have.
    pub array_max: Option<u32>,
    /// Submissions, by key.
    pub submitted: BTreeMap<String, Answer>,
    /// Stops, by key.
    pub stopped: BTreeMap<String, Answer>,
    /// Records that were removed.
    pub forgotten: Vec<String>,
    /// Records, by key.
    pub records: BTreeMap<String, Record>,
    /// What a person asked for, by job or node: nothing when it was done, or why not.
    pub acted: BTreeMap<String, Option<String>>,
    /// The queue.
    pub queue: Vec<Queued>,
    /// How many jobs of it are not in `queue`.
    pub more_jobs: u64,
    /// Partitions.
    pub partitions: Vec<Partition>,
    /// Nodes.
    pub nodes: Vec<SiteNode>,
    /// How jobs ended: state and exit code, by number.
    pub ended: BTreeMap<String, (String, Option<i32>)>,
    /// Pilots by their folders.
    pub pilots: BTreeMap<String, PilotRecord>,
    /// Pilots as the queue has them.
    pub pilot_jobs: Vec<PilotJob>,
    /// Why the queue could not be read.
    pub queue_failed: Option<String>,
    /// What a person asked of jobs and accounts.
    pub told: Told,
    /// What could not be read or is not known.
    pub notes: Vec<String>,
    /// Whether the answer is whole.
    pub whole: bool,
}

/// Reads an answer.
pub fn read(text: &str) -> Heard {
    let mut heard = Heard::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(US).collect();
        if !heard.line(&fields) {
            heard.note(format!("a line that is not understood: {}", quoted(line)));
        }
    }
    heard
}

impl Heard {
    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Takes in one line; says whether it is one of those that are known.
    fn line(&mut self, fields: &[&str]) -> bool {
        match fields {
            [""] => true,
            ["V", version] => {
                self.version = Some((*version).to_owned());
                true
            }
            ["M", most] => {
                self.array_max = most.parse().ok();
                true
            }
            ["S", key, rest @ ..] => answer(rest).map(|answer| self.submitted.insert((*key).to_owned(), answer)).is_some(),
            ["T", key, rest @ ..] => answer(rest).map(|answer| self.stopped.insert((*key).to_owned(), answer)).is_some(),
            ["A", key] => {
                self.forgotten.push((*key).to_owned());
                true
            }
            ["R", key, array, id, owner, exit, rest @ ..] => {
                let array = Some((*array).to_owned()).filter(|array| !array.is_empty());
                self.records.insert((*key).to_owned(), Record { array, ..record(id, owner, exit, rest) });
                true
            }
            ["X", name, "done", _] => {
                self.acted.insert((*name).to_owned(), None);
                true
            }
            ["X", name, "refused", why] => {
                self.acted.insert((*name).to_owned(), Some(words::complaint(why)));
                true
            }
            ["K", key, id, at, refused @ ..] => {
                let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
                let at = at.split(' ').next().and_then(said);
                let refused = said(&refused.join(" ")).map(|why| words::complaint(&why));
                self.pilots.insert((*key).to_owned(), PilotRecord { id: said(id), at, refused });
                true
            }
            ["H", comment, id, state, reason, began, ends, _on] => {
                if words::state(state).is_none() {
                    self.note(format!("a state of a job that is not known: {}", quoted(state)));
                }
                let [comment, id, state, reason] = [comment, id, state, reason].map(|text| (*text).to_owned());
                self.pilot_jobs.push(PilotJob { comment, id, state, reason, began: seconds(began), ends: seconds(ends) });
                true
            }
            ["J", rest @ ..] => self.job(rest),
            ["N", rest @ ..] => self.node(rest),
            ["P", rest @ ..] => self.partition(rest),
            ["D", number, state, code] => {
                if !state.is_empty() {
                    self.ended.insert((*number).to_owned(), ((*state).to_owned(), exit_code(code)));
                }
                true
            }
            ["F", program, why] => {
                let why = words::complaint(why);
                self.note(format!("{program}: {why}"));
                if *program == "squeue" {
                    self.queue_failed = Some(why);
                }
                true
            }
            ["E", ""] => {
                self.whole = true;
                true
            }
            others => self.told.line(others),
        }
    }

    fn job(&mut self, fields: &[&str]) -> bool {
        let [_number, id, state, reason, user, partition, account, qos, nodes, cpus, memory, gres, rest @ ..] = fields
        else {
            return false;
        };
        // The name is last, and may hold anything.
        let [limit, used, starts, _submitted, priority, on, comment, name @ ..] = rest else { return false };
        if name.is_empty() {
            return false;
        }
        if words::state(state).is_none() {
            self.note(format!("a state of a job that is not known: {}", quoted(state)));
        }
        if self.queue.len() >= SITE_JOBS_MAX && !comment.starts_with(crate::slurm::COMMENT_BEGINS) {
            self.more_jobs += 1;
            return true;
        }
        let job = SiteJob {
            id: (*id).to_owned(),
            name: name.join(" "),
            user: (*user).to_owned(),
            partition: (*partition).to_owned(),
            account: said(account),
            qos: said(qos),
            state: (*state).to_owned(),
            reason: (*reason).to_owned(),
            why: words::reason(reason),
            nodes: nodes.split('-').next().and_then(|count| count.parse().ok()).unwrap_or_default(),
            cpus: cpus.parse().unwrap_or_default(),
            memory: said(memory),
            gres: said(gres),
            limit: said(limit),
            used: said(used),
            starts: seconds(starts),
            priority: priority.parse().unwrap_or_default(),
            on: said(on),
            mine: false,
            over: matches!(words::state(state), Some(words::State::Over(_))),
        };
        self.queue.push(Queued { comment: (*comment).to_owned(), job });
        true
    }

    fn node(&mut self, fields: &[&str]) -> bool {
        let [name, partition, state, cpus, memory, gres, features, reason, by @ ..] = fields else { return false };
        let partition = partition.trim_end_matches('*').to_owned();
        // One line for each partition; those of a node follow one another.
        if let Some(node) = self.nodes.iter_mut().rev().take(64).find(|node| node.name == *name) {
            node.partitions.push(partition);
            return true;
        }
        if self.nodes.len() >= SITE_NODES_MAX {
            self.note(format!("more than {SITE_NODES_MAX} nodes; the others are not shown"));
            return true;
        }
        let reason = said(reason);
        let reason = if reason == "none" { String::new() } else { reason };
        self.nodes.push(SiteNode {
            name: (*name).to_owned(),
            partitions: vec![partition],
            state: (*state).to_owned(),
            cpus: four(cpus),
            memory_mib: memory.trim_end_matches('+').parse().unwrap_or_default(),
            gres: said(gres),
            features: said(features),
            reason_by: if reason.is_empty() { String::new() } else { by.first().map(|by| said(by)).unwrap_or_default() },
            reason,
        });
        true
    }

    fn partition(&mut self, fields: &[&str]) -> bool {
        let [name, state, time_limit, nodes, cpus, _gres] = fields else { return false };
        let own = name.trim_end_matches('*').to_owned();
        // One line for each kind of node.
        if let Some(partition) = self.partitions.iter_mut().find(|partition| partition.name == own) {
            for (sum, more) in partition.nodes.iter_mut().zip(four(nodes)) {
                *sum += more;
            }
            for (sum, more) in partition.cpus.iter_mut().zip(four(cpus)) {
                *sum += more;
            }
            return true;
        }
        self.partitions.push(Partition {
            default: own.len() < name.len(),
            name: own,
            state: (*state).to_owned(),
            time_limit: (*time_limit).to_owned(),
            nodes: four(nodes),
            cpus: four(cpus),
        });
        true
    }
}

fn answer(fields: &[&str]) -> Option<Answer> {
    match fields {
        ["id" | "asked", number] => Some(Answer::Id((*number).to_owned())),
        ["refused", why] => Some(Answer::Refused(words::complaint(why))),
        ["later", why] => Some(Answer::Later(words::complaint(why))),
        ["fenced", _] => Some(Answer::Fenced),
        _ => None,
    }
}

fn record(id: &str, owner: &str, exit: &str, rest: &[&str]) -> Record {
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let number = |text: &str| Some(text.to_owned()).filter(|text| fits(text));
    Record {
        array: None,
        id: number(id),
        owner: number(owner),
        exit: exit.trim_end_matches('+').parse().ok(),
        told: exit.ends_with('+'),
        fenced: rest.first() == Some(&"fenced"),
        refused: match rest {
            ["refused", why @ ..] => Some(words::complaint(&why.join(" "))),
            _ => None,
        },
    }
}

/// `0:9` is signal 9, `3:0` is code 3.
fn exit_code(text: &str) -> Option<i32> {
    let (code, signal) = text.split_once(':')?;
    match (code.parse().ok()?, signal.parse().ok()?) {
        (0, 0) => Some(0),
        (0, signal) if signal < 128 => Some(128 + signal),
        (code, _) => Some(code),
    }
}

/// Slurm has several words for nothing.
fn said(text: &str) -> String {
    match text.trim() {
        "(null)" | "N/A" | "n/a" | "None assigned" => String::new(),
        text => text.to_owned(),
    }
}

fn seconds(text: &str) -> Option<UnixMillis> {
    let seconds: i64 = text.trim().parse().ok()?;
    (seconds > 0).then(|| UnixMillis(seconds.saturating_mul(1000)))
}

/// `A/I/O/T`: at work, idle, other, all.
fn four(text: &str) -> [u32; 4] {
    let mut found = [0; 4];
    for (at, part) in found.iter_mut().zip(text.split('/')) {
        *at = part.parse().unwrap_or_default();
    }
    found
}

fn quoted(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c == US { '|' } else { c }).take(QUOTED_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}
