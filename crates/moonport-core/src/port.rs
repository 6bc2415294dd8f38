// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sending end: puts a message into the mailbox, or does what the port's policy says where there is no room, and
//! wakes the owner.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::doing::Doing;
use crate::message::{Encoding, Message, Payload};
use crate::queue::{Draft, Event, Inner, Offered};
use crate::registry;
use crate::reply::ReplyTo;
use crate::slot::{PortKey, phase};
use crate::state_lock::StateLock;
use crate::thread;

/// What happens to a message for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Overflow {
    /// The sender is told [`SendError::Full`].
    #[default]
    Error = 0,
    /// The new message is discarded.
    DropNew = 1,
    /// The port's oldest messages are discarded until the new one fits.
    DropOld = 2,
    /// Only the newest message is kept, in the place in the order of the one that it replaces.
    Latest = 3,
    /// The sender waits.
    Block = 4,
}

impl Overflow {
    /// Are drops told to the owner? What `Latest` replaces is no loss.
    pub(crate) fn drops(self) -> bool {
        matches!(self, Self::DropNew | Self::DropOld)
    }

    /// Does the port keep its messages itself, so that senders may discard them?
    pub(crate) fn keeps(self) -> bool {
        matches!(self, Self::DropOld | Self::Latest)
    }
}

/// How a port is made.
#[derive(Clone, Debug)]
pub struct PortOptions {
    /// Found by [`crate::registry::find_name`]; unique in the process.
    pub name: Option<String>,
    /// Messages that may wait.
    pub capacity: usize,
    /// Payload bytes that may wait.
    pub capacity_bytes: usize,
    /// What happens when they do not fit.
    pub overflow: Overflow,
    /// How bytes are read whose sender does not say it; see [`PortKey::encoding`].
    pub encoding: Encoding,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self {
            name: None,
            capacity: 65_536,
            capacity_bytes: 64 << 20,
            overflow: Overflow::Error,
            encoding: Encoding::Raw,
        }
    }
}

/// What became of a message that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// It waits for the owner.
    Taken,
    /// It waits for the owner, and older messages were discarded for it.
    Replaced,
    /// The port's policy discarded it.
    Dropped,
}

/// Why a message was not taken. The payload is dropped on the sender's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// As many messages or bytes wait as the port may hold.
    #[error("the port is full")]
    Full,
    /// The port, or the mailbox behind it, is closed.
    #[error("the port is closed")]
    Closed,
    /// The port was full until the time was over.
    #[error("the port was full for as long as the sender would wait")]
    Timeout,
    /// The port is full, and the calling thread is the one that would have to make room.
    #[error("the port is full, and waiting on the thread that empties it would never end")]
    WouldDeadlock,
    /// There is no memory for the message.
    #[error("there is no memory for the message")]
    NoMemory,
    /// The payload alone is larger than `capacity_bytes`.
    #[error("the message is larger than the port could ever hold")]
    TooBig,
    /// This process is the child of a fork; the owner lives in the parent.
    #[error("the port belongs to the parent of this forked process")]
    Forked,
}

/// Counts of one port since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Messages taken into the queue.
    pub sent: u64,
    /// Messages given to the owner.
    pub delivered: u64,
    /// Messages discarded by the policy or at close.
    pub dropped: u64,
    /// Messages that the sender was told about: full, too big, timed out.
    pub refused: u64,
    /// Messages that wait now.
    pub waiting: u64,
    /// Their payload bytes.
    pub waiting_bytes: u64,
    /// The most that ever waited.
    pub high_water: u64,
    /// Messages refused because the port was closed.
    pub after_close: u64,
}

/// How long [`Sender::send`] waits where the policy is [`Overflow::Block`].
pub const BLOCK_TIME: Duration = Duration::from_secs(5);

/// The sending end of a port: a number, free to copy. It may outlive the port and its owner; then it says so.
///
/// Thread: any. Blocks: only where said, but for the moment in which another sender or the owner holds the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    key: PortKey,
}

impl Sender {
    pub(crate) fn new(key: PortKey) -> Self {
        Self { key }
    }

    /// Which port this sends to.
    #[must_use]
    pub fn key(self) -> PortKey {
        self.key
    }

