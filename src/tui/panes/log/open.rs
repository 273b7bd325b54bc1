//! One log that is open: which file, what of it is held, where one is in it, and what was asked of the node.
//!
//! All bytes come either from the watch (the end, as it grows) or as windows by offset. A window that answers a question
//! no longer asked is dropped, so moving fast never mixes places.

use std::collections::{BTreeMap, VecDeque};

use super::buffer::{LetGo, LineBuffer, LineId, View};
use super::filter::{Filter, Needle};
use super::merge::Merge;
use super::page::{Page, Place, Sheet, Size};
use super::search::{Looked, Search, Way};
use super::source::Bookmark;
use crate::model::fault::Fault;
use crate::model::ids::JobId;
use crate::model::request::{FileRef, FileSearch, FileWindow, From, JobRef, LogDelta, Request, Window};
use crate::model::units::UnixMillis;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::UiEffect;

/// How much is read at once: a few screens of long lines, and some milliseconds on any link (perf: windows of 64 KiB
/// take 10 to 25 ms over ssh).
pub const WINDOW_BYTES: u32 = 128 << 10;
/// How much before a place that is jumped to is read along, to show what led to it.
const LEAD_BYTES: u64 = 32 << 10;
/// More is read when fewer screens than this are held beyond what is shown.
const AHEAD_SCREENS: i64 = 3;

/// How many moments at which lines came are remembered: one a second, for a long working day.
const ARRIVALS_MAX: usize = 40_000;
/// How many marks a log may have; the oldest go.
const MARKS_MAX: usize = 100;

/// What the end of the log is like.
#[derive(Clone, Debug, PartialEq)]
pub enum Tail {
    /// Nothing was heard yet.
    Opening,
    /// It grows.
    Live,
    /// The file is not there yet.
    Waiting,
    /// The link is lost.
    Interrupted(String),
    /// The job has ended and all was sent.
    Ended,
    /// It cannot be followed.
    Failed(Fault),
}

/// What a question to the node was for.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// What stands before what is held.
    Before,
    /// What stands after it.
    After,
    /// The part around an offset, which is then shown.
    Jump(u64, Landing),
    /// The next match.
    Find(Way),
    /// The first of several texts: how many answers are missing, and which offset is the least so far, is in `Hunt`.
    Hunt,
}

/// Where a place that is jumped to comes to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// In the first row.
    Top,
    /// A third down the screen, and standing out.
    Hit,
}

/// A search for the first of several texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunt {
    left: usize,
    least: Option<u64>,
}

/// What the person should hear of what just happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// No match that way.
    NotFound(Way),
    /// None of the texts is in the file.
    HuntFailed,
    /// It did not work, in words.
    Trouble(String),
}

/// An open log.
#[derive(Debug)]
pub struct OpenLog {
    /// Whose.
    pub job: JobId,
    /// The index of the node in the attempt.
    pub node: u32,
    /// The file's name.
    pub file: String,
    /// The id of its directory; the logs when absent.
    pub directory: Option<String>,
    /// What is held.
    pub buffer: LineBuffer,
    /// What is looked at.
    pub place: Place,
    /// Columns left out on the left.
    pub skip: usize,
    /// Only these lines.
    pub filter: Option<Filter>,
    /// What is searched.
    pub search: Option<Search>,
    /// The end.
    pub tail: Tail,
    /// Lines that came since one left the end.
    pub new_lines: u64,
    /// The number of the watch.
    pub watch: u64,
    /// All ranks in one, instead of one file.
    pub merge: Option<Merge>,
    /// When which bytes came: the offset after them, and the time; from below.
    arrivals: VecDeque<(u64, UnixMillis)>,
    /// The offset at which the first bytes came whose time is known.
    arrivals_from: u64,
    /// Lines below which a mark was dropped, and when.
    pub marks: VecDeque<(LineId, UnixMillis)>,
    asks: BTreeMap<u64, Ask>,
    hunt: Hunt,
    /// Nothing came from this watch yet: its first bytes say where the end is and are not news.
    fresh: bool,
    /// The end is asked for: what comes next takes the place of what is held.
    renew: bool,
    inode: Option<u64>,
    /// Reading failed; only a person's next step tries again.
    stuck: bool,
}

/// Gives numbers to watches and questions.
pub type Numbers = u64;

fn next(numbers: &mut Numbers) -> u64 {
    *numbers += 1;
    *numbers
}

