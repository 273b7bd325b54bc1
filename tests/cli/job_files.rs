//! The directories of real jobs on this machine: listed, followed, explained.

use crate::lab::{Lab, json};

const JOB: &str = r#"{"properties": {
  "nodeCount": 1,
  "stdOutErrPathPrefix": "$AZ_BATCHAI_JOB_TEMP_DIR/../kept",
  "inputDirectories": [{"id": "DATA", "path": "HOME/data"}],
  "outputDirectories": [
    {"id": "MODEL", "pathPrefix": "HOME/out"},
    {"id": "CHECK", "pathPrefix": "HOME/out", "pathSuffix": "checkpoints"}
  ],
  "customToolkitSettings": {"commandLine": "COMMAND"}
}}"#;

/// Runs a job with directories of its own to its end.
fn job(lab: &Lab, name: &str, command: &str) {
    let home = lab.home().display().to_string();
    std::fs::create_dir_all(lab.home().join("data/part")).unwrap();
    lab.file("data/train.csv", "a,b\n1,2\n");
    let text = JOB.replace("HOME", &home).replace("$AZ_BATCHAI_JOB_TEMP_DIR/../kept", &format!("{home}/kept"));
    lab.file("job.json", text.replace("COMMAND", command));
    lab.ok(&format!("job create -c pool -n {name} -f job.json --wait"));
}

