//! Sweeps as people make and manage them.

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use crate::lab::{Lab, json as read};
use crate::rig::User;

const BODY: &str = r#"{"name": "train", "properties": {"nodeCount": 1,
  "customToolkitSettings": {"commandLine": "train --lr PARAM_LR --batch=PARAM_BATCH --x $PARAM_LR"},
  "environmentVariables": [{"name": "MINE", "value": "PARAM_BATCH"}],
  "inputDirectories": [{"id": "D", "path": "/data/PARAM_BATCH"}]}}"#;

fn body(user: &User) -> String {
    user.file("job.json", BODY).display().to_string()
}

#[test]
fn a_sweep_is_shown_before_it_is_submitted_and_listed_like_jobs() {
    let user = User::new();
    user.lab();
    let file = body(&user);
    let line = format!("-f {file} -p lr=log:1e-4..1e-1:8 -p batch=32,64,128");
    let plan = read(&user.run(&format!("sweep plan {line} -o json")));
    assert_eq!((&plan["jobCount"], &plan["members"][0]["name"]), (&json!(24), &json!("train-01")));
    assert_eq!(plan["members"][5]["parameters"], json!({"lr": 0.1, "batch": 128}), "{plan}");
    let made = user.run(&format!("sweep create {line}"));
    assert!(made.stderr.contains("24 jobs train-01 … train-24: lr, batch"), "{}", made.shown());
    let list = read(&user.run("job list -o json"));
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[0], names[23]), (24, "train-01", "train-24"));
    let job = read(&user.run("job show train-05 -o json"));
    assert_eq!(job["customToolkitSettings"]["commandLine"], "train --lr 0.000268269579528 --batch=64 --x $PARAM_LR");
    let variables = json!([{"name": "MINE", "value": "64"}, {"name": "PARAM_LR", "value": "0.000268269579528"},
        {"name": "PARAM_BATCH", "value": "64"}]);
    assert_eq!((&job["environmentVariables"], &job["inputDirectories"][0]["path"]), (&variables, &json!("/data/64")));
    assert_eq!((&job["sweep"], &job["parameters"]["batch"]), (&json!("train"), &json!(64)));
    assert!(user.run("job list").stdout.contains("lr=0.0001 batch=32"));
    let again = user.run(&format!("sweep create {line}"));
    assert!(again.code == 1 && again.stderr.contains("sweep `train` already exists"), "{}", again.shown());
    for (line, code, words) in [
        (format!("sweep create -f {file}"), 2, "-p lr="),
        (format!("sweep create -f {file} -p lr=0.1..0.2"), 2, "neither how many values"),
        (format!("sweep create -f {file} -n job -p lr=1 -p nope=2 --exclude lr=1"), 2, "makes no member"),
        ("sweep show nope".to_owned(), 1, "no sweep `nope`"),
    ] {
        let ran = user.run(&line);
        assert!(ran.code == code && ran.stderr.contains(words), "{}", ran.shown());
    }
    assert!(user.run("job create -n train-07 -- true").stderr.contains("already exists"));
    let typo = user.run(&format!("sweep create -f {file} -n other -p lr=1 --dry-run"));
    assert!(typo.stderr.contains("PARAM_BATCH in the body is no parameter"), "{}", typo.shown());
}

#[test]
fn every_form_of_a_sweep() {
    let user = User::new();
    user.lab();
    let file = body(&user);
    let published = user.file(
        "params.json",
        r#"{"params": [{"parameterName": "LR", "dataType": "REAL", "start": 0.001, "end": 10, "scale": "LOG"},
            {"parameterName": "BATCH", "values": [100, 200, 300]}], "kinds": ["NumericParameter", "DiscreteParameter"]}"#,
    );
    let published = published.display();
    let table = user.file("table.csv", "lr,batch\n0.1,1\n0.2,2\n").display().to_string();
    std::fs::create_dir(user.home().join("data")).unwrap();
    for name in ["train_a.txt", "train_b.txt", "test.txt"] {
        user.file(&format!("data/{name}"), "x");
    }
    let data = user.home().join("data").display().to_string();
    let members = |line: &str| -> Value {
        let ran = user.run(&format!("sweep plan -f {file} {line} -o json"));
        assert_eq!(ran.code, 0, "{}", ran.shown());
        let plan = read(&ran);
        json!([
            plan["jobCount"],
            plan["members"].as_array().unwrap().iter().map(|m| m["parameters"].clone()).collect::<Vec<_>>()
        ])
    };
    let random = members(&format!("--params {published} --random 16"));
    assert_eq!(random[0], 16, "the published recipe draws 16");
    assert_eq!(random, members(&format!("--params {published} --random 16")), "the same seed, the same draws");
    assert_ne!(random, members(&format!("--params {published} --random 16 --seed 1")));
    assert_eq!(members(&format!("-p @{table}")), json!([2, [{"lr": 0.1, "batch": 1}, {"lr": 0.2, "batch": 2}]]));
    let files = members(&format!("-p data=files:{data}::train -p lr=1 -p batch=1"));
    assert_eq!(files[0], 2);
    assert!(files[1][1]["data"].as_str().unwrap().ends_with("/data/train_b.txt"), "{files}");
    assert_eq!(members("-p lr=1,2 -p batch=1,2 --exclude lr=1,batch=2 --include lr=9,batch=9")[0], 4);
    assert_eq!(members("-p 'opt=[{\"lr\": 1, \"m\": 2}, {\"lr\": 3, \"m\": 4}]' -p lr=5 -p batch=6")[1][1]["opt.lr"], 3);
    assert_eq!(members("-p lr=0.0..1.0 -p batch=int:1..9 --latin 10")[0], 10);
    let repeated = members("-p lr=1 -p batch=1,2 --random 40 --hash-names");
    assert_eq!(repeated[0], 2, "the same body is one job");
    let inside = BODY.replacen('{', r#"{"sweep": {"parameters": {"lr": "1..3", "batch": [7]}, "runningMax": 2}, "#, 1);
    let inside = user.file("inside.json", inside).display().to_string();
    let made = user.run(&format!("job create -f {inside}"));
    assert!(made.code == 0 && made.stderr.contains("3 jobs train-1 … train-3"), "{}", made.shown());
    assert_eq!(read(&user.run("sweep show -o json"))["runningMax"], 2);
    let hashed = user.run(&format!("sweep create -f {file} -n h -p lr=1,2 -p batch=1 --hash-names"));
    assert_eq!(hashed.code, 0, "{}", hashed.shown());
    let names = user.run("job list --sweep h -o name").stdout;
    assert!(names.lines().all(|name| name.len() == "h_0123456789abcdef".len()) && names.lines().count() == 2, "{names}");
}

