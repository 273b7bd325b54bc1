//! Files from the web: an address on the loopback stands for it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::rig::User;

/// Answers by path, each connection once, until the process ends.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    let base = address.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(&stream).lines();
            let path = match lines.next() {
                Some(Ok(line)) => line.split(' ').nth(1).unwrap_or("/").to_owned(),
                Some(Err(_)) | None => continue,
            };
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let answer = match path.as_str() {
                "/bad.yaml?token=1" => ok("nodeCount: many\ncustomToolkitSettings: {commandLine: x}\n"),
                "/large.json" => ok(&" ".repeat((1 << 20) + 1)),
                "/away" => redirect("http://example.invalid/x.json"),
                "/file" => redirect("file:///etc/passwd"),
                "/round" => redirect(&format!("{base}/round")),
                "/there" => redirect(&format!("{base}/bad.yaml?token=1")),
                _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
            };
            // A client that has read enough goes away.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

#[test]
fn files_from_an_address() {
    let user = User::new().with("NO_PROXY", "*");
    let base = server();
    for (path, code, expected) in [
        ("/bad.yaml?token=1", 1, "bad.yaml?token=1:1:12: nodeCount: wants a whole number, got the text `many`"),
        ("/there", 1, "nodeCount: wants a whole number"),
        ("/large.json", 1, "is too large: the limit is 1048576 bytes"),
        ("/missing.json", 1, "404 Not Found"),
        ("/away", 3, "is not encrypted"),
        ("/file", 1, "302 Found"),
        ("/round", 3, "points elsewhere too often"),
    ] {
        let ran = user.run(&format!("job create -f '{base}{path}'"));
        assert_eq!(ran.code, code, "{}", ran.shown());
        assert!(ran.stderr.contains(expected), "{}", ran.shown());
    }
}

#[test]
fn addresses_that_are_refused() {
    let user = User::new();
    for (address, expected) in [
        ("http://example.invalid/x.json", "is not encrypted"),
        ("ftp://example.invalid/x.json", "`ftp` addresses are not supported"),
        ("https://u:secret@example.invalid/x.json", "user or password"),
    ] {
        let ran = user.run(&format!("job create -f {address}"));
        assert_eq!(ran.code, 2, "{}", ran.shown());
        assert!(ran.stderr.contains(expected) && !ran.stderr.contains("secret"), "{}", ran.shown());
    }
}
