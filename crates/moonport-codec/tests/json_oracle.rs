// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random documents, whole and damaged, read by us and by serde_json: both refuse or both give the same value.
//!
//! The only difference allowed is depth, where serde_json counts one less; these documents stay far below it.

use moonport_codec::json::{self, DEFAULT_DEPTH};
use serde_json::Value;

mod random;
mod tree;

use random::Random;

const CASES: usize = if cfg!(miri) { 20 } else { 60_000 };

const PIECES: &[&str] = &[
    "a",
    "0",
    " ",
    "é",
    "€",
    "😀",
    "\u{7f}",
    "\u{2028}",
    "/",
    "abcdefghijkl",
    "[",
    "}",
    ":",
    ",",
    "\\n",
    "\\t",
    "\\\"",
    "\\\\",
    "\\/",
    "\\b",
    "\\f",
    "\\r",
    "\\u0000",
    "\\u00e9",
    "\\uFFFF",
    "\\ud83d\\uDE00",
    "\\uDBFF\\uDFFF",
];
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "0.0",
    "-0.0",
    "1e5",
    "1E-7",
    "2.5e+10",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e-400",
    "1.7976931348623157e308",
    "2.2250738585072011e-308",
    "5e-324",
    "0e999",
    "123456789012345678901234567890.5e-10",
    "0.1000000000000000055511151231257827021181583404541015625",
];
const SPACES: &[&str] = &["", "", "", "", " ", "\n", "\t", "\r\n  "];
/// Bytes and pieces that are likely to matter when they turn up in the wrong place.
const DAMAGE: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"00",
    b"-",
    b"+",
    b".",
    b"e",
    b"E5",
    b"e400",
    b" ",
    b"\n",
    b"\0",
    b"\x1f",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x82",
    b"null",
    b"tru",
    b"\\u",
    b"\\ud800",
    b"\\udc00",
    b"\\u12",
    b"'",
    b"/",
    b"NaN",
    b"1",
];

fn string(random: &mut Random, out: &mut String) {
    out.push('"');
    for _ in 0..random.below(8) {
        out.push_str(random.pick(PIECES));
    }
    out.push('"');
}

fn number(random: &mut Random, out: &mut String) {
    let bits = random.next();
    let shift = random.below(64);
    match random.below(6) {
        0 => out.push_str(random.pick(NUMBERS)),
        1 => out.push_str(&(bits >> shift).to_string()),
        2 => out.push_str(&((bits as i64) >> shift).to_string()),
        3 if f64::from_bits(bits).is_finite() => out.push_str(&format!("{:e}", f64::from_bits(bits))),
        4 => out.push_str(&format!("{}.{:02$}", bits >> shift, random.below(100_000), random.below(26))),
        _ => out.push_str(&format!("{}.{}e{}", bits >> shift, random.below(1_000_000), random.below(80))),
    }
}

