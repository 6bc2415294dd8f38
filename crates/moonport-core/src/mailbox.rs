// SPDX-License-Identifier: MIT OR Apache-2.0
//! The owner's end: one FIFO over all its ports. Messages of ports that nobody listens to are laid aside until
//! somebody does.

use std::collections::VecDeque;
use std::io;
#[cfg(not(loom))]
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::message::Message;
use crate::port::{PortOptions, PortStats, Sender, Shared};
use crate::queue::Queue;
use crate::registry;

/// Names a port of one mailbox: a place and a generation, so that a stale key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortKey {
    index: u32,
    generation: u32,
}

impl PortKey {
    /// The place alone: small, dense, reused after close.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Why a port was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another open port has that name.
    #[error("another open port is named {0:?}")]
    Exists(String),
    /// More ports than a mailbox can number.
    #[error("too many ports")]
    TooMany,
}

/// The one queue of an owner thread, with all its ports.
///
/// Thread: the owner's. Only [`Sender`] goes to other threads.
#[derive(Debug)]
pub struct Mailbox {
    queue: Arc<Queue>,
    batch: VecDeque<Message>,
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    port: Option<Port>,
}

#[derive(Debug)]
struct Port {
    shared: Arc<Shared>,
    aside: VecDeque<Message>,
    handle: u64,
}

impl Mailbox {
    /// An empty mailbox whose owner is the calling thread.
    ///
    /// # Errors
    /// The system has no descriptor to give.
    pub fn new() -> io::Result<Self> {
        Ok(Self { queue: Arc::new(Queue::new()?), batch: VecDeque::new(), places: Vec::new(), free: Vec::new() })
    }

