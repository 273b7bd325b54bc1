//! Jobs: what they ask for, what they run, what they wait for, and how they are named.

use super::sheet::Sheet;
use crate::rig::User;

pub const IDS: &[&str] = &[
    "B37", "B38", "B39", "B40", "B41", "B43", "B44", "B45", "B46", "B47", "B50", "B52", "B54", "B56", "B58", "B60", "B42",
    "B48", "B49", "B51", "B53", "B55", "B57", "B59", "B61", "B62", "B63", "B65",
];

#[test]
fn jobs() {
    let user = User::new();
    user.lab();
    let mut sheet = Sheet::new(user).guarded();
    refused(&mut sheet);
    accepted(&mut sheet);
    let (user, text) = sheet.end(IDS);
    user.run("job terminate --all -y");
    let filters = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
        (r"asks 2 TiB of memory, the node has [^\n]*", "asks 2 TiB of memory, the node has SOME"),
        (r"[^ \n]*: line \d+: cd: ", "SHELL: cd: "),
        (r"after \d+m?s", "after SOME TIME"),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!("bad-jobs", text); });
}

fn with(more: &str) -> String {
    format!(r#"{{"nodeCount": 1, "customToolkitSettings": {{"commandLine": "true"}}, {more}}}"#)
}

/// What nothing comes of.
fn refused(sheet: &mut Sheet) {
    sheet.row("B37", "nothing asked of a node, or less");
    for asked in ["--cpus 0", "--gpus=-1", "--memory 0", "--cpus many"] {
        sheet.run(&format!("job create -e first -c gpu {asked} -- true"));
    }
    sheet.row("B38", "nothing to run");
    sheet.run("job create -e first -c gpu");
    sheet.run("job create -e first -c gpu -- ''");
    sheet.job(r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "  "}}"#);
    sheet.row("B39", "NUL bytes");
    sheet.job(r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "a\u0000b"}}"#);
    sheet.job(&with(r#""environmentVariables": [{"name": "A", "value": "x\u0000"}]"#));
    sheet.row("B40", "a command line that no program can be given, and a file of 3 MB");
    sheet.job(&format!(r#"{{"nodeCount": 1, "customToolkitSettings": {{"commandLine": "{}"}}}}"#, "x".repeat(200_000)));
    sheet.job(&"x".repeat(3_000_000));
    sheet.row("B41", "files that cannot be read");
    sheet.run("job create -e first -c gpu -f .");
    sheet.run("job create -e first -c gpu -f none.json");
    sheet.row("B43", "names of jobs");
    for name in ["a\u{1b}b", "a\nb", "a/b", &"n".repeat(129), ""] {
        sheet.run(&format!("job create -e first -c gpu -n '{name}' -- true"));
    }
    sheet.row("B44", "names of variables");
    for name in ["1X", "A-B", "x;rm", ""] {
        sheet.job(&with(&format!(r#""environmentVariables": [{{"name": "{name}", "value": "1"}}]"#)));
    }
    sheet.row("B45", "variables that are ours");
    sheet.run("job create -e first -c gpu --env OSTLER_HOME=/x -- true");
    sheet.row("B46", "an environment of 412 KiB");
    sheet.job(&with(&format!(r#""environmentVariables": [{{"name": "A", "value": "{}"}}]"#, "x".repeat(412 << 10))));
    sheet.row("B47", "time limits");
    for span in ["0s", "0", "-5m", "unlimited"] {
        sheet.run(&format!("job create -e first -c gpu --time={span} -- true"));
    }
    sheet.row("B50", "a cluster that is not there");
    sheet.run("job create -e first -c gpus -- true");
    sheet.row("B52", "a dependency that is not there");
    sheet.run("job create -e first -c gpu --after-ok job-99 -- true");
    sheet.run("job create -e first -c gpu --after-ok gone -- true");
    sheet.row("B54", "arrays");
    for array in ["10-1", "1-10:0", "0-9999999", "x", "0-9%0", "-1-3"] {
        sheet.run(&format!("job create -e first -c gpu --array={array} -- true"));
    }
    sheet.row("B56", "output that leaves its directory");
    sheet.job(&with(r#""outputDirectories": [{"id": "A", "pathPrefix": "/x", "pathSuffix": "../../.ssh"}]"#));
    sheet.job(&with(r#""outputDirectories": [{"id": "A", "pathPrefix": "/x", "pathSuffix": "/etc"}]"#));
    sheet.job(&with(r#""stdOutErrPathPrefix": "$AZ_BATCHAI_JOB_TEMP/../x""#));
    sheet.row("B58", "priorities and attempts");
    sheet.job(&with(r#""priority": 99999"#));
    sheet.run("job create -e first -c gpu --priority urgent -- true");
    sheet.run("job create -e first -c gpu --attempts=-1 -- true");
    sheet.row("B60", "ids that are none");
    for id in ["abc", "0", "job-0", "job-7", "job-1180591620717411303424", "'../x'"] {
        sheet.run(&format!("job show {id}"));
    }
}

/// What is taken, with a word about it, or meets something that is there.
fn accepted(sheet: &mut Sheet) {
    sheet.row("B42", "a line that ends in a carriage return is taken, with a warning");
    sheet.unguard();
    sheet.job(r#"{"name": "dos", "nodeCount": 1, "customToolkitSettings": {"commandLine": "echo a\r\necho b\n"}}"#);
    sheet.run("cluster create small --provider local --target 1");
    sheet.run("job create -e first -c small -n up -- true");
    sheet.user.run("job wait up");
    sheet.row("B48", "more memory than any node has waits and says so");
    sheet.run("job create -e first -c small -n large --memory 2TiB -- true");
    sheet.run("job why large");
    sheet.row("B49", "GPUs where there are none");
    sheet.run("job create -e first -c small -n gpus --gpus 99 -- true");
    sheet.row("B51", "a dependency on itself");
    sheet.run("job create -e first -c gpu -n self --after-ok self -- true");
    sheet.row("B53", "a dependency that has failed");
    sheet.run("job create -e first -c small -n bad -- exit 3");
    sheet.user.run("job wait bad");
    sheet.run("job create -e first -c gpu --after-ok bad -- true");
    sheet.row("B55", "times that are past, no date, or not there");
    sheet.run("job create -e first -c gpu -n past --begin 2020-01-01T00:00:00Z -- true");
    sheet.run("job create -e first -c gpu --begin 2026-02-30 -- true");
    sheet.run("job create -e first -c gpu --begin '2027-03-28T02:30[Europe/Berlin]' -- true");
    sheet.run("job create -e first -c gpu --begin tomorrow -- true");
    sheet.row("B57", "a directory that is not on the node fails the job, and the job says so");
    sheet.run("job create -e first -c small -n nowhere -- 'cd /data/none && train'");
    let ran = sheet.user.run("job wait nowhere");
    assert!(ran.code != 0, "{}", ran.shown());
    let logs = sheet.user.run("job logs nowhere --err");
    sheet.say(&format!("{}\n{}", ran.code, logs.shown()));
    sheet.row("B59", "a token for something else");
    sheet.run("job create -e first -c gpu -n first-use --token t -- true");
    sheet.run("job create -e first -c gpu -n first-use --token t -- true");
    sheet.run("job create -e first -c gpu -n other-use --token t -- false");
    sheet.row("B61", "a name that several have");
    sheet.run("experiment create second");
    sheet.run("job create -e second -c gpu -n bad -- true");
    sheet.run("job show bad");
    sheet.row("B62", "a job that has ended");
    sheet.run("job terminate bad -e first -y");
    sheet.row("B63", "what no list can be asked for");
    sheet.run("job list --state done");
    sheet.run("job list --limit many");
    sheet.row("B65", "words that are none");
    for line in ["jbo list", "job lst", "job list --limt 3", "--jbos"] {
        sheet.run(line);
    }
}
