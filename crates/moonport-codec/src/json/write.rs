// SPDX-License-Identifier: MIT OR Apache-2.0
//! Appends single values, and keys, to a caller's bytes; brackets, and commas between items, are the caller's.

use super::digits::{write_digits, write_few};
use super::scan::{copy_plain, plain_end, short_and_plain};
use crate::utf8;

/// Appends `value` as a string: quoted, with quotes, backslashes and control characters escaped.
///
/// Everything else goes out as it is, U+2028, U+007F and `</` too.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// # Errors
/// The offset of the first byte that is not UTF-8, of the first one of a bad or cut sequence; `out` is as before.
///
/// Source: RFC 8259, section 7.
///
/// ```
/// use moonport_codec::json;
///
/// let mut out = Vec::new();
/// assert_eq!(json::write_string(&mut out, "\"naïve\"\n\0".as_bytes()), Ok(()));
/// assert_eq!(out, r#""\"naïve\"\n\u0000""#.as_bytes());
///
/// assert_eq!(json::write_string(&mut out, b"ab\xff"), Err(2));
/// ```
pub fn write_string(out: &mut Vec<u8>, value: &[u8]) -> Result<(), usize> {
    utf8::text(value)?;
    write_unchecked(out, value);
    Ok(())
}

/// As [`write_string`], but does not look whether `value` is UTF-8: the caller looks at all that was written, once, with
/// [`is_text`]. A quote stands between any two strings, so what is no text alone does not become text beside another.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::json;
///
/// let mut out = Vec::new();
/// json::write_unchecked(&mut out, b"\xc3");
/// json::write_unchecked(&mut out, b"\xa9");
/// assert!(!json::is_text(&out));
/// ```
pub fn write_unchecked(out: &mut Vec<u8>, value: &[u8]) {
    write_between(out, *b"\"", value, *b"\"");
}

/// Appends `separator`, `value` as a string as [`write_unchecked`] does, and a colon.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::json;
///
/// let mut out = Vec::new();
/// json::write_key(&mut out, b'{', b"a");
/// json::write_integer(&mut out, 1);
/// json::write_key(&mut out, b',', b"b");
/// assert_eq!(out, br#"{"a":1,"b":"#);
/// ```
pub fn write_key(out: &mut Vec<u8>, separator: u8, value: &[u8]) {
    write_between(out, [separator, b'"'], value, *b"\":");
}

/// Most strings are short and have nothing to escape: their bytes go out as two words that overlap.
#[inline(always)]
fn write_between<const BEFORE: usize, const AFTER: usize>(
    out: &mut Vec<u8>,
    before: [u8; BEFORE],
    value: &[u8],
    after: [u8; AFTER],
) {
    const ROOM: usize = 24;
    let short = short_and_plain(value).filter(|_| out.capacity() - out.len() >= ROOM);
    let Some((first, last, at)) = short else { return write_any(out, before, value, after) };
    out.extend_from_slice(&[0; ROOM]);
    if let Some(place) = out.last_chunk_mut::<ROOM>() {
        put(place, 0, before);
        put(place, BEFORE, first.to_le_bytes());
        put(place, BEFORE + at, last.to_le_bytes());
        put(place, BEFORE + value.len(), after);
    }
    out.truncate(out.len() - (ROOM - BEFORE - AFTER - value.len()));
}

#[inline(always)]
fn put<const LENGTH: usize>(place: &mut [u8], at: usize, bytes: [u8; LENGTH]) {
    if let Some(place) = place.get_mut(at..at + LENGTH) {
        place.copy_from_slice(&bytes);
    }
}

#[inline(never)]
fn write_any<const BEFORE: usize, const AFTER: usize>(
    out: &mut Vec<u8>,
    before: [u8; BEFORE],
    value: &[u8],
    after: [u8; AFTER],
) {
    out.reserve(value.len() + 32);
    out.extend_from_slice(&before);
    let mut at = 0;
    loop {
        at = if value.len() - at < LONG {
            copy_plain(value, at, out)
        } else {
            let end = plain_end(value, at);
            out.extend_from_slice(value.get(at..end).unwrap_or_default());
            end
        };
        let Some(byte) = value.get(at) else { break };
        write_escape(out, *byte);
        at += 1;
    }
    out.extend_from_slice(&after);
}

