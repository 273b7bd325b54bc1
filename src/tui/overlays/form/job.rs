//! The form of a job, and of a sweep: a job with values for its parameters. What is typed is a [`Draft`]; the text is the
//! published body with name and experiment, and with `sweep` in it for a sweep.

use serde_json::{Map, Value};

use super::draft::{Draft, Field, Filled, PRIORITIES, Rest, Surroundings};
use super::kind::{Complaint, Id, Kind, Known, Row, Shape, Side, Template, TextFault, Values, typed};
use super::sweeping::{self, Sweeping};
use super::text;
use crate::model::fault::Fault;
use crate::model::ids::{ClusterId, ExperimentId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::request::{Place, Reply, Request, Submit};
use crate::model::spec::secret::{SecretSource, sources_of_job};
use crate::model::spec::toolkit::Counting;
use crate::model::spec::{JobSpec, Priority, ToolKind};
use crate::tui::cx::Cx;
use crate::tui::overlays::{FormSeed, Overlay};
use crate::tui::shown::shown;

/// How many names of jobs the field of what it comes after is completed from: the newest ones.
const JOBS_NAMED_MAX: usize = 200;

/// Forms to begin with that come along: name and text.
const RECIPES: [(&str, &str); 8] = [
    ("recipe: pytorch", include_str!("../../../../assets/examples/frameworks/pytorch.yaml")),
    ("recipe: torchrun", include_str!("../../../../assets/examples/frameworks/torchrun.yaml")),
    ("recipe: mpi", include_str!("../../../../assets/examples/frameworks/mpi.yaml")),
    ("recipe: horovod", include_str!("../../../../assets/examples/frameworks/horovod.yaml")),
    ("recipe: deepspeed", include_str!("../../../../assets/examples/frameworks/deepspeed.yaml")),
    ("recipe: tensorflow", include_str!("../../../../assets/examples/frameworks/tensorflow.yaml")),
    ("recipe: jax", include_str!("../../../../assets/examples/frameworks/jax.yaml")),
    ("recipe: ray", include_str!("../../../../assets/examples/frameworks/ray.yaml")),
];

/// The form.
#[derive(Debug)]
pub struct JobKind {
    seed: FormSeed,
    rest: Rest,
    sweep: bool,
}

impl JobKind {
    /// Returns the form of a job, filled from `seed`.
    pub fn new(seed: FormSeed) -> Self {
        Self { seed, rest: Rest::default(), sweep: false }
    }

    /// Returns the form of a sweep over the parameters of the job in `seed`.
    pub fn sweep(seed: FormSeed) -> Self {
        Self { sweep: true, ..Self::new(seed) }
    }

    /// Returns the draft that the values are.
    fn draft(&self, values: &Values) -> Draft {
        let text = |field: Field| values.get(field.label()).cloned().unwrap_or_default();
        let kind = ToolKind::ALL.into_iter().find(|kind| kind.tool_type() == text(Field::Kind)).unwrap_or_default();
        Draft {
            experiment: text(Field::Experiment),
            name: text(Field::Name),
            cluster: text(Field::Cluster),
            nodes: text(Field::Nodes),
            kind,
            processes: text(Field::Processes),
            command: text(Field::Command),
            preparation: text(Field::Preparation),
            environment: text(Field::Environment),
            limit: text(Field::Limit),
            priority: priority(&text(Field::Priority)),
            rest: self.rest.clone(),
            more: super::more::More {
                resources: text(Field::Resources),
                mounts: text(Field::Mounts),
                image: text(Field::Image),
                code: text(Field::Code),
                inputs: text(Field::Inputs),
                outputs: text(Field::Outputs),
                logs: text(Field::Logs),
                after: text(Field::After),
                begin: text(Field::Begin),
                attempts: text(Field::Attempts),
            },
        }
    }

    fn workspace(&self) -> Option<&String> {
        self.seed.experiment.workspace.as_ref().or(self.seed.cluster.workspace.as_ref())
    }

    fn workspace_id(&self, cx: &Cx) -> Option<WorkspaceId> {
        let world = &cx.world;
        let called = |name: &str, w: &crate::model::state::Workspace| {
            same_name(&w.name, name) || world.named(w).is_some_and(|full| same_name(&full, name))
        };
        match self.workspace() {
            Some(name) => world.snapshot.workspaces.values().find(|w| called(name, w)).map(|w| w.id),
            None => world.snapshot.workspaces.keys().next().copied(),
        }
    }

    fn with_surroundings<T>(&self, cx: &Cx, act: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let world = &cx.world;
        let workspace = self.workspace_id(cx);
        let clusters = workspace.into_iter().flat_map(|id| world.clusters_of(id)).filter_map(|id| world.cluster(id));
        let clusters = clusters.map(|c| (c.name.clone(), c.spec.scale_settings.target())).collect();
        let ids: Vec<ExperimentId> = workspace.into_iter().flat_map(|id| world.experiments_of(id)).collect();
        let experiments = ids.iter().filter_map(|id| world.experiment(*id)).map(|e| e.name.clone()).collect();
        let servers = workspace.into_iter().flat_map(|id| world.file_servers_of(id));
        let file_servers = servers.filter_map(|id| world.file_server(id)).map(|server| server.name.clone()).collect();
        let of = |name: &str| ids.iter().find(|id| world.experiment(**id).is_some_and(|e| same_name(&e.name, name)));
        let taken = |experiment: &str, name: &str| {
            let mut jobs = world.jobs_of(*of(experiment)?).iter().rev().filter_map(|id| world.job(*id));
            jobs.find(|job| same_name(&job.name, name)).map(|job| job.name.to_string())
        };
        let here = self.seed.experiment.name.as_deref().and_then(of);
        let jobs = here.into_iter().flat_map(|id| world.jobs_of(*id).iter().rev().take(JOBS_NAMED_MAX));
        let jobs = jobs.filter_map(|id| world.job(*id)).map(|job| format!("ok:{}", job.name)).collect();
        act(&Surroundings { clusters, experiments, file_servers, jobs, taken: &taken })
    }

    fn filled(&self, values: &Values, cx: &Cx) -> Result<Filled, Vec<Complaint>> {
        let complaints =
            |wrong: Vec<(Field, String)>| wrong.into_iter().map(|(field, what)| (field.label(), what)).collect();
        self.with_surroundings(cx, |around| self.draft(values).check(around)).map_err(complaints)
    }

    fn submission(&self, filled: Filled, token: Option<String>) -> Submit {
        let workspace = self.workspace().cloned();
        Submit {
            experiment: Place { workspace: workspace.clone(), name: Some(filled.experiment) },
            cluster: Place { workspace, name: filled.spec.cluster.clone() },
            name: filled.name,
            spec: filled.spec,
            token,
        }
    }

    /// Returns the body that members of a sweep are made of: the job without its name and place.
    fn template(&self, values: &Values) -> Value {
        let text = text::to_text(&self.draft(values));
        let whole: Value = serde_json::from_str(&text).unwrap_or_default();
        whole.get("properties").cloned().unwrap_or_default()
    }

    fn sweeping(&self, values: &Values, cx: &Cx) -> Result<(Sweeping, Filled), Vec<Complaint>> {
        let template = self.template(values);
        let sweep = sweeping::read(values, template);
        // The fields are checked as the first member has them.
        let first = match &sweep {
            Ok(sweep) => sweep.first(values),
            Err(_) => values.clone(),
        };
        let filled = self.filled(&first, cx);
        match (sweep, filled) {
            (Ok(sweep), Ok(filled)) => match sweep.spec.body(0) {
                Ok(_) => Ok((sweep, filled)),
                Err(what) => Err(vec![(sweeping::PARAMETERS, what)]),
            },
            (sweep, filled) => {
                let mut wrong = sweep.err().unwrap_or_default();
                wrong.extend(filled.err().unwrap_or_default());
                Err(wrong)
            }
        }
    }

    fn sweep_order(&self, values: &Values, token: Option<String>, cx: &Cx) -> Result<(Filled, Request), Vec<Complaint>> {
        let (mut sweep, mut filled) = self.sweeping(values, cx)?;
        sweep.spec.sources = sources_of_job(&mut filled.spec).into_iter().map(|(_, source)| source.clone()).collect();
        let submit = self.submission(filled.clone(), token);
        let ask = crate::model::request::SubmitSweep {
            experiment: submit.experiment,
            cluster: submit.cluster,
            name: submit.name,
            spec: sweep.spec,
            held: false,
            token: submit.token,
        };
        Ok((filled, Request::CreateSweep(Box::new(ask))))
    }

    fn values_of(&mut self, draft: &Draft) -> Values {
        self.rest = draft.rest.clone();
        let word = PRIORITIES.iter().find(|(_, priority)| *priority == draft.priority).map_or("normal", |(word, _)| word);
        let more = &draft.more;
        let texts = [
            (Field::Experiment, draft.experiment.as_str()),
            (Field::Name, &draft.name),
            (Field::Cluster, &draft.cluster),
            (Field::Nodes, &draft.nodes),
            (Field::Resources, &more.resources),
            (Field::Kind, draft.kind.tool_type()),
            (Field::Processes, &draft.processes),
            (Field::Command, &draft.command),
            (Field::Preparation, &draft.preparation),
            (Field::Environment, &draft.environment),
            (Field::Limit, &draft.limit),
            (Field::Priority, word),
            (Field::Mounts, &more.mounts),
            (Field::Image, &more.image),
            (Field::Code, &more.code),
            (Field::Inputs, &more.inputs),
            (Field::Outputs, &more.outputs),
            (Field::Logs, &more.logs),
            (Field::After, &more.after),
            (Field::Begin, &more.begin),
            (Field::Attempts, &more.attempts),
        ];
        texts.into_iter().map(|(field, text)| (field.label(), text.to_owned())).collect()
    }

    fn seeded(&self) -> Draft {
        let mut draft = match &self.seed.spec {
            Some(spec) => Draft::of(spec),
            None => Draft::first(String::new()),
        };
        draft.cluster = self.seed.cluster.name.clone().unwrap_or(draft.cluster);
        draft.experiment = self.seed.experiment.name.clone().unwrap_or_default();
        draft
    }
}

fn priority(word: &str) -> Priority {
    PRIORITIES.iter().find(|(known, _)| *known == word).map_or(Priority::Normal, |(_, priority)| *priority)
}

/// Puts the sources of secrets that a text cannot say (kept values) back from what was there before.
fn restore(spec: &mut JobSpec, former: &JobSpec) {
    let mut former = former.clone();
    let known: Vec<(String, SecretSource)> =
        sources_of_job(&mut former).into_iter().map(|(of, source)| (of, source.clone())).collect();
    for (field, source) in sources_of_job(spec) {
        if let (SecretSource::Prompt, Some((_, kept))) = (&*source, known.iter().find(|(of, _)| *of == field)) {
            *source = kept.clone();
        }
    }
}

impl Kind for JobKind {
    fn title(&self) -> &'static str {
        if self.sweep { "New sweep" } else { "New job" }
    }

    fn button(&self) -> &'static str {
        "[ Submit ]"
    }

    fn rows(&self, values: &Values) -> Vec<Row> {
        let kind = self.draft(values).kind;
        let row = |field: Field| Row {
            id: field.label(),
            shape: match field {
                Field::Kind => Shape::Choice(ToolKind::ALL.map(ToolKind::tool_type).to_vec()),
                Field::Priority => Shape::Choice(PRIORITIES.map(|(word, _)| word).to_vec()),
                field if field.many_lines() => Shape::Lines,
                _ => Shape::Line,
            },
            hint: field.hint(kind).to_owned(),
            paths: match field {
                Field::Command | Field::Preparation | Field::Inputs | Field::Outputs | Field::Logs => Some(Side::Node),
                Field::Code => Some(Side::Here),
                _ => None,
            },
        };
        let fields = Field::ALL.into_iter().filter(|field| *field != Field::Processes || kind.counting() != Counting::Fixed);
        let mut rows: Vec<Row> = fields.map(row).collect();
        if self.sweep {
            let at = rows.iter().position(|row| row.id == Field::Command.label()).map_or(0, |at| at + 1);
            rows.splice(at..at, sweeping::rows(values));
        }
        rows
    }

    fn first(&self, _cx: &Cx) -> (Values, Id) {
        let mut draft = self.seeded();
        let mut parameters = Vec::new();
        if self.sweep {
            (draft, parameters) = sweeping::tokens(draft);
        }
        let mut made = Self { seed: self.seed.clone(), rest: Rest::default(), sweep: self.sweep };
        let mut values = made.values_of(&draft);
        let mut first = if draft.experiment.is_empty() { Field::Experiment.label() } else { Field::Command.label() };
        if self.sweep {
            values.extend(sweeping::defaults(&parameters));
            first = sweeping::PARAMETERS;
        }
        (values, first)
    }

    fn begin(&mut self, _cx: &Cx) {
        self.rest = self.seeded().rest;
    }

    fn check(&self, values: &Values, cx: &Cx) -> Vec<Complaint> {
        let mut wrong = match self.sweep {
            true => self.sweeping(values, cx).err().unwrap_or_default(),
            false => self.filled(values, cx).err().unwrap_or_default(),
        };
        let rows = self.rows(values);
        wrong.sort_by_key(|(id, _)| rows.iter().position(|row| row.id == *id));
        wrong
    }

    fn orders(&self, values: &Values, token: &str, cx: &Cx) -> Result<Vec<Request>, Vec<Complaint>> {
        let token = Some(token.to_owned());
        let (filled, order) = if self.sweep {
            self.sweep_order(values, token, cx)?
        } else {
            let filled = self.filled(values, cx)?;
            (filled.clone(), Request::Submit(Box::new(self.submission(filled, token))))
        };
        let experiment = filled
            .new_experiment
            .then(|| Request::CreateExperiment { workspace: self.workspace().cloned(), name: filled.experiment.clone() });
        Ok(experiment.into_iter().chain([order]).collect())
    }

    fn names(&self, id: Id, _values: &Values, _known: &Known, cx: &Cx) -> Vec<String> {
        let Some(field) = Field::ALL.into_iter().find(|field| field.label() == id) else { return Vec::new() };
        self.with_surroundings(cx, |around| around.names(field).into_iter().map(str::to_owned).collect())
    }

    fn note(&self, id: Id, values: &Values, cx: &Cx) -> Option<String> {
        if self.sweep && id == sweeping::PARAMETERS {
            return sweeping::read(values, Value::Null).ok().map(|sweep| sweep.says());
        }
        let field = Field::ALL.into_iter().find(|field| field.label() == id)?;
        self.with_surroundings(cx, |around| self.draft(values).note(field, around))
    }

    fn text(&self, values: &Values) -> String {
        let text = text::to_text(&self.draft(values));
        if !self.sweep {
            return text;
        }
        let mut whole: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
        whole.insert("sweep".to_owned(), sweeping::to_json(values));
        serde_json::to_string_pretty(&Value::Object(whole)).unwrap_or_default()
    }

    fn read(&mut self, text: &str) -> Result<Values, Vec<TextFault>> {
        let before = self.draft_spec();
        let mut swept = Values::new();
        let draft = if self.sweep {
            let (draft, values) = sweeping::from_text(text)?;
            swept = values;
            draft
        } else {
            text::from_text(text)?
        };
        let mut rest = draft.rest.clone();
        let mut spec = JobSpec {
            secrets: rest.secrets.clone(),
            container_settings: rest.container_settings.clone(),
            mount_volumes: rest.mount_volumes.clone(),
            ..JobSpec::command(String::new())
        };
        restore(&mut spec, &before);
        (rest.secrets, rest.container_settings, rest.mount_volumes) =
            (spec.secrets, spec.container_settings, spec.mount_volumes);
        let mut values = self.values_of(&Draft { rest, ..draft });
        values.extend(swept);
        Ok(values)
    }

    fn faults(&self, text: &str) -> Vec<TextFault> {
        let wrong = if self.sweep { sweeping::from_text(text).err() } else { text::from_text(text).err() };
        wrong.unwrap_or_default()
    }

    fn text_is(&self) -> &'static str {
        "the published body of a job; JSON, YAML or TOML"
    }

    fn kept(&self) -> Vec<&'static str> {
        self.rest.names()
    }

    fn look(&self, values: &Values, cx: &Cx) -> Option<Request> {
        if self.sweep {
            return match self.sweep_order(values, None, cx).ok()?.1 {
                Request::CreateSweep(ask) => Some(Request::PlanSweep(ask)),
                _ => None,
            };
        }
        let filled = self.filled(values, cx).ok()?;
        Some(Request::PlanJob { submit: Box::new(self.submission(filled, None)), stand_ins: true })
    }

    fn looked(&self, reply: &Result<Reply, Fault>, cx: &Cx) -> Option<(String, bool)> {
        match reply {
            Ok(Reply::Plan(plan)) => {
                let estimate = plan.estimate.as_ref()?;
                Some((shown(&estimate.words(cx.now)), estimate.starts_now))
            }
            Ok(Reply::SweepPlan(plan)) => Some((shown(&plan.sentence()), true)),
            Ok(_) => None,
            Err(fault) => Some((shown(&fault.message), false)),
        }
    }

    fn plan(&self, values: &Values, cx: &Cx) -> Option<Overlay> {
        let filled = match self.sweep {
            true => self.sweeping(values, cx).ok()?.1,
            false => self.filled(values, cx).ok()?,
        };
        Some(Overlay::Plan(Box::new(self.submission(filled, None))))
    }

    fn templates(&self, cx: &Cx) -> Vec<Template> {
        let text = |draft: &Draft| match self.sweep {
            true => self.sweep_text(draft.clone(), Vec::new()),
            false => text::to_text(&Draft { name: String::new(), ..draft.clone() }),
        };
        let mut found = if self.sweep { self.like_sweeps(cx) } else { Vec::new() };
        let mut jobs: Vec<_> = cx.world.snapshot.jobs.values().collect();
        jobs.sort_by_key(|job| std::cmp::Reverse((job.created, job.id)));
        for job in jobs.into_iter().take(super::template::LIKE_MAX) {
            let mut draft = Draft::of(&job.spec_again());
            draft.experiment = cx.world.experiment(job.experiment).map(|e| e.name.clone()).unwrap_or_default();
            draft.cluster = cx.world.cluster(job.cluster).map(|c| c.name.clone()).unwrap_or_default();
            found.push(Template { name: format!("like {}", job.name), text: text(&draft) });
        }
        let recipe = |(name, body): (&str, &str)| {
            let text = match self.sweep {
                // What comes along can be read; were it not so, its text would be shown with what is wrong.
                true => text::from_text(body)
                    .map_or_else(|_| body.to_owned(), |draft| self.sweep_text(self.placed(draft), Vec::new())),
                false => body.to_owned(),
            };
            Template { name: name.to_owned(), text }
        };
        found.extend(RECIPES.map(recipe));
        found
    }

    fn cluster(&self, values: &Values, cx: &Cx) -> Option<ClusterId> {
        let name = typed(values, Field::Cluster.label());
        let workspace = self.workspace_id(cx)?;
        let mut clusters = cx.world.clusters_of(workspace).filter_map(|id| cx.world.cluster(id));
        match name {
            "" => clusters.next(),
            name => clusters.find(|cluster| same_name(&cluster.name, name)),
        }
        .map(|cluster| cluster.id)
    }
}

