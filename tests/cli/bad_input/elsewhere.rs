//! Rows that another test drives, with its name; and those that no test can drive, with the reason.

/// Row; `path::test`, or nothing; why it is not in the table.
pub const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "B32",
        "",
        "two names of one machine are told by nothing that a node could not lie about: each node has a spool of its own there \
         (its uuid), so nothing is mixed up; that the machine is counted twice is not warned of yet",
    ),
    (
        "B35",
        "src/transport/ssh/jumps.rs::a_circle_is_named_and_nothing_is_started",
        "needs a configuration of ssh and its own -G",
    ),
    (
        "B36",
        "tests/links/ssh.rs::what_ssh_refuses_is_told_apart",
        "ssh itself looks at the key's file; its words are passed on",
    ),
    (
        "B68",
        "tests/state/strangers.rs::a_network_file_system_is_refused",
        "needs a mount of a network file system, so a mount namespace",
    ),
    ("B69", "tests/state/strangers.rs::a_full_disk_is_said_and_got_over", "needs a small disk, so a mount namespace"),
    (
        "B74",
        "tests/state/socket.rs::another_protocol_is_refused_in_words_and_can_still_ask_for_the_end",
        "needs a host of another version, which the test plays",
    ),
    ("B75", "src/transport/ssh/master.rs::versions_and_programs", "needs another ssh than the one that is installed"),
    (
        "B76",
        "tests/links/ssh.rs::a_login_shell_that_is_none_is_seen_in_its_words",
        "needs an sshd with an account of its own",
    ),
    ("B77", "tests/agent/session.rs::what_a_node_lacks_is_named", "needs a node with few programs, in every shell"),
    ("B78", "tests/agent/session.rs::what_a_node_lacks_is_named", "needs a node whose spool is a link, in every shell"),
    ("B79", "tests/agent/session.rs::what_a_node_lacks_is_named", "needs a node that cannot be written to, in every shell"),
    ("B80", "tests/links/ssh.rs::what_ssh_refuses_is_told_apart", "needs an sshd with a key of its own"),
    ("B81", "tests/links/ssh.rs::what_ssh_refuses_is_told_apart", "needs an sshd whose key has changed"),
    ("B82", "tests/links/ssh.rs::what_ssh_refuses_is_told_apart", "needs an sshd that refuses"),
    ("B83", "src/transport/frame.rs::memory_is_bounded_and_the_stream_recovers", "needs a node that breaks the protocol"),
    ("B85", "tests/screens/pictures.rs::too_small", "is a picture of the screen"),
    ("B88", "tests/screens/forms.rs::pastes_are_kept_within_bounds", "needs a form on the screen"),
    ("B90", "tests/links/follows.rs::where_to_begin", "offsets are the screen's and the follower's; no option takes one"),
];
