// SPDX-License-Identifier: MIT OR Apache-2.0
//! GLib's main loop, which GTK and wxGTK run too: a source on the default context that watches the owner's descriptor. While
//! little is to do it comes before all else; while a turn leaves something it comes after drawing and input, so that a flood
//! of messages does not stop the windows.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::OnceLock;
use std::thread::{self, ThreadId};
use std::time::Duration;

use moonport_core::{fork, wait_readable};

use super::glib_poll::{self, Poll};
use super::library::Library;
use crate::attach::{self, Turn};
use crate::dispatch::{self, Budget};
use crate::owner::Owner;

/// `G_PRIORITY_DEFAULT`: the order in which input events come.
const QUIET: c_int = 0;
/// `G_PRIORITY_DEFAULT_IDLE`: after input, layout and drawing.
const BACKLOG: c_int = 200;
/// `G_IO_IN`.
const READABLE: c_uint = 1;
/// How often a loop that compiled code runs is asked whether Lua can be entered again, in milliseconds.
const ASK_AGAIN: c_int = 10;

/// A `GSource` with what we need behind it. GLib gives it memory full of zeros.
#[repr(C)]
struct Source {
    /// The `GSource`, whose size is part of GLib's ABI: twelve words on a 64-bit machine.
    base: [usize; if cfg!(target_pointer_width = "64") { 12 } else { 16 }],
    /// Alive until the source is destroyed.
    owner: *const Owner,
    thread: ThreadId,
    generation: u32,
    budget: Budget,
    descriptor: RawFd,
    tag: *mut c_void,
    watched: Cell<bool>,
    has_backlog: Cell<bool>,
    /// The last turn was refused by the guard.
    refused: Cell<bool>,
}

#[repr(C)]
struct Functions {
    prepare: unsafe extern "C" fn(*mut Source, *mut c_int) -> c_int,
    check: Option<unsafe extern "C" fn(*mut Source) -> c_int>,
    dispatch: unsafe extern "C" fn(*mut Source, *const c_void, *mut c_void) -> c_int,
    finalize: Option<unsafe extern "C" fn(*mut Source)>,
    unused: [usize; 2],
}

/// Without `check`, GLib looks at the descriptor itself.
static FUNCTIONS: Functions = Functions { prepare, check: None, dispatch, finalize: None, unused: [0; 2] };

/// What of GLib is called; it has all of it since 2.36.
pub(super) struct Glib {
    source_new: unsafe extern "C" fn(*const Functions, c_uint) -> *mut Source,
    add_unix_fd: unsafe extern "C" fn(*mut Source, c_int, c_uint) -> *mut c_void,
    modify_unix_fd: unsafe extern "C" fn(*mut Source, *mut c_void, c_uint),
    set_can_recurse: unsafe extern "C" fn(*mut Source, c_int),
    set_priority: unsafe extern "C" fn(*mut Source, c_int),
    attach: unsafe extern "C" fn(*mut Source, *mut c_void) -> c_uint,
    destroy: unsafe extern "C" fn(*mut Source),
    is_destroyed: unsafe extern "C" fn(*mut Source) -> c_int,
    unref: unsafe extern "C" fn(*mut Source),
    acquire: unsafe extern "C" fn(*mut c_void) -> c_int,
    release: unsafe extern "C" fn(*mut c_void),
    pub(super) get_poll_func: unsafe extern "C" fn(*mut c_void) -> Poll,
    pub(super) set_poll_func: unsafe extern "C" fn(*mut c_void, Poll),
}

#[cfg(target_vendor = "apple")]
const NAME: &CStr = c"libglib-2.0.0.dylib";
#[cfg(not(target_vendor = "apple"))]
const NAME: &CStr = c"libglib-2.0.so.0";

impl Glib {
    /// GLib, if the process has loaded it.
    fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Glib> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Some(found);
        }
        let library = Library::find(NAME)?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the field has the signature that GLib documents for this function.
                unsafe { library.function($name) }?
            };
        }
        let found = Self {
            source_new: function!(c"g_source_new"),
            add_unix_fd: function!(c"g_source_add_unix_fd"),
            modify_unix_fd: function!(c"g_source_modify_unix_fd"),
            set_can_recurse: function!(c"g_source_set_can_recurse"),
            set_priority: function!(c"g_source_set_priority"),
            attach: function!(c"g_source_attach"),
            destroy: function!(c"g_source_destroy"),
            is_destroyed: function!(c"g_source_is_destroyed"),
            unref: function!(c"g_source_unref"),
            acquire: function!(c"g_main_context_acquire"),
            release: function!(c"g_main_context_release"),
            get_poll_func: function!(c"g_main_context_get_poll_func"),
            set_poll_func: function!(c"g_main_context_set_poll_func"),
        };
        Some(FOUND.get_or_init(|| found))
    }

    /// Does no other thread run the default context now?
    fn is_ours(&self) -> bool {
        // SAFETY: null is the default context.
        let acquired = unsafe { (self.acquire)(ptr::null_mut()) } != 0;
        if acquired {
            // SAFETY: this thread has just acquired it.
            unsafe { (self.release)(ptr::null_mut()) };
        }
        acquired
    }
}

pub(crate) fn is_loaded() -> bool {
    Glib::find().is_some()
}

/// Why GLib's loop was not taken.
pub(crate) enum Refused {
    NotLoaded,
    OtherThread,
    NoDescriptor(std::io::Error),
}

/// A source of ours on the default context. [`Taken::end`] takes it off.
pub(crate) struct Taken {
    glib: &'static Glib,
    source: *mut Source,
}

