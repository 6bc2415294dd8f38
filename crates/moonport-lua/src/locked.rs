// SPDX-License-Identifier: MIT OR Apache-2.0
//! Visits: native code that runs Lua at once, under the lock of the state (core's `state_lock.rs`). The handlers of locked
//! callbacks, on whatever thread calls them, and C code between `moonport_lock` and `moonport_unlock`.
//!
//! While a visitor from another thread runs, the owner's thread sleeps. A visit ends before the owner goes on, so that it is nested
//! into what the owner does, as a call on its own thread would be. It may do whatever does not wait; what may have changed what the
//! owner waits for wakes it at the end.

use std::ffi::{c_int, c_void};
use std::io;

use mlua_sys as lua;
use moonport_callback::callback::{Callback, Refusal, count};
use moonport_callback::watch;
use moonport_capi::moonport_status::{self, MOONPORT_NO_MEMORY, MOONPORT_UNSUPPORTED};
use moonport_core::{Doing, Sleep, WATCH};

use crate::callback;
use crate::dispatch;
use crate::owner::Owner;
use crate::port::Endpoint;
use crate::protect::Raised;
use crate::report::{self, Kind};
use crate::results::encode;
use crate::stack::{Anchor, Stack};
use crate::task::{self, Origin};

/// What the owner was about when a visit began.
pub(crate) struct Visit {
    by: By,
    running: Option<Stack>,
    may_not_wait: bool,
    origin: Origin,
    doing: Option<Doing>,
}

enum By {
    Handler,
    /// C code, which was lent this thread of the state.
    Code(Stack, Anchor),
}

/// Something for `on_error` that has happened on another thread: what travels to the owner.
pub(crate) struct Told {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) traceback: Option<String>,
}

/// How the handler of a locked callback ended.
enum Ended {
    /// With these results.
    Returned(Vec<u8>),
    Failed(Told),
}

/// Runs the handler of a locked callback: gives its results, or `None` for the default. `context` is the owner of a state whose lock
/// the calling thread holds.
pub(crate) fn run(callback: &'static Callback, arguments: &[u8], context: *mut c_void) -> Option<Vec<u8>> {
    let owner: *const Owner = context.cast_const().cast();
    // SAFETY: the owner has set it, and lives as long as the state, which only who holds the lock can close.
    let owner = unsafe { owner.as_ref() }?;
    let Some(endpoint) = owner.endpoint(callback.sender.key()) else {
        count(&callback.counts.after_close);
        return None;
    };
    let stack = match owner.enter() {
        Ok(stack) => stack,
        Err(why) => {
            callback.refuse(why);
            return None;
        }
    };
    count(&callback.counts.direct);
    owner.begin_visit(By::Handler, Doing::Handling(endpoint.key.handle()), true);
    let ended = call(owner, stack, &endpoint, callback, arguments);
    match ended {
        Ended::Returned(results) => {
            owner.end_visit();
            Some(results)
        }
        Ended::Failed(told) => {
            endpoint.errors.set(endpoint.errors.get() + 1);
            if owner.is_owner() {
                report::tell(
                    owner,
                    stack,
                    told.kind,
                    callback.name.as_deref(),
                    &told.message,
                    told.traceback.as_deref(),
                );
            } else if let Err(told) = callback.tell(told) {
                report::print(callback.name.as_deref(), told.traceback.as_deref().unwrap_or(&told.message));
            }
            owner.end_visit();
            None
        }
    }
}

