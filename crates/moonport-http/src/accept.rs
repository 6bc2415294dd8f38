// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server's thread: its runtime, the task that accepts connections and ends when it is told to, and what all
//! connections share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use moonport_codec::json::Tape;
use moonport_core::{Sender, priority};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep};

use crate::Limits;
use crate::clock::{Clock, Sleeping};
use crate::connection::{self, LINGER, Link};
use crate::listen::{Bound, Listener};
use crate::post::{self, Post};
use crate::refusal::TOO_MANY_CONNECTIONS;
use crate::room::{Crowd, Room};
use crate::routes::Routes;
use crate::security::Guard;
use crate::server::{ABORTING, Control, RUNNING};
use crate::stats::Counters;
use crate::stream::Stream;
use crate::tls::Acceptor;
use crate::token::{Links, Secrets};
use crate::wakes::Wakes;

/// Connections that are being told that they are one too many; more are closed without a word.
const TURNED_AWAY: usize = 64;

/// How long a connection may have waited for its client before it has to make place for another one.
const PATIENCE: Duration = Duration::from_secs(1);

/// After an error of accept, such as no free descriptors.
const RETRY: Duration = Duration::from_millis(50);

/// How long the thread waits at its end for a file that does not let itself be read.
const FILES: Duration = Duration::from_secs(1);

/// What the thread takes with it.
pub(crate) struct Plan {
    pub(crate) listener: Bound,
    pub(crate) max_connections: usize,
    pub(crate) limits: Limits,
    pub(crate) max_body: usize,
    pub(crate) deadline: Duration,
    pub(crate) routes: Routes,
    pub(crate) guard: Guard,
    pub(crate) tls: Option<Acceptor>,
    pub(crate) secrets: Option<Secrets>,
    pub(crate) sender: Sender,
    pub(crate) links: Arc<Links>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) control: Arc<Control>,
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) room: Arc<Room>,
}

impl Plan {
    /// Runs the server to its end. `ready` hears once whether it started.
    pub(crate) fn run(self, ready: &mpsc::SyncSender<io::Result<()>>) {
        let _end = End(Arc::clone(&self.control));
        // The owner answers several requests before this thread goes on with them.
        priority::wait_for_turn();
        let sleeping = Sleeping::default();
        let clock = Clock::new(sleeping.clone());
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .on_thread_park(move || sleeping.begin())
            .max_blocking_threads(2)
            .thread_name("moonport-files")
            .build_local(LocalOptions::default());
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        self.serve(&runtime, clock, ready);
        runtime.shutdown_timeout(FILES);
    }

    fn serve(self, runtime: &LocalRuntime, clock: Clock, ready: &mpsc::SyncSender<io::Result<()>>) {
        let listener = {
            let _context = runtime.enter();
            Listener::new(self.listener, self.limits.idle_time)
        };
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let site = Rc::new(Site {
            clock,
            tape: RefCell::default(),
            hyper_buffer: self.limits.head.max(65_536),
            limits: self.limits,
            max_body: self.max_body,
            deadline: self.deadline,
            routes: self.routes,
            guard: self.guard,
            tls: self.tls,
            secrets: self.secrets,
            links: self.links,
            post: Post::new(self.sender),
            counters: self.counters,
            wakes: self.wakes,
            crowd: Crowd::new(self.room),
            stopping: Cell::new(false),
            seats: RefCell::default(),
            nobody_waits_until: Cell::new(Instant::now()),
            turned_away: Cell::new(0),
            sockets: Cell::new((0, 0)),
            main: Cell::new(None),
        });
        {
            let _context = runtime.enter();
            drop(runtime.spawn_local(post::wake(Rc::clone(&site))));
        }
        let mut main = Main {
            site,
            control: self.control,
            listener: Some(listener),
            max_connections: self.max_connections,
            place: 0,
            retry: None,
            spare: Vec::new(),
        };
        drop(ready.send(Ok(())));
        runtime.block_on(poll_fn(|context| main.poll(context)));
    }
}

/// Tells the owner, however the thread ends.
struct End(Arc<Control>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What all connections share on the server's thread.
pub(crate) struct Site {
    pub(crate) limits: Limits,
    pub(crate) max_body: usize,
    pub(crate) deadline: Duration,
    pub(crate) routes: Routes,
    pub(crate) guard: Guard,
    pub(crate) tls: Option<Acceptor>,
    pub(crate) secrets: Option<Secrets>,
    pub(crate) links: Arc<Links>,
    pub(crate) post: Post,
    pub(crate) counters: Arc<Counters>,
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) clock: Clock,
    /// For reading JSON.
    pub(crate) tape: RefCell<Tape>,
    /// WebSockets that wait for room in the mailbox.
    pub(crate) crowd: Crowd,
    /// The most that hyper buffers of a connection, in each direction.
    pub(crate) hyper_buffer: usize,
    stopping: Cell<bool>,
    /// The connections, by number.
    seats: RefCell<BTreeMap<u64, Seat>>,
    /// Before this time no connection can have waited for [`PATIENCE`].
    nobody_waits_until: Cell<Instant>,
    turned_away: Cell<usize>,
    /// WebSockets: the last one's number, and how many are open.
    sockets: Cell<(u64, u64)>,
    /// Set while the main task waits for the last connection to end.
    main: Cell<Option<Waker>>,
}

