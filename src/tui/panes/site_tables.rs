//! The tables of a site: the queue of everybody, partitions, nodes. Their order and what a filter lets through are made once, when the
//! picture or the wish changes, and not for each frame; what a row shows is in `about_site.rs`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::about::{Content, Rows, Tab, TableContent};
use super::about_site;
use super::asked::Asked;
use crate::model::fault::Fault;
use crate::model::ids::{ClusterId, JobId};
use crate::model::request::{Place as Named, Reply, Request};
use crate::model::site_index::SiteIndex;
use crate::model::units::{Millis, UnixMillis};
use crate::tui::acts::site::{Picked, Picks};
use crate::tui::cx::Cx;
use crate::tui::filter::Filter;
use crate::tui::pane::UiEffect;

/// How soon a fresh picture is asked for while one is looked at: the controller is everybody's.
const LOOK_AGAIN: Millis = Millis::from_secs(10);

/// A job that was just handed over is told from others a second later.
const OURS_AGAIN: Millis = Millis::from_secs(1);

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteTable {
    /// The queue.
    Queue,
    /// The partitions.
    Partitions,
    /// The nodes.
    Nodes,
}

impl SiteTable {
    /// Returns the table of a tab of a site.
    pub fn of(tab: Tab) -> Option<Self> {
        match tab {
            Tab::Queue => Some(Self::Queue),
            Tab::Partitions => Some(Self::Partitions),
            Tab::Nodes => Some(Self::Nodes),
            _ => None,
        }
    }
}

/// The rows of a table, to be drawn one by one.
#[derive(Clone, Debug)]
pub struct SiteRows {
    /// Which table.
    pub table: SiteTable,
    /// The picture.
    pub index: Arc<SiteIndex>,
    /// Places in the picture, in the order of the table.
    pub order: Arc<[u32]>,
    /// The jobs of the queue that ostler submitted, by their numbers there.
    pub ours: Arc<BTreeMap<String, JobId>>,
}

impl SiteRows {
    /// Returns the place in the picture of a row.
    pub fn place(&self, at: usize) -> Option<usize> {
        self.order.get(at).map(|place| *place as usize)
    }

    /// Returns what names a row.
    pub fn key(&self, at: usize) -> Option<&str> {
        let (place, site) = (self.place(at)?, &self.index.site);
        match self.table {
            SiteTable::Queue => site.jobs.get(place).map(|job| job.id.as_str()),
            SiteTable::Partitions => site.partitions.get(place).map(|partition| partition.name.as_str()),
            SiteTable::Nodes => site.nodes.get(place).map(|node| node.name.as_str()),
        }
    }

    /// Returns the job of ours that a row is.
    pub fn ours(&self, at: usize) -> Option<JobId> {
        self.ours.get(self.key(at)?).copied().filter(|_| self.table == SiteTable::Queue)
    }
}

/// What is compared: numbers before words, and what is not there last.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Words.
    Words(String),
    /// Nothing.
    Nothing,
}

impl Value {
    fn order(&self, other: &Self, turned: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Nothing, Self::Nothing) => return Ordering::Equal,
            // What has no value stays last, also when turned round.
            (Self::Nothing, _) => return Ordering::Greater,
            (_, Self::Nothing) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Words(a), Self::Words(b)) => a.cmp(b),
            (Self::Number(_), Self::Words(_)) => Ordering::Less,
            (Self::Words(_), Self::Number(_)) => Ordering::Greater,
        };
        if turned { order.reverse() } else { order }
    }
}

/// How one table stands.
#[derive(Debug, Default)]
struct Listed {
    column: Option<String>,
    turned: bool,
    filter: Filter,
    /// Marked rows, by what names them.
    marks: BTreeSet<String>,
    /// The row under the cursor, so that it stays there while others come and go.
    held: Option<String>,
    /// The same by its place.
    under: Option<usize>,
    rows: Option<SiteRows>,
}

/// The state.
#[derive(Debug)]
pub struct SiteTables {
    asked: Asked<ClusterId, ()>,
    table: Option<SiteTable>,
    listed: [Listed; 3],
    ours_at: Option<UnixMillis>,
}

impl SiteTables {
    /// Returns the state of a pane; `lane` tells its questions from others.
    pub fn new(lane: u64) -> Self {
        Self { asked: Asked::new(lane), table: None, listed: Default::default(), ours_at: None }
    }

    /// Turns to another cluster, or to none.
    pub fn select(&mut self, cluster: Option<ClusterId>) {
        if self.asked.about() != cluster {
            self.asked.select(cluster);
            self.listed = Default::default();
        }
    }

    /// Turns to the table of a tab.
    pub fn show(&mut self, tab: Tab, cx: &Cx) {
        self.table = SiteTable::of(tab).filter(|_| self.asked.about().is_some());
        self.order(cx);
    }

    fn listed(&self) -> Option<&Listed> {
        self.listed.get(self.table? as usize)
    }

    fn listed_mut(&mut self) -> Option<&mut Listed> {
        self.listed.get_mut(self.table? as usize)
    }

