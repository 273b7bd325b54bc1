//! Reads answers of the REST service, and writes them as `slurm.sh` prints those of the programs, so that one reader decides what is
//! known and what is said aloud. Pure.
//!
//! Up to version 0.0.38 a number that is not set is null and a state is a word; from 0.0.39 on numbers are `{set, infinite, number}` and
//! states lists of words. Both are taken in any version.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

const US: char = '\u{1f}';

/// A number, in all its forms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(i64),
    Full {
        #[serde(default)]
        set: bool,
        #[serde(default)]
        infinite: bool,
        #[serde(default)]
        number: f64,
    },
    Text(String),
    Real(f64),
    #[default]
    Nothing,
}

impl Number {
    fn get(&self) -> Option<i64> {
        match self {
            Self::Plain(number) => Some(*number),
            Self::Full { set, infinite, number } => (*set && !infinite).then_some(whole(*number)),
            Self::Text(text) => text.parse().ok(),
            Self::Real(number) => Some(whole(*number)),
            Self::Nothing => None,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts and times of Slurm are far below what an f64 holds whole")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// A word, or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
    #[default]
    Nothing,
}

impl Words {
    fn all(&self) -> Vec<&str> {
        match self {
            Self::One(word) => vec![word.as_str()],
            Self::Many(words) => words.iter().map(String::as_str).collect(),
            Self::Nothing => Vec::new(),
        }
    }
}

/// How a process ended: a status of `wait`, or its parts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Exit {
    Status(i64),
    Parts {
        #[serde(default)]
        return_code: Number,
        #[serde(default)]
        signal: Signal,
    },
}

/// Its number stands in an object of two names.
#[derive(Clone, Debug, Default, Deserialize)]
struct Signal {
    #[serde(default, alias = "signal_id")]
    id: Number,
}

/// A job, as far as it is read. What is not there is empty, but for its number and its state.
#[derive(Clone, Debug, Deserialize)]
struct Job {
    #[serde(deserialize_with = "number")]
    job_id: i64,
    #[serde(alias = "state")]
    job_state: JobState,
    #[serde(default)]
    array_job_id: Number,
    #[serde(default)]
    array_task_id: Number,
    #[serde(default)]
    array_task_string: Words,
    #[serde(default)]
    state_reason: Words,
    #[serde(default)]
    user_name: Words,
    #[serde(default)]
    partition: Words,
    #[serde(default)]
    account: Words,
    #[serde(default)]
    qos: Words,
    #[serde(default)]
    node_count: Number,
    #[serde(default)]
    cpus: Number,
    #[serde(default)]
    memory_per_node: Number,
    #[serde(default)]
    memory_per_cpu: Number,
    #[serde(default)]
    tres_per_node: Words,
    #[serde(default)]
    time_limit: Number,
    #[serde(default)]
    start_time: Number,
    #[serde(default)]
    end_time: Number,
    #[serde(default)]
    submit_time: Number,
    #[serde(default)]
    priority: Number,
    #[serde(default)]
    nodes: Words,
    #[serde(default)]
    name: Words,
    #[serde(default)]
    comment: Comment,
    #[serde(default)]
    exit_code: Option<Exit>,
}

fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Number::deserialize(from)?.get().ok_or_else(|| serde::de::Error::custom("a job without a number"))
}

/// A state as the controller says it, or as the database does.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum JobState {
    Words(Words),
    OfDatabase { current: Words },
}

/// A comment as the controller says it, or as the database does.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Comment {
    Words(Words),
    OfDatabase {
        #[serde(default)]
        job: Words,
    },
}

impl Default for Comment {
    fn default() -> Self {
        Self::Words(Words::Nothing)
    }
}

impl Job {
    /// Its state in one word. Flags stand behind the state, and that its nodes are being tidied up counts over all.
    fn state(&self) -> &str {
        let (JobState::Words(words) | JobState::OfDatabase { current: words }) = &self.job_state;
        let words = words.all();
        words.iter().find(|word| **word == "COMPLETING").or(words.first()).copied().unwrap_or_default()
    }

    fn comment(&self) -> String {
        let (Comment::Words(words) | Comment::OfDatabase { job: words }) = &self.comment;
        line(words)
    }

    /// The array that it is of, or its own number.
    fn base(&self) -> i64 {
        self.array_job_id.get().filter(|array| *array > 0).unwrap_or(self.job_id)
    }

    /// Its number as `squeue` writes it: `103`, `103_4`, `103_[5-7]`.
    fn id(&self) -> String {
        let list = line(&self.array_task_string);
        match (self.array_job_id.get().filter(|array| *array > 0), self.array_task_id.get()) {
            (Some(array), _) if !list.is_empty() => format!("{array}_[{list}]"),
            (Some(array), Some(task)) => format!("{array}_{task}"),
            _ => self.job_id.to_string(),
        }
    }

