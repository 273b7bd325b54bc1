//! What a job asked for against what it used, as those who placed it measured it, and what would have done. Pure.

use serde::{Deserialize, Serialize};

use crate::model::units::{Bytes, Millis};

/// What a job asked for and used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteUse {
    /// Its number.
    pub id: String,
    /// Their word for its state.
    pub state: String,
    /// Whether it is over, so that nothing of it changes any more.
    pub over: bool,
    /// How long it has run.
    pub elapsed: Option<Millis>,
    /// The longest time that it may run; `None` when there is none, or it is not known.
    pub limit: Option<Millis>,
    /// How many nodes it has or had.
    pub nodes: u32,
    /// How many CPUs.
    pub cpus: u32,
    /// The time that its processes were on a CPU; `None` when that was not measured.
    pub cpu_time: Option<Millis>,
    /// The memory that it asked for on each node.
    pub memory_asked: Option<Bytes>,
    /// The most that it used on one node: an estimate from the largest of its processes, as `seff` makes it.
    pub memory_used: Option<Bytes>,
}

/// A job that is as short as this says nothing of what it needs.
const TOO_SHORT: Millis = Millis::from_secs(60);
/// Use of a resource, in percent, below which less would have done.
const LITTLE_PERCENT: u64 = 50;
/// Use of memory, in percent, from which the next job may run out of it.
const NEARLY_ALL_PERCENT: u64 = 95;
/// How much more than was used is advised, in percent.
const ROOM_PERCENT: u64 = 120;
/// Less memory than this is not worth a word.
const MEMORY_WORTH_A_WORD: Bytes = Bytes(256 << 20);
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MINUTE_MS: u64 = 60_000;

impl SiteUse {
    /// Returns how busy its CPUs were, in percent.
    pub fn cpu_percent(&self) -> Option<u64> {
        let there = self.elapsed?.0.checked_mul(u64::from(self.cpus))?;
        percent(self.cpu_time?.0, there)
    }

    /// Returns how much of its memory it used, in percent.
    pub fn memory_percent(&self) -> Option<u64> {
        percent(self.memory_used?.0, self.memory_asked?.0)
    }

    /// Returns how much of its time it took, in percent.
    pub fn time_percent(&self) -> Option<u64> {
        percent(self.elapsed?.0, self.limit?.0)
    }

