//! What the detail pane shows of a cluster whose jobs Slurm places: an overview, and the rows of the tables of `site_tables.rs`.

use ratatui::text::{Line, Span};

use super::about::Tab;
use super::about_cluster::{self, countdown};
use super::site_tables::{SiteRows, SiteTable, Value};
use crate::commands::CommandId;
use crate::model::ids::ClusterId;
use crate::model::site::{SiteJob, SiteNode, Standing};
use crate::model::site_index::{JobSums, SiteIndex};
use crate::model::state::{Cluster, Reach};
use crate::model::units::{Bytes, Millis};
use crate::tui::cx::Cx;
use crate::tui::filter::Filter;
use crate::tui::overlays::site::count;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::table::{Column, Row, Width};

/// GPUs of a node that are drawn one by one; more are only counted.
const GPUS_DRAWN_MAX: u32 = 8;
/// Lines for the row under the cursor.
const BELOW_LINES: usize = 2;
/// Jobs named in the row of a node.
const JOBS_NAMED_MAX: usize = 6;
/// Partitions listed on the overview; the tab has all.
const PARTITIONS_LISTED_MAX: usize = 8;
/// So many due times may pass before a picture counts as old.
const DUES_MISSED: u64 = 3;

/// Returns what a tab that is no table shows of a cluster.
pub fn lines(cluster: &Cluster, tab: Tab, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    match tab {
        Tab::Events => about_cluster::events_tab(cluster, width, cx),
        _ => overview(cluster, width, cx),
    }
}

fn overview(cluster: &Cluster, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let (text, muted) = (cx.style(Role::Text), cx.style(Role::Muted));
    let mut facts = Facts::new(cx, width);
    let login = cluster.spec.provider.hosts().and_then(|hosts| hosts.first()).cloned().unwrap_or_default();
    let Some(index) = cx.world.site(cluster.id) else {
        facts.text("Slurm", &format!("by {}", shown(&login)), text);
        door(cluster, &mut facts, cx);
        about_cluster::errors(cluster, &mut facts, cx);
        ours(cluster, &mut facts, cx);
        return facts.done();
    };
    let site = &index.site;
    let age = cx.now.since(site.at);
    let old = is_old(index, cx);
    let head = vec![
        Span::styled(shown(&site.version), text),
        Span::styled(format!(" by {}", shown(&login)), muted),
        Span::styled(
            format!(" {} as of {age} ago", cx.glyph(Glyph::Dot)),
            cx.style(if old { Role::Stale } else { Role::Muted }),
        ),
    ];
    facts.spans("Slurm", head);
    door(cluster, &mut facts, cx);
    facts.pieces("nodes", node_pieces(index, cx), "   ");
    gpus(index, &mut facts, cx);
    let [(running, waiting), own] = index.running_and_waiting;
    let mut queue = format!("{running} running, {} waiting", u64::from(waiting) + site.more_jobs);
    if site.more_jobs > 0 {
        queue.push_str(&format!(" ({} of them only counted)", site.more_jobs));
    }
    facts.text("queue", &queue, text);
    facts.text("yours", &format!("{} running, {} waiting", own.0, own.1), text);
    ours(cluster, &mut facts, cx);
    asked(cluster, &mut facts, cx);
    about_cluster::errors(cluster, &mut facts, cx);
    for note in &site.notes {
        facts.text("beware", &shown(note), cx.style(Role::Warning));
    }
    if let Some(text) = cx.keymap.hints(CommandId::Palette, cx.look.ascii).first() {
        facts.text("more", &format!("{text}share shows what your accounts have used and may"), muted);
    }
    facts.heading("Partitions");
    for at in 0..site.partitions.len().min(PARTITIONS_LISTED_MAX) {
        facts.prose(&partition_words(index, at), text);
    }
    if site.partitions.len() > PARTITIONS_LISTED_MAX {
        facts.prose(&format!("and {} more", site.partitions.len() - PARTITIONS_LISTED_MAX), muted);
    }
    facts.done()
}

/// What is asked of Slurm for each job.
fn asked(cluster: &Cluster, facts: &mut Facts<'_>, cx: &Cx) {
    let words = cluster.spec.slurm.as_ref().map(|slurm| slurm.words()).unwrap_or_default();
    if !words.is_empty() {
        facts.text("asks with", &shown(&words.join(" ")), cx.style(Role::Muted));
    }
}

