//! Reads a script for `sbatch` as a job: its `#SBATCH` lines are what it asks for, its text is what runs. Called by who reads a
//! job's file. What has a property of ours becomes that property, so that the script runs on any cluster; what only Slurm knows is
//! kept as an option of `sbatch`.
//!
//! Source: `sbatch --help` of Slurm 22.05.8 for the letters, and for which options need no value.

use crate::model::names::check_name;
use crate::model::spec::doc::{Doc, Entry, Place, Value};
use crate::model::spec::fields::{FileFault, quoted};
use crate::model::state::job::ARRAY_INDEX;

/// What a line with options begins with.
const DIRECTIVE: &str = "#SBATCH";
/// Options of one letter, and what they stand for.
const SHORT: &[(char, &str)] = &[
    ('A', "account"),
    ('a', "array"),
    ('B', "extra-node-info"),
    ('b', "begin"),
    ('C', "constraint"),
    ('c', "cpus-per-task"),
    ('D', "chdir"),
    ('d', "dependency"),
    ('e', "error"),
    ('F', "nodefile"),
    ('G', "gpus"),
    ('H', "hold"),
    ('i', "input"),
    ('J', "job-name"),
    ('k', "no-kill"),
    ('L', "licenses"),
    ('M', "clusters"),
    ('m', "distribution"),
    ('N', "nodes"),
    ('n', "ntasks"),
    ('O', "overcommit"),
    ('o', "output"),
    ('p', "partition"),
    ('Q', "quiet"),
    ('q', "qos"),
    ('S', "core-spec"),
    ('s', "oversubscribe"),
    ('t', "time"),
    ('v', "verbose"),
    ('W', "wait"),
    ('w', "nodelist"),
    ('x', "exclude"),
];
/// Options that stand alone, or have their value behind `=`.
const ALONE: &[&str] = &[
    "contiguous",
    "exclusive",
    "get-user-env",
    "hold",
    "ignore-pbs",
    "nice",
    "no-kill",
    "no-requeue",
    "overcommit",
    "oversubscribe",
    "parsable",
    "propagate",
    "quiet",
    "reboot",
    "requeue",
    "spread-job",
    "test-only",
    "use-min-nodes",
    "verbose",
    "wait",
];
/// Options without a meaning here: where output goes, how a job is found again and what `sbatch` prints is our matter.
const OURS: &[&str] =
    &["comment", "error", "open-mode", "output", "parsable", "quiet", "test-only", "verbose", "wait", "wrap"];
/// Programs that take a text to run, and the option they take it by.
const INTERPRETERS: &[(&str, &str)] = &[
    ("ash", "-c"),
    ("bash", "-c"),
    ("dash", "-c"),
    ("ksh", "-c"),
    ("mksh", "-c"),
    ("perl", "-e"),
    ("python", "-c"),
    ("ruby", "-e"),
    ("sh", "-c"),
    ("zsh", "-c"),
];

/// Says whether a text is a script, and no file in a language of ours: it names its interpreter, and asks something of `sbatch`.
pub fn is_script(text: &str) -> bool {
    text.starts_with("#!") && text.lines().any(|line| words_of(line).is_some())
}

/// Reads a script as the tree of a job's file; each value stands where its option does.
///
/// # Errors
/// All that is wrong with its lines of options.
pub fn read(text: &str) -> Result<Doc, Vec<FileFault>> {
    let mut script = Script {
        properties: Doc { place: TOP, value: Value::Map(Vec::new()) },
        slurm: Vec::new(),
        options: Vec::new(),
        directory: None,
        gpus: None,
        faults: Vec::new(),
    };
    let mut place = TOP;
    for line in text.lines() {
        if let Some(words) = words_of(line) {
            script.options(place, words);
        } else if !line.trim_start().is_empty() && !line.starts_with('#') {
            break;
        }
        place.line += 1;
    }
    script.finish(text)
}

/// The first line.
const TOP: Place = Place { line: 1, column: 1 };

