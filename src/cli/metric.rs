//! `ostler metric`: what a job's script calls to report values. It adds one line to a file beside the job's logs, which the core
//! looks at; nothing is reached over a network, so it cannot hold a job up.

use std::io::Write;

use clap::Args;

use super::failure::Failure;
use crate::model::fault::Fault;

/// The variable that a job has when its metrics are kept.
const FILE: &str = "OSTLER_METRICS";

/// Values to report.
#[derive(Args, Clone, Debug)]
pub struct Metric {
    /// Values: loss=0.21 step=100
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = pair)]
    values: Vec<String>,
}

fn pair(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once('=').ok_or("the form is NAME=VALUE")?;
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    match (word, value.parse::<f64>()) {
        (false, _) => Err("a name has letters, digits, _, -, . and /".to_owned()),
        (true, Err(_)) => Err(format!("`{}` is no number", value.escape_debug())),
        (true, Ok(_)) => Ok(text.to_owned()),
    }
}

/// Does it.
///
/// # Errors
/// That this is no job whose metrics are kept, or that the file cannot be written.
pub fn run(metric: &Metric) -> Result<i32, Failure> {
    let Some(file) = std::env::var_os(FILE) else {
        return Err(Fault::config("this is no job whose metrics are kept")
            .hint("it is for scripts of jobs; `metrics` in the job's file, or a sweep, has them kept")
            .into());
    };
    let line = format!("{}\n", metric.values.join(" "));
    let mut options = std::fs::OpenOptions::new();
    let written = options.append(true).create(true).open(&file).and_then(|mut file| file.write_all(line.as_bytes()));
    written.map_err(|error| Fault::user(format!("cannot write `{}`", file.to_string_lossy())).because(&error))?;
    Ok(0)
}
