//! The fields of a job's form beyond the first ones, as texts: what it asks of nodes, directories, mounts, its container, what
//! it comes after. Each is one line or one entry a line; what does not fit into that is kept aside and shown in the text.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cluster::{put_mounts, take_mounts};
use super::draft::Field;
use crate::model::names::check_variable;
use crate::model::spec::container::{ContainerSettings, ImageSourceRegistry};
use crate::model::spec::job::{InputDirectory, OutputDirectory};
use crate::model::spec::mounts::FileServerMount;
use crate::model::spec::scheduling::{ATTEMPTS_MAX, Begin, Retry};
use crate::model::spec::{Code, Demand, JobSpec, Resources, body};
use crate::model::units::Bytes;
use crate::tui::here;

/// What is typed there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// `gpus=1 cpus=4 memory=16G`; empty: the whole node.
    pub resources: String,
    /// File servers, `NAME [PATH]` a line.
    pub mounts: String,
    /// The image of its container.
    pub image: String,
    /// `DIRECTORY`, or `DIRECTORY @DIGEST` for what was kept of it already.
    pub code: String,
    /// `ID=PATH` a line.
    pub inputs: String,
    /// `ID=PREFIX`, or `ID=PREFIX > FOLDER`, a line.
    pub outputs: String,
    /// Where its logs go.
    pub logs: String,
    /// `ok:JOB`, `any:JOB` or `start:JOB`, with blanks between them.
    pub after: String,
    /// Not before.
    pub begin: String,
    /// How often it is tried.
    pub attempts: String,
}

/// What stands before a job that is waited for.
const AFTER: [&str; 3] = ["ok", "any", "start"];

impl More {
    /// Returns the texts of a job.
    pub fn of(spec: &JobSpec) -> Self {
        let mut volumes = match serde_json::to_value(&spec.mount_volumes) {
            Ok(Value::Object(map)) => map,
            Ok(_) | Err(_) => Map::new(),
        };
        let input = |dir: &InputDirectory| format!("{}={}", dir.id, dir.path);
        let output = |dir: &OutputDirectory| match &dir.path_suffix {
            Some(folder) => format!("{}={} > {folder}", dir.id, dir.path_prefix),
            None => format!("{}={}", dir.id, dir.path_prefix),
        };
        let scheduling = &spec.scheduling;
        let lists = [&scheduling.after_ok, &scheduling.after_any, &scheduling.after];
        let after = AFTER.iter().zip(lists).flat_map(|(word, jobs)| jobs.iter().map(move |job| format!("{word}:{job}")));
        let joined = |lines: Vec<String>| lines.join("\n");
        Self {
            resources: spec.demand.part().map(words_of).unwrap_or_default(),
            mounts: take_mounts(&mut volumes),
            image: spec.container_settings.as_ref().map(|c| c.image_source_registry.image.clone()).unwrap_or_default(),
            code: spec.code.as_deref().map(code_text).unwrap_or_default(),
            inputs: joined(spec.input_directories.iter().map(input).collect()),
            outputs: joined(spec.output_directories.iter().map(output).collect()),
            logs: spec.std_out_err_path_prefix.clone().unwrap_or_default(),
            after: after.collect::<Vec<_>>().join(" "),
            begin: scheduling.begin_time.map(String::from).unwrap_or_default(),
            attempts: scheduling.retry.as_ref().map(|retry| retry.max_attempts.to_string()).unwrap_or_default(),
        }
    }

