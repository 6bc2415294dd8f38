// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headers of a request: in the table that hyper makes of them, and on the lines of their head.

use std::fmt;

use http::HeaderValue;

use crate::head::trim;
use crate::scan;

/// The values of a header that should not come again. To look once at all headers of a request is cheaper than to look each
/// one up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    None,
    One(&'a HeaderValue),
    More,
}

impl<'a> Values<'a> {
    pub(crate) fn add(&mut self, value: &'a HeaderValue) {
        *self = if let Values::None = self { Values::One(value) } else { Values::More };
    }
}

/// The headers of a request as sent.
#[derive(Clone, Copy)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Those of a head that was checked.
    pub(crate) fn new(head: &'a [u8]) -> Self {
        let mut lines = Lines(head);
        // The request line is none of them.
        lines.next();
        Self(lines.0)
    }

    /// Names, in the case of their client, and values in order.
    #[must_use]
    pub fn iter(self) -> Iter<'a> {
        Iter(Lines(self.0))
    }

    /// The values of all headers of this name, in any case.
    pub fn all(self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        Lines(self.0).filter_map(|line| {
            let (known, rest) = line.split_at_checked(name.len())?;
            let value = rest.strip_prefix(b":").filter(|_| known.eq_ignore_ascii_case(name))?;
            Some(trim(value))
        })
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Names and values of [`Headers`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(Lines<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.next()?;
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((&line[..colon], trim(&line[colon + 1..])))
    }
}

/// The lines of a head up to its empty one, without their ends.
#[derive(Clone, Debug)]
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let feed = scan::line_feed(self.0)?;
        let line = self.0[..feed].strip_suffix(b"\r").filter(|line| !line.is_empty())?;
        self.0 = &self.0[feed + 1..];
        Some(line)
    }
}
