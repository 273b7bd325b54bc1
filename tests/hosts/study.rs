//! A real study: a sweep of the model that ships with the program, on data that ships with it, over four hosts; its table, curves and
//! report against what the same training says when it is run here, apart from the scheduler.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, until};
use crate::ostler::Ostler;

const TRAIN: &str = include_str!("../../assets/demo/train.sh");
const DATA: &str = include_str!("../../assets/demo/penguins.csv");
const EPOCHS: usize = 12;

/// The loss after each epoch, with its step, and the accuracy on birds that were never seen; by a run of its own.
fn apart(lr: &str, batch: &str) -> (Vec<(f64, f64)>, f64) {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/train.sh");
    let out = Command::new(script)
        .env("LR", lr)
        .env("BATCH", batch)
        .env("EPOCHS", EPOCHS.to_string())
        .env("PACE", "0")
        .output()
        .expect("the training runs here");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let word = |line: &str, name: &str| -> f64 {
        let mut words = line.split_whitespace().skip_while(|word| *word != name).skip(1);
        words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{name} in {line}"))
    };
    let losses = text.lines().filter(|line| line.starts_with("epoch")).map(|line| (word(line, "step"), word(line, "loss")));
    let test = text.lines().find(|line| line.starts_with("test")).expect("the accuracy");
    (losses.collect(), word(test, "accuracy"))
}

