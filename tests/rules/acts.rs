//! The command line and the screen are one program: each verb of the command line has its act on the screen, or what shows
//! the same there, or a reason; and each act of the screen that changes something has its verb.

use std::collections::BTreeSet;

use ostler::cli::args::whole;
use ostler::commands::{ALL, Danger, by_name};

/// Where the screen has what a verb does.
enum On {
    /// One of these commands of the table does it.
    Act(&'static [&'static str]),
    /// This part of the screen shows it.
    Shown(&'static str),
    /// `:ostler WORDS` runs it in the screen's place, because of this.
    Typed(&'static str),
    /// It is no matter of a screen.
    None(&'static str),
}

use On::{Act, None as NotThere, Shown, Typed};

/// All verbs.
const VERBS: &[(&str, On)] = &[
    ("resource-group create", Act(&["new-group"])),
    ("resource-group list", Shown("the tree")),
    ("resource-group delete", Act(&["delete"])),
    ("workspace create", Act(&["new-workspace", "new"])),
    ("workspace show", Shown("the Overview tab")),
    ("workspace list", Shown("the tree")),
    ("workspace update", Act(&["edit"])),
    ("workspace delete", Act(&["delete"])),
    ("cluster create", Act(&["new-cluster", "new", "import-hosts"])),
    ("cluster show", Shown("the Scaling tab")),
    ("cluster list", Shown("the tree")),
    ("cluster scale", Act(&["scale", "scale-up", "scale-down", "scale-idle", "edit"])),
    ("cluster resize", Act(&["scale"])),
    ("cluster auto-scale", Act(&["auto-scale"])),
    ("cluster keep-awake", Act(&["keep-awake"])),
    ("cluster resume", Act(&["resume-scaling"])),
    ("cluster queue", Shown("the Queue tab")),
    ("cluster partitions", Shown("the Partitions tab of a Slurm cluster")),
    ("cluster share", Act(&["share"])),
    ("cluster host add", Act(&["edit"])),
    ("cluster host remove", Act(&["edit"])),
    ("cluster delete", Act(&["delete"])),
    ("cluster node list", Shown("the Nodes tab")),
    ("cluster node exec", Act(&["shell"])),
    ("cluster node forward", Act(&["forward"])),
    ("cluster node shell", Act(&["shell"])),
    ("cluster node sign-in", Act(&["shell"])),
    ("cluster node prepare", Act(&["prepare"])),
    ("cluster node replace", Act(&["replace"])),
    ("cluster node history", Shown("the History tab of a node")),
    ("cluster node drain", Act(&["drain"])),
    ("cluster node power-up", Act(&["power-up"])),
    ("cluster node power-down", Act(&["power-down"])),
    ("cluster job why", Act(&["why"])),
    ("cluster job cancel", Act(&["stop"])),
    ("cluster job hold", Act(&["hold"])),
    ("cluster job release", Act(&["release"])),
    ("cluster job requeue", Act(&["requeue"])),
    ("cluster job nice", Act(&["nice"])),
    ("cluster job shell", Act(&["shell"])),
    ("cluster job logs", Act(&["follow-output"])),
    ("cluster job time", Act(&["time-limit"])),
    ("cluster node undrain", Act(&["undrain"])),
    ("cluster node declare-dead", Act(&["declare-dead"])),
    ("cluster file list", Act(&["set-up-logs"])),
    ("cluster file stream", Act(&["set-up-logs"])),
    ("file-server create", Act(&["new-file-server", "new"])),
    ("file-server show", Shown("the Overview tab")),
    ("file-server list", Shown("the tree")),
    ("file-server files", Typed("what a server gives out is seen on the nodes that mount it")),
    ("file-server get", Typed("copies name paths of both sides")),
    ("file-server put", Typed("copies name paths of both sides")),
    ("file-server delete", Act(&["delete"])),
    ("experiment create", Act(&["new-experiment"])),
    ("experiment show", Shown("the Jobs tab")),
    ("experiment list", Shown("the tree")),
    ("experiment limit", Act(&["limit"])),
    ("experiment table", Shown("the Jobs tab")),
    ("experiment best", Shown("the Jobs tab, sorted by a metric")),
    ("experiment plot", Shown("the Metrics tab")),
    ("experiment report", Typed("it writes a file for others")),
    ("experiment export", Act(&["export-marked"])),
    ("experiment failures", Act(&["failures"])),
    ("experiment stop", Act(&["stop", "sweep-stop"])),
    ("experiment pause", Act(&["hold", "sweep-pause"])),
    ("experiment resume", Act(&["release", "sweep-resume"])),
    ("experiment retry", Act(&["retry", "cause-retry"])),
    ("experiment priority", Act(&["priority", "sweep-priority"])),
    ("experiment extend", Typed("what it is extended by is a line of values")),
    ("experiment trim", Act(&["sweep-trim"])),
    ("experiment delete", Act(&["delete"])),
    ("job create", Act(&["new"])),
    ("job plan", Act(&["plan", "form-plan"])),
    ("job show", Shown("the Overview tab")),
    ("job list", Shown("the tree, with its filter")),
    ("job why", Act(&["why"])),
    ("job efficiency", Act(&["efficiency"])),
    ("job wait", NotThere("the screen is there while a job runs; its end is told")),
    ("job logs", Shown("the log")),
    ("job file list", Shown("the Files tab")),
    ("job file stream", Act(&["open"])),
    ("job file get", Act(&["get-file"])),
    ("job file put", Typed("copies name paths of both sides")),
    ("job node list", Shown("the Nodes tab")),
    ("job node shell", Act(&["shell"])),
    ("job node exec", Act(&["shell"])),
    ("job node forward", Act(&["forward"])),
    ("job terminate", Act(&["stop"])),
    ("job retry", Act(&["retry"])),
    ("job rerun", Act(&["rerun", "rerun-with"])),
    ("job hold", Act(&["hold"])),
    ("job release", Act(&["release"])),
    ("job priority", Act(&["priority"])),
    ("job clone", Act(&["rerun-with"])),
    ("job code", Typed("what was kept is a list of files and a difference; the Overview tab names it")),
    ("job diff", Typed("it compares any two jobs, also of other experiments")),
    ("job delete", Act(&["delete"])),
    ("sweep create", Act(&["sweep"])),
    ("sweep halving", Typed("it is a program over several rounds, with a progress of its own")),
    ("sweep plan", Act(&["sweep"])),
    ("sweep show", Shown("the Jobs tab, with a column for each parameter")),
    ("sweep list", Shown("the Jobs tab")),
    ("sweep stop", Act(&["sweep-stop"])),
    ("sweep pause", Act(&["sweep-pause"])),
    ("sweep resume", Act(&["sweep-resume"])),
    ("sweep retry", Act(&["retry", "cause-retry"])),
    ("sweep extend", Typed("what it is extended by is a line of values")),
    ("sweep trim", Act(&["sweep-trim"])),
    ("sweep priority", Act(&["sweep-priority"])),
    ("sweep delete", Act(&["delete"])),
    ("metric", NotThere("jobs report their values with it")),
    ("apply", Act(&["apply"])),
    ("edit", Act(&["edit"])),
    ("export", Typed("it writes a file")),
    ("budget show", Shown("the Cost tab")),
    ("budget set", Act(&["budget", "auto-scale"])),
    ("budget clear", Act(&["budget", "auto-scale"])),
    ("usage", Shown("the Quota tab")),
    ("context set", NotThere("what is selected is what is meant")),
    ("context show", NotThere("what is selected is what is meant")),
    ("context clear", NotThere("what is selected is what is meant")),
    ("config show", Typed("the configuration is a file; it counts as it changes")),
    ("config init", Typed("the configuration is a file; it counts as it changes")),
    ("config path", Typed("the configuration is a file; it counts as it changes")),
    ("theme list", Act(&["theme"])),
    ("completions", NotThere("they are for a shell")),
    ("doctor", Act(&["doctor"])),
    ("serve", Act(&["quit"])),
    ("attach", NotThere("the screen attaches by itself")),
    ("demo", Act(&["demo"])),
    ("man", NotThere("`?` shows what can be done here")),
    ("db", Typed("the store is mended while nobody looks at it")),
];

/// Commands that change something and have no verb, with the reason.
const NO_VERB: &[(&str, &str)] = &[
    ("undo", "only the screen holds stops"),
    ("cause-avoid", "drains nodes and retries jobs, each with its own verb"),
    ("ostler", "runs any verb"),
];

fn walk(command: &clap::Command, name: &str, found: &mut Vec<String>) {
    let below: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()).collect();
    if below.is_empty() && !name.is_empty() {
        found.push(name.to_owned());
    }
    for command in below {
        let name = if name.is_empty() { command.get_name().to_owned() } else { format!("{name} {}", command.get_name()) };
        walk(command, &name, found);
    }
}

#[test]
fn every_verb_has_its_act_on_the_screen() {
    let mut verbs = Vec::new();
    walk(&whole(), "", &mut verbs);
    let known = |verb: &String| VERBS.iter().any(|(of, _)| *of == verb || verb.starts_with(&format!("{of} ")));
    let missing: Vec<&String> = verbs.iter().filter(|verb| !known(verb)).collect();
    assert!(missing.is_empty(), "verbs without a row: {missing:?}");
    // What is planned may have its row before it is there.
    let planned: [&str; 0] = [];
    for (of, on) in VERBS {
        let there = verbs.iter().any(|verb| verb == of || verb.starts_with(&format!("{of} ")));
        assert!(there || planned.contains(of), "`{of}` is no verb any more");
        match on {
            Act(names) => names.iter().for_each(|name| assert!(by_name(name).is_some(), "{of}: no command `{name}`")),
            Shown(what) | Typed(what) | NotThere(what) => assert!(!what.is_empty(), "{of} wants a reason"),
        }
    }
    assert!(by_name("ostler").is_some(), "what is typed has its command");
}

#[test]
fn every_act_of_the_screen_has_its_verb() {
    let by_verb: BTreeSet<&str> = VERBS
        .iter()
        .filter_map(|(_, on)| if let Act(names) = on { Some(*names) } else { None })
        .flatten()
        .copied()
        .collect();
    let missing: Vec<&str> = ALL
        .iter()
        .filter(|command| command.danger != Danger::None)
        .map(|command| command.name)
        .filter(|name| !by_verb.contains(name) && !NO_VERB.iter().any(|(of, _)| of == name))
        .collect();
    assert!(missing.is_empty(), "acts without a verb: {missing:?}");
}
