//! What nodes cost is added up, budgets hold, and nothing is got that takes a forecast above one.

use proptest::prelude::*;
use uuid::Uuid;

use super::rig::*;
use super::*;
use crate::model::cost::{AHEAD, AtWork, Brake, Budget, Period};
use crate::model::ids::{ClusterId, JobId, WorkspaceId};
use crate::model::node_class::NodeClass;
use crate::model::snapshot::{Change, RowKey};
use crate::model::spec::{AutoScale, Deallocation, Demand, JobSpec, PoolSpec, Resources, ScaleSettings};
use crate::model::state::{AllocationState, ExecutionState, Node, NodeState};
use crate::model::units::{Millis, Money, NodeCount};

const HOUR: Millis = Millis::from_mins(60);

fn money(units: i64) -> Money {
    Money(units * 1_000_000)
}

/// A workspace with a cluster of so many nodes at two an hour, and a second one of none.
fn priced(target: u32) -> Rig {
    let mut rig = Rig {
        sched: Sched::new(Settings::default()),
        // The morning of a day, so that no period ends by accident.
        now: UnixMillis(20_000 * 86_400_000 + 1_000),
        open: Vec::new(),
        last: Step::default(),
    };
    let tags = std::collections::BTreeMap::new();
    rig.on(Event::WorkspaceCreated { group: Default::default(), name: "lab".into(), location: None, tags });
    rig.on(Event::ExperimentCreated { workspace: WS, name: "first".into() });
    for (name, target) in [("gpu", target), ("other", 0)] {
        let mut spec = cluster_spec(target, Deallocation::Requeue);
        spec.pool = Box::new(PoolSpec { price_per_node_hour: Some(money(2)), ..PoolSpec::default() });
        rig.on(Event::ClusterCreated { workspace: WS, name: name.into(), uuid: Uuid::nil(), spec });
    }
    rig.bring_up();
    rig
}

fn limit(rig: &mut Rig, of_cluster: bool, limit: Money, period: Period, then: Brake) {
    let (cluster, workspace) = if of_cluster { (Some(GPU), None) } else { (None, Some(WS)) };
    rig.on(Event::BudgetSet { cluster, workspace, budget: Some(Budget::new(limit, period, then)) });
}

fn scale(rig: &mut Rig, cluster: ClusterId, target: u32) {
    rig.on(Event::ScaleAsked { cluster, target: NodeCount(target), deallocation: None });
}

fn total(rig: &Rig) -> Money {
    rig.sched.standing(GPU, rig.now).spent.total()
}

#[test]
fn node_time_is_metered_by_what_it_was_for() {
    let mut rig = priced(2);
    rig.pass(HOUR);
    assert_eq!((total(&rig), rig.sched.standing(GPU, rig.now).rate), (money(4), money(4)));
    let a = rig.submit("a", 1);
    rig.started(main_of(a.0, 1, 0));
    rig.pass(HOUR);
    rig.gone(main_of(a.0, 1, 0), exit(0));
    rig.node_down(2);
    rig.pass(HOUR);
    let spent = rig.sched.standing(GPU, rig.now).spent;
    assert_eq!((spent.busy, spent.total()), (money(2), money(12)), "{spent:?}");
    // Out of sight is not idle: it is paid for and of no use.
    assert_eq!((spent.idle, spent.unusable), (money(8), money(2)), "{spent:?}");
    assert_eq!(rig.sched.experiments()[&EXP].spent, money(2), "an experiment pays for what its jobs had");
    let hint = rig.sched.standing(GPU, rig.now).hint(rig.cluster()).unwrap();
    assert!(hint.contains("1 idle and 1 unusable") && hint.contains("cluster scale gpu 0"), "{hint}");
    // What is given back stays paid, and a restart counts the same.
    scale(&mut rig, GPU, 0);
    rig.release_all();
    rig.pass(HOUR);
    assert_eq!((total(&rig), rig.sched.standing(GPU, rig.now).rate), (money(12), money(0)));
    let rows: Vec<Change> = rig.sched.clusters().values().cloned().map(Change::Cluster).collect();
    let again = Sched::restore(Settings::default(), rig.sched.counters(), rows, &[]);
    assert_eq!(again.standing(GPU, rig.now).spent.total(), money(12));
    // So does what a cluster cost that is gone.
    rig.on(Event::ClusterDeleteAsked { cluster: GPU });
    assert_eq!(rig.sched.workspaces()[&WorkspaceId(1)].spent.total(), money(12));
}