    /// Puts the texts into a job; what is wrong with one leaves that part as it is.
    pub fn put(&self, spec: &mut JobSpec) -> Vec<(Field, String)> {
        let mut wrong = Vec::new();
        let mut keep = |field, result: Result<(), String>| wrong.extend(result.err().map(|what| (field, what)));
        keep(Field::Resources, resources(&self.resources).map(|demand| spec.demand = demand));
        let lines = self.mounts.lines().map(str::trim).filter(|line| !line.is_empty());
        let mounts: Vec<FileServerMount> = lines.map(mount).collect();
        if !mounts.is_empty() {
            spec.mount_volumes.file_servers = mounts;
        }
        let faults = spec.mount_volumes.check_places();
        keep(Field::Mounts, faults.into_iter().next().map_or(Ok(()), |(_, what)| Err(what)));
        spec.container_settings = image(self.image.trim(), spec.container_settings.take());
        let known = spec.code.take();
        keep(Field::Code, code(self.code.trim(), known.as_deref()).map(|code| spec.code = code.map(Box::new)));
        let inputs = pairs(&self.inputs).map(|pairs| {
            spec.input_directories = pairs.into_iter().map(|(id, path)| InputDirectory { id, path }).collect();
        });
        keep(Field::Inputs, inputs);
        let outputs = pairs(&self.outputs).map(|pairs| spec.output_directories = pairs.into_iter().map(output).collect());
        keep(Field::Outputs, outputs);
        spec.std_out_err_path_prefix = some(&self.logs);
        keep(Field::Logs, prefix(self.logs.trim()));
        keep(Field::After, self.put_after(spec));
        let begin = some(&self.begin).map(|text| text.parse::<Begin>()).transpose();
        keep(Field::Begin, begin.map(|begin| spec.scheduling.begin_time = begin));
        let retry = spec.scheduling.retry.take();
        keep(Field::Attempts, attempts(self.attempts.trim(), retry).map(|retry| spec.scheduling.retry = retry));
        wrong
    }

    fn put_after(&self, spec: &mut JobSpec) -> Result<(), String> {
        let mut lists: [Vec<String>; 3] = Default::default();
        for word in self.after.split([' ', ',', '\n']).filter(|word| !word.is_empty()) {
            let (kind, job) = word.split_once(':').unwrap_or((AFTER[0], word));
            let at = AFTER.iter().position(|known| *known == kind);
            let list = at.ok_or_else(|| format!("`{kind}`: a job is waited for as ok:JOB, any:JOB or start:JOB"))?;
            if job.is_empty() {
                return Err(format!("`{word}` names no job"));
            }
            lists[list].push(job.to_owned());
        }
        let [ok, any, start] = lists;
        (spec.scheduling.after_ok, spec.scheduling.after_any, spec.scheduling.after) = (ok, any, start);
        Ok(())
    }

    /// Puts the texts into the body of a job, what is wrong included, so that the text names it where it stands.
    pub fn write(&self, body: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
        match resources(&self.resources) {
            Ok(Demand::Part(part)) => put("resources", body::resources(&part)),
            Ok(Demand::WholeNode) => {}
            Err(_) => put("resources", json!(self.resources.trim())),
        }
        match pairs(&self.inputs) {
            Ok(pairs) if pairs.is_empty() => {}
            Ok(pairs) => {
                let each = pairs.into_iter().map(|(id, path)| json!({"id": id, "path": path}));
                put("inputDirectories", each.collect());
            }
            Err(_) => put("inputDirectories", json!(self.inputs)),
        }
        match pairs(&self.outputs) {
            Ok(pairs) if pairs.is_empty() => {}
            Ok(pairs) => put("outputDirectories", pairs.into_iter().map(|pair| json!(output(pair))).collect()),
            Err(_) => put("outputDirectories", json!(self.outputs)),
        }
        for (key, text) in [("stdOutErrPathPrefix", &self.logs), ("beginTime", &self.begin)] {
            if let Some(text) = some(text) {
                put(key, json!(text));
            }
        }
        let mut spec = JobSpec::command(String::new());
        match self.put_after(&mut spec) {
            Ok(()) => {
                let lists = [
                    ("afterOk", &spec.scheduling.after_ok),
                    ("afterAny", &spec.scheduling.after_any),
                    ("after", &spec.scheduling.after),
                ];
                lists.into_iter().filter(|(_, jobs)| !jobs.is_empty()).for_each(|(key, jobs)| put(key, json!(jobs)));
            }
            Err(_) => put("afterOk", json!(self.after.trim())),
        }
        if let Some(text) = some(&self.attempts) {
            let retry = body.entry("retry").or_insert_with(|| json!({}));
            if let Some(retry) = retry.as_object_mut() {
                retry.insert("maxAttempts".to_owned(), super::text::number(&text));
            }
        } else {
            body.remove("retry");
        }
        let known: Option<Code> = body.remove("code").and_then(|known| serde_json::from_value(known).ok());
        match code(self.code.trim(), known.as_ref()) {
            Ok(None) => {}
            Ok(Some(code)) => drop(body.insert("code".to_owned(), json!(code))),
            Err(_) => drop(body.insert("code".to_owned(), json!(self.code.trim()))),
        }
        if let Some(image) = some(&self.image) {
            let settings = body.entry("containerSettings").or_insert_with(|| json!({"imageSourceRegistry": {}}));
            if let Some(registry) = settings.get_mut("imageSourceRegistry").and_then(Value::as_object_mut) {
                registry.insert("image".to_owned(), json!(image));
            }
        } else {
            body.remove("containerSettings");
        }
        if !self.mounts.trim().is_empty() {
            put_mounts(body, "mountVolumes", &self.mounts);
        }
    }
}

