// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signal as an eventfd(2): one descriptor, and a counter that cannot fill up.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::poll;

#[derive(Debug)]
pub(super) struct Signal {
    descriptor: OwnedFd,
}

impl Signal {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave us this descriptor; nobody else has it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { descriptor })
    }

    /// Async-signal-safe; keeps errno. Cannot fail: the counter stays far below its limit, since `lower` empties it.
    pub(super) fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        poll::keep_errno(|| {
            // SAFETY: the buffer lives through the call and is the eight bytes long that eventfd wants.
            unsafe { libc::write(self.descriptor.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        });
    }

    /// Takes the signal down; nothing happens if none stands.
    pub(super) fn lower(&self) {
        let mut counter = [0_u8; 8];
        poll::keep_errno(|| {
            // SAFETY: the buffer lives through the call and is the eight bytes long that eventfd wants.
            unsafe { libc::read(self.descriptor.as_raw_fd(), counter.as_mut_ptr().cast(), counter.len()) };
        });
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }

    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        poll::readable(self.descriptor.as_raw_fd(), timeout)
    }
}
