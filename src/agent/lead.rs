//! The control agent itself: `agent.sh` without a shell. It takes the same orders from standard input, says the same
//! frames on standard output, and keeps nothing in memory that matters.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;

use crate::agent::pool::Pool;
use crate::agent::process::{alive, safekill, signal, stat_of, with_cookie, with_mark};
use crate::agent::record::{Record, Spool, Status, put_line, read, write_private};
use crate::agent::wake::{Ear, Woken, asked};
use crate::agent::watch::Watch;
use crate::agent::words::{Command as Order, Commands};
use crate::agent::worker::{Place, deaf, full, uptime};
use crate::transport::order;

/// A due time that is never: what a shell of 32 bits can hold.
const NEVER: u64 = 2_147_483_647;
/// How often a former agent is asked to end.
const END_TRIES: u32 = 10;
/// How often the watch is told that the node is given back; a shell may take a signal and go to sleep all the same.
const BYE_TRIES: u32 = 5;
/// A tenth of a second.
const MOMENT: Duration = Duration::from_millis(100);

/// What the bootstrap has found.
#[derive(Clone, Debug)]
pub struct Given {
    pub place: Place,
    pub epoch: u64,
    /// The script with the functions of the shell's agent, for what is rare.
    pub functions: String,
}

/// The words of an order to start a process.
#[derive(Clone, Copy)]
struct Start<'a> {
    key: &'a str,
    boot: &'a str,
    /// Seconds.
    limit: &'a str,
    grace: &'a str,
    launch: &'a str,
    secrets: &'a str,
    /// The process that has to be over first; empty for none.
    after: &'a str,
}

