//! Jobs of Slurm in containers: podman without root as Debian has it, and stand-ins for Pyxis, apptainer and an OCI runtime, which Debian
//! has not; they say what they were called with, and run the command where they are.

use serde_json::{Value, json};

use crate::containers::CGROUPS;
use crate::lab::Lab;
use crate::ostler::{Ostler, exit_code};

/// What lets `ci` have containers of their own, on every host; the store is in the home, which all share.
const ROOTLESS: &str = r#"grep -q '^ci:' /etc/subuid || echo ci:200000:65536 >>/etc/subuid
grep -q '^ci:' /etc/subgid || echo ci:200000:65536 >>/etc/subgid
mkdir -p /etc/containers
printf '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n' >/etc/containers/containers.conf
[ -e /etc/containers/policy.json ] || echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
for p in apptainer singularity; do rm -f "$(command -v $p)"; done"#;
/// An image of busybox with a file that no host has, for `ci`.
const IMAGE: &str = r#"set -e
mkdir -p ~/.config/containers
printf '[storage]\ndriver="vfs"\n' >~/.config/containers/storage.conf
d=$(mktemp -d)
mkdir -p $d/bin $d/tmp $d/root $d/etc $d/proc $d/sys $d/dev
cp "$(command -v busybox)" $d/bin/busybox
for a in sh cat echo ls sleep id mkdir rm tr env sed grep printf true wc; do ln -s busybox $d/bin/$a; done
echo root:x:0:0:root:/root:/bin/sh >$d/etc/passwd
echo canary-image >$d/marker
tar -C $d -c . | podman import - localhost/bird:1 >/dev/null 2>&1
echo ready"#;
/// Stands in for `apptainer`: the password and the paths are noted, the command runs here.
const APPTAINER: &str = r#"#!/bin/sh
echo "$1 ${APPTAINER_DOCKER_USERNAME-} ${#APPTAINER_DOCKER_PASSWORD} $*" >>/home/ci/apptainer
case $1 in
pull) [ "$4" != docker://reg.example/none ] || { echo "FATAL: no such image" >&2; exit 255; }; echo sif >"$3" ;;
exec)
    shift
    while :; do case $1 in --pwd | --bind) shift 2 ;; --nv) shift ;; *) break ;; esac; done
    [ "$(cat "$1")" = sif ] || exit 125
    shift
    IN=apptainer exec "$@" ;;
esac
"#;
/// Stands in for Pyxis and for what Slurm does with OCI bundles: srun with options more, which it notes.
const PYXIS: &str = r#"#!/bin/bash
real=/usr/bin/srun.real
if [ "$1" = --help ]; then "$real" --help; echo "  --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH"; exit; fi
words=()
for w; do case $w in --container*) echo "$w" >>/home/ci/pyxis; export IN=pyxis ;; *) words+=("$w") ;; esac; done
exec "$real" "${words[@]}"
"#;

fn submit(ostler: &Ostler<'_>, name: &str, mut job: Value, image: Value) -> Value {
    if job["nodeCount"].is_null() {
        job["nodeCount"] = 1.into();
    }
    job["containerSettings"] = json!({"imageSourceRegistry": image});
    ostler.submit_file(name, job);
    ostler.await_end(name)
}

