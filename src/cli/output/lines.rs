//! Lines for the tools of the shell: columns parted by tabs, or names alone.

use std::io::{self, Write};

use super::clean;

pub(super) fn tsv(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|cell| clean(cell)).collect();
    writeln!(out, "{}", cells.join("\t"))
}

pub(super) fn facts(out: &mut dyn Write, facts: &[(&str, String)]) -> io::Result<()> {
    facts.iter().try_for_each(|(name, value)| tsv(out, &[(*name).to_owned(), value.clone()]))
}

pub(super) fn name(out: &mut dyn Write, name: &str) -> io::Result<()> {
    writeln!(out, "{}", clean(name))
}