/// The login node, when something is to be said of it.
fn door(cluster: &Cluster, facts: &mut Facts<'_>, cx: &Cx) {
    let Some(door) = cx.world.nodes_of(cluster.id).first().and_then(|id| cx.world.node(*id)) else {
        facts.text("login", "not reached yet", cx.style(Role::Muted));
        return;
    };
    let reason = about_cluster::node_reason(door, cx);
    match &door.reach {
        Reach::Lost { next_try, .. } => {
            facts.text("login", &reason, cx.style(Role::Stale));
            if let Some(next) = countdown(*next_try, cx) {
                facts.text("", &next, cx.style(Role::Muted));
            }
        }
        Reach::Never if reason.is_empty() => facts.text("login", "being reached", cx.style(Role::Muted)),
        Reach::Never | Reach::Seen if reason.starts_with("idle") || reason.is_empty() => {}
        Reach::Never | Reach::Seen => facts.text("login", &reason, cx.style(Role::Warning)),
    }
}

/// What ostler itself has to do with it.
fn ours(cluster: &Cluster, facts: &mut Facts<'_>, cx: &Cx) {
    let live = cx.world.live_jobs().filter(|job| job.cluster == cluster.id);
    let (mut handed, mut here) = (0, 0);
    for job in live {
        match &job.last.away {
            Some(away) if !away.theirs.is_empty() => handed += 1,
            Some(_) | None => here += 1,
        }
    }
    if handed + here > 0 {
        let kept = if here > 0 { format!(", {here} not handed over yet") } else { String::new() };
        facts.text("ostler's", &format!("{handed} handed over to Slurm{kept}"), cx.style(Role::Text));
    }
}

fn node_pieces(index: &SiteIndex, cx: &Cx) -> Vec<Vec<Span<'static>>> {
    let counts = index.counts;
    let states = [
        (counts.running, Standing::Running, "at work"),
        (counts.idle, Standing::Idle, "idle"),
        (counts.preparing, Standing::Preparing, "preparing"),
        (counts.leaving, Standing::Leaving, "leaving"),
        (counts.unusable, Standing::Unusable, "unusable"),
    ];
    let some = states.into_iter().filter(|(count, ..)| *count > 0).map(|(count, stands, word)| {
        let (glyph, role) = symbol(stands);
        let head = Span::styled(format!("{} {count} ", cx.glyph(glyph)), cx.style(role));
        vec![head, Span::styled(word.to_owned(), cx.style(Role::Muted))]
    });
    let some: Vec<_> = some.collect();
    if some.is_empty() { vec![vec![Span::styled("none", cx.style(Role::Muted))]] } else { some }
}

fn symbol(stands: Standing) -> (Glyph, Role) {
    match stands {
        Standing::Running => (Glyph::Full, Role::Running),
        Standing::Idle => (Glyph::Hollow, Role::Idle),
        Standing::Preparing => (Glyph::Half, Role::Preparing),
        Standing::Leaving => (Glyph::Half, Role::Leaving),
        Standing::Unusable => (Glyph::Alert, Role::Unusable),
    }
}

fn gpus(index: &SiteIndex, facts: &mut Facts<'_>, cx: &Cx) {
    let (used, all) = index.nodes.iter().fold((0, 0), |(used, all), node| (used + node.gpus_used, all + node.gpus));
    if all > 0 {
        facts.text("GPUs", &format!("{used} of {all} in use"), cx.style(Role::Text));
    }
}

fn partition_words(index: &SiteIndex, at: usize) -> String {
    let (Some(partition), Some(sums)) = (index.site.partitions.get(at), index.partitions.get(at)) else {
        return String::new();
    };
    let [busy, idle, _, all] = partition.nodes;
    let star = if partition.default { "*" } else { "" };
    let gpus = if sums.gpus > 0 { format!(", {} of {} GPUs free", sums.gpus_free, sums.gpus) } else { String::new() };
    let waits = if sums.waiting > 0 { format!(", {} wait", sums.waiting) } else { String::new() };
    shown(&format!(
        "{}{star} {}: {}, {busy} at work, {idle} idle{gpus}{waits}; at most {}",
        partition.name,
        partition.state,
        count(all, "node"),
        partition.time_limit
    ))
}