/// Returns what stands behind `#SBATCH`.
fn words_of(line: &str) -> Option<&str> {
    line.strip_prefix(DIRECTIVE).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// A job as far as it was read.
struct Script {
    properties: Doc,
    /// What is asked of Slurm alone.
    slurm: Vec<Entry>,
    options: Vec<Doc>,
    /// Where it runs, when that is said.
    directory: Option<String>,
    /// GPUs of the whole job, until the number of its nodes is known.
    gpus: Option<(Place, String)>,
    faults: Vec<FileFault>,
}

impl Script {
    fn options(&mut self, place: Place, line: &str) {
        let Some(words) = shlex::split(line) else {
            return self.fault(place, "", "has a quote that is not closed");
        };
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let (name, value) = match word.strip_prefix("--") {
                Some(long) => match long.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (long.to_owned(), None),
                },
                None => match short(&word) {
                    Some((name, value)) => (name.to_owned(), value),
                    None => return self.fault(place, "", format!("{} is no option of sbatch", quoted(&word))),
                },
            };
            let value = match value {
                None if !ALONE.contains(&name.as_str()) => match words.next_if(|next| !next.starts_with('-')) {
                    None => return self.fault(place, &name, "has no value"),
                    value => value,
                },
                value => value,
            };
            self.option(place, &name, value);
        }
    }

    fn option(&mut self, place: Place, name: &str, value: Option<String>) {
        let text = value.clone().unwrap_or_default();
        match name {
            "job-name" => self.name(place, &text),
            "nodes" => match text.split('-').next().filter(|least| is_number(least)) {
                Some(least) => self.put(place, &["nodeCount"], Value::Number(least.to_owned())),
                None => self.fault(place, name, format!("{} is no number of nodes", quoted(&text))),
            },
            "time" => match seconds(&text) {
                Some(0) => {}
                Some(limit) => {
                    self.put(place, &["constraints", "maxWallClockTime"], Value::Text(format!("{limit}s")));
                }
                None => self.fault(place, name, format!("{} is no time: write minutes, 1:30:00 or 2-12", quoted(&text))),
            },
            "mem" => match bytes(&text) {
                // All that a node has.
                Some(0) => self.raw(place, name, value.as_deref()),
                Some(bytes) => self.put(place, &["resources", "memory"], Value::Number(bytes.to_string())),
                None => self.fault(place, name, format!("{} is no size: write megabytes or 16G", quoted(&text))),
            },
            "cpus-per-task" if is_number(&text) => self.put(place, &["resources", "cpus"], Value::Number(text)),
            "gpus-per-node" if is_number(&text) => self.put(place, &["resources", "gpus"], Value::Number(text)),
            "gpus" if is_number(&text) => self.gpus = Some((place, text)),
            "gres" => match text.strip_prefix("gpu:").filter(|count| is_number(count)) {
                Some(count) => self.put(place, &["resources", "gpus"], Value::Number(count.to_owned())),
                None if text == "gpu" => self.put(place, &["resources", "gpus"], Value::Number("1".to_owned())),
                None => self.raw(place, name, Some(&text)),
            },
            "array" => self.put(place, &["array"], Value::Text(text)),
            "partition" | "account" | "qos" => {
                self.slurm.retain(|entry| entry.key != name);
                self.slurm.push(Entry { key: name.to_owned(), place, value: Doc { place, value: Value::Text(text) } });
            }
            "chdir" => self.directory = Some(text),
            _ if OURS.contains(&name) => {}
            _ => self.raw(place, name, value.as_deref()),
        }
    }

    /// Slurm takes any name.
    fn name(&mut self, place: Place, text: &str) {
        let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = text.chars().map(fits).collect();
        if check_name(&name).is_ok() {
            self.put(place, &["name"], Value::Text(name));
        }
    }

    fn raw(&mut self, place: Place, name: &str, value: Option<&str>) {
        let text = value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}"));
        self.options.push(Doc { place, value: Value::Text(text) });
    }

    fn put(&mut self, place: Place, path: &[&str], value: Value) {
        self.properties.put_below(path, value);
        let mut at = Some(&mut self.properties);
        for key in path {
            at = at.and_then(|doc| doc.get_mut(key));
            if let Some(doc) = at.as_deref_mut() {
                doc.place = place;
            }
        }
    }

    fn fault(&mut self, place: Place, name: &str, what: impl Into<String>) {
        let field = if name.is_empty() { DIRECTIVE.to_owned() } else { format!("--{name}") };
        self.faults.push(FileFault { place, field, what: what.into() });
    }

    fn finish(mut self, text: &str) -> Result<Doc, Vec<FileFault>> {
        if self.properties.get("nodeCount").is_none() {
            self.put(TOP, &["nodeCount"], Value::Number("1".to_owned()));
        }
        if let Some((place, count)) = self.gpus.take() {
            match self.properties.get("nodeCount").map(|nodes| &nodes.value) {
                Some(Value::Number(nodes)) if nodes == "1" => self.put(place, &["resources", "gpus"], Value::Number(count)),
                _ => self.raw(place, "gpus", Some(&count)),
            }
        }
        let array = self.properties.get("array").is_some();
        match command(text, self.directory.as_deref(), array) {
            Ok(line) => self.put(TOP, &["customToolkitSettings", "commandLine"], Value::Text(line)),
            Err(what) => self.faults.push(FileFault { place: TOP, field: "#!".to_owned(), what }),
        }
        if let Some(first) = self.options.first() {
            let place = first.place;
            let value = Doc { place, value: Value::List(std::mem::take(&mut self.options)) };
            self.slurm.push(Entry { key: "options".to_owned(), place, value });
        }
        if let Some(first) = self.slurm.first() {
            let place = first.place;
            self.put(place, &["slurm"], Value::Map(self.slurm.clone()));
        }
        if self.faults.is_empty() { Ok(self.properties) } else { Err(self.faults) }
    }
}