#[test]
fn a_class_has_a_price_that_clusters_and_providers_know_better() {
    for (own, said, expected) in [(None, None, 3), (Some(5), None, 5), (None, Some(7), 7), (Some(5), Some(7), 7)] {
        let class = NodeClass { price: Some(money(3)), ..NodeClass::default() };
        let settings = Settings { node_classes: [("STANDARD_NC6".to_owned(), class)].into(), ..Settings::default() };
        let mut rig = Rig::with(settings, 0, Deallocation::Requeue);
        let mut spec = cluster_spec(1, Deallocation::Requeue);
        spec.vm_size = Some("standard_nc6".to_owned());
        spec.pool = Box::new(PoolSpec { price_per_node_hour: own.map(money), ..PoolSpec::default() });
        rig.on(Event::ClusterCreated { workspace: WS, name: "classy".into(), uuid: Uuid::nil(), spec });
        let id = ClusterId(2);
        let wished = money(own.unwrap_or(3));
        assert_eq!(rig.sched.committed(id), wished, "{own:?} {said:?}: what is asked for is in the forecast");
        let effect = rig.open[0].id;
        let (name, host) = ("host1".to_owned(), "host1".to_owned());
        rig.on(Event::NodeAcquired { effect, name, host, machine: String::new(), price: said.map(money) });
        rig.pass(HOUR);
        let standing = rig.sched.standing(id, rig.now);
        assert_eq!((standing.rate, standing.spent.total()), (money(expected), money(expected)), "{own:?} {said:?}");
    }
}

#[test]
fn those_who_share_a_node_share_its_price() {
    let mut rig = priced(1);
    let part = |rig: &mut Rig, name: &str| {
        let demand = Demand::Part(Resources { cpus_milli: 2000, ..Resources::default() });
        let id = rig.submit_as(new_job(name, JobSpec { demand, ..spec(1) }, every_node(1)));
        rig.started(main_of(id.0, 1, 0));
        id
    };
    // One for an hour alone, two for an hour, and one for another hour.
    let a = part(&mut rig, "a");
    rig.pass(HOUR);
    let b = part(&mut rig, "b");
    rig.pass(HOUR);
    let at_work = |rig: &Rig| {
        let nodes = rig.sched.nodes().values().map(|node| &**node);
        let all = AtWork::by_experiment(nodes, |_| Some(EXP), rig.now);
        all.get(&EXP).copied().unwrap_or_default()
    };
    assert_eq!(at_work(&rig), AtWork { cost: money(4), rate: money(2) }, "two hours of a node at two an hour");
    rig.gone(main_of(a.0, 1, 0), exit(0));
    assert!(!rig.last.touched.contains(&RowKey::Job(b)), "who stays is charged when it goes");
    assert_eq!((rig.sched.experiments()[&EXP].spent, at_work(&rig).cost), (money(3), money(1)));
    rig.pass(HOUR);
    assert_eq!(at_work(&rig), AtWork { cost: money(3), rate: money(2) });
    rig.gone(main_of(b.0, 1, 0), exit(0));
    assert_eq!((rig.job(a).spent, rig.job(b).spent, at_work(&rig)), (money(3), money(3), AtWork::default()));
    let spent = rig.sched.standing(GPU, rig.now).spent;
    assert_eq!((rig.sched.experiments()[&EXP].spent, spent.busy), (money(6), money(6)), "no more is shared than is paid");
}