    /// Its exit code, a colon and the signal, as `sacct` writes it.
    fn exit(&self) -> String {
        match &self.exit_code {
            None => String::new(),
            Some(Exit::Status(status)) => format!("{}:{}", (status >> 8) & 0xff, status & 0x7f),
            Some(Exit::Parts { return_code, signal }) => {
                format!("{}:{}", return_code.get().unwrap_or_default(), signal.id.get().unwrap_or_default())
            }
        }
    }
}

/// A node, as far as it is read.
#[derive(Clone, Debug, Deserialize)]
struct Node {
    name: String,
    state: Words,
    #[serde(default)]
    state_flags: Words,
    #[serde(default)]
    cpus: Number,
    #[serde(default)]
    alloc_cpus: Number,
    #[serde(default)]
    real_memory: Number,
    #[serde(default)]
    gres: Words,
    #[serde(default)]
    features: Words,
    #[serde(default)]
    partitions: Words,
    #[serde(default)]
    reason: Words,
    #[serde(default)]
    reason_set_by_user: Words,
}

/// Marks behind the word for a state, by the flag that says so (the page `sinfo`, NODE STATE CODES); the first counts.
const MARKS: &[(&str, char)] = &[
    ("NOT_RESPONDING", '*'),
    ("POWERING_UP", '#'),
    ("POWERING_DOWN", '%'),
    ("POWERED_DOWN", '~'),
    ("POWER_DOWN", '!'),
    ("REBOOT_REQUESTED", '@'),
    ("REBOOT_ISSUED", '^'),
    ("MAINTENANCE", '$'),
];

impl Node {
    /// Its state as `sinfo` writes it.
    fn state(&self) -> String {
        let words: Vec<String> =
            self.state.all().iter().chain(&self.state_flags.all()).map(|word| word.to_ascii_uppercase()).collect();
        let has = |word: &str| words.iter().any(|other| other == word);
        let base = words.first().map_or("unknown", String::as_str);
        let works = ["ALLOCATED", "MIXED"].contains(&base) || has("COMPLETING");
        let word = match () {
            () if has("DRAIN") && works => "draining",
            () if has("DRAIN") => "drained",
            () if has("FAIL") && works => "failing",
            () if has("FAIL") => "fail",
            () if has("COMPLETING") && base == "IDLE" => "completing",
            () if has("RESERVED") && base == "IDLE" => "reserved",
            () if has("PLANNED") && base == "IDLE" => "planned",
            () => base,
        };
        let mark = MARKS.iter().find(|(flag, _)| has(flag)).map(|(_, mark)| *mark);
        word.to_ascii_lowercase().chars().chain(mark).collect()
    }

    /// CPUs: at work, idle, other, all.
    fn four(&self) -> [i64; 4] {
        let (all, works) = (self.cpus.get().unwrap_or_default(), self.alloc_cpus.get().unwrap_or_default());
        let rest = (all - works).max(0);
        let state = self.state();
        let free = ["idle", "mixed", "allocated", "planned", "completing", "reserved"].contains(&state.as_str());
        if free { [works, rest, 0, all] } else { [works, 0, rest, all] }
    }
}

/// A partition, as far as it is read.
#[derive(Clone, Debug, Deserialize)]
struct Part {
    name: String,
    #[serde(default)]
    state: Words,
    #[serde(default)]
    flags: Words,
    #[serde(default)]
    max_time_limit: Number,
    #[serde(default)]
    partition: PartState,
    #[serde(default)]
    maximums: PartMaximums,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PartState {
    #[serde(default)]
    state: Words,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PartMaximums {
    #[serde(default)]
    time: Number,
}

/// What went wrong, in Slurm's words.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Wrong {
    #[serde(default)]
    error: Words,
    #[serde(default)]
    description: Words,
    #[serde(default, alias = "error_code")]
    error_number: Number,
}

impl Wrong {
    /// Some versions say of an update that was done that it failed, without a number.
    fn counts(&self) -> bool {
        !matches!(self.error_number.get(), None | Some(0))
    }

