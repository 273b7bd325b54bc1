//! The bounds between which a cluster's number of nodes follows the work: minimum, maximum, minutes without use; what becomes of
//! jobs that hold GPUs without using them; and what all of that may cost. What Enter would do stands below while it is typed.

use ratatui::text::{Line, Span};

use super::budget::Limited;
use super::fields::{Field, Fields, FieldsWindow, Of};
use crate::model::cost::Budget;
use crate::model::ids::ClusterId;
use crate::model::request::{GpuRule, Place, Request};
use crate::model::spec::cluster::{GPU_IDLE_MIN, GPU_IDLE_THEN};
use crate::model::spec::{AutoScale, GpuIdle, ScaleSettings};
use crate::model::units::{Millis, NodeCount};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;

/// The values, in order.
const MINIMUM: usize = 0;
const MAXIMUM: usize = 1;
const IDLE: usize = 2;
const GPU_IDLE: usize = 3;
const THEN: usize = 4;
const BUDGET: usize = 5;

/// What was typed.
struct Wanted {
    minimum: NodeCount,
    maximum: NodeCount,
    idle: Millis,
    rule: Option<GpuIdle>,
    budget: Option<Budget>,
}

/// How a cluster is to follow its work.
#[derive(Debug)]
pub struct AutoScaleOf {
    name: String,
    place: Place,
    /// The target that a person has set, which this ends.
    by_hand: Option<NodeCount>,
    limited: Option<Limited>,
}

/// Returns the window, filled from what the cluster is.
pub fn window(id: ClusterId, place: Place, cx: &Cx) -> FieldsWindow<AutoScaleOf> {
    let cluster = cx.world.cluster(id);
    let (by_hand, auto) = match cluster.map(|cluster| &cluster.spec.scale_settings) {
        Some(ScaleSettings::AutoScale(auto)) => (None, *auto),
        Some(ScaleSettings::Manual { target_node_count, .. }) => {
            let most = (*target_node_count).max(NodeCount(1));
            (Some(*target_node_count), AutoScale::new(NodeCount(0), most, *target_node_count))
        }
        None => (None, AutoScale::new(NodeCount(0), NodeCount(1), NodeCount(0))),
    };
    let then = auto.gpu_idle.map(|rule| rule.then).unwrap_or_default();
    let at = GPU_IDLE_THEN.iter().position(|(_, of)| *of == then).unwrap_or(0);
    let limited = Limited::of(Subject::Cluster(id), cx);
    let mut fields = vec![
        Field::number("minimum", auto.minimum_node_count),
        Field::number("maximum", auto.maximum_node_count),
        Field::number("idle minutes", auto.idle.0.div_ceil(60_000)),
        Field::number("GPU idle minutes", auto.gpu_idle.map_or(0, |rule| rule.after.0.div_ceil(60_000))),
        Field::word("then", GPU_IDLE_THEN.iter().map(|(word, _)| *word).collect(), at),
    ];
    fields.extend(limited.iter().flat_map(Limited::fields));
    let name = cluster.map(|cluster| shown(&cluster.name)).unwrap_or_default();
    FieldsWindow::new(AutoScaleOf { name, place, by_hand, limited }, Fields::new(fields, MAXIMUM))
}

impl AutoScaleOf {
    /// Returns what is typed, or what is wrong with it.
    fn read(&self, fields: &Fields) -> Result<Wanted, String> {
        let number = |at| fields.number(at);
        let (minimum, maximum, minutes, gpu) = (number(MINIMUM)?, number(MAXIMUM)?, number(IDLE)?, number(GPU_IDLE)?);
        let (idle, after) = (Millis::from_mins(u64::from(minutes)), Millis::from_mins(u64::from(gpu)));
        let then = GPU_IDLE_THEN.get(fields.chosen(THEN)).map(|(_, then)| *then).unwrap_or_default();
        let rule = (gpu > 0).then_some(GpuIdle { after, then });
        match () {
            () if maximum == 0 => Err("the maximum is at least 1".to_owned()),
            () if minimum > maximum => Err(format!("the minimum {minimum} is above the maximum {maximum}")),
            () if rule.is_some_and(|rule| rule.after < GPU_IDLE_MIN) => {
                Err(format!("unused GPUs are minded after {GPU_IDLE_MIN} at least; 0 minds none"))
            }
            () => {
                let budget = self.limited.as_ref().map(|limited| limited.read(fields, BUDGET)).transpose()?.flatten();
                Ok(Wanted { minimum: NodeCount(minimum), maximum: NodeCount(maximum), idle, rule, budget })
            }
        }
    }
}

impl Of for AutoScaleOf {
    /// The number of nodes, the rule about GPUs, the budget, and what ends.
    const OUTCOME_LINES: u16 = 4;

    fn title(&self) -> String {
        format!(" {} · auto-scale ", self.name)
    }

    fn requests(&self, fields: &Fields) -> Option<Vec<Request>> {
        let Wanted { minimum, maximum, idle, rule, budget } = self.read(fields).ok()?;
        let gpu_idle = Some(rule.map_or(GpuRule::Off, GpuRule::On));
        let cluster = self.place.clone();
        let mut requests = Vec::new();
        // First what may be spent: the other asks for nodes.
        if self.limited.as_ref().is_some_and(|limited| limited.changes(budget)) {
            requests.push(Request::SetBudget { cluster: Some(cluster.clone()), workspace: None, budget });
        }
        requests.push(Request::AutoScale { cluster, minimum, maximum, idle: Some(idle), gpu_idle });
        Some(requests)
    }

    fn outcome(&self, fields: &Fields, cx: &Cx) -> Vec<Line<'static>> {
        let line = |role, text: String| Line::from(Span::styled(text, cx.style(role)));
        match self.read(fields) {
            Err(why) => vec![line(Role::Bad, why)],
            Ok(Wanted { minimum, maximum, idle, rule, budget }) => {
                let nodes = format!("{minimum} to {maximum} nodes as the work needs; one goes after {idle} unused");
                let ends = match self.by_hand {
                    Some(target) => format!("the target of {target} that was set by hand ends"),
                    None => "the next target set by hand ends it".to_owned(),
                };
                let minds = rule.map(|rule| line(Role::Text, rule.words()));
                let limited = self.limited.as_ref().filter(|_| budget.is_some());
                let costs = limited.map(|limited| line(Role::Text, limited.words(budget)));
                let first = [line(Role::Text, nodes)].into_iter();
                first.chain(minds).chain(costs).chain([line(Role::Muted, ends)]).collect()
            }
        }
    }
}
