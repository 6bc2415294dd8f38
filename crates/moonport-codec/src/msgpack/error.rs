// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a document was refused, and at which byte.

use std::fmt;

/// Why a document was refused, and where.
///
/// `offset` counts bytes from 0. It is the first byte of the offending value, or the length of the input when that
/// ends too soon; [`ErrorKind`] says for each kind which byte offends.
///
/// Thread: any. Owns nothing: it is `Copy`, so a frame that holds one may be jumped over.
///
/// ```
/// use moonport_codec::msgpack::{self, DEFAULT_DEPTH, ErrorKind};
///
/// let error = msgpack::check(b"\x92\x01\xd4\x05\x00", DEFAULT_DEPTH).unwrap_err();
/// assert_eq!(error.offset, 2);
/// assert_eq!(error.kind, ErrorKind::Extension { number: 5 });
/// assert_eq!(error.to_string(), "extension type 5 is not supported at byte 2");
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
    ///
    /// Found as soon as what is left cannot hold what the arrays and maps around it still lack, one byte each.
    UnexpectedEnd,
    /// A length that what is left cannot hold; the offset is the string's, array's or map's first byte.
    ///
    /// Each item of an array takes at least one byte, each entry of a map two.
    LengthBeyondEnd {
        /// What the document says: bytes of a string, items of an array, entries of a map.
        length: u32,
    },
    /// The byte 0xc1, which stands for nothing; the offset is that byte.
    UnusedByte,
    /// An extension, which no type of Lua stands for; the offset is its first byte. A timestamp is number -1.
    Extension {
        /// The extension type, as the document has it.
        number: i8,
    },
    /// A string that is not UTF-8; the offset is the first byte of the first bad or cut sequence in it.
    InvalidUtf8,
    /// A map key that Lua cannot hold, or cannot find again; the offset is its first byte.
    BadKey(BadKey),
    /// More arrays and maps inside each other than the limit allows; the offset is the first byte of the first one too
    /// many.
    TooDeep {
        /// The greatest nesting allowed.
        limit: usize,
    },
    /// Something after the value; the offset is its first byte.
    TrailingBytes,
}

/// What was a map's key and cannot be one.
///
/// Thread: any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadKey {
    /// Nil.
    Nil,
    /// A float that is not a number.
    Nan,
    /// An array.
    Array,
    /// A map.
    Map,
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
            Self::UnexpectedEnd => "unexpected end of the input",
            Self::LengthBeyondEnd { length } => {
                return write!(formatter, "length {length} is beyond the end of the input");
            }
            Self::UnusedByte => "expected a value, found 0xc1",
            Self::Extension { number } => return write!(formatter, "extension type {number} is not supported"),
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::BadKey(key) => return write!(formatter, "{key} cannot be a map key"),
            Self::TooDeep { limit } => return write!(formatter, "nested deeper than {limit}"),
            Self::TrailingBytes => "unexpected bytes after the value",
        })
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nil => "nil",
            Self::Nan => "NaN",
            Self::Array => "an array",
            Self::Map => "a map",
        })
    }
}
