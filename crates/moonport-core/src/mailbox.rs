// SPDX-License-Identifier: MIT OR Apache-2.0
//! The owner's end: one FIFO over all its ports. Messages of ports that nobody listens to are laid aside until
//! somebody does.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use crate::doing::Doing;
use crate::message::Message;
use crate::pool;
use crate::port::{PortOptions, PortStats, Sender};
use crate::prefetch;
use crate::queue::{AHEAD, Entry, Event, Queue};
use crate::registry;
use crate::slot::{PortKey, phase};
use crate::state_lock::StateLock;
#[cfg(not(loom))]
use crate::wake::Descriptor;
use crate::wake::{Function, HookOf};

/// Why a port was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another open port has that name.
    #[error("another open port is named {0:?}")]
    Exists(String),
    /// More ports than a process can number.
    #[error("too many ports")]
    TooMany,
    /// This process is the child of a fork; the mailbox belongs to the parent.
    #[error("the mailbox belongs to the parent of this forked process")]
    Forked,
}

/// The one queue of an owner thread, with all its ports.
///
/// Thread: the one that made it. Only [`Sender`] and [`Notifier`] go to other threads.
pub struct Mailbox {
    queue: &'static Queue,
    batch: VecDeque<Entry>,
    aside: HashMap<PortKey, VecDeque<Entry>>,
    events: VecDeque<Event>,
    /// Boxes of messages that were delivered.
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    spent: Vec<Box<Message>>,
    /// How many callers there had ever been when the owner last looked for them.
    served: u64,
    /// The batch is cleared of what cannot be delivered when it gets longer than this.
    compact_at: usize,
    /// It stays on its thread, which has been noted down.
    _owner: std::marker::PhantomData<*const ()>,
}

/// So many messages are recycled at a time.
const SPENT: usize = 128;

/// Entries that are never worth looking through.
const COMPACT: usize = 1024;

impl Mailbox {
    /// An empty mailbox whose owner is the calling thread.
    ///
    /// # Errors
    /// The system has no descriptor to give.
    pub fn new() -> io::Result<Self> {
        let queue = pool::queue()?;
        queue.begin();
        Ok(Self {
            queue,
            batch: VecDeque::new(),
            aside: HashMap::new(),
            events: VecDeque::new(),
            spent: Vec::with_capacity(SPENT),
            served: 0,
            compact_at: COMPACT,
            _owner: std::marker::PhantomData,
        })
    }

    /// The number by which other code of the process names this mailbox. Never zero, never used again.
    #[must_use]
    pub fn handle(&self) -> u64 {
        self.queue.handle()
    }