#[test]
fn a_sweep_is_managed_together() {
    let user = User::new();
    user.lab();
    let file = body(&user);
    assert_eq!(user.run(&format!("sweep create -f {file} -n s -p lr=1..100 -p batch=1..20")).code, 0);
    let show = |what: &str| read(&user.run("sweep show s -o json"))[what].clone();
    assert_eq!((show("jobCount"), show("toCome")), (json!(2000), json!(2000 - 1000)));
    assert_eq!(read(&user.run("experiment show first -o json"))["jobCounts"]["queued"], 2000);
    let count = |line: &str| user.run(&format!("job list {line} -o name")).stdout.lines().count();
    assert_eq!((count("--sweep s"), count("-n 1500"), count("--newest -n 700")), (2000, 1500, 700));
    let newest = user.run("job list --newest -n 2 -o name").stdout;
    assert_eq!(newest, "s-2000\ns-1999\n");
    // One that has not come up is a job like the others.
    assert_eq!(user.run("job hold s-1999").code, 0);
    assert_eq!(read(&user.run("job show s-1999 -o json"))["held"], true);
    assert_eq!(user.run("job terminate s-1998 -y").code, 0);
    assert_eq!(read(&user.run("job show s-1998 -o json"))["executionState"], "failed");
    assert_eq!(count("--sweep s"), 2000);
    for (line, words) in [
        ("sweep pause s", "pause: accepted"),
        ("sweep resume s", "resume: accepted"),
        ("sweep priority high s", "accepted"),
        ("sweep retry s", "1 jobs: retry: accepted"),
        ("sweep stop s --where 'lr<3 batch=1' -y", "2 jobs: stop: accepted"),
        ("sweep trim s --to 1000", "members go that have not come up"),
        ("sweep extend s -p lr=200,300", "40 members more"),
    ] {
        let ran = user.run(line);
        assert!(ran.code == 0 && ran.stderr.contains(words), "{}", ran.shown());
    }
    assert_eq!(user.run("job show s-1900").code, 1, "it was trimmed");
    assert_eq!(read(&user.run("job show s-2001 -o json"))["parameters"], json!({"lr": 200, "batch": 1}));
    assert_eq!(read(&user.run("job show s-2001 -o json"))["schedulingPriority"], "high");
    assert_eq!(user.run("sweep stop s -y").code, 0);
    let counts = read(&user.run("experiment show first -o json"))["jobCounts"].clone();
    assert_eq!((&counts["queued"], &counts["running"]), (&json!(0), &json!(0)), "{counts}");
    assert_eq!(user.run("sweep delete s -y").code, 0);
    assert_eq!(count(""), 0);
    assert_eq!(user.run("sweep list -o name").stdout, "");
}

