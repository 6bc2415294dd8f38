// SPDX-License-Identifier: MIT OR Apache-2.0
//! The codecs of Moonport: between bytes and a visitor's values, with no tree in between.
//!
//! A sender's thread checks a document, the owner's thread decodes it straight into its values. Each format is one
//! module, [`json`] and [`msgpack`]; both drive the same [`Visitor`].

#![forbid(unsafe_code)]

pub mod json;
pub mod msgpack;

mod visitor;

mod depth;
mod utf8;

pub use depth::{DEFAULT_DEPTH, MAX_DEPTH};
pub use visitor::Visitor;
