// SPDX-License-Identifier: MIT OR Apache-2.0
//! The life of a server and of its connections, seen from the owner and from clients that behave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use moonport_core::{Mailbox, Payload, PortKey, PortOptions};
use moonport_http::{Body, Config, HeaderName, HeaderValue, Limits, Request, Response, RouteOptions, Routes, Server};

/// Longer than anything here may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The owner is the test's own thread.
struct Owner {
    mailbox: Mailbox,
    port: PortKey,
}

impl Owner {
    fn new(capacity: usize) -> Self {
        let mut mailbox = Mailbox::new().unwrap();
        let port = mailbox.open(PortOptions { capacity, ..PortOptions::default() }).unwrap();
        mailbox.listen(port, true);
        Self { mailbox, port }
    }

    fn start(&self, config: Config, routes: Routes) -> Server {
        Server::start(config, routes, self.mailbox.sender(self.port).unwrap()).unwrap()
    }

    fn take(&mut self) -> Request {
        let message = self.mailbox.take_within(self.port, Some(LIMIT)).unwrap().expect("a request in time");
        let Payload::Object { value, size } = message.payload else { panic!("bytes") };
        assert!(size > 0);
        *value.downcast().unwrap()
    }

    fn has_nothing(&mut self) -> bool {
        self.mailbox.take(self.port).is_none()
    }
}

fn routes(list: &[(&str, &str)]) -> Routes {
    let mut routes = Routes::default();
    for (method, path) in list {
        routes.add(method, path, RouteOptions::default()).unwrap();
    }
    routes
}

fn text(text: &str) -> Response {
    Response { status: 200, content_type: None, headers: Vec::new(), body: Body::Bytes(text.to_owned().into()) }
}

struct Client(TcpStream);

impl Client {
    fn new(server: &Server) -> Self {
        Self::at(server.address())
    }

    fn at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    fn get(&mut self, path: &str, headers: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    }

    /// The head of the next answer and its body.
    fn answer(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut body = vec![0; header(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        if !head.starts_with("HTTP/1.1 304") {
            self.0.read_exact(&mut body).unwrap();
        }
        (head, body)
    }

    fn status(&mut self) -> u16 {
        status(&self.answer().0)
    }

    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

fn status(head: &str) -> u16 {
    head[9..12].parse().unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_request_is_answered() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("POST", "/items/{id}")]));
    assert_eq!(server.url(), format!("http://{}", server.address()));
    let mut client = Client::new(&server);
    client.send(
        "POST /items/a%2Fb?q=1&q=%20 HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    );
    let request = owner.take();
    assert_eq!((request.route, request.method.as_str(), request.sent.path()), (0, "POST", "/items/a/b"));
    assert_eq!(request.params, [("id".to_owned(), "a/b".to_owned())]);
    assert_eq!(request.query, [("q".to_owned(), "1".to_owned()), ("q".to_owned(), " ".to_owned())]);
    assert_eq!(request.sent.headers().all(b"x-a").collect::<Vec<_>>(), [b"b"]);
    assert_eq!(request.sent.body(), b"{\"a\":1}");
    assert!(request.document.is_some());
    assert_eq!(*request.peer, client.0.local_addr().unwrap().to_string());
    let headers = vec![
        (HeaderName::from_static("x-b"), HeaderValue::from_static("1")),
        (HeaderName::from_static("x-b"), HeaderValue::from_static("2")),
        (HeaderName::from_static("access-control-allow-origin"), HeaderValue::from_static("*")),
    ];
    request.reply.send(Response { headers, ..text("answer") }).unwrap();
    let (head, body) = client.answer();
    assert_eq!((status(&head), &body[..]), (200, &b"answer"[..]));
    assert!(head.contains("x-b: 1\r\nx-b: 2\r\n") && head.contains("cache-control: no-store\r\n"), "{head}");
    assert!(!head.contains("access-control"), "{head}");

    // A client may be quicker than the count of what was written for it.
    wait_for("the count", || server.stats().bytes_out > 100);
    let stats = server.stats();
    assert_eq!((stats.connections, stats.accepted, stats.requests), (1, 1, 1));
    assert_eq!((stats.forwarded, stats.answered, stats.refused), (1, 1, 0));
    assert!(stats.bytes_in > 100, "{stats:?}");
    server.abort();
    assert!(client.is_closed());
}

#[test]
fn an_address_in_use_is_told_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let owner = Owner::new(1);
    let sender = owner.mailbox.sender(owner.port).unwrap();
    let config = Config { address: address.clone(), ..Config::default() };
    let error = Server::start(config, Routes::default(), sender).unwrap_err();
    assert_eq!(error.name(), "address_in_use");
    assert!(error.to_string().contains(&address), "{error}");

