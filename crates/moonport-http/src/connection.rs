// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection: hyper over the gate, one timer for all its deadlines, and what gate, service and answer tell each
//! other. All of it stays on the server's thread.

use std::cell::{Cell, OnceCell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::time::{Instant, sleep_until};

use crate::accept::Site;
use crate::door::Door;
use crate::events::Cut;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::sent::Sent;
use crate::service;
use crate::session;
use crate::stream::Stream;
use crate::tls;
use crate::upgrade::Upgrade;

/// A client that closed its side while its request waits is gone after this time.
pub(crate) const LEAVE: Duration = Duration::from_millis(50);

/// How long a closed connection is still read, so that the client gets the answer before the reset.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Heartbeats of a stream of events in the time for which a connection may be silent; so many that a page does not take
/// end it.
const BEATS: u32 = 4;

/// What the connection waits for. Each phase has one deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first byte of the first head, or the rest of any head.
    Head,
    /// The body, wanted by the service.
    Body,
    /// The answer of the owner's thread.
    Waiting,
    /// The same, but the client has closed its side.
    Leaving,
    /// The answer is being written.
    Answering,
    /// Events are written as they come. The deadline is the next heartbeat's.
    Streaming,
    /// The answer is written as far as hyper is concerned; nothing of the next head came.
    Idle,
    /// The end, after an answer that left something unread.
    Linger,
    /// A WebSocket has the connection, and sees to its times itself.
    Upgraded,
}

/// What the gate found out about the head that hyper reads next.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// hyper reads the client's own head.
    Passed,
    /// hyper reads a harmless head in its place; this is the answer.
    Refused(Box<Refused>),
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// Its only Origin, not checked.
    pub(crate) origin: Option<Vec<u8>>,
}

/// What the parts of a connection tell each other.
pub(crate) struct Link {
    pub(crate) peer: Arc<str>,
    /// When the connection's task had its turn.
    now: Cell<Instant>,
    phase: Cell<Phase>,
    /// When the phase began.
    since: Cell<Instant>,
    /// Another connection has got the place of this one.
    gives_way: Cell<bool>,
    deadline: Cell<Instant>,
    expired: Cell<bool>,
    closed: Cell<bool>,
    progress: Cell<bool>,
    /// The answer to the head let through last is done, the gate may let the next one through.
    answered: Cell<bool>,
    /// Set when bytes of the client may be left unread at the end.
    linger: Cell<bool>,
    head_size: Cell<usize>,
    /// The current head, and its body if the gate has given that past hyper.
    sent: Cell<Sent>,
    /// Of the current body, by the sizes of its chunks so far.
    announced: Cell<u64>,
    verdict: Cell<Option<Verdict>>,
    /// Set when the answer is 101: what comes after it.
    upgrade: Cell<Option<Box<Upgrade>>>,
    /// Wakes the task from the owner's thread.
    gathered: OnceCell<Waker>,
    /// Set by the gate when it holds bytes back for which no socket will wake it.
    waker: Cell<Option<Waker>>,
    idle_time: Duration,
    /// Heartbeats that are due since the page took something last.
    beats: Cell<u32>,
    /// Tells that the page was cut off.
    cut: RefCell<Option<Cut>>,
}

