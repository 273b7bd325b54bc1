//! A worker: the leader of a session of its own, which outlives agent, link and controller, and runs one process at a
//! time: `worker` and `run_rank` of `supervisor.sh`.
//!
//! Decision (2026-11): the process is started with `posix_spawn`, which a program without `unsafe` can do nothing in the
//! child of, so the child cannot write down who it is before it is the job, as a shell's does. The worker says instead
//! that it is about to (`try MARK end`), looks whether the key was given up meanwhile, starts it, and writes the `pid`
//! line. Killed in between, it leaves a key that can never be fenced, only be found by its mark, which the child has
//! from its first moment on, or be lost. Its process leads a group of its own within the worker's session, so that a
//! group kill never meets a supervisor; a session of its own would cost a program more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::fs::{Access, Mode, access};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::agent::direct::direct;
use crate::agent::pool::Who;
use crate::agent::prepare::{Streams, prepare, said};
use crate::agent::process::stat_of;
use crate::agent::record::{NO_MARK, Spool, read};
use crate::agent::wake::Waker;
use crate::agent::watch::Watch;
use crate::agent::words::{Commands, LaunchText};
use crate::model::launch::START_UP;

/// What a worker and the agent that starts it have in common.
#[derive(Clone, Debug)]
pub struct Place {
    pub spool: Spool,
    /// The words that start the node's shell.
    pub shell: String,
    /// The script of the shell's supervisor, for what is rare.
    pub supervisor: String,
    /// The mask that the login has, in octal.
    pub umask: String,
    /// The program that starts another in a session of its own; empty where there is none.
    pub setsid: String,
}

/// How long it waits for room for an exit record: a day of seconds.
const FINISH_TRIES: u32 = 86_400;
/// The most bytes that a process has to say of its failure: a notice is one write to a fifo.
const SAID_BYTES_MAX: usize = 900;
/// The most that is read of the file in which the kernel counts: it has six short lines.
const MEMORY_EVENTS_BYTES_MAX: usize = 512;
/// Why a process could not be made; the controller knows the words.
const NO_PROCESS: &str = "no more processes can be started on the node, or by its user there";
/// Takes the mark away that set-up and clean-up have as they start: what they start is to outlive them.
const UNMARKED: &str = "{ ulimit -S -w unlimited || ulimit -S -x unlimited; } 2>/dev/null; exec \"$0\" \"$@\"";
/// What of a login is no business of a job.
const NOT_FOR_JOBS: [&str; 7] =
    ["SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_ORIGINAL_COMMAND", "OLDPWD", "OSTLER_RANK", "OSTLER_RANK_DIR"];
/// Marks begin here, above all that a shell makes of the same boot (18 digits).
const MARKS_FROM: u64 = 5_000_000_000_000_000_000;

/// Takes signals that are meant for others and does nothing; what is ignored, a child would have to ignore.
pub fn deaf(signals: &[Signal]) {
    for signal in signals {
        // A signal that cannot be taken ends us, which is its usual meaning.
        let _ = signal_hook::flag::register(signal.as_raw(), Arc::new(AtomicBool::new(false)));
    }
}

/// Runs what the agent orders, until the agent is gone.
pub fn work(place: Place) -> io::Result<()> {
    deaf(&[Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM]);
    rustix::process::setsid()?;
    let mask = u32::from_str_radix(&place.umask, 8).unwrap_or(0o077);
    rustix::process::umask(Mode::from_raw_mode(mask));
    let pid = std::process::id().to_string();
    let start = stat_of(&pid).map_or_else(|| "0".to_owned(), |stat| stat.start);
    let mut worker = Worker {
        who: (pid, start),
        watch: Watch::new(place.clone()),
        place,
        waker: Waker::default(),
        memory: memory_group(),
        dated: None,
        record: None,
        marked: 0,
        key: String::new(),
        full: false,
        torn: false,
    };
    let (mut commands, mut buffer) = (Commands::default(), vec![0; 64 << 10]);
    loop {
        let got = io::stdin().read(&mut buffer)?;
        if got == 0 {
            return Ok(());
        }
        for command in commands.feed(&buffer[..got]).map_err(io::Error::other)? {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["run", key, launch, secrets, "."] => worker.run(key, launch, secrets),
                ["next", key, epoch, limit, grace, launch, secrets, "."] => {
                    worker.next(key, epoch, (limit, grace), launch, secrets);
                }
                _ => {}
            }
            if worker.full {
                return Ok(());
            }
        }
    }
}

