//! What the detail pane shows of a job.

use ratatui::text::{Line, Span};

use super::about::{self, Content, Rows, Tab, TableContent};
use super::study::table;
use super::tree_draw::{job_role, job_symbol};
use super::{failure_word, run_time};
use crate::commands::CommandId;
use crate::model::ids::{JobId, NodeId, RankRole};
use crate::model::spec::{Demand, token};
use crate::model::state::job::AfterStop;
use crate::model::state::{ExecutionState, Job, Proof, RankState, Reach, StopWhy};
use crate::model::study::{Take, larger_is_better, short};
use crate::tui::cx::Cx;
use crate::tui::equivalent::priority_word;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::table::{Column, Row, Width};
use crate::tui::widgets::{Bar, bar};

/// The widest the bar of the time limit is drawn.
const LIMIT_CELLS_MAX: u16 = 32;
/// Metrics listed on the overview; the tab has all.
const METRICS_LISTED_MAX: usize = 3;
/// Cells of a small curve there.
const METRIC_CELLS: usize = 16;
/// Parameters listed on the overview; the tab has all.
const PARAMS_LISTED_MAX: usize = 24;

/// Returns what a tab of a job shows.
pub fn content(id: JobId, tab: Tab, width: u16, cx: &Cx) -> Content {
    let Some(job) = cx.world.job(id) else { return Content::Lines(Vec::new()) };
    match tab {
        Tab::Params => Content::Lines(params_tab(job, width, cx)),
        Tab::Nodes => ranks_tab(job, cx),
        Tab::Events => Content::Lines(events_tab(job, width, cx)),
        // The pane has its state.
        Tab::Files => Content::Lines(Vec::new()),
        Tab::Welcome
        | Tab::Overview
        | Tab::Partitions
        | Tab::Scaling
        | Tab::History
        | Tab::Cost
        | Tab::Quota
        | Tab::Queue
        | Tab::Jobs
        | Tab::Metrics
        | Tab::Curves
        | Tab::Scatter
        | Tab::Parallel
        | Tab::List => Content::Lines(overview(job, width, cx)),
    }
}

fn overview(job: &Job, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    let muted = cx.style(Role::Muted);
    facts.pieces("status", status(job, cx), "   ");
    let reason = job.reason(cx.world.cluster(job.cluster).map(AsRef::as_ref));
    if !reason.is_empty() && job.state != ExecutionState::Failed {
        facts.text("reason", &shown(&reason), cx.style(Role::Text));
    }
    if let Some(at) = cx.world.cluster(job.cluster).and_then(|cluster| job.starts(cluster)).filter(|at| *at > cx.now) {
        // Slurm's word is a guess that it makes anew; ours holds as long as time limits do.
        let sure = if job.last.away.is_some() { ", as Slurm expects" } else { " at the latest" };
        facts.text("starts", &format!("in {}{sure}", at.since(cx.now)), cx.style(Role::Text));
    }
    place(job, &mut facts, cx);
    slurm(job, &mut facts, cx);
    limit(job, width, &mut facts, cx);
    exit(job, &mut facts, cx);
    for error in &job.last.errors {
        facts.text("error", &format!("{}: {}", shown(&error.code), shown(&error.message)), cx.style(Role::Bad));
        for (name, value) in &error.details {
            facts.text("", &format!("{}: {}", shown(name), shown(value)), muted);
        }
    }
    let pieces = params(job)
        .into_iter()
        .take(PARAMS_LISTED_MAX)
        .map(|(name, value)| vec![Span::styled(format!("{name} "), muted), Span::styled(value, cx.style(Role::Text))]);
    facts.pieces("params", pieces, &format!(" {} ", cx.glyph(Glyph::Dot)));
    metrics(job, &mut facts, cx);
    facts.text("command", &shown(&job.spec.toolkit.command_line()), cx.style(Role::Text));
    if let Some(code) = &job.spec.code {
        facts.text("code", &shown(&code.words()), muted);
    }
    let ago = |at| format!("{} ago", cx.now.since(at));
    let mut times = vec![format!("submitted {}", ago(job.created))];
    // One that waits in Slurm was handed over, and has not started.
    let started = job.last.started.filter(|_| job.last.away.as_ref().is_none_or(|away| !away.waits));
    times.extend(started.map(|at| format!("started {}", ago(at))));
    times.extend(job.last.ended.map(|at| format!("ended {}", ago(at))));
    let times = times.into_iter().map(|text| vec![Span::styled(text, muted)]);
    facts.pieces("times", times, &format!(" {} ", cx.glyph(Glyph::Dot)));
    facts.done()
}