    /// Makes a port. Nobody listens to it yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&mut self, options: PortOptions) -> Result<PortKey, OpenError> {
        if self.is_forked() {
            return Err(OpenError::Forked);
        }
        let slot = self.queue.place().ok_or(OpenError::TooMany)?;
        let key = self.queue.with(|inner| {
            let key = slot.begin(&options)?;
            inner.open(key, options.name.clone());
            Some(key)
        });
        let key = key.ok_or(OpenError::TooMany)?;
        match options.name {
            Some(name) if !registry::insert(&name, key) => {
                // Not its own name: that must stay.
                self.queue.with(|inner| {
                    drop(inner.close(key));
                    inner.release(key);
                });
                Err(OpenError::Exists(name))
            }
            _ => Ok(key),
        }
    }

    /// A sending end of a port.
    #[must_use]
    pub fn sender(&self, key: PortKey) -> Option<Sender> {
        (self.has(key) && key.slot.phase() != phase::CLOSED).then_some(Sender::new(key))
    }

    /// Counts of an open port. A [`Sender`] gives them after close too.
    #[must_use]
    pub fn stats(&self, key: PortKey) -> Option<PortStats> {
        self.sender(key).and_then(Sender::stats)
    }

    fn has(&self, key: PortKey) -> bool {
        std::ptr::eq(key.slot.queue, self.queue) && key.is_current()
    }

    /// Do [`Mailbox::next`] and the wake-up cover this port? What was laid aside meanwhile takes its old place.
    pub fn listen(&mut self, key: PortKey, listening: bool) {
        if self.is_forked() || !self.has(key) {
            return;
        }
        // Under the lock, so that a sender either wakes the owner or has its message seen by the drain below.
        self.queue.with(|inner| {
            key.slot.set_listening(listening && key.slot.phase() != phase::CLOSED);
            if listening {
                inner.collect_signal(key);
            }
        });
        if listening && let Some(aside) = self.aside.remove(&key) {
            self.drain();
            self.batch.extend(aside);
            self.batch.make_contiguous().sort_by_key(Entry::sequence);
        }
        self.rest();
    }

    fn drain(&mut self) {
        self.queue.drain(&mut self.batch, &mut self.events);
        if self.batch.len() > self.compact_at {
            // While the owner waits for something else, tokens of discarded messages must not pile up.
            self.queue.with(|inner| self.batch.retain(|entry| inner.is_live(entry)));
            self.compact_at = COMPACT.max(2 * self.batch.len());
        }
    }

    /// The next message of a port that is listened to. Never blocks.
    #[expect(clippy::should_implement_trait, reason = "more may come after None: this is no iterator")]
    pub fn next(&mut self) -> Option<Box<Message>> {
        if self.is_forked() {
            return None;
        }
        loop {
            self.sort_front();
            if let Some(message) = self.batch.pop_front().map(|entry| self.open_entry(entry))? {
                return Some(message);
            }
        }
    }

    /// As [`Mailbox::next`], if the port of the next message is `wanted`.
    pub fn next_if(&mut self, wanted: impl FnOnce(PortKey) -> bool) -> Option<Box<Message>> {
        if self.is_forked() {
            return None;
        }
        self.sort_front();
        let port = self.batch.front()?.port();
        let front = if wanted(port) { self.batch.pop_front() } else { None };
        self.open_entry(front?)
    }

    /// The next message, if it is at hand, nobody waits for an answer to it, its port is this one, which the owner has not
    /// released, and it is `wanted`. Others are left to [`Mailbox::next`].
    pub fn next_of(&mut self, port: PortKey, wanted: impl FnOnce(&Message) -> bool) -> Option<Box<Message>> {
        if let Some(Entry::Message(ahead)) = self.batch.get(AHEAD) {
            prefetch::read(&**ahead);
        }
        let Entry::Message(message) = self.batch.front()? else { return None };
        if message.port != port || message.reply.is_some() || !wanted(message) || !port.slot.is_listening() {
            return None;
        }
        if self.is_forked() {
            return None;
        }
        let Some(Entry::Message(message)) = self.batch.pop_front() else { return None };
        if port.slot.leave(message.payload.size()) {
            self.queue.room_made(port);
        }
        Some(message)
    }

    /// Would [`Mailbox::next`] give nothing? Looks into the queue if the owner has taken all that was in it.
    pub fn is_empty(&mut self) -> bool {
        if !self.is_forked() {
            self.sort_front();
        }
        self.batch.is_empty()
    }

    /// Was nothing left when the owner last looked into the queue?
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.batch.is_empty()
    }

    /// Had more than one thing come when the owner last looked into the queue?
    #[must_use]
    pub fn has_several(&self) -> bool {
        self.batch.len() + self.events.len() > 1
    }

    /// Takes back what [`Mailbox::next`] gave, so that its memory is used again. Dropping it is as good, but slower.
    pub fn recycle(&mut self, mut message: Box<Message>) {
        message.clear();
        self.spent.push(message);
        if self.spent.len() >= SPENT {
            self.queue.with(|inner| inner.keep_spare(&mut self.spent));
            self.spent.clear();
        }
    }

    /// The message of an entry, unless a sender has discarded it meanwhile. It counts as delivered.
    fn open_entry(&mut self, entry: Entry) -> Option<Box<Message>> {
        let message = match entry {
            Entry::Message(message) => message,
            Entry::Token { port, sequence } => return self.queue.with(|inner| inner.redeem(port, sequence)),
            Entry::Signal { port, sequence } => return self.queue.with(|inner| inner.redeem_signal(port, sequence)),
        };
        let port = message.port;
        if message.is_awaited() {
            self.queue.with(|inner| inner.remove_caller(&message));
        }
        if port.is_current() && port.slot.leave(message.payload.size()) {
            self.queue.room_made(port);
        }
        Some(message)
    }

    /// What happened beside the messages. Never blocks.
    pub fn event(&mut self) -> Option<Event> {
        if self.is_forked() {
            return None;
        }
        let event = self.events.pop_front();
        if let Some(Event::Closed { port }) = event {
            self.discard(port);
        }
        event
    }

    /// Is there a message that was not taken yet and whose sender waits for an answer, or a sender that waits for room? An owner
    /// that waits for something itself lets those go on by taking what waits; [`Mailbox::take_within`] returns when there is
    /// another one.
    pub fn has_caller(&mut self) -> bool {
        if self.is_forked() {
            return false;
        }
        let (called, waits) = self.queue.with(|inner| (inner.called, inner.has_caller()));
        self.served = called;
        waits
    }

    /// The oldest message of this one port, whether or not it is listened to. Never blocks.
    pub fn take(&mut self, key: PortKey) -> Option<Box<Message>> {
        if self.is_forked() || !self.has(key) {
            return None;
        }
        self.queue.with(|inner| inner.collect_signal(key));
        self.drain();
        let found = self.take_drained(key);
        self.rest();
        found
    }

    fn take_drained(&mut self, key: PortKey) -> Option<Box<Message>> {
        loop {
            let entry = match self.aside.get_mut(&key).and_then(VecDeque::pop_front) {
                Some(entry) => entry,
                None => {
                    let at = self.batch.iter().position(|entry| entry.port() == key)?;
                    self.batch.remove(at)?
                }
            };
            if key.slot.phase() == phase::CLOSED {
                self.drop_entry(entry);
            } else if let Some(message) = self.open_entry(entry) {
                return Some(message);
            }
        }
    }

    /// As [`Mailbox::take`], but sleeps until a message of this port comes, the time is over, the port is closed, or
    /// something else happens that the owner may have to look at: an event, or a caller that came since
    /// [`Mailbox::has_caller`]. Then it gives `None`. `None` for `timeout`: no limit.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal came.
    pub fn take_within(&mut self, key: PortKey, timeout: Option<Duration>) -> io::Result<Option<Box<Message>>> {
        if self.is_forked() || !self.has(key) {
            return Ok(None);
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let listening = key.slot.is_listening();
        let found = loop {
            match self.look(key) {
                Look::Message(message) => break Ok(Some(message)),
                Look::Other => break Ok(None),
                Look::Nothing => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match self.wait(left) {
                Ok(true) if self.queue.watched().is_none() && left.is_none_or(|left| !left.is_zero()) => {}
                Ok(_) => break Ok(None),
                Err(error) => break Err(error),
            }
        };
        self.listen(key, listening);
        found
    }

    /// One look of [`Mailbox::take_within`]. Where it finds nothing the owner may sleep, and listens to the port: until
    /// [`Mailbox::listen`] says otherwise.
    pub fn look(&mut self, key: PortKey) -> Look {
        if self.is_forked() || !self.has(key) {
            return Look::Other;
        }
        loop {
            if let Some(message) = self.take(key) {
                return Look::Message(message);
            }
            // Only from here on does a sender to this port wake us; what came before is seen by the look after it.
            let called = self.queue.with(|inner| {
                key.slot.set_listening(key.slot.phase() != phase::CLOSED);
                inner.called
            });
            self.queue.wake.clear();
            self.drain();
            // Also laid aside: it may have come in the middle of the look above, before this port was listened to.
            let is_aside = self.aside.get(&key).is_some_and(|aside| !aside.is_empty());
            if is_aside || self.batch.iter().any(|entry| entry.port() == key) {
                continue;
            }
            let is_open = key.slot.phase() == phase::OPEN;
            let is_other = !is_open || called != self.served || !self.events.is_empty();
            return if is_other { Look::Other } else { Look::Nothing };
        }
    }

    /// Leaves the descriptor readable exactly if [`Mailbox::next`] or [`Mailbox::event`] would give something. Call it at
    /// the end of a turn; a sender that is just about to wake the owner for a message already taken may cause one empty
    /// turn more.
    pub fn rest(&mut self) {
        if self.is_forked() {
            return;
        }
        self.sort_front();
        if !self.has_work() {
            // The flag falls before the last look: what is sent from here on wakes the owner again.
            self.queue.wake.clear();
            self.drain();
            self.lay_aside();
        }
        if self.has_work() {
            self.queue.wake.wake();
        }
    }

    /// Brings a message that may be delivered to the front of the batch, if there is one. Looks into the queue once at
    /// the most: what comes later wakes the owner.
    fn sort_front(&mut self) {
        if self.lay_aside() {
            return;
        }
        self.drain();
        self.lay_aside();
    }

    /// Lays aside what stands before the first message that may be delivered; `false` if there is none.
    fn lay_aside(&mut self) -> bool {
        while let Some(front) = self.batch.front() {
            let port = front.port();
            if port.is_current() && port.slot.is_listening() && self.is_live_front() {
                return true;
            }
            self.lay_aside_front();
        }
        false
    }

    fn is_live_front(&self) -> bool {
        match self.batch.front() {
            Some(token @ Entry::Token { .. }) => self.queue.with(|inner| inner.is_live(token)),
            front => front.is_some(),
        }
    }

    fn lay_aside_front(&mut self) {
        let Some(entry) = self.batch.pop_front() else { return };
        let port = entry.port();
        if !port.is_current() || port.slot.phase() == phase::CLOSED {
            return self.drop_entry(entry);
        }
        if matches!(entry, Entry::Token { .. }) && !self.queue.with(|inner| inner.is_live(&entry)) {
            return;
        }
        let aside = self.aside.entry(port).or_default();
        aside.push_back(entry);
        // Tokens whose messages were discarded must not pile up here.
        if port.slot.overflow().keeps() && aside.len().is_power_of_two() && aside.len() > 64 {
            self.queue.with(|inner| aside.retain(|entry| inner.is_live(entry)));
        }
    }

    /// A message of a closed port.
    fn drop_entry(&mut self, entry: Entry) {
        let Entry::Message(message) = entry else { return };
        let port = message.port;
        self.queue.with(|inner| {
            inner.remove_caller(&message);
            if port.is_current() {
                port.slot.discard(message.payload.size());
            }
        });
    }

    /// From now on senders to this port are refused; what waits stays.
    pub fn shut(&mut self, key: PortKey) {
        if self.is_forked() || !self.has(key) {
            return;
        }
        let name = self.queue.with(|inner| {
            if key.slot.phase() != phase::OPEN {
                return None;
            }
            key.slot.set_phase(phase::SHUT);
            inner.dismiss_line(key);
            inner.ports.get_mut(&key.slot.index).and_then(|open| open.name.take())
        });
        if let Some(name) = name {
            registry::forget(&name, key);
        }
    }

    /// Closes a port and discards what waits for it. Idempotent: a stale key does nothing. Its counts can be read until
    /// [`Mailbox::release`].
    pub fn close(&mut self, key: PortKey) {
        if self.is_forked() || !self.has(key) {
            return;
        }
        let closed = self.queue.with(|inner| inner.close(key));
        if let Some((name, discarded)) = closed {
            if let Some(name) = name {
                registry::forget(&name, key);
            }
            drop(discarded);
        }
        self.discard(key);
        self.rest();
    }

    /// Drops what the owner has drained already for a port that is now closed.
    fn discard(&mut self, key: PortKey) {
        let mut discarded: Vec<_> = self.aside.remove(&key).into_iter().flatten().collect();
        if self.batch.iter().any(|entry| entry.port() == key) {
            let (theirs, kept): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(&mut self.batch).into_iter().partition(|entry| entry.port() == key);
            self.batch = kept;
            discarded.extend(theirs);
        }
        for entry in discarded {
            self.drop_entry(entry);
        }
    }

    /// Forgets a closed port: from now on its key is stale, and its place may be used again.
    pub fn release(&mut self, key: PortKey) {
        if !self.is_forked() && self.has(key) {
            self.discard(key);
            self.queue.with(|inner| inner.release(key));
        }
    }

    /// The descriptor that is readable while something waits, for poll and its kin. Valid as long as the mailbox.
    ///
    /// # Errors
    /// Windows makes a socket for it at the first call, and may have none to give.
    #[cfg(not(loom))]
    pub fn descriptor(&self) -> io::Result<Descriptor> {
        self.queue.wake.descriptor()
    }

    /// Sleeps until a sender wakes the owner or the time is over; `true` if woken. `None`: no limit.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal came, so that its handler's wishes can be looked at.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.prepare_wait(timeout).begin()
    }

    /// As [`Mailbox::wait`], where the mailbox is not held meanwhile.
    pub fn prepare_wait(&self, timeout: Option<Duration>) -> Sleep {
        Sleep { queue: self.queue, timeout, until_raised: false }
    }

    /// [`Mailbox::rest`] and [`Mailbox::wait`] in one; without a time limit it takes fewer system calls, and until the next
    /// [`Mailbox::rest`] the descriptor may be readable for no reason.
    ///
    /// # Errors
    /// As [`Mailbox::wait`].
    pub fn sleep(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.prepare_sleep(timeout).map_or(Ok(true), Sleep::begin)
    }

    /// As [`Mailbox::sleep`], where the mailbox is not held meanwhile; `None` if something waits already.
    pub fn prepare_sleep(&mut self, timeout: Option<Duration>) -> Option<Sleep> {
        if timeout.is_some() || self.is_forked() || self.queue.watched().is_some() {
            self.rest();
            return Some(self.prepare_wait(timeout));
        }
        if !self.lay_aside() && self.events.is_empty() {
            // As in `rest`: the flag falls before the last look.
            self.queue.wake.prepare_sleep();
            self.drain();
            self.lay_aside();
        }
        (!self.has_work()).then_some(Sleep { queue: self.queue, timeout, until_raised: true })
    }

    /// The lock of the owner's state.
    #[must_use]
    pub fn state_lock(&self) -> StateLock {
        StateLock::new(self.queue, self.queue.handle())
    }

    /// Lets other threads know what the owner does from now on ([`Sender::owner_is`]); gives what it did before.
    pub fn note(&self, doing: Doing) -> Doing {
        if self.is_forked() { Doing::Elsewhere } else { self.queue.note(doing) }
    }

    fn has_work(&self) -> bool {
        !self.batch.is_empty() || !self.events.is_empty()
    }

    /// From now on waits sleep on `watched`, a set of descriptors that has this mailbox's among them.
    #[cfg(not(loom))]
    pub fn watch(&mut self, watched: Descriptor) {
        self.queue.watch(Some(watched));
        self.rest();
    }

    /// Lowers the wake-up before a look at what the owner waits for outside the mailbox; the mailbox itself is to be left
    /// by [`Mailbox::rest`].
    pub fn hush(&mut self) {
        if !self.is_forked() {
            self.queue.wake.clear();
            self.drain();
        }
    }

    /// A way to reach the owner from any thread without a message.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        Notifier { queue: self.queue, handle: self.queue.handle() }
    }

    /// Is this process a forked child of the one that made the mailbox?
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.queue.is_forked()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        if self.is_forked() {
            // Never freed: threads that the child does not have may have held what that would need.
            let _batch = ManuallyDrop::new(std::mem::take(&mut self.batch));
            let _aside = ManuallyDrop::new(std::mem::take(&mut self.aside));
            return;
        }
        let open: Vec<_> = self.queue.with(|inner| inner.ports.values().map(|open| open.key).collect());
        for key in open {
            self.close(key);
        }
        for of in [HookOf::Program, HookOf::Host] {
            let hook = self.queue.with(|_| self.queue.wake.swap_hook(of, None));
            self.queue.wake.free_hook(of, hook);
        }
        // Ended under the lock: who comes later finds another generation.
        let left = self.queue.with(|inner| {
            self.queue.end();
            inner.release_all();
            inner.clear()
        });
        drop(left);
        self.queue.wake.clear();
        pool::give_back(self.queue);
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("handle", &self.handle()).finish_non_exhaustive()
    }
}

