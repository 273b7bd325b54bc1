//! Arrays from their submission until all members have come up.

use uuid::Uuid;

use super::*;
use crate::model::request::{JobAct, JobQuery, JobRef, Reply, Request};
use crate::model::settings::Settings;
use crate::model::spec::{ClusterSpec, ProviderSpec};
use crate::model::state::ExecutionState;
use crate::model::units::{Millis, NodeCount};
use crate::runtime::engine::{Input, Surroundings};
use crate::store::Db;

struct Bench {
    engine: Engine<Db>,
    dir: tempfile::TempDir,
}

fn open(dir: &tempfile::TempDir, drawn: u128) -> Engine<Db> {
    let store = Db::open(&dir.path().join("state.sqlite")).unwrap();
    let around = Surroundings { state_dir: dir.path().display().to_string(), ..Surroundings::default() };
    let mut drawn = drawn;
    let draw = Box::new(move || {
        drawn += 1;
        Uuid::from_u128(drawn)
    });
    Engine::open(store, Settings::default(), around, UnixMillis(1), draw).unwrap().0
}

impl Bench {
    /// A cluster without nodes.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Self { engine: open(&dir, 0), dir };
        bench.ask(vec![Request::CreateWorkspace { name: "lab".into(), location: None, tags: BTreeMap::new() }]);
        bench.ask(vec![Request::CreateExperiment { workspace: None, name: "e".into() }]);
        let spec = Box::new(ClusterSpec::new(ProviderSpec::Local, NodeCount(0)));
        bench.ask(vec![Request::CreateCluster { workspace: None, name: "c".into(), spec }]);
        bench.turns();
        bench
    }

    fn restarted(self) -> Self {
        let Self { engine, dir } = self;
        drop(engine);
        Self { engine: open(&dir, 1_000_000), dir }
    }

    fn ask(&mut self, requests: Vec<Request>) -> Vec<Reply> {
        let inputs = requests.into_iter().zip(1..).map(|(request, call)| Input::Request(call, Box::new(request)));
        let mut replies = self.engine.turn(UnixMillis(2), inputs.collect()).unwrap().replies;
        replies.sort_by_key(|(call, _)| *call);
        replies.into_iter().map(|(_, reply)| reply).collect()
    }

    fn one(&mut self, request: Request) -> Reply {
        self.ask(vec![request]).remove(0)
    }

    /// Takes turns until nothing is fed back.
    fn turns(&mut self) {
        while self.engine.has_feedback() {
            self.engine.turn(UnixMillis(2), Vec::new()).unwrap();
        }
    }

    fn act(&mut self, job: &str, act: JobAct) -> Reply {
        let job = JobRef::Named { experiment: Place::default(), job: job.into() };
        self.one(Request::Job { job, act })
    }

    /// The names of all jobs with their states, page by page.
    fn listed(&mut self) -> Vec<(String, ExecutionState)> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let query = JobQuery { after, ..JobQuery::default() };
            let Reply::Jobs { jobs, more } = self.one(Request::ListJobs(query)) else { panic!("a list") };
            all.extend(jobs.iter().map(|view| (view.job.name.to_string(), view.job.state)));
            after = jobs.last().map(|view| view.job.id);
            if !more {
                return all;
            }
        }
    }

    fn words(&mut self) -> String {
        let words = self.listed().into_iter().map(|(name, state)| format!("{name} {}", state.word()));
        words.collect::<Vec<_>>().join(", ")
    }

    fn up(&self) -> usize {
        self.engine.sched().jobs().len()
    }
}

fn job(name: &str, array: Option<&str>) -> Submit {
    let mut spec = JobSpec::command("true");
    spec.scheduling.array = array.map(|indexes| indexes.parse().unwrap());
    Submit { experiment: Place::default(), cluster: Place::default(), name: Some(name.into()), spec, token: None }
}

fn submit(of: Submit) -> Request {
    Request::Submit(Box::new(of))
}

fn array(name: &str, indexes: &str) -> Request {
    submit(job(name, Some(indexes)))
}

