//! The detail pane: tabs that depend on what is selected. State and keys; what a tab shows is in one file per kind of
//! thing (`about_*.rs`), as lines or as a table; `detail/draw.rs` draws them.

mod draw;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::about::{self, Content, Rows, Tab};
use super::about_workspace;
use super::asked::Asked;
use super::files::Files;
use super::history::{self, TimeView};
use super::loads::Loads;
use super::node_history::NodeHistory;
use super::site_tables::SiteTables;
use super::sorting::{Sorting, Titles};
use super::study::Study;
use crate::commands::{Cmd, CommandId, Key, Scope};
use crate::model::ids::{ExperimentId, JobId};
use crate::model::request::{Reply, Request, Usage};
use crate::model::state::Reach;
use crate::model::units::Millis;
use crate::tui::acts::site::Picked;
use crate::tui::cx::{Cx, PaneId};
use crate::tui::msg::{Mouse, MouseAct};
use crate::tui::pane::{News, Pane, Toast, ToastKind, UiEffect};
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::table::Place;
use crate::tui::world::Applied;

/// Lines that one notch of the wheel moves.
const WHEEL: isize = 3;

/// The detail pane.
#[derive(Debug)]
pub struct Detail {
    shown: Option<Subject>,
    kind: about::Kind,
    /// The tab that was chosen last, per kind of thing: going from job to job stays on it.
    chosen: std::collections::BTreeMap<about::Kind, Tab>,
    place: Place,
    /// The Files tab.
    files: Files,
    /// What of the curves is looked at.
    time: TimeView,
    /// What the History tab of a node shows.
    node_history: NodeHistory,
    /// How busy the nodes of a cluster are.
    loads: Loads,
    /// What the Quota tab shows; it is the same for all workspaces.
    quota: Asked<(), Vec<Usage>>,
    /// The tables of a cluster whose jobs Slurm places.
    site: SiteTables,
    /// The order of the table of jobs, and which of them it shows.
    sorting: Sorting,
    /// What is typed of a filter of that table.
    typing: Option<Input>,
    /// Metrics.
    study: Study,
    /// The thing under the table's cursor, so that it stays there while rows come and go.
    held: Option<Subject>,
    area: Rect,
}

/// How soon limits are asked for again.
const QUOTA_AGAIN: Millis = Millis::from_secs(5);

impl Default for Detail {
    fn default() -> Self {
        Self {
            shown: None,
            kind: about::Kind::Nothing,
            chosen: Default::default(),
            place: Place::default(),
            files: Files::default(),
            time: TimeView::default(),
            node_history: NodeHistory(Asked::new(1)),
            loads: Loads(Asked::new(2)),
            quota: Asked::new(3),
            site: SiteTables::new(4),
            sorting: Sorting::default(),
            typing: None,
            study: Study::default(),
            held: None,
            area: Rect::default(),
        }
    }
}

impl Detail {
    /// Asks for what the tab shows and no update brings.
    fn look(&mut self, cx: &Cx) -> Vec<UiEffect> {
        match (self.tab(), self.shown) {
            (Tab::History, Some(Subject::Node(_))) => self.node_history.look(cx),
            (Tab::Nodes, Some(Subject::Cluster(_))) if self.kind != about::Kind::Site => self.loads.look(cx),
            (_, Some(Subject::Cluster(_))) if self.kind == about::Kind::Site => self.site.look(cx),
            (Tab::Quota, _) => self.quota.look(QUOTA_AGAIN, |()| Some(Request::Usage), cx),
            (tab, Some(Subject::Experiment(_) | Subject::Older(_) | Subject::Job(_))) => {
                let sight = self.sight(cx);
                self.study.look(tab, &sight, cx)
            }
            (_, _) => Vec::new(),
        }
    }

    /// The jobs whose rows are seen.
    fn sight(&self, cx: &Cx) -> Vec<JobId> {
        let Some(id) = self.experiment().filter(|_| self.tab() == Tab::Jobs) else { return Vec::new() };
        let all: &[JobId] = match self.sorting.jobs(id) {
            Some(sorted) => sorted,
            None => cx.world.jobs_of(id),
        };
        all.iter().skip(self.place.top).take(usize::from(self.area.height)).copied().collect()
    }

