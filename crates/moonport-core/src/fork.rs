// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells a forked child from the process that made a thing: threads and locks do not survive a fork.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static REGISTER: Once = Once::new();

/// A number that is another one in every forked child, from the first call in the parent on.
///
/// Thread: any. Blocks: never.
#[must_use]
pub fn generation() -> u32 {
    REGISTER.call_once(register);
    GENERATION.load(Ordering::Relaxed)
}

#[cfg(all(unix, not(miri)))]
fn register() {
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the function only adds to an atomic, which a child may do, and this image is never unloaded.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

#[cfg(any(not(unix), miri))]
fn register() {}

/// Forks inside forked children that have something of their own. Deeper ones share the last.
#[cfg(not(loom))]
pub(crate) const NESTED: usize = 16;

/// A static of which every forked child has a fresh one: a lock of the parent's may have been held by a thread that the
/// child does not have.
#[cfg(not(loom))]
pub(crate) struct PerProcess<T>([T; NESTED]);

#[cfg(not(loom))]
impl<T> PerProcess<T> {
    pub(crate) const fn new(all: [T; NESTED]) -> Self {
        Self(all)
    }

    pub(crate) fn get(&self) -> &T {
        let [first, rest @ ..] = &self.0;
        match generation() {
            0 => first,
            nested => rest.get(nested as usize - 1).or(rest.last()).unwrap_or(first),
        }
    }
}
