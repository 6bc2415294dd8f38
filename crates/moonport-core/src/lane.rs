// SPDX-License-Identifier: MIT OR Apache-2.0
//! A descriptor for plain send(2) and recv(2): one datagram is one message, both ways. Its far end belongs to code that
//! knows nothing of us. unix(7): SOCK_SEQPACKET keeps boundaries, and a message that is too large is refused, never split.
//! macOS has SOCK_DGRAM alone, where the far end's shutdown(2) is not told; `--cfg moonport_test_fallbacks` forces it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::reply::ReplyError;

/// A pair of connected sockets. The far one stays open as long as this value, so that its number is never another file's.
#[derive(Debug)]
pub struct Lane {
    near: OwnedFd,
    far: OwnedFd,
    ended: AtomicBool,
}

#[cfg(any(target_vendor = "apple", moonport_test_fallbacks))]
const KIND: libc::c_int = libc::SOCK_DGRAM;
#[cfg(not(any(target_vendor = "apple", moonport_test_fallbacks)))]
const KIND: libc::c_int = libc::SOCK_SEQPACKET;

/// Makes recv(2) tell a datagram's whole length. Linux.
#[cfg(any(target_vendor = "apple", moonport_test_fallbacks))]
const WHOLE: libc::c_int = 0;
#[cfg(not(any(target_vendor = "apple", moonport_test_fallbacks)))]
const WHOLE: libc::c_int = libc::MSG_TRUNC;

#[cfg(target_vendor = "apple")]
const QUIET: libc::c_int = 0;
#[cfg(not(target_vendor = "apple"))]
const QUIET: libc::c_int = libc::MSG_NOSIGNAL;

#[cfg(any(target_os = "linux", target_os = "android"))]
const HUNG_UP: libc::c_short = libc::POLLRDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const HUNG_UP: libc::c_short = 0;

impl Lane {
    /// A new pair. The near end never blocks; the far end does, as plain code expects.
    ///
    /// # Errors
    /// The system has no descriptors to give.
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: socketpair writes two descriptors into the array, which has room for two.
        if unsafe { libc::socketpair(libc::AF_UNIX, KIND, 0, ends.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave us this descriptor; nobody else has it.
        let near = unsafe { OwnedFd::from_raw_fd(ends[0]) };
        // SAFETY: as above, for the other end.
        let far = unsafe { OwnedFd::from_raw_fd(ends[1]) };
        set(&near, libc::F_SETFL, libc::O_NONBLOCK)?;
        set(&near, libc::F_SETFD, libc::FD_CLOEXEC)?;
        set(&far, libc::F_SETFD, libc::FD_CLOEXEC)?;
        Ok(Self { near, far, ended: AtomicBool::new(false) })
    }

    /// The end for plain send(2) and recv(2).
    #[must_use]
    pub fn far(&self) -> RawFd {
        self.far.as_raw_fd()
    }

    /// The end that becomes readable when something was sent. Only to be waited on.
    #[must_use]
    pub fn near(&self) -> RawFd {
        self.near.as_raw_fd()
    }

    /// The length of the next datagram, if one waits.
    ///
    /// # Errors
    /// What recv(2) says.
    pub fn peek(&self) -> io::Result<Option<usize>> {
        let length = self.length_of_next()?;
        if length == Some(0) && self.has_hung_up() {
            self.ended.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        Ok(length)
    }

    /// Has the far end said that it will send no more (shutdown(2))? Told by [`Lane::peek`].
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn length_of_next(&self) -> io::Result<Option<usize>> {
        if WHOLE != 0 {
            return self.receive_into(&mut [], libc::MSG_PEEK);
        }
        // What fills the buffer may have been cut. A sender's buffer in the kernel bounds it.
        let mut buffer = Vec::new();
        loop {
            let size = (buffer.len() * 2).max(2048);
            buffer.try_reserve(size - buffer.len())?;
            buffer.resize(size, 0);
            match self.receive_into(&mut buffer, libc::MSG_PEEK)? {
                Some(length) if length == size => {}
                length => return Ok(length),
            }
        }
    }

    /// An empty datagram and the end look alike to recv(2).
    fn has_hung_up(&self) -> bool {
        const END: libc::c_short = libc::POLLHUP | HUNG_UP;
        let mut entry = libc::pollfd { fd: self.near(), events: END, revents: 0 };
        // SAFETY: the one entry lives through the call.
        let count = unsafe { libc::poll(&raw mut entry, 1, 0) };
        count > 0 && entry.revents & END != 0
    }

    /// Takes the next datagram into `buffer`, which then has its length; `false` if none waits.
    ///
    /// Thread: the owner's. Blocks: never.
    ///
    /// # Errors
    /// What recv(2) says, or no memory for the datagram, which then still waits.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        // Its length first: how large a datagram may be is the sender's to set.
        let Some(length) = self.peek()? else { return Ok(false) };
        buffer.try_reserve(length)?;
        buffer.resize(length, 0);
        self.receive_into(buffer, 0)?;
        Ok(true)
    }

    /// The length of the datagram, of which as much as fits is in `buffer`.
    fn receive_into(&self, buffer: &mut [u8], flags: libc::c_int) -> io::Result<Option<usize>> {
        let flags = flags | WHOLE | libc::MSG_DONTWAIT;
        // SAFETY: the buffer lives through the call and is as long as said.
        let length = unsafe { libc::recv(self.near(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error if error.kind() == io::ErrorKind::Interrupted => self.receive_into(buffer, flags),
                error => Err(error),
            },
        }
    }

    /// Sends one datagram to the far end.
    ///
    /// Thread: any. Blocks: never.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn reply(&self, bytes: &[u8]) -> Result<(), ReplyError> {
        let flags = QUIET | libc::MSG_DONTWAIT;
        // SAFETY: the buffer lives through the call and is as long as said.
        let sent = unsafe { libc::send(self.near(), bytes.as_ptr().cast(), bytes.len(), flags) };
        if sent >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS) => Err(ReplyError::Full),
            Some(libc::EMSGSIZE) => Err(ReplyError::TooBig),
            _ => Err(ReplyError::Closed),
        }
    }

    /// From now on senders get EPIPE (with no signal: this is no stream). Gives how many datagrams nobody took.
    ///
    /// Thread: the owner's. Blocks: never.
    pub fn shut(&self) -> u64 {
        // SAFETY: takes no pointers.
        unsafe { libc::shutdown(self.near(), libc::SHUT_RDWR) };
        let mut count = 0;
        while let Ok(Some(1..)) = self.receive_into(&mut [0], 0) {
            count += 1;
        }
        count
    }
}

