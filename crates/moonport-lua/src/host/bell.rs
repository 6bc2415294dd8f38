// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waking a thread of ours that sleeps in the kernel: a byte in a pipe, which a signal handler may write too.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use moonport_core::{errno, wait_readable};

/// Leaves the thread's errno as it was.
pub(super) fn ring(mut bell: &PipeWriter) {
    // Who rings sees to it that few bytes lie in the pipe: it has room.
    errno::keep(|| drop(bell.write(&[1])));
}

/// Takes what was rung.
pub(super) fn empty(ear: &mut PipeReader) {
    if wait_readable(ear.as_raw_fd(), Some(Duration::ZERO)).unwrap_or(false) {
        drop(ear.read(&mut [0; 64]));
    }
}
