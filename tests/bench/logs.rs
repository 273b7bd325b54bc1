//! Logs: 200 MB followed to the last byte, one line to the model and to the screen, a file of 10 GB opened at its end and in its
//! middle, a search of a gigabyte. Each beside a pipe, `tail -F` or `grep -c` in the same run.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ostler::api::Client;
use ostler::api::host::{self, HostOptions, Mode};
use ostler::model::request::{FileRef, FileSearch, FileWindow, From, JobRef, Place, Reply, Request};
use ostler::model::settings::Settings;

use crate::figures::{Board, ROUNDS, millis};
use crate::home::{Home, Jobs, read};

/// The bytes of the log that is followed.
const BYTES: usize = 200_000_000;
/// How many lines are followed one by one.
const LINES: usize = 200;
/// The bytes of a window.
const WINDOW: u32 = 64 << 10;
/// How often a file is opened.
const OPENS: usize = 50;
/// Longer than a frame of the screen lasts while data comes.
const FRAME: Duration = Duration::from_millis(45);
/// How long a follower has to be there before anything is written.
const ATTACHED: Duration = Duration::from_millis(700);
/// A job that writes a file once it is told to.
const FLOOD: &str = "read -r go <GATE; cat TEXT; echo last";
/// A job that repeats what it is told, a line each.
const ECHO: &str = "while read -r line; do echo \"$line\"; done <GATE";

/// Prints the rows of logs.
pub fn bench(board: &mut Board) {
    over_ssh(board);
    if !board.wants("log") {
        return;
    }
    let home = Home::new(Jobs::Waiting(0));
    let server = home.serve();
    home.ostler(&["cluster", "create", "here", "--provider", "local", "--target", "1"]);
    let bench = Bench { text: text(&home), gate: named_pipe(&home, "gate"), home };
    bench.flood(board);
    bench.lines(board);
    bench.large(board);
    drop(server);
}

/// Follows what a job writes on a host that is reached by sshd. Its first line says when it began, by the clock that is also ours.
fn over_ssh(board: &mut Board) {
    let Ok(config) = std::env::var("OSTLER_BENCH_SSH_CONFIG") else {
        return board
            .skip("log: over sshd", "no test hosts; OSTLER_BENCH_SSH_CONFIG=$(tests/lab/nslab up -n 4) cargo bench");
    };
    let home = Home::new(Jobs::Waiting(0));
    home.name_ssh_config(&config);
    let server = home.serve();
    home.ostler(&["cluster", "create", "far", "--hosts", "h1", "--target", "1"]);
    let script = format!(
        "[ -s /tmp/text ] || yes 'step 1 loss=0.2131 lr=0.003 batch 64 tokens/s 182334.2' | head -c {BYTES} >/tmp/text; \
         sleep 2; date +%s%N; cat /tmp/text; echo; echo last"
    );
    let (mut followed, mut plain) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("far{round}");
        home.ostler(&["job", "create", "-c", "far", "-n", &name, "--", "sh", "-c", &script]);
        let mut reader = Reader::start(home.command().args(["job", "logs", "-f", &name]).stderr(Stdio::null()));
        followed.push(reader.since_first_line());
        reader.end();
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", &config, "h1", "date +%s%N; cat /tmp/text; echo; echo last"]);
        let mut reader = Reader::start(&mut ssh);
        plain.push(reader.since_first_line());
        reader.end();
    }
    board.row("sshd log: 200 MB followed to its end", "ms", followed);
    board.row("sshd log: limit, ssh HOST cat", "ms", plain);
    drop(server);
}

struct Bench {
    home: Home,
    text: PathBuf,
    gate: PathBuf,
}

impl Bench {
    fn script(&self, script: &str) -> String {
        script.replace("GATE", &self.gate.display().to_string()).replace("TEXT", &self.text.display().to_string())
    }

    fn submit(&self, name: &str, script: &str) {
        let script = self.script(script);
        self.home.ostler(&["job", "create", "-c", "here", "-n", name, "--", "sh", "-c", &script]);
    }

    fn follow(&self, name: &str) -> Reader {
        let mut command = self.home.command();
        let reader = Reader::start(command.args(["job", "logs", "-f", name]).stderr(Stdio::null()));
        std::thread::sleep(ATTACHED);
        reader
    }

    /// What a job has written, on this machine.
    fn log(&self, name: &str) -> PathBuf {
        let mut find = Command::new("find");
        find.arg(self.home.file("state")).args(["-path", &format!("*{name}*"), "-name", "stdout.txt"]);
        let mut found = find.output().expect("find").stdout;
        found.truncate(found.iter().position(|byte| *byte == b'\n').unwrap_or(found.len()));
        PathBuf::from(String::from_utf8(found).expect("a path"))
    }

