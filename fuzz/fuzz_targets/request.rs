// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes to a real server: every request that its owner gets is one that a plain reader finds at the same place, with the
//! same body (nothing is smuggled), and its Host, Origin and body are what may pass.
//!
//! The first byte says which good beginning stands before the rest, and where the write is cut.

#![no_main]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use libfuzzer_sys::fuzz_target;
use moonport_codec::{json, msgpack};
use moonport_core::{Mailbox, Payload, PortOptions};
use moonport_http::{Body, Bytes, Config, Content, Limits, Request, Response, RouteOptions, Routes, Sent, Server};

#[path = "../serving.rs"]
mod serving;

const DEPTH: usize = 8;
const ORIGIN: &str = "http://page.example";

/// A request as its owner got it.
struct Got {
    method: String,
    sent: Sent,
    content: Option<Content>,
}

struct Served {
    server: Arc<Server>,
    /// What the owner got, and how many requests that were so far.
    got: Mutex<(Receiver<Got>, u64)>,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let (ready, started) = channel();
    let (sender, got) = channel();
    thread::spawn(move || own(&ready, &sender));
    Served { server: started.recv().expect("a server"), got: Mutex::new((got, 0)) }
});

/// The owner's thread: answers whatever it gets.
fn own(ready: &Sender<Arc<Server>>, sender: &Sender<Got>) {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(PortOptions::default()).expect("a port");
    mailbox.listen(port, true);
    let mut routes = Routes::default();
    for (method, path, content) in [
        ("GET", "/", None),
        ("POST", "/", None),
        ("POST", "/json", Some(Content::Json)),
        ("POST", "/pack", Some(Content::MessagePack)),
        ("PUT", "/{name}/{*rest}", Some(Content::Raw)),
    ] {
        routes.add(method, path, RouteOptions { content, ..RouteOptions::default() }).expect("a route");
    }
    let limits = Limits { head: 2048, headers: 16, uri: 256, depth: DEPTH, ..Limits::default() };
    let config = Config { limits, max_body: 512, origins: vec![ORIGIN.to_owned()], ..Config::default() };
    let server = Server::start(config, routes, mailbox.sender(port).expect("a sender")).expect("a server");
    ready.send(Arc::new(server)).expect("the target waits");
    loop {
        let Some(message) = mailbox.take_within(port, None).expect("a mailbox") else { continue };
        let Payload::Object { value, .. } = message.payload else { panic!("bytes") };
        let Request { method, sent, content, reply, .. } = *value.downcast().expect("a request");
        sender.send(Got { method: method.to_string(), sent, content }).expect("the target waits");
        // The client may have left.
        let body = Body::Bytes(Bytes::from_static(b"ok"));
        reply.send(Response { status: 200, content_type: None, headers: Vec::new(), body }).ok();
    }
}

/// The body of a request with these headers; `None`: it is not whole, or none.
fn body<'a>(headers: &[httparse::Header<'_>], bytes: &mut &'a [u8]) -> Option<Vec<u8>> {
    let value = |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|it| it.value);
    let mut take = |count: usize| -> Option<&'a [u8]> {
        let (taken, rest) = bytes.split_at_checked(count)?;
        *bytes = rest;
        Some(taken)
    };
    if value("transfer-encoding").is_some() {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(take(1)?);
            }
            let digits =
                line.split(|byte| !byte.is_ascii_hexdigit()).next().and_then(|digits| str::from_utf8(digits).ok());
            let size = usize::from_str_radix(digits?, 16).ok()?;
            if size == 0 {
                break;
            }
            body.extend(take(size)?);
            take(2)?;
        }
        let mut line = vec![0];
        while line != b"\r\n" {
            line.clear();
            while !line.ends_with(b"\r\n") {
                line.extend(take(1)?);
            }
        }
        return Some(body);
    }
    let length = str::from_utf8(value("content-length").unwrap_or(b"0")).ok()?.parse().ok()?;
    take(length).map(<[u8]>::to_vec)
}

/// The requests that a plain reader finds, by method and body.
fn plain(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else { return found };
        bytes = &bytes[length..];
        let method = request.method.unwrap_or_default().to_owned();
        let Some(body) = body(request.headers, &mut bytes) else { return found };
        found.push((method, body));
    }
}

/// What may pass, said once more, simply.
fn check(got: &Got) {
    let all = |name: &str| -> Vec<_> {
        got.sent.headers().all(name.as_bytes()).map(|value| str::from_utf8(value).unwrap_or("?")).collect()
    };
    let [host] = all("host")[..] else { panic!("Host: {:?}", all("host")) };
    let name =
        host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name).to_lowercase();
    assert!(["localhost", "127.0.0.1", "[::1]"].contains(&&*name), "Host: {host}");
    match all("origin")[..] {
        [] => assert!(!all("sec-fetch-site").contains(&"cross-site")),
        [ORIGIN] => {}
        [own] => {
            let authority = own.strip_prefix("http://").unwrap_or_else(|| panic!("Origin: {own}"));
            let bare = |authority: &str| authority.to_lowercase().trim_end_matches(":80").to_owned();
            assert_eq!(bare(authority), bare(host));
            assert!(!all("sec-fetch-site").contains(&"cross-site"));
        }
        _ => panic!("Origin: {:?}", all("origin")),
    }
    assert!(got.sent.body().len() <= 512);
    assert!(all("content-encoding").iter().all(|value| value.eq_ignore_ascii_case("identity")));
    match got.content {
        Some(Content::Json) => assert!(json::check(got.sent.body(), DEPTH).is_ok()),
        Some(Content::MessagePack) => assert!(msgpack::check(got.sent.body(), DEPTH).is_ok()),
        _ => assert!(got.method != "POST" || got.sent.path() == "/", "{} {}", got.method, got.sent.path()),
    }
}

const BEGINNINGS: [&[u8]; 8] = [
    b"",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
    b"POST /pack HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/msgpack\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PUT /a/b HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://page.example\r\nContent-Length: 4\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost:",
];

fuzz_target!(|input: &[u8]| {
    let Some((&how, input)) = input.split_first() else { return };
    let bytes = [BEGINNINGS[usize::from(how & 7)], input].concat();
    let served = &*SERVED;
    let answer = serving::read(serving::write(served.server.address(), &bytes, usize::from(how >> 3) * 8));
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "));
    let mut plain = plain(&bytes).into_iter();
    let (receiver, count) = &mut *served.got.lock().expect("nobody has failed");
    // An owner that was slow (50 ms) may still be at it: the client counted as gone then.
    while *count < served.server.stats().forwarded {
        let got = receiver.recv_timeout(serving::LIMIT).expect("what was forwarded arrives");
        *count += 1;
        check(&got);
        let found = plain.any(|(method, body)| method == got.method && body == got.sent.body());
        assert!(found, "a request that is not there: {} {} {:?}", got.method, got.sent.path(), got.sent.body());
    }
});
