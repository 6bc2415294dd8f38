// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lock of an owner's state, the careful alternative to messages. The owner holds it always, and lets go of it only while
//! it sleeps, or between its turns when somebody waits. Until it is used for the first time it costs the owner one look at a
//! number before a sleep.
//!
//! Who finds it free takes it, though others wait: to hand it on from thread to thread each time would cost a wake-up each. But
//! whoever has waited for [`PATIENCE`] gets it next, the owner too: a thread that locks in a loop keeps nobody out.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::doing::Doing;
use crate::queue::{Event, Queue};
use crate::thread;

/// So long may others pass the first in line.
const PATIENCE: Duration = Duration::from_micros(100);

/// After so long who waits says so, and who has held it.
pub const WATCH: Duration = Duration::from_secs(2);

/// Who holds a lock that nobody holds.
const NOBODY: usize = 0;

/// A use that never ends: C code has asked for the lock.
const FOR_EVER: u32 = 1 << 31;

/// Why a lock was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The calling thread has it already.
    #[error("the calling thread holds the lock already")]
    WouldDeadlock,
    /// It was not free in time.
    #[error("the lock was not free in time")]
    Timeout,
    /// The state is closed.
    #[error("the state is closed")]
    Closed,
    /// This process is the child of a fork; the state belongs to the parent.
    #[error("the state belongs to the parent of this forked process")]
    Forked,
}

/// The part of a queue that is its lock.
pub(crate) struct Place {
    /// Who may want it: then the owner lets it go while it sleeps.
    uses: AtomicU32,
    /// How many wait in line.
    waiting: AtomicU32,
    /// Written under the mutex. A thread that reads its own number here has written it itself.
    holder: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The handle of the mailbox; 0: it is over.
    handle: u64,
    /// Of the owner's, for who runs Lua.
    context: usize,
    line: VecDeque<Arc<Waiter>>,
    since: Option<Instant>,
    /// Somebody has said that it is held for long.
    was_told: bool,
}

/// One in the line. All of it is changed under the mutex.
struct Waiter {
    thread: usize,
    since: Instant,
    changed: Condvar,
    /// 0: it waits. Else it was told to look, given the lock, or sent away.
    word: AtomicU32,
}

const WAITS: u32 = 0;
const LOOK: u32 = 1;
const GIVEN: u32 = 2;
const CLOSED: u32 = 3;

impl Waiter {
    fn word(&self) -> u32 {
        self.word.load(Ordering::Relaxed)
    }

    fn set(&self, word: u32) {
        self.word.store(word, Ordering::Relaxed);
    }

