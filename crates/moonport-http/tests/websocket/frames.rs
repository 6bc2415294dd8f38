// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames, good and bad, against an echo: what comes back, and what the owner hears. The cases of the Autobahn test-suite are in
//! `tests/autobahn/`.

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
        for size in [0, 125, 126, 65_535, 65_536, MIB] {
            let payload = vec![b'*'; size];
            cases.push(works(
                format!("{name} of {size}"),
                vec![frame(opcode, &payload)],
                vec![whole(opcode, &payload)],
            ));
        }
        let payload = vec![b'x'; MIB + 1];
        cases.push(fails(format!("{name} of 1 MiB + 1"), vec![frame(opcode, &payload)], vec![], 1009));
        let sends = fragments(opcode, &payload, 65_536);
        cases.push(fails(format!("{name} of 1 MiB + 1 in frames"), sends, vec![], 1009));
    }
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
    for (name, payload) in [("without bytes", &b""[..]), ("of 125", &[0xfe; 125])] {
        cases.push(works(format!("ping {name}"), vec![frame(PING, payload)], vec![whole(PONG, payload)]));
    }
    cases.push(fails("ping of 126", vec![frame(PING, [7; 126])], vec![], 1002));
    cases.push(fails("ping of 300", vec![frame(PING, [7; 300])], vec![], 1002));
    cases.push(fails("pong of 126", vec![frame(PONG, [7; 126])], vec![], 1002));
    let sends = vec![frame(PONG, "x"), frame(PING, "y")];
    cases.push(works("pong, then ping", sends, vec![whole(PONG, b"y")]));
}

fn reserved(cases: &mut Vec<Case>) {
    for bits in 1..8_u8 {
        for (opcode, name) in [(TEXT, "text"), (BINARY, "binary"), (PING, "ping"), (PONG, "pong"), (CLOSE, "close")] {
            let sends = vec![frame(TEXT, "first"), raw(0x80 | bits << 4 | opcode, &[])];
            let what = format!("{name} with reserved bits {bits:03b}");
            cases.push(fails(what, sends, vec![whole(TEXT, b"first")], 1002));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in ["", "with bytes"] {
            let sends = vec![frame(TEXT, "first"), frame(opcode, payload)];
            let what = format!("opcode {opcode} {payload}");
            cases.push(fails(what, sends, vec![whole(TEXT, b"first")], 1002));
        }
    }
    let unmasked = vec![vec![0x81, 2, b'h', b'i']];
    cases.push(fails("a frame without a mask", unmasked, vec![], 1002));
}

fn fragmentation(cases: &mut Vec<Case>) {
    for (opcode, name) in [(PING, "ping"), (PONG, "pong"), (CLOSE, "close")] {
        let sends = vec![part(opcode, close_payload(1000, b"")), frame(CONTINUATION, "b")];
        cases.push(fails(format!("{name} in fragments"), sends, vec![], 1002));
    }
    let sends = vec![
        part(TEXT, "Hello"),
        frame(PING, "p"),
        part(CONTINUATION, ", "),
        part(CONTINUATION, ""),
        frame(CONTINUATION, "world"),
    ];
    let answers = || vec![whole(PONG, b"p"), whole(TEXT, b"Hello, world")];
    cases.push(works("ping and an empty fragment within a message", sends.clone(), answers()));
    cases.push(works("the same byte by byte", bytewise(&sends.concat()), answers()));
    for (name, first) in [("last", frame(CONTINUATION, "a")), ("not last", part(CONTINUATION, "a"))] {
        cases.push(fails(format!("continuation of nothing, {name}"), vec![first], vec![], 1002));
    }
    let sends = vec![part(TEXT, "a"), frame(CONTINUATION, "b"), frame(CONTINUATION, "c")];
    cases.push(fails("continuation after the last fragment", sends, vec![whole(TEXT, b"ab")], 1002));
    cases.push(fails("text within a message", vec![part(TEXT, "a"), frame(TEXT, "b")], vec![], 1002));
    cases.push(fails("binary within a message", vec![part(TEXT, "a"), part(BINARY, "b")], vec![], 1002));
}

fn utf8(cases: &mut Vec<Case>) {
    let text = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \u{10ffff}\u{fffe}\0";
    let echo = || vec![whole(TEXT, text.as_bytes())];
    cases.push(works("all kinds of characters", vec![frame(TEXT, text)], echo()));
    cases.push(works("cut within characters", fragments(TEXT, text.as_bytes(), 1), echo()));
    let invalid: [(&str, &[u8]); 6] = [
        ("a lone continuation", b"\x80"),
        ("cut after 3 of 4", b"\xf1\x80\x80"),
        ("an overlong slash", b"\xc0\xaf"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("U+110000", b"\xf4\x90\x80\x80"),
        ("FF", b"\xff"),
    ];
    for (name, bytes) in invalid {
        cases.push(fails(name, vec![frame(TEXT, bytes)], vec![], 1007));
        let mut sends = vec![part(TEXT, "a")];
        sends.extend(bytes.iter().map(|byte| part(CONTINUATION, [*byte])));
        sends.push(frame(CONTINUATION, ""));
        cases.push(fails(format!("{name} in fragments"), sends, vec![], 1007));
        cases.push(works(format!("{name} as binary"), vec![frame(BINARY, bytes)], vec![whole(BINARY, bytes)]));
    }
}

fn closes(cases: &mut Vec<Case>) {
    let close = |code, reason: &[u8]| frame(CLOSE, close_payload(code, reason));
    let silent = |sends, close, heard| Case { name: String::new(), sends, answers: vec![], close, heard };
    let nameless = |case: Case, name: &str| Case { name: name.to_owned(), ..case };
    cases.push(nameless(silent(vec![frame(CLOSE, "")], None, 1005), "close without a code"));
    let sends = vec![close(1000, b""), close(1000, b""), frame(PING, ""), frame(TEXT, "late")];
    cases.push(nameless(silent(sends, Some(1000), 1000), "close, then more"));
    let sends = vec![part(TEXT, "half"), close(1000, b"")];
    cases.push(nameless(silent(sends, Some(1000), 1000), "close within a message"));
    cases.push(fails("close with one byte", vec![frame(CLOSE, "x")], vec![], 1002));
    cases.push(nameless(silent(vec![close(1000, &[b'r'; 123])], Some(1000), 1000), "a reason of 123"));
    cases.push(fails("a reason of 124", vec![close(1000, &[b'r'; 124])], vec![], 1002));
    cases.push(fails("a reason that is not UTF-8", vec![close(1000, b"\xce\xba\xff")], vec![], 1007));
    for code in [1000, 1001, 1011, 3000, 4999] {
        let case = silent(vec![close(code, b"bye")], Some(code), code);
        cases.push(nameless(case, &format!("close with {code}")));
    }
    for code in [0, 999, 1005, 1006, 1015, 2999, 5000] {
        cases.push(fails(format!("close with {code}"), vec![close(code, b"")], vec![], 1002));
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
    assert!(cases.len() > 120, "{} cases", cases.len());
    for case in cases {
        run(&owner, case);
    }
    let stats = owner.stats();
    assert!(stats.messages_received > 0 && stats.messages_sent == stats.messages_received, "{stats:?}");
}
