//! Jobs in containers of a real runtime: podman with runc, and an image made on the spot from a static busybox.

use serde_json::{Value, json};

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

/// Gives a host of the lab control groups that are not those of the machine.
pub const CGROUPS: &str = r#"set -e
mount -t tmpfs tmpfs /sys/fs/cgroup
for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir -p /sys/fs/cgroup/$c && mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c
done
mkdir /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd"#;
/// Makes podman run there: its store is not that of the machine, and limits stay below what the host may set.
const PODMAN: &str = r#"mkdir -p /var/lib/containers /etc/containers
mount -t tmpfs tmpfs /var/lib/containers
printf '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n' >/etc/containers/containers.conf
printf '[storage]\ndriver="vfs"\nrunroot="/run/containers/storage"\ngraphroot="/var/lib/containers/storage"\n' >/etc/containers/storage.conf
[ -e /etc/containers/policy.json ] || echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json"#;
/// An image that has nothing but busybox and a file that no host has; `IMPORT` reads its files.
const IMAGE: &str = r#"set -e
d=/tmp/image
mkdir -p $d/bin $d/tmp $d/root $d/etc $d/proc $d/sys $d/dev
cp "$(command -v busybox)" $d/bin/busybox
for a in sh cat echo ls sleep uname id mkdir mkfifo rm setsid nohup tr grep wc kill df printf true head date touch; do ln -s busybox $d/bin/$a; done
echo root:x:0:0:root:/root:/bin/sh >$d/etc/passwd
echo canary-image >$d/marker
tar -C $d -c . | IMPORT localhost/bird:1 >/dev/null
echo ready"#;
/// Docker's engine, in the background.
const DOCKERD: &str = r#"mkdir -p /var/lib/docker
mount -t tmpfs tmpfs /var/lib/docker
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
setsid dockerd --storage-driver vfs >/tmp/dockerd.log 2>&1 </dev/null &
n=0; until docker version >/dev/null 2>&1 || [ $n = 600 ]; do sleep 0.1; n=$((n + 1)); done"#;
/// A user who may have containers of their own.
const USER: &str = r#"set -e
useradd -m -s /bin/bash -p '*' ada
mkdir -p /home/ada/.ssh && cp /root/.ssh/authorized_keys /home/ada/.ssh/ && chown -R ada /home/ada/.ssh
grep -q '^ada:' /etc/subuid || echo ada:200000:65536 >>/etc/subuid
grep -q '^ada:' /etc/subgid || echo ada:200000:65536 >>/etc/subgid
mkdir -p /home/ada/.config/containers
printf '[storage]\ndriver="vfs"\n' >/home/ada/.config/containers/storage.conf
chown -R ada /home/ada/.config"#;
/// A second image: the first with Open MPI, as the host has it, but for the ssh that its launcher would want.
const WITH_MPI: &str = r#"set -e
m=/tmp/mpi
cp -a /tmp/image $m
for f in $(command -v mpirun) $(command -v orted) $(find /usr/lib/*/openmpi /usr/lib/*/pmix2 -name '*.so*' 2>/dev/null); do
    echo $f; ldd $f 2>/dev/null | grep -o '/[^ )]*'
