//! Reads what `assets/slurm/look.sh` prints: what jobs used, of what priorities are made, what accounts may. Fields and their forms are
//! those of the pages `sacct`, `sstat`, `sprio`, `sshare` and `sacctmgr` of the documentation, 18.08 to 25.11.

use std::collections::BTreeMap;

use crate::model::site_ask::{AccountShare, QosShare, SiteLimit, SitePriority, SiteSaid, SiteShares};
use crate::model::site_use::SiteUse;
use crate::model::units::{Bytes, Millis};
use crate::slurm::words::{State, complaint, state};

/// The parts of a priority, in the order of the letters in `priorities`.
const PARTS: [&str; 9] =
    ["age", "fair share", "job size", "partition", "QOS", "resources", "nice", "account", "by the site"];
/// The limits of an account's user, in the order of `shares`, and what they say of a value.
const OF_ACCOUNT: [(&str, &str); 9] = [
    ("MaxJobs", "@ of your jobs running"),
    ("MaxSubmit", "@ of your jobs waiting or running"),
    ("MaxWall", "a time limit of @"),
    ("MaxTRES", "@ for one job"),
    ("MaxTRESMins", "@ in minutes for one job"),
    ("GrpJobs", "@ jobs of all running"),
    ("GrpSubmit", "@ jobs of all waiting or running"),
    ("GrpTRES", "@ in use by all"),
    ("GrpTRESMins", "@ in minutes used by all"),
];
/// Those of a quality of service.
const OF_QOS: [(&str, &str); 9] = [
    ("MaxJobsPU", "@ jobs of each user running"),
    ("MaxSubmitPU", "@ jobs of each user waiting or running"),
    ("MaxWall", "a time limit of @"),
    ("MaxTRES", "@ for one job"),
    ("MaxTRESPU", "@ in use by each user"),
    ("GrpJobs", "@ jobs of all running"),
    ("GrpSubmit", "@ jobs of all waiting or running"),
    ("GrpTRES", "@ in use by all"),
    ("GrpTRESMins", "@ in minutes used by all"),
];
/// What programs say where no accounts are kept. From the 22.05 at hand, and `sacct`, `sacctmgr` and `sshare` of 18.08 to 25.11.
const NONE_KEPT: [&str; 3] = ["accounting storage is disabled", "accounting_storage plugin", "accounting_storage/none"];
/// What `sprio` says where there are no parts.
const IN_ORDER: &str = "supported priority plugin";

/// What was said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    jobs: BTreeMap<String, SiteUse>,
    steps: BTreeMap<String, Vec<Step>>,
    priorities: Vec<SitePriority>,
    shares: SiteShares,
    cluster: String,
    /// What programs complained of, in their order.
    complaints: Vec<(String, String)>,
}

/// A step of a job, as sacct or sstat has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Step {
    nodes: u32,
    tasks: u32,
    /// Of all its tasks.
    cpu_time: Option<Millis>,
    /// Of its largest task.
    memory: Option<Bytes>,
    /// Whether it was measured while it ran.
    runs: bool,
}

