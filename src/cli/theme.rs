//! `ostler theme`: the themes of the screen.

use clap::Subcommand;

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::session::Session;
use crate::config::places;

/// What can be done with themes.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// List all themes, your own first
    #[command(visible_alias = "ls")]
    List,
}

const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "FROM", look: Look::Text },
    Column { title: "IN USE", look: Look::Text },
];

/// Returns the names of the user's own themes: the TOML files of their directory.
fn own() -> Vec<String> {
    let entries = places::themes_dir().and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Does it.
///
/// # Errors
/// That the output is closed.
pub fn run(session: &Session, verb: Verb, built_in: &[String]) -> Result<i32, Failure> {
    match verb {
        Verb::List => {
            let own = own();
            let mut names = own.clone();
            names.extend(built_in.iter().filter(|name| !own.contains(name)).cloned());
            let used = session.config.ui.theme.as_ref();
            let row = |name: &String| Row {
                cells: vec![
                    name.clone(),
                    if own.contains(name) { "yours" } else { "built in" }.to_owned(),
                    if used == Some(name) { "yes".to_owned() } else { String::new() },
                ],
                value: serde_json::json!({"name": name, "builtIn": !own.contains(name), "inUse": used == Some(name)}),
                name: name.clone(),
            };
            let mut list = session.out.list(COLUMNS);
            list.page(names.iter().map(row).collect())?;
            list.end()?;
        }
    }
    Ok(0)
}
