// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which thread owns a mailbox, and does the calling thread own any? Without a destructor or an allocation, so that a
//! sender's thread leaves nothing behind.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// Mailboxes of this thread. Its address tells threads apart.
    static OWNED: Cell<u32> = const { Cell::new(0) };
}

/// The threads of a model share one thread of the system.
/// A number of the calling thread's, never 0.
#[cfg(loom)]
pub(crate) fn here() -> usize {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    loom::thread::current().id().hash(&mut hasher);
    hasher.finish() as usize
}

/// A number of the calling thread's, never 0.
#[cfg(not(loom))]
pub(crate) fn here() -> usize {
    OWNED.with(|owned| std::ptr::from_ref(owned).addr())
}

/// The thread that owns a mailbox.
#[derive(Debug)]
pub(crate) struct Id(AtomicUsize);

impl Id {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(crate) fn set_here(&self) {
        self.0.store(here(), Ordering::Relaxed);
        OWNED.with(|owned| owned.set(owned.get().saturating_add(1)));
    }

    /// The mailbox is over.
    pub(crate) fn clear(&self) {
        if self.is_here() {
            OWNED.with(|owned| owned.set(owned.get().saturating_sub(1)));
        }
        self.0.store(0, Ordering::Relaxed);
    }

    pub(crate) fn number(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn is_here(&self) -> bool {
        self.0.load(Ordering::Relaxed) == here()
    }
}

/// Does the calling thread own a mailbox? Then it must not wait for another owner by accident.
pub(crate) fn is_an_owner() -> bool {
    OWNED.with(Cell::get) > 0
}
