//! One picture per test, at 80×24 or 120×40. `cargo insta review` shows what changed.

use std::sync::Arc;

use ostler::model::ids::*;
use ostler::model::request::{Preview, Reply};
use ostler::model::snapshot::Change;
use ostler::model::spec::mounts::FileServerMount;
use ostler::model::spec::{Deallocation, Export, FileServerSpec, MountVolumes, NodeSetup};
use ostler::model::state::{FileServer, Provisioning, ResourceGroup, Workspace};
use ostler::model::units::NodeCount;
use ostler::tui::msg::Msg;
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world::{ago, at_work, cluster, job, running, update, workspace};

fn working(width: u16, height: u16) -> Screen {
    Screen::at_work(width, height, |_| {})
}

/// Answers the last question to the core.
fn answer(screen: &mut Screen, reply: Reply) {
    let ticket = screen.asked.iter().rev().find_map(|effect| match effect {
        UiEffect::Ask(ticket, _) => Some(*ticket),
        _ => None,
    });
    screen.tell(Msg::Reply(ticket.expect("something was asked"), Box::new(Ok(reply))));
}

#[test]
fn empty_start() {
    insta::assert_snapshot!(Screen::new(80, 24).all([update(1, true, Vec::new())]).text());
}

#[test]
fn first_sight_is_a_running_job() {
    insta::assert_snapshot!(Screen::new(120, 40).all([update(1, true, at_work())]).text());
}

#[test]
fn tree_with_a_running_cluster() {
    let mut screen = working(120, 40);
    screen.keys("j j j l");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn tree_on_a_small_screen() {
    insta::assert_snapshot!(working(80, 24).text());
}

#[test]
fn scaling_preview() {
    let mut screen = working(120, 40);
    screen.keys("j j j + +");
    let preview = Preview {
        from: NodeCount(4),
        to: NodeCount(6),
        acquire: NodeCount(2),
        free_hosts: Some(NodeCount(4)),
        release_now: Vec::new(),
        release_busy: Vec::new(),
        deallocation: Deallocation::Requeue,
        rate_before: Default::default(),
        rate_after: Default::default(),
        budget_lasts: None,
        affordable: None,
        line: "4 → 6: 4 hosts free".to_owned(),
    };
    answer(&mut screen, Reply::Preview(preview));
    insta::assert_snapshot!(screen.text());
}

#[test]
fn running_job_with_its_limit() {
    let mut screen = working(120, 40);
    screen.keys("/ \"run-011\" enter");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn failed_job() {
    let mut screen = working(80, 24);
    screen.keys("/ \"run-009\" enter tab");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn unusable_node_with_the_words_of_ssh() {
    let mut screen = working(120, 40);
    screen.keys("j j j l j j j j");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn nodes_of_a_cluster() {
    let mut screen = working(120, 40);
    screen.keys("j j j tab alt-2 j");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn queue_of_a_cluster() {
    let mut screen = working(80, 24);
    screen.keys("j j j tab l l");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn experiment_as_a_table() {
    let mut screen = working(120, 40);
    screen.keys("j j j j j tab j j space");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn filter_by_field() {
    let mut screen = working(80, 24);
    screen.keys("/ \"state:run\"");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn palette() {
    let mut screen = working(80, 24);
    screen.keys(": \"sca\"");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn palette_jumps_to_things() {
    let mut screen = working(120, 40);
    screen.keys("ctrl-p \"gpu\"");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn help_in_the_tree() {
    let mut screen = working(120, 40);
    screen.keys("?");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn question_before_many_are_stopped() {
    let mut screen = working(80, 24);
    screen.keys("/ \"state:run\" enter * x");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn held_stop_counts_down() {
    let mut screen = working(80, 24);
    let mut job = running(job(11, 1, 1, "run-011"), 1, "gpu-1", 724);
    job.last.stop_at = Some(crate::world::NOW + ostler::model::units::Millis::from_secs(4));
    screen.tell(update(2, false, vec![Change::Job(Arc::new(job))]));
    screen.keys("/ \"run-011\" enter");
    insta::assert_snapshot!(screen.text());
}

#[test]
fn ascii_only() {
    let mut screen = Screen::at_work(80, 24, |look| look.ascii = true);
    screen.keys("j j j");
    let text = screen.text();
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn too_small() {
    insta::assert_snapshot!(working(38, 11).text());
}

#[test]
fn leaving_with_something_undone() {
    let mut screen = working(80, 24);
    screen.keys("q");
    let status = ostler::model::request::Status {
        pid: 1,
        epoch: Epoch(1),
        socket: String::new(),
        started_at: crate::world::NOW,
        version: "0.1.0".to_owned(),
        undone: vec!["10 jobs have not ended".to_owned(), "node gpu-3 is being prepared".to_owned()],
    };
    answer(&mut screen, Reply::Status(status));
    insta::assert_snapshot!(screen.text());
}

/// A second resource group, and a file server that a cluster's set-up mounts.
fn with_groups() -> Screen {
    let mut screen = working(80, 24);
    let group = ResourceGroup { id: GroupId(1), name: "far".to_owned(), created: ago(60), deleting_since: None };
    let far = Workspace { group: group.id, ..workspace(2, "lab") };
    let export = Export::Nfs { host: "ci@nas".to_owned(), path: "/srv/data".to_owned() };
    let server = FileServer {
        id: FileServerId(1),
        workspace: WorkspaceId(1),
        name: "data".to_owned(),
        spec: FileServerSpec { mount_options: Some("ro".to_owned()), ..FileServerSpec::new(export) },
        provisioning: Provisioning::Succeeded,
        provisioning_since: ago(60),
        exported: None,
        space: None,
        effect: None,
        errors: Vec::new(),
        created: ago(60),
    };
    let mount = FileServerMount {
        file_server: "default/prod/data".to_owned(),
        relative_mount_path: "nfs".to_owned(),
        source_directory: None,
        mount_options: None,
    };
    let mut user = cluster(3, "mounting", 0);
    user.spec.node_setup = Some(NodeSetup {
        mount_volumes: MountVolumes { file_servers: vec![mount], ..MountVolumes::default() },
        ..NodeSetup::default()
    });
    screen.tell(update(
        2,
        false,
        vec![
            Change::Group(Arc::new(group)),
            Change::Workspace(Arc::new(far)),
            Change::FileServer(Arc::new(server)),
            Change::Cluster(Arc::new(user)),
        ],
    ));
    screen
}

#[test]
fn file_server_below_its_group() {
    let mut screen = with_groups();
    screen.keys("/ \"data\" enter");
    insta::assert_snapshot!(screen.text());
    // It is mounted, so its deletion asks for the name.
    screen.keys("D");
    assert!(screen.text().contains("1 clusters and 0 jobs mount it"), "{}", screen.text());
}

#[test]
fn a_second_group_adds_a_level() {
    let mut screen = with_groups();
    screen.keys("esc g");
    assert!(screen.text().contains("▾ default"), "{}", screen.text());
    screen.keys("G");
    assert!(screen.text().contains("▾ far"), "{}", screen.text());
    // Without it there is none.
    let screen = working(80, 24);
    assert!(!screen.text().contains("default"), "{}", screen.text());
}
