//! Slurm's REST service (slurmrestd) in place of its programs: what `slurm.sh` would ask a program is a question to us, which the
//! service answers. Folders, records and files stay on the login node; so a submission happens once for the same reasons.
//!
//! Decisions:
//! - 2026-11: *http and sockets only through the connection to the login node*: what ssh carries is encrypted and is asked as that
//!   user, so a service of one's own, on a socket, needs no token.
//! - 2026-11: *the newest version of the service's answers that it has*, read for what is needed and in all forms that there were.
//! - 2026-11: *what the service cannot do is left to the programs of the login node*, if there are any: putting jobs back, letting held
//!   ones go (22.05 takes no priority for that), and nodes before 23.02. What a person asks beside the queue (`inquire`) is theirs too.

mod read;
mod submit;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use self::read::Outside;
use crate::model::spec::{Rest, SecretText};
use crate::transport::link::{Link, LinkError};
use crate::transport::ssh::Far;
use crate::transport::web::{chain, client};

/// How long the service may take for an answer: it asks slurmctld, which takes a lock and gives up after some ten seconds.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// The most that is read of an answer: a queue of some 60,000 jobs at 4 KiB each.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// The first version by which nodes can be changed (Slurm 23.02).
const NODES_SINCE: u32 = 39;
/// The first version that lets a held job go (23.11).
const RELEASES_SINCE: u32 = 40;
/// What the shell is told when the service cannot do something: the programs are asked.
const NOT_BY_SERVICE: u8 = 3;
/// The port of slurmrestd where none is named: Slurm's default.
const PORT: u16 = 6820;

/// Looks for the token, anew each time: tokens end.
pub type Token = Arc<dyn Fn() -> BoxFuture<'static, Result<Option<SecretText>, String>> + Send + Sync>;

/// The service of one cluster.
pub struct Service {
    asked: Rest,
    token: Token,
    door: Option<Door>,
}

/// What is known once the service was reached.
struct Door {
    client: reqwest::Client,
    /// What paths are put behind.
    base: String,
    /// Which version of answers.
    version: u32,
    /// Slurm's own.
    release: String,
    user: String,
    token: Option<SecretText>,
}

/// What the shell that asked is told, and what goes straight to the reader.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The exit code of what would be the program.
    pub code: u8,
    /// What it would print.
    pub lines: Vec<String>,
    /// Lines for the reader of the whole.
    pub beside: String,
}

impl Answer {
    fn said(code: u8, text: &str) -> Self {
        Self { code, lines: text.lines().map(str::to_owned).collect(), beside: String::new() }
    }

