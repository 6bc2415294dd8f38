// SPDX-License-Identifier: MIT OR Apache-2.0
//! MessagePack as its specification has it: [`check`] on any thread, [`decode`] into a [`Visitor`](crate::Visitor),
//! `write_*` into bytes.
//!
//! Refused, each with a byte offset: extension types (timestamps too), the byte 0xc1, text that is not UTF-8, lengths
//! beyond the end, map keys that Lua cannot hold or compare (nil, NaN, arrays, maps), nesting beyond the limit,
//! anything after the value.
//!
//! Integers stay exact and arrive alike from whichever format holds them. Text (str) and bytes (bin) are told apart.

mod input;
mod token;

mod read;

mod write;

mod error;

pub use crate::depth::{DEFAULT_DEPTH, MAX_DEPTH};
pub use error::{BadKey, Error, ErrorKind};
pub use read::{check, decode};
pub use write::{
    write_array_header, write_boolean, write_bytes, write_integer, write_map_header, write_nil, write_number,
    write_string, write_unsigned,
};