    /// Puts the table in order, after a person asked for another order or after something has changed.
    fn order(&mut self, must: bool, cx: &Cx) {
        let Some(id) = self.experiment() else {
            self.sorting.sort(None, &Titles { metrics: &Default::default(), parameters: &[] }, cx);
            return;
        };
        let columns = match about::content(Some(Subject::Experiment(id)), Tab::Jobs, Some(&self.study), 0, cx) {
            Content::Table(table) => match table.rows {
                Rows::Jobs(_, columns) => Some(columns),
                _ => None,
            },
            Content::Lines(_) => None,
        };
        let Some(columns) = columns else { return };
        let parameters = columns.parameters();
        let titles = Titles { metrics: &columns.metrics, parameters: &parameters };
        match must {
            true => self.sorting.sort(Some(id), &titles, cx),
            false => self.sorting.again(Some(id), &titles, cx),
        }
    }

    /// Returns what was asked of metrics with a number: the points of one, or what readings come to.
    pub fn asked_metrics(&self, number: u64) -> Option<Option<&str>> {
        self.study.asked(number)
    }

    /// Says whether what is seen is a table that has a filter of its own.
    pub fn filters(&self) -> bool {
        self.site.shows() || (self.experiment().is_some() && self.tab() == Tab::Jobs)
    }

    fn set_filter(&mut self, text: &str, cx: &Cx) {
        match self.site.shows() {
            true => self.site.set_filter(text, cx),
            false => {
                self.sorting.set_filter(text);
                self.order(true, cx);
            }
        }
        self.first_row(cx);
    }

    fn filter_text(&self) -> &str {
        self.site.filter().unwrap_or_else(|| self.sorting.filter()).text()
    }

    fn filtered(&self) -> bool {
        !self.site.filter().unwrap_or_else(|| self.sorting.filter()).is_empty()
    }

    /// Goes to the first row.
    fn first_row(&mut self, cx: &Cx) {
        self.place = Place::default();
        self.held = self.content(cx).subject(0, cx);
        self.site.hold(0);
    }

    /// Returns the rows of a site's table that acts are about; `None` when none is shown.
    pub fn picked(&self) -> Option<Picked> {
        self.site.picked(self.place.at)
    }

    /// Acts on what is typed of a filter; `None` when nothing is.
    fn on_typing(&mut self, cmd: &Cmd, cx: &Cx) -> Option<Vec<UiEffect>> {
        self.typing.as_ref()?;
        match cmd.id {
            CommandId::Accept => self.typing = None,
            CommandId::Cancel => {
                self.typing = None;
                self.set_filter("", cx);
            }
            _ => {}
        }
        Some(Vec::new())
    }

    /// Takes up what an update changed.
    pub fn applied(&mut self, applied: &Applied, cx: &Cx) {
        self.study.changed(&applied.jobs, applied.whole, cx);
        self.order(false, cx);
        self.kind = about::Kind::of(self.shown, cx);
        self.site.applied(applied.whole || !applied.jobs.is_empty(), cx);
        let content = self.content(cx);
        let held = self.held.and_then(|subject| content.find(subject, cx)).or_else(|| self.site.held());
        if let (None, true) = (held, self.site.shows()) {
            self.site.hold(self.place.at.min(content.len().saturating_sub(1)));
        }
        if let Some(at) = held {
            self.site.hold(at);
            let height = self.height(&content);
            self.place.at = at;
            self.place.keep(content.len(), height);
        }
    }

    fn kind(&self) -> about::Kind {
        self.kind
    }

    fn tab(&self) -> Tab {
        let tabs = self.kind().tabs();
        let chosen = self.chosen.get(&self.kind()).copied();
        chosen.filter(|tab| tabs.contains(tab)).unwrap_or(tabs[0])
    }

    fn choose(&mut self, at: usize, cx: &Cx) -> Vec<UiEffect> {
        let Some(tab) = self.kind().tabs().get(at) else { return Vec::new() };
        self.chosen.insert(self.kind(), *tab);
        self.place = Place::default();
        self.held = None;
        self.site.show(*tab, cx);
        self.site.hold(0);
        if *tab == Tab::Files { self.files.ask(cx, true) } else { self.look(cx) }
    }

