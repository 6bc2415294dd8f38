// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signal as an eventfd(2): one descriptor, and a counter that cannot fill up. Who only wants to sleep until it is raised
//! again waits for the edge, by epoll(7), and need not take it down.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::{Descriptor, poll};
use crate::errno;

#[derive(Debug)]
pub(super) struct Signal {
    descriptor: OwnedFd,
    /// Tells when the signal is raised, also when it stands already.
    edges: OwnedFd,
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
        // SAFETY: epoll_create1 takes no pointers.
        let edges = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if edges < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        let edges = unsafe { OwnedFd::from_raw_fd(edges) };
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET).cast_unsigned(), u64: 0 };
        // SAFETY: the event lives through the call.
        let added =
            unsafe { libc::epoll_ctl(edges.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor.as_raw_fd(), &raw mut event) };
        if added != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { descriptor, edges })
    }

    /// Async-signal-safe; keeps errno. Cannot fail: the counter stays far below its limit, since `lower` empties it.
    pub(super) fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        errno::keep(|| {
            // SAFETY: the buffer lives through the call and is the eight bytes long that eventfd wants.
            unsafe { write(self.descriptor.as_raw_fd(), one.as_ptr(), one.len()) };
        });
    }

    /// Takes the signal down; nothing happens if none stands.
    pub(super) fn lower(&self) {
        let mut counter = [0_u8; 8];
        errno::keep(|| {
            // SAFETY: the buffer lives through the call and is the eight bytes long that eventfd wants.
            unsafe { libc::read(self.descriptor.as_raw_fd(), counter.as_mut_ptr().cast(), counter.len()) };
        });
    }

    /// Before [`Signal::sleep`], which does not mind a signal that stands.
    #[expect(clippy::unused_self, reason = "the signature of all signals")]
    pub(super) fn prepare_sleep(&self) {}

    /// Sleeps until the signal is raised; a time that passed unseen counts too.
    pub(super) fn sleep(&self) -> io::Result<()> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: it has room for one event, which lives through the call.
        let woken = unsafe { wait_for_event(self.edges.as_raw_fd(), &raw mut event) };
        if woken { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature of all signals")]
    pub(super) fn descriptor(&self) -> io::Result<Descriptor> {
        Ok(self.descriptor.as_raw_fd())
    }

    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        poll::readable(self.descriptor.as_raw_fd(), timeout)
    }
}

// Not libc's wrappers: they make the thread cancellable meanwhile, by two locked writes a call. miri knows the wrappers only.

/// # Safety
/// As write(2).
unsafe fn write(descriptor: RawFd, bytes: *const u8, count: usize) {
    #[cfg(not(miri))]
    // SAFETY: the caller's promise.
    unsafe {
        libc::syscall(libc::SYS_write, descriptor, bytes, count)
    };
    #[cfg(miri)]
    // SAFETY: the caller's promise.
    unsafe {
        libc::write(descriptor, bytes.cast(), count)
    };
}

/// epoll_wait(2) for one event, for ever. `false`: errno says why not.
///
/// # Safety
/// The event has room.
unsafe fn wait_for_event(set: RawFd, event: *mut libc::epoll_event) -> bool {
    #[cfg(all(not(miri), target_arch = "x86_64"))]
    // SAFETY: the caller's promise.
    let count = unsafe { libc::syscall(libc::SYS_epoll_wait, set, event, 1, -1) };
    // Newer processors have this one only, which costs a little more.
    #[cfg(all(not(miri), not(target_arch = "x86_64")))]
    // SAFETY: the caller's promise; no set of signals is passed.
    let count = unsafe { libc::syscall(libc::SYS_epoll_pwait, set, event, 1, -1, std::ptr::null::<u8>(), 8) };
    #[cfg(miri)]
    // SAFETY: the caller's promise.
    let count = unsafe { libc::epoll_wait(set, event, 1, -1) };
    count >= 0
}
