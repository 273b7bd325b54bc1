//! Orders as text for a node's shell: a command of `agent.sh` and its words, each in single quotes, ending with the
//! word `.` so that a cut one does nothing. Launches become the text that `supervisor.sh` reads.

use std::fmt::Write as _;

use crate::model::ids::RankKey;
use crate::model::launch::Launch;
use crate::model::names::shell_owned;
use crate::model::spec::{Secret, SecretSource};
use crate::model::units::Millis;
use crate::transport::Order;
use crate::transport::frame::{FRAME_BYTES_MAX, quote_into, why_word, words};

/// Returns one command with its words.
pub fn command(name: &str, words: &[&str]) -> String {
    let mut text = String::from(name);
    for word in words {
        text.push(' ');
        quote_into(&mut text, word);
    }
    text.push_str(" .\n");
    text
}

/// Returns an order that is not an acknowledgement (those go many at once, by [`ack`]).
pub fn text(seq: u64, order: &Order) -> String {
    let seq = seq.to_string();
    match order {
        Order::Start { key, boot, limit, grace, launch, after, .. } => {
            let key = key.to_string();
            let refuse = |why: String| command("refuse", &[&seq, &key, &words(&why)]);
            let secrets = match secrets_text(&launch.secrets) {
                Ok(secrets) => secrets,
                Err(why) => return refuse(why),
            };
            let launch = match launch_text(&key, launch) {
                Ok(launch) => launch,
                Err(why) => return refuse(why),
            };
            let (limit, grace) = (seconds(*limit), seconds(*grace));
            let after = after.map_or_else(String::new, |after| after.to_string());
            let text = command("start", &[&seq, &key, &boot.0, &limit, &grace, &launch, &secrets, &after]);
            if text.len() > FRAME_BYTES_MAX {
                return refuse(format!("the launch takes {} bytes, and {FRAME_BYTES_MAX} is the limit", text.len()));
            }
            text
        }
        Order::Refuse { key, code, why, .. } => {
            command("refuse", &[&seq, &key.to_string(), &format!("!{code} {}", words(why))])
        }
        Order::Recall { key, .. } => command("recall", &[&seq, &key.to_string()]),
        Order::Stop { key, why, grace, .. } => command("stop", &[&seq, &key.to_string(), why_word(*why), &seconds(*grace)]),
        Order::Ack { key, .. } => ack(&seq, std::iter::once(*key)),
        Order::AnswerDaemon { by, request, answer, .. } => {
            command("tell", &[&seq, &by.to_string(), &request.to_string(), &words(answer)])
        }
    }
}

/// The text of a file of its own, which is gone once the process's own shell has read it.
fn secrets_text(secrets: &[Secret]) -> Result<String, String> {
    if secrets.is_empty() {
        return Ok(String::new());
    }
    let mut text = String::from("l_secrets() {\n");
    for Secret { name, source } in secrets {
        check_variable(name)?;
        let SecretSource::Given(value) = source else { return Err(format!("the secret `{name}` has no value")) };
        if value.reveal().contains('\0') {
            return Err(format!("the value of the secret `{name}` holds a NUL"));
        }
        let _ = write!(text, "export {name}=");
        quote_into(&mut text, value.reveal());
        text.push('\n');
    }
    text.push_str("}\n");
    Ok(text)
}

/// Returns the acknowledgement of many keys.
pub fn ack(seq: &str, keys: impl Iterator<Item = RankKey>) -> String {
    let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
    let mut all = vec![seq];
    all.extend(keys.iter().map(String::as_str));
    command("ack", &all)
}

/// Whole seconds, rounded up; shells with 32-bit numbers take part.
fn seconds(span: Millis) -> String {
    span.0.div_ceil(1000).min(500_000_000).to_string()
}

fn launch_text(key: &str, launch: &Launch) -> Result<String, String> {
    check(launch)?;
    let mut text = String::with_capacity(2048);
    let (former, number) = match &launch.keep_former {
        Some((dir, number)) => (dir.as_str(), number.to_string()),
        None => ("", String::new()),
    };
    for (name, value) in [
        ("key", key),
        ("shell", &launch.shell),
        ("command", &launch.command),
        ("workdir", &launch.workdir),
        ("out", &launch.stdout),
        ("err", &launch.stderr),
        ("log", launch.execution_log.as_deref().unwrap_or("")),
        ("former", former),
        ("former_n", &number),
        ("secret", if launch.secrets.is_empty() { "" } else { "1" }),
    ] {
        let _ = write!(text, "l_{name}=");
        quote_into(&mut text, value);
        text.push('\n');
    }
    list(&mut text, "wipe", launch.wipe.iter());
    list(&mut text, "dirs", dirs(launch).into_iter());
    text.push_str(FOLDERS_ONLY);
    text.push_str("l_files() {\n");
    for (path, content, executable) in &launch.files {
        text.push_str("put_file ");
        quote_into(&mut text, path);
        text.push_str(if *executable { " 1 " } else { " 0 " });
        quote_into(&mut text, content);
        text.push_str(" || return 1\n");
    }
    text.push_str("true\n}\n");
    environment(&mut text, launch);
    Ok(text)
}

/// Behind it stands what does not matter to a supervisor that looks for the folders of a launch whose turn has not come.
pub const FOLDERS_ONLY: &str = "[ -z \"$FOLDERS_ONLY\" ] || return 0\n";

