// SPDX-License-Identifier: MIT OR Apache-2.0
//! `moonport.descriptor`: the mailbox's wake-up as a socket, for select and its kin. What no sender tells of, timers and lanes, the
//! system's thread pool watches, and wakes the mailbox as a sender would. Made at the first use; our own loop needs none.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use moonport_core::Notifier;
use windows_sys::Win32::Foundation::{FILETIME, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Networking::WinSock::{FD_READ, SOCKET, WSAEventSelect};
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolTimer, CreateEventW, CreateThreadpoolTimer, INFINITE, PTP_CALLBACK_INSTANCE, PTP_TIMER,
    RegisterWaitForSingleObject, SetThreadpoolTimer, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
    WaitForThreadpoolTimerCallbacks,
};

use crate::call::NOBODY;
use crate::owner::{Owner, until};

pub(crate) struct Descriptor {
    notifier: Notifier,
    timer: Timer,
    lanes: RefCell<Vec<(c_int, Watched)>>,
}

/// A function that is called once after some time, on a thread of the system's.
pub(super) struct Timer {
    timer: PTP_TIMER,
    function: *mut Function,
}

type Function = Box<dyn Fn() + Send + Sync>;

// SAFETY: the system's timers may be used on any thread, and so may the function.
unsafe impl Send for Timer {}
// SAFETY: as above.
unsafe impl Sync for Timer {}

impl Timer {
    pub(super) fn new(function: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        unsafe extern "system" fn elapsed(_: PTP_CALLBACK_INSTANCE, function: *mut c_void, _: PTP_TIMER) {
            let function: *mut Function = function.cast();
            // SAFETY: it is freed only after the last call has ended.
            unsafe { (*function)() };
        }
        let function: *mut Function = Box::into_raw(Box::new(Box::new(function)));
        // SAFETY: the function lives until the timer has ended; no environment is the process's own.
        let timer = unsafe { CreateThreadpoolTimer(Some(elapsed), function.cast(), ptr::null()) };
        let this = Self { timer, function };
        if timer == 0 { Err(io::Error::last_os_error()) } else { Ok(this) }
    }

    /// Calls after this time; `None`: never.
    pub(super) fn set(&self, wait: Option<Duration>) {
        let time = wait.map(|wait| {
            // Negative: from now on, in tenths of a microsecond.
            let ticks = i64::try_from(wait.as_nanos().div_ceil(100)).unwrap_or(i64::MAX).max(1);
            let [a, b, c, d, e, f, g, h] = (-ticks).to_le_bytes();
            FILETIME {
                dwLowDateTime: u32::from_le_bytes([a, b, c, d]),
                dwHighDateTime: u32::from_le_bytes([e, f, g, h]),
            }
        });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the time lives through the call, or is null.
        unsafe { SetThreadpoolTimer(self.timer, time, 0, 0) };
    }

    /// When this returns, nothing is called until the next [`Timer::set`].
    pub(super) fn end(&self) {
        self.set(None);
        // SAFETY: the timer is ours.
        unsafe { WaitForThreadpoolTimerCallbacks(self.timer, 1) };
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.timer != 0 {
            self.end();
            // SAFETY: the timer is ours, and nobody uses it any more.
            unsafe { CloseThreadpoolTimer(self.timer) };
        }
        // SAFETY: it came from `Box::into_raw`, and is not called any more.
        drop(unsafe { Box::from_raw(self.function) });
    }
}

/// A socket whose owner is woken when something has come.
struct Watched {
    lane: c_int,
    /// Set by the system when something has come, and reset by whoever hears of it.
    event: OwnedHandle,
    wait: HANDLE,
    notifier: *mut Notifier,
}

impl Watched {
    fn new(lane: c_int, notifier: Notifier) -> io::Result<Self> {
        unsafe extern "system" fn come(notifier: *mut c_void, _: bool) {
            let notifier: *const Notifier = notifier.cast_const().cast();
            // As a thing to be handled: a mere wake-up, just before the owner sleeps, would be taken for an old one.
            // SAFETY: it is freed only after the last call has ended.
            unsafe { *notifier }.notify(NOBODY);
        }
        // SAFETY: no attributes and no name; an event that resets itself, and is not set now.
        let event = unsafe { CreateEventW(ptr::null(), 0, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system just gave us this handle; nobody else has it.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        let mut this = Self { lane, event, wait: ptr::null_mut(), notifier: Box::into_raw(Box::new(notifier)) };
        // SAFETY: the event lives until the wait has ended, and so does the notifier.
        let registered = unsafe {
            let event = this.event.as_raw_handle();
            RegisterWaitForSingleObject(
                &raw mut this.wait,
                event,
                Some(come),
                this.notifier.cast(),
                INFINITE,
                WT_EXECUTEINWAITTHREAD,
            )
        };
        if registered == 0 || !this.select(this.event.as_raw_handle(), FD_READ) {
            return Err(io::Error::last_os_error());
        }
        Ok(this)
    }

    /// What has come already sets the event at once; after that, what comes after a recv or is left by one.
    fn select(&self, event: HANDLE, what: u32) -> bool {
        let socket = SOCKET::try_from(self.lane).unwrap_or(SOCKET::MAX);
        // SAFETY: the event is ours, or null.
        unsafe { WSAEventSelect(socket, event.addr().cast_signed(), what.cast_signed()) == 0 }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.select(ptr::null_mut(), 0);
        if !self.wait.is_null() {
            // SAFETY: the wait is ours; this returns when no call is under way any more.
            unsafe { UnregisterWaitEx(self.wait, INVALID_HANDLE_VALUE) };
        }
        // SAFETY: it came from `Box::into_raw`, and nobody uses it any more.
        drop(unsafe { Box::from_raw(self.notifier) });
    }
}

impl Owner {
    /// The socket for other loops.
    pub(crate) fn descriptor(&self) -> io::Result<c_int> {
        self.prepare_to_watch()?;
        let number = self.mailbox(|mailbox| mailbox.descriptor()).ok_or(io::ErrorKind::BrokenPipe)??;
        self.mailbox(|mailbox| mailbox.watch(number));
        self.rearm();
        Ok(number)
    }

    /// Before anything is watched for the mailbox.
    pub(crate) fn prepare_to_watch(&self) -> io::Result<()> {
        if self.descriptor.borrow().is_some() {
            return Ok(());
        }
        let notifier = self.mailbox(|mailbox| mailbox.notifier()).ok_or(io::ErrorKind::BrokenPipe)?;
        let timer = Timer::new(move || notifier.wake())?;
        *self.descriptor.borrow_mut() = Some(Descriptor { notifier, timer, lanes: RefCell::default() });
        self.rearm();
        Ok(())
    }

    /// Sets the timer to the next due time. Call it when that may have changed.
    pub(crate) fn rearm(&self) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.timer.set(self.next_due().map(until));
        }
    }

    /// No timer wakes the owner while it waits for something else.
    pub(crate) fn disarm(&self) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.timer.set(None);
        }
    }

    /// One lane more wakes the owner. What could fail is the system's memory, and a lane that is not watched is still moved at
    /// every turn.
    pub(crate) fn watch(&self, lane: c_int) {
        if let Some(descriptor) = &*self.descriptor.borrow()
            && let Ok(watched) = Watched::new(lane, descriptor.notifier)
        {
            descriptor.lanes.borrow_mut().push((lane, watched));
        }
    }

    pub(crate) fn unwatch(&self, lane: c_int) {
        if let Some(descriptor) = &*self.descriptor.borrow() {
            descriptor.lanes.borrow_mut().retain(|(other, _)| *other != lane);
        }
    }
}