#[test]
fn who_was_sent_ahead_pays_from_when_its_turn_comes() {
    let mut rig = priced(1);
    let jobs: Vec<JobId> = (0..4).map(|n| rig.submit(&format!("j{n}"), 1)).collect();
    for (n, id) in jobs.iter().enumerate() {
        rig.started(main_of(id.0, 1, 0));
        rig.pass(Millis(2 + n as u64));
        let ahead = rig.sched.jobs().values().filter(|job| job.last.behind.is_some()).count();
        assert_eq!(ahead > 0, (1..3).contains(&n), "{n}");
        rig.gone(main_of(id.0, 1, 0), exit(0));
    }
    let spent: Vec<i64> = jobs.iter().map(|id| rig.job(*id).spent.0).collect();
    let each = |millis: i64| money(2).0 * millis / 3_600_000;
    assert_eq!(spent, [each(2), each(3), each(4), each(5)]);
}

#[test]
fn a_node_of_which_nobody_said_who_pays_is_paid_for_by_who_holds_it() {
    let mut rig = priced(1);
    let id = rig.submit("j", 1);
    rig.started(main_of(id.0, 1, 0));
    rig.pass(HOUR);
    let sched = &rig.sched;
    let before = |node: &Node| std::sync::Arc::new(Node { shares: Default::default(), ..node.clone() });
    let rows = sched.workspaces().values().cloned().map(Change::Workspace);
    let rows = rows.chain(sched.clusters().values().cloned().map(Change::Cluster));
    let rows = rows.chain(sched.nodes().values().map(|node| Change::Node(before(node))));
    let rows = rows.chain(sched.experiments().values().cloned().map(Change::Experiment));
    let rows = rows.chain(sched.jobs().values().cloned().map(Change::Job)).collect();
    let outbox: Vec<_> = rig.sched.outbox().collect();
    rig.sched = Sched::restore(Settings::default(), rig.sched.counters(), rows, &outbox);
    rig.gone(main_of(id.0, 1, 0), exit(0));
    assert_eq!(rig.job(id).spent, money(2));
}

#[test]
fn what_was_spent_is_the_same_when_nodes_go() {
    let mut rig = priced(5);
    rig.pass(Millis(1_237));
    let before = total(&rig);
    scale(&mut rig, GPU, 0);
    rig.release_all();
    assert_eq!((rig.sched.nodes().len(), total(&rig)), (0, before));
}

#[test]
fn a_clock_that_jumps_bills_no_time_twice() {
    let mut rig = priced(1);
    rig.pass(HOUR);
    let before = total(&rig);
    rig.now = UnixMillis(rig.now.0 - 10 * 3_600_000);
    rig.node_down(1);
    assert!(total(&rig) <= before, "backwards adds nothing");
    rig.now = UnixMillis(rig.now.0 + 12 * 3_600_000);
    rig.node_up(1, None, "b1", []);
    assert!(total(&rig) <= before + money(24), "{}", total(&rig));
}

#[test]
fn no_node_is_got_that_takes_the_forecast_above_the_budget() {
    let mut rig = priced(1);
    limit(&mut rig, true, money(9), Period::Day, Brake::Hold);
    let preview = rig.sched.preview_scale(GPU, NodeCount(8), None, None);
    assert!(preview.line.contains("the budget allows 3 more") && preview.line.contains("+14.00/h"), "{}", preview.line);
    scale(&mut rig, GPU, 8);
    assert_eq!(rig.nodes(), "idle allocating allocating allocating", "an hour of four costs eight");
    rig.bring_up();
    assert_eq!((rig.cluster().allocation, rig.cluster().short_of_money), (AllocationState::Steady, true));
    rig.submit("big", 5);
    assert!(rig.waits_for().contains("above the budget"), "{}", rig.waits_for());
    let preview = rig.sched.preview_scale(GPU, NodeCount(3), None, None);
    assert!(preview.line.contains("-2.00/h") && preview.line.contains("budget lasts 1h"), "{}", preview.line);
}

