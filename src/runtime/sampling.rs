//! Measures nodes now and then: a program of ours says the kernel's counters in one line (`assets/agent/sample.sh`), and two
//! such lines make a sample. One short look a node, beside looks at files; nothing of it passes through the core.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::files::LinkSource;
use crate::model::ids::NodeId;
use crate::model::sample::{GpuSample, Sample};
use crate::model::state::Observed;
use crate::model::units::{Bytes, Millis, UnixMillis};
use crate::runtime::observe::Watched;
use crate::runtime::way::Brief;
use crate::store::Series;
use crate::transport::link::Traffic;

/// How often each node is measured: fine enough to see a job come and go, and some thousand rows a day.
pub const EVERY: Duration = Duration::from_secs(30);
/// When a node is measured first: not while it is being made ready.
pub const FIRST: Duration = Duration::from_secs(5);
/// How many nodes are measured at once.
pub const AT_ONCE: usize = 8;
/// How long a look at GPUs may take: a driver in trouble hangs for good.
const GPU_PATIENCE_SECS: u64 = 5;
/// How long a measurement may take in all.
const LOOK_MAX: Duration = Duration::from_secs(20);
/// The longest line, in bytes: a hundred GPUs.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// The size of a sector in /proc/diskstats, whatever the disk's own is (Documentation/admin-guide/iostats.rst).
const SECTOR_BYTES: u64 = 512;
/// Counters that are older say nothing of the time before a sample: the node was out of sight.
const STALE: Millis = Millis::from_mins(10);
const PROGRAM: &str = include_str!("../../assets/agent/sample.sh");

/// The kernel's counters at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    node_secs: i64,
    cpu_idle: u64,
    cpu_all: u64,
    memory: u64,
    memory_free: u64,
    disk: u64,
    disk_used: u64,
    disk_read: u64,
    disk_written: u64,
    net_received: u64,
    net_sent: u64,
    terminals: Option<u32>,
    gpus: Vec<GpuSample>,
}

impl Counters {
    /// Reads a line of the program; `None` when it is none.
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(9, '|');
        let mut next = || parts.next();
        let numbers = |text: &str| -> Vec<u64> { text.split_whitespace().filter_map(|word| word.parse().ok()).collect() };
        let node_secs = next()?.trim().parse().ok()?;
        let cpu = numbers(next()?);
        let (memory, disk) = (numbers(next()?), numbers(next()?));
        let (io, net) = (pairs(next()?), pairs(next()?));
        let terminals = next()?.trim().parse().ok();
        let strangers = strangers(next()?);
        let mut gpus = gpus(next()?);
        for gpu in &mut gpus {
            gpu.strangers = strangers.iter().filter(|(uuid, _)| *uuid == gpu.uuid).map(|(_, who)| who.clone()).collect();
        }
        // user nice system idle iowait irq softirq steal; what follows is counted in user already (proc_stat(5)).
        let cpu_all = cpu.iter().take(8).sum();
        Some(Self {
            node_secs,
            cpu_idle: cpu.get(3)? + cpu.get(4).copied().unwrap_or(0),
            cpu_all,
            memory: memory.first()? * 1024,
            memory_free: memory.get(1)? * 1024,
            disk: disk.first().copied().unwrap_or(0) * 1024,
            disk_used: disk.get(1).copied().unwrap_or(0) * 1024,
            disk_read: io.0 * SECTOR_BYTES,
            disk_written: io.1 * SECTOR_BYTES,
            net_received: net.0,
            net_sent: net.1,
            terminals,
            gpus,
        })
    }

    /// Makes a sample, with rates since the counters before when those are of the same boot.
    pub fn sample(&self, at: UnixMillis, before: Option<(UnixMillis, &Self)>) -> Sample {
        let since = before.filter(|(_, old)| old.cpu_all < self.cpu_all).map(|(then, old)| (at.since(then), old));
        let rate = |of: fn(&Self) -> u64| {
            let (span, old) = since?;
            let change = of(self).checked_sub(of(old))?;
            Some(Bytes(u64::try_from(u128::from(change) * 1000 / u128::from(span.0.max(1))).unwrap_or(u64::MAX)))
        };
        let cpu_milli = since.and_then(|(_, old)| {
            let (all, idle) = (self.cpu_all - old.cpu_all, self.cpu_idle.saturating_sub(old.cpu_idle));
            u32::try_from(1000 - (idle.min(all) * 1000 / all)).ok()
        });
        Sample {
            at,
            cpu_milli,
            memory_used: Bytes(self.memory.saturating_sub(self.memory_free)),
            memory: Bytes(self.memory),
            disk_used: Bytes(self.disk_used),
            disk: Bytes(self.disk),
            disk_read: rate(|counters| counters.disk_read),
            disk_written: rate(|counters| counters.disk_written),
            net_received: rate(|counters| counters.net_received),
            net_sent: rate(|counters| counters.net_sent),
            gpus: self.gpus.clone(),
            terminals: self.terminals,
            clock_ahead: self.node_secs.saturating_mul(1000).saturating_sub(at.0),
        }
    }
}

