// SPDX-License-Identifier: MIT OR Apache-2.0
//! Appends decimal digits, which are made eight at a time in one word. All eight are written where fewer are wanted: that
//! is quicker than to copy a number of bytes that is not known beforehand.

const LIMIT: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// What [`append`] writes before it takes back what is too much.
const ROOM: usize = 16;

/// Up to eight letters, the first one in the lowest byte, and what means nothing above them.
#[derive(Clone, Copy)]
struct Few {
    text: u64,
    length: u32,
}

/// Appends an integer as its sign and its magnitude.
#[inline]
pub(super) fn write_digits(out: &mut Vec<u8>, negative: bool, magnitude: u64) {
    if magnitude < LIMIT {
        append(out, negative, whole(magnitude));
    } else {
        write_many(out, negative, magnitude);
    }
}

#[inline(never)]
fn write_many(out: &mut Vec<u8>, negative: bool, magnitude: u64) {
    write_digits(out, negative, magnitude / LIMIT);
    append(out, false, Few { text: eight_digits(magnitude % LIMIT) | ZEROS, length: 8 });
}

/// Appends a number that takes few digits as [`write_number`](super::write_number) does, if there is room for it.
#[inline(always)]
pub(super) fn write_few(out: &mut Vec<u8>, value: f64) -> bool {
    let Some(few) = whole_number(value).or_else(|| decimal(value.abs())) else { return false };
    let room = out.capacity() - out.len() >= ROOM;
    if room {
        append(out, value.is_sign_negative(), few);
    }
    room
}

/// The magnitude of an integer of up to eight digits, but of negative zero.
#[inline(always)]
fn whole_number(value: f64) -> Option<Few> {
    let (integer, rounded) = round(value.abs())?;
    let zero = integer == 0 && value.is_sign_negative();
    (rounded == value.abs() && u64::from(integer) < LIMIT && !zero).then(|| whole(integer.into()))
}

/// The fewest digits that read back as the same number, if they are three after the point at most, and four before it.
///
/// No other digits will do: a decimal of up to fifteen digits that reads back as a double is the only one of such a length.
#[inline(always)]
fn decimal(magnitude: f64) -> Option<Few> {
    let (thousandths, rounded) = round(magnitude * 1000.0)?;
    // Both are exact, so that the quotient is what the decimal reads back as.
    if rounded / 1000.0 != magnitude || thousandths >= 10_000_000 || thousandths == 0 {
        return None;
    }
    // The first of eight is zero.
    let digits = eight_digits(thousandths.into()) >> 8;
    let (whole, fraction) = (digits & 0xffff_ffff, digits >> 32 << 40);
    let leading = (whole | 1 << 24).trailing_zeros() / 8;
    let trailing = fraction.leading_zeros() / 8;
    let text = (whole | fraction | 0x3030_302e_3030_3030) >> (8 * leading);
    Some(Few { text, length: 8 - leading - trailing })
}

/// The nearest integer to what is not negative and below 2^32, twice: above 2^52 doubles have no fraction, and there the
/// integer is the low bits. This is quicker than to convert.
#[inline(always)]
fn round(magnitude: f64) -> Option<(u32, f64)> {
    const ABOVE: f64 = (1u64 << 52) as f64;
    if magnitude >= f64::from(u32::MAX) {
        return None;
    }
    let shifted = magnitude + ABOVE;
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    let integer = shifted.to_bits() as u32;
    Some((integer, shifted - ABOVE))
}

#[inline]
fn whole(magnitude: u64) -> Few {
    let digits = eight_digits(magnitude);
    let leading = (digits | 1 << 56).trailing_zeros() / 8;
    Few { text: (digits | ZEROS) >> (8 * leading), length: 8 - leading }
}

/// The digits of a number below 10^8, not yet as letters: the first one is the lowest byte.
///
/// Halves, then quarters, then eighths, all of a kind at once: the factors divide by 100 and by 10 what is that small.
#[inline]
fn eight_digits(value: u64) -> u64 {
    let halves = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (quarters - tens * 10) << 8
}

#[inline]
fn append(out: &mut Vec<u8>, negative: bool, few: Few) {
    let (mut text, mut length) = (u128::from(few.text), few.length as usize);
    if negative {
        text = text << 8 | u128::from(b'-');
        length += 1;
    }
    out.extend_from_slice(&text.to_le_bytes());
    out.truncate(out.len() - (ROOM - length));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_core() {
        let mut powers = vec![0, 1];
        while let Some(next) = powers.last().and_then(|last: &u64| last.checked_mul(10)) {
            powers.push(next);
        }
        let near = powers.iter().flat_map(|power| [power.wrapping_sub(1), *power, power + 1, power / 3]);
        for value in (0..if cfg!(miri) { 200 } else { 100_000 }).chain(near).chain([u64::MAX]) {
            let mut out = b"there".to_vec();
            write_digits(&mut out, false, value);
            write_digits(&mut out, true, value);
            assert_eq!(out, format!("there{value}-{value}").as_bytes());
        }
    }

    #[test]
    fn every_half_has_its_digits() {
        for half in (0..10_000).step_by(if cfg!(miri) { 997 } else { 1 }) {
            for value in [half, half * 10_000, half * 10_000 + 9_999] {
                let wanted = format!("{value:08}");
                assert_eq!((eight_digits(value) | ZEROS).to_le_bytes(), *wanted.as_bytes());
            }
        }
    }

    fn few(value: f64) -> Option<String> {
        let mut out = Vec::with_capacity(ROOM);
        write_few(&mut out, value).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn decimals_are_as_by_the_general_way() {
        for thousandths in (1..10_001_000).step_by(if cfg!(miri) { 99_991 } else { 7 }) {
            let value = f64::from(thousandths) / if thousandths % 2 == 0 { 1000.0 } else { -1000.0 };
            if value.fract() != 0.0 {
                let wanted = (thousandths < 10_000_000).then(|| zmij::Buffer::new().format(value).to_owned());
                assert_eq!(few(value), wanted);
            }
            // Its neighbours have many digits.
            assert_eq!((few(value.next_down()), few(value.next_up())), (None, None), "{value}");
        }
    }

    #[test]
    fn integers_are_as_by_the_general_way() {
        for integer in (-100_000_100..=100_000_100).step_by(if cfg!(miri) { 999_983 } else { 97 }).chain([0, 1, -1]) {
            let wanted = (i32::abs(integer) < 100_000_000).then(|| integer.to_string());
            assert_eq!(few(integer.into()), wanted);
        }
    }

    #[test]
    fn what_has_more_digits_is_left() {
        for value in [-0.0, 0.000_5, 0.012_3, 9_999.999_9, 10_000.5, 4_294_967_296.0, 4_503_599_627_370_497.0, 5e-324] {
            assert_eq!((few(value), few(-value.abs())), (None, None), "{value}");
        }
        for value in [1e300, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(few(value), None, "{value}");
        }
    }

    #[test]
    fn nothing_is_written_without_room() {
        for value in [1.0, 1.5] {
            let mut out = Vec::new();
            assert!(!write_few(&mut out, value));
            assert_eq!((out.len(), out.capacity()), (0, 0));
        }
    }
}