impl Told {
    /// Takes in one line; says whether it is one of those that are known.
    pub(super) fn line(&mut self, fields: &[&str]) -> bool {
        match fields {
            ["Ua", id, word, elapsed, cpu_time, cpus, nodes, tasks, asked, memory, limit] => match id.split_once('.') {
                Some((job, _)) => {
                    let step = Step {
                        nodes: nodes.parse().unwrap_or_default(),
                        tasks: tasks.parse().unwrap_or_default(),
                        cpu_time: None,
                        memory: bytes(memory),
                        runs: false,
                    };
                    self.steps.entry(job.to_owned()).or_default().push(step);
                    true
                }
                None => self.job(id, word, [elapsed, cpu_time, cpus, nodes, asked, limit]),
            },
            ["Uc", id, word, elapsed, cpus, nodes, of_node, of_cpu, limit] => {
                let asked = match (*of_node, *of_cpu) {
                    ("" | "0", "" | "0") => String::new(),
                    ("" | "0", each) => format!("{}c", with_unit(each)),
                    (each, _) => format!("{}n", with_unit(each)),
                };
                let limit = time(limit).map(|limit| (limit.0 / 60_000).to_string()).unwrap_or_default();
                let elapsed = time(elapsed).map(|took| (took.0 / 1000).to_string()).unwrap_or_default();
                let nodes = nodes.split('-').next().unwrap_or_default();
                self.job(id, word, [&elapsed, "", cpus, nodes, &asked, &limit])
            }
            ["Us", id, tasks, cpu_time, memory] => {
                let (job, _) = id.split_once('.').unwrap_or((id, ""));
                let tasks = tasks.parse().unwrap_or_default();
                let cpu_time = time(cpu_time).map(|each| Millis(each.0.saturating_mul(u64::from(tasks))));
                let step = Step { nodes: 0, tasks, cpu_time, memory: bytes(memory), runs: true };
                self.steps.entry(job.to_owned()).or_default().push(step);
                true
            }
            ["Q", said] => said.starts_with("Unable to find jobs"),
            ["Q", id, user, total, parts @ ..] if parts.len() == PARTS.len() || parts.len() == PARTS.len() - 2 => {
                self.priority(id, user, total, parts)
            }
            ["Bm", user, cluster] => {
                (self.shares.user, self.cluster) = ((*user).to_owned(), (*cluster).to_owned());
                true
            }
            ["Bs", account, user, shares, usage, part, factor] => {
                self.account(account, user, "", |share| {
                    share.shares = (*shares).to_owned();
                    share.usage = (*usage).to_owned();
                    share.usage_part = (*part).to_owned();
                    share.factor = (*factor).to_owned();
                });
                true
            }
            ["Ba", cluster, account, user, partition, qos, limits @ ..] if limits.len() == OF_ACCOUNT.len() => {
                if self.cluster.is_empty() || *cluster == self.cluster {
                    self.account(account, user, partition, |share| {
                        share.qos = qos.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
                        share.limits = said(&OF_ACCOUNT, limits);
                    });
                }
                true
            }
            ["Bq", name, priority, limits @ ..] if limits.len() == OF_QOS.len() => {
                let qos = QosShare { name: (*name).into(), priority: (*priority).into(), limits: said(&OF_QOS, limits) };
                self.shares.qos.push(qos);
                true
            }
            ["G", program, why] => {
                self.complaints.push(((*program).to_owned(), complaint(why)));
                true
            }
            _ => false,
        }
    }

    fn job(&mut self, id: &str, word: &str, fields: [&str; 6]) -> bool {
        let [elapsed, cpu_time, cpus, nodes, asked, limit] = fields;
        let (cpus, nodes) = (cpus.parse().unwrap_or_default(), nodes.parse::<u32>().unwrap_or_default().max(1));
        let job = SiteUse {
            id: id.to_owned(),
            state: word.to_owned(),
            over: matches!(state(word), Some(State::Over(_))),
            elapsed: elapsed.parse().ok().map(Millis::from_secs),
            limit: limit.parse().ok().map(Millis::from_mins),
            nodes,
            cpus,
            cpu_time: time(cpu_time),
            memory_asked: memory_of_node(asked, cpus, nodes),
            memory_used: None,
        };
        let known = state(word).is_some() && !id.is_empty();
        self.jobs.insert(id.to_owned(), job);
        known
    }

    fn priority(&mut self, id: &str, user: &str, total: &str, parts: &[&str]) -> bool {
        let Ok(total) = total.parse() else { return false };
        // What is taken off for being nice.
        let part = |(name, text): (&&str, &&str)| {
            let value = sum(text)?;
            Some(((*name).to_owned(), if *name == "nice" { -value } else { value }))
        };
        let Some(parts) = PARTS.iter().zip(parts).map(part).collect::<Option<Vec<_>>>() else { return false };
        let found = SitePriority { id: id.to_owned(), user: user.to_owned(), total, parts };
        // A job has a line for each partition that it may go to; it is the best one that counts.
        match self.priorities.iter_mut().find(|other| other.id == id) {
            Some(other) if other.total >= total => {}
            Some(other) => *other = found,
            None => self.priorities.push(found),
        }
        true
    }

