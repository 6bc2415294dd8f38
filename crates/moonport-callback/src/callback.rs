// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stub does with a call: copies its arguments and sends them to the owner; where the caller waits, gives it what
//! the handler returned, or the default.

use std::any::Any;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moonport_core::reply::{Answer, Answered, CallError, Waited};
use moonport_core::{Bytes, Encoding, Overflow, Payload, SendError, Sender};

use crate::marshal::{Marshal, Sink};
use crate::stub::{self, Call, Stub, Target};
use crate::watch;

/// A call that was refused because of an argument: what travels to the owner in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument(pub String);

/// A call on the owner's thread that was given the default, since Lua could not be entered there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsafeCall;

/// What a caller that has waited for long has said: what travels to the owner for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch(pub String);

/// After so long a caller that waits says so.
pub const WATCH: Duration = Duration::from_secs(2);

/// How long a native caller waits for the handler; `None`: for ever.
pub type Timeout = Option<Duration>;

/// What callbacks need of whoever runs Lua.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Runs the handler at once, on the owner's thread: gives its results, or `None` for the default.
    pub direct: fn(&'static Callback, &[u8]) -> Option<Vec<u8>>,
    /// Waits for an answer on any thread; one that owns a Lua state serves its callers meanwhile.
    pub wait: fn(&mut Answer<Answered>, Option<Instant>) -> Waited,
}

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
    /// Who runs the handler.
    pub host: Host,
    /// Its name, if it has one, and where it was made.
    pub name: Option<String>,
    /// The line of the program that made it.
    pub created: String,
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

    /// The callback whose calls go through the port with this handle.
    #[must_use]
    pub fn of_port(handle: u64) -> Option<&'static Self> {
        CALLBACKS.iter().take(stub::used()).find_map(|place| {
            // SAFETY: as in `find`.
            let callback = unsafe { place.load(Ordering::Acquire).as_ref() }?;
            (callback.sender.key().handle() == handle).then_some(callback)
        })
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
                // A port that is full or closed counts it itself.
                self.tell(BadArgument(message));
                None
            }
        }
    }

    /// Tells the owner, once, that a call could not run its handler at once.
    pub fn tell_unsafe(&self) {
        if !self.told_unsafe.swap(true, Ordering::Relaxed) {
            let told = self.tell(UnsafeCall);
            self.told_unsafe.store(told, Ordering::Relaxed);
        }
    }

    fn post(&self, call: &Call) {
        if self.sender.is_forked() {
            return;
        }
        let Some(bytes) = self.read(call) else { return };
        let payload = Payload::Bytes { encoding: Encoding::Value, bytes };
        let sent = match (self.sender.overflow(), self.timeout) {
            (Overflow::Block, Some(timeout)) if !self.sender.is_owner() => self.sender.send_within(payload, 0, timeout),
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
            return (self.host.direct)(self, &bytes);
        }
        let payload = Payload::Bytes { encoding: Encoding::Value, bytes };
        match self.call(payload) {
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

impl Callback {
    /// Sends and waits for the results. Who waits for long says so.
    fn call(&self, payload: Payload) -> Answered {
        let begun = Instant::now();
        let timeout = self.timeout.unwrap_or(Duration::MAX);
        let deadline = begun.checked_add(timeout);
        let mut answer = self.sender.begin_call(payload, 0, Encoding::Value, timeout)?;
        let watch = Some(begun + WATCH).filter(|watch| deadline.is_none_or(|deadline| *watch < deadline));
        let mut waited = (self.host.wait)(&mut answer, watch.or(deadline));
        if watch.is_some() && waited.is_err() {
            let line = watch::describe(self, WATCH);
            watch::print(&line);
            self.tell(Watch(line));
            waited = (self.host.wait)(&mut answer, deadline);
        }
        self.sender.conclude_call(waited)
    }

    /// Tells the owner something, if its port has room: nothing waits for that here.
    fn tell(&self, what: impl Any + Send) -> bool {
        let may_send = self.sender.overflow() != Overflow::Block || self.sender.has_room(0);
        may_send && self.sender.send(Payload::Object { value: Box::new(what), size: 0 }, 0).is_ok()
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
