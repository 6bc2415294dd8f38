// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bodies: their type, their coding, malformed ones, and whether the client is asked to send them.

use super::{Row, get, post, post_bytes, request, row};

const JSON: &str = "Content-Type: application/json\r\n";
const EXPECT: &str = "Expect: 100-continue\r\n";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = types();
    rows.extend(json());
    rows.extend(msgpack());
    rows.extend(continues());
    rows.extend(unread());
    rows.extend(lengths());
    rows
}

/// A small body that comes with its head, and others: the owner sees the same.
fn lengths() -> Vec<Row> {
    let sized = |name, size: usize| {
        row(name)
            .send(post("/echo", "", &"x".repeat(size)))
            .answer(&[200])
            .contains(format!("length <{size}>"))
            .contains(format!("size <{size}>"))
            .contains("body <xxx")
            .kept()
            .woken(1)
    };
    let padded = |name, digits: &str| {
        row(name)
            .send(request("POST", "/echo", &format!("Content-Length: {digits}\r\n"), "0123456789"))
            .answer(&[200])
            .contains(format!("length <{}>", digits.trim()))
            .contains("body <0123456789>")
            .kept()
            .woken(1)
    };
    vec![
        sized("a body of 3 bytes", 3),
        sized("a body of 8,192 bytes", 8192),
        sized("a body of 8,193 bytes", 8193),
        padded("a length", "10"),
        padded("a length with zeros", "0010"),
        padded("a length with space around it", "10 \t"),
        row("a length of zeros")
            .send(request("POST", "/echo", "Content-Length: 000\r\n", ""))
            .answer(&[200])
            .contains("length <000>")
            .kept()
            .woken(1),
        row("a body behind its head")
            .send_slowly(post("/echo", "", "later"), 1, 0)
            .answer(&[200])
            .contains("length <5>")
            .contains("body <later>")
            .kept()
            .woken(1),
        row("a body with the next head behind it")
            .send(format!("{}{}", post("/echo", "", "first"), get("/echo?second", "")))
            .answer(&[200])
            .contains("length <5>")
            .contains("body <first>")
            .answer(&[200])
            .contains("query <second=>")
            .kept()
            .woken(2),
        row("a GET with a body")
            .send(request("GET", "/echo", "Content-Length: 4\r\n", "body"))
            .answer(&[200])
            .contains("body <body>")
            .kept()
            .woken(1),
        row("a body that HTTP/1.0 has sent at once")
            .send("POST /echo HTTP/1.0\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nold")
            .answer(&[200])
            .contains("length <3>")
            .contains("body <old>")
            .woken(1),
    ]
}

fn typed(target: &str, content_type: &str, body: &str) -> String {
    post(target, &format!("Content-Type: {content_type}\r\n"), body)
}

