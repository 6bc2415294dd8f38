// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server counts. One thread counts, any thread reads; the counts need not agree with each other.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one server since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections open now.
    pub connections: u64,
    /// Connections taken, those that were one too many included.
    pub accepted: u64,
    /// Requests of which a head was read, refused ones included.
    pub requests: u64,
    /// Requests sent to Lua.
    pub forwarded: u64,
    /// Requests that Lua answered in time.
    pub answered: u64,
    /// Requests that the server refused with 4xx.
    pub refused: u64,
    /// Requests and connections answered 503.
    pub full: u64,
    /// Connections that waited for their client and gave their place to another one.
    pub evicted: u64,
    /// Requests answered 504.
    pub timeouts: u64,
    /// Requests whose client left while Lua had them.
    pub cancelled: u64,
    /// WebSockets open now.
    pub sockets: u64,
    /// WebSocket messages sent to Lua.
    pub messages_received: u64,
    /// WebSocket messages written to clients.
    pub messages_sent: u64,
    /// Pages that listen to events now.
    pub pages: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

/// A count that one thread raises. Relaxed: nothing is published by it.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        // Only one thread counts: no locked addition.
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn one_less(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Count,
    pub(crate) accepted: Count,
    pub(crate) requests: Count,
    pub(crate) forwarded: Count,
    pub(crate) answered: Count,
    pub(crate) refused: Count,
    pub(crate) full: Count,
    pub(crate) evicted: Count,
    pub(crate) timeouts: Count,
    pub(crate) cancelled: Count,
    pub(crate) sockets: Count,
    pub(crate) messages_received: Count,
    pub(crate) messages_sent: Count,
    pub(crate) pages: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
}

impl Counters {
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            connections: self.connections.get(),
            accepted: self.accepted.get(),
            requests: self.requests.get(),
            forwarded: self.forwarded.get(),
            answered: self.answered.get(),
            refused: self.refused.get(),
            full: self.full.get(),
            evicted: self.evicted.get(),
            timeouts: self.timeouts.get(),
            cancelled: self.cancelled.get(),
            sockets: self.sockets.get(),
            messages_received: self.messages_received.get(),
            messages_sent: self.messages_sent.get(),
            pages: self.pages.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
        }
    }
}
