// SPDX-License-Identifier: MIT OR Apache-2.0
//! Servers on Unix sockets: who may connect, and what becomes of the file.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Barrier, mpsc};
use std::thread;

use common::{Client, Folder, LIMIT, Owner, route, status, text, wait_for};
use moonport_http::{Config, Routes, Server};

fn config(path: &Path) -> Config {
    Config { address: format!("unix:{}", path.display()), ..Config::default() }
}

fn connect(path: &Path) -> Client<UnixStream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Client(stream)
}

fn refusal(owner: &Owner, path: &Path) -> (&'static str, String) {
    let error = owner.try_start(config(path), Routes::default()).unwrap_err();
    (error.name(), error.to_string())
}

fn stop(server: &Server) {
    let (give, take) = mpsc::channel();
    server.begin_stop(Box::new(move || give.send(()).unwrap()));
    take.recv_timeout(LIMIT).unwrap();
}

#[test]
fn requests_come_through_a_file_that_is_gone_afterwards() {
    let folder = Folder::new("unix-life");
    let path = folder.0.join("socket");
    let mut owner = Owner::new();
    let server = owner.start(config(&path), route("/"));
    assert_eq!(server.url(), format!("unix:{}", path.display()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.link("/").unwrap_err().to_string().contains("Unix socket"));

    let mut client = connect(&path);
    client.get("/", "");
    let request = owner.take();
    assert_eq!(&*request.peer, "unix");
    request.reply.send(text("answer")).unwrap();
    assert_eq!(client.answer().1, b"answer");
    stop(&server);
    assert!(!path.exists());
    assert!(client.is_closed());

    // Again, and by aborting.
    let server = owner.start(config(&path), route("/"));
    drop(connect(&path));
    server.abort();
    assert!(!path.exists());
}

#[test]
fn the_rules_are_those_of_tcp() {
    let folder = Folder::new("unix-rules");
    let path = folder.0.join("socket");
    let token = "t".repeat(32);
    let mut owner = Owner::new();
    let config = Config { token: Some(token.clone()), ..config(&path) };
    let _server = owner.start(config, route("/"));
    let ask = |headers: &str| {
        let mut client = connect(&path);
        client.send(&format!("GET / HTTP/1.1\r\n{headers}\r\n"));
        client.answer().0
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (headers, expected) in [
        (bearer.clone(), 400),
        (format!("Host: evil.org\r\n{bearer}"), 403),
        (format!("Host: localhost\r\nOrigin: null\r\n{bearer}"), 403),
        (format!("Host: localhost\r\nOrigin: http://evil.org\r\n{bearer}"), 403),
        (format!("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n{bearer}"), 403),
        ("Host: localhost\r\n".to_owned(), 401),
    ] {
        assert_eq!(status(&ask(&headers)), expected, "{headers}");
    }
    assert!(owner.has_nothing());
    // A proxy in front passes the page's Host and Origin on.
    let mut client = connect(&path);
    client.get("/", &format!("Origin: http://localhost\r\n{bearer}"));
    owner.take().reply.send(text("own")).unwrap();
    assert_eq!(client.status(), 200);
}

#[test]
fn only_the_file_of_a_dead_server_is_replaced() {
    let folder = Folder::new("unix-stale");
    let path = folder.0.join("socket");
    let mut owner = Owner::new();

    // The file of a listener outlives it.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let first = owner.start(config(&path), route("/"));
    let (name, message) = refusal(&owner, &path);
    assert_eq!(name, "address_in_use");
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    let mut client = connect(&path);
    client.get("/", "");
    owner.take().reply.send(text("the first")).unwrap();
    assert_eq!(client.answer().1, b"the first");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);

    // Another program's socket has taken the place: it stays.
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    stop(&first);
    assert!(path.exists());
    drop(other);
}

#[test]
fn other_files_and_bad_paths_are_refused() {
    let folder = Folder::new("unix-bad");
    let owner = Owner::new();
    let file = folder.0.join("file");
    fs::write(&file, "precious").unwrap();
    let (name, message) = refusal(&owner, &file);
    assert_eq!((name, message.contains("not a socket")), ("exists", true), "{message}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert_eq!(refusal(&owner, &folder.0).0, "exists");
    let link = folder.0.join("link");
    drop(UnixListener::bind(folder.0.join("socket")).unwrap());
    std::os::unix::fs::symlink("socket", &link).unwrap();
    assert_eq!(refusal(&owner, &link).0, "exists");

    let (name, message) = refusal(&owner, &folder.0.join("x".repeat(120)));
    assert_eq!((name, message.contains("too long")), ("invalid", true), "{message}");
    assert_eq!(refusal(&owner, Path::new("")).0, "invalid");
    assert_eq!(refusal(&owner, Path::new("/tmp/a\0b")).0, "invalid");
    assert_eq!(refusal(&owner, &folder.0.join("no/socket")).0, "ENOENT");
}

#[test]
fn a_forked_child_removes_nothing() {
    let folder = Folder::new("unix-fork");
    let path = folder.0.join("socket");
    let mut owner = Owner::new();
    let server = owner.start(config(&path), route("/"));
    // SAFETY: the child only drops the server, which needs no lock there, and leaves without running the harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        server.begin_stop(Box::new(|| {}));
        drop(server);
        // SAFETY: it ends the child and nothing else.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    wait_for("the child's end", || {
        // SAFETY: `status` lives until after the call.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        ended == child
    });
    assert_eq!(status, 0);
    let mut client = connect(&path);
    client.get("/", "");
    owner.take().reply.send(text("still here")).unwrap();
    assert_eq!(client.answer().1, b"still here");
    server.abort();
    assert!(!path.exists());
}

/// Servers that find the file of a dead one at the same time: one of them gets the place, and whoever connects reaches it.
#[test]
fn of_servers_that_race_for_a_stale_file_one_wins() {
    const RACERS: usize = 4;
    let folder = Folder::new("unix-race");
    let path = folder.0.join("socket");
    let mut owner = Owner::new();
    for round in 0..200 {
        if round % 2 == 0 {
            drop(UnixListener::bind(&path).unwrap());
        }
        let barrier = Barrier::new(RACERS);
        let sender = owner.sender();
        let race = || {
            barrier.wait();
            Server::start(config(&path), route("/"), sender)
        };
        let results: Vec<_> = thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS).map(|_| scope.spawn(race)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let mut winners = Vec::new();
        for started in results {
            match started {
                Ok(server) => winners.push(server),
                Err(error) => assert_eq!(error.name(), "address_in_use", "round {round}: {error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let mut client = connect(&path);
        client.get("/", "");
        owner.take().reply.send(text("the winner")).unwrap();
        assert_eq!(client.answer().1, b"the winner");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "round {round}: files beside the socket");
        stop(&winners[0]);
        assert!(!path.exists(), "round {round}");
    }
}
