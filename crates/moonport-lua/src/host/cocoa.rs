// SPDX-License-Identifier: MIT OR Apache-2.0
//! macOS: the run loop of the owner's thread, which Cocoa programs have as their main loop. It watches the owner's descriptor in
//! the common modes, so that messages come while a menu or a dialog is open too. Type-checked only so far: see docs/platforms.md.

use std::cell::Cell;
use std::ffi::{c_double, c_int, c_long, c_ulong, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::OnceLock;

use moonport_core::fork;

use super::library::Library;
use crate::attach::{self, Turn};
use crate::dispatch::{self, Budget};
use crate::owner::Owner;

/// A reference to an object of Core Foundation.
type Object = *mut c_void;

/// `kCFFileDescriptorReadCallBack`.
const READABLE: c_ulong = 1;
/// How often a loop that compiled code runs is asked whether Lua can be entered again, in seconds.
const ASK_AGAIN: c_double = 0.01;

/// `CFFileDescriptorContext`, and `CFRunLoopTimerContext`, which is laid out alike.
#[repr(C)]
struct Context {
    version: c_long,
    info: *const c_void,
    retain: unsafe extern "C" fn(*const c_void) -> *const c_void,
    release: unsafe extern "C" fn(*const c_void),
    describe: *const c_void,
}

type Readable = unsafe extern "C" fn(Object, c_ulong, *mut c_void);
type Elapsed = unsafe extern "C" fn(Object, *mut c_void);

/// What of Core Foundation is called.
struct Foundation {
    current_loop: unsafe extern "C" fn() -> Object,
    watch: unsafe extern "C" fn(Object, c_int, u8, Readable, *const Context) -> Object,
    enable: unsafe extern "C" fn(Object, c_ulong),
    invalidate: unsafe extern "C" fn(Object),
    source: unsafe extern "C" fn(Object, Object, c_long) -> Object,
    add_source: unsafe extern "C" fn(Object, Object, Object),
    now: unsafe extern "C" fn() -> c_double,
    timer: unsafe extern "C" fn(Object, c_double, c_double, c_ulong, c_long, Elapsed, *const Context) -> Object,
    add_timer: unsafe extern "C" fn(Object, Object, Object),
    release: unsafe extern "C" fn(Object),
    /// `kCFRunLoopCommonModes`: where its value lies.
    common_modes: *const Object,
}

// SAFETY: functions, and a constant that the library never changes.
unsafe impl Send for Foundation {}
// SAFETY: as above.
unsafe impl Sync for Foundation {}

impl Foundation {
    /// Core Foundation, if the process has loaded it.
    fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Foundation> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Some(found);
        }
        let library = Library::find(c"/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation")?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the field has the signature that Apple documents for this function.
                unsafe { library.function($name) }?
            };
        }
        let found = Self {
            current_loop: function!(c"CFRunLoopGetCurrent"),
            watch: function!(c"CFFileDescriptorCreate"),
            enable: function!(c"CFFileDescriptorEnableCallBacks"),
            invalidate: function!(c"CFFileDescriptorInvalidate"),
            source: function!(c"CFFileDescriptorCreateRunLoopSource"),
            add_source: function!(c"CFRunLoopAddSource"),
            now: function!(c"CFAbsoluteTimeGetCurrent"),
            timer: function!(c"CFRunLoopTimerCreate"),
            add_timer: function!(c"CFRunLoopAddTimer"),
            release: function!(c"CFRelease"),
            common_modes: function!(c"kCFRunLoopCommonModes"),
        };
        Some(FOUND.get_or_init(|| found))
    }

    fn common_modes(&self) -> Object {
        // SAFETY: the library keeps its constant as long as it is loaded, and we keep it loaded.
        unsafe { *self.common_modes }
    }
}

pub(crate) fn is_loaded() -> bool {
    Foundation::find().is_some()
}

/// Why the run loop was not taken.
pub(crate) enum Refused {
    NotLoaded,
    NoMemory,
    NoDescriptor(std::io::Error),
}

/// What Core Foundation's callbacks know; counted by Core Foundation too.
struct Attached {
    foundation: &'static Foundation,
    /// Used before `ended` only, while the owner lives.
    owner: *const Owner,
    budget: Budget,
    watched: Cell<Object>,
    ended: Cell<bool>,
    generation: u32,
}

/// The owner's descriptor, watched by the run loop. [`Taken::end`] takes it off.
pub(crate) struct Taken(Rc<Attached>);