fn types() -> Vec<Row> {
    let json = |name, content_type: &str| {
        row(name)
            .send(typed("/json", content_type, "[1]"))
            .answer(&[200])
            .contains("content <json>")
            .contains("body <[1]>")
            .kept()
            .woken(1)
    };
    vec![
        json("JSON", "application/json"),
        json("JSON with a charset", "application/json; charset=utf-8"),
        json("JSON with a charset and no space", "application/json;charset=\"UTF-8\""),
        json("JSON in upper case", "Application/JSON"),
        json("JSON by its suffix", "application/problem+json"),
        row("JSON on a route of any content")
            .send(typed("/echo", "application/json", "[1]"))
            .answer(&[200])
            .contains("content <json>")
            .kept()
            .woken(1),
        row("text on a route of any content")
            .send(typed("/echo", "text/plain", "{"))
            .answer(&[200])
            .contains("content <none>")
            .kept()
            .woken(1),
        row("JSON's name as a prefix").send(typed("/json", "application/jsonp", "[1]")).answer(&[415]),
        row("text on a JSON route").send(typed("/json", "text/plain", "[1]")).answer(&[415]),
        row("a form on a JSON route").send(typed("/json", "application/x-www-form-urlencoded", "[1]")).answer(&[415]),
        row("no type on a JSON route").send(post("/json", "", "[1]")).answer(&[415]),
        row("MessagePack on a JSON route").send(typed("/json", "application/msgpack", "\x01")).answer(&[415]),
        row("JSON on a MessagePack route").send(typed("/msgpack", "application/json", "1")).answer(&[415]),
        row("two types").send(post("/json", &format!("{JSON}Content-Type: text/plain\r\n"), "[1]")).answer(&[400, 415]),
        row("anything on a raw route")
            .send(typed("/raw", "application/json", "{"))
            .answer(&[200])
            .lacks("content <json>")
            .contains("body <{>")
            .kept()
            .woken(1),
        row("a GET that names a type but has no body").send(get("/echo", JSON)).answer(&[200]).kept().woken(1),
        row("Content-Encoding: gzip").send(post("/echo", "Content-Encoding: gzip\r\n", "x")).answer(&[415]).ends(),
        row("Content-Encoding: GZIP").send(post("/echo", "Content-Encoding: GZIP\r\n", "x")).answer(&[415]).ends(),
        row("Content-Encoding: identity, gzip")
            .send(post("/echo", "Content-Encoding: identity, gzip\r\n", "x"))
            .answer(&[415])
            .ends(),
        row("Content-Encoding: identity, then gzip on its own line")
            .send(post("/echo", "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", "x"))
            .answer(&[415])
            .ends(),
        row("Content-Encoding on a raw route")
            .send(post("/raw", "Content-Encoding: br\r\n", "x"))
            .answer(&[415])
            .ends(),
        row("Content-Encoding: identity")
            .send(post("/echo", "Content-Encoding: identity\r\n", "x"))
            .answer(&[200, 415])
            .woken_between(0, 1),
    ]
}

/// Blanks before a document, so that the offset in the answer is no number that stands there by chance.
const BLANKS: usize = 7100;

fn malformed(name: &'static str, document: &[u8], offset: usize) -> Row {
    let mut body = vec![b' '; BLANKS];
    body.extend_from_slice(document);
    row(name).send(post_bytes("/json", JSON, &body)).answer(&[400]).contains((BLANKS + offset).to_string()).kept()
}

fn json() -> Vec<Row> {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    vec![
        row("JSON: empty").send(post("/json", JSON, "")).answer(&[400]).contains("0").kept(),
        row("JSON: a byte order mark")
            .send(post_bytes("/json", JSON, b"\xef\xbb\xbf{}"))
            .answer(&[400])
            .contains("0")
            .kept(),
        malformed("JSON: only blanks", b"", 0),
        malformed("JSON: truncated", b"{\"a\":", 5),
        malformed("JSON: a truncated string", b"\"abc", 4),
        malformed("JSON: trailing text", b"1 x", 2),
        malformed("JSON: two documents", b"{}{}", 2),
        malformed("JSON: a trailing comma", b"[1,]", 3),
        malformed("JSON: single quotes", b"'a'", 0),
        malformed("JSON: NaN", b"[NaN]", 1),
        malformed("JSON: bad UTF-8", b"\"a\xff\"", 2),
        malformed("JSON: UTF-8 that is too long", b"\"\xc0\x80\"", 1),
        malformed("JSON: a surrogate in UTF-8", b"\"\xed\xa0\x80\"", 1),
        malformed("JSON: a lone surrogate", b"\"a\\ud800\"", 2),
        malformed("JSON: a raw control byte", b"\"a\nb\"", 2),
        malformed("JSON: NUL after the value", b"1\0", 1),
        malformed("JSON: 1e400", b"[1e400]", 1),
        malformed("JSON: a leading zero", b"[01]", 2),
        malformed("JSON: 129 deep", nested(129).as_bytes(), 128),
        row("JSON: 128 deep").send(post("/json", JSON, &nested(128))).answer(&[200]).kept().woken(1),
        row("JSON: 100,000 deep").send(post("/json", JSON, &"[".repeat(100_000))).answer(&[400]).contains("128").kept(),
        row("JSON: malformed on a route of any content")
            .send(post("/echo", JSON, "[1"))
            .answer(&[400])
            .contains("2")
            .kept(),
        row("JSON: malformed in two pieces")
            .send(request("POST", "/json", &format!("{JSON}Content-Length: 4\r\n"), "[1"))
            .pause(50)
            .send(",]")
            .answer(&[400])
            .contains("3")
            .kept(),
        row("JSON: malformed in chunks")
            .send(request(
                "POST",
                "/json",
                &format!("{JSON}Transfer-Encoding: chunked\r\n"),
                "2\r\n[1\r\n2\r\n,]\r\n0\r\n\r\n",
            ))
            .answer(&[400])
            .contains("3"),
    ]
}

