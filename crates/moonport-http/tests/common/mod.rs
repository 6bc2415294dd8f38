// SPDX-License-Identifier: MIT OR Apache-2.0
//! An owner on the test's own thread, a client over any stream, and a folder: what the tests of one feature share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use moonport_core::{Mailbox, Payload, PortKey, PortOptions, Sender};
use moonport_http::{Body, Config, Request, Response, RouteOptions, Routes, Server, StartError};

/// Longer than anything here may take.
pub const LIMIT: Duration = Duration::from_secs(10);

pub struct Owner {
    mailbox: Mailbox,
    port: PortKey,
}

impl Owner {
    pub fn new() -> Self {
        let mut mailbox = Mailbox::new().unwrap();
        let port = mailbox.open(PortOptions { capacity: 8, ..PortOptions::default() }).unwrap();
        mailbox.listen(port, true);
        Self { mailbox, port }
    }

    pub fn try_start(&self, config: Config, routes: Routes) -> Result<Server, StartError> {
        Server::start(config, routes, self.sender())
    }

    pub fn sender(&self) -> Sender {
        self.mailbox.sender(self.port).unwrap()
    }

    pub fn start(&self, config: Config, routes: Routes) -> Server {
        self.try_start(config, routes).unwrap()
    }

    pub fn take(&mut self) -> Request {
        let message = self.mailbox.take_within(self.port, Some(LIMIT)).unwrap().expect("a request in time");
        let Payload::Object { value, .. } = message.payload else { panic!("bytes") };
        *value.downcast().unwrap()
    }

    pub fn has_nothing(&mut self) -> bool {
        self.mailbox.take(self.port).is_none()
    }
}

pub fn route(path: &str) -> Routes {
    let mut routes = Routes::default();
    routes.add("GET", path, RouteOptions::default()).unwrap();
    routes
}

pub fn text(text: &str) -> Response {
    Response { status: 200, content_type: None, headers: Vec::new(), body: Body::Bytes(text.to_owned().into()) }
}

pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

/// One connection; its stream has a time limit for reading.
pub struct Client<S>(pub S);

impl<S: Read + Write> Client<S> {
    pub fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
        self.0.flush().unwrap();
    }

    pub fn get(&mut self, path: &str, headers: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    }

    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// The head of the next answer and its body.
    pub fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.head();
        let mut body = vec![0; header(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        (head, body)
    }

    pub fn status(&mut self) -> u16 {
        status(&self.answer().0)
    }

    pub fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof),
        }
    }
}

pub fn status(head: &str) -> u16 {
    head[9..12].parse().unwrap()
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// A new folder of this test, removed at its end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("moonport-{name}-{}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