    for config in [
        Config { token: Some("short".to_owned()), ..Config::default() },
        Config { origins: vec!["null".to_owned()], ..Config::default() },
        Config { address: "0.0.0.0:0".to_owned(), ..Config::default() },
    ] {
        assert_eq!(Server::start(config, Routes::default(), sender).unwrap_err().name(), "invalid");
    }
}

#[test]
fn a_client_that_leaves_cancels_its_request() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    let mut client = Client::new(&server);
    client.get("/", "");
    let request = owner.take();
    assert!(!request.reply.is_cancelled());
    drop(client);
    wait_for("the cancellation", || request.reply.is_cancelled());
    assert!(request.reply.send(text("late")).is_err());
    assert_eq!(server.stats().cancelled, 1);
    wait_for("the end of the connection", || server.stats().connections == 0);
}

#[test]
fn a_client_that_leaves_after_a_pipelined_request_cancels_the_first() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    let mut client = Client::new(&server);
    client.get("/", "");
    client.get("/", "");
    let request = owner.take();
    drop(client);
    wait_for("the cancellation", || request.reply.is_cancelled());
    assert!(owner.has_nothing());
}

#[test]
fn a_client_that_only_stops_sending_gets_a_quick_answer() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    for _ in 0..20 {
        let mut client = Client::new(&server);
        client.get("/", "");
        client.0.shutdown(Shutdown::Write).unwrap();
        owner.take().reply.send(text("quick")).unwrap();
        assert_eq!(client.answer().1, b"quick");
        assert!(client.is_closed());
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_reach_the_owner_one_at_a_time() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("POST", "/")]));
    let mut client = Client::new(&server);
    let one = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n";
    let chunked = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n";
    client.send(&format!(
        "{one}abc{chunked}\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n{one}defGET \r\n\r\n{one}"
    ));
    for body in ["abc", "xyz", "def"] {
        let request = owner.take();
        assert_eq!(request.sent.body(), body.as_bytes());
        assert!(owner.has_nothing());
        request.reply.send(text(body)).unwrap();
    }
    assert_eq!(client.answer().1, b"abc");
    assert_eq!(client.answer().1, b"xyz");
    assert_eq!(client.status(), 404);
    assert_eq!(client.answer().1, b"def");
    assert_eq!(client.status(), 400);
    assert!(client.is_closed());
    assert!(owner.has_nothing());
}

#[test]
fn a_late_answer_is_504() {
    let mut owner = Owner::new(8);
    let mut routes = routes(&[]);
    let options = RouteOptions { deadline: Some(Duration::from_millis(50)), ..RouteOptions::default() };
    routes.add("GET", "/", options).unwrap();
    let server = owner.start(Config::default(), routes);
    let mut client = Client::new(&server);
    for _ in 0..3 {
        client.get("/", "");
        let request = owner.take();
        assert_eq!(client.status(), 504);
        assert!(request.reply.is_cancelled());
        assert!(request.reply.send(text("late")).is_err());
    }
    assert_eq!(server.stats().timeouts, 3);
}

