// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the sections 1 to 7, 9 and 10 of the Autobahn test-suite cover, as named cases against an echo.

use std::io::Write;

use moonport_http::{Config, WebSocketOptions};

use crate::client::{
    BINARY, CLOSE, CONTINUATION, Client, Frame, PING, PONG, TEXT, close_payload, frame, part, raw, whole,
};
use crate::owner::{Owner, spawn};

struct Case {
    name: String,
    /// What the client writes, piece by piece.
    sends: Vec<Vec<u8>>,
    /// What comes back before the close frame.
    answers: Vec<Frame>,
    /// The code of the server's close frame; `None`: it has none.
    close: Option<u16>,
    /// What the owner hears, unless that is the same.
    heard: u16,
}

/// The client breaks the rules, and the server says which.
fn fails(name: impl Into<String>, sends: Vec<Vec<u8>>, answers: Vec<Frame>, code: u16) -> Case {
    Case { name: name.into(), sends, answers, close: Some(code), heard: code }
}

/// All is well, and the client closes with 1000.
fn works(name: impl Into<String>, mut sends: Vec<Vec<u8>>, answers: Vec<Frame>) -> Case {
    sends.push(frame(CLOSE, close_payload(1000, b"")));
    Case { name: name.into(), sends, answers, close: Some(1000), heard: 1000 }
}

fn bytewise(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.iter().map(|byte| vec![*byte]).collect()
}

/// A message in frames of `size` bytes.
fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    let last = payload.chunks(size).count() - 1;
    let opcode_of = |at| if at == 0 { opcode } else { CONTINUATION };
    let fragment = |(at, piece)| if at == last { frame(opcode_of(at), piece) } else { part(opcode_of(at), piece) };
    payload.chunks(size).enumerate().map(fragment).collect()
}

const MIB: usize = 1 << 20;

fn sizes(cases: &mut Vec<Case>) {
    for (opcode, name) in [(TEXT, "text"), (BINARY, "binary")] {
        for size in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
            let payload = vec![b'*'; size];
            cases.push(works(
                format!("1 {name} of {size}"),
                vec![frame(opcode, &payload)],
                vec![whole(opcode, &payload)],
            ));
        }
        let payload = vec![b'*'; 65_536];
        let pieces = frame(opcode, &payload).chunks(997).map(<[u8]>::to_vec).collect();
        cases.push(works(format!("1 {name} in pieces"), pieces, vec![whole(opcode, &payload)]));
        for size in [MIB / 16, MIB / 4, MIB] {
            let payload = vec![b'x'; size];
            let echo = vec![whole(opcode, &payload)];
            cases.push(works(format!("9 {name} of {size} in one frame"), vec![frame(opcode, &payload)], echo.clone()));
            for fragment in [4096, 65_536] {
                let sends = fragments(opcode, &payload, fragment);
                cases.push(works(format!("9 {name} of {size} in frames of {fragment}"), sends, echo.clone()));
            }
        }
        let payload = vec![b'x'; MIB + 1];
        cases.push(fails(format!("9 {name} of 1 MiB + 1"), vec![frame(opcode, &payload)], vec![], 1009));
        let sends = fragments(opcode, &payload, 65_536);
        cases.push(fails(format!("9 {name} of 1 MiB + 1 in frames"), sends, vec![], 1009));
        let sends = fragments(opcode, &payload[..65_536], 1300);
        cases.push(works(format!("10 {name} fragmented on the way"), sends, vec![whole(opcode, &payload[..65_536])]));
    }
    let payload = vec![b'y'; 4096];
    let sends = bytewise(&frame(TEXT, &payload));
    cases.push(works("9 byte by byte", sends, vec![whole(TEXT, &payload)]));
    let promise = |length: u64| vec![[&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat()];
    cases.push(fails("a frame that promises 2^40 bytes", promise(1 << 40), vec![], 1009));
    cases.push(fails("a frame that promises 2^63 bytes", promise(1 << 63), vec![], 1009));
    // The shortest form is a duty of who sends (RFC 6455 section 5.2): it is read nevertheless.
    let long16 = [&[0x81, 0xfe, 0, 2][..], &[0; 4], b"ab"].concat();
    let long64 = [&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 2][..], &[0; 4], b"ab"].concat();
    cases.push(works("a length of 2 in 16 bits", vec![long16], vec![whole(TEXT, b"ab")]));
    cases.push(works("a length of 2 in 64 bits", vec![long64], vec![whole(TEXT, b"ab")]));
}

