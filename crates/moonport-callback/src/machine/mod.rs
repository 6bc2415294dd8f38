// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs from processor to processor: the code of the stubs, and that of calls the other way round.

#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
#[path = "aarch64.rs"]
mod processor;
#[cfg(all(target_arch = "x86_64", unix, not(target_vendor = "apple")))]
#[path = "x86_64.rs"]
mod processor;
#[cfg(all(target_arch = "x86_64", windows))]
#[path = "x86_64_windows.rs"]
mod processor;
#[cfg(not(any(
    all(target_arch = "aarch64", target_os = "linux"),
    all(target_arch = "x86_64", unix, not(target_vendor = "apple")),
    all(target_arch = "x86_64", windows)
)))]
#[path = "none.rs"]
mod processor;

use std::ffi::c_void;

pub(crate) use processor::{COUNT, Registers};

unsafe extern "C" {
    static moonport_stubs: u8;

    /// Calls `function` with `registers` and so many words on the stack; its results come back in `registers`.
    #[link_name = "moonport_invoke"]
    pub(crate) fn invoke(function: *const c_void, registers: *mut Registers, stack: *const u64, words: usize);
}

/// The address of stub 0.
pub(crate) fn first() -> *const c_void {
    (&raw const moonport_stubs).cast()
}