    fn of(done: Result<Vec<String>, String>) -> Self {
        match done {
            Ok(lines) => Self { code: 0, lines, beside: String::new() },
            Err(why) => Self::said(1, &why),
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Service {
    /// Returns a service that is reached when it is asked.
    pub fn new(asked: Rest, token: Token) -> Self {
        Self { asked, token, door: None }
    }

    /// Forgets how it was reached: the connection to the login node is another one.
    pub fn lose(&mut self) {
        self.door = None;
    }

    /// Reaches the service, if it was not; `user` is the login node's.
    ///
    /// # Errors
    /// It does not answer, or does not take the token.
    pub async fn reach(&mut self, link: &Link, user: &str) -> Result<(), LinkError> {
        if self.door.is_some() {
            return Ok(());
        }
        let (base, socket) = match place(&self.asked.url) {
            Place::Here(base) => (base, None),
            Place::There(far) => ("http://slurm".to_owned(), Some(link.forward(&far).await?)),
        };
        let failed = |why: String| LinkError::soft("slurm-silent", "ask slurm", format!("{SERVICE}: {why}"));
        let client = client(CALL_LIMIT, self.asked.ca_file.as_deref(), socket).map_err(failed)?;
        let token = (self.token)().await.map_err(|why| failed(format!("the token: {why}")))?;
        let user = self.asked.user.clone().unwrap_or_else(|| user.to_owned());
        let mut door = Door { client, base, version: 0, release: String::new(), user, token };
        let description = door.get("/openapi/v3").await.map_err(failed)?;
        door.version = read::version(&description)
            .ok_or_else(|| failed("it is no service of Slurm's, or has no version of `jobs`".to_owned()))?;
        let ping = Outside::read(&door.get(&door.path("ping")).await.map_err(failed)?).map_err(failed)?;
        if let Some(why) = ping.wrong() {
            return Err(failed(format!("{why} (a token that has ended, or is another user's, is answered so too)")));
        }
        door.release = format!("slurm {} by REST 0.0.{}", ping.release(), door.version);
        self.door = Some(door);
        Ok(())
    }

    /// Answers a question of `rest.sh`. `script` and `environment` come with a submission.
    pub(super) async fn answer(&mut self, question: &[&str], script: &str, environment: &[String]) -> Answer {
        let Some(door) = &self.door else { return Answer::said(1, &silent("it was not reached")) };
        let answer = match question {
            ["sbatch", words @ ..] => Answer::of(door.submit(words, script, environment).await),
            ["squeue", words @ ..] => Answer::of(door.comments(words).await),
            ["scancel", id] => Answer::of(door.change(Method::DELETE, &door.path(&format!("job/{id}")), None).await),
            ["queue", which] => door.queue(*which == "all").await,
            ["version"] => Answer { beside: format!("V\u{1f}{}\n", door.release), ..Answer::default() },
            ["ended", numbers @ ..] => door.ended(numbers).await,
            ["act", _, rest @ ..] => door.act(rest).await,
            _ => Answer::said(1, "a question that is not known"),
        };
        // A token that has ended is looked for anew, and so is everything.
        if answer.code == 1 && answer.lines.iter().any(|line| line.starts_with(SERVICE)) || answer.beside.contains(SERVICE) {
            self.lose();
        }
        answer
    }
}

/// What everything begins with that is not Slurm's own answer. `slurm.sh` takes it for something that passes.
const SERVICE: &str = "Unable to contact Slurm's REST service";

fn silent(why: &str) -> String {
    format!("{SERVICE}: {why}")
}

/// Where a service is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Asked from here.
    Here(String),
    /// As the login node reaches it.
    There(Far),
}

fn place(url: &str) -> Place {
    if let Some(path) = url.strip_prefix("unix:") {
        return Place::There(Far::Socket(path.to_owned()));
    }
    let Some(authority) = url.strip_prefix("http://") else { return Place::Here(url.trim_end_matches('/').to_owned()) };
    let authority = authority.trim_end_matches('/');
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().unwrap_or(PORT)),
        None => (authority, PORT),
    };
    Place::There(Far::Port(host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}

impl Door {
    fn path(&self, rest: &str) -> String {
        format!("/slurm/v0.0.{}/{rest}", self.version)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        self.call(Method::GET, path, None).await.map(|(answer, _)| answer)
    }

    /// Makes a call; an answer that says what went wrong is one too.
    async fn call(&self, how: Method, path: &str, body: Option<&Value>) -> Result<(Vec<u8>, StatusCode), String> {
        let mut request = self.client.request(how, format!("{}{path}", self.base)).header("X-SLURM-USER-NAME", &self.user);
        if let Some(token) = &self.token {
            request = request.header("X-SLURM-USER-TOKEN", token.reveal());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| chain(&error.without_url()))?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error.without_url()))? {
            if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
            }
            answer.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(format!("{status}: it does not take the token of {}", self.user))
            }
            // Slurm's own answer to what is wrong has this status too, and is an object.
            _ if status.is_success() || answer.first() == Some(&b'{') => Ok((answer, status)),
            _ => {
                let begins = String::from_utf8_lossy(answer.get(..answer.len().min(200)).unwrap_or_default());
                Err(format!("{status}: {}", crate::transport::frame::words(&begins)))
            }
        }
    }

    async fn submit(&self, words: &[&str], script: &str, environment: &[String]) -> Result<Vec<String>, String> {
        let body = submit::body(self.version, words, script, environment)?;
        let (answer, _) =
            self.call(Method::POST, &self.path("job/submit"), Some(&body)).await.map_err(|why| silent(&why))?;
        let outside = Outside::read(&answer).map_err(|why| silent(&why))?;
        match outside.submitted() {
            Some(number) => Ok(vec![number.to_string()]),
            None => Err(outside.wrong().unwrap_or_else(|| outside.all_wrong())),
        }
    }

    /// Cancels or changes a job, or changes a node.
    async fn change(&self, how: Method, path: &str, body: Option<&Value>) -> Result<Vec<String>, String> {
        let (answer, status) = self.call(how, path, body).await.map_err(|why| silent(&why))?;
        if answer.is_empty() {
            return Ok(Vec::new());
        }
        let outside = Outside::read(&answer).map_err(|why| silent(&why))?;
        match outside.wrong() {
            Some(why) => Err(why),
            None if status.is_success() => Ok(Vec::new()),
            None if status.is_server_error() && outside.all_wrong().contains("update") => Ok(Vec::new()),
            None => Err(format!("{status}: {}", outside.all_wrong())),
        }
    }

    /// The two questions that `slurm.sh` asks of `squeue`: number and comment of all of ours, and the comment of one.
    async fn comments(&self, words: &[&str]) -> Result<Vec<String>, String> {
        if let Some(at) = words.iter().position(|word| *word == "-j") {
            let id = words.get(at + 1).copied().unwrap_or_default();
            let answer = self.get(&self.path(&format!("job/{id}"))).await.map_err(|why| silent(&why))?;
            return Ok(read::comment(&answer).into_iter().collect());
        }
        let answer = self.list("jobs").await?;
        read::comments(&answer, &self.user).map_err(|why| silent(&why))
    }

    /// Gets a list; an answer that says what went wrong is none, whatever list it has.
    async fn list(&self, what: &str) -> Result<Vec<u8>, String> {
        let answer = self.get(&self.path(what)).await.map_err(|why| silent(&why))?;
        match Outside::read(&answer).map_err(|why| silent(&why))?.wrong() {
            Some(why) => Err(silent(&why)),
            None => Ok(answer),
        }
    }

    async fn queue(&self, all: bool) -> Answer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let whose = (!all).then_some(self.user.as_str());
        let queue = async { read::queue(&self.list("jobs").await?, whose, now).map_err(|why| silent(&why)) };
        let mut beside = queue.await.unwrap_or_else(|why| format!("F\u{1f}squeue\u{1f}{why}\n"));
        if all {
            let machines = async { read::nodes_and_partitions(&self.list("nodes").await?, &self.list("partitions").await?) };
            beside.push_str(&machines.await.unwrap_or_else(|why| format!("F\u{1f}sinfo\u{1f}{why}\n")));
        }
        Answer { beside, ..Answer::default() }
    }

    /// How jobs ended: as the controller remembers it, else as the database has it.
    async fn ended(&self, numbers: &[&str]) -> Answer {
        let mut beside = String::new();
        for id in numbers.iter().filter(|id| **id != ".") {
            let mut end = None;
            for path in [self.path(&format!("job/{id}")), format!("/slurmdb/v0.0.{}/job/{id}", self.version)] {
                end = end.or(self.get(&path).await.ok().and_then(|answer| read::end(&answer)));
            }
            let (state, code) = end.unwrap_or_default();
            beside.push_str(&format!("D\u{1f}{id}\u{1f}{state}\u{1f}{code}\n"));
        }
        Answer { beside, ..Answer::default() }
    }

    /// Does what a person asked for, given as the command that does it.
    async fn act(&self, command: &[&str]) -> Answer {
        let job = |id: &str| self.path(&format!("job/{id}"));
        let change = match command.strip_suffix(&["."]).unwrap_or(command) {
            ["scancel", id] => return Answer::of(self.change(Method::DELETE, &job(id), None).await),
            ["scontrol", "hold", id] => Some((job(id), json!({"hold": true}))),
            ["scontrol", "release", id] if self.version >= RELEASES_SINCE => Some((job(id), json!({"hold": false}))),
            ["scontrol", "update", what, changes @ ..] => self.update(what, changes),
            _ => None,
        };
        match change {
            Some((path, body)) => Answer::of(self.change(Method::POST, &path, Some(&body)).await),
            None => Answer { code: NOT_BY_SERVICE, ..Answer::default() },
        }
    }

    /// Returns what `scontrol update` would change, as the service has it.
    fn update(&self, what: &str, changes: &[&str]) -> Option<(String, Value)> {
        let mut body = Map::new();
        if let Some(id) = what.strip_prefix("JobId=") {
            for change in changes {
                let (name, value) = match change.split_once('=')? {
                    ("Nice", value) => ("nice", json!(value.parse::<i64>().ok()?)),
                    ("TimeLimit", value) => {
                        ("time_limit", json!({"set": true, "infinite": false, "number": value.parse::<u64>().ok()?}))
                    }
                    _ => return None,
                };
                // Values were texts once.
                let text = change.split_once('=')?.1;
                body.insert(name.to_owned(), if self.version < NODES_SINCE { json!(text) } else { value });
            }
            return Some((self.path(&format!("job/{id}")), Value::Object(body)));
        }
        let name = what.strip_prefix("NodeName=").filter(|_| self.version >= NODES_SINCE)?;
        for change in changes {
            match change.split_once('=')? {
                ("State", state) => drop(body.insert("state".to_owned(), json!([state.to_ascii_uppercase()]))),
                ("Reason", why) => drop(body.insert("reason".to_owned(), json!(why))),
                _ => return None,
            }
        }
        Some((self.path(&format!("node/{name}")), Value::Object(body)))
    }
}
