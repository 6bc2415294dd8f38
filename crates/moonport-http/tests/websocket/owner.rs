// SPDX-License-Identifier: MIT OR Apache-2.0
//! An owner on a thread of its own, which echoes messages and notes what it hears.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use moonport_core::{Mailbox, Payload, PortOptions};
use moonport_http::{Config, Event, RouteOptions, Routes, Server, Socket, SocketEvent, Stats, WebSocketOptions};

/// Longer than anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().name("websocket-test".to_owned()).spawn(run).unwrap()
}

pub(crate) struct Owner {
    pub(crate) address: SocketAddr,
    pub(crate) server: Arc<Server>,
    /// "open /path", "text 5", "binary 5" and "close 1000 reason", in the order in which they came.
    pub(crate) notes: Receiver<String>,
    /// The sockets that were opened.
    pub(crate) sockets: Arc<Mutex<Vec<Arc<Socket>>>>,
    busy: Arc<AtomicBool>,
    away: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    /// `/echo` echoes, `/quiet` does not. `/page` is no WebSocket, and is never asked for without a link.
    pub(crate) fn start(config: Config, options: WebSocketOptions) -> Self {
        Self::with_queue(config, options, 1024)
    }

    pub(crate) fn with_queue(config: Config, options: WebSocketOptions, capacity: usize) -> Self {
        let (ready, started) = channel();
        let (noted, notes) = channel();
        let sockets = Arc::new(Mutex::new(Vec::new()));
        let busy = Arc::new(AtomicBool::new(false));
        let over = Arc::new(AtomicBool::new(false));
        let away = Arc::new(AtomicBool::new(false));
        let (known, is_busy, is_over) = (Arc::clone(&sockets), Arc::clone(&busy), Arc::clone(&over));
        let is_away = Arc::clone(&away);
        let thread = spawn(move || {
            let mut mailbox = Mailbox::new().unwrap();
            let port = mailbox.open(PortOptions { capacity, ..PortOptions::default() }).unwrap();
            mailbox.listen(port, true);
            let mut routes = Routes::default();
            for path in ["/echo", "/quiet"] {
                let websocket = Some(options.clone());
                routes.add("GET", path, RouteOptions { websocket, ..RouteOptions::default() }).unwrap();
            }
            routes.add("GET", "/page", RouteOptions::default()).unwrap();
            let server = Arc::new(Server::start(config, routes, mailbox.sender(port).unwrap()).unwrap());
            ready.send(Arc::clone(&server)).unwrap();
            while !is_over.load(Ordering::Acquire) {
                if is_busy.load(Ordering::Acquire) {
                    is_away.store(true, Ordering::Release);
                    thread::park_timeout(Duration::from_millis(5));
                    continue;
                }
                is_away.store(false, Ordering::Release);
                let taken = mailbox.take_within(port, Some(Duration::from_millis(5))).unwrap();
                let Some(message) = taken else { continue };
                let Payload::Object { value, .. } = message.payload else { panic!("bytes") };
                let event: SocketEvent = *value.downcast().unwrap();
                let note = match &event.event {
                    Event::Open(request) => {
                        known.lock().unwrap().push(Arc::clone(&event.socket));
                        format!("open {}", request.sent.path())
                    }
                    Event::Message { kind, data } => {
                        if event.route == 0 {
                            // It may be closed meanwhile.
                            event.socket.send(*kind, data.clone()).ok();
                        }
                        format!("{kind:?} {}", data.len()).to_lowercase()
                    }
                    Event::Close { code, reason } => format!("close {code} {reason}").trim_end().to_owned(),
                };
                drop(event);
                server.room_made();
                if noted.send(note).is_err() {
                    break;
                }
            }
        });
        let server: Arc<Server> = started.recv_timeout(LIMIT).unwrap();
        Self { address: server.address(), server, notes, sockets, busy, away, over, thread: Some(thread) }
    }

    pub(crate) fn note(&self) -> String {
        self.notes.recv_timeout(LIMIT).expect("something in time")
    }

    /// It takes nothing until it is told otherwise.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Release);
        while busy && !self.away.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }

    pub(crate) fn socket(&self) -> Arc<Socket> {
        Arc::clone(self.sockets.lock().unwrap().last().unwrap())
    }

    pub(crate) fn stats(&self) -> Stats {
        self.server.stats()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the owner has failed");
        }
    }
}