    /// Makes a port. Nobody listens to it yet.
    ///
    /// # Errors
    /// [`OpenError::Exists`] where another open port of the process has that name.
    pub fn open(&mut self, options: PortOptions) -> Result<PortKey, OpenError> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.places.len()).map_err(|_| OpenError::TooMany)?;
                self.places.push(Place::default());
                index
            }
        };
        let place = &mut self.places[index as usize];
        let key = PortKey { index, generation: place.generation };
        let shared = Arc::new(Shared::new(Arc::clone(&self.queue), key, &options));
        match registry::insert(Sender { shared: Arc::clone(&shared) }, options.name.as_deref()) {
            Some(handle) => {
                place.port = Some(Port { shared, aside: VecDeque::new(), handle });
                Ok(key)
            }
            None => {
                self.free.push(index);
                Err(OpenError::Exists(options.name.unwrap_or_default()))
            }
        }
    }

    fn port(&self, key: PortKey) -> Option<&Port> {
        let place = self.places.get(key.index())?;
        if place.generation == key.generation { place.port.as_ref() } else { None }
    }

    fn port_mut(&mut self, key: PortKey) -> Option<&mut Port> {
        let place = self.places.get_mut(key.index())?;
        if place.generation == key.generation { place.port.as_mut() } else { None }
    }

    /// A sending end of an open port.
    #[must_use]
    pub fn sender(&self, key: PortKey) -> Option<Sender> {
        self.port(key).map(|port| Sender { shared: Arc::clone(&port.shared) })
    }

    /// The number by which [`registry::find`] gives any thread a sender to this port.
    #[must_use]
    pub fn handle(&self, key: PortKey) -> Option<u64> {
        self.port(key).map(|port| port.handle)
    }

    /// Counts of an open port. A [`Sender`] gives them after close too.
    #[must_use]
    pub fn stats(&self, key: PortKey) -> Option<PortStats> {
        self.port(key).map(|port| port.shared.stats())
    }

    /// Do [`Mailbox::next`] and the wake-up cover this port? What was laid aside meanwhile takes its old place.
    pub fn listen(&mut self, key: PortKey, listening: bool) {
        let Some(port) = self.port_mut(key) else { return };
        port.shared.set_listening(listening);
        if listening {
            let aside = std::mem::take(&mut port.aside);
            self.queue.drain(&mut self.batch);
            if !aside.is_empty() {
                self.batch.extend(aside);
                self.batch.make_contiguous().sort_by_key(|message| message.sequence);
            }
        }
        self.rest();
    }

    /// The next message of a port that is listened to. Never blocks.
    #[expect(clippy::should_implement_trait, reason = "more may come after None: this is no iterator")]
    pub fn next(&mut self) -> Option<Message> {
        self.sort_front();
        let message = self.batch.pop_front()?;
        if let Some(port) = self.port(message.port) {
            port.shared.count_delivered(&message.payload);
        }
        Some(message)
    }

    /// The oldest message of this one port, whether or not it is listened to. Never blocks.
    pub fn take(&mut self, key: PortKey) -> Option<Message> {
        self.queue.drain(&mut self.batch);
        let port = self.port_mut(key)?;
        let message = match port.aside.pop_front() {
            Some(message) => Some(message),
            None => {
                let at = self.batch.iter().position(|message| message.port == key);
                at.and_then(|at| self.batch.remove(at))
            }
        };
        if let (Some(message), Some(port)) = (&message, self.port(key)) {
            port.shared.count_delivered(&message.payload);
        }
        self.rest();
        message
    }

    /// As [`Mailbox::take`], but sleeps until a message of this port comes or the time is over. Messages of other ports
    /// wait meanwhile. `None`: no limit.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal came.
    pub fn take_within(&mut self, key: PortKey, timeout: Option<Duration>) -> io::Result<Option<Message>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let Some(listening) = self.port(key).map(|port| port.shared.is_listening()) else { return Ok(None) };
        let found = loop {
            if let Some(message) = self.take(key) {
                break Ok(Some(message));
            }
            // Only from here on does a sender to this port wake us; what came before is seen by the look after it.
            if let Some(port) = self.port(key) {
                port.shared.set_listening(true);
            }
            self.queue.wake.clear();
            self.queue.drain(&mut self.batch);
            if self.batch.iter().any(|message| message.port == key) {
                continue;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match self.queue.wake.wait(left) {
                Ok(true) => {}
                Ok(false) => break Ok(None),
                Err(error) => break Err(error),
            }
        };
        self.listen(key, listening);
        found
    }

    /// Leaves the descriptor readable exactly if [`Mailbox::next`] would give something. Call it at the end of a turn;
    /// a sender that is just about to wake the owner for a message already taken may cause one empty turn more.
    pub fn rest(&mut self) {
        self.sort_front();
        if self.batch.is_empty() {
            // The flag falls before the last look: what is sent from here on wakes the owner again.
            self.queue.wake.clear();
            self.sort_front();
        }
        if !self.batch.is_empty() {
            self.queue.wake.wake();
        }
    }

    /// Brings a message that may be delivered to the front of the batch, if there is one.
    fn sort_front(&mut self) {
        loop {
            while let Some(front) = self.batch.front() {
                match self.port(front.port) {
                    Some(port) if port.shared.is_listening() => return,
                    _ => self.lay_aside_front(),
                }
            }
            self.queue.drain(&mut self.batch);
            if self.batch.is_empty() {
                return;
            }
        }
    }

    fn lay_aside_front(&mut self) {
        let Some(message) = self.batch.pop_front() else { return };
        if let Some(port) = self.port_mut(message.port) {
            port.aside.push_back(message);
        }
    }

    /// From now on senders to this port are refused; what waits stays.
    pub fn shut(&mut self, key: PortKey) {
        if let Some(port) = self.port(key) {
            port.shared.close();
            registry::remove(port.handle);
        }
    }

    /// Closes a port and discards what waits for it. Idempotent: a stale key does nothing.
    pub fn close(&mut self, key: PortKey) {
        self.shut(key);
        self.queue.drain(&mut self.batch);
        let Some(place) = self.places.get_mut(key.index()) else { return };
        if place.generation != key.generation {
            return;
        }
        let Some(port) = place.port.take() else { return };
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        let (discarded, kept) = std::mem::take(&mut self.batch).into_iter().partition(|m| m.port == key);
        self.batch = kept;
        let discarded: VecDeque<Message> = discarded;
        for message in port.aside.iter().chain(&discarded) {
            port.shared.count_dropped(&message.payload);
        }
        self.rest();
    }

    /// The descriptor that is readable while something waits, for poll and its kin. Valid as long as the mailbox.
    #[cfg(not(loom))]
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.queue.wake.descriptor()
    }

    /// Sleeps until a sender wakes the owner or the time is over; `true` if woken. `None`: no limit.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when a signal came, so that its handler's wishes can be looked at.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.queue.wake.wait(timeout)
    }

    /// A way to wake the owner from any thread without a message.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker { queue: Arc::clone(&self.queue) }
    }

    /// Is this process a forked child of the one that made the mailbox?
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.queue.is_forked()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        for place in &self.places {
            if let Some(port) = &place.port {
                if !self.queue.is_forked() {
                    port.shared.close();
                }
                registry::remove(port.handle);
            }
        }
    }
}

/// Wakes an owner without a message. Any thread; never blocks; outlives the mailbox.
#[derive(Clone, Debug)]
pub struct Waker {
    queue: Arc<Queue>,
}

impl Waker {
    /// Makes the owner's [`Mailbox::wait`] return, coalesced with other wake-ups.
    pub fn wake(&self) {
        if !self.queue.is_forked() {
            self.queue.wake.wake();
        }
    }
}