    fn flood(&self, board: &mut Board) {
        let total = BYTES + "last\n".len();
        let (mut alone, mut followed, mut job, mut tailed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for (with, name) in [(false, format!("alone{round}")), (true, format!("followed{round}"))] {
                self.submit(&name, FLOOD);
                let reader = with.then(|| self.follow(&name));
                let mut gate = File::options().write(true).open(&self.gate).expect("the job reads");
                let start = Instant::now();
                gate.write_all(b"go\n").expect("the job reads");
                let waiting = std::thread::spawn({
                    let mut wait = self.home.command();
                    wait.args(["job", "wait", &name]).stdout(Stdio::null()).stderr(Stdio::null());
                    move || {
                        assert!(wait.status().expect("it starts").success());
                        start.elapsed()
                    }
                });
                if let Some(mut reader) = reader {
                    reader.take(total);
                    followed.push(millis(start.elapsed()));
                    reader.end();
                }
                let ended = millis(waiting.join().expect("it ends"));
                if with { job.push(ended) } else { alone.push(ended) }
            }
            let file = self.log(&format!("followed{round}"));
            let seen = read(Command::new("tail").args(["-c", "+1"]).arg(&file));
            assert_eq!(seen.bytes as usize, total);
            tailed.push(millis(seen.wall));
        }
        let pipe = (0..ROUNDS).map(|_| millis(read(Command::new("cat").arg(&self.text)).wall)).collect();
        board.row("log: 200 MB written and followed to its end", "ms", followed);
        board.row("log: its job with a follower", "ms", job);
        board.row("log: its job without one", "ms", alone);
        board.row("log: limit, cat of it through a pipe", "ms", pipe);
        board.row("log: limit, tail of the whole file", "ms", tailed);
    }

    fn lines(&self, board: &mut Board) {
        self.submit("echo", ECHO);
        let mut reader = self.follow("echo");
        let mut gate = File::options().write(true).open(&self.gate).expect("the job reads");
        let ours = self.each(&mut gate, "ours", |word| reader.until(word));
        let mut tail = Reader::start(Command::new("tail").arg("-F").arg(self.log("echo")));
        std::thread::sleep(ATTACHED);
        let tailed = self.each(&mut gate, "tail", |word| tail.until(word));
        tail.end();
        let mut screen = self.home.screen(&[]);
        screen.until("numbers of the core", |screen| screen.contains(" running ") && !screen.contains("opening the state"));
        screen.press(":echo\r");
        screen.until("the log", |screen| screen.contains("following"));
        let shown = self.each(&mut gate, "screen", |word| {
            let at = screen.until("the line", |screen| screen.contains(word));
            // Two lines within a frame are drawn together.
            std::thread::sleep(FRAME);
            at
        });
        screen.end();
        drop(gate);
        reader.end();
        let other = named_pipe(&self.home, "other");
        let mut pipe = Reader::start(Command::new("sh").arg("-c").arg(ECHO.replace("GATE", &other.display().to_string())));
        let mut gate = File::options().write(true).open(&other).expect("it reads");
        let piped = self.each(&mut gate, "pipe", |word| pipe.until(word));
        drop(gate);
        pipe.end();
        board.percentiles("log: one line to the follower", "ms", ours);
        board.percentiles("log: one line to the screen", "ms", shown);
        board.percentiles("log: one line, tail -F of the file", "ms", tailed);
        board.percentiles("log: one line, limit: through a pipe", "ms", piped);
    }

    /// Has the job say words, one after another, each once the one before was seen; returns how long each took.
    fn each(&self, gate: &mut File, word: &str, mut seen: impl FnMut(&str) -> Instant) -> Vec<f64> {
        let one = |at: usize| {
            // Not in step with anything that looks from time to time.
            std::thread::sleep(Duration::from_micros(3_000 + 137 * (at as u64 % 41)));
            let word = format!("{word}-{at}-of-it");
            let start = Instant::now();
            gate.write_all(format!("{word}\n").as_bytes()).expect("the job reads");
            let at = seen(&word);
            millis(at - start)
        };
        (0..LINES).map(one).collect()
    }

