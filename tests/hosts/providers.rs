//! Machines of a cloud, through the recipe that is shipped and the cloud's real command line, against an emulator; and hosts of
//! a lab that a program and an interface over http sell as machines.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, until};
use crate::ostler::Ostler;

/// The command line of the cloud takes a second for a call, and a machine needs half a dozen.
const SOON: Duration = Duration::from_secs(120);

/// How long it takes until a machine is given back that nothing uses for five seconds.
const AWAY: Duration = Duration::from_secs(20);

struct Emulator {
    server: Child,
    url: String,
    bin: PathBuf,
    dir: tempfile::TempDir,
}

impl Emulator {
    /// Starts it from where `tests/run` installed it, or from the PATH.
    fn start() -> Self {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/frameworks/aws/bin");
        let found = |dir: &PathBuf| dir.join("moto_server").exists() && dir.join("aws").exists();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let bin = std::iter::once(installed).chain(std::env::split_paths(&path)).find(found);
        let bin = bin.expect("moto_server and aws: tests/run installs them");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new(bin.join("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let emulator = Self { server, url: format!("http://127.0.0.1:{port}"), bin, dir: tempfile::tempdir().unwrap() };
        until("the emulator answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        emulator
    }

    fn with<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.bin.clone()).chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(all).unwrap())
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("HOME", self.dir.path())
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .env_remove("XDG_STATE_HOME")
            .env("PRICE", "0.526")
            .env("NO_PROXY", "*")
    }

