//! What the detail pane shows of a thing: its tabs, and each tab's lines or table.

use std::sync::Arc;

use ratatui::text::Line;

use super::about_experiment::JobColumns;
use super::site_tables::SiteRows;
use super::study::Study;
use super::{about_cluster, about_experiment, about_file_server, about_job, about_node, about_site, about_workspace, loads};
use crate::commands::CommandId;
use crate::model::ids::{ClusterId, ExperimentId, JobId, WorkspaceId};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::table::{Column, Row};

/// The kinds of things that have tabs of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing is selected.
    Nothing,
    /// A resource group.
    Group,
    /// A workspace.
    Workspace,
    /// The clusters of a workspace.
    Clusters,
    /// A cluster.
    Cluster,
    /// A cluster whose jobs Slurm places.
    Site,
    /// A node.
    Node,
    /// The file servers of a workspace.
    FileServers,
    /// A file server.
    FileServer,
    /// The experiments of a workspace.
    Experiments,
    /// An experiment.
    Experiment,
    /// A job.
    Job,
}

/// A tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// What to do first.
    Welcome,
    /// The most important facts.
    Overview,
    /// A cluster's target and what becomes of it.
    Scaling,
    /// Nodes, or the processes on them.
    Nodes,
    /// What waits.
    Queue,
    /// The partitions of a site.
    Partitions,
    /// Curves of what it did over time.
    History,
    /// What it has cost, and what it may cost.
    Cost,
    /// How much there is of what is limited.
    Quota,
    /// What was asked for.
    Params,
    /// Directories and what lies in them.
    Files,
    /// A table of jobs.
    Jobs,
    /// What a job has reported.
    Metrics,
    /// A metric of several jobs.
    Curves,
    /// A parameter against a metric.
    Scatter,
    /// All parameters and a metric side by side.
    Parallel,
    /// A table of what is in it.
    List,
    /// What happened and what was done.
    Events,
}

impl Tab {
    /// Returns the word in the frame.
    pub fn title(self) -> &'static str {
        match self {
            Self::Welcome => "Welcome",
            Self::Overview => "Overview",
            Self::Scaling => "Scaling",
            Self::Nodes => "Nodes",
            Self::Queue => "Queue",
            Self::Partitions => "Partitions",
            Self::History => "History",
            Self::Cost => "Cost",
            Self::Quota => "Quota",
            Self::Params => "Params",
            Self::Files => "Files",
            Self::Jobs => "Jobs",
            Self::Metrics => "Metrics",
            Self::Curves => "Curves",
            Self::Scatter => "Scatter",
            Self::Parallel => "Parallel",
            Self::List => "Overview",
            Self::Events => "Events",
        }
    }
}

impl Kind {
    /// Returns the kind of a thing.
    pub fn of(subject: Option<Subject>, cx: &Cx) -> Self {
        match subject {
            Some(Subject::Cluster(id)) if cx.world.is_site(id) => Self::Site,
            None => Self::Nothing,
            Some(Subject::Group(_)) => Self::Group,
            Some(Subject::FileServers(_)) => Self::FileServers,
            Some(Subject::FileServer(_)) => Self::FileServer,
            Some(Subject::Workspace(_)) => Self::Workspace,
            Some(Subject::Clusters(_)) => Self::Clusters,
            Some(Subject::Cluster(_)) => Self::Cluster,
            Some(Subject::Node(_)) => Self::Node,
            Some(Subject::Experiments(_)) => Self::Experiments,
            Some(Subject::Experiment(_) | Subject::Older(_)) => Self::Experiment,
            Some(Subject::Job(_)) => Self::Job,
        }
    }

    /// Returns its tabs; never none.
    pub fn tabs(self) -> &'static [Tab] {
        match self {
            Self::Nothing => &[Tab::Welcome],
            Self::Workspace => &[Tab::Overview, Tab::Cost, Tab::Quota, Tab::Events],
            Self::Group | Self::FileServer => &[Tab::Overview, Tab::Events],
            Self::Clusters | Self::FileServers | Self::Experiments => &[Tab::List],
            Self::Cluster => &[Tab::Scaling, Tab::Nodes, Tab::Queue, Tab::History, Tab::Events],
            Self::Site => &[Tab::Overview, Tab::Queue, Tab::Partitions, Tab::Nodes, Tab::Events],
            Self::Node => &[Tab::Overview, Tab::History, Tab::Events],
            Self::Experiment => &[Tab::Jobs, Tab::Curves, Tab::Scatter, Tab::Parallel, Tab::Events],
            Self::Job => &[Tab::Overview, Tab::Params, Tab::Nodes, Tab::Metrics, Tab::Files, Tab::Events],
        }
    }
}