#[test]
fn a_limit_holds_or_lets_all_go_until_its_period_ends() {
    for (then, there) in [(Brake::Warn, "running"), (Brake::Hold, "running"), (Brake::Zero, "leaving")] {
        let mut rig = priced(1);
        limit(&mut rig, true, money(3), Period::Day, then);
        let a = rig.submit("a", 1);
        rig.started(main_of(a.0, 1, 0));
        rig.pass(Millis::from_mins(91));
        assert_eq!((rig.cluster().brake, rig.nodes().as_str()), (then, there), "{then:?}");
        let b = rig.submit("b", 1);
        match then {
            Brake::None | Brake::Warn => rig.gone(main_of(a.0, 1, 0), exit(0)),
            Brake::Hold => {
                rig.gone(main_of(a.0, 1, 0), exit(0));
                assert_eq!((rig.state(b), rig.nodes().as_str()), (ExecutionState::Queued, "idle"));
                assert!(rig.waits_for().contains("budget is used up"), "{}", rig.waits_for());
            }
            Brake::Zero => {
                rig.gone(main_of(a.0, 1, 0), stopped(crate::model::state::StopWhy::Scale));
                rig.release_all();
                assert_eq!((rig.nodes().as_str(), rig.state(a)), ("", ExecutionState::Queued));
            }
        }
        // The next day there is money again.
        rig.pass(Millis::from_days(1));
        rig.bring_up();
        assert_eq!(rig.cluster().budget.unwrap().reached, then != Brake::Zero && rig.cluster().brake == then, "{then:?}");
        if then == Brake::Zero {
            assert_eq!((rig.cluster().brake, rig.nodes().as_str()), (Brake::None, "running"));
        }
        // A larger one lets go on at once.
        limit(&mut rig, true, money(1_000), Period::Day, then);
        rig.bring_up();
        assert_eq!((rig.cluster().brake, rig.nodes().as_str()), (Brake::None, "running"), "{then:?}");
    }
}

#[test]
fn a_workspace_s_budget_is_shared_by_its_clusters() {
    let other = ClusterId(2);
    let mut rig = priced(2);
    limit(&mut rig, false, money(7), Period::Total, Brake::Hold);
    scale(&mut rig, other, 3);
    assert_eq!(rig.sched.nodes().len(), 3, "three for an hour are six");
    // When one goes, another may come.
    rig.bring_up();
    scale(&mut rig, GPU, 1);
    rig.release_all();
    assert_eq!(rig.sched.nodes().values().filter(|node| node.cluster == other).count(), 2);
    rig.bring_up();
    rig.pass(HOUR);
    rig.pass(HOUR);
    assert_eq!((rig.cluster().brake, rig.sched.clusters()[&other].brake), (Brake::Hold, Brake::Hold));
}

#[test]
fn auto_scale_neither_flaps_nor_asks_while_money_is_short() {
    let mut rig = priced(0);
    limit(&mut rig, true, money(5), Period::Day, Brake::Hold);
    let auto = AutoScale { idle: Millis::from_mins(10), ..AutoScale::new(NodeCount(0), NodeCount(6), NodeCount(0)) };
    rig.on(Event::AutoScaleAsked { cluster: GPU, auto });
    for name in ["a", "b", "c", "d"] {
        rig.submit(name, 1);
    }
    rig.bring_up();
    assert_eq!(rig.nodes(), "running running");
    rig.pass(Millis::from_mins(80));
    assert_eq!(rig.cluster().brake, Brake::Hold, "two for 75 minutes are five");
    for job in [1, 2] {
        rig.gone(main_of(job, 1, 0), exit(0));
    }
    rig.pass(Millis::from_mins(30));
    rig.release_all();
    assert_eq!(rig.nodes(), "", "nothing may start, so nothing stays");
    let spent = total(&rig);
    rig.pass(Millis::from_days(1));
    rig.bring_up();
    assert_eq!(rig.nodes(), "running running", "the next day the others run; {spent} was spent");
}

