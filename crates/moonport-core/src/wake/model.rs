// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signal as loom can see it. Only the models use it.

use std::io;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};

use crate::sync::{AtomicU32, Ordering, lock};

#[derive(Debug)]
pub(super) struct Signal {
    stands: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    #[expect(clippy::unnecessary_wraps, reason = "the signature of the real signals")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { stands: Mutex::new(false), changed: Condvar::new() })
    }

    pub(super) fn raise(&self) {
        *lock(&self.stands) = true;
        self.changed.notify_one();
    }

    pub(super) fn lower(&self) {
        *lock(&self.stands) = false;
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature of the real signals")]
    pub(super) fn wait(&self, _timeout: Option<Duration>) -> io::Result<bool> {
        let mut stands = lock(&self.stands);
        while !*stands {
            stands = self.changed.wait(stands).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Ok(true)
    }
}

/// Can an owner sleep on the state's own word?
pub(super) const POSSIBLE: bool = true;

/// A futex as loom can see it: looking and falling asleep are one step.
#[derive(Debug)]
pub(super) struct Nap {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Nap {
    pub(super) fn new() -> Self {
        Self { lock: Mutex::new(()), changed: Condvar::new() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature of the real naps")]
    pub(super) fn wait(&self, state: &AtomicU32, _timeout: Option<Duration>) -> io::Result<bool> {
        let mut guard = lock(&self.lock);
        while state.load(Ordering::Acquire) & super::PENDING == 0 {
            guard = self.changed.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Ok(true)
    }

    pub(super) fn wake(&self, _: &AtomicU32) {
        let _guard = lock(&self.lock);
        self.changed.notify_one();
    }
}
