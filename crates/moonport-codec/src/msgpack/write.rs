// SPDX-License-Identifier: MIT OR Apache-2.0
//! Appends single values to a caller's bytes, each in its smallest form; the items after a header are the caller's.

use rmp::Marker;

/// Appends nil.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
pub fn write_nil(out: &mut Vec<u8>) {
    out.push(Marker::Null.to_u8());
}

/// Appends `true` or `false`.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
pub fn write_boolean(out: &mut Vec<u8>, value: bool) {
    out.push(if value { Marker::True } else { Marker::False }.to_u8());
}

/// Appends an integer.
///
/// One that is not negative goes out as an unsigned format, so that each value has one form.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::msgpack;
///
/// let mut out = Vec::new();
/// for value in [7, -7, 200, i64::MIN] {
///     msgpack::write_integer(&mut out, value);
/// }
/// assert_eq!(out, b"\x07\xf9\xcc\xc8\xd3\x80\0\0\0\0\0\0\0");
/// ```
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        write_unsigned(out, value);
    } else if let Ok(value) = i8::try_from(value) {
        match value {
            -32.. => out.push(Marker::FixNeg(value).to_u8()),
            _ => write(out, Marker::I8, value.to_be_bytes()),
        }
    } else if let Ok(value) = i16::try_from(value) {
        write(out, Marker::I16, value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        write(out, Marker::I32, value.to_be_bytes());
    } else {
        write(out, Marker::I64, value.to_be_bytes());
    }
}

/// Appends an unsigned integer.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::msgpack;
///
/// let mut out = Vec::new();
/// msgpack::write_unsigned(&mut out, u64::MAX);
/// assert_eq!(out, b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
/// ```
pub fn write_unsigned(out: &mut Vec<u8>, value: u64) {
    if let Ok(value) = u8::try_from(value) {
        match value {
            ..128 => out.push(Marker::FixPos(value).to_u8()),
            _ => write(out, Marker::U8, [value]),
        }
    } else if let Ok(value) = u16::try_from(value) {
        write(out, Marker::U16, value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        write(out, Marker::U32, value.to_be_bytes());
    } else {
        write(out, Marker::U64, value.to_be_bytes());
    }
}

/// Appends a double so that it reads back as the same value.
///
/// An integral value below 2^53 in magnitude, except negative zero, is written as an integer, as in
/// [`json::write_number`](crate::json::write_number); every other one as a float, of 32 bits where these are enough.
/// NaN and the infinities are floats too; NaN keeps its sign and payload.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::msgpack;
///
/// let mut out = Vec::new();
/// for value in [3.0, -0.5, 0.1] {
///     msgpack::write_number(&mut out, value);
/// }
/// assert_eq!(out, b"\x03\xca\xbf\0\0\0\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a");
/// ```
pub fn write_number(out: &mut Vec<u8>, value: f64) {
    const EXACT: f64 = (1u64 << 53) as f64;
    let negative_zero = value == 0.0 && value.is_sign_negative();
    #[expect(clippy::cast_possible_truncation, reason = "used only where nothing is lost")]
    let (integer, single) = (value as i64, value as f32);
    if value.abs() < EXACT && value.trunc() == value && !negative_zero {
        write_integer(out, integer);
    } else if f64::from(single) == value {
        write(out, Marker::F32, single.to_be_bytes());
    } else {
        write(out, Marker::F64, value.to_be_bytes());
    }
}

/// Appends a string: as text (str) if it is UTF-8, as bytes (bin) if not.
///
/// Returns false, with nothing written, if it has more than `u32::MAX` bytes, which MessagePack cannot tell.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::msgpack;
///
/// let mut out = Vec::new();
/// assert!(msgpack::write_string(&mut out, "é".as_bytes()));
/// assert!(msgpack::write_string(&mut out, b"\xff"));
/// assert_eq!(out, b"\xa2\xc3\xa9\xc4\x01\xff");
/// ```
pub fn write_string(out: &mut Vec<u8>, value: &[u8]) -> bool {
    if str::from_utf8(value).is_err() {
        return write_bytes(out, value);
    }
    let Ok(length) = u32::try_from(value.len()) else {
        return false;
    };
    match u8::try_from(length) {
        Ok(length @ ..32) => out.push(Marker::FixStr(length).to_u8()),
        Ok(length) => write(out, Marker::Str8, [length]),
        Err(_) => write_length(out, Marker::Str16, Marker::Str32, length),
    }
    out.extend_from_slice(value);
    true
}

/// Appends bytes (bin), whether they are UTF-8 or not.
///
/// Returns false, with nothing written, if there are more than `u32::MAX`, which MessagePack cannot tell.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::msgpack;
///
/// let mut out = Vec::new();
/// assert!(msgpack::write_bytes(&mut out, b"ab"));
/// assert_eq!(out, b"\xc4\x02ab");
/// ```
pub fn write_bytes(out: &mut Vec<u8>, value: &[u8]) -> bool {
    let Ok(length) = u32::try_from(value.len()) else {
        return false;
    };
    match u8::try_from(length) {
        Ok(length) => write(out, Marker::Bin8, [length]),
        Err(_) => write_length(out, Marker::Bin16, Marker::Bin32, length),
    }
    out.extend_from_slice(value);
    true
}

/// Begins an array: the caller appends `length` values after this.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::msgpack;
///
/// let mut out = Vec::new();
/// msgpack::write_array_header(&mut out, 2);
/// msgpack::write_boolean(&mut out, true);
/// msgpack::write_nil(&mut out);
/// assert_eq!(out, b"\x92\xc3\xc0");
/// ```
pub fn write_array_header(out: &mut Vec<u8>, length: u32) {
    match u8::try_from(length) {
        Ok(length @ ..16) => out.push(Marker::FixArray(length).to_u8()),
        _ => write_length(out, Marker::Array16, Marker::Array32, length),
    }
}

/// Begins a map: the caller appends `length` keys, each followed by its value, after this.
///
/// Thread: any. Blocks: never. Allocates only to grow `out`.
///
/// ```
/// use moonport_codec::msgpack;
///
/// let mut out = Vec::new();
/// msgpack::write_map_header(&mut out, 1);
/// msgpack::write_string(&mut out, b"a");
/// msgpack::write_integer(&mut out, 1);
/// assert_eq!(out, b"\x81\xa1a\x01");
/// ```
pub fn write_map_header(out: &mut Vec<u8>, length: u32) {
    match u8::try_from(length) {
        Ok(length @ ..16) => out.push(Marker::FixMap(length).to_u8()),
        _ => write_length(out, Marker::Map16, Marker::Map32, length),
    }
}

/// Writes a length in two bytes if it fits, else in four.
fn write_length(out: &mut Vec<u8>, two: Marker, four: Marker, length: u32) {
    match u16::try_from(length) {
        Ok(length) => write(out, two, length.to_be_bytes()),
        Err(_) => write(out, four, length.to_be_bytes()),
    }
}

#[inline]
fn write<const N: usize>(out: &mut Vec<u8>, marker: Marker, bytes: [u8; N]) {
    out.push(marker.to_u8());
    out.extend_from_slice(&bytes);
}
