//! Ssh among the nodes of a job without a password: it works while the job runs, for this job alone, and nothing is left.

use serde_json::json;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn nodes_of_a_job_come_to_one_another_by_ssh_and_only_while_it_runs() {
    let lab = Lab::up(2);
    // The nodes' login has a key of its own let in, on a line without an end; and it is no root.
    let home = "/home/ci";
    lab.on_all(&format!("cd {home}/.ssh && rm -f id_* known_hosts config"));
    let own = lab.on("h2", &format!("cat {home}/.ssh/authorized_keys"));
    lab.on(
        "h2",
        &format!(
            "printf %s \"$(cat {home}/.ssh/authorized_keys)\" >{home}/keys; cat {home}/keys >{home}/.ssh/authorized_keys"
        ),
    );
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "c", "--hosts", "ci@h1,ci@h2", "--target", "2"]);
    ostler.await_ready(2);
    let submit = |name: &str, line: &str, wanted: bool| {
        ostler.submit_file(
            name,
            json!({"nodeCount": 2, "sshAmongNodes": wanted, "customToolkitSettings": {"commandLine": line}}),
        );
    };
    let other = "other=$(tail -n 1 $AZ_BATCHAI_MPI_HOST_FILE | cut -d' ' -f1)";
    // By name and by address, with input and an exit code; a file goes and comes back.
    submit(
        "there",
        &format!(
            "{other}; echo of-input | ssh $other cat; ssh $other 'uname -n; id -un; exit 7'; echo $?; \
             echo a file >f && scp -q f $other:/tmp/f-of-a-job && scp -q $other:/tmp/f-of-a-job g && cat g; \
             ssh ci@h2 uname -n; echo bye | sftp -q $other >/dev/null && echo sftp; \
             ls -l $OSTLER_SSH_CONFIG ${{OSTLER_SSH_CONFIG%config}}id | cut -c1-10"
        ),
        true,
    );
    let job = ostler.await_end("there");
    let said = ostler.ok(&["job", "logs", "there"]);
    let wanted = "of-input\nh2\nci\n7\na file\nh2\nsftp\n-rw-------\n";
    assert!(
        job["executionState"] == "succeeded" && said.starts_with(wanted),
        "{said}\n{}",
        ostler.ok(&["job", "logs", "there", "--err"])
    );
    let keys = || lab.on("h2", &format!("cat {home}/.ssh/authorized_keys"));
    let left = || {
        lab.on_all(&format!("ls -d {home}/.local/state/ostler-node/*/*/ssh/* {home}/.ssh/ostler* 2>/dev/null; grep -c ostler- {home}/.ssh/authorized_keys"))
    };
    assert_eq!((keys().trim_end(), left().as_str()), (own.trim_end(), "0\n0\n"));

    // Who did not ask for it has none.
    submit("without", &format!("{other}; ssh -o BatchMode=yes -o StrictHostKeyChecking=no $other true"), false);
    assert_eq!(exit_code(&ostler.await_end("without")), Some(255));

    // A job that is stopped takes along what it started on the other node, although that has left its session.
    submit(
        "stopped",
        &format!("{other}; ssh $other 'setsid sleep 54321 >/dev/null 2>&1 & trap : TERM; sleep 12345 & wait; wait'"),
        true,
    );
    let each = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline | grep -xE 'sleep (54321|12345) '; done 2>/dev/null";
    let sleeps = || lab.on("h2", each).lines().count();
    until("both sleep", SOON, || (sleeps() == 2).then_some(()));
    assert!(keys().contains("restrict,pty,command="), "{}", keys());
    ostler.ok(&["job", "terminate", "stopped", "-y"]);
    ostler.await_end("stopped");
    assert_eq!((sleeps(), keys().trim_end(), left().as_str()), (0, own.trim_end(), "0\n0\n"));
    // No key of a job is kept anywhere.
    let kept =
        std::process::Command::new("grep").args(["-rl", "OPENSSH PRIVATE"]).arg(lab.dir().join("ostler")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
}
