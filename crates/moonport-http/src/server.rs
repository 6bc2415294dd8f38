// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handle of a server, which stays with its owner, and how it reaches the server's thread.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Waker;
use std::thread::{self, JoinHandle};

use moonport_core::{Sender, fork};

use crate::accept::Plan;
use crate::config::{Config, StartError};
use crate::listen;
use crate::room::Room;
use crate::routes::Routes;
use crate::security::{BadEntry, Guard};
use crate::stats::{Counters, Stats};
use crate::tls;
use crate::token::{Links, Secrets, check_token};
use crate::wakes::Wakes;

/// A running server. Dropping it is [`Server::abort`].
///
/// Thread: any. In a forked child it does nothing.
pub struct Server {
    url: String,
    address: SocketAddr,
    has_token: bool,
    links: Arc<Links>,
    counters: Arc<Counters>,
    control: Arc<Control>,
    room: Arc<Room>,
    thread: Option<JoinHandle<()>>,
    fork: u32,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Server {
    /// Binds the address and starts the thread `moonport-http`. Each request for a route is sent through `sender` as an
    /// [`moonport_core::Payload::Object`] that holds a [`crate::Request`].
    ///
    /// Blocks: until the thread runs.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong with the configuration or what the system refused.
    pub fn start(config: Config, mut routes: Routes, sender: Sender) -> Result<Self, StartError> {
        let name = config.address.clone();
        if routes.is_forked() {
            return Err(StartError::Forked { address: name });
        }
        let guard = Guard::new(&config.hosts, &config.origins).map_err(|entry| match entry {
            BadEntry::Host(host) => StartError::InvalidHost { address: name.clone(), host },
            BadEntry::Origin(origin) => StartError::InvalidOrigin { address: name.clone(), origin },
        })?;
        for token in config.token.iter().chain(&config.session) {
            check_token(token).map_err(|source| StartError::InvalidToken { address: name.clone(), source })?;
        }
        if config.client {
            routes.add_client().map_err(|source| StartError::Client { address: name.clone(), source })?;
        }
        let tls = acceptor(&config)?;
        let failed = |error| StartError::from_io(&name, error);
        let (listener, url, address) = listen::bind(&config)?;
        let has_token = config.token.is_some();
        let secrets = config.token.map(|token| Secrets::new(token, config.session, address.port(), tls.is_some()));
        let secrets = secrets.transpose().map_err(failed)?;
        let links = Arc::new(Links::default());
        let counters = Arc::new(Counters::default());
        let control = Arc::new(Control::default());
        let wakes = Arc::new(Wakes::default());
        let room = Arc::new(Room::new(Arc::clone(&wakes)));
        let plan = Plan {
            listener,
            max_connections: config.max_connections,
            limits: config.limits,
            max_body: config.max_body,
            deadline: config.deadline,
            routes,
            guard: guard.with_tls(tls.is_some()),
            tls,
            secrets,
            sender,
            links: Arc::clone(&links),
            counters: Arc::clone(&counters),
            control: Arc::clone(&control),
            wakes,
            room: Arc::clone(&room),
        };
        let (ready, started) = mpsc::sync_channel(1);
        let thread =
            thread::Builder::new().name("moonport-http".to_owned()).spawn(move || plan.run(&ready)).map_err(failed)?;
        let result = started.recv().unwrap_or_else(|_| Err(io::Error::other("the thread ended at once")));
        if let Err(error) = result {
            // It has given its result and is about to end.
            drop(thread.join());
            return Err(failed(error));
        }
        Ok(Self {
            url,
            address,
            has_token,
            links,
            counters,
            control,
            room,
            thread: Some(thread),
            fork: fork::generation(),
        })
    }

    /// `http://127.0.0.1:8787` or `https://127.0.0.1:8787`, without a slash at its end, or `unix:/path`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address that it listens on, with the port that was picked; `0.0.0.0:0` where that is a Unix socket.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address for a browser: it works once, for 10 minutes, and gives the browser a cookie in place of the token.
    /// Without a token it is just the address. At most 64 wait to be used; one more ends the oldest.
    ///
    /// # Errors
    /// The path does not start with a slash or has control characters; the system has no random numbers; browsers do not
    /// open Unix sockets; this is a forked child.
    pub fn link(&self, path: &str) -> io::Result<String> {
        if self.is_forked() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the server belongs to the parent of this process"));
        }
        if !path.starts_with('/') || path.chars().any(char::is_control) {
            let message = format!("expected a path like \"/\", got {path:?}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if self.url.starts_with("unix:") {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a browser cannot open a Unix socket"));
        }
        let (path, fragment) = path.find('#').map_or((path, ""), |at| path.split_at(at));
        let mut link = self.url.clone();
        push_encoded(&mut link, path);
        if self.has_token {
            link.push(if path.contains('?') { '&' } else { '?' });
            link.push_str("token=");
            link.push_str(&self.links.make()?);
        }
        push_encoded(&mut link, fragment);
        Ok(link)
    }

    /// What it has counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// The owner has handled and freed a message of this server's: WebSockets that waited for room go on.
    ///
    /// Thread: any. Blocks: never.
    pub fn room_made(&self) {
        if !self.is_forked() {
            self.room.made();
        }
    }

    /// Stops accepting and closes idle connections; requests that are being served are answered with
    /// `Connection: close`. `finished` runs on the server's thread just before that ends, or at once if it has ended.
    ///
    /// Blocks: never. A second call has no effect but that its `finished` takes the place of the first.
    pub fn begin_stop(&self, finished: Box<dyn FnOnce() + Send>) {
        if !self.is_forked() {
            self.control.stop(finished);
        }
    }

    /// Has its thread ended? In a forked child it has.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_forked() || self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Closes everything at once and joins the thread. In a forked child nothing is touched.
    ///
    /// Blocks: until the thread has ended, at most about a second.
    pub fn abort(self) {
        drop(self);
    }

    fn is_forked(&self) -> bool {
        self.fork != fork::generation()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if self.is_forked() {
            // In a child the thread does not exist and its handle must not be touched: it is never freed.
            let _never_freed = ManuallyDrop::new(thread);
            return;
        }
        self.control.abort();
        // `finished` may drop the server on its own thread, which ends without being waited for.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic there has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

fn acceptor(config: &Config) -> Result<Option<tls::Acceptor>, StartError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let refused = |(reason, name)| StartError::Tls { address: config.address.clone(), reason, name };
    if config.address.starts_with("unix:") {
        return Err(refused(("what goes through a Unix socket does not leave this machine".to_owned(), "unsupported")));
    }
    tls::acceptor(tls).map(Some).map_err(refused)
}

