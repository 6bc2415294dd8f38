// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the C ABI needs of the owner: which states this thread has, and a turn of one of them.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

use moonport_capi::host::{self, Host};
use moonport_capi::moonport_status::MOONPORT_CLOSED;
use moonport_core::Notifier;
use moonport_core::reply::{Answer, Answered, TimedOut, Waited};

use crate::call::{self, Interrupted};
use crate::dispatch::{self, Budget};
use crate::locked;
use crate::owner::Owner;
use crate::stack::Stack;

thread_local! {
    /// The open states of this thread.
    static OWNERS: RefCell<Vec<*const Owner>> = const { RefCell::new(Vec::new()) };
}

/// A state begins on this thread.
pub(crate) fn add(owner: *const Owner) {
    host::register(Host { state_of, descriptor, step, wait, lend: locked::lend, take_back: locked::take_back });
    OWNERS.with_borrow_mut(|owners| owners.push(owner));
}

/// A state ends.
pub(crate) fn remove(owner: *const Owner) {
    // A thread that is ending has forgotten already.
    OWNERS.try_with(|owners| owners.borrow_mut().retain(|other| *other != owner)).unwrap_or(());
}

/// All of this thread's states.
#[cfg(unix)]
pub(crate) fn each(mut look: impl FnMut(&Owner)) {
    let owners = OWNERS.try_with(|owners| owners.borrow().clone()).unwrap_or_default();
    for owner in owners {
        // SAFETY: as in `find`; `look` closes no state.
        look(unsafe { &*owner });
    }
}

/// The first of this thread's states that fits.
pub(crate) fn find<'a>(fits: impl Fn(&Owner) -> bool) -> Option<&'a Owner> {
    // A thread that is ending has no list any more.
    let found = OWNERS.try_with(|owners| {
        // SAFETY: an owner is in the list only while its state is open, and this is its thread.
        owners.borrow().iter().copied().find(|owner| fits(unsafe { &**owner }))
    });
    let found = found.ok().flatten()?;
    // SAFETY: as above; its memory stays until the state is closed, which takes a call on this thread.
    Some(unsafe { &*found })
}

fn state_of(lua_state: *mut c_void) -> u64 {
    // SAFETY: the C caller vouches for the state and its thread.
    let stack = unsafe { Stack::new(lua_state.cast()) };
    let Some(owner) = Owner::existing(stack) else { return 0 };
    owner.note_main(stack);
    // Made here, on the owner's thread, so that other threads find it. Without it the host hears so from
    // moonport_wake_descriptor.
    drop(owner.descriptor());
    owner.handle()
}

fn descriptor(state: u64) -> c_int {
    match find(|owner| owner.handle() == state) {
        Some(owner) => owner.descriptor().unwrap_or(-1),
        None => Notifier::find(state).and_then(Notifier::watched).unwrap_or(-1),
    }
}

fn step(state: u64, max_messages: u32, budget: f64) -> c_int {
    let Some(owner) = find(|owner| owner.handle() == state) else { return MOONPORT_CLOSED as c_int };
    let mut limits = Budget::default();
    if max_messages > 0 {
        limits.messages = max_messages;
    }
    if budget > 0.0 {
        limits.time = Duration::try_from_secs_f64(budget).unwrap_or(Duration::MAX);
    }
    if !dispatch::may_enter_from_c(owner, owner.base()) {
        return 0;
    }
    c_int::try_from(dispatch::turn_for_host(owner, owner.base(), limits)).unwrap_or(c_int::MAX)
}

fn wait(answer: &mut Answer<Answered>, deadline: Option<Instant>) -> Option<Waited> {
    let owner = find(|_| true)?;
    let waited = call::wait(owner, owner.base(), answer, deadline, Interrupted::Ends);
    // An interrupted wait is over.
    Some(waited.unwrap_or(Err(TimedOut)))
}