fn document(random: &mut Random, room: usize, out: &mut String) {
    out.push_str(random.pick(SPACES));
    match random.below(if room == 0 { 6 } else { 10 }) {
        0 => out.push_str(random.pick(&["null", "true", "false"])),
        1 | 2 => number(random, out),
        3..=5 => string(random, out),
        kind => {
            let object = kind < 8;
            out.push(if object { '{' } else { '[' });
            for index in 0..random.below(6) {
                if index > 0 {
                    out.push(',');
                }
                if object {
                    out.push_str(random.pick(SPACES));
                    string(random, out);
                    out.push_str(random.pick(SPACES));
                    out.push(':');
                }
                document(random, room - 1, out);
            }
            out.push_str(random.pick(SPACES));
            out.push(if object { '}' } else { ']' });
        }
    }
    out.push_str(random.pick(SPACES));
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

/// Compares both readers; tells whether they accepted.
fn agree(bytes: &[u8]) -> bool {
    let ours = tree::decode(bytes, DEFAULT_DEPTH);
    let theirs = serde_json::from_slice::<Value>(bytes);
    let shown = String::from_utf8_lossy(bytes);
    match (&ours, &theirs) {
        // Debug, because equality does not tell -0.0 from 0.0.
        (Ok(ours), Ok(theirs)) => assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{shown}"),
        (Err(error), Err(_)) => assert!(error.offset <= bytes.len(), "{error} in {shown}"),
        _ => unreachable!("we: {ours:?}, serde_json: {theirs:?}, on {shown}"),
    }
    ours.is_ok()
}

#[test]
fn whole_documents_give_the_same_values() {
    let mut random = Random(1);
    let mut text = String::new();
    let mut accepted = 0;
    for _ in 0..CASES {
        text.clear();
        document(&mut random, 5, &mut text);
        accepted += usize::from(agree(text.as_bytes()));
    }
    assert_eq!(accepted, CASES);
}

#[test]
fn damaged_documents_are_judged_the_same() {
    let mut random = Random(2);
    let mut accepted = 0;
    for _ in 0..CASES {
        let mut text = String::new();
        document(&mut random, 4, &mut text);
        let mut bytes = text.into_bytes();
        damage(&mut random, &mut bytes);
        accepted += usize::from(agree(&bytes));
    }
    assert!(accepted > CASES / 10 && accepted < CASES / 10 * 9, "{accepted} of {CASES} accepted: a one-sided test");
}

#[test]
fn each_cut_of_a_document_ends_too_soon_or_is_cut_utf8() {
    let text = r#" {"a\n\ud83d\ude00": [1, -2.5e+7, "é😀", true, false, null, {}], "b": {"c": [[]]}}"#;
    assert!(agree(text.as_bytes()));
    for length in 0..text.len() {
        assert!(!agree(&text.as_bytes()[..length]));
        let error = json::check(&text.as_bytes()[..length], DEFAULT_DEPTH).unwrap_err();
        if text.is_char_boundary(length) {
            assert_eq!((error.offset, error.kind), (length, json::ErrorKind::UnexpectedEnd));
        } else {
            assert_eq!(error.kind, json::ErrorKind::InvalidUtf8);
        }
    }
}

#[test]
fn written_strings_read_back() {
    let mut random = Random(3);
    let mut out = Vec::new();
    for _ in 0..CASES {
        let mut bytes = Vec::new();
        for _ in 0..random.below(20) {
            match random.below(8) {
                0 => bytes.extend_from_slice(random.pick(DAMAGE)),
                1 => bytes.push(random.next().to_le_bytes()[0] & 0x3f),
                _ => bytes.extend_from_slice(random.pick(PIECES).as_bytes()),
            }
        }
        let mut unchecked = Vec::new();
        json::write_unchecked(&mut unchecked, &bytes);
        assert_eq!(json::is_text(&unchecked), str::from_utf8(&bytes).is_ok());
        out.clear();
        match json::write_string(&mut out, &bytes) {
            Ok(()) => {
                assert_eq!(out, unchecked);
                assert_eq!(serde_json::from_slice::<String>(&out).unwrap().as_bytes(), bytes);
                assert!(agree(&out));
            }
            Err(offset) => {
                assert_eq!(offset, str::from_utf8(&bytes).unwrap_err().valid_up_to());
                assert!(out.is_empty());
            }
        }
    }
}

#[test]
fn written_numbers_read_back() {
    let mut random = Random(4);
    let mut out = Vec::new();
    for _ in 0..CASES {
        let bits = random.next() >> random.below(64);
        out.clear();
        json::write_unsigned(&mut out, bits);
        assert_eq!(serde_json::from_slice::<u64>(&out).unwrap(), bits);

        let integer = bits as i64;
        out.clear();
        json::write_integer(&mut out, integer);
        assert_eq!(serde_json::from_slice::<i64>(&out).unwrap(), integer);
        assert!(agree(&out));

        for value in [f64::from_bits(bits), integer as f64, integer as f64 / 1024.0] {
            out.clear();
            assert_eq!(json::write_number(&mut out, value), value.is_finite());
            if value.is_finite() {
                assert!(agree(&out));
                assert_eq!(serde_json::from_slice::<f64>(&out).unwrap().to_bits(), value.to_bits());
                let bare = value == value.trunc() && value.abs() < 9_007_199_254_740_992.0;
                let zero = value == 0.0 && value.is_sign_negative();
                assert_eq!(!out.iter().any(|byte| b".e".contains(byte)), bare && !zero, "{value}");
            }
        }
    }
}
