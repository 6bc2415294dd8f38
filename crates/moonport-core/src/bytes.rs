// SPDX-License-Identifier: MIT OR Apache-2.0
//! Owned bytes: few in place, many on the heap, or memory of the sender's that is freed its way.

use std::fmt;
use std::ops::Deref;

/// Up to so many bytes need no memory of their own: a small message costs no allocation on its sender's thread and
/// no release on its owner's, which would contend for the allocator.
const IN_PLACE: usize = 86;

/// Owned, immutable bytes.
pub struct Bytes(Kind);

enum Kind {
    InPlace { length: u8, bytes: [u8; IN_PLACE] },
    Heap(Box<[u8]>),
    Foreign(Box<dyn AsRef<[u8]> + Send>),
}

impl Bytes {
    /// A copy.
    #[must_use]
    pub fn copy(bytes: &[u8]) -> Self {
        Self::in_place(bytes).unwrap_or_else(|| Self(Kind::Heap(bytes.into())))
    }

    /// A copy, or `None` if there is no memory for it.
    #[must_use]
    pub fn try_copy(bytes: &[u8]) -> Option<Self> {
        if let Some(small) = Self::in_place(bytes) {
            return Some(small);
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len()).ok()?;
        copy.extend_from_slice(bytes);
        Some(Self(Kind::Heap(copy.into_boxed_slice())))
    }

    /// The bytes of a value that frees them when it is dropped, on whichever thread.
    pub fn foreign(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self(Kind::Foreign(Box::new(bytes)))
    }

    pub(crate) fn is_copied(&self) -> bool {
        !matches!(self.0, Kind::Foreign(_))
    }

    pub(crate) fn is_in_place(&self) -> bool {
        matches!(self.0, Kind::InPlace { .. })
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most IN_PLACE")]
    fn in_place(source: &[u8]) -> Option<Self> {
        let mut bytes = [0; IN_PLACE];
        bytes.get_mut(..source.len())?.copy_from_slice(source);
        Some(Self(Kind::InPlace { length: source.len() as u8, bytes }))
    }
}

/// Bytes that come piece by piece: as long as they are few, they need no memory of their own.
#[derive(Debug)]
pub struct BytesBuilder {
    small: [u8; IN_PLACE],
    used: usize,
    large: Vec<u8>,
}

impl Default for BytesBuilder {
    fn default() -> Self {
        Self { small: [0; IN_PLACE], used: 0, large: Vec::new() }
    }
}

impl BytesBuilder {
    /// Adds these.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.large.is_empty() {
            if let Some(place) = self.small.get_mut(self.used..self.used + bytes.len()) {
                place.copy_from_slice(bytes);
                self.used += bytes.len();
                return;
            }
            self.large.reserve(self.used + bytes.len());
            self.large.extend_from_slice(self.small.get(..self.used).unwrap_or_default());
        }
        self.large.extend_from_slice(bytes);
    }

    /// All that was added.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most IN_PLACE")]
    pub fn finish(self) -> Bytes {
        if self.large.is_empty() {
            return Bytes(Kind::InPlace { length: self.used as u8, bytes: self.small });
        }
        Bytes(Kind::Heap(self.large.into_boxed_slice()))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::InPlace { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Kind::Heap(bytes) => bytes,
            Kind::Foreign(bytes) => (**bytes).as_ref(),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::in_place(&bytes).unwrap_or_else(|| Self(Kind::Heap(bytes.into_boxed_slice())))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes").field("length", &self.len()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_length_keeps_its_bytes() {
        for length in [0, 1, IN_PLACE - 1, IN_PLACE, IN_PLACE + 1, 1000] {
            let source: Vec<u8> = (0..=250).cycle().take(length).collect();
            for bytes in [
                Bytes::copy(&source),
                Bytes::try_copy(&source).expect("memory"),
                Bytes::from(source.clone()),
                Bytes::foreign(source.clone()),
            ] {
                assert_eq!(*bytes, *source);
            }
            for piece in [1, 8, IN_PLACE, 1000] {
                let mut builder = BytesBuilder::default();
                source.chunks(piece).for_each(|piece| builder.put(piece));
                builder.put(b"");
                assert_eq!(*builder.finish(), *source);
            }
        }
    }

    #[test]
    fn a_message_stays_small() {
        assert_eq!(size_of::<crate::Message>(), 128, "two cache lines");
    }
}