/// Metrics in a line each: a small curve of those whose points are known, the last reading, and which way it goes.
fn metrics(job: &Job, facts: &mut Facts<'_>, cx: &Cx) {
    let known = &cx.world.metrics;
    for (id, numbers) in known.of(job.id).take(METRICS_LISTED_MAX) {
        let name = known.name_of(id);
        let points = known.curve(job.id, name);
        let mut spans = Vec::new();
        if let Some(points) = points {
            spans.push(Span::styled(table::small(points, METRIC_CELLS, cx), cx.style(Role::Running)));
        }
        spans.push(Span::styled(format!(" {}", short(numbers.last)), cx.style(Role::Strong)));
        spans.extend(points.map(|points| Span::styled(format!(" {}", table::trend(points, cx)), cx.style(Role::Text))));
        let note = format!("  best {}", short(numbers.take(Take::Best, larger_is_better(name))));
        spans.push(Span::styled(note, cx.style(Role::Muted)));
        // A label that is too long is cut as any cell is.
        facts.spans(&crate::tui::widgets::cut(&shown(name), 9, cx.look.ascii), spans);
    }
}

fn status(job: &Job, cx: &Cx) -> Vec<Vec<Span<'static>>> {
    let style = cx.style(job_role(job.state));
    let time = match job.state {
        ExecutionState::Queued => Some(cx.now.since(job.since)),
        ExecutionState::Running | ExecutionState::Succeeded | ExecutionState::Failed => run_time(job, cx.now),
        ExecutionState::Terminating => Some(cx.now.since(job.since)),
    };
    let word = format!("{} {}", job_symbol(job, cx), job.state.word());
    let mut first = vec![Span::styled(word, style)];
    first.extend(time.map(|time| Span::styled(format!(" {time}"), cx.style(Role::Strong))));
    let mut pieces = vec![first];
    if let Some(since) = unseen_since(job, cx) {
        let text = format!("not seen for {}", cx.now.since(since));
        pieces.push(vec![Span::styled(text, cx.style(Role::Stale))]);
    }
    if let Some(until) = job.last.stop_at.filter(|_| !job.state.ended()) {
        let text = format!("stops in {}s", until.since(cx.now).0.div_ceil(1000));
        pieces.push(vec![Span::styled(text, cx.style(Role::Terminating))]);
    }
    if matches!(job.last.after_stop, Some(AfterStop::Requeue | AfterStop::RequeuePlanned | AfterStop::Retry)) {
        pieces.push(vec![Span::styled("then queued again", cx.style(Role::Terminating))]);
    }
    let fact = |label: &str, value: String| {
        vec![Span::styled(format!("{label} "), cx.style(Role::Muted)), Span::styled(value, cx.style(Role::Text))]
    };
    if job.attempt.0 > 1 {
        pieces.push(fact("attempt", job.attempt.0.to_string()));
    }
    if job.requeues > 0 {
        let why = job.last.requeued_because.as_ref().map(|why| format!(": {}", shown(why))).unwrap_or_default();
        pieces.push(fact("put back", format!("{} times{why}", job.requeues)));
    }
    pieces.push(fact("priority", priority_word(job.priority).to_owned()));
    if job.held {
        pieces.push(vec![Span::styled("held", cx.style(Role::Warning))]);
    }
    pieces
}

/// Since when a node of a running job is out of sight, if one is.
fn unseen_since(job: &Job, cx: &Cx) -> Option<crate::model::units::UnixMillis> {
    if job.state.ended() {
        return None;
    }
    let lost = |id: &NodeId| match &cx.world.node(*id)?.reach {
        Reach::Lost { since, .. } => Some(*since),
        Reach::Never | Reach::Seen => None,
    };
    job.last.nodes.iter().filter_map(lost).min()
}

