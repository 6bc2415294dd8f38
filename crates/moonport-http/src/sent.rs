// SPDX-License-Identifier: MIT OR Apache-2.0
//! A request as its client sent it, on its way to the owner. The head and a small body are one piece of memory, copied where
//! the gate lets them through: hyper's buffer, which the owner might hold for long, stays on the server's thread.

use std::fmt;

use bytes::Bytes;

use crate::headers::Headers;

/// The largest body that is copied with its head. It is also the largest that goes past hyper, and of which the JSON is read
/// before the owner gets it.
pub(crate) const SMALL_BODY: usize = 8192;

/// Head and body of a request.
#[derive(Default)]
pub struct Sent {
    /// A head that the gate has checked, and the body if that is small and came with it.
    bytes: Box<[u8]>,
    head: usize,
    accepts: bool,
    /// A body that came another way.
    apart: Bytes,
    /// The path, where the head has it in another form.
    path: Option<String>,
}

impl Sent {
    /// `head`: how many of the bytes are the head; `accepts`: it has an Accept.
    pub(crate) fn new(bytes: Box<[u8]>, head: usize, accepts: bool) -> Self {
        Self { bytes, head, accepts, ..Self::default() }
    }

    /// The path, percent-decoded.
    #[must_use]
    pub fn path(&self) -> &str {
        if let Some(path) = &self.path {
            return path;
        }
        let target = self.bytes.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        // The gate lets nothing but ASCII through.
        std::str::from_utf8(path).unwrap_or_default()
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.bytes.get(..self.head).unwrap_or_default())
    }

    /// The values of Accept: asked for with most answers, and seldom there.
    pub fn accept(&self) -> impl Iterator<Item = &[u8]> {
        self.accepts.then(|| self.headers().all(b"accept")).into_iter().flatten()
    }

    /// All of the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        if self.apart.is_empty() { self.bytes.get(self.head..).unwrap_or_default() } else { &self.apart }
    }

    /// The same, to be shared.
    pub(crate) fn shared_body(&self) -> Bytes {
        if self.apart.is_empty() { Bytes::copy_from_slice(self.body()) } else { self.apart.clone() }
    }

    /// Sets a body that came another way than with its head. A small one is copied: it may be a part of a larger buffer.
    pub(crate) fn set_body(&mut self, body: Bytes) {
        self.apart = if body.len() <= SMALL_BODY { Bytes::copy_from_slice(&body) } else { body };
    }

    /// Sets the path where that of the head is encoded, or part of an address.
    pub(crate) fn set_path(&mut self, path: String) {
        self.path = Some(path);
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("path", &self.path())
            .field("headers", &self.headers())
            .field("body", &format_args!("{} bytes", self.body().len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST /a/b?c=/d?e HTTP/1.1\r\nHost: x\r\nX-A: \t1 ,2 \r\nx-b:\r\nX-a: \xFF\r\n\r\n";

    #[test]
    fn head_and_body_are_as_they_came() {
        let mut sent = Sent::new([HEAD, b"a: b\r\n\r\n"].concat().into(), HEAD.len(), false);
        assert_eq!((sent.path(), sent.body()), ("/a/b", &b"a: b\r\n\r\n"[..]));
        let all: Vec<_> = sent.headers().iter().collect();
        let expected: [(&[u8], &[u8]); 4] = [(b"Host", b"x"), (b"X-A", b"1 ,2"), (b"x-b", b""), (b"X-a", b"\xFF")];
        assert_eq!(all, expected);
        assert_eq!(sent.headers().all(b"x-A").collect::<Vec<_>>(), [&b"1 ,2"[..], b"\xFF"]);
        assert_eq!(sent.headers().all(b"x").count() + sent.headers().all(b"a").count(), 0);
        let shown =
            r#"Sent { path: "/a/b", headers: {"Host": "x", "X-A": "1 ,2", "x-b": "", "X-a": "\\xff"}, body: 8 bytes }"#;
        assert_eq!(format!("{sent:?}"), shown);
        sent.set_path("/e e".to_owned());
        assert_eq!(sent.path(), "/e e");
        assert_eq!(Sent::default().path(), "");
        assert_eq!(Sent::default().headers().iter().next(), None);
    }

    #[test]
    fn a_late_small_body_lets_its_buffer_go() {
        let buffer = Bytes::from(vec![b'x'; SMALL_BODY + 2]);
        for (size, is_free) in [(0, true), (1, true), (SMALL_BODY, true), (SMALL_BODY + 1, false)] {
            let mut sent = Sent::new(HEAD.into(), HEAD.len(), false);
            sent.set_body(buffer.slice(..size));
            assert_eq!((sent.body(), sent.shared_body()), (&buffer[..size], buffer.slice(..size)));
            assert_eq!(buffer.is_unique(), is_free, "{size} bytes");
        }
    }
}
