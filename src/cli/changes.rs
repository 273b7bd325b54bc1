//! What is changed of a job that is submitted again: resources, time, nodes, variables. Everything else stays as it was.

use clap::Args;

use super::code::CodeOptions;
use super::job_create::set_variables;
use super::resources::Resources;
use super::workspace::pair;
use crate::model::fault::Fault;
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::Faults;
use crate::model::spec::secret::sources_of_job;
use crate::model::spec::{JobFile, JobSpec, body};

/// Options that change a job.
#[derive(Args, Clone, Debug, Default)]
pub struct Changes {
    /// Another number of nodes
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// Another longest time of one attempt: 90s, 2h30m, P7D
    #[arg(long, value_name = "SPAN")]
    time: Option<String>,
    #[command(flatten)]
    resources: Resources,
    #[command(flatten)]
    code: CodeOptions,
    /// A variable with another value, as NAME=VALUE; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// Another place among waiting jobs
    #[arg(long, value_name = "PRIORITY", value_parser = ["low", "normal", "high"])]
    priority: Option<String>,
}

impl Changes {
    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        let options = [&self.time, &self.priority];
        self.nodes.is_none()
            && options.iter().all(|option| option.is_none())
            && self.resources.is_empty()
            && self.code.is_empty()
            && self.variables.is_empty()
    }

    /// Returns a job with them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn apply(&self, mut spec: JobSpec) -> Result<JobSpec, Fault> {
        if self.is_empty() {
            return Ok(spec);
        }
        let mut doc = Doc::from(&serde_json::Value::Object(body::job(&spec)));
        let text = |text: &String| Value::Text(text.clone());
        if let Some(nodes) = self.nodes {
            doc.put_property(&["nodeCount"], Value::Number(nodes.to_string()));
        }
        if let Some(span) = &self.time {
            doc.put_property(&["constraints", "maxWallClockTime"], text(span));
        }
        if let Some(priority) = &self.priority {
            doc.put_property(&["schedulingPriority"], text(priority));
        }
        self.resources.put(&mut doc);
        self.code.put(&mut doc)?;
        set_variables(&mut doc, &self.variables);
        let mut faults = Faults::default();
        let read = JobFile::read(&doc, &mut faults);
        let said: Vec<String> = faults.errors.iter().map(|fault| format!("{}: {}", fault.field, fault.what)).collect();
        let file = read.filter(|_| said.is_empty()).ok_or_else(|| Fault::config(said.join("; ")))?;
        let mut changed = file.spec;
        // A body never says where secrets come from by itself; they are those of the job before.
        let known: Vec<_> = sources_of_job(&mut spec).into_iter().map(|(_, source)| source.clone()).collect();
        for ((_, source), known) in sources_of_job(&mut changed).into_iter().zip(known) {
            *source = known;
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{Demand, Secret, SecretSource};
    use crate::model::units::{Bytes, Millis, NodeCount};

    #[test]
    fn what_is_named_changes_and_nothing_else() {
        let mut spec = JobSpec::command("train");
        spec.secrets.push(Secret { name: "KEY".into(), source: SecretSource::Environment("K".into()) });
        spec.metrics = Some(Box::default());
        let changes = Changes {
            nodes: Some(2),
            resources: Resources::memory("16G"),
            time: Some("2h".into()),
            variables: vec![("A".into(), "b".into())],
            ..Changes::default()
        };
        let changed = changes.apply(spec.clone()).expect("a job");
        assert_eq!((changed.node_count, changed.constraints.max_wall_clock_time), (NodeCount(2), Millis::from_mins(120)));
        let Demand::Part(part) = &changed.demand else { panic!("{:?}", changed.demand) };
        assert_eq!(part.memory, Bytes(16 << 30));
        assert_eq!((&changed.secrets, &changed.toolkit, &changed.metrics), (&spec.secrets, &spec.toolkit, &spec.metrics));
        assert_eq!(changed.environment_variables.len(), 1);
        assert_eq!(Changes::default().apply(spec.clone()).expect("the same"), spec);
        let wrong = Changes { resources: Resources::memory("lots"), ..Changes::default() };
        assert!(wrong.apply(spec).expect_err("no size").message.contains("memory"));
    }
}
