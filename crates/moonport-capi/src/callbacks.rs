// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pointers made by moonport.callback. This build makes none.

use std::ffi::{c_int, c_void};

use crate::types::moonport_status::MOONPORT_NOT_FOUND;

/// Closes the callback with this pointer, as Callback:close() does; the pointer stays callable and does nothing.
///
/// Thread: any. Blocks: never.
/// Returns: MOONPORT_OK; _CLOSED if it was closed already; _NOT_FOUND for a pointer that moonport.callback did not make.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_callback_close(callback: Option<unsafe extern "C" fn()>) -> c_int {
    // Every pointer is one that moonport.callback did not make.
    let _ = callback;
    MOONPORT_NOT_FOUND as c_int
}

/// The same in the shape of a destroy function.
///
/// Thread: any. Blocks: never.
#[unsafe(no_mangle)]
pub extern "C" fn moonport_callback_destroy(callback: *mut c_void) {
    let _ = callback;
}
