// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.descriptor`: one descriptor for other loops, readable while a turn would run something: an epoll set of the
//! mailbox's wake-up, and of a set of the timer and the lanes. Made at the first use; our own loop needs none.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use moonport_core::milliseconds;

use super::bell::empty;
use crate::owner::{Owner, until};

#[derive(Debug)]
pub(crate) struct Descriptor {
    set: OwnedFd,
    /// What no sender tells of.
    quiet: OwnedFd,
    timer: OwnedFd,
}

impl Descriptor {
    fn new(wake: RawFd) -> io::Result<Self> {
        let this = Self { set: epoll()?, quiet: epoll()?, timer: timer()? };
        add(&this.quiet, this.timer.as_raw_fd(), libc::EPOLLIN)?;
        add(&this.set, this.quiet.as_raw_fd(), libc::EPOLLIN)?;
        add(&this.set, wake, libc::EPOLLIN)?;
        Ok(this)
    }
}

/// A set of descriptors.
fn epoll() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// Watches a descriptor for these events too.
fn add(set: &OwnedFd, descriptor: RawFd, events: libc::c_int) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: 0 };
    // SAFETY: the event lives through the call.
    let added = unsafe { libc::epoll_ctl(set.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &raw mut event) };
    if added == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn remove(set: &OwnedFd, descriptor: RawFd) {
    // What could fail: it is not there.
    // SAFETY: no pointer is used.
    unsafe { libc::epoll_ctl(set.as_raw_fd(), libc::EPOLL_CTL_DEL, descriptor, std::ptr::null_mut()) };
}

/// A descriptor that is readable once its time is over.
fn timer() -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    own(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) })
}

/// Readable from then on; `None`: never.
fn set_timer(timer: &OwnedFd, wait: Option<Duration>) {
    let wait = wait.map(|wait| wait.max(Duration::from_nanos(1))).unwrap_or_default();
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let at = libc::timespec {
        tv_sec: libc::time_t::try_from(wait.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    };
    let time = libc::itimerspec { it_interval: zero, it_value: at };
    // SAFETY: the time lives through the call, and a null pointer asks for no old one.
    unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const time, std::ptr::null_mut()) };
}

/// What a thread of ours listens to: a bell, and what no sender tells of.
pub(super) struct Ear {
    set: OwnedFd,
    bell: PipeReader,
}

impl Ear {
    /// With the bell, which any thread may ring, by a byte.
    pub(super) fn new(owner: &Owner) -> io::Result<(Self, PipeWriter)> {
        let set = epoll()?;
        // The edge: what is readable stays so until the owner has looked.
        add(&set, owner.quiet_descriptor()?, libc::EPOLLIN | libc::EPOLLET)?;
        let (bell, ringer) = io::pipe()?;
        add(&set, bell.as_raw_fd(), libc::EPOLLIN)?;
        Ok((Self { set, bell }, ringer))
    }

    /// Sleeps until there is something to hear, or the time is over.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 2];
        // SAFETY: it has room for two events, which live through the call.
        unsafe { libc::epoll_wait(self.set.as_raw_fd(), events.as_mut_ptr(), 2, milliseconds(timeout)) };
        empty(&mut self.bell);
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
        let wake = self.mailbox(|mailbox| mailbox.descriptor()).ok_or(io::ErrorKind::BrokenPipe)??;
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

    /// Before a lane is watched.
    pub(crate) fn prepare_to_watch(&self) -> io::Result<()> {
        self.descriptor().map(drop)
    }

    /// The part of the descriptor that no sender tells of: timers and lanes.
    fn quiet_descriptor(&self) -> io::Result<RawFd> {
        self.descriptor()?;
        let quiet = self.descriptor.borrow().as_ref().map(|descriptor| descriptor.quiet.as_raw_fd());
        Ok(quiet.ok_or(io::ErrorKind::BrokenPipe)?)
    }

    /// Sets the descriptor's timer to the next due time. Call it when that may have changed.
    pub(crate) fn rearm(&self) {
        self.disturb();
        if let Some(descriptor) = &*self.descriptor.borrow() {
            set_timer(&descriptor.timer, self.next_due().map(until));
        }
    }

    /// No timer makes the descriptor readable while the owner waits for something else.
    pub(crate) fn disarm(&self) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            set_timer(&descriptor.timer, None);
        }
    }

    /// The set covers one descriptor more. It has room: what could fail is the kernel's memory, and a lane that is not watched
    /// is still moved at every turn.
    pub(crate) fn watch(&self, lane: RawFd) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            drop(add(&descriptor.quiet, lane, libc::EPOLLIN));
        }
    }

    pub(crate) fn unwatch(&self, lane: RawFd) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            remove(&descriptor.quiet, lane);
        }
    }
}