fn is_old(index: &SiteIndex, cx: &Cx) -> bool {
    let due = index.site.every.0.max(10_000).saturating_mul(DUES_MISSED);
    cx.now.since(index.site.at) > Millis(due)
}

/// Returns what is said while there is no picture.
pub fn nothing_yet(id: ClusterId, failed: Option<&str>, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    match failed {
        Some(why) => facts.prose(&format!("Slurm does not say: {}", shown(why)), cx.style(Role::Bad)),
        None => facts.prose("asking Slurm …", cx.style(Role::Muted)),
    }
    if let Some(cluster) = cx.world.cluster(id) {
        door(cluster, &mut facts, cx);
    }
    facts.done()
}

/// Returns what stands above a table: that it is old, not whole, or not all that there is.
pub fn above(rows: &SiteRows, failed: Option<&str>, filter: &Filter, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    let index = &rows.index;
    if let Some(why) = failed {
        let text = format!("from {} ago; {}", cx.now.since(index.site.at), shown(why));
        facts.prose(&text, cx.style(Role::Stale));
    } else if is_old(index, cx) {
        facts.prose(&format!("from {} ago", cx.now.since(index.site.at)), cx.style(Role::Stale));
    }
    let site = &index.site;
    match rows.table {
        SiteTable::Queue => {
            let [(running, waiting), own] = index.running_and_waiting;
            let mut text = format!("{running} run, {waiting} wait; yours {} and {}", own.0, own.1);
            if site.more_jobs > 0 {
                text.push_str(&format!("; {} more are only counted", site.more_jobs));
            }
            if !filter.is_empty() {
                text.push_str(&format!("; {} pass", rows.order.len()));
            }
            facts.prose(&text, cx.style(Role::Muted));
        }
        SiteTable::Partitions => {
            facts.prose("GPUs and CPUs: those that a job could have now, of all", cx.style(Role::Muted));
        }
        SiteTable::Nodes => facts.line(Line::from(
            std::iter::once(Span::from(" "))
                .chain(node_pieces(index, cx).into_iter().flat_map(|mut piece| {
                    piece.push(Span::from("   "));
                    piece
                }))
                .collect::<Vec<_>>(),
        )),
    }
    facts.done()
}

/// Returns what stands below a table: the row under the cursor in full, where a column has no room for it.
pub fn below(rows: &SiteRows, at: Option<usize>, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    let place = at.and_then(|at| rows.place(at));
    let site = &rows.index.site;
    match rows.table {
        SiteTable::Queue => {
            let Some(job) = place.and_then(|place| site.jobs.get(place)) else { return Vec::new() };
            let whose = if job.mine { String::new() } else { format!(" of {}", job.user) };
            let (_, word, role) = job_state(job);
            let said = match (job.has_nodes(), job.why.is_empty()) {
                (true, _) => format!("{word} on {}", job.on),
                (false, true) => word,
                (false, false) => job.why.clone(),
            };
            facts.prose(&shown(&format!("{} {}{whose}: {said}", job.id, job.name)), cx.style(role));
        }
        SiteTable::Nodes => {
            let Some((place, node)) = place.and_then(|place| Some((place, site.nodes.get(place)?))) else {
                return Vec::new();
            };
            let (stands, word) = node.standing();
            let said = [why_not(node), jobs_words(&rows.index, place)];
            let said = said.into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ");
            let said = if said.is_empty() { said } else { format!(": {said}") };
            facts.prose(&shown(&format!("{} {word}{said}", node.name)), cx.style(symbol(stands).1));
        }
        SiteTable::Partitions => return Vec::new(),
    }
    let mut lines = facts.done();
    // The table does not jump as the cursor moves.
    lines.resize(BELOW_LINES, Line::default());
    lines
}

/// Returns the name of a table in the configuration.
pub fn view(table: SiteTable) -> &'static str {
    match table {
        SiteTable::Queue => "slurm-queue",
        SiteTable::Partitions => "slurm-partitions",
        SiteTable::Nodes => "slurm-nodes",
    }
}

