// SPDX-License-Identifier: MIT OR Apache-2.0
//! SDL 2's event loop, which wakes for events only: while something waits for the owner, an event of ours lies in SDL's queue.
//! The sending thread puts it there. The thread `moonport-sdl` does so for timers and lanes, of which no sender tells, and
//! where a sender must not; and it looks after a while whether an event was lost (a full queue, a flushed one).

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::io::{self, PipeWriter};
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use moonport_core::{Notifier, errno, fork, wait_readable};

use super::bell;
use super::descriptor::Ear;
use super::library::Library;
use crate::dispatch;
use crate::owner::Owner;

/// When somebody looks whether an event that nobody took is still in the queue.
const PATIENCE: Duration = Duration::from_millis(100);
const AT_ONCE: Duration = Duration::ZERO;
/// Of times to look.
const NEVER: u64 = u64::MAX;
/// `SDL_PEEKEVENT`.
const PEEK: c_int = 1;

/// `SDL_UserEvent`, with as much room as any `SDL_Event` may take.
#[repr(C)]
struct Event {
    kind: u32,
    timestamp: u32,
    window: u32,
    code: i32,
    data: [*mut c_void; 2],
    rest: [u64; 12],
}

/// What of SDL is called, all of it from any thread; there since 2.0.0.
struct Sdl {
    push: unsafe extern "C" fn(*mut Event) -> c_int,
    peep: unsafe extern "C" fn(*mut Event, c_int, c_int, u32, u32) -> c_int,
    flush: unsafe extern "C" fn(u32),
    register: unsafe extern "C" fn(c_int) -> u32,
    /// Types of events that no state uses now. SDL does not take them back.
    kinds: Mutex<Vec<u32>>,
}

#[cfg(target_vendor = "apple")]
const NAME: &CStr = c"libSDL2-2.0.0.dylib";
#[cfg(not(target_vendor = "apple"))]
const NAME: &CStr = c"libSDL2-2.0.so.0";

impl Sdl {
    /// SDL, if the process has loaded it.
    fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Sdl> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Some(found);
        }
        let library = Library::find(NAME)?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the field has the signature that SDL documents for this function.
                unsafe { library.function($name) }?
            };
        }
        let found = Self {
            push: function!(c"SDL_PushEvent"),
            peep: function!(c"SDL_PeepEvents"),
            flush: function!(c"SDL_FlushEvent"),
            register: function!(c"SDL_RegisterEvents"),
            kinds: Mutex::default(),
        };
        Some(FOUND.get_or_init(|| found))
    }

    /// A type of events that nobody else uses.
    fn take_kind(&self) -> Option<u32> {
        let free = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // SAFETY: takes no pointers.
        free.or_else(|| Some(unsafe { (self.register)(1) }).filter(|kind| *kind != u32::MAX))
    }

    fn give_back(&self, kind: u32) {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).push(kind);
    }
}

pub(crate) fn is_loaded() -> bool {
    Sdl::find().is_some()
}

/// What the sending threads and the thread `moonport-sdl` share.
struct Shared {
    sdl: &'static Sdl,
    /// The type of this state's events.
    kind: u32,
    /// The state's handle, which the events carry.
    state: u64,
    /// The owner's descriptor. It is closed after the thread has ended and the hook is gone.
    set: RawFd,
    /// When the thread is to look again, in nanoseconds since `begun`.
    look: AtomicU64,
    /// Until when it sleeps.
    sleeps_until: AtomicU64,
    begun: Instant,
    bell: PipeWriter,
    stop: AtomicBool,
    owner: ThreadId,
    /// The owner delivers, and pushes for itself at the end.
    in_turn: AtomicBool,
}

impl Shared {
    fn has_work(&self) -> bool {
        wait_readable(self.set, Some(Duration::ZERO)).unwrap_or(false)
    }

    /// Lets an event be in the queue. Two threads may do so at once: an event too many makes an empty turn.
    fn push(&self) {
        let sdl = self.sdl;
        // SAFETY: without a place for events they are only counted.
        let queued = unsafe { (sdl.peep)(ptr::null_mut(), 0, PEEK, self.kind, self.kind) };
        if queued <= 0 {
            let data = [ptr::without_provenance_mut(usize::try_from(self.state).unwrap_or(0)), ptr::null_mut()];
            let mut event = Event { kind: self.kind, timestamp: 0, window: 0, code: 0, data, rest: [0; 12] };
            // SAFETY: SDL copies the event. It may refuse: then the thread tries again.
            unsafe { (sdl.push)(&raw mut event) };
        }
        self.look_after(PATIENCE);
    }

    /// The thread looks when so much time is over, and not at the time that was set before. Async-signal-safe.
    fn look_after(&self, time: Duration) {
        let at = u64::try_from((self.begun.elapsed() + time).as_nanos()).unwrap_or(NEVER);
        // In one total order with the two steps of `until_look`: either it sees this time, or this sees for how long it sleeps.
        self.look.store(at, Ordering::SeqCst);
        if at < self.sleeps_until.load(Ordering::SeqCst) {
            // Once: it sets its own time when it has looked.
            self.sleeps_until.store(at, Ordering::SeqCst);
            bell::ring(&self.bell);
        }
    }

