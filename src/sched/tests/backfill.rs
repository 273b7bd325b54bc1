//! What may pass the first job of the queue, and what may not.

use proptest::prelude::*;

use super::*;
use crate::model::spec::{Demand, Priority, Resources};
use crate::model::state::{AfterStop, BootId, Job, StopWhy};
use crate::model::units::{Millis, NodeCount};

fn minutes(count: u64) -> Millis {
    Millis::from_mins(count)
}

/// Submits a job of so many nodes that runs for so many minutes at most.
fn limited(rig: &mut Rig, name: &str, nodes: u32, limit: u64) -> JobId {
    let mut spec = spec(nodes);
    spec.constraints.max_wall_clock_time = minutes(limit);
    rig.submit_as(new_job(name, spec, every_node(nodes)))
}

fn part(rig: &mut Rig, name: &str, nodes: u32, cpus: u64, limit: u64) -> JobId {
    let mut spec = spec(nodes);
    spec.constraints.max_wall_clock_time = minutes(limit);
    spec.demand = Demand::Part(Resources { cpus_milli: cpus * 1000, ..Resources::default() });
    rig.submit_as(new_job(name, spec, every_node(nodes)))
}

fn is_running(rig: &Rig, id: JobId) -> bool {
    rig.state(id) == ExecutionState::Running
}

fn head_starts(rig: &Rig) -> Option<UnixMillis> {
    rig.cluster().head.as_ref().and_then(|head| head.starts)
}

#[test]
fn what_ends_in_time_passes() {
    let mut rig = Rig::up(3);
    limited(&mut rig, "long", 1, 60);
    limited(&mut rig, "longer", 1, 90);
    let gang = limited(&mut rig, "gang", 3, 10);
    let room = rig.now + minutes(90);
    assert_eq!(head_starts(&rig), Some(room), "by the time limits of what runs");
    let (slow, quick) = (limited(&mut rig, "slow", 1, 91), limited(&mut rig, "quick", 1, 90));
    assert_eq!((is_running(&rig, slow), is_running(&rig, quick)), (false, true));
    assert_eq!(head_starts(&rig), Some(room), "no later than before");
    let reason = rig.job(slow).reason(Some(rig.cluster()));
    assert_eq!(reason, "waits behind gang of cluster gpu, which needs 3 nodes, 0 idle, 3 running");
    for id in [1, 2, quick.0] {
        rig.gone(main_of(id, 1, 0), exit(0));
    }
    assert_eq!((is_running(&rig, gang), is_running(&rig, slow)), (true, false), "strict order when there is room");
}

#[test]
fn what_is_kept_is_not_given_for_long() {
    let mut rig = Rig::up(4);
    limited(&mut rig, "a", 2, 60);
    let gang = limited(&mut rig, "gang", 3, 10);
    // Nodes 3 and 4 and one of the others are kept: nothing long may go to 3 and 4.
    let days = limited(&mut rig, "days", 1, 9000);
    assert!(!is_running(&rig, days));
    rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(5), deallocation: None });
    rig.bring_up();
    assert!(is_running(&rig, gang), "with the fifth node there is room");
    assert_eq!(rig.sched.why(rig.now, job(3)).map(|why| why.starts), Some(Some(rig.now + minutes(10))));
}

#[test]
fn a_part_passes_beside_what_is_kept() {
    let mut rig = Rig::up(1);
    part(&mut rig, "a", 1, 6, 60);
    let head = part(&mut rig, "head", 1, 5, 60);
    assert_eq!(rig.waits_for(), "needs 1 node with 5 CPUs, 1 has that and all of it is in use");
    let small = part(&mut rig, "small", 1, 2, 9000);
    assert!(is_running(&rig, small), "8 CPUs: 5 for the head later, 2 for this one");
    let other = part(&mut rig, "other", 1, 2, 9000);
    assert!(!is_running(&rig, other), "nothing is left now");
    rig.gone(main_of(1, 1, 0), exit(0));
    assert!(is_running(&rig, head) && !is_running(&rig, other), "8 CPUs: 5 and 2 are taken");
    rig.gone(main_of(2, 1, 0), exit(0));
    assert!(is_running(&rig, other));
}

#[test]
fn what_can_never_run_blocks_nobody() {
    let mut rig = Rig::up(2);
    let never = limited(&mut rig, "never", 9, 10);
    limited(&mut rig, "a", 1, 60);
    let gang = limited(&mut rig, "gang", 2, 10);
    let small = limited(&mut rig, "small", 1, 9000);
    assert_eq!(rig.cluster().kept_for.as_ref().map(|head| head.job), Some(gang), "the first that could run");
    assert!(!is_running(&rig, small));
    let cluster = Some(rig.cluster());
    assert_eq!(rig.job(never).reason(cluster), "needs 9 nodes, the cluster's target is 2; next in line");
    assert_eq!(rig.job(gang).reason(cluster), "needs 2 nodes, 1 idle, 1 running; next in line");
    assert!(rig.job(small).reason(cluster).starts_with("waits behind gang of cluster gpu"));
}