impl OpenLog {
    /// Opens a log at its end, or where one was: at an offset.
    pub fn new(job: JobId, mark: &Bookmark, numbers: &mut Numbers) -> (Self, Vec<UiEffect>) {
        let at = mark.at;
        let mut log = Self {
            job,
            node: mark.node,
            file: mark.file.clone(),
            directory: mark.directory.clone(),
            buffer: LineBuffer::default(),
            place: Place::Follow,
            skip: 0,
            filter: None,
            search: None,
            tail: Tail::Opening,
            new_lines: 0,
            watch: next(numbers),
            merge: None,
            arrivals: VecDeque::new(),
            arrivals_from: 0,
            marks: VecDeque::new(),
            asks: BTreeMap::new(),
            hunt: Hunt::default(),
            fresh: true,
            renew: at.is_none(),
            inode: None,
            stuck: false,
        };
        let mut effects = vec![UiEffect::Watch(log.watch, log.file_ref(), From::End)];
        if let Some(offset) = at {
            log.buffer.jump(offset);
            log.place = Place::At { id: log.buffer.first_id(), row: 0 };
            effects.extend(log.jump(offset, Landing::Top, numbers));
        }
        (log, effects)
    }

    /// Returns what the core calls the file.
    pub fn file_ref(&self) -> FileRef {
        let log = FileRef::log(JobRef::Id(self.job), self.file.clone(), self.node);
        FileRef { directory: self.directory.clone(), ..log }
    }

    fn ask(&mut self, ask: Ask, request: Request, numbers: &mut Numbers) -> UiEffect {
        let number = next(numbers);
        self.asks.insert(number, ask);
        UiEffect::Ask(Ticket { from: Asker::Log, number }, request)
    }

    fn read(&mut self, ask: Ask, from: From, numbers: &mut Numbers) -> UiEffect {
        let request = Request::ReadFile(FileWindow { file: self.file_ref(), from, bytes: WINDOW_BYTES });
        self.ask(ask, request, numbers)
    }

    fn is_asked(&self, ask: &Ask) -> bool {
        self.asks.values().any(|asked| asked == ask)
    }

