//! Declarative files: plan, apply, nothing left to do, export, prune, watch.

use std::time::{Duration, Instant};

use crate::rig::{Ran, User};

/// How long a state may take to come; generous, since the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(90);

const TREE: &str = "
workspace:
  name: lab
  location: attic
  tags: {team: vision}
  fileServers:
    - {name: data, host: nas, path: /srv/data, mountOptions: ro}
  clusters:
    - name: pool
      properties:
        vmSize: big
        provider: local
        scaleSettings: {manual: {targetNodeCount: 1}}
  experiments:
    - name: first
      jobs:
        - name: a
          properties:
            cluster: pool
            nodeCount: 1
            customToolkitSettings: {commandLine: \"echo $WHO\"}
            environmentVariables: [{name: WHO, value: ada}]
        - {name: b, cluster: pool, nodeCount: 1, customToolkitSettings: {commandLine: exit 3}}
    - name: empty
";

fn actions(ran: &Ran) -> Vec<(String, String)> {
    let plan: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.shown()));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    plan.iter().map(|step| (text(&step["action"]), text(&step["name"]))).collect()
}

fn only(ran: &Ran, action: &str) -> bool {
    let all = actions(ran);
    !all.is_empty() && all.iter().all(|(word, _)| word == action)
}

struct Lab(User);

impl Lab {
    fn new() -> Self {
        let lab = Self(User::new());
        lab.0.file("lab.yaml", TREE);
        lab
    }

    fn ok(&self, line: &str) -> Ran {
        let ran = self.0.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
        ran
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.0.run("job terminate --all -y");
        self.0.run("serve --stop");
    }
}

#[test]
fn a_tree_is_applied_once() {
    let lab = Lab::new();
    let ran = lab.ok("--dry-run apply -f lab.yaml -o json");
    assert!(only(&ran, "create") && actions(&ran).len() == 7, "{}", ran.shown());
    assert_eq!(lab.ok("workspace list -o name").stdout, "", "a dry run makes nothing");
    let ran = lab.0.run("apply -f lab.yaml");
    assert!(ran.code == 2 && ran.stderr.contains("7 to create, 0 to change, 0 to delete: apply"), "{}", ran.shown());
    lab.ok("apply -f lab.yaml -y");
    lab.0.run("job wait a b");
    let ran = lab.ok("apply -f lab.yaml -y -o json");
    assert!(only(&ran, "unchanged") && ran.stderr.contains("no change"), "{}", ran.shown());
    assert_eq!(lab.ok("job list -o name").stdout, "a\nb\n");
    assert_eq!(lab.ok("job logs a").stdout, "ada\n");
    let shown = lab.ok("cluster show pool -o json").stdout;
    assert!(shown.contains("\"vmSize\": \"big\""), "{shown}");
}