/// Returns the folders that a launch needs, each once.
fn dirs(launch: &Launch) -> Vec<&str> {
    let parents = [&launch.stdout, &launch.stderr].into_iter().filter_map(|path| path.rsplit_once('/')).map(|(dir, _)| dir);
    let log = launch.execution_log.as_deref().and_then(|path| path.rsplit_once('/')).map(|(dir, _)| dir);
    let mut dirs: Vec<&str> = launch.dirs.iter().map(String::as_str).chain([launch.workdir.as_str()]).collect();
    dirs.extend(parents.chain(log).filter(|dir| !dir.is_empty()));
    dirs.sort_unstable();
    dirs.dedup();
    dirs
}

fn list<T: AsRef<str>>(text: &mut String, name: &str, paths: impl Iterator<Item = T>) {
    let _ = write!(text, "l_{name}() {{ {}", if name == "wipe" { "wipe" } else { "make_dirs" });
    for path in paths {
        text.push(' ');
        quote_into(text, path.as_ref());
    }
    text.push_str("; }\n");
}

fn environment(text: &mut String, launch: &Launch) {
    text.push_str("l_env() {\n");
    if !launch.secrets.is_empty() {
        text.push_str("l_secrets\n");
    }
    let (owned, plain): (Vec<_>, Vec<_>) = launch.env.iter().partition(|(name, _)| shell_owned(name));
    for (name, value) in plain {
        let _ = write!(text, "export {name}=");
        quote_into(text, value);
        text.push('\n');
    }
    text.push_str("go ");
    if !owned.is_empty() {
        text.push_str("/usr/bin/env ");
    }
    for (name, value) in owned {
        quote_into(text, &format!("{name}={value}"));
        text.push(' ');
    }
    text.push_str("\"$@\"\n}\n");
}

fn check_variable(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(format!("`{}` is not a variable name", words(name)));
    }
    Ok(())
}

fn check(launch: &Launch) -> Result<(), String> {
    for (name, value) in &launch.env {
        check_variable(name)?;
        if value.contains('\0') {
            return Err(format!("the value of `{name}` holds a NUL"));
        }
    }
    let paths = [&launch.shell, &launch.workdir, &launch.stdout, &launch.stderr].into_iter();
    let lists = launch.wipe.iter().chain(&launch.dirs).chain(launch.files.iter().map(|(path, ..)| path));
    let rest = launch.execution_log.iter().chain(launch.keep_former.iter().map(|(dir, _)| dir));
    for path in paths.chain(lists).chain(rest) {
        if !path.starts_with('/') || path.contains('\0') {
            return Err(format!("`{}` is not an absolute path", words(path)));
        }
    }
    let nul = launch.files.iter().find(|(_, content, _)| content.contains('\0'));
    if let Some((path, ..)) = nul {
        return Err(format!("the content of `{}` holds a NUL", words(path)));
    }
    if launch.command.contains('\0') {
        return Err("the command line holds a NUL".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::EffectId;
    use crate::model::state::{BootId, StopWhy};

    fn launch() -> Launch {
        Launch {
            node_index: 0,
            shell: "/bin/sh".into(),
            command: "echo 'it''s'".into(),
            workdir: "/w".into(),
            env: vec![("A".into(), "x'y".into()), ("UID".into(), "5".into())],
            secrets: vec![],
            wipe: vec![],
            dirs: vec!["/w".into()],
            files: vec![("/w/f".into(), "text\n".into(), true)],
            stdout: "/l/out".into(),
            stderr: "/l/err".into(),
            keep_former: None,
            execution_log: None,
            batch: None,
        }
    }

    fn start(launch: Launch) -> String {
        let key = "1.1.m0".parse().unwrap();
        let (limit, grace) = (Millis(1001), Millis(30_000));
        let boot = BootId("b".into());
        text(3, &Order::Start { effect: EffectId(1), key, boot, limit, grace, launch: Box::new(launch), after: None })
    }

    #[test]
    fn a_start_is_one_command_of_quoted_words() {
        let text = start(launch());
        assert!(text.starts_with("start '3' '1.1.m0' 'b' '2' '30' 'l_key="), "{text}");
        assert!(text.ends_with("' .\n"));
        assert!(text.contains("/usr/bin/env"), "a variable that shells guard goes by env: {text}");
    }

    #[test]
    fn what_no_shell_can_carry_is_refused_with_the_lock_taken() {
        for (why, change) in [
            ("NUL", (|l: &mut Launch| l.command.push('\0')) as fn(&mut Launch)),
            ("variable", |l| l.env.push(("A B".into(), String::new()))),
            ("absolute", |l| l.workdir = "w".into()),
            ("limit", |l| l.files.push(("/w/big".into(), "x".repeat(FRAME_BYTES_MAX), false))),
        ] {
            let mut launch = launch();
            change(&mut launch);
            let text = start(launch);
            assert!(text.starts_with("refuse '3' '1.1.m0' ") && text.contains(why), "{why}: {text}");
        }
    }

    #[test]
    fn stops_and_acks() {
        let key: RankKey = "1.1.m0".parse().unwrap();
        let stop = Order::Stop { effect: EffectId(1), key, why: StopWhy::Limit, grace: Millis(500) };
        assert_eq!(text(4, &stop), "stop '4' '1.1.m0' 'limit' '1' .\n");
        assert_eq!(ack("5", [key, "1.1.m1".parse().unwrap()].into_iter()), "ack '5' '1.1.m0' '1.1.m1' .\n");
    }
}
