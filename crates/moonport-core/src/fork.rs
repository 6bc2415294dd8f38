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