fn some(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn mount(line: &str) -> FileServerMount {
    let (server, path) = line.split_once(char::is_whitespace).unwrap_or((line, line));
    let (file_server, relative_mount_path) = (server.to_owned(), path.trim().to_owned());
    FileServerMount { file_server, source_directory: None, relative_mount_path, mount_options: None }
}

fn output((id, path): (String, String)) -> OutputDirectory {
    let (prefix, folder) = match path.split_once(" > ") {
        Some((prefix, folder)) => (prefix.trim().to_owned(), Some(folder.trim().to_owned())),
        None => (path, None),
    };
    OutputDirectory { id, path_prefix: prefix, path_suffix: folder }
}

/// Reads `ID=PATH` lines.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (id, path) = line.split_once('=').ok_or_else(|| format!("`{line}` has no `=`; the form is ID=path"))?;
        let (id, path) = (id.trim(), path.trim());
        check_variable(id)?;
        if path.is_empty() {
            return Err(format!("`{id}` has no path"));
        }
        if found.iter().any(|(other, _)| other == id) {
            return Err(format!("`{id}` is there twice"));
        }
        found.push((id.to_owned(), path.to_owned()));
    }
    Ok(found)
}

fn prefix(text: &str) -> Result<(), String> {
    match text {
        "" => Ok(()),
        text if !text.starts_with(['/', '$']) => Err("must be an absolute path or begin with a variable".to_owned()),
        text if text.split('/').any(|part| part == "..") => Err("has `..` in it".to_owned()),
        _ => Ok(()),
    }
}

fn image(image: &str, known: Option<Box<ContainerSettings>>) -> Option<Box<ContainerSettings>> {
    if image.is_empty() {
        return None;
    }
    let empty = ImageSourceRegistry { image: String::new(), server_url: None, credentials: None };
    let mut settings = known.unwrap_or_else(|| Box::new(ContainerSettings { image_source_registry: empty, shm_size: None }));
    settings.image_source_registry.image = image.to_owned();
    Some(settings)
}

fn code_text(code: &Code) -> String {
    match code.digest() {
        Some(digest) => format!("{} @{}", code.directory, digest.short()),
        None => code.directory.clone(),
    }
}

/// Reads `DIRECTORY` or `DIRECTORY @DIGEST`; `known` is what the job had before, kept while the text says so.
fn code(text: &str, known: Option<&Code>) -> Result<Option<Code>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(known) = known.filter(|known| code_text(known) == text) {
        return Ok(Some(known.clone()));
    }
    let (directory, digest) = text.rsplit_once(" @").map_or((text, None), |(directory, digest)| (directory, Some(digest)));
    if let Some(digest) = digest {
        return Err(format!("@{digest} is not what was kept of it; without that, `{directory}` is taken as it is now"));
    }
    let directory = here::path(directory).map_err(|error| format!("`{directory}`: {error}"))?;
    // What was let pass by name is meant for this directory alone.
    let allow = known.filter(|known| known.directory == directory).map(|known| known.allow.clone()).unwrap_or_default();
    Ok(Some(Code { allow, ..Code::of(directory) }))
}