#[test]
fn nodes_that_come_are_waited_for() {
    let mut rig = Rig::up(2);
    rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(4), deallocation: None });
    let gang = limited(&mut rig, "gang", 4, 10);
    let small = limited(&mut rig, "small", 1, 1);
    assert!(!is_running(&rig, small), "nobody knows when the others come");
    assert_eq!(head_starts(&rig), None);
    rig.bring_up();
    assert!(is_running(&rig, gang));
}

#[test]
fn the_queue_is_forecast_in_order() {
    let mut rig = Rig::up(2);
    limited(&mut rig, "a", 1, 30);
    limited(&mut rig, "b", 1, 60);
    let (gang, c, d) = (limited(&mut rig, "gang", 2, 10), limited(&mut rig, "c", 1, 100), limited(&mut rig, "d", 2, 1));
    let times = rig.sched.forecast(rig.now, GPU);
    let at = |id: JobId| times.get(&id).map(|at| at.since(rig.now).0 / 60_000);
    assert_eq!((at(gang), at(c), at(d)), (Some(60), Some(70), Some(170)));
}

#[test]
fn what_if_is_told_before_it_is_submitted() {
    let mut rig = Rig::up(2);
    limited(&mut rig, "a", 1, 30);
    let a = limited(&mut rig, "b", 1, 60);
    limited(&mut rig, "gang", 2, 10);
    let jobs = rig.sched.jobs().len();
    let ask = |nodes: u32, priority: Priority| {
        let mut job = Job::clone(rig.job(a));
        let mut spec = (*job.spec).clone();
        (spec.node_count, job.priority) = (NodeCount(nodes), priority);
        job.spec = spec.into();
        let (starts, waits) = rig.sched.what_if(rig.now, GPU, &job);
        (starts.map(|at| at.since(rig.now).0 / 60_000), waits)
    };
    assert_eq!(ask(1, Priority::Normal).0, Some(70), "behind the gang");
    assert_eq!(ask(1, Priority::High).0, Some(30), "before it");
    assert_eq!(ask(2, Priority::High).0, Some(60));
    let (never, waits) = ask(3, Priority::Normal);
    assert!(never.is_none() && waits == "needs 3 nodes, the cluster's target is 2", "{waits}");
    assert_eq!(rig.sched.jobs().len(), jobs, "nothing is submitted");
}

/// A second cluster, of the nodes 2 to 4, in which a higher priority may take nodes, or not.
fn with_own_cluster(preemption: bool) -> Rig {
    let mut rig = Rig::up(1);
    let mut own = cluster_spec(3, Default::default());
    own.machines.preemption = preemption;
    rig.on(Event::ClusterCreated { workspace: WS, name: "own".into(), uuid: uuid::Uuid::nil(), spec: own });
    rig.bring_up();
    rig
}

/// Submits a job to that cluster, a second after the one before.
fn submit_own(rig: &mut Rig, name: &str, nodes: u32, priority: Priority) -> JobId {
    let mut spec = spec(nodes);
    spec.scheduling_priority = priority;
    let mut new = new_job(name, spec, every_node(nodes));
    new.cluster = ClusterId(2);
    let id = rig.submit_as(new);
    rig.pass(Millis::from_secs(1));
    id
}

#[test]
fn a_higher_priority_takes_nodes_where_that_is_allowed() {
    for allowed in [false, true] {
        let mut rig = with_own_cluster(allowed);
        let low = submit_own(&mut rig, "low", 1, Priority::Low);
        let low2 = submit_own(&mut rig, "low2", 1, Priority::Low);
        let normal = submit_own(&mut rig, "normal", 1, Priority::Normal);
        let same = submit_own(&mut rig, "same", 1, Priority::Normal);
        let high = submit_own(&mut rig, "high", 2, Priority::High);
        if !allowed {
            assert_eq!(rig.stops(), []);
            continue;
        }
        assert_eq!(rig.stops(), [(main_of(low2.0, 1, 0), StopWhy::Preempted), (main_of(low.0, 1, 0), StopWhy::Preempted)]);
        assert_eq!(rig.state(normal), ExecutionState::Running, "as few as needed, of the lowest priority");
        let change = rig.sched.why(rig.now, high).and_then(|why| why.change);
        assert!(change.is_some_and(|change| change.contains("are being stopped for it")));
        assert_eq!(rig.job(low).last.after_stop, Some(AfterStop::RequeuePlanned));
        rig.gone(main_of(low.0, 1, 0), stopped(StopWhy::Preempted));
        assert_eq!(rig.state(high), ExecutionState::Queued, "not before all are proven gone");
        assert_eq!(rig.stops().len(), 1, "and nobody else is stopped meanwhile");
        rig.gone(main_of(low2.0, 1, 0), stopped(StopWhy::Preempted));
        assert_eq!(
            (rig.state(high), rig.state(low), rig.state(same)),
            (ExecutionState::Running, ExecutionState::Queued, ExecutionState::Queued)
        );
        assert_eq!(rig.job(low).requeues, 0, "a planned stop");
        assert_eq!(rig.starts().iter().filter(|key| key.job == high).count(), 2);
    }
}

