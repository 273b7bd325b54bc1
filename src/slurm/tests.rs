//! Answers as Slurm of several versions gives them: `tests/fixtures/slurm`, each with its source in its first line.

use std::collections::BTreeMap;

use super::parse::{Heard, read};
use super::words::state;
use crate::model::site_ask::{SitePriority, SiteSaid, SiteShares};
use crate::model::site_use::SiteUse;

fn heard(fixture: &str) -> Heard {
    let lines = fixture.lines().filter(|line| !line.starts_with('#')).map(|line| line.replace('|', "\u{1f}"));
    read(&lines.collect::<Vec<_>>().join("\n"))
}

const RECORDED: &str = include_str!("../../tests/fixtures/slurm/22.05.txt");
const OLD: &str = include_str!("../../tests/fixtures/slurm/18.08.txt");
const NEW: &str = include_str!("../../tests/fixtures/slurm/24.11.txt");
const OF_2020: &str = include_str!("../../tests/fixtures/slurm/20.11.txt");
const OF_2021: &str = include_str!("../../tests/fixtures/slurm/21.08.txt");
const OF_2023: &str = include_str!("../../tests/fixtures/slurm/23.02.txt");
const OF_2025: &str = include_str!("../../tests/fixtures/slurm/25.05.txt");
const OF_LATE_2025: &str = include_str!("../../tests/fixtures/slurm/25.11.txt");
const OF_2026: &str = include_str!("../../tests/fixtures/slurm/26.05.txt");
/// All that are of a version.
const ALL: [(&str, &str); 9] = [
    ("18.08", OLD),
    ("20.11", OF_2020),
    ("21.08", OF_2021),
    ("22.05", RECORDED),
    ("23.02", OF_2023),
    ("24.11", NEW),
    ("25.05", OF_2025),
    ("25.11", OF_LATE_2025),
    ("26.05", OF_2026),
];
const UNKNOWN: &str = include_str!("../../tests/fixtures/slurm/unknown.txt");

#[test]
fn answers_of_every_version_are_read_whole() {
    for (name, text) in ALL {
        let label = text.lines().next().unwrap_or_default();
        assert!(["Recorded from", "by hand", "By hand"].iter().any(|word| label.contains(word)), "{name}: {label}");
        let heard = heard(text);
        assert!(heard.whole && heard.notes.is_empty() && heard.queue_failed.is_none(), "{name}: {:?}", heard.notes);
        assert!(heard.version.as_ref().is_some_and(|version| version.contains(name)), "{name}");
        let count = |begins: &str| text.lines().filter(|line| line.starts_with(begins)).count();
        assert_eq!(heard.queue.len(), count("J|"), "{name}: no job is left out");
        assert!(heard.queue.iter().all(|queued| state(&queued.job.state).is_some()), "{name}");
        assert!(!heard.nodes.is_empty() && !heard.partitions.is_empty(), "{name}");
    }
}

#[test]
fn what_versions_write_otherwise_is_the_same() {
    let old = heard(OLD);
    let [train, odd, sweep, _] = &old.queue[..] else { panic!("{:?}", old.queue) };
    assert_eq!((train.job.gres.as_str(), train.job.nodes, train.comment.as_str()), ("gpu:2", 2, "(null)"));
    assert_eq!(
        (odd.job.name.as_str(), odd.job.nodes, odd.job.why.as_str()),
        ("odd   name", 1, "nothing free fits what it asks for; it is first in line")
    );
    assert_eq!((sweep.job.id.as_str(), sweep.job.starts), ("103_[4-7]", None));
    assert_eq!(
        (old.nodes[2].reason.as_str(), old.nodes[2].memory_mib, old.nodes[0].reason.as_str()),
        ("bad disk", 16000, "")
    );
    assert_eq!(old.ended["104"], ("CANCELLED by 1000".to_owned(), Some(143)));
    let new = heard(NEW);
    assert_eq!(new.queue[0].job.why, "a node that it asks for is down, drained or reserved (UnavailableNodes:g[01-04])");
    assert_eq!((new.nodes[0].state.as_str(), new.nodes[0].cpus), ("planned", [0, 128, 0, 128]));
}

