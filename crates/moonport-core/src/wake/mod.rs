// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wakes the owner: one system call for each edge from empty to waiting, however many messages follow.
//!
//! The signal behind it is an eventfd on Linux and a pipe elsewhere; an owner whose descriptor nobody watches sleeps on the
//! state itself, by a futex on Linux. `--cfg moonport_test_waker_pipe` forces the pipe, and no futex.

#[cfg(all(target_os = "linux", not(moonport_test_waker_pipe), not(loom)))]
mod eventfd;
#[cfg(all(target_os = "linux", not(moonport_test_waker_pipe), not(loom)))]
use eventfd::Signal;
#[cfg(all(target_os = "linux", not(moonport_test_waker_pipe), not(loom)))]
mod futex;
#[cfg(all(target_os = "linux", not(moonport_test_waker_pipe), not(loom)))]
use futex::{Nap, POSSIBLE};

#[cfg(all(unix, any(not(target_os = "linux"), moonport_test_waker_pipe), not(loom)))]
mod pipe;
#[cfg(all(unix, any(not(target_os = "linux"), moonport_test_waker_pipe), not(loom)))]
use pipe::{Nap, POSSIBLE, Signal};

#[cfg(loom)]
mod model;
#[cfg(loom)]
use model::{Nap, POSSIBLE, Signal};

mod hook;
#[cfg(all(unix, not(loom)))]
pub(crate) mod poll;

use std::io;
#[cfg(not(loom))]
use std::os::fd::RawFd;
use std::time::Duration;

use crate::sync::{AtomicU32, Ordering};

/// The owner was woken, and has not looked yet.
const PENDING: u32 = 1;
/// The owner sleeps on the state itself, or is about to: the signal is not looked at.
const NAPPING: u32 = 2;

/// A pending flag and the signal that it spares.
#[derive(Debug)]
pub(crate) struct Wake {
    state: AtomicU32,
    signal: Signal,
    nap: Nap,
    hook: hook::Hook,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        let (state, nap) = (AtomicU32::new(0), Nap::new());
        Ok(Self { state, signal: Signal::new()?, nap, hook: hook::Hook::new() })
    }

    /// Any thread, in a signal handler too, after what it wants to be seen can be seen.
    pub(crate) fn wake(&self) {
        // Pairs with the swaps in `clear` and `prepare_sleep`: either the owner's look after them sees ours, or we find the
        // flag down.
        let before = self.state.fetch_or(PENDING, Ordering::AcqRel);
        if before & PENDING != 0 {
            return;
        }
        if before & NAPPING == 0 {
            self.signal.raise();
        } else {
            self.nap.wake(&self.state);
        }
        self.hook.call();
    }

    /// As [`Wake::wake`], for a sender that has just put a message into the queue, under its lock. While the owner is
    /// awake this only reads.
    pub(crate) fn wake_after_push(&self) {
        // The lock orders this against the owner's look: if that came before our push, so did its `clear`, and the flag
        // read here is no older; if it came after, it saw our message.
        if self.state.load(Ordering::Relaxed) & PENDING == 0 {
            self.wake();
        }
    }

    /// Sets the function that is called beside the signal; the one before is for [`Wake::free_hook`].
    pub(crate) fn swap_hook(&self, hook: Option<Box<dyn Fn() + Send + Sync>>) -> hook::Replaced {
        self.hook.swap(hook)
    }

    /// When this returns, the function is not called any more.
    pub(crate) fn free_hook(&self, replaced: hook::Replaced) {
        self.hook.free(replaced);
    }

    /// A new function hears of a signal that stands already.
    pub(crate) fn call_hook_if_pending(&self) {
        // An exchange and not a load: of this and a `wake` at the same time, one sees the other.
        if self.state.fetch_or(0, Ordering::AcqRel) & PENDING != 0 {
            self.hook.call();
        }
    }

    /// The owner, before its last look into the queue: in the other order a message sent between the look and the
    /// clearing would sleep for ever. Lowers the signal even where the flag is down: a sender that was overtaken
    /// between its two steps has raised it late.
    pub(crate) fn clear(&self) {
        // The signal first: were the flag down already, the signal of the next sender could be swallowed.
        self.signal.lower();
        // Pairs with the swap in `wake`; a swap and not a store, so that it takes over what senders published.
        self.state.swap(0, Ordering::AcqRel);
    }

    /// As [`Wake::clear`], by an owner that will sleep by [`Wake::sleep`], and whose descriptor nobody watches until the next
    /// [`Wake::clear`].
    pub(crate) fn prepare_sleep(&self) {
        if !POSSIBLE {
            return self.clear();
        }
        // Pairs with the exchange in `wake`, as in `clear`. A signal that a sender raises late, since it was overtaken, is
        // taken down by the next `clear`.
        self.state.swap(NAPPING, Ordering::AcqRel);
    }

    /// Does the signal tell nothing, since [`Wake::prepare_sleep`] came after the last [`Wake::clear`]?
    pub(crate) fn is_silent(&self) -> bool {
        self.state.load(Ordering::Relaxed) & NAPPING != 0
    }

    /// Sleeps until somebody calls [`Wake::wake`] (`true`), or has done so since [`Wake::prepare_sleep`], or the time is over.
    pub(crate) fn sleep(&self, timeout: Option<Duration>) -> io::Result<bool> {
        if POSSIBLE { self.nap.wait(&self.state, timeout) } else { self.signal.wait(timeout) }
    }

    #[cfg(not(loom))]
    pub(crate) fn descriptor(&self) -> RawFd {
        self.signal.descriptor()
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.signal.wait(timeout)
    }
}

#[cfg(all(test, loom))]
mod tests;