fn pings(cases: &mut Vec<Case>) {
    for (name, payload) in [("empty", &b""[..]), ("text", b"Hello"), ("bytes", &[0, 255, 254, 253]), ("125", &[7; 125])]
    {
        cases.push(works(format!("2 ping {name}"), vec![frame(PING, payload)], vec![whole(PONG, payload)]));
    }
    cases.push(fails("2 ping of 126", vec![frame(PING, [7; 126])], vec![], 1002));
    cases.push(works("2 ping byte by byte", bytewise(&frame(PING, [8; 125])), vec![whole(PONG, &[8; 125])]));
    cases.push(works("2 pong alone", vec![frame(PONG, "")], vec![]));
    cases.push(works("2 pong alone with bytes", vec![frame(PONG, "who?")], vec![]));
    let sends = vec![frame(PONG, "x"), frame(PING, "y")];
    cases.push(works("2 pong, then ping", sends, vec![whole(PONG, b"y")]));
    cases.push(fails("a pong of 126", vec![frame(PONG, [7; 126])], vec![], 1002));
    cases.push(fails("a ping of 300", vec![frame(PING, [7; 300])], vec![], 1002));
}

fn reserved(cases: &mut Vec<Case>) {
    for bits in 1..8_u8 {
        for (opcode, name) in [(TEXT, "text"), (BINARY, "binary"), (PING, "ping"), (PONG, "pong"), (CLOSE, "close")] {
            let sends = vec![frame(TEXT, "first"), raw(0x80 | bits << 4 | opcode, &[])];
            let what = format!("3 {name} with reserved bits {bits:03b}");
            cases.push(fails(what, sends, vec![whole(TEXT, b"first")], 1002));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in ["", "with bytes"] {
            let sends = vec![frame(TEXT, "first"), frame(opcode, payload)];
            let what = format!("4 opcode {opcode} {payload}");
            cases.push(fails(what, sends, vec![whole(TEXT, b"first")], 1002));
        }
    }
    let unmasked = vec![vec![0x81, 2, b'h', b'i']];
    cases.push(fails("a frame without a mask", unmasked, vec![], 1002));
}

fn fragmentation(cases: &mut Vec<Case>) {
    let hello = || vec![whole(TEXT, b"Hello, world")];
    cases.push(fails("5 ping in fragments", vec![part(PING, "a"), frame(CONTINUATION, "b")], vec![], 1002));
    cases.push(fails("5 pong in fragments", vec![part(PONG, "a"), frame(CONTINUATION, "b")], vec![], 1002));
    cases.push(fails("5 close in fragments", vec![part(CLOSE, close_payload(1000, b""))], vec![], 1002));
    let sends = || vec![part(TEXT, "Hello, "), frame(CONTINUATION, "world")];
    cases.push(works("5 two fragments", sends(), hello()));
    cases.push(works("5 two fragments byte by byte", bytewise(&sends().concat()), hello()));
    let sends = vec![part(TEXT, "Hello, "), frame(PING, "p"), frame(CONTINUATION, "world")];
    let answers = || [vec![whole(PONG, b"p")], hello()].concat();
    cases.push(works("5 ping between fragments", sends.clone(), answers()));
    cases.push(works("5 ping between fragments byte by byte", bytewise(&sends.concat()), answers()));
    let sends = vec![
        part(TEXT, "Hello"),
        frame(PONG, ""),
        part(CONTINUATION, ", "),
        part(CONTINUATION, ""),
        frame(CONTINUATION, "world"),
    ];
    cases.push(works("5 pong and an empty fragment between", sends, hello()));
    let sends = vec![part(TEXT, ""), part(CONTINUATION, ""), frame(CONTINUATION, "")];
    cases.push(works("5 only empty fragments", sends, vec![whole(TEXT, b"")]));
    for (name, first) in [("last", frame(CONTINUATION, "a")), ("not last", part(CONTINUATION, "a"))] {
        let sends = vec![first, frame(TEXT, "b")];
        cases.push(fails(format!("5 continuation of nothing, {name}"), sends, vec![], 1002));
    }
    let sends = vec![part(TEXT, "a"), frame(CONTINUATION, "b"), frame(CONTINUATION, "c")];
    cases.push(fails("5 continuation after the last fragment", sends, vec![whole(TEXT, b"ab")], 1002));
    cases.push(fails("5 text within a message", vec![part(TEXT, "a"), frame(TEXT, "b")], vec![], 1002));
    cases.push(fails("5 binary within a message", vec![part(TEXT, "a"), part(BINARY, "b")], vec![], 1002));
    let pings: Vec<_> = (0..10).map(|at| frame(PING, [at])).collect();
    let sends = [vec![part(BINARY, "a")], pings, vec![frame(CONTINUATION, "b")]].concat();
    let pongs: Vec<_> = (0..10).map(|at| whole(PONG, &[at])).collect();
    cases.push(works("5 ten pings between fragments", sends, [pongs, vec![whole(BINARY, b"ab")]].concat()));
}

fn utf8(cases: &mut Vec<Case>) {
    let text = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \u{10ffff}\u{fffe}\0";
    let echo = || vec![whole(TEXT, text.as_bytes())];
    cases.push(works("6 all kinds of characters", vec![frame(TEXT, text)], echo()));
    cases.push(works("6 split within characters", fragments(TEXT, text.as_bytes(), 1), echo()));
    for size in [2, 3, 5] {
        cases.push(works(format!("6 fragments of {size}"), fragments(TEXT, text.as_bytes(), size), echo()));
    }
    cases.push(works("6 byte by byte", bytewise(&frame(TEXT, text)), echo()));
    let valid: [(&str, &[u8]); 9] = [
        ("U+0080", b"\xc2\x80"),
        ("U+07FF", b"\xdf\xbf"),
        ("U+0800", b"\xe0\xa0\x80"),
        ("U+D7FF", b"\xed\x9f\xbf"),
        ("U+E000", b"\xee\x80\x80"),
        ("U+FFFF", b"\xef\xbf\xbf"),
        ("U+10000", b"\xf0\x90\x80\x80"),
        ("U+10FFFF", b"\xf4\x8f\xbf\xbf"),
        ("BOM", b"\xef\xbb\xbf"),
    ];
    for (name, bytes) in valid {
        cases.push(works(format!("6 {name}"), vec![frame(TEXT, bytes)], vec![whole(TEXT, bytes)]));
    }
    let invalid: [(&str, &[u8]); 18] = [
        ("a lone continuation", b"\x80"),
        ("a last continuation", b"a\xbf"),
        ("cut after 1 of 2", b"\xc2"),
        ("cut after 2 of 3", b"\xe1\x80"),
        ("cut after 3 of 4", b"\xf1\x80\x80"),
        ("cut by ASCII", b"\xe1\x80a"),
        ("overlong slash of 2", b"\xc0\xaf"),
        ("overlong slash of 3", b"\xe0\x80\xaf"),
        ("overlong slash of 4", b"\xf0\x80\x80\xaf"),
        ("overlong NUL", b"\xc0\x80"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("a pair of surrogates", b"\xed\xa0\x80\xed\xb0\x80"),
        ("U+110000", b"\xf4\x90\x80\x80"),
        ("of 5 bytes", b"\xf8\x88\x80\x80\x80"),
        ("of 6 bytes", b"\xfc\x84\x80\x80\x80\x80"),
        ("FE", b"\xfe"),
        ("FF", b"\xff"),
        ("after good text", "κόσμε\u{ed}".as_bytes().split_last().unwrap().1),
    ];
    for (name, bytes) in invalid {
        cases.push(fails(format!("6 {name}"), vec![frame(TEXT, bytes)], vec![], 1007));
        let mut sends = vec![part(TEXT, "a")];
        sends.extend(bytes.iter().map(|byte| part(CONTINUATION, [*byte])));
        sends.push(frame(CONTINUATION, ""));
        cases.push(fails(format!("6 {name} in fragments"), sends, vec![], 1007));
        cases.push(works(format!("6 {name} as binary"), vec![frame(BINARY, bytes)], vec![whole(BINARY, bytes)]));
    }
}

fn closes(cases: &mut Vec<Case>) {
    let close = |code, reason: &[u8]| frame(CLOSE, close_payload(code, reason));
    let silent = |sends, close, heard| Case { name: String::new(), sends, answers: vec![], close, heard };
    let nameless = |case: Case, name: &str| Case { name: name.to_owned(), ..case };
    cases.push(nameless(silent(vec![frame(CLOSE, "")], None, 1005), "7 close without a code"));
    let sends = vec![close(1000, b""), close(1000, b""), frame(PING, ""), frame(TEXT, "late")];
    cases.push(nameless(silent(sends, Some(1000), 1000), "7 close, then more"));
    let sends = vec![part(TEXT, "half"), close(1000, b"")];
    cases.push(nameless(silent(sends, Some(1000), 1000), "7 close within a message"));
    cases.push(fails("7 close with one byte", vec![frame(CLOSE, "x")], vec![], 1002));
    cases.push(nameless(silent(vec![close(1000, &[b'r'; 123])], Some(1000), 1000), "7 a reason of 123"));
    cases.push(fails("7 a reason of 124", vec![close(1000, &[b'r'; 124])], vec![], 1002));
    cases.push(fails("7 a reason that is not UTF-8", vec![close(1000, b"\xce\xba\xff")], vec![], 1007));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        let case = silent(vec![close(code, b"bye")], Some(code), code);
        cases.push(nameless(case, &format!("7 close with {code}")));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(fails(format!("7 close with {code}"), vec![close(code, b"")], vec![], 1002));
    }
}

/// Seen where the test fails.
#[expect(clippy::disallowed_macros, reason = "a test may print")]
fn print_name(name: &str) {
    println!("{name}");
}

fn run(owner: &Owner, case: Case) {
    print_name(&case.name);
    let Case { name, mut sends, answers, close, heard } = case;
    let mut client = Client::open(owner.address, "/echo");
    let mut writer = Client(client.0.try_clone().unwrap());
    // Whoever ends a connection waits for the echo of what came before: nothing is sent after a close frame.
    let last = if answers.is_empty() { None } else { sends.pop() };
    // Large messages: both sides write at once.
    let sender = spawn(move || {
        // The server may have closed before the last byte is written.
        sends.iter().all(|piece| writer.0.write_all(piece).is_ok())
    });
    let mut frames = Vec::new();
    while frames.len() < answers.len() {
        frames.extend(Some(client.frame().unwrap_or_else(|| panic!("{name}: closed after {frames:?}"))));
    }
    if let Some(last) = last {
        client.send(&last);
    }
    while let Some(frame) = client.frame() {
        frames.push(frame);
    }
    sender.join().unwrap();
    let last = frames.pop().unwrap_or_else(|| panic!("{name}: no close frame"));
    assert_eq!(last.0, 0x80 | CLOSE, "{name}: {last:?}");
    let code = last.1.first_chunk().map(|code| u16::from_be_bytes(*code));
    assert_eq!(code, close, "{name}: {last:?}");
    assert_eq!(frames, answers, "{name}");
    assert_eq!(owner.note(), "open /echo", "{name}");
    loop {
        let note = owner.note();
        if let Some(code) = note.strip_prefix("close ") {
            let code = code.split(' ').next().unwrap();
            assert_eq!(code, heard.to_string(), "{name}");
            break;
        }
    }
}

#[test]
fn frames_are_answered_as_the_rfc_says() {
    let owner = Owner::start(Config::default(), WebSocketOptions::default());
    let mut cases = Vec::new();
    for add in [sizes, pings, reserved, fragmentation, utf8, closes] {
        add(&mut cases);
    }
    assert!(cases.len() > 180, "{} cases", cases.len());
    for case in cases {
        run(&owner, case);
    }
    let stats = owner.stats();
    assert!(stats.messages_received > 0 && stats.messages_sent == stats.messages_received, "{stats:?}");
}