fn attempts(text: &str, known: Option<Retry>) -> Result<Option<Retry>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse::<u32>().map_err(|_| format!("`{}` is no number of attempts", text.escape_debug()))?;
    if !(1..=ATTEMPTS_MAX).contains(&number) {
        return Err(format!("{number} attempts: from 1 to {ATTEMPTS_MAX}"));
    }
    let retry = known.unwrap_or_else(|| Retry::attempts(number));
    Ok(Some(Retry { max_attempts: number, ..retry }))
}

/// Reads `gpus=1 cpus=4 memory=16G`.
fn resources(text: &str) -> Result<Demand, String> {
    let mut part = Resources::default();
    for word in text.split([' ', ',', '\n']).filter(|word| !word.is_empty()) {
        let (name, count) = word.split_once('=').ok_or_else(|| format!("`{word}` has no `=`; as in gpus=1 memory=16G"))?;
        match name {
            "gpus" => part.gpus_milli = thousandths(name, count)?,
            "cpus" => part.cpus_milli = thousandths(name, count)?,
            "memory" => part.memory = Bytes::parse(count)?,
            _ => {
                let count = count.parse().map_err(|_| format!("`{count}` is no number of {name}"))?;
                part.other.insert(name.to_owned(), count);
            }
        }
    }
    Ok(if part == Resources::default() { Demand::WholeNode } else { Demand::Part(part) })
}

fn thousandths(name: &str, text: &str) -> Result<u64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && (0.0..1e9).contains(number));
    let number = number.ok_or_else(|| format!("`{text}` is no number of {name}"))?;
    Ok((number * 1000.0).round() as u64)
}