/// Appends text with everything percent-encoded that an address does not carry as it is.
fn push_encoded(link: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') {
            link.push(char::from(byte));
        } else {
            link.push('%');
            link.push(char::from(DIGITS[usize::from(byte >> 4)]));
            link.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

pub(crate) const RUNNING: u8 = 0;
pub(crate) const STOPPING: u8 = 1;
pub(crate) const ABORTING: u8 = 2;

/// How the handle reaches the thread.
#[derive(Default)]
pub(crate) struct Control {
    state: AtomicU8,
    inner: Mutex<ControlInner>,
}

#[derive(Default)]
struct ControlInner {
    waker: Option<Waker>,
    finished: Option<Box<dyn FnOnce() + Send>>,
    ended: bool,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, ControlInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, finished: Box<dyn FnOnce() + Send>) {
        let mut inner = self.lock();
        if inner.ended {
            drop(inner);
            return finished();
        }
        let former = inner.finished.replace(finished);
        drop(inner);
        drop(former);
        self.raise(STOPPING);
    }

    fn abort(&self) {
        self.raise(ABORTING);
    }

    fn raise(&self, state: u8) {
        // Pairs with the load in `poll`; the lock that both take orders it against the waker.
        self.state.fetch_max(state, Ordering::Release);
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The state, and a wake-up when it changes.
    pub(crate) fn poll(&self, waker: &Waker) -> u8 {
        let former = self.lock().waker.replace(waker.clone());
        drop(former);
        self.state.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let finished = inner.finished.take();
        drop(inner);
        if let Some(finished) = finished {
            finished();
        }
    }
}
