// SPDX-License-Identifier: MIT OR Apache-2.0
//! What senders and the owner of one mailbox share: the FIFO under its lock, and the wake-up beside it. Queues are never
//! freed, only used again by the next mailbox: a sender that comes late meets one that is closed, not freed memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::time::Instant;

use crate::blocked::{Blocked, Waiter};
use crate::fork;
use crate::message::{Message, Payload};
use crate::pool;
use crate::port::{Overflow, SendError};
use crate::reply::ReplyTo;
use crate::slot::{PortKey, Slot, phase};
use crate::sync::{AtomicBool, AtomicU32, Mutex, MutexGuard, Ordering, lock};
use crate::thread;
use crate::wake::Wake;

/// What the owner is told beside the messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The port's first message was dropped after a time without.
    Overflow {
        /// Which port.
        port: PortKey,
    },
    /// The port takes messages without dropping any again, or was closed.
    Recovered {
        /// Which port.
        port: PortKey,
        /// How many messages were dropped in between.
        dropped: u64,
    },
    /// Another thread has closed the port.
    Closed {
        /// Which port.
        port: PortKey,
    },
    /// [`crate::Notifier::notify`] was called with this number.
    Notified(u64),
}

pub(crate) struct Queue {
    inner: Mutex<Inner>,
    pub(crate) wake: Wake,
    pub(crate) index: u32,
    generation: AtomicU32,
    /// Somebody has set a signal's bits since the owner last looked.
    signalled: AtomicBool,
    fork: AtomicU32,
    owner: thread::Id,
}

/// One entry of the FIFO.
pub(crate) enum Entry {
    Message(Message),
    /// The place of a message that the port keeps itself, because a sender may still replace or discard it.
    Token {
        port: PortKey,
        sequence: u64,
    },
}

impl Entry {
    pub(crate) fn port(&self) -> PortKey {
        match self {
            Self::Message(message) => message.port,
            Self::Token { port, .. } => *port,
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        match self {
            Self::Message(message) => message.sequence,
            Self::Token { sequence, .. } => *sequence,
        }
    }
}

/// What the lock guards.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) entries: VecDeque<Entry>,
    sequence: u64,
    /// Tokens among the entries whose message is gone.
    stale: usize,
    pub(crate) ports: HashMap<u32, Open>,
    pub(crate) blocked: VecDeque<Blocked>,
    pub(crate) events: VecDeque<Event>,
    /// Messages among the entries whose senders wait for an answer.
    pub(crate) callers: usize,
    /// Closed ports that are not released yet.
    closed: HashSet<PortKey>,
    free: Vec<&'static Slot>,
}

/// An open port, beyond what its place says.
pub(crate) struct Open {
    pub(crate) key: PortKey,
    pub(crate) name: Option<String>,
    /// The messages of a port whose senders may discard older ones; their tokens are among the entries.
    pub(crate) kept: VecDeque<Message>,
    /// Messages dropped in the present episode of overflow.
    dropping: u64,
}

/// A message before it has its place.
pub(crate) struct Draft {
    pub(crate) payload: Payload,
    pub(crate) tag: u32,
    pub(crate) reply: Option<Box<ReplyTo>>,
}

/// What became of a draft. Whatever is not in the queue comes back, to be freed outside the lock.
pub(crate) enum Offered {
    /// It is in the queue; `evicted` had to go for it.
    Taken { wake: bool, evicted: Vec<Message> },
    /// The policy dropped it.
    Dropped { wake: bool, draft: Draft },
    /// There is no room, and nothing is counted yet.
    NoRoom(Draft),
    /// It can never be taken.
    Refused(Draft, SendError),
}

impl Queue {
    pub(crate) fn new(index: u32) -> io::Result<Self> {
        Ok(Self {
            inner: Mutex::default(),
            wake: Wake::new()?,
            index,
            generation: AtomicU32::new(0),
            signalled: AtomicBool::new(false),
            fork: AtomicU32::new(0),
            owner: thread::Id::new(),
        })
    }

