// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server-sent events, as pages see them: over sockets, chunk by chunk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{Client, LIMIT, Owner, header, status, wait_for};
use moonport_http::{Config, Events, EventsOptions, Limits, Routes, Server};

/// Events that pages must not miss.
const KEPT: usize = 100;

fn listening(history: usize) -> (Routes, Events) {
    let mut routes = Routes::default();
    let events = routes.add_events("/events", EventsOptions { history, ..EventsOptions::default() }).unwrap();
    (routes, events)
}

fn connect(server: &Server) -> Client<TcpStream> {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Client(stream)
}

/// A page that listens, its head read.
struct Page {
    client: Client<TcpStream>,
    head: String,
    /// What was read and not yet asked for.
    text: String,
}

impl Page {
    fn open(server: &Server, headers: &str) -> Self {
        let mut client = connect(server);
        client.get("/events", headers);
        let head = client.head();
        assert_eq!(status(&head), 200, "{head}");
        assert_eq!(header(&head, "transfer-encoding"), Some("chunked"));
        Self { client, head, text: String::new() }
    }

    /// The next chunk; `None` at the end of the stream.
    fn chunk(&mut self) -> Option<String> {
        let mut line = String::new();
        while !line.ends_with("\r\n") {
            let mut byte = [0];
            self.client.0.read_exact(&mut byte).expect("a chunk");
            line.push(char::from(byte[0]));
        }
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.client.0.read_exact(&mut chunk).expect("the rest of a chunk");
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// The next block, up to an empty line.
    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return block;
            }
            let chunk = self.chunk().expect("more of the stream");
            self.text.push_str(&chunk);
        }
    }

    fn expect(&mut self, blocks: &[&str]) {
        for block in blocks {
            assert_eq!(self.block(), *block);
        }
    }
}

fn stop(server: &Server) {
    let (give, take) = mpsc::channel();
    server.begin_stop(Box::new(move || give.send(()).unwrap()));
    take.recv_timeout(LIMIT).unwrap();
}

