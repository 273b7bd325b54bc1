//! Ports of a node at this machine, and a shell there. Both use the system's ssh over the connection that the core holds; a node
//! that is this machine is reached without.

use std::process::Stdio;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::failure::Failure;
use super::output::clean;
use super::session::{Core, Session, unexpected};
use crate::model::fault::Fault;
use crate::model::request::{NodeAct, NodeRef, NodeWay, Reply, Request};

/// One port to forward: `LOCAL:HOST:PORT`, as `az batchai` and ssh have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    local: u16,
    host: String,
    port: u16,
}

impl std::str::FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is not LOCAL:HOST:PORT, as 8888:localhost:8888; LOCAL 0 takes any free port", clean(text));
        let (local, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if bare.is_empty() || bare.starts_with('-') || !bare.chars().all(fits) || (bare == host && host.contains(':')) {
            return Err(wrong());
        }
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if port == 0 {
            return Err(wrong());
        }
        Ok(Self { local: local.parse().map_err(|_| wrong())?, host: host.to_owned(), port })
    }
}

impl Forward {
    /// Returns the same as a neighbour of the node sees it: this node is `node` there.
    pub fn of_node(&self, node: &str) -> Self {
        let itself = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]");
        Self { host: if itself { node.to_owned() } else { self.host.clone() }, ..self.clone() }
    }
}

/// Asks how a node is reached.
///
/// # Errors
/// As for every command.
pub async fn way(core: &Core, node: NodeRef) -> Result<NodeWay, Failure> {
    match core.ask(Request::NodeWay { node, sign_in: false }).await? {
        Reply::Way(way) => Ok(way),
        other => Err(unexpected(&other)),
    }
}

/// Listens on this machine alone and says where; the connections end when what is returned is dropped.
///
/// # Errors
/// A port cannot be had.
pub async fn open(session: &Session, way: &NodeWay, forwards: &[Forward]) -> Result<JoinSet<()>, Failure> {
    let mut listening = JoinSet::new();
    for forward in forwards {
        let failed = |e: &std::io::Error| Fault::user(format!("cannot listen on port {}", forward.local)).because(e);
        let listener = TcpListener::bind(("127.0.0.1", forward.local)).await.map_err(|e| failed(&e))?;
        let at = listener.local_addr().map_err(|e| failed(&e))?;
        session.out.note(&format!("{at} is {}:{} of the node", forward.host, forward.port));
        let (way, target) = (way.clone(), forward.clone());
        listening.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while open.try_join_next().is_some() {}
                open.spawn(carry(stream, way.clone(), target.clone()));
            }
        });
    }
    Ok(listening)
}

/// Carries one connection; an end that cannot be reached is a connection that closes.
async fn carry(mut here: TcpStream, way: NodeWay, target: Forward) {
    let Some(host) = &way.host else {
        if let Ok(mut there) = TcpStream::connect((target.host.trim_matches(['[', ']']), target.port)).await {
            let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
        }
        return;
    };
    let mut command = Command::new("ssh");
    command.args(&way.options).arg("-W").arg(format!("{}:{}", target.host, target.port)).arg("--").arg(host);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(mut child) = command.spawn() else { return };
    if let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) {
        let mut there = tokio::io::join(from, to);
        let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
    }
}

/// Forwards ports until this command is interrupted.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, core: &Core, node: NodeRef, forwards: &[Forward]) -> Result<i32, Failure> {
    let way = way(core, node).await?;
    let mut listening = open(session, &way, forwards).await?;
    while listening.join_next().await.is_some() {}
    Err(Fault::internal("the ports are closed").into())
}

/// Runs a command on a node, and forwards ports as long as it runs.
///
/// # Errors
/// As for every command.
pub async fn around(
    session: &Session,
    core: &Core,
    node: NodeRef,
    shown: &str,
    forwards: &[Forward],
    command: String,
) -> Result<i32, Failure> {
    // Nothing is opened for what is only shown; then the command says what it would do.
    let mut listening = None;
    if !forwards.is_empty() && core.may(&format!("forward ports of {shown}"))? {
        listening = Some(open(session, &way(core, node.clone()).await?, forwards).await?);
    }
    let ran = super::exec::run(session, core, node, shown, command).await;
    drop(listening);
    ran
}

/// Opens a shell on a node, and ends with its code.
///
/// # Errors
/// As for every command.
pub async fn shell(core: &Core, node: NodeRef, shown: &str) -> Result<i32, Failure> {
    terminal(core, node, shown, None).await
}

/// Lets a person answer what ssh asks for a node, and has the core go on with the connection.
///
/// # Errors
/// As for every command; ssh was not let in.
pub async fn sign_in(session: &Session, core: &Core, node: NodeRef, shown: &str) -> Result<i32, Failure> {
    if !core.may(&format!("sign in at {shown}"))? {
        return Ok(0);
    }
    let way = match core.ask(Request::NodeWay { node: node.clone(), sign_in: true }).await? {
        Reply::Way(way) => way,
        other => return Err(unexpected(&other)),
    };
    let Some(host) = &way.host else {
        session.out.note(&format!("{shown} is this machine"));
        return Ok(0);
    };
    if !way.options.is_empty() {
        let status = Command::new("ssh").args(&way.options).arg("--").arg(host).status().await;
        let status = status.map_err(|e| Fault::config("cannot start ssh").because(&e))?;
        if !status.success() {
            return Err(Fault::remote(format!("ssh was not let in at {host}")).into());
        }
    }
    core.ask(Request::Node { node, act: NodeAct::Prepare }).await?;
    session.out.note(&format!("signed in at {host}"));
    Ok(0)
}

/// Opens a shell on a node, or runs a line there at this terminal, and ends with its code.
///
/// # Errors
/// As for every command.
pub async fn terminal(core: &Core, node: NodeRef, shown: &str, line: Option<&str>) -> Result<i32, Failure> {
    if !core.may(&format!("open a shell on {shown}"))? {
        return Ok(0);
    }
    let way = way(core, node).await?;
    let mut command = match &way.host {
        Some(host) => {
            let mut ssh = Command::new("ssh");
            ssh.args(&way.options).args(["-t", "--"]).arg(host);
            if let Some(line) = line {
                // The login shell may be any: this line is for one of POSIX.
                let quoted = shlex::try_quote(line).map_err(|e| Fault::internal("a line for ssh").because(&e))?;
                ssh.arg(format!("exec /bin/sh -c {quoted}"));
            }
            ssh
        }
        None => {
            let mut shell = Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()));
            if let Some(line) = line {
                shell.args(["-c", line]);
            }
            shell
        }
    };
    let status = command.status().await.map_err(|e| Fault::config("cannot start the shell").because(&e))?;
    Ok(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        let read = |text: &str| text.parse::<Forward>();
        assert_eq!(read("8888:localhost:80").unwrap(), Forward { local: 8888, host: "localhost".into(), port: 80 });
        assert_eq!(read("0:[::1]:80").unwrap().host, "[::1]");
        for wrong in
            ["", "80", "80:80", "x:host:80", "80:host:0", "80:host:70000", "80:-o:1", "80:a b:1", "80:::1:1", "80::1"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
