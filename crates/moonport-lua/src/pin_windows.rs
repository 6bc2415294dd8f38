// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps images mapped for the life of the process: lua_close unmaps C modules and what the FFI library has loaded, and a thread
//! that still runs their code would crash.

use std::ffi::c_void;
use std::ptr;
use std::sync::Once;

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN,
    GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleHandleExW,
};

static PINNED: Once = Once::new();

/// Ours.
pub(crate) fn pin() {
    PINNED.call_once(|| pin_image_of(ptr::from_ref(&PINNED).cast()));
}

/// The image that this address lies in, if it lies in one.
pub(crate) fn pin_image_of(address: *const c_void) {
    find(address, GET_MODULE_HANDLE_EX_FLAG_PIN);
}

/// The handle of ours.
pub(crate) fn image() -> HMODULE {
    image_of(ptr::from_ref(&PINNED).cast())
}

/// The handle of the image that this address lies in; null if it lies in none.
pub(crate) fn image_of(address: *const c_void) -> HMODULE {
    find(address, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT)
}

fn find(address: *const c_void, how: u32) -> HMODULE {
    let mut image = ptr::null_mut();
    // SAFETY: the address is only looked up, and the place for the handle lives through the call.
    unsafe { GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | how, address.cast(), &raw mut image) };
    image
}
