// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a head, eight at a time. Where one of eight may be what is looked for, the lowest mark tells the first.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Marks bytes below `limit`, which is at most 0x80; those behind the first such byte may be marked wrongly.
const fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(ONES * limit as u64) & !eight & TOPS
}

/// Marks bytes that are `byte`, as [`below`] does.
const fn equal(eight: u64, byte: u8) -> u64 {
    below(eight ^ (ONES * byte as u64), 1)
}

/// The place of the first byte that is marked.
fn find(bytes: &[u8], marks: impl Fn(u64) -> u64, is_found: impl Fn(u8) -> bool) -> Option<usize> {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let marks = marks(u64::from_le_bytes(*eight));
        if marks != 0 {
            return Some(8 * at + marks.trailing_zeros() as usize / 8);
        }
    }
    Some(8 * eights.len() + rest.iter().position(|&byte| is_found(byte))?)
}

/// The first line feed.
pub(crate) fn line_feed(bytes: &[u8]) -> Option<usize> {
    find(bytes, |eight| equal(eight, b'\n'), |byte| byte == b'\n')
}

/// The first byte that a header's value may not have: a control character other than a tab.
pub(crate) fn value_end(bytes: &[u8]) -> Option<usize> {
    let is_control = |byte: u8| byte < b' ' || byte == 0x7F;
    let mut start = 0;
    loop {
        let found = find(&bytes[start..], |eight| below(eight, b' ') | equal(eight, 0x7F), is_control)?;
        if bytes[start + found] != b'\t' {
            return Some(start + found);
        }
        start += found + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_in_every_place() {
        let is_value = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7F);
        for filler in [b'a', b'\t', 0x80, 0xFF] {
            for byte in 0..=u8::MAX {
                for place in 0..20 {
                    let mut bytes = [filler; 20];
                    bytes[place] = byte;
                    // What follows changes nothing.
                    for next in [filler, byte.wrapping_add(1), byte.wrapping_sub(1), b'\n'] {
                        if let Some(after) = bytes.get_mut(place + 1) {
                            *after = next;
                        }
                        let first = |is_found: &dyn Fn(u8) -> bool| bytes.iter().position(|&byte| is_found(byte));
                        assert_eq!(line_feed(&bytes), first(&|byte| byte == b'\n'), "{bytes:?}");
                        assert_eq!(value_end(&bytes), first(&|byte| !is_value(byte)), "{bytes:?}");
                    }
                }
            }
        }
        assert_eq!((line_feed(b""), value_end(b"")), (None, None));
    }
}
