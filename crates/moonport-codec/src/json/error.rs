// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a document was refused, and at which byte.

use std::fmt;

/// Why a document was refused, and where.
///
/// `offset` counts bytes from 0. It is the offending byte, or the length of the input when that ends too soon;
/// [`ErrorKind`] says for each kind which byte offends.
///
/// Thread: any. Owns nothing: it is `Copy`, so a frame that holds one may be jumped over.
///
/// ```
/// use moonport_codec::json::{self, DEFAULT_DEPTH, ErrorKind};
///
/// let error = json::check(br#"{"a": 1 "b": 2}"#, DEFAULT_DEPTH).unwrap_err();
/// assert_eq!(error.offset, 8);
/// assert!(matches!(error.kind, ErrorKind::UnexpectedByte(_)));
/// assert_eq!(error.to_string(), "expected ',' or '}' at byte 8");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Error {
    /// The offending byte, from 0, or the length of the input when it ends too soon.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

/// What is wrong with a document.
///
/// Thread: any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends before the value does; the offset is the input's length. An empty input is this at 0.
    UnexpectedEnd,
    /// A byte that cannot stand there; the offset is that byte.
    UnexpectedByte(Expected),
    /// The document starts with a byte order mark (RFC 8259, section 8.1); the offset is 0.
    ByteOrderMark,
    /// An escape that JSON does not have; the offset is the first byte that does not fit, after the backslash.
    BadEscape,
    /// A raw control character (below 0x20) in a string; the offset is that byte.
    ControlCharacter,
    /// Not UTF-8; the offset is the first byte of the first bad or cut sequence. Found before all other kinds, so
    /// nothing has been visited yet.
    InvalidUtf8,
    /// A `\uD800` to `\uDFFF` without its partner; the offset is the backslash of the (first) escape.
    LoneSurrogate,
    /// A number with a leading zero, or without a digit where one must stand; the offset is the byte found instead.
    BadNumber,
    /// A number beyond the range of a double, such as `1e400`; the offset is the number's first byte.
    NumberOutOfRange,
    /// More arrays and objects inside each other than the limit allows; the offset is the bracket of the first one
    /// too many.
    TooDeep {
        /// The greatest nesting allowed.
        limit: usize,
    },
    /// Something other than white space after the value; the offset is its first byte.
    TrailingText,
}

/// What could have stood at an unexpected byte.
///
/// Thread: any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expected {
    /// Any value.
    Value,
    /// The rest of `null`.
    Null,
    /// The rest of `true`.
    True,
    /// The rest of `false`.
    False,
    /// A key, after a comma in an object.
    Key,
    /// A key or the end of the object that has just begun.
    KeyOrBrace,
    /// The colon after a key.
    Colon,
    /// The next item of an array or its end.
    CommaOrBracket,
    /// The next entry of an object or its end.
    CommaOrBrace,
}

impl Error {
    #[cold]
    pub(super) fn new(offset: usize, kind: ErrorKind) -> Self {
        Self { offset, kind }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at byte {}", self.kind, self.offset)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnexpectedEnd => "unexpected end of the text",
            Self::UnexpectedByte(expected) => return write!(formatter, "expected {expected}"),
            Self::ByteOrderMark => "expected a value, found a byte order mark",
            Self::BadEscape => "bad escape in a string",
            Self::ControlCharacter => "control character in a string",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::LoneSurrogate => "lone surrogate in a string",
            Self::BadNumber => "bad number",
            Self::NumberOutOfRange => "number out of range",
            Self::TooDeep { limit } => return write!(formatter, "nested deeper than {limit}"),
            Self::TrailingText => "unexpected text after the value",
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Value => "a value",
            Self::Null => "null",
            Self::True => "true",
            Self::False => "false",
            Self::Key => "a key",
            Self::KeyOrBrace => "a key or '}'",
            Self::Colon => "':'",
            Self::CommaOrBracket => "',' or ']'",
            Self::CommaOrBrace => "',' or '}'",
        })
    }
}