/// Why the session is over, as the frame `!` says it.
struct Fatal(&'static str, String);

impl From<io::Error> for Fatal {
    /// No process could be made; the controller knows the words, and tries again.
    fn from(error: io::Error) -> Self {
        eprintln!("cannot fork: {error}");
        Self("", String::new())
    }
}

/// Leads the node until the controller goes; returns the exit code.
pub fn lead(given: Given) -> i32 {
    deaf(&[Signal::HUP, Signal::INT, Signal::TERM]);
    let pool = Arc::new(Mutex::new(Pool::new(given.place.clone())));
    let me = std::process::id();
    let watch = Watch::new(given.place.clone());
    let mut lead =
        Lead { given, pool, watch, me, wake: format!("run/wake.{me}"), seq: 0, said: String::new(), aside: Vec::new() };
    let over = lead.session();
    if let Err(Fatal(code, words)) = &over {
        if !code.is_empty() {
            lead.say(&format!("! {code} {words}"));
        }
        lead.flush();
        return 1;
    }
    0
}

struct Lead {
    given: Given,
    pool: Arc<Mutex<Pool>>,
    watch: Watch,
    me: u32,
    wake: String,
    seq: u64,
    /// What is said once the orders that are there are done.
    said: String,
    /// What runs beside us.
    aside: Vec<Child>,
}

fn locked(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lead {
    fn spool(&self) -> &Spool {
        &self.given.place.spool
    }

    fn say(&mut self, line: &str) {
        self.said.push_str(line);
        self.said.push('\n');
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.said);
        // A controller that is gone shows at the end of input.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        let _ = io::stdout().lock().flush();
    }

    fn session(&mut self) -> Result<(), Fatal> {
        self.come_up()?;
        self.flush();
        let (mut commands, mut buffer) = (Commands::default(), vec![0; 64 << 10]);
        loop {
            let got = match io::stdin().lock().read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Ok(()),
            };
            let orders = commands.feed(&buffer[..got]).map_err(|error| Fatal("protocol", error.to_string()))?;
            for order in orders {
                if self.obey(&order)? {
                    return Ok(());
                }
            }
            self.flush();
        }
    }

    // ---- coming up ------------------------------------------------------------------------------------------------

    fn come_up(&mut self) -> Result<(), Fatal> {
        let root = self.spool().root.clone();
        std::env::set_current_dir(&root).map_err(|_| Fatal("spool", format!("cannot enter {root}")))?;
        self.take_epoch()?;
        end_former_agent(self.spool())?;
        self.open_wake()?;
        let start = stat_of("self").map_or_else(|| "0".to_owned(), |stat| stat.start);
        let line = format!("{}\n{start} 0 0 {} end\n", self.me, self.given.epoch);
        write_private(&self.spool().path("run/agent"), &line).map_err(|_| Fatal("spool", format!("no room in {root}")))?;
        self.rearm_kills()?;
        locked(&self.pool).pick()?;
        self.facts()?;
        self.inventory();
        self.drop_secrets();
        self.watch.arm(0)?;
        self.say("u");
        Ok(())
    }

    /// A lower epoch than one seen is a controller of the past: a restored backup, or a second one.
    fn take_epoch(&self) -> Result<(), Fatal> {
        let (spool, epoch) = (self.spool(), self.given.epoch);
        let seen = read(&spool.path("epoch"));
        let seen = seen.split_ascii_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        if epoch < seen {
            let words = format!("this node has seen epoch {seen}, and this controller is at {epoch}");
            return Err(Fatal("epoch", words));
        }
        if epoch == seen {
            return Ok(());
        }
        let new = spool.path("epoch.new");
        let written = write_private(&new, &format!("{epoch} end\n")).and_then(|()| fs::rename(&new, spool.path("epoch")));
        written.map_err(|_| Fatal("spool", format!("cannot write {}/epoch", spool.root)))
    }

    /// One fifo takes what supervisors and launchers have to say; a thread of its own passes it on.
    fn open_wake(&self) -> Result<(), Fatal> {
        let path = self.spool().path(&self.wake);
        let failed = || Fatal("spool", format!("cannot make a fifo in {}/run", self.spool().root));
        mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)).map_err(|_| failed())?;
        let mut ear = Ear::open(&path).map_err(|_| failed())?;
        let (pool, spool) = (self.pool.clone(), self.spool().clone());
        let hear = move || {
            while let Ok(woken) = ear.listen() {
                pass_on(&spool, &pool, woken);
            }
        };
        std::thread::Builder::new().name("notifier".into()).spawn(hear)?;
        Ok(())
    }

    /// What the node is, by the functions of the shell's agent.
    fn facts(&mut self) -> Result<(), Fatal> {
        // The node's shell may print anything before it does what it is told.
        const FACTS: &str = "echo; echo ostler-facts; . \"$1\" && ROOT=$2 BOOT=$3 SETSID=$4 && facts";
        const FIRST: &str = "\nostler-facts\n";
        let Given { place, functions, .. } = &self.given;
        let mut command = shell(&place.shell);
        command.args(["-c", FACTS, "sh", functions, &place.spool.root, &place.spool.boot, &place.setsid]);
        let said = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&said.stdout);
        self.said.push_str(text.rsplit_once(FIRST).map_or("", |(_, facts)| facts));
        self.say("f agent native");
        Ok(())
    }

    fn inventory(&mut self) {
        for key in self.names("jobs") {
            let (status, _) = self.spool().status(&key);
            self.say(&format!("i {key} {}", status.words()));
        }
        for key in self.names("ask") {
            let Some(requests) = self.spool().job(&key).exists().then(|| self.names(&format!("ask/{key}"))) else {
                continue;
            };
            for number in requests.iter().filter_map(|name| name.strip_prefix("ask.")) {
                if !self.spool().path(&format!("ask/{key}/answer.{number}")).exists() {
                    asked(&self.given.place.spool, &key, number).iter().for_each(|frame| self.say(frame));
                }
            }
        }
    }

    /// The names in a folder of the spool that do not begin with a dot, in order.
    fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.spool().path(dir)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        names
    }

    /// Drops those that no supervisor is going to read any more; a shell's may have left some.
    fn drop_secrets(&self) {
        for name in self.names("run") {
            let Some(key) = name.strip_prefix("secret.") else { continue };
            let waits = self.spool().job(key).exists() && {
                let (status, record) = self.spool().status(key);
                status == Status::Alive && record.process.is_none()
            };
            if !waits {
                let _ = fs::remove_file(self.spool().path("run").join(&name));
            }
        }
    }

    // ---- the watch and killers, which are the shell's -------------------------------------------------------------

    /// Starts something beside us that outlives us.
    fn begin(&mut self, mut command: Command) -> io::Result<()> {
        self.aside.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        self.aside.push(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        Ok(())
    }

    fn begin_kill(&mut self, key: &str, why: &str, grace: &str) -> Result<(), Fatal> {
        let place = &self.given.place;
        let mut command = shell(&place.shell);
        command.arg(&place.supervisor).args(["killer", &place.spool.root, &place.spool.boot, key, why, grace]);
        // Whoever ends our group does not end it.
        command.process_group(0);
        match self.begin(command) {
            // There is no room for its killer, which may be its own doing: it needs none, and no grace. The next ping
            // goes on with the rest of it.
            Err(error) if full(&error) => {
                let _ = put_line(&self.spool().path("kill").join(key), &format!("{why} 0 - - end"));
                if let Some((pid, start)) = self.spool().fold(key).process {
                    safekill(Signal::KILL, &pid, &start);
                }
                Ok(())
            }
            begun => begun.map_err(Fatal::from),
        }
    }

    /// Goes on with what killers left undone.
    fn rearm_kills(&mut self) -> Result<(), Fatal> {
        for key in self.names("kill") {
            let Some(killing) = self.spool().being_killed(&key) else { continue };
            if !alive(&killing.killer.0, &killing.killer.1) && self.spool().job(&key).exists() {
                let or = |word: String, other: &str| if word.is_empty() { other.to_owned() } else { word };
                self.begin_kill(&key, &or(killing.why, "terminate"), &or(killing.grace, "0"))?;
            }
        }
        Ok(())
    }

    // ---- orders ---------------------------------------------------------------------------------------------------

    /// Does one order; says whether it was the last.
    fn obey(&mut self, order: &Order) -> Result<bool, Fatal> {
        let words: Vec<&str> = order.iter().map(String::as_str).collect();
        let [name, seq, .., "."] = words.as_slice() else { return Err(cut()) };
        self.in_turn(seq)?;
        match words.as_slice() {
            ["start", _, key, boot, limit, grace, launch, secrets, after, _] => {
                self.start(&Start { key: checked(key)?, boot, limit, grace, launch, secrets, after })?;
            }
            ["refuse", _, key, why, _] => {
                self.spool().lock(checked(key)?, &format!("refused {why} end"));
                self.again(key);
            }
            ["recall", _, key, _] => self.recall(checked(key)?),
            ["stop", _, key, why, grace, _] => self.stop(key, why, grace)?,
            ["ack", seq, keys @ .., _] => self.ack(seq, keys)?,
            ["tell", seq, key, number, line, _] => self.tell(seq, key, number, line)?,
            ["ping", seq, _] => self.ping(seq)?,
            ["bye", _, _] => return self.bye().map(|()| true),
            _ => return Err(Fatal("protocol", format!("no order `{name}`"))),
        }
        Ok(false)
    }

    /// The order is the next in turn, and this is still the node's agent.
    fn in_turn(&mut self, seq: &str) -> Result<(), Fatal> {
        self.seq += 1;
        if seq != self.seq.to_string() {
            return Err(Fatal("protocol", format!("order {seq} where {} was due", self.seq)));
        }
        // The next agent removes the former ones' fifos before it looks around.
        if !self.spool().path(&self.wake).exists() {
            return Err(Fatal("superseded", "another agent has taken this node".to_owned()));
        }
        Ok(())
    }

    fn start(&mut self, start: &Start<'_>) -> Result<(), Fatal> {
        let Start { key, boot, limit, grace, launch, secrets, after } = *start;
        let spool = self.spool().clone();
        let seconds: u64 = limit.parse().map_err(|_| cut())?;
        // The second that has begun is not counted: late by less than one, never early.
        let due = uptime() + seconds + 1;
        if spool.job(key).exists() || spool.done(key).exists() {
            self.again(key);
            return Ok(());
        }
        if boot != spool.boot {
            let why = format!("it was meant for boot {boot} of this node, which is at {} now", spool.boot);
            spool.lock(key, &format!("refused {why} end"));
            self.again(key);
            return Ok(());
        }
        let pool = self.pool.clone();
        let mut pool = locked(&pool);
        if !after.is_empty() && self.follow(&mut pool, start)? {
            return Ok(());
        }
        let who = pool.pick()?;
        let lines = format!("own {} {boot} {due} {grace} end\nsup {} {} end", self.given.epoch, who.0, who.1);
        if !spool.lock(key, &lines) {
            drop(pool);
            self.again(key);
            return Ok(());
        }
        let given = pool.give(&who, key, order::command("run", &[key, launch, secrets]));
        drop(pool);
        if given.is_err() {
            // A worker that was killed a moment ago: what it will never start is fenced.
            self.again(key);
        }
        Ok(self.watch.glance(due)?)
    }

    /// Puts a start behind the process that it is to come after; says whether that is not over. One that no worker of ours has
    /// cannot be waited for.
    fn follow(&mut self, pool: &mut Pool, start: &Start<'_>) -> Result<bool, Fatal> {
        let Start { key, limit, grace, launch, secrets, after, .. } = *start;
        let epoch = self.given.epoch.to_string();
        let order = order::command("next", &[key, &epoch, limit, grace, launch, secrets]);
        if pool.follow(checked(after)?, key, order) {
            return Ok(true);
        }
        if !self.spool().job(after).exists() || self.spool().status(after).0 != Status::Alive {
            return Ok(false);
        }
        self.recall(key);
        Ok(true)
    }

    /// Makes sure that it never starts, unless it has.
    fn recall(&mut self, key: &str) {
        if !self.spool().done(key).exists() && self.spool().lock(key, "fence - end") {
            self.say(&format!("F {key}"));
        } else {
            self.again(key);
        }
    }

    /// What a worker was to run that was killed never starts.
    fn fence_lost(&mut self) {
        let lost = locked(&self.pool).lost();
        for key in lost {
            if !self.spool().job(&key).exists() && !self.spool().done(&key).exists() {
                self.recall(&key);
            }
        }
    }

    /// Tells what there is to say of a key.
    fn answer(&mut self, key: &str) -> (Status, Record) {
        let spool = self.spool();
        let (status, record) = if spool.done(key).exists() {
            let record = crate::agent::record::fold(&read(&spool.done(key)));
            let end = record.end.clone().unwrap_or_else(|| "lost its record is gone".to_owned());
            (Status::Ended(end), record)
        } else if spool.job(key).exists() {
            spool.status(key)
        } else {
            let why = format!("refused {}", spool.no_lock());
            (Status::Ended(why), Record::default())
        };
        if let Some(notice) = status.notice(key) {
            self.say(&notice);
        }
        (status, record)
    }

    /// The first answer once more.
    fn again(&mut self, key: &str) {
        let (status, record) = self.answer(key);
        if status == Status::Alive && record.process.is_some() {
            self.say(&format!("S {key}"));
        }
    }

    fn stop(&mut self, key: &str, why: &str, grace: &str) -> Result<(), Fatal> {
        let key = checked(key)?;
        if !self.spool().done(key).exists() && self.spool().lock(key, "fence - end") {
            self.say(&format!("F {key}"));
            return Ok(());
        }
        let (status, _) = self.answer(key);
        let killed = self.spool().being_killed(key).is_some_and(|killing| alive(&killing.killer.0, &killing.killer.1));
        if status != Status::Alive || killed { Ok(()) } else { self.begin_kill(key, why, grace) }
    }

    /// The controller has the proofs: what is left of them goes, and the keys are used up.
    fn ack(&mut self, seq: &str, keys: &[&str]) -> Result<(), Fatal> {
        let spool = self.spool().clone();
        let mut ended = Vec::new();
        for key in keys {
            if spool.job(checked(key)?).is_file() {
                let (status, record) = spool.status(key);
                if status != Status::Alive {
                    ended.push((*key, record));
                }
            }
        }
        // What an ended process left alive anywhere goes now, before its record does: one look for all of them.
        if !ended.is_empty() {
            sweep(&spool, &ended);
        }
        for (key, _) in ended {
            if fs::rename(spool.job(key), spool.done(key)).is_ok() {
                let _ = fs::remove_file(spool.path("kill").join(key));
                let _ = fs::remove_dir_all(spool.path("ask").join(key));
            }
        }
        self.say(&format!("k {seq}"));
        Ok(())
    }

    /// An answer to a launcher: `started` or `ended CODE`.
    fn tell(&mut self, seq: &str, key: &str, number: &str, line: &str) -> Result<(), Fatal> {
        let ask = self.spool().path("ask").join(checked(key)?);
        if ask.is_dir() {
            let _ = put_line(&ask.join(format!("answer.{number}")), &format!("{line} end"));
            let wait = ask.join(format!("wait.{number}"));
            if wait.exists() {
                // For reading too, so that it waits for nobody.
                let open = fs::OpenOptions::new().read(true).write(true).open(wait);
                let _ = open.and_then(|mut wait| wait.write_all(format!("{line}\n").as_bytes()));
            }
        }
        self.say(&format!("k {seq}"));
        Ok(())
    }

    /// And a slow look at everything, should a notice have got lost.
    fn ping(&mut self, seq: &str) -> Result<(), Fatal> {
        self.say(&format!("p {seq}"));
        self.flush();
        let mut live = false;
        for key in self.names("jobs") {
            let (status, _) = self.spool().status(&key);
            match status.notice(&key) {
                Some(notice) => self.say(&notice),
                None => live = true,
            }
        }
        self.fence_lost();
        self.drop_secrets();
        self.rearm_kills()?;
        self.aside.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if live { Ok(self.watch.arm(NEVER).map(drop)?) } else { Ok(()) }
    }

    /// The node is given back: what waits for work goes.
    fn bye(&mut self) -> Result<(), Fatal> {
        // First: the watch looks at it.
        let _ = fs::remove_file(self.spool().path("run/agent"));
        let _ = fs::remove_file(self.spool().path(&self.wake));
        for _ in 0..BYE_TRIES {
            let (pid, start) = self.watch.arm(0)?;
            std::thread::sleep(MOMENT);
            if !alive(&pid, &start) {
                break;
            }
        }
        Ok(())
    }
}

