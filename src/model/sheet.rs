//! Jobs as one sheet for other programs: a line for each, with its parameters and metrics, as CSV, JSON, YAML or Parquet. The
//! command line and the screen write the same.
//!
//! CSV and Parquet are tables: of a metric they have one reading (the last, unless another is asked for), under the metric's name,
//! behind the parameters. A name
//! that is there already gets `_2`, `_3` … . In Parquet a parameter whose values are all numbers is a column of DOUBLE, as
//! metrics are, and any other one of STRING; what a job has not is null. JSON and YAML have all that is known of a metric.

use std::collections::BTreeSet;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Kind};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::{Map, Value, json};

use super::metric::Stat;
use super::spec::token;
use super::state::Job;
use super::study::Take;
use super::units::UnixMillis;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated, with a line of names (RFC 4180).
    Csv,
    /// One list.
    Json,
    /// One list.
    Yaml,
    /// Columns (<https://parquet.apache.org>), uncompressed.
    Parquet,
}

impl Form {
    /// The ends of names that say a form, for messages.
    pub const ENDS: &str = ".csv, .json, .yaml or .parquet";

    /// Returns the form that the end of a file's name says.
    pub fn of(file: &str) -> Option<Self> {
        match std::path::Path::new(file).extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// One job.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The job.
    pub job: &'a Job,
    /// The name of its experiment.
    pub experiment: String,
    /// The name of its cluster.
    pub cluster: String,
    /// Its parameters.
    pub parameters: Vec<(String, Value)>,
    /// Its metrics.
    pub stats: &'a [Stat],
    /// Until when a job that has not ended is counted.
    pub now: UnixMillis,
}

impl Line<'_> {
    fn seconds(&self) -> Option<u64> {
        let started = self.job.last.started?;
        Some(self.job.last.ended.unwrap_or(self.now).since(started).0 / 1000)
    }

    fn value(&self) -> Value {
        let stat = |stat: &Stat| (stat.name.clone(), stat.value());
        let job = self.job;
        json!({
            "name": job.name, "id": job.id.to_string(), "experiment": self.experiment, "cluster": self.cluster,
            "executionState": job.state.word(), "exitCode": job.last.exit_code, "attempt": job.attempt.0,
            "nodes": job.last.node_names, "seconds": self.seconds(),
            "parameters": self.parameters.iter().cloned().collect::<Map<_, _>>(),
            "metrics": self.stats.iter().map(stat).collect::<Map<_, _>>(),
        })
    }
}

/// Says whether a value is a number that a DOUBLE holds as it is.
fn is_exact(value: &Value) -> bool {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    value.as_f64().is_some_and(|number| number.abs() <= WHOLE_MAX)
}

/// What of the jobs is written, in the forms that are tables.
#[derive(Clone, Debug, Default)]
pub struct Pick {
    /// What is taken of the readings of a metric.
    pub take: Take,
    /// Whether larger is better.
    pub maximize: bool,
    /// Columns that are left out.
    pub hide: Vec<String>,
}

/// Writes jobs.
///
/// # Errors
/// What the writer of the form refuses, in its words.
pub fn write(lines: &[Line<'_>], form: Form, pick: &Pick) -> Result<Vec<u8>, String> {
    match form {
        Form::Json => {
            let values: Vec<Value> = lines.iter().map(Line::value).collect();
            let mut text = serde_json::to_vec_pretty(&values).map_err(|error| error.to_string())?;
            text.push(b'\n');
            Ok(text)
        }
        Form::Yaml => {
            let values: Vec<Value> = lines.iter().map(Line::value).collect();
            serde_saphyr::to_string(&values).map(String::into_bytes).map_err(|error| error.to_string())
        }
        Form::Csv => csv(&columns(lines, pick), lines.len()).map_err(|error| error.to_string()),
        Form::Parquet => parquet(columns(lines, pick), lines.len()).map_err(|error| error.to_string()),
    }
}

/// The values of a column, one for each line.
enum Cells {
    Texts(Vec<Option<String>>),
    Numbers(Vec<Option<f64>>),
    Counts(Vec<Option<i64>>),
}

fn columns(lines: &[Line<'_>], pick: &Pick) -> Vec<(String, Cells)> {
    let text = |of: &dyn Fn(&Line<'_>) -> String| Cells::Texts(lines.iter().map(|line| Some(of(line))).collect());
    let count = |of: &dyn Fn(&Line<'_>) -> Option<i64>| Cells::Counts(lines.iter().map(of).collect());
    let mut all: Vec<(String, Cells)> = [
        ("name", text(&|line| line.job.name.to_string())),
        ("id", text(&|line| line.job.id.to_string())),
        ("experiment", text(&|line| line.experiment.clone())),
        ("cluster", text(&|line| line.cluster.clone())),
        ("state", text(&|line| line.job.state.word().to_owned())),
        ("exitCode", count(&|line| line.job.last.exit_code.map(i64::from))),
        ("attempt", count(&|line| Some(i64::from(line.job.attempt.0)))),
        ("nodes", text(&|line| line.job.last.node_names.join(" "))),
        ("seconds", count(&|line| line.seconds().and_then(|seconds| i64::try_from(seconds).ok()))),
    ]
    .into_iter()
    .map(|(name, cells)| (name.to_owned(), cells))
    .collect();
    for name in in_order(lines.iter().flat_map(|line| &line.parameters).map(|(name, _)| name)) {
        let value = |line: &'_ Line<'_>| line.parameters.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone());
        let values: Vec<Option<Value>> = lines.iter().map(value).collect();
        let cells = match values.iter().flatten().all(is_exact) {
            true => Cells::Numbers(values.iter().map(|value| value.as_ref()?.as_f64()).collect()),
            false => Cells::Texts(values.iter().map(|value| value.as_ref().map(token::text)).collect()),
        };
        all.push((name.clone(), cells));
    }
    for name in in_order(lines.iter().flat_map(|line| line.stats).map(|stat| &stat.name)) {
        let stat = |line: &Line<'_>| {
            line.stats.iter().find(|stat| stat.name == *name).map(|stat| pick.take.of(stat, pick.maximize))
        };
        all.push((name.clone(), Cells::Numbers(lines.iter().map(stat).collect())));
    }
    all.retain(|(name, _)| !pick.hide.contains(name));
    let mut taken = BTreeSet::new();
    for (name, _) in &mut all {
        let first = name.clone();
        let mut times = 1;
        while !taken.insert(name.clone()) {
            times += 1;
            *name = format!("{first}_{times}");
        }
    }
    all
}

fn in_order<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

fn csv(columns: &[(String, Cells)], lines: usize) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|(name, _)| name))?;
    let cell = |cells: &Cells, at: usize| match cells {
        Cells::Texts(texts) => texts.get(at).cloned().flatten(),
        Cells::Numbers(numbers) => numbers.get(at).copied().flatten().map(|number| number.to_string()),
        Cells::Counts(counts) => counts.get(at).copied().flatten().map(|count| count.to_string()),
    };
    for at in 0..lines {
        writer.write_record(columns.iter().map(|(_, cells)| cell(cells, at).unwrap_or_default()))?;
    }
    Ok(writer.into_inner()?)
}

