//! What a link over ssh does, and what it says when it cannot.

use std::time::Duration;

use ostler::transport::Report;
use ostler::transport::link::{Channel, Link, LinkError, Traffic};
use ostler::transport::ssh::{FOLLOWS_MAX, LOOKS_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::nodes::node;
use crate::sshd::Host;

/// The longest any single step here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn ends(what: &str, future: impl Future<Output = ()>) {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} does not end"));
}

/// Closes a channel's input and returns what it writes to its end.
async fn output(mut channel: Channel) -> (String, String) {
    channel.stdin = Box::pin(tokio::io::sink());
    let (mut out, mut err) = (String::new(), String::new());
    let both = async {
        tokio::try_join!(channel.stdout.read_to_string(&mut out), channel.stderr.read_to_string(&mut err)).unwrap();
    };
    ends("a channel", both).await;
    (out, err)
}

async fn refused(link: &ostler::transport::NodeLink) -> LinkError {
    match timeout(PATIENCE, Link::connect(link)).await.expect("an answer") {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn channels_carry_their_streams_and_end() {
    let Some(host) = Host::start("") else { return };
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();

    let (out, err) = output(link.open("echo out; echo err >&2; exit 3").await.unwrap()).await;
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));

    // 8 MiB through `cat` in both directions at once.
    let sent: Vec<u8> = (0..8 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut channel = link.open("cat").await.unwrap();
    let mut stdin = std::mem::replace(&mut channel.stdin, Box::pin(tokio::io::sink()));
    let data = sent.clone();
    let writing = tokio::spawn(async move { stdin.write_all(&data).await.unwrap() });
    let mut got = Vec::new();
    ends("a big copy", async { assert_eq!(channel.stdout.read_to_end(&mut got).await.unwrap(), sent.len()) }).await;
    writing.await.unwrap();
    assert!(got == sent, "{} bytes came back of {}", got.len(), sent.len());
    link.close().await;
}

/// A dropped channel ends the input of its program, which is how programs on nodes learn that nobody listens.
#[tokio::test]
async fn a_dropped_channel_ends_its_program() {
    let Some(host) = Host::start("") else { return };
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let told = host.path("told");
    std::fs::write(host.path("program"), format!("cat >/dev/null; echo ended >{}", told.display())).unwrap();
    let mut channel = link.open("read -r program; echo there; . \"$program\"").await.unwrap();
    channel.stdin.write_all(format!("{}\n", host.path("program").display()).as_bytes()).await.unwrap();
    let mut line = [0; 6];
    channel.stdout.read_exact(&mut line).await.unwrap();
    drop(channel);
    let seen = async {
        while !told.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    ends("the program", seen).await;
    link.close().await;
}

#[tokio::test]
async fn what_ssh_refuses_is_told_apart() {
    let Some(mut host) = Host::start("") else { return };
    std::fs::write(host.path("empty"), "").unwrap();
    host.knows("changed", "other-host");
    let dir = host.dir.path().display().to_string();
    host.write_config("unknown_config", &format!(" UserKnownHostsFile {dir}/empty"));
    host.write_config("changed_config", &format!(" UserKnownHostsFile {dir}/changed"));
    host.write_config("key_config", &format!(" IdentityFile {dir}/other-user\n IdentityFile none"));
    host.write_config("bad_config", " NoSuchOption yes");
    // A key that others can read is not used, and one that is not there cannot be; both are said.
    std::fs::copy(host.path("user"), host.path("open-user")).unwrap();
    std::fs::set_permissions(host.path("open-user"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    host.write_config("open_key_config", &format!(" IdentityFile {dir}/open-user"));
    host.write_config("lost_key_config", &format!(" IdentityFile {dir}/lost-user"));
    // A known key must be offered alone, so the right one is taken out of the way.
    let key = std::fs::read_to_string(host.path("key_config")).unwrap();
    std::fs::write(host.path("key_config"), key.replace(&format!(" IdentityFile {dir}/user\n"), "")).unwrap();
    for config in ["open_key_config", "lost_key_config"] {
        let text = std::fs::read_to_string(host.path(config)).unwrap();
        std::fs::write(host.path(config), text.replace(&format!(" IdentityFile {dir}/user\n"), "")).unwrap();
    }

    let cases = [
        ("unknown_config", "host-key-unknown", "sign in", true, "No ED25519 host key is known for"),
        ("changed_config", "host-key-changed", "sign in", true, "(was SHA256:"),
        ("key_config", "auth-refused", "sign in", true, "Permission denied (publickey)"),
        ("open_key_config", "auth-refused", "sign in", true, "Permissions 0644 for"),
        ("lost_key_config", "auth-refused", "sign in", true, "Permission denied (publickey)"),
        ("bad_config", "ssh-config", "connect", true, "nosuchoption"),
        ("no_config", "ssh-config", "connect", true, "no_config"),
    ];
    for (config, code, step, hard, words) in cases {
        let error = refused(&host.node(config)).await;
        assert_eq!((error.code, error.step, error.hard), (code, step, hard), "{config}: {error}");
        assert!(error.message.contains(words), "{config}: {error}");
    }

    let unresolved = refused(&node("no-such-host.invalid", Some(host.path("ssh_config").display().to_string()))).await;
    assert_eq!((unresolved.code, unresolved.hard), ("unreachable", false), "{unresolved}");
    let trap = host.path("trap");
    let option = refused(&node(&format!("-oProxyCommand=touch {}", trap.display()), None)).await;
    assert_eq!((option.code, option.hard), ("bad-host", true), "{option}");
    assert!(!trap.exists());

    host.kill_all();
    let gone = refused(&host.node("ssh_config")).await;
    assert_eq!((gone.code, gone.step, gone.hard), ("unreachable", "connect", false), "{gone}");
    assert!(gone.message.contains("Connection refused"), "{gone}");
}

#[tokio::test]
async fn too_many_at_once_is_no_fault_of_the_host() {
    let Some(host) = Host::start("MaxStartups 1\nLoginGraceTime 60") else { return };
    // One that never signs in takes the only place.
    let _waiting = std::net::TcpStream::connect(("127.0.0.9", host.port)).unwrap();
    let busy = async {
        // sshd counts the connection once it has taken it up.
        loop {
            match Link::connect(&host.node("ssh_config")).await {
                Ok(link) => link.close().await,
                Err(error) => break error,
            }
        }
    };
    let error = timeout(PATIENCE, busy).await.expect("a refusal");
    assert_eq!((error.code, error.hard), ("busy", false), "{error}");
}

/// What the user's configuration says must not reach the host: agent, forwards, commands.
#[tokio::test]
async fn our_options_win_over_the_configuration() {
    let Some(host) = Host::start("AllowAgentForwarding yes") else { return };
    let trap = host.path("trap");
    host.write_config(
        "loose_config",
        &format!(
            " ForwardAgent yes\n StrictHostKeyChecking no\n PermitLocalCommand yes\n LocalCommand touch {0}\n RemoteCommand touch {0}\n \
             RequestTTY force\n LogLevel QUIET\n ControlMaster no\n ControlPath none\n BatchMode no\n LocalForward 127.0.0.9:1 127.0.0.1:1",
            trap.display()
        ),
    );
    let link = Link::connect(&host.node("loose_config")).await.unwrap();
    let (out, _) = output(link.open("echo \"agent=$SSH_AUTH_SOCK\"; tty <&1 || :").await.unwrap()).await;
    assert!(out.starts_with("agent=\n"), "{out}");
    assert!(!out.contains("/dev/"), "{out}");
    assert!(!trap.exists());
    std::fs::write(host.path("known_hosts"), "").unwrap();
    assert_eq!(refused(&host.node("loose_config")).await.code, "host-key-unknown");
    link.close().await;
}

#[tokio::test]
async fn a_noisy_start_file_comes_before_the_program() {
    let Some(host) = Host::start("ForceCommand echo Welcome; echo trouble >&2; eval \"$SSH_ORIGINAL_COMMAND\"") else {
        return;
    };
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let (out, err) = output(link.open("echo ours").await.unwrap()).await;
    assert_eq!((out.as_str(), err.as_str()), ("Welcome\nours\n", "trouble\n"));
    link.close().await;
}

/// The next host process of the core goes on with the connection that the last one left; a dead one is replaced.
#[tokio::test]
async fn a_living_master_is_found_again() {
    let Some(mut host) = Host::start("") else { return };
    let node = host.node("ssh_config");
    let link = Link::connect(&node).await.unwrap();
    let (first, _) = output(link.open("echo $SSH_CONNECTION").await.unwrap()).await;
    drop(link);
    let again = Link::connect(&node).await.unwrap();
    let (second, _) = output(again.open("echo $SSH_CONNECTION").await.unwrap()).await;
    assert_eq!(first, second, "the same connection");

    // A second node on the same host has a connection of its own.
    let other = Link::connect(&host.node("ssh_config")).await.unwrap();
    let (third, _) = output(other.open("echo $SSH_CONNECTION").await.unwrap()).await;
    assert_ne!(first, third);
    other.close().await;

    again.close().await;
    let fresh = Link::connect(&node).await.unwrap();
    let (fourth, _) = output(fresh.open("echo $SSH_CONNECTION").await.unwrap()).await;
    assert_ne!(first, fourth, "a closed connection is not found again");

    // A killed sshd ends the channels that are open, and a later one cannot be opened.
    let mut open = fresh.open("echo there; cat").await.unwrap();
    let mut word = [0; 6];
    open.stdout.read_exact(&mut word).await.unwrap();
    host.kill_all();
    ends("a channel whose sshd is gone", async { drop(open.stdout.read_to_end(&mut Vec::new()).await) }).await;
    let error = async {
        loop {
            if let Err(error) = fresh.open("true").await {
                break error;
            }
        }
    };
    let error = timeout(PATIENCE, error).await.expect("an error");
    assert_eq!((error.code, error.hard), ("unreachable", false), "{error}");
}

/// Follows and looks have their shares; the agent's channel does not wait for them.
#[tokio::test]
async fn data_channels_leave_room_for_the_agent() {
    // One for the agent, and one for a channel that sshd has not yet seen the end of.
    let Some(host) = Host::start(&format!("MaxSessions {}", FOLLOWS_MAX + LOOKS_MAX + 2)) else { return };
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let mut open = Vec::new();
    for (traffic, count) in [(Traffic::Follow, FOLLOWS_MAX), (Traffic::Look, LOOKS_MAX)] {
        for _ in 0..count {
            open.push(link.open_data(traffic, "cat").await.unwrap());
        }
    }
    let more = link.open_data(Traffic::Look, "echo at last");
    tokio::pin!(more);
    assert!(futures_util::poll!(&mut more).is_pending());
    let (agent, _) = output(link.open("echo agent").await.unwrap()).await;
    assert_eq!(agent, "agent\n");
    open.pop();
    let waited = timeout(PATIENCE, more).await.expect("a turn").unwrap();
    assert_eq!(output(waited).await.0, "at last\n");
    link.close().await;
}

/// A login shell that runs no commands: its own words are all that comes, for the agent's handshake to say.
#[tokio::test]
async fn a_login_shell_that_is_none_is_seen_in_its_words() {
    let Some(host) = Host::start("ForceCommand echo This account is currently not available.") else { return };
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let (out, _) = output(link.open("echo ours").await.unwrap()).await;
    assert_eq!(out, "This account is currently not available.\n");
    link.close().await;
}

/// The connection is cut behind the sign-in, before the node's shell has said a word: that is no login without a shell, for
/// which a person would have to come.
#[tokio::test]
async fn a_link_that_is_cut_before_the_first_word_is_tried_again() {
    let Some(host) = Host::start("ForceCommand kill -9 $PPID; sleep 10") else { return };
    let (told, mut reports) = tokio::sync::mpsc::channel(16);
    let agent = ostler::transport::agent::spawn(host.node("ssh_config"), told);
    let (_, report) = timeout(PATIENCE, reports.recv()).await.expect("a report").expect("it runs");
    let Report::Down { why, retry_in } = report else { panic!("{report:?}") };
    assert_eq!((why.code.as_str(), retry_in.is_some()), ("unreachable", true), "{why:?}");
    agent.close(false);
    timeout(PATIENCE, agent.ended()).await.expect("the session ends");
}