/// Adds up pairs of numbers, parted by commas.
fn pairs(text: &str) -> (u64, u64) {
    text.split(',').fold((0, 0), |(first, second), pair| {
        let mut numbers = pair.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0));
        (first + numbers.next().unwrap_or(0), second + numbers.next().unwrap_or(0))
    })
}

/// Reads what a tool says of GPUs: lines of `nvidia-smi` (parted by semicolons here), or the JSON of `rocm-smi`. What is
/// missing, or no number (`[N/A]`, `[Not Supported]`), is not there; a line that is none (`GPU is lost`) is passed over.
fn gpus(text: &str) -> Vec<GpuSample> {
    if text.trim_start().starts_with('{') {
        return rocm(&text.replace(';', "\n"));
    }
    text.split(';').filter_map(nvidia).collect()
}

/// Reads which processes are on which GPU without being those of a job: `pid, uuid, name`, parted by semicolons.
fn strangers(text: &str) -> Vec<(String, String)> {
    let one = |line: &str| {
        let mut words = line.splitn(3, ',').map(str::trim);
        let (pid, uuid) = (words.next()?.parse::<u32>().ok()?, words.next()?);
        let name = words.next().unwrap_or_default();
        let name = name.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("a process");
        Some((uuid.to_owned(), format!("{} (pid {pid})", crate::model::shown::Shown::new(name))))
    };
    text.split(';').filter_map(one).collect()
}

fn nvidia(line: &str) -> Option<GpuSample> {
    let mut words = line.splitn(6, ',').map(str::trim);
    let index = words.next()?.parse().ok()?;
    let mut number = || words.next().and_then(|word| word.parse::<f64>().ok());
    let (busy, used, there, watts) = (number(), number(), number(), number());
    let mib = |n: f64| Bytes((n * 1_048_576.0) as u64);
    Some(GpuSample {
        index,
        busy_milli: busy.map(|percent| (percent * 10.0) as u32),
        memory_used: used.map(mib),
        memory: there.map(mib),
        power_milliwatt: watts.map(|watts| (watts * 1000.0) as u32),
        // Ours asks for the uuid before the name; a command of the user's need not know it.
        ..match words.next().unwrap_or_default().split_once(',') {
            Some((uuid, name)) if is_uuid(uuid) => named(name.trim(), uuid.trim()),
            Some(_) | None => named(line.splitn(6, ',').nth(5).unwrap_or_default().trim(), ""),
        }
    })
}

fn named(name: &str, uuid: &str) -> GpuSample {
    GpuSample { name: name.to_owned(), uuid: uuid.to_owned(), ..GpuSample::default() }
}

fn is_uuid(text: &str) -> bool {
    text.starts_with("GPU-") || text.starts_with("MIG-")
}

