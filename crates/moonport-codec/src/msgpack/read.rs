// SPDX-License-Identifier: MIT OR Apache-2.0
//! How values nest: `decode` recurses per array and map; `check` does not, since senders check their documents on stacks
//! that may be small.

use super::error::{BadKey, Error, ErrorKind};
use super::input::Input;
use super::token::{Scalar, Token};
use crate::depth::{DEFAULT_DEPTH, MAX_DEPTH};
use crate::visitor::{Nothing, Visitor};

/// Checks that `bytes` is one whole MessagePack document, so that [`decode`] with the same depth accepts it.
///
/// `depth` is the greatest nesting of arrays and maps: at 1, `[]` passes and `[[]]` does not. At most [`MAX_DEPTH`].
///
/// Thread: any. Blocks: never. Allocates nothing.
///
/// # Errors
/// The first fault in the document, with its byte offset.
///
/// Source: the MessagePack specification.
///
/// ```
/// use moonport_codec::msgpack::{self, DEFAULT_DEPTH};
///
/// assert!(msgpack::check(b"\x82\xa4name\xa3Ada\xa3age\x24", DEFAULT_DEPTH).is_ok());
///
/// let error = msgpack::check(b"\xdd\xff\xff\xff\xff\x01", DEFAULT_DEPTH).unwrap_err();
/// assert_eq!(error.to_string(), "length 4294967295 is beyond the end of the input at byte 0");
/// ```
pub fn check(bytes: &[u8], depth: usize) -> Result<(), Error> {
    let limit = depth.min(MAX_DEPTH);
    if limit <= DEFAULT_DEPTH { walk::<DEFAULT_DEPTH>(bytes, limit) } else { walk::<MAX_DEPTH>(bytes, limit) }
}

/// An array or map around the present place.
#[derive(Clone, Copy)]
struct Level {
    left: u32,
    map: bool,
}

/// Reads all values, with room for `DEPTH` levels on the stack.
#[inline(never)]
fn walk<const DEPTH: usize>(bytes: &[u8], limit: usize) -> Result<(), Error> {
    let mut reader = Reader { input: Input::new(bytes), limit, owed: 0, visitor: &mut Nothing };
    let mut levels = [Level { left: 0, map: false }; DEPTH];
    let mut depth = 0;
    loop {
        let start = reader.input.position();
        let opened = match reader.input.token()? {
            Token::Scalar(_) => None,
            Token::Array(left) => Some(Level { left, map: false }),
            Token::Map(left) => Some(Level { left, map: true }),
        };
        if let Some(level) = opened {
            reader.enter(start, limit - depth)?;
            reader.claim(start, level.left, if level.map { 2 } else { 1 })?;
            if let Some(place) = levels.get_mut(depth) {
                *place = level;
            }
            depth += 1;
        }
        // Leaves what ends here, up to the next value.
        loop {
            let Some(level) = levels.get_mut(..depth).and_then(<[Level]>::last_mut) else { return reader.end() };
            if let Some(left) = level.left.checked_sub(1) {
                level.left = left;
                reader.owed -= if level.map { 2 } else { 1 };
                if level.map {
                    reader.key()?;
                }
                break;
            }
            depth -= 1;
        }
    }
}

/// Decodes `bytes`, one whole MessagePack document, by calling `visitor` for its values in document order.
///
/// `depth` is the greatest nesting of arrays and maps, at most [`MAX_DEPTH`]. Maps are visited as objects. A length
/// is passed on as a hint only after what is left was found to have room for so many.
///
/// A visitor's method may unwind or longjmp out of this call: no frame of it owns anything. `visitor` stays usable.
///
/// Thread: any; the visitor is called on the same one. Blocks: never, unless the visitor does.
///
/// # Errors
/// As [`check`]. The visitor has then seen the part of the document before the fault.
///
/// Source: the MessagePack specification.
///
/// ```
/// use moonport_codec::{DEFAULT_DEPTH, Visitor, msgpack};
///
/// /// Writes down what it sees.
/// #[derive(Default)]
/// struct Log(Vec<String>);
///
/// impl Visitor for Log {
///     fn null(&mut self) { self.0.push("nil".into()) }
///     fn boolean(&mut self, value: bool) { self.0.push(format!("{value}")) }
///     fn integer(&mut self, value: i64) { self.0.push(format!("integer {value}")) }
///     fn unsigned(&mut self, value: u64) { self.0.push(format!("unsigned {value}")) }
///     fn number(&mut self, value: f64) { self.0.push(format!("number {value:?}")) }
///     fn string(&mut self, value: &[u8]) { self.0.push(format!("string {}", value.escape_ascii())) }
///     fn bytes(&mut self, value: &[u8]) { self.0.push(format!("bytes {value:?}")) }
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
/// msgpack::decode(b"\x81\x07\x92\xc0\xc4\x01\xff", DEFAULT_DEPTH, &mut log)?;
/// assert_eq!(
///     log.0.join(", "),
///     "{ 1, integer 7, key, [ 2, nil, item 1, bytes [255], item 2, ] 2, entry, } 1",
/// );
/// # Ok::<(), msgpack::Error>(())
/// ```
pub fn decode<V: Visitor>(bytes: &[u8], depth: usize, visitor: &mut V) -> Result<(), Error> {
    let limit = depth.min(MAX_DEPTH);
    let mut reader = Reader { input: Input::new(bytes), limit, owed: 0, visitor };
    reader.value(limit)?;
    reader.end()
}

