//! From what `sbatch` would be given to the body of a submission by REST: the words, and the directives of the script, which the service
//! does not read. Pure.
//!
//! Up to version 0.0.38 (Slurm 22.05) a body has names and values of sbatch's options, as texts; these were tried on the service at
//! hand. From 0.0.39 on they are those of `job_desc_msg`, with numbers as numbers: from the service's published descriptions
//! (slurm.schedmd.com/rest_api.html, 23.02 to 25.05), not tried here.

use serde_json::{Map, Value, json};

/// The first version whose bodies have the newer form.
const NEWER: u32 = 39;
/// The first that writes `gres/` where `gres:` was, and lists of flags.
const NEWEST: u32 = 40;
/// Variables of a login that mean nothing elsewhere.
const NOT_PASSED_ON: &[&str] =
    &["_", "PWD", "OLDPWD", "SHLVL", "SSH_", "TERM", "DISPLAY", "XDG_RUNTIME_DIR", "XDG_SESSION_"];

/// What a value is in the newer form.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    /// A number of MiB; sbatch's has a unit.
    Mib,
    /// A number of minutes; sbatch's may have hours and days.
    Minutes,
    List,
    Flag,
    /// What is asked for of generic resources, behind this.
    Tres,
}

/// Options of sbatch, with their names in both forms; an empty one is an option that the form does not have.
const OPTIONS: &[(&str, &str, &str, Kind)] = &[
    ("account", "account", "account", Kind::Text),
    ("array", "array", "array", Kind::Text),
    ("batch", "batch_features", "batch_features", Kind::Text),
    ("bb", "burst_buffer", "burst_buffer", Kind::Text),
    ("begin", "begin_time", "", Kind::Text),
    ("chdir", "current_working_directory", "current_working_directory", Kind::Text),
    ("cluster-constraint", "cluster_constraint", "cluster_constraint", Kind::Text),
    ("comment", "comment", "comment", Kind::Text),
    ("constraint", "constraints", "constraints", Kind::Text),
    ("container", "container", "container", Kind::Text),
    ("core-spec", "core_specification", "core_specification", Kind::Number),
    ("cores-per-socket", "cores_per_socket", "", Kind::Number),
    ("cpu-freq", "cpu_frequency", "cpu_frequency", Kind::Text),
    ("cpus-per-gpu", "cpus_per_gpu", "", Kind::Text),
    ("cpus-per-task", "cpus_per_task", "cpus_per_task", Kind::Number),
    ("deadline", "deadline", "", Kind::Text),
    ("delay-boot", "delay_boot", "", Kind::Text),
    ("dependency", "dependency", "dependency", Kind::Text),
    ("distribution", "distribution", "distribution", Kind::Text),
    ("error", "standard_error", "standard_error", Kind::Text),
    ("exclude", "", "excluded_nodes", Kind::List),
    ("gpu-bind", "gpu_binding", "", Kind::Text),
    ("gpu-freq", "gpu_frequency", "", Kind::Text),
    ("gpus", "gpus", "tres_per_job", Kind::Tres),
    ("gpus-per-node", "gpus_per_node", "tres_per_node", Kind::Tres),
    ("gpus-per-socket", "gpus_per_socket", "tres_per_socket", Kind::Tres),
    ("gpus-per-task", "gpus_per_task", "tres_per_task", Kind::Tres),
    ("gres", "gres", "tres_per_node", Kind::Tres),
    ("gres-flags", "gres_flags", "", Kind::Text),
    ("hold", "hold", "hold", Kind::Flag),
    ("input", "standard_input", "standard_input", Kind::Text),
    ("job-name", "name", "name", Kind::Text),
    ("kill-on-invalid-dep", "kill_on_invalid_dependency", "", Kind::Text),
    ("licenses", "licenses", "licenses", Kind::Text),
    ("mail-type", "mail_type", "mail_type", Kind::List),
    ("mail-user", "mail_user", "mail_user", Kind::Text),
    ("mcs-label", "mcs_label", "mcs_label", Kind::Text),
    ("mem", "memory_per_node", "memory_per_node", Kind::Mib),
    ("mem-bind", "memory_binding", "", Kind::Text),
    ("mem-per-cpu", "memory_per_cpu", "memory_per_cpu", Kind::Mib),
    ("mem-per-gpu", "memory_per_gpu", "", Kind::Mib),
    ("mincpus", "minimum_cpus_per_node", "minimum_cpus_per_node", Kind::Number),
    ("network", "", "network", Kind::Text),
    ("nice", "nice", "nice", Kind::Number),
    ("nodelist", "nodelist", "required_nodes", Kind::List),
    ("nodes", "nodes", "nodes", Kind::Text),
    ("ntasks", "tasks", "tasks", Kind::Number),
    ("ntasks-per-core", "tasks_per_core", "tasks_per_core", Kind::Number),
    ("ntasks-per-node", "tasks_per_node", "tasks_per_node", Kind::Number),
    ("ntasks-per-socket", "tasks_per_socket", "tasks_per_socket", Kind::Number),
    ("output", "standard_output", "standard_output", Kind::Text),
    ("overcommit", "", "overcommit", Kind::Flag),
    ("oversubscribe", "oversubscribe", "oversubscribe", Kind::Flag),
    ("partition", "partition", "partition", Kind::Text),
    ("prefer", "prefer", "prefer", Kind::Text),
    ("qos", "qos", "qos", Kind::Text),
    ("reboot", "", "reboot", Kind::Flag),
    ("requeue", "requeue", "requeue", Kind::Flag),
    ("reservation", "reservation", "reservation", Kind::Text),
    ("signal", "signal", "", Kind::Text),
    ("sockets-per-node", "sockets_per_node", "sockets_per_node", Kind::Number),
    ("spread-job", "spread_job", "", Kind::Flag),
    ("thread-spec", "thread_specification", "thread_specification", Kind::Number),
    ("threads-per-core", "threads_per_core", "threads_per_core", Kind::Number),
    ("time", "time_limit", "time_limit", Kind::Minutes),
    ("time-min", "time_minimum", "time_minimum", Kind::Minutes),
    ("tmp", "", "temporary_disk_per_node", Kind::Mib),
    ("wait-all-nodes", "wait_all_nodes", "", Kind::Text),
    ("wckey", "wckey", "wckey", Kind::Text),
];

