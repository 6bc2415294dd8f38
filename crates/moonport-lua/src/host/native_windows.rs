// SPDX-License-Identifier: MIT OR Apache-2.0
//! The native loop of Windows, which `moonport.attach` takes by itself: whatever a toolkit adds, the thread's messages go through
//! it, and one window of ours hears of them.

use std::rc::Rc;

use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::core::w;

use super::windows;
use crate::attach::{self, FUNCTION};
use crate::dispatch::Budget;
use crate::function::{Result, fail};
use crate::object;
use crate::owner::Owner;
use crate::report;
use crate::stack::Stack;

/// The state's [`windows::Waker`] is shared by its attachments, of which this one has this number.
pub(crate) struct Taken(u64);

/// What a program's loop is that has not named it.
pub(crate) fn found() -> Option<&'static str> {
    Some("windows")
}

/// `moonport.attach(name)`.
pub(crate) fn attach(owner: &Owner, stack: Stack, name: &str, budget: Budget) -> Result {
    match name {
        "cocoa" => return Ok(fail(stack, &format!("{FUNCTION}: cocoa is not a host of this system"), "unsupported")),
        "glib" if !gdk_is_loaded() => {
            let why = "glib: only where GDK is loaded does its loop take the messages of Windows";
            return Ok(fail(stack, &format!("{FUNCTION}: {why}"), "unsupported"));
        }
        _ => {}
    }
    owner.watch_traces(stack);
    let place = object::reserve(owner, stack);
    let is_first = owner.waker.borrow().is_none();
    if is_first {
        match windows::take(owner) {
            Ok(waker) => drop(owner.waker.replace(Some(waker))),
            Err(error) => return Ok(fail(stack, &format!("{FUNCTION}: windows: {error}"), report::errno_name(&error))),
        }
    }
    let waker = owner.waker.borrow().as_ref().map(Rc::clone);
    if let Some(waker) = waker {
        waker.add(budget);
    }
    Ok(attach::attached(owner, place, "windows", budget, Taken(budget.attachment)))
}

fn gdk_is_loaded() -> bool {
    [w!("libgdk-3-0.dll"), w!("libgtk-4-1.dll")].into_iter().any(|name| {
        // SAFETY: the name ends with a NUL and is static.
        !unsafe { GetModuleHandleW(name) }.is_null()
    })
}

impl Taken {
    /// Its attachment is over, and not among the owner's any more.
    pub(crate) fn end(self, owner: &Owner) {
        let waker = owner.waker.borrow().as_ref().map(Rc::clone);
        let Some(waker) = waker else { return };
        if waker.remove(self.0) {
            owner.waker.take();
            waker.end();
        }
    }
}
