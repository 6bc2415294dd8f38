// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headers of a request on their way to the owner, in one piece of memory. What hyper has read stays on the server's
//! thread: its buffer, which the owner might hold for long, and its table, in which the answer's headers go out.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The largest body that is copied with the headers. It is also the largest that goes past hyper, and of which the JSON is read
/// before the owner gets it.
pub(crate) const SMALL_BODY: usize = 8192;

/// The values of all headers of this name. A request has few headers: to look at each is cheaper than to look one up.
pub(crate) fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
    headers.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
}

/// Bytes before each header: the lengths of its name and of its value.
const LENGTHS: usize = 8;

/// The headers of a request as sent, but for their names, which are in lower case. Those of one name follow each other.
#[derive(Clone, Default)]
pub struct Headers(Bytes);

impl Headers {
    /// Names and values in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(&self.0)
    }

    /// The values of all headers of this name, which is in lower case.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// Copies headers, and the body if it is small; gives the body.
    pub(crate) fn detach(headers: &HeaderMap, body: Bytes) -> (Self, Bytes) {
        let copied = if body.len() <= SMALL_BODY { body.len() } else { 0 };
        let size: usize = headers.iter().map(|(name, value)| LENGTHS + name.as_str().len() + value.len()).sum();
        let mut all = BytesMut::with_capacity(size + copied);
        let digits = digits(body.len());
        for (name, value) in headers {
            let mut value = value.as_bytes();
            // Where a body went past hyper the gate has made zeros of its length; no other one is zero.
            if *name == CONTENT_LENGTH && !body.is_empty() && value.iter().all(|&digit| digit == b'0') {
                value = digits.get(digits.len().saturating_sub(value.len())..).unwrap_or(value);
            }
            let name = name.as_str().as_bytes();
            all.extend_from_slice(&length(name));
            all.extend_from_slice(&length(value));
            all.extend_from_slice(name);
            all.extend_from_slice(value);
        }
        if copied == 0 {
            return (Self(all.freeze()), body);
        }
        all.extend_from_slice(&body);
        let mut all = all.freeze();
        let headers = all.split_to(size);
        (Self(headers), all)
    }
}

/// The length of a small body in decimal, with zeros before it.
fn digits(length: usize) -> [u8; 4] {
    const { assert!(SMALL_BODY < 10_000) };
    let digit = |unit: usize| u8::try_from(length / unit % 10).map_or(b'0', |digit| b'0' + digit);
    [digit(1000), digit(100), digit(10), digit(1)]
}

/// No head is nearly as long as that could say.
fn length(bytes: &[u8]) -> [u8; LENGTHS / 2] {
    u32::try_from(bytes.len()).unwrap_or(0).to_ne_bytes()
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Names and values of [`Headers`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let length = |bytes: &[u8; LENGTHS / 2]| u32::from_ne_bytes(*bytes) as usize;
        let (name, rest) = rest.split_at_checked(length(name))?;
        let (value, rest) = rest.split_at_checked(length(value))?;
        self.0 = rest;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As hyper makes them: parts of one buffer.
    fn request(body: &[u8]) -> (HeaderMap, Bytes, Bytes) {
        let buffer = Bytes::from([b"one, two, \xFF", body].concat());
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_maybe_shared(buffer.slice(..3)).unwrap());
        headers.append("b", HeaderValue::from_maybe_shared(buffer.slice(3..3)).unwrap());
        headers.append("A", HeaderValue::from_maybe_shared(buffer.slice(5..8)).unwrap());
        headers.append("c", HeaderValue::from_maybe_shared(buffer.slice(10..11)).unwrap());
        (headers, buffer.slice(11..), buffer)
    }

    #[test]
    fn nothing_changes_and_the_buffer_is_free() {
        let large = vec![b'x'; SMALL_BODY + 1];
        for (body, is_free) in [(&b""[..], true), (b"body", true), (&large, false)] {
            let (headers, part, buffer) = request(body);
            let (own, moved) = Headers::detach(&headers, part);
            assert_eq!(moved, body);
            let all: Vec<_> = own.iter().collect();
            let expected: [(&[u8], &[u8]); 4] = [(b"a", b"one"), (b"a", b"two"), (b"b", b""), (b"c", b"\xFF")];
            assert_eq!(all, expected);
            assert_eq!(own.all("a").collect::<Vec<_>>(), [b"one", b"two"]);
            assert_eq!(own.all("A").count() + own.all("d").count(), 0);
            assert_eq!(format!("{own:?}"), r#"{"a": "one", "a": "two", "b": "", "c": "\\xff"}"#);
            drop(headers);
            assert_eq!(buffer.is_unique(), is_free, "{} bytes", body.len());
        }
        assert_eq!(Headers::default().iter().next(), None);
    }
}
