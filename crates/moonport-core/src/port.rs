// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sending end: checks a message against its port's limits, puts it into the mailbox and wakes the owner.

use std::sync::Arc;

use crate::mailbox::PortKey;
use crate::message::{Message, Payload};
use crate::queue::Queue;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What happens to a message for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The sender is told [`SendError::Full`].
    #[default]
    Error,
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
}

impl Default for PortOptions {
    fn default() -> Self {
        Self { name: None, capacity: 65_536, capacity_bytes: 64 << 20, overflow: Overflow::Error }
    }
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
    /// Messages discarded at close.
    pub dropped: u64,
    /// Messages that the sender was told about: full or too big.
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

/// One port, as senders and the owner see it. Limits are checked and counts are raised under the queue's lock; the
/// owner lowers `waiting` without it, so a sender may at worst see a port as fuller than it is.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Arc<Queue>,
    pub(crate) key: PortKey,
    capacity: usize,
    capacity_bytes: usize,
    closed: AtomicBool,
    listening: AtomicBool,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    high_water: AtomicUsize,
    sent: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    after_close: AtomicU64,
}

impl Shared {
    pub(crate) fn new(queue: Arc<Queue>, key: PortKey, options: &PortOptions) -> Self {
        Self {
            queue,
            key,
            capacity: options.capacity,
            capacity_bytes: options.capacity_bytes,
            closed: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            high_water: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            after_close: AtomicU64::new(0),
        }
    }

    /// From now on senders are refused. Under the lock, so that nothing is taken after this returns.
    pub(crate) fn close(&self) {
        self.queue.with(|_| self.closed.store(true, Ordering::Relaxed));
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// Under the lock, so that a sender either wakes the owner or has its message seen by the owner's next drain.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.queue.with(|_| self.listening.store(listening, Ordering::Relaxed));
    }

    pub(crate) fn count_delivered(&self, payload: &Payload) {
        self.leave(payload);
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self, payload: &Payload) {
        self.leave(payload);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self, payload: &Payload) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(payload.size(), Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> PortStats {
        PortStats {
            sent: self.sent.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed) as u64,
            waiting_bytes: self.waiting_bytes.load(Ordering::Relaxed) as u64,
            high_water: self.high_water.load(Ordering::Relaxed) as u64,
            after_close: self.after_close.load(Ordering::Relaxed),
        }
    }
}

/// The sending end of a port. Cheap to clone; outlives the port and its owner.
///
/// Thread: any. Blocks: never, but for the moment in which another sender or the owner holds the queue.
#[derive(Clone, Debug)]
pub struct Sender {
    pub(crate) shared: Arc<Shared>,
}

impl Sender {
    /// Puts `payload` at the end of the owner's mailbox and wakes the owner if it may be asleep. What one thread sends
    /// arrives in the order it was sent, through whichever ports of a mailbox.
    ///
    /// # Errors
    /// [`SendError`] says why nothing was taken; the payload is dropped here.
    pub fn send(&self, payload: Payload, tag: u32) -> Result<(), SendError> {
        let shared = &*self.shared;
        if shared.queue.is_forked() {
            return Err(SendError::Forked);
        }
        let size = payload.size();
        let listening = shared.queue.with(|inner| {
            if shared.closed.load(Ordering::Relaxed) {
                shared.after_close.fetch_add(1, Ordering::Relaxed);
                return Err(SendError::Closed);
            }
            let waiting = shared.waiting.load(Ordering::Relaxed);
            let bytes = shared.waiting_bytes.load(Ordering::Relaxed);
            let fits = waiting < shared.capacity && size <= shared.capacity_bytes.saturating_sub(bytes);
            if !fits {
                shared.refused.fetch_add(1, Ordering::Relaxed);
                return Err(if size > shared.capacity_bytes { SendError::TooBig } else { SendError::Full });
            }
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            shared.waiting_bytes.fetch_add(size, Ordering::Relaxed);
            shared.high_water.fetch_max(waiting + 1, Ordering::Relaxed);
            shared.sent.fetch_add(1, Ordering::Relaxed);
            inner.sequence += 1;
            let sequence = inner.sequence;
            inner.messages.push_back(Message { port: shared.key, sequence, tag, payload });
            Ok(shared.is_listening())
        })?;
        if listening {
            shared.queue.wake.wake();
        }
        Ok(())
    }

    /// Counts of this port. Works after close too.
    #[must_use]
    pub fn stats(&self) -> PortStats {
        self.shared.stats()
    }
}