fn place(job: &Job, facts: &mut Facts<'_>, cx: &Cx) {
    let cluster = cx.world.cluster(job.cluster).map_or_else(|| "gone".to_owned(), |c| shown(&c.name));
    let count = job.spec.node_count.0;
    let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
    let text = cx.style(Role::Text);
    let mut pieces = vec![vec![Span::styled(cluster, cx.style(Role::Strong))]];
    // Of one that Slurm places the node of ours is the login node.
    let names = job.last.away.as_ref().map_or(&job.last.node_names, |away| &away.nodes);
    if names.is_empty() {
        pieces.push(vec![Span::styled(format!("asks for {nodes}"), text)]);
    } else {
        pieces.extend(names.iter().map(|name| vec![Span::styled(shown(name), text)]));
    }
    pieces.push(vec![Span::styled(job.spec.toolkit.tool_type(), cx.style(Role::Muted))]);
    facts.pieces("cluster", pieces, &format!(" {} ", cx.glyph(Glyph::Dot)));
}

/// What Slurm calls it, and where it has it.
fn slurm(job: &Job, facts: &mut Facts<'_>, cx: &Cx) {
    let Some(away) = job.last.away.as_ref().filter(|away| !away.theirs.is_empty()) else { return };
    let mut parts = vec![format!("job {}", away.theirs)];
    parts.extend(Some(&away.place).filter(|place| !place.is_empty()).map(|place| format!("partition {place}")));
    parts.extend(Some(&away.word).filter(|word| !word.is_empty() && !job.state.ended()).map(|word| word.to_lowercase()));
    if away.restarts > 0 {
        parts.push(format!("started anew {} times", away.restarts));
    }
    let pieces = parts.into_iter().map(|part| vec![Span::styled(shown(&part), cx.style(Role::Text))]);
    facts.pieces("Slurm", pieces, &format!(" {} ", cx.glyph(Glyph::Dot)));
    if job.state.ended() && job.last.started.is_some() {
        let key = cx.key_of(CommandId::Palette);
        facts.text("", &format!("{key}efficiency shows what it asked for and used"), cx.style(Role::Muted));
    }
}

fn limit(job: &Job, width: u16, facts: &mut Facts<'_>, cx: &Cx) {
    let limit = job.spec.constraints.max_wall_clock_time;
    let Some(used) = run_time(job, cx.now).filter(|_| job.state != ExecutionState::Queued) else {
        facts.spans("limit", [Span::styled(round(limit), cx.style(Role::Text))]);
        return;
    };
    // From nine tenths on it deserves a look.
    let near = used.0 >= limit.0 / 10 * 9;
    let role = if near { Role::Warning } else { Role::BarFull };
    let cells = LIMIT_CELLS_MAX.min(width.saturating_sub(32)).max(8);
    let mut spans = bar(used.0, limit.0, cells, Bar::Full, cx, role);
    spans.push(Span::styled(format!(" {} of {}", round(used), round(limit)), cx.style(Role::Text)));
    facts.spans("limit", spans);
}

/// A span in at most its two largest units, without a zero second one: `1h`, `12m`, `1m30s`.
fn round(span: crate::model::units::Millis) -> String {
    let text = span.to_string();
    for zero in ["m00s", "h00m", "d00h"] {
        if let Some(head) = text.strip_suffix(zero) {
            return format!("{head}{}", &zero[..1]);
        }
    }
    text
}

fn exit(job: &Job, facts: &mut Facts<'_>, cx: &Cx) {
    let Some(code) = job.last.exit_code else {
        if job.state == ExecutionState::Failed {
            facts.text("exit", &format!("no exit code: {}", failure_word(job)), cx.style(Role::Failed));
        }
        return;
    };
    let (role, words) = match code {
        0 => (Role::Succeeded, String::new()),
        129..=192 => (Role::Failed, format!("  ended by signal {}", signal(code - 128))),
        126 => (Role::Failed, "  the command cannot be run".to_owned()),
        127 => (Role::Failed, "  the command was not found".to_owned()),
        _ => (Role::Failed, String::new()),
    };
    let spans = [Span::styled(code.to_string(), cx.style(role)), Span::styled(words, cx.style(Role::Muted))];
    facts.spans("exit", spans);
}

