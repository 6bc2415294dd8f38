// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.descriptor`: one descriptor for other loops, readable while a turn would run something: an epoll set of the
//! mailbox's wake-up and a timer. Made at the first use; our own loop needs none.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::owner::{Owner, until};

#[derive(Debug)]
pub(crate) struct Descriptor {
    set: OwnedFd,
    timer: OwnedFd,
}

impl Descriptor {
    fn new(wake: RawFd) -> io::Result<Self> {
        // SAFETY: no pointers.
        let set = own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: no pointers.
        let timer =
            own(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) })?;
        let this = Self { set, timer };
        this.change(libc::EPOLL_CTL_ADD, wake)?;
        this.change(libc::EPOLL_CTL_ADD, this.timer.as_raw_fd())?;
        Ok(this)
    }

    fn change(&self, operation: libc::c_int, descriptor: RawFd) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: 0 };
        // SAFETY: the event lives through the call.
        let changed = unsafe { libc::epoll_ctl(self.set.as_raw_fd(), operation, descriptor, &raw mut event) };
        if changed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Readable from then on; `None`: not by a timer.
    fn arm(&self, wait: Option<Duration>) {
        let wait = wait.map(|wait| wait.max(Duration::from_nanos(1))).unwrap_or_default();
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let at = libc::timespec {
            tv_sec: libc::time_t::try_from(wait.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let time = libc::itimerspec { it_interval: zero, it_value: at };
        // SAFETY: the time lives through the call, and a null pointer asks for no old one.
        unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, &raw const time, std::ptr::null_mut()) };
    }
}

fn own(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

impl Owner {
    /// The descriptor for other loops.
    pub(crate) fn descriptor(&self) -> io::Result<RawFd> {
        let wake = self.mailbox(|mailbox| mailbox.descriptor()).ok_or(io::ErrorKind::BrokenPipe)?;
        let mut place = self.descriptor.borrow_mut();
        let descriptor = match place.take() {
            Some(descriptor) => descriptor,
            None => Descriptor::new(wake)?,
        };
        let number = place.insert(descriptor).set.as_raw_fd();
        drop(place);
        self.mailbox(|mailbox| mailbox.watch(number));
        self.rearm();
        Ok(number)
    }

    /// Sets the descriptor's timer to the next due time. Call it when that may have changed.
    pub(crate) fn rearm(&self) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.arm(self.next_due().map(until));
        }
    }

    /// No timer makes the descriptor readable while the owner waits for something else.
    pub(crate) fn disarm(&self) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.arm(None);
        }
    }

    /// The set covers one descriptor more. It has room: what could fail is the kernel's memory.
    pub(crate) fn watch(&self, lane: RawFd) {
        self.change(libc::EPOLL_CTL_ADD, lane);
    }

    pub(crate) fn unwatch(&self, lane: RawFd) {
        self.change(libc::EPOLL_CTL_DEL, lane);
    }

    fn change(&self, operation: libc::c_int, lane: RawFd) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            // A lane that is not watched is still moved at every turn.
            drop(descriptor.change(operation, lane));
        }
    }
}
