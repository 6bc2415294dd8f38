// SPDX-License-Identifier: MIT OR Apache-2.0
//! A document's values in its order, each array and object with its size: what is known before a visitor is called.

use super::grammar::Sink;
use crate::visitor::Visitor;

/// One value, or an object's key: its kind in the low byte of `head`, above that a length.
///
/// Two words, and no enum: that would be written in pieces and then copied as a whole, for which a processor waits until
/// the pieces have left its store buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    head: u64,
    value: u64,
}

const NULL: u8 = 0;
const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const UNSIGNED: u8 = 3;
const NUMBER: u8 = 4;
/// A string that stands in the document as it is, at the offset `value`.
const PLAIN: u8 = 5;
/// A string whose escapes were decoded, in the tape's own text.
const DECODED: u8 = 6;
/// As many items follow as its length says.
const ARRAY: u8 = 7;
/// As many keys follow as its length says, each before its value.
const OBJECT: u8 = 8;

impl Token {
    /// Nothing has 2^56 bytes.
    #[inline]
    const fn new(kind: u8, length: usize, value: u64) -> Self {
        Self { head: (length as u64) << 8 | kind as u64, value }
    }

    pub(super) fn null() -> Self {
        Self::new(NULL, 0, 0)
    }

    pub(super) fn boolean(value: bool) -> Self {
        Self::new(BOOLEAN, 0, value.into())
    }

    pub(super) fn integer(value: i64) -> Self {
        Self::new(INTEGER, 0, value.cast_unsigned())
    }

    pub(super) fn unsigned(value: u64) -> Self {
        Self::new(UNSIGNED, 0, value)
    }

    pub(super) fn number(value: f64) -> Self {
        Self::new(NUMBER, 0, value.to_bits())
    }

    pub(super) fn plain(start: usize, length: usize) -> Self {
        Self::new(PLAIN, length, start as u64)
    }

    pub(super) fn decoded(start: usize, length: usize) -> Self {
        Self::new(DECODED, length, start as u64)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low byte is the kind")]
    fn kind(self) -> u8 {
        self.head as u8
    }

    fn length(self) -> usize {
        (self.head >> 8) as usize
    }

    /// The string of this token in `text`, which is the one that its kind says.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it was an offset before")]
    fn piece(self, text: &[u8]) -> &[u8] {
        let start = self.value as usize;
        text.get(start..start + self.length()).unwrap_or_default()
    }
}

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

    /// A copy of what was read last.
    pub(super) fn document(&self) -> Document {
        Document { tokens: self.tokens.as_slice().into(), decoded: self.decoded.as_slice().into() }
    }

    fn begin(&mut self, token: Token) {
        self.open.push((self.tokens.len(), self.count));
        self.tokens.push(token);
        self.count = 0;
    }
}

/// A document that [`read`](super::read) has read, without its text: 16 bytes for each value and each key, and the strings
/// that had escapes.
///
/// Thread: any.
#[derive(Debug)]
pub struct Document {
    tokens: Box<[Token]>,
    decoded: Box<[u8]>,
}

impl Document {
    /// Calls `visitor` for the values of the document, as [`decode`](super::decode) does. `bytes`: those that were read.
    pub fn visit<V: Visitor>(&self, bytes: &[u8], visitor: &mut V) {
        Walk { rest: self.tokens.iter(), text: bytes, decoded: &self.decoded, visitor }.value();
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
        self.begin(Token::new(ARRAY, 0, 0));
    }

    fn open_object(&mut self) {
        self.begin(Token::new(OBJECT, 0, 0));
    }

    fn close(&mut self) {
        let Some((begin, outside)) = self.open.pop() else { return };
        if let Some(token) = self.tokens.get_mut(begin) {
            *token = Token::new(token.kind(), self.count, 0);
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
        let Some(&token) = self.rest.next() else { return };
        match token.kind() {
            NULL => self.visitor.null(),
            BOOLEAN => self.visitor.boolean(token.value != 0),
            INTEGER => self.visitor.integer(token.value.cast_signed()),
            UNSIGNED => self.visitor.unsigned(token.value),
            NUMBER => self.visitor.number(f64::from_bits(token.value)),
            PLAIN => self.visitor.string(token.piece(self.text)),
            DECODED => self.visitor.string(token.piece(self.decoded)),
            ARRAY => self.array(token.length()),
            _ => self.object(token.length()),
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
        let Some(&token) = self.rest.next() else { return };
        let text = if token.kind() == PLAIN { self.text } else { self.decoded };
        self.visitor.key(token.piece(text));
    }
}
