//! What nodes do and what things cost: histories, the GPUs of a cluster, money and limits.

use std::sync::Arc;

use ostler::model::cost::{Brake, Budget, Period, Spent};
use ostler::model::ids::*;
use ostler::model::launch::{GpuShare, NodePlace};
use ostler::model::request::{NodeRef, Reply, Request, Usage};
use ostler::model::sample::{GpuSample, Sample};
use ostler::model::snapshot::Change;
use ostler::model::spec::Priority;
use ostler::model::state::{NodeState, QueueHead};
use ostler::model::units::{Bytes, Millis, Money};
use ostler::tui::cx::Look;
use ostler::tui::msg::{Msg, Ticket};
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world::{NOW, ago, cluster, ended, job, node, running, update, workspace};

/// The question that was asked last, of those that fit.
fn question(screen: &Screen, fits: impl Fn(&Request) -> bool) -> Option<(Ticket, Request)> {
    screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Ask(ticket, request) if fits(request) => Some((*ticket, request.clone())),
        _ => None,
    })
}

fn gpu(index: u32, busy: u32) -> GpuSample {
    GpuSample {
        index,
        name: "A100".to_owned(),
        busy_milli: Some(busy),
        memory_used: Some(Bytes(u64::from(busy) << 26)),
        memory: Some(Bytes(80 << 30)),
        power_milliwatt: Some(60_000 + busy * 250),
        ..GpuSample::default()
    }
}

fn sample(secs_ago: u64, gpus: Vec<GpuSample>) -> Sample {
    Sample {
        at: ago(secs_ago),
        cpu_milli: Some(430),
        memory_used: Bytes(12 << 30),
        memory: Bytes(64 << 30),
        disk_used: Bytes(100 << 30),
        disk: Bytes(400 << 30),
        disk_read: Some(Bytes(3 << 20)),
        disk_written: Some(Bytes(1 << 20)),
        net_received: Some(Bytes(5 << 20)),
        net_sent: Some(Bytes(2 << 20)),
        terminals: Some(0),
        gpus,
        clock_ahead: 0,
    }
}

/// On the History tab of `gpu-1`, whose answer is not there yet.
fn history() -> (Screen, Ticket) {
    history_on(|_| {})
}

fn history_on(decide: impl Fn(&mut Look)) -> (Screen, Ticket) {
    let mut screen = Screen::at_work(120, 40, decide);
    screen.keys(": \"gpu-1\" enter tab alt-2");
    let asked = question(&screen, |request| matches!(request, Request::NodeHistory { .. }));
    let Some((ticket, request)) = asked else { panic!("not asked for: {:?}\n{}", screen.asked, screen.text()) };
    assert!(matches!(request, Request::NodeHistory { node: NodeRef::Id(NodeId(1)), span } if span == Millis::from_days(1)));
    (screen, ticket)
}

#[test]
fn a_node_shows_its_day() {
    let (mut screen, ticket) = history();
    assert!(screen.text().contains("asking"), "{}", screen.text());
    // Twelve hours, one a minute, of which it was out of sight for two; the job's GPUs come to work in the end.
    let minutes = (0..720).rev().filter(|minute| !(300..420).contains(minute));
    let samples = minutes.map(|minute| sample(minute * 60, vec![gpu(0, if minute < 90 { 900 } else { 20 })])).collect();
    let earlier = ended(job(40, 1, 1, "earlier"), 0, 20_000);
    screen.tell(update(2, false, vec![Change::Job(Arc::new(earlier))]));
    screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::History(samples)))));
    insta::assert_snapshot!("node_history_120x40", screen.text());
    // The cursor reads values, also of the time when nothing was measured.
    screen.keys("k");
    let text = screen.text();
    assert!(text.contains("GPU 90 %, 285 W, CPU 43 %, memory 12 GiB, net in 5 MiB/s out 2 MiB/s"), "{text}");
    screen.keys("g");
    assert!(screen.text().contains("GPU 2 %"), "{}", screen.text());
    screen.keys("G");
    let mut seen = Vec::new();
    for _ in 0..80 {
        screen.keys("k");
        seen.push(screen.text().contains("not measured then"));
    }
    assert!(seen.contains(&true) && seen.contains(&false));
}

