// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single documents: what is accepted and as what, what is refused and at which byte, and how a visitor may leave.

use std::panic::{AssertUnwindSafe, catch_unwind};

use moonport_codec::json::{self, DEFAULT_DEPTH, ErrorKind, ErrorKind::*, Expected, MAX_DEPTH, Tape};

mod log;
mod tree;

use log::Log;

#[test]
fn accepted_documents_are_visited_in_order() {
    let rows = [
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        (" \t\r\n null \t\r\n", "null"),
        ("0", "i0"),
        ("-0", "f-0.0"),
        ("-0.0", "f-0.0"),
        ("0.0", "f0.0"),
        ("0e5", "f0.0"),
        ("-1", "i-1"),
        ("10", "i10"),
        ("9007199254740993", "i9007199254740993"),
        ("9223372036854775807", "i9223372036854775807"),
        ("-9223372036854775808", "i-9223372036854775808"),
        ("-9223372036854775809", "f-9.223372036854776e18"),
        ("9223372036854775808", "u9223372036854775808"),
        ("9999999999999999999", "u9999999999999999999"),
        ("10000000000000000000", "u10000000000000000000"),
        ("18446744073709551615", "u18446744073709551615"),
        ("18446744073709551616", "f1.8446744073709552e19"),
        ("-18446744073709551616", "f-1.8446744073709552e19"),
        ("123456789012345678901234567890", "f1.2345678901234568e29"),
        ("1.0", "f1.0"),
        ("0.1", "f0.1"),
        ("-1.5e3", "f-1500.0"),
        ("1e1", "f10.0"),
        ("1E+2", "f100.0"),
        ("1e-2", "f0.01"),
        ("1e00", "f1.0"),
        ("1e308", "f1e308"),
        ("1.7976931348623157e308", "f1.7976931348623157e308"),
        ("5e-324", "f5e-324"),
        ("1e-400", "f0.0"),
        ("-1e-99999999999999999999", "f-0.0"),
        ("0e99999999999999999999", "f0.0"),
        (r#""""#, r#""""#),
        (r#""a""#, r#""a""#),
        (r#""12345678""#, r#""12345678""#),
        (r#""1234567890123456789""#, r#""1234567890123456789""#),
        (r#""\"\\\/\b\f\n\r\t""#, r#""\"\\/\u{8}\u{c}\n\r\t""#),
        (r#""\u0041\u00e9\u20AC""#, r#""Aé€""#),
        (r#""\u0000""#, r#""\0""#),
        (r#""\ud83d\ude00""#, r#""😀""#),
        (r#""\uD800\uDC00\uDBFF\uDFFF""#, r#""𐀀\u{10ffff}""#),
        (r#""\uD7FF\uE000\uFFFF""#, r#""\u{d7ff}\u{e000}\u{ffff}""#),
        (r#""before\nafter""#, r#""before\nafter""#),
        (r#""é\né😀""#, r#""é\né😀""#),
        ("\"\u{7f}\u{2028}\"", r#""\u{7f}\u{2028}""#),
        ("\"\u{feff}\"", r#""\u{feff}""#),
        ("[]", "[ ]0"),
        ("[ ]", "[ ]0"),
        ("[1]", "[1 i1 #1 ]1"),
        ("[1 , 2]", "[2 i1 #1 i2 #2 ]2"),
        ("[[],[[]]]", "[2 [ ]0 #1 [1 [ ]0 #1 ]1 #2 ]2"),
        ("{}", "{ }0"),
        ("{ }", "{ }0"),
        (r#"{"a":1}"#, r#"{1 "a": i1 ; }1"#),
        (r#"{ "a" : 1 , "b" : [] }"#, r#"{2 "a": i1 ; "b": [ ]0 ; }2"#),
        (r#"{"a":1,"a":2}"#, r#"{2 "a": i1 ; "a": i2 ; }2"#),
        (r#"{"":"","\n":"\t"}"#, r#"{2 "": "" ; "\n": "\t" ; }2"#),
        (r#"[{"a":{"b":[null]}},true]"#, r#"[2 {1 "a": {1 "b": [1 null #1 ]1 ; }1 ; }1 #1 true #2 ]2"#),
    ];
    let mut tape = Tape::default();
    for (document, wanted) in rows {
        let mut log = Log::default();
        assert_eq!(json::decode(document.as_bytes(), 8, &mut tape, &mut log), Ok(()), "{document}");
        assert_eq!(log.text, wanted, "{document}");
        assert_eq!(json::check(document.as_bytes(), 8), Ok(()), "{document}");
    }
}

fn refuse(rows: &[(&[u8], usize, ErrorKind)]) {
    for (document, offset, kind) in rows {
        let shown = String::from_utf8_lossy(document);
        let found = tree::decode(document, 3).map_err(|error| (error.offset, error.kind));
        assert_eq!(found, Err((*offset, *kind)), "{shown}");
    }
}

const fn wanted(expected: Expected) -> ErrorKind {
    UnexpectedByte(expected)
}

const VALUE: ErrorKind = wanted(Expected::Value);
const COMMA_OR_BRACKET: ErrorKind = wanted(Expected::CommaOrBracket);
const COMMA_OR_BRACE: ErrorKind = wanted(Expected::CommaOrBrace);
const COLON: ErrorKind = wanted(Expected::Colon);
const KEY: ErrorKind = wanted(Expected::Key);
const KEY_OR_BRACE: ErrorKind = wanted(Expected::KeyOrBrace);

#[test]
fn refused_documents_name_the_byte() {
    refuse(&[
        (b"", 0, UnexpectedEnd),
        (b"  \n", 3, UnexpectedEnd),
        (b"\0", 0, VALUE),
        (b"\x0c1", 0, VALUE),
        ("\u{a0}1".as_bytes(), 0, VALUE),
        (b"\xef\xbb\xbf", 0, ByteOrderMark),
        (b"\xef\xbb\xbf{}", 0, ByteOrderMark),
        (b" \xef\xbb\xbf{}", 1, VALUE),
        (b"{}\xef\xbb\xbf", 2, TrailingText),
        (b"n", 1, UnexpectedEnd),
        (b"nul", 3, UnexpectedEnd),
        (b"nulx", 3, wanted(Expected::Null)),
        (b"[nul]", 4, wanted(Expected::Null)),
        (b"nulll", 4, TrailingText),
        (b"truE", 3, wanted(Expected::True)),
        (b"fasle", 2, wanted(Expected::False)),
        (b"True", 0, VALUE),
        (b"NaN", 0, VALUE),
        (b"Infinity", 0, VALUE),
        (b"undefined", 0, VALUE),
        (b"'a'", 0, VALUE),
        (b"// a\n1", 0, VALUE),
        (b"1 // a", 2, TrailingText),
        (b"1 2", 2, TrailingText),
        (b"1,", 1, TrailingText),
        (b"{}}", 2, TrailingText),
        (b"[]\0", 2, TrailingText),
        (b"\"a\"b", 3, TrailingText),
        (b"[", 1, UnexpectedEnd),
        (b"[ ", 2, UnexpectedEnd),
        (b"]", 0, VALUE),
        (b"[1", 2, UnexpectedEnd),
        (b"[1,", 3, UnexpectedEnd),
        (b"[1,]", 3, VALUE),
        (b"[,1]", 1, VALUE),
        (b"[1,,2]", 3, VALUE),
        (b"[1 2]", 3, COMMA_OR_BRACKET),
        (b"[1}", 2, COMMA_OR_BRACKET),
        (b"[1:2]", 2, COMMA_OR_BRACKET),
        (b"[}", 1, VALUE),
        (b"{", 1, UnexpectedEnd),
        (b"}", 0, VALUE),
        (b"{]", 1, KEY_OR_BRACE),
        (b"{1:2}", 1, KEY_OR_BRACE),
        (b"{a:2}", 1, KEY_OR_BRACE),
        (b"{,}", 1, KEY_OR_BRACE),
        (b"{\"a\"", 4, UnexpectedEnd),
        (b"{\"a\"}", 4, COLON),
        (b"{\"a\" 1}", 5, COLON),
        (b"{\"a\",1}", 4, COLON),
        (b"{\"a\":", 5, UnexpectedEnd),
        (b"{\"a\":}", 5, VALUE),
        (b"{\"a\":1", 6, UnexpectedEnd),
        (b"{\"a\":1,", 7, UnexpectedEnd),
        (b"{\"a\":1,}", 7, KEY),
        (b"{\"a\":1,2:3}", 7, KEY),
        (b"{\"a\":1 \"b\":2}", 7, COMMA_OR_BRACE),
        (b"{\"a\":1]", 6, COMMA_OR_BRACE),
        (b"{\"a\"::1}", 5, VALUE),
        (b"[[[]]]]", 6, TrailingText),
        (b"[[[[]]]]", 3, TooDeep { limit: 3 }),
        (b"[[1,[ {", 6, TooDeep { limit: 3 }),
        (b"{\"a\":{\"a\":[{}]}}", 11, TooDeep { limit: 3 }),
    ]);
}

#[test]
fn refused_numbers_name_the_byte() {
    let huge = [b"1".as_slice(), &[b'0'; 309]].concat();
    let huge_in_array = [b"[-", huge.as_slice(), b"]"].concat();
    refuse(&[
        (b"-", 1, UnexpectedEnd),
        (b"[-]", 2, BadNumber),
        (b"--1", 1, BadNumber),
        (b"-a", 1, BadNumber),
        (b"-Infinity", 1, BadNumber),
        (b"- 1", 1, BadNumber),
        (b"+1", 0, VALUE),
        (b".5", 0, VALUE),
        (b"-.5", 1, BadNumber),
        (b"01", 1, BadNumber),
        (b"00", 1, BadNumber),
        (b"-01", 2, BadNumber),
        (b"[0123.5]", 2, BadNumber),
        (b"1.", 2, UnexpectedEnd),
        (b"[1.]", 3, BadNumber),
        (b"1.e5", 2, BadNumber),
        (b"1..2", 2, BadNumber),
        (b"1.5.5", 3, TrailingText),
        (b"1e", 2, UnexpectedEnd),
        (b"1e+", 3, UnexpectedEnd),
        (b"[1e]", 3, BadNumber),
        (b"[1e-]", 4, BadNumber),
        (b"1e+-1", 3, BadNumber),
        (b"1e1.5", 3, TrailingText),
        (b"0x10", 1, TrailingText),
        (b"1_000", 1, TrailingText),
        (b"[1a]", 2, COMMA_OR_BRACKET),
        (b"1e400", 0, NumberOutOfRange),
        (b" -1e400 ", 1, NumberOutOfRange),
        (b"[0, 1.5E999999999999999999999]", 4, NumberOutOfRange),
        (b"1.7976931348623159e308", 0, NumberOutOfRange),
        (&huge, 0, NumberOutOfRange),
        (&huge_in_array, 1, NumberOutOfRange),
        ("\u{ff11}".as_bytes(), 0, VALUE),
    ]);
}

#[test]
fn refused_strings_name_the_byte() {
    refuse(&[
        (b"\"", 1, UnexpectedEnd),
        (b"\"abc", 4, UnexpectedEnd),
        (b"\"abc\\", 5, UnexpectedEnd),
        (b"\"abc\\\"", 6, UnexpectedEnd),
        (b"\"a\nb\"", 2, ControlCharacter),
        (b"\"\0\"", 1, ControlCharacter),
        (b"\"12345678\x1f\"", 9, ControlCharacter),
        (b"\"\\n\t\"", 3, ControlCharacter),
        (b"{\"a\tb\":1}", 3, ControlCharacter),
        (b"\"\\x41\"", 2, BadEscape),
        (b"\"\\'\"", 2, BadEscape),
        (b"\"\\0\"", 2, BadEscape),
        (b"\"\\U0041\"", 2, BadEscape),
        (b"\"\\\n\"", 2, BadEscape),
        ("\"\\é\"".as_bytes(), 2, BadEscape),
        (b"\"\\u\"", 3, BadEscape),
        (b"\"\\u12\"", 5, BadEscape),
        (b"\"\\u12G4\"", 5, BadEscape),
        (b"\"\\u+123\"", 3, BadEscape),
        ("\"\\u00é0\"".as_bytes(), 5, BadEscape),
        (b"\"\\u12", 5, UnexpectedEnd),
        (b"\"\\ud800\"", 1, LoneSurrogate),
        (b"\"ab\\udbffcd\"", 3, LoneSurrogate),
        (b"\"\\udc00\"", 1, LoneSurrogate),
        (b"\"\\udfff\\ud800\"", 1, LoneSurrogate),
        (b"\"\\ud800\\n\"", 1, LoneSurrogate),
        (b"\"\\ud800\\u0041\"", 1, LoneSurrogate),
        (b"\"\\ud800\\ud800\\udc00\"", 1, LoneSurrogate),
        (b"\"\\ud83d\\ude00\\ude00\"", 13, LoneSurrogate),
        (b"\"\\ud800\\uZZZZ\"", 9, BadEscape),
        (b"\"\\ud800", 7, UnexpectedEnd),
        (b"\"\\ud800\\", 8, UnexpectedEnd),
        (b"\"\\ud800\\udc0", 12, UnexpectedEnd),
    ]);
}

#[test]
fn text_that_is_not_utf8_is_refused_before_all_else() {
    refuse(&[
        (b"\xff", 0, InvalidUtf8),
        (b"\"\xff\"", 1, InvalidUtf8),
        (b"\"\x80\"", 1, InvalidUtf8),
        (b"\"\xe2\x82\"", 1, InvalidUtf8),
        (b"\"ab\xe2\x82", 3, InvalidUtf8),
        (b"\"\xc0\xaf\"", 1, InvalidUtf8),
        (b"\"\xed\xa0\x80\"", 1, InvalidUtf8),
        (b"\"\xf4\x90\x80\x80\"", 1, InvalidUtf8),
        (b"[1] \xe9", 4, InvalidUtf8),
        (b"{1:2} \xff", 6, InvalidUtf8),
        (b"\xff\xfe1\0", 0, InvalidUtf8),
    ]);
    let mut log = Log::default();
    assert!(json::decode(b"[1, \xff", 8, &mut Tape::default(), &mut log).is_err());
    assert_eq!(log.text, "");
}

#[test]
fn a_refused_document_is_not_visited() {
    for document in [&b"{\"a\":[1,\"b\\n\",x"[..], b"[1] 2", b"[1"] {
        let mut log = Log::default();
        assert!(json::decode(document, 8, &mut Tape::default(), &mut log).is_err());
        assert_eq!(log.text, "");
    }
}

#[test]
fn depth_counts_open_brackets_and_has_a_ceiling() {
    let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
    let check = |open: usize, depth| json::check(&nested(open), depth).map_err(|error| (error.offset, error.kind));
    assert_eq!(check(1, 0), Err((0, TooDeep { limit: 0 })));
    assert_eq!(json::check(b"1", 0), Ok(()));
    assert_eq!(check(DEFAULT_DEPTH, DEFAULT_DEPTH), Ok(()));
    assert_eq!(check(DEFAULT_DEPTH + 1, DEFAULT_DEPTH), Err((128, TooDeep { limit: 128 })));
    assert_eq!(check(MAX_DEPTH + 1, usize::MAX), Err((1024, TooDeep { limit: 1024 })));
    assert_eq!(json::check(b"[[],[],{\"a\":{}}]", 3), Ok(()), "siblings do not add up");
}

#[test]
fn the_greatest_depth_fits_a_small_stack() {
    let document = [b"{\"a\":[".repeat(MAX_DEPTH / 2), b"]}".repeat(MAX_DEPTH / 2)].concat();
    let run = move || json::decode(&document, MAX_DEPTH, &mut Tape::default(), &mut Log::default());
    // Less than a thread gets by default (2 MiB), and far less once optimised.
    let stack = if cfg!(debug_assertions) { 1792 << 10 } else { 256 << 10 };
    let thread = std::thread::Builder::new().name("small".into()).stack_size(stack).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(()));
}

#[test]
fn a_visitor_may_unwind_out() {
    let mut tape = Tape::default();
    let mut log = Log { panic_at: Some("v\n"), ..Log::default() };
    let document = br#"{"k\n":["v\n"]}"#;
    let left = catch_unwind(AssertUnwindSafe(|| json::decode(document, 8, &mut tape, &mut log)));
    assert!(left.is_err());
    assert_eq!(log.text, r#"{1 "k\n": [1"#);
    log = Log::default();
    assert_eq!(json::decode(document, 8, &mut tape, &mut log), Ok(()));
    assert_eq!(log.text, r#"{1 "k\n": [1 "v\n" #1 ]1 ; }1"#);
}

#[test]
fn numbers_of_ten_thousand_digits_are_read_like_any_other() {
    let (zeros, nines) = ("0".repeat(10_000), "9".repeat(10_000));
    for (document, value) in [
        (format!("0.{nines}"), "1.0"),
        (format!("0.{zeros}1e10001"), "1.0"),
        (format!("1{zeros}e-10000"), "1.0"),
        (format!("1e-{nines}"), "0.0"),
    ] {
        let mut log = Log::default();
        json::decode(document.as_bytes(), 1, &mut Tape::default(), &mut log).unwrap();
        assert_eq!(log.text, format!("f{value}"), "{} bytes", document.len());
    }
    for document in [nines.clone(), format!("-{nines}"), format!("1e{nines}"), format!("1e+{zeros}999")] {
        let error = json::check(document.as_bytes(), 1).unwrap_err();
        assert_eq!((error.offset, error.kind), (0, NumberOutOfRange), "{} bytes", document.len());
    }
}

#[test]
fn messages_say_what_was_wanted_and_where() {
    for (document, message) in [
        ("", "unexpected end of the text at byte 0"),
        ("[", "unexpected end of the text at byte 1"),
        ("[1 2]", "expected ',' or ']' at byte 3"),
        ("{\"a\":1 2", "expected ',' or '}' at byte 7"),
        ("{a", "expected a key or '}' at byte 1"),
        ("nil", "expected null at byte 1"),
        ("\u{feff}1", "expected a value, found a byte order mark at byte 0"),
        ("[[[[", "nested deeper than 3 at byte 3"),
        ("1e999", "number out of range at byte 0"),
        ("1 1", "unexpected text after the value at byte 2"),
    ] {
        assert_eq!(json::check(document.as_bytes(), 3).unwrap_err().to_string(), message);
    }
}