#[test]
fn every_page_gets_every_event() {
    let (routes, events) = listening(0);
    let mut owner = Owner::new();
    let server = owner.start(Config::default(), routes);
    assert_eq!(events.send("nobody hears", None), Ok(0));
    let mut pages = [Page::open(&server, ""), Page::open(&server, "Connection: close\r\n")];
    for page in &pages {
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(header(&page.head, name), Some(value));
        }
        assert_eq!(header(&page.head, "content-length"), None);
    }
    assert_eq!((events.count(), server.stats().pages), (Ok(2), 2));
    assert_eq!(events.send("one", None), Ok(2));
    assert_eq!(events.send("two\nlines\r\n", Some("tick")), Ok(2));
    let burst: Vec<String> = (4..1004).map(|id| format!("id: {id}\ndata: {id}")).collect();
    for id in 4..1004 {
        assert_eq!(events.send(&id.to_string(), None), Ok(2));
    }
    for page in &mut pages {
        page.expect(&["retry: 1000", "id: 2\ndata: one", "id: 3\nevent: tick\ndata: two\ndata: lines\ndata: "]);
        page.expect(&burst.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert!(owner.has_nothing(), "Lua is not woken");
    assert_eq!(server.stats().forwarded, 0);
}

#[test]
fn a_page_that_comes_back_misses_nothing_and_gets_nothing_twice() {
    let (routes, events) = listening(KEPT);
    let owner = Owner::new();
    let server = owner.start(Config::default(), routes.clone());
    let mut page = Page::open(&server, "");
    page.expect(&["id: 0\nretry: 1000"]);
    events.send("one", None).unwrap();
    page.expect(&["id: 1\ndata: one"]);
    drop(page);
    wait_for("the page has gone", || events.count() == Ok(0));
    events.send("two", None).unwrap();
    let mut page = Page::open(&server, "Last-Event-ID: 1\r\n");
    events.send("three", None).unwrap();
    page.expect(&["id: 1\nretry: 1000", "id: 2\ndata: two", "id: 3\ndata: three"]);

    // The server's end is an end of the stream in order, and what comes meanwhile is kept.
    stop(&server);
    assert_eq!(page.chunk(), None);
    assert!(page.client.is_closed());
    assert_eq!(events.send("four", None), Ok(0));
    let server = owner.start(Config::default(), routes);
    let mut page = Page::open(&server, "Last-Event-ID: 3\r\n");
    events.send("five", None).unwrap();
    page.expect(&["id: 3\nretry: 1000", "id: 4\ndata: four", "id: 5\ndata: five"]);
    // A new page begins now.
    Page::open(&server, "").expect(&["id: 5\nretry: 1000"]);
}

#[test]
fn a_page_that_leaves_is_noticed_while_nothing_is_sent() {
    let (routes, events) = listening(0);
    let owner = Owner::new();
    let server = owner.start(Config::default(), routes);
    // What a page leaves unread makes its leaving a reset.
    for (headers, reads) in [("", true), ("", false), ("Connection: close\r\n", true)] {
        let mut page = Page::open(&server, headers);
        if reads {
            page.block();
        }
        assert_eq!(events.count(), Ok(1));
        let left = Instant::now();
        drop(page);
        wait_for("the page has gone", || events.count() == Ok(0));
        assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
        wait_for("the connection has gone", || server.stats().connections == 0);
        assert_eq!(server.stats().pages, 0);
    }
    // Old clients read to the end of the connection.
    let mut client = connect(&server);
    client.send("GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert_eq!(header(&client.head(), "transfer-encoding"), None);
    events.send("old", None).unwrap();
    let mut text = [0; 30];
    client.0.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"retry: 1000\n\nid: 1\ndata: old\n\n");
    drop(client);
    wait_for("the client has gone", || events.count() == Ok(0));
}

#[test]
fn heartbeats_come_and_no_deadline() {
    let (routes, events) = listening(0);
    let owner = Owner::new();
    let limits = Limits { idle_time: Duration::from_millis(100), ..Limits::default() };
    let config = Config { limits, deadline: Duration::from_millis(10), ..Config::default() };
    let server = owner.start(config, routes);
    let mut page = Page::open(&server, "");
    // Longer than a connection may be silent.
    page.expect(&["retry: 1000", ":", ":", ":", ":", ":", ":", ":", ":", ":", ":"]);
    events.send("still here", None).unwrap();
    while page.block() != "id: 1\ndata: still here" {}
    assert_eq!(server.stats().timeouts, 0);
}

#[test]
fn a_page_that_does_not_read_is_cut_off_and_others_go_on() {
    let (routes, events) = listening(0);
    let owner = Owner::new();
    let server = owner.start(Config::default(), routes);
    let slow = Page::open(&server, "");
    let mut quick = Page::open(&server, "");
    quick.expect(&["retry: 1000"]);
    let data = "x".repeat(60_000);
    let mut sent = 0;
    while events.send(&data, None).unwrap() == 2 {
        sent += 1;
        assert!(sent < 1000, "60 MB and no end");
        let block = quick.block();
        assert!(block.starts_with(&format!("id: {sent}\n")) && block.len() > 60_000);
    }
    assert!(quick.block().starts_with(&format!("id: {}\n", sent + 1)));
    wait_for("the end of the slow page", || server.stats().connections == 1);
    assert_eq!((events.count(), server.stats().pages), (Ok(1), 1));
    drop(slow);
}

#[test]
fn a_page_that_takes_nothing_for_long_ends() {
    let (routes, events) = listening(0);
    let owner = Owner::new();
    let limits = Limits { idle_time: Duration::from_millis(200), ..Limits::default() };
    let server = owner.start(Config { limits, ..Config::default() }, routes);
    let stuck = Page::open(&server, "");
    // More than the sockets hold, and no second event that would cut it off.
    assert_eq!(events.send(&"x".repeat(32 << 20), None), Ok(1));
    wait_for("the end of the page", || server.stats().connections == 0);
    assert_eq!(events.count(), Ok(0));
    drop(stuck);
}

#[test]
fn stopping_ends_streams_at_once() {
    let (routes, events) = listening(0);
    let owner = Owner::new();
    let server = owner.start(Config::default(), routes);
    let mut quiet = Page::open(&server, "");
    let stuck = Page::open(&server, "");
    events.send(&"x".repeat(32 << 20), None).unwrap();
    quiet.block();
    assert!(quiet.block().len() > 32 << 20);
    stop(&server);
    assert_eq!(quiet.chunk(), None);
    assert!(quiet.client.is_closed());
    assert_eq!((events.count(), server.stats().pages), (Ok(0), 0));
    drop(stuck);
}

#[test]
fn the_rules_are_those_of_routes() {
    let mut routes = Routes::default();
    let secret = routes.add_events("/events", EventsOptions::default()).unwrap();
    let open = EventsOptions { token: false, ..EventsOptions::default() };
    routes.add_events("/open", open).unwrap();
    assert!(routes.add_events("/open", EventsOptions::default()).is_err());
    let token = "t".repeat(32);
    let config = Config {
        token: Some(token.clone()),
        origins: vec!["http://localhost:3000".to_owned()],
        max_connections: 3,
        ..Config::default()
    };
    let owner = Owner::new();
    let server = owner.start(config, routes);
    let mut client = connect(&server);
    let mut ask = |request: &str| {
        client.send(&format!("{request}\r\nHost: localhost\r\n\r\n"));
        client.answer().0
    };
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(status(&ask("GET /events HTTP/1.1")), 401);
    assert_eq!(status(&ask("GET /open HTTP/1.1\r\nOrigin: http://evil.org")), 403);
    let refused = ask(&format!("POST /events HTTP/1.1\r\n{bearer}"));
    assert_eq!((status(&refused), header(&refused, "allow")), (405, Some("GET, HEAD, OPTIONS")));
    let head = ask(&format!("HEAD /events HTTP/1.1\r\n{bearer}"));
    assert_eq!((status(&head), header(&head, "content-type")), (200, Some("text/event-stream")));
    assert_eq!(secret.count(), Ok(0));

    let page = Page::open(&server, &format!("{bearer}\r\nOrigin: http://localhost:3000\r\n"));
    assert_eq!(header(&page.head, "access-control-allow-origin"), Some("http://localhost:3000"));
    let mut other = connect(&server);
    other.get("/open", "");
    assert_eq!(status(&other.head()), 200);
    // Both pages and the client before them: that is all there is room for.
    assert_eq!(connect(&server).status(), 503);
}

#[cfg(unix)]
#[test]
fn a_forked_child_sends_nothing() {
    use moonport_http::EventError;
    let (routes, events) = listening(0);
    let owner = Owner::new();
    let server = owner.start(Config::default(), routes);
    let mut page = Page::open(&server, "");
    // SAFETY: the child calls only what it tests, which takes no lock there, and leaves without running the harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let fine = events.send("x", None) == Err(EventError::Forked) && events.count() == Err(EventError::Forked);
        // SAFETY: it ends the child and nothing else.
        unsafe { libc::_exit(i32::from(!fine)) };
    }
    let mut status = -1;
    wait_for("the child's end", || {
        // SAFETY: `status` lives until after the call.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        ended == child
    });
    assert_eq!(status, 0);
    events.send("the parent's", None).unwrap();
    page.expect(&["retry: 1000", "id: 1\ndata: the parent's"]);
}
