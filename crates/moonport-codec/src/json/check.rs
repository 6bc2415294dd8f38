// SPDX-License-Identifier: MIT OR Apache-2.0
//! The grammar alone, with nobody who wants to know the values.

use super::error::Error;
use super::grammar::{self, Sink};
use super::tape::Token;

/// Checks that `bytes` is one whole JSON document, so that [`decode`] with the same depth accepts it.
///
/// `depth` is the greatest nesting of arrays and objects: at 1, `[]` passes and `[[]]` does not. At most
/// [`MAX_DEPTH`](super::MAX_DEPTH).
///
/// Thread: any. Blocks: never. Allocates nothing.
///
/// # Errors
/// The first fault in the document, with its byte offset; invalid UTF-8 anywhere comes before all others.
///
/// Source: RFC 8259.
///
/// ```
/// use moonport_codec::json::{self, DEFAULT_DEPTH};
///
/// assert!(json::check(br#"{"name": "Ada", "age": 36}"#, DEFAULT_DEPTH).is_ok());
///
/// let error = json::check(b"[1, 2", DEFAULT_DEPTH).unwrap_err();
/// assert_eq!(error.to_string(), "unexpected end of the text at byte 5");
/// ```
pub fn check(bytes: &[u8], depth: usize) -> Result<(), Error> {
    grammar::read(bytes, depth, &mut Nothing(Vec::new())).map(|_| ())
}

/// Wants to know nothing; the bytes stay empty.
struct Nothing(Vec<u8>);

impl Sink for Nothing {
    const DECODE: bool = false;
    fn key(&mut self, _: Token) {}
    fn scalar(&mut self, _: Token) {}
    fn open_array(&mut self) {}
    fn open_object(&mut self) {}
    fn close(&mut self) {}
    fn decoded(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