    /// For how long the thread may sleep now.
    fn until_look(&self) -> Option<Duration> {
        loop {
            let at = self.look.load(Ordering::SeqCst);
            self.sleeps_until.store(at, Ordering::SeqCst);
            if self.look.load(Ordering::SeqCst) == at {
                return (at != NEVER).then(|| Duration::from_nanos(at).saturating_sub(self.begun.elapsed()));
            }
        }
    }

    /// The time to look is over, unless another was set.
    fn looked(&self) {
        let at = self.look.load(Ordering::SeqCst);
        if Duration::from_nanos(at) <= self.begun.elapsed() {
            // Where it fails another time was set meanwhile.
            self.look.compare_exchange(at, NEVER, Ordering::SeqCst, Ordering::SeqCst).unwrap_or(at);
        }
    }

    /// The mailbox has something to do: called by senders, and by the owner while the mailbox is in its hands.
    fn wake(&self, from_signal: bool) {
        // SDL takes locks, and may call functions of the program's: not below a signal handler, and not here on the owner.
        if from_signal {
            return self.look_after(AT_ONCE);
        }
        if self.owner != thread::current().id() {
            return self.push();
        }
        // Pairs with nothing: only the owner's thread uses it.
        if !self.in_turn.load(Ordering::Relaxed) {
            self.look_after(AT_ONCE);
        }
    }
}

/// Why SDL's loop was not taken.
pub(crate) enum Refused {
    NotLoaded,
    NoKind,
    System(io::Error),
}

/// What one state has of SDL's loop, however often it attaches. Ended by [`Waker::end`].
pub(crate) struct Waker {
    shared: Arc<Shared>,
    notifier: Notifier,
    /// Until it has ended.
    thread: Cell<Option<JoinHandle<()>>>,
    generation: u32,
}

/// Lets SDL's loop wake up for this owner.
pub(crate) fn take(owner: &Owner) -> Result<Waker, Refused> {
    let sdl = Sdl::find().ok_or(Refused::NotLoaded)?;
    let kind = sdl.take_kind().ok_or(Refused::NoKind)?;
    start(owner, sdl, kind).map_err(|error| {
        sdl.give_back(kind);
        Refused::System(error)
    })
}

fn start(owner: &Owner, sdl: &'static Sdl, kind: u32) -> io::Result<Waker> {
    let notifier = owner.mailbox(|mailbox| mailbox.notifier()).ok_or(io::ErrorKind::BrokenPipe)?;
    let set = owner.descriptor()?;
    let (ear, bell) = Ear::new(owner)?;
    let shared = Arc::new(Shared {
        sdl,
        kind,
        state: owner.handle(),
        set,
        look: AtomicU64::new(NEVER),
        sleeps_until: AtomicU64::new(NEVER),
        begun: Instant::now(),
        bell,
        stop: AtomicBool::new(false),
        owner: thread::current().id(),
        in_turn: AtomicBool::new(false),
    });
    let theirs = Arc::clone(&shared);
    let thread = thread::Builder::new().name("moonport-sdl".into()).spawn(move || watch(&theirs, ear))?;
    let theirs = Arc::clone(&shared);
    notifier.set_host_hook(Some(Box::new(move |from_signal| {
        errno::keep(|| theirs.wake(from_signal));
    })));
    Ok(Waker { shared, notifier, thread: Cell::new(Some(thread)), generation: fork::generation() })
}

/// The thread `moonport-sdl`.
fn watch(shared: &Shared, mut ear: Ear) {
    loop {
        ear.wait(shared.until_look());
        // Pairs with the store in `Waker::end`.
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        shared.looked();
        if shared.has_work() {
            shared.push();
        }
    }
}

impl Waker {
    fn is_forked(&self) -> bool {
        self.generation != fork::generation()
    }

    /// A handler may wait for SDL's events itself: what still waits must wake it then.
    pub(crate) fn turn_begins(&self, owner: &Owner) {
        if self.is_forked() || owner.depth.get() >= dispatch::DEEPEST {
            return;
        }
        self.shared.in_turn.store(true, Ordering::Relaxed);
        if self.shared.has_work() {
            self.shared.push();
        }
    }

    /// Nothing is left in the queue for nothing, and what a turn has left wakes the loop. Where handlers are nested as deep as
    /// they may, it would only keep the loop busy: there the loop around looks at it.
    pub(crate) fn turn_ends(&self, owner: &Owner) {
        self.shared.in_turn.store(false, Ordering::Relaxed);
        if self.is_forked() || owner.depth.get() >= dispatch::DEEPEST {
            return;
        }
        if !self.shared.has_work() {
            // SAFETY: takes no pointers.
            unsafe { (self.shared.sdl.flush)(self.shared.kind) };
        }
        // Again: a sender may have found the event that was just taken away.
        if self.shared.has_work() {
            self.shared.push();
        }
    }

    /// When this returns, no event comes any more.
    pub(crate) fn end(&self) {
        let Some(thread) = self.thread.take() else { return };
        if self.is_forked() {
            // It is not in this process, and nobody calls the parent's hook here.
            let _parents = ManuallyDrop::new(thread);
            return;
        }
        self.notifier.set_host_hook(None);
        // Pairs with the load in `watch`.
        self.shared.stop.store(true, Ordering::Release);
        bell::ring(&self.shared.bell);
        // A panic in it was told by the panic's own message.
        drop(thread.join());
        // SAFETY: takes no pointers.
        unsafe { (self.shared.sdl.flush)(self.shared.kind) };
        self.shared.sdl.give_back(self.shared.kind);
    }
}
