// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real server, and an owner thread that counts what wakes it and answers by route.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use moonport_core::{Mailbox, Notifier, Payload, PortOptions, Sender};
use moonport_http::{Body, Config, Content, Request, Response, RouteOptions, Routes, Server};

use super::client::Client;
use super::{LIMIT, until};

/// How a fixture differs from the defaults.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) capacity: usize,
    /// Served below `/static`.
    pub(crate) directory: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { config: Config::default(), capacity: 1024, directory: None }
    }
}

/// What the owner shares with the tests.
#[derive(Debug, Default)]
pub(crate) struct Owner {
    woken: AtomicUsize,
    stop: AtomicBool,
    /// Requests that a test answers itself, oldest first.
    pub(crate) held: Mutex<Vec<Request>>,
    /// The query's id of each `/echo` that had one, in the order of arrival.
    pub(crate) ids: Mutex<Vec<String>>,
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    blocked: bool,
    released: bool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panicked")
}

impl Owner {
    /// Requests that reached the owner, fences not counted.
    pub(crate) fn woken(&self) -> usize {
        self.woken.load(Ordering::SeqCst)
    }

    /// Sleeps inside a handler until [`Owner::release`].
    fn block(&self) {
        let mut gate = lock(&self.gate);
        gate.blocked = true;
        self.changed.notify_all();
        while !gate.released && !self.stop.load(Ordering::SeqCst) {
            gate = self.changed.wait_timeout(gate, Duration::from_millis(100)).expect("no holder panicked").0;
        }
        *gate = Gate::default();
    }

    pub(crate) fn wait_until_blocked(&self) -> Result<(), String> {
        let gate = lock(&self.gate);
        let (gate, _) = self.changed.wait_timeout_while(gate, LIMIT, |gate| !gate.blocked).expect("no holder panicked");
        if gate.blocked { Ok(()) } else { Err("the owner never came to /block".to_owned()) }
    }

    pub(crate) fn release(&self) {
        lock(&self.gate).released = true;
        self.changed.notify_all();
    }

    pub(crate) fn wait_until_held(&self, count: usize) -> Result<(), String> {
        until(&format!("{count} held requests"), || lock(&self.held).len() == count)
    }

    /// Answers everything held; gives how many of them were still wanted.
    pub(crate) fn answer_held(&self) -> usize {
        let held = std::mem::take(&mut *lock(&self.held));
        held.into_iter().filter_map(|request| request.reply.send(text(200, "held")).ok()).count()
    }
}

