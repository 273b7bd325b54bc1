//! `ostler theme`: the themes of the screen.

use clap::Subcommand;

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::session::Session;

/// What can be done with themes.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// List all themes, your own first
    #[command(visible_alias = "ls")]
    List,
}

const COLUMNS: &[Column] = &[Column { title: "NAME", look: Look::Text }, Column { title: "IN USE", look: Look::Text }];

/// Does it.
///
/// # Errors
/// That the output is closed.
pub fn run(session: &Session, verb: Verb, names: &[String]) -> Result<i32, Failure> {
    match verb {
        Verb::List => {
            let used = session.config.ui.theme.as_ref();
            let row = |name: &String| Row {
                cells: vec![name.clone(), if used == Some(name) { "yes".to_owned() } else { String::new() }],
                value: serde_json::json!({"name": name, "inUse": used == Some(name)}),
                name: name.clone(),
            };
            let mut list = session.out.list(COLUMNS);
            list.page(names.iter().map(row).collect())?;
            list.end()?;
        }
    }
    Ok(0)
}