/// Names of the signals that end jobs in practice (signal(7)).
fn signal(number: i32) -> String {
    let name = match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        15 => "TERM",
        24 => "XCPU",
        _ => return number.to_string(),
    };
    format!("{number} ({name})")
}

/// Returns a job's parameters: those of its sweep, its variables, then the long options of its command line.
pub fn params(job: &Job) -> Vec<(String, String)> {
    let swept = job.sweep.as_ref().map_or(&[][..], |member| &member.parameters);
    let mut params: Vec<_> = swept.iter().map(|(name, value)| (shown(name), shown(&token::text(value)))).collect();
    // The sweep's own variables say the same again.
    let again = |name: &str| swept.iter().any(|(of, _)| name.strip_prefix("PARAM_") == Some(token::word(of).as_str()));
    let variables = job.spec.environment_variables.iter().filter(|variable| !again(&variable.name));
    params.extend(variables.map(|v| (shown(&v.name), shown(&v.value))));
    let line = job.spec.toolkit.command_line();
    // A script is no list of options.
    let words = if line.contains([';', '|', '&', '\n', '`']) { None } else { shlex::split(&line) };
    let words = words.unwrap_or_default();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--").filter(|o| !o.is_empty()) else { continue };
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, value),
            None => match words.next_if(|next| !next.starts_with('-')) {
                Some(value) => (option, value),
                None => (option, "yes"),
            },
        };
        params.push((shown(name), shown(value)));
    }
    params
}

fn params_tab(job: &Job, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let spec = &job.spec;
    let (text, muted) = (cx.style(Role::Text), cx.style(Role::Muted));
    let mut facts = Facts::new(cx, width);
    facts.text("command", &shown(&spec.toolkit.command_line()), text);
    facts.text("kind", spec.toolkit.tool_type(), text);
    facts.text("nodes", &spec.node_count.to_string(), text);
    if let Demand::Part(part) = &spec.demand {
        let gpus = part.gpus_milli / 1000;
        facts.text("each", &format!("{} CPUs, {}, {gpus} GPUs", part.cpus_milli / 1000, part.memory), text);
    }
    facts.text("limit", &round(spec.constraints.max_wall_clock_time), text);
    if let Some(preparation) = &spec.job_preparation {
        facts.text("prepare", &shown(&preparation.command_line), text);
    }
    if let Some(prefix) = &spec.std_out_err_path_prefix {
        facts.text("logs", &shown(prefix), text);
    }
    if !spec.environment_variables.is_empty() {
        facts.heading("Variables");
        for variable in &spec.environment_variables {
            facts.prose(&format!("{}={}", shown(&variable.name), shown(&variable.value)), text);
        }
    }
    if !spec.input_directories.is_empty() || !spec.output_directories.is_empty() {
        facts.heading("Directories");
        for input in &spec.input_directories {
            facts.text("reads", &format!("{} {}", shown(&input.id), shown(&input.path)), text);
        }
        for output in &spec.output_directories {
            let suffix = output.path_suffix.as_deref().map(shown).unwrap_or_default();
            facts.text("writes", &format!("{} {} {suffix}", shown(&output.id), shown(&output.path_prefix)), text);
        }
    }
    facts.gap();
    facts.text("segment", &shown(&job.segment()), muted);
    facts.text("identity", &job.id.to_string(), muted);
    facts.done()
}

fn ranks_tab(job: &Job, cx: &Cx) -> Content {
    let columns = vec![
        Column::left("process", Width::Cells(11)),
        Column::left("node", Width::Between(12, 24)),
        Column::left("state", Width::AtLeast(20)),
    ];
    let mut above = Vec::new();
    if job.last.ranks.is_empty() {
        above.push(Line::from(Span::styled(" no process yet", cx.style(Role::Muted))));
    }
    let table = TableContent { above, columns, len: job.last.ranks.len(), rows: Rows::Ranks(job.id), below: Vec::new() };
    Content::Table(Box::new(table))
}