#[test]
fn an_experiment_is_managed_together() {
    let user = User::new();
    user.lab();
    let file = body(&user);
    assert_eq!(user.run(&format!("sweep create -f {file} -n s -p lr=1..100 -p batch=1..20")).code, 0);
    assert_eq!(user.run("job create -n alone -- true").code, 0);
    let job = |name: &str| read(&user.run(&format!("job show {name} -o json")));
    let does = |line: &str, words: &str| {
        let ran = user.run(line);
        assert!(ran.code == 0 && ran.stderr.contains(words), "{}", ran.shown());
    };
    does("experiment pause", "sweep s: pause: accepted");
    assert_eq!((&job("s-1999")["held"], &job("alone")["held"]), (&json!(true), &json!(true)));
    does("experiment resume first", "1 jobs: resume: accepted");
    assert_eq!((&job("s-0001")["held"], &job("alone")["held"]), (&json!(false), &json!(false)));
    does("experiment priority high", "sweep s: change the priority of: accepted");
    assert_eq!(
        (&job("s-2000")["schedulingPriority"], &job("alone")["schedulingPriority"]),
        (&json!("high"), &json!("high"))
    );
    does("experiment stop --where 'lr<3 batch=1' -y", "2 jobs: stop: accepted");
    does("experiment retry --where 'lr<3'", "2 jobs: retry: accepted");
    does("experiment extend -p lr=200,300", "40 members more");
    does("experiment trim --to 1000", "members go that have not come up");
    does("experiment delete first --where 'lr=1 batch=1' -y", "1 jobs: delete: accepted");
    assert_eq!(user.run("job show s-0001").code, 1);
    does("experiment stop -y", "sweep s: stop: accepted");
    let counts = read(&user.run("experiment show first -o json"))["jobCounts"].clone();
    assert_eq!((&counts["queued"], &counts["running"]), (&json!(0), &json!(0)), "{counts}");
    let none = user.run("experiment stop -y");
    assert!(none.code == 0 && none.stderr.contains("stop"), "{}", none.shown());
    // A member again, with more: what it was made of is still known of it.
    does("job rerun s-0002 --memory 2G --nodes 2 --time 1h", "submitted, as s-0002");
    let again = read(&user.run("job list --newest -n 1 -o json"))[0].clone();
    let asked = (&again["nodeCount"], &again["resources"]["memory"], &again["constraints"]["maxWallClockTime"]);
    assert_eq!(asked, (&json!(2), &json!(2_u64 << 30), &json!("PT1H")), "{again}");
    assert_eq!(again["parameters"], json!({"lr": 1, "batch": 2}), "{again}");
    let unknown = user.run("job rerun s-0002 --memory lots");
    assert!(unknown.code == 2 && unknown.stderr.contains("memory"), "{}", unknown.shown());
    does("job clone s-0002 -n copy --env MINE=7", "copy (");
    let differ = user.run("job diff s-0002 copy -o json");
    let rows = read(&differ);
    let row = |what: &str| rows.as_array().unwrap().iter().find(|row| row["what"] == what).cloned().unwrap_or_default();
    assert_eq!(row("environmentVariables.MINE")["values"], json!({"s-0002": "2", "copy": "7"}), "{}", differ.shown());
    assert_eq!(row("state")["values"], json!({"s-0002": "failed", "copy": "queued"}));
    assert_eq!(user.run("job diff s-0002 copy --exit-code").code, 1);
    assert!(user.run("job diff copy").stderr.contains("name 2 to 20"));
}

#[test]
fn the_members_of_a_sweep_run_and_see_their_values() {
    let lab = Lab::new();
    lab.ok("sweep create -c pool -n s -p a=1,2 -p b=x,y -- 'echo PARAM_A $PARAM_B'");
    for (name, said) in [("s-1", "1 x\n"), ("s-4", "2 y\n")] {
        lab.ok(&format!("job wait {name}"));
        assert_eq!(lab.ok(&format!("job logs {name}")), said);
    }
    let secret = lab.home().join("secret").display().to_string();
    std::fs::write(&secret, "hidden\n").unwrap();
    lab.ok(&format!("sweep create -c pool -n t -p a=1 --secret KEY=file:{secret} -- 'echo PARAM_A ${{#KEY}}'"));
    lab.ok("job wait t-1");
    assert_eq!(lab.ok("job logs t-1"), "1 6\n");
}

#[test]
fn members_more_are_suggested_by_what_was_reported() {
    let lab = Lab::new();
    // The best of it is at 10^-2.
    let script = "awk -v x=PARAM_LR \"BEGIN { d = log(x) / log(10) + 2; print \\\"loss=\\\" d * d + (PARAM_B == 3) }\"";
    lab.ok(&format!("sweep create -c pool -n s -p lr=log:1e-6..1e-0 -p b=1,2,3 --random 12 --seed 4 -- '{script}'"));
    let reported = |count: usize| {
        let all = |ran: &crate::rig::Ran| {
            let table = read(ran);
            let done = |job: &&Value| job["metrics"]["loss"]["count"] == 1 && job["executionState"] == "succeeded";
            table.as_array().unwrap().iter().filter(done).count() >= count
        };
        lab.until("experiment table --sweep s -o json", all)
    };
    reported(12);
    let before = lab.ok("experiment table --sweep s -o json");
    // What is only asked for changes nothing.
    let dry = lab.run("sweep extend s --suggest 4 --metric loss --dry-run");
    assert!(dry.code == 0 && dry.stderr.contains("4 by loss of 12 members (smaller is better)"), "{}", dry.shown());
    assert_eq!(lab.ok("experiment table --sweep s -o json"), before);
    let given = lab.run("experiment extend first --suggest 4");
    assert!(given.code == 0 && given.stderr.contains("4 members more"), "{}", given.shown());
    let lines =
        |ran: &crate::rig::Ran| ran.stderr.lines().filter(|l| l.starts_with("  lr=")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&given), lines(&dry), "the same reports give the same suggestions");
    reported(16);
    let table = read(&lab.run("experiment table --sweep s -o json"));
    let losses: Vec<f64> =
        table.as_array().unwrap().iter().map(|job| job["metrics"]["loss"]["last"].as_f64().unwrap()).collect();
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    assert!(mean(&losses[12..]) < mean(&losses[..12]) / 2.0, "{losses:?}");
    lab.ok("sweep create -c pool -n silent -p a=1,2 -- true");
    let silent = lab.run("sweep extend silent --suggest 2");
    assert!(silent.code == 1 && silent.stderr.contains("has a metric yet"), "{}", silent.shown());
    for (line, words) in [
        ("sweep extend s --suggest 2 --metric nope", "no job has a metric `nope`"),
        ("sweep extend s --suggest 2 --random 3", "cannot be used with"),
        ("sweep extend s --metric loss", "--suggest"),
        ("sweep extend s --suggest 0", "0"),
    ] {
        let wrong = lab.run(line);
        assert!(wrong.code == 2 && wrong.stderr.contains(words), "{line}: {}", wrong.shown());
    }
}