struct Seat {
    link: Rc<Link>,
    /// Wakes its task, once that has been polled.
    waker: Option<Waker>,
}

impl Site {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(crate) fn seat(&self, place: u64, waker: &Waker) {
        if let Some(seat) = self.seats.borrow_mut().get_mut(&place) {
            seat.waker = Some(waker.clone());
        }
    }

    /// Ends the connection whose client has kept it waiting for the longest time, so that another one gets its place:
    /// one that has no whole head yet, else an idle one. False: none has waited long enough.
    fn make_place(&self) -> bool {
        let now = Instant::now();
        if now < self.nobody_waits_until.get() {
            return false;
        }
        let seat = {
            let mut seats = self.seats.borrow_mut();
            let waiting =
                || seats.iter().filter_map(|(place, seat)| seat.link.kept_waiting().map(|kept| (kept, *place)));
            let longest = waiting().filter(|((_, since), _)| now.duration_since(*since) >= PATIENCE).min();
            if longest.is_none() {
                let first = waiting().map(|((_, since), _)| since).min().unwrap_or(now);
                self.nobody_waits_until.set(first + PATIENCE);
            }
            longest.and_then(|(_, place)| seats.remove(&place))
        };
        let Some(Seat { link, waker }) = seat else { return false };
        link.give_way();
        waker.into_iter().for_each(Waker::wake);
        self.counters.evicted.one();
        true
    }

    pub(crate) fn leave(&self, place: u64) {
        let count = {
            let mut seats = self.seats.borrow_mut();
            seats.remove(&place);
            seats.len()
        };
        self.counters.connections.set(count as u64);
        if let Some(waker) = self.main.take() {
            waker.wake();
        }
    }

    /// A WebSocket begins; gives its number.
    pub(crate) fn open_socket(&self) -> u64 {
        let (last, open) = self.sockets.get();
        self.set_sockets(last + 1, open + 1);
        last + 1
    }

    pub(crate) fn close_socket(&self) {
        let (last, open) = self.sockets.get();
        self.set_sockets(last, open.saturating_sub(1));
    }

    fn set_sockets(&self, last: u64, open: u64) {
        self.sockets.set((last, open));
        self.counters.sockets.set(open);
    }

    fn stop(&self) {
        self.stopping.set(true);
        let wakers: Vec<_> = self.seats.borrow().values().filter_map(|seat| seat.waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The task that accepts.
struct Main {
    site: Rc<Site>,
    control: Arc<Control>,
    listener: Option<Listener>,
    max_connections: usize,
    place: u64,
    retry: Option<Pin<Box<Sleep>>>,
    spare: Vec<Waker>,
}

impl Main {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.site.wakes.spread(context.waker(), &mut self.spare);
        self.site.crowd.spread();
        match self.control.poll(context.waker()) {
            RUNNING => {}
            ABORTING => return Poll::Ready(()),
            _ if self.site.is_stopping() => {}
            _ => {
                self.listener = None;
                self.site.stop();
            }
        }
        if self.site.is_stopping() {
            if self.site.seats.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.site.main.set(Some(context.waker().clone()));
            return Poll::Pending;
        }
        loop {
            ready!(self.poll_accept(context));
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(retry) = &mut self.retry {
            ready!(retry.as_mut().poll(context));
            self.retry = None;
        }
        let Some(listener) = &self.listener else { return Poll::Pending };
        match ready!(listener.poll_accept(context)) {
            Ok((stream, peer)) => self.admit(stream, peer),
            Err(_) => self.retry = Some(Box::pin(sleep(RETRY))),
        }
        Poll::Ready(())
    }

    fn admit(&mut self, stream: Stream, peer: String) {
        let site = &self.site;
        site.counters.accepted.one();
        if site.seats.borrow().len() >= self.max_connections && !site.make_place() {
            site.counters.full.one();
            // Nothing can be said before a handshake, which is what there is no room for.
            if site.turned_away.get() < TURNED_AWAY && site.tls.is_none() {
                site.turned_away.set(site.turned_away.get() + 1);
                drop(spawn_local(turn_away(Rc::clone(site), stream)));
            }
            return;
        }
        self.place += 1;
        let link = Rc::new(Link::new(peer, site));
        let mut seats = site.seats.borrow_mut();
        seats.insert(self.place, Seat { link: Rc::clone(&link), waker: None });
        site.counters.connections.set(seats.len() as u64);
        drop(spawn_local(connection::drive(Rc::clone(site), stream, link, self.place)));
    }
}

/// Answers a connection that is one too many, and reads until its client has the answer.
async fn turn_away(site: Rc<Site>, mut stream: Stream) {
    let mut deadline = Box::pin(sleep(LINGER));
    let mut buffer = [0; 1024];
    let mut answered = false;
    poll_fn(|context| {
        if deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if !answered {
            // A new socket has room for it.
            match ready!(Pin::new(&mut stream).poll_write(context, TOO_MANY_CONNECTIONS)) {
                Ok(count) if count == TOO_MANY_CONNECTIONS.len() => answered = true,
                _ => return Poll::Ready(()),
            }
            drop(Pin::new(&mut stream).poll_shutdown(context));
        }
        loop {
            let mut space = ReadBuf::new(&mut buffer);
            match ready!(Pin::new(&mut stream).poll_read(context, &mut space)) {
                Ok(()) if !space.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
    site.turned_away.set(site.turned_away.get().saturating_sub(1));
}