    /// The calling thread's mailbox begins.
    pub(crate) fn begin(&self) {
        self.owner.set_here();
        self.fork.store(fork::generation(), Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn end(&self) {
        self.owner.clear();
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Has it no mailbox at present? Generations are odd while it has one.
    #[cfg(not(loom))]
    pub(crate) fn is_free(&self) -> bool {
        self.generation.load(Ordering::Acquire).is_multiple_of(2)
    }

    pub(crate) fn handle(&self) -> u64 {
        u64::from(self.generation.load(Ordering::Acquire)) << 32 | u64::from(self.index)
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.owner.is_here()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Runs `change` under the lock. It must not run code of users.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.lock())
    }

    /// Moves everything that waits behind what `batch` holds, and gives the callers among it. Frees nothing.
    pub(crate) fn drain(&self, batch: &mut VecDeque<Entry>, events: &mut VecDeque<Event>) -> usize {
        let mut inner = self.lock();
        if self.signalled.load(Ordering::Relaxed) {
            // Pairs with the store in `signal`: bits set before are seen below, later ones set the flag again.
            self.signalled.swap(false, Ordering::AcqRel);
            inner.collect_signals();
        }
        events.append(&mut inner.events);
        inner.stale = 0;
        if batch.is_empty() {
            std::mem::swap(&mut inner.entries, batch);
        } else {
            batch.append(&mut inner.entries);
        }
        std::mem::take(&mut inner.callers)
    }

    /// Async-signal-safe.
    pub(crate) fn signal(&self) {
        self.signalled.store(true, Ordering::Release);
        self.wake.wake();
    }

    /// Is this the child of a fork? Then another thread may have held the lock when the process was copied.
    pub(crate) fn is_forked(&self) -> bool {
        self.fork.load(Ordering::Relaxed) != fork::generation()
    }

    /// A free place of this queue, or a new one.
    pub(crate) fn place(&'static self) -> Option<&'static Slot> {
        let free = self.with(|inner| inner.free.pop());
        free.or_else(|| pool::slot(self))
    }

    /// As [`Inner::offer`], but waits for room.
    pub(crate) fn offer_within(&self, key: PortKey, mut draft: Draft, deadline: Option<Instant>) -> Offered {
        let mut waiter = None;
        let mut inner = self.lock();
        loop {
            match inner.offer(key, draft, true) {
                Offered::NoRoom(back) => draft = back,
                done => {
                    if let Some(waiter) = &waiter {
                        inner.leave_line(key, waiter, matches!(done, Offered::Taken { .. }));
                    }
                    return done;
                }
            }
            let Some(waiter) = &waiter else {
                // Then look again: what the owner took before the mark, it took without telling.
                waiter = Some(inner.stand_in_line(key, draft.payload.size()));
                continue;
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                key.slot.refused.add(1);
                inner.leave_line(key, waiter, false);
                return Offered::Refused(draft, SendError::Timeout);
            }
            inner = Waiter::wait(waiter, inner, left);
        }
    }

    /// The owner has made room for which somebody waits.
    pub(crate) fn room_made(&self, key: PortKey) {
        self.with(|inner| inner.call_next(key));
    }
}

impl Inner {
    /// Puts a message at the end, or does what the port's policy says where there is no room (`waits`: nothing).
    pub(crate) fn offer(&mut self, key: PortKey, draft: Draft, waits: bool) -> Offered {
        let slot = key.slot;
        if !key.is_current() {
            return Offered::Refused(draft, SendError::Closed);
        }
        if slot.phase() != phase::OPEN {
            slot.after_close.add(1);
            return Offered::Refused(draft, SendError::Closed);
        }
        let size = draft.payload.size();
        if size > slot.capacity_bytes() {
            slot.refused.add(1);
            return Offered::Refused(draft, SendError::TooBig);
        }
        if self.entries.try_reserve(1).is_err() {
            slot.refused.add(1);
            return Offered::Refused(draft, SendError::NoMemory);
        }
        if slot.has_room(size) {
            return self.take_in(key, draft);
        }
        match slot.overflow() {
            Overflow::Block => Offered::NoRoom(draft),
            _ if waits => Offered::NoRoom(draft),
            Overflow::Error => {
                slot.refused.add(1);
                Offered::Refused(draft, SendError::Full)
            }
            Overflow::DropNew => {
                slot.dropped.add(1);
                self.count_dropped(key, 1);
                Offered::Dropped { wake: self.must_wake(key), draft }
            }
            Overflow::DropOld => self.take_in_for_older(key, draft),
            Overflow::Latest => self.replace(key, draft),
        }
    }

    /// Has the owner anything to do after this?
    fn must_wake(&self, key: PortKey) -> bool {
        key.slot.is_listening() || !self.events.is_empty()
    }

    fn take_in(&mut self, key: PortKey, draft: Draft) -> Offered {
        if key.slot.overflow().drops() {
            self.end_episode(key);
        }
        self.push(key, draft);
        Offered::Taken { wake: self.must_wake(key), evicted: Vec::new() }
    }

    fn push(&mut self, key: PortKey, draft: Draft) {
        key.slot.enter(draft.payload.size());
        self.sequence += 1;
        self.callers += usize::from(draft.reply.is_some());
        let Draft { payload, tag, reply } = draft;
        let message = Message { port: key, sequence: self.sequence, tag, payload, reply };
        if !key.slot.overflow().keeps() {
            return self.entries.push_back(Entry::Message(message));
        }
        if let Some(open) = self.ports.get_mut(&key.slot.index) {
            open.kept.push_back(message);
        }
        self.entries.push_back(Entry::Token { port: key, sequence: self.sequence });
    }

    /// Discards this port's oldest messages until the new one fits.
    fn take_in_for_older(&mut self, key: PortKey, draft: Draft) -> Offered {
        let mut evicted = Vec::new();
        while !key.slot.has_room(draft.payload.size()) {
            let Some(oldest) = self.ports.get_mut(&key.slot.index).and_then(|open| open.kept.pop_front()) else {
                break;
            };
            key.slot.retract(1, oldest.payload.size() as u64);
            evicted.push(oldest);
        }
        self.count_dropped(key, evicted.len() as u64);
        self.stale += evicted.len();
        self.push(key, draft);
        self.compact();
        Offered::Taken { wake: self.must_wake(key), evicted }
    }

    /// The new message takes the place of the one that waits.
    fn replace(&mut self, key: PortKey, draft: Draft) -> Offered {
        let Some(waiting) = self.ports.get_mut(&key.slot.index).and_then(|open| open.kept.front_mut()) else {
            return self.take_in(key, draft);
        };
        let Draft { payload, tag, reply } = draft;
        let message = Message { port: key, sequence: waiting.sequence, tag, payload, reply };
        let size = message.payload.size();
        let older = std::mem::replace(waiting, message);
        key.slot.retract(1, older.payload.size() as u64);
        key.slot.enter(size);
        Offered::Taken { wake: self.must_wake(key), evicted: vec![older] }
    }

    /// Tokens of messages that are gone must not pile up while the owner is busy.
    fn compact(&mut self) {
        if self.stale > 64 && self.stale > self.entries.len() / 2 {
            let ports = &self.ports;
            self.entries.retain(|entry| is_live(ports, entry));
            self.stale = 0;
        }
    }

    /// The message behind a token, unless a sender has discarded it.
    pub(crate) fn redeem(&mut self, port: PortKey, sequence: u64) -> Option<Message> {
        let open = self.ports.get_mut(&port.slot.index).filter(|open| open.key == port)?;
        open.kept.front().filter(|message| message.sequence == sequence)?;
        open.kept.pop_front()
    }

    /// May this entry still be delivered?
    pub(crate) fn is_live(&self, entry: &Entry) -> bool {
        is_live(&self.ports, entry)
    }

    fn count_dropped(&mut self, key: PortKey, count: u64) {
        let Some(open) = self.ports.get_mut(&key.slot.index) else { return };
        if open.dropping == 0 && count > 0 {
            self.events.push_back(Event::Overflow { port: key });
        }
        open.dropping += count;
    }

    fn end_episode(&mut self, key: PortKey) {
        let Some(open) = self.ports.get_mut(&key.slot.index) else { return };
        let dropped = std::mem::take(&mut open.dropping);
        if dropped > 0 {
            self.events.push_back(Event::Recovered { port: key, dropped });
        }
    }

    /// Turns pending signals of listening ports into messages; those of others stay pending.
    fn collect_signals(&mut self) {
        let listening: Vec<_> =
            self.ports.values().map(|open| open.key).filter(|key| key.slot.is_listening()).collect();
        for key in listening {
            self.collect_signal(key);
        }
    }

    pub(crate) fn collect_signal(&mut self, key: PortKey) {
        let bits = key.slot.take_signal();
        if bits == 0 {
            return;
        }
        key.slot.enter(0);
        self.sequence += 1;
        let message =
            Message { port: key, sequence: self.sequence, tag: 0, payload: Payload::Signal(bits), reply: None };
        self.entries.push_back(Entry::Message(message));
    }

    /// Begins a port in a place.
    pub(crate) fn open(&mut self, key: PortKey, name: Option<String>) {
        self.ports.insert(key.slot.index, Open { key, name, kept: VecDeque::new(), dropping: 0 });
    }

    /// Ends a port: senders are refused, those that wait are told, and what stands in the queue for it comes back.
    pub(crate) fn close(&mut self, key: PortKey) -> Option<(Option<String>, Vec<Message>)> {
        if !key.is_current() || key.slot.phase() == phase::CLOSED {
            return None;
        }
        key.slot.set_phase(phase::CLOSED);
        key.slot.set_listening(false);
        key.slot.end_signals();
        self.end_episode(key);
        let open = self.ports.remove(&key.slot.index)?;
        let mut discarded: Vec<_> = open.kept.into();
        for entry in std::mem::take(&mut self.entries) {
            match entry {
                Entry::Message(message) if message.port == key => discarded.push(message),
                Entry::Token { port, .. } if port == key => {}
                other => self.entries.push_back(other),
            }
        }
        let bytes = discarded.iter().map(|message| message.payload.size() as u64).sum();
        key.slot.retract(discarded.len() as u64, bytes);
        self.dismiss_line(key);
        self.closed.insert(key);
        Some((open.name, discarded))
    }

    /// The place of a closed port may be used again.
    pub(crate) fn release(&mut self, key: PortKey) {
        if key.is_current() && key.slot.phase() == phase::CLOSED {
            self.closed.remove(&key);
            key.slot.end();
            // A place whose generations are used up is never given out again.
            if key.slot.generation() < u32::MAX - 1 {
                self.free.push(key.slot);
            }
        }
    }

    /// The mailbox ends: places of ports that were closed but not released are free as well.
    pub(crate) fn release_all(&mut self) {
        for key in std::mem::take(&mut self.closed) {
            self.release(key);
        }
    }

    /// Forgets everything but the free places. What it gives back is freed outside the lock.
    pub(crate) fn clear(&mut self) -> VecDeque<Entry> {
        self.events.clear();
        self.sequence = 0;
        self.stale = 0;
        self.callers = 0;
        std::mem::take(&mut self.entries)
    }
}

fn is_live(ports: &HashMap<u32, Open>, entry: &Entry) -> bool {
    let Entry::Token { port, sequence } = entry else { return true };
    let Some(open) = ports.get(&port.slot.index).filter(|open| open.key == *port) else { return false };
    open.kept.front().is_some_and(|oldest| oldest.sequence <= *sequence)
}
