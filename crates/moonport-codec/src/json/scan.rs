// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the end of a run of string bytes that stand for themselves, eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES << 7;

/// The offset of the first quote, backslash or control character from `from` on, or the length of `bytes`.
#[inline]
pub(super) fn plain_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let hits = special_bytes(u64::from_le_bytes(*chunk));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !is_special(*byte)) {
        at += 1;
    }
    at
}

/// As [`plain_end`], and appends what stands before it. Eight bytes are written where fewer are wanted: that is quicker
/// than to copy a number of bytes that is not known beforehand.
#[inline(always)]
pub(super) fn copy_plain(bytes: &[u8], from: usize, out: &mut Vec<u8>) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        out.extend_from_slice(chunk);
        let hits = special_bytes(u64::from_le_bytes(*chunk));
        if hits != 0 {
            let plain = hits.trailing_zeros() as usize / 8;
            out.truncate(out.len() - (8 - plain));
            return at + plain;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let word = short(rest);
    // The bytes above the rest are zero, and so special.
    let plain = (special_bytes(word).trailing_zeros() as usize / 8).min(rest.len());
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(out.len() - (8 - plain));
    at + plain
}

/// Up to sixteen bytes, none of them special, as two words: the first bytes, and those from an offset on. What a word has
/// beyond the end means nothing.
#[inline(always)]
pub(super) fn short_and_plain(bytes: &[u8]) -> Option<(u64, u64, usize)> {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        let plain = bytes.len() <= 16 && special_bytes(first) | special_bytes(last) == 0;
        return plain.then_some((first, last, bytes.len() - 8));
    }
    // Bytes with the high bit set are not special.
    let word = short(bytes) | u64::MAX << (8 * bytes.len());
    (special_bytes(word) == 0).then_some((word, word, 0))
}

/// Fewer than eight bytes as the low ones of a word.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let above = 8 * (bytes.len() - 4);
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << above;
    }
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or_default());
    byte(0) | byte(1) << 8 | byte(2) << 16
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Sets the high bit of each special byte. A borrow may set more bits, but only above a true one, so the lowest is
/// always right.
#[inline]
fn special_bytes(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let hits = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    hits & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_at_each_place_is_judged_as_alone() {
        for byte in 0..=u8::MAX {
            // miri takes minutes for all of them.
            if cfg!(miri) && ![0, 0x1f, 0x20, b'"', b'\\', b'a', 0x80, 0xff].contains(&byte) {
                continue;
            }
            for place in 0..17 {
                let mut bytes = [b'a'; 17];
                bytes[place] = byte;
                let wanted = if is_special(byte) { place } else { 17 };
                assert_eq!(plain_end(&bytes, 0), wanted, "{byte:#x} at {place}");
                for from in 0..17 {
                    let wanted = if from <= place { wanted } else { 17 };
                    let mut out = b"there".to_vec();
                    assert_eq!(copy_plain(&bytes, from, &mut out), wanted, "{byte:#x} at {place} from {from}");
                    assert_eq!(out, [b"there", &bytes[from..wanted]].concat());
                }
            }
        }
    }

    #[test]
    fn the_first_of_two_neighbours_is_found() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let bytes = [b'a', first, second, 0xff, 0x80, 0x21, 0x5d, 0x23];
                let wanted = bytes.iter().position(|byte| is_special(*byte));
                assert_eq!(plain_end(&bytes, 0), wanted.unwrap_or(8));
            }
            if cfg!(miri) && first > 0x24 {
                break;
            }
        }
    }

    #[test]
    fn short_ones_are_told_apart() {
        for length in 0..=17 {
            let bytes = &b"0123456789abcdefg"[..length];
            match short_and_plain(bytes) {
                Some((first, last, at)) => {
                    let mut found = [0; 16];
                    found[..8].copy_from_slice(&first.to_le_bytes());
                    found[at..at + 8].copy_from_slice(&last.to_le_bytes());
                    assert_eq!(found[..length], *bytes);
                }
                None => assert_eq!(length, 17),
            }
            for place in 0..length {
                for byte in [0, 0x1f, b'"', b'\\', 0x20, 0x7f, 0x80, 0xff] {
                    let mut bytes = bytes.to_vec();
                    bytes[place] = byte;
                    assert_eq!(short_and_plain(&bytes).is_some(), length < 17 && !is_special(byte), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn a_start_past_the_end_stays() {
        assert_eq!(plain_end(b"abc", 3), 3);
        assert_eq!(plain_end(b"abc", 9), 9);
        for from in [3, 9] {
            let mut out = Vec::new();
            assert_eq!((copy_plain(b"abc", from, &mut out), out), (from, Vec::new()));
        }
    }
}