fn rocm(text: &str) -> Vec<GpuSample> {
    let Ok(serde_json::Value::Object(cards)) = serde_json::from_str(text) else { return Vec::new() };
    let card = |(name, card): (&String, &serde_json::Value)| {
        let index = name.strip_prefix("card")?.parse().ok()?;
        let text = |keys: &[&str]| keys.iter().find_map(|key| card.get(*key)?.as_str().map(str::to_owned));
        let number = |keys: &[&str]| text(keys).and_then(|text| text.trim().parse::<f64>().ok());
        let power = ["Current Socket Graphics Package Power (W)", "Average Graphics Package Power (W)"];
        Some(GpuSample {
            index,
            name: text(&["Card Series", "Card series", "Card Model"]).unwrap_or_default(),
            busy_milli: number(&["GPU use (%)"]).map(|percent| (percent * 10.0) as u32),
            memory_used: number(&["VRAM Total Used Memory (B)"]).map(|bytes| Bytes(bytes as u64)),
            memory: number(&["VRAM Total Memory (B)"]).map(|bytes| Bytes(bytes as u64)),
            power_milliwatt: number(&power).map(|watts| (watts * 1000.0) as u32),
            ..GpuSample::default()
        })
    };
    let mut found: Vec<_> = cards.iter().filter_map(card).collect();
    found.sort_by_key(|gpu| gpu.index);
    found
}

/// The counters of each node when it was measured last, and the sample that was made of them.
type Before = BTreeMap<NodeId, Last>;

/// What is remembered of a node.
struct Last {
    at: UnixMillis,
    counters: Counters,
    sample: Sample,
    watched: Watched,
    /// What the core was told.
    told: Option<Observed>,
}

/// Measures nodes and keeps what comes of it.
#[derive(Clone)]
pub struct Sampler {
    series: Series,
    gate: Arc<Semaphore>,
    before: Arc<std::sync::Mutex<Before>>,
}

impl Sampler {
    /// Returns one that keeps its samples there.
    pub fn new(series: Series) -> Self {
        Self { series, gate: Arc::new(Semaphore::new(AT_ONCE)), before: Arc::default() }
    }

    /// Returns where its samples are.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// Measures a node once; returns what the core has to be told, when that is new. One that cannot be measured now is
    /// measured the next time. `root`: its spool, by which processes of our jobs are told from those of others.
    pub async fn measure(
        &self,
        node: NodeId,
        way: Brief,
        plugin: Option<String>,
        root: String,
        now: impl Fn() -> UnixMillis,
    ) -> Option<Observed> {
        // The gate is never closed; without it there would only be more at once.
        let _turn = self.gate.acquire().await;
        let line = timeout(LOOK_MAX, line_of(way, plugin.as_deref().unwrap_or_default(), &root)).await.ok()??;
        let Some(counters) = Counters::parse(&line) else {
            tracing::debug!(%node, line, "no measurement");
            return None;
        };
        let at = now();
        let (sample, news) = self.compare(node, at, counters);
        let series = self.series.clone();
        // The disk may be slow; nobody waits for it.
        let kept = tokio::task::spawn_blocking(move || series.add(node, &sample)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%node, %error, "a measurement is not kept");
        }
        news
    }

    fn compare(&self, node: NodeId, at: UnixMillis, counters: Counters) -> (Sample, Option<Observed>) {
        let mut before = self.before.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let old = before.remove(&node).filter(|last| at.since(last.at) < STALE);
        let sample = counters.sample(at, old.as_ref().map(|last| (last.at, &last.counters)));
        let (watched, told) = old.map(|last| (last.watched, last.told)).unwrap_or_default();
        let watched = watched.see(&sample);
        let observed = watched.observed(at);
        let news = (told.as_ref() != Some(&observed)).then(|| observed.clone());
        let last = Last { at, counters, sample: sample.clone(), watched, told: Some(observed) };
        before.insert(node, last);
        (sample, news)
    }

    /// Returns the newest samples of nodes, of those that have one.
    pub fn latest(&self, nodes: &[NodeId]) -> Vec<(NodeId, Sample)> {
        let before = self.before.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        nodes.iter().filter_map(|node| Some((*node, before.get(node)?.sample.clone()))).collect()
    }

    /// Forgets what is not ours any more.
    pub fn keep_only(&self, nodes: &std::collections::BTreeSet<NodeId>) {
        let mut before = self.before.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        before.retain(|node, _| nodes.contains(node));
    }
}

