// SPDX-License-Identifier: MIT OR Apache-2.0
//! C function pointers that any thread may call.
//!
//! A [`declaration`] in C becomes a [`plan`]: what is read from the native call, and what is given back. A [`layout`] says
//! where the calling convention puts each argument, and a [`stub`] is the function pointer itself: one of a table of
//! static ones in ordinary program text, so that no executable memory is made at run time. [`invoke`] calls the other way
//! round. [`marshal`] copies arguments
//! and results, and [`callback`] sends them to the owner of a mailbox. [`watch`] says what a thread says that waits for long.

pub mod callback;
pub mod declaration;
pub mod invoke;
pub mod layout;
mod machine;
pub mod marshal;
pub mod plan;
mod ring;
pub mod stub;
pub mod watch;
