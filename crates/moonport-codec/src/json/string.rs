// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads one string: as a piece of the text, or through the scratch buffer when it has escapes.

use super::error::{Error, ErrorKind};
use super::input::Input;
use super::scan::plain_end;

impl<'a> Input<'a> {
    /// Reads the string whose opening quote is at the present place. Unless `DECODE`, a string with escapes is only
    /// checked and comes out empty.
    #[inline]
    pub(super) fn string<'s, const DECODE: bool>(&mut self, scratch: &'s mut Vec<u8>) -> Result<&'s str, Error>
    where
        'a: 's,
    {
        let start = self.position + 1;
        let end = plain_end(self.text.as_bytes(), start);
        if self.byte(end) == Some(b'"') {
            self.position = end + 1;
            return self.slice(start, end);
        }
        self.escaped_string::<DECODE>(start, end, scratch)
    }

    /// Reads on at `end`, the first byte of a string that is not plain.
    fn escaped_string<'s, const DECODE: bool>(
        &mut self,
        mut start: usize,
        mut end: usize,
        scratch: &'s mut Vec<u8>,
    ) -> Result<&'s str, Error> {
        scratch.clear();
        loop {
            if DECODE {
                scratch.extend_from_slice(self.slice(start, end)?.as_bytes());
            }
            match self.byte(end) {
                Some(b'"') => break,
                Some(b'\\') => start = self.escape::<DECODE>(end, scratch)?,
                Some(_) => return Err(Error::new(end, ErrorKind::ControlCharacter)),
                None => return Err(self.end()),
            }
            end = plain_end(self.text.as_bytes(), start);
        }
        self.position = end + 1;
        str::from_utf8(scratch).map_err(|_| Error::new(start, ErrorKind::InvalidUtf8))
    }

    /// Reads the escape whose backslash is at `at`; gives the offset after it.
    fn escape<const DECODE: bool>(&self, at: usize, scratch: &mut Vec<u8>) -> Result<usize, Error> {
        let (decoded, next) = match self.byte(at + 1) {
            Some(b'u') => self.unicode_escape(at)?,
            Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(byte), at + 2),
            Some(b'b') => ('\u{8}', at + 2),
            Some(b'f') => ('\u{c}', at + 2),
            Some(b'n') => ('\n', at + 2),
            Some(b'r') => ('\r', at + 2),
            Some(b't') => ('\t', at + 2),
            Some(_) => return Err(Error::new(at + 1, ErrorKind::BadEscape)),
            None => return Err(self.end()),
        };
        if DECODE {
            scratch.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(next)
    }

    /// Reads `\uXXXX`, or the two of them that make up a character beyond U+FFFF (RFC 8259, section 7).
    fn unicode_escape(&self, at: usize) -> Result<(char, usize), Error> {
        let first = self.hex(at + 2)?;
        if let Some(decoded) = char::from_u32(first) {
            return Ok((decoded, at + 6));
        }
        let lone = Error::new(at, ErrorKind::LoneSurrogate);
        if first >= 0xdc00 {
            return Err(lone);
        }
        for (offset, wanted) in [(at + 6, b'\\'), (at + 7, b'u')] {
            match self.byte(offset) {
                Some(byte) if byte == wanted => {}
                Some(_) => return Err(lone),
                None => return Err(self.end()),
            }
        }
        let second = self.hex(at + 8)?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(lone);
        }
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        Ok((char::from_u32(code).ok_or(lone)?, at + 12))
    }

    fn hex(&self, at: usize) -> Result<u32, Error> {
        let mut value = 0;
        for offset in at..at + 4 {
            let byte = self.byte(offset).ok_or_else(|| self.end())?;
            match char::from(byte).to_digit(16) {
                Some(digit) => value = value * 16 + digit,
                None => return Err(Error::new(offset, ErrorKind::BadEscape)),
            }
        }
        Ok(value)
    }
}