fn msgpack() -> Vec<Row> {
    const MSGPACK: &str = "Content-Type: application/msgpack\r\n";
    let send = |name, target, body: &[u8]| row(name).send(post_bytes(target, MSGPACK, body));
    let nested = |depth| [vec![0x91; depth], vec![0xc0]].concat();
    // Behind as many items that the offset can be no other number of the answer.
    let malformed = |name, document: &[u8], offset: usize| {
        let items = u16::try_from(BLANKS).expect("a short array") + 1;
        let mut body = [&[0xdc][..], &items.to_be_bytes(), &[0x01; BLANKS]].concat();
        let offset = body.len() + offset;
        body.extend_from_slice(document);
        send(name, "/msgpack", &body).answer(&[400]).contains(format!("\"offset\":{offset}}}")).kept()
    };
    let refused = |name, target, body: &[u8], offset: usize| {
        send(name, target, body)
            .answer(&[400])
            .contains("malformed MessagePack: ")
            .contains(format!("\"offset\":{offset}}}"))
            .kept()
    };
    let extension = |name, body: &[u8], number: i8| {
        send(name, "/msgpack", body)
            .answer(&[400])
            .contains(format!("malformed MessagePack: extension type {number} is not supported at byte 0"))
            .contains("\"offset\":0}")
            .kept()
    };
    vec![
        send("MessagePack", "/msgpack", b"\x92\x01\xa1a")
            .answer(&[200])
            .contains("content <msgpack>")
            .contains("size <4>")
            .kept()
            .woken(1),
        refused("MessagePack: empty", "/msgpack", b"", 0),
        refused("MessagePack: truncated", "/msgpack", b"\x92\x01", 0),
        refused("MessagePack: truncated in a number", "/msgpack", b"\xcd\x01", 2),
        refused("MessagePack: bytes after the value", "/msgpack", b"\x01\x02", 1),
        refused("MessagePack: an array of 4 GiB", "/msgpack", b"\xdd\xff\xff\xff\xff\x01", 0),
        refused("MessagePack: a map of 4 GiB", "/msgpack", b"\xdf\xff\xff\xff\xff\x01", 0),
        refused("MessagePack: a string of 4 GiB", "/msgpack", b"\xdb\xff\xff\xff\xff\x01", 0),
        refused("MessagePack: 0xc1", "/msgpack", b"\xc1", 0),
        extension("MessagePack: an extension", b"\xd4\x05\x00", 5),
        extension("MessagePack: a timestamp", b"\xd6\xff\0\0\0\0", -1),
        refused("MessagePack: nil as a key", "/msgpack", b"\x81\xc0\x01", 1),
        refused("MessagePack: 129 deep", "/msgpack", &nested(129), 128),
        refused("MessagePack: 100,000 deep", "/msgpack", &nested(100_000), 128),
        send("MessagePack: 128 deep", "/msgpack", &nested(128)).answer(&[200]).kept().woken(1),
        malformed("MessagePack: 0xc1 after items", b"\xc1", 0),
        malformed("MessagePack: bad UTF-8 after items", b"\xa2a\xff", 2),
        malformed("MessagePack: bytes after items", b"\x01\x01", 1),
        refused("MessagePack: malformed on a route of any content", "/echo", b"\x92\x01", 0),
    ]
}

