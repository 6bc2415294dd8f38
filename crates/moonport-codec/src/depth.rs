// SPDX-License-Identifier: MIT OR Apache-2.0
//! How deep documents may nest, in every format.

/// The depth that Moonport allows unless told otherwise.
pub const DEFAULT_DEPTH: usize = 128;

/// The greatest depth; a caller's greater limit counts as this one, because the readers recurse.
///
/// A document as deep as this takes less than 256 KiB of stack in an optimised build, not counting the visitor.
pub const MAX_DEPTH: usize = 1024;
