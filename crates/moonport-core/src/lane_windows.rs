// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket for plain send and recv: one datagram is one message, both ways. Its far end belongs to code that knows nothing of
//! us. Windows has no pair of sockets that keeps boundaries and holds a sender back: these are datagrams of 127.0.0.1, of
//! 65507 bytes at the most, and what exceeds [`ROOM`] before anybody takes it is lost.

use std::io;
use std::net::UdpSocket;

use windows_sys::Win32::Networking::WinSock::{SD_BOTH, SD_SEND, WSAEMSGSIZE, WSAENOBUFS, WSAEWOULDBLOCK, shutdown};

use crate::loopback::{self, Pair};
use crate::reply::ReplyError;
use crate::sync::{Mutex, lock};
use crate::wake::Descriptor;

/// Bytes that wait in one direction.
pub const ROOM: i32 = 16 << 20;

/// No datagram is longer.
const LONGEST: usize = 1 << 16;

/// A pair of connected sockets. The far one stays open as long as this value, so that its number is never another's.
#[derive(Debug)]
pub struct Lane {
    pair: Pair,
    /// For the next datagram: its length is known only when it is read.
    buffer: Mutex<Box<[u8]>>,
}

impl Lane {
    /// A new pair. The near end never blocks; the far end does, as plain code expects.
    ///
    /// # Errors
    /// The system has no sockets to give.
    pub fn new() -> io::Result<Self> {
        let pair = Pair::new()?;
        pair.near.set_nonblocking(true)?;
        pair.make_room(ROOM);
        Ok(Self { pair, buffer: Mutex::new(vec![0; LONGEST].into()) })
    }

    /// The end for plain send and recv.
    #[must_use]
    pub fn far(&self) -> Descriptor {
        loopback::number(&self.pair.far)
    }

    /// The end that becomes readable when something was sent. Only to be waited on.
    #[must_use]
    pub fn near(&self) -> Descriptor {
        loopback::number(&self.pair.near)
    }

    /// The length of the next datagram, if one waits.
    ///
    /// # Errors
    /// What recv says.
    pub fn peek(&self) -> io::Result<Option<usize>> {
        some(self.pair.near.peek(&mut lock(&self.buffer)))
    }

    /// Has the far end said that it will send no more? Datagrams of this kind cannot say so.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        false
    }

    /// Takes the next datagram into `buffer`, which then has its length; `false` if none waits.
    ///
    /// Thread: the owner's. Blocks: never.
    ///
    /// # Errors
    /// What recv says, or no memory for the datagram, which then still waits.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        let Some(length) = self.peek()? else { return Ok(false) };
        buffer.try_reserve(length)?;
        let mut place = lock(&self.buffer);
        let Some(length) = some(self.pair.near.recv(&mut place))? else { return Ok(false) };
        buffer.extend_from_slice(place.get(..length).unwrap_or_default());
        Ok(true)
    }

    /// Sends one datagram to the far end.
    ///
    /// Thread: any. Blocks: never.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn reply(&self, bytes: &[u8]) -> Result<(), ReplyError> {
        match self.pair.near.send(bytes) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(WSAEWOULDBLOCK | WSAENOBUFS) => Err(ReplyError::Full),
                Some(WSAEMSGSIZE) => Err(ReplyError::TooBig),
                _ => Err(ReplyError::Closed),
            },
        }
    }

    /// From now on senders get WSAESHUTDOWN, and one that waits in recv gets an empty datagram. Gives how many datagrams nobody
    /// took.
    ///
    /// Thread: the owner's. Blocks: never.
    pub fn shut(&self) -> u64 {
        stop(&self.pair.far, SD_SEND);
        let mut count = 0;
        while matches!(some(self.pair.near.recv(&mut lock(&self.buffer))), Ok(Some(_))) {
            count += 1;
        }
        // What exceeds the far end's room is lost; then nobody waits there.
        drop(self.pair.near.send(&[]));
        stop(&self.pair.far, SD_BOTH);
        stop(&self.pair.near, SD_BOTH);
        count
    }
}

fn stop(end: &UdpSocket, what: i32) {
    // SAFETY: takes no pointers, and the socket is ours.
    unsafe { shutdown(loopback::socket(loopback::number(end)), what) };
}

/// What a call gave that does not block.
fn some(received: io::Result<usize>) -> io::Result<Option<usize>> {
    match received {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use windows_sys::Win32::Networking::WinSock::{WSAESHUTDOWN, WSAGetLastError, recv, send};

    fn send_from(end: Descriptor, bytes: &[u8]) -> Result<(), i32> {
        let length = i32::try_from(bytes.len()).expect("short");
        // SAFETY: the buffer lives through the call and is as long as said.
        let sent = unsafe { send(loopback::socket(end), bytes.as_ptr(), length, 0) };
        // SAFETY: takes nothing.
        if sent < 0 { Err(unsafe { WSAGetLastError() }) } else { Ok(()) }
    }

    #[test]
    fn datagrams_keep_their_boundaries_both_ways() {
        let lane = Lane::new().expect("a pair");
        let mut buffer = Vec::new();
        assert!(!lane.receive(&mut buffer).expect("nothing yet"));
        let large = vec![7; 60_000];
        for bytes in [b"one".as_slice(), b"", b"x", &large] {
            assert_eq!(send_from(lane.far(), bytes), Ok(()));
        }
        for bytes in [b"one".as_slice(), b"", b"x", &large] {
            assert_eq!(lane.peek().expect("sent"), Some(bytes.len()));
            assert!(lane.receive(&mut buffer).expect("sent"));
            assert_eq!(buffer, bytes);
        }
        assert_eq!(lane.reply(b"back"), Ok(()));
        let mut back = [0_u8; 8];
        // SAFETY: the buffer lives through the call and is as long as said.
        let length = unsafe { recv(loopback::socket(lane.far()), back.as_mut_ptr(), 8, 0) };
        assert_eq!((length, &back[..4]), (4, b"back".as_slice()));
        assert_eq!(lane.reply(&vec![0; 64 << 10]), Err(ReplyError::TooBig));
        assert_eq!(send_from(lane.far(), &vec![0; 64 << 10]), Err(WSAEMSGSIZE));
    }

    #[test]
    fn a_shut_lane_counts_what_was_left_and_refuses_what_comes() {
        let lane = Lane::new().expect("a pair");
        assert_eq!(send_from(lane.far(), b"left"), Ok(()));
        assert_eq!(send_from(lane.far(), b"too"), Ok(()));
        assert_eq!(lane.shut(), 2);
        assert_eq!(send_from(lane.far(), b"late"), Err(WSAESHUTDOWN));
        assert_eq!(lane.reply(b"late"), Err(ReplyError::Closed));
    }

    #[test]
    fn a_stranger_cannot_join() {
        let lane = Lane::new().expect("a pair");
        let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let near = lane.pair.near.local_addr().expect("bound");
        // The system may tell the stranger that nobody listens.
        drop(stranger.send_to(b"not yours", near));
        assert_eq!(send_from(lane.far(), b"yours"), Ok(()));
        let mut buffer = Vec::new();
        assert!(lane.receive(&mut buffer).expect("sent"));
        assert_eq!(buffer, b"yours");
        assert!(!lane.receive(&mut buffer).expect("nothing more"));
    }
}
