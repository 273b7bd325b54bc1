//! `ostler man`: the manual's pages, made of what is parsed and of the table of the screen's commands, so that they cannot say
//! something else than the program does.

use std::path::PathBuf;

use clap::Args;
use clap_mangen::roff::{Roff, bold, roman};

use super::args;
use super::failure::Failure;
use crate::commands::{ALL, Command, Scope};
use crate::model::fault::Fault;

/// Options of `man`.
#[derive(Args, Clone, Debug)]
pub struct Man {
    /// The page of a command, as in: ostler man job create | man -l -   [default: the page of ostler]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write all pages into this directory instead, as in: ostler man --dir ~/.local/share/man/man1
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Returns all pages: their files' names and what is in them, the first one that of `ostler`.
pub fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![args::whole()];
    while let Some(command) = waiting.pop() {
        let below: Vec<clap::Command> = command.get_subcommands().filter(|c| !c.is_hide_set()).cloned().collect();
        let page = clap_mangen::Man::new(command).date("").manual("ostler");
        let mut text = Vec::new();
        let mut wrote = page.render(&mut text);
        if found.is_empty() {
            wrote = wrote.and_then(|()| keys().to_writer(&mut text));
        }
        // A vector takes everything.
        debug_assert!(wrote.is_ok());
        found.push((page.get_filename(), String::from_utf8_lossy(&text).into_owned()));
        waiting.extend(below.into_iter().rev());
    }
    found
}

/// The keys of the screen, place by place, and what has a name only.
fn keys() -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["KEYS OF THE SCREEN"]);
    page.text([roman("Keys are set by the name in brackets, which the palette takes too.")]);
    let entry = |page: &mut Roff, head: String, text: String| {
        page.control("TP", []).text([bold(head)]).text([roman(text)]);
    };
    for scope in Scope::ALL {
        page.control("SS", [scope.title()]);
        for command in ALL.iter().filter(|command| command.scopes.contains(&scope)) {
            entry(&mut page, command.keys.join(", "), format!("{} ({})", command.sentence, command.name));
        }
    }
    page.control("SS", ["By name in the palette"]);
    for command in ALL.iter().filter(|command| command.scopes.is_empty()) {
        entry(&mut page, named(command), command.sentence.to_owned());
    }
    page
}

fn named(command: &Command) -> String {
    format!(":{} {}", command.name, command.args).trim_end().to_owned()
}

/// Does it.
///
/// # Errors
/// That there is no such command, that the directory cannot be written, or that the output is closed.
pub fn run(man: &Man) -> Result<i32, Failure> {
    use std::io::Write;
    let pages = pages();
    if let Some(dir) = &man.dir {
        let wrong = |error: &std::io::Error| {
            Fault::user(format!("the pages cannot be written into `{}`", dir.display())).because(error)
        };
        std::fs::create_dir_all(dir).map_err(|error| wrong(&error))?;
        for (name, text) in &pages {
            std::fs::write(dir.join(name), text).map_err(|error| wrong(&error))?;
        }
        println!("{} pages in {}", pages.len(), dir.display());
        return Ok(0);
    }
    let name =
        format!("{}.1", ["ostler"].into_iter().chain(man.command.iter().map(String::as_str)).collect::<Vec<_>>().join("-"));
    let Some((_, text)) = pages.iter().find(|(known, _)| *known == name) else {
        let asked = man.command.join(" ");
        return Err(Fault::user(format!("there is no command `{}`", asked.escape_debug())).hint("ostler --help").into());
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(0)
}
