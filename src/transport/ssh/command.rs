//! How a program gets to the node: sshd hands the command to the user's login shell, which may be csh or fish. So it is
//! one line that all shells read alike: `/bin/sh` with one argument in single quotes, which prints the program (each
//! unusual character as an octal number) and runs it. The program's standard input is untouched. The start of a shell is such a line by
//! itself, and goes without a shell around it: each node that comes up has one.

/// Returns the remote command for a program.
pub(super) fn remote(program: &str) -> String {
    // No word that a shell could know by another name, and no character that means anything to one.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-./".contains(&byte);
    if program.starts_with("exec /") && program.bytes().all(plain) {
        return program.to_owned();
    }
    let mut command = String::with_capacity(program.len() * 2 + 64);
    command.push_str("exec /bin/sh -c 'eval \"$(printf %b \"");
    for byte in program.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'_' | b'-' | b'.' | b'/' | b':' | b'=' | b',' | b'+' => {
                command.push(char::from(byte));
            }
            _ => {
                command.push_str("\\0");
                [byte >> 6, byte >> 3 & 7, byte & 7].iter().for_each(|digit| command.push(char::from(b'0' + digit)));
            }
        }
    }
    command.push_str("\")\"'");
    command
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::remote;

    /// Every login shell that is here must run the program as it was written.
    #[test]
    fn login_shells_run_it_as_written() {
        let program = "# a comment\nread -r line\nprintf '%s|' \"$line\" \"it's\" '!history' \\\\ '$HOME' `echo b` \"$(echo c)\"\n\
                       if [ 1 -lt 2 ]; then printf '%s\\n' 'é\ttab'; fi; (exit 3)\n";
        let want = "input|it's|!history|\\|$HOME|b|c|é\ttab\n";
        let shells: [(&str, &[&str]); 7] = [
            ("/bin/sh", &["-c"]),
            ("/bin/bash", &["-c"]),
            ("/bin/dash", &["-c"]),
            ("/usr/bin/busybox", &["ash", "-c"]),
            ("/usr/bin/tcsh", &["-c"]),
            ("/usr/bin/fish", &["-c"]),
            ("/usr/bin/mksh", &["-c"]),
        ];
        assert_eq!(remote("exec /bin/sh -s"), "exec /bin/sh -s");
        let mut tried = 0;
        for (shell, arguments) in shells.iter().filter(|(shell, _)| std::path::Path::new(shell).exists()) {
            let input = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut &input, b"input\n").unwrap();
            std::io::Seek::rewind(&mut &input).unwrap();
            let output = Command::new(shell).args(*arguments).arg(remote(program)).stdin(input).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{shell}");
            assert_eq!(output.status.code(), Some(3), "{shell}");
            let output = Command::new(shell).args(*arguments).arg(remote("exec /bin/echo -n a")).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "a", "{shell}: a plain one");
            tried += 1;
        }
        assert!(tried > 0);
    }
}