async fn line_of(way: Brief, plugin: &str, root: &str) -> Option<String> {
    let link = way.link().await?;
    let mut channel = link.open_data(Traffic::Node, PROGRAM).await.ok()?;
    let told = format!("{GPU_PATIENCE_SECS}\n{}\n{}\n", plugin.replace('\n', " "), root.replace('\n', " "));
    channel.stdin.write_all(told.as_bytes()).await.ok()?;
    channel.stdin.flush().await.ok()?;
    let mut text = Vec::new();
    (&mut channel.stdout).take(LINE_BYTES_MAX).read_to_end(&mut text).await.ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, ours) = text.split_once("OSTLER-DATA 1\n")?;
    Some(ours.lines().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "1795816795|1000 0 500 8000 500 0 0 0 7 0|1000000 400000 |2000 500|100 200,10 20,|1 2,300 400,|1||";

    #[test]
    fn two_lines_make_a_sample() {
        let first = Counters::parse(LINE).unwrap();
        let at = UnixMillis(1_795_816_795_000);
        let sample = first.sample(at, None);
        assert_eq!((sample.cpu_milli, sample.disk_read, sample.clock_ahead), (None, None, 0));
        assert_eq!((sample.memory, sample.memory_used), (Bytes(1_024_000_000), Bytes(614_400_000)));
        let later = LINE
            .replace("1000 0 500 8000", "1600 0 700 8200")
            .replace("100 200,", "2100 200,")
            .replace("300 400", "10300 400");
        let second = Counters::parse(&later).unwrap();
        let sample = second.sample(at + Millis(10_000), Some((at, &first)));
        assert_eq!(sample.cpu_milli, Some(800), "800 of 1000 ticks were busy");
        assert_eq!((sample.disk_read, sample.disk_written), (Some(Bytes(102_400)), Some(Bytes(0))));
        assert_eq!((sample.net_received, sample.net_sent), (Some(Bytes(1_000)), Some(Bytes(0))));
        assert_eq!(sample.clock_ahead, -10_000, "the node's clock stands");
        // After a reboot counters begin again, and nothing is to be said of the time before.
        assert_eq!(first.sample(at + Millis(20_000), Some((at, &second))).cpu_milli, None);
        for wrong in ["", "x", "1|2", "a|1 2 3 4|5 6|7 8|||||"] {
            assert_eq!(Counters::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn gpus_of_every_maker() {
        let line = "0, 37, 1024, 81920, 68.12, NVIDIA A100-SXM4-80GB;1, [N/A], [Not Supported], 81920, [N/A], NVIDIA A100, odd;\
                    Unable to determine the device handle for GPU2: 0000:21:00.0: GPU is lost.  Reboot the system to recover this GPU;";
        let found = gpus(line);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].busy_milli, found[0].memory), (Some(370), Some(Bytes(81_920 << 20))));
        assert_eq!((found[0].power_milliwatt, found[0].name.as_str()), (Some(68_120), "NVIDIA A100-SXM4-80GB"));
        assert_eq!((found[1].busy_milli, found[1].memory_used, found[1].name.as_str()), (None, None, "NVIDIA A100, odd"));
        let json = r#"{"card1": {"GPU use (%)": "3", "Card Series": "MI300"}, "card0": {"GPU use (%)": "37", "VRAM Total Memory (B)": "68702699520",
            "VRAM Total Used Memory (B)": "1024", "Average Graphics Package Power (W)": "142.0"}, "system": {"Driver version": "6.7"}}"#;
        let found = gpus(&json.replace('\n', ";"));
        assert_eq!((found[0].index, found[0].busy_milli, found[0].power_milliwatt), (0, Some(370), Some(142_000)));
        assert_eq!((found[1].name.as_str(), found[1].memory), ("MI300", None));
        for text in [
            "",
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            "No devices were found",
            "{",
        ] {
            assert_eq!(gpus(text), [], "{text}");
        }
    }
}