/// Its font has the signs of the first PC.
#[test]
fn a_console_gets_curves_of_half_blocks() {
    let (mut screen, ticket) = history_on(|look| (look.ascii, look.blocks) = (true, true));
    let samples =
        (0..720).rev().map(|minute| sample(minute * 60, vec![gpu(0, if minute < 90 { 900 } else { 20 })])).collect();
    screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::History(samples)))));
    let text = screen.text();
    let others: String = text.chars().filter(|c| !c.is_ascii()).collect();
    assert!(others.contains('█') && others.contains('▄'), "{text}");
    assert!(others.chars().all(|c| "▀▄█".contains(c)), "{text}");
}

#[test]
fn a_history_is_asked_for_again_while_it_is_looked_at() {
    let (mut screen, ticket) = history();
    screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::History(Vec::new())))));
    assert!(screen.text().contains("nothing was measured yet"), "{}", screen.text());
    let again = |screen: &mut Screen, secs| {
        screen.asked.clear();
        screen.now = screen.now + Millis::from_secs(secs);
        screen.tell(Msg::Tick);
        question(screen, |request| matches!(request, Request::NodeHistory { .. }))
    };
    assert_eq!(again(&mut screen, 10), None, "it is measured every 30 s");
    let (ticket, _) = again(&mut screen, 25).expect("asked again");
    // An answer that was meant for another node is not shown.
    screen.keys("esc g");
    screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::History(vec![sample(0, vec![gpu(0, 900)])])))));
    screen.asked.clear();
    screen.keys(": \"gpu-2\" enter");
    let asked = question(&screen, |request| matches!(request, Request::NodeHistory { .. }));
    assert!(matches!(asked, Some((_, Request::NodeHistory { node: NodeRef::Id(NodeId(2)), .. }))), "{asked:?}");
    assert!(screen.text().contains("asking"), "{}", screen.text());
    let fault = ostler::model::fault::Fault::user("node `gpu-2` is unknown");
    screen.tell(Msg::Reply(asked.unwrap().0, Box::new(Err(fault))));
    assert!(screen.text().contains("node `gpu-2` is unknown"), "{}", screen.text());
}

#[test]
fn nodes_are_a_grid_of_their_gpus() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    // A job on a part of gpu-2: its GPUs 0 and 1.
    let mut part = running(job(12, 1, 1, "run-012"), 2, "gpu-2", 61);
    let shares = [0, 1].map(|index| GpuShare { index, milli: 1000 }).to_vec();
    part.last.places = vec![NodePlace { gpu_shares: Some(shares), ..NodePlace::default() }];
    screen.tell(update(2, false, vec![Change::Job(Arc::new(part))]));
    screen.keys("j j j tab alt-2");
    let asked = question(&screen, |request| matches!(request, Request::NodeLoads(_)));
    let (ticket, request) = asked.expect("the loads are asked for");
    let Request::NodeLoads(place) = request else { panic!("{request:?}") };
    assert_eq!(place.name.as_deref(), Some("gpu-a100"));
    let loads = vec![
        // It has the whole node and uses half of it.
        (NodeId(1), sample(5, vec![gpu(0, 1000), gpu(1, 550), gpu(2, 0), gpu(3, 10)])),
        // Its third GPU is used by somebody else, the fourth by nobody.
        (NodeId(2), sample(5, vec![gpu(0, 700), gpu(1, 100), gpu(2, 800), gpu(3, 0)])),
        (NodeId(3), sample(5, Vec::new())),
        // What is old says nothing of now.
        (NodeId(4), sample(500, vec![gpu(0, 900)])),
    ];
    screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::Loads(loads)))));
    let text = screen.text();
    let busy = |name: &str, cell: &str| {
        let line = text.lines().find(|line| line.contains(&format!("│ {name} "))).map(str::to_owned);
        assert!(line.as_ref().is_some_and(|line| line.contains(cell)), "{name}: {cell} in {line:?}\n{text}");
    };
    busy("gpu-1", "█▅○○");
    busy("gpu-2", "▆▁!·");
    busy("gpu-3", "····");
    assert!(text.contains("○ held but idle: gpu-1") && text.contains("! taken by something that is no job of ours: gpu-2"));
    insta::assert_snapshot!("grid_120x40", text);
    let mut plain = Screen::at_work(80, 24, |look| look.ascii = true);
    plain.keys("j j j tab alt-2");
    let (ticket, _) = question(&plain, |request| matches!(request, Request::NodeLoads(_))).expect("asked");
    let loads = vec![(NodeId(1), sample(5, vec![gpu(0, 1000), gpu(1, 10)]))];
    plain.tell(Msg::Reply(ticket, Box::new(Ok(Reply::Loads(loads)))));
    assert!(plain.text().is_ascii(), "{}", plain.text());
}

