//! A host that asks a person for more than a key: the person answers once at a terminal, and ostler goes on with that connection.

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};
use crate::tmux;

/// What the second factor is; a real one changes, which nobody but who types it would notice.
const CODE: &str = "orange-417";

#[test]
#[ignore = "needs root, sshd and tmux: tests/run"]
fn a_second_factor_is_typed_once() {
    if !tmux::is_here() {
        return;
    }
    let lab = Lab::up(1);
    // A key is not enough: sshd wants the password too.
    let second = "PasswordAuthentication yes\\nAuthenticationMethods publickey,password";
    lab.on("h1", &format!("echo 'ci:{CODE}' | chpasswd; sed -i '/^PasswordAuthentication/d' /etc/ssh/sshd_config; sed -i '1i {second}' /etc/ssh/sshd_config"));
    lab.kill_sshd("h1");
    lab.nslab(&["sshd-back", "h1"]);
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "c", "--hosts", "ci@h1", "--target", "1"]);
    let refused = until("it is not let in", SOON, || ostler.nodes().into_iter().find(|node| node["state"] == "unusable"));
    let why = refused["reason"].as_str().unwrap_or_default();
    assert!(why.contains("sign-in"), "it says what to do: {refused:#}");
    ostler.ok(&["job", "create", "-c", "c", "-n", "waits", "--", "sh", "-c", "exit 3"]);

    let sign_in = || ostler.at_terminal(&["cluster", "node", "sign-in", "-c", "c"]);
    // A wrong answer is asked for again by ssh, and none is kept.
    let terminal = sign_in();
    terminal.wait(&["assword:"]);
    terminal.text("wrong");
    terminal.keys("Enter");
    terminal.wait(&["try again"]);
    terminal.text(CODE);
    terminal.keys("Enter");
    terminal.wait(&["signed in at ci@h1"]);
    assert_eq!(exit_code(&ostler.await_end("waits")), Some(3));
    assert!(!lab.on("h1", "ps -ef").contains(CODE));

    // The connection outlives the core; and who is signed in is asked nothing.
    ostler.kill_server();
    ostler.ok(&["job", "create", "-c", "c", "-n", "after", "--wait", "--", "true"]);
    let again = ostler.run(&["cluster", "node", "sign-in", "-c", "c"]);
    assert!(again.code == 0 && again.err.contains("signed in"), "{again:?}");

    // When it is lost, a person is wanted again.
    lab.kill_sshd("h1");
    lab.on("h1", "for p in $(pgrep -f 'sshd: ci'); do kill -9 $p; done");
    lab.nslab(&["sshd-back", "h1"]);
    until("it is out of sight", SOON, || {
        ostler
            .nodes()
            .into_iter()
            .any(|node| node["reason"].as_str().is_some_and(|why| why.contains("sign-in")))
            .then_some(())
    });
    ostler.ok(&["job", "create", "-c", "c", "-n", "last", "--", "sh", "-c", "exit 4"]);
    let terminal = sign_in();
    terminal.wait(&["assword:"]);
    terminal.text(CODE);
    terminal.keys("Enter");
    terminal.wait(&["signed in at ci@h1"]);
    assert_eq!(exit_code(&ostler.await_end("last")), Some(4));
}