    fn words(&self) -> String {
        let (error, description) = (line(&self.error), line(&self.description));
        match (error.as_str(), description.as_str()) {
            ("" | "Unspecified error", more) if !more.is_empty() => more.to_owned(),
            ("Failure during parsing", "") => {
                format!("{error}: it takes something of what is asked for not, and does not say which")
            }
            (error, "") => error.to_owned(),
            (error, more) if more.contains(error) => more.to_owned(),
            (error, more) => format!("{error}: {more}"),
        }
    }
}

/// The outside of every answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Outside {
    #[serde(default)]
    errors: Vec<Wrong>,
    #[serde(default)]
    job_id: Number,
    #[serde(default)]
    result: Submitted,
    #[serde(default)]
    meta: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Submitted {
    #[serde(default)]
    job_id: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Meta {
    #[serde(default, alias = "Slurm")]
    slurm: Release,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Release {
    #[serde(default)]
    release: String,
}

impl Outside {
    /// Reads it; what is no JSON is said with its first words.
    pub(super) fn read(answer: &[u8]) -> Result<Self, String> {
        parsed(answer)
    }

    /// What went wrong, if anything did.
    pub(super) fn wrong(&self) -> Option<String> {
        let said: Vec<String> = self.errors.iter().filter(|wrong| wrong.counts()).map(Wrong::words).collect();
        let mut said: Vec<String> = said.into_iter().filter(|words| !words.is_empty()).collect();
        said.dedup();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// All that went wrong, also what has no number.
    pub(super) fn all_wrong(&self) -> String {
        self.errors.iter().map(Wrong::words).collect::<Vec<_>>().join("; ")
    }

    /// The number of what was submitted. What is held has one beside an error.
    pub(super) fn submitted(&self) -> Option<i64> {
        self.job_id.get().or(self.result.job_id.get()).filter(|number| *number > 0)
    }

    /// Which Slurm it is.
    pub(super) fn release(&self) -> &str {
        &self.meta.slurm.release
    }
}

/// Answers have the list under its name; one that has not is no answer.
#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<serde_json::Value>,
}
#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<serde_json::Value>,
}
#[derive(Deserialize)]
struct Parts {
    partitions: Vec<serde_json::Value>,
}

fn parsed<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| {
        let begins = String::from_utf8_lossy(answer.get(..answer.len().min(200)).unwrap_or_default());
        format!("an answer that is not understood ({error}): {}", line_of(begins.trim()))
    })
}

/// Reads each of a list; how many were not understood, and why the first was not, is a line that no reader knows.
fn each<T: serde::de::DeserializeOwned>(what: &str, values: Vec<serde_json::Value>, out: &mut String) -> Vec<T> {
    let mut odd = None;
    let read = |value| serde_json::from_value::<T>(value).map_err(|error| odd = Some(error.to_string())).ok();
    let read: Vec<T> = values.into_iter().filter_map(read).collect();
    if let Some(why) = odd {
        let _ = writeln!(out, "F{US}REST{US}{what} that is not understood: {}", line_of(&why));
    }
    read
}

/// Writes the queue; with `whose` only the jobs of that user.
pub(super) fn queue(answer: &[u8], whose: Option<&str>, now: i64) -> Result<String, String> {
    let mut out = String::new();
    let jobs: Vec<Job> = each("a job", parsed::<Jobs>(answer)?.jobs, &mut out);
    for job in jobs.iter().filter(|job| whose.is_none_or(|user| line(&job.user_name) == user)) {
        job_line(job, now, &mut out);
    }
    Ok(out)
}

fn job_line(job: &Job, now: i64, out: &mut String) {
    let positive = |number: &Number| number.get().filter(|number| *number > 0);
    let memory = match (positive(&job.memory_per_node), positive(&job.memory_per_cpu)) {
        (Some(mib), _) => format!("{mib}M"),
        (None, Some(mib)) => format!("{mib}Mc"),
        (None, None) => "0".to_owned(),
    };
    let limit = job.time_limit.get().map_or_else(|| "UNLIMITED".to_owned(), |minutes| clock(minutes * 60));
    let starts = positive(&job.start_time);
    let until = positive(&job.end_time).map_or(now, |end| end.min(now));
    let used = starts.map_or(0, |starts| (until - starts).max(0));
    let count = |number: &Number| number.get().unwrap_or_default().to_string();
    let time = |number: &Number| positive(number).map_or_else(|| "N/A".to_owned(), |seconds| seconds.to_string());
    let fields = [
        job.base().to_string(),
        job.id(),
        job.state().to_owned(),
        line(&job.state_reason),
        line(&job.user_name),
        line(&job.partition),
        line(&job.account),
        line(&job.qos),
        count(&job.node_count),
        count(&job.cpus),
        memory,
        line(&job.tres_per_node),
        limit,
        clock(used),
        time(&job.start_time),
        time(&job.submit_time),
        count(&job.priority),
        line(&job.nodes),
        job.comment(),
        line(&job.name),
    ];
    out.push('J');
    for field in fields {
        out.push(US);
        out.push_str(&field);
    }
    out.push('\n');
}