fn call(owner: &Owner, stack: Stack, endpoint: &Endpoint, callback: &'static Callback, arguments: &[u8]) -> Ended {
    let failed = |kind, message: String| Told { kind, message: endpoint.describe(&message), traceback: None };
    let mut ended = Ended::Failed(failed(Kind::Handler, "out of memory".into()));
    let ran = owner.protect(stack, 0, &mut |stack| {
        let Some(handler) = endpoint.handler.get() else { return 0 };
        stack.push_anchored(handler);
        if let Some(malformed) = callback::push_arguments(owner, stack, callback, arguments) {
            ended = Ended::Failed(failed(Kind::Argument, malformed));
            return 0;
        }
        let values = stack.top();
        let thread = task::thread(owner, stack);
        if !thread.0.reserve(values) {
            task::give_back(owner, stack, thread);
            return 0;
        }
        stack.move_to(thread.0, values);
        let lent = owner.lent();
        match thread.0.resume(stack, values - 1) {
            lua::LUA_OK => {
                ended = match results_of(owner, stack, thread.0, callback) {
                    Ok(results) => Ended::Returned(results),
                    Err(message) => Ended::Failed(failed(Kind::Result, message)),
                };
                task::give_back(owner, stack, thread);
            }
            lua::LUA_YIELD => {
                let message = format!("{}, and its handler has yielded", task::MAY_NOT_WAIT);
                ended = Ended::Failed(failed(Kind::Handler, message));
                stack.release(thread.1);
            }
            _ => {
                owner.take_back(lent);
                let (message, traceback) = report::failure_of(owner, stack, thread.0);
                ended = Ended::Failed(Told { kind: Kind::Handler, message, traceback: Some(traceback) });
                // A thread that raised is dead.
                stack.release(thread.1);
            }
        }
        0
    });
    if let Err(Raised) = ran {
        ended = Ended::Failed(failed(Kind::Handler, report::describe(stack, -1)));
        stack.pop(1);
    }
    ended
}

/// The results that the handler on `thread` has returned, as bytes; its stack is empty then, and so is `stack`.
fn results_of(owner: &Owner, stack: Stack, thread: Stack, callback: &'static Callback) -> Result<Vec<u8>, String> {
    let wanted = c_int::try_from(callback.marshal.expected().count()).unwrap_or(0);
    if wanted == 0 {
        return Ok(Vec::new());
    }
    if !stack.reserve(wanted + 8) || !thread.reserve(wanted) {
        return Err("out of memory".into());
    }
    thread.set_top(task::BASE + wanted);
    thread.move_to(stack, wanted);
    encode(owner, stack, callback)
}

/// `moonport_lock` has the lock: a thread of the state for the caller.
pub(crate) fn lend(context: *mut c_void) -> Result<*mut c_void, moonport_status> {
    let owner: *const Owner = context.cast_const().cast();
    // SAFETY: as in `run`.
    let owner = unsafe { owner.as_ref() }.ok_or(moonport_status::MOONPORT_CLOSED)?;
    let stack = owner.enter().map_err(|_| MOONPORT_UNSUPPORTED)?;
    let idle = owner.lent_threads.borrow_mut().pop();
    let mut thread = idle;
    if thread.is_none() {
        let made = owner.protect(stack, 0, &mut |stack| {
            // SAFETY: the new thread belongs to this state, and the anchor keeps it alive.
            let made = unsafe { Stack::new(stack.new_thread()) };
            thread = Some((made, stack.anchor()));
            0
        });
        stack.pop(c_int::from(made.is_err()));
    }
    let (thread, anchor) = thread.ok_or(MOONPORT_NO_MEMORY)?;
    owner.begin_visit(By::Code(thread, anchor), Doing::Locked, !owner.is_owner());
    Ok(thread.state().cast())
}

/// `moonport_unlock`: takes the thread back. `false` if the last visit that is not over is none of C code's.
pub(crate) fn take_back(context: *mut c_void) -> bool {
    let owner: *const Owner = context.cast_const().cast();
    // SAFETY: as in `run`.
    let Some(owner) = (unsafe { owner.as_ref() }) else { return false };
    let by = owner.visits.borrow().last().and_then(|visit| match visit.by {
        By::Code(thread, anchor) => Some((thread, anchor)),
        By::Handler => None,
    });
    let Some((thread, anchor)) = by else { return false };
    // SAFETY: the state is lent to this thread.
    let is_fine = unsafe { lua::lua_status(thread.state()) } == lua::LUA_OK;
    // One that was left as it was found is lent again.
    if is_fine && thread.top() == 0 && owner.lent_threads.borrow().len() < KEPT {
        owner.lent_threads.borrow_mut().push((thread, anchor));
    } else {
        owner.base().release(anchor);
    }
    owner.end_visit();
    true
}