/// Returns the columns of a table, the most important first.
pub fn columns(table: SiteTable) -> Vec<Column> {
    match table {
        SiteTable::Queue => vec![
            Column::left("job", Width::Cells(9)),
            Column::left("user", Width::Cells(7)),
            Column::left("state", Width::Cells(11)),
            Column::right("GPUs", 4),
            Column::right("time", 11),
            Column::left("nodes or why", Width::AtLeast(12)),
            Column::left("name", Width::AtLeast(8)),
            Column::right("nodes", 5),
            Column::left("partition", Width::Between(9, 12)),
            Column::right("CPUs", 5),
            Column::right("priority", 10),
            Column::left("account", Width::Between(8, 12)),
            Column::left("QOS", Width::Between(6, 10)),
            Column::right("limit", 11),
        ],
        SiteTable::Partitions => vec![
            Column::left("partition", Width::Between(9, 16)),
            Column::left("state", Width::Cells(5)),
            Column::right("longest", 10),
            Column::right("idle", 5),
            Column::right("busy", 5),
            Column::right("other", 5),
            Column::right("nodes", 5),
            Column::right("GPUs", 7),
            Column::right("CPUs", 9),
            Column::right("run", 5),
            Column::right("wait", 5),
        ],
        SiteTable::Nodes => vec![
            Column::left("node", Width::Between(8, 10)),
            Column::left("state", Width::Cells(15)),
            Column::left("GPUs", Width::Cells(12)),
            Column::right("CPUs", 7),
            Column::left("jobs or why", Width::AtLeast(12)),
            Column::right("memory", 8),
            Column::left("partitions", Width::Between(10, 16)),
            Column::left("features", Width::Between(8, 20)),
        ],
    }
}

/// Returns how a job of the queue stands: symbol, word, colour.
pub fn job_state(job: &SiteJob) -> (Glyph, String, Role) {
    let (glyph, word, role) = match job.state.as_str() {
        "PENDING" if job.held() => (Glyph::Held, "held", Role::Queued),
        "PENDING" => (Glyph::Queued, "queued", Role::Queued),
        "RUNNING" => (Glyph::Running, "running", Role::Running),
        "COMPLETING" => (Glyph::Terminating, "ending", Role::Terminating),
        "CONFIGURING" => (Glyph::Half, "starting", Role::Preparing),
        "SUSPENDED" | "STOPPED" => (Glyph::Held, "suspended", Role::Warning),
        "COMPLETED" => (Glyph::Succeeded, "completed", Role::Succeeded),
        other => return (Glyph::Failed, other.to_lowercase(), Role::Failed),
    };
    (glyph, word.to_owned(), role)
}

/// Returns how long a job that runs may still run.
pub fn left(job: &SiteJob, sums: JobSums, index: &SiteIndex, cx: &Cx) -> Option<Millis> {
    let (limit, used) = (sums.limit?, sums.used?);
    let ran = used.0.saturating_add(cx.now.since(index.site.at).0);
    job.has_nodes().then(|| Millis(limit.0.saturating_sub(ran)))
}

fn time_words(job: &SiteJob, sums: JobSums, index: &SiteIndex, cx: &Cx) -> String {
    match (job.waits(), job.starts, left(job, sums, index, cx)) {
        (true, Some(at), _) if at > cx.now => format!("in {}", at.since(cx.now)),
        (true, Some(_), _) => "soon".to_owned(),
        (true, None, _) => String::new(),
        (false, _, Some(left)) => format!("{left} left"),
        (false, _, None) => sums.used.map(|used| format!("for {used}")).unwrap_or_default(),
    }
}

/// Returns a row of a table.
pub fn row(rows: &SiteRows, at: usize, cx: &Cx) -> Row {
    let (Some(place), index) = (rows.place(at), &rows.index) else { return Vec::new() };
    match rows.table {
        SiteTable::Queue => queue_row(index, place, rows.ours(at).is_some(), cx),
        SiteTable::Partitions => partition_row(index, place, cx),
        SiteTable::Nodes => node_row(index, place, cx),
    }
}

