// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes not yet read and the place they begin at. `token` adds how a value's first bytes are read.

use super::error::{Error, ErrorKind};

#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
    length: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// The offset of the next byte.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Reads exactly `N` bytes.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.end()),
        }
    }

    /// Reads the bytes of a string, whose first byte was at `start` and whose length the document has told.
    #[inline]
    pub(super) fn take_string(&mut self, start: usize, length: u32) -> Result<&'a [u8], Error> {
        match usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length)) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(Error::new(start, ErrorKind::LengthBeyondEnd { length })),
        }
    }

    /// The error for an input that ends too soon.
    #[cold]
    pub(super) fn end(&self) -> Error {
        Error::new(self.length, ErrorKind::UnexpectedEnd)
    }
}
