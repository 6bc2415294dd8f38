// SPDX-License-Identifier: MIT OR Apache-2.0
//! GLib's loop sleeps in a function that can be replaced: ours lets go of the lock of the states of this thread meanwhile, and
//! sleeps in the one that was there before (a toolkit may have one of its own). It is there only while a state that is attached to
//! GLib may have its lock wanted.

use std::ffi::{c_int, c_uint, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::glib::Glib;
use crate::capi;
use crate::dispatch;
use crate::owner::Owner;

/// `GPollFunc`.
pub(super) type Poll = unsafe extern "C" fn(descriptors: *mut c_void, count: c_uint, timeout: c_int) -> c_int;

/// The function before ours, on the default context; null while ours is not there.
static BEFORE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Is ours there?
pub(super) fn is_set() -> bool {
    !BEFORE.load(Ordering::Relaxed).is_null()
}

/// May the lock of this state be wanted while GLib's loop sleeps?
pub(super) fn is_wanted(owner: &Owner) -> bool {
    owner.lock().is_some_and(|lock| lock.is_used()) && owner.is_attached_to_glib()
}

/// Sets our function, or the one before, as the states of this thread need it now.
pub(super) fn update(glib: &Glib) {
    let is_wanted = capi::find(is_wanted).is_some();
    if is_wanted == is_set() {
        return;
    }
    // SAFETY: null is the default context.
    let present = unsafe { (glib.get_poll_func)(ptr::null_mut()) };
    if is_wanted {
        #[expect(clippy::fn_to_numeric_cast_any, reason = "an atomic holds addresses")]
        BEFORE.store(present as *mut c_void, Ordering::Relaxed);
        // SAFETY: as above; the function can be called as long as the process lives.
        unsafe { (glib.set_poll_func)(ptr::null_mut(), poll) };
    } else if ptr::fn_addr_eq(present, poll as Poll) {
        // SAFETY: as above.
        unsafe { (glib.set_poll_func)(ptr::null_mut(), before()) };
        BEFORE.store(ptr::null_mut(), Ordering::Relaxed);
    }
    // Else somebody has set another one since, which may call ours: it stays, and lets go of nothing.
}

fn before() -> Poll {
    // SAFETY: it is asked for only while there is one, and only `update` puts it there: a function of this type.
    unsafe { mem::transmute::<*mut c_void, Poll>(BEFORE.load(Ordering::Relaxed)) }
}

/// What GLib sleeps in, on whatever thread runs the default context.
unsafe extern "C" fn poll(descriptors: *mut c_void, count: c_uint, timeout: c_int) -> c_int {
    let mut lent = Vec::new();
    capi::each(|owner| {
        let Some(lock) = owner.lock().filter(|_| is_wanted(owner)) else { return };
        let is_sleep = timeout != 0 || lock.is_wanted();
        // Where compiled code runs the loop, nobody else may run Lua meanwhile.
        if is_sleep && dispatch::may_enter_from_c(owner, owner.base()) && owner.let_go() {
            lent.push(lock);
        }
    });
    // SAFETY: what GLib has passed to us is passed on.
    let ready = unsafe { before()(descriptors, count, timeout) };
    let errno = moonport_core::errno::Number::here();
    capi::each(|owner| {
        if let Some(lock) = owner.lock().filter(|lock| lent.iter().any(|lent| lent.is(*lock))) {
            lock.take_back(|holder| owner.has_waited(holder));
        }
    });
    errno.set();
    ready
}
