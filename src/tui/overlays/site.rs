//! What Slurm knows of one thing, in a window: a job of its queue with the parts of its priority, a node of its, what jobs asked for and
//! used, what one's accounts have used and may. What is not in the picture is asked of the login node, and said when it is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::reader::{Reader, Text};
use crate::commands::{Cmd, CommandId, Scope};
use crate::model::fault::Fault;
use crate::model::ids::ClusterId;
use crate::model::request::{Reply, Request};
use crate::model::site::SiteJob;
use crate::model::site_ask::{AccountShare, SiteAsk, SiteLimit, SitePriority, SiteSaid, SiteShares};
use crate::model::site_use::SiteUse;
use crate::model::units::Bytes;
use crate::tui::acts::cluster_place;
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::{News, Pane, UiEffect};
use crate::tui::panes::about_site::{job_state, left, why_not};
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteOf {
    /// A job of the queue, by its number.
    Job(String),
    /// A node, by its name.
    Node(String),
    /// What jobs used: their names and numbers.
    Uses(Vec<(String, String)>),
    /// What the person's accounts have used and may.
    Shares,
}

/// The window.
#[derive(Debug)]
pub struct SiteWindow {
    of: SiteOf,
    cluster: ClusterId,
    name: String,
    number: u64,
    answer: Option<Result<SiteSaid, Fault>>,
    reader: Reader,
}

impl SiteWindow {
    /// Returns the window and its question.
    pub fn new(cluster: ClusterId, of: SiteOf, number: u64, cx: &Cx) -> (Self, Vec<UiEffect>) {
        let name = cx.world.cluster(cluster).map(|cluster| shown(&cluster.name)).unwrap_or_default();
        let mut window = Self { of, cluster, name, number, answer: None, reader: Reader::default() };
        let ask = window.question(cx).map(|ask| Request::AskSite { cluster: cluster_place(cluster, cx), ask });
        window.tell(cx);
        (window, ask.map(|ask| UiEffect::Ask(Ticket { from: Asker::Overlay, number }, ask)).into_iter().collect())
    }

