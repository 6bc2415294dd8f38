// SPDX-License-Identifier: MIT OR Apache-2.0
//! Libraries that the process has loaded already. Nothing of a toolkit is linked or loaded by us, and Lua loads modules so that
//! their names are not global: a library is found by its file's name.

use std::ffi::{CStr, c_void};

pub(super) struct Library(*mut c_void);

impl Library {
    /// The library of this name, if it is loaded. It stays loaded from then on.
    pub(super) fn find(name: &CStr) -> Option<Self> {
        // SAFETY: the name lives through the call, and nothing is loaded.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
        (!handle.is_null()).then_some(Self(handle))
    }

    /// One of its functions, or the place of one of its variables.
    ///
    /// # Safety
    /// `F` is a function pointer with the signature of the function that has this name, or a pointer to such a variable.
    pub(super) unsafe fn function<F: Copy>(&self, name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: the handle is that of a loaded library, and the name lives through the call.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        // SAFETY: not null, and the caller vouches for the signature; both are as long as a pointer.
        (!address.is_null()).then(|| unsafe { std::mem::transmute_copy(&address) })
    }
}
