// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server after server with connections of every kind: the end of each is told to its clients, and nothing of it stays.
//! Alone in its process, whose threads, descriptors and memory it counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::mpsc;

use common::{Client, Folder, LIMIT, Owner, header, route, status, text, wait_for};
use moonport_http::{Config, Events, EventsOptions, RouteOptions, Routes, Server, WebSocketOptions};

const LIVES: usize = 200;

/// Lives before anything is counted: what is made once is made by then.
const FIRST: usize = 20;

/// Of all lives together. One answer or one mailbox that stays in each of them is more.
const ROOM: usize = 2 << 20;

/// Threads and descriptors of this process.
fn counts() -> (usize, usize) {
    let count = |directory| fs::read_dir(directory).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// Bytes of this process in memory.
fn memory() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn routes(folder: &Path) -> (Routes, Events) {
    let mut routes = route("/");
    routes.add_static("/files", folder).unwrap();
    let websocket = Some(WebSocketOptions::default());
    routes.add("GET", "/socket", RouteOptions { websocket, ..RouteOptions::default() }).unwrap();
    let events = routes.add_events("/events", EventsOptions::default()).unwrap();
    (routes, events)
}

/// Connections in every state that a server can be stopped in.
struct Clients {
    silent: Client<TcpStream>,
    half: Client<TcpStream>,
    idle: Client<TcpStream>,
    socket: Client<TcpStream>,
    page: Client<TcpStream>,
    busy: Client<TcpStream>,
}

impl Clients {
    fn new(server: &Server, owner: &mut Owner, events: &Events) -> Self {
        let connect = || {
            let stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            Client(stream)
        };
        let mut half = connect();
        half.send("GET / HTTP/1.1\r\nHost: local");
        let mut idle = connect();
        idle.get("/files/file", "");
        assert_eq!(idle.answer().1, b"text");
        let mut socket = connect();
        socket.get(
            "/socket",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        );
        assert_eq!(status(&socket.head()), 101);
        wait_for("what the owner hears of the socket", || !owner.has_nothing());
        let mut page = connect();
        page.get("/events", "");
        assert_eq!(status(&page.head()), 200);
        wait_for("the page", || events.count().is_ok_and(|count| count == 1));
        let mut busy = connect();
        busy.get("/", "");
        let clients = Self { silent: connect(), half, idle, socket, page, busy };
        wait_for("six connections", || server.stats().connections == 6);
        clients
    }

    /// Every connection but the busy one has ended, the socket as WebSockets do.
    fn assert_told(&mut self) {
        assert!(self.silent.is_closed() && self.idle.is_closed());
        let mut frame = [0; 4];
        self.socket.0.read_exact(&mut frame).unwrap();
        assert_eq!(frame, [0x88, 2, 0x03, 0xe9], "a close frame with 1001");
        // The same, masked with zeros.
        self.socket.0.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).unwrap();
        assert!(self.socket.is_closed());
        let mut rest = Vec::new();
        self.page.0.read_to_end(&mut rest).unwrap();
        assert!(self.half.is_closed());
        // From these two the server reads until they have closed as well, for a second at most.
        for client in [&self.socket, &self.half] {
            client.0.shutdown(Shutdown::Both).unwrap();
        }
    }
}

/// One server from its start to its end, in order or at once.
fn live(owner: &mut Owner, folder: &Path, in_order: bool) {
    let (routes, events) = routes(folder);
    let server = owner.start(Config::default(), routes);
    let mut clients = Clients::new(&server, owner, &events);
    let request = owner.take();
    if in_order {
        let (give, take) = mpsc::channel();
        server.begin_stop(Box::new(move || give.send(()).unwrap()));
        clients.assert_told();
        assert!(take.try_recv().is_err(), "ended before its last request was answered");
        request.reply.send(text("the last")).unwrap();
        let (head, body) = clients.busy.answer();
        assert_eq!((header(&head, "connection"), &body[..]), (Some("close"), &b"the last"[..]));
        take.recv_timeout(LIMIT).unwrap();
    }
    server.abort();
    for client in [&mut clients.silent, &mut clients.half, &mut clients.idle, &mut clients.busy] {
        assert!(client.is_closed());
    }
    while !owner.has_nothing() {}
}

#[test]
fn two_hundred_lives_leave_nothing() {
    let folder = Folder::new("lives");
    fs::write(folder.0.join("file"), "text").unwrap();
    let mut owner = Owner::new();
    for at in 0..FIRST {
        live(&mut owner, &folder.0, at % 2 == 0);
    }
    let (before, held) = (counts(), memory());
    for at in 0..LIVES {
        live(&mut owner, &folder.0, at % 2 == 0);
        // The system lists a thread for a moment after it was joined.
        wait_for(&format!("{before:?} threads and descriptors after life {at}"), || counts() == before);
    }
    let grown = memory().saturating_sub(held);
    assert!(grown < ROOM, "{grown} bytes more after {LIVES} lives");
}
