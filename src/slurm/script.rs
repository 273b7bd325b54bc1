//! From a launch to the script that `sbatch` gets. Pure.
//!
//! The script is also what runs on the other nodes of the job: `srun` starts it there with the number of a process. Whichever
//! copy of a submission begins first is its owner; another one, left by a link that broke, ends at once. The exit code is put
//! down by rename.

use std::fmt::Write as _;

use crate::model::launch::{Batch, BatchArray, Launch, NODE_WORD_BEGINS};
use crate::model::names::shell_owned;
use crate::transport::frame::quote_into;

/// The most nodes of one job, as many variables as the script makes.
const NODES_MAX: u32 = 4096;
/// What variables begin with by which launchers would start their daemons through us; Slurm has its own way.
const OUR_LAUNCHER: &[&str] = &["OMPI_MCA_plm", "OMPI_MCA_orte_leave", "HYDRA_LAUNCHER", "I_MPI_HYDRA_BOOTSTRAP"];

/// Returns the script of one submission. `root` is the spool of the login node, which the job's nodes see too, and `folder` the
/// submission's folder below it.
///
/// # Errors
/// What no script can carry.
pub fn script(root: &str, folder: &str, batch: &Batch) -> Result<String, String> {
    let mut text = String::from("#!/bin/sh\n");
    // The pattern of a name of a file is Slurm's: a percent sign is written twice.
    let own = [format!("--job-name={}", batch.name), format!("--output={}", batch.log.replace('%', "%%"))];
    directives(&mut text, batch, &own)?;
    text.push_str("root=");
    quote_into(&mut text, root);
    text.push('\n');
    let mut quoted = String::new();
    quote_into(&mut quoted, &format!("{root}/"));
    quoted.pop();
    // Every path below the spool begins a quote, so that what people read says it once.
    text.push_str(&rest(folder, batch)?.replace(&quoted, "\"$root\"'/"));
    Ok(text)
}

/// Returns the script of an array whose members have scripts of their own: it finds the member's folder, below the array's own, and
/// runs what is there. The array's folder is its first argument, because it gets its name on the login node.
///
/// # Errors
/// As [`script`].
pub fn array_script(batch: &Batch, array: &BatchArray) -> Result<String, String> {
    let mut text = String::from("#!/bin/sh\n");
    directives(&mut text, batch, &[format!("--job-name={}", array.name)])?;
    text.push_str(MEMBER);
    Ok(text)
}

fn directives(text: &mut String, batch: &Batch, own: &[String]) -> Result<(), String> {
    if batch.nodes > NODES_MAX {
        return Err(format!("a job on Slurm may have {NODES_MAX} nodes"));
    }
    for option in own.iter().chain(&batch.options).map(String::as_str).chain(["--open-mode=append"]) {
        if option.contains(['\n', '\0']) {
            return Err(format!("an option of sbatch holds a line feed: `{}`", option.escape_debug()));
        }
        let _ = writeln!(text, "#SBATCH {}", directive(option));
    }
    Ok(())
}

fn rest(folder: &str, batch: &Batch) -> Result<String, String> {
    let mut text = String::from("d=");
    quote_into(&mut text, folder);
    text.push('\n');
    text.push_str(HEAD);
    container(&mut text, batch)?;
    for (index, process) in batch.processes.iter().enumerate() {
        check(process)?;
        let _ = writeln!(text, "process_{index}() {{");
        body(&mut text, process, batch.container.is_some());
        text.push_str("}\n");
    }
    text.push_str("prepare() {\n:\n");
    if let (Some(line), Some(first)) = (&batch.prepare, batch.processes.first()) {
        surroundings(&mut text, first);
        enter(&mut text, first, batch.container.is_some());
        quote_into(&mut text, &first.shell);
        text.push_str(" -c ");
        value(&mut text, line);
        let logs = first.stdout.rsplit_once('/').map_or("", |(dir, _)| dir);
        let suffix = if batch.nodes > 1 { "-\"$SLURMD_NODENAME\"" } else { "" };
        for (stream, name) in [(">>", "stdout"), ("2>>", "stderr")] {
            let _ = write!(text, " {stream}");
            quote_into(&mut text, &format!("{logs}/{name}-job_prep"));
            let _ = write!(text, "{suffix}.txt");
        }
        text.push('\n');
    }
    text.push_str("}\n");
    let deciding = batch.processes.len().saturating_sub(batch.serving as usize).max(1);
    let _ = writeln!(text, "nodes={}\ndeciding={deciding}\nprepares={}", batch.nodes, u8::from(batch.prepare.is_some()));
    text.push_str("where='");
    for process in &batch.processes {
        let _ = write!(text, "{} ", process.node_index);
    }
    text.push_str("'\n");
    text.push_str(first_of_all(batch).as_str());
    text.push_str(TAIL);
    Ok(text)
}

