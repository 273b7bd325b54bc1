//! What comes from outside: the core's updates and answers, time, and what follows from another selection.

use super::*;
use crate::model::rule::{Act, Fired};

/// More rules than these that come true at once are told by their number.
const RULES_TOLD_MAX: usize = 3;

impl App {
    pub(super) fn on_leaving(&mut self, reply: Result<Reply, Fault>) -> Vec<UiEffect> {
        let undone = match reply {
            Ok(Reply::Status(status)) => status.undone,
            Ok(_) | Err(_) => Vec::new(),
        };
        if undone.is_empty() || self.cx.look.demo {
            return vec![UiEffect::Quit(Leave::Quit)];
        }
        vec![UiEffect::Open(Overlay::Question(leaving(&undone)))]
    }

    pub(super) fn on_resize(&mut self, width: u16, height: u16) -> Vec<UiEffect> {
        self.screen = Rect { x: 0, y: 0, width, height };
        Vec::new()
    }

    pub(super) fn on_front(&mut self, front: bool) -> Vec<UiEffect> {
        self.front = front;
        Vec::new()
    }

    pub(super) fn on_theme_files(&mut self, own: BTreeMap<String, String>) -> Vec<UiEffect> {
        self.cx.themes = Themes::new(own);
        vec![UiEffect::Theme(self.theme_kept.clone(), true)]
    }

    pub(super) fn on_update(&mut self, update: &Update) -> Vec<UiEffect> {
        let applied = self.cx.world.apply(update);
        self.cx.seen.look(&self.cx.world, self.cx.now);
        let world = &self.cx.world;
        self.cx.marks.retain(|id| world.job(*id).is_some());
        self.tree.applied(&applied, &self.cx);
        self.detail.applied(&applied, &self.cx);
        let mut effects = self.ended(&applied.ended);
        effects.extend(self.fired(&applied.fired));
        effects.extend(self.reopen_ports());
        effects.extend(self.detail.hear(&News::Changed, &self.cx));
        effects.extend(self.log.hear(&News::Changed, &self.cx));
        for overlay in &mut self.overlays {
            effects.extend(overlay.hear(&News::Changed, &self.cx));
        }
        effects
    }

    pub(super) fn on_glance(&mut self, stored: &Update) -> Vec<UiEffect> {
        let effects = self.on_update(stored);
        self.cx.world.link = crate::tui::world::CoreLink::Opening;
        effects
    }

    /// Tells of jobs that ended: one by name, many by number.
    pub(super) fn ended(&self, jobs: &[std::sync::Arc<crate::model::state::Job>]) -> Vec<UiEffect> {
        let well = jobs.iter().filter(|j| j.state == ExecutionState::Succeeded).count();
        let kind = if well == jobs.len() { ToastKind::Good } else { ToastKind::Bad };
        let text = match jobs {
            [] => return Vec::new(),
            [job] => match (job.state, job.last.exit_code) {
                (ExecutionState::Succeeded, _) => format!("{} succeeded", shown(&job.name)),
                (_, Some(code)) => format!("{} failed with exit code {code}", shown(&job.name)),
                (_, None) => format!("{} failed: {}", shown(&job.name), shown(&job.reason(None))),
            },
            many => format!("{} jobs ended: {well} succeeded, {} failed", many.len(), many.len() - well),
        };
        let mut effects = vec![UiEffect::Toast(Toast { kind, text: text.clone() })];
        if self.cx.look.bell && !self.front {
            effects.push(UiEffect::Bell(text));
        }
        effects
    }

    /// Tells of rules that came true: each of a few, many by number.
    fn fired(&self, all: &[(String, Fired)]) -> Vec<UiEffect> {
        let line =
            |(name, fired): &(String, Fired)| format!("{}: {} ({})", shown(name), shown(&fired.why), shown(&fired.rule));
        let texts: Vec<String> = match all {
            few if few.len() <= RULES_TOLD_MAX => few.iter().map(line).collect(),
            many => vec![format!("rules came true {} times; the last: {}", many.len(), line(&many[many.len() - 1]))],
        };
        let kind = if all.iter().all(|(_, fired)| fired.act == Act::Notify) { ToastKind::Info } else { ToastKind::Bad };
        let bell = texts.last().filter(|_| self.cx.look.bell && !self.front).cloned().map(UiEffect::Bell);
        texts.into_iter().map(|text| UiEffect::Toast(Toast { kind, text })).chain(bell).collect()
    }

    pub(super) fn on_core_lost(&mut self, why: String) -> Vec<UiEffect> {
        let link = &mut self.cx.world.link;
        if !matches!(link, crate::tui::world::CoreLink::Lost { .. }) {
            *link = crate::tui::world::CoreLink::Lost { since: self.cx.now, why };
        }
        Vec::new()
    }

    pub(super) fn on_reply(&mut self, ticket: Ticket, reply: Result<Reply, Fault>) -> Vec<UiEffect> {
        if ticket.from != Asker::App {
            return self.tell(ticket, &News::Reply(ticket.number, &reply));
        }
        match self.purposes.remove(&ticket.number) {
            Some(Purpose::Leaving) => self.on_leaving(reply),
            Some(Purpose::Export(export)) => self.on_export(export, reply),
            Some(Purpose::Preview) => {
                if let Some(proposal) = self.cx.proposal.as_mut().filter(|p| p.number == ticket.number) {
                    proposal.preview = match reply {
                        Ok(Reply::Preview(preview)) => Some(Ok(preview)),
                        Ok(_) => None,
                        Err(fault) => Some(Err(shown(&fault.message))),
                    };
                }
                Vec::new()
            }
            Some(Purpose::Order) | None => {
                let mut effects = acts::answered(reply);
                self.go_by_latest(ticket.number, &mut effects);
                effects
            }
        }
    }