fn cut() -> Fatal {
    Fatal("protocol", "a cut order".to_owned())
}

/// A key is the name of a file.
fn checked(key: &str) -> Result<&str, Fatal> {
    let plain = key.starts_with(|c: char| c.is_ascii_digit()) && key.bytes().all(|byte| b"0123456789.mpdsc".contains(&byte));
    if plain { Ok(key) } else { Err(Fatal("protocol", "no key".to_owned())) }
}

/// Returns a command of the words that start a shell.
fn shell(words: &str) -> Command {
    let mut words = words.split_ascii_whitespace();
    let mut command = Command::new(words.next().unwrap_or("/bin/sh"));
    command.args(words);
    command
}

/// Two agents of one node never act at the same time: the former goes before this one looks around.
fn end_former_agent(spool: &Spool) -> Result<(), Fatal> {
    let text = read(&spool.path("run/agent"));
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let former = [(word(0), word(1)), (word(2), word(3))];
    for tried in 1..=END_TRIES {
        let mut left = false;
        for (pid, _) in former.into_iter().filter(|(pid, start)| alive(pid, start)) {
            left |= crate::agent::process::pid_of(pid).is_some_and(|pid| signal(pid, Signal::KILL));
        }
        if !left {
            break;
        }
        if tried == END_TRIES {
            return Err(Fatal("spool", format!("a former agent (pid {}) does not end", word(0))));
        }
        std::thread::sleep(if tried < 3 { Duration::from_millis(1) } else { MOMENT });
    }
    for entry in fs::read_dir(spool.path("run")).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ["wake.", "pipe.", "launch.one."].iter().any(|begin| name.starts_with(begin)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Passes on what supervisors and launchers say.
fn pass_on(spool: &Spool, pool: &Mutex<Pool>, woken: Vec<Woken>) {
    let mut text = String::new();
    for woken in woken {
        match woken {
            Woken::Frame(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Woken::Asked(key, number) => {
                for frame in asked(spool, &key, &number) {
                    text.push_str(&frame);
                    text.push('\n');
                }
            }
            Woken::Free(pid, key) => locked(pool).free(&pid, &key),
        }
    }
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// How often what is left of ended processes is looked for; what the kernel holds is left after that.
const SWEEPS_MAX: u32 = 20;

/// KILL for all that carries the cookie or the mark of one of these, until a look finds nothing: the end of a child can
/// wake a parent that has not had its own yet, and that starts another.
fn sweep(spool: &Spool, ended: &[(&str, Record)]) {
    let marks: Vec<String> = ended.iter().filter_map(|(_, record)| record.known_mark()).collect();
    for _ in 0..SWEEPS_MAX {
        let mut found = with_cookie(ended.iter().map(|(key, _)| *key), &spool.root);
        found.extend(with_mark(marks.iter().map(String::as_str)));
        let there = |pid: &i32| stat_of(&pid.to_string()).is_some_and(|stat| stat.lives());
        let mut hit = false;
        for pid in found.into_iter().filter(there) {
            hit |= signal(pid, Signal::KILL);
        }
        if !hit {
            return;
        }
    }
}
