// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs from processor to processor: the code of the stubs, and that of calls the other way round.

/// How assembly begins a function that Rust code links with, by the format of object files: ELF or Mach-O.
#[cfg(all(unix, not(target_vendor = "apple")))]
macro_rules! begin {
    ($name:literal) => {
        concat!(".hidden ", $name, "\n.globl ", $name, "\n.type ", $name, ", %function\n", $name, ":")
    };
}
#[cfg(target_vendor = "apple")]
macro_rules! begin {
    ($name:literal) => {
        concat!(".private_extern _", $name, "\n.globl _", $name, "\n_", $name, ":")
    };
}

/// How it ends one.
#[cfg(all(unix, not(target_vendor = "apple")))]
macro_rules! end {
    ($name:literal) => {
        concat!(".size ", $name, ", . - ", $name)
    };
}
#[cfg(target_vendor = "apple")]
macro_rules! end {
    ($name:literal) => {
        ""
    };
}

#[cfg(all(target_arch = "aarch64", any(target_os = "linux", target_vendor = "apple")))]
#[path = "aarch64.rs"]
mod processor;
#[cfg(all(target_arch = "x86_64", unix))]
#[path = "x86_64.rs"]
mod processor;
#[cfg(all(target_arch = "x86_64", windows))]
#[path = "x86_64_windows.rs"]
mod processor;
#[cfg(not(any(
    all(target_arch = "aarch64", any(target_os = "linux", target_vendor = "apple")),
    all(target_arch = "x86_64", unix),
    all(target_arch = "x86_64", windows)
)))]
#[path = "none.rs"]
mod processor;

use std::ffi::c_void;

pub(crate) use processor::{COUNT, Registers, TABLE};

unsafe extern "C" {
    static moonport_stubs: u8;

    /// Calls `function` with `registers` and so many words on the stack; its results come back in `registers`.
    #[link_name = "moonport_invoke"]
    pub(crate) fn invoke(function: *const c_void, registers: *mut Registers, stack: *const u64, words: usize);
}

/// Where the stubs are, in bytes: so many to a group, which share what comes after them.
pub(crate) struct Table {
    in_group: usize,
    spacing: usize,
    group_size: usize,
}

impl Table {
    pub(crate) fn address(&self, stub: usize) -> *const c_void {
        let offset = stub / self.in_group * self.group_size + stub % self.in_group * self.spacing;
        (&raw const moonport_stubs).cast::<c_void>().wrapping_byte_add(offset)
    }

    /// The stub with this address; where the table ends is not looked at.
    pub(crate) fn number(&self, address: *const c_void) -> Option<usize> {
        let offset = address.addr().checked_sub((&raw const moonport_stubs).addr())?;
        let (group, offset) = (offset / self.group_size, offset % self.group_size);
        let number = offset / self.spacing;
        let is_one = offset.is_multiple_of(self.spacing) && number < self.in_group;
        is_one.then(|| group * self.in_group + number)
    }
}