#[test]
fn a_node_that_goes_stays_again_unless_a_budget_is_used_up() {
    // Two for an hour and one hour more are eight: the forecast is above each of these, but only the smaller one is used up.
    for (most, comes_back) in [(5, true), (3, false)] {
        let mut rig = priced(2);
        let jobs = ["a", "b"].map(|name| rig.submit(name, 1));
        for job in jobs {
            rig.started(main_of(job.0, 1, 0));
        }
        rig.pass(HOUR);
        scale(&mut rig, GPU, 1);
        assert_eq!(rig.nodes(), "running leaving");
        limit(&mut rig, true, money(most), Period::Total, Brake::Hold);
        let preview = rig.sched.preview_scale(GPU, NodeCount(2), None, None);
        assert_eq!(preview.affordable.is_none(), comes_back, "{}", preview.line);
        scale(&mut rig, GPU, 2);
        assert_eq!(rig.nodes(), if comes_back { "running running" } else { "running leaving" }, "a limit of {most}");
        assert_eq!(rig.cluster().short_of_money, !comes_back);
    }
}

/// Found by the simulation: the number wanted went up for the useless node and down for the lack of money, without end.
#[test]
fn a_node_that_is_of_no_use_and_cannot_be_replaced_for_money_is_borne() {
    let mut rig = priced(0);
    let auto = AutoScale::new(NodeCount(0), NodeCount(6), NodeCount(0));
    rig.on(Event::AutoScaleAsked { cluster: GPU, auto });
    let a = rig.submit("a", 1);
    rig.bring_up();
    rig.started(main_of(a.0, 1, 0));
    limit(&mut rig, true, money(3), Period::Month, Brake::Hold);
    rig.gone(main_of(a.0, 1, 0), exit(0));
    rig.node_down(1);
    let b = rig.submit("b", 1);
    assert_eq!((rig.state(b), rig.nodes().as_str()), (ExecutionState::Queued, "idle"));
    assert!(rig.cluster().short_of_money && rig.find(|act| matches!(act, Act::AcquireNode { .. })).is_none());
    rig.pass(Millis::from_mins(2));
    // More money, and another one comes.
    limit(&mut rig, true, money(30), Period::Month, Brake::Hold);
    assert!(rig.find(|act| matches!(act, Act::AcquireNode { .. })).is_some(), "{}", rig.nodes());
}

#[test]
fn a_person_keeps_nodes_awake_and_lets_a_paused_pool_go_on() {
    let mut rig = priced(1);
    let idle = Millis::from_mins(10);
    let auto = AutoScale { idle, ..AutoScale::new(NodeCount(0), NodeCount(2), NodeCount(0)) };
    rig.on(Event::AutoScaleAsked { cluster: GPU, auto });
    let until = rig.now + Millis::from_mins(120);
    rig.on(Event::KeptAwake { cluster: GPU, until });
    assert_eq!(rig.cluster().auto.next.as_ref().unwrap().at, until);
    rig.pass(Millis::from_mins(119));
    assert_eq!(rig.nodes(), "idle");
    rig.pass(Millis::from_mins(1));
    rig.release_all();
    assert_eq!(rig.nodes(), "");

    rig.submit("a", 1);
    let mut failures = 0;
    while let Some(asked) = rig.find(|act| matches!(act, Act::AcquireNode { .. })) {
        rig.on(Event::AcquireFailed { effect: asked.id, code: "HookFailed".into(), message: "quota".into() });
        rig.pass(Millis::from_mins(31));
        failures += 1;
        assert!(failures < 100, "it never pauses");
    }
    let cluster = rig.cluster();
    assert!(cluster.auto.paused && cluster.errors[0].message.contains("ostler cluster resume gpu"), "{cluster:#?}");
    assert!(cluster.errors[0].message.starts_with("quota"), "{cluster:#?}");
    rig.pass(Millis::from_days(1));
    assert_eq!(rig.nodes(), "", "time alone does not resume it");
    rig.on(Event::ResumeAsked { cluster: GPU });
    rig.bring_up();
    assert_eq!((rig.nodes().as_str(), rig.cluster().auto.paused), ("running", false));
}