    /// Says it in one line: `CPU 24 % of 4, memory 61 MiB of 300 MiB (20 %), time 2m00s of 10m00s (20 %)`.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        if let Some(cpu) = self.cpu_percent() {
            words.push(format!("CPU {cpu} % of {}", self.cpus));
        }
        let each = if self.nodes > 1 { " on a node" } else { "" };
        match (self.memory_used, self.memory_asked, self.memory_percent()) {
            (Some(used), Some(asked), Some(part)) => words.push(format!("memory {used} of {asked}{each} ({part} %)")),
            (Some(used), _, _) => words.push(format!("memory {used}{each}")),
            (None, _, _) => {}
        }
        match (self.elapsed, self.limit, self.time_percent()) {
            (Some(took), Some(limit), Some(part)) => words.push(format!("time {took} of {limit} ({part} %)")),
            (Some(took), _, _) => words.push(format!("time {took}")),
            (None, _, _) => {}
        }
        words.join(", ")
    }

    /// Says what would have done, or was too little; of a job that is too short, only what was too little.
    pub fn advice(&self) -> Vec<String> {
        let long = self.elapsed.is_some_and(|took| took >= TOO_SHORT);
        [self.of_memory(long), self.of_cpus().filter(|_| long), self.of_time().filter(|_| long)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn of_memory(&self, long: bool) -> Option<String> {
        if self.state.starts_with("OUT_OF_ME") {
            let asked = self.memory_asked.map(|asked| format!(" of {asked}")).unwrap_or_default();
            return Some(format!("it ran out of its memory{asked}: ask for more with --memory"));
        }
        let (used, asked, part) = (self.memory_used?, self.memory_asked?, self.memory_percent()?);
        let would_do = memory(used.0.saturating_mul(ROOM_PERCENT) / 100);
        if part >= NEARLY_ALL_PERCENT {
            return Some(format!("it used {part} % of its memory: --memory {} would be safer", would_do.0));
        }
        let worth = asked.0.saturating_sub(would_do.1) >= MEMORY_WORTH_A_WORD.0;
        (long && part < LITTLE_PERCENT && worth)
            .then(|| format!("it used {part} % of its memory: --memory {} would do", would_do.0))
    }

    fn of_cpus(&self) -> Option<String> {
        let (part, time, took) = (self.cpu_percent()?, self.cpu_time?.0, self.elapsed?.0);
        if part >= LITTLE_PERCENT {
            return None;
        }
        let busy = time.div_ceil(took.max(1)).max(1);
        Some(match (self.cpus, self.nodes) {
            (..=1, _) => format!("its CPU was busy {part} % of the time: it waited for something else"),
            (cpus, ..=1) => format!("its {cpus} CPUs were busy {part} % of the time: --cpus {busy} would do"),
            (cpus, nodes) => {
                let each = busy.div_ceil(u64::from(nodes)).max(1);
                format!("its {cpus} CPUs on {nodes} nodes were busy {part} % of the time: --cpus {each} would do")
            }
        })
    }

    fn of_time(&self) -> Option<String> {
        if self.state.starts_with("TIMEOUT") {
            return Some("it ran over its time limit: ask for more with --time".to_owned());
        }
        let part = self.time_percent()?;
        let would_do = minutes(self.elapsed?.0.saturating_mul(ROOM_PERCENT) / 100);
        (self.over && part < LITTLE_PERCENT)
            .then(|| format!("it took {part} % of its time: --time {would_do} would do, and shorter jobs start earlier"))
    }
}

fn percent(part: u64, of: u64) -> Option<u64> {
    let part = u128::from(part) * 100;
    (of > 0).then(|| u64::try_from((part + u128::from(of) / 2) / u128::from(of)).unwrap_or(u64::MAX))
}

/// Returns so much memory in a round number, as `--memory` takes it, and in bytes.
fn memory(bytes: u64) -> (String, u64) {
    if bytes > GIB {
        let gib = bytes.div_ceil(GIB);
        return (format!("{gib}G"), gib * GIB);
    }
    let mib = bytes.div_ceil(100 * MIB).max(1) * 100;
    (format!("{mib}M"), mib * MIB)
}

/// Returns a time in a round number, as `--time` takes it.
fn minutes(millis: u64) -> String {
    match millis.div_ceil(MINUTE_MS).max(1) {
        few @ ..=10 => format!("{few}m"),
        some @ ..=120 => format!("{}m", some.div_ceil(5) * 5),
        many => format!("{}h", many.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used() -> SiteUse {
        SiteUse {
            id: "7".into(),
            state: "COMPLETED".into(),
            over: true,
            elapsed: Some(Millis::from_mins(10)),
            limit: Some(Millis::from_mins(120)),
            nodes: 1,
            cpus: 8,
            cpu_time: Some(Millis::from_mins(15)),
            memory_asked: Some(Bytes(16 * GIB)),
            memory_used: Some(Bytes(GIB + GIB / 2)),
        }
    }

    #[test]
    fn what_was_asked_for_stands_against_what_was_used() {
        let whole = used();
        assert_eq!(whole.words(), "CPU 19 % of 8, memory 1.5 GiB of 16 GiB (9 %), time 10m00s of 2h00m (8 %)");
        assert_eq!(
            whole.advice(),
            [
                "it used 9 % of its memory: --memory 2G would do",
                "its 8 CPUs were busy 19 % of the time: --cpus 2 would do",
                "it took 8 % of its time: --time 15m would do, and shorter jobs start earlier",
            ]
        );
        let dark = SiteUse { cpu_time: None, memory_used: None, limit: None, ..used() };
        assert_eq!((dark.words().as_str(), dark.advice().len()), ("time 10m00s", 0), "what was not measured is not said");
    }

    #[test]
    fn advice_is_for_each_case_what_helps() {
        let cases: [(&str, SiteUse, &[&str]); 8] = [
            (
                "all is used",
                SiteUse { cpus: 2, memory_asked: Some(Bytes(2 * GIB)), limit: Some(Millis::from_mins(12)), ..used() },
                &[],
            ),
            ("too short", SiteUse { elapsed: Some(Millis::from_secs(30)), cpu_time: Some(Millis(0)), ..used() }, &[]),
            (
                "nearly all",
                SiteUse { cpus: 2, memory_asked: Some(Bytes(GIB + GIB / 2)), limit: None, ..used() },
                &["it used 100 % of its memory: --memory 2G would be safer"],
            ),
            (
                "out of memory",
                SiteUse { state: "OUT_OF_MEMORY".into(), cpus: 2, limit: None, ..used() },
                &["it ran out of its memory of 16 GiB: ask for more with --memory"],
            ),
            (
                "over its time",
                SiteUse { state: "TIMEOUT".into(), cpus: 2, memory_asked: None, ..used() },
                &["it ran over its time limit: ask for more with --time"],
            ),
            (
                "one CPU that waits",
                SiteUse { cpus: 1, cpu_time: Some(Millis::from_mins(1)), memory_asked: None, limit: None, ..used() },
                &["its CPU was busy 10 % of the time: it waited for something else"],
            ),
            (
                "several nodes",
                SiteUse { nodes: 2, cpus: 16, memory_asked: None, limit: None, ..used() },
                &["its 16 CPUs on 2 nodes were busy 9 % of the time: --cpus 1 would do"],
            ),
            ("it runs", SiteUse { over: false, cpus: 2, memory_asked: None, ..used() }, &[]),
        ];
        for (name, case, expected) in cases {
            assert_eq!(case.advice(), expected, "{name}");
        }
        assert_eq!(memory(70 * MIB).0, "100M");
        assert_eq!(["1m", "15m", "3h"], [minutes(1), minutes(11 * MINUTE_MS), minutes(121 * MINUTE_MS)].map(|m| m));
    }
}
