// SPDX-License-Identifier: MIT OR Apache-2.0
//! A document's values in its order, each array and object with its size: what is known before a visitor is called.

use super::grammar::Sink;
use crate::visitor::Visitor;

/// One value, or an object's key. Lengths are of 48 bits, so that a token takes 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Number(f64),
    /// A string that stands in the document as it is.
    Plain {
        high: u16,
        low: u32,
        start: u64,
    },
    /// A string whose escapes were decoded, in the tape's own text.
    Decoded {
        high: u16,
        low: u32,
        start: u64,
    },
    /// So many items follow.
    Array(usize),
    /// So many keys follow, each before its value.
    Object(usize),
}

const _: () = assert!(size_of::<Token>() == 16);

/// Memory for [`decode`](super::decode), which is used again where the same one is given again.
///
/// What it holds before and after means nothing.
///
/// Thread: any.
#[derive(Debug, Default)]
pub struct Tape {
    tokens: Vec<Token>,
    decoded: Vec<u8>,
    /// The arrays and objects around the present place: where they began, and the count in what was around them.
    open: Vec<(usize, usize)>,
    /// Values in the innermost of them, so far.
    count: usize,
}

impl Tape {
    /// The bytes that it holds on to.
    pub fn capacity(&self) -> usize {
        self.tokens.capacity() * size_of::<Token>()
            + self.decoded.capacity()
            + self.open.capacity() * size_of::<(usize, usize)>()
    }

    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.decoded.clear();
        self.open.clear();
        self.count = 0;
    }

    /// Calls the visitor for all values of the document `text`, which this was made of.
    pub(super) fn visit<V: Visitor>(&self, text: &str, visitor: &mut V) {
        Walk { rest: self.tokens.iter(), text: text.as_bytes(), decoded: &self.decoded, visitor }.value();
    }

    fn begin(&mut self, token: Token) {
        self.open.push((self.tokens.len(), self.count));
        self.tokens.push(token);
        self.count = 0;
    }
}

impl Sink for Tape {
    const DECODE: bool = true;

    #[inline]
    fn key(&mut self, key: Token) {
        self.tokens.push(key);
    }

    #[inline]
    fn scalar(&mut self, value: Token) {
        self.tokens.push(value);
        self.count += 1;
    }

    fn open_array(&mut self) {
        self.begin(Token::Array(0));
    }

    fn open_object(&mut self) {
        self.begin(Token::Object(0));
    }

    fn close(&mut self) {
        let Some((begin, outside)) = self.open.pop() else { return };
        if let Some(Token::Array(count) | Token::Object(count)) = self.tokens.get_mut(begin) {
            *count = self.count;
        }
        self.count = outside + 1;
    }

    fn decoded(&mut self) -> &mut Vec<u8> {
        &mut self.decoded
    }
}

struct Walk<'a, V> {
    rest: std::slice::Iter<'a, Token>,
    text: &'a [u8],
    decoded: &'a [u8],
    visitor: &'a mut V,
}

// The visitor may jump over the frames of a walk, so nothing in them may need dropping.
const _: () = assert!(!std::mem::needs_drop::<Walk<'static, Tape>>());

impl<V: Visitor> Walk<'_, V> {
    #[inline(always)]
    fn value(&mut self) {
        let Some(token) = self.rest.next() else { return };
        match *token {
            Token::Null => self.visitor.null(),
            Token::Boolean(value) => self.visitor.boolean(value),
            Token::Integer(value) => self.visitor.integer(value),
            Token::Unsigned(value) => self.visitor.unsigned(value),
            Token::Number(value) => self.visitor.number(value),
            Token::Plain { high, low, start } => self.visitor.string(piece(self.text, high, low, start)),
            Token::Decoded { high, low, start } => self.visitor.string(piece(self.decoded, high, low, start)),
            Token::Array(length) => self.array(length),
            Token::Object(length) => self.object(length),
        }
    }

    fn array(&mut self, length: usize) {
        self.visitor.array_begin(length);
        for index in 1..=length {
            self.value();
            self.visitor.array_item(index);
        }
        self.visitor.array_end(length);
    }

    fn object(&mut self, length: usize) {
        self.visitor.object_begin(length);
        for _ in 0..length {
            self.key();
            self.visitor.object_key();
            self.value();
            self.visitor.object_entry();
        }
        self.visitor.object_end(length);
    }

    #[inline]
    fn key(&mut self) {
        match self.rest.next() {
            Some(&Token::Plain { high, low, start }) => self.visitor.key(piece(self.text, high, low, start)),
            Some(&Token::Decoded { high, low, start }) => self.visitor.key(piece(self.decoded, high, low, start)),
            _ => {}
        }
    }
}

/// The token for the string of so many bytes at `start` in `text` or, if `decoded`, in the tape's own text.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "split into a low and a high part; nothing has 2^48 bytes")]
pub(super) fn string(start: usize, length: usize, decoded: bool) -> Token {
    let (high, low, start) = ((length as u64 >> 32) as u16, length as u32, start as u64);
    if decoded { Token::Decoded { high, low, start } } else { Token::Plain { high, low, start } }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "these were offsets before")]
fn piece(text: &[u8], high: u16, low: u32, start: u64) -> &[u8] {
    let length = (u64::from(high) << 32 | u64::from(low)) as usize;
    let start = start as usize;
    text.get(start..start + length).unwrap_or_default()
}