/// Found by chance: who was taken off a node that was not kept in the end started there again, and was taken off again, without end.
#[test]
fn nobody_is_taken_off_for_a_node_that_is_coming() {
    let mut rig = with_own_cluster(true);
    let low = submit_own(&mut rig, "low", 1, Priority::Low);
    let later = submit_own(&mut rig, "later", 1, Priority::Low);
    rig.node_down(4);
    let high = submit_own(&mut rig, "high", 2, Priority::High);
    assert_eq!(rig.stops(), [(main_of(later.0, 1, 0), StopWhy::Preempted)], "the other node may be back at any moment");
    rig.gone(main_of(later.0, 1, 0), stopped(StopWhy::Preempted));
    assert_eq!((rig.state(later), rig.state(high)), (ExecutionState::Queued, ExecutionState::Queued), "its node is kept");
    assert_eq!((rig.state(low), rig.stops().len()), (ExecutionState::Running, 0));
    rig.node_up(4, None, "b1", []);
    assert_eq!((rig.state(high), rig.state(low)), (ExecutionState::Running, ExecutionState::Running));
}

/// A job of the random queues: nodes or CPUs, limit and true length in minutes.
#[derive(Clone, Debug)]
struct Random {
    nodes: u32,
    cpus: Option<u64>,
    limit: u64,
    length: u64,
    pause: u64,
}

fn random() -> impl Strategy<Value = Random> {
    (1..4_u32, prop::option::of(1..8_u64), 1..50_u64, 0..100_u64, 0..20_u64).prop_map(
        |(nodes, cpus, limit, share, pause)| Random {
            nodes,
            cpus,
            limit,
            length: (limit * share / 100).max(1).min(limit),
            pause,
        },
    )
}

/// A cluster of three nodes in which starts are answered at once and nothing runs over its limit.
struct Clock {
    rig: Rig,
    lengths: BTreeMap<JobId, u64>,
    running: BTreeMap<JobId, UnixMillis>,
    /// Until when each job was promised to start, from the moment at which nodes were first kept for it.
    promised: BTreeMap<JobId, UnixMillis>,
}

impl Clock {
    fn look(&mut self) {
        for key in self.rig.starts() {
            self.rig.started(key);
            let length = self.lengths[&key.job];
            self.running.entry(key.job).or_insert(self.rig.now + minutes(length));
        }
        let cluster = self.rig.cluster().clone();
        for head in cluster.head.iter().chain(&cluster.kept_for) {
            if let (true, Some(at)) = (head.kept, head.starts) {
                self.promised.entry(head.job).or_insert(at.max(self.rig.now));
            }
        }
        for (job, at) in &self.promised {
            let row = self.rig.sched.jobs().get(job);
            let late = row.is_some_and(|row| row.state == ExecutionState::Queued) && self.rig.now > *at;
            assert!(!late, "{job} was promised to start until {at:?}, and it is {:?}", self.rig.now);
        }
    }

    /// Lets time pass until then, jobs ending as they do.
    fn pass(&mut self, until: UnixMillis) {
        while let Some((job, at)) = self.running.iter().map(|(job, at)| (*job, *at)).min_by_key(|(job, at)| (*at, *job)) {
            if at > until {
                break;
            }
            self.rig.now = at;
            self.running.remove(&job);
            let ranks: Vec<_> = self.rig.job(job).live_ranks().map(|(rank, _)| *rank).collect();
            for rank in ranks {
                self.rig.gone(crate::model::ids::RankKey { job, attempt: Attempt(1), rank }, exit(0));
            }
            self.rig.sched.retire();
            self.look();
        }
        self.rig.now = until;
    }
}

use crate::model::ids::Attempt;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The first job starts no later than was said when nodes were first kept for it, whatever passes it; all run in the
    /// end; and some do pass.
    #[test]
    fn the_first_is_never_made_later(jobs in prop::collection::vec(random(), 1..30)) {
        let mut clock = Clock {
            rig: Rig::up(3),
            lengths: BTreeMap::new(),
            running: BTreeMap::new(),
            promised: BTreeMap::new(),
        };
        for id in 1..=3 {
            let event = Event::NodeUp {
                node: node(id),
                effect: None,
                boot: BootId("b1".into()),
                facts: Box::new(facts(0)),
                inventory: BTreeMap::new(),
            };
            clock.rig.on(event);
        }
        for (at, one) in jobs.iter().enumerate() {
            let until = clock.rig.now + minutes(one.pause);
            clock.pass(until);
            clock.lengths.insert(JobId(at as u64 + 1), one.length);
            match one.cpus {
                None => limited(&mut clock.rig, &format!("j{at}"), one.nodes, one.limit),
                Some(cpus) => part(&mut clock.rig, &format!("j{at}"), one.nodes, cpus, one.limit),
            };
            clock.look();
        }
        let end = clock.rig.now + minutes(10_000);
        clock.pass(end);
        prop_assert!(clock.rig.sched.jobs().is_empty(), "all have run: {:?}", clock.rig.sched.jobs().keys());
    }
}
