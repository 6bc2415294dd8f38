// SPDX-License-Identifier: MIT OR Apache-2.0
//! Windows has no socketpair(2): two datagram sockets of 127.0.0.1 that are connected to each other. The system gives either one
//! nothing but what the other has sent; what strangers sent before that was so is thrown away.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::windows::io::{AsRawSocket, FromRawSocket, RawSocket};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, IN_ADDR, IN_ADDR_0, INVALID_SOCKET, IPPROTO_UDP, SO_EXCLUSIVEADDRUSE, SO_RCVBUF, SO_SNDBUF, SOCK_DGRAM,
    SOCKADDR_IN, SOCKET, SOL_SOCKET, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSADATA, WSASocketW, WSAStartup,
    bind, setsockopt,
};

use crate::wake::Descriptor;

/// Two ends, which both block.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) near: UdpSocket,
    pub(crate) far: UdpSocket,
}

/// How long the ends wait for each other's first datagram, which is on its way within the machine.
const PATIENCE: Duration = Duration::from_secs(5);

impl Pair {
    pub(crate) fn new() -> io::Result<Self> {
        let this = Self { near: bound()?, far: bound()? };
        this.near.connect(this.far.local_addr()?)?;
        this.far.connect(this.near.local_addr()?)?;
        let secret = secret();
        greet(&this.near, &this.far, secret)?;
        greet(&this.far, &this.near, !secret)?;
        Ok(this)
    }

    /// Room for so many bytes that nobody has taken yet, both ways. The system may give less.
    pub(crate) fn make_room(&self, bytes: i32) {
        for end in [&self.near, &self.far] {
            for option in [SO_RCVBUF, SO_SNDBUF] {
                drop(set(end, option, bytes));
            }
        }
    }

    /// Makes the near end readable.
    pub(crate) fn signal(&self) {
        // It can fail only where so much is unread already that it is readable.
        drop(self.far.send(&[1]));
    }

    /// Makes the near end, which must not block, unreadable.
    pub(crate) fn empty(&self) {
        while self.near.recv(&mut [0; 8]).is_ok() {}
    }
}

/// The number by which C code knows a socket. Handles have 32 significant bits, in 64-bit programs too.
pub(crate) fn number(end: &UdpSocket) -> Descriptor {
    Descriptor::try_from(end.as_raw_socket()).unwrap_or(-1)
}

/// The socket of a number.
pub(crate) fn socket(number: Descriptor) -> SOCKET {
    SOCKET::try_from(number).unwrap_or(SOCKET::MAX)
}

/// A socket with a port that nobody can share, which must be said before it has one.
fn bound() -> io::Result<UdpSocket> {
    begin()?;
    let (family, flags) = (i32::from(AF_INET), WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    // SAFETY: no pointer but a null one, for no further information.
    let socket = unsafe { WSASocketW(family, SOCK_DGRAM, IPPROTO_UDP, std::ptr::null(), 0, flags) };
    if socket == INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system just gave us this socket; nobody else has it.
    let end = unsafe { UdpSocket::from_raw_socket(socket as RawSocket) };
    set(&end, SO_EXCLUSIVEADDRUSE, 1)?;
    let here = IN_ADDR { S_un: IN_ADDR_0 { S_addr: u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets()) } };
    let address = SOCKADDR_IN { sin_family: AF_INET, sin_port: 0, sin_addr: here, sin_zero: [0; 8] };
    // SAFETY: the address lives through the call and is as long as said.
    let failed = unsafe { bind(socket, (&raw const address).cast(), length_of(&address)) };
    if failed == 0 { Ok(end) } else { Err(io::Error::last_os_error()) }
}

/// Winsock, begun once and never ended.
fn begin() -> io::Result<()> {
    static BEGUN: OnceLock<i32> = OnceLock::new();
    let failed = *BEGUN.get_or_init(|| {
        let mut data = MaybeUninit::<WSADATA>::uninit();
        // SAFETY: the place for the details, which nobody reads, lives through the call.
        unsafe { WSAStartup(0x202, data.as_mut_ptr()) }
    });
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}

fn length_of<T>(_: &T) -> i32 {
    i32::try_from(size_of::<T>()).unwrap_or(0)
}

fn set(end: &UdpSocket, option: i32, value: i32) -> io::Result<()> {
    let socket = SOCKET::try_from(end.as_raw_socket()).unwrap_or(SOCKET::MAX);
    // SAFETY: the value lives through the call and is as long as said.
    let failed = unsafe { setsockopt(socket, SOL_SOCKET, option, (&raw const value).cast(), length_of(&value)) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `from` sends the secret, and `to` throws everything away that came before it.
fn greet(from: &UdpSocket, to: &UdpSocket, secret: u128) -> io::Result<()> {
    from.send(&secret.to_ne_bytes())?;
    let deadline = Instant::now() + PATIENCE;
    let mut datagram = [0; 64];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would be for ever.
        to.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match to.recv(&mut datagram) {
            Ok(16) if datagram[..16] == secret.to_ne_bytes() => break,
            // A stranger's, however long.
            _ if !left.is_zero() => {}
            Ok(_) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
    to.set_read_timeout(None)
}

/// Nothing that another process could know.
fn secret() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(Instant::now()));
    half() << 64 | half()
}
