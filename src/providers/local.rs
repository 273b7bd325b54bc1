//! Nodes that are this machine: the same agent over a pipe instead of ssh, each with a spool of its own below the state
//! directory. There is no bound but the machine's own patience.

use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use uuid::Uuid;

use crate::providers::hosts::Book;
use crate::providers::{Found, Machine, NoMachine, Provider, Tag, Wanted};

/// What the host of a local node begins with; no host name may hold a slash, so none can be taken for one.
pub const LOCAL_PREFIX: &str = "local/";

/// This machine, as often as it is wanted.
pub struct Local {
    book: Mutex<Book>,
}

impl Local {
    /// Returns this machine, with the numbers that are taken.
    pub fn new(book: Book) -> Self {
        Self { book: Mutex::new(book) }
    }

    /// Takes the number that the tag has, or else the lowest free one.
    pub fn take(&self, tag: Tag) -> Machine {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let had = book.iter().find(|(_, whose)| **whose == Some(tag)).map(|(host, _)| host.clone());
        let host = had.unwrap_or_else(|| {
            let numbers = 1..=tag.node.0;
            let free = numbers.map(|n| format!("{LOCAL_PREFIX}{n}")).find(|host| !book.contains_key(host));
            free.unwrap_or_else(|| format!("{LOCAL_PREFIX}{}", tag.node.0))
        });
        book.insert(host.clone(), Some(tag));
        of(&host)
    }
}

fn of(host: &str) -> Machine {
    let name = host.replace('/', "-");
    Machine { id: name.clone(), name, host: host.to_owned(), price: None }
}

impl Provider for Local {
    fn acquire<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Option<Machine>, NoMachine>> {
        ready(Ok(Some(self.take(wanted.tag)))).boxed()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::NodeId;

    #[test]
    fn numbers_are_reused_from_the_lowest() {
        let tag = |node| Tag { pool: Uuid::nil(), node: NodeId(node) };
        let taken = Book::from([("local/1".to_owned(), Some(tag(1))), ("local/3".to_owned(), Some(tag(3)))]);
        assert_eq!(Local::new(taken).take(tag(9)).name, "local-2");
        assert_eq!(Local::new(Book::new()).take(tag(1)).host, "local/1");
    }
}
