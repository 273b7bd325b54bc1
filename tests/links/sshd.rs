//! A real sshd on the loopback, as the current user, with keys that are thrown away.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";
/// The address: not the one that others take by default.
pub const ADDRESS: &str = "127.0.0.9";

/// A host that `ssh lab` reaches with [`Host::config`].
pub struct Host {
    pub dir: TempDir,
    pub port: u16,
    sshd: Child,
}

impl Host {
    /// Starts a host with further lines for its `sshd_config`; `None`, with a line that says so, where there is no sshd.
    pub fn start(sshd_config: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("skipped: no {SSHD} here");
            return None;
        }
        if rustix::process::getuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let dir = TempDir::with_prefix("ostler-sshd-").unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for key in ["host", "other-host", "user", "other-user"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", &at(key)]).status();
            assert!(made.unwrap().success());
        }
        fs::copy(at("user.pub"), at("authorized_keys")).unwrap();
        let port = TcpListener::bind((ADDRESS, 0)).unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress {ADDRESS}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n{sshd_config}\n",
            at("host"),
            at("authorized_keys"),
        );
        fs::write(at("sshd_config"), config).unwrap();
        let sshd = Command::new(SSHD).args(["-D", "-e", "-f", &at("sshd_config")]).stderr(Stdio::piped()).spawn();
        let mut host = Self { sshd: sshd.unwrap(), port, dir };
        host.wait_until_it_listens();
        host.knows("known_hosts", "host");
        host.write_config("ssh_config", "");
        Some(host)
    }

    fn wait_until_it_listens(&mut self) {
        let mut words = BufReader::new(self.sshd.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("Server listening") {
            line.clear();
            assert_ne!(words.read_line(&mut line).unwrap(), 0, "sshd ended");
        }
        std::thread::spawn(move || std::io::copy(&mut words, &mut std::io::sink()));
    }

    /// Writes a file of known hosts that has one of the keys for this host.
    pub fn knows(&self, file: &str, key: &str) {
        let key = fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        fs::write(self.path(file), format!("# ours\n[{ADDRESS}]:{} {key}", self.port)).unwrap();
    }

    /// Writes a client's configuration: `further` comes first, so it counts.
    pub fn write_config(&self, file: &str, further: &str) -> PathBuf {
        let dir = self.dir.path().display();
        let config = format!(
            "Host lab\n{further}\n HostName {ADDRESS}\n Port {}\n IdentityFile {dir}/user\n IdentitiesOnly yes\n IdentityAgent none\n \
             UserKnownHostsFile {dir}/known_hosts\n GlobalKnownHostsFile /dev/null\n",
            self.port
        );
        fs::write(self.path(file), config).unwrap();
        self.path(file)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the process that listens.
    pub fn listener(&self) -> Pid {
        Pid::from_child(&self.sshd)
    }

    /// Ends the listener and every process of its connections, at once.
    pub fn kill_all(&mut self) {
        let mut pids = vec![self.listener()];
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            pids.extend(children(*pid));
            next += 1;
        }
        // The programs that were started go with their channels; only sshd is ours to end.
        for pid in pids.into_iter().filter(|pid| is_sshd(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.sshd.wait();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill_all();
    }
}

fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?)).collect()
}

fn is_sshd(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).is_ok_and(|comm| comm.starts_with("sshd"))
}