struct Reader<'a, V> {
    input: Input<'a>,
    limit: usize,
    /// The values that the arrays and maps around the present place still lack, and so the bytes they take at least.
    owed: usize,
    visitor: &'a mut V,
}

// The visitor may jump over the frames of `decode`, so nothing in them may need dropping.
const _: () = assert!(
    !std::mem::needs_drop::<Reader<'static, Vec<u8>>>() && !std::mem::needs_drop::<Result<Token<'static>, Error>>()
);

impl<V: Visitor> Reader<'_, V> {
    fn end(&self) -> Result<(), Error> {
        match self.input.rest {
            [] => Ok(()),
            _ => Err(Error::new(self.input.position(), ErrorKind::TrailingBytes)),
        }
    }

    /// Reads a value in which `room` more arrays and maps may be nested.
    fn value(&mut self, room: usize) -> Result<(), Error> {
        let start = self.input.position();
        match self.input.token()? {
            Token::Scalar(scalar) => self.scalar(scalar),
            Token::Array(length) => {
                let room = self.enter(start, room)?;
                let length = self.claim(start, length, 1)?;
                self.array(room, length)?;
            }
            Token::Map(length) => {
                let room = self.enter(start, room)?;
                let length = self.claim(start, length, 2)?;
                self.map(room, length)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn scalar(&mut self, scalar: Scalar<'_>) {
        match scalar {
            Scalar::Nil => self.visitor.null(),
            Scalar::Boolean(value) => self.visitor.boolean(value),
            Scalar::Integer(value) => self.visitor.integer(value),
            Scalar::Unsigned(value) => self.visitor.unsigned(value),
            Scalar::Number(value) => self.visitor.number(value),
            Scalar::String(value) => self.visitor.string(value.as_bytes()),
            Scalar::Bytes(value) => self.visitor.bytes(value),
        }
    }

    fn enter(&self, start: usize, room: usize) -> Result<usize, Error> {
        match room.checked_sub(1) {
            Some(room) => Ok(room),
            None => Err(Error::new(start, ErrorKind::TooDeep { limit: self.limit })),
        }
    }

    /// Sees to it that what is left can hold `length` times as many values as `each`, beside those owed already.
    ///
    /// Without the latter each of 128 arrays inside each other could announce as many items as there are bytes left,
    /// and a visitor that makes room for them would take 128 times as much.
    fn claim(&mut self, start: usize, length: u32, each: usize) -> Result<usize, Error> {
        let left = self.input.rest.len();
        let items = usize::try_from(length).ok().filter(|items| *items <= left / each);
        let Some(items) = items else {
            return Err(Error::new(start, ErrorKind::LengthBeyondEnd { length }));
        };
        self.owed += items * each;
        if self.owed > left {
            return Err(self.input.end());
        }
        Ok(items)
    }

    fn array(&mut self, room: usize, length: usize) -> Result<(), Error> {
        self.visitor.array_begin(length);
        for index in 1..=length {
            self.owed -= 1;
            self.value(room)?;
            self.visitor.array_item(index);
        }
        self.visitor.array_end(length);
        Ok(())
    }

    fn map(&mut self, room: usize, length: usize) -> Result<(), Error> {
        self.visitor.object_begin(length);
        for _ in 0..length {
            self.owed -= 2;
            self.key()?;
            self.value(room)?;
            self.visitor.object_entry();
        }
        self.visitor.object_end(length);
        Ok(())
    }

    fn key(&mut self) -> Result<(), Error> {
        let start = self.input.position();
        let bad = match self.input.token()? {
            Token::Scalar(Scalar::Nil) => BadKey::Nil,
            Token::Scalar(Scalar::Number(value)) if value.is_nan() => BadKey::Nan,
            Token::Scalar(scalar) => {
                match scalar {
                    Scalar::String(key) => self.visitor.key(key.as_bytes()),
                    _ => self.scalar(scalar),
                }
                self.visitor.object_key();
                return Ok(());
            }
            Token::Array(_) => BadKey::Array,
            Token::Map(_) => BadKey::Map,
        };
        Err(Error::new(start, ErrorKind::BadKey(bad)))
    }
}
