//! A list of hosts that `ssh HOST` reaches, taken in their order. A host serves one node at a time, whatever the cluster:
//! the book of who has which is the core's, and handed in.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use uuid::Uuid;

use crate::model::units::NodeCount;
use crate::providers::{Found, Machine, NoMachine, Provider, Tag, Wanted};

/// Which host is whose, of all clusters. A host that nobody of ours has but that is not free (its node is of no pool) has no tag.
pub type Book = BTreeMap<String, Option<Tag>>;

/// The hosts of one pool.
pub struct Hosts {
    hosts: Vec<String>,
    book: Mutex<Book>,
}

impl Hosts {
    /// Returns a pool of these hosts, some of which are taken.
    pub fn new(hosts: Vec<String>, book: Book) -> Self {
        Self { hosts, book: Mutex::new(book) }
    }

    /// Takes the host that the tag has, or else the first that nobody has.
    ///
    /// # Errors
    /// All are taken.
    pub fn take(&self, tag: Tag) -> Result<Machine, NoMachine> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |host: &&String| book.get(*host) == Some(&Some(tag));
        let host = self.hosts.iter().find(has).or_else(|| self.hosts.iter().find(|host| !book.contains_key(*host)));
        let Some(host) = host else {
            let count = self.hosts.len();
            let message = format!("all {count} hosts of the pool are taken; add hosts or lower the target");
            return Err(NoMachine::new("NoHostFree", message));
        };
        book.insert(host.clone(), Some(tag));
        Ok(of(host))
    }
}

fn of(host: &str) -> Machine {
    Machine { id: host.to_owned(), name: host.to_owned(), host: host.to_owned(), price: None }
}

impl Provider for Hosts {
    fn acquire<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Option<Machine>, NoMachine>> {
        ready(self.take(wanted.tag).map(Some)).boxed()
    }

    fn release<'a>(&'a self, tag: Tag, _machine: &'a Machine) -> BoxFuture<'a, Result<(), NoMachine>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, whose| *whose != Some(tag));
        ready(Ok(())).boxed()
    }

    fn list(&self, pool: Uuid) -> BoxFuture<'_, Result<Vec<Found>, NoMachine>> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let of_pool = book.iter().filter_map(|(host, tag)| Some((host, tag.filter(|tag| tag.pool == pool)?)));
        let found = of_pool
            .map(|(host, tag)| Found { tag, machine: of(host), leaves: None, ends: None, waits: String::new() })
            .collect();
        ready(Ok(found)).boxed()
    }
}

/// Returns how many hosts of the list nobody has.
pub fn free(hosts: &[String], taken: &Book) -> NodeCount {
    NodeCount(hosts.iter().filter(|host| !taken.contains_key(*host)).count().try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::NodeId;

    fn tag(node: u64) -> Tag {
        Tag { pool: Uuid::nil(), node: NodeId(node) }
    }

    #[test]
    fn hosts_are_taken_in_order_and_once() {
        let hosts: Vec<String> = ["a", "b"].map(String::from).into();
        let pool = Hosts::new(hosts.clone(), Book::new());
        assert_eq!(pool.take(tag(1)).unwrap().host, "a");
        assert_eq!(pool.take(tag(1)).unwrap().host, "a", "one tag has one host");
        assert_eq!(pool.take(tag(2)).unwrap().host, "b");
        assert_eq!(pool.take(tag(3)).unwrap_err().code, "NoHostFree");
        // Another cluster has it.
        let book = Book::from([("a".to_owned(), Some(Tag { pool: Uuid::max(), node: NodeId(1) }))]);
        assert_eq!(free(&hosts, &book), NodeCount(1));
        assert_eq!(Hosts::new(hosts, book).take(tag(1)).unwrap().host, "b");
    }
}
