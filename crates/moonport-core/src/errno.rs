// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calling thread's error number, which is not ours to change on a foreign thread: errno, and what `GetLastError` gives on
//! Windows beside it.

use std::ffi::c_int;

/// A thread's error number, all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(system::Number);

impl Number {
    /// The calling thread's.
    #[inline]
    #[must_use]
    pub fn here() -> Self {
        Self(system::read())
    }

    /// Makes it the calling thread's.
    #[inline]
    pub fn set(self) {
        system::write(self.0);
    }

    /// What of it C calls errno.
    #[must_use]
    pub fn errno(self) -> c_int {
        system::errno(self.0)
    }
}

/// Runs `call`, and leaves the thread's error number as it was.
///
/// Thread: any.
#[inline]
pub fn keep<R>(call: impl FnOnce() -> R) -> R {
    let before = Number::here();
    let result = call();
    before.set();
    result
}

#[cfg(unix)]
mod system {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as place;
    #[cfg(any(target_os = "linux", target_os = "dragonfly"))]
    use libc::__errno_location as place;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    use libc::__error as place;

    pub(super) type Number = libc::c_int;

    pub(super) fn errno(number: Number) -> libc::c_int {
        number
    }

    #[inline]
    pub(super) fn read() -> Number {
        // SAFETY: takes nothing and always succeeds.
        let place = unsafe { place() };
        // SAFETY: the place is this thread's errno.
        unsafe { *place }
    }

    #[inline]
    pub(super) fn write(number: Number) {
        // SAFETY: takes nothing and always succeeds.
        let place = unsafe { place() };
        // SAFETY: the place is this thread's errno.
        unsafe { *place = number };
    }
}

#[cfg(windows)]
mod system {
    use std::ffi::c_int;

    use windows_sys::Win32::Foundation::{GetLastError, SetLastError};

    unsafe extern "C" {
        /// Where the C runtime that we are linked with has this thread's errno.
        fn _errno() -> *mut c_int;
    }

    pub(super) type Number = (u32, c_int);

    pub(super) fn errno((_, number): Number) -> c_int {
        number
    }

    pub(super) fn read() -> Number {
        // SAFETY: takes nothing and always succeeds.
        let last = unsafe { GetLastError() };
        // SAFETY: as above.
        let place = unsafe { _errno() };
        // SAFETY: the place is this thread's errno.
        (last, unsafe { *place })
    }

    pub(super) fn write((last, number): Number) {
        // SAFETY: takes nothing and always succeeds.
        let place = unsafe { _errno() };
        // SAFETY: the place is this thread's errno.
        unsafe { *place = number };
        // SAFETY: takes a number.
        unsafe { SetLastError(last) };
    }
}
