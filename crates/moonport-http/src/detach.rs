// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests leave hyper's buffer before they go to the owner, which may hold them for long: hyper would need another buffer for
//! the next one.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};

/// Larger bodies are not copied.
const MOST: usize = 8192;

/// Moves the values of headers, and the body if it is small, into memory of their own; gives the body.
pub(crate) fn detach(headers: &mut HeaderMap, body: Bytes) -> Bytes {
    let copied = if body.len() <= MOST { body.len() } else { 0 };
    let size = headers.values().map(HeaderValue::len).sum::<usize>() + copied;
    let mut all = BytesMut::with_capacity(size);
    for value in headers.values_mut() {
        all.extend_from_slice(value.as_bytes());
    }
    all.extend_from_slice(&body[..copied]);
    let mut all = all.freeze();
    for value in headers.values_mut() {
        // It was a value before.
        if let Ok(own) = HeaderValue::from_maybe_shared(all.split_to(value.len())) {
            *value = own;
        }
    }
    if copied == body.len() { all } else { body }
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
        headers.append("a", HeaderValue::from_maybe_shared(buffer.slice(5..8)).unwrap());
        headers.append("c", HeaderValue::from_maybe_shared(buffer.slice(10..11)).unwrap());
        (headers, buffer.slice(11..), buffer)
    }

    #[test]
    fn nothing_changes_and_the_buffer_is_free() {
        let large = vec![b'x'; MOST + 1];
        for (body, is_free) in [(&b""[..], true), (b"body", true), (&large, false)] {
            let (mut headers, part, buffer) = request(body);
            let before = headers.clone();
            let moved = detach(&mut headers, part);
            assert_eq!(moved, body);
            assert_eq!(headers, before);
            let order = |headers: &HeaderMap| headers.get_all("a").iter().cloned().collect::<Vec<_>>();
            assert_eq!(order(&headers), order(&before));
            drop(before);
            assert_eq!(buffer.is_unique(), is_free, "{} bytes", body.len());
        }
    }
}