    fn tell(&self, word: u32) {
        self.set(word);
        self.changed.notify_one();
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            uses: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            holder: AtomicUsize::new(NOBODY),
            inner: Mutex::default(),
        }
    }

    /// No user code runs under this lock, so a poisoned one is still whole.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread's mailbox begins, and it holds the lock.
    pub(crate) fn begin(&self, handle: u64) {
        let mut inner = self.inner();
        *inner = Inner { handle, ..Inner::default() };
        self.uses.store(0, Ordering::Relaxed);
        self.hold(&mut inner, thread::here());
    }

    /// The mailbox is over: who waits is sent away.
    pub(crate) fn end(&self) {
        let mut inner = self.inner();
        inner.handle = 0;
        inner.context = 0;
        for waiter in std::mem::take(&mut inner.line) {
            waiter.tell(CLOSED);
        }
        self.waiting.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_held_here(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == thread::here()
    }

    fn is_used(&self) -> bool {
        // Pairs with the wake-up after the change: an owner that has not seen it yet cannot go on sleeping.
        self.uses.load(Ordering::Relaxed) != 0
    }

    fn hold(&self, inner: &mut Inner, thread: usize) {
        self.holder.store(thread, Ordering::Relaxed);
        inner.since = Some(Instant::now());
        inner.was_told = false;
    }

    fn is_free(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == NOBODY
    }

    /// The holder lets go. The first in line gets it if it has waited long enough, or `at_once`.
    fn pass_on(&self, inner: &mut Inner, at_once: bool) {
        let Some(first) = inner.line.front() else { return self.holder.store(NOBODY, Ordering::Relaxed) };
        if at_once || first.since.elapsed() >= PATIENCE {
            return self.give_to_first(inner);
        }
        self.holder.store(NOBODY, Ordering::Relaxed);
        if first.word() == WAITS {
            first.tell(LOOK);
        }
    }

    fn give_to_first(&self, inner: &mut Inner) {
        let Some(first) = inner.line.pop_front() else { return };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.hold(inner, first.thread);
        first.tell(GIVEN);
    }

    fn leave_line(&self, inner: &mut Inner, waiter: &Arc<Waiter>) {
        inner.line.retain(|other| !Arc::ptr_eq(other, waiter));
        self.waiting.store(u32::try_from(inner.line.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        // It may have been told that the lock is free.
        if let Some(first) = inner.line.front().filter(|first| self.is_free() && first.word() == WAITS) {
            first.tell(LOOK);
        }
    }
}

/// The lock of one state. A stale one gives [`LockError::Closed`].
#[derive(Clone, Copy)]
pub struct StateLock {
    queue: &'static Queue,
    handle: u64,
}

impl StateLock {
    pub(crate) fn new(queue: &'static Queue, handle: u64) -> Self {
        Self { queue, handle }
    }

    /// Is this the lock of the same state?
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        self.handle == other.handle
    }

    fn place(self) -> &'static Place {
        &self.queue.state_lock
    }

    /// What [`StateLock::set_context`] was given; null when the state is closed. Only who holds the lock may use it.
    #[must_use]
    pub fn context(self) -> *mut c_void {
        let inner = self.place().inner();
        if inner.handle == self.handle {
            std::ptr::with_exposed_provenance_mut(inner.context)
        } else {
            std::ptr::null_mut()
        }
    }

    /// Something of the owner's for those who hold the lock, as long as the state lives.
    ///
    /// Thread: the owner's.
    pub fn set_context(self, context: *mut c_void) {
        self.place().inner().context = context.expose_provenance();
    }

    /// Does the calling thread hold it? The owner's does, but while it sleeps.
    ///
    /// Thread: any. Blocks: never.
    #[must_use]
    pub fn is_held_here(self) -> bool {
        self.place().is_held_here()
    }

    /// May anybody want it? The owner lets go of it only then.
    ///
    /// Thread: any. Blocks: never.
    #[must_use]
    pub fn is_used(self) -> bool {
        self.place().is_used()
    }

    /// Does anybody wait for it now?
    ///
    /// Thread: any. Blocks: never.
    #[must_use]
    pub fn is_wanted(self) -> bool {
        self.place().waiting.load(Ordering::Relaxed) != 0
    }

    /// One may want it who could not before.
    ///
    /// Thread: the owner's.
    pub fn add_use(self) {
        self.place().uses.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends an [`StateLock::add_use`].
    ///
    /// Thread: who holds it.
    pub fn end_use(self) {
        self.place().uses.fetch_sub(1, Ordering::Relaxed);
    }

    /// C code may want it at any time from now on.
    ///
    /// Thread: any. Blocks: never.
    pub fn use_for_ever(self) {
        if self.place().uses.fetch_or(FOR_EVER, Ordering::AcqRel) & FOR_EVER == 0 {
            // An owner that sleeps has not let go of it.
            self.queue.wake.wake();
        }
    }

    /// Gives the owner an [`Event::Watch`]: somebody waits, or has held it, for long.
    ///
    /// Thread: any. Blocks: never.
    pub fn tell_watch(self, line: String) {
        if self.queue.is_forked() {
            return;
        }
        self.queue.with(|inner| {
            if self.queue.handle() == self.handle {
                inner.events.push_back(Event::Watch(line));
            }
        });
        self.queue.wake.wake();
    }

    /// Takes it. `watch` is called, once, when it was waited for for [`WATCH`], and hears what its holder does.
    ///
    /// Thread: any but the owner's. Blocks: until `deadline`; `None`: for ever.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(self, deadline: Option<Instant>, watch: impl FnOnce(Doing)) -> Result<(), LockError> {
        if self.queue.is_forked() {
            return Err(LockError::Forked);
        }
        if self.is_held_here() {
            return Err(LockError::WouldDeadlock);
        }
        self.take(deadline, watch)
    }

    fn take(self, deadline: Option<Instant>, watch: impl FnOnce(Doing)) -> Result<(), LockError> {
        let place = self.place();
        let mut inner = place.inner();
        if inner.handle != self.handle || self.handle == 0 {
            return Err(LockError::Closed);
        }
        let may_pass = |inner: &Inner| inner.line.front().is_none_or(|first| first.since.elapsed() < PATIENCE);
        if place.is_free() && may_pass(&inner) {
            place.hold(&mut inner, thread::here());
            return Ok(());
        }
        let waiter = Arc::new(Waiter {
            thread: thread::here(),
            since: Instant::now(),
            changed: Condvar::new(),
            word: AtomicU32::new(WAITS),
        });
        inner.line.push_back(Arc::clone(&waiter));
        place.waiting.fetch_add(1, Ordering::Relaxed);
        if place.holder.load(Ordering::Relaxed) == self.queue.owner_number() {
            // Its loop may be one that does not let go of the lock by itself. Not under the mutex: a hook may be called.
            drop(inner);
            self.queue.wake.wake();
            inner = place.inner();
        }
        self.wait(inner, &waiter, deadline, watch)
    }

    fn wait(
        self,
        mut inner: MutexGuard<'_, Inner>,
        waiter: &Arc<Waiter>,
        deadline: Option<Instant>,
        watch: impl FnOnce(Doing),
    ) -> Result<(), LockError> {
        let place = self.place();
        let watch_at = waiter.since + WATCH;
        let mut watch = Some(watch);
        loop {
            match waiter.word() {
                GIVEN => return Ok(()),
                CLOSED => return Err(LockError::Closed),
                _ => waiter.set(WAITS),
            }
            if place.is_free() && inner.line.front().is_some_and(|first| Arc::ptr_eq(first, waiter)) {
                place.give_to_first(&mut inner);
                return Ok(());
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                place.leave_line(&mut inner, waiter);
                return Err(LockError::Timeout);
            }
            if let Some(watch) = watch.take_if(|_| watch_at <= now) {
                inner.was_told = true;
                drop(inner);
                watch(self.queue.doing());
                inner = place.inner();
                continue;
            }
            let next = match (deadline, watch.is_some()) {
                (Some(deadline), true) => Some(deadline.min(watch_at)),
                (None, true) => Some(watch_at),
                (deadline, false) => deadline,
            };
            inner = match next {
                Some(next) => {
                    let left = next.saturating_duration_since(now);
                    waiter.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => waiter.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Gives it back; says for how long it was held, if that was longer than [`WATCH`] and nobody who waited has said so.
    ///
    /// Thread: the one that holds it. Blocks: never.
    pub fn release(self) -> Option<Duration> {
        let place = self.place();
        let mut inner = place.inner();
        let held = inner.since.map(|since| since.elapsed()).filter(|held| *held >= WATCH && !inner.was_told);
        place.pass_on(&mut inner, false);
        held
    }

    /// The owner is about to sleep: lets go of it. `true` if [`StateLock::take_back`] must follow.
    ///
    /// Thread: the owner's. Blocks: never.
    #[must_use]
    pub fn let_go(self) -> bool {
        let may_let_go = self.is_used() && self.is_held_here();
        if may_let_go {
            let place = self.place();
            place.pass_on(&mut place.inner(), true);
        }
        may_let_go
    }

    /// The owner goes on. `watch` as for [`StateLock::acquire`].
    ///
    /// Thread: the owner's. Blocks: until the holder lets go; for ever where the holder has closed the state, which is how a
    /// process ends.
    pub fn take_back(self, watch: impl FnOnce(Doing)) {
        if self.take(None, watch).is_err() {
            loop {
                std::thread::park();
            }
        }
    }

    /// The owner goes back to code that may be a loop of others: that is to come back for those who wait still.
    pub(crate) fn remind(self) {
        if self.is_wanted() && self.queue.watched().is_some() {
            self.queue.wake.wake();
        }
    }

    /// The owner, between its turns: who waits gets the lock first.
    ///
    /// Thread: the owner's. Blocks: as long as those hold it.
    pub fn give_way(self, watch: impl FnOnce(Doing)) {
        if self.is_wanted() && self.let_go() {
            self.take_back(watch);
            self.remind();
        }
    }
}

impl std::fmt::Debug for StateLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateLock").field("handle", &self.handle).finish_non_exhaustive()
    }
}