fn queue_row(index: &SiteIndex, place: usize, ours: bool, cx: &Cx) -> Row {
    let Some(job) = index.site.jobs.get(place) else { return Vec::new() };
    let sums = index.jobs.get(place).copied().unwrap_or_default();
    let text = |text: String, role| Span::styled(text, cx.style(role));
    let (glyph, word, role) = job_state(job);
    let own = if job.mine { Role::Strong } else { Role::Muted };
    let why = if job.has_nodes() { &job.on } else { &job.why };
    let user = if job.mine { "you".to_owned() } else { shown(&job.user) };
    let some = |count: u32| if count == 0 { String::new() } else { count.to_string() };
    vec![
        text(shown(&job.id), if job.mine { Role::Strong } else { Role::Text }),
        text(user, own),
        text(format!("{} {word}", cx.glyph(glyph)), role),
        text(some(sums.gpus), Role::Text),
        text(time_words(job, sums, index, cx), Role::Text),
        text(shown(why), Role::Muted),
        text(shown(&job.name), if ours { Role::Strong } else { Role::Text }),
        text(some(job.nodes), Role::Text),
        text(shown(&job.partition), Role::Muted),
        text(some(job.cpus), Role::Muted),
        text(job.priority.to_string(), Role::Muted),
        text(shown(&job.account), Role::Muted),
        text(shown(&job.qos), Role::Muted),
        text(shown(&job.limit), Role::Muted),
    ]
}

fn partition_row(index: &SiteIndex, place: usize, cx: &Cx) -> Row {
    let (Some(partition), Some(sums)) = (index.site.partitions.get(place), index.partitions.get(place)) else {
        return Vec::new();
    };
    let text = |text: String, role| Span::styled(text, cx.style(role));
    let star = if partition.default { "*" } else { "" };
    let [busy, idle, other, all] = partition.nodes;
    let gpus = if sums.gpus > 0 { format!("{}/{}", sums.gpus_free, sums.gpus) } else { String::new() };
    let up = partition.state.eq_ignore_ascii_case("up");
    vec![
        text(shown(&format!("{}{star}", partition.name)), Role::Strong),
        text(shown(&partition.state), if up { Role::Good } else { Role::Unusable }),
        text(shown(&partition.time_limit), Role::Text),
        text(idle.to_string(), Role::Idle),
        text(busy.to_string(), Role::Running),
        text(other.to_string(), if other > 0 { Role::Unusable } else { Role::Muted }),
        text(all.to_string(), Role::Text),
        text(gpus, Role::Text),
        text(format!("{}/{}", partition.cpus[1], partition.cpus[3]), Role::Text),
        text(sums.running.to_string(), Role::Muted),
        text(sums.waiting.to_string(), Role::Muted),
    ]
}

/// The GPUs of a node: one symbol each while there are few, and the numbers.
fn gpu_cell(used: u32, all: u32, ascii: bool) -> String {
    if all == 0 {
        return String::new();
    }
    let (held, free) = if ascii { ('#', '.') } else { ('▪', '·') };
    let drawn: String = match all <= GPUS_DRAWN_MAX {
        true => (0..all).map(|at| if at < used { held } else { free }).collect::<String>() + " ",
        false => String::new(),
    };
    format!("{drawn}{used}/{all}")
}

/// Returns why a node is not to be used, with who said so.
pub fn why_not(node: &SiteNode) -> String {
    match (node.reason.is_empty(), node.reason_by.is_empty()) {
        (true, _) => String::new(),
        (false, true) => node.reason.clone(),
        (false, false) => format!("{} (by {})", node.reason, node.reason_by),
    }
}

/// The jobs on a node, with whose they are.
fn jobs_words(index: &SiteIndex, place: usize) -> String {
    let named = index.on_node(place).take(JOBS_NAMED_MAX);
    let jobs: Vec<String> = named.map(|job| format!("{} {}", job.id, if job.mine { "you" } else { &job.user })).collect();
    let all = index.nodes.get(place).map_or(0, |sums| sums.jobs.len());
    match all.saturating_sub(JOBS_NAMED_MAX) {
        0 => jobs.join(", "),
        more => format!("{}, and {more} more", jobs.join(", ")),
    }
}

fn node_row(index: &SiteIndex, place: usize, cx: &Cx) -> Row {
    let (Some(node), Some(sums)) = (index.site.nodes.get(place), index.nodes.get(place)) else { return Vec::new() };
    let text = |text: String, role| Span::styled(text, cx.style(role));
    let (stands, word) = node.standing();
    let (glyph, role) = symbol(stands);
    let (why, jobs) = (why_not(node), jobs_words(index, place));
    let (last, last_role) = match (why.is_empty(), jobs.is_empty()) {
        (true, _) => (jobs, Role::Text),
        (false, true) => (why, Role::Warning),
        (false, false) => (format!("{why}; {jobs}"), Role::Warning),
    };
    vec![
        text(shown(&node.name), Role::Text),
        text(format!("{} {}", cx.glyph(glyph), shown(&word)), role),
        text(gpu_cell(sums.gpus_used, sums.gpus, cx.look.ascii), Role::Running),
        text(format!("{}/{}", node.cpus[0], node.cpus[3]), Role::Text),
        text(shown(&last), last_role),
        text(cx.size(Bytes(node.memory_mib << 20)), Role::Muted),
        text(shown(&node.partitions.join(",")), Role::Muted),
        text(shown(&node.features), Role::Muted),
    ]
}

