// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random documents, whole and damaged, read and written by us and by rmpv.

use moonport_codec::msgpack::{self, DEFAULT_DEPTH};

mod random;
mod rmpv_tree;

use random::Random;
use rmpv_tree::agree;

const CASES: usize = if cfg!(miri) { 20 } else { 60_000 };

const STRINGS: &[&[u8]] = &[
    b"",
    b"a",
    b"key",
    "é".as_bytes(),
    "€😀".as_bytes(),
    b"\0",
    b"thirty-one bytes, the fix limit",
    b"thirty-two bytes, one byte longer",
];
const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    0.1,
    0.5,
    -1.0,
    1e9,
    1e15,
    -1e300,
    16_777_217.0,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    5e-324,
    f64::MAX,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
/// Bytes and pieces that are likely to matter when they turn up in the wrong place.
const DAMAGE: &[&[u8]] = &[
    b"\xc0",
    b"\xc1",
    b"\x90",
    b"\x91",
    b"\x9f",
    b"\x80",
    b"\x81",
    b"\xa1",
    b"\xbf",
    b"\xff",
    b"\x00",
    b"\xc4",
    b"\xd9\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xdc\x00\x02",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\x80\x00\x00\x00",
    b"\xca\x7f\xc0\x00\x00",
    b"\xcb\x7f\xf8",
    b"\xcf\x80",
    b"\xd4\x05\x00",
    b"\xd6\xff\x00\x00\x00\x00",
    b"\xc7\x00\x07",
    b"\xa2\xe2\x82",
    b"\x81\xc0\x01",
    b"\x81\x90\x01",
];

/// A length in a random width of those that hold it; `fix` is the format byte of length 0 and its greatest length.
fn length(random: &mut Random, out: &mut Vec<u8>, fix: (u8, u8), wide: &[(u8, usize)], length: usize) {
    let short = u8::try_from(length).ok().filter(|length| *length <= fix.1);
    let (format, bytes) = random.pick(wide);
    match short {
        Some(short) if random.below(3) > 0 => out.push(fix.0 | short),
        _ => {
            out.push(format);
            out.extend_from_slice(&(length as u64).to_be_bytes()[8 - bytes..]);
        }
    }
}

fn string(random: &mut Random, out: &mut Vec<u8>) {
    let text = random.pick(STRINGS);
    length(random, out, (0xa0, 31), &[(0xd9, 1), (0xda, 2), (0xdb, 4)], text.len());
    out.extend_from_slice(text);
}

fn bytes(random: &mut Random, out: &mut Vec<u8>) {
    let data = if random.below(2) == 0 { random.pick(STRINGS) } else { random.pick(DAMAGE) };
    let (format, width) = random.pick(&[(0xc4, 1), (0xc5, 2), (0xc6, 4)]);
    out.push(format);
    out.extend_from_slice(&(data.len() as u64).to_be_bytes()[8 - width..]);
    out.extend_from_slice(data);
}

fn integer(random: &mut Random, out: &mut Vec<u8>) {
    let bits = random.next() >> random.below(64);
    match random.pick(&[(0, 0), (0xcc, 1), (0xcd, 2), (0xce, 4), (0xcf, 8), (0xd0, 1), (0xd1, 2), (0xd2, 4), (0xd3, 8)])
    {
        (_, 0) => out.push(random.pick(&[0x00, 0x01, 0x7f, 0xe0, 0xff])),
        (format, width) => {
            out.push(format);
            out.extend_from_slice(&bits.to_be_bytes()[8 - width..]);
        }
    }
}

/// A float that is not NaN.
#[expect(clippy::cast_possible_truncation, reason = "any float will do")]
fn float(random: &mut Random, out: &mut Vec<u8>) {
    let bits = random.next();
    let value = match random.below(3) {
        0 if !f64::from_bits(bits).is_nan() => f64::from_bits(bits),
        1 => (bits >> random.below(64)) as f64,
        _ => random.pick(FLOATS),
    };
    if random.below(2) == 0 {
        out.push(0xcb);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xca);
        out.extend_from_slice(&(value as f32).to_be_bytes());
    }
}

fn key(random: &mut Random, out: &mut Vec<u8>) {
    match random.below(8) {
        0 => out.push(random.pick(&[0xc2, 0xc3])),
        1 => float(random, out),
        2 => bytes(random, out),
        3 | 4 => integer(random, out),
        _ => string(random, out),
    }
}

fn document(random: &mut Random, room: usize, out: &mut Vec<u8>) {
    match random.below(if room == 0 { 6 } else { 10 }) {
        0 => out.push(random.pick(&[0xc0, 0xc2, 0xc3])),
        1 => integer(random, out),
        2 => float(random, out),
        3 => string(random, out),
        4 => bytes(random, out),
        5 => out.extend_from_slice(b"\xcb\x7f\xf8\0\0\0\0\0\x01"),
        kind => {
            let map = kind < 8;
            let count = random.below(if room > 4 { 20 } else { 5 });
            let (fix, wide) = if map { (0x80, [(0xde, 2), (0xdf, 4)]) } else { (0x90, [(0xdc, 2), (0xdd, 4)]) };
            length(random, out, (fix, 15), &wide, count);
            for _ in 0..count {
                if map {
                    key(random, out);
                }
                document(random, room - 1, out);
            }
        }
    }
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(2) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(4)).min(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, random.pick(DAMAGE).iter().copied())),
            3 => drop(bytes.splice(at..end, random.pick(DAMAGE).iter().copied())),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

#[test]
fn whole_documents_give_the_same_values_and_bytes() {
    let mut random = Random(1);
    let mut bytes = Vec::new();
    for _ in 0..CASES {
        bytes.clear();
        document(&mut random, 5, &mut bytes);
        assert!(agree(&bytes), "{bytes:02x?}");
    }
}

#[test]
fn damaged_documents_are_judged_the_same() {
    let mut random = Random(2);
    let mut accepted = 0;
    for _ in 0..CASES {
        let mut bytes = Vec::new();
        document(&mut random, 4, &mut bytes);
        damage(&mut random, &mut bytes);
        accepted += usize::from(agree(&bytes));
    }
    assert!(accepted > CASES / 10 && accepted < CASES / 10 * 9, "{accepted} of {CASES} accepted: a one-sided test");
}

#[test]
fn each_cut_of_a_document_ends_too_soon() {
    let mut random = Random(3);
    for _ in 0..CASES / 20 {
        let mut bytes = Vec::new();
        document(&mut random, 3, &mut bytes);
        for length in 0..bytes.len() {
            let error = msgpack::check(&bytes[..length], DEFAULT_DEPTH).unwrap_err();
            match error.kind {
                msgpack::ErrorKind::UnexpectedEnd => assert_eq!(error.offset, length),
                msgpack::ErrorKind::LengthBeyondEnd { .. } => assert!(error.offset < length),
                _ => unreachable!("{error} in a cut document: {bytes:02x?}"),
            }
        }
    }
}