    /// Acts on the Files tab, whose rows are others then.
    fn turn(&mut self, effects: Vec<UiEffect>, top: bool) -> Vec<UiEffect> {
        if top {
            self.place = Place::default();
        }
        effects
    }

    fn on_files(&mut self, cmd: &Cmd, cx: &Cx) -> Option<Vec<UiEffect>> {
        let at = self.place.at;
        match cmd.id {
            CommandId::Open => {
                let effects = self.files.open(at, cx);
                let shows = effects.iter().any(|effect| matches!(effect, UiEffect::ShowFile(_) | UiEffect::Toast(_)));
                Some(self.turn(effects, !shows))
            }
            CommandId::Cancel => {
                let effects = self.files.up(cx)?;
                Some(self.turn(effects, true))
            }
            CommandId::FileGet => Some(self.files.get(at, cmd.args.first(), cx)),
            _ => None,
        }
    }

    fn step_tab(&mut self, by: isize, cx: &Cx) -> Vec<UiEffect> {
        let tabs = self.kind().tabs();
        let at = tabs.iter().position(|tab| *tab == self.tab()).unwrap_or(0) as isize;
        self.choose((at + by).rem_euclid(tabs.len() as isize) as usize, cx)
    }

    fn content(&self, cx: &Cx) -> Content {
        self.content_in(self.area.width, cx)
    }

    fn content_in(&self, width: u16, cx: &Cx) -> Content {
        match self.tab() {
            _ if self.site.shows() => self.site.content(width, cx),
            Tab::Files => self.files.content(width, cx),
            Tab::History => Content::Lines(match self.shown {
                Some(Subject::Node(_)) => self.node_history.lines(self.time, width, self.area.height, cx),
                shown => history::lines(shown, self.time, width, self.area.height, cx),
            }),
            Tab::Quota => Content::Lines(about_workspace::quota(self.quota.answer(), width, cx)),
            tab @ (Tab::Curves | Tab::Scatter | Tab::Parallel | Tab::Metrics) => {
                Content::Lines(self.study.lines(tab, (width, self.area.height), cx))
            }
            tab => {
                let mut content = about::content(self.shown, tab, Some(&self.study), width, cx);
                if let (Content::Table(table), Some(jobs)) =
                    (&mut content, self.experiment().and_then(|id| self.sorting.jobs(id)))
                    && let Rows::Jobs(_, params) = &table.rows
                {
                    table.len = jobs.len();
                    table.rows = Rows::Sorted(jobs.clone(), params.clone());
                }
                if let Content::Table(table) = &mut content
                    && let Rows::Nodes(_, samples) = &mut table.rows
                {
                    *samples = self.loads.samples();
                    if let Some(words) = self.loads.legend() {
                        table.below.insert(0, Line::from(Span::styled(format!(" {words}"), cx.style(Role::Warning))));
                    }
                }
                content
            }
        }
    }

    /// The experiment whose jobs are a table.
    fn experiment(&self) -> Option<ExperimentId> {
        match self.shown {
            Some(Subject::Experiment(id) | Subject::Older(id)) => Some(id),
            Some(_) | None => None,
        }
    }

