//! Lines for the tools of the shell: columns parted by tabs, or names alone.

use std::io::{self, Write};

use super::clean;
use crate::model::cells::Cells;

pub(super) fn tsv(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    let cells: Vec<_> = cells.iter().map(|cell| clean(cell)).collect();
    writeln!(out, "{}", cells.join("\t"))
}

pub(super) fn cells(text: &mut String, count: usize, cells: &[Cells]) {
    for row in 0..count {
        for (at, cells) in cells.iter().enumerate() {
            if at > 0 {
                text.push('\t');
            }
            text.push_str(&clean(cells.get(row)));
        }
        text.push('\n');
    }
}

pub(super) fn facts(out: &mut dyn Write, facts: &[(&str, String)]) -> io::Result<()> {
    facts.iter().try_for_each(|(name, value)| tsv(out, &[(*name).to_owned(), value.clone()]))
}

pub(super) fn name(out: &mut dyn Write, name: &str) -> io::Result<()> {
    writeln!(out, "{}", clean(name))
}
