// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single documents: what is accepted and as what, what is refused and at which byte, how values are written, and how a
//! visitor may leave.

use std::panic::{AssertUnwindSafe, catch_unwind};

use moonport_codec::msgpack::{self, BadKey, DEFAULT_DEPTH, ErrorKind, ErrorKind::*, MAX_DEPTH};

mod log;

use log::Log;

/// What a document is visited as.
fn visited(document: &[u8], depth: usize) -> String {
    let mut log = Log::default();
    assert_eq!(msgpack::decode(document, depth, &mut log), Ok(()), "{document:02x?}");
    assert_eq!(msgpack::check(document, depth), Ok(()), "{document:02x?}");
    log.text
}

#[test]
fn each_format_is_visited_as_what_it_holds() {
    let rows: &[(&[u8], &str)] = &[
        (b"\xc0", "null"),
        (b"\xc2", "false"),
        (b"\xc3", "true"),
        (b"\x00", "i0"),
        (b"\x7f", "i127"),
        (b"\xe0", "i-32"),
        (b"\xff", "i-1"),
        (b"\xcc\x00", "i0"),
        (b"\xcc\x80", "i128"),
        (b"\xcc\xff", "i255"),
        (b"\xcd\x00\x00", "i0"),
        (b"\xcd\x01\x02", "i258"),
        (b"\xcd\xff\xff", "i65535"),
        (b"\xce\x00\x00\x00\x07", "i7"),
        (b"\xce\x80\x00\x00\x00", "i2147483648"),
        (b"\xce\xff\xff\xff\xff", "i4294967295"),
        (b"\xcf\x00\x00\x00\x00\x00\x00\x00\x01", "i1"),
        (b"\xcf\x00\x20\x00\x00\x00\x00\x00\x01", "i9007199254740993"),
        (b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", "i9223372036854775807"),
        (b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00", "u9223372036854775808"),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "u18446744073709551615"),
        (b"\xd0\x00", "i0"),
        (b"\xd0\x7f", "i127"),
        (b"\xd0\x80", "i-128"),
        (b"\xd1\x80\x00", "i-32768"),
        (b"\xd1\x7f\xff", "i32767"),
        (b"\xd2\x80\x00\x00\x00", "i-2147483648"),
        (b"\xd2\xff\xff\xff\xff", "i-1"),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "i-9223372036854775808"),
        (b"\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", "i9223372036854775807"),
        (b"\xca\x3f\xc0\x00\x00", "f1.5"),
        (b"\xca\x3d\xcc\xcc\xcd", "f0.10000000149011612"),
        (b"\xca\x80\x00\x00\x00", "f-0.0"),
        (b"\xca\x7f\x80\x00\x00", "finf"),
        (b"\xca\x7f\xc0\x00\x00", "fNaN"),
        (b"\xca\x00\x00\x00\x01", "f1.401298464324817e-45"),
        (b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "f0.1"),
        (b"\xcb\x40\x08\x00\x00\x00\x00\x00\x00", "f3.0"),
        (b"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "f-inf"),
        (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "fNaN"),
        (b"\xa0", r#""""#),
        (b"\xa1a", r#""a""#),
        (b"\xa3\xe2\x82\xac", r#""€""#),
        (b"\xd9\x00", r#""""#),
        (b"\xd9\x02hi", r#""hi""#),
        (b"\xda\x00\x02hi", r#""hi""#),
        (b"\xdb\x00\x00\x00\x02hi", r#""hi""#),
        (b"\xa1\x00", r#""\0""#),
        (b"\xc4\x00", r#"b"""#),
        (b"\xc4\x02\xff\x00", r#"b"\xff\x00""#),
        (b"\xc5\x00\x01a", r#"b"a""#),
        (b"\xc6\x00\x00\x00\x01a", r#"b"a""#),
        (b"\x90", "[ ]0"),
        (b"\x92\x01\xc0", "[2 i1 #1 null #2 ]2"),
        (b"\xdc\x00\x00", "[ ]0"),
        (b"\xdc\x00\x01\x05", "[1 i5 #1 ]1"),
        (b"\xdd\x00\x00\x00\x01\x05", "[1 i5 #1 ]1"),
        (b"\x92\x90\x91\x90", "[2 [ ]0 #1 [1 [ ]0 #1 ]1 #2 ]2"),
        (b"\x80", "{ }0"),
        (b"\x81\xa1a\x01", r#"{1 "a": i1 ; }1"#),
        (b"\xde\x00\x01\xa1a\x01", r#"{1 "a": i1 ; }1"#),
        (b"\xdf\x00\x00\x00\x01\xa1a\x01", r#"{1 "a": i1 ; }1"#),
        (b"\x82\xa1a\x01\xa1a\x02", r#"{2 "a": i1 ; "a": i2 ; }2"#),
        (b"\x81\xa1a\x81\xa1b\x91\xc0", r#"{1 "a": {1 "b": [1 null #1 ]1 ; }1 ; }1"#),
    ];
    for (document, wanted) in rows {
        assert_eq!(visited(document, 8), *wanted, "{document:02x?}");
    }
}

#[test]
fn every_first_byte_is_known() {
    for first in 0..=u8::MAX {
        // As a length this is 0 in every width; as an extension it is number 0.
        let document = [&[first][..], &[0; 40]].concat();
        let found = msgpack::check(&document, 8).map_err(|error| (error.offset, error.kind));
        let used = match first {
            0xc1 => Err((0, UnusedByte)),
            0xc7..=0xc9 | 0xd4..=0xd8 => Err((0, Extension { number: 0 })),
            0x80..=0x8f => Ok(1 + 2 * usize::from(first & 0xf)),
            0x90..=0x9f => Ok(1 + usize::from(first & 0xf)),
            0xa0..=0xbf => Ok(1 + usize::from(first & 0x1f)),
            0xc4 | 0xcc | 0xd0 | 0xd9 => Ok(2),
            0xc5 | 0xcd | 0xd1 | 0xda | 0xdc | 0xde => Ok(3),
            0xc6 | 0xca | 0xce | 0xd2 | 0xdb | 0xdd | 0xdf => Ok(5),
            0xcb | 0xcf | 0xd3 => Ok(9),
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Ok(1),
        };
        match used {
            Err(wanted) => assert_eq!(found, Err(wanted), "{first:#x}"),
            Ok(length) => {
                assert_eq!(found, Err((length, TrailingBytes)), "{first:#x}");
                assert_eq!(msgpack::check(&document[..length], 8), Ok(()), "{first:#x}");
            }
        }
    }
}

#[test]
fn every_scalar_but_nil_and_nan_can_be_a_key() {
    let rows: &[(&[u8], &str)] = &[
        (b"\x81\x07\x01", "{1 i7: i1 ; }1"),
        (b"\x81\xff\x01", "{1 i-1: i1 ; }1"),
        (b"\x81\xd3\x80\0\0\0\0\0\0\0\x01", "{1 i-9223372036854775808: i1 ; }1"),
        (b"\x81\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01", "{1 u18446744073709551615: i1 ; }1"),
        (b"\x82\xc2\x01\xc3\x02", "{2 false: i1 ; true: i2 ; }2"),
        (b"\x81\xca\x3f\xc0\0\0\x01", "{1 f1.5: i1 ; }1"),
        (b"\x81\xcb\x7f\xf0\0\0\0\0\0\0\x01", "{1 finf: i1 ; }1"),
        (b"\x81\xa0\x01", r#"{1 "": i1 ; }1"#),
        (b"\x81\xc4\x01\xff\x01", r#"{1 b"\xff": i1 ; }1"#),
    ];
    for (document, wanted) in rows {
        assert_eq!(visited(document, 1), *wanted, "{document:02x?}");
    }
}

fn refuse(rows: &[(&[u8], usize, ErrorKind)]) {
    for (document, offset, kind) in rows {
        let found = msgpack::decode(document, 3, &mut Log::default());
        assert_eq!(found.map_err(|error| (error.offset, error.kind)), Err((*offset, *kind)), "{document:02x?}");
        assert_eq!(msgpack::check(document, 3), found, "{document:02x?}");
    }
}

#[test]
fn refused_documents_name_the_byte() {
    refuse(&[
        (b"\xc1", 0, UnusedByte),
        (b"\x92\x01\xc1", 2, UnusedByte),
        (b"\x81\xc1\x01", 1, UnusedByte),
        (b"\x81\x01\xc1", 2, UnusedByte),
        (b"\x01\x02", 1, TrailingBytes),
        (b"\x90\xc1", 1, TrailingBytes),
        (b"\xa1a\xa1b", 2, TrailingBytes),
        (b"\x91\x01\x00", 2, TrailingBytes),
        (b"\xd9\x01ab", 3, TrailingBytes),
        (b"\x91\x91\x91\x91\x01", 3, TooDeep { limit: 3 }),
        (b"\x91\x91\x91\x90", 3, TooDeep { limit: 3 }),
        (b"\x81\x01\x81\x01\x91\x80", 5, TooDeep { limit: 3 }),
        (b"\x92\x91\x91\x01\x91\x91\xdd\xff\xff\xff\xff", 6, TooDeep { limit: 3 }),
        (b"\xa1\xff", 1, InvalidUtf8),
        (b"\xa4ab\xe2\x82", 3, InvalidUtf8),
        (b"\xa2\xc0\x80", 1, InvalidUtf8),
        (b"\xa3\xed\xa0\x80", 1, InvalidUtf8),
        (b"\xd9\x02a\xff", 3, InvalidUtf8),
        (b"\xda\x00\x02a\xff", 4, InvalidUtf8),
        (b"\xdb\x00\x00\x00\x02a\xff", 6, InvalidUtf8),
        (b"\x92\x01\xa2a\xff", 4, InvalidUtf8),
        (b"\x81\xa1\xff\x01", 2, InvalidUtf8),
    ]);
}

#[test]
fn an_input_that_ends_too_soon_names_its_length() {
    refuse(&[
        (b"", 0, UnexpectedEnd),
        (b"\xcc", 1, UnexpectedEnd),
        (b"\xcd\x01", 2, UnexpectedEnd),
        (b"\xce\x01\x02\x03", 4, UnexpectedEnd),
        (b"\xcf\x01\x02\x03\x04\x05\x06\x07", 8, UnexpectedEnd),
        (b"\xd0", 1, UnexpectedEnd),
        (b"\xd1\x01", 2, UnexpectedEnd),
        (b"\xd2\x01\x02\x03", 4, UnexpectedEnd),
        (b"\xd3\x01\x02\x03\x04\x05\x06\x07", 8, UnexpectedEnd),
        (b"\xca\x01\x02\x03", 4, UnexpectedEnd),
        (b"\xcb\x01\x02\x03\x04\x05\x06\x07", 8, UnexpectedEnd),
        (b"\xc4", 1, UnexpectedEnd),
        (b"\xc5\x00", 2, UnexpectedEnd),
        (b"\xc6\x00\x00\x00", 4, UnexpectedEnd),
        (b"\xd9", 1, UnexpectedEnd),
        (b"\xda\x00", 2, UnexpectedEnd),
        (b"\xdb\x00\x00\x00", 4, UnexpectedEnd),
        (b"\xdc\x00", 2, UnexpectedEnd),
        (b"\xdd\x00\x00\x00", 4, UnexpectedEnd),
        (b"\xde\x00", 2, UnexpectedEnd),
        (b"\xdf\x00\x00\x00", 4, UnexpectedEnd),
        (b"\x92\xa1a", 3, UnexpectedEnd),
        (b"\x81\xa1a", 3, UnexpectedEnd),
        // The inner one would leave nothing for the second item of the outer one.
        (b"\x92\x91\x01", 3, UnexpectedEnd),
        (b"\x81\x01\x91", 2, LengthBeyondEnd { length: 1 }),
        (b"\x82\xa1a\x81\x01\x01", 6, UnexpectedEnd),
    ]);
}

#[test]
fn each_length_is_held_against_what_is_left() {
    refuse(&[
        (b"\x91", 0, LengthBeyondEnd { length: 1 }),
        (b"\x92\x01", 0, LengthBeyondEnd { length: 2 }),
        (b"\x92\x01\x91", 2, LengthBeyondEnd { length: 1 }),
        (b"\x81", 0, LengthBeyondEnd { length: 1 }),
        (b"\x81\x01", 0, LengthBeyondEnd { length: 1 }),
        (b"\x82\x01\x02\x03", 0, LengthBeyondEnd { length: 2 }),
        (b"\xa1", 0, LengthBeyondEnd { length: 1 }),
        (b"\xbfabc", 0, LengthBeyondEnd { length: 31 }),
        (b"\xd9\x03ab", 0, LengthBeyondEnd { length: 3 }),
        (b"\xda\x01\x00ab", 0, LengthBeyondEnd { length: 256 }),
        (b"\xdb\xff\xff\xff\xff\x01", 0, LengthBeyondEnd { length: u32::MAX }),
        (b"\xc4\x03ab", 0, LengthBeyondEnd { length: 3 }),
        (b"\xc5\xff\xffab", 0, LengthBeyondEnd { length: 65535 }),
        (b"\xc6\xff\xff\xff\xff\x01", 0, LengthBeyondEnd { length: u32::MAX }),
        (b"\xdc\xff\xff\x01", 0, LengthBeyondEnd { length: 65535 }),
        (b"\xdd\xff\xff\xff\xff\x01", 0, LengthBeyondEnd { length: u32::MAX }),
        (b"\xde\xff\xff\x01", 0, LengthBeyondEnd { length: 65535 }),
        (b"\xdf\xff\xff\xff\xff\x01", 0, LengthBeyondEnd { length: u32::MAX }),
        // Twice this overflows 32 bits and leaves 0.
        (b"\xdf\x80\x00\x00\x00\x01", 0, LengthBeyondEnd { length: 0x8000_0000 }),
        (b"\x92\x01\xdd\xff\xff\xff\xff", 2, LengthBeyondEnd { length: u32::MAX }),
        (b"\x81\xdb\xff\xff\xff\xff\x01", 1, LengthBeyondEnd { length: u32::MAX }),
    ]);
    for document in [&b"\xdd\xff\xff\xff\xff\x01"[..], b"\xdf\xff\xff\xff\xff\x01", b"\xdb\xff\xff\xff\xff\x01"] {
        let mut log = Log::default();
        assert!(msgpack::decode(document, 8, &mut log).is_err());
        assert_eq!(log.text, "", "nothing is visited before the check");
    }
}

#[test]
fn hints_cannot_add_up_beyond_the_document() {
    // Each array announces as many items as there are bytes left.
    let mut document = Vec::new();
    for left in (0..100u16).rev() {
        document.extend_from_slice(&[0xdc]);
        document.extend_from_slice(&(left * 3).to_be_bytes());
    }
    let mut log = Log::default();
    let error = msgpack::decode(&document, DEFAULT_DEPTH, &mut log).unwrap_err();
    assert_eq!((error.offset, error.kind), (300, UnexpectedEnd));
    assert_eq!(log.text, "[297");
}

#[test]
fn extensions_are_refused_by_number() {
    let number = |number| Extension { number };
    refuse(&[
        (b"\xd4\x05\x00", 0, number(5)),
        (b"\xd5\x06\x00\x00", 0, number(6)),
        (b"\xd6\xff\x00\x00\x00\x00", 0, number(-1)),
        (b"\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00", 0, number(-1)),
        (b"\xd8\x7f", 0, number(127)),
        (b"\xc7\x0c\xff\x00\x00\x00\x00", 0, number(-1)),
        (b"\xc7\x00\x80", 0, number(-128)),
        (b"\xc8\xff\xff\x01", 0, number(1)),
        (b"\xc9\xff\xff\xff\xff\x02", 0, number(2)),
        (b"\x92\x01\xd4\x05\x00", 2, number(5)),
        (b"\x81\xd4\x05\x00\x01", 1, number(5)),
        (b"\xd4", 1, UnexpectedEnd),
        (b"\xc7\x00", 2, UnexpectedEnd),
        (b"\xc8\x00\x01", 3, UnexpectedEnd),
        (b"\xc9\x00\x00\x00\x01", 5, UnexpectedEnd),
    ]);
}

#[test]
fn keys_that_lua_cannot_hold_are_refused() {
    refuse(&[
        (b"\x81\xc0\x01", 1, BadKey(BadKey::Nil)),
        (b"\x81\xca\x7f\xc0\x00\x00\x01", 1, BadKey(BadKey::Nan)),
        (b"\x81\xcb\xff\xf8\x00\x00\x00\x00\x00\x01\x01", 1, BadKey(BadKey::Nan)),
        (b"\x81\x90\x01", 1, BadKey(BadKey::Array)),
        (b"\x81\xdd\x00\x00\x00\x00\x01", 1, BadKey(BadKey::Array)),
        (b"\x81\x80\x01", 1, BadKey(BadKey::Map)),
        (b"\x82\xa1a\x01\xde\x00\x00\x01", 4, BadKey(BadKey::Map)),
        (b"\x91\x81\xc0\x01", 2, BadKey(BadKey::Nil)),
    ]);
}

#[test]
fn a_refused_document_is_visited_up_to_the_fault() {
    let mut log = Log::default();
    assert!(msgpack::decode(b"\x81\xa1a\x93\x01\xa1b\xc1", 8, &mut log).is_err());
    assert_eq!(log.text, r#"{1 "a": [3 i1 #1 "b" #2"#);
}

#[test]
fn depth_counts_open_arrays_and_maps_and_has_a_ceiling() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    let check = |open, depth| msgpack::check(&nested(open), depth).map_err(|error| (error.offset, error.kind));
    assert_eq!(check(1, 0), Err((0, TooDeep { limit: 0 })));
    assert_eq!(check(0, 0), Ok(()));
    assert_eq!(check(DEFAULT_DEPTH, DEFAULT_DEPTH), Ok(()));
    assert_eq!(check(DEFAULT_DEPTH + 1, DEFAULT_DEPTH), Err((128, TooDeep { limit: 128 })));
    assert_eq!(check(100_000, DEFAULT_DEPTH), Err((128, TooDeep { limit: 128 })));
    assert_eq!(check(MAX_DEPTH, usize::MAX), Ok(()));
    assert_eq!(check(MAX_DEPTH + 1, usize::MAX), Err((1024, TooDeep { limit: 1024 })));
    assert_eq!(msgpack::check(b"\x93\x90\x90\x81\xa1a\x80", 3), Ok(()), "siblings do not add up");
}

#[test]
fn the_greatest_depth_fits_a_small_stack() {
    let document = [b"\x81\xa1a\x91".repeat(MAX_DEPTH / 2), vec![0xc0]].concat();
    let run = move || msgpack::decode(&document, MAX_DEPTH, &mut Log::default());
    // Less than a thread gets by default (2 MiB), and far less once optimised.
    let stack = if cfg!(debug_assertions) { 1792 << 10 } else { 256 << 10 };
    let thread = std::thread::Builder::new().name("small".into()).stack_size(stack).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(()));
}

#[test]
fn a_visitor_may_unwind_out() {
    let mut log = Log { panic_at: Some("v"), ..Log::default() };
    let document = b"\x81\xa1k\x91\xa1v";
    let left = catch_unwind(AssertUnwindSafe(|| msgpack::decode(document, 8, &mut log)));
    assert!(left.is_err());
    assert_eq!(log.text, r#"{1 "k": [1"#);
    assert_eq!(visited(document, 8), r#"{1 "k": [1 "v" #1 ]1 ; }1"#);
}

#[test]
fn messages_say_what_is_wrong_and_where() {
    let rows: &[(&[u8], &str)] = &[
        (b"", "unexpected end of the input at byte 0"),
        (b"\xcd\x01", "unexpected end of the input at byte 2"),
        (b"\xdd\xff\xff\xff\xff\x01", "length 4294967295 is beyond the end of the input at byte 0"),
        (b"\xc1", "expected a value, found 0xc1 at byte 0"),
        (b"\xd4\x05\x00", "extension type 5 is not supported at byte 0"),
        (b"\x91\xd6\xff\x00\x00\x00\x00", "extension type -1 is not supported at byte 1"),
        (b"\xa2a\xff", "invalid UTF-8 at byte 2"),
        (b"\x81\xc0\x01", "nil cannot be a map key at byte 1"),
        (b"\x81\xca\x7f\xc0\x00\x00\x01", "NaN cannot be a map key at byte 1"),
        (b"\x81\x90\x01", "an array cannot be a map key at byte 1"),
        (b"\x81\x80\x01", "a map cannot be a map key at byte 1"),
        (b"\x91\x91\x91\x91\x01", "nested deeper than 3 at byte 3"),
        (b"\x01\x02", "unexpected bytes after the value at byte 1"),
    ];
    for (document, message) in rows {
        assert_eq!(msgpack::check(document, 3).unwrap_err().to_string(), *message);
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    write(&mut out);
    out.split_off(6)
}

#[test]
fn integers_take_the_smallest_form() {
    let rows: &[(i64, &[u8])] = &[
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\xcc\x80"),
        (255, b"\xcc\xff"),
        (256, b"\xcd\x01\x00"),
        (65_535, b"\xcd\xff\xff"),
        (65_536, b"\xce\x00\x01\x00\x00"),
        (0xffff_ffff, b"\xce\xff\xff\xff\xff"),
        (0x1_0000_0000, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        (i64::MAX, b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
        (-1, b"\xff"),
        (-32, b"\xe0"),
        (-33, b"\xd0\xdf"),
        (-128, b"\xd0\x80"),
        (-129, b"\xd1\xff\x7f"),
        (-32_768, b"\xd1\x80\x00"),
        (-32_769, b"\xd2\xff\xff\x7f\xff"),
        (-0x8000_0000, b"\xd2\x80\x00\x00\x00"),
        (-0x8000_0001, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        (i64::MIN, b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
    ];
    for (value, wanted) in rows {
        assert_eq!(written(|out| msgpack::write_integer(out, *value)), *wanted, "{value}");
        assert_eq!(visited(wanted, 0), format!("i{value}"));
        if let Ok(value) = u64::try_from(*value) {
            assert_eq!(written(|out| msgpack::write_unsigned(out, value)), *wanted, "{value}");
        }
    }
    for value in [1 << 63, u64::MAX] {
        assert_eq!(visited(&written(|out| msgpack::write_unsigned(out, value)), 0), format!("u{value}"));
    }
}

#[test]
fn numbers_take_the_smallest_form_that_keeps_them() {
    let rows: &[(f64, &[u8], &str)] = &[
        (0.0, b"\x00", "i0"),
        (-0.0, b"\xca\x80\x00\x00\x00", "f-0.0"),
        (-1.0, b"\xff", "i-1"),
        (1e3, b"\xcd\x03\xe8", "i1000"),
        (9_007_199_254_740_991.0, b"\xcf\x00\x1f\xff\xff\xff\xff\xff\xff", "i9007199254740991"),
        (9_007_199_254_740_992.0, b"\xca\x5a\x00\x00\x00", "f9007199254740992.0"),
        (0.5, b"\xca\x3f\x00\x00\x00", "f0.5"),
        (0.1, b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "f0.1"),
        (f64::from(f32::MAX), b"\xca\x7f\x7f\xff\xff", "f3.4028234663852886e38"),
        (f64::MAX, b"\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", "f1.7976931348623157e308"),
        (5e-324, b"\xcb\x00\x00\x00\x00\x00\x00\x00\x01", "f5e-324"),
        (f64::INFINITY, b"\xca\x7f\x80\x00\x00", "finf"),
        (f64::NEG_INFINITY, b"\xca\xff\x80\x00\x00", "f-inf"),
        (f64::from_bits(0xfff8_0000_0000_0007), b"\xcb\xff\xf8\x00\x00\x00\x00\x00\x07", "fNaN"),
    ];
    for (value, wanted, shown) in rows {
        assert_eq!(written(|out| msgpack::write_number(out, *value)), *wanted, "{value}");
        assert_eq!(visited(wanted, 0), *shown);
    }
}

#[test]
fn lengths_take_the_smallest_form() {
    type Write = fn(&mut Vec<u8>, usize);
    let text: Write = |out, length| assert!(msgpack::write_string(out, &vec![b'a'; length]));
    let bytes: Write = |out, length| assert!(msgpack::write_string(out, &vec![0xff; length]));
    let array: Write = |out, length| msgpack::write_array_header(out, u32::try_from(length).unwrap());
    let map: Write = |out, length| msgpack::write_map_header(out, u32::try_from(length).unwrap());
    let rows: &[(Write, usize, &[u8])] = &[
        (text, 0, b"\xa0"),
        (text, 31, b"\xbf"),
        (text, 32, b"\xd9\x20"),
        (text, 255, b"\xd9\xff"),
        (text, 256, b"\xda\x01\x00"),
        (text, 65_535, b"\xda\xff\xff"),
        (text, 65_536, b"\xdb\x00\x01\x00\x00"),
        (bytes, 1, b"\xc4\x01"),
        (bytes, 255, b"\xc4\xff"),
        (bytes, 256, b"\xc5\x01\x00"),
        (bytes, 65_535, b"\xc5\xff\xff"),
        (bytes, 65_536, b"\xc6\x00\x01\x00\x00"),
        (array, 0, b"\x90"),
        (array, 15, b"\x9f"),
        (array, 16, b"\xdc\x00\x10"),
        (array, 65_535, b"\xdc\xff\xff"),
        (array, 65_536, b"\xdd\x00\x01\x00\x00"),
        (array, 0xffff_ffff, b"\xdd\xff\xff\xff\xff"),
        (map, 0, b"\x80"),
        (map, 15, b"\x8f"),
        (map, 16, b"\xde\x00\x10"),
        (map, 65_535, b"\xde\xff\xff"),
        (map, 65_536, b"\xdf\x00\x01\x00\x00"),
        (map, 0xffff_ffff, b"\xdf\xff\xff\xff\xff"),
    ];
    // Miri takes minutes for the long ones.
    let most = if cfg!(miri) { 300 } else { usize::MAX };
    for (write, length, wanted) in rows.iter().filter(|row| row.1 <= most) {
        let out = written(|out| write(out, *length));
        let header = &out[..wanted.len()];
        assert_eq!(header, *wanted, "{length}");
        // Every byte is an item, but not 4 GiB of them.
        let items = vec![0; (*length).min(70_000)];
        let whole = match header[0] {
            0x90..=0x9f | 0xdc | 0xdd => [&out, &items[..]].concat(),
            0x80..=0x8f | 0xde | 0xdf => [&out, &items[..], &items[..]].concat(),
            _ => out.clone(),
        };
        assert_eq!(msgpack::check(&whole, 1).is_ok(), items.len() == *length, "{length}");
    }
}

#[test]
fn nil_and_booleans_are_one_byte() {
    assert_eq!(written(msgpack::write_nil), b"\xc0");
    assert_eq!(written(|out| msgpack::write_boolean(out, true)), b"\xc3");
    assert_eq!(written(|out| msgpack::write_boolean(out, false)), b"\xc2");
}