/// Returns the body of a submission. `words` are those of `sbatch`: options, then the script's path, then its arguments; `environment`
/// has `NAME=value`.
///
/// # Errors
/// What the service cannot be asked for.
pub(super) fn body(version: u32, words: &[&str], script: &str, environment: &[String]) -> Result<Value, String> {
    let at = words.iter().position(|word| !word.starts_with("--")).unwrap_or(words.len());
    let (options, rest) = words.split_at(at);
    let mut job = Map::new();
    // A word counts over a directive, and a later one over an earlier.
    let written = script.lines().take_while(|line| line.starts_with('#')).filter_map(directive);
    let given = options.iter().filter(|word| **word != "--parsable").map(|word| (*word).to_owned());
    for option in written.chain(given) {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option.as_str(), None),
        };
        put(version, &mut job, name.trim_start_matches('-'), value)?;
    }
    let passes = |line: &&String| !NOT_PASSED_ON.iter().any(|begins| passed(line, begins));
    let passed_on: Vec<&String> = environment.iter().filter(passes).collect();
    let here = environment.iter().find_map(|line| line.strip_prefix("HOME="));
    if let Some(home) = here {
        job.entry("current_working_directory").or_insert_with(|| json!(home));
    }
    let script = with_arguments(script, rest.get(1..).unwrap_or_default());
    if version < NEWER {
        let pairs = passed_on.iter().filter_map(|line| line.split_once('='));
        job.insert("environment".to_owned(), pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect());
        return Ok(json!({"script": script, "job": job}));
    }
    job.insert("environment".to_owned(), json!(passed_on));
    job.insert("script".to_owned(), json!(script));
    Ok(json!({"job": job}))
}

/// Says whether a line of the environment is the variable, or one of those that begin so.
fn passed(line: &str, begins: &str) -> bool {
    match begins.ends_with('_') && begins.len() > 1 {
        true => line.starts_with(begins),
        false => line.split('=').next() == Some(begins),
    }
}