#[test]
fn what_can_be_changed_is_and_the_rest_is_refused() {
    let lab = Lab::new();
    lab.ok("apply -f lab.yaml -y");
    lab.0.run("job wait a b");
    // Tags and the target change.
    lab.0.file(
        "lab.yaml",
        TREE.replace("team: vision", "team: audio, x: y").replace("targetNodeCount: 1", "targetNodeCount: 2"),
    );
    let ran = lab.ok("--dry-run apply -f lab.yaml");
    for line in ["~ change     workspace    lab", "tag team: vision → audio; tag x: y", "targetNodeCount: 1 → 2"] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.shown());
    }
    lab.ok("apply -f lab.yaml -y");
    assert!(lab.ok("workspace show lab").stdout.contains("team=audio x=y"));
    assert!(lab.ok("cluster show pool -o json").stdout.contains("\"targetNodeCount\": 2"));
    // The rest does not, and then nothing is done.
    for (from, to, said) in [
        ("location: attic", "location: cellar", "only the tags of a workspace can be changed"),
        ("vmSize: big", "vmSize: small", "vmSize: big → small; only scaleSettings of a cluster can be changed"),
        ("path: /srv/data", "path: /srv/other", "a file server cannot be changed once it is made"),
        ("commandLine: exit 3", "commandLine: exit 4", "a job cannot be changed once submitted; --rerun"),
    ] {
        lab.0.file("lab.yaml", TREE.replace(from, to).replace("team: vision", "team: text"));
        let ran = lab.0.run("apply -f lab.yaml -y");
        assert!(ran.code == 1 && ran.stderr.contains(said), "{}", ran.shown());
        assert!(lab.ok("workspace show lab").stdout.contains("team=audio"), "nothing was applied");
    }
    // What would be refused loses nothing: the old job stays as it is.
    let so_far =
        |text: &str| text.replace("team: vision", "team: audio, x: y").replace("targetNodeCount: 1", "targetNodeCount: 2");
    let mounts = "commandLine: exit 4}, mountVolumes: {fileServers: [{fileServer: {id: nowhere}, relativeMountPath: n}]";
    lab.0.file("lab.yaml", so_far(&TREE.replace("commandLine: exit 3", mounts)));
    let ran = lab.0.run("apply -f lab.yaml -y --rerun");
    assert!(ran.code == 1 && ran.stderr.contains("nowhere"), "{}", ran.shown());
    lab.0.file("lab.yaml", so_far(&TREE.replace("commandLine: exit 3", "commandLine: exit 4")));
    let before = lab.ok("job show b -o json").stdout;
    lab.ok("apply -f lab.yaml -y --rerun");
    lab.0.run("job wait b");
    let after = lab.ok("job show b -o json").stdout;
    assert!(before.contains("\"exitCode\": 3") && after.contains("\"exitCode\": 4"), "{before}{after}");
}

/// An array of three and what may be spent.
const ARRAY: &str = "
workspace:
  name: lab
  budget: {limit: 12.5, per: week, then: warn}
  clusters:
    - name: pool
      provider: local
      budget: {limit: 3}
      scaleSettings: {manual: {targetNodeCount: 1}}
  experiments:
    - name: first
      jobs:
        - {name: s, cluster: pool, nodeCount: 1, array: 1-3, customToolkitSettings: {commandLine: exit 0}}
";

#[test]
fn an_array_is_one_job_of_a_file() {
    let lab = Lab::new();
    let names = || lab.ok("job list -o name").stdout;
    lab.0.file("array.yaml", ARRAY);
    lab.ok("apply -f array.yaml -y");
    assert_eq!(names(), "s-1\ns-2\ns-3\n");
    assert!(only(&lab.ok("apply -f array.yaml -y -o json"), "unchanged"));
    assert_eq!(names(), "s-1\ns-2\ns-3\n", "not made twice");
    lab.0.run("job wait s-1 s-2 s-3");
    // It is exported as it was written, and that also when its first member is gone.
    lab.ok("job delete s-1 -y");
    let text = lab.ok("export lab").stdout;
    assert!(text.contains("name: s\n") && text.contains("array: \"1-3\"") && !text.contains("s-2"), "{text}");
    lab.0.file("out.yaml", &text);
    for file in ["array.yaml", "out.yaml"] {
        assert!(only(&lab.ok(&format!("apply -f {file} -y -o json")), "unchanged"), "{text}");
    }
    // Another body takes the place of all of it, once all have ended.
    lab.0.file("array.yaml", ARRAY.replace("exit 0", "exit 3"));
    let ran = lab.0.run("apply -f array.yaml -y");
    assert!(ran.code == 1 && ran.stderr.contains("--rerun"), "{}", ran.shown());
    lab.ok("apply -f array.yaml -y --rerun");
    assert_eq!(names(), "s-1\ns-2\ns-3\n");
    lab.0.run("job wait s-1 s-2 s-3");
    assert!(lab.ok("job show s-2 -o json").stdout.contains("\"exitCode\": 3"));
    lab.0.file("array.yaml", ARRAY.replace("exit 0", "sleep 600"));
    lab.ok("apply -f array.yaml -y --rerun");
    let ran = lab.0.run("apply -f out.yaml -y --rerun");
    assert!(ran.code == 1 && ran.stderr.contains("it has not ended"), "{}", ran.shown());
    lab.ok("job terminate --all -y");
    lab.0.run("job wait s-1 s-2 s-3");
    // One job of that name, and no array any more.
    lab.0.file("array.yaml", ARRAY.replace("array: 1-3, ", ""));
    lab.ok("apply -f array.yaml -y --rerun");
    assert_eq!(names(), "s\n");
    // Nothing of an array is in no file.
    lab.0.run("job wait s");
    lab.0.file("array.yaml", ARRAY);
    lab.ok("apply -f array.yaml -y --rerun");
    assert!(only(&lab.ok("apply -f array.yaml -y --prune -o json"), "unchanged"));
}

