// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signal as an event object, and, once somebody has asked for a descriptor, as a datagram in a pair of sockets too: select
//! and its kin know sockets only.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::Networking::WinSock::{POLLRDNORM, SOCKET_ERROR, WSAPOLLFD, WSAPoll};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForSingleObject};

use super::Descriptor;
use crate::errno;
use crate::loopback::{self, Pair};

#[derive(Debug)]
pub(super) struct Signal {
    /// Set as long as the signal stands.
    event: OwnedHandle,
    /// Set when the signal is raised, also when it stands already, and reset by [`Signal::sleep`].
    edge: OwnedHandle,
    /// The near end is readable as long as the signal stands.
    pair: OnceLock<Pair>,
}

impl Signal {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { event: event(true)?, edge: event(false)?, pair: OnceLock::new() })
    }

    pub(super) fn raise(&self) {
        errno::keep(|| {
            // SAFETY: the event is ours.
            unsafe { SetEvent(self.event.as_raw_handle()) };
            // SAFETY: as above.
            unsafe { SetEvent(self.edge.as_raw_handle()) };
            // Pairs with the one in `descriptor`: either we see the new pair there, or the event is seen set.
            fence(Ordering::SeqCst);
            if let Some(pair) = self.pair.get() {
                pair.signal();
            }
        });
    }

    /// Takes the signal down; nothing happens if none stands.
    pub(super) fn lower(&self) {
        errno::keep(|| {
            // SAFETY: the event is ours.
            unsafe { ResetEvent(self.event.as_raw_handle()) };
            if let Some(pair) = self.pair.get() {
                pair.empty();
            }
        });
    }

    /// Before [`Signal::sleep`], which does not mind a signal that stands.
    #[expect(clippy::unused_self, reason = "the signature of all signals")]
    pub(super) fn prepare_sleep(&self) {}

    /// Sleeps until the signal is raised; a time that passed unseen counts too.
    pub(super) fn sleep(&self) -> io::Result<()> {
        wait_for(&self.edge, None).map(drop)
    }

    /// The owner, who alone asks for it first.
    pub(super) fn descriptor(&self) -> io::Result<Descriptor> {
        if let Some(pair) = self.pair.get() {
            return Ok(loopback::number(&pair.near));
        }
        let pair = Pair::new()?;
        pair.near.set_nonblocking(true)?;
        let number = loopback::number(&pair.near);
        // It is ours that is set: nobody else sets one.
        let pair = self.pair.get_or_init(|| pair);
        fence(Ordering::SeqCst);
        if self.wait(Some(Duration::ZERO))? {
            pair.signal();
        }
        Ok(number)
    }

    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        wait_for(&self.event, timeout)
    }
}

/// A new event, not set, which stays set until it is reset by hand or by the first wait.
fn event(by_hand: bool) -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name.
    let event = unsafe { CreateEventW(std::ptr::null(), by_hand.into(), 0, std::ptr::null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system just gave us this handle; nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

fn wait_for(event: &OwnedHandle, timeout: Option<Duration>) -> io::Result<bool> {
    within(timeout, |milliseconds| {
        // SAFETY: the event is open.
        match unsafe { WaitForSingleObject(event.as_raw_handle(), milliseconds) } {
            WAIT_OBJECT_0 => Ok(true),
            WAIT_TIMEOUT => Ok(false),
            _ => Err(io::Error::last_os_error()),
        }
    })
}

/// Sleeps until a socket is readable (`true`) or the time is over.
///
/// # Errors
/// What WSAPoll says.
pub(crate) fn readable(descriptor: Descriptor, timeout: Option<Duration>) -> io::Result<bool> {
    let mut entry = WSAPOLLFD { fd: loopback::socket(descriptor), events: POLLRDNORM, revents: 0 };
    within(timeout, |milliseconds| {
        // INFINITE has all bits set, and to WSAPoll any negative number is for ever.
        // SAFETY: the one entry lives through the call.
        match unsafe { WSAPoll(&raw mut entry, 1, milliseconds.cast_signed()) } {
            SOCKET_ERROR => Err(io::Error::last_os_error()),
            count => Ok(count > 0),
        }
    })
}

/// The system counts in ticks, and its waits may be over a little too soon: waits until the time is really over.
fn within(timeout: Option<Duration>, mut wait: impl FnMut(u32) -> io::Result<bool>) -> io::Result<bool> {
    const LONGEST: u128 = i32::MAX as u128;
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let milliseconds = left.map(|left| left.as_nanos().div_ceil(1_000_000).min(LONGEST));
        let milliseconds = milliseconds.and_then(|left| u32::try_from(left).ok()).unwrap_or(INFINITE);
        if wait(milliseconds)? {
            return Ok(true);
        }
        if milliseconds == 0 {
            return Ok(false);
        }
    }
}
