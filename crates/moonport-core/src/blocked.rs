// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders that wait for room: a line for each queue. Room made by the owner calls one of them, who calls the next
//! when it is done; close dismisses all. Smaller messages may pass a large one for which there is no room, but not
//! for ever.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::queue::Inner;
use crate::slot::PortKey;
use crate::sync::{AtomicBool, AtomicU32, Condvar, MutexGuard, Ordering};

/// So many later messages may go in before one that stands in the line. Then nobody passes it any more.
const PATIENCE: u32 = 64;

/// A sender in the line.
pub(crate) struct Blocked {
    key: PortKey,
    size: usize,
    waiter: Arc<Waiter>,
}

/// All of it is changed under the lock.
pub(crate) struct Waiter {
    changed: Condvar,
    /// It was told of room, and has not looked yet.
    called: AtomicBool,
    /// Messages that went in before it though they came later.
    passed: AtomicU32,
}

impl Waiter {
    /// Sleeps until called or the time is over; may return early.
    pub(crate) fn wait<'a>(
        this: &Arc<Self>,
        inner: MutexGuard<'a, Inner>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, Inner> {
        // A call that came before the last look was for room that is gone again.
        this.called.store(false, Ordering::Relaxed);
        let inner = match timeout {
            Some(timeout) => this.changed.wait_timeout(inner, timeout).unwrap_or_else(PoisonError::into_inner).0,
            None => this.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
        };
        this.called.store(false, Ordering::Relaxed);
        inner
    }

    fn call(&self) {
        self.called.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn is_called(&self) -> bool {
        self.called.load(Ordering::Relaxed)
    }

    fn is_impatient(&self) -> bool {
        self.passed.load(Ordering::Relaxed) >= PATIENCE
    }
}

impl Inner {
    pub(crate) fn stand_in_line(&mut self, key: PortKey, size: usize) -> Arc<Waiter> {
        let waiter =
            Arc::new(Waiter { changed: Condvar::new(), called: AtomicBool::new(false), passed: AtomicU32::new(0) });
        self.blocked.push_back(Blocked { key, size, waiter: Arc::clone(&waiter) });
        self.called += 1;
        key.slot.await_room();
        waiter
    }

    /// A sender leaves the line, served or not. Whoever stood behind it may have room now.
    pub(crate) fn leave_line(&mut self, key: PortKey, waiter: &Arc<Waiter>) {
        self.blocked.retain(|blocked| !Arc::ptr_eq(&blocked.waiter, waiter));
        if self.blocked.iter().any(|blocked| blocked.key == key) {
            self.call_next(key);
        } else if key.is_current() {
            key.slot.await_no_more();
        }
    }

    /// May a message go in before those that wait for this port? `waiter`: it stands in the line itself.
    pub(crate) fn may_pass(&self, key: PortKey, waiter: Option<&Arc<Waiter>>) -> bool {
        !self.before(key, waiter).any(|blocked| blocked.waiter.is_impatient())
    }

    pub(crate) fn pass(&self, key: PortKey, waiter: Option<&Arc<Waiter>>) {
        for blocked in self.before(key, waiter) {
            blocked.waiter.passed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn before<'a>(&'a self, key: PortKey, waiter: Option<&'a Arc<Waiter>>) -> impl Iterator<Item = &'a Blocked> {
        let is_other = move |blocked: &&Blocked| waiter.is_none_or(|waiter| !Arc::ptr_eq(&blocked.waiter, waiter));
        self.blocked.iter().take_while(is_other).filter(move |blocked| blocked.key == key)
    }

    /// Calls the first sender in the line that fits and was not called yet.
    pub(crate) fn call_next(&mut self, key: PortKey) {
        for blocked in self.blocked.iter().filter(|blocked| blocked.key == key) {
            if !blocked.waiter.is_called() && key.slot.has_room(blocked.size) {
                return blocked.waiter.call();
            }
            if blocked.waiter.is_impatient() {
                return;
            }
        }
    }

    /// The port is closed: everybody may go.
    pub(crate) fn dismiss_line(&mut self, key: PortKey) {
        for blocked in self.blocked.iter().filter(|blocked| blocked.key == key) {
            blocked.waiter.call();
        }
    }
}
