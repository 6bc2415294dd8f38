// SPDX-License-Identifier: MIT OR Apache-2.0
//! The place of one port: its limits and counts. Places are never freed, only used again with another generation, so
//! that a stale number is told from a good one and never points to freed memory.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::barrier;
use crate::message::Encoding;
use crate::port::{Overflow, PortOptions, PortStats};
use crate::queue::Queue;
use crate::sync::{Apart, AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Count, Ordering};

/// Names a port: a place and a generation, so that a stale key finds nothing. As a number it is the port's handle. Packed, for
/// the bytes that a message carries in its place.
#[derive(Clone, Copy)]
#[repr(Rust, packed(4))]
pub struct PortKey {
    pub(crate) slot: &'static Slot,
    pub(crate) generation: u32,
}

impl PortKey {
    /// The place alone: small, dense in the process, reused after close.
    #[must_use]
    pub fn index(self) -> usize {
        self.slot.index as usize
    }

    /// The number by which [`crate::registry::find`] gives any thread a sender to this port. Never zero.
    #[must_use]
    pub fn handle(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot.index)
    }

    /// How bytes that say nothing else are read.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        match self.slot.encoding.load(Ordering::Relaxed) {
            1 => Encoding::Json,
            2 => Encoding::MessagePack,
            3 => Encoding::Value,
            _ => Encoding::Raw,
        }
    }

    /// Generations are odd while a port has the place.
    #[cfg(not(loom))]
    pub(crate) fn is_in_use(self) -> bool {
        !self.generation.is_multiple_of(2)
    }

    /// Is this still the port of its place? True after close too, until it is released.
    pub(crate) fn is_current(self) -> bool {
        self.slot.generation.load(Ordering::Acquire) == self.generation
    }
}

impl PartialEq for PortKey {
    fn eq(&self, other: &Self) -> bool {
        self.slot.index == other.slot.index && self.generation == other.generation
    }
}

impl Eq for PortKey {}

impl Hash for PortKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.handle().hash(state);
    }
}

impl fmt::Debug for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortKey({:#x})", self.handle())
    }
}

/// What a port is doing.
pub(crate) mod phase {
    /// Takes messages and delivers them.
    pub(crate) const OPEN: u8 = 0;
    /// Refuses senders, but delivers what waits.
    pub(crate) const SHUT: u8 = 1;
    /// Over.
    pub(crate) const CLOSED: u8 = 2;
}

/// What the owner has taken away. Only the owner writes it; senders look here only when a port seems full.
#[derive(Debug)]
struct Left {
    count: AtomicU64,
    bytes: AtomicU64,
    discarded: Count,
}

/// What senders have put in. Changes only under the queue's lock.
#[derive(Debug)]
pub(crate) struct Entered {
    /// Messages put in, less those that senders took out again.
    count: Count,
    bytes: Count,
    /// What `left` was when a sender last looked.
    seen_left: Count,
    seen_left_bytes: Count,
    high_water: Count,
    pub(crate) sent: Count,
    pub(crate) dropped: Count,
    /// Those of the present episode of overflow.
    pub(crate) dropping: Count,
    pub(crate) refused: Count,
    pub(crate) after_close: Count,
}

/// One port's place. What changes rarely (under the queue's lock), what senders write and what the owner writes are far
/// enough apart that none of them slows the others down.
pub(crate) struct Slot {
    pub(crate) queue: &'static Queue,
    pub(crate) index: u32,
    generation: AtomicU32,
    phase: AtomicU8,
    overflow: AtomicU8,
    encoding: AtomicU8,
    listening: AtomicBool,
    /// Somebody waits for room.
    awaited: AtomicBool,
    capacity: AtomicUsize,
    capacity_bytes: AtomicUsize,
    /// The generation in the upper half, the pending bits in the lower.
    signal: AtomicU64,
    pub(crate) entered: Apart<Entered>,
    left: Apart<Left>,
}

