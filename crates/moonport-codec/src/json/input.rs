// SPDX-License-Identifier: MIT OR Apache-2.0
//! The text being read and the place in it. `string` and `number` add how one token of each is read.

use super::error::{Error, ErrorKind, Expected};
use crate::utf8;

#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) text: &'a str,
    pub(super) position: usize,
}

impl<'a> Input<'a> {
    /// Checks the encoding of the whole text, so that no token has to.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        match utf8::text(bytes) {
            Ok(text) => Ok(Self { text, position: 0 }),
            Err(offset) => Err(Error::new(offset, ErrorKind::InvalidUtf8)),
        }
    }

    pub(super) fn byte(&self, offset: usize) -> Option<u8> {
        self.text.as_bytes().get(offset).copied()
    }

    /// The first byte of the next token, which stays; white space before it is passed.
    #[inline]
    pub(super) fn token(&mut self) -> Option<u8> {
        loop {
            match self.byte(self.position) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.position += 1,
                other => return other,
            }
        }
    }

    /// Reads the rest of `null`, `true` or `false`, whose first byte has been seen.
    #[inline]
    pub(super) fn literal(&mut self, name: &[u8], expected: Expected) -> Result<(), Error> {
        let rest = self.text.as_bytes().get(self.position..);
        if rest.is_some_and(|rest| rest.starts_with(name)) {
            self.position += name.len();
            return Ok(());
        }
        for wanted in name {
            if self.byte(self.position) != Some(*wanted) {
                break;
            }
            self.position += 1;
        }
        Err(self.unexpected(expected))
    }

    /// A piece of the text. Its ends are next to ASCII bytes, or the text's own, so there always is one.
    #[inline]
    pub(super) fn slice(&self, start: usize, end: usize) -> Result<&'a str, Error> {
        match self.text.get(start..end) {
            Some(piece) => Ok(piece),
            None => Err(Error::new(start, ErrorKind::InvalidUtf8)),
        }
    }

    /// Is this the last byte before the present place, but for white space?
    #[cold]
    pub(super) fn follows(&self, wanted: u8) -> bool {
        let before = self.text.as_bytes().get(..self.position).unwrap_or_default();
        before.trim_ascii_end().last() == Some(&wanted)
    }

    /// The error for the byte at the present place, or for the lack of one.
    #[cold]
    pub(super) fn unexpected(&self, expected: Expected) -> Error {
        let kind = if self.position >= self.text.len() {
            ErrorKind::UnexpectedEnd
        } else if self.position == 0 && self.text.starts_with('\u{feff}') {
            ErrorKind::ByteOrderMark
        } else {
            ErrorKind::UnexpectedByte(expected)
        };
        Error::new(self.position, kind)
    }

    /// The error for a text that ends too soon.
    #[cold]
    pub(super) fn end(&self) -> Error {
        Error::new(self.text.len(), ErrorKind::UnexpectedEnd)
    }
}
