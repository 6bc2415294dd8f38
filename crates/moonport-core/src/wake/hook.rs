// SPDX-License-Identifier: MIT OR Apache-2.0
//! A function of the host's that is called beside the signal, for loops that cannot watch a descriptor.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// `true`: a signal handler may be what calls.
pub(crate) type Function = dyn Fn(bool) + Send + Sync;

/// At most one function. Calling it takes no lock, since a signal handler may do it.
#[derive(Debug)]
pub(crate) struct Hook {
    function: AtomicPtr<Box<Function>>,
    /// Calls that have begun. Nothing is freed before it was seen at 0.
    calls: AtomicU32,
}

impl Hook {
    pub(super) fn new() -> Self {
        Self { function: AtomicPtr::new(ptr::null_mut()), calls: AtomicU32::new(0) }
    }

    pub(super) fn call(&self, from_signal: bool) {
        // One total order with the steps of `swap` and `free`: either they see this call, or this sees the new function.
        self.calls.fetch_add(1, Ordering::SeqCst);
        let function = self.function.load(Ordering::SeqCst);
        if !function.is_null() {
            // SAFETY: `free` takes a function only after it was replaced and no call was under way.
            unsafe { (*function)(from_signal) };
        }
        self.calls.fetch_sub(1, Ordering::Release);
    }

    /// Sets the function and gives the one before, which may be running still.
    pub(super) fn swap(&self, function: Option<Box<Function>>) -> Replaced {
        let new = function.map_or(ptr::null_mut(), |function| Box::into_raw(Box::new(function)));
        // In one total order with the two steps of `call`.
        Replaced(self.function.swap(new, Ordering::SeqCst))
    }

    /// Waits until no call is under way, and frees the function. Not to be called from it.
    pub(super) fn free(&self, replaced: Replaced) {
        if replaced.0.is_null() {
            return;
        }
        while self.calls.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        // SAFETY: it came from `Box::into_raw` in an earlier `swap`, and nobody can reach it any more.
        drop(unsafe { Box::from_raw(replaced.0) });
    }
}

/// A function that [`Hook::swap`] has replaced, to be given to [`Hook::free`].
#[must_use]
#[derive(Debug)]
pub(crate) struct Replaced(*mut Box<Function>);