#[test]
fn what_may_be_spent_is_applied_and_exported() {
    let lab = Lab::new();
    lab.0.file("array.yaml", ARRAY);
    let ran = lab.ok("apply -f array.yaml -y");
    for line in ["budget: 12.50 week, then warn", "budget: 3.00 month, then hold"] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.shown());
    }
    assert!(lab.ok("cluster show pool").stdout.contains("of 3.00 a month, then hold"));
    assert!(only(&lab.ok("apply -f array.yaml -y -o json"), "unchanged"));
    let text = lab.ok("export lab").stdout;
    lab.0.file("out.yaml", &text);
    assert!(only(&lab.ok("apply -f out.yaml -y -o json"), "unchanged"), "{text}");
    lab.0.file("array.yaml", ARRAY.replace("limit: 3}", "limit: 4, per: total}"));
    let ran = lab.ok("apply -f array.yaml -y");
    assert!(ran.stdout.contains("budget: 3.00 month, then hold → 4.00 total, then hold"), "{}", ran.shown());
    // A file that says nothing of it leaves it as it is.
    lab.0.file("array.yaml", ARRAY.replace("      budget: {limit: 3}\n", ""));
    assert!(only(&lab.ok("apply -f array.yaml -y -o json"), "unchanged"));
    assert!(lab.ok("cluster show pool").stdout.contains("of 4.00 in all, then hold"));
    // `cluster create` reads the same file.
    lab.0.file(
        "other.yaml",
        "provider: local\nbudget: {limit: 7, per: day, then: zero}\nscaleSettings: {manual: {targetNodeCount: 0}}\n",
    );
    lab.ok("cluster create other -f other.yaml");
    assert!(lab.ok("cluster show other").stdout.contains("of 7.00 a day, then zero"));
}