    /// Says whether a table is what is seen.
    pub fn shows(&self) -> bool {
        self.table.is_some()
    }

    /// Asks for a fresh picture, when the last one is old.
    pub fn look(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let place = |id| {
            let cluster = cx.world.cluster(id)?;
            let workspace = cx.world.workspace(cluster.workspace)?;
            Some(Request::ShowSite(Named { workspace: cx.world.named(workspace), name: Some(cluster.name.clone()) }))
        };
        self.asked.look(cx.pace.nodes.max(LOOK_AGAIN), place, cx)
    }

    /// Says whether a reply is to a question of this pane.
    pub fn owns(&self, number: u64) -> bool {
        self.asked.owns(number)
    }

    /// Takes a reply. The picture itself comes as news of the core, to all who look.
    pub fn answered(&mut self, number: u64, reply: &Result<Reply, Fault>) {
        self.asked.answered(number, reply, |reply| matches!(reply, Reply::Site(_)).then_some(()));
    }

    /// Returns why there is no fresh picture.
    pub fn failed(&self) -> Option<&str> {
        self.asked.answer()?.err()
    }

    /// Returns the filter of the table.
    pub fn filter(&self) -> Option<&Filter> {
        self.listed().map(|listed| &listed.filter)
    }

    /// Shows only rows that fit.
    pub fn set_filter(&mut self, text: &str, cx: &Cx) {
        if let Some(listed) = self.listed_mut() {
            listed.filter = Filter::new(text);
            self.order(cx);
        }
    }

    /// Returns the column of the order and whether it is turned round.
    pub fn sorted_by(&self) -> Option<(&str, bool)> {
        let listed = self.listed()?;
        Some((listed.column.as_deref()?, listed.turned))
    }

    /// Turns the order round; takes a column, or the one behind the last.
    pub fn sort(&mut self, turn: bool, column: Option<&String>, titles: &[String], cx: &Cx) {
        let Some(listed) = self.listed_mut() else { return };
        match (turn, column) {
            (true, _) => listed.turned = !listed.turned,
            (false, Some(title)) => (listed.column, listed.turned) = (Some(title.clone()), false),
            (false, None) => {
                let at = listed.column.as_ref().and_then(|column| titles.iter().position(|title| title == column));
                listed.column = at.map_or_else(|| titles.first().cloned(), |at| titles.get(at + 1).cloned());
                listed.turned = false;
            }
        }
        self.order(cx);
    }

    /// Puts the table in order after a change.
    pub fn order(&mut self, cx: &Cx) {
        let (Some(table), Some(id)) = (self.table, self.asked.about()) else { return };
        let Some(listed) = self.listed.get_mut(table as usize) else { return };
        listed.rows = cx.world.site(id).map(|index| {
            let ours = if table == SiteTable::Queue { ours(id, cx) } else { BTreeMap::new() };
            let order = listed.order(table, index, cx);
            SiteRows { table, index: index.clone(), order, ours: Arc::new(ours) }
        });
    }

    /// Takes up what an update changed. Another picture is another order; which jobs are ours is looked up among all that live, and so at
    /// most once in [`OURS_AGAIN`].
    pub fn applied(&mut self, jobs_changed: bool, cx: &Cx) {
        let Some(id) = self.asked.about() else { return };
        let same = match (self.listed().and_then(|listed| listed.rows.as_ref()), cx.world.site(id)) {
            (Some(rows), Some(index)) => Arc::ptr_eq(&rows.index, index),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            return self.order(cx);
        }
        let old = self.ours_at.is_none_or(|at| cx.now.since(at) >= OURS_AGAIN);
        if jobs_changed && old && self.table == Some(SiteTable::Queue) {
            self.ours_at = Some(cx.now);
            if let Some(rows) = self.listed_mut().and_then(|listed| listed.rows.as_mut()) {
                rows.ours = Arc::new(ours(id, cx));
            }
        }
    }

    /// Returns the table.
    pub fn content(&self, width: u16, cx: &Cx) -> Content {
        let (Some(id), Some(listed)) = (self.asked.about(), self.listed()) else { return Content::Lines(Vec::new()) };
        let Some(rows) = &listed.rows else {
            return Content::Lines(about_site::nothing_yet(id, self.failed(), width, cx));
        };
        let table = TableContent {
            above: about_site::above(rows, self.failed(), &listed.filter, width, cx),
            columns: about_site::columns(rows.table),
            len: rows.order.len(),
            rows: Rows::Site(rows.clone()),
            below: about_site::below(rows, listed.under, width, cx),
        };
        Content::Table(Box::new(table))
    }

    /// Keeps the cursor on what it is on now.
    pub fn hold(&mut self, at: usize) {
        if let Some(listed) = self.listed_mut() {
            listed.held = listed.rows.as_ref().and_then(|rows| rows.key(at)).map(str::to_owned);
            listed.under = listed.held.is_some().then_some(at);
        }
    }