    fn job<'a>(&self, id: &str, cx: &'a Cx) -> Option<&'a SiteJob> {
        cx.world.site(self.cluster)?.job(id).map(|(job, _)| job)
    }

    /// What is not in the picture.
    fn question(&self, cx: &Cx) -> Option<SiteAsk> {
        match &self.of {
            SiteOf::Job(id) => {
                // The parts of an array are those of the whole until they start.
                let whole = id.split('_').next().unwrap_or_default().to_owned();
                let job = self.job(id, cx)?;
                Some(if job.waits() {
                    SiteAsk::Priorities { ids: vec![whole] }
                } else {
                    SiteAsk::Uses { ids: vec![id.clone()] }
                })
            }
            SiteOf::Node(_) => None,
            SiteOf::Uses(jobs) => Some(SiteAsk::Uses { ids: jobs.iter().map(|(_, number)| number.clone()).collect() }),
            SiteOf::Shares => Some(SiteAsk::Shares),
        }
    }

    fn tell(&mut self, cx: &Cx) {
        let mut lines = Lines::default();
        match &self.of {
            SiteOf::Job(id) => self.of_job(id, &mut lines, cx),
            SiteOf::Node(name) => self.of_node(name, &mut lines, cx),
            SiteOf::Uses(jobs) => self.of_uses(jobs, &mut lines, cx),
            SiteOf::Shares => match &self.answer {
                Some(Ok(SiteSaid::Shares(shares))) => of_shares(shares, &mut lines),
                _ => self.unanswered("what your accounts have used and may", &mut lines),
            },
        }
        self.reader.set(lines.0, false);
    }

    /// Says that it is being asked, or why there is no answer.
    fn unanswered(&self, what: &str, lines: &mut Lines) {
        match &self.answer {
            None => lines.add(Role::Muted, format!("asking Slurm {what} …")),
            Some(Err(fault)) => {
                lines.add(Role::Bad, format!("not known: {}", fault.message));
                for cause in &fault.causes {
                    lines.add(Role::Muted, cause.clone());
                }
            }
            Some(Ok(_)) => lines.add(Role::Bad, "not known: the answer was about something else".to_owned()),
        }
    }

    fn of_job(&self, id: &str, lines: &mut Lines, cx: &Cx) {
        let Some((index, (job, sums))) = cx.world.site(self.cluster).and_then(|index| Some((index, index.job(id)?))) else {
            lines.add(Role::Muted, "it is not in the queue any more".to_owned());
            return;
        };
        let whose = if job.mine { "yours".to_owned() } else { format!("of {}", job.user) };
        let (glyph, word, role) = job_state(job);
        lines.add(role, format!("{} {word} · {} · {whose}", cx.glyph(glyph), job.name));
        if job.waits() {
            let why = if job.why.is_empty() { "Slurm has not said why it waits" } else { &job.why };
            lines.add(Role::Strong, why.to_owned());
            lines.fact(
                "starts",
                match job.starts {
                    Some(at) if at > cx.now => format!("in {}, as Slurm expects now", at.since(cx.now)),
                    Some(_) => "at any moment, as Slurm expects".to_owned(),
                    None => "Slurm has not said when".to_owned(),
                },
            );
        }
        let some = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        if job.has_nodes() {
            lines.fact("nodes", job.on.clone());
            let left = left(job, sums, index, cx).map(|left| format!(", {left} left")).unwrap_or_default();
            lines.fact("time", format!("{} of {}{left}", job.used, job.limit));
        } else {
            lines.fact("limit", some(&job.limit));
        }
        let gpus = if sums.gpus > 0 { format!(", {}", count(sums.gpus, "GPU")) } else { String::new() };
        let memory =
            if matches!(job.memory.as_str(), "" | "0") { String::new() } else { format!(", memory {}", job.memory) };
        lines.fact("asks for", format!("{}, {}{gpus}{memory}", count(job.nodes, "node"), count(job.cpus, "CPU")));
        lines.fact("partition", job.partition.clone());
        lines.fact("account", format!("{}, QOS {}", some(&job.account), some(&job.qos)));
        match (&self.answer, job.waits()) {
            (Some(Ok(SiteSaid::Priorities { in_order: true, .. })), _) => {
                lines.fact("priority", "by order of submission".to_owned());
            }
            (Some(Ok(SiteSaid::Priorities { jobs, notes, .. })), _) => {
                let whole = id.split('_').next().unwrap_or_default();
                match jobs.iter().find(|priority| priority.id == whole || priority.id == id) {
                    Some(priority) => of_priority(priority, lines),
                    None => lines.fact("priority", job.priority.to_string()),
                }
                lines.notes(notes);
            }
            (Some(Ok(SiteSaid::Uses { jobs, notes })), _) => {
                if let Some(used) = jobs.iter().find(|used| used.id == id) {
                    of_use(used, lines);
                }
                lines.notes(notes);
            }
            (_, true) => {
                lines.fact("priority", job.priority.to_string());
                self.unanswered("of what it is made", lines);
            }
            (_, false) => self.unanswered("what it uses", lines),
        }
    }

    fn of_node(&self, name: &str, lines: &mut Lines, cx: &Cx) {
        let Some(index) = cx.world.site(self.cluster) else { return };
        let Some(at) = index.site.nodes.iter().position(|node| node.name == name) else {
            lines.add(Role::Muted, "Slurm does not list it any more".to_owned());
            return;
        };
        let (Some(node), Some(sums)) = (index.site.nodes.get(at), index.nodes.get(at)) else { return };
        let (_, word) = node.standing();
        lines.add(Role::Strong, format!("{word} ({})", node.state));
        let why = why_not(node);
        if !why.is_empty() {
            lines.add(Role::Warning, why);
        }
        let [busy, idle, other, all] = node.cpus;
        let other = if other > 0 { format!(", {other} not to be used") } else { String::new() };
        lines.fact("CPUs", format!("{busy} of {all} in use, {idle} idle{other}"));
        if sums.gpus > 0 {
            lines.fact("GPUs", format!("{} of {} asked for by jobs ({})", sums.gpus_used, sums.gpus, node.gres));
        }
        lines.fact("memory", cx.size(Bytes(node.memory_mib << 20)));
        lines.fact("partitions", node.partitions.join(", "));
        if !node.features.is_empty() {
            lines.fact("features", node.features.clone());
        }
        lines.gap();
        if sums.jobs.is_empty() {
            lines.add(Role::Muted, "no job is on it".to_owned());
        }
        for job in index.on_node(at) {
            let whose = if job.mine { "yours".to_owned() } else { format!("of {}", job.user) };
            lines.add(
                Role::Text,
                format!("{} {}, {whose}, {}, {} of {}", job.id, job.name, count(job.cpus, "CPU"), job.used, job.limit),
            );
        }
    }

    fn of_uses(&self, asked: &[(String, String)], lines: &mut Lines, _cx: &Cx) {
        let (uses, notes) = match &self.answer {
            Some(Ok(SiteSaid::Uses { jobs, notes })) => (jobs, notes),
            _ => return self.unanswered("what they asked for and used", lines),
        };
        for (name, number) in asked {
            lines.add(Role::Strong, format!("{name} · {number}"));
            match uses.iter().find(|used| used.id == *number) {
                Some(used) => of_use(used, lines),
                None => lines.add(Role::Muted, "Slurm does not know it any more".to_owned()),
            }
            lines.gap();
        }
        lines.notes(notes);
    }
}

