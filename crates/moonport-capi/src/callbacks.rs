// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pointers made by moonport.callback.

use std::ffi::{c_int, c_void};

use moonport_callback::callback::Callback;

use crate::convert::*;
use crate::guard::guard;
use crate::types::moonport_status;

/// Closes the callback with this pointer, as Callback:close() does; the pointer stays callable and does nothing.
///
/// Thread: any. Blocks: never.
/// Returns: MOONPORT_OK; _CLOSED if it was closed already; _NOT_FOUND for a pointer that moonport.callback did not make.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_callback_close(callback: Option<unsafe extern "C" fn()>) -> c_int {
    guard(MOONPORT_INVALID as c_int, || {
        // A function pointer is an address, and `None` is null.
        // SAFETY: both have one size and every bit pattern of the one is one of the other.
        let address = unsafe { std::mem::transmute::<Option<unsafe extern "C" fn()>, *const c_void>(callback) };
        close(address) as c_int
    })
}

/// The same in the shape of a destroy function.
///
/// Thread: any. Blocks: never.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_callback_destroy(callback: *mut c_void) {
    // It tells nobody: that is the shape of a destroy function.
    guard((), || {
        close(callback);
    });
}

fn close(address: *const c_void) -> moonport_status {
    let Some(callback) = Callback::find(address) else { return MOONPORT_NOT_FOUND };
    match callback.sender.close() {
        Ok(true) => MOONPORT_OK,
        Ok(false) => MOONPORT_CLOSED,
        Err(error) => status_of(error),
    }
}
