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
    let nesting = Nesting { limit: depth.min(MAX_DEPTH), depth: 0, in_object: false, objects: [0; MAX_DEPTH / 64] };
    let mut reader = Reader { input: Input::new(bytes)?, nesting, sink };
    loop {
        if reader.nesting.in_object {
            reader.key()?;
        }
        let opened = reader.value()?;
        if opened || reader.next()? {
            continue;
        }
        return match reader.input.token() {
            None => Ok(reader.input.text),
            Some(_) => Err(Error::new(reader.input.position, ErrorKind::TrailingText)),
        };
    }
}

/// The arrays and objects around the present place: a bit for each, set for objects.
struct Nesting {
    limit: usize,
    depth: usize,
    /// Is the innermost an object?
    in_object: bool,
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
        self.in_object = object;
        Ok(())
    }

    #[inline]
    fn leave(&mut self) {
        self.depth -= 1;
        let around = self.depth.wrapping_sub(1);
        self.in_object = self.objects.get(around / 64).is_some_and(|word| word >> (around % 64) & 1 == 1);
    }
}

struct Reader<'a, 's, S> {
    input: Input<'a>,
    nesting: Nesting,
    sink: &'s mut S,
}

impl<S: Sink> Reader<'_, '_, S> {
    /// Reads the key of the next value.
    #[inline(always)]
    fn key(&mut self) -> Result<(), Error> {
        if self.input.token() != Some(b'"') {
            let expected = if self.input.follows(b'{') { Expected::KeyOrBrace } else { Expected::Key };
            return Err(self.input.unexpected(expected));
        }
        self.input.string(self.sink, S::key)?;
        if self.input.token() != Some(b':') {
            return Err(self.input.unexpected(Expected::Colon));
        }
        self.input.position += 1;
        Ok(())
    }

    /// Reads a value, or the beginning of an array or object that is not empty: then `true`.
    #[inline(always)]
    fn value(&mut self) -> Result<bool, Error> {
        let input = &mut self.input;
        let scalar = match input.token() {
            Some(b'"') => return input.string(self.sink, S::scalar).map(|()| false),
            Some(b'-' | b'0'..=b'9') => input.number::<S>()?,
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b'n') => input.literal(b"null", Expected::Null).map(|()| Token::null())?,
            Some(b't') => input.literal(b"true", Expected::True).map(|()| Token::boolean(true))?,
            Some(b'f') => input.literal(b"false", Expected::False).map(|()| Token::boolean(false))?,
            _ => return Err(input.unexpected(Expected::Value)),
        };
        self.sink.scalar(scalar);
        Ok(false)
    }

    #[inline(always)]
    fn open(&mut self, object: bool) -> Result<bool, Error> {
        self.nesting.enter(&self.input, object)?;
        self.input.position += 1;
        if object {
            self.sink.open_object();
        } else {
            self.sink.open_array();
        }
        if self.input.token() != Some(if object { b'}' } else { b']' }) {
            return Ok(true);
        }
        self.leave();
        Ok(false)
    }

    /// Passes the closing bracket at the present place.
    #[inline(always)]
    fn leave(&mut self) {
        self.input.position += 1;
        self.nesting.leave();
        self.sink.close();
    }

    /// After a value: leaves what ends here, and passes the comma before the next one. `false` if that was all.
    #[inline(always)]
    fn next(&mut self) -> Result<bool, Error> {
        while self.nesting.depth > 0 {
            match (self.input.token(), self.nesting.in_object) {
                (Some(b','), _) => {
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
}
