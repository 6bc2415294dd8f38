// SPDX-License-Identifier: MIT OR Apache-2.0
//! The grammar. It does not recurse: senders check their documents on stacks that may be small.

use super::error::{Error, ErrorKind, Expected};
use super::input::Input;
use super::tape::Token;
use crate::depth::MAX_DEPTH;

/// What is told what the document holds, in its order.
pub(super) trait Sink {
    /// Are strings and numbers wanted, or only checked?
    const DECODE: bool;
    fn key(&mut self, key: Token);
    fn scalar(&mut self, value: Token);
    fn open_array(&mut self);
    fn open_object(&mut self);
    /// The innermost array or object ends.
    fn close(&mut self);
    /// Where strings with escapes are decoded to.
    fn decoded(&mut self) -> &mut Vec<u8>;
}

/// Reads one whole document. Gives its text.
pub(super) fn read<'a, S: Sink>(bytes: &'a [u8], depth: usize, sink: &mut S) -> Result<&'a str, Error> {
    let input = Input::new(bytes)?;
    let nesting = Nesting { limit: depth.min(MAX_DEPTH), depth: 0, objects: [0; MAX_DEPTH / 64] };
    let mut reader = Reader { input, nesting, sink };
    loop {
        if reader.value()? {
            continue;
        }
        if !reader.next_value()? {
            return match reader.input.token() {
                None => Ok(reader.input.text),
                Some(_) => Err(Error::new(reader.input.position, ErrorKind::TrailingText)),
            };
        }
    }
}

/// The arrays and objects around the present place: a bit for each, set for objects.
struct Nesting {
    limit: usize,
    depth: usize,
    objects: [u64; MAX_DEPTH / 64],
}

impl Nesting {
    #[inline]
    fn enter(&mut self, input: &Input<'_>, object: bool) -> Result<(), Error> {
        if self.depth >= self.limit {
            return Err(Error::new(input.position, ErrorKind::TooDeep { limit: self.limit }));
        }
        if let Some(word) = self.objects.get_mut(self.depth / 64) {
            let bit = self.depth % 64;
            *word = *word & !(1 << bit) | u64::from(object) << bit;
        }
        self.depth += 1;
        Ok(())
    }

    /// Is the innermost an object? `None` outside of all.
    #[inline]
    fn in_object(&self) -> Option<bool> {
        let top = self.depth.checked_sub(1)?;
        self.objects.get(top / 64).map(|word| word >> (top % 64) & 1 == 1)
    }
}

struct Reader<'a, 's, S> {
    input: Input<'a>,
    nesting: Nesting,
    sink: &'s mut S,
}

impl<S: Sink> Reader<'_, '_, S> {
    /// Reads a value, or the beginning of an array or object up to its first value: then `true`.
    #[inline]
    fn value(&mut self) -> Result<bool, Error> {
        let input = &mut self.input;
        let scalar = match input.token() {
            Some(b'"') => input.string::<S>(self.sink)?,
            Some(b'-' | b'0'..=b'9') => input.number::<S>()?,
            Some(b'{') => return self.object(),
            Some(b'[') => return self.array(),
            Some(b'n') => input.literal(b"null", Expected::Null).map(|()| Token::Null)?,
            Some(b't') => input.literal(b"true", Expected::True).map(|()| Token::Boolean(true))?,
            Some(b'f') => input.literal(b"false", Expected::False).map(|()| Token::Boolean(false))?,
            _ => return Err(input.unexpected(Expected::Value)),
        };
        self.sink.scalar(scalar);
        Ok(false)
    }

    #[inline]
    fn object(&mut self) -> Result<bool, Error> {
        self.nesting.enter(&self.input, true)?;
        self.input.position += 1;
        self.sink.open_object();
        if self.input.token() != Some(b'}') {
            self.key(Expected::KeyOrBrace)?;
            return Ok(true);
        }
        self.leave();
        Ok(false)
    }

    #[inline]
    fn array(&mut self) -> Result<bool, Error> {
        self.nesting.enter(&self.input, false)?;
        self.input.position += 1;
        self.sink.open_array();
        if self.input.token() != Some(b']') {
            return Ok(true);
        }
        self.leave();
        Ok(false)
    }

    /// Passes the closing bracket at the present place.
    #[inline]
    fn leave(&mut self) {
        self.input.position += 1;
        self.nesting.depth -= 1;
        self.sink.close();
    }

    /// After a value: leaves what ends here. `false` if that was all.
    #[inline]
    fn next_value(&mut self) -> Result<bool, Error> {
        while let Some(object) = self.nesting.in_object() {
            match (self.input.token(), object) {
                (Some(b','), true) => {
                    self.input.position += 1;
                    self.key(Expected::Key)?;
                    return Ok(true);
                }
                (Some(b','), false) => {
                    self.input.position += 1;
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.leave(),
                (_, true) => return Err(self.input.unexpected(Expected::CommaOrBrace)),
                (_, false) => return Err(self.input.unexpected(Expected::CommaOrBracket)),
            }
        }
        Ok(false)
    }

    #[inline]
    fn key(&mut self, expected: Expected) -> Result<(), Error> {
        if self.input.token() != Some(b'"') {
            return Err(self.input.unexpected(expected));
        }
        let key = self.input.string::<S>(self.sink)?;
        self.sink.key(key);
        if self.input.token() != Some(b':') {
            return Err(self.input.unexpected(Expected::Colon));
        }
        self.input.position += 1;
        Ok(())
    }
}