#[test]
fn metrics_of_a_job_that_starts_again_and_goes_back_are_read_right() {
    let lab = Lab::new();
    // The first attempt comes to step 4 and fails; the second begins at its checkpoint of step 2, and its lines are not in order.
    let was = lab.home().join("was").display().to_string();
    let script = format!(
        "if [ -e {was} ]; then for s in 3 2 5 4; do echo step=$s loss=0.$s; done; echo step=6 loss=nan; \
         else touch {was}; for s in 1 2 3 4; do echo step=$s loss=$s; done; exit 1; fi"
    );
    lab.ok(&format!("sweep create -c pool -n s -p a=1 --attempts 2 -- '{script}'"));
    let all = |ran: &crate::rig::Ran| read(ran)[0]["metrics"]["loss"]["count"] == 9;
    lab.until("experiment table -o json", all);
    let job = read(&lab.run("experiment table -o json"))[0].clone();
    let loss = &job["metrics"]["loss"];
    assert_eq!((&loss["step"], &loss["min"], &loss["max"]), (&json!(6.0), &json!(0.2), &json!(4.0)), "{job}");
    let curve = read(&lab.run("experiment plot --metric loss -o json"))["curves"][0]["points"].clone();
    let points: Vec<(f64, f64)> = curve
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|point| Some((point["step"].as_f64()?, point["value"].as_f64()?)))
        .collect();
    let first = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)];
    let second = [(3.0, 0.3), (2.0, 0.2), (5.0, 0.5), (4.0, 0.4)];
    assert_eq!(points, [first, second].concat(), "as they were told; what is drawn has each step once: {curve}");
}

