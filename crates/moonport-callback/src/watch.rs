// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a native thread says that has waited for a handler for long: who waits, for what, and what Lua is doing.

use std::io::Write;
use std::time::Duration;

use moonport_core::{Doing, registry};

use crate::callback::Callback;

/// One line about a wait on the calling thread.
pub(crate) fn describe(callback: &Callback, waited: Duration) -> String {
    let thread = thread_name();
    let seconds = waited.as_secs();
    format!("{thread} has waited {seconds} s for {}; {}", named(callback), doing(callback.sender.owner_is()))
}

/// One line about the handler of a locked callback that has run on the calling thread.
pub(crate) fn describe_holder(callback: &Callback, held: Duration) -> String {
    format!("{} has held Lua's lock for {} s, in the handler of {}", thread_name(), tenths(held), named(callback))
}

/// One line about a wait for the lock of a state on the calling thread, whose holder does this.
#[must_use]
pub fn describe_lock(who: &str, waited: Duration, holder: Doing) -> String {
    format!("{who}{} has waited {} s for Lua's lock; {}", thread_name(), waited.as_secs(), doing(holder))
}

/// One line about a lock that C code has held on the calling thread.
#[must_use]
pub fn describe_held(held: Duration) -> String {
    format!("{} has held Lua's lock for {} s, by moonport_lock", thread_name(), tenths(held))
}

/// Seconds, to a tenth.
fn tenths(time: Duration) -> String {
    format!("{}.{}", time.as_secs(), time.subsec_millis() / 100)
}

/// Lua is busy, that is the point: standard error hears of it before `on_error` can.
pub fn print(line: &str) {
    // A closed stderr leaves nobody to tell.
    drop(std::io::stderr().write_all(format!("moonport: {line}\n").as_bytes()));
}

fn named(callback: &Callback) -> String {
    let name = callback.name.as_deref().map(|name| format!("{name:?} ")).unwrap_or_default();
    format!("the callback {name}{} made at {}", callback.marshal.plan().text, callback.created)
}

fn doing(doing: Doing) -> String {
    match doing {
        Doing::Asleep => "Lua sleeps in Moonport's loop".into(),
        Doing::Locked => "another thread runs Lua, by moonport_lock".into(),
        Doing::Task => "Lua runs a request's, a timer's or a spawned function".into(),
        Doing::Handling(handle) => match (Callback::of_port(handle), registry::name_of(handle)) {
            (Some(callback), _) => format!("Lua runs the handler of {}", named(callback)),
            (None, Some(name)) => format!("Lua runs the handler of the port {name:?}"),
            (None, None) => "Lua runs the handler of a port without a name".into(),
        },
        _ => "Lua is outside of Moonport's loop".into(),
    }
}

#[cfg(target_os = "linux")]
fn thread_name() -> String {
    let mut name = [0_u8; 64];
    // SAFETY: takes nothing.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: the buffer is as long as said, and the thread is the calling one.
    let failed = unsafe { libc::pthread_getname_np(this, name.as_mut_ptr().cast(), name.len()) };
    let name = name.split(|byte| *byte == 0).next().filter(|_| failed == 0).unwrap_or_default();
    // SAFETY: as above.
    let number = unsafe { libc::gettid() };
    format!("the thread {:?} ({number})", String::from_utf8_lossy(name))
}

#[cfg(windows)]
fn thread_name() -> String {
    // SAFETY: takes nothing.
    let number = unsafe { windows_sys::Win32::System::Threading::GetCurrentThreadId() };
    format!("the thread {:?} ({number})", std::thread::current().name().unwrap_or_default())
}

#[cfg(not(any(target_os = "linux", windows)))]
fn thread_name() -> String {
    format!("the thread {:?}", std::thread::current().name().unwrap_or_default())
}
