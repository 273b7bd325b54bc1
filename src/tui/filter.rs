//! What is typed after `/`: words are matched fuzzily with names, `field:value` exactly; all of them have to hold, and
//! `!` turns one round.

use std::cell::RefCell;
use std::fmt;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::model::names::expand_hosts;
use crate::model::site::{SiteJob, SiteNode};
use crate::model::spec::token;
use crate::model::state::{Job, Node};
use crate::model::units::Millis;
use crate::tui::equivalent::priority_word;
use crate::tui::world::World;

/// What can stand before a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The state of a job or node.
    State,
    /// A node of a job.
    Node,
    /// The cluster of a job or node.
    Cluster,
    /// The experiment of a job.
    Experiment,
    /// The priority of a job.
    Priority,
    /// The exit code of a job.
    Exit,
    /// A variable of a job's environment or a part of its command line: `param:lr=0.1`.
    Param,
    /// How long ago a job was submitted, started or ended at most: `since:2h`.
    Since,
    /// Whose a job of Slurm's queue is, or who has a node of Slurm's; `you` is oneself: `user:ana`.
    User,
    /// A partition of Slurm's.
    Partition,
    /// The account that pays for a job of Slurm's queue.
    Account,
    /// The quality of service of a job of Slurm's queue.
    Qos,
}

/// How a parameter is compared: `lr>0.01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    More,
}

/// Longer signs first: `>=` is no `>`.
const RELATIONS: &[(&str, Relation)] = &[
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    ("!=", Relation::NotEqual),
    (">", Relation::More),
    ("<", Relation::Less),
    ("=", Relation::Equal),
];

/// A parameter or a metric of a job and what it has to be.
#[derive(Clone, Debug, PartialEq)]
struct Compare {
    name: String,
    relation: Relation,
    value: String,
    not: bool,
}

impl Compare {
    /// Reads `lr>0.01`; a value that is still missing compares nothing.
    fn read(text: &str, not: bool) -> Option<Self> {
        let (at, sign, relation) = RELATIONS
            .iter()
            .filter_map(|(sign, relation)| text.find(sign).map(|at| (at, *sign, *relation)))
            .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())))?;
        let (name, value) = (&text[..at], &text[at + sign.len()..]);
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let named = !name.is_empty() && name.chars().all(fits);
        named.then(|| Self { name: name.to_lowercase(), relation, value: value.to_lowercase(), not })
    }

    /// Says whether a parameter of a job, or the last reading of a metric, is as it has to be.
    fn holds(&self, job: &Job, world: &World) -> bool {
        let swept = job.sweep.as_ref().map_or(&[][..], |member| &member.parameters);
        let swept =
            swept.iter().find(|(name, _)| name.eq_ignore_ascii_case(&self.name)).map(|(_, value)| token::text(value));
        let metric = || world.metrics.last(job.id, &self.name).map(|value| value.to_string());
        let params = || {
            let own = crate::tui::panes::params(job).into_iter().find(|(name, _)| name.to_lowercase() == self.name);
            own.map(|(_, value)| value)
        };
        let Some(own) = swept.or_else(params).or_else(metric) else { return false };
        let own = own.to_lowercase();
        let order = match (own.parse::<f64>(), self.value.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.partial_cmp(&b),
            (_, _) => Some(own.cmp(&self.value)),
        };
        order.is_some_and(|order| match self.relation {
            Relation::Less => order.is_lt(),
            Relation::AtMost => order.is_le(),
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::AtLeast => order.is_ge(),
            Relation::More => order.is_gt(),
        })
    }
}