fn continues() -> Vec<Row> {
    let asks = |target: &str, extra: &str| request("POST", target, &format!("{EXPECT}{extra}"), "");
    let final_only = |name, bytes: String, statuses: &[u16]| row(name).send(bytes).answer(statuses);
    vec![
        row("Expect: 100-continue")
            .send(asks("/echo", "Content-Length: 5\r\n"))
            .answer(&[100])
            .send("hello")
            .answer(&[200])
            .contains("body <hello>")
            .kept()
            .woken(1),
        row("Expect: 100-CONTINUE")
            .send(request("POST", "/echo", "Expect: 100-CONTINUE\r\nContent-Length: 5\r\n", ""))
            .answer(&[100])
            .send("hello")
            .answer(&[200])
            .kept()
            .woken(1),
        row("Expect: 100-continue with chunks")
            .send(asks("/echo", "Transfer-Encoding: chunked\r\n"))
            .answer(&[100])
            .send("2\r\nhi\r\n0\r\n\r\n")
            .answer(&[200])
            .contains("body <hi>")
            .woken(1),
        row("Expect: 100-continue, malformed then")
            .send(asks("/json", &format!("{JSON}Content-Length: 1\r\n")))
            .answer(&[100])
            .send("{")
            .answer(&[400])
            .kept(),
        row("Expect: 100-continue twice on a connection")
            .send(asks("/echo", "Content-Length: 1\r\n"))
            .answer(&[100])
            .send("a")
            .answer(&[200])
            .send(asks("/echo", "Content-Length: 1\r\n"))
            .answer(&[100])
            .send("b")
            .answer(&[200])
            .contains("body <b>")
            .kept()
            .woken(2),
        row("Expect: 100-continue in HTTP/1.0 is ignored")
            .send("POST /echo HTTP/1.0\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
            .answer(&[200])
            .contains("body <hello>")
            .closed()
            .woken(1),
        final_only("no 100 before 413", asks("/small", "Content-Length: 17\r\n"), &[413]),
        final_only("no 100 before 404", asks("/nowhere", "Content-Length: 5\r\n"), &[404]),
        final_only("no 100 before 405", asks("/items/1", "Content-Length: 5\r\n"), &[405]),
        final_only("no 100 before 415", asks("/json", "Content-Type: text/plain\r\nContent-Length: 5\r\n"), &[415]),
        final_only(
            "no 100 before 415 for gzip",
            asks("/echo", "Content-Encoding: gzip\r\nContent-Length: 5\r\n"),
            &[415],
        ),
        final_only("no 100 before 403", asks("/echo", "Origin: https://evil.example\r\nContent-Length: 5\r\n"), &[403]),
        final_only(
            "no 100 before 400 for the framing",
            asks("/echo", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            &[400],
        )
        .closed(),
        row("an unknown expectation")
            .send(request("POST", "/echo", "Expect: coffee\r\nContent-Length: 1\r\n", ""))
            .answer(&[400, 417]),
        row("two expectations")
            .send(request("POST", "/echo", "Expect: 100-continue, coffee\r\nContent-Length: 1\r\n", ""))
            .answer(&[400, 417]),
    ]
}

/// A request in the body of a refused one is not a request.
fn unread() -> Vec<Row> {
    let inner = get("/echo?smuggled", "").replace("127.0.0.1:$PORT", "127.0.0.1");
    vec![
        row("a request in a body")
            .send(post("/echo", "", &inner))
            .answer(&[200])
            .contains("body <GET /echo?smuggled")
            .ends()
            .woken(1),
        row("a request in the body of a 404").send(post("/nowhere", "", &inner)).answer(&[404]).ends(),
        row("a request in the body of a 405").send(post("/items/1", "", &inner)).answer(&[405]).ends(),
        row("a request in the body of a 403").send(post("/echo", "Origin: null\r\n", &inner)).answer(&[403]).ends(),
        row("a request in the body of a 413").send(post("/small", "", &inner)).answer(&[413]).ends(),
        row("a request in the body of a 415").send(typed("/json", "text/plain", &inner)).answer(&[415]).ends(),
        row("a request in the body of a 417")
            .send(post("/echo", "Expect: coffee\r\n", &inner))
            .answer(&[400, 417])
            .ends(),
        row("a request in the body of a GET")
            .send(request("GET", "/echo", &format!("Content-Length: {}\r\n", inner.len()), &inner))
            .answer(&[200])
            .ends()
            .woken(1),
        row("a request in the chunks of a 404")
            .send(request(
                "POST",
                "/nowhere",
                "Transfer-Encoding: chunked\r\n",
                &format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
            ))
            .answer(&[404])
            .ends(),
        row("a request in the body of an answered GET for a file")
            .send(request("GET", "/static/data.txt", &format!("Content-Length: {}\r\n", inner.len()), &inner))
            .answer(&[200])
            .ends(),
    ]
}