    fn sort(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        let content = self.content(cx);
        let titles: Vec<String> = match (&content, self.experiment()) {
            (Content::Table(table), _) if self.site.shows() => {
                table.columns.iter().map(|column| column.title.clone()).collect()
            }
            (Content::Table(table), Some(_)) => table.columns.iter().map(|column| column.title.clone()).collect(),
            (Content::Table(_) | Content::Lines(_), _) => Vec::new(),
        };
        if titles.is_empty() {
            let text = "the tables of an experiment's jobs and of a cluster of Slurm can be sorted".to_owned();
            return vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })];
        }
        if self.site.shows() {
            self.site.sort(cmd.id == CommandId::SortTurn, cmd.args.first(), &titles, cx);
            self.first_row(cx);
            return Vec::new();
        }
        match (cmd.id, cmd.args.first()) {
            (CommandId::SortTurn, _) => self.sorting.turn(),
            (_, Some(title)) => self.sorting.by(title),
            (_, None) => self.sorting.next(&titles),
        }
        self.order(true, cx);
        self.place = Place::default();
        self.held = self.content(cx).subject(0, cx);
        self.look(cx)
    }

    fn on_study(&mut self, cmd: &Cmd, cx: &Cx) -> Option<Vec<UiEffect>> {
        use CommandId as C;
        let asks = matches!(
            cmd.id,
            C::Metric | C::Take | C::Better | C::Hide | C::Axis | C::LogMetric | C::LogAcross | C::Smooth | C::Parameter
        );
        let about = matches!(self.shown, Some(Subject::Experiment(_) | Subject::Older(_) | Subject::Job(_)));
        if !about {
            let text = "select an experiment, or a job of one, to look at its metrics".to_owned();
            return asks.then(|| vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })]);
        }
        let titles: Vec<String> = match self.content(cx) {
            Content::Table(table) if cmd.id == C::Hide => table.columns.iter().map(|column| column.title.clone()).collect(),
            Content::Table(_) | Content::Lines(_) => Vec::new(),
        };
        let mut effects = match self.study.on(cmd, self.tab(), &titles, cx) {
            Some(effects) => effects,
            None if asks => {
                let text = "that is for the tabs with curves and dots".to_owned();
                return Some(vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })]);
            }
            None => return None,
        };
        if asks {
            self.order(true, cx);
            effects.extend(self.look(cx));
        }
        Some(effects)
    }

    /// Rows of the content that fit: a table has its head and what stands above it.
    fn height(&self, content: &Content) -> usize {
        let height = usize::from(self.area.height).saturating_sub(usize::from(self.shows_filter()));
        match content {
            Content::Lines(_) => height,
            Content::Table(table) => height.saturating_sub(table.above.len() + 1 + self.below(table)),
        }
    }

    /// Lines below a table: at most a third of the pane.
    fn below(&self, table: &about::TableContent) -> usize {
        table.below.len().min(usize::from(self.area.height) / 3)
    }

    fn step(&mut self, by: isize, cx: &Cx) {
        let content = self.content(cx);
        let (len, height) = (content.len(), self.height(&content));
        match content {
            Content::Lines(_) => {
                let most = len.saturating_sub(height);
                self.place.top = self.place.top.saturating_add_signed(by).min(most);
                self.place.at = self.place.top;
            }
            Content::Table(_) => {
                self.place.step(by, len, height);
                self.held = content.subject(self.place.at, cx);
                self.site.hold(self.place.at);
            }
        }
    }

    /// The tab whose word is at a column of the frame's upper line.
    fn tab_at(&self, x: u16, cx: &Cx) -> Option<usize> {
        let mut left = self.area.x + 1 + self.head(cx).width() as u16;
        for (at, tab) in self.kind().tabs().iter().enumerate() {
            let width = tab.title().width() as u16;
            if (left..left + width).contains(&x) {
                return Some(at);
            }
            left += width + TAB_GAP.width() as u16;
        }
        None
    }

    /// The name before the tabs.
    fn head(&self, cx: &Cx) -> String {
        match self.shown.and_then(|subject| super::name_of(subject, cx)) {
            Some(name) => {
                // The tabs are read first: the name gets what they leave, the frame's corners and a space at each end aside.
                let titles = self.kind().tabs().iter().map(|tab| tab.title().width() + TAB_GAP.width()).sum::<usize>();
                let room = usize::from(self.area.width).saturating_sub(titles + 3).min(24);
                if room < NAME_LEAST {
                    return String::new();
                }
                format!("{} {} ", crate::tui::widgets::cut(&shown(&name), room, cx.look.ascii), cx.glyph(Glyph::Dot))
            }
            None => String::new(),
        }
    }
}

/// A name that is cut shorter says nothing.
const NAME_LEAST: usize = 4;
/// Between the words of two tabs.
const TAB_GAP: &str = "  ";

