// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other loops than ours need: a descriptor to watch, and the native loops that we can wake ourselves.

mod bell;
#[cfg(target_vendor = "apple")]
pub(crate) mod cocoa;
#[cfg(all(target_os = "linux", not(moonport_test_fallbacks)))]
pub(crate) mod descriptor;
#[cfg(not(all(target_os = "linux", not(moonport_test_fallbacks))))]
#[path = "watcher.rs"]
pub(crate) mod descriptor;
pub(crate) mod glib;
mod glib_poll;
mod library;
pub(crate) mod sdl;