#[test]
fn a_node_goes_at_its_age_and_not_from_under_a_job() {
    let mut rig = priced(0);
    let mut spec = cluster_spec(2, Deallocation::Requeue);
    spec.pool = Box::new(PoolSpec { max_node_lifetime: Some(HOUR), ..PoolSpec::default() });
    rig.on(Event::ClusterCreated { workspace: WS, name: "young".into(), uuid: Uuid::nil(), spec });
    rig.bring_up();
    let mut job = new_job("a", spec_of_one(), every_node(1));
    job.cluster = ClusterId(3);
    let a = rig.submit_as(job);
    rig.started(main_of(a.0, 1, 0));
    rig.pass(HOUR);
    assert_eq!(rig.nodes(), "running leaving allocating");
    rig.release_all();
    rig.bring_up();
    rig.gone(main_of(a.0, 1, 0), exit(0));
    assert_eq!(rig.nodes(), "leaving idle allocating", "it goes when its job is off it, and takes no other");
}

fn spec_of_one() -> crate::model::spec::JobSpec {
    super::rig::spec(1)
}

#[test]
fn hosts_come_to_a_pool_and_go_from_it() {
    let mut rig = priced(0);
    let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut spec = cluster_spec(2, Deallocation::Requeue);
    spec.provider = crate::model::spec::ProviderSpec::Hosts { hosts: hosts(&["host1", "host2"]) };
    rig.on(Event::ClusterCreated { workspace: WS, name: "list".into(), uuid: Uuid::nil(), spec });
    rig.bring_up();
    let id = ClusterId(3);
    let mut job = new_job("a", spec_of_one(), every_node(1));
    job.cluster = id;
    let a = rig.submit_as(job);
    rig.started(main_of(a.0, 1, 0));
    rig.on(Event::HostsChanged { cluster: id, hosts: hosts(&["host3"]) });
    assert_eq!(rig.nodes(), "running leaving allocating");
    rig.release_all();
    rig.bring_up();
    assert!(rig.sched.nodes()[&node(1)].drained, "the busy one takes no other job");
    rig.gone(main_of(a.0, 1, 0), exit(0));
    assert_eq!(rig.sched.nodes()[&node(1)].state, NodeState::Leaving);
}

#[test]
fn what_a_provider_does_wrong_costs_no_second_machine() {
    let mut rig = priced(0);
    scale(&mut rig, GPU, 2);
    let [first, second] = [0, 1].map(|at| rig.open[at].id);
    let got = |effect| Event::NodeAcquired {
        effect,
        name: "m1".into(),
        host: "m1".into(),
        machine: "i-1".into(),
        price: Some(money(5)),
    };
    rig.on(got(first));
    assert_eq!(rig.sched.nodes()[&node(1)].price, money(5), "what the provider says counts");
    // The same machine a second time, for another node.
    rig.on(got(second));
    assert_eq!(rig.nodes(), "preparing allocating");
    let hosts: Vec<_> = rig.sched.nodes().values().filter(|node| node.host == "m1").collect();
    assert_eq!(hosts.len(), 1);
    rig.bring_up();
    // A release that fails is tried again, is said, and ends when a person says that nothing is there.
    scale(&mut rig, GPU, 0);
    rig.keep_all();
    for _ in 0..2 {
        let release = rig.find(|act| matches!(act, Act::ReleaseNode { node } if node.0 == 1)).unwrap();
        rig.on(Event::ReleaseFailed { effect: release.id, code: "HookFailed".into(), message: "denied".into() });
        assert!(rig.cluster().errors.iter().any(|error| error.message == "denied"), "{:?}", rig.cluster().errors);
        assert_eq!(rig.sched.nodes()[&node(1)].state, NodeState::Leaving, "it is paid for still");
        rig.pass(Millis::from_mins(2));
    }
    let release = rig.find(|act| matches!(act, Act::ReleaseNode { node } if node.0 == 1)).unwrap();
    rig.on(Event::ReleaseFailed { effect: release.id, code: "HookFailed".into(), message: "denied".into() });
    rig.on(Event::DeclaredDead { node: node(1), by: "ada".into() });
    rig.release_all();
    assert_eq!((rig.nodes().as_str(), rig.cluster().errors.len()), ("", 0));
    // One that is taken away is counted, and its job is queued again.
    scale(&mut rig, GPU, 1);
    rig.bring_up();
    let a = rig.submit("a", 1);
    rig.started(main_of(a.0, 1, 0));
    let lost = rig.job(a).last.nodes[0];
    rig.on(Event::NodeGone { node: lost });
    assert_eq!((rig.cluster().lost, rig.state(a), rig.nodes().as_str()), (1, ExecutionState::Queued, "allocating"));
}