#[test]
fn a_dropped_reply_is_500() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    let mut client = Client::new(&server);
    client.get("/", "");
    drop(owner.take());
    let (head, body) = client.answer();
    assert_eq!((status(&head), &body[..]), (500, &br#"{"error":"internal error"}"#[..]));
}

#[test]
fn a_full_port_is_503_at_once() {
    let mut owner = Owner::new(1);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    let mut first = Client::new(&server);
    first.get("/", "");
    wait_for("the first request", || server.stats().forwarded == 1);
    let mut second = Client::new(&server);
    second.get("/", "");
    let (head, _) = second.answer();
    assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("1")));
    assert_eq!(server.stats().full, 1);
    owner.take().reply.send(text("first")).unwrap();
    assert_eq!(first.answer().1, b"first");

    drop(owner);
    second.get("/", "");
    assert_eq!(second.status(), 503);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let mut owner = Owner::new(8);
    let config = Config { max_connections: 2, ..Config::default() };
    let server = owner.start(config, routes(&[("GET", "/")]));
    // Requests that wait for the owner: a silent connection would make place after a second.
    let kept = [Client::new(&server), Client::new(&server)].map(|mut client| {
        client.get("/", "");
        (client, owner.take())
    });
    let mut third = Client::new(&server);
    third.get("/", "");
    assert_eq!(third.status(), 503);
    assert!(third.is_closed());
    kept[0].0.0.shutdown(Shutdown::Both).unwrap();
    wait_for("a free place", || server.stats().connections == 1);
    let mut fourth = Client::new(&server);
    fourth.get("/", "");
    owner.take().reply.send(text("fourth")).unwrap();
    assert_eq!(fourth.answer().1, b"fourth");
}

#[test]
fn stopping_answers_what_is_in_flight() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    let mut idle = Client::new(&server);
    let mut used = Client::new(&server);
    used.get("/nowhere", "");
    assert_eq!(used.status(), 404);
    let mut busy = Client::new(&server);
    busy.get("/", "");
    let request = owner.take();
    wait_for("three connections", || server.stats().connections == 3);

    let (give, take) = mpsc::channel();
    server.begin_stop(Box::new(move || give.send(std::thread::current().name().map(str::to_owned)).unwrap()));
    assert!(idle.is_closed() && used.is_closed());
    wait_for("the port is free", || TcpStream::connect(server.address()).is_err());
    assert!(!server.is_finished());
    assert!(take.try_recv().is_err());

    request.reply.send(text("the last")).unwrap();
    let (head, body) = busy.answer();
    assert_eq!((header(&head, "connection"), &body[..]), (Some("close"), &b"the last"[..]));
    assert!(busy.is_closed());
    assert_eq!(take.recv_timeout(LIMIT).unwrap().as_deref(), Some("moonport-http"));
    wait_for("the end", || server.is_finished());
    let (give, take) = mpsc::channel();
    server.begin_stop(Box::new(move || give.send(()).unwrap()));
    take.try_recv().expect("at once where the thread has ended");
}

#[test]
fn aborting_cancels_what_is_in_flight() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    let mut client = Client::new(&server);
    client.get("/", "");
    let request = owner.take();
    server.begin_stop(Box::new(|| {}));
    server.abort();
    assert!(request.reply.is_cancelled());
    assert!(client.is_closed());
}