fn accepted(reply: Reply) -> Vec<JobId> {
    match reply {
        Reply::SubmittedArray { first, jobs } => {
            assert_eq!(Some(&first.id), jobs.first());
            jobs
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_large_array_is_accepted_as_one_row() {
    let mut bench = Bench::new();
    let jobs = accepted(bench.one(array("a", "1-10000")));
    assert_eq!((jobs.len(), bench.up()), (10_000, 1), "its first member stands for all");
    let all = bench.listed();
    assert_eq!((all.len(), all[9_999].0.as_str()), (10_000, "a-10000"));
    assert!(all.iter().all(|(_, state)| *state == ExecutionState::Queued));
    bench.turns();
    assert!((2..=1_001).contains(&bench.up()), "{}", bench.up());
    assert_eq!(bench.listed(), all, "whether it has come up cannot be seen");
    let Reply::Lists { sweeps, .. } = bench.one(Request::ListAll { workspace: None }) else { panic!("lists") };
    assert!(sweeps.is_empty(), "an array is no sweep");
    let last = bench.one(Request::ShowJob(JobRef::Id(jobs[9_999])));
    let Reply::Job(last) = last else { panic!("{last:?}") };
    assert_eq!(last.job.member.as_ref().map(|member| (member.of, member.index)), Some((jobs[0], 10_000)));
}

#[test]
fn members_are_listed_in_the_turn_in_which_the_last_ones_come_up() {
    let mut bench = Bench::new();
    accepted(bench.one(array("a", "1-3")));
    assert_eq!(bench.up(), 1);
    assert_eq!(bench.words(), "a-1 queued, a-2 queued, a-3 queued");
    assert_eq!(bench.up(), 3);
    assert!(bench.engine.sched().sweeps().is_empty());
}

#[test]
fn a_restart_before_they_come_up_loses_nothing() {
    let mut bench = Bench::new();
    let asked = || submit(Submit { token: Some("t".into()), ..job("a", Some("1,5-9:2")) });
    let jobs = accepted(bench.one(asked()));
    let mut bench = bench.restarted();
    assert_eq!(accepted(bench.one(asked())), jobs, "the token said again");
    let mut other = job("a", Some("1-3"));
    other.token = Some("t".into());
    assert!(matches!(bench.one(submit(other)), Reply::Refused(_)), "the token said of something else");
    bench.turns();
    assert_eq!(bench.words(), "a-1 queued, a-5 queued, a-7 queued, a-9 queued");
    assert_eq!(accepted(bench.one(asked())), jobs);
    let mut bench = bench.restarted();
    assert_eq!(accepted(bench.one(asked())), jobs);
    assert_eq!((bench.up(), bench.engine.sched().sweeps().len()), (4, 0));
    let uuids: BTreeSet<Uuid> = bench.engine.sched().jobs().values().map(|job| job.uuid).collect();
    assert_eq!(uuids.len(), 4);
}

#[test]
fn a_member_is_acted_on_before_its_turn() {
    let mut bench = Bench::new();
    let stop = || JobAct::Terminate { hold: Millis(0) };
    let mut ask = vec![array("a", "1-4")];
    for (member, act) in [("a-2", stop()), ("a-3", JobAct::Delete), ("a-4", JobAct::Hold)] {
        let job = JobRef::Named { experiment: Place::default(), job: member.into() };
        ask.push(Request::Job { job, act });
    }
    let replies = bench.ask(ask);
    assert!(replies[1..].iter().all(|reply| matches!(reply, Reply::Accepted { .. })), "{replies:?}");
    assert_eq!(bench.words(), "a-1 queued, a-2 failed, a-4 queued");
    assert!(bench.engine.sched().sweeps().is_empty(), "all have come up by that");
    assert!(matches!(bench.act("a-4", JobAct::Release), Reply::Accepted { .. }));
    assert!(matches!(bench.act("a-3", stop()), Reply::Refused(_)));
}

#[test]
fn a_job_comes_after_a_member_that_has_not_come_up() {
    let mut bench = Bench::new();
    let after = |name: &str, other: &str| {
        let mut job = job(name, None);
        job.spec.scheduling.after_ok = vec![other.into()];
        job
    };
    // In the same request, and in the same turn.
    let all = vec![job("x", None), job("a", Some("7-9")), after("b", "A-9"), job("b2", Some("0-1"))];
    let replies = bench.ask(vec![Request::SubmitAll(all), submit(after("c", "a-8"))]);
    let [Reply::Submitted(jobs), Reply::Submitted(c)] = &replies[..] else { panic!("{replies:?}") };
    let ids: Vec<u64> = jobs.iter().map(|job| job.id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7], "numbers in the order of the list");
    let names: Vec<&str> = jobs.iter().map(|job| &*job.name).collect();
    assert_eq!(names, ["x", "a-7", "a-8", "a-9", "b", "b2-0", "b2-1"]);
    let waits = |job: &Job| job.dependencies.iter().map(|d| (d.job.0, d.met)).collect::<Vec<_>>();
    assert_eq!((waits(&jobs[4]), waits(&c[0])), (vec![(4, false)], vec![(3, false)]));
    assert_eq!(c[0].state, ExecutionState::Queued);
    bench.turns();
    assert!(matches!(bench.act("a-9", JobAct::Terminate { hold: Millis(0) }), Reply::Accepted { .. }));
    assert!(bench.words().contains("b failed"), "{}", bench.words());
    // An array that comes after one.
    let mut later = job("d", Some("1-2"));
    later.spec.scheduling.after_any = vec!["a-8".into()];
    accepted(bench.one(submit(later)));
    bench.turns();
    let Reply::Job(d) = bench.one(Request::ShowJob(JobRef::Id(JobId(10)))) else { panic!("a job") };
    assert_eq!((&*d.job.name, waits(&d.job)), ("d-2", vec![(3, false)]));
}

#[test]
fn names_of_members_that_have_not_come_up_are_taken() {
    let mut bench = Bench::new();
    let replies = bench.ask(vec![
        array("a", "1-9:2"),
        submit(job("A-3", None)),
        submit(job("a-4", None)),
        array("a", "5-6"),
        array("A", "2-8:6"),
        Request::SubmitAll(vec![job("v", Some("1-2")), job("V", Some("2-3"))]),
        Request::SubmitAll(vec![job("w-2", None), job("w", Some("2-3"))]),
        Request::SubmitAll(vec![job("y", Some("2-3")), job("y-3", None)]),
    ]);
    let refused = |reply: &Reply| match reply {
        Reply::Refused(fault) => fault.message.clone(),
        _ => String::new(),
    };
    let words: Vec<String> = replies.iter().map(refused).collect();
    let of = |name: &str| format!("job `{name}` already exists in experiment `e`");
    assert_eq!(words[..5], [String::new(), of("A-3"), String::new(), of("a-5"), String::new()]);
    let in_list = |name: &str| format!("job 2 of the list: {}", of(name));
    assert_eq!(words[5..], [in_list("V-2"), in_list("w-2"), in_list("y-3")]);
    assert!(matches!(bench.one(array(&"x".repeat(crate::model::names::NAME_CHARS_MAX - 1), "1")), Reply::Refused(_)));
}

#[test]
fn who_awaits_a_member_that_never_comes_up_is_told() {
    let mut bench = Bench::new();
    let jobs = accepted(bench.one(array("a", "1-5000")));
    let last = |timeout| Request::AwaitJob { job: JobRef::Id(jobs[4_999]), timeout };
    assert!(bench.ask(vec![last(Some(Millis(5)))]).is_empty());
    let over = bench.engine.turn(UnixMillis(9), vec![Input::AwaitOver(1)]).unwrap().replies;
    assert!(matches!(&over[..], [(1, Reply::Job(view))] if &*view.job.name == "a-5000"), "{over:?}");
    assert!(bench.ask(vec![last(None)]).is_empty());
    let delete = |force| Request::DeleteCluster { cluster: Place::default(), force };
    let Reply::Refused(fault) = bench.one(delete(false)) else { panic!("it has jobs") };
    assert!(fault.message.starts_with("5000 jobs wait or run"), "{}", fault.message);
    let replies = bench.ask(vec![delete(true)]);
    assert!(matches!(
        &replies[..],
        [Reply::Refused(_), Reply::Accepted { .. }] | [Reply::Accepted { .. }, Reply::Refused(_)]
    ));
    assert!(bench.engine.sched().sweeps().is_empty());
}

/// Says by which row a value is kept.
fn keeper(bench: &Bench, id: Uuid) -> Option<(String, i64)> {
    use rusqlite::OptionalExtension as _;
    let conn = rusqlite::Connection::open(bench.dir.path().join("state.sqlite")).unwrap();
    let owner = "SELECT kind, owner FROM sealed WHERE id = ?1";
    conn.query_row(owner, [id.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional().unwrap()
}

#[test]
fn secrets_of_an_array_stay_until_its_last_member_is_deleted() {
    use crate::model::spec::{Secret, SecretSource, SecretText};
    let mut bench = Bench::new();
    let mut asked = job("a", Some("1-3"));
    asked.spec.secrets = vec![Secret { name: "TOKEN".into(), source: SecretSource::Given(SecretText::new("hush")) }];
    let of = accepted(bench.one(submit(asked)))[0];
    let first = bench.engine.job(of).unwrap().unwrap();
    let SecretSource::Kept(id) = first.spec.secrets[0].source else { panic!("it is kept") };
    let job = |number: u64| Some(("job".to_owned(), number.cast_signed()));
    let of = of.0;
    assert_eq!(keeper(&bench, id), Some(("sweep".into(), 1)), "the array's row has them while it is there");
    bench.turns();
    assert!(bench.engine.sched().sweeps().is_empty());
    assert_eq!(keeper(&bench, id), job(of));
    assert!(matches!(bench.act("a-1", JobAct::Delete), Reply::Accepted { .. }));
    assert_eq!(keeper(&bench, id), job(of + 1));
    assert!(matches!(bench.act("a-2", JobAct::Delete), Reply::Accepted { .. }));
    assert_eq!(keeper(&bench, id), job(of + 2));
    assert!(bench.engine.store().sealed(id).unwrap().is_some());
    assert!(matches!(bench.act("a-3", JobAct::Delete), Reply::Accepted { .. }));
    assert_eq!(keeper(&bench, id), None, "nobody refers to them any more");
}