/// Lets the default context run turns of this owner.
pub(crate) fn take(owner: &Owner, budget: Budget) -> Result<Taken, Refused> {
    let glib = Glib::find().ok_or(Refused::NotLoaded)?;
    if !glib.is_ours() {
        return Err(Refused::OtherThread);
    }
    let descriptor = owner.descriptor().map_err(Refused::NoDescriptor)?;
    #[expect(clippy::cast_possible_truncation, reason = "some hundred bytes")]
    let size = size_of::<Source>() as c_uint;
    // SAFETY: the functions are static, and the size is at least that of a GSource.
    let source = unsafe { (glib.source_new)(&raw const FUNCTIONS, size) };
    // SAFETY: the source is new and on no context: nobody else knows it.
    let tag = unsafe { (glib.add_unix_fd)(source, descriptor, READABLE) };
    // SAFETY: as above; GLib's own part is not touched, and its memory is large enough and aligned for pointers.
    unsafe { fill(source, owner, budget, descriptor, tag) };
    // SAFETY: as above. A handler may open a loop of its own: messages keep coming in it.
    unsafe { (glib.set_can_recurse)(source, 1) };
    // SAFETY: as above.
    unsafe { (glib.set_priority)(source, QUIET) };
    // SAFETY: null is the default context, which holds on to the source from now on.
    unsafe { (glib.attach)(source, ptr::null_mut()) };
    Ok(Taken { glib, source })
}

/// # Safety
/// `source` is new, and nobody else knows it.
unsafe fn fill(source: *mut Source, owner: &Owner, budget: Budget, descriptor: RawFd, tag: *mut c_void) {
    macro_rules! set {
        ($($field:ident = $value:expr;)*) => {
            $(
                // SAFETY: the caller's promise; the field lies in the source's memory.
                unsafe { (&raw mut (*source).$field).write($value) };
            )*
        };
    }
    set! {
        owner = owner;
        thread = thread::current().id();
        generation = fork::generation();
        budget = budget;
        descriptor = descriptor;
        tag = tag;
        watched = Cell::new(true);
        has_backlog = Cell::new(false);
        refused = Cell::new(false);
    }
}

impl Taken {
    /// From now on no turn begins; one that runs ends.
    pub(crate) fn end(self) {
        // SAFETY: our reference keeps it.
        let generation = unsafe { (*self.source).generation };
        // In a forked child a thread that is not there any more may hold GLib's lock. There the source takes itself off.
        if generation != fork::generation() {
            return;
        }
        // SAFETY: as above; destroying it twice is allowed.
        unsafe { (self.glib.destroy)(self.source) };
        // SAFETY: the reference is given back, once.
        unsafe { (self.glib.unref)(self.source) };
        glib_poll::update(self.glib);
    }
}

impl Source {
    /// Is this the thread, and the process, that attached?
    fn is_at_home(&self) -> bool {
        self.thread == thread::current().id() && !self.is_forked()
    }

    fn is_forked(&self) -> bool {
        self.generation != fork::generation()
    }

    /// Only asked at home, where the source is destroyed before the owner goes.
    fn owner(&self) -> &Owner {
        // SAFETY: see above.
        unsafe { &*self.owner }
    }

    /// Whether a turn could begin now: if not, a readable descriptor would only keep the loop busy. Gives for how many
    /// milliseconds the loop may sleep; -1: for ever.
    fn look(&self) -> (bool, c_int) {
        if !self.is_at_home() {
            return (false, -1);
        }
        let owner = self.owner();
        let is_deep = owner.depth.get() >= dispatch::DEEPEST;
        if is_deep {
            // The loop that is less deep asks again.
            return (false, -1);
        }
        if self.refused.get() && !dispatch::may_enter(owner, owner.base()) {
            attach::turn_refused(owner);
            return (false, ASK_AGAIN);
        }
        (true, -1)
    }
}

/// GLib calls this before it sleeps.
unsafe extern "C" fn prepare(source: *mut Source, timeout: *mut c_int) -> c_int {
    let Some(glib) = Glib::find() else { return 0 };
    // SAFETY: GLib gives the source and keeps it through the call; other threads read at most what never changes.
    let this = unsafe { &*source };
    if this.is_forked() {
        return 1;
    }
    if this.is_at_home() && glib_poll::is_wanted(this.owner()) != glib_poll::is_set() {
        glib_poll::update(glib);
    }
    let (watched, milliseconds) = this.look();
    // SAFETY: GLib gives a place for it.
    unsafe { timeout.write(milliseconds) };
    if this.watched.replace(watched) != watched {
        // SAFETY: the tag is that of this source.
        unsafe { (glib.modify_unix_fd)(source, this.tag, if watched { READABLE } else { 0 }) };
    }
    0
}

/// GLib calls this when the descriptor is readable. Gives whether the source stays.
unsafe extern "C" fn dispatch(source: *mut Source, _: *const c_void, _: *mut c_void) -> c_int {
    let Some(glib) = Glib::find() else { return 0 };
    // SAFETY: GLib gives the source and keeps it through the call.
    let this = unsafe { &*source };
    if this.is_forked() {
        return 0;
    }
    if !this.is_at_home() {
        return 1;
    }
    // A panic must not unwind through GLib.
    let turn = catch_unwind(AssertUnwindSafe(|| attach::turn(this.owner(), this.budget)));
    // SAFETY: GLib keeps the source through this call, also if a handler has detached.
    if turn.is_err() || unsafe { (glib.is_destroyed)(source) } != 0 {
        return 0;
    }
    this.refused.set(matches!(turn, Ok(Turn::Refused)));
    let has_backlog = wait_readable(this.descriptor, Some(Duration::ZERO)).unwrap_or(false);
    if this.has_backlog.replace(has_backlog) != has_backlog {
        // SAFETY: as above.
        unsafe { (glib.set_priority)(source, if has_backlog { BACKLOG } else { QUIET }) };
    }
    1
}
