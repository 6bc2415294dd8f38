// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stub does with a call: copies its arguments and sends them to the owner; where the caller waits, gives it what
//! the handler returned, or the default.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

use moonport_core::reply::CallError;
use moonport_core::{Bytes, Encoding, Payload, SendError, Sender};

use crate::marshal::{Marshal, Sink};
use crate::stub::{self, Call, Stub, Target};

/// A call that was refused because of an argument: what travels to the owner in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument(pub String);

/// A call on the owner's thread that was given the default, since Lua could not be entered there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsafeCall;

/// How long a native caller waits for the handler; `None`: for ever.
pub type Timeout = Option<Duration>;

/// Runs the handler at once, on the owner's thread: gives its results, or `None` for the default.
pub type Direct = fn(&'static Callback, &[u8]) -> Option<Vec<u8>>;

/// One callback. It lives as long as the process, as its pointer does.
#[derive(Debug)]
pub struct Callback {
    /// How arguments and results are copied.
    pub marshal: Marshal,
    /// The port that its calls go through.
    pub sender: Sender,
    /// Does the caller wait for the handler?
    pub waits: bool,
    /// How long it does, or waits for room.
    pub timeout: Timeout,
    /// The results where the handler gives none.
    pub default: Vec<u8>,
    /// For calls on the owner's thread that have to wait.
    pub direct: Direct,
    /// Calls so far.
    pub calls: AtomicU64,
    /// Calls that came when it was closed.
    pub after_close: AtomicU64,
    /// Callers that waited for too long.
    pub timeouts: AtomicU64,
    /// The owner was told of an [`UnsafeCall`].
    pub told_unsafe: AtomicBool,
}

static CALLBACKS: [AtomicPtr<Callback>; stub::COUNT] = [const { AtomicPtr::new(std::ptr::null_mut()) }; stub::COUNT];

impl Callback {
    /// Gives it a function pointer, for the life of the process; `None` if all are used up.
    #[must_use]
    pub fn bind(self) -> Option<(&'static Self, Stub)> {
        let callback: &'static Self = Box::leak(Box::new(self));
        let stub = stub::bind(callback)?;
        // Pairs with the load in `find`.
        CALLBACKS.get(stub.number())?.store(std::ptr::from_ref(callback).cast_mut(), Ordering::Release);
        Some((callback, stub))
    }

    /// The callback with this function pointer.
    ///
    /// Thread: any. Blocks: never.
    #[must_use]
    pub fn find(address: *const c_void) -> Option<&'static Self> {
        let callback = CALLBACKS.get(Stub::find(address)?.number())?.load(Ordering::Acquire);
        // SAFETY: `bind` leaked it; it is never freed.
        unsafe { callback.as_ref() }
    }

    /// A `void (*)(void *)` that closes it; `None` if all function pointers are used up.
    #[must_use]
    pub fn destroyer(&'static self) -> Option<Stub> {
        stub::bind(Box::leak(Box::new(Destroyer(self))))
    }
}

struct Destroyer(&'static Callback);

impl Target for Destroyer {
    fn call(&'static self, _: &mut Call) {
        // In a forked child there is nothing to close.
        self.0.sender.close().unwrap_or(false);
    }
}

impl Target for Callback {
    fn call(&'static self, call: &mut Call) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.waits {
            let results = self.ask(call);
            self.marshal.write(call, results.as_deref().unwrap_or(&self.default));
        } else {
            self.post(call);
        }
    }
}

impl Callback {
    /// The arguments as owned bytes. A call with one that cannot be is refused, and the owner hears of it.
    fn read(&self, call: &Call) -> Option<Bytes> {
        if !self.sender.is_open() {
            self.after_close.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let mut buffer = Buffer::default();
        match self.marshal.read(call, &mut buffer) {
            Ok(()) => Some(buffer.into_bytes()),
            Err(message) => {
                let refused = Payload::Object { value: Box::new(BadArgument(message)), size: 0 };
                // A port that is full or closed counts it itself.
                self.sender.send(refused, 0).err().and(None)
            }
        }
    }

    /// Tells the owner, once, that a call could not run its handler at once.
    pub fn tell_unsafe(&self) {
        if !self.told_unsafe.swap(true, Ordering::Relaxed) {
            let told = self.sender.send(Payload::Object { value: Box::new(UnsafeCall), size: 0 }, 0);
            self.told_unsafe.store(told.is_ok(), Ordering::Relaxed);
        }
    }

    fn post(&self, call: &Call) {
        if self.sender.is_forked() {
            return;
        }
        let Some(bytes) = self.read(call) else { return };
        let payload = Payload::Bytes { encoding: Encoding::Value, bytes };
        let sent = match (self.sender.overflow(), self.timeout) {
            (moonport_core::Overflow::Block, Some(timeout)) if !self.sender.is_owner() => {
                self.sender.send_within(payload, 0, timeout)
            }
            _ => self.sender.send(payload, 0),
        };
        match sent {
            Err(SendError::Closed) => drop(self.after_close.fetch_add(1, Ordering::Relaxed)),
            Err(SendError::Timeout) => drop(self.timeouts.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    fn ask(&'static self, call: &Call) -> Option<Vec<u8>> {
        if self.sender.is_forked() {
            return None;
        }
        let bytes = self.read(call)?;
        if self.sender.is_owner() {
            return (self.direct)(self, &bytes);
        }
        let payload = Payload::Bytes { encoding: Encoding::Value, bytes };
        match self.sender.call(payload, 0, Encoding::Value, self.timeout.unwrap_or(Duration::MAX)) {
            Ok(Payload::Bytes { bytes, .. }) => Some(bytes.to_vec()),
            Ok(_) => None,
            Err(CallError::Timeout | CallError::Send(SendError::Timeout)) => {
                self.timeouts.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(CallError::Send(SendError::Closed)) => {
                self.after_close.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(_) => None,
        }
    }
}

/// Bytes that are few most of the time: then they need no allocation.
struct Buffer {
    small: [u8; SMALL],
    used: usize,
    large: Vec<u8>,
}

const SMALL: usize = 256;

impl Default for Buffer {
    fn default() -> Self {
        Self { small: [0; SMALL], used: 0, large: Vec::new() }
    }
}

impl Buffer {
    fn into_bytes(self) -> Bytes {
        if self.large.is_empty() {
            Bytes::copy(self.small.get(..self.used).unwrap_or_default())
        } else {
            Bytes::from(self.large)
        }
    }
}

impl Sink for Buffer {
    fn put(&mut self, bytes: &[u8]) {
        let place = self.small.get_mut(self.used..self.used + bytes.len()).filter(|_| self.large.is_empty());
        if let Some(place) = place {
            place.copy_from_slice(bytes);
            self.used += bytes.len();
            return;
        }
        if self.large.is_empty() {
            self.large.extend_from_slice(self.small.get(..self.used).unwrap_or_default());
        }
        self.large.extend_from_slice(bytes);
    }
}