    fn account(&mut self, account: &str, user: &str, partition: &str, put: impl FnOnce(&mut AccountShare)) {
        let (account, user) = (account.trim(), user.trim());
        let is = |share: &AccountShare| share.account == account && share.user == user && share.partition == partition;
        let all = &mut self.shares.accounts;
        // sshare names no partition: its line is that of the first association of the account.
        let at = all.iter().position(is).unwrap_or_else(|| {
            all.push(AccountShare {
                account: account.to_owned(),
                user: user.to_owned(),
                partition: partition.to_owned(),
                ..AccountShare::default()
            });
            all.len() - 1
        });
        if let Some(share) = all.get_mut(at) {
            put(share);
        }
    }

    fn none_kept(&self) -> bool {
        self.complaints.iter().any(|(_, why)| NONE_KEPT.iter().any(|words| why.contains(words)))
    }

    fn notes(&self, known: &[&str]) -> Vec<String> {
        let unknown = |why: &str| !known.iter().any(|words| why.contains(words));
        self.complaints.iter().filter(|(_, why)| unknown(why)).map(|(program, why)| format!("{program}: {why}")).collect()
    }

    /// Returns the answer about what jobs used, beside what else is to be said.
    pub(super) fn uses(self, more: &[String]) -> SiteSaid {
        let mut notes = self.notes(&NONE_KEPT);
        notes.extend_from_slice(more);
        let none = Vec::new();
        let used = |mut job: SiteUse| {
            let steps = self.steps.get(&job.id).unwrap_or(&none);
            let on_a_node = |step: &Step| {
                let nodes = if step.nodes == 0 { job.nodes } else { step.nodes };
                Some(Bytes(step.memory?.0.saturating_mul(u64::from(step.tasks.max(1).div_ceil(nodes.max(1))))))
            };
            job.memory_used = steps.iter().filter_map(on_a_node).max().filter(|used| used.0 > 0);
            let now: Vec<Millis> = steps.iter().filter(|step| step.runs).filter_map(|step| step.cpu_time).collect();
            if !job.over {
                job.cpu_time = (!now.is_empty()).then(|| Millis(now.iter().map(|time| time.0).sum()));
            } else if job.memory_used.is_none() && job.cpu_time == Some(Millis(0)) {
                // Nothing was measured, for which sacct writes 0.
                job.cpu_time = None;
            }
            job
        };
        SiteSaid::Uses { jobs: self.jobs.into_values().map(used).collect(), notes }
    }

    /// Returns the answer about priorities.
    pub(super) fn priorities(self, more: &[String]) -> SiteSaid {
        let mut notes = self.notes(&[IN_ORDER]);
        notes.extend_from_slice(more);
        let in_order = self.complaints.iter().any(|(_, why)| why.contains(IN_ORDER));
        SiteSaid::Priorities { in_order, jobs: self.priorities, notes }
    }

    /// Returns the answer about accounts.
    pub(super) fn shares(self, more: &[String]) -> SiteSaid {
        let (mut notes, none_kept) = (self.notes(&NONE_KEPT), self.none_kept());
        notes.extend_from_slice(more);
        if none_kept {
            return SiteSaid::Shares(SiteShares { user: self.shares.user, none_kept, notes, ..SiteShares::default() });
        }
        SiteSaid::Shares(SiteShares { notes, ..self.shares })
    }
}

fn said(names: &[(&str, &str)], values: &[&str]) -> Vec<SiteLimit> {
    let limit = |((name, words), value): (&(&str, &str), &&str)| {
        (!value.is_empty()).then(|| SiteLimit {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            words: words.replace('@', value),
        })
    };
    names.iter().zip(values).filter_map(limit).collect()
}

