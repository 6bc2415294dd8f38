// SPDX-License-Identifier: MIT OR Apache-2.0
//! What both descriptor signals share: sleeping on one with poll(2).

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// Sleeps until `descriptor` is readable (`true`) or the time is over. Never wakes before the time is over.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] when a signal came.
pub(crate) fn readable(descriptor: RawFd, timeout: Option<Duration>) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: the one entry lives through the call.
    let count = unsafe { poll(&raw mut entry, timeout) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count > 0) }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
unsafe fn poll(entry: *mut libc::pollfd, timeout: Option<Duration>) -> libc::c_int {
    let limit = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the caller vouches for the entry; the limit lives until the end of this function, or is null.
    unsafe { libc::ppoll(entry, 1, limit, std::ptr::null()) }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
unsafe fn poll(entry: *mut libc::pollfd, timeout: Option<Duration>) -> libc::c_int {
    // SAFETY: the caller vouches for the entry.
    unsafe { libc::poll(entry, 1, milliseconds(timeout)) }
}

/// miri knows edge-triggered epoll only; a fresh set tells an edge that has passed too.
#[cfg(miri)]
unsafe fn poll(entry: *mut libc::pollfd, timeout: Option<Duration>) -> libc::c_int {
    // SAFETY: the caller vouches for the entry.
    let descriptor = unsafe { (*entry).fd };
    // SAFETY: takes no pointers.
    let set = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET).cast_unsigned(), u64: 0 };
    // SAFETY: the event lives through the call.
    unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_ADD, descriptor, &raw mut event) };
    // SAFETY: as above; it has room for one event.
    let count = unsafe { libc::epoll_wait(set, &raw mut event, 1, milliseconds(timeout)) };
    // SAFETY: the set is ours alone.
    unsafe { libc::close(set) };
    count
}

/// A timeout for poll(2) and epoll_wait(2): whole milliseconds, never too few; `None`: no limit.
#[must_use]
pub fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    timeout
        .map_or(-1, |timeout| libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX))
}