/// What a table is of; its rows are looked up one by one.
#[derive(Clone, Debug)]
pub enum Rows {
    /// The nodes of a cluster, and what is known of what they do.
    Nodes(ClusterId, Arc<loads::Samples>),
    /// The waiting jobs of a cluster.
    Queue(ClusterId),
    /// The jobs of an experiment, with these columns.
    Jobs(ExperimentId, Arc<JobColumns>),
    /// Some of them, or all in an order that was asked for.
    Sorted(Arc<[JobId]>, Arc<JobColumns>),
    /// The processes of a job's attempt.
    Ranks(JobId),
    /// The clusters of a workspace.
    Clusters(WorkspaceId),
    /// The file servers of a workspace.
    FileServers(WorkspaceId),
    /// The experiments of a workspace.
    Experiments(WorkspaceId),
    /// What Slurm has.
    Site(SiteRows),
    /// These, which are about nothing else on the screen.
    Given(Vec<Row>),
}

/// A table with what stands around it.
#[derive(Clone, Debug)]
pub struct TableContent {
    /// Lines above the head.
    pub above: Vec<Line<'static>>,
    /// The columns.
    pub columns: Vec<Column>,
    /// What it is of.
    pub rows: Rows,
    /// How many rows there are.
    pub len: usize,
    /// Lines below.
    pub below: Vec<Line<'static>>,
}

impl TableContent {
    /// The name of the table in the configuration.
    fn view(&self) -> &'static str {
        match &self.rows {
            Rows::Nodes(..) => "nodes",
            Rows::Queue(_) => "queue",
            Rows::Jobs(..) | Rows::Sorted(..) => "jobs",
            Rows::Ranks(_) => "processes",
            Rows::Clusters(_) => "clusters",
            Rows::FileServers(_) => "file-servers",
            Rows::Experiments(_) => "experiments",
            Rows::Site(SiteRows { table, .. }) => about_site::view(*table),
            Rows::Given(_) => "",
        }
    }

    /// Which of the columns a person wants, in their order; `None` when they said nothing that fits.
    fn chosen(&self, cx: &Cx) -> Option<Vec<usize>> {
        let titles = cx.columns.get(self.view())?;
        let at = |title: &String| self.columns.iter().position(|column| &column.title == title);
        let chosen: Vec<usize> = titles.iter().filter_map(at).collect();
        (!chosen.is_empty()).then_some(chosen)
    }

    /// Returns the columns to be drawn.
    pub fn shown_columns(&self, cx: &Cx) -> Vec<Column> {
        match self.chosen(cx) {
            Some(chosen) => chosen.into_iter().map(|at| self.columns[at].clone()).collect(),
            None => self.columns.clone(),
        }
    }

    /// Returns the cells of a row that belong to them.
    pub fn shown_row(&self, row: Row, cx: &Cx) -> Row {
        match self.chosen(cx) {
            Some(chosen) => chosen.into_iter().map(|at| row.get(at).cloned().unwrap_or_default()).collect(),
            None => row,
        }
    }
}

