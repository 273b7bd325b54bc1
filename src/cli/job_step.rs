//! A way into a job that Slurm placed: its nodes are reached through the login node, by a step of the job itself, so that no site has to
//! let people in by ssh, and what is done there counts as the job's.

use super::forward;
use super::site_look::number;
use crate::model::fault::Fault;
use crate::model::request::{JobView, NodeRef};
use crate::model::state::{Away, ExecutionState};

/// One node of a job that Slurm runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The login node.
    pub door: NodeRef,
    /// The node's name.
    pub node: String,
    number: String,
}

/// Returns the way to a node of a job; `None` for a job that is not Slurm's.
///
/// # Errors
/// It does not run, or has no such node.
pub fn of(view: &JobView, node: Option<&String>) -> Result<Option<Step>, Fault> {
    let job = &view.job;
    let none = Away::default();
    let away = match &job.last.away {
        Some(away) => away,
        None if job.shape.handed => &none,
        None => return Ok(None),
    };
    let here = |why: &str| Fault::user(format!("job `{}` {why}, and only a job that runs can be entered", job.name));
    if job.state.ended() {
        return Err(here("has ended"));
    }
    let (Some(number), Some(door), ExecutionState::Running) = (number(view), job.last.nodes.first(), job.state) else {
        return Err(here("does not run").hint(format!("ostler job why {}", job.name)));
    };
    let found = pick(&job.name, &away.nodes, node)?;
    Ok(Some(Step { door: NodeRef::Id(*door), node: found.clone(), number: number.clone() }))
}

fn pick<'a>(job: &str, nodes: &'a [String], node: Option<&String>) -> Result<&'a String, Fault> {
    let found = match node {
        None => nodes.first(),
        Some(word) => {
            let by_index = || word.parse::<usize>().ok().and_then(|at| nodes.get(at));
            nodes.iter().find(|name| *name == word).or_else(by_index)
        }
    };
    found.ok_or_else(|| {
        let word = node.map(|word| word.escape_debug().to_string()).unwrap_or_default();
        let fault = Fault::user(format!("job `{job}` has no node `{word}`"));
        fault.hint(format!("it has {}, counted from 0", nodes.join(", ")))
    })
}

impl Step {
    /// Returns the way to a node of a job of Slurm's queue, by its number and its nodes.
    ///
    /// # Errors
    /// It has no such node.
    pub fn on(door: NodeRef, number: &str, nodes: &[String], node: Option<&String>) -> Result<Self, Fault> {
        Ok(Self { door, node: pick(number, nodes, node)?.clone(), number: number.to_owned() })
    }

    /// Returns the line for the login node's shell that runs a command there, by a shell; with none it is a shell at a terminal. The step
    /// takes nothing from those of the job: `--overlap` says so since 20.11, and before that a step that asks for no memory and no GPU
    /// does not wait for them (srun(1)).
    ///
    /// # Errors
    /// A word that cannot be quoted.
    pub fn line(&self, command: Option<&str>) -> Result<String, Fault> {
        let quoted = |word: &str| {
            let quoted = shlex::try_quote(word).map_err(|e| Fault::config("the command cannot be quoted").because(&e));
            quoted.map(std::borrow::Cow::into_owned)
        };
        let (way, rest, end) = match command {
            Some(command) => ("--unbuffered", format!("sh -c {}", quoted(command)?), " </dev/null"),
            None => ("--pty", "\"${SHELL:-/bin/sh}\" -l".to_owned(), ""),
        };
        Ok(format!(
            "if srun --help 2>/dev/null | grep -q -e --overlap; then o=--overlap; else o='--mem=0 --gres=none'; fi; \
             exec srun --jobid={} $o --nodes=1 --ntasks=1 --nodelist={} {way} {rest}{end}",
            self.number,
            quoted(&self.node)?
        ))
    }

    /// Returns forwards as they are from the login node: what the node calls itself there is its name.
    pub fn seen(&self, forwards: &[forward::Forward]) -> Vec<forward::Forward> {
        forwards.iter().map(|forward| forward.of_node(&self.node)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::NodeId;

    #[test]
    fn a_step_is_in_the_job_and_takes_nothing_from_it() {
        let step = Step { door: NodeRef::Id(NodeId(1)), node: "n1".into(), number: "7".into() };
        let line = step.line(Some("echo 'a b'; exit 3")).unwrap();
        assert!(line.contains("srun --jobid=7 $o --nodes=1 --ntasks=1 --nodelist=n1 --unbuffered sh -c "), "{line}");
        assert!(line.contains("o=--overlap;") && line.ends_with(" </dev/null"), "{line}");
        // An srun of 22.05, and one of 18.08.
        let srun = |help: &str| {
            let stand_in =
                format!("srun() {{ [ \"$1\" = --help ] && {{ echo '{help}'; return; }}; printf '%s|' \"$@\"; }}\n");
            let text = stand_in + &line.replace("exec srun", "srun");
            let out = std::process::Command::new("sh").args(["-c", &text]).output().unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        let end = "--nodes=1|--ntasks=1|--nodelist=n1|--unbuffered|sh|-c|echo 'a b'; exit 3|";
        assert_eq!(srun("  --overlap   Allow steps to overlap"), format!("--jobid=7|--overlap|{end}"));
        assert_eq!(srun("  -O, --overcommit"), format!("--jobid=7|--mem=0|--gres=none|{end}"));
        assert!(step.line(None).unwrap().ends_with("--pty \"${SHELL:-/bin/sh}\" -l"));
    }

    #[test]
    fn ports_of_the_node_itself_are_by_its_name_from_the_login_node() {
        let step = Step { door: NodeRef::Id(NodeId(1)), node: "n1".into(), number: "7".into() };
        let read = |text: &str| text.parse::<forward::Forward>().unwrap();
        let there = step.seen(&[read("8888:localhost:80"), read("1:127.0.0.1:2"), read("1:db:2"), read("1:[::1]:2")]);
        assert_eq!(there, [read("8888:n1:80"), read("1:n1:2"), read("1:db:2"), read("1:n1:2")]);
    }
}