/// Two clusters whose nodes have a price, and a budget above them.
fn priced() -> Screen {
    let mut screen = Screen::at_work(120, 40, |_| {});
    let mut prod = workspace(1, "prod");
    prod.budget = Some(Budget::new(Money(100_000_000), Period::Month, Brake::Hold));
    prod.spent = Spent { busy: Money(10_000_000), idle: Money(2_000_000), unusable: Money(0) };
    let mut gpu = cluster(1, "gpu-a100", 4);
    gpu.spent = Spent { busy: Money(30_000_000), idle: Money(8_000_000), unusable: Money(0) };
    gpu.budget = Some(Budget { reached: true, ..Budget::new(Money(38_000_000), Period::Total, Brake::Hold) });
    let nodes = [(1, "gpu-1"), (2, "gpu-2"), (3, "gpu-3"), (4, "gpu-4")].map(|(id, name)| {
        let mut node = node(id, 1, name, NodeState::Idle);
        node.price = Money(1_500_000);
        node.meter.at = NOW;
        node.meter.since = NOW;
        Change::Node(Arc::new(node))
    });
    let mut changes = vec![Change::Workspace(Arc::new(prod)), Change::Cluster(Arc::new(gpu))];
    changes.extend(nodes);
    screen.tell(update(2, false, changes));
    screen
}

#[test]
fn a_workspace_shows_its_cost() {
    let mut screen = priced();
    assert!(screen.text().lines().next().is_some_and(|line| line.contains("6.00/h")), "{}", screen.text());
    screen.keys("g tab alt-2");
    let text = screen.text();
    for words in
        ["50.00 so far, 6.00/h now", "40.00 busy, 10.00 idle", "50.00 of 100.00 a month", "lasts 8h", "the limit is reached"]
    {
        assert!(text.contains(words), "{words}\n{text}");
    }
    insta::assert_snapshot!("cost_120x40", text);
}

#[test]
fn limits_are_shown_with_what_is_used_of_them() {
    let mut screen = priced();
    screen.keys("g tab alt-3");
    let (ticket, _) = question(&screen, |request| matches!(request, Request::Usage)).expect("asked");
    let usage = |name: &str, value, limit| Usage { name: name.to_owned(), value, limit };
    let usages = vec![usage("clusters", 2, Some(20)), usage("nodes", 4, None), usage("workspaces", 20, Some(20))];
    screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::Usages(usages)))));
    let text = screen.text();
    assert!(text.contains("clusters") && text.contains("2 of 20"), "{text}");
    insta::assert_snapshot!("quota_120x40", text);
}

#[test]
fn curves_show_what_a_cluster_costs() {
    let mut screen = priced();
    screen.keys("j j j tab alt-4 k");
    let text = screen.text();
    assert!(text.contains("cost an hour") && text.contains("  6.00 ") && text.contains("target 4, 6.00/h"), "{text}");
}

#[test]
fn what_waits_says_when_it_will_start() {
    let mut screen = Screen::at_work(120, 40, |_| {});
    let mut gpu = cluster(1, "gpu-a100", 4);
    gpu.waiting = 8;
    gpu.head = Some(QueueHead {
        job: JobId(13),
        name: "run-013".to_owned(),
        waits_for: "needs 2 nodes, 1 idle".to_owned(),
        starts: Some(NOW + Millis::from_mins(10)),
        priority: Priority::Normal,
        kept: true,
    });
    screen.tell(update(2, false, vec![Change::Cluster(Arc::new(gpu))]));
    screen.keys("j j j");
    let line = "run-013: needs 2 nodes, 1 idle; starts in 9m";
    assert!(screen.text().contains(line), "{}", screen.text());
    screen.keys("tab alt-3");
    assert!(screen.text().contains(line), "{}", screen.text());
}
