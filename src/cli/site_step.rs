//! Ways into a job of one's own in Slurm's queue that ostler did not submit: a shell on its nodes, and what it writes. Both go through
//! the login node, on the terminal.

use super::cluster_slurm::look;
use super::failure::Failure;
use super::forward;
use super::job_step::Step;
use super::session::{Core, Session, unexpected};
use crate::model::fault::Fault;
use crate::model::names::expand_hosts;
use crate::model::request::{NodeRef, Reply, Request};
use crate::model::site::SiteJob;
use crate::model::state::Node;

/// How many lines of the end are shown first.
const LINES: u32 = 200;

/// Returns a job of one's own that runs, and the login node.
async fn own(session: &Session, core: &Core, id: &str) -> Result<(SiteJob, NodeRef), Failure> {
    let site = look(session, core, session.cluster(None)).await?;
    let Some(job) = site.jobs.iter().find(|job| job.id == id) else {
        return Err(Fault::user(format!("job `{}` is not in the queue", id.escape_debug()))
            .hint("`ostler cluster queue --mine` lists yours")
            .into());
    };
    if !job.mine {
        return Err(Fault::user(format!("job {id} is {}'s: Slurm lets only its owner in", job.user.escape_debug())).into());
    }
    if !job.has_nodes() {
        return Err(Fault::user(format!("job {id} does not run, and only a job that runs can be entered"))
            .hint(format!("ostler cluster job why {id}"))
            .into());
    }
    let door = match core.ask(Request::ListAll { workspace: None }).await? {
        Reply::Lists { nodes, .. } => {
            nodes.iter().find(|node| node.cluster == site.cluster).map(|node: &std::sync::Arc<Node>| node.id)
        }
        other => return Err(unexpected(&other)),
    };
    let door = door.ok_or_else(|| Fault::user("the login node of the cluster is not there yet"))?;
    Ok((job.clone(), NodeRef::Id(door)))
}

/// Opens a shell on a node of a job.
///
/// # Errors
/// As for every command; that the job is not one's own, or does not run.
pub async fn shell(session: &Session, id: &str, node: Option<&String>) -> Result<i32, Failure> {
    let core = session.core().await?;
    let (job, door) = own(session, &core, id).await?;
    let names = expand_hosts(&job.on).map_err(|why| Fault::user(format!("the nodes of job {id} cannot be read: {why}")))?;
    let step = Step::on(door.clone(), id, &names, node)?;
    forward::terminal(&core, door, &step.node, Some(&step.line(None)?)).await
}

/// Follows a file that a job writes: `StdOut` or `StdErr`.
///
/// # Errors
/// As for [`shell`].
pub async fn follow(session: &Session, id: &str, file: &str) -> Result<i32, Failure> {
    let core = session.core().await?;
    let (_, door) = own(session, &core, id).await?;
    forward::terminal(&core, door, "the login node", Some(&line(id, file))).await
}

/// The line for the login node's shell. Before 24.05 `scontrol` shows a path as it was asked for, with `%j` for the number.
fn line(id: &str, file: &str) -> String {
    let (array, member) = id.split_once('_').unwrap_or((id, "4294967294"));
    format!(
        "f=$(scontrol show job {id} | sed -n 's/^ *{file}=//p' | head -n 1 | sed 's/%A/{array}/g; s/%a/{member}/g; s/%[jJ]/{id}/g'); \
         if [ -z \"$f\" ] || ! [ -e \"$f\" ]; then echo \"job {id} writes nothing that can be read here: $f\" >&2; exit 1; fi; \
         echo \"$f (ctrl-c ends it)\"; exec tail -n {LINES} -F -- \"$f\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_scontrol_names_is_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("out-7.log");
        std::fs::write(&path, "step 1\n").unwrap();
        let asked = scratch.path().join("out-%j.log");
        // A stand-in for scontrol, and a `tail` that ends.
        let text = format!(
            "scontrol() {{ printf 'JobId=7\\n   StdErr=/dev/null\\n   StdOut=%s\\n' '{}'; }}\n{}",
            asked.display(),
            line("7", "StdOut").replace("exec tail -n 200 -F", "tail -n 200")
        );
        let out = std::process::Command::new("sh").args(["-c", &text]).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert_eq!(said, format!("{} (ctrl-c ends it)\nstep 1\n", path.display()));
        let gone = text.replace("out-%j", "gone-%j");
        let out = std::process::Command::new("sh").args(["-c", &gone]).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{}", String::from_utf8_lossy(&out.stderr));
    }
}
