//! What a cluster or a workspace may spend: how much, in which time, and what happens then. The window of auto-scale has the same
//! three values.

use ratatui::text::{Line, Span};

use super::fields::{Field, Fields, FieldsWindow, Of};
use crate::model::cost::{BRAKES, Brake, Budget, PERIODS, Period, Standing};
use crate::model::request::{Place, Request};
use crate::model::units::Money;
use crate::tui::cx::Cx;
use crate::tui::panes::about_cluster::standing;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;

/// The limit of something as it is, and what was spent there.
#[derive(Clone, Debug, Default)]
pub struct Limited {
    budget: Option<Budget>,
    total: Money,
    rate: Money,
}

impl Limited {
    /// Returns how a cluster or a workspace stands.
    pub fn of(subject: Subject, cx: &Cx) -> Option<Self> {
        let of_cluster = |standing: &Standing| (standing.spent.total(), standing.rate);
        match subject {
            Subject::Cluster(id) => {
                let cluster = cx.world.cluster(id)?;
                let (total, rate) = of_cluster(&standing(cluster, cx));
                Some(Self { budget: cluster.budget, total, rate })
            }
            Subject::Workspace(id) => {
                let workspace = cx.world.workspace(id)?;
                let clusters = cx.world.clusters_of(id).filter_map(|id| cx.world.cluster(id));
                let each = clusters.map(|cluster| of_cluster(&standing(cluster, cx)));
                let start = (workspace.spent.total(), Money(0));
                let (total, rate) = each.fold(start, |all, one| (all.0 + one.0, all.1 + one.1));
                Some(Self { budget: workspace.budget, total, rate })
            }
            _ => None,
        }
    }

    /// Returns the values to type.
    pub fn fields(&self) -> [Field; 3] {
        let amount = self.budget.map(|budget| budget.limit.to_string()).unwrap_or_default();
        let (period, then) = self.budget.map_or((Period::Month, Brake::Hold), |budget| (budget.period, budget.then));
        let at_period = PERIODS.iter().position(|(_, of)| *of == period).unwrap_or(0);
        let at_then = BRAKES.iter().position(|(_, of)| *of == then).unwrap_or(0);
        [
            Field::amount("budget", amount),
            Field::word("per", PERIODS.map(|(word, _)| word).to_vec(), at_period),
            Field::word("when used up", BRAKES.map(|(word, _)| word).to_vec(), at_then),
        ]
    }

    /// Reads what was typed into the three values from this one on; no amount is no limit.
    pub fn read(&self, fields: &Fields, from: usize) -> Result<Option<Budget>, String> {
        let text = fields.text(from);
        if text.is_empty() {
            return Ok(None);
        }
        // As it is shown, an amount may have lost its last digits: what nobody typed over stays what it is.
        let untouched = self.budget.map(|budget| budget.limit).filter(|limit| limit.to_string() == text);
        let limit = untouched.map_or_else(|| Money::parse(text), Ok).map_err(|why| format!("budget: {why}"))?;
        let period = PERIODS.get(fields.chosen(from + 1)).map(|(_, period)| *period).unwrap_or_default();
        let then = BRAKES.get(fields.chosen(from + 2)).map_or(Brake::Hold, |(_, then)| *then);
        Ok(Some(Budget::new(limit, period, then)))
    }

    /// Says whether this is another limit than there is.
    pub fn changes(&self, new: Option<Budget>) -> bool {
        let key = |budget: Budget| (budget.limit, budget.period, budget.then);
        self.budget.map(key) != new.map(key)
    }

    /// Returns what the limit means, in words.
    pub fn words(&self, new: Option<Budget>) -> String {
        match new {
            None => "no limit on what is spent".to_owned(),
            Some(mut new) => {
                // A limit for a period counts from when it is set.
                match self.budget.filter(|_| !self.changes(Some(new))) {
                    Some(now) => new = now,
                    None => new.before = if new.period == Period::Total { Money(0) } else { self.total },
                }
                let lasts = new.left(self.total).lasts(self.rate).map(|span| format!("; lasts {span}")).unwrap_or_default();
                format!("{}{lasts}", new.words(self.total))
            }
        }
    }
}

/// A budget in a window of its own.
#[derive(Debug)]
pub struct BudgetOf {
    name: String,
    cluster: Option<Place>,
    workspace: Option<String>,
    limited: Limited,
}

/// Returns the window for a cluster or a workspace, with the place or the name by which the core knows it.
pub fn window(subject: Subject, cluster: Option<Place>, workspace: Option<String>, cx: &Cx) -> FieldsWindow<BudgetOf> {
    let limited = Limited::of(subject, cx).unwrap_or_default();
    let name = cluster.as_ref().and_then(|place| place.name.clone()).or(workspace.clone()).unwrap_or_default();
    let fields = Fields::new(limited.fields().to_vec(), 0);
    FieldsWindow::new(BudgetOf { name: shown(&name), cluster, workspace, limited }, fields)
}

impl Of for BudgetOf {
    const OUTCOME_LINES: u16 = 2;

    fn title(&self) -> String {
        format!(" {} · budget ", self.name)
    }

    fn requests(&self, fields: &Fields) -> Option<Vec<Request>> {
        let budget = self.limited.read(fields, 0).ok()?;
        let (cluster, workspace) = (self.cluster.clone(), self.workspace.clone());
        let request = self.limited.changes(budget).then_some(Request::SetBudget { cluster, workspace, budget });
        Some(request.into_iter().collect())
    }

    fn outcome(&self, fields: &Fields, cx: &Cx) -> Vec<Line<'static>> {
        let (role, words) = match self.limited.read(fields, 0) {
            Err(why) => (Role::Bad, why),
            Ok(budget) => (Role::Text, self.limited.words(budget)),
        };
        let how = "an empty amount takes the limit away; space chooses a word";
        vec![Line::from(Span::styled(words, cx.style(role))), Line::from(Span::styled(how, cx.style(Role::Muted)))]
    }
}