/// What a tab shows.
#[derive(Clone, Debug)]
pub enum Content {
    /// Lines.
    Lines(Vec<Line<'static>>),
    /// A table.
    Table(Box<TableContent>),
}

impl Content {
    /// Returns how many lines or rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.len(),
            Self::Table(table) => table.len,
        }
    }

    /// Returns what a row of a table is about.
    pub fn subject(&self, at: usize, cx: &Cx) -> Option<Subject> {
        let Self::Table(table) = self else { return None };
        let world = &cx.world;
        match &table.rows {
            Rows::Nodes(id, _) => world.nodes_of(*id).get(at).map(|id| Subject::Node(*id)),
            Rows::Queue(id) => world.queue_of(*id).nth(at).map(Subject::Job),
            Rows::Jobs(id, _) => world.jobs_of(*id).get(at).map(|id| Subject::Job(*id)),
            Rows::Sorted(jobs, _) => jobs.get(at).map(|id| Subject::Job(*id)),
            Rows::Ranks(id) => about_job::rank_node(*id, at, cx).map(Subject::Node),
            Rows::Site(rows) => rows.ours(at).map(Subject::Job),
            Rows::Given(_) => None,
            Rows::Clusters(id) => world.clusters_of(*id).nth(at).map(Subject::Cluster),
            Rows::FileServers(id) => world.file_servers_of(*id).nth(at).map(Subject::FileServer),
            Rows::Experiments(id) => world.experiments_of(*id).nth(at).map(Subject::Experiment),
        }
    }

    /// Returns the row of a thing.
    pub fn find(&self, subject: Subject, cx: &Cx) -> Option<usize> {
        let Self::Table(table) = self else { return None };
        match (&table.rows, subject) {
            (Rows::Jobs(id, _), Subject::Job(job)) => cx.world.jobs_of(*id).binary_search(&job).ok(),
            (Rows::Sorted(jobs, _), Subject::Job(job)) => jobs.iter().position(|other| *other == job),
            (Rows::Nodes(id, _), Subject::Node(node)) => cx.world.nodes_of(*id).binary_search(&node).ok(),
            (Rows::Queue(id), Subject::Job(job)) => cx.world.queue_of(*id).position(|other| other == job),
            (_, _) => None,
        }
    }

    /// Returns a row of a table.
    pub fn row(&self, at: usize, cx: &Cx) -> Row {
        let Self::Table(table) = self else { return Vec::new() };
        match (&table.rows, self.subject(at, cx)) {
            (Rows::Nodes(_, samples), Some(Subject::Node(id))) => about_cluster::node_row(id, samples, cx),
            (Rows::Queue(_), Some(Subject::Job(id))) => about_cluster::queue_row(at, id, cx),
            (Rows::Jobs(_, columns) | Rows::Sorted(_, columns), Some(Subject::Job(id))) => {
                about_experiment::job_row(id, columns, cx)
            }
            (Rows::Ranks(id), _) => about_job::rank_row(*id, at, cx),
            (Rows::Site(rows), _) => about_site::row(rows, at, cx),
            (Rows::Given(rows), _) => rows.get(at).cloned().unwrap_or_default(),
            (Rows::Clusters(_), Some(Subject::Cluster(id))) => about_workspace::cluster_row(id, cx),
            (Rows::FileServers(_), Some(Subject::FileServer(id))) => about_file_server::row(id, cx),
            (Rows::Experiments(_), Some(Subject::Experiment(id))) => about_workspace::experiment_row(id, cx),
            (_, _) => Vec::new(),
        }
    }
}

/// Returns the acts of this session that were about a thing, each with the command line that does the same.
pub fn acts(subjects: impl Fn(Option<Subject>) -> bool, facts: &mut Facts<'_>, cx: &Cx) {
    facts.heading("Done here in this session");
    let mut any = false;
    for spoken in cx.spoken.iter().rev().filter(|s| subjects(s.about)) {
        any = true;
        let age = format!("{} ago", cx.now.since(spoken.at));
        facts.text(&age, &shown(&spoken.line), cx.style(Role::Text));
    }
    if any {
        let text = format!("{} copies the last one", cx.key_of(CommandId::CopyCommand));
        facts.prose(&text, cx.style(Role::Muted));
    } else {
        facts.prose("nothing yet; each act shows here the command that does the same", cx.style(Role::Muted));
    }
}

/// Returns what a tab of a thing shows in so many columns.
pub fn content(subject: Option<Subject>, tab: Tab, study: Option<&Study>, width: u16, cx: &Cx) -> Content {
    match subject {
        None => Content::Lines(about_workspace::welcome(width, cx)),
        Some(Subject::Group(id)) => about_file_server::group(id, tab, width, cx),
        Some(Subject::FileServers(id)) => about_file_server::table(id, cx),
        Some(Subject::FileServer(id)) => about_file_server::content(id, tab, width, cx),
        Some(Subject::Workspace(id)) => about_workspace::content(id, tab, width, cx),
        Some(Subject::Clusters(id)) => about_workspace::clusters(id, cx),
        Some(Subject::Experiments(id)) => about_workspace::experiments(id, cx),
        Some(Subject::Cluster(id)) => about_cluster::content(id, tab, width, cx),
        Some(Subject::Node(id)) => about_node::content(id, tab, width, cx),
        Some(Subject::Experiment(id) | Subject::Older(id)) => about_experiment::content(id, tab, study, width, cx),
        Some(Subject::Job(id)) => about_job::content(id, tab, width, cx),
    }
}