/// A number, or the numbers of several resources: `cpu=10,mem=3`.
fn sum(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text == "(null)" {
        return Some(0);
    }
    let number = |part: &str| part.rsplit('=').next().and_then(|n| n.parse::<f64>().ok());
    let parts: Option<Vec<f64>> = text.split(',').map(number).collect();
    parts.map(|parts| parts.iter().sum::<f64>().round() as i64)
}

/// `[days-[hours:]]minutes:seconds[.thousandths]`; words such as `UNLIMITED` are none.
fn time(text: &str) -> Option<Millis> {
    let (days, rest) = match text.trim().split_once('-') {
        Some((days, rest)) => (days.parse::<u64>().ok()?, rest),
        None => (0, text.trim()),
    };
    let (whole, part) = rest.split_once('.').unwrap_or((rest, "0"));
    let mut seconds = days.checked_mul(24)?;
    let parts: Vec<u64> = whole.split(':').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let (hours, minutes, secs) = match parts[..] {
        [minutes, secs] => (0, minutes, secs),
        [hours, minutes, secs] => (hours, minutes, secs),
        _ => return None,
    };
    seconds = seconds.checked_add(hours)?.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(secs)?;
    let part: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    Some(Millis(seconds.checked_mul(1000)?.checked_add(part)?))
}

/// `1404K`, `2.50G`, `0`; a number alone is bytes.
fn bytes(text: &str) -> Option<Bytes> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        "P" => 50,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some(Bytes((number * f64::from(1_u32 << (shift % 30)) * if shift >= 30 { f64::from(1_u32 << 30) } else { 1.0 }) as u64))
}

/// Memory without a unit is in MiB.
fn with_unit(text: &str) -> String {
    if text.ends_with(|c: char| c.is_ascii_digit()) { format!("{text}M") } else { text.to_owned() }
}

/// Returns the memory that a job asked for on each node. Up to 20.11 a `c` behind it says that it is of each CPU, an `n` of each node;
/// since 21.08 it is the whole of the job (sacct(1), ReqMem).
fn memory_of_node(text: &str, cpus: u32, nodes: u32) -> Option<Bytes> {
    let text = text.trim();
    let nodes = u64::from(nodes.max(1));
    let asked = if let Some(each) = text.strip_suffix('c') {
        bytes(&with_unit(each))?.0.saturating_mul(u64::from(cpus)) / nodes
    } else if let Some(each) = text.strip_suffix('n') {
        bytes(&with_unit(each))?.0
    } else {
        bytes(&with_unit(text))?.0 / nodes
    };
    (asked > 0).then_some(Bytes(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_in_every_form() {
        for (text, millis) in [
            ("00:04.165", Some(4165)),
            ("26:00", Some(1_560_000)),
            ("1-02:03:04", Some(93_784_000)),
            ("02:03:04.5", Some(7_384_500)),
            ("UNLIMITED", None),
            ("", None),
            ("7", None),
        ] {
            assert_eq!(time(text).map(|time| time.0), millis, "{text}");
        }
        for (text, expected) in [
            ("1404K", Some(1404 << 10)),
            ("2.50G", Some(5 << 29)),
            ("3T", Some(3 << 40)),
            ("0", Some(0)),
            ("", None),
            ("5X", None),
        ] {
            assert_eq!(bytes(text).map(|bytes| bytes.0), expected, "{text}");
        }
        for (text, mib) in [
            ("4000Mc", Some(16_000)),
            ("4000Mn", Some(4000)),
            ("4000M", Some(2000)),
            ("4Gn", Some(4096)),
            ("4000", Some(2000)),
            ("0n", None),
            ("", None),
            ("?", None),
        ] {
            assert_eq!(memory_of_node(text, 8, 2).map(|bytes| bytes.0 >> 20), mib, "{text}");
        }
    }
}
