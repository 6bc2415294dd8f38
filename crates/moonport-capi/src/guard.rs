// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every export passes through.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an export. errno is preserved; a panic, which would be a bug of ours, ends here with `failed`.
pub(crate) fn guard<R>(failed: R, body: impl FnOnce() -> R) -> R {
    // SAFETY: the place is this thread's errno, valid as long as the thread.
    let before = unsafe { *errno() };
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or(failed);
    // SAFETY: as above.
    unsafe { *errno() = before };
    result
}

fn errno() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "dragonfly"))]
    // SAFETY: takes nothing and always succeeds.
    return unsafe { libc::__errno_location() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: takes nothing and always succeeds.
    return unsafe { libc::__error() };
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: takes nothing and always succeeds.
    return unsafe { libc::__errno() };
}