    /// Puts `payload` at the end of the owner's mailbox and wakes the owner if it may be asleep. What one thread sends
    /// arrives in the order it was sent, through whichever ports of a mailbox.
    ///
    /// Blocks: never, except that a full port with [`Overflow::Block`] makes it wait up to [`BLOCK_TIME`]; not on a
    /// thread that owns a mailbox itself ([`SendError::WouldDeadlock`]).
    ///
    /// # Errors
    /// [`SendError`] says why nothing was taken; the payload is dropped here.
    pub fn send(self, payload: Payload, tag: u32) -> Result<Sent, SendError> {
        self.offer(self.draft(payload, tag, None))
    }

    /// As [`Sender::send`], but leaves the owner asleep: the caller owes it a [`Sender::wake`], soon. Who sends several messages
    /// at once wakes it once.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_quietly(self, payload: Payload, tag: u32) -> Result<Sent, SendError> {
        let queue = self.key.slot.queue;
        if queue.is_forked() {
            return Err(SendError::Forked);
        }
        match queue.with(|inner| inner.offer(self.key, self.draft(payload, tag, None))) {
            Offered::Taken { evicted, .. } if evicted.is_empty() => Ok(Sent::Taken),
            Offered::NoRoom(draft) => self.offer(draft),
            other => self.conclude(other),
        }
    }

    /// Wakes the owner for what was sent with [`Sender::send_quietly`], if it may be asleep.
    pub fn wake(self) {
        if !self.is_forked() && self.key.is_current() {
            self.key.slot.queue.wake.wake_after_push();
        }
    }

    /// As [`Sender::send`], but waits for room for up to `timeout`, whatever the policy.
    ///
    /// Blocks: up to `timeout`; never on the owner's thread, which would have to make the room.
    ///
    /// # Errors
    /// As [`Sender::send`], and [`SendError::Timeout`].
    pub fn send_within(self, payload: Payload, tag: u32, timeout: Duration) -> Result<Sent, SendError> {
        self.offer_within(self.draft(payload, tag, None), timeout)
    }

    /// As [`Sender::send`], with somebody who waits for an answer.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn ask(self, payload: Payload, tag: u32, reply: ReplyTo) -> Result<Sent, SendError> {
        self.offer(self.draft(payload, tag, Some(Box::new(reply))))
    }

    /// Sets bits of the port's pending signal. The owner gets one message ([`Payload::Signal`]) with all bits set since
    /// the last one.
    ///
    /// Thread: any, in a signal handler too. Blocks: never.
    ///
    /// # Errors
    /// [`SendError::Closed`] and [`SendError::Forked`].
    pub fn signal(self, bits: u32) -> Result<(), SendError> {
        let queue = self.key.slot.queue;
        if queue.is_forked() {
            return Err(SendError::Forked);
        }
        if self.key.slot.phase() != phase::OPEN || !self.key.slot.set_signal(self.key.generation, bits) {
            return Err(SendError::Closed);
        }
        queue.signal();
        Ok(())
    }

    /// Closes the port: what waits is discarded, senders that wait for room are told. `false` if it was closed already.
    ///
    /// # Errors
    /// [`SendError::Forked`].
    pub fn close(self) -> Result<bool, SendError> {
        let queue = self.key.slot.queue;
        if queue.is_forked() {
            return Err(SendError::Forked);
        }
        let closed = queue.with(|inner| {
            let closed = inner.close(self.key)?;
            inner.events.push_back(Event::Closed { port: self.key });
            Some(closed)
        });
        let Some((name, discarded)) = closed else { return Ok(false) };
        if let Some(name) = name {
            registry::forget(&name, self.key);
        }
        drop(discarded);
        queue.wake.wake();
        Ok(true)
    }

    /// Is the port open?
    #[must_use]
    pub fn is_open(self) -> bool {
        self.key.is_current() && self.key.slot.phase() == phase::OPEN
    }

    /// Counts of this port. Works after close too, until the owner releases the port: then `None`.
    #[must_use]
    pub fn stats(self) -> Option<PortStats> {
        let slot = self.key.slot;
        let stats = |_: &mut Inner| self.key.is_current().then(|| slot.stats());
        if slot.queue.is_forked() { self.key.is_current().then(|| slot.stats()) } else { slot.queue.with(stats) }
    }

    /// What happens where there is no room.
    #[must_use]
    pub fn overflow(self) -> Overflow {
        self.key.slot.overflow()
    }

    /// Would a message of so many bytes be taken now? Others may send before the caller does.
    #[must_use]
    pub fn has_room(self, size: usize) -> bool {
        !self.is_forked() && self.key.slot.queue.with(|_| self.key.slot.has_room(size))
    }

    /// The most payload bytes that may wait.
    #[must_use]
    pub fn capacity_bytes(self) -> usize {
        self.key.slot.capacity_bytes()
    }

    /// Counts messages that were lost on their way to [`Sender::send`] as dropped.
    pub fn count_dropped(self, count: u64) {
        if !self.is_forked() {
            self.key.slot.queue.with(|_| {
                if self.key.is_current() {
                    self.key.slot.entered.dropped.add(count);
                }
            });
        }
    }

    /// Does the port belong to a mailbox of the calling thread?
    #[must_use]
    pub fn is_owner(self) -> bool {
        self.key.slot.queue.is_owner()
    }

    /// The lock of the port's state.
    #[must_use]
    pub fn state_lock(self) -> StateLock {
        let queue = self.key.slot.queue;
        StateLock::new(queue, if self.key.is_current() { queue.handle() } else { 0 })
    }

    /// What the port's owner is doing at this moment.
    #[must_use]
    pub fn owner_is(self) -> Doing {
        self.key.slot.queue.doing()
    }

    /// Does it belong to the parent of this forked process?
    #[must_use]
    pub fn is_forked(self) -> bool {
        self.key.slot.queue.is_forked()
    }

    pub(crate) fn draft(self, payload: Payload, tag: u32, reply: Option<Box<ReplyTo>>) -> Draft {
        Message { port: self.key, sequence: 0, tag, payload, reply }
    }

    pub(crate) fn offer(self, draft: Draft) -> Result<Sent, SendError> {
        let queue = self.key.slot.queue;
        if queue.is_forked() {
            return Err(SendError::Forked);
        }
        let offered = queue.with(|inner| inner.offer(self.key, draft));
        match offered {
            Offered::NoRoom(draft) if thread::is_an_owner() || queue.is_kept_by_caller() => {
                drop(draft);
                Err(self.would_deadlock())
            }
            Offered::NoRoom(draft) => self.offer_within(draft, BLOCK_TIME),
            other => self.conclude(other),
        }
    }

    pub(crate) fn offer_within(self, draft: Draft, timeout: Duration) -> Result<Sent, SendError> {
        let queue = self.key.slot.queue;
        if queue.is_forked() {
            return Err(SendError::Forked);
        }
        let owner = queue.is_kept_by_caller();
        let deadline = if owner { Some(Instant::now()) } else { Instant::now().checked_add(timeout) };
        match self.conclude(queue.offer_within(self.key, draft, deadline)) {
            Err(SendError::Timeout) if owner => Err(SendError::WouldDeadlock),
            result => result,
        }
    }

    fn would_deadlock(self) -> SendError {
        self.key.slot.queue.with(|_| {
            // Closed and released meanwhile, the place may be another port's.
            if self.key.is_current() {
                self.key.slot.entered.refused.add(1);
            }
        });
        SendError::WouldDeadlock
    }

    /// Wakes the owner and frees what did not get into the queue, both outside the lock.
    fn conclude(self, offered: Offered) -> Result<Sent, SendError> {
        match offered {
            Offered::Taken { wake, evicted } => {
                self.wake_if(wake);
                if evicted.is_empty() {
                    return Ok(Sent::Taken);
                }
                refuse_callers(evicted);
                Ok(Sent::Replaced)
            }
            Offered::Dropped { wake, draft } => {
                self.wake_if(wake);
                drop(draft);
                Ok(Sent::Dropped)
            }
            Offered::Refused(draft, error) => {
                drop(draft);
                Err(error)
            }
            Offered::NoRoom(_) => Err(SendError::Full),
        }
    }

    fn wake_if(self, wake: bool) {
        if wake {
            self.key.slot.queue.wake.wake_after_push();
        }
    }
}

/// Older messages that were discarded: whoever waits for their answers is told.
fn refuse_callers(evicted: VecDeque<Box<Message>>) {
    for message in evicted {
        if let Some(reply) = message.reply {
            reply.refuse(SendError::Full);
        }
    }
}