#[test]
fn directories_are_listed_in_the_published_shape() {
    let lab = Lab::new();
    let command = "mkdir -p $AZ_BATCHAI_OUTPUT_MODEL/step; echo 12345 >$AZ_BATCHAI_OUTPUT_MODEL/model.bin; \
                   echo x >$AZ_BATCHAI_OUTPUT_MODEL/step/one; echo c >$AZ_BATCHAI_OUTPUT_CHECK/c.pt; echo t >tmp.txt; echo hi";
    job(&lab, "done", command);
    let names = |line: &str| -> Vec<String> {
        let list = json(&lab.run(&format!("{line} -o json")));
        let list = list.as_array().unwrap_or_else(|| panic!("{line}: {list}"));
        list.iter()
            .map(|entry| format!("{} {}", entry["fileType"].as_str().unwrap(), entry["name"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(names("job file list -j done"), ["file execution.log", "file stderr.txt", "file stdout.txt"]);
    assert_eq!(names("job file list -j done -d MODEL"), ["directory checkpoints", "file model.bin", "directory step"]);
    assert_eq!(names("job file list -j done -d MODEL -p step"), ["file one"]);
    assert_eq!(names("job file list -j last -d CHECK --expiry 60"), ["file c.pt"]);
    assert_eq!(names("job file list -j done -d DATA"), ["directory part", "file train.csv"]);
    assert_eq!(names("job file list -j done -d temp"), ["file hostfile", "directory shared", "file tmp.txt"]);
    let list = json(&lab.run("job file list -j done -d MODEL -o json"));
    let file = &list[1];
    assert_eq!(
        (&file["properties"]["contentLength"], &file["node"]),
        (&serde_json::json!(6), &serde_json::json!("local-1"))
    );
    assert!(file["properties"]["lastModified"].as_str().unwrap().ends_with('Z'), "{file}");
    assert_eq!(file["downloadCommand"], format!("ostler job file get -j {} -d MODEL -p model.bin", id_of(&lab, "done")));
    assert!(list[0].get("properties").is_none() && list[0].get("downloadCommand").is_none(), "{list}");
    let table = lab.ok("job file list -j done -d MODEL");
    assert!(table.starts_with("NAME") && table.contains("step/") && table.contains("model.bin"), "{table}");
}

fn id_of(lab: &Lab, job: &str) -> String {
    json(&lab.run(&format!("job show {job} -o json")))["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_cannot_be_listed_is_explained() {
    let lab = Lab::new();
    job(&lab, "done", "echo hi");
    for (line, words) in [
        ("job file list -j done -d NODEL", "did you mean `MODEL`? it has stdouterr, MODEL, CHECK, DATA, temp"),
        ("job file list -j done -d MODEL -p ../up", "it leads out of the directory"),
        ("job file list -j done -d MODEL -p /etc", "a path is relative to its directory"),
        ("job file list -j done -d MODEL -p none", "list it without a path"),
        ("job file list -j done -d MODEL --node 3", "it has local-1, counted from 0"),
        ("job file list -j nobody", "no job `nobody`"),
        ("job file stream -j done -f none.txt", "the job has ended, and there is no file `none.txt`"),
        ("job file stream -j done -d DATA -f part", "`part` is not a regular file"),
    ] {
        let ran = lab.run(line);
        assert_eq!(ran.code, 1, "{}", ran.shown());
        assert!(ran.stderr.contains(words), "{line}: {}", ran.shown());
    }
    std::fs::remove_dir_all(lab.home().join("out")).unwrap();
    let ran = lab.run("job file list -j done -d MODEL");
    assert!(
        ran.stderr.contains("there is no directory ~/out/") && ran.stderr.contains("may not be mounted"),
        "{}",
        ran.shown()
    );
    // The next job on the node empties the temporary directories.
    lab.ok("job create --wait -- true");
    let ran = lab.run("job file list -j done -d temp");
    assert!(ran.stderr.contains("is emptied when the next job starts"), "{}", ran.shown());
    assert_eq!(lab.run("job file list -j done --expiry 3").code, 2);
}

#[test]
fn files_of_several_nodes_are_listed_together() {
    let lab = Lab::new();
    let home = lab.home().display().to_string();
    let text = format!(
        r#"{{"nodeCount": 2, "outputDirectories": [{{"id": "SHARED", "pathPrefix": "{home}/out"}}],
           "jobPreparation": {{"commandLine": "echo p >$AZ_BATCHAI_OUTPUT_SHARED/all.txt; echo mine >own.txt"}},
           "customToolkitSettings": {{"commandLine": "true"}}}}"#
    );
    lab.file("two.json", text);
    lab.ok("job create -c pool -n two -f two.json --wait");
    let list = |line: &str| -> Vec<String> {
        let list = json(&lab.run(&format!("{line} -o json")));
        let entry = |e: &serde_json::Value| format!("{} {}", e["name"].as_str().unwrap(), e["node"].as_str().unwrap());
        list.as_array().unwrap_or_else(|| panic!("{line}: {list}")).iter().map(entry).collect()
    };
    let both = list("job file list -j two -d temp");
    assert!(both.contains(&"own.txt local-1".to_owned()) && both.contains(&"own.txt local-2".to_owned()), "{both:?}");
    let one = list("job file list -j two -d temp --node local-2");
    assert!(!one.is_empty() && one.iter().all(|entry| entry.ends_with(" local-2")), "{one:?}");
    // What both see in one place is there once.
    assert_eq!(list("job file list -j two -d SHARED"), ["all.txt local-1"]);
    assert_eq!(list("job file list -j two -d SHARED --node 1"), ["all.txt local-2"]);
    assert_eq!(lab.ok("job file stream -j two -d temp -f own.txt --node local-2"), "mine\n");
}

#[test]
fn a_stream_waits_for_its_file_and_ends_with_the_job() {
    let lab = Lab::new();
    let home = lab.home().display().to_string();
    let command = "while [ ! -e HOME/go ]; do sleep 0.1; done; mkdir -p $AZ_BATCHAI_OUTPUT_MODEL/sub; \
                   for n in 1 2 3; do echo line $n >>$AZ_BATCHAI_OUTPUT_MODEL/sub/late.log; sleep 0.3; done; exit 3";
    lab.file(
        "job.json",
        JOB.replace("COMMAND", command).replace("$AZ_BATCHAI_JOB_TEMP_DIR/../kept", "HOME/kept").replace("HOME", &home),
    );
    std::fs::create_dir_all(lab.home().join("data")).unwrap();
    lab.ok("job create -c pool -n slow -f job.json --priority low");
    let stream = std::thread::scope(|scope| {
        let stream = scope.spawn(|| lab.run("job file stream -j slow -d MODEL -p sub -f late.log"));
        lab.until("job show slow -o json", |ran| json(ran)["executionState"] == "running");
        std::fs::write(lab.home().join("go"), "").unwrap();
        stream.join().unwrap()
    });
    assert_eq!((stream.stdout.as_str(), stream.code), ("line 1\nline 2\nline 3\n", 0), "{}", stream.shown());
}

#[test]
fn files_come_and_go_as_they_are() {
    let lab = Lab::new();
    let command = "mkdir -p $AZ_BATCHAI_OUTPUT_MODEL/step; echo 12345 >$AZ_BATCHAI_OUTPUT_MODEL/model.bin; \
                   echo x >$AZ_BATCHAI_OUTPUT_MODEL/step/one; ln -s /etc/passwd $AZ_BATCHAI_OUTPUT_MODEL/link";
    job(&lab, "done", command);
    let read = |name: &str| std::fs::read_to_string(lab.home().join(name)).unwrap_or_default();
    let ran = lab.run("job file get -j done -d MODEL -p model.bin --to got/deep");
    assert_eq!((ran.code, read("got/deep/model.bin").as_str()), (0, "12345\n"), "{}", ran.shown());
    assert!(ran.stderr.contains("1 file, 6 B"), "{}", ran.shown());
    let ran = lab.run("job file get -j done -d MODEL --to got");
    assert_eq!((ran.code, read("got/MODEL/step/one").as_str()), (4, "x\n"), "{}", ran.shown());
    assert!(ran.stderr.contains("left out `link`: it is a symbolic link"), "{}", ran.shown());
    // What is there and differs stays; --force replaces it.
    lab.file("model.bin", "mine");
    let ran = lab.run("job file get -j done -d MODEL -p model.bin");
    assert_eq!((ran.code, read("model.bin").as_str()), (1, "mine"), "{}", ran.shown());
    assert!(
        ran.stderr.contains("`model.bin` is there already and differs") && ran.stderr.contains("--force"),
        "{}",
        ran.shown()
    );
    lab.ok("job file get -j done -d MODEL -p model.bin --force");
    assert_eq!(read("model.bin"), "12345\n");
    // The other way.
    std::fs::create_dir_all(lab.home().join("code/lib")).unwrap();
    lab.file("code/train.sh", "echo trained");
    lab.file("code/lib/util.sh", "true");
    assert!(lab.run("job file put -j done -d temp code --dry-run").stderr.contains("would put"));
    assert_eq!(lab.run("job file put -j done -d temp code --readonly").code, 1);
    let ran = lab.run("job file put -j done -d temp -p up/load code model.bin");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    let list = lab.ok("job file list -j done -d temp -p up/load -o name");
    assert_eq!(list, "code\nmodel.bin\n");
    assert_eq!(lab.ok("job file list -j done -d temp -p up/load/code/lib -o name"), "util.sh\n");
    for (line, words) in [
        ("job file get -j done -d MODEL -p none", "there is no file `none` on the node"),
        ("job file get -j done -d MODEL -p link", "`link` is not a regular file"),
        ("job file get -j done -d MODEL -p ../x", "it leads out of the directory"),
        ("job file put -j done code", "nothing can be put among the logs"),
        ("job file put -j done -d temp none.txt", "No such file"),
        ("job file put -j done -d temp /dev/null", "neither a file nor a directory"),
        ("job file get -j done -d MODEL -p model.bin --to model.bin", "cannot make the directory"),
    ] {
        let ran = lab.run(line);
        assert_eq!(ran.code, 1, "{}", ran.shown());
        assert!(ran.stderr.contains(words), "{line}: {}", ran.shown());
    }
    // A core in this process does the same.
    lab.ok("serve --stop");
    lab.ok("--embedded job file get -j done -d MODEL -p step --to embedded");
    assert_eq!(read("embedded/step/one"), "x\n");
}

#[test]
fn a_command_on_a_node_is_heard_as_it_speaks() {
    use std::io::{BufRead, BufReader, Write};
    let lab = Lab::new();
    let go = lab.home().join("go").display().to_string();
    let line = format!("echo first; echo to-err >&2; while [ ! -e {go} ]; do sleep 0.1; done; printf last; exit 7");
    let mut command = lab.0.command(&["cluster", "node", "exec", "local-1", "--", &line]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    out.read_line(&mut said).unwrap();
    assert_eq!(said, "first\n");
    std::fs::File::create(&go).unwrap().flush().unwrap();
    std::io::Read::read_to_string(&mut out, &mut said).unwrap();
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut errors).unwrap();
    assert_eq!((said.as_str(), errors.as_str(), child.wait().unwrap().code()), ("first\nlast", "to-err\n", Some(7)));
    // More than any buffer holds, to a reader that is slow to begin.
    let ran = lab
        .run("cluster node exec local-1 -- 'i=0; while [ $i -lt 40000 ]; do echo line $i of many lines; i=$((i+1)); done'");
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 40_000));
    assert!(ran.stdout.ends_with("line 39999 of many lines\n"));
    // Whoever goes away ends it.
    let mark = lab.home().join("mark").display().to_string();
    let line = format!("trap '' PIPE; trap 'echo ended >{mark}; exit' HUP; echo up; while :; do sleep 0.1; done");
    let mut child = lab
        .0
        .command(&["cluster", "node", "exec", "local-1", "--", &line])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    lab.until("cluster show -o json", |_| std::fs::read_to_string(&mark).is_ok_and(|text| text == "ended\n"));
}

#[test]
fn nodes_of_a_job_are_reached_and_their_ports() {
    use std::io::{BufRead, BufReader, Read, Write};
    let lab = Lab::new();
    job(&lab, "done", "echo hi");
    let list = json(&lab.run("job node list -j done -o json"));
    assert_eq!((list.as_array().map(Vec::len), &list[0]["name"]), (Some(1), &serde_json::json!("local-1")));
    let ran = lab.run("job node exec -j done -- 'echo out; exit 5'");
    assert_eq!((ran.stdout.as_str(), ran.code), ("out\n", 5), "{}", ran.shown());
    let ran = lab.run("job node exec -j done -n local-9 -- true");
    assert!(ran.code == 1 && ran.stderr.contains("has no node `local-9`"), "{}", ran.shown());
    for wrong in ["80:80", "x:h:1", "1:-oProxyCommand=x:1"] {
        let ran = lab.run(&format!("cluster node forward local-1 -- {wrong}"));
        assert!(ran.code == 2 && ran.stderr.contains("is not LOCAL:HOST:PORT"), "{}", ran.shown());
    }
    // Two ports at once to something that answers by its name.
    let servers: Vec<std::net::TcpListener> = (0..2).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<String> = servers.iter().map(|s| format!("0:127.0.0.1:{}", s.local_addr().unwrap().port())).collect();
    for (name, server) in ["first", "second"].into_iter().zip(servers) {
        std::thread::spawn(move || {
            for mut stream in server.incoming().flatten() {
                let mut asked = [0; 4];
                stream.read_exact(&mut asked).unwrap();
                stream.write_all(name.as_bytes()).unwrap();
            }
        });
    }
    let mut command = lab.0.command(&["job", "node", "forward", "-j", "done", &ports[0], &ports[1]]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    for name in ["first", "second"] {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.split_whitespace().next().unwrap();
        for _ in 0..2 {
            let mut stream = std::net::TcpStream::connect(address).unwrap_or_else(|e| panic!("{line}: {e}"));
            stream.write_all(b"name").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, name);
        }
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Makes a cluster of this machine with a set-up task.
fn set_up(lab: &Lab, name: &str, nodes: u32, task: serde_json::Value) {
    let body = serde_json::json!({"properties": {
        "provider": "local",
        "scaleSettings": {"manual": {"targetNodeCount": nodes}},
        "nodeSetup": {"setupTask": task},
    }});
    lab.file("cluster.json", body.to_string());
    lab.ok(&format!("cluster create {name} -f cluster.json"));
}

/// A user whose set-up tasks run whoever runs the tests: `sudo` does nothing but run its command.
fn with_sudo() -> Lab {
    use std::os::unix::fs::PermissionsExt;
    let user = crate::rig::User::new();
    let bin = user.home().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let sudo = user.file("bin/sudo", "#!/bin/sh\n[ \"$1\" = -n ] && shift\nexec \"$@\"\n");
    std::fs::set_permissions(sudo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let lab = Lab(user.with("PATH", &path));
    lab.ok("workspace create lab");
    lab.ok("experiment create first");
    lab
}

#[test]
fn logs_of_a_set_up_task_are_listed_and_followed() {
    use std::io::{BufRead, BufReader, Read};
    let lab = with_sudo();
    let home = lab.home().display().to_string();
    let line = "echo hello $WHO; echo trouble >&2; mkdir -p $AZ_BATCHAI_STDOUTERR_DIR/sub; echo more >$AZ_BATCHAI_STDOUTERR_DIR/sub/more.txt";
    let task = serde_json::json!({
        "commandLine": line,
        "stdOutErrPathPrefix": format!("{home}/kept"),
        "environmentVariables": [{"name": "WHO", "value": "you"}],
    });
    set_up(&lab, "pool", 2, task);
    lab.until("cluster show -c pool -o json", |ran| json(ran)["nodeStateCounts"]["idleNodeCount"] == 2);
    // Both nodes write to one place: each file is there once, named after its node.
    let list = lab.ok("cluster file list -c pool -o name");
    assert_eq!(list, "stderr-local-1.txt\nstderr-local-2.txt\nstdout-local-1.txt\nstdout-local-2.txt\nsub\n");
    assert_eq!(lab.ok("cluster file list -c pool -p sub --expiry 60 -o name"), "more.txt\n");
    let files = json(&lab.run("cluster file list -c pool -n local-2 -o json"));
    let file = files.as_array().unwrap().iter().find(|file| file["name"] == "stdout-local-2.txt").unwrap();
    assert_eq!((&file["fileType"], &file["properties"]["contentLength"]), (&"file".into(), &10.into()), "{file}");
    let line = file["downloadCommand"].as_str().unwrap().strip_prefix("ostler ").unwrap();
    assert_eq!(lab.ok(line), "hello you\n");
    assert_eq!(lab.ok("cluster file stream -c pool -f stderr-local-1.txt"), "trouble\n");
    let shown = json(&lab.run("cluster show -c pool -o json"));
    let suffix = shown["nodeSetup"]["setupTask"]["stdOutErrPathSuffix"].as_str().unwrap();
    assert!(suffix.contains("/workspaces/lab/clusters/pool/"), "{suffix}");
    let text = std::fs::read_to_string(lab.home().join("kept").join(suffix).join("stdout-local-1.txt"));
    assert_eq!(text.unwrap(), "hello you\n", "prefix and suffix are where it lies");
    for (line, words) in [
        ("cluster file list -c pool -n local-9", "it has local-1, local-2"),
        ("cluster file list -c pool -p ../up", "it leads out of the directory"),
        ("cluster file list -c pool -p none", "list it without a path"),
        ("cluster file stream -c pool -n local-1 -f none.txt", "there is no file `none.txt`"),
        ("cluster file stream -c pool -f none.txt", "say which node with --node"),
    ] {
        let ran = lab.run(line);
        assert!(ran.code != 0 && ran.stderr.contains(words), "{line}: {}", ran.shown());
    }
    // In the node's own spool, while it runs, and of one that fails.
    let line = format!("echo begin; while [ ! -e {home}/go ]; do sleep 0.1; done; echo end; exit 3");
    set_up(&lab, "slow", 1, serde_json::json!({"commandLine": line}));
    let listed = lab.until("cluster file list -c slow -o name", |ran| ran.stdout.contains("stdout-"));
    let name = listed.stdout.lines().find(|name| name.starts_with("stdout-")).unwrap();
    let mut command = lab.0.command(&["cluster", "file", "stream", "-c", "slow", "-f", name]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    out.read_line(&mut said).unwrap();
    assert_eq!(said, "begin\n");
    std::fs::write(lab.home().join("go"), "").unwrap();
    out.read_to_string(&mut said).unwrap();
    assert_eq!((said.as_str(), child.wait().unwrap().code()), ("begin\nend\n", Some(0)));
    lab.until("cluster show -c slow -o json", |ran| json(ran)["nodeStateCounts"]["unusableNodeCount"] == 1);
    assert_eq!(lab.ok(&format!("cluster file stream -c slow -f {name}")), "begin\nend\n");
    // Published: nothing, where there is no set-up task.
    lab.ok("cluster create plain --provider local --target 1");
    let ran = lab.run("cluster file list -c plain -o json");
    assert_eq!((ran.code, json(&ran)), (0, serde_json::json!([])), "{}", ran.shown());
    assert!(ran.stderr.contains("has no set-up task"), "{}", ran.shown());
}

#[test]
fn a_command_goes_to_the_first_node_and_may_have_ports() {
    use std::io::{BufRead, BufReader, Read, Write};
    let lab = Lab::new();
    let ran = lab.run("cluster node exec -- 'echo out; exit 5'");
    assert_eq!((ran.stdout.as_str(), ran.code), ("out\n", 5), "{}", ran.shown());
    // As `az batchai` has it.
    let ran = lab.run("cluster node exec --exec 'echo out; exit 5' -n local-1");
    assert_eq!((ran.stdout.as_str(), ran.code), ("out\n", 5), "{}", ran.shown());
    let ran = lab.run("cluster node exec --exec 'echo out' -n nowhere");
    assert!(ran.code == 1 && ran.stderr.contains("nowhere"), "{}", ran.shown());
    for (line, said) in [
        ("", "required arguments were not provided"),
        ("--exec a -- b", "cannot be used with"),
        ("local-1 -n local-1 --exec a", "cannot be used"),
    ] {
        let ran = lab.run(&format!("cluster node exec {line}"));
        assert!(ran.code == 2 && ran.stderr.contains(said), "{}", ran.shown());
    }
    let ran = lab.run("cluster node exec --dry-run -L 0:localhost:80 -- true");
    assert!(ran.code == 0 && ran.stderr.contains("would run a command on local-1"), "{}", ran.shown());
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("0:127.0.0.1:{}", server.local_addr().unwrap().port());
    std::thread::spawn(move || server.accept().unwrap().0.write_all(b"answer").unwrap());
    let go = lab.home().join("go");
    let line = format!("while [ ! -e {} ]; do sleep 0.1; done; exit 6", go.display());
    let mut command = lab.0.command(&["cluster", "node", "exec", "-L", &port, "--", &line]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut notes = BufReader::new(child.stderr.take().unwrap());
    notes.read_line(&mut said).unwrap();
    let address = said.split_whitespace().next().unwrap().to_owned();
    let mut answer = String::new();
    std::net::TcpStream::connect(&address).unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
    std::fs::write(&go, "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    assert!(std::net::TcpStream::connect(&address).is_err(), "closed with the command");
}
