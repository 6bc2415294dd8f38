// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other loops than ours need: a descriptor to watch, and the native loops that we can wake ourselves.

#[cfg(unix)]
mod bell;
#[cfg(target_vendor = "apple")]
mod cocoa;
#[cfg(all(target_os = "linux", not(moonport_test_fallbacks)))]
pub(crate) mod descriptor;
#[cfg(all(unix, not(all(target_os = "linux", not(moonport_test_fallbacks)))))]
#[path = "watcher.rs"]
pub(crate) mod descriptor;
#[cfg(unix)]
pub(crate) mod glib;
#[cfg(unix)]
mod glib_poll;
#[cfg(unix)]
mod library;
#[cfg(unix)]
pub(crate) mod native;
#[cfg(unix)]
mod sdl;
#[cfg(unix)]
pub(crate) use sdl::Waker;

#[cfg(windows)]
#[path = "descriptor_windows.rs"]
pub(crate) mod descriptor;
#[cfg(windows)]
#[path = "native_windows.rs"]
pub(crate) mod native;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::Waker;