fn put(lab: &Lab, path: &str, text: &str) {
    lab.on_all(&format!("cat >{path} <<'END'\n{text}END\nchmod 755 {path}"));
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_runs_jobs_in_containers() {
    let lab = Lab::up_slurm(2, &[]);
    lab.on_all(CGROUPS);
    lab.on_all(ROOTLESS);
    let said = lab.on("h1", &format!("runuser -u ci -- env HOME=/home/ci sh -c {} 2>&1", shlex::try_quote(IMAGE).unwrap()));
    assert!(said.trim_end().ends_with("ready"), "{said}");
    lab.on("h1", "mkdir -p /home/ci/data; echo the data >/home/ci/data/file; chown -R ci: /home/ci/data");
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "c", "--backend", "slurm", "--login", "ci@h1", "--partition", "all"]);
    ostler.await_ready(1);

    // A real runtime: what is in the image, what of the job's is there too, and what of the node is not.
    let line = "cat /marker; cat $AZ_BATCHAI_INPUT_D/file; echo \"$GREETING ${#TOKEN} $SLURM_JOB_NAME\"; ls /usr 2>/dev/null | wc -l; \
                echo model >$AZ_BATCHAI_OUTPUT_M/model; cat $AZ_BATCHAI_JOB_TEMP/prepared; exit 7";
    let job = json!({
        "jobPreparation": {"commandLine": "cat /marker >$AZ_BATCHAI_JOB_TEMP/prepared"},
        "customToolkitSettings": {"commandLine": line},
        "environmentVariables": [{"name": "GREETING", "value": "it's me"}],
        "secrets": [{"name": "TOKEN", "value": "hush"}],
        "inputDirectories": [{"id": "D", "path": "/home/ci/data"}],
        "outputDirectories": [{"id": "M", "pathPrefix": "/home/ci/models"}],
    });
    let ended = submit(&ostler, "real", job, json!({"image": "localhost/bird:1"}));
    let (logs, err) = (ostler.ok(&["job", "logs", "real"]), ostler.ok(&["job", "logs", "real", "--err"]));
    assert_eq!(exit_code(&ended), Some(7), "{ended:#}\n{logs}{err}");
    assert_eq!(logs, "canary-image\nthe data\nit's me 4 real\n0\ncanary-image\n", "{err}");
    assert_eq!(lab.on("h1", "find /home/ci/models -name model -exec stat -c %U {} +").trim(), "ci", "files are one's own");
    assert_eq!(lab.on("h2", "runuser -u ci -- env HOME=/home/ci podman ps --all --quiet"), "", "none is left");

    // apptainer: the image is got once, with the password; a process on each of two nodes.
    put(&lab, "/usr/local/bin/apptainer", APPTAINER);
    let two = json!({"nodeCount": 2, "pyTorchSettings": {"pythonScriptFilePath": "x.py", "communicationBackend": "Gloo", "pythonInterpreterPath": "/home/ci/python"}});
    put(&lab, "/home/ci/python", "#!/bin/sh\necho $IN ${OSTLER_REGISTRY_PASSWORD-clean}\n");
    let registry = json!({"image": "reg.example/a:1", "serverUrl": "reg.example", "credentials": {"username": "ada", "password": "c4n4ry"}});
    let ended = submit(&ostler, "sif", two.clone(), registry);
    assert_eq!(exit_code(&ended), Some(0), "{ended:#} {}", ostler.ok(&["job", "logs", "sif", "--err"]));
    let calls = lab.on("h1", "cat /home/ci/apptainer");
    assert_eq!(calls.matches("pull ada 6").count(), 1, "{calls}");
    assert_eq!(calls.matches("\nexec ").count(), 2, "{calls}");
    assert!(!calls.contains("c4n4ry"), "{calls}");
    let logs = lab.on("h1", "grep -rhs 'apptainer clean' /home/ci/.local/state/ostler-node/*/*/logs | wc -l");
    assert_eq!(logs.trim(), "2", "both processes ran in it, and see no password");
    let none = submit(
        &ostler,
        "none",
        json!({"customToolkitSettings": {"commandLine": "true"}}),
        json!({"image": "reg.example/none"}),
    );
    assert_eq!(exit_code(&none), Some(125), "{none:#}");
    let err = ostler.ok(&["job", "logs", "none", "--err"]);
    assert!(err.contains("cannot pull reg.example/none: FATAL: no such image"), "{err}");

    // Pyxis: a step of Slurm's with the image, in which the script goes on.
    lab.on_all("mv /usr/bin/srun /usr/bin/srun.real");
    put(&lab, "/usr/bin/srun", PYXIS);
    let line = "echo $IN $SLURM_STEP_ID";
    let ended = submit(
        &ostler,
        "pyxis",
        json!({"customToolkitSettings": {"commandLine": line}}),
        json!({"image": "nvcr.io/nvidia/x:1"}),
    );
    let logs = ostler.ok(&["job", "logs", "pyxis"]);
    assert_eq!((exit_code(&ended), logs.as_str()), (Some(0), "pyxis 0\n"), "{ended:#}");
    let calls = lab.on("h1", "cat /home/ci/pyxis");
    assert!(
        calls.contains("--container-image=nvcr.io#nvidia/x:1\n") && calls.contains("--container-mounts=/home/ci/.local"),
        "{calls}"
    );
    let ended = submit(&ostler, "both", two, json!({"image": "nvcr.io/nvidia/x:1"}));
    assert_eq!(exit_code(&ended), Some(0), "{ended:#}");

    // The folder of an OCI bundle is Slurm's own to run.
    lab.on("h1", "mkdir -p /home/ci/bundle; echo {} >/home/ci/bundle/config.json; chown -R ci: /home/ci/bundle");
    let ended = submit(
        &ostler,
        "oci",
        json!({"customToolkitSettings": {"commandLine": "exit 5"}}),
        json!({"image": "/home/ci/bundle"}),
    );
    assert_eq!(exit_code(&ended), Some(5), "{ended:#}");
    assert!(lab.on("h1", "cat /home/ci/pyxis").ends_with("\n--container=/home/ci/bundle\n"));

    // A launcher cannot leave its container.
    let mpi = json!({"nodeCount": 2, "customMpiSettings": {"commandLine": "true"}, "containerSettings": {"imageSourceRegistry": {"image": "a"}}});
    let refused = ostler.run_file("mpi", mpi);
    assert!(refused.code == 1 && refused.err.contains("a launcher in a container"), "{refused:?}");
}