/// Four hosts that have the shipped training and its data.
fn with_the_model() -> Lab {
    let lab = Lab::up(4);
    lab.on_all("mkdir -p /opt/study");
    for (name, text) in [("train.sh", TRAIN), ("penguins.csv", DATA)] {
        lab.on_all(&format!("cat > /opt/study/{name} <<'ostler-end'\n{text}\nostler-end\nchmod +x /opt/study/{name}"));
    }
    lab
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_study_of_a_real_model_says_what_the_training_says() {
    let lab = with_the_model();
    let ostler = Ostler::with_cluster(&lab, 4);
    // Jobs as short as these would be done before a host that comes last.
    ostler.await_ready(4);
    let body = json!({"properties": {
        "nodeCount": 1,
        "customToolkitSettings": {"commandLine": "LR=PARAM_LR BATCH=$PARAM_BATCH EPOCHS=12 PACE=0 /opt/study/train.sh"},
        "metrics": {
            "log": "off",
            "patterns": [
                {"name": "loss", "regex": "step +(?<step>[0-9]+) +loss +(?<value>[0-9.]+)"},
                {"name": "test_accuracy", "regex": "test accuracy ([0-9.]+)"}
            ],
            "goal": {"metric": "test_accuracy", "maximize": true}
        }
    }});
    let file = lab.dir().join("study.json");
    std::fs::write(&file, body.to_string()).unwrap();
    let (rates, batches) = (["0.001", "0.01", "0.1", "1"], ["8", "64"]);
    let (rates_option, batches_option) = (format!("lr={}", rates.join(",")), format!("batch={}", batches.join(",")));
    ostler.ok(&[
        "sweep",
        "create",
        "-c",
        "c",
        "-n",
        "s",
        "-f",
        file.to_str().unwrap(),
        "-p",
        &rates_option,
        "-p",
        &batches_option,
    ]);
    let table = until("all metrics are there", Duration::from_secs(180), || {
        let table = ostler.json(&["experiment", "table"]);
        let whole = |job: &Value| job["executionState"] == "succeeded" && job["metrics"]["test_accuracy"]["count"] == 1;
        table.as_array().is_some_and(|jobs| jobs.len() == 8 && jobs.iter().all(whole)).then_some(table)
    });
    let mut expected = BTreeMap::new();
    for lr in rates {
        for batch in batches {
            expected.insert((lr, batch), apart(lr, batch));
        }
    }
    let nodes: std::collections::BTreeSet<String> = ostler.jobs().iter().map(|job| job["nodes"][0].to_string()).collect();
    assert_eq!(nodes.len(), 4, "all hosts took part");
    for job in table.as_array().unwrap() {
        let (lr, batch) = (job["parameters"]["lr"].to_string(), job["parameters"]["batch"].to_string());
        let (losses, accuracy) = &expected[&(lr.as_str(), batch.as_str())];
        let loss = &job["metrics"]["loss"];
        let values = losses.iter().map(|(_, loss)| *loss);
        assert_eq!(loss["count"], EPOCHS, "{job:#}");
        assert_eq!(
            (loss["step"].as_f64(), loss["last"].as_f64()),
            (losses.last().map(|l| l.0), losses.last().map(|l| l.1)),
            "{job:#}"
        );
        assert_eq!(loss["min"].as_f64(), values.clone().min_by(f64::total_cmp), "{job:#}");
        let mean = values.sum::<f64>() / EPOCHS as f64;
        assert!((loss["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{job:#}");
        assert_eq!(job["metrics"]["test_accuracy"]["last"].as_f64(), Some(*accuracy), "{job:#}");
    }
    let most = expected.values().map(|(_, accuracy)| *accuracy).fold(0.0, f64::max);
    let best = ostler.json(&["experiment", "best"]);
    assert_eq!(
        (&best["metric"], best["jobs"][0]["metrics"]["test_accuracy"]["last"].as_f64()),
        (&json!("test_accuracy"), Some(most))
    );
    let curves = ostler.json(&["experiment", "plot", "--metric", "loss", "-n", "8"]);
    for curve in curves["curves"].as_array().unwrap() {
        let job = table.as_array().unwrap().iter().find(|job| job["name"] == curve["name"]).unwrap();
        let (lr, batch) = (job["parameters"]["lr"].to_string(), job["parameters"]["batch"].to_string());
        let points = curve["points"].as_array().unwrap().iter();
        let points: Vec<(f64, f64)> = points.map(|p| (p["step"].as_f64().unwrap(), p["value"].as_f64().unwrap())).collect();
        assert_eq!(points, expected[&(lr.as_str(), batch.as_str())].0, "{curve:#}");
    }
    let report = lab.dir().join("report.html");
    ostler.ok(&["experiment", "report", "--metric", "loss", "--to", report.to_str().unwrap()]);
    let html = std::fs::read_to_string(report).unwrap();
    assert_eq!((html.matches("<polyline stroke=\"hsl").count(), html.matches("<tr><td>s-").count()), (8, 8));
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn asha_over_four_hosts_keeps_the_best() {
    let lab = with_the_model();
    let ostler = Ostler::with_cluster(&lab, 4);
    let line = "LR=PARAM_LR BATCH=64 EPOCHS=60 PACE=0.5 /opt/study/train.sh | sed -u 's/loss /loss=/; s/step */step=/'";
    ostler.ok(&[
        "sweep",
        "create",
        "-c",
        "c",
        "-n",
        "s",
        "-p",
        "lr=0.0001,0.0002,0.0003,0.5,0.0004,0.0005,0.0006,0.0007",
        "--stop",
        "asha",
        "--metric",
        "loss",
        "--first-step",
        "20",
        "--factor",
        "4",
        "--",
        line,
    ]);
    // The rung at step 20 is five epochs in. Whoever comes there among the first three is not held up, so of the first four
    // perhaps nobody stops, in whatever order they come; of the second four, at most one is better than enough others.
    let jobs = until("all have ended", Duration::from_secs(240), || {
        let jobs = ostler.jobs();
        jobs.iter().all(|job| matches!(job["executionState"].as_str(), Some("succeeded" | "failed"))).then_some(jobs)
    });
    let early: Vec<&str> = jobs
        .iter()
        .filter(|job| job["executionInfo"]["errors"][0]["code"] == "StoppedEarly")
        .filter_map(|job| job["name"].as_str())
        .collect();
    assert!(early.len() >= 3 && !early.contains(&"s-4"), "{early:?}: {jobs:#?}");
    let best = ostler.json(&["experiment", "best", "--metric", "loss"]);
    assert_eq!(best["jobs"][0]["name"], "s-4", "{best:#}");
    assert_eq!(ostler.job("s-4")["executionState"], "succeeded");
}