#[test]
fn metrics_are_picked_out_and_jobs_are_ranked() {
    let lab = Lab::new();
    let script = "for i in 1 2 3; do echo step=$i loss=0.$((PARAM_LR * i)); done; echo port: 8080; ostler metric acc=0.PARAM_LR step=3";
    lab.ok(&format!("sweep create -c pool -n s -p lr=1,2,3 -p opt=sgd -- '{script}'"));
    lab.ok("job create -c pool -n plain -- 'echo loss=0.01'");
    lab.ok("job wait plain");
    let all = |ran: &crate::rig::Ran| {
        let table = read(ran);
        let full = |job: &&Value| job["metrics"]["loss"]["count"] == 3 && job["metrics"]["acc"]["count"] == 1;
        table.as_array().unwrap().iter().filter(full).count() == 3
    };
    lab.until("experiment table -o json", all);
    let table = read(&lab.run("experiment table --sort -loss -o json"));
    assert_eq!((&table[0]["name"], &table[0]["metrics"]["loss"]["last"]), (&json!("s-3"), &json!(0.9)), "{table}");
    assert_eq!((&table[0]["metrics"]["loss"]["min"], &table[0]["metrics"]["loss"]["step"]), (&json!(0.3), &json!(3.0)));
    let plain = table.as_array().unwrap().iter().find(|job| job["name"] == "plain").unwrap();
    assert_eq!(plain["metrics"], json!({}), "nobody asked for the metrics of this one");
    let shown = lab.ok("experiment table --where 'lr<3 loss<0.5' --hide opt");
    assert!(shown.lines().count() == 2 && shown.contains("s-1") && !shown.contains("sgd"), "{shown}");
    let csv = lab.ok("experiment table --sweep s --sort lr --hide acc --csv");
    let head = "name,id,experiment,cluster,state,exitCode,attempt,nodes,seconds,lr,opt,loss";
    let first = csv.lines().nth(1).unwrap_or_default();
    assert_eq!(csv.lines().next(), Some(head), "{csv}");
    assert!(first.starts_with("s-1,job-1,first,pool,succeeded,0,1,local-") && first.ends_with(",1,sgd,0.3"), "{csv}");
    // What is written into a file is the same, with the reading that is asked for.
    for take in ["last", "min", "mean"] {
        lab.ok(&format!("experiment export --sweep s --take {take} --to same.csv"));
        let file = std::fs::read_to_string(lab.home().join("same.csv")).unwrap();
        assert_eq!(lab.ok(&format!("experiment table --sweep s --take {take} --csv")), file);
        let losses = file.lines().skip(1).map(|line| line.split(',').nth(11).unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!(losses.len(), 3, "{file}");
        assert!(take == "last" || losses != ["0.3", "0.6", "0.9"], "{take}: {file}");
    }
    let best = read(&lab.run("experiment best -o json"));
    assert_eq!((&best["metric"], &best["jobs"][0]["name"]), (&json!("loss"), &json!("s-1")));
    assert_eq!(best["parameters"][0], json!({"parameter": "lr", "strength": 1.0, "jobs": 3}));
    assert_eq!(read(&lab.run("experiment best --metric acc --maximize -o json"))["jobs"][0]["name"], "s-3");
    let plot = lab.ok("experiment plot");
    assert!(plot.contains("a s-1 0.3") && plot.contains("loss over step"), "{plot}");
    assert!(!plot.contains("<2800>"), "every cell of it is text that is shown: {plot}");
    let dots = lab.ok("experiment plot --sweep s --against lr");
    assert!(dots.contains("loss against lr") && dots.matches('∘').count() == 3, "{dots}");
    let points = read(&lab.run("experiment plot --sweep s --against lr -o json"));
    assert_eq!(points["points"][0], json!({"name": "s-1", "parameter": 1, "metric": 0.3}), "{points}");
    let beside = lab.ok("experiment plot --sweep s --parallel");
    assert!(beside.contains("3 jobs") && beside.contains("lr ") && beside.contains("loss"), "{beside}");
    let none = lab.run("experiment plot --against nope");
    assert!(none.code == 2 && none.stderr.contains("no job has a parameter `nope`"), "{}", none.shown());
    lab.ok("experiment report --to report.html");
    let html = std::fs::read_to_string(lab.home().join("report.html")).unwrap();
    assert!(html.contains("Best: <b>s-1</b>, loss 0.3") && html.matches("<polyline stroke=\"hsl").count() == 3, "{html}");
    assert!(lab.run("experiment best --metric nope").stderr.contains("--metric "));
    let alone = lab.run("metric loss=1");
    assert!(alone.code == 2 && alone.stderr.contains("no job whose metrics are kept"), "{}", alone.shown());
    assert_eq!(lab.run("metric loss=x").code, 2);
}

#[test]
fn metrics_from_files_and_why_jobs_failed() {
    let lab = Lab::new();
    lab.file(
        "job.json",
        r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine":
            "printf 'step,loss\n1,0.5\n2,nan\n3,0.25\n' >$AZ_BATCHAI_OUTPUT_ALL/m.csv; echo 'metric = 12.5% ok' >$AZ_BATCHAI_OUTPUT_ALL/p.log; echo loss=7"},
          "outputDirectories": [{"id": "ALL", "pathPrefix": "$AZ_BATCHAI_JOB_TEMP"}],
          "metrics": {"log": "off", "files": [{"directory": "ALL", "file": "m.csv"}, {"directory": "ALL", "file": "missing.log"},
            {"directory": "ALL", "file": "p.log", "pattern": {"name": "error", "regex": "metric = (.*?)%"}}], "goal": {"metric": "error"}}}"#,
    );
    lab.ok("job create -c pool -n f -f job.json --wait");
    let ran =
        lab.until("experiment best -o json", |ran| ran.code == 0 && read(ran)["jobs"][0]["metrics"]["loss"]["count"] == 3);
    let best = read(&ran);
    assert_eq!((&best["metric"], &best["jobs"][0]["metrics"]["error"]["last"]), (&json!("error"), &json!(12.5)), "{best}");
    assert_eq!(best["jobs"][0]["metrics"]["loss"]["mean"], 0.375, "what is no number does not count");
    lab.ok("sweep create -c pool -n bad -p code=3,3,4 -- 'echo CUDA error >&2; exit PARAM_CODE'");
    lab.until("experiment show -o json", |ran| read(ran)["jobCounts"]["failed"] == 3);
    let groups = read(&lab.run("experiment failures -o json"));
    assert_eq!(
        (&groups[0]["jobs"], &groups[0]["exitCode"], &groups[0]["lastLine"]),
        (&json!(2), &json!(3), &json!("CUDA error")),
        "{groups}"
    );
    assert_eq!((groups.as_array().unwrap().len(), &groups[1]["first"]), (2, &json!("bad-3")));
    // By cause: again as they are, elsewhere, or with more.
    let again = lab.run("experiment failures --retry exit:3");
    assert!(again.stderr.contains("2 jobs: retry: accepted"), "{}", again.shown());
    let over = |name: &str, attempt: u64| {
        let job = read(&lab.run(&format!("job show {name} -o json")));
        job["attempt"] == attempt && job["executionState"] == "failed"
    };
    lab.until("experiment show -o json", |_| over("bad-1", 2) && over("bad-2", 2) && over("bad-3", 1));
    let more = lab.run("experiment failures --retry 'cuda ERROR' --where 'code=4' --time 1h -o json");
    assert!(more.code == 0 && read(&more)["parameters"]["code"] == 4, "{}", more.shown());
    assert_eq!(lab.run("experiment failures --memory 1G").code, 2, "changes are for those that run again");
    assert!(lab.run("experiment failures --retry nothing").stderr.contains("no job failed for `nothing`"));
    let elsewhere = lab.run("experiment failures --retry exit:4 --exclude-nodes -y");
    assert!(elsewhere.code == 0 && elsewhere.stderr.contains("no new work"), "{}", elsewhere.shown());
    let nodes = read(&lab.run("cluster node list -c pool -o json"));
    assert!(nodes.as_array().unwrap().iter().any(|node| node["drained"] == true), "{nodes}");
}

/// A model whose loss after each step is known: the smaller `lr`, the better.
const TRAIN: &str =
    "i=0; while [ $i -lt EPOCHS ]; do i=$((i + 1)); echo step=$i loss=$((PARAM_LR * 100 / i)); sleep SLEEP; done";

