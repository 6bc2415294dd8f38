// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs from processor to processor: the code of the stubs, and that of calls the other way round.

#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
mod aarch64;
#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
pub(crate) use aarch64::{COUNT, Registers, first, invoke};

#[cfg(all(target_arch = "x86_64", unix, not(target_vendor = "apple")))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", unix, not(target_vendor = "apple")))]
pub(crate) use x86_64::{COUNT, Registers, first, invoke};

#[cfg(not(any(
    all(target_arch = "aarch64", target_os = "linux"),
    all(target_arch = "x86_64", unix, not(target_vendor = "apple"))
)))]
mod none;
#[cfg(not(any(
    all(target_arch = "aarch64", target_os = "linux"),
    all(target_arch = "x86_64", unix, not(target_vendor = "apple"))
)))]
pub(crate) use none::{COUNT, Registers, first, invoke};