/// A tree with everything that is not a plain value: bounds, mounts, a set-up task, secrets.
const RICH: &str = "
workspace:
  name: lab
  fileServers: [{name: data, export: dir, path: /srv/data}]
  clusters:
    - name: auto
      properties:
        hosts: nowhere.invalid
        scaleSettings: {autoScale: {minimumNodeCount: 0, maximumNodeCount: 4, idleTime: 5m}}
        nodeSetup:
          setupTask:
            commandLine: echo set up
            stdOutErrPathPrefix: $AZ_BATCHAI_MOUNT_ROOT/data
            environmentVariables: [{name: A, value: b}]
            secrets: [{name: TOKEN, value: canary-task}]
          mountVolumes: {fileServers: [{fileServer: {id: data}, relativeMountPath: data}]}
  experiments:
    - name: first
      jobs:
        - name: held
          properties:
            cluster: auto
            nodeCount: 1
            customToolkitSettings: {commandLine: \"true\"}
            mountVolumes: {unmanagedFileSystems: [{mountCommand: mount --bind /srv, relativeMountPath: srv}]}
            secrets: [{name: KEY, value: canary-job}, {name: FROM, fromEnv: HOME}]
";

#[test]
fn bounds_mounts_and_secrets_are_applied_and_exported() {
    let lab = Lab::new();
    // A number of nodes that follows the work would look for hosts that are not there; the job need not run.
    lab.0.file("rich.yaml", RICH);
    lab.ok("apply -f rich.yaml -y");
    let ran = lab.ok("apply -f rich.yaml -y -o json");
    assert!(only(&ran, "unchanged") && ran.stderr.contains("no change"), "{}", ran.shown());
    // Other values of secrets are no change that could be seen; other names are.
    lab.0.file("rich.yaml", RICH.replace("canary-job", "canary-other"));
    assert!(only(&lab.ok("apply -f rich.yaml -y -o json"), "unchanged"));
    lab.0.file("rich.yaml", RICH.replace("maximumNodeCount: 4", "maximumNodeCount: 8").replace("5m", "7m"));
    let ran = lab.ok("apply -f rich.yaml -y");
    assert!(ran.stdout.contains("autoScale: 0 to 8, idle 7m00s"), "{}", ran.shown());
    lab.0.file(
        "rich.yaml",
        RICH.replace("autoScale: {minimumNodeCount: 0, maximumNodeCount: 4, idleTime: 5m}", "manual: {targetNodeCount: 0}"),
    );
    // The number follows the work meanwhile, and a change of another number than was seen is refused.
    let overtaken = |ran: &Ran| ran.code != 0 && ran.stderr.contains("by now, not");
    let ran =
        (0..20).map(|_| lab.0.run("apply -f rich.yaml -y")).find(|ran| !overtaken(ran)).expect("a moment without change");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    assert!(ran.stdout.contains("targetNodeCount: ") && ran.stdout.contains("→ 0"), "{}", ran.shown());
    for (from, to, said) in [
        ("name: TOKEN", "name: OTHER", "nodeSetup"),
        ("relativeMountPath: data", "relativeMountPath: other", "nodeSetup"),
        ("name: KEY", "name: OTHER", "secrets"),
        ("mount --bind /srv", "mount --bind /home", "mountVolumes"),
    ] {
        lab.0.file("rich.yaml", RICH.replace(from, to));
        let ran = lab.0.run("apply -f rich.yaml -y");
        assert!(ran.code == 1 && ran.stderr.contains(said), "{said}: {}", ran.shown());
    }
    let text = lab.ok("export lab").stdout;
    assert!(!text.contains("canary"), "{text}");
    for part in
        ["name: TOKEN", "name: KEY", "prompt: true", "fromEnv: HOME", "relativeMountPath: srv", "relativeMountPath: data"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    lab.0.file("out.yaml", &text);
    assert!(only(&lab.ok("apply -f out.yaml -y -o json"), "unchanged"), "{text}");
}

#[test]
fn an_export_is_what_apply_reads() {
    let lab = Lab::new();
    lab.ok("apply -f lab.yaml -y");
    lab.0.run("job wait a b");
    for (format, file) in [("yaml", "out.yaml"), ("json", "out.json")] {
        let text = lab.ok(&format!("export lab -o {format}")).stdout;
        lab.0.file(file, &text);
        let ran = lab.ok(&format!("apply -f {file} -y -o json"));
        assert!(only(&ran, "unchanged"), "{text}{}", ran.shown());
        // Somewhere else it makes the same, which is exported as the same.
        let other = Lab::new();
        other.0.file(file, &text);
        other.ok(&format!("apply -f {file} -y"));
        assert_eq!(other.ok(&format!("export lab -o {format}")).stdout, text);
    }
    let text = lab.ok("export lab --without-jobs").stdout;
    assert!(!text.contains("commandLine") && text.contains("name: first"), "{text}");
    assert_eq!(lab.0.run("export nope").code, 1);
}

#[test]
fn only_prune_deletes() {
    let lab = Lab::new();
    lab.ok("apply -f lab.yaml -y");
    lab.0.run("job wait a b");
    lab.0.file("lab.yaml", "workspace: {name: lab, experiments: [{name: first, jobs: []}]}");
    let ran = lab.ok("apply -f lab.yaml -y -o json");
    assert!(only(&ran, "unchanged"), "{}", ran.shown());
    let ran = lab.0.run("apply -f lab.yaml --prune");
    assert!(ran.code == 2 && ran.stderr.contains("0 to create, 0 to change, 5 to delete"), "{}", ran.shown());
    lab.ok("apply -f lab.yaml --prune -y");
    assert_eq!(lab.ok("job list -o name").stdout, "");
    assert_eq!(lab.ok("experiment list -o name").stdout, "first\n");
    assert_eq!(lab.ok("file-server list -o name").stdout, "");
    let begin = Instant::now();
    while !lab.ok("cluster list -o name").stdout.is_empty() {
        assert!(begin.elapsed() < DEADLINE, "the cluster never went");
    }
}

#[test]
fn several_documents_of_a_folder() {
    let lab = Lab::new();
    let folder = lab.0.home().join("all");
    std::fs::create_dir(&folder).expect("a folder");
    lab.0.file(
        "all/1.yaml",
        "kind: workspace\nname: lab\nresourceGroup: far\n---\nkind: cluster\nname: c\nworkspace: lab\nprovider: local\nscaleSettings: {manual: {targetNodeCount: 0}}\n---\n# nothing\n",
    );
    lab.0.file(
        "all/2.json",
        r#"[{"kind": "experiment", "workspace": "lab", "name": "e"},
        {"kind": "file-server", "workspace": "lab", "name": "s", "export": "dir", "path": "/home"},
        {"kind": "job", "workspace": "lab", "experiment": "e", "name": "j", "nodeCount": 1,
         "customToolkitSettings": {"commandLine": "true"}}]"#,
    );
    lab.0.file("all/notes.txt", "not a file of ours");
    let ran = lab.ok("apply -f all -y -o json");
    let names: Vec<String> = actions(&ran).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["far", "lab", "lab/s", "lab/c", "lab/e", "lab/e/j"], "{}", ran.shown());
    assert!(only(&lab.ok("apply -f all -y -o json"), "unchanged"));
    assert_eq!(lab.ok("-g far job list -o name").stdout, "j\n");
}

