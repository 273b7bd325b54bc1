//! Running a command on a node: its output as it comes, and its own exit code.

use super::failure::Failure;
use super::logs::Printer;
use super::session::{Core, Session};
use crate::model::fault::Fault;
use crate::model::request::NodeRef;
use crate::model::task::{Run, Stream, Task, TaskNews};

/// Runs it to its end; going away before ends it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, core: &Core, node: NodeRef, shown: &str, command: String) -> Result<i32, Failure> {
    if !core.may(&format!("run a command on {shown}"))? {
        return Ok(0);
    }
    let mut news = core.client().begin_task(Task::Run(Run { node, command })).await?;
    let (mut out, mut err) = (Printer::new(session.out), Printer::on_err(session.out));
    let (mut out_at, mut err_at) = (0, 0);
    while let Some(news) = news.recv().await {
        match news {
            TaskNews::Output { stream: Stream::Out, bytes } => {
                out.print(out_at, &bytes)?;
                out_at += bytes.len() as u64;
            }
            TaskNews::Output { stream: Stream::Err, bytes } => {
                err.print(err_at, &bytes)?;
                err_at += bytes.len() as u64;
            }
            TaskNews::Exited { code } => {
                out.end()?;
                err.end()?;
                return Ok(code);
            }
            TaskNews::Failed(fault) => {
                out.end()?;
                err.end()?;
                return Err(fault.into());
            }
            TaskNews::Interrupted { why } => session.out.note(&why),
            TaskNews::Progress(_) | TaskNews::LeftOut { .. } | TaskNews::Copied(_) => {}
        }
    }
    Err(Fault::remote("the core went away").hint("whether the command goes on is not known").into())
}
