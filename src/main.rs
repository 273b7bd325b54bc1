//! Arguments -> front end; a fault -> its text and exit code; nothing else.

fn main() {}