    /// Answers may come in another order than what was sent: the one to what was sent last says where to go.
    fn go_by_latest(&mut self, order: u64, effects: &mut Vec<UiEffect>) {
        let goes = |effect: &UiEffect| matches!(effect, UiEffect::Go(_));
        if order < self.went_for {
            effects.retain(|effect| !goes(effect));
        } else if effects.iter().any(goes) {
            self.went_for = order;
        }
    }

    /// Keeps metrics that were asked for, so that all look at the same.
    fn keep_metrics(&mut self, ticket: Ticket, news: &News<'_>) {
        let News::Reply(number, Ok(Reply::Metrics(found))) = news else { return };
        match ticket.from {
            Asker::Detail => match self.detail.asked_metrics(*number) {
                Some(Some(metric)) => self.cx.world.metrics.learn_curves(metric, found),
                Some(None) => self.cx.world.metrics.learn(found),
                None => {}
            },
            Asker::Overlay => self.cx.world.metrics.learn(found),
            Asker::App | Asker::Tree | Asker::Log => {}
        }
    }

    /// Tells whoever asked.
    pub(super) fn tell(&mut self, ticket: Ticket, news: &News<'_>) -> Vec<UiEffect> {
        self.keep_metrics(ticket, news);
        match ticket.from {
            Asker::App => Vec::new(),
            Asker::Tree => {
                if let News::Reply(number, Ok(Reply::Jobs { jobs, more })) = news {
                    let experiment = crate::model::ids::ExperimentId(*number);
                    self.cx.world.add_older(experiment, jobs.iter().map(|view| view.job.clone()), *more);
                    self.tree.applied(&crate::tui::world::Applied { whole: true, ..Default::default() }, &self.cx);
                } else if let News::Reply(number, Err(_)) = news {
                    self.cx.world.ask_older(crate::model::ids::ExperimentId(*number), false);
                }
                self.tree.hear(news, &self.cx)
            }
            Asker::Detail => self.detail.hear(news, &self.cx),
            Asker::Log => self.log.hear(news, &self.cx),
            Asker::Overlay => self.overlays.iter_mut().flat_map(|o| o.hear(news, &self.cx)).collect(),
        }
    }

    pub(super) fn on_tick(&mut self) -> Vec<UiEffect> {
        let mut effects = Vec::new();
        self.cx.seen.look(&self.cx.world, self.cx.now);
        if self.log_due.is_some_and(|due| due <= self.cx.now) {
            self.log_due = None;
            effects.extend(self.log.hear(&News::Selected(self.cx.shown.as_ref()), &self.cx));
        }
        effects.extend(self.detail.hear(&News::Tick, &self.cx));
        effects.extend(self.log.hear(&News::Tick, &self.cx));
        if let Some(top) = self.overlays.last_mut() {
            effects.extend(top.hear(&News::Tick, &self.cx));
        }
        effects
    }

    /// Tells detail and log when another row is selected; the log only once the cursor rests.
    pub(super) fn on_selection(&mut self) -> Vec<UiEffect> {
        let subject = self.tree.subject(&self.cx);
        if subject == self.cx.shown {
            return Vec::new();
        }
        self.cx.shown = subject;
        if self.cx.proposal.as_ref().is_some_and(|p| subject != Some(Subject::Cluster(p.cluster))) {
            self.cx.proposal = None;
        }
        let mut effects = self.detail.hear(&News::Selected(subject.as_ref()), &self.cx);
        if self.cx.now.since(self.selected_at) > SETTLED_AFTER {
            self.log_due = None;
            effects.extend(self.log.hear(&News::Selected(subject.as_ref()), &self.cx));
        } else {
            self.log_due = Some(self.cx.now + SETTLED_AFTER);
        }
        self.selected_at = self.cx.now;
        effects
    }
}

/// The question when something would be left undone.
fn leaving(undone: &[String]) -> Question {
    /// More lines than this say no more.
    const LISTED_MAX: usize = 6;
    let mut text = vec!["Still under way:".to_owned()];
    text.extend(undone.iter().take(LISTED_MAX).map(|line| format!("  {}", shown(line))));
    if undone.len() > LISTED_MAX {
        text.push(format!("  and {} more", undone.len() - LISTED_MAX));
    }
    text.push(String::new());
    text.push(
        "In the background ostler goes on placing what waits. Without it, jobs on nodes go on, and nothing new starts \
               until ostler is opened again."
            .to_owned(),
    );
    let answer = |label: &str, effects| Answer { label: label.to_owned(), effects };
    let answers = vec![
        answer("Go on in the background", vec![UiEffect::Quit(Leave::Background)]),
        answer("Stop ostler", vec![UiEffect::Quit(Leave::Stop)]),
        answer("Stay", Vec::new()),
    ];
    Question::new("Leave", text, answers)
}
