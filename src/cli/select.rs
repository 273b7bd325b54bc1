//! Which jobs are meant: names, identities, globs, `a,b`, `state:failed`, `last`, all.

use std::sync::Arc;

use super::failure::Failure;
use super::session::{Core, Session, unexpected};
use crate::model::fault::Fault;
use crate::model::job_column::{JobColumn, JobTable};
use crate::model::request::{JobQuery, JobRef, JobView, PAGE_MAX, Reply, Request};
use crate::model::state::ExecutionState;

/// The words for states, as in `state:failed`.
pub const STATES: [(&str, ExecutionState); 5] = [
    ("queued", ExecutionState::Queued),
    ("running", ExecutionState::Running),
    ("terminating", ExecutionState::Terminating),
    ("succeeded", ExecutionState::Succeeded),
    ("failed", ExecutionState::Failed),
];

/// One way to mean jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// One by name or identity.
    One(String),
    /// All whose name fits a pattern of `*`, `?` and `[…]`.
    Glob(String),
    /// All in one of these states.
    States(Vec<ExecutionState>),
    /// The one that was submitted last.
    Last,
    /// All.
    All,
}

impl Pick {
    /// Reads the words of the command line.
    ///
    /// # Errors
    /// An unknown state, with the known ones.
    pub fn parse(words: &[String], all: bool) -> Result<Vec<Self>, Fault> {
        let mut picks: Vec<Self> = if all { vec![Self::All] } else { Vec::new() };
        for word in words {
            if let Some(states) = word.strip_prefix("state:") {
                picks.push(Self::States(parse_states(states)?));
                continue;
            }
            for part in word.split(',').filter(|part| !part.is_empty()) {
                picks.push(match part {
                    "last" => Self::Last,
                    glob if glob.contains(['*', '?', '[']) => Self::Glob(glob.to_owned()),
                    name => Self::One(name.to_owned()),
                });
            }
        }
        Ok(picks)
    }
}

/// Reads `queued,running`.
///
/// # Errors
/// The first word that is no state.
pub fn parse_states(text: &str) -> Result<Vec<ExecutionState>, Fault> {
    let parse = |word: &str| {
        let found = STATES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, state)| *state);
        found.ok_or_else(|| {
            let known: Vec<&str> = STATES.iter().map(|(name, _)| *name).collect();
            Fault::config(format!("`{}` is no state of a job", word.escape_debug()))
                .hint(format!("states: {}", known.join(", ")))
        })
    };
    text.split([',', '|']).map(parse).collect()
}