#[test]
fn successive_halving_with_the_recipes_arithmetic() {
    let lab = Lab::new();
    let script = TRAIN.replace("EPOCHS", "$PARAM_EPOCHS").replace("SLEEP", "0");
    let line = format!("sweep halving -o json -c pool -n h -p lr=1..1000 --seed 3 --epochs 16 --factor 4 -- '{script}'");
    let ran = lab.run(&line);
    assert!(
        ran.code == 0 && ran.stderr.contains("3 rounds: 16 x 1 epochs, 4 x 4 epochs, 1 x 16 epochs; 21 jobs"),
        "{}",
        ran.shown()
    );
    let lr = |sweep: &str| -> Vec<i64> {
        let jobs = read(&lab.run(&format!("job list --sweep {sweep} -o json")));
        let mut all: Vec<i64> =
            jobs.as_array().unwrap().iter().map(|job| job["parameters"]["lr"].as_i64().unwrap()).collect();
        all.sort_unstable();
        all
    };
    let first = lr("h-r1");
    assert_eq!((first.len(), lr("h-r2")), (16, first[..4].to_vec()), "the best quarter goes on");
    assert_eq!(lr("h-r3"), first[..1]);
    let won = read(&ran);
    assert_eq!((&won["name"], &won["parameters"]["lr"]), (&json!("h-r3-1"), &json!(first[0])), "{won}");
    assert_eq!(read(&lab.run("job show h-r3-1 -o json"))["parameters"]["epochs"], 16);
    // The same command goes on with what is there, here with all of it; another one finds the names taken.
    let again = lab.run(&line);
    assert!(again.code == 0 && read(&again) == won, "{}", again.shown());
    assert_eq!(read(&lab.run("job list -o json")).as_array().unwrap().len(), 21);
    let other = lab.run(&line.replace("--seed 3", "--seed 4"));
    assert!(other.code == 1 && other.stderr.contains("already exists"), "{}", other.shown());
}

#[test]
fn halving_goes_on_after_it_was_cut_off() {
    let lab = Lab::new();
    // Cut off in its second round, whose jobs take that long.
    let script = "i=0; while [ $i -lt $PARAM_EPOCHS ]; do i=$((i + 1)); echo step=$i loss=$((PARAM_LR * 100 / i)); sleep $((PARAM_EPOCHS / 2)); done";
    let line = format!("sweep halving -o json -c pool -n h -p lr=1..1000 --seed 3 --epochs 4 --factor 2 -- '{script}'");
    let words = shlex::split(&line).unwrap();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut first =
        lab.0.command(&words).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    lab.until("sweep list -o name", |ran| ran.stdout.contains("h-r2"));
    first.kill().unwrap();
    first.wait().unwrap();
    let ran = lab.run(&line);
    assert!(ran.code == 0 && ran.stderr.contains("4 x 1 epochs, 2 x 2 epochs, 1 x 4 epochs; 7 jobs"), "{}", ran.shown());
    let jobs = read(&lab.run("job list -o json"));
    let names: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["h-r1-1", "h-r1-2", "h-r1-3", "h-r1-4", "h-r2-1", "h-r2-2", "h-r3-1"], "no round ran twice");
    assert_eq!(read(&ran)["name"], "h-r3-1");
}

/// The published recipes (batch-ai §8.5), as they are submitted there: counts, names and values; nothing runs.
#[test]
fn the_published_recipes_come_out_as_published() {
    let user = User::new();
    user.lab();
    let file = user.file(
        "job.json",
        r#"{"properties": {"nodeCount": 1, "stdOutErrPathPrefix": "$AZ_BATCHAI_JOB_TEMP",
          "customToolkitSettings": {"commandLine": "python ConvNet_MNIST.py --feedforward_const $PARAM_FEEDFORWARD_CONSTANT --hidden_layers_dimension PARAM_HIDDEN_LAYERS_DIMENSION --epochs 16"}}}"#,
    );
    let params = user.file(
        "params.json",
        r#"{"params": [{"parameterName": "FEEDFORWARD_CONSTANT", "dataType": "REAL", "start": 0.001, "end": 10, "scale": "LOG"},
            {"parameterName": "HIDDEN_LAYERS_DIMENSION", "values": [100, 200, 300]}]}"#,
    );
    let (file, params) = (file.display(), params.display());
    let line = format!("sweep create -f {file} --params {params} --random 16 -n mnist_hyperparam_job --hash-names");
    let made = user.run(&line);
    assert!(made.code == 0 && made.stderr.contains("16 jobs"), "{}", made.shown());
    let jobs = read(&user.run("job list -o json"));
    let jobs = jobs.as_array().unwrap();
    assert_eq!(jobs.len(), 16);
    for job in jobs {
        let name = job["name"].as_str().unwrap();
        let hash = name.strip_prefix("mnist_hyperparam_job_").unwrap_or_else(|| panic!("{name}"));
        assert!(hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
        let constant = job["parameters"]["FEEDFORWARD_CONSTANT"].as_f64().unwrap();
        let dimension = job["parameters"]["HIDDEN_LAYERS_DIMENSION"].as_i64().unwrap();
        assert!((0.001..=10.0).contains(&constant) && [100, 200, 300].contains(&dimension), "{job}");
        let command = job["customToolkitSettings"]["commandLine"].as_str().unwrap();
        assert!(
            command.contains("$PARAM_FEEDFORWARD_CONSTANT --hidden_layers_dimension ")
                && command.contains(&format!(" {dimension} "))
        );
        let variable =
            json!({"name": "PARAM_FEEDFORWARD_CONSTANT", "value": job["parameters"]["FEEDFORWARD_CONSTANT"].to_string()});
        assert!(job["environmentVariables"].as_array().unwrap().contains(&variable), "{job}");
    }
    // The same bodies have the same names, and are not run twice; other draws are.
    let again = user.run(&line.replace("-n mnist_hyperparam_job", "-n mnist_hyperparam_job2"));
    assert!(again.code == 0, "{}", again.shown());
    let more = user.run(&format!("sweep extend mnist_hyperparam_job --params {params} --random 4 --seed 9"));
    assert!(more.code == 0 && more.stderr.contains("4 members more"), "{}", more.shown());
    let all = user.run("job list --sweep mnist_hyperparam_job -o name").stdout;
    assert_eq!(all.lines().filter(|name| name.len() == "mnist_hyperparam_job_".len() + 16).count(), 20, "{all}");
    let known = user.run(&format!("sweep extend mnist_hyperparam_job --params {params} --random 4 --seed 9"));
    assert!(known.code == 1 && known.stderr.contains("all members are there already"), "{}", known.shown());
    // HyperBand's bracket of the recipe: R = 16, eta = 4.
    let halving =
        user.run(&format!("sweep halving -f {file} --params {params} --epochs 16 --factor 4 --dry-run -n hyperband"));
    assert!(halving.stderr.contains("16 x 1 epochs, 4 x 4 epochs, 1 x 16 epochs; 21 jobs"), "{}", halving.shown());
}

