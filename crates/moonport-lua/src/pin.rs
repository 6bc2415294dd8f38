// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps images mapped for the life of the process: lua_close unmaps C modules and what the FFI library has loaded, and a thread
//! that still runs their code would crash.

use std::ffi::c_void;
use std::sync::Once;

static PINNED: Once = Once::new();

/// Ours.
pub(crate) fn pin() {
    PINNED.call_once(|| pin_image_of(std::ptr::from_ref(&PINNED).cast()));
}

/// The image that this address lies in, if it lies in one.
pub(crate) fn pin_image_of(address: *const c_void) {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: dladdr only looks the address up, and fills the structure if it finds it.
    if unsafe { libc::dladdr(address, info.as_mut_ptr()) } == 0 {
        return;
    }
    // SAFETY: dladdr found the address, so the structure is filled.
    let name = unsafe { info.assume_init() }.dli_fname;
    // SAFETY: the name is that of an image that is loaded; the handle is kept for ever on purpose. An executable has no
    // such handle, and needs none.
    unsafe { libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
}
