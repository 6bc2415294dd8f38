// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clients that take nothing: one that does not read, and one that is gone without a word, as when its cable is pulled.
//! That one filters every packet out that comes to it (socket(7), `SO_ATTACH_FILTER`).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use common::{Client, LIMIT, Owner, route, status, text, wait_for};
use moonport_http::{Config, EventsOptions, Limits, RouteOptions, Server, WebSocketOptions};
use socket2::{SockFilter, SockRef};

fn connect(server: &Server) -> Client<TcpStream> {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Client(stream)
}

/// From now on nothing reaches this client, and nobody hears that it does not.
fn vanish(client: &Client<TcpStream>) {
    let nothing = SockFilter::new(6, 0, 0, 0); // BPF_RET | BPF_K
    SockRef::from(&client.0).attach_filter(&[nothing]).unwrap();
}

/// Has the system a socket from here to there, in whatever state? (proc(5), `/proc/net/tcp`)
fn is_known(here: SocketAddr, there: SocketAddr) -> bool {
    let wanted = [here, there].map(|address| format!("0100007F:{:04X}", address.port()));
    fs::read_to_string("/proc/net/tcp").unwrap().lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        [words.next(), words.next()] == [Some(&*wanted[0]), Some(&*wanted[1])]
    })
}

#[test]
fn nothing_stays_of_clients_that_vanished() {
    let mut owner = Owner::new();
    let mut routes = route("/");
    let websocket = Some(WebSocketOptions::default());
    routes.add("GET", "/socket", RouteOptions { websocket, ..RouteOptions::default() }).unwrap();
    let _events = routes.add_events("/events", EventsOptions::default()).unwrap();
    let limits = Limits { idle_time: Duration::from_millis(800), ..Limits::default() };
    let server = owner.start(Config { limits, ..Config::default() }, routes);

    // One that waits for its answer, one whose answer is large, one that listens, and a WebSocket.
    let mut clients = [0; 4].map(|_| connect(&server));
    let [asking, large, page, socket] = &mut clients;
    asking.get("/", "");
    let request = owner.take();
    large.get("/", "");
    let large_request = owner.take();
    page.get("/events", "");
    assert_eq!(status(&page.head()), 200);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    socket.get("/socket", upgrade);
    assert_eq!(status(&socket.head()), 101);
    wait_for("all of them", || server.stats().connections == 4 && server.stats().sockets == 1);
    clients.iter().for_each(vanish);
    request.reply.send(text("for nobody")).unwrap();
    large_request.reply.send(text(&"x".repeat(8 << 20))).unwrap();

    wait_for("the end of the connections", || server.stats().connections == 0);
    // Without TCP_USER_TIMEOUT the system would send to each of them again and again, for minutes.
    let known = || clients.iter().filter(|client| is_known(server.address(), client.0.local_addr().unwrap())).count();
    wait_for("the end of what the system keeps of them", || known() == 0);
}

#[test]
fn what_nobody_reads_stays_out_of_the_systems_memory() {
    /// What the system takes of one answer: the client's window, and a little more.
    const MOST: u64 = 1 << 20;
    let mut owner = Owner::new();
    let server = owner.start(Config::default(), route("/"));
    let mut client = connect(&server);
    client.get("/", "");
    owner.take().reply.send(text(&"x".repeat(32 << 20))).unwrap();
    // When it has come to a stop: a machine that is slow here makes the test less strict, not wrong.
    let mut written = 0;
    wait_for("the first bytes, and no more", || {
        let before = std::mem::replace(&mut written, server.stats().bytes_out);
        thread::sleep(Duration::from_millis(100));
        before > 0 && before == written
    });
    assert!(written < MOST, "{written} bytes");
    let (head, body) = client.answer();
    assert_eq!((status(&head), body.len()), (200, 32 << 20));
}