#[test]
fn what_is_not_known_is_said_aloud_and_never_an_empty_list() {
    let heard = heard(UNKNOWN);
    assert_eq!(heard.queue.len(), 1, "the job of an unknown state is there");
    let notes = heard.notes.join("\n");
    for said in ["`MELTING`", "`J|2|2|PENDING", "`Z|something|new`", "Invalid field requested"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    assert!(!read("V\u{1f}slurm 22").whole, "an answer that was cut is not whole");
    let failed = read("F\u{1f}squeue\u{1f}squeue: error: Unable to contact slurm controller\nE\u{1f}");
    assert_eq!(failed.queue_failed.as_deref(), Some("Unable to contact slurm controller"));
}

fn uses(fixture: &str) -> BTreeMap<String, SiteUse> {
    match heard(fixture).told.uses(&[]) {
        SiteSaid::Uses { jobs, notes } => {
            assert_eq!(notes, Vec::<String>::new());
            jobs.into_iter().map(|job| (job.id.clone(), job)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn priorities(fixture: &str) -> Vec<SitePriority> {
    match heard(fixture).told.priorities(&[]) {
        SiteSaid::Priorities { in_order: false, jobs, notes } if notes.is_empty() => jobs,
        other => panic!("{other:?}"),
    }
}

fn shares(fixture: &str) -> SiteShares {
    match heard(fixture).told.shares(&[]) {
        SiteSaid::Shares(shares) => shares,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_jobs_used_is_the_same_of_every_version() {
    // Version, job, and what is said of it.
    let cases = [
        ("18.08", OLD, "104", "CPU 85 % of 1, memory 1.5 GiB of 2 GiB (77 %), time 10s"),
        ("18.08", OLD, "105", "CPU 25 % of 48, memory 24 GiB of 64 GiB on a node (38 %), time 2h00m of 1d00h (8 %)"),
        (
            "20.11",
            OF_2020,
            "4999",
            "CPU 69 % of 16, memory 28 GiB of 31.2 GiB on a node (90 %), time 8h00m of 8h00m (100 %)",
        ),
        ("20.11", OF_2020, "5001", "CPU 13 % of 8, memory 1.2 GiB of 4 GiB (31 %), time 1h02m of 8h00m (13 %)"),
        ("21.08", OF_2021, "699", "CPU 47 % of 16, memory 16 GiB of 64 GiB on a node (25 %), time 1h00m of 1d00h (4 %)"),
        ("22.05", RECORDED, "1", "CPU 104 % of 1, memory 69.4 MiB of 300 MiB (23 %), time 4s of 10m00s (1 %)"),
        ("22.05", RECORDED, "2", "CPU 0 % of 4, memory 10.6 MiB of 200 MiB on a node (5 %), time 26s of 10m00s (4 %)"),
        // Nothing was measured when its node failed.
        ("23.02", OF_2023, "80", "time 10m00s of 4h00m (4 %)"),
        ("24.11", NEW, "9000003", "CPU 3 % of 8, memory 16 GiB of 16 GiB (100 %), time 3m12s of 1h00m (5 %)"),
        ("25.05", OF_2025, "30", "CPU 88 % of 16, memory 100 GiB of 200 GiB (50 %), time 30m00s of 1d00h (2 %)"),
        ("25.11", OF_LATE_2025, "40", "CPU 50 % of 1, memory 512 MiB of 2 GiB (25 %), time 1m00s"),
        ("26.05", OF_2026, "50", "CPU 75 % of 1, memory 512 MiB of 2 GiB (25 %), time 2m00s of 10m00s (20 %)"),
    ];
    for (version, fixture, job, words) in cases {
        let uses = uses(fixture);
        assert_eq!(uses[job].words(), words, "{version} {job}: {uses:#?}");
    }
    assert_eq!(uses(NEW)["9000003"].advice()[0], "it ran out of its memory of 16 GiB: ask for more with --memory");
    assert!(!uses(OF_2020)["5001"].over && uses(OF_2020)["4999"].over);
}

#[test]
fn priorities_are_the_same_of_every_version() {
    let cases = [
        ("18.08", OLD, "priority 1234: age 200, fair share 900, job size 20, partition 100, resources 14"),
        ("20.11", OF_2020, "priority 4100: age 1000, fair share 3000, job size 10, QOS 90"),
        ("21.08", OF_2021, "priority 12: age 12"),
        ("22.05", RECORDED, "priority 10543: fair share 10000, job size 250, partition 200, QOS 100, nice -7"),
        // The better of two partitions.
        ("23.02", OF_2023, "priority 900: age 300, fair share 400, partition 200"),
        ("24.11", NEW, "priority 88123: age 123, fair share 50000, partition 10000, QOS 25000, resources 3000"),
        ("25.05", OF_2025, "priority 5001: age 1, fair share 4000, partition 1000"),
        ("26.05", OF_2026, "priority 9000: fair share 8000, partition 1000"),
    ];
    for (version, fixture, words) in cases {
        let found: Vec<String> = priorities(fixture).iter().map(SitePriority::words).collect();
        assert_eq!(found, [words], "{version}");
    }
}

#[test]
fn shares_and_limits_are_the_same_of_every_version() {
    for (version, fixture) in ALL {
        let shares = shares(fixture);
        assert!(shares.notes.is_empty() && !shares.none_kept && !shares.user.is_empty(), "{version}: {shares:?}");
        let own = shares.accounts.iter().find(|share| share.user == shares.user).expect("one's own part");
        assert!(!own.usage.is_empty() || own.partition == "gpu", "{version}: {own:?}");
        assert!(!own.qos.is_empty() || !own.factor.is_empty(), "{version}: {own:?}");
    }
    let limits = |limits: &[crate::model::site_ask::SiteLimit]| -> Vec<String> {
        limits.iter().map(|limit| format!("{}: {}", limit.name, limit.words)).collect()
    };
    let old = shares(OLD);
    assert_eq!(old.accounts.len(), 1, "what another cluster of the same slurmdbd has is not ours");
    assert_eq!(
        limits(&old.accounts[0].limits),
        [
            "MaxJobs: 20 of your jobs running",
            "MaxSubmit: 100 of your jobs waiting or running",
            "MaxWall: a time limit of 2-00:00:00",
            "MaxTRES: cpu=512 for one job"
        ]
    );
    assert_eq!(old.qos.len(), 2);
    let ours = shares(RECORDED);
    assert_eq!(limits(&ours.accounts[1].limits), ["GrpTRES: cpu=64 in use by all"]);
    assert_eq!(limits(&ours.qos[0].limits), ["MaxJobsPU: 50 jobs of each user running"]);
}

#[test]
fn a_site_without_accounts_or_with_priorities_in_order_says_so() {
    let said = |line: &str| read(&line.replace('|', "\u{1f}")).told;
    // From 22.05.
    let none = said("G|sacctmgr|sacctmgr: error: You are not running a supported accounting_storage plugin\n");
    assert!(matches!(none.shares(&[]), SiteSaid::Shares(SiteShares { none_kept: true, notes, .. }) if notes.is_empty()));
    let disabled = said("G|sacct|Slurm accounting storage is disabled\n");
    assert!(matches!(disabled.uses(&[]), SiteSaid::Uses { jobs, notes } if jobs.is_empty() && notes.is_empty()));
    let basic = said("G|sprio|sprio: error: You are not running a supported priority plugin (priority/basic). Only ...\n");
    assert!(matches!(basic.priorities(&[]), SiteSaid::Priorities { in_order: true, notes, .. } if notes.is_empty()));
    // What is new is said aloud.
    let broken = said("G|sshare|sshare: error: slurmdbd: Connection refused\n");
    let SiteSaid::Shares(broken) = broken.shares(&["x".into()]) else { panic!() };
    assert_eq!(broken.notes, ["sshare: slurmdbd: Connection refused", "x"]);
    let odd = read("Q\u{1f}1\u{1f}ada\u{1f}many\nUa\u{1f}1\u{1f}MELTING\n");
    assert_eq!(odd.notes.len(), 2, "{:?}", odd.notes);
    // Without accounts the controller says what was asked for.
    let told = said("Uc|7|RUNNING|00:10:00|8|2|1000M|0|01:00:00\nUc|8|COMPLETED|1-00:00:00|8|2|0|500|UNLIMITED\n");
    let SiteSaid::Uses { jobs, .. } = told.uses(&[]) else { panic!() };
    assert_eq!(jobs.iter().map(SiteUse::words).collect::<Vec<_>>(), ["time 10m00s of 1h00m (17 %)", "time 1d00h"]);
    assert_eq!(jobs.iter().filter_map(|job| job.memory_asked).map(|asked| asked.0 >> 20).collect::<Vec<_>>(), [1000, 2000]);
}
