//! The screen over ssh from far away: every byte takes a quarter of a second in each direction, more than round the world.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::place::Place;
use crate::pty::Terminal;
use crate::sshd::{ADDRESS, Host};

/// What a byte takes in one direction.
const WAY: Duration = Duration::from_millis(250);

/// Takes connections and gives them on to a port, later.
fn relay(port: u16) -> u16 {
    let listener = TcpListener::bind((ADDRESS, 0)).unwrap();
    let at = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect((ADDRESS, port)).unwrap();
            for (from, to) in [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())] {
                carry(from.unwrap(), to.unwrap());
            }
        }
    });
    at
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    to.set_nodelay(true).unwrap();
    let (put, got): (_, Receiver<(Instant, Vec<u8>)>) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            if put.send((Instant::now() + WAY, piece[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, piece) in got {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[test]
fn it_is_of_use_over_ssh_from_far_away() {
    let Some(host) = Host::start("") else { return };
    let place = Place::new();
    let port = relay(host.port);
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(host.path("ssh_config")).args(["-p", &port.to_string(), "-tt"]);
    ssh.arg("-o")
        .arg(format!("HostKeyAlias=[{ADDRESS}]:{}", host.port))
        .arg("lab")
        .arg(place.line(&["COLORTERM=truecolor"]));
    // Its ground is light, and says so half a second after it is asked.
    let mut terminal = Terminal::start(&mut ssh, (100, 30), Some("rgb:ffff/ffff/ffff"));
    let at = terminal.until("the screen", |screen| screen.contains("Workspaces") && screen.contains("1/1"));
    println!("signed in and drawn after {:?}", terminal.since_start(at));
    terminal.until_cells("a light ground", |screen| {
        let lights = (0..30).filter_map(|row| match screen.cell(row, 40)?.bgcolor() {
            vt100::Color::Rgb(red, green, blue) => Some(u32::from(red) + u32::from(green) + u32::from(blue)),
            _ => None,
        });
        lights.max().is_some_and(|light| light > 600)
    });
    // What the terminal said was taken for no key, and keys that are typed faster than one goes there and back come in order.
    assert!(!terminal.shown().contains("rgb:"), "{}", terminal.shown());
    terminal.press(":scale here 2");
    terminal.until("a line of the palette", |screen| screen.contains("scale here 2"));
    terminal.press("\x1b");
    terminal.until("no palette", |screen| !screen.contains("scale here 2"));
    terminal.press("/here");
    terminal.press("\r");
    terminal.until("a filter", |screen| screen.contains("here"));
    terminal.press("\x1b[B\x1b[B\x1b[B");
    terminal.press("+");
    terminal.until("a proposal", |screen| screen.contains("1 → 2"));
    terminal.press("\r");
    terminal.until("two nodes", |screen| screen.contains("2/2"));
    terminal.press("?");
    terminal.until("help", |screen| screen.contains("In the tree"));
    // While nothing changes, nothing is sent over the ocean.
    std::thread::sleep(WAY * 4);
    terminal.used();
    std::thread::sleep(Duration::from_secs(2));
    let (_, drawn) = terminal.used();
    assert!(drawn < 1_000, "{drawn} bytes for a picture that stays");
    terminal.end();
}
