// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing is known of this processor: there are no stubs, and nothing is called.

use std::ffi::c_void;

use super::Table;

pub(crate) const COUNT: usize = 0;

pub(crate) const TABLE: Table = Table { in_group: 8192, spacing: 16, group_size: 8192 * 16 };

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Registers {
    pub(crate) integers: [u64; 1],
    pub(crate) floats: [u64; 1],
}

#[unsafe(no_mangle)]
static moonport_stubs: u8 = 0;

#[unsafe(no_mangle)]
unsafe extern "C" fn moonport_invoke(_: *const c_void, _: *mut Registers, _: *const u64, _: usize) {}
