//! Acts on what Slurm has: jobs of its queue, whoever submitted them, and its nodes. Each asks first, with what it is and whose; Slurm
//! does it with the person's own rights there, or says why not.

use std::collections::BTreeSet;

use super::{cluster_place, refuse, say};
use crate::commands::{Cmd, CommandId};
use crate::model::ids::{ClusterId, JobId};
use crate::model::request::{Place, Request};
use crate::model::site::{SiteAct, SiteJob, SiteJobAct, SiteNode, SiteNodeAct};
use crate::model::units::Millis;
use crate::tui::cx::Cx;
use crate::tui::equivalent;
use crate::tui::overlays::Overlay;
use crate::tui::overlays::question::{Answer, Question};
use crate::tui::overlays::site::SiteOf;
use crate::tui::pane::{After, UiEffect};
use crate::tui::shown::shown;

/// How many things a question names; more are counted.
const NAMED_MAX: usize = 6;

/// What an act is about.
#[derive(Clone, Debug)]
pub struct Picked {
    /// The cluster of Slurm.
    pub cluster: ClusterId,
    /// What of it.
    pub picks: Picks,
}

/// What of a site is marked or under the cursor.
#[derive(Clone, Debug)]
pub enum Picks {
    /// Jobs of the queue.
    Jobs {
        /// Which.
        jobs: Vec<SiteJob>,
        /// The job of ostler's that the only one is.
        ours: Option<JobId>,
    },
    /// Nodes.
    Nodes {
        /// Which.
        nodes: Vec<SiteNode>,
        /// Who has jobs on them.
        users: BTreeSet<String>,
    },
}

/// Returns what a command comes to for rows of a site's tables; `None` when it is about something else.
pub fn act(cmd: &Cmd, picked: &Picked, cx: &Cx) -> Option<Vec<UiEffect>> {
    match &picked.picks {
        Picks::Jobs { jobs, ours } => on_jobs(cmd, picked.cluster, jobs, *ours, cx),
        Picks::Nodes { nodes, users } => on_nodes(cmd, picked.cluster, nodes, users, cx),
    }
}

fn on_jobs(cmd: &Cmd, cluster: ClusterId, jobs: &[SiteJob], ours: Option<JobId>, cx: &Cx) -> Option<Vec<UiEffect>> {
    use CommandId as C;
    // What ostler submitted is ostler's to stop, hold and explain; Slurm's own acts are for it as well.
    if ours.is_some() && !matches!(cmd.id, C::Requeue | C::Nice | C::TimeLimit) {
        return None;
    }
    let first = jobs.first()?;
    let act = match cmd.id {
        C::Stop => SiteJobAct::Cancel,
        C::Hold => SiteJobAct::Hold,
        C::Release => SiteJobAct::Release,
        C::Requeue => SiteJobAct::Requeue,
        C::Nice => match cmd.args.first().map_or(cmd.count, |amount| amount.parse().ok()) {
            Some(amount) => SiteJobAct::Nice(amount),
            None => return Some(refuse("the form is `nice AMOUNT`: by how much of its priority; 0 takes it back")),
        },
        C::TimeLimit => match cmd.args.first().map(|span| Millis::parse(span)) {
            Some(Ok(span)) => SiteJobAct::TimeLimit(span),
            _ => return Some(refuse("the form is `time-limit SPAN`, as in `time-limit 2h`")),
        },
        C::Why => return Some(vec![UiEffect::Open(Overlay::Site(cluster, SiteOf::Job(first.id.clone())))]),
        C::Efficiency => {
            let named = jobs.iter().map(|job| (job.name.clone(), job.id.clone())).collect();
            return Some(vec![UiEffect::Open(Overlay::Site(cluster, SiteOf::Uses(named)))]);
        }
        C::Priority => return Some(say("`nice AMOUNT` lets jobs of the queue come later than their turn")),
        C::Retry | C::Delete | C::Rerun | C::RerunWith | C::Plan | C::NewSweep => {
            return Some(say(
                "ostler did not submit this job: cancel, hold, release, requeue, nice and time-limit are for it",
            ));
        }
        _ => return None,
    };
    Some(ask_jobs(cluster, jobs, act, cx))
}

fn ask_jobs(cluster: ClusterId, jobs: &[SiteJob], act: SiteJobAct, cx: &Cx) -> Vec<UiEffect> {
    let ended = |job: &SiteJob| !job.waits() && !job.has_nodes();
    let fits = |job: &&SiteJob| match act {
        SiteJobAct::Hold => job.waits() && !job.held(),
        SiteJobAct::Release => job.held(),
        SiteJobAct::Requeue => job.has_nodes(),
        SiteJobAct::Nice(_) => job.waits(),
        SiteJobAct::Cancel | SiteJobAct::TimeLimit(_) => !ended(job),
    };
    let (verb, what) = words(act);
    let fitting: Vec<&SiteJob> = jobs.iter().filter(fits).collect();
    if fitting.is_empty() {
        return match jobs {
            [job] => say(format!("{} is {}: nothing to {verb}", shown(&job.id), job.state.to_lowercase())),
            _ => say(format!("none of the marked jobs is one to {verb}")),
        };
    }
    let mut text = vec![whose(&fitting)];
    let strangers: BTreeSet<&str> = fitting.iter().filter(|job| !job.mine).map(|job| job.user.as_str()).collect();
    if !strangers.is_empty() {
        let names = strangers.into_iter().map(shown).collect::<Vec<_>>().join(", ");
        text.push(format!("Not yours: {names}. Slurm allows it to operators and to coordinators of the account."));
    }
    text.push(what);
    let ids: Vec<String> = fitting.iter().map(|job| job.id.clone()).collect();
    let (title, label) = match fitting.as_slice() {
        [job] => (format!("{} {}", capital(verb), shown(&job.id)), format!("{} the job", capital(verb))),
        many => (format!("{} {} jobs", capital(verb), many.len()), format!("{} {} jobs", capital(verb), many.len())),
    };
    let request = Request::ActAtSite { cluster: cluster_place(cluster, cx), act: SiteAct::Jobs { ids, act } };
    ask(title, text, label, UiEffect::Send(request))
}