/// Lets the run loop of this thread run turns of its owner.
pub(crate) fn take(owner: &Owner, budget: Budget) -> Result<Taken, Refused> {
    let foundation = Foundation::find().ok_or(Refused::NotLoaded)?;
    let descriptor = owner.descriptor().map_err(Refused::NoDescriptor)?;
    let attached = Rc::new(Attached {
        foundation,
        owner,
        budget,
        watched: Cell::new(ptr::null_mut()),
        ended: Cell::new(false),
        generation: fork::generation(),
    });
    let context = attached.context();
    // SAFETY: the context lives through the call, which copies it; the descriptor stays ours.
    let watched = unsafe { (foundation.watch)(ptr::null_mut(), descriptor, 0, readable, &raw const context) };
    if watched.is_null() {
        return Err(Refused::NoMemory);
    }
    attached.watched.set(watched);
    let taken = Taken(attached);
    // SAFETY: it was just made; null is the default allocator.
    let source = unsafe { (foundation.source)(ptr::null_mut(), watched, 0) };
    if source.is_null() {
        taken.end();
        return Err(Refused::NoMemory);
    }
    // SAFETY: takes nothing; every thread has a run loop.
    let current = unsafe { (foundation.current_loop)() };
    // SAFETY: all are objects of the kinds wanted; the loop holds on to the source.
    unsafe { (foundation.add_source)(current, source, foundation.common_modes()) };
    // SAFETY: our reference is given back, once.
    unsafe { (foundation.release)(source) };
    taken.0.listen();
    Ok(taken)
}

impl Taken {
    /// From now on no turn begins; one that runs ends.
    pub(crate) fn end(self) {
        self.0.ended.set(true);
        if self.0.generation != fork::generation() {
            // In a forked child Core Foundation must not be called.
            let _parents = ManuallyDrop::new(self);
            return;
        }
        let watched = self.0.watched.get();
        // SAFETY: our reference keeps it; the run loop lets go of its source.
        unsafe { (self.0.foundation.invalidate)(watched) };
        // SAFETY: given back, once.
        unsafe { (self.0.foundation.release)(watched) };
    }
}

impl Attached {
    fn context(self: &Rc<Self>) -> Context {
        Context { version: 0, info: Rc::as_ptr(self).cast(), retain, release, describe: ptr::null() }
    }

    /// The next time that the descriptor is readable, once.
    fn listen(&self) {
        if !self.ended.get() {
            // SAFETY: not ended: our reference keeps it.
            unsafe { (self.foundation.enable)(self.watched.get(), READABLE) };
        }
    }

    fn listen_later(self: &Rc<Self>) {
        let foundation = self.foundation;
        let context = self.context();
        // SAFETY: takes nothing.
        let at = unsafe { (foundation.now)() } + ASK_AGAIN;
        // SAFETY: the context lives through the call, which copies it.
        let timer = unsafe { (foundation.timer)(ptr::null_mut(), at, 0.0, 0, 0, elapsed, &raw const context) };
        if timer.is_null() {
            return self.listen();
        }
        // SAFETY: takes nothing.
        let current = unsafe { (foundation.current_loop)() };
        // SAFETY: all are objects of the kinds wanted; the loop holds on to the timer until it has fired.
        unsafe { (foundation.add_timer)(current, timer, foundation.common_modes()) };
        // SAFETY: our reference is given back, once.
        unsafe { (foundation.release)(timer) };
    }

    fn turn(self: &Rc<Self>) {
        if self.ended.get() || self.generation != fork::generation() {
            return;
        }
        // SAFETY: not ended: the owner lives.
        let owner = unsafe { &*self.owner };
        if owner.depth.get() >= dispatch::DEEPEST {
            // The turn around this listens again when it is over.
            return;
        }
        match attach::turn(owner, self.budget) {
            Turn::Run => self.listen(),
            Turn::Refused => self.listen_later(),
        }
    }
}

/// What a callback was given, kept through the callback.
///
/// # Safety
/// `info` is that of a context of ours, which the caller has retained.
unsafe fn attached(info: *const c_void) -> Rc<Attached> {
    let info: *const Attached = info.cast();
    // SAFETY: the caller's promise.
    unsafe { Rc::increment_strong_count(info) };
    // SAFETY: the count that was just added.
    unsafe { Rc::from_raw(info) }
}

/// Core Foundation calls these on the owner's thread only, whose run loop has the objects.
unsafe extern "C" fn retain(info: *const c_void) -> *const c_void {
    // SAFETY: the info of a context of ours.
    unsafe { Rc::increment_strong_count(info.cast::<Attached>()) };
    info
}

unsafe extern "C" fn release(info: *const c_void) {
    // SAFETY: what `retain` has added.
    unsafe { Rc::decrement_strong_count(info.cast::<Attached>()) };
}

unsafe extern "C" fn readable(_: Object, _: c_ulong, info: *mut c_void) {
    // SAFETY: Core Foundation passes the info that it holds.
    let attached = unsafe { attached(info) };
    // A panic must not unwind through Core Foundation; its own message tells of it.
    drop(catch_unwind(AssertUnwindSafe(|| attached.turn())));
}

unsafe extern "C" fn elapsed(_: Object, info: *mut c_void) {
    // SAFETY: as above.
    let attached = unsafe { attached(info) };
    attached.listen();
}