#[test]
fn members_are_stopped_early_and_too_many_failures_end_a_sweep() {
    let lab = Lab::new();
    // Long enough that the looks at the nodes see each on its way; only who is stopped ends before the minute is over.
    let script = TRAIN.replace("EPOCHS", "600").replace("SLEEP", "0.1");
    let line =
        format!("sweep create -c pool -n a -p lr=1,9 --stop asha --first-step 2 --factor 2 --metric loss -- '{script}'");
    lab.ok(&line);
    let stopped = lab
        .until("job list --sweep a --state failed -o json", |ran| read(ran).as_array().is_some_and(|jobs| !jobs.is_empty()));
    let job = read(&stopped)[0].clone();
    let error = &job["executionInfo"]["errors"][0];
    assert_eq!((&job["parameters"]["lr"], &error["code"]), (&json!(9), &json!("StoppedEarly")), "{job}");
    assert!(error["message"].as_str().unwrap().contains("2nd of 2"), "{error}");
    assert_eq!(read(&lab.run("sweep show a -o json"))["failed"], 0, "who is stopped has not failed");
    lab.ok("sweep stop a -y");
    lab.ok("sweep create -c pool -n f -p code=1..40 --max-failures 2 --running 1 -- 'exit PARAM_CODE'");
    lab.until("experiment show -o json", |ran| {
        read(ran)["jobCounts"]["queued"] == 0 && read(ran)["jobCounts"]["running"] == 0
    });
    let show = read(&lab.run("sweep show f -o json"));
    assert!(show["failed"].as_u64().is_some_and(|failed| (3..6).contains(&failed)), "{show}");
}