#[test]
fn all_faults_of_a_tree() {
    let lab = Lab::new();
    lab.0.file(
        "bad.yaml",
        "kind: workspace\nname: lab\n---\nworkspace:\n  name: lab\n  clusters:\n    - name: c\n      provider: nowhere\n      scaleSettings: {manual: {targetNodeCount: many}}\n  experiments:\n    - jobs: []\n    - name: e\n      jobs:\n        - {name: j, nodeCount: 0}\n---\nkind: robot\n",
    );
    let ran = lab.0.run("apply -f bad.yaml -y");
    assert_eq!(ran.code, 1, "{}", ran.shown());
    for said in [
        "bad.yaml:8:17: clusters[0].provider: `nowhere` is none of",
        "clusters[0].scaleSettings.manual.targetNodeCount: wants a whole number",
        "workspace.experiments[0].name: is missing",
        "experiments[1].jobs[0].nodeCount:",
        "kind: `robot` is none of",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.shown());
    }
    assert_eq!(lab.ok("workspace list -o name").stdout, "");
    lab.0.file("empty.yaml", "# nothing\n");
    assert_eq!(lab.0.run("apply -f empty.yaml").code, 1);
    assert_eq!(lab.0.run("apply -f - --watch -y").code, 2);
}

#[test]
fn a_watched_file_is_applied_as_it_changes() {
    let lab = Lab::new();
    lab.0.file("w.yaml", "workspace: {name: one}");
    let mut command = lab.0.command(&["apply", "-f", "w.yaml", "--watch", "-y"]);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = Ended(command.spawn().expect("it starts"));
    let until = |name: &str| {
        let begin = Instant::now();
        while !lab.ok("workspace list -o name").stdout.contains(name) {
            assert!(begin.elapsed() < DEADLINE, "{name} never came");
        }
    };
    until("one");
    // A file that is wrong for a while ends nothing.
    lab.0.file("w.yaml", "workspace: {name: 'no good'}");
    lab.0.file("w.yaml", "workspace: {name: two}");
    until("two");
    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    assert_eq!(child.0.wait().expect("it ends").code(), Some(130));
}

/// A child that does not outlive its test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended already when all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
