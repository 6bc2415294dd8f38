// SPDX-License-Identifier: MIT OR Apache-2.0
//! The owner's loop, for hosts in C.

use std::ffi::{c_int, c_void};
use std::time::Instant;

use moonport_callback::watch;
use moonport_core::{LockError, Notifier, StateLock, WATCH};

use crate::convert::*;
use crate::guard::guard;
use crate::host::{self, Host};
use crate::types::{moonport_state, moonport_status};

/// The mailbox behind a handle, and who runs its Lua.
fn open(state: moonport_state) -> Result<(Notifier, &'static Host), moonport_status> {
    let notifier = Notifier::find(state.id).ok_or(MOONPORT_CLOSED)?;
    if notifier.is_forked() {
        return Err(MOONPORT_FORKED);
    }
    Ok((notifier, host::get().ok_or(MOONPORT_UNSUPPORTED)?))
}

/// The mailbox of a lua_State that has required moonport, or {0}.
///
/// Thread: the owner's. Blocks: never.
///
/// # Safety
/// `lua_state` is null or a live lua_State or coroutine of the calling thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_state_of(lua_state: *mut c_void) -> moonport_state {
    guard(moonport_state { id: 0 }, || {
        let host = host::get().filter(|_| !lua_state.is_null());
        moonport_state { id: host.map_or(0, |host| (host.state_of)(lua_state)) }
    })
}

/// A descriptor that is readable exactly while moonport_step would run something: messages, lanes, due timers. For poll,
/// epoll, kqueue and select; only to be waited on. -1: the state is closed.
///
/// Thread: any, after moonport_state_of on the owner's; the owner's otherwise. Blocks: never. The descriptor stays the
/// state's.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_wake_descriptor(state: moonport_state) -> c_int {
    guard(-1, || open(state).map_or(-1, |(_, host)| (host.descriptor)(state.id)))
}

/// Sets a function that is called whenever the mailbox of a sleeping owner gets something to do: on the sender's thread,
/// once until the next moonport_step has nothing left, and at once if something waits already. It must not block, nor call
/// this function. When this returns, the function set before is not called any more. Null: none.
///
/// Thread: any. Blocks: while another thread is in the function set before.
/// Returns: MOONPORT_OK, _CLOSED, _FORKED.
///
/// # Safety
/// `wake` is null or may be called with `context` on any thread until another one is set or the state is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_set_waker(
    state: moonport_state,
    wake: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        number(open(state).map(|(notifier, _)| {
            let context = Context(context);
            notifier.set_hook(wake.map(|wake| -> Box<dyn Fn() + Send + Sync> {
                // SAFETY: the caller's promise.
                Box::new(move || unsafe { wake(context.get()) })
            }));
            MOONPORT_OK
        }))
    })
}

#[derive(Clone, Copy)]
struct Context(*mut c_void);

impl Context {
    fn get(self) -> *mut c_void {
        self.0
    }
}

// SAFETY: moonport_set_waker's caller lets the function be called with it on any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Delivers what waits: at most max_messages (0: 256), for at most budget seconds (0: 0.004).
///
/// Thread: the owner's. Blocks: as long as the handlers run.
/// Returns: how many were delivered, or MOONPORT_WRONG_THREAD, _CLOSED, _FORKED, _INVALID.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_step(state: moonport_state, max_messages: u32, budget: f64) -> c_int {
    guard(MOONPORT_INVALID as c_int, || match open(state) {
        Ok((notifier, _)) if !notifier.is_owner() => MOONPORT_WRONG_THREAD as c_int,
        Ok(_) if budget.is_nan() => MOONPORT_INVALID as c_int,
        Ok((_, host)) => (host.step)(state.id, max_messages, budget),
        Err(status) => status as c_int,
    })
}

/// The careful alternative to messages: holds the state, so that this thread may use the Lua C API until moonport_unlock, on
/// *lua_state and on no other lua_State. The owner holds the same lock but while it waits in moonport.run, moonport.step(timeout),
/// a receive or call outside of handlers, or GLib's loop, and lets those who wait have it between its turns. Call Lua by
/// lua_pcall: an error that nothing catches ends the process. Lua runs on this thread's stack (64 KiB free are enough for most
/// code). Nothing may wait meanwhile: moonport.sleep, receive and call give "would_deadlock", what needs the owner's thread gives
/// "wrong_thread". Leave the stack of *lua_state empty, and do not keep it.
///
/// Thread: any. The owner's thread has the lock already, gets *lua_state at once, and may nest. Any other may not:
/// MOONPORT_WOULD_DEADLOCK. Blocks: up to timeout; who waits or holds the lock for 2 s says so on standard error.
/// Returns: MOONPORT_OK, _TIMEOUT, _WOULD_DEADLOCK, _CLOSED, _FORKED, _INVALID, _NO_MEMORY; _UNSUPPORTED where Lua cannot be
/// entered: on the owner's thread below code that LuaJIT has compiled (wrap the call in moonport.call), or inside handlers 16 deep.
///
/// # Safety
/// `lua_state` is null or points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_lock(state: moonport_state, timeout: f64, lua_state: *mut *mut c_void) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        number(open(state).and_then(|(notifier, host)| {
            if lua_state.is_null() {
                return Err(MOONPORT_INVALID);
            }
            let deadline = Instant::now().checked_add(seconds(timeout)?);
            let lock = notifier.state_lock();
            let lent = if notifier.is_owner() {
                (host.lend)(lock.context())?
            } else {
                lock.use_for_ever();
                acquire(lock, deadline)?;
                (host.lend)(lock.context()).inspect_err(|_| release(lock))?
            };
            // SAFETY: the caller's promise; it is not null.
            unsafe { lua_state.write(lent) };
            Ok(MOONPORT_OK)
        }))
    })
}

fn acquire(lock: StateLock, deadline: Option<Instant>) -> Result<(), moonport_status> {
    let acquired = lock.acquire(deadline, |holder| {
        let line = watch::describe_lock("", WATCH, holder);
        watch::print(&line);
        lock.tell_watch(line);
    });
    acquired.map_err(|error| match error {
        LockError::WouldDeadlock => MOONPORT_WOULD_DEADLOCK,
        LockError::Timeout => MOONPORT_TIMEOUT,
        LockError::Forked => MOONPORT_FORKED,
        _ => MOONPORT_CLOSED,
    })
}

fn release(lock: StateLock) {
    if let Some(held) = lock.release() {
        let line = watch::describe_held(held);
        watch::print(&line);
        lock.tell_watch(line);
    }
}

/// Ends what moonport_lock began.
///
/// Thread: the one that called moonport_lock. Blocks: never.
/// Returns: MOONPORT_OK; _WRONG_THREAD on a thread that does not hold the lock; _INVALID on one that does, but not by moonport_lock
/// (the owner's, the handler of a locked callback); _CLOSED, _FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_unlock(state: moonport_state) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        number(open(state).and_then(|(notifier, host)| {
            let lock = notifier.state_lock();
            if !lock.is_held_here() {
                return Err(MOONPORT_WRONG_THREAD);
            }
            if !(host.take_back)(lock.context()) {
                return Err(MOONPORT_INVALID);
            }
            if !notifier.is_owner() {
                release(lock);
            }
            Ok(MOONPORT_OK)
        }))
    })
}
