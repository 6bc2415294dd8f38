// SPDX-License-Identifier: MIT OR Apache-2.0
//! What senders and the owner of one mailbox share: the FIFO under its lock, and the wake-up beside it. Queues are never
//! freed, only used again by the next mailbox: a sender that comes late meets one that is closed, not freed memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::blocked::{Blocked, Waiter};
use crate::doing::Doing;
use crate::fork;
use crate::message::{Message, Payload};
use crate::pool;
use crate::port::{Overflow, SendError};
use crate::prefetch;
use crate::slot::{PortKey, Slot, phase};
use crate::state_lock::Place;
use crate::sync::{Apart, AtomicBool, AtomicI32, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, lock};
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
    /// [`crate::StateLock::tell_watch`] was called with this line.
    Watch(String),
}

pub(crate) struct Queue {
    inner: Apart<Mutex<Inner>>,
    pub(crate) wake: Apart<Wake>,
    pub(crate) index: u32,
    generation: AtomicU32,
    /// Somebody has set a signal's bits since the owner last looked.
    signalled: AtomicBool,
    fork: AtomicU32,
    owner: thread::Id,
    /// A set of descriptors with ours among them that is to be slept on instead; -1: none.
    watched: AtomicI32,
    /// What the owner is doing, as [`Doing`] is written in one word. Only the owner writes it.
    doing: AtomicU64,
    pub(crate) state_lock: Apart<Place>,
}

/// One entry of the FIFO.
pub(crate) enum Entry {
    Message(Box<Message>),
    /// The place of a message that the port keeps itself, because a sender may still replace or discard it.
    Token {
        port: PortKey,
        sequence: u64,
    },
    /// The place of a port's pending signal, whose bits are gathered until it is delivered.
    Signal {
        port: PortKey,
        sequence: u64,
    },
}

impl Entry {
    pub(crate) fn port(&self) -> PortKey {
        match self {
            Self::Message(message) => message.port,
            Self::Token { port, .. } | Self::Signal { port, .. } => *port,
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        match self {
            Self::Message(message) => message.sequence,
            Self::Token { sequence, .. } | Self::Signal { sequence, .. } => *sequence,
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
    /// Messages that the owner has not taken yet and whose senders wait for an answer.
    callers: usize,
    /// How many there ever were, and how many senders ever waited for room.
    pub(crate) called: u64,
    /// Closed ports that are not released yet.
    closed: HashSet<PortKey>,
    free: Vec<&'static Slot>,
    /// Boxes of messages that were delivered. Senders use them again: what one core allocates and another one frees makes
    /// both contend for the allocator.
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    spare: Vec<Box<Message>>,
}

/// So many messages before its turn a box is fetched from the cache of the core that used it.
pub(crate) const AHEAD: usize = 8;

/// So many spare boxes are kept.
const SPARE: usize = 8192;

/// An open port, beyond what its place says.
pub(crate) struct Open {
    pub(crate) key: PortKey,
    pub(crate) name: Option<String>,
    /// The messages of a port whose senders may discard older ones; their tokens are among the entries.
    pub(crate) kept: VecDeque<Box<Message>>,
    /// The port's signal has a place among the entries.
    signal_waits: bool,
}

/// A message before it has its place.
pub(crate) type Draft = Message;

/// What became of a draft. Whatever is not in the queue comes back, to be freed outside the lock.
pub(crate) enum Offered {
    /// It is in the queue; `evicted` had to go for it.
    Taken { wake: bool, evicted: VecDeque<Box<Message>> },
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
            inner: Apart(Mutex::default()),
            wake: Apart(Wake::new()?),
            index,
            generation: AtomicU32::new(0),
            signalled: AtomicBool::new(false),
            fork: AtomicU32::new(0),
            owner: thread::Id::new(),
            watched: AtomicI32::new(-1),
            doing: AtomicU64::new(0),
            state_lock: Apart(Place::new()),
        })
    }