pub(crate) struct Fixture {
    server: Option<Server>,
    thread: Option<JoinHandle<()>>,
    sender: Sender,
    waker: Notifier,
    pub(crate) owner: Arc<Owner>,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Fixture {
    pub(crate) fn start(setup: Setup) -> Self {
        let owner = Arc::new(Owner::default());
        let (give, take) = mpsc::channel();
        let (routes, names) = routes(&setup);
        let shared = Arc::clone(&owner);
        let thread = Builder::new()
            .name("owner".to_owned())
            .spawn(move || run(setup.capacity, &names, &shared, &give))
            .expect("a thread");
        let (sender, waker) = take.recv_timeout(LIMIT).expect("the owner is ready");
        let token = setup.config.token.clone().unwrap_or_default();
        let server = Server::start(setup.config, routes, sender).expect("the server starts");
        let address = server.address();
        Self { server: Some(server), thread: Some(thread), sender, waker, owner, address, token }
    }

    pub(crate) fn client(&self) -> Result<Client, String> {
        Client::connect(self.address)
    }

    /// A one-time link, as target: path and query.
    pub(crate) fn link(&self, path: &str) -> Result<String, String> {
        let server = self.server.as_ref().ok_or("stopped")?;
        let link = server.link(path).map_err(|error| format!("link: {error}"))?;
        let base = format!("http://{}", self.address);
        link.strip_prefix(&base).map(str::to_owned).ok_or(format!("the link {link} is not below {base}"))
    }

    /// Messages sent by the server and not yet taken by the owner, and how many were refused for want of room.
    pub(crate) fn queue(&self) -> (u64, u64) {
        let stats = self.sender.stats().expect("not released");
        (stats.waiting, stats.refused)
    }

    /// A round trip through server and owner on a connection of its own: what was sent before has been counted. Tried
    /// again while the server is still busy with closing connections.
    pub(crate) fn fence(&self) -> Result<(), String> {
        let request = format!("GET /fence HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        let mut last = String::new();
        until("fence", || {
            last = match self.client().and_then(|mut client| {
                client.send(request.as_bytes());
                client.answer(false)
            }) {
                Ok(Some(answer)) if answer.status == 200 && answer.body == b"fence" => return true,
                other => format!("{other:?}"),
            };
            false
        })
        .map_err(|error| format!("{error}; the last try gave {last}"))
    }

    /// Begins to stop the server in order; the receiver hears when it has ended.
    pub(crate) fn begin_stop(&self) -> mpsc::Receiver<()> {
        let (give, take) = mpsc::channel();
        if let Some(server) = &self.server {
            server.begin_stop(Box::new(move || {
                let _nobody_waits = give.send(());
            }));
        }
        take
    }

    /// Stops the server in order; `Err` if it does not say within [`LIMIT`] that it has ended.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        lock(&self.owner.held).clear();
        let stopped = self.begin_stop().recv_timeout(LIMIT).map_err(|_| "the server did not stop".to_owned());
        self.end_owner();
        stopped
    }

    pub(crate) fn abort(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }

    fn end_owner(&mut self) {
        self.owner.stop.store(true, Ordering::SeqCst);
        self.owner.release();
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.abort();
        self.end_owner();
    }
}

fn routes(setup: &Setup) -> (Routes, Vec<&'static str>) {
    let mut routes = Routes::default();
    let mut names = Vec::new();
    let mut add = |method: &str, path: &'static str, options: RouteOptions| {
        let index = routes.add(method, path, options).expect("a good route");
        if names.len() <= index {
            names.resize(index + 1, "");
        }
        names[index] = path;
    };
    let open = || RouteOptions { token: false, ..RouteOptions::default() };
    let content = |content| RouteOptions { content: Some(content), ..RouteOptions::default() };
    add("GET", "/echo", RouteOptions::default());
    add("POST", "/echo", RouteOptions::default());
    add("PUT", "/echo", RouteOptions::default());
    add("GET", "/items/{id}", RouteOptions::default());
    add("GET", "/files/{*rest}", RouteOptions::default());
    add("POST", "/json", content(Content::Json));
    add("POST", "/msgpack", content(Content::MessagePack));
    add("POST", "/raw", content(Content::Raw));
    add("POST", "/small", RouteOptions { max_body: Some(16), ..RouteOptions::default() });
    add("GET", "/slow", RouteOptions::default());
    let deadline = Some(Duration::from_millis(200));
    add("GET", "/late", RouteOptions { deadline, ..RouteOptions::default() });
    add("GET", "/block", open());
    add("GET", "/open", open());
    add("GET", "/fence", open());
    for path in ["/nothing", "/drop", "/lying", "/switching", "/no-such-file", "/file", "/big"] {
        add("GET", path, RouteOptions::default());
    }
    if let Some(directory) = &setup.directory {
        routes.add_static("/static", directory).expect("a directory");
    }
    (routes, names)
}

fn run(capacity: usize, names: &[&str], owner: &Owner, give: &mpsc::Sender<(Sender, Notifier)>) {
    let mut mailbox = Mailbox::new().expect("a mailbox");
    let port = mailbox.open(PortOptions { capacity, ..PortOptions::default() }).expect("a port");
    mailbox.listen(port, true);
    let sender = mailbox.sender(port).expect("the port is open");
    give.send((sender, mailbox.notifier())).expect("the test waits");
    while !owner.stop.load(Ordering::SeqCst) {
        while let Some(message) = mailbox.next() {
            let Payload::Object { value, .. } = message.payload else { panic!("a payload of bytes") };
            let request = value.downcast::<Request>().expect("a request");
            handle(owner, names[request.route], *request);
        }
        mailbox.rest();
        let _interrupted = mailbox.wait(Some(LIMIT));
    }
}