done | sort -u | while read -r f; do mkdir -p "$m${f%/*}"; cp -L "$f" "$m$f"; done
for d in /usr/share/openmpi /usr/share/pmix* /etc/openmpi; do [ ! -e $d ] || { mkdir -p $m${d%/*}; cp -aL $d $m$d; }; done
tar -C $m -c . | podman import - localhost/mpi:1 >/dev/null
echo ready"#;
/// Part of a password, to look for.
const CANARY: &str = "c4n4ry-b1rd";

fn lab(count: u32) -> Lab {
    let lab = Lab::up(count);
    for host in lab.hosts() {
        ready(&lab, &host, &[CGROUPS, PODMAN, &IMAGE.replace("IMPORT", "podman import -")]);
    }
    lab
}

/// Runs scripts on a host, of which the last one says `ready`.
fn ready(lab: &Lab, host: &str, scripts: &[&str]) {
    let said = lab.on(host, &format!("{{ {}\n}} 2>&1", scripts.join("\n")));
    assert!(said.trim_end().ends_with("ready"), "{host}: {said}");
}

fn contained(mut job: Value, image: Value) -> Value {
    job["containerSettings"] = image;
    job
}

fn image() -> Value {
    json!({"imageSourceRegistry": {"image": "localhost/bird:1"}, "shmSize": "32mb"})
}

fn containers(lab: &Lab) -> String {
    lab.on_all("podman ps --all --format '{{.Names}} {{.Labels}}'")
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn preparation_job_and_daemons_run_in_the_containers_of_their_nodes() {
    let lab = lab(2);
    lab.on_all("mkdir -p /root/models /root/data; echo data-of-$(uname -n) >/root/data/file");
    let ostler = Ostler::with_cluster(&lab, 2);
    let code = lab.dir().join("proj");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::write(code.join("said"), "the code\n").unwrap();
    let line = "cat /marker; cat /prepared; cat $OSTLER_CODE_DIR/said; echo \"$GREETING\"; echo \"${#TOKEN}\"; cat $AZ_BATCHAI_INPUT_D/file; \
                echo model >$AZ_BATCHAI_OUTPUT_M/model; echo temp >$AZ_BATCHAI_JOB_TEMP/temp; df /dev/shm | tail -n 1 | tr -s ' ' | head -n 1; \
                $OMPI_MCA_plm_rsh_agent ${AZ_BATCH_HOST_LIST#*,} 'cat /marker >$AZ_BATCHAI_JOB_TEMP/daemon; uname -n >>$AZ_BATCHAI_JOB_TEMP/daemon; echo ${#TOKEN} >>$AZ_BATCHAI_JOB_TEMP/daemon'; \
                echo daemon $?; grep -c : /proc/net/dev; exit 7"
        .replace("| tail -n 1 | tr -s ' ' | head -n 1", "| grep -c 32768");
    let job = json!({
        "nodeCount": 2,
        "code": code.to_str().unwrap(),
        "jobPreparation": {"commandLine": "cat /marker >/prepared; cat $OSTLER_CODE_DIR/said >>/prepared"},
        "customToolkitSettings": {"commandLine": line},
        "environmentVariables": [{"name": "GREETING", "value": "hello $AZ_BATCHAI_NUM_GPUS it's $HOME"}],
        "secrets": [{"name": "TOKEN", "value": CANARY}],
        "inputDirectories": [{"id": "D", "path": "/root/data"}],
        "outputDirectories": [{"id": "M", "pathPrefix": "/root/models"}],
    });
    ostler.submit_file("inside", contained(job, image()));
    let job = ostler.await_end("inside");
    let (logs, err) = (ostler.ok(&["job", "logs", "inside"]), ostler.ok(&["job", "logs", "inside", "--err"]));
    assert_eq!(exit_code(&job), Some(7), "{job:#}\n{logs}{err}");
    let (first, second) = (job["nodes"][0].as_str().unwrap(), job["nodes"][1].as_str().unwrap());
    let interfaces = lab.on(first, "grep -c : /proc/net/dev");
    let expected = format!(
        "canary-image\ncanary-image\nthe code\nthe code\nhello 0 it's /root\n{}\ndata-of-{first}\n1\ndaemon 0\n{interfaces}",
        CANARY.len()
    );
    assert_eq!(logs, expected, "{err}");
    // What it wrote is on the node, at the same paths.
    assert_eq!(lab.on(first, "find /root/models -name model -exec cat {} +").trim(), "model");
    let found =
        |host: &str, name: &str| lab.on(host, &format!("find /root/.local/state/ostler-node -name {name} -exec cat {{}} +"));
    assert_eq!(found(first, "temp").trim(), "temp");
    assert_eq!(found(second, "daemon"), format!("canary-image\n{second}\n{}\n", CANARY.len()));
    assert_eq!(containers(&lab), "", "none is left");
}

/// Runs a job that says where it is, and returns what it said.
fn visit(ostler: &Ostler<'_>, command: &str) -> String {
    let job = json!({
        "nodeCount": 1,
        "jobPreparation": {"commandLine": "cat /marker >/prepared"},
        "customToolkitSettings": {"commandLine": format!("cat /prepared; echo ${{#TOKEN}}; df /dev/shm | grep -c 32768; {command}; exit 7")},
        "secrets": [{"name": "TOKEN", "value": CANARY}],
    });
    ostler.submit_file("visit", contained(job, image()));
    let job = ostler.await_end("visit");
    let said = ostler.ok(&["job", "logs", "visit"]);
    assert_eq!(exit_code(&job), Some(7), "{job:#}\n{said}");
    said
}

#[test]
#[ignore = "needs root and sshd: tests/run --long"]
fn docker_engine_runs_a_job() {
    let lab = Lab::up(1);
    if lab.on("h1", "PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v dockerd || :").trim().is_empty() {
        eprintln!("did not run: docker: no dockerd here");
        return;
    }
    ready(&lab, "h1", &[CGROUPS, DOCKERD, &IMAGE.replace("IMPORT", "docker import -")]);
    let ostler = Ostler::with_cluster(&lab, 1);
    let said = visit(&ostler, "ls /.dockerenv");
    assert_eq!(said, format!("canary-image\n{}\n1\n/.dockerenv\n", CANARY.len()));
    assert_eq!(lab.on("h1", "docker ps --all --quiet"), "", "none is left");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_user_has_containers_of_their_own_without_root() {
    let lab = Lab::up(1);
    ready(&lab, "h1", &[CGROUPS, PODMAN, USER, "echo ready"]);
    let image = format!("cd; {}", IMAGE.replace("IMPORT", "podman import -"));
    let said = lab.on("h1", &format!("su - ada -c {} 2>&1", shlex::try_quote(&image).unwrap()));
    assert!(said.trim_end().ends_with("ready"), "{said}");
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "c", "--hosts", "ada@h1", "--target", "1"]);
    let said = visit(&ostler, "id -u; touch $AZ_BATCHAI_JOB_TEMP/mine");
    assert_eq!(said, format!("canary-image\n{}\n1\n0\n", CANARY.len()), "root inside, and nobody outside");
    let mine = lab.on("h1", "find /home/ada/.local/state/ostler-node -name mine -exec stat -c %U {} +");
    assert_eq!(mine.trim(), "ada");
    assert_eq!(lab.on("h1", "su - ada -c 'podman ps --all --quiet'"), "", "none is left");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn mpirun_of_an_image_spans_the_containers_of_two_nodes() {
    let lab = lab(2);
    for host in lab.hosts() {
        ready(&lab, &host, &[WITH_MPI]);
    }
    let ostler = Ostler::with_cluster(&lab, 2);
    let line = "echo rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE on $(uname -n): $(cat /marker)";
    let job = json!({"nodeCount": 2, "customMpiSettings": {"commandLine": line, "processCount": 4}});
    ostler.submit_file("ranks", contained(job, json!({"imageSourceRegistry": {"image": "localhost/mpi:1"}})));
    let job = ostler.await_end("ranks");
    let said = ostler.ok(&["job", "logs", "ranks"]);
    assert_eq!(exit_code(&job), Some(0), "{job:#}\n{said}{}", ostler.ok(&["job", "logs", "ranks", "--err"]));
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    let (first, second) = (job["nodes"][0].as_str().unwrap(), job["nodes"][1].as_str().unwrap());
    let line = |rank: usize| format!("rank {rank} of 4 on {}: canary-image", if rank < 2 { first } else { second });
    assert_eq!(lines, [line(0), line(1), line(2), line(3)], "{said}");
    assert_eq!(containers(&lab), "", "none is left");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_stop_and_a_time_limit_end_what_is_in_a_container() {
    let lab = lab(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    let sleepers = || lab.on_all("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").matches("sleep 98765").count();
    // Children that leave the session and ignore TERM, and one without the job's variables.
    let tree = "trap '' TERM; sleep 98765 & (setsid setsid sh -c 'trap \"\" TERM HUP; sleep 98765' &); \
                (OSTLER_RANK= setsid nohup sleep 98765 >/dev/null 2>&1 &); sleep 98765; sleep 98765";
    let job = |limit: &str| {
        let job = json!({
            "nodeCount": 1,
            "customToolkitSettings": {"commandLine": tree},
            "constraints": {"maxWallClockTime": limit},
        });
        contained(job, image())
    };
    ostler.submit_file("stubborn", job("1h"));
    until("its processes are up", SOON, || (sleepers() >= 4).then_some(()));
    assert_eq!(containers(&lab).lines().count(), 1);
    ostler.ok(&["job", "terminate", "stubborn", "-y"]);
    let ended = ostler.await_end("stubborn");
    assert_eq!(ended["executionInfo"]["errors"][0]["code"], "JobTerminated", "{ended:#}");
    assert_eq!((sleepers(), containers(&lab).as_str()), (0, ""), "nothing is left once the job has ended");

    ostler.submit_file("slow", job("5s"));
    let ended = ostler.await_end("slow");
    assert_eq!(ended["executionInfo"]["errors"][0]["code"], "WallClockTimeExceeded", "{ended:#}");
    assert_eq!((sleepers(), containers(&lab).as_str()), (0, ""));

    // What somebody left who was killed before he could clean up goes before the next job.
    // Other things than nodes lie there too, and only a node has jobs.
    let node =
        lab.on("h1", "cd /root/.local/state/ostler-node/*/ && ls -d */jobs").trim().trim_end_matches("/jobs").to_owned();
    let left = format!(
        "podman run -d --name left --label ostler.node={node} --label ostler.key=99.1 --network host \
                        --entrypoint /bin/sh localhost/bird:1 -c 'sleep 98765'"
    );
    lab.on("h1", &left);
    assert_eq!((sleepers(), containers(&lab).lines().count()), (1, 1));
    ostler.submit_file(
        "next",
        contained(json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": "cat /marker"}}), image()),
    );
    assert_eq!(ostler.await_end("next")["executionState"], "succeeded");
    assert_eq!((sleepers(), containers(&lab).as_str()), (0, ""));
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_container_that_cannot_start_says_why() {
    let lab = lab(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    let run = |name: &str, image: Value| {
        let job = json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}});
        ostler.submit_file(name, contained(job, json!({"imageSourceRegistry": image})));
        let job = ostler.await_end(name);
        let error = job["executionInfo"]["errors"][0].clone();
        assert_eq!((error["code"].as_str(), exit_code(&job)), (Some("FailedStartingContainer"), Some(-1)), "{job:#}");
        assert!(error["details"].to_string().contains("imageName"), "{error:#}");
        error["message"].as_str().unwrap().to_owned()
    };
    // Nobody listens there.
    let message = run("pull", json!({"image": "localhost:9/none:1"}));
    assert!(message.contains("Unable to start container: cannot pull localhost:9/none:1"), "{message}");
    let credentials = json!({"username": "ada", "password": format!("{CANARY}-password")});
    let message =
        run("sign-in", json!({"image": "localhost:9/none:1", "serverUrl": "localhost:9", "credentials": credentials}));
    assert!(message.contains("cannot sign in to localhost:9 as ada"), "{message}");
    let kept = lab.on("h1", &format!("grep -rl {CANARY} /root /run /tmp /var/lib/containers /etc/containers 2>/dev/null"));
    assert_eq!(kept, "", "the password is nowhere on the node");
    let shown = ostler.json(&["job", "show", "sign-in"]);
    let credentials = &shown["containerSettings"]["imageSourceRegistry"]["credentials"];
    assert_eq!(*credentials, json!({"username": "ada", "password": null}));
    lab.on("h1", "mv /usr/bin/podman /usr/bin/podman-away");
    let message = run("none", json!({"image": "localhost/bird:1"}));
    assert!(message.contains("no container runtime on this node: ") && message.contains("there is no podman"), "{message}");
}
