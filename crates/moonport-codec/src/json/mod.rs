// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON as RFC 8259 has it, strictly: [`check`] on any thread, [`decode`] into a [`Visitor`](crate::Visitor), `write_*`
//! into bytes.
//!
//! Refused, each with a byte offset: text that is not UTF-8, a byte order mark, lone surrogates, raw control
//! characters in strings, numbers beyond a double, nesting beyond the limit, anything after the value.

mod scan;

mod input;
mod number;
mod string;

mod grammar;

mod check;
mod digits;
mod tape;

mod read;

mod write;

mod error;

pub use crate::depth::{DEFAULT_DEPTH, MAX_DEPTH};
pub use check::check;
pub use error::{Error, ErrorKind, Expected};
pub use read::{decode, read};
pub use tape::{Document, Tape};
pub use write::{is_text, write_integer, write_key, write_number, write_string, write_unchecked, write_unsigned};
