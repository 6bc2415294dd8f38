// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asks for memory that will be used soon, so that it is on its way from another core's cache meanwhile. Hints: they
//! change nothing that can be seen.

#[cfg(all(target_arch = "x86_64", not(miri)))]
use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};

/// The length of a cache line.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const LINE: usize = 64;

/// All of `value` will be read.
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) fn read<T>(value: &T) {
    lines(value).for_each(|line| {
        // SAFETY: a prefetch of any address is only a hint; this one lies within the value.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
    });
}

/// All of `value` will be written.
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) fn write<T>(value: &T) {
    lines(value).for_each(|line| {
        // SAFETY: as in `read`.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(line) };
    });
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn lines<T>(value: &T) -> impl Iterator<Item = *const i8> {
    let start: *const i8 = std::ptr::from_ref(value).cast();
    (0..size_of::<T>()).step_by(LINE).map(move |offset| start.wrapping_add(offset))
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) fn read<T>(_: &T) {}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) fn write<T>(_: &T) {}