/// Asks; "Cancel" is a word for what is done here, so that the harmless answer is another one.
fn ask(title: String, text: Vec<String>, label: String, effect: UiEffect) -> Vec<UiEffect> {
    let leave = Answer { label: "Leave it".to_owned(), effects: Vec::new() };
    let go = Answer { label, effects: vec![effect] };
    vec![UiEffect::Open(Overlay::Question(Question::new(title, text, vec![leave, go])))]
}

/// Names jobs with whose they are.
fn whose(jobs: &[&SiteJob]) -> String {
    let of = |job: &&SiteJob| {
        let user = if job.mine { "yours".to_owned() } else { format!("of {}", job.user) };
        shown(&format!("{} ({}), {user}", job.id, job.name))
    };
    let named = jobs.iter().take(NAMED_MAX).map(of).collect::<Vec<_>>().join("; ");
    match jobs.len().saturating_sub(NAMED_MAX) {
        0 => format!("{named}."),
        more => format!("{named}; and {more} more."),
    }
}

fn words(act: SiteJobAct) -> (&'static str, String) {
    let (verb, what) = match act {
        SiteJobAct::Cancel => ("cancel", "What runs gets TERM, then KILL; what waits never starts.".to_owned()),
        SiteJobAct::Hold => ("hold", "It does not start until it is released.".to_owned()),
        SiteJobAct::Release => ("release", "It may start again when its turn comes.".to_owned()),
        SiteJobAct::Requeue => {
            ("requeue", "It is stopped and put back into the queue; what it has not saved is lost.".to_owned())
        }
        SiteJobAct::Nice(0) => ("re-order", "It comes at its turn again.".to_owned()),
        SiteJobAct::Nice(amount) => ("re-order", format!("It comes later than its turn, by {amount} of its priority.")),
        SiteJobAct::TimeLimit(limit) => {
            ("change the time of", format!("It may run {limit} in all. Only operators may give it more than it has."))
        }
    };
    (verb, what)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn on_nodes(cmd: &Cmd, cluster: ClusterId, nodes: &[SiteNode], users: &BTreeSet<String>, cx: &Cx) -> Option<Vec<UiEffect>> {
    use CommandId as C;
    let (verb, what, act) = match cmd.id {
        C::Drain => {
            let why = match cmd.args.as_slice() {
                [] => "drained through ostler".to_owned(),
                words => words.join(" "),
            };
            let what = format!("No new work; what runs there goes on. The reason for others: {}", shown(&why));
            ("drain", what, SiteNodeAct::Drain { why })
        }
        C::Undrain => ("undrain", "Work may come there again.".to_owned(), SiteNodeAct::Resume),
        C::PowerUp => ("power up", "The machine is started.".to_owned(), SiteNodeAct::PowerUp),
        C::PowerDown => ("power down", "It goes or sleeps once nothing runs there.".to_owned(), SiteNodeAct::PowerDown),
        C::Prepare | C::Replace | C::DeclareDead | C::Shell => {
            return Some(say("the node is Slurm's: drain, undrain, power-up and power-down are what can be asked for it"));
        }
        _ => return None,
    };
    let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let listed = names.iter().take(NAMED_MAX).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let users = match users.len() {
        0 => "Nothing runs there.".to_owned(),
        _ => format!("Jobs of {} run there.", users.iter().map(|user| shown(user)).collect::<Vec<_>>().join(", ")),
    };
    let text = vec![format!("{listed}{more}. {users}"), what, "Slurm allows it to operators.".to_owned()];
    let (title, label) = match names.as_slice() {
        [name] => (format!("{} {}", capital(verb), shown(name)), format!("{} the node", capital(verb))),
        many => (format!("{} {} nodes", capital(verb), many.len()), format!("{} {} nodes", capital(verb), many.len())),
    };
    let request = Request::ActAtSite { cluster: cluster_place(cluster, cx), act: SiteAct::Nodes { names, act } };
    Some(ask(title, text, label, UiEffect::Send(request)))
}

/// Returns what shows what accounts have used and may, of the cluster that something belongs to.
pub fn share(cluster: Option<ClusterId>, cx: &Cx) -> Vec<UiEffect> {
    match cluster.filter(|id| cx.world.is_site(*id)) {
        Some(id) => vec![UiEffect::Open(Overlay::Site(id, SiteOf::Shares))],
        None => say("select a cluster of Slurm to see what your accounts have used and may"),
    }
}

/// Returns the command of ostler's that a row of the queue is entered or followed with, in the screen's place: `shell`, `logs`.
pub fn beside(verb: &str, picked: &Picked, cx: &Cx) -> Result<(Vec<String>, After), String> {
    let Picks::Jobs { jobs, .. } = &picked.picks else {
        return Err("the node is Slurm's: a job that runs there can be entered".to_owned());
    };
    let [job] = jobs.as_slice() else { return Err("one job at a time".to_owned()) };
    if !job.mine {
        return Err(format!("{} is {}'s: Slurm lets only its owner in", shown(&job.id), shown(&job.user)));
    }
    if !job.has_nodes() {
        return Err(format!("{} does not run yet", shown(&job.id)));
    }
    let place: Place = cluster_place(picked.cluster, cx);
    let words = equivalent::site_words(&["cluster", "job", verb], std::slice::from_ref(&job.id), &place);
    Ok((words, After::Back))
}
