//! Rules of jobs, and metrics of places where no log is: event files, other nodes, other processes; with real jobs.

use serde_json::{Value, json};

use crate::lab::{Lab, json as read};

fn job(lab: &Lab, name: &str) -> Value {
    read(&lab.run(&format!("job show {name} -o json")))
}

#[test]
fn rules_stop_retry_and_tell() {
    let lab = Lab::new();
    lab.file(
        "nan.json",
        r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "echo step=1 loss=0.5; sleep 8; echo step=2 loss=nan; sleep 300"},
          "metrics": {"rules": ["loss < 0.6 -> notify", "loss is nan -> stop"]}}"#,
    );
    lab.ok("job create -c pool -n nan -f nan.json");
    // One that breaks on its first node, and hangs there; and one that ends by it.
    let breaks = |name: &str, then: &str| {
        let tried = lab.home().join(format!("tried-{name}"));
        let tried = tried.display();
        let line =
            format!("if [ -e {tried} ]; then echo well; else touch {tried}; echo RuntimeError: CUDA error >&2; {then}; fi");
        let body = json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": line},
            "metrics": {"rules": ["CUDA error -> exclude node and retry"]}});
        lab.file(&format!("{name}.json"), body.to_string());
        lab.ok(&format!("job create -c pool -n {name} -f {name}.json"));
    };
    breaks("hangs", "sleep 300");
    lab.until("job show nan -o json", |ran| read(ran)["executionState"] == "failed");
    let nan = job(&lab, "nan");
    let error = &nan["executionInfo"]["errors"][0];
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("StoppedEarly"), &json!("loss is nan -> stop: loss is nan at step 2")),
        "{nan}"
    );
    let fired: Vec<(&str, &str)> = nan["rulesFired"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["act"].as_str().unwrap(), one["why"].as_str().unwrap()))
        .collect();
    assert_eq!(fired, [("notify", "loss is 0.5 at step 1"), ("stop", "loss is nan at step 2")]);
    assert!(lab.ok("job show nan").contains("loss is 0.5 at step 1 (loss < 0.6 -> notify)"));
    lab.until("job show hangs -o json", |ran| read(ran)["executionState"] == "succeeded");
    let hangs = job(&lab, "hangs");
    assert_eq!(
        (&hangs["attempt"], &hangs["rulesFired"][0]["why"]),
        (&json!(2), &json!("RuntimeError: CUDA error")),
        "{hangs}"
    );
    let drained = |lab: &Lab| {
        let nodes = read(&lab.run("cluster node list -c pool -o json"));
        nodes.as_array().unwrap().iter().filter(|node| node["drained"] == true).count()
    };
    assert_eq!(drained(&lab), 1, "the node of the first attempt gets no new work");
    breaks("ends", "exit 3");
    // Back in the queue, and no node is left that it would get.
    lab.until("job show ends -o json", |ran| read(ran)["executionState"] == "queued" && drained(&lab) == 2);
    // One that is tried again by itself, after an attempt that was over before anybody read what it wrote.
    lab.ok("cluster node undrain local-1 local-2 -c pool");
    let tried = lab.home().join("tried-again");
    let line = format!("if [ -e {0} ]; then echo well; else touch {0}; echo loss=inf; exit 4; fi", tried.display());
    let body = json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": line},
        "retry": {"maxAttempts": 2, "delay": "PT8S"},
        "metrics": {"rules": ["loss is inf -> notify", "loss=inf -> exclude node and retry"]}});
    lab.file("again.json", body.to_string());
    lab.ok("job create -c pool -n again -f again.json");
    lab.until("job show again -o json", |ran| read(ran)["executionState"] == "succeeded");
    let again = job(&lab, "again");
    let fired: Vec<_> = again["rulesFired"].as_array().unwrap().iter().map(|one| (&one["act"], &one["attempt"])).collect();
    assert!(fired.contains(&(&json!("notify"), &json!(1))) && fired.len() == 2, "{again}");
    assert_eq!((&again["attempt"], drained(&lab)), (&json!(2), 1), "its first node gets no new work: {again}");
    let wrong =
        json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}, "metrics": {"rules": ["loss is nan"]}});
    lab.file("wrong.json", wrong.to_string());
    let refused = lab.run("job create -c pool -f wrong.json");
    assert!(refused.code == 1 && refused.stderr.contains("is no rule"), "{}", refused.shown());
}

#[test]
fn event_files_other_nodes_and_other_processes_have_metrics() {
    let lab = Lab::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events.out.tfevents.sample");
    let line = format!(
        "for d in train val; do mkdir -p $AZ_BATCHAI_OUTPUT_ALL/logs/$d; done; cp {sample} $AZ_BATCHAI_OUTPUT_ALL/logs/train/events.out.tfevents.1; \
         head -c 100 {sample} >$AZ_BATCHAI_OUTPUT_ALL/logs/val/events.out.tfevents.2; sleep 7; tail -c +101 {sample} >>$AZ_BATCHAI_OUTPUT_ALL/logs/val/events.out.tfevents.2"
    );
    let body = json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": line},
        "outputDirectories": [{"id": "ALL", "pathPrefix": "$AZ_BATCHAI_JOB_TEMP"}],
        "metrics": {"files": [{"directory": "ALL", "file": "logs/*/events.out.tfevents.*"}]}});
    lab.file("board.json", body.to_string());
    lab.ok("job create -c pool -n board -f board.json");
    let stats = |name: &str| {
        let table = read(&lab.run("experiment table -o json"));
        let row = table.as_array().unwrap().iter().find(|row| row["name"] == name).cloned().unwrap_or_default();
        row["metrics"].clone()
    };
    // Before the next job has the node, which empties what this one left there.
    lab.until("job list", |_| stats("board")["val.acc"]["count"] == 1 && stats("board")["train.acc"]["count"] == 1);
    // Two processes on two nodes, and what each node's preparation says of itself.
    lab.file("work.sh", "echo step=1 loss=10\n");
    let script = lab.home().join("work.sh").display().to_string();
    let body = json!({"nodeCount": 2, "jobPreparation": {"commandLine": "ostler metric ready=1"},
        "pyTorchSettings": {"pythonScriptFilePath": script, "pythonInterpreterPath": "/bin/sh", "communicationBackend": "gloo"},
        "metrics": {"allProcesses": true}});
    lab.file("two.json", body.to_string());
    lab.ok("job create -c pool -n two -f two.json");
    let board = stats("board");
    for folder in ["train", "val"] {
        let loss = &board[format!("{folder}.loss")];
        assert_eq!((&loss["count"], &loss["last"], &loss["step"]), (&json!(2), &json!(0.1), &json!(2.0)), "{board}");
    }
    assert_eq!(board["train.acc"]["last"], "NaN", "{board}");
    lab.until("job list", |_| stats("two")["loss@1"]["count"] == 1 && stats("two")["ready"]["count"] == 2);
    let two = stats("two");
    assert_eq!((&two["loss"]["last"], &two["loss@1"]["last"]), (&json!(10.0), &json!(10.0)), "{two}");
}