struct Worker {
    place: Place,
    who: Who,
    watch: Watch,
    waker: Waker,
    /// The file in which the kernel counts whom it kills for want of memory in our group.
    memory: Option<File>,
    /// Whether the kernel dates processes by the clock that it shows us; not known before the first one.
    dated: Option<bool>,
    /// The record of what it runs, once that may have a process.
    record: Option<File>,
    /// The last moment that a mark was made of.
    marked: u64,
    key: String,
    /// No process could be made. It ends then, as a shell does: the next start needs another worker, and when there is no
    /// room for that, the agent says so of the node, which is better than to refuse one job after another.
    full: bool,
    /// A line of the record may be torn, for want of room.
    torn: bool,
}

/// How it went as far as it came.
enum Outcome {
    /// It never was the job.
    GivenUp,
    Refused(String),
    Ended(ExitStatus, u32),
}

impl Worker {
    /// Runs what was sent ahead: it takes the start lock itself, now that its turn has come, unless that was taken meanwhile.
    fn next(&mut self, key: &str, epoch: &str, times: (&str, &str), launch: &str, secrets: &str) {
        // Late by less than one second, never early.
        let due = times.0.parse().map_or(u64::MAX, |limit: u64| uptime() + limit + 1);
        let Place { spool, .. } = &self.place;
        let own = format!("own {epoch} {} {due} {} end\nsup {} {} end", spool.boot, times.1, self.who.0, self.who.1);
        if !spool.lock(key, &own) {
            key.clone_into(&mut self.key);
            // Whoever has it tells of it; without room nobody has.
            return match spool.job(key).exists() || spool.done(key).exists() {
                true => self.free(),
                false => self.tell(&format!("R {key} {}", spool.no_lock())),
            };
        }
        // Without a watch it is started all the same; the next ping of an agent sees to one.
        let _ = self.watch.glance(due);
        self.run(key, launch, secrets);
    }

    fn run(&mut self, key: &str, launch: &str, secrets: &str) {
        key.clone_into(&mut self.key);
        self.torn = false;
        self.record = None;
        let mut log = None;
        let began = uptime();
        let kills = self.memory_kills();
        let outcome = match LaunchText::parse(launch, secrets) {
            Ok(launch) if launch.key == key => self.launch(&launch, &mut log),
            _ => Outcome::Refused("the launch text is that of another process".to_owned()),
        };
        match outcome {
            Outcome::GivenUp => {
                self.finish("fence self end");
                note(&mut log, key, "never started: given up first");
                self.tell(&format!("F {key}"));
            }
            Outcome::Refused(why) => {
                self.full = why == NO_PROCESS;
                note(&mut log, key, &format!("refused: {why}"));
                self.finish(&format!("refused {why} end"));
                self.tell(&format!("R {key} {why}"));
            }
            Outcome::Ended(status, pid) => {
                let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
                let why = self.why(pid);
                if why == "-" && pilot_over(code) {
                    note(&mut log, key, &format!("ended with code {code} as the allocation did"));
                    loop {
                        // Nobody says that it ended; with its node it is put back.
                        std::thread::sleep(Duration::from_secs(60));
                    }
                }
                let mut last = if why == "-" { self.last_words(code, kills) } else { String::new() };
                if !last.is_empty() {
                    last.insert(0, ' ');
                }
                self.finish(&format!("exit {code} {why}{last} end"));
                note(&mut log, key, &format!("ended: code {code} after {} s, why {why}", uptime() - began));
                // A killer tells by itself, once it has seen the last of it.
                if why == "-" {
                    self.tell(&format!("X {key} {code} -{last}"));
                } else {
                    self.free();
                }
            }
        }
    }

