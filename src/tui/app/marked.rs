//! What is done with marked jobs beside acts on them: compared in a window, and written into a file.

use serde_json::Value;

use super::*;
use crate::model::ids::JobId;
use crate::model::metric::{JobMetrics, Stat};
use crate::model::request::PAGE_MAX;
use crate::model::sheet::{self, Form, Line};
use crate::model::state::Job;

/// Marked jobs on their way into a file.
#[derive(Debug)]
pub(super) struct Export {
    file: String,
    form: Form,
    /// Those whose metrics were not asked for yet.
    left: Vec<JobId>,
    found: Vec<(JobId, JobMetrics)>,
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
            return say(ToastKind::Bad, format!("the name of the file ends in {}", Form::ENDS));
        };
        let left = self.cx.marks.iter().copied().collect();
        let export = Export { file: file.clone(), form, left, found: Vec::new() };
        vec![self.ask_for_export(export)]
    }

    fn ask_for_export(&mut self, mut export: Export) -> UiEffect {
        let page = export.left.len().min(PAGE_MAX as usize);
        let jobs = export.left.drain(..page).collect();
        self.ask(Purpose::Export(export), Request::Metrics { jobs, curves: Vec::new() })
    }

    pub(super) fn on_export(&mut self, mut export: Export, reply: Result<Reply, Fault>) -> Vec<UiEffect> {
        match reply {
            Ok(Reply::Metrics(found)) => {
                self.cx.world.metrics.learn(&found);
                export.found.extend(found);
            }
            Ok(_) => return say(ToastKind::Bad, "the core answered something else"),
            Err(fault) => return vec![UiEffect::Toast(fault_toast(&fault))],
        }
        if !export.left.is_empty() {
            return vec![self.ask_for_export(export)];
        }
        let job = |(id, metrics): &'_ (JobId, JobMetrics)| Some((self.cx.world.job(*id)?.clone(), metrics.stats.clone()));
        let jobs: Vec<_> = export.found.iter().filter_map(job).collect();
        let lines: Vec<Line<'_>> = jobs.iter().map(|(job, stats)| sheet_line(job, stats, &self.cx)).collect();
        match sheet::write(&lines, export.form, &sheet::Pick::default()) {
            Ok(bytes) => vec![UiEffect::Write(export.file, bytes)],
            Err(why) => say(ToastKind::Bad, format!("the jobs cannot be written: {why}")),
        }
    }
}

fn parameters(job: &Job) -> Vec<(String, Value)> {
    match &job.sweep {
        Some(member) => member.parameters.clone(),
        None => crate::tui::panes::params(job).into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
    }
}

fn sheet_line<'a>(job: &'a Job, stats: &'a [Stat], cx: &Cx) -> Line<'a> {
    let experiment = cx.world.experiment(job.experiment).map(|experiment| experiment.name.clone()).unwrap_or_default();
    let cluster = cx.world.cluster(job.cluster).map(|cluster| cluster.name.clone()).unwrap_or_default();
    Line { job, experiment, cluster, parameters: parameters(job), stats, now: cx.now }
}