const FIELDS: &[(&str, Field)] = &[
    ("state", Field::State),
    ("node", Field::Node),
    ("cluster", Field::Cluster),
    ("experiment", Field::Experiment),
    ("exp", Field::Experiment),
    ("priority", Field::Priority),
    ("exit", Field::Exit),
    ("param", Field::Param),
    ("since", Field::Since),
    ("user", Field::User),
    ("partition", Field::Partition),
    ("account", Field::Account),
    ("qos", Field::Qos),
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exact {
    field: Field,
    value: String,
    not: bool,
}

/// A filter, ready to be asked.
pub struct Filter {
    text: String,
    words: Pattern,
    has_words: bool,
    exact: Vec<Exact>,
    compared: Vec<Compare>,
    // Matching needs a scratch pad; drawing, which highlights what matched, has only `&self`.
    matcher: RefCell<Matcher>,
}

impl Default for Filter {
    fn default() -> Self {
        Self::new("")
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}

impl Filter {
    /// Reads a filter. Every text is one: what is no field is a word.
    pub fn new(text: &str) -> Self {
        let mut words = Vec::new();
        let mut exact = Vec::new();
        let mut compared = Vec::new();
        for part in text.split_whitespace() {
            let (not, plain) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
            let field = plain.split_once(':').and_then(|(name, value)| {
                let (_, field) = FIELDS.iter().find(|(n, _)| *n == name)?;
                Some(Exact { field: *field, value: value.to_lowercase(), not })
            });
            match (field, Compare::read(plain, not)) {
                (Some(field), _) => exact.push(field),
                (None, Some(compare)) => compared.push(compare),
                (None, None) => words.push(part),
            }
        }
        let words = words.join(" ");
        Self {
            text: text.to_owned(),
            has_words: !words.is_empty(),
            words: Pattern::parse(&words, CaseMatching::Smart, Normalization::Smart),
            // A value still being typed filters nothing away.
            exact: exact.into_iter().filter(|e: &Exact| !e.value.is_empty()).collect(),
            compared: compared.into_iter().filter(|c: &Compare| !c.value.is_empty()).collect(),
            matcher: RefCell::new(Matcher::new(Config::DEFAULT)),
        }
    }

    /// Returns the text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether everything passes.
    pub fn is_empty(&self) -> bool {
        !self.has_words && !self.has_fields()
    }

    /// Says whether it asks for fields, which only jobs and nodes have.
    pub fn has_fields(&self) -> bool {
        !self.exact.is_empty() || !self.compared.is_empty()
    }

    /// Says whether a name passes its words.
    pub fn name(&self, name: &str) -> bool {
        if !self.has_words {
            return true;
        }
        let mut buffer = Vec::new();
        self.words.score(Utf32Str::new(name, &mut buffer), &mut self.matcher.borrow_mut()).is_some()
    }

    /// Returns the positions of the characters of a name that its words matched.
    pub fn marks(&self, name: &str) -> Vec<u32> {
        if !self.has_words {
            return Vec::new();
        }
        let mut buffer = Vec::new();
        let mut marks = Vec::new();
        self.words.indices(Utf32Str::new(name, &mut buffer), &mut self.matcher.borrow_mut(), &mut marks);
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// Says whether a job passes.
    pub fn job(&self, job: &Job, world: &World) -> bool {
        self.exact.iter().all(|e| e.not != job_has(job, e, world))
            && self.compared.iter().all(|c| c.not != c.holds(job, world))
            && self.name(&job.name)
    }

    /// Says whether a job of Slurm's queue passes: words are matched with its number, its name, its user and its partition.
    pub fn site_job(&self, job: &SiteJob) -> bool {
        let words = || self.name(&format!("{} {} {} {}", job.id, job.name, job.user, job.partition));
        self.compared.is_empty() && self.exact.iter().all(|e| e.not != site_job_has(job, e)) && words()
    }

    /// Says whether a node of Slurm's passes, on which these have jobs.
    pub fn site_node<'a>(&self, node: &SiteNode, users: impl Iterator<Item = &'a str>) -> bool {
        let users: Vec<&str> = users.collect();
        self.compared.is_empty()
            && self.exact.iter().all(|e| e.not != site_node_has(node, &users, e))
            && (self.name(&node.name) || users.iter().any(|user| self.name(user)))
    }

    /// Says whether a node passes.
    pub fn node(&self, node: &Node, world: &World) -> bool {
        // Nodes have no parameters.
        self.compared.is_empty() && self.exact.iter().all(|e| e.not != node_has(node, e, world)) && self.name(&node.name)
    }
}

fn site_job_has(job: &SiteJob, exact: &Exact) -> bool {
    let value = exact.value.as_str();
    match exact.field {
        Field::State if "queued".starts_with(value) && !value.is_empty() => job.waits(),
        Field::State if value == "held" => job.held(),
        Field::State => job.state.to_lowercase().starts_with(value),
        Field::Node => expand_hosts(&job.on).is_ok_and(|names| names.iter().any(|name| same(name, value))),
        Field::User => same(&job.user, value) || (job.mine && value == "you"),
        Field::Partition => job.partition.split(',').any(|name| same(name, value)),
        Field::Account => same(&job.account, value),
        Field::Qos => same(&job.qos, value),
        Field::Priority => job.priority.to_string() == value,
        Field::Cluster | Field::Experiment | Field::Exit | Field::Param | Field::Since => false,
    }
}

fn site_node_has(node: &SiteNode, users: &[&str], exact: &Exact) -> bool {
    let value = exact.value.as_str();
    match exact.field {
        Field::State => node.state.to_lowercase().starts_with(value) || node.standing().1.contains(value),
        Field::Node => same(&node.name, value),
        Field::User => users.iter().any(|user| same(user, value)),
        Field::Partition => node.partitions.iter().any(|name| same(name, value)),
        Field::Account | Field::Qos | Field::Priority => false,
        Field::Cluster | Field::Experiment | Field::Exit | Field::Param | Field::Since => false,
    }
}

fn same(name: &str, value: &str) -> bool {
    name.to_lowercase() == value
}

fn job_has(job: &Job, exact: &Exact, world: &World) -> bool {
    let value = exact.value.as_str();
    match exact.field {
        Field::State => job.state.word().starts_with(value) || (value == "held" && job.held),
        Field::Node => job.last.node_names.iter().any(|name| same(name, value)),
        Field::Cluster => world.cluster(job.cluster).is_some_and(|c| same(&c.name, value)),
        Field::Experiment => world.experiment(job.experiment).is_some_and(|e| same(&e.name, value)),
        Field::Priority => priority_word(job.priority) == value,
        Field::Exit => job.last.exit_code.is_some_and(|code| code.to_string() == value),
        // Those are of Slurm's queue.
        Field::User | Field::Partition | Field::Account | Field::Qos => false,
        Field::Since => Millis::parse(value).is_ok_and(|span| {
            let newest = [Some(job.created), job.last.started, job.last.ended].into_iter().flatten().max();
            newest.is_some_and(|at| world.at.since(at) <= span)
        }),
        Field::Param => {
            let holds = |name: &str, text: &str| format!("{name}={text}").to_lowercase().contains(value);
            job.spec.environment_variables.iter().any(|v| holds(&v.name, &v.value))
                || job.spec.toolkit.command_line().to_lowercase().contains(value)
        }
    }
}

fn node_has(node: &Node, exact: &Exact, world: &World) -> bool {
    let value = exact.value.as_str();
    match exact.field {
        Field::State => node.state.word().starts_with(value) || (value == "drained" && node.drained),
        Field::Node => same(&node.name, value),
        Field::Cluster => world.cluster(node.cluster).is_some_and(|c| same(&c.name, value)),
        Field::Experiment | Field::Priority | Field::Exit | Field::Param | Field::Since => false,
        Field::User | Field::Partition | Field::Account | Field::Qos => false,
    }
}