/// Writes a number of things.
pub fn count(number: u32, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

fn of_priority(priority: &SitePriority, lines: &mut Lines) {
    lines.fact("priority", format!("{}, the higher the sooner", priority.total));
    for (name, part) in priority.parts.iter().filter(|(_, part)| *part != 0) {
        let part = part.to_string();
        lines.add_in(Role::Text, INDENT + PART_CELLS.saturating_sub(part.len()), format!("{part}  {name}"));
    }
}

fn of_use(used: &SiteUse, lines: &mut Lines) {
    let of = |part: Option<u64>| part.map(|part| format!(" ({part} %)")).unwrap_or_default();
    if let (Some(time), percent) = (used.cpu_time, used.cpu_percent()) {
        lines.fact("CPU", format!("{} asked for, busy for {time}{}", count(used.cpus, "CPU"), of(percent)));
    }
    match (used.memory_asked, used.memory_used) {
        (Some(asked), Some(most)) => {
            let each = if used.nodes > 1 { " on a node" } else { "" };
            lines.fact("memory", format!("{asked} asked for{each}, {most} used{}", of(used.memory_percent())));
        }
        (None, Some(most)) => lines.fact("memory", format!("{most} used")),
        (Some(asked), None) => lines.fact("memory", format!("{asked} asked for; what it used was not measured")),
        (None, None) => {}
    }
    match (used.limit, used.elapsed) {
        (Some(limit), Some(took)) => {
            lines.fact("time", format!("{limit} asked for, {took} taken{}", of(used.time_percent())))
        }
        (None, Some(took)) => lines.fact("time", format!("{took} taken")),
        (_, None) => {}
    }
    for advice in used.advice() {
        lines.add_in(Role::Good, INDENT, advice);
    }
}

fn of_shares(shares: &SiteShares, lines: &mut Lines) {
    if shares.none_kept {
        lines.add(Role::Text, "The site keeps no accounts: there is no fair share, and no limit of an account.".to_owned());
        lines.add(Role::Muted, "The limits of partitions are in the tab of partitions.".to_owned());
        return;
    }
    if shares.accounts.is_empty() {
        lines.add(Role::Warning, format!("{} is in no account there", shares.user));
    }
    for share in &shares.accounts {
        of_account(share, &shares.user, lines);
    }
    for qos in &shares.qos {
        lines.add(Role::Strong, format!("QOS {}, priority {}", qos.name, qos.priority));
        limits(&qos.limits, lines);
        lines.gap();
    }
    lines.notes(&shares.notes);
}

fn of_account(share: &AccountShare, me: &str, lines: &mut Lines) {
    let whose = match share.user.as_str() {
        "" => "all its users".to_owned(),
        user if user == me => "you".to_owned(),
        user => user.to_owned(),
    };
    let on = if share.partition.is_empty() { String::new() } else { format!(" on {}", share.partition) };
    lines.add(Role::Strong, format!("account {}{on} · {whose}", share.account));
    let part = share.usage_part.parse::<f64>().map(|part| format!(", {:.1} % of all", part * 100.0)).unwrap_or_default();
    if !share.usage.is_empty() {
        let hours = share.usage.parse::<f64>().map(|seconds| format!("{:.1} CPU hours", seconds / 3600.0));
        lines.fact("used", format!("{}{part}, of late", hours.unwrap_or_else(|_| share.usage.clone())));
    }
    if !share.shares.is_empty() {
        lines.fact("shares", share.shares.clone());
    }
    if let Ok(factor) = share.factor.parse::<f64>() {
        lines.fact("fair share", format!("{factor:.3} of 1, the more the sooner"));
    }
    if !share.qos.is_empty() {
        lines.fact("QOS", share.qos.join(", "));
    }
    limits(&share.limits, lines);
    lines.gap();
}

fn limits(limits: &[SiteLimit], lines: &mut Lines) {
    for (at, limit) in limits.iter().enumerate() {
        lines.fact(if at == 0 { "at most" } else { "" }, limit.words.clone());
    }
    if limits.is_empty() {
        lines.fact("limits", "none".to_owned());
    }
}

/// Columns of a part of a priority.
const PART_CELLS: usize = 8;
/// Columns before the values.
const INDENT: usize = 12;

#[derive(Default)]
struct Lines(Vec<Text>);

impl Lines {
    fn add(&mut self, role: Role, words: String) {
        self.add_in(role, 0, words);
    }

    fn add_in(&mut self, role: Role, indent: usize, words: String) {
        self.0.push(Text { indent, role, words: shown(&words) });
    }

    fn fact(&mut self, label: &str, words: String) {
        if label.is_empty() {
            return self.add_in(Role::Text, INDENT, words);
        }
        // Wrapped rows stand at the label: the values are short.
        self.0.push(Text { indent: 0, role: Role::Text, words: format!("{label:<INDENT$}{}", shown(&words)) });
    }

    fn gap(&mut self) {
        self.0.push(Text { indent: 0, role: Role::Text, words: String::new() });
    }

    fn notes(&mut self, notes: &[String]) {
        for note in notes {
            self.add(Role::Warning, note.clone());
        }
    }
}

impl Pane for SiteWindow {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => vec![UiEffect::Close],
            _ => {
                self.reader.on(cmd);
                Vec::new()
            }
        }
    }

    fn key(&mut self, key: crate::commands::Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let everywhere = cx.keymap.lookup(Scope::Tree, key)?.id;
        matches!(everywhere, CommandId::Why | CommandId::Quit).then(|| vec![UiEffect::Close])
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        match news {
            News::Reply(number, reply) if *number == self.number => {
                self.answer = Some(match reply {
                    Ok(Reply::SiteSaid(said)) => Ok((**said).clone()),
                    Ok(_) => Err(Fault::internal("the core answered something else")),
                    Err(fault) => Err(fault.clone()),
                });
                self.tell(cx);
            }
            News::Changed | News::Tick => self.tell(cx),
            _ => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        self.reader.arrange(area);
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let what = match &self.of {
            SiteOf::Job(id) => format!("job {id}"),
            SiteOf::Node(name) => format!("node {name}"),
            SiteOf::Uses(_) => "asked for and used".to_owned(),
            SiteOf::Shares => "your accounts".to_owned(),
        };
        self.reader.draw(format!(" {} · {} ", self.name, shown(&what)), cx, area, buf);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Reader
    }
}
