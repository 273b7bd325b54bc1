//! Scripts for `sbatch` as jobs, on a cluster whose jobs ostler places; `tests/hosts/slurm.rs` has one on Slurm's.

use crate::lab::{Lab, json};

const SCRIPT: &str = "#!/bin/bash\n#SBATCH -J hello --time=0:30:00\n#SBATCH --output=%x.txt   # ostler job logs has it\n\n\
                      set -eu\nwords=(one \"two three\")\necho \"${#words[@]} $0\"\n";

#[test]
fn a_script_runs_as_it_is() {
    let lab = Lab::new();
    lab.file("hello.sbatch", SCRIPT);
    lab.ok("job create -c pool -f hello.sbatch --wait");
    assert_eq!(lab.ok("job logs hello"), "2 /bin/bash\n");
    let shown = json(&lab.run("job show hello -o json"));
    let limit = &shown["properties"]["constraints"]["maxWallClockTime"];
    assert_eq!(limit.as_str().or(shown["constraints"]["maxWallClockTime"].as_str()), Some("PT30M"), "{shown:#}");
    // What is typed counts over the script; an array has Slurm's number.
    lab.file(
        "each.sh",
        "#!/bin/sh\n#SBATCH --array=3-4 --job-name=each\necho $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_TASK_COUNT\n",
    );
    lab.ok("job create -c pool -f each.sh -n mine --wait");
    assert_eq!(lab.ok("job logs mine-4"), "4 of 2\n");
}

#[test]
fn what_only_slurm_knows_is_not_passed_over() {
    let lab = Lab::new();
    lab.file("big.sbatch", "#!/bin/bash\n#SBATCH -p gpu -C a100 --ntasks 8\nsrun ./train\n");
    let told = lab.run("job create -c pool -f big.sbatch").stderr;
    let words =
        "slurm: `--partition=gpu --constraint=a100 --ntasks=8` means nothing to cluster `pool`, whose jobs ostler places";
    assert!(told.contains(words) && told.contains("backend: slurm"), "{told}");
    lab.file("bad.sbatch", "#!/bin/bash\n#SBATCH --nodes=few\n#SBATCH --comment\ntrue\n");
    let told = lab.run("job create -c pool -f bad.sbatch").stderr;
    assert!(told.contains("bad.sbatch:2") && told.contains("`few` is no number of nodes"), "{told}");
    assert!(told.contains("bad.sbatch:3") && told.contains("has no value"), "{told}");
}
