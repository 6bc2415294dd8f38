// SPDX-License-Identifier: MIT OR Apache-2.0
//! The grammar, for a visitor: a reader that recurses per array and object. `check` knows it too.

use super::error::{Error, ErrorKind, Expected};
use super::input::Input;
use super::number::Number;
use crate::depth::MAX_DEPTH;
use crate::visitor::Visitor;

/// Decodes `bytes`, one whole JSON document, by calling `visitor` for its values in document order.
///
/// `depth` is the greatest nesting of arrays and objects, at most [`MAX_DEPTH`]. `scratch` holds a string with
/// escapes while the visitor looks at it; what it holds before and after means nothing. Give the same one each time
/// and it stops allocating.
///
/// A visitor's method may unwind or longjmp out of this call: no frame of it owns anything. `scratch` and `visitor`
/// stay usable.
///
/// Thread: any; the visitor is called on the same one. Blocks: never, unless the visitor does.
///
/// # Errors
/// As [`check`](super::check). The visitor has then seen the part of the document before the fault (nothing, if the fault is
/// invalid UTF-8).
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
///     fn string(&mut self, value: &str) { self.0.push(format!("string {value}")) }
///     fn bytes(&mut self, _: &[u8]) {}
///     fn array_begin(&mut self, _: usize) { self.0.push("[".into()) }
///     fn array_item(&mut self, index: usize) { self.0.push(format!("item {index}")) }
///     fn array_end(&mut self, length: usize) { self.0.push(format!("] {length}")) }
///     fn object_begin(&mut self, _: usize) { self.0.push("{".into()) }
///     fn object_key(&mut self) { self.0.push("key".into()) }
///     fn object_entry(&mut self) { self.0.push("entry".into()) }
///     fn object_end(&mut self, length: usize) { self.0.push(format!("}} {length}")) }
/// }
///
/// let mut log = Log::default();
/// json::decode(br#"{"a\n": [7, 0.5]}"#, DEFAULT_DEPTH, &mut Vec::new(), &mut log)?;
/// assert_eq!(
///     log.0.join(", "),
///     "{, string a\n, key, [, integer 7, item 1, number 0.5, item 2, ] 2, entry, } 1",
/// );
/// # Ok::<(), json::Error>(())
/// ```
pub fn decode<V: Visitor>(bytes: &[u8], depth: usize, scratch: &mut Vec<u8>, visitor: &mut V) -> Result<(), Error> {
    Reader::read(bytes, depth, scratch, visitor)
}

struct Reader<'a, V> {
    input: Input<'a>,
    limit: usize,
    scratch: &'a mut Vec<u8>,
    visitor: &'a mut V,
}

// The visitor may jump over the frames of `decode`, so nothing in them may need dropping.
const _: () =
    assert!(!std::mem::needs_drop::<Reader<'static, Vec<u8>>>() && !std::mem::needs_drop::<Result<Number, Error>>());

impl<'a, V: Visitor> Reader<'a, V> {
    fn read(bytes: &'a [u8], depth: usize, scratch: &'a mut Vec<u8>, visitor: &'a mut V) -> Result<(), Error> {
        let limit = depth.min(MAX_DEPTH);
        let input = Input::new(bytes)?;
        let mut reader = Self { input, limit, scratch, visitor };
        reader.value(limit)?;
        match reader.input.token() {
            None => Ok(()),
            Some(_) => Err(Error::new(reader.input.position, ErrorKind::TrailingText)),
        }
    }

    /// Reads a value in which `room` more arrays and objects may be nested.
    fn value(&mut self, room: usize) -> Result<(), Error> {
        match self.input.token() {
            Some(b'"') => self.visitor.string(self.input.string::<true>(self.scratch)?),
            Some(b'-' | b'0'..=b'9') => match self.input.number::<true>()? {
                Number::Integer(value) => self.visitor.integer(value),
                Number::Unsigned(value) => self.visitor.unsigned(value),
                Number::Double(value) => self.visitor.number(value),
            },
            Some(b'{') => return self.object(self.enter(room)?),
            Some(b'[') => return self.array(self.enter(room)?),
            Some(b'n') => {
                self.input.literal(b"null", Expected::Null)?;
                self.visitor.null();
            }
            Some(b't') => {
                self.input.literal(b"true", Expected::True)?;
                self.visitor.boolean(true);
            }
            Some(b'f') => {
                self.input.literal(b"false", Expected::False)?;
                self.visitor.boolean(false);
            }
            _ => return Err(self.input.unexpected(Expected::Value)),
        }
        Ok(())
    }

    fn enter(&self, room: usize) -> Result<usize, Error> {
        match room.checked_sub(1) {
            Some(room) => Ok(room),
            None => {
                let kind = ErrorKind::TooDeep { limit: self.limit };
                Err(Error::new(self.input.position, kind))
            }
        }
    }

    fn array(&mut self, room: usize) -> Result<(), Error> {
        self.input.position += 1;
        self.visitor.array_begin(0);
        let mut length = 0;
        if self.input.token() != Some(b']') {
            loop {
                self.value(room)?;
                length += 1;
                self.visitor.array_item(length);
                match self.input.token() {
                    Some(b',') => self.input.position += 1,
                    Some(b']') => break,
                    _ => return Err(self.input.unexpected(Expected::CommaOrBracket)),
                }
            }
        }
        self.input.position += 1;
        self.visitor.array_end(length);
        Ok(())
    }

    fn object(&mut self, room: usize) -> Result<(), Error> {
        self.input.position += 1;
        self.visitor.object_begin(0);
        let mut length = 0;
        if self.input.token() != Some(b'}') {
            let mut expected = Expected::KeyOrBrace;
            loop {
                self.entry(room, expected)?;
                length += 1;
                expected = Expected::Key;
                match self.input.token() {
                    Some(b',') => self.input.position += 1,
                    Some(b'}') => break,
                    _ => return Err(self.input.unexpected(Expected::CommaOrBrace)),
                }
            }
        }
        self.input.position += 1;
        self.visitor.object_end(length);
        Ok(())
    }

    fn entry(&mut self, room: usize, expected: Expected) -> Result<(), Error> {
        if self.input.token() != Some(b'"') {
            return Err(self.input.unexpected(expected));
        }
        self.visitor.string(self.input.string::<true>(self.scratch)?);
        self.visitor.object_key();
        if self.input.token() != Some(b':') {
            return Err(self.input.unexpected(Expected::Colon));
        }
        self.input.position += 1;
        self.value(room)?;
        self.visitor.object_entry();
        Ok(())
    }
}
