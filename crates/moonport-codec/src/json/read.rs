// SPDX-License-Identifier: MIT OR Apache-2.0
//! A document for a visitor: it is read as a whole, so that the size of each array and object is known before it begins.

use super::error::Error;
use super::grammar;
use super::tape::{Document, Tape};
use crate::visitor::Visitor;

/// Decodes `bytes`, one whole JSON document, by calling `visitor` for its values in document order.
///
/// `depth` is the greatest nesting of arrays and objects, at most [`MAX_DEPTH`](super::MAX_DEPTH). `tape` holds the
/// document's values, 16 bytes each, until the visitor has seen them. Give the same one each time and it stops
/// allocating.
///
/// A visitor's method may unwind or longjmp out of this call: no frame of it owns anything. `tape` and `visitor`
/// stay usable.
///
/// Thread: any; the visitor is called on the same one. Blocks: never, unless the visitor does.
///
/// # Errors
/// As [`check`](super::check). The visitor has then seen nothing.
///
/// Source: RFC 8259.
///
/// ```
/// use moonport_codec::{DEFAULT_DEPTH, Visitor, json};
///
/// /// Writes down what it sees.
/// #[derive(Default)]
/// struct Log(Vec<String>);
///
/// impl Visitor for Log {
///     fn null(&mut self) { self.0.push("null".into()) }
///     fn boolean(&mut self, value: bool) { self.0.push(format!("{value}")) }
///     fn integer(&mut self, value: i64) { self.0.push(format!("integer {value}")) }
///     fn unsigned(&mut self, value: u64) { self.0.push(format!("unsigned {value}")) }
///     fn number(&mut self, value: f64) { self.0.push(format!("number {value:?}")) }
///     fn string(&mut self, value: &[u8]) { self.0.push(format!("string {}", value.escape_ascii())) }
///     fn bytes(&mut self, _: &[u8]) {}
///     fn array_begin(&mut self, hint: usize) { self.0.push(format!("[ {hint}")) }
///     fn array_item(&mut self, index: usize) { self.0.push(format!("item {index}")) }
///     fn array_end(&mut self, length: usize) { self.0.push(format!("] {length}")) }
///     fn object_begin(&mut self, hint: usize) { self.0.push(format!("{{ {hint}")) }
///     fn object_key(&mut self) { self.0.push("key".into()) }
///     fn object_entry(&mut self) { self.0.push("entry".into()) }
///     fn object_end(&mut self, length: usize) { self.0.push(format!("}} {length}")) }
/// }
///
/// let mut log = Log::default();
/// json::decode(br#"{"a\n": [7, 0.5]}"#, DEFAULT_DEPTH, &mut json::Tape::default(), &mut log)?;
/// assert_eq!(
///     log.0.join(", "),
///     "{ 1, string a\\n, key, [ 2, integer 7, item 1, number 0.5, item 2, ] 2, entry, } 1",
/// );
/// # Ok::<(), json::Error>(())
/// ```
pub fn decode<V: Visitor>(bytes: &[u8], depth: usize, tape: &mut Tape, visitor: &mut V) -> Result<(), Error> {
    tape.clear();
    let text = grammar::read(bytes, depth, tape)?;
    tape.visit(text, visitor);
    Ok(())
}

/// Reads `bytes`, one whole JSON document, for a visitor that comes later, or on another thread.
///
/// `depth` and `tape` are as in [`decode`]. The document takes 16 bytes for each value and each key, up to eight times as
/// many as the text.
///
/// Thread: any. Blocks: never.
///
/// # Errors
/// As [`check`](super::check).
///
/// ```
/// use moonport_codec::{DEFAULT_DEPTH, json};
/// # struct Log;
/// # impl moonport_codec::Visitor for Log {
/// #     fn null(&mut self) {}
/// #     fn boolean(&mut self, _: bool) {}
/// #     fn integer(&mut self, value: i64) { assert_eq!(value, 7) }
/// #     fn unsigned(&mut self, _: u64) {}
/// #     fn number(&mut self, _: f64) {}
/// #     fn string(&mut self, _: &[u8]) {}
/// #     fn bytes(&mut self, _: &[u8]) {}
/// #     fn array_begin(&mut self, _: usize) {}
/// #     fn array_item(&mut self, _: usize) {}
/// #     fn array_end(&mut self, _: usize) {}
/// #     fn object_begin(&mut self, _: usize) {}
/// #     fn object_key(&mut self) {}
/// #     fn object_entry(&mut self) {}
/// #     fn object_end(&mut self, _: usize) {}
/// # }
///
/// let text = b"[7]";
/// let document = json::read(text, DEFAULT_DEPTH, &mut json::Tape::default())?;
/// document.visit(text, &mut Log);
/// # Ok::<(), json::Error>(())
/// ```
pub fn read(bytes: &[u8], depth: usize, tape: &mut Tape) -> Result<Document, Error> {
    tape.clear();
    grammar::read(bytes, depth, tape)?;
    Ok(tape.document())
}