/// From here on it is quicker to look first how far a string is plain, and to copy that as a whole.
const LONG: usize = 64;

/// Is this UTF-8?
///
/// Thread: any. Blocks: never. Allocates nothing.
pub fn is_text(bytes: &[u8]) -> bool {
    utf8::text(bytes).is_ok()
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let low = byte & 0xf;
            let low = if low < 10 { b'0' + low } else { b'a' + (low - 10) };
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Appends an integer in decimal.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::json;
///
/// let mut out = Vec::new();
/// json::write_integer(&mut out, i64::MIN);
/// assert_eq!(out, b"-9223372036854775808");
/// ```
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    write_digits(out, value < 0, value.unsigned_abs());
}

/// Appends an unsigned integer in decimal.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::json;
///
/// let mut out = Vec::new();
/// json::write_unsigned(&mut out, u64::MAX);
/// assert_eq!(out, b"18446744073709551615");
/// ```
pub fn write_unsigned(out: &mut Vec<u8>, value: u64) {
    write_digits(out, false, value);
}

/// Appends a double with the fewest digits that read back as the same value.
///
/// An integral value below 2^53 in magnitude has no fraction and no exponent (`3`), except that negative zero is
/// `-0.0`. Every other number has one or both, so that it reads back as a double, not as an integer.
///
/// Returns false, with nothing written, for NaN and the infinities, which JSON does not have (RFC 8259, section 6).
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::json;
///
/// let mut out = Vec::new();
/// for value in [3.0, -0.0, 0.1, 1e300] {
///     assert!(json::write_number(&mut out, value));
///     out.push(b' ');
/// }
/// assert_eq!(out, b"3 -0.0 0.1 1e+300 ");
/// assert!(!json::write_number(&mut out, f64::NAN));
/// ```
pub fn write_number(out: &mut Vec<u8>, value: f64) -> bool {
    write_few(out, value) || write_any_number(out, value)
}

#[inline(never)]
fn write_any_number(out: &mut Vec<u8>, value: f64) -> bool {
    const EXACT: f64 = (1u64 << 53) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "looked at only where nothing is lost")]
    let integer = value as i64;
    #[expect(clippy::cast_precision_loss, reason = "that of the integer nearest to the value")]
    let whole = integer as f64 == value && value.abs() < EXACT;
    if whole && (integer != 0 || value.is_sign_positive()) {
        write_integer(out, integer);
    } else if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_has_its_escape() {
        let bytes: Vec<u8> = (0..0x20).chain([b'"', b'\\', b'/', 0x7f]).collect();
        let mut out = Vec::new();
        assert_eq!(write_string(&mut out, &bytes), Ok(()));
        let wanted = concat!(
            r#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
            r#"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d"#,
            r#"\u001e\u001f\"\\/"#,
            "\u{7f}\"",
        );
        assert_eq!(str::from_utf8(&out).unwrap(), wanted);
    }

    #[test]
    fn a_refused_string_leaves_what_was_there() {
        let mut out = b"[".to_vec();
        for (bytes, offset) in
            [(&b"\xff"[..], 0), (b"abc\x80", 3), (b"\"\xed\xa0\x80", 1), (b"cut \xe2\x82", 4), (b"\xc0\xaf", 0)]
        {
            assert_eq!(write_string(&mut out, bytes), Err(offset));
            assert_eq!(out, b"[");
        }
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (value, wanted) in [
            (0.0, "0"),
            (-0.0, "-0.0"),
            (-1.0, "-1"),
            (1.5, "1.5"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (-9_007_199_254_740_991.0, "-9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992.0"),
            (1e21, "1e+21"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            let mut out = Vec::new();
            assert!(write_number(&mut out, value));
            assert_eq!(str::from_utf8(&out).unwrap(), wanted);
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut out = b"[".to_vec();
            assert!(!write_number(&mut out, value));
            assert_eq!(out, b"[");
        }
    }
}
