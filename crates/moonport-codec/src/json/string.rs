// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads one string: a piece of the document, or decoded into a text beside it when it has escapes.

use super::error::{Error, ErrorKind};
use super::grammar::Sink;
use super::input::Input;
use super::scan::{copy_plain, plain_end};
use super::tape::Token;

/// What the letter after a backslash stands for; 0 for none.
const LETTERS: [u8; 128] = {
    let mut table = [0; 128];
    let pairs = *b"\"\"\\\\//b\x08f\x0cn\nr\rt\t";
    let mut at = 0;
    while at < pairs.len() {
        table[pairs[at] as usize] = pairs[at + 1];
        at += 2;
    }
    table
};

impl Input<'_> {
    /// Reads the string whose opening quote is at the present place, and gives its token to `take`. Unless the sink decodes,
    /// one with escapes is only checked and comes out empty.
    #[inline(always)]
    pub(super) fn string<S: Sink>(&mut self, sink: &mut S, take: impl FnOnce(&mut S, Token)) -> Result<(), Error> {
        let start = self.position + 1;
        let end = plain_end(self.text.as_bytes(), start);
        if self.byte(end) == Some(b'"') {
            self.position = end + 1;
            take(sink, Token::plain(start, end - start));
            return Ok(());
        }
        let begin = sink.decoded().len();
        self.escaped_string::<S>(start, end, sink.decoded())?;
        let length = sink.decoded().len() - begin;
        take(sink, Token::decoded(begin, length));
        Ok(())
    }

    /// Reads on at `end`, the first byte of a string that is not plain.
    #[inline(never)]
    fn escaped_string<S: Sink>(&mut self, start: usize, end: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        if S::DECODE {
            out.extend_from_slice(self.text.as_bytes().get(start..end).unwrap_or_default());
        }
        let mut at = end;
        loop {
            match self.byte(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape::<S>(at, out)?,
                Some(_) => return Err(Error::new(at, ErrorKind::ControlCharacter)),
                None => return Err(self.end()),
            }
            at =
                if S::DECODE { copy_plain(self.text.as_bytes(), at, out) } else { plain_end(self.text.as_bytes(), at) };
        }
        self.position = at + 1;
        Ok(())
    }

    /// Reads the escape whose backslash is at `at`; gives the offset after it.
    #[inline]
    fn escape<S: Sink>(&self, at: usize, out: &mut Vec<u8>) -> Result<usize, Error> {
        let Some(letter) = self.byte(at + 1) else { return Err(self.end()) };
        if letter == b'u' {
            let (decoded, next) = self.unicode_escape(at)?;
            if S::DECODE {
                out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
            }
            return Ok(next);
        }
        match LETTERS.get(usize::from(letter)) {
            Some(0) | None => Err(Error::new(at + 1, ErrorKind::BadEscape)),
            Some(decoded) => {
                if S::DECODE {
                    out.push(*decoded);
                }
                Ok(at + 2)
            }
        }
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

    #[inline(always)]
    fn hex(&self, at: usize) -> Result<u32, Error> {
        let digits = self.text.as_bytes().get(at..).and_then(<[u8]>::first_chunk::<4>);
        let Some([a, b, c, d]) = digits.map(|digits| digits.map(digit)) else { return Err(self.bad_hex(at)) };
        if a | b | c | d > 0xf {
            return Err(self.bad_hex(at));
        }
        Ok(u32::from(a) << 12 | u32::from(b) << 8 | u32::from(c) << 4 | u32::from(d))
    }

    /// The error for the first byte that is no digit, or for the lack of one.
    #[cold]
    fn bad_hex(&self, at: usize) -> Error {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        match rest.iter().position(|byte| digit(*byte) > 0xf) {
            Some(offset) => Error::new(at + offset, ErrorKind::BadEscape),
            None => self.end(),
        }
    }
}

/// More than 15 for what is no hexadecimal digit.
#[inline]
fn digit(byte: u8) -> u8 {
    DIGITS.get(usize::from(byte)).copied().unwrap_or(u8::MAX)
}

const DIGITS: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let (lower, upper) = (*b"0123456789abcdef", *b"0123456789ABCDEF");
    let mut value: u8 = 0;
    while value < 16 {
        table[lower[value as usize] as usize] = value;
        table[upper[value as usize] as usize] = value;
        value += 1;
    }
    table
};