/// Returns resources as they are typed, without loss.
fn words_of(part: &Resources) -> String {
    let milli = |milli: u64| {
        if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{}", milli as f64 / 1000.0) }
    };
    let mut words = BTreeMap::new();
    for (order, name, count) in [(0, "gpus", part.gpus_milli), (1, "cpus", part.cpus_milli)] {
        if count > 0 {
            words.insert(order, format!("{name}={}", milli(count)));
        }
    }
    if part.memory.0 > 0 {
        let shift = [(30, "G"), (20, "M"), (10, "K")].into_iter().find(|(bits, _)| part.memory.0.trailing_zeros() >= *bits);
        let text =
            shift.map_or_else(|| part.memory.0.to_string(), |(bits, unit)| format!("{}{unit}", part.memory.0 >> bits));
        words.insert(2, format!("memory={text}"));
    }
    let other = part.other.iter().map(|(name, count)| format!("{name}={count}"));
    words.into_values().chain(other).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rich() -> JobSpec {
        serde_json::from_value(json!({
            "cluster": "gpu", "nodeCount": 1, "customToolkitSettings": {"commandLine": "x"},
            "demand": {"part": {"cpusMilli": 1500, "memory": 17_179_869_184_u64, "gpusMilli": 2000, "other": {"tpu": 3}}},
            "mountVolumes": {"fileServers": [{"fileServer": "data", "relativeMountPath": "in"}]},
            "containerSettings": {"imageSourceRegistry": {"image": "torch:2"}, "shmSize": 1024},
            "inputDirectories": [{"id": "DATA", "path": "$AZ_BATCHAI_MOUNT_ROOT/in"}],
            "outputDirectories": [{"id": "MODEL", "pathPrefix": "/out", "pathSuffix": "m"}, {"id": "B", "pathPrefix": "/b"}],
            "code": {"directory": "/home/ada/study", "allow": [".env.example"]},
            "stdOutErrPathPrefix": "/logs", "afterOk": ["run-1"], "afterAny": ["e/run-2"], "after": ["job-7"],
            "beginTime": "PT2H", "retry": {"maxAttempts": 4, "on": ["timeLimit"]},
        }))
        .expect("a job")
    }

    #[test]
    fn a_job_comes_back_from_its_texts() {
        let spec = rich();
        let more = More::of(&spec);
        assert_eq!(more.resources, "gpus=2 cpus=1.5 memory=16G tpu=3");
        assert_eq!(more.outputs, "MODEL=/out > m\nB=/b");
        assert_eq!(more.after, "ok:run-1 any:e/run-2 start:job-7");
        assert_eq!(more.code, "/home/ada/study");
        // From what has no field: which files of the code are let pass, the size of shared memory, and after what it is tried again.
        let mut other = JobSpec {
            code: spec.code.clone(),
            container_settings: spec.container_settings.clone(),
            scheduling: crate::model::spec::Scheduling { retry: spec.scheduling.retry.clone(), ..Default::default() }.into(),
            ..JobSpec::command("x".to_owned())
        };
        assert_eq!(more.put(&mut other), []);
        assert_eq!(JobSpec { cluster: spec.cluster.clone(), toolkit: spec.toolkit.clone(), ..other }, spec);
    }

    #[test]
    fn code_is_kept_until_another_directory_is_typed() {
        let kept: Code = serde_json::from_value(json!({
            "directory": "/p", "allow": ["a.pem"], "snapshot": {"digest": "ab".repeat(32), "files": 1, "bytes": 2},
        }))
        .expect("code");
        let text = code_text(&kept);
        assert_eq!(text, "/p @abababababab");
        assert_eq!(code(&text, Some(&kept)), Ok(Some(kept.clone())));
        assert_eq!(code("", Some(&kept)), Ok(None));
        let anew = Code { snapshot: None, ..kept.clone() };
        assert_eq!(code("/p", Some(&kept)), Ok(Some(anew)), "the directory as it is now");
        assert_eq!(code("/q/", Some(&kept)), Ok(Some(Code::of("/q"))));
        assert!(code("/p @abab", Some(&kept)).unwrap_err().contains("`/p` is taken as it is now"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(code("x/y", None).unwrap().unwrap().directory, here.join("x/y").to_str().unwrap());
        assert!(!code("~/x", None).unwrap().unwrap().directory.contains('~'));
    }

    #[test]
    fn each_fault_stands_at_its_field() {
        type Change = fn(&mut More);
        let cases: &[(&str, Change, Field, &str)] = &[
            ("no count", |m| m.resources = "gpus".into(), Field::Resources, "no `=`"),
            ("a word", |m| m.resources = "cpus=many".into(), Field::Resources, "no number of cpus"),
            ("no size", |m| m.resources = "memory=x".into(), Field::Resources, ""),
            ("outside", |m| m.mounts = "data ../x".into(), Field::Mounts, ".."),
            ("no path", |m| m.inputs = "A=".into(), Field::Inputs, "has no path"),
            ("twice", |m| m.outputs = "A=/x\nA=/y".into(), Field::Outputs, "there twice"),
            ("relative", |m| m.logs = "logs".into(), Field::Logs, "absolute"),
            ("a kind", |m| m.after = "soon:x".into(), Field::After, "ok:JOB"),
            ("a day", |m| m.begin = "tomorrow".into(), Field::Begin, "neither"),
            ("never", |m| m.attempts = "0".into(), Field::Attempts, "from 1"),
        ];
        for (name, break_it, field, what) in cases {
            let mut more = More::default();
            break_it(&mut more);
            let wrong = more.put(&mut JobSpec::command("x".to_owned()));
            assert!(wrong.len() == 1 && wrong[0].0 == *field && wrong[0].1.contains(what), "{name}: {wrong:?}");
        }
    }
}
