//! Which command lines need no shell: words of plain characters whose first is a program. Running it directly saves one
//! `exec`, and so a third of what a short job costs (`perf.md`, section 2). Whatever a shell would do more with goes to it.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::model::launch::NOT_PROGRAMS;

/// A program and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direct {
    pub program: PathBuf,
    /// The first is the word that the command line has for the program.
    pub words: Vec<String>,
}

/// Returns what a shell would execute for a command line in this folder with this `PATH`; none where only a shell can
/// tell.
pub fn direct(shell: &str, command: &str, workdir: &Path, path: Option<&str>) -> Option<Direct> {
    let known = ["sh", "bash", "dash"].contains(&shell.rsplit('/').next().unwrap_or_default());
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/,:@%+=- ".contains(c);
    if !known || !command.chars().all(plain) {
        return None;
    }
    let mut words: Vec<String> = command.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if words.len() > 1 && words[0] == "exec" && !words[1].starts_with('-') {
        words.remove(0);
    }
    let name = words.first()?;
    if name.contains('=') || name.starts_with(['-', '%']) || NOT_PROGRAMS.split(' ').any(|word| word == name) {
        return None;
    }
    let program = if name.contains('/') {
        Some(workdir.join(name)).filter(|program| is_program(program))
    } else {
        search(name, path?)
    };
    Some(Direct { program: program?, words })
}

fn search(name: &str, path: &str) -> Option<PathBuf> {
    for folder in path.split(':') {
        // A relative one is a matter of the shell's own folder.
        if !folder.starts_with('/') {
            return None;
        }
        let program = Path::new(folder).join(name);
        if is_program(&program) {
            return Some(program);
        }
    }
    None
}

fn is_program(path: &Path) -> bool {
    access(path, Access::EXEC_OK).is_ok() && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_programs_go_without_a_shell() {
        let words = |command: &str| {
            let found = direct("/bin/bash", command, Path::new("/"), Some("/nowhere:/usr/bin:/bin"))?;
            assert!(found.program.is_absolute());
            Some(found.words)
        };
        assert_eq!(words("true"), Some(vec!["true".to_owned()]));
        assert_eq!(words("exec  sleep 0.5 "), Some(vec!["sleep".to_owned(), "0.5".to_owned()]));
        assert_eq!(words("bin/ls --color=auto /tmp"), Some(["bin/ls", "--color=auto", "/tmp"].map(str::to_owned).to_vec()));
        for command in [
            "",
            " ",
            "exit 3",
            "echo a",
            "A=b true",
            "true; true",
            "ls *",
            "ls ~",
            "echo $A",
            "ls 'a'",
            "a\nb",
            "exec -a x ls",
            "no-such-program",
            "/etc/passwd",
            "/tmp",
            "%1",
            "ls {a,b}",
            "if true",
            "ls \\",
            "ls #",
            "cd /",
            "kill 1",
            "ls !",
        ] {
            assert_eq!(words(command), None, "{command:?}");
        }
        assert_eq!(direct("/bin/zsh", "true", Path::new("/"), Some("/bin")), None, "other shells have other words");
        assert_eq!(direct("/bin/sh", "true", Path::new("/"), None), None);
        assert_eq!(direct("/bin/sh", "true", Path::new("/"), Some(":/bin")), None);
    }
}