/// Bytes of `/big`: more than the sockets of both ends hold.
pub(crate) const BIG: usize = 32 << 20;

pub(crate) fn text(status: u16, text: &str) -> Response {
    Response { status, content_type: None, headers: Vec::new(), body: Body::Bytes(text.to_owned().into()) }
}

fn handle(owner: &Owner, route: &str, request: Request) {
    if route != "/fence" {
        owner.woken.fetch_add(1, Ordering::SeqCst);
    }
    let header = |name: &str, value: &str| (name.parse().expect("a name"), value.parse().expect("a value"));
    let response = match route {
        "/fence" => text(200, "fence"),
        "/slow" | "/late" => return lock(&owner.held).push(request),
        "/drop" => return drop(request),
        "/block" => {
            owner.block();
            text(200, "released")
        }
        "/nothing" => text(204, "what nobody may see"),
        "/big" => text(200, &"a".repeat(BIG)),
        "/switching" => text(101, ""),
        "/lying" => Response {
            headers: vec![
                header("content-length", "50"),
                header("transfer-encoding", "chunked"),
                header("connection", "keep-alive"),
                header("access-control-allow-origin", "*"),
                header("access-control-allow-credentials", "true"),
            ],
            ..text(200, "truth")
        },
        "/no-such-file" => Response {
            status: 200,
            content_type: None,
            headers: Vec::new(),
            body: Body::File("/nonexistent/moonport".into()),
        },
        "/file" => Response {
            status: 200,
            content_type: None,
            headers: Vec::new(),
            body: Body::File(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()),
        },
        _ => {
            if let Some((_, id)) = request.query.iter().find(|(name, _)| name == "id") {
                lock(&owner.ids).push(id.clone());
            }
            Response { headers: vec![header("x-answer", "echo")], ..text(200, &describe(&request)) }
        }
    };
    // Refused where the client has left, and then nobody wants to know.
    let _refused = request.reply.send(response);
}

/// What the owner saw, one line each, for the table to look for.
fn describe(request: &Request) -> String {
    let mut text = String::new();
    let content = match request.content {
        None => "none",
        Some(Content::Json) => "json",
        Some(Content::MessagePack) => "msgpack",
        Some(Content::Form) => "form",
        Some(Content::Raw) => "raw",
    };
    let mut line = |what: &str, value: &str| writeln!(text, "{what} <{value}>").expect("a string grows");
    line("method", request.method.as_str());
    line("path", request.sent.path());
    line("content", content);
    for (name, value) in &request.params {
        line("param", &format!("{name}={value}"));
    }
    for (name, value) in &request.query {
        line("query", &format!("{name}={value}"));
    }
    for (name, value) in request.sent.headers() {
        let name = name.to_ascii_lowercase();
        if name.starts_with(b"x-") {
            line("header", &format!("{}={}", name.escape_ascii(), value.escape_ascii()));
        }
    }
    for part in &request.form {
        let file = part.filename.as_deref().map_or(String::new(), |name| format!(" file {name}"));
        let content_type = part.content_type.as_deref().map_or(String::new(), |name| format!(" type {name}"));
        line("part", &format!("{}={}{file}{content_type}", part.name, part.body.escape_ascii()));
    }
    let body = request.sent.body();
    line("size", &body.len().to_string());
    line("body", &String::from_utf8_lossy(&body[..body.len().min(2000)]));
    for length in request.sent.headers().all(b"content-length") {
        line("length", &length.escape_ascii().to_string());
    }
    text
}