fn words(text: &str) -> Value {
    if text.is_empty() { Value::Nothing } else { Value::Words(text.to_lowercase()) }
}

fn some(count: impl Into<f64>) -> Value {
    Value::Number(count.into())
}

/// Returns what a row is sorted by.
pub fn value(table: SiteTable, index: &SiteIndex, place: usize, column: &str, cx: &Cx) -> Value {
    match table {
        SiteTable::Queue => queue_value(index, place, column, cx),
        SiteTable::Partitions => partition_value(index, place, column),
        SiteTable::Nodes => node_value(index, place, column),
    }
}

fn queue_value(index: &SiteIndex, place: usize, column: &str, cx: &Cx) -> Value {
    let (Some(job), Some(sums)) = (index.site.jobs.get(place), index.jobs.get(place)) else { return Value::Nothing };
    match column {
        "job" => {
            // `12_3` comes behind `12` and before `13`.
            let (number, member) = job.id.split_once('_').unwrap_or((&job.id, "0"));
            let part = member.parse::<f64>().unwrap_or_default() / 1e8;
            number.parse::<f64>().map_or_else(|_| words(&job.id), |number| Value::Number(number + part))
        }
        "user" => words(&job.user),
        "state" => words(&job_state(job).1),
        "GPUs" => some(sums.gpus),
        "time" => match (job.waits(), job.starts, left(job, *sums, index, cx)) {
            (true, Some(at), _) => Value::Number(at.0 as f64),
            (false, _, Some(left)) => Value::Number(left.0 as f64),
            (_, _, _) => Value::Nothing,
        },
        "name" => words(&job.name),
        "nodes" => some(job.nodes),
        "partition" => words(&job.partition),
        "CPUs" => some(job.cpus),
        "priority" => Value::Number(job.priority as f64),
        "account" => words(&job.account),
        "QOS" => words(&job.qos),
        "limit" => sums.limit.map_or(Value::Nothing, |limit| Value::Number(limit.0 as f64)),
        _ => words(if job.has_nodes() { &job.on } else { &job.why }),
    }
}

fn partition_value(index: &SiteIndex, place: usize, column: &str) -> Value {
    let (Some(partition), Some(sums)) = (index.site.partitions.get(place), index.partitions.get(place)) else {
        return Value::Nothing;
    };
    let [busy, idle, other, all] = partition.nodes;
    match column {
        "state" => words(&partition.state),
        "longest" => {
            crate::model::site_index::span(&partition.time_limit).map_or(Value::Nothing, |s| Value::Number(s.0 as f64))
        }
        "idle" => some(idle),
        "busy" => some(busy),
        "other" => some(other),
        "nodes" => some(all),
        "GPUs" => some(sums.gpus_free),
        "CPUs" => some(partition.cpus[1]),
        "run" => some(sums.running),
        "wait" => some(sums.waiting),
        _ => words(&partition.name),
    }
}

fn node_value(index: &SiteIndex, place: usize, column: &str) -> Value {
    let (Some(node), Some(sums)) = (index.site.nodes.get(place), index.nodes.get(place)) else { return Value::Nothing };
    match column {
        "state" => words(&node.standing().1),
        // Those that have most to give stand first when it is turned round.
        "GPUs" => some(sums.gpus - sums.gpus_used),
        "CPUs" => some(node.cpus[1]),
        "memory" => Value::Number(node.memory_mib as f64),
        "jobs or why" => match why_not(node).as_str() {
            "" => some(u32::try_from(sums.jobs.len()).unwrap_or(u32::MAX)),
            why => words(why),
        },
        "partitions" => words(&node.partitions.join(",")),
        "features" => words(&node.features),
        _ => words(&node.name),
    }
}