    fn aws(&self, line: &str) -> Value {
        let mut command = Command::new(self.bin.join("aws"));
        let out = self.with(command.args(line.split_whitespace()).args(["--output", "json"])).output().unwrap();
        assert!(out.status.success(), "aws {line}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap_or(Value::Null)
    }

    fn ostler(&self, args: &[&str]) -> String {
        let dir = self.dir.path();
        // Where the addresses of the emulator lead nobody goes.
        std::fs::write(dir.join("ssh_config"), "Host *\n  ProxyCommand false\n").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command.arg("-F").arg(dir.join("ssh_config")).arg("--state-dir").arg(dir.join("state")).args(args);
        let out = self.with(&mut command).output().unwrap();
        assert!(out.status.success(), "ostler {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn machines(&self) -> Vec<Value> {
        let all = self.aws("ec2 describe-instances --filters Name=instance-state-name,Values=pending,running");
        let of = |reservation: &Value| reservation["Instances"].as_array().cloned().unwrap_or_default();
        all["Reservations"].as_array().into_iter().flatten().flat_map(of).collect()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let dir = self.dir.path().join("state");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        let _ = self.with(command.arg("--state-dir").arg(dir).args(["serve", "--stop"])).output();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
#[ignore = "needs moto and aws: tests/run"]
fn machines_of_an_auto_scaling_group() {
    let aws = Emulator::start();
    aws.aws("autoscaling create-launch-configuration --launch-configuration-name lc --image-id ami-12c6146b --instance-type t2.micro");
    aws.aws(
        "autoscaling create-auto-scaling-group --auto-scaling-group-name pool --launch-configuration-name lc \
         --min-size 0 --max-size 5 --desired-capacity 0 --availability-zones us-east-1a",
    );
    let recipe = format!("{}/assets/examples/providers/aws-asg.sh pool", env!("CARGO_MANIFEST_DIR"));
    aws.ostler(&["workspace", "create", "w"]);
    aws.ostler(&["cluster", "create", "c", "--hooks", &recipe, "--target", "2"]);
    let nodes = || -> Vec<Value> {
        let cluster: Value = serde_json::from_str(&aws.ostler(&["cluster", "show", "c", "-o", "json"])).unwrap();
        cluster["nodes"].as_array().cloned().unwrap_or_default()
    };
    let named = until("two machines are nodes", SOON, || {
        let nodes = nodes();
        let named = nodes.iter().filter(|node| node["name"].as_str().is_some_and(|name| name.starts_with("i-"))).count();
        (named == 2).then_some(nodes)
    });
    let machines = aws.machines();
    assert_eq!(machines.len(), 2, "as many are paid for as there are nodes: {machines:#?}");
    for machine in &machines {
        let tags = machine["Tags"].as_array().unwrap();
        let tagged = tags.iter().any(|tag| tag["Key"] == "ostler" && tag["Value"].as_str().unwrap().starts_with("ostler-"));
        assert!(tagged && named.iter().any(|node| node["name"] == machine["InstanceId"]), "{machine:#?} {named:#?}");
    }
    aws.ostler(&["cluster", "scale", "c", "0", "-y"]);
    until("all are given back", SOON, || (nodes().is_empty() && aws.machines().is_empty()).then_some(()));
}

/// A program that gives hosts of a lab as machines, and the same as an interface over http: what it has sold lies in a folder.
const SELLER: &str = r#"
import http.server, json, os, sys
folder, hosts = sys.argv[1], sys.argv[2].split(",")
def do(verb, ask):
    if verb == "acquire":
        for host in hosts:
            try:
                with open(os.path.join(folder, host), "x") as file:
                    file.write(ask["tag"])
            except FileExistsError:
                continue
            with open(folder + ".ledger", "a") as ledger:
                ledger.write(host + "\n")
            return {"machine": {"id": host, "host": host, "pricePerHour": 36}}
        raise SystemError("no machine is left")
    if verb == "release":
        os.remove(os.path.join(folder, ask["machine"]["id"]))
        return {}
    sold = [host for host in hosts if os.path.exists(os.path.join(folder, host))]
    return {"machines": [{"id": host, "host": host, "tag": open(os.path.join(folder, host)).read()} for host in sold]}
class Interface(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        ask = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = self.headers["Authorization"] == "Bearer t0ken" and self.headers["Idempotency-Key"]
        answer = json.dumps(do(self.path.rpartition("/")[2], ask) if right else {}).encode()
        self.send_response(200 if right else 401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_):
        pass
if sys.argv[3] == "serve":
    server = http.server.HTTPServer(("127.0.0.1", 0), Interface)
    print(server.server_port, flush=True)
    server.serve_forever()
print(json.dumps(do(sys.argv[3], json.load(sys.stdin))))
"#;

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn machines_of_a_program_and_of_an_interface_come_for_jobs_and_go_after_them() {
    let lab = Lab::up(4);
    let ostler = Ostler::new(&lab);
    let seller = lab.dir().join("seller.py");
    std::fs::write(&seller, SELLER).unwrap();
    std::fs::write(lab.dir().join("token"), "t0ken\n").unwrap();
    let folder = |name: &str| {
        let folder = lab.dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let (own, theirs) = (folder("own"), folder("theirs"));
    let mut serving = Command::new("python3")
        .args([&seller, &theirs])
        .args(["h3,h4", "serve"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut port = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(serving.stdout.take().unwrap()), &mut port).unwrap();
    let interface = format!("http://127.0.0.1:{}", port.trim());
    let hooks = format!("python3 {} {} h1,h2", seller.display(), own.display());
    let token = format!("cat {}", lab.dir().join("token").display());
    let common = ["--min", "0", "--max", "2", "--idle", "5s"];
    ostler.ok(&[&["cluster", "create", "bought", "--hooks", &hooks], &common[..]].concat());
    let api = ["cluster", "create", "lent", "--api", &interface, "--api-token-command", &token];
    ostler.ok(&[&api[..], &common[..]].concat());
    let sold = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    for (cluster, folder, hosts) in [("bought", &own, ["h1", "h2"]), ("lent", &theirs, ["h3", "h4"])] {
        assert_eq!(sold(folder), 0, "{cluster}: nothing is bought before there is work");
        for index in 0..4 {
            let name = format!("{cluster}-{index}");
            ostler.ok(&["job", "create", "-c", cluster, "--name", &name, "--", "hostname; sleep 1"]);
        }
        let ran: std::collections::BTreeSet<String> = (0..4)
            .map(|index| {
                let job = ostler.await_end(&format!("{cluster}-{index}"));
                assert_eq!(job["executionState"], "succeeded", "{job:#}");
                ostler.ok(&["job", "logs", job["name"].as_str().unwrap()]).trim().to_owned()
            })
            .collect();
        assert!(ran.iter().all(|host| hosts.contains(&host.as_str())), "{cluster}: {ran:?}");
        let empty = || (sold(folder) == 0).then_some(());
        // Also from under somebody who has just read its logs.
        until("what nothing uses goes", AWAY, empty);
        let ledger = std::fs::read_to_string(folder.with_extension("ledger")).unwrap();
        assert!(ledger.lines().count() <= 2, "{cluster}: no machine is bought twice: {ledger}");
        let shown = ostler.json(&["cluster", "show", cluster]);
        assert!(shown["cost"]["spent"].as_f64().unwrap() > 0.0, "the price is the seller's: {shown:#}");
    }
    let _ = serving.kill();
    let _ = serving.wait();
}
