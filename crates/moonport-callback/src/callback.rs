// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stub does with a call: copies its arguments and sends them to the owner; where the caller waits, gives it what
//! the handler returned, or the default.

use std::any::Any;
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moonport_core::reply::{Answer, Answered, CallError, Waited};
use moonport_core::{Bytes, BytesBuilder, Encoding, LockError, Overflow, Payload, SendError, Sender, StateLock, WATCH};

use crate::marshal::Marshal;
use crate::stub::{self, Call, Stub, Target};
use crate::watch;

/// A call that was refused because of an argument: what travels to the owner in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument(pub String);

/// Why a call on a thread that runs Lua was given the default: what travels to the owner, the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Compiled code has called, and Lua could not be entered there.
    Compiled = 1,
    /// Handlers were nested too deep.
    TooDeep = 2,
    /// The calling thread holds the lock of the state, and its owner would have to be waited for.
    Locked = 4,
}

/// What a caller that has waited for long has said: what travels to the owner for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch(pub String);

/// How long a native caller waits for the handler; `None`: for ever.
pub type Timeout = Option<Duration>;

/// What callbacks need of whoever runs Lua.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Runs the handler at once, on the owner's thread: gives its results, or `None` for the default.
    pub direct: fn(&'static Callback, &[u8]) -> Option<Vec<u8>>,
    /// Waits for an answer on any thread; one that owns a Lua state serves its callers meanwhile.
    pub wait: fn(&mut Answer<Answered>, Option<Instant>) -> Waited,
    /// Runs the handler at once, on the calling thread, which holds the lock of the state whose context this is: gives its
    /// results, or `None` for the default.
    pub locked: fn(&'static Callback, &[u8], *mut c_void) -> Option<Vec<u8>>,
}

/// One callback. It lives as long as the process, as its pointer does.
#[derive(Debug)]
pub struct Callback {
    options: Options,
    /// What became of its calls.
    pub counts: Counts,
    /// The owner was told of these [`Refusal`]s.
    told: AtomicU8,
}

/// What became of a callback's calls, beyond what its port counts: each has one fate.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls so far.
    pub calls: AtomicU64,
    /// Those that came when it was closed.
    pub after_close: AtomicU64,
    /// Those whose callers waited for too long.
    pub timeouts: AtomicU64,
    /// Those among them that waited for room, which the port counts as refused.
    pub without_room: AtomicU64,
    /// Those whose handler ran at once, which the port has not seen.
    pub direct: AtomicU64,
    /// Those that were refused: an argument that cannot be, or a [`Refusal`].
    pub refused: AtomicU64,
    /// What the port delivered that was no call: the owner was told something.
    pub told: AtomicU64,
    /// Those that the port delivered when their caller had gone.
    pub given_up: AtomicU64,
}

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How a callback is made.
#[derive(Debug)]
pub struct Options {
    /// How arguments and results are copied.
    pub marshal: Marshal,
    /// The port that its calls go through.
    pub sender: Sender,
    /// Does the caller wait for the handler?
    pub waits: bool,
    /// Does the caller's own thread run the handler, under the lock of the state?
    pub locked: bool,
    /// How long it does, or waits for room.
    pub timeout: Timeout,
    /// The results where the handler gives none.
    pub default: Vec<u8>,
    /// Who runs the handler.
    pub host: Host,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The line of the program that made it.
    pub created: String,
}

static CALLBACKS: [AtomicPtr<Callback>; stub::COUNT] = [const { AtomicPtr::new(std::ptr::null_mut()) }; stub::COUNT];

impl std::ops::Deref for Callback {
    type Target = Options;

    fn deref(&self) -> &Options {
        &self.options
    }
}

impl Callback {
    /// A callback with a function pointer for the life of the process; `None` if all are used up.
    #[must_use]
    pub fn bind(options: Options) -> Option<(&'static Self, Stub)> {
        let callback = Self { options, counts: Counts::default(), told: AtomicU8::new(0) };
        let callback: &'static Self = Box::leak(Box::new(callback));
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
        count(&self.counts.calls);
        if self.waits {
            let results = self.ask(call);
            self.marshal.write(call, results.as_deref().unwrap_or(&self.default));
        } else {
            self.post(call);
        }
    }

    fn failed(&'static self, call: &mut Call) {
        if self.waits {
            self.marshal.write(call, &self.default);
        }
    }
}

impl Callback {
    /// The arguments as owned bytes. A call with one that cannot be is refused, and the owner hears of it.
    fn read(&self, call: &Call) -> Option<Bytes> {
        if !self.sender.is_open() {
            count(&self.counts.after_close);
            return None;
        }
        let mut bytes = BytesBuilder::default();
        match self.marshal.read(call, &mut bytes) {
            Ok(()) => Some(bytes.finish()),
            Err(message) => {
                count(&self.counts.refused);
                drop(self.tell(BadArgument(message)));
                None
            }
        }
    }

