// SPDX-License-Identifier: MIT OR Apache-2.0
//! No stubs: binding one says that there is none.

use std::ffi::c_void;

pub(super) const COUNT: usize = 0;

#[derive(Debug)]
pub(super) struct Registers {
    pub(super) integers: [u64; 1],
    pub(super) floats: [u64; 1],
}

pub(super) fn first() -> *const c_void {
    std::ptr::null()
}
