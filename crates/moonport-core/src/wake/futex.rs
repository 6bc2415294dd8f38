// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sleeps on the state's own word by futex(2): fewer steps than a descriptor, for an owner that nobody else watches.

use std::io;
use std::time::{Duration, Instant};

use super::poll;
use super::{NAPPING, PENDING};
use crate::sync::{AtomicU32, Ordering};

/// Can an owner sleep so?
pub(super) const POSSIBLE: bool = true;

/// Without a time limit the kernel would go on sleeping after a signal whose handler says so (SA_RESTART).
const LONG: Duration = Duration::from_secs(1 << 30);

#[derive(Debug)]
pub(super) struct Nap;

impl Nap {
    pub(super) fn new() -> Self {
        Self
    }

    /// Sleeps until the state is pending (`true`) or the time is over.
    #[expect(clippy::unused_self, reason = "the signature of all naps")]
    pub(super) fn wait(&self, state: &AtomicU32, timeout: Option<Duration>) -> io::Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if state.load(Ordering::Acquire) & PENDING != 0 {
                return Ok(true);
            }
            let left = deadline.map_or(LONG, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            wait(state, left)?;
        }
    }

    /// Wakes the owner. Async-signal-safe; keeps errno.
    #[expect(clippy::unused_self, reason = "the signature of all naps")]
    pub(super) fn wake(&self, state: &AtomicU32) {
        poll::keep_errno(|| {
            // SAFETY: the word lives through the call, which only uses its address.
            unsafe { libc::syscall(libc::SYS_futex, state.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
        });
    }
}

/// Sleeps once, unless the state is another one already; may return early.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] when a signal came.
fn wait(state: &AtomicU32, limit: Duration) -> io::Result<()> {
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word and the limit live through the call.
    let woken = unsafe { libc::syscall(libc::SYS_futex, state.as_ptr(), operation, NAPPING, &raw const limit) };
    if woken == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ETIMEDOUT) => Ok(()),
        _ => Err(error),
    }
}
