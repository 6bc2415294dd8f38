// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signal as a pipe(2), for systems without eventfd.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::{Descriptor, poll};
use crate::errno;

#[derive(Debug)]
pub(super) struct Signal {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Signal {
    pub(super) fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: pipe writes two descriptors into the array, which has room for two.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave us this descriptor; nobody else has it.
        let reader = unsafe { OwnedFd::from_raw_fd(ends[0]) };
        // SAFETY: as above, for the other end.
        let writer = unsafe { OwnedFd::from_raw_fd(ends[1]) };
        for end in [&reader, &writer] {
            set(end, libc::F_SETFL, libc::O_NONBLOCK)?;
            set(end, libc::F_SETFD, libc::FD_CLOEXEC)?;
        }
        Ok(Self { reader, writer })
    }

    /// Async-signal-safe; keeps errno. A full pipe stands raised already.
    pub(super) fn raise(&self) {
        errno::keep(|| {
            // SAFETY: the buffer of one byte lives through the call.
            unsafe { libc::write(self.writer.as_raw_fd(), [1_u8].as_ptr().cast(), 1) };
        });
    }

    /// Takes the signal down; nothing happens if none stands. One byte stands at the most: senders raise only after
    /// the state was down, and it falls after this.
    pub(super) fn lower(&self) {
        let mut bytes = [0_u8; 16];
        errno::keep(|| {
            // SAFETY: the buffer lives through the call and is as long as said.
            unsafe { libc::read(self.reader.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        });
    }

    /// Before [`Signal::sleep`].
    pub(super) fn prepare_sleep(&self) {
        self.lower();
    }

    /// Sleeps until the signal is raised.
    pub(super) fn sleep(&self) -> io::Result<()> {
        self.wait(None).map(drop)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature of all signals")]
    pub(super) fn descriptor(&self) -> io::Result<Descriptor> {
        Ok(self.reader.as_raw_fd())
    }

    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        poll::readable(self.reader.as_raw_fd(), timeout)
    }
}

fn set(end: &OwnedFd, command: libc::c_int, flag: libc::c_int) -> io::Result<()> {
    // SAFETY: both commands take an integer and no pointer.
    if unsafe { libc::fcntl(end.as_raw_fd(), command, flag) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