impl Slot {
    pub(crate) fn new(queue: &'static Queue, index: u32) -> Self {
        Self {
            queue,
            index,
            generation: AtomicU32::new(0),
            phase: AtomicU8::new(phase::CLOSED),
            overflow: AtomicU8::new(0),
            encoding: AtomicU8::new(0),
            listening: AtomicBool::new(false),
            awaited: AtomicBool::new(false),
            capacity: AtomicUsize::new(0),
            capacity_bytes: AtomicUsize::new(0),
            signal: AtomicU64::new(0),
            entered: Apart(Entered {
                count: Count::new(),
                bytes: Count::new(),
                seen_left: Count::new(),
                seen_left_bytes: Count::new(),
                high_water: Count::new(),
                sent: Count::new(),
                dropped: Count::new(),
                dropping: Count::new(),
                refused: Count::new(),
                after_close: Count::new(),
            }),
            left: Apart(Left { count: AtomicU64::new(0), bytes: AtomicU64::new(0), discarded: Count::new() }),
        }
    }

    /// A new port in a free place. `None` where the generations of the place are used up.
    pub(crate) fn begin(&'static self, options: &PortOptions) -> Option<PortKey> {
        let generation = self.generation.load(Ordering::Relaxed).checked_add(1)?;
        for count in [
            &self.entered.count,
            &self.entered.bytes,
            &self.entered.seen_left,
            &self.entered.seen_left_bytes,
            &self.entered.high_water,
            &self.entered.sent,
            &self.entered.dropped,
            &self.entered.dropping,
            &self.entered.refused,
            &self.entered.after_close,
            &self.left.discarded,
        ] {
            count.set(0);
        }
        self.left.count.store(0, Ordering::Relaxed);
        self.left.bytes.store(0, Ordering::Relaxed);
        self.capacity.store(if options.overflow == Overflow::Latest { 1 } else { options.capacity }, Ordering::Relaxed);
        self.capacity_bytes.store(options.capacity_bytes, Ordering::Relaxed);
        self.overflow.store(options.overflow as u8, Ordering::Relaxed);
        self.encoding.store(options.encoding as u8, Ordering::Relaxed);
        self.listening.store(false, Ordering::Relaxed);
        self.awaited.store(false, Ordering::Relaxed);
        self.phase.store(phase::OPEN, Ordering::Relaxed);
        self.signal.store(u64::from(generation) << 32, Ordering::Relaxed);
        // Pairs with the load in `is_current`: who sees the generation sees the port.
        self.generation.store(generation, Ordering::Release);
        Some(PortKey { slot: self, generation })
    }