/// What a look for a message of one port has found.
#[derive(Debug)]
pub enum Look {
    /// A message.
    Message(Box<Message>),
    /// Nothing.
    Nothing,
    /// The port is closed, or the owner has something else to look at.
    Other,
}

/// A sleep of the owner's that is ready to begin.
#[must_use]
#[derive(Clone, Copy)]
pub struct Sleep {
    queue: &'static Queue,
    timeout: Option<Duration>,
    /// Until the signal is raised, and not as long as it is down.
    until_raised: bool,
}

impl Sleep {
    /// Sleeps as [`Mailbox::wait`] does.
    ///
    /// Thread: the owner's.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal came.
    pub fn begin(self) -> io::Result<bool> {
        let queue = self.queue;
        if queue.is_forked() {
            // Nobody will ever wake this process through the parent's descriptor.
            std::thread::sleep(self.timeout.unwrap_or_default());
            return Ok(false);
        }
        let before = queue.note(Doing::Asleep);
        let woken = self.sleep();
        queue.note(before);
        woken
    }

    /// As [`Sleep::begin`], where others may have the lock of the state meanwhile. `watch` as for [`StateLock::acquire`].
    ///
    /// # Errors
    /// As [`Sleep::begin`].
    pub fn lend(self, watch: impl FnOnce(Doing)) -> io::Result<bool> {
        let lock = StateLock::new(self.queue, self.queue.handle());
        if self.queue.is_forked() || !lock.is_used() {
            return self.begin();
        }
        let before = self.queue.note(Doing::Asleep);
        let is_lent = lock.let_go();
        let woken = self.sleep();
        if is_lent {
            lock.take_back(watch);
            lock.remind();
        }
        self.queue.note(before);
        woken
    }

