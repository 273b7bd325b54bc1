//! Pools as a person has them: hosts that come and go, programs that get machines, prices and budgets.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::User;

const SOON: Duration = Duration::from_secs(60);

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn done(user: &User, line: &str) -> String {
    let ran = user.run(line);
    assert_eq!(ran.code, 0, "{}", ran.shown());
    ran.stdout + &ran.stderr
}

fn json(user: &User, line: &str) -> Value {
    let ran = user.run(&format!("{line} -o json"));
    assert_eq!(ran.code, 0, "{}", ran.shown());
    serde_json::from_str(&ran.stdout).unwrap()
}

/// A user whose ssh reaches nothing.
fn user() -> User {
    let user = User::new();
    let config = user.file("ssh_none", "Host *\n  ProxyCommand false\n");
    user.with("OSTLER_SSH_CONFIG", config.to_str().unwrap())
}

fn hosts(user: &User, cluster: &str) -> Vec<String> {
    let shown = json(user, &format!("cluster show {cluster}"));
    shown["hosts"].as_array().unwrap().iter().map(|host| host.as_str().unwrap().to_owned()).collect()
}

#[test]
fn hosts_of_a_live_pool() {
    let user = user();
    done(&user, "workspace create lab");
    done(&user, "cluster create gpu --hosts 'a[1-2]' --target 0");
    assert!(done(&user, "cluster host add 'b[1-2]' -c gpu").contains("4 hosts now"));
    done(&user, "cluster host remove a1 -c gpu");
    assert_eq!(hosts(&user, "gpu"), ["a2", "b1", "b2"]);
    for (line, words) in [
        ("cluster host add a2 -c gpu", "is in cluster `gpu` already"),
        ("cluster host remove a1 -c gpu", "no host `a1`"),
        ("cluster host add -c gpu -- -oProxyCommand=x", "may not begin with"),
        ("cluster create x --provider command --target 0", "has no `hooks`"),
        ("cluster create x --provider local --hooks ./x --target 0", "has no meaning with the provider `local`"),
        ("cluster create x --api http://example.invalid --target 0", "use https"),
        ("cluster create x --hosts-file nowhere --target 0", "cannot read"),
        ("cluster create x --hosts a --price cheap --target 0", "is no price"),
    ] {
        let ran = user.run(line);
        assert!(ran.code != 0 && ran.stderr.contains(words), "{}", ran.shown());
    }
    // A file that is watched.
    let file = user.file("hosts", "c[1-2] # mine\n");
    done(&user, &format!("cluster create listed --hosts-file {} --target 0", file.display()));
    assert_eq!(hosts(&user, "listed"), ["c1", "c2"]);
    user.file("hosts", "c2\nd1\n");
    until("the pool has the hosts of the file", || (hosts(&user, "listed") == ["c2", "d1"]).then_some(()));
    let ran = user.run("cluster host add x -c listed");
    assert!(ran.stderr.contains("are those of a file"), "{}", ran.shown());
    // An export says where they come from, not which they were.
    let exported = user.run("export lab -o json");
    assert!(exported.stdout.contains("hostsFile") && !exported.stdout.contains("\"d1\""), "{}", exported.shown());
}

#[test]
fn hosts_of_the_ssh_configuration() {
    let user = User::new();
    let config = user.file("ssh_hosts", "Host gpu1 gpu2 web\n  ProxyCommand false\nHost *.far\n");
    let user = user.with("OSTLER_SSH_CONFIG", config.to_str().unwrap());
    done(&user, "workspace create lab");
    done(&user, "cluster create gpu --hosts-of-ssh-config 'gpu*' --target 0");
    assert_eq!(hosts(&user, "gpu"), ["gpu1", "gpu2"]);
    done(&user, "cluster create all --hosts-of-ssh-config --target 0");
    assert_eq!(hosts(&user, "all"), ["gpu1", "gpu2", "web"]);
    let ran = user.run("cluster create none --hosts-of-ssh-config 'x*' --target 0");
    assert!(ran.code != 0 && ran.stderr.contains("names no host that fits"), "{}", ran.shown());
}

#[test]
fn a_hook_s_own_words_are_shown_and_a_power_switch_is_run() {
    let user = user();
    done(&user, "workspace create lab");
    let hook =
        user.file("hook.sh", "case $1 in list) echo '{\"machines\": []}' ;; *) echo no quota left >&2; exit 1 ;; esac\n");
    done(&user, &format!("cluster create cloud --hooks 'sh {}' --target 1", hook.display()));
    until("the cluster says why", || {
        let shown = json(&user, "cluster show cloud");
        let errors = shown["errors"].to_string();
        errors.contains("no quota left").then_some(())
    });
    // Woken before, and put to sleep after.
    let ledger = user.home().join("ledger");
    let line = |word: &str| format!("echo {word} $OSTLER_HOST >> {}", ledger.display());
    done(
        &user,
        &format!("cluster create old --hosts sleeper --power-on '{}' --power-off '{}' --target 1", line("on"), line("off")),
    );
    let said = || std::fs::read_to_string(&ledger).unwrap_or_default();
    until("it is woken", || said().contains("on sleeper").then_some(()));
    done(&user, "cluster scale old 0 -y");
    until("it is put to sleep", || said().contains("off sleeper").then_some(()));
}