/// Writes nodes, and the partitions with what their nodes come to.
pub(super) fn nodes_and_partitions(nodes: &[u8], partitions: &[u8]) -> Result<String, String> {
    let mut out = String::new();
    let nodes: Vec<Node> = each("a node", parsed::<Nodes>(nodes)?.nodes, &mut out);
    let parts: Vec<Part> = each("a partition", parsed::<Parts>(partitions)?.partitions, &mut out);
    let mut sums: BTreeMap<&str, ([i64; 4], [i64; 4])> = BTreeMap::new();
    for node in &nodes {
        let (state, cpus) = (node.state(), node.four());
        let at = match state.as_str() {
            "allocated" | "mixed" | "completing" | "draining" => 0,
            "idle" | "planned" | "reserved" => 1,
            _ => 2,
        };
        let four = format!("{}/{}/{}/{}", cpus[0], cpus[1], cpus[2], cpus[3]);
        let memory = node.real_memory.get().unwrap_or_default();
        for partition in node.partitions.all() {
            let rest = [&node.gres, &node.features, &node.reason, &node.reason_set_by_user].map(line).join("\u{1f}");
            let _ = writeln!(out, "N{US}{}{US}{partition}{US}{state}{US}{four}{US}{memory}{US}{rest}", node.name);
            let (counts, sum) = sums.entry(partition).or_default();
            counts[at] += 1;
            counts[3] += 1;
            sum.iter_mut().zip(cpus).for_each(|(sum, more)| *sum += more);
        }
    }
    for part in &parts {
        let (counts, cpus) = sums.get(part.name.as_str()).copied().unwrap_or_default();
        let four = |of: [i64; 4]| of.map(|n| n.to_string()).join("/");
        let default = if part.flags.all().iter().any(|flag| flag.eq_ignore_ascii_case("default")) { "*" } else { "" };
        let state = [&part.state, &part.partition.state].map(line).concat().to_ascii_lowercase();
        let limit = part.max_time_limit.get().or(part.maximums.time.get());
        let limit = limit.map_or_else(|| "infinite".to_owned(), |minutes| clock(minutes * 60));
        let _ = writeln!(out, "P{US}{}{default}{US}{state}{US}{limit}{US}{}{US}{}{US}", part.name, four(counts), four(cpus));
    }
    Ok(out)
}

/// Returns number and comment of each job of a user: of an array once.
pub(super) fn comments(answer: &[u8], whose: &str) -> Result<Vec<String>, String> {
    let mut odd = String::new();
    let jobs: Vec<Job> = each("a job", parsed::<Jobs>(answer)?.jobs, &mut odd);
    // A job that cannot be read may be the one that is looked for.
    if !odd.is_empty() {
        return Err(odd.replace(US, " "));
    }
    let mine = jobs.iter().filter(|job| line(&job.user_name) == whose);
    let mut lines: Vec<String> = mine.map(|job| format!("{} {}", job.base(), job.comment())).collect();
    lines.dedup();
    Ok(lines)
}

/// Returns the comment of the one job of an answer.
pub(super) fn comment(answer: &[u8]) -> Option<String> {
    let jobs = parsed::<Jobs>(answer).ok()?.jobs;
    jobs.into_iter().find_map(|job| serde_json::from_value::<Job>(job).ok()).map(|job| job.comment())
}

/// Returns how the one job of an answer ended: its state and its exit code, if it is ours.
pub(super) fn end(answer: &[u8]) -> Option<(String, String)> {
    let jobs = parsed::<Jobs>(answer).ok()?.jobs;
    let job = jobs.into_iter().find_map(|job| serde_json::from_value::<Job>(job).ok())?;
    let ours = job.comment().starts_with(crate::slurm::COMMENT_BEGINS);
    ours.then(|| (job.state().to_owned(), job.exit()))
}

/// The newest version of the service's answers among the paths that it says it has.
pub(super) fn version(description: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Description {
        paths: BTreeMap<String, serde::de::IgnoredAny>,
    }
    let paths = parsed::<Description>(description).ok()?.paths;
    paths.keys().filter_map(|path| path.strip_prefix("/slurm/v0.0.")?.split_once("/jobs")?.0.parse().ok()).max()
}

fn line(words: &Words) -> String {
    line_of(&words.all().join(","))
}

fn line_of(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Seconds as `squeue` writes them: `1:00`, `2:00:00`, `1-00:00:00`.
fn clock(seconds: i64) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{rest:02}"),
        (0, hours) => format!("{hours}:{minutes:02}:{rest:02}"),
        (days, hours) => format!("{days}-{hours:02}:{minutes:02}:{rest:02}"),
    }
}
