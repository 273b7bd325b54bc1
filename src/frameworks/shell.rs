//! Owns what the shell of a process reads before the command line: `~/.bashrc`, as the service's did (reference §6.4), so
//! that what a preparation appended to it is seen at launch. What it prints goes nowhere: a custom job's standard output
//! holds the command's alone, and a banner would be in it (the service let CNTK's through).
//!
//! A bash that is not interactive reads it the way bash under sshd does, up to where the file itself gives up ("if not
//! running interactively, don't do anything"), and lines appended behind that are not reached. So when the job has a
//! preparation and the file has such a guard, a second, interactive bash reads it whole, and its exported variables are
//! taken over. It has no terminal and no input; one that turns into something else by `exec` leaves no mark behind its
//! output, and then nothing is taken over.

use crate::model::launch::START_UP;

const READ_WHOLE: &str = r##"  case "$(<~/.bashrc)" in *'$-'* | *PS1*)
    OSTLER_RC="$("$BASH" -i -c 'echo "#ostler#"; export -p' </dev/null 2>/dev/null)"
    case "$OSTLER_RC" in *'#ostler#'*) eval "${OSTLER_RC##*'#ostler#'}" >/dev/null 2>&1 ;; esac
    unset OSTLER_RC ;;
  esac
"##;
/// Returns the lines before a command line.
pub(super) fn start_up(prepared: bool) -> String {
    format!("{}{}{}", START_UP[0], if prepared { READ_WHOLE } else { "" }, START_UP[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a line behind the start-up text with a `~/.bashrc`, and returns what it prints.
    #[expect(clippy::disallowed_methods, reason = "a shell reads a file that this test writes")]
    fn printed(bashrc: &str, prepared: bool, line: &str) -> String {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".bashrc"), bashrc).unwrap();
        let out = std::process::Command::new("bash")
            .args(["-c", &format!("{}{line}", start_up(prepared))])
            .env("HOME", home.path())
            .env("AZ_BATCHAI_JOB_TEMP", "/")
            .env_remove("PS1")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{bashrc}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    const DEBIAN: &str = "# ~/.bashrc\ncase $- in\n    *i*) ;;\n      *) return;;\nesac\nHISTSIZE=1000\n";
    const ROOT: &str = "[ -z \"$PS1\" ] && return\n";

    #[test]
    fn what_was_appended_is_seen_and_what_is_printed_is_not() {
        let appended = "echo banner; echo noise >&2; export ADDED='its \"$HOME\n2'\ncd /usr\nset -e\n";
        let line = "false; printf '%s|' \"${ADDED-none}\"; pwd";
        let seen = "its \"$HOME\n2|/\n";
        for guard in ["", DEBIAN, ROOT] {
            let bashrc = format!("{guard}{appended}");
            assert_eq!(printed(&bashrc, true, line), seen, "{guard}");
            assert_eq!(printed(&bashrc, false, line), if guard.is_empty() { seen } else { "none|/\n" }, "{guard}");
        }
    }

    #[test]
    fn a_file_that_turns_into_something_else_does_no_harm() {
        for bashrc in ["case $- in *i*) exec true;; esac", "[ -z \"$PS1\" ] || exit 3", "$-syntax error ("] {
            assert_eq!(printed(bashrc, true, "echo hi"), "hi\n", "{bashrc}");
        }
    }

    #[test]
    fn other_shells_pass_over_it() {
        let text = format!("{}echo hi", start_up(true));
        let out = std::process::Command::new("dash").args(["-c", &text]).output();
        if let Ok(out) = out {
            assert_eq!(String::from_utf8_lossy(&out.stdout), "hi\n");
        }
    }
}