    fn launch(&mut self, launch: &LaunchText, log: &mut Option<File>) -> Outcome {
        let place = &self.place;
        let streams = prepare(launch, &place.spool.root, &|dir| wipe_mounted(place, dir));
        if !launch.log.is_empty() {
            *log = OpenOptions::new().append(true).create(true).open(&launch.log).ok();
            carry(log, &place.spool, &self.key);
        }
        let streams = match streams {
            Ok(streams) => streams,
            Err(why) => return Outcome::Refused(why),
        };
        let what = format!(
            "starts: {} -c (command of {} bytes) in {}",
            launch.shell,
            launch.command.chars().count(),
            launch.workdir
        );
        note(log, &self.key, &what);
        let Ok(mut record) = self.place.spool.open(&self.key) else { return Outcome::GivenUp };
        let mark = self.mark();
        if record
            .write_all(format!("try {} end\n", mark.map_or(NO_MARK.to_owned(), |mark| mark.to_string())).as_bytes())
            .is_err()
        {
            self.torn = true;
            return Outcome::GivenUp;
        }
        // Whoever gave it up, or wants it dead, made a mark before looking for that line.
        if self.place.spool.path("kill").join(&self.key).exists() {
            return Outcome::GivenUp;
        }
        let before = ticks();
        let started = with_limit(mark, || self.spawn(launch, &streams));
        let after = ticks();
        drop(streams);
        let mut child = match started {
            Ok(child) => child,
            Err(error) if full(&error) => return Outcome::Refused(NO_PROCESS.to_owned()),
            Err(error) => return Outcome::Refused(format!("cannot start {}: {}", launch.shell, said(&error))),
        };
        let pid = child.id();
        let start = self.start_of(pid, before, after);
        // Without room for the line the job runs all the same, and is found by its mark.
        self.torn = record.write_all(format!("pid {pid} {start} end\n").as_bytes()).is_err();
        self.record = Some(record);
        self.waker.tell(&self.place.spool, &format!("S {}\n", self.key));
        loop {
            match child.wait() {
                Ok(status) => return Outcome::Ended(status, pid),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // There is no child any more, and no code; whoever looks finds it lost.
                Err(_) => std::thread::sleep(Duration::from_secs(60)),
            }
        }
    }

    /// Returns when a process began that was started between these moments: within one tick it is that one, and nobody needs to
    /// ask the kernel, which costs more than all else that is done about a start.
    fn start_of(&mut self, pid: u32, before: u64, after: u64) -> String {
        if before == after && self.dated == Some(true) {
            return before.to_string();
        }
        let start = stat_of(&pid.to_string()).map_or_else(|| "0".to_owned(), |stat| stat.start);
        if before == after {
            self.dated = Some(start == before.to_string());
        }
        start
    }

    /// Starts the process: its own program where its command line is no more than that, else its shell.
    fn spawn(&self, launch: &LaunchText, streams: &Streams) -> io::Result<Child> {
        let env = self.environment(launch);
        let value = |name: &str| env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let sets_up = self.sets_up();
        let line = without_start_up(launch, value("HOME"));
        let guarded = env.iter().any(|(name, _)| name.starts_with("BASH") || name == "ENV" || name == "SHELLOPTS");
        if !sets_up && !guarded {
            let workdir = Path::new(&launch.workdir);
            if let Some(found) = direct(&launch.shell, line, workdir, value("PATH")) {
                let mut command = Command::new(&found.program);
                command.arg0(&found.words[0]).args(&found.words[1..]);
                let started = start(&mut command, launch, streams, &env, true);
                // A script without a first line is a shell's to run.
                if started.as_ref().is_ok() || started.as_ref().is_err_and(full) {
                    return started;
                }
            }
        }
        let mut command = Command::new(if sets_up { "/bin/sh" } else { launch.shell.as_str() });
        if sets_up {
            command.args(["-c", UNMARKED, &launch.shell]);
        }
        command.args(["-c", line]);
        start(&mut command, launch, streams, &env, false)
    }

    /// Says whether the key is that of a set-up or a clean-up.
    fn sets_up(&self) -> bool {
        self.key.rsplit('.').next().is_some_and(|rank| rank.starts_with(['s', 'c']))
    }