fn set(end: &OwnedFd, command: libc::c_int, flag: libc::c_int) -> io::Result<()> {
    // SAFETY: both commands take an integer and no pointer.
    if unsafe { libc::fcntl(end.as_raw_fd(), command, flag) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    fn send(descriptor: RawFd, bytes: &[u8]) -> Result<(), i32> {
        // SAFETY: the buffer lives through the call and is as long as said.
        let sent = unsafe { libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(()) }
    }

    #[test]
    fn datagrams_keep_their_boundaries_both_ways() {
        let lane = Lane::new().expect("a pair");
        let mut buffer = Vec::new();
        assert!(!lane.receive(&mut buffer).expect("nothing yet"));
        let large = vec![7; 100_000];
        for bytes in [b"one".as_slice(), b"x", &large] {
            assert_eq!(send(lane.far(), bytes), Ok(()));
        }
        for bytes in [b"one".as_slice(), b"x", &large] {
            assert!(lane.receive(&mut buffer).expect("sent"));
            assert_eq!(buffer, bytes);
        }
        assert_eq!(lane.reply(b"back"), Ok(()));
        let mut back = [0_u8; 8];
        // SAFETY: the buffer lives through the call and is as long as said.
        let length = unsafe { libc::recv(lane.far(), back.as_mut_ptr().cast(), back.len(), 0) };
        assert_eq!((length, &back[..4]), (4, b"back".as_slice()));
        assert_eq!(lane.reply(&vec![0; 64 << 20]), Err(ReplyError::TooBig));
        assert_eq!(send(lane.far(), &vec![0; 64 << 20]), Err(libc::EMSGSIZE));
    }

    #[test]
    fn a_shut_lane_counts_what_was_left_and_gives_epipe() {
        let lane = Lane::new().expect("a pair");
        assert_eq!(send(lane.far(), b"left"), Ok(()));
        assert_eq!(send(lane.far(), b"too"), Ok(()));
        assert_eq!(lane.shut(), 2);
        assert_eq!(send(lane.far(), b"late"), Err(libc::EPIPE));
        assert_eq!(lane.reply(b"late"), Err(ReplyError::Closed));
    }

    #[cfg(not(moonport_test_fallbacks))]
    #[test]
    fn an_empty_datagram_is_no_end_and_an_end_is_no_datagram() {
        let lane = Lane::new().expect("a pair");
        assert_eq!(send(lane.far(), b""), Ok(()));
        let mut buffer = vec![1];
        assert!(lane.receive(&mut buffer).expect("sent"));
        assert!(buffer.is_empty() && !lane.has_ended());
        // SAFETY: takes no pointers.
        unsafe { libc::shutdown(lane.far(), libc::SHUT_WR) };
        assert!(!lane.receive(&mut buffer).expect("an end"));
        assert!(lane.has_ended());
    }

    #[test]
    fn a_slow_reader_is_told_of() {
        let lane = Lane::new().expect("a pair");
        let full = (0..100_000).find_map(|_| lane.reply(&[0; 1000]).err());
        assert_eq!(full, Some(ReplyError::Full));
    }
}