/// Reads `-N4` or `-N`, whose value is the next word.
fn short(word: &str) -> Option<(&'static str, Option<String>)> {
    let mut rest = word.strip_prefix('-')?.chars();
    let letter = rest.next()?;
    let name = SHORT.iter().find(|(of, _)| *of == letter)?.1;
    let value = rest.as_str();
    Some((name, (!value.is_empty()).then(|| value.to_owned())))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a time limit in seconds: `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours[:minutes[:seconds]]`; 0 for none.
fn seconds(text: &str) -> Option<u64> {
    if ["unlimited", "infinite"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(0);
    }
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(days.parse::<u64>().ok()?), rest),
        None => (None, text),
    };
    let parts = rest.split(':').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    let (hours, minutes, seconds) = match (days, parts.as_slice()) {
        (None, [minutes]) => (0, *minutes, 0),
        (None, [minutes, seconds]) => (0, *minutes, *seconds),
        (Some(_), [hours]) => (*hours, 0, 0),
        (Some(_), [hours, minutes]) => (*hours, *minutes, 0),
        (_, [hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let hours = days.unwrap_or(0).checked_mul(24)?.checked_add(hours)?;
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
}

/// Reads an amount of memory: a number, of megabytes where no unit follows.
fn bytes(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[number.len()..].to_ascii_uppercase().trim_end_matches('B') {
        "K" => 10,
        "" | "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Returns the command line that runs the text as its first line says.
fn command(text: &str, directory: Option<&str>, array: bool) -> Result<String, String> {
    let first = text.lines().next().unwrap_or_default().strip_prefix("#!").unwrap_or_default();
    let mut words: Vec<String> = first.split_whitespace().map(str::to_owned).collect();
    let Some(program) = words.iter().rfind(|word| !word.starts_with('-')).cloned() else {
        return Err("names no program".to_owned());
    };
    let base = program.rsplit('/').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let Some((_, option)) = INTERPRETERS.iter().find(|(name, _)| *name == base) else {
        let what =
            format!("{} takes no text to run: have the script on the nodes, and name it as the command", quoted(&program));
        return Err(what);
    };
    let mut line = String::new();
    if let Some(directory) = directory {
        line.push_str(&format!("cd {} && ", quote(directory)?));
    }
    if array {
        line.push_str(&format!(
            "export SLURM_ARRAY_TASK_ID=\"${ARRAY_INDEX}\" SLURM_ARRAY_TASK_COUNT=\"$OSTLER_ARRAY_COUNT\" && "
        ));
    }
    words.push((*option).to_owned());
    words.push(text.to_owned());
    let words = words.iter().map(|word| quote(word)).collect::<Result<Vec<_>, _>>()?;
    line.push_str(&format!("exec {}", words.join(" ")));
    Ok(line)
}

fn quote(text: &str) -> Result<std::borrow::Cow<'_, str>, String> {
    shlex::try_quote(text).map_err(|_| "holds a NUL byte".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json_of(text: &str) -> serde_json::Value {
        read(text).map(|doc| doc.to_json()).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    #[test]
    fn what_has_a_property_becomes_it_and_the_rest_is_kept() {
        let text = "#!/bin/bash -l\n#SBATCH --job-name=\"my run\" -N 2-4\n# a note\n\n#SBATCH -t1-12:30 --gres gpu:2 # so\n\
                    ##SBATCH --qos=not\n#SBATCH --mem=16G -c 8 -p gpu,long --exclusive --nice\n#SBATCH -o out-%j.txt -C 'a100&nvlink' -n16\n\
                    srun hostname\n#SBATCH --account=late\n";
        assert!(is_script(text));
        let got = json_of(text);
        let line = got["customToolkitSettings"]["commandLine"].as_str().unwrap();
        assert!(line.starts_with("exec /bin/bash -l -c ") && line.contains("srun hostname\n"), "{line}");
        let words = shlex::split(line).unwrap();
        assert_eq!(words.last().map(String::as_str), Some(text), "what runs is the script as it is");
        assert_eq!(
            (&got["name"], &got["nodeCount"], &got["constraints"]["maxWallClockTime"], &got["resources"]),
            (&json!("my-run"), &json!(2), &json!("131400s"), &json!({"gpus": 2, "memory": 16_u64 << 30, "cpus": 8}))
        );
        let options = ["--exclusive", "--nice", "--constraint=a100&nvlink", "--ntasks=16"];
        assert_eq!(got["slurm"], json!({"partition": "gpu,long", "options": options}));
    }

    #[test]
    fn arrays_directories_and_gpus_of_all_nodes() {
        let got = json_of("#!/usr/bin/env python3\n#SBATCH -a 0-9%3 -D /data/run -G 4\nprint(1)\n");
        let line = got["customToolkitSettings"]["commandLine"].as_str().unwrap();
        let begins = "cd /data/run && export SLURM_ARRAY_TASK_ID=\"$OSTLER_ARRAY_INDEX\" ";
        assert!(line.starts_with(begins) && line.contains(" && exec /usr/bin/env python3 -c "), "{line}");
        assert_eq!((&got["array"], &got["resources"]["gpus"]), (&json!("0-9%3"), &json!(4)));
        assert_eq!(json_of("#!/bin/sh\n#SBATCH -G 4 -N 2\ntrue\n")["slurm"]["options"], json!(["--gpus=4"]));
    }

    #[test]
    fn times_and_sizes_are_as_slurm_reads_them() {
        let times =
            [("90", 5400), ("1:30", 90), ("2:00:00", 7200), ("1-0", 86_400), ("2-1:30", 178_200), ("1-1:1:1", 90_061)];
        for (text, wanted) in times {
            assert_eq!(seconds(text), Some(wanted), "{text}");
        }
        assert_eq!((seconds("UNLIMITED"), seconds("1:2:3:4"), seconds("soon"), seconds("1-")), (Some(0), None, None, None));
        assert_eq!(
            (bytes("512"), bytes("2g"), bytes("1TB"), bytes("4x")),
            (Some(512 << 20), Some(2 << 30), Some(1 << 40), None)
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let faults =
            read("#!/usr/bin/awk -f\n#SBATCH --time=soon\n#SBATCH -N\n#SBATCH stray 'open\n#SBATCH stray\n").unwrap_err();
        let told: Vec<(u32, &str)> = faults.iter().map(|fault| (fault.place.line, fault.field.as_str())).collect();
        assert_eq!(told, [(2, "--time"), (3, "--nodes"), (4, "#SBATCH"), (5, "#SBATCH"), (1, "#!")], "{faults:?}");
        assert!(!is_script("#!/bin/sh\ntrue\n") && !is_script("nodeCount: 1\n#SBATCH -N 2\n"));
    }
}
