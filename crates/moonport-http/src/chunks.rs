// SPDX-License-Identifier: MIT OR Apache-2.0
//! The strict reading of a chunked body (RFC 9112, section 7.1) as it passes to hyper, which is more lenient and does
//! not say where the body ended. A pure machine over bytes.

use crate::head::{is_token_byte, is_value_byte};

/// Bytes that all chunk extensions of a body together, and all its trailers together, may take.
const EXTRA: usize = 8192;

/// Where in a chunked body the next byte belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    state: State,
    /// Of the chunk whose size is being read.
    size: u64,
    digits: u8,
    /// Of data in all chunks whose size has been read.
    announced: u64,
    extra: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// White space before an extension (bad, but to be borne).
    Gap,
    Extension,
    SizeFeed,
    Data(u64),
    DataReturn,
    DataFeed,
    /// The start of a trailer or of the last empty line.
    Line,
    Name,
    Value,
    LineFeed,
    LastFeed,
    Done,
}

/// What is wrong with a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl Chunks {
    /// Reads on. Gives how many of the bytes belong to the body: all, unless it ends before.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if let State::Data(left) = self.state {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                let left = left - count as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data(left) };
                at += count;
                continue;
            }
            self.state = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// Has the body ended?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The sum of the sizes of the chunks that have begun.
    #[must_use]
    pub fn announced(&self) -> u64 {
        self.announced
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        match (self.state, byte) {
            (State::Size, _) => self.step_size(byte),
            (State::Gap, b' ' | b'\t') => self.spend(State::Gap),
            (State::Gap, b';') => self.spend(State::Extension),
            (State::Extension, b'\r') => Ok(State::SizeFeed),
            (State::Extension, _) if is_value_byte(byte) => self.spend(State::Extension),
            (State::SizeFeed, b'\n') if self.size == 0 => Ok(State::Line),
            (State::SizeFeed, b'\n') => {
                self.announced = self.announced.saturating_add(self.size);
                Ok(State::Data(self.size))
            }
            (State::Gap | State::Extension | State::SizeFeed, _) => {
                Err(Malformed("a chunk's size is not followed by an extension or a line end"))
            }
            (State::DataReturn, b'\r') => Ok(State::DataFeed),
            (State::DataFeed, b'\n') => {
                self.size = 0;
                self.digits = 0;
                Ok(State::Size)
            }
            (State::Line, b'\r') => Ok(State::LastFeed),
            (State::Line, _) if is_token_byte(byte) => self.spend(State::Name),
            (State::Name, b':') => self.spend(State::Value),
            (State::Name, _) if is_token_byte(byte) => self.spend(State::Name),
            (State::Value, b'\r') => Ok(State::LineFeed),
            (State::Value, _) if is_value_byte(byte) => self.spend(State::Value),
            (State::LineFeed, b'\n') => Ok(State::Line),
            (State::LastFeed, b'\n') => Ok(State::Done),
            (State::DataReturn | State::DataFeed, _) => Err(Malformed("a chunk is longer than its size")),
            _ => Err(Malformed("a trailer is not a header")),
        }
    }

    fn step_size(&mut self, byte: u8) -> Result<State, Malformed> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if self.digits > 0 => return Ok(State::SizeFeed),
            b';' if self.digits > 0 => return self.spend(State::Extension),
            b' ' | b'\t' if self.digits > 0 => return self.spend(State::Gap),
            _ => return Err(Malformed("a chunk's size is not a hexadecimal number")),
        };
        self.digits += 1;
        if self.digits > 16 {
            return Err(Malformed("a chunk's size is too large"));
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(State::Size)
    }

    fn spend(&mut self, state: State) -> Result<State, Malformed> {
        self.extra += 1;
        if self.extra > EXTRA { Err(Malformed("the chunks carry too much that is not data")) } else { Ok(state) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(usize, u64), Malformed> {
        let mut whole = Chunks::default();
        let result = whole.advance(text.as_bytes());
        let mut single = Chunks::default();
        let bytes = text.bytes().try_fold(0, |sum, byte| single.advance(&[byte]).map(|count| sum + count));
        assert_eq!(result, bytes, "{text:?} in one piece and in single bytes");
        assert!(result.is_err() || whole.is_done() == single.is_done());
        result.map(|count| (count, whole.announced()))
    }

    #[test]
    fn whole_bodies_end_where_they_end() {
        for (text, data) in [
            ("0\r\n\r\n", 0),
            ("5\r\nhello\r\n0\r\n\r\n", 5),
            ("0005\r\nhello\r\n000\r\n\r\n", 5),
            ("a\r\n0123456789\r\nA;x=\"y\"\r\n0123456789\r\n0;z\r\nX-Sum: 1\r\nY:\r\n\r\n", 20),
            ("1 \t;x\r\na\r\n0\r\n\r\n", 1),
        ] {
            assert_eq!(read(&format!("{text}GET")), Ok((text.len(), data)), "{text:?}");
            let mut chunks = Chunks::default();
            assert_eq!(chunks.advance(&text.as_bytes()[..text.len() - 1]), Ok(text.len() - 1));
            assert!(!chunks.is_done());
        }
        assert_eq!(read("7fffffffffffffff\r\nhello"), Ok((23, i64::MAX as u64)));
    }

    #[test]
    fn loose_bodies_are_refused() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 \r\n",
            ";\r\n",
            "00000000000000001\r\n",
            "5\nhello",
            "5\rhello",
            "5;a\nhello",
            "5;\0\r\n",
            "5\r\nhello0\r\n",
            "5\r\nhello\n0\r\n",
            "5\r\nhello\r0\r\n",
            "0\r\n\n",
            "0\r\nnonsense\r\n",
            "0\r\n: x\r\n",
            "0\r\n x: y\r\n",
            "0\r\nX: a\n",
            "0\r\nX: a\0\r\n",
            "0\r\n\rx",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(read(&format!("5;{}", "a".repeat(EXTRA + 1))).is_err());
        assert!(read(&format!("0\r\n{}", "X: a\r\n".repeat(EXTRA))).is_err());
    }
}
