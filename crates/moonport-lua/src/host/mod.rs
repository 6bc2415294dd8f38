// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other loops than ours need: a descriptor to watch, and the native loops that we can wake ourselves.

pub(crate) mod descriptor;
pub(crate) mod glib;
mod library;
pub(crate) mod sdl;
