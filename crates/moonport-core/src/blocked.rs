// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders that wait for room: a line for each queue. Room made by the owner calls one of them; close dismisses all.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::queue::Inner;
use crate::slot::PortKey;
use crate::sync::{AtomicBool, Condvar, MutexGuard, Ordering};

/// A sender in the line.
pub(crate) struct Blocked {
    key: PortKey,
    size: usize,
    waiter: Arc<Waiter>,
}

pub(crate) struct Waiter {
    changed: Condvar,
    /// It was told of room, and has not looked yet. Changed under the lock.
    called: AtomicBool,
}

impl Waiter {
    /// Sleeps until called or the time is over; may return early.
    pub(crate) fn wait<'a>(
        this: &Arc<Self>,
        inner: MutexGuard<'a, Inner>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, Inner> {
        if this.called.swap(false, Ordering::Relaxed) {
            return inner;
        }
        match timeout {
            Some(timeout) => this.changed.wait_timeout(inner, timeout).unwrap_or_else(PoisonError::into_inner).0,
            None => this.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn call(&self) {
        self.called.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }
}

impl Inner {
    pub(crate) fn stand_in_line(&mut self, key: PortKey, size: usize) -> Arc<Waiter> {
        let waiter = Arc::new(Waiter { changed: Condvar::new(), called: AtomicBool::new(false) });
        self.blocked.push_back(Blocked { key, size, waiter: Arc::clone(&waiter) });
        key.slot.await_room();
        waiter
    }

    /// A sender leaves the line; one that was called but did not use the room passes the call on.
    pub(crate) fn leave_line(&mut self, key: PortKey, waiter: &Arc<Waiter>, served: bool) {
        self.blocked.retain(|blocked| !Arc::ptr_eq(&blocked.waiter, waiter));
        if !self.blocked.iter().any(|blocked| blocked.key == key) {
            if key.is_current() {
                key.slot.await_no_more();
            }
        } else if !served && waiter.called.load(Ordering::Relaxed) {
            self.call_next(key);
        }
    }

    /// Calls the first sender in the line that fits and was not called yet.
    pub(crate) fn call_next(&mut self, key: PortKey) {
        let fits = |blocked: &&Blocked| {
            blocked.key == key && !blocked.waiter.called.load(Ordering::Relaxed) && key.slot.has_room(blocked.size)
        };
        if let Some(blocked) = self.blocked.iter().find(fits) {
            blocked.waiter.call();
        }
    }

    /// The port is closed: everybody may go.
    pub(crate) fn dismiss_line(&mut self, key: PortKey) {
        for blocked in self.blocked.iter().filter(|blocked| blocked.key == key) {
            blocked.waiter.call();
        }
    }
}
