// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server that has all the connections it may have: which of them makes place for one more, and which never does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Instant;

use common::{Client, LIMIT, Owner, header, status, text, wait_for};
use moonport_http::{Config, EventsOptions, Request, RouteOptions, Routes, Server, WebSocketOptions};

fn config(max_connections: usize) -> Config {
    Config { max_connections, ..Config::default() }
}

fn routes() -> Routes {
    let mut routes = Routes::default();
    routes.add("GET", "/", RouteOptions::default()).unwrap();
    routes.add("POST", "/", RouteOptions::default()).unwrap();
    routes
}

fn connect(server: &Server) -> Client<TcpStream> {
    let count = server.stats().connections;
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    wait_for("the connection", || server.stats().connections > count);
    Client(stream)
}

fn is_open(client: &Client<TcpStream>) -> bool {
    client.0.set_nonblocking(true).unwrap();
    let result = client.0.peek(&mut [0]);
    client.0.set_nonblocking(false).unwrap();
    match result {
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Tries until the server has place, and gives the connection with its request. Until then each try is answered 503.
fn admitted(server: &Server, owner: &mut Owner) -> (Client<TcpStream>, Request) {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Some(admitted) = try_once(server, owner) {
            return admitted;
        }
    }
    panic!("never admitted: {:?}", server.stats());
}

fn try_once(server: &Server, owner: &mut Owner) -> Option<(Client<TcpStream>, Request)> {
    let (full, forwarded) = (server.stats().full, server.stats().forwarded);
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut client = Client(stream);
    client.get("/", "");
    wait_for("an answer or the request", || server.stats().full > full || server.stats().forwarded > forwarded);
    if server.stats().full == full {
        return Some((client, owner.take()));
    }
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("1")));
    assert!(client.is_closed());
    None
}

#[test]
fn the_one_that_waits_longest_for_its_head_makes_place() {
    let mut owner = Owner::new();
    let server = owner.start(config(4), routes());
    let mut half = connect(&server);
    half.send("GET / HTTP/1.1\r\nHost:");
    let silent = [connect(&server), connect(&server)];
    let mut idle = connect(&server);
    idle.get("/nowhere", "");
    assert_eq!(idle.status(), 404);

    let (mut fifth, request) = admitted(&server, &mut owner);
    assert!(half.is_closed());
    assert!(is_open(&idle) && silent.iter().all(is_open));
    assert_eq!((server.stats().connections, server.stats().evicted), (4, 1));
    request.reply.send(text("served")).unwrap();
    assert_eq!(fifth.answer().1, b"served");

    // Those that have begun nothing come next, and an idle one only then.
    let (_sixth, _request) = admitted(&server, &mut owner);
    assert!(!is_open(&silent[0]) && is_open(&silent[1]) && is_open(&idle));
    let (_seventh, _request) = admitted(&server, &mut owner);
    assert!(!is_open(&silent[1]) && is_open(&idle));
    let (_eighth, _request) = admitted(&server, &mut owner);
    assert!(idle.is_closed());
    assert!(is_open(&fifth));
    assert_eq!((server.stats().connections, server.stats().evicted), (4, 4));
}

#[test]
fn those_at_work_stay() {
    let mut owner = Owner::new();
    let mut routes = routes();
    let _events = routes.add_events("/events", EventsOptions::default()).unwrap();
    let websocket = Some(WebSocketOptions::default());
    routes.add("GET", "/socket", RouteOptions { websocket, ..RouteOptions::default() }).unwrap();
    let server = owner.start(config(6), routes);

    let mut waiting = connect(&server);
    waiting.get("/", "");
    let request = owner.take();
    let mut unread = connect(&server);
    unread.get("/", "");
    let large = "x".repeat(32 << 20);
    owner.take().reply.send(text(&large)).unwrap();
    let mut page = connect(&server);
    page.get("/events", "");
    assert_eq!(status(&page.head()), 200);
    let mut socket = connect(&server);
    let key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    socket.get("/socket", key);
    assert_eq!(status(&socket.head()), 101);
    wait_for("what the owner hears of the socket", || !owner.has_nothing());
    let mut sending = connect(&server);
    sending.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx");
    wait_for("all of them", || server.stats().requests == 5 && server.stats().sockets == 1);
    let mut silent = connect(&server);

    // The silent one is the youngest: when it has to go, the others have been there for long enough.
    let (_seventh, _request) = admitted(&server, &mut owner);
    assert!(silent.is_closed());
    let full = server.stats().full;
    assert!(try_once(&server, &mut owner).is_none());
    assert_eq!((server.stats().full, server.stats().evicted), (full + 1, 1));
    assert!([&page, &socket, &sending].into_iter().all(is_open));
    request.reply.send(text("at last")).unwrap();
    assert_eq!(waiting.answer().1, b"at last");
    let (head, body) = unread.answer();
    assert_eq!((status(&head), body.len()), (200, large.len()));
}

#[cfg(feature = "tls")]
#[test]
fn a_handshake_that_never_comes_makes_place() {
    use moonport_http::{SelfSigned, Tls};

    let owner = Owner::new();
    let tls = Some(Tls::SelfSigned(SelfSigned::default()));
    let server = owner.start(Config { tls, ..config(1) }, routes());
    let mut silent = connect(&server);
    let mut tries = Vec::new();
    // Without a handshake nobody is told 503. Which try is the one that gets the place shows later: all stay.
    wait_for("a place", || {
        tries.push(TcpStream::connect(server.address()).unwrap());
        server.stats().evicted == 1
    });
    assert!(silent.is_closed());
    assert_eq!(server.stats().connections, 1);
}