/// An option as a line of `#SBATCH` has it: a value with a blank in it is in double quotes.
pub(super) fn directive(option: &str) -> String {
    match option.split_once('=') {
        Some((name, value)) if value.contains([' ', '\'', '#', '\\']) => {
            format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => option.to_owned(),
    }
}

/// What is done once, before all processes, on the first node: temp directories are emptied, former logs moved.
fn first_of_all(batch: &Batch) -> String {
    let mut text = String::from("tidy() {\n:\n");
    for process in &batch.processes {
        for path in &process.wipe {
            text.push_str("rm -rf -- ");
            quote_into(&mut text, path);
            text.push('\n');
        }
        if let Some((dir, number)) = &process.keep_former {
            text.push_str("former ");
            quote_into(&mut text, dir);
            let _ = writeln!(text, " {number}");
        }
    }
    text.push_str("}\n");
    text
}

/// Directories, files and variables of a process.
fn surroundings(text: &mut String, launch: &Launch) {
    text.push_str("mkdir -p --");
    let parents = [&launch.stdout, &launch.stderr].into_iter().filter_map(|path| path.rsplit_once('/')).map(|(dir, _)| dir);
    let mut made: Vec<&str> =
        launch.dirs.iter().map(String::as_str).chain([launch.workdir.as_str()]).chain(parents).collect();
    made.sort_unstable();
    made.dedup();
    for dir in made {
        text.push(' ');
        quote_into(text, dir);
    }
    text.push('\n');
    for (path, content, executable) in &launch.files {
        text.push_str("printf %s ");
        value(text, content);
        text.push_str(" > ");
        quote_into(text, path);
        if *executable {
            text.push_str(" && chmod +x ");
            quote_into(text, path);
        }
        text.push('\n');
    }
    text.push_str("[ ! -r \"$d/secrets\" ] || . \"$d/secrets\"\n");
    let ours = |name: &str| OUR_LAUNCHER.iter().any(|begins| name.starts_with(begins));
    for (name, of) in launch.env.iter().filter(|(name, _)| !shell_owned(name) && !ours(name)) {
        let _ = write!(text, "export {name}=");
        value(text, of);
        text.push('\n');
    }
    text.push_str("cd ");
    quote_into(text, &launch.workdir);
    text.push_str(" || exit 1\n");
}

/// What begins a command in place of the shell: in the container it has these variables.
fn enter(text: &mut String, launch: &Launch, contained: bool) {
    if !contained {
        text.push_str("exec ");
        return;
    }
    let secrets = launch.secrets.iter().map(|secret| secret.name.as_str());
    let names: Vec<&str> = launch.env.iter().map(|(name, _)| name.as_str()).chain(secrets).collect();
    text.push_str("names=");
    quote_into(text, &names.join("\n"));
    text.push_str("\ncontained ");
}

/// The functions of the job's container, or what stands for them where it has none.
fn container(text: &mut String, batch: &Batch) -> Result<(), String> {
    let Some(container) = &batch.container else {
        text.push_str(NO_CONTAINER);
        return Ok(());
    };
    let paths = || std::iter::once(&container.image).chain(&container.paths);
    if let Some(path) = paths().find(|path| path.contains(['\n', '\0'])) {
        return Err(format!("a container cannot have `{}`", path.escape_debug()));
    }
    if let Some(path) = container.paths.iter().find(|path| path.contains([':', ','])) {
        return Err(format!("no container can have `{path}` at its own place: there is a colon or a comma in it"));
    }
    let said_in = batch.processes.first().map_or("", |process| process.stderr.as_str());
    let shm = container.shm.map(|size| size.0.to_string()).unwrap_or_default();
    let values = [("image", &container.image), ("server", &container.server), ("user", &container.user), ("shm", &shm)];
    for (name, of) in values.into_iter().map(|(name, of)| (name, of.as_str())).chain([("said_in", said_in)]) {
        let _ = write!(text, "{name}=");
        value(text, of);
        text.push('\n');
    }
    text.push_str("paths=\"$root\"");
    for path in &container.paths {
        text.push_str("'\n'");
        quote_into(text, path);
    }
    text.push('\n');
    text.push_str(CONTAINER);
    Ok(())
}

fn body(text: &mut String, launch: &Launch, contained: bool) {
    surroundings(text, launch);
    enter(text, launch, contained);
    let owned: Vec<_> = launch.env.iter().filter(|(name, _)| shell_owned(name)).collect();
    if !owned.is_empty() {
        text.push_str("/usr/bin/env ");
    }
    for (name, of) in owned {
        let _ = write!(text, "{name}=");
        value(text, of);
        text.push(' ');
    }
    quote_into(text, &launch.shell);
    text.push_str(" -c ");
    value(text, &launch.command);
    text.push_str(" </dev/null >>");
    quote_into(text, &launch.stdout);
    text.push_str(" 2>>");
    quote_into(text, &launch.stderr);
    text.push('\n');
}

/// Quotes a text in which the addresses of nodes are put when the job runs.
fn value(text: &mut String, of: &str) {
    let mut rest = of;
    let mut any = false;
    while let Some((before, number, after)) = next_node(rest) {
        if !before.is_empty() {
            quote_into(text, before);
        }
        let _ = write!(text, "\"$node_{number}\"");
        (rest, any) = (after, true);
    }
    if !rest.is_empty() || !any {
        quote_into(text, rest);
    }
}

fn next_node(text: &str) -> Option<(&str, u32, &str)> {
    let at = text.find(NODE_WORD_BEGINS)?;
    let (number, after) = text[at + NODE_WORD_BEGINS.len()..].split_once("--")?;
    Some((&text[..at], number.parse().ok()?, after))
}

fn check(launch: &Launch) -> Result<(), String> {
    let texts =
        launch.env.iter().map(|(_, value)| value).chain([&launch.command, &launch.workdir, &launch.stdout, &launch.stderr]);
    let texts = texts.chain(launch.dirs.iter()).chain(launch.files.iter().flat_map(|(path, content, _)| [path, content]));
    for text in texts {
        if text.contains('\0') {
            return Err("a NUL byte, which no script can hold, is in its command, its variables or its paths".to_owned());
        }
    }
    let variable = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    match launch.env.iter().find(|(name, _)| !variable(name)) {
        Some((name, _)) => Err(format!("`{}` is not a variable name", name.escape_debug())),
        None => Ok(()),
    }
}

/// A member of an array: one that was taken back has no folder any more.
const MEMBER: &str = r#"
d=$1/m/$SLURM_ARRAY_TASK_ID
[ -d "$d/" ] || { echo "ostler: this job is not wanted any more" >&2; exit 0; }
exec /bin/sh "$d/script"
"#;

/// Before the processes: who is the owner, and which nodes there are.
const HEAD: &str = r#"
# The nodes of the job, in order.
find_nodes() {
    # In a container there is no Slurm, and the step has brought them.
    [ -z "${node_0-}" ] || return 0
    i=0
    for node in $(scontrol show hostnames "$SLURM_JOB_NODELIST" 2>/dev/null || printf '%s\n' "$SLURMD_NODENAME"); do
        eval "node_$i=\$node; export node_$i"
        i=$((i + 1))
    done
}
# former DIR NUMBER: the logs of a former attempt make room.
former() {
    [ -d "$1" ] && [ ! -d "$1/attempt-$2" ] || return 0
    for f in "$1"/*; do
        case $f in */attempt-*) ;; *) [ ! -f "$f" ] || { mkdir -p "$1/attempt-$2" && mv "$f" "$1/attempt-$2/"; } ;; esac
    done
}
"#;