    /// All variables of the process: those of the login, then its own, then ours, then what only a program can be given.
    fn environment(&self, launch: &LaunchText) -> Vec<(String, String)> {
        let ours = [
            ("OSTLER_RANK".to_owned(), format!("{}:{}:", self.key, self.place.spool.root)),
            ("OSTLER_RANK_DIR".to_owned(), format!("{}/ask/{}", self.place.spool.root, self.key)),
        ];
        let login =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let login = login.filter(|(name, _)| !NOT_FOR_JOBS.contains(&name.as_str()) && name != "_");
        login.chain(launch.env.iter().cloned()).chain(ours).chain(launch.guarded.iter().cloned()).collect()
    }

    /// Returns a limit that no other process of this boot has; none where the login may have no such limit.
    fn mark(&mut self) -> Option<u64> {
        self.marked = uptime_ms().max(self.marked + 1);
        let mark = MARKS_FROM + u64::from(std::process::id()) * 1_000_000_000_000 + self.marked;
        getrlimit(Resource::Locks).maximum.is_none_or(|most| most >= mark).then_some(mark)
    }

    /// Returns who ended it, `-` for itself; then what it left behind in its group goes with it.
    fn why(&self, pid: u32) -> String {
        let kill = self.place.spool.path("kill").join(&self.key);
        if !kill.exists() {
            // The number was given free a moment ago, and is handed out again only after all others; while one of the
            // group lives, never.
            if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::TERM);
            }
            return "-".to_owned();
        }
        let text = read(&kill);
        let mut words = text.lines().next().unwrap_or_default().split_ascii_whitespace();
        let why = match words.next() {
            Some("done") => words.next().unwrap_or("terminate"),
            Some(why) => why,
            None => "terminate",
        };
        // Taken for dead while it was on its way: it was not, and this is its own end.
        if why == "fence" { "-".to_owned() } else { why.to_owned() }
    }

    /// Returns what there is to say of a failure, on one line: what a set-up or a clean-up left to be told; of others,
    /// that memory may be the cause.
    fn last_words(&self, code: i32, kills: u64) -> String {
        if code == 0 {
            return String::new();
        }
        if self.sets_up() {
            let mut said = fs::read(self.place.spool.path(&format!("ask/{}/said", self.key))).unwrap_or_default();
            said.truncate(SAID_BYTES_MAX);
            let said = String::from_utf8_lossy(&said).into_owned();
            return said.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        }
        if code == 137 && self.memory_kills() > kills {
            return "out of memory: the kernel killed in its control group while it ran".to_owned();
        }
        String::new()
    }

    fn memory_kills(&self) -> u64 {
        let mut buffer = [0; MEMORY_EVENTS_BYTES_MAX];
        let got = self.memory.as_ref().and_then(|file| file.read_at(&mut buffer, 0).ok()).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..got]);
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// The last line of the record. Without room, the reserve is given up, and then it waits for room.
    fn finish(&self, line: &str) {
        let put = |text: String| match self.record.as_ref() {
            Some(mut file) => file.write_all(text.as_bytes()),
            None => self.place.spool.open(&self.key).and_then(|mut file| file.write_all(text.as_bytes())),
        };
        if put(format!("{}{line}\n", if self.torn { "\n" } else { "" })).is_ok() {
            return;
        }
        self.place.spool.give_up_reserve();
        for _ in 0..FINISH_TRIES {
            // A record that is gone is nobody's any more.
            if put(format!("\n{line}\n")).is_ok() || !self.place.spool.job(&self.key).exists() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Tells the controller, and the agent that this worker is free, in one write.
    fn tell(&mut self, frame: &str) {
        let mut lines = format!("{frame}\n");
        // One that is about to end takes nothing more: what it were given would have no supervisor.
        if !self.full {
            lines.push_str(&format!("W {} {}\n", std::process::id(), self.key));
        }
        self.waker.tell(&self.place.spool, &lines);
    }

    fn free(&mut self) {
        let line = format!("W {} {}\n", std::process::id(), self.key);
        self.waker.tell(&self.place.spool, &line);
    }
}

fn start(
    command: &mut Command,
    launch: &LaunchText,
    streams: &Streams,
    env: &[(String, String)],
    without_shell: bool,
) -> io::Result<Child> {
    command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    if without_shell {
        // As a shell that has entered it would say.
        command.env("PWD", &launch.workdir);
    }
    command.current_dir(&launch.workdir).stdin(Stdio::null());
    command.stdout(streams.out.try_clone()?).stderr(streams.err.try_clone()?);
    command.process_group(0).spawn()
}

/// Returns a command line without the lines that read `~/.bashrc`, where there is none to read.
fn without_start_up<'a>(launch: &'a LaunchText, home: Option<&str>) -> &'a str {
    let rest = launch.command.strip_prefix(START_UP[0]).and_then(|rest| rest.strip_prefix(START_UP[1]));
    let reads = home.is_none_or(|home| access(Path::new(home).join(".bashrc"), Access::READ_OK).is_ok());
    rest.filter(|_| !reads).unwrap_or(&launch.command)
}

