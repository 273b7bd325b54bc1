//! What is done with marked jobs beside acts on them: compared in a window, and written into a file.

use serde_json::{Map, Value, json};

use super::*;
use crate::model::ids::JobId;
use crate::model::metric::{JobMetrics, Stat};
use crate::model::request::PAGE_MAX;
use crate::model::spec::token;
use crate::model::state::Job;

/// Marked jobs on their way into a file.
#[derive(Debug)]
pub(super) struct Export {
    file: String,
    form: Form,
    jobs: Vec<JobId>,
    found: Vec<(JobId, JobMetrics)>,
}

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Csv,
    Json,
    Yaml,
}

impl Form {
    /// Returns the form that the end of a file's name says.
    fn of(file: &str) -> Option<Self> {
        match std::path::Path::new(file).extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

fn say(kind: ToastKind, text: impl Into<String>) -> Vec<UiEffect> {
    vec![UiEffect::Toast(Toast { kind, text: text.into() })]
}

impl App {
    /// Shows marked jobs side by side.
    pub(super) fn compare(&mut self) -> Vec<UiEffect> {
        let jobs: Vec<JobId> = self.cx.marks.iter().copied().collect();
        if jobs.len() < 2 {
            let text = format!("mark two jobs or more with {} to compare them", self.cx.key_of(CommandId::Mark));
            return say(ToastKind::Info, text);
        }
        let most = overlays::compare::JOBS_MAX;
        let mut effects = vec![UiEffect::Open(Overlay::Compare(jobs.clone()))];
        if jobs.len() > most {
            effects.extend(say(ToastKind::Info, format!("the first {most} of {} marked jobs", jobs.len())));
        }
        effects
    }

    /// Writes marked jobs into a file, after their metrics were asked for.
    pub(super) fn export_marked(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        if self.cx.marks.is_empty() {
            return say(ToastKind::Info, format!("mark jobs with {} to export them", self.cx.key_of(CommandId::Mark)));
        }
        let Some(file) = cmd.args.first() else {
            return vec![UiEffect::Open(Overlay::Palette("export-marked ".to_owned()))];
        };
        let Some(form) = Form::of(file) else {
            return say(ToastKind::Bad, "the name of the file ends in .csv, .json or .yaml");
        };
        let jobs = self.cx.marks.iter().copied().collect();
        let export = Export { file: file.clone(), form, jobs, found: Vec::new() };
        vec![self.ask_for_export(export)]
    }

    fn ask_for_export(&mut self, export: Export) -> UiEffect {
        let jobs = export.jobs.iter().skip(export.found.len()).take(PAGE_MAX as usize).copied().collect();
        self.ask(Purpose::Export(export), Request::Metrics { jobs, curves: Vec::new() })
    }

    pub(super) fn on_export(&mut self, mut export: Export, reply: Result<Reply, Fault>) -> Vec<UiEffect> {
        match reply {
            Ok(Reply::Metrics(found)) if !found.is_empty() => {
                self.cx.world.metrics.learn(&found);
                export.found.extend(found);
            }
            Ok(_) => return say(ToastKind::Bad, "the core answered something else"),
            Err(fault) => return vec![UiEffect::Toast(fault_toast(&fault))],
        }
        if export.found.len() < export.jobs.len() {
            return vec![self.ask_for_export(export)];
        }
        let jobs: Vec<(&Job, &[Stat])> = export
            .found
            .iter()
            .filter_map(|(id, metrics)| Some((&**self.cx.world.job(*id)?, metrics.stats.as_slice())))
            .collect();
        match text(&jobs, export.form, &self.cx) {
            Ok(text) => vec![UiEffect::Write(export.file, text)],
            Err(why) => say(ToastKind::Bad, format!("the jobs cannot be written: {why}")),
        }
    }
}

fn text(jobs: &[(&Job, &[Stat])], form: Form, cx: &Cx) -> Result<String, String> {
    let values: Vec<Value> = jobs.iter().map(|(job, stats)| value(job, stats, cx)).collect();
    match form {
        Form::Json => serde_json::to_string_pretty(&values).map(|text| text + "\n").map_err(|error| error.to_string()),
        Form::Yaml => serde_saphyr::to_string(&values).map_err(|error| error.to_string()),
        Form::Csv => csv_text(jobs, cx).map_err(|error| error.to_string()),
    }
}

fn place(job: &Job, cx: &Cx) -> (String, String) {
    let experiment = cx.world.experiment(job.experiment).map(|experiment| experiment.name.clone()).unwrap_or_default();
    let cluster = cx.world.cluster(job.cluster).map(|cluster| cluster.name.clone()).unwrap_or_default();
    (experiment, cluster)
}

fn parameters(job: &Job) -> Vec<(String, Value)> {
    match &job.sweep {
        Some(member) => member.parameters.clone(),
        None => crate::tui::panes::params(job).into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
    }
}

/// A number that JSON has no word for is a text there.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

fn value(job: &Job, stats: &[Stat], cx: &Cx) -> Value {
    let (experiment, cluster) = place(job, cx);
    let stat = |stat: &Stat| {
        let body = json!({
            "last": number(stat.last), "step": number(stat.step), "min": number(stat.min), "max": number(stat.max),
            "mean": number(stat.mean()), "count": stat.count,
        });
        (stat.name.clone(), body)
    };
    json!({
        "name": job.name, "id": job.id.to_string(), "experiment": experiment, "cluster": cluster,
        "executionState": job.state.word(), "exitCode": job.exit_code, "attempt": job.attempt.0, "nodes": job.node_names,
        "seconds": seconds(job, cx), "parameters": parameters(job).into_iter().collect::<Map<_, _>>(),
        "metrics": stats.iter().map(stat).collect::<Map<_, _>>(),
    })
}

fn seconds(job: &Job, cx: &Cx) -> Option<u64> {
    let started = job.started?;
    Some(job.ended.unwrap_or(cx.now).since(started).0 / 1000)
}

/// One line for each job; of a metric the last reading.
fn csv_text(jobs: &[(&Job, &[Stat])], cx: &Cx) -> Result<String, Box<dyn std::error::Error>> {
    let mut names: Vec<String> = Vec::new();
    let mut metrics: Vec<String> = Vec::new();
    let add = |list: &mut Vec<String>, name: &str| {
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
    };
    let own: Vec<Vec<(String, Value)>> = jobs.iter().map(|(job, _)| parameters(job)).collect();
    own.iter().flatten().for_each(|(name, _)| add(&mut names, name));
    jobs.iter().flat_map(|(_, stats)| *stats).for_each(|stat| add(&mut metrics, &stat.name));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head =
        ["name", "id", "experiment", "cluster", "state", "exitCode", "attempt", "nodes", "seconds"].map(str::to_owned);
    writer.write_record(head.iter().chain(&names).chain(&metrics))?;
    for ((job, stats), own) in jobs.iter().zip(&own) {
        let (experiment, cluster) = place(job, cx);
        let plain = |number: Option<String>| number.unwrap_or_default();
        let mut cells = vec![job.name.clone(), job.id.to_string(), experiment, cluster, job.state.word().to_owned()];
        cells.push(plain(job.exit_code.map(|code| code.to_string())));
        cells.push(job.attempt.0.to_string());
        cells.push(job.node_names.join(" "));
        cells.push(plain(seconds(job, cx).map(|seconds| seconds.to_string())));
        let parameter = |name: &String| own.iter().find(|(of, _)| of == name).map(|(_, value)| token::text(value));
        cells.extend(names.iter().map(|name| plain(parameter(name))));
        let metric = |name: &String| stats.iter().find(|stat| stat.name == *name).map(|stat| stat.last.to_string());
        cells.extend(metrics.iter().map(|name| plain(metric(name))));
        writer.write_record(&cells)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