    fn sleep(self) -> io::Result<bool> {
        if self.until_raised {
            return self.queue.wake.sleep().map(|()| true);
        }
        #[cfg(not(loom))]
        if let Some(watched) = self.queue.watched() {
            return wait_readable(watched, self.timeout);
        }
        self.queue.wake.wait(self.timeout)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Reaches an owner without a message. Any thread; never waits; may outlive the mailbox, and then does nothing.
#[derive(Clone, Copy)]
pub struct Notifier {
    queue: &'static Queue,
    handle: u64,
}

impl Notifier {
    /// The mailbox with this handle, if it is open.
    #[cfg(not(loom))]
    #[must_use]
    pub fn find(handle: u64) -> Option<Self> {
        let queue = pool::queue_at(u32::try_from(handle & u64::from(u32::MAX)).ok()?)?;
        (handle >> 32 != 0 && queue.handle() == handle && !queue.is_free()).then_some(Self { queue, handle })
    }

    /// Makes the owner's [`Mailbox::wait`] return, coalesced with other wake-ups. Async-signal-safe.
    pub fn wake(self) {
        if !self.queue.is_forked() && self.queue.handle() == self.handle {
            self.queue.wake.wake();
        }
    }

    /// Gives the owner an [`Event::Notified`] with this number.
    pub fn notify(self, number: u64) {
        if self.queue.is_forked() {
            return;
        }
        self.queue.with(|inner| {
            if self.queue.handle() == self.handle {
                inner.events.push_back(Event::Notified(number));
            }
        });
        self.queue.wake.wake();
    }

    /// The lock of the owner's state.
    #[must_use]
    pub fn state_lock(self) -> StateLock {
        StateLock::new(self.queue, self.handle)
    }

    /// What [`Mailbox::watch`] was given.
    #[cfg(not(loom))]
    #[must_use]
    pub fn watched(self) -> Option<Descriptor> {
        self.queue.watched()
    }

    /// Does the calling thread own the mailbox?
    #[must_use]
    pub fn is_owner(self) -> bool {
        self.queue.is_owner()
    }

    /// Does it belong to the parent of this forked process?
    #[must_use]
    pub fn is_forked(self) -> bool {
        self.queue.is_forked()
    }

    /// Sets the function that is called, on any thread, whenever the descriptor becomes readable, and at once if it is.
    /// When this returns, the one before is not called any more; so it must not be called from the function itself.
    /// Nothing happens if the mailbox is over, or belongs to the parent of this forked process.
    pub fn set_hook(self, hook: Option<Box<dyn Fn() + Send + Sync>>) {
        let hook = hook.map(|hook| -> Box<Function> { Box::new(move |_| hook()) });
        self.swap_hook(HookOf::Program, hook);
    }

    /// As [`Notifier::set_hook`], for a loop that is attached to beside what the program does. The function hears `true` when it
    /// may be that a signal handler calls it, and then does only what such a one may.
    pub fn set_host_hook(self, hook: Option<Box<dyn Fn(bool) + Send + Sync>>) {
        self.swap_hook(HookOf::Host, hook);
    }

    fn swap_hook(self, of: HookOf, hook: Option<Box<Function>>) {
        if self.queue.is_forked() {
            return;
        }
        let is_open = || self.queue.handle() == self.handle;
        let old = self.queue.with(|_| is_open().then(|| self.queue.wake.swap_hook(of, hook)));
        if let Some(old) = old {
            self.queue.wake.free_hook(of, old);
            self.queue.wake.call_hook_if_pending(of);
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// Sleeps until `descriptor` is readable (`true`) or the time is over. `None`: no limit.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] when a signal came.
#[cfg(not(loom))]
pub fn wait_readable(descriptor: Descriptor, timeout: Option<Duration>) -> io::Result<bool> {
    crate::wake::readable(descriptor, timeout)
}