/// Returns the node of a row of the table of processes.
pub fn rank_node(id: JobId, at: usize, cx: &Cx) -> Option<NodeId> {
    cx.world.job(id)?.last.ranks.values().nth(at).map(|run| run.node)
}

/// Returns a row of the table of processes.
pub fn rank_row(id: JobId, at: usize, cx: &Cx) -> Row {
    let Some((rank, run)) = cx.world.job(id).and_then(|job| job.last.ranks.iter().nth(at)) else { return Vec::new() };
    let role = match rank.role {
        RankRole::Setup => "set-up",
        RankRole::Prepare => "preparation",
        RankRole::Main => "rank",
        RankRole::Daemon => "daemon",
        RankRole::Cleanup => "clean-up",
    };
    let node = cx.world.node(run.node).map_or_else(|| run.node.to_string(), |n| shown(&n.name));
    let (word, style) = rank_word(&run.state);
    vec![
        Span::styled(format!("{role} {}", rank.index), cx.style(Role::Text)),
        Span::styled(node, cx.style(Role::Text)),
        Span::styled(word, cx.style(style)),
    ]
}

fn rank_word(state: &RankState) -> (String, Role) {
    match state {
        RankState::Starting { .. } => ("starting".to_owned(), Role::Preparing),
        RankState::Running => ("running".to_owned(), Role::Running),
        RankState::Stopping { why, .. } => (format!("stopping: {}", stop_word(*why)), Role::Terminating),
        RankState::Gone(proof) => proof_word(proof),
    }
}

fn stop_word(why: StopWhy) -> &'static str {
    match why {
        StopWhy::Terminate => "asked for",
        StopWhy::Limit => "over its time limit",
        StopWhy::Scale => "its node is taken away",
        StopWhy::Sibling => "another process of the attempt failed",
        StopWhy::GangLost => "a node of the attempt is out of sight",
        StopWhy::Preempted => "a job of a higher priority takes its nodes",
        StopWhy::Reclaimed => "the provider of its node takes the machine away",
        StopWhy::Finished => "the job is over",
    }
}

fn proof_word(proof: &Proof) -> (String, Role) {
    match proof {
        Proof::Exit { code: 0, .. } => ("exit 0".to_owned(), Role::Succeeded),
        Proof::Exit { code, why: Some(why) } => (format!("exit {code}: {}", stop_word(*why)), Role::Muted),
        Proof::Exit { code, why: None } => (format!("exit {code}"), Role::Failed),
        Proof::Told { code, words } => (format!("exit {code}: {}", shown(words)), Role::Failed),
        Proof::Fenced => ("never started, and never will".to_owned(), Role::Muted),
        Proof::Refused { why, .. } => (format!("refused: {}", shown(why)), Role::Failed),
        Proof::Rebooted { .. } => ("gone: the node was started anew".to_owned(), Role::Failed),
        Proof::Lost { why } => (format!("lost: {}", shown(why)), Role::Failed),
        Proof::Judged { why, .. } => (shown(why), Role::Failed),
        Proof::MachineGone => ("gone with its machine".to_owned(), Role::Failed),
        Proof::DeclaredDead { by } => (format!("declared dead by {}", shown(by)), Role::Failed),
    }
}

fn events_tab(job: &Job, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    let text = cx.style(Role::Text);
    let mut event = |at: Option<crate::model::units::UnixMillis>, what: String| {
        if let Some(at) = at {
            facts.text(&format!("{} ago", cx.now.since(at)), &what, text);
        }
    };
    event(Some(job.created), "submitted".to_owned());
    let on = job.last.node_names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let how = if job.last.away.is_some() { "handed to Slurm by" } else { "started on" };
    event(job.last.started, format!("attempt {} {how} {on}", job.attempt.0));
    event(job.last.ended, format!("{} {}", job.state.word(), shown(&job.reason(None))));
    about::acts(|about| about == Some(Subject::Job(job.id)), &mut facts, cx);
    facts.done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::Millis;

    #[test]
    fn spans_lose_what_says_nothing() {
        for (secs, text) in [(3600, "1h"), (90, "1m30s"), (720, "12m"), (604_800, "7d"), (3660, "1h01m")] {
            assert_eq!(round(Millis::from_secs(secs)), text);
        }
    }
}