/// The functions of a container.
const CONTAINER: &str = include_str!("../../assets/slurm/contain.sh");
/// In their stead.
const NO_CONTAINER: &str = "
get_image() { :; }
in_step() { return 1; }
stepped() { srun \"$@\"; }
";

/// After them: one process is run in place, several by srun, each on its node; the first that fails ends the others.
const TAIL: &str = r#"
find_nodes
case ${1-} in
process) "process_$2"; exit 1 ;;
prepare) prepare; exit 1 ;;
esac
me=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
me=${me:-$SLURM_JOB_ID}
[ -d "$d" ] || { echo "ostler: this job is not wanted any more" >&2; exit 0; }
if ! (set -C; echo "$me" > "$d/owner") 2>/dev/null; then
    read -r owner < "$d/owner"
    [ "$owner" = "$me" ] || { echo "ostler: job $owner is the same submission; this copy ends" >&2; exit 0; }
fi
rm -f "$d/exit"
[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || tidy
over=
trap 'over=1' TERM INT
finish() { rm -f "$d/secrets" "$d/auth" "$d/image.sif"; echo "$1${over:+ told}" > "$d/exit.new" && mv -f "$d/exit.new" "$d/exit"; exit "$1"; }
# A signal ends the wait, not the process.
await() {
    wait "$1"; code=$?
    while kill -0 "$1" 2>/dev/null; do wait "$1"; code=$?; done
}
step() { # NODE WORD...
    node=$1
    shift
    overlap=
    if srun --help 2>/dev/null | grep -q -e '--overlap'; then overlap=--overlap; fi
    stepped $overlap --nodes=1 --ntasks=1 --nodelist="$node" --kill-on-bad-exit=0 --unbuffered sh "$d/script" "$@" </dev/null
}
get_image || finish 125
# By a step, where there are several nodes or the container is a step's.
steps=
if [ "$nodes" != 1 ] || in_step; then steps=1; fi
if [ "$prepares" = 1 ]; then
    pids=
    if [ -z "$steps" ]; then
        (prepare) & pids=$!
    else
        i=0
        while [ "$i" -lt "$nodes" ]; do eval "n=\$node_$i"; step "$n" prepare & pids="$pids $!"; i=$((i + 1)); done
    fi
    worst=0
    for pid in $pids; do await "$pid"; [ "$code" = 0 ] || worst=$code; done
    [ "$worst" = 0 ] || { echo "ostler: the preparation failed with exit code $worst" >&2; finish "$worst"; }
fi
set -- $where
if [ $# = 1 ] && in_step; then
    eval "n=\$node_$1"
    (trap - TERM INT; step "$n" process 0) & pid=$!
    await "$pid"
    finish "$code"
elif [ $# = 1 ]; then
    (trap - TERM INT; process_0) & pid=$!
    await "$pid"
    finish "$code"
fi
codes=$(mktemp -d) && mkfifo "$codes/fifo" && exec 3<> "$codes/fifo" || finish 1
# A process group for each, so that all of one can be told to end.
set -m
i=0
pids=
for index; do
    if [ -z "$steps" ]; then
        { (trap - TERM INT; "process_$i"); echo "$i $?" >&3; } &
    else
        eval "n=\$node_$index"
        { step "$n" process "$i"; echo "$i $?" >&3; } &
    fi
    pids="$pids $!"
    i=$((i + 1))
done
left=$deciding
worst=0
while [ "$left" -gt 0 ] && [ "$worst" = 0 ] && [ -z "$over" ]; do
    read -r i code <&3 || continue
    [ "$i" -lt "$deciding" ] || continue
    left=$((left - 1))
    [ "$code" = 0 ] || worst=$code
done
[ -z "$over" ] || worst=143
rm -rf "$codes"
# srun tells its processes.
for pid in $pids; do kill -TERM -- "-$pid" 2>/dev/null; done
finish "$worst"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::launch::node_word;

    fn launch(command: &str) -> Launch {
        Launch {
            node_index: 0,
            shell: "/bin/sh".into(),
            command: command.into(),
            workdir: "/w".into(),
            env: vec![("A".into(), format!("tcp://{}:1", node_word(1))), ("HYDRA_LAUNCHER".into(), "ssh".into())],
            secrets: vec![],
            wipe: vec!["/w/old".into()],
            dirs: vec!["/w".into()],
            files: vec![],
            stdout: "/l/out".into(),
            stderr: "/l/err".into(),
            keep_former: None,
            execution_log: None,
            batch: None,
        }
    }

    #[test]
    fn addresses_are_put_in_when_it_runs() {
        let batch = Batch {
            name: "a b".into(),
            log: "/l/50%.log".into(),
            nodes: 2,
            processes: vec![launch("it's")],
            ..Batch::default()
        };
        let text = script("/r", "/r/slurm/1.1.m0", &batch).unwrap();
        assert!(
            text.starts_with(
                "#!/bin/sh\n#SBATCH --job-name=\"a b\"\n#SBATCH --output=/l/50%%.log\n#SBATCH --open-mode=append\n\
                 root='/r'\nd=\"$root\"'/slurm/1.1.m0'\n"
            ),
            "{text}"
        );
        let read = std::process::Command::new("sh").args(["-n", "-c", &text]).output().unwrap();
        assert!(read.status.success() && read.stderr.is_empty(), "{read:?}: {text}");
        assert!(text.contains("export A='tcp://'\"$node_1\"':1'\n"), "{text}");
        assert!(!text.contains("export HYDRA"), "launchers use Slurm's own way: {text}");
    }

    #[test]
    fn a_container_is_around_preparation_and_processes() {
        use crate::model::launch::BatchContainer;
        let paths = vec!["/data/it's".to_owned()];
        let container =
            BatchContainer { image: "reg.example/a b".into(), user: "ada".into(), paths, ..BatchContainer::default() };
        let batch = Batch {
            nodes: 1,
            processes: vec![launch("true")],
            prepare: Some("prepare".into()),
            container: Some(container.clone()),
            ..Batch::default()
        };
        let text = script("/r", "/r/slurm/1.1.m0", &batch).unwrap();
        let read = std::process::Command::new("sh").args(["-n", "-c", &text]).output().unwrap();
        assert!(read.status.success() && read.stderr.is_empty(), "{read:?}: {text}");
        assert_eq!(text.matches("\ncontained '/bin/sh' -c ").count(), 2, "{text}");
        assert!(text.contains("image='reg.example/a b'\n") && text.contains("paths=\"$root\"'\n'"), "{text}");
        let bad = |path: &str| BatchContainer { paths: vec![path.into()], ..container.clone() };
        let refused = Batch { container: Some(bad("/a:b")), ..batch.clone() };
        assert!(script("/r", "/r/d", &refused).unwrap_err().contains("`/a:b`"));
        let plain = Batch { container: None, ..batch };
        assert!(!script("/r", "/r/d", &plain).unwrap().contains("podman"), "who needs none has none of it in the script");
    }

    #[test]
    fn what_no_script_can_hold_is_refused() {
        let batch = |command: &str, option: &str| Batch {
            options: vec![option.into()],
            nodes: 1,
            processes: vec![launch(command)],
            ..Batch::default()
        };
        assert!(script("/r", "/r/d", &batch("a\0b", "--x")).unwrap_err().contains("NUL"));
        assert!(script("/r", "/r/d", &batch("a", "--x=\n--y")).unwrap_err().contains("line feed"));
    }
}