#[cfg(unix)]
#[test]
fn a_forked_child_touches_nothing() {
    let mut owner = Owner::new(8);
    let server = guarded(&owner, routes(&[("GET", "/")]));
    let old_routes = routes(&[]);
    let sender = owner.mailbox.sender(owner.port).unwrap();
    // SAFETY: the child calls only what it tests, none of which needs a lock that another thread may have held, and
    // leaves without running the harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut fine = server.is_finished() && server.link("/").is_err();
        server.begin_stop(Box::new(|| {}));
        drop(server);
        fine &= Server::start(Config::default(), old_routes, sender).is_err_and(|error| error.name() == "forked");
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
    let mut client = Client::new(&server);
    client.get("/", &format!("Authorization: Bearer {TOKEN}\r\n"));
    owner.take().reply.send(text("still here")).unwrap();
    assert_eq!(client.answer().1, b"still here");
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn guarded(owner: &Owner, routes: Routes) -> Server {
    owner.start(Config { token: Some(TOKEN.to_owned()), ..Config::default() }, routes)
}

#[test]
fn a_link_works_once_and_gives_a_cookie() {
    let mut owner = Owner::new(8);
    let server = guarded(&owner, routes(&[("GET", "/app")]));
    let link = server.link("/app?a=1&b=2").unwrap();
    assert_ne!(link, server.link("/app?a=1&b=2").unwrap());
    assert!(!link.contains(TOKEN));
    let target = link.strip_prefix(server.url()).unwrap();

    let mut client = Client::new(&server);
    client.get(target, "");
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "location")), (303, Some("/app?a=1&b=2")));
    assert_eq!(header(&head, "cache-control"), Some("no-store"));
    assert_eq!(header(&head, "referrer-policy"), Some("no-referrer"));
    let cookie = header(&head, "set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("moonport_{}=", server.address().port())), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());

    client.get(target, "");
    assert_eq!(client.status(), 401);
    client.get(target, &cookie);
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "set-cookie")), (303, None));

    for (headers, expected) in [
        ("", 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: none\r\n", 200),
        ("Sec-Fetch-Site: same-site\r\n", 401),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        client.get("/app", &format!("{cookie}{headers}"));
        if expected == 200 {
            owner.take().reply.send(text("in")).unwrap();
        }
        assert_eq!(client.status(), expected, "{headers}");
    }
    client.get(&format!("/app?token={TOKEN}"), "");
    assert_eq!(client.status(), 401);
    client.get("/app", "");
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "www-authenticate")), (401, Some("Bearer")));
    client.get("/app", &format!("Authorization: Bearer {TOKEN}\r\n"));
    owner.take().reply.send(text("in")).unwrap();
    assert_eq!(client.status(), 200);
    assert!(owner.has_nothing());

    assert!(server.link("app").is_err());
    assert!(server.link("/\r\n").is_err());
    assert!(server.link("/ü x#part").unwrap().contains("/%C3%BC%20x?token="));
}

#[test]
fn a_link_does_not_lead_away() {
    let directory = Directory::new("away");
    let owner = Owner::new(8);
    let mut routes = routes(&[]);
    routes.add_static("/", &directory.0).unwrap();
    let server = guarded(&owner, routes);
    let link = server.link("/").unwrap();
    let (_, token) = link.split_once('?').unwrap();
    let mut client = Client::new(&server);
    client.get(&format!("//evil.example/?{token}"), "");
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "location")), (303, Some("/evil.example/")));
}

/// A directory that is removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moonport-http-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn files(directory: &Path) -> (Owner, Server) {
    let owner = Owner::new(8);
    let mut routes = routes(&[("GET", "/files/routed.txt")]);
    routes.add_static("/files", directory).unwrap();
    let server = owner.start(Config::default(), routes);
    (owner, server)
}