/// Says whether a name fits a pattern of `*`, `?` and `[abc]`, `[a-z]`, `[!a]`, without regard to case.
pub fn glob_fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // The place to go back to: after the last `*`, with one letter more given to it.
    let (mut p, mut n, mut back) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(_) => {
                if let Some(next) = one_fits(&pattern, p, name[n]) {
                    (p, n) = (next, n + 1);
                    continue;
                }
            }
            None => {}
        }
        match back {
            Some((after, taken)) => {
                (p, n) = (after, taken + 1);
                back = Some((after, taken + 1));
            }
            None => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Returns where the pattern goes on if the letter fits what stands at `p`.
fn one_fits(pattern: &[char], p: usize, letter: char) -> Option<usize> {
    match pattern[p] {
        '?' => Some(p + 1),
        '[' => {
            let close = pattern[p + 1..].iter().skip(1).position(|c| *c == ']').map(|at| p + 2 + at);
            let Some(close) = close else { return (letter == '[').then_some(p + 1) };
            let (negated, set) = match &pattern[p + 1..close] {
                ['!', rest @ ..] => (true, rest),
                set => (false, set),
            };
            let mut found = false;
            let mut at = 0;
            while at < set.len() {
                if at + 2 < set.len() && set[at + 1] == '-' {
                    found |= (set[at]..=set[at + 2]).contains(&letter);
                    at += 3;
                } else {
                    found |= set[at] == letter;
                    at += 1;
                }
            }
            (found != negated).then_some(close + 1)
        }
        c => (c == letter).then_some(p + 1),
    }
}

/// Gives every page of a query to `each`, until that says that it is enough.
///
/// # Errors
/// The core's refusal, or that of `each`.
pub async fn pages(
    core: &Core,
    mut query: JobQuery,
    mut each: impl FnMut(Vec<Arc<JobView>>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    query.limit = PAGE_MAX;
    loop {
        let (jobs, more) = match core.ask(Request::ListJobs(query.clone())).await? {
            Reply::Jobs { jobs, more } => (jobs, more),
            other => return Err(unexpected(&other)),
        };
        query.after = jobs.last().map(|view| view.job.id);
        let last = !more || jobs.is_empty();
        if !each(jobs)? || last {
            return Ok(());
        }
    }
}

/// Gives every page of a query to `each`, with the columns alone that `wanted` names before each page, until `each` says that it
/// is enough. While a page is being dealt with, the core makes the next one.
///
/// # Errors
/// The core's refusal, or that of `each`.
pub async fn tables<L>(
    core: &Core,
    mut query: JobQuery,
    list: &mut L,
    wanted: impl Fn(&L) -> Vec<JobColumn>,
    mut each: impl FnMut(&mut L, JobTable) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let ask = |query: &JobQuery, columns: Vec<JobColumn>| {
        let (client, request) = (core.client().clone(), Request::TabulateJobs { query: query.clone(), columns });
        // A task of its own, so that the answer is read and taken apart on another core.
        tokio::spawn(async move { client.request(request).await })
    };
    let mut coming = ask(&query, wanted(list));
    // The first page decides which columns are shown.
    let mut first = true;
    loop {
        let answer = coming.await.map_err(|e| Fault::internal("the answer was lost").because(&e))?;
        let table = match answer? {
            Reply::JobTable(table) => table,
            other => return Err(unexpected(&other)),
        };
        query.after = table.last;
        let more = table.more && table.count > 0;
        let early = (more && !first).then(|| ask(&query, wanted(list)));
        if !each(list, table)? || !more {
            return Ok(());
        }
        coming = early.unwrap_or_else(|| ask(&query, wanted(list)));
        first = false;
    }
}

/// Finds one job by a word.
///
/// # Errors
/// That there is none of that name.
pub async fn one(session: &Session, core: &Core, word: &str) -> Result<Arc<JobView>, Failure> {
    match core.ask(Request::ShowJob(session.job(word))).await? {
        Reply::Job(view) => Ok(view),
        other => Err(unexpected(&other)),
    }
}

/// Asks again for one job, with what is only said of one: what is to be known of its logs.
///
/// # Errors
/// That it is gone by now.
pub async fn whole(core: &Core, view: &JobView) -> Result<Arc<JobView>, Failure> {
    match core.ask(Request::ShowJob(JobRef::Id(view.job.id))).await? {
        Reply::Job(view) => Ok(view),
        other => Err(unexpected(&other)),
    }
}

/// Reads the words that must mean some jobs; called before a core is reached or started for them.
///
/// # Errors
/// That nothing is meant, or an unknown state.
pub fn picks(words: &[String], all: bool) -> Result<Vec<Pick>, Fault> {
    let picks = Pick::parse(words, all)?;
    if picks.is_empty() {
        let forms = "name jobs: NAME, job-12, 'run-*', a,b, state:failed, last, or --all";
        return Err(Fault::config("no job is named").hint(forms));
    }
    Ok(picks)
}

/// Finds all jobs that are meant, each once, in the order they are named.
///
/// # Errors
/// That a named job is not there.
pub async fn many(session: &Session, core: &Core, picks: Vec<Pick>) -> Result<Vec<Arc<JobView>>, Failure> {
    let mut found: Vec<Arc<JobView>> = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for pick in picks {
        for view in picked(session, core, pick).await? {
            if known.insert(view.job.id) {
                found.push(view);
            }
        }
    }
    Ok(found)
}

async fn picked(session: &Session, core: &Core, pick: Pick) -> Result<Vec<Arc<JobView>>, Failure> {
    let mut found = Vec::new();
    let (query, pattern) = match pick {
        Pick::One(word) => {
            return Ok(vec![one(session, core, &word).await?]);
        }
        Pick::Last => {
            let query = JobQuery { newest_first: true, limit: 1, ..session.query() };
            return match core.ask(Request::ListJobs(query)).await? {
                Reply::Jobs { jobs, .. } if jobs.is_empty() => Err(Fault::user("there is no job yet").into()),
                Reply::Jobs { jobs, .. } => Ok(jobs),
                other => Err(unexpected(&other)),
            };
        }
        Pick::Glob(pattern) => (session.query(), Some(pattern)),
        Pick::States(states) => (JobQuery { states, ..session.query() }, None),
        Pick::All => (session.query(), None),
    };
    pages(core, query, |jobs| {
        let fits = |view: &Arc<JobView>| pattern.as_ref().is_none_or(|pattern| glob_fits(pattern, &view.job.name));
        found.extend(jobs.into_iter().filter(fits));
        Ok(true)
    })
    .await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_mean_jobs() {
        let words = |text: &str| text.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            Pick::parse(&words("a,b run-* last state:failed,queued job-3"), true).unwrap(),
            [
                Pick::All,
                Pick::One("a".to_owned()),
                Pick::One("b".to_owned()),
                Pick::Glob("run-*".to_owned()),
                Pick::Last,
                Pick::States(vec![ExecutionState::Failed, ExecutionState::Queued]),
                Pick::One("job-3".to_owned()),
            ]
        );
        let fault = Pick::parse(&words("state:done"), false).unwrap_err();
        assert_eq!((fault.exit_code(), fault.hints.len()), (2, 1));
    }

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("run-*", "Run-7", true),
            ("run-*", "train", false),
            ("*-7", "run-17", false),
            ("*7", "run-17", true),
            ("r?n-[0-3]", "run-2", true),
            ("r?n-[0-3]", "run-4", false),
            ("r[!u]n", "run", false),
            ("r[!u]n", "ran", true),
            ("a*b*c", "axxbxxbc", true),
            ("a*b*c", "axxbxx", false),
            ("[", "[", true),
            ("a", "ab", false),
            ("****************b", &"a".repeat(64), false),
        ] {
            assert_eq!(glob_fits(pattern, name), fits, "{pattern} {name}");
        }
    }
}