#[test]
fn an_experiment_is_exported_in_every_form() {
    let lab = Lab::new();
    lab.ok("sweep create -n s -c pool -e first -p lr=0.1,0.01 -p net=small -- 'echo step=1 loss=PARAM_LR'");
    lab.ok("job create -n plain -e first -c pool --wait -- true");
    lab.until("experiment show first -o json", |ran| read(ran)["jobCounts"]["succeeded"] == 3);
    lab.until("experiment table first --csv", |ran| ran.stdout.matches("0.01").count() == 2);
    let text = |name: &str| std::fs::read_to_string(lab.home().join(name)).unwrap();
    for end in ["csv", "json", "yaml", "parquet"] {
        lab.ok(&format!("experiment export first --to all.{end}"));
    }
    let csv = text("all.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "name,id,experiment,cluster,state,exitCode,attempt,nodes,seconds,lr,net,loss");
    assert!(lines.len() == 4 && lines[1].starts_with("s-1,job-1,first,pool,succeeded,0,1,local-"), "{csv}");
    assert!(lines[1].ends_with(",0.1,small,0.1") && lines[3].starts_with("plain,") && lines[3].ends_with(",,,"), "{csv}");
    let (json, yaml): (Value, Value) =
        (serde_json::from_str(&text("all.json")).unwrap(), serde_saphyr::from_str(&text("all.yaml")).unwrap());
    assert_eq!(json, yaml);
    assert_eq!((&json[1]["parameters"]["lr"], &json[1]["metrics"]["loss"]["last"]), (&json!(0.01), &json!(0.01)));
    let file = SerializedFileReader::new(std::fs::File::open(lab.home().join("all.parquet")).unwrap()).unwrap();
    let rows: Vec<_> = file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    assert_eq!(rows.len(), 3);
    assert!(
        rows[0].contains("state: \"succeeded\"") && rows[0].ends_with("lr: 0.1, net: \"small\", loss: 0.1}"),
        "{rows:?}"
    );
    assert!(rows[2].starts_with("{name: \"plain\"") && rows[2].ends_with("lr: null, net: null, loss: null}"), "{rows:?}");
    // A part of it; and what says no form, or cannot be written, writes nothing.
    lab.ok("experiment export first --where lr<0.05 --to part.json");
    assert_eq!(serde_json::from_str::<Value>(&text("part.json")).unwrap().as_array().unwrap().len(), 1);
    for (file, code, words) in
        [("all.txt", 2, "its name ends in .csv, .json, .yaml or .parquet"), ("no/all.csv", 1, "cannot write `no/all.csv`")]
    {
        let ran = lab.run(&format!("experiment export first --to {file}"));
        assert!(ran.code == code && ran.stderr.contains(words), "{}", ran.shown());
    }
}

/// Runs a line with a terminal as its standard error, and returns all that is seen there.
fn seen(user: &User, line: &str) -> String {
    let program = format!("{} {line}", env!("CARGO_BIN_EXE_ostler"));
    // The environment and the place that the program gets here too.
    let plain = user.command(&[]);
    let mut command = std::process::Command::new("script");
    command.args(["-qefc", &program, "/dev/null"]).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("SHELL", "/bin/sh");
    command.current_dir(user.home()).stdin(std::process::Stdio::null());
    let output = command.output().expect("script (util-linux) starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {text}");
    text
}

#[test]
fn many_submissions_say_how_far_they_are_and_none_is_doubled() {
    let user = User::new();
    user.lab();
    std::fs::create_dir(user.home().join("jobs")).unwrap();
    for at in 1..=12 {
        let body = json!({"kind": "job", "workspace": "lab", "experiment": "first", "name": format!("j{at:02}"), "cluster": "gpu",
            "nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}});
        user.file(&format!("jobs/{at:02}.json"), body.to_string());
    }
    let text = seen(&user, "apply -f jobs -y");
    for at in 1..=12 {
        let line = format!("\r{at} of 12: + create job lab/first/j{at:02}\x1b[K");
        assert!(text.contains(&line), "{at}: {text:?}");
    }
    assert!(text.trim_end().ends_with("12 created, 0 changed, 0 deleted"), "{text:?}");
    // Asked again, nothing is made again, and where nobody looks nothing moves.
    let again = user.run("apply -f jobs -y");
    assert!(again.code == 0 && again.stderr == "no change\n", "{}", again.shown());
    user.file("jobs/13.json", r#"{"kind": "job", "workspace": "lab", "experiment": "first", "name": "j13", "nodeCount": 1, "customToolkitSettings": {"commandLine": "x"}}"#);
    let more = user.run("apply -f jobs -y");
    assert!(more.code == 0 && more.stderr == "1 created, 0 changed, 0 deleted\n", "{}", more.shown());
    // A sweep is one submission however many members it has; its repeat with the same token is the same sweep.
    for _ in 0..2 {
        let ran = user.run("sweep create -n s -c gpu -e first -p x=1..500 --token once -- 'echo PARAM_X'");
        assert_eq!(ran.code, 0, "{}", ran.shown());
    }
    let other = user.run("sweep create -n s -c gpu -e first -p x=1..500 --token once -- 'echo another PARAM_X'");
    assert!(
        other.code == 1 && other.stderr.contains("token `once` was used for sweep `s` with other content"),
        "{}",
        other.shown()
    );
    assert_eq!(user.run("sweep list -o name").stdout, "s\n");
    assert_eq!(user.run("job list -e first --query 'length(@)'").stdout, "513\n");
}

#[test]
fn what_a_sweep_costs_is_said_and_a_budget_holds_its_members_back() {
    let lab = Lab::new();
    lab.ok("cluster create paid --provider local --price 2.50 --target 1");
    let line = "-n s -c paid --nodes 1 --time 2h -p a=1,2,3,4 -- 'echo PARAM_A'";
    // Four members of one node for two hours each at most.
    let plan = read(&lab.run(&format!("sweep plan -o json {line}")));
    assert_eq!((&plan["jobCount"], &plan["costMost"]), (&json!(4), &json!("20.00")), "{plan}");
    lab.ok("budget set 0 --per day --then hold -c paid");
    let made = lab.run(&format!("sweep create {line}"));
    assert!(made.code == 0 && made.stderr.contains("at most 20.00"), "{}", made.shown());
    let waits =
        lab.until("job show s-1 -o json", |ran| read(ran)["reason"].as_str().is_some_and(|why| why.contains("budget")));
    assert_eq!(read(&waits)["executionState"], "queued", "{}", waits.shown());
    lab.ok("budget clear -c paid");
    lab.ok("job wait s-1 s-2 s-3 s-4 --timeout 100s");
}

#[test]
fn a_secret_that_a_sweep_asks_for_reaches_all_members_and_is_stored_nowhere() {
    use std::io::Write as _;
    let lab = Lab::new();
    let line = [
        "sweep",
        "create",
        "-n",
        "s",
        "--secret",
        "KEY",
        "-p",
        "a=1,2,3",
        "--",
        "printf %s \"$KEY-PARAM_A\" | cksum; printf %s \"canary-of-a-sweep-PARAM_A\" | wc -c",
    ];
    let mut command = lab.0.command(&line);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"canary-of-a-sweeq\n").unwrap();
    let ran = lab.0.ran("sweep create", child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.shown());
    lab.ok("job wait s-1 s-2 s-3 --timeout 100s");
    for member in 1..=3 {
        let sum =
            std::process::Command::new("sh").args(["-c", &format!("printf %s canary-of-a-sweeq-{member} | cksum")]).output();
        let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
        let said = lab.ok(&format!("job logs s-{member}"));
        assert!(said.starts_with(&sum), "{said} {sum}");
    }
    // Neither in what is shown nor in what is kept, and a member that is run again still has it.
    for line in ["sweep show s -o json", "job show s-1 -o json", "export lab"] {
        let ran = lab.run(line);
        assert!(ran.code == 0 && !ran.stdout.contains("canary-of-a-sweeq"), "{}", ran.shown());
    }
    let kept = std::process::Command::new("grep").args(["-rl", "canary-of-a-sweeq"]).arg(lab.home()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "", "it is kept in the clear");
    lab.ok("job rerun s-2");
    lab.ok("job wait last --timeout 60s");
    assert_eq!(lab.ok("job logs last"), lab.ok("job logs s-2"));
}