    /// A call on the owner's thread gets its default; the owner hears of it the first time.
    pub fn refuse(&self, why: Refusal) {
        count(&self.counts.refused);
        let bit = why as u8;
        if self.told.fetch_or(bit, Ordering::Relaxed) & bit == 0 && self.tell(why).is_err() {
            self.told.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    fn post(&self, call: &Call) {
        if self.sender.is_forked() {
            return;
        }
        let Some(bytes) = self.read(call) else { return };
        let payload = Payload::Bytes { encoding: Encoding::Value, bytes };
        let may_wait = self.sender.overflow() == Overflow::Block && !self.sender.is_owner();
        let sent = if may_wait {
            self.sender.send_within(payload, 0, self.timeout.unwrap_or(Duration::MAX))
        } else {
            self.sender.send(payload, 0)
        };
        match sent {
            Err(SendError::Closed) => count(&self.counts.after_close),
            Err(SendError::Timeout) => self.count_without_room(),
            _ => {}
        }
    }

    /// A caller waited for room until its time was over.
    fn count_without_room(&self) {
        count(&self.counts.timeouts);
        count(&self.counts.without_room);
    }

    fn ask(&'static self, call: &Call) -> Option<Vec<u8>> {
        if self.sender.is_forked() {
            return None;
        }
        let bytes = self.read(call)?;
        if self.locked {
            return self.run_locked(&bytes);
        }
        if self.sender.is_owner() {
            return (self.host.direct)(self, &bytes);
        }
        if self.sender.state_lock().is_held_here() {
            self.refuse(Refusal::Locked);
            return None;
        }
        let payload = Payload::Bytes { encoding: Encoding::Value, bytes };
        match self.call(payload) {
            Ok(Payload::Bytes { bytes, .. }) => return Some(bytes.to_vec()),
            Err(CallError::Timeout) => count(&self.counts.timeouts),
            // What was discarded, or refused for want of room, is counted by the port.
            _ => {}
        }
        None
    }

    /// Runs the handler on this thread. The owner's thread, and one that has the lock already, need not wait for it.
    fn run_locked(&'static self, arguments: &[u8]) -> Option<Vec<u8>> {
        let lock = self.sender.state_lock();
        if lock.is_held_here() {
            return (self.host.locked)(self, arguments, lock.context());
        }
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let acquired = lock.acquire(deadline, |_| {
            let line = watch::describe(self, WATCH);
            watch::print(&line);
            drop(self.tell(Watch(line)));
        });
        match acquired {
            Ok(()) => {}
            Err(LockError::Closed) => {
                count(&self.counts.after_close);
                return None;
            }
            Err(_) => {
                count(&self.counts.timeouts);
                return None;
            }
        }
        let held = Held { lock, callback: self };
        if !self.sender.is_open() {
            count(&self.counts.after_close);
            return None;
        }
        (self.host.locked)(self, arguments, held.lock.context())
    }

    /// Sends and waits for the results. Who waits for long says so.
    fn call(&self, payload: Payload) -> Answered {
        let begun = Instant::now();
        let timeout = self.timeout.unwrap_or(Duration::MAX);
        let deadline = begun.checked_add(timeout);
        let mut answer =
            self.sender.begin_call(payload, 0, Encoding::Value, timeout).inspect_err(|error| match error {
                CallError::Send(SendError::Closed) => count(&self.counts.after_close),
                CallError::Send(SendError::Timeout) => self.count_without_room(),
                _ => {}
            })?;
        let watch = Some(begun + WATCH).filter(|watch| deadline.is_none_or(|deadline| *watch < deadline));
        let mut waited = (self.host.wait)(&mut answer, watch.or(deadline));
        if watch.is_some() && waited.is_err() {
            let line = watch::describe(self, WATCH);
            watch::print(&line);
            drop(self.tell(Watch(line)));
            waited = (self.host.wait)(&mut answer, deadline);
        }
        self.sender.conclude_call(waited)
    }

    /// Tells the owner something, if its port has room: nothing waits for that here, and no call is discarded for it.
    ///
    /// # Errors
    /// There is none, or it is closed: what was to be told comes back.
    pub fn tell<T: Any + Send>(&self, what: T) -> Result<(), T> {
        if !self.sender.is_open() || !self.sender.has_room(0) {
            return Err(what);
        }
        // Should another thread have taken the last room meanwhile, it is lost.
        self.sender.send(Payload::Object { value: Box::new(what), size: 0 }, 0).map(drop).unwrap_or(());
        Ok(())
    }
}

/// The lock, until the end of the call, also if that panics.
struct Held {
    lock: StateLock,
    callback: &'static Callback,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(held) = self.lock.release() {
            let line = watch::describe_holder(self.callback, held);
            watch::print(&line);
            drop(self.callback.tell(Watch(line)));
        }
    }
}