impl Link {
    pub(crate) fn new(peer: String, site: &Site) -> Self {
        Self {
            peer: peer.into(),
            now: Cell::new(Instant::now()),
            phase: Cell::new(Phase::Head),
            since: Cell::new(Instant::now()),
            gives_way: Cell::new(false),
            deadline: Cell::new(after(site.limits.head_time)),
            expired: Cell::new(false),
            closed: Cell::new(false),
            progress: Cell::new(false),
            answered: Cell::new(false),
            linger: Cell::new(false),
            head_size: Cell::new(0),
            sent: Cell::default(),
            announced: Cell::new(0),
            verdict: Cell::new(None),
            upgrade: Cell::new(None),
            gathered: OnceCell::new(),
            waker: Cell::new(None),
            idle_time: site.limits.idle_time,
            beats: Cell::new(0),
            cut: RefCell::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Starts a phase that may last for `time`.
    pub(crate) fn begin(&self, phase: Phase, time: Duration) {
        let now = self.now.get();
        self.phase.set(phase);
        self.since.set(now);
        self.expired.set(false);
        self.deadline.set(later(now, time));
    }

    /// Whether the connection waits for a request, and since when: those that have begun a head (or a handshake, or
    /// nothing) come before those that had an answer.
    pub(crate) fn kept_waiting(&self) -> Option<(bool, Instant)> {
        match self.phase.get() {
            Phase::Head => Some((false, self.since.get())),
            Phase::Idle if !self.progress.get() => Some((true, self.since.get())),
            _ => None,
        }
    }

    /// The connection's task ends when it is woken.
    pub(crate) fn give_way(&self) {
        self.gives_way.set(true);
    }

    pub(crate) fn gives_way(&self) -> bool {
        self.gives_way.get()
    }

    /// Has the current phase lasted too long?
    pub(crate) fn is_expired(&self) -> bool {
        self.expired.get()
    }

    /// `sent`: the head, and perhaps its body.
    pub(crate) fn set_verdict(&self, verdict: Verdict, sent: Sent, head_size: usize) {
        self.sent.set(sent);
        self.head_size.set(head_size);
        self.announced.set(0);
        self.verdict.set(Some(verdict));
    }

    pub(crate) fn take_sent(&self) -> Sent {
        self.sent.take()
    }

    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        self.verdict.take()
    }

    pub(crate) fn upgrade(&self, upgrade: Upgrade) {
        self.upgrade.set(Some(Box::new(upgrade)));
    }

    pub(crate) fn head_size(&self) -> usize {
        self.head_size.get()
    }

    pub(crate) fn announce(&self, size: u64) {
        self.announced.set(size);
    }

    /// What a chunked body is going to have at least.
    pub(crate) fn announced(&self) -> u64 {
        self.announced.get()
    }

    pub(crate) fn linger(&self) {
        self.linger.set(true);
    }

    pub(crate) fn lingers(&self) -> bool {
        self.linger.get()
    }

    /// Bytes were written (true), or all that there were (false): a slow reader's connection lives, a silent one ends.
    pub(crate) fn set_progress(&self, progress: bool) {
        self.progress.set(progress);
    }

    /// The client has closed its side.
    pub(crate) fn set_closed(&self) {
        self.closed.set(true);
    }

    /// The request goes to the owner's thread, which has so much time.
    pub(crate) fn begin_waiting(&self, time: Duration) {
        if self.closed.get() {
            self.begin(Phase::Leaving, LEAVE.min(time));
        } else {
            self.begin(Phase::Waiting, time);
        }
    }

    /// The waker of the connection's task for the owner's thread. The task, and so its waker, stays the same.
    pub(crate) fn gathered(&self, site: &Site, task: &Waker) -> &Waker {
        self.gathered.get_or_init(|| site.wakes.gather(task.clone()))
    }

    pub(crate) fn wake_when_answered(&self, waker: Waker) {
        self.waker.set(Some(waker));
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    pub(crate) fn take_answered(&self) -> bool {
        self.answered.replace(false)
    }

    pub(crate) fn begin_answering(&self) {
        self.begin(Phase::Answering, self.idle_time);
    }

    pub(crate) fn begin_streaming(&self) {
        self.beats.set(0);
        self.begin(Phase::Streaming, self.idle_time / BEATS);
    }

    /// From now on the connection ends when this is set, also while hyper cannot write.
    pub(crate) fn watch(&self, cut: Cut) {
        self.cut.replace(Some(cut));
    }

    /// Has a heartbeat come due? Not again, then.
    pub(crate) fn take_beat(&self) -> bool {
        self.beats.take() > 0
    }

    fn is_cut(&self, site: &Site) -> bool {
        let cut = || self.cut.borrow().as_ref().is_some_and(Cut::is_set);
        self.phase.get() == Phase::Streaming && (site.is_stopping() || cut())
    }

    /// hyper has taken the last of the answer.
    pub(crate) fn answer_done(&self) {
        self.answered.set(true);
        self.begin(Phase::Idle, self.idle_time);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The deadline has passed: may the connection go on?
    fn expire(&self) -> bool {
        match self.phase.get() {
            Phase::Answering | Phase::Idle if self.progress.replace(false) => {
                self.deadline.set(after(self.idle_time));
                true
            }
            Phase::Streaming if self.beats.get() < BEATS => {
                self.beats.set(self.beats.get() + 1);
                self.deadline.set(after(self.idle_time / BEATS));
                true
            }
            Phase::Head | Phase::Body | Phase::Waiting | Phase::Leaving if !self.expired.get() => {
                self.expired.set(true);
                // Whoever waits starts another phase now; if nobody does, this ends it.
                self.deadline.set(after(LINGER));
                true
            }
            _ => false,
        }
    }
}

/// Now and so much, or a time that never comes.
pub(crate) fn after(time: Duration) -> Instant {
    later(Instant::now(), time)
}

fn later(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365))
}

/// Serves one connection to its end.
pub(crate) async fn drive(site: Rc<Site>, stream: Stream, link: Rc<Link>, place: u64) {
    let _seat = Seat { site: Rc::clone(&site), place };
    let Some(stream) = tls::handshake(&site, stream, &link, place).await else { return };
    link.begin(Phase::Head, site.limits.head_time);
    let door = Door::new(Gate::new(stream, Rc::clone(&link), Rc::clone(&site)));
    let service = service_fn(|mut request| {
        let (site, link) = (Rc::clone(&site), Rc::clone(&link));
        // hyper moves the request with this future; within it, it stays where it is.
        async move { Ok::<_, Infallible>(service::serve(&site, &link, &mut request).await) }
    });

    let mut builder = http1::Builder::new();
    // hyper need not look whether a client that waits has gone: the door does.
    builder.header_read_timeout(None).max_buf_size(site.hyper_buffer).half_close(true);
    if site.limits.headers > HYPER_HEADERS {
        builder.max_headers(site.limits.headers);
    }
    let mut connection = builder.serve_connection(door.clone(), service);

    let mut armed = link.deadline.get();
    let mut timer = pin!(sleep_until(armed));
    let mut polled = false;
    let mut told = false;
    let is_done = poll_fn(|context| {
        link.now.set(site.clock.now());
        if !polled {
            site.seat(place, context.waker());
        }
        if site.is_stopping() && !told {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(context) {
                return Poll::Ready(result.is_ok());
            }
            if link.is_cut(&site) || link.gives_way() || door.poll_gone(context).is_ready() {
                return Poll::Ready(false);
            }
            // The timer is moved only when a deadline comes closer or when it fires: most phases end long before.
            let deadline = link.deadline.get();
            if polled && deadline >= armed && !timer.is_elapsed() {
                return Poll::Pending;
            }
            polled = true;
            armed = deadline;
            timer.as_mut().reset(deadline);
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if !link.expire() {
                return Poll::Ready(false);
            }
        }
    })
    .await;
    if let Some(upgrade) = link.upgrade.take().filter(|_| is_done) {
        // What the client has sent since 101 is read at the end, so that it gets the close frame.
        link.linger();
        link.begin(Phase::Upgraded, Duration::MAX);
        let http1::Parts { io, read_buf, .. } = connection.into_parts();
        Box::pin(session::run(Rc::clone(&site), io, read_buf, *upgrade)).await;
    }
}

/// hyper's own limit where none is set; setting one costs an allocation for each request.
const HYPER_HEADERS: usize = 100;

/// Gives a connection's place back however its task ends.
struct Seat {
    site: Rc<Site>,
    place: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.site.leave(self.place);
    }
}