impl JobKind {
    /// Returns the text of a sweep over the parameters of a job; `known` has the values of those of which more than one is known.
    fn sweep_text(&self, draft: Draft, known: Vec<(String, Vec<Value>)>) -> String {
        let (draft, mut lines) = sweeping::tokens(draft);
        for (name, values) in known {
            let own = format!("{name}=");
            let line = sweeping::line_of_values(&name, values);
            match lines.iter_mut().find(|line| line.starts_with(&own)) {
                Some(old) => *old = line,
                None => lines.push(line),
            }
        }
        let mut made = Self { seed: self.seed.clone(), rest: Rest::default(), sweep: true };
        let mut values = made.values_of(&draft);
        values.extend(sweeping::defaults(&lines));
        made.text(&values)
    }

    /// Returns a draft where the form began: a recipe names no place.
    fn placed(&self, draft: Draft) -> Draft {
        let seeded = self.seeded();
        Draft { cluster: seeded.cluster, experiment: seeded.experiment, ..draft }
    }

    /// Returns what is like the newest sweeps: the first of their members that is known, with all values that members have.
    fn like_sweeps(&self, cx: &Cx) -> Vec<Template> {
        let like = |sweep: &crate::model::state::Sweep| {
            let jobs = cx.world.jobs_of(sweep.experiment).iter().filter_map(|id| cx.world.job(*id));
            let member =
                |job: &&std::sync::Arc<crate::model::state::Job>| job.sweep.as_ref().is_some_and(|m| m.of == sweep.id);
            let mut known: Vec<(String, Vec<Value>)> = Vec::new();
            let mut first = None;
            for job in jobs.filter(member) {
                first.get_or_insert(job);
                for (name, value) in job.sweep.iter().flat_map(|member| &member.parameters) {
                    let at = known.iter().position(|(of, _)| of == name).unwrap_or_else(|| {
                        known.push((name.clone(), Vec::new()));
                        known.len() - 1
                    });
                    if !known[at].1.contains(value) {
                        known[at].1.push(value.clone());
                    }
                }
            }
            let mut draft = Draft::of(&first?.spec_again());
            draft.experiment = cx.world.experiment(sweep.experiment).map(|e| e.name.clone()).unwrap_or_default();
            draft.cluster = cx.world.cluster(sweep.cluster).map(|c| c.name.clone()).unwrap_or_default();
            Some(Template { name: format!("like sweep {}", sweep.name), text: self.sweep_text(draft, known) })
        };
        let sweeps = cx.world.snapshot.sweeps.values().rev().filter(|sweep| !sweep.is_array());
        sweeps.take(super::template::SWEEPS_MAX).filter_map(|sweep| like(sweep)).collect()
    }

    /// Returns a job of what is kept beside the fields.
    fn draft_spec(&self) -> JobSpec {
        JobSpec {
            secrets: self.rest.secrets.clone(),
            container_settings: self.rest.container_settings.clone(),
            mount_volumes: self.rest.mount_volumes.clone(),
            ..JobSpec::command(String::new())
        }
    }
}
