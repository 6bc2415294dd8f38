// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wakes the owner: one system call for each edge from empty to waiting, however many messages follow.
//!
//! The signal behind it is an eventfd on Linux, an event object on Windows and a pipe elsewhere; `--cfg
//! moonport_test_fallbacks` forces the pipe.

#[cfg(all(target_os = "linux", not(moonport_test_fallbacks), not(loom)))]
mod eventfd;
#[cfg(all(target_os = "linux", not(moonport_test_fallbacks), not(loom)))]
use eventfd::Signal;

#[cfg(all(unix, any(not(target_os = "linux"), moonport_test_fallbacks), not(loom)))]
mod pipe;
#[cfg(all(unix, any(not(target_os = "linux"), moonport_test_fallbacks), not(loom)))]
use pipe::Signal;

#[cfg(all(windows, not(loom)))]
mod windows;
#[cfg(all(windows, not(loom)))]
use windows::Signal;
#[cfg(all(windows, not(loom)))]
pub(crate) use windows::readable;

#[cfg(loom)]
mod model;
#[cfg(loom)]
use model::Signal;

mod hook;
pub(crate) use hook::Function;
#[cfg(all(unix, not(loom)))]
pub(crate) mod poll;
#[cfg(all(unix, not(loom)))]
pub(crate) use poll::readable;

use std::io;
use std::time::Duration;

use crate::sync::{AtomicBool, Ordering};

/// What other loops watch: a descriptor, or on Windows the number of a socket.
#[cfg(not(loom))]
pub type Descriptor = std::ffi::c_int;

/// A pending flag and the signal that it spares.
#[derive(Debug)]
pub(crate) struct Wake {
    pending: AtomicBool,
    signal: Signal,
    hooks: [hook::Hook; 2],
}

/// Whose function is called beside the signal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HookOf {
    /// The program's: `moonport_set_waker`.
    Program = 0,
    /// That of a loop we have attached to ourselves.
    Host = 1,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            pending: AtomicBool::new(false),
            signal: Signal::new()?,
            hooks: [hook::Hook::new(), hook::Hook::new()],
        })
    }

    /// Any thread, in a signal handler too, after what it wants to be seen can be seen.
    pub(crate) fn wake(&self) {
        self.raise(false);
    }

    /// As [`Wake::wake`], where it may be a signal handler that calls.
    pub(crate) fn wake_from_signal(&self) {
        self.raise(true);
    }

    fn raise(&self, from_signal: bool) {
        // Pairs with the swap in `clear`: either the owner's look after it sees ours, or we find the flag down.
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.signal.raise();
            self.call_hooks(from_signal);
        }
    }

    fn call_hooks(&self, from_signal: bool) {
        for hook in &self.hooks {
            hook.call(from_signal);
        }
    }

    /// As [`Wake::wake`], for a sender that has just put a message into the queue, under its lock. While the owner is
    /// awake this only reads.
    pub(crate) fn wake_after_push(&self) {
        // The lock orders this against the owner's look: if that came before our push, so did its `clear`, and the flag
        // read here is no older; if it came after, it saw our message.
        if !self.pending.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Sets the function that is called beside the signal; the one before is for [`Wake::free_hook`].
    pub(crate) fn swap_hook(&self, of: HookOf, hook: Option<Box<Function>>) -> hook::Replaced {
        self.hooks[of as usize].swap(hook)
    }

    /// When this returns, the function is not called any more.
    pub(crate) fn free_hook(&self, of: HookOf, replaced: hook::Replaced) {
        self.hooks[of as usize].free(replaced);
    }

    /// A new function hears of a signal that stands already.
    pub(crate) fn call_hook_if_pending(&self, of: HookOf) {
        // An exchange and not a load: of this and a `wake` at the same time, one sees the other.
        if self.pending.fetch_or(false, Ordering::AcqRel) {
            self.hooks[of as usize].call(false);
        }
    }

    /// The owner, before its last look into the queue: in the other order a message sent between the look and the
    /// clearing would sleep for ever. Lowers the signal even where the flag is down: a sender that was overtaken
    /// between its two steps has raised it late.
    pub(crate) fn clear(&self) {
        // The signal first: were the flag down already, the signal of the next sender could be swallowed.
        self.signal.lower();
        // Pairs with the swap in `wake`; a swap and not a store, so that it takes over what senders published.
        self.pending.swap(false, Ordering::AcqRel);
    }

    /// As [`Wake::clear`], by an owner that will not be looked at by others until [`Wake::sleep`] has returned: where that
    /// is possible, the signal stays.
    pub(crate) fn prepare_sleep(&self) {
        self.signal.prepare_sleep();
        // Pairs with the swap in `wake`, as in `clear`.
        self.pending.swap(false, Ordering::AcqRel);
    }

    /// Sleeps until somebody calls [`Wake::wake`], or has done so since the last sleep.
    pub(crate) fn sleep(&self) -> io::Result<()> {
        self.signal.sleep()
    }

    #[cfg(not(loom))]
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor> {
        self.signal.descriptor()
    }

    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.signal.wait(timeout)
    }
}

#[cfg(all(test, loom))]
mod tests;