    /// Returns the held lines as they are laid out.
    pub fn sheet(&self, size: Size) -> Sheet<'_> {
        Sheet { buffer: &self.buffer, filter: self.filter.as_ref(), size }
    }

    /// Returns what is on the screen.
    pub fn page(&self, size: Size) -> Page {
        self.sheet(size).page(self.place)
    }

    /// Says whether the end is looked at.
    pub fn following(&self) -> bool {
        self.place == Place::Follow
    }

    /// Says whether something is being read that one waits for.
    pub fn reading(&self) -> bool {
        self.asks.values().any(|ask| matches!(ask, Ask::Jump(..) | Ask::Before | Ask::After))
    }

    /// Takes a piece of the watched file.
    pub fn hear(&mut self, watch: u64, delta: &LogDelta, now: UnixMillis) {
        if let Some(merge) = &mut self.merge {
            let text = merge.hear(watch, delta, now);
            return self.merged(&text, now);
        }
        match delta {
            LogDelta::Appended(window) => self.appended(window, now),
            LogDelta::Skipped { from, to } => {
                self.tail = Tail::Live;
                self.buffer.skipped(*from, *to);
            }
            LogDelta::Restarted { truncated } => {
                self.asks.retain(|_, ask| matches!(ask, Ask::Find(_) | Ask::Hunt));
                self.inode = None;
                self.arrivals.clear();
                self.buffer.restarted(*truncated);
                if let Some(search) = &mut self.search {
                    search.hit = None;
                }
            }
            LogDelta::Waiting => self.tail = Tail::Waiting,
            LogDelta::Interrupted { why } => self.tail = Tail::Interrupted(why.clone()),
            LogDelta::Ended => self.tail = Tail::Ended,
            LogDelta::Failed(fault) => self.tail = Tail::Failed(fault.clone()),
        }
        self.sift();
    }

    /// Takes the next text of the merged ranks.
    fn merged(&mut self, text: &[u8], now: UnixMillis) {
        let over = self.merge.as_ref().is_some_and(Merge::is_over);
        let offset = self.buffer.end_offset().unwrap_or(0);
        if !text.is_empty() {
            let bytes = text.to_vec();
            let size = offset + bytes.len() as u64;
            self.appended(&Window { offset, bytes, size, inode: 0 }, now);
        }
        self.tail = if over { Tail::Ended } else { Tail::Live };
        self.sift();
    }

    /// Time has passed: ranks that have not answered are not waited for any longer.
    pub fn tick(&mut self, now: UnixMillis) {
        if let Some(merge) = &mut self.merge {
            let text = merge.flow(now);
            if !text.is_empty() {
                self.merged(&text, now);
            }
        }
    }

    /// Says whether a watch is one of this log's.
    pub fn owns(&self, watch: u64) -> bool {
        self.merge.as_ref().map_or(self.watch == watch, |merge| merge.owns(watch))
    }

    /// Returns the numbers of its watches.
    pub fn watches(&self) -> Vec<u64> {
        self.merge.as_ref().map_or_else(|| vec![self.watch], |merge| merge.watches().map(|(watch, _)| watch).collect())
    }

    /// Returns when the byte at an offset came, if it came while it was watched.
    pub fn came(&self, offset: u64) -> Option<UnixMillis> {
        let at = self.arrivals.partition_point(|(end, _)| *end <= offset);
        self.arrivals.get(at).filter(|_| offset >= self.arrivals_from).map(|(_, time)| *time)
    }

    fn note_arrival(&mut self, from: u64, upto: u64, now: UnixMillis) {
        if self.arrivals.is_empty() {
            self.arrivals_from = from;
        }
        match self.arrivals.back_mut() {
            Some((end, time)) if now.0 / 1000 == time.0 / 1000 => *end = upto,
            Some(_) | None => self.arrivals.push_back((upto, now)),
        }
        if self.arrivals.len() > ARRIVALS_MAX
            && let Some((end, _)) = self.arrivals.pop_front()
        {
            self.arrivals_from = end;
        }
    }

    /// Drops a mark below the last line; `false` when there is none.
    pub fn mark(&mut self, now: UnixMillis) -> bool {
        let last = self.buffer.end_id().plus(-1);
        let any = last >= self.buffer.first_id();
        if any {
            self.marks.retain(|(id, _)| *id != last);
            self.marks.push_back((last, now));
        }
        if self.marks.len() > MARKS_MAX {
            self.marks.pop_front();
        }
        any
    }

    fn appended(&mut self, window: &Window, now: UnixMillis) {
        self.tail = Tail::Live;
        self.inode = Some(window.inode);
        if std::mem::take(&mut self.renew) {
            self.buffer.clear();
            self.place = Place::Follow;
            self.asks.retain(|_, ask| matches!(ask, Ask::Find(_) | Ask::Hunt));
            self.arrivals.clear();
        }
        if !self.fresh {
            self.note_arrival(window.offset, window.offset + window.bytes.len() as u64, now);
        }
        // Merged text cannot be read again.
        let let_go = if self.following() || self.merge.is_some() { LetGo::Front } else { LetGo::Nothing };
        let lines = self.buffer.append(window.offset, &window.bytes, window.size, let_go);
        let news = !std::mem::take(&mut self.fresh) && !self.following();
        self.new_lines = if self.following() { 0 } else { self.new_lines + if news { lines } else { 0 } };
    }

    fn sift(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.follow(&self.buffer);
        }
    }

    /// Takes the answer to a window or search. `None` when it answers nothing that is still asked.
    pub fn answer(
        &mut self,
        number: u64,
        reply: &Result<Answer, Fault>,
        size: Size,
        numbers: &mut Numbers,
    ) -> Option<(Heard, Vec<UiEffect>)> {
        let ask = self.asks.remove(&number)?;
        let answer = match reply {
            Ok(answer) => answer,
            Err(fault) => {
                self.stuck = true;
                self.forget_question(number);
                return Some((Heard::Trouble(fault.message.clone()), Vec::new()));
            }
        };
        let (heard, effects) = match (ask, answer) {
            (Ask::Before, Answer::Window(window)) => (self.grown_front(window), Vec::new()),
            (Ask::After, Answer::Window(window)) => {
                let fits = self.same_file(window);
                if fits && window.bytes.is_empty() && window.size <= window.offset {
                    // The file is shorter than what the follower said: it will tell of the restart.
                    self.stuck = true;
                }
                if fits {
                    self.buffer.extend(window.offset, &window.bytes, window.size);
                }
                (Heard::Nothing, Vec::new())
            }
            (Ask::Jump(target, landing), Answer::Window(window)) => (self.landed(window, target, landing, size), Vec::new()),
            (Ask::Find(way), Answer::Found(offset)) => self.found(number, *offset, way, size, numbers),
            (Ask::Hunt, Answer::Found(offset)) => self.hunted(*offset, size, numbers),
            (_, Answer::Window(_) | Answer::Found(_)) => {
                (Heard::Trouble("the core answered something else".to_owned()), vec![])
            }
        };
        self.sift();
        Some((heard, effects))
    }

    fn forget_question(&mut self, number: u64) {
        if let Some(search) = &mut self.search
            && search.asked.is_some_and(|(asked, _)| asked == number)
        {
            search.asked = None;
        }
    }

    /// Says whether a window is of the file that is held.
    fn same_file(&mut self, window: &Window) -> bool {
        *self.inode.get_or_insert(window.inode) == window.inode
    }

    fn grown_front(&mut self, window: &Window) -> Heard {
        if !self.same_file(window) {
            return Heard::Trouble("the file was replaced meanwhile; G goes to its end".to_owned());
        }
        if let (Some(seam), Some(filter)) = (self.buffer.prepend(window.offset, &window.bytes), &mut self.filter) {
            filter.grew(seam);
        }
        Heard::Nothing
    }

    fn landed(&mut self, window: &Window, target: u64, landing: Landing, size: Size) -> Heard {
        if !self.same_file(window) {
            return Heard::Trouble("the file was replaced meanwhile; G goes to its end".to_owned());
        }
        self.asks.retain(|_, ask| matches!(ask, Ask::Find(_) | Ask::Hunt));
        self.renew = false;
        self.buffer.jump(window.offset);
        self.buffer.extend(window.offset, &window.bytes, window.size);
        self.sift();
        let end = self.buffer.end_offset().unwrap_or(0);
        let id = self.buffer.id_at_offset(target.min(end.saturating_sub(1))).unwrap_or(self.buffer.first_id());
        let cut = matches!(self.buffer.get(id), Some(View::Line { headless: true, .. }));
        self.show(if cut { id.plus(1) } else { id }, landing, size);
        Heard::Nothing
    }

    fn show(&mut self, id: LineId, landing: Landing, size: Size) {
        let above = match landing {
            Landing::Top => 0,
            Landing::Hit => size.height / 3,
        };
        self.place = self.sheet(size).show(id, above);
    }

    /// Goes to an offset: at once when it is held, else by reading around it.
    pub fn jump(&mut self, target: u64, landing: Landing, numbers: &mut Numbers) -> Vec<UiEffect> {
        self.asks.retain(|_, ask| !matches!(ask, Ask::Jump(..) | Ask::Before | Ask::After));
        let from = target.saturating_sub(LEAD_BYTES);
        vec![self.read(Ask::Jump(target, landing), From::Start(from), numbers)]
    }

    /// Goes to an offset, reading only when it is not held.
    pub fn go(&mut self, target: u64, landing: Landing, size: Size, numbers: &mut Numbers) -> Vec<UiEffect> {
        self.stuck = false;
        if self.merge.is_some() {
            let held = self.buffer.front_offset().unwrap_or(0).max(target);
            let id = self.buffer.id_at_offset(held).unwrap_or(self.buffer.first_id());
            self.show(id, landing, size);
            return Vec::new();
        }
        match self.buffer.id_at_offset(target) {
            Some(id) if !matches!(self.buffer.get(id), Some(View::Line { headless: true, .. })) => {
                self.show(id, landing, size);
                Vec::new()
            }
            Some(_) | None => self.jump(target, landing, numbers),
        }
    }

    /// Goes to the end and follows it.
    pub fn follow(&mut self, numbers: &mut Numbers) -> Vec<UiEffect> {
        self.stuck = false;
        if self.buffer.attached() {
            self.place = Place::Follow;
            self.new_lines = 0;
            return Vec::new();
        }
        self.watch_again(numbers)
    }

    /// Follows anew from the end of the file.
    pub fn watch_again(&mut self, numbers: &mut Numbers) -> Vec<UiEffect> {
        let former = std::mem::replace(&mut self.watch, next(numbers));
        (self.renew, self.fresh, self.new_lines) = (true, true, 0);
        vec![UiEffect::Unwatch(former), UiEffect::Watch(self.watch, self.file_ref(), From::End)]
    }

    /// Goes up, and reads what is before when the first line is reached.
    pub fn up(&mut self, rows: usize, size: Size, numbers: &mut Numbers) -> Vec<UiEffect> {
        self.stuck = false;
        let (place, moved) = self.sheet(size).up(self.place, rows);
        self.place = place;
        if !moved {
            // All of what is held is in sight: a gap in it is read from below.
            let shown = self.page(size);
            let gap =
                shown.rows.iter().rev().map(|row| row.id).find(|id| matches!(self.buffer.get(*id), Some(View::Gap { .. })));
            gap.into_iter().for_each(|gap| self.buffer.forget_through(gap));
            self.sift();
        }
        if !moved && self.can_grow_front() && !self.is_asked(&Ask::Before) {
            let front = self.buffer.front_offset().unwrap_or(0);
            return vec![self.read(Ask::Before, From::Before(front), numbers)];
        }
        Vec::new()
    }

    /// Goes down.
    pub fn down(&mut self, rows: usize, size: Size) {
        self.stuck = false;
        self.place = self.sheet(size).down(self.place, rows);
        if self.following() {
            self.new_lines = 0;
        }
    }

    /// Reads on where what is shown comes near to an end of what is held, and closes gaps that have come into sight.
    pub fn want(&mut self, size: Size, numbers: &mut Numbers) -> Vec<UiEffect> {
        if self.stuck || self.renew || self.merge.is_some() || self.asks.values().any(|ask| matches!(ask, Ask::Jump(..))) {
            return Vec::new();
        }
        let page = self.page(size);
        self.close_gap(&page);
        let (Some(top), Some(bottom)) = (page.rows.first(), page.rows.last()) else { return Vec::new() };
        let ahead = size.height as i64 * AHEAD_SCREENS;
        let near_front = top.id.0 - self.buffer.first_id().0 < ahead;
        let near_end = self.buffer.end_id().0 - bottom.id.0 < ahead;
        let mut effects = Vec::new();
        // With a filter on, each step up reads one window more: else a rare text would pull in the whole file.
        let sparse = self.filter.is_some() || self.following() && page.rows.len() == size.height;
        if near_front && !sparse && self.can_grow_front() && !self.is_asked(&Ask::Before) {
            let front = self.buffer.front_offset().unwrap_or(0);
            effects.push(self.read(Ask::Before, From::Before(front), numbers));
        }
        if near_end && !self.buffer.attached() && !self.is_asked(&Ask::After) {
            let end = self.buffer.end_offset().unwrap_or(0);
            effects.push(self.read(Ask::After, From::Start(end), numbers));
        }
        effects
    }

    /// A gap is in sight and one does not follow: lets go of one side, so that reading on closes it. What stands in the first
    /// row stays.
    fn close_gap(&mut self, page: &Page) {
        let is_gap = |id: LineId| matches!(self.buffer.get(id), Some(View::Gap { .. }));
        let Some(gap) = page.rows.iter().map(|row| row.id).find(|id| is_gap(*id)) else { return };
        if self.following() {
            return;
        }
        if page.rows.first().is_some_and(|row| row.id < gap) {
            self.buffer.truncate_after(gap.plus(-1));
        } else {
            self.buffer.forget_through(gap);
        }
        self.sift();
    }

    /// Says whether there may be more before what is held; of merged ranks only what came is held.
    pub fn can_grow_front(&self) -> bool {
        self.merge.is_none() && self.buffer.can_grow_front()
    }

    /// Shows only lines with a text, or all again where none is typed.
    pub fn set_filter(&mut self, typed: &str) {
        self.filter = Filter::read(typed, &self.buffer);
    }

    /// Begins a search. While the end is followed it goes up, since nothing is below.
    pub fn search(&mut self, needle: Needle, size: Size, numbers: &mut Numbers) -> (Heard, Vec<UiEffect>) {
        self.search = Some(Search::new(needle));
        let way = if self.following() { Way::Up } else { Way::Down };
        self.find(way, size, numbers)
    }

    /// Goes to the next match.
    pub fn find(&mut self, way: Way, size: Size, numbers: &mut Numbers) -> (Heard, Vec<UiEffect>) {
        self.stuck = false;
        let page = self.page(size);
        let here = match (self.following(), way, page.rows.first()) {
            (true, Way::Up, _) | (_, _, None) => self.buffer.end_id().plus(-1),
            (_, Way::Down, Some(top)) => top.id,
            (_, Way::Up, Some(top)) => top.id.plus(-1),
        };
        let Some(search) = &mut self.search else { return (Heard::Nothing, Vec::new()) };
        search.asked = None;
        let from = search.start(&self.buffer, here, way);
        match search.look(&self.buffer, from, way) {
            Looked::Found(id) => {
                self.hit(id, size);
                (Heard::Nothing, Vec::new())
            }
            Looked::Nowhere => (Heard::NotFound(way), Vec::new()),
            Looked::Beyond(_) if self.merge.is_some() => (Heard::NotFound(way), Vec::new()),
            Looked::Beyond(offset) => {
                let (text, backwards) = (search.needle.text().to_owned(), way == Way::Up);
                let request = Request::SearchFile(FileSearch { file: self.file_ref(), text, from: offset, backwards });
                self.asks.retain(|_, ask| !matches!(ask, Ask::Find(_)));
                let effect = self.ask(Ask::Find(way), request, numbers);
                if let (Some(search), UiEffect::Ask(ticket, _)) = (&mut self.search, &effect) {
                    search.asked = Some((ticket.number, way));
                }
                (Heard::Nothing, vec![effect])
            }
        }
    }

    fn hit(&mut self, id: LineId, size: Size) {
        if let (Some(View::Line { offset, .. }), Some(search)) = (self.buffer.get(id), &mut self.search) {
            search.hit = Some(offset);
        }
        self.show(id, Landing::Hit, size);
    }

    fn found(
        &mut self,
        number: u64,
        offset: Option<u64>,
        way: Way,
        size: Size,
        numbers: &mut Numbers,
    ) -> (Heard, Vec<UiEffect>) {
        let Some(search) = &mut self.search else { return (Heard::Nothing, Vec::new()) };
        if search.asked.is_none_or(|(asked, _)| asked != number) {
            return (Heard::Nothing, Vec::new());
        }
        search.asked = None;
        let Some(offset) = offset else { return (Heard::NotFound(way), Vec::new()) };
        search.hit = Some(offset);
        (Heard::Nothing, self.go(offset, Landing::Hit, size, numbers))
    }

    /// Stops a search that the node has not answered; says whether there was one.
    pub fn stop_search(&mut self) -> bool {
        let hunting = self.hunt.left > 0;
        self.hunt = Hunt::default();
        self.asks.retain(|_, ask| !matches!(ask, Ask::Find(_) | Ask::Hunt));
        self.search.as_mut().and_then(|search| search.asked.take()).is_some() || hunting
    }

    /// Says whether the node is searching.
    pub fn searching(&self) -> bool {
        self.hunt.left > 0 || self.search.as_ref().is_some_and(|search| search.asked.is_some())
    }

    /// Goes to the first line of the file that holds any of these texts.
    pub fn hunt(&mut self, texts: &[&str], size: Size, numbers: &mut Numbers) -> (Heard, Vec<UiEffect>) {
        self.stop_search();
        if self.merge.is_some() {
            return (self.hunt_held(texts, size), Vec::new());
        }
        self.hunt = Hunt { left: texts.len(), least: None };
        let file = self.file_ref();
        let request = |text: &&str| {
            Request::SearchFile(FileSearch { file: file.clone(), text: (*text).to_owned(), from: 0, backwards: false })
        };
        let requests: Vec<Request> = texts.iter().map(request).collect();
        (Heard::Nothing, requests.into_iter().map(|request| self.ask(Ask::Hunt, request, numbers)).collect())
    }

    /// The same in what is held.
    fn hunt_held(&mut self, texts: &[&str], size: Size) -> Heard {
        let needles: Vec<Needle> = texts.iter().filter_map(|text| Needle::new(text)).collect();
        let mut id = self.buffer.first_id();
        while let Some(view) = self.buffer.get(id) {
            if let View::Line { offset, bytes, .. } = view
                && needles.iter().any(|needle| needle.is_in(offset, bytes))
            {
                self.show(id, Landing::Hit, size);
                return Heard::Nothing;
            }
            id = id.plus(1);
        }
        Heard::HuntFailed
    }

    fn hunted(&mut self, offset: Option<u64>, size: Size, numbers: &mut Numbers) -> (Heard, Vec<UiEffect>) {
        self.hunt.left = self.hunt.left.saturating_sub(1);
        self.hunt.least = self.hunt.least.into_iter().chain(offset).min();
        match (self.hunt.left, self.hunt.least) {
            (0, Some(offset)) => (Heard::Nothing, self.go(offset, Landing::Hit, size, numbers)),
            (0, None) => (Heard::HuntFailed, Vec::new()),
            (_, _) => (Heard::Nothing, Vec::new()),
        }
    }
}

/// What the node answered to a question about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A part of it.
    Window(Window),
    /// Where a text is.
    Found(Option<u64>),
}