    /// The place is free: from now on the key is stale.
    pub(crate) fn end(&self) {
        let generation = self.generation.load(Ordering::Relaxed);
        self.generation.store(generation.wrapping_add(1), Ordering::Release);
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    pub(crate) fn set_phase(&self, phase: u8) {
        self.phase.store(phase, Ordering::Relaxed);
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    pub(crate) fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    pub(crate) fn overflow(&self) -> Overflow {
        match self.overflow.load(Ordering::Relaxed) {
            1 => Overflow::DropNew,
            2 => Overflow::DropOld,
            3 => Overflow::Latest,
            4 => Overflow::Block,
            _ => Overflow::Error,
        }
    }

    pub(crate) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes.load(Ordering::Relaxed)
    }

    /// Is there room for one message more of so many bytes?
    pub(crate) fn has_room(&self, size: usize) -> bool {
        // What the owner was seen to have taken may be old: then the port is emptier than it seems.
        self.fits(size) || {
            self.look();
            self.fits(size)
        }
    }

    fn fits(&self, size: usize) -> bool {
        let waiting = self.entered.count.get() - self.entered.seen_left.get();
        let bytes = self.entered.bytes.get().saturating_sub(self.entered.seen_left_bytes.get());
        let capacity_bytes = self.capacity_bytes() as u64;
        waiting < self.capacity.load(Ordering::Relaxed) as u64 && size as u64 <= capacity_bytes.saturating_sub(bytes)
    }

    /// Sees what the owner has taken by now.
    fn look(&self) {
        // Pairs with the store in `leave`: the bytes seen next are no older than the count.
        self.entered.seen_left.set(self.left.count.load(Ordering::Acquire));
        self.entered.seen_left_bytes.set(self.left.bytes.load(Ordering::Relaxed));
    }

    /// A message is put in.
    pub(crate) fn enter(&self, size: usize) {
        self.entered.sent.add(1);
        self.entered.count.add(1);
        self.entered.bytes.add(size as u64);
        if self.entered.count.get() - self.entered.seen_left.get() > self.entered.high_water.get() {
            self.look();
            self.entered
                .high_water
                .set(self.entered.high_water.get().max(self.entered.count.get() - self.entered.seen_left.get()));
        }
    }

    /// Messages that were put in are taken out again, not by the owner.
    pub(crate) fn retract(&self, count: u64, bytes: u64) {
        self.entered.count.subtract(count);
        self.entered.bytes.subtract(bytes);
        self.entered.dropped.add(count);
    }

    /// The owner takes a message away; `true` if somebody waits for the room.
    pub(crate) fn leave(&self, size: usize) -> bool {
        self.left.bytes.store(self.left.bytes.load(Ordering::Relaxed) + size as u64, Ordering::Relaxed);
        self.left.count.store(self.left.count.load(Ordering::Relaxed) + 1, Ordering::Release);
        // Pairs with the one in `await_room`: a sender either sees the new count, or its mark is seen here.
        barrier::light();
        self.awaited.load(Ordering::Relaxed)
    }

    /// A message that never waited is delivered. Under the lock.
    pub(crate) fn pass_through(&self) {
        self.entered.sent.add(1);
        self.entered.count.add(1);
        self.leave(0);
    }

    /// As [`Slot::leave`], for a message that nobody gets. Under the lock.
    pub(crate) fn discard(&self, size: usize) {
        self.left.discarded.add(1);
        self.entered.dropped.add(1);
        self.leave(size);
    }

    /// From now on the owner tells when it makes room. What it took before is seen by a look after this.
    pub(crate) fn await_room(&self) {
        self.awaited.store(true, Ordering::Relaxed);
        barrier::heavy();
    }

    pub(crate) fn await_no_more(&self) {
        self.awaited.store(false, Ordering::Relaxed);
    }

    /// Sets bits of the pending signal of this generation; `false` if that is over. Async-signal-safe.
    pub(crate) fn set_signal(&self, generation: u32, bits: u32) -> bool {
        let set = |current: u64| (current >> 32 == u64::from(generation)).then_some(current | u64::from(bits));
        // Pairs with the exchange in `take_signal`.
        self.signal.fetch_update(Ordering::AcqRel, Ordering::Acquire, set).is_ok()
    }

    pub(crate) fn has_signal(&self) -> bool {
        self.signal.load(Ordering::Acquire) & u64::from(u32::MAX) != 0
    }

    /// The pending bits, which are then no more.
    pub(crate) fn take_signal(&self) -> u32 {
        let cleared = |current: u64| Some(current & !u64::from(u32::MAX));
        let before = self.signal.fetch_update(Ordering::AcqRel, Ordering::Acquire, cleared).unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
        let bits = before as u32;
        bits
    }

    /// A closed port takes no signals.
    pub(crate) fn end_signals(&self) {
        self.signal.store(0, Ordering::Release);
    }

    pub(crate) fn stats(&self) -> PortStats {
        let left = self.left.count.load(Ordering::Acquire);
        PortStats {
            sent: self.entered.sent.get(),
            delivered: left.saturating_sub(self.left.discarded.get()),
            dropped: self.entered.dropped.get(),
            refused: self.entered.refused.get(),
            waiting: self.entered.count.get().saturating_sub(left),
            waiting_bytes: self.entered.bytes.get().saturating_sub(self.left.bytes.load(Ordering::Relaxed)),
            high_water: self.entered.high_water.get(),
            after_close: self.entered.after_close.get(),
        }
    }
}