/// A line of the script that is an option for sbatch, as `script::directive` writes it.
fn directive(line: &str) -> Option<String> {
    let option = line.strip_prefix("#SBATCH ")?;
    let Some((name, quoted)) = option.split_once("=\"") else { return Some(option.to_owned()) };
    let mut value = String::new();
    let mut letters = quoted.strip_suffix('"').unwrap_or(quoted).chars();
    while let Some(letter) = letters.next() {
        value.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    Some(format!("{name}={value}"))
}

fn put(version: u32, job: &mut Map<String, Value>, option: &str, value: Option<&str>) -> Result<(), String> {
    let cannot = || {
        let why = "Slurm's REST service cannot be asked for";
        Err(format!("{why} --{option}; leave the option out, or `rest` out of the cluster, so that sbatch is used"))
    };
    match option {
        "exclusive" if version < NEWER => drop(job.insert("exclusive".to_owned(), json!(value.unwrap_or("exclusive")))),
        "exclusive" if version < NEWEST => drop(job.insert("exclusive".to_owned(), json!([value.unwrap_or("true")]))),
        "exclusive" => drop(job.insert("shared".to_owned(), json!([value.unwrap_or("none")]))),
        "no-requeue" if version < NEWER => drop(job.insert("requeue".to_owned(), json!("false"))),
        "no-requeue" => drop(job.insert("requeue".to_owned(), json!(false))),
        "open-mode" if version < NEWEST => drop(job.insert("open_mode".to_owned(), json!(value))),
        "open-mode" => {
            drop(job.insert("open_mode".to_owned(), json!([value.unwrap_or_default().to_ascii_uppercase()])));
        }
        _ => {
            let Some((_, old, new, kind)) = OPTIONS.iter().find(|(name, ..)| *name == option) else { return cannot() };
            let name = if version < NEWER { old } else { new };
            if name.is_empty() {
                return cannot();
            }
            let text = value.unwrap_or("true");
            let value = match version < NEWER {
                true => Some(json!(text)),
                false => newer(version, *kind, option, text),
            };
            let Some(value) = value else {
                return Err(format!("`{text}` is no value of --{option} that is understood here"));
            };
            match (job.get(*name).and_then(Value::as_str), kind) {
                // GPUs of a node, and other things of it.
                (Some(before), Kind::Tres) if version >= NEWER => {
                    let both = format!("{before},{}", value.as_str().unwrap_or_default());
                    job.insert((*name).to_owned(), json!(both));
                }
                _ => drop(job.insert((*name).to_owned(), value)),
            }
        }
    }
    Ok(())
}

/// Returns a value in the newer form.
fn newer(version: u32, kind: Kind, option: &str, text: &str) -> Option<Value> {
    let set = |number: u64| json!({"set": true, "infinite": false, "number": number});
    Some(match kind {
        Kind::Text => json!(text),
        Kind::Flag => json!(text != "false"),
        Kind::Number => json!(text.parse::<i64>().ok()?),
        Kind::List => json!(text.split(',').collect::<Vec<_>>()),
        Kind::Mib => set(mib(text)?),
        Kind::Minutes => set(minutes(text)?),
        Kind::Tres => {
            let mark = if version < NEWEST { "gres:" } else { "gres/" };
            let one = |part: &str| match option == "gres" {
                true => format!("{mark}{part}"),
                false => format!("{mark}gpu:{part}"),
            };
            json!(text.split(',').map(one).collect::<Vec<_>>().join(","))
        }
    })
}

/// A size as sbatch has it: MiB, or with a unit.
fn mib(text: &str) -> Option<u64> {
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "M"),
    };
    let number: u64 = digits.parse().ok()?;
    match unit.to_ascii_uppercase().as_str() {
        "K" | "KB" => Some(number.div_ceil(1024)),
        "M" | "MB" => Some(number),
        "G" | "GB" => number.checked_mul(1024),
        "T" | "TB" => number.checked_mul(1 << 20),
        _ => None,
    }
}

/// A time as sbatch has it: minutes, minutes:seconds, hours:minutes:seconds, days-hours and so on; in minutes, rounded up.
fn minutes(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (Some(days.parse::<u64>().ok()?), clock),
        None => (None, text),
    };
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let seconds = match (days, parts.as_slice()) {
        (None, [minutes]) => minutes * 60,
        (None, [minutes, seconds]) => minutes * 60 + seconds,
        (Some(_), [hours]) => hours * 3600,
        (Some(_), [hours, minutes]) => hours * 3600 + minutes * 60,
        (_, [hours, minutes, seconds]) => hours * 3600 + minutes * 60 + seconds,
        _ => return None,
    };
    Some((days.unwrap_or_default() * 86_400 + seconds).div_ceil(60))
}

