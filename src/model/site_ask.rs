//! What a person wants to know of those who place a cluster's jobs, beyond their queue: what jobs used, of what a priority is made, what
//! an account may. It is asked for when a person does, answered from their own programs, and never stored. All texts are theirs.

use serde::{Deserialize, Serialize};

use crate::model::site_use::SiteUse;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SiteAsk {
    /// What jobs asked for and used, by their numbers: [`SiteSaid::Uses`].
    #[serde(rename_all = "camelCase")]
    Uses { ids: Vec<String> },
    /// Of what the priorities of waiting jobs are made: [`SiteSaid::Priorities`].
    #[serde(rename_all = "camelCase")]
    Priorities { ids: Vec<String> },
    /// What the person's accounts have used and may: [`SiteSaid::Shares`].
    Shares,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SiteSaid {
    /// Those that are known, in no order.
    #[serde(rename_all = "camelCase")]
    Uses {
        /// One for each job that is known.
        jobs: Vec<SiteUse>,
        /// What could not be read or is not known.
        notes: Vec<String>,
    },
    /// Those of jobs that wait.
    #[serde(rename_all = "camelCase")]
    Priorities {
        /// Whether there is nothing to say, as jobs start in the order in which they came.
        in_order: bool,
        /// One for each job that waits.
        jobs: Vec<SitePriority>,
        /// As above.
        notes: Vec<String>,
    },
    /// What one's accounts may.
    Shares(SiteShares),
}

/// Of what a priority is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SitePriority {
    /// The job's number.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The whole: the higher, the sooner.
    pub total: i64,
    /// Its parts by name, with the site's weight in them: `age`, `fair share`, `job size`, `partition`, `QOS`, `resources`, `nice`,
    /// `account`, `by the site`. What lowers it is negative.
    pub parts: Vec<(String, i64)>,
}

impl SitePriority {
    /// Says it in one line: `priority 10543: fair share 10000, job size 250, nice -7`. Parts that are 0 are left out.
    pub fn words(&self) -> String {
        let parts = self.parts.iter().filter(|(_, part)| *part != 0).map(|(name, part)| format!("{name} {part}"));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() {
            format!("priority {}", self.total)
        } else {
            format!("priority {}: {}", self.total, parts.join(", "))
        }
    }
}

/// What a person's accounts have used and may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteShares {
    /// Who is meant.
    pub user: String,
    /// Whether the site keeps no accounts; then there is nothing else.
    pub none_kept: bool,
    /// One's accounts, those of all their users behind one's own.
    pub accounts: Vec<AccountShare>,
    /// The qualities of service that one may use.
    pub qos: Vec<QosShare>,
    /// What could not be read or is not known.
    pub notes: Vec<String>,
}

/// One's part in an account, or the account as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountShare {
    /// Its name.
    pub account: String,
    /// The person; empty for all of the account's users together.
    pub user: String,
    /// The partition for which it holds; empty for all.
    pub partition: String,
    /// The qualities of service that one may use there.
    pub qos: Vec<String>,
    /// How many shares there are of it; empty where fair share is not counted.
    pub shares: String,
    /// What was used of late, weighed and faded as the site does it, in seconds of a CPU or of what it counts.
    pub usage: String,
    /// The part of all usage that it is, 0 to 1.
    pub usage_part: String,
    /// The fair share factor, 0 to 1: the more, the sooner.
    pub factor: String,
    /// What may not be passed.
    pub limits: Vec<SiteLimit>,
}

/// A quality of service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QosShare {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: String,
    /// What may not be passed.
    pub limits: Vec<SiteLimit>,
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteLimit {
    /// Their name for it: `MaxSubmit`.
    pub name: String,
    /// Its value, in their words: `500`, `cpu=64`, `1-00:00:00`.
    pub value: String,
    /// The same as words: `500 of your jobs waiting or running`.
    pub words: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_says_what_it_is_made_of() {
        let parts = [("age", 0), ("fair share", 10_000), ("nice", -7)];
        let priority = SitePriority {
            total: 9993,
            parts: parts.map(|(name, part)| (name.to_owned(), part)).to_vec(),
            ..SitePriority::default()
        };
        assert_eq!(priority.words(), "priority 9993: fair share 10000, nice -7");
        assert_eq!(SitePriority { total: 3, ..SitePriority::default() }.words(), "priority 3");
    }
}