    fn large(&self, board: &mut Board) {
        self.home.ostler(&[
            "job",
            "create",
            "--wait",
            "-c",
            "here",
            "-n",
            "large",
            "--",
            "sh",
            "-c",
            "truncate -s 10G /proc/self/fd/1; echo the end",
        ]);
        let (name, five) = ("gigabyte", "cat TEXT TEXT TEXT TEXT TEXT");
        self.home.ostler(&["job", "create", "--wait", "-c", "here", "-n", name, "--", "sh", "-c", &self.script(five)]);
        let tokio = tokio::runtime::Runtime::new().expect("a tokio runtime");
        tokio.block_on(async {
            let mut options = HostOptions::new(self.home.file("state"), Settings::default(), Mode::AttachOnly);
            options.runtime_dir = Some(self.home.file("ostler"));
            let session = host::open(options).await.expect("the core answers");
            let client = session.client();
            for (name, from) in [("at its end", From::End), ("at 50 %", From::Start(5 << 30))] {
                let mut took = Vec::new();
                for _ in 0..OPENS {
                    let request = Request::ReadFile(FileWindow { file: stdout("large"), from, bytes: WINDOW });
                    let start = Instant::now();
                    let Reply::Window(window) = ask(&client, request).await else { panic!("no window") };
                    took.push(millis(start.elapsed()));
                    assert!(window.size > 10 << 30 && !window.bytes.is_empty());
                }
                board.percentiles(&format!("log: 10 GB opened {name}"), "ms", took);
            }
            let absent = "no line has this text";
            let (mut ours, mut grep) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let search = FileSearch { file: stdout(name), text: absent.into(), from: 0, backwards: false };
                let start = Instant::now();
                let Reply::Found { offset: None } = ask(&client, Request::SearchFile(search)).await else { panic!("found") };
                ours.push(5.0 * BYTES as f64 / 1e6 / start.elapsed().as_secs_f64());
                let start = Instant::now();
                let counted = Command::new("grep").args(["-c", absent]).arg(self.log(name)).output().expect("grep");
                assert_eq!(counted.stdout, b"0\n");
                grep.push(5.0 * BYTES as f64 / 1e6 / start.elapsed().as_secs_f64());
            }
            board.row("log: search of 1 GB", "MB/s", ours);
            board.row("log: search of 1 GB, limit: grep -c", "MB/s", grep);
        });
    }
}

async fn ask(client: &Client, request: Request) -> Reply {
    client.request(request).await.expect("an answer")
}

fn stdout(job: &str) -> FileRef {
    FileRef::log(JobRef::Named { experiment: Place::default(), job: job.to_owned() }, "stdout.txt", 0)
}

/// Lines like those of a training, [`BYTES`] in all.
fn text(home: &Home) -> PathBuf {
    let path = home.file("text");
    let mut lines = Vec::with_capacity(BYTES + 100);
    let mut step = 0;
    while lines.len() < BYTES {
        step += 1;
        writeln!(lines, "step {step} loss=0.2131 lr=0.003 batch 64 tokens/s 182334.2").expect("memory");
    }
    lines.truncate(BYTES - 1);
    lines.push(b'\n');
    std::fs::write(&path, lines).expect("room for it");
    path
}

/// Makes a named pipe by which a job is told something.
fn named_pipe(home: &Home, name: &str) -> PathBuf {
    let path = home.file(name);
    assert!(Command::new("mkfifo").arg(&path as &Path).status().expect("mkfifo").success());
    path
}

/// A program whose output is read.
struct Reader {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Reader {
    fn start(program: &mut Command) -> Self {
        let mut child = program.stdout(Stdio::piped()).spawn().expect("the program starts");
        let out = BufReader::with_capacity(256 << 10, child.stdout.take().expect("its output"));
        Self { child, out }
    }

    /// Reads so many bytes.
    fn take(&mut self, mut count: usize) {
        let mut piece = vec![0; 256 << 10];
        while count > 0 {
            let most = count.min(piece.len());
            let read = self.out.read(&mut piece[..most]).expect("it writes");
            assert!(read > 0, "{count} bytes are missing");
            count -= read;
        }
    }

    /// Reads lines to one with a word.
    fn until(&mut self, word: &str) -> Instant {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.out.read_line(&mut line).expect("it writes") > 0, "no {word}");
        }
        Instant::now()
    }

    /// Reads all of [`BYTES`] behind a line that says when they began; returns the milliseconds from then on.
    fn since_first_line(&mut self) -> f64 {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("it writes");
        let began: f64 = line.trim().parse().expect("nanoseconds");
        self.take(BYTES);
        self.until("last");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as f64;
        (now - began) / 1e6
    }

    fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
