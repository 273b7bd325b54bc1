//! The form of `sweep` in a job's file and of files for `sweep create --params`, for [`super::schema`]; what reads it is
//! [`super::sweep_file`].

// The forms are only described, never made.
#![expect(dead_code, reason = "fields of forms are read by the derive alone")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Number, Value};

use super::sweep::SWEEP_MEMBERS_MAX;

/// Which jobs a sweep makes of one body.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SweepForm {
    /// Where editors find this description.
    #[serde(rename = "$schema")]
    schema: Option<String>,
    /// The parameters, as published.
    params: Option<Vec<PublishedForm>>,
    /// The parameters by their names.
    parameters: Option<BTreeMap<String, ValuesForm>>,
    /// As published tools write beside `params`; the entries say it themselves.
    kinds: Option<Vec<String>>,
    /// Every combination, or draws; a grid when nothing is said, random when `jobs` is.
    search: Option<SearchForm>,
    /// How many draws.
    #[schemars(range(min = 1, max = SWEEP_MEMBERS_MAX))]
    jobs: Option<u32>,
    /// Where draws begin; the same seed gives the same draws.
    seed: Option<u32>,
    /// Members of their own, each with its values.
    include: Option<Vec<BTreeMap<String, Value>>>,
    /// No member that has all values of one of these.
    exclude: Option<Vec<BTreeMap<String, Value>>>,
    /// As many run at once.
    #[schemars(range(min = 1, max = SWEEP_MEMBERS_MAX))]
    running_max: Option<u32>,
    /// How members are called.
    naming: Option<NamingForm>,
    /// How members are stopped early.
    stop: Option<StopForm>,
    /// More failures than this end it.
    #[schemars(range(max = SWEEP_MEMBERS_MAX))]
    max_failures: Option<u32>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
enum SearchForm {
    /// Every combination.
    Grid,
    /// Independent draws.
    Random,
    /// Draws that cover each range evenly.
    LatinHypercube,
    /// The same.
    Latin,
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
enum NamingForm {
    /// By their number.
    Number,
    /// By a hash of their bodies, as published tools do; the same body is not run twice.
    Hash,
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
enum RuleForm {
    /// At steps 1, 4, 16 … one of four goes on.
    Asha,
    /// Who is worse than the others' median ends.
    Median,
    /// Who has no number ends.
    NotANumber,
}

#[derive(JsonSchema)]
#[serde(untagged)]
enum StopForm {
    /// The rule alone.
    Word(RuleForm),
    /// With its settings.
    Settings(StopSettingsForm),
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StopSettingsForm {
    /// Which one.
    rule: RuleForm,
    /// The metric that decides; the first one reported when absent.
    metric: Option<String>,
    /// Larger is better.
    maximize: Option<bool>,
    /// The first step at which members are stopped.
    #[schemars(range(min = 1))]
    first_step: Option<u32>,
    /// Of so many one goes on.
    #[schemars(range(min = 2, max = 64))]
    factor: Option<u32>,
}

/// The values of one parameter.
#[derive(JsonSchema)]
#[serde(untagged)]
enum ValuesForm {
    /// `1..10`, `0.0..1.0:5`, `0..1/0.25`, `log:1e-4..1e-1:8`, `files:DIR::REGEX`, or words with commas between them.
    Short(String),
    /// These; or maps of values that vary together.
    List(Vec<Value>),
    /// As published, without the name.
    Fields(Box<FieldsForm>),
    /// This one alone.
    Number(Number),
    /// This one alone.
    Truth(bool),
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PublishedForm {
    /// Its name; `PARAM_NAME` stands for it in the body.
    parameter_name: String,
    /// Which of the published kinds it is; not needed.
    param_type: Option<String>,
    #[serde(flatten)]
    fields: FieldsForm,
}

/// A range, a list, or the files of a directory.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FieldsForm {
    /// These; or maps of values that vary together.
    values: Option<Vec<Value>>,
    /// Of a range: INTEGER or REAL, in any case of letters.
    data_type: Option<String>,
    /// Where a range begins.
    start: Option<Number>,
    /// Where it ends.
    end: Option<Number>,
    /// LINEAR or LOG, in any case of letters.
    scale: Option<String>,
    /// How far its values are apart; or `numValues`.
    step: Option<Number>,
    /// How many there are; or `step`.
    num_values: Option<u32>,
    /// Of files: which mounts they are below, JOB or CLUSTER.
    mount_method: Option<String>,
    /// Of files: the mount.
    mount_path: Option<String>,
    /// Of files: the directory below it.
    directory: Option<String>,
    /// Of files: a regular expression that their names begin with.
    filter_str: Option<String>,
    /// As published; what is mounted says it.
    storage_account_name: Option<String>,
    /// As published; not kept.
    storage_account_key: Option<String>,
    /// As published: BLOB or FILE.
    storage_type: Option<String>,
    /// As published.
    container: Option<String>,
    /// As published.
    fileshare: Option<String>,
}