fn parquet(columns: Vec<(String, Cells)>, lines: usize) -> parquet::errors::Result<Vec<u8>> {
    let field = |(name, cells): &(String, Cells)| {
        let (kind, means) = match cells {
            Cells::Texts(_) => (Kind::BYTE_ARRAY, Some(LogicalType::String)),
            Cells::Numbers(_) => (Kind::DOUBLE, None),
            Cells::Counts(_) => (Kind::INT64, None),
        };
        let field = Type::primitive_type_builder(name, kind).with_repetition(Repetition::OPTIONAL);
        Ok(Arc::new(field.with_logical_type(means).build()?))
    };
    let fields = columns.iter().map(field).collect::<parquet::errors::Result<_>>()?;
    let schema = Type::group_type_builder("jobs").with_fields(fields).build()?;
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(WriterProperties::builder().build()))?;
    if lines > 0 {
        let mut group = file.next_row_group()?;
        for (_, cells) in columns {
            let Some(mut column) = group.next_column()? else { break };
            match (cells, column.untyped()) {
                (Cells::Texts(texts), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                    let (there, values) = parted(texts);
                    let values: Vec<ByteArray> = values.into_iter().map(|text| text.into_bytes().into()).collect();
                    writer.write_batch(&values, Some(&there), None)?;
                }
                (Cells::Numbers(numbers), ColumnWriter::DoubleColumnWriter(writer)) => {
                    let (there, values) = parted(numbers);
                    writer.write_batch(&values, Some(&there), None)?;
                }
                (Cells::Counts(counts), ColumnWriter::Int64ColumnWriter(writer)) => {
                    let (there, values) = parted(counts);
                    writer.write_batch(&values, Some(&there), None)?;
                }
                (Cells::Texts(_) | Cells::Numbers(_) | Cells::Counts(_), _) => {
                    return Err(parquet::errors::ParquetError::General("a column is of another kind".to_owned()));
                }
            }
            column.close()?;
        }
        group.close()?;
    }
    file.into_inner()
}

/// Parts cells into the level of each (1 when it is there) and the values of those that are.
fn parted<T>(cells: Vec<Option<T>>) -> (Vec<i16>, Vec<T>) {
    (cells.iter().map(|cell| i16::from(cell.is_some())).collect(), cells.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn a_table_is_read_back_by_its_own_reader() {
        let columns = vec![
            ("name".to_owned(), Cells::Texts(vec![Some("a".to_owned()), Some("é, \"b\"".to_owned())])),
            ("exitCode".to_owned(), Cells::Counts(vec![None, Some(3)])),
            ("loss".to_owned(), Cells::Numbers(vec![Some(0.25), None])),
        ];
        assert_eq!(
            String::from_utf8(csv(&columns, 2).unwrap()).unwrap(),
            "name,exitCode,loss\na,,0.25\n\"é, \"\"b\"\"\",3,\n"
        );
        let file = parquet(columns, 2).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
        let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows, ["{name: \"a\", exitCode: null, loss: 0.25}", "{name: \"é, \"b\"\", exitCode: 3, loss: null}"]);
        let empty = parquet(vec![("name".to_owned(), Cells::Texts(Vec::new()))], 0).unwrap();
        assert_eq!(SerializedFileReader::new(bytes::Bytes::from(empty)).unwrap().get_row_iter(None).unwrap().count(), 0);
    }

    #[test]
    fn the_end_of_a_name_says_the_form() {
        let forms = ["a.csv", "b.JSON", "c.yml", "d.parquet", "e.txt", "csv"].map(Form::of);
        assert_eq!(forms, [Some(Form::Csv), Some(Form::Json), Some(Form::Yaml), Some(Form::Parquet), None, None]);
    }
}
