//! `ostler man`: the manual's pages, made of what is parsed and of the table of the screen's commands, so that they cannot say
//! something else than the program does.

use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Args, CommandFactory};

use super::args::Cli;
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
    // As deep as clap goes, so that each page knows its own whole name and the options that hold everywhere.
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(command) = waiting.pop() {
        let mut page = page(&command);
        if found.is_empty() {
            keys(&mut page);
        }
        found.push((format!("{}.1", name_of(&command)), page.0));
        let below: Vec<clap::Command> = command.get_subcommands().filter(|c| !c.is_hide_set()).cloned().collect();
        waiting.extend(below.into_iter().rev());
    }
    found
}

/// A page in troff's language, of the macros `man`. By hand, and not by `clap_mangen`: it is some lines, and two crates less.
struct Page(String);

impl Page {
    fn section(&mut self, name: &str) {
        self.0.push_str(&format!(".SH \"{}\"\n", escaped(&name.to_uppercase())));
    }

    /// Lines of text; an empty one begins a paragraph.
    fn text(&mut self, text: &str) {
        for line in text.lines() {
            match line.trim() {
                "" => self.0.push_str(".PP\n"),
                line => self.0.push_str(&format!("{}\n", escaped(line))),
            }
        }
    }

    /// Something and what is said of it; `head` is troff already.
    fn entry(&mut self, head: &str, text: &str) {
        self.0.push_str(&format!(".TP\n{head}\n"));
        self.text(if text.is_empty() { "\u{a0}" } else { text });
    }
}

/// What troff would take as its own is written as the letter that it is.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    // A line that begins so would be a request.
    if text.starts_with('.') || text.starts_with("\\(aq") { format!("\\&{text}") } else { text }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn name_of(command: &clap::Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn page(command: &clap::Command) -> Page {
    let name = name_of(command);
    let program = concat!("ostler ", env!("CARGO_PKG_VERSION"));
    let mut page = Page(format!(".TH \"{}\" 1 \"\" \"{}\" \"ostler\"\n", escaped(&name), escaped(program)));
    let about = plain(command.get_about());
    page.section("name");
    page.0.push_str(&format!("{} \\- {}\n", escaped(&name), escaped(&about)));
    page.section("synopsis");
    let usage = command.clone().render_usage().to_string();
    for line in usage.trim_start_matches("Usage:").lines().map(str::trim).filter(|line| !line.is_empty()) {
        page.0.push_str(&format!("{}\n.br\n", bold(line)));
    }
    page.section("description");
    page.text(&command.get_long_about().map_or(about, ToString::to_string));
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in &shown {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        page.section(heading.unwrap_or("options"));
        shown.iter().filter(|arg| arg.get_help_heading() == heading).for_each(|arg| option(arg, &mut page));
    }
    let below: Vec<&clap::Command> = command.get_subcommands().filter(|c| !c.is_hide_set()).collect();
    if !below.is_empty() {
        page.section("commands");
        below.iter().for_each(|below| page.entry(&bold(&format!("{}(1)", name_of(below))), &plain(below.get_about())));
    }
    if let Some(after) = command.get_after_help() {
        page.section("notes");
        page.text(&after.to_string());
    }
    page
}

fn option(arg: &Arg, page: &mut Page) {
    let names = arg.get_short().map(|short| format!("-{short}")).into_iter();
    let names: Vec<String> = names.chain(arg.get_long().map(|long| format!("--{long}"))).map(|name| bold(&name)).collect();
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values = arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let mut head = names.join(", ");
    if takes && !values.is_empty() {
        let gap = if head.is_empty() { "" } else { " " };
        head.push_str(&format!("{gap}\\fI{}\\fR", escaped(&values)));
    }
    let mut text = plain(arg.get_long_help().or(arg.get_help()));
    let listed = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    let listed: Vec<String> = listed.map(|value| value.get_name().to_owned()).collect();
    if takes && !arg.is_hide_possible_values_set() && !listed.is_empty() {
        text.push_str(&format!(" [possible values: {}]", listed.join(", ")));
    }
    let default: Vec<String> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if takes && !arg.is_hide_default_value_set() && !default.is_empty() {
        text.push_str(&format!(" [default: {}]", default.join(" ")));
    }
    page.entry(&head, &text);
}

/// The keys of the screen, place by place, and what has a name only.
fn keys(page: &mut Page) {
    page.section("keys of the screen");
    page.text("Keys are set by the name in brackets, which the palette takes too.");
    for scope in Scope::ALL {
        page.0.push_str(&format!(".SS \"{}\"\n", escaped(scope.title())));
        for command in ALL.iter().filter(|command| command.scopes.contains(&scope)) {
            page.entry(&bold(&command.keys.join(", ")), &format!("{} ({})", command.sentence, command.name));
        }
    }
    page.0.push_str(".SS \"By name in the palette\"\n");
    for command in ALL.iter().filter(|command| command.scopes.is_empty()) {
        page.entry(&bold(&named(command)), command.sentence);
    }
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
