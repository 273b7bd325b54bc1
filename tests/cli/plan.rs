//! `job plan` and `job create --dry-run`: what would be, and that nothing of it is done.

use serde_json::Value;

use crate::rig::User;

const JOB: &str = r#"{
  "$schema": "https://example.com/job.json",
  "comment": "two ranks",
  "properties": {
    "nodeCount": 2,
    "cluster": {"id": "/subscriptions/0/resourceGroups/far/providers/Microsoft.BatchAI/workspaces/w/clusters/nc6"},
    "customMpiSettings": {"commandLine": "python $ROOT/t.py --out $AZ_BATCHAI_OUTPUT_MODEL"},
    "jobPreparation": {"commandLine": "pip list"},
    "environmentVariables": [{"name": "ROOT", "value": "/srv/x"}],
    "inputDirectories": [{"id": "DATA", "path": "$ROOT/data"}],
    "outputDirectories": [{"id": "MODEL", "pathPrefix": "$ROOT/out", "pathSuffix": "Models"}]
  }
}
"#;

#[test]
fn a_plan_without_a_cluster_uses_stand_ins() {
    let user = User::new();
    user.file("job.json", JOB);
    let ran = user.run("--embedded job plan -f job.json -n first");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    insta::assert_snapshot!("plan", ran.shown());
}

#[test]
fn a_plan_for_programs_says_all_of_it() {
    let user = User::new();
    user.file("job.json", JOB);
    for line in ["workspace create lab", "experiment create e", "cluster create gpu --provider local --target 0"] {
        assert_eq!(user.run(line).code, 0, "{line}");
    }
    let ran = user.run("job plan -f job.json -c gpu -o json");
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.shown()));
    let text = |pointer: &str| plan.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!((text("/cluster"), text("/workspace"), text("/experiment")), ("gpu".into(), "lab".into(), "e".into()));
    assert_eq!(text("/toolType"), "mpi");
    let ranks: Vec<&str> =
        plan["processes"].as_array().unwrap().iter().filter_map(|process| process["rank"].as_str()).collect();
    assert_eq!(ranks, ["p0", "p1", "m0"]);
    let environment = &plan["processes"][2]["environment"];
    assert_eq!(environment["AZ_BATCHAI_INPUT_DATA"], "/srv/x/data");
    assert_eq!(
        environment["AZ_BATCHAI_OUTPUT_MODEL"],
        "/srv/x/out/ostler/default/workspaces/lab/experiments/e/jobs/run-001/00000000-0000-0000-0000-000000000000/outputs/Models"
    );
    assert!(text("/processes/2/commandLine").contains("python $ROOT/t.py"), "{plan:#}");
    assert!(text("/processes/0/commandLine").ends_with("pip list"), "{plan:#}");
    assert!(text("/processes/2/stdout").ends_with("/stdouterr/stdout.txt"), "{plan:#}");
    let files = plan["processes"][2]["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["content"] == "198.18.0.1 slots=1\n198.18.0.2 slots=1\n"), "{files:#?}");
    assert_eq!(plan["nodes"][1]["standIn"], true);
    let notes = plan["notes"].to_string();
    assert!(notes.contains("of 2 nodes of `gpu`, 0 are known; stand-ins: 2"), "{notes}");
    assert!(notes.contains("it asks for 2 nodes, and `gpu` has a target of 0: it waits until that grows"), "{notes}");
    assert_eq!(user.run("job list -o name").stdout, "", "a plan submits nothing");
}

#[test]
fn a_dry_run_checks_against_what_is_there_and_submits_nothing() {
    let user = User::new();
    user.file("job.json", JOB);
    user.file(
        "shared.json",
        r#"{"nodeCount": 1, "customToolkitSettings": {"commandLine": "ls $AZ_BATCHAI_SHARED_JOB_TEMP"}}"#,
    );
    insta::assert_snapshot!(
        "dry-run",
        user.tour(&[
            "--dry-run job create -f job.json",
            "workspace create lab",
            "experiment create e",
            "--dry-run job create -f job.json",
            "--dry-run job create -f job.json -c gpu",
            "cluster create gpu --provider local --target 0",
            "--dry-run job create -f job.json -c gpu -n first",
            "--dry-run job create -f shared.json -c gpu",
            "--dry-run job create -c /workspaces/lab/clusters/gpu -- echo hi",
            "--dry-run job create -c /resourceGroups/default/workspaces/lab/clusters/cpu -- echo hi",
            "--dry-run job create -c /workspaces/lab/experiments/e -- echo hi",
            "job list -o name",
            "--dry-run job create -f job.json -c gpu -n first -o json",
        ])
    );
}
