//! JSON: one array or object, or one object a line.

use std::io::{self, Write};

use serde_json::Value;

pub(super) fn pretty(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

pub(super) fn line(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// An array that is written item by item, so that a long list needs no memory.
#[derive(Default)]
pub(super) struct Array {
    items: u64,
}

impl Array {
    pub(super) fn item(&mut self, out: &mut dyn Write, value: &Value) -> io::Result<()> {
        out.write_all(if self.items == 0 { b"[\n" } else { b",\n" })?;
        self.items += 1;
        let text = serde_json::to_string_pretty(value)?;
        write!(out, "  {}", text.replace('\n', "\n  "))
    }

    pub(super) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.items == 0 { b"[]\n" } else { b"\n]\n" })
    }
}