/// The service gives a script no arguments in all versions: they are set behind its directives.
fn with_arguments(script: &str, arguments: &[&str]) -> String {
    if arguments.is_empty() {
        return script.to_owned();
    }
    let mut set = "set --".to_owned();
    for argument in arguments {
        set.push(' ');
        crate::transport::frame::quote_into(&mut set, argument);
    }
    set.push('\n');
    let head: usize = script.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
    let (head, rest) = script.split_at(head);
    format!("{head}{set}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/sh\n#SBATCH --job-name=\"a \\\"b\\\"\"\n#SBATCH --time=1-02:00\n#SBATCH --mem=2G\n#SBATCH --gres=gpu:a100:2\n\
                          #SBATCH --nodes=2\n#SBATCH --ntasks-per-node=4\n#SBATCH --open-mode=append\n#SBATCH --exclusive\necho \"$1\"\n#SBATCH --no=1\n";
    const WORDS: &[&str] = &["--parsable", "--comment=ostler-x-1.1.m0", "--nodes=3", "/d/script", "/a b"];

    fn environment() -> Vec<String> {
        ["HOME=/home/u", "PATH=/bin", "SSH_CLIENT=x", "_=/bin/env", "_X=1", "A=b\nc=d"].map(str::to_owned).to_vec()
    }

    #[test]
    fn words_and_directives_become_a_body_of_22_05() {
        let body = body(38, WORDS, SCRIPT, &environment()).unwrap();
        let script = body["script"].as_str().unwrap();
        assert!(script.contains("#SBATCH --exclusive\nset -- '/a b'\necho"), "{script}");
        let job = json!({
            "name": "a \"b\"", "time_limit": "1-02:00", "memory_per_node": "2G", "gres": "gpu:a100:2", "nodes": "3",
            "tasks_per_node": "4", "open_mode": "append", "exclusive": "exclusive", "comment": "ostler-x-1.1.m0",
            "current_working_directory": "/home/u", "environment": {"HOME": "/home/u", "PATH": "/bin", "_X": "1", "A": "b\nc=d"},
        });
        assert_eq!(body["job"], job);
    }

    #[test]
    fn newer_versions_have_numbers_and_lists() {
        let job = &body(41, WORDS, SCRIPT, &environment()).unwrap()["job"];
        let set = |number: u64| json!({"set": true, "infinite": false, "number": number});
        assert_eq!((&job["time_limit"], &job["memory_per_node"]), (&set(1560), &set(2048)));
        assert_eq!((&job["tres_per_node"], &job["tasks_per_node"]), (&json!("gres/gpu:a100:2"), &json!(4)));
        assert_eq!((&job["open_mode"], &job["shared"]), (&json!(["APPEND"]), &json!(["none"])));
        assert_eq!(job["environment"], json!(["HOME=/home/u", "PATH=/bin", "_X=1", "A=b\nc=d"]));
        assert!(job["script"].as_str().unwrap().starts_with("#!/bin/sh\n"));
        let both = body(39, &["--gres=ssd:1", "--gpus-per-node=2", "s"], "", &[]).unwrap();
        assert_eq!(both["job"]["tres_per_node"], "gres:ssd:1,gres:gpu:2");
    }

    #[test]
    fn what_it_cannot_be_asked_for_is_said() {
        for (version, word) in
            [(38, "--exclude=h1"), (41, "--begin=noon"), (41, "--no-such"), (41, "--time=soon"), (41, "--mem=1X")]
        {
            let said = body(version, &[word, "s"], "", &[]).unwrap_err();
            assert!(said.contains(word.split('=').next().unwrap()), "{said}");
        }
        assert!(body(38, &["--no-requeue", "s"], "", &[]).unwrap()["job"]["requeue"] == "false");
    }

    #[test]
    fn times_are_those_of_sbatch() {
        for (text, expected) in [("7", 7), ("7:30", 8), ("1:00:00", 60), ("1-1", 1500), ("1-0:30", 1470), ("0-00:00:01", 1)]
        {
            assert_eq!(minutes(text), Some(expected), "{text}");
        }
        assert_eq!((minutes("x"), minutes("1:2:3:4"), mib("4k"), mib("")), (None, None, Some(1), None));
    }
}