#[cfg(unix)]
#[test]
fn files_are_served_and_nothing_beside_them() {
    let directory = Directory::new("static");
    directory.write("public/index.html", b"<p>index");
    directory.write("public/sub dir/page.html", b"<p>page");
    directory.write("public/sub dir/index.html", b"<p>sub");
    directory.write("public/empty/.keep", b"");
    directory.write("public/routed.txt", b"hidden by a route");
    let secret = directory.write("secret.txt", b"secret");
    let public = directory.0.join("public");
    std::os::unix::fs::symlink(&secret, public.join("leak")).unwrap();
    std::os::unix::fs::symlink(&directory.0, public.join("up")).unwrap();
    std::os::unix::fs::symlink("sub dir/page.html", public.join("inside")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(public.join("pipe")).status().unwrap();
    assert!(made.success());

    let (mut owner, server) = files(&public);
    let mut client = Client::new(&server);
    let mut get = |path: &str| {
        client.get(path, "");
        let (head, body) = client.answer();
        (status(&head), head, body)
    };
    for path in ["/files/", "/files/index.html"] {
        let (status, head, body) = get(path);
        assert_eq!((status, &body[..]), (200, &b"<p>index"[..]));
        assert_eq!(header(&head, "content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&head, "cache-control"), Some("no-cache"));
        assert!(header(&head, "etag").is_some() && header(&head, "last-modified").is_some(), "{head}");
    }
    assert_eq!(get("/files/sub%20dir/page.html").2, b"<p>page");
    assert_eq!(get("/files/sub%20dir/").2, b"<p>sub");
    assert_eq!(get("/files/inside").2, b"<p>page");
    let (status, head, _) = get("/files/sub%20dir?a=b");
    assert_eq!((status, header(&head, "location")), (301, Some("/files/sub%20dir/?a=b")));
    let (status, head, _) = get("/files");
    assert_eq!((status, header(&head, "location")), (301, Some("/files/")));
    for path in [
        "/files/leak",
        "/files/up/secret.txt",
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/..%2fsecret.txt",
        "/files/..\\secret.txt",
        "/files/..%5csecret.txt",
        "/files/index.html%00",
        "/files/index.html/",
        "/files//index.html",
        "/files/./index.html",
        "/files/empty/",
        "/files/pipe",
        "/files/nothing",
        "/filesindex.html",
    ] {
        assert_eq!(get(path).0, 404, "{path}");
    }
    client.send("POST /files/index.html HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, _) = client.answer();
    assert_eq!((crate::status(&head), header(&head, "allow")), (405, Some("GET, HEAD, OPTIONS")));
    client.get("/files/routed.txt", "");
    owner.take().reply.send(text("the route")).unwrap();
    assert_eq!(client.answer().1, b"the route");
}

#[test]
fn conditions_and_ranges_of_files() {
    let directory = Directory::new("range");
    let large: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
    directory.write("large.bin", &large);
    let (_owner, server) = files(&directory.0);
    let mut client = Client::new(&server);
    let mut get = |headers: &str| {
        client.get("/files/large.bin", headers);
        client.answer()
    };
    let (head, body) = get("");
    assert!(body == large);
    assert_eq!(header(&head, "accept-ranges"), Some("bytes"));
    let tag = header(&head, "etag").unwrap();
    let modified = header(&head, "last-modified").unwrap();

    let (head, _) = get(&format!("If-None-Match: \"x\", W/{tag}\r\n"));
    assert_eq!((status(&head), header(&head, "etag")), (304, Some(tag)));
    assert_eq!(status(&get("If-None-Match: *\r\n").0), 304);
    assert_eq!(status(&get(&format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}\r\n")).0), 304);
    assert_eq!(status(&get(&format!("If-Match: \"x\", {tag}\r\nRange: bytes=0-1\r\n")).0), 206);
    assert_eq!(status(&get(&format!("If-Match: W/{tag}\r\n")).0), 412);
    assert_eq!(status(&get("If-Match: *\r\nIf-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n").0), 200);
    assert_eq!(status(&get("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n").0), 412);
    assert_eq!(status(&get(&format!("If-Unmodified-Since: {modified}\r\n")).0), 200);
    assert_eq!(status(&get(&format!("If-Modified-Since: {modified}\r\n")).0), 304);
    assert_eq!(status(&get(&format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}\r\n")).0), 200);
    assert_eq!(status(&get("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n").0), 200);

    let (head, body) = get("Range: bytes=10-19\r\n");
    assert_eq!((status(&head), header(&head, "content-range")), (206, Some("bytes 10-19/300000")));
    assert_eq!(body, &large[10..20]);
    let (head, body) = get("Range: bytes=100000-\r\n");
    assert_eq!(status(&head), 206);
    assert!(body == large[100_000..]);
    let (head, _) = get("Range: bytes=300000-\r\n");
    assert_eq!((status(&head), header(&head, "content-range")), (416, Some("bytes */300000")));
    assert_eq!(status(&get("Range: bytes=0-1,5-6\r\n").0), 200);
    assert_eq!(status(&get(&format!("Range: bytes=0-1\r\nIf-Range: {tag}\r\n")).0), 206);
    assert_eq!(status(&get("Range: bytes=0-1\r\nIf-Range: \"x\"\r\n").0), 200);

    client.send(
        "HEAD /files/large.bin HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    let mut head = [0; 1024];
    let count = client.0.peek(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..count]);
    assert_eq!(header(&head, "content-length"), Some("300000"));
}

#[test]
fn an_answer_may_be_a_file() {
    let directory = Directory::new("answer");
    let path = directory.write("note.txt", b"a note");
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("GET", "/")]));
    let mut client = Client::new(&server);
    let mut ask = |headers: &str, status, path: &Path| {
        client.get("/", headers);
        let body = Body::File(path.to_owned());
        owner.take().reply.send(Response { status, content_type: None, headers: Vec::new(), body }).unwrap();
        client.answer()
    };
    let (head, body) = ask("", 200, &path);
    assert_eq!((status(&head), &body[..]), (200, &b"a note"[..]));
    assert_eq!(header(&head, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(header(&head, "cache-control"), Some("no-store"));
    assert_eq!(ask("Range: bytes=2-\r\n", 200, &path).1, b"note");
    assert_eq!(status(&ask("Range: bytes=2-\r\n", 404, &path).0), 404);
    assert_eq!(status(&ask("", 200, &directory.0.join("missing")).0), 404);
    assert_eq!(status(&ask("", 200, &directory.0).0), 404);
}

#[test]
fn slow_and_silent_clients_end() {
    let quick = Duration::from_millis(60);
    let limits = Limits { head_time: quick, body_time: quick, idle_time: quick, ..Limits::default() };
    let owner = Owner::new(8);
    let server = owner.start(Config { limits, ..Config::default() }, routes(&[("POST", "/")]));
    let mut silent = Client::new(&server);
    let mut slow_head = Client::new(&server);
    slow_head.send("GET / HTTP/1.1\r\nHost:");
    let mut slow_body = Client::new(&server);
    slow_body.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabc");
    let mut idle = Client::new(&server);
    idle.get("/nowhere", "");
    assert_eq!(idle.status(), 404);
    assert!(silent.is_closed());
    assert_eq!(slow_head.status(), 408);
    assert!(slow_head.is_closed());
    assert_eq!(slow_body.status(), 408);
    assert!(slow_body.is_closed());
    assert!(idle.is_closed());
    wait_for("all ends", || server.stats().connections == 0);
}

#[test]
fn a_refusal_outlives_an_unread_body() {
    let owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("POST", "/")]));
    for _ in 0..10 {
        let mut client = Client::new(&server);
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        let junk = vec![b'x'; 500_000];
        client.0.write_all(&junk).unwrap();
        assert_eq!(client.status(), 413);
        assert!(client.is_closed());
    }
}

#[test]
fn one_continue_and_only_when_the_body_is_wanted() {
    let mut owner = Owner::new(8);
    let server = owner.start(Config::default(), routes(&[("POST", "/")]));
    let mut client = Client::new(&server);
    let post = |length| {
        format!("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n")
    };
    client.send(&post(3));
    assert_eq!(client.status(), 100);
    client.send("abc");
    let request = owner.take();
    assert_eq!(request.sent.body(), b"abc");
    request.reply.send(text("x")).unwrap();
    assert_eq!(client.status(), 200);
    client.send(&post(3_000_000));
    assert_eq!(client.status(), 413);
    assert!(client.is_closed());
}

#[test]
fn listed_pages_may_call() {
    let origin = "http://localhost:3000";
    let mut owner = Owner::new(8);
    let config = Config { origins: vec![origin.to_owned()], token: Some(TOKEN.to_owned()), ..Config::default() };
    let server = owner.start(config, routes(&[("PUT", "/"), ("GET", "/")]));
    let mut client = Client::new(&server);
    client.send(&format!(
        "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n\
         Access-Control-Request-Headers: authorization,x-a\r\nAccess-Control-Request-Private-Network: true\r\n\r\n"
    ));
    let (head, _) = client.answer();
    assert_eq!(status(&head), 204);
    for line in [
        "access-control-allow-origin: http://localhost:3000",
        "access-control-allow-methods: PUT, GET, HEAD, OPTIONS",
        "access-control-allow-headers: authorization,x-a",
        "access-control-max-age: 600",
        "access-control-allow-private-network: true",
        "vary: Origin",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    let listed = format!("Origin: {origin}\r\nSec-Fetch-Site: cross-site\r\n");
    client.get("/", &listed);
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "access-control-allow-origin")), (401, Some(origin)));
    client.get("/", &format!("{listed}Authorization: Bearer {TOKEN}\r\n"));
    owner.take().reply.send(text("x")).unwrap();
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "access-control-allow-origin")), (200, Some(origin)));
    client.get(&format!("/{}", "a".repeat(9000)), &listed);
    let (head, _) = client.answer();
    assert_eq!((status(&head), header(&head, "access-control-allow-origin")), (414, Some(origin)));
}
