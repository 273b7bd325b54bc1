//! `ostler doctor --hosts`: whether hosts can be signed in to as ostler does it, without asking anything.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::session::Session;
use crate::config::ssh_hosts;
use crate::model::fault::Fault;
use crate::model::names::expand_hosts;
use crate::model::units::Millis;

/// Hosts that are tried at once: as many as a login host takes without refusing (sshd's MaxStartups is 10:30:100).
const AT_ONCE: usize = 8;
/// How long ssh may take to connect, and the whole with what it runs there.
const CONNECT_SECS: u32 = 5;
const WHOLE: Duration = Duration::from_secs(15);
/// What is run there: any POSIX shell has it.
const QUESTION: &str = "uname -sr; getconf _NPROCESSORS_ONLN; timeout 5 nvidia-smi -L 2>/dev/null | wc -l; date +%s";
/// From how far on the clock of a host is told to be wrong: what is measured includes the way of the answer.
const CLOCK_OFF: Duration = Duration::from_secs(5);

const COLUMNS: &[Column] = &[
    Column { title: "HOST", look: Look::Text },
    Column { title: "RESULT", look: Look::State },
    Column { title: "WORDS", look: Look::Text },
];

fn row(name: &str, result: &str, words: &str) -> Row {
    Row {
        cells: vec![name.to_owned(), result.to_owned(), words.to_owned()],
        value: serde_json::json!({"name": name, "result": result, "words": words}),
        name: name.to_owned(),
    }
}

/// Tries the hosts, those of the ssh configuration when none are named; 0 when all answer. As JSON lines each host is told
/// twice: when it is known, and when it has answered.
///
/// # Errors
/// That no hosts are known, or that the output is closed.
pub async fn run(session: &Session, named: &str, live: bool) -> Result<i32, Failure> {
    let hosts = known(session, named)?;
    let mut list = session.out.list(COLUMNS);
    if live {
        list.page(hosts.iter().map(|name| row(name, "waiting", "")).collect())?;
    }
    let (told, mut answers) = mpsc::channel(AT_ONCE);
    let config = session.config.ssh_config.clone();
    let probing = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        for name in hosts {
            while open.len() >= AT_ONCE {
                open.join_next().await;
            }
            let (told, config) = (told.clone(), config.clone());
            open.spawn(async move {
                let answer = probe(&name, config.as_deref()).await;
                // Whoever asked has gone.
                let _ = told.send((name, answer)).await;
            });
        }
        open.join_all().await;
    });
    let mut bad = 0;
    while let Some((name, answer)) = answers.recv().await {
        let (result, words) = match &answer {
            Ok(words) => ("good", words),
            Err(words) => ("failed", words),
        };
        bad += i32::from(answer.is_err());
        list.page(vec![row(&name, result, words)])?;
    }
    let _ = probing.await;
    list.end()?;
    Ok(bad.min(1))
}

fn known(session: &Session, named: &str) -> Result<Vec<String>, Fault> {
    if !named.is_empty() {
        return expand_hosts(named).map_err(Fault::user);
    }
    let file = session.config.ssh_config.clone().or_else(ssh_hosts::usual_file);
    let hosts = file.as_deref().map(ssh_hosts::hosts).unwrap_or_default();
    if hosts.is_empty() {
        let name = file.map(|file| file.display().to_string()).unwrap_or_else(|| "~/.ssh/config".to_owned());
        return Err(Fault::user(format!("`{name}` names no hosts")).hint("name them: ostler doctor --hosts 'node[1-4]'"));
    }
    Ok(hosts)
}

/// Says how wrong a clock is; `None` when it is near enough. Both in seconds since 1970.
fn clock_words(theirs: i64, ours: i64) -> Option<String> {
    let (off, how) = (theirs.abs_diff(ours), if theirs > ours { "ahead" } else { "behind" });
    let wrong = Duration::from_secs(off) > CLOCK_OFF;
    wrong.then(|| format!("its clock is {} {how}: files and logs of jobs will have wrong times", Millis::from_secs(off)))
}

/// Signs in and asks what is there; the words of a failure are ssh's own last ones.
async fn probe(host: &str, config: Option<&std::path::Path>) -> Result<String, String> {
    let mut command = Command::new("ssh");
    if let Some(config) = config {
        command.arg("-F").arg(config);
    }
    command.args(["-o", "BatchMode=yes", "-o", &format!("ConnectTimeout={CONNECT_SECS}")]);
    command.arg("--").arg(host).arg(QUESTION);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(WHOLE, command.output()).await {
        Err(_) => return Err(format!("no answer within {} s", WHOLE.as_secs())),
        Ok(Err(e)) => return Err(format!("ssh cannot be run: {e}")),
        Ok(Ok(output)) => output,
    };
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().map(|line| super::output::clean(line.trim()).to_string()).filter(|line| !line.is_empty()).collect()
    };
    if !output.status.success() {
        let words = lines(&output.stderr).pop();
        return Err(words.unwrap_or_else(|| format!("ssh ended with {}", output.status)));
    }
    let said = lines(&output.stdout);
    let at = |from_end: usize| said.len().checked_sub(from_end).and_then(|at| said.get(at)).map_or("", String::as_str);
    let mut words = format!("{}, {} CPUs", at(4), at(3));
    if at(2) != "0" {
        words = format!("{words}, {} GPUs", at(2));
    }
    if let Some(wrong) = at(1).parse().ok().and_then(|theirs| clock_words(theirs, jiff::Timestamp::now().as_second())) {
        words = format!("{words}; {wrong}");
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::clock_words;

    #[test]
    fn a_clock_may_be_a_few_seconds_off() {
        for (theirs, expected) in [
            (1_000, None),
            (1_005, None),
            (995, None),
            (1_006, Some("its clock is 6s ahead: files and logs of jobs will have wrong times")),
            (880, Some("its clock is 2m00s behind: files and logs of jobs will have wrong times")),
        ] {
            assert_eq!(clock_words(theirs, 1_000).as_deref(), expected, "{theirs}");
        }
    }
}