    /// The calling thread's mailbox begins.
    pub(crate) fn begin(&self) {
        self.owner.set_here();
        self.fork.store(fork::generation(), Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.state_lock.begin(self.handle());
    }

    pub(crate) fn watched(&self) -> Option<i32> {
        Some(self.watched.load(Ordering::Relaxed)).filter(|watched| *watched >= 0)
    }

    pub(crate) fn watch(&self, watched: Option<i32>) {
        self.watched.store(watched.unwrap_or(-1), Ordering::Relaxed);
    }

    pub(crate) fn doing(&self) -> Doing {
        Doing::from_word(self.doing.load(Ordering::Relaxed))
    }

    /// The owner does this from now on; gives what it did before.
    pub(crate) fn note(&self, doing: Doing) -> Doing {
        let before = self.doing();
        self.doing.store(doing.word(), Ordering::Relaxed);
        before
    }

    pub(crate) fn end(&self) {
        self.watch(None);
        self.note(Doing::Elsewhere);
        self.owner.clear();
        self.generation.fetch_add(1, Ordering::AcqRel);
        // Who is sent away finds the state closed.
        self.state_lock.end();
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

    /// Would the owner be waited for in vain by the calling thread? It is the owner's, or holds the lock that the owner needs.
    pub(crate) fn is_kept_by_caller(&self) -> bool {
        self.is_owner() || self.state_lock.is_held_here()
    }

    /// As [`thread::here`] on the owner's thread.
    pub(crate) fn owner_number(&self) -> usize {
        self.owner.number()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Runs `change` under the lock. It must not run code of users.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.lock())
    }

    /// Moves everything that waits behind what `batch` holds. Frees nothing.
    pub(crate) fn drain(&self, batch: &mut VecDeque<Entry>, events: &mut VecDeque<Event>) {
        let mut inner = self.lock();
        if self.signalled.load(Ordering::Relaxed) {
            // Pairs with the swap in `signal`: bits set before are seen below, later ones set the flag again.
            self.signalled.swap(false, Ordering::AcqRel);
            inner.collect_signals();
        }
        if !inner.events.is_empty() {
            events.append(&mut inner.events);
        }
        if inner.entries.is_empty() {
            return;
        }
        inner.stale = 0;
        if batch.is_empty() {
            std::mem::swap(&mut inner.entries, batch);
        } else {
            batch.append(&mut inner.entries);
        }
    }

    /// Async-signal-safe.
    pub(crate) fn signal(&self) {
        self.signalled.swap(true, Ordering::AcqRel);
        self.wake.wake_from_signal();
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

    /// As [`Inner::offer`], but waits for room whatever the policy.
    pub(crate) fn offer_within(&self, key: PortKey, mut draft: Draft, deadline: Option<Instant>) -> Offered {
        let mut waiter = None;
        let mut inner = self.lock();
        loop {
            match inner.offer_in_line(key, draft, waiter.as_ref()) {
                Offered::NoRoom(back) => draft = back,
                done => {
                    if let Some(waiter) = &waiter {
                        inner.leave_line(key, waiter);
                    }
                    return done;
                }
            }
            let Some(waiter) = &waiter else {
                // Then look again: what the owner took before the mark, it took without telling.
                waiter = Some(inner.stand_in_line(key, draft.payload.size()));
                // An owner that waits for something itself makes room for those who wait for it. Not under the lock: a hook
                // may be called.
                drop(inner);
                self.wake.wake();
                inner = self.lock();
                continue;
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                key.slot.entered.refused.add(1);
                inner.leave_line(key, waiter);
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
    /// Puts a message at the end, or does what the port's policy says where there is no room.
    pub(crate) fn offer(&mut self, key: PortKey, draft: Draft) -> Offered {
        let slot = key.slot;
        if slot.overflow() == Overflow::Block {
            return self.offer_in_line(key, draft, None);
        }
        if let Err(error) = self.check(key, &draft) {
            return Offered::Refused(draft, error);
        }
        if slot.has_room(draft.payload.size()) {
            return self.take_in(key, draft);
        }
        match slot.overflow() {
            Overflow::Block => Offered::NoRoom(draft),
            Overflow::Error => {
                slot.entered.refused.add(1);
                Offered::Refused(draft, SendError::Full)
            }
            Overflow::DropNew => {
                slot.entered.dropped.add(1);
                self.count_dropped(key, 1);
                Offered::Dropped { wake: self.must_wake(key), draft }
            }
            Overflow::DropOld => self.take_in_for_older(key, draft),
            Overflow::Latest => self.replace(key, draft),
        }
    }

    /// As [`Inner::offer`] for one who will wait for room, or does so already.
    fn offer_in_line(&mut self, key: PortKey, draft: Draft, waiter: Option<&Arc<Waiter>>) -> Offered {
        if let Err(error) = self.check(key, &draft) {
            return Offered::Refused(draft, error);
        }
        if !key.slot.has_room(draft.payload.size()) || !self.may_pass(key, waiter) {
            return Offered::NoRoom(draft);
        }
        self.pass(key, waiter);
        self.take_in(key, draft)
    }

    /// Can it ever be taken? What cannot is counted.
    fn check(&mut self, key: PortKey, draft: &Draft) -> Result<(), SendError> {
        let slot = key.slot;
        if !key.is_current() {
            return Err(SendError::Closed);
        }
        if slot.phase() != phase::OPEN {
            slot.entered.after_close.add(1);
            return Err(SendError::Closed);
        }
        if draft.payload.size() > slot.capacity_bytes() {
            slot.entered.refused.add(1);
            return Err(SendError::TooBig);
        }
        if self.entries.try_reserve(1).is_err() {
            slot.entered.refused.add(1);
            return Err(SendError::NoMemory);
        }
        Ok(())
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
        Offered::Taken { wake: self.must_wake(key), evicted: VecDeque::new() }
    }

    fn push(&mut self, key: PortKey, draft: Draft) {
        key.slot.enter(draft.payload.size());
        self.sequence += 1;
        let mut message = self.boxed(draft);
        message.sequence = self.sequence;
        self.add_caller(&message);
        if !key.slot.overflow().keeps() {
            return self.entries.push_back(Entry::Message(message));
        }
        if let Some(open) = self.ports.get_mut(&key.slot.index) {
            open.kept.push_back(message);
        }
        self.entries.push_back(Entry::Token { port: key, sequence: self.sequence });
    }

    fn boxed(&mut self, draft: Draft) -> Box<Message> {
        let Some(mut spare) = self.spare.pop() else { return Box::new(draft) };
        if let Some(later) = self.spare.len().checked_sub(AHEAD).and_then(|at| self.spare.get(at)) {
            prefetch::write(&**later);
        }
        *spare = draft;
        spare
    }

    /// Keeps boxes for senders; those that are too many stay in `spent`.
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    pub(crate) fn keep_spare(&mut self, spent: &mut Vec<Box<Message>>) {
        let room = SPARE.saturating_sub(self.spare.len()).min(spent.len());
        self.spare.extend(spent.drain(..room));
    }

    /// Discards this port's oldest messages until the new one fits.
    fn take_in_for_older(&mut self, key: PortKey, draft: Draft) -> Offered {
        let mut evicted = VecDeque::new();
        while !key.slot.has_room(draft.payload.size()) {
            let Some(oldest) = self.ports.get_mut(&key.slot.index).and_then(|open| open.kept.pop_front()) else {
                break;
            };
            key.slot.retract(1, oldest.payload.size() as u64);
            self.remove_caller(&oldest);
            evicted.push_back(oldest);
        }
        self.count_dropped(key, evicted.len() as u64);
        self.stale += evicted.len();
        self.push(key, draft);
        self.compact();
        // A large one that went may have left room for more than this.
        self.call_next(key);
        Offered::Taken { wake: self.must_wake(key), evicted }
    }

    /// The new message takes the place of the one that waits.
    fn replace(&mut self, key: PortKey, draft: Draft) -> Offered {
        let Some(waiting) = self.ports.get_mut(&key.slot.index).and_then(|open| open.kept.front_mut()) else {
            return self.take_in(key, draft);
        };
        let mut message = Box::new(draft);
        message.sequence = waiting.sequence;
        let size = message.payload.size();
        let older = std::mem::replace(waiting, message);
        self.remove_caller(&older);
        if let Some(waiting) = self.ports.get(&key.slot.index).and_then(|open| open.kept.front()) {
            self.callers += usize::from(waiting.is_awaited());
            self.called += u64::from(waiting.is_awaited());
        }
        key.slot.retract(1, older.payload.size() as u64);
        key.slot.enter(size);
        Offered::Taken { wake: self.must_wake(key), evicted: [older].into() }
    }

    /// Tokens of messages that are gone must not pile up while the owner is busy.
    fn compact(&mut self) {
        if self.stale > 64 && self.stale > self.entries.len() / 2 {
            let ports = &self.ports;
            self.entries.retain(|entry| is_live(ports, entry));
            self.stale = 0;
        }
    }

    /// The message behind a token, unless a sender has discarded it. Its room is free from then on.
    pub(crate) fn redeem(&mut self, port: PortKey, sequence: u64) -> Option<Box<Message>> {
        let open = self.ports.get_mut(&port.slot.index).filter(|open| open.key == port)?;
        open.kept.front().filter(|message| message.sequence == sequence)?;
        let message = open.kept.pop_front()?;
        self.remove_caller(&message);
        if port.slot.leave(message.payload.size()) {
            self.call_next(port);
        }
        Some(message)
    }

    /// All bits that were set on a port by now. They count as one message, which needed no room.
    pub(crate) fn redeem_signal(&mut self, port: PortKey, sequence: u64) -> Option<Box<Message>> {
        let open = self.ports.get_mut(&port.slot.index).filter(|open| open.key == port)?;
        open.signal_waits = false;
        let bits = port.slot.take_signal();
        if bits == 0 {
            return None;
        }
        port.slot.pass_through();
        Some(Box::new(Message { port, sequence, tag: 0, payload: Payload::Signal(bits), reply: None }))
    }

    fn add_caller(&mut self, message: &Message) {
        self.callers += usize::from(message.is_awaited());
        self.called += u64::from(message.is_awaited());
    }

    /// The owner, or whoever discards it, has this message now.
    pub(crate) fn remove_caller(&mut self, message: &Message) {
        self.callers -= usize::from(message.is_awaited() && self.callers > 0);
    }

    /// Does somebody wait for an answer to a message that the owner has not taken yet, or for room?
    pub(crate) fn has_caller(&self) -> bool {
        self.callers > 0 || !self.blocked.is_empty()
    }

    /// May this entry still be delivered?
    pub(crate) fn is_live(&self, entry: &Entry) -> bool {
        is_live(&self.ports, entry)
    }

    fn count_dropped(&mut self, key: PortKey, count: u64) {
        if count == 0 || !self.ports.contains_key(&key.slot.index) {
            return;
        }
        let dropping = &key.slot.entered.dropping;
        if dropping.get() == 0 {
            // An episode whose end the owner has not heard of yet goes on: what is told stays bounded.
            let ended = |event: &Event| matches!(event, Event::Recovered { port, .. } if *port == key);
            match self.events.iter().position(ended).and_then(|at| self.events.remove(at)) {
                Some(Event::Recovered { dropped, .. }) => dropping.set(dropped),
                _ => self.events.push_back(Event::Overflow { port: key }),
            }
        }
        dropping.add(count);
    }

    fn end_episode(&mut self, key: PortKey) {
        let dropped = key.slot.entered.dropping.get();
        if dropped > 0 {
            key.slot.entered.dropping.set(0);
            self.events.push_back(Event::Recovered { port: key, dropped });
        }
    }

    /// Gives pending signals of listening ports their places; those of others wait for a listener.
    fn collect_signals(&mut self) {
        let listening: Vec<_> =
            self.ports.values().map(|open| open.key).filter(|key| key.slot.is_listening()).collect();
        for key in listening {
            self.collect_signal(key);
        }
    }

    /// Gives pending bits a place in the order, unless they have one.
    pub(crate) fn collect_signal(&mut self, key: PortKey) {
        let Some(open) = self.ports.get_mut(&key.slot.index).filter(|open| open.key == key) else { return };
        if !open.signal_waits && key.slot.has_signal() {
            open.signal_waits = true;
            self.sequence += 1;
            self.entries.push_back(Entry::Signal { port: key, sequence: self.sequence });
        }
    }

    /// Begins a port in a place.
    pub(crate) fn open(&mut self, key: PortKey, name: Option<String>) {
        self.ports.insert(key.slot.index, Open { key, name, kept: VecDeque::new(), signal_waits: false });
    }

    /// Ends a port: senders are refused, those that wait are told, and what stands in the queue for it comes back.
    pub(crate) fn close(&mut self, key: PortKey) -> Option<(Option<String>, VecDeque<Box<Message>>)> {
        if !key.is_current() || key.slot.phase() == phase::CLOSED {
            return None;
        }
        key.slot.set_phase(phase::CLOSED);
        key.slot.set_listening(false);
        key.slot.end_signals();
        self.end_episode(key);
        let open = self.ports.remove(&key.slot.index)?;
        let mut discarded = open.kept;
        for entry in std::mem::take(&mut self.entries) {
            match entry {
                Entry::Message(message) if message.port == key => discarded.push_back(message),
                Entry::Token { port, .. } | Entry::Signal { port, .. } if port == key => {}
                other => self.entries.push_back(other),
            }
        }
        let bytes = discarded.iter().map(|message| message.payload.size() as u64).sum();
        key.slot.retract(discarded.len() as u64, bytes);
        for message in &discarded {
            self.remove_caller(message);
        }
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
        self.spare = Vec::new();
        std::mem::take(&mut self.entries)
    }
}

fn is_live(ports: &HashMap<u32, Open>, entry: &Entry) -> bool {
    let Entry::Token { port, sequence } = entry else { return true };
    let Some(open) = ports.get(&port.slot.index).filter(|open| open.key == *port) else { return false };
    open.kept.front().is_some_and(|oldest| oldest.sequence <= *sequence)
}