    /// Returns the row that the cursor was kept on.
    pub fn held(&self) -> Option<usize> {
        let listed = self.listed()?;
        let (held, rows) = (listed.held.as_deref()?, listed.rows.as_ref()?);
        (0..rows.order.len()).find(|at| rows.key(*at) == Some(held))
    }

    /// Marks a row, or takes its mark away.
    pub fn mark(&mut self, at: usize) {
        let Some(listed) = self.listed_mut() else { return };
        let Some(key) = listed.rows.as_ref().and_then(|rows| rows.key(at)).map(str::to_owned) else { return };
        if !listed.marks.remove(&key) {
            listed.marks.insert(key);
        }
    }

    /// Takes all marks away; says whether there were any.
    pub fn unmark(&mut self) -> bool {
        self.listed_mut().is_some_and(|listed| !std::mem::take(&mut listed.marks).is_empty())
    }

    /// Says whether a row is marked.
    pub fn is_marked(&self, at: usize) -> bool {
        let marks = |listed: &Listed| Some(listed.marks.contains(listed.rows.as_ref()?.key(at)?));
        self.listed().filter(|listed| !listed.marks.is_empty()).and_then(marks).unwrap_or(false)
    }

    /// Returns what an act is about: the marked rows, else the one under the cursor.
    pub fn picked(&self, at: usize) -> Option<Picked> {
        let (cluster, listed) = (self.asked.about()?, self.listed()?);
        let rows = listed.rows.as_ref()?;
        let site = &rows.index.site;
        let under: Vec<usize> = rows.place(at).into_iter().collect();
        let places = |marked: Vec<usize>| if marked.is_empty() { under.clone() } else { marked };
        let all = |names: &mut dyn Iterator<Item = (usize, &String)>| {
            if listed.marks.is_empty() {
                return under.clone();
            }
            places(names.filter(|(_, name)| listed.marks.contains(*name)).map(|(place, _)| place).collect())
        };
        let picks = match rows.table {
            SiteTable::Queue => {
                let jobs = all(&mut site.jobs.iter().map(|job| &job.id).enumerate());
                let ours = if listed.marks.is_empty() { rows.ours(at) } else { None };
                Picks::Jobs { jobs: jobs.iter().filter_map(|place| site.jobs.get(*place)).cloned().collect(), ours }
            }
            SiteTable::Nodes => {
                let nodes = all(&mut site.nodes.iter().map(|node| &node.name).enumerate());
                let users = nodes.iter().flat_map(|place| rows.index.on_node(*place)).map(|job| job.user.clone()).collect();
                Picks::Nodes { nodes: nodes.iter().filter_map(|place| site.nodes.get(*place)).cloned().collect(), users }
            }
            SiteTable::Partitions => return None,
        };
        Some(Picked { cluster, picks })
    }
}

/// The jobs of a cluster that ostler has handed over, by their numbers there.
fn ours(cluster: ClusterId, cx: &Cx) -> BTreeMap<String, JobId> {
    let live = cx.world.live_jobs().filter(|job| job.cluster == cluster);
    let number = |job: &Arc<crate::model::state::Job>| {
        let theirs = &job.last.away.as_ref()?.theirs;
        (!theirs.is_empty()).then(|| (theirs.clone(), job.id))
    };
    live.filter_map(number).collect()
}

impl Listed {
    fn order(&self, table: SiteTable, index: &SiteIndex, cx: &Cx) -> Arc<[u32]> {
        let len = match table {
            SiteTable::Queue => index.site.jobs.len(),
            SiteTable::Partitions => index.site.partitions.len(),
            SiteTable::Nodes => index.site.nodes.len(),
        };
        let all = 0..u32::try_from(len).unwrap_or(u32::MAX);
        let fits = |place: &u32| {
            let place = *place as usize;
            match table {
                SiteTable::Queue => index.site.jobs.get(place).is_some_and(|job| self.filter.site_job(job)),
                SiteTable::Partitions => index.site.partitions.get(place).is_some_and(|of| self.filter.name(&of.name)),
                SiteTable::Nodes => {
                    let users = index.on_node(place).map(|job| job.user.as_str());
                    index.site.nodes.get(place).is_some_and(|node| self.filter.site_node(node, users))
                }
            }
        };
        let shown: Vec<u32> = if self.filter.is_empty() { all.collect() } else { all.filter(fits).collect() };
        let Some(column) = &self.column else {
            // As they order it; what is over stays listed there for some minutes, and comes last.
            let over =
                |place: &u32| index.site.jobs.get(*place as usize).is_some_and(|job| !job.waits() && !job.has_nodes());
            let (over, live): (Vec<u32>, Vec<u32>) =
                shown.into_iter().partition(|place| table == SiteTable::Queue && over(place));
            return live.into_iter().chain(over).collect();
        };
        let mut valued: Vec<(Value, u32)> =
            shown.into_iter().map(|place| (about_site::value(table, index, place as usize, column, cx), place)).collect();
        valued.sort_by(|(a, one), (b, two)| a.order(b, self.turned).then(one.cmp(two)));
        valued.into_iter().map(|(_, place)| place).collect()
    }
}
