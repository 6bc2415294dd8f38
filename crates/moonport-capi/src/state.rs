// SPDX-License-Identifier: MIT OR Apache-2.0
//! The owner's loop, for hosts in C.

use std::ffi::{c_int, c_void};

use moonport_core::Notifier;

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

/// The careful alternative to messages: runs Lua on this thread while the owner waits. Not in this build:
/// MOONPORT_UNSUPPORTED.
///
/// # Safety
/// `lua_state` is null or points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moonport_lock(state: moonport_state, timeout: f64, lua_state: *mut *mut c_void) -> c_int {
    guard(MOONPORT_INVALID as c_int, || match open(state) {
        Ok(_) if timeout.is_nan() || lua_state.is_null() => MOONPORT_INVALID as c_int,
        Ok(_) => MOONPORT_UNSUPPORTED as c_int,
        Err(status) => status as c_int,
    })
}

/// Ends what moonport_lock began. Not in this build: MOONPORT_UNSUPPORTED.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_unlock(state: moonport_state) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        open(state).map_or_else(|status| status as c_int, |_| MOONPORT_UNSUPPORTED as c_int)
    })
}
