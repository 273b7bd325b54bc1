//! What the detail pane shows of file servers and of resource groups.

use ratatui::text::Span;

use super::about::{self, Content, Rows, Tab, TableContent};
use crate::model::ids::{FileServerId, GroupId, WorkspaceId};
use crate::model::state::{FileServer, Provisioning};
use crate::tui::acts::workspace_of;
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::table::{Column, Row, Width};

/// Returns what a tab of a file server shows.
pub fn content(id: FileServerId, tab: Tab, width: u16, cx: &Cx) -> Content {
    let Some(server) = cx.world.file_server(id) else { return Content::Lines(Vec::new()) };
    let mut facts = Facts::new(cx, width);
    if tab == Tab::Events {
        facts.text(&format!("{} ago", cx.now.since(server.created)), "made", cx.style(Role::Text));
        about::acts(|about| about == Some(Subject::FileServer(id)), &mut facts, cx);
        return Content::Lines(facts.done());
    }
    overview(server, &mut facts, cx);
    Content::Lines(facts.done())
}

fn overview(server: &FileServer, facts: &mut Facts<'_>, cx: &Cx) {
    let (text, muted, strong) = (cx.style(Role::Text), cx.style(Role::Muted), cx.style(Role::Strong));
    let spec = &server.spec;
    facts.text("name", &shown(&server.name), strong);
    facts.text("state", server.provisioning.word(), cx.style(role(server.provisioning)));
    facts.text("mount pt", &shown(spec.export.path()), text);
    facts.text("export", spec.export.word(), text);
    if let Some(by) = server.exported {
        facts.text("set up", by.words(), text);
    }
    if let Some(space) = server.space {
        facts.text("room", &space.words(), text);
    }
    for (label, address) in [("internal", spec.internal()), ("public", spec.public())] {
        if let Some(address) = address {
            facts.text(label, &shown(address), text);
        }
    }
    if let Some(options) = &spec.mount_options {
        facts.text("options", &shown(options), text);
    }
    if let Some(size) = &spec.vm_size {
        facts.text("size", &shown(size), text);
    }
    if let Some(disks) = &spec.data_disks {
        let words = format!("{} x {} GB {}", disks.disk_count, disks.disk_size_in_gb, shown(&disks.storage_account_type));
        facts.text("disks", &words, text);
    }
    if let Some(admin) = &spec.admin {
        facts.text("account", &shown(&admin.admin_user_name), text);
    }
    for error in &server.errors {
        facts.text("error", &shown(&error.message), cx.style(Role::Unusable));
    }
    facts.heading("Mounted by");
    let (clusters, jobs) = cx.world.mounters(server);
    for cluster in clusters.iter().filter_map(|id| cx.world.cluster(*id)) {
        facts.text("cluster", &shown(&cluster.name), text);
    }
    for job in jobs.iter().filter_map(|id| cx.world.job(*id)) {
        facts.text("job", &shown(&job.name), text);
    }
    if clusters.is_empty() && jobs.is_empty() {
        facts.prose("nobody", muted);
    }
}

fn role(state: Provisioning) -> Role {
    match state {
        Provisioning::Creating | Provisioning::Updating => Role::Preparing,
        Provisioning::Succeeded => Role::Good,
        Provisioning::Failed => Role::Unusable,
        Provisioning::Deleting => Role::Leaving,
    }
}

/// Returns the table of a workspace's file servers.
pub fn table(id: WorkspaceId, cx: &Cx) -> Content {
    let columns = vec![
        Column::left("file server", Width::Between(12, 24)),
        Column::left("export", Width::Cells(6)),
        Column::left("state", Width::Cells(9)),
        Column::left("where", Width::AtLeast(16)),
    ];
    let len = cx.world.file_servers_of(id).count();
    let rows = Rows::FileServers(id);
    Content::Table(Box::new(TableContent { above: Vec::new(), columns, len, rows, below: Vec::new() }))
}

/// Returns a row of that table.
pub fn row(id: FileServerId, cx: &Cx) -> Row {
    let Some(server) = cx.world.file_server(id) else { return Vec::new() };
    let export = &server.spec.export;
    let place = export.host().map_or_else(|| export.path().to_owned(), |host| format!("{host}:{}", export.path()));
    vec![
        Span::styled(shown(&server.name), cx.style(Role::Text)),
        Span::styled(export.word(), cx.style(Role::Muted)),
        Span::styled(server.provisioning.word(), cx.style(role(server.provisioning))),
        Span::styled(shown(&place), cx.style(Role::Text)),
    ]
}

/// Returns what a tab of a resource group shows.
pub fn group(id: GroupId, tab: Tab, width: u16, cx: &Cx) -> Content {
    let mut facts = Facts::new(cx, width);
    let inside: Vec<_> = cx.world.snapshot.workspaces.values().filter(|w| w.group == id).collect();
    if tab == Tab::Events {
        let of_it = |about: Option<Subject>| {
            about.is_some() && workspace_of(about, cx).is_some_and(|w| inside.iter().any(|row| row.id == w))
        };
        about::acts(of_it, &mut facts, cx);
        return Content::Lines(facts.done());
    }
    facts.text("name", &cx.world.group_name(id).map(shown).unwrap_or_default(), cx.style(Role::Strong));
    facts.heading("Workspaces");
    for workspace in &inside {
        let clusters = cx.world.clusters_of(workspace.id).count();
        let experiments = cx.world.experiments_of(workspace.id).count();
        let words = format!("{}: {clusters} clusters, {experiments} experiments", shown(&workspace.name));
        facts.text("", &words, cx.style(Role::Text));
    }
    if inside.is_empty() {
        facts.prose("none; new-workspace NAME makes one here", cx.style(Role::Muted));
    }
    Content::Lines(facts.done())
}
