//! What the test does on nodes: one more line in their scripts for each moment there, jobs that write down their starts,
//! and what is left of a process.

use std::path::{Path, PathBuf};

use ostler::runtime::points::{Life, POINTS, Point, Side};

use super::lines;
use super::ostler::Ostler;

/// Where a line is put: before or after the one line that begins so. All are functions' inner lines.
enum At {
    Before(&'static str),
    After(&'static str),
}

use At::{After, Before};

/// For each moment on the node: which script, where in it, and the line.
const HOOKS: &[(&str, &str, At, &str)] = &[
    ("node.heard", "agent", After("    in_turn $# \"$1\" \"$9\" 9"), ""),
    ("node.locking", "agent", After("lock() {"), "case $2 in own*) HOOK ;; esac"),
    ("node.locked", "agent", Before("    [ $LO_RC = 0 ] || [ -z"), "case $2 in own*) HOOK ;; esac"),
    ("node.told", "agent", Before("        glance \"$ST_DUE\""), ""),
    ("node.armed", "agent", After("        glance \"$ST_DUE\""), ""),
    ("node.named", "supervisor", After("    say \"$KEY $S_PID\" 1<>\"$ROOT/run/pid.$SLOT\""), ""),
    ("node.ended", "supervisor", Before("    finish \"exit $R_CODE"), ""),
    ("node.kept", "supervisor", After("    finish \"exit $R_CODE"), ""),
    ("node.noticed", "agent", Before("        case $N_LINE in"), "case $N_LINE in X*) HOOK ;; esac"),
    ("node.acked", "agent", Before("        sweep"), ""),
    ("node.cleaning", "agent", Before("    say \"k $AC_SEQ\""), ""),
    ("node.term", "agent", Before("            KR_TERM=1"), ""),
    ("node.grace", "agent", Before("        pause \"$KR_PAUSE\""), ""),
    ("node.kill", "agent", Before("    while signal_all KILL \"$1\""), ""),
    ("node.scan", "agent", Before("    cookie_pids \"$2\""), "[ \"$1\" != KILL ] || HOOK"),
    ("node.proven", "agent", After("    kill_note \"$1\" \"done $2 - - end\""), ""),
];

/// The shell function that, once, when its moment is the one that is armed, says that it has come, and goes on when the test
/// has struck.
const HOOK: &str = "crash_here() {
    CR_AT=''
    { read -r CR_AT <'DIR/at'; } 2>/dev/null
    [ \"$CR_AT\" = \"$1\" ] || return 0
    mv 'DIR/at' 'DIR/passed' 2>/dev/null || return 0
    while [ ! -e 'DIR/struck' ]; do sleep 0.01; done
}
";

/// A job that writes down each start and takes a lock for as long as it lives. Its arguments: its files, how its life is
/// to be.
const JOB: &str = "
ME=${OSTLER_RANK%%:*}
printf '%s\\n' \"$ME\" >>\"$1.starts\"
if ! (set -C && printf '%s\\n' $$ >\"$1.lock\") 2>/dev/null; then
    read -r OTHER <\"$1.lock\"
    [ ! -e \"/proc/$OTHER/exe\" ] || printf '%s\\n' \"$ME\" >>\"$1.copies\"
fi
crash_here job.runs
if [ \"$2\" = stopped ]; then
    trap '' TERM
    setsid sleep 1000 &
    : >\"$1.ready\"
    while :; do sleep 1000; done
fi
while [ ! -e \"$1.go\" ]; do sleep 0.02; done
rm -f \"$1.lock\"
crash_here job.ends
exit 7
";

fn hook(dir: &Path) -> String {
    HOOK.replace("DIR", dir.to_str().unwrap())
}

/// Puts the lines into the scripts of all nodes, which nobody runs at the time, and the job's script beside them.
pub fn put_hooks(dir: &Path, home: &Path) {
    for point in POINTS.iter().filter(|point| point.side == Side::Node) {
        assert!(HOOKS.iter().any(|hook| hook.0 == point.name), "{} has no line", point.name);
    }
    let roots = roots(home);
    assert_eq!(roots.len(), 2);
    for root in roots {
        for script in ["agent", "supervisor"] {
            let path = the_script(&root, script);
            let text = with_hooks(&std::fs::read_to_string(&path).unwrap(), script);
            std::fs::write(path, hook(dir) + &text).unwrap();
        }
    }
    std::fs::write(dir.join("job.sh"), hook(dir) + JOB).unwrap();
}

fn the_script(root: &Path, name: &str) -> PathBuf {
    let files = std::fs::read_dir(root.join("bin")).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-")));
    let only = files.next().expect("the script is there");
    assert!(files.next().is_none(), "one version");
    only
}

fn with_hooks(text: &str, script: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (name, _, at, form) in HOOKS.iter().filter(|hook| hook.1 == script) {
        let (anchor, after) = match at {
            Before(anchor) => (anchor, 0),
            After(anchor) => (anchor, 1),
        };
        let found: Vec<usize> = (0..lines.len()).filter(|&n| lines[n].starts_with(anchor)).collect();
        assert_eq!(found.len(), 1, "{name}: lines of {script} that begin with `{anchor}`");
        let call = format!("crash_here {name}");
        let line = if form.is_empty() { call } else { form.replace("HOOK", &call) };
        lines.insert(found[0] + after, line);
    }
    lines.join("\n") + "\n"
}

/// Forgets the former moment.
pub fn disarm(dir: &Path) {
    for file in ["at", "passed", "struck"] {
        match std::fs::remove_file(dir.join(file)) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
    }
}

/// Has a moment on the node or in the job stand still when it comes.
pub fn arm(dir: &Path, name: &str) {
    std::fs::write(dir.join("at.new"), format!("{name}\n")).unwrap();
    std::fs::rename(dir.join("at.new"), dir.join("at")).unwrap();
}

/// Says whether the moment that was armed has come.
pub fn passed(dir: &Path) -> bool {
    dir.join("passed").exists()
}

/// Lets what stands still go on.
pub fn struck(dir: &Path) {
    std::fs::write(dir.join("struck"), "").unwrap();
}

/// Returns the spools of all nodes below a directory.
pub fn roots(nodes: &Path) -> Vec<PathBuf> {
    let below = |dir: PathBuf| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    // Beside the nodes lies the directory that tells whether they share one.
    let clusters = below(nodes.to_owned()).filter(|path| path.is_dir());
    clusters.flat_map(below).filter(|dir| dir.join("jobs").is_dir()).collect()
}

/// Returns how many records of a job's processes all nodes have: live ones, and those done with.
pub fn records(nodes: &Path, job: &str) -> (usize, usize) {
    let count = |root: &Path, dir: &str| {
        let files = std::fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().file_name());
        files.filter(|name| name.to_str().unwrap().starts_with(&format!("{job}."))).count()
    };
    let roots = roots(nodes);
    // In this order: one that is moved meanwhile is counted in neither, and not twice.
    let done = roots.iter().map(|root| count(root, "done")).sum();
    (roots.iter().map(|root| count(root, "jobs")).sum(), done)
}

/// Returns the processes that carry the cookie of a job, but for zombies.
pub fn alive(job: &str) -> Vec<String> {
    let cookie = format!("OSTLER_RANK={job}.");
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let carries = |path: &PathBuf| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|word| word.starts_with(cookie.as_bytes()))
    };
    let command = |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path.join("cmdline")).unwrap_or_default()).into();
    processes.filter(carries).map(command).collect()
}

/// A job and the files that it leaves.
pub struct Job {
    name: String,
    script: PathBuf,
    files: PathBuf,
    life: &'static str,
}

impl Job {
    pub fn new(dir: &Path, point: &Point) -> Self {
        let name = point.name.replace('.', "-");
        let life = match point.life {
            Life::Ends => "ends",
            Life::Stopped => "stopped",
        };
        Self { files: dir.join(&name), script: dir.join("job.sh"), name, life }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn file(&self, end: &str) -> PathBuf {
        self.files.with_extension(end)
    }

    /// Submits it; says whether it was answered.
    pub fn submit(&self, ostler: &Ostler) -> bool {
        let (script, files) = (self.script.to_str().unwrap(), self.files.to_str().unwrap());
        let command = ["--", "sh", script, files, self.life];
        let submit = ["job", "create", "-c", "c", "--name", &self.name, "--token", &self.name];
        ostler.run(&[&submit[..], &command[..]].concat()).code == 0
    }

    /// Lets it end.
    pub fn let_go(&self) {
        std::fs::write(self.file("go"), "").unwrap();
    }

    /// Says whether it can be stopped: all that it starts is there.
    pub fn is_ready(&self) -> bool {
        self.file("ready").exists()
    }

    /// Returns the names of the processes as which it started.
    pub fn starts(&self) -> Vec<String> {
        lines(&self.file("starts"))
    }

    /// Returns the names of the processes that started while another lived.
    pub fn copies(&self) -> String {
        lines(&self.file("copies")).join(" ")
    }
}
