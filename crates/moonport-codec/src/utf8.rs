// SPDX-License-Identifier: MIT OR Apache-2.0
//! Are these bytes text?

/// The bytes as text, or the offset of the first one of a bad or cut sequence.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Result<&str, usize> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(fault(bytes)),
    }
}

#[cold]
fn fault(bytes: &[u8]) -> usize {
    str::from_utf8(bytes).err().map_or(bytes.len(), |error| error.valid_up_to())
}