proptest! {
    /// Whatever comes, no step asks for a node that takes the forecast of a binding budget above its limit.
    #[test]
    fn the_forecast_stays_within_the_budget(
        own in 1i64..20, shared in 1i64..30,
        load in prop::collection::vec((0u64..7_000, 0u8..5, 0u32..6), 1..40),
    ) {
        let other = ClusterId(2);
        let mut rig = priced(0);
        limit(&mut rig, true, money(own), Period::Day, Brake::Hold);
        limit(&mut rig, false, money(shared), Period::Week, Brake::Zero);
        let within = |rig: &Rig| {
            let rate = |cluster: ClusterId| money(2).times(rig.sched.nodes_of(cluster).count() as u32);
            let spent = |cluster: ClusterId| rig.sched.standing(cluster, rig.now).spent.total();
            let budget = rig.cluster().budget.unwrap();
            let mine = budget.forecast(spent(GPU), rate(GPU));
            let all = rig.sched.workspaces()[&WS].budget.unwrap();
            let ours = all.forecast(spent(GPU) + spent(other), rate(GPU) + rate(other));
            (mine <= budget.limit, ours <= all.limit)
        };
        let asked = |rig: &mut Rig, event: Event| {
            rig.on(event);
            let of = |cluster: ClusterId| {
                let new = |effect: &&Effect| matches!(effect.act, Act::AcquireNode { cluster: of, .. } if of == cluster);
                rig.last.effects.iter().filter(new).count()
            };
            let (mine, ours) = within(rig);
            assert!(of(GPU) == 0 || mine, "a cluster went above its budget: {}", AHEAD);
            assert!(of(GPU) + of(other) == 0 || ours, "a workspace went above its budget");
        };
        for (wait, what, count) in load {
            let end = rig.now + Millis::from_secs(wait);
            while let Some(at) = rig.sched.next_deadline().filter(|at| *at <= end) {
                rig.now = rig.now.max(at);
                asked(&mut rig, Event::Deadline);
                rig.release_all();
            }
            rig.now = end;
            let event = match what {
                0 => Event::ScaleAsked { cluster: GPU, target: NodeCount(count), deallocation: None },
                1 => Event::ScaleAsked { cluster: other, target: NodeCount(count), deallocation: None },
                2 => {
                    let auto = AutoScale::new(NodeCount(0), NodeCount(count.max(1)), NodeCount(0));
                    Event::AutoScaleAsked { cluster: GPU, auto }
                }
                _ => {
                    let name = format!("job{}", rig.sched.counters().job.0);
                    Event::JobsSubmitted { jobs: vec![new_job(&name, super::rig::spec(1), every_node(1))] }
                }
            };
            asked(&mut rig, event);
            rig.bring_up();
            rig.release_all();
        }
        let manual = ScaleSettings::Manual { target_node_count: NodeCount(0), node_deallocation_option: Deallocation::Requeue };
        asked(&mut rig, Event::ScaleAsked { cluster: GPU, target: NodeCount(0), deallocation: None });
        prop_assert_eq!(&rig.cluster().spec.scale_settings, &manual);
    }
}