/// Threads that are kept for the next `moonport_lock`.
const KEPT: usize = 8;

impl Owner {
    /// The stack on which a visit begins, if Lua may be entered now.
    fn enter(&self) -> Result<Stack, Refusal> {
        if self.depth.get() >= dispatch::DEEPEST {
            return Err(Refusal::TooDeep);
        }
        let base = self.base();
        if !dispatch::may_enter_from_c(self, base) || !base.reserve(16) {
            return Err(Refusal::Compiled);
        }
        if let Some(entry) = self.entry.get() {
            return Ok(entry);
        }
        let made = self.protect(base, 0, &mut |stack| {
            // SAFETY: the new thread belongs to this state, and the anchor, never released, keeps it alive.
            let entry = unsafe { Stack::new(stack.new_thread()) };
            stack.anchor();
            self.entry.set(Some(entry));
            0
        });
        base.pop(c_int::from(made.is_err()));
        self.entry.get().ok_or(Refusal::Compiled)
    }

    fn begin_visit(&self, by: By, doing: Doing, may_not_wait: bool) {
        let visit = Visit {
            by,
            running: self.running.take(),
            may_not_wait: self.may_not_wait.replace(may_not_wait),
            origin: self.origin.take(),
            doing: self.mailbox(|mailbox| mailbox.note(doing)),
        };
        self.depth.set(self.depth.get() + 1);
        self.visits.borrow_mut().push(visit);
    }

    fn end_visit(&self) {
        let visit = self.visits.borrow_mut().pop();
        let Some(visit) = visit else { return };
        self.depth.set(self.depth.get() - 1);
        self.running.set(visit.running);
        self.may_not_wait.set(visit.may_not_wait);
        drop(self.origin.replace(visit.origin));
        self.mailbox(|mailbox| visit.doing.map(|doing| mailbox.note(doing)));
        if self.disturbed.get() && !self.is_owner() {
            self.disturbed.set(false);
            if let Some(notifier) = self.mailbox(|mailbox| mailbox.notifier()) {
                notifier.wake();
            }
        }
    }

    /// Sleeps on the owner's thread. Where Lua may be entered (`lends`), others may have the lock meanwhile.
    ///
    /// # Errors
    /// A signal came.
    pub(crate) fn asleep(&self, sleep: Sleep, lends: bool) -> io::Result<bool> {
        if !lends || self.lock().is_none_or(|lock| !lock.is_used()) {
            return sleep.begin();
        }
        self.disturbed.set(false);
        sleep.lend(|holder| self.has_waited(holder))
    }

    /// Before a loop that is not ours sleeps. `true`: the lock must be taken back.
    #[cfg(unix)]
    pub(crate) fn let_go(&self) -> bool {
        self.disturbed.set(false);
        self.lock().is_some_and(|lock| lock.let_go())
    }

    /// Between turns: who waits for the lock gets it first.
    pub(crate) fn give_way(&self) {
        if let Some(lock) = self.lock().filter(|lock| lock.is_wanted()) {
            self.disturbed.set(false);
            lock.give_way(|holder| self.has_waited(holder));
        }
    }

    /// The owner's thread says that it has waited for its lock for long.
    pub(crate) fn has_waited(&self, holder: Doing) {
        let line = watch::describe_lock("Lua's own thread, ", WATCH, holder);
        watch::print(&line);
        // Not by the mailbox's own way in: the holder may be using that.
        if let Some(lock) = self.lock() {
            lock.tell_watch(line);
        }
    }

    /// A locked callback is open.
    pub(crate) fn begin_locked(&self) {
        self.locked.set(self.locked.get() + 1);
        if let Some(lock) = self.lock() {
            lock.add_use();
        }
    }

    pub(crate) fn end_locked(&self) {
        self.locked.set(self.locked.get().saturating_sub(1));
        if let Some(lock) = self.lock() {
            lock.end_use();
        }
    }
}
