//! Allocations of Slurm as machines: each is a pilot that holds one node (`slurm/pilots.rs`). One may wait for days, so that who asked
//! is not kept: it is there once a list shows where.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::model::ids::{ClusterId, Epoch, NodeId};
use crate::model::names::check_host;
use crate::model::spec::pool::{AgentKind, Allocation};
use crate::model::state::Notice;
use crate::model::units::{Millis, UnixMillis};
use crate::providers::{Found, Machine, NoMachine, Provider, Tag, Wanted};
use crate::slurm::pilots::{self, Named};
use crate::transport::link::{Link, LinkError};
use crate::transport::{Address, NodeLink};

/// What the host of such a node begins with; behind it is the number of the allocation ([`crate::model::state::Node::allocation`]).
pub const ALLOCATION_PREFIX: &str = "allocation/";
/// How long before its end an allocation takes no new jobs, at least and at most: jobs have to be told and to end, and a look in a minute
/// has to see it coming.
const LAST_WORK: (Millis, Millis) = (Millis::from_mins(3), Millis::from_mins(10));
/// Between these it is such a part of its time, so that a short one has use.
const LAST_WORK_PART: u64 = 10;

/// The allocations of one cluster.
#[derive(Clone, Debug)]
pub struct Allocations {
    /// What each is asked for with.
    pub asked: Allocation,
    /// The ssh configuration to use instead of the user's.
    pub config: Option<String>,
    /// The name of the cluster.
    pub cluster: String,
}

impl Allocations {
    async fn login(&self, pool: Uuid) -> Result<Link, NoMachine> {
        let link = NodeLink {
            node: NodeId(0),
            cluster: ClusterId(0),
            address: Address::Ssh { host: self.asked.login.clone(), config: self.config.clone() },
            spool: (pool.to_string(), "pool".to_owned()),
            local_root: None,
            epoch: Epoch(0),
            agent: AgentKind::Shell,
        };
        Link::connect(&link).await.map_err(|error| none(&error))
    }
}

/// Returns that an allocation ends, once its node is to take no new jobs.
fn notice((began, ends): (UnixMillis, UnixMillis), now: UnixMillis) -> Option<Notice> {
    let length = ends.since(began);
    let last = Millis(length.0 / LAST_WORK_PART).max(LAST_WORK.0).min(LAST_WORK.1).min(Millis(length.0 / 2));
    (now + last >= ends).then(|| Notice { at: ends, why: "its allocation ends".to_owned() })
}

fn none(error: &LinkError) -> NoMachine {
    NoMachine::new("SlurmSilent", error.chain())
}

impl Provider for Allocations {
    fn acquire<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Option<Machine>, NoMachine>> {
        Box::pin(async move {
            let link = self.login(wanted.tag.pool).await?;
            let (pool, key, comment) = (wanted.tag.pool.to_string(), wanted.tag.node.0.to_string(), wanted.tag.to_string());
            let named = Named { pool: &pool, key: &key, comment: &comment };
            match pilots::acquire(&link, named, &self.cluster, &self.asked).await {
                Ok(Ok(())) => Ok(None),
                Ok(Err(why)) => {
                    // Another try is another submission.
                    let _ = pilots::release(&link, named).await;
                    Err(NoMachine::new("AllocationRefused", why))
                }
                Err(error) => Err(none(&error)),
            }
        })
    }

    fn release<'a>(&'a self, tag: Tag, _machine: &'a Machine) -> BoxFuture<'a, Result<(), NoMachine>> {
        Box::pin(async move {
            let link = self.login(tag.pool).await?;
            let (pool, key, comment) = (tag.pool.to_string(), tag.node.0.to_string(), tag.to_string());
            let named = Named { pool: &pool, key: &key, comment: &comment };
            pilots::release(&link, named).await.map_err(|error| none(&error))
        })
    }

    fn list(&self, pool: Uuid) -> BoxFuture<'_, Result<Vec<Found>, NoMachine>> {
        Box::pin(async move {
            let link = self.login(pool).await?;
            let begins = Tag { pool, node: NodeId(0) }.to_string();
            let begins = begins.strip_suffix('0').unwrap_or(&begins);
            let pilots = pilots::list(&link, &pool.to_string(), begins).await.map_err(|error| none(&error))?;
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
            let found = pilots.into_iter().filter_map(|pilot| {
                let at = pilot.at.filter(|at| check_host(at).is_ok());
                Some(Found {
                    tag: Tag::parse(&pilot.comment)?,
                    ends: pilot.time.map(|(_, ends)| ends),
                    leaves: pilot.time.and_then(|time| notice(time, now)),
                    machine: Machine {
                        host: at.as_ref().map(|_| format!("{ALLOCATION_PREFIX}{}", pilot.id)).unwrap_or_default(),
                        name: at.unwrap_or_default(),
                        id: pilot.id,
                        price: None,
                    },
                    waits: pilot.why,
                })
            });
            Ok(found.collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_takes_no_work_in_its_last_minutes() {
        let minutes = |minutes: i64| UnixMillis(minutes * 60_000);
        let last = |length: i64| (0..length).find(|at| notice((minutes(0), minutes(length)), minutes(*at)).is_some());
        // A day, an hour, a quarter of one, four minutes.
        assert_eq!([1440, 60, 15, 4].map(last), [Some(1430), Some(54), Some(12), Some(2)]);
    }
}