impl Pane for Detail {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        if self.tab() == Tab::Files
            && let Some(effects) = self.on_files(cmd, cx)
        {
            return effects;
        }
        if let Some(effects) = self.on_typing(cmd, cx) {
            return effects;
        }
        if matches!(cmd.id, CommandId::Sort | CommandId::SortTurn) {
            return self.sort(cmd, cx);
        }
        if cmd.id == CommandId::Filter {
            match cmd.args.is_empty() {
                true => self.typing = Some(Input::new(self.filter_text())),
                false => self.set_filter(&cmd.args.join(" "), cx),
            }
            return Vec::new();
        }
        if cmd.id == CommandId::Cancel && self.site.unmark() {
            return Vec::new();
        }
        if cmd.id == CommandId::Cancel && self.filters() && self.filtered() {
            self.set_filter("", cx);
            return Vec::new();
        }
        if let Some(effects) = self.on_study(cmd, cx) {
            return effects;
        }
        if self.tab() == Tab::History && self.time.on(cmd, self.area.width) {
            return Vec::new();
        }
        let content = self.content(cx);
        let page = self.height(&content).saturating_sub(1).max(1) as isize;
        let times = cmd.times() as isize;
        match cmd.id {
            CommandId::Down => self.step(times, cx),
            CommandId::Up => self.step(-times, cx),
            CommandId::PageDown => self.step(page * times, cx),
            CommandId::PageUp => self.step(-page * times, cx),
            CommandId::HalfDown => self.step((page / 2 * times).max(1), cx),
            CommandId::HalfUp => self.step((-page / 2 * times).min(-1), cx),
            CommandId::Top => self.step(isize::MIN / 2, cx),
            CommandId::Bottom => self.step(isize::MAX / 2, cx),
            CommandId::Right => return self.step_tab(1, cx),
            CommandId::Left => return self.step_tab(-1, cx),
            CommandId::GoTab => return self.choose(cmd.count.unwrap_or(1).saturating_sub(1) as usize, cx),
            CommandId::Open if self.site.shows() && content.subject(self.place.at, cx).is_none() => {
                return self.picked().map(|picked| draw::opened(&picked)).unwrap_or_default();
            }
            CommandId::Open => return content.subject(self.place.at, cx).map(UiEffect::Go).into_iter().collect(),
            CommandId::Cancel => return vec![UiEffect::Focus(PaneId::Tree)],
            CommandId::Copy => return self.subject(cx).map(|s| super::copy_name(s, cx)).unwrap_or_default(),
            CommandId::Mark if self.site.shows() => {
                self.site.mark(self.place.at);
                self.step(1, cx);
            }
            CommandId::Mark => {
                if let Some(Subject::Job(id)) = content.subject(self.place.at, cx) {
                    self.step(1, cx);
                    return vec![UiEffect::Mark { jobs: vec![id], on: !cx.marks.contains(&id) }];
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        match news {
            News::Selected(subject) => {
                self.shown = subject.copied();
                self.time = TimeView::default();
                self.typing = None;
                self.study.select(self.shown, cx);
                self.order(true, cx);
                self.place = Place::default();
                self.files.select(match self.shown {
                    Some(Subject::Job(id)) => Some(id),
                    Some(_) | None => None,
                });
                self.node_history.0.select(match self.shown {
                    Some(Subject::Node(id)) => Some(id),
                    Some(_) | None => None,
                });
                self.loads.0.select(match self.shown {
                    Some(Subject::Cluster(id)) => Some(id),
                    Some(_) | None => None,
                });
                self.kind = about::Kind::of(self.shown, cx);
                self.site.select(match self.shown {
                    Some(Subject::Cluster(id)) if self.kind == about::Kind::Site => Some(id),
                    Some(_) | None => None,
                });
                self.site.show(self.tab(), cx);
                self.quota.select(matches!(self.shown, Some(Subject::Workspace(_))).then_some(()));
                self.held = self.content(cx).subject(0, cx);
                self.site.hold(0);
                return self.look(cx);
            }
            News::Reply(number, reply) => {
                if self.node_history.0.owns(*number) {
                    self.node_history.answered(*number, reply, cx);
                    return Vec::new();
                }
                if self.study.asked(*number).is_some() {
                    self.study.answered(*number, cx);
                    self.order(false, cx);
                    return self.look(cx);
                }
                if self.loads.0.owns(*number) {
                    self.loads.answered(*number, reply, cx);
                    return Vec::new();
                }
                if self.site.owns(*number) {
                    self.site.answered(*number, reply);
                    return Vec::new();
                }
                if self.quota.owns(*number) {
                    self.quota.answered(*number, reply, |reply| match reply {
                        Reply::Usages(usages) => Some(usages.clone()),
                        _ => None,
                    });
                    return Vec::new();
                }
                self.files.answered(*number, reply);
                if self.tab() == Tab::Files {
                    self.place.at = self.place.at.min(self.files.len(cx).saturating_sub(1));
                }
            }
            News::Task(number, news) => return self.files.told(*number, news),
            News::Changed if self.tab() == Tab::Files => return self.files.changed(cx),
            News::Changed | News::Tick => return self.look(cx),
            News::Delta(..) | News::Edited(..) | News::Here(..) | News::Called(..) => {}
        }
        Vec::new()
    }

    fn mouse(&mut self, mouse: Mouse, cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::WheelDown => self.step(WHEEL, cx),
            MouseAct::WheelUp => self.step(-WHEEL, cx),
            MouseAct::Press if mouse.y + 1 == self.area.y => {
                if let Some(at) = self.tab_at(mouse.x, cx) {
                    return self.choose(at, cx);
                }
            }
            MouseAct::Press | MouseAct::Drag
                if matches!(self.tab(), Tab::Curves | Tab::Metrics)
                    && self.area.contains(Position { x: mouse.x, y: mouse.y }) =>
            {
                self.study.point(mouse.x - self.area.x, self.area.width);
            }
            MouseAct::Press if self.area.contains(Position { x: mouse.x, y: mouse.y }) => {
                let content = self.content(cx);
                if let Content::Table(table) = &content {
                    let row = usize::from(mouse.y - self.area.y).checked_sub(table.above.len() + 1);
                    let at = row.map(|row| self.place.top + row).filter(|at| *at < content.len());
                    match at {
                        Some(at) if at == self.place.at && self.tab() == Tab::Files => {
                            return self.on_files(&Cmd::new(CommandId::Open), cx).unwrap_or_default();
                        }
                        Some(at) if at == self.place.at && self.site.shows() => {
                            return self.on(&Cmd::new(CommandId::Open), cx);
                        }
                        Some(at) if at == self.place.at => {
                            return content.subject(at, cx).map(UiEffect::Go).into_iter().collect();
                        }
                        Some(at) => self.step(at as isize - self.place.at as isize, cx),
                        None => {}
                    }
                }
            }
            MouseAct::Press | MouseAct::Drag | MouseAct::Lift | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn key(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let typing = self.typing.as_mut()?;
        if !typing.key(key) {
            return None;
        }
        let text = typing.text().to_owned();
        self.set_filter(&text, cx);
        Some(Vec::new())
    }

    fn paste(&mut self, text: &str, cx: &Cx) -> Option<Vec<UiEffect>> {
        let typing = self.typing.as_mut()?;
        typing.insert(text);
        let text = typing.text().to_owned();
        self.set_filter(&text, cx);
        Some(Vec::new())
    }

    fn caret(&self, _cx: &Cx, area: Rect) -> Option<Position> {
        let typing = self.typing.as_ref()?;
        Some(typing.caret(draw::filter_line(area)))
    }

    fn arrange(&mut self, area: Rect, cx: &Cx) {
        if self.area != area {
            self.area = area;
            self.study.arrange(area.width);
            let content = self.content(cx);
            let height = self.height(&content);
            if let Content::Table(_) = content {
                self.place.keep(content.len(), height);
            }
        }
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let area = self.draw_filter(cx, area, buf);
        let content = self.content_in(area.width, cx);
        match &content {
            Content::Lines(lines) => {
                let most = lines.len().saturating_sub(usize::from(area.height));
                for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(self.place.top.min(most))) {
                    buf.set_line(area.x, y, line, area.width);
                }
            }
            Content::Table(table) => self.draw_table(table, &content, cx, area, buf),
        }
    }

    fn commands(&self, cx: &Cx) -> Vec<CommandId> {
        use CommandId as C;
        if self.typing.is_some() {
            return vec![C::Accept, C::Cancel];
        }
        match self.tab() {
            Tab::Curves | Tab::Metrics => {
                let own = [C::Help, C::Palette, C::Metric, C::Axis, C::LogMetric, C::Smooth, C::Right, C::NextPane, C::Quit];
                return own.to_vec();
            }
            Tab::Scatter | Tab::Parallel => {
                let own = [C::Help, C::Palette, C::Metric, C::Parameter, C::Open, C::Mark, C::Right, C::NextPane, C::Quit];
                return own.to_vec();
            }
            Tab::Jobs if self.experiment().is_some() => {
                let own =
                    [C::Help, C::Palette, C::Right, C::Filter, C::Sort, C::Mark, C::Metric, C::Take, C::NextPane, C::Zoom];
                return own.to_vec();
            }
            _ => {}
        }
        if self.tab() == Tab::Files {
            return vec![C::Open, C::FileGet, C::Cancel, C::Right, C::Help, C::Palette, C::NextPane, C::Zoom, C::Quit];
        }
        if let Some(commands) = self.site_commands() {
            return commands;
        }
        let mut commands = vec![C::Help, C::Palette, C::Right];
        match self.subject(cx) {
            Some(Subject::Cluster(_)) => commands.extend([C::ScaleUp, C::ScaleDown, C::NewJob, C::Why]),
            Some(Subject::Node(_)) => commands.extend([C::Open, C::Prepare]),
            Some(Subject::Job(_)) => commands.extend([C::Open, C::Rerun, C::Stop, C::Why, C::Mark]),
            Some(Subject::Experiment(_) | Subject::Older(_)) => commands.extend([C::NewJob, C::Stop]),
            Some(Subject::Group(_) | Subject::FileServer(_)) => commands.push(C::Delete),
            Some(Subject::Workspace(_) | Subject::Clusters(_) | Subject::FileServers(_) | Subject::Experiments(_))
            | None => {}
        }
        commands.extend([C::NextPane, C::Zoom, C::Quit]);
        commands
    }

    fn scope(&self) -> Scope {
        if self.typing.is_some() { Scope::Line } else { Scope::Detail }
    }

    fn title(&self, cx: &Cx) -> Line<'static> {
        let mut spans = vec![Span::from(self.head(cx))];
        for (at, tab) in self.kind().tabs().iter().enumerate() {
            if at > 0 {
                spans.push(Span::styled(TAB_GAP, cx.style(Role::Line)));
            }
            let role = if *tab == self.tab() { Role::TabOn } else { Role::TabOff };
            // A filter can leave nothing to be selected; that is no first start.
            let hidden = *tab == Tab::Welcome && !cx.world.snapshot.workspaces.is_empty();
            spans.push(Span::styled(if hidden { "Nothing selected" } else { tab.title() }, cx.style(role)));
        }
        Line::from(spans)
    }

    fn status(&self, cx: &Cx) -> Line<'static> {
        let Some(Subject::Node(id)) = self.shown else { return Line::default() };
        let lost = cx.world.node(id).and_then(|node| match &node.reach {
            Reach::Lost { since, next_try, .. } => Some((*since, *next_try)),
            Reach::Never | Reach::Seen => None,
        });
        let Some((since, next_try)) = lost else { return Line::default() };
        let mut spans = Vec::new();
        if let Some(next) = super::about_cluster::countdown(next_try, cx) {
            spans.push(Span::styled(next, cx.style(Role::Stale)));
            spans.push(Span::styled(format!(" {} ", cx.glyph(Glyph::Dot)), cx.style(Role::Line)));
        }
        spans.push(Span::styled(format!("not seen for {}", cx.now.since(since)), cx.style(Role::Stale)));
        Line::from(spans)
    }

    fn subject(&self, cx: &Cx) -> Option<Subject> {
        match self.content(cx) {
            content @ Content::Table(_) => content.subject(self.place.at, cx).or(self.shown),
            Content::Lines(_) => self.study.subject(self.tab()).or(self.shown),
        }
    }
}
