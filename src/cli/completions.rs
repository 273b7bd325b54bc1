//! `ostler completions`: a script that lets the shell ask ostler itself what may follow.

use clap::{Args, ValueEnum};
use clap_complete::env::Shells;

use super::failure::Failure;
use crate::model::fault::Fault;

/// The variable by which the shell's script asks.
pub const VARIABLE: &str = "OSTLER_COMPLETE";

/// Options of `completions`.
#[derive(Args, Clone, Debug)]
pub struct Completions {
    /// The shell: bash: source <(ostler completions bash); fish: ostler completions fish | source
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// Does it.
///
/// # Errors
/// That the output is closed.
pub fn run(completions: &Completions) -> Result<i32, Failure> {
    use std::io::Write;
    let name = match completions.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let writer = shells.completer(name).ok_or_else(|| Fault::internal(format!("no completions for {name}")))?;
    let mut script = Vec::new();
    writer.write_registration(VARIABLE, "ostler", "ostler", "ostler", &mut script)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(0)
}