/// Does something under a limit on file locks, which nothing has meant since Linux 2.4.25.
fn with_limit<T>(mark: Option<u64>, act: impl FnOnce() -> T) -> T {
    let Some(mark) = mark else { return act() };
    let was = getrlimit(Resource::Locks);
    let _ = setrlimit(Resource::Locks, Rlimit { current: Some(mark), maximum: was.maximum });
    let done = act();
    let _ = setrlimit(Resource::Locks, was);
    done
}

/// Says whether no process could be made.
pub fn full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
}

/// Empties a folder in which something is mounted, as the shell's supervisor does it.
fn wipe_mounted(place: &Place, dir: &str) -> Result<(), String> {
    let mut shell = place.shell.split_ascii_whitespace();
    let mut command = Command::new(shell.next().unwrap_or("/bin/sh"));
    command.args(shell).arg(&place.supervisor).args(["wipe", &place.spool.root, &place.spool.boot, dir]);
    let done = command.current_dir(&place.spool.root).env("LC_ALL", "C").stdin(Stdio::null()).output();
    match done {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stdout).trim().to_owned()),
        Err(error) if full(&error) => Err(NO_PROCESS.to_owned()),
        Err(error) => Err(format!("cannot empty {dir}: {}", said(&error))),
    }
}

/// A line of the process's execution log.
fn note(log: &mut Option<File>, key: &str, words: &str) {
    if let Some(log) = log {
        let stamp = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        // A log that takes no more lines is no reason to stop.
        let _ = log.write_all(format!("{stamp} {key} {words}\n").as_bytes());
    }
}

/// What the set-up had to say of itself before there was a place for the execution log.
fn carry(log: &mut Option<File>, spool: &Spool, key: &str) {
    let attempt = key.rsplit_once('.').map_or(key, |(attempt, _)| attempt);
    let path = spool.path(&format!("setup/{attempt}.log"));
    if let (Some(log), Ok(text)) = (log, fs::read(&path))
        && log.write_all(&text).is_ok()
    {
        let _ = fs::remove_file(path);
    }
}

/// Says whether who holds the machine for us was told to end, and with it all that runs here. Whoever a signal ended may
/// have heard it first.
fn pilot_over(code: i32) -> bool {
    let Some(door) = std::env::var_os("OSTLER_PILOT_DOOR").filter(|door| !door.is_empty()) else { return false };
    let door = Path::new(&door);
    for tries in 0.. {
        if !door.is_dir() || door.join("over").exists() {
            break;
        }
        if code <= 128 || tries >= 2 {
            return false;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    true
}

/// Opens the file in which the kernel counts whom it kills for want of memory in our group.
fn memory_group() -> Option<File> {
    let groups = read(Path::new("/proc/self/cgroup"));
    let files = groups.lines().filter_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if names.split(',').any(|name| name == "memory") {
            return Some(format!("/sys/fs/cgroup/memory{path}/memory.oom_control"));
        }
        (number == "0" && names.is_empty()).then(|| format!("/sys/fs/cgroup{path}/memory.events"))
    });
    files.rev().find_map(|file| File::open(file).ok())
}

/// Whole seconds since the machine came up, a clock that nobody can set.
pub fn uptime() -> u64 {
    uptime_ms() / 1000
}

/// Ticks since the machine came up, as `/proc/PID/stat` has them.
fn ticks() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 100 + u64::try_from(now.tv_nsec).unwrap_or(0) / 10_000_000
}

fn uptime_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}
