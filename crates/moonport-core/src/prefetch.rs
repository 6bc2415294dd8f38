// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asks for memory that will be read soon, so that it is on its way from another core's cache meanwhile.

/// The length of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// A hint: all of `value` will be read soon.
#[cfg(target_arch = "x86_64")]
pub(crate) fn read<T>(value: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    let start: *const i8 = std::ptr::from_ref(value).cast();
    for offset in (0..size_of::<T>()).step_by(LINE) {
        // SAFETY: a prefetch of any address is only a hint; this one lies within the value.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset)) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn read<T>(_: &T) {}