#[test]
fn what_a_pool_costs_is_shown_and_limited() {
    let user = user();
    done(&user, "workspace create lab");
    done(&user, "cluster create gpu --provider local --price 3600 --target 1");
    let cost = |key: &str| json(&user, "cluster show gpu")["cost"][key].clone();
    // 3600 an hour is one a second.
    until("time is money", || (cost("spent").as_f64().unwrap() > 1.0).then_some(()));
    assert_eq!(cost("ratePerHour"), 3600.0);
    assert!(cost("hint").as_str().unwrap().contains("cluster scale gpu 0"), "{}", cost("hint"));
    let shown = done(&user, "cluster show gpu");
    assert!(shown.contains("3600.00/h now") && shown.contains("cost 3600.00/h for nothing"), "{shown}");
    done(&user, "budget set 9000 --per day --then zero -c gpu");
    let preview = done(&user, "cluster scale gpu 4 --dry-run");
    assert!(preview.contains("the budget allows 1 more") && preview.contains("budget lasts"), "{preview}");
    let all = json(&user, "budget show");
    let of = |name: &str| all.as_array().unwrap().iter().find(|row| row["of"] == name).cloned().unwrap();
    assert_eq!(of("cluster gpu")["budget"]["limit"], 9000.0);
    assert!(of("workspace lab")["spent"].as_f64().unwrap() > 1.0);
    assert!(done(&user, "usage").contains("cost of cluster gpu"));
    // An experiment costs what its jobs have, while they run as well.
    done(&user, "experiment create first");
    done(&user, "job create -c gpu -n long -- 'sleep 600'");
    let of_first = |key: &str| {
        let all = json(&user, "budget show");
        let found = all.as_array().unwrap().iter().find(|row| row["of"] == "experiment first").cloned();
        found.map_or(0.0, |row| row[key].as_f64().unwrap())
    };
    until("its job costs", || (of_first("spent") > 1.0).then_some(()));
    assert_eq!(of_first("ratePerHour"), 3600.0);
    assert!(of_first("forecast") > 3600.0);
    done(&user, "job terminate long -y");
    until("it has ended", || (json(&user, "job show long")["executionState"] == "failed").then_some(()));
    assert!(of_first("spent") > 1.0 && of_first("ratePerHour") == 0.0, "what is charged stays");
    // One that is used up at once lets all go.
    done(&user, "budget set 0 --per day --then zero -c gpu");
    until("no node is left", || (json(&user, "cluster show gpu")["currentNodeCount"] == 0).then_some(()));
    assert!(done(&user, "cluster show gpu").contains("a budget is used up: zero"));
    done(&user, "budget clear -c gpu");
    until("it is back", || (json(&user, "cluster show gpu")["currentNodeCount"] == 1).then_some(()));
    for (line, words) in [
        ("budget set much", "is no price"),
        ("cluster keep-awake gpu", "is scaled by hand"),
        ("cluster resume gpu", "is not paused"),
    ] {
        let ran = user.run(line);
        assert!(ran.code != 0 && ran.stderr.contains(words), "{}", ran.shown());
    }
    done(&user, "cluster auto-scale gpu --max 2");
    assert!(done(&user, "cluster keep-awake gpu --for 2h").contains("no node goes for 2h00m"));
    assert!(done(&user, "cluster show gpu").contains("none before"));
}

#[test]
fn a_scaling_is_taken_back_while_it_is_under_way() {
    let user = user();
    done(&user, "workspace create lab");
    done(&user, "experiment create first");
    done(&user, "cluster create gpu --provider local --target 1");
    let ran = user.run("cluster scale gpu --undo");
    assert!(ran.code == 1 && ran.stderr.contains("no scaling of `gpu` is under way"), "{}", ran.shown());
    let ran = user.run("cluster scale gpu 2 --undo");
    assert!(ran.code != 0 && ran.stderr.contains("--undo takes a cluster and no number"), "{}", ran.shown());
    done(&user, "job create -c gpu -n long -- 'sleep 600'");
    until("it runs", || (json(&user, "job show long")["executionState"] == "running").then_some(()));
    done(&user, "cluster scale gpu 0 --deallocate waitforjobcompletion");
    let target = || json(&user, "cluster show gpu")["scaleSettings"]["manual"]["targetNodeCount"].clone();
    assert_eq!(target(), 0);
    let ran = user.run("cluster scale gpu --undo");
    assert!(ran.code == 0 && ran.stderr.contains("taken back"), "{}", ran.shown());
    assert_eq!((target(), &json(&user, "job show long")["executionState"]), (1.into(), &"running".into()));
    done(&user, "job terminate long -y");
}

#[test]
fn what_a_node_did_is_measured() {
    let user = user();
    done(&user, "workspace create lab");
    done(&user, "cluster create gpu --provider local --target 1");
    let samples = until("a measurement", || {
        let ran = user.run("cluster node history -c gpu -o json");
        let samples: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap_or_default();
        (!samples.is_empty()).then_some(samples)
    });
    let first = &samples[0];
    assert!(first["memory"].as_u64().unwrap() > 1 << 20 && first["disk"].as_u64().unwrap() > 1 << 20, "{first:#}");
    assert!(first["clockAhead"].as_i64().unwrap().abs() < 5_000, "this machine's clock is this machine's: {first:#}");
    assert!(done(&user, "cluster node history -c gpu").contains("MEMORY"));
    // One is given back, and another one comes.
    let id = || json(&user, "cluster node list -c gpu")[0]["id"].clone();
    let before = id();
    done(&user, "cluster node replace local-1 -c gpu");
    until("another node comes", || {
        let nodes = json(&user, "cluster node list -c gpu");
        let nodes = nodes.as_array().unwrap();
        (nodes.len() == 1 && nodes[0]["id"] != before && nodes[0]["state"] == "idle").then_some(())
    });
}
